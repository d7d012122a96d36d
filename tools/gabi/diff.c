/* SPDX-License-Identifier: MIT */
/* gabi diff: what a change of host, kernel or microcode means to the guests of the first host. */
#include "findings.h"
#include "json.h"
#include "load.h"

#include <stdio.h>
#include <string.h>

#define MAX_CHANGES 64 /* rows of data/changes that one diff cites */

struct cited {
	const struct gabi_change *change[MAX_CHANGES];
	size_t count;
};

static const char *const meaning[] = {
	[GABI_EFFECT_SAFE] = "no guest sees it, or the VMM hides it without being told",
	[GABI_EFFECT_ONE_WAY] = "a guest that is given what is new cannot come back",
	[GABI_EFFECT_IF_UNUSED] = "a guest may move while this state holds its reset value",
	[GABI_EFFECT_NEEDS_PIN] = "guests see it unless a contract is carried out",
	[GABI_EFFECT_BLOCKING] = "a guest that was given it on the first cannot run on the second",
	[GABI_EFFECT_UNKNOWN] = "one of the manifests does not say",
};

static enum color color_of(unsigned effect)
{
	switch (effect) {
	case GABI_EFFECT_BLOCKING:
		return COLOR_BAD;
	case GABI_EFFECT_SAFE:
		return COLOR_GOOD;
	default:
		return COLOR_CARE;
	}
}

static void print_head(const struct gabi_report *report, const char *from, const char *to)
{
	size_t count, of_effect[GABI_EFFECT_UNKNOWN + 1] = { 0 };
	const struct gabi_finding *finding = gabi_report_findings(report, &count);
	char text[2 * TITLE_LEN + 160];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s -> %s: ", from, to);
	bool first = true;

	for (size_t i = 0; i < count; i++)
		if (finding[i].effect <= GABI_EFFECT_UNKNOWN)
			of_effect[finding[i].effect]++;
	for (int effect = GABI_EFFECT_UNKNOWN; effect > GABI_EFFECT_NONE; effect--) {
		if (!of_effect[effect])
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%zu %s", first ? "" : ", ", of_effect[effect],
					gabi_effect_text((unsigned)effect));
		first = false;
	}
	if (first)
		snprintf(text + len, sizeof(text) - len, "no guest sees a difference");
	print_headline(color_of_verdict(gabi_report_verdict(report)), text);
}

static void cite(struct cited *cited, const struct gabi_change *change)
{
	for (size_t i = 0; i < cited->count; i++)
		if (cited->change[i] == change)
			return;
	if (change && cited->count < MAX_CHANGES)
		cited->change[cited->count++] = change;
}

/* Where each row was read is left out, unless `all` is wanted. */
static void print_cited(const struct cited *cited, bool all)
{
	static const struct column columns[] = {
		{ "CHANGE" }, { "SINCE LINUX" }, { "WHAT IT DOES", .wraps = true }, { "SOURCE", .wraps = true },
	};
	struct table *table;

	if (!cited->count)
		return;
	putchar('\n');
	table = table_new(columns, sizeof(columns) / sizeof(*columns) - !all);
	for (size_t i = 0; i < cited->count; i++) {
		const struct gabi_change *change = cited->change[i];

		table_row(table, COLOR_NONE, (const char *[]){ change->id, change->release, change->what, change->source });
	}
	table_print(table);
}

static void add_section(struct table *table, unsigned effect)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", gabi_effect_text(effect),
		 effect <= GABI_EFFECT_UNKNOWN && meaning[effect] ? meaning[effect] : "");
	table_section(table, color_of(effect), text);
}

/* Without `all`, what is safe is only counted. */
static void print_lines(const struct line *line, size_t count, bool all)
{
	static const struct column columns[] = {
		{ "WHAT", .wraps = true }, { "BEFORE" }, { "AFTER" }, { "CAUSE", .wraps = true },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	struct cited cited = { .count = 0 };
	size_t safe = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned own = line[i].finding->effect;

		if (own == GABI_EFFECT_SAFE && !all) {
			safe += line[i].name_count;
			continue;
		}
		if (!i || own != line[i - 1].finding->effect)
			add_section(table, own);
		table_row(table, color_of(own), (const char *[]){ line[i].names, line[i].want, line[i].have, line[i].cause });
		cite(&cited, line[i].finding->change);
	}
	putchar('\n');
	table_print(table);
	if (safe)
		printf("\n%zu more %s safe; --all shows %s.\n", safe, safe > 1 ? "are" : "is", safe > 1 ? "them" : "it");
	print_cited(&cited, all);
}

static enum status print_tables(const struct gabi_report *report, const char *from, const char *to, bool all)
{
	struct findings *findings = findings_new();
	bool done = findings && findings_take(findings, report, 0, GABI_WEIGHT_NOTE);
	const struct line *line;
	size_t count;

	if (done) {
		print_head(report, from, to);
		line = findings_lines(findings, &count);
		done = line;
		if (line && count)
			print_lines(line, count, all);
	}
	findings_free(findings);
	if (!done)
		complain("out of memory");
	return done ? STATUS_YES : STATUS_REFUSED;
}

static enum status diff(const struct args *args, const struct gabi_host *from, const struct gabi_host *to)
{
	char from_title[TITLE_LEN], to_title[TITLE_LEN];
	struct gabi_diag diag = { 0 };
	struct gabi_report *report;
	enum status status;

	if (gabi_diff(from, to, &report, &diag))
		return complain_diag(args->file[1], &diag);
	host_title(from, args->file[0], from_title);
	host_title(to, args->file[1], to_title);
	if (args->option[OPTION_JSON])
		status = json_report(report);
	else
		status = print_tables(report, from_title, to_title, args->option[OPTION_ALL]);
	if (!status && gabi_report_verdict(report) != GABI_FITS)
		status = STATUS_NO;
	gabi_report_free(report);
	return status;
}

enum status run_diff(const struct args *args)
{
	struct gabi_host *from, *to;
	enum status status = load_host(args, args->file[0], &from);

	if (status)
		return status;
	status = load_host(args, args->file[1], &to);
	if (!status) {
		status = diff(args, from, to);
		gabi_host_free(to);
	}
	gabi_host_free(from);
	return status;
}
