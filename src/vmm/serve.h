/* SPDX-License-Identifier: MIT */
/* What the socket's commands do to a monitor. */
#ifndef GABI_VMM_SERVE_H
#define GABI_VMM_SERVE_H

#include "monitor.h"
#include "place.h"
#include "sandbox.h"

struct vmm_service;

/* Serves the socket of that place, on threads of its own, until _stop. The monitor and the place must outlive it. */
int vmm_service_start(struct vmm_monitor *monitor, const struct vmm_place *place, struct vmm_service **ret_service, struct gabi_diag *diag);
void vmm_service_stop(struct vmm_service *service); /* NULL is fine */

struct vmm_serve_options {
	const struct vmm_place *place; /* NULL: without a socket */
	const struct vmm_user *user;   /* NULL: as the user that it is */
	/* Called in the confined process, before the guest runs: threads that it starts enter monitor_own.h's sandbox first. May be NULL. */
	int (*start)(void *ctx, struct gabi_diag *diag);
	void *ctx;
};

/*
 * Runs a guest as it should be: confines the process if the monitor was made for that (sandbox.h), serves its socket, runs it to its end. This thread is the process's
 * only one. Errors: as of vmm_run, GABI_ERR_UNSUPPORTED where the process cannot be confined, and that of start.
 */
int vmm_serve(struct vmm_monitor *monitor, const struct vmm_serve_options *options, struct vmm_result *ret_result,
	      struct gabi_diag *diag);

#endif
