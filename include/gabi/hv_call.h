/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls. The whole calling convention is decoded here once; handlers see checked bytes of the engine's own.
 */
#ifndef GABI_HV_CALL_H
#define GABI_HV_CALL_H

#include <gabi/hv_turn.h>

GABI_BEGIN

enum gabi_hv_status {
#define GABI_HV_STATUS_ROW(name, number, text, source) GABI_HV_STATUS_##name = (number),
#include <gabi/hv_status.def>
};

enum gabi_hv_call_code {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, handler, source) GABI_HV_CALL_##name = (code),
#include <gabi/hv_call.def>
};

enum gabi_hv_mode {
	GABI_HV_MODE_REAL, /* real and virtual-8086 mode: no hypercalls */
	GABI_HV_MODE_32,
	GABI_HV_MODE_64,   /* EFER.LMA and CS.L */
};

/* The registers that carry a hypercall. In and out: `changed` says which the engine wrote. */
struct gabi_hv_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8;
	uint64_t xmm[6][2]; /* needed only where gabi_hv_call_uses_xmm says so */
	uint8_t cpl;
	uint8_t mode;       /* enum gabi_hv_mode */
	uint16_t changed;   /* enum gabi_hv_changed */
};

enum gabi_hv_changed {
	GABI_HV_CHANGED_RAX = 1,
	GABI_HV_CHANGED_RCX = 2,
	GABI_HV_CHANGED_RDX = 4,
	GABI_HV_CHANGED_R8 = 8,
	GABI_HV_CHANGED_XMM = 16,
};

/* 1 if that call may read or write XMM registers, so that the caller need not fetch them for every call. */
GABI_API int gabi_hv_call_uses_xmm(const struct gabi_hv *hv, const struct gabi_hv_regs *regs);

/*
 * Executes the hypercall in regs for a virtual processor in its active VTL. Returns enum gabi_hv_done. A rep call that
 * stopped half way has its start index moved on in regs and returns GABI_HV_AGAIN.
 */
GABI_API int gabi_hv_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now_100ns,
			       struct gabi_hv_turn *turn);

/* One row of gabi/hv_call.def. */
struct gabi_hv_call_info {
	const char *name;   /* "HvCallPostMessage" */
	const char *source;
	uint16_t code;
	uint16_t in, in_each, out, out_each; /* bytes: input header and element, output header and element */
	uint8_t rep, variable;               /* 1 or 0 */
};

/* The rows in order of code; NULL if at is beyond the last. */
GABI_API const struct gabi_hv_call_info *gabi_hv_call_info(size_t at);

GABI_API const char *gabi_hv_status_name(unsigned status); /* "HV_STATUS_SUCCESS"; NULL if none of the engine's */
GABI_API const char *gabi_hv_status_text(unsigned status); /* the meaning; NULL likewise */

GABI_END
#endif
