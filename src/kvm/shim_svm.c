/* SPDX-License-Identifier: MIT */
/*
 * The shim on AMD's processors. The nested guest intercepts nothing but what would show that it is one: CPUID, in which KVM has to be told of SVM for it
 * to nest at all, and SVM's instructions. On an exit the global interrupt flag is clear. The VMCB says whether there was one; what of the guest's
 * registers KVM keeps in there is put back, and the rest is where it was.
 */
#include "shim_vendor.h"

#include <asm/svm.h>
#include <stddef.h>
#include <string.h>

enum {
	HERE = 0x0badc0de /* an exit code that no processor has */, EFER_NESTS = 1 << 12, EFER_NX = 1 << 11, EFER_LME = 1 << 8, EFER_LMA = 1 << 10,
	CR0_PE_ET = 0x11, CR4_PAE = 1 << 5, DR7_CLEAR = 0x400, RFLAGS_CLEAR = 2,
};
#define CR0_PG   ((uint64_t)1 << 31)
#define MSR_EFER 0xc0000080u

/* AMD64 APM volume 2, appendix B: what of it is used here. */
struct vmcb_segment {
	uint16_t selector, attributes;
	uint32_t limit;
	uint64_t base;
};
struct vmcb {
	uint32_t intercept[6];
	uint8_t none0[0x58 - 0x18];
	uint32_t asid;
	uint8_t none1[0x68 - 0x5c];
	uint64_t shadow, exit, info1, info2, event; /* event: that was on its way in */
	uint64_t nested;
	uint8_t none2[0xb0 - 0x98];
	uint64_t nested_cr3;
	uint8_t none3[0x400 - 0xb8];
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t none4[0x4cb - 0x4a0];
	uint8_t cpl, none5[4];
	uint64_t efer;
	uint8_t none6[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t none7[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t none8[0x5f8 - 0x5e0];
	uint64_t rax;
	uint8_t none9[0x640 - 0x600];
	uint64_t cr2;
	uint8_t none10[0x1000 - 0x648];
};
_Static_assert(offsetof(struct vmcb, exit) == 0x70 && offsetof(struct vmcb, nested_cr3) == 0xb0 && offsetof(struct vmcb, es) == 0x400,
	       "as the APM has it");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0 && offsetof(struct vmcb, rsp) == 0x5d8 && offsetof(struct vmcb, cr2) == 0x640,
	       "as the APM has it");
_Static_assert(sizeof(struct vmcb) == KVM_STATE_NESTED_SVM_VMCB_SIZE, "a page");

/* What of `intercept` asks for exits. */
enum { WORD3 = 3, INIT = 1 << 3, CPUID_INVLPGA = 1 << 18 | 1 << 26, WORD4 = 4, SVM_INSTRUCTIONS = 0x7f };

static struct vmcb *vmcb_of(const struct shim *shim, unsigned vp)
{
	return shim_page(&shim->pages, SHIM_STATES + vp);
}

static struct kvm_segment from_vmcb(const struct vmcb_segment *from)
{
	unsigned bits = from->attributes;

	return (struct kvm_segment){
		.base = from->base, .limit = from->limit, .selector = from->selector, .type = bits & 15, .s = bits >> 4 & 1, .dpl = bits >> 5 & 3,
		.present = bits >> 7 & 1, .avl = bits >> 8 & 1, .l = bits >> 9 & 1, .db = bits >> 10 & 1, .g = bits >> 11 & 1,
		.unusable = !(bits >> 7 & 1),
	};
}

/* What runs when it is not the nested guest: 64-bit code in the shim's own GiB. */
static void put_outside(const struct shim *shim, struct vmcb *vmcb)
{
	enum { CODE = 0xa9b, DATA = 0xc93 };

	vmcb->cs = (struct vmcb_segment){ 8, CODE, UINT32_MAX, 0 };
	vmcb->ss = vmcb->ds = vmcb->es = (struct vmcb_segment){ 16, DATA, UINT32_MAX, 0 };
	vmcb->efer = EFER_NESTS | EFER_NX | EFER_LME | EFER_LMA;
	vmcb->cr0 = CR0_PG | CR0_PE_ET;
	vmcb->cr3 = shim_page_gpa(&shim->pages, SHIM_TOP);
	vmcb->cr4 = CR4_PAE;
	vmcb->dr6 = 0xffff0ff0;
	vmcb->dr7 = DR7_CLEAR;
	vmcb->rflags = RFLAGS_CLEAR;
}

static int set_nested(int vcpu, uint32_t flags, uint64_t gpa, const struct vmcb *vmcb)
{
	struct {
		struct kvm_nested_state head;
		struct vmcb vmcb;
	} state = { .head = { .flags = KVM_STATE_NESTED_GIF_SET | flags, .format = KVM_STATE_NESTED_FORMAT_SVM } };

	state.head.size = offsetof(struct kvm_nested_state, data) + (vmcb ? sizeof(*vmcb) : 0);
	state.head.hdr.svm.vmcb_pa = gpa;
	if (vmcb)
		memcpy((unsigned char *)&state + offsetof(struct kvm_nested_state, data), vmcb, sizeof(*vmcb));
	return kvm_ioctl(vcpu, KVM_SET_NESTED_STATE, &state);
}

/* KVM has the guest's registers, as if there were no shim, but for EFER, which says that it nests. */
static int nest(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t shadow)
{
	const struct shim *shim = shim_of(machine, vtl);
	struct vmcb state = {
		.intercept = { [WORD3] = CPUID_INVLPGA | (shim->vp[vp].drops_init ? INIT : 0), [WORD4] = SVM_INSTRUCTIONS },
		.asid = 1, .shadow = shadow, .nested = 1, .nested_cr3 = shim->pages.root,
	};

	put_outside(shim, &state);
	vmcb_of(shim, vp)->exit = HERE;
	return set_nested(vcpu_of(machine, vp, vtl), KVM_STATE_NESTED_GUEST_MODE, shim_page_gpa(&shim->pages, SHIM_STATES + vp), &state);
}

/* What KVM keeps in the VMCB of a guest that is left; the rest of its registers is where it was. */
static void take_special(const struct vmcb *vmcb, struct kvm_sregs *sregs)
{
	sregs->es = from_vmcb(&vmcb->es);
	sregs->cs = from_vmcb(&vmcb->cs);
	sregs->ss = from_vmcb(&vmcb->ss);
	sregs->ds = from_vmcb(&vmcb->ds);
	sregs->ss.dpl = vmcb->cpl;
	sregs->gdt = (struct kvm_dtable){ .base = vmcb->gdtr.base, .limit = (uint16_t)vmcb->gdtr.limit };
	sregs->idt = (struct kvm_dtable){ .base = vmcb->idtr.base, .limit = (uint16_t)vmcb->idtr.limit };
	sregs->efer = vmcb->efer | EFER_NESTS;
	sregs->cr0 = vmcb->cr0;
	sregs->cr2 = vmcb->cr2;
	sregs->cr3 = vmcb->cr3;
	sregs->cr4 = vmcb->cr4;
}

static int put_registers_back(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct vmcb *vmcb)
{
	int vcpu = vcpu_of(machine, vp, vtl);
	struct kvm_debugregs debug;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs) || kvm_ioctl(vcpu, KVM_GET_REGS, &regs))
		return -1;
	take_special(vmcb, &sregs);
	regs.rax = vmcb->rax;
	regs.rsp = vmcb->rsp;
	regs.rip = vmcb->rip;
	regs.rflags = vmcb->rflags;
	if (shim_set_special(machine, vp, vtl, &sregs) || shim_set_general(machine, vp, vtl, &regs))
		return -1;
	if (vmcb->dr7 == DR7_CLEAR)
		return 0;
	if (kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debug))
		return -1;
	debug.dr7 = vmcb->dr7;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &debug);
}

static enum shim_why why_left(const struct vmcb *vmcb)
{
	enum { FETCH = 1 << 4 };

	switch (vmcb->exit) {
	case SVM_EXIT_NPF: return vmcb->info1 & FETCH ? SHIM_FETCH : SHIM_BEYOND;
	case SVM_EXIT_INIT: return SHIM_INIT;
	case SVM_EXIT_CPUID: return SHIM_CPUID;
	case SVM_EXIT_INVLPGA: return SHIM_UNDEFINED;
	default: return vmcb->exit >= SVM_EXIT_VMRUN && vmcb->exit <= SVM_EXIT_SKINIT ? SHIM_UNDEFINED : SHIM_UNKNOWN;
	}
}

static int put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct shim_left *ret_left)
{
	struct vmcb left = *vmcb_of(shim_of(machine, vtl), vp);

	if (left.exit == HERE)
		return 0;
	*ret_left = (struct shim_left){ .why = why_left(&left), .number = (uint32_t)left.exit, .gpa = left.info2, .event = left.event };
	if (shim_finish_out(machine, vp, vtl) || put_registers_back(machine, vp, vtl, &left))
		return -1;
	return nest(machine, vp, vtl, left.shadow & 1);
}

static int enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_VCPU_EVENTS, &events) || shim_get_special(machine, vp, vtl, &sregs))
		return -1;
	sregs.efer |= EFER_NESTS;
	return shim_set_special(machine, vp, vtl, &sregs) || nest(machine, vp, vtl, events.interrupt.shadow != 0) ? -1 : 0;
}

static int leave(int vcpu)
{
	return set_nested(vcpu, 0, 0, NULL);
}

static bool is_inside(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_sregs sregs;

	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &sregs) || sregs.efer & EFER_NESTS;
}

static bool is_stale(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	(void)vp;
	(void)vtl;
	return false;
}

static int drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_vcpu_events events;

	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_VCPU_EVENTS, &events) || nest(machine, vp, vtl, events.interrupt.shadow != 0) ? -1 : 0;
}

/* ---- EFER, which says that it nests ---- */

static void show(const struct shim *shim, unsigned vp, struct kvm_sregs *sregs)
{
	(void)shim;
	(void)vp;
	sregs->efer &= ~(uint64_t)EFER_NESTS;
}

static void hide(struct shim *shim, unsigned vp, const struct kvm_sregs *before, struct kvm_sregs *sregs)
{
	(void)shim;
	(void)vp;
	sregs->efer |= before->efer & EFER_NESTS;
}

static bool take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run)
{
	bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;
	uint64_t value = 0;

	if (machine->level[vtl].efer_wanted >> write & 1)
		return false;
	if (write) {
		run->msr.error = gabi_kvm_vp_set_msr(machine, vp, vtl, MSR_EFER, run->msr.data) != 0;
	} else {
		run->msr.error = gabi_kvm_vp_get_msr(machine, vp, vtl, MSR_EFER, &value) != 0;
		run->msr.data = value;
	}
	return true;
}

static const struct gabi_kvm_msrs msrs[] = { { .first = MSR_EFER, .count = 1, .reads = 1, .writes = 1 } };

/* ---- all of it ---- */

const struct shim_vendor shim_svm = {
	/* What KVM goes by when a guest nests: SVM, pages of 1 GiB in its tables, and from Linux 7.0 on, nested paging. */
	.cpuid = {
		.given = { { 0x80000001, 1 << 2, GABI_ECX }, { 0x80000001, 1 << 26, GABI_EDX }, { 0x8000000a, 1, GABI_EDX } }, .count = 3,
		.promised = "the contract promises nested virtualization (svm), which the protection of execution takes for itself",
		.absent = "execution can be protected only where KVM nests AMD's virtualization, with pages of 1 GiB: kvm_amd.nested=1",
	},
	/* AMD64 APM volume 2, nested paging: each access is one of a user. KVM would note accesses and writes, were they not noted already. */
	.format = { .table = 0x27, .executes = 0x67, .only_data = 0x67 | (uint64_t)1 << 63 },
	.msrs = msrs, .msr_count = GABI_COUNT_OF(msrs),
	.efer = EFER_NESTS,
	.enter = enter, .leave = leave, .is_inside = is_inside, .is_stale = is_stale, .drop_init = drop_init, .put_back = put_back,
	.show = show, .hide = hide, .take_msr = take_msr,
};
