/* SPDX-License-Identifier: MIT */
/*
 * When a virtual processor runs, waits or rests, and interrupts of a level that does not run. That has a local APIC in the kernel that nobody
 * hears. It is looked at when the engine sent it an interrupt, when its timer is due, and from time to time as long as a higher level runs
 * anywhere, for only those send interrupts past the engine.
 */
#include "pace.h"
#include "vsm_own.h"

#include <gabi/hv_msr.h>

#include <sched.h>
#include <time.h>

#define LOOK_REST_NS 4000000u /* how often it is looked at whether an interrupt has ended its rest */
#define REST_NS  256000000u /* the longest that one rests before the guest is let go on for a moment */
#define PROBE_NS 100000u    /* for how long, on a machine that is not slow */
#define DENIED_NS 10000000  /* how often what would start a processor is dropped, where a higher level does not want it */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t shortest(const struct vmm_hyperv *hyperv)
{
	return vmm_pace_shortest(atomic_load_explicit(&hyperv->vsm->cost, memory_order_relaxed), hyperv->options.cpus);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The interrupt first, then the wish to look, then the level that runs: whoever changes the level looks behind that. */
void vmm_vsm_sent(struct vmm_hyperv *hyperv, unsigned self, unsigned vp, unsigned vtl)
{
	struct vsm_vp *other;

	if (!hyperv->vsm)
		return;
	other = vp_of(hyperv, vp);
	atomic_fetch_or(&other->look, 1u << vtl);
	if (vp != self && atomic_load(&other->vtl) != vtl)
		gabi_kvm_vp_kick(hyperv->machine, vp);
}

enum { SOURCES = 16, SOURCE_MASKED = 1 << 16, SOURCE_AUTO_EOI = 1 << 17 };

/* KVM's source that ends that vector's service, else the last that nobody uses, else 0: the first is the intercepts'. */
static unsigned find_source(const struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl, uint64_t wanted, bool *ret_found)
{
	unsigned unused = 0;
	uint64_t value;

	*ret_found = false;
	for (unsigned source = 0; source < SOURCES; source++) {
		if (gabi_kvm_vp_get_msr(hyperv->machine, vp, vtl, GABI_HV_MSR_SINT0 + source, &value))
			return 0;
		*ret_found = *ret_found || value == wanted;
		unused = value & SOURCE_MASKED ? source : unused;
	}
	return unused;
}

/*
 * KVM's local APIC ends a vector's service by itself where a source of KVM's own SynIC says so, and those follow the guest's. The notification of
 * TLFS vsm, VINA, is of no source, and may be of that kind too: KVM is told of it by a source that the guest does not use.
 */
void vmm_vsm_end_of(struct vmm_hyperv *hyperv, unsigned self, const struct gabi_hv_act *act)
{
	struct vsm_vp *me = hyperv->vsm && act->vp == self ? vp_of(hyperv, self) : NULL;
	uint8_t vector = act->interrupt.vector;
	unsigned source;
	bool found;

	if (!me || act->interrupt.type || (me->ends[act->vtl].vector == vector) == act->interrupt.auto_eoi)
		return;
	if (me->ends[act->vtl].source)
		gabi_kvm_vp_set_msr(hyperv->machine, self, act->vtl, GABI_HV_MSR_SINT0 + me->ends[act->vtl].source, SOURCE_MASKED);
	me->ends[act->vtl].vector = me->ends[act->vtl].source = 0;
	if (!act->interrupt.auto_eoi)
		return;
	source = find_source(hyperv, self, act->vtl, vector | SOURCE_AUTO_EOI, &found);
	if (!found && source)
		gabi_kvm_vp_set_msr(hyperv->machine, self, act->vtl, GABI_HV_MSR_SINT0 + source, vector | SOURCE_AUTO_EOI);
	me->ends[act->vtl].vector = vector;
	me->ends[act->vtl].source = found ? 0 : (uint8_t)source;
}

/* It may be the one that was taken, which is the guest's now, or the guest's own that was found. */
void vmm_vsm_source_changed(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr)
{
	struct vsm_vp *me = hyperv->vsm ? vp_of(hyperv, vp) : NULL;
	unsigned vtl = vmm_vsm_current(hyperv, vp);

	if (me && (!me->ends[vtl].source || me->ends[vtl].source == msr - GABI_HV_MSR_SINT0))
		me->ends[vtl].vector = me->ends[vtl].source = 0;
}

/* What it was taken for may be pending still. */
bool vmm_vsm_knows_again(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr, uint64_t value)
{
	struct vsm_vp *me = hyperv->vsm ? vp_of(hyperv, vp) : NULL;
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	uint64_t kvms;

	if (!me || !(value & SOURCE_MASKED) || gabi_kvm_vp_get_msr(hyperv->machine, vp, vtl, msr, &kvms) ||
	    (kvms & (SOURCE_MASKED | SOURCE_AUTO_EOI)) != SOURCE_AUTO_EOI)
		return false;
	me->ends[vtl].vector = (uint8_t)kvms;
	me->ends[vtl].source = (uint8_t)(msr - GABI_HV_MSR_SINT0);
	return true;
}

static void tell(struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl, bool pending)
{
	struct vsm_vp *me = vp_of(hyperv, vp);

	if ((me->told >> vtl & 1) == pending)
		return;
	me->told ^= 1u << vtl;
	me->wakes_seen = atomic_load(&me->wakes);
	gabi_hv_interrupt(hyperv->hv, vp, vtl, pending, &hyperv->turn[vp]);
	vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
}

void vsm_look(struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	struct gabi_diag diag;
	uint64_t timer_ns;
	int pending, err;

	atomic_fetch_and(&me->look, ~(1u << vtl));
	vsm_take(hyperv, vp);
	err = gabi_kvm_vp_interrupt(hyperv->machine, vp, vtl, &pending, &timer_ns, &diag);
	vsm_give(hyperv, vp);
	if (err) {
		vmm_hyperv_fail(hyperv, diag.text);
		return;
	}
	atomic_store(&me->timer_at[vtl], timer_ns == UINT64_MAX ? UINT64_MAX : now_ns() + timer_ns);
	if (timer_ns != UINT64_MAX)
		hyperv->options.wake(hyperv->options.ctx);
	tell(hyperv, vp, vtl, pending);
}

/* Of levels that it is not in; the own APIC is looked at when the level is left. */
static void look_at_others(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	unsigned wanted;

	while ((wanted = atomic_load(&me->look) & gabi_hv_enabled_vtls(hyperv->hv, vp) & ~(1u << vmm_vsm_current(hyperv, vp))))
		vsm_look(hyperv, vp, (unsigned)(31 - __builtin_clz(wanted)));
}

static bool is_held(const struct vmm_hyperv *hyperv, unsigned vp)
{
	return atomic_load(&vp_of(hyperv, vp)->held) == (int)vmm_vsm_current(hyperv, vp);
}

/* When to look at one that rests: does it still? */
static uint64_t look_rest_ns(const struct vmm_hyperv *hyperv)
{
	uint64_t least = shortest(hyperv);

	return least < LOOK_REST_NS ? LOOK_REST_NS : least;
}

/*
 * HLT of a lower level is no exit (docs/vsm.md), and one who waits there would keep this machine's processor busy. So who was kicked out of the
 * guest and seems to wait rests in KVM instead. Only the guest knows for certain: now and then it is let go on for a moment.
 */
static void rest(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	uint64_t now, until = atomic_load(&me->until), alone = atomic_load(&me->alone), least;
	bool undisturbed;

	if (!me->kicked) {
		me->rests = me->probed = false;
		atomic_store(&me->until, UINT64_MAX);
		atomic_store_explicit(&me->due, 0, memory_order_relaxed);
		return;
	}
	now = now_ns();
	least = shortest(hyperv);
	undisturbed = me->rests && gabi_kvm_vp_rested(hyperv->machine, vp);
	if (undisturbed && now >= until) {
		me->rests = false;
		me->probed = true;
		atomic_store(&me->until, UINT64_MAX);
		atomic_store(&me->due, now + PROBE_NS + least / 8);
		hyperv->options.wake(hyperv->options.ctx);
		return;
	}
	me->rests = gabi_kvm_vp_rest(hyperv->machine, vp, vmm_vsm_current(hyperv, vp));
	if (me->rests && !undisturbed) {
		me->pause = me->probed ? earlier(me->pause * 2, REST_NS) : least;
		until = now + me->pause;
	}
	alone = me->rests ? least : vmm_pace_next(alone, least);
	me->probed = false;
	atomic_store(&me->until, me->rests ? until : UINT64_MAX);
	atomic_store(&me->alone, alone);
	atomic_store(&me->due, me->rests ? earlier(now + look_rest_ns(hyperv), until) : now + alone);
}

/* From a kick's exit to the next entry. */
static void measure(struct vmm_vsm *vsm, struct vsm_vp *me)
{
	if (me->left_at)
		atomic_store_explicit(&vsm->cost, vmm_pace_cost(atomic_load_explicit(&vsm->cost, memory_order_relaxed), now_ns() - me->left_at),
				      memory_order_relaxed);
	me->left_at = 0;
}

static void let_leave(struct vmm_hyperv *hyperv, unsigned vp)
{
	vsm_take(hyperv, vp);
	vsm_give(hyperv, vp);
}

/*
 * TLFS, TlbLocked: flushes of a level wait as long as its TLB is locked. Those that KVM takes do not, so nobody runs in that level meanwhile;
 * when this returns no processor is in it any more. And who waits in KVM to be started does not any more, where nobody is to be. vp: whose call
 * may have brought that about.
 */
void vmm_vsm_stop(struct vmm_hyperv *hyperv, unsigned vp)
{
	if (!hyperv->vsm || !vmm_vsm_current(hyperv, vp))
		return;
	for (unsigned other = 0; other < hyperv->options.cpus; other++)
		if (other != vp && !gabi_hv_may_run(hyperv->hv, other))
			let_leave(hyperv, other);
	for (unsigned vtl = 0; vtl < vmm_vsm_current(hyperv, vp); vtl++)
		for (unsigned other = 0; gabi_hv_tlb_is_locked(hyperv->hv, vtl) && other < hyperv->options.cpus; other++)
			if (other != vp && atomic_load(&vp_of(hyperv, other)->vtl) == vtl)
				let_leave(hyperv, other);
}

/* It is not run now. A kick ends the moment; what it takes is none of a kick's cost. */
static bool not_now(struct vsm_vp *me, uint64_t ns)
{
	me->left_at = 0;
	nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
	return false;
}

/* How often a processor that waits for a lock of TLBs looks: each 100 microseconds, and less often on a slow machine, for who has the lock to get on. */
static uint64_t held_ns(const struct vmm_hyperv *hyperv)
{
	return shortest(hyperv) / 10;
}

bool vmm_vsm_ready(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me;

	if (!hyperv->vsm)
		return true;
	me = vp_of(hyperv, vp);
	look_at_others(hyperv, vp);
	if (is_held(hyperv, vp))
		return not_now(me, held_ns(hyperv));
	while (atomic_load(&me->wanted))
		sched_yield();
	pthread_mutex_lock(&me->lock);
	if (gabi_hv_tlb_is_locked(hyperv->hv, vmm_vsm_current(hyperv, vp))) {
		pthread_mutex_unlock(&me->lock);
		return not_now(me, held_ns(hyperv));
	}
	if (!me->ran && !gabi_hv_may_run(hyperv->hv, vp)) {
		gabi_kvm_vp_drop_startup(hyperv->machine, vp);
		pthread_mutex_unlock(&me->lock);
		return not_now(me, DENIED_NS);
	}
	me->wakes_seen = atomic_load(&me->wakes);
	rest(hyperv, vp);
	measure(hyperv->vsm, me);
	return true;
}

void vmm_vsm_left(struct vmm_hyperv *hyperv, unsigned vp, bool runs)
{
	struct vsm_vp *me;
	bool starts;

	if (!hyperv->vsm)
		return;
	me = vp_of(hyperv, vp);
	me->kicked = !runs;
	me->left_at = runs ? 0 : now_ns();
	starts = !me->ran && (runs || gabi_kvm_vp_is_started(hyperv->machine, vp));
	pthread_mutex_unlock(&me->lock);
	if (starts) {
		me->ran = true;
		gabi_hv_accepts_init(hyperv->hv, vp, 0);
	}
}

static bool is_due(struct vsm_vp *vp, uint64_t now, uint64_t *ret_next)
{
	bool due = false;

	for (unsigned vtl = 0; vtl < GABI_KVM_VTLS_MAX; vtl++) {
		uint64_t at = atomic_load(&vp->timer_at[vtl]);

		if (at <= now && atomic_compare_exchange_strong(&vp->timer_at[vtl], &at, UINT64_MAX)) {
			atomic_fetch_or(&vp->look, 1u << vtl);
			due = true;
		} else if (at > now && at - now < *ret_next) {
			*ret_next = at - now;
		}
	}
	return due;
}

/* Is it time to look at all, because higher levels ran? */
static bool is_look_due(const struct vmm_hyperv *hyperv, uint64_t now)
{
	struct vmm_vsm *vsm = hyperv->vsm;

	if (!atomic_load(&vsm->busy))
		return false;
	if (!vsm->look_at)
		vsm->look_at = now + shortest(hyperv);
	if (now < vsm->look_at)
		return false;
	vsm->look_at = 0;
	atomic_store(&vsm->busy, false);
	return true;
}

/* In how many ns to look again; who runs in the highest level waits in KVM by itself. One that waits in KVM is not disturbed. */
static uint64_t look_who_waits(struct vmm_hyperv *hyperv, unsigned vp, uint64_t now)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	uint64_t due = 0, alone = atomic_load(&me->alone), until = atomic_load(&me->until);
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	bool waits;

	if (vtl + 1 == hyperv->config.vtl_count)
		return UINT64_MAX;
	if (!alone)
		alone = shortest(hyperv);
	if (atomic_compare_exchange_strong(&me->due, &due, now + alone))
		return alone;
	if (due > now)
		return due - now;
	waits = now < until && gabi_kvm_vp_waits(hyperv->machine, vp, vtl);
	due = earlier(now + look_rest_ns(hyperv), waits ? until : UINT64_MAX);
	atomic_store(&me->due, due);
	if (!waits)
		gabi_kvm_vp_kick(hyperv->machine, vp);
	return due - now;
}

uint64_t vmm_vsm_tick(struct vmm_hyperv *hyperv)
{
	struct vmm_vsm *vsm = hyperv->vsm;
	uint64_t next = UINT64_MAX, now = now_ns();
	bool looks;

	if (!vsm)
		return next;
	looks = is_look_due(hyperv, now);
	for (unsigned i = 0; i < hyperv->options.cpus; i++) {
		struct vsm_vp *vp = vp_of(hyperv, i);
		unsigned enabled = gabi_hv_enabled_vtls(hyperv->hv, i);
		uint64_t wait = look_who_waits(hyperv, i, now);

		next = wait < next ? wait : next;
		if (looks)
			atomic_fetch_or(&vp->look, enabled);
		if (looks && atomic_load(&vp->vtl))
			atomic_store(&vsm->busy, true);
		if (is_due(vp, now, &next) || (looks && enabled > 1))
			gabi_kvm_vp_kick(hyperv->machine, i);
	}
	if (atomic_load(&vsm->busy) && !vsm->look_at)
		vsm->look_at = now + shortest(hyperv);
	return vsm->look_at && vsm->look_at - now < next ? vsm->look_at - now : next;
}
