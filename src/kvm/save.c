/* SPDX-License-Identifier: MIT */
/* Saving a VM's state: the part that is the same on every architecture, and what restoring needs of it too. */
#include "state.h"

#include "probe.h"
#include "uapi.h"

#include <gabi/vocab.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

int state_call(struct moving *moving, int fd, unsigned long request, void *arg)
{
	moving->effort.ioctls++;
	return kvm_ioctl(fd, request, arg);
}

int state_refused(struct moving *moving, const char *what, unsigned vp)
{
	int saved = errno;
	char text[160];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, what);
	if (vp != GABI_VP_ALL) {
		gabi_out_text(&out, " of virtual processor ");
		gabi_out_dec(&out, vp);
	}
	errno = saved;
	return kvm_refused(moving->diag, text);
}

int state_word_refused(struct moving *moving, const struct gabi_word *word, const char *why, int sys_errno)
{
	const struct gabi_reg *reg = gabi_reg_of(&word->key);
	char key[64], value[24], vp[32];
	struct gabi_out out = gabi_out_to(value, sizeof(value));

	gabi_key_print(&word->key, key, sizeof(key));
	gabi_out_hex(&out, word->value, 1);
	out = gabi_out_to(vp, sizeof(vp));
	gabi_out_dec(&out, word->vp);
	gabi_fail_at(moving->diag, GABI_ERR_KVM, &word->key, key, reg ? " (" : "", reg ? reg->name : "", reg ? ")" : "",
		     " of virtual processor ", vp, " with the value 0x", value, " ", why, sys_errno ? ": " : "",
		     sys_errno ? strerror(sys_errno) : "", (char *)NULL);
	if (moving->diag)
		moving->diag->sys_errno = sys_errno;
	return GABI_ERR_KVM;
}

/* ---- lists of registers ---- */

struct state_list *state_list_new(struct moving *moving, size_t room)
{
	struct state_list *list = gabi_mem_get(&moving->mem, sizeof(*list) + room * sizeof(list->id[0]));

	if (!list)
		gabi_fail(moving->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return list;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t id_a, id_b;

	memcpy(&id_a, a, sizeof(id_a));
	memcpy(&id_b, b, sizeof(id_b));
	return id_a < id_b ? -1 : id_a > id_b;
}

void state_list_sort(struct state_list *list)
{
	size_t kept = 0;

	qsort(list->id, list->count, sizeof(list->id[0]), compare_ids);
	for (size_t i = 0; i < list->count; i++) /* some kernels list a register twice */
		if (!kept || list->id[kept - 1] != list->id[i])
			list->id[kept++] = list->id[i];
	list->count = kept;
}

bool state_list_has(const struct state_list *list, uint64_t id)
{
	return list->count && bsearch(&id, list->id, list->count, sizeof(list->id[0]), compare_ids);
}

/* ---- saving ---- */

static int take_vm(struct gabi_kvm_vm *ours, const struct gabi_kvm_vm *theirs, struct gabi_diag *diag)
{
	int err = kvm_take_sized(ours, sizeof(*ours), theirs, diag);

	if (!err && (!ours->vcpus || !ours->vcpu || ours->vcpus > GABI_STATE_MAX_VPS))
		err = gabi_fail(diag, GABI_ERR_ARG, "the VM has no virtual processor, or too many", (char *)NULL);
	return err;
}

static int save_head(struct moving *m, const struct gabi_contract *contract)
{
	uint8_t digest[GABI_DIGEST_LEN];
	struct utsname name;

	gabi_contract_digest(contract, digest);
	gabi_state_set_digest(m->into, digest);
	return uname(&name) ? 0 : gabi_state_set_release(m->into, name.release, m->diag);
}

static int save_all(struct moving *m, const struct gabi_contract *contract)
{
	int err = save_head(m, contract);

	if (!err)
		err = save_begin(m);
	if (!err)
		err = state_list_get(m);
	for (unsigned vp = 0; !err && vp < m->vm->vcpus; vp++)
		err = save_vp(m, vp);
	if (!err)
		err = save_vm(m);
	return err ? err : gabi_state_seal(m->into, m->diag);
}

int gabi_kvm_save(const struct gabi_contract *contract, const struct gabi_kvm_vm *vm, const struct gabi_mem *mem,
		  struct gabi_state **ret_state, struct gabi_kvm_effort *ret_effort, struct gabi_diag *diag)
{
	struct gabi_kvm_vm ours;
	struct moving moving = { .vm = &ours, .mem = gabi_mem_or_default(mem), .diag = diag };
	int err = take_vm(&ours, vm, diag);

	if (err)
		return err;
	if (gabi_contract_arch(contract) != probe_arch)
		return gabi_fail(diag, GABI_ERR_ARCH, "the contract is of another architecture than this machine", (char *)NULL);
	moving.into = gabi_state_new(probe_arch, ours.vcpus, mem);
	if (!moving.into)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = save_all(&moving, contract);
	gabi_mem_put(&moving.mem, moving.list);
	if (err) {
		gabi_state_free(moving.into);
		return err;
	}
	*ret_state = moving.into;
	if (ret_effort)
		*ret_effort = moving.effort;
	return 0;
}
