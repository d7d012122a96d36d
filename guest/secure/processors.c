/* SPDX-License-Identifier: MIT */
/* The other processors: they are started, and started again, wait in HLT, and write while VTL 1 of the first changes single pages. */
#include "secure.h"

/* One stretch of 2 MiB after the other: where the host has large pages, each is one until its first page is protected. */
#define SOAK_GPA 0x1000000ull
enum { STRETCHES = 16, SOAKED = 512, LIST = 64, CODE = PAGE / 8 - 1 };
static volatile uint32_t stretch;

static uint64_t *soaked_word(uint32_t in, uint32_t page, uint32_t word)
{
	return (uint64_t *)(SOAK_GPA + ((uint64_t)in * SOAKED + page) * PAGE) + word;
}

void touch_soaked(void)
{
	for (uint32_t i = 0; i < STRETCHES; i++)
		for (uint32_t page = 0; page < SOAKED; page++)
			*(volatile uint64_t *)soaked_word(i, page, 0) = 0;
}

static volatile uint64_t written[LIST]; /* by each processor */
static volatile uint32_t others_begun, others_ended;
static volatile bool staying; /* they wait, and do not go to sleep */

/* An access that VTL 1 of another processor forbids is #GP on one that has no VTL 1; it is made again until it is allowed. The last of them may be
 * on its way when the soak is told to end, so they are expected until all processors have. */
static volatile bool soaking, refused;
static volatile uint64_t refusals;

bool is_refusal(const struct guest_frame *frame)
{
	if (!refused || frame->vector != PROTECTION)
		return false;
	__atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
	return true;
}

static uint32_t random_of(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Each processor has a word of its own in every page. Where execution can be forbidden the last word is code. */
void guest_other(uint32_t number)
{
	uint32_t seed = number;
	uint64_t count = 0;

	__atomic_fetch_add(&others_begun, 1, __ATOMIC_SEQ_CST);
	while (staying)
		__asm__ volatile("pause");
	for (; soaking; count++) {
		__asm__ volatile("incq %0" : "+m"(*(volatile uint64_t *)soaked_word(stretch, random_of(&seed) % SOAKED, number % CODE)));
		if (has_execute)
			__asm__ volatile("call *%0" : : "r"(soaked_word(stretch, random_of(&seed) % SOAKED, CODE)) : "memory");
	}
	written[number % LIST] = count;
	__atomic_fetch_add(&others_ended, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("hlt");
}

/* ---- processors that are started again ---- */

/* INIT and a startup IPI to all others: to those that wait for that, that run, and that are in HLT. They have no level that would keep it from them. */
void look_at_starting(uint32_t others)
{
	staying = true;
	start_others();
	check("other processors: run", wait_for(&others_begun, others), 1);
	start_others();
	check("other processors: started again they run from the beginning", wait_for(&others_begun, 2 * others), 1);
	staying = false;
	check("other processors: go on to HLT", wait_for(&others_ended, others), 1);
	start_others();
	check("other processors: started again from there they run too", wait_for(&others_begun, 3 * others), 1);
	check("other processors: come to their end", wait_for(&others_ended, 2 * others), 1);
	others_begun = others_ended = 0;
}

/* ---- waiting ---- */

static volatile bool waiting;

bool ends_waiting(const struct guest_frame *frame)
{
	bool ends = waiting && frame->vector >= 32;

	if (ends)
		waiting = false;
	return ends;
}

void wait_in_hlt(uint64_t ms, uint32_t others)
{
	enum { VECTOR_WAKE = 0x61, DIRECT = 1 << 12, AUTO_ENABLE = 8, MS = 10000 };
	uint64_t end = rdmsr(GABI_HV_MSR_TIME_REF_COUNT) + ms * MS;

	start_others();
	check("waiting: the other processors wait", wait_for(&others_ended, others), 1);
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	waiting = true;
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, AUTO_ENABLE | DIRECT | VECTOR_WAKE << 4);
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, end);
	while (waiting)
		__asm__ volatile("sti; hlt; cli");
	check("waiting: its timer ends it", rdmsr(GABI_HV_MSR_TIME_REF_COUNT) >= end, 1);
}

/* ---- many changes, with other processors writing all the time ---- */

static uint32_t soak_seed = 1;

/* What may not be executed is made code that nobody may come to, from the moment on that the call has returned. */
static void mark_code(const uint64_t *gfn, uint8_t code)
{
	for (unsigned i = 0; code && i < LIST; i++)
		*(volatile uint8_t *)(gfn[i] * PAGE + CODE * 8) = code;
}

/* Single pages in no order, so that no two make one run. */
static uint64_t change_some(void)
{
	static const unsigned all[] = { NONE, READ, EVERYTHING, DATA, DATA & ~GABI_HV_WRITE };
	unsigned rights = all[random_of(&soak_seed) % (has_execute ? 5 : 3)];
	uint64_t *gfn = level[1].in + 2, status;

	for (unsigned i = 0; i < LIST; i++)
		gfn[i] = (uint64_t)soaked_word(stretch, (random_of(&soak_seed) % (SOAKED / LIST)) * LIST + i, 0) / PAGE;
	mark_code(gfn, rights & GABI_HV_KERNEL_EXECUTE ? RET : 0);
	status = protect_listed(LIST, rights);
	mark_code(gfn, rights & GABI_HV_KERNEL_EXECUTE ? 0 : INT3);
	return status;
}

static uint64_t give_all_back(void)
{
	uint64_t status = 0;

	for (uint32_t i = 0; i < SOAKED; i++)
		*soaked_word(stretch, i, CODE) = RET;
	for (unsigned i = 0; i < SOAKED; i += LIST)
		status |= protect(soaked_word(stretch, i, 0), LIST, EVERYTHING);
	return status;
}

void look_at_many_changes(uint64_t changes, uint32_t others)
{
	uint64_t status = 0, sum = 0, wanted = 0;

	for (uint32_t page = 0; page < STRETCHES * SOAKED; page++)
		*soaked_word(0, page, CODE) = RET;
	soaking = refused = true;
	start_others();
	check("soak: the other processors run", wait_for(&others_begun, others), 1);
	for (uint32_t i = 0; i < STRETCHES; i++) {
		stretch = i;
		for (uint64_t done = 0; done < changes / STRETCHES; done += LIST)
			status |= ask(change_some);
		status |= ask(give_all_back);
	}
	check("soak: all changes are taken", status, 0);
	soaking = false;
	check("soak: the other processors come to their end", wait_for(&others_ended, others), 1);
	refused = false;
	for (unsigned i = 0; i < LIST; i++)
		wanted += written[i];
	for (uint32_t page = 0; page < STRETCHES * SOAKED; page++)
		for (uint32_t i = 0; i < CODE; i++)
			sum += *soaked_word(0, page, i);
	check("soak: no write is lost, and none is made twice", sum, wanted);
	check("soak: writes were refused in between", others == 0 || refusals > 0, 1);
	say_number(refusals);
	say(" refusals of ");
	say_number(wanted);
	say(" writes\n");
}
