/* SPDX-License-Identifier: MIT */
/* What a KVM register id of arm64 says by itself: its width and its class. The numbers are those of Linux
 * arch/arm64/include/uapi/asm/kvm.h; tests/oracle/arm64_linux.py holds the rows against it. */
#include <gabi/vocab.h>

#include "base/base.h"

#define ARCH(id)   ((unsigned)((id) >> 56))
#define COPROC(id) ((unsigned)((id) >> 16) & 0xfff)
#define LOW(id)    ((unsigned)(id) & 0xffff)

enum {
	ARCH_ARM64 = 0x60,
};

enum coproc {
	COPROC_CORE = 0x10,   /* struct kvm_regs: x0 to x30, sp, pc, pstate, the SIMD registers */
	COPROC_DEMUX = 0x11,  /* CCSIDR by cache level */
	COPROC_SYSREG = 0x13, /* a system register by its encoding */
	COPROC_FW = 0x14,     /* PSCI version and workaround levels */
	COPROC_SVE = 0x15,    /* Z, P, FFR and, as the last number, the set of vector lengths */
	COPROC_BMAP = 0x16,   /* firmware services, a bit each */
};

enum { SVE_VLS = 0xffff };

#define SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

/*
 * The ID space of the architecture is op0 3, CRn 0: with op1 0 the main and feature registers, with op1 1 and 3 those of
 * caches and of what EL0 may read. CSSELR_EL1 (op1 2) only selects, and VPIDR_EL2, VMPIDR_EL2 (op1 4) are written by a guest
 * hypervisor: these are state. PMCR_EL0 is here for its field N, the number of counters, which is a promise; its other bits
 * are free.
 */
static bool sysreg_promises(unsigned reg)
{
	unsigned op0 = reg >> 14, op1 = reg >> 11 & 7, crn = reg >> 7 & 15, crm = reg >> 3 & 15;

	if (reg == SYSREG(3, 3, 9, 12, 0))
		return true;
	if (op0 != 3 || crn != 0)
		return false;
	return op1 == 0 ? crm <= 7 : (op1 == 1 || op1 == 3) && crm == 0;
}

enum gabi_space gabi_arm64_space(uint64_t id)
{
	bool promises = true; /* a class that is not known is compared strictly */

	if (ARCH(id) != ARCH_ARM64 || !gabi_arm64_bits(id))
		return GABI_SPACE_NONE;
	switch (COPROC(id)) {
	case COPROC_CORE:
		promises = false;
		break;
	case COPROC_DEMUX: /* CCSIDR: KVM makes the values up, and only those it made up can be written back */
	case COPROC_FW:
	case COPROC_BMAP:
		break;
	case COPROC_SYSREG:
		promises = sysreg_promises(LOW(id));
		break;
	case COPROC_SVE:
		promises = LOW(id) == SVE_VLS;
		break;
	}
	return promises ? GABI_SPACE_ARM64 : GABI_SPACE_ARM64_STATE;
}

unsigned gabi_arm64_bits(uint64_t id)
{
	const struct gabi_key key = { .space = GABI_SPACE_ARM64, .index = id };

	return ARCH(id) == ARCH_ARM64 ? gabi_key_width(&key) : 0;
}
