/* SPDX-License-Identifier: MIT */
/*
 * A record of every call into an engine, and its replay. A trace holds what came in: the state at the start, the calls with their
 * registers, what the ops answered, what the guest had written into overlay pages; and of what came out a check. So it can be
 * carried out again anywhere, without the guest, and must come out the same.
 *
 * The functions that only look (protections, traps, counts, CPUID, gabi_hv_save) are not recorded.
 */
#ifndef GABI_HV_TRACE_H
#define GABI_HV_TRACE_H

#include <gabi/hv_call.h>
#include <gabi/hv_turn.h>

GABI_BEGIN

#define GABI_HV_TRACE_VERSION 1u /* the newest that this version writes and reads */

/* Where a trace goes, in pieces of any size. */
struct gabi_hv_sink {
	int (*write)(void *ctx, const void *bytes, size_t len); /* not 0: the recording ends here */
	/* Around each call: a trace has the calls one after the other. NULL where the VMM enters the engine by one thread at a time. */
	void (*enter)(void *ctx);
	void (*leave)(void *ctx);
	void *ctx;
};

/*
 * Records from now on, with all virtual processors outside. The trace starts with the state, which is put together in the
 * caller's scratch: as many bytes as gabi_hv_save takes; GABI_ERR_LIMIT if cap is less. Nothing is allocated. GABI_ERR_CONFLICT if
 * it records already.
 */
GABI_API int gabi_hv_record(struct gabi_hv *hv, const struct gabi_hv_sink *sink, void *scratch, size_t cap, struct gabi_diag *diag);

/* Ends the trace, with all virtual processors outside. 0, or GABI_ERR_IO: the sink refused some of it. */
GABI_API int gabi_hv_record_end(struct gabi_hv *hv);

/* ---- replay ---- */

enum gabi_hv_trace_call {
#define GABI_HV_TRACE_ROW(number, name, turn, tail, arguments) GABI_HV_TRACE_##name = (number),
#include <gabi/hv_trace.def>
};

#define GABI_HV_TRACE_ARGS 21u

/* One call: what came in and what came out. Pointers hold until the next step. */
struct gabi_hv_step {
	uint64_t number;       /* from 1 */
	uint64_t now_100ns;
	uint16_t vp;
	uint8_t call;          /* enum gabi_hv_trace_call */
	uint8_t vtl;           /* that the virtual processor was in */
	const uint64_t *arg;   /* as its row names them */
	const void *tail;
	size_t tail_len;
	int result;
	uint64_t value;        /* rdmsr: what was read */
	struct gabi_hv_regs regs; /* hypercall: afterwards */
	const struct gabi_hv_turn *turn; /* NULL where the call has none */
};

struct gabi_hv_replay;

/* Reads the head of a trace, which must stay where it is, and makes an engine in the state at its start. mem NULL: malloc, free. */
GABI_API int gabi_hv_replay_new(const void *trace, size_t len, const struct gabi_mem *mem, struct gabi_hv_replay **ret_replay,
				struct gabi_diag *diag);
GABI_API void gabi_hv_replay_free(struct gabi_hv_replay *replay); /* NULL is fine */

/*
 * Carries the next call out. 1: it came out as it was recorded; 0: the trace is at its end. GABI_ERR_CONFLICT: it came out in
 * another way; GABI_ERR_SYNTAX: the trace is cut off or damaged here. No step follows an error.
 */
GABI_API int gabi_hv_replay_step(struct gabi_hv_replay *replay, struct gabi_hv_step *ret_step, struct gabi_diag *diag);

/* Saves the engine and goes on with a new one that is restored from the stream. */
GABI_API int gabi_hv_replay_move(struct gabi_hv_replay *replay, struct gabi_diag *diag);

GABI_API const struct gabi_hv *gabi_hv_replay_engine(const struct gabi_hv_replay *replay);

/* ---- words: as much as fits goes into buf, with a final NUL; the length of the whole is returned ---- */

GABI_API size_t gabi_hv_step_what(const struct gabi_hv_step *step, char *buf, size_t cap);   /* "hypercall HvCallPostMessage, ..." */
GABI_API size_t gabi_hv_step_result(const struct gabi_hv_step *step, char *buf, size_t cap); /* "HV_STATUS_SUCCESS, 3 elements" */
GABI_API size_t gabi_hv_act_what(const struct gabi_hv_turn *turn, const struct gabi_hv_act *act, char *buf, size_t cap);
GABI_API size_t gabi_hv_change_what(const struct gabi_hv_change *change, char *buf, size_t cap); /* "vtl 0 may r-- 0x7 to 0x9" */

GABI_END
#endif
