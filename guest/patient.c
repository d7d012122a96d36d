/* SPDX-License-Identifier: MIT */
/*
 * A guest that goes on until it is ended from outside: it leaves for the monitor in every way, again and again, and says "tick" now
 * and then. All its processors do. It says what non-maskable interrupts it gets.
 */
#include "bare.h"

enum { ECHO = 0xe0, NMI = 2, ROUNDS = 2000 };

#define ECHO_GPA 0xff000000u

static volatile uint32_t nmis;

void guest_interrupt(struct guest_frame *frame)
{
	if (frame->vector == NMI)
		__atomic_fetch_add(&nmis, 1, __ATOMIC_SEQ_CST);
}

static void leave(void)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		out32(ECHO, i);
		mmio(ECHO_GPA)[0] = i;
	}
}

void guest_other(uint32_t number)
{
	(void)number;
	for (;;)
		leave();
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	uint32_t told = 0;

	(void)magic, (void)info;
	set_up_interrupts();
	start_others();
	say("patient\n");
	for (;;) {
		leave();
		say("tick\n");
		while (told < nmis) {
			told++;
			say("nmi\n");
		}
	}
}
