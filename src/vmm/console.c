/* SPDX-License-Identifier: MIT */
/* The guest's console: what comes in goes to the device that the guest last wrote to. */
#include "monitor_own.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	QUIT_KEY = 0x1d, /* Ctrl-] */
	OUTPUT_CAP = 1 << 20,
	PART = 256,        /* what is ready takes so much without blocking */
	WAIT_MS = 20, PATIENCE = 5000 / WAIT_MS,
};

/* ---- out ---- */

/*
 * Others share the file, so that it cannot be set not to block. A pipe or a terminal that is opened anew is ours alone; a file of another
 * kind never blocks, or is a socket, which cannot be opened.
 */
int vmm_output_open(struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct vmm_console_output *output = &monitor->output;
	struct stat stat;
	char path[40];
	int own = -1;

	output->bytes = malloc(OUTPUT_CAP);
	if (!output->bytes)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", monitor->options.out);
	if (!fstat(monitor->options.out, &stat) && (S_ISFIFO(stat.st_mode) || S_ISCHR(stat.st_mode)))
		own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	output->is_own = own >= 0;
	output->may_block = own < 0;
	output->file = own < 0 ? monitor->options.out : own;
	return 0;
}

void vmm_output_close(struct vmm_monitor *monitor)
{
	if (monitor->output.is_own)
		close(monitor->output.file);
	free(monitor->output.bytes);
}

static bool is_ready(const struct vmm_console_output *output, int wait_ms)
{
	struct pollfd fd = { output->file, POLLOUT, 0 };

	return poll(&fd, 1, wait_ms) == 1;
}

bool vmm_output_send(struct vmm_monitor *monitor)
{
	struct vmm_console_output *output = &monitor->output;

	while (output->len && (!output->may_block || is_ready(output, 0))) {
		size_t part = output->may_block && output->len > PART ? PART : output->len;
		ssize_t done = write(output->file, output->bytes + output->at, part);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			break;
		if (done < 0) /* nobody listens any more */
			done = (ssize_t)output->len;
		output->at += (size_t)done;
		output->len -= (size_t)done;
	}
	return output->len != 0;
}

void vmm_output_wait(struct vmm_monitor *monitor)
{
	bool more = true;

	while (more && !atomic_load(&monitor->gate.holds) && !atomic_load(&monitor->ending)) {
		is_ready(&monitor->output, WAIT_MS);
		pthread_mutex_lock(&monitor->lock);
		more = vmm_output_send(monitor);
		pthread_mutex_unlock(&monitor->lock);
	}
	if (more)
		vmm_wake(monitor); /* the thread there goes on with it */
}

void vmm_output_finish(struct vmm_monitor *monitor)
{
	size_t left, before = 0;
	unsigned still = 0;

	pthread_mutex_lock(&monitor->lock);
	while (vmm_output_send(monitor) && monitor->result.end != VMM_END_QUIT && still < PATIENCE) {
		left = monitor->output.len;
		still = left == before ? still + 1 : 0;
		before = left;
		pthread_mutex_unlock(&monitor->lock);
		is_ready(&monitor->output, WAIT_MS);
		pthread_mutex_lock(&monitor->lock);
	}
	pthread_mutex_unlock(&monitor->lock);
}

/* A guest that says more than there is room for in one piece, while nobody reads, is not heard. */
static void write_out(struct vmm_monitor *monitor, const void *bytes, size_t len)
{
	struct vmm_console_output *output = &monitor->output;
	const unsigned char *at = bytes;
	size_t part;

	for (; len; at += part, len -= part) {
		memmove(output->bytes, output->bytes + output->at, output->len);
		output->at = 0;
		part = OUTPUT_CAP - output->len < len ? OUTPUT_CAP - output->len : len;
		if (!part)
			return;
		memcpy(output->bytes + output->len, at, part);
		output->len += part;
		vmm_output_send(monitor);
	}
}

/* ---- in ---- */

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
