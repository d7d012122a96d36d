/* SPDX-License-Identifier: MIT */
/* A compiled translation, and the ways to carry it out. */
#ifndef GABI_TRANSLATE_H
#define GABI_TRANSLATE_H

#include "vmcs.h"

struct gabi_run {
	uint16_t from, to, len;
};

#define GROUPS     GABI_EVMCS_GROUP_COUNT

/* One field or more that lie together in both layouts. */
struct gabi_item {
	uint16_t from, to, len;
	uint8_t group;
	bool common; /* all layouts of both forms have it */
};

#define ITEMS_MAX (GABI_VMCS_COUNT + 8u)

struct gabi_items {
	struct gabi_item at[ITEMS_MAX];
	size_t count;
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
	gabi_run_all *pair;                  /* what all layouts of both forms have, as straight code */
	uint16_t rest_count, rest_eights;
	struct gabi_run *rest;               /* the other fields that these two have, first those of 8 bytes */
};

void gabi_runs_copy(const struct gabi_run *run, size_t count, const void *from, void *to);

/* Copies some groups by their runs, as bits. */
void gabi_groups_copy(const struct gabi_translation *t, const void *from, void *to, uint32_t groups);

/* direct.c: straight code for the pairs that a hypervisor copies on every entry and exit. */
bool gabi_direct_has(const struct gabi_translation *translation);
bool gabi_avx2_here(void);
gabi_run_all gabi_direct_in, gabi_direct_out, gabi_avx2_in, gabi_avx2_out;
gabi_run_dirty gabi_direct_in_dirty, gabi_direct_out_dirty;

/*
 * pairs.c: straight code, all offsets in which are below GABI_VMCS_PAGE as layout.c asserts. With sanitizers it would take minutes to
 * compile, and what else reads a page has them.
 */
#if defined(__GNUC__)
#define UNSANITIZED __attribute__((no_sanitize("address", "undefined")))
#else
#define UNSANITIZED
#endif
gabi_run_all *gabi_pair_narrow(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to);

/* wide.c: permutations of 64 bytes; want AVX-512BW. */
bool gabi_wide_here(void);
gabi_run_all *gabi_pair_wide(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to);
gabi_run_all gabi_wide_in, gabi_wide_out;
gabi_run_dirty gabi_wide_in_dirty, gabi_wide_out_dirty; /* by direct.c, which takes few groups itself */
gabi_run_dirty gabi_wide_in_many, gabi_wide_out_many;

#endif
