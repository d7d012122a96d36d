/* SPDX-License-Identifier: MIT */
/*
 * A verdict passes over what it knows to have nothing to say: words that are equal, bits that do not differ, words that no guest
 * can reach. Here all of them are asked, and what is found must be the same.
 */
#include "verdict/judge.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define WORDS    16
#define FINDINGS 512
#define ROUNDS   24 /* a word and view */

struct found {
	struct gabi_sink sink; /* first */
	size_t count;
	struct gabi_finding at[FINDINGS];
};

static int take(struct gabi_sink *sink, struct gabi_finding *finding)
{
	struct found *found = (struct found *)(void *)sink;

	assert_true(found->count < FINDINGS);
	found->at[found->count++] = *finding;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct gabi_finding *x = a, *y = b;
	int order = gabi_key_compare(&x->key, &y->key);

	return order ? order : x->lo - y->lo;
}

/* ---- a contract and a host that are hard to tell apart ---- */

struct words {
	struct gabi_word at[WORDS];
	size_t count;
};

static uint64_t random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct gabi_word word_of(const struct gabi_key *key, uint64_t value)
{
	unsigned width = gabi_key_width(key);
	struct gabi_word word = { .key = *key, .vp = GABI_VP_ALL, .bits = (uint8_t)(width < 64 ? width : 64) };

	word.value = value & gabi_mask(word.bits);
	return word;
}

static void add(struct words *words, const struct gabi_word *word)
{
	for (size_t i = 0; i < words->count; i++)
		if (!gabi_key_compare(&words->at[i].key, &word->key)) {
			words->at[i].value |= word->value;
			return;
		}
	assert_true(words->count < WORDS);
	words->at[words->count++] = *word;
}

/* Promises all that must be promised for the field to matter. */
static void open_gates(struct words *words, const struct gabi_field *field)
{
	for (; field; field = gabi_field_when(field)) {
		struct gabi_word word = word_of(&field->key, gabi_mask(field->bits) << field->lo);

		add(words, &word);
	}
}

static uint64_t absent_of(const struct gabi_key *key)
{
	uint64_t absent = 0;
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	for (; count; field++, count--)
		absent |= (field->absent & gabi_mask(field->bits)) << field->lo;
	return absent;
}

/* A value near to `other`, so that most bits are equal and all that is possible comes up. */
static uint64_t value_near(uint64_t other, uint64_t absent, uint64_t *state)
{
	switch (random_of(state) % 6) {
	case 0:
		return other;
	case 1:
		return absent;
	case 2:
		return ~(uint64_t)0;
	case 3:
		return other ^ (uint64_t)1 << random_of(state) % 64;
	case 4:
		return other & random_of(state);
	default:
		return random_of(state);
	}
}

static struct gabi_contract *contract_of(enum gabi_arch arch, const struct words *words)
{
	struct gabi_contract *contract = gabi_contract_new(arch, NULL);

	for (size_t i = 0; i < words->count; i++)
		assert_int_equal(gabi_contract_add(contract, &words->at[i], NULL), 0);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	return contract;
}

static struct gabi_host *host_of(enum gabi_arch arch, enum gabi_view view, const struct words *words, uint64_t covers)
{
	struct gabi_host *host = gabi_host_new(arch, view, NULL);

	for (size_t i = 0; i < words->count; i++)
		assert_int_equal(gabi_host_add(host, &words->at[i], NULL), 0);
	for (unsigned space = 1; space < GABI_SPACE_COUNT; space++)
		if (covers >> space & 1 && space != GABI_SPACE_HYPERV_SYSTEM && space != GABI_SPACE_HYPERV_EVMCS) /* stand for others */
			gabi_host_cover(host, space);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

/* ---- every bit asked ---- */

static void ask_word(struct gabi_judge *judge, const struct gabi_key *key)
{
	const struct gabi_word *promise = gabi_contract_find(judge->contract, key, GABI_VP_ALL);
	const struct gabi_word *offer = gabi_host_find(judge->host, key);
	struct gabi_spans spans = gabi_spans_of(key, promise ? promise->bits : offer->bits);
	struct gabi_span span;

	while (gabi_spans_next(&spans, &span))
		if (gabi_rule_promises(span.rule) && gabi_contract_promises(judge->contract, span.gate))
			gabi_judge_span(judge, key, &span, promise, offer);
}

static bool is_judged(unsigned space)
{
	return space == GABI_SPACE_CPUID || space == GABI_SPACE_KVM || space == GABI_SPACE_HYPERV || space == GABI_SPACE_MSR ||
	       space == GABI_SPACE_ARM64 || space == GABI_SPACE_VM;
}

static void ask_all(struct gabi_judge *judge)
{
	size_t promise_count, offer_count;
	const struct gabi_word *promise = gabi_contract_words(judge->contract, &promise_count);
	const struct gabi_word *offer = gabi_host_words(judge->host, &offer_count);

	for (size_t i = 0; i < promise_count; i++)
		if (is_judged(promise[i].key.space))
			ask_word(judge, &promise[i].key);
	for (size_t i = 0; i < offer_count; i++)
		if (is_judged(offer[i].key.space) && !gabi_contract_find(judge->contract, &offer[i].key, GABI_VP_ALL))
			ask_word(judge, &offer[i].key);
}

static size_t without_evmcs(struct found *found) /* what a kernel's filter takes away is asked by itself */
{
	size_t kept = 0;

	for (size_t i = 0; i < found->count; i++)
		if (found->at[i].key.space != GABI_SPACE_MSR_EVMCS)
			found->at[kept++] = found->at[i];
	return found->count = kept;
}

/* Judges both ways; how many findings there were. */
static size_t compare(const struct gabi_contract *contract, const struct gabi_host *host)
{
	static struct found quick, slow;
	struct gabi_judge judge = { .contract = contract, .host = host, .sink = &quick.sink };
	struct gabi_judge asker = { .contract = contract, .host = host, .sink = &slow.sink, .view = gabi_host_view(host) };

	quick = slow = (struct found){ .sink.take = take };
	assert_int_equal(gabi_judge_run(&judge), 0);
	ask_all(&asker);
	without_evmcs(&quick);
	qsort(quick.at, quick.count, sizeof(quick.at[0]), by_place);
	qsort(slow.at, slow.count, sizeof(slow.at[0]), by_place);
	assert_int_equal(quick.count, slow.count);
	for (size_t i = 0; i < quick.count; i++) {
		assert_int_equal(by_place(&quick.at[i], &slow.at[i]), 0);
		assert_int_equal(quick.at[i].kind, slow.at[i].kind);
		assert_true(quick.at[i].want == slow.at[i].want && quick.at[i].have == slow.at[i].have);
	}
	return quick.count;
}

static size_t compare_word(const struct gabi_key *key, const struct gabi_field *gate, enum gabi_view view, uint64_t *state)
{
	enum gabi_arch arch = gabi_space_arch(key->space) == GABI_ARCH_ARM64 ? GABI_ARCH_ARM64 : GABI_ARCH_X86;
	struct words promised = { .count = 0 }, offered;
	uint64_t absent = absent_of(key), value = value_near(absent, absent, state);
	struct gabi_word want = word_of(key, value), have = word_of(key, value_near(value, absent, state));
	struct gabi_contract *contract;
	struct gabi_host *host;
	size_t count;

	have.settable = value_near(0, ~(uint64_t)0, state) & gabi_mask(have.bits);
	if (random_of(state) % 8)
		open_gates(&promised, gate);
	offered = promised;
	if (random_of(state) % 8)
		add(&promised, &want);
	if (random_of(state) % 8)
		add(&offered, &have);
	if (key->space == GABI_SPACE_MSR && random_of(state) % 2) {
		struct gabi_key start = *key;

		start.space = GABI_SPACE_MSR_DEFAULT;
		have = word_of(&start, value_near(have.value, absent, state));
		add(&offered, &have);
	}
	contract = contract_of(arch, &promised);
	host = host_of(arch, view, &offered, random_of(state));
	count = compare(contract, host);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return count;
}

static void judge__passes_over_only_what_has_nothing_to_say(void **unused)
{
	static const enum gabi_view views[] = { GABI_VIEW_KVM, GABI_VIEW_GUEST, GABI_VIEW_CPU, GABI_VIEW_OFFER };
	uint64_t state = 0x853c49e6748fea9bull;
	size_t count, words = 0, findings[GABI_COUNT_OF(views)] = { 0 };
	const struct gabi_field *fields = gabi_fields(&count);

	(void)unused;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_reg *reg = gabi_reg_of(&fields[i].key);
		const struct gabi_field *gate = gabi_field_when(&fields[i]);

		if (!is_judged(fields[i].key.space) || (i && !gabi_key_compare(&fields[i].key, &fields[i - 1].key)))
			continue;
		words++;
		for (size_t view = 0; view < GABI_COUNT_OF(views); view++)
			for (size_t round = 0; round < ROUNDS; round++)
				findings[view] += compare_word(&fields[i].key, gate || !reg ? gate : gabi_reg_when(reg), views[view], &state);
	}
	assert_true(words > 400);
	for (size_t view = 0; view < GABI_COUNT_OF(views); view++)
		assert_true(findings[view] > words * ROUNDS / 2);
}

static void judge__a_word_without_rows_is_asked_whole(void **unused)
{
	static const struct gabi_key keys[] = {
		{ .space = GABI_SPACE_CPUID, .index = 0x12345 },
		{ .space = GABI_SPACE_MSR, .index = 0x12345 },
		{ .space = GABI_SPACE_ARM64, .index = 0x603000000013c7ff },
	};
	uint64_t state = 88172645463325252ull;
	size_t findings = 0;

	(void)unused;
	for (size_t i = 0; i < GABI_COUNT_OF(keys); i++)
		for (size_t round = 0; round < 64; round++)
			findings += compare_word(&keys[i], NULL, GABI_VIEW_KVM, &state);
	assert_true(findings > 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge__passes_over_only_what_has_nothing_to_say),
		cmocka_unit_test(judge__a_word_without_rows_is_asked_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
