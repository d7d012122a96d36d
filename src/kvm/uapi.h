/* SPDX-License-Identifier: MIT */
/* The kernel's interface, with what older copies of <linux/kvm.h> do not have yet. Numbers are those of Linux 7.2. */
#ifndef GABI_KVM_UAPI_H
#define GABI_KVM_UAPI_H

#include <linux/kvm.h>

#ifndef KVM_CAP_DISABLE_QUIRKS2
#define KVM_CAP_DISABLE_QUIRKS2 213
#endif
#ifndef KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES
#define KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES 230
#define KVM_ARM_GET_REG_WRITABLE_MASKS        _IOR(KVMIO, 0xb6, struct reg_mask_range)
#define KVM_ARM_FEATURE_ID_RANGE              0
#define KVM_ARM_FEATURE_ID_RANGE_SIZE         (3 * 8 * 8)

struct reg_mask_range {
	__u64 addr;
	__u32 range;
	__u32 reserved[13];
};
#endif
#ifndef KVM_CAP_ARM_WRITABLE_IMP_ID_REGS
#define KVM_CAP_ARM_WRITABLE_IMP_ID_REGS 239
#endif
#ifndef KVM_ARM_VM_SMCCC_CTRL
#define KVM_ARM_VM_SMCCC_CTRL   0
#define KVM_ARM_VM_SMCCC_FILTER 0

struct kvm_smccc_filter {
	__u32 base;
	__u32 nr_functions;
	__u8 action;
	__u8 pad[15];
};
#endif

#endif
