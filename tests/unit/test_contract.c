/* SPDX-License-Identifier: MIT */
#include <gabi/contract.h>
#include <gabi/vocab.h>

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

static struct gabi_word word_of(const struct gabi_key *key, unsigned vp, uint64_t value)
{
	bool wide = key->space == GABI_SPACE_MSR || key->space == GABI_SPACE_ARM64 || key->space == GABI_SPACE_VM;

	return (struct gabi_word){ .key = *key, .value = value, .bits = wide ? 64 : 32, .vp = (uint16_t)vp };
}

static int add(struct gabi_contract *contract, struct gabi_word w)
{
	return gabi_contract_add(contract, &w, NULL);
}

/* The first row that a test can use; the vocabulary must have one, or the test says nothing. */
static const struct gabi_reg *some_reg(unsigned scope, bool same)
{
	size_t count;
	const struct gabi_reg *reg = gabi_regs(&count);

	for (size_t i = 0; i < count; i++)
		if (reg[i].scope == scope && reg[i].same == same &&
		    (reg[i].key.space == GABI_SPACE_CPUID || reg[i].key.space == GABI_SPACE_MSR || reg[i].key.space == GABI_SPACE_VM))
			return &reg[i];
	fail_msg("the vocabulary has no register of scope %u, same %d", scope, same);
	return NULL;
}

static void add__takes_words_in_any_order_and_lists_them_sorted(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_ARM64, NULL);
	const struct gabi_word *words;
	size_t count;

	(void)state;
	assert_int_equal(gabi_contract_arch(contract), GABI_ARCH_ARM64);
	for (unsigned i = 5; i-- > 0;)
		assert_int_equal(add(contract, word(GABI_SPACE_ARM64_STATE, 0x6030000000100000 + i, 0, 64, i)), 0);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	words = gabi_contract_words(contract, &count);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(words[i].value, i);
	gabi_contract_free(contract);
	gabi_contract_free(NULL);
}

static void add__refuses_what_a_contract_cannot_promise(void **state)
{
	static const struct {
		const char *name;
		struct gabi_word word;
		int err;
	} rows[] = {
		{ "another architecture's register", { { GABI_SPACE_ARM64, 0, 0, 0x6030000000000001 }, 0, 0, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARCH },
		{ "a KVM capability", { { GABI_SPACE_CAP, 0, 0, 1 }, 0, 0, GABI_VP_ALL, 32, 0 }, GABI_ERR_ARG },
		{ "emulated CPUID", { { GABI_SPACE_CPUID_EMULATED, 0, 0, 1 }, 0, 0, GABI_VP_ALL, 32, 0 }, GABI_ERR_ARG },
		{ "a vCPU's default MSR", { { GABI_SPACE_MSR_DEFAULT, 0, 0, 1 }, 0, 0, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARG },
		{ "what a VMM may change", { { GABI_SPACE_MSR, 0, 0, 1 }, 0, 1, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARG },
		{ "no space", { { GABI_SPACE_NONE, 0, 0, 1 }, 0, 0, GABI_VP_ALL, 64, 0 }, GABI_ERR_ARG },
		{ "a value too wide", { { GABI_SPACE_CPUID, 0, 0, 1 }, 1ull << 32, 0, GABI_VP_ALL, 32, 0 }, GABI_ERR_RANGE },
		{ "one processor's word of a register without a row", { { GABI_SPACE_MSR, 0, 0, 0xdead }, 0, 0, 1, 64, 0 },
		  GABI_ERR_CONFLICT },
	};
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct gabi_diag diag = { 0 };
		int err = gabi_contract_add(contract, &rows[i].word, &diag);

		if (err != rows[i].err || diag.err != err || !diag.text[0])
			fail_msg("%s: %s", rows[i].name, gabi_err_name(err));
	}
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	gabi_contract_words(contract, &count);
	assert_int_equal(count, 0);
	gabi_contract_free(contract);
}

static void vp__own_words_only_where_processors_may_differ(void **state)
{
	const struct gabi_reg *own = some_reg(GABI_SCOPE_VP, false), *same = some_reg(GABI_SCOPE_VP, true);
	const struct gabi_reg *vm = some_reg(GABI_SCOPE_VM, true);
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_word w = word_of(&same->key, 0, 1);
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(add(contract, word_of(&own->key, 0, 1)), 0);
	assert_int_equal(gabi_contract_add(contract, &w, &diag), GABI_ERR_CONFLICT);
	assert_non_null(strstr(diag.text, same->name));
	assert_int_equal(add(contract, word_of(&vm->key, 0, 1)), GABI_ERR_CONFLICT);
	assert_int_equal(add(contract, word_of(&same->key, GABI_VP_ALL, 1)), 0);
	assert_int_equal(add(contract, word_of(&vm->key, GABI_VP_ALL, 1)), 0);
	gabi_contract_free(contract);
}

/* A hypervisor in the guest reads the version once and uses it on all its processors. */
static void vp__cannot_have_an_evmcs_version_of_its_own(void **state)
{
	static const struct gabi_word version = { { GABI_SPACE_HYPERV, GABI_EAX, 0, 0x4000000a }, 0x101, 0, 1, 32, 0 };
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_diag diag = { 0 };

	(void)state;
	assert_int_equal(gabi_contract_add(contract, &version, &diag), GABI_ERR_CONFLICT);
	assert_non_null(strstr(diag.text, "must be the same on all virtual processors"));
	gabi_contract_free(contract);
}

static void find__gives_a_processor_its_own_word_or_the_common_one(void **state)
{
	const struct gabi_reg *reg = some_reg(GABI_SCOPE_VP, false);
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_key other = reg->key;

	(void)state;
	add(contract, word_of(&reg->key, 2, 7));
	add(contract, word_of(&reg->key, GABI_VP_ALL, 5));
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_contract_find(contract, &reg->key, GABI_VP_ALL)->vp, GABI_VP_ALL);
	assert_int_equal(gabi_contract_find(contract, &reg->key, 0)->vp, GABI_VP_ALL);
	assert_int_equal(gabi_contract_find(contract, &reg->key, 2)->vp, 2);
	other.index ^= 0x800;
	assert_null(gabi_contract_find(contract, &other, 2));
	gabi_contract_free(contract);
}

static void seal__refuses_a_promise_that_is_there_twice(void **state)
{
	const struct gabi_reg *reg = some_reg(GABI_SCOPE_VP, false);
	static const uint16_t vps[] = { GABI_VP_ALL, 1 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(vps); i++) {
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
		struct gabi_diag diag;

		add(contract, word_of(&reg->key, vps[i], 0));
		add(contract, word_of(&reg->key, 0, 0));
		add(contract, word_of(&reg->key, vps[i], 0));
		assert_int_equal(gabi_contract_seal(contract, &diag), GABI_ERR_DUPLICATE);
		assert_int_equal(gabi_key_compare(&diag.key, &reg->key), 0);
		gabi_contract_free(contract);
	}
}

#define CALLS(first, action, functions) { { GABI_SPACE_SMCCC, 0, 0, first }, GABI_SMCCC_WORD(action, functions), 0, GABI_VP_ALL, 64, 0 }

static const struct {
	const char *name;
	struct gabi_word words[2];
	bool without_filter;
	int err;
	const char *sentence;
} calls[] = {
	{ "one call", { CALLS(0x84000050, GABI_SMCCC_DENY, 1) }, false, 0, NULL },
	{ "up to the last call", { CALLS(0xffffff00, GABI_SMCCC_TO_VMM, 0x100) }, false, 0, NULL },
	{ "side by side", { CALLS(0x84000050, GABI_SMCCC_DENY, 4), CALLS(0x84000054, GABI_SMCCC_TO_VMM, 1) }, false, 0, NULL },
	{ "over one another", { CALLS(0x84000050, GABI_SMCCC_DENY, 5), CALLS(0x84000054, GABI_SMCCC_TO_VMM, 1) }, false, GABI_ERR_CONFLICT,
	  "a call is treated in two ways" },
	{ "no call", { CALLS(0x84000050, GABI_SMCCC_DENY, 0) }, false, GABI_ERR_CONFLICT, "there are no such calls" },
	{ "beyond the last call", { CALLS(0xffffff00, GABI_SMCCC_DENY, 0x101) }, false, GABI_ERR_CONFLICT, "there are no such calls" },
	{ "left to KVM", { CALLS(0x84000050, 0, 1) }, false, GABI_ERR_CONFLICT, "there is no such treatment" },
	{ "an unknown treatment", { CALLS(0x84000050, 3, 1) }, false, GABI_ERR_CONFLICT, "there is no such treatment" },
	{ "an architecture's call", { CALLS(0x8000ffff, GABI_SMCCC_DENY, 1) }, false, GABI_ERR_CONFLICT, "the architecture's own calls" },
	{ "beginning before those", { CALLS(0x7fffffff, GABI_SMCCC_DENY, 2) }, false, GABI_ERR_CONFLICT, "the architecture's own calls" },
	{ "around those of 64 bits", { CALLS(0xbfffffff, GABI_SMCCC_DENY, 0x10002) }, false, GABI_ERR_CONFLICT, "the architecture's own calls" },
	{ "just behind them", { CALLS(0xc0010000, GABI_SMCCC_DENY, 1) }, false, 0, NULL },
	{ "without the filter", { CALLS(0x84000050, GABI_SMCCC_DENY, 1) }, true, GABI_ERR_CONFLICT, "\"smccc-filter\" is not promised" },
};

static void seal__takes_only_calls_that_kvm_lets_one_filter(void **state)
{
	static const struct gabi_word filter = { { GABI_SPACE_VM, 0, 0, GABI_VM_SMCCC_FILTER }, 1, 0, GABI_VP_ALL, 64, 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_ARM64, NULL);
		struct gabi_diag diag = { 0 };
		int err;

		if (!calls[i].without_filter)
			assert_int_equal(add(contract, filter), 0);
		for (size_t at = 0; at < COUNT_OF(calls[i].words) && calls[i].words[at].bits; at++)
			assert_int_equal(add(contract, calls[i].words[at]), 0);
		err = gabi_contract_seal(contract, &diag);
		if (err != calls[i].err || (err && !strstr(diag.text, calls[i].sentence)))
			fail_msg("%s: %s: %s", calls[i].name, gabi_err_name(err), diag.text);
		gabi_contract_free(contract);
	}
}

/* What a VMM sets per VM is no promise: two contracts that differ in nothing else are the same. */
static void seal__clears_the_free_fields_of_every_word(void **state)
{
	size_t count, seen = 0;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		enum gabi_arch arch = gabi_space_arch(field[i].key.space);
		struct gabi_contract *contract = gabi_contract_new(arch ? arch : GABI_ARCH_X86, NULL);
		struct gabi_word w = word_of(&field[i].key, GABI_VP_ALL, 0);

		w.value = w.bits == 64 ? UINT64_MAX : UINT32_MAX;
		if (field[i].key.space == GABI_SPACE_MSR_STATE || field[i].key.space == GABI_SPACE_ARM64_STATE)
			w = word(field[i].key.space, field[i].key.index, 0, field[i].key.space == GABI_SPACE_MSR_STATE ? 1 : 64, 1);
		if (gabi_contract_add(contract, &w, NULL) == 0 && gabi_contract_seal(contract, NULL) == 0) {
			const struct gabi_word *held = gabi_contract_find(contract, &field[i].key, GABI_VP_ALL);
			int64_t value;

			assert_non_null(held);
			value = gabi_field_get(&field[i], held->value);
			if (field[i].rule == GABI_RULE_FREE) {
				seen++;
				if (value)
					fail_msg("%s keeps %lld", field[i].name, (long long)value);
			} else if (w.value >> field[i].lo && !value) {
				fail_msg("%s is promised and was cleared", field[i].name);
			}
		}
		gabi_contract_free(contract);
	}
	assert_true(seen > 0);
}

static void name_and_note__are_copied_and_cleared(void **state)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	char scratch[16] = "first";

	(void)state;
	assert_string_equal(gabi_contract_name(contract), "");
	assert_string_equal(gabi_contract_note(contract), "");
	assert_int_equal(gabi_contract_set_name(contract, scratch), 0);
	assert_int_equal(gabi_contract_set_note(contract, "why"), 0);
	strcpy(scratch, "second");
	assert_string_equal(gabi_contract_name(contract), "first");
	assert_int_equal(gabi_contract_set_name(contract, gabi_contract_name(contract)), 0);
	assert_string_equal(gabi_contract_name(contract), "first");
	assert_int_equal(gabi_contract_set_name(contract, NULL), 0);
	assert_string_equal(gabi_contract_name(contract), "");
	assert_string_equal(gabi_contract_note(contract), "why");
	gabi_contract_free(contract);
}

static void name__stays_when_memory_is_short(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, &mem);

	(void)state;
	assert_int_equal(gabi_contract_set_name(contract, "kept"), 0);
	count.fail_at = count.requests + 1;
	assert_int_equal(gabi_contract_set_name(contract, "lost"), GABI_ERR_NOMEM);
	assert_string_equal(gabi_contract_name(contract), "kept");
	gabi_contract_free(contract);
	assert_int_equal(count.live, 0);
}

static int build(const struct gabi_mem *mem, struct gabi_contract **ret)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, mem);
	int err = contract ? 0 : GABI_ERR_NOMEM;

	for (unsigned i = 0; !err && i < 40; i++)
		err = add(contract, word(GABI_SPACE_MSR_STATE, 0x1000 - i, 0, 1, 1));
	if (!err)
		err = gabi_contract_set_name(contract, "a name");
	if (!err)
		err = gabi_contract_set_note(contract, "a note");
	if (!err)
		err = gabi_contract_seal(contract, NULL);
	if (err) {
		gabi_contract_free(contract);
		return err;
	}
	*ret = contract;
	return 0;
}

static void build__runs_short_of_memory_at_every_request(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	int err;

	(void)state;
	do {
		struct gabi_contract *contract = NULL;

		count.fail_at++;
		count.requests = 0;
		err = build(&mem, &contract);
		assert_int_equal(err, short_mem_hit(&count) ? GABI_ERR_NOMEM : 0);
		gabi_contract_free(contract);
		assert_int_equal(count.live, 0);
	} while (err);
	assert_true(count.fail_at > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add__takes_words_in_any_order_and_lists_them_sorted),
		cmocka_unit_test(add__refuses_what_a_contract_cannot_promise),
		cmocka_unit_test(vp__own_words_only_where_processors_may_differ),
		cmocka_unit_test(vp__cannot_have_an_evmcs_version_of_its_own),
		cmocka_unit_test(find__gives_a_processor_its_own_word_or_the_common_one),
		cmocka_unit_test(seal__refuses_a_promise_that_is_there_twice),
		cmocka_unit_test(seal__takes_only_calls_that_kvm_lets_one_filter),
		cmocka_unit_test(seal__clears_the_free_fields_of_every_word),
		cmocka_unit_test(name_and_note__are_copied_and_cleared),
		cmocka_unit_test(name__stays_when_memory_is_short),
		cmocka_unit_test(build__runs_short_of_memory_at_every_request),
	};

	return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
