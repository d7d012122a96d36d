/* SPDX-License-Identifier: MIT */
/* Hypercalls that concern no other part: identity, hints, the debugger. */
#include "hv.h"

unsigned gabi_hv_call_spin_wait(struct call *call)
{
	act(call->turn, GABI_HV_ACT_SPIN, call->vp->index, call->vtl)->count = get32(call->in);
	return GABI_HV_STATUS_SUCCESS;
}

/* TLFS 6.0b 9.4: as MOV to CR3, but for the flush, which a backend may make all the same. */
unsigned gabi_hv_call_switch_space(struct call *call)
{
	const struct gabi_hv_ops *ops = &call->hv->ops;
	const struct gabi_hv_value space = { get64(call->in), 0 };

	if (ops->write_reg(ops->ctx, call->vp->index, call->vtl, GABI_HV_REG_Cr3, &space))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_partition_id(struct call *call)
{
	put64(call->out, call->hv->partition_id);
	return GABI_HV_STATUS_SUCCESS;
}

/* No extended hypercall but this one: TLFS HvExtCallQueryCapabilities gives a bit to each of the others. */
unsigned gabi_hv_call_query_extended(struct call *call)
{
	put64(call->out, 0);
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_debug_post(struct call *call)
{
	uint32_t len = get32(call->in);
	struct gabi_hv_act *next;

	if (len > call->in_len - 8u)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	next = act(call->turn, GABI_HV_ACT_DEBUG_POST, call->vp->index, call->vtl);
	next->debug.len = len;
	next->debug.options = get32(call->in + 4);
	next->debug.data = call->in + 8;
	put32(call->out, 0); /* nothing is pending: the VMM takes it all */
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_debug_retrieve(struct call *call)
{
	const struct gabi_hv_ops *ops = &call->hv->ops;
	size_t len = get32(call->in), left = 0, room = call->out_cap - 8u;

	if (len > room)
		len = room;
	if (!ops->debug_data || ops->debug_data(ops->ctx, call->out + 8, len, get64(call->in + 8), &len, &left) || !len || len > room)
		return GABI_HV_STATUS_NO_DATA;
	put32(call->out, (uint32_t)len);
	put32(call->out + 4, left > UINT32_MAX ? UINT32_MAX : (uint32_t)left);
	call->out_len = (uint16_t)(8 + len);
	return GABI_HV_STATUS_SUCCESS;
}

/* The output would be the addresses of a debugger on the network; the engine knows of none. */
unsigned gabi_hv_call_debug_reset(struct call *call)
{
	memset(call->out, 0, call->out_len);
	act(call->turn, GABI_HV_ACT_DEBUG_RESET, call->vp->index, call->vtl);
	return GABI_HV_STATUS_SUCCESS;
}
