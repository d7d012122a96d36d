/* SPDX-License-Identifier: MIT */
/* After the data sheet of Motorola's MC146818. It tells the time; it cannot be set, has no alarm and raises no interrupt. */
#include "rtc.h"

enum {
	SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9, CENTURY = 0x32,
	REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13,
	A_DIVIDER = 0x26, B_24_HOURS = 2, B_BINARY = 4, D_VALID = 0x80,
	DAY_S = 86400,
};

struct date {
	unsigned year, month, day, weekday, second;
};

static bool is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* 400 years have the same days again. */
static struct date date_of(uint64_t seconds)
{
	static const uint8_t days_of[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t days = seconds / DAY_S;
	struct date date = { .year = 1970, .month = 1, .weekday = (unsigned)((days + 4) % 7 + 1), .second = (unsigned)(seconds % DAY_S) };

	days %= 146097;
	for (; days >= 365u + is_leap(date.year); date.year++)
		days -= 365u + is_leap(date.year);
	for (; days >= days_of[date.month - 1] + (unsigned)(date.month == 2 && is_leap(date.year)); date.month++)
		days -= days_of[date.month - 1] + (unsigned)(date.month == 2 && is_leap(date.year));
	date.day = (unsigned)days + 1;
	return date;
}

static uint8_t number(const struct vmm_rtc *rtc, unsigned value)
{
	return (uint8_t)(rtc->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t hours(const struct vmm_rtc *rtc, unsigned hour)
{
	if (rtc->cmos[REG_B] & B_24_HOURS)
		return number(rtc, hour);
	return number(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0);
}

static uint8_t read_cmos(const struct vmm_rtc *rtc)
{
	struct date date = date_of(rtc->base_s + rtc->board->now_ns(rtc->board->ctx) / 1000000000);

	switch (rtc->index) {
	case SECONDS:
		return number(rtc, date.second % 60);
	case MINUTES:
		return number(rtc, date.second / 60 % 60);
	case HOURS:
		return hours(rtc, date.second / 3600);
	case WEEKDAY:
		return number(rtc, date.weekday);
	case DAY:
		return number(rtc, date.day);
	case MONTH:
		return number(rtc, date.month);
	case YEAR:
		return number(rtc, date.year % 100);
	case CENTURY:
		return number(rtc, date.year / 100);
	case REG_A:
		return A_DIVIDER;
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return rtc->cmos[rtc->index];
	}
}

static uint64_t rtc_read(void *device, uint64_t offset, unsigned size)
{
	(void)size;
	return offset ? read_cmos(device) : 0xff;
}

/* Bit 7 of the index is the NMI's mask, which nobody reads. */
static void rtc_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_rtc *rtc = device;

	if (!offset)
		rtc->index = value & 0x7f;
	if (offset || size > 1)
		rtc->cmos[rtc->index] = (uint8_t)(offset ? value : value >> 8);
}

static void rtc_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_rtc *rtc = device;

	vmm_walk_u8(walk, &rtc->index);
	vmm_walk_bytes(walk, rtc->cmos, sizeof(rtc->cmos));
	rtc->index &= 0x7f;
}

const struct vmm_device_ops vmm_rtc_ops = { "rtc", rtc_read, rtc_write, rtc_walk };

void vmm_rtc_init(struct vmm_rtc *rtc, const struct vmm_board *board, uint64_t base_s)
{
	*rtc = (struct vmm_rtc){ .board = board, .base_s = base_s, .cmos[REG_B] = B_24_HOURS };
}
