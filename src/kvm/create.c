/* SPDX-License-Identifier: MIT */
/* A VM that a plan can be carried out on: the part that is the same on every architecture. */
#include "create.h"

#include "probe.h"

#include <string.h>

/* What gabi_kvm_vm_free must find. */
struct created {
	struct gabi_kvm_vm vm; /* first */
	struct gabi_mem mem;
	int kvm, gic; /* -1: none */
	int vcpu[];
};

static int take_options(struct gabi_kvm_vm_options *ours, const struct gabi_kvm_vm_options *theirs, struct gabi_diag *diag)
{
	int err = kvm_take_sized(ours, sizeof(*ours), theirs, diag);

	if (err)
		return err;
	if (!ours->device)
		ours->device = "/dev/kvm";
	if (!ours->vcpus)
		ours->vcpus = 1;
	return 0;
}

static struct created *new_created(unsigned vcpus, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct created *created = vcpus <= GABI_VP_ALL ? gabi_mem_get(&own, sizeof(*created) + vcpus * sizeof(created->vcpu[0])) : NULL;

	if (!created)
		return NULL;
	created->mem = own;
	created->kvm = created->gic = -1;
	created->vm = (struct gabi_kvm_vm){ .size = sizeof(created->vm), .vm = -1, .vcpu = created->vcpu, .vcpus = vcpus, .kvm = &created->kvm };
	for (unsigned vp = 0; vp < vcpus; vp++)
		created->vcpu[vp] = -1;
	return created;
}

int gabi_kvm_vm_create(const struct gabi_contract *contract, const struct gabi_kvm_vm_options *options,
		       const struct gabi_mem *mem, struct gabi_kvm_vm **ret_vm, struct gabi_diag *diag)
{
	struct gabi_kvm_vm_options ours;
	struct created *created;
	int err = take_options(&ours, options, diag);

	if (err)
		return err;
	if (gabi_contract_arch(contract) != probe_arch)
		return gabi_fail(diag, GABI_ERR_ARCH, "the contract is for ", gabi_arch_text(gabi_contract_arch(contract)),
				 ", and this machine is ", gabi_arch_text(probe_arch), (char *)NULL);
	created = new_created(ours.vcpus, mem);
	if (!created)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = kvm_open(ours.device, &created->kvm, diag);
	if (!err)
		err = create_machine(contract, created->kvm, &ours, &created->vm.vm, created->vcpu, &created->gic, diag);
	if (created->gic >= 0)
		created->vm.gic = &created->gic;
	if (err)
		gabi_kvm_vm_free(&created->vm);
	else
		*ret_vm = &created->vm;
	return err;
}

void gabi_kvm_vm_free(struct gabi_kvm_vm *vm)
{
	struct created *created = (void *)vm;

	if (!vm)
		return;
	for (unsigned vp = 0; vp < vm->vcpus; vp++)
		kvm_close(created->vcpu[vp]);
	kvm_close(created->gic);
	kvm_close(vm->vm);
	kvm_close(created->kvm);
	gabi_mem_put(&created->mem, created);
}
