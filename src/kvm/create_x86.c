/* SPDX-License-Identifier: MIT */
#include "create.h"

#include "machine_x86.h"

int create_machine(const struct gabi_contract *contract, int kvm, unsigned count, int *ret_vm, int *vcpu,
		   struct gabi_diag *diag)
{
	int err = machine_new(kvm, ret_vm, diag);

	(void)contract; /* all that x86 lets one choose is set by the plan */
	for (unsigned vp = 0; !err && vp < count; vp++)
		err = machine_add_vcpu(*ret_vm, vp, &vcpu[vp], diag);
	return err;
}
