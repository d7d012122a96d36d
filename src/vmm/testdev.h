/* SPDX-License-Identifier: MIT */
/* What test programs for bare machines expect: QEMU's isa-debug-exit and pc-testdev. */
#ifndef GABI_VMM_TESTDEV_H
#define GABI_VMM_TESTDEV_H

#include "device.h"

enum {
	VMM_EXIT_PORT = 0xf4, VMM_EXIT_LEN = 4,     /* a value that is written here ends the guest */
	VMM_ECHO_PORT = 0xe0, VMM_ECHO_LEN = 4,     /* reads give what was written */
	VMM_LINES_PORT = 0x2000, VMM_LINES_LEN = 24, /* an interrupt line a port: a byte sets it */
	VMM_ECHO_MEMORY = 0x10000, /* bytes of memory that is a device's */
};
#define VMM_ECHO_GPA 0xff000000u

struct vmm_testdev {
	const struct vmm_board *board;
	uint8_t echo[VMM_ECHO_LEN];
	uint8_t memory[VMM_ECHO_MEMORY];
};

/* All of one device, at these places. */
extern const struct vmm_device_ops vmm_exit_ops, vmm_echo_ops, vmm_lines_ops, vmm_echo_memory_ops;

void vmm_testdev_init(struct vmm_testdev *testdev, const struct vmm_board *board);

#endif
