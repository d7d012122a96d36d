/* SPDX-License-Identifier: MIT */
#include <gabi/contract.h>
#include <gabi/emit.h>
#include <gabi/firecracker.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "short_mem.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

#define LEAF(leaf, sub, reg, bitmap) \
	"{\"leaf\":\"" leaf "\",\"subleaf\":\"" sub "\",\"flags\":0,\"modifiers\":[{\"register\":\"" reg "\",\"bitmap\":\"" bitmap "\"}]}"
#define CPUID(leaves) "{\"cpuid_modifiers\":[" leaves "]}"
#define MSR(addr, bitmap) "{\"msr_modifiers\":[{\"addr\":\"" addr "\",\"bitmap\":\"" bitmap "\"}]}"
#define REG(addr, bitmap) "{\"reg_modifiers\":[{\"addr\":\"" addr "\",\"bitmap\":\"" bitmap "\"}]}"
#define FEATURES(bitmap)  "{\"vcpu_features\":[{\"index\":0,\"bitmap\":\"" bitmap "\"}]}"

#define ID_AA64PFR0_EL1 0x603000000013c020

static struct gabi_template *read_good(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_template *tmpl;

	if (gabi_template_read(text, strlen(text), NULL, &tmpl, &diag))
		fail_msg("%s: %s: %s", text, diag.where, diag.text);
	return tmpl;
}

static void template__bitmaps__say_which_bits_they_change(void **state)
{
	static const struct {
		const char *text;
		struct gabi_key key;
		uint64_t bits, value;
	} cases[] = {
		{ CPUID(LEAF("0x7", "0x1", "ebx", "0b1x0")), { GABI_SPACE_CPUID, GABI_EBX, 1, 7 }, 5, 4 },
		{ CPUID(LEAF("0b111", "0x0001", "edx", "1_0_x_")), { GABI_SPACE_CPUID, GABI_EDX, 1, 7 }, 6, 4 },
		{ CPUID(LEAF("0x40000001", "0x0", "eax", "0b1")), { GABI_SPACE_KVM, GABI_EAX, 0, 0x40000001 }, 1, 1 },
		{ CPUID(LEAF("0x1", "0x0", "eax", "0b11111111111111110000000000000000")), { GABI_SPACE_CPUID, GABI_EAX, 0, 1 }, 0xffffffff, 0xffff0000 },
		{ CPUID(LEAF("0x1", "0x0", "eax", "0b1x") "," LEAF("0x1", "0x0", "eax", "0bx0")), { GABI_SPACE_CPUID, GABI_EAX, 0, 1 }, 3, 2 },
		{ MSR("0x10a", "0b1xxx"), { GABI_SPACE_MSR, 0, 0, 0x10a }, 8, 8 },
		{ REG("0x603000000013c020", "0b01xxxx"), { GABI_SPACE_ARM64, 0, 0, ID_AA64PFR0_EL1 }, 0x30, 0x10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_template *tmpl = read_good(cases[i].text);
		size_t count;
		const struct gabi_template_modifier *modifier = gabi_template_modifiers(tmpl, &count);

		assert_int_equal(count, 1);
		assert_int_equal(gabi_key_compare(&modifier->key, &cases[i].key), 0);
		assert_int_equal(modifier->bits, cases[i].bits);
		assert_int_equal(modifier->value, cases[i].value);
		gabi_template_free(tmpl);
	}
}

static void template__what_is_wrong__is_refused_in_one_sentence(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *says;
	} cases[] = {
		{ "", GABI_ERR_SYNTAX, "empty" },
		{ "[]", GABI_ERR_SCHEMA, "object" },
		{ "{\"cpuid\":[]}", GABI_ERR_SCHEMA, "no member" },
		{ CPUID("{}"), GABI_ERR_SCHEMA, "\"leaf\" is missing" },
		{ CPUID(LEAF("7", "0x1", "ebx", "0b1")), GABI_ERR_SCHEMA, "0x or 0b" },
		{ CPUID(LEAF("0x100000000", "0x1", "ebx", "0b1")), GABI_ERR_RANGE, "too large" },
		{ CPUID(LEAF("0x7", "0x1", "rbx", "0b1")), GABI_ERR_SCHEMA, "eax, ebx" },
		{ CPUID(LEAF("0x7", "0x1", "ebx", "0b12")), GABI_ERR_SCHEMA, "0, 1, x and _" },
		{ CPUID(LEAF("0x7", "0x1", "ebx", "0b111111111111111111111111111111111")), GABI_ERR_RANGE, "wider" },
		{ CPUID(LEAF("0x7", "0x0", "ebx", "0b11") "," LEAF("0x7", "0x0", "ebx", "0b1x")), GABI_ERR_CONFLICT, "cpuid 0x7.0x0 ebx" },
		{ CPUID(LEAF("0x7", "0x0", "ebx", "0b0") "," LEAF("0x7", "0x0", "ebx", "0b0")), GABI_ERR_CONFLICT, "of the same bit" },
		{ MSR("0x1ffffffff", "0b1"), GABI_ERR_RANGE, "too large" },
		{ REG("0x13", "0b1"), GABI_ERR_RANGE, "KVM's ids" },
		{ REG("0x6020000000110001", "0b111111111111111111111111111111111"), GABI_ERR_RANGE, "wider" },
		{ FEATURES("0b1a"), GABI_ERR_SCHEMA, "0, 1, x" },
		{ "{\"vcpu_features\":[{\"index\":7,\"bitmap\":\"0b1\"}]}", GABI_ERR_RANGE, "index" },
		{ "{\"vcpu_features\":[{\"index\":0,\"bitmap\":\"0b1\"},{\"index\":0,\"bitmap\":\"0b1\"}]}", GABI_ERR_CONFLICT, "same bit" },
		{ "{\"kvm_capabilities\":[171]}", GABI_ERR_SCHEMA, "a text" },
		{ "{\"kvm_capabilities\":[\"!a2\"]}", GABI_ERR_SCHEMA, "decimal" },
		{ "{\"kvm_capabilities\":[\"4294967296\"]}", GABI_ERR_SCHEMA, "decimal" },
		{ "{\"cpuid_modifiers\":[],\"reg_modifiers\":[]}", GABI_ERR_SCHEMA, "two architectures" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_template *tmpl = NULL;
		int err = gabi_template_read(cases[i].text, strlen(cases[i].text), NULL, &tmpl, &diag);

		if (err != cases[i].err || !strstr(diag.text, cases[i].says) || tmpl)
			fail_msg("%s: %s: %s: %s", cases[i].text, gabi_err_name(err), diag.where, diag.text);
	}
}

/* ---- over a host ---- */

static void add(struct gabi_host *host, unsigned space, uint64_t leaf, unsigned sub, unsigned part, uint64_t value)
{
	struct gabi_word word = {
		.key = { (uint16_t)space, (uint16_t)part, sub, leaf }, .value = value, .vp = GABI_VP_ALL,
		.bits = space == GABI_SPACE_MSR || space == GABI_SPACE_ARM64 ? 64 : 32,
	};

	assert_int_equal(gabi_host_add(host, &word, NULL), 0);
}

static void add_leaf(struct gabi_host *host, unsigned space, uint64_t leaf, const uint32_t reg[4])
{
	for (unsigned part = 0; part < 4; part++)
		add(host, space, leaf, 0, part, reg[part]);
}

static void add_text(struct gabi_host *host, const char text[48])
{
	for (unsigned i = 0; i < 12; i++) {
		uint32_t word;

		memcpy(&word, text + 4 * i, 4);
		add(host, GABI_SPACE_CPUID, 0x80000002 + i / 4, 0, i % 4, word);
	}
}

#define INTEL { 0x16, 0x756e6547, 0x6c65746e, 0x49656e69 }
#define AMD   { 0x10, 0x68747541, 0x444d4163, 0x69746e65 }

static struct gabi_host *host_of(const uint32_t vendor[4], const char *brand, enum gabi_view view)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, view, NULL);
	char text[48] = { 0 };

	assert_non_null(host);
	memcpy(text, brand, strlen(brand));
	add_leaf(host, GABI_SPACE_CPUID, 0, vendor);
	add_leaf(host, GABI_SPACE_CPUID, 1, (const uint32_t[]){ 0x50657, 0x00100800, 0x8000, 0xf });
	add_leaf(host, GABI_SPACE_CPUID, 7, (const uint32_t[]){ 0, 0x20, 0x20, 0x20000000 });
	add_leaf(host, GABI_SPACE_CPUID, 0xa, (const uint32_t[]){ 4, 3, 2, 1 });
	add_leaf(host, GABI_SPACE_HYPERV, 0x40000003, (const uint32_t[]){ 1, 2, 3, 4 });
	add(host, GABI_SPACE_MSR, 0x10a, 0, 0, 0xff);
	add_text(host, text);
	gabi_host_cover(host, GABI_SPACE_CPUID);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static uint64_t value_in(const struct gabi_host *host, unsigned space, uint64_t leaf, unsigned part)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = leaf };
	const struct gabi_word *word = gabi_host_find(host, &key);

	return word ? word->value : ~(uint64_t)0;
}

static struct gabi_host *apply_good(const char *text, const struct gabi_host *host, struct gabi_template_modifier *out, size_t cap, size_t *total)
{
	struct gabi_template *tmpl = read_good(text);
	struct gabi_diag diag = { 0 };
	struct gabi_host *made;

	if (gabi_template_apply(tmpl, host, NULL, &made, out, cap, total, &diag))
		fail_msg("%s: %s", text, diag.text);
	gabi_template_free(tmpl);
	return made;
}

static void template__over_a_host__changes_bits_and_firecracker_changes_others(void **state)
{
	struct gabi_host *host = host_of((const uint32_t[])INTEL, "", GABI_VIEW_KVM), *made;
	struct gabi_template_modifier over[4];
	size_t total;

	(void)state;
	made = apply_good("{\"cpuid_modifiers\":[" LEAF("0x1", "0x0", "ecx", "0b1xxxxxxx1xxxxxxx1x1") "," LEAF("0x7", "0x0", "ebx", "0b0xx1xxxxx")
			  "," LEAF("0x0", "0x0", "ebx", "0b01000001") "],\"msr_modifiers\":[{\"addr\":\"0x10a\",\"bitmap\":\"0b0xxx\"}]}",
			  host, over, COUNT_OF(over), &total);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 1, GABI_ECX), 0x80000000 | 1u << 24 | 1u << 18 | 1u << 10 | 5);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_EBX), 0x20 | 1u << 6 | 1u << 13);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_ECX), 0);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_EDX), 0x20000000);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0xa, GABI_EAX), 0);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0, GABI_EBX), 0x756e6547);
	assert_int_equal(value_in(made, GABI_SPACE_MSR, 0x10a, 0), 0xf7);
	assert_int_equal(value_in(made, GABI_SPACE_HYPERV, 0x40000003, GABI_EAX), ~(uint64_t)0);
	assert_int_equal(total, 1); /* the vendor's name */
	assert_int_equal(over[0].key.index, 0);
	gabi_host_free(made);
	made = apply_good(CPUID(LEAF("0x1", "0x0", "ecx", "0b1xxxxxxxxxxxxxxx")), host, over, 0, &total);
	assert_int_equal(total, 1); /* pdcm, which Firecracker clears */
	gabi_host_free(made);
	made = apply_good(CPUID(LEAF("0x1", "0x0", "ecx", "0b0xxxxxxxxxxxxxxx")), host, over, 0, &total);
	assert_int_equal(total, 0);
	gabi_host_free(made);
	gabi_host_free(host);
}

static void template__amd__has_its_own_normalization(void **state)
{
	struct gabi_host *host = host_of((const uint32_t[])AMD, "AMD EPYC 7R13 Processor", GABI_VIEW_KVM), *made;
	size_t total;

	(void)state;
	made = apply_good("{}", host, NULL, 0, &total);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_EBX), 0x20);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_EDX), 0);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0xa, GABI_EAX), 4);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0x80000002, GABI_EBX), 0x43595045);
	assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0x80000002, GABI_ECX), 0);
	gabi_host_free(made);
	gabi_host_free(host);
}

static void template__intels_brand__loses_its_model_and_keeps_its_frequency(void **state)
{
	static const struct {
		const char *host, *guest;
		enum gabi_view view;
	} cases[] = {
		{ "Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", "Intel(R) Xeon(R) Processor @ 3.00GHz", GABI_VIEW_KVM },
		{ "Intel(R) Xeon(R) Platinum 8375C CPU", "Intel(R) Xeon(R) Processor", GABI_VIEW_KVM },
		{ "Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel(R) Xeon(R) Processor", GABI_VIEW_KVM }, /* its NULs are counted as well */
		{ "Intel(R) Xeon(R) Processor @ 2.90GHz", "Intel(R) Xeon(R) Processor @ 2.90GHz", GABI_VIEW_GUEST },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_host *host = host_of((const uint32_t[])INTEL, cases[i].host, cases[i].view), *made;
		char seen[49] = { 0 };
		size_t total;

		made = apply_good("{}", host, NULL, 0, &total);
		for (unsigned word = 0; word < 12; word++) {
			uint32_t value = (uint32_t)value_in(made, GABI_SPACE_CPUID, 0x80000002 + word / 4, word % 4);

			memcpy(seen + 4 * word, &value, 4);
		}
		assert_string_equal(seen, cases[i].guest);
		gabi_host_free(made);
		gabi_host_free(host);
	}
}

static struct gabi_host *arm64_host(enum gabi_view view)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, view, NULL);

	assert_non_null(host);
	add(host, GABI_SPACE_ARM64, ID_AA64PFR0_EL1, 0, 0, 0x0000000100000011);
	gabi_host_cover(host, GABI_SPACE_ARM64);
	gabi_host_cover(host, GABI_SPACE_CAP);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

static void template__arm64__has_no_sve_unless_it_asks_for_it(void **state)
{
	struct gabi_host *host = arm64_host(GABI_VIEW_KVM), *made;
	size_t total;

	(void)state;
	made = apply_good("{}", host, NULL, 0, &total);
	assert_int_equal(value_in(made, GABI_SPACE_ARM64, ID_AA64PFR0_EL1, 0), 0x11);
	gabi_host_free(made);
	made = apply_good(FEATURES("0b1xxxx"), host, NULL, 0, &total);
	assert_int_equal(value_in(made, GABI_SPACE_ARM64, ID_AA64PFR0_EL1, 0), 0x100000011);
	gabi_host_free(made);
	gabi_host_free(host);
}

static void template__where_firecracker_would_not_start__is_a_conflict(void **state)
{
	static const struct {
		const char *text;
		bool arm64;
		enum gabi_view view;
		int err;
		const char *says;
	} cases[] = {
		{ CPUID(LEAF("0x1c", "0x0", "eax", "0b1")), false, GABI_VIEW_KVM, GABI_ERR_CONFLICT, "cpuid 0x1c.0x0 eax" },
		{ MSR("0x48d", "0b1"), false, GABI_VIEW_KVM, GABI_ERR_CONFLICT, "0x48d" },
		{ FEATURES("0b1"), false, GABI_VIEW_KVM, GABI_ERR_ARCH, "arm64" },
		{ "{\"kvm_capabilities\":[\"170\"]}", true, GABI_VIEW_KVM, GABI_ERR_CONFLICT, "asks for" },
		{ FEATURES("0b1xxx"), true, GABI_VIEW_KVM, GABI_ERR_CONFLICT, "PMU" },
		{ FEATURES("0b1xxxx"), true, GABI_VIEW_GUEST, GABI_ERR_ARG, "fingerprint" },
		{ "{}", false, GABI_VIEW_CPU, GABI_ERR_ARG, "KVM offers" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_host *host = cases[i].arm64 ? arm64_host(cases[i].view) : host_of((const uint32_t[])INTEL, "", cases[i].view), *made = NULL;
		struct gabi_template *tmpl = read_good(cases[i].text);
		struct gabi_diag diag = { 0 };
		size_t total = 7;
		int err = gabi_template_apply(tmpl, host, NULL, &made, NULL, 0, &total, &diag);

		if (err != cases[i].err || !strstr(diag.text, cases[i].says) || made || total != 7)
			fail_msg("%s: %s: %s", cases[i].text, gabi_err_name(err), diag.text);
		gabi_template_free(tmpl);
		gabi_host_free(host);
	}
	{ /* "!": not asked for */
		struct gabi_host *host = arm64_host(GABI_VIEW_KVM), *made;
		size_t total;

		made = apply_good("{\"kvm_capabilities\":[\"!170\"]}", host, NULL, 0, &total);
		gabi_host_free(made);
		gabi_host_free(host);
	}
}

static void template__emitted_and_read__is_the_same_contract(void **state)
{
	static const char *const templates[] = {
		"{}", CPUID(LEAF("0x7", "0x0", "ebx", "0b0xxxxx") "," LEAF("0x1", "0x0", "eax", "0b00000000000000110000011011110010")),
		MSR("0x10a", "0b0000"),
	};
	struct gabi_host *host = host_of((const uint32_t[])INTEL, "Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", GABI_VIEW_KVM);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(templates); i++) {
		uint8_t digest[GABI_DIGEST_LEN], again[GABI_DIGEST_LEN];
		struct gabi_host *made, *remade;
		struct gabi_contract *contract, *second;
		struct gabi_emission *emission;
		size_t total, len, gaps;

		made = apply_good(templates[i], host, NULL, 0, &total);
		assert_int_equal(gabi_contract_pin(made, NULL, NULL, &contract, NULL), 0);
		assert_int_equal(gabi_emit(GABI_EMIT_FIRECRACKER, contract, host, NULL, &emission, NULL), 0);
		gabi_emission_gaps(emission, &gaps);
		assert_int_equal(gaps, 0);
		remade = apply_good(gabi_emission_text(emission, &len), host, NULL, 0, &total);
		assert_int_equal(gabi_contract_pin(remade, NULL, NULL, &second, NULL), 0);
		gabi_contract_digest(contract, digest);
		gabi_contract_digest(second, again);
		assert_memory_equal(digest, again, sizeof(digest));
		gabi_emission_free(emission);
		gabi_contract_free(contract);
		gabi_contract_free(second);
		gabi_host_free(made);
		gabi_host_free(remade);
	}
	gabi_host_free(host);
}

static void template__what_firecracker_cannot_say__is_a_gap(void **state)
{
	struct gabi_host *host = host_of((const uint32_t[])INTEL, "", GABI_VIEW_KVM);
	struct gabi_contract *contract;
	struct gabi_emission *emission;
	const struct gabi_emit_gap *gap;
	bool hyperv = false, pdcm = false;
	size_t gaps;

	(void)state;
	assert_int_equal(gabi_contract_pin(host, NULL, NULL, &contract, NULL), 0); /* all that KVM offers */
	assert_int_equal(gabi_emit(GABI_EMIT_FIRECRACKER, contract, host, NULL, &emission, NULL), 0);
	gap = gabi_emission_gaps(emission, &gaps);
	for (size_t i = 0; i < gaps; i++) {
		hyperv |= gap[i].key.space == GABI_SPACE_HYPERV && strstr(gap[i].why, "Hyper-V");
		pdcm |= gap[i].key.index == 1 && gap[i].key.part == GABI_ECX && gap[i].promised == 0x8000 && gap[i].given == 0x81000000;
	}
	assert_true(hyperv);
	assert_true(pdcm);
	gabi_emission_free(emission);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

static void template__short_memory__is_said(void **state)
{
	static const char text[] = CPUID(LEAF("0x7", "0x0", "ebx", "0b0xxxxx"));
	struct gabi_host *host = host_of((const uint32_t[])INTEL, "", GABI_VIEW_KVM);
	bool done = false;

	(void)state;
	for (size_t at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		struct gabi_template *tmpl = NULL;
		struct gabi_host *made = NULL;
		size_t total;
		int err = gabi_template_read(text, sizeof(text) - 1, &mem, &tmpl, NULL);

		if (!err)
			err = gabi_template_apply(tmpl, host, &mem, &made, NULL, 0, &total, NULL);
		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		gabi_template_free(tmpl);
		gabi_host_free(made);
		assert_int_equal(failing.live, 0);
	}
	gabi_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(template__bitmaps__say_which_bits_they_change),
		cmocka_unit_test(template__what_is_wrong__is_refused_in_one_sentence),
		cmocka_unit_test(template__over_a_host__changes_bits_and_firecracker_changes_others),
		cmocka_unit_test(template__amd__has_its_own_normalization),
		cmocka_unit_test(template__intels_brand__loses_its_model_and_keeps_its_frequency),
		cmocka_unit_test(template__arm64__has_no_sve_unless_it_asks_for_it),
		cmocka_unit_test(template__where_firecracker_would_not_start__is_a_conflict),
		cmocka_unit_test(template__emitted_and_read__is_the_same_contract),
		cmocka_unit_test(template__what_firecracker_cannot_say__is_a_gap),
		cmocka_unit_test(template__short_memory__is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
