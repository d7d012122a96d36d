/* SPDX-License-Identifier: MIT */
/* Carrying out a plan: the part that is the same on every architecture. */
#include "apply.h"

#include "uapi.h"

#include <gabi/vocab.h>

#include <errno.h>
#include <string.h>

/* ---- saying what was refused ---- */

static void put_target(struct gabi_out *out, const struct gabi_op *op)
{
	const struct gabi_reg *reg = gabi_reg_of(&op->key);
	char key[64];

	gabi_key_print(&op->key, key, sizeof(key));
	gabi_out_text(out, key);
	if (!reg)
		return;
	gabi_out_text(out, " (");
	gabi_out_text(out, reg->name);
	gabi_out_text(out, ")");
}

static void put_vp(struct gabi_out *out, unsigned vp)
{
	if (vp == GABI_VP_ALL)
		return;
	gabi_out_text(out, " of virtual processor ");
	gabi_out_dec(out, vp);
}

static void put_value(struct gabi_out *out, uint64_t value)
{
	gabi_out_text(out, "0x");
	gabi_out_hex(out, value, 1);
}

static int fail_with(struct apply *apply, const struct gabi_op *op, const char *sentence, int sys_errno)
{
	gabi_fail_at(apply->diag, GABI_ERR_KVM, &op->key, sentence, (char *)NULL);
	if (apply->diag)
		apply->diag->sys_errno = sys_errno;
	return GABI_ERR_KVM;
}

int apply_refused(struct apply *apply, const struct gabi_op *op, unsigned vp, int sys_errno)
{
	bool reads = op->kind == GABI_OP_VERIFY;
	char sentence[256];
	struct gabi_out out = gabi_out_to(sentence, sizeof(sentence));

	gabi_out_text(&out, reads ? "KVM refused to read " : "KVM refused to set ");
	put_target(&out, op);
	put_vp(&out, vp);
	gabi_out_text(&out, reads ? ", which is promised as " : " to ");
	put_value(&out, op->value);
	if (sys_errno) {
		gabi_out_text(&out, ": ");
		gabi_out_text(&out, strerror(sys_errno));
	}
	return fail_with(apply, op, sentence, sys_errno);
}

int apply_compare(struct apply *apply, const struct gabi_op *op, unsigned vp, uint64_t seen)
{
	char sentence[256];
	struct gabi_out out = gabi_out_to(sentence, sizeof(sentence));

	if (!((seen ^ op->value) & op->mask))
		return 0;
	put_target(&out, op);
	put_vp(&out, vp);
	gabi_out_text(&out, " reads ");
	put_value(&out, seen & op->mask);
	gabi_out_text(&out, " where ");
	put_value(&out, op->value & op->mask);
	gabi_out_text(&out, " is promised");
	return fail_with(apply, op, sentence, 0);
}

/* ---- operations ---- */

/* Of what was enabled KVM tells only the enlightened VMCS's versions: that call takes a pointer, and writes them there. */
static int enable_on(struct apply *apply, const struct gabi_op *op, int fd, unsigned vp)
{
	bool tells = op->key.index == GABI_KVM_CAP_HYPERV_ENLIGHTENED_VMCS;
	uint16_t version = 0;
	struct kvm_enable_cap enable = { .cap = (uint32_t)op->key.index, .args = { tells ? (uintptr_t)&version : op->value } };
	struct gabi_op told = *op;

	if (kvm_ioctl(fd, KVM_ENABLE_CAP, &enable))
		return apply_refused(apply, op, vp, errno);
	told.mask = UINT16_MAX;
	return tells ? apply_compare(apply, &told, vp, version) : 0;
}

static int enable(struct apply *apply, const struct gabi_op *op)
{
	int err = 0;

	if (op->scope == GABI_SCOPE_VM)
		return enable_on(apply, op, apply->vm->vm, GABI_VP_ALL);
	for (unsigned vp = 0; !err && vp < apply->vm->vcpus; vp++)
		err = apply_concerns(op, vp) ? enable_on(apply, op, apply->vm->vcpu[vp], vp) : 0;
	return err;
}

static int carry_out(struct apply *apply, const struct gabi_op *op, size_t count)
{
	if (op->kind == GABI_OP_ENABLE_CAP)
		return enable(apply, op);
	return op->kind == GABI_OP_DROP_IF_EQUAL ? 0 : apply_set(apply, op, count);
}

static int verify_all(struct apply *apply, const struct gabi_op *op, size_t count)
{
	int err = 0;

	for (unsigned vp = 0; !err && vp < apply->vm->vcpus; vp++) {
		err = apply_begin_verify(apply, vp);
		for (size_t i = 0; !err && i < count; i++)
			if (op[i].kind == GABI_OP_VERIFY && apply_concerns(&op[i], vp))
				err = apply_verify(apply, &op[i], vp);
	}
	return err;
}

static int apply_all(struct apply *apply)
{
	size_t count, run;
	const struct gabi_op *op = gabi_plan_ops(apply->plan, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i += run) {
		run = apply_run(op + i, count - i);
		err = op[i].kind == GABI_OP_VERIFY ? 0 : carry_out(apply, op + i, run);
	}
	if (!err)
		err = apply_finish(apply);
	return err ? err : verify_all(apply, op, count);
}

static int take_vm(struct gabi_kvm_vm *ours, const struct gabi_kvm_vm *theirs, struct gabi_diag *diag)
{
	int err = kvm_take_sized(ours, sizeof(*ours), theirs, diag);

	if (!err && (!ours->vcpus || !ours->vcpu))
		err = gabi_fail(diag, GABI_ERR_ARG, "the VM has no virtual processor", (char *)NULL);
	return err;
}

int gabi_kvm_apply(const struct gabi_plan *plan, const struct gabi_kvm_vm *vm, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	struct gabi_kvm_vm ours;
	struct apply apply = { .plan = plan, .vm = &ours, .mem = gabi_mem_or_default(mem), .diag = diag };
	int err = take_vm(&ours, vm, diag);

	if (!err)
		err = apply_all(&apply);
	gabi_mem_put(&apply.mem, apply.cpuid);
	return err;
}
