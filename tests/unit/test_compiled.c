/* SPDX-License-Identifier: MIT */
#include <gabi/compiled.h>

#include "base/base.h"
#include "contract/pin.h"
#include "short_mem.h"
#include "verdict/bits.h"
#include "verdict/rule.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

/* A stream of numbers that is the same on every run. */
static uint64_t seed;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1du;
}

static unsigned below(unsigned limit)
{
	return (unsigned)((next() >> 32) % limit);
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

/* ---- sets of bits ---- */

static void bits__every_way_to_meet_and_gather_gives_the_same(void **state)
{
	uint64_t sets[20][80], plain[80], into[80];
	const uint64_t *from[20];

	(void)state;
	seed = 1;
	for (size_t words = GABI_BITS_STEP; words <= 80; words += GABI_BITS_STEP) {
		for (unsigned round = 0; round < 100; round++) {
			size_t count = below(20);
			bool meet = false;

			for (size_t i = 0; i < 20; i++)
				for (size_t j = 0; j < words; j++)
					sets[i][j] = one_in(40) ? (uint64_t)1 << below(64) : 0;
			memset(plain, 0, sizeof(plain));
			for (size_t j = 0; j < words; j++) {
				meet |= sets[0][j] & sets[1][j];
				for (size_t i = 0; i < count; i++)
					plain[j] |= sets[i][j];
			}
			for (size_t i = 0; i < count; i++)
				from[i] = sets[i];
			for (size_t at = 0; gabi_bits_ops_at(at); at++) {
				const struct gabi_bits_ops *ops = gabi_bits_ops_at(at);

				assert_int_equal(ops->meet(sets[0], sets[1], words), meet);
				memset(into, 0, sizeof(into));
				ops->gather(into, from, count, words);
				assert_memory_equal(into, plain, sizeof(into));
			}
		}
	}
	assert_string_equal(gabi_bits_ops_best()->name, gabi_bits_ops_at(0)->name);
}

static void bits__a_single_common_bit_is_found_wherever_it_is(void **state)
{
	uint64_t a[40], b[40];

	(void)state;
	for (size_t at = 0; gabi_bits_ops_at(at); at++)
		for (size_t words = GABI_BITS_STEP; words <= 40; words += GABI_BITS_STEP)
			for (size_t bit = 0; bit < words * 64; bit++) {
				memset(a, 0xff, sizeof(a));
				memset(b, 0, sizeof(b));
				gabi_bits_set(b, bit);
				assert_true(gabi_bits_ops_at(at)->meet(a, b, words));
				a[bit / 64] &= ~((uint64_t)1 << bit % 64);
				assert_false(gabi_bits_ops_at(at)->meet(a, b, words));
			}
}

/* ---- random worlds ---- */

/*
 * A world is a handful of registers, and hosts and contracts made of them. Few registers and few values, so that rules,
 * conditions and both directions meet often.
 */
#define KEYS      48
#define HOSTS     10
#define CONTRACTS 10

struct world {
	enum gabi_arch arch;
	struct gabi_key keys[KEYS];
	uint64_t usual[KEYS]; /* most hosts have that value */
	size_t key_count;
	struct gabi_host *hosts[HOSTS];
	struct gabi_contract *contracts[CONTRACTS];
};

/* What has been met; every test over worlds adds to it. */
static size_t rules_met[GABI_RULE_COUNT], views_met[GABI_VIEW_OFFER + 1], verdicts_met[GABI_DOES_NOT_FIT + 1], vp_met, evmcs_met;

static unsigned width_of(const struct gabi_key *key)
{
	unsigned width = gabi_key_width(key);

	return width < 64 ? width : 64;
}

static void take_key(struct world *world, struct gabi_key key)
{
	for (size_t i = 0; i < world->key_count; i++)
		if (!gabi_key_compare(&world->keys[i], &key))
			return;
	if (world->key_count < KEYS)
		world->keys[world->key_count++] = key;
}

static bool can_have(const struct world *world, const struct gabi_key *key)
{
	enum gabi_arch arch = gabi_space_arch(key->space);

	return !arch || arch == world->arch;
}

/* A key of the vocabulary, preferring rare rules: a rule is drawn first and then one of its rows. */
static void take_rows(struct world *world, size_t wanted)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t tries = 0; tries < 1000 && world->key_count < wanted; tries++) {
		unsigned rule = below(GABI_RULE_COUNT);
		size_t start = below((unsigned)count);

		for (size_t i = 0; i < count; i++) {
			const struct gabi_field *row = &field[(start + i) % count];
			enum gabi_arch arch = gabi_space_arch(row->key.space);

			if (row->rule != rule || !gabi_space_is_promise(row->key.space) || (arch && arch != world->arch))
				continue;
			take_key(world, row->key);
			if (gabi_field_when(row) && can_have(world, &gabi_field_when(row)->key))
				take_key(world, gabi_field_when(row)->key);
			break;
		}
	}
}

/* Saved state has registers but no fields; some of it only guests with a feature can reach. */
static void take_state(struct world *world, size_t wanted)
{
	size_t count;
	const struct gabi_reg *reg = gabi_regs(&count);

	for (size_t tries = 0; tries < 20 * count && world->key_count < wanted; tries++) {
		const struct gabi_reg *row = &reg[below((unsigned)count)];
		const struct gabi_field *gate = gabi_reg_when(row);

		if (!gabi_space_is_promise(row->key.space) || gabi_space_arch(row->key.space) != world->arch ||
		    (row->key.space != GABI_SPACE_MSR_STATE && row->key.space != GABI_SPACE_ARM64_STATE) || (!gate && !one_in(20)))
			continue;
		take_key(world, row->key);
		if (gate)
			take_key(world, gate->key);
	}
}

static void take_numbers(struct world *world)
{
	static const uint8_t x86[] = { GABI_SPACE_CPUID, GABI_SPACE_KVM, GABI_SPACE_HYPERV, GABI_SPACE_MSR, GABI_SPACE_MSR_STATE };
	static const uint8_t arm64[] = { GABI_SPACE_ARM64, GABI_SPACE_ARM64_STATE };
	bool is_x86 = world->arch == GABI_ARCH_X86;

	while (world->key_count < KEYS) {
		unsigned space = is_x86 ? x86[below(GABI_COUNT_OF(x86))] : arm64[below(GABI_COUNT_OF(arm64))];
		struct gabi_key key = { .space = (uint16_t)space, .index = 0x7000 + below(1000) };

		if (!is_x86)
			key.index |= 0x6030000000000000u | (one_in(4) ? 0x160000u : 0x130000u);
		take_key(world, key);
	}
}

static uint64_t some_value(const struct gabi_key *key)
{
	uint64_t value;
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	switch (below(4)) {
	case 0:
		value = 0;
		break;
	case 1:
		value = UINT64_MAX;
		break;
	default:
		value = next() & next();
	}
	for (size_t i = 0; i < count; i++) /* small numbers, and what means "absent", in every second field */
		if (one_in(2))
			value = (value & ~(gabi_mask(field[i].bits) << field[i].lo)) |
				(one_in(2) ? field[i].absent : below(3) & gabi_mask(field[i].bits)) << field[i].lo;
	return value & gabi_mask(width_of(key));
}

static void add_to_host(struct gabi_host *host, struct gabi_key key, uint64_t value, uint64_t settable)
{
	struct gabi_word word = { .key = key, .value = value, .settable = settable, .vp = GABI_VP_ALL,
				  .bits = (uint8_t)width_of(&key) };

	assert_int_equal(gabi_host_add(host, &word, NULL), 0);
}

/* Words of the spaces that only hosts have, which change what a rule answers. */
static void add_helpers(struct world *world, struct gabi_host *host)
{
	static const uint8_t psci_versions = 16;
	const struct gabi_key tsc_control = { .space = GABI_SPACE_CAP, .index = 60 };
	const struct gabi_key psci = { .space = GABI_SPACE_VM, .index = 12 };
	bool has_psci = false;

	if (one_in(2))
		add_to_host(host, tsc_control, below(2), 0);
	for (size_t i = 0; i < world->key_count; i++) {
		struct gabi_key key = world->keys[i];

		has_psci |= !gabi_key_compare(&key, &psci);
		if (key.space == GABI_SPACE_HYPERV) {
			key.space = GABI_SPACE_HYPERV_EVMCS;
			if (one_in(2))
				add_to_host(host, key, some_value(&world->keys[i]), 0);
			key.space = GABI_SPACE_HYPERV_SYSTEM;
			if (one_in(2))
				add_to_host(host, key, some_value(&world->keys[i]), 0);
		}
		if (key.space == GABI_SPACE_ARM64 && key.part == 0) {
			key.space = GABI_SPACE_ARM64_ACCEPTS;
			for (key.part = 0; key.part * 64u < gabi_key_width(&key); key.part++)
				if (one_in(3))
					add_to_host(host, key, (next() | next()) & gabi_mask(width_of(&key)), 0);
		}
	}
	if (world->arch == GABI_ARCH_ARM64 && !has_psci && one_in(2))
		add_to_host(host, psci, below(1u << psci_versions), 0);
}

/* Some of the keys are never promised: what the hosts have there lies outside the universe. */
static bool is_unpromised(const struct world *world, const struct gabi_key *key)
{
	for (size_t i = 0; i < KEYS; i += 16)
		if (!gabi_key_compare(&world->keys[i], key))
			return true;
	return false;
}

static struct gabi_host *make_host(struct world *world)
{
	enum gabi_view view = below(3) ? GABI_VIEW_KVM : below(GABI_VIEW_OFFER + 1);
	struct gabi_host *host = gabi_host_new(world->arch, view, NULL);
	unsigned change = 1 + below(100);
	bool sees_all = !one_in(4);

	for (size_t i = 0; i < world->key_count; i++) {
		struct gabi_key key = world->keys[i];
		uint64_t settable = key.space == GABI_SPACE_ARM64 ? (next() | next() | next()) & gabi_mask(width_of(&key)) : 0;

		if (!one_in(is_unpromised(world, &key) ? 2 : change))
			add_to_host(host, key, one_in(change) ? some_value(&key) : world->usual[i], settable);
	}
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++)
		if (sees_all ? space != GABI_SPACE_HYPERV || one_in(2) : one_in(2))
			assert_int_equal(gabi_host_cover(host, space), 0);
	add_helpers(world, host);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static void add_to_contract(struct gabi_contract *contract, const struct gabi_word *word, unsigned vp)
{
	struct gabi_word promise = { .key = word->key, .value = word->value, .vp = (uint16_t)vp, .bits = word->bits };

	assert_int_equal(gabi_contract_add(contract, &promise, NULL), 0);
}

/* A bare CPU is no host to pin. */
static const struct gabi_host *host_to_pin(const struct world *world)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		const struct gabi_host *host = world->hosts[below(HOSTS)];

		if (gabi_host_view(host) != GABI_VIEW_CPU)
			return host;
	}
	fail_msg("the world has nothing but bare CPUs");
	return NULL;
}

/* A contract is mostly what one of the hosts has: else nothing would ever fit. */
static struct gabi_contract *make_contract(struct world *world, const struct gabi_host *like)
{
	struct gabi_contract *contract = gabi_contract_new(world->arch, NULL), *pinned;
	unsigned change = 1 + below(200);
	size_t count;
	const struct gabi_word *words;

	assert_int_equal(gabi_contract_pin(like, NULL, NULL, &pinned, NULL), 0);
	words = gabi_contract_words(pinned, &count);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_reg *reg = gabi_reg_of(&words[i].key);
		struct gabi_word word = words[i];

		if (is_unpromised(world, &word.key) || one_in(change))
			continue;
		if (one_in(change))
			word.value = some_value(&word.key);
		else if (one_in(change))
			word.value &= next();
		if (reg && reg->scope == GABI_SCOPE_VP && !reg->same && one_in(6)) {
			vp_met++;
			add_to_contract(contract, &word, 0);
			if (one_in(4))
				continue;
			if (one_in(change))
				word.value = some_value(&word.key);
		}
		add_to_contract(contract, &word, GABI_VP_ALL);
	}
	words = gabi_host_words(like, &count);
	for (size_t i = 0; i < count; i++) /* what is pinned only on request, too */
		if (gabi_space_is_promise(words[i].key.space) && !gabi_contract_find(pinned, &words[i].key, GABI_VP_ALL) && one_in(6) &&
		    !is_unpromised(world, &words[i].key))
			add_to_contract(contract, &words[i], GABI_VP_ALL);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	gabi_contract_free(pinned);
	return contract;
}

static void note_rules(const struct gabi_contract *contract)
{
	const struct gabi_field *evmcs = gabi_field_by_name("hv-evmcs", GABI_ARCH_X86);
	size_t count, fields;
	const struct gabi_word *words = gabi_contract_words(contract, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = gabi_fields_of(&words[i].key, &fields);

		for (size_t j = 0; j < fields; j++) {
			rules_met[field[j].rule]++;
			evmcs_met += &field[j] == evmcs && gabi_field_get(evmcs, words[i].value);
		}
		if (words[i].key.space == GABI_SPACE_MSR_STATE || words[i].key.space == GABI_SPACE_ARM64_STATE)
			rules_met[GABI_RULE_STATE]++;
		if (!fields)
			rules_met[GABI_RULE_EQUAL]++;
	}
}

static void make_world(struct world *world, uint64_t number)
{
	seed = number * 0x9e3779b97f4a7c15u + 1;
	memset(world, 0, sizeof(*world));
	world->arch = number % 2 ? GABI_ARCH_X86 : GABI_ARCH_ARM64;
	take_rows(world, KEYS * 3 / 4);
	take_state(world, KEYS * 7 / 8);
	take_numbers(world);
	for (size_t i = 0; i < world->key_count; i++)
		world->usual[i] = some_value(&world->keys[i]);
	for (size_t i = 0; i < HOSTS; i++)
		world->hosts[i] = make_host(world);
	for (size_t i = 0; i < CONTRACTS; i++)
		world->contracts[i] = make_contract(world, host_to_pin(world));
}

static void end_world(struct world *world)
{
	for (size_t i = 0; i < HOSTS; i++)
		gabi_host_free(world->hosts[i]);
	for (size_t i = 0; i < CONTRACTS; i++)
		gabi_contract_free(world->contracts[i]);
}

static struct gabi_universe *universe_of(const struct world *world, const struct gabi_mem *mem)
{
	struct gabi_universe *universe = gabi_universe_new(world->arch, mem);

	assert_non_null(universe);
	for (size_t i = 0; i < CONTRACTS; i++)
		assert_int_equal(gabi_universe_learn(universe, world->contracts[i], NULL), 0);
	assert_int_equal(gabi_universe_seal(universe, NULL), 0);
	return universe;
}

static uint64_t *new_sets(const struct gabi_universe *universe, size_t count)
{
	uint64_t *sets = malloc(gabi_universe_words(universe) * count * sizeof(*sets));

	assert_non_null(sets);
	return sets;
}

static void compare_world(const struct world *world)
{
	struct gabi_universe *universe = universe_of(world, NULL);
	size_t words = gabi_universe_words(universe);
	uint64_t *hosts[GABI_DOES_NOT_FIT + 1] = { 0 }, *set = new_sets(universe, 1), row[GABI_BITS_STEP];
	const uint64_t *turned[HOSTS];
	struct gabi_matrix *matrix;

	for (unsigned least = GABI_FITS_WITH_ACTIONS; least <= GABI_DOES_NOT_FIT; least++) {
		hosts[least] = new_sets(universe, HOSTS);
		for (size_t i = 0; i < HOSTS; i++)
			assert_int_equal(gabi_universe_host(universe, world->hosts[i], least, hosts[least] + i * words, NULL), 0);
	}
	for (size_t i = 0; i < HOSTS; i++)
		turned[i] = hosts[GABI_UNKNOWN] + i * words;
	assert_int_equal(gabi_matrix_new(universe, turned, HOSTS, NULL, &matrix, NULL), 0);
	assert_int_equal(gabi_matrix_words(matrix), GABI_COUNT_OF(row));
	for (size_t i = 0; i < CONTRACTS; i++) {
		assert_int_equal(gabi_universe_contract(universe, world->contracts[i], set, NULL), 0);
		gabi_matrix_row(matrix, set, row);
		for (size_t j = 0; j < HOSTS; j++) {
			enum gabi_verdict asked = gabi_check_verdict(world->contracts[i], world->hosts[j]), compiled = GABI_FITS;

			for (unsigned least = GABI_FITS_WITH_ACTIONS; least <= GABI_DOES_NOT_FIT; least++)
				if (!gabi_universe_fits(universe, set, hosts[least] + j * words))
					compiled = least;
			if (asked != compiled)
				fail_msg("contract %zu on host %zu of view %u: %s, compiled: %s", i, j,
					 gabi_host_view(world->hosts[j]), gabi_verdict_text(asked), gabi_verdict_text(compiled));
			assert_int_equal(gabi_bits_get(row, j), compiled < GABI_UNKNOWN);
			verdicts_met[asked]++;
			views_met[gabi_host_view(world->hosts[j])]++;
		}
		for (size_t j = HOSTS; j < GABI_COUNT_OF(row) * 64; j++)
			assert_false(gabi_bits_get(row, j));
		note_rules(world->contracts[i]);
	}
	gabi_matrix_free(matrix);
	for (unsigned least = GABI_FITS_WITH_ACTIONS; least <= GABI_DOES_NOT_FIT; least++)
		free(hosts[least]);
	free(set);
	gabi_universe_free(universe);
}

static void compiled__gives_the_verdict_of_check(void **state)
{
	struct world world;
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (uint64_t number = 0; number < 200; number++) {
		make_world(&world, number);
		compare_world(&world);
		end_world(&world);
	}
	/* A test that met nothing says nothing. */
	for (size_t i = 0; i < count; i++)
		if (gabi_space_is_promise(field[i].key.space) && gabi_rule_promises(field[i].rule) && !rules_met[field[i].rule])
			fail_msg("no contract promised a field of rule \"%s\"", gabi_rule_text(field[i].rule));
	assert_true(rules_met[GABI_RULE_STATE] && rules_met[GABI_RULE_EQUAL]);
	for (unsigned view = 0; view < GABI_COUNT_OF(views_met); view++)
		assert_true(views_met[view] > 100);
	for (unsigned verdict = 0; verdict < GABI_COUNT_OF(verdicts_met); verdict++)
		if (verdicts_met[verdict] < 20)
			fail_msg("only %zu pairs: %s", verdicts_met[verdict], gabi_verdict_text(verdict));
	assert_true(vp_met > 100);
	assert_true(evmcs_met > 20 || !gabi_field_by_name("hv-evmcs", GABI_ARCH_X86));
}

/* ---- what a universe does not know ---- */

static struct gabi_contract *contract_of(const struct gabi_word *words, size_t count)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);

	for (size_t i = 0; i < count; i++)
		assert_int_equal(gabi_contract_add(contract, &words[i], NULL), 0);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	return contract;
}

#define WORD(space_name, number, what) \
	{ .key = { .space = GABI_SPACE_##space_name, .index = number }, .value = what, .vp = GABI_VP_ALL, \
	  .bits = GABI_SPACE_##space_name == GABI_SPACE_MSR ? 64 : 32 }

static void contract__that_was_not_learned_is_refused_and_nothing_is_written(void **state)
{
	static const struct gabi_word learned[] = { WORD(CPUID, 0x7000, 1), WORD(MSR, 0x7000, 5) };
	static const struct {
		const char *name;
		struct gabi_word words[3];
		size_t count;
	} rows[] = {
		{ "a word before the others", { WORD(CPUID, 0x6fff, 1), WORD(CPUID, 0x7000, 1), WORD(MSR, 0x7000, 5) }, 3 },
		{ "a word after the others", { WORD(CPUID, 0x7000, 1), WORD(MSR, 0x7000, 5), WORD(MSR, 0x7001, 5) }, 3 },
		{ "another value", { WORD(CPUID, 0x7000, 1), WORD(MSR, 0x7000, 4) }, 2 },
		{ "a word left out", { WORD(CPUID, 0x7000, 1) }, 1 },
		{ "no words", { WORD(CPUID, 0x7000, 1) }, 0 },
	};
	struct gabi_contract *known = contract_of(learned, GABI_COUNT_OF(learned));
	struct gabi_universe *universe = gabi_universe_new(GABI_ARCH_X86, NULL);
	uint64_t *set;

	(void)state;
	assert_int_equal(gabi_universe_learn(universe, known, NULL), 0);
	assert_int_equal(gabi_universe_seal(universe, NULL), 0);
	set = new_sets(universe, 1);
	assert_int_equal(gabi_universe_contract(universe, known, set, NULL), 0);
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		struct gabi_contract *contract = contract_of(rows[i].words, rows[i].count);
		struct gabi_diag diag = { 0 };
		int err;

		memset(set, 0xa5, gabi_universe_words(universe) * sizeof(*set));
		err = gabi_universe_contract(universe, contract, set, &diag);
		if (err != GABI_ERR_UNKNOWN || !diag.text[0])
			fail_msg("%s: %s", rows[i].name, gabi_err_name(err));
		for (size_t j = 0; j < gabi_universe_words(universe); j++)
			assert_int_equal(set[j], 0xa5a5a5a5a5a5a5a5u);
		gabi_contract_free(contract);
	}
	free(set);
	gabi_universe_free(universe);
	gabi_contract_free(known);
}

/* A host of a kernel: with the control and, if it says so, with what a guest with eVMCS reads. */
static struct gabi_host *evmcs_host(const char *release, const struct gabi_word *words, size_t count, uint64_t seen)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	struct gabi_word left = WORD(MSR_EVMCS, 0x48b, seen);

	left.bits = 64;
	assert_true(!*release || !gabi_host_set_fact(host, "kernel.release", release, NULL));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(gabi_host_add(host, &words[i], NULL), 0);
	assert_true(!seen || !gabi_host_add(host, &left, NULL));
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++)
		if (space != GABI_SPACE_HYPERV_EVMCS)
			assert_int_equal(gabi_host_cover(host, space), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

#define MBEC UINT64_C(0x0040000000000000)

static void evmcs__what_a_kernel_takes_away_decides_and_does_so_compiled(void **state)
{
	static const struct gabi_word words[] = {
		{ .key = { .space = GABI_SPACE_CPUID, .part = GABI_ECX, .index = 1 }, .value = 0x20, .vp = GABI_VP_ALL, .bits = 32 },
		WORD(HYPERV, 0x40000001, 0x31237648), WORD(HYPERV, 0x40000004, 0x4000), WORD(HYPERV, 0x4000000a, 0x101),
		WORD(MSR, 0x48b, MBEC),
	};
	static const struct {
		const char *name, *release;
		uint64_t seen;
		enum gabi_verdict verdict;
	} rows[] = {
		{ "a kernel that does not filter the control", "5.10.223", 0, GABI_FITS },
		{ "an allow-list without it", "6.12.107", 0, GABI_DOES_NOT_FIT },
		{ "an allow-list with it", "7.2.13", 0, GABI_FITS },
		{ "a kernel older than any that was read", "5.4.1", 0, GABI_UNKNOWN },
		{ "no release", "", 0, GABI_UNKNOWN },
		{ "a manifest that says that it is left", "6.12.107", MBEC, GABI_FITS },
		{ "a manifest that says that it is taken", "7.2.13", 1, GABI_DOES_NOT_FIT },
	};
	struct gabi_contract *contract = contract_of(words, GABI_COUNT_OF(words));
	struct gabi_universe *universe = gabi_universe_new(GABI_ARCH_X86, NULL);
	uint64_t *contract_set, *host_set;

	(void)state;
	assert_int_equal(gabi_universe_learn(universe, contract, NULL), 0);
	assert_int_equal(gabi_universe_seal(universe, NULL), 0);
	contract_set = new_sets(universe, 1);
	host_set = new_sets(universe, 1);
	assert_int_equal(gabi_universe_contract(universe, contract, contract_set, NULL), 0);
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		struct gabi_host *host = evmcs_host(rows[i].release, words, GABI_COUNT_OF(words), rows[i].seen);
		enum gabi_verdict verdict = gabi_check_verdict(contract, host);

		if (verdict != rows[i].verdict)
			fail_msg("%s: %s", rows[i].name, gabi_verdict_text(verdict));
		for (unsigned least = GABI_FITS_WITH_ACTIONS; least <= GABI_DOES_NOT_FIT; least++) {
			assert_int_equal(gabi_universe_host(universe, host, least, host_set, NULL), 0);
			assert_int_equal(gabi_universe_fits(universe, contract_set, host_set), verdict < least);
		}
		gabi_host_free(host);
	}
	free(contract_set);
	free(host_set);
	gabi_universe_free(universe);
	gabi_contract_free(contract);
}

static void architecture__of_contract_and_host_is_looked_at(void **state)
{
	struct gabi_universe *universe = gabi_universe_new(GABI_ARCH_X86, NULL);
	struct gabi_contract *x86 = contract_of(NULL, 0), *arm64 = gabi_contract_new(GABI_ARCH_ARM64, NULL);
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	uint64_t *contract_set, *host_set;

	(void)state;
	gabi_contract_seal(arm64, NULL);
	gabi_host_seal(host, NULL);
	assert_int_equal(gabi_universe_learn(universe, arm64, NULL), GABI_ERR_ARCH);
	assert_int_equal(gabi_universe_learn(universe, x86, NULL), 0);
	assert_int_equal(gabi_universe_seal(universe, NULL), 0);
	contract_set = new_sets(universe, 1);
	host_set = new_sets(universe, 1);
	assert_int_equal(gabi_universe_contract(universe, arm64, contract_set, NULL), GABI_ERR_ARCH);
	assert_int_equal(gabi_universe_contract(universe, x86, contract_set, NULL), 0);
	assert_int_equal(gabi_universe_host(universe, host, GABI_DOES_NOT_FIT, host_set, NULL), 0);
	assert_int_equal(gabi_universe_fits(universe, contract_set, host_set), 0);
	assert_int_equal(gabi_check_verdict(x86, host), GABI_DOES_NOT_FIT);
	assert_int_equal(gabi_universe_host(universe, host, GABI_FITS, host_set, NULL), GABI_ERR_ARG);
	free(host_set);
	free(contract_set);
	gabi_host_free(host);
	gabi_contract_free(arm64);
	gabi_contract_free(x86);
	gabi_universe_free(universe);
}

/* ---- the matrix ---- */

/* More hosts than a row's first words hold, more contracts than the cache remembers. */
static void matrix__gives_for_every_pair_what_two_sets_give(void **state)
{
	enum { MANY = 700, ASKED = 3000 };
	struct world world;
	struct gabi_universe *universe;
	struct gabi_matrix *matrix;
	const uint64_t *hosts[MANY];
	uint64_t *sets, *contract, row[16];
	size_t words, fits = 0;

	(void)state;
	make_world(&world, 1);
	universe = universe_of(&world, NULL);
	words = gabi_universe_words(universe);
	sets = new_sets(universe, MANY + 1);
	contract = sets + MANY * words;
	memset(sets, 0, MANY * words * sizeof(*sets));
	for (size_t i = 0; i < MANY; i++) {
		hosts[i] = sets + i * words;
		for (unsigned lacking = below(60); lacking; lacking--)
			gabi_bits_set(sets + i * words, below((unsigned)words * 64));
	}
	assert_int_equal(gabi_matrix_new(universe, hosts, MANY, NULL, &matrix, NULL), 0);
	assert_int_equal(gabi_matrix_words(matrix), GABI_COUNT_OF(row));
	for (size_t i = 0; i < ASKED; i++) {
		for (size_t j = 0; j < words; j++)
			contract[j] = next() & next() & next() & next();
		gabi_matrix_row(matrix, contract, row);
		for (size_t j = 0; j < GABI_COUNT_OF(row) * 64; j++) {
			bool want = j < MANY && gabi_universe_fits(universe, contract, hosts[j]);

			fits += want;
			assert_int_equal(gabi_bits_get(row, j), want);
		}
	}
	assert_true(fits > ASKED && fits < (size_t)ASKED * MANY / 2);
	gabi_matrix_free(matrix);
	gabi_matrix_free(NULL);
	free(sets);
	gabi_universe_free(universe);
	gabi_universe_free(NULL);
	end_world(&world);
}

static void matrix__of_no_hosts_has_empty_rows(void **state)
{
	struct gabi_universe *universe = gabi_universe_new(GABI_ARCH_X86, NULL);
	struct gabi_matrix *matrix;
	uint64_t *set;

	(void)state;
	assert_int_equal(gabi_universe_seal(universe, NULL), 0);
	set = new_sets(universe, 1);
	memset(set, 0xff, gabi_universe_words(universe) * sizeof(*set));
	assert_int_equal(gabi_matrix_new(universe, NULL, 0, NULL, &matrix, NULL), 0);
	assert_int_equal(gabi_matrix_words(matrix), 0);
	gabi_matrix_row(matrix, set, NULL);
	gabi_matrix_free(matrix);
	free(set);
	gabi_universe_free(universe);
}

/* ---- memory ---- */

static int build(const struct world *world, const struct gabi_mem *mem)
{
	struct gabi_universe *universe = gabi_universe_new(world->arch, mem);
	struct gabi_matrix *matrix = NULL;
	int err = universe ? 0 : GABI_ERR_NOMEM;

	for (size_t i = 0; !err && i < 3; i++)
		err = gabi_universe_learn(universe, world->contracts[i], NULL);
	if (!err)
		err = gabi_universe_seal(universe, NULL);
	if (!err) {
		uint64_t *set = new_sets(universe, 1);
		const uint64_t *hosts[] = { set };

		gabi_universe_host(universe, world->hosts[0], GABI_UNKNOWN, set, NULL);
		err = gabi_matrix_new(universe, hosts, 1, mem, &matrix, NULL);
		free(set);
	}
	gabi_matrix_free(matrix);
	gabi_universe_free(universe);
	return err;
}

static void build__runs_short_of_memory_at_every_request(void **state)
{
	struct short_mem count = { 0 };
	struct gabi_mem mem = short_mem_of(&count);
	struct world world;
	int err;

	(void)state;
	make_world(&world, 3);
	do {
		count.fail_at++;
		count.requests = 0;
		err = build(&world, &mem);
		assert_int_equal(err, short_mem_hit(&count) ? GABI_ERR_NOMEM : 0);
		assert_int_equal(count.live, 0);
	} while (err);
	assert_true(count.fail_at > 100);
	end_world(&world);
}

/* A contract that could not be learned for want of memory is refused or right later, never wrong. */
static void learn__that_failed_half_way_does_no_harm(void **state)
{
	struct world world;
	size_t refused = 0;

	(void)state;
	make_world(&world, 5);
	for (size_t fail_at = 2; fail_at < 300; fail_at += 7) {
		struct short_mem count = { .fail_at = fail_at };
		struct gabi_mem mem = short_mem_of(&count);
		struct gabi_universe *universe = gabi_universe_new(world.arch, &mem);
		uint64_t *set, *host;

		for (size_t i = 0; i < 3; i++)
			gabi_universe_learn(universe, world.contracts[i], NULL);
		count.fail_at = 0;
		assert_int_equal(gabi_universe_seal(universe, NULL), 0);
		set = new_sets(universe, 1);
		host = new_sets(universe, 1);
		for (size_t i = 0; i < 3; i++) {
			if (gabi_universe_contract(universe, world.contracts[i], set, NULL)) {
				refused++;
				continue;
			}
			for (size_t j = 0; j < HOSTS; j++) {
				gabi_universe_host(universe, world.hosts[j], GABI_UNKNOWN, host, NULL);
				assert_int_equal(gabi_universe_fits(universe, set, host),
						 gabi_check_verdict(world.contracts[i], world.hosts[j]) < GABI_UNKNOWN);
			}
		}
		free(set);
		free(host);
		gabi_universe_free(universe);
	}
	assert_true(refused > 0);
	end_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits__every_way_to_meet_and_gather_gives_the_same),
		cmocka_unit_test(bits__a_single_common_bit_is_found_wherever_it_is),
		cmocka_unit_test(compiled__gives_the_verdict_of_check),
		cmocka_unit_test(contract__that_was_not_learned_is_refused_and_nothing_is_written),
		cmocka_unit_test(evmcs__what_a_kernel_takes_away_decides_and_does_so_compiled),
		cmocka_unit_test(architecture__of_contract_and_host_is_looked_at),
		cmocka_unit_test(matrix__gives_for_every_pair_what_two_sets_give),
		cmocka_unit_test(matrix__of_no_hosts_has_empty_rows),
		cmocka_unit_test(build__runs_short_of_memory_at_every_request),
		cmocka_unit_test(learn__that_failed_half_way_does_no_harm),
	};

	return cmocka_run_group_tests_name("compiled", tests, NULL, NULL);
}
