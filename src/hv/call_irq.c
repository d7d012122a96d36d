/* SPDX-License-Identifier: MIT */
/* Hypercalls that send interrupts: TLFS, Virtual Interrupt Controller. */
#include "hv.h"

enum { FIXED = 0, LOWEST = 1, NMI = 4 };

/* Requests a fixed interrupt at all of turn->set. */
static unsigned interrupt(struct gabi_hv_turn *turn, uint32_t vector, unsigned vtl)
{
	unsigned vp = gabi_hv_set_single(&turn->set);

	if (vp != NO_VP)
		act(turn, GABI_HV_ACT_INTERRUPT, vp, vtl)->interrupt.vector = (uint8_t)vector;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_send_ipi(struct call *call)
{
	uint32_t vector = get32(call->in);
	unsigned vtl, status = gabi_hv_input_vtl(call->vtl, call->in[4], &vtl);

	if (status || !is_vector(vector))
		return status ? status : GABI_HV_STATUS_INVALID_PARAMETER;
	gabi_hv_set_mask(call->hv, &call->turn->set, get64(call->in + 8));
	return interrupt(call->turn, vector, vtl);
}

unsigned gabi_hv_call_send_ipi_ex(struct call *call)
{
	uint32_t vector = get32(call->in);
	unsigned vtl, status = gabi_hv_input_vtl(call->vtl, call->in[4], &vtl);

	if (status || !is_vector(vector))
		return status ? status : GABI_HV_STATUS_INVALID_PARAMETER;
	if (!gabi_hv_set_sparse(call->hv, &call->turn->set, get64(call->in + 8), get64(call->in + 16), call->in + 24, call->var))
		return GABI_HV_STATUS_INVALID_HYPERCALL_INPUT;
	return interrupt(call->turn, vector, vtl);
}

/* The virtual processor of an APIC id: binary search. NO_VP if there is none. */
static unsigned vp_of_apic(const struct gabi_hv *hv, uint32_t id)
{
	unsigned low = 0, high = hv->vp_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (hv->vp[hv->by_apic_id[middle]].apic_id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < hv->vp_count && hv->vp[hv->by_apic_id[low]].apic_id == id ? hv->by_apic_id[low] : NO_VP;
}

/*
 * TLFS HvCallAssertVirtualInterrupt is a parent's call. Within a partition only a higher VTL stands above a lower one, as a
 * parent does.
 */
unsigned gabi_hv_call_assert_interrupt(struct call *call)
{
	uint32_t type = get32(call->in + 8), flags = get32(call->in + 12), vector = get32(call->in + 24);
	uint64_t destination = get64(call->in + 16);
	unsigned vtl = call->in[28], vp;
	struct gabi_hv_act *next;

	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (vtl >= call->vtl)
		return GABI_HV_STATUS_ACCESS_DENIED;
	if ((type != FIXED && type != LOWEST && type != NMI) || flags & ~3u || (type != NMI && !is_vector(vector)) ||
	    call->in[29] || get16(call->in + 30))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (flags & 2) {
		vp = GABI_HV_VP_LDR;
	} else if (destination == UINT32_MAX) {
		gabi_hv_set_all(call->hv, &call->turn->set);
		vp = gabi_hv_set_single(&call->turn->set);
	} else {
		vp = destination > UINT32_MAX ? NO_VP : vp_of_apic(call->hv, (uint32_t)destination);
		if (vp == NO_VP)
			return GABI_HV_STATUS_INVALID_PARAMETER;
	}
	next = act(call->turn, GABI_HV_ACT_INTERRUPT, vp, vtl);
	next->interrupt.vector = (uint8_t)vector;
	next->interrupt.type = (uint8_t)type;
	next->interrupt.level = flags & 1;
	next->interrupt.ldr = (uint32_t)destination;
	return GABI_HV_STATUS_SUCCESS;
}

/* HV_DEVICE_INTERRUPT_TARGET: a mask, or with flag 2 a set whose format is in the fixed header and the rest behind it. */
static bool retarget_set(struct call *call, uint32_t flags)
{
	struct gabi_hv_set *set = &call->turn->set;
	uint64_t first = get64(call->in + 48);

	if (!(flags & 2)) {
		gabi_hv_set_mask(call->hv, set, first);
		return call->var == 0;
	}
	if (first == 1) {
		gabi_hv_set_all(call->hv, set);
		return true;
	}
	return call->var && gabi_hv_set_sparse(call->hv, set, first, get64(call->in + 56), call->in + 64, call->var - 1u);
}

unsigned gabi_hv_call_retarget(struct call *call)
{
	enum { SOURCE_MSI = 1, MULTICAST = 1, PROCESSOR_SET = 2 };
	uint32_t vector = get32(call->in + 40), flags = get32(call->in + 44);
	struct gabi_hv_act *next;
	unsigned vp;

	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (get32(call->in + 16) != SOURCE_MSI || get32(call->in + 20) || get64(call->in + 32) ||
	    flags & ~(uint32_t)(MULTICAST | PROCESSOR_SET) || !is_vector(vector))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (!retarget_set(call, flags))
		return GABI_HV_STATUS_INVALID_HYPERCALL_INPUT;
	vp = gabi_hv_set_single(&call->turn->set);
	if (vp == NO_VP)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (vp == GABI_HV_VP_SET && !(flags & MULTICAST))
		vp = GABI_HV_VP_ANY;
	next = act(call->turn, GABI_HV_ACT_RETARGET, vp, call->vtl);
	next->retarget.device = get64(call->in + 8);
	next->retarget.msi = get64(call->in + 24);
	next->retarget.vector = (uint8_t)vector;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_vp_index(struct call *call)
{
	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (call->in[8] >= call->hv->vtl_count)
		return GABI_HV_STATUS_INVALID_VTL_STATE;
	for (; call->rep_at < call->rep_stop; call->rep_at++) {
		unsigned vp = vp_of_apic(call->hv, get32(element(call, 8)));

		if (vp == NO_VP)
			return GABI_HV_STATUS_INVALID_PARAMETER;
		put64(call->out + call->rep_at * 8u, vp);
	}
	return GABI_HV_STATUS_SUCCESS;
}
