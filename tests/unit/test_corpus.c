/* SPDX-License-Identifier: MIT */
/* The laws of verdicts, over the manifests of real hosts in data/hosts. */
#define _GNU_SOURCE /* scandir */
#include <gabi/compiled.h>
#include <gabi/formats.h>
#include <gabi/plan.h>
#include <gabi/verdict.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_HOSTS 256

static struct gabi_host *hosts[MOST_HOSTS];
static char names[MOST_HOSTS][128];
static size_t host_count;

static struct gabi_host *read_host(const char *path)
{
	static char text[4 << 20];
	struct gabi_host *host = NULL;
	struct gabi_diag diag;
	FILE *file = fopen(path, "rb");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (gabi_host_read(text, len, NULL, &host, &diag))
		fail_msg("%s: %s %s", path, diag.where, diag.text);
	return host;
}

static int is_json(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

static int read_all(void **state)
{
	struct dirent **entries;
	int count = scandir(DATA_HOSTS, &entries, is_json, alphasort);

	(void)state;
	assert_true(count > 0 && count <= MOST_HOSTS);
	for (int i = 0; i < count; i++) {
		char path[1024];

		snprintf(path, sizeof(path), "%s/%s", DATA_HOSTS, entries[i]->d_name);
		snprintf(names[host_count], sizeof(names[0]), "%.*s", (int)strlen(entries[i]->d_name) - 5, entries[i]->d_name);
		hosts[host_count++] = read_host(path);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	while (host_count)
		gabi_host_free(hosts[--host_count]);
	return 0;
}

static struct gabi_contract *pin(const struct gabi_host *host)
{
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag;

	if (gabi_contract_pin(host, NULL, NULL, &contract, &diag))
		fail_msg("%s", diag.text);
	return contract;
}

static bool fits(const struct gabi_contract *contract, const struct gabi_host *host)
{
	enum gabi_verdict verdict = gabi_check_verdict(contract, host);

	return verdict == GABI_FITS || verdict == GABI_FITS_WITH_ACTIONS;
}

/* Names the heaviest finding, for a failure's message. */
static void explain(const struct gabi_contract *contract, const struct gabi_host *host)
{
	struct gabi_report *report;
	const struct gabi_finding *finding;
	size_t count;
	char name[128];

	assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
	finding = gabi_report_findings(report, &count);
	if (count) {
		gabi_finding_name(finding, name, sizeof(name));
		print_error("%s: %s, promised 0x%llx, host 0x%llx\n", gabi_finding_text(finding->kind), name,
			    (unsigned long long)finding->want, (unsigned long long)finding->have);
	}
	gabi_report_free(report);
}

static void pin__fits_the_host_it_was_made_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < host_count; i++) {
		struct gabi_contract *contract = pin(hosts[i]);

		if (gabi_check_verdict(contract, hosts[i]) != GABI_FITS) {
			explain(contract, hosts[i]);
			fail_msg("%s does not fit itself as it is", names[i]);
		}
		gabi_contract_free(contract);
	}
}

static void diff__of_a_host_with_itself__is_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < host_count; i++) {
		struct gabi_report *report;
		size_t count;

		assert_int_equal(gabi_diff(hosts[i], hosts[i], &report, NULL), 0);
		gabi_report_findings(report, &count);
		assert_int_equal(count, 0);
		gabi_report_free(report);
	}
}

static void check__and_its_verdict_alone__agree(void **state)
{
	size_t verdicts[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < host_count; i++) {
		struct gabi_contract *contract = pin(hosts[i]);

		for (size_t j = 0; j < host_count; j++) {
			struct gabi_report *report;

			assert_int_equal(gabi_check(contract, hosts[j], &report, NULL), 0);
			assert_int_equal(gabi_report_verdict(report), gabi_check_verdict(contract, hosts[j]));
			verdicts[gabi_report_verdict(report)]++;
			gabi_report_free(report);
		}
		gabi_contract_free(contract);
	}
	print_message("%zu hosts: %zu fit, %zu with actions, %zu unknown, %zu do not\n", host_count, verdicts[GABI_FITS],
		      verdicts[GABI_FITS_WITH_ACTIONS], verdicts[GABI_UNKNOWN], verdicts[GABI_DOES_NOT_FIT]);
	assert_true(verdicts[GABI_FITS] >= host_count && verdicts[GABI_DOES_NOT_FIT] > 0);
}

static const struct gabi_host *host_named(const char *name)
{
	for (size_t i = 0; i < host_count; i++)
		if (!strcmp(names[i], name))
			return hosts[i];
	fail_msg("there is no host %s", name);
	return NULL;
}

/* A guest without SVE keeps its vector registers on a host that has it, where the probe's VM lists them as SVE's. */
static void check__of_a_guest_without_sve__finds_its_vectors_on_a_host_with_it(void **state)
{
	static const struct gabi_key v0 = { .space = GABI_SPACE_ARM64_STATE, .index = 0x6040000000100054 };
	const struct gabi_host *without = host_named("arm64-neoverse-n1-linux-6.12"), *with = host_named("arm64-max-linux-6.12");
	struct gabi_contract *contract = pin(without);
	struct gabi_report *report;
	const struct gabi_finding *finding;
	size_t count;

	(void)state;
	assert_non_null(gabi_host_find(without, &v0));
	assert_null(gabi_host_find(with, &v0));
	assert_int_equal(gabi_check(contract, with, &report, NULL), 0);
	finding = gabi_report_findings(report, &count);
	for (size_t i = 0; i < count; i++)
		if (finding[i].key.space == v0.space && finding[i].key.index >= v0.index && finding[i].key.index < v0.index + 4 * 32)
			fail_msg("vector %u: %s", (unsigned)(finding[i].key.index - v0.index) / 4, gabi_finding_text(finding[i].kind));
	gabi_report_free(report);
	gabi_contract_free(contract);
}

/* What hangs on SVE blocks no guest of a host without it. */
static void diff__what_hangs_on_a_feature_that_is_new__does_not_block(void **state)
{
	struct gabi_report *report;
	const struct gabi_finding *finding;
	size_t count, seen = 0;

	(void)state;
	assert_int_equal(gabi_diff(host_named("arm64-neoverse-n1-linux-6.12"), host_named("arm64-max-linux-6.12"), &report, NULL), 0);
	finding = gabi_report_findings(report, &count);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = finding[i].field;

		if (!field || !gabi_field_when(field) || strcmp(gabi_field_when(field)->name, "id-aa64pfr0.sve"))
			continue;
		if (finding[i].effect == GABI_EFFECT_BLOCKING || finding[i].effect == GABI_EFFECT_NEEDS_PIN)
			fail_msg("%s: %s", field->name, gabi_effect_text(finding[i].effect));
		seen++;
	}
	assert_true(seen > 0);
	gabi_report_free(report);
}

/* ---- baselines ---- */

/* The contract with one more flag; NULL where it is there already. */
static struct gabi_contract *with_flag(const struct gabi_contract *contract, const struct gabi_field *field,
				       const struct gabi_key *key)
{
	const uint64_t bit = (uint64_t)1 << field->lo;
	struct gabi_contract *more = gabi_contract_new(gabi_contract_arch(contract), NULL);
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);
	bool there = false;

	for (size_t i = 0; i < count; i++) {
		struct gabi_word copy = word[i];

		if (!gabi_key_compare(&copy.key, key)) {
			there = (copy.value & bit) != 0;
			copy.value |= bit;
		}
		assert_int_equal(gabi_contract_add(more, &copy, NULL), 0);
	}
	assert_int_equal(gabi_contract_seal(more, NULL), 0);
	if (there || !gabi_contract_find(more, key, GABI_VP_ALL)) {
		gabi_contract_free(more);
		return NULL;
	}
	return more;
}

/* Does any of the hosts show the flag to a guest that asked for nothing? Hyper-V's eVMCS is shown only where it was asked for,
 * and so is in no baseline, though a contract may have it. */
static bool shown_unasked(const struct gabi_field *field, const struct gabi_key *key, const struct gabi_host *const *set, size_t count)
{
	for (size_t h = 0; h < count; h++) {
		const struct gabi_word *word = gabi_host_find(set[h], key);

		if (key->space != GABI_SPACE_HYPERV || (word && word->value >> field->lo & 1))
			return true;
	}
	return false;
}

/* Tries every flag of a word; returns how many there were to try. */
static size_t try_flags(const struct gabi_contract *contract, const struct gabi_word *word, const struct gabi_host *const *set,
			size_t count)
{
	size_t field_count, tried = 0;
	const struct gabi_field *field = gabi_fields_of(&word->key, &field_count);

	for (size_t i = 0; i < field_count; i++) {
		struct gabi_contract *more;
		bool fits_all = true;

		if (field[i].kind != GABI_KIND_FLAG || field[i].rule != GABI_RULE_SUBSET || gabi_field_when(&field[i]) ||
		    !shown_unasked(&field[i], &word->key, set, count))
			continue;
		more = with_flag(contract, &field[i], &word->key);
		if (!more)
			continue;
		for (size_t h = 0; h < count; h++)
			fits_all = fits_all && fits(more, set[h]);
		if (fits_all)
			fail_msg("%s could be added to the baseline", field[i].name);
		gabi_contract_free(more);
		tried++;
	}
	return tried;
}

static size_t try_baseline(const struct gabi_host *const *set, size_t count)
{
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;
	const struct gabi_word *word;
	size_t words, tried = 0;

	assert_int_equal(gabi_baseline(set, count, NULL, &contract, &report, NULL), 0);
	gabi_report_free(report);
	if (!contract)
		return 0;
	for (size_t h = 0; h < count; h++)
		if (!fits(contract, set[h])) {
			explain(contract, set[h]);
			fail_msg("a baseline does not fit host %zu of its own", h);
		}
	word = gabi_contract_words(contract, &words);
	for (size_t i = 0; i < words; i++)
		tried += try_flags(contract, &word[i], set, count);
	gabi_contract_free(contract);
	return tried;
}

static void baseline__fits_its_hosts_and_nothing_can_be_added(void **state)
{
	size_t tried = 0, pairs = 0;

	(void)state;
	for (size_t i = 0; i < host_count; i++)
		for (size_t j = i + 1; j < host_count; j++) {
			const struct gabi_host *const pair[] = { hosts[i], hosts[j] };

			if (gabi_host_arch(hosts[i]) != gabi_host_arch(hosts[j]))
				continue;
			tried += try_baseline(pair, 2);
			pairs++;
		}
	print_message("%zu pairs, %zu flags that could not be added\n", pairs, tried);
	assert_true(tried > 0);
}

/* What fits a baseline's hosts by way of the baseline: a contract pinned from the baseline of a set fits each of the set;
 * and the order in which hosts are named does not matter. */
static void baseline__does_not_depend_on_the_order_of_its_hosts(void **state)
{
	uint8_t a[GABI_DIGEST_LEN], b[GABI_DIGEST_LEN];
	size_t same = 0;

	(void)state;
	for (size_t i = 0; i + 1 < host_count; i++) {
		const struct gabi_host *const forth[] = { hosts[i], hosts[i + 1] }, *const back[] = { hosts[i + 1], hosts[i] };
		struct gabi_contract *x = NULL, *y = NULL;
		struct gabi_report *report;

		if (gabi_host_arch(hosts[i]) != gabi_host_arch(hosts[i + 1]))
			continue;
		assert_int_equal(gabi_baseline(forth, 2, NULL, &x, &report, NULL), 0);
		gabi_report_free(report);
		assert_int_equal(gabi_baseline(back, 2, NULL, &y, &report, NULL), 0);
		gabi_report_free(report);
		assert_int_equal(x != NULL, y != NULL);
		if (x) {
			gabi_contract_digest(x, a);
			gabi_contract_digest(y, b);
			assert_memory_equal(a, b, sizeof(a));
			same++;
		}
		gabi_contract_free(x);
		gabi_contract_free(y);
	}
	assert_true(same > 0);
}

/* Compiles a contract and a host and says what they come to. */
static enum gabi_verdict compiled_verdict(const struct gabi_universe *universe, const struct gabi_contract *contract,
					  const struct gabi_host *host, uint64_t *contract_set, uint64_t *host_set)
{
	enum gabi_verdict verdict = GABI_FITS;

	assert_int_equal(gabi_universe_contract(universe, contract, contract_set, NULL), 0);
	for (unsigned least = GABI_FITS_WITH_ACTIONS; least <= GABI_DOES_NOT_FIT; least++) {
		assert_int_equal(gabi_universe_host(universe, host, least, host_set, NULL), 0);
		if (!gabi_universe_fits(universe, contract_set, host_set))
			verdict = least;
	}
	return verdict;
}

/* The universe knows the contracts of every second host alone: the others are new to it. */
static void compiled__gives_the_verdict_of_check__of_hosts_learned_or_not(void **state)
{
	size_t compared = 0;

	(void)state;
	for (enum gabi_arch arch = GABI_ARCH_X86; arch <= GABI_ARCH_ARM64; arch++) {
		struct gabi_universe *universe = gabi_universe_new(arch, NULL);
		struct gabi_contract *contracts[MOST_HOSTS] = { 0 };
		uint64_t *sets;

		for (size_t i = 0; i < host_count; i += 2)
			if (gabi_host_arch(hosts[i]) == arch) {
				contracts[i] = pin(hosts[i]);
				assert_int_equal(gabi_universe_learn(universe, contracts[i], NULL), 0);
			}
		assert_int_equal(gabi_universe_seal(universe, NULL), 0);
		sets = calloc(2 * gabi_universe_words(universe), sizeof(*sets));
		assert_non_null(sets);
		for (size_t i = 0; i < host_count; i++)
			for (size_t j = 0; contracts[i] && j < host_count; j++, compared++)
				if (compiled_verdict(universe, contracts[i], hosts[j], sets, sets + gabi_universe_words(universe)) !=
				    gabi_check_verdict(contracts[i], hosts[j]))
					fail_msg("%s on %s", names[i], names[j]);
		for (size_t i = 0; i < host_count; i++)
			gabi_contract_free(contracts[i]);
		free(sets);
		gabi_universe_free(universe);
	}
	assert_true(compared >= host_count);
}

/* ---- plans ---- */

#define MSR_IA32_VMX_BASIC 0x480
#define REVISION           0x7fffffffu /* its bits 30:0 */

/* Given an address in one of these, KVM writes to the guest's memory there: KVM's clocks, asynchronous page faults, stolen time and end of interrupt, and
 * Hyper-V's (linux/arch/x86/include/uapi/asm/kvm_para.h, hyperv/hvgdk.h). */
static bool is_address_of_guest_memory(uint64_t msr)
{
	return msr == 0x11 || msr == 0x12 || (msr >= 0x4b564d00 && msr <= 0x4b564dff) || (msr >= 0x40000000 && msr <= 0x400001ff);
}

static const struct gabi_word *word_at(const struct gabi_contract *contract, uint64_t msr)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = msr };

	return gabi_contract_find(contract, &key, GABI_VP_ALL);
}

/* Returns 1 if it sets a revision id. */
static size_t expect_sound_op(const struct gabi_contract *contract, const struct gabi_op *op)
{
	bool basic = op->key.space == GABI_SPACE_MSR && op->key.index == MSR_IA32_VMX_BASIC;

	switch (op->kind) {
	case GABI_OP_SET_MSR:
		if (is_address_of_guest_memory(op->key.index))
			fail_msg("MSR 0x%llx makes KVM write to guest memory", (unsigned long long)op->key.index);
		break;
	case GABI_OP_ENABLE_CAP:
	case GABI_OP_SET_CPUID:
	case GABI_OP_SET_REG:
	case GABI_OP_SET_TSC_KHZ:
	case GABI_OP_DROP_IF_EQUAL:
	case GABI_OP_VERIFY:
	case GABI_OP_FILTER_SMCCC:
		break;
	default:
		fail_msg("%s: can an operation of that kind reach guest memory? The VMCSs there are not its to change", gabi_op_text(op->kind));
	}
	if (!basic)
		return 0;
	assert_non_null(word_at(contract, MSR_IA32_VMX_BASIC));
	assert_int_equal(op->value & REVISION, word_at(contract, MSR_IA32_VMX_BASIC)->value & REVISION);
	return op->kind == GABI_OP_SET_MSR;
}

/* The guest's VMCSs are in its memory, with the id that it was told: no operation reaches that memory, and it is told no other id. Without a report the
 * plan is made for what does not fit, too. */
static void plan__leaves_guest_memory_and_its_revision_ids_alone(void **state)
{
	const struct gabi_pin_options with_evmcs = { .size = sizeof(with_evmcs), .evmcs = 1 };
	size_t ids = 0;

	(void)state;
	for (size_t i = 0; i < 2 * host_count; i++) {
		const struct gabi_host *own = hosts[i / 2];
		struct gabi_contract *contract;

		if (gabi_contract_pin(own, i % 2 ? &with_evmcs : NULL, NULL, &contract, NULL))
			continue; /* there is no enlightened VMCS */
		for (size_t j = 0; j < host_count; j++) {
			struct gabi_plan *plan;
			const struct gabi_op *op;
			size_t count;

			if (gabi_host_arch(hosts[j]) != gabi_host_arch(own))
				continue;
			assert_int_equal(gabi_plan_new(contract, hosts[j], NULL, NULL, &plan, NULL), 0);
			op = gabi_plan_ops(plan, &count);
			for (size_t at = 0; at < count; at++)
				ids += expect_sound_op(contract, &op[at]);
			gabi_plan_free(plan);
		}
		gabi_contract_free(contract);
	}
	assert_true(ids > host_count);
}

/* A contract may come from anybody, and list what is no feature. */
static void check__of_an_msr_that_addresses_guest_memory__never_fits(void **state)
{
	static const uint32_t msrs[] = { 0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x40000001, 0x40000021, 0x40000073,
					 0x40000082, 0x40000083 };

	(void)state;
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		const struct gabi_word word = { .key = { .space = GABI_SPACE_MSR, .index = msrs[i] }, .value = 0x6001, .vp = GABI_VP_ALL, .bits = 64 };
		struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);

		assert_non_null(contract);
		assert_true(is_address_of_guest_memory(msrs[i]));
		assert_int_equal(gabi_contract_add(contract, &word, NULL), 0);
		assert_int_equal(gabi_contract_seal(contract, NULL), 0);
		for (size_t j = 0; j < host_count; j++)
			if (gabi_host_arch(hosts[j]) == GABI_ARCH_X86 && fits(contract, hosts[j]))
				fail_msg("MSR 0x%x fits %s", msrs[i], names[j]);
		gabi_contract_free(contract);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pin__fits_the_host_it_was_made_of),
		cmocka_unit_test(diff__of_a_host_with_itself__is_empty),
		cmocka_unit_test(check__and_its_verdict_alone__agree),
		cmocka_unit_test(check__of_a_guest_without_sve__finds_its_vectors_on_a_host_with_it),
		cmocka_unit_test(diff__what_hangs_on_a_feature_that_is_new__does_not_block),
		cmocka_unit_test(baseline__fits_its_hosts_and_nothing_can_be_added),
		cmocka_unit_test(baseline__does_not_depend_on_the_order_of_its_hosts),
		cmocka_unit_test(compiled__gives_the_verdict_of_check__of_hosts_learned_or_not),
		cmocka_unit_test(plan__leaves_guest_memory_and_its_revision_ids_alone),
		cmocka_unit_test(check__of_an_msr_that_addresses_guest_memory__never_fits),
	};

	return cmocka_run_group_tests_name("corpus", tests, read_all, free_all);
}
