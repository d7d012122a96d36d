/* SPDX-License-Identifier: MIT */
/*
 * The enlightened VMCS: clean-field groups, and the controls that a KVM takes away from a guest that may use it.
 */
#ifndef GABI_EVMCS_H
#define GABI_EVMCS_H

#include <gabi/contract.h>
#include <gabi/vmcs.h>

GABI_BEGIN

enum gabi_evmcs_group {
#define GABI_EVMCS_GROUP_ROW(name, bit, text) GABI_EVMCS_##name = bit,
#include <gabi/evmcs_group.def>
	GABI_EVMCS_GROUP_COUNT
};

#define GABI_EVMCS_ALL_CLEAN 0xffffu /* every group of the clean-fields word */

/* Members of the page that have no encoding. */
enum gabi_evmcs_offset {
#define GABI_EVMCS1_OWN_ROW(name, offset, bytes, group) GABI_EVMCS_AT_##name = offset,
#include <gabi/evmcs1.def>
};

GABI_API const char *gabi_evmcs_group_text(unsigned group); /* "guest-grp1" */

/* The group of a field: enum gabi_evmcs_group, or negative if the page has no such field. */
GABI_API int gabi_evmcs_group_of(unsigned id);

/* The groups that a change from one page to another makes dirty, as bits of the clean-fields word: what a guest hypervisor
 * clears there, so that the next entry takes the change over. A field that is in all groups gives all; one that is in none
 * gives none. */
GABI_API uint32_t gabi_evmcs_changed(const void *before, const void *after);

/* ---- control filter ---- */

/* One long-term kernel line, and what it does. */
struct gabi_evmcs_line {
	const char *name;   /* "6.1" */
	uint16_t release;   /* 601 */
	uint8_t allow;      /* 1: its lists say what stays; 0: what goes */
	uint8_t ask_hyperv; /* 1: only where the guest's CPUID shows Hyper-V too */
};

GABI_API const struct gabi_evmcs_line *gabi_evmcs_lines(size_t *ret_count);

/* The newest line that is not newer than that kernel ("6.1.0-50-amd64"); NULL if there is none or the text is no release. */
GABI_API const struct gabi_evmcs_line *gabi_evmcs_line_of(const char *release);

/* What the filter asks about the guest. */
struct gabi_evmcs_guest {
	uint8_t enabled;     /* KVM_CAP_HYPERV_ENLIGHTENED_VMCS was enabled on the vCPU */
	uint8_t hyperv;      /* its CPUID shows Hyper-V */
	uint8_t perf_global; /* CPUID 0x4000000A.EBX[0] */
};

/* What a guest's RDMSR returns for a VMX capability MSR that holds `value`; the VMM reads the MSR unfiltered. */
GABI_API uint64_t gabi_evmcs_filter(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, uint32_t msr,
				    uint64_t value);

/* The bits of a control word for which nested VM entry, and KVM_SET_NESTED_STATE of a guest in L2, fail. */
GABI_API uint64_t gabi_evmcs_refused(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, unsigned word,
				     uint64_t controls);

/* The guest as a contract describes it: it may use the enlightened VMCS if CPUID 0x4000000A.EAX offers a version. */
GABI_API void gabi_evmcs_guest_of(const struct gabi_contract *contract, struct gabi_evmcs_guest *ret_guest);

/*
 * The promised controls that a kernel of that line would take away: for each capability MSR of the contract that loses bits,
 * calls back with its word and the lost bits of the MSR. A contract holds what the guest's RDMSR returns, so that nothing is
 * found for the line it was pinned on; what is found for another must be taken out of the contract by name before the guest
 * first runs. Stops at and returns a non-zero result.
 */
GABI_API int gabi_evmcs_foresee(const struct gabi_contract *contract, const struct gabi_evmcs_line *line,
				int (*found)(void *ctx, const struct gabi_word *word, uint64_t lost), void *ctx);

GABI_END
#endif
