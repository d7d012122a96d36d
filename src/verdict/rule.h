/* SPDX-License-Identifier: MIT */
/* What each rule of gabi/rule.def means: the only place that knows. */
#ifndef GABI_RULE_H
#define GABI_RULE_H

#include <gabi/host.h>
#include <gabi/vocab.h>

#include "base/base.h"

enum gabi_answer { GABI_NO, GABI_MAYBE, GABI_YES };

/* A field, or a run of bits of a word that no row covers: then field is NULL and the rule is the strictest. */
struct gabi_span {
	const struct gabi_field *field;
	const struct gabi_field *gate; /* must be promised for the span to matter; NULL if it always does */
	uint8_t lo, bits, rule, kind, hide;
	uint64_t absent;
};

static inline uint64_t gabi_span_get(const struct gabi_span *span, uint64_t word)
{
	return (word >> span->lo) & gabi_mask(span->bits);
}

static inline uint64_t gabi_span_mask(const struct gabi_span *span)
{
	return gabi_mask(span->bits) << span->lo;
}

/* The most that guests can be shown of a field by a host with that word. */
static inline uint64_t gabi_span_showable(const struct gabi_span *span, const struct gabi_word *word)
{
	return gabi_span_get(span, gabi_showable(&word->key, word->value));
}

/* Can a host whose value was seen as `have` from that view provide `want`? (FREQUENCY: without scaling.) */
enum gabi_answer gabi_rule_gives(const struct gabi_span *span, uint64_t want, uint64_t have, enum gabi_view view);

/* The largest value that both a host with a and one with b can provide. False where there is none. */
bool gabi_rule_join(const struct gabi_span *span, uint64_t a, uint64_t b, uint64_t *ret_value);

/* Does the rule make a promise that a host can break? False for FREE and OFFERED. */
bool gabi_rule_promises(unsigned rule);

/* ---- walking ---- */

/* Calls back for every span of a word of that many bits, in order of lo, gaps included, until it returns non-zero. */
struct gabi_spans {
	const struct gabi_field *field; /* the next row */
	const struct gabi_field *gate;  /* of the register, for the bits without a condition of their own */
	const struct gabi_field *when;  /* of all its bits; NULL if they have not all the same */
	size_t left;
	uint64_t absent, zero, presented; /* as in struct gabi_place */
	unsigned at, bits;
	uint8_t gap_rule; /* of bits without a row: the strictest, but no guest sees a capability */
};
struct gabi_spans gabi_spans_of(const struct gabi_key *key, unsigned bits);
bool gabi_spans_next(struct gabi_spans *spans, struct gabi_span *ret_span);

/* Passes over the spans that end before a bit, so that the next is the one that holds it. */
void gabi_spans_skip(struct gabi_spans *spans, unsigned bit);

#endif
