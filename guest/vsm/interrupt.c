/* SPDX-License-Identifier: MIT */
/* Interrupts within levels, into them and over them. */
#include "vsm.h"

enum {
	VECTOR0 = 0x70, VECTOR1 = 0x71, VECTOR_VINA = 0x72, DIRECT = 1 << 12, AUTO_ENABLE = 8, MS = 10000,
	APIC_LVT_TIMER = 0x320, APIC_COUNT = 0x380, APIC_DIVIDE = 0x3e0,
	VINA_ENABLED = 1 << 8,
};

static uint64_t now(void)
{
	return rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
}

/* A direct timer of the level that this runs in, so many ms from now. */
static uint64_t arm(uint64_t what)
{
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, AUTO_ENABLE | DIRECT | (what & 0xff) << 4);
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, now() + (what >> 8) * MS);
	return 0;
}

static uint64_t disarm(uint64_t argument)
{
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, 0);
	return argument;
}

/* ---- by hypercall ---- */

static const char *lower_to_higher(void)
{
	uint32_t before = seen[0].came[VECTOR1];
	unsigned status = vsm_ipi(VECTOR1, VTL1, 1);

	vsm_wait(1);
	return status && seen[0].came[VECTOR1] == before ? NULL : "it is taken";
}

static uint64_t came_in_vtl0(uint64_t argument)
{
	uint32_t before = came0[VECTOR0];
	unsigned status = vsm_ipi(VECTOR0, VTL0, 1);

	vsm_wait((unsigned)argument);
	return status << 8 | (came0[VECTOR0] - before);
}

static const char *higher_to_lower(void)
{
	uint32_t before = came0[VECTOR0];
	uint64_t result = in_vtl1(came_in_vtl0, 2);

	if (result)
		return result >> 8 ? "it is refused" : "it comes while VTL 1 runs";
	return vsm_comes(&came0[VECTOR0], before + 1) ? NULL : "it is lost";
}

static uint64_t ipi_itself(uint64_t argument)
{
	return vsm_ipi(VECTOR1, 0, argument);
}

static const char *higher_to_itself(void)
{
	uint32_t before = seen[0].came[VECTOR1], before0 = came0[VECTOR1];

	if (in_vtl1(ipi_itself, 1))
		return "it is refused";
	if (!vsm_comes(&seen[0].came[VECTOR1], before + 1))
		return "it does not come";
	return came0[VECTOR1] == before0 ? NULL : "it comes to VTL 0 too";
}

/* ---- timers of the higher level while the lower one runs ---- */

/* On a slow machine it is due before VTL 1 has returned, and comes there: then it is set later. */
static const char *timer_enters(void)
{
	for (uint64_t ms = 2; ms < 1000; ms *= 4) {
		uint32_t before = seen[0].came[VECTOR1], entries = seen[0].entries[2];

		in_vtl1(arm, ms << 8 | VECTOR1);
		if (!vsm_comes(&seen[0].came[VECTOR1], before + 1))
			return "it does not come while VTL 0 runs";
		if (seen[0].entries[2] > entries)
			return NULL;
	}
	return "the entry reason is not an interrupt";
}

static const char *state_after_interrupt(void)
{
	uint64_t a = 0x1234, b = 0x5678;
	uint32_t before = seen[0].came[VECTOR1];
	uint64_t count = 0;

	in_vtl1(arm, 3 << 8 | VECTOR1);
	/* Registers that nothing else touches, over the interrupt. */
	__asm__ volatile("1:\n\tinc %2\n\tcmp %4, %3\n\tjne 2f\n\tcmp $100000000, %2\n\tjb 1b\n2:"
			 : "+a"(a), "+c"(b), "+r"(count) : "m"(seen[0].came[VECTOR1]), "r"(before) : "cc", "memory");
	return a == 0x1234 && b == 0x5678 && seen[0].came[VECTOR1] != before ? NULL : "RAX or RCX changed, or it did not come";
}

static const char *timer_enters_from_halt(void)
{
	uint32_t before = seen[0].came[VECTOR1], own = came0[VECTOR0];

	in_vtl1(arm, 3 << 8 | VECTOR1);
	arm(20 << 8 | VECTOR0);
	while (came0[VECTOR0] == own)
		__asm__ volatile("hlt");
	disarm(0);
	return seen[0].came[VECTOR1] == before + 1 ? NULL : "it does not come while VTL 0 waits";
}

static uint64_t arm_apic(uint64_t count)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	apic[APIC_DIVIDE / 4] = 0xb; /* by 1 */
	apic[APIC_LVT_TIMER / 4] = VECTOR1;
	apic[APIC_COUNT / 4] = (uint32_t)count;
	return 0;
}

static const char *apic_timer_enters(void)
{
	uint32_t before = seen[0].came[VECTOR1];

	in_vtl1(arm_apic, 3000000);
	return vsm_comes(&seen[0].came[VECTOR1], before + 1) ? NULL : "it does not come while VTL 0 runs";
}

static uint64_t set_cr8(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(value));
	return 0;
}

static const char *priority_blocks(void)
{
	uint32_t before = seen[0].came[VECTOR1], entries = seen[0].entries[2];

	in_vtl1(set_cr8, 15);
	in_vtl1(arm, 1 << 8 | VECTOR1);
	vsm_wait(5);
	if (seen[0].came[VECTOR1] != before || seen[0].entries[2] != entries) {
		in_vtl1(set_cr8, 0);
		return "VTL 1 is entered";
	}
	in_vtl1(set_cr8, 0);
	return vsm_comes(&seen[0].came[VECTOR1], before + 1) ? NULL : "it is lost";
}

static uint64_t pend_itself(uint64_t argument)
{
	(void)argument;
	return vsm_ipi(VECTOR1, 0, 1);
}

/* VTL 1 returns with an interrupt pending and IF clear: it is entered anew. Its loop takes what is pending before it returns, so
 * this one is sent in between. */
static const char *pending_on_return(void)
{
	uint32_t before = seen[0].came[VECTOR1];

	in_vtl1(pend_itself, 0);
	return vsm_comes(&seen[0].came[VECTOR1], before + 1) ? NULL : "it is lost";
}

/* ---- interrupts of the lower level while the higher one runs ---- */

static uint64_t wait_in1(uint64_t ms)
{
	uint32_t before = came0[VECTOR0];

	vsm_wait((unsigned)ms);
	return came0[VECTOR0] - before;
}

static const char *lower_waits(void)
{
	uint32_t before = came0[VECTOR0];

	arm(2 << 8 | VECTOR0);
	if (in_vtl1(wait_in1, 6))
		return "it comes while VTL 1 runs";
	return vsm_comes(&came0[VECTOR0], before + 1) ? NULL : "it is lost";
}

/* Lets interrupts into VTL 1 until so many notifications have come, or for so many ms. */
static void let_in(uint32_t count, unsigned ms)
{
	uint64_t end = now() + ms * MS;

	while (seen[0].came[VECTOR_VINA] < count && now() < end)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
}

/* Two interrupts of VTL 0's come while VTL 1 waits. What VTL 1 was told of them: VINA interrupts, and the asserted flag. Of what must
 * come a slow host may take its time; for what must not come, some ms have to do. */
static uint64_t vina(uint64_t config)
{
	uint32_t before = seen[0].came[VECTOR_VINA];
	volatile uint8_t *asserted = vsm_assist() + 12;
	uint64_t result;

	if (vsm_set(VP_SELF, 0, REG_VINA, config))
		return UINT64_MAX;
	*asserted = 0;
	vsm_ipi(VECTOR0, VTL0, 1);
	if (config & VINA_ENABLED)
		let_in(before + 1, 1000);
	let_in(UINT32_MAX, 4);
	result = (seen[0].came[VECTOR_VINA] - before) << 8 | *asserted;
	vsm_ipi(VECTOR0 + 8, VTL0, 1);
	let_in(UINT32_MAX, 4);
	result |= (uint64_t)(seen[0].came[VECTOR_VINA] - before) << 32;
	vsm_set(VP_SELF, 0, REG_VINA, 0);
	*asserted = 0;
	return result;
}

static const char *vina_tells(void)
{
	uint64_t result = in_vtl1(vina, VINA_ENABLED | VECTOR_VINA);

	if (result == UINT64_MAX)
		return "the register cannot be written";
	if ((result >> 8 & 0xff) != 1)
		return result >> 8 & 0xff ? "it comes more than once" : "it does not come";
	return result & 1 ? NULL : "VinaAsserted is not set";
}

static const char *vina_once(void)
{
	uint64_t result = in_vtl1(vina, VINA_ENABLED | VECTOR_VINA);

	return result >> 32 == 1 ? NULL : "it comes again though it is asserted";
}

static const char *vina_off(void)
{
	return in_vtl1(vina, VECTOR_VINA) >> 32 == 0 ? NULL : "it comes, though it is not enabled";
}

/* One interrupt of VTL 0's, first thing in VTL 1, and whether that was told. */
static uint64_t notified(uint64_t argument)
{
	uint32_t before = seen[0].came[VECTOR_VINA];

	(void)argument;
	*(vsm_assist() + 12) = 0;
	vsm_ipi(VECTOR0, VTL0, 1);
	let_in(before + 1, 1000);
	return seen[0].came[VECTOR_VINA] - before;
}

static uint64_t set_vina(uint64_t config)
{
	return vsm_set(VP_SELF, 0, REG_VINA, config);
}

/* VTL 0 takes the last one and comes back at once: what was pending before is not what is pending now. */
static const char *vina_each_time(void)
{
	const char *why = NULL;

	if (in_vtl1(set_vina, VINA_ENABLED | VECTOR_VINA))
		return "the register cannot be written";
	for (unsigned i = 0; i < 64 && !why; i++) {
		uint32_t before = came0[VECTOR0];

		if (in_vtl1(notified, 0) != 1)
			why = "it does not come, or comes twice";
		else if (!vsm_comes(&came0[VECTOR0], before + 1))
			why = "VTL 0's interrupt is lost";
	}
	in_vtl1(set_vina, 0);
	return why;
}

/* Entered anew VTL 1 is told anew of what still waits: VTL 0 keeps its interrupts off. */
static uint64_t told_on_entry(uint64_t argument)
{
	uint32_t before = seen[0].came[VECTOR_VINA];

	if (argument)
		vsm_ipi(VECTOR0, VTL0, 1);
	let_in(before + 1, 1000);
	return seen[0].came[VECTOR_VINA] - before;
}

static const char *vina_auto_reset(void)
{
	enum { AUTO_RESET = 1 << 9 };
	uint32_t before = came0[VECTOR0];
	uint64_t first, second;

	if (in_vtl1(set_vina, VINA_ENABLED | AUTO_RESET | VECTOR_VINA))
		return "the register cannot be written";
	__asm__ volatile("cli");
	first = in_vtl1(told_on_entry, 1);
	second = in_vtl1(told_on_entry, 0);
	__asm__ volatile("sti");
	in_vtl1(set_vina, 0);
	if (first != 1 || second != 1)
		return first == 1 ? "it is not told again on the next entry" : "it does not come";
	return vsm_comes(&came0[VECTOR0], before + 1) ? NULL : "VTL 0's interrupt is lost";
}

/* One that gets no EOI: it is not in service afterwards, and interrupts of the lowest class still come. */
static uint64_t notified_without_eoi(uint64_t vector)
{
	enum { ISR = 0x100, LOW = 0x30 };
	uint32_t before = seen[0].came[LOW];
	uint64_t bad;

	vsm_ends_by_itself = (uint8_t)vector;
	bad = notified(0) == 1 ? 0 : 1;
	vsm_ends_by_itself = 0;
	bad |= mmio(APIC_GPA)[(ISR + vector / 32 * 16) / 4] >> vector % 32 & 1 ? 2 : 0;
	vsm_ipi(LOW, 0, 1);
	__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	bad |= seen[0].came[LOW] == before + 1 ? 0 : 4;
	if (bad & 2)
		mmio(APIC_GPA)[APIC_EOI / 4] = 0;
	return bad;
}

static const char *vina_auto_eoi(void)
{
	enum { AUTO_EOI = 1 << 10 };
	uint64_t bad = 0;

	if (in_vtl1(set_vina, VINA_ENABLED | AUTO_EOI | VECTOR_VINA))
		return "the register cannot be written";
	for (unsigned i = 0; i < 2 && !bad; i++) {
		uint32_t before = came0[VECTOR0];

		bad = in_vtl1(notified_without_eoi, VECTOR_VINA);
		if (!vsm_comes(&came0[VECTOR0], before + 1))
			bad |= 8;
	}
	in_vtl1(set_vina, 0);
	if (bad & 8)
		return "VTL 0's interrupt is lost";
	return bad & 2 ? "it stays in service" : bad & 1 ? "it does not come, or comes twice" : bad ? "others do not come after it" : NULL;
}

static uint64_t vina_below_16(uint64_t vector)
{
	enum { IRR = 0x200 };
	uint64_t result;

	if (set_vina(VINA_ENABLED | vector))
		return 0; /* that is well, too */
	*(vsm_assist() + 12) = 0;
	vsm_ipi(VECTOR0, VTL0, 1);
	let_in(UINT32_MAX, 4);
	result = (*(vsm_assist() + 12) & 1 ? 0 : 1) | (uint64_t)mmio(APIC_GPA)[IRR / 4] << 1;
	*(vsm_assist() + 12) = 0;
	set_vina(0);
	return result;
}

static const char *no_vector(void)
{
	uint32_t before = came0[VECTOR0];
	uint64_t result = in_vtl1(vina_below_16, 15);

	if (result)
		return result & 1 ? "VinaAsserted is not set" : "the local APIC keeps it";
	return vsm_comes(&came0[VECTOR0], before + 1) ? NULL : "VTL 0's interrupt is lost";
}

/* ---- NMIs ---- */

static uint64_t send_nmi(uint64_t apic_id)
{
	enum { DELIVER_NMI = 0x4400 };

	mmio(APIC_GPA)[APIC_ICR_HIGH / 4] = (uint32_t)apic_id << 24;
	mmio(APIC_GPA)[APIC_ICR / 4] = DELIVER_NMI;
	return 0;
}

static uint64_t nmis_while_sent(uint64_t argument)
{
	uint32_t before0 = came0[NMI], before1 = seen[0].came[NMI];
	uint64_t result;

	(void)argument;
	begin_on_vp(1, send_nmi, 0);
	if (!has_ended_on_vp(1, &result))
		return 1 << 16;
	vsm_wait(3);
	return (seen[0].came[NMI] - before1) << 8 | (came0[NMI] - before0);
}

static const char *nmi_of_vtl0(void)
{
	uint32_t before = came0[NMI];
	uint64_t result;

	if (vsm_used < 2)
		return SKIP("it takes two processors, and a third for a hypercall");
	result = in_vtl1(nmis_while_sent, 0);
	if (result)
		return result >> 8 ? "VTL 1 takes it" : "VTL 0 is run for it";
	return vsm_comes(&came0[NMI], before + 1) ? NULL : "it is lost";
}

static const char *nmi_of_vtl1(void)
{
	uint32_t before = seen[0].came[NMI], before0 = came0[NMI];

	in_vtl1(send_nmi, 0);
	if (!vsm_comes(&seen[0].came[NMI], before + 1))
		return "it does not come";
	return came0[NMI] == before0 ? NULL : "it comes to VTL 0 too";
}

/* ---- the SynIC ---- */

static uint64_t message_timer(uint64_t sint)
{
	wrmsr(GABI_HV_MSR_SINT0 + (uint32_t)sint, VECTOR1);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, AUTO_ENABLE | sint << 16);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, now() + 2 * MS);
	return 0;
}

static uint64_t type_of(uint64_t slot)
{
	return *(volatile uint32_t *)slot;
}

static const char *message_to_higher(void)
{
	uint32_t before = seen[0].came[VECTOR1];
	volatile uint32_t *slot = (volatile uint32_t *)(vsm_messages(1, 0) + 3 * 256);

	in_vtl1(message_timer, 3);
	if (!vsm_comes(&seen[0].came[VECTOR1], before + 1))
		return "its interrupt does not come";
	if (slot[0])
		return "it is in VTL 0's memory below that page";
	return in_vtl1(type_of, (uint64_t)slot) == 0x80000010 ? NULL : "it is not in VTL 1's page";
}

static uint64_t slot_of(uint64_t sint)
{
	return (uint64_t)(vsm_messages(1, 0) + sint * 256);
}

/* In VTL 1: of two messages for one source the second waits for the slot, and for EOM. */
static uint64_t two_messages(uint64_t sint)
{
	volatile uint32_t *slot = (volatile uint32_t *)slot_of(sint);
	uint32_t before = seen[0].came[VECTOR1];
	uint64_t end, result;

	wrmsr(GABI_HV_MSR_EOM, 0);
	slot[0] = 0;
	wrmsr(GABI_HV_MSR_SINT0 + (uint32_t)sint, VECTOR1);
	for (uint32_t timer = 1; timer < 3; timer++) {
		wrmsr(GABI_HV_MSR_STIMER0_CONFIG + 2 * timer, AUTO_ENABLE | sint << 16);
		wrmsr(GABI_HV_MSR_STIMER0_COUNT + 2 * timer, now() + 1);
	}
	/* MessagePending; and the first one's interrupt is taken, or the local APIC would make one of both: a slow machine may have no time left for it below. */
	for (end = now() + 1000 * MS; (!(slot[1] >> 8 & 1) || seen[0].came[VECTOR1] == before) && now() < end;)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	if (!(slot[1] >> 8 & 1))
		return 1;
	slot[0] = 0;
	let_in(UINT32_MAX, 2);
	if (slot[0])
		return 2;
	wrmsr(GABI_HV_MSR_EOM, 0);
	for (end = now() + 1000 * MS; (!slot[0] || seen[0].came[VECTOR1] < before + 2) && now() < end;)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	result = slot[0] == 0x80000010 && seen[0].came[VECTOR1] == before + 2 ? 0 : 3;
	slot[0] = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	return result;
}

static const char *second_message(void)
{
	static const char *const why[] = {
		NULL, "MessagePending is not set", "the second comes without EOM", "it does not come after EOM, or its interrupt does not",
	};

	return why[in_vtl1(two_messages, 3)];
}

#define MANAGES "vsm, VTL Interrupt Management"
#define MASKS   "vsm, Interrupt Masking and VTL Switches"
#define ASSISTS "vsm, Virtual Interrupt Notification Assist"

const struct vsm_case vsm_interrupt_cases[] = {
	{ MANAGES, "a lower VTL sends none to a higher one", lower_to_higher, NULL, 0 },
	{ MANAGES, "one for a lower VTL waits until that VTL is entered", higher_to_lower, NULL, 0 },
	{ MANAGES, "a higher VTL sends to itself, and VTL 0 has none of it", higher_to_itself, NULL, 0 },
	{ MASKS, "a synthetic timer of VTL 1 enters it, whatever RFLAGS.IF was", timer_enters, NULL, 0 },
	{ "vsm, Fast Return", "the interrupted VTL finds its registers as they were", state_after_interrupt, NULL, 0 },
	{ MANAGES, "a synthetic timer of VTL 1 enters it while VTL 0 halts", timer_enters_from_halt, NULL, 0 },
	{ MANAGES, "the local APIC's timer of VTL 1 enters it", apic_timer_enters, NULL, 0 },
	{ MASKS, "VTL 1's task priority holds the entry back, and nothing is lost", priority_blocks, NULL, 0 },
	{ MASKS, "what is pending on a return comes", pending_on_return, NULL, 0 },
	{ MANAGES, "a timer of VTL 0 waits while VTL 1 runs", lower_waits, NULL, 0 },
	{ ASSISTS, "one for a lower VTL is told, and asserted", vina_tells, NULL, 0 },
	{ ASSISTS, "while it is asserted no other is told", vina_once, NULL, 0 },
	{ ASSISTS, "none is told where it is not enabled", vina_off, NULL, 0 },
	{ ASSISTS, "each new one is told, once the flag is cleared", vina_each_time, NULL, 0 },
	{ ASSISTS, "with auto-EOI it needs none, and leaves nothing in service", vina_auto_eoi, NULL, 0 },
	{ ASSISTS, "with auto-reset the next entry clears the flag, and what waits is told again", vina_auto_reset, NULL, 0 },
	{ ASSISTS, "a vector below 16 is none: the flag is set alone", no_vector, NULL, 0 },
	{ MANAGES, "an NMI for VTL 0 waits while VTL 1 runs", nmi_of_vtl0, NULL, 0 },
	{ MANAGES, "an NMI of VTL 1's is VTL 1's", nmi_of_vtl1, NULL, 0 },
	{ "inter-partition-communication, EOM Register", "a second message for VTL 1 waits for the slot and for EOM", second_message, NULL, 0 },
	{ "vsm, Private State", "a message for VTL 1 lies in VTL 1's page", message_to_higher, NULL, 0 },
	{ 0 },
};
