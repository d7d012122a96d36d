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

/* KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR of the offset that guests' TSC has to the host's. */
int state_tsc_offset(struct moving *moving, unsigned vp, unsigned long request, uint64_t *offset);

/* How many bytes XSAVE takes on this VM. */
size_t state_xsave_len(struct moving *moving);

#endif
