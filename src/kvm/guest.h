/* SPDX-License-Identifier: MIT */
/* Running the guest of guest/ on virtual processor 0 of a VM. */
#ifndef GABI_KVM_GUEST_H
#define GABI_KVM_GUEST_H

#include <gabi/kvm.h>

#include "io.h"

#include "../../guest/guest.h"

/* Lays memory and the guest into the VM, asks it the requests, and takes the answers into them. The memory stays the VM's only
 * for that time. GABI_ERR_KVM where KVM refuses, or the guest ends otherwise than it should. */
int guest_ask_all(const struct gabi_kvm_vm *vm, struct guest_request *requests, size_t count, struct gabi_diag *diag);

/* ---- one of each per architecture ---- */

/* Puts the processor at the guest's entry, with what it needs in memory. */
int guest_enter(int vcpu, unsigned char *memory, struct gabi_diag *diag);

struct kvm_run;

/* Answers a call that the VM's filter hands to its VMM: the guest sees in X0 that it was. Not 0: there are no such calls here. */
int guest_answer(int vcpu);

/* Is this exit the guest's way to say that it has answered? */
bool guest_ended(const struct kvm_run *run);

#endif
