/* SPDX-License-Identifier: MIT */
#include "machine_arm64.h"

#include "uapi.h"

#include <sys/ioctl.h>

static const struct feature {
	unsigned cap, bit;
} features[] = {
	{ KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_ARM_VCPU_PTRAUTH_ADDRESS },
	{ KVM_CAP_ARM_PTRAUTH_GENERIC, KVM_ARM_VCPU_PTRAUTH_GENERIC },
	{ KVM_CAP_ARM_SVE, KVM_ARM_VCPU_SVE },
	{ KVM_CAP_ARM_PMU_V3, KVM_ARM_VCPU_PMU_V3 },
};

uint32_t machine_features(int vm)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(features); i++)
		if (kvm_cap(vm, features[i].cap))
			bits |= 1u << features[i].bit;
	return bits;
}

void machine_enable(int vm, unsigned cap)
{
	struct kvm_enable_cap enable = { .cap = cap };

	if (kvm_cap(vm, cap))
		kvm_ioctl(vm, KVM_ENABLE_CAP, &enable);
}

void machine_give_gic(int vm, unsigned version, int *ret_fd)
{
	const uint32_t types[] = { version == 3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2,
				   version == 3 ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3 };
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < GABI_COUNT_OF(types); i++) {
		struct kvm_create_device device = { .type = types[i] };

		if (!kvm_ioctl(vm, KVM_CREATE_DEVICE, &device))
			fd = (int)device.fd;
	}
	if (ret_fd)
		*ret_fd = fd;
	else
		kvm_close(fd);
}

int machine_init_vcpu(int vm, int vcpu, uint32_t *wanted, struct gabi_diag *diag)
{
	struct kvm_vcpu_init init = { 0 };

	if (kvm_ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init))
		return kvm_refused(diag, "name the processor that it can virtualize");
	for (size_t i = GABI_COUNT_OF(features);; i--) {
		init.features[0] = *wanted | 1u << KVM_ARM_VCPU_PSCI_0_2;
		if (!kvm_ioctl(vcpu, KVM_ARM_VCPU_INIT, &init))
			return 0;
		if (!i)
			return kvm_refused(diag, "initialize a virtual processor");
		*wanted &= ~(1u << features[i - 1].bit);
	}
}

/* A host whose addresses are shorter than the default wants to be told the size. */
int machine_new(int kvm, int *ret_vm, struct gabi_diag *diag)
{
	unsigned bits = kvm_cap(kvm, KVM_CAP_ARM_VM_IPA_SIZE);

	return kvm_vm_new(kvm, bits && bits < MACHINE_IPA_BITS ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0, ret_vm, diag);
}

int machine_add_vcpu(int vm, unsigned index, int *ret_vcpu, struct gabi_diag *diag)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)index);

	if (vcpu < 0)
		return kvm_refused(diag, "make a virtual processor");
	*ret_vcpu = vcpu;
	return 0;
}
