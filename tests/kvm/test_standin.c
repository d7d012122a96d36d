/* SPDX-License-Identifier: MIT */
/*
 * What is done with an MSR on a guest's behalf is what this machine's own KVM does for the guest: each access is made twice, by a guest on a machine
 * that leaves the MSR to KVM, and by gabi_kvm_vp_carry_out_msr on another like it. Refusals and what the MSR holds are compared. Skipped where there
 * is no KVM.
 */
#include "here.h"

#include "kvm/machine.h"

#include <gabi/hv_vsm.h>

#include <string.h>

enum {
	CODE = 0x1000, HANDLER = 0x1010, GDT = 0x1040, IDT = 0x1100, STACK = 0x2000, TABLES = 0x2000, MEMORY = 0x10000, DONE = 0x80, REFUSED = 0x81,
	 RW = 3, LARGE = 1 << 7, CR0_PE_ET_NE = 0x31, CR4_PAE = 1 << 5, LME_LMA = 0x500, GP = 13,
};
#define CR0_PG ((uint64_t)1 << 31)

static struct gabi_kvm_machine *new_machine(void)
{
	const struct gabi_kvm_machine_options options = { .size = sizeof(options), .memory = MEMORY, .unverified = 1 };
	struct gabi_plan *plan = here_plan(here_contract);
	struct gabi_kvm_machine *machine = NULL;

	REQUIRE(gabi_kvm_machine_new(here_contract, plan, &options, NULL, &machine, &diag));
	REQUIRE(standin_new(machine, here_contract, plan, &machine->standin, &diag)); /* as with several trust levels */
	gabi_plan_free(plan);
	return machine;
}

/* In 64-bit mode over one large page, or in 32-bit mode without paging. */
static void start(struct gabi_kvm_machine *machine, bool paged, const struct gabi_kvm_registers *regs)
{
	const struct gabi_hv_segment cs = { .limit = UINT32_MAX, .selector = 8, .attributes = paged ? 0xa09b : 0xc09b };
	const struct gabi_hv_segment ds = { .limit = UINT32_MAX, .selector = 16, .attributes = 0xc093 };
	const struct gabi_hv_context context = {
		.rip = CODE, .rsp = STACK, .rflags = 2, .gdtr = { .base = GDT, .limit = 23 }, .idtr = { .base = IDT, .limit = 0xff }, .cs = cs, .ds = ds, .es = ds, .fs = ds, .gs = ds, .ss = ds,
		.tr = { .limit = 0x67, .attributes = 0x8b }, .ldtr = { .attributes = 0 },
		.cr0 = CR0_PE_ET_NE | (paged ? CR0_PG : 0), .cr3 = paged ? TABLES : 0, .cr4 = paged ? CR4_PAE : 0, .efer = paged ? LME_LMA : 0,
		.pat = 0x0007040600070406,
	};
	/* Its handler of #GP says that the instruction was refused: out %al, $REFUSED. A gate of 64-bit mode begins as one of 32-bit mode, and is twice as long. */
	const uint64_t descriptors[] = { 0, paged ? 0x00af9b000000ffff : 0x00cf9b000000ffff, 0x00cf93000000ffff };
	const uint64_t gate = (uint64_t)0x8e00 << 32 | 8 << 16 | HANDLER;
	const uint64_t entries[] = { (TABLES + 0x1000) | RW, (TABLES + 0x2000) | RW, RW | LARGE };

	for (unsigned i = 0; i < 3; i++)
		memcpy(gabi_kvm_machine_ram(machine, TABLES + i * 0x1000, 8), &entries[i], 8);
	memcpy(gabi_kvm_machine_ram(machine, GDT, sizeof(descriptors)), descriptors, sizeof(descriptors));
	memcpy(gabi_kvm_machine_ram(machine, IDT + GP * (paged ? 16 : 8), sizeof(gate)), &gate, sizeof(gate));
	memcpy(gabi_kvm_machine_ram(machine, HANDLER, 2), (const unsigned char[]){ 0xe6, REFUSED }, 2);
	REQUIRE(gabi_kvm_vp_start(machine, 0, 0, &context, regs, &diag));
}

struct outcome {
	bool refused, has_after;
	uint64_t read, after, moved; /* the TSC */
};

static uint64_t offset_of(const struct gabi_kvm_machine *machine)
{
	uint64_t value = 0;
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&value };

	return kvm_ioctl(vcpu_of(machine, 0, 0), KVM_GET_DEVICE_ATTR, &offset) ? 0 : value;
}

struct row {
	const char *name;
	uint32_t msr;
	bool write, paged, must_fault, must_not;
	uint64_t value; /* EFER and APIC_BASE: what is changed in what they hold */
};

static bool is_changed(uint32_t msr)
{
	return msr == 0xc0000080 || msr == 0x1b;
}

static uint64_t value_of(const struct gabi_kvm_machine *machine, const struct row *row)
{
	uint64_t before = 0;

	if (is_changed(row->msr))
		assert_int_equal(gabi_kvm_vp_get_msr(machine, 0, 0, row->msr, &before), 0);
	return before ^ row->value;
}

static struct outcome by_guest(const struct row *row)
{
	static const unsigned char code[2][4] = { { 0x0f, 0x32, 0xe6, DONE }, { 0x0f, 0x30, 0xe6, DONE } }; /* rdmsr or wrmsr; out */
	struct gabi_kvm_machine *machine = new_machine();
	struct gabi_kvm_registers regs = { .rcx = row->msr };
	const struct gabi_kvm_registers *seen;
	struct outcome outcome = { 0 };
	struct gabi_kvm_exit exit;
	uint64_t offset = offset_of(machine);

	memcpy(gabi_kvm_machine_ram(machine, CODE, 4), code[row->write], 4);
	start(machine, row->paged, &regs);
	regs.rax = (uint32_t)value_of(machine, row);
	regs.rdx = value_of(machine, row) >> 32;
	start(machine, row->paged, &regs);
	REQUIRE(gabi_kvm_vp_run(machine, 0, 0, &exit, &diag));
	if (exit.kind != GABI_KVM_EXIT_PORT)
		fail_msg("%s: the guest ends with the exit %u: %s", row->name, exit.kind, exit.text);
	outcome.refused = exit.address == REFUSED;
	seen = gabi_kvm_vp_registers(machine, 0, 0);
	outcome.read = row->write || outcome.refused ? 0 : seen->rax | seen->rdx << 32;
	outcome.has_after = !outcome.refused && !gabi_kvm_vp_get_msr(machine, 0, 0, row->msr, &outcome.after);
	outcome.moved = offset_of(machine) - offset;
	gabi_kvm_machine_free(machine);
	return outcome;
}

static struct outcome on_its_behalf(const struct row *row)
{
	struct gabi_kvm_machine *machine = new_machine();
	struct outcome outcome = { 0 };
	uint64_t value, before = 0, after = 0, offset = offset_of(machine);

	start(machine, row->paged, NULL);
	value = value_of(machine, row);
	gabi_kvm_vp_get_msr(machine, 0, 0, row->msr, &before);
	outcome.refused = gabi_kvm_vp_carry_out_msr(machine, 0, 0, row->msr, row->write, &value) != 0;
	outcome.read = row->write || outcome.refused ? 0 : value;
	outcome.has_after = !outcome.refused && !gabi_kvm_vp_get_msr(machine, 0, 0, row->msr, &outcome.after);
	outcome.moved = offset_of(machine) - offset;
	gabi_kvm_vp_get_msr(machine, 0, 0, row->msr, &after);
	if (outcome.refused && before != after)
		fail_msg("%s: it is refused, and has changed", row->name);
	gabi_kvm_machine_free(machine);
	return outcome;
}

#define EFER 0xc0000080u
#define BIT(n) ((uint64_t)1 << (n))

static const struct row rows[] = {
	{ "LSTAR", 0xc0000082, .write = true, .must_not = true, .value = 0x1234000 },
	{ "LSTAR, in 64-bit mode", 0xc0000082, .write = true, .paged = true, .must_not = true, .value = 0xffff800000001000 },
	{ "LSTAR that is no address", 0xc0000082, .write = true, .value = BIT(63) },
	{ "LSTAR of five levels of tables", 0xc0000082, .write = true, .value = BIT(50) },
	{ "CSTAR that is no address", 0xc0000083, .write = true, .value = BIT(63) },
	{ "STAR", 0xc0000081, .write = true, .must_not = true, .value = 0x23001000000000 },
	{ "SFMASK", 0xc0000084, .write = true, .must_not = true, .value = 0x4700 },
	{ "SFMASK, the high half", 0xc0000084, .write = true, .value = BIT(40) },
	{ "SYSENTER_CS", 0x174, .write = true, .must_not = true, .value = 0x10 },
	{ "SYSENTER_ESP", 0x175, .write = true, .must_not = true, .value = 0x1000 },
	{ "SYSENTER_EIP that is no address", 0x176, .write = true, .value = BIT(63) },
	{ "TSC_AUX", 0xc0000103, .write = true, .value = 7 },
	{ "TSC_AUX, the high half", 0xc0000103, .write = true, .value = BIT(40) },
	{ "EFER.SCE", EFER, .write = true, .must_not = true, .value = 1 },
	{ "EFER.NXE", EFER, .write = true, .value = BIT(11) },
	{ "EFER.LME, without paging", EFER, .write = true, .must_not = true, .value = BIT(8) },
	{ "EFER.LME, with paging", EFER, .write = true, .paged = true, .must_fault = true, .value = BIT(8) },
	{ "EFER.LMA", EFER, .write = true, .value = BIT(10) },
	{ "EFER.SVME", EFER, .write = true, .value = BIT(12) },
	{ "EFER.FFXSR", EFER, .write = true, .value = BIT(14) },
	{ "EFER.AutoIBRS", EFER, .write = true, .value = BIT(21) },
	{ "EFER, reserved", EFER, .write = true, .must_fault = true, .value = BIT(63) },
	{ "APIC_BASE as it is", 0x1b, .write = true, .must_not = true, .value = 0 },
	{ "APIC_BASE, off", 0x1b, .write = true, .value = BIT(11) },
	{ "APIC_BASE, x2APIC", 0x1b, .write = true, .value = BIT(10) },
	{ "APIC_BASE, x2APIC and off", 0x1b, .write = true, .must_fault = true, .value = BIT(10) | BIT(11) },
	{ "APIC_BASE, reserved", 0x1b, .write = true, .must_fault = true, .value = BIT(9) },
	{ "APIC_BASE, no address", 0x1b, .write = true, .must_fault = true, .value = BIT(62) },
	{ "MISC_ENABLE", 0x1a0, .write = true, .value = 1 },
	{ "MISC_ENABLE, BTS", 0x1a0, .write = true, .value = BIT(11) },
	{ "MISC_ENABLE, EMON", 0x1a0, .write = true, .value = 1 | BIT(7) },
	{ "PLATFORM_INFO", 0xce, .write = true, .must_fault = true, .value = BIT(31) },
	{ "UCODE_REV", 0x8b, .write = true, .value = 0 },
	{ "ARCH_CAPABILITIES", 0x10a, .write = true, .must_fault = true, .value = BIT(8) },
	{ "PRED_CMD", 0x49, .write = true, .value = 1 },
	{ "SPEC_CTRL, reserved", 0x48, .write = true, .value = BIT(40) },
	{ "PAT", 0x277, .write = true, .must_not = true, .value = 0x0606060606060606 },
	{ "PAT, reserved", 0x277, .write = true, .value = 2 },
	{ "TSC_ADJUST", 0x3b, .write = true, .value = BIT(32) },
	{ "none", 0x12345, .write = true, .must_fault = true, .value = 0 },
	{ "LSTAR, read", 0xc0000082, .must_not = true },
	{ "EFER, read", EFER, .must_not = true },
	{ "APIC_BASE, read", 0x1b, .must_not = true },
	{ "PRED_CMD, read", 0x49, .must_fault = true },
	{ "none, read", 0x12345, .must_fault = true },
};

static void access__on_a_guests_behalf__is_as_the_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		struct outcome theirs = by_guest(&rows[i]), ours = on_its_behalf(&rows[i]);

		print_message("%s: %s%s\n", rows[i].name, theirs.refused ? "refused" : "done", theirs.moved ? ", and moves the TSC" : "");
		if ((rows[i].must_fault && !theirs.refused) || (rows[i].must_not && theirs.refused))
			fail_msg("%s: this KVM does something else than any processor", rows[i].name);
		assert_int_equal(ours.refused, theirs.refused);
		assert_int_equal(ours.read, theirs.read);
		assert_int_equal(ours.has_after, theirs.has_after);
		assert_int_equal(ours.after, theirs.after);
		assert_int_equal(ours.moved, theirs.moved);
	}
}

/* What one access leaves in the processor that stands in is nothing to the next. */
static void access__after_others__is_as_the_first(void **state)
{
	struct gabi_kvm_machine *machine = new_machine();

	(void)state;
	start(machine, true, NULL);
	for (unsigned turn = 0; turn < 3; turn++) {
		for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
			uint64_t value = value_of(machine, &rows[i]);

			if (!rows[i].must_fault)
				continue;
			if (!gabi_kvm_vp_carry_out_msr(machine, 0, 0, rows[i].msr, rows[i].write, &value))
				fail_msg("%s: it is done the next time", rows[i].name);
			value = 0x1000 * (i + 1);
			assert_int_equal(gabi_kvm_vp_carry_out_msr(machine, 0, 0, 0xc0000082, 1, &value), 0);
		}
	}
	gabi_kvm_machine_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access__on_a_guests_behalf__is_as_the_guests),
		cmocka_unit_test(access__after_others__is_as_the_first),
	};
	int skipped = here_skip();

	return skipped ? skipped : cmocka_run_group_tests(tests, here_begin, here_end);
}
