/* SPDX-License-Identifier: MIT */
/* A contract on this machine, from the plan to what the guest saw. */
#include <gabi/kvm.h>

#include "base/base.h"

const char *gabi_kvm_outcome_text(unsigned outcome)
{
	static const char *const texts[] = { "held", "refused", "broken" };

	return outcome < GABI_COUNT_OF(texts) ? texts[outcome] : "unknown";
}

static int look(const struct gabi_contract *contract, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
		const struct gabi_mem *mem, struct gabi_kvm_trial *trial, struct gabi_diag *diag)
{
	size_t count;
	int err = gabi_kvm_witness(contract, plan, vm, mem, &trial->testimony, diag);

	if (err)
		return err;
	gabi_kvm_testimony_sights(trial->testimony, &count);
	trial->outcome = count ? GABI_KVM_BROKEN : GABI_KVM_HELD;
	return 0;
}

static int carry_out(const struct gabi_contract *contract, const struct gabi_plan *plan, const struct gabi_kvm_vm *vm,
		     const struct gabi_mem *mem, struct gabi_kvm_trial *trial, struct gabi_diag *diag)
{
	int err = gabi_kvm_apply(plan, vm, mem, &trial->refusal);

	if (err == GABI_ERR_KVM) {
		trial->outcome = GABI_KVM_REFUSED;
		return 0;
	}
	if (err && diag)
		*diag = trial->refusal;
	return err ? err : look(contract, plan, vm, mem, trial, diag);
}

int gabi_kvm_try(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report,
		 const struct gabi_mem *mem, struct gabi_kvm_trial *ret_trial, struct gabi_diag *diag)
{
	struct gabi_kvm_trial trial = { .outcome = GABI_KVM_HELD };
	struct gabi_kvm_vm *vm = NULL;
	struct gabi_plan *plan = NULL;
	int err = gabi_plan_new(contract, host, report, mem, &plan, diag);

	if (!err)
		err = gabi_kvm_vm_create(contract, NULL, mem, &vm, diag);
	if (!err)
		err = carry_out(contract, plan, vm, mem, &trial, diag);
	gabi_kvm_vm_free(vm);
	gabi_plan_free(plan);
	if (!err)
		*ret_trial = trial;
	return err;
}
