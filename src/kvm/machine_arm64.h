/* SPDX-License-Identifier: MIT */
/* A virtual machine as every VMM makes it; the probe reads one, and a contract is carried out on one. */
#ifndef GABI_KVM_MACHINE_ARM64_H
#define GABI_KVM_MACHINE_ARM64_H

#include "io.h"

#define MACHINE_IPA_BITS 40 /* what a VM of type 0 has */

int machine_new(int kvm, int *ret_vm, struct gabi_diag *diag);
int machine_add_vcpu(int vm, unsigned index, int *ret_vcpu, struct gabi_diag *diag);

/* Enables a capability of the VM where the kernel has it; before the first virtual processor. */
void machine_enable(int vm, unsigned cap);

/* ID_AA64PFR0_EL1.GIC follows the interrupt controller, which every VMM makes. Makes one of that version, 2 or 3, or where
 * the machine cannot, of the other; *ret_fd, if there is one, is its descriptor, or -1. */
void machine_give_gic(int vm, unsigned version, int *ret_fd);

/* The features KVM_ARM_VCPU_* that the kernel announces for a VM. */
uint32_t machine_features(int vm);

/* Initializes the virtual processor with as many of the features as the kernel really gives: one that it announces and
 * then refuses (a PMU whose driver is missing) is given up, the last first. */
int machine_init_vcpu(int vm, int vcpu, uint32_t *features, struct gabi_diag *diag);

#endif
