/* SPDX-License-Identifier: MIT */
/* Of a template that is taken no bit is said twice; over a host that lists what it changes it gives a contract, and the template
 * emitted for that contract gives the same one. */
#include "fuzz.h"

#include <gabi/contract.h>
#include <gabi/emit.h>
#include <gabi/firecracker.h>
#include <gabi/vocab.h>

#include <stdbool.h>
#include <string.h>

static void add(struct gabi_host *host, const struct gabi_key *key, unsigned bits, uint64_t value)
{
	const struct gabi_word word = { .key = *key, .value = value, .vp = GABI_VP_ALL, .bits = (uint8_t)bits };

	fuzz_expect(!gabi_host_add(host, &word, NULL));
}

/* Lists what the template changes, whole leaves, and nothing else but a vendor. */
static struct gabi_host *host_for(const struct gabi_template *tmpl)
{
	const struct gabi_key vendor = { .space = GABI_SPACE_CPUID, .part = GABI_EBX };
	struct gabi_host *host = gabi_host_new(gabi_template_arch(tmpl) == GABI_ARCH_ARM64 ? GABI_ARCH_ARM64 : GABI_ARCH_X86, GABI_VIEW_KVM, NULL);
	size_t count;
	const struct gabi_template_modifier *modifier = gabi_template_modifiers(tmpl, &count);
	bool has_vendor = gabi_host_arch(host) == GABI_ARCH_ARM64;

	fuzz_expect(host);
	for (size_t i = 0; i < count; i++) {
		struct gabi_key key = modifier[i].key;
		unsigned width = gabi_key_width(&key);

		fuzz_expect(modifier[i].bits && !(modifier[i].value & ~modifier[i].bits));
		fuzz_expect(i == 0 || gabi_key_compare(&modifier[i - 1].key, &key) < 0);
		if (key.space == GABI_SPACE_CPUID || key.space == GABI_SPACE_KVM) {
			if (i && modifier[i - 1].key.space == key.space && modifier[i - 1].key.index == key.index && modifier[i - 1].key.sub == key.sub)
				continue;
			has_vendor |= key.space == GABI_SPACE_CPUID && key.index == 0 && key.sub == 0;
			for (key.part = 0; key.part < 4; key.part++)
				add(host, &key, 32, key.index ? 0 : key.part == GABI_EBX ? 0x756e6547 : 0);
		} else if (key.space == GABI_SPACE_ARM64) {
			if (i == 0 || modifier[i - 1].key.index != key.index)
				for (key.part = 0; key.part < (width + 63) / 64; key.part++)
					add(host, &key, width < 64 ? width : 64, 0);
		} else if (key.space == GABI_SPACE_MSR && gabi_reg_of(&key)) {
			add(host, &key, 64, 0);
		}
	}
	if (!has_vendor)
		add(host, &vendor, 32, 0x756e6547);
	fuzz_expect(!gabi_host_seal(host, NULL));
	return host;
}

/* The contract of the template's guest; NULL where Firecracker would refuse. */
static struct gabi_contract *pin(const struct gabi_template *tmpl, const struct gabi_host *host)
{
	struct gabi_contract *contract;
	struct gabi_diag diag = { 0 };
	struct gabi_host *made;
	size_t total;

	if (gabi_template_apply(tmpl, host, NULL, &made, NULL, 0, &total, &diag)) {
		fuzz_expect(diag.text[0]);
		return NULL;
	}
	fuzz_expect(!gabi_contract_pin(made, NULL, NULL, &contract, &diag));
	gabi_host_free(made);
	return contract;
}

static void expect_round_trip(const struct gabi_contract *contract, const struct gabi_host *host)
{
	uint8_t first[GABI_DIGEST_LEN], second[GABI_DIGEST_LEN];
	struct gabi_emission *emission;
	struct gabi_template *tmpl;
	struct gabi_contract *again;
	size_t len, gaps;
	const char *text;

	fuzz_expect(!gabi_emit(GABI_EMIT_FIRECRACKER, contract, host, NULL, &emission, NULL));
	gabi_emission_gaps(emission, &gaps);
	text = gabi_emission_text(emission, &len);
	fuzz_expect(!gabi_template_read(text, len, NULL, &tmpl, NULL));
	again = pin(tmpl, host);
	fuzz_expect(again);
	gabi_contract_digest(contract, first);
	gabi_contract_digest(again, second);
	fuzz_expect(gaps || !memcmp(first, second, sizeof(first)));
	gabi_contract_free(again);
	gabi_template_free(tmpl);
	gabi_emission_free(emission);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct gabi_template *tmpl;
	struct gabi_contract *contract;
	struct gabi_host *host;
	int err = gabi_template_read((const char *)data, len, NULL, &tmpl, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	host = host_for(tmpl);
	contract = pin(tmpl, host);
	if (contract)
		expect_round_trip(contract, host);
	gabi_contract_free(contract);
	gabi_host_free(host);
	gabi_template_free(tmpl);
	fuzz_reached();
	return 0;
}
