/* SPDX-License-Identifier: MIT */
/*
 * The form of a trace. Numbers are LEB128, seven bits a byte from the lowest on, in the fewest bytes; signed ones are folded so that
 * small ones stay small. A call is its number, the virtual processor, the time that has passed, a mask of the arguments that are not
 * 0 and those; then what the engine asked for, each answer with its own byte; then its result with a check over everything.
 */
#include "hv.h"

enum part {
	PART_READ_GPA = 0x40,
	PART_WRITE_GPA,
	PART_READ_REG,
	PART_WRITE_REG,
	PART_DEBUG_DATA,
	PART_PAGE,
	PART_RESULT,
	PART_END,
};

static const struct trace_info infos[TRACE_ROWS] = {
#define GABI_HV_TRACE_ROW(number, name, turn, tail, arguments) { #name, arguments, number, turn, tail },
#include <gabi/hv_trace.def>
};

const struct trace_info *gabi_hv_trace_info(unsigned call)
{
	return call && call <= TRACE_ROWS ? &infos[call - 1] : NULL;
}

#define GABI_HV_TRACE_ROW(number, name, turn, tail, arguments) \
	_Static_assert((number) == TRACE_ROW_##name + 1, "calls are numbered without a gap");
#include <gabi/hv_trace.def>

/* ---- the check: over all that came in and all that came out, so that nothing can be changed unseen ---- */

static void mix(struct tap *tap, uint64_t value)
{
	uint64_t mixed = (tap->check ^ value) * 0x9e3779b97f4a7c15u;

	tap->check = mixed ^ mixed >> 29;
}

static void mix_bytes(struct tap *tap, const uint8_t *bytes, size_t len)
{
	for (; len >= 8; len -= 8, bytes += 8)
		mix(tap, get64(bytes));
	for (; len; len--, bytes++)
		mix(tap, *bytes);
}

/* ---- bytes ---- */

static void wrong(struct tap *tap, enum tap_wrong what)
{
	if (!tap->wrong)
		tap->wrong = (uint8_t)what;
}

static void send(struct tap *tap, const void *bytes, size_t len)
{
	if (!tap->failed && len && tap->sink.write(tap->sink.ctx, bytes, len))
		tap->failed = true;
}

void gabi_hv_tap_flush(struct tap *tap)
{
	send(tap, tap->buf, tap->len);
	tap->len = 0;
}

void gabi_hv_tap_bytes(struct tap *tap, void *bytes, size_t len)
{
	if (tap->replays) {
		if (len > tap->end - tap->at)
			wrong(tap, TAP_CUT);
		if (tap->wrong) {
			memset(bytes, 0, len);
			return;
		}
		memcpy(bytes, tap->from + tap->at, len);
		tap->at += len;
		return;
	}
	if (len > sizeof(tap->buf) - tap->len)
		gabi_hv_tap_flush(tap);
	if (len > sizeof(tap->buf)) {
		send(tap, bytes, len);
		return;
	}
	memcpy(tap->buf + tap->len, bytes, len);
	tap->len += len;
}

static void put_number(struct tap *tap, uint64_t value)
{
	uint8_t bytes[10];
	unsigned len = 0;

	do {
		bytes[len] = (uint8_t)(value & 0x7f);
		value >>= 7;
		bytes[len++] |= value ? 0x80 : 0;
	} while (value);
	gabi_hv_tap_bytes(tap, bytes, len);
}

static uint64_t take_number(struct tap *tap)
{
	uint64_t value = 0;
	uint8_t byte;

	for (unsigned shift = 0;; shift += 7) {
		gabi_hv_tap_bytes(tap, &byte, 1);
		/* 64 bits and no more, and no zeros at the end */
		if (!tap->wrong && ((shift == 63 && byte > 1) || (shift && !byte)))
			wrong(tap, TAP_DAMAGED);
		if (tap->wrong)
			return 0;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

void gabi_hv_tap_number(struct tap *tap, uint64_t *value)
{
	if (tap->replays)
		*value = take_number(tap);
	else
		put_number(tap, *value);
	mix(tap, *value);
}

static void folded(struct tap *tap, int64_t *value)
{
	uint64_t folded = (uint64_t)*value << 1 ^ (*value < 0 ? UINT64_MAX : 0);

	gabi_hv_tap_number(tap, &folded);
	*value = (int64_t)(folded >> 1 ^ (folded & 1 ? UINT64_MAX : 0));
}

static void answer(struct tap *tap, int *value)
{
	int64_t wide = *value;

	folded(tap, &wide);
	if (wide < INT32_MIN || wide > INT32_MAX)
		wrong(tap, TAP_DAMAGED);
	*value = tap->wrong ? GABI_ERR_IO : (int)wide;
}

/* The byte that says what follows. */
static void part(struct tap *tap, enum part what)
{
	uint8_t byte = (uint8_t)what;

	gabi_hv_tap_bytes(tap, &byte, 1);
	if (!tap->wrong && byte != what)
		wrong(tap, TAP_DIFFERS);
}

void gabi_hv_tap_tail(struct tap *tap, const void **tail, size_t *len)
{
	uint64_t held = *len;

	gabi_hv_tap_number(tap, &held);
	if (!tap->replays) {
		gabi_hv_tap_flush(tap);
		send(tap, *tail, *len);
		mix_bytes(tap, *tail, *len);
		return;
	}
	if (held > tap->end - tap->at)
		wrong(tap, TAP_CUT);
	*len = tap->wrong ? 0 : (size_t)held;
	*tail = tap->from + tap->at;
	tap->at += *len;
	mix_bytes(tap, *tail, *len);
}

/* Bytes whose number both sides know; zeros at their end are left out. */
static void trimmed(struct tap *tap, uint8_t *bytes, size_t len)
{
	uint64_t used = len;

	while (!tap->replays && used && !bytes[used - 1])
		used--;
	gabi_hv_tap_number(tap, &used);
	if (tap->replays && used > len)
		wrong(tap, TAP_DAMAGED);
	if (tap->wrong)
		used = 0;
	gabi_hv_tap_bytes(tap, bytes, (size_t)used);
	mix_bytes(tap, bytes, (size_t)used);
	if (!tap->replays)
		return;
	if (used && !bytes[used - 1])
		wrong(tap, TAP_DAMAGED);
	memset(bytes + used, 0, len - (size_t)used);
}

/* ---- what the engine asks for ---- */

static int read_gpa(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	struct tap *tap = ctx;
	int failed = tap->replays ? 0 : tap->ops.read_gpa(tap->ops.ctx, gpa, buf, len);

	mix(tap, gpa);
	mix(tap, len);
	part(tap, PART_READ_GPA);
	answer(tap, &failed);
	if (!failed)
		trimmed(tap, buf, len);
	return failed;
}

static int write_gpa(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct tap *tap = ctx;
	int failed = tap->replays ? 0 : tap->ops.write_gpa(tap->ops.ctx, gpa, buf, len);

	mix(tap, gpa);
	mix_bytes(tap, buf, len);
	part(tap, PART_WRITE_GPA);
	answer(tap, &failed);
	return failed;
}

static void mix_register(struct tap *tap, unsigned vp, unsigned vtl, uint32_t name)
{
	mix(tap, vp | (uint64_t)vtl << 16 | (uint64_t)name << 32);
}

static int read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	struct gabi_hv_value value = { 0, 0 };
	struct tap *tap = ctx;
	int failed = tap->replays ? 0 : tap->ops.read_reg(tap->ops.ctx, vp, vtl, name, &value);

	mix_register(tap, vp, vtl, name);
	part(tap, PART_READ_REG);
	answer(tap, &failed);
	if (failed)
		return failed;
	gabi_hv_tap_number(tap, &value.low);
	gabi_hv_tap_number(tap, &value.high);
	*ret_value = value;
	return 0;
}

static int write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	struct tap *tap = ctx;
	int failed = tap->replays ? 0 : tap->ops.write_reg(tap->ops.ctx, vp, vtl, name, value);

	mix_register(tap, vp, vtl, name);
	mix(tap, value->low);
	mix(tap, value->high);
	part(tap, PART_WRITE_REG);
	answer(tap, &failed);
	return failed;
}

static int debug_data(void *ctx, void *buf, size_t len, uint64_t timeout_100ns, size_t *ret_len, size_t *ret_left)
{
	struct tap *tap = ctx;
	size_t got = 0, left = 0;
	uint64_t numbers[2];
	int failed = -1;

	if (!tap->replays && tap->ops.debug_data)
		failed = tap->ops.debug_data(tap->ops.ctx, buf, len, timeout_100ns, &got, &left);
	mix(tap, len);
	mix(tap, timeout_100ns);
	part(tap, PART_DEBUG_DATA);
	answer(tap, &failed);
	if (failed)
		return failed;
	numbers[0] = got;
	numbers[1] = left;
	gabi_hv_tap_number(tap, &numbers[0]);
	gabi_hv_tap_number(tap, &numbers[1]);
	if (numbers[0] > SIZE_MAX || numbers[1] > SIZE_MAX)
		wrong(tap, TAP_DAMAGED);
	*ret_len = (size_t)numbers[0];
	*ret_left = (size_t)numbers[1];
	/* More than there was room for: the engine drops it all. */
	if (*ret_len <= len)
		trimmed(tap, buf, *ret_len);
	return tap->wrong ? GABI_ERR_IO : 0;
}

struct gabi_hv_ops gabi_hv_tap_ops(struct tap *tap)
{
	return (struct gabi_hv_ops){ read_gpa, write_gpa, read_reg, write_reg, debug_data, tap };
}

void gabi_hv_tap_before(struct tap *tap, uint8_t *word)
{
	uint64_t value = 0;

	if (!tap->replays)
		return;
	part(tap, PART_PAGE);
	gabi_hv_tap_number(tap, &value);
	if (value > UINT32_MAX)
		wrong(tap, TAP_DAMAGED);
	if (!tap->wrong)
		atomic_store_explicit(word_of(word, 0), (uint32_t)value, memory_order_relaxed);
}

void gabi_hv_tap_after(struct tap *tap, uint32_t value)
{
	uint64_t wide = value;

	if (tap->replays)
		return;
	part(tap, PART_PAGE);
	gabi_hv_tap_number(tap, &wide);
}

/* ---- calls ---- */

static void arguments(struct tap *tap, struct incoming *in)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < GABI_HV_TRACE_ARGS; i++)
		mask |= (uint64_t)(in->arg[i] != 0) << i;
	gabi_hv_tap_number(tap, &mask);
	if (mask >> GABI_HV_TRACE_ARGS)
		wrong(tap, TAP_DAMAGED);
	for (; mask && !tap->wrong; mask &= mask - 1) {
		uint64_t *arg = &in->arg[__builtin_ctzll(mask)];

		gabi_hv_tap_number(tap, arg);
		if (!*arg)
			wrong(tap, TAP_DAMAGED);
	}
}

void gabi_hv_tap_call(struct tap *tap, struct incoming *in)
{
	const struct trace_info *info;
	uint64_t vp = in->vp;
	int64_t passed = in->timeless ? 0 : (int64_t)(in->now - tap->now);

	gabi_hv_tap_bytes(tap, &in->call, 1);
	tap->check = in->call;
	info = gabi_hv_trace_info(in->call);
	if (!info)
		wrong(tap, TAP_DAMAGED);
	gabi_hv_tap_number(tap, &vp);
	if (vp >= GABI_HV_VPS_MAX)
		wrong(tap, TAP_DAMAGED);
	in->vp = (uint16_t)vp;
	folded(tap, &passed);
	tap->now += (uint64_t)passed;
	in->now = tap->now;
	arguments(tap, in);
	if (info && info->tail)
		gabi_hv_tap_tail(tap, &in->tail, &in->tail_len);
}

static void mix_set(struct tap *tap, const struct gabi_hv_set *set)
{
	mix(tap, set->valid);
	for (uint64_t left = set->valid; left; left &= left - 1)
		mix(tap, set->bank[__builtin_ctzll(left)]);
}

static void mix_turn(struct tap *tap, const struct gabi_hv_turn *turn)
{
	for (uint32_t i = 0; i < turn->changes; i++) {
		const struct gabi_hv_change *change = &turn->change[i];

		mix(tap, change->gfn);
		mix(tap, change->count << 16 | (uint64_t)change->vtl << 8 | change->prot);
	}
	for (uint32_t i = 0; i < turn->count; i++) {
		const struct gabi_hv_act *act = &turn->act[i];
		struct act_numbers numbers;

		mix(tap, act->kind | (uint64_t)act->vtl << 8 | (uint64_t)act->vp << 16);
		gabi_hv_act_numbers(turn, act, &numbers);
		for (unsigned n = 0; n < numbers.count; n++)
			mix(tap, numbers.number[n]);
		mix_bytes(tap, numbers.bytes, numbers.len);
		if (numbers.set)
			mix_set(tap, numbers.set);
	}
}

static void mix_regs(struct tap *tap, const struct gabi_hv_regs *regs)
{
	mix(tap, regs->changed);
	mix(tap, regs->rax);
	mix(tap, regs->rcx);
	mix(tap, regs->rdx);
	mix(tap, regs->r8);
	for (unsigned i = 0; i < 12 && regs->changed & GABI_HV_CHANGED_XMM; i++)
		mix(tap, regs->xmm[i / 2][i % 2]);
}

void gabi_hv_tap_result(struct tap *tap, const struct incoming *in, int *result, const struct gabi_hv_turn *turn)
{
	int64_t recorded = *result;
	uint8_t check[4], seen[4];

	if (in->call == GABI_HV_TRACE_hypercall && *result >= 0)
		mix_regs(tap, &in->regs);
	if (in->call == GABI_HV_TRACE_rdmsr && *result == GABI_HV_DONE)
		mix(tap, in->value);
	if (turn && *result >= 0)
		mix_turn(tap, turn);
	put32(seen, (uint32_t)(tap->check ^ tap->check >> 32));
	memcpy(check, seen, sizeof(check));
	part(tap, PART_RESULT);
	folded(tap, &recorded);
	gabi_hv_tap_bytes(tap, check, sizeof(check));
	if (!tap->wrong && (recorded != *result || memcmp(check, seen, sizeof(check))))
		wrong(tap, TAP_DIFFERS);
	tap->calls++;
}

/* ---- the end ---- */

bool gabi_hv_tap_is_end(struct tap *tap)
{
	return tap->at < tap->end && tap->from[tap->at] == PART_END;
}

void gabi_hv_tap_end(struct tap *tap)
{
	uint64_t calls = tap->calls;

	part(tap, PART_END);
	gabi_hv_tap_number(tap, &calls);
	if (tap->replays && (calls != tap->calls || tap->at != tap->end))
		wrong(tap, TAP_DAMAGED);
	if (!tap->replays)
		gabi_hv_tap_flush(tap);
}
