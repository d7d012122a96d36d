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

GABI_END
#endif
