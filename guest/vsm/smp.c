/* SPDX-License-Identifier: MIT */
/* Several processors: how they are started, and what one's levels have to do with another's. */
#include "vsm.h"

enum { VECTOR = 0x73, ROUNDS = 64 };

static uint8_t shared_page[PAGE] __attribute__((aligned(4096)));

static bool is_alone(void)
{
	return vsm_cpus < 3;
}

/* ---- enabling ---- */

static const char *not_from_below(void)
{
	if (is_alone())
		return SKIP("it takes three processors");
	return vsm_enable_vp(PARTITION, 1, 1, 0) ? NULL : "it is taken";
}

static uint64_t enable(uint64_t vp)
{
	return vsm_enable_vp(PARTITION, (uint32_t)vp, 1, 0);
}

static const char *from_the_same(void)
{
	if (is_alone())
		return SKIP("it takes three processors");
	for (unsigned vp = 1; vp < vsm_used; vp++)
		if (in_vtl1(enable, vp))
			return "it is refused";
	return NULL;
}

static uint64_t level_and_vp(uint64_t argument)
{
	return argument + vsm_level() * 16 + vsm_vp();
}

static uint64_t call_there(uint64_t argument)
{
	return in_vtl1(level_and_vp, argument);
}

static const char *each_its_own(void)
{
	if (is_alone())
		return SKIP("it takes three processors");
	for (unsigned vp = 1; vp < vsm_used; vp++) {
		on_vp(vp, call_there, 0); /* makes itself at home */
		if (on_vp(vp, call_there, 0x100) != 0x110 + vp)
			return "VTL 1 of another processor does not run there";
	}
	return NULL;
}

static const char *init_is_dropped(void)
{
	volatile uint32_t *apic = mmio(APIC_GPA);

	if (is_alone())
		return SKIP("it takes three processors");
	if (vsm_takes_init)
		return SKIP("it is known that this hypervisor's local APICs take it (init=1)");
	apic[APIC_ICR_HIGH / 4] = 1u << 24;
	apic[APIC_ICR / 4] = 0x4500;
	vsm_wait(2);
	return on_vp(1, call_there, 0x200) == 0x211 ? NULL : "the processor does not run any more";
}

/* ---- starting ---- */

static uint64_t configure(uint64_t bits)
{
	return vsm_set(VP_SELF, 0, REG_PARTITION_CONFIG, CONFIG1 | bits);
}

static const char *start_denied(void)
{
	unsigned status;

	if (is_alone())
		return SKIP("it takes three processors");
	if (!(rdmsr(GABI_HV_MSR_VSM_CAPABILITIES) >> 46 & 1))
		return SKIP("DenyLowerVtlStartup is not there");
	in_vtl1(configure, CONFIG_DENY_STARTUP);
	status = vsm_start_vp(vsm_cpus - 1, 0);
	in_vtl1(configure, 0);
	return status == GABI_HV_STATUS_ACCESS_DENIED ? NULL : "the status is another one";
}

/* The processor that the hypercall is to start later. Afterwards it is still to be started: the IPI is dropped, and not kept. */
static const char *startup_ipi_denied(void)
{
	uint32_t before = vsm_others;
	bool runs;

	if (is_alone())
		return SKIP("it takes three processors");
	if (!(rdmsr(GABI_HV_MSR_VSM_CAPABILITIES) >> 46 & 1))
		return SKIP("DenyLowerVtlStartup is not there");
	in_vtl1(configure, CONFIG_DENY_STARTUP);
	start_other(vsm_cpus - 1);
	vsm_wait(30);
	runs = vsm_others != before;
	in_vtl1(configure, 0);
	vsm_wait(30);
	return runs || vsm_others != before ? runs ? "the processor runs" : "the processor runs when it is allowed again" : NULL;
}

/* Passed over by VTL 1 the call is not made: the processor is still to be started afterwards. */
static const char *start_intercepted(void)
{
	uint32_t before = seen[0].intercepts, others = vsm_others;

	if (is_alone())
		return SKIP("it takes three processors");
	if (in_vtl1(configure, CONFIG_INTERCEPT_STARTUP))
		return "the register cannot be written";
	seen[0].skips = true;
	seen[0].skipped_rax = GABI_HV_STATUS_OPERATION_DENIED;
	vsm_start_vp(vsm_cpus - 1, 0);
	seen[0].skips = false;
	in_vtl1(configure, 0);
	vsm_wait(2);
	return seen[0].intercepts == before + 1 && vsm_others == others ? NULL : "it is not intercepted, or the processor runs";
}

static const char *start_of_another(void)
{
	return vsm_start_vp(0x1000, 0) == GABI_HV_STATUS_INVALID_VP_INDEX ? NULL : "the status is another one";
}

static uint64_t start_in_vtl1(uint64_t vp)
{
	return vsm_start_vp((uint32_t)vp, 1);
}

static const char *start_before_enabled(void)
{
	if (vsm_cpus < 4)
		return SKIP("it takes four processors");
	return in_vtl1(start_in_vtl1, vsm_cpus - 2) == GABI_HV_STATUS_INVALID_VTL_STATE ? NULL : "the status is another one";
}

static const char *start_there(void)
{
	uint32_t before = vsm_others;
	uint64_t status;

	if (vsm_cpus < 4)
		return SKIP("it takes four processors");
	if (in_vtl1(enable, vsm_cpus - 2))
		return "VTL 1 cannot be enabled there";
	status = in_vtl1(start_in_vtl1, vsm_cpus - 2);
	if (status)
		return "it is refused";
	return vsm_comes(&vsm_others, before + 1) ? NULL : "the processor does not run";
}

static const char *start_higher(void)
{
	return vsm_start_vp(vsm_cpus - 1, 1) ? NULL : "it is taken";
}

static const char *start(void)
{
	uint32_t before = vsm_others;

	if (is_alone())
		return SKIP("it takes three processors");
	if (vsm_start_vp(vsm_cpus - 1, 0))
		return "it is refused";
	return vsm_comes(&vsm_others, before + 1) ? NULL : "the processor does not run";
}

static const char *start_again(void)
{
	if (is_alone())
		return SKIP("it takes three processors");
	return vsm_start_vp(vsm_cpus - 1, 0) == GABI_HV_STATUS_INVALID_VP_STATE ? NULL : "the status is another one";
}

/* ---- one processor's levels and another's ---- */

static uint64_t send(uint64_t vps)
{
	return vsm_ipi(VECTOR, 0, vps);
}

static const char *ipi_to_higher_there(void)
{
	uint32_t before = seen[1].came[VECTOR], entries = seen[1].entries[2], before0 = came0[VECTOR];

	if (is_alone())
		return SKIP("it takes three processors");
	if (in_vtl1(send, 2))
		return "it is refused";
	if (!vsm_comes(&seen[1].came[VECTOR], before + 1))
		return "it does not come to VTL 1 there";
	return seen[1].entries[2] > entries && came0[VECTOR] == before0 ? NULL : "the entry reason is another one, or it comes to VTL 0 too";
}

static uint64_t send_nmi(uint64_t apic_id)
{
	enum { DELIVER_NMI = 0x4400 };

	mmio(APIC_GPA)[APIC_ICR_HIGH / 4] = (uint32_t)apic_id << 24;
	mmio(APIC_GPA)[APIC_ICR / 4] = DELIVER_NMI;
	return 0;
}

static uint64_t send_ipi(uint64_t apic_id)
{
	mmio(APIC_GPA)[APIC_ICR_HIGH / 4] = (uint32_t)apic_id << 24;
	mmio(APIC_GPA)[APIC_ICR / 4] = VECTOR;
	return 0;
}

static const char *apic_to_higher_there(void)
{
	uint32_t before = seen[1].came[VECTOR], before0 = came0[VECTOR];

	if (is_alone())
		return SKIP("it takes three processors");
	in_vtl1(send_ipi, 1);
	if (!vsm_comes(&seen[1].came[VECTOR], before + 1))
		return "it does not come to VTL 1 there";
	return came0[VECTOR] == before0 ? NULL : "it comes to VTL 0 too";
}

static const char *nmi_to_higher_there(void)
{
	uint32_t before = seen[1].came[NMI], before0 = came0[NMI];

	if (is_alone())
		return SKIP("it takes three processors");
	in_vtl1(send_nmi, 1);
	if (!vsm_comes(&seen[1].came[NMI], before + 1))
		return "it does not come to VTL 1 there";
	return came0[NMI] == before0 ? NULL : "it comes to VTL 0 too";
}

static uint64_t protect(uint64_t rights)
{
	return vsm_protect(shared_page, (unsigned)rights);
}

static uint64_t store(uint64_t value)
{
	*(volatile uint64_t *)shared_page = value;
	return *(volatile uint64_t *)shared_page;
}

static const char *protection_there(void)
{
	uint32_t before = seen[1].intercepts, here = seen[0].intercepts;

	if (is_alone())
		return SKIP("it takes three processors");
	*(volatile uint64_t *)shared_page = 0;
	in_vtl1(protect, READ | EXECUTE);
	if (on_vp(1, store, 0x99) != 0x99)
		return "the store is not done after it was allowed";
	return seen[1].intercepts == before + 1 && seen[0].intercepts == here ? NULL : "it is not intercepted on the processor that made it";
}

static uint64_t count_up(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		__asm__ volatile("lock incq %0" : "+m"(*(volatile uint64_t *)shared_page));
	return 0;
}

/* Another processor writes while the page is taken away and given back all the time: no write is lost, and none is done twice. */
static const char *nothing_is_lost(void)
{
	uint64_t result = 0;

	if (is_alone())
		return SKIP("it takes three processors");
	*(volatile uint64_t *)shared_page = 0;
	begin_on_vp(1, count_up, 20000);
	for (unsigned i = 0; i < ROUNDS; i++) {
		in_vtl1(protect, i % 2 ? READ | EXECUTE : 0);
		vsm_wait(1);
	}
	in_vtl1(protect, ALL);
	if (!has_ended_on_vp(1, &result))
		return "the other processor does not come to its end";
	return *(volatile uint64_t *)shared_page == 20000 ? NULL : "the count is another one";
}

const struct vsm_case vsm_smp_cases[] = {
	{ "HvCallEnableVpVtl", "once one processor has a VTL, a lower one does not enable it on others", not_from_below, NULL, 0 },
	{ "HvCallEnableVpVtl", "that VTL itself does", from_the_same, NULL, 0 },
	{ "vsm, Virtual Processor State Isolation", "each processor has its own VTL 1", each_its_own, NULL, 0 },
	{ "vsm, VTL Interrupt Management", "INIT for a VTL below another is dropped", init_is_dropped, NULL, 0 },
	{ "vsm, DenyLowerVtlStartup", "a lower VTL starts no processor", start_denied, NULL, 0 },
	{ "vsm, DenyLowerVtlStartup", "nor by a startup IPI", startup_ipi_denied, NULL, 0 },
	{ "vsm, InterceptVpStartup", "a start by a lower VTL is intercepted", start_intercepted, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "a lower VTL starts none in a higher one", start_higher, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "of a processor that there is not: invalid VP index", start_of_another, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "in a VTL that it has not enabled: invalid VTL state", start_before_enabled, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "starts a processor in VTL 1", start_there, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "starts a processor with that context", start, NULL, 0 },
	{ "HvCallStartVirtualProcessor", "of one that runs: invalid VP state", start_again, NULL, 0 },
	{ "vsm, VTL Interrupt Management", "VTL 1 interrupts VTL 1 of another processor", ipi_to_higher_there, NULL, 0 },
	{ "vsm, VTL Interrupt Management", "an IPI of VTL 1's local APIC goes to VTL 1 of another processor", apic_to_higher_there, NULL, 0 },
	{ "vsm, VTL Interrupt Management", "an NMI of VTL 1's local APIC goes to VTL 1 of another processor", nmi_to_higher_there, NULL, 0 },
	{ "vsm, Memory Access Violations", "the processor that made the access takes the intercept", protection_there, NULL, 0 },
	{ "vsm, Memory Access Violations", "while protections come and go no write is lost or done twice", nothing_is_lost, NULL, 0 },
	{ 0 },
};
