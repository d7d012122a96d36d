/* SPDX-License-Identifier: MIT */
#include "protect.h"

#include <string.h>

enum { VALUES = 16, LEAF_PAGES = 512, ENTRIES = 512, CHUNK = 64, NIBBLES = 16 };
#define MIDDLE_PAGES ((uint64_t)ENTRIES * LEAF_PAGES)
#define ALL_ALIKE    0x1111111111111111u

/* Of a leaf that is not in use the first word says which is the next free one. */
struct leaf {
	_Atomic uint64_t word[LEAF_PAGES / NIBBLES];
};

struct middle {
	_Atomic uint64_t entry[ENTRIES]; /* a value, or LEAF with generation and index */
	struct middle *next;
};

#define LEAF ((uint64_t)1 << 63)

int gabi_hv_protect_pool_init(struct protect_pool *pool, const struct gabi_mem *mem, uint64_t limit)
{
	uint64_t chunks = limit / (CHUNK * sizeof(struct leaf));

	*pool = (struct protect_pool){ .mem = mem, .left = limit };
	pool->chunk_cap = chunks > UINT32_MAX / CHUNK ? UINT32_MAX / CHUNK : (uint32_t)chunks;
	pool->chunk = gabi_mem_get(mem, (pool->chunk_cap + (size_t)1) * sizeof(struct leaf *));
	return pool->chunk ? 0 : GABI_ERR_NOMEM;
}

void gabi_hv_protect_pool_free(struct protect_pool *pool)
{
	for (uint32_t i = 0; pool->chunk && i * CHUNK < pool->leaves; i++)
		gabi_mem_put(pool->mem, pool->chunk[i]);
	gabi_mem_put(pool->mem, pool->chunk);
	while (pool->middle) {
		struct middle *next = pool->middle->next;

		gabi_mem_put(pool->mem, pool->middle);
		pool->middle = next;
	}
	pool->chunk = NULL;
}

static void *from_pool(struct protect_pool *pool, size_t len)
{
	void *got;

	if (len > pool->left)
		return NULL;
	got = gabi_mem_get(pool->mem, len);
	if (got)
		pool->left -= len;
	return got;
}

static struct leaf *leaf_at(const struct protect_pool *pool, uint64_t entry)
{
	uint32_t index = (uint32_t)entry;

	return &pool->chunk[index / CHUNK][index % CHUNK];
}

/* A leaf whose pages all have `value`, as an entry; 0 (which is no leaf) for want of memory. */
static uint64_t new_leaf(struct protect_pool *pool, unsigned value)
{
	struct leaf *leaf;
	uint32_t index;

	if (pool->free) {
		index = pool->free - 1;
		pool->free = (uint32_t)leaf_at(pool, index)->word[0];
	} else {
		if (pool->leaves % CHUNK == 0) {
			if (pool->leaves / CHUNK >= pool->chunk_cap)
				return 0;
			pool->chunk[pool->leaves / CHUNK] = from_pool(pool, CHUNK * sizeof(struct leaf));
			if (!pool->chunk[pool->leaves / CHUNK])
				return 0;
		}
		index = pool->leaves++;
	}
	leaf = leaf_at(pool, index);
	for (unsigned i = 0; i < LEAF_PAGES / NIBBLES; i++)
		atomic_store_explicit(&leaf->word[i], value * ALL_ALIKE, memory_order_release);
	return LEAF | (uint64_t)(++pool->generation & 0x7fffffff) << 32 | index;
}

static void put_leaf(struct protect_pool *pool, uint64_t entry)
{
	atomic_store_explicit(&leaf_at(pool, entry)->word[0], pool->free, memory_order_release);
	pool->free = (uint32_t)entry + 1;
}

void gabi_hv_protect_init(struct protect *store, uint64_t pages, unsigned value)
{
	store->top = NULL;
	store->value = (uint8_t)value;
	store->pages = pages;
}

void gabi_hv_protect_free(struct protect *store, const struct gabi_mem *mem)
{
	gabi_mem_put(mem, (void *)(uintptr_t)store->top);
	store->top = NULL;
}

/* ---- reading ---- */

static unsigned nibble(uint64_t word, uint64_t gfn)
{
	return word >> gfn % NIBBLES * 4 & 15;
}

unsigned gabi_hv_protect_get(const struct protect *store, const struct protect_pool *pool, uint64_t gfn)
{
	_Atomic uintptr_t *top = atomic_load_explicit(&store->top, memory_order_acquire);
	const struct middle *middle;
	uintptr_t at;
	uint64_t entry, word;

	if (!top)
		return atomic_load_explicit(&store->value, memory_order_acquire);
	at = atomic_load_explicit(&top[gfn / MIDDLE_PAGES], memory_order_acquire);
	if (at < VALUES)
		return (unsigned)at;
	middle = (const struct middle *)at;
	entry = atomic_load_explicit(&middle->entry[gfn / LEAF_PAGES % ENTRIES], memory_order_acquire);
	for (;;) {
		uint64_t again;

		if (!(entry & LEAF))
			return (unsigned)entry;
		word = atomic_load_explicit(&leaf_at(pool, entry)->word[gfn % LEAF_PAGES / NIBBLES], memory_order_acquire);
		again = atomic_load_explicit(&middle->entry[gfn / LEAF_PAGES % ENTRIES], memory_order_acquire);
		if (again == entry)
			return nibble(word, gfn);
		entry = again;
	}
}

uint64_t gabi_hv_protect_run(const struct protect *store, const struct protect_pool *pool, uint64_t gfn, unsigned *ret_value)
{
	uint64_t left = store->pages - gfn, run = 1;
	uintptr_t at;
	uint64_t entry;

	*ret_value = gabi_hv_protect_get(store, pool, gfn);
	if (!store->top)
		return left;
	at = store->top[gfn / MIDDLE_PAGES];
	if (at < VALUES) {
		run = MIDDLE_PAGES - gfn % MIDDLE_PAGES;
	} else {
		entry = ((const struct middle *)at)->entry[gfn / LEAF_PAGES % ENTRIES];
		if (!(entry & LEAF))
			run = LEAF_PAGES - gfn % LEAF_PAGES;
		else
			while (run < LEAF_PAGES - gfn % LEAF_PAGES && gabi_hv_protect_get(store, pool, gfn + run) == *ret_value)
				run++;
	}
	return run < left ? run : left;
}

/* ---- writing ---- */

static void set_entry(struct protect_pool *pool, _Atomic uint64_t *entry, unsigned value, bool *ret_changed)
{
	uint64_t old = *entry;

	if (old == value)
		return;
	*ret_changed = true;
	atomic_store_explicit(entry, value, memory_order_release);
	if (old & LEAF)
		put_leaf(pool, old);
}

/* Do all pages have that value? Only asked when a word has become so, so that it costs a page little. */
static bool all_alike(const struct leaf *leaf, unsigned value)
{
	for (unsigned i = 0; i < LEAF_PAGES / NIBBLES; i++)
		if (leaf->word[i] != value * ALL_ALIKE)
			return false;
	return true;
}

/* Part of a 2 MiB entry, not all of it. False for want of memory. */
static bool set_pages(struct protect_pool *pool, _Atomic uint64_t *entry, unsigned first, unsigned count, unsigned value,
		      bool *ret_changed)
{
	uint64_t held = atomic_load_explicit(entry, memory_order_relaxed), whole = value * ALL_ALIKE, new = 0;
	struct leaf *leaf;

	if (held == value)
		return true;
	if (!(held & LEAF)) {
		held = new_leaf(pool, (unsigned)held);
		if (!held)
			return false;
		atomic_store_explicit(entry, held, memory_order_release);
	}
	leaf = leaf_at(pool, held);
	while (count) {
		_Atomic uint64_t *at = &leaf->word[first / NIBBLES];
		unsigned in = first % NIBBLES, here = NIBBLES - in < count ? NIBBLES - in : count;
		uint64_t mask = gabi_mask(here * 4) << in * 4, old = atomic_load_explicit(at, memory_order_relaxed);

		new = (old & ~mask) | (whole & mask);
		*ret_changed |= new != old;
		atomic_store_explicit(at, new, memory_order_release);
		first += here;
		count -= here;
	}
	if (new == whole && all_alike(leaf, value)) {
		atomic_store_explicit(entry, value, memory_order_release);
		put_leaf(pool, held);
	}
	return true;
}

static struct middle *new_middle(struct protect_pool *pool, unsigned value)
{
	struct middle *middle = from_pool(pool, sizeof(*middle));

	if (!middle)
		return NULL;
	for (unsigned i = 0; i < ENTRIES; i++)
		middle->entry[i] = value;
	middle->next = pool->middle;
	pool->middle = middle;
	return middle;
}

static bool make_top(struct protect *store, struct protect_pool *pool)
{
	uint64_t entries = (store->pages + MIDDLE_PAGES - 1) / MIDDLE_PAGES;
	_Atomic uintptr_t *top = from_pool(pool, entries * sizeof(*top));

	if (!top)
		return false;
	for (uint64_t i = 0; i < entries; i++)
		top[i] = store->value;
	atomic_store_explicit(&store->top, top, memory_order_release);
	return true;
}

/* Pages within one 1 GiB entry. Returns how many were set. */
static uint64_t set_middle(struct protect_pool *pool, _Atomic uintptr_t *at, uint64_t first, uint64_t count, unsigned value,
			   bool *ret_changed)
{
	uintptr_t held = *at;
	struct middle *middle = (struct middle *)held;
	uint64_t done = 0;

	if (held < VALUES) {
		if (held == value)
			return count;
		if (count == MIDDLE_PAGES) {
			*ret_changed = true;
			atomic_store_explicit(at, value, memory_order_release);
			return count;
		}
		middle = new_middle(pool, (unsigned)held);
		if (!middle)
			return 0;
		atomic_store_explicit(at, (uintptr_t)middle, memory_order_release);
	}
	while (done < count) {
		_Atomic uint64_t *entry = &middle->entry[(first + done) / LEAF_PAGES];
		uint64_t in = (first + done) % LEAF_PAGES, here = LEAF_PAGES - in < count - done ? LEAF_PAGES - in : count - done;

		if (here == LEAF_PAGES)
			set_entry(pool, entry, value, ret_changed);
		else if (!set_pages(pool, entry, (unsigned)in, (unsigned)here, value, ret_changed))
			return done;
		done += here;
	}
	return done;
}

/* The common case of one page in a leaf that stays one. False where it is another case. */
static inline bool set_one(const struct protect *store, const struct protect_pool *pool, uint64_t gfn, uint64_t value, bool *ret_changed)
{
	_Atomic uintptr_t *top = atomic_load_explicit(&store->top, memory_order_relaxed);
	uintptr_t at = top ? atomic_load_explicit(&top[gfn / MIDDLE_PAGES], memory_order_relaxed) : 0;
	unsigned shift = gfn % NIBBLES * 4;
	uint64_t entry, old, new;
	_Atomic uint64_t *word;

	if (at < VALUES)
		return false;
	entry = atomic_load_explicit(&((struct middle *)at)->entry[gfn / LEAF_PAGES % ENTRIES], memory_order_relaxed);
	if (!(entry & LEAF))
		return false;
	word = &leaf_at(pool, entry)->word[gfn % LEAF_PAGES / NIBBLES];
	old = atomic_load_explicit(word, memory_order_relaxed);
	new = (old & ~((uint64_t)15 << shift)) | value << shift;
	if (new == value * ALL_ALIKE)
		return false;
	*ret_changed = new != old;
	atomic_store_explicit(word, new, memory_order_release);
	return true;
}

/* All other cases. Not inlined, for the common one should save no registers for them. */
static __attribute__((noinline)) uint64_t set_many(struct protect *store, struct protect_pool *pool, uint64_t gfn, uint64_t count, unsigned value,
			 bool *ret_changed)
{
	uint64_t done = 0;

	*ret_changed = false;
	if (!store->top) {
		if (store->value == value)
			return count;
		if (count == store->pages) {
			*ret_changed = true;
			atomic_store_explicit(&store->value, (uint8_t)value, memory_order_release);
			return count;
		}
		if (!make_top(store, pool))
			return 0;
	}
	while (done < count) {
		uint64_t in = (gfn + done) % MIDDLE_PAGES, here = MIDDLE_PAGES - in < count - done ? MIDDLE_PAGES - in : count - done;
		uint64_t set = set_middle(pool, &store->top[(gfn + done) / MIDDLE_PAGES], in, here, value, ret_changed);

		done += set;
		if (set < here)
			break;
	}
	return done;
}

uint64_t gabi_hv_protect_set(struct protect *store, struct protect_pool *pool, uint64_t gfn, uint64_t count, unsigned value,
			     bool *ret_changed)
{
	if (count == 1 && set_one(store, pool, gfn, value, ret_changed))
		return 1;
	return set_many(store, pool, gfn, count, value, ret_changed);
}
