/* SPDX-License-Identifier: MIT */
/* A compiled translation, and the three ways to carry it out. */
#ifndef GABI_TRANSLATE_H
#define GABI_TRANSLATE_H

#include "vmcs.h"

struct gabi_run {
	uint16_t from, to, len;
};

#define GROUPS     GABI_EVMCS_GROUP_COUNT
#define WIDE_BYTES 64u
#define WIDE_WORDS (WIDE_BYTES / 2)

/* One load of 64 bytes. A pick says where each word of the block is then to be taken from: of a block's only load, in that; else
 * of two, what is there so far (to begin with, the first load) and, from 32 on, this load. The first of several is not used. The
 * picks have an array of their own, so that each is one cache line. */
struct gabi_wide_load {
	uint16_t from;
};
struct gabi_wide_pick {
	uint16_t word[WIDE_WORDS];
};

/* One store of a line of 64 bytes, of which those in `mask`, put together by some loads. */
struct gabi_wide_block {
	uint16_t group[WIDE_WORDS]; /* word i is wanted if any of these groups is dirty */
	uint32_t mask;
	uint16_t to;
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
	uint16_t run_count, block_count, load_count, bytes;
	uint16_t group_first[GROUPS + 1];    /* into group_runs */
	struct gabi_run *runs, *group_runs;  /* of everything, and of each group by itself */
	uint16_t blocks_upto[WIDE_WORDS + 1]; /* how many blocks take that many loads or fewer */
	struct gabi_wide_block *blocks;
	struct gabi_wide_load *loads;
	struct gabi_wide_pick *picks; /* one a load, each on a line of 64 bytes */
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

/* wide.c: permutations of 64 bytes; want AVX-512BW. */
bool gabi_wide_here(void);
gabi_run_all gabi_wide_any, gabi_wide_in, gabi_wide_out;
gabi_run_dirty gabi_wide_any_dirty, gabi_wide_in_dirty, gabi_wide_out_dirty;

#endif
