/* SPDX-License-Identifier: MIT */
/* A processor that executes RDMSR and WRMSR in the place of a guest's, for KVM to judge them as a guest's. */
#ifndef GABI_KVM_STANDIN_H
#define GABI_KVM_STANDIN_H

#include <gabi/kvm_machine.h>

struct standin;

int standin_new(const struct gabi_kvm_machine *machine, const struct gabi_contract *contract, const struct gabi_plan *plan,
		struct standin **ret_standin, struct gabi_diag *diag);
void standin_free(const struct gabi_kvm_machine *machine, struct standin *standin);

#endif
