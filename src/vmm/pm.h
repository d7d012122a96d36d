/* SPDX-License-Identifier: MIT */
/* Power management as ACPI's fixed hardware: the PM1 registers, the timer, and the reset register. */
#ifndef GABI_VMM_PM_H
#define GABI_VMM_PM_H

#include "device.h"

/* The block of registers, as the FADT tells of them. */
enum {
	VMM_PM_PORT = 0x600,
	VMM_PM_EVENT = 0,   /* 4 bytes: status, enable */
	VMM_PM_CONTROL = 4, /* 2 bytes */
	VMM_PM_TIMER = 8,   /* 4 bytes, counting at 3.579545 MHz */
	VMM_PM_LEN = 12,
	VMM_PM_LINE = 9,
	VMM_PM_SLEEP_OFF = 5, /* the sleep type of _S5 */
	VMM_RESET_PORT = 0xcf9,
	VMM_RESET_VALUE = 6,
};

struct vmm_pm {
	const struct vmm_board *board;
	uint16_t enable, control;
};

extern const struct vmm_device_ops vmm_pm_ops;    /* at VMM_PM_PORT */
extern const struct vmm_device_ops vmm_reset_ops; /* at VMM_RESET_PORT, of the same device */

void vmm_pm_init(struct vmm_pm *pm, const struct vmm_board *board);

#endif
