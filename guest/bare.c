/* SPDX-License-Identifier: MIT */
#include "bare.h"

enum { SERIAL = 0x3f8, SERIAL_STATUS = 0x3fd, SERIAL_EMPTY = 0x20, EXIT_PORT = 0xf4, TRAMPOLINE = 0x8000, STUB_LEN = 16 };

extern uint8_t guest_stubs[], guest_idt[], trampoline[], trampoline_end[];

static uint32_t bad, all;

void say(const char *text)
{
	for (; *text; text++) {
		while (!(in8(SERIAL_STATUS) & SERIAL_EMPTY))
			pause();
		out8(SERIAL, (uint8_t)*text);
	}
}

void say_number(uint64_t value)
{
	char text[17] = { 0 };
	unsigned at = 16;

	do
		text[--at] = "0123456789abcdef"[value % 16];
	while (value /= 16);
	say("0x");
	say(text + at);
}

void check(const char *name, uint64_t seen, uint64_t wanted)
{
	all++;
	say(seen == wanted ? "ok " : "not ok ");
	say(name);
	if (seen != wanted) {
		bad++;
		say(": ");
		say_number(seen);
		say(", and ");
		say_number(wanted);
		say(" is right");
	}
	say("\n");
}

void finish(void)
{
	say_number(all);
	say(" checks, ");
	say_number(bad);
	say(" bad\n");
	for (;;)
		out8(EXIT_PORT, bad || !all);
}

void set_up_interrupts(void)
{
	for (unsigned vector = 0; vector < 256; vector++) {
		uint64_t at = (uint64_t)guest_stubs + vector * STUB_LEN;
		uint64_t *gate = (uint64_t *)(guest_idt + vector * 16);

		gate[0] = (at & 0xffff) | 8ull << 16 | 0x8e00ull << 32 | (at >> 16 & 0xffff) << 48;
		gate[1] = at >> 32;
	}
	__asm__ volatile("lidt guest_idt_pointer");
}

void wait_ms(unsigned ms)
{
	for (unsigned i = 0; i < ms * 100; i++)
		in8(SERIAL_STATUS); /* some microseconds each */
}

static void send_start(uint32_t destination, uint32_t shorthand)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	for (uint32_t i = 0; trampoline + i < trampoline_end; i++)
		*(volatile uint8_t *)(uintptr_t)(TRAMPOLINE + i) = trampoline[i];
	apic[APIC_SPURIOUS / 4] = 0x1ff;
	apic[APIC_ICR_HIGH / 4] = destination << 24;
	apic[APIC_ICR / 4] = shorthand | 0x4500; /* INIT */
	wait_ms(20);                             /* SDM volume 3, Typical BSP Initialization Sequence: 10 */
	apic[APIC_ICR_HIGH / 4] = destination << 24;
	apic[APIC_ICR / 4] = shorthand | 0x4600 | TRAMPOLINE >> 12;
	wait_ms(1);
}

void start_others(void)
{
	guest_others = 0;
	send_start(0, 0xc0000); /* all but this one */
}

void start_other(uint32_t apic_id)
{
	send_start(apic_id, 0);
}

bool wait_for(const volatile uint32_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (*at == value)
			return true;
		wait_ms(1);
	}
	return false;
}

bool wait_for_least(const volatile uint32_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (*at >= value)
			return true;
		wait_ms(1);
	}
	return false;
}

const char *value_of(const char *line, const char *name)
{
	for (; *line; line++) {
		const char *at = line, *want = name;

		while (*want && *at == *want)
			at++, want++;
		if (!*want && *at == '=')
			return at + 1;
	}
	return 0;
}

uint64_t number_of(const char *line, const char *name)
{
	const char *at = value_of(line, name);
	uint64_t value = 0;

	for (; at && *at >= '0' && *at <= '9'; at++)
		value = value * 10 + (uint64_t)(*at - '0');
	return value;
}
