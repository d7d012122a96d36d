/* SPDX-License-Identifier: MIT */
/*
 * The socket of a running guest (docs/control.md): a thread that listens, and one for jobs. Clients may be slow, silent or hostile:
 * each has a fixed room for what it sends and for what it has not read yet, and none waits for another.
 */
#ifndef GABI_VMM_CONTROL_H
#define GABI_VMM_CONTROL_H

#include "command.h"

#define VMM_CONTROL_CLIENTS 16u

struct vmm_control;

/* What the commands do. A result's members are written in the order of their keys; what fails returns a GABI_ERR with diag. */
struct vmm_control_ops {
	/* AT_ONCE commands, on the socket's thread: they answer at once. */
	int (*serve)(void *ctx, const struct vmm_order *request, struct gabi_json *result, struct gabi_diag *diag);
	/* JOBs, one at a time, on the jobs' thread. The file is closed afterwards, by the caller. */
	int (*work)(void *ctx, const struct vmm_order *request, struct gabi_json *result, struct gabi_diag *diag);
	/* Makes a job that is under way return soon. Also called when all ends. A cancel is of the job that was last made ready, which
	 * may not have begun. */
	void (*ready)(void *ctx);
	void (*cancel)(void *ctx);
	/* Writes how far the job is, any time while it is under way. */
	void (*progress)(void *ctx, struct gabi_json *progress);
	/* At the beginning of each thread. */
	void (*begin)(void *ctx, bool jobs);
	void *ctx;
};

struct vmm_control_options {
	const char *name;
	int listener; /* a Unix stream socket that listens, not blocking; stays the caller's */
	struct vmm_control_ops ops;
};

/* The options are copied, but for the name. *ret_control is set before any of the ops is called. */
int vmm_control_start(const struct vmm_control_options *options, struct vmm_control **ret_control, struct gabi_diag *diag);

/* Cancels and waits for the job, tells who still listens what is left to tell without waiting for them, closes. NULL is fine. */
void vmm_control_stop(struct vmm_control *control);

/* What job is under way; VMM_COMMANDS if none is. Any thread. */
enum vmm_command vmm_control_job(const struct vmm_control *control);

#endif
