/* SPDX-License-Identifier: MIT */
/* Loading a state into a VM: the part that is the same on every architecture. */
#include "state.h"

#include "probe.h"

#include <gabi/vocab.h>

static bool is_drop(const struct gabi_op *op, const struct gabi_word *word)
{
	return op->kind == GABI_OP_DROP_IF_EQUAL && !gabi_key_compare(&op->key, &word->key) &&
	       (op->vp == GABI_VP_ALL || op->vp == word->vp);
}

int restore_drops(struct moving *moving, const struct gabi_word *word)
{
	size_t count;
	const struct gabi_op *op = gabi_plan_ops(moving->plan, &count);

	for (size_t i = 0; i < count; i++) {
		if (!is_drop(&op[i], word))
			continue;
		if (op[i].value != word->value)
			return state_word_refused(moving, word, "is in use, and this host cannot load it", 0);
		moving->effort.dropped++;
		return 1;
	}
	return 0;
}

/* What is listed here will be tried; of the rest the plan must say that it may stay behind. */
static int check_words(struct moving *m)
{
	size_t count;
	const struct gabi_word *word = gabi_state_words(m->from, &count);

	for (size_t i = 0; i < count; i++) {
		int drops;

		if (state_list_has(m->list, word[i].key.index))
			continue;
		drops = restore_drops(m, &word[i]);
		if (drops < 0)
			return drops;
		if (!drops)
			return state_word_refused(m, &word[i], "cannot be loaded here: this kernel does not list it", 0);
	}
	return 0;
}

static int check_vm(const struct moving *m)
{
	if (gabi_state_arch(m->from) != probe_arch)
		return gabi_fail(m->diag, GABI_ERR_ARCH, "the state is of ", gabi_arch_text(gabi_state_arch(m->from)),
				 ", and this machine is ", gabi_arch_text(probe_arch), (char *)NULL);
	if (gabi_state_vps(m->from) != m->vm->vcpus)
		return gabi_fail(m->diag, GABI_ERR_ARG, "the VM has not as many virtual processors as the state", (char *)NULL);
	return 0;
}

static int check_all(struct moving *m)
{
	int err = check_vm(m);

	if (!err)
		err = state_list_get(m);
	if (!err)
		err = check_words(m);
	return err ? err : restore_check(m);
}

static int restore_all(struct moving *m)
{
	int err = check_all(m);

	if (!err)
		err = restore_vm(m);
	for (unsigned vp = 0; !err && vp < m->vm->vcpus; vp++)
		err = restore_vp(m, vp);
	return err ? err : restore_finish(m);
}

int gabi_kvm_restore_check(const struct gabi_state *state, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
			   const struct gabi_mem *mem, struct gabi_diag *diag)
{
	struct gabi_kvm_vm ours;
	struct moving moving = { .vm = &ours, .mem = gabi_mem_or_default(mem), .diag = diag, .from = state, .plan = plan };
	int err = kvm_take_sized(&ours, sizeof(ours), vm, diag);

	if (!err)
		err = check_all(&moving);
	gabi_mem_put(&moving.mem, moving.list);
	return err;
}

int gabi_kvm_restore(const struct gabi_state *state, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
		     const struct gabi_mem *mem, struct gabi_kvm_effort *ret_effort, struct gabi_diag *diag)
{
	struct gabi_kvm_vm ours;
	struct moving moving = { .vm = &ours, .mem = gabi_mem_or_default(mem), .diag = diag, .from = state, .plan = plan };
	int err = kvm_take_sized(&ours, sizeof(ours), vm, diag);

	if (!err)
		err = restore_all(&moving);
	gabi_mem_put(&moving.mem, moving.list);
	if (!err && ret_effort)
		*ret_effort = moving.effort;
	return err;
}
