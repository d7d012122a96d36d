/* SPDX-License-Identifier: MIT */
/* Which pages of a machine's memory hold anything, and which are written to. */
#ifndef GABI_KVM_DIRTY_H
#define GABI_KVM_DIRTY_H

#include "memory.h"

/* What the VMM wrote; KVM keeps what it and the guest wrote. */
struct dirty {
	uint64_t *own; /* atomic, and so are its words: a bit for each page; NULL: never asked for. Lives as long as the machine */
	bool on;       /* atomic */
};

size_t dirty_words(const struct memory *memory); /* of a bitmap */

int dirty_used(const struct memory *memory, uint64_t *bitmap, struct gabi_diag *diag);
int dirty_begin(struct dirty *dirty, const struct memory *memory, struct gabi_diag *diag);
void dirty_end(struct dirty *dirty);
void dirty_mark(struct dirty *dirty, uint64_t first, uint64_t last);

/* Takes what the VMM wrote, and what one VM's log holds; KVM begins anew. */
void dirty_take_own(struct dirty *dirty, const struct memory *memory, uint64_t *bitmap);
int dirty_take(const struct memory *memory, int vm, uint64_t first_at, uint64_t *bitmap, struct gabi_diag *diag);

#endif
