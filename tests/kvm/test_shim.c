/* SPDX-License-Identifier: MIT */
/*
 * What a nested guest was left for under the shim, on a KVM that is made up: kvm_ioctl and ioctl are this file's. It keeps events as Linux 6.1 to 7.2 do:
 * what is on its way into a nested guest when that is left is told in the nested state and kept no more (arch/x86/kvm/vmx/nested.c, nested_vmx_vmexit;
 * arch/x86/kvm/svm/nested.c, nested_svm_vmexit), and of a nested guest that is ended by KVM_SET_NESTED_STATE nothing is kept. Needs no KVM.
 */
#include <gabi/contract.h>
#include <gabi/vmcs.h>

#include "kvm/machine.h"
#include "kvm/shim_vendor.h"

#include <asm/svm.h>
#include <asm/vmx.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

enum { VCPU = 100, RAM = 2 << 20, BITS = 36, RIP = 0x1234, HANDLER = 0x5000 };
#define VALID ((uint64_t)1 << 31)
#define ERROR ((uint64_t)1 << 11)

/* What leaves the nested guest at the next KVM_RUN. */
static struct {
	uint32_t reason;
	uint64_t qualification, gpa, event;
} next;

/* The virtual processor of the made-up KVM, and the events that its guest has got. */
static struct {
	struct kvm_sregs sregs;
	struct kvm_regs regs, guests_regs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	unsigned char vmcs[GABI_VMCS_PAGE];
	bool nested;
	struct kvm_vcpu_events got;
	unsigned got_count;
} kvm;

static struct gabi_kvm_machine machine;
static struct shim shim;
static struct shim_vp shim_vp;
static struct call call;

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg); /* ld's --wrap */
int __wrap_ioctl(int fd, unsigned long request, ...);

static bool is_intel(void)
{
	return shim.vendor == &shim_vmx;
}

/* ---- the nested guest, which is left and ended ---- */

static uint64_t field(unsigned id)
{
	uint64_t value = 0;

	assert_int_equal(gabi_vmcs_get(shim.layout, kvm.vmcs, id, &value), 0);
	return value;
}

static void set_field(unsigned id, uint64_t value)
{
	assert_int_equal(gabi_vmcs_set(shim.layout, kvm.vmcs, id, value), 0);
}

static void store(unsigned char *page, size_t at, uint64_t value)
{
	memcpy(page + at, &value, sizeof(value));
}

static void drop_events(void)
{
	kvm.events.exception.injected = kvm.events.nmi.injected = kvm.events.interrupt.injected = 0;
}

static void leave_vmx(void)
{
	set_field(GABI_VMCS_VM_EXIT_REASON, next.reason);
	set_field(GABI_VMCS_EXIT_QUALIFICATION, next.qualification);
	set_field(GABI_VMCS_GUEST_PHYSICAL_ADDRESS, next.gpa);
	set_field(GABI_VMCS_IDT_VECTORING_INFO_FIELD, (uint32_t)next.event);
	set_field(GABI_VMCS_IDT_VECTORING_ERROR_CODE, next.event >> 32);
	set_field(GABI_VMCS_GUEST_RIP, kvm.regs.rip);
}

/* AMD64 APM volume 2, appendix B. */
static void leave_svm(void)
{
	unsigned char *vmcb = shim_page(&shim.pages, SHIM_STATES);

	store(vmcb, 0x70, next.reason);
	store(vmcb, 0x78, next.qualification);
	store(vmcb, 0x80, next.gpa);
	store(vmcb, 0x88, next.event);
	store(vmcb, 0x578, kvm.regs.rip);
}

static void leave(void)
{
	if (is_intel())
		leave_vmx();
	else
		leave_svm();
	drop_events();
	kvm.nested = false;
	kvm.regs.rip = 0;
	kvm.sregs.cr3 = shim_page_gpa(&shim.pages, SHIM_TOP);
}

/* What is on its way gets in: by KVM's own doing, or by the entry that the nested state asks for. */
static void deliver_events(void)
{
	const struct kvm_vcpu_events *events = &kvm.events;

	if (events->exception.injected || events->nmi.injected || events->interrupt.injected) {
		kvm.got = *events;
		kvm.got_count++;
	}
	if (is_intel())
		kvm.got_count += field(GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD) >> 31;
	drop_events();
}

static int set_vmx(const struct kvm_nested_state *state)
{
	kvm.nested = state->flags & KVM_STATE_NESTED_GUEST_MODE;
	if (!kvm.nested) {
		drop_events();
		return 0;
	}
	memcpy(kvm.vmcs, (const unsigned char *)state + offsetof(struct kvm_nested_state, data), sizeof(kvm.vmcs));
	kvm.regs.rip = field(GABI_VMCS_GUEST_RIP);
	kvm.sregs.cr3 = field(GABI_VMCS_GUEST_CR3);
	return 0;
}

static int get_vmx(struct kvm_nested_state *state)
{
	*state = (struct kvm_nested_state){ .size = state->size, .flags = kvm.nested ? KVM_STATE_NESTED_GUEST_MODE : 0 };
	memcpy((unsigned char *)state + offsetof(struct kvm_nested_state, data), kvm.vmcs, sizeof(kvm.vmcs));
	return 0;
}

static int set_svm(const struct kvm_nested_state *state)
{
	kvm.nested = state->flags & KVM_STATE_NESTED_GUEST_MODE;
	return 0;
}

/* ---- KVM ---- */

/* Each control may be 0 or 1. */
static int get_msrs(struct kvm_msrs *msrs)
{
	for (uint32_t i = 0; i < msrs->nmsrs; i++)
		msrs->entries[i].data = msrs->entries[i].index >= 0x480 && msrs->entries[i].index < 0x4a0 ? (uint64_t)UINT32_MAX << 32 : 0;
	return (int)msrs->nmsrs;
}

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	assert_int_equal(fd, VCPU);
	switch (request) {
	case KVM_GET_SREGS: *(struct kvm_sregs *)arg = kvm.sregs; return 0;
	case KVM_SET_SREGS: kvm.sregs = *(const struct kvm_sregs *)arg; return 0;
	case KVM_GET_SREGS2: *(struct kvm_sregs2 *)arg = (struct kvm_sregs2){ .cr3 = kvm.sregs.cr3, .efer = kvm.sregs.efer }; return 0;
	case KVM_GET_REGS: *(struct kvm_regs *)arg = kvm.regs; return 0;
	case KVM_SET_REGS: kvm.regs = *(const struct kvm_regs *)arg; return 0;
	case KVM_GET_DEBUGREGS: *(struct kvm_debugregs *)arg = kvm.debug; return 0;
	case KVM_SET_DEBUGREGS: kvm.debug = *(const struct kvm_debugregs *)arg; return 0;
	case KVM_GET_VCPU_EVENTS: *(struct kvm_vcpu_events *)arg = kvm.events; return 0;
	case KVM_SET_VCPU_EVENTS: kvm.events = *(const struct kvm_vcpu_events *)arg; return 0;
	case KVM_GET_MP_STATE: *(struct kvm_mp_state *)arg = (struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE }; return 0;
	case KVM_GET_MSRS: return get_msrs(arg);
	case KVM_SET_MSRS: return (int)((const struct kvm_msrs *)arg)->nmsrs;
	case KVM_SET_NESTED_STATE: return is_intel() ? set_vmx(arg) : set_svm(arg);
	case KVM_GET_NESTED_STATE: return get_vmx(arg);
	default: fail_msg("the shim makes a call that it should not: 0x%lx", request); return -1;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct kvm_run *run = run_of(&machine, 0, 0);

	assert_int_equal(fd, VCPU);
	assert_int_equal(request, KVM_RUN);
	if (run->immediate_exit) {
		errno = EINTR;
		return -1;
	}
	assert_true(kvm.nested);
	deliver_events();
	leave();
	run->s.regs.regs = kvm.regs;
	run->s.regs.sregs = kvm.sregs;
	run->exit_reason = KVM_EXIT_IO;
	return 0;
}

/* ---- a machine whose lower trust level is under the shim ---- */

static const struct shim_vendor *const vendors[] = { &shim_svm, &shim_vmx };

static void begin(const struct shim_vendor *vendor)
{
	static struct kvm_run run, *runs = &run;
	static const int vcpu = VCPU;
	static struct gabi_kvm_vm vm = { .vcpu = &vcpu, .vcpus = 1 };

	memset(&kvm, 0, sizeof(kvm));
	memset(&run, 0, sizeof(run));
	run.kvm_valid_regs = KVM_SYNC_X86_REGS;
	kvm.regs.rip = RIP;
	kvm.sregs.cr3 = 0x7000;
	call = (struct call){ .inside = 0 };
	shim_vp = (struct shim_vp){ .inside = false };
	shim = (struct shim){ .vendor = vendor, .vp = &shim_vp, .layout = gabi_vmcs_layout_by_name("kvm-6.1") };
	assert_int_equal(shim_pages_new(&shim.pages, &vendor->format, RAM, 1, BITS, NULL), 0);
	machine = (struct gabi_kvm_machine){ .options = { .vps = 1, .vtls = 1 }, .call = &call };
	machine.level[0] = (struct level){ .vm = &vm, .run = &runs, .shim = &shim };
}

static void end(void)
{
	shim_pages_free(&shim.pages);
}

static struct gabi_kvm_exit run_level(void)
{
	struct gabi_kvm_exit exit;

	assert_int_equal(gabi_kvm_vp_run(&machine, 0, 0, &exit, NULL), 0);
	return exit;
}

static void run_to_fetch(uint64_t event)
{
	struct gabi_kvm_exit exit;

	next.reason = is_intel() ? EXIT_REASON_EPT_VIOLATION : SVM_EXIT_NPF;
	next.qualification = is_intel() ? 1 << 2 : 1 << 4;
	next.gpa = HANDLER;
	next.event = event;
	exit = run_level();
	assert_int_equal(exit.kind, GABI_KVM_EXIT_PROTECTED);
	assert_int_equal(exit.execute, 1);
	assert_int_equal(exit.address, HANDLER);
	assert_int_equal(kvm.regs.rip, RIP);
}

/* ---- events that are on their way ---- */

static const struct {
	const char *name;
	uint64_t event;
	struct kvm_vcpu_events wanted; /* all 0: the instruction raises it again */
} events[] = {
	{ "an interrupt", VALID | 0x51, { .interrupt = { .injected = 1, .nr = 0x51 } } },
	{ "an NMI", VALID | 2 << 8 | 2, { .nmi = { .injected = 1 } } },
	{ "#UD", VALID | 3 << 8 | 6, { .exception = { .injected = 1, .nr = 6 } } },
	{ "#PF", 7ull << 32 | VALID | ERROR | 3 << 8 | 14, { .exception = { .injected = 1, .nr = 14, .has_error_code = 1, .error_code = 7 } } },
	{ "INT n", VALID | 4 << 8 | 0x80, { .flags = 0 } },
	{ "INT1", VALID | 5 << 8 | 1, { .flags = 0 } },
	{ "Intel's INT3", VALID | 6 << 8 | 3, { .flags = 0 } },
	{ "AMD's INT3", VALID | 3 << 8 | 3, { .flags = 0 } },
	{ "AMD's INTO", VALID | 3 << 8 | 4, { .flags = 0 } },
	{ "none", 3 << 8 | 14, { .flags = 0 } },
};

static bool is_wanted(size_t i, const struct kvm_vcpu_events *seen)
{
	return !memcmp(&seen->exception, &events[i].wanted.exception, sizeof(seen->exception)) && seen->nmi.injected == events[i].wanted.nmi.injected &&
	       !memcmp(&seen->interrupt, &events[i].wanted.interrupt, sizeof(seen->interrupt));
}

/* The next entry has it, once. */
static void assert_got(size_t i, const char *what)
{
	const struct kvm_vcpu_events *wanted = &events[i].wanted;
	unsigned count = wanted->exception.injected || wanted->nmi.injected || wanted->interrupt.injected;

	run_to_fetch(0);
	if (kvm.got_count != count || (count && !is_wanted(i, &kvm.got)))
		fail_msg("%s, %s, %s: the guest gets %u of them", is_intel() ? "Intel" : "AMD", events[i].name, what, kvm.got_count);
	run_to_fetch(0);
	assert_int_equal(kvm.got_count, count);
}

static void fetch__with_an_event_on_its_way__the_next_entry_delivers_it(void **state)
{
	(void)state;
	for (unsigned which = 0; which < GABI_COUNT_OF(vendors); which++) {
		for (size_t i = 0; i < GABI_COUNT_OF(events); i++) {
			begin(vendors[which]);
			run_to_fetch(events[i].event);
			assert_true(is_wanted(i, &kvm.events));
			assert_got(i, "at once");
			end();
		}
	}
}

/* As before its state is saved or moved. What KVM has then is what is saved. */
static void fetch__with_an_event_and_then_left__the_level_keeps_it(void **state)
{
	(void)state;
	for (unsigned which = 0; which < GABI_COUNT_OF(vendors); which++) {
		for (size_t i = 0; i < GABI_COUNT_OF(events); i++) {
			begin(vendors[which]);
			run_to_fetch(events[i].event);
			assert_int_equal(gabi_kvm_vp_settle(&machine, 0, NULL), 0);
			assert_false(kvm.nested);
			if (!is_wanted(i, &kvm.events))
				fail_msg("%s, %s: is not kept", is_intel() ? "Intel" : "AMD", events[i].name);
			assert_got(i, "after it was left");
			end();
		}
	}
}

/* A switch of trust levels that carries CR2, or a higher level, sets special registers: on Intel's processors the level leaves its nested guest. */
static void fetch__with_an_event_and_registers_set__the_next_entry_delivers_it(void **state)
{
	struct kvm_run *run;

	(void)state;
	for (unsigned which = 0; which < GABI_COUNT_OF(vendors); which++) {
		for (size_t i = 0; i < GABI_COUNT_OF(events); i++) {
			begin(vendors[which]);
			run_to_fetch(events[i].event);
			run = run_of(&machine, 0, 0);
			run->s.regs.sregs = kvm.sregs;
			run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
			assert_got(i, "with registers that were set");
			end();
		}
	}
}

/* ---- other reasons ---- */

static void task_switch__on_intel__ends_with_a_sentence(void **state)
{
	struct gabi_kvm_exit exit;

	(void)state;
	begin(&shim_vmx);
	next.reason = EXIT_REASON_TASK_SWITCH;
	next.qualification = 0x28 | (uint64_t)2 << 30; /* by JMP */
	next.event = 0;
	exit = run_level();
	assert_int_equal(exit.kind, GABI_KVM_EXIT_STUCK);
	assert_string_equal(exit.text, "the guest switched tasks, which cannot be done under the shim on Intel's processors: "
				       "run it without --vsm-execute=shim; TSS 0x28, at 0x1234");
	end();
}

static void unknown_reason__ends_with_its_number(void **state)
{
	struct gabi_kvm_exit exit;

	(void)state;
	for (unsigned which = 0; which < GABI_COUNT_OF(vendors); which++) {
		begin(vendors[which]);
		next.reason = 0x7f;
		next.event = 0;
		exit = run_level();
		assert_int_equal(exit.kind, GABI_KVM_EXIT_STUCK);
		assert_string_equal(exit.text, "KVM left the nested guest for a reason that it should not have, exit reason 0x7f, at 0x1234");
		end();
	}
}

/* ---- what Intel's nested guest is entered with ---- */

static const struct {
	enum gabi_vmcs_word word;
	const char *names[8];
} controls[] = {
	{ GABI_VMCS_WORD_PIN, { NULL } },
	{ GABI_VMCS_WORD_PROC, { "vmx-msr-bitmap", "vmx-secondary-ctls" } },
	{ GABI_VMCS_WORD_PROC2, { "vmx-ept", "vmx-rdtscp-exit", "vmx-unrestricted-guest", "vmx-invpcid-exit", "vmx-xsaves", "vmx-enable-user-wait-pause" } },
	{ GABI_VMCS_WORD_EXIT, { "vmx-exit-nosave-debugctl", "vmx-exit-host-addr-space-size", "vmx-exit-save-efer", "vmx-exit-load-efer" } },
	{ GABI_VMCS_WORD_ENTRY, { "vmx-entry-noload-debugctl", "vmx-entry-load-efer", "vmx-entry-load-bndcfgs" } },
};

static bool is_named(size_t i, unsigned bit)
{
	const struct gabi_field *row = gabi_vmcs_control_bit(controls[i].word, bit);

	for (const char *const *name = controls[i].names; *name; name++)
		if (row && !strcmp(row->name, *name))
			return true;
	return false;
}

static void assert_controls(bool long_mode)
{
	for (size_t i = 0; i < GABI_COUNT_OF(controls); i++) {
		uint64_t word = field(gabi_vmcs_control(controls[i].word)->id);

		for (unsigned bit = 0; bit < 32; bit++) {
			const struct gabi_field *row = gabi_vmcs_control_bit(controls[i].word, bit);
			bool wanted = is_named(i, bit) || (long_mode && row && !strcmp(row->name, "vmx-entry-ia32e-mode"));

			if ((word >> bit & 1) != wanted)
				fail_msg("%s, bit %u (%s) is %u", gabi_vmcs_control(controls[i].word)->name, bit, row ? row->name : "no name", !wanted);
		}
	}
}

static void enter__on_intel__controls_are_those_that_are_named(void **state)
{
	enum { EFER_LMA = 1 << 10 };

	(void)state;
	for (unsigned long_mode = 0; long_mode < 2; long_mode++) {
		begin(&shim_vmx);
		kvm.sregs.efer = long_mode ? EFER_LMA : 0;
		assert_int_equal(shim_enter(&machine, 0, 0), 0);
		assert_controls(long_mode);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fetch__with_an_event_on_its_way__the_next_entry_delivers_it),
		cmocka_unit_test(fetch__with_an_event_and_then_left__the_level_keeps_it),
		cmocka_unit_test(fetch__with_an_event_and_registers_set__the_next_entry_delivers_it),
		cmocka_unit_test(task_switch__on_intel__ends_with_a_sentence),
		cmocka_unit_test(unknown_reason__ends_with_its_number),
		cmocka_unit_test(enter__on_intel__controls_are_those_that_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
