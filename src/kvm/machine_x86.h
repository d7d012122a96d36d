/* SPDX-License-Identifier: MIT */
/* A virtual machine as every VMM makes it; the probe reads one, and a contract is carried out on one. */
#ifndef GABI_KVM_MACHINE_X86_H
#define GABI_KVM_MACHINE_X86_H

#include "io.h"

struct kvm_cpuid_entry2;

/* A VM with its local APICs in the kernel. */
int machine_new(int kvm, int *ret_vm, struct gabi_diag *diag);

/* One with a PC's interrupt controllers and timer in the kernel as well, in which guests may begin in real mode. */
int machine_new_pc(int kvm, int *ret_vm, struct gabi_diag *diag);

/* Before the first virtual processor. */
int machine_wait_in_place(int vm, struct gabi_diag *diag);
int machine_add_vcpu(int vm, unsigned index, int *ret_vcpu, struct gabi_diag *diag);

/* Lets KVM hold a virtual processor to the Hyper-V features that its CPUID shows, as a hypervisor does. */
int machine_hold_to_hyperv(int vcpu, struct gabi_diag *diag);

/* Gives it KVM's own synthetic interrupt controller, which is not there by CPUID alone. */
int machine_give_synic(int vcpu, struct gabi_diag *diag);

/* Puts the number of a virtual processor where a leaf tells it; core and node become 0. */
void machine_set_processor(struct kvm_cpuid_entry2 *entry, unsigned id);

#endif
