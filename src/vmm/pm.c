/* SPDX-License-Identifier: MIT */
/* ACPI 6.5, 4.8.3. There are no events: no status bit is ever set, and the line is never raised. */
#include "pm.h"

enum {
	EVENT_ENABLE = VMM_PM_EVENT + 2,
	CONTROL_SCI = 1, /* always: there is no legacy mode */
	CONTROL_KEPT = 0x1c07, /* sleep type, and what the OS may set without effect here */
	CONTROL_SLEEP = 1 << 13,
	TIMER_HZ = 3579545,
	NS = 1000000000,
};

static uint64_t timer(const struct vmm_pm *pm)
{
	uint64_t now = pm->board->now_ns(pm->board->ctx);

	return (uint32_t)(now / NS * TIMER_HZ + now % NS * TIMER_HZ / NS);
}

static uint64_t pm_read(void *device, uint64_t offset, unsigned size)
{
	const struct vmm_pm *pm = device;

	(void)size;
	switch (offset) {
	case EVENT_ENABLE:
		return pm->enable;
	case VMM_PM_CONTROL:
		return pm->control | CONTROL_SCI;
	case VMM_PM_TIMER:
		return timer(pm);
	default:
		return 0;
	}
}

static void pm_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_pm *pm = device;

	(void)size;
	if (offset == EVENT_ENABLE)
		pm->enable = (uint16_t)value;
	if (offset != VMM_PM_CONTROL)
		return;
	pm->control = value & CONTROL_KEPT;
	if (value & CONTROL_SLEEP && (value >> 10 & 7) == VMM_PM_SLEEP_OFF)
		pm->board->end(pm->board->ctx, VMM_END_OFF, 0);
}

static void pm_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_pm *pm = device;

	vmm_walk_u16(walk, &pm->enable);
	vmm_walk_u16(walk, &pm->control);
}

const struct vmm_device_ops vmm_pm_ops = { "pm", pm_read, pm_write, pm_walk };

static uint64_t reset_read(void *device, uint64_t offset, unsigned size)
{
	(void)device, (void)offset, (void)size;
	return 0;
}

/* Bit 2 starts what the other bits choose: whichever it is, it is an end. */
static void reset_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	const struct vmm_pm *pm = device;

	(void)offset, (void)size;
	if (value & 4)
		pm->board->end(pm->board->ctx, VMM_END_RESET, 0);
}

const struct vmm_device_ops vmm_reset_ops = { "reset", reset_read, reset_write, NULL };

void vmm_pm_init(struct vmm_pm *pm, const struct vmm_board *board)
{
	*pm = (struct vmm_pm){ .board = board };
}
