/* SPDX-License-Identifier: MIT */
/*
 * A running guest goes to another host, over a connected socket.
 *
 *     source                              destination
 *     MACHINE, CONTRACT, REHEARSAL...  ->
 *                                      <- READY, or REFUSED     could it have the guest, and load such a state?
 *     PAGES..., ROUND                  ->                       round after round, while the guest runs
 *                                      <- ROUND
 *     PAGES..., STATE..., END          ->                       it stands still
 *                                      <- RESTORED, or REFUSED  all of it is loaded
 *     GO                               ->                       from here on it is the destination's
 *                                      <- RUNNING, or REFUSED   and here the source lets go of it
 *
 * Until GO the source can go on at any time. Between GO and RUNNING it cannot know: if the connection breaks just there the guest
 * stays held at the source, and a person decides. The destination runs it once GO has come, though nobody may hear of it: the source may be
 * gone. It never runs in both places.
 */
#ifndef GABI_VMM_MIGRATE_H
#define GABI_VMM_MIGRATE_H

#include "carry.h"
#include "link.h"

#include <pthread.h>

/* ---- the source ---- */

struct vmm_progress {
	const char *phase;      /* "asking", "copying", "handing over" */
	uint32_t round;         /* of copying, from 1 on */
	uint32_t throttle;      /* percent of the time that the guest stands still so that copying catches up */
	uint64_t bytes;         /* sent */
	uint64_t pages_left;    /* to be sent now, as far as it is known */
	uint64_t bytes_per_s;
	uint64_t downtime_ms;   /* as it would be now */
};

struct vmm_migrate_options {
	int socket;                   /* the caller's */
	unsigned downtime_ms;         /* so long the guest may stand still at the end, as it is reckoned; 0: 100 */
	unsigned patience_ms;         /* so long the other side may be silent; 0: VMM_LINK_PATIENCE_MS */
	const atomic_bool *cancelled; /* any time; the guest goes on here. May be NULL */
	void (*progress)(void *ctx, const struct vmm_progress *progress); /* may be NULL */
	void *ctx;
};

struct vmm_migrated {
	uint64_t downtime_us; /* how long it stood still */
	uint64_t downtime_bytes; /* sent meanwhile */
	uint64_t bytes, total_us;
	uint32_t rounds, throttle;
	bool in_doubt; /* after a failure: the other side may run it. The guest is held one time more than it was */
};

/*
 * Any thread but a virtual processor's. 0: the guest runs there, and has ended here with VMM_END_MOVED. GABI_ERR_CONFLICT: the
 * other side refused, or it was cancelled; GABI_ERR_LIMIT: the guest writes faster than the link carries. Unless ret->in_doubt is
 * set the guest goes on here after a failure.
 */
int vmm_migrate(struct vmm_monitor *monitor, const struct vmm_migrate_options *options, struct vmm_migrated *ret, struct gabi_diag *diag);

/* ---- the destination ---- */

struct vmm_incoming {
	struct vmm_link link;
	struct vmm_stream stream;
	struct vmm_head head; /* whose contract can be taken out: NULL then */
	struct vmm_monitor *monitor;
	pthread_t thread;
	bool started;
	int err;
	struct gabi_diag diag;
};

/* Reads what comes: the caller settles terms by its contract, and makes an empty monitor of its shape. patience_ms: as above. */
int vmm_incoming_open(struct vmm_incoming *incoming, int socket, unsigned patience_ms, struct gabi_diag *diag);

/* Tells the other side why not. */
void vmm_incoming_refuse(struct vmm_incoming *incoming, const char *why);

/* Loads the guest in a thread of its own into a monitor, which the caller now runs: it is held until the guest is ours. If it cannot
 * be had, the monitor ends with VMM_END_QUIT. */
int vmm_incoming_start(struct vmm_incoming *incoming, struct vmm_monitor *monitor, struct gabi_diag *diag);

/* When the monitor's run has ended, or has failed, and before it is freed: 0 if the guest was had, else why not. */
int vmm_incoming_wait(struct vmm_incoming *incoming, struct gabi_diag *diag);
void vmm_incoming_close(struct vmm_incoming *incoming); /* also after a failure; the socket is the caller's */

#endif
