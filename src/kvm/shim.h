/* SPDX-License-Identifier: MIT */
/*
 * The shim: a trust level runs as the nested guest of its own VM, under nested page tables that the monitor writes. So a page can be read and not
 * executed, which KVM has no other way to say.
 *
 * There is no hypervisor inside: all that the nested guest may not do ends in an OUT, which leaves to the monitor, and the monitor puts the
 * processor back. Whoever looks from outside sees the guest's own registers at all times.
 */
#ifndef GABI_KVM_SHIM_H
#define GABI_KVM_SHIM_H

#include <gabi/kvm_machine.h>

#include "memory.h"
#include "uapi.h"

struct level;
struct shim;

/* Before the level has its memory: can it be done here, for such a guest? shim_free takes what was made before a failure; NULL is fine. */
int shim_new(const struct gabi_kvm_machine *machine, const struct gabi_contract *contract, struct shim **ret_shim, struct gabi_diag *diag);
void shim_free(struct shim *shim);

/* Where the level's first MiB lies for KVM: see shim.c. 0 without a shim: in its place. */
uint64_t shim_first_at(const struct shim *shim);

/* What KVM calls an address, and what the guest does. */
uint64_t shim_guests(const struct shim *shim, uint64_t gpa);

/* Behind the carrying out of the plan, when the level has its memory and its runs are mapped: gives each processor what it nests with. */
int shim_start(struct gabi_kvm_machine *machine, unsigned vtl, struct gabi_diag *diag);

/* Whether pages may be executed. True if any lost the right: then what KVM made of its entry has to go, by the page's mapping. */
bool shim_execute(const struct shim *shim, uint64_t gpa, uint64_t len, bool may);

/* ---- each on the processor's thread; without a shim they do nothing. 0 or -1. ---- */

/* Before a run: into the nested guest, unless it waits for a startup IPI. And out, to be saved or set as a whole. */
int shim_enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);
int shim_leave(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Before any KVM_RUN: what SHIM_AS_KVM has left open is carried out with what stands in kvm_run now. */
int shim_finish(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Behind any KVM_RUN that is for something else than running: if it left the nested guest, it is put back. */
int shim_put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Behind one that runs: what it left the nested guest for. */
enum shim_result {
	SHIM_NOTHING, /* it did not */
	SHIM_AS_KVM,  /* an access of an MSR, which stands in kvm_run as KVM tells one */
	SHIM_AGAIN,   /* that has been done; run it again */
	SHIM_EXIT,    /* exit says why */
	SHIM_FAILED,  /* KVM refused to put it back */
};
enum shim_result shim_served(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit);

/* KVM could go no further: because the processor was started by a startup IPI, and is no nested guest yet? Then it will be one. */
bool shim_started(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Special registers of a nested guest are not what the guest has. From what KVM has to what the guest sees; and back, where KVM has before: or -1, if
 * they have what no guest may. */
void shim_show(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *sregs);
int shim_hide(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct kvm_sregs *before, struct kvm_sregs *sregs);

/* EFER as an MSR: the same, but that -1 is also where the guest's WRMSR faults, which KVM does not look at when its caller writes. */
uint64_t shim_efer(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t efer);
int shim_take_efer(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t *efer);

/* MSRs whose accesses have to be exits, and such an access, if nobody else wants to see it. False: it is none. */
const struct gabi_kvm_msrs *shim_msrs(const struct shim *shim, size_t *ret_count);
bool shim_take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run);

#endif
