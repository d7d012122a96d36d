/* SPDX-License-Identifier: MIT */
/*
 * The shim on Intel's processors. The nested guest's state is a VMCS in KVM's own form (struct vmcs12), which goes in and comes out by
 * KVM_SET_NESTED_STATE and KVM_GET_NESTED_STATE. So what an exit came for and the guest's registers are read there, and put back the same way.
 *
 * VMX leaves the guest at CPUID, XSETBV, INVD, INIT, task switches and triple faults, whether asked to or not, at its own instructions, and at accesses
 * of MSRs that have no place in its bitmap, as Hyper-V's.
 * It wants CR0.NE and CR4.VMXE set in the guest too: both are masked, and the guest reads what it wrote. Its accesses to the MSRs of VMX are exits.
 *
 * Outside of the nested guest NMIs are masked, for they would find no handler there.
 */
#include "shim_vendor.h"

#include <gabi/vmcs.h>

#include <asm/vmx.h>
#include <stddef.h>
#include <string.h>

enum { CR0_PE_ET = 0x11, CR0_NE = 1 << 5, CR4_PAE = 1 << 5, CR4_VMXE = 1 << 13, EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
#define CR0_PG ((uint64_t)1 << 31)

/* SDM volume 3, VM-Execution Control Fields and the following. */
enum {
	PROC_MSR_BITMAPS = 1 << 28, PROC2_EPT = 1 << 1, PROC2_RDTSCP = 1 << 3, PROC2_UNRESTRICTED = 1 << 7, PROC2_INVPCID = 1 << 12, PROC2_XSAVES = 1 << 20,
	PROC2_USER_WAIT = 1 << 26, EXIT_SAVE_DEBUG = 1 << 2, EXIT_HOST_64 = 1 << 9, EXIT_SAVE_EFER = 1 << 20, EXIT_LOAD_EFER = 1 << 21,
	ENTRY_LOAD_DEBUG = 1 << 2, ENTRY_GUEST_64 = 1 << 9, ENTRY_LOAD_EFER = 1 << 15, ENTRY_LOAD_BNDCFGS = 1 << 16,
	BLOCKED_BY_STI = 1 << 0, BLOCKED_BY_MOV_SS = 1 << 1, BLOCKED_BY_NMI = 1 << 3, EPT_WALK_4_WB = 3 << 3 | 6, FETCH = 1 << 2, UNUSABLE = 1 << 16,
};
#define PROC_SECONDARY ((uint32_t)1 << 31)

struct nested {
	union {
		struct kvm_nested_state head;
		unsigned char bytes[offsetof(struct kvm_nested_state, data) + GABI_VMCS_PAGE];
	};
};

static void *vmcs_of(struct nested *nested)
{
	return nested->bytes + offsetof(struct kvm_nested_state, data);
}

/* All fields that are named here stand in each form of the VMCS since Linux 4.18. */
static uint64_t get(const struct shim *shim, struct nested *nested, unsigned field)
{
	uint64_t value = 0;

	gabi_vmcs_get(shim->layout, vmcs_of(nested), field, &value);
	return value;
}

static void set(const struct shim *shim, struct nested *nested, unsigned field, uint64_t value)
{
	gabi_vmcs_set(shim->layout, vmcs_of(nested), field, value);
}

/* ---- a state to enter with ---- */

/* Words of controls, and what of each is wanted where KVM has it. */
static const struct {
	enum gabi_vmcs_word word;
	uint32_t wanted;
} words[] = {
	{ GABI_VMCS_WORD_PIN, 0 },
	{ GABI_VMCS_WORD_PROC, PROC_MSR_BITMAPS | PROC_SECONDARY },
	{ GABI_VMCS_WORD_PROC2, PROC2_EPT | PROC2_RDTSCP | PROC2_UNRESTRICTED | PROC2_INVPCID | PROC2_XSAVES | PROC2_USER_WAIT },
	{ GABI_VMCS_WORD_EXIT, EXIT_SAVE_DEBUG | EXIT_HOST_64 | EXIT_SAVE_EFER | EXIT_LOAD_EFER },
	{ GABI_VMCS_WORD_ENTRY, ENTRY_LOAD_DEBUG | ENTRY_GUEST_64 | ENTRY_LOAD_EFER | ENTRY_LOAD_BNDCFGS },
};

/* What must be 1 is the lower half of the MSR, and what may be the upper: SDM volume 3, appendix A. */
static int put_words(const struct shim *shim, int vcpu, bool long_mode, struct nested *nested)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[GABI_COUNT_OF(words)];
	} may = { .head.nmsrs = GABI_COUNT_OF(words) };

	for (size_t i = 0; i < GABI_COUNT_OF(words); i++) {
		const struct gabi_vmcs_control *control = gabi_vmcs_control(words[i].word);

		may.entry[i].index = control->true_msr ? control->true_msr : control->msr;
	}
	if (kvm_ioctl(vcpu, KVM_GET_MSRS, &may) != GABI_COUNT_OF(words))
		return -1;
	for (size_t i = 0; i < GABI_COUNT_OF(words); i++) {
		uint32_t wanted = words[i].wanted & ~(words[i].word == GABI_VMCS_WORD_ENTRY && !long_mode ? ENTRY_GUEST_64 : 0);

		set(shim, nested, gabi_vmcs_control(words[i].word)->id, (wanted & may.entry[i].data >> 32) | (uint32_t)may.entry[i].data);
	}
	return 0;
}

static void put_controls(const struct shim *shim, struct nested *nested)
{
	set(shim, nested, GABI_VMCS_CR0_GUEST_HOST_MASK, CR0_NE);
	set(shim, nested, GABI_VMCS_CR4_GUEST_HOST_MASK, CR4_VMXE);
	set(shim, nested, GABI_VMCS_MSR_BITMAP, shim_page_gpa(&shim->pages, SHIM_ZEROS));
	set(shim, nested, GABI_VMCS_EPT_POINTER, shim->pages.root | EPT_WALK_4_WB);
	set(shim, nested, GABI_VMCS_VMCS_LINK_POINTER, UINT64_MAX);
}

/* What runs when it is not the nested guest: 64-bit code from address 0 on. */
static void put_outside(const struct shim *shim, struct nested *nested)
{
	enum { CODE = 8, DATA = 16, TASK = 24 };

	set(shim, nested, GABI_VMCS_HOST_CR0, CR0_PG | CR0_PE_ET | CR0_NE);
	set(shim, nested, GABI_VMCS_HOST_CR3, shim_page_gpa(&shim->pages, SHIM_TOP));
	set(shim, nested, GABI_VMCS_HOST_CR4, CR4_PAE | CR4_VMXE);
	set(shim, nested, GABI_VMCS_HOST_IA32_EFER, EFER_LME | EFER_LMA);
	set(shim, nested, GABI_VMCS_HOST_CS_SELECTOR, CODE);
	set(shim, nested, GABI_VMCS_HOST_SS_SELECTOR, DATA);
	set(shim, nested, GABI_VMCS_HOST_DS_SELECTOR, DATA);
	set(shim, nested, GABI_VMCS_HOST_ES_SELECTOR, DATA);
	set(shim, nested, GABI_VMCS_HOST_TR_SELECTOR, TASK);
}

static uint32_t access_rights(const struct kvm_segment *from)
{
	if (from->unusable || !from->present)
		return UNUSABLE;
	return from->type | (uint32_t)from->s << 4 | (uint32_t)from->dpl << 5 | (uint32_t)from->present << 7 | (uint32_t)from->avl << 12 |
	       (uint32_t)from->l << 13 | (uint32_t)from->db << 14 | (uint32_t)from->g << 15;
}

static void put_segments(const struct shim *shim, const struct kvm_sregs2 *sregs, struct nested *nested)
{
	const struct {
		const struct kvm_segment *from;
		uint16_t selector, limit, rights, base;
	} rows[] = {
#define ROW(name, member) \
	{ &sregs->member, GABI_VMCS_GUEST_##name##_SELECTOR, GABI_VMCS_GUEST_##name##_LIMIT, GABI_VMCS_GUEST_##name##_AR_BYTES, GABI_VMCS_GUEST_##name##_BASE }
		ROW(ES, es), ROW(CS, cs), ROW(SS, ss), ROW(DS, ds), ROW(FS, fs), ROW(GS, gs), ROW(LDTR, ldt), ROW(TR, tr),
#undef ROW
	};

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		set(shim, nested, rows[i].selector, rows[i].from->selector);
		set(shim, nested, rows[i].limit, rows[i].from->limit);
		set(shim, nested, rows[i].rights, access_rights(rows[i].from));
		set(shim, nested, rows[i].base, rows[i].from->base);
	}
	set(shim, nested, GABI_VMCS_GUEST_GDTR_BASE, sregs->gdt.base);
	set(shim, nested, GABI_VMCS_GUEST_GDTR_LIMIT, sregs->gdt.limit);
	set(shim, nested, GABI_VMCS_GUEST_IDTR_BASE, sregs->idt.base);
	set(shim, nested, GABI_VMCS_GUEST_IDTR_LIMIT, sregs->idt.limit);
}

static void put_special(const struct shim *shim, const struct kvm_sregs2 *sregs, struct nested *nested)
{
	static const uint16_t pdptrs[] = { GABI_VMCS_GUEST_PDPTR0, GABI_VMCS_GUEST_PDPTR1, GABI_VMCS_GUEST_PDPTR2, GABI_VMCS_GUEST_PDPTR3 };

	set(shim, nested, GABI_VMCS_GUEST_CR0, sregs->cr0 | CR0_NE);
	set(shim, nested, GABI_VMCS_CR0_READ_SHADOW, sregs->cr0 & CR0_NE);
	set(shim, nested, GABI_VMCS_GUEST_CR3, sregs->cr3);
	set(shim, nested, GABI_VMCS_GUEST_CR4, sregs->cr4 | CR4_VMXE);
	set(shim, nested, GABI_VMCS_GUEST_IA32_EFER, sregs->efer);
	for (size_t i = 0; i < GABI_COUNT_OF(pdptrs) && sregs->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID; i++)
		set(shim, nested, pdptrs[i], sregs->pdptrs[i]);
}

/* What nesting takes from the VMCS, and KVM does not have among the registers. The last is not on each processor. */
static const uint32_t saved[] = { 0x174, 0x175, 0x176, 0x1d9, 0xd90 };
static const uint16_t saved_at[] = {
	GABI_VMCS_GUEST_SYSENTER_CS, GABI_VMCS_GUEST_SYSENTER_ESP, GABI_VMCS_GUEST_SYSENTER_EIP, GABI_VMCS_GUEST_IA32_DEBUGCTL, GABI_VMCS_GUEST_BNDCFGS,
};
_Static_assert(GABI_COUNT_OF(saved) == GABI_COUNT_OF(saved_at) && GABI_COUNT_OF(saved) <= SHIM_SAVED_MAX, "a field for each");

static void put_msrs(const struct shim *shim, int vcpu, struct nested *nested)
{
	struct shim_saved msrs;

	shim_save_msrs(shim, vcpu, &msrs);
	for (uint32_t i = 0; i < msrs.head.nmsrs; i++)
		set(shim, nested, saved_at[i], msrs.entry[i].data);
}

static uint64_t blocked(const struct kvm_vcpu_events *events)
{
	enum { MOV_SS = 1, STI = 2 };

	return (events->interrupt.shadow & STI ? BLOCKED_BY_STI : events->interrupt.shadow & MOV_SS ? BLOCKED_BY_MOV_SS : 0) |
	       (events->nmi.masked ? BLOCKED_BY_NMI : 0);
}

/* ---- in and out ---- */

static int set_nested(const struct shim *shim, int vcpu, unsigned vp, struct nested *nested)
{
	nested->head = (struct kvm_nested_state){
		.flags = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING, .format = KVM_STATE_NESTED_FORMAT_VMX, .size = sizeof(*nested),
	};
	nested->head.hdr.vmx.vmxon_pa = shim_page_gpa(&shim->pages, SHIM_CODE); /* nobody looks there */
	nested->head.hdr.vmx.vmcs12_pa = shim_page_gpa(&shim->pages, SHIM_STATES + vp);
	return kvm_ioctl(vcpu, KVM_SET_NESTED_STATE, nested);
}

/* Where the monitor looks for the guest's registers. */
static int read_registers(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);

	run->kvm_valid_regs |= KVM_SYNC_X86_SREGS;
	return kvm_ioctl(vcpu, KVM_GET_REGS, &run->s.regs.regs) || kvm_ioctl(vcpu, KVM_GET_SREGS, &run->s.regs.sregs) ? -1 : 0;
}

/* What is to be set with the next run is set, for KVM to give it back in the form that it runs with. */
static int settle_registers(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	struct kvm_sregs sregs = run->s.regs.sregs;
	struct kvm_regs regs = run->s.regs.regs;

	if (run->kvm_dirty_regs & KVM_SYNC_X86_SREGS && shim_set_special(machine, vp, vtl, &sregs))
		return -1;
	return run->kvm_dirty_regs & KVM_SYNC_X86_REGS ? shim_set_general(machine, vp, vtl, &regs) : 0;
}

static int mask_nmis(int vcpu, struct kvm_vcpu_events events)
{
	events.flags = 0;
	events.nmi.masked = 1;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

static int enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);
	struct kvm_vcpu_events events;
	struct kvm_debugregs debug;
	struct kvm_sregs2 sregs;
	struct kvm_regs regs;
	struct nested nested;

	if (settle_registers(machine, vp, vtl) || kvm_ioctl(vcpu, KVM_GET_SREGS2, &sregs) || kvm_ioctl(vcpu, KVM_GET_REGS, &regs) ||
	    kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debug) || kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events) || mask_nmis(vcpu, events))
		return -1;
	gabi_vmcs_init(shim->layout, 0, vmcs_of(&nested));
	if (put_words(shim, vcpu, sregs.efer & EFER_LMA, &nested))
		return -1;
	put_controls(shim, &nested);
	put_outside(shim, &nested);
	put_segments(shim, &sregs, &nested);
	put_special(shim, &sregs, &nested);
	put_msrs(shim, vcpu, &nested);
	set(shim, &nested, GABI_VMCS_GUEST_RSP, regs.rsp);
	set(shim, &nested, GABI_VMCS_GUEST_RIP, regs.rip);
	set(shim, &nested, GABI_VMCS_GUEST_RFLAGS, regs.rflags);
	set(shim, &nested, GABI_VMCS_GUEST_DR7, debug.dr7);
	set(shim, &nested, GABI_VMCS_GUEST_INTERRUPTIBILITY_INFO, blocked(&events));
	shim->vp[vp].numeric_error = sregs.cr0 & CR0_NE;
	shim->vp[vp].stale = false;
	return set_nested(shim, vcpu, vp, &nested) ? -1 : read_registers(machine, vp, vtl);
}

static int leave(int vcpu)
{
	struct kvm_nested_state none = { .format = KVM_STATE_NESTED_FORMAT_VMX, .size = sizeof(none) };

	none.hdr.vmx.vmxon_pa = none.hdr.vmx.vmcs12_pa = UINT64_MAX;
	return kvm_ioctl(vcpu, KVM_SET_NESTED_STATE, &none);
}

/* INIT is an exit always, and ends nothing. */
static bool is_inside(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return shim_of(machine, vtl)->vp[vp].inside;
}

static int drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	(void)vp;
	(void)vtl;
	return 0;
}

/* Setting the special registers of a nested guest shows it what KVM has in CR0 and CR4. */
static bool is_stale(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return shim_of(machine, vtl)->vp[vp].stale || run_of(machine, vp, vtl)->kvm_dirty_regs & KVM_SYNC_X86_SREGS;
}

/* ---- what left the nested guest ---- */

/* It has changed NE: the instruction is executed again, with a mask that lets it pass. Nothing else of CR0 is an exit, and of CR4 VMXE alone. */
static enum shim_why cr_write(struct shim_vp *vp, uint64_t qualification)
{
	if (qualification & 15)
		return SHIM_REFUSED;
	vp->numeric_error = !vp->numeric_error;
	return SHIM_DONE;
}

static enum shim_why why_left(struct shim_vp *vp, uint32_t reason, uint64_t qualification)
{
	enum { GETSEC = 11 /* <asm/vmx.h> has it not */ };

	switch (reason) {
	case EXIT_REASON_EPT_VIOLATION: return qualification & FETCH ? SHIM_FETCH : SHIM_BEYOND;
	case EXIT_REASON_INIT_SIGNAL: return SHIM_INIT;
	case EXIT_REASON_CPUID: return SHIM_CPUID;
	case EXIT_REASON_XSETBV: return SHIM_XSETBV;
	case EXIT_REASON_INVD: return SHIM_SKIPPED;
	case EXIT_REASON_MSR_READ: return SHIM_RDMSR;
	case EXIT_REASON_MSR_WRITE: return SHIM_WRMSR;
	case EXIT_REASON_CR_ACCESS: return cr_write(vp, qualification);
	case EXIT_REASON_TASK_SWITCH: return SHIM_TASK;
	case EXIT_REASON_TRIPLE_FAULT: return SHIM_CRASHED;
	case GETSEC:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID: return SHIM_UNDEFINED;
	default: return reason >= EXIT_REASON_VMCALL && reason <= EXIT_REASON_VMON ? SHIM_UNDEFINED : SHIM_UNKNOWN;
	}
}

static struct shim_left left_for(const struct shim *shim, struct shim_vp *vp, struct nested *nested)
{
	uint32_t reason = (uint32_t)get(shim, nested, GABI_VMCS_VM_EXIT_REASON);
	uint64_t qualification = get(shim, nested, GABI_VMCS_EXIT_QUALIFICATION);

	return (struct shim_left){
		.why = why_left(vp, reason, qualification),
		.length = (unsigned)get(shim, nested, GABI_VMCS_VM_EXIT_INSTRUCTION_LEN),
		.number = reason == EXIT_REASON_TASK_SWITCH ? (uint16_t)qualification : reason,
		.gpa = get(shim, nested, GABI_VMCS_GUEST_PHYSICAL_ADDRESS),
		.event = get(shim, nested, GABI_VMCS_IDT_VECTORING_INFO_FIELD) | get(shim, nested, GABI_VMCS_IDT_VECTORING_ERROR_CODE) << 32,
	};
}

/* A guest may have put its own page tables there, and run at the same address. */
static bool seems_outside(const struct shim *shim, const struct kvm_run *run)
{
	return !run->s.regs.regs.rip && run->s.regs.sregs.cr3 == shim_page_gpa(&shim->pages, SHIM_TOP);
}

static int put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct shim_left *ret_left)
{
	struct shim *shim = shim_of(machine, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);
	struct nested nested;

	if (!seems_outside(shim, run_of(machine, vp, vtl)))
		return 0;
	nested.head = (struct kvm_nested_state){ .size = sizeof(nested) };
	if (kvm_ioctl(vcpu, KVM_GET_NESTED_STATE, &nested))
		return -1;
	if (nested.head.flags & KVM_STATE_NESTED_GUEST_MODE)
		return 0;
	*ret_left = left_for(shim, &shim->vp[vp], &nested);
	set(shim, &nested, GABI_VMCS_CR0_READ_SHADOW, shim->vp[vp].numeric_error ? CR0_NE : 0);
	set(shim, &nested, GABI_VMCS_GUEST_ACTIVITY_STATE, 0);
	if (shim_finish_out(machine, vp, vtl) || set_nested(shim, vcpu, vp, &nested))
		return -1;
	return read_registers(machine, vp, vtl);
}

/* ---- what the guest sees ---- */

/* CR4.VMXE is set in a nested guest and in no other. */
static void show(const struct shim *shim, unsigned vp, struct kvm_sregs *sregs)
{
	if (!(sregs->cr4 & CR4_VMXE))
		return;
	sregs->cr4 &= ~(uint64_t)CR4_VMXE;
	if (!shim->vp[vp].numeric_error)
		sregs->cr0 &= ~(uint64_t)CR0_NE;
}

static void hide(struct shim *shim, unsigned vp, const struct kvm_sregs *before, struct kvm_sregs *sregs)
{
	if (!(before->cr4 & CR4_VMXE))
		return;
	shim->vp[vp].numeric_error = sregs->cr0 & CR0_NE;
	shim->vp[vp].stale = true;
	sregs->cr0 |= CR0_NE;
	sregs->cr4 |= CR4_VMXE;
}

enum { MSR_FEATURE_CONTROL = 0x3a, FEATURES_LOCKED = 1, FEATURES_VMX = 6, MSR_VMX_FIRST = 0x480, MSR_VMX_COUNT = 0x12 };
static const struct gabi_kvm_msrs msrs[] = {
	{ .first = MSR_FEATURE_CONTROL, .count = 1, .writes = 1 }, { .first = MSR_VMX_FIRST, .count = MSR_VMX_COUNT, .reads = 1, .writes = 1 },
};

/* None of VMX's is there, and nothing switches it on. */
static bool take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run)
{
	uint64_t value = 0;

	run->msr.error = run->msr.index != MSR_FEATURE_CONTROL || run->msr.data & FEATURES_VMX ||
			 gabi_kvm_vp_get_msr(machine, vp, vtl, MSR_FEATURE_CONTROL, &value) || value & FEATURES_LOCKED ||
			 gabi_kvm_vp_set_msr(machine, vp, vtl, MSR_FEATURE_CONTROL, run->msr.data);
	return true;
}

/* ---- all of it ---- */

const struct shim_vendor shim_vmx = {
	.cpuid = {
		.given = { { 1, 1 << 5, GABI_ECX } }, .count = 1, .msr = 0x48b, .msr_bits = (uint64_t)(PROC2_EPT | PROC2_UNRESTRICTED) << 32, .falls_back = true,
		.promised = "the contract promises nested virtualization (vmx), which the protection of execution takes for itself",
		.absent = "execution can be protected only where KVM nests Intel's virtualization, with EPT and unrestricted guests: kvm_intel.nested=1",
	},
	/* SDM volume 3, EPT: readable, writable, executable; write-back memory. KVM notes no accesses and writes, since the EPT pointer does not ask for it. */
	.format = { .table = 0x7, .executes = 0x37, .only_data = 0x33 },
	.msrs = msrs, .msr_count = GABI_COUNT_OF(msrs), .saved = saved, .saved_count = GABI_COUNT_OF(saved),
	.enter = enter, .leave = leave, .is_inside = is_inside, .is_stale = is_stale, .drop_init = drop_init, .put_back = put_back,
	.show = show, .hide = hide, .take_msr = take_msr,
};
