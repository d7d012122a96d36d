/* SPDX-License-Identifier: MIT */
/*
 * Short calls. What an unpredictable mix of them costs is mispredicted branches, each of them more than the rest of such a call. So
 * those that can go one way together, without a branch that depends on which call it is: the steps of each are made for all, and masks
 * say which count. All else is the long way's, src/hv/call.c: whatever goes wrong, and everybody but a 64-bit kernel.
 */
#include "hv.h"

enum { FAST = 1 << 16 };

static inline uint64_t choose(uint64_t mask, uint64_t yes, uint64_t no)
{
	return no ^ (mask & (yes ^ no));
}

/* False where it is not that simple; nothing is done then. */
static inline bool common_way(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, struct gabi_hv_regs *regs,
			      const struct way *way, struct gabi_hv_turn *turn)
{
	uint64_t in = regs->rdx, mask = regs->r8 & hv->first_bank, set = mask | ~way->ipi;
	uint32_t wrong = (uint32_t)!is_vector((uint32_t)in) & (uint32_t)way->ipi, target;
	struct gabi_hv_act *act = turn->act;

	if (in & way->long_if || !set)
		return false;
	target = (uint32_t)__builtin_ctzll(set);
	target = set & (set - 1) ? GABI_HV_VP_SET : target;
	turn->set.valid = 1;
	turn->set.bank[0] = mask;
	turn->changes = 0;
	turn->count = way->acts - wrong;
	act->kind = way->kind;
	act->vtl = (uint8_t)vtl;
	act->vp = (uint16_t)choose(way->ipi, target, vp->index);
	act->value = in & way->payload; /* how often the guest has tried, or the vector and of all else 0 */
	regs->rax = way->status + wrong * GABI_HV_STATUS_INVALID_PARAMETER;
	regs->rdx = way->id ? hv->partition_id : in;
	regs->changed = way->changed;
	return true;
}

/* ---- ways of their own ---- */

static int say(struct gabi_hv_regs *regs, unsigned status)
{
	regs->rax = status;
	regs->changed = GABI_HV_CHANGED_RAX;
	return GABI_HV_DONE;
}

static int flush_space(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, struct gabi_hv_turn *turn)
{
	const uint64_t in[] = { regs->rdx, regs->r8, regs->xmm[0][0] };
	int done = GABI_HV_DONE;
	unsigned status = gabi_hv_flush_space(hv, vp, active_vtl(vp), in, turn, &done);

	return done ? done : say(regs, status);
}

static int signal_event(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, struct gabi_hv_turn *turn)
{
	return say(regs, gabi_hv_signal_event(hv, vp, active_vtl(vp), regs->rdx, turn));
}

/* ---- which call goes which way ---- */

/* From registers. need: a feature that the registers take; 0 (AccessVpRunTimeReg, of which none takes) is none. */
static const struct {
	uint16_t row;
	uint8_t need;
	struct way way;
} shorts[] = {
	{ CALL_ROW_FlushVirtualAddressSpace, GABI_HV_FEATURE_XMM_INPUT, { .run = flush_space } },
	{ CALL_ROW_NotifyLongSpinWait, 0,
	  { .payload = UINT32_MAX, .kind = GABI_HV_ACT_SPIN, .acts = 1, .changed = GABI_HV_CHANGED_RAX } },
	{ CALL_ROW_SendSyntheticClusterIpi, 0, /* the long way if it names a VTL */
	  { .long_if = (uint64_t)0xff << 32, .payload = 0xff, .ipi = UINT64_MAX, .kind = GABI_HV_ACT_INTERRUPT, .acts = 1,
	    .changed = GABI_HV_CHANGED_RAX } },
	{ CALL_ROW_GetPartitionId, GABI_HV_FEATURE_XMM_OUTPUT, { .id = true, .changed = GABI_HV_CHANGED_RAX | GABI_HV_CHANGED_RDX } },
	{ CALL_ROW_SignalEvent, 0, { .run = signal_event } },
};

static struct way way_of(const struct gabi_hv *hv, unsigned row)
{
	struct way way = { .reject = UINT64_MAX };

	if (row == CALL_ROWS)
		return (struct way){ .changed = GABI_HV_CHANGED_RAX, .status = GABI_HV_STATUS_INVALID_HYPERCALL_CODE };
	if (!hv->call_ok[row])
		return (struct way){ .changed = GABI_HV_CHANGED_RAX, .status = GABI_HV_STATUS_ACCESS_DENIED };
	for (size_t i = 0; i < GABI_COUNT_OF(shorts); i++) {
		if (shorts[i].row != row || (shorts[i].need && !has(hv, shorts[i].need)))
			continue;
		way = shorts[i].way;
		way.reject = way.run ? UINT64_MAX : hv->reject[row] | FAST;
	}
	return way;
}

void gabi_hv_pave(struct gabi_hv *hv)
{
	hv->first_bank = gabi_mask(hv->vp_count);
	for (unsigned row = 0; row < CALL_ROWS; row++)
		hv->reject[row] = gabi_hv_call_rejects(hv, row);
	for (unsigned code = 0; code < PLAIN_CODES; code++)
		hv->way[code] = way_of(hv, gabi_hv_call_row(code));
}

/* A guest that may make hypercalls, in the mode and with a code that have short ways. */
static inline bool is_plain(const struct gabi_hv *hv, unsigned vtl, const struct gabi_hv_regs *regs, unsigned code)
{
	return regs->mode == GABI_HV_MODE_64 && !regs->cpl && code < PLAIN_CODES && hv->speaking >> vtl & 1;
}

/* Not inlined, for the common way should save no registers for it. */
static __attribute__((noinline)) int other_way(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now,
					       struct gabi_hv_turn *turn)
{
	unsigned code = (uint16_t)regs->rcx;

	turn->count = turn->changes = 0;
	regs->changed = 0;
	if (is_plain(hv, active_vtl(vp), regs, code) && hv->way[code].run && regs->rcx & FAST &&
	    !(regs->rcx & hv->reject[gabi_hv_call_row(code)]))
		return hv->way[code].run(hv, vp, regs, turn);
	return gabi_hv_call_long(hv, vp, regs, now, turn);
}

static inline int dispatch(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t control = regs->rcx;
	unsigned vtl = active_vtl(vp), code = control & 0xffff;

	if (is_plain(hv, vtl, regs, code) && !((control ^ FAST) & hv->way[code].reject) && common_way(hv, vp, vtl, regs, &hv->way[code], turn))
		return GABI_HV_DONE;
	return other_way(hv, vp, regs, now, turn);
}

int gabi_hv_do_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	return vp < hv->vp_count ? dispatch(hv, &hv->vp[vp], regs, now, turn) : GABI_ERR_ARG;
}

int gabi_hv_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	if (hv->tap)
		return gabi_hv_record_hypercall(hv, vp, regs, now_100ns, turn);
	return dispatch(hv, &hv->vp[vp], regs, now_100ns, turn);
}
