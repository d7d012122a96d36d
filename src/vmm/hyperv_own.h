/* SPDX-License-Identifier: MIT */
/* What joins the engine with a machine, for the files that do it. */
#ifndef GABI_VMM_HYPERV_OWN_H
#define GABI_VMM_HYPERV_OWN_H

#include "hyperv.h"

#include <gabi/hv_call.h>
#include <gabi/hv_vsm.h>

#include <pthread.h>
#include <stdatomic.h>

struct vmm_hyperv {
	struct vmm_hyperv_options options;
	struct gabi_kvm_machine *machine;
	struct gabi_hv_config config;
	struct gabi_hv *hv;
	struct gabi_hv_turn *turn;      /* of each virtual processor, and one for timers */
	_Atomic uint64_t *timer_100ns;  /* of each virtual processor */
	pthread_mutex_t connecting;     /* of the test device */
	uint16_t test_flag;
	struct vmm_vsm *vsm;            /* NULL: one trust level */
};

/* Reference time. */
uint64_t vmm_hyperv_now(const struct vmm_hyperv *hyperv);

/* Carries a turn out; vp is the processor whose thread this is, or the number of processors. */
void vmm_hyperv_carry_out(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_turn *turn);

/* Behind a restore: KVM's interrupt sources are the guest's, and those taken for it are known again, of the trust level that a virtual processor is in. turn is scratch. Its thread, or where nobody
 * runs it. */
void vmm_hyperv_mirror_sources(struct vmm_hyperv *hyperv, unsigned vp, struct gabi_hv_turn *turn);

/* The guest cannot go on. */
void vmm_hyperv_fail(struct vmm_hyperv *hyperv, const char *text);

/* The registers that a hypercall, or a call between trust levels, is made of. False if KVM does not say them. */
bool vmm_hyperv_regs(const struct vmm_hyperv *hyperv, unsigned vp, struct gabi_hv_regs *ret_regs);

/* ---- vsm.c, vsm_interrupts.c, vsm_intercepts.c: trust levels. Without them VTL 0 is the only one, and nothing is to be done. ---- */

int vmm_vsm_new(struct vmm_hyperv *hyperv, struct gabi_diag *diag);
void vmm_vsm_free(struct vmm_hyperv *hyperv);

/* The trust level that a virtual processor's registers are in. */
unsigned vmm_vsm_current(const struct vmm_hyperv *hyperv, unsigned vp);

/* An action that concerns trust levels alone; an interrupt was sent to those of act. */
void vmm_vsm_act(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_act *act, const struct gabi_hv_turn *turn);
void vmm_vsm_sent(struct vmm_hyperv *hyperv, unsigned self, unsigned vp, unsigned vtl);

/* Before an interrupt of act is sent, on the thread of virtual processor self: whether its service is to end by itself. And KVM was told of a source. */
void vmm_vsm_end_of(struct vmm_hyperv *hyperv, unsigned self, const struct gabi_hv_act *act);
void vmm_vsm_source_changed(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr);

/* Behind a restore: was a source of KVM's, which the guest has as value, taken for that? Then it stays. */
bool vmm_vsm_knows_again(struct vmm_hyperv *hyperv, unsigned vp, uint32_t msr, uint64_t value);

/* Brings changed protections to the page tables. */
void vmm_vsm_protect(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_hv_turn *turn);

/* An exit that an intercept or a protection caused; false if it is none of those. */
bool vmm_vsm_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit);

/* VTL call and return. */
void vmm_vsm_call(struct vmm_hyperv *hyperv, unsigned vp);
void vmm_vsm_return(struct vmm_hyperv *hyperv, unsigned vp);

/* Behind a hypercall: a level whose TLB it has locked runs nowhere until that lock is gone, and nobody is started where it has denied that. */
void vmm_vsm_stop(struct vmm_hyperv *hyperv, unsigned vp);

/* Before a virtual processor runs. False: it waits; not now. And behind it: whether it was inside the guest. */
bool vmm_vsm_ready(struct vmm_hyperv *hyperv, unsigned vp);
void vmm_vsm_left(struct vmm_hyperv *hyperv, unsigned vp, bool runs);

/* Looks at local APICs that cannot be heard. Returns in how many ns to look again. The thread of timers. */
uint64_t vmm_vsm_tick(struct vmm_hyperv *hyperv);

/* The engine has been restored: the machine follows it. */
void vmm_vsm_load(struct vmm_hyperv *hyperv);

/* The ops of the engine that read and write processors' registers. ctx is the hyperv. */
int vmm_vsm_read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value);
int vmm_vsm_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value);

#endif
