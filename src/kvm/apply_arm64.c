/* SPDX-License-Identifier: MIT */
/* Carrying out a plan on arm64. */
#include "apply.h"

#include "uapi.h"

#include <gabi/vocab.h>

#include <errno.h>
#include <string.h>

enum { REG_MAX_LEN = 256 }; /* the widest size that a register id can say */

/* A register in the order of its bytes; a word is 8 of them, or all where it is narrower. */
struct reg_bytes {
	uint8_t at[REG_MAX_LEN];
};

static int move_reg(int vcpu, unsigned long request, uint64_t id, struct reg_bytes *bytes)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)bytes->at };

	return kvm_ioctl(vcpu, request, &reg);
}

static uint64_t word_of(const struct reg_bytes *bytes, const struct gabi_op *op)
{
	uint64_t value = 0;

	memcpy(&value, bytes->at + 8 * op->key.part % REG_MAX_LEN, op->bits / 8 < 8 ? op->bits / 8 : 8);
	return value;
}

static void put_word(struct reg_bytes *bytes, const struct gabi_op *op)
{
	uint64_t value = (word_of(bytes, op) & ~op->mask) | (op->value & op->mask);

	memcpy(bytes->at + 8 * op->key.part % REG_MAX_LEN, &value, op->bits / 8 < 8 ? op->bits / 8 : 8);
}

/* The parts of one register stand together: they are written at once. */
size_t apply_run(const struct gabi_op *op, size_t count)
{
	size_t run = 1;

	while (op->kind == GABI_OP_SET_REG && run < count && op[run].kind == GABI_OP_SET_REG &&
	       op[run].key.index == op->key.index && op[run].vp == op->vp)
		run++;
	return run;
}

static int set_reg(struct apply *apply, const struct gabi_op *op, size_t count, unsigned vp)
{
	struct reg_bytes bytes = { { 0 } };
	int vcpu = apply->vm->vcpu[vp];

	if (move_reg(vcpu, KVM_GET_ONE_REG, op->key.index, &bytes))
		return apply_refused(apply, op, vp, errno);
	for (size_t i = 0; i < count; i++)
		put_word(&bytes, &op[i]);
	return move_reg(vcpu, KVM_SET_ONE_REG, op->key.index, &bytes) ? apply_refused(apply, op, vp, errno) : 0;
}

/* Once a VM, each call at most once. KVM has no way to read a filter back: it refuses what it does not carry out. */
static int filter_smccc(struct apply *apply, const struct gabi_op *op)
{
	struct kvm_smccc_filter filter = { .base = (uint32_t)op->key.index, .nr_functions = GABI_SMCCC_FUNCTIONS(op->value),
					   .action = (uint8_t)GABI_SMCCC_ACTION(op->value) };
	struct kvm_device_attr attr = { .group = KVM_ARM_VM_SMCCC_CTRL, .attr = KVM_ARM_VM_SMCCC_FILTER, .addr = (uintptr_t)&filter };

	return kvm_ioctl(apply->vm->vm, KVM_SET_DEVICE_ATTR, &attr) ? apply_refused(apply, op, GABI_VP_ALL, errno) : 0;
}

/* A register of the VM is set on one virtual processor; that all show it is seen when it is read back. */
int apply_set(struct apply *apply, const struct gabi_op *op, size_t count)
{
	bool once = op->scope != GABI_SCOPE_VP && op->vp == GABI_VP_ALL;
	int err = 0;

	if (op->kind == GABI_OP_FILTER_SMCCC)
		return filter_smccc(apply, op);
	if (op->kind != GABI_OP_SET_REG || gabi_arm64_bits(op->key.index) == 0)
		return gabi_fail_at(apply->diag, GABI_ERR_ARCH, &op->key, "the plan is not one for arm64", (char *)NULL);
	for (unsigned vp = 0; !err && vp < (once ? 1 : apply->vm->vcpus); vp++)
		err = apply_concerns(op, vp) ? set_reg(apply, op, count, vp) : 0;
	return err;
}

/* Fixes the vector lengths. EINVAL: a virtual processor without SVE. EPERM: it is finalized already. */
int apply_finish(struct apply *apply)
{
	for (unsigned vp = 0; vp < apply->vm->vcpus; vp++) {
		int feature = KVM_ARM_VCPU_SVE;

		if (kvm_ioctl(apply->vm->vcpu[vp], KVM_ARM_VCPU_FINALIZE, &feature) && errno != EINVAL && errno != EPERM)
			return kvm_refused(apply->diag, "finalize SVE");
	}
	return 0;
}

int apply_begin_verify(struct apply *apply, unsigned vp)
{
	(void)apply;
	(void)vp;
	return 0;
}

int apply_verify(struct apply *apply, const struct gabi_op *op, unsigned vp)
{
	struct reg_bytes bytes = { { 0 } };

	if (op->key.space != GABI_SPACE_ARM64 || gabi_arm64_bits(op->key.index) == 0)
		return gabi_fail_at(apply->diag, GABI_ERR_ARCH, &op->key, "the plan is not one for arm64", (char *)NULL);
	if (move_reg(apply->vm->vcpu[vp], KVM_GET_ONE_REG, op->key.index, &bytes))
		return apply_refused(apply, op, vp, errno);
	return apply_compare(apply, op, vp, word_of(&bytes, op));
}
