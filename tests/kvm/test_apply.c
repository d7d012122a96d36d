/* SPDX-License-Identifier: MIT */
/* gabi_kvm_apply on this machine's own KVM, whatever that can do. Skipped where there is none. */
#include "here.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static struct gabi_kvm_vm *require_vm(unsigned vcpus)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .vcpus = vcpus };

	return here_vm(&options);
}

#ifdef __x86_64__
/* A software KVM may run guests on the bare processor's CPUID, whatever it is told. */
static bool keeps_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[64];
	} table = { .head.nent = 2, .entries = { { .function = 0, .eax = 1 }, { .function = 1, .edx = 1 } } };
	struct gabi_kvm_vm *vm = require_vm(1);
	bool keeps = !ioctl(vm->vcpu[0], KVM_SET_CPUID2, &table);

	table.head.nent = 64;
	keeps = keeps && !ioctl(vm->vcpu[0], KVM_GET_CPUID2, &table);
	for (uint32_t i = 0; i < table.head.nent; i++)
		keeps = keeps && (table.entries[i].function != 1 || (table.entries[i].ecx & 1) == 0);
	gabi_kvm_vm_free(vm);
	return keeps;
}
#else
static bool keeps_cpuid(void)
{
	return true;
}
#endif

static void apply__of_what_the_host_offers__holds_on_every_virtual_processor(void **state)
{
	if (!keeps_cpuid()) {
		print_message("skipped: this KVM does not keep the CPUID that it is given\n");
		skip();
	}
	(void)state;
	struct gabi_kvm_vm *vm = require_vm(2);
	struct gabi_plan *plan = here_plan(here_contract);

	REQUIRE(gabi_kvm_apply(plan, vm, NULL, &diag));
	gabi_plan_free(plan);
	gabi_kvm_vm_free(vm);
}

/* A copy of the contract with one more promise. */
static struct gabi_contract *with(const struct gabi_word *more)
{
	struct gabi_contract *changed = gabi_contract_new(gabi_contract_arch(here_contract), NULL);
	size_t count;
	const struct gabi_word *word = gabi_contract_words(here_contract, &count);

	assert_non_null(changed);
	for (size_t i = 0; i < count; i++)
		if (gabi_key_compare(&word[i].key, &more->key))
			REQUIRE(gabi_contract_add(changed, &word[i], &diag));
	REQUIRE(gabi_contract_add(changed, more, &diag));
	REQUIRE(gabi_contract_seal(changed, &diag));
	return changed;
}

#ifdef __x86_64__
static const struct gabi_word impossible = { /* an MSR that there is on no processor */
	.key = { .space = GABI_SPACE_MSR, .index = 0x4b564eff }, .value = 0x123, .vp = GABI_VP_ALL, .bits = 64,
};
#else
static const struct gabi_word impossible = { /* a firmware register that no kernel has */
	.key = { .space = GABI_SPACE_ARM64, .index = 0x603000000016fff0 }, .value = 0x123, .vp = GABI_VP_ALL, .bits = 64,
};
#endif

static void apply__of_what_kvm_does_not_take__names_it_and_its_value(void **state)
{
	struct gabi_contract *changed = with(&impossible);
	struct gabi_kvm_vm *vm = require_vm(1);
	struct gabi_plan *plan = here_plan(changed);
	struct gabi_diag diag = { 0 };

	(void)state;
	assert_int_equal(gabi_kvm_apply(plan, vm, NULL, &diag), GABI_ERR_KVM);
	assert_int_equal(gabi_key_compare(&diag.key, &impossible.key), 0);
	assert_non_null(strstr(diag.text, "KVM refused to "));
	assert_non_null(strstr(diag.text, "0x123"));
	gabi_plan_free(plan);
	gabi_kvm_vm_free(vm);
	gabi_contract_free(changed);
}

#ifdef __x86_64__
static const struct gabi_key told = { .space = GABI_SPACE_CPUID, .part = GABI_EDX, .index = 1 };
#else
static const struct gabi_key told = { .space = GABI_SPACE_ARM64, .index = 0x6030000000160000 };
#endif

/* Does the guest see the word otherwise than this contract says? On a VM that was set up by the host's own. */
static bool sees_otherwise(const struct gabi_contract *of)
{
	struct gabi_kvm_vm *vm = require_vm(1);
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_kvm_testimony *testimony = NULL;
	const struct gabi_kvm_sight *sight;
	bool otherwise = false;
	size_t count;

	gabi_kvm_apply(plan, vm, NULL, NULL); /* a KVM that does not keep CPUID refuses at the reading back */
	REQUIRE(gabi_kvm_witness(of, plan, vm, NULL, &testimony, &diag));
	assert_true(gabi_kvm_testimony_words(testimony) > 50);
	sight = gabi_kvm_testimony_sights(testimony, &count);
	for (size_t i = 0; i < count; i++)
		otherwise |= !gabi_key_compare(&sight[i].key, &told) && sight[i].want != sight[i].seen;
	gabi_kvm_testimony_free(testimony);
	gabi_plan_free(plan);
	gabi_kvm_vm_free(vm);
	return otherwise;
}

static void witness__of_a_bit_that_was_not_given__sees_it(void **state)
{
	struct gabi_word word = *gabi_contract_find(here_contract, &told, GABI_VP_ALL);
	struct gabi_contract *changed;

	(void)state;
	word.value ^= 1; /* x86: an FPU. arm64: random numbers by TRNG */
	changed = with(&word);
	assert_false(sees_otherwise(here_contract));
	assert_true(sees_otherwise(changed));
	gabi_contract_free(changed);
}

static void create__for_another_architecture__is_refused(void **state)
{
	bool x86 = gabi_contract_arch(here_contract) == GABI_ARCH_X86;
	struct gabi_contract *other = gabi_contract_new(x86 ? GABI_ARCH_ARM64 : GABI_ARCH_X86, NULL);
	struct gabi_kvm_vm *vm = NULL;

	(void)state;
	REQUIRE(gabi_contract_seal(other, &diag));
	assert_int_equal(gabi_kvm_vm_create(other, NULL, NULL, &vm, NULL), GABI_ERR_ARCH);
	assert_null(vm);
	gabi_contract_free(other);
}

static void apply__without_virtual_processors__is_refused(void **state)
{
	const struct gabi_kvm_vm none = { .size = sizeof(none), .vm = -1 };
	struct gabi_plan *plan = here_plan(here_contract);

	(void)state;
	assert_int_equal(gabi_kvm_apply(plan, &none, NULL, NULL), GABI_ERR_ARG);
	gabi_plan_free(plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply__of_what_the_host_offers__holds_on_every_virtual_processor),
		cmocka_unit_test(apply__of_what_kvm_does_not_take__names_it_and_its_value),
		cmocka_unit_test(witness__of_a_bit_that_was_not_given__sees_it),
		cmocka_unit_test(create__for_another_architecture__is_refused),
		cmocka_unit_test(apply__without_virtual_processors__is_refused),
	};
	int skipped = here_skip();

	return skipped ? skipped : cmocka_run_group_tests(tests, here_begin, here_end);
}
