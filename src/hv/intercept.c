/* SPDX-License-Identifier: MIT */
/* Secure intercepts and their messages: TLFS vsm, Secure Intercepts; layouts as in Linux include/hyperv/hvhdk.h. */
#include "hv.h"

enum { INTERCEPT_SOURCE = 0, HEAD = 40, WRITE_BACK = 6 };

uint64_t gabi_hv_cpu_reg(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t name)
{
	struct gabi_hv_value value = { 0, 0 };

	return hv->ops.read_reg(hv->ops.ctx, vp->index, vtl, name, &value) ? 0 : value.low;
}

/* HV_X64_SEGMENT_REGISTER: base, limit, selector, attributes. */
static void put_segment(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t name, uint8_t *at)
{
	struct gabi_hv_value value = { 0, 0 };

	if (hv->ops.read_reg(hv->ops.ctx, vp->index, vtl, name, &value))
		value = (struct gabi_hv_value){ 0, 0 };
	put64(at, value.low);
	put64(at + 8, value.high);
}

/* HV_X64_VP_EXECUTION_STATE. */
static uint16_t execution_state(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl)
{
	uint64_t cr0 = gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Cr0), efer = gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Efer);
	uint8_t ss[16];
	unsigned cpl;

	put_segment(hv, vp, vtl, GABI_HV_REG_Ss, ss);
	cpl = get16(ss + 14) >> 5 & 3;
	return (uint16_t)(cpl | (cr0 & 1) << 2 | (cr0 >> 18 & 1) << 3 | (efer >> 10 & 1) << 4 |
			  ((gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Dr7) & 0xff) != 0) << 5 |
			  (gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_PendingInterruption) & 1) << 6 | vtl << 7 |
			  (gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_InterruptState) & 1) << 12);
}

void gabi_hv_intercept_head(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, unsigned access, unsigned len,
			    uint8_t head[HEAD])
{
	put32(head, vp->index);
	head[4] = (uint8_t)((len & 15) | gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Cr8) << 4);
	head[5] = (uint8_t)access;
	put16(head + 6, execution_state(hv, vp, vtl));
	put_segment(hv, vp, vtl, GABI_HV_REG_Cs, head + 8);
	put64(head + 24, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rip));
	put64(head + 32, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rflags));
}

/*
 * A message that finds no buffer is dropped: the instruction is restarted and traps again when its VTL comes back to it. The
 * sender is the partition itself.
 */
void gabi_hv_intercept(struct gabi_hv *hv, struct vp *vp, unsigned to, uint32_t type, const uint8_t *payload, unsigned len,
		       uint64_t now, struct gabi_hv_turn *turn)
{
	gabi_hv_enter(hv, vp, to, GABI_HV_ENTRY_INTERCEPT, turn);
	take(&vp->lock);
	gabi_hv_synic_post(hv, vp, to, INTERCEPT_SOURCE, type, hv->partition_id, payload, len, now, turn);
	give(&vp->lock);
}

/* ---- memory ---- */

/* The registers behind the instruction bytes, in the order of their names. */
static void put_registers(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint8_t *at)
{
	put_segment(hv, vp, vtl, GABI_HV_REG_Ds, at);
	put_segment(hv, vp, vtl, GABI_HV_REG_Ss, at + 16);
	for (unsigned i = 0; i < 16; i++)
		put64(at + 32 + i * 8, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rax + i));
}

int gabi_hv_do_memory_fault(struct gabi_hv *hv, unsigned index, const struct gabi_hv_fault *fault, uint64_t now_100ns,
			 struct gabi_hv_turn *turn)
{
	enum { SHORT = 80, LONG = 240, GVA_VALID = 1, GVA_GPA_VALID = 2, INSTRUCTION = 16 };
	uint8_t message[LONG] = { 0 }, bytes = fault->bytes < INSTRUCTION ? fault->bytes : INSTRUCTION;
	bool brief = hv->dialect & GABI_HV_DIALECT_SHORT_MEMORY_MESSAGE;
	unsigned vtl;
	struct vp *vp;
	unsigned by;

	if (index >= hv->vp_count || fault->access > GABI_HV_ACCESS_EXECUTE)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vtl = active_vtl(vp);
	if (!atomic_load(&hv->common[vtl].protectors) || fault->gpa / GABI_HV_PAGE >= hv->gpa_pages)
		return GABI_HV_DONE;
	gabi_hv_intercept_head(hv, vp, vtl, fault->access, fault->instruction_len, message);
	by = gabi_hv_forbidden_by(hv, vp, vtl, fault->gpa / GABI_HV_PAGE, fault->access, get16(message + 6) & 3);
	if (!by)
		return gabi_hv_protection(hv, vtl, fault->gpa / GABI_HV_PAGE) == GABI_HV_ALL_ACCESS ? GABI_HV_DONE : GABI_HV_AGAIN;
	/* TLFS vsm, Nested Intercepts: the lower of several is told first. This processor may lack them all; it is not let through. */
	by &= enabled_vtls(vp);
	if (!by)
		return GABI_HV_GP;
	put32(message + 40, WRITE_BACK);
	message[44] = bytes;
	message[45] = (uint8_t)((fault->gva_valid ? GVA_VALID : 0) | (fault->gva_is_of_gpa ? GVA_GPA_VALID : 0));
	message[46] = (uint8_t)(gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_ApicTpr) >> 4);
	put64(message + 48, fault->gva);
	put64(message + 56, fault->gpa);
	memcpy(message + 64, fault->instruction, bytes);
	if (!brief)
		put_registers(hv, vp, vtl, message + 80);
	gabi_hv_intercept(hv, vp, (unsigned)__builtin_ctz(by), MESSAGE_GPA, message, brief ? SHORT : LONG, now_100ns, turn);
	return GABI_HV_AGAIN;
}

/* ---- registers ---- */

enum form { REG, MSR };
enum { MASK_NONE = -1, MASK_CR0, MASK_CR4, MASK_MISC_ENABLE };

static const struct {
	uint32_t reg, msr;
	uint8_t form, access;
	int8_t mask;
} traps[GABI_HV_TRAP_COUNT] = {
#define ACCESS_READ  GABI_HV_ACCESS_READ
#define ACCESS_WRITE GABI_HV_ACCESS_WRITE
#define GABI_HV_TRAP_ROW(bit, name, reg, form, access, msr, mask, source) \
	[bit] = { GABI_HV_REG_##reg, msr, form, ACCESS_##access, MASK_##mask },
#include <gabi/hv_trap.def>
};

uint64_t gabi_hv_known_traps(const struct gabi_hv *hv)
{
	uint64_t known = gabi_mask(GABI_HV_TRAP_COUNT);

	for (unsigned i = 0; hv->dialect & GABI_HV_DIALECT_STOCK_KVM && i < GABI_HV_TRAP_COUNT; i++)
		if (traps[i].form == REG)
			known &= ~((uint64_t)1 << i);
	return known;
}

uint64_t gabi_hv_traps(struct gabi_hv *hv, unsigned vp, unsigned vtl)
{
	uint64_t all = 0;

	if (vp >= hv->vp_count)
		return 0;
	take(&hv->vp[vp].lock);
	for (unsigned above = vtl + 1; above < hv->vtl_count; above++)
		all |= hv->vp[vp].vtl[above].traps;
	give(&hv->vp[vp].lock);
	return all;
}

/* The nearest higher VTL that wants this; -1 if none. */
static int trapped_by(const struct gabi_hv *hv, struct vp *vp, enum gabi_hv_trap trap, uint64_t changed)
{
	int by = -1;

	take(&vp->lock);
	for (unsigned above = active_vtl(vp) + 1; above < hv->vtl_count && by < 0; above++) {
		const struct vtl *vtl = &vp->vtl[above];
		bool masked = traps[trap].mask != MASK_NONE && !(vtl->trap_mask[traps[trap].mask] & changed);

		if (enabled_vtls(vp) >> above & 1 && vtl->traps >> trap & 1 && !masked)
			by = (int)above;
	}
	give(&vp->lock);
	return by;
}

/* Enters a VTL with HV_X64_MSR_INTERCEPT_MESSAGE, for a trapped register or an installed intercept. */
static void tell_msr(struct gabi_hv *hv, struct vp *vp, unsigned by, uint32_t msr, unsigned access, unsigned instruction_len,
		     uint64_t now, struct gabi_hv_turn *turn)
{
	uint8_t message[64] = { 0 };
	unsigned vtl = active_vtl(vp);

	gabi_hv_intercept_head(hv, vp, vtl, access, instruction_len, message);
	put32(message + 40, msr);
	put64(message + 48, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rdx));
	put64(message + 56, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rax));
	gabi_hv_intercept(hv, vp, by, MESSAGE_MSR, message, sizeof(message), now, turn);
}

int gabi_hv_do_trap(struct gabi_hv *hv, unsigned index, enum gabi_hv_trap trap, const struct gabi_hv_value *value,
		 unsigned instruction_len, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	uint8_t message[64] = { 0 };
	struct vp *vp;
	unsigned vtl;
	int by;

	if (index >= hv->vp_count || trap >= GABI_HV_TRAP_COUNT)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vtl = active_vtl(vp);
	by = trapped_by(hv, vp, trap, traps[trap].mask == MASK_NONE ? 0 : value->low ^ gabi_hv_cpu_reg(hv, vp, vtl, traps[trap].reg));
	if (by < 0)
		return GABI_HV_DONE;
	if (traps[trap].form == MSR) {
		tell_msr(hv, vp, (unsigned)by, traps[trap].msr, traps[trap].access, instruction_len, now_100ns, turn);
		return GABI_HV_AGAIN;
	}
	gabi_hv_intercept_head(hv, vp, vtl, traps[trap].access, instruction_len, message);
	put32(message + 44, traps[trap].reg);
	put64(message + 48, value->low);
	put64(message + 56, value->high);
	gabi_hv_intercept(hv, vp, (unsigned)by, MESSAGE_REGISTER, message, 64, now_100ns, turn);
	return GABI_HV_AGAIN;
}

/* ---- installed ones ---- */

int gabi_hv_installed(struct gabi_hv *hv, unsigned vtl, size_t at, struct gabi_hv_installed *ret_installed)
{
	int found = 0;

	take(&hv->lock);
	for (unsigned above = vtl + 1; above < hv->vtl_count && !found; above++) {
		const struct vtl_common *common = &hv->common[above];

		found = at < common->installed;
		if (found)
			*ret_installed = common->intercept[at];
		else
			at -= common->installed;
	}
	give(&hv->lock);
	return found;
}

/* The nearest higher VTL that wants that; 0 if none does. */
static unsigned installed_by(struct gabi_hv *hv, const struct vp *vp, enum gabi_hv_intercept type, uint32_t first, uint32_t last,
			     unsigned access)
{
	unsigned by = 0;

	take(&hv->lock);
	for (unsigned above = active_vtl(vp) + 1; above < hv->vtl_count && !by; above++) {
		const struct vtl_common *common = &hv->common[above];

		for (uint32_t i = 0; enabled_vtls(vp) >> above & 1 && i < common->installed; i++) {
			const struct gabi_hv_installed *one = &common->intercept[i];

			if (one->type == type && one->access & access && first <= one->last && last >= one->first)
				by = above;
		}
	}
	give(&hv->lock);
	return by;
}

enum { READ_MASK = 1, WRITE_MASK = 2, EXECUTE_MASK = 4 };

int gabi_hv_do_io(struct gabi_hv *hv, unsigned index, const struct gabi_hv_io *io, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	uint8_t message[128] = { 0 }, bytes = io->bytes < 16 ? io->bytes : 16;
	struct vp *vp;
	unsigned vtl, by;

	if (index >= hv->vp_count || (io->size != 1 && io->size != 2 && io->size != 4) || io->write > 1)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vtl = active_vtl(vp);
	by = installed_by(hv, vp, GABI_HV_INTERCEPT_IO_PORT_RANGE, io->port, io->port + io->size - 1u, io->write ? WRITE_MASK : READ_MASK);
	if (!by)
		return GABI_HV_DONE;
	gabi_hv_intercept_head(hv, vp, vtl, io->write, io->instruction_len, message);
	put16(message + 40, io->port);
	message[42] = (uint8_t)(io->size | (io->string != 0) << 3 | (io->rep != 0) << 4);
	message[43] = bytes;
	put64(message + 48, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rax));
	memcpy(message + 56, io->instruction, bytes);
	put_segment(hv, vp, vtl, GABI_HV_REG_Ds, message + 72);
	put_segment(hv, vp, vtl, GABI_HV_REG_Es, message + 88);
	put64(message + 104, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rcx));
	put64(message + 112, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rsi));
	put64(message + 120, gabi_hv_cpu_reg(hv, vp, vtl, GABI_HV_REG_Rdi));
	gabi_hv_intercept(hv, vp, by, MESSAGE_IO, message, 128, now_100ns, turn);
	return GABI_HV_AGAIN;
}

/* TLFS 6.0b 8.10: of MSRs that are not virtualized by the hypervisor. */
int gabi_hv_do_msr_intercept(struct gabi_hv *hv, unsigned index, uint32_t msr, int write, unsigned instruction_len, uint64_t now,
			     struct gabi_hv_turn *turn)
{
	unsigned by;

	if (index >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	if (gabi_hv_msr_allowed(hv, msr, write != 0))
		return GABI_HV_DONE;
	by = installed_by(hv, &hv->vp[index], GABI_HV_INTERCEPT_MSR, msr, msr, write ? WRITE_MASK : READ_MASK);
	if (!by)
		return GABI_HV_DONE;
	tell_msr(hv, &hv->vp[index], by, msr, write ? GABI_HV_ACCESS_WRITE : GABI_HV_ACCESS_READ, instruction_len, now, turn);
	return GABI_HV_AGAIN;
}

/* HV_X64_CPUID_INTERCEPT_MESSAGE: OpenVMM vm/hv1/hvdef, HvX64CpuidInterceptMessage. */
int gabi_hv_do_cpuid_intercept(struct gabi_hv *hv, unsigned index, uint32_t leaf, const uint32_t result[4], unsigned instruction_len,
			       uint64_t now, struct gabi_hv_turn *turn)
{
	static const uint32_t names[] = { GABI_HV_REG_Rax, GABI_HV_REG_Rcx, GABI_HV_REG_Rdx, GABI_HV_REG_Rbx };
	static const uint8_t order[] = { 0, 2, 3, 1 }; /* EAX, ECX, EDX, EBX */
	uint8_t message[104] = { 0 };
	struct vp *vp;
	unsigned vtl, by;

	if (index >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vtl = active_vtl(vp);
	by = installed_by(hv, vp, GABI_HV_INTERCEPT_CPUID, leaf, leaf, EXECUTE_MASK);
	if (!by)
		return GABI_HV_DONE;
	gabi_hv_intercept_head(hv, vp, vtl, GABI_HV_ACCESS_EXECUTE, instruction_len, message);
	for (unsigned i = 0; i < 4; i++) {
		put64(message + 40 + i * 8, gabi_hv_cpu_reg(hv, vp, vtl, names[i]));
		put64(message + 72 + i * 8, result[order[i]]);
	}
	gabi_hv_intercept(hv, vp, by, MESSAGE_CPUID, message, sizeof(message), now, turn);
	return GABI_HV_AGAIN;
}

/* HV_X64_EXCEPTION_INTERCEPT_MESSAGE: OpenVMM vm/hv1/hvdef, HvX64ExceptionInterceptMessage. */
int gabi_hv_do_exception_intercept(struct gabi_hv *hv, unsigned index, const struct gabi_hv_exception *exception, uint64_t now,
				   struct gabi_hv_turn *turn)
{
	uint8_t message[240] = { 0 }, bytes = exception->bytes < 16 ? exception->bytes : 16;
	struct vp *vp;
	unsigned vtl, by;

	if (index >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vtl = active_vtl(vp);
	by = installed_by(hv, vp, GABI_HV_INTERCEPT_EXCEPTION, exception->vector, exception->vector, EXECUTE_MASK);
	if (!by)
		return GABI_HV_DONE;
	gabi_hv_intercept_head(hv, vp, vtl, GABI_HV_ACCESS_EXECUTE, exception->instruction_len, message);
	put16(message + 40, exception->vector);
	message[42] = exception->has_code != 0;
	message[43] = bytes;
	put32(message + 44, exception->has_code ? exception->code : 0);
	put64(message + 48, exception->parameter);
	memcpy(message + 64, exception->instruction, bytes);
	put_registers(hv, vp, vtl, message + 80);
	gabi_hv_intercept(hv, vp, by, MESSAGE_EXCEPTION, message, sizeof(message), now, turn);
	return GABI_HV_AGAIN;
}
