/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a VMCS page. Two layouts and a clean-fields word, then the page, zeroes behind it: translation there and back
 * keeps what both have and no byte else, every path copies the same, those of entry and exit too, and no layout is possible whose invariants fail.
 */
#include "fuzz.h"

#include <gabi/evmcs.h>

#include <stdlib.h>
#include <string.h>

static const char *const paths[] = { "avx512", "avx2", "direct", "runs" };

static uint8_t *page_new(void)
{
	uint8_t *page = calloc(1, GABI_VMCS_PAGE); /* of its own, so that a read beyond it is seen */

	if (!page)
		abort();
	return page;
}

/* An enlightened VMCS may have KVM's own revision id too; Xen's has any. */
static int revision_fits(const struct gabi_vmcs_layout *layout, uint32_t revision)
{
	return !layout->revision || revision == layout->revision ||
	       (layout->family == GABI_VMCS_FAMILY_EVMCS && revision == 0x11e57ed0);
}

static void expect_match(const struct gabi_vmcs_layout *layout, const uint8_t *page)
{
	uint32_t word = (uint32_t)page[0] | (uint32_t)page[1] << 8 | (uint32_t)page[2] << 16 | (uint32_t)page[3] << 24;
	struct gabi_vmcs_match match;

	gabi_vmcs_match(layout, page, &match);
	fuzz_expect(match.count > 0 && match.count <= GABI_VMCS_EVIDENCE_MAX);
	if (!match.possible)
		return;
	fuzz_reached();
	fuzz_expect(revision_fits(layout, word & 0x7fffffff));
	fuzz_expect(gabi_vmcs_stray(layout, page, 0) >= layout->size);
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		uint64_t value, ones, zeros;

		if (gabi_vmcs_get(layout, page, id, &value))
			continue;
		gabi_vmcs_reserved(id, &ones, &zeros);
		fuzz_expect(!(value & zeros) && (!value || (value & ones) == ones));
	}
}

static void expect_there_and_back(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to, const uint8_t *page,
				  uint32_t clean)
{
	struct gabi_translation *there, *back;
	uint8_t *middle = page_new(), *other = page_new(), *again = page_new();

	if (gabi_translation_new(from, to, GABI_VMCS_SET_ALL, NULL, &there, NULL) ||
	    gabi_translation_new(to, from, GABI_VMCS_SET_ALL, NULL, &back, NULL))
		abort();
	memset(middle, 0x5a, 4);
	memset(other, 0x5a, 4);
	gabi_translation_run(there, page, middle);
	fuzz_expect(middle[0] == 0x5a && middle[3] == 0x5a); /* never the revision id */
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (gabi_translation_use(there, paths[i]))
			continue;
		gabi_translation_run_dirty(there, page, other, clean);
		gabi_translation_run_dirty(there, page, other, 0);
		fuzz_expect(!memcmp(middle, other, GABI_VMCS_PAGE));
	}
	memcpy(again, page, GABI_VMCS_PAGE);
	gabi_translation_run(back, middle, again);
	fuzz_expect(!memcmp(page, again, GABI_VMCS_PAGE));
	gabi_translation_free(there);
	gabi_translation_free(back);
	free(middle);
	free(other);
	free(again);
}

/* The copies of entry and exit have code of their own on every path: all do what the loop over runs does. */
static void expect_hot(const char *from, const char *to, enum gabi_vmcs_set set, const uint8_t *page, uint32_t clean)
{
	struct gabi_translation *translation;
	uint8_t *plain = page_new(), *other = page_new();

	if (gabi_translation_new(gabi_vmcs_layout_by_name(from), gabi_vmcs_layout_by_name(to), set, NULL, &translation, NULL) ||
	    gabi_translation_use(translation, "runs"))
		abort();
	for (unsigned full = 0; full < 2; full++) {
		memset(plain, 0xa5, GABI_VMCS_PAGE);
		gabi_translation_use(translation, "runs");
		if (full)
			gabi_translation_run(translation, page, plain);
		else
			gabi_translation_run_dirty(translation, page, plain, clean);
		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			if (gabi_translation_use(translation, paths[i]))
				continue;
			memset(other, 0xa5, GABI_VMCS_PAGE);
			if (full)
				gabi_translation_run(translation, page, other);
			else
				gabi_translation_run_dirty(translation, page, other, clean);
			fuzz_expect(!memcmp(plain, other, GABI_VMCS_PAGE));
		}
	}
	gabi_translation_free(translation);
	free(plain);
	free(other);
}

static void expect_findings(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to, const uint8_t *page)
{
	struct gabi_translation *translation;
	struct gabi_vmcs_finding few[1], all[GABI_VMCS_COUNT + GABI_VMCS_PAGE];
	size_t total, again;

	if (gabi_translation_new(from, to, GABI_VMCS_SET_ALL, NULL, &translation, NULL))
		abort();
	gabi_translation_check(translation, page, GABI_VMCS_NARROW_HOST, all, sizeof(all) / sizeof(all[0]), &total);
	gabi_translation_check(translation, page, GABI_VMCS_NARROW_HOST, few, 1, &again);
	fuzz_expect(total == again && total <= sizeof(all) / sizeof(all[0]));
	for (size_t i = 0; i < total; i++)
		fuzz_expect(all[i].kind < GABI_VMCS_FINDING_COUNT && all[i].offset < GABI_VMCS_PAGE &&
			    all[i].id <= GABI_VMCS_COUNT);
	gabi_translation_free(translation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count), *from, *to;
	uint8_t *page;

	if (len < 4 || len > 4 + GABI_VMCS_PAGE)
		return 0;
	page = page_new();
	memcpy(page, data + 4, len - 4);
	from = &layout[data[0] % count];
	to = &layout[data[1] % count];
	for (size_t i = 0; i < count; i++)
		expect_match(&layout[i], page);
	expect_there_and_back(from, to, page, data[2] | (uint32_t)data[3] << 8);
	expect_hot("evmcs-7.2", "kvm-7.2", GABI_VMCS_SET_IN, page, data[2] | (uint32_t)data[3] << 8);
	expect_hot("kvm-7.2", "evmcs-7.2", GABI_VMCS_SET_OUT, page, data[2] | (uint32_t)data[3] << 8);
	expect_findings(from, to, page);
	free(page);
	return 0;
}
