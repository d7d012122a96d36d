/* SPDX-License-Identifier: MIT */
/* gabi rollback: may a guest go to the new host and come back to the old one? */
#include "findings.h"
#include "json.h"
#include "load.h"

#include <stdio.h>

enum { THERE, BACK }; /* finding.host: which way it stands in */

static void print_head(const struct gabi_report *report, const char *contract, const char *old, const char *new)
{
	static const char *const answers[] = {
		[GABI_FITS] = "always",
		[GABI_FITS_WITH_ACTIONS] = "if what is listed here holds",
		[GABI_UNKNOWN] = "not known",
		[GABI_DOES_NOT_FIT] = "never",
	};
	enum gabi_verdict verdict = gabi_report_verdict(report);
	char text[4 * TITLE_LEN];

	snprintf(text, sizeof(text), "%s: from %s to %s and back: %s", contract, old, new, answers[verdict]);
	print_headline(color_of_verdict(verdict), text);
}

static void add_section(struct table *table, const struct gabi_finding *finding)
{
	char consequence[256], text[384];

	gabi_finding_consequence(finding, consequence, sizeof(consequence));
	snprintf(text, sizeof(text), "%s, %s: %s", finding->host == BACK ? "on the way back" : "on the way there",
		 gabi_finding_text(finding->kind), consequence);
	table_section(table, color_of_weight(finding->weight), text);
}

static void print_lines(const struct line *line, size_t count)
{
	static const struct column columns[] = {
		{ "WHAT", .wraps = true }, { "PROMISED" }, { "HOST HAS" }, { "CAUSE", .wraps = true }, { "REMEDY", .wraps = true },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	for (size_t i = 0; i < count; i++) {
		const struct gabi_finding *finding = line[i].finding;

		if (!i || finding->kind != line[i - 1].finding->kind || finding->host != line[i - 1].finding->host)
			add_section(table, finding);
		table_row(table, color_of_weight(finding->weight),
			  (const char *[]){ line[i].names, line[i].want, line[i].have, line[i].cause, remedy_of(line, i) });
	}
	putchar('\n');
	table_print(table);
}

static enum status print_tables(const struct args *args, const struct gabi_report *report, const char *const titles[3])
{
	struct findings *findings = findings_new();
	unsigned least = args->option[OPTION_ALL] ? GABI_WEIGHT_NOTE : GABI_WEIGHT_ACTION;
	bool done = findings && findings_take(findings, report, 0, least);
	const struct line *line;
	size_t count;

	if (done) {
		print_head(report, titles[0], titles[1], titles[2]);
		line = findings_lines(findings, &count);
		done = line;
		if (line && count)
			print_lines(line, count);
		findings_print_left_out(findings);
	}
	findings_free(findings);
	if (!done)
		complain("out of memory");
	return done ? STATUS_YES : STATUS_REFUSED;
}

static enum status rollback(const struct args *args, const struct gabi_contract *contract, const struct gabi_host *old,
			    const struct gabi_host *new)
{
	char title[3][TITLE_LEN];
	struct gabi_diag diag = { 0 };
	struct gabi_report *report;
	enum status status;

	if (gabi_rollback(contract, old, new, &report, &diag))
		return complain_diag(NULL, &diag);
	contract_title(contract, args->file[0], title[0]);
	host_title(old, args->option[OPTION_OLD], title[1]);
	host_title(new, args->option[OPTION_NEW], title[2]);
	if (args->option[OPTION_JSON])
		status = json_report(report);
	else
		status = print_tables(args, report, (const char *[]){ title[0], title[1], title[2] });
	if (!status && gabi_report_verdict(report) > GABI_FITS_WITH_ACTIONS)
		status = STATUS_NO;
	gabi_report_free(report);
	return status;
}

enum status run_rollback(const struct args *args)
{
	struct gabi_contract *contract = NULL;
	struct gabi_host *old = NULL, *new = NULL;
	enum status status;

	if (!args->option[OPTION_OLD] || !args->option[OPTION_NEW]) {
		complain("rollback: --old and --new must be given: where the guest runs, and where it is to go");
		return STATUS_USAGE;
	}
	status = load_contract(args->file[0], &contract);
	if (!status)
		status = load_host(args, args->option[OPTION_OLD], &old);
	if (!status)
		status = load_host(args, args->option[OPTION_NEW], &new);
	if (!status)
		status = rollback(args, contract, old, new);
	gabi_contract_free(contract);
	gabi_host_free(old);
	gabi_host_free(new);
	return status;
}
