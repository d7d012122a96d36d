/* SPDX-License-Identifier: MIT */
/* The making of reports, inside src/verdict. */
#ifndef GABI_REPORT_H
#define GABI_REPORT_H

#include <gabi/verdict.h>

#include "base/base.h"

/* Where findings go: a report, or a verdict without one. */
struct gabi_sink {
	/* 0 to go on; anything else ends the question with that value. */
	int (*take)(struct gabi_sink *sink, struct gabi_finding *finding);
};

struct gabi_report {
	struct gabi_sink sink; /* first, so that a sink is its report */
	struct gabi_mem mem;
	struct gabi_finding *findings;
	size_t count, cap;
	enum gabi_verdict verdict;
	uint16_t host; /* written into each finding that is taken */
};

struct gabi_report *gabi_report_new(const struct gabi_mem *mem);

/* Orders the findings and makes the verdict of the heaviest. The report is then finished. */
int gabi_report_finish(struct gabi_report *report);

/* Ends a question: hands the finished report over, or frees it and says why not. */
int gabi_report_hand_over(struct gabi_report *report, int err, struct gabi_report **ret_report, struct gabi_diag *diag);

enum gabi_weight gabi_finding_weight(unsigned kind);
enum gabi_weight gabi_effect_weight(unsigned effect);

static inline enum gabi_verdict gabi_verdict_of(unsigned weight)
{
	static const enum gabi_verdict verdicts[] = { GABI_FITS, GABI_FITS_WITH_ACTIONS, GABI_UNKNOWN, GABI_DOES_NOT_FIT };

	return verdicts[weight];
}

#endif
