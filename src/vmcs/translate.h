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

/* One load of 64 bytes: word i of the block is word pick[i] of the bytes at `from`, where `mask` has bit i. The picks have an
 * array of their own, so that each is one cache line. */
struct gabi_wide_load {
	uint32_t mask;
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

struct gabi_translation {
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

/* direct.c: straight code for the pairs that a hypervisor copies on every entry and exit. `dirty`: groups as bits. */
bool gabi_direct_has(const struct gabi_translation *translation);
void gabi_direct_run(const struct gabi_translation *translation, const void *from, void *to, uint32_t dirty);
void gabi_direct_run_few(const struct gabi_translation *translation, const void *from, void *to, uint32_t dirty);
void gabi_direct_avx2_run(const struct gabi_translation *translation, const void *from, void *to, uint32_t dirty);
bool gabi_avx2_here(void);

/* wide.c: permutations of 64 bytes; want AVX-512BW. */
bool gabi_wide_here(void);
void gabi_wide_run(const struct gabi_translation *translation, const void *from, void *to);
void gabi_wide_run_dirty(const struct gabi_translation *translation, const void *from, void *to, uint16_t dirty);

#endif
