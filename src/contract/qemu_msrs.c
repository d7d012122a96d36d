/* SPDX-License-Identifier: MIT */
/* Feature MSRs as QEMU sets them (kvm_init_msrs), the rest as KVM starts them, and the TSC. */
#include "contract/qemu.h"

#include <gabi/vocab.h>

#include "contract/pin.h"

#define ARCH_CAPABILITIES 0x10a
#define CORE_CAPABILITY   0xcf
#define PERF_CAPABILITIES 0x345
#define UCODE_REV         0x8b
#define VMX_BASIC         0x480
#define VMX_MISC          0x485
#define VMX_CR4_FIXED1    0x489
#define VMX_VMCS_ENUM     0x48a
#define VMX_PROCBASED2    0x48b
#define VMX_EPT_VPID      0x48c
#define VMX_VMFUNC        0x491

static uint64_t msr(const struct gabi_qemu_guest *guest, uint32_t index)
{
	return gabi_guest_get(guest, GABI_SPACE_MSR, index, 0, 0);
}

static int set_msr(struct gabi_qemu_guest *guest, uint32_t index, uint64_t value)
{
	return gabi_guest_set(guest, GABI_SPACE_MSR, index, 0, 0, value);
}

static uint64_t host_msr(const struct gabi_qemu_guest *guest, uint32_t index)
{
	return gabi_host_value(guest->host, GABI_SPACE_MSR, index, 0, 0);
}

/* Is it one of the feature MSRs that KVM lists? */
static bool has_msr(const struct gabi_qemu_guest *guest, uint32_t index)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = index };

	return gabi_host_find(guest->host, &key);
}

static bool sets_ucode(const struct gabi_qemu_guest *guest)
{
	return has_msr(guest, UCODE_REV);
}

static int set_plain(struct gabi_qemu_guest *guest)
{
	uint64_t usual = guest->amd ? 0x01000065 : 0x100000000ull, own = gabi_guest_number(guest, "ucode-rev", 0);
	int err = 0;

	if (gabi_cpu_takes_host(guest->cpu))
		usual = host_msr(guest, UCODE_REV);
	if (sets_ucode(guest))
		err = set_msr(guest, UCODE_REV, own ? own : usual);
	if (!err && guest->pmu)
		return set_msr(guest, PERF_CAPABILITIES, msr(guest, PERF_CAPABILITIES) & host_msr(guest, PERF_CAPABILITIES));
	return err ? err
		   : set_msr(guest, PERF_CAPABILITIES,
			     gabi_host_value(guest->host, GABI_SPACE_MSR_DEFAULT, PERF_CAPABILITIES, 0, 0));
}

/* ---- VMX ---- */

/* What must be 1 where nothing else is said (SDM, appendix A.2 to A.5), and where what QEMU sets is seen once more. */
static const struct control {
	uint32_t index, plain; /* the TRUE control, and the one without that name */
	uint32_t default1;
} controls[] = {
	{ 0x48d, 0x481, 0x00000016 },
	{ 0x48e, 0x482, 0x0401e172 },
	{ 0x48f, 0x483, 0x00036dff },
	{ 0x490, 0x484, 0x000011ff },
};

/* QEMU's make_vmx_msr_value: what has a name may be 0 or 1; the rest is as default1 says. */
static uint64_t control_value(uint64_t features, uint32_t default1)
{
	uint32_t may_be_1 = (uint32_t)(features >> 32) | default1, must_be_1 = default1 & ~(uint32_t)(features >> 32);

	return (uint64_t)may_be_1 << 32 | must_be_1;
}

static int set_controls(struct gabi_qemu_guest *guest)
{
	bool long_mode = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EDX) >> 29 & 1;
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(controls); i++) {
		uint64_t value = control_value(msr(guest, controls[i].index), controls[i].default1);

		if (controls[i].index == 0x48f && long_mode)
			value |= 1ull << 41; /* the host's address space may be of 64 bits */
		err = set_msr(guest, controls[i].index, value);
		if (!err)
			err = set_msr(guest, controls[i].plain, value | controls[i].default1);
	}
	return err ? err : set_msr(guest, VMX_PROCBASED2, control_value(msr(guest, VMX_PROCBASED2), 0));
}

static const struct {
	unsigned bit;
	struct gabi_key key;
	uint64_t mask;
} cr4_bits[] = {
#define GABI_QEMU_CR4_ROW(number, leaf, subleaf, reg, of) \
	{ number, { .space = GABI_SPACE_CPUID, .part = reg, .sub = subleaf, .index = leaf }, of },
#include <models/qemu_host.def>
};

static int set_fixed(struct gabi_qemu_guest *guest)
{
	uint64_t cr4 = 1u << 8; /* PCE needs nothing */
	int err;

	for (size_t i = 0; i < GABI_COUNT_OF(cr4_bits); i++) {
		const struct gabi_key *key = &cr4_bits[i].key;

		if (gabi_guest_get(guest, key->space, key->index, key->sub, key->part) & cr4_bits[i].mask)
			cr4 |= 1ull << cr4_bits[i].bit;
	}
	err = set_msr(guest, 0x486, 0x80000021); /* CR0: PE, NE, PG */
	if (!err)
		err = set_msr(guest, 0x487, 0xffffffff);
	if (!err)
		err = set_msr(guest, 0x488, 1u << 13); /* CR4: VMXE */
	return err ? err : set_msr(guest, VMX_CR4_FIXED1, cr4);
}

/* The highest field of a VMCS, as QEMU tells it. */
static uint64_t vmcs_enum(const struct gabi_qemu_guest *guest)
{
	if (gabi_qemu_is_new(guest->line)) {
		if (gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 1, GABI_EAX) >> 17 & 1)
			return 0x52; /* fred */
		if (msr(guest, 0x48f) >> 63)
			return 0x44; /* secondary exit controls */
	}
	return msr(guest, VMX_PROCBASED2) >> (32 + 25) & 1 ? 0x32 : 0x2e; /* TSC multiplier, else the preemption timer */
}

static int drop_vmx(struct gabi_qemu_guest *guest)
{
	size_t kept = 0;

	for (size_t i = 0; i < guest->words.count; i++) {
		const struct gabi_key *key = &guest->words.at[i].key;

		if (key->space != GABI_SPACE_MSR || key->index < VMX_BASIC || key->index > VMX_VMFUNC)
			guest->words.at[kept++] = guest->words.at[i];
	}
	guest->words.count = kept;
	return 0;
}

static int set_vmx(struct gabi_qemu_guest *guest)
{
	bool ept = msr(guest, VMX_PROCBASED2) >> (32 + 1) & 1;
	int err;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_ECX) >> 5 & 1) || !host_msr(guest, VMX_BASIC))
		return drop_vmx(guest);
	err = set_controls(guest);
	/* Of these QEMU gives names to some bits and passes the host's others. */
	if (!err)
		err = set_msr(guest, VMX_BASIC, msr(guest, VMX_BASIC) | (host_msr(guest, VMX_BASIC) & 0x003c1fff7fffffffull));
	if (!err)
		err = set_msr(guest, VMX_MISC, msr(guest, VMX_MISC) | (host_msr(guest, VMX_MISC) & 0x0e00001f));
	if (!err)
		err = set_msr(guest, VMX_EPT_VPID,
			      msr(guest, VMX_EPT_VPID) | (ept ? host_msr(guest, VMX_EPT_VPID) & 0x4100 : 0));
	if (!err)
		err = set_msr(guest, VMX_VMCS_ENUM, vmcs_enum(guest));
	return err ? err : set_fixed(guest);
}

/* ---- the TSC ---- */

/* KVM_SET_TSC_KHZ takes what lies within 250 ppm of the host's, or anything where the hardware scales. */
static int set_tsc(struct gabi_qemu_guest *guest)
{
	uint64_t hz = gabi_guest_frequency(guest), khz = hz / 1000;
	uint64_t host = gabi_host_value(guest->host, GABI_SPACE_VM, GABI_VM_TSC_KHZ, 0, 0);
	uint64_t distance = khz > host ? khz - host : host - khz;

	if (!hz)
		return 0;
	if (distance * 4000 > host && !gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_TSC_CONTROL, 0, 0))
		return gabi_guest_refuse(guest,
					 "the host's TSC has another frequency than tsc-freq asks for, and cannot be scaled",
					 (char *)NULL);
	return gabi_guest_set(guest, GABI_SPACE_VM, GABI_VM_TSC_KHZ, 0, 0, khz);
}

/* ---- what QEMU leaves to KVM ---- */

static bool is_set_by_qemu(uint64_t index)
{
	return index == ARCH_CAPABILITIES || index == CORE_CAPABILITY || index == PERF_CAPABILITIES || index == UCODE_REV ||
	       (index >= VMX_BASIC && index <= VMX_VMFUNC);
}

static int take_rest(struct gabi_qemu_guest *guest)
{
	struct gabi_words all = { 0 };
	int err = gabi_host_promises(guest->host, &guest->mem, &all);

	for (size_t i = 0; !err && i < all.count; i++) {
		struct gabi_word word = all.at[i];

		if (word.key.space == GABI_SPACE_CPUID || word.key.space == GABI_SPACE_KVM ||
		    word.key.space == GABI_SPACE_HYPERV)
			continue;
		if (word.key.space == GABI_SPACE_MSR) {
			const struct gabi_key start = { .space = GABI_SPACE_MSR_DEFAULT, .index = word.key.index };
			const struct gabi_word *own = gabi_host_find(guest->host, &start);

			if (is_set_by_qemu(word.key.index))
				continue;
			word.value = gabi_word_promised(&word.key, own ? own->value : word.value);
		}
		if (word.key.space == GABI_SPACE_VM && word.key.index == GABI_VM_EVMCS_VERSION)
			continue;
		err = gabi_words_add(&guest->words, &guest->mem, &word);
	}
	gabi_words_free(&all, &guest->mem);
	return err;
}

int gabi_guest_msrs(struct gabi_qemu_guest *guest)
{
	int err = take_rest(guest);

	if (!err)
		err = set_plain(guest);
	if (!err)
		err = set_vmx(guest);
	return err ? err : set_tsc(guest);
}
