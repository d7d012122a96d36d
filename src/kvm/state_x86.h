/* SPDX-License-Identifier: MIT */
/* What saving and restoring share on x86. */
#ifndef GABI_KVM_STATE_X86_H
#define GABI_KVM_STATE_X86_H

#include "state.h"

#include "uapi.h"

enum {
	MSR_TSC = 0x10,
	XSAVE_LEN = 4096,      /* struct kvm_xsave without what came behind it */
};

struct msr_call {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[256]; /* Linux arch/x86/kvm/x86.c, MAX_IO_MSRS: no kernel takes more at once */
};

/*
 * MSRs that KVM keeps for a guest, and that a guest can set, but which KVM_GET_MSR_INDEX_LIST leaves out: Linux arch/x86/kvm/x86.c,
 * kvm_set_msr_common, against msrs_to_save_base and emulated_msrs_all. By rising number.
 */
struct state_unlisted {
	uint32_t first, count;
	uint32_t beside; /* an MSR that is listed where they are there; 0: they may always be */
	uint64_t reset;  /* what a new virtual processor has there */
};

enum { STATE_UNLISTED_MAX = 255 }; /* MSRs of all rows, and one call takes them */

const struct state_unlisted *state_unlisted(size_t *ret_rows);

/*
 * The pointer to the shadow stack is no MSR but a register of KVM_GET_ONE_REG: Linux arch/x86/include/uapi/asm/kvm.h,
 * KVM_X86_REG_KVM(KVM_REG_GUEST_SSP). Its number stands behind those of all MSRs.
 */
#define STATE_SSP 0x2030000300000000ull

/* KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR of the offset that guests' TSC has to the host's. */
int state_tsc_offset(struct moving *moving, unsigned vp, unsigned long request, uint64_t *offset);

/* How many bytes XSAVE takes on this VM. */
size_t state_xsave_len(struct moving *moving);

#endif
