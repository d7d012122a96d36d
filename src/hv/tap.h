/* SPDX-License-Identifier: MIT */
/*
 * What an engine exchanges with the world beside its entry points' arguments, recorded or fed from a record. One set of functions
 * serves both directions, so that what is written and what is read cannot differ.
 */
#ifndef GABI_SRC_HV_TAP_H
#define GABI_SRC_HV_TAP_H

#include <gabi/hv_trace.h>

#include <stdbool.h>

enum tap_wrong {
	TAP_FINE,
	TAP_CUT,     /* the trace ends here */
	TAP_DAMAGED, /* no recorder writes that */
	TAP_DIFFERS, /* the engine wants something else than it did */
};

/* A call on its way in, and what it gives back. */
struct incoming {
	uint8_t call; /* enum gabi_hv_trace_call */
	uint16_t vp;
	bool timeless;
	uint64_t now;
	uint64_t arg[GABI_HV_TRACE_ARGS];
	const void *tail;
	size_t tail_len;
	struct gabi_diag *diag;
	struct gabi_hv_regs regs; /* after a hypercall */
	uint64_t value;           /* after rdmsr */
};

struct tap {
	bool replays;
	uint8_t wrong;            /* enum tap_wrong; once it is set, nothing is read any more */
	uint64_t check;           /* over all that came out of the call */
	uint64_t now, calls;
	/* recording */
	struct gabi_hv_sink sink;
	struct gabi_hv_ops ops;   /* the VMM's */
	bool failed;              /* the sink refused */
	size_t len;
	uint8_t buf[240];
	/* replaying */
	const uint8_t *from;
	size_t at, end;
};

/* The ops of an engine whose world goes through the tap. */
struct gabi_hv_ops gabi_hv_tap_ops(struct tap *tap);

/* A word of an overlay page is about to be read, and has been. */
void gabi_hv_tap_before(struct tap *tap, uint8_t *word);
void gabi_hv_tap_after(struct tap *tap, uint32_t value);

/* The parts of a trace. */
void gabi_hv_tap_number(struct tap *tap, uint64_t *value);
void gabi_hv_tap_bytes(struct tap *tap, void *bytes, size_t len);
/* The tail of a call or of the head: its length and its place, which replaying is in the trace. */
void gabi_hv_tap_tail(struct tap *tap, const void **tail, size_t *len);
void gabi_hv_tap_call(struct tap *tap, struct incoming *in);
/* False where another part stands in the trace. */
bool gabi_hv_tap_is_end(struct tap *tap);
void gabi_hv_tap_end(struct tap *tap);
void gabi_hv_tap_flush(struct tap *tap);

/* Takes into the check what came out, and writes it or holds it against what was recorded. */
void gabi_hv_tap_result(struct tap *tap, const struct incoming *in, int *result, const struct gabi_hv_turn *turn);

/* Carries a call out: the one place where a record's form becomes a function's. */
int gabi_hv_carry_out(struct gabi_hv *hv, struct incoming *in, struct gabi_hv_turn *turn);

/* Does that call leave a turn, and has it a tail? */
struct trace_info {
	const char *name, *arguments;
	uint8_t number, turn, tail;
};
const struct trace_info *gabi_hv_trace_info(unsigned call); /* NULL: no such call */

/*
 * The numbers of an action, each with its name, for the check and for words; the names end with NULL. Bytes that it points at are
 * given as well, and the set that it is for, if it is for one.
 */
enum { ACT_NUMBERS = 10 };
struct act_numbers {
	const char *name[ACT_NUMBERS + 1];
	uint64_t number[ACT_NUMBERS];
	unsigned count;
	const void *bytes;
	size_t len;
	const struct gabi_hv_set *set;
};
void gabi_hv_act_numbers(const struct gabi_hv_turn *turn, const struct gabi_hv_act *act, struct act_numbers *ret);

#endif
