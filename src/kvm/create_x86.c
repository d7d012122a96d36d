/* SPDX-License-Identifier: MIT */
#include "create.h"

#include "machine_x86.h"

int create_machine(const struct gabi_contract *contract, int kvm, const struct gabi_kvm_vm_options *options, int *ret_vm,
		   int *vcpu, int *ret_gic, struct gabi_diag *diag)
{
	int err = options->pc ? machine_new_pc(kvm, ret_vm, diag) : machine_new(kvm, ret_vm, diag);

	(void)ret_gic;
	(void)contract; /* all that x86 lets one choose is set by the plan */
	if (!err && options->waits_in_place)
		err = machine_wait_in_place(*ret_vm, diag);
	for (unsigned vp = 0; !err && vp < options->vcpus; vp++)
		err = machine_add_vcpu(*ret_vm, vp, &vcpu[vp], diag);
	return err;
}
