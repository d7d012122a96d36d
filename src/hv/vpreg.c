/* SPDX-License-Identifier: MIT */
/* Registers by name: GetVpRegisters, SetVpRegisters and what the engine itself holds of them. */
#include "hv.h"

enum holder { LEAF, MSR, CPU, VSM };

/* The argument of a row: a leaf's number, an MSR's, or nothing. */
#define ARGUMENT_LEAF(argument) (argument)
#define ARGUMENT_MSR(argument)  GABI_HV_MSR_##argument
#define ARGUMENT_CPU(argument)  (argument)
#define ARGUMENT_VSM(argument)  (argument)

static const struct row {
	uint32_t number, argument;
	uint8_t holder;
} rows[] = {
#define GABI_HV_REG_ROW(number, name, holder, share, argument, source) { number, ARGUMENT_##holder(argument), holder },
#include <gabi/hv_reg.def>
};

static const struct gabi_hv_reg_info infos[] = {
#define GABI_HV_REG_ROW(number, name, holder, share, argument, source) { #name, source, number, GABI_HV_##share, (holder) == CPU },
#include <gabi/hv_reg.def>
};

const struct gabi_hv_reg_info *gabi_hv_reg_info(size_t at)
{
	return at < GABI_COUNT_OF(infos) ? &infos[at] : NULL;
}

static const struct row *find(uint32_t number)
{
	size_t low = 0, high = GABI_COUNT_OF(rows);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rows[middle].number == number)
			return &rows[middle];
		if (rows[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- what the engine holds ---- */

uint64_t gabi_hv_vsm_capabilities(const struct gabi_hv *hv)
{
	uint64_t dr6 = hv->dr6_shared, mbec = hv->mbec_vtls;

	/* A VTL can always deny the start of a processor to a lower one. */
	if (hv->dialect & GABI_HV_DIALECT_LOW_CAPABILITIES)
		return dr6 | mbec << 1 | (uint64_t)1 << 17;
	return dr6 << 63 | mbec << 47 | (uint64_t)1 << 46;
}

/* Where the calls are in the hypercall page, for the caller's width: see src/hv/overlay.c. */
static uint64_t code_offsets(const struct call *call)
{
	return call->mode == GABI_HV_MODE_64 ? PAGE_CALL_64 | PAGE_RETURN_64 << 12 : PAGE_CALL_32 | PAGE_RETURN_32 << 12;
}

unsigned gabi_hv_get_vsm(struct call *call, struct vp *vp, unsigned vtl, uint32_t name, uint64_t *ret_value)
{
	const struct gabi_hv *hv = call->hv;
	const struct vtl *own = &vp->vtl[vtl];
	unsigned active = active_vtl(vp);

	switch (name) {
	case GABI_HV_REG_VsmCodePageOffsets: *ret_value = code_offsets(call); break;
	case GABI_HV_REG_VsmVpStatus:
		*ret_value = active | (uint64_t)gabi_hv_mbec_active(hv, vp, active) << 4 | (uint64_t)enabled_vtls(vp) << 16;
		break;
	case GABI_HV_REG_VsmPartitionStatus:
		*ret_value = hv->enabled | (uint64_t)(hv->vtl_count - 1) << 16 | (uint64_t)hv->mbec << 20;
		break;
	case GABI_HV_REG_VsmVina: *ret_value = own->vina; break;
	case GABI_HV_REG_VsmCapabilities: *ret_value = gabi_hv_vsm_capabilities(hv); break;
	case GABI_HV_REG_VsmPartitionConfig: *ret_value = hv->common[vtl].config; break;
	case GABI_HV_REG_VsmVpWaitForTlbLock: *ret_value = vp->waits_for >> vtl & 1; break;
	case GABI_HV_REG_CrInterceptControl: *ret_value = own->traps; break;
	case GABI_HV_REG_CrInterceptCr0Mask:
	case GABI_HV_REG_CrInterceptCr4Mask:
	case GABI_HV_REG_CrInterceptIa32MiscEnableMask:
		*ret_value = own->trap_mask[name - GABI_HV_REG_CrInterceptCr0Mask];
		break;
	default: {
		unsigned lower = name - GABI_HV_REG_VsmVpSecureConfigVtl0;

		if (lower >= vtl)
			return GABI_HV_STATUS_INVALID_PARAMETER;
		*ret_value = own->secure_config[lower];
	}
	}
	return GABI_HV_STATUS_SUCCESS;
}

/* From every lower VTL. Where a turn has no room for all that changes, the call is made again, and goes on where it was. */
static unsigned protect_all(struct call *call, unsigned vtl, unsigned mask)
{
	struct gabi_hv *hv = call->hv;

	for (unsigned lower = 0; lower < vtl; lower++) {
		uint64_t first = gabi_hv_protected_from_the_start(hv, vtl, lower, mask), left = hv->gpa_pages - first;
		bool full = false;

		if (left && gabi_hv_protect_pages(hv, vtl, lower, first, left, mask, call->turn, &full) < left) {
			call->done = full ? GABI_HV_AGAIN : GABI_HV_DONE;
			return full ? GABI_HV_STATUS_SUCCESS : GABI_HV_STATUS_INSUFFICIENT_MEMORY;
		}
	}
	return GABI_HV_STATUS_SUCCESS;
}

bool gabi_hv_valid_config(const struct gabi_hv *hv, uint64_t value)
{
	const uint64_t known = CONFIG_PROTECT | 15 << CONFIG_MASK_SHIFT | CONFIG_ZERO_MEMORY | CONFIG_DENY_STARTUP | CONFIG_INTERCEPT_STARTUP;

	return !(value & ~known) && (!(value & CONFIG_PROTECT) || gabi_hv_can_enforce(hv, value >> CONFIG_MASK_SHIFT & 15));
}

/* TLFS vsm, Partition Configuration. Protection once on stays on, and its default mask with it. */
static unsigned set_config(struct call *call, unsigned vtl, uint64_t value)
{
	const uint64_t sticky = CONFIG_PROTECT | 15 << CONFIG_MASK_SHIFT;
	struct gabi_hv *hv = call->hv;
	uint64_t old = hv->common[vtl].config;
	unsigned mask = value >> CONFIG_MASK_SHIFT & 15;

	if (!vtl)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (!gabi_hv_valid_config(hv, value) || (old & CONFIG_PROTECT && (old ^ value) & sticky))
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	if (value & CONFIG_PROTECT && !(old & CONFIG_PROTECT)) {
		unsigned status = protect_all(call, vtl, mask);

		if (status || call->done)
			return status;
	}
	atomic_store(&hv->common[vtl].config, value);
	return GABI_HV_STATUS_SUCCESS;
}

/* TLFS vsm, Configuring Lower VTLs. */
static unsigned set_secure_config(struct call *call, struct vp *vp, unsigned vtl, unsigned lower, uint64_t value)
{
	struct gabi_hv *hv = call->hv;
	uint8_t old;

	if (lower >= vtl)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (value & ~(uint64_t)(SECURE_MBEC | SECURE_TLB_LOCKED) || (value & SECURE_MBEC && !(hv->mbec >> vtl & 1)))
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	if (value & SECURE_TLB_LOCKED)
		gabi_hv_lock_tlb(hv, vp, vtl, lower);
	else
		gabi_hv_unlock_tlb(hv, vp, vtl, (uint16_t)(1u << lower), call->turn);
	/* That of the lock goes with the lock; several processors may write this at once. */
	if (value & SECURE_MBEC)
		old = atomic_fetch_or(&vp->vtl[vtl].secure_config[lower], SECURE_MBEC);
	else
		old = atomic_fetch_and(&vp->vtl[vtl].secure_config[lower], (uint8_t)~SECURE_MBEC);
	if ((old ^ value) & SECURE_MBEC)
		act(call->turn, GABI_HV_ACT_SECURE_CONFIG, vp->index, lower)->value = value & SECURE_MBEC;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_set_vsm(struct call *call, struct vp *vp, unsigned vtl, uint32_t name, uint64_t value)
{
	struct vtl *own = &vp->vtl[vtl];

	switch (name) {
	case GABI_HV_REG_VsmPartitionConfig:
		return set_config(call, vtl, value);
	case GABI_HV_REG_VsmVina:
		own->vina = value;
		return GABI_HV_STATUS_SUCCESS;
	case GABI_HV_REG_VsmVpWaitForTlbLock:
		if (vtl >= call->vtl || value > 1)
			return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
		if (value)
			vp->waits_for |= (uint16_t)(1u << vtl);
		else
			vp->waits_for &= (uint16_t)~(1u << vtl);
		return GABI_HV_STATUS_SUCCESS;
	case GABI_HV_REG_CrInterceptControl:
		if (!vtl)
			return GABI_HV_STATUS_INVALID_PARAMETER;
		if (value & ~gabi_hv_known_traps(call->hv))
			return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
		take(&vp->lock);
		own->traps = value;
		give(&vp->lock);
		act(call->turn, GABI_HV_ACT_TRAPS, vp->index, vtl);
		return GABI_HV_STATUS_SUCCESS;
	case GABI_HV_REG_CrInterceptCr0Mask:
	case GABI_HV_REG_CrInterceptCr4Mask:
	case GABI_HV_REG_CrInterceptIa32MiscEnableMask:
		own->trap_mask[name - GABI_HV_REG_CrInterceptCr0Mask] = value;
		return GABI_HV_STATUS_SUCCESS;
	}
	if (name >= GABI_HV_REG_VsmVpSecureConfigVtl0 && name <= GABI_HV_REG_VsmVpSecureConfigVtl14)
		return set_secure_config(call, vp, vtl, name - GABI_HV_REG_VsmVpSecureConfigVtl0, value);
	return GABI_HV_STATUS_INVALID_PARAMETER; /* read-only */
}

/* ---- by name ---- */

static unsigned status_of(int answer)
{
	return !answer ? GABI_HV_STATUS_SUCCESS :
	       answer == GABI_ERR_RANGE ? GABI_HV_STATUS_INVALID_REGISTER_VALUE : GABI_HV_STATUS_INVALID_PARAMETER;
}

static unsigned get_msr(struct call *call, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t *ret_value)
{
	if (!gabi_hv_msr_allowed(call->hv, msr, false) || gabi_hv_read_msr(call->hv, vp, vtl, msr, call->now, ret_value, call->turn))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	return GABI_HV_STATUS_SUCCESS;
}

static unsigned set_msr(struct call *call, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t value)
{
	if (!gabi_hv_msr_allowed(call->hv, msr, true))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (gabi_hv_write_msr(call->hv, vp, vtl, msr, value, call->now, call->turn))
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	return GABI_HV_STATUS_SUCCESS;
}

static unsigned get_register(struct call *call, struct vp *vp, unsigned vtl, uint32_t number, struct gabi_hv_value *ret_value)
{
	const struct gabi_hv *hv = call->hv;
	const struct row *row = find(number);

	*ret_value = (struct gabi_hv_value){ 0, 0 };
	if (!row)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	switch (row->holder) {
	case LEAF:
		ret_value->low = hv->leaf[row->argument][0] | (uint64_t)hv->leaf[row->argument][1] << 32;
		ret_value->high = hv->leaf[row->argument][2] | (uint64_t)hv->leaf[row->argument][3] << 32;
		return GABI_HV_STATUS_SUCCESS;
	case MSR:
		return get_msr(call, vp, vtl, row->argument, &ret_value->low);
	case CPU:
		return status_of(hv->ops.read_reg(hv->ops.ctx, vp->index, vtl, number, ret_value));
	default:
		if (!hv->vsm_ok)
			return GABI_HV_STATUS_ACCESS_DENIED;
		return gabi_hv_get_vsm(call, vp, vtl, number, &ret_value->low);
	}
}

static unsigned set_register(struct call *call, struct vp *vp, unsigned vtl, uint32_t number, const struct gabi_hv_value *value)
{
	const struct gabi_hv *hv = call->hv;
	const struct row *row = find(number);

	if (!row || row->holder == LEAF)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (row->holder == CPU)
		return status_of(hv->ops.write_reg(hv->ops.ctx, vp->index, vtl, number, value));
	if (value->high)
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	if (row->holder == MSR)
		return set_msr(call, vp, vtl, row->argument, value->low);
	if (!hv->vsm_ok)
		return GABI_HV_STATUS_ACCESS_DENIED;
	return gabi_hv_set_vsm(call, vp, vtl, number, value->low);
}

static unsigned target_of(const struct call *call, struct vp **ret_vp, unsigned *ret_vtl)
{
	unsigned status;

	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	*ret_vp = vp_of(call, get32(call->in + 8));
	if (!*ret_vp)
		return GABI_HV_STATUS_INVALID_VP_INDEX;
	if (call->in[13] || get16(call->in + 14))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	status = gabi_hv_input_vtl(call->vtl, call->in[12], ret_vtl);
	if (!status && !(enabled_vtls(*ret_vp) >> *ret_vtl & 1))
		status = GABI_HV_STATUS_INVALID_VTL_STATE;
	return status;
}

/* Actions that one register can need: see gabi_hv_synic_scan. */
enum { ROOM = 20 };

unsigned gabi_hv_call_get_registers(struct call *call)
{
	struct vp *vp = NULL;
	unsigned vtl = 0, status = target_of(call, &vp, &vtl);

	for (; !status && call->rep_at < call->rep_stop && call->turn->count + ROOM <= GABI_HV_ACTS_MAX; call->rep_at++) {
		struct gabi_hv_value value;

		status = get_register(call, vp, vtl, get32(element(call, 4)), &value);
		if (status)
			break;
		put64(call->out + call->rep_at * 16u, value.low);
		put64(call->out + call->rep_at * 16u + 8, value.high);
	}
	return status;
}

unsigned gabi_hv_call_set_registers(struct call *call)
{
	struct vp *vp = NULL;
	unsigned vtl = 0, status = target_of(call, &vp, &vtl);

	for (; !status && call->rep_at < call->rep_stop && call->turn->count + ROOM <= GABI_HV_ACTS_MAX; call->rep_at++) {
		const uint8_t *at = element(call, 32);
		struct gabi_hv_value value = { get64(at + 16), get64(at + 24) };

		if (get32(at + 4) || get64(at + 8))
			status = GABI_HV_STATUS_INVALID_PARAMETER;
		else
			status = set_register(call, vp, vtl, get32(at), &value);
		if (status || call->done)
			break;
	}
	return status;
}
