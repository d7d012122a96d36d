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
	bool vsm; /* with hyperv: and trust levels */
	bool shim; /* with vsm: which can keep pages from being executed too; the guest has no nested virtualization then */
};
int vmm_terms_settle(struct vmm_terms *terms, struct gabi_contract *contract, const struct vmm_wishes *wishes,
		     struct gabi_diag *diag);
void vmm_terms_free(struct vmm_terms *terms);

/* One sentence: what, the verdict, and the heaviest finding. Always GABI_ERR_KVM. */
int vmm_report_refuses(const struct gabi_report *report, const char *what, struct gabi_diag *diag);

/* ---- running ---- */

struct vmm_options {
	const struct vmm_terms *terms;
	struct vmm_bytes image, initrd;
	const char *append; /* the command line; may be NULL */
	const char *disk;   /* a raw file; may be NULL */
	uint64_t memory;    /* bytes */
	unsigned cpus;
	bool hyperv;        /* the monitor provides Hyper-V's interface, as the contract promises it */
	unsigned vtls;      /* with trust levels, that many; 0: 2 if the contract promises them, else 1 */
	bool shim;          /* with trust levels: pages can be kept from being executed too (docs/vsm.md) */
	bool incoming;      /* the disk is another's until the guest has come */
	bool confined;      /* for vmm_serve: its threads go under filters (sandbox.h) */
	bool forced;        /* run even if KVM shows something else than was set */
	int in, out;        /* the console; in -1: nothing comes in */
};

#define VMM_MEMORY_LEAST ((uint64_t)4 << 20)

struct vmm_result {
	enum vmm_end end;
	unsigned value;  /* END_EXIT: what was written */
	char text[160];  /* one sentence of it */
};

struct vmm_monitor;

/*
 * Makes the guest's machine and loads the image; nothing runs yet. The terms must outlive it, the image and the initrd not.
 * image.at NULL: nothing is loaded. Errors: GABI_ERR_IO for the disk, else as of vmm_load and gabi_kvm_machine_new.
 */
int vmm_new(const struct vmm_options *options, struct vmm_monitor **ret_monitor, struct gabi_diag *diag);
void vmm_free(struct vmm_monitor *monitor); /* NULL is fine; not while it runs */

/* Runs the guest to its end, on this thread and those that it starts. A failure comes before the first instruction. Once. */
int vmm_run(struct vmm_monitor *monitor, struct vmm_result *ret_result, struct gabi_diag *diag);

/* ---- any thread but a virtual processor's, between _new and _free ---- */

/*
 * Holds the guest: when it returns all virtual processors stand still with nothing open that KVM or the monitor would still have
 * to do, no timer fires, no input comes in, and all state can be read or saved. As many resumes let it go on. It may be held before it
 * runs. GABI_ERR_CONFLICT: the guest has ended, and is not held.
 */
int vmm_pause(struct vmm_monitor *monitor, struct gabi_diag *diag);
void vmm_resume(struct vmm_monitor *monitor);
bool vmm_is_paused(struct vmm_monitor *monitor);

/* What it runs on; the monitor's. */
struct gabi_kvm_machine *vmm_machine(const struct vmm_monitor *monitor);

/* Ends the guest as a user does who switches it off; text becomes the result's. */
void vmm_quit(struct vmm_monitor *monitor, const char *text);

#endif
