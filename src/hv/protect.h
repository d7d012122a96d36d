/* SPDX-License-Identifier: MIT */
/*
 * What one VTL lets a lower one do with each page: four bits a page (enum gabi_hv_prot), sparse.
 *
 * A table of 1 GiB entries, each one value or a table of 2 MiB entries, each one value or a leaf with a nibble a page. A leaf
 * whose pages have become alike is folded into its entry and used again elsewhere. Writers hold a lock; readers take none: an
 * entry carries its leaf's generation, and a reader who finds the entry changed after its look at the leaf looks again.
 */
#ifndef GABI_SRC_HV_PROTECT_H
#define GABI_SRC_HV_PROTECT_H

#include "base/base.h"

#include <stdatomic.h>

struct leaf;
struct middle;

/* The memory of a partition's stores, up to a limit that the caller gave. */
struct protect_pool {
	const struct gabi_mem *mem;
	uint64_t left;         /* bytes that may still be taken */
	struct leaf **chunk;   /* chunk_cap places, all there from the start so that readers can follow them */
	uint32_t chunk_cap;
	uint32_t leaves;       /* handed out ever */
	uint32_t free;         /* the first free leaf, plus 1 */
	uint32_t generation;
	struct middle *middle; /* all of them, for freeing */
};

struct protect {
	_Atomic uintptr_t *_Atomic top; /* a value below 16, or a struct middle; NULL: every page has `value` */
	_Atomic uint8_t value;
	uint64_t pages;
};

int gabi_hv_protect_pool_init(struct protect_pool *pool, const struct gabi_mem *mem, uint64_t limit);
void gabi_hv_protect_pool_free(struct protect_pool *pool);

/* All pages get `value`, and no memory is held. */
void gabi_hv_protect_init(struct protect *store, uint64_t pages, unsigned value);
void gabi_hv_protect_free(struct protect *store, const struct gabi_mem *mem);

unsigned gabi_hv_protect_get(const struct protect *store, const struct protect_pool *pool, uint64_t gfn);

/* Sets count pages from gfn on, all of which the store has. Returns how many it set, fewer only for want of memory;
 * *ret_changed says whether any had another value. */
uint64_t gabi_hv_protect_set(struct protect *store, struct protect_pool *pool, uint64_t gfn, uint64_t count, unsigned value,
			     bool *ret_changed);

/* The pages from gfn on that are alike, as far as that is cheap to see: at least 1, and whole entries at once. */
uint64_t gabi_hv_protect_run(const struct protect *store, const struct protect_pool *pool, uint64_t gfn, unsigned *ret_value);

#endif
