/* SPDX-License-Identifier: MIT */
/* What saving and restoring share. One struct moving is one call of either. */
#ifndef GABI_KVM_STATE_H
#define GABI_KVM_STATE_H

#include <gabi/kvm.h>

#include "io.h"
#include "uapi.h"

struct moving {
	const struct gabi_kvm_vm *vm;
	struct gabi_mem mem;
	struct gabi_diag *diag;
	struct gabi_state *into;       /* saving */
	const struct gabi_state *from; /* restoring */
	const struct gabi_plan *plan;  /* restoring */
	struct gabi_kvm_effort effort;
	struct state_list *list;
	/* x86 */
	size_t xsave_len;          /* bytes of this VM's XSAVE */
	bool has_sregs2;           /* this kernel has KVM_GET_SREGS2 */
	bool by_offset;            /* restoring: the TSC is set by its offset, not by its MSR */
	struct kvm_clock_data now; /* then: clock and host TSC of this host */
	/* arm64 */
	bool is_gic3; /* the interrupt controller is a GICv3, and no GICv2 */
};

/* The registers that this kernel lists, by rising number. */
struct state_list {
	size_t count;
	uint64_t id[];
};

/* ioctl, counted. */
int state_call(struct moving *moving, int fd, unsigned long request, void *arg);

/* Fills moving->list; of one virtual processor, which stands for all. Called once. */
int state_list_get(struct moving *moving);
bool state_list_has(const struct state_list *list, uint64_t id);
struct state_list *state_list_new(struct moving *moving, size_t room);
void state_list_sort(struct state_list *list);

/* "KVM refused to <what> of virtual processor 3: ..." */
int state_refused(struct moving *moving, const char *what, unsigned vp);

/* The same for a register, GABI_ERR_KVM with its key. */
int state_word_refused(struct moving *moving, const struct gabi_word *word, const char *why, int sys_errno);

/* ---- one of each per architecture ---- */

/* Looks whether everything can be saved. */
int save_begin(struct moving *moving);
int save_vm(struct moving *moving);
int save_vp(struct moving *moving, unsigned vp);

/* Looks whether everything can be loaded; touches nothing. */
int restore_check(struct moving *moving);
int restore_vm(struct moving *moving);
int restore_vp(struct moving *moving, unsigned vp);
int restore_finish(struct moving *moving);

/* The plan's first operation of that kind on the word; NULL: there is none. */
const struct gabi_op *restore_op(const struct moving *moving, unsigned kind, const struct gabi_word *word);

#endif
