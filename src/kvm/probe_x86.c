/* SPDX-License-Identifier: MIT */
/*
 * The x86 probe.
 *
 * One scratch VM with an in-kernel local APIC and one virtual processor that is never run. What is read first is what KVM
 * says unasked; then the guest CPUID is set to all that KVM supports, since from Linux 6.13 an MSR whose feature the guest
 * does not have reads 0; then bits are tried; eVMCS, which changes what is read, is switched on last.
 */
#include "probe.h"

#include "machine_x86.h"
#include "uapi.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

const enum gabi_arch probe_arch = GABI_ARCH_X86;

#ifndef KVM_X86_XCOMP_GUEST_SUPP
#define KVM_X86_XCOMP_GUEST_SUPP 0
#endif

enum {
	LEAF_KVM = 0x40000000,
	LEAF_KVM_END = 0x40010000,
	ENTRIES_MAX = 4096, /* far beyond any kernel's table: where growing a buffer ends */
	MSRS_AT_ONCE = 256, /* arch/x86/kvm/x86.c MAX_IO_MSRS */
	CPUID_1_ECX_VMX = 1u << 5,
	CPUID_80000001_ECX_SVM = 1u << 2,
};

struct x86 {
	struct probe *probe;
	int vm, vcpu;
	struct kvm_cpuid2 *cpuid; /* KVM_GET_SUPPORTED_CPUID */
	struct kvm_msr_list *features, *state;
};

/* ---- CPUID ---- */

static int add_entry(struct probe *probe, unsigned space, const struct kvm_cpuid_entry2 *entry)
{
	const uint32_t value[] = { entry->eax, entry->ebx, entry->ecx, entry->edx };

	for (unsigned reg = GABI_EAX; reg <= GABI_EDX; reg++) {
		struct gabi_key key = {
			.space = (uint16_t)space,
			.part = (uint16_t)reg,
			.sub = entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? entry->index : 0,
			.index = entry->function,
		};
		int err = probe_add(probe, &key, 32, value[reg], PROBE_ALL_ONES, 0);

		if (err)
			return err;
	}
	return 0;
}

/* Reads a table of CPUID entries. *ret_table is NULL where this kernel has no such ioctl. */
static int read_cpuid(struct probe *probe, int fd, unsigned long request, struct kvm_cpuid2 **ret_table)
{
	*ret_table = NULL;
	for (uint32_t room = 128; room <= ENTRIES_MAX; room *= 2) {
		struct kvm_cpuid2 *table = gabi_mem_get(&probe->mem, sizeof(*table) + room * sizeof(table->entries[0]));

		if (!table)
			return gabi_fail(probe->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		table->nent = room;
		if (!kvm_ioctl(fd, request, table)) {
			for (uint32_t i = 0; i < table->nent; i++)
				machine_set_processor(&table->entries[i], 0);
			*ret_table = table;
			return 0;
		}
		gabi_mem_put(&probe->mem, table);
		if (errno != E2BIG)
			return 0;
	}
	return 0;
}

/* The space that an entry belongs to when it was read for `space`: KVM's own leaves stand among the CPU's. */
static unsigned space_of(unsigned space, const struct kvm_cpuid_entry2 *entry)
{
	bool kvm = space == GABI_SPACE_CPUID && entry->function >= LEAF_KVM && entry->function < LEAF_KVM_END;

	return kvm ? GABI_SPACE_KVM : space;
}

static int add_table(struct probe *probe, unsigned space, const struct kvm_cpuid2 *table)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < table->nent; i++)
		err = add_entry(probe, space_of(space, &table->entries[i]), &table->entries[i]);
	return err ? err : gabi_host_cover(probe->host, space);
}

/* Reads a table and adds it; where the kernel has none the space stays unknown. */
static int probe_table(struct probe *probe, int fd, unsigned long request, unsigned space)
{
	struct kvm_cpuid2 *table;
	int err = read_cpuid(probe, fd, request, &table);

	if (!err && table)
		err = add_table(probe, space, table);
	gabi_mem_put(&probe->mem, table);
	return err;
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *table, uint32_t leaf, uint32_t sub)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == leaf && table->entries[i].index == sub)
			return &table->entries[i];
	return NULL;
}

static int probe_cpuid(struct x86 *x86)
{
	struct probe *probe = x86->probe;
	int err = read_cpuid(probe, probe->kvm, KVM_GET_SUPPORTED_CPUID, &x86->cpuid);

	if (!err && !x86->cpuid)
		return kvm_refused(probe->diag, "say which CPUID it supports");
	if (!err)
		err = add_table(probe, GABI_SPACE_CPUID, x86->cpuid);
	if (!err)
		err = gabi_host_cover(probe->host, GABI_SPACE_KVM);
	if (!err)
		err = probe_table(probe, probe->kvm, KVM_GET_EMULATED_CPUID, GABI_SPACE_CPUID_EMULATED);
	if (!err && kvm_ioctl(x86->vcpu, KVM_SET_CPUID2, x86->cpuid))
		err = kvm_refused(probe->diag, "give a virtual processor the CPUID that it supports");
	return err;
}

/* ---- Hyper-V ---- */

static int probe_hyperv(struct x86 *x86)
{
	struct probe *probe = x86->probe;
	int err = probe_table(probe, x86->vcpu, KVM_GET_SUPPORTED_HV_CPUID, GABI_SPACE_HYPERV);

	if (!err && kvm_cap(probe->kvm, KVM_CAP_SYS_HYPERV_CPUID))
		err = probe_table(probe, probe->kvm, KVM_GET_SUPPORTED_HV_CPUID, GABI_SPACE_HYPERV_SYSTEM);
	return err;
}

/* A host without eVMCS has none of its leaves: that much is known, so the space is covered all the same. */
static int probe_evmcs(struct x86 *x86)
{
	uint16_t version = 0;
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_HYPERV_ENLIGHTENED_VMCS,
		.args = { (uintptr_t)&version },
	};
	struct probe *probe = x86->probe;
	int err;

	if (!kvm_cap(x86->vm, KVM_CAP_HYPERV_ENLIGHTENED_VMCS) || kvm_ioctl(x86->vcpu, KVM_ENABLE_CAP, &enable))
		return gabi_host_cover(probe->host, GABI_SPACE_HYPERV_EVMCS);
	err = probe_add_vm(probe, PROBE_VM_EVMCS_VERSION, version, 0);
	return err ? err : probe_table(probe, x86->vcpu, KVM_GET_SUPPORTED_HV_CPUID, GABI_SPACE_HYPERV_EVMCS);
}

/* ---- MSRs ---- */

/* Time: present, but never twice the same. The TSC frequency too, which the row tsc-khz has already. */
static const uint32_t running[] = {
	0x00000010, /* IA32_TIME_STAMP_COUNTER */
	0x40000010, /* HV_X64_MSR_VP_RUNTIME */
	0x40000020, /* HV_X64_MSR_TIME_REF_COUNT */
	0x40000022, /* HV_X64_MSR_TSC_FREQUENCY */
};

static bool is_running(uint32_t msr)
{
	for (size_t i = 0; i < GABI_COUNT_OF(running); i++)
		if (running[i] == msr)
			return true;
	return false;
}

/* Reads a list of MSR numbers, NULL where this kernel has no such ioctl. */
static int read_msr_list(struct probe *probe, unsigned long request, struct kvm_msr_list **ret_list)
{
	struct kvm_msr_list count = { 0 }, *list;

	*ret_list = NULL;
	if (!kvm_ioctl(probe->kvm, request, &count) || errno != E2BIG || count.nmsrs > ENTRIES_MAX)
		return 0;
	list = gabi_mem_get(&probe->mem, sizeof(*list) + count.nmsrs * sizeof(list->indices[0]));
	if (!list)
		return gabi_fail(probe->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	list->nmsrs = count.nmsrs;
	if (kvm_ioctl(probe->kvm, request, list)) {
		gabi_mem_put(&probe->mem, list);
		return 0;
	}
	*ret_list = list;
	return 0;
}

static bool in_list(const struct kvm_msr_list *list, uint32_t msr)
{
	for (uint32_t i = 0; list && i < list->nmsrs; i++)
		if (list->indices[i] == msr)
			return true;
	return false;
}

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[MSRS_AT_ONCE];
};

static int one_msr(int fd, unsigned long request, uint32_t msr, uint64_t *value)
{
	union {
		struct kvm_msrs head;
		char bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} call = { .head = { .nmsrs = 1 } };
	struct kvm_msr_entry *entry = (void *)(call.bytes + sizeof(struct kvm_msrs));

	*entry = (struct kvm_msr_entry){ .index = msr, .data = *value };
	if (kvm_ioctl(fd, request, &call) != 1)
		return -1;
	*value = entry->data;
	return 0;
}

/* The bits of an MSR that KVM lets one change from what a virtual processor starts with: each is set, read back and
 * undone by itself. */
static uint64_t settable_bits(int vcpu, uint32_t msr)
{
	uint64_t before = 0, settable = 0;

	if (one_msr(vcpu, KVM_GET_MSRS, msr, &before))
		return 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t wanted = before ^ (uint64_t)1 << bit, seen = 0, again = before;

		if (one_msr(vcpu, KVM_SET_MSRS, msr, &wanted))
			continue;
		if (!one_msr(vcpu, KVM_GET_MSRS, msr, &seen))
			settable |= (seen ^ before) & (uint64_t)1 << bit;
		one_msr(vcpu, KVM_SET_MSRS, msr, &again);
	}
	return settable;
}

/* Calls add for each MSR of a list with its value; what is listed but cannot be read is passed over. */
static int each_msr(struct x86 *x86, int fd, const struct kvm_msr_list *list,
		    int (*add)(struct x86 *x86, uint32_t msr, uint64_t value))
{
	struct msrs *msrs = gabi_mem_get(&x86->probe->mem, sizeof(*msrs));
	int err = 0;

	if (!msrs)
		return gabi_fail(x86->probe->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	for (uint32_t at = 0; !err && at < list->nmsrs;) {
		uint32_t count = list->nmsrs - at < MSRS_AT_ONCE ? list->nmsrs - at : MSRS_AT_ONCE;
		int done;

		msrs->head.nmsrs = count;
		for (uint32_t i = 0; i < count; i++)
			msrs->entries[i] = (struct kvm_msr_entry){ .index = list->indices[at + i] };
		done = kvm_ioctl(fd, KVM_GET_MSRS, msrs);
		for (int i = 0; !err && i < done; i++)
			err = add(x86, msrs->entries[i].index, msrs->entries[i].data);
		at += done < 0 ? 1 : (uint32_t)done + ((uint32_t)done < count);
	}
	gabi_mem_put(&x86->probe->mem, msrs);
	return err;
}

static int add_feature(struct x86 *x86, uint32_t msr, uint64_t value)
{
	struct gabi_key key = { .space = GABI_SPACE_MSR, .index = msr };

	return probe_add(x86->probe, &key, 64, value, settable_bits(x86->vcpu, msr), 0);
}

static int add_default(struct x86 *x86, uint32_t msr, uint64_t value)
{
	struct gabi_key key = { .space = GABI_SPACE_MSR_DEFAULT, .index = msr };

	return is_running(msr) ? 0 : probe_add(x86->probe, &key, 64, value, PROBE_ALL_ONES, 0);
}

/* Feature MSRs that are not state too: the others have been read by then. */
static int add_default_feature(struct x86 *x86, uint32_t msr, uint64_t value)
{
	return in_list(x86->state, msr) ? 0 : add_default(x86, msr, value);
}

static int add_state(struct x86 *x86)
{
	for (uint32_t i = 0; i < x86->state->nmsrs; i++) {
		struct gabi_key key = { .space = GABI_SPACE_MSR_STATE, .index = x86->state->indices[i] };
		int err = probe_add(x86->probe, &key, 1, 1, 1, 0);

		if (err)
			return err;
	}
	return gabi_host_cover(x86->probe->host, GABI_SPACE_MSR_STATE);
}

static int probe_msrs(struct x86 *x86)
{
	struct probe *probe = x86->probe;
	int err = read_msr_list(probe, KVM_GET_MSR_INDEX_LIST, &x86->state);

	if (!err)
		err = read_msr_list(probe, KVM_GET_MSR_FEATURE_INDEX_LIST, &x86->features);
	if (!err && x86->state) {
		err = add_state(x86);
		if (!err)
			err = each_msr(x86, x86->vcpu, x86->state, add_default);
		if (!err && x86->features)
			err = each_msr(x86, x86->vcpu, x86->features, add_default_feature);
		if (!err)
			err = gabi_host_cover(probe->host, GABI_SPACE_MSR_DEFAULT);
	}
	if (!err && x86->features) {
		err = each_msr(x86, probe->kvm, x86->features, add_feature);
		if (!err)
			err = gabi_host_cover(probe->host, GABI_SPACE_MSR);
	}
	return err;
}

/* ---- what has no register ---- */

struct value {
	uint64_t value, settable;
};

static bool tsc_khz(const struct x86 *x86, struct value *ret)
{
	int khz = ioctl(x86->vcpu, KVM_GET_TSC_KHZ, 0);

	ret->value = khz > 0 ? (uint64_t)khz : 0;
	ret->settable = kvm_cap(x86->vm, KVM_CAP_TSC_CONTROL) ? PROBE_ALL_ONES : 0;
	return khz > 0;
}

static bool guest_has_nesting(const struct x86 *x86)
{
	const struct kvm_cpuid_entry2 *basic = find_leaf(x86->cpuid, 1, 0), *extended = find_leaf(x86->cpuid, 0x80000001, 0);

	return (basic && basic->ecx & CPUID_1_ECX_VMX) || (extended && extended->ecx & CPUID_80000001_ECX_SVM);
}

static bool nested_format(const struct x86 *x86, struct value *ret)
{
	struct {
		struct kvm_nested_state head;
		char rest[16384]; /* a page each for vmcs12, its shadow, or vmcb12 */
	} state = { .head = { .size = sizeof(state) } };

	ret->value = 0;
	if (guest_has_nesting(x86) && !kvm_ioctl(x86->vcpu, KVM_GET_NESTED_STATE, &state))
		ret->value = 1u + state.head.format;
	return true;
}

static bool nested_size(const struct x86 *x86, struct value *ret)
{
	ret->value = kvm_cap(x86->vm, KVM_CAP_NESTED_STATE);
	return true;
}

/* Before KVM_GET_XSAVE2 there was only KVM_GET_XSAVE, with one size for all. */
static bool xsave_size(const struct x86 *x86, struct value *ret)
{
	unsigned size = kvm_cap(x86->vm, KVM_CAP_XSAVE2);

	ret->value = size ? size : sizeof(((struct kvm_xsave *)NULL)->region);
	return size || kvm_cap(x86->vm, KVM_CAP_XSAVE);
}

/* Before there were features that want permission, all that may be given are in CPUID. */
static bool xcr0_supported(const struct x86 *x86, struct value *ret)
{
	const struct kvm_cpuid_entry2 *leaf = find_leaf(x86->cpuid, 0xd, 0);
	struct kvm_device_attr attr = { .attr = KVM_X86_XCOMP_GUEST_SUPP, .addr = (uintptr_t)&ret->value };

	ret->settable = PROBE_ALL_ONES;
	if (kvm_cap(x86->probe->kvm, KVM_CAP_SYS_ATTRIBUTES) && !kvm_ioctl(x86->probe->kvm, KVM_GET_DEVICE_ATTR, &attr))
		return true;
	ret->value = leaf ? (uint64_t)leaf->edx << 32 | leaf->eax : 0;
	return true;
}

static bool quirks(const struct x86 *x86, struct value *ret)
{
	ret->value = ret->settable = kvm_cap(x86->vm, KVM_CAP_DISABLE_QUIRKS2);
	return ret->value;
}

static const struct vm_row {
	unsigned number;
	bool (*read)(const struct x86 *x86, struct value *ret); /* false: this kernel does not say */
} vm_rows[] = {
	{ PROBE_VM_TSC_KHZ, tsc_khz },
	{ PROBE_VM_NESTED_FORMAT, nested_format },
	{ PROBE_VM_NESTED_SIZE, nested_size },
	{ PROBE_VM_XSAVE_SIZE, xsave_size },
	{ PROBE_VM_XCR0_SUPPORTED, xcr0_supported },
	{ PROBE_VM_QUIRKS, quirks },
};

static int probe_vm_rows(struct x86 *x86)
{
	for (size_t i = 0; i < GABI_COUNT_OF(vm_rows); i++) {
		struct value value = { 0 };
		int err = vm_rows[i].read(x86, &value) ?
				  probe_add_vm(x86->probe, vm_rows[i].number, value.value, value.settable) : 0;

		if (err)
			return err;
	}
	return gabi_host_cover(x86->probe->host, GABI_SPACE_VM);
}

/* ---- the machine ---- */

/* The text that CPUID spells in these registers, up to its NUL. */
static int text_fact(struct probe *probe, const char *name, const uint32_t *words, size_t count)
{
	char text[48 + 1];
	size_t from = 0;

	memcpy(text, words, count * sizeof(*words));
	text[count * sizeof(*words)] = '\0';
	while (text[from] == ' ')
		from++;
	for (size_t end = strlen(text); end > from && text[end - 1] == ' '; end--)
		text[end - 1] = '\0';
	return text[from] ? probe_fact(probe, name, text + from) : 0;
}

static int model_fact(struct probe *probe)
{
	uint32_t brand[12];

	for (unsigned i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002 + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]))
			return 0;
	return text_fact(probe, "cpu.model", brand, GABI_COUNT_OF(brand));
}

static int microcode_fact(struct probe *probe)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	unsigned long long revision;
	char line[512];
	int err = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "microcode : %llx", &revision) == 1) {
			err = probe_fact_hex(probe, "cpu.microcode", revision);
			break;
		}
	if (file)
		fclose(file);
	return err;
}

int probe_arch_facts(struct probe *probe)
{
	uint32_t eax, vendor[3], ebx, ecx, edx;
	int err = 0;

	if (__get_cpuid(0, &eax, &vendor[0], &vendor[2], &vendor[1]))
		err = text_fact(probe, "cpu.vendor", vendor, GABI_COUNT_OF(vendor));
	if (!err && __get_cpuid(1, &eax, &ebx, &ecx, &edx))
		err = probe_fact_hex(probe, "cpu.signature", eax);
	if (!err)
		err = model_fact(probe);
	return err ? err : microcode_fact(probe);
}

/* ---- all of it ---- */

static int make_machine(struct x86 *x86)
{
	int err = machine_new(x86->probe->kvm, &x86->vm, x86->probe->diag);

	return err ? err : machine_add_vcpu(x86->vm, 0, &x86->vcpu, x86->probe->diag);
}

int probe_arch_words(struct probe *probe)
{
	struct x86 x86 = { .probe = probe, .vm = -1, .vcpu = -1 };
	int err = make_machine(&x86);

	if (!err)
		err = probe_caps(probe, x86.vm);
	if (!err)
		err = probe_hyperv(&x86);
	if (!err)
		err = probe_cpuid(&x86);
	if (!err)
		err = probe_vm_rows(&x86);
	if (!err)
		err = probe_msrs(&x86);
	if (!err)
		err = probe_evmcs(&x86);
	gabi_mem_put(&probe->mem, x86.cpuid);
	gabi_mem_put(&probe->mem, x86.features);
	gabi_mem_put(&probe->mem, x86.state);
	kvm_close(x86.vcpu);
	kvm_close(x86.vm);
	return err;
}
