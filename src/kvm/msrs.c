/* SPDX-License-Identifier: MIT */
/*
 * Which accesses of MSRs KVM leaves to its caller. What KVM refuses a guest is left to it too: of an EOI KVM takes no rubbish in the
 * high half, and guests of Hyper-V write it.
 */
#include "machine.h"
#include "shim_cpuid.h"

#include <string.h>

/* KVM takes 16 ranges, and the first that has an MSR decides. Nearly all MSRs lie in one of these windows. */
enum { RANGES = 16, WINDOW = 0x2000, WINDOWS = 3 };

static const uint32_t window_base[WINDOWS] = { 0, 0xc0000000, 0xc0010000 };

struct draft {
	struct kvm_msr_filter filter;
	unsigned used;
	uint8_t bitmap[WINDOWS][2][WINDOW / 8]; /* for reading and for writing; a clear bit goes to the caller */
	bool taken[WINDOWS][2];
};

static uint8_t none[64]; /* 0x200 MSRs at the most */

static bool add_range(struct draft *draft, uint32_t first, uint32_t count, uint32_t flags, uint8_t *bitmap)
{
	if (draft->used == RANGES)
		return false;
	draft->filter.ranges[draft->used++] = (struct kvm_msr_filter_range){ .flags = flags, .base = first, .nmsrs = count, .bitmap = bitmap };
	return true;
}

/* All of Hyper-V's MSRs but those of the local APIC, EOI, ICR and TPR, and the run time, which nobody else counts. VsmCapabilities
 * has a number far from the others. */
static void take_hyperv(struct draft *draft)
{
	add_range(draft, 0x000d0006, 1, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, none);
	add_range(draft, 0x40000000, 0x10, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, none);
	add_range(draft, 0x40000011, 0x5f, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, none);
	add_range(draft, 0x40000073, 0x18d, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, none);
}

static bool take_one(struct draft *draft, uint32_t msr, bool reads, bool writes)
{
	const bool takes[2] = { reads, writes };

	for (unsigned i = 0; i < WINDOWS; i++) {
		uint32_t at = msr - window_base[i];

		if (at >= WINDOW)
			continue;
		for (unsigned write = 0; write < 2; write++) {
			if (!takes[write])
				continue;
			draft->bitmap[i][write][at / 8] &= (uint8_t)~(1u << at % 8);
			draft->taken[i][write] = true;
		}
		return true;
	}
	return add_range(draft, msr, 1, (reads ? KVM_MSR_FILTER_READ : 0) | (writes ? KVM_MSR_FILTER_WRITE : 0), none);
}

static bool take(struct draft *draft, const struct gabi_kvm_msrs *msrs)
{
	for (uint32_t i = 0; i < msrs->count; i++)
		if (!take_one(draft, msrs->first + i, msrs->reads, msrs->writes))
			return false;
	return true;
}

static bool take_windows(struct draft *draft)
{
	for (unsigned i = 0; i < WINDOWS; i++)
		for (unsigned write = 0; write < 2; write++)
			if (draft->taken[i][write] && !add_range(draft, window_base[i], WINDOW, write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ,
								  draft->bitmap[i][write]))
				return false;
	return true;
}

/* What all trust levels share, and what none of them writes often: each write is made in all of them. TLFS vsm, Shared State. */
static const struct gabi_kvm_msrs common[] = {
	{ .first = 0x200, .count = 0x20, .writes = 1 }, { .first = 0x250, .count = 1, .writes = 1 }, { .first = 0x258, .count = 2, .writes = 1 },
	{ .first = 0x268, .count = 8, .writes = 1 }, { .first = 0x2ff, .count = 1, .writes = 1 }, { .first = 0x17a /* MCG_STATUS */, .count = 1, .writes = 1 },
};

/*
 * What makes KVM write to guest memory by itself, on nobody's behalf: clocks, stolen time, EOI, and asynchronous page faults, of which
 * nothing would tell whose access waits (docs/vsm.md). A guest with trust levels has none of it.
 */
static const struct gabi_kvm_msrs kvms[] = {
	{ .first = 0x11, .count = 2, .reads = 1, .writes = 1 }, { .first = 0x4b564d00, .count = 0x100, .reads = 1, .writes = 1 },
};

/* Under a shim they are not the guest's own; whether the caller wants to see accesses of EFER too is kept apart. */
static bool take_shims(struct level *level, const struct gabi_kvm_msrs *msrs, size_t count, struct draft *draft)
{
	static const uint32_t efer = 0xc0000080;
	size_t shims;
	const struct gabi_kvm_msrs *shim = shim_msrs(level->shim, &shims);
	unsigned wanted = 0;
	bool fits = true;

	for (size_t i = 0; i < count; i++)
		if (efer - msrs[i].first < msrs[i].count)
			wanted |= msrs[i].reads | (unsigned)msrs[i].writes << 1;
	atomic_store(&level->efer_wanted, wanted);
	for (size_t i = 0; fits && i < shims; i++)
		fits = take(draft, &shim[i]);
	return fits;
}

static bool has(const struct gabi_kvm_msrs *list, size_t count, uint32_t msr)
{
	for (size_t i = 0; i < count; i++)
		if (msr - list[i].first < list[i].count)
			return true;
	return false;
}

bool msrs_are_left(uint32_t msr)
{
	static const struct gabi_kvm_msrs left[] = { { .first = 0x40000010, .count = 1 }, { .first = 0x40000070, .count = 3 } }; /* see take_hyperv */

	return has(left, GABI_COUNT_OF(left), msr);
}

bool msrs_are_common(uint32_t msr)
{
	return has(common, GABI_COUNT_OF(common), msr);
}

bool msrs_are_kvms(uint32_t msr)
{
	return has(kvms, GABI_COUNT_OF(kvms), msr);
}

/* Linux arch/x86/kvm/x86.c, __kvm_valid_efer: which a VMM's writes pass by. */
uint64_t msrs_refused_efer(const struct gabi_contract *contract)
{
	enum { LME_LMA = 0x500, NX = 1 << 11, SVME = 1 << 12, FFXSR = 1 << 14, AIBRSE = 1 << 21 };
	static const struct {
		uint32_t bits, leaf;
		uint8_t part, bit;
	} rows[] = {
		{ LME_LMA, 0x80000001, GABI_EDX, 29 }, { NX, 0x80000001, GABI_EDX, 20 }, { SVME, 0x80000001, GABI_ECX, 2 },
		{ FFXSR, 0x80000001, GABI_EDX, 25 }, { AIBRSE, 0x80000021, GABI_EAX, 8 },
	};
	uint64_t refused = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (!(shim_cpuid_promised(contract, rows[i].leaf, rows[i].part) >> rows[i].bit & 1))
			refused |= rows[i].bits;
	return refused;
}

/* Does the caller want one of those that this library sees to by itself? */
static bool wants_shared(const struct gabi_kvm_msrs *msrs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (uint32_t msr = 0; msr < msrs[i].count; msr++)
			if (msrs_are_common(msrs[i].first + msr) || msrs_are_kvms(msrs[i].first + msr))
				return true;
	return false;
}

int msrs_take(const struct gabi_kvm_machine *machine, struct level *level, const struct gabi_kvm_msrs *more, size_t count,
	      struct gabi_diag *diag)
{
	struct kvm_enable_cap exits = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_INVAL } };
	struct draft draft = { .filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	bool fits = true;

	atomic_store(&level->shared_wanted, wants_shared(more, count));
	memset(draft.bitmap, 0xff, sizeof(draft.bitmap));
	if (machine->options.hyperv)
		take_hyperv(&draft);
	for (size_t i = 0; machine->options.vtls > 1 && i < GABI_COUNT_OF(common); i++)
		fits = fits && take(&draft, &common[i]);
	for (size_t i = 0; machine->options.vtls > 1 && i < GABI_COUNT_OF(kvms); i++)
		fits = fits && add_range(&draft, kvms[i].first, kvms[i].count, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, none);
	for (size_t i = 0; i < count; i++)
		fits = fits && take(&draft, &more[i]);
	fits = fits && take_shims(level, more, count, &draft);
	if (!fits || !take_windows(&draft))
		return gabi_fail(diag, GABI_ERR_LIMIT, "KVM cannot leave so many MSRs to the monitor", (char *)NULL);
	if (kvm_ioctl(level->vm->vm, KVM_ENABLE_CAP, &exits) || kvm_ioctl(level->vm->vm, KVM_X86_SET_MSR_FILTER, &draft.filter))
		return kvm_refused(diag, "leave MSRs to the monitor");
	return 0;
}

int gabi_kvm_machine_take_msrs(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_kvm_msrs *msrs, size_t count,
			       struct gabi_diag *diag)
{
	if (vtl >= machine->options.vtls)
		return gabi_fail(diag, GABI_ERR_ARG, "there is no such trust level", (char *)NULL);
	return msrs_take(machine, &machine->level[vtl], msrs, count, diag);
}
