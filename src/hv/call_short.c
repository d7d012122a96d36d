/* SPDX-License-Identifier: MIT */
/*
 * Short calls. What an unpredictable mix of them costs is mispredicted branches, each of them more than the rest of such a call. So
 * those that can go one way together, without a branch that depends on which call it is: the steps of each are made for all, and masks
 * say which count. What is left is told apart by one branch after the other, each for what is seldom: so many are guessed wrong as are seldom, while
 * a jump that chose among all of them would be wrong for most. All else is the long way's, src/hv/call.c: whatever goes wrong, and
 * everybody but a 64-bit kernel.
 */
#include "hv.h"

enum { FAST = 1 << 16 };

static inline uint64_t choose(uint64_t mask, uint64_t yes, uint64_t no)
{
	return no ^ (mask & (yes ^ no));
}

/* Not inlined, for the common way should save no registers for what comes seldom. */
#define APART static __attribute__((noinline))

/*
 * in, in_2: the input's first words. False where it is not that simple; nothing is done then. What must be so for it to be simple is
 * one branch, which only a guest that does something else takes.
 */
static inline bool common_way(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, struct gabi_hv_regs *regs, uint64_t in,
			      uint64_t in_2, const struct way *way, struct gabi_hv_turn *turn)
{
	uint64_t mask = in_2 & hv->first_bank, several = mask & (mask - 1) & way->ipi;
	uint32_t bad = (uint32_t)!is_vector((uint32_t)in) & (uint32_t)way->ipi, nobody = (uint32_t)!mask & (uint32_t)way->ipi;
	struct gabi_hv_act *act = turn->act;

	if (in & way->long_if)
		return false;
	turn->changes = 0;
	turn->count = way->acts - (bad | nobody);
	act->kind = way->kind;
	act->vtl = (uint8_t)vtl;
	act->vp = (uint16_t)choose(way->ipi, (uint64_t)__builtin_ctzll(mask | (uint64_t)1 << 63), vp->index);
	act->value = in & way->payload; /* how often the guest has tried, or the vector and of all else 0 */
	regs->rax = way->status + bad * GABI_HV_STATUS_INVALID_PARAMETER;
	regs->rdx = choose(way->id, hv->partition_id, regs->rdx);
	regs->changed = way->changed;
	if (several) {
		turn->set.valid = 1;
		turn->set.bank[0] = mask;
		act->vp = GABI_HV_VP_SET;
	}
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

/* ---- which call goes which way ---- */

/* From registers. need: a feature that the registers take; 0 (AccessVpRunTimeReg, of which none takes) is none. */
static const struct {
	uint16_t row;
	uint8_t need;
	struct way way;
} shorts[] = {
	{ CALL_ROW_FlushVirtualAddressSpace, GABI_HV_FEATURE_XMM_INPUT, { .run = flush_space } },
	{ CALL_ROW_NotifyLongSpinWait, 0,
	  { .in = 8, .payload = UINT32_MAX, .kind = GABI_HV_ACT_SPIN, .acts = 1, .changed = GABI_HV_CHANGED_RAX } },
	{ CALL_ROW_SendSyntheticClusterIpi, 0, /* the long way if it names a VTL */
	  { .in = 16, .long_if = (uint64_t)0xff << 32, .payload = 0xff, .ipi = UINT64_MAX, .kind = GABI_HV_ACT_INTERRUPT, .acts = 1,
	    .changed = GABI_HV_CHANGED_RAX } },
	{ CALL_ROW_GetPartitionId, GABI_HV_FEATURE_XMM_OUTPUT, { .id = UINT64_MAX, .changed = GABI_HV_CHANGED_RAX | GABI_HV_CHANGED_RDX } },
	{ CALL_ROW_SignalEvent, 0, { .event = true } },
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

APART int other_way(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	unsigned code = (uint16_t)regs->rcx;

	turn->count = turn->changes = 0;
	regs->changed = 0;
	if (is_plain(hv, active_vtl(vp), regs, code) && hv->way[code].run && regs->rcx & FAST &&
	    !(regs->rcx & hv->reject[gabi_hv_call_row(code)]))
		return hv->way[code].run(hv, vp, regs, turn);
	return gabi_hv_call_long(hv, vp, regs, now, turn);
}

/* A host's event whose connection is where one looks first. All else is the long way's. */
APART int event_way(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t in = regs->rdx, flag = in >> 32 & 0xffff;
	const struct connection *place = connection_place(hv, (uint32_t)in);
	uint64_t what = atomic_load_explicit(&place->what, memory_order_acquire);
	uint64_t flags = atomic_load_explicit(&place->flags, memory_order_relaxed);
	struct gabi_hv_act *act = turn->act;

	if (what != host_event((uint32_t)in) || flag >= flags >> 16)
		return other_way(hv, vp, regs, now, turn);
	turn->changes = 0;
	turn->count = 1;
	act->kind = GABI_HV_ACT_EVENT;
	act->vtl = (uint8_t)active_vtl(vp);
	act->vp = (uint16_t)vp->index;
	act->event.connection = (uint32_t)in;
	act->event.flag = (uint32_t)(flag + (flags & 0xffff));
	return say(regs, GABI_HV_STATUS_SUCCESS);
}

/* The common way with its input in memory. A recorder sees the long way alone, which asks for that memory once whatever is in it. */
APART int memory_way(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	const struct way *way = &hv->way[(uint16_t)regs->rcx];
	uint64_t gpa = regs->rdx;
	unsigned vtl = active_vtl(vp);

	turn->in[1] = 0;
	if (way->in && !hv->tap && gabi_hv_well_placed(hv, gpa, way->in) && !hv->common[vtl].protectors &&
	    !hv->ops.read_gpa(hv->ops.ctx, gpa, turn->in, way->in) &&
	    common_way(hv, vp, vtl, regs, turn->in[0], turn->in[1], way, turn))
		return GABI_HV_DONE;
	return other_way(hv, vp, regs, now, turn);
}

static inline int dispatch(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t control = regs->rcx, wrong;
	unsigned vtl = active_vtl(vp), code = control & 0xffff;
	const struct way *way;

	if (!is_plain(hv, vtl, regs, code))
		return other_way(hv, vp, regs, now, turn);
	way = &hv->way[code];
	wrong = (control ^ FAST) & way->reject;
	if (wrong == FAST)
		return memory_way(hv, vp, regs, now, turn);
	if (way->event && !wrong)
		return event_way(hv, vp, regs, now, turn);
	if (!wrong && common_way(hv, vp, vtl, regs, regs->rdx, regs->r8, way, turn))
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
