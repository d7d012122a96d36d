/* SPDX-License-Identifier: MIT */
/* What saving and restoring share on arm64: the registers of the interrupt controller. */
#ifndef GABI_KVM_STATE_ARM64_H
#define GABI_KVM_STATE_ARM64_H

#include "state.h"

#include <gabi/vocab.h>

enum {
	STATE_REG_MAX = 256,     /* bytes of the widest register that an id can say */
	STATE_GIC_SPIS = 32,     /* the first shared interrupt */
	STATE_GIC_CTLR = 0,      /* GICD_CTLR and GICR_CTLR */
	STATE_GIC_IIDR = 8,      /* GICD_IIDR, of which KVM's revision can be chosen */
	STATE_GICC_CTLR = 0,     /* a GICv2's CPU interface */
};

/* Is it a GICv3? A GICv2 has no redistributors. */
bool state_is_gic3(struct moving *moving);

/* A device attribute that names a virtual processor of a GICv2 by its index. */
static inline uint64_t state_gic2_vp(unsigned vp)
{
	return (uint64_t)vp << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
}

/* KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR of the address of a virtual processor's stolen time. */
int state_pv_time(struct moving *moving, unsigned vp, unsigned long request, uint64_t *address);

/* The system registers of a GICv3's CPU interface, in the order in which they are loaded: SRE and CTLR say what the rest is. */
#define STATE_ICC(op1, crn, crm, op2) (3u << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
extern const uint16_t state_gic_cpu[];
extern const unsigned state_gic_cpu_count;
#define STATE_ICC_CTLR STATE_ICC(0, 12, 12, 4)
#define STATE_ICC_SRE  STATE_ICC(0, 12, 12, 5)

/* One access to the controller; group is KVM_DEV_ARM_VGIC_GRP_*, width 4 or 8 bytes. */
int state_gic(struct moving *moving, unsigned long request, unsigned group, uint64_t attr, void *value);

/* The upper half of a device attribute that names a virtual processor by its affinity. */
uint64_t state_gic_vp(uint64_t mpidr);

/* A register of a virtual processor, as bytes. */
int state_reg(struct moving *moving, unsigned vp, unsigned long request, uint64_t id, void *bytes);
#define STATE_MPIDR 0x603000000013c005u

/* Lines of 32 interrupts from that number on. */
static inline uint64_t state_gic_lines(uint64_t first)
{
	return (uint64_t)VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT | first;
}

#endif
