/* SPDX-License-Identifier: MIT */
/* Counters of a virtual processor: its thread alone counts, without a lock, and any thread may look. */
#ifndef GABI_VMM_COUNTS_H
#define GABI_VMM_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

enum vmm_count_id {
#define VMM_COUNT(id, name, what) VMM_COUNT_##id,
#include "counts.def"
	VMM_COUNTS
};

struct vmm_counts {
	_Atomic uint64_t of[VMM_COUNTS];
};

/* No other thread writes: that is a load, an add and a store. */
static inline void vmm_count(struct vmm_counts *counts, enum vmm_count_id id, uint64_t more)
{
	_Atomic uint64_t *count = &counts->of[id];

	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more, memory_order_relaxed);
}

static inline uint64_t vmm_counted(struct vmm_counts *counts, enum vmm_count_id id)
{
	return atomic_load_explicit(&counts->of[id], memory_order_relaxed);
}

#endif
