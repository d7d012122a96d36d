/* SPDX-License-Identifier: MIT */
/* gabi_kvm_save and gabi_kvm_restore on this machine's own KVM, whatever that can do. Skipped where there is none. */
#include "here.h"

#include <gabi/formats.h>
#include <gabi/state.h>

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* ---- a KVM with shadow stacks, which few processors have ---- */

int __real_kvm_ioctl(int fd, unsigned long request, void *arg); /* ld's --wrap */
int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg);

static struct {
	bool is_there;
	uint64_t pointer;
	unsigned writes;
} shadow_stack;

#ifdef __x86_64__
enum { S_CET = 0x6a2 };
#define SSP 0x2030000300000000ull /* KVM_X86_REG_KVM(KVM_REG_GUEST_SSP) */

static int one_register(unsigned long request, const struct kvm_one_reg *reg)
{
	assert_true(reg->id == SSP);
	if (request == KVM_GET_ONE_REG)
		memcpy((void *)(uintptr_t)reg->addr, &shadow_stack.pointer, sizeof(shadow_stack.pointer));
	else
		memcpy(&shadow_stack.pointer, (const void *)(uintptr_t)reg->addr, sizeof(shadow_stack.pointer));
	shadow_stack.writes += request == KVM_SET_ONE_REG;
	return 0;
}

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	struct kvm_msr_list *list = arg;
	int ret;

	if (shadow_stack.is_there && (request == KVM_GET_ONE_REG || request == KVM_SET_ONE_REG))
		return one_register(request, arg);
	ret = __real_kvm_ioctl(fd, request, arg);
	if (shadow_stack.is_there && request == KVM_GET_MSR_INDEX_LIST && !ret)
		list->indices[list->nmsrs++] = S_CET;
	return ret;
}
#else
int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	return __real_kvm_ioctl(fd, request, arg);
}
#endif

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

/* That a KVM does not keep the CPUID that it is given is another test's matter. */
static struct gabi_kvm_vm *require_machine(unsigned vcpus, unsigned pc)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .vcpus = vcpus, .pc = pc };
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_kvm_vm *vm = here_vm(&options);

	gabi_kvm_apply(plan, vm, NULL, NULL);
	gabi_plan_free(plan);
	return vm;
}

static struct gabi_kvm_vm *require_vm(unsigned vcpus)
{
	return require_machine(vcpus, 0);
}

static unsigned saving; /* calls of the last saving */

static struct gabi_state *require_state(const struct gabi_kvm_vm *vm)
{
	struct gabi_kvm_effort effort = { 0 };
	struct gabi_state *state = NULL;

	REQUIRE(gabi_kvm_save(here_contract, vm, NULL, &state, &effort, &diag));
	saving = effort.ioctls;
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
	struct gabi_plan *plan = here_plan(here_contract);

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
/* All but one part, and not sealed. */
static struct gabi_state *copy_without(const struct gabi_state *state, unsigned kind, unsigned vp)
{
	struct gabi_state *copy = gabi_state_new(gabi_state_arch(state), gabi_state_vps(state), NULL);
	size_t count;
	const struct gabi_word *word = gabi_state_words(state, &count);
	const struct gabi_state_part *part;

	assert_non_null(copy);
	for (size_t i = 0; i < count; i++)
		REQUIRE(gabi_state_add_word(copy, &word[i], &diag));
	part = gabi_state_parts(state, &count);
	for (size_t i = 0; i < count; i++)
		if (part[i].kind != kind || part[i].vp != vp)
			REQUIRE(gabi_state_add(copy, part[i].kind, part[i].vp, part[i].data, part[i].len, &diag));
	return copy;
}

static struct gabi_state *with_unlisted(const struct gabi_state *state)
{
	static const struct gabi_word more = {
#ifdef __x86_64__
		.key = { .space = GABI_SPACE_MSR_STATE, .index = 0x4b564eff }, .value = 1, .bits = 64,
#else
		.key = { .space = GABI_SPACE_ARM64_STATE, .index = 0x603000000013ffff }, .value = 1, .bits = 64,
#endif
	};
	struct gabi_state *copy = copy_without(state, GABI_STATE_KIND_END, 0);

	REQUIRE(gabi_state_add_word(copy, &more, &diag));
	REQUIRE(gabi_state_seal(copy, &diag));
	return copy;
}

static void restore__of_a_register_that_is_not_listed__touches_nothing(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(1), *to = require_vm(1);
	struct gabi_state *saved, *more;
	struct gabi_plan *plan = here_plan(here_contract);
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
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_diag diag = { 0 };

	(void)unused;
	assert_int_equal(gabi_kvm_restore(saved, plan, to, NULL, NULL, &diag), GABI_ERR_ARG);
	assert_non_null(strstr(diag.text, "not as many virtual processors"));
	gabi_plan_free(plan);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

/* ---- registers that KVM lists as no state ---- */

#ifdef __x86_64__
struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static bool put_msr(int vcpu, uint32_t msr, uint64_t value)
{
	struct one_msr call = { { .nmsrs = 1 }, { .index = msr, .data = value } };

	return ioctl(vcpu, KVM_SET_MSRS, &call) == 1;
}

static uint64_t msr_of(int vcpu, uint32_t msr)
{
	struct one_msr call = { { .nmsrs = 1 }, { .index = msr } };

	assert_int_equal(ioctl(vcpu, KVM_GET_MSRS, &call), 1);
	return call.entry.data;
}

/* What a guest's firmware or kernel writes there. */
static const struct {
	uint32_t msr;
	uint64_t value;
} unlisted[] = {
	{ 0x200, 0x80000000 }, { 0x201, 0xff80000800 }, { 0x20f, 0xff80000800 }, { 0x250, 0x0606060606060606 }, { 0x259, 0 }, { 0x26f, 0x0505050505050505 },
	{ 0x2ff, 0xc06 }, { 0x400, ~0ull }, { 0x404, ~0ull }, { 0x405, 0x9000000000000000 }, { 0x47c, ~0ull },
};

/* Those of Hyper-V are there where KVM has it, and the machine's KVM lets a VMM have it. */
static const struct {
	uint32_t msr;
	uint64_t value;
} hyperv[] = {
	{ 0x40000080, 1 }, { 0x40000082, 0x5001 }, { 0x40000083, 0x6001 }, { 0x40000092, 0x30 }, { 0x400000b0, 0x20003 },
	{ 0x400000b1, 0x123456789abc }, { 0x400000b6, 0x20009 }, { 0x400000b7, 100000 },
};

static void give_synic(const struct gabi_kvm_vm *vm, bool *has)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_SYNIC2 };

	*has = !ioctl(vm->vcpu[0], KVM_ENABLE_CAP, &cap);
}

static void restore__of_registers_that_no_kernel_lists__they_are_as_they_were(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(1), *to = require_vm(1);
	struct gabi_state *saved;
	bool has_hyperv, also;

	(void)unused;
	give_synic(from, &has_hyperv);
	give_synic(to, &also);
	for (size_t i = 0; i < sizeof(unlisted) / sizeof(unlisted[0]); i++)
		assert_true(put_msr(from->vcpu[0], unlisted[i].msr, unlisted[i].value));
	for (size_t i = 0; has_hyperv && i < sizeof(hyperv) / sizeof(hyperv[0]); i++)
		assert_true(put_msr(from->vcpu[0], hyperv[i].msr, hyperv[i].value));
	saved = carried(require_state(from));
	restore_into(to, saved);
	for (size_t i = 0; i < sizeof(unlisted) / sizeof(unlisted[0]); i++)
		assert_int_equal(msr_of(to->vcpu[0], unlisted[i].msr), unlisted[i].value);
	for (size_t i = 0; has_hyperv && i < sizeof(hyperv) / sizeof(hyperv[0]); i++)
		assert_int_equal(msr_of(to->vcpu[0], hyperv[i].msr), hyperv[i].value);
	if (!has_hyperv)
		print_message("this KVM has no SynIC: its registers were not tried\n");
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

static void restore__of_a_shadow_stack__has_its_pointer(void **unused)
{
	struct gabi_kvm_vm *from = require_vm(1), *to = require_vm(1);
	struct gabi_state *saved;

	(void)unused;
	shadow_stack.is_there = true;
	shadow_stack.pointer = 0x7ffff000;
	saved = carried(require_state(from));
	shadow_stack.pointer = 0;
	restore_into(to, saved);
	shadow_stack.is_there = false;
	assert_int_equal(shadow_stack.writes, 1);
	assert_int_equal(shadow_stack.pointer, 0x7ffff000);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

/* ---- what is under way ---- */

/* KVM keeps the address of a page fault of a nested guest apart until the fault is taken; who does not ask for it apart finds it in CR2. */
static void save__of_a_pending_page_fault__has_its_address(void **unused)
{
	struct kvm_enable_cap apart = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args = { 1 } };
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 14, .has_error_code = 1 }, .exception_has_payload = 1, .exception_payload = 0x123456000 };
	struct gabi_kvm_vm *vm = require_vm(1);
	const struct gabi_state_part *part;
	struct gabi_state *saved;
	struct kvm_sregs sregs;

	(void)unused;
	assert_int_equal(ioctl(vm->vm, KVM_ENABLE_CAP, &apart), 0);
	assert_int_equal(ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &events), 0);
	apart.args[0] = 0;
	assert_int_equal(ioctl(vm->vm, KVM_ENABLE_CAP, &apart), 0);
	saved = require_state(vm);
	part = gabi_state_find(saved, GABI_STATE_SREGS2, 0);
	if (!part)
		part = gabi_state_find(saved, GABI_STATE_SREGS, 0);
	memcpy(&sregs, part->data, sizeof(sregs)); /* both forms begin alike */
	assert_int_equal(sregs.cr2, 0x123456000);
	gabi_state_free(saved);
	gabi_kvm_vm_free(vm);
}

enum { LAST = 15, VECTOR = 0x60, APIC_SPURIOUS = 0xf0, APIC_REQUESTS = 0x200 };

static uint32_t *apic_register(struct kvm_lapic_state *apic, unsigned at)
{
	return (uint32_t *)(void *)(apic->regs + at);
}

/* The timer's line as an edge to the last processor; its local APIC takes it. */
static struct gabi_state *with_a_timer(const struct gabi_state *state)
{
	struct gabi_state *copy = copy_without(state, GABI_STATE_IOAPIC, GABI_VP_ALL);
	struct kvm_irqchip chip;

	memcpy(&chip, gabi_state_find(state, GABI_STATE_IOAPIC, GABI_VP_ALL)->data, sizeof(chip));
	chip.chip.ioapic.redirtbl[0].bits = VECTOR | (uint64_t)LAST << 56;
	REQUIRE(gabi_state_add(copy, GABI_STATE_IOAPIC, GABI_VP_ALL, &chip, sizeof(chip), &diag));
	REQUIRE(gabi_state_seal(copy, &diag));
	return copy;
}

/* Of its interrupts one that is lost is the last: it waits until that one is taken. */
static void restore__of_a_timer_that_is_due__its_interrupt_is_not_lost(void **unused)
{
	struct kvm_pit_state2 pit = { .channels[0] = { .count = 239, .mode = 2, .rw_mode = 3, .gate = 1 } }; /* 200 us */
	struct gabi_kvm_vm *from = require_machine(LAST + 1, 1), *to = require_machine(LAST + 1, 1);
	struct gabi_state *saved, *due;
	struct kvm_lapic_state apic;
	bool taken = false;

	(void)unused;
	assert_int_equal(ioctl(from->vcpu[LAST], KVM_GET_LAPIC, &apic), 0);
	*apic_register(&apic, APIC_SPURIOUS) = 0x1ff;
	assert_int_equal(ioctl(from->vcpu[LAST], KVM_SET_LAPIC, &apic), 0);
	assert_int_equal(ioctl(from->vm, KVM_SET_PIT2, &pit), 0);
	saved = require_state(from);
	due = with_a_timer(saved);
	restore_into(to, due);
	for (unsigned i = 0; !taken && i < 2000; i++) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		assert_int_equal(ioctl(to->vcpu[LAST], KVM_GET_LAPIC, &apic), 0);
		taken = *apic_register(&apic, APIC_REQUESTS + VECTOR / 32 * 0x10) >> VECTOR % 32 & 1;
	}
	assert_true(taken);
	gabi_state_free(due);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

/* Nothing but those may come that way: each other register is judged before. */
static void restore__of_another_register_among_those__touches_nothing(void **unused)
{
	static const struct gabi_state_pair pairs[] = { { 0x200, 0x80000000 }, { 0xc0000082, 0x1234 } };
	struct gabi_kvm_vm *from = require_vm(1), *to = require_vm(1);
	struct gabi_state *saved, *more;
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_diag said = { 0 };

	(void)unused;
	put_number(to->vcpu[0], 0x2222);
	saved = require_state(from);
	more = copy_without(saved, GABI_STATE_MSRS_UNLISTED, 0);
	REQUIRE(gabi_state_add(more, GABI_STATE_MSRS_UNLISTED, 0, pairs, sizeof(pairs), &diag));
	REQUIRE(gabi_state_seal(more, &diag));
	assert_int_equal(gabi_kvm_restore(more, plan, to, NULL, NULL, &said), GABI_ERR_KVM);
	assert_non_null(strstr(said.text, "0xc0000082"));
	assert_int_equal(number_of(to->vcpu[0]), 0x2222);
	assert_int_equal(msr_of(to->vcpu[0], 0x200), 0);
	gabi_plan_free(plan);
	gabi_state_free(more);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}
#endif

/* ---- calls ---- */

#ifdef __x86_64__
/* What the API cannot do with less: a call for each kind of part of a virtual processor, of which the older form of the system
 * registers is none beside the newer; one more for the TSC's second number, and one for a shadow stack's pointer; and for MSRs one more for each that this guest does not
 * have, at which KVM stops. */
static size_t fewest_calls(const struct gabi_state *state, unsigned vp)
{
	size_t count, calls = 0;
	const struct gabi_state_row *row = gabi_state_rows(&count);
	const struct gabi_word *word;

	for (size_t i = 0; i < count; i++)
		calls += row[i].arch == GABI_ARCH_X86 && row[i].scope == GABI_SCOPE_VP && row[i].kind != GABI_STATE_SREGS;
	word = gabi_host_words(here_host, &count);
	for (size_t i = 0; i < count; i++)
		calls += (word[i].key.space == GABI_SPACE_MSR_STATE) + (word[i].key.space == GABI_SPACE_MSR_STATE && word[i].key.index == S_CET);
	word = gabi_state_words(state, &count);
	for (size_t i = 0; i < count; i++)
		calls -= word[i].vp == vp;
	return calls + 1;
}

static void save__of_one_more_virtual_processor__takes_the_fewest_calls(void **unused)
{
	struct gabi_kvm_vm *one = require_vm(1), *two = require_vm(2);
	struct gabi_state *saved = require_state(one);
	unsigned calls = saving;

	(void)unused;
	gabi_state_free(saved);
	saved = require_state(two);
	print_message("%u calls to save one virtual processor, %u for one more\n", calls, saving - calls);
	assert_true(saving - calls <= fewest_calls(saved, 1));
	gabi_state_free(saved);
	gabi_kvm_vm_free(two);
	gabi_kvm_vm_free(one);
}

/* Each part by one call, MSRs all at once; nested state that is empty by none. */
static void restore__of_one_more_virtual_processor__takes_the_fewest_calls(void **unused)
{
	unsigned calls[2];

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		struct gabi_kvm_vm *from = require_vm(1 + i), *to = require_vm(1 + i);
		struct gabi_state *saved = require_state(from);
		struct gabi_kvm_effort effort = { 0 };
		struct gabi_plan *plan = here_plan(here_contract);

		REQUIRE(gabi_kvm_restore(saved, plan, to, NULL, &effort, &diag));
		calls[i] = effort.ioctls;
		gabi_plan_free(plan);
		gabi_state_free(saved);
		gabi_kvm_vm_free(to);
		gabi_kvm_vm_free(from);
	}
	print_message("%u calls to restore one virtual processor, %u for one more\n", calls[0], calls[1] - calls[0]);
	assert_in_range(calls[1] - calls[0], 1, 11);
}

/* ---- devices in the kernel on one side alone ---- */

static void expect_other_devices(unsigned from_pc, unsigned to_pc, const char *why)
{
	struct gabi_kvm_vm *from = require_machine(1, from_pc), *to = require_machine(1, to_pc);
	struct gabi_state *saved;
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_diag diag = { 0 };

	put_number(from->vcpu[0], 0x1111);
	put_number(to->vcpu[0], 0x2222);
	saved = require_state(from);
	assert_int_equal(gabi_kvm_restore_check(saved, plan, to, NULL, &diag), GABI_ERR_KVM);
	assert_non_null(strstr(diag.text, why));
	assert_int_equal(gabi_kvm_restore(saved, plan, to, NULL, NULL, &diag), GABI_ERR_KVM);
	assert_int_equal(number_of(to->vcpu[0]), 0x2222);
	gabi_plan_free(plan);
	gabi_state_free(saved);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
}

static void restore__where_only_one_side_has_chips__touches_nothing(void **unused)
{
	(void)unused;
	expect_other_devices(0, 1, "the VM has interrupt controllers of KVM's, and the state has none");
	expect_other_devices(1, 0, "the state has interrupt controllers of KVM's, and the VM has none");
}
#endif

/* What is judged here, by files alone, is what the restoring then finds. */
static void check__of_ones_own_state__fits(void **unused)
{
	struct gabi_kvm_vm *vm = require_vm(1);
	struct gabi_state *saved = require_state(vm);
	struct gabi_report *report = NULL;

	(void)unused;
	REQUIRE(gabi_state_check(saved, here_contract, here_host, &report, &diag));
	assert_int_equal(gabi_report_verdict(report), GABI_FITS);
	gabi_report_free(report);
	gabi_state_free(saved);
	gabi_kvm_vm_free(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(restore__of_what_was_saved__is_the_same_again),
		cmocka_unit_test(restore__of_a_register_that_is_not_listed__touches_nothing),
		cmocka_unit_test(restore__into_a_vm_of_another_size__is_refused),
#ifdef __x86_64__
		cmocka_unit_test(restore__of_registers_that_no_kernel_lists__they_are_as_they_were),
		cmocka_unit_test(restore__of_a_shadow_stack__has_its_pointer),
		cmocka_unit_test(save__of_a_pending_page_fault__has_its_address),
		cmocka_unit_test(restore__of_a_timer_that_is_due__its_interrupt_is_not_lost),
		cmocka_unit_test(restore__of_another_register_among_those__touches_nothing),
		cmocka_unit_test(save__of_one_more_virtual_processor__takes_the_fewest_calls),
		cmocka_unit_test(restore__of_one_more_virtual_processor__takes_the_fewest_calls),
		cmocka_unit_test(restore__where_only_one_side_has_chips__touches_nothing),
#endif
		cmocka_unit_test(check__of_ones_own_state__fits),
	};
	int skipped = here_skip();

	return skipped ? skipped : cmocka_run_group_tests(tests, here_begin, here_end);
}
