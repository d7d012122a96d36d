/* SPDX-License-Identifier: MIT */
/* A guest in a file. The disk is not of it: it is what it was when the guest was saved only as long as no guest writes to it. */
#ifndef GABI_VMM_SNAPSHOT_H
#define GABI_VMM_SNAPSHOT_H

#include "carry.h"

#include <stdatomic.h>

/*
 * Saves the guest, which is held meanwhile and goes on afterwards, unless the caller holds it too. The file is there whole, on the
 * disk and under its name, or as it was before. GABI_ERR_IO with errno; GABI_ERR_CONFLICT: the guest has ended. Any thread but a
 * virtual processor's.
 */
int vmm_save(struct vmm_monitor *monitor, const char *path, struct gabi_diag *diag);

/* The same into an open file, which is the caller's to sync and to keep or not. It is given up soon when *cancelled becomes true. */
int vmm_save_to(struct vmm_monitor *monitor, int file, const atomic_bool *cancelled, struct gabi_diag *diag);

struct vmm_snapshot {
	int file;
	struct vmm_stream stream;
	struct vmm_head head; /* whose contract can be taken out: NULL then */
};

/* Opens one and reads its head: the caller settles terms by its contract, and makes an empty monitor of its shape. */
int vmm_snapshot_open(struct vmm_snapshot *snapshot, const char *path, struct gabi_diag *diag);

/* Loads the rest into the monitor, which can then be run. Errors: of vmm_body_read; GABI_ERR_CONFLICT: the shapes differ. */
int vmm_snapshot_load(struct vmm_snapshot *snapshot, struct vmm_monitor *monitor, struct gabi_diag *diag);

void vmm_snapshot_close(struct vmm_snapshot *snapshot); /* also after a failure */

#endif
