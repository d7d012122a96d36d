/* SPDX-License-Identifier: MIT */
/*
 * Trust levels: what the engine decides of them is done to a machine that has a VM for each. A virtual processor is one thread, which
 * runs the VM of the level that its registers are in.
 */
#include "vsm_own.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

unsigned vmm_vsm_current(const struct vmm_hyperv *hyperv, unsigned vp)
{
	return hyperv->vsm ? atomic_load_explicit(&vp_of(hyperv, vp)->vtl, memory_order_relaxed) : 0;
}

/* ---- the registers of any virtual processor ---- */

void vsm_take(const struct vmm_hyperv *hyperv, unsigned vp)
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

void vsm_give(const struct vmm_hyperv *hyperv, unsigned vp)
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

	vsm_take(hyperv, vp);
	err = gabi_kvm_vp_get_register(hyperv->machine, vp, holder_of(hyperv, vp, vtl, name), name, ret_value);
	vsm_give(hyperv, vp);
	return err;
}

int vmm_vsm_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	const struct vmm_hyperv *hyperv = ctx;
	int err;

	vsm_take(hyperv, vp);
	err = gabi_kvm_vp_set_register(hyperv->machine, vp, holder_of(hyperv, vp, vtl, name), name, value);
	vsm_give(hyperv, vp);
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

/* A level that is entered for the first time since a restore. The processor's own turn is being carried out. */
static void mirror_entered(struct vmm_hyperv *hyperv, unsigned vp)
{
	struct vsm_vp *me = vp_of(hyperv, vp);
	unsigned vtl = vmm_vsm_current(hyperv, vp);
	struct gabi_hv_turn *turn;

	if (!(me->unmirrored >> vtl & 1) || gabi_hv_active_vtl(hyperv->hv, vp) != vtl)
		return;
	turn = malloc(sizeof(*turn));
	if (!turn) {
		vmm_hyperv_fail(hyperv, "out of memory");
		return;
	}
	vmm_hyperv_mirror_sources(hyperv, vp, turn);
	free(turn);
	me->unmirrored &= ~(1u << vtl);
}

static void change_level(struct vmm_hyperv *hyperv, const struct gabi_hv_act *act)
{
	struct vsm_vp *me = vp_of(hyperv, act->vp);
	struct gabi_diag diag;

	/* What the engine was told to be pending for the level that is left, that level may have taken while it ran. */
	atomic_fetch_or(&me->look, me->told & 1u << act->vtl);
	vsm_take(hyperv, act->vp);
	if (gabi_kvm_vp_switch(hyperv->machine, act->vp, act->vtl, act->change.to, &diag))
		vmm_hyperv_fail(hyperv, diag.text);
	restore(hyperv, act->vp, act);
	atomic_store(&me->vtl, act->change.to);
	mirror_entered(hyperv, act->vp);
	vsm_give(hyperv, act->vp);
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

	vsm_take(hyperv, act->vp);
	if (gabi_kvm_vp_start(hyperv->machine, act->vp, act->vtl, act->context, NULL, &diag))
		vmm_hyperv_fail(hyperv, diag.text);
	drop_init_below(hyperv, act->vp, act->vtl);
	vsm_give(hyperv, act->vp);
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
		vsm_set_traps(hyperv, act->vtl);
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
		if (vmm_vsm_current(hyperv, vp))
			atomic_store(&hyperv->vsm->busy, true); /* it will not be entered, and what lower ones are sent is to be heard */
		me->told = 0;
		me->unmirrored = gabi_hv_enabled_vtls(hyperv->hv, vp) & ~(1u << vmm_vsm_current(hyperv, vp));
		me->ran = gabi_kvm_vp_is_started(hyperv->machine, vp);
		for (unsigned vtl = 0; vtl < hyperv->config.vtl_count; vtl++)
			gabi_hv_interrupt(hyperv->hv, vp, vtl, false, &hyperv->turn[vp]);
		atomic_store(&me->look, gabi_hv_enabled_vtls(hyperv->hv, vp));
		drop_init_below(hyperv, vp, (unsigned)(31 - __builtin_clz(gabi_hv_enabled_vtls(hyperv->hv, vp) | 1)));
	}
	for (unsigned vtl = 0; hyperv->vsm && vtl + 1 < hyperv->config.vtl_count; vtl++)
		load_protections(hyperv, vtl);
	if (hyperv->vsm)
		vsm_set_traps(hyperv, hyperv->config.vtl_count - 1);
}

/* ---- calls between levels ---- */

static void finish(struct vmm_hyperv *hyperv, unsigned vp, int done, const struct gabi_hv_turn *turn)
{
	enum { UNDEFINED = 6 };

	if (done != GABI_HV_DONE) {
		vsm_take(hyperv, vp);
		gabi_kvm_vp_again(hyperv->machine, vp, vmm_vsm_current(hyperv, vp), UNDEFINED, NULL);
		vsm_give(hyperv, vp);
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
		vsm_look(hyperv, vp, vtl);
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
		vsm_look(hyperv, vp, vtl);
	if (vmm_hyperv_regs(hyperv, vp, &regs))
		finish(hyperv, vp, gabi_hv_vtl_return(hyperv->hv, vp, &regs, vmm_hyperv_now(hyperv), turn), turn);
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
