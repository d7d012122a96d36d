/* SPDX-License-Identifier: MIT */
/* QEMU's configuration device, as far as test programs ask it: how much memory and how many processors there are. */
#ifndef GABI_VMM_FW_CFG_H
#define GABI_VMM_FW_CFG_H

#include "device.h"

enum { VMM_FW_CFG_PORT = 0x510, VMM_FW_CFG_LEN = 2 };

struct vmm_fw_cfg {
	uint64_t memory;
	uint16_t cpus;
	uint16_t key;
	uint32_t at;
};

extern const struct vmm_device_ops vmm_fw_cfg_ops;

void vmm_fw_cfg_init(struct vmm_fw_cfg *fw_cfg, uint64_t memory, unsigned cpus);

#endif
