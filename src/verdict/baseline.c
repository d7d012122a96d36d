/* SPDX-License-Identifier: MIT */
/*
 * The largest contract that fits several hosts.
 *
 * The hosts' words are walked side by side, and every field is chosen by itself: the join of the hosts' values where all
 * can provide it, else the one value that a host cannot be moved from, else "absent". The choice is put to the same
 * judge as a check, so that a baseline fits its hosts by construction.
 */
#include "contract/pin.h"
#include "verdict/judge.h"

/* The join of some hosts' values of a field; not ok: they have none. */
struct join {
	bool ok;
	uint64_t value;
};

struct conflict {
	struct gabi_key key;
	struct gabi_span span;
};

struct merge {
	const struct gabi_host *const *hosts;
	size_t count;
	struct gabi_mem mem;
	struct gabi_range *ranges;         /* a cursor into each host's words of the space at hand */
	const struct gabi_word **at;       /* each host's word of the key at hand; NULL if not listed */
	struct join *before, *after;  /* joins of the hosts up to, and from, each one */
	struct gabi_words words;           /* of the baseline */
	struct conflict *conflicts;
	size_t conflict_count, conflict_cap;
	struct gabi_report *report;
	size_t donor; /* whose values are taken where no host has a say */
};

/* ---- one field ---- */

static uint64_t value_on(const struct merge *m, size_t host, const struct gabi_span *span)
{
	return m->at[host] ? gabi_span_showable(span, m->at[host]) : span->absent;
}

static struct join join_of(const struct gabi_span *span, struct join a, struct join b)
{
	struct join both = { false, span->absent };

	if (a.ok && b.ok)
		both.ok = gabi_rule_join(span, a.value, b.value, &both.value);
	return both;
}

static struct join join_all(const struct merge *m, const struct gabi_span *span)
{
	struct join all = { true, value_on(m, 0, span) };

	for (size_t i = 1; i < m->count; i++)
		all = join_of(span, all, (struct join){ true, value_on(m, i, span) });
	return all;
}

/* Does the promise of a span (NULL: none) fit every host, with nothing left unknown? */
static bool fits_all_hosts(const struct merge *m, const struct gabi_key *key, const struct gabi_span *span,
			   const struct gabi_word *promise)
{
	for (size_t i = 0; i < m->count; i++) {
		unsigned kind = gabi_judge_kind(m->hosts[i], key, span, promise, m->at[i]);

		if (kind != GABI_FINDING_NONE && gabi_finding_weight(kind) > GABI_WEIGHT_ACTION)
			return false;
	}
	return true;
}

static bool fits_all(const struct merge *m, const struct gabi_key *key, const struct gabi_span *span, uint64_t value)
{
	const struct gabi_word promise = { .key = *key, .value = value << span->lo, .bits = 64, .vp = GABI_VP_ALL };

	return fits_all_hosts(m, key, span, &promise);
}

/* Hosts have no say in the value: it is the donor's, whichever host that is. */
static bool is_donated(unsigned rule)
{
	return rule == GABI_RULE_PRESENTED || rule == GABI_RULE_DERIVED;
}

/* Candidates, the largest first. */
static bool choose(const struct merge *m, const struct gabi_key *key, const struct gabi_span *span, uint64_t *ret_value)
{
	struct join all = join_all(m, span);
	bool found = false;

	if (all.ok && !is_donated(span->rule) && fits_all(m, key, span, all.value))
		return *ret_value = all.value, true;
	*ret_value = value_on(m, m->donor, span);
	if (is_donated(span->rule) && fits_all(m, key, span, *ret_value))
		return true;
	for (size_t i = 0; i < m->count; i++) {
		uint64_t value = value_on(m, i, span);

		if ((!found || value > *ret_value) && fits_all(m, key, span, value)) {
			*ret_value = value;
			found = true;
		}
	}
	if (found)
		return true;
	*ret_value = span->absent;
	return fits_all(m, key, span, *ret_value);
}

/* ---- what each host costs ---- */

static int cost_of(struct merge *m, const struct gabi_key *key, const struct gabi_span *span, size_t host, uint64_t without,
		   uint64_t with)
{
	struct gabi_finding finding = {
		.field = span->field, .key = *key, .lo = span->lo, .bits = span->bits, .kind = GABI_FINDING_COSTS,
		.vp = GABI_VP_ALL, .has_want = 1, .has_have = 1, .want = without, .have = with,
	};

	m->report->host = (uint16_t)host;
	return m->report->sink.take(&m->report->sink, &finding);
}

/* Leaves each host out in turn, by the joins before and after it. */
static int costs(struct merge *m, const struct gabi_key *key, const struct gabi_span *span, uint64_t chosen)
{
	size_t n = m->count;

	if (n < 2 || is_donated(span->rule) || span->rule == GABI_RULE_FREE || span->rule == GABI_RULE_OFFERED)
		return 0;
	m->before[0] = (struct join){ true, value_on(m, 0, span) };
	m->after[n - 1] = (struct join){ true, value_on(m, n - 1, span) };
	for (size_t i = 1; i < n; i++) {
		m->before[i] = join_of(span, m->before[i - 1], (struct join){ true, value_on(m, i, span) });
		m->after[n - 1 - i] = join_of(span, m->after[n - i], (struct join){ true, value_on(m, n - 1 - i, span) });
	}
	for (size_t i = 0; i < n; i++) {
		struct join rest = i == 0 ? m->after[1] : i == n - 1 ? m->before[n - 2] : join_of(span, m->before[i - 1], m->after[i + 1]);
		int err = rest.ok && rest.value != chosen ? cost_of(m, key, span, i, rest.value, chosen) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* ---- one word ---- */

/* Does any host list the word, and if the guest can only be given it where KVM has it, do all? */
static bool is_common(const struct merge *m, unsigned space)
{
	if (space == GABI_SPACE_CPUID || space == GABI_SPACE_KVM || space == GABI_SPACE_HYPERV || space == GABI_SPACE_ARM64)
		return true;
	for (size_t i = 0; i < m->count; i++)
		if (!m->at[i])
			return false;
	return true;
}

static int note_conflict(struct merge *m, const struct gabi_key *key, const struct gabi_span *span)
{
	void *conflicts = m->conflicts;
	int err = gabi_mem_room(&m->mem, &conflicts, &m->conflict_cap, m->conflict_count, sizeof(*m->conflicts));

	if (err)
		return err;
	m->conflicts = conflicts;
	m->conflicts[m->conflict_count++] = (struct conflict){ *key, *span };
	return 0;
}

static bool is_kept(unsigned rule)
{
	return gabi_rule_promises(rule) && rule != GABI_RULE_ON_REQUEST && rule != GABI_RULE_ZERO;
}

static int merge_fields(struct merge *m, struct gabi_word *word)
{
	struct gabi_spans spans = gabi_spans_of(&word->key, word->bits);
	struct gabi_span span;
	int err = 0;

	while (!err && gabi_spans_next(&spans, &span)) {
		uint64_t value = 0;

		if (!is_kept(span.rule))
			continue;
		if (!choose(m, &word->key, &span, &value))
			err = note_conflict(m, &word->key, &span);
		else
			err = costs(m, &word->key, &span, value);
		word->value |= value << span.lo;
	}
	return err;
}

/* Is there anything in the word that a contract may promise? */
static bool is_promised(const struct gabi_key *key, unsigned bits)
{
	struct gabi_spans spans = gabi_spans_of(key, bits);
	struct gabi_span span;

	while (gabi_spans_next(&spans, &span))
		if (is_kept(span.rule))
			return true;
	return false;
}

/* A word that not all hosts have is not promised; those that have it must be able to hide it. */
static int leave_out(struct merge *m, const struct gabi_key *key, unsigned bits)
{
	struct gabi_spans spans = gabi_spans_of(key, bits);
	struct gabi_span span;
	int err = 0;

	while (!err && gabi_spans_next(&spans, &span))
		if (gabi_rule_promises(span.rule) && !fits_all_hosts(m, key, &span, NULL))
			err = note_conflict(m, key, &span);
	return err;
}

static int merge_word(struct merge *m, const struct gabi_key *key, unsigned bits)
{
	struct gabi_word word = { .key = *key, .bits = (uint8_t)bits, .vp = GABI_VP_ALL };
	int err;

	if (!is_promised(key, bits))
		return 0;
	if (!is_common(m, key->space))
		return gabi_is_state(key->space) ? 0 : leave_out(m, key, bits);
	if (gabi_is_state(key->space))
		word.value = m->at[m->donor]->value; /* presence, or the value after reset, is all there is to it */
	err = gabi_is_state(key->space) ? 0 : merge_fields(m, &word);
	return err ? err : gabi_words_add(&m->words, &m->mem, &word);
}

/* ---- all words ---- */

/* Takes each host's word of the least key that any host has next. False at the end of the space. */
static bool next_key(struct merge *m, struct gabi_key *ret_key, unsigned *ret_bits)
{
	const struct gabi_word *least = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (m->ranges[i].at < m->ranges[i].end && (!least || gabi_key_compare(&m->ranges[i].at->key, &least->key) < 0))
			least = m->ranges[i].at;
	if (!least)
		return false;
	*ret_key = least->key;
	*ret_bits = least->bits;
	for (size_t i = 0; i < m->count; i++) {
		bool has = m->ranges[i].at < m->ranges[i].end && !gabi_key_compare(&m->ranges[i].at->key, ret_key);

		m->at[i] = has ? m->ranges[i].at++ : NULL;
	}
	return true;
}

static int merge_space(struct merge *m, unsigned space)
{
	struct gabi_key key;
	unsigned bits;
	int err = 0;

	for (size_t i = 0; i < m->count; i++) {
		size_t count;
		const struct gabi_word *words = gabi_host_words(m->hosts[i], &count);

		m->ranges[i] = gabi_range_of(words, count, space);
	}
	while (!err && next_key(m, &key, &bits))
		err = merge_word(m, &key, bits);
	return err;
}

/* Orders hosts by their words, so that the donor does not depend on the order in which the hosts were named. */
static int compare_hosts(const struct gabi_host *a, const struct gabi_host *b)
{
	size_t a_count, b_count;
	const struct gabi_word *x = gabi_host_words(a, &a_count), *y = gabi_host_words(b, &b_count);

	for (size_t i = 0; i < a_count && i < b_count; i++) {
		int order = gabi_key_compare(&x[i].key, &y[i].key);

		if (order)
			return order;
		if (x[i].value != y[i].value)
			return x[i].value < y[i].value ? -1 : 1;
	}
	return a_count < b_count ? -1 : a_count > b_count;
}

static void choose_donor(struct merge *m)
{
	for (size_t i = 1; i < m->count; i++)
		if (compare_hosts(m->hosts[i], m->hosts[m->donor]) < 0)
			m->donor = i;
}

static int merge_all(struct merge *m)
{
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++) {
		int err = gabi_space_is_promise(space) ? merge_space(m, space) : 0;

		if (err)
			return err;
	}
	return 0;
}

/* A conflict over what the baseline does not promise after all is none. */
static int tell_conflicts(struct merge *m, const struct gabi_contract *contract)
{
	for (size_t i = 0; i < m->conflict_count; i++) {
		const struct conflict *c = &m->conflicts[i];
		struct gabi_finding finding = {
			.field = c->span.field, .key = c->key, .lo = c->span.lo, .bits = c->span.bits,
			.kind = GABI_FINDING_DIFFERS, .weight = GABI_WEIGHT_BLOCK, .vp = GABI_VP_ALL,
		};
		int err;

		if (!gabi_contract_promises(contract, c->span.gate))
			continue;
		m->report->host = 0;
		err = m->report->sink.take(&m->report->sink, &finding);
		if (err)
			return err;
		m->report->verdict = GABI_DOES_NOT_FIT;
	}
	return 0;
}

static int prepare(struct merge *m)
{
	m->ranges = gabi_mem_get(&m->mem, m->count * sizeof(*m->ranges));
	m->at = gabi_mem_get(&m->mem, m->count * sizeof(*m->at));
	m->before = gabi_mem_get(&m->mem, m->count * sizeof(*m->before));
	m->after = gabi_mem_get(&m->mem, m->count * sizeof(*m->after));
	m->report = gabi_report_new(&m->mem);
	return m->ranges && m->at && m->before && m->after && m->report ? 0 : GABI_ERR_NOMEM;
}

static void clean(struct merge *m)
{
	gabi_mem_put(&m->mem, m->ranges);
	gabi_mem_put(&m->mem, m->at);
	gabi_mem_put(&m->mem, m->before);
	gabi_mem_put(&m->mem, m->after);
	gabi_mem_put(&m->mem, m->conflicts);
	gabi_words_free(&m->words, &m->mem);
}

static int same_arch(const struct gabi_host *const *hosts, size_t count, struct gabi_diag *diag)
{
	for (size_t i = 1; i < count; i++)
		if (gabi_host_arch(hosts[i]) != gabi_host_arch(hosts[0]))
			return gabi_fail(diag, GABI_ERR_ARCH, "the hosts are of two architectures, which have no baseline", (char *)NULL);
	return 0;
}

int gabi_baseline(const struct gabi_host *const *hosts, size_t count, const struct gabi_mem *mem,
		  struct gabi_contract **ret_contract, struct gabi_report **ret_report, struct gabi_diag *diag)
{
	struct merge m = { .hosts = hosts, .count = count, .mem = gabi_mem_or_default(mem) };
	struct gabi_contract *contract = NULL;
	int err;

	if (count < 1 || count > UINT16_MAX)
		return gabi_fail(diag, GABI_ERR_ARG, "a baseline is of 1 to 65,535 hosts", (char *)NULL);
	err = same_arch(hosts, count, diag);
	if (err)
		return err;
	err = prepare(&m);
	if (!err) {
		choose_donor(&m);
		err = merge_all(&m);
	}
	if (!err)
		err = gabi_contract_of_words(gabi_host_arch(hosts[0]), &m.words, &m.mem, &contract, NULL);
	if (!err)
		err = tell_conflicts(&m, contract);
	clean(&m);
	if (err) {
		gabi_contract_free(contract);
		gabi_report_free(m.report);
		return gabi_fail(diag, err, gabi_err_text(err), (char *)NULL);
	}
	if (m.report->verdict == GABI_DOES_NOT_FIT) {
		gabi_contract_free(contract);
		contract = NULL;
	}
	err = gabi_report_hand_over(m.report, 0, ret_report, diag);
	if (err)
		gabi_contract_free(contract);
	else
		*ret_contract = contract;
	return err;
}
