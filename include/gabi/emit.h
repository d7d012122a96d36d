/* SPDX-License-Identifier: MIT */
/*
 * A contract, or what a host offers, in the words of other tools. In libgabi-formats: into a buffer, without I/O.
 *
 * What the other tool has no words for is never left out in silence: each such difference is a gap, with both values.
 */
#ifndef GABI_EMIT_H
#define GABI_EMIT_H

#include <gabi/contract.h>
#include <gabi/host.h>

GABI_BEGIN

enum gabi_emit_format {
#define GABI_EMIT_ROW(name, text, of, what) GABI_EMIT_##name,
#include <gabi/emit.def>
	GABI_EMIT_COUNT
};

/* What a format is made of. */
enum gabi_emit_of { GABI_EMIT_OF_CONTRACT = 1, GABI_EMIT_OF_HOST = 2, GABI_EMIT_OF_BOTH = 3 };

struct gabi_emit_info {
	const char *text;     /* "qemu" */
	const char *what;     /* one line for people */
	enum gabi_emit_of of;
};

/* All formats, by enum gabi_emit_format. */
GABI_API const struct gabi_emit_info *gabi_emit_formats(size_t *ret_count);

/* A promise that the other tool cannot be told, or would break. */
struct gabi_emit_gap {
	struct gabi_key key;  /* space NONE where it is not of one word */
	uint64_t bits;        /* which bits of the word */
	uint64_t promised;    /* those bits as the contract has them */
	uint64_t given;       /* and as a guest of the emitted text would see them */
	const char *why;      /* one sentence, constant */
};

struct gabi_emission;

/*
 * Writes as `format`. What the format is not made of may be NULL; what it is made of and is NULL, or of an architecture that
 * the tool does not have, is GABI_ERR_ARG. A text with gaps is a result and no error.
 */
GABI_API int gabi_emit(enum gabi_emit_format format, const struct gabi_contract *contract, const struct gabi_host *host,
		       const struct gabi_mem *mem, struct gabi_emission **ret_emission, struct gabi_diag *diag);
GABI_API void gabi_emission_free(struct gabi_emission *emission); /* NULL is fine */

/* The text, with a final NUL that is not counted. */
GABI_API const char *gabi_emission_text(const struct gabi_emission *emission, size_t *ret_len);

GABI_API const struct gabi_emit_gap *gabi_emission_gaps(const struct gabi_emission *emission, size_t *ret_count);

/* What a person should know of the text: what it assumes, and what else must be set. One sentence each. */
GABI_API size_t gabi_emission_note_count(const struct gabi_emission *emission);
GABI_API const char *gabi_emission_note(const struct gabi_emission *emission, size_t at);

GABI_END
#endif
