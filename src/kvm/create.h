/* SPDX-License-Identifier: MIT */
#ifndef GABI_KVM_CREATE_H
#define GABI_KVM_CREATE_H

#include <gabi/kvm.h>

#include "io.h"

/* Makes the VM, its interrupt controller and options->vcpus virtual processors as a contract wants them. vcpu, and on arm64
 * ret_gic, hold -1 where none was made; what was made is the caller's to close, on failure too. */
int create_machine(const struct gabi_contract *contract, int kvm, const struct gabi_kvm_vm_options *options, int *ret_vm,
		   int *vcpu, int *ret_gic, struct gabi_diag *diag);

#endif
