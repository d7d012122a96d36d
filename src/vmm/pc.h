/* SPDX-License-Identifier: MIT */
/* All devices of the machine, where a guest finds them. */
#ifndef GABI_VMM_PC_H
#define GABI_VMM_PC_H

#include "fw_cfg.h"
#include "pm.h"
#include "rtc.h"
#include "testdev.h"
#include "uart.h"
#include "virtio_devices.h"

#define VMM_PC_VIRTIO_GPA 0xd0000000u /* the first virtio device; a page each */
enum {
	VMM_PC_VIRTIO_LINE = 16,         /* its line; one each */
	VMM_PC_VIRTIOS = 3,
};

/* What the world gives. The functions are called with ctx. */
struct vmm_pc_options {
	uint64_t memory;
	unsigned cpus;
	uint64_t base_s;             /* seconds since 1970 when the board's clock was 0 */
	const struct vmm_disk *disk; /* copied; NULL: none */
	void (*serial_out)(void *ctx, uint8_t byte);
	void (*console_out)(void *ctx, const void *bytes, size_t len);
	void (*random)(void *ctx, void *to, size_t len);
	void *ctx;
};

struct vmm_pc {
	struct vmm_bus ports, memory;
	struct vmm_uart uart;
	struct vmm_pm pm;
	struct vmm_rtc rtc;
	struct vmm_fw_cfg fw_cfg;
	struct vmm_testdev testdev;
	struct vmm_console console;
	struct vmm_rng rng;
	struct vmm_disk disk;
	struct vmm_virtio virtio[VMM_PC_VIRTIOS]; /* console, rng, disk */
	unsigned virtios;
};

/* The board and the options' ctx must outlive it. */
void vmm_pc_init(struct vmm_pc *pc, const struct vmm_board *board, const struct vmm_pc_options *options);

/* Writes the ACPI tables that tell of it, for the address VMM_ACPI_GPA; their length, 0 if cap is too small. */
size_t vmm_pc_acpi(const struct vmm_pc *pc, unsigned cpus, unsigned char *out, size_t cap);

static inline struct vmm_virtio *vmm_pc_console(struct vmm_pc *pc)
{
	return &pc->virtio[0];
}

/* The state of all devices. */
void vmm_pc_walk(struct vmm_pc *pc, struct vmm_walk *walk);

#endif
