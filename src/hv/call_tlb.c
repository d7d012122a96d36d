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

/*
 * Asks for the flush of all in turn->set. False where it has to wait: TLFS: while a TLB that is to be flushed is locked, the caller
 * is suspended, and the call is made again.
 */
static bool flush_set(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint64_t space, uint64_t flags, const uint64_t *gva, unsigned count,
		      struct gabi_hv_turn *turn)
{
	struct gabi_hv_act *next;
	unsigned target;

	if (gabi_hv_wait_for_tlb(hv, vp, vtl, &turn->set, turn))
		return false;
	target = gabi_hv_set_single(&turn->set);
	if (target == NO_VP)
		return true;
	next = act(turn, GABI_HV_ACT_FLUSH, target, vtl);
	next->flush.space = space;
	next->flush.flags = (uint32_t)flags & ~ALL_PROCESSORS;
	next->flush.count = count;
	next->flush.gva = gva;
	return true;
}

/* The action's ranges point into the turn: element 0 of them is the first that this turn does. */
static unsigned flush(struct call *call, enum targets form, uint64_t allowed, unsigned count)
{
	uint64_t flags = get64(call->in + 8);
	const uint64_t *gva = count ? (const uint64_t *)(const void *)element(call, 8) : NULL;
	unsigned status;

	if (flags & ~allowed)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	status = targets(call, form, flags);
	if (status)
		return status;
	if (flush_set(call->hv, call->vp, call->vtl, get64(call->in), flags, gva, count, call->turn))
		call->rep_at += (uint16_t)count;
	else
		call->done = GABI_HV_AGAIN;
	return GABI_HV_STATUS_SUCCESS;
}

/* TLFS HvCallFlushGuestPhysicalAddressSpace: of all processors; the flags are RsvdZ. */
static unsigned flush_nested(struct call *call, unsigned count)
{
	const uint64_t *gpa = count ? (const uint64_t *)(const void *)element(call, 8) : NULL;
	struct gabi_hv_act *next;

	if (get64(call->in + 8))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	gabi_hv_set_all(call->hv, &call->turn->set);
	if (gabi_hv_wait_for_tlb(call->hv, call->vp, call->vtl, &call->turn->set, call->turn)) {
		call->done = GABI_HV_AGAIN;
		return GABI_HV_STATUS_SUCCESS;
	}
	next = act(call->turn, GABI_HV_ACT_NESTED_FLUSH, GABI_HV_VP_SET, call->vtl);
	next->flush.space = get64(call->in);
	next->flush.count = count;
	next->flush.gva = gpa;
	call->rep_at += (uint16_t)count;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_flush_nested(struct call *call)
{
	return flush_nested(call, 0);
}

unsigned gabi_hv_call_flush_nested_list(struct call *call)
{
	return flush_nested(call, call->rep_stop - call->rep_at);
}

/* TLFS HvCallFlushVirtualAddressList: NON_GLOBAL is no option there. */
static uint64_t list_flags(const struct call *call)
{
	uint64_t extended = has(call->hv, GABI_HV_FEATURE_EXT_GVA_RANGES) ? GABI_HV_FLUSH_EXTENDED : 0;

	return ALL_PROCESSORS | GABI_HV_FLUSH_ALL_SPACES | extended;
}

enum { SPACE_FLAGS = ALL_PROCESSORS | GABI_HV_FLUSH_ALL_SPACES | GABI_HV_FLUSH_NON_GLOBAL };

unsigned gabi_hv_flush_space(struct gabi_hv *hv, struct vp *vp, unsigned vtl, const uint64_t in[3], struct gabi_hv_turn *turn, int *ret_done)
{
	if (in[1] & ~(uint64_t)SPACE_FLAGS)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (in[1] & ALL_PROCESSORS)
		gabi_hv_set_all(hv, &turn->set);
	else
		gabi_hv_set_mask(hv, &turn->set, in[2]);
	if (!flush_set(hv, vp, vtl, in[0], in[1], NULL, 0, turn))
		*ret_done = GABI_HV_AGAIN;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_flush_space(struct call *call)
{
	const uint64_t in[] = { get64(call->in), get64(call->in + 8), get64(call->in + 16) };
	int done = GABI_HV_DONE;
	unsigned status = gabi_hv_flush_space(call->hv, call->vp, call->vtl, in, call->turn, &done);

	call->done = (uint8_t)done;
	return status;
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
