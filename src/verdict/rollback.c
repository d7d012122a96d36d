/* SPDX-License-Identifier: MIT */
/* There and back: the contract must fit on both sides, and each must be able to load what the other saves. */
#include "verdict/judge.h"

enum { THERE, BACK }; /* finding.host */

struct journey {
	const struct gabi_contract *contract;
	const struct gabi_host *from, *to; /* of one leg */
	struct gabi_report *report;
};

/* Cannot the guest have reached the state; or is it a counter that the guest was not promised, and which was the host's own
 * wherever it ran? */
static bool is_nothing_to(const struct gabi_contract *contract, const struct gabi_word *state)
{
	const struct gabi_reg *reg = gabi_reg_of(&state->key);

	if (gabi_reg_runs(reg) && !gabi_contract_find(contract, &state->key, GABI_VP_ALL))
		return true;
	return reg && gabi_reg_when(reg) && !gabi_contract_promises(contract, gabi_reg_when(reg));
}

static int take_state(const struct journey *leg, struct gabi_blame *blame, const struct gabi_word *state)
{
	struct gabi_finding finding = {
		.key = state->key, .bits = state->bits, .vp = GABI_VP_ALL, .has_want = 1, .want = state->value,
	};

	if (is_nothing_to(leg->contract, state))
		finding.kind = GABI_FINDING_DROP;
	else
		finding.kind = (uint8_t)gabi_judge_unloadable(state, &finding.want);
	finding.weight = (uint8_t)gabi_finding_weight(finding.kind);
	gabi_finding_blame(&finding, blame);
	return leg->report->sink.take(&leg->report->sink, &finding);
}

/* What `from` saves and `to` cannot load. */
static int leg_state(const struct journey *leg)
{
	struct gabi_blame blame;
	size_t count;
	const struct gabi_word *word = gabi_host_words(leg->from, &count);

	gabi_blame_between(&blame, leg->from, leg->to);

	for (size_t i = 0; i < count; i++) {
		int end;

		if (!gabi_is_state(word[i].key.space) || gabi_host_loads(leg->to, &word[i].key) ||
		    !gabi_host_covers(leg->to, word[i].key.space))
			continue;
		end = take_state(leg, &blame, &word[i]);
		if (end)
			return end;
	}
	return 0;
}

/* A source that did not see what state there is cannot say what will be loaded. */
static int leg_unseen(const struct journey *leg)
{
	unsigned space = gabi_host_arch(leg->to) == GABI_ARCH_ARM64 ? GABI_SPACE_ARM64_STATE : GABI_SPACE_MSR_STATE;
	struct gabi_finding finding = {
		.key.space = (uint16_t)space, .kind = GABI_FINDING_UNSEEN, .weight = GABI_WEIGHT_UNKNOWN, .vp = GABI_VP_ALL,
	};

	if (gabi_host_covers(leg->from, space) && gabi_host_covers(leg->to, space))
		return 0;
	return leg->report->sink.take(&leg->report->sink, &finding);
}

static int leg_judge(const struct journey *leg)
{
	struct gabi_blame blame;
	struct gabi_judge judge = { .contract = leg->contract, .host = leg->to, .sink = &leg->report->sink, .blame = &blame,
				    .skip_state = true };

	gabi_blame_of(&blame, leg->contract, leg->to);
	return gabi_judge_run(&judge);
}

static int leg_run(const struct journey *leg)
{
	int end = leg_judge(leg);

	if (!end)
		end = leg_unseen(leg);
	return end ? end : leg_state(leg);
}

int gabi_rollback(const struct gabi_contract *contract, const struct gabi_host *from, const struct gabi_host *to,
		  struct gabi_report **ret_report, struct gabi_diag *diag)
{
	struct gabi_report *report;
	struct journey leg = { .contract = contract, .from = from, .to = to };
	int err;

	report = gabi_report_new(NULL);
	if (!report)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	leg.report = report;
	report->host = THERE;
	err = leg_run(&leg);
	if (!err) {
		report->host = BACK;
		leg.from = to;
		leg.to = from;
		err = leg_run(&leg);
	}
	return gabi_report_hand_over(report, err, ret_report, diag);
}
