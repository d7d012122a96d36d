/* SPDX-License-Identifier: MIT */
/* What the parts of carrying out a plan share. One struct apply is one call of gabi_kvm_apply. */
#ifndef GABI_KVM_APPLY_H
#define GABI_KVM_APPLY_H

#include <gabi/kvm.h>

#include "io.h"

struct apply {
	const struct gabi_plan *plan;
	const struct gabi_kvm_vm *vm;
	struct gabi_mem mem;
	struct gabi_diag *diag;
	struct kvm_cpuid2 *cpuid; /* x86: what is set, then what is read back */
	uint32_t cpuid_room;      /* entries */
};

/* Does the operation concern that virtual processor? */
static inline bool apply_concerns(const struct gabi_op *op, unsigned vp)
{
	return op->vp == GABI_VP_ALL || op->vp == vp;
}

/* GABI_ERR_KVM with the operation's key and value; sys_errno 0: KVM took it without a reason or not at all. */
int apply_refused(struct apply *apply, const struct gabi_op *op, unsigned vp, int sys_errno);

/* The reading back: 0 if `seen` is the value under the mask, else GABI_ERR_KVM. */
int apply_compare(struct apply *apply, const struct gabi_op *op, unsigned vp, uint64_t seen);

/* ---- one of each per architecture ---- */

/* Carries out operations of one kind, as many as apply_run said, on the virtual processors that they concern. */
int apply_set(struct apply *apply, const struct gabi_op *op, size_t count);

/* How many operations from op[0] on are one call; at least 1. */
size_t apply_run(const struct gabi_op *op, size_t count);

/* What must come after all that is set and before the reading back. */
int apply_finish(struct apply *apply);

/* Reads what is read once for all words of a virtual processor. */
int apply_begin_verify(struct apply *apply, unsigned vp);

/* Reads one word of one virtual processor and compares it. */
int apply_verify(struct apply *apply, const struct gabi_op *op, unsigned vp);

#endif
