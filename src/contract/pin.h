/* SPDX-License-Identifier: MIT */
#ifndef GABI_PIN_H
#define GABI_PIN_H

#include <gabi/contract.h>
#include <gabi/vocab.h>

#include "base/base.h"

/* The word with every field that is_off says set to its absent value. */
uint64_t gabi_word_off(const struct gabi_key *key, uint64_t value, bool (*is_off)(const struct gabi_field *field, const void *ctx),
		       const void *ctx);

/* Switches off the fields, and drops the words, whose condition (`when`) the words themselves do not promise. */
void gabi_words_prune(struct gabi_words *words);

/* Makes a sealed contract of pruned words; the words stay the caller's. */
int gabi_contract_of_words(enum gabi_arch arch, struct gabi_words *words, const struct gabi_mem *mem,
			   struct gabi_contract **ret_contract, struct gabi_diag *diag);

/* What a guest sees of a feature MSR whose VMM writes all that KVM offers and lets it write: of the rest, what a virtual
 * processor starts with. */
uint64_t gabi_msr_at_start(const struct gabi_host *host, const struct gabi_word *offer);

/* What the host's kernel leaves of VMX to a guest that uses eVMCS: a contract holds what the guest reads. */
struct gabi_evmcs_guest;
int gabi_words_filter_evmcs(const struct gabi_host *host, const struct gabi_evmcs_guest *guest, struct gabi_words *words,
			    struct gabi_diag *diag);

/* Less what is no promise: free, to be zero, only offered, or only on request. */
uint64_t gabi_word_promised(const struct gabi_key *key, uint64_t value);

/* Adds all that the host offers and a contract may promise, as gabi_contract_pin does with nothing left out. */
int gabi_host_promises(const struct gabi_host *host, const struct gabi_mem *mem, struct gabi_words *words);

/* Says in a contract where it comes from. */
int gabi_contract_take_origin(const struct gabi_facts *facts, struct gabi_contract *contract, struct gabi_diag *diag);

/* May a contract list words of that space? */
bool gabi_space_is_promise(unsigned space);

#endif
