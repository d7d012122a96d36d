/* SPDX-License-Identifier: MIT */
/* A compiled translation, and the ways to carry it out. */
#ifndef GABI_TRANSLATE_H
#define GABI_TRANSLATE_H

#include "vmcs.h"

struct gabi_run {
	uint16_t from, to, len;
};

#define GROUPS     GABI_EVMCS_GROUP_COUNT
#define WIDE_BYTES 64u
#define WIDE_WORDS (WIDE_BYTES / 2)

/* One field or more that lie together in both layouts. */
struct gabi_item {
	uint16_t from, to, len;
	uint8_t group;
};

#define ITEMS_MAX (GABI_VMCS_COUNT + 8u)

struct gabi_items {
	struct gabi_item at[ITEMS_MAX];
	size_t count;
};

/*
 * One store of 64 bytes, of which those in a mask. Its kind is how many windows of 64 bytes of the source it is put together of, by a
 * permutation each, but by one of the first two; of kind 0 there is one, whose words lie as they should. What a block takes is
 * packed, since to load it costs as much as to load what is to be copied.
 */
enum { WIDE_WINDOWS = 5, WIDE_KINDS = WIDE_WINDOWS + 1 };
struct gabi_wide_block {
	uint64_t head; /* bits 63:48 first window, 47:32 where to, 31:0 the mask */
	uint64_t more; /* further windows, 16 bits each, the second lowest */
};

/* Word i is wanted if any of these groups is dirty. Apart from its block, which is looked at each time. */
struct gabi_wide_groups {
	uint16_t word[WIDE_WORDS];
};

/* Where each word comes from: of one register, or from 32 on of another. */
struct gabi_wide_pick {
	uint16_t word[WIDE_WORDS];
};

typedef void gabi_run_all(const struct gabi_translation *t, const void *from, void *to);
typedef void gabi_run_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean);

struct gabi_translation {
	gabi_run_all *run; /* both as `path` says */
	gabi_run_dirty *run_dirty;
	struct gabi_mem mem;
	const struct gabi_vmcs_layout *from, *to;
	uint8_t set;      /* enum gabi_vmcs_set */
	uint8_t path;     /* enum path of translate.c */
	uint8_t is_evmcs; /* clean-field groups mean something */
	uint8_t is_hot;   /* one of the pairs that there is straight code for */
	uint16_t run_count, bytes;
	uint16_t group_first[GROUPS + 1];    /* into group_runs */
	struct gabi_run *runs, *group_runs;  /* of everything, and of each group by itself */
	uint16_t kind_end[WIDE_KINDS];       /* the blocks lie in order of their kinds */
	struct gabi_wide_block *blocks;
	struct gabi_wide_groups *groups;     /* of each block */
	struct gabi_wide_pick *picks; /* in the order that they are used in, each on a line of 64 bytes */
	void *picks_store;            /* what holds them */
};

void gabi_runs_copy(const struct gabi_run *run, size_t count, const void *from, void *to);

/* Copies some groups by their runs, as bits. */
void gabi_groups_copy(const struct gabi_translation *t, const void *from, void *to, uint32_t groups);

/* direct.c: straight code for the pairs that a hypervisor copies on every entry and exit. */
bool gabi_direct_has(const struct gabi_translation *translation);
bool gabi_avx2_here(void);
gabi_run_all gabi_direct_in, gabi_direct_out, gabi_avx2_in, gabi_avx2_out;
gabi_run_dirty gabi_direct_in_dirty, gabi_direct_out_dirty;

/* wide_plan.c: the blocks, out of items in order of where they go. */
int gabi_wide_plan(struct gabi_translation *t, const struct gabi_items *items);

/* wide.c: permutations of 64 bytes; want AVX-512BW. */
bool gabi_wide_here(void);
gabi_run_all gabi_wide_any, gabi_wide_in, gabi_wide_out;
gabi_run_dirty gabi_wide_any_dirty, gabi_wide_in_dirty, gabi_wide_out_dirty; /* the last two by direct.c, which takes few groups itself */
gabi_run_dirty gabi_wide_in_many, gabi_wide_out_many;

#endif
