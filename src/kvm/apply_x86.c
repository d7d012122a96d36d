/* SPDX-License-Identifier: MIT */
/* Carrying out a plan on x86. */
#include "apply.h"

#include "machine_x86.h"
#include "uapi.h"

#include <gabi/vocab.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
	LEAF_KVM = 0x40000000,
	SPARE_ENTRIES = 16, /* for what KVM adds by itself */
};

size_t apply_run(const struct gabi_op *op, size_t count)
{
	size_t run = 1;

	while (op->kind == GABI_OP_SET_CPUID && run < count && op[run].kind == GABI_OP_SET_CPUID)
		run++;
	return run;
}

/* ---- CPUID ---- */

/* Leaves in which ECX counts; of the others KVM looks at EAX alone. */
static bool is_indexed(uint32_t leaf)
{
	static const uint32_t leaves[] = { /* Linux arch/x86/kvm/cpuid.c, cpuid_function_is_indexed */
		0x4, 0x7, 0xb, 0xd, 0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1d, 0x1e, 0x1f, 0x20, 0x23, 0x24, 0x8000001d, 0x80000026,
	};

	for (size_t i = 0; i < GABI_COUNT_OF(leaves); i++)
		if (leaves[i] == leaf)
			return true;
	return false;
}

/* Where the guest finds the leaf. */
static uint32_t leaf_of(const struct apply *apply, const struct gabi_key *key)
{
	uint32_t base = key->space == GABI_SPACE_KVM ? gabi_plan_kvm_leaf_base(apply->plan) - LEAF_KVM : 0;

	return (uint32_t)key->index + base;
}

/* KVM's highest leaf is told from where its leaves are. */
static uint32_t value_of(const struct apply *apply, const struct gabi_op *op)
{
	bool is_max = op->key.space == GABI_SPACE_KVM && op->key.index == LEAF_KVM && op->key.part == GABI_EAX;

	return (uint32_t)op->value + (is_max && op->value ? gabi_plan_kvm_leaf_base(apply->plan) - LEAF_KVM : 0);
}

static uint32_t *reg_of(struct kvm_cpuid_entry2 *entry, unsigned part)
{
	uint32_t *const regs[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return regs[part % GABI_COUNT_OF(regs)];
}

static struct kvm_cpuid_entry2 *find_entry(struct kvm_cpuid2 *table, uint32_t leaf, uint32_t sub)
{
	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == leaf &&
		    (!(table->entries[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || table->entries[i].index == sub))
			return &table->entries[i];
	return NULL;
}

static struct kvm_cpuid_entry2 *get_entry(struct kvm_cpuid2 *table, uint32_t leaf, uint32_t sub)
{
	struct kvm_cpuid_entry2 *entry = find_entry(table, leaf, sub);

	if (entry)
		return entry;
	entry = &table->entries[table->nent++];
	*entry = (struct kvm_cpuid_entry2){ .function = leaf, .index = sub };
	if (is_indexed(leaf) || sub)
		entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return entry;
}

/* Writes the words of one virtual processor into the table: all, or those under their masks alone. */
static void put_words(struct apply *apply, const struct gabi_op *op, size_t count, unsigned vp)
{
	for (unsigned own = 0; own < 2; own++) /* the common words, then the processor's own over them */
		for (size_t i = 0; i < count; i++) {
			struct kvm_cpuid_entry2 *entry;
			uint32_t *reg, mask = (uint32_t)op[i].mask;

			if (!apply_concerns(&op[i], vp) || (op[i].vp != GABI_VP_ALL) != own)
				continue;
			entry = get_entry(apply->cpuid, leaf_of(apply, &op[i].key), op[i].key.sub);
			reg = reg_of(entry, op[i].key.part);
			*reg = (*reg & ~mask) | (value_of(apply, &op[i]) & mask);
		}
}

/* What the contract leaves free is the owner's; without one, the APIC id is the processor's index. */
static void put_free(struct apply *apply, unsigned vp)
{
	for (uint32_t i = 0; i < apply->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &apply->cpuid->entries[i];
		uint32_t regs[4];

		machine_set_processor(entry, vp);
		if (!apply->vm->cpuid)
			continue;
		memcpy(regs, (uint32_t[]){ entry->eax, entry->ebx, entry->ecx, entry->edx }, sizeof(regs));
		apply->vm->cpuid(apply->vm->ctx, vp, entry->function, entry->index, regs);
		for (unsigned part = 0; part < 4; part++)
			*reg_of(entry, part) = regs[part];
	}
}

static int set_cpuid(struct apply *apply, const struct gabi_op *op, size_t count)
{
	if (!apply->cpuid) {
		apply->cpuid_room = (uint32_t)count + SPARE_ENTRIES;
		apply->cpuid = gabi_mem_get(&apply->mem, sizeof(*apply->cpuid) +
						   apply->cpuid_room * sizeof(apply->cpuid->entries[0]));
	}
	if (!apply->cpuid)
		return gabi_fail(apply->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	for (unsigned vp = 0; vp < apply->vm->vcpus; vp++) {
		apply->cpuid->nent = 0;
		put_words(apply, op, count, vp);
		put_free(apply, vp);
		put_words(apply, op, count, vp);
		if (kvm_ioctl(apply->vm->vcpu[vp], KVM_SET_CPUID2, apply->cpuid))
			return kvm_refused(apply->diag, "give a virtual processor the contract's CPUID");
	}
	return 0;
}

int apply_begin_verify(struct apply *apply, unsigned vp)
{
	if (!apply->cpuid)
		return 0;
	apply->cpuid->nent = apply->cpuid_room;
	return kvm_ioctl(apply->vm->vcpu[vp], KVM_GET_CPUID2, apply->cpuid) ?
		       kvm_refused(apply->diag, "say what CPUID a virtual processor has") : 0;
}

static int verify_cpuid(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	struct kvm_cpuid_entry2 *entry;
	struct gabi_op wanted = *op;

	entry = apply->cpuid ? find_entry(apply->cpuid, leaf_of(apply, &op->key), op->key.sub) : NULL;
	wanted.value = value_of(apply, op);
	return apply_compare(apply, &wanted, vp, entry ? *reg_of(entry, op->key.part) : 0);
}

/* ---- MSRs ---- */

static int one_msr(int fd, unsigned long request, uint32_t msr, uint64_t *value)
{
	union {
		struct kvm_msrs head;
		char bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} call = { .head = { .nmsrs = 1 } };
	struct kvm_msr_entry *entry = (void *)(call.bytes + sizeof(struct kvm_msrs));

	*entry = (struct kvm_msr_entry){ .index = msr, .data = *value };
	errno = 0;
	if (kvm_ioctl(fd, request, &call) != 1)
		return -1;
	*value = entry->data;
	return 0;
}

/* One by one, so that the one that KVM does not take can be named. What it takes no write of but shows as promised is fine. */
static int set_msr(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	int vcpu = apply->vm->vcpu[vp], refused;
	uint64_t value = op->value, seen = 0;

	if (!one_msr(vcpu, KVM_SET_MSRS, (uint32_t)op->key.index, &value))
		return 0;
	refused = errno;
	if (!one_msr(vcpu, KVM_GET_MSRS, (uint32_t)op->key.index, &seen) && !((seen ^ op->value) & op->mask))
		return 0;
	return apply_refused(apply, op, vp, refused);
}

static int verify_msr(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	uint64_t seen = 0;

	if (one_msr(apply->vm->vcpu[vp], KVM_GET_MSRS, (uint32_t)op->key.index, &seen))
		return apply_refused(apply, op, vp, errno);
	return apply_compare(apply, op, vp, seen);
}

/* ---- all of it ---- */

static int set_tsc_khz(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	return ioctl(apply->vm->vcpu[vp], KVM_SET_TSC_KHZ, (unsigned long)op->value) ? apply_refused(apply, op, vp, errno) : 0;
}

static int set_one(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	switch (op->kind) {
	case GABI_OP_SET_TSC_KHZ:
		return set_tsc_khz(apply, op, vp);
	case GABI_OP_SET_MSR:
		return set_msr(apply, op, vp);
	default:
		return gabi_fail_at(apply->diag, GABI_ERR_ARCH, &op->key, "the plan is not one for x86", (char *)NULL);
	}
}

int apply_set(struct apply *apply, const struct gabi_op *op, size_t count)
{
	int err = 0;

	if (op->kind == GABI_OP_SET_CPUID)
		return set_cpuid(apply, op, count);
	for (unsigned vp = 0; !err && vp < apply->vm->vcpus; vp++)
		err = apply_concerns(op, vp) ? set_one(apply, op, vp) : 0;
	return err;
}

int apply_finish(struct apply *apply)
{
	(void)apply;
	return 0;
}

int apply_verify(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	switch (op->key.space) {
	case GABI_SPACE_CPUID:
	case GABI_SPACE_KVM:
	case GABI_SPACE_HYPERV:
		return verify_cpuid(apply, op, vp);
	case GABI_SPACE_MSR:
		return verify_msr(apply, op, vp);
	default:
		return gabi_fail_at(apply->diag, GABI_ERR_ARCH, &op->key, "the plan is not one for x86", (char *)NULL);
	}
}
