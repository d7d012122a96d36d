/* SPDX-License-Identifier: MIT */
/*
 * libgabi-kvm: this machine's KVM.
 *
 * The only library of gabi that does I/O. It reads a host manifest out of /dev/kvm, and carries out plans on virtual
 * machines; everything else about manifests and contracts needs no kernel.
 */
#ifndef GABI_KVM_H
#define GABI_KVM_H

#include <gabi/host.h>
#include <gabi/plan.h>
#include <gabi/state.h>
#include <gabi/vocab.h>

GABI_BEGIN

/* What to read. Zero everything but `size` for the usual. */
struct gabi_kvm_probe_options {
	size_t size;        /* sizeof(struct gabi_kvm_probe_options); bytes that this library does not know must be 0 */
	const char *device; /* KVM's device; NULL: /dev/kvm */
	const char *name;   /* becomes the fact "name"; NULL: none */
};

/*
 * Reads everything that this machine's KVM can offer a guest into a new, sealed manifest.
 *
 * It makes scratch virtual machines, tries on them which bits KVM lets one change, and runs nothing in them. The same
 * kernel on the same machine gives the same manifest every time: what changes from run to run (clocks, counters, the
 * number of the processor that the probe ran on) is left out or, where its presence counts, listed as 0.
 *
 * On x86 it asks once, by arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM), that guests of this process may have the XSAVE features
 * that want permission (AMX), for KVM offers them to nobody else. A process cannot give that back; it costs nothing.
 *
 * options NULL: the usual. mem NULL: malloc and free. Errors: GABI_ERR_UNSUPPORTED where there is no KVM, GABI_ERR_KVM
 * where it refuses (diag->sys_errno says how), GABI_ERR_NOMEM, GABI_ERR_ARG.
 */
GABI_API int gabi_kvm_probe(const struct gabi_kvm_probe_options *options, const struct gabi_mem *mem, struct gabi_host **ret_host,
			    struct gabi_diag *diag);

/* A virtual machine whose descriptors the caller owns: its VMM's, or one of gabi_kvm_vm_create. */
struct gabi_kvm_vm {
	size_t size;    /* sizeof(struct gabi_kvm_vm); bytes that this library does not know must be 0 */
	int vm;
	const int *vcpu; /* of each virtual processor, by its index */
	unsigned vcpus;
	/*
	 * x86: fills in what the contract leaves free in one leaf of virtual processor vp (topology, APIC id): regs is EAX to EDX
	 * as it would be set, with the APIC id vp. Bits that are promised are put back afterwards. May be NULL.
	 */
	void (*cpuid)(void *ctx, unsigned vp, uint32_t leaf, uint32_t sub, uint32_t regs[4]);
	void *ctx;
	const int *kvm; /* KVM's device; NULL: opened where it is needed */
	const int *gic; /* arm64: the GICv2 or GICv3 in the kernel; NULL: there is none, or its state is not to be saved */
};

/*
 * Carries out a plan on a VM that has never run: its operations in their order, and last the reading back of all of it on
 * every virtual processor. All virtual processors must be there; on arm64 they are initialized, and SVE is not finalized,
 * which is done here once the vector lengths are set. Operations on saved state (DROP_IF_EQUAL) have no meaning here and are
 * passed over.
 *
 * The first refusal ends it: GABI_ERR_KVM, with diag->key, the errno if there is one, and a sentence that names the value
 * that was wanted. The VM is then neither the old nor the promised one, and must not be run.
 */
GABI_API int gabi_kvm_apply(const struct gabi_plan *plan, const struct gabi_kvm_vm *vm, const struct gabi_mem *mem,
			    struct gabi_diag *diag);

struct gabi_kvm_vm_options {
	size_t size;        /* sizeof(struct gabi_kvm_vm_options); bytes that this library does not know must be 0 */
	const char *device; /* NULL: /dev/kvm */
	unsigned vcpus;     /* 0: 1 */
	unsigned pc;        /* x86: 1: with the interrupt controllers and the timer of a PC, and not only with local APICs */
	/* x86: 1: HLT waits inside the processor. KVM then resolves each access of memory on the thread that makes it, and not on another. */
	unsigned waits_in_place;
};

/*
 * Makes a VM that a plan for that contract can be carried out on: with an interrupt controller in the kernel, virtual
 * processors, and on arm64 the features that the contract promises (PSCI 0.2, PMU, SVE, pointer authentication, MTE). It has
 * no memory yet. A feature that the kernel does not give is left out; gabi_kvm_apply then names the register that differs.
 */
GABI_API int gabi_kvm_vm_create(const struct gabi_contract *contract, const struct gabi_kvm_vm_options *options,
				const struct gabi_mem *mem, struct gabi_kvm_vm **ret_vm, struct gabi_diag *diag);

/* Closes the descriptors of one that gabi_kvm_vm_create made; NULL is fine. */
GABI_API void gabi_kvm_vm_free(struct gabi_kvm_vm *vm);

/* What a guest saw otherwise than it was promised: one field, or the bits of a word that no row covers. */
struct gabi_kvm_sight {
	const struct gabi_field *field; /* NULL where no row covers the bits */
	struct gabi_key key;
	uint8_t lo, bits;
	uint8_t faulted;  /* 1: the instruction faulted, and nothing was seen */
	uint8_t promised; /* 0: the contract does not list the word, so that it is to be absent */
	uint64_t want, seen;
};

struct gabi_kvm_testimony;

/*
 * Runs a small guest on virtual processor 0 of a VM on which a plan was carried out and which has no memory yet: it executes
 * CPUID, RDMSR or MRS and the SMCCC calls for all that the contract promises, and for what stands near and is not promised. It
 * says what differs, bit by bit; fields that are free, and those whose condition is not promised, excepted. The VM has run
 * after that and has the guest's state: it is to be thrown away.
 *
 * A difference is a result. GABI_ERR_KVM: the guest could not be run to its end.
 */
GABI_API int gabi_kvm_witness(const struct gabi_contract *contract, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
			      const struct gabi_mem *mem, struct gabi_kvm_testimony **ret_testimony, struct gabi_diag *diag);
GABI_API void gabi_kvm_testimony_free(struct gabi_kvm_testimony *testimony); /* NULL is fine */

/* What differs, in the order of keys; and how many words were looked at. */
GABI_API const struct gabi_kvm_sight *gabi_kvm_testimony_sights(const struct gabi_kvm_testimony *testimony, size_t *ret_count);
GABI_API size_t gabi_kvm_testimony_words(const struct gabi_kvm_testimony *testimony);

/* What became of a contract on a machine. */
enum gabi_kvm_outcome {
	GABI_KVM_HELD,    /* carried out, and the guest saw what was promised */
	GABI_KVM_REFUSED, /* KVM refused, or showed something else when it was read back */
	GABI_KVM_BROKEN,  /* carried out, and the guest saw something else */
};
GABI_API const char *gabi_kvm_outcome_text(unsigned outcome); /* "held" */

struct gabi_kvm_trial {
	enum gabi_kvm_outcome outcome;
	struct gabi_diag refusal;             /* REFUSED: what gabi_kvm_apply said */
	struct gabi_kvm_testimony *testimony; /* else: what the guest saw; the caller's to free */
};

/*
 * Makes a VM for a contract, carries out its plan and lets the guest look. report is a verdict on this machine's manifest that
 * the contract fits; NULL tries it whatever the verdict is. Errors: as of the functions above, but for what KVM refuses of the
 * contract, which is a result.
 */
GABI_API int gabi_kvm_try(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report,
			  const struct gabi_mem *mem, struct gabi_kvm_trial *ret_trial, struct gabi_diag *diag);

/* What moving a state cost. */
struct gabi_kvm_effort {
	unsigned ioctls; /* calls of the kernel */
	unsigned dropped; /* registers that were left behind, by the plan */
};

/*
 * Saves the state of a VM that runs under that contract. No virtual processor may be running, and each must have been let
 * finish what its last exit left open: KVM_RUN with immediate_exit set, until that ends with EINTR. Guest memory, and what is
 * the VMM's, is not of it. The VM can run on afterwards, whatever this returns. ret_effort may be NULL.
 *
 * The state is the caller's, to be freed by gabi_state_free.
 */
GABI_API int gabi_kvm_save(const struct gabi_contract *contract, const struct gabi_kvm_vm *vm, const struct gabi_mem *mem,
			   struct gabi_state **ret_state, struct gabi_kvm_effort *ret_effort, struct gabi_diag *diag);

/*
 * Loads a state into a VM on which the plan was carried out (gabi_kvm_apply), which has its memory, and which has never run.
 * The plan is one of gabi_plan_new with the report of gabi_state_check: it says which registers may stay behind, and if they
 * hold another value than it says, or others cannot be loaded, GABI_ERR_KVM comes before anything is touched. Nested state is
 * judged before KVM drops what it has, and converted where this kernel's form is another one.
 *
 * The state is only read: after an error it is as it was and its source can run on; the VM is to be thrown away. Clocks go on
 * from where they stood.
 */
GABI_API int gabi_kvm_restore(const struct gabi_state *state, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
			      const struct gabi_mem *mem, struct gabi_kvm_effort *ret_effort, struct gabi_diag *diag);

/* What gabi_kvm_restore looks at before it touches anything: registers and nested state. Nothing is loaded. */
GABI_API int gabi_kvm_restore_check(const struct gabi_state *state, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
				    const struct gabi_mem *mem, struct gabi_diag *diag);

GABI_END
#endif
