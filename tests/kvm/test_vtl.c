/* SPDX-License-Identifier: MIT */
/*
 * What a switch of trust levels asks of KVM, on a KVM that is made up: kvm_ioctl and exits_read are this file's. It keeps floating point state as
 * Linux 6.1 to 7.2 do (arch/x86/kernel/fpu/xstate.c and arch/x86/kvm/x86.c): an image in memory and the list of components in it that count, which
 * KVM_SET_FPU writes to without a look at the list. The calls are counted, for they are what a switch costs. Needs no KVM.
 */
#include <gabi/contract.h>
#include <gabi/hv_vsm.h>
#include <gabi/vocab.h>

#include "kvm/exits.h"
#include "kvm/io.h"
#include "kvm/machine.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

enum { LEGACY = 512, HEADER = 512, UPPER = 576, USED = 832, AREA = sizeof(struct kvm_xsave), FP = 1, SSE = 2, YMM = 4, MXCSR = 24, XMM = 160, FTW = 4 };
enum { VCPU = 100, MSR_TSC = 0x10, MSR_TSC_DEADLINE = 0x6e0 };

/* A virtual processor of the made-up KVM. */
static struct vcpu {
	unsigned char image[AREA];
	uint64_t components, exits;
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state apic;
	uint64_t tsc, deadline;
} vcpus[2];
static struct {
	unsigned get_xsave, set_xsave, set_fpu, get_debug, set_debug, get_xcrs, set_xcrs, get_sregs, set_sregs, interrupts_set, reads, set_msrs;
} calls;

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg); /* ld's --wrap */
unsigned __wrap_kvm_cap(int fd, unsigned cap);
struct exits __wrap_exits_open(int vcpu);
bool __wrap_exits_read(const struct exits *exits, uint64_t *ret_count);
const struct gabi_word *__wrap_gabi_contract_find(const struct gabi_contract *contract, const struct gabi_key *key, unsigned vp);

/* ---- KVM ---- */

static void put_mxcsr(unsigned char *image, uint32_t value)
{
	static const uint32_t mask = 0xffff;

	memcpy(image + MXCSR, &value, sizeof(value));
	memcpy(image + MXCSR + 4, &mask, sizeof(mask));
}

/* __copy_xstate_to_uabi_buf */
static void get_xsave(const struct vcpu *vcpu, unsigned char *to)
{
	memset(to, 0, AREA);
	memcpy(to, &(uint16_t){ 0x37f }, 2);
	put_mxcsr(to, 0x1f80);
	if (vcpu->components & FP) {
		memcpy(to, vcpu->image, MXCSR);
		memcpy(to + MXCSR + 8, vcpu->image + MXCSR + 8, XMM - MXCSR - 8);
	}
	if (vcpu->components & (SSE | YMM))
		memcpy(to + MXCSR, vcpu->image + MXCSR, 8);
	if (vcpu->components & SSE)
		memcpy(to + XMM, vcpu->image + XMM, 256);
	if (vcpu->components & YMM)
		memcpy(to + UPPER, vcpu->image + UPPER, USED - UPPER);
	memcpy(to + HEADER, &vcpu->components, 8);
}

/* copy_uabi_to_xstate */
static void set_xsave(struct vcpu *vcpu, const unsigned char *from)
{
	memcpy(&vcpu->components, from + HEADER, 8);
	if (vcpu->components & (FP | SSE | YMM))
		memcpy(vcpu->image + MXCSR, from + MXCSR, 8);
	if (vcpu->components & FP)
		memcpy(vcpu->image, from, XMM);
	if (vcpu->components & SSE)
		memcpy(vcpu->image + XMM, from + XMM, 256);
	if (vcpu->components & YMM)
		memcpy(vcpu->image + UPPER, from + UPPER, USED - UPPER);
}

/* kvm_arch_vcpu_ioctl_set_fpu */
static void set_fpu(struct vcpu *vcpu, const struct kvm_fpu *fpu)
{
	memcpy(vcpu->image + 32, fpu->fpr, 128);
	memcpy(vcpu->image, &fpu->fcw, 2);
	memcpy(vcpu->image + 2, &fpu->fsw, 2);
	memcpy(vcpu->image + FTW, &(uint16_t){ fpu->ftwx }, 2);
	memcpy(vcpu->image + 6, &fpu->last_opcode, 2);
	memcpy(vcpu->image + 8, &fpu->last_ip, 8);
	memcpy(vcpu->image + 16, &fpu->last_dp, 8);
	memcpy(vcpu->image + XMM, fpu->xmm, 256);
}

static int get_msrs(const struct vcpu *vcpu, struct kvm_msrs *msrs)
{
	for (uint32_t i = 0; i < msrs->nmsrs; i++)
		msrs->entries[i].data = msrs->entries[i].index == MSR_TSC ? vcpu->tsc : msrs->entries[i].index == MSR_TSC_DEADLINE ? vcpu->deadline : 0;
	return (int)msrs->nmsrs;
}

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	struct vcpu *vcpu = &vcpus[fd - VCPU];

	switch (request) {
	case KVM_GET_XSAVE:
		calls.get_xsave++;
		get_xsave(vcpu, arg);
		return 0;
	case KVM_SET_XSAVE:
		calls.set_xsave++;
		set_xsave(vcpu, arg);
		return 0;
	case KVM_SET_FPU:
		calls.set_fpu++;
		set_fpu(vcpu, arg);
		return 0;
	case KVM_GET_DEBUGREGS:
		calls.get_debug++;
		*(struct kvm_debugregs *)arg = vcpu->debug;
		return 0;
	case KVM_SET_DEBUGREGS:
		calls.set_debug++;
		vcpu->debug = *(const struct kvm_debugregs *)arg;
		return 0;
	case KVM_GET_XCRS:
		calls.get_xcrs++;
		*(struct kvm_xcrs *)arg = vcpu->xcrs;
		return 0;
	case KVM_SET_XCRS:
		calls.set_xcrs++;
		vcpu->xcrs = *(const struct kvm_xcrs *)arg;
		return 0;
	case KVM_GET_SREGS:
		calls.get_sregs++;
		return 0;
	case KVM_SET_SREGS:
		calls.interrupts_set += ((const struct kvm_sregs *)arg)->interrupt_bitmap[1] != 0;
		calls.set_sregs++;
		return 0;
	case KVM_GET_LAPIC:
		*(struct kvm_lapic_state *)arg = vcpu->apic;
		return 0;
	case KVM_GET_VCPU_EVENTS:
		*(struct kvm_vcpu_events *)arg = (struct kvm_vcpu_events){ 0 };
		return 0;
	case KVM_GET_MSRS:
		return get_msrs(vcpu, arg);
	case KVM_SET_MSRS:
		calls.set_msrs++;
		return 1;
	case KVM_GET_DEVICE_ATTR: /* the TSC's offset, when a machine is made */
	case KVM_SET_DEVICE_ATTR:
		return 0;
	default:
		fail_msg("a switch makes a call that it should not: 0x%lx", request);
		return -1;
	}
}

unsigned __wrap_kvm_cap(int fd, unsigned cap)
{
	(void)fd, (void)cap;
	return 0;
}

struct exits __wrap_exits_open(int vcpu)
{
	return (struct exits){ .at = 1, .file = vcpu };
}

bool __wrap_exits_read(const struct exits *exits, uint64_t *ret_count)
{
	calls.reads++;
	*ret_count = vcpus[exits->file - VCPU].exits;
	return true;
}

/* A guest that may have x87, SSE and AVX, and XSETBV. */
const struct gabi_word *__wrap_gabi_contract_find(const struct gabi_contract *contract, const struct gabi_key *key, unsigned vp)
{
	static const struct gabi_word components = { .value = FP | SSE | YMM }, none = { .value = 0 }, xsave = { .value = 1u << 26 };

	(void)contract, (void)vp;
	if (key->index == 0xd)
		return key->part == GABI_EAX ? &components : &none;
	return &xsave;
}

/* ---- a machine with two trust levels and one virtual processor ---- */

static struct kvm_run runs[2];
static struct kvm_run *run_at[2] = { &runs[0], &runs[1] };
static const int descriptors[2] = { VCPU, VCPU + 1 };
static struct gabi_kvm_vm vms[2] = { { .vcpu = &descriptors[0], .vcpus = 1 }, { .vcpu = &descriptors[1], .vcpus = 1 } };
static struct gabi_kvm_machine machine;

static int begin(void **state)
{
	(void)state;
	memset(vcpus, 0, sizeof(vcpus));
	memset(runs, 0, sizeof(runs));
	machine = (struct gabi_kvm_machine){ .mem = gabi_mem_or_default(NULL), .options = { .vps = 1, .vtls = 2 } };
	for (unsigned i = 0; i < 2; i++) {
		machine.level[i].vm = &vms[i];
		machine.level[i].run = &run_at[i];
		vcpus[i].xcrs.nr_xcrs = 1;
		vcpus[i].xcrs.xcrs[0].value = FP;
		vcpus[i].components = FP | SSE | YMM;
		memset(vcpus[i].image, 0x11 * (int)(i + 1), USED);
		vcpus[i].image[FTW + 1] = 0;
		put_mxcsr(vcpus[i].image, 0x1f80);
	}
	if (vtl_init(&machine, NULL, NULL))
		return -1;
	if (!__builtin_cpu_supports("avx"))
		machine.xsave_used = USED;
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		vtl_free(&machine, &machine.level[i]);
	return 0;
}

/* The guest runs in that level and leaves it for the other by its next exit. */
static void go(unsigned from)
{
	vcpus[from].exits++;
	memset(&calls, 0, sizeof(calls));
	assert_int_equal(gabi_kvm_vp_switch(&machine, 0, from, !from, NULL), 0);
}

static void assert_shared(void)
{
	unsigned char seen[2][AREA];

	for (unsigned i = 0; i < 2; i++)
		get_xsave(&vcpus[i], seen[i]);
	assert_memory_equal(seen[0], seen[1], AREA);
	assert_memory_equal(vcpus[0].debug.db, vcpus[1].debug.db, sizeof(vcpus[0].debug.db));
	assert_int_equal(vcpus[0].xcrs.xcrs[0].value, vcpus[1].xcrs.xcrs[0].value);
}

/* Both levels know of each other what they share. */
static void settle(void)
{
	go(0);
	go(1);
	go(0);
	go(1);
}

/* ---- what a guest may do to floating point ---- */

static void touch_xmm(struct vcpu *vcpu) { vcpu->image[XMM + 77] ^= 1; }
static void touch_st(struct vcpu *vcpu) { vcpu->image[32 + 9] ^= 1; }
static void touch_control(struct vcpu *vcpu) { vcpu->image[1] ^= 2; }
static void touch_status(struct vcpu *vcpu) { vcpu->image[2] ^= 1; }
static void touch_tags(struct vcpu *vcpu) { vcpu->image[FTW] ^= 1; }
static void touch_no_tags(struct vcpu *vcpu) { vcpu->image[FTW + 1] ^= 1; }
static void touch_opcode(struct vcpu *vcpu) { vcpu->image[7] ^= 1; }
static void touch_ip(struct vcpu *vcpu) { vcpu->image[15] ^= 1; }
static void touch_dp(struct vcpu *vcpu) { vcpu->image[16] ^= 1; }
static void touch_last_xmm(struct vcpu *vcpu) { vcpu->image[XMM + 255] ^= 1; }
static void touch_mxcsr(struct vcpu *vcpu) { vcpu->image[MXCSR + 1] ^= 0x20; }
static void touch_upper(struct vcpu *vcpu) { vcpu->image[USED - 1] ^= 1; }
static void touch_two(struct vcpu *vcpu) { touch_xmm(vcpu), touch_upper(vcpu); }
static void begin_fp(struct vcpu *vcpu) { vcpu->components &= ~(uint64_t)FP; }
static void begin_sse(struct vcpu *vcpu) { vcpu->components &= ~(uint64_t)SSE; }
static void begin_ymm(struct vcpu *vcpu) { vcpu->components &= ~(uint64_t)YMM; }

static const struct {
	const char *name;
	void (*act)(struct vcpu *vcpu);
	unsigned set_fpu, set_xsave; /* calls that carry it */
} changes[] = {
	{ "an XMM register", touch_xmm, 1, 0 }, { "XMM15", touch_last_xmm, 1, 0 }, { "a register of x87", touch_st, 1, 0 },
	{ "x87's control word", touch_control, 1, 0 }, { "x87's status", touch_status, 1, 0 }, { "x87's tags", touch_tags, 1, 0 },
	{ "what lies behind x87's tags", touch_no_tags, 0, 1 },
	{ "x87's opcode", touch_opcode, 1, 0 }, { "x87's instruction", touch_ip, 1, 0 }, { "x87's operand", touch_dp, 1, 0 },
	{ "MXCSR", touch_mxcsr, 0, 1 }, { "an upper half", touch_upper, 0, 1 }, { "XMM and an upper half", touch_two, 0, 1 },
	{ "x87 as it began", begin_fp, 0, 1 }, { "SSE as it began", begin_sse, 0, 1 }, { "AVX as it began", begin_ymm, 0, 1 },
};

static void switch__one_change__is_carried_by_the_call_that_can(void **state)
{
	for (unsigned i = 0; i < GABI_COUNT_OF(changes); i++) {
		for (unsigned from = 0; from < 2; from++) {
			end(state);
			begin(state);
			settle();
			if (from)
				go(0);
			changes[i].act(&vcpus[from]);
			go(from);
			if (calls.set_fpu != changes[i].set_fpu || calls.set_xsave != changes[i].set_xsave)
				fail_msg("%s, of VTL %u: %u of KVM_SET_FPU, %u of KVM_SET_XSAVE", changes[i].name, from, calls.set_fpu, calls.set_xsave);
			assert_shared();
		}
	}
}

/* A component that is not what it began as any more in one level, and still is in the other: the registers alone would not count there. */
static void switch__first_states_in_one_level__are_carried_whole(void **state)
{
	(void)state;
	settle();
	begin_sse(&vcpus[0]);
	begin_fp(&vcpus[0]);
	go(0);
	assert_shared();
	vcpus[1].components |= FP | SSE;
	touch_xmm(&vcpus[1]);
	go(1);
	assert_int_equal(calls.set_xsave, 1);
	assert_shared();
}

static void switch__many_changes_in_no_order__nothing_is_lost(void **state)
{
	uint32_t seed = 1;

	(void)state;
	settle();
	for (unsigned i = 0, from = 0; i < 20000; i++, from = !from) {
		for (seed = seed * 1664525 + 1013904223; seed >> 30; seed = seed * 1664525 + 1013904223) {
			unsigned which = (seed >> 8) % (GABI_COUNT_OF(changes) + 1);

			if (which < GABI_COUNT_OF(changes))
				changes[which].act(&vcpus[from]);
			else
				vcpus[from].components = seed >> 16 & (FP | SSE | YMM);
		}
		go(from);
		assert_shared();
	}
}

/* ---- what it costs ---- */

static void switch__nothing_changed__one_call_and_one_read(void **state)
{
	(void)state;
	settle();
	for (unsigned from = 0; from < 2; from++) {
		go(from);
		assert_int_equal(calls.get_xsave, 1);
		assert_int_equal(calls.reads, 1);
		assert_int_equal(calls.set_xsave + calls.set_fpu + calls.get_debug + calls.set_debug + calls.get_xcrs + calls.set_xcrs + calls.get_sregs, 0);
		assert_int_equal(runs[!from].kvm_dirty_regs, KVM_SYNC_X86_REGS);
		runs[!from].kvm_dirty_regs = 0; /* as KVM_RUN does */
	}
}

static void switch__special_registers__are_told_from_the_first_on(void **state)
{
	(void)state;
	go(0);
	assert_int_equal(calls.get_sregs, 2);
	runs[1].s.regs.sregs.cr2 = 0x1234;
	runs[0].s.regs.sregs.interrupt_bitmap[1] = 1; /* as KVM leaves it of one that was delivered long ago */
	go(1);
	assert_int_equal(calls.get_sregs, 0);
	assert_int_equal(runs[0].s.regs.sregs.cr2, 0x1234);
	assert_int_equal(runs[0].kvm_dirty_regs, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS);
	assert_int_equal(runs[0].s.regs.sregs.interrupt_bitmap[1], 0);
}

static void set_register__an_interrupt_of_long_ago__is_not_given_back(void **state)
{
	const struct gabi_hv_value value = { 0x5000, 0 };

	(void)state;
	runs[0].kvm_valid_regs = KVM_SYNC_X86_SREGS;
	runs[0].s.regs.sregs.interrupt_bitmap[1] = 1;
	assert_int_equal(gabi_kvm_vp_set_register(&machine, 0, 0, GABI_HV_REG_Cr3, &value), 0);
	assert_int_equal(calls.set_sregs, 1);
	assert_int_equal(calls.interrupts_set, 0);
	assert_int_equal(runs[0].s.regs.sregs.cr3, 0x5000);
}

/* KVM stops a guest at MOV DR and XSETBV: each is an exit more. */
static void switch__more_than_one_exit__debug_registers_and_xcr0_are_looked_at(void **state)
{
	(void)state;
	settle();
	vcpus[0].debug.db[2] = 0x4242;
	vcpus[0].xcrs.xcrs[0].value = FP | SSE;
	vcpus[0].exits += 2;
	go(0);
	assert_int_equal(calls.get_debug + calls.get_xcrs, 2);
	assert_int_equal(calls.set_debug + calls.set_xcrs, 2);
	assert_shared();
	go(1);
	assert_int_equal(calls.get_debug + calls.get_xcrs + calls.set_debug + calls.set_xcrs, 0);
}

/* A guest has written the TSC of that level: the deadline is by what it reads there, and by no other. */
static void interrupt__a_deadline__is_by_the_tsc_of_its_level(void **state)
{
	enum { LVTT = 0x320, DEADLINE = 2 << 17 };
	static const struct {
		uint64_t tsc, deadline, ns;
	} rows[] = {
		{ 1000, 3000, 2000 }, { 1u << 30, (1u << 30) + 5000, 5000 }, { 5000, 5000, 0 }, { 5000, 4000, 0 }, { 5000, 0, UINT64_MAX },
	};
	const uint32_t lvtt = DEADLINE | 0x50;
	uint64_t ns;
	int pending;

	(void)state;
	machine.tsc_hz = 1000000000;
	memcpy(vcpus[1].apic.regs + LVTT, &lvtt, sizeof(lvtt));
	assert_int_equal(vtl_leave_unserved(&machine, 0, 1), 0); /* nothing is handed on */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vcpus[1].tsc = rows[i].tsc;
		vcpus[1].deadline = rows[i].deadline;
		assert_int_equal(gabi_kvm_vp_interrupt(&machine, 0, 1, &pending, &ns, NULL), 0);
		assert_int_equal(ns, rows[i].ns);
	}
}

/* MTRRdefType: its writes are set in both levels, unless the caller wants to be told of such first; and are by its own too. */
static void msr__that_levels_share__is_the_callers_where_it_asks(void **state)
{
	struct kvm_run run = { .exit_reason = KVM_EXIT_X86_WRMSR, .msr = { .index = 0x2ff, .data = 0xc06 } };

	(void)state;
	calls.set_msrs = 0;
	assert_true(vtl_take_msr(&machine, 0, 0, &run));
	assert_int_equal(calls.set_msrs, 2);
	atomic_store(&machine.level[0].shared_wanted, true);
	assert_false(vtl_take_msr(&machine, 0, 0, &run));
	assert_int_equal(calls.set_msrs, 2);
	assert_int_equal(gabi_kvm_vp_set_msr(&machine, 0, 0, 0x2ff, 0xc06), 0);
	assert_int_equal(calls.set_msrs, 4);
	assert_true(vtl_take_msr(&machine, 0, 1, &run)); /* it has asked for nothing of that level's */
}

static void used__of_a_guest_with_avx__ends_behind_the_upper_halves(void **state)
{
	(void)state;
	if (!__builtin_cpu_supports("avx"))
		skip();
	assert_int_equal(machine.xsave_used, USED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(switch__one_change__is_carried_by_the_call_that_can, begin, end),
		cmocka_unit_test_setup_teardown(switch__first_states_in_one_level__are_carried_whole, begin, end),
		cmocka_unit_test_setup_teardown(switch__many_changes_in_no_order__nothing_is_lost, begin, end),
		cmocka_unit_test_setup_teardown(switch__nothing_changed__one_call_and_one_read, begin, end),
		cmocka_unit_test_setup_teardown(set_register__an_interrupt_of_long_ago__is_not_given_back, begin, end),
		cmocka_unit_test_setup_teardown(switch__special_registers__are_told_from_the_first_on, begin, end),
		cmocka_unit_test_setup_teardown(switch__more_than_one_exit__debug_registers_and_xcr0_are_looked_at, begin, end),
		cmocka_unit_test_setup_teardown(interrupt__a_deadline__is_by_the_tsc_of_its_level, begin, end),
		cmocka_unit_test_setup_teardown(msr__that_levels_share__is_the_callers_where_it_asks, begin, end),
		cmocka_unit_test_setup_teardown(used__of_a_guest_with_avx__ends_behind_the_upper_halves, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
