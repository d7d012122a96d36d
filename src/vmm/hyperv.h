/* SPDX-License-Identifier: MIT */
/* Hyper-V's guest interface: joins the engine of libgabi with a machine of libgabi-kvm. */
#ifndef GABI_VMM_HYPERV_H
#define GABI_VMM_HYPERV_H

#include <gabi/contract.h>
#include <gabi/hv.h>
#include <gabi/kvm_machine.h>

#include <stdbool.h>

#define VMM_HYPERV_PORT 0x30u /* and the two after it, where a PC has nothing */

/* 32 bits: what tests of messages and events connect themselves with, as QEMU's hyperv-testdev. */
#define VMM_HYPERV_TEST_PORT 0x3000u

struct vmm_hyperv;

struct vmm_hyperv_options {
	const struct gabi_contract *contract;
	unsigned cpus;
	uint64_t memory;
	unsigned vtls;                              /* trust levels; 0: 2 if the contract promises them, else 1 */
	bool shim;                                  /* the machine keeps pages from being executed too */
	void (*wake)(void *ctx);                    /* vmm_hyperv_next may be earlier than it was */
	void (*end)(void *ctx, bool crash);         /* the guest wants a reset, or reports a crash */
	void (*fail)(void *ctx, const char *text);  /* KVM refused what the guest cannot do without */
	void (*wait_for_devices)(void *ctx);        /* until no device is inside guest memory that it looked up earlier */
	/* A virtual processor's thread went to another trust level, and set protections of so many runs of pages. */
	void (*switched)(void *ctx, unsigned vp);
	void (*protected)(void *ctx, unsigned vp, unsigned runs);
	void *ctx;
};

/* Before the machine is made: how many pages its overlays need. */
int vmm_hyperv_new(const struct vmm_hyperv_options *options, struct vmm_hyperv **ret_hyperv, unsigned *ret_overlays,
		   struct gabi_diag *diag);

/* Once it is made, and before it runs. */
int vmm_hyperv_start(struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, struct gabi_diag *diag);
void vmm_hyperv_free(struct vmm_hyperv *hyperv); /* NULL is fine */

/* How many trust levels there are; and what one may do with a page: enum gabi_kvm_rights. Any thread. */
unsigned vmm_hyperv_vtls(const struct vmm_hyperv *hyperv);
unsigned vmm_hyperv_rights(const struct vmm_hyperv *hyperv, unsigned vtl, uint64_t gpa);

/* May a device reach all of that on VTL 0's behalf? Any thread. */
bool vmm_hyperv_may(const struct vmm_hyperv *hyperv, uint64_t gpa, uint64_t len, bool writes);

/* Before a virtual processor runs, on its thread: in which trust level. False: it waits, and is not to be run now. After true,
 * vmm_hyperv_leave follows the run; exit is what it ended with. */
bool vmm_hyperv_enter(struct vmm_hyperv *hyperv, unsigned vp, unsigned *ret_vtl);
void vmm_hyperv_leave(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit);

/* Takes an exit of a virtual processor, on its thread; false if it is none of Hyper-V's. */
bool vmm_hyperv_serve(struct vmm_hyperv *hyperv, unsigned vp, const struct gabi_kvm_exit *exit);

/* The answer to what KVM's own Hyper-V leaves to its VMM: nobody is connected to it. hyperv NULL: a guest without the engine. Under the lock
 * that devices are under, for it may write. */
void vmm_hyperv_answer(const struct vmm_hyperv *hyperv, struct gabi_kvm_machine *machine, struct gabi_kvm_hypercall *call);

/* Carries out timers that are due. Returns in how many ns the next one is, UINT64_MAX if there is none. One thread. */
uint64_t vmm_hyperv_next(struct vmm_hyperv *hyperv);

/* Its state, while no virtual processor runs: free(3). And back, after that of the virtual processors, into one that never ran. */
int vmm_hyperv_save(struct vmm_hyperv *hyperv, void **ret_bytes, size_t *ret_len, struct gabi_diag *diag);
int vmm_hyperv_load(struct vmm_hyperv *hyperv, const void *bytes, size_t len, struct gabi_diag *diag);

#endif
