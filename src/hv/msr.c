/* SPDX-License-Identifier: MIT */
/* Synthetic MSRs. #GP only where the TLFS says so; reserved bits are kept or dropped as the register's page has it. */
#include "hv.h"

/* Registers of the processor that MSRs reach: HV_REGISTER_NAME. */
enum { REG_VP_RUNTIME = 0x00090000, REG_APIC_TPR = 0x00084808, REG_APIC_ICR = 0x00084830 };

enum { ENABLE = 1, LOCKED = 2, SYNIC_VERSION = 1, FIRST_VECTOR = 16 };
#define SINT_MASKED  (1u << 16)
#define CRASH_NOTIFY ((uint64_t)1 << 63)
#define CRASH_MESSAGE ((uint64_t)1 << 62)

static const struct gabi_hv_msr_info infos[MSR_ROWS] = {
#define PER_PARTITION 0, 0
#define PER_VTL       0, 1
#define PER_VP        1, 0
#define PER_VP_VTL    1, 1
#define ACCESS_R      1, 0
#define ACCESS_W      0, 1
#define ACCESS_RW     1, 1
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) \
	{ "HV_X64_MSR_" #name, source, number, ACCESS_##access, PER_##per },
#include <gabi/hv_msr.def>
};

const struct gabi_hv_msr_info *gabi_hv_msr_info(size_t at)
{
	return at < MSR_ROWS ? &infos[at] : NULL;
}

/* All rows but the first lie in 0x40000000 to 0x4000011f. */
enum { MSR_BASE = 0x40000000, MSR_SPAN = 0x120 };

static const uint8_t row_behind[MSR_SPAN] = {
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) \
	[(number) < MSR_BASE ? MSR_SPAN - 1 : (number) - MSR_BASE] = (number) < MSR_BASE ? 0 : MSR_ROW_##name + 1,
#include <gabi/hv_msr.def>
};

static unsigned row_of(uint32_t msr)
{
	if (msr == GABI_HV_MSR_VSM_CAPABILITIES)
		return MSR_ROW_VSM_CAPABILITIES;
	if (msr < MSR_BASE || msr - MSR_BASE >= MSR_SPAN || !row_behind[msr - MSR_BASE])
		return MSR_ROWS;
	return row_behind[msr - MSR_BASE] - 1u;
}

/* ---- reading ---- */

static int read_register(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t name, uint64_t *ret_value)
{
	struct gabi_hv_value value;

	if (hv->ops.read_reg(hv->ops.ctx, vp->index, vtl, name, &value))
		return GABI_HV_GP;
	*ret_value = value.low;
	return GABI_HV_DONE;
}

static uint64_t read_own(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t msr, uint64_t now)
{
	const struct vtl *own = &vp->vtl[vtl];
	const struct synic *synic = &own->synic;

	switch (msr) {
	case GABI_HV_MSR_GUEST_OS_ID: return hv->common[vtl].os_id;
	case GABI_HV_MSR_HYPERCALL: return hv->common[vtl].hypercall;
	case GABI_HV_MSR_REFERENCE_TSC: return hv->common[vtl].ref_tsc;
	case GABI_HV_MSR_VP_INDEX: return vp->index;
	case GABI_HV_MSR_TIME_REF_COUNT: return now;
	case GABI_HV_MSR_TSC_FREQUENCY: return hv->tsc_hz;
	case GABI_HV_MSR_APIC_FREQUENCY: return hv->apic_hz;
	case GABI_HV_MSR_NPIEP_CONFIG: return own->npiep;
	case GABI_HV_MSR_VP_ASSIST_PAGE: return own->assist;
	case GABI_HV_MSR_SCONTROL: return synic->scontrol;
	case GABI_HV_MSR_SVERSION: return SYNIC_VERSION;
	case GABI_HV_MSR_VSM_CAPABILITIES: return gabi_hv_vsm_capabilities(hv);
	case GABI_HV_MSR_SIEFP: return synic->siefp;
	case GABI_HV_MSR_SIMP: return synic->simp;
	case GABI_HV_MSR_CRASH_CTL: return CRASH_NOTIFY | CRASH_MESSAGE;
	case GABI_HV_MSR_REENLIGHTENMENT_CONTROL: return hv->reenlightenment;
	case GABI_HV_MSR_TSC_EMULATION_CONTROL: return hv->tsc_emulation;
	case GABI_HV_MSR_TSC_EMULATION_STATUS: return hv->tsc_emulation_status;
	case GABI_HV_MSR_TSC_INVARIANT_CONTROL: return hv->tsc_invariant;
	}
	if (msr >= GABI_HV_MSR_SINT0 && msr <= GABI_HV_MSR_SINT15)
		return synic->sint[msr - GABI_HV_MSR_SINT0];
	if (msr >= GABI_HV_MSR_STIMER0_CONFIG && msr <= GABI_HV_MSR_STIMER3_COUNT) {
		const struct stimer *timer = &synic->timer[(msr - GABI_HV_MSR_STIMER0_CONFIG) / 2];

		return msr % 2 ? timer->count : timer->config;
	}
	if (msr >= GABI_HV_MSR_CRASH_P0 && msr <= GABI_HV_MSR_CRASH_P4)
		return hv->crash[msr - GABI_HV_MSR_CRASH_P0];
	return 0; /* RESET, EOM: nothing is kept */
}

int gabi_hv_read_msr(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t now, uint64_t *ret_value,
		     struct gabi_hv_turn *turn)
{
	switch (msr) {
	case GABI_HV_MSR_VP_RUNTIME:
		return read_register(hv, vp, vtl, REG_VP_RUNTIME, ret_value);
	case GABI_HV_MSR_ICR:
		return read_register(hv, vp, vtl, REG_APIC_ICR, ret_value);
	case GABI_HV_MSR_TPR:
		return read_register(hv, vp, vtl, REG_APIC_TPR, ret_value);
	case GABI_HV_MSR_GUEST_IDLE:
		act(turn, GABI_HV_ACT_IDLE, vp->index, vtl);
		*ret_value = 0;
		return GABI_HV_DONE;
	}
	take(&hv->lock);
	take(&vp->lock);
	*ret_value = read_own(hv, vp, vtl, msr, now);
	give(&vp->lock);
	give(&hv->lock);
	return GABI_HV_DONE;
}

bool gabi_hv_msr_allowed(const struct gabi_hv *hv, uint32_t msr, bool write)
{
	unsigned row = row_of(msr);

	return row < MSR_ROWS && hv->msr_ok[row] && (write ? infos[row].writable : infos[row].readable);
}

int gabi_hv_do_rdmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t now_100ns, uint64_t *ret_value, struct gabi_hv_turn *turn)
{
	unsigned row = row_of(msr);

	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	if (row == MSR_ROWS)
		return GABI_ERR_UNKNOWN;
	turn->count = turn->changes = 0;
	if (!hv->msr_ok[row] || !infos[row].readable)
		return GABI_HV_GP;
	return gabi_hv_read_msr(hv, &hv->vp[vp], active_vtl(&hv->vp[vp]), msr, now_100ns, ret_value, turn);
}

/* ---- writing ---- */

/* TLFS: without an identity there is no hypercall page, and an identity that goes takes the page with it. */
static int write_os_id(struct gabi_hv *hv, unsigned vtl, uint64_t value, struct gabi_hv_turn *turn)
{
	uint64_t hypercall;

	take(&hv->lock);
	hv->common[vtl].os_id = value;
	if (value)
		hv->speaking |= (uint16_t)(1u << vtl);
	else
		hv->speaking &= (uint16_t)~(1u << vtl);
	if (!value)
		hv->common[vtl].hypercall &= ~(uint64_t)ENABLE;
	hypercall = hv->common[vtl].hypercall;
	give(&hv->lock);
	if (!value)
		gabi_hv_place_overlay(hv, turn, PAGE_HYPERCALL, 0, vtl, hypercall);
	return GABI_HV_DONE;
}

static int write_hypercall(struct gabi_hv *hv, unsigned vtl, uint64_t value, struct gabi_hv_turn *turn)
{
	bool locked;

	if (value / GABI_HV_PAGE >= hv->gpa_pages)
		return GABI_HV_GP;
	take(&hv->lock);
	locked = hv->common[vtl].hypercall & LOCKED && has(hv, GABI_HV_FEATURE_HYPERCALL_MSR_LOCK);
	if (!hv->common[vtl].os_id)
		value &= ~(uint64_t)ENABLE;
	if (!locked)
		hv->common[vtl].hypercall = value;
	give(&hv->lock);
	if (locked)
		return GABI_HV_GP;
	gabi_hv_place_overlay(hv, turn, PAGE_HYPERCALL, 0, vtl, value);
	return GABI_HV_DONE;
}

static int write_crash(struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint64_t value, struct gabi_hv_turn *turn)
{
	struct gabi_hv_act *next;

	if (!(value & CRASH_NOTIFY))
		return GABI_HV_DONE;
	next = act(turn, GABI_HV_ACT_CRASH, vp->index, vtl);
	take(&hv->lock);
	memcpy(next->crash.parameter, hv->crash, sizeof(hv->crash));
	give(&hv->lock);
	next->crash.control = value;
	return GABI_HV_DONE;
}

/* Partition-wide values without rules of their own. NULL if msr is none of them. */
static uint64_t *plain(struct gabi_hv *hv, uint32_t msr)
{
	if (msr >= GABI_HV_MSR_CRASH_P0 && msr <= GABI_HV_MSR_CRASH_P4)
		return &hv->crash[msr - GABI_HV_MSR_CRASH_P0];
	switch (msr) {
	case GABI_HV_MSR_REENLIGHTENMENT_CONTROL: return &hv->reenlightenment;
	case GABI_HV_MSR_TSC_EMULATION_CONTROL: return &hv->tsc_emulation;
	default: return NULL;
	}
}

static int write_partition(struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t msr, uint64_t value,
			   struct gabi_hv_turn *turn)
{
	uint64_t *where = plain(hv, msr);

	if (where) {
		take(&hv->lock);
		*where = value;
		give(&hv->lock);
		return GABI_HV_DONE;
	}
	switch (msr) {
	case GABI_HV_MSR_GUEST_OS_ID:
		return write_os_id(hv, vtl, value, turn);
	case GABI_HV_MSR_HYPERCALL:
		return write_hypercall(hv, vtl, value, turn);
	case GABI_HV_MSR_REFERENCE_TSC:
		take(&hv->lock);
		hv->common[vtl].ref_tsc = value;
		give(&hv->lock);
		gabi_hv_place_overlay(hv, turn, PAGE_REF_TSC, 0, vtl, value);
		return GABI_HV_DONE;
	case GABI_HV_MSR_RESET:
		if (value & ENABLE)
			act(turn, GABI_HV_ACT_RESET, GABI_HV_VP_SET, vtl), gabi_hv_set_all(hv, &turn->set);
		return GABI_HV_DONE;
	case GABI_HV_MSR_CRASH_CTL:
		return write_crash(hv, vp, vtl, value, turn);
	case GABI_HV_MSR_TSC_EMULATION_STATUS:
		take(&hv->lock);
		hv->tsc_emulation_status &= value;
		give(&hv->lock);
		if (!(value & ENABLE))
			act(turn, GABI_HV_ACT_TSC_NATIVE, vp->index, vtl);
		return GABI_HV_DONE;
	case GABI_HV_MSR_TSC_INVARIANT_CONTROL:
		/* Linux arch/x86/kvm/hyperv.c: one bit, and it cannot be taken back. */
		if (value != ENABLE)
			return GABI_HV_GP;
		take(&hv->lock);
		hv->tsc_invariant = ENABLE;
		give(&hv->lock);
		act(turn, GABI_HV_ACT_TSC_INVARIANT, vp->index, vtl);
		return GABI_HV_DONE;
	}
	return GABI_HV_GP;
}

/* A register that holds an overlay's place. */
static int write_place(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint64_t *where, enum page_kind kind, uint64_t value,
		       uint64_t now, struct gabi_hv_turn *turn)
{
	take(&vp->lock);
	*where = value;
	give(&vp->lock);
	gabi_hv_place_overlay(hv, turn, kind, vp->index, vtl, value);
	if (kind == PAGE_SIMP) {
		take(&vp->lock);
		gabi_hv_synic_scan(hv, vp, vtl, now, turn);
		give(&vp->lock);
	}
	return GABI_HV_DONE;
}

/* A masked source needs no vector; it starts with 0. */
bool gabi_hv_valid_sint(uint64_t value)
{
	return (value & 0xff) >= FIRST_VECTOR || value & SINT_MASKED;
}

static int write_synic(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t value, uint64_t now,
		       struct gabi_hv_turn *turn)
{
	struct synic *synic = &vp->vtl[vtl].synic;
	int done = GABI_HV_DONE;

	take(&vp->lock);
	if (msr == GABI_HV_MSR_SCONTROL) {
		synic->scontrol = value;
	} else if (msr >= GABI_HV_MSR_SINT0 && msr <= GABI_HV_MSR_SINT15) {
		if (!gabi_hv_valid_sint(value))
			done = GABI_HV_GP;
		else
			synic->sint[msr - GABI_HV_MSR_SINT0] = value;
	} else if (msr >= GABI_HV_MSR_STIMER0_CONFIG && msr <= GABI_HV_MSR_STIMER3_COUNT) {
		unsigned timer = (msr - GABI_HV_MSR_STIMER0_CONFIG) / 2;

		if (msr % 2)
			gabi_hv_stimer_set_count(hv, vp, vtl, timer, value, now, turn);
		else
			gabi_hv_stimer_set_config(hv, vp, vtl, timer, value, now, turn);
	} else { /* EOM */
		gabi_hv_synic_scan(hv, vp, vtl, now, turn);
	}
	give(&vp->lock);
	return done;
}

int gabi_hv_write_msr(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t value, uint64_t now,
		      struct gabi_hv_turn *turn)
{
	struct vtl *own = &vp->vtl[vtl];

	switch (msr) {
	case GABI_HV_MSR_VP_ASSIST_PAGE:
		own->assist = value;
		gabi_hv_place_overlay(hv, turn, PAGE_ASSIST, vp->index, vtl, value);
		return GABI_HV_DONE;
	case GABI_HV_MSR_SIEFP:
		return write_place(hv, vp, vtl, &own->synic.siefp, PAGE_SIEFP, value, now, turn);
	case GABI_HV_MSR_SIMP:
		return write_place(hv, vp, vtl, &own->synic.simp, PAGE_SIMP, value, now, turn);
	case GABI_HV_MSR_NPIEP_CONFIG:
		take(&vp->lock);
		own->npiep = value & 15;
		give(&vp->lock);
		act(turn, GABI_HV_ACT_NPIEP, vp->index, vtl)->value = value & 15;
		return GABI_HV_DONE;
	case GABI_HV_MSR_EOI: /* guests leave rubbish in the high half */
		act(turn, GABI_HV_ACT_APIC_EOI, vp->index, vtl);
		return write_synic(hv, vp, vtl, GABI_HV_MSR_EOM, 0, now, turn);
	case GABI_HV_MSR_ICR:
		act(turn, GABI_HV_ACT_APIC_ICR, vp->index, vtl)->value = value;
		return GABI_HV_DONE;
	case GABI_HV_MSR_TPR:
		act(turn, GABI_HV_ACT_APIC_TPR, vp->index, vtl)->value = value & 0xff;
		return GABI_HV_DONE;
	}
	if (msr >= GABI_HV_MSR_SCONTROL && msr <= GABI_HV_MSR_STIMER3_COUNT)
		return write_synic(hv, vp, vtl, msr, value, now, turn);
	return write_partition(hv, vp, vtl, msr, value, turn);
}

int gabi_hv_do_wrmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t value, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	unsigned row = row_of(msr);

	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	if (row == MSR_ROWS)
		return GABI_ERR_UNKNOWN;
	turn->count = turn->changes = 0;
	if (!hv->msr_ok[row] || !infos[row].writable)
		return GABI_HV_GP;
	return gabi_hv_write_msr(hv, &hv->vp[vp], active_vtl(&hv->vp[vp]), msr, value, now_100ns, turn);
}

/* Linux include/hyperv/hvgdk_mini.h, struct hv_reenlightenment_control: vector 7:0, enabled 16, target 63:32. */
int gabi_hv_do_reenlighten(struct gabi_hv *hv, struct gabi_hv_turn *turn)
{
	uint64_t control;
	uint32_t target;

	turn->count = turn->changes = 0;
	take(&hv->lock);
	control = hv->reenlightenment;
	hv->tsc_emulation_status = hv->tsc_emulation & ENABLE;
	give(&hv->lock);
	target = (uint32_t)(control >> 32);
	if (control >> 16 & 1 && target < hv->vp_count)
		request_interrupt(turn, target, 0, (uint8_t)control);
	return 0;
}
