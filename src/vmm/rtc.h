/* SPDX-License-Identifier: MIT */
/* The clock and the CMOS memory of a PC. */
#ifndef GABI_VMM_RTC_H
#define GABI_VMM_RTC_H

#include "device.h"

enum { VMM_RTC_PORT = 0x70, VMM_RTC_LEN = 2, VMM_RTC_LINE = 8 };

struct vmm_rtc {
	const struct vmm_board *board;
	uint64_t base_s; /* seconds since 1970 when the board's clock was 0 */
	uint8_t index;
	uint8_t cmos[128];
};

extern const struct vmm_device_ops vmm_rtc_ops;

void vmm_rtc_init(struct vmm_rtc *rtc, const struct vmm_board *board, uint64_t base_s);

#endif
