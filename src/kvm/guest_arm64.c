/* SPDX-License-Identifier: MIT */
/* The guest's processor on arm64: at EL1, as after reset, with the MMU off. */
#include "guest.h"

#include "uapi.h"

#include <stddef.h>

enum { PSTATE_EL1H_MASKED = 0x3c5 };

static int set_core(int vcpu, uint64_t number, uint64_t value)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | number, .addr = (uintptr_t)&value };

	return kvm_ioctl(vcpu, KVM_SET_ONE_REG, &reg);
}

int guest_enter(int vcpu, unsigned char *memory, struct gabi_diag *diag)
{
	(void)memory;
	if (set_core(vcpu, KVM_REG_ARM_CORE_REG(regs.pc), GUEST_IMAGE) ||
	    set_core(vcpu, KVM_REG_ARM_CORE_REG(sp_el1), GUEST_STACK) ||
	    set_core(vcpu, KVM_REG_ARM_CORE_REG(regs.pstate), PSTATE_EL1H_MASKED))
		return kvm_refused(diag, "put a virtual processor at a guest's entry");
	return 0;
}

int guest_answer(int vcpu)
{
	return set_core(vcpu, KVM_REG_ARM_CORE_REG(regs.regs[0]), GUEST_VMM_ANSWERED);
}

bool guest_ended(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == GUEST_END && run->mmio.is_write;
}
