/* SPDX-License-Identifier: MIT */
/*
 * The nested guest intercepts nothing but what would show that it is one: CPUID, in which KVM has to be told of SVM for it to nest at all, and
 * SVM's instructions. All else KVM does for it as for any guest: interrupts go straight in, its ports, MSRs, HLT and devices never leave to the monitor
 * by another way than they did. What remains is the nested page fault of an instruction fetch.
 *
 * On such an exit KVM goes on at an OUT in 64-bit mode with interrupts held back, whose page nobody else reaches. Behind each KVM_RUN the VMCB
 * says whether that happened; then the guest's registers are put back from there, and KVM_SET_NESTED_STATE makes it a nested guest again.
 * No instruction of the guest has run meanwhile.
 *
 * INIT takes a processor out of its nested guest, and a startup IPI makes it run within the first MiB. There KVM has no memory but under another
 * address, to which the nested tables alone lead. So it gets nowhere, KVM says so, and it is made a nested guest before its first instruction.
 */
#include "shim.h"

#include "machine.h"
#include "shim_cpuid.h"
#include "shim_pages.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	SLOT = MEMORY_PARTS, HERE = 0x0badc0de /* an exit code that no processor has */, NO_ADDRESS_BITS = 36,
	EFER_NESTS = 1 << 12, EFER_NX = 1 << 11, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, CR0_PE_ET = 0x11, CR4_PAE = 1 << 5, DR7_CLEAR = 0x400,
	RFLAGS_CLEAR = 2, RFLAGS_TF = 1 << 8,
};
#define CR0_PG   ((uint64_t)1 << 31)
#define MSR_EFER 0xc0000080u

/* What an exit goes on with: OUT, to a port that nothing of KVM's has. */
static const unsigned char code[] = { 0xe6, 0xf1 };

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
	uint64_t shadow, exit, info1, info2, event;
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

/* Exits, and the bits of `intercept` that ask for them. */
enum { EXIT_INIT = 0x63, EXIT_CPUID = 0x72, EXIT_INVLPGA = 0x7a, EXIT_VMRUN = 0x80, EXIT_SKINIT = 0x86, EXIT_NPF = 0x400 };
enum { WORD3 = 3, INIT = 1 << 3, CPUID_INVLPGA = 1 << 18 | 1 << 26, WORD4 = 4, SVM_INSTRUCTIONS = 0x7f };

struct shim {
	struct gabi_mem mem;
	struct shim_pages pages;
	uint64_t refused_efer; /* bits that the guest's processor does not have */
	struct shim_cpuid cpuid;
	struct shim_vp {
		bool inside;     /* it is a nested guest, unless INIT has ended that */
		bool drops_init;
	} *vp;
};

static struct shim *shim_of(const struct gabi_kvm_machine *machine, unsigned vtl)
{
	return machine->level[vtl].shim;
}

static struct vmcb *vmcb_of(const struct shim *shim, unsigned vp)
{
	return shim_page(&shim->pages, SHIM_VMCBS + vp);
}

/* ---- a processor's registers, as KVM has them or will have with the next run ---- */

static int get_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *ret)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);

	if (!(run->kvm_dirty_regs & KVM_SYNC_X86_SREGS))
		return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, ret);
	*ret = run->s.regs.sregs;
	return 0;
}

static int set_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *sregs)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	run->s.regs.sregs = *sregs;
	run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_SREGS;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_SREGS, sregs);
}

static int set_general(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_regs *regs)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	run->s.regs.regs = *regs;
	run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_REGS;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_REGS, regs);
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

/* ---- in and out ---- */

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
	return set_nested(vcpu_of(machine, vp, vtl), KVM_STATE_NESTED_GUEST_MODE, shim_page_gpa(&shim->pages, SHIM_VMCBS + vp), &state);
}

static bool waits_for_startup(int vcpu)
{
	struct kvm_mp_state state;

	return !kvm_ioctl(vcpu, KVM_GET_MP_STATE, &state) &&
	       (state.mp_state == KVM_MP_STATE_UNINITIALIZED || state.mp_state == KVM_MP_STATE_INIT_RECEIVED);
}

int shim_enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	int vcpu;

	if (!shim || shim->vp[vp].inside)
		return 0;
	vcpu = vcpu_of(machine, vp, vtl);
	if (waits_for_startup(vcpu))
		return 0;
	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events) || get_special(machine, vp, vtl, &sregs))
		return -1;
	sregs.efer |= EFER_NESTS;
	if (set_special(machine, vp, vtl, &sregs) || nest(machine, vp, vtl, events.interrupt.shadow != 0))
		return -1;
	shim->vp[vp].inside = true;
	return 0;
}

/* What leaving a nested guest loses, read before and set behind it. */
struct plain {
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
};

static int get_plain(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct plain *plain)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);

	if (get_special(machine, vp, vtl, &plain->sregs) || kvm_ioctl(vcpu, KVM_GET_REGS, &plain->regs) ||
	    kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &plain->debug) || kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &plain->events))
		return -1;
	if (run->kvm_dirty_regs & KVM_SYNC_X86_REGS)
		plain->regs = run->s.regs.regs;
	plain->sregs.efer &= ~(uint64_t)EFER_NESTS;
	return 0;
}

static int set_plain(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct plain *plain)
{
	int vcpu = vcpu_of(machine, vp, vtl);

	if (set_nested(vcpu, 0, 0, NULL) || set_special(machine, vp, vtl, &plain->sregs) || set_general(machine, vp, vtl, &plain->regs))
		return -1;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &plain->debug) || kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &plain->events) ? -1 : 0;
}

/* INIT may have ended it: then EFER says so. */
static bool is_inside(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);
	struct kvm_sregs sregs;

	if (!shim || !shim->vp[vp].inside)
		return false;
	shim->vp[vp].inside = kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &sregs) || sregs.efer & EFER_NESTS;
	return shim->vp[vp].inside;
}

int shim_leave(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct plain plain;

	if (!is_inside(machine, vp, vtl))
		return 0;
	if (get_plain(machine, vp, vtl, &plain) || set_plain(machine, vp, vtl, &plain))
		return -1;
	shim_of(machine, vtl)->vp[vp].inside = false;
	return 0;
}

int gabi_kvm_vp_drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = is_there(machine, vp, vtl) ? shim_of(machine, vtl) : NULL;
	struct kvm_vcpu_events events;

	if (!shim)
		return GABI_ERR_UNSUPPORTED;
	shim->vp[vp].drops_init = true;
	if (!is_inside(machine, vp, vtl))
		return 0;
	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_VCPU_EVENTS, &events) || nest(machine, vp, vtl, events.interrupt.shadow != 0))
		return GABI_ERR_KVM;
	return 0;
}

/* ---- what left the nested guest ---- */

static bool has_left(const struct shim *shim, unsigned vp)
{
	return shim && shim->vp[vp].inside && vmcb_of(shim, vp)->exit != HERE;
}

/* The OUT is carried out first, or KVM would go on to the next instruction later, wherever that is then. */
static int finish_out(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int ret, saved;

	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ret = ioctl(vcpu_of(machine, vp, vtl), KVM_RUN, 0);
	saved = errno;
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&machine->call[vp].kicked))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	return ret && saved == EINTR ? 0 : -1;
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
	if (set_special(machine, vp, vtl, &sregs) || set_general(machine, vp, vtl, &regs))
		return -1;
	if (vmcb->dr7 == DR7_CLEAR)
		return 0;
	if (kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debug))
		return -1;
	debug.dr7 = vmcb->dr7;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &debug);
}

static int put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct vmcb *ret_left)
{
	*ret_left = *vmcb_of(shim_of(machine, vtl), vp);
	if (finish_out(machine, vp, vtl) || put_registers_back(machine, vp, vtl, ret_left))
		return -1;
	return nest(machine, vp, vtl, ret_left->shadow & 1);
}

int shim_put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct vmcb left;

	return has_left(shim_of(machine, vtl), vp) ? put_back(machine, vp, vtl, &left) : 0;
}

/* ---- instructions ---- */

/* Of CPUID, with its prefixes; where it cannot be read, without them. */
static unsigned cpuid_length(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	enum { LONGEST = 15, WITHOUT = 2 };
	const struct kvm_run *run = run_of(machine, vp, vtl);
	struct kvm_sregs sregs;
	uint64_t linear, gpa = 0;
	const uint8_t *at;
	uint8_t last = 0;

	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &sregs))
		return WITHOUT;
	linear = run->s.regs.regs.rip + (sregs.cs.l ? 0 : sregs.cs.base);
	for (unsigned i = 0; i < LONGEST; i++, linear++, gpa++) {
		if ((!i || linear % GABI_HV_PAGE == 0) && gabi_kvm_vp_translate(machine, vp, vtl, linear, &gpa))
			break;
		at = gabi_kvm_machine_ram(machine, gpa, 1);
		if (!at)
			break;
		if (last == 0x0f && *at == 0xa2)
			return i + 1;
		last = *at;
	}
	return WITHOUT;
}

/* Without flags: an INIT or NMI that comes before they are set is not lost. */
static int get_events(int vcpu, struct kvm_vcpu_events *events)
{
	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, events))
		return -1;
	events->flags = 0;
	return 0;
}

static int fault(int vcpu, uint8_t vector)
{
	struct kvm_vcpu_events events;

	if (get_events(vcpu, &events))
		return -1;
	events.exception.injected = 1;
	events.exception.nr = vector;
	events.exception.has_error_code = 0;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* A debugger inside the guest that steps over the instruction. */
static int step(int vcpu)
{
	enum { DEBUG = 1, DR6_STEP = 1 << 14 };
	struct kvm_debugregs debug;

	if (kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debug))
		return -1;
	debug.dr6 |= DR6_STEP;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &debug) || fault(vcpu, DEBUG) ? -1 : 0;
}

static int carry_out_cpuid(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_regs regs = run_of(machine, vp, vtl)->s.regs.regs;
	int vcpu = vcpu_of(machine, vp, vtl);

	regs.rip += cpuid_length(machine, vp, vtl);
	if (shim_cpuid_answer(&shim_of(machine, vtl)->cpuid, vcpu, &regs) || set_general(machine, vp, vtl, &regs))
		return -1;
	return regs.rflags & RFLAGS_TF ? step(vcpu) : 0;
}

static void tell_fetch(struct gabi_kvm_exit *exit, const struct vmcb *left)
{
	enum { FETCH = 1 << 4 };

	*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_PROTECTED, .execute = 1, .count = 1, .address = left->info2 };
	if (!(left->info1 & FETCH)) /* past all that four levels of tables reach */
		exit->kind = GABI_KVM_EXIT_CRASHED;
}

/* It waits in the local APIC, and with it goes a startup IPI that came behind it. */
static int drop_init(int vcpu)
{
	struct kvm_vcpu_events events;

	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return -1;
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.latched_init = 0;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

enum shim_result shim_served(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit)
{
	enum { UNDEFINED = 6 };
	struct vmcb left;

	if (!has_left(shim_of(machine, vtl), vp))
		return SHIM_NOTHING;
	if (put_back(machine, vp, vtl, &left))
		return SHIM_FAILED;
	if (left.exit == EXIT_NPF) {
		tell_fetch(exit, &left);
		return SHIM_EXIT;
	}
	if (left.exit == EXIT_INIT) {
		*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_KICKED };
		return drop_init(vcpu_of(machine, vp, vtl)) ? SHIM_FAILED : SHIM_EXIT;
	}
	if (left.exit == EXIT_CPUID)
		return carry_out_cpuid(machine, vp, vtl) ? SHIM_FAILED : SHIM_AGAIN;
	if (left.exit != EXIT_INVLPGA && (left.exit < EXIT_VMRUN || left.exit > EXIT_SKINIT))
		return SHIM_FAILED;
	return fault(vcpu_of(machine, vp, vtl), UNDEFINED) ? SHIM_FAILED : SHIM_AGAIN;
}

bool shim_started(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	int vcpu = vcpu_of(machine, vp, vtl);
	struct shim *shim = shim_of(machine, vtl);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	if (!shim || kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs) || sregs.efer & EFER_NESTS ||
	    sregs.cs.base + run_of(machine, vp, vtl)->s.regs.regs.rip >= SHIM_FIRST)
		return false;
	shim->vp[vp].inside = false;
	if (get_events(vcpu, &events))
		return false;
	events.exception.injected = events.exception.pending = 0; /* KVM's answer to an instruction that it cannot fetch */
	return !kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* ---- EFER ---- */

uint64_t shim_efer(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t efer)
{
	return shim_of(machine, vtl) ? efer & ~(uint64_t)EFER_NESTS : efer;
}

int shim_take_efer(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t *efer)
{
	const struct shim *shim = shim_of(machine, vtl);
	struct kvm_sregs sregs;

	if (!shim)
		return 0;
	if (*efer & shim->refused_efer || get_special(machine, vp, vtl, &sregs) || (sregs.cr0 & CR0_PG && (*efer ^ sregs.efer) & EFER_LME))
		return -1;
	*efer |= sregs.efer & EFER_NESTS;
	return 0;
}

bool shim_take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run)
{
	bool write = run->exit_reason == KVM_EXIT_X86_WRMSR;
	uint64_t value = 0;

	if (!shim_of(machine, vtl) || (!write && run->exit_reason != KVM_EXIT_X86_RDMSR) || run->msr.index != MSR_EFER ||
	    machine->level[vtl].efer_wanted >> write & 1)
		return false;
	if (write) {
		run->msr.error = gabi_kvm_vp_set_msr(machine, vp, vtl, MSR_EFER, run->msr.data) != 0;
	} else {
		run->msr.error = gabi_kvm_vp_get_msr(machine, vp, vtl, MSR_EFER, &value) != 0;
		run->msr.data = value;
	}
	return true;
}

/* ---- making ---- */

/* Linux arch/x86/kvm/x86.c, __kvm_valid_efer: which a VMM's writes pass by. */
static uint64_t efer_without(const struct gabi_contract *contract)
{
	static const struct {
		uint32_t bits, leaf;
		uint8_t part, bit;
	} rows[] = {
		{ EFER_LME | EFER_LMA, 0x80000001, GABI_EDX, 29 }, { EFER_NX, 0x80000001, GABI_EDX, 20 },
		{ 1 << 14, 0x80000001, GABI_EDX, 25 }, { 1 << 21, 0x80000021, GABI_EAX, 8 },
	};
	uint64_t without = EFER_NESTS;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (!(shim_cpuid_promised(contract, rows[i].leaf, rows[i].part) >> rows[i].bit & 1))
			without |= rows[i].bits;
	return without;
}

int shim_new(const struct gabi_kvm_machine *machine, const struct gabi_contract *contract, struct shim **ret_shim, struct gabi_diag *diag)
{
	unsigned bits = (uint8_t)shim_cpuid_promised(contract, 0x80000008, GABI_EAX);
	struct shim *shim;
	int err;

	shim = gabi_mem_get(&machine->mem, sizeof(*shim));
	if (!shim)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	*ret_shim = shim;
	shim->mem = machine->mem;
	shim->refused_efer = efer_without(contract);
	shim->vp = gabi_mem_get(&shim->mem, machine->options.vps * sizeof(*shim->vp));
	if (!shim->vp)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = shim_cpuid_new(&shim->cpuid, contract, machine->options.device, &shim->mem, diag);
	return err ? err : shim_pages_new(&shim->pages, machine->options.memory, machine->options.vps, bits ? bits : NO_ADDRESS_BITS, diag);
}

void shim_free(struct shim *shim)
{
	if (!shim)
		return;
	shim_pages_free(&shim->pages);
	gabi_mem_put(&shim->mem, shim->vp);
	gabi_mem_put(&shim->mem, shim);
}

uint64_t shim_first_at(const struct shim *shim)
{
	return shim ? shim->pages.first_at : 0;
}

uint64_t shim_guests(const struct shim *shim, uint64_t gpa)
{
	return shim && gpa >= shim->pages.first_at && gpa - shim->pages.first_at < SHIM_FIRST ? gpa - shim->pages.first_at : gpa;
}

bool shim_execute(const struct shim *shim, uint64_t gpa, uint64_t len, bool may)
{
	return shim && shim_pages_execute(&shim->pages, gpa, len, may);
}

/* What runs outside of the nested guest, mapped from address 0 on by one page of 1 GiB. */
static void put_code(const struct shim *shim)
{
	enum { TABLE = 0x23, LEAF = 0xe3 };

	memcpy(shim_page(&shim->pages, SHIM_CODE), code, sizeof(code));
	*(uint64_t *)shim_page(&shim->pages, SHIM_TOP) = shim_page_gpa(&shim->pages, SHIM_MIDDLE) | TABLE;
	*(uint64_t *)shim_page(&shim->pages, SHIM_MIDDLE) = shim->pages.gpa | LEAF;
}

static int give_pages(const struct shim *shim, int vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT, .guest_phys_addr = shim->pages.gpa, .memory_size = shim->pages.len, .userspace_addr = (uintptr_t)shim->pages.at,
	};

	put_code(shim);
	return kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* What KVM would refuse at the first run it refuses here. */
static int try_nested(struct gabi_kvm_machine *machine, unsigned vtl)
{
	return shim_enter(machine, 0, vtl) || shim_leave(machine, 0, vtl) ? -1 : 0;
}

int shim_start(struct gabi_kvm_machine *machine, unsigned vtl, struct gabi_diag *diag)
{
	const struct shim *shim = shim_of(machine, vtl);
	int failed;

	if (!shim)
		return 0;
	failed = give_pages(shim, machine->level[vtl].vm->vm);
	for (unsigned vp = 0; !failed && vp < machine->options.vps; vp++)
		failed = shim_cpuid_give(&shim->cpuid, vcpu_of(machine, vp, vtl));
	return failed || try_nested(machine, vtl) ? kvm_refused(diag, "run a trust level as a nested guest") : 0;
}
