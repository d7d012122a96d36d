/* SPDX-License-Identifier: MIT */
/* Intercepts of registers and ports that VTL 1 installs. */
#include "vsm.h"

#define MSR_LSTAR 0xc0000082u
#define MSR_EFER  0xc0000080u
#define MSR_APIC_BASE 0x1bu
#define MSG_PORT 0x80010000u
#define MSG_MSR 0x80010001u
enum { PAYLOAD = 16, PORT = 0xe0 /* the test device's echo */ };

/* Bits of HvX64RegisterCrInterceptControl. */
enum { CR0_WRITE = 1 << 0, CR4_WRITE = 1 << 1, LSTAR_READ = 1 << 5, LSTAR_WRITE = 1 << 6, APIC_BASE_WRITE = 1 << 12, EFER_WRITE = 1 << 14, GDTR_WRITE = 1 << 15 };

static uint64_t set_traps(uint64_t traps)
{
	return vsm_set(VP_SELF, 0, REG_CR_INTERCEPT, traps);
}

static const char *lower_sets_traps(void)
{
	return vsm_set(VP_SELF, VTL1, REG_CR_INTERCEPT, LSTAR_WRITE) ? NULL : "it is taken";
}

static const char *msr_write(void)
{
	uint32_t before = seen[0].intercepts;

	wrmsr(MSR_LSTAR, 0x1111);
	if (in_vtl1(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = true;
	seen[0].skipped_rax = 0;
	wrmsr(MSR_LSTAR, 0x2222);
	seen[0].skips = false;
	in_vtl1(set_traps, 0);
	if (seen[0].intercepts != before + 1)
		return "it is not intercepted";
	if (message_u32(&seen[0], 0) != MSG_MSR || message_u32(&seen[0], PAYLOAD + 40) != MSR_LSTAR || seen[0].message[PAYLOAD + 5] != 1)
		return "the message tells of something else";
	if ((uint32_t)message_u64(&seen[0], PAYLOAD + 56) != 0x2222)
		return "the message has another RAX";
	return rdmsr(MSR_LSTAR) == 0x1111 ? NULL : "it is written";
}

static const char *msr_read_is_free(void)
{
	uint32_t before = seen[0].intercepts;

	if (in_vtl1(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	rdmsr(MSR_LSTAR);
	in_vtl1(set_traps, 0);
	return seen[0].intercepts == before ? NULL : "a read is intercepted too";
}

static const char *msr_read(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t value;

	if (in_vtl1(set_traps, LSTAR_READ))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = true;
	seen[0].skipped_rax = 0x4321;
	value = rdmsr(MSR_LSTAR);
	seen[0].skips = false;
	in_vtl1(set_traps, 0);
	if (seen[0].intercepts != before + 1)
		return "it is not intercepted";
	return (uint32_t)value == 0x4321 ? NULL : "VTL 0 reads something else than VTL 1 gave it";
}

static const char *msr_free_again(void)
{
	uint32_t before = seen[0].intercepts;

	wrmsr(MSR_LSTAR, 0x3333);
	return seen[0].intercepts == before && rdmsr(MSR_LSTAR) == 0x3333 ? NULL : "it still is";
}

static uint64_t write_lstar(uint64_t value)
{
	wrmsr(MSR_LSTAR, value);
	return rdmsr(MSR_LSTAR);
}

static const char *higher_is_free(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t value;

	if (in_vtl1(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	value = in_vtl1(write_lstar, 0x6666);
	in_vtl1(set_traps, 0);
	return value == 0x6666 && seen[0].intercepts == before ? NULL : "VTL 1's own write is intercepted";
}

/* Refused where it cannot be held; else held. */
static const char *cr0_write(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t cr0;

	if (in_vtl1(set_traps, CR0_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	__asm__ volatile("mov %%cr0, %0\n\tmov %0, %%cr0" : "=r"(cr0) : : "memory");
	in_vtl1(set_traps, 0);
	return seen[0].intercepts > before ? NULL : "it is taken, and not held";
}

static const char *cr4_write(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t cr4;

	if (in_vtl1(set_traps, CR4_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	__asm__ volatile("mov %%cr4, %0\n\tmov %0, %%cr4" : "=r"(cr4) : : "memory");
	in_vtl1(set_traps, 0);
	return seen[0].intercepts > before ? NULL : "it is taken, and not held";
}

static const char *gdtr_write(void)
{
	uint32_t before = seen[0].intercepts;
	uint8_t pointer[10];

	if (in_vtl1(set_traps, GDTR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	__asm__ volatile("sgdt %0\n\tlgdt %0" : "+m"(pointer));
	in_vtl1(set_traps, 0);
	return seen[0].intercepts > before ? NULL : "it is taken, and not held";
}

static const char *answered_with_fault(void)
{
	uint32_t before = seen[0].intercepts;

	wrmsr(MSR_LSTAR, 0x7777);
	if (in_vtl1(set_traps, LSTAR_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].faults = true;
	wrmsr(MSR_LSTAR, 0x8888);
	seen[0].faults = false;
	in_vtl1(set_traps, 0);
	if (vsm_fault() != PROTECTION)
		return "VTL 0 does not fault";
	return seen[0].intercepts == before + 1 && rdmsr(MSR_LSTAR) == 0x7777 ? NULL : "it is intercepted again, or written";
}

/* What a processor may not write. */
static const struct {
	uint32_t msr;
	uint64_t change; /* of what it has */
} refusals[] = {
	{ MSR_EFER, 1ull << 63 }, { MSR_EFER, 1 << 8 /* LME, with paging on */ }, { MSR_APIC_BASE, 1 << 9 }, { MSR_APIC_BASE, 1ull << 62 },
};

/* The rows that it was not refused, or whose MSR is another afterwards. */
static uint64_t write_refusals(uint64_t unused)
{
	uint64_t wrong = unused;

	wrmsr(MSR_LSTAR, 0x4444);
	for (unsigned i = 0; i < COUNT_OF(refusals); i++) {
		uint64_t before = rdmsr(refusals[i].msr);

		vsm_fault();
		wrmsr(refusals[i].msr, before ^ refusals[i].change);
		if (vsm_fault() != PROTECTION || rdmsr(refusals[i].msr) != before)
			wrong |= 1u << i;
	}
	return wrong | (rdmsr(MSR_LSTAR) == 0x4444 ? 0 : 1u << 31);
}

/* A processor that nobody intercepts runs beside one that is: its writes are its own, and so are its faults. */
static const char *others_fault(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t wrong;

	if (vsm_cpus < 3)
		return SKIP("it takes three processors");
	if (in_vtl1(set_traps, LSTAR_WRITE | EFER_WRITE | APIC_BASE_WRITE))
		return SKIP("it is refused: this hypervisor cannot");
	wrong = on_vp(1, write_refusals, 0);
	in_vtl1(set_traps, 0);
	if (wrong >> 31)
		return "another processor's write is not made";
	if (wrong)
		return "another processor writes what none may";
	return seen[0].intercepts == before ? NULL : "another processor's write is intercepted";
}

/* A value that each level has for itself. */
static uint64_t set_mask(uint64_t value)
{
	unsigned status, refused = 0;

	for (uint32_t i = 0; i < 3; i++)
		refused |= vsm_set(VP_SELF, 0, REG_CR0_MASK + i, value + i) || vsm_get(VP_SELF, 0, REG_CR0_MASK + i, &status) != value + i;
	return refused;
}

static const char *masks(void)
{
	if (in_vtl1(set_mask, 0x10))
		return "VTL 1 cannot write one, or reads another value";
	if (!vsm_set(VP_SELF, VTL1, REG_CR0_MASK, 0))
		return "VTL 0 writes VTL 1's";
	return in_vtl1(set_mask, 0) ? "VTL 1 cannot clear one" : NULL;
}

static const char *reserved_traps(void)
{
	return in_vtl1(set_traps, 1ull << 63) ? NULL : "they are taken";
}

/* ---- ports ---- */

enum { IO_PORT = 0 };

static uint64_t install(uint64_t access)
{
	const uint64_t in[] = { PARTITION, access | (uint64_t)IO_PORT << 32, PORT };

	return vsm_status(GABI_HV_CALL_InstallIntercept, in, sizeof(in));
}

static const char *port_write(void)
{
	uint32_t before = seen[0].intercepts;
	uint8_t kept;

	out8(PORT, 0x11);
	if (in_vtl1(install, 2))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = true;
	seen[0].skipped_rax = 0;
	out8(PORT, 0x22);
	seen[0].skips = false;
	kept = in8(PORT);
	in_vtl1(install, 0);
	if (seen[0].intercepts != before + 1)
		return "it is not intercepted, or a read is";
	if (message_u32(&seen[0], 0) != MSG_PORT || (message_u32(&seen[0], PAYLOAD + 40) & 0xffff) != PORT)
		return "the message tells of something else";
	return kept == 0x11 || kept == 0xff ? NULL : "it is written";
}

static const char *port_read(void)
{
	uint32_t before = seen[0].intercepts;
	uint8_t value;

	if (in_vtl1(install, 1))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = true;
	seen[0].skipped_rax = 0x5a;
	value = in8(PORT);
	seen[0].skips = false;
	in_vtl1(install, 0);
	return seen[0].intercepts == before + 1 && value == 0x5a ? NULL : "VTL 0 reads something else than VTL 1 gave it";
}

static const char *port_free_again(void)
{
	uint32_t before = seen[0].intercepts;

	in8(PORT);
	return seen[0].intercepts == before ? NULL : "it still is";
}

/* One that each level has for itself, and one that all share. Its read is not intercepted. */
static const uint32_t installed_msrs[] = { 0x176 /* SYSENTER_EIP */, 0x250 /* MTRRfix64K_00000 */ };

static uint64_t install_msr(uint64_t what)
{
	enum { BY_MSR = 1 };
	const uint64_t in[] = { PARTITION, what >> 32 | (uint64_t)BY_MSR << 32, (uint32_t)what };

	return vsm_status(GABI_HV_CALL_InstallIntercept, in, sizeof(in));
}

static uint64_t read_msr(uint64_t msr)
{
	return rdmsr((uint32_t)msr);
}

static const char *msr_installed(unsigned row)
{
	uint32_t msr = installed_msrs[row], before = seen[0].intercepts;
	uint64_t was = rdmsr(msr), other = was ^ 0x0606, kept;

	if (in_vtl1(install_msr, 2ull << 32 | msr))
		return SKIP("it is refused: this hypervisor cannot");
	seen[0].skips = true;
	seen[0].skipped_rax = 0;
	wrmsr(msr, other);
	seen[0].skips = false;
	kept = rdmsr(msr);
	in_vtl1(install_msr, msr);
	if (seen[0].intercepts != before + 1)
		return "it is not intercepted, or a read is";
	if (message_u32(&seen[0], 0) != MSG_MSR || message_u32(&seen[0], PAYLOAD + 40) != msr || seen[0].message[PAYLOAD + 5] != 1)
		return "the message tells of something else";
	if (kept != was)
		return "it is written";
	wrmsr(msr, other);
	if (rdmsr(msr) != other || (row && in_vtl1(read_msr, msr) != other))
		return "afterwards it is not written, or not in both levels";
	wrmsr(msr, was);
	return seen[0].intercepts == before + 1 ? NULL : "taken away it still is intercepted";
}

/* While one of the shared ones is intercepted, writes of the others still are for all levels; KVM's own are still none. */
static const char *msr_beside(void)
{
	enum { INTERCEPTED = 0x250, BESIDE = 0x258, NONE = 0x4b564d00 };
	uint64_t was = rdmsr(BESIDE), other = was ^ 0x0606;
	uint32_t before = seen[0].intercepts;
	bool same;

	if (in_vtl1(install_msr, 2ull << 32 | INTERCEPTED))
		return SKIP("it is refused: this hypervisor cannot");
	wrmsr(BESIDE, other);
	same = rdmsr(BESIDE) == other && in_vtl1(read_msr, BESIDE) == other;
	wrmsr(BESIDE, was);
	vsm_fault();
	rdmsr(NONE);
	in_vtl1(install_msr, INTERCEPTED);
	if (seen[0].intercepts != before)
		return "it is intercepted too";
	if (vsm_fault() != PROTECTION)
		return "an MSR that is not there is read";
	return same ? NULL : "it is not written, or not in both levels";
}

static uint64_t take_back_port(uint64_t port)
{
	const uint64_t in[] = { PARTITION, 0, port };

	return vsm_status(GABI_HV_CALL_InstallIntercept, in, sizeof(in));
}

static uint64_t install_port(uint64_t port)
{
	const uint64_t in[] = { PARTITION, 1, port };

	return vsm_status(GABI_HV_CALL_InstallIntercept, in, sizeof(in));
}

static const char *port_of_the_pit(void)
{
	enum { PIT = 0x42 };
	uint32_t before = seen[0].intercepts;

	if (in_vtl1(install_port, PIT))
		return NULL;
	seen[0].skips = true;
	in8(PIT);
	seen[0].skips = false;
	in_vtl1(take_back_port, PIT);
	return seen[0].intercepts == before + 1 ? NULL : "it is taken, and not held";
}

static const char *lower_installs(void)
{
	return install(3) ? NULL : "it is taken";
}

#define REGISTERS "vsm, Secure Register Intercepts"

const struct vsm_case vsm_intercept_cases[] = {
	{ REGISTERS, "a lower VTL does not set a higher one's", lower_sets_traps, NULL, 0 },
	{ REGISTERS, "a write of an MSR", msr_write, NULL, 0 },
	{ REGISTERS, "where writes are intercepted reads are not", msr_read_is_free, NULL, 0 },
	{ REGISTERS, "a read of an MSR, which the higher VTL answers", msr_read, NULL, 0 },
	{ REGISTERS, "an intercept that is taken away is gone", msr_free_again, NULL, 0 },
	{ REGISTERS, "the higher VTL itself is free", higher_is_free, NULL, 0 },
	{ "vsm, Handling Secure Intercepts", "the higher VTL may answer with an exception", answered_with_fault, NULL, 0 },
	{ REGISTERS, "another processor writes as if there were none, and faults so", others_fault, NULL, 0 },
	{ "vsm, Mask Registers", "a higher VTL writes them, a lower one does not", masks, NULL, 0 },
	{ REGISTERS, "reserved bits are refused", reserved_traps, NULL, 0 },
	{ REGISTERS, "a write of CR0 is held, or refused", cr0_write, NULL, 0 },
	{ REGISTERS, "a write of CR4 is held, or refused", cr4_write, NULL, 0 },
	{ REGISTERS, "a write of GDTR is held, or refused", gdtr_write, NULL, 0 },
	{ "HvCallInstallIntercept", "a port's writes", port_write, NULL, 0 },
	{ "HvCallInstallIntercept", "a port's reads, which the higher VTL answers", port_read, NULL, 0 },
	{ "HvCallInstallIntercept", "an intercept that is taken away is gone", port_free_again, NULL, 0 },
	{ "HvCallInstallIntercept", "a port of the PC's timer is held, or refused", port_of_the_pit, NULL, 0 },
	{ "HvCallInstallIntercept", "an MSR's writes", NULL, msr_installed, 0 },
	{ "HvCallInstallIntercept", "the writes of an MSR that all VTLs share", NULL, msr_installed, 1 },
	{ "HvCallInstallIntercept", "other MSRs that all VTLs share stay so", msr_beside, NULL, 0 },
	{ "HvCallInstallIntercept", "the lowest VTL has none below it", lower_installs, NULL, 0 },
	{ 0 },
};
