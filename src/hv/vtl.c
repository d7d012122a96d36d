/* SPDX-License-Identifier: MIT */
/* Trust levels: who is enabled, who runs, who waits. TLFS, Virtual Secure Mode. */
#include "hv.h"

enum { ENABLE = 1, FAST_RETURN = 1 };

/* Offsets in the VP assist page: TLFS HV_VP_ASSIST_PAGE, HV_VP_VTL_CONTROL. */
enum { ENTRY_REASON = 8, VINA_STATUS = 12, RETURN_RAX = 16, RETURN_RCX = 24 };
enum { RETURN_EAX = 16, RETURN_ECX = 20, RETURN_EDX = 24, VINA_ASSERTED = 1 };

/* HvRegisterVsmVina. */
enum { VINA_ENABLED = 1 << 8, VINA_AUTO_RESET = 1 << 9, VINA_AUTO_EOI = 1 << 10 };

int gabi_hv_next_vtl_up(const struct vp *vp, unsigned vtl)
{
	unsigned above = enabled_vtls(vp) & ~(uint32_t)gabi_mask(vtl + 1);

	return above ? __builtin_ctz(above) : -1;
}

int gabi_hv_next_vtl_down(const struct vp *vp, unsigned vtl)
{
	unsigned below = enabled_vtls(vp) & (uint32_t)gabi_mask(vtl);

	return below ? 31 - __builtin_clz(below) : -1;
}

static uint8_t *assist_of(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl)
{
	return vp->vtl[vtl].assist & ENABLE ? page_at(hv, PAGE_ASSIST, vp->index, vtl) : NULL;
}

/*
 * TLFS, Virtual Interrupt Notification Assist: the active VTL is told once that it keeps an interrupt from a lower one. The
 * asserted state lives in the assist page, where the VTL clears it.
 */
static void notify(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_turn *turn)
{
	unsigned vtl = active_vtl(vp);
	uint64_t vina = vp->vtl[vtl].vina;
	uint8_t *assist = assist_of(hv, vp, vtl);
	struct gabi_hv_act *next;

	if (!(vina & VINA_ENABLED) || !assist || !(vp->pending & (uint32_t)gabi_mask(vtl)))
		return;
	if (page_or(hv, assist, VINA_STATUS, VINA_ASSERTED) & VINA_ASSERTED)
		return;
	next = request_interrupt(turn, vp->index, vtl, (uint8_t)vina);
	if (next)
		next->interrupt.auto_eoi = (vina & VINA_AUTO_EOI) != 0;
}

void gabi_hv_enter(struct gabi_hv *hv, struct vp *vp, unsigned to, enum gabi_hv_entry reason, struct gabi_hv_turn *turn)
{
	uint8_t *assist = assist_of(hv, vp, to);
	struct gabi_hv_act *next = act(turn, GABI_HV_ACT_SWITCH, vp->index, active_vtl(vp));

	next->change.to = (uint8_t)to;
	next->change.reason = (uint8_t)reason;
	atomic_store_explicit(&vp->active, (uint8_t)to, memory_order_relaxed);
	if (assist) {
		atomic_store_explicit(word_of(assist, ENTRY_REASON), reason, memory_order_relaxed);
		if (vp->vtl[to].vina & VINA_AUTO_RESET)
			atomic_fetch_and(word_of(assist, VINA_STATUS), ~(uint32_t)VINA_ASSERTED);
	}
	notify(hv, vp, turn);
}

/* Enters the highest VTL above the active one that has an interrupt, if any. */
static void take_interrupt(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_turn *turn)
{
	unsigned above = vp->pending & enabled_vtls(vp) & ~(uint32_t)gabi_mask(active_vtl(vp) + 1);

	if (above)
		gabi_hv_enter(hv, vp, (unsigned)(31 - __builtin_clz(above)), GABI_HV_ENTRY_INTERRUPT, turn);
}

int gabi_hv_do_interrupt(struct gabi_hv *hv, unsigned index, unsigned vtl, int pending, struct gabi_hv_turn *turn)
{
	struct vp *vp;

	if (index >= hv->vp_count || vtl >= hv->vtl_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	vp = &hv->vp[index];
	vp->pending = (uint16_t)(vp->pending & ~(1u << vtl)) | (uint16_t)((pending != 0) << vtl);
	if (pending && vtl > active_vtl(vp))
		take_interrupt(hv, vp, turn);
	else if (pending && vtl < active_vtl(vp))
		notify(hv, vp, turn);
	return 0;
}

/* TLFS, VTL Interrupt Management: INIT and startup IPIs for a lower VTL than the highest are dropped. */
int gabi_hv_do_accepts_init(struct gabi_hv *hv, unsigned vp, unsigned vtl)
{
	if (vp >= hv->vp_count || gabi_hv_next_vtl_up(&hv->vp[vp], vtl) >= 0)
		return 0;
	take(&hv->vp[vp].lock);
	hv->vp[vp].started = 1;
	give(&hv->vp[vp].lock);
	return 1;
}

/* TLFS, DenyLowerVtlStartup and InterceptVpStartup know no difference between a call and a startup IPI; but an IPI has no instruction that an
 * intercept's message could tell of. */
int gabi_hv_may_run(struct gabi_hv *hv, unsigned vp)
{
	bool started;

	if (vp >= hv->vp_count || gabi_hv_configured_above(hv, 0, CONFIG_DENY_STARTUP | CONFIG_INTERCEPT_STARTUP) < 0)
		return vp < hv->vp_count;
	take(&hv->vp[vp].lock);
	started = hv->vp[vp].started;
	give(&hv->vp[vp].lock);
	return started;
}

/* ---- call and return ---- */

static bool may_switch(const struct gabi_hv *hv, const struct gabi_hv_regs *regs)
{
	return regs->cpl == 0 && regs->mode != GABI_HV_MODE_REAL && hv->vsm_ok;
}

static int vtl_call(struct gabi_hv *hv, struct vp *vp, const struct gabi_hv_regs *regs, uint64_t control, struct gabi_hv_turn *turn)
{
	int to = gabi_hv_next_vtl_up(vp, active_vtl(vp));

	if (!may_switch(hv, regs) || control || to < 0)
		return GABI_HV_UD;
	gabi_hv_enter(hv, vp, (unsigned)to, GABI_HV_ENTRY_CALL, turn);
	return GABI_HV_DONE;
}

static void restore(const struct gabi_hv *hv, const struct vp *vp, const struct gabi_hv_regs *regs, struct gabi_hv_act *next)
{
	uint8_t *assist = assist_of(hv, vp, active_vtl(vp));

	if (!assist)
		return;
	if (regs->mode == GABI_HV_MODE_64) {
		next->change.restore = GABI_HV_RESTORE_64;
		next->change.rax = page_load64(hv, assist, RETURN_RAX);
		next->change.rcx = page_load64(hv, assist, RETURN_RCX);
	} else {
		next->change.restore = GABI_HV_RESTORE_32;
		next->change.rax = page_load(hv, assist, RETURN_EAX);
		next->change.rcx = page_load(hv, assist, RETURN_ECX);
		next->change.rdx = page_load(hv, assist, RETURN_EDX);
	}
}

/*
 * TLFS, VTL Return. Locks on TLBs go with the VTL that held them. An interrupt that a higher VTL has by now takes the
 * processor back at once, whatever its RFLAGS.IF was.
 */
static int vtl_return(struct gabi_hv *hv, struct vp *vp, const struct gabi_hv_regs *regs, uint64_t control,
		      struct gabi_hv_turn *turn)
{
	unsigned from = active_vtl(vp);
	int to = gabi_hv_next_vtl_down(vp, from);
	struct gabi_hv_act *next;

	if (!may_switch(hv, regs) || control & ~(uint64_t)FAST_RETURN || to < 0)
		return GABI_HV_UD;
	next = act(turn, GABI_HV_ACT_SWITCH, vp->index, from);
	next->change.to = (uint8_t)to;
	if (!(control & FAST_RETURN))
		restore(hv, vp, regs, next);
	atomic_store_explicit(&vp->active, (uint8_t)to, memory_order_relaxed);
	gabi_hv_unlock_tlb(hv, vp, from, UINT16_MAX, turn);
	take_interrupt(hv, vp, turn);
	if (active_vtl(vp) == (unsigned)to && vp->waits_for >> to & 1) {
		vp->waits_for &= (uint16_t)~(1u << to);
		gabi_hv_wait_for_tlb(hv, vp, (unsigned)to, NULL, turn);
	}
	return GABI_HV_DONE;
}

static uint64_t port_control(const struct gabi_hv_regs *regs)
{
	return regs->mode == GABI_HV_MODE_64 ? regs->rcx : regs->rdx << 32 | (uint32_t)regs->rax;
}

int gabi_hv_do_vtl_call(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns,
		     struct gabi_hv_turn *turn)
{
	(void)now_100ns;
	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	return vtl_call(hv, &hv->vp[vp], regs, port_control(regs), turn);
}

int gabi_hv_do_vtl_return(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns,
		       struct gabi_hv_turn *turn)
{
	(void)now_100ns;
	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	return vtl_return(hv, &hv->vp[vp], regs, port_control(regs), turn);
}

/* By instruction, the page's code has put the control input into RAX, or ECX: see src/hv/overlay.c. */
static uint64_t instruction_control(const struct gabi_hv_regs *regs)
{
	return regs->mode == GABI_HV_MODE_64 ? regs->rax : (uint32_t)regs->rcx;
}

unsigned gabi_hv_call_vtl_call(struct call *call)
{
	call->silent = true;
	call->done = (uint8_t)vtl_call(call->hv, call->vp, call->regs, instruction_control(call->regs), call->turn);
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_vtl_return(struct call *call)
{
	call->silent = true;
	call->done = (uint8_t)vtl_return(call->hv, call->vp, call->regs, instruction_control(call->regs), call->turn);
	return GABI_HV_STATUS_SUCCESS;
}

/* ---- TLB locks ---- */

void gabi_hv_lock_tlb(struct gabi_hv *hv, struct vp *vp, unsigned holder, unsigned vtl)
{
	take(&hv->lock);
	if (!(vp->locked[holder] >> vtl & 1)) {
		vp->locked[holder] |= (uint16_t)(1u << vtl);
		vp->vtl[holder].secure_config[vtl] |= SECURE_TLB_LOCKED;
		hv->tlb_locks++;
	}
	give(&hv->lock);
}

/* A turn that drops locks one by one wakes those that came to wait meanwhile together with the others. */
static void wake(struct gabi_hv *hv, struct gabi_hv_turn *turn)
{
	bool told = false;

	for (unsigned i = 0; i < turn->count; i++)
		told |= turn->act[i].kind == GABI_HV_ACT_WAKE;
	if (!told) {
		act(turn, GABI_HV_ACT_WAKE, GABI_HV_VP_SET, 0);
		turn->wake.valid = 0;
	}
	for (uint64_t banks = hv->waiting.valid; banks; banks &= banks - 1) {
		unsigned bank = (unsigned)__builtin_ctzll(banks);

		turn->wake.bank[bank] = (turn->wake.valid >> bank & 1 ? turn->wake.bank[bank] : 0) | hv->waiting.bank[bank];
	}
	turn->wake.valid |= hv->waiting.valid;
	hv->waiting.valid = 0;
}

void gabi_hv_unlock_tlb(struct gabi_hv *hv, struct vp *vp, unsigned holder, uint16_t vtls, struct gabi_hv_turn *turn)
{
	uint16_t held;

	if (!atomic_load(&hv->tlb_locks))
		return;
	take(&hv->lock);
	held = vp->locked[holder] & vtls;
	vp->locked[holder] &= (uint16_t)~held;
	for (unsigned left = held; left; left &= left - 1) {
		vp->vtl[holder].secure_config[__builtin_ctz(left)] &= (uint8_t)~SECURE_TLB_LOCKED;
		hv->tlb_locks--;
	}
	/* All that wait look again; whoever finds another lock waits anew. */
	if (held && hv->waiting.valid)
		wake(hv, turn);
	give(&hv->lock);
}

static bool locked_on(const struct vp *vp, unsigned vtl, unsigned vtls)
{
	for (unsigned holder = vtl + 1; holder < vtls; holder++)
		if (vp->locked[holder] >> vtl & 1)
			return true;
	return false;
}

static bool any_locked(const struct gabi_hv *hv, const struct vp *self, unsigned vtl, const struct gabi_hv_set *set)
{
	if (!set) {
		for (uint32_t i = 0; i < hv->vp_count; i++)
			if (&hv->vp[i] != self && locked_on(&hv->vp[i], vtl, hv->vtl_count))
				return true;
		return false;
	}
	for (uint64_t banks = set->valid; banks; banks &= banks - 1) {
		unsigned bank = (unsigned)__builtin_ctzll(banks);

		for (uint64_t bits = set->bank[bank]; bits; bits &= bits - 1)
			if (locked_on(&hv->vp[bank * 64 + (unsigned)__builtin_ctzll(bits)], vtl, hv->vtl_count))
				return true;
	}
	return false;
}

int gabi_hv_tlb_is_locked(struct gabi_hv *hv, unsigned vtl)
{
	bool locked;

	if (vtl >= hv->vtl_count || !atomic_load(&hv->tlb_locks))
		return 0;
	take(&hv->lock);
	locked = any_locked(hv, NULL, vtl, NULL);
	give(&hv->lock);
	return locked;
}

bool gabi_hv_wait_for_tlb(struct gabi_hv *hv, struct vp *vp, unsigned vtl, const struct gabi_hv_set *set, struct gabi_hv_turn *turn)
{
	unsigned bank = vp->index / 64;
	bool locked;

	if (!atomic_load(&hv->tlb_locks))
		return false;
	take(&hv->lock);
	locked = any_locked(hv, vp, vtl, set);
	if (locked) {
		if (!(hv->waiting.valid >> bank & 1))
			hv->waiting.bank[bank] = 0;
		hv->waiting.valid |= (uint64_t)1 << bank;
		hv->waiting.bank[bank] |= (uint64_t)1 << vp->index % 64;
	}
	give(&hv->lock);
	if (locked)
		act(turn, GABI_HV_ACT_HOLD, vp->index, vtl);
	return locked;
}
