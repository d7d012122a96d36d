/* SPDX-License-Identifier: MIT */
/*
 * What a guest of a QEMU command line sees on a host with KVM.
 *
 * The line says what is asked for, the host what there is, and QEMU what becomes of both: it takes from a guest what the host
 * lacks, sets what its machine types and KVM want, and fills leaves by itself. QEMU 7.2 to 11.1, machines pc-i440fx, pc-q35 and
 * virt (arm64) of 4.1 and later. The order of what QEMU does is followed step by step; the facts are rows of data/models.
 */
#ifndef GABI_QEMU_H
#define GABI_QEMU_H

#include <gabi/contract.h>
#include <gabi/host.h>
#include <gabi/model.h>

GABI_BEGIN

struct gabi_qemu;

#define GABI_QEMU_MAX_LEN 65536 /* bytes of a command line; longer is GABI_ERR_LIMIT */

/*
 * Reads a whole command line as a shell would (quotes, backslashes, lines that go on, comments), a file as -readconfig takes
 * it, or the argument of -cpu alone; own (or NULL) has models beside the built-in ones. Options that cannot touch the guest's CPU are passed over; one that QEMU does not have is
 * GABI_ERR_UNKNOWN, one whose effect is not foreseen here GABI_ERR_UNSUPPORTED, and what QEMU would refuse is refused as by
 * gabi_cpu_parse.
 */
GABI_API int gabi_qemu_parse(const char *text, size_t len, const struct gabi_model_set *own, const struct gabi_mem *mem,
			     struct gabi_qemu **ret_line, struct gabi_diag *diag);
GABI_API void gabi_qemu_free(struct gabi_qemu *line); /* NULL is fine */

GABI_API enum gabi_arch gabi_qemu_arch(const struct gabi_qemu *line);  /* of the machine */
GABI_API unsigned gabi_qemu_release(const struct gabi_qemu *line);     /* the major number of the machine's release */
GABI_API const char *gabi_qemu_machine(const struct gabi_qemu *line); /* "pc-q35-7.2" */
GABI_API const char *gabi_qemu_cpu(const struct gabi_qemu *line);     /* the argument of -cpu, as QEMU would be given it */

/* What was assumed because the line does not say it, and what was passed over; one sentence each. */
GABI_API size_t gabi_qemu_note_count(const struct gabi_qemu *line);
GABI_API const char *gabi_qemu_note(const struct gabi_qemu *line, size_t at);

struct gabi_qemu_guest;

/* A feature that was asked for and that the host cannot give: QEMU starts without it, unless `enforce` was asked for. */
struct gabi_qemu_loss {
	struct gabi_key key;
	uint64_t bits;
};

/*
 * The guest of the line on that host. A manifest that is not of view KVM, or not of the machine's architecture, or does not cover
 * CPUID or the ID registers, is GABI_ERR_ARG. That QEMU would refuse to start is a result.
 */
GABI_API int gabi_qemu_start(const struct gabi_qemu *line, const struct gabi_host *host, const struct gabi_mem *mem,
			     struct gabi_qemu_guest **ret_guest, struct gabi_diag *diag);
GABI_API void gabi_qemu_guest_free(struct gabi_qemu_guest *guest); /* NULL is fine */

/* Why QEMU would not start it, in one sentence; NULL if it would. */
GABI_API const char *gabi_qemu_guest_refusal(const struct gabi_qemu_guest *guest);

/* What the guest sees; NULL if QEMU would not start it. Lives as long as the guest. */
GABI_API struct gabi_contract *gabi_qemu_guest_contract(const struct gabi_qemu_guest *guest);

GABI_API const struct gabi_qemu_loss *gabi_qemu_guest_losses(const struct gabi_qemu_guest *guest, size_t *ret_count);

/* What a person should know of this guest; one sentence each. */
GABI_API size_t gabi_qemu_guest_note_count(const struct gabi_qemu_guest *guest);
GABI_API const char *gabi_qemu_guest_note(const struct gabi_qemu_guest *guest, size_t at);

/*
 * The line whose guest on that host is nearest to what the contract promises: a named model, and by name what differs from it,
 * no more than is needed. Whether it is the same is seen by starting it: what QEMU has no words for stays different. Of
 * QEMU 7.2's machines and models where these do, so that every later release has them too.
 */
GABI_API int gabi_qemu_find(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_mem *mem,
			    struct gabi_qemu **ret_line, struct gabi_diag *diag);

GABI_END
#endif
