/* SPDX-License-Identifier: MIT */
/* gabi_kvm_save and gabi_kvm_restore on this machine's own KVM, whatever that can do. Skipped where there is none. */
#include <gabi/contract.h>
#include <gabi/formats.h>
#include <gabi/kvm.h>
#include <gabi/state.h>
#include <gabi/verdict.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct gabi_host *host;
static struct gabi_contract *contract; /* of all that this host offers */

#define REQUIRE(call)                                                                    \
	do {                                                                             \
		struct gabi_diag diag = { 0 };                                           \
		if (call)                                                                \
			fail_msg("%s %s (errno %d)", diag.where, diag.text, diag.sys_errno); \
	} while (0)

/* A register of the guest that anything can be put into. */
#ifdef __x86_64__
static void put_number(int vcpu, uint64_t number)
{
	struct kvm_regs regs;

	assert_int_equal(ioctl(vcpu, KVM_GET_REGS, &regs), 0);
	regs.r12 = number;
	assert_int_equal(ioctl(vcpu, KVM_SET_REGS, &regs), 0);
}

static uint64_t number_of(int vcpu)
{
	struct kvm_regs regs;

	assert_int_equal(ioctl(vcpu, KVM_GET_REGS, &regs), 0);
	return regs.r12;
}
#else
#define X12 (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.regs[12]))

static void put_number(int vcpu, uint64_t number)
{
	struct kvm_one_reg reg = { .id = X12, .addr = (uintptr_t)&number };

	assert_int_equal(ioctl(vcpu, KVM_SET_ONE_REG, &reg), 0);
}

static uint64_t number_of(int vcpu)
{
	uint64_t number = 0;
	struct kvm_one_reg reg = { .id = X12, .addr = (uintptr_t)&number };

	assert_int_equal(ioctl(vcpu, KVM_GET_ONE_REG, &reg), 0);
	return number;
}
#endif

static struct gabi_plan *require_plan(void)
{
	struct gabi_plan *plan = NULL;

	REQUIRE(gabi_plan_new(contract, host, NULL, NULL, &plan, &diag));
	return plan;
}

/* That a KVM does not keep the CPUID that it is given is another test's matter. */
static struct gabi_kvm_vm *require_vm(unsigned vcpus)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .vcpus = vcpus };
	struct gabi_plan *plan = require_plan();
	struct gabi_kvm_vm *vm = NULL;

	REQUIRE(gabi_kvm_vm_create(contract, &options, NULL, &vm, &diag));
	gabi_kvm_apply(plan, vm, NULL, NULL);
	gabi_plan_free(plan);
	return vm;
}

static struct gabi_state *require_state(const struct gabi_kvm_vm *vm)
{
	struct gabi_kvm_effort effort = { 0 };
	struct gabi_state *state = NULL;

	REQUIRE(gabi_kvm_save(contract, vm, NULL, &state, &effort, &diag));
	assert_true(effort.ioctls > 0);
	print_message("%u calls to save %u virtual processors\n", effort.ioctls, vm->vcpus);
	return state;
}

/* By way of the stream, as it would come from another machine. */
static struct gabi_state *carried(struct gabi_state *state)
{
	struct gabi_state *read = NULL;
	char *bytes = NULL;
	size_t len = 0;

	REQUIRE(gabi_state_write(state, NULL, &bytes, &len));
	REQUIRE(gabi_state_read(bytes, len, NULL, &read, &diag));
	gabi_text_free(bytes, NULL);
	gabi_state_free(state);
	return read;
}

static void restore_into(const struct gabi_kvm_vm *vm, const struct gabi_state *state)
{
	struct gabi_plan *plan = require_plan();

	REQUIRE(gabi_kvm_restore(state, plan, vm, NULL, NULL, &diag));
	gabi_plan_free(plan);
}

/* Parts that stand still while nothing runs. */
static int stands_still(const struct gabi_state_part *part)
{
	return part->kind == GABI_STATE_REGS || part->kind == GABI_STATE_SREGS || part->kind == GABI_STATE_SREGS2 ||
	       part->kind == GABI_STATE_XSAVE ||
	       part->kind == GABI_STATE_DEBUGREGS || part->kind == GABI_STATE_XCRS || part->kind == GABI_STATE_MP_STATE ||
	       part->kind == GABI_STATE_GIC_DIST || part->kind == GABI_STATE_GIC_CPU || part->kind == GABI_STATE_ARM_MP_STATE;
}

static void assert_same(const struct gabi_state *a, const struct gabi_state *b)
{
	size_t count, other, compared = 0;
	const struct gabi_state_part *part = gabi_state_parts(a, &count);
	const struct gabi_word *word_a = gabi_state_words(a, &count), *word_b = gabi_state_words(b, &other);

	assert_int_equal(count, other);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(gabi_key_compare(&word_a[i].key, &word_b[i].key), 0);
	part = gabi_state_parts(a, &count);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_state_part *same = gabi_state_find(b, part[i].kind, part[i].vp);

		if (!stands_still(&part[i]))
			continue;
		if (!same || same->len != part[i].len || memcmp(same->data, part[i].data, same->len))
			fail_msg("the part %s of virtual processor %u is not as it was saved", part[i].name, part[i].vp);
		compared++;
	}
	assert_true(compared > 0);
}

static void restore__of_what_was_saved__is_the_same_again(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(2), *to = require_vm(2);
	struct gabi_state *saved, *again;

	(void)unused;
	put_number(from->vcpu[0], 0x123456789abcdef0);
	put_number(from->vcpu[1], 0x5555);
	saved = carried(require_state(from));
	restore_into(to, saved);
	assert_int_equal(number_of(to->vcpu[0]), 0x123456789abcdef0);
	assert_int_equal(number_of(to->vcpu[1]), 0x5555);
	assert_int_equal(number_of(from->vcpu[0]), 0x123456789abcdef0); /* the source is as it was */
	again = require_state(to);
	assert_same(saved, again);
	gabi_state_free(again);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

/* A copy with one more register, of a number that no kernel lists. */
static struct gabi_state *with_unlisted(const struct gabi_state *state)
{
	static const struct gabi_word more = {
#ifdef __x86_64__
		.key = { .space = GABI_SPACE_MSR_STATE, .index = 0x4b564eff }, .value = 1, .bits = 64,
#else
		.key = { .space = GABI_SPACE_ARM64_STATE, .index = 0x603000000013ffff }, .value = 1, .bits = 64,
#endif
	};
	struct gabi_state *copy = gabi_state_new(gabi_state_arch(state), gabi_state_vps(state), NULL);
	size_t count;
	const struct gabi_word *word = gabi_state_words(state, &count);
	const struct gabi_state_part *part;

	assert_non_null(copy);
	for (size_t i = 0; i < count; i++)
		REQUIRE(gabi_state_add_word(copy, &word[i], &diag));
	REQUIRE(gabi_state_add_word(copy, &more, &diag));
	part = gabi_state_parts(state, &count);
	for (size_t i = 0; i < count; i++)
		REQUIRE(gabi_state_add(copy, part[i].kind, part[i].vp, part[i].data, part[i].len, &diag));
	REQUIRE(gabi_state_seal(copy, &diag));
	return copy;
}

static void restore__of_a_register_that_is_not_listed__touches_nothing(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(1), *to = require_vm(1);
	struct gabi_state *saved, *more;
	struct gabi_plan *plan = require_plan();
	struct gabi_diag diag = { 0 };

	(void)unused;
	put_number(from->vcpu[0], 0x1111);
	put_number(to->vcpu[0], 0x2222);
	saved = require_state(from);
	more = with_unlisted(saved);
	assert_int_equal(gabi_kvm_restore(more, plan, to, NULL, NULL, &diag), GABI_ERR_KVM);
	assert_non_null(strstr(diag.text, "this kernel does not list it"));
	assert_int_equal(number_of(to->vcpu[0]), 0x2222);
	gabi_plan_free(plan);
	gabi_state_free(more);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

static void restore__into_a_vm_of_another_size__is_refused(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(2), *to = require_vm(1);
	struct gabi_state *saved = require_state(from);
	struct gabi_plan *plan = require_plan();
	struct gabi_diag diag = { 0 };

	(void)unused;
	assert_int_equal(gabi_kvm_restore(saved, plan, to, NULL, NULL, &diag), GABI_ERR_ARG);
	assert_non_null(strstr(diag.text, "not as many virtual processors"));
	gabi_plan_free(plan);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

/* What is judged here, by files alone, is what the restoring then finds. */
static void check__of_ones_own_state__fits(void **unused)
{
	struct gabi_kvm_vm *vm = require_vm(1);
	struct gabi_state *saved = require_state(vm);
	struct gabi_report *report = NULL;

	(void)unused;
	REQUIRE(gabi_state_check(saved, contract, host, &report, &diag));
	assert_int_equal(gabi_report_verdict(report), GABI_FITS);
	gabi_report_free(report);
	gabi_state_free(saved);
	gabi_kvm_vm_free(vm);
}

static int set_up(void **unused)
{
	(void)unused;
	REQUIRE(gabi_kvm_probe(NULL, NULL, &host, &diag));
	REQUIRE(gabi_contract_pin(host, NULL, NULL, &contract, &diag));
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	gabi_contract_free(contract);
	gabi_host_free(host);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(restore__of_what_was_saved__is_the_same_again),
		cmocka_unit_test(restore__of_a_register_that_is_not_listed__touches_nothing),
		cmocka_unit_test(restore__into_a_vm_of_another_size__is_refused),
		cmocka_unit_test(check__of_ones_own_state__fits),
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		printf("skipped: /dev/kvm cannot be opened\n");
		return 77;
	}
	close(kvm);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
