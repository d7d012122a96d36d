/* SPDX-License-Identifier: MIT */
/* From one layout to another: compile to runs, copy, and say what stays behind. */
#include "translate.h"

#include "base/base.h"

#include <string.h>

/* ---- what there is to copy ---- */

static void item_add(struct gabi_items *items, size_t from, size_t to, size_t len, unsigned group, bool common)
{
	items->at[items->count++] = (struct gabi_item){
		.from = (uint16_t)from, .to = (uint16_t)to, .len = (uint16_t)len, .group = (uint8_t)group, .common = common };
}

static bool in_set(enum gabi_vmcs_set set, unsigned id)
{
	return set == GABI_VMCS_SET_ALL || (set == GABI_VMCS_SET_IN ? gabi_evmcs_fields[id].in : gabi_evmcs_fields[id].out);
}

static void items_sort(struct gabi_items *items)
{
	for (size_t i = 1; i < items->count; i++) {
		struct gabi_item held = items->at[i];
		size_t at = i;

		for (; at > 0 && items->at[at - 1].to > held.to; at--)
			items->at[at] = items->at[at - 1];
		items->at[at] = held;
	}
}

static void items_gather(const struct gabi_translation *t, struct gabi_items *items)
{
	bool both_evmcs = t->from->family == GABI_VMCS_FAMILY_EVMCS && t->to->family == GABI_VMCS_FAMILY_EVMCS;

	items->count = 0;
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
		if (t->from->offset[id] && t->to->offset[id] && in_set(t->set, id))
			item_add(items, t->from->offset[id], t->to->offset[id], gabi_vmcs_bytes(id),
				 t->is_evmcs ? gabi_evmcs_fields[id].group : GABI_EVMCS_ALL,
				 gabi_vmcs_form_has(t->from, id) && gabi_vmcs_form_has(t->to, id));
	if (t->set == GABI_VMCS_SET_ALL && t->from->launch && t->to->launch)
		item_add(items, t->from->launch, t->to->launch, 4, GABI_EVMCS_ALL, true);
	/* The revision id and the abort indicator stay each page's own. */
	for (size_t i = 0; both_evmcs && i < gabi_evmcs_own_count; i++)
		if (gabi_evmcs_own[i].offset >= t->to->header)
			item_add(items, gabi_evmcs_own[i].offset, gabi_evmcs_own[i].offset, gabi_evmcs_own[i].bytes,
				 gabi_evmcs_own[i].group, false);
	items_sort(items);
}

/* ---- runs ---- */

/* Appends the items of `group`, or all if it is GROUPS, as runs as long as they get. */
static size_t runs_make(const struct gabi_items *items, unsigned group, struct gabi_run *out)
{
	size_t count = 0;

	for (size_t i = 0; i < items->count; i++) {
		const struct gabi_item *item = &items->at[i];
		struct gabi_run *last = count ? &out[count - 1] : NULL;

		if (group != GROUPS && item->group != group)
			continue;
		if (last && last->from + last->len == item->from && last->to + last->len == item->to)
			last->len = (uint16_t)(last->len + item->len);
		else
			out[count++] = (struct gabi_run){ item->from, item->to, item->len };
	}
	return count;
}

/* Two loads and stores are faster than one of each: fewer of them are across two lines. */
static inline void copy16(const uint8_t *from, uint8_t *to)
{
	uint64_t low, high;

	memcpy(&low, from, 8);
	memcpy(&high, from + 8, 8);
	memcpy(to, &low, 8);
	memcpy(to + 8, &high, 8);
}

/* Fixed sizes that overlap at the end, so that no run needs a call or a loop over bytes. */
static inline void copy_run(const uint8_t *restrict from, uint8_t *restrict to, size_t len)
{
	if (len == 8) {
		memcpy(to, from, 8);
	} else if (len > 16) {
		for (size_t at = 0; at + 16 < len; at += 16)
			copy16(from + at, to + at);
		copy16(from + len - 16, to + len - 16);
	} else if (len > 8) {
		memcpy(to, from, 8);
		memcpy(to + len - 8, from + len - 8, 8);
	} else if (len >= 4) {
		memcpy(to, from, 4);
		memcpy(to + len - 4, from + len - 4, 4);
	} else {
		memcpy(to, from, 2);
	}
}

void gabi_runs_copy(const struct gabi_run *run, size_t count, const void *from, void *to)
{
	for (size_t i = 0; i < count; i++)
		copy_run((const uint8_t *)from + run[i].from, (uint8_t *)to + run[i].to, run[i].len);
}

/* ---- making one ---- */

enum path { PATH_RUNS, PATH_DIRECT, PATH_AVX2, PATH_AVX512, PATH_COUNT };

static gabi_run_all run_runs, run_pair;
static gabi_run_dirty run_runs_dirty;

/* How each is carried out: any pair, and of the hot ones the way in and the way out. */
static const struct {
	const char *name;
	gabi_run_all *any, *in, *out;
	gabi_run_dirty *in_dirty, *out_dirty;
} paths[PATH_COUNT] = {
	[PATH_RUNS] = { "runs", run_runs, run_runs, run_runs, run_runs_dirty, run_runs_dirty },
	[PATH_DIRECT] = { "direct", run_pair, gabi_direct_in, gabi_direct_out, gabi_direct_in_dirty, gabi_direct_out_dirty },
	[PATH_AVX2] = { "avx2", NULL, gabi_avx2_in, gabi_avx2_out, gabi_direct_in_dirty, gabi_direct_out_dirty },
	[PATH_AVX512] = { "avx512", run_pair, gabi_wide_in, gabi_wide_out, gabi_wide_in_dirty, gabi_wide_out_dirty },
};

static void path_take(struct gabi_translation *t, unsigned path)
{
	bool in = t->set == GABI_VMCS_SET_IN;

	t->path = (uint8_t)path;
	t->run = !t->is_hot ? paths[path].any : in ? paths[path].in : paths[path].out;
	t->run_dirty = !t->is_hot ? run_runs_dirty : in ? paths[path].in_dirty : paths[path].out_dirty;
	t->pair = path == PATH_AVX512 ? gabi_pair_wide(t->from, t->to) : gabi_pair_narrow(t->from, t->to);
	if (t->run == run_pair && !t->rest_count)
		t->run = t->pair;
}

static bool path_here(const struct gabi_translation *t, unsigned path)
{
	switch (path) {
	case PATH_AVX512:
		return gabi_wide_here() && path_here(t, PATH_DIRECT);
	case PATH_AVX2:
		return t->is_hot && gabi_avx2_here();
	case PATH_DIRECT: /* of a pair that is not hot only for all fields */
		return t->is_hot || t->set == GABI_VMCS_SET_ALL;
	default:
		return path == PATH_RUNS;
	}
}

/* The widest there is. */
static enum path path_choose(const struct gabi_translation *t)
{
	unsigned path = PATH_COUNT - 1;

	while (!path_here(t, path))
		path--;
	return path;
}

/* What not all layouts of the two forms have, fields of 8 bytes first. */
static bool rest_new(struct gabi_translation *t, const struct gabi_items *items)
{
	t->rest = gabi_mem_get(&t->mem, items->count * sizeof(*t->rest) + 1);
	for (int eights = 1; t->rest && eights >= 0; eights--) {
		for (size_t i = 0; i < items->count; i++)
			if (!items->at[i].common && (items->at[i].len == 8) == eights)
				t->rest[t->rest_count++] = (struct gabi_run){ items->at[i].from, items->at[i].to, items->at[i].len };
		if (eights)
			t->rest_eights = t->rest_count;
	}
	return t->rest;
}

static int fill(struct gabi_translation *t, const struct gabi_items *items)
{
	size_t count = 0;

	t->runs = gabi_mem_get(&t->mem, items->count * sizeof(*t->runs) + 1);
	t->group_runs = gabi_mem_get(&t->mem, items->count * sizeof(*t->group_runs) + 1);
	if (!t->runs || !t->group_runs || !rest_new(t, items))
		return GABI_ERR_NOMEM;
	t->run_count = (uint16_t)runs_make(items, GROUPS, t->runs);
	for (size_t i = 0; i < items->count; i++)
		t->bytes = (uint16_t)(t->bytes + items->at[i].len);
	for (unsigned group = 0; group < GROUPS; group++) {
		t->group_first[group] = (uint16_t)count;
		count += runs_make(items, group, t->group_runs + count);
	}
	t->group_first[GROUPS] = (uint16_t)count;
	return 0;
}

int gabi_translation_new(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to, enum gabi_vmcs_set set,
			 const struct gabi_mem *mem, struct gabi_translation **ret_translation, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	bool from_evmcs = from->family == GABI_VMCS_FAMILY_EVMCS, to_evmcs = to->family == GABI_VMCS_FAMILY_EVMCS;
	struct gabi_translation *t;
	struct gabi_items items;

	if (set != GABI_VMCS_SET_ALL && from_evmcs == to_evmcs)
		return gabi_fail(
			diag, GABI_ERR_ARG,
			"what is copied on entry or exit is known only between an enlightened VMCS and another, not from ",
			from->name, " to ", to->name, (char *)NULL);
	t = gabi_mem_get(&own, sizeof(*t));
	if (!t)
		return gabi_fail(diag, GABI_ERR_NOMEM, gabi_err_text(GABI_ERR_NOMEM), (char *)NULL);
	t->mem = own;
	t->from = from;
	t->to = to;
	t->set = (uint8_t)set;
	t->is_evmcs = from_evmcs || to_evmcs;
	t->is_hot = gabi_direct_has(t);
	items_gather(t, &items);
	if (fill(t, &items)) {
		gabi_translation_free(t);
		return gabi_fail(diag, GABI_ERR_NOMEM, gabi_err_text(GABI_ERR_NOMEM), (char *)NULL);
	}
	path_take(t, path_choose(t));
	*ret_translation = t;
	return 0;
}

void gabi_translation_free(struct gabi_translation *t)
{
	struct gabi_mem mem;

	if (!t)
		return;
	mem = t->mem;
	gabi_mem_put(&mem, t->runs);
	gabi_mem_put(&mem, t->group_runs);
	gabi_mem_put(&mem, t->rest);
	gabi_mem_put(&mem, t);
}

size_t gabi_translation_runs(const struct gabi_translation *t, size_t *ret_bytes)
{
	*ret_bytes = t->bytes;
	return t->run_count;
}

const char *gabi_translation_path(const struct gabi_translation *t)
{
	return paths[t->path].name;
}

int gabi_translation_use(struct gabi_translation *t, const char *path)
{
	for (unsigned i = 0; i < PATH_COUNT; i++) {
		if (!strcmp(path, paths[i].name) && path_here(t, i)) {
			path_take(t, i);
			return 0;
		}
	}
	return GABI_ERR_UNSUPPORTED;
}

/* ---- copying ---- */

#define DIRTY_ALL  (UINT32_C(1) << GABI_EVMCS_ALL)
#define DIRTY_NONE (UINT32_C(1) << GABI_EVMCS_NONE)

/* The groups to copy, as bits: what is not clean, what is in no group, and with anything dirty what belongs to all. */
static uint32_t dirty_of(uint32_t clean)
{
	uint32_t dirty = ~clean & GABI_EVMCS_ALL_CLEAN;

	return dirty | DIRTY_NONE | (dirty ? DIRTY_ALL : 0);
}

void gabi_groups_copy(const struct gabi_translation *t, const void *from, void *to, uint32_t groups)
{
	for (unsigned group = 0; group < GROUPS; group++)
		if (groups >> group & 1)
			gabi_runs_copy(t->group_runs + t->group_first[group], t->group_first[group + 1] - t->group_first[group],
				       from, to);
}

static void run_runs(const struct gabi_translation *t, const void *from, void *to)
{
	gabi_runs_copy(t->runs, t->run_count, from, to);
}

/* The rest is short, and most of it fields of 8 bytes: those by themselves take no look at lengths. */
static void run_pair(const struct gabi_translation *t, const void *from, void *to)
{
	const struct gabi_run *run = t->rest, *end = run + t->rest_eights;

	t->pair(t, from, to);
	for (; run < end; run++)
		memcpy((uint8_t *)to + run->to, (const uint8_t *)from + run->from, 8);
	if (t->rest_count > t->rest_eights)
		gabi_runs_copy(run, (size_t)t->rest_count - t->rest_eights, from, to);
}

static void run_runs_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	gabi_groups_copy(t, from, to, dirty_of(clean));
}

void gabi_translation_run(const struct gabi_translation *t, const void *from, void *to)
{
	t->run(t, from, to);
}

void gabi_translation_run_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)
{
	t->run_dirty(t, from, to, clean);
}

/* ---- what stays behind ---- */

#define SHADOW_BIT (UINT32_C(1) << 31) /* of the first word: a shadow VMCS, in any layout */

struct findings {
	struct gabi_vmcs_finding *out;
	size_t cap, total;
};

static void found(struct findings *findings, unsigned kind, unsigned id, size_t offset, uint64_t value)
{
	if (findings->total < findings->cap)
		findings->out[findings->total] = (struct gabi_vmcs_finding){
			.kind = (uint8_t)kind, .id = (uint16_t)id, .offset = (uint16_t)offset, .value = value };
	findings->total++;
}

/* What a hypervisor without the field behaves like; an unused field is as it was never written. */
static uint64_t implied(unsigned id, bool used)
{
	switch (used ? id : GABI_VMCS_COUNT) {
	case GABI_VMCS_TSC_MULTIPLIER:
		return UINT64_C(1) << 48; /* SDM vol. 3, 25.6.5: 48 fraction bits, so the guest's TSC runs at the host's rate */
	case GABI_VMCS_VMCS_LINK_POINTER:
		return UINT64_MAX;
	default:
		return 0;
	}
}

struct page_of {
	const struct gabi_vmcs_layout *layout;
	const void *page;
};

static uint64_t value_of(const void *ctx, unsigned id)
{
	const struct page_of *of = ctx;
	uint64_t value = 0;

	gabi_vmcs_get(of->layout, of->page, id, &value);
	return value;
}

static void check_field(const struct gabi_translation *t, const void *page, unsigned id, unsigned flags,
			struct findings *findings)
{
	const struct page_of of = { t->from, page };
	size_t at = t->from->offset[id], count;
	uint64_t value = value_of(&of, id);
	bool natural = (gabi_vmcs_fields(&count)[id].encoding >> 13 & 3) == GABI_VMCS_NATURAL;

	if (!t->to->offset[id]) {
		bool used = gabi_vmcs_used(id, value_of, &of);

		if (value != implied(id, used))
			found(findings, used ? GABI_VMCS_FINDING_LOST : GABI_VMCS_FINDING_UNUSED, id, at, value);
	} else if (flags & GABI_VMCS_NARROW_HOST && natural && value >> 32) {
		found(findings, GABI_VMCS_FINDING_NARROW, id, at, value);
	}
}

/* One finding for each stretch of stray bytes that are not zero. */
static void check_stray(const struct gabi_translation *t, const uint8_t *page, struct findings *findings)
{
	uint8_t owned[GABI_VMCS_PAGE];
	bool inside = false;

	gabi_vmcs_owned(t->from, owned);
	for (size_t at = 0; at < GABI_VMCS_PAGE; at++) {
		bool stray = page[at] && !owned[at];

		if (stray && !inside)
			found(findings, GABI_VMCS_FINDING_STRAY, GABI_VMCS_COUNT, at, page[at]);
		inside = stray;
	}
}

void gabi_translation_check(const struct gabi_translation *t, const void *from, unsigned flags, struct gabi_vmcs_finding *out,
			    size_t cap, size_t *ret_total)
{
	struct findings findings = { out, cap, 0 };
	struct gabi_vmcs_match match;

	gabi_vmcs_match(t->from, from, &match); /* its first piece of evidence is about the revision id */
	if (match.evidence[0].kind == GABI_VMCS_EVIDENCE_OTHER_REVISION)
		found(&findings, GABI_VMCS_FINDING_REVISION, GABI_VMCS_COUNT, 0, match.evidence[0].value);
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
		if (t->from->offset[id] && in_set(t->set, id))
			check_field(t, from, id, flags, &findings);
	if (t->from->launch && !t->to->launch && gabi_le_load(from, t->from->launch, 4))
		found(&findings, GABI_VMCS_FINDING_LAUNCHED, GABI_VMCS_COUNT, t->from->launch,
		      gabi_le_load(from, t->from->launch, 4));
	check_stray(t, from, &findings);
	*ret_total = findings.total;
}

void gabi_translation_make(const struct gabi_translation *t, const void *from, void *to)
{
	const struct page_of of = { t->from, from };
	uint32_t word = (uint32_t)gabi_le_load(from, 0, 4);

	gabi_vmcs_init(t->to, word & ~SHADOW_BIT, to);
	gabi_le_store(to, 0, 4, gabi_le_load(to, 0, 4) | (word & SHADOW_BIT));
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
		if (t->to->offset[id] && !t->from->offset[id])
			gabi_vmcs_set(t->to, to, id, implied(id, gabi_vmcs_used(id, value_of, &of)));
	gabi_translation_run(t, from, to);
}

static const struct {
	const char *text, *sentence;
	int harms;
} finding_kinds[] = {
#define GABI_VMCS_FINDING_ROW(name, word, harm, words) { word, words, harm },
#include <gabi/vmcs_finding.def>
};

const char *gabi_vmcs_finding_text(unsigned kind)
{
	return kind < GABI_COUNT_OF(finding_kinds) ? finding_kinds[kind].text : "unknown";
}

const char *gabi_vmcs_finding_sentence(unsigned kind)
{
	return kind < GABI_COUNT_OF(finding_kinds) ? finding_kinds[kind].sentence : "unknown";
}

int gabi_vmcs_finding_harms(unsigned kind)
{
	return kind < GABI_COUNT_OF(finding_kinds) ? finding_kinds[kind].harms : 1;
}
