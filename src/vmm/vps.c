/* SPDX-License-Identifier: MIT */
/* A thread for each virtual processor: it runs, serves its exits, and stands still while the monitor is held. */
#include "monitor_own.h"

#include "base/base.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

/* ---- exits ---- */

static uint64_t get(const unsigned char *from, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

static void access_bus(const struct vmm_bus *bus, const struct gabi_kvm_exit *exit)
{
	unsigned char *at = exit->data;

	for (uint32_t i = 0; i < exit->count; i++, at += exit->size) {
		if (exit->write) {
			vmm_bus_write(bus, exit->address, exit->size, get(at, exit->size));
		} else {
			uint64_t value = vmm_bus_read(bus, exit->address, exit->size);

			memcpy(at, &value, exit->size);
		}
	}
}

static void crashed(struct vmm_vp *vp)
{
	char text[120];

	snprintf(text, sizeof(text), "the guest crashed: a triple fault of processor %u at 0x%llx", vp->index,
		 (unsigned long long)gabi_kvm_vp_registers(vp->monitor->machine, vp->index, vp->vtl)->rip);
	vmm_end_with(vp->monitor, VMM_END_CRASH, 0, text);
}

static bool is_hypercall(const struct vmm_monitor *monitor, const struct gabi_kvm_exit *exit)
{
	return monitor->hyperv && exit->write && exit->address >= VMM_HYPERV_PORT && exit->address <= VMM_HYPERV_PORT + 2;
}

static void count(struct vmm_vp *vp, const struct gabi_kvm_exit *exit)
{
	static const unsigned char ids[] = {
		[GABI_KVM_EXIT_KICKED] = VMM_COUNT_KICKED, [GABI_KVM_EXIT_PORT] = VMM_COUNT_PORT, [GABI_KVM_EXIT_MMIO] = VMM_COUNT_MMIO,
		[GABI_KVM_EXIT_MSR] = VMM_COUNT_MSR, [GABI_KVM_EXIT_CRASHED] = VMM_COUNT_OTHER, [GABI_KVM_EXIT_RESET] = VMM_COUNT_OTHER,
		[GABI_KVM_EXIT_STUCK] = VMM_COUNT_OTHER, [GABI_KVM_EXIT_PROTECTED] = VMM_COUNT_INTERCEPT,
	};

	vmm_count(&vp->counts, exit->kind == GABI_KVM_EXIT_PORT && is_hypercall(vp->monitor, exit) ? VMM_COUNT_HYPERCALL : ids[exit->kind], 1);
}

static void serve(struct vmm_vp *vp, const struct gabi_kvm_exit *exit)
{
	struct vmm_monitor *monitor = vp->monitor;
	bool unread;

	count(vp, exit);
	if (exit->kind == GABI_KVM_EXIT_KICKED || (monitor->hyperv && vmm_hyperv_serve(monitor->hyperv, vp->index, exit)))
		return;
	pthread_mutex_lock(&monitor->lock);
	switch (exit->kind) {
	case GABI_KVM_EXIT_PORT:
		access_bus(&monitor->pc.ports, exit);
		break;
	case GABI_KVM_EXIT_MMIO:
		access_bus(&monitor->pc.memory, exit);
		break;
	case GABI_KVM_EXIT_HYPERCALL:
		vmm_hyperv_answer(monitor->hyperv, monitor->machine, exit->data);
		break;
	case GABI_KVM_EXIT_CRASHED:
		crashed(vp);
		break;
	case GABI_KVM_EXIT_RESET:
		monitor->board.end(monitor->board.ctx, VMM_END_RESET, 0);
		break;
	default:
		vmm_end_with(monitor, VMM_END_STUCK, 0, exit->text);
	}
	if (monitor->input.len)
		vmm_input_feed(monitor);
	unread = monitor->output.len != 0;
	pthread_mutex_unlock(&monitor->lock);
	if (unread)
		vmm_output_wait(monitor);
}

/* ---- the gate ---- */

bool vmm_gate_enter(struct vmm_monitor *monitor)
{
	struct vmm_gate *gate = &monitor->gate;
	bool open;

	pthread_mutex_lock(&gate->lock);
	open = !atomic_load(&gate->holds);
	gate->inside += open;
	pthread_mutex_unlock(&gate->lock);
	return open;
}

void vmm_gate_leave(struct vmm_monitor *monitor)
{
	struct vmm_gate *gate = &monitor->gate;

	pthread_mutex_lock(&gate->lock);
	gate->inside--;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

static void enter_and_wait(struct vmm_monitor *monitor)
{
	struct vmm_gate *gate = &monitor->gate;

	pthread_mutex_lock(&gate->lock);
	while (atomic_load(&gate->holds) && !atomic_load(&monitor->ending))
		pthread_cond_wait(&gate->changed, &gate->lock);
	gate->inside++;
	pthread_mutex_unlock(&gate->lock);
}

int vmm_pause(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct vmm_gate *gate = &monitor->gate;
	bool ended;

	pthread_mutex_lock(&gate->lock);
	atomic_fetch_add(&gate->holds, 1);
	for (unsigned i = 0; i < monitor->options.cpus; i++)
		gabi_kvm_vp_kick(monitor->machine, i);
	while (gate->inside && !atomic_load(&monitor->ending))
		pthread_cond_wait(&gate->changed, &gate->lock);
	ended = atomic_load(&monitor->ending);
	pthread_mutex_unlock(&gate->lock);
	if (!ended)
		return 0;
	vmm_resume(monitor);
	return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest has ended", (char *)NULL);
}

void vmm_resume(struct vmm_monitor *monitor)
{
	struct vmm_gate *gate = &monitor->gate;

	pthread_mutex_lock(&gate->lock);
	atomic_fetch_sub(&gate->holds, 1);
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
	vmm_wake(monitor); /* of timers that became due meanwhile */
}

bool vmm_is_paused(struct vmm_monitor *monitor)
{
	return atomic_load(&monitor->gate.holds) != 0;
}

/* ---- the thread ---- */

static void stuck(struct vmm_monitor *monitor, const struct gabi_diag *diag)
{
	pthread_mutex_lock(&monitor->lock);
	vmm_end_with(monitor, VMM_END_STUCK, 0, diag->text);
	pthread_mutex_unlock(&monitor->lock);
}

/* What other trust levels left open was served when they exited, and waits only for KVM. */
static void stand_still(struct vmm_vp *vp)
{
	struct vmm_monitor *monitor = vp->monitor;
	struct gabi_diag diag = { 0 };

	if (gabi_kvm_vp_settle(monitor->machine, vp->index, &diag))
		stuck(monitor, &diag);
	vmm_gate_leave(monitor);
	enter_and_wait(monitor);
}

/* In the trust level that it is in. */
static int run_once(struct vmm_vp *vp, struct gabi_kvm_exit *exit, struct gabi_diag *diag)
{
	struct vmm_monitor *monitor = vp->monitor;
	int err;

	if (monitor->hyperv && !vmm_hyperv_enter(monitor->hyperv, vp->index, &vp->vtl)) {
		exit->kind = GABI_KVM_EXIT_KICKED;
		return 0;
	}
	err = gabi_kvm_vp_run(monitor->machine, vp->index, vp->vtl, exit, diag);
	if (monitor->hyperv)
		vmm_hyperv_leave(monitor->hyperv, vp->index, exit);
	return err;
}

/* So that its threads can be told apart, and be bound to processors, from outside. */
static void take_name(const struct vmm_vp *vp)
{
	char name[16];

	snprintf(name, sizeof(name), "vp %u", vp->index);
	prctl(PR_SET_NAME, name);
}

/* A kick ends a run only when nothing of the last exit is open any more, so that is where one may stand still. */
static void *run_vp(void *ctx)
{
	struct vmm_vp *vp = ctx;
	struct vmm_monitor *monitor = vp->monitor;
	struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_KICKED };
	struct gabi_diag diag = { 0 };

	take_name(vp);
	if (vmm_sandbox_enter(monitor->sandbox, VMM_THREAD_VP, &diag))
		stuck(monitor, &diag);
	enter_and_wait(monitor);
	while (!atomic_load(&monitor->ending)) {
		if (exit.kind == GABI_KVM_EXIT_KICKED && atomic_load(&monitor->gate.holds))
			stand_still(vp);
		else if (!run_once(vp, &exit, &diag))
			serve(vp, &exit);
		else
			stuck(monitor, &diag);
	}
	vmm_gate_leave(monitor);
	return NULL;
}

/* Signals of the user go to the caller's thread alone. */
int vmm_vps_start(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	sigset_t all, old;
	int failed = 0;

	sigfillset(&all);
	sigdelset(&all, SIGRTMIN);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; !failed && i < monitor->options.cpus; i++) {
		monitor->vp[i].monitor = monitor;
		monitor->vp[i].index = i;
		failed = pthread_create(&monitor->vp[i].thread, NULL, run_vp, &monitor->vp[i]);
		monitor->vp[i].started = !failed;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed ? gabi_fail(diag, GABI_ERR_NOMEM, "there is no room for a thread more: ", strerror(failed), (char *)NULL) : 0;
}

/* Also those who wait at the gate. */
void vmm_vps_stop(struct vmm_monitor *monitor)
{
	pthread_mutex_lock(&monitor->gate.lock);
	atomic_store(&monitor->ending, true);
	pthread_cond_broadcast(&monitor->gate.changed);
	pthread_mutex_unlock(&monitor->gate.lock);
	for (unsigned i = 0; i < monitor->options.cpus; i++) {
		if (!monitor->vp[i].started)
			continue;
		gabi_kvm_vp_kick(monitor->machine, i);
		pthread_join(monitor->vp[i].thread, NULL);
		monitor->vp[i].started = false;
	}
}
