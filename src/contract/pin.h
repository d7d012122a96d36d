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

/* May a contract list words of that space? */
bool gabi_space_is_promise(unsigned space);

#endif
