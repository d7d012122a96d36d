/* SPDX-License-Identifier: MIT */
/*
 * The arm64 probe.
 *
 * Three scratch VMs that never run. The full one has every feature that a virtual processor can be given: its
 * registers are the offer. On the second, alike but not finalized, values are tried. The bare one has no feature that can
 * be left out: where it differs from the full one, a VMM can choose. A fourth runs a guest that reads what a register may
 * not tell.
 */
#include "probe.h"

#include <gabi/vocab.h>

#include "guest.h"
#include "machine_arm64.h"
#include "uapi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>

const enum gabi_arch probe_arch = GABI_ARCH_ARM64;

#ifndef HWCAP_CPUID
#define HWCAP_CPUID (1ul << 11)
#endif

#define CTR_EL0 ARM64_SYS_REG(3, 3, 0, 0, 1)

enum {
	REG_MAX_LEN = 256, /* the widest size that a register id can say */
	NIBBLES_MAX = 2 * REG_MAX_LEN,
	REGS_MAX = 1 << 16, /* a longer list is no list */
	PSCI_VERSIONS = 2 + 16,
	CNT_CTL_ISTATUS = 1 << 2, /* the timer's time has come */
};

/* ---- a machine ---- */

struct machine {
	int vm, vcpu;
	uint32_t features; /* bits KVM_ARM_VCPU_* that it was given */
};

static int make_machine(struct probe *probe, bool full, struct machine *machine)
{
	int err = machine_new(probe->kvm, &machine->vm, probe->diag);

	if (err)
		return err;
	if (full) {
		machine_enable(machine->vm, KVM_CAP_ARM_MTE);
		machine_enable(machine->vm, KVM_CAP_ARM_WRITABLE_IMP_ID_REGS);
		machine->features = machine_features(machine->vm);
	}
	machine_give_gic(machine->vm, 3, NULL);
	err = machine_add_vcpu(machine->vm, 0, &machine->vcpu, probe->diag);
	return err ? err : machine_init_vcpu(machine->vm, machine->vcpu, &machine->features, probe->diag);
}

/* Fixes the vector lengths, without which there is no register list. */
static int finalize(struct probe *probe, const struct machine *machine)
{
	int feature = KVM_ARM_VCPU_SVE;

	if (machine->features & 1u << KVM_ARM_VCPU_SVE && kvm_ioctl(machine->vcpu, KVM_ARM_VCPU_FINALIZE, &feature))
		return kvm_refused(probe->diag, "finalize SVE");
	return 0;
}

static void close_machine(struct machine *machine)
{
	kvm_close(machine->vcpu);
	kvm_close(machine->vm);
}

/* ---- one register ---- */

static bool get_reg(const struct machine *machine, uint64_t id, void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return !kvm_ioctl(machine->vcpu, KVM_GET_ONE_REG, &reg);
}

static bool set_reg(const struct machine *machine, uint64_t id, const void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	return !kvm_ioctl(machine->vcpu, KVM_SET_ONE_REG, &reg);
}

/* What is known of a register from trying. */
struct trial {
	uint64_t id;
	unsigned len; /* bytes */
	uint8_t value[REG_MAX_LEN], settable[REG_MAX_LEN];
	uint16_t accepts[NIBBLES_MAX]; /* by 4 bits, the lowest first: the values seen there */
};

static unsigned nibble(const uint8_t *value, unsigned at)
{
	return value[at / 2] >> 4 * (at % 2) & 0xf;
}

static void set_nibble(uint8_t *value, unsigned at, unsigned bits)
{
	value[at / 2] = (uint8_t)((value[at / 2] & ~(0xf << 4 * (at % 2))) | bits << 4 * (at % 2));
}

/* A value that the register can have. */
static void record(struct trial *trial, const uint8_t *value)
{
	for (unsigned i = 0; i < trial->len; i++)
		trial->settable[i] |= value[i] ^ trial->value[i];
	for (unsigned at = 0; at < 2 * trial->len; at++)
		trial->accepts[at] |= (uint16_t)(1u << nibble(value, at));
}

/* Sets a value, records it if it reads back, and puts the old one back. */
static void try_value(struct trial *trial, const struct machine *scratch, const uint8_t *value)
{
	uint8_t seen[REG_MAX_LEN];

	if (!set_reg(scratch, trial->id, value))
		return;
	if (get_reg(scratch, trial->id, seen) && !memcmp(seen, value, trial->len))
		record(trial, value);
	set_reg(scratch, trial->id, trial->value);
}

/* Every value of every 4 bits that may change: ID registers are made of such fields, and a firmware bitmap or version
 * differs in few bits. */
static void try_nibbles(struct trial *trial, const struct machine *scratch, uint64_t writable)
{
	uint8_t value[REG_MAX_LEN];

	memcpy(value, trial->value, trial->len);
	for (unsigned at = 0; at < 2 * trial->len; at++) {
		if (at < 16 && !(writable >> 4 * at & 0xf))
			continue;
		for (unsigned bits = 0; bits < 16; bits++) {
			set_nibble(value, at, bits);
			if (bits != nibble(trial->value, at))
				try_value(trial, scratch, value);
		}
		set_nibble(value, at, nibble(trial->value, at));
	}
}

/* Vector lengths can only be taken off from the longest down. */
static void try_lengths(struct trial *trial, const struct machine *scratch)
{
	uint8_t value[REG_MAX_LEN];

	memcpy(value, trial->value, trial->len);
	for (unsigned bit = 8 * trial->len; bit-- > 0;) {
		if (!(value[bit / 8] >> bit % 8 & 1))
			continue;
		value[bit / 8] &= (uint8_t)~(1u << bit % 8);
		try_value(trial, scratch, value);
	}
}

/* The i-th PSCI version: 0.1, 0.2, 1.0, 1.1 and on. */
static uint64_t psci_version(unsigned i)
{
	return i < 2 ? 1 + i : 0x10000u + (i - 2);
}

static void try_versions(struct trial *trial, const struct machine *scratch)
{
	for (unsigned i = 0; i < PSCI_VERSIONS; i++) {
		uint8_t value[REG_MAX_LEN] = { 0 };
		uint64_t version = psci_version(i);

		memcpy(value, &version, sizeof(version));
		try_value(trial, scratch, value);
	}
}

/* ---- the register list ---- */

struct arm {
	struct probe *probe;
	struct machine full, scratch, bare;
	uint64_t masks[KVM_ARM_FEATURE_ID_RANGE_SIZE]; /* by op1, CRm, op2; all ones where the kernel does not say */
	uint64_t cache_type; /* CTR_EL0 as a guest reads it */
	struct trial trial;
};

static unsigned coproc(uint64_t id)
{
	return (id & KVM_REG_ARM_COPROC_MASK) >> KVM_REG_ARM_COPROC_SHIFT;
}

enum {
	COPROC_SYSREG = KVM_REG_ARM64_SYSREG >> KVM_REG_ARM_COPROC_SHIFT,
	COPROC_BMAP = 0x16,
};

/* What follows the time: there, but not twice the same. Listed as 0. */
static const struct running {
	uint64_t id, bits;
} running[] = {
	{ KVM_REG_ARM_TIMER_CNT, PROBE_ALL_ONES },
	{ KVM_REG_ARM_PTIMER_CNT, PROBE_ALL_ONES },
	{ KVM_REG_ARM_TIMER_CTL, CNT_CTL_ISTATUS },
	{ KVM_REG_ARM_PTIMER_CTL, CNT_CTL_ISTATUS },
};

static void forget_time(uint64_t id, uint8_t *value)
{
	uint64_t bits;

	for (size_t i = 0; i < GABI_COUNT_OF(running); i++) {
		if (running[i].id != id)
			continue;
		memcpy(&bits, value, sizeof(bits));
		bits &= ~running[i].bits;
		memcpy(value, &bits, sizeof(bits));
	}
}

/* Registers that can be set only before the first run: the ID space, the bitmaps and the vector lengths, but not the PSCI
 * version. */
static bool is_once(uint64_t id)
{
	unsigned class = coproc(id);

	return class == COPROC_SYSREG || class == COPROC_BMAP || id == KVM_REG_ARM64_SVE_VLS;
}

/* Which bits of a feature register (op0 3, op1 0, CRn 0, CRm 1 to 7) the kernel says may change: the others need no trying.
 * Of other registers its masks do not say all, MPIDR_EL1 among them. */
static uint64_t writable_mask(const struct arm *arm, uint64_t id)
{
	uint64_t low = id & (KVM_REG_ARM64_SYSREG_CRM_MASK | KVM_REG_ARM64_SYSREG_OP2_MASK);

	return id == (ARM64_SYS_REG(3, 0, 0, 0, 0) | low) && low >= 8 && low < 64 ? arm->masks[low] : PROBE_ALL_ONES;
}

static void read_masks(struct arm *arm)
{
	struct reg_mask_range range = { .addr = (uintptr_t)arm->masks, .range = KVM_ARM_FEATURE_ID_RANGE };

	if (!kvm_cap(arm->full.vm, KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES) ||
	    kvm_ioctl(arm->full.vm, KVM_ARM_GET_REG_WRITABLE_MASKS, &range))
		memset(arm->masks, 0xff, sizeof(arm->masks));
}

static uint64_t part_of(const uint8_t *bytes, unsigned len, unsigned part)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8 && 8 * part + i < len; i++)
		value |= (uint64_t)bytes[8 * part + i] << 8 * i;
	return value;
}

static int add_reg(struct probe *probe, unsigned space, const struct trial *trial, unsigned flags)
{
	for (unsigned part = 0; 8 * part < trial->len; part++) {
		struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = trial->id };
		uint64_t settable = part_of(trial->settable, trial->len, part);
		int err = probe_add(probe, &key, trial->len < 8 ? 8 * trial->len : 64, part_of(trial->value, trial->len, part),
				    settable, settable ? flags : 0);

		if (err)
			return err;
	}
	return 0;
}

/* Four fields a word, and only where one of them can change. */
static int add_accepts(struct probe *probe, const struct trial *trial)
{
	for (unsigned part = 0; 4 * part < 2 * trial->len; part++) {
		struct gabi_key key = { .space = GABI_SPACE_ARM64_ACCEPTS, .part = (uint16_t)part, .index = trial->id };
		uint64_t value = 0, settable = 0;
		int err;

		for (unsigned k = 0; k < 4 && 4 * part + k < 2 * trial->len; k++) {
			value |= (uint64_t)trial->accepts[4 * part + k] << 16 * k;
			settable |= nibble(trial->settable, 4 * part + k);
		}
		err = settable ? probe_add(probe, &key, 64, value, 0, 0) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int add_promise(struct arm *arm, struct trial *trial)
{
	uint8_t bare[REG_MAX_LEN];
	int err;

	record(trial, trial->value);
	if (get_reg(&arm->bare, trial->id, bare))
		record(trial, bare);
	if (trial->id == KVM_REG_ARM64_SVE_VLS)
		try_lengths(trial, &arm->scratch);
	else if (trial->id == KVM_REG_ARM_PSCI_VERSION)
		try_versions(trial, &arm->scratch);
	else
		try_nibbles(trial, &arm->scratch, writable_mask(arm, trial->id));
	err = add_reg(arm->probe, GABI_SPACE_ARM64, trial, is_once(trial->id) ? GABI_WORD_ONCE : 0);
	return err ? err : add_accepts(arm->probe, trial);
}

/*
 * CTR_EL0: before Linux 6.3 KVM traps a guest's read only where the caches of the processors differ, and else the guest reads
 * the processor's own, whose IDC need not be the one that KVM shows as its register's (arm64_ctr_trap of data/changes).
 */
static int add_cache_type(struct arm *arm, struct trial *trial)
{
	const struct gabi_key key = { .space = GABI_SPACE_ARM64, .index = trial->id };

	if (part_of(trial->value, trial->len, 0) == arm->cache_type)
		return add_promise(arm, trial);
	return probe_add(arm->probe, &key, 64, arm->cache_type, 0, GABI_WORD_SEEN);
}

static int add_state(struct arm *arm, struct trial *trial)
{
	forget_time(trial->id, trial->value);
	memset(trial->settable, 0xff, trial->len);
	return add_reg(arm->probe, GABI_SPACE_ARM64_STATE, trial, 0);
}

static int add_listed(struct arm *arm, uint64_t id)
{
	struct trial *trial = &arm->trial;
	enum gabi_space space = gabi_arm64_space(id);

	memset(trial, 0, sizeof(*trial));
	trial->id = id;
	trial->len = gabi_arm64_bits(id) / 8;
	if (space == GABI_SPACE_NONE || !get_reg(&arm->full, id, trial->value))
		return 0;
	if (space == GABI_SPACE_ARM64_STATE)
		return add_state(arm, trial);
	return id == CTR_EL0 ? add_cache_type(arm, trial) : add_promise(arm, trial);
}

static int read_list(struct arm *arm, struct kvm_reg_list **ret_list)
{
	struct kvm_reg_list count = { 0 }, *list;

	if (!kvm_ioctl(arm->full.vcpu, KVM_GET_REG_LIST, &count) || errno != E2BIG || count.n > REGS_MAX)
		return kvm_refused(arm->probe->diag, "count a virtual processor's registers");
	list = gabi_mem_get(&arm->probe->mem, sizeof(*list) + count.n * sizeof(list->reg[0]));
	if (!list)
		return gabi_fail(arm->probe->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	list->n = count.n;
	if (kvm_ioctl(arm->full.vcpu, KVM_GET_REG_LIST, list)) {
		gabi_mem_put(&arm->probe->mem, list);
		return kvm_refused(arm->probe->diag, "list a virtual processor's registers");
	}
	*ret_list = list;
	return 0;
}

static int probe_regs(struct arm *arm)
{
	static const enum gabi_space seen[] = { GABI_SPACE_ARM64, GABI_SPACE_ARM64_ACCEPTS, GABI_SPACE_ARM64_STATE };
	struct kvm_reg_list *list = NULL;
	int err = read_list(arm, &list);

	if (err)
		return err;
	read_masks(arm);
	for (uint64_t i = 0; !err && i < list->n; i++)
		err = add_listed(arm, list->reg[i]);
	gabi_mem_put(&arm->probe->mem, list);
	for (size_t i = 0; !err && i < GABI_COUNT_OF(seen); i++)
		err = gabi_host_cover(arm->probe->host, seen[i]);
	return err;
}

/* ---- what only a guest can tell ---- */

/* Without an interrupt controller: a guest that only reads runs without. */
static int ask_guest(struct arm *arm)
{
	struct guest_request request = { .ask = GUEST_SYSREG, .index = CTR_EL0 & 0xffff };
	struct machine machine = { .vm = -1, .vcpu = -1 };
	struct gabi_kvm_vm vm = { .vcpu = &machine.vcpu, .vcpus = 1 };
	int err = machine_new(arm->probe->kvm, &machine.vm, arm->probe->diag);

	if (!err)
		err = machine_add_vcpu(machine.vm, 0, &machine.vcpu, arm->probe->diag);
	if (!err)
		err = machine_init_vcpu(machine.vm, machine.vcpu, &machine.features, arm->probe->diag);
	vm.vm = machine.vm;
	if (!err)
		err = guest_ask_all(&vm, &request, 1, arm->probe->diag);
	arm->cache_type = request.value[0];
	close_machine(&machine);
	return err;
}

/* ---- what has no register ---- */

static uint64_t ipa_bits(const struct arm *arm)
{
	unsigned bits = kvm_cap(arm->full.vm, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits ? bits : MACHINE_IPA_BITS;
}

static uint64_t cntfrq(const struct arm *arm)
{
	uint64_t hz;

	(void)arm;
	__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
	return hz;
}

static uint64_t smccc_filter(const struct arm *arm)
{
	struct kvm_device_attr attr = { .group = KVM_ARM_VM_SMCCC_CTRL, .attr = KVM_ARM_VM_SMCCC_FILTER };

	return !kvm_ioctl(arm->full.vm, KVM_HAS_DEVICE_ATTR, &attr);
}

static uint64_t pmu(const struct arm *arm)
{
	return arm->full.features >> KVM_ARM_VCPU_PMU_V3 & 1;
}

/* Bit 0, version 0.1, belongs to virtual processors without KVM_ARM_VCPU_PSCI_0_2, which ours are not. */
static uint64_t psci_accepts(const struct arm *arm)
{
	uint64_t before, accepts = 0;

	if (!get_reg(&arm->scratch, KVM_REG_ARM_PSCI_VERSION, &before))
		return 0;
	for (unsigned i = 0; i < PSCI_VERSIONS; i++) {
		uint64_t version = psci_version(i);

		if (set_reg(&arm->scratch, KVM_REG_ARM_PSCI_VERSION, &version))
			accepts |= (uint64_t)1 << i;
	}
	set_reg(&arm->scratch, KVM_REG_ARM_PSCI_VERSION, &before);
	return accepts;
}

static const struct vm_row {
	unsigned number;
	bool settable;
	uint64_t (*read)(const struct arm *arm);
} vm_rows[] = {
	{ PROBE_VM_IPA_BITS, true, ipa_bits },
	{ PROBE_VM_CNTFRQ_HZ, false, cntfrq },
	{ PROBE_VM_SMCCC_FILTER, true, smccc_filter },
	{ PROBE_VM_PMU_COUNTERS, true, pmu },
	{ PROBE_VM_PSCI_ACCEPTS, false, psci_accepts },
};

static int probe_vm_rows(struct arm *arm)
{
	for (size_t i = 0; i < GABI_COUNT_OF(vm_rows); i++) {
		int err = probe_add_vm(arm->probe, vm_rows[i].number, vm_rows[i].read(arm),
				       vm_rows[i].settable ? PROBE_ALL_ONES : 0);

		if (err)
			return err;
	}
	return gabi_host_cover(arm->probe->host, GABI_SPACE_VM);
}

/* ---- the machine ---- */

static const struct core {
	uint8_t implementer;
	uint16_t part;
	const char *name;
} cores[] = {
#define CORE_ROW(implementer, part, name) { implementer, part, name },
#include "arm64_cores.def"
};

static const char *const implementers[256] = {
#define IMPLEMENTER_ROW(implementer, name) [implementer] = name,
#include "arm64_cores.def"
};

static int core_facts(struct probe *probe, uint64_t midr)
{
	uint8_t implementer = midr >> 24 & 0xff;
	uint16_t part = midr >> 4 & 0xfff;
	int err = implementers[implementer] ? probe_fact(probe, "cpu.vendor", implementers[implementer]) : 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(cores); i++)
		if (cores[i].implementer == implementer && cores[i].part == part)
			err = probe_fact(probe, "cpu.model", cores[i].name);
	return err;
}

/* The kernel lets user space read these registers where it says so. */
static int processor_facts(struct probe *probe)
{
	uint64_t midr, revidr;
	int err;

	if (!(getauxval(AT_HWCAP) & HWCAP_CPUID))
		return 0;
	__asm__("mrs %0, s3_0_c0_c0_0" : "=r"(midr));
	__asm__("mrs %0, s3_0_c0_c0_6" : "=r"(revidr));
	err = probe_fact_hex(probe, "cpu.signature", midr);
	if (!err)
		err = probe_fact_hex(probe, "cpu.microcode", revidr);
	return err ? err : core_facts(probe, midr);
}

/* KVM is built in, and its parameters are the kernel's. */
static int boot_facts(struct probe *probe)
{
	char line[2048], name[64], *save = NULL;
	FILE *file = fopen("/proc/cmdline", "re");
	bool there = file && fgets(line, sizeof(line), file);
	int err = 0;

	if (file)
		fclose(file);
	for (char *word = there ? strtok_r(line, " \n", &save) : NULL; !err && word; word = strtok_r(NULL, " \n", &save)) {
		char *value = strchr(word, '=');

		if (strncmp(word, "kvm-arm.", 8) || !value)
			continue;
		*value++ = '\0';
		snprintf(name, sizeof(name), "module.%s", word);
		err = probe_fact(probe, name, value);
	}
	return err;
}

int probe_arch_facts(struct probe *probe)
{
	int err = processor_facts(probe);

	return err ? err : boot_facts(probe);
}

/* ---- all of it ---- */

int probe_arch_words(struct probe *probe)
{
	static const struct machine none = { .vm = -1, .vcpu = -1 };
	struct arm arm = { .probe = probe, .full = none, .scratch = none, .bare = none };
	int err = make_machine(probe, true, &arm.full);

	if (!err)
		err = make_machine(probe, true, &arm.scratch);
	if (!err)
		err = make_machine(probe, false, &arm.bare);
	if (!err)
		err = finalize(probe, &arm.full);
	if (!err)
		err = probe_caps(probe, arm.full.vm);
	if (!err)
		err = probe_vm_rows(&arm);
	if (!err)
		err = ask_guest(&arm);
	if (!err)
		err = probe_regs(&arm);
	close_machine(&arm.full);
	close_machine(&arm.scratch);
	close_machine(&arm.bare);
	return err;
}
