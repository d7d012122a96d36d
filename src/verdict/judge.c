/* SPDX-License-Identifier: MIT */
#include "verdict/judge.h"

#include "contract/pin.h"

static const struct gabi_key tsc_control = { .space = GABI_SPACE_CAP, .index = GABI_KVM_CAP_TSC_CONTROL };

bool gabi_contract_promises(const struct gabi_contract *contract, const struct gabi_field *field)
{
	const struct gabi_word *word;

	if (!field)
		return true;
	word = gabi_contract_find(contract, &field->key, GABI_VP_ALL);
	return word && ((word->value >> field->lo) & gabi_mask(field->bits)) != field->absent;
}

static bool gate_is_open(struct gabi_judge *judge, const struct gabi_field *gate)
{
	if (!gate)
		return true;
	if (gate != judge->gate) { /* rows with the same condition stand together */
		judge->gate = gate;
		judge->gate_open = gabi_contract_promises(judge->contract, gate);
	}
	return judge->gate_open;
}

/* ---- one field ---- */

struct question {
	const struct gabi_span *span;
	const struct gabi_word *promise; /* NULL: the contract does not list the word */
	const struct gabi_word *offer;   /* NULL: the host does not list it */
	const struct gabi_key *key;
	uint64_t want, have;
	uint64_t shown; /* have, or what a VMM may say the host has beside it */
};

int gabi_judge_tell(struct gabi_judge *judge, struct gabi_finding *finding)
{
	finding->weight = (uint8_t)gabi_finding_weight(finding->kind);
	if (judge->blame && finding->weight >= GABI_WEIGHT_ACTION)
		gabi_finding_blame(finding, judge->blame);
	return judge->sink->take(judge->sink, finding);
}

static int find(struct gabi_judge *judge, const struct question *q, unsigned kind)
{
	struct gabi_finding finding = {
		.field = q->span->field,
		.key = *q->key,
		.lo = q->span->lo,
		.bits = q->span->bits,
		.kind = (uint8_t)kind,
		.vp = q->promise ? q->promise->vp : GABI_VP_ALL,
		.has_want = q->promise != NULL,
		.has_have = q->offer != NULL,
		.want = q->want,
		.have = q->have,
	};

	return gabi_judge_tell(judge, &finding);
}

/* What it is called when the host cannot give a value. */
static unsigned refusal(const struct gabi_span *span)
{
	switch (span->rule) {
	case GABI_RULE_SUBSET:
	case GABI_RULE_ON_REQUEST:
		return GABI_FINDING_MISSING;
	case GABI_RULE_SUPERSET:
		return GABI_FINDING_CANNOT_HIDE;
	case GABI_RULE_AT_MOST:
	case GABI_RULE_AT_LEAST:
	case GABI_RULE_AT_LEAST_0:
	case GABI_RULE_PSCI:
		return GABI_FINDING_TOO_SMALL;
	case GABI_RULE_ZERO:
		return GABI_FINDING_NOT_ZERO;
	default:
		return GABI_FINDING_DIFFERS;
	}
}

/* The host has it, the contract does not want it, and the VMM writes the word: what is left of it for the guest. */
static int hide(struct gabi_judge *judge, const struct question *q)
{
	if (q->span->hide == GABI_HIDE_NO && q->span->field)
		return find(judge, q, GABI_FINDING_CANNOT_HIDE);
	if (q->span->hide == GABI_HIDE_CPUID_ONLY && q->span->kind == GABI_KIND_FLAG && q->span->rule == GABI_RULE_SUBSET)
		return find(judge, q, GABI_FINDING_STILL_WORKS);
	return 0;
}

static int scale(struct gabi_judge *judge, const struct question *q)
{
	const struct gabi_word *cap = gabi_host_find(judge->host, &tsc_control);

	if (cap && cap->value)
		return find(judge, q, GABI_FINDING_SCALE);
	return find(judge, q, gabi_host_covers(judge->host, GABI_SPACE_CAP) ? GABI_FINDING_DIFFERS : GABI_FINDING_UNSEEN);
}

/* What a virtual processor starts with in an MSR. A word's fields are asked one after the other. */
static uint64_t msr_at_start(struct gabi_judge *judge, const struct gabi_word *offer)
{
	if (offer != judge->started) {
		judge->started = offer;
		judge->start = gabi_msr_at_start(judge->host, offer);
	}
	return judge->start;
}

/*
 * Some MSRs KVM computes for the guest and takes no other value of: a guest sees what a virtual processor starts with, which
 * need not be what KVM says that it supports. YES: that is what is wanted; NO: it is not, *ret_seen is; MAYBE: the VMM can write
 * it.
 */
static enum gabi_answer starts_with(struct gabi_judge *judge, const struct question *q, uint64_t *ret_seen)
{
	const struct gabi_span *span = q->span;
	uint64_t fixed, wrong;

	if (q->key->space != GABI_SPACE_MSR || !q->offer || span->rule == GABI_RULE_DERIVED)
		return GABI_MAYBE;
	fixed = gabi_span_mask(span) & ~q->offer->settable;
	if (!fixed)
		return GABI_MAYBE;
	*ret_seen = gabi_span_get(span, msr_at_start(judge, q->offer));
	wrong = (q->want ^ *ret_seen) << span->lo & fixed;
	return wrong ? GABI_NO : fixed == gabi_span_mask(span) && judge->view == GABI_VIEW_KVM ? GABI_YES : GABI_MAYBE;
}

/* A word that the VMM always writes (CPUID, MSRs): the guest sees the contract's value if the host supports it. */
static int judge_written(struct gabi_judge *judge, const struct question *q)
{
	const struct gabi_span *span = q->span;
	bool off = q->want == span->absent;
	struct question seen = *q;
	enum gabi_answer start = starts_with(judge, q, &seen.have);

	if (off && q->key->space == GABI_SPACE_VM)
		return 0; /* what has no register is the VMM's to give: a guest that was promised nothing of it takes what it gets */
	if (start != GABI_MAYBE)
		return start == GABI_YES ? 0 : find(judge, &seen, off ? GABI_FINDING_CANNOT_HIDE : refusal(span));
	if (!q->promise || (off && span->rule == GABI_RULE_EQUAL))
		return q->have != span->absent ? hide(judge, q) : 0;
	switch (gabi_rule_gives(span, q->want, q->shown, judge->view)) {
	case GABI_YES:
		return off && q->have != span->absent ? hide(judge, q) : 0;
	case GABI_MAYBE:
		return span->rule == GABI_RULE_FREQUENCY ? scale(judge, q) : find(judge, q, GABI_FINDING_UNSEEN);
	default:
		return span->rule == GABI_RULE_FREQUENCY ? scale(judge, q) : find(judge, q, refusal(span));
	}
}

/* The host lists no such word that the VMM could write. */
static int judge_unlisted(struct gabi_judge *judge, const struct question *q)
{
	if (q->want == q->span->absent || q->span->rule == GABI_RULE_PRESENTED || q->span->rule == GABI_RULE_DERIVED)
		return 0;
	if (!gabi_host_covers(judge->host, q->key->space))
		return find(judge, q, GABI_FINDING_UNSEEN);
	if (q->key->space == GABI_SPACE_MSR) /* a VMM can present any leaf, but no MSR that KVM does not have */
		return find(judge, q, GABI_FINDING_MISSING);
	return judge_written(judge, q);
}

/* An arm64 register shows the host's own value until it is written, once and before the first run. */
static int judge_register(struct gabi_judge *judge, const struct question *q)
{
	const struct gabi_span *span = q->span;
	bool off = !q->promise || q->want == span->absent;
	enum gabi_answer given, taken;

	if (!q->offer) {
		if (off)
			return 0;
		return find(judge, q,
			    gabi_host_covers(judge->host, q->key->space) ? GABI_FINDING_MISSING : GABI_FINDING_UNSEEN);
	}
	if (q->want == q->have || (!q->promise && span->rule == GABI_RULE_PRESENTED))
		return 0;
	taken = gabi_host_accepts(judge->host, q->offer, span, q->want);
	given = taken == GABI_YES ? GABI_YES : gabi_rule_gives(span, q->want, q->have, judge->view);
	if (!span->field && !gabi_is_fw_bitmap(q->key) && !gabi_reg_of(q->key))
		return find(judge, q, GABI_FINDING_UNNAMED);
	if (given == GABI_NO && !(off && span->rule == GABI_RULE_EQUAL && taken != GABI_NO))
		return find(judge, q, refusal(span));
	if (taken == GABI_NO)
		return find(judge, q, off ? GABI_FINDING_CANNOT_HIDE : refusal(span));
	if (given == GABI_MAYBE || taken == GABI_MAYBE)
		return find(judge, q, GABI_FINDING_UNSEEN);
	return find(judge, q, off ? GABI_FINDING_HIDE_BY_WRITE : GABI_FINDING_SET_BY_WRITE);
}

/* Is a PSCI version one that the probe could set? */
static enum gabi_answer psci_tried(const struct gabi_host *host, uint64_t version)
{
	static const struct gabi_key key = { .space = GABI_SPACE_VM, .index = GABI_VM_PSCI_ACCEPTS };
	const struct gabi_word *accepts = gabi_host_find(host, &key);
	uint64_t major = version >> 16, minor = version & 0xffff;
	uint64_t bit = major == 0 ? minor - 1 : 2 + minor;

	if (!accepts)
		return GABI_MAYBE;
	return major <= 1 && bit < 64 && (accepts->value >> bit & 1) ? GABI_YES : GABI_NO;
}

/* Looks a field up in the accepted values that the probe tried, 16 bits a four bits of the register. Of a wider field each four were
 * tried by themselves: where each may be anything, so may all together (MIDR_EL1's numbers). */
static enum gabi_answer tried(const struct gabi_host *host, const struct gabi_word *word, const struct gabi_span *span,
			      uint64_t want)
{
	enum gabi_answer answer = GABI_YES;

	if (word->key.part || !span->bits || span->bits % 4 || span->lo % 4)
		return GABI_MAYBE;
	for (unsigned at = 0; at < span->bits; at += 4) {
		unsigned lo = span->lo + at;
		struct gabi_key key = { .space = GABI_SPACE_ARM64_ACCEPTS, .part = (uint16_t)(lo / 16), .index = word->key.index };
		const struct gabi_word *accepts = gabi_host_find(host, &key);
		uint64_t values = accepts ? accepts->value >> lo % 16 / 4 * 16 & 0xffff : 0;

		if (!accepts)
			return GABI_MAYBE;
		if (!(values >> (want >> at & 0xf) & 1))
			return GABI_NO;
		if (span->bits > 4 && values != 0xffff)
			answer = GABI_MAYBE;
	}
	return answer;
}

enum gabi_answer gabi_host_accepts(const struct gabi_host *host, const struct gabi_word *word, const struct gabi_span *span,
				   uint64_t want)
{
	uint64_t change = (gabi_span_get(span, word->value) ^ want) << span->lo;
	enum gabi_answer answer;

	if (span->rule == GABI_RULE_LEVEL || span->rule == GABI_RULE_IMPOSED)
		return change ? GABI_NO : GABI_YES; /* the kernel validates the write, and the guest goes on to see its own */
	answer = span->rule == GABI_RULE_PSCI ? psci_tried(host, want) : tried(host, word, span, want);
	if (answer != GABI_MAYBE)
		return answer;
	if (gabi_host_view(host) == GABI_VIEW_GUEST && !word->settable)
		return change ? GABI_MAYBE : GABI_YES; /* a guest does not see what its VMM could have written */
	if (change & ~word->settable)
		return GABI_NO;
	/* Settable bits tell which, not to which values: "absent" is always one, for the rest the rule has the last word. */
	if (want == span->absent && span->rule != GABI_RULE_PREFIX)
		return GABI_YES;
	return gabi_rule_gives(span, want, gabi_span_get(span, word->value), gabi_host_view(host));
}

/* ---- one word ---- */

int gabi_judge_span(struct gabi_judge *judge, const struct gabi_key *key, const struct gabi_span *span,
		    const struct gabi_word *promise, const struct gabi_word *offer)
{
	struct question q = { .span = span, .promise = promise, .offer = offer, .key = key };

	q.want = promise ? gabi_span_get(span, promise->value) : span->absent;
	q.have = offer ? gabi_span_get(span, offer->value) : span->absent;
	q.shown = offer ? gabi_span_showable(span, offer) : span->absent;
	if (key->space == GABI_SPACE_ARM64)
		return judge_register(judge, &q);
	return offer ? judge_written(judge, &q) : judge_unlisted(judge, &q);
}

/* Is a word that both list equal, and nothing more to ask? In an MSR a guest may see what it starts with instead, and of a bare
 * CPU it is not known whether KVM passes on what it has. */
static bool fits_as_it_is(const struct gabi_judge *judge, const struct gabi_word *promise, const struct gabi_word *offer)
{
	return promise && offer && promise->value == offer->value && promise->key.space != GABI_SPACE_MSR &&
	       judge->view != GABI_VIEW_CPU;
}

/* The bits of a word on which there may be something to say: those that differ, and those that no guest may have. A word that
 * is not listed stands for the one that has nothing. */
static uint64_t bits_to_ask(struct gabi_judge *judge, unsigned space, const struct gabi_spans *spans,
			    const struct gabi_word *promise, const struct gabi_word *offer)
{
	uint64_t want = promise ? promise->value : spans->absent, have = offer ? offer->value : spans->absent;
	uint64_t ask = (want ^ have) | (want & spans->zero);

	if (judge->view == GABI_VIEW_CPU)
		return ~(uint64_t)0;
	if (space == GABI_SPACE_MSR)
		return offer ? ask | (want ^ msr_at_start(judge, offer)) : ask;
	return ask & ~spans->presented;
}

static int judge_word(struct gabi_judge *judge, const struct gabi_key *key, const struct gabi_word *promise,
		      const struct gabi_word *offer)
{
	unsigned bits = promise ? promise->bits : offer->bits;
	struct gabi_spans spans;
	struct gabi_span span;
	uint64_t ask;

	if (fits_as_it_is(judge, promise, offer))
		return 0;
	spans = gabi_spans_of(key, bits);
	if (!gate_is_open(judge, spans.when))
		return 0;
	ask = bits_to_ask(judge, key->space, &spans, promise, offer) & gabi_mask(bits);
	while (ask) {
		int end;

		gabi_spans_skip(&spans, (unsigned)__builtin_ctzll(ask));
		if (!gabi_spans_next(&spans, &span))
			break;
		ask &= ~gabi_span_mask(&span);
		if (!gabi_rule_promises(span.rule) || !gate_is_open(judge, span.gate))
			continue;
		end = gabi_judge_span(judge, key, &span, promise, offer);
		if (end)
			return end;
	}
	return 0;
}

unsigned gabi_judge_unloadable(const struct gabi_word *state, uint64_t *ret_unused)
{
	const struct gabi_reg *reg = gabi_reg_of(&state->key);

	if (gabi_reg_runs(reg))
		return GABI_FINDING_CANNOT_LOAD;
	if (state->key.space == GABI_SPACE_ARM64_STATE) {
		*ret_unused = state->value; /* the value after reset */
		return GABI_FINDING_DROP_IF_UNUSED;
	}
	if (!reg || !reg->resets_to_0)
		return GABI_FINDING_CANNOT_LOAD;
	*ret_unused = 0;
	return GABI_FINDING_DROP_IF_UNUSED;
}

/* KVM lists the vector registers once: as those of SVE where the VM has it, which a VM of the probe has if it can. Such a
 * host loads core.fp.v0 to v31 for a VM without SVE, and only contracts of such VMs list them. */
static bool is_listed_as_sves(const struct gabi_host *host, const struct gabi_key *key)
{
	const uint64_t first = 0x6040000000100054, z0 = 0x6080000000150000; /* core.fp.v0 and sve.z0 */
	uint64_t number = (key->index - first) / 4;
	struct gabi_key sve = { .space = GABI_SPACE_ARM64_STATE, .index = z0 | number << 5 };

	return key->space == GABI_SPACE_ARM64_STATE && key->index >= first && number < 32 && gabi_host_find(host, &sve);
}

bool gabi_host_loads(const struct gabi_host *host, const struct gabi_key *state)
{
	return gabi_host_find(host, state) || is_listed_as_sves(host, state);
}

int gabi_judge_state(struct gabi_judge *judge, const struct gabi_word *promise)
{
	const struct gabi_reg *reg = gabi_reg_of(&promise->key);
	struct gabi_span span = { .bits = promise->bits, .rule = GABI_RULE_STATE, .kind = GABI_KIND_UINT };
	struct question q = { .span = &span, .promise = promise, .key = &promise->key };
	unsigned space = promise->key.space;

	if (gabi_host_loads(judge->host, &promise->key))
		return 0;
	if (!gabi_host_covers(judge->host, space)) { /* once a space is enough: the word is not the point */
		if (judge->said_unseen[space])
			return 0;
		judge->said_unseen[space] = true;
		return find(judge, &q, GABI_FINDING_UNSEEN);
	}
	if (reg && gabi_reg_when(reg) && !gate_is_open(judge, gabi_reg_when(reg)))
		return find(judge, &q, GABI_FINDING_DROP);
	return find(judge, &q, gabi_judge_unloadable(promise, &q.want));
}

/* A sink that keeps the kind of the only finding it is given. */
struct one_kind {
	struct gabi_sink sink; /* first */
	unsigned kind;
};

static int take_kind(struct gabi_sink *sink, struct gabi_finding *finding)
{
	((struct one_kind *)(void *)sink)->kind = finding->kind;
	return 0;
}

unsigned gabi_judge_kind(const struct gabi_host *host, const struct gabi_key *key, const struct gabi_span *span,
			 const struct gabi_word *promise, const struct gabi_word *offer)
{
	struct one_kind kind = { .sink.take = take_kind };
	struct gabi_judge judge = { .host = host, .view = gabi_host_view(host), .sink = &kind.sink };

	gabi_judge_span(&judge, key, span, promise, offer);
	return kind.kind;
}

/* ---- all words ---- */

bool gabi_promises_evmcs(const struct gabi_contract *contract)
{
	const struct gabi_field *evmcs = gabi_field_by_name("hv-evmcs", GABI_ARCH_X86);

	return evmcs && gabi_contract_promises(contract, evmcs);
}

unsigned gabi_hyperv_space(bool evmcs, const struct gabi_host *host)
{
	if (evmcs && gabi_host_covers(host, GABI_SPACE_HYPERV_EVMCS))
		return GABI_SPACE_HYPERV_EVMCS;
	if (!gabi_host_covers(host, GABI_SPACE_HYPERV) && gabi_host_covers(host, GABI_SPACE_HYPERV_SYSTEM))
		return GABI_SPACE_HYPERV_SYSTEM;
	return GABI_SPACE_HYPERV;
}

/* Where the words of the first space that is no less begin. */
static const struct gabi_word *space_begin(const struct gabi_word *words, size_t count, unsigned space)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (words[middle].key.space < space)
			low = middle + 1;
		else
			high = middle;
	}
	return words + low;
}

struct gabi_range gabi_range_of(const struct gabi_word *words, size_t count, unsigned space)
{
	return (struct gabi_range){ space_begin(words, count, space), space_begin(words, count, space + 1) };
}

/* The contract's words of one key: the common one and those of single virtual processors. */
static int judge_promises(struct gabi_judge *judge, const struct gabi_key *key, struct gabi_range *promises,
			  const struct gabi_word *offer)
{
	bool common = promises->at->vp == GABI_VP_ALL;
	int end = 0;

	do {
		if (gabi_is_state(key->space))
			end = offer || judge->skip_state ? 0 : gabi_judge_state(judge, promises->at);
		else
			end = judge_word(judge, key, promises->at, offer);
		promises->at++;
	} while (!end && promises->at < promises->end && !gabi_key_order(&promises->at->key, key));
	if (!end && !common && offer && !gabi_is_state(key->space))
		end = judge_word(judge, key, NULL, offer);
	return end;
}

static int judge_space(struct gabi_judge *judge, unsigned space, struct gabi_range promises, struct gabi_range offers)
{
	while (promises.at < promises.end || offers.at < offers.end) {
		struct gabi_key key;
		int order, end;

		if (offers.at == offers.end) {
			order = -1;
		} else {
			key = offers.at->key;
			key.space = (uint16_t)space; /* Hyper-V's leaves may come from another space of the manifest */
			order = promises.at < promises.end ? gabi_key_order(&promises.at->key, &key) : 1;
		}
		if (order > 0) {
			end = gabi_is_state(space) ? 0 : judge_word(judge, &key, NULL, offers.at);
			offers.at++;
		} else {
			key = promises.at->key;
			end = judge_promises(judge, &key, &promises, order == 0 ? offers.at : NULL);
			offers.at += order == 0;
		}
		if (end)
			return end;
	}
	return 0;
}

static int judge_arch(struct gabi_judge *judge)
{
	struct gabi_finding finding = {
		.kind = GABI_FINDING_WRONG_ARCH,
		.weight = (uint8_t)gabi_finding_weight(GABI_FINDING_WRONG_ARCH),
		.cause = GABI_CAUSE_CPU,
		.vp = GABI_VP_ALL,
		.has_want = true,
		.has_have = true,
		.want = gabi_contract_arch(judge->contract),
		.have = gabi_host_arch(judge->host),
	};

	return judge->sink->take(judge->sink, &finding);
}

int gabi_judge_run(struct gabi_judge *judge)
{
	static const uint8_t spaces[] = { GABI_SPACE_CPUID, GABI_SPACE_KVM,   GABI_SPACE_HYPERV,      GABI_SPACE_MSR,
					  GABI_SPACE_MSR_STATE, GABI_SPACE_ARM64, GABI_SPACE_ARM64_STATE, GABI_SPACE_VM };
	size_t promise_count, offer_count;
	const struct gabi_word *promises = gabi_contract_words(judge->contract, &promise_count);
	const struct gabi_word *offers = gabi_host_words(judge->host, &offer_count);
	bool evmcs;

	if (gabi_contract_arch(judge->contract) != gabi_host_arch(judge->host))
		return judge_arch(judge);
	judge->view = gabi_host_view(judge->host);
	evmcs = gabi_promises_evmcs(judge->contract);
	for (size_t i = 0; i < sizeof(spaces); i++) {
		unsigned from = spaces[i] == GABI_SPACE_HYPERV ? gabi_hyperv_space(evmcs, judge->host) : spaces[i];
		int end = judge_space(judge, spaces[i], gabi_range_of(promises, promise_count, spaces[i]),
				      gabi_range_of(offers, offer_count, from));

		if (end)
			return end;
	}
	return gabi_judge_evmcs(judge, gabi_range_of(promises, promise_count, GABI_SPACE_MSR));
}
