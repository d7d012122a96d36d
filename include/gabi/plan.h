/* SPDX-License-Identifier: MIT */
/*
 * A plan: the ordered operations that put a contract onto a host, as data. It is carried out by gabi/kvm.h or by a VMM.
 */
#ifndef GABI_PLAN_H
#define GABI_PLAN_H

#include <gabi/verdict.h>

GABI_BEGIN

enum gabi_op_kind {
	GABI_OP_ENABLE_CAP,    /* KVM_ENABLE_CAP: key.index is the capability, value its first argument */
	GABI_OP_SET_CPUID,     /* one register of one leaf; all in a row make up one KVM_SET_CPUID2 */
	GABI_OP_SET_MSR,       /* KVM_SET_MSRS */
	GABI_OP_SET_REG,       /* KVM_SET_ONE_REG */
	GABI_OP_SET_TSC_KHZ,   /* KVM_SET_TSC_KHZ */
	GABI_OP_DROP_IF_EQUAL, /* of a saved state: leave the word out if it holds value, else refuse */
	GABI_OP_VERIFY,        /* read back: the word under mask must be value */
	GABI_OP_FILTER_SMCCC,  /* KVM_ARM_VM_SMCCC_FILTER: key.index is the first function, value its enum gabi_smccc */
	GABI_OP_COUNT
};

struct gabi_op {
	uint8_t kind;        /* enum gabi_op_kind */
	uint8_t scope;       /* enum gabi_scope: VM means once, on any virtual processor where the ioctl is a vCPU's */
	uint8_t before_run;  /* 1: must come before the first run of any virtual processor */
	uint8_t bits;        /* width of the word */
	uint16_t vp;         /* GABI_VP_ALL or one virtual processor */
	struct gabi_key key;
	uint64_t value;
	uint64_t mask;       /* the bits that are promised; the others are free: the VMM's, or run-time state */
};

struct gabi_plan;

#define GABI_PLAN_SCHEMA 1 /* of the JSON form */

/*
 * The plan for a contract that fits; a report that does not say so is GABI_ERR_ARG. report NULL: the plan as if it did, to
 * let the kernel itself say no.
 */
GABI_API int gabi_plan_new(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report,
			   const struct gabi_mem *mem, struct gabi_plan **ret_plan, struct gabi_diag *diag);
GABI_API void gabi_plan_free(struct gabi_plan *plan); /* NULL is fine */
GABI_API const struct gabi_op *gabi_plan_ops(const struct gabi_plan *plan, size_t *ret_count);

/* x86: where the guest finds KVM's own leaves, which operations number from 0x40000000: there, or at 0x40000100 where
 * Hyper-V's are, unless the contract says otherwise. */
GABI_API uint32_t gabi_plan_kvm_leaf_base(const struct gabi_plan *plan);
GABI_API const char *gabi_op_text(unsigned kind); /* "set-cpuid" */

GABI_END
#endif
