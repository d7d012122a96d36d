/* SPDX-License-Identifier: MIT */
/*
 * Registers by their HV_REGISTER_NAME, as higher trust levels read and write those of lower ones. The general registers, and the
 * special ones where KVM tells them at each exit, lie in memory that is shared with KVM; there they are read and written.
 */
#include "machine.h"

#include <gabi/hv_vsm.h>

#include <string.h>

enum { SEGMENT_PRESENT = 1 << 7, XMM_AT = 160, FP_AT = 32, MXCSR_AT = 24, XSTATE_BV_AT = 512 };

struct place {
	const struct gabi_kvm_machine *machine;
	unsigned vp, vtl;
	struct kvm_run *run;
	int vcpu;
};

/* ---- the special registers ---- */

static int get_special(const struct place *place, struct kvm_sregs *ret)
{
	if (!(place->run->kvm_valid_regs & KVM_SYNC_X86_SREGS))
		return kvm_ioctl(place->vcpu, KVM_GET_SREGS, ret) ? GABI_ERR_KVM : 0;
	*ret = place->run->s.regs.sregs;
	return 0;
}

/* Set at once, for KVM to judge them. */
static int set_special(const struct place *place, struct kvm_sregs *sregs)
{
	forget_interrupt(sregs);
	if (kvm_ioctl(place->vcpu, KVM_SET_SREGS, sregs))
		return GABI_ERR_RANGE;
	place->run->s.regs.sregs = *sregs;
	place->run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_SREGS;
	return 0;
}

static uint64_t *control(struct kvm_sregs *sregs, uint32_t name)
{
	static uint64_t nothing;

	switch (name) {
	case GABI_HV_REG_Cr0: return (uint64_t *)&sregs->cr0;
	case GABI_HV_REG_Cr2: return (uint64_t *)&sregs->cr2;
	case GABI_HV_REG_Cr3: return (uint64_t *)&sregs->cr3;
	case GABI_HV_REG_Cr4: return (uint64_t *)&sregs->cr4;
	case GABI_HV_REG_Cr8: return (uint64_t *)&sregs->cr8;
	case GABI_HV_REG_Efer: return (uint64_t *)&sregs->efer;
	case GABI_HV_REG_ApicBase: return (uint64_t *)&sregs->apic_base;
	default: return &nothing;
	}
}

static struct kvm_segment *segment(struct kvm_sregs *sregs, uint32_t name)
{
	struct kvm_segment *const all[] = { &sregs->es, &sregs->cs, &sregs->ss, &sregs->ds, &sregs->fs, &sregs->gs, &sregs->ldt, &sregs->tr };

	return all[name - GABI_HV_REG_Es];
}

/* HV_X64_SEGMENT_REGISTER: base; limit, selector and attributes. */
static struct gabi_hv_value from_segment(const struct kvm_segment *from)
{
	uint64_t attributes = from->type | from->s << 4 | from->dpl << 5 | (from->unusable ? 0 : from->present) << 7 | from->avl << 12 |
			      from->l << 13 | from->db << 14 | from->g << 15;

	return (struct gabi_hv_value){ from->base, from->limit | (uint64_t)from->selector << 32 | attributes << 48 };
}

static struct kvm_segment to_segment(const struct gabi_hv_value *value)
{
	unsigned bits = (unsigned)(value->high >> 48);

	return (struct kvm_segment){
		.base = value->low, .limit = (uint32_t)value->high, .selector = (uint16_t)(value->high >> 32), .type = bits & 15,
		.s = bits >> 4 & 1, .dpl = bits >> 5 & 3, .present = bits >> 7 & 1, .avl = bits >> 12 & 1, .l = bits >> 13 & 1,
		.db = bits >> 14 & 1, .g = bits >> 15 & 1, .unusable = !(bits & SEGMENT_PRESENT),
	};
}

/* HV_X64_TABLE_REGISTER: the limit lies in bits 63:48 of the low half. */
static struct kvm_dtable *table(struct kvm_sregs *sregs, uint32_t name)
{
	return name == GABI_HV_REG_Idtr ? &sregs->idt : &sregs->gdt;
}

static int special(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	struct kvm_sregs before, sregs;
	int err = get_special(place, &before);

	if (err)
		return err;
	sregs = before;
	shim_show(place->machine, place->vp, place->vtl, &sregs);
	if (name >= GABI_HV_REG_Es && name <= GABI_HV_REG_Tr) {
		if (set)
			*segment(&sregs, name) = to_segment(value);
		else
			*value = from_segment(segment(&sregs, name));
	} else if (name == GABI_HV_REG_Idtr || name == GABI_HV_REG_Gdtr) {
		if (set)
			*table(&sregs, name) = (struct kvm_dtable){ .limit = (uint16_t)(value->low >> 48), .base = value->high };
		else
			*value = (struct gabi_hv_value){ (uint64_t)table(&sregs, name)->limit << 48, table(&sregs, name)->base };
	} else if (set) {
		*control(&sregs, name) = value->low;
	} else {
		value->low = *control(&sregs, name);
	}
	if (!set)
		return 0;
	return shim_hide(place->machine, place->vp, place->vtl, &before, &sregs) ? GABI_ERR_RANGE : set_special(place, &sregs);
}

/* ---- the general ones ---- */

static int general(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	struct kvm_regs *regs = &place->run->s.regs.regs;
	__u64 *const all[] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi, &regs->r8, &regs->r9, &regs->r10,
		&regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15, &regs->rip, &regs->rflags,
	};
	__u64 *at = all[name - GABI_HV_REG_Rax];

	if (!set) {
		value->low = *at;
		return 0;
	}
	*at = value->low;
	place->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return 0;
}

/* ---- floating point ---- */

static int extended(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	enum { X87 = 1, SSE = 2 };
	size_t len = place->machine->xsave_len;
	unsigned char *area = gabi_mem_get(&place->machine->mem, len), *at;
	uint64_t present;
	int err;

	if (!area)
		return GABI_ERR_NOMEM;
	err = kvm_ioctl(place->vcpu, len > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, area) ? GABI_ERR_KVM : 0;
	at = name <= GABI_HV_REG_Xmm15		  ? area + XMM_AT + (name - GABI_HV_REG_Xmm0) * 16 :
	     name < GABI_HV_REG_FpControlStatus	  ? area + FP_AT + (name - GABI_HV_REG_FpMmx0) * 16 :
	     name == GABI_HV_REG_FpControlStatus ? area :
						    area + MXCSR_AT;
	if (!err && set) {
		memcpy(&present, area + XSTATE_BV_AT, sizeof(present));
		present |= X87 | SSE;
		memcpy(area + XSTATE_BV_AT, &present, sizeof(present));
		memcpy(at, value, name == GABI_HV_REG_XmmControlStatus ? 8 : 16);
		err = kvm_ioctl(place->vcpu, KVM_SET_XSAVE, area) ? GABI_ERR_RANGE : 0;
		vtl_forget(place->machine, place->vp, place->vtl);
	} else if (!err) {
		memcpy(value, at, name == GABI_HV_REG_XmmControlStatus ? 8 : 16);
	}
	gabi_mem_put(&place->machine->mem, area);
	return err;
}

static int xcr0(const struct place *place, struct gabi_hv_value *value, bool set)
{
	struct kvm_xcrs xcrs;

	if (!place->machine->has_xcr0)
		return GABI_ERR_UNKNOWN;
	if (kvm_ioctl(place->vcpu, KVM_GET_XCRS, &xcrs))
		return GABI_ERR_KVM;
	if (!set) {
		value->low = xcrs.xcrs[0].value;
		return 0;
	}
	xcrs.xcrs[0].value = value->low;
	vtl_forget(place->machine, place->vp, place->vtl);
	return kvm_ioctl(place->vcpu, KVM_SET_XCRS, &xcrs) ? GABI_ERR_RANGE : 0;
}

static int debug(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	struct kvm_debugregs regs;
	__u64 *at = name == GABI_HV_REG_Dr6 ? &regs.dr6 : name == GABI_HV_REG_Dr7 ? &regs.dr7 : &regs.db[name - GABI_HV_REG_Dr0];

	if (kvm_ioctl(place->vcpu, KVM_GET_DEBUGREGS, &regs))
		return GABI_ERR_KVM;
	if (!set) {
		value->low = *at;
		return 0;
	}
	*at = value->low;
	vtl_forget(place->machine, place->vp, place->vtl);
	return kvm_ioctl(place->vcpu, KVM_SET_DEBUGREGS, &regs) ? GABI_ERR_RANGE : 0;
}

/* ---- MSRs ---- */

static const struct {
	uint32_t name, msr;
} msrs[] = {
	{ GABI_HV_REG_Tsc, 0x10 }, { GABI_HV_REG_KernelGsBase, 0xc0000102 }, { GABI_HV_REG_Pat, 0x277 }, { GABI_HV_REG_SysenterCs, 0x174 },
	{ GABI_HV_REG_SysenterEip, 0x176 }, { GABI_HV_REG_SysenterEsp, 0x175 }, { GABI_HV_REG_Star, 0xc0000081 }, { GABI_HV_REG_Lstar, 0xc0000082 },
	{ GABI_HV_REG_Cstar, 0xc0000083 }, { GABI_HV_REG_Sfmask, 0xc0000084 }, { GABI_HV_REG_MtrrCap, 0xfe }, { GABI_HV_REG_MtrrDefType, 0x2ff },
	{ GABI_HV_REG_MtrrFix64k00000, 0x250 }, { GABI_HV_REG_MtrrFix16k80000, 0x258 }, { GABI_HV_REG_MtrrFix16kA0000, 0x259 },
	{ GABI_HV_REG_TscAux, 0xc0000103 }, { GABI_HV_REG_Ia32MiscEnable, 0x1a0 },
};

/* 0: none. */
static uint32_t msr_of(uint32_t name)
{
	if (name >= GABI_HV_REG_MtrrPhysBase0 && name <= GABI_HV_REG_MtrrPhysBaseF)
		return 0x200 + (name - GABI_HV_REG_MtrrPhysBase0) * 2;
	if (name >= GABI_HV_REG_MtrrPhysMask0 && name <= GABI_HV_REG_MtrrPhysMaskF)
		return 0x201 + (name - GABI_HV_REG_MtrrPhysMask0) * 2;
	if (name >= GABI_HV_REG_MtrrFix4kC0000 && name <= GABI_HV_REG_MtrrFix4kF8000)
		return 0x268 + (name - GABI_HV_REG_MtrrFix4kC0000);
	for (size_t i = 0; i < GABI_COUNT_OF(msrs); i++)
		if (msrs[i].name == name)
			return msrs[i].msr;
	return 0;
}

static int msr(const struct place *place, uint32_t number, struct gabi_hv_value *value, bool set)
{
	if (set)
		return gabi_kvm_vp_set_msr(place->machine, place->vp, place->vtl, number, value->low) ? GABI_ERR_RANGE : 0;
	return gabi_kvm_vp_get_msr(place->machine, place->vp, place->vtl, number, &value->low) ? GABI_ERR_UNKNOWN : 0;
}

/* ---- events, and the local APIC ---- */

/* HV_X64_PENDING_INTERRUPTION_REGISTER: pending, type, whether there is an error code, vector, the code. */
static uint64_t pending_interruption(const struct kvm_vcpu_events *events)
{
	enum { PENDING = 1, NMI = 2 << 1, EXCEPTION = 3 << 1, HAS_CODE = 1 << 4, VECTOR = 16 };

	if (events->exception.injected)
		return PENDING | EXCEPTION | (events->exception.has_error_code ? HAS_CODE : 0) | (uint64_t)events->exception.nr << VECTOR |
		       (uint64_t)events->exception.error_code << 32;
	if (events->nmi.injected)
		return PENDING | NMI | 2 << VECTOR;
	return events->interrupt.injected ? PENDING | (uint64_t)events->interrupt.nr << VECTOR : 0;
}

static int set_pending(struct kvm_vcpu_events *events, uint64_t value)
{
	unsigned type = value >> 1 & 7, vector = value >> 16 & 0xffff;

	events->exception.injected = events->nmi.injected = events->interrupt.injected = 0;
	if (!(value & 1))
		return 0;
	if (vector > 255 || (type != 0 && type != 2 && type != 3) || (type == 3 && vector > 31))
		return GABI_ERR_RANGE;
	events->interrupt.injected = type == 0;
	events->interrupt.nr = (uint8_t)vector;
	events->nmi.injected = type == 2;
	events->exception.injected = type == 3;
	events->exception.nr = (uint8_t)vector;
	events->exception.has_error_code = value >> 4 & 1;
	events->exception.error_code = (uint32_t)(value >> 32);
	return 0;
}

/* Nothing is ever kept in PendingEvent0 and 1 here: what is pending is in PendingInterruption. */
static int event(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	struct kvm_vcpu_events events;
	int err = kvm_ioctl(place->vcpu, KVM_GET_VCPU_EVENTS, &events) ? GABI_ERR_KVM : 0;

	if (err)
		return err;
	if (name == GABI_HV_REG_PendingInterruption) {
		if (!set)
			value->low = pending_interruption(&events);
		else
			err = set_pending(&events, value->low);
	} else if (name == GABI_HV_REG_InterruptState) {
		if (!set)
			value->low = (events.interrupt.shadow != 0) | (uint64_t)(events.nmi.masked != 0) << 1;
		events.interrupt.shadow = value->low & 1;
		events.nmi.masked = value->low >> 1 & 1;
		events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	} else if (set && value->low) {
		err = GABI_ERR_RANGE;
	}
	if (err || !set)
		return err;
	return kvm_ioctl(place->vcpu, KVM_SET_VCPU_EVENTS, &events) ? GABI_ERR_RANGE : 0;
}

static int apic(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	enum { ID = 0x20, TPR = 0x80, ICR = 0x300, ICR_HIGH = 0x310 };
	struct kvm_lapic_state state;
	uint32_t low, high;

	if (set && name == GABI_HV_REG_ApicTpr) {
		struct gabi_hv_value cr8 = { value->low >> 4 & 15, 0 };

		return value->low > 0xff ? GABI_ERR_RANGE : special(place, GABI_HV_REG_Cr8, &cr8, true);
	}
	if (set)
		return GABI_ERR_UNKNOWN;
	if (kvm_ioctl(place->vcpu, KVM_GET_LAPIC, &state))
		return GABI_ERR_KVM;
	memcpy(&low, state.regs + (name == GABI_HV_REG_ApicTpr ? TPR : name == GABI_HV_REG_InitialApicId ? ID : ICR), 4);
	memcpy(&high, state.regs + ICR_HIGH, 4);
	value->low = name == GABI_HV_REG_InitialApicId ? low >> 24 : low | (name == GABI_HV_REG_ApicIcr ? (uint64_t)high << 32 : 0);
	return 0;
}

/* ---- by name ---- */

static int access(const struct place *place, uint32_t name, struct gabi_hv_value *value, bool set)
{
	uint32_t number;

	if (name >= GABI_HV_REG_Rax && name <= GABI_HV_REG_Rflags)
		return general(place, name, value, set);
	if (name >= GABI_HV_REG_Xmm0 && name <= GABI_HV_REG_XmmControlStatus)
		return extended(place, name, value, set);
	if (name == GABI_HV_REG_Xfem)
		return xcr0(place, value, set);
	if ((name >= GABI_HV_REG_Cr0 && name <= GABI_HV_REG_Cr8) || (name >= GABI_HV_REG_Es && name <= GABI_HV_REG_Gdtr) ||
	    name == GABI_HV_REG_Efer || name == GABI_HV_REG_ApicBase)
		return special(place, name, value, set);
	if (name >= GABI_HV_REG_Dr0 && name <= GABI_HV_REG_Dr7)
		return debug(place, name, value, set);
	if (name >= GABI_HV_REG_PendingInterruption && name <= GABI_HV_REG_PendingEvent1)
		return event(place, name, value, set);
	if (name == GABI_HV_REG_ApicTpr || name == GABI_HV_REG_ApicIcr || name == GABI_HV_REG_InitialApicId)
		return apic(place, name, value, set);
	number = msr_of(name);
	return number ? msr(place, number, value, set) : GABI_ERR_UNKNOWN;
}

static int find_place(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct place *ret)
{
	if (!is_there(machine, vp, vtl))
		return GABI_ERR_ARG;
	*ret = (struct place){ machine, vp, vtl, run_of(machine, vp, vtl), vcpu_of(machine, vp, vtl) };
	return vtl_finish(machine, vp, vtl);
}

int gabi_kvm_vp_get_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	struct gabi_hv_value value = { 0, 0 };
	struct place place;
	int err = find_place(machine, vp, vtl, &place);

	if (!err)
		err = access(&place, name, &value, false);
	if (!err)
		*ret_value = value;
	return err;
}

int gabi_kvm_vp_set_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	struct gabi_hv_value copy = *value;
	struct place place;
	int err = find_place(machine, vp, vtl, &place);

	return err ? err : access(&place, name, &copy, true);
}

int gabi_kvm_vp_translate(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t gva, uint64_t *ret_gpa)
{
	struct kvm_translation translation = { .linear_address = gva };
	int refused;

	if (!is_there(machine, vp, vtl))
		return GABI_ERR_RANGE;
	machine_enter(machine, vp); /* page tables may be protected too */
	refused = kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_TRANSLATE, &translation);
	machine_leave(machine, vp);
	if (refused || !translation.valid)
		return GABI_ERR_RANGE;
	*ret_gpa = shim_guests(machine->level[vtl].shim, translation.physical_address);
	return 0;
}
