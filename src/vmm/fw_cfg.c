/* SPDX-License-Identifier: MIT */
/* QEMU's docs/specs/fw_cfg.rst, and the keys of its include/standard-headers/linux/qemu_fw_cfg.h. */
#include "fw_cfg.h"

enum {
	KEY_SIGNATURE = 0, KEY_ID = 1, KEY_RAM_SIZE = 3, KEY_CPUS = 5, KEY_MAX_CPUS = 15, KEY_FILES = 0x19,
	ID_TRADITIONAL = 1, /* no DMA */
};

/* The item's bytes as a little-endian number; beyond its length there are zeros. */
static uint64_t item(const struct vmm_fw_cfg *fw_cfg)
{
	switch (fw_cfg->key) {
	case KEY_SIGNATURE:
		return 0x554d4551; /* "QEMU" */
	case KEY_ID:
		return ID_TRADITIONAL;
	case KEY_RAM_SIZE:
		return fw_cfg->memory;
	case KEY_CPUS:
	case KEY_MAX_CPUS:
		return fw_cfg->cpus;
	case KEY_FILES: /* none */
	default:
		return 0;
	}
}

static uint8_t next(struct vmm_fw_cfg *fw_cfg)
{
	unsigned at = fw_cfg->at < 8 ? fw_cfg->at++ : 8;

	return at < 8 ? (uint8_t)(item(fw_cfg) >> 8 * at) : 0;
}

static uint64_t fw_cfg_read(void *device, uint64_t offset, unsigned size)
{
	struct vmm_fw_cfg *fw_cfg = device;

	return offset == 1 && size == 1 ? next(fw_cfg) : 0;
}

static void fw_cfg_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_fw_cfg *fw_cfg = device;

	if (offset || size != 2)
		return;
	fw_cfg->key = (uint16_t)value;
	fw_cfg->at = 0;
}

static void fw_cfg_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_fw_cfg *fw_cfg = device;

	vmm_walk_u16(walk, &fw_cfg->key);
	vmm_walk_u32(walk, &fw_cfg->at);
}

const struct vmm_device_ops vmm_fw_cfg_ops = { "fw-cfg", fw_cfg_read, fw_cfg_write, fw_cfg_walk };

void vmm_fw_cfg_init(struct vmm_fw_cfg *fw_cfg, uint64_t memory, unsigned cpus)
{
	*fw_cfg = (struct vmm_fw_cfg){ .memory = memory, .cpus = (uint16_t)cpus };
}
