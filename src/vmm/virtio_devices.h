/* SPDX-License-Identifier: MIT */
/* What the virtio devices do: a disk, a console, random numbers. The world is behind functions. */
#ifndef GABI_VMM_VIRTIO_DEVICES_H
#define GABI_VMM_VIRTIO_DEVICES_H

#include "virtio.h"

/* ---- disk ---- */

struct vmm_disk {
	uint64_t sectors; /* of 512 bytes */
	bool read_only;
	/* False where the disk fails. Both stay within it. */
	bool (*read)(void *ctx, uint64_t offset, void *to, size_t len);
	bool (*write)(void *ctx, uint64_t offset, const void *from, size_t len);
	bool (*flush)(void *ctx);
	void *ctx;
};

extern const struct vmm_virtio_kind vmm_disk_kind; /* of a struct vmm_disk */

/* ---- console ---- */

struct vmm_console {
	void (*out)(void *ctx, const void *bytes, size_t len);
	void *ctx;
};

extern const struct vmm_virtio_kind vmm_console_kind; /* of a struct vmm_console */

/* Gives the guest bytes that came in: how many it took. */
size_t vmm_console_in(struct vmm_virtio *virtio, const void *bytes, size_t len);

/* ---- random numbers ---- */

struct vmm_rng {
	void (*fill)(void *ctx, void *to, size_t len);
	void *ctx;
};

extern const struct vmm_virtio_kind vmm_rng_kind; /* of a struct vmm_rng */

#endif
