/* SPDX-License-Identifier: MIT */
#include <gabi/cloud_hypervisor.h>
#include <gabi/contract.h>
#include <gabi/emit.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "short_mem.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static struct gabi_cloud_cpus read_good(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_cloud_cpus cpus;

	if (gabi_cloud_read(text, strlen(text), &cpus, &diag))
		fail_msg("%s: %s", text, diag.text);
	return cpus;
}

static void cloud__arguments__are_read_as_cloud_hypervisor_reads_them(void **state)
{
	static const struct {
		const char *text;
		struct gabi_cloud_cpus cpus;
	} cases[] = {
		{ "", { 1, 1, { 0 }, 46, 0, 0, 1 } },
		{ "boot=2", { 2, 2, { 0 }, 46, 0, 0, 1 } },
		{ "--cpus boot=2,max=8,topology=2:2:2:1\n", { 2, 8, { 2, 2, 2, 1 }, 46, 0, 0, 1 } },
		{ "--cpus=boot=1,features=amx,nested=off", { 1, 1, { 0 }, 46, 0, 1, 0 } },
		{ "features=[amx],kvm_hyperv=true,max_phys_bits=39", { 1, 1, { 0 }, 39, 1, 1, 1 } },
		{ "boot=3,affinity=[0@[2,3],1@[0,1]],core_scheduling=off,profile=host", { 3, 3, { 0 }, 46, 0, 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct gabi_cloud_cpus cpus = read_good(cases[i].text);

		assert_memory_equal(&cpus, &cases[i].cpus, sizeof(cpus));
	}
}

static void cloud__what_is_wrong__is_refused_in_one_sentence(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *says;
	} cases[] = {
		{ "bot=1", GABI_ERR_UNKNOWN, "near it is boot" },
		{ "boot", GABI_ERR_SYNTAX, "KEY=VALUE" },
		{ "boot=1,", 0, "" },
		{ "boot=1,,max=2", GABI_ERR_SYNTAX, "KEY=VALUE" },
		{ "boot=0", GABI_ERR_RANGE, "from 1" },
		{ "boot=2x", GABI_ERR_RANGE, "2x" },
		{ "boot=4294967296", GABI_ERR_RANGE, "number" },
		{ "boot=1,boot=2", GABI_ERR_DUPLICATE, "boot is there twice" },
		{ "boot=4,max=2", GABI_ERR_CONFLICT, "less than boot" },
		{ "boot=4,topology=1:1:1:1", GABI_ERR_CONFLICT, "as many" },
		{ "topology=1:1:1", GABI_ERR_RANGE, "THREADS" },
		{ "topology=1:1:1:1:1", GABI_ERR_RANGE, "THREADS" },
		{ "topology=1:0:1:1", GABI_ERR_RANGE, "THREADS" },
		{ "max_phys_bits=256", GABI_ERR_RANGE, "255" },
		{ "kvm_hyperv=yes", GABI_ERR_RANGE, "on or off" },
		{ "features=avx512", GABI_ERR_UNKNOWN, "it has amx" },
		{ "profile=skylake", GABI_ERR_UNSUPPORTED, "skylake" },
		{ "affinity=[0@[1,2]", GABI_ERR_SYNTAX, "closed" },
		{ "affinity=0]", GABI_ERR_SYNTAX, "closed" },
		{ "affinity=\"0", GABI_ERR_SYNTAX, "closed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_cloud_cpus cpus;
		int err = gabi_cloud_read(cases[i].text, strlen(cases[i].text), &cpus, &diag);

		if (err != cases[i].err || !strstr(diag.text, cases[i].says))
			fail_msg("%s: %s: %s", cases[i].text, gabi_err_name(err), diag.text);
	}
}

static void add_leaf(struct gabi_host *host, unsigned space, uint64_t leaf, const uint32_t reg[4])
{
	for (uint16_t part = 0; part < 4; part++) {
		const struct gabi_word word = { .key = { .space = (uint16_t)space, .part = part, .index = leaf }, .value = reg[part],
						.settable = 0xffffffff, .vp = GABI_VP_ALL, .bits = 32 };

		assert_int_equal(gabi_host_add(host, &word, NULL), 0);
	}
}

static struct gabi_host *host_of(enum gabi_view view)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_X86, view, NULL);

	assert_non_null(host);
	add_leaf(host, GABI_SPACE_CPUID, 0, (const uint32_t[]){ 7, 0x756e6547, 0x6c65746e, 0x49656e69 });
	add_leaf(host, GABI_SPACE_CPUID, 1, (const uint32_t[]){ 0x806f8, 0x800, 1u << 5, 1 });
	add_leaf(host, GABI_SPACE_CPUID, 7, (const uint32_t[]){ 0, 0, 0, 1u << 24 | 1u << 26 });
	add_leaf(host, GABI_SPACE_CPUID, 0x80000008, (const uint32_t[]){ 0x3934, 0, 0, 0 });
	add_leaf(host, GABI_SPACE_KVM, 0x40000000, (const uint32_t[]){ 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d });
	add_leaf(host, GABI_SPACE_KVM, 0x40000001, (const uint32_t[]){ 0xfb, 0, 0, 0 });
	add_leaf(host, GABI_SPACE_HYPERV, 0x40000003, (const uint32_t[]){ 1, 2, 3, 4 });
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

static void cloud__a_guest__is_given_what_kvm_offers_and_little_else(void **state)
{
	static const struct {
		const char *text;
		uint64_t ecx1, edx7, address, kvm, hyperv;
	} cases[] = {
		{ "boot=1", 0x81000020, 1u << 26, 0x2e392e, 0x80fb, ~(uint64_t)0 },
		{ "nested=off,features=amx,max_phys_bits=60", 0x81000000, 1u << 24 | 1u << 26, 0x343934, 0x80fb, ~(uint64_t)0 },
		{ "kvm_hyperv=on", 0x81000020, 1u << 26, 0x2e392e, ~(uint64_t)0, 0xa7f },
	};
	struct gabi_host *host = host_of(GABI_VIEW_KVM);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct gabi_cloud_cpus cpus = read_good(cases[i].text);
		struct gabi_host *made;

		assert_int_equal(gabi_cloud_apply(&cpus, host, NULL, &made, NULL), 0);
		assert_int_equal(value_in(made, GABI_SPACE_CPUID, 1, GABI_ECX), cases[i].ecx1);
		assert_int_equal(value_in(made, GABI_SPACE_CPUID, 1, GABI_EDX), 1 | 1u << 12 | 1u << 28);
		assert_int_equal(value_in(made, GABI_SPACE_CPUID, 7, GABI_EDX), cases[i].edx7);
		assert_int_equal(value_in(made, GABI_SPACE_CPUID, 0x80000008, GABI_EAX), cases[i].address);
		assert_int_equal(value_in(made, GABI_SPACE_KVM, 0x40000001, GABI_EAX), cases[i].kvm);
		assert_int_equal(value_in(made, GABI_SPACE_HYPERV, 0x40000003, GABI_EAX), cases[i].hyperv);
		gabi_host_free(made);
	}
	gabi_host_free(host);
}

static void cloud__of_another_view__nothing_is_said(void **state)
{
	struct gabi_host *host = host_of(GABI_VIEW_GUEST), *made = NULL;
	const struct gabi_cloud_cpus cpus = read_good("boot=1");
	struct gabi_diag diag = { 0 };

	(void)state;
	assert_int_equal(gabi_cloud_apply(&cpus, host, NULL, &made, &diag), GABI_ERR_ARG);
	assert_null(made);
	gabi_host_free(host);
}

static void cloud__emitted_and_read__is_the_same_contract(void **state)
{
	static const char *const arguments[] = { "boot=1", "kvm_hyperv=on,nested=off", "features=amx,max_phys_bits=40" };
	struct gabi_host *host = host_of(GABI_VIEW_KVM);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(arguments); i++) {
		struct gabi_cloud_cpus cpus = read_good(arguments[i]);
		uint8_t digest[GABI_DIGEST_LEN], again[GABI_DIGEST_LEN];
		struct gabi_contract *contract, *second;
		struct gabi_emission *emission;
		struct gabi_host *made, *remade;
		size_t gaps, len;

		assert_int_equal(gabi_cloud_apply(&cpus, host, NULL, &made, NULL), 0);
		assert_int_equal(gabi_contract_pin(made, NULL, NULL, &contract, NULL), 0);
		assert_int_equal(gabi_emit(GABI_EMIT_CLOUD_HYPERVISOR, contract, host, NULL, &emission, NULL), 0);
		gabi_emission_gaps(emission, &gaps);
		assert_int_equal(gaps, 0);
		cpus = read_good(gabi_emission_text(emission, &len));
		assert_int_equal(gabi_cloud_apply(&cpus, host, NULL, &remade, NULL), 0);
		assert_int_equal(gabi_contract_pin(remade, NULL, NULL, &second, NULL), 0);
		gabi_contract_digest(contract, digest);
		gabi_contract_digest(second, again);
		assert_memory_equal(digest, again, sizeof(digest));
		gabi_contract_free(contract);
		gabi_contract_free(second);
		gabi_emission_free(emission);
		gabi_host_free(made);
		gabi_host_free(remade);
	}
	gabi_host_free(host);
}

static void cloud__what_it_cannot_leave_out__is_a_gap(void **state)
{
	struct gabi_host *host = host_of(GABI_VIEW_KVM);
	struct gabi_pin_options options = { .size = sizeof(options), .minus = (const char *const[]){ "hyperv", "spec-ctrl" }, .minus_count = 2 };
	const struct gabi_emit_gap *gap;
	struct gabi_contract *contract;
	struct gabi_emission *emission;
	bool found = false;
	size_t gaps;

	(void)state;
	assert_int_equal(gabi_contract_pin(host, &options, NULL, &contract, NULL), 0);
	assert_int_equal(gabi_emit(GABI_EMIT_CLOUD_HYPERVISOR, contract, host, NULL, &emission, NULL), 0);
	gap = gabi_emission_gaps(emission, &gaps);
	for (size_t i = 0; i < gaps; i++)
		found |= gap[i].key.index == 7 && gap[i].given == 1u << 26 && strstr(gap[i].why, "cannot say it otherwise");
	assert_true(found);
	gabi_emission_free(emission);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

static void cloud__short_memory__is_said(void **state)
{
	struct gabi_host *host = host_of(GABI_VIEW_KVM);
	const struct gabi_cloud_cpus cpus = read_good("kvm_hyperv=on");
	bool done = false;

	(void)state;
	for (size_t at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		struct gabi_host *made = NULL;
		int err = gabi_cloud_apply(&cpus, host, &mem, &made, NULL);

		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		gabi_host_free(made);
		assert_int_equal(failing.live, 0);
	}
	gabi_host_free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cloud__arguments__are_read_as_cloud_hypervisor_reads_them),
		cmocka_unit_test(cloud__what_is_wrong__is_refused_in_one_sentence),
		cmocka_unit_test(cloud__a_guest__is_given_what_kvm_offers_and_little_else),
		cmocka_unit_test(cloud__of_another_view__nothing_is_said),
		cmocka_unit_test(cloud__emitted_and_read__is_the_same_contract),
		cmocka_unit_test(cloud__what_it_cannot_leave_out__is_a_gap),
		cmocka_unit_test(cloud__short_memory__is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
