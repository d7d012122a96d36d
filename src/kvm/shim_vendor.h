/* SPDX-License-Identifier: MIT */
/* What a shim is made of, for the files that make it up, and what differs between the vendors' processors. */
#ifndef GABI_KVM_SHIM_VENDOR_H
#define GABI_KVM_SHIM_VENDOR_H

#include "machine.h"
#include "shim_cpuid.h"
#include "shim_pages.h"

struct shim_vendor;

struct shim {
	struct gabi_mem mem;
	const struct shim_vendor *vendor;
	struct shim_pages pages;
	struct shim_cpuid cpuid;
	uint64_t refused_efer;                 /* bits that the guest's processor does not have */
	const struct gabi_vmcs_layout *layout; /* Intel: of KVM's VMCS */
	struct shim_vp {
		bool inside; /* it is a nested guest, unless INIT has ended that */
		bool drops_init;
		bool numeric_error; /* Intel: CR0.NE, which KVM has set, as the guest has it */
		bool stale;         /* Intel: special registers were set inside */
		uint8_t msr_open;   /* bytes of an instruction whose access of an MSR has been told and not been carried out; 0: none */
	} *vp;
};

static inline struct shim *shim_of(const struct gabi_kvm_machine *machine, unsigned vtl)
{
	return machine->level[vtl].shim;
}

/* Why a nested guest was left. */
enum shim_why {
	SHIM_STAYED, /* it was not */
	SHIM_FETCH,  /* of an instruction, from gpa */
	SHIM_BEYOND, /* an access past all that the nested tables reach */
	SHIM_INIT,
	SHIM_CPUID,
	SHIM_XSETBV,
	SHIM_RDMSR, /* of an MSR that is not KVM's */
	SHIM_WRMSR,
	SHIM_SKIPPED,   /* an instruction that does nothing */
	SHIM_UNDEFINED, /* one that the guest does not have */
	SHIM_REFUSED,   /* one that is a general-protection fault */
	SHIM_DONE,      /* nothing is left to do */
	SHIM_TASK,      /* a switch of tasks */
	SHIM_CRASHED,
	SHIM_UNKNOWN,
};
struct shim_left {
	enum shim_why why;
	unsigned length; /* of the instruction; 0: not told */
	uint32_t number; /* SHIM_TASK: the selector of the one to go on with; SHIM_UNKNOWN: the processor's for why */
	uint64_t gpa;
	uint64_t event;  /* that was on its way in: see deliver */
};

/* MSRs that leaving loses, as many as the processor has. */
enum { SHIM_SAVED_MAX = 5 };
struct shim_saved {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[SHIM_SAVED_MAX];
};

/* Those that return int: 0 or -1. At all times but within put_back the processor's registers are as the guest has them, or what show makes that of. */
struct shim_vendor {
	struct shim_cpuid_terms cpuid;
	struct shim_format format;
	const struct gabi_kvm_msrs *msrs; /* whose accesses are exits, for take_msr */
	size_t msr_count;
	uint64_t efer;         /* bits that are set in a nested guest's */
	const uint32_t *saved; /* MSRs that leaving loses; those that not each processor has come last */
	uint32_t saved_count;

	/* Makes it a nested guest, and ends that. What leaving loses of its registers and events is no concern of leave's. */
	int (*enter)(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);
	int (*leave)(int vcpu);

	/* False: INIT has ended it. And true: it has to be left and entered again. */
	bool (*is_inside)(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);
	bool (*is_stale)(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

	/* From now on INIT is to be dropped. */
	int (*drop_init)(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

	/* Behind a KVM_RUN: if that left the nested guest, it is one again, but for the event that was on its way in. */
	int (*put_back)(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct shim_left *ret_left);

	/* From what KVM has to what the guest sees; and back, KVM having before. */
	void (*show)(const struct shim *shim, unsigned vp, struct kvm_sregs *sregs);
	void (*hide)(struct shim *shim, unsigned vp, const struct kvm_sregs *before, struct kvm_sregs *sregs);

	bool (*take_msr)(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run);
};

extern const struct shim_vendor shim_svm, shim_vmx;

/* ---- shim.c: a processor's registers, as KVM has them or will have with the next run ---- */

int shim_get_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *ret);
int shim_set_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *sregs);
int shim_set_general(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_regs *regs);

void shim_save_msrs(const struct shim *shim, int vcpu, struct shim_saved *ret);

/* What runs outside of the nested guest is one OUT. It is carried out first, or KVM would go on to the next instruction later, wherever that is then. */
int shim_finish_out(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl);

#endif
