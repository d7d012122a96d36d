/* SPDX-License-Identifier: MIT */
#include "findings.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 24 /* of a line; the others are counted */

/* One finding and the hosts that have it. */
struct item {
	struct gabi_finding finding;
	char *param; /* finding.param, which a host would take with it */
	uint32_t *hosts;
	size_t host_count, host_cap;
	size_t order; /* the how-manieth it was */
	char name[160];
	struct line line; /* its own line, before it is joined with others */
};

struct findings {
	void *tree; /* of items */
	struct item **items;
	size_t item_count;
	struct line *lines;
	size_t line_count, left_out;
};

#define COMPARE(a, b)                              \
	do {                                       \
		if ((a) != (b))                    \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Zero for what is the same finding on another host. */
static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	const struct gabi_finding *f = &x->finding, *g = &y->finding;
	int order = gabi_key_compare(&f->key, &g->key);

	if (order)
		return order;
	COMPARE(f->lo, g->lo);
	COMPARE(f->bits, g->bits);
	COMPARE(f->kind, g->kind);
	COMPARE(f->weight, g->weight);
	COMPARE(f->cause, g->cause);
	COMPARE(f->effect, g->effect);
	COMPARE(f->vp, g->vp);
	COMPARE(f->has_want, g->has_want);
	COMPARE(f->has_have, g->has_have);
	COMPARE(f->want, g->want);
	COMPARE(f->have, g->have);
	COMPARE((uintptr_t)f->change, (uintptr_t)g->change);
	return compare_text(f->param, g->param);
}

static void item_free(void *node)
{
	struct item *item = node;

	free(item->param);
	free(item->hosts);
	free(item->line.remedy);
	free(item);
}

struct findings *findings_new(void)
{
	return calloc(1, sizeof(struct findings));
}

void findings_free(struct findings *findings)
{
	if (!findings)
		return;
	for (size_t i = 0; i < findings->line_count; i++) {
		free(findings->lines[i].names);
		free(findings->lines[i].remedy);
	}
	free(findings->lines);
	free(findings->items);
	tdestroy(findings->tree, item_free);
	free(findings);
}

static bool item_add_host(struct item *item, size_t host)
{
	size_t cap = item->host_cap ? 2 * item->host_cap : 2;
	uint32_t *hosts;

	if (item->host_count && item->hosts[item->host_count - 1] == host)
		return true;
	if (item->host_count == item->host_cap) {
		hosts = realloc(item->hosts, cap * sizeof(*hosts));
		if (!hosts)
			return false;
		item->hosts = hosts;
		item->host_cap = cap;
	}
	item->hosts[item->host_count++] = (uint32_t)host;
	return true;
}

static struct item *item_new(const struct gabi_finding *finding, size_t order)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	item->finding = *finding;
	item->order = order;
	if (finding->param) {
		item->param = strdup(finding->param);
		if (!item->param) {
			free(item);
			return NULL;
		}
		item->finding.param = item->param;
	}
	return item;
}

static bool take_one(struct findings *findings, const struct gabi_finding *finding, size_t host)
{
	struct item wanted, **found;

	wanted.finding = *finding;
	found = tfind(&wanted, &findings->tree, compare_items);
	if (!found) {
		struct item *item = item_new(finding, findings->item_count);

		found = item ? tsearch(item, &findings->tree, compare_items) : NULL;
		if (!found) {
			if (item)
				item_free(item);
			return false;
		}
		findings->item_count++;
	}
	return item_add_host(*found, host);
}

bool findings_take(struct findings *findings, const struct gabi_report *report, size_t host, unsigned least_weight)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	for (size_t i = 0; i < count; i++) {
		if (finding[i].weight < least_weight)
			findings->left_out++;
		else if (!take_one(findings, &finding[i], host))
			return false;
	}
	return true;
}

void findings_print_left_out(const struct findings *findings)
{
	if (findings->left_out)
		printf("\n%zu more %s less; --all shows %s.\n", findings->left_out, findings->left_out > 1 ? "weigh" : "weighs",
		       findings->left_out > 1 ? "them" : "it");
}

/* ---- joining ---- */

static void cause_text(const struct gabi_finding *finding, char *out, size_t cap)
{
	if (finding->param)
		snprintf(out, cap, "%s", finding->param);
	else
		snprintf(out, cap, "%s%s%s", gabi_cause_text(finding->cause), finding->change ? ": " : "",
			 finding->change ? finding->change->id : "");
}

/* What stands for the names of several in a remedy: "without them", "write each=0x0", "drop each if it is 0x0". */
static const char *pronoun(const char *after_name)
{
	return *after_name == '=' || !strncmp(after_name, " if it", 6) ? "each" : "them";
}

/* The remedy, so that it can be said of several. */
static char *remedy_text(const struct gabi_finding *finding, const char *name, bool of_several)
{
	char text[512];
	const char *at;
	char *out;
	size_t room = sizeof(text) + sizeof("them");

	gabi_finding_remedy(finding, text, sizeof(text));
	at = of_several && *name ? strstr(text, name) : NULL;
	if (!at)
		return strdup(text);
	out = malloc(room);
	if (out)
		snprintf(out, room, "%.*s%s%s", (int)(at - text), text, pronoun(at + strlen(name)), at + strlen(name));
	return out;
}

static bool describe(struct item *item)
{
	const struct gabi_finding *finding = &item->finding;
	struct line *line = &item->line;
	size_t len = gabi_finding_name(finding, item->name, sizeof(item->name));

	if (finding->vp != GABI_VP_ALL && len < sizeof(item->name))
		snprintf(item->name + len, sizeof(item->name) - len, " on VP %u", finding->vp);
	gabi_finding_values(finding, 0, line->want, sizeof(line->want));
	gabi_finding_values(finding, 1, line->have, sizeof(line->have));
	cause_text(finding, line->cause, sizeof(line->cause));
	*line->topic = '\0';
	gabi_finding_topic(finding, line->topic, sizeof(line->topic));
	line->remedy = remedy_text(finding, item->name, true);
	return line->remedy;
}

/* Zero for what goes into one line. */
static int compare_for_line(const struct item *x, const struct item *y)
{
	const struct gabi_finding *f = &x->finding, *g = &y->finding;
	int order;

	COMPARE(g->weight, f->weight);
	COMPARE(f->kind, g->kind);
	COMPARE(f->effect, g->effect);
	COMPARE(f->host, g->host);
	COMPARE((uintptr_t)f->change, (uintptr_t)g->change);
	if ((order = strcmp(x->line.cause, y->line.cause)) || (order = strcmp(x->line.want, y->line.want)) ||
	    (order = strcmp(x->line.have, y->line.have)) || (order = strcmp(x->line.topic, y->line.topic)) || (order = strcmp(x->line.remedy, y->line.remedy)))
		return order;
	COMPARE(x->host_count, y->host_count);
	return memcmp(x->hosts, y->hosts, x->host_count * sizeof(*x->hosts));
}

static int sort_for_lines(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
	int order = compare_for_line(x, y);

	if (order)
		return order;
	COMPARE(x->order, y->order);
	return 0;
}

static int sort_lines(const void *a, const void *b)
{
	const struct gabi_finding *f = ((const struct line *)a)->finding, *g = ((const struct line *)b)->finding;

	COMPARE(g->effect, f->effect);
	COMPARE(g->weight, f->weight);
	COMPARE(f->host, g->host);
	COMPARE(f->kind, g->kind);
	return compare_items(f, g); /* a finding is the first member of its item */
}

/* Is it the same register as the one before, another 64 bits of it? */
static bool goes_on(struct item *const *items, size_t at)
{
	return at && !strcmp(items[at - 1]->name, items[at]->name);
}

static bool join_names(struct item *const *items, size_t count, struct line *line)
{
	size_t names = 0, limit, shown = 0, len = 0;
	FILE *out = open_memstream(&line->names, &len);

	if (!out)
		return false;
	if (*line->topic)
		fprintf(out, "%s ", line->topic);
	for (size_t i = 0; i < count; i++)
		names += !goes_on(items, i);
	limit = names > NAMES_SHOWN + 4 ? NAMES_SHOWN : names;
	for (size_t i = 0; i < count && shown < limit; i++)
		if (!goes_on(items, i))
			fprintf(out, "%s%s", shown++ ? " " : "", items[i]->name);
	if (shown < names)
		fprintf(out, " and %zu more", names - shown);
	line->name_count = names;
	return fclose(out) == 0;
}

static bool join(struct item *const *items, size_t count, struct line *line)
{
	*line = items[0]->line;
	line->finding = &items[0]->finding;
	line->hosts = items[0]->hosts;
	line->host_count = items[0]->host_count;
	line->remedy = NULL; /* so far that of its first item */
	if (!join_names(items, count, line))
		return false;
	line->remedy = remedy_text(line->finding, items[0]->name, line->name_count > 1);
	return line->remedy;
}

static void collect(const void *node, VISIT visit, void *closure)
{
	struct findings *findings = closure;

	if (visit == postorder || visit == leaf)
		findings->items[findings->item_count++] = *(struct item *const *)node;
}

static bool make_lines(struct findings *findings)
{
	size_t count = findings->item_count;

	findings->items = calloc(count + 1, sizeof(struct item *));
	findings->lines = calloc(count + 1, sizeof(*findings->lines));
	if (!findings->items || !findings->lines)
		return false;
	findings->item_count = 0;
	twalk_r(findings->tree, collect, findings);
	for (size_t i = 0; i < count; i++)
		if (!describe(findings->items[i]))
			return false;
	qsort(findings->items, count, sizeof(struct item *), sort_for_lines);
	for (size_t from = 0, to; from < count; from = to) {
		for (to = from + 1; to < count && !compare_for_line(findings->items[from], findings->items[to]);)
			to++;
		if (!join(findings->items + from, to - from, &findings->lines[findings->line_count++]))
			return false;
	}
	qsort(findings->lines, findings->line_count, sizeof(*findings->lines), sort_lines);
	return true;
}

const struct line *findings_lines(struct findings *findings, size_t *ret_count)
{
	if (!findings->lines && !make_lines(findings))
		return NULL;
	*ret_count = findings->line_count;
	return findings->lines;
}

/* ---- words ---- */

const char *remedy_of(const struct line *lines, size_t at)
{
	const struct line *line = &lines[at], *above = at ? line - 1 : NULL;
	bool same = above && above->finding->kind == line->finding->kind && above->finding->host == line->finding->host &&
		    !strcmp(above->remedy, line->remedy);

	return same && strlen(line->remedy) > strlen("the same") ? "the same" : line->remedy;
}

/* Is it a further part of the register that the finding before it is about? */
static bool is_further_part(const struct gabi_finding *finding, size_t at)
{
	const struct gabi_key *key = &finding[at].key, *before = at ? &finding[at - 1].key : NULL;

	return before && !finding[at].field && key->part == before->part + 1 && key->space == before->space &&
	       key->index == before->index && finding[at].kind == finding[at - 1].kind && finding[at].host == finding[at - 1].host &&
	       (key->space == GABI_SPACE_ARM64 || key->space == GABI_SPACE_ARM64_STATE);
}

void count_findings(const struct gabi_report *report, char *out, size_t cap)
{
	static const char *const texts[] = { "worth knowing", "answered by the plan", "unknown", "blocking" };
	size_t count, of_weight[4] = { 0 }, len = 0;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	for (size_t i = 0; i < count; i++)
		of_weight[finding[i].weight & 3] += !is_further_part(finding, i);
	*out = '\0';
	for (int weight = GABI_WEIGHT_BLOCK; weight >= GABI_WEIGHT_NOTE && len < cap; weight--)
		if (of_weight[weight])
			len += (size_t)snprintf(out + len, cap - len, "%s%zu %s", len ? ", " : "", of_weight[weight],
						texts[weight]);
}

enum color color_of_weight(unsigned weight)
{
	static const enum color colors[] = { COLOR_DIM, COLOR_GOOD, COLOR_CARE, COLOR_BAD };

	return colors[weight & 3];
}

enum color color_of_verdict(unsigned verdict)
{
	static const enum color colors[] = { COLOR_GOOD, COLOR_GOOD, COLOR_CARE, COLOR_BAD };

	return colors[verdict & 3];
}
