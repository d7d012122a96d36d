/* SPDX-License-Identifier: MIT */
/* Virtio 1.2, 5.4. */
#include "virtio_devices.h"

enum { AT_ONCE = 4096 }; /* a request may ask for all of memory: it gets so much and asks again */

static uint64_t features(void *device)
{
	(void)device;
	return 0;
}

static void serve(void *device, struct vmm_virtio *virtio, unsigned queue)
{
	const struct vmm_rng *rng = device;
	struct vmm_request request;

	for (unsigned i = 0; i < VMM_VIRTIO_RING && vmm_virtio_take(virtio, queue, &request); i++) {
		unsigned char *to;
		uint32_t len;

		while ((to = vmm_request_write(&request, AT_ONCE - request.written, &len)))
			rng->fill(rng->ctx, to, len);
		vmm_virtio_finish(virtio, queue, &request);
	}
}

const struct vmm_virtio_kind vmm_rng_kind = { "rng", 4, 1, features, NULL, serve };
