/* SPDX-License-Identifier: MIT */
/*
 * A guest that works on while it is saved, restored and moved, and must not notice: its memory, its clocks, its ABI, its devices and
 * its interrupts. It speaks after so many turns, and ends when a 'q' comes in. The command line: "cpus=2 pages=1024 every=4096",
 * "hyperv=1" where Hyper-V's interface is there, and "deadline=1" for a local APIC's timer that is due when the TSC has come so far, of
 * a guest that seems to be old.
 */
#include "unchanged.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>

enum {
	SERIAL = 0x3f8, SERIAL_STATUS = 0x3fd, SERIAL_FULL = 1, ECHO = 0xe0, LINES = 0x2000, LINE = 20, HELD = 21, MASKED = 1 << 16, BY_LEVEL = 1 << 15,
	VECTOR_LINE = 0x40, VECTOR_TICK = 0x41, VECTOR_DIRECT = 0x42,
	APIC_TIMER = 0x320, APIC_TIMER_COUNT = 0x380, APIC_TIMER_DIVIDE = 0x3e0, PERIODIC = 1 << 17, TICK = 1000000,
	PAGE = 4096, PAGES_MAX = 1 << 18, WORDS = PAGE / 8, FAST = 1 << 16,
	STRIDE = 13, MSR_TSC = 0x10, MSR_DEADLINE = 0x6e0, BY_DEADLINE = 1 << 18,
};

#define POOL_GPA   0x1000000ull /* the pages that are worked on */
#define ECHO_VALUE 0x5a17c0deu
#define OLD        (1ull << 42) /* cycles: what is late by that does not come at all, to all that look for it */

static uint16_t written[PAGES_MAX]; /* how often, of each page */
static volatile uint32_t ticks, directs, line_interrupts, others, stops, stopped;
static uint32_t cpus, pages, every;
static bool hyperv, deadline;
static uint8_t hypercall_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));

/* Only what is wrong is said; it is the end, of all. */
static void must(const char *name, uint64_t seen, uint64_t wanted)
{
	if (!unchanged_is(name, seen, wanted))
		finish();
}

static void set_deadline(void)
{
	wrmsr(MSR_DEADLINE, unchanged_now() + TICK * 10);
}

static void tick(void)
{
	ticks++;
	if (deadline)
		set_deadline();
}

void guest_interrupt(struct guest_frame *frame)
{
	if (frame->vector == VECTOR_TICK)
		tick();
	else if (frame->vector == VECTOR_LINE)
		line_interrupts++;
	else if (frame->vector == VECTOR_DIRECT)
		directs++;
	else
		must("no exception", frame->vector, 256);
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* ---- memory ---- */

static uint64_t pattern(uint32_t page, uint32_t times, uint32_t word)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull ^ (uint64_t)times << 32 ^ word * 0xff51afd7ed558ccdull;
}

static volatile uint64_t *page_at(uint32_t page)
{
	return (volatile uint64_t *)(POOL_GPA + (uint64_t)page * PAGE);
}

/* A page that was never written is clear. */
static void look_at_page(uint32_t page)
{
	for (uint32_t word = page % 7; word < WORDS; word += STRIDE)
		must("memory: a page is as it was written", page_at(page)[word], written[page] ? pattern(page, written[page], word) : 0);
}

static void write_page(uint32_t page)
{
	written[page]++;
	for (uint32_t word = page % 7; word < WORDS; word += STRIDE)
		page_at(page)[word] = written[page] ? pattern(page, written[page], word) : 0;
}

/* Each processor has every cpus-th page. */
static uint32_t next_page(uint32_t number, uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % (pages / cpus) * cpus + number;
}

static void work(uint32_t number, uint64_t *seed)
{
	uint32_t page = next_page(number, seed);

	look_at_page(page);
	write_page(page);
}

/* ---- clocks and ABI ---- */

static void look_at_tsc(uint64_t *before)
{
	if (!unchanged_tsc(before))
		finish();
}

static void look_at_pm_timer(void)
{
	static uint32_t before;

	if (!unchanged_pm_timer(&before))
		finish();
}

static void look_at_reference(void)
{
	static uint64_t before;

	if (!unchanged_reference(&before, tsc_page))
		finish();
}

static void look_at_abi(void)
{
	static struct unchanged_abi abi;

	if (!unchanged_abi(&abi))
		finish();
}

/* ---- registers that KVM lists as no state ---- */

/* MTRRs that are not switched on, and banks of machine checks, as firmware and kernels leave them. */
static const struct {
	uint32_t msr;
	uint64_t value;
} kept[] = {
	{ 0x200, 0x80000000 }, { 0x201, 0x80000800 }, { 0x250, 0x0606060606060606 }, { 0x26f, 0x0505050505050505 }, { 0x2ff, 6 }, { 0x400, ~0ull },
	{ 0x404, ~0ull },
};

static void set_kept(void)
{
	for (uint32_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		wrmsr(kept[i].msr, kept[i].value);
}

static void look_at_kept(void)
{
	for (uint32_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		must("MTRRs and machine checks: are as they were set", rdmsr(kept[i].msr), kept[i].value);
}

/* ---- devices and interrupts ---- */

static void set_up_timer(volatile uint32_t *apic)
{
	if (deadline) {
		wrmsr(MSR_TSC, OLD);
		apic[APIC_TIMER / 4] = BY_DEADLINE | VECTOR_TICK;
		__asm__ volatile("mfence" ::: "memory");
		set_deadline();
		return;
	}
	apic[APIC_TIMER_DIVIDE / 4] = 11; /* by 1 */
	apic[APIC_TIMER / 4] = PERIODIC | VECTOR_TICK;
	apic[APIC_TIMER_COUNT / 4] = TICK * 10;
}

static void route(uint32_t line, uint32_t how)
{
	volatile uint32_t *ioapic = mmio(0xfec00000u);

	ioapic[0] = 0x10 + 2 * line + 1;
	ioapic[4] = 0;
	ioapic[0] = 0x10 + 2 * line;
	ioapic[4] = VECTOR_LINE | how;
}

static void set_up(void)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	set_up_interrupts();
	apic[APIC_SPURIOUS / 4] = 0x1ff;
	set_up_timer(apic);
	set_kept();
	route(LINE, 0);
	route(HELD, BY_LEVEL | MASKED);
	out8(LINES + HELD, 1);
	out32(ECHO, ECHO_VALUE);
	__asm__ volatile("sti");
}

static uint64_t hypercall(uint64_t control, uint64_t in)
{
	register uint64_t r8 __asm__("r8") = 0;
	uint64_t status;

	__asm__ volatile("call *%[page]" : "=a"(status), "+c"(control), "+d"(in), "+r"(r8) : [page] "r"(hypercall_page)
			 : "r9", "r10", "r11", "cc", "memory");
	return status & 0xffff;
}

static void set_up_hyperv(void)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)hypercall_page | 1);
	wrmsr(GABI_HV_MSR_REFERENCE_TSC, (uint64_t)tsc_page | 1);
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 8 | 2 | 1 << 12 | VECTOR_DIRECT << 4);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, 100000); /* 10 ms */
}

static void look_at_hyperv(void)
{
	must("hypercall: goes through the page", hypercall(GABI_HV_CALL_NotifyLongSpinWait | FAST, 1), 0);
	look_at_reference();
}

/* What is still as it was set up, and still comes. */
static void look_at_all(void)
{
	uint32_t had = line_interrupts;

	for (uint32_t page = 0; page < pages; page++)
		look_at_page(page);
	check("memory: every page is as it was written", 1, 1);
	look_at_kept();
	check("test device: holds its value", in32(ECHO), ECHO_VALUE);
	check("local APIC: its timer goes on", wait_for_least(&ticks, ticks + 3), 1);
	out8(LINES + LINE, 1);
	out8(LINES + LINE, 0);
	check("I/O APIC: a line's interrupt comes", wait_for(&line_interrupts, had + 1), 1);
	out8(LINES + HELD, 0);
	route(HELD, BY_LEVEL);
	wait_ms(5);
	check("I/O APIC: a line that was high is low when its device says so", line_interrupts, had + 1);
	if (!hyperv)
		return;
	check("STIMER1: goes on", wait_for_least(&directs, directs + 3), 1);
	check("GUEST_OS_ID: is kept", rdmsr(GABI_HV_MSR_GUEST_OS_ID), 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, 0);
	check("hypercall page: the RAM is there again", hypercall_page[0], 0);
}

/* ---- processors ---- */

void guest_other(uint32_t number)
{
	uint64_t seed = number, clock = 0;

	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
	while (!stops) {
		work(number, &seed);
		look_at_tsc(&clock);
	}
	__atomic_fetch_add(&stopped, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static bool is_told_to_end(void)
{
	return in8(SERIAL_STATUS) & SERIAL_FULL && in8(SERIAL) == 'q';
}

static void turn(uint64_t *seed, uint64_t *clock)
{
	work(0, seed);
	look_at_tsc(clock);
	look_at_pm_timer();
	must("test device: holds its value", in32(ECHO), ECHO_VALUE);
	if (hyperv)
		look_at_hyperv();
}

static void work_on(void)
{
	uint64_t seed = 0, clock = 0;

	for (uint64_t turns = 1; !is_told_to_end(); turns++) {
		turn(&seed, &clock);
		if (turns % 64 == 0) {
			look_at_abi();
			look_at_kept();
		}
		if (turns % every)
			continue;
		say("turn ");
		say_number(turns);
		say("\n");
	}
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];

	(void)magic;
	cpus = (uint32_t)number_of(line, "cpus");
	pages = (uint32_t)number_of(line, "pages");
	every = (uint32_t)number_of(line, "every");
	hyperv = number_of(line, "hyperv");
	deadline = number_of(line, "deadline");
	set_up();
	if (hyperv)
		set_up_hyperv();
	start_others();
	check("all others run", wait_for(&others, cpus - 1), 1);
	work_on();
	stops = 1;
	check("all others stop", wait_for(&stopped, cpus - 1), 1);
	look_at_all();
	finish();
}
