/* SPDX-License-Identifier: MIT */
/* Synthetic MSRs. Which of a VTL's own is meant follows from the VTL that the virtual processor is in. */
#ifndef GABI_HV_MSR_H
#define GABI_HV_MSR_H

#include <gabi/hv_turn.h>

GABI_BEGIN

enum gabi_hv_msr {
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) GABI_HV_MSR_##name = (number),
#include <gabi/hv_msr.def>
};

/* RDMSR and WRMSR: GABI_HV_DONE or GABI_HV_GP. A number without a row is GABI_ERR_UNKNOWN: not the engine's. */
GABI_API int gabi_hv_rdmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t now_100ns, uint64_t *ret_value,
			   struct gabi_hv_turn *turn);
GABI_API int gabi_hv_wrmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t value, uint64_t now_100ns,
			   struct gabi_hv_turn *turn);

/*
 * The reference TSC page: ReferenceTime = ((TSC * scale) >> 64) + offset, with the scale of tsc_hz. reliable 0: the guest is
 * told to read the counter instead, which is how a partition starts. Call with all virtual processors stopped or not; the
 * page's sequence rules make it safe.
 */
GABI_API int gabi_hv_set_reference_tsc(struct gabi_hv *hv, uint64_t tsc_hz, int64_t offset_100ns, int reliable);

/* Tells a guest that asked for it that its TSC runs at another frequency from now on, as after a migration. */
GABI_API int gabi_hv_reenlighten(struct gabi_hv *hv, struct gabi_hv_turn *turn);

struct gabi_hv_msr_info {
	const char *name; /* "HV_X64_MSR_SINT0" */
	const char *source;
	uint32_t number;
	uint8_t readable, writable; /* 1 or 0 */
	uint8_t per_vp, per_vtl;    /* 1 where each has its own */
};

/* The rows in order of number; NULL if at is beyond the last. */
GABI_API const struct gabi_hv_msr_info *gabi_hv_msr_info(size_t at);

GABI_END
#endif
