/* SPDX-License-Identifier: MIT */
/* Virtio 1.2, 5.3: one port. */
#include "virtio_devices.h"

enum { QUEUE_IN, QUEUE_OUT };

static uint64_t features(void *device)
{
	(void)device;
	return 0;
}

static void serve(void *device, struct vmm_virtio *virtio, unsigned queue)
{
	const struct vmm_console *console = device;
	struct vmm_request request;

	for (unsigned i = 0; i < VMM_VIRTIO_RING && queue == QUEUE_OUT && vmm_virtio_take(virtio, queue, &request); i++) {
		const unsigned char *from;
		uint32_t len;

		while ((from = vmm_request_read(&request, UINT64_MAX, &len)))
			console->out(console->ctx, from, len);
		vmm_virtio_finish(virtio, queue, &request);
	}
}

size_t vmm_console_in(struct vmm_virtio *virtio, const void *bytes, size_t len)
{
	struct vmm_request request;
	size_t done = 0;

	for (unsigned i = 0; i < VMM_VIRTIO_RING && done < len && vmm_virtio_take(virtio, QUEUE_IN, &request); i++) {
		done += vmm_request_put(&request, (const unsigned char *)bytes + done, len - done);
		vmm_virtio_finish(virtio, QUEUE_IN, &request);
	}
	return done;
}

const struct vmm_virtio_kind vmm_console_kind = { "console", 3, 2, features, NULL, serve };
