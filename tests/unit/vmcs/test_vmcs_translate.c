/* SPDX-License-Identifier: MIT */
#include <gabi/evmcs.h>
#include <gabi/vmcs.h>

#include "../short_mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

static const char *const paths[] = { "runs", "direct", "avx2", "avx512" };
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static const struct gabi_vmcs_layout *layout_of(const char *name)
{
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layout_by_name(name);

	assert_non_null(layout);
	return layout;
}

static struct gabi_translation *translation(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to,
					    enum gabi_vmcs_set set)
{
	struct gabi_translation *made = NULL;

	assert_int_equal(gabi_translation_new(from, to, set, NULL, &made, NULL), 0);
	return made;
}

/* Numbers without a pattern, the same on every run. */
static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void fill(uint8_t page[GABI_VMCS_PAGE], uint32_t seed)
{
	for (size_t i = 0; i < GABI_VMCS_PAGE; i++)
		page[i] = (uint8_t)next(&seed);
}

/* What the translation must do, field by field and slowly. */
static void expect(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to, const uint8_t *source, uint8_t *target)
{
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		uint64_t value;

		if (!gabi_vmcs_get(from, source, id, &value) && to->offset[id])
			assert_int_equal(gabi_vmcs_set(to, target, id, value), 0);
	}
	if (from->launch && to->launch)
		memcpy(target + to->launch, source + from->launch, 4);
	if (from->family == GABI_VMCS_FAMILY_EVMCS && to->family == GABI_VMCS_FAMILY_EVMCS) {
		memcpy(target + 824, source + 824, 4);
		memcpy(target + 832, source + 832, 12);
		memcpy(target + 848, source + 848, 16);
	}
}

static void every_pair__equals_a_copy_field_by_field(void **state)
{
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);

	(void)state;
	for (size_t a = 0; a < count; a++) {
		for (size_t b = 0; b < count; b++) {
			struct gabi_translation *made = translation(&layout[a], &layout[b], GABI_VMCS_SET_ALL);
			uint8_t source[GABI_VMCS_PAGE], want[GABI_VMCS_PAGE], got[GABI_VMCS_PAGE];

			fill(source, (uint32_t)a + 1);
			for (size_t path = 0; path < PATHS; path++) {
				if (gabi_translation_use(made, paths[path]))
					continue;
				fill(want, 77);
				fill(got, 77);
				expect(&layout[a], &layout[b], source, want);
				gabi_translation_run(made, source, got);
				if (memcmp(want, got, GABI_VMCS_PAGE))
					fail_msg("%s to %s by %s differs", layout[a].name, layout[b].name, paths[path]);
			}
			gabi_translation_free(made);
		}
	}
}

static void every_pair__there_and_back_keeps_what_both_have(void **state)
{
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);

	(void)state;
	for (size_t a = 0; a < count; a++) {
		for (size_t b = 0; b < count; b++) {
			struct gabi_translation *there = translation(&layout[a], &layout[b], GABI_VMCS_SET_ALL);
			struct gabi_translation *back = translation(&layout[b], &layout[a], GABI_VMCS_SET_ALL);
			uint8_t source[GABI_VMCS_PAGE], middle[GABI_VMCS_PAGE] = { 0 }, again[GABI_VMCS_PAGE];

			fill(source, (uint32_t)(a * 100 + b));
			memcpy(again, source, sizeof(again));
			gabi_translation_run(there, source, middle);
			gabi_translation_run(back, middle, again);
			assert_memory_equal(source, again, sizeof(again));
			gabi_translation_free(there);
			gabi_translation_free(back);
		}
	}
}

/* Linux 7.2 copies 106 fields of 624 bytes in, 72 of 392 bytes out; 5.10 has 4 fewer to copy in. */
static void entry_and_exit__move_what_the_kernel_moves(void **state)
{
	static const struct {
		const char *from, *to;
		enum gabi_vmcs_set set;
		size_t bytes;
	} rows[] = {
		{ "evmcs-7.2", "kvm-7.2", GABI_VMCS_SET_IN, 624 },
		{ "kvm-7.2", "evmcs-7.2", GABI_VMCS_SET_OUT, 392 },
		{ "evmcs-5.10", "kvm-5.10", GABI_VMCS_SET_IN, 624 - 4 * 8 },
		{ "evmcs-tlfs", "kvm-6.1", GABI_VMCS_SET_IN, 624 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_translation *made = translation(layout_of(rows[i].from), layout_of(rows[i].to), rows[i].set);
		size_t bytes;

		assert_true(gabi_translation_runs(made, &bytes) < 50);
		assert_int_equal(bytes, rows[i].bytes);
		gabi_translation_free(made);
	}
}

/* For any clean-fields word and by any path: dirty groups and what is in none come over, clean ones keep the target's bytes. */
static void dirty__copies_the_dirty_groups_and_no_other(void **state)
{
	static const struct {
		const char *from, *to;
		enum gabi_vmcs_set set;
	} rows[] = {
		{ "evmcs-7.2", "kvm-7.2", GABI_VMCS_SET_IN }, { "kvm-7.2", "evmcs-7.2", GABI_VMCS_SET_OUT },
		{ "evmcs-tlfs", "kvm-7.2", GABI_VMCS_SET_ALL }, { "evmcs-5.10", "kvm-5.10", GABI_VMCS_SET_IN },
		{ "evmcs-tlfs", "virtualbox", GABI_VMCS_SET_ALL },
	};
	uint32_t seed = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gabi_vmcs_layout *from = layout_of(rows[i].from), *to = layout_of(rows[i].to);
		struct gabi_translation *made = translation(from, to, rows[i].set);

		for (unsigned turn = 0; turn < 200; turn++) {
			uint32_t clean = turn == 0 ? 0 : turn == 1 ? 0xffff : turn < 18 ? 0xffff ^ 1u << (turn - 2) : next(&seed) & 0xffff;
			uint8_t source[GABI_VMCS_PAGE], full[GABI_VMCS_PAGE], got[GABI_VMCS_PAGE], untouched[GABI_VMCS_PAGE];

			fill(source, turn);
			fill(untouched, 77);
			for (size_t path = 0; path < PATHS; path++) {
				if (gabi_translation_use(made, paths[path]))
					continue;
				fill(full, 77);
				fill(got, 77);
				gabi_translation_run(made, source, full);
				gabi_translation_run_dirty(made, source, got, clean);
				for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
					int group = gabi_evmcs_group_of(id);
					int wanted;
					uint64_t now, then = 0;

					if (group < 0 || gabi_vmcs_get(to, got, id, &now))
						continue;
					wanted = group == GABI_EVMCS_NONE || (group == GABI_EVMCS_ALL ? clean != 0xffff : !(clean >> group & 1));
					gabi_vmcs_get(to, wanted ? full : untouched, id, &then);
					if (now != then)
						fail_msg("%s to %s by %s, clean %#x: field %u", from->name, to->name, paths[path], clean, id);
				}
			}
		}
		gabi_translation_free(made);
	}
}

static void changed__names_the_group_of_each_field(void **state)
{
	const struct gabi_vmcs_layout *tlfs = layout_of("evmcs-tlfs");
	uint8_t before[GABI_VMCS_PAGE] = { 0 }, after[GABI_VMCS_PAGE] = { 0 };

	(void)state;
	assert_int_equal(gabi_evmcs_changed(before, after), 0);
	after[tlfs->offset[GABI_VMCS_GUEST_RFLAGS]] = 2;
	assert_int_equal(gabi_evmcs_changed(before, after), 1u << GABI_EVMCS_GUEST_BASIC);
	after[tlfs->offset[GABI_VMCS_GUEST_RIP]] = 2; /* in no group */
	assert_int_equal(gabi_evmcs_changed(before, after), 1u << GABI_EVMCS_GUEST_BASIC);
	after[GABI_EVMCS_AT_VM_ID] = 1;
	assert_int_equal(gabi_evmcs_changed(before, after), 1u << GABI_EVMCS_GUEST_BASIC | 1u << GABI_EVMCS_ENLIGHTENMENTSCONTROL);
	after[tlfs->offset[GABI_VMCS_CR3_TARGET_COUNT]] = 1; /* in all */
	assert_int_equal(gabi_evmcs_changed(before, after), GABI_EVMCS_ALL_CLEAN);
}

static void check__tells_what_stays_behind(void **state)
{
	static const struct {
		const char *name;
		unsigned id;
		uint64_t value;
		unsigned proc, proc2;
		int kind; /* -1: nothing */
	} rows[] = {
		{ "a ratio of one is what a kernel without the field does", GABI_VMCS_TSC_MULTIPLIER, UINT64_C(1) << 48, 1u << 31, 1u << 25, -1 },
		{ "another ratio in use", GABI_VMCS_TSC_MULTIPLIER, UINT64_C(3) << 47, 1u << 31, 1u << 25, GABI_VMCS_FINDING_LOST },
		{ "another ratio, control off", GABI_VMCS_TSC_MULTIPLIER, UINT64_C(3) << 47, 1u << 31, 0, GABI_VMCS_FINDING_UNUSED },
		{ "another ratio, secondary controls off", GABI_VMCS_TSC_MULTIPLIER, 7, 0, 1u << 25, GABI_VMCS_FINDING_UNUSED },
		{ "a ratio of one, control off", GABI_VMCS_TSC_MULTIPLIER, UINT64_C(1) << 48, 1u << 31, 0, GABI_VMCS_FINDING_UNUSED },
		{ "never written, control off", GABI_VMCS_TSC_MULTIPLIER, 0, 1u << 31, 0, -1 },
		{ "a ratio of zero in use", GABI_VMCS_TSC_MULTIPLIER, 0, 1u << 31, 1u << 25, GABI_VMCS_FINDING_LOST },
		{ "a bitmap of zeroes in use", GABI_VMCS_ENCLS_EXITING_BITMAP, 0, 1u << 31, 1u << 15, -1 },
	};
	const struct gabi_vmcs_layout *from = layout_of("kvm-6.1"), *to = layout_of("kvm-5.10");
	struct gabi_translation *made = translation(from, to, GABI_VMCS_SET_ALL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_vmcs_finding finding[4];
		uint8_t page[GABI_VMCS_PAGE];
		size_t total;

		gabi_vmcs_init(from, 0, page);
		gabi_vmcs_set(from, page, rows[i].id, rows[i].value);
		gabi_vmcs_set(from, page, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, rows[i].proc);
		gabi_vmcs_set(from, page, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, rows[i].proc2);
		gabi_translation_check(made, page, 0, finding, 4, &total);
		if (total != (rows[i].kind >= 0) || (total && (finding[0].kind != rows[i].kind || finding[0].id != rows[i].id)))
			fail_msg("%s: %zu findings, first %s", rows[i].name, total, total ? gabi_vmcs_finding_text(finding[0].kind) : "none");
	}
	gabi_translation_free(made);
}

/* What the target lacks and implies comes back as it was. */
static void make__fills_in_what_the_source_implies(void **state)
{
	const struct gabi_vmcs_layout *old = layout_of("kvm-5.10"), *new = layout_of("kvm-7.2");
	struct gabi_translation *made = translation(old, new, GABI_VMCS_SET_ALL);
	uint8_t page[GABI_VMCS_PAGE], out[GABI_VMCS_PAGE];
	uint64_t value;

	(void)state;
	gabi_vmcs_init(old, 0, page);
	page[3] |= 0x80;
	gabi_translation_make(made, page, out);
	assert_int_equal(gabi_vmcs_get(new, out, GABI_VMCS_TSC_MULTIPLIER, &value), 0);
	assert_int_equal(value, 0);
	gabi_vmcs_set(old, page, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1u << 31);
	gabi_vmcs_set(old, page, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, 1u << 25);
	gabi_translation_make(made, page, out);
	assert_int_equal(gabi_vmcs_get(new, out, GABI_VMCS_TSC_MULTIPLIER, &value), 0);
	assert_int_equal(value, UINT64_C(1) << 48);
	assert_memory_equal(page, out, 4);
	gabi_translation_free(made);
}

static void check__finds_stray_bytes_narrow_hosts_and_launch_states(void **state)
{
	struct gabi_translation *made = translation(layout_of("kvm-7.2"), layout_of("virtualbox"), GABI_VMCS_SET_ALL);
	struct gabi_vmcs_finding finding[8];
	uint8_t page[GABI_VMCS_PAGE];
	size_t total;

	(void)state;
	gabi_vmcs_init(layout_of("kvm-7.2"), 0, page);
	page[8] = 1;                                      /* launched */
	memset(page + 4000, 0xff, 50);                    /* one stretch of stray bytes */
	gabi_vmcs_set(layout_of("kvm-7.2"), page, GABI_VMCS_GUEST_RSP, UINT64_C(0x100000000));
	gabi_translation_check(made, page, 0, finding, 8, &total);
	assert_int_equal(total, 2);
	assert_int_equal(finding[0].kind, GABI_VMCS_FINDING_LAUNCHED);
	assert_int_equal(finding[1].kind, GABI_VMCS_FINDING_STRAY);
	assert_int_equal(finding[1].offset, 4000);
	gabi_translation_check(made, page, GABI_VMCS_NARROW_HOST, finding, 1, &total);
	assert_int_equal(total, 3);
	assert_int_equal(finding[0].kind, GABI_VMCS_FINDING_NARROW);
	page[0] ^= 1;
	gabi_translation_check(made, page, 0, finding, 8, &total);
	assert_int_equal(finding[0].kind, GABI_VMCS_FINDING_REVISION);
	gabi_translation_free(made);
}

static void new__refuses_entry_copies_without_an_enlightened_side(void **state)
{
	struct gabi_translation *made = NULL;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_translation_new(layout_of("kvm-7.2"), layout_of("acrn"), GABI_VMCS_SET_IN, NULL, &made, &diag), GABI_ERR_ARG);
	assert_null(made);
	assert_non_null(strstr(diag.text, "acrn"));
}

static void new__survives_every_shortage_of_memory(void **state)
{
	struct short_mem store = { 0 };
	struct gabi_mem mem = short_mem_of(&store);

	(void)state;
	for (store.fail_at = 1;; store.fail_at++) {
		struct gabi_translation *made = NULL;
		int err;

		store.requests = 0;
		err = gabi_translation_new(layout_of("evmcs-7.2"), layout_of("kvm-7.2"), GABI_VMCS_SET_ALL, &mem, &made, NULL);
		assert_int_equal(err, short_mem_hit(&store) ? GABI_ERR_NOMEM : 0);
		assert_true(err == 0 || made == NULL);
		gabi_translation_free(made);
		assert_int_equal(store.live, 0);
		if (!err)
			break;
	}
	assert_true(store.fail_at > 4);
}

/* A page filled with plausible values, as a guest hypervisor would have left it. */
static void plausible(const struct gabi_vmcs_layout *layout, uint8_t page[GABI_VMCS_PAGE])
{
	gabi_vmcs_init(layout, 0x12, page);
	gabi_vmcs_set(layout, page, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x3f);
	gabi_vmcs_set(layout, page, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 0xb5a06dfa);
	gabi_vmcs_set(layout, page, GABI_VMCS_VM_EXIT_CONTROLS, 0x2befff);
	gabi_vmcs_set(layout, page, GABI_VMCS_VM_ENTRY_CONTROLS, 0xd3ff);
	gabi_vmcs_set(layout, page, GABI_VMCS_GUEST_RFLAGS, 0x246);
	gabi_vmcs_set(layout, page, GABI_VMCS_VMCS_LINK_POINTER, UINT64_MAX);
	gabi_vmcs_set(layout, page, GABI_VMCS_HOST_CS_SELECTOR, 0x10);
	gabi_vmcs_set(layout, page, GABI_VMCS_HOST_TR_SELECTOR, 0x40);
	gabi_vmcs_set(layout, page, GABI_VMCS_GUEST_CR0, 0x80050033);
	gabi_vmcs_set(layout, page, GABI_VMCS_GUEST_CS_AR_BYTES, 0xa09b);
	for (unsigned id = GABI_VMCS_GUEST_ES_LIMIT; id <= GABI_VMCS_GUEST_GS_LIMIT; id++)
		gabi_vmcs_set(layout, page, id, 0xffffffff);
	gabi_vmcs_set(layout, page, GABI_VMCS_HOST_RIP, UINT64_C(0xffffffff81000000));
	gabi_vmcs_set(layout, page, GABI_VMCS_MSR_BITMAP, 0x123000);
}

static void match__tells_forms_of_one_revision_apart(void **state)
{
	static const char *const forms[] = { "kvm-3.10", "kvm-3.16", "kvm-4.0", "kvm-4.13", "kvm-4.14" };
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	struct gabi_vmcs_match match;
	uint8_t page[GABI_VMCS_PAGE];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		plausible(&layout[i], page);
		gabi_vmcs_match(&layout[i], page, &match);
		if (!match.possible)
			fail_msg("a page of %s is held not to be one", layout[i].name);
	}
	for (size_t a = 0; a < 5; a++) {
		plausible(layout_of(forms[a]), page);
		for (size_t b = 0; b < 5; b++) {
			gabi_vmcs_match(layout_of(forms[b]), page, &match);
			if (match.possible != (a == b))
				fail_msg("a page of %s %s be one of %s", forms[a], match.possible ? "can" : "cannot", forms[b]);
		}
	}
}

static void match__gives_its_evidence(void **state)
{
	const struct gabi_vmcs_layout *layout = layout_of("kvm-6.1");
	struct gabi_vmcs_match match;
	uint8_t page[GABI_VMCS_PAGE];

	(void)state;
	gabi_vmcs_init(layout, 0, page);
	gabi_vmcs_match(layout, page, &match);
	assert_true(match.possible);
	assert_int_equal(match.evidence[match.count - 1].kind, GABI_VMCS_EVIDENCE_BLANK);
	plausible(layout, page);
	page[3] |= 0x80;
	gabi_vmcs_set(layout, page, GABI_VMCS_TSC_MULTIPLIER, 1);
	gabi_vmcs_match(layout_of("kvm-5.10"), page, &match);
	assert_false(match.possible);
	assert_int_equal(match.evidence[0].kind, GABI_VMCS_EVIDENCE_REVISION);
	assert_int_equal(match.evidence[1].kind, GABI_VMCS_EVIDENCE_SHADOW);
	assert_int_equal(match.evidence[2].kind, GABI_VMCS_EVIDENCE_STRAY);
	assert_int_equal(match.evidence[2].offset, 328);
	page[4000] = 1;
	gabi_vmcs_match(layout, page, &match);
	assert_true(match.possible);
	gabi_vmcs_set(layout, page, GABI_VMCS_GUEST_RFLAGS, 0x244);
	gabi_vmcs_match(layout, page, &match);
	assert_false(match.possible);
	page[0] ^= 1;
	gabi_vmcs_match(layout, page, &match);
	assert_int_equal(match.evidence[0].kind, GABI_VMCS_EVIDENCE_OTHER_REVISION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair__equals_a_copy_field_by_field),
		cmocka_unit_test(every_pair__there_and_back_keeps_what_both_have),
		cmocka_unit_test(entry_and_exit__move_what_the_kernel_moves),
		cmocka_unit_test(dirty__copies_the_dirty_groups_and_no_other),
		cmocka_unit_test(changed__names_the_group_of_each_field),
		cmocka_unit_test(check__tells_what_stays_behind),
		cmocka_unit_test(make__fills_in_what_the_source_implies),
		cmocka_unit_test(check__finds_stray_bytes_narrow_hosts_and_launch_states),
		cmocka_unit_test(new__refuses_entry_copies_without_an_enlightened_side),
		cmocka_unit_test(new__survives_every_shortage_of_memory),
		cmocka_unit_test(match__tells_forms_of_one_revision_apart),
		cmocka_unit_test(match__gives_its_evidence),
	};

	return cmocka_run_group_tests_name("vmcs_translate", tests, NULL, NULL);
}
