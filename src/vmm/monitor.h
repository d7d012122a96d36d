/* SPDX-License-Identifier: MIT */
/* The reference monitor: one guest, from its image to its end. It knows KVM by libgabi-kvm alone. */
#ifndef GABI_VMM_MONITOR_H
#define GABI_VMM_MONITOR_H

#include <gabi/contract.h>
#include <gabi/host.h>
#include <gabi/kvm_machine.h>
#include <gabi/verdict.h>

#include "boot.h"

/* ---- what the guest is promised ---- */

struct vmm_terms {
	struct gabi_host *host; /* this machine, with what the monitor adds */
	struct gabi_contract *contract;
	struct gabi_report *report; /* the verdict on both */
	struct gabi_plan *plan;
};

/*
 * Probes this machine and checks the contract, which it takes over, also on failure. contract NULL: all that the machine offers but
 * Hyper-V's interface. A contract that does not fit is a result: the report says so, and there is no plan, unless forced.
 * hyperv: the monitor provides Hyper-V's interface, for so many processors, and a contract that is made here promises it.
 * vmm_terms_free also after a failure.
 */
struct vmm_wishes {
	unsigned cpus;
	bool hyperv, forced;
};
int vmm_terms_settle(struct vmm_terms *terms, struct gabi_contract *contract, const struct vmm_wishes *wishes,
		     struct gabi_diag *diag);
void vmm_terms_free(struct vmm_terms *terms);

/* ---- running ---- */

struct vmm_options {
	const struct vmm_terms *terms;
	struct vmm_bytes image, initrd;
	const char *append; /* the command line; may be NULL */
	const char *disk;   /* a raw file; may be NULL */
	uint64_t memory;    /* bytes */
	unsigned cpus;
	bool hyperv;        /* the monitor provides Hyper-V's interface, as the contract promises it */
	bool forced;        /* run even if KVM shows something else than was set */
	int in, out;        /* the console; in -1: nothing comes in */
};

#define VMM_MEMORY_LEAST ((uint64_t)4 << 20)

struct vmm_result {
	enum vmm_end end;
	unsigned value;  /* END_EXIT: what was written */
	char text[160];  /* one sentence of it */
};

/* Runs the guest to its end. A failure comes before its first instruction: GABI_ERR_IO for the disk, else as vmm_load and
 * gabi_kvm_machine_new. */
int vmm_run(const struct vmm_options *options, struct vmm_result *ret_result, struct gabi_diag *diag);

#endif
