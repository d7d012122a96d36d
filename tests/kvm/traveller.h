/* SPDX-License-Identifier: MIT */
/* A monitor with the guest that works on (guest/traveller.c), on this machine's KVM. */
#ifndef GABI_TEST_TRAVELLER_H
#define GABI_TEST_TRAVELLER_H

#include "vmm/monitor.h"

#include <pthread.h>

struct traveller {
	struct vmm_terms terms;
	struct vmm_options options;
	struct vmm_monitor *monitor;
	struct vmm_result result;
	struct gabi_diag diag;
	pthread_t thread;
	bool runs, hyperv;
	int err;
	int to_guest, from_guest;     /* the other ends of its console */
	char said[1 << 16];           /* what it said */
	size_t said_len;
};

/* Reads the image once; the program ends with 77, and says why, where no guest can run. */
void traveller_begin(const char *path);

/* Makes the terms and the monitor: with the guest, or empty for a state to be loaded into it. */
void traveller_new(struct traveller *traveller, bool hyperv, unsigned cpus, bool empty);
void traveller_new_incoming(struct traveller *traveller, bool hyperv, unsigned cpus);
void traveller_run(struct traveller *traveller); /* in a thread of its own */

/* Waits until it has said that so often from now on; and until it has ended, whose exit value it returns: 0 where all was well. */
void traveller_wait(struct traveller *traveller, const char *text, unsigned times);
unsigned traveller_end(struct traveller *traveller);   /* tells it to end, and waits */
void traveller_stop(struct traveller *traveller);      /* switches it off, wherever it is, and frees it */

#endif
