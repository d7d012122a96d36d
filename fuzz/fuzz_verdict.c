/* SPDX-License-Identifier: MIT */
/*
 * The laws of verdicts over made-up hosts: any bytes become a few hosts whose words are of the vocabulary. fuzz_laws lists
 * the laws.
 *
 * A word is named by a number that its row's own name hashes to, or comes next after: so an input means the same, or nearly
 * so, when rows come and go.
 */
#include <gabi/plan.h>
#include <gabi/verdict.h>

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MOST_HOSTS 4
#define MOST_KEYS  12

enum law {
	PIN_FITS, VERDICT_ALONE, DIFF_ITSELF, NOWHERE_AND_BACK, WAY_BACK, PLANNED, SIGHT,
	BASELINE_FITS, BASELINE_ORDER, MORE_BITS, MORE, LESS, FEWER_BITS, NOT_NOTHING, TRANSITIVE, TEXTS, TWO_VALUES,
};

struct fuzz_law fuzz_laws[] = {
	[PIN_FITS] = { "a contract pinned from a host fits it", 0 },
	[VERDICT_ALONE] = { "check and its verdict alone agree", 0 },
	[DIFF_ITSELF] = { "a host does not differ from itself", 0 },
	[NOWHERE_AND_BACK] = { "going nowhere and coming back is allowed", 0 },
	[WAY_BACK] = { "there and back is the same as back and there, and each way alone", 0 },
	[PLANNED] = { "a contract that fits has a plan, and no other", 0 },
	[SIGHT] = { "a guest whose plan was carried out sees what it was promised and nothing else", 0 },
	[BASELINE_FITS] = { "a baseline, and less than it, fits its hosts", 0 },
	[BASELINE_ORDER] = { "the order of its hosts does not matter to a baseline", 0 },
	[MORE_BITS] = { "no bit can be added to a baseline", 0 },
	[MORE] = { "no number of a baseline can be larger", 0 },
	[LESS] = { "nor smaller, where less is more", 0 },
	[FEWER_BITS] = { "no bit can be taken away that says something worse", 0 },
	[NOT_NOTHING] = { "where a baseline has nothing, no host's value fits all", 0 },
	[TRANSITIVE] = { "what fits a host that is no more than the baseline fits its hosts", 0 },
	[TEXTS] = { "every finding has its texts, the heaviest first", 0 },
	[TWO_VALUES] = { "what is promised and what the host has differ where that is what is wrong", 0 },
	{ NULL, 0 },
};

static void came_to(enum law law)
{
	fuzz_laws[law].reached++;
}

/* ---- hosts out of bytes ---- */

struct bytes {
	const uint8_t *at;
	size_t left;
};

static uint64_t take(struct bytes *bytes, size_t len)
{
	uint64_t value = 0;

	for (; len && bytes->left; len--, bytes->left--)
		value = value << 8 | *bytes->at++;
	return value;
}

/* The spaces whose words a manifest and a contract share one to one. Hyper-V's leaves are not of them: a manifest that
 * lists eVMCS before it is enabled contradicts itself, and so may its pin. */
static int is_taken(unsigned space, enum gabi_arch arch)
{
	enum gabi_arch own = gabi_space_arch(space);

	return (own == GABI_ARCH_ANY || own == arch) && space != GABI_SPACE_HYPERV && space != GABI_SPACE_CAP;
}

static unsigned bits_of(const struct gabi_key *key)
{
	unsigned width = gabi_key_width(key); /* of the whole register; 128 of a leaf */

	return width == 128 && gabi_space_arch(key->space) == GABI_ARCH_X86 ? 32 : width > 64 ? 64 : width;
}

#define MOST_ROWS 16384

/* The keys of fields and of registers, by the hash of their rows' names. */
static struct place {
	uint16_t hash;
	struct gabi_key key;
} places[MOST_ROWS];
static size_t place_count;

static void place(const struct gabi_key *key, const char *name)
{
	const char *const texts[] = { gabi_space_text(key->space), name };
	uint32_t hash = 2166136261u; /* FNV-1a, folded */

	for (size_t i = 0; i < 2; i++)
		for (const char *c = texts[i]; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 16777619u;
	fuzz_expect(place_count < MOST_ROWS);
	places[place_count++] = (struct place){ (uint16_t)(hash ^ hash >> 16), *key };
}

static int by_hash(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->hash != y->hash ? x->hash - y->hash : gabi_key_compare(&x->key, &y->key);
}

static void place_all(void)
{
	size_t fields, regs;
	const struct gabi_field *field = gabi_fields(&fields);
	const struct gabi_reg *reg = gabi_regs(&regs);

	for (size_t i = 0; i < fields; i++)
		place(&field[i].key, field[i].name);
	for (size_t i = 0; i < regs; i++)
		place(&reg[i].key, reg[i].name);
	qsort(places, place_count, sizeof(places[0]), by_hash);
}

/* The first key at or after that hash, round again to the first of all, that both a manifest and a contract may list. */
static struct gabi_key key_at(uint16_t hash, enum gabi_arch arch)
{
	size_t at = 0;

	if (!place_count)
		place_all();
	while (at < place_count && places[at].hash < hash)
		at++;
	while (!is_taken(places[at % place_count].key.space, arch))
		at++;
	return places[at % place_count].key;
}

/* A row of the vocabulary, or now and then a number without one. */
static int take_key(struct bytes *bytes, enum gabi_arch arch, struct gabi_key *ret_key)
{
	uint64_t choice = take(bytes, 1);

	*ret_key = key_at((uint16_t)take(bytes, 2), arch);
	if (choice > 0xf0)
		ret_key->index ^= 0x5000;
	else if (choice > 0xd0 && ret_key->space == GABI_SPACE_MSR)
		ret_key->space = GABI_SPACE_MSR_DEFAULT;
	return bits_of(ret_key) > 0;
}

static uint64_t take_value(struct bytes *bytes, const struct gabi_key *key, uint64_t first)
{
	switch (take(bytes, 1) & 3) {
	case 0:
		return first;
	case 1:
		return first ^ (uint64_t)1 << (take(bytes, 1) % bits_of(key));
	case 2:
		return take(bytes, 1);
	default:
		return take(bytes, 8);
	}
}

static void add_word(struct gabi_host *host, struct bytes *bytes, const struct gabi_key *key, uint64_t *first)
{
	unsigned bits = bits_of(key), how = (unsigned)take(bytes, 1);
	uint64_t mask = bits >= 64 ? ~0ull : (1ull << bits) - 1;
	struct gabi_word word = { .key = *key, .bits = (uint8_t)bits, .vp = GABI_VP_ALL };

	if ((how & 7) == 0)
		return; /* this host does not list it */
	word.value = (*first = take_value(bytes, key, *first)) & mask;
	word.settable = (how & 0x30 ? ~0ull : how & 0x40 ? take(bytes, 8) : 0) & mask;
	if (key->space == GABI_SPACE_MSR_STATE)
		word.value = 1;
	gabi_host_add(host, &word, NULL);
}

static struct gabi_host *make_host(struct bytes *bytes, enum gabi_arch arch, enum gabi_view view, const struct gabi_key *keys,
				   size_t key_count, uint64_t *firsts, unsigned kernel)
{
	static const char *const releases[] = { "5.10.223", "6.1.176", "6.12.107", "7.2.13" };
	struct gabi_host *host = gabi_host_new(arch, view, NULL);

	if (kernel < sizeof(releases) / sizeof(releases[0])) /* else it is not known */
		gabi_host_set_fact(host, "kernel.release", releases[kernel], NULL);
	for (unsigned space = 1; view != GABI_VIEW_GUEST && space < GABI_SPACE_COUNT; space++)
		gabi_host_cover(host, space);
	gabi_host_cover(host, arch == GABI_ARCH_X86 ? GABI_SPACE_MSR_STATE : GABI_SPACE_ARM64_STATE);
	for (size_t i = 0; i < key_count; i++)
		add_word(host, bytes, &keys[i], &firsts[i]);
	if (gabi_host_seal(host, NULL)) {
		gabi_host_free(host);
		return NULL;
	}
	return host;
}

/* ---- laws ---- */

static int fits(enum gabi_verdict verdict)
{
	return verdict == GABI_FITS || verdict == GABI_FITS_WITH_ACTIONS;
}

static struct gabi_report *check(const struct gabi_contract *contract, const struct gabi_host *host)
{
	struct gabi_report *report = NULL;

	fuzz_expect(gabi_check(contract, host, &report, NULL) == 0);
	fuzz_expect(gabi_report_verdict(report) == gabi_check_verdict(contract, host));
	came_to(VERDICT_ALONE);
	return report;
}

/* ---- what a guest sees ---- */

static uint64_t mask_of(const struct gabi_field *field)
{
	return field->bits >= 64 ? ~0ull : (1ull << field->bits) - 1;
}

static uint64_t field_of(const struct gabi_field *field, const struct gabi_word *word)
{
	return word ? word->value >> field->lo & mask_of(field) : field->absent;
}

static int promises(const struct gabi_contract *contract, const struct gabi_field *field)
{
	return !field || field_of(field, gabi_contract_find(contract, &field->key, GABI_VP_ALL)) != field->absent;
}

static int matters(const struct gabi_contract *contract, const struct gabi_field *field)
{
	const struct gabi_reg *reg = gabi_reg_of(&field->key);

	return promises(contract, gabi_field_when(field) ? gabi_field_when(field) : reg ? gabi_reg_when(reg) : NULL);
}

/* The operation that writes the word; NULL if the plan leaves it alone. */
static const struct gabi_op *write_of(const struct gabi_plan *plan, const struct gabi_key *key)
{
	size_t count;
	const struct gabi_op *op = gabi_plan_ops(plan, &count);

	for (size_t i = 0; i < count; i++)
		if ((op[i].kind == GABI_OP_SET_CPUID || op[i].kind == GABI_OP_SET_MSR || op[i].kind == GABI_OP_SET_REG) &&
		    !gabi_key_compare(&op[i].key, key))
			return &op[i];
	return NULL;
}

/* What of a field a guest sees on a host where the plan was carried out, as far as the host takes what is written. */
static uint64_t seen_of(const struct gabi_field *field, const struct gabi_host *host, const struct gabi_plan *plan)
{
	const struct gabi_key start_key = { .space = GABI_SPACE_MSR_DEFAULT, .index = field->key.index };
	const struct gabi_word *offer = gabi_host_find(host, &field->key);
	const struct gabi_word *start = field->key.space == GABI_SPACE_MSR ? gabi_host_find(host, &start_key) : NULL;
	const struct gabi_op *op = write_of(plan, &field->key);
	uint64_t own = field_of(field, start && offer ? start : offer);
	uint64_t written = op ? op->value >> field->lo & mask_of(field) : own;

	if (field->key.space == GABI_SPACE_CPUID || field->key.space == GABI_SPACE_KVM) {
		written = op ? written : field->absent; /* a VMM writes all of CPUID, but some of it shows all the same */
		return field->hide == GABI_HIDE_NO && written == field->absent ? field_of(field, offer) : written;
	}
	if (field->rule == GABI_RULE_LEVEL || field->rule == GABI_RULE_IMPOSED || !offer)
		return own;
	return (own ^ written) & ~(offer->settable >> field->lo) ? own : written;
}

/* What a VMM writes, or a guest sees by default: of MSRs those that are promised. */
static int is_seen(const struct gabi_word *offer, const struct gabi_word *promise)
{
	unsigned space = offer->key.space;

	return space == GABI_SPACE_CPUID || space == GABI_SPACE_KVM || space == GABI_SPACE_ARM64 || (space == GABI_SPACE_MSR && promise);
}

static int is_promised(const struct gabi_field *field, const struct gabi_word *promise)
{
	return field->rule != GABI_RULE_FREE && field->rule != GABI_RULE_OFFERED && field->rule != GABI_RULE_DERIVED &&
	       (field->rule != GABI_RULE_PRESENTED || promise);
}

static void law_of_sight(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_plan *plan)
{
	size_t words, count;
	const struct gabi_word *word = gabi_host_words(host, &words);

	for (size_t i = 0; i < words; i++) {
		const struct gabi_word *promise = gabi_contract_find(contract, &word[i].key, GABI_VP_ALL);
		const struct gabi_field *field = gabi_fields_of(&word[i].key, &count);

		for (size_t j = 0; is_seen(&word[i], promise) && j < count; j++) {
			if (!is_promised(&field[j], promise) || !matters(contract, &field[j]))
				continue;
			fuzz_expect(seen_of(&field[j], host, plan) == field_of(&field[j], promise));
			came_to(SIGHT);
		}
	}
}

/* ---- one host, and two ---- */

static void law_of_plans(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report)
{
	struct gabi_plan *plan = NULL;
	int err = gabi_plan_new(contract, host, report, NULL, &plan, NULL);

	fuzz_expect((err == 0) == fits(gabi_report_verdict(report)));
	came_to(PLANNED);
	if (!err && gabi_host_view(host) == GABI_VIEW_KVM)
		law_of_sight(contract, host, plan);
	gabi_plan_free(plan);
}

static void law_of_two_values(const struct gabi_finding *finding)
{
	if (finding->kind != GABI_FINDING_MISSING && finding->kind != GABI_FINDING_DIFFERS && finding->kind != GABI_FINDING_TOO_SMALL &&
	    finding->kind != GABI_FINDING_CANNOT_HIDE)
		return;
	if (finding->has_want && finding->has_have) {
		fuzz_expect(finding->want != finding->have);
		came_to(TWO_VALUES);
	}
}

static void law_of_texts(const struct gabi_report *report)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);
	char text[64];

	for (size_t i = 0; i < count; i++) {
		fuzz_expect(gabi_finding_name(&finding[i], text, sizeof(text)) > 0);
		gabi_finding_values(&finding[i], 0, text, sizeof(text));
		gabi_finding_values(&finding[i], 1, text, sizeof(text));
		gabi_finding_remedy(&finding[i], text, sizeof(text));
		fuzz_expect(strlen(text) < sizeof(text));
		fuzz_expect(i == 0 || finding[i].weight <= finding[i - 1].weight);
		came_to(TEXTS);
		law_of_two_values(&finding[i]);
	}
}

static void laws_of_one(const struct gabi_host *host)
{
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;
	size_t count;

	fuzz_expect(gabi_contract_pin(host, NULL, NULL, &contract, NULL) == 0);
	report = check(contract, host);
	fuzz_expect(gabi_report_verdict(report) == GABI_FITS);
	came_to(PIN_FITS);
	law_of_plans(contract, host, report);
	gabi_report_free(report);
	fuzz_expect(gabi_diff(host, host, &report, NULL) == 0);
	gabi_report_findings(report, &count);
	fuzz_expect(count == 0);
	came_to(DIFF_ITSELF);
	gabi_report_free(report);
	fuzz_expect(gabi_rollback(contract, host, host, &report, NULL) == 0);
	fuzz_expect(gabi_report_verdict(report) == GABI_FITS);
	came_to(NOWHERE_AND_BACK);
	gabi_report_free(report);
	gabi_contract_free(contract);
	fuzz_reached();
}

static enum gabi_verdict rollback(const struct gabi_contract *contract, const struct gabi_host *a, const struct gabi_host *b)
{
	struct gabi_report *report;
	enum gabi_verdict verdict;

	fuzz_expect(gabi_rollback(contract, a, b, &report, NULL) == 0);
	law_of_texts(report);
	verdict = gabi_report_verdict(report);
	gabi_report_free(report);
	return verdict;
}

/* Both journeys have the same two ways. */
static void law_of_the_way_back(const struct gabi_contract *contract, const struct gabi_host *a, const struct gabi_host *b)
{
	enum gabi_verdict verdict = rollback(contract, a, b);

	fuzz_expect(verdict == rollback(contract, b, a));
	fuzz_expect(!fits(verdict) || (fits(gabi_check_verdict(contract, a)) && fits(gabi_check_verdict(contract, b))));
	came_to(WAY_BACK);
}

static void laws_of_two(const struct gabi_host *a, const struct gabi_host *b)
{
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;

	fuzz_expect(gabi_contract_pin(a, NULL, NULL, &contract, NULL) == 0);
	report = check(contract, b);
	law_of_plans(contract, b, report);
	law_of_texts(report);
	gabi_report_free(report);
	law_of_the_way_back(contract, a, b);
	fuzz_expect(gabi_diff(a, b, &report, NULL) == 0);
	law_of_texts(report);
	gabi_report_free(report);
	gabi_contract_free(contract);
}

/* ---- baselines ---- */

static int is_flag(const struct gabi_field *field)
{
	return field->kind == GABI_KIND_FLAG && field->rule == GABI_RULE_SUBSET;
}

/* The contract with other bits in the word of that key, which it may not list. */
static struct gabi_contract *with_bits(const struct gabi_contract *contract, const struct gabi_key *key, uint64_t bits)
{
	struct gabi_contract *other = gabi_contract_new(gabi_contract_arch(contract), NULL);
	struct gabi_word added = { .key = *key, .value = bits, .bits = (uint8_t)bits_of(key), .vp = GABI_VP_ALL };
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);

	for (size_t i = 0; i < count; i++) {
		struct gabi_word copy = word[i];

		if (!gabi_key_compare(&copy.key, key))
			copy.value ^= bits;
		fuzz_expect(gabi_contract_add(other, &copy, NULL) == 0);
	}
	if (bits && !gabi_contract_find(contract, key, GABI_VP_ALL))
		fuzz_expect(gabi_contract_add(other, &added, NULL) == 0);
	fuzz_expect(gabi_contract_seal(other, NULL) == 0);
	return other;
}

/* The contract without one of its flags, if it has the one that is chosen. */
static struct gabi_contract *with_less(const struct gabi_contract *contract, uint64_t choice)
{
	size_t count, fields = 0;
	const struct gabi_word *word = gabi_contract_words(contract, &count);
	const struct gabi_field *field;
	uint64_t bits = 0;

	if (count) {
		word += choice % count;
		field = word->key.space == GABI_SPACE_CPUID ? gabi_fields_of(&word->key, &fields) : NULL;
		if (fields && is_flag(&field[choice % fields]) && field[choice % fields].hide != GABI_HIDE_NO)
			bits = word->value & (uint64_t)1 << field[choice % fields].lo;
	}
	return with_bits(contract, &word->key, bits);
}

static int fits_all(const struct gabi_contract *contract, struct gabi_host *const *hosts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!fits(gabi_check_verdict(contract, hosts[i])))
			return 0;
	return 1;
}

static int64_t signed_of(const struct gabi_field *field, uint64_t value)
{
	unsigned shift = 64 - field->bits;

	return (int64_t)(value << shift) >> shift;
}

static int is_larger(const struct gabi_field *field, uint64_t a, uint64_t b)
{
	return field->kind == GABI_KIND_INT ? signed_of(field, a) > signed_of(field, b) : a > b;
}

static int adds_bits(uint64_t a, uint64_t b)
{
	return a != b && !(b & ~a);
}

/* Is a guest that has `more` of the field better off than one that has `value`? By which law: TEXTS for no. */
static enum law is_more(const struct gabi_field *field, uint64_t more, uint64_t value)
{
	switch (field->rule) {
	case GABI_RULE_SUBSET:
	case GABI_RULE_PREFIX:
		return adds_bits(more, value) ? MORE_BITS : TEXTS;
	case GABI_RULE_SUPERSET:
		return adds_bits(value, more) ? FEWER_BITS : TEXTS;
	case GABI_RULE_AT_MOST:
	case GABI_RULE_PSCI:
		return is_larger(field, more, value) ? MORE : TEXTS;
	case GABI_RULE_AT_LEAST:
		return is_larger(field, value, more) ? LESS : TEXTS;
	case GABI_RULE_AT_LEAST_0:
		return more && (!value || is_larger(field, value, more)) ? LESS : TEXTS;
	case GABI_RULE_EQUAL:
	case GABI_RULE_VENDOR:
	case GABI_RULE_LEVEL:
	case GABI_RULE_IMPOSED:
		return value == field->absent ? NOT_NOTHING : TEXTS;
	default: /* nobody has a say, or nothing is promised unless it is asked for */
		return TEXTS;
	}
}

static void try_more(const struct gabi_contract *baseline, const struct gabi_field *field, uint64_t more, struct gabi_host *const *hosts,
		     size_t count)
{
	uint64_t value = field_of(field, gabi_contract_find(baseline, &field->key, GABI_VP_ALL));
	enum law law = more == value ? TEXTS : is_more(field, more, value);
	struct gabi_contract *other;

	if (law == TEXTS)
		return;
	other = with_bits(baseline, &field->key, (more ^ value) << field->lo);
	fuzz_expect(!fits_all(other, hosts, count));
	came_to(law);
	gabi_contract_free(other);
}

/* Tries, for each field of one word of one host, each host's own value, what comes next to the baseline's, and each bit more or less. */
static void law_of_the_largest(const struct gabi_contract *baseline, struct gabi_host *const *hosts, size_t count, uint64_t choice)
{
	size_t words, fields;
	const struct gabi_word *word = gabi_host_words(hosts[choice % count], &words);
	const struct gabi_field *field;

	if (!words)
		return;
	word += choice / count % words;
	field = gabi_fields_of(&word->key, &fields);
	for (size_t i = 0; is_seen(word, word) && i < fields; i++) {
		uint64_t value = field_of(&field[i], gabi_contract_find(baseline, &word->key, GABI_VP_ALL));

		if (!matters(baseline, &field[i]))
			continue;
		for (size_t h = 0; h < count; h++)
			try_more(baseline, &field[i], field_of(&field[i], gabi_host_find(hosts[h], &word->key)), hosts, count);
		try_more(baseline, &field[i], (value + 1) & mask_of(&field[i]), hosts, count);
		try_more(baseline, &field[i], (value - 1) & mask_of(&field[i]), hosts, count);
		for (unsigned bit = 0; bit < field[i].bits; bit++)
			try_more(baseline, &field[i], value ^ (uint64_t)1 << bit, hosts, count);
	}
}

/* Can the bits of that word be set on each host that lists it? A word that not all list is none of the baseline's. */
static uint64_t settable_on_all(const struct gabi_key *key, struct gabi_host *const *hosts, size_t count)
{
	uint64_t settable = ~0ull;

	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *word = gabi_host_find(hosts[i], key);

		settable &= word ? word->settable : 0;
	}
	return settable;
}

/* A host that has the baseline and no more. */
static struct gabi_host *host_of(const struct gabi_contract *contract, struct gabi_host *const *hosts, size_t count)
{
	struct gabi_host *host = gabi_host_new(gabi_contract_arch(contract), GABI_VIEW_KVM, NULL);
	size_t words;
	const struct gabi_word *word = gabi_contract_words(contract, &words);

	for (unsigned space = 1; space < GABI_SPACE_COUNT; space++)
		gabi_host_cover(host, space);
	for (size_t i = 0; i < words; i++) {
		struct gabi_word copy = word[i];

		copy.settable = settable_on_all(&copy.key, hosts, count) & (copy.bits >= 64 ? ~0ull : (1ull << copy.bits) - 1);
		fuzz_expect(gabi_host_add(host, &copy, NULL) == 0);
	}
	fuzz_expect(gabi_host_seal(host, NULL) == 0);
	return host;
}

/*
 * Two things are not transitive. What is within a tolerance of a middle need not be within it of both ends; and an MSR that the
 * baseline leaves out is not one that reads as 0, which is what a contract may promise.
 */
static int goes_by_the_middle(const struct gabi_contract *contract, const struct gabi_host *middle)
{
	static const struct gabi_key khz = { .space = GABI_SPACE_VM, .index = GABI_VM_TSC_KHZ };
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);

	for (size_t i = 0; i < count; i++)
		if (word[i].key.space == GABI_SPACE_MSR && !gabi_host_find(middle, &word[i].key))
			return 0;
	return !gabi_contract_find(contract, &khz, GABI_VP_ALL) && fits(gabi_check_verdict(contract, middle));
}

static void law_of_the_middle(const struct gabi_contract *baseline, struct gabi_host *const *hosts, size_t count)
{
	struct gabi_host *middle = host_of(baseline, hosts, count);

	for (size_t i = 0; i < count; i++) {
		struct gabi_contract *contract = NULL;

		fuzz_expect(gabi_contract_pin(hosts[i], NULL, NULL, &contract, NULL) == 0);
		if (goes_by_the_middle(contract, middle)) {
			fuzz_expect(fits_all(contract, hosts, count));
			came_to(TRANSITIVE);
		}
		gabi_contract_free(contract);
	}
	gabi_host_free(middle);
}

/* The baseline of the hosts, named in that order; NULL where there is none. */
static struct gabi_contract *baseline(const struct gabi_host *const *hosts, size_t count)
{
	struct gabi_contract *contract = NULL;
	struct gabi_report *report;

	fuzz_expect(gabi_baseline(hosts, count, NULL, &contract, &report, NULL) == 0);
	fuzz_expect((contract != NULL) == fits(gabi_report_verdict(report)));
	law_of_texts(report);
	gabi_report_free(report);
	return contract;
}

static void law_of_order(const struct gabi_contract *a, const struct gabi_contract *b)
{
	uint8_t x[GABI_DIGEST_LEN], y[GABI_DIGEST_LEN];

	fuzz_expect((a != NULL) == (b != NULL));
	if (!a)
		return;
	gabi_contract_digest(a, x);
	gabi_contract_digest(b, y);
	fuzz_expect(!memcmp(x, y, sizeof(x)));
	came_to(BASELINE_ORDER);
}

static void laws_of_baselines(struct gabi_host *const *hosts, size_t count, uint64_t choice)
{
	const struct gabi_host *forth[MOST_HOSTS], *back[MOST_HOSTS];
	struct gabi_contract *contract, *again, *less;

	for (size_t i = 0; i < count; i++)
		forth[i] = back[count - 1 - i] = hosts[i];
	contract = baseline(forth, count);
	again = baseline(back, count);
	law_of_order(contract, again);
	gabi_contract_free(again);
	if (!contract)
		return;
	less = with_less(contract, choice);
	fuzz_expect(fits_all(contract, hosts, count));
	fuzz_expect(fits_all(less, hosts, count));
	came_to(BASELINE_FITS);
	law_of_the_way_back(less, hosts[0], hosts[1]);
	law_of_the_largest(contract, hosts, count, choice);
	if (gabi_host_view(hosts[0]) == GABI_VIEW_KVM)
		law_of_the_middle(contract, hosts, count);
	gabi_contract_free(less);
	gabi_contract_free(contract);
}

static int is_new(const struct gabi_key *keys, size_t last)
{
	for (size_t i = 0; i < last; i++)
		if (!gabi_key_compare(&keys[i], &keys[last]))
			return 0;
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes bytes = { data, len };
	uint64_t head = take(&bytes, 1), choice = take(&bytes, 4);
	enum gabi_arch arch = head & 1 ? GABI_ARCH_ARM64 : GABI_ARCH_X86;
	enum gabi_view view = head & 2 ? GABI_VIEW_GUEST : GABI_VIEW_KVM;
	size_t count = 2 + (head >> 2 & 3) % (MOST_HOSTS - 1), key_count = 0;
	struct gabi_key keys[MOST_KEYS];
	uint64_t firsts[MOST_KEYS] = { 0 };
	struct gabi_host *hosts[MOST_HOSTS] = { 0 };
	int made = 1;

	for (size_t left = 1 + take(&bytes, 1) % MOST_KEYS; left && bytes.left; left--)
		key_count += (size_t)(take_key(&bytes, arch, &keys[key_count]) && is_new(keys, key_count));
	for (size_t i = 0; i < count; i++) {
		hosts[i] = make_host(&bytes, arch, view, keys, key_count, firsts, (unsigned)((head >> 4) + i) % 5);
		made = made && hosts[i];
	}
	if (made && key_count) {
		for (size_t i = 0; i < count; i++)
			laws_of_one(hosts[i]);
		laws_of_two(hosts[0], hosts[1]);
		laws_of_baselines(hosts, count, choice);
	}
	for (size_t i = 0; i < count; i++)
		gabi_host_free(hosts[i]);
	return 0;
}
