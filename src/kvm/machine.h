/* SPDX-License-Identifier: MIT */
/* What a machine is made of, for the files that make it up. */
#ifndef GABI_KVM_MACHINE_OWN_H
#define GABI_KVM_MACHINE_OWN_H

#include <gabi/kvm_machine.h>

#include "dirty.h"
#include "memory.h"
#include "protect.h"
#include "shim.h"
#include "standin.h"
#include "uapi.h"

#include <stdatomic.h>
#include <string.h>

/* A trust level: a VM of its own. */
struct level {
	struct gabi_kvm_vm *vm;
	unsigned char *view;  /* its memory */
	struct kvm_run **run; /* of each virtual processor; NULL: not mapped */
	struct shared *shared; /* of each virtual processor: what it shares with other levels, as KVM last had it; one level: NULL */
	struct shim *shim;     /* NULL: none */
	atomic_bool shared_wanted; /* the caller has asked for MSRs of those that all levels share, or none has */
	atomic_uint efer_wanted; /* bit 0: the caller has asked for reads of EFER, bit 1: for writes */
};

struct gabi_kvm_machine {
	struct gabi_mem mem;
	struct gabi_kvm_machine_options options;
	struct memory memory;
	struct dirty dirty;
	struct protect protect;
	struct level level[GABI_KVM_VTLS_MAX];
	struct standin *standin; /* one level: NULL */
	struct call {
		atomic_int inside;  /* the thread that is in gabi_kvm_vp_run, else 0 */
		atomic_bool kicked; /* since it was last told so */
		bool rests, rested; /* KVM was told that it is halted; and it was so to the end of the last run; of its own thread */
	} *call; /* of each virtual processor */
	size_t run_len, xsave_len;
	size_t xsave_used;   /* of xsave_len: what the guest's components reach */
	bool has_xcr0;       /* the guest has XSETBV */
	uint64_t tsc_hz;
	uint64_t tsc_offset; /* from this machine's TSC to the guest's, behind the ratio, without what the guest wrote */
	uint64_t tsc_ratio;  /* of both where KVM scales the guest's, in 2^-tsc_shift; 0: it does not */
	unsigned tsc_shift;
};

static inline int vcpu_of(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return machine->level[vtl].vm->vcpu[vp];
}

static inline struct kvm_run *run_of(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return machine->level[vtl].run[vp];
}

/* An interrupt on its way, told once in kvm_run's special registers, stands there ever after: since Linux 5.14 nothing clears it (arch/x86/kvm/x86.c,
 * store_regs), and given back it is delivered once more. KVM itself keeps what truly is on its way, whatever is set here. */
static inline void forget_interrupt(struct kvm_sregs *sregs)
{
	memset(sregs->interrupt_bitmap, 0, sizeof(sregs->interrupt_bitmap));
}

static inline bool is_there(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return vp < machine->options.vps && vtl < machine->options.vtls;
}

/* ---- run.c ---- */

/* How the guest's TSC is made of this machine's. */
int machine_find_tsc(struct gabi_kvm_machine *machine, struct gabi_diag *diag);

/* Carries out the plan on one of the machine's VMs. */
int machine_apply(const struct gabi_kvm_machine *machine, const struct gabi_kvm_vm *to, const struct gabi_plan *plan, struct gabi_diag *diag);

/*
 * Around whatever makes KVM reach guest memory for a virtual processor, on the thread that does it, which is known by that when an
 * access is not allowed: it ends with EFAULT. Of anybody else's it would be tried for ever.
 */
void machine_enter(struct gabi_kvm_machine *machine, unsigned vp);
void machine_leave(struct gabi_kvm_machine *machine, unsigned vp);

/* It can go no further: why, with that number, and where. */
void machine_stuck(const struct kvm_run *run, struct gabi_kvm_exit *exit, const char *why, uint64_t number);

/* Lets KVM finish what the last exit left open. 0 or -1. */
int machine_settle(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* ---- vtl.c: machines with more than one level ---- */

int vtl_init(struct gabi_kvm_machine *machine, const struct gabi_contract *contract, struct gabi_diag *diag);
void vtl_free(struct gabi_kvm_machine *machine, struct level *level);

/* Finishes the last instruction of a level that the processor has left, so that RIP is that of the next one. */
int vtl_finish(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* What is known of a level's shared registers is not so any more. */
void vtl_forget(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* A level's state was restored: its TSC goes with those of the others, as where it was saved. */
int vtl_restored(const struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_state *state, struct gabi_diag *diag);

/* An MSR that all levels share was written: sets it in each; or one that no level has faults. False: it is none of those, or the caller's first. */
bool vtl_take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run);

/* KVM has come back with an exit where it was not to run, which with one level nobody makes it: 0 or -1. */
int vtl_leave_unserved(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* Has KVM come back with an exit where it was not to run? It is to be served before the level goes on. */
bool vtl_take_unserved(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

/* ---- msrs.c: which MSRs are the caller's ---- */

bool msrs_are_left(uint32_t msr); /* of Hyper-V's, to KVM */
bool msrs_are_common(uint32_t msr);
bool msrs_are_kvms(uint32_t msr);
uint64_t msrs_refused_efer(const struct gabi_contract *contract); /* the bits that its guest may not set */
int msrs_take(const struct gabi_kvm_machine *machine, struct level *level, const struct gabi_kvm_msrs *more, size_t count,
	      struct gabi_diag *diag);

#endif
