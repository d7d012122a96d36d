/* SPDX-License-Identifier: MIT */
/*
 * libgabi-formats: files from and to buffers. No function here opens a file.
 *
 * Every reader takes any bytes at all: what it does not take gives one sentence in diag, with line and column for
 * syntax, a JSON pointer for the rest. What a reader returns is sealed.
 *
 * All memory is the caller's mem, and every function may be called from any thread.
 */
#ifndef GABI_FORMATS_H
#define GABI_FORMATS_H

#include <gabi/contract.h>
#include <gabi/host.h>
#include <gabi/model.h>
#include <gabi/plan.h>
#include <gabi/state.h>
#include <gabi/verdict.h>

GABI_BEGIN

/* What is larger is GABI_ERR_LIMIT. A host has some thousand words. */
#define GABI_FORMATS_MAX_LEN (64u << 20) /* bytes of a text */
#define GABI_FORMATS_MAX_WORDS 65536     /* words of a manifest or contract */
#define GABI_FORMATS_MAX_VPS 4096        /* virtual processors with promises of their own */

GABI_API int gabi_contract_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_contract **ret_contract,
				struct gabi_diag *diag);
GABI_API int gabi_host_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_host **ret_host,
			    struct gabi_diag *diag);

/* Models of a user's own, each added to the set (gabi/model.h). After an error the set has those that stood before the one at fault. */
#define GABI_MODELS_SCHEMA 1
GABI_API int gabi_models_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_model_set *set, struct gabi_diag *diag);

/*
 * Other tools' files, told apart by what is in them.
 *
 * FIRECRACKER: a fingerprint of cpu-template-helper, or its guest_cpu_config alone; view must be GABI_VIEW_GUEST.
 * CPUID: what cpuid -r and cpuid -1 -r print, and beside it MSRs in lines "msr 0x10a 0x1", blank lines and lines that
 * begin with #; view is GABI_VIEW_GUEST or, outside of any guest, GABI_VIEW_CPU. Several processors must agree in all that is a promise.
 * QEMU: the answer to query-cpu-model-expansion of "host" or "max", full; view must be GABI_VIEW_GUEST. It knows only what QEMU has a name for,
 * and covers no space.
 */
enum gabi_import { GABI_IMPORT_GUESS, GABI_IMPORT_FIRECRACKER, GABI_IMPORT_CPUID, GABI_IMPORT_QEMU };
GABI_API int gabi_host_import(const char *text, size_t len, enum gabi_import format, enum gabi_view view,
			      const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag);

/* "sha256:" and 64 digits, as in a contract file, with a final NUL. */
#define GABI_FORMATS_DIGEST_CAP 72
GABI_API void gabi_digest_print(const uint8_t digest[GABI_DIGEST_LEN], char ret_text[GABI_FORMATS_DIGEST_CAP]);

/* Writers: *ret_text is one allocation with a final NUL, to be freed by gabi_text_free with the same mem. A name, note or
 * fact that is not UTF-8, and a fact of no known name, is GABI_ERR_ARG. */
GABI_API void gabi_text_free(char *text, const struct gabi_mem *mem);
GABI_API int gabi_contract_write(const struct gabi_contract *contract, const struct gabi_mem *mem, char **ret_text, size_t *ret_len);
GABI_API int gabi_host_write(const struct gabi_host *host, const struct gabi_mem *mem, char **ret_text, size_t *ret_len);
GABI_API int gabi_report_write(const struct gabi_report *report, const struct gabi_mem *mem, char **ret_text, size_t *ret_len);
GABI_API int gabi_plan_write(const struct gabi_plan *plan, const struct gabi_mem *mem, char **ret_text, size_t *ret_len);

/*
 * The stream of a saved state: self-describing CBOR, every section with its length and its sum (docs/state.md). gabi_state_read
 * takes any bytes at all: what was cut off, damaged in any bit, or written by a later version is refused with the section and
 * the byte; nothing of it is handed out before all of it was checked. Writing what was read gives the same bytes again.
 */
GABI_API int gabi_state_read(const void *bytes, size_t len, const struct gabi_mem *mem, struct gabi_state **ret_state,
			     struct gabi_diag *diag);
GABI_API int gabi_state_write(const struct gabi_state *state, const struct gabi_mem *mem, char **ret_bytes, size_t *ret_len);

GABI_END
#endif
