/* SPDX-License-Identifier: MIT */
/* A third level, where the partition may have one: who enables it, what it shares, and what it keeps from both levels below. */
#include "vsm.h"

#define MSR_LSTAR 0xc0000082u
enum { VECTOR0 = 0x78, VECTOR1 = 0x79, VECTOR2 = 0x7a, VECTOR_VINA = 0x7b, DIRECT = 1 << 12, AUTO_ENABLE = 8, MS = 10000, VINA_ENABLED = 1 << 8 };
enum { APIC_LVT_TIMER = 0x320, APIC_COUNT = 0x380, APIC_DIVIDE = 0x3e0, LSTAR_WRITE = 1 << 6, TLB_LOCKED = 2 };

static uint8_t target[PAGE] __attribute__((aligned(4096)));
static bool is_open;

/* NULL: there is a third level. */
static const char *missing(void)
{
	unsigned status;

	if ((vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status) >> 16 & 15) < 2)
		return SKIP("MaximumVtl is 1");
	return is_open ? NULL : "there is no VTL 2";
}

static uint64_t now(void)
{
	return rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
}

static uint64_t vp_status(uint64_t argument)
{
	unsigned status;

	(void)argument;
	return vsm_get(VP_SELF, 0, REG_VP_STATUS, &status);
}

/* ---- enabling ---- */

static const char *may_be(void)
{
	const char *why = missing();

	return why && *why == '\1' ? why : NULL;
}

static const char *not_by_vtl0(void)
{
	const char *why = may_be();

	return why ? why : vsm_enable_partition(PARTITION, 2, 0) == GABI_HV_STATUS_ACCESS_DENIED ? NULL : "the status is another one";
}

static uint64_t enable_partition(uint64_t vtl)
{
	unsigned status = vsm_enable_partition(PARTITION, (unsigned)vtl, 0), got;

	return status ? 0 : vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &got) & 0xffff;
}

static const char *by_vtl1(void)
{
	const char *why = may_be();

	return why ? why : in_vtl1(enable_partition, 2) == 7 ? NULL : "it is refused, or the status register does not say so";
}

static uint64_t call_further(uint64_t argument)
{
	struct vsm_regs regs = { 0 };

	(void)argument;
	vsm_up(0, &regs);
	return vsm_fault();
}

static const char *no_call_yet(void)
{
	const char *why = may_be();

	return why ? why : in_vtl1(call_further, 0) == UNDEFINED ? NULL : "there is no #UD";
}

static const char *vp_not_by_vtl0(void)
{
	const char *why = may_be();

	return why ? why : vsm_enable_vp(PARTITION, 0, 2, 0) == GABI_HV_STATUS_ACCESS_DENIED ? NULL : "the status is another one";
}

static uint64_t enable_vp(uint64_t vp)
{
	return vsm_enable_vp(PARTITION, (uint32_t)vp, 2, 0);
}

static const char *vp_by_vtl1(void)
{
	const char *why = may_be();

	if (why)
		return why;
	if (in_vtl1(enable_vp, 0))
		return "it is refused";
	return in_vtl1(vp_status, 0) == 0x70001 ? NULL : "the status register says something else";
}

/* ---- going there and back ---- */

static uint64_t where(uint64_t argument)
{
	return argument << 16 | vsm_level() << 8 | (vp_status(0) & 15);
}

/* In VTL 1: from there and back. */
static uint64_t go_on(uint64_t argument)
{
	uint64_t above = from_vtl1(where, argument);

	return above << 32 | where(argument);
}

static const char *first_call(void)
{
	const char *why = may_be();

	if (why)
		return why;
	if (in_vtl1(call_further, 0)) /* VTL 2 makes itself at home */
		return "the call faults";
	is_open = in_vtl1(go_on, 5) >> 32 == (5 << 16 | 2 << 8 | 2);
	return is_open ? NULL : "its stack or VpStatus is not that of VTL 2";
}

static const char *skips_none(void)
{
	uint32_t entries = seen2[0].entries[1];

	if (missing())
		return missing();
	return in_vtl1(where, 6) == (6 << 16 | 1 << 8 | 1) && seen2[0].entries[1] == entries ? NULL : "it goes elsewhere than to VTL 1";
}

static const char *returns_to_next(void)
{
	uint32_t entries = seen2[0].entries[1];

	if (missing())
		return missing();
	if ((uint32_t)in_vtl1(go_on, 7) != (7 << 16 | 1 << 8 | 1))
		return "it goes elsewhere than to VTL 1";
	return where(0) == 0 && seen2[0].entries[1] == entries + 1 ? NULL : "VTL 1's return does not go to VTL 0, or the entry reason is another";
}

static const char *highest(void)
{
	return missing() ? missing() : in_vtl2(call_further, 0) == UNDEFINED ? NULL : "there is no #UD";
}

static uint64_t peek(uint64_t at)
{
	return *(const volatile uint64_t *)at;
}

static const char *own_page(void)
{
	if (missing())
		return missing();
	return in_vtl1(peek, (uint64_t)vsm_code(2)) || in_vtl2(peek, (uint64_t)vsm_code(1)) ? "a page lies over another level's memory too" : NULL;
}

static uint64_t give_pattern(uint64_t argument)
{
	struct vsm_regs regs = { .rdx = argument, .rbx = argument + 1, .rsi = argument + 2, .r8 = argument + 3, .r15 = argument + 4 };
	const struct vsm_regs *got = &seen2[0].regs;

	vsm_up(0, &regs);
	return got->rdx == argument && got->rbx == argument + 1 && got->rsi == argument + 2 && got->r8 == argument + 3 && got->r15 == argument + 4;
}

static const char *shared_registers(void)
{
	return missing() ? missing() : in_vtl1(give_pattern, 0x4400) ? NULL : "VTL 2 finds another value";
}

static const char *shared_state(void)
{
	return missing() ? missing() : vsm_shared_by_three();
}

static const char *private_state(void)
{
	return missing() ? missing() : vsm_private_to_three();
}

/* ---- registers by hypercall ---- */

static unsigned last_status;

static uint64_t get_lstar(uint64_t input_vtl)
{
	return vsm_get(VP_SELF, (unsigned)input_vtl, REG_LSTAR, &last_status);
}

static uint64_t set_lstar(uint64_t input_vtl)
{
	return vsm_set(VP_SELF, (unsigned)input_vtl, REG_LSTAR, 0x7700 + input_vtl);
}

static uint64_t read_lstar(uint64_t argument)
{
	(void)argument;
	return rdmsr(MSR_LSTAR);
}

static const char *reads_both(void)
{
	if (missing())
		return missing();
	if (in_vtl2(set_lstar, VTL1) || in_vtl2(set_lstar, VTL0))
		return "a write is refused";
	if (in_vtl1(read_lstar, 0) != 0x7700 + VTL1 || rdmsr(MSR_LSTAR) != 0x7700 + VTL0)
		return "a write does nothing";
	return in_vtl2(get_lstar, VTL1) == 0x7700 + VTL1 && in_vtl2(get_lstar, VTL0) == 0x7700 + VTL0 ? NULL : "a read has another value";
}

static const char *vtl1_reads_not(void)
{
	if (missing())
		return missing();
	in_vtl1(get_lstar, VTL2);
	return last_status && in_vtl1(set_lstar, VTL2) ? NULL : "it is taken";
}

/* ---- protections ---- */

static uint64_t configure(uint64_t input_vtl)
{
	return vsm_set(VP_SELF, (unsigned)input_vtl, REG_PARTITION_CONFIG, CONFIG_PROTECT | ALL << CONFIG_MASK | CONFIG_ZERO_MEMORY);
}

static const char *configures(void)
{
	if (missing())
		return missing();
	if (!in_vtl1(configure, VTL2))
		return "VTL 1 writes VTL 2's";
	return in_vtl2(configure, 0) ? "VTL 2 does not write its own" : NULL;
}

static uint64_t configure_vtl1(uint64_t bits)
{
	return vsm_set(VP_SELF, VTL1, REG_PARTITION_CONFIG, CONFIG1 | bits);
}

static uint64_t get_config1(uint64_t argument)
{
	unsigned status;

	(void)argument;
	return vsm_get(VP_SELF, VTL1, REG_PARTITION_CONFIG, &status);
}

static const char *configures_vtl1(void)
{
	bool good;

	if (missing())
		return missing();
	good = !in_vtl2(configure_vtl1, CONFIG_ZERO_MEMORY) && in_vtl1(get_config1, 0) == (CONFIG1 | CONFIG_ZERO_MEMORY);
	return in_vtl2(configure_vtl1, 0) || !good ? "it is refused, or does nothing" : NULL;
}

/* Rights in bits 3:0, HV_INPUT_VTL above. */
static uint64_t protect(uint64_t what)
{
	return vsm_protect_from((unsigned)(what >> 4), target, what & 15);
}

#define FROM(input_vtl, rights) ((uint64_t)(input_vtl) << 4 | (rights))

static uint64_t store(uint64_t value)
{
	*(volatile uint64_t *)target = value;
	return *(volatile uint64_t *)target;
}

/* Who has been told of how many since before[]. */
static const char *judge(const uint32_t before[2], uint32_t by1, uint32_t by2)
{
	if (seen[0].intercepts - before[0] != by1)
		return seen[0].intercepts - before[0] < by1 ? "VTL 1 is not told" : "VTL 1 is told";
	if (seen2[0].intercepts - before[1] != by2)
		return seen2[0].intercepts - before[1] < by2 ? "VTL 2 is not told" : "VTL 2 is told";
	return NULL;
}

static const char *binds_vtl1(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };
	const char *why;

	if (missing())
		return missing();
	if (in_vtl2(protect, FROM(VTL1, READ | EXECUTE)))
		return "it is refused";
	store(1);
	why = judge(before, 0, 0);
	if (why)
		return "VTL 0 is bound too";
	if (in_vtl1(store, 2) != 2)
		return "the store is not done after it was allowed";
	why = judge(before, 0, 1);
	return why ? why : message_level(&seen2[0]) == 1 ? NULL : "the message tells of another level";
}

static const char *binds_vtl0(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };
	const char *why;

	if (missing())
		return missing();
	if (in_vtl2(protect, FROM(VTL0, 0)))
		return "it is refused";
	if (in_vtl1(store, 3) != 3 || judge(before, 0, 0))
		return "VTL 1 is bound too";
	if (store(4) != 4)
		return "the store is not done after it was allowed";
	why = judge(before, 0, 1);
	return why ? why : message_level(&seen2[0]) == 0 ? NULL : "the message tells of another level";
}

static const char *vtl1_binds_vtl0(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };

	if (missing())
		return missing();
	if (in_vtl1(protect, FROM(VTL0, READ | EXECUTE)))
		return "it is refused";
	if (in_vtl2(store, 5) != 5 || judge(before, 0, 0))
		return "VTL 2 is bound";
	return store(6) == 6 ? judge(before, 1, 0) : "the store is not done after it was allowed";
}

static const char *binds_not_above(void)
{
	if (missing())
		return missing();
	return in_vtl1(protect, FROM(VTL1, READ | EXECUTE)) && in_vtl1(protect, FROM(VTL2, READ | EXECUTE)) &&
			       in_vtl2(protect, FROM(VTL2, READ | EXECUTE)) ?
		       NULL : "it is taken";
}

static const char *both_bind(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };
	const char *why;

	if (missing())
		return missing();
	if (in_vtl2(protect, FROM(VTL0, READ | EXECUTE)) || in_vtl1(protect, FROM(VTL0, READ | EXECUTE)))
		return "it is refused";
	if (store(7) != 7)
		return "the store is not done after both have allowed it";
	why = judge(before, 1, 1);
	return why ? why : seen[0].number < seen2[0].number ? NULL : "VTL 2 is told before VTL 1";
}

/* ---- register intercepts ---- */

static uint64_t set_traps(uint64_t traps)
{
	return vsm_set(VP_SELF, 0, REG_CR_INTERCEPT, traps);
}

static uint64_t write_lstar(uint64_t value)
{
	wrmsr(MSR_LSTAR, value);
	return rdmsr(MSR_LSTAR);
}

static const char *traps_both(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };
	const char *why;

	if (missing())
		return missing();
	write_lstar(0x1000);
	in_vtl1(write_lstar, 0x1001);
	if (in_vtl2(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	seen2[0].skips = true;
	why = write_lstar(0x2000) != 0x1000 || in_vtl1(write_lstar, 0x2001) != 0x1001 ? "it is written" : NULL;
	seen2[0].skips = false;
	in_vtl2(set_traps, 0);
	return why ? why : judge(before, 0, 2);
}

static const char *traps_nested(void)
{
	const uint32_t before[] = { seen[0].intercepts, seen2[0].intercepts };

	if (missing())
		return missing();
	if (in_vtl2(set_traps, LSTAR_WRITE) || in_vtl1(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = seen2[0].skips = true;
	write_lstar(0x3000);
	seen[0].skips = seen2[0].skips = false;
	in_vtl2(set_traps, 0);
	in_vtl1(set_traps, 0);
	return judge(before, 1, 0);
}

/* ---- interrupts ---- */

static uint64_t send(uint64_t what) /* the vector, and HV_INPUT_VTL above it */
{
	return vsm_ipi(what & 0xff, (unsigned)(what >> 8), 1);
}

#define TO(input_vtl, vector) ((uint64_t)(input_vtl) << 8 | (vector))

static const char *none_from_below(void)
{
	if (missing())
		return missing();
	return in_vtl1(send, TO(VTL2, VECTOR2)) && send(TO(VTL2, VECTOR2)) ? NULL : "it is taken";
}

/* In VTL 2: what came to VTL 1 and VTL 0 while it waits. */
static uint64_t send_and_wait(uint64_t what)
{
	uint32_t before = seen[0].came[VECTOR1] + came0[VECTOR0];
	uint64_t status = send(what);

	vsm_wait(2);
	return status << 8 | (seen[0].came[VECTOR1] + came0[VECTOR0] - before);
}

static const char *waits_for_vtl1(void)
{
	uint32_t before = seen[0].came[VECTOR1], before0 = came0[VECTOR1];
	uint64_t result;

	if (missing())
		return missing();
	result = in_vtl2(send_and_wait, TO(VTL1, VECTOR1));
	if (result)
		return result >> 8 ? "it is refused" : "it comes while VTL 2 runs";
	return seen[0].came[VECTOR1] == before + 1 && came0[VECTOR1] == before0 ? NULL : "it is lost, or comes to VTL 0";
}

static const char *waits_for_vtl0(void)
{
	uint32_t before = came0[VECTOR0];
	uint64_t result;

	if (missing())
		return missing();
	result = in_vtl2(send_and_wait, TO(VTL0, VECTOR0));
	if (result)
		return result >> 8 ? "it is refused" : "it comes while VTL 2 runs";
	return vsm_comes(&came0[VECTOR0], before + 1) ? NULL : "it is lost";
}

/* A direct timer of the level that this runs in: the vector, and ms above it. */
static uint64_t arm(uint64_t what)
{
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, AUTO_ENABLE | DIRECT | (what & 0xff) << 4);
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, now() + (what >> 8) * MS);
	return 0;
}

static uint64_t arm_apic(uint64_t count)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	apic[APIC_DIVIDE / 4] = 0xb; /* by 1 */
	apic[APIC_LVT_TIMER / 4] = VECTOR2;
	apic[APIC_COUNT / 4] = (uint32_t)count;
	return 0;
}

/* On a slow machine it is due before VTL 2 has returned, and comes there: then it is set later. */
static const char *enters(uint64_t (*set)(uint64_t argument), uint64_t (*call)(uint64_t (*function)(uint64_t), uint64_t), uint64_t argument,
			  uint64_t per_ms)
{
	for (uint64_t ms = 2; ms < 1000; ms *= 4) {
		uint32_t before = seen2[0].came[VECTOR2], entries = seen2[0].entries[2];

		call(set, argument + ms * per_ms);
		if (!vsm_comes(&seen2[0].came[VECTOR2], before + 1))
			return "it does not come";
		if (seen2[0].entries[2] > entries)
			return NULL;
	}
	return "the entry reason is not an interrupt";
}

static const char *timer_from_vtl0(void)
{
	return missing() ? missing() : enters(arm, in_vtl2, VECTOR2, 1 << 8);
}

static const char *apic_timer_from_vtl0(void)
{
	return missing() ? missing() : enters(arm_apic, in_vtl2, 0, 1000000);
}

/* In VTL 1, whose interrupts are off. */
static uint64_t wait_for_vtl2(uint64_t argument)
{
	return enters(arm, from_vtl1, argument, 1 << 8) == NULL;
}

static const char *timer_from_vtl1(void)
{
	return missing() ? missing() : in_vtl1(wait_for_vtl2, VECTOR2) ? NULL : "it does not come while VTL 1 runs";
}

static uint64_t wait_in2(uint64_t ms)
{
	uint32_t before = seen[0].came[VECTOR1] + came0[VECTOR0];

	vsm_wait((unsigned)ms);
	return seen[0].came[VECTOR1] + came0[VECTOR0] - before;
}

/* In VTL 1: its own timer, and VTL 0's, are due while VTL 2 runs. */
static uint64_t arm_and_go_up(uint64_t argument)
{
	arm(1 << 8 | VECTOR1);
	return from_vtl1(wait_in2, argument);
}

static const char *lower_timers_wait(void)
{
	uint32_t before1 = seen[0].came[VECTOR1], before0 = came0[VECTOR0];

	if (missing())
		return missing();
	arm(1 << 8 | VECTOR0);
	if (in_vtl1(arm_and_go_up, 6))
		return "one comes while VTL 2 runs";
	if (!vsm_comes(&seen[0].came[VECTOR1], before1 + 1))
		return "VTL 1's is lost";
	return vsm_comes(&came0[VECTOR0], before0 + 1) ? NULL : "VTL 0's is lost";
}

/* ---- notification ---- */

static uint64_t set_vina(uint64_t config)
{
	return vsm_set(VP_SELF, 0, REG_VINA, config);
}

/* In VTL 2: told of one for a lower level? VTL 1, which would be told too if it ran, is not. */
static uint64_t vina_of(uint64_t what)
{
	uint32_t before = seen2[0].came[VECTOR_VINA], before1 = seen[0].came[VECTOR_VINA];
	uint64_t end = now() + 1000 * MS;

	if (set_vina(VINA_ENABLED | VECTOR_VINA))
		return 3;
	*(vsm_assist() + 12) = 0;
	send(what);
	while (seen2[0].came[VECTOR_VINA] == before && now() < end)
		__asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
	set_vina(0);
	if (seen2[0].came[VECTOR_VINA] != before + 1)
		return 1;
	return seen[0].came[VECTOR_VINA] == before1 && *(vsm_assist() + 12) & 1 ? 0 : 2;
}

static const char *vina_result(uint64_t result)
{
	static const char *const why[] = {
		NULL, "it does not come, or more than once", "VTL 1 is told too, or VinaAsserted is not set", "the register cannot be written",
	};

	return why[result];
}

static const char *vina_of_vtl1(void)
{
	return missing() ? missing() : vina_result(in_vtl2(vina_of, TO(VTL1, VECTOR1)));
}

static const char *vina_of_vtl0(void)
{
	return missing() ? missing() : vina_result(in_vtl2(vina_of, TO(VTL0, VECTOR0)));
}

/* ---- the SynIC ---- */

enum { SINT = 4 };

static uint64_t message_timer(uint64_t vector)
{
	wrmsr(GABI_HV_MSR_SINT0 + SINT, vector);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, AUTO_ENABLE | SINT << 16);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, now() + MS);
	return 0;
}

static uint64_t clear_slot(uint64_t level)
{
	*(volatile uint32_t *)(vsm_messages((unsigned)level, 0) + SINT * 256) = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	return 0;
}

static uint64_t type_in_slot(uint64_t level)
{
	return *(volatile uint32_t *)(vsm_messages((unsigned)level, 0) + SINT * 256);
}

/* In VTL 1. */
static uint64_t message_and_go_up(uint64_t argument)
{
	clear_slot(1);
	message_timer(VECTOR1);
	return from_vtl1(wait_in2, argument);
}

static const char *message_for_vtl1(void)
{
	uint32_t before = seen[0].came[VECTOR1];

	if (missing())
		return missing();
	if (in_vtl1(message_and_go_up, 4))
		return "its interrupt comes while VTL 2 runs";
	if (!vsm_comes(&seen[0].came[VECTOR1], before + 1))
		return "its interrupt is lost";
	return in_vtl1(type_in_slot, 1) == 0x80000010 && in_vtl2(type_in_slot, 1) == 0 ? NULL : "it is not in VTL 1's page alone";
}

static const char *message_for_vtl2(void)
{
	uint32_t before = seen2[0].came[VECTOR2];

	if (missing())
		return missing();
	in_vtl2(clear_slot, 2);
	in_vtl2(message_timer, VECTOR2);
	if (!vsm_comes(&seen2[0].came[VECTOR2], before + 1))
		return "its interrupt does not come";
	return in_vtl2(type_in_slot, 2) == 0x80000010 && in_vtl1(type_in_slot, 2) == 0 ? NULL : "it is not in VTL 2's page alone";
}

/* ---- locks ---- */

static uint64_t set_lock(uint64_t lower)
{
	unsigned status;
	uint32_t name = REG_SECURE_CONFIG_VTL0 + (uint32_t)lower;

	if (vsm_set(VP_SELF, 0, name, TLB_LOCKED) || vsm_get(VP_SELF, 0, name, &status) != TLB_LOCKED)
		return 1;
	return vsm_set(VP_SELF, 0, name, 0) || vsm_get(VP_SELF, 0, name, &status);
}

static const char *locks_each(void)
{
	if (missing())
		return missing();
	if (in_vtl2(set_lock, 0) || in_vtl2(set_lock, 1))
		return "VTL 2 does not";
	return !in_vtl2(set_lock, 2) || !in_vtl1(set_lock, 1) ? "a level has one for itself" : NULL;
}

/* ---- another processor ---- */

static const char *is_alone(void)
{
	return vsm_used < 2 ? SKIP("it takes two processors with VTL 1, and a third for a hypercall") : NULL;
}

static const char *enabled_there(void)
{
	if (missing() || is_alone())
		return missing() ? missing() : is_alone();
	if (!in_vtl1(enable_vp, 1))
		return "VTL 1 does, though processor 0 has VTL 2";
	return in_vtl2(enable_vp, 1) ? "VTL 2 does not" : NULL;
}

static uint64_t level_and_vp(uint64_t argument)
{
	return argument + vsm_level() * 16 + vsm_vp();
}

static uint64_t call_there(uint64_t argument)
{
	return in_vtl2(level_and_vp, argument);
}

static const char *own_there(void)
{
	if (missing() || is_alone())
		return missing() ? missing() : is_alone();
	on_vp(1, call_there, 0); /* makes itself at home */
	return on_vp(1, call_there, 0x100) == 0x121 ? NULL : "VTL 2 of another processor does not run there";
}

static uint64_t send_there(uint64_t argument)
{
	(void)argument;
	return vsm_ipi(VECTOR2, 0, 2);
}

static const char *interrupts_there(void)
{
	uint32_t before = seen2[1].came[VECTOR2];

	if (missing() || is_alone())
		return missing() ? missing() : is_alone();
	if (in_vtl2(send_there, 0))
		return "it is refused";
	return vsm_comes(&seen2[1].came[VECTOR2], before + 1) ? NULL : "it does not come to VTL 2 there";
}

static const char *intercepted_there(void)
{
	uint32_t there = seen2[1].intercepts, here = seen2[0].intercepts;

	if (missing() || is_alone())
		return missing() ? missing() : is_alone();
	if (in_vtl2(protect, FROM(VTL0, 0)))
		return "it is refused";
	if (on_vp(1, store, 8) != 8)
		return "the store is not done after it was allowed";
	return seen2[1].intercepts == there + 1 && seen2[0].intercepts == here ? NULL : "it is not intercepted on the processor that made it";
}

#define MANAGES "vsm, VTL Interrupt Management"
#define ASSISTS "vsm, Virtual Interrupt Notification Assist"
#define ORDERS  "vsm, Memory Protection Hierarchy"

const struct vsm_case vsm_three_cases[] = {
	{ "HvCallEnablePartitionVtl", "VTL 2 is not enabled by VTL 0 while VTL 1 is the highest", not_by_vtl0, NULL, 0 },
	{ "HvCallEnablePartitionVtl", "VTL 2 is enabled by VTL 1", by_vtl1, NULL, 0 },
	{ "vsm, VTL Call Restrictions", "where VTL 2 is enabled for the partition alone a call from VTL 1 is #UD", no_call_yet, NULL, 0 },
	{ "HvCallEnableVpVtl", "VTL 2 is not enabled by VTL 0", vp_not_by_vtl0, NULL, 0 },
	{ "HvCallEnableVpVtl", "VTL 2 is enabled by VTL 1", vp_by_vtl1, NULL, 0 },
	{ "vsm, VTL Call", "a call from VTL 1 goes to VTL 2, at first to its initial context", first_call, NULL, 0 },
	{ "vsm, VTL Call Restrictions", "a call from VTL 0 goes to VTL 1: it skips none", skips_none, NULL, 0 },
	{ "vsm, VTL Return", "a return goes from VTL 2 to VTL 1, and from there to VTL 0", returns_to_next, NULL, 0 },
	{ "vsm, VTL Call Restrictions", "a call from VTL 2 is #UD", highest, NULL, 0 },
	{ "vsm, VTL Protections", "VTL 2's hypercall page lies over its own memory alone", own_page, NULL, 0 },
	{ "vsm, Shared State", "general registers reach VTL 2", shared_registers, NULL, 0 },
	{ "vsm, Shared State", "each shared register is one for three levels", shared_state, NULL, 0 },
	{ "vsm, Private State", "each private register is another in each of three levels", private_state, NULL, 0 },
	{ "HvCallSetVpRegisters", "VTL 2 reads and writes those of VTL 1 and of VTL 0", reads_both, NULL, 0 },
	{ "HvCallGetVpRegisters", "VTL 1 does not reach VTL 2's", vtl1_reads_not, NULL, 0 },
	{ "vsm, Partition Configuration", "VTL 2's is written by VTL 2, and not by VTL 1", configures, NULL, 0 },
	{ "vsm, Partition Configuration", "VTL 1's is written by VTL 2 too", configures_vtl1, NULL, 0 },
	{ ORDERS, "VTL 2 binds VTL 1, and is told of it", binds_vtl1, NULL, 0 },
	{ ORDERS, "VTL 2 binds VTL 0 past VTL 1, and is told of it", binds_vtl0, NULL, 0 },
	{ ORDERS, "VTL 1 binds VTL 0 and not VTL 2", vtl1_binds_vtl0, NULL, 0 },
	{ ORDERS, "no level binds itself or a higher one", binds_not_above, NULL, 0 },
	{ "vsm, Nested Intercepts", "where both bind VTL 0, VTL 1 is told first, and then VTL 2", both_bind, NULL, 0 },
	{ "vsm, Secure Register Intercepts", "VTL 2 intercepts VTL 1's writes, and VTL 0's", traps_both, NULL, 0 },
	{ "vsm, Nested Intercepts", "where both intercept a write of VTL 0's, VTL 1 is told, and may pass over it", traps_nested, NULL, 0 },
	{ MANAGES, "VTL 2 is sent none from below", none_from_below, NULL, 0 },
	{ MANAGES, "one of VTL 2's for VTL 1 waits until VTL 1 is entered", waits_for_vtl1, NULL, 0 },
	{ MANAGES, "one of VTL 2's for VTL 0 waits until VTL 0 is entered", waits_for_vtl0, NULL, 0 },
	{ MANAGES, "a synthetic timer of VTL 2 enters it from VTL 0", timer_from_vtl0, NULL, 0 },
	{ MANAGES, "and from VTL 1, whatever RFLAGS.IF is there", timer_from_vtl1, NULL, 0 },
	{ MANAGES, "the local APIC's timer of VTL 2 enters it from VTL 0", apic_timer_from_vtl0, NULL, 0 },
	{ MANAGES, "timers of VTL 1 and of VTL 0 wait while VTL 2 runs", lower_timers_wait, NULL, 0 },
	{ ASSISTS, "VTL 2 is told of one for VTL 1", vina_of_vtl1, NULL, 0 },
	{ ASSISTS, "VTL 2 is told of one for VTL 0, and VTL 1 is not", vina_of_vtl0, NULL, 0 },
	{ "vsm, Private State", "a message for VTL 1 comes when VTL 2 has returned to it", message_for_vtl1, NULL, 0 },
	{ "vsm, Private State", "a message for VTL 2 comes while VTL 0 runs", message_for_vtl2, NULL, 0 },
	{ "vsm, Configuring Lower VTLs", "VTL 2 locks the TLB of VTL 1 and of VTL 0, and no level its own", locks_each, NULL, 0 },
	{ "HvCallEnableVpVtl", "once one processor has VTL 2, VTL 2 alone enables it on others", enabled_there, NULL, 0 },
	{ "vsm, Virtual Processor State Isolation", "each processor has its own VTL 2", own_there, NULL, 0 },
	{ MANAGES, "VTL 2 interrupts VTL 2 of another processor", interrupts_there, NULL, 0 },
	{ ORDERS, "the processor that made the access takes VTL 2's intercept", intercepted_there, NULL, 0 },
	{ 0 },
};
