/* SPDX-License-Identifier: MIT */
/*
 * What is left to a monitor once its guest may run: no privileges, no files but those that are open, and of the kernel what
 * sandbox.def lists for each kind of thread. A system call beyond that ends the monitor, and nothing else.
 */
#ifndef GABI_VMM_SANDBOX_H
#define GABI_VMM_SANDBOX_H

#include <gabi/err.h>

#include <stdbool.h>
#include <sys/types.h>

enum vmm_thread {
	VMM_THREAD_VP,     /* runs a virtual processor, and the devices for it */
	VMM_THREAD_MAIN,   /* waits for input and timers */
	VMM_THREAD_SOCKET, /* serves clients */
	VMM_THREAD_JOBS,   /* saves and sends the guest */
	VMM_THREADS
};

struct vmm_sandbox;

struct vmm_user {
	uid_t uid;
	gid_t gid;
};

/* Makes the filters; nothing is confined yet. */
int vmm_sandbox_new(struct vmm_sandbox **ret_sandbox, struct gabi_diag *diag);
void vmm_sandbox_free(struct vmm_sandbox *sandbox); /* NULL is fine; filters stay with their threads */

/*
 * Confines the process: no new privileges, no capabilities, an empty root directory where it has the right to make one, another user
 * if there is one (NULL: none), no core dumps, few descriptors. To be called by the thread that makes all others, with all files open that
 * it needs; threads that there are already must be under their filters.
 */
int vmm_sandbox_confine(const struct vmm_user *user, struct gabi_diag *diag);

/* Puts the calling thread under the filter of its kind, without capabilities, for ever. sandbox NULL: there is none. */
int vmm_sandbox_enter(const struct vmm_sandbox *sandbox, enum vmm_thread kind, struct gabi_diag *diag);

#endif
