/* SPDX-License-Identifier: MIT */
/* gabi check: does a contract fit these hosts? */
#include "findings.h"
#include "json.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#define LINES_SHOWN 12 /* of the findings of many hosts */

struct check {
	const struct gabi_contract *contract;
	const struct fleet *fleet;
	char title[TITLE_LEN]; /* of the contract */
	struct gabi_report **reports; /* one a distinct host */
};

static enum gabi_verdict worst_of(const struct check *check)
{
	enum gabi_verdict worst = GABI_FITS;

	for (size_t i = 0; i < check->fleet->count; i++)
		if (gabi_report_verdict(check->reports[i]) > worst)
			worst = gabi_report_verdict(check->reports[i]);
	return worst;
}

static void print_one(const struct check *check)
{
	const struct gabi_report *report = check->reports[0];
	char counts[128], text[4 * TITLE_LEN];

	count_findings(report, counts, sizeof(counts));
	snprintf(text, sizeof(text), "%s on %s: %s%s%s", check->title, check->fleet->at[0].title,
		 gabi_verdict_text(gabi_report_verdict(report)), *counts ? ": " : "", counts);
	print_headline(color_of_verdict(gabi_report_verdict(report)), text);
}

/* The heaviest finding's name, and how many more are as heavy. */
static void why_text(const struct gabi_report *report, char *out, size_t cap)
{
	size_t count, more = 0;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);
	char name[160];

	*out = '\0';
	if (!count || finding[0].weight == GABI_WEIGHT_NOTE)
		return;
	while (more + 1 < count && finding[more + 1].weight == finding[0].weight)
		more++;
	gabi_finding_name(&finding[0], name, sizeof(name));
	if (more)
		snprintf(out, cap, "%s: %s and %zu more", gabi_finding_text(finding[0].kind), name, more);
	else
		snprintf(out, cap, "%s: %s", gabi_finding_text(finding[0].kind), name);
}

static void print_hosts(const struct check *check)
{
	static const struct column columns[] = {
		{ "VERDICT" }, { "HOST", .wraps = true }, { "WHY", .wraps = true }, { "FILES", .right = true },
	};
	bool copies = check->fleet->files > check->fleet->count;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns) - !copies);

	for (size_t i = 0; i < check->fleet->count; i++) {
		const struct fleet_host *host = &check->fleet->at[i];
		unsigned verdict = gabi_report_verdict(check->reports[i]);
		char files[24], why[256];

		snprintf(files, sizeof(files), "%zu", host->files);
		why_text(check->reports[i], why, sizeof(why));
		table_row(table, color_of_verdict(verdict),
			  (const char *[]){ gabi_verdict_text(verdict), host->title, why, files });
	}
	table_print(table);
}

static void print_many(const struct check *check)
{
	size_t fit = 0;
	char text[2 * TITLE_LEN];

	for (size_t i = 0; i < check->fleet->count; i++)
		if (gabi_report_verdict(check->reports[i]) <= GABI_FITS_WITH_ACTIONS)
			fit += check->fleet->at[i].files;
	snprintf(text, sizeof(text), "%s: fits %zu of %zu hosts", check->title, fit, check->fleet->files);
	print_headline(color_of_verdict(worst_of(check)), text);
	putchar('\n');
	print_hosts(check);
}

/* "all", the only host's name, or how many. */
static void hosts_text(const struct check *check, const struct line *line, char *out, size_t cap)
{
	if (line->host_count == check->fleet->count)
		snprintf(out, cap, "all");
	else if (line->host_count == 1)
		snprintf(out, cap, "%s", check->fleet->at[line->hosts[0]].title);
	else
		snprintf(out, cap, "%zu of %zu", line->host_count, check->fleet->count);
}

static void add_line(struct table *table, const struct check *check, const struct line *lines, size_t at)
{
	const struct line *line = &lines[at];
	char hosts[TITLE_LEN];
	const char *cells[] = { line->names, line->want, line->have, line->cause, remedy_of(lines, at), hosts };

	hosts_text(check, line, hosts, sizeof(hosts));
	table_row(table, color_of_weight(line->finding->weight), cells);
}

static void add_kind(struct table *table, const struct gabi_finding *finding)
{
	char consequence[256], text[320];

	gabi_finding_consequence(finding, consequence, sizeof(consequence));
	snprintf(text, sizeof(text), "%s: %s", gabi_finding_text(finding->kind), consequence);
	table_section(table, color_of_weight(finding->weight), text);
}

/* How many lines to show of `count`: all of one host, the first of many. */
static size_t lines_shown(const struct check *check, size_t count, bool all)
{
	return all || check->fleet->count == 1 || count <= LINES_SHOWN ? count : LINES_SHOWN;
}

static bool print_findings(const struct check *check, struct findings *findings, bool all)
{
	static const struct column columns[] = {
		{ "WHAT", .wraps = true }, { "PROMISED" }, { "HOST HAS" }, { "CAUSE", .wraps = true }, { "REMEDY", .wraps = true },
		{ "HOSTS", .wraps = true },
	};
	bool many = check->fleet->count > 1;
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns) - !many);
	unsigned kind = GABI_FINDING_NONE;
	size_t count = 0, shown;
	const struct line *line = findings_lines(findings, &count);

	shown = lines_shown(check, count, all);
	for (size_t i = 0; i < shown; i++) {
		if (line[i].finding->kind != kind)
			add_kind(table, line[i].finding);
		kind = line[i].finding->kind;
		add_line(table, check, line, i);
	}
	if (count)
		putchar('\n');
	table_print(table);
	if (shown < count)
		printf("\n%zu more lines like these; --all shows them.\n", count - shown);
	else
		findings_print_left_out(findings);
	return line;
}

static enum status print_tables(const struct check *check, bool all)
{
	struct findings *findings = findings_new();
	bool many = check->fleet->files > 1, done = findings;
	unsigned least = all ? GABI_WEIGHT_NOTE : check->fleet->count > 1 ? GABI_WEIGHT_UNKNOWN : GABI_WEIGHT_ACTION;

	for (size_t i = 0; done && i < check->fleet->count; i++)
		done = findings_take(findings, check->reports[i], i, least);
	if (done) {
		if (many)
			print_many(check);
		else
			print_one(check);
		done = print_findings(check, findings, all);
	}
	findings_free(findings);
	if (!done)
		complain("out of memory");
	return done ? STATUS_YES : STATUS_REFUSED;
}

enum status print_verdict(const char *contract, const char *host, struct gabi_report *report)
{
	struct fleet_host at = { .files = 1 };
	const struct fleet fleet = { .at = &at, .count = 1, .files = 1 };
	struct check check = { .fleet = &fleet, .reports = &report };

	snprintf(check.title, sizeof(check.title), "%s", contract);
	snprintf(at.title, sizeof(at.title), "%s", host);
	return print_tables(&check, false);
}

static enum status check_all(struct check *check)
{
	struct gabi_diag diag = { 0 };

	for (size_t i = 0; i < check->fleet->count; i++)
		if (gabi_check(check->contract, check->fleet->at[i].host, &check->reports[i], &diag))
			return complain_diag(check->fleet->at[i].path, &diag);
	return STATUS_YES;
}

static enum status check_fleet(const struct args *args, const struct gabi_contract *contract, const struct fleet *fleet)
{
	struct check check = { .contract = contract, .fleet = fleet };
	enum status status;

	check.reports = calloc(fleet->count, sizeof(struct gabi_report *));
	if (!check.reports) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	contract_title(contract, args->file[0], check.title);
	status = check_all(&check);
	if (!status)
		status = args->option[OPTION_JSON] ? json_reports(fleet, check.reports) :
						      print_tables(&check, args->option[OPTION_ALL]);
	if (!status)
		status = worst_of(&check) <= GABI_FITS_WITH_ACTIONS ? STATUS_YES : STATUS_NO;
	for (size_t i = 0; i < fleet->count; i++)
		gabi_report_free(check.reports[i]);
	free(check.reports);
	return status;
}

enum status run_check(const struct args *args)
{
	struct gabi_contract *contract;
	struct fleet fleet;
	enum status status = load_contract(args->file[0], &contract);

	if (status)
		return status;
	status = fleet_load(args, args->file + 1, args->files - 1, &fleet);
	if (!status) {
		status = check_fleet(args, contract, &fleet);
		fleet_free(&fleet);
	}
	gabi_contract_free(contract);
	return status;
}
