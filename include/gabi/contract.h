/* SPDX-License-Identifier: MIT */
/*
 * A contract: everything one VM was promised, explicit to the bit, as the guest sees it.
 *
 * What a contract does not list is off. Its digest covers the promises alone, so that two VMs with the same digest have
 * the same ABI, whatever they are called.
 */
#ifndef GABI_CONTRACT_H
#define GABI_CONTRACT_H

#include <gabi/err.h>
#include <gabi/host.h>
#include <gabi/mem.h>
#include <gabi/word.h>

GABI_BEGIN

struct gabi_contract;

#define GABI_CONTRACT_SCHEMA 1 /* the newest schema that this version writes and reads */

GABI_API struct gabi_contract *gabi_contract_new(enum gabi_arch arch, const struct gabi_mem *mem);
GABI_API void gabi_contract_free(struct gabi_contract *contract); /* NULL is fine */

GABI_API enum gabi_arch gabi_contract_arch(const struct gabi_contract *contract);

/* Adds a promise; words may come in any order. word->vp may name one virtual processor where the register's scope is
 * VP and it need not be the same on all. */
GABI_API int gabi_contract_add(struct gabi_contract *contract, const struct gabi_word *word, struct gabi_diag *diag);

/* Name and note are for people and not part of the digest. Copied; NULL clears. */
GABI_API int gabi_contract_set_name(struct gabi_contract *contract, const char *name);
GABI_API int gabi_contract_set_note(struct gabi_contract *contract, const char *note);
GABI_API const char *gabi_contract_name(const struct gabi_contract *contract); /* "" if none */
GABI_API const char *gabi_contract_note(const struct gabi_contract *contract); /* "" if none */

/* What is known of the host that the contract was pinned from: facts as a manifest's, for people and for naming the cause
 * of a finding; not part of the digest. */
GABI_API int gabi_contract_set_origin(struct gabi_contract *contract, const char *name, const char *value,
				      struct gabi_diag *diag);
GABI_API const struct gabi_facts *gabi_contract_origin(const struct gabi_contract *contract);

/* Sorts the words, clears free fields, and checks that nothing is there twice. To be called once, after the last word. */
GABI_API int gabi_contract_seal(struct gabi_contract *contract, struct gabi_diag *diag);

GABI_API const struct gabi_word *gabi_contract_words(const struct gabi_contract *contract, size_t *ret_count);

/* The word as virtual processor vp sees it (GABI_VP_ALL: the common one); NULL if nothing is promised. */
GABI_API const struct gabi_word *gabi_contract_find(const struct gabi_contract *contract, const struct gabi_key *key,
						    unsigned vp);

/*
 * The promises as canonical JSON (RFC 8785), in pieces to sink; what the digest is taken over and the value of
 * "promises" in a contract file. A non-zero return of sink ends the call with that value.
 */
GABI_API int gabi_contract_canonical(const struct gabi_contract *contract,
				     int (*sink)(void *ctx, const char *text, size_t len), void *ctx);

/* SHA-256 over the canonical promises. */
#define GABI_DIGEST_LEN 32
GABI_API void gabi_contract_digest(const struct gabi_contract *contract, uint8_t ret_digest[GABI_DIGEST_LEN]);

/*
 * Makes the contract that a guest has which was given all that `host` offers (GABI_VIEW_GUEST: all that it saw),
 * less `minus`, and less what is of no use without that (mpx takes xcr0-bndregs along). A name of `minus` that is no field is
 * GABI_ERR_UNKNOWN; one that the host lacks is ignored. What no
 * register shows is written in from data/changes. A manifest of the bare CPU (GABI_VIEW_CPU) bounds a host from above and
 * says of nothing that a guest gets it: GABI_ERR_ARG.
 */
struct gabi_pin_options {
	size_t size;              /* sizeof(struct gabi_pin_options) */
	const char *const *minus; /* names of fields to leave out */
	size_t minus_count;
	uint8_t evmcs;            /* 1: with the enlightened VMCS, which is promised to nobody by default */
};
GABI_API int gabi_contract_pin(const struct gabi_host *host, const struct gabi_pin_options *options,
			       const struct gabi_mem *mem, struct gabi_contract **ret_contract, struct gabi_diag *diag);

/* The same out of what another contract promises, to single virtual processors too. `evmcs` takes a host: GABI_ERR_ARG. */
GABI_API int gabi_contract_narrow(const struct gabi_contract *contract, const struct gabi_pin_options *options,
				  const struct gabi_mem *mem, struct gabi_contract **ret_contract, struct gabi_diag *diag);

GABI_END
#endif
