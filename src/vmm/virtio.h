/* SPDX-License-Identifier: MIT */
/*
 * Virtio devices by memory-mapped registers, version 1 with split queues and no options. The transport is here, and what a
 * device does with a request is its kind's. Rings are the guest's and may hold anything: a ring that breaks a rule stops its
 * device until the driver resets it.
 */
#ifndef GABI_VMM_VIRTIO_H
#define GABI_VMM_VIRTIO_H

#include "device.h"

enum {
	VMM_VIRTIO_LEN = 0x200, /* registers and configuration */
	VMM_VIRTIO_QUEUES = 2,
	VMM_VIRTIO_RING = 128,  /* the most descriptors of a queue */
};

struct vmm_virtio;

/* A request: memory that the device reads, then memory that it writes. Both are taken piece by piece. */
struct vmm_request {
	uint16_t head, pieces, reads; /* of all pieces the first `reads` are read */
	uint16_t at_read, at_write;   /* the next piece of each */
	uint64_t to_read, to_write;   /* bytes that are left */
	uint64_t written;
	struct {
		unsigned char *at;
		uint32_t len;
	} piece[VMM_VIRTIO_RING];
};

struct vmm_virtio_kind {
	const char *name;
	uint32_t id;                 /* Virtio 1.2, chapter 5 */
	unsigned queues;
	uint64_t (*features)(void *device);
	uint8_t (*config)(void *device, unsigned offset); /* a byte of the configuration; NULL: all 0 */
	void (*serve)(void *device, struct vmm_virtio *virtio, unsigned queue); /* the guest put something into that queue */
};

struct vmm_virtio_queue {
	uint32_t size;
	uint8_t ready;
	uint16_t next;         /* of the driver's ring, the next to be taken */
	uint16_t used;         /* of the device's ring, the next to be filled */
	uint64_t ring[3];      /* descriptors, the driver's, the device's */
};

struct vmm_virtio {
	const struct vmm_board *board;
	const struct vmm_virtio_kind *kind;
	void *device;
	unsigned line;
	uint32_t status, interrupt, sees, takes, selected; /* registers; sees and takes: which half of the features */
	uint64_t features;     /* that the driver takes */
	struct vmm_virtio_queue queue[VMM_VIRTIO_QUEUES];
};

extern const struct vmm_device_ops vmm_virtio_ops;

void vmm_virtio_init(struct vmm_virtio *virtio, const struct vmm_board *board, const struct vmm_virtio_kind *kind, void *device,
		     unsigned line);

/*
 * The next request of a queue; false if there is none. A device that is told of requests takes VMM_VIRTIO_RING at most: those that
 * are put in meanwhile it is told of again, and a guest that puts them in all the while does not keep it for ever.
 */
bool vmm_virtio_take(struct vmm_virtio *virtio, unsigned queue, struct vmm_request *request);

/* Gives it back, and interrupts the guest if it wants that. */
void vmm_virtio_finish(struct vmm_virtio *virtio, unsigned queue, const struct vmm_request *request);

/* At most max bytes in one piece that the device is to read or to write; NULL at the end. */
const unsigned char *vmm_request_read(struct vmm_request *request, uint64_t max, uint32_t *ret_len);
unsigned char *vmm_request_write(struct vmm_request *request, uint64_t max, uint32_t *ret_len);

/* The same, copied: how many bytes there were, at most len. */
size_t vmm_request_get(struct vmm_request *request, void *to, size_t len);
size_t vmm_request_put(struct vmm_request *request, const void *from, size_t len);

#endif
