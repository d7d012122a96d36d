/* SPDX-License-Identifier: MIT */
/*
 * A saved state against a host. What the contract promises is judged as always; what is saved beside it is judged by its value,
 * which is known now: a register that the host cannot load may stay behind if the guest cannot tell.
 */
#include <gabi/change.h>
#include <gabi/nested.h>
#include <gabi/state.h>

#include "verdict/judge.h"

#include <string.h>

struct loading {
	const struct gabi_state *state;
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	struct gabi_report *report;
	struct gabi_blame blame;
	bool said_unseen;
};

static int take(struct loading *l, unsigned kind, const struct gabi_word *word)
{
	struct gabi_finding finding = {
		.key = word->key, .bits = word->bits, .kind = (uint8_t)kind, .weight = (uint8_t)gabi_finding_weight(kind),
		.vp = word->vp, .has_want = true, .want = word->value,
	};

	gabi_finding_blame(&finding, &l->blame);
	return l->report->sink.take(&l->report->sink, &finding);
}

/* ---- registers of the state that the host does not list ---- */

/* What a host's kernel is known to do without having the register, cannot be loaded there either. */
static const struct gabi_word *implied(const struct loading *l, const struct gabi_word *word)
{
	const struct gabi_word *offer = gabi_host_find(l->host, &word->key);

	return offer && offer->flags & GABI_WORD_IMPLIED ? offer : NULL;
}

/* Of a promise that is no state (an ID or firmware register): a host that does not list it shows nothing there, or what its
 * kernel is known to do. Of state: the value after reset, which the contract has, or 0 by its row. */
static bool is_unused(const struct loading *l, const struct gabi_word *word)
{
	const struct gabi_word *promise = gabi_contract_find(l->contract, &word->key, GABI_VP_ALL), *known = implied(l, word);
	const struct gabi_reg *reg = gabi_reg_of(&word->key);

	if (word->key.space == GABI_SPACE_ARM64)
		return word->value == (known ? known->value : 0);
	if (reg && gabi_reg_when(reg) && !gabi_contract_promises(l->contract, gabi_reg_when(reg)))
		return true; /* this guest cannot have reached it */
	if (word->key.space == GABI_SPACE_ARM64_STATE && promise && word->value == promise->value)
		return true;
	return reg && reg->resets_to_0 == 1 && word->value == 0;
}

/* A promise that the host cannot keep is named by the judging of the contract already; not what contradicts the promise. */
static bool is_said_already(const struct loading *l, const struct gabi_word *word)
{
	const struct gabi_word *promise = gabi_contract_find(l->contract, &word->key, GABI_VP_ALL);

	return word->key.space == GABI_SPACE_ARM64 && promise && promise->value == word->value;
}

static int judge_unloadable(struct loading *l, const struct gabi_word *word)
{
	if (!gabi_host_covers(l->host, word->key.space)) {
		if (l->said_unseen)
			return 0;
		l->said_unseen = true;
		return take(l, GABI_FINDING_UNSEEN, word);
	}
	if (is_unused(l, word))
		return take(l, GABI_FINDING_DROP_IF_UNUSED, word);
	return is_said_already(l, word) ? 0 : take(l, GABI_FINDING_CANNOT_LOAD, word);
}

/* ---- registers of the state that are promised too: the plan sets them, and the promise stands ---- */

/* Bits that are not as promised; what the VMM or the guest may choose is left out. */
static uint64_t broken_bits(const struct loading *l, const struct gabi_word *word, const struct gabi_word *promise)
{
	struct gabi_spans spans = gabi_spans_of(&promise->key, promise->bits);
	struct gabi_span span;
	uint64_t mask = 0;

	while (gabi_spans_next(&spans, &span))
		if (span.rule != GABI_RULE_FREE && gabi_contract_promises(l->contract, span.gate))
			mask |= gabi_span_mask(&span);
	return (word->value ^ promise->value) & mask;
}

/* Has the state KVM's own value there, which its guest did not read? A kernel of which it is not known whether it shows guests the
 * same has read the promise back before the first run, or could not. */
static bool is_kvms_own(const struct loading *l, const struct gabi_word *word, uint64_t bits)
{
	size_t count;
	const struct gabi_change *change = gabi_changes(&count);

	while (strcmp(change->id, "arm64_ctr_trap")) /* it is there: data/changes, and a test */
		change++;
	for (uint64_t left = bits; left; left &= left - 1)
		if (!gabi_change_touches(change, &word->key, left & -left))
			return false;
	return gabi_change_in(change, gabi_state_release(l->state)) != 1;
}

/* A host that shows guests another value than its VMM takes only its own; what the guest then reads is judged by the promise. */
static bool is_shown_otherwise(const struct gabi_host *host, const struct gabi_word *word)
{
	const struct gabi_word *offer = gabi_host_find(host, &word->key);

	return offer && offer->flags & GABI_WORD_SEEN;
}

/* What a saved word is promised as: a feature MSR that KVM lists as state too has its promises in a space of their own. */
static const struct gabi_word *promise_of(const struct loading *l, const struct gabi_word *word)
{
	struct gabi_key key = word->key;

	if (key.space == GABI_SPACE_MSR_STATE)
		key.space = GABI_SPACE_MSR;
	return key.space == GABI_SPACE_MSR || key.space == GABI_SPACE_ARM64 ? gabi_contract_find(l->contract, &key, word->vp) : NULL;
}

static int judge_promised(struct loading *l, const struct gabi_word *word)
{
	const struct gabi_word *promise = promise_of(l, word);
	uint64_t bits = promise ? broken_bits(l, word, promise) : 0;

	if (bits ? is_kvms_own(l, word, bits) : promise && is_shown_otherwise(l->host, word))
		return take(l, GABI_FINDING_PROMISE_STANDS, word);
	return bits ? take(l, GABI_FINDING_CANNOT_LOAD, word) : 0;
}

/* Where all virtual processors have the same value, one finding speaks for all. */
static struct gabi_word merge(const struct gabi_word *word, size_t count)
{
	struct gabi_word all = *word;
	bool same = true;

	for (size_t i = 1; i < count; i++)
		same = same && word[i].value == word->value;
	if (same)
		all.vp = GABI_VP_ALL;
	return all;
}

static size_t same_key(const struct gabi_word *word, size_t count)
{
	size_t run = 1;

	while (run < count && !gabi_key_compare(&word[run].key, &word->key))
		run++;
	return run;
}

static int judge_word(struct loading *l, const struct gabi_word *word)
{
	if (!gabi_host_loads(l->host, &word->key) || implied(l, word))
		return judge_unloadable(l, word);
	return judge_promised(l, word);
}

static int judge_words(struct loading *l)
{
	size_t count, run;
	const struct gabi_word *word = gabi_state_words(l->state, &count);
	int end = 0;

	for (size_t i = 0; !end && i < count; i += run) {
		struct gabi_word all = merge(word + i, run = same_key(word + i, count - i));

		if (all.vp == GABI_VP_ALL)
			end = judge_word(l, &all);
		for (size_t at = i; !end && all.vp != GABI_VP_ALL && at < i + run; at++)
			end = judge_word(l, &word[at]);
	}
	return end;
}

/* ---- registers of the host that the state has not ---- */

static bool state_has(const struct gabi_state *state, const struct gabi_key *key)
{
	size_t low = 0, high;
	const struct gabi_word *word = gabi_state_words(state, &high);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = gabi_key_compare(&word[middle].key, key);

		if (!order)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* State without a row of which nobody here knows what a fresh one means to a guest that never had it. Promises are the
 * judging of the contract's: it has the same rule, and knows bitmaps of services. */
static int judge_newer(struct loading *l)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(l->host, &count);
	struct gabi_range range = gabi_range_of(word, count, GABI_SPACE_ARM64_STATE);
	int end = 0;

	for (; !end && range.at < range.end; range.at++)
		if (!range.at->key.part && !gabi_reg_of(&range.at->key) && !state_has(l->state, &range.at->key) &&
		    !gabi_contract_find(l->contract, &range.at->key, GABI_VP_ALL))
			end = take(l, GABI_FINDING_UNNAMED, range.at);
	return end;
}

/* ---- nested state ---- */

static uint32_t promised_cpuid(const void *contract, uint32_t leaf, uint32_t sub, unsigned reg)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)reg, .sub = sub, .index = leaf };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? (uint32_t)word->value : 0;
}

static bool promises_no_lbr(const struct gabi_contract *contract)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = 0x345 };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word && !(word->value & 0x3f); /* SDM vol. 4, IA32_PERF_CAPABILITIES: the format of LBRs */
}

/* Capability MSRs that KVM does not list as state, the fixed ones of CR0 and CR4: they follow from what was promised, and are promised. */
static void complete_msrs(const struct loading *l, unsigned vp, struct gabi_nested_target *target)
{
	for (unsigned i = 0; i < GABI_NESTED_MSRS; i++) {
		const struct gabi_key key = { .space = GABI_SPACE_MSR, .index = GABI_NESTED_MSR_FIRST + i };
		const struct gabi_word *word = target->msr_known >> i & 1 ? NULL : gabi_contract_find(l->contract, &key, vp);

		if (!word)
			continue;
		target->msr[i] = word->value;
		target->msr_known |= 1u << i;
	}
}

static void complete_target(const struct loading *l, const struct gabi_nested *nested, struct gabi_nested_target *target)
{
	target->release = gabi_host_release(l->host);
	target->svm = nested->format == GABI_NESTED_SVM;
	target->no_lbr = promises_no_lbr(l->contract);
	gabi_nested_target_cpuid(target, promised_cpuid, l->contract);
	gabi_evmcs_guest_of(l->contract, &target->evmcs);
}

static int judge_nested(struct loading *l, unsigned vp)
{
	const struct gabi_state_part *part = gabi_state_find(l->state, GABI_STATE_NESTED, vp);
	struct gabi_word word = { .key = { .space = GABI_SPACE_VM, .index = GABI_VM_NESTED_FORMAT }, .bits = 64, .vp = (uint16_t)vp };
	const struct gabi_word *offer = gabi_host_find(l->host, &word.key);
	struct gabi_nested_target target = { .size = sizeof(target) };
	struct gabi_nested_verdict verdict;
	struct gabi_nested nested;

	if (!part)
		return 0;
	if (gabi_nested_read(part->data, part->len, &nested, NULL))
		return take(l, GABI_FINDING_CANNOT_LOAD, &word);
	if (gabi_nested_is_empty(&nested))
		return 0;
	word.value = (uint64_t)nested.format + 1;
	if (!offer || offer->value != word.value)
		return take(l, GABI_FINDING_CANNOT_LOAD, &word);
	gabi_state_nested_target(l->state, vp, &target);
	complete_target(l, &nested, &target);
	complete_msrs(l, vp, &target);
	if (!target.release || gabi_nested_check(part->data, part->len, &target, &verdict, NULL))
		return take(l, GABI_FINDING_UNSEEN, &word);
	if (verdict.rule)
		return take(l, GABI_FINDING_CANNOT_LOAD, &word);
	return verdict.unknown ? take(l, GABI_FINDING_UNSEEN, &word) : 0;
}

/* ---- all ---- */

static int judge_all(struct loading *l)
{
	struct gabi_judge judge = { .contract = l->contract, .host = l->host, .sink = &l->report->sink, .skip_state = true, .blame = &l->blame };
	int end = gabi_judge_run(&judge);

	if (!end)
		end = judge_words(l);
	if (!end)
		end = judge_newer(l);
	for (unsigned vp = 0; !end && vp < gabi_state_vps(l->state) && gabi_state_arch(l->state) == GABI_ARCH_X86; vp++)
		end = judge_nested(l, vp);
	return end;
}

int gabi_state_check(const struct gabi_state *state, const struct gabi_contract *contract, const struct gabi_host *host,
		     struct gabi_report **ret_report, struct gabi_diag *diag)
{
	struct loading l = { .state = state, .contract = contract, .host = host };
	uint8_t digest[GABI_DIGEST_LEN];

	if (gabi_state_arch(state) != gabi_contract_arch(contract))
		return gabi_fail(diag, GABI_ERR_ARCH, "the state is of ", gabi_arch_text(gabi_state_arch(state)),
				 ", and the contract of ", gabi_arch_text(gabi_contract_arch(contract)), (char *)NULL);
	gabi_contract_digest(contract, digest);
	if (memcmp(digest, gabi_state_digest(state), sizeof(digest)))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the state was saved under another contract: the digests differ", (char *)NULL);
	gabi_blame_of(&l.blame, contract, host);
	l.report = gabi_report_new(NULL);
	if (!l.report)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return gabi_report_hand_over(l.report, judge_all(&l), ret_report, diag);
}
