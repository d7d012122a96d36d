/* SPDX-License-Identifier: MIT */
/*
 * What comes of an instruction that KVM gives up, on a KVM that is made up: ioctl is this file's. KVM may do so for an event that is not on its way
 * (src/kvm/run.c); then it is run again, once. Needs no KVM.
 */
#include <gabi/hv_vsm.h>

#include "kvm/machine.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/ioctl.h>

enum { VM = 99, VCPU = 100, RIP = 0x1234, FOR_EVER = 1000 };

static struct kvm_run run;
static struct kvm_vcpu_events events;
static struct kvm_msr_filter filter;
static uint64_t tsc_offset;
static int khz[2]; /* of this machine, which the VM says, and of the guest */
static unsigned runs, given_up; /* KVM_RUN so far; and how often it gives up before it gets on */

int __wrap_ioctl(int fd, unsigned long request, ...); /* ld's --wrap */

static void enter(void)
{
	run.exit_reason = runs < given_up ? KVM_EXIT_INTERNAL_ERROR : KVM_EXIT_SHUTDOWN;
	run.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	runs++;
	if (runs > FOR_EVER)
		fail_msg("%s", "it is run again for ever");
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;

	if (request == KVM_GET_TSC_KHZ)
		return khz[fd == VCPU];
	va_start(args, request);
	if (request == KVM_RUN)
		enter();
	else if (request == KVM_GET_DEVICE_ATTR)
		*(uint64_t *)(uintptr_t)va_arg(args, struct kvm_device_attr *)->addr = tsc_offset;
	else if (request == KVM_GET_VCPU_EVENTS)
		*va_arg(args, struct kvm_vcpu_events *) = events;
	else if (request == KVM_X86_SET_MSR_FILTER)
		filter = *va_arg(args, struct kvm_msr_filter *);
	else if (request != KVM_ENABLE_CAP)
		fail_msg("descriptor %d is asked 0x%lx", fd, request);
	va_end(args);
	return 0;
}

static struct gabi_kvm_exit run_with(unsigned wanted, const struct kvm_vcpu_events *on_their_way)
{
	static const int descriptor = VCPU;
	static struct kvm_run *run_at = &run;
	static struct gabi_kvm_vm vm = { .vcpu = &descriptor, .vcpus = 1 };
	struct call call = { 0 };
	struct gabi_kvm_machine machine = { .mem = gabi_mem_or_default(NULL), .options = { .vps = 1, .vtls = 1 }, .call = &call };
	struct gabi_kvm_exit exit;

	machine.level[0].vm = &vm;
	machine.level[0].run = &run_at;
	memset(&run, 0, sizeof(run));
	run.s.regs.regs.rip = RIP;
	events = *on_their_way;
	runs = 0;
	given_up = wanted;
	assert_int_equal(gabi_kvm_vp_run(&machine, 0, 0, &exit, NULL), 0);
	return exit;
}

static const struct kvm_vcpu_events nothing;

static void run__kvm_gives_up_for_nothing_once__goes_on(void **state)
{
	(void)state;
	assert_int_equal(run_with(1, &nothing).kind, GABI_KVM_EXIT_CRASHED);
	assert_int_equal(runs, 2);
}

static void run__kvm_gives_up_for_nothing_for_ever__says_so(void **state)
{
	struct gabi_kvm_exit exit = run_with(UINT32_MAX, &nothing);

	(void)state;
	assert_int_equal(exit.kind, GABI_KVM_EXIT_STUCK);
	assert_string_equal(exit.text, "KVM could not emulate an instruction, suberror 0x3, at 0x1234");
	assert_int_equal(runs, 2);
}

/* What is on its way would come twice. */
static void run__kvm_gives_up_for_an_event__is_not_run_again(void **state)
{
	const struct kvm_vcpu_events on_their_way[] = { { .exception.injected = 1 }, { .interrupt.injected = 1 }, { .nmi.injected = 1 } };

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(on_their_way); i++) {
		assert_int_equal(run_with(1, &on_their_way[i]).kind, GABI_KVM_EXIT_STUCK);
		assert_int_equal(runs, 1);
	}
}

/* The guest's TSC of this machine's: as arch/x86/kvm/x86.c, set_tsc_khz and kvm_scale_tsc. */
static void tsc__of_a_guest_that_kvm_scales__is_scaled(void **state)
{
	static const struct {
		int own, guest;
		bool scales;
	} rows[] = {
		{ 2000000, 2000000, false }, { 2000000, 2000500, false }, { 2000000, 2000501, true }, { 2000000, 1999500, false }, { 2000000, 1999499, true },
		{ 2000000, 1000000, true }, { 2000000, 3500000, true }, { -1, 1000000, false },
	};
	static const int descriptor = VCPU;
	static struct gabi_kvm_vm vm = { .vm = VM, .vcpu = &descriptor, .vcpus = 1 };

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		struct gabi_kvm_machine machine = { .options = { .vps = 1, .vtls = 1, .hyperv = 1 } };
		uint64_t before, after, value, ratio;

		machine.level[0].vm = &vm;
		khz[0] = rows[i].own;
		khz[1] = rows[i].guest;
		assert_int_equal(machine_find_tsc(&machine, NULL), 0);
		assert_int_equal(machine.tsc_hz, (uint64_t)rows[i].guest * 1000);
		ratio = rows[i].scales ? (uint64_t)rows[i].guest : 1;
		before = __builtin_ia32_rdtsc() / (rows[i].scales ? (unsigned)rows[i].own : 1) * ratio;
		value = gabi_kvm_machine_tsc(&machine);
		after = (__builtin_ia32_rdtsc() / (rows[i].scales ? (unsigned)rows[i].own : 1) + 2) * ratio;
		assert_in_range(value, before - before / 1000000, after);
	}
}

/* What the guest writes moves its own TSC, and not the clock that is made of it; nor does it after a restore, which finds it written. */
static void tsc__that_the_guest_moved__is_no_step_of_the_clock(void **state)
{
	enum { BASE = 1 << 20, SECONDS = 1000 };
	static const int descriptor = VCPU;
	static struct gabi_kvm_vm vm = { .vm = VM, .vcpu = &descriptor, .vcpus = 1 };
	const uint64_t moved = 2000000000ull * SECONDS;
	struct gabi_kvm_machine machine = { .options = { .vps = 1, .vtls = 1, .hyperv = 1 } };
	uint64_t seen;

	(void)state;
	machine.level[0].vm = &vm;
	khz[0] = khz[1] = 2000000;
	tsc_offset = BASE;
	assert_int_equal(machine_find_tsc(&machine, NULL), 0);
	assert_int_equal(gabi_kvm_machine_tsc_moved(&machine, &seen, NULL), 0);
	assert_int_equal(seen, 0);
	tsc_offset = BASE - moved;
	assert_int_equal(gabi_kvm_machine_tsc_moved(&machine, &seen, NULL), 0);
	assert_int_equal(seen, 0 - moved);
	assert_int_equal(machine.tsc_offset, BASE);
	assert_int_equal(machine_find_tsc(&machine, NULL), 0);
	gabi_kvm_machine_set_tsc_moved(&machine, seen);
	assert_int_equal(machine.tsc_offset, BASE);
	assert_int_equal(gabi_kvm_machine_tsc_moved(&machine, &seen, NULL), 0);
	assert_int_equal(seen, 0 - moved);
	tsc_offset = 0;
}

/* The engine refuses to intercept more of those than these: include/gabi/hv_vsm.h. So many fit, whatever else is taken, and no more. */
static void take_msrs__as_many_far_ones_as_the_engine_lets_be__fit_into_kvms_filter(void **state)
{
	static const int descriptor = VCPU;
	static struct gabi_kvm_vm vm = { .vm = VM, .vcpu = &descriptor, .vcpus = 1 };
	struct gabi_kvm_msrs msrs[3 + GABI_HV_STOCK_KVM_FAR_MSRS + 1] = {
		{ 0x176, 1, 1, 1 }, { 0xc0000103, 1, 1, 1 }, { 0xc0010117, 1, 1, 1 },
	};
	struct gabi_kvm_machine machine = { .options = { .vps = 1, .vtls = 2, .hyperv = 1 } };
	unsigned both = 0;

	(void)state;
	machine.level[0].vm = &vm;
	for (uint32_t i = 0; i <= GABI_HV_STOCK_KVM_FAR_MSRS; i++)
		msrs[3 + i] = (struct gabi_kvm_msrs){ 0x10000 + i * 2, 1, 1, 1 };
	memset(&filter, 0, sizeof(filter));
	assert_int_equal(gabi_kvm_machine_take_msrs(&machine, 0, msrs, GABI_COUNT_OF(msrs), NULL), GABI_ERR_LIMIT);
	assert_int_equal(gabi_kvm_machine_take_msrs(&machine, 0, msrs, GABI_COUNT_OF(msrs) - 1, NULL), 0);
	for (unsigned i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		assert_int_not_equal(filter.ranges[i].nmsrs, 0);
		both += filter.ranges[i].base >= 0x10000 && filter.ranges[i].base < 0x20000 && filter.ranges[i].flags == (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE);
	}
	assert_int_equal(both, GABI_HV_STOCK_KVM_FAR_MSRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__kvm_gives_up_for_nothing_once__goes_on),
		cmocka_unit_test(run__kvm_gives_up_for_nothing_for_ever__says_so),
		cmocka_unit_test(run__kvm_gives_up_for_an_event__is_not_run_again),
		cmocka_unit_test(tsc__of_a_guest_that_kvm_scales__is_scaled),
		cmocka_unit_test(take_msrs__as_many_far_ones_as_the_engine_lets_be__fit_into_kvms_filter),
		cmocka_unit_test(tsc__that_the_guest_moved__is_no_step_of_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
