/* SPDX-License-Identifier: MIT */
/*
 * The laws of verdicts over made-up hosts: any bytes become a few hosts whose words are of the vocabulary.
 *
 *   a contract pinned from a host fits it; check and its verdict alone agree; a host does not differ from itself;
 *   going nowhere and coming back is allowed; a baseline fits its hosts, whatever their order, and less than a baseline
 *   still does; a contract that fits has a plan.
 */
#include <gabi/plan.h>
#include <gabi/verdict.h>

#include "fuzz.h"

#include <string.h>

#define MOST_HOSTS 4
#define MOST_KEYS  12

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

/* A row of the vocabulary, or now and then a number without one. */
static int take_key(struct bytes *bytes, enum gabi_arch arch, struct gabi_key *ret_key)
{
	size_t count;
	const struct gabi_field *fields = gabi_fields(&count);
	uint64_t choice = take(bytes, 2);

	*ret_key = fields[choice % count].key;
	if (choice > 0xfff0)
		ret_key->index ^= 0x5000;
	return is_taken(ret_key->space, arch) && bits_of(ret_key) > 0;
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
				   size_t key_count, uint64_t *firsts)
{
	struct gabi_host *host = gabi_host_new(arch, view, NULL);

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
	return report;
}

static void law_of_plans(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report)
{
	struct gabi_plan *plan = NULL;
	int err = gabi_plan_new(contract, host, report, NULL, &plan, NULL);

	fuzz_expect((err == 0) == fits(gabi_report_verdict(report)));
	gabi_plan_free(plan);
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
	law_of_plans(contract, host, report);
	gabi_report_free(report);
	fuzz_expect(gabi_diff(host, host, &report, NULL) == 0);
	gabi_report_findings(report, &count);
	fuzz_expect(count == 0);
	gabi_report_free(report);
	fuzz_expect(gabi_rollback(contract, host, host, &report, NULL) == 0);
	fuzz_expect(gabi_report_verdict(report) == GABI_FITS);
	gabi_report_free(report);
	gabi_contract_free(contract);
	fuzz_reached();
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
	fuzz_expect(gabi_rollback(contract, a, b, &report, NULL) == 0);
	fuzz_expect(!fits(gabi_report_verdict(report)) || fits(gabi_check_verdict(contract, b)));
	law_of_texts(report);
	gabi_report_free(report);
	fuzz_expect(gabi_diff(a, b, &report, NULL) == 0);
	law_of_texts(report);
	gabi_report_free(report);
	gabi_contract_free(contract);
}

/* The contract without one of its flags. */
static struct gabi_contract *with_less(const struct gabi_contract *contract, uint64_t choice)
{
	struct gabi_contract *less = gabi_contract_new(gabi_contract_arch(contract), NULL);
	size_t count, fields;
	const struct gabi_word *word = gabi_contract_words(contract, &count);

	for (size_t i = 0; i < count; i++) {
		struct gabi_word copy = word[i];
		const struct gabi_field *field = gabi_fields_of(&copy.key, &fields);

		if (i == choice % count && fields && copy.key.space == GABI_SPACE_CPUID) {
			field += choice % fields;
			if (field->kind == GABI_KIND_FLAG && field->rule == GABI_RULE_SUBSET && field->hide != GABI_HIDE_NO)
				copy.value &= ~((uint64_t)1 << field->lo);
		}
		fuzz_expect(gabi_contract_add(less, &copy, NULL) == 0);
	}
	fuzz_expect(gabi_contract_seal(less, NULL) == 0);
	return less;
}

static void laws_of_baselines(struct gabi_host *const *hosts, size_t count, uint64_t choice)
{
	const struct gabi_host *forth[MOST_HOSTS], *back[MOST_HOSTS];
	struct gabi_contract *contract = NULL, *again = NULL, *less;
	struct gabi_report *report;
	uint8_t x[GABI_DIGEST_LEN], y[GABI_DIGEST_LEN];

	for (size_t i = 0; i < count; i++)
		forth[i] = back[count - 1 - i] = hosts[i];
	fuzz_expect(gabi_baseline(forth, count, NULL, &contract, &report, NULL) == 0);
	fuzz_expect((contract != NULL) == fits(gabi_report_verdict(report)));
	law_of_texts(report);
	gabi_report_free(report);
	fuzz_expect(gabi_baseline(back, count, NULL, &again, &report, NULL) == 0);
	gabi_report_free(report);
	fuzz_expect((contract != NULL) == (again != NULL));
	if (!contract)
		return;
	gabi_contract_digest(contract, x);
	gabi_contract_digest(again, y);
	fuzz_expect(!memcmp(x, y, sizeof(x)));
	less = with_less(contract, choice);
	for (size_t i = 0; i < count; i++) {
		fuzz_expect(fits(gabi_check_verdict(contract, hosts[i])));
		fuzz_expect(fits(gabi_check_verdict(less, hosts[i])));
	}
	gabi_contract_free(less);
	gabi_contract_free(contract);
	gabi_contract_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes bytes = { data, len };
	uint64_t head = take(&bytes, 1), choice = take(&bytes, 4);
	enum gabi_arch arch = head & 1 ? GABI_ARCH_ARM64 : GABI_ARCH_X86;
	enum gabi_view view = head & 2 ? GABI_VIEW_GUEST : GABI_VIEW_KVM;
	size_t count = 2 + (head >> 2) % (MOST_HOSTS - 1), key_count = 0;
	struct gabi_key keys[MOST_KEYS];
	uint64_t firsts[MOST_KEYS] = { 0 };
	struct gabi_host *hosts[MOST_HOSTS] = { 0 };
	int made = 1;

	while (key_count < MOST_KEYS && bytes.left)
		key_count += (size_t)take_key(&bytes, arch, &keys[key_count]);
	for (size_t i = 0; i < count; i++) {
		hosts[i] = make_host(&bytes, arch, view, keys, key_count, firsts);
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
