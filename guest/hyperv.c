/* SPDX-License-Identifier: MIT */
/*
 * A guest that uses Hyper-V's interface as Linux and Windows do, and says what does not go as the TLFS says. Every case is named by
 * what it looks at. The command line says how many processors there are, and whether the KVM below carries out flushes: "cpus=2 flush=1".
 */
#include "bare.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>

enum {
	LEAF = 0x40000000, VECTOR_MESSAGE = 0x50, VECTOR_DIRECT = 0x51, VECTOR_IPI = 0x52, STIMER_PERIOD_US = 1000,
	FAST = 1 << 16,
	PAGE = 4096,
};

static uint8_t hypercall_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t message_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));
static uint64_t input[PAGE / 8] __attribute__((aligned(4096)));
static uint8_t first_page[PAGE] __attribute__((aligned(4096)));
static uint8_t second_page[PAGE] __attribute__((aligned(4096)));
static volatile uint32_t messages, directs, ipis, others, faults;
static volatile uint32_t reader_ends, reader_saw;

static uint64_t hypercall(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t status;

	__asm__ volatile("call *%[page]" : "=a"(status), "+c"(control), "+d"(in), "+r"(r8) : [page] "r"(hypercall_page)
			 : "r9", "r10", "r11", "cc", "memory");
	return status & 0xffff;
}

/* A refused RDMSR or WRMSR of two bytes is passed over; all else is an end. */
void guest_interrupt(struct guest_frame *frame)
{
	switch (frame->vector) {
	case 13:
		faults++;
		frame->rip += 2;
		return;
	case VECTOR_MESSAGE:
		messages++;
		break;
	case VECTOR_DIRECT:
		directs++;
		break;
	case VECTOR_IPI:
		__atomic_fetch_add(&ipis, 1, __ATOMIC_SEQ_CST);
		break;
	default:
		check("no exception", frame->vector, 256);
		finish();
	}
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* ---- another processor ---- */

#define WINDOW 0x40000000ull /* mapped by the first processor, above all RAM that this guest has */

/* Reads through a mapping all the time: where the first processor has changed it and flushed it, a stale entry shows. */
void guest_other(uint32_t number)
{
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	__atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
	while (number == 1 && !reader_ends)
		reader_saw = *(volatile uint8_t *)WINDOW;
	for (;;)
		__asm__ volatile("hlt");
}

static uint64_t *entry_of(uint64_t gva)
{
	uint64_t cr3, *table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)(cr3 & ~0xfffull);
	for (unsigned shift = 39; shift > 21; shift -= 9)
		table = (uint64_t *)(table[gva >> shift & 511] & ~0xfffull);
	return &table[gva >> 21 & 511];
}

static uint64_t window_table[512] __attribute__((aligned(4096)));

static void map_window(const uint8_t *page)
{
	window_table[0] = (uint64_t)page | 3;
}

static bool wait_saw(uint8_t value)
{
	return wait_for(&reader_saw, value);
}

static void look_at_flush(uint32_t cpus)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	first_page[0] = 0x11;
	second_page[0] = 0x22;
	map_window(first_page);
	*entry_of(WINDOW) = (uint64_t)window_table | 3;
	start_others();
	check("INIT and startup IPIs: all others run", wait_for(&others, cpus - 1), 1);
	check("flush: another processor reads through the mapping", wait_saw(0x11), 1);
	map_window(second_page);
	input[0] = cr3 & ~0xfffull;
	input[1] = 0;
	input[2] = 2; /* processor 1 */
	input[3] = WINDOW;
	check("flush: the list is taken", hypercall(GABI_HV_CALL_FlushVirtualAddressList | 1ull << 32, (uint64_t)input, 0), 0);
	check("flush: it reads through the new one", wait_saw(0x22), 1);
	map_window(first_page);
	check("flush: the space is taken", hypercall(GABI_HV_CALL_FlushVirtualAddressSpace, (uint64_t)input, 0), 0);
	check("flush: it reads through the old one again", wait_saw(0x11), 1);
	reader_ends = 1;
	check("IPI: is taken", hypercall(GABI_HV_CALL_SendSyntheticClusterIpi | FAST, VECTOR_IPI, 2), 0);
	check("IPI: comes", wait_for(&ipis, 1), 1);
}

/* ---- identity and hypercalls ---- */

static void look_at_leaves(void)
{
	uint32_t regs[4];

	cpuid(LEAF, 0, regs);
	check("CPUID: the highest leaf is one of the engine's", regs[0] >= LEAF + 5, 1);
	check("CPUID: vendor", regs[1] == 0x7263694d && regs[2] == 0x666f736f && regs[3] == 0x76482074, 1);
	cpuid(LEAF + 1, 0, regs);
	check("CPUID: interface", regs[0], 0x31237648);
	cpuid(LEAF + 3, 0, regs);
	check("CPUID: privileges of a guest that keeps time by Hyper-V", regs[0] & 0x26e, 0x26e);
	check("CPUID: no trust levels", regs[1] >> 16 & 1, 0);
}

static void look_at_hypercalls(void)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)hypercall_page | 1);
	check("GUEST_OS_ID: is kept", rdmsr(GABI_HV_MSR_GUEST_OS_ID), 0x8100000000000001);
	check("HYPERCALL: is kept", rdmsr(GABI_HV_MSR_HYPERCALL), (uint64_t)hypercall_page | 1);
	check("hypercall page: lies over the RAM", hypercall_page[0] != 0, 1);
	check("hypercall: NotifyLongSpinWait", hypercall(GABI_HV_CALL_NotifyLongSpinWait | FAST, 1, 0), GABI_HV_STATUS_SUCCESS);
	check("hypercall: unknown code", hypercall(0x7777, 0, 0), GABI_HV_STATUS_INVALID_HYPERCALL_CODE);
	check("hypercall: reserved bits", hypercall(GABI_HV_CALL_NotifyLongSpinWait | FAST | 1ull << 63, 1, 0),
	      GABI_HV_STATUS_INVALID_HYPERCALL_INPUT);
	input[1] = 1; /* a message's type and its length */
	check("hypercall: post to a connection that there is not", hypercall(GABI_HV_CALL_PostMessage, (uint64_t)input, 0),
	      GABI_HV_STATUS_INVALID_CONNECTION_ID);
	check("hypercall: misplaced input", hypercall(GABI_HV_CALL_PostMessage, (uint64_t)input + 1, 0), GABI_HV_STATUS_INVALID_ALIGNMENT);
	check("VP_INDEX: of the first", rdmsr(GABI_HV_MSR_VP_INDEX), 0);
}

/* Kernels live in the upper half: from there the monitor need not ask in which mode the processor is. */
static void look_at_upper_half(void)
{
	const uintptr_t upper = 0xffffff8000000000; /* the last entry of the highest table: as the first */
	uint64_t cr3, status;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	((volatile uint64_t *)(cr3 & ~0xfffull))[511] = *(volatile uint64_t *)(cr3 & ~0xfffull);
	__asm__ volatile("call *%[page]" : "=a"(status) : [page] "r"(upper + (uintptr_t)hypercall_page),
			 "c"(GABI_HV_CALL_NotifyLongSpinWait | FAST), "d"(1ull) : "r8", "r9", "r10", "r11", "cc", "memory");
	check("upper half: NotifyLongSpinWait", status, GABI_HV_STATUS_SUCCESS);
	__asm__ volatile("call *%[page]" : "=a"(status) : [page] "r"(upper + (uintptr_t)hypercall_page),
			 "c"(0x7777ull), "d"(0ull) : "r8", "r9", "r10", "r11", "cc", "memory");
	check("upper half: unknown code", status, GABI_HV_STATUS_INVALID_HYPERCALL_CODE);
}

static void look_at_unknown(void)
{
	faults = 0;
	rdmsr(0x400000ff);
	check("MSR that there is not: reading faults", faults, 1);
	wrmsr(GABI_HV_MSR_VP_INDEX, 1);
	check("MSR that is not written: writing faults", faults, 2);
}

/* ---- time ---- */

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Ticks of the TSC in 100 ns. */
static uint64_t scaled(uint64_t ticks)
{
	uint64_t scale = *(volatile uint64_t *)(tsc_page + 8), high;

	__asm__("mulq %2" : "+a"(ticks), "=d"(high) : "r"(scale) : "cc");
	return high;
}

static uint64_t page_time(void)
{
	return scaled(rdtsc()) + *(volatile uint64_t *)(tsc_page + 16);
}

static void look_at_time(void)
{
	uint64_t before, between, after;
	bool ordered = true;

	wrmsr(GABI_HV_MSR_REFERENCE_TSC, (uint64_t)tsc_page | 1);
	check("reference TSC: is valid", *(volatile uint32_t *)tsc_page != 0, 1);
	for (unsigned i = 0; i < 100; i++) {
		before = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
		between = page_time();
		after = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
		ordered = ordered && before <= between + 1 && between <= after + 1;
	}
	check("reference TSC: runs with the reference counter", ordered, 1);
	check("TSC_FREQUENCY: is that of the page's scale", scaled(rdmsr(GABI_HV_MSR_TSC_FREQUENCY)) + 1 >= 10000000, 1);
}

static void look_at_timers(void)
{
	volatile uint32_t *message = (volatile uint32_t *)(message_page + 2 * 256);
	uint64_t start;

	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)message_page | 1);
	wrmsr(GABI_HV_MSR_SINT2, VECTOR_MESSAGE);
	start = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, 8 | 2 << 16); /* enabled once it has a count; SINT 2 */
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, start + STIMER_PERIOD_US * 10);
	check("STIMER0: one shot comes", wait_for(&messages, 1), 1);
	check("STIMER0: not before its time", rdmsr(GABI_HV_MSR_TIME_REF_COUNT) - start >= STIMER_PERIOD_US * 10, 1);
	check("STIMER0: its message's type", message[0], 0x80000010);
	check("STIMER0: its expiration time", *(volatile uint64_t *)(message + 6), start + STIMER_PERIOD_US * 10);
	check("STIMER0: is off", rdmsr(GABI_HV_MSR_STIMER0_CONFIG) & 1, 0);
	message[0] = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 8 | 2 | 1 << 12 | VECTOR_DIRECT << 4); /* periodic, by interrupt */
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, STIMER_PERIOD_US * 10);
	check("STIMER1: periodic and direct comes again and again", wait_for_least(&directs, 5), 1);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 0);
}

/* ---- all ---- */

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];

	(void)magic;
	set_up_interrupts();
	look_at_leaves();
	look_at_hypercalls();
	look_at_upper_half();
	look_at_unknown();
	look_at_time();
	look_at_timers();
	if (number_of(line, "flush"))
		look_at_flush((uint32_t)number_of(line, "cpus"));
	wrmsr(GABI_HV_MSR_HYPERCALL, 0);
	check("hypercall page: the RAM is there again", hypercall_page[0], 0);
	finish();
}
