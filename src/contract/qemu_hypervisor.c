/* SPDX-License-Identifier: MIT */
/* Leaves 0x40000000 and on: Hyper-V's where a flag asks for one of them, and KVM's, there or behind. */
#include "contract/qemu.h"

#include <gabi/vocab.h>

#include <string.h>

#define HV(leaf, part) GABI_SPACE_HYPERV, 0x40000000u + (leaf), 0, part

/* TLFS 2.4. */
#define HV_HYPERCALL         (1u << 5)  /* 3 EAX */
#define HV_SYNIC             (1u << 2)  /* 3 EAX */
#define HV_VAPIC             (1u << 4)  /* 3 EAX */
#define HV_MESSAGES_EVENTS   (3u << 4)  /* 3 EBX: post messages, signal events */
#define HV_DYNAMIC_PARTITION (1u << 3)  /* 3 EDX */
#define HV_SYNDBG            (1u << 11) /* 3 EDX */
#define HV_TLB_FLUSH         (1u << 2)  /* 4 EAX */
#define HV_CLUSTER_IPI       (1u << 10) /* 4 EAX */
#define HV_EX_MASKS          (1u << 11) /* 4 EAX: extended processor masks */
#define HV_APIC_RECOMMENDED  (1u << 3)  /* 4 EAX */
#define HV_AVIC              (1u << 9)  /* 4 EAX: deprecate auto-EOI */
#define HV_EVMCS             (1u << 14) /* 4 EAX */
#define HV_NO_CORESHARING    (1u << 18) /* 4 EAX */
#define HV_EVMCS_VERSION     0x0101u    /* 0xA EAX */

/* ---- what KVM offers ---- */

static uint64_t offered(const struct gabi_qemu_guest *guest, const struct gabi_key *key)
{
	bool by_system = gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_SYS_HYPERV_CPUID, 0, 0);
	uint64_t value = gabi_host_value(guest->host, by_system ? GABI_SPACE_HYPERV_SYSTEM : GABI_SPACE_HYPERV, key->index, 0,
					 key->part);

	if (!by_system && key->index == 0x40000004 && key->part == GABI_EAX &&
	    gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_ENLIGHTENED_VMCS, 0, 0))
		value |= HV_EVMCS;
	return value;
}

/* A flag's bits are in these words; the rest of Hyper-V's leaves are numbers, which QEMU makes up. */
static bool is_of_flags(const struct gabi_key *key)
{
	if (key->space != GABI_SPACE_HYPERV)
		return false;
	return key->index == 0x40000003 || (key->index == 0x40000004 && key->part == GABI_EAX) || key->index == 0x4000000a;
}

static const char *name_of(const struct gabi_key *key, uint64_t bits)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	for (size_t i = 0; i < count; i++)
		if (bits >> field[i].lo & 1)
			return field[i].name;
	return "a Hyper-V flag";
}

#define HV_CORESHARING_IS_NO_FLAG(key, bits) \
	((key)->index == 0x40000004 ? (bits) & ~(uint64_t)HV_NO_CORESHARING : (bits))

/* What QEMU wants of the kernel beside the bits. */
static int check_capabilities(struct gabi_qemu_guest *guest)
{
	uint64_t features = gabi_guest_get(guest, HV(3, GABI_EAX));

	if (features >> 6 & 1 && !gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_VP_INDEX, 0, 0))
		return gabi_guest_refuse(guest,
					 "hv-vpindex wants a kernel that lets the VP index be set, and the host's does not",
					 (char *)NULL);
	if (features & HV_SYNIC && !gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_SYNIC2, 0, 0))
		return gabi_guest_refuse(guest, "hv-synic wants KVM_CAP_HYPERV_SYNIC2, which the host's kernel lacks",
					 (char *)NULL);
	return 0;
}

/* The flags of the argument, or all that the kernel has with hv-passthrough; true in *ret_any where there is one. */
static int take_flags(struct gabi_qemu_guest *guest, bool *ret_any)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(guest->cpu, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		const struct gabi_key *key = &word[i].key;
		uint64_t missing;

		if (key->space == GABI_SPACE_HYPERV && key->index == 0x40000004 && key->part == GABI_EBX)
			*ret_any = true; /* hv-spinlocks */
		if (!is_of_flags(key) || !word[i].value)
			continue;
		*ret_any = true;
		missing = HV_CORESHARING_IS_NO_FLAG(key, word[i].value & ~offered(guest, key));
		if (missing)
			return gabi_guest_refuse(guest, name_of(key, missing), " is not supported by the host's kernel",
						 (char *)NULL);
		err = gabi_words_add(&guest->words, &guest->mem, &word[i]);
	}
	return err;
}

static int pass_through(struct gabi_qemu_guest *guest)
{
	static const struct gabi_key keys[] = {
		{ .space = GABI_SPACE_HYPERV, .part = GABI_EAX, .index = 0x40000003 },
		{ .space = GABI_SPACE_HYPERV, .part = GABI_EDX, .index = 0x40000003 },
		{ .space = GABI_SPACE_HYPERV, .part = GABI_EAX, .index = 0x40000004 },
		{ .space = GABI_SPACE_HYPERV, .part = GABI_EAX, .index = 0x4000000a },
	};
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(keys); i++) {
		size_t count;
		const struct gabi_field *field = gabi_fields_of(&keys[i], &count);
		uint64_t flags = 0;

		for (size_t n = 0; n < count; n++)
			if (!strncmp(field[n].source, "QEMU", 4) || strstr(field[n].aliases, "qemu:"))
				flags |= gabi_mask(field[n].bits) << field[n].lo;
		if (keys[i].index == 0x40000003 && keys[i].part == GABI_EDX && gabi_qemu_is_new(guest->line))
			flags &= ~(uint64_t)HV_SYNDBG; /* QEMU 8.1 */
		err = gabi_guest_or(guest, GABI_SPACE_HYPERV, keys[i].index, 0, keys[i].part, offered(guest, &keys[i]) & flags);
	}
	return err;
}

/* ---- the numbers ---- */

/* A short name leaves the words behind it empty. */
static bool has_own_vendor(const struct gabi_qemu_guest *guest)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(guest->cpu, &count);

	for (size_t i = 0; i < count; i++)
		if (word[i].key.space == GABI_SPACE_HYPERV && word[i].key.index == 0x40000000)
			return true;
	return false;
}

/* A number of the argument, else the host's with hv-passthrough, else what QEMU has. */
static int set_number(struct gabi_qemu_guest *guest, uint32_t leaf, unsigned part, uint64_t usual, bool passes)
{
	const struct gabi_key key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)part, .index = 0x40000000u + leaf };
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(guest->cpu, &count);
	uint64_t value = passes ? offered(guest, &key) : usual;

	for (size_t i = 0; !passes && i < count; i++)
		if (!gabi_key_compare(&word[i].key, &key))
			value = word[i].value;
	return gabi_guest_set(guest, HV(leaf, part), value);
}

static int set_numbers(struct gabi_qemu_guest *guest, bool passes)
{
	static const struct {
		uint32_t leaf;
		unsigned part;
		uint64_t usual;
	} rows[] = {
		{ 0, GABI_EBX, 0x7263694d }, { 0, GABI_ECX, 0x666f736f }, { 0, GABI_EDX, 0x76482074 }, /* "Microsoft Hv" */
		{ 1, GABI_EAX, 0x31237648 },                                                           /* "Hv#1" */
		{ 2, GABI_EAX, 0 }, { 2, GABI_EBX, 0 }, { 2, GABI_ECX, 0 }, { 2, GABI_EDX, 0 },
		{ 4, GABI_EBX, 0xffffffff }, /* never told to give up a spin lock */
		{ 5, GABI_EAX, 0xffffffff }, { 5, GABI_EBX, 64 }, { 5, GABI_ECX, 0 }, { 5, GABI_EDX, 0 },
	};
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(rows); i++)
		err = set_number(guest, rows[i].leaf, rows[i].part, !rows[i].leaf && has_own_vendor(guest) ? 0 : rows[i].usual,
				 passes);
	return err;
}

static int set_additions(struct gabi_qemu_guest *guest)
{
	uint64_t features = gabi_guest_get(guest, HV(3, GABI_EAX)), advice = gabi_guest_get(guest, HV(4, GABI_EAX));
	const char *coresharing = gabi_cpu_option(guest->cpu, "hv-no-nonarch-coresharing");
	const struct gabi_key key = { .space = GABI_SPACE_HYPERV, .part = GABI_EAX, .index = 0x40000004 };
	int err = gabi_guest_set(guest, HV(3, GABI_EAX), features | HV_HYPERCALL);

	if (!err && features & HV_SYNIC)
		err = gabi_guest_or(guest, HV(3, GABI_EBX), HV_MESSAGES_EVENTS);
	if (!err)
		err = gabi_guest_or(guest, HV(3, GABI_EDX), HV_DYNAMIC_PARTITION);
	if (advice & (HV_TLB_FLUSH | HV_CLUSTER_IPI))
		advice |= HV_EX_MASKS; /* one bit of two flags, which is nobody's name */
	if (features & HV_VAPIC && !(advice & HV_AVIC))
		advice |= HV_APIC_RECOMMENDED;
	advice &= ~(uint64_t)HV_NO_CORESHARING;
	if (coresharing && !strcmp(coresharing, "on"))
		advice |= HV_NO_CORESHARING;
	else if (coresharing && !strcmp(coresharing, "auto"))
		advice |= offered(guest, &key) & HV_NO_CORESHARING;
	return err ? err : gabi_guest_set(guest, HV(4, GABI_EAX), advice);
}

static int set_nested(struct gabi_qemu_guest *guest)
{
	int err;

	if (!(gabi_guest_get(guest, HV(4, GABI_EAX)) & HV_EVMCS))
		return 0;
	err = gabi_guest_or(guest, HV(0xa, GABI_EAX), HV_EVMCS_VERSION);
	return err ? err : gabi_guest_set(guest, GABI_SPACE_VM, GABI_VM_EVMCS_VERSION, 0, 0, HV_EVMCS_VERSION);
}

static int set_debugger(struct gabi_qemu_guest *guest)
{
	static const uint32_t vendor[4] = { 0, 0x7263694d, 0x666f736f, 0x53562074 }, interface[4] = { 0x31235356 },
			      caps[4] = { 2 };
	int err;

	if (!(gabi_guest_get(guest, HV(3, GABI_EDX)) & HV_SYNDBG))
		return 0;
	err = gabi_guest_set_leaf(guest, GABI_SPACE_HYPERV, 0x40000080, 0, vendor); /* "Microsoft VS" */
	if (!err)
		err = gabi_guest_set_leaf(guest, GABI_SPACE_HYPERV, 0x40000081, 0, interface); /* "VS#1" */
	return err ? err : gabi_guest_set_leaf(guest, GABI_SPACE_HYPERV, 0x40000082, 0, caps);
}

static int set_hyperv(struct gabi_qemu_guest *guest, bool *ret_any)
{
	bool passes = gabi_guest_is_set(guest, "hv-passthrough", false);
	uint64_t last;
	int err = 0;

	*ret_any = passes;
	if (!gabi_host_value(guest->host, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV, 0, 0)) {
		*ret_any = false;
		return 0;
	}
	err = passes ? pass_through(guest) : take_flags(guest, ret_any);
	if (err || !*ret_any)
		return err;
	err = check_capabilities(guest);
	if (!err)
		err = set_numbers(guest, passes);
	if (!err)
		err = set_additions(guest);
	if (!err)
		err = set_nested(guest);
	if (!err)
		err = set_debugger(guest);
	last = gabi_guest_get(guest, HV(3, GABI_EDX)) & HV_SYNDBG ? 0x40000082
	       : gabi_guest_get(guest, HV(0xa, GABI_EAX))         ? 0x4000000a
								  : 0x40000005;
	return err ? err : gabi_guest_set(guest, HV(0, GABI_EAX), last);
}

/* ---- KVM's ---- */

/* A TSC whose frequency is known and stays: leaf 0x40000010 tells it, and that of the APIC's timer. */
static int set_frequencies(struct gabi_qemu_guest *guest)
{
	uint64_t khz = gabi_guest_get(guest, GABI_SPACE_VM, GABI_VM_TSC_KHZ, 0, 0);
	bool known = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000007, 0, GABI_EDX) >> 8 & 1 || gabi_guest_frequency(guest);
	int err;

	if (!khz || !known || !gabi_guest_is_set(guest, "vmware-cpuid-freq", true))
		return 0;
	err = gabi_guest_set(guest, GABI_SPACE_KVM, 0x40000010, 0, GABI_EAX, khz);
	if (!err)
		err = gabi_guest_set(guest, GABI_SPACE_KVM, 0x40000010, 0, GABI_EBX, 1000000);
	return err ? err : gabi_guest_set(guest, GABI_SPACE_KVM, 0x40000000, 0, GABI_EAX, 0x40000010);
}

static int set_kvm(struct gabi_qemu_guest *guest, uint32_t base)
{
	const uint32_t reg[4] = { base + 1, 0x4b4d564b, 0x564b4d56, 0x4d }; /* "KVMKVMKVM" */
	int err = gabi_guest_set_leaf(guest, GABI_SPACE_KVM, 0x40000000, 0, reg);

	if (!err)
		err = gabi_guest_set(guest, GABI_SPACE_VM, GABI_VM_KVM_LEAF_BASE, 0, 0, base);
	return err || base != 0x40000000 ? err : set_frequencies(guest);
}

static void drop_space(struct gabi_words *words, unsigned space)
{
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++)
		if (words->at[i].key.space != space)
			words->at[kept++] = words->at[i];
	words->count = kept;
}

int gabi_guest_hypervisor(struct gabi_qemu_guest *guest)
{
	bool hyperv = false;
	int err = set_hyperv(guest, &hyperv);

	if (err)
		return err;
	if (gabi_guest_is_set(guest, "kvm", true))
		return set_kvm(guest, hyperv ? 0x40000100 : 0x40000000);
	drop_space(&guest->words, GABI_SPACE_KVM);
	return 0;
}
