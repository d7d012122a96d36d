/* SPDX-License-Identifier: MIT */
/* QEMU's hw/misc/debugexit.c and hw/misc/pc-testdev.c say what there is; of the latter, what a test looks at. */
#include "testdev.h"

#include <string.h>

static uint64_t read_zero(void *device, uint64_t offset, unsigned size)
{
	(void)device, (void)offset, (void)size;
	return 0;
}

static void exit_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	const struct vmm_testdev *testdev = device;

	(void)offset, (void)size;
	testdev->board->end(testdev->board->ctx, VMM_END_EXIT, (unsigned)value);
}

const struct vmm_device_ops vmm_exit_ops = { "exit", read_zero, exit_write, NULL };

static void lines_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	const struct vmm_testdev *testdev = device;

	(void)size;
	testdev->board->line(testdev->board->ctx, (unsigned)offset, value != 0);
}

const struct vmm_device_ops vmm_lines_ops = { "lines", read_zero, lines_write, NULL };

static uint64_t get(const uint8_t *from, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

static void put(uint8_t *to, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t echo_read(void *device, uint64_t offset, unsigned size)
{
	const struct vmm_testdev *testdev = device;

	return get(testdev->echo + offset, size);
}

static void echo_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_testdev *testdev = device;

	put(testdev->echo + offset, size, value);
}

static void echo_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_testdev *testdev = device;

	vmm_walk_bytes(walk, testdev->echo, sizeof(testdev->echo));
}

const struct vmm_device_ops vmm_echo_ops = { "echo", echo_read, echo_write, echo_walk };

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
	const struct vmm_testdev *testdev = device;

	return get(testdev->memory + offset, size);
}

static void memory_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_testdev *testdev = device;

	put(testdev->memory + offset, size, value);
}

static void memory_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_testdev *testdev = device;

	vmm_walk_bytes(walk, testdev->memory, sizeof(testdev->memory));
}

const struct vmm_device_ops vmm_echo_memory_ops = { "echo-memory", memory_read, memory_write, memory_walk };

void vmm_testdev_init(struct vmm_testdev *testdev, const struct vmm_board *board)
{
	memset(testdev, 0, sizeof(*testdev));
	testdev->board = board;
}
