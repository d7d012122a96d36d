/* SPDX-License-Identifier: MIT */
/* VMX controls that a host's kernel would take away from a guest that may use the enlightened VMCS. */
#include "verdict/judge.h"

int gabi_judge_evmcs_span(struct gabi_judge *judge, const struct gabi_evmcs_guest *guest, const struct gabi_span *span,
			  const struct gabi_word *promise)
{
	uint64_t asked = promise->value & gabi_evmcs_asks(guest, promise) & gabi_span_mask(span), left = 0;
	bool known = gabi_evmcs_left(judge->host, guest, promise, &left);
	struct gabi_finding finding = {
		.field = span->field,
		.key = gabi_evmcs_key(promise),
		.lo = span->lo,
		.bits = span->bits,
		.kind = known ? GABI_FINDING_MISSING : GABI_FINDING_UNSEEN,
		.vp = promise->vp,
		.has_want = true,
		.has_have = known,
		.want = gabi_span_get(span, promise->value),
		.have = gabi_span_get(span, left),
	};

	if (span->rule == GABI_RULE_DERIVED || (known && !(asked & ~left)) || !asked)
		return 0; /* what is derived is told where it comes from */
	return gabi_judge_tell(judge, &finding);
}

static int judge_word(struct gabi_judge *judge, const struct gabi_evmcs_guest *guest, const struct gabi_word *promise)
{
	struct gabi_spans spans = gabi_spans_of(&promise->key, promise->bits);
	struct gabi_span span;
	int end = 0;

	while (!end && gabi_spans_next(&spans, &span))
		if (gabi_contract_promises(judge->contract, span.gate))
			end = gabi_judge_evmcs_span(judge, guest, &span, promise);
	return end;
}

int gabi_judge_evmcs(struct gabi_judge *judge, struct gabi_range promises)
{
	struct gabi_evmcs_guest guest = { 0 };
	int end = 0;

	if (promises.at < promises.end)
		gabi_evmcs_guest_of(judge->contract, &guest);
	for (; !end && guest.enabled && promises.at < promises.end; promises.at++)
		if (promises.at->value & gabi_evmcs_asks(&guest, promises.at))
			end = judge_word(judge, &guest, promises.at);
	return end;
}
