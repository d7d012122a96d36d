/* SPDX-License-Identifier: MIT */
#include "verdict/rule.h"

#include "vocab/place.h"

/* Orders two values of a field: signed where the field is. */
static int order(const struct gabi_span *span, uint64_t a, uint64_t b)
{
	if (span->kind == GABI_KIND_INT && span->bits < 64) {
		uint64_t sign = (uint64_t)1 << (span->bits - 1);

		a ^= sign;
		b ^= sign;
	}
	return a < b ? -1 : a > b;
}

/*
 * The host's true value H is `have` where KVM or a VMM said so. A guest saw a part of it, so that H lies on the better
 * side of `have`; the bare CPU has at least what KVM passes on, so that H lies on the worse side, save for what KVM makes up.
 */
static enum gabi_answer bounded(bool fits, enum gabi_view view, const struct gabi_span *span)
{
	if (view == GABI_VIEW_GUEST)
		return fits ? GABI_YES : GABI_MAYBE;
	if (view == GABI_VIEW_CPU)
		return fits || (span->field && gabi_field_is_emulated(span->field)) ? GABI_MAYBE : GABI_NO;
	return fits ? GABI_YES : GABI_NO;
}

/* The same where only equality helps: a bound says nothing about a value that differs. */
static enum gabi_answer same(bool equal, enum gabi_view view)
{
	if (view == GABI_VIEW_GUEST || view == GABI_VIEW_CPU)
		return equal ? GABI_YES : GABI_MAYBE;
	return equal ? GABI_YES : GABI_NO;
}

static bool at_least_or_zero(const struct gabi_span *span, uint64_t want, uint64_t have)
{
	return want == 0 || (have != 0 && order(span, want, have) >= 0);
}

#define TOLERANCE_PPM 250 /* KVM's own default: kvm.tsc_tolerance_ppm */

static bool same_frequency(uint64_t want, uint64_t have)
{
	uint64_t apart = want > have ? want - have : have - want;

	return apart <= have / 1000000 * TOLERANCE_PPM + have % 1000000 * TOLERANCE_PPM / 1000000;
}

static bool is_prefix(uint64_t want, uint64_t have)
{
	return want && want == (have & (UINT64_MAX >> __builtin_clzll(want)));
}

static uint64_t common_prefix(uint64_t a, uint64_t b)
{
	uint64_t first = (a ^ b) & -(a ^ b); /* the lowest bit that differs; 0: none does */

	return a & (first - 1);
}

enum gabi_answer gabi_rule_gives(const struct gabi_span *span, uint64_t want, uint64_t have, enum gabi_view view)
{
	switch (span->rule) {
	case GABI_RULE_SUBSET:
	case GABI_RULE_ON_REQUEST:
		return want == 0 ? GABI_YES : bounded(!(want & ~have), view, span);
	case GABI_RULE_PREFIX:
		return bounded(is_prefix(want, have), view, span);
	case GABI_RULE_SUPERSET:
		return bounded(!(have & ~want), view, span);
	case GABI_RULE_AT_MOST:
	case GABI_RULE_PSCI:
		return want == span->absent ? GABI_YES : bounded(order(span, want, have) <= 0, view, span);
	case GABI_RULE_AT_LEAST:
		return bounded(order(span, want, have) >= 0, view, span);
	case GABI_RULE_AT_LEAST_0:
		return want == 0 ? GABI_YES : bounded(at_least_or_zero(span, want, have), view, span);
	case GABI_RULE_ZERO:
		return want == 0 ? GABI_YES : GABI_NO;
	case GABI_RULE_FREQUENCY:
		return same(same_frequency(want, have), view);
	case GABI_RULE_VENDOR:
		return want == have ? GABI_YES : GABI_NO;
	case GABI_RULE_EQUAL:
	case GABI_RULE_IMPOSED:
	case GABI_RULE_LEVEL:
	case GABI_RULE_STATE:
		return same(want == have, view);
	default: /* PRESENTED, FREE, DERIVED, OFFERED: no host has a say */
		return GABI_YES;
	}
}

bool gabi_rule_join(const struct gabi_span *span, uint64_t a, uint64_t b, uint64_t *ret_value)
{
	switch (span->rule) {
	case GABI_RULE_SUBSET:
	case GABI_RULE_ON_REQUEST:
	case GABI_RULE_STATE:
		*ret_value = a & b;
		return true;
	case GABI_RULE_PREFIX:
		*ret_value = common_prefix(a, b);
		return *ret_value != 0;
	case GABI_RULE_SUPERSET:
		*ret_value = a | b;
		return true;
	case GABI_RULE_AT_MOST:
	case GABI_RULE_PSCI:
		*ret_value = order(span, a, b) <= 0 ? a : b;
		return true;
	case GABI_RULE_AT_LEAST:
		*ret_value = order(span, a, b) >= 0 ? a : b;
		return true;
	case GABI_RULE_AT_LEAST_0:
		*ret_value = !a || !b ? 0 : order(span, a, b) >= 0 ? a : b;
		return true;
	case GABI_RULE_ZERO:
	case GABI_RULE_FREE:
		*ret_value = 0;
		return true;
	case GABI_RULE_FREQUENCY:
		*ret_value = a < b ? a : b;
		return same_frequency(a, b);
	case GABI_RULE_PRESENTED:
	case GABI_RULE_DERIVED:
		*ret_value = a;
		return true;
	default:
		*ret_value = a;
		return a == b;
	}
}

bool gabi_rule_promises(unsigned rule)
{
	return rule != GABI_RULE_FREE && rule != GABI_RULE_OFFERED;
}

/* A capability without a row is offered as those with one are: what it can do is a VMM's to ask for. */
static bool is_cap(unsigned space)
{
	return space == GABI_SPACE_CAP || space == GABI_SPACE_CAP_SYSTEM;
}

struct gabi_spans gabi_spans_of(const struct gabi_key *key, unsigned bits)
{
	struct gabi_place place = gabi_place_of(key);

	return (struct gabi_spans){ .field = place.field, .left = place.count, .gate = place.reg_when, .when = place.when,
				    .absent = place.absent, .zero = place.zero, .presented = place.presented, .bits = bits,
				    .gap_rule = is_cap(key->space) ? GABI_RULE_OFFERED : GABI_RULE_EQUAL };
}

void gabi_spans_skip(struct gabi_spans *spans, unsigned bit)
{
	for (; spans->left && spans->field->lo + spans->field->bits <= (int)bit; spans->field++, spans->left--)
		spans->at = spans->field->lo + spans->field->bits;
	if (spans->left && spans->field->lo <= bit)
		spans->at = spans->field->lo;
}

bool gabi_spans_next(struct gabi_spans *spans, struct gabi_span *ret_span)
{
	const struct gabi_field *field = spans->left ? spans->field : NULL;
	unsigned end = field && field->lo < spans->bits ? field->lo : spans->bits;

	if (spans->at >= spans->bits)
		return false;
	if (spans->at < end || !field) { /* a gap before the next row, or after the last */
		*ret_span = (struct gabi_span){ .gate = spans->gate, .lo = (uint8_t)spans->at, .bits = (uint8_t)(end - spans->at),
						.rule = spans->gap_rule, .kind = GABI_KIND_UINT };
		spans->at = end;
		return true;
	}
	*ret_span = (struct gabi_span){ .field = field, .lo = field->lo, .bits = field->bits, .rule = field->rule,
					.kind = field->kind, .hide = field->hide, .absent = field->absent };
	ret_span->gate = gabi_field_when(field) ? gabi_field_when(field) : spans->gate;
	if (field->lo + field->bits > spans->bits)
		ret_span->bits = (uint8_t)(spans->bits - field->lo);
	spans->at = ret_span->lo + ret_span->bits;
	spans->field++;
	spans->left--;
	return true;
}
