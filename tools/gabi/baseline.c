/* SPDX-License-Identifier: MIT */
/* gabi baseline: the largest contract that fits all these hosts, and what each of them costs. */
#include "findings.h"
#include "json.h"
#include "load.h"
#include "save.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct baseline {
	struct gabi_contract *contract; /* NULL: there is none */
	struct gabi_report *report;
};

static enum status compute(const struct fleet *fleet, struct baseline *ret_baseline)
{
	const struct gabi_host **hosts = calloc(fleet->count, sizeof(*hosts));
	struct gabi_diag diag = { 0 };
	enum status status = STATUS_YES;

	if (!hosts) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	for (size_t i = 0; i < fleet->count; i++)
		hosts[i] = fleet->at[i].host;
	if (gabi_baseline(hosts, fleet->count, NULL, &ret_baseline->contract, &ret_baseline->report, &diag))
		status = complain_diag(NULL, &diag);
	free(hosts);
	return status;
}

/* The library knows hosts by their place; people know them by their files. */
static enum status one_arch(const struct fleet *fleet)
{
	for (size_t i = 1; i < fleet->count; i++) {
		enum gabi_arch first = gabi_host_arch(fleet->at[0].host), other = gabi_host_arch(fleet->at[i].host);

		if (first == other)
			continue;
		complain("%s is of %s and %s of %s: two architectures have no baseline", fleet->at[0].path, gabi_arch_text(first),
			 fleet->at[i].path, gabi_arch_text(other));
		return STATUS_INPUT;
	}
	return STATUS_YES;
}

static void print_head(const struct baseline *baseline, const struct fleet *fleet)
{
	char text[160];
	size_t count = 0;

	if (baseline->contract)
		gabi_contract_words(baseline->contract, &count);
	if (fleet->files == 1)
		snprintf(text, sizeof(text), "A contract of %zu words fits the host.", count); /* its pin, and so there is one */
	else if (baseline->contract)
		snprintf(text, sizeof(text), "A contract of %zu words fits all %zu hosts.", count, fleet->files);
	else
		snprintf(text, sizeof(text), "No contract fits all %zu hosts.", fleet->files);
	print_headline(baseline->contract ? COLOR_GOOD : COLOR_BAD, text);
}

static const char *title_of(const struct fleet *fleet, const struct line *line)
{
	return line->finding->host < fleet->count ? fleet->at[line->finding->host].title : "";
}

/* Why there is no contract. */
static void print_conflicts(const struct line *line, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (line[i].finding->weight == GABI_WEIGHT_BLOCK)
			printf("\nNo value fits all hosts: %s\n", line[i].names);
}

/* What the set would have more of were a host left out, host by host. */
static void print_costs(const struct fleet *fleet, const struct line *line, size_t count)
{
	static const struct column columns[] = {
		{ "HOST", .wraps = true }, { "COSTS THE SET", .wraps = true }, { "OTHERS" }, { "HOST HAS" }, { "CAUSE", .wraps = true },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	for (size_t i = 0; i < count; i++)
		if (line[i].finding->weight != GABI_WEIGHT_BLOCK)
			table_row(table, COLOR_CARE, (const char *[]){ title_of(fleet, &line[i]), line[i].names, line[i].want, line[i].have,
								       line[i].cause });
	putchar('\n');
	table_print(table);
}

static enum status print_tables(const struct baseline *baseline, const struct fleet *fleet)
{
	struct findings *findings = findings_new();
	bool done = findings && findings_take(findings, baseline->report, 0, GABI_WEIGHT_NOTE);
	const struct line *line;
	size_t count;

	if (done) {
		print_head(baseline, fleet);
		line = findings_lines(findings, &count);
		done = line;
		if (line)
			print_conflicts(line, count);
		if (line && count)
			print_costs(fleet, line, count);
	}
	findings_free(findings);
	if (!done)
		complain("out of memory");
	return done ? STATUS_YES : STATUS_REFUSED;
}

static enum status hand_out(const struct args *args, const struct baseline *baseline, const struct fleet *fleet)
{
	const char *output = args->option[OPTION_OUTPUT], *name = args->option[OPTION_NAME];
	enum status status = STATUS_YES;

	if (baseline->contract && name && gabi_contract_set_name(baseline->contract, name)) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	if (baseline->contract && output)
		status = save_contract(args, baseline->contract);
	if (status || (baseline->contract && output && !strcmp(output, "-")))
		return status;
	status = args->option[OPTION_JSON] ? json_report(baseline->report) : print_tables(baseline, fleet);
	return status ? status : baseline->contract ? STATUS_YES : STATUS_NO;
}

enum status run_baseline(const struct args *args)
{
	struct baseline baseline = { 0 };
	struct fleet fleet;
	enum status status = fleet_load(args, args->file, args->files, &fleet);

	if (status)
		return status;
	status = one_arch(&fleet);
	if (!status)
		status = compute(&fleet, &baseline);
	if (!status)
		status = hand_out(args, &baseline, &fleet);
	gabi_contract_free(baseline.contract);
	gabi_report_free(baseline.report);
	fleet_free(&fleet);
	return status;
}
