/* SPDX-License-Identifier: MIT */
/* A guest that is run here: booted, out of a file, or from another host. */
#ifndef GABI_TOOL_GUEST_H
#define GABI_TOOL_GUEST_H

#include "gabi.h"

#include "vmm/monitor.h"
#include "vmm/place.h"
#include "vmm/sandbox.h"

struct guest {
	const struct args *args;
	struct vmm_options *options; /* whose terms are settled */
	const char *like;            /* what its name is made of where --name does not say */
	const char *file;            /* what a complaint about its content is about; may be NULL */
	/* Fills the empty monitor, in the confined process that runs it, and says after the run whether the guest had come. NULL: not needed. */
	int (*fill)(void *ctx, struct vmm_monitor *monitor, struct gabi_diag *diag);
	int (*came)(void *ctx, struct gabi_diag *diag);
	void *ctx;
	/* guest_run's */
	const struct vmm_user *user; /* NULL: this one */
	struct vmm_place place;
	struct vmm_monitor *monitor;
};

/* May a guest run here that was promised this (NULL: all that this machine offers)? Takes the contract over. Findings are printed, and
 * STATUS_NO says that they hinder it. path: what the contract is called where it has no name. vmm_terms_free in any case. */
enum status guest_settle(const struct args *args, const struct vmm_options *options, struct gabi_contract *contract, const char *path,
			 struct vmm_terms *terms);

/* Runs it to its end, in a process and at a place of its own. */
enum status guest_run(struct guest *guest);

#endif
