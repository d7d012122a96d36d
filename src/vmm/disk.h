/* SPDX-License-Identifier: MIT */
/* A raw file as a disk. */
#ifndef GABI_VMM_DISK_H
#define GABI_VMM_DISK_H

#include <gabi/err.h>

#include "virtio_devices.h"

/* Opens the file; one that may not be written becomes a disk that is read only. path NULL: there is none, and
 * nothing happens. GABI_ERR_IO with errno. */
int vmm_disk_open(struct vmm_disk *disk, const char *path, struct gabi_diag *diag);

/* Takes it for this guest alone; GABI_ERR_IO: it is another's. And gives it back, with all that was written on it. No disk is fine. */
int vmm_disk_lock(const struct vmm_disk *disk, struct gabi_diag *diag);
int vmm_disk_release(const struct vmm_disk *disk, struct gabi_diag *diag);
void vmm_disk_close(struct vmm_disk *disk);

#endif
