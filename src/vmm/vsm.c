/* SPDX-License-Identifier: MIT */
/*
 * Trust levels: what the engine decides of them is done to a machine that has a VM for each. A virtual processor is one thread, which
 * runs the VM of the level that its registers are in.
 *
 * A level that does not run has a local APIC in the kernel that nobody hears. It is looked at when the engine sent it an interrupt,
 * when its timer is due, and from time to time as long as a higher level runs anywhere, for only those send interrupts past the engine.
 */
#include "hyperv_own.h"
#include "insn.h"
#include "pace.h"

#include "base/base.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_REST_NS 4000000u /* how often it is looked at whether an interrupt has ended its rest */
#define REST_NS  256000000u /* the longest that one rests before the guest is let go on for a moment */
#define PROBE_NS 100000u    /* for how long, on a machine that is not slow */
#define HELD_NS 100000      /* how often a processor that waits for a lock of TLBs is looked at */
#define DENIED_NS 10000000  /* how often what would start a processor is dropped, where a higher level does not want it */

enum { GENERAL_PROTECTION = 13, NOT_HELD = -1, INSTRUCTION = 16 };

struct vsm_vp {
	pthread_mutex_t lock;   /* its holder touches the registers; KVM_RUN is inside it */
	atomic_uint wanted;     /* others that wait for the lock */
	atomic_uint vtl;        /* whose registers are the guest's now; of its own thread, others look */
	atomic_uint look;       /* VTLs whose local APIC is to be looked at */
	unsigned told;          /* VTLs of which the engine knows that an interrupt is pending; of its own thread */
	atomic_uint wakes;      /* actions WAKE that named it */
	unsigned wakes_seen;    /* when the turn began; of its own thread */
	atomic_int held;        /* the VTL that must not run, or NOT_HELD */
	bool ran;               /* of its own thread: the engine knows that it was started */
	_Atomic uint64_t timer_at[GABI_KVM_VTLS_MAX]; /* host's ns, of each local APIC; UINT64_MAX: none */
	bool kicked, rests, probed; /* its last run was ended by a kick; it rests in HLT; its rest was ended to see; of its own thread */
	uint64_t left_at, pause; /* when a kick ended its run, host's ns, else 0; for how long it rests; of its own thread */
	_Atomic uint64_t until;  /* the end of its rest, UINT64_MAX: it does not rest */
	_Atomic uint64_t due;    /* when to look at it because of that; 0: it has left the guest by itself since */
	_Atomic uint64_t alone;  /* for how long it may run without an exit until then */
};

struct vmm_vsm {
	struct vsm_vp *vp;
	atomic_bool busy;        /* a higher level ran since the last look */
	_Atomic uint64_t cost;   /* of a look, as pace.h measures it */
	uint64_t look_at;        /* when to look because of that, host's ns; 0: not yet known; of the thread of timers */
	atomic_bool ports[GABI_KVM_VTLS_MAX]; /* accesses of ports are intercepted in that VTL */
	size_t registers;        /* rows of gabi/hv_reg.def */
	pthread_mutex_t traps;   /* one after the other sets what is intercepted */
};

static struct vsm_vp *vp_of(const struct vmm_hyperv *hyperv, unsigned vp)
{
	return &hyperv->vsm->vp[vp];
}

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

unsigned vmm_vsm_current(const struct vmm_hyperv *hyperv, unsigned vp)
{
	return hyperv->vsm ? atomic_load_explicit(&vp_of(hyperv, vp)->vtl, memory_order_relaxed) : 0;
}

/* ---- the registers of any virtual processor ---- */

/* Without trust levels nobody but the processor itself wants them. */
static void take(const struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me = hyperv->vsm ? vp_of(hyperv, vp) : NULL;

	if (!me)
		return;
	atomic_fetch_add(&me->wanted, 1);
	if (pthread_mutex_trylock(&me->lock)) {
		gabi_kvm_vp_kick(hyperv->machine, vp);
		pthread_mutex_lock(&me->lock);
	}
	atomic_fetch_sub(&me->wanted, 1);
}

static void give(const struct vmm_hyperv *hyperv, unsigned vp)
{
	if (hyperv->vsm)
		pthread_mutex_unlock(&vp_of(hyperv, vp)->lock);
}

static size_t count_registers(void)
{
	size_t count = 0;

	while (gabi_hv_reg_info(count))
		count++;
	return count;
}

/* The rows are in order of number: an intercept's message asks for some forty of them. */
static bool is_shared(const struct vmm_hyperv *hyperv, uint32_t name)
{
	size_t low = 0, high = hyperv->vsm->registers;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct gabi_hv_reg_info *info = gabi_hv_reg_info(middle);

		if (info->number == name)
			return info->share == GABI_HV_SHARED;
		if (info->number < name)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* What the levels share is in the one that the processor is in. */
static unsigned holder_of(const struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl, uint32_t name)
{
	unsigned current = vmm_vsm_current(hyperv, vp);

	return current != vtl && is_shared(hyperv, name) ? current : vtl;
}

int vmm_vsm_read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	const struct vmm_hyperv *hyperv = ctx;
	int err;

	take(hyperv, vp);
	err = gabi_kvm_vp_get_register(hyperv->machine, vp, holder_of(hyperv, vp, vtl, name), name, ret_value);
	give(hyperv, vp);
	return err;
}

int vmm_vsm_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	const struct vmm_hyperv *hyperv = ctx;
	int err;

	take(hyperv, vp);
	err = gabi_kvm_vp_set_register(hyperv->machine, vp, holder_of(hyperv, vp, vtl, name), name, value);
	give(hyperv, vp);
	return err;
}

/* ---- what the engine wants done ---- */

static void restore(const struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_act *act)
{
	struct gabi_kvm_registers *regs = gabi_kvm_vp_registers(hyperv->machine, vp, act->change.to);

	if (act->change.restore == GABI_HV_RESTORE_NOTHING)
		return;
	regs->rax = act->change.rax;
	regs->rcx = act->change.rcx;
	if (act->change.restore == GABI_HV_RESTORE_32)
		regs->rdx = act->change.rdx;
	gabi_kvm_vp_changed(hyperv->machine, vp, act->change.to);
}

static void change_level(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	struct vsm_vp *me = vp_of(hyperv, act->vp);
	struct gabi_diag diag;

	/* What the engine was told to be pending for the level that is left, that level may have taken while it ran. */
	atomic_fetch_or(&me->look, me->told & 1u << act->vtl);
	take(hyperv, act->vp);
	if (gabi_kvm_vp_switch(hyperv->machine, act->vp, act->vtl, act->change.to, &diag))
		vmm_hyperv_fail(hyperv, diag.text);
	restore(hyperv, act->vp, act);
	atomic_store(&me->vtl, act->change.to);
	give(hyperv, act->vp);
	hyperv->options.switched(hyperv->options.ctx, act->vp);
	if (act->change.to > act->vtl && !atomic_exchange(&hyperv->vsm->busy, true))
		hyperv->options.wake(hyperv->options.ctx);
}

/* TLFS vsm, VTL Interrupt Management: INIT to a level below one that is enabled is dropped. Without a shim KVM does it. */
static void drop_init_below(const struct vmm_hyperv *hyperv, unsigned vp, unsigned highest)
{
	for (unsigned vtl = 0; hyperv->options.shim && vtl < highest; vtl++)
		if (gabi_kvm_vp_drop_init(hyperv->machine, vp, vtl))
			hyperv->options.fail(hyperv->options.ctx, "KVM refused to keep INIT from a virtual processor");
}

static void give_context(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	struct gabi_diag diag = { 0 };

	take(hyperv, act->vp);
	if (gabi_kvm_vp_start(hyperv->machine, act->vp, act->vtl, act->context, NULL, &diag))
		vmm_hyperv_fail(hyperv, diag.text);
	drop_init_below(hyperv, act->vp, act->vtl);
	give(hyperv, act->vp);
}

static void start(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	atomic_store(&vp_of(hyperv, act->vp)->vtl, act->vtl);
	gabi_kvm_vp_kick(hyperv->machine, act->vp);
}

static void hold(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	struct vsm_vp *me = vp_of(hyperv, act->vp);

	atomic_store(&me->held, act->vtl);
	if (atomic_load(&me->wakes) != me->wakes_seen)
		atomic_store(&me->held, NOT_HELD);
}

static void wake(struct vmm_hyperv *hyperv, const struct gabi_hv_set *set)
{
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++) {
		if (!(set->valid >> vp / 64 & 1) || !(set->bank[vp / 64] >> vp % 64 & 1))
			continue;
		atomic_fetch_add(&vp_of(hyperv, vp)->wakes, 1);
		atomic_store(&vp_of(hyperv, vp)->held, NOT_HELD);
	}
}

/* ---- intercepts ---- */

enum { REG, MSR };
enum { ACCESS_READ, ACCESS_WRITE };

static const struct trap {
	uint32_t msr;
	uint8_t form, write;
} traps[] = {
#define GABI_HV_TRAP_ROW(bit, name, reg, form, access, msr, mask, source) [bit] = { msr, form, ACCESS_##access },
#include <gabi/hv_trap.def>
};

enum { TAKEN_MAX = 128 };

static size_t add_traps(const struct vmm_hyperv *hyperv, unsigned vtl, struct gabi_kvm_msrs *msrs, size_t count)
{
	uint64_t all = 0;

	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		all |= gabi_hv_traps(hyperv->hv, vp, vtl);
	for (size_t i = 0; i < GABI_COUNT_OF(traps) && count < TAKEN_MAX; i++)
		if (all >> i & 1 && traps[i].form == MSR)
			msrs[count++] = (struct gabi_kvm_msrs){ traps[i].msr, 1, !traps[i].write, traps[i].write };
	return count;
}

static size_t add_installed(struct vmm_hyperv *hyperv, unsigned vtl, struct gabi_kvm_msrs *msrs, size_t count)
{
	struct gabi_hv_installed one;
	bool ports = false;

	for (size_t i = 0; gabi_hv_installed(hyperv->hv, vtl, i, &one); i++) {
		ports = ports || one.type == GABI_HV_INTERCEPT_IO_PORT_RANGE;
		if (one.type == GABI_HV_INTERCEPT_MSR && count < TAKEN_MAX)
			msrs[count++] = (struct gabi_kvm_msrs){ one.first, 1, one.access & 1, one.access >> 1 & 1 };
	}
	atomic_store(&hyperv->vsm->ports[vtl], ports);
	return count;
}

/* One VM has one filter for all its virtual processors; whom an access concerns the engine knows. */
static void set_traps(struct vmm_hyperv *hyperv, unsigned above)
{
	struct gabi_kvm_msrs msrs[TAKEN_MAX];
	struct gabi_diag diag = { 0 };

	pthread_mutex_lock(&hyperv->vsm->traps);
	for (unsigned vtl = 0; vtl < above; vtl++) {
		size_t count = add_installed(hyperv, vtl, msrs, add_traps(hyperv, vtl, msrs, 0));

		if (gabi_kvm_machine_take_msrs(hyperv->machine, vtl, msrs, count, &diag))
			vmm_hyperv_fail(hyperv, diag.text);
	}
	pthread_mutex_unlock(&hyperv->vsm->traps);
}

void vmm_vsm_act(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_act *act, const struct gabi_hv_turn *turn)
{
	(void)vp;
	if (!hyperv->vsm)
		return;
	switch (act->kind) {
	case GABI_HV_ACT_SWITCH:
		change_level(hyperv, act);
		break;
	case GABI_HV_ACT_CONTEXT:
		give_context(hyperv, act);
		break;
	case GABI_HV_ACT_START:
		start(hyperv, act);
		break;
	case GABI_HV_ACT_HOLD:
		hold(hyperv, act);
		break;
	case GABI_HV_ACT_WAKE:
		wake(hyperv, &turn->wake);
		break;
	case GABI_HV_ACT_TRAPS:
		set_traps(hyperv, act->vtl);
		break;
	default:
		break;
	}
}

static void protect(struct vmm_hyperv *hyperv, unsigned vtl, uint64_t gfn, uint64_t count, unsigned prot)
{
	uint64_t low = hyperv->options.memory < GABI_KVM_LOW_RAM ? hyperv->options.memory : GABI_KVM_LOW_RAM;
	const uint64_t part[2][2] = { { 0, low }, { GABI_KVM_HIGH_RAM, GABI_KVM_HIGH_RAM + hyperv->options.memory - low } };
	struct gabi_diag diag;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t from = gfn * GABI_HV_PAGE, to = from + count * GABI_HV_PAGE;

		from = from > part[i][0] ? from : part[i][0];
		to = to < part[i][1] ? to : part[i][1];
		if (from < to && gabi_kvm_machine_protect(hyperv->machine, vtl, from, to - from, prot & (GABI_KVM_READ | GABI_KVM_WRITE | GABI_KVM_EXECUTE), &diag))
			vmm_hyperv_fail(hyperv, diag.text);
	}
}

/* The devices look at the rights of a page before each access, so that one that began earlier has to end before the guest goes on. */
void vmm_vsm_protect(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_turn *turn)
{
	if (!hyperv->vsm || !turn->changes)
		return;
	for (uint32_t i = 0; i < turn->changes; i++) {
		const struct gabi_hv_change *change = &turn->change[i];

		protect(hyperv, change->vtl, change->gfn, change->count, change->prot);
	}
	hyperv->options.protected(hyperv->options.ctx, vp, turn->changes);
	hyperv->options.wait_for_devices(hyperv->options.ctx);
}

static void load_protections(struct vmm_hyperv *hyperv, unsigned vtl)
{
	uint64_t count;
	unsigned prot;

	for (uint64_t gfn = 0; (count = gabi_hv_protection_run(hyperv->hv, vtl, gfn, &prot)); gfn += count)
		if (prot != GABI_HV_ALL_ACCESS)
			protect(hyperv, vtl, gfn, count, prot);
}

/* What is pending in a local APIC is told anew, once it has been looked at. */
void vmm_vsm_load(struct vmm_hyperv *hyperv)
{
	for (unsigned vp = 0; hyperv->vsm && vp < hyperv->options.cpus; vp++) {
		struct vsm_vp *me = vp_of(hyperv, vp);

		atomic_store(&me->vtl, gabi_hv_active_vtl(hyperv->hv, vp));
		me->told = 0;
		me->ran = gabi_kvm_vp_is_started(hyperv->machine, vp);
		for (unsigned vtl = 0; vtl < hyperv->config.vtl_count; vtl++)
			gabi_hv_interrupt(hyperv->hv, vp, vtl, false, &hyperv->turn[vp]);
		atomic_store(&me->look, gabi_hv_enabled_vtls(hyperv->hv, vp));
		drop_init_below(hyperv, vp, (unsigned)(31 - __builtin_clz(gabi_hv_enabled_vtls(hyperv->hv, vp) | 1)));
	}
	for (unsigned vtl = 0; hyperv->vsm && vtl + 1 < hyperv->config.vtl_count; vtl++)
		load_protections(hyperv, vtl);
	if (hyperv->vsm)
		set_traps(hyperv, hyperv->config.vtl_count - 1);
}

/* ---- interrupts ---- */

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

static void look(struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	struct gabi_diag diag;
	uint64_t timer_ns;
	int pending, err;

	atomic_fetch_and(&me->look, ~(1u << vtl));
	take(hyperv, vp);
	err = gabi_kvm_vp_interrupt(hyperv->machine, vp, vtl, &pending, &timer_ns, &diag);
	give(hyperv, vp);
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
		look(hyperv, vp, (unsigned)(31 - __builtin_clz(wanted)));
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
	take(hyperv, vp);
	give(hyperv, vp);
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
static bool not_now(struct vsm_vp *me, long ns)
{
	me->left_at = 0;
	nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
	return false;
}

bool vmm_vsm_ready(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me;

	if (!hyperv->vsm)
		return true;
	me = vp_of(hyperv, vp);
	look_at_others(hyperv, vp);
	if (is_held(hyperv, vp))
		return not_now(me, HELD_NS);
	while (atomic_load(&me->wanted))
		sched_yield();
	pthread_mutex_lock(&me->lock);
	if (gabi_hv_tlb_is_locked(hyperv->hv, vmm_vsm_current(hyperv, vp))) {
		pthread_mutex_unlock(&me->lock);
		return not_now(me, HELD_NS);
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

/* ---- calls between levels ---- */

static void finish(struct vmm_hyperv *hyperv, unsigned vp, int done, const struct gabi_hv_turn *turn)
{
	enum { UNDEFINED = 6 };

	if (done != GABI_HV_DONE) {
		take(hyperv, vp);
		gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), UNDEFINED, NULL);
		give(hyperv, vp);
		return;
	}
	vmm_hyperv_carry_out(hyperv, vp, turn);
}

/* The higher level hears of what the lower one leaves pending: so that is looked at, if it was told of before. */
void vmm_vsm_call(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	struct gabi_hv_regs regs;

	if (hyperv->vsm && vp_of(hyperv, vp)->told >> vtl & 1)
		look(hyperv, vp, vtl);
	if (vmm_hyperv_regs(hyperv, vp, &regs))
		finish(hyperv, vp, gabi_hv_vtl_call(hyperv->hv, vp, &regs, vmm_hyperv_now(hyperv), turn), turn);
}

/* What the level leaves pending takes the processor back at once: so it is looked at, if there can be anything. */
void vmm_vsm_return(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct gabi_hv_turn *turn = &hyperv->turn[vp];
	struct vsm_vp *me = hyperv->vsm ? vp_of(hyperv, vp) : NULL;
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	struct gabi_hv_regs regs;

	if (me && vtl && ((atomic_load(&me->look) | me->told) >> vtl & 1))
		look(hyperv, vp, vtl);
	if (vmm_hyperv_regs(hyperv, vp, &regs))
		finish(hyperv, vp, gabi_hv_vtl_return(hyperv->hv, vp, &regs, vmm_hyperv_now(hyperv), turn), turn);
}

/* ---- exits ---- */

/* An intercept: the instruction has not been executed, and will be when its level goes on. */
static bool intercepted(struct vmm_hyperv *hyperv, unsigned vp, int done)
{
	if (done == GABI_HV_DONE)
		return false;
	take(hyperv, vp);
	gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), done == GABI_HV_GP ? GENERAL_PROTECTION : GABI_KVM_NO_FAULT, NULL);
	give(hyperv, vp);
	vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	return true;
}

/* The instruction that a processor is at, as far as it lies in one page of RAM. */
struct code {
	uint64_t gva, gpa;  /* of its first byte */
	unsigned bits;      /* of the segment: 16, 32 or 64 */
	unsigned count;     /* 0: it is in no RAM, and nothing else is known of it but perhaps where it is */
	uint8_t bytes[INSTRUCTION];
};

/* The attributes of CS, as a descriptor has them, are its last two bytes: L and D/B. Only 64-bit code has no base. */
static void place(struct code *code, const struct gabi_hv_value *cs, uint64_t rip)
{
	bool is_long = cs->high >> 61 & 1;

	code->bits = is_long ? 64 : cs->high >> 62 & 1 ? 32 : 16;
	code->gva = is_long ? rip : (uint32_t)(rip + cs->low);
}

static struct code fetch(const struct vmm_hyperv *hyperv, unsigned vp)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp), len;
	struct code code = { 0 };
	struct gabi_hv_value cs = { 0, 0 };
	const void *from;
	int err;

	take(hyperv, vp);
	err = gabi_kvm_vp_get_register(hyperv->machine, vp, vtl, GABI_HV_REG_Cs, &cs);
	place(&code, &cs, gabi_kvm_vp_registers(hyperv->machine, vp, vtl)->rip);
	err = err ? err : gabi_kvm_vp_translate(hyperv->machine, vp, vtl, code.gva, &code.gpa);
	give(hyperv, vp);
	if (err)
		return code;
	len = (unsigned)(GABI_HV_PAGE - code.gpa % GABI_HV_PAGE);
	len = len < INSTRUCTION ? len : INSTRUCTION;
	from = gabi_kvm_machine_ram(hyperv->machine, code.gpa, len);
	code.count = from ? len : 0;
	if (from)
		memcpy(code.bytes, from, len);
	return code;
}

static bool serve_port(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	struct gabi_hv_io io = { .port = (uint16_t)exit->address, .size = exit->size, .write = exit->write };
	struct vmm_insn insn;
	struct code code;

	if (!atomic_load(&hyperv->vsm->ports[vmm_vsm_current(hyperv, vp)]))
		return false;
	code = fetch(hyperv, vp);
	insn = vmm_insn(code.bytes, code.count, code.bits);
	io.bytes = (uint8_t)code.count;
	memcpy(io.instruction, code.bytes, sizeof(io.instruction));
	io.instruction_len = insn.len;
	io.string = insn.len && (insn.opcode & 0xfc) == 0x6c; /* INS, OUTS */
	io.rep = io.string && insn.rep;
	return intercepted(hyperv, vp, gabi_hv_io(hyperv->hv, vp, &io, vmm_hyperv_now(hyperv), &hyperv->turn[vp]));
}

static uint64_t next_page(uint64_t gva)
{
	return (gva / GABI_HV_PAGE + 1) * GABI_HV_PAGE;
}

/* Does the instruction go on in that page? It has to be fetched before it can read there. */
static bool goes_on_in(const struct vmm_hyperv *hyperv, unsigned vp, const struct code *code, uint64_t page)
{
	uint64_t gpa;
	int err;

	if (!code->count || code->count >= VMM_INSN_MAX || vmm_insn(code->bytes, code->count, code->bits).len)
		return false;
	take(hyperv, vp);
	err = gabi_kvm_vp_translate(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), next_page(code->gva), &gpa);
	give(hyperv, vp);
	return !err && gpa / GABI_HV_PAGE == page / GABI_HV_PAGE;
}

/* Where execution is not forbidden on its own, an access of the page that RIP is in can only be the fetch of an instruction. */
static bool is_fetch(const struct vmm_hyperv *hyperv, unsigned vp, const struct code *code, uint64_t page)
{
	return (code->count && code->gpa / GABI_HV_PAGE == page / GABI_HV_PAGE) || goes_on_in(hyperv, vp, code, page);
}

/* Of an instruction that goes on in the next page, that page can be the one. */
static void tell_fetch(const struct code *code, struct gabi_hv_fault *fault)
{
	bool is_next = fault->gpa / GABI_HV_PAGE != code->gpa / GABI_HV_PAGE;

	fault->gpa = is_next ? fault->gpa / GABI_HV_PAGE * GABI_HV_PAGE : code->gpa;
	fault->gva = is_next ? next_page(code->gva) : code->gva;
	fault->gva_valid = fault->gva_is_of_gpa = 1;
	fault->access = GABI_HV_ACCESS_EXECUTE;
}

enum access { JUDGE_READ, JUDGE_WRITE, JUDGE_FETCH };

static int judge(struct vmm_hyperv *hyperv, unsigned vp, uint64_t gpa, enum access access)
{
	struct gabi_hv_fault fault = { .gpa = gpa, .access = access == JUDGE_WRITE ? GABI_HV_ACCESS_WRITE : GABI_HV_ACCESS_READ };
	struct code code = fetch(hyperv, vp);

	fault.bytes = (uint8_t)code.count;
	memcpy(fault.instruction, code.bytes, sizeof(fault.instruction));
	if (access == JUDGE_FETCH || (access == JUDGE_READ && is_fetch(hyperv, vp, &code, gpa)))
		tell_fetch(&code, &fault);
	return gabi_hv_memory_fault(hyperv->hv, vp, &fault, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
}

/* The instruction has not begun, and begins again by itself. */
static bool serve_protected(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	int done = judge(hyperv, vp, exit->address, exit->execute ? JUDGE_FETCH : exit->write ? JUDGE_WRITE : JUDGE_READ);

	if (done == GABI_HV_AGAIN)
		vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	else
		intercepted(hyperv, vp, done);
	return true;
}

static bool may(const struct vmm_hyperv *hyperv, unsigned vtl, uint64_t gpa, bool write)
{
	return gabi_hv_protection(hyperv->hv, vtl, gpa / GABI_HV_PAGE) & (write ? GABI_HV_WRITE : GABI_HV_READ);
}

/*
 * KVM emulates some instructions, and what those cannot reach in RAM comes as if there were a device. What is allowed is done here. What is
 * not is told to the level that forbids it; but it cannot be tried again: a write is lost, and a read gives ones.
 */
static bool serve_memory(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	void *ram = gabi_kvm_machine_ram(hyperv->machine, exit->address, exit->size);

	if (!ram)
		return false;
	if (may(hyperv, vmm_vsm_current(hyperv, vp), exit->address, exit->write)) {
		memcpy(exit->write ? ram : exit->data, exit->write ? exit->data : ram, exit->size);
		return true;
	}
	if (!exit->write)
		memset(exit->data, 0xff, exit->size);
	if (judge(hyperv, vp, exit->address, exit->write ? JUDGE_WRITE : JUDGE_READ) == GABI_HV_AGAIN)
		vmm_hyperv_carry_out(hyperv, vp, &hyperv->turn[vp]);
	return true;
}

static int trap_msr(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr, bool write, uint64_t value)
{
	const struct gabi_hv_value wide = { value, 0 };
	uint64_t wanted = gabi_hv_traps(hyperv->hv, vp, vmm_vsm_current(hyperv, vp));
	int done = GABI_HV_DONE;

	for (unsigned i = 0; done == GABI_HV_DONE && i < GABI_COUNT_OF(traps); i++)
		if (wanted >> i & 1 && traps[i].form == MSR && traps[i].msr == msr && traps[i].write == write)
			done = gabi_hv_trap(hyperv->hv, vp, i, &wide, 2, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
	return done != GABI_HV_DONE ? done :
				      gabi_hv_msr_intercept(hyperv->hv, vp, msr, write, 2, vmm_hyperv_now(hyperv), &hyperv->turn[vp]);
}

/* An MSR that is KVM's, and is here because of an intercept. */
static bool serve_msr(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	uint32_t msr = (uint32_t)exit->address;
	bool refused = *exit->fault;
	uint64_t value;
	int err;

	memcpy(&value, exit->data, sizeof(value));
	*exit->fault = 0;
	if (intercepted(hyperv, vp, trap_msr(hyperv, vp, msr, exit->write, value)))
		return true;
	*exit->fault = refused;
	if (refused)
		return true;
	err = exit->write ? gabi_kvm_vp_set_msr(hyperv->machine, vp, vtl, msr, value) :
			    gabi_kvm_vp_get_msr(hyperv->machine, vp, vtl, msr, &value);
	memcpy(exit->data, &value, sizeof(value));
	*exit->fault = err != 0;
	return true;
}

bool vmm_vsm_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit)
{
	if (!hyperv->vsm)
		return false;
	switch (exit->kind) {
	case GABI_KVM_EXIT_PORT:
		return serve_port(hyperv, vp, exit);
	case GABI_KVM_EXIT_MMIO:
		return serve_memory(hyperv, vp, exit);
	case GABI_KVM_EXIT_MSR:
		return serve_msr(hyperv, vp, exit);
	case GABI_KVM_EXIT_PROTECTED:
		return serve_protected(hyperv, vp, exit);
	default:
		return false;
	}
}

/* ---- making ---- */

static void init_vp(struct vsm_vp *vp)
{
	pthread_mutex_init(&vp->lock, NULL);
	atomic_init(&vp->held, NOT_HELD);
	atomic_init(&vp->until, UINT64_MAX);
	for (unsigned vtl = 0; vtl < GABI_KVM_VTLS_MAX; vtl++)
		atomic_init(&vp->timer_at[vtl], UINT64_MAX);
}

int vmm_vsm_new(struct vmm_hyperv *hyperv, struct gabi_diag *diag)
{
	struct vmm_vsm *vsm;

	if (hyperv->config.vtl_count < 2)
		return 0;
	vsm = calloc(1, sizeof(*vsm));
	if (vsm)
		vsm->vp = calloc(hyperv->options.cpus, sizeof(*vsm->vp));
	if (!vsm || !vsm->vp) {
		free(vsm);
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		init_vp(&vsm->vp[vp]);
	pthread_mutex_init(&vsm->traps, NULL);
	vsm->registers = count_registers();
	hyperv->vsm = vsm;
	return 0;
}

void vmm_vsm_free(struct vmm_hyperv *hyperv)
{
	if (!hyperv->vsm)
		return;
	for (unsigned vp = 0; vp < hyperv->options.cpus; vp++)
		pthread_mutex_destroy(&hyperv->vsm->vp[vp].lock);
	pthread_mutex_destroy(&hyperv->vsm->traps);
	free(hyperv->vsm->vp);
	free(hyperv->vsm);
}
