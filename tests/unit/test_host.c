/* SPDX-License-Identifier: MIT */
#include <gabi/change.h>
#include <gabi/host.h>

#include "short_mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static struct gabi_word word(unsigned space, uint64_t index, unsigned part, unsigned bits, uint64_t value)
{
	return (struct gabi_word){
		.key = { .space = (uint16_t)space, .index = index, .part = (uint16_t)part },
		.value = value,
		.bits = (uint8_t)bits,
		.vp = GABI_VP_ALL,
	};
}

static int add(struct gabi_host *host, struct gabi_word w)
{
	return gabi_host_add(host, &w, NULL);
}

static void add__takes_words_in_any_order_and_lists_them_sorted(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	const struct gabi_word *words;
	size_t count;

	(void)state;
	assert_int_equal(gabi_host_arch(host), GABI_ARCH_X86);
	assert_int_equal(gabi_host_view(host), GABI_VIEW_KVM);
	assert_int_equal(add(host, word(GABI_SPACE_MSR, 0x10a, 0, 64, 3)), 0);
	assert_int_equal(add(host, word(GABI_SPACE_CPUID, 7, GABI_EBX, 32, 2)), 0);
	assert_int_equal(add(host, word(GABI_SPACE_CPUID, 1, GABI_ECX, 32, 1)), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	words = gabi_host_words(host, &count);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(words[i].value, i + 1);
		assert_ptr_equal(gabi_host_find(host, &words[i].key), &words[i]);
	}
	assert_null(gabi_host_find(host, &(struct gabi_key){ .space = GABI_SPACE_CPUID, .index = 7, .part = GABI_ECX }));
	gabi_host_free(host);
	gabi_host_free(NULL);
}

static void add__refuses_what_a_manifest_cannot_hold(void **state)
{
	static const struct {
		const char *name;
		struct gabi_word word;
		int err;
	} rows[] = {
		{ "another architecture's register", { { GABI_SPACE_ARM64, 0, 0, 0x6030000000000001 }, 0, 0, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARCH },
		{ "one virtual processor's word", { { GABI_SPACE_MSR, 0, 0, 1 }, 0, 0, 0, 64, 0 }, GABI_ERR_ARG },
		{ "no space", { { GABI_SPACE_NONE, 0, 0, 1 }, 0, 0, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARG },
		{ "a value too wide", { { GABI_SPACE_CPUID, 0, 0, 1 }, 1ull << 32, 0, GABI_VP_ALL, 32, 0 }, GABI_ERR_RANGE },
	};
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct gabi_diag diag = { 0 };
		int err = gabi_host_add(host, &rows[i].word, &diag);

		if (err != rows[i].err || diag.err != err || !diag.text[0])
			fail_msg("%s: %s", rows[i].name, gabi_err_name(err));
	}
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	gabi_host_words(host, &count);
	assert_int_equal(count, 0);
	gabi_host_free(host);
}

static void seal__refuses_a_word_that_is_there_twice(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	struct gabi_diag diag;

	(void)state;
	add(host, word(GABI_SPACE_MSR, 2, 0, 64, 1));
	add(host, word(GABI_SPACE_MSR, 1, 0, 64, 1));
	add(host, word(GABI_SPACE_MSR, 2, 0, 64, 0));
	assert_int_equal(gabi_host_seal(host, &diag), GABI_ERR_DUPLICATE);
	assert_int_equal(diag.key.space, GABI_SPACE_MSR);
	assert_int_equal(diag.key.index, 2);
	gabi_host_free(host);
}

static void seal__twice_changes_nothing(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	size_t once, twice;

	(void)state;
	gabi_host_set_fact(host, "kernel.release", "5.10.0", NULL);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	gabi_host_words(host, &once);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	gabi_host_words(host, &twice);
	assert_int_equal(once, twice);
	gabi_host_free(host);
}

/* ---- what a kernel implies ---- */

struct implied {
	const struct gabi_host *host;
	size_t count;
};

static int see_implied(void *ctx, const struct gabi_word *w, const struct gabi_change *change)
{
	struct implied *seen = ctx;
	const struct gabi_word *held = gabi_host_find(seen->host, &w->key);

	assert_non_null(change);
	assert_non_null(held);
	assert_true(held->flags & GABI_WORD_IMPLIED);
	assert_int_equal(held->value, w->value);
	assert_int_equal(held->bits, w->bits);
	assert_int_equal(held->settable, 0);
	seen->count++;
	return 0;
}

static void seal__writes_in_what_an_old_kernel_implies(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	struct implied seen = { .host = host };
	size_t count;

	(void)state;
	gabi_host_set_fact(host, "kernel.release", "5.10.0-30-arm64", NULL);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	gabi_change_implied(GABI_ARCH_ARM64, "5.10.0-30-arm64", see_implied, &seen);
	assert_true(seen.count > 0);
	gabi_host_words(host, &count);
	assert_int_equal(count, seen.count);
	gabi_host_free(host);
}

static int count_implied(void *ctx, const struct gabi_word *w, const struct gabi_change *change)
{
	(void)w;
	(void)change;
	++*(size_t *)ctx;
	return 0;
}

static int keep_first(void *ctx, const struct gabi_word *w, const struct gabi_change *change)
{
	(void)change;
	*(struct gabi_word *)ctx = *w;
	return 1;
}

static void seal__what_was_read_wins_over_what_is_implied(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	struct gabi_word first;
	const struct gabi_word *held;
	size_t implied = 0, count;

	(void)state;
	gabi_change_implied(GABI_ARCH_ARM64, "5.10.0", count_implied, &implied);
	assert_int_equal(gabi_change_implied(GABI_ARCH_ARM64, "5.10.0", keep_first, &first), 1);
	first.value ^= 1;
	first.flags = 0;
	gabi_host_set_fact(host, "kernel.release", "5.10.0", NULL);
	assert_int_equal(add(host, first), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	held = gabi_host_find(host, &first.key);
	assert_int_equal(held->flags, 0);
	assert_int_equal(held->value, first.value);
	gabi_host_words(host, &count);
	assert_int_equal(count, implied);
	gabi_host_free(host);
}

static void seal__implies_nothing_where_kvm_was_not_seen_or_the_kernel_is_not_known(void **state)
{
	static const struct {
		enum gabi_view view;
		const char *release;
	} rows[] = {
		{ GABI_VIEW_GUEST, "5.10.0" }, { GABI_VIEW_CPU, "5.10.0" }, { GABI_VIEW_OFFER, "5.10.0" },
		{ GABI_VIEW_KVM, NULL },       { GABI_VIEW_KVM, "" },	    { GABI_VIEW_KVM, "next" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, rows[i].view, NULL);
		size_t count;

		if (rows[i].release)
			gabi_host_set_fact(host, "kernel.release", rows[i].release, NULL);
		assert_int_equal(gabi_host_seal(host, NULL), 0);
		gabi_host_words(host, &count);
		assert_int_equal(count, 0);
		gabi_host_free(host);
	}
}

/* ---- facts and cover ---- */

static void facts__are_copied_replaced_and_listed_by_name(void **state)
{
	static const char *const names[] = { "cpu.model", "kernel.build", "kernel.release", "module.kvm.ignore_msrs", "name" };
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	char scratch[32];
	const char *value;

	(void)state;
	assert_null(gabi_host_fact(host, "name"));
	for (size_t i = COUNT_OF(names); i-- > 0;) {
		snprintf(scratch, sizeof(scratch), "%s", names[i]);
		assert_int_equal(gabi_host_set_fact(host, scratch, "old", NULL), 0);
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(scratch, sizeof(scratch), "new %zu", i);
		assert_int_equal(gabi_host_set_fact(host, names[i], scratch, NULL), 0);
	}
	assert_int_equal(gabi_facts_count(gabi_host_facts(host)), COUNT_OF(names));
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(scratch, sizeof(scratch), "new %zu", i);
		assert_string_equal(gabi_facts_at(gabi_host_facts(host), i, &value), names[i]);
		assert_string_equal(value, scratch);
		assert_string_equal(gabi_host_fact(host, names[i]), scratch);
	}
	assert_null(gabi_facts_at(gabi_host_facts(host), COUNT_OF(names), &value));
	assert_null(gabi_host_fact(host, "kernel"));
	assert_null(gabi_host_fact(host, ""));
	gabi_host_free(host);
}

static void facts__a_value_may_be_set_from_itself(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	(void)state;
	gabi_host_set_fact(host, "name", "alpha", NULL);
	assert_int_equal(gabi_host_set_fact(host, "name", gabi_host_fact(host, "name"), NULL), 0);
	assert_string_equal(gabi_host_fact(host, "name"), "alpha");
	gabi_host_free(host);
}

static void covers__only_what_was_said(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);

	(void)state;
	assert_int_equal(gabi_host_cover(host, GABI_SPACE_MSR), 0);
	for (unsigned space = 0; space < GABI_SPACE_COUNT; space++)
		assert_int_equal(gabi_host_covers(host, space), space == GABI_SPACE_MSR);
	assert_int_equal(gabi_host_cover(host, GABI_SPACE_NONE), GABI_ERR_ARG);
	assert_int_equal(gabi_host_cover(host, GABI_SPACE_COUNT), GABI_ERR_ARG);
	assert_int_equal(gabi_host_covers(host, GABI_SPACE_COUNT), 0);
	assert_int_equal(gabi_host_covers(host, UINT32_MAX), 0);
	gabi_host_free(host);
}

static void title__is_the_name_or_cpu_and_kernel(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	char out[64], small[4];

	(void)state;
	assert_int_equal(gabi_host_title(host, out, sizeof(out)), 5);
	assert_string_equal(out, "arm64");
	gabi_host_set_fact(host, "kernel.release", "6.1.0", NULL);
	gabi_host_set_fact(host, "cpu.model", "Neoverse-N1", NULL);
	assert_int_equal(gabi_host_title(host, out, sizeof(out)), 18);
	assert_string_equal(out, "Neoverse-N1, 6.1.0");
	gabi_host_set_fact(host, "name", "host-a", NULL);
	assert_int_equal(gabi_host_title(host, small, sizeof(small)), 6);
	assert_string_equal(small, "hos");
	assert_int_equal(gabi_host_title(host, NULL, 0), 6);
	gabi_host_free(host);
}

/* ---- overlay ---- */

static struct gabi_host *sealed(enum gabi_arch arch, enum gabi_view view, const struct gabi_word *words, size_t count)
{
	struct gabi_host *host = gabi_host_new(arch, view, NULL);

	for (size_t i = 0; i < count; i++)
		assert_int_equal(gabi_host_add(host, &words[i], NULL), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static void overlay__words_of_the_offer_win_and_are_marked(void **state)
{
	const struct gabi_word host_words[] = { word(GABI_SPACE_HYPERV, 0x40000003, GABI_EAX, 32, 1),
						word(GABI_SPACE_MSR, 0x10a, 0, 64, 2) };
	const struct gabi_word offer_words[] = { word(GABI_SPACE_HYPERV, 0x40000003, GABI_EAX, 32, 0xff),
						 word(GABI_SPACE_HYPERV, 0x40000003, GABI_EBX, 32, 4) };
	struct gabi_host *host = sealed(GABI_ARCH_X86, GABI_VIEW_KVM, host_words, COUNT_OF(host_words));
	struct gabi_host *offer = sealed(GABI_ARCH_X86, GABI_VIEW_OFFER, offer_words, COUNT_OF(offer_words));
	struct gabi_host *both = NULL;
	const struct gabi_word *words;
	size_t count;

	(void)state;
	gabi_host_cover(host, GABI_SPACE_MSR);
	gabi_host_cover(offer, GABI_SPACE_HYPERV);
	gabi_host_set_fact(host, "kernel.release", "6.1.0", NULL);
	gabi_host_set_fact(host, "source", "gabi", NULL);
	gabi_host_set_fact(offer, "source", "another", NULL);
	gabi_host_set_fact(offer, "provider", "a VMM 1.0", NULL);
	assert_int_equal(gabi_host_overlay(host, offer, &both, NULL), 0);
	words = gabi_host_words(both, &count);
	assert_int_equal(count, 3);
	assert_int_equal(words[0].value, 0xff);
	assert_int_equal(words[0].flags, GABI_WORD_OFFER);
	assert_int_equal(words[1].value, 4);
	assert_int_equal(words[1].flags, GABI_WORD_OFFER);
	assert_int_equal(words[2].value, 2);
	assert_int_equal(words[2].flags, 0);
	assert_int_equal(gabi_host_view(both), GABI_VIEW_KVM);
	assert_true(gabi_host_covers(both, GABI_SPACE_MSR) && gabi_host_covers(both, GABI_SPACE_HYPERV));
	assert_false(gabi_host_covers(both, GABI_SPACE_CPUID));
	assert_string_equal(gabi_host_fact(both, "kernel.release"), "6.1.0");
	assert_string_equal(gabi_host_fact(both, "source"), "gabi");
	assert_string_equal(gabi_host_fact(both, "provider"), "a VMM 1.0");
	gabi_host_free(both);
	gabi_host_free(offer);
	gabi_host_free(host);
}

static void overlay__what_the_kernel_implies_stays_implied_unless_offered(void **state)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL), *offer, *both;
	struct gabi_word first;
	size_t implied, count;

	(void)state;
	gabi_change_implied(GABI_ARCH_ARM64, "5.10.0", keep_first, &first);
	gabi_host_set_fact(host, "kernel.release", "5.10.0", NULL);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	gabi_host_words(host, &implied);
	first.value ^= 1;
	first.flags = 0;
	offer = sealed(GABI_ARCH_ARM64, GABI_VIEW_OFFER, &first, 1);
	assert_int_equal(gabi_host_overlay(host, offer, &both, NULL), 0);
	gabi_host_words(both, &count);
	assert_int_equal(count, implied);
	assert_int_equal(gabi_host_find(both, &first.key)->value, first.value);
	assert_int_equal(gabi_host_find(both, &first.key)->flags, GABI_WORD_OFFER);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *w = &gabi_host_words(both, &implied)[i];

		assert_true(w->flags == GABI_WORD_IMPLIED || !gabi_key_compare(&w->key, &first.key));
	}
	gabi_host_free(both);
	gabi_host_free(offer);
	gabi_host_free(host);
}

static void overlay__refuses_two_hosts_and_two_architectures(void **state)
{
	struct gabi_host *host = sealed(GABI_ARCH_X86, GABI_VIEW_KVM, NULL, 0);
	struct gabi_host *offer = sealed(GABI_ARCH_ARM64, GABI_VIEW_OFFER, NULL, 0), *both = host;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_host_overlay(host, host, &both, &diag), GABI_ERR_ARG);
	assert_true(diag.text[0]);
	assert_int_equal(gabi_host_overlay(host, offer, &both, &diag), GABI_ERR_ARCH);
	assert_true(diag.text[0]);
	assert_ptr_equal(both, host);
	gabi_host_free(offer);
	gabi_host_free(host);
}

/* ---- memory ---- */

static int build(const struct gabi_mem *mem, struct gabi_host **ret)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, mem);
	int err = host ? 0 : GABI_ERR_NOMEM;

	for (unsigned i = 0; !err && i < 40; i++)
		err = add(host, word(GABI_SPACE_ARM64, 0x6030000000100000 + i * 4, 0, 64, i));
	for (unsigned i = 0; !err && i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "module.kvm.%u", i);
		err = gabi_host_set_fact(host, name, "1", NULL);
	}
	if (!err)
		err = gabi_host_set_fact(host, "kernel.release", "5.10.0", NULL);
	if (!err)
		err = gabi_host_seal(host, NULL);
	if (err) {
		gabi_host_free(host);
		return err;
	}
	*ret = host;
	return 0;
}

static void build__runs_short_of_memory_at_every_request(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	struct gabi_host *host;
	int err;

	(void)state;
	do {
		count.fail_at++;
		count.requests = 0;
		host = NULL;
		err = build(&mem, &host);
		assert_int_equal(err, short_mem_hit(&count) ? GABI_ERR_NOMEM : 0);
		gabi_host_free(host);
		assert_int_equal(count.live, 0);
	} while (err);
	assert_true(count.fail_at > 40);
}

static void overlay__runs_short_of_memory_at_every_request(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	struct gabi_word offered = word(GABI_SPACE_ARM64, 0x6030000000100000, 0, 64, 7);
	struct gabi_host *host = NULL, *offer = sealed(GABI_ARCH_ARM64, GABI_VIEW_OFFER, &offered, 1);
	size_t kept;
	int err;

	(void)state;
	gabi_host_set_fact(offer, "provider", "a VMM", NULL);
	assert_int_equal(build(&mem, &host), 0);
	kept = count.live;
	do {
		struct gabi_host *both = NULL;

		count.fail_at++;
		count.requests = 0;
		err = gabi_host_overlay(host, offer, &both, NULL);
		assert_int_equal(err, short_mem_hit(&count) ? GABI_ERR_NOMEM : 0);
		assert_int_equal(both == NULL, err != 0);
		gabi_host_free(both);
		assert_int_equal(count.live, kept);
	} while (err);
	assert_true(count.fail_at > 40);
	gabi_host_free(offer);
	gabi_host_free(host);
	assert_int_equal(count.live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add__takes_words_in_any_order_and_lists_them_sorted),
		cmocka_unit_test(add__refuses_what_a_manifest_cannot_hold),
		cmocka_unit_test(seal__refuses_a_word_that_is_there_twice),
		cmocka_unit_test(seal__twice_changes_nothing),
		cmocka_unit_test(seal__writes_in_what_an_old_kernel_implies),
		cmocka_unit_test(seal__what_was_read_wins_over_what_is_implied),
		cmocka_unit_test(seal__implies_nothing_where_kvm_was_not_seen_or_the_kernel_is_not_known),
		cmocka_unit_test(facts__are_copied_replaced_and_listed_by_name),
		cmocka_unit_test(facts__a_value_may_be_set_from_itself),
		cmocka_unit_test(covers__only_what_was_said),
		cmocka_unit_test(title__is_the_name_or_cpu_and_kernel),
		cmocka_unit_test(overlay__words_of_the_offer_win_and_are_marked),
		cmocka_unit_test(overlay__what_the_kernel_implies_stays_implied_unless_offered),
		cmocka_unit_test(overlay__refuses_two_hosts_and_two_architectures),
		cmocka_unit_test(build__runs_short_of_memory_at_every_request),
		cmocka_unit_test(overlay__runs_short_of_memory_at_every_request),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
