/* SPDX-License-Identifier: MIT */
/* Hypercalls that flush TLBs: TLFS, Virtual MMU. */
#include "hv.h"

enum { ALL_PROCESSORS = 1 };

/* Where the set stands in the header, as a mask or as an HV_VP_SET. */
enum targets { MASK, SPARSE };

static unsigned targets(const struct call *call, enum targets form, uint64_t flags)
{
	struct gabi_hv_set *set = &call->turn->set;

	if (form == SPARSE) {
		if (!gabi_hv_set_sparse(call->hv, set, get64(call->in + 16), get64(call->in + 24), call->in + 32, call->var))
			return GABI_HV_STATUS_INVALID_HYPERCALL_INPUT;
	} else {
		gabi_hv_set_mask(call->hv, set, get64(call->in + 16));
	}
	if (flags & ALL_PROCESSORS)
		gabi_hv_set_all(call->hv, set);
	return GABI_HV_STATUS_SUCCESS;
}

/* The action's ranges point into the turn: element 0 of them is the first that this turn does. */
static unsigned flush(struct call *call, enum targets form, uint64_t allowed, unsigned count)
{
	uint64_t flags = get64(call->in + 8);
	unsigned status, vp;
	struct gabi_hv_act *next;

	if (flags & ~allowed)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	status = targets(call, form, flags);
	if (status)
		return status;
	/* TLFS: while a TLB that is to be flushed is locked, the caller is suspended, and the call is made again. */
	if (gabi_hv_wait_for_tlb(call->hv, call->vp, call->vtl, &call->turn->set, call->turn)) {
		call->done = GABI_HV_AGAIN;
		return GABI_HV_STATUS_SUCCESS;
	}
	vp = gabi_hv_set_single(&call->turn->set);
	if (vp != NO_VP) {
		next = act(call->turn, GABI_HV_ACT_FLUSH, vp, call->vtl);
		next->flush.space = get64(call->in);
		next->flush.flags = (uint32_t)flags & ~ALL_PROCESSORS;
		next->flush.count = count;
		next->flush.gva = count ? (const uint64_t *)(const void *)element(call, 8) : NULL;
	}
	call->rep_at += (uint16_t)count;
	return GABI_HV_STATUS_SUCCESS;
}

/* TLFS HvCallFlushVirtualAddressList: NON_GLOBAL is no option there. */
static uint64_t list_flags(const struct call *call)
{
	uint64_t extended = has(call->hv, GABI_HV_FEATURE_EXT_GVA_RANGES) ? GABI_HV_FLUSH_EXTENDED : 0;

	return ALL_PROCESSORS | GABI_HV_FLUSH_ALL_SPACES | extended;
}

enum { SPACE_FLAGS = ALL_PROCESSORS | GABI_HV_FLUSH_ALL_SPACES | GABI_HV_FLUSH_NON_GLOBAL };

unsigned gabi_hv_call_flush_space(struct call *call)
{
	return flush(call, MASK, SPACE_FLAGS, 0);
}

unsigned gabi_hv_call_flush_space_ex(struct call *call)
{
	return flush(call, SPARSE, SPACE_FLAGS, 0);
}

unsigned gabi_hv_call_flush_list(struct call *call)
{
	return flush(call, MASK, list_flags(call), call->rep_stop - call->rep_at);
}

unsigned gabi_hv_call_flush_list_ex(struct call *call)
{
	return flush(call, SPARSE, list_flags(call), call->rep_stop - call->rep_at);
}
