/* SPDX-License-Identifier: MIT */
/* The guest's console: what comes in goes to the device that the guest last wrote to. */
#include "monitor_own.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { QUIT_KEY = 0x1d /* Ctrl-] */ };

static void write_out(const struct vmm_monitor *monitor, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t done = write(monitor->options.out, at, len);

		if (done < 0 && errno != EINTR)
			return; /* nobody listens any more */
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
}

void vmm_serial_out(void *ctx, uint8_t byte)
{
	struct vmm_monitor *monitor = ctx;

	monitor->input.to_virtio = false;
	write_out(monitor, &byte, 1);
}

void vmm_console_out(void *ctx, const void *bytes, size_t len)
{
	struct vmm_monitor *monitor = ctx;

	monitor->input.to_virtio = true;
	write_out(monitor, bytes, len);
}

void vmm_input_feed(struct vmm_monitor *monitor)
{
	struct vmm_console_input *input = &monitor->input;
	size_t done = 0;

	if (input->to_virtio)
		done = vmm_console_in(vmm_pc_console(&monitor->pc), input->bytes, input->len);
	else
		while (done < input->len && vmm_uart_room(&monitor->pc.uart))
			vmm_uart_in(&monitor->pc.uart, input->bytes[done++]);
	if (!done)
		return;
	memmove(input->bytes, input->bytes + done, input->len - done);
	input->len -= done;
	if (!input->len)
		vmm_wake(monitor); /* there is room for more */
}

bool vmm_input_take(struct vmm_monitor *monitor)
{
	struct vmm_console_input *input = &monitor->input;
	unsigned char bytes[sizeof(input->bytes)];
	ssize_t len = read(monitor->options.in, bytes, sizeof(bytes));

	if (len <= 0)
		return len < 0 && (errno == EINTR || errno == EAGAIN);
	pthread_mutex_lock(&monitor->lock);
	if (isatty(monitor->options.in) && memchr(bytes, QUIT_KEY, (size_t)len))
		vmm_end_with(monitor, VMM_END_QUIT, 0, "the guest was stopped from the terminal");
	memcpy(input->bytes, bytes, (size_t)len);
	input->len = (size_t)len;
	vmm_input_feed(monitor);
	pthread_mutex_unlock(&monitor->lock);
	return true;
}

bool vmm_input_wanted(struct vmm_monitor *monitor)
{
	bool wants;

	pthread_mutex_lock(&monitor->lock);
	wants = !monitor->input.len;
	pthread_mutex_unlock(&monitor->lock);
	return wants;
}
