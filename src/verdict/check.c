/* SPDX-License-Identifier: MIT */
#include "verdict/judge.h"

int gabi_check(const struct gabi_contract *contract, const struct gabi_host *host, struct gabi_report **ret_report,
	       struct gabi_diag *diag)
{
	struct gabi_report *report = gabi_report_new(NULL);
	struct gabi_blame blame;
	struct gabi_judge judge = { .contract = contract, .host = host, .blame = &blame };
	int err;

	if (!report)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	gabi_blame_of(&blame, contract, host);
	judge.sink = &report->sink;
	err = gabi_judge_run(&judge);
	return gabi_report_hand_over(report, err, ret_report, diag);
}

struct heaviest {
	struct gabi_sink sink; /* first */
	uint8_t weight;
};

static int take_heaviest(struct gabi_sink *sink, struct gabi_finding *finding)
{
	struct heaviest *heaviest = (struct heaviest *)(void *)sink;

	if (finding->weight > heaviest->weight)
		heaviest->weight = finding->weight;
	return heaviest->weight == GABI_WEIGHT_BLOCK;
}

enum gabi_verdict gabi_check_verdict(const struct gabi_contract *contract, const struct gabi_host *host)
{
	struct heaviest heaviest = { .sink.take = take_heaviest };
	struct gabi_judge judge = { .contract = contract, .host = host, .sink = &heaviest.sink };

	gabi_judge_run(&judge);
	return gabi_verdict_of(heaviest.weight);
}
