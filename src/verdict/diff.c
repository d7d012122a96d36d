/* SPDX-License-Identifier: MIT */
/* What a change of host means to guests: each field that differs, judged as if it were promised in turn on both sides. */
#include "verdict/judge.h"

struct difference {
	const struct gabi_host *from, *to;
	enum gabi_view view;
	struct gabi_sink *sink;
	struct gabi_blame *blame;
	const struct gabi_key *key;
	const struct gabi_word *a, *b; /* NULL: not listed */
};

/* ---- what one field's difference means ---- */

static bool offers(const struct gabi_host *host, const struct gabi_field *gate)
{
	const struct gabi_word *word = gate ? gabi_host_find(host, &gate->key) : NULL;

	return !gate || (word && ((word->value >> gate->lo) & gabi_mask(gate->bits)) != gate->absent);
}

/* A guest sees these as the host has them, unless its VMM writes them. */
static bool shows_by_default(unsigned space)
{
	return space == GABI_SPACE_ARM64 || space == GABI_SPACE_MSR_DEFAULT;
}

static bool is_unseen(const struct gabi_host *host, const struct gabi_word *word, unsigned space)
{
	return !word && !gabi_host_covers(host, space);
}

/* Could a guest be given `want` on a host that has `have`? */
static enum gabi_answer could_have(const struct difference *d, const struct gabi_span *span, uint64_t want,
				   const struct gabi_host *host, const struct gabi_word *word)
{
	uint64_t have = word ? gabi_span_get(span, word->value) : span->absent;

	if (want == have || (want == span->absent && d->key->space == GABI_SPACE_VM))
		return GABI_YES;
	if (!word && d->key->space != GABI_SPACE_CPUID)
		return want == span->absent ? GABI_YES : GABI_NO;
	if (d->key->space == GABI_SPACE_ARM64)
		return gabi_host_accepts(host, word, span, want);
	if (want == span->absent)
		return span->field && span->hide == GABI_HIDE_NO ? GABI_NO : GABI_YES;
	return gabi_rule_gives(span, want, word ? gabi_span_showable(span, word) : have, d->view);
}

static bool scales(const struct gabi_host *host)
{
	static const struct gabi_key tsc_control = { .space = GABI_SPACE_CAP, .index = GABI_KVM_CAP_TSC_CONTROL };
	const struct gabi_word *cap = gabi_host_find(host, &tsc_control);

	return cap && cap->value;
}

static enum gabi_effect effect_of(const struct difference *d, const struct gabi_span *span, uint64_t a, uint64_t b)
{
	enum gabi_answer there, back;
	bool hidden;

	if (span->rule == GABI_RULE_OFFERED || span->rule == GABI_RULE_PRESENTED || span->rule == GABI_RULE_DERIVED)
		return GABI_EFFECT_SAFE;
	if (span->rule == GABI_RULE_FREQUENCY && scales(d->to))
		return GABI_EFFECT_NEEDS_PIN;
	/* What hangs on a feature that the first lacks is not seen by its guests, there either. */
	hidden = !offers(d->from, span->gate);
	there = hidden ? GABI_YES : could_have(d, span, a, d->to, d->b);
	if (there == GABI_MAYBE)
		return GABI_EFFECT_UNKNOWN;
	if (there == GABI_NO)
		return GABI_EFFECT_BLOCKING;
	if (shows_by_default(d->key->space) && d->b && !hidden)
		return GABI_EFFECT_NEEDS_PIN;
	if (span->rule == GABI_RULE_ON_REQUEST)
		return GABI_EFFECT_SAFE; /* off until a VM asks for it, which then knows what it asks for */
	back = could_have(d, span, b, d->from, d->a);
	return back == GABI_YES ? GABI_EFFECT_SAFE : back == GABI_NO ? GABI_EFFECT_ONE_WAY : GABI_EFFECT_UNKNOWN;
}

/* ---- findings ---- */

static int find(const struct difference *d, const struct gabi_span *span, unsigned kind, unsigned effect, uint64_t a, uint64_t b)
{
	struct gabi_finding finding = {
		.field = span->field,
		.key = *d->key,
		.lo = span->lo,
		.bits = span->bits,
		.kind = (uint8_t)kind,
		.effect = (uint8_t)effect,
		.weight = (uint8_t)gabi_effect_weight(effect),
		.vp = GABI_VP_ALL,
		.has_want = d->a != NULL,
		.has_have = d->b != NULL,
		.want = a,
		.have = b,
	};

	gabi_finding_blame(&finding, d->blame);
	return d->sink->take(d->sink, &finding);
}

static int diff_word(const struct difference *d)
{
	struct gabi_spans spans = gabi_spans_of(d->key, d->a ? d->a->bits : d->b->bits);
	struct gabi_span span;
	int end = 0;

	while (!end && gabi_spans_next(&spans, &span)) {
		uint64_t a = d->a ? gabi_span_get(&span, d->a->value) : span.absent;
		uint64_t b = d->b ? gabi_span_get(&span, d->b->value) : span.absent;

		if (a == b || span.rule == GABI_RULE_FREE || (!offers(d->from, span.gate) && !offers(d->to, span.gate)))
			continue;
		end = find(d, &span, GABI_FINDING_CHANGED, effect_of(d, &span, a, b), a, b);
	}
	return end;
}

/* State that only one of them lists. */
static int diff_state(const struct difference *d)
{
	const struct gabi_word *state = d->a ? d->a : d->b;
	const struct gabi_reg *reg = gabi_reg_of(d->key);
	struct gabi_span span = { .bits = state->bits, .rule = GABI_RULE_STATE, .kind = GABI_KIND_UINT };
	unsigned effect, kind = GABI_FINDING_CHANGED;
	uint64_t unused = 0;

	if (gabi_host_loads(d->from, d->key) && gabi_host_loads(d->to, d->key))
		return 0;
	if (reg && !offers(d->a ? d->from : d->to, gabi_reg_when(reg))) {
		effect = GABI_EFFECT_SAFE;
	} else {
		kind = gabi_judge_unloadable(state, &unused);
		effect = kind == GABI_FINDING_DROP_IF_UNUSED ? GABI_EFFECT_IF_UNUSED :
			 d->a			     ? GABI_EFFECT_BLOCKING :
						       GABI_EFFECT_ONE_WAY;
	}
	return find(d, &span, kind, effect, unused, state->value);
}

/* Only one of the sources could see the space: said once, not for every word. */
static int diff_unseen(const struct difference *d)
{
	static const struct gabi_span whole = { .rule = GABI_RULE_EQUAL };

	return find(d, &whole, GABI_FINDING_UNSEEN, GABI_EFFECT_UNKNOWN, 0, 0);
}

/* ---- walking both ---- */

static bool differs_in(const struct difference *d, unsigned space)
{
	struct gabi_key key = *d->key;
	const struct gabi_word *a, *b;

	key.space = (uint16_t)space;
	a = gabi_host_find(d->from, &key);
	b = gabi_host_find(d->to, &key);
	return (a != NULL) != (b != NULL) || (a && a->value != b->value);
}

/* The same leaves and MSRs stand in more than one space: a difference is told where guests meet it first. */
static bool is_told_elsewhere(const struct difference *d)
{
	switch (d->key->space) {
	case GABI_SPACE_HYPERV_SYSTEM:
		return gabi_host_covers(d->from, GABI_SPACE_HYPERV) && gabi_host_covers(d->to, GABI_SPACE_HYPERV);
	case GABI_SPACE_HYPERV_EVMCS:
		return differs_in(d, GABI_SPACE_HYPERV);
	case GABI_SPACE_MSR_DEFAULT:
	case GABI_SPACE_MSR_EVMCS:
		return differs_in(d, GABI_SPACE_MSR) || differs_in(d, GABI_SPACE_MSR_STATE);
	case GABI_SPACE_CAP_SYSTEM:
		return differs_in(d, GABI_SPACE_CAP);
	default:
		return false;
	}
}

static int diff_pair(struct difference *d, bool *said_unseen)
{
	unsigned space = d->key->space;

	if (is_told_elsewhere(d))
		return 0;
	if (is_unseen(d->from, d->a, space) || is_unseen(d->to, d->b, space)) {
		int end = *said_unseen ? 0 : diff_unseen(d);

		*said_unseen = true;
		return end;
	}
	if (gabi_is_state(space))
		return diff_state(d);
	return diff_word(d);
}

static int diff_space(struct difference *d, struct gabi_range a, struct gabi_range b)
{
	bool said_unseen = false;

	while (a.at < a.end || b.at < b.end) {
		int order = a.at == a.end ? 1 : b.at == b.end ? -1 : gabi_key_compare(&a.at->key, &b.at->key);
		int end;

		d->a = order <= 0 ? a.at++ : NULL;
		d->b = order >= 0 ? b.at++ : NULL;
		d->key = d->a ? &d->a->key : &d->b->key;
		end = diff_pair(d, &said_unseen);
		if (end)
			return end;
	}
	return 0;
}

static int diff_all(struct difference *d)
{
	size_t a_count, b_count;
	const struct gabi_word *a = gabi_host_words(d->from, &a_count), *b = gabi_host_words(d->to, &b_count);

	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++) {
		int end;

		if (space == GABI_SPACE_ARM64_ACCEPTS) /* how a register can be set; not what a guest sees */
			continue;
		end = diff_space(d, gabi_range_of(a, a_count, space), gabi_range_of(b, b_count, space));
		if (end)
			return end;
	}
	return 0;
}

int gabi_diff(const struct gabi_host *from, const struct gabi_host *to, struct gabi_report **ret_report, struct gabi_diag *diag)
{
	struct gabi_report *report;
	struct gabi_blame blame;
	struct difference d = { .from = from, .to = to, .blame = &blame };
	int err;

	if (gabi_host_arch(from) != gabi_host_arch(to))
		return gabi_fail(diag, GABI_ERR_ARCH, "the hosts are of two architectures, ", gabi_arch_text(gabi_host_arch(from)),
				 " and ", gabi_arch_text(gabi_host_arch(to)), ", which have nothing to compare", (char *)NULL);
	report = gabi_report_new(NULL);
	if (!report)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	gabi_blame_between(&blame, from, to);
	d.sink = &report->sink;
	d.view = gabi_host_view(from) == gabi_host_view(to) ? GABI_VIEW_KVM : gabi_host_view(to);
	err = diff_all(&d);
	return gabi_report_hand_over(report, err, ret_report, diag);
}
