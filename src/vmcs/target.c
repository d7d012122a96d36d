/* SPDX-License-Identifier: MIT */
/* The vCPU that a nested state is to be restored to, as far as its CPUID tells. */
#include <gabi/nested.h>

#include "base/base.h"
#include "vmcs.h"

/* A bit that a guest may set where its CPUID has a feature, from one kernel release on. */
struct permission {
	uint16_t from;
	uint32_t leaf, sub;
	uint8_t reg, feature, bit;
};

/* Linux arch/x86/kvm/x86.h and regs.h, __cr4_reserved_bits() */
static const struct permission cr4_bits[] = {
	{ 510, 0x7, 0, GABI_ECX, 2, 11 },  /* UMIP */
	{ 510, 0x7, 0, GABI_ECX, 16, 12 }, /* LA57 */
	{ 510, 0x1, 0, GABI_ECX, 5, 13 },  /* VMX */
	{ 510, 0x7, 0, GABI_EBX, 0, 16 },  /* FSGSBASE */
	{ 510, 0x1, 0, GABI_ECX, 17, 17 }, /* PCID */
	{ 510, 0x1, 0, GABI_ECX, 26, 18 }, /* XSAVE */
	{ 510, 0x7, 0, GABI_EBX, 7, 20 },  /* SMEP */
	{ 510, 0x7, 0, GABI_EBX, 20, 21 }, /* SMAP */
	{ 510, 0x7, 0, GABI_ECX, 3, 22 },  /* PKU */
	{ 702, 0x7, 0, GABI_ECX, 7, 23 },  /* CET: shadow stacks, or indirect-branch tracking */
	{ 702, 0x7, 0, GABI_EDX, 20, 23 },
	{ 612, 0x7, 1, GABI_EAX, 26, 28 }, /* LAM */
};

/* x86.c, __kvm_valid_efer() and kvm_enable_efer_bits() */
static const struct permission efer_bits[] = {
	{ 510, 0x80000001, 0, GABI_EDX, 29, 8 },  /* long mode: LME and LMA */
	{ 510, 0x80000001, 0, GABI_EDX, 29, 10 },
	{ 510, 0x80000001, 0, GABI_EDX, 20, 11 }, /* NX */
	{ 510, 0x80000001, 0, GABI_ECX, 2, 12 },  /* SVM */
	{ 510, 0x80000001, 0, GABI_EDX, 25, 14 }, /* FXSR_OPT */
	{ 612, 0x80000021, 0, GABI_EAX, 8, 21 },  /* automatic IBRS */
};

#define CR4_ALWAYS UINT64_C(0x7ff)
#define EFER_SCE   UINT64_C(0x1)
#define EFER_LMSLE UINT64_C(0x2000)

typedef uint32_t cpuid_get(const void *ctx, uint32_t leaf, uint32_t sub, unsigned reg);

static bool has(cpuid_get *cpuid, const void *ctx, uint32_t leaf, unsigned reg, unsigned bit)
{
	return cpuid(ctx, leaf, 0, reg) >> bit & 1;
}

static uint64_t permitted(const struct permission *row, size_t count, unsigned release, cpuid_get *cpuid, const void *ctx)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < count; i++)
		if (row[i].from <= release && cpuid(ctx, row[i].leaf, row[i].sub, row[i].reg) >> row[i].feature & 1)
			bits |= UINT64_C(1) << row[i].bit;
	return bits;
}

/* Until 7.2 whoever has SVM may set LMSLE; then not where CPUID says that it must be 0. */
static uint64_t lmsle(unsigned release, cpuid_get *cpuid, const void *ctx)
{
	return release >= 702 && has(cpuid, ctx, 0x80000008, GABI_EBX, 20) ? 0 : EFER_LMSLE;
}

/* pmu_intel.c, intel_pmu_refresh(). Without counters some kernels up to 5.19 forbid none of the bits, and with version 1 some allow none. */
static void fill_perf(struct gabi_nested_target *target, unsigned release, cpuid_get *cpuid, const void *ctx)
{
	uint32_t eax = cpuid(ctx, 0xa, 0, GABI_EAX);
	unsigned version = eax & 0xff, general = eax >> 8 & 0xff, fixed = cpuid(ctx, 0xa, 0, GABI_EDX) & 0x1f;

	target->perf = version < 2 ? 0 : gabi_mask(general < 32 ? general : 32) | gabi_mask(fixed) << 32;
	target->perf_unsure = version == 1 || (!version && release < 600) ? UINT64_MAX : 0;
}

/* SDM vol. 4, IA32_DEBUGCTL. */
#define DEBUGCTL_LBR_BTF         UINT64_C(0x3)
#define DEBUGCTL_BUS_LOCK        UINT64_C(0x4)
#define DEBUGCTL_FREEZE_LBRS     UINT64_C(0x800)
#define DEBUGCTL_FREEZE_IN_SMM   UINT64_C(0x4000)
#define DEBUGCTL_RTM             UINT64_C(0x8000)

/*
 * vmx.c, vmx_get_supported_debugctl() and vmx_is_valid_debugctl(). Before 6.18 only updates of a line brought the check, so that the rest may be
 * taken as well. Freezing LBRs hangs on IA32_PERF_CAPABILITIES and the host's model, and freezing in SMM on a quirk that a VMM may switch off.
 */
static void fill_debugctl(struct gabi_nested_target *target, unsigned release, cpuid_get *cpuid, const void *ctx)
{
	target->debugctl = DEBUGCTL_LBR_BTF | (has(cpuid, ctx, 7, GABI_ECX, 24) ? DEBUGCTL_BUS_LOCK : 0) |
			   (has(cpuid, ctx, 7, GABI_EBX, 11) ? DEBUGCTL_RTM : 0);
	target->debugctl_unsure = DEBUGCTL_FREEZE_IN_SMM | (!target->no_lbr && has(cpuid, ctx, 1, GABI_ECX, 15) ? DEBUGCTL_FREEZE_LBRS : 0);
	if (release < 618)
		target->debugctl_unsure = ~target->debugctl;
}

void gabi_nested_target_cpuid(struct gabi_nested_target *target, cpuid_get *cpuid, const void *ctx)
{
	unsigned release = gabi_release_number(target->release), sizes = cpuid(ctx, 0x80000008, 0, GABI_EAX);
	unsigned phys = sizes & 0xff;

	target->phys_bits = (uint8_t)(!phys ? 36 : phys < 52 ? phys : 52); /* KVM's cpuid_query_maxphyaddr() */
	target->virt_bits = (sizes >> 8 & 0xff) == 57 ? 57 : 48;
	target->lam = release >= 612 && cpuid(ctx, 7, 1, GABI_EAX) >> 26 & 1;
	target->no_vmx = !target->svm && !has(cpuid, ctx, 1, GABI_ECX, 5);
	if (!target->svm) {
		fill_perf(target, release, cpuid, ctx);
		fill_debugctl(target, release, cpuid, ctx);
		target->has_debug = 1;
		return;
	}
	target->npt_off |= release >= 702 && !has(cpuid, ctx, 0x8000000a, GABI_EDX, 0);
	target->cr4 = CR4_ALWAYS | permitted(cr4_bits, GABI_COUNT_OF(cr4_bits), release, cpuid, ctx);
	target->efer = EFER_SCE | permitted(efer_bits, GABI_COUNT_OF(efer_bits), release, cpuid, ctx) | lmsle(release, cpuid, ctx);
}
