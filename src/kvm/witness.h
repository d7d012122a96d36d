/* SPDX-License-Identifier: MIT */
/* What the parts of the witness share. One struct witness is one call of gabi_kvm_witness. */
#ifndef GABI_KVM_WITNESS_H
#define GABI_KVM_WITNESS_H

#include "guest.h"

struct witness {
	const struct gabi_contract *contract;
	const struct gabi_plan *plan;
	struct gabi_mem mem;
	struct gabi_diag *diag;
	struct gabi_kvm_testimony *testimony;
	struct guest_request *requests;
	size_t count, cap;
};

/* Asks once more; where it was asked already nothing happens. */
int witness_ask(struct witness *witness, unsigned ask, uint64_t index, uint32_t sub);

/* The answer, or NULL if it was not asked. */
const struct guest_request *witness_answer(const struct witness *witness, unsigned ask, uint64_t index, uint32_t sub);

/* Compares one word with the promise. */
int witness_compare(struct witness *witness, const struct gabi_key *key, unsigned bits, uint64_t seen, bool faulted);

/* ---- one of each per architecture ---- */

int witness_ask_all(struct witness *witness);
int witness_compare_all(struct witness *witness);

#endif
