/* SPDX-License-Identifier: MIT */
/* Which layout a page can have: what no processor would accept rules a layout out. */
#include <gabi/vmcs.h>

#include "base/base.h"
#include "vmcs.h"

static const struct {
	uint16_t id;
	uint64_t ones, zeros;
} reserved[] = {
#define GABI_VMCS_RESERVED_ROW(name, set, clear, section) { GABI_VMCS_##name, set, clear },
#include <gabi/vmcs_reserved.def>
};

static const struct {
	uint8_t weight;
	const char *text;
} kinds[] = {
#define GABI_VMCS_EVIDENCE_ROW(name, how, sentence) { GABI_VMCS_##how, sentence },
#include <gabi/vmcs_evidence.def>
};

#define SHADOW_BIT   (UINT32_C(1) << 31)
#define KVM_REVISION UINT32_C(0x11e57ed0)

void gabi_vmcs_reserved(unsigned id, uint64_t *ret_ones, uint64_t *ret_zeros)
{
	*ret_ones = *ret_zeros = 0;
	for (size_t i = 0; i < GABI_COUNT_OF(reserved); i++) {
		if (reserved[i].id == id) {
			*ret_ones = reserved[i].ones;
			*ret_zeros = reserved[i].zeros;
		}
	}
}

enum gabi_vmcs_weight gabi_vmcs_evidence_weight(unsigned kind)
{
	return kind < GABI_COUNT_OF(kinds) ? kinds[kind].weight : GABI_VMCS_NOTE;
}

const char *gabi_vmcs_evidence_text(unsigned kind)
{
	return kind < GABI_COUNT_OF(kinds) ? kinds[kind].text : "unknown";
}

static void add(struct gabi_vmcs_match *match, unsigned kind, unsigned id, size_t offset, uint64_t value)
{
	unsigned weight = gabi_vmcs_evidence_weight(kind);

	if (weight == GABI_VMCS_AGAINST)
		match->possible = 0;
	if (match->count == GABI_VMCS_EVIDENCE_MAX)
		return;
	match->fors += weight == GABI_VMCS_FOR;
	match->evidence[match->count++] = (struct gabi_vmcs_evidence) {
		.kind = (uint8_t)kind, .id = (uint16_t)id, .offset = (uint16_t)offset, .value = value
	};
}

static void judge_revision(const struct gabi_vmcs_layout *layout, uint32_t word, struct gabi_vmcs_match *match)
{
	uint32_t revision = word & ~SHADOW_BIT;
	unsigned kind = GABI_VMCS_EVIDENCE_OTHER_REVISION;

	if (!layout->revision)
		kind = GABI_VMCS_EVIDENCE_REVISION_ANY;
	else if (revision == layout->revision)
		kind = GABI_VMCS_EVIDENCE_REVISION;
	else if (revision == KVM_REVISION && layout->family == GABI_VMCS_FAMILY_EVMCS)
		kind = GABI_VMCS_EVIDENCE_REVISION_KVM;
	add(match, kind, GABI_VMCS_COUNT, 0, word);
	if (word & SHADOW_BIT)
		add(match, GABI_VMCS_EVIDENCE_SHADOW, GABI_VMCS_COUNT, 0, word);
}

static void judge_stray(const struct gabi_vmcs_layout *layout, const uint8_t *page, struct gabi_vmcs_match *match)
{
	size_t at = gabi_vmcs_stray(layout, page, 0);

	if (at < layout->size) {
		add(match, GABI_VMCS_EVIDENCE_STRAY, GABI_VMCS_COUNT, at, page[at]);
		at = gabi_vmcs_stray(layout, page, layout->size);
	}
	if (at < GABI_VMCS_PAGE)
		add(match, GABI_VMCS_EVIDENCE_TAIL, GABI_VMCS_COUNT, at, page[at]);
}

static void judge_field(const struct gabi_vmcs_layout *layout, const uint8_t *page, size_t row, struct gabi_vmcs_match *match)
{
	unsigned id = reserved[row].id;
	uint64_t value;

	if (gabi_vmcs_get(layout, page, id, &value) || !value)
		return;
	if (value & reserved[row].zeros)
		add(match, GABI_VMCS_EVIDENCE_RESERVED_SET, id, layout->offset[id], value);
	else if (~value & reserved[row].ones)
		add(match, GABI_VMCS_EVIDENCE_MUST_BE_ONE, id, layout->offset[id], value);
	else if (reserved[row].ones)
		add(match, GABI_VMCS_EVIDENCE_ONES_THERE, id, layout->offset[id], value);
}

static void judge_link(const struct gabi_vmcs_layout *layout, const uint8_t *page, struct gabi_vmcs_match *match)
{
	unsigned id = GABI_VMCS_VMCS_LINK_POINTER;
	uint64_t value;

	if (gabi_vmcs_get(layout, page, id, &value) || !value)
		return;
	if (value == UINT64_MAX)
		add(match, GABI_VMCS_EVIDENCE_LINK_THERE, id, layout->offset[id], value);
	else if (value & UINT64_C(0xfff0000000000fff))
		add(match, GABI_VMCS_EVIDENCE_LINK, id, layout->offset[id], value);
}

static bool is_blank(const uint8_t *page)
{
	for (size_t i = 4; i < GABI_VMCS_PAGE; i++)
		if (page[i])
			return false;
	return true;
}

void gabi_vmcs_match(const struct gabi_vmcs_layout *layout, const void *page, struct gabi_vmcs_match *ret_match)
{
	*ret_match = (struct gabi_vmcs_match){ .possible = 1 };
	judge_revision(layout, (uint32_t)gabi_le_load(page, 0, 4), ret_match);
	if (is_blank(page)) {
		add(ret_match, GABI_VMCS_EVIDENCE_BLANK, GABI_VMCS_COUNT, 4, 0);
		return;
	}
	judge_stray(layout, page, ret_match);
	judge_link(layout, page, ret_match);
	for (size_t i = 0; i < GABI_COUNT_OF(reserved); i++)
		judge_field(layout, page, i, ret_match);
}

const struct gabi_vmcs_layout *gabi_vmcs_layout_of_release(const char *release)
{
	unsigned number = gabi_release_number(release);
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count), *newest = NULL;

	for (size_t i = 0; i < count; i++)
		if (layout[i].family == GABI_VMCS_FAMILY_VMCS12 && layout[i].since && layout[i].since <= number &&
		    (!newest || layout[i].since > newest->since))
			newest = &layout[i];
	return newest;
}
