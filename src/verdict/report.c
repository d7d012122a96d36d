/* SPDX-License-Identifier: MIT */
#include "verdict/report.h"

static const struct {
	const char *text, *consequence;
	uint8_t weight;
} kinds[GABI_FINDING_COUNT] = {
#define GABI_FINDING_ROW(name, kind_text, kind_weight, what) \
	[GABI_FINDING_##name] = { kind_text, what, GABI_WEIGHT_##kind_weight },
#include <gabi/finding.def>
};

/* What a difference between two hosts is worth. */
static const struct {
	const char *text, *consequence;
	uint8_t weight;
} effects[] = {
	[GABI_EFFECT_NONE] = { "", NULL, GABI_WEIGHT_NOTE },
	[GABI_EFFECT_SAFE] = { "safe", "no guest sees it that is not given it", GABI_WEIGHT_NOTE },
	[GABI_EFFECT_ONE_WAY] = { "one-way", "a guest that is given the new value cannot go back", GABI_WEIGHT_ACTION },
	[GABI_EFFECT_IF_UNUSED] = { "if unused", "a guest that uses it cannot move between the two", GABI_WEIGHT_ACTION },
	[GABI_EFFECT_NEEDS_PIN] = { "needs a pin", "guests see the new value unless their VMM writes the old one",
				    GABI_WEIGHT_ACTION },
	[GABI_EFFECT_BLOCKING] = { "blocking", "a guest that was given the old value cannot run there", GABI_WEIGHT_BLOCK },
	[GABI_EFFECT_UNKNOWN] = { "unknown", "only one of the two sources could see it", GABI_WEIGHT_UNKNOWN },
};

enum gabi_weight gabi_effect_weight(unsigned effect)
{
	return effect < GABI_COUNT_OF(effects) ? effects[effect].weight : GABI_WEIGHT_BLOCK;
}

enum gabi_weight gabi_finding_weight(unsigned kind)
{
	return kind < GABI_FINDING_COUNT ? kinds[kind].weight : GABI_WEIGHT_BLOCK;
}

const char *gabi_finding_text(unsigned kind)
{
	return kind > GABI_FINDING_NONE && kind < GABI_FINDING_COUNT ? kinds[kind].text : "none";
}

size_t gabi_finding_consequence(const struct gabi_finding *finding, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);

	if (finding->effect < GABI_COUNT_OF(effects) && effects[finding->effect].consequence)
		gabi_out_text(&to, effects[finding->effect].consequence);
	else if (finding->kind > GABI_FINDING_NONE && finding->kind < GABI_FINDING_COUNT)
		gabi_out_text(&to, kinds[finding->kind].consequence);
	return to.len;
}

static const char *text_at(const char *const *texts, size_t count, unsigned at)
{
	return at < count ? texts[at] : "unknown";
}

const char *gabi_verdict_text(unsigned verdict)
{
	static const char *const texts[] = { "fits", "fits with actions", "unknown", "does not fit" };

	return text_at(texts, GABI_COUNT_OF(texts), verdict);
}

const char *gabi_weight_text(unsigned weight)
{
	static const char *const texts[] = { "note", "action", "unknown", "block" };

	return text_at(texts, GABI_COUNT_OF(texts), weight);
}

const char *gabi_cause_text(unsigned cause)
{
	static const char *const texts[] = { "", "CPU", "microcode", "firmware", "kernel", "module parameter", "tool", "VM" };

	return text_at(texts, GABI_COUNT_OF(texts), cause);
}

const char *gabi_effect_text(unsigned effect)
{
	return effect < GABI_COUNT_OF(effects) ? effects[effect].text : "unknown";
}

static int take(struct gabi_sink *sink, struct gabi_finding *finding)
{
	struct gabi_report *report = (struct gabi_report *)(void *)sink;
	void *findings = report->findings;
	int err = gabi_mem_room(&report->mem, &findings, &report->cap, report->count, sizeof(*report->findings));

	if (err)
		return err;
	report->findings = findings;
	report->findings[report->count] = *finding;
	report->findings[report->count++].host = report->host;
	return 0;
}

struct gabi_report *gabi_report_new(const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_report *report = gabi_mem_get(&own, sizeof(*report));

	if (!report)
		return NULL;
	report->mem = own;
	report->sink.take = take;
	return report;
}

void gabi_report_free(struct gabi_report *report)
{
	if (!report)
		return;
	gabi_mem_put(&report->mem, report->findings);
	gabi_mem_put(&report->mem, report);
}

/* Findings come in by host and key, so that a stable sort by weight is all there is to do: one pass a weight. */
int gabi_report_finish(struct gabi_report *report)
{
	struct gabi_finding *sorted;
	size_t count = 0;

	if (!report->count)
		return 0;
	sorted = gabi_mem_get(&report->mem, report->count * sizeof(*sorted));
	if (!sorted)
		return GABI_ERR_NOMEM;
	for (int weight = GABI_WEIGHT_BLOCK; weight >= GABI_WEIGHT_NOTE; weight--)
		for (size_t i = 0; i < report->count; i++)
			if (report->findings[i].weight == weight)
				sorted[count++] = report->findings[i];
	gabi_mem_put(&report->mem, report->findings);
	report->findings = sorted;
	report->cap = count;
	report->verdict = gabi_verdict_of(sorted[0].weight);
	return 0;
}

int gabi_report_hand_over(struct gabi_report *report, int err, struct gabi_report **ret_report, struct gabi_diag *diag)
{
	if (!err)
		err = gabi_report_finish(report);
	if (err) {
		gabi_report_free(report);
		return gabi_fail(diag, err, gabi_err_text(err), (char *)NULL);
	}
	*ret_report = report;
	return 0;
}

enum gabi_verdict gabi_report_verdict(const struct gabi_report *report)
{
	return report->verdict;
}

const struct gabi_finding *gabi_report_findings(const struct gabi_report *report, size_t *ret_count)
{
	*ret_count = report->count;
	return report->findings;
}
