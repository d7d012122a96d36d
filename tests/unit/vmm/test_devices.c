/* SPDX-License-Identifier: MIT */
#include "board.h"

#include "vmm/pc.h"
#include "vmm/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct pc {
	struct test_board *test;
	struct vmm_pc pc;
	char out[64];
	size_t out_len;
};

static void serial_out(void *ctx, uint8_t byte)
{
	struct pc *pc = ctx;

	pc->out[pc->out_len++ % sizeof(pc->out)] = (char)byte;
}

static void console_out(void *ctx, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		serial_out(ctx, ((const uint8_t *)bytes)[i]);
}

static void no_random(void *ctx, void *to, size_t len)
{
	(void)ctx;
	memset(to, 0x5a, len);
}

static int set_up(void **state)
{
	struct pc *pc = calloc(1, sizeof(*pc));
	struct vmm_pc_options options = {
		.memory = BOARD_RAM, .cpus = 3, .base_s = 1709210096, /* 2024-02-29 12:34:56, a Thursday */
		.serial_out = serial_out, .console_out = console_out, .random = no_random, .ctx = pc,
	};

	pc->test = test_board_new();
	vmm_pc_init(&pc->pc, &pc->test->board, &options);
	*state = pc;
	return 0;
}

static int tear_down(void **state)
{
	struct pc *pc = *state;

	test_board_free(pc->test);
	free(pc);
	return 0;
}

static uint64_t in(struct pc *pc, unsigned port, unsigned size)
{
	return vmm_bus_read(&pc->pc.ports, port, size);
}

static void out(struct pc *pc, unsigned port, unsigned size, uint64_t value)
{
	vmm_bus_write(&pc->pc.ports, port, size, value);
}

/* ---- the bus ---- */

static void bus__nothing_there__reads_ones_and_loses_writes(void **state)
{
	out(*state, 0x900, 4, 0);
	assert_int_equal(in(*state, 0x900, 1), 0xff);
	assert_int_equal(in(*state, 0x900, 4), 0xffffffff);
	assert_true(vmm_bus_read(&((struct pc *)*state)->pc.memory, UINT64_MAX, 8) == UINT64_MAX);
}

static void bus__an_access_across_a_device_s_end__is_nobody_s(void **state)
{
	out(*state, VMM_ECHO_PORT, 4, 0x11223344);
	assert_int_equal(in(*state, VMM_ECHO_PORT + 2, 4), 0xffffffff);
	assert_int_equal(in(*state, VMM_ECHO_PORT + 2, 2), 0x1122);
	assert_true(vmm_bus_read(&((struct pc *)*state)->pc.memory, VMM_ECHO_GPA + VMM_ECHO_MEMORY - 4, 8) == UINT64_MAX);
}

static void bus__odd_sizes__are_nobody_s(void **state)
{
	assert_int_equal(in(*state, VMM_ECHO_PORT, 3), 0xffffffffffffffff & 0xffffff);
	out(*state, VMM_ECHO_PORT, 0, 1);
}

static void bus__ranges_that_overlap__are_refused(void **state)
{
	struct vmm_bus bus = { .count = 0 };

	(void)state;
	assert_true(vmm_bus_add(&bus, 0x100, 8, &vmm_echo_ops, NULL));
	assert_false(vmm_bus_add(&bus, 0x107, 8, &vmm_echo_ops, NULL));
	assert_false(vmm_bus_add(&bus, 0xf9, 8, &vmm_echo_ops, NULL));
	assert_false(vmm_bus_add(&bus, UINT64_MAX, 8, &vmm_echo_ops, NULL));
	assert_true(vmm_bus_add(&bus, 0x108, 8, &vmm_echo_ops, NULL));
}

static void pc__all_devices__have_their_places(void **state)
{
	const struct vmm_pc *pc = &((struct pc *)*state)->pc;

	assert_int_equal(pc->ports.count, 8);
	assert_int_equal(pc->memory.count, 3);
	assert_int_equal(pc->virtios, 2); /* there is no disk */
}

/* ---- serial port ---- */

enum { DATA = VMM_UART_PORT, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static void uart__written__goes_out(void **state)
{
	struct pc *pc = *state;

	out(pc, DATA, 1, 'h');
	out(pc, DATA, 1, 'i');
	assert_memory_equal(pc->out, "hi", 2);
	assert_int_equal(in(pc, LSR, 1) & 0x60, 0x60);
}

static void uart__divisor__is_not_data(void **state)
{
	struct pc *pc = *state;

	out(pc, LCR, 1, 0x83);
	out(pc, DATA, 2, 0x1234);
	assert_int_equal(in(pc, DATA, 2), 0x1234);
	out(pc, LCR, 1, 3);
	assert_int_equal(pc->out_len, 0);
	assert_int_equal(in(pc, IER, 1), 0);
}

static void uart__interrupts__come_in_their_order_and_go(void **state)
{
	struct pc *pc = *state;

	out(pc, MCR, 1, 8);
	assert_false(pc->test->line[VMM_UART_LINE]);
	out(pc, IER, 1, 7); /* nothing to send is a reason at once */
	assert_true(pc->test->line[VMM_UART_LINE]);
	vmm_uart_in(&pc->pc.uart, 'a');
	vmm_uart_in(&pc->pc.uart, 'b'); /* without a FIFO there is room for one */
	assert_int_equal(in(pc, IIR, 1), 6);
	assert_int_equal(in(pc, LSR, 1), 0x63);
	assert_int_equal(in(pc, IIR, 1), 4);
	assert_int_equal(in(pc, DATA, 1), 'a');
	assert_int_equal(in(pc, IIR, 1), 2);
	assert_int_equal(in(pc, IIR, 1), 1);
	assert_false(pc->test->line[VMM_UART_LINE]);
}

static void uart__without_the_modem_s_line_bit__raises_none(void **state)
{
	struct pc *pc = *state;

	out(pc, IER, 1, 7);
	vmm_uart_in(&pc->pc.uart, 'a');
	assert_false(pc->test->line[VMM_UART_LINE]);
}

static void uart__fifo__holds_sixteen(void **state)
{
	struct pc *pc = *state;

	out(pc, IIR, 1, 1);
	assert_int_equal(vmm_uart_room(&pc->pc.uart), 16);
	for (unsigned i = 0; i < 17; i++)
		vmm_uart_in(&pc->pc.uart, (uint8_t)i);
	assert_int_equal(vmm_uart_room(&pc->pc.uart), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(pc, DATA, 1), i);
	assert_int_equal(in(pc, DATA, 1), 0);
}

static void uart__loopback__comes_back_and_not_out(void **state)
{
	struct pc *pc = *state;

	out(pc, MCR, 1, 0x1a);
	assert_int_equal(in(pc, MSR, 1), 0x90);
	out(pc, DATA, 1, 'x');
	assert_int_equal(in(pc, DATA, 1), 'x');
	assert_int_equal(pc->out_len, 0);
}

/* ---- power, clock, configuration, test device ---- */

static void pm__timer__counts_at_its_frequency_and_wraps(void **state)
{
	struct pc *pc = *state;

	pc->test->now_ns = 1000000000;
	assert_int_equal(in(pc, VMM_PM_PORT + VMM_PM_TIMER, 4), 3579545);
	pc->test->now_ns = 1200000000000;
	assert_int_equal(in(pc, VMM_PM_PORT + VMM_PM_TIMER, 4), (uint32_t)(1200ull * 3579545));
}

static void pm__sleep_type_of_s5__switches_off(void **state)
{
	struct pc *pc = *state;

	assert_int_equal(in(pc, VMM_PM_PORT + VMM_PM_CONTROL, 2), 1);
	out(pc, VMM_PM_PORT + VMM_PM_CONTROL, 2, 5 << 10);
	out(pc, VMM_PM_PORT + VMM_PM_CONTROL, 2, 1 << 13 | 4 << 10);
	assert_int_equal(pc->test->how, VMM_END_NONE);
	out(pc, VMM_PM_PORT + VMM_PM_CONTROL, 2, 1 << 13 | 5 << 10);
	assert_int_equal(pc->test->how, VMM_END_OFF);
}

static void reset__its_value__resets(void **state)
{
	struct pc *pc = *state;

	out(pc, VMM_RESET_PORT, 1, 2);
	assert_int_equal(pc->test->how, VMM_END_NONE);
	out(pc, VMM_RESET_PORT, 1, VMM_RESET_VALUE);
	assert_int_equal(pc->test->how, VMM_END_RESET);
}

static unsigned cmos(struct pc *pc, unsigned index)
{
	out(pc, VMM_RTC_PORT, 1, index);
	return (unsigned)in(pc, VMM_RTC_PORT + 1, 1);
}

static void rtc__dates__are_the_calendar_s(void **state)
{
	static const struct {
		const char *name;
		uint64_t after_s;
		uint8_t century, year, month, day, weekday, hour, minute, second;
	} rows[] = {
		{ "a leap day", 0, 0x20, 0x24, 0x02, 0x29, 5, 0x12, 0x34, 0x56 },
		{ "the day after", 41104, 0x20, 0x24, 0x03, 0x01, 6, 0x00, 0x00, 0x00 },
		{ "the year's end", 26479503, 0x20, 0x24, 0x12, 0x31, 3, 0x23, 0x59, 0x59 },
		{ "a year that is none to leap", 2398332304, 0x21, 0x00, 0x03, 0x01, 2, 0x00, 0x00, 0x00 },
	};
	struct pc *pc = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t want[] = { rows[i].century, rows[i].year, rows[i].month, rows[i].day, rows[i].weekday, rows[i].hour,
					 rows[i].minute, rows[i].second };
		static const uint8_t index[] = { 0x32, 9, 8, 7, 6, 4, 2, 0 };

		pc->test->now_ns = rows[i].after_s * 1000000000;
		for (size_t k = 0; k < sizeof(want); k++)
			if (cmos(pc, index[k]) != want[k])
				fail_msg("%s: register 0x%x is 0x%x, and 0x%x is right", rows[i].name, index[k], cmos(pc, index[k]), want[k]);
	}
}

static void rtc__binary_and_twelve_hours__as_register_b_says(void **state)
{
	struct pc *pc = *state;

	out(pc, VMM_RTC_PORT, 1, 11);
	out(pc, VMM_RTC_PORT + 1, 1, 4);
	assert_int_equal(cmos(pc, 4), 0x8c); /* 12 pm */
	assert_int_equal(cmos(pc, 2), 34);
	pc->test->now_ns = 41104ull * 1000000000;
	assert_int_equal(cmos(pc, 4), 12); /* 12 am */
}

static void fw_cfg__items__are_read_byte_by_byte(void **state)
{
	struct pc *pc = *state;

	out(pc, VMM_FW_CFG_PORT, 2, 0);
	for (const char *at = "QEMU"; *at; at++)
		assert_int_equal(in(pc, VMM_FW_CFG_PORT + 1, 1), *at);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(in(pc, VMM_FW_CFG_PORT + 1, 1), 0);
	out(pc, VMM_FW_CFG_PORT, 2, 5);
	assert_int_equal(in(pc, VMM_FW_CFG_PORT + 1, 1), 3);
}

static void testdev__exit_port__ends_with_its_value(void **state)
{
	struct pc *pc = *state;

	out(pc, VMM_EXIT_PORT, 4, 0x1234);
	assert_int_equal(pc->test->how, VMM_END_EXIT);
	assert_int_equal(pc->test->value, 0x1234);
}

static void testdev__lines__follow_their_ports(void **state)
{
	struct pc *pc = *state;

	out(pc, VMM_LINES_PORT + 23, 1, 1);
	assert_true(pc->test->line[23]);
	out(pc, VMM_LINES_PORT + 23, 1, 0);
	assert_false(pc->test->line[23]);
	out(pc, VMM_LINES_PORT + 24, 1, 1);
	assert_false(pc->test->line[24]);
}

/* ---- state ---- */

static void walk__saved_and_loaded__is_the_same(void **state)
{
	static unsigned char first[100000], second[100000];
	struct pc *pc = *state;
	void *other_state;
	struct pc *other;
	struct vmm_walk save = { .at = first, .len = sizeof(first) }, again = { .at = second, .len = sizeof(second) }, load;

	out(pc, IIR, 1, 1);
	out(pc, IER, 1, 5);
	vmm_uart_in(&pc->pc.uart, 'q');
	cmos(pc, 0x40);
	out(pc, VMM_RTC_PORT + 1, 1, 0x77);
	out(pc, VMM_FW_CFG_PORT, 2, 3);
	in(pc, VMM_FW_CFG_PORT + 1, 1);
	vmm_bus_write(&pc->pc.memory, VMM_PC_VIRTIO_GPA + 0x70, 4, 3);
	vmm_pc_walk(&pc->pc, &save);
	assert_false(save.failed);
	set_up(&other_state);
	other = other_state;
	load = (struct vmm_walk){ .loads = true, .at = first, .len = save.done };
	vmm_pc_walk(&other->pc, &load);
	assert_false(load.failed);
	assert_int_equal(load.done, save.done);
	assert_int_equal(in(other, DATA, 1), 'q');
	assert_int_equal(cmos(other, 0x40), 0x77);
	tear_down(&other_state);
	set_up(&other_state);
	other = other_state;
	load = (struct vmm_walk){ .loads = true, .at = first, .len = save.done };
	vmm_pc_walk(&other->pc, &load);
	vmm_pc_walk(&other->pc, &again);
	assert_int_equal(again.done, save.done);
	assert_memory_equal(first, second, save.done);
	tear_down(&other_state);
}

static void walk__cut_anywhere__fails_and_stays_in_bounds(void **state)
{
	static unsigned char bytes[100000];
	struct pc *pc = *state;
	struct vmm_walk save = { .at = bytes, .len = sizeof(bytes) };

	vmm_pc_walk(&pc->pc, &save);
	for (size_t len = 0; len < save.done; len += len < 300 ? 1 : 997) {
		struct vmm_walk load = { .loads = true, .at = bytes, .len = len };

		vmm_pc_walk(&pc->pc, &load);
		assert_true(load.failed);
	}
}

static void walk__a_full_fifo_that_is_none__is_refused(void **state)
{
	struct pc *pc = *state;
	unsigned char bytes[64];
	struct vmm_walk walk = { .loads = true, .at = bytes, .len = sizeof(bytes) };

	memset(bytes, 0xff, sizeof(bytes));
	vmm_uart_ops.walk(&pc->pc.uart, &walk);
	assert_true(walk.failed);
	vmm_uart_in(&pc->pc.uart, 'x');
	in(pc, DATA, 1);
}

/* ---- topology ---- */

static void topology__free_fields__number_the_processors(void **state)
{
	static const struct {
		const char *name;
		unsigned cpus, vp;
		uint32_t leaf, sub, regs[4], want[4];
	} rows[] = {
		{ "leaf 1, one", 1, 0, 1, 0, { 0, 0x800, 1, 1u << 28 }, { 0, 0x00010800, 1, 0 } },
		{ "leaf 1, of four", 4, 3, 1, 0, { 0, 0xffff0800, 0, 0 }, { 0, 0x03040800, 0, 1u << 28 } },
		{ "caches are not shared", 4, 0, 4, 0, { 0xfc1fc121, 5, 6, 7 }, { 0x0c000121, 5, 6, 7 } },
		{ "no cache more", 4, 0, 4, 4, { 0, 0, 0, 0 }, { 0, 0, 0, 0 } },
		{ "threads of a core", 5, 2, 0xb, 0, { 9, 9, 9, 9 }, { 0, 1, 0x100, 2 } },
		{ "cores of the package", 5, 2, 0xb, 1, { 9, 9, 9, 9 }, { 3, 5, 0x201, 2 } },
		{ "no level more", 5, 2, 0xb, 2, { 9, 9, 9, 9 }, { 0, 0, 2, 2 } },
		{ "AMD's count", 5, 2, 0x80000008, 0, { 1, 2, 0x30000, 4 }, { 1, 2, 0x33004, 4 } },
		{ "AMD's ids", 5, 2, 0x8000001e, 0, { 9, 0x10101, 9, 4 }, { 2, 0x10002, 0, 4 } },
		{ "any other leaf", 5, 2, 7, 0, { 1, 2, 3, 4 }, { 1, 2, 3, 4 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t regs[4];

		memcpy(regs, rows[i].regs, sizeof(regs));
		vmm_topology(rows[i].cpus, rows[i].vp, rows[i].leaf, rows[i].sub, regs);
		for (unsigned k = 0; k < 4; k++)
			if (regs[k] != rows[i].want[k])
				fail_msg("%s: register %u is 0x%x, and 0x%x is right", rows[i].name, k, regs[k], rows[i].want[k]);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bus__nothing_there__reads_ones_and_loses_writes),
		CASE(bus__an_access_across_a_device_s_end__is_nobody_s),
		CASE(bus__odd_sizes__are_nobody_s),
		CASE(bus__ranges_that_overlap__are_refused),
		CASE(pc__all_devices__have_their_places),
		CASE(uart__written__goes_out),
		CASE(uart__divisor__is_not_data),
		CASE(uart__interrupts__come_in_their_order_and_go),
		CASE(uart__without_the_modem_s_line_bit__raises_none),
		CASE(uart__fifo__holds_sixteen),
		CASE(uart__loopback__comes_back_and_not_out),
		CASE(pm__timer__counts_at_its_frequency_and_wraps),
		CASE(pm__sleep_type_of_s5__switches_off),
		CASE(reset__its_value__resets),
		CASE(rtc__dates__are_the_calendar_s),
		CASE(rtc__binary_and_twelve_hours__as_register_b_says),
		CASE(fw_cfg__items__are_read_byte_by_byte),
		CASE(testdev__exit_port__ends_with_its_value),
		CASE(testdev__lines__follow_their_ports),
		CASE(walk__saved_and_loaded__is_the_same),
		CASE(walk__cut_anywhere__fails_and_stays_in_bounds),
		CASE(walk__a_full_fifo_that_is_none__is_refused),
		CASE(topology__free_fields__number_the_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
