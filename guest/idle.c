/* SPDX-License-Identifier: MIT */
/* A guest that has nothing to do: it waits from tick to tick, and writes a few pages at each, as a kernel does. */
#include "bare.h"

enum {
	PAGE = 4096, WORDS = PAGE / 8, VECTOR_TICK = 0x41, APIC_TIMER = 0x320, APIC_TIMER_COUNT = 0x380, APIC_TIMER_DIVIDE = 0x3e0,
	PERIODIC = 1 << 17, TICK_NS = 4000000, BUSY = 128 /* pages */, AT_A_TICK = 4,
};

static uint64_t busy[BUSY][WORDS] __attribute__((aligned(PAGE)));
static uint32_t ticks;

void guest_interrupt(struct guest_frame *frame)
{
	if (frame->vector == VECTOR_TICK) {
		for (unsigned i = 0; i < AT_A_TICK; i++)
			busy[(ticks * AT_A_TICK + i) % BUSY][ticks % WORDS] = ticks;
		ticks++;
	}
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	(void)magic, (void)info;
	set_up_interrupts();
	apic[APIC_SPURIOUS / 4] = 0x1ff;
	apic[APIC_TIMER_DIVIDE / 4] = 11; /* by 1: KVM's counts ns */
	apic[APIC_TIMER / 4] = PERIODIC | VECTOR_TICK;
	apic[APIC_TIMER_COUNT / 4] = TICK_NS;
	say("idle\n");
	for (;;)
		__asm__ volatile("sti; hlt");
}

void guest_other(uint32_t number)
{
	(void)number;
	for (;;)
		__asm__ volatile("cli; hlt");
}
