/* SPDX-License-Identifier: MIT */
/*
 * A guest that uses trust levels as a secure kernel does: it enables VTL 1, calls it, and keeps memory from itself. Its command line:
 * "costs=1" to say what the switches cost, "xcr0=1" where KVM sees XSETBV, which QEMU's emulated SVM lets pass by; "execute=1" under a shim;
 * "cpus=4 soak=300000": with so many changes of single pages while the other processors write, which takes 48 MiB; "travel=1": it keeps a secret, and looks
 * after it until a 'q' comes in, wherever it is moved meanwhile; "cpus=4 idle=2000": all processors wait in HLT for so many milliseconds.
 */
#include "secure.h"

bool has_execute;

/* ---- exceptions ---- */

volatile uint64_t faults;
static volatile unsigned fault_bytes; /* 0: none is expected */

void expect_faults(unsigned bytes)
{
	faults = 0;
	fault_bytes = bytes;
}

void expect_no_faults(void)
{
	fault_bytes = 0;
}

static bool is_expected(struct guest_frame *frame)
{
	enum { BYTES_OF_UNDEFINED = 3 }; /* VMMCALL, VMRUN, VMCALL, VMLAUNCH, VMXOFF */

	if (!fault_bytes || (frame->vector != UNDEFINED && frame->vector != PROTECTION))
		return false;
	faults++;
	frame->rip += frame->vector == UNDEFINED ? BYTES_OF_UNDEFINED : fault_bytes;
	return true;
}

void guest_interrupt(struct guest_frame *frame)
{
	if (is_refusal(frame) || is_expected(frame))
		return;
	if (frame->vector != VECTOR_INTERCEPT && !ends_waiting(frame)) {
		check("no exception", frame->vector, 256);
		check("its address", frame->rip, 0);
		finish();
	}
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* ---- the order of all ---- */

static void map_upper_half(void)
{
	uint64_t *top;

	__asm__ volatile("mov %%cr3, %0" : "=r"(top));
	top[256] = top[0];
}

static void allow_sse(void)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(cr4));
}

static void look_at_all(const char *line, uint64_t cpus)
{
	uint32_t others = (uint32_t)cpus - 1;

	if (cpus > 1)
		look_at_starting(others);
	look_at_shared_state(number_of(line, "xcr0"));
	look_at_protections();
	if (has_execute) {
		look_at_execution();
		look_for_shim();
	}
	look_at_attacks();
	look_at_what_is_not_there();
	if (number_of(line, "costs"))
		look_at_costs(cpus);
	if (number_of(line, "soak"))
		look_at_many_changes(number_of(line, "soak"), others);
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];
	uint64_t cpus = number_of(line, "cpus");

	(void)magic;
	map_upper_half();
	set_up_interrupts();
	allow_sse();
	has_execute = number_of(line, "execute");
	if (number_of(line, "soak"))
		touch_soaked();
	look_at_levels();
	if (number_of(line, "travel"))
		travel();
	else if (number_of(line, "idle"))
		wait_in_hlt(number_of(line, "idle"), (uint32_t)cpus - 1);
	else
		look_at_all(line, cpus);
	finish();
}
