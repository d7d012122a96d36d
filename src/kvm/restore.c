/* SPDX-License-Identifier: MIT */
/* Loading a state into a VM: the part that is the same on every architecture. */
#include "state.h"

#include "probe.h"

#include <gabi/vocab.h>

static bool is_of(const struct gabi_op *op, unsigned kind, const struct gabi_word *word)
{
	return op->kind == kind && !gabi_key_compare(&op->key, &word->key) && (op->vp == GABI_VP_ALL || op->vp == word->vp);
}

const struct gabi_op *restore_op(const struct moving *moving, unsigned kind, const struct gabi_word *word)
{
	size_t count;
	const struct gabi_op *op = gabi_plan_ops(moving->plan, &count);

	for (size_t i = 0; i < count; i++)
		if (is_of(&op[i], kind, word))
			return &op[i];
	return NULL;
}

/* What the plan reads back of a saved word's promise: a feature MSR that KVM lists as state too is promised in a space of its own. */
static const struct gabi_op *promise_of(const struct moving *m, const struct gabi_word *word)
{
	struct gabi_word promised = *word;

	if (promised.key.space == GABI_SPACE_MSR_STATE)
		promised.key.space = GABI_SPACE_MSR;
	return restore_op(m, GABI_OP_VERIFY, &promised);
}

static int check_drop(struct moving *m, const struct gabi_op *drop, const struct gabi_word *word)
{
	if (drop->value != word->value)
		return state_word_refused(m, word, "is in use, and this host cannot load it", 0);
	m->effort.dropped++;
	return 0;
}

/* What is listed here will be tried, but for what the plan says may stay behind; and no state takes back what the plan has read
 * back. What is not listed must be allowed to stay behind. */
static int check_word(struct moving *m, const struct gabi_word *word)
{
	bool listed = state_list_has(m->list, word->key.index), may_stay = !listed || word->key.space == GABI_SPACE_ARM64;
	const struct gabi_op *op = !may_stay ? NULL : restore_op(m, GABI_OP_DROP_IF_EQUAL, word);

	if (op)
		return check_drop(m, op, word);
	if (!listed)
		return state_word_refused(m, word, "cannot be loaded here: this kernel does not list it", 0);
	op = promise_of(m, word);
	if (op && (op->value ^ word->value) & op->mask)
		return state_word_refused(m, word, "is not what the guest was promised", 0);
	return 0;
}

static int check_words(struct moving *m)
{
	size_t count;
	const struct gabi_word *word = gabi_state_words(m->from, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = check_word(m, &word[i]);
	return err;
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
