/* SPDX-License-Identifier: MIT */
/* The hypercall calling convention: TLFS, Hypercall Interface. Every length and index that a guest gives is checked here. */
#include "hv.h"

enum kind {
	SIMPLE = 0,
	REP = 1,
	VAR = 2,
	PAGE = 4,
	SIMPLE_VAR = SIMPLE | VAR,
	REP_VAR = REP | VAR,
	SIMPLE_PAGE = SIMPLE | PAGE,
};

static const struct row {
	handler *run;
	uint16_t in, in_each, out, out_each;
	uint8_t kind;
} rows[CALL_ROWS] = {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, run, source) \
	{ gabi_hv_call_##run, in, in_each, out, out_each, kind },
#include <gabi/hv_call.def>
};

/* Extended codes get the places behind the plain ones. */
enum { EXTENDED = 0x8000, EXTENDED_CODES = 0x20 };

static const uint8_t row_behind[PLAIN_CODES + EXTENDED_CODES] = {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, run, source) \
	[(code) & EXTENDED ? PLAIN_CODES + ((code) & (EXTENDED_CODES - 1)) : (code)] = CALL_ROW_##name + 1,
#include <gabi/hv_call.def>
};

unsigned gabi_hv_call_row(unsigned code)
{
	unsigned place = code < PLAIN_CODES ? code : code - EXTENDED < EXTENDED_CODES ? code - EXTENDED + PLAIN_CODES : 0;

	return row_behind[place] ? row_behind[place] - 1u : CALL_ROWS;
}

/* ---- the hypercall input value ---- */

enum {
	FAST = 1 << 16,
	REP_SHIFT = 32,
	START_SHIFT = 48,
	BLOCK = 112, /* bytes that RDX, R8 and XMM0 to XMM5 hold */
};
#define RESERVED    0xf000f00078000000u
#define NESTED      0x80000000u
#define START_FIELD ((uint64_t)0xfff << START_SHIFT)

static uint64_t pair(uint64_t high, uint64_t low)
{
	return high << 32 | (uint32_t)low;
}

static uint64_t control_of(const struct gabi_hv_regs *regs)
{
	return regs->mode == GABI_HV_MODE_64 ? regs->rcx : pair(regs->rdx, regs->rax);
}

static unsigned round_up(unsigned value, unsigned to)
{
	return (value + to - 1) & ~(to - 1);
}

enum { VAR_FIELD = 0x3ff << 17 };
#define REP_FIELDS ((uint64_t)0x0fff0fff << REP_SHIFT)

/* INVALID_HYPERCALL_INPUT as the TLFS's table of common status codes says. */
uint64_t gabi_hv_call_rejects(const struct gabi_hv *hv, unsigned number)
{
	const struct row *row = &rows[number];
	uint64_t reject = RESERVED;

	if (!has(hv, GABI_HV_FEATURE_NESTED))
		reject |= NESTED;
	if (!(row->kind & VAR))
		reject |= VAR_FIELD;
	if (!(row->kind & REP))
		reject |= REP_FIELDS;
	return reject;
}

/* Takes an input value apart whose bits the row takes. */
static unsigned decode(struct call *call, const struct row *row, uint64_t control)
{
	unsigned count = control >> REP_SHIFT & 0xfff, start = control >> START_SHIFT & 0xfff;

	call->fast = control & FAST;
	call->var = control >> 17 & 0x3ff;
	call->in_header = (uint16_t)(row->in + call->var * 8);
	call->rep_at = (uint16_t)start;
	call->rep_count = call->rep_stop = (uint16_t)count;
	if (!(row->kind & REP))
		return GABI_HV_STATUS_SUCCESS;
	if (start >= count)
		return GABI_HV_STATUS_INVALID_HYPERCALL_INPUT;
	if (call->hv->rep_limit && count - start > call->hv->rep_limit)
		call->rep_stop = (uint16_t)(start + call->hv->rep_limit);
	return GABI_HV_STATUS_SUCCESS;
}

/* ---- parameters in registers ---- */

static bool fits_block(unsigned in, unsigned out)
{
	return round_up(in, out ? 16 : 8) + out <= BLOCK;
}

static void load_block(struct call *call, const struct gabi_hv_regs *regs, unsigned in)
{
	uint64_t *to = call->turn->in;

	to[0] = regs->mode == GABI_HV_MODE_64 ? regs->rdx : pair(regs->rbx, regs->rcx);
	to[1] = regs->mode == GABI_HV_MODE_64 ? regs->r8 : pair(regs->rdi, regs->rsi);
	if (in > 16)
		memcpy(to + 2, regs->xmm, sizeof(regs->xmm));
}

/* TLFS, XMM Fast Hypercall Output: in the registers behind the input, which counts in whole 16 bytes. */
static void store_block(const struct call *call, struct gabi_hv_regs *regs, unsigned in, unsigned from, unsigned to)
{
	uint64_t *block[2] = { &regs->rdx, &regs->r8 };
	unsigned base = round_up(in, 16) / 8;

	for (unsigned at = from / 8; at * 8 < to; at++) {
		uint64_t value = get64(call->out + at * 8);
		unsigned reg = base + at;

		if (reg < 2)
			*block[reg] = value;
		else
			regs->xmm[(reg - 2) / 2][reg % 2] = value;
		regs->changed |= reg == 0 ? GABI_HV_CHANGED_RDX : reg == 1 ? GABI_HV_CHANGED_R8 : GABI_HV_CHANGED_XMM;
	}
}

/* ---- parameters in memory ---- */

/* TLFS, Alignment Requirements. */
bool gabi_hv_well_placed(const struct gabi_hv *hv, uint64_t gpa, unsigned len)
{
	return !(gpa & 7) && (gpa & PAGE_MASK) + len <= GABI_HV_PAGE && gpa / GABI_HV_PAGE < hv->gpa_pages;
}

static bool overlap(uint64_t a, unsigned a_len, uint64_t b, unsigned b_len)
{
	return a_len && b_len && a < b + b_len && b < a + a_len;
}

struct place {
	uint64_t in_gpa, out_gpa;
	unsigned in, out; /* bytes */
};

/*
 * TLFS, Alignment Requirements: a page that the caller's VTL may not read or write is intercepted as its own access would be,
 * and the call is made again afterwards.
 */
static bool intercepted(struct call *call, uint64_t gpa, unsigned len, enum gabi_hv_access access)
{
	struct gabi_hv_fault fault = { .gpa = gpa, .access = (uint8_t)access };

	if (!len || !gabi_hv_forbidden_by(call->hv, call->vp, call->vtl, gpa / GABI_HV_PAGE, access, false))
		return false;
	call->silent = true;
	call->done = (uint8_t)gabi_hv_do_memory_fault(call->hv, call->vp->index, &fault, call->now, call->turn);
	/* Another processor has taken the protection away by now. */
	if (call->done == GABI_HV_DONE)
		call->done = GABI_HV_AGAIN;
	return true;
}

static unsigned load_memory(struct call *call, const struct gabi_hv_regs *regs, const struct row *row, struct place *place)
{
	const struct gabi_hv *hv = call->hv;

	place->in_gpa = regs->mode == GABI_HV_MODE_64 ? regs->rdx : pair(regs->rbx, regs->rcx);
	place->out_gpa = regs->mode == GABI_HV_MODE_64 ? regs->r8 : pair(regs->rdi, regs->rsi);
	if ((place->in && !gabi_hv_well_placed(hv, place->in_gpa, place->in)) || (place->out && !gabi_hv_well_placed(hv, place->out_gpa, place->out)) ||
	    overlap(place->in_gpa, place->in, place->out_gpa, place->out))
		return GABI_HV_STATUS_INVALID_ALIGNMENT;
	if (intercepted(call, place->in_gpa, place->in, GABI_HV_ACCESS_READ) ||
	    intercepted(call, place->out_gpa, place->out, GABI_HV_ACCESS_WRITE))
		return GABI_HV_STATUS_SUCCESS;
	if (row->kind & PAGE) {
		place->in = (unsigned)(GABI_HV_PAGE - (place->in_gpa & PAGE_MASK));
		call->out_cap = (uint16_t)(GABI_HV_PAGE - (place->out_gpa & PAGE_MASK));
	}
	if (place->in && hv->ops.read_gpa(hv->ops.ctx, place->in_gpa, call->turn->in, place->in))
		return GABI_HV_STATUS_INVALID_ALIGNMENT;
	return GABI_HV_STATUS_SUCCESS;
}

static unsigned store_memory(const struct call *call, const struct place *place, unsigned from, unsigned to)
{
	const struct gabi_hv *hv = call->hv;

	if (hv->ops.write_gpa(hv->ops.ctx, place->out_gpa + from, call->out + from, to - from))
		return GABI_HV_STATUS_INVALID_ALIGNMENT;
	return GABI_HV_STATUS_SUCCESS;
}

/* ---- the result ---- */

static void set_start(struct gabi_hv_regs *regs, uint64_t control, unsigned start)
{
	uint64_t next = (control & ~START_FIELD) | (uint64_t)start << START_SHIFT;

	if (regs->mode == GABI_HV_MODE_64) {
		regs->rcx = next;
		regs->changed |= GABI_HV_CHANGED_RCX;
	} else {
		regs->rdx = next >> 32;
		regs->changed |= GABI_HV_CHANGED_RDX;
	}
}

static int finish(struct gabi_hv_regs *regs, unsigned status, unsigned reps)
{
	uint64_t result = status | (uint64_t)reps << REP_SHIFT;

	if (regs->mode == GABI_HV_MODE_64) {
		regs->rax = result;
	} else {
		regs->rax = (uint32_t)result;
		regs->rdx = result >> 32;
		regs->changed |= GABI_HV_CHANGED_RDX;
	}
	regs->changed |= GABI_HV_CHANGED_RAX;
	return GABI_HV_DONE;
}

/* Runs a decoded call whose input is in the turn, and brings its output to the guest. */
static int run(struct call *call, struct gabi_hv_regs *regs, const struct row *row, struct place *place, uint64_t control)
{
	unsigned first = call->rep_at, status = row->run(call), from, to;

	if (call->silent)
		return call->done;
	if (row->kind & REP) {
		from = row->out + first * row->out_each;
		to = row->out + call->rep_at * row->out_each;
	} else {
		from = 0;
		to = status == GABI_HV_STATUS_SUCCESS && !call->done ? call->out_len : 0;
	}
	if (from >= to)
		; /* nothing goes to the guest */
	else if (call->fast)
		store_block(call, regs, place->in, from, to);
	else if (store_memory(call, place, from, to))
		status = GABI_HV_STATUS_INVALID_ALIGNMENT;
	if (row->kind & REP && call->rep_at != first && regs->mode == GABI_HV_MODE_64)
		set_start(regs, control, call->rep_at);
	if (call->done || (status == GABI_HV_STATUS_SUCCESS && call->rep_at < call->rep_count)) {
		if (row->kind & REP)
			set_start(regs, control, call->rep_at);
		return call->done ? call->done : GABI_HV_AGAIN;
	}
	return finish(regs, status, call->rep_at);
}

/* TLFS, XMM fast hypercalls: the use of an interface that is not offered is #UD. */
static bool xmm_offered(const struct call *call, const struct place *place)
{
	if (place->in > 16 && !has(call->hv, GABI_HV_FEATURE_XMM_INPUT))
		return false;
	return !place->out || (has(call->hv, GABI_HV_FEATURE_XMM_OUTPUT) && call->mode == GABI_HV_MODE_64);
}

int gabi_hv_call_long(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t control = control_of(regs);
	unsigned number = gabi_hv_call_row((uint16_t)control), status;
	const struct row *row = &rows[number];
	struct place place = { 0 };
	struct call call;

	/* TLFS, Legal Hypercall Environments; Reporting the Guest OS Identity: not before that. */
	if (regs->cpl != 0 || regs->mode == GABI_HV_MODE_REAL || !(hv->speaking >> active_vtl(vp) & 1))
		return GABI_HV_UD;
	if (number == CALL_ROWS)
		return finish(regs, GABI_HV_STATUS_INVALID_HYPERCALL_CODE, 0);
	if (!hv->call_ok[number])
		return finish(regs, GABI_HV_STATUS_ACCESS_DENIED, 0);
	if (control & hv->reject[number])
		return finish(regs, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT, 0);
	call.hv = hv;
	call.vp = vp;
	call.turn = turn;
	call.now = now;
	call.in = (const uint8_t *)turn->in;
	call.out = (uint8_t *)turn->out;
	call.vtl = (uint8_t)active_vtl(call.vp);
	call.mode = regs->mode;
	call.done = 0;
	call.silent = false;
	call.regs = regs;
	status = decode(&call, row, control);
	if (status)
		return finish(regs, status, 0);
	place.in = call.in_header + (unsigned)call.rep_count * row->in_each;
	place.out = row->out + (unsigned)call.rep_count * row->out_each;
	call.out_len = row->out;
	call.out_cap = (uint16_t)(place.out < GABI_HV_PAGE ? place.out : GABI_HV_PAGE);
	if (call.fast) {
		if (row->kind & PAGE || !fits_block(place.in, place.out))
			return finish(regs, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT, 0);
		if (!xmm_offered(&call, &place))
			return GABI_HV_UD;
		load_block(&call, regs, place.in);
	} else {
		status = load_memory(&call, regs, row, &place);
		if (call.silent)
			return call.done;
		if (status)
			return finish(regs, status, call.rep_at);
	}
	/* TLFS: where padding is overwritten, it is with zeros. */
	if (place.out)
		memset(call.out, 0, round_up(place.out, 8));
	call.in_len = (uint16_t)place.in;
	return run(&call, regs, row, &place, control);
}

int gabi_hv_call_uses_xmm(const struct gabi_hv *hv, const struct gabi_hv_regs *regs)
{
	uint64_t control = control_of(regs);
	unsigned number = gabi_hv_call_row((uint16_t)control);
	unsigned count = control >> REP_SHIFT & 0xfff, var = control >> 17 & 0x3ff;

	if (!(control & FAST) || number == CALL_ROWS || !hv->call_ok[number])
		return 0;
	return rows[number].in + var * 8 + count * rows[number].in_each > 16 || rows[number].out + count * rows[number].out_each > 0;
}

/* ---- words ---- */

static const struct gabi_hv_call_info infos[] = {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, run, source) \
	{ "HvCall" #name, source, code, in, in_each, out, out_each, ((kind) & REP) != 0, ((kind) & VAR) != 0 },
#include <gabi/hv_call.def>
};

const struct gabi_hv_call_info *gabi_hv_call_info(size_t at)
{
	return at < GABI_COUNT_OF(infos) ? &infos[at] : NULL;
}

static const struct {
	unsigned status;
	const char *name, *text;
} statuses[] = {
#define GABI_HV_STATUS_ROW(name, number, text, source) { number, "HV_STATUS_" #name, text },
#include <gabi/hv_status.def>
};

const char *gabi_hv_status_name(unsigned status)
{
	for (size_t i = 0; i < GABI_COUNT_OF(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return NULL;
}

const char *gabi_hv_status_text(unsigned status)
{
	for (size_t i = 0; i < GABI_COUNT_OF(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return NULL;
}
