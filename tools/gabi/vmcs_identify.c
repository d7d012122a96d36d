/* SPDX-License-Identifier: MIT */
/* gabi vmcs identify: which layouts a page can have, and the one that it is read as. */
#include "vmcs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* How well a page fits a layout: less than 0 if it cannot have it, and out of the question with another revision id. */
static int fitness(const struct gabi_vmcs_layout *layout, const uint8_t page[GABI_VMCS_PAGE])
{
	struct gabi_vmcs_match match;
	int against = 0;

	gabi_vmcs_match(layout, page, &match);
	if (!layout->revision || match.evidence[0].kind == GABI_VMCS_EVIDENCE_OTHER_REVISION)
		return INT_MIN;
	for (size_t i = 0; i < match.count; i++)
		against += gabi_vmcs_evidence_weight(match.evidence[i].kind) == GABI_VMCS_AGAINST;
	return against ? -against : match.fors;
}

const struct gabi_vmcs_layout *page_layout(const struct args *args, const char *path, const uint8_t page[GABI_VMCS_PAGE],
					   bool guess)
{
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count), *best = NULL;
	int most = guess ? INT_MIN + 1 : 0;

	if (args->option[OPTION_LAYOUT])
		return layout_named(args->option[OPTION_LAYOUT]);
	for (size_t i = 0; i < count; i++) {
		int fit = fitness(&layout[i], page);

		if (fit < most)
			continue;
		best = &layout[i];
		most = fit;
	}
	if (!best)
		complain("%s: no known layout fits; 'gabi vmcs identify' says why, --layout reads it as one all the same",
			 path);
	return best;
}

size_t possible_show(struct rows *rows, const uint8_t page[GABI_VMCS_PAGE])
{
	size_t count, found = 0;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	char names[512] = "";

	for (size_t i = 0; i < count; i++) {
		struct gabi_vmcs_match match;

		gabi_vmcs_match(&layout[i], page, &match);
		if (match.possible && layout[i].revision)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", found++ ? " " : "",
				 layout[i].name);
	}
	rows_text(rows, "possible", "Can be", found ? names : "none that is known");
	return found;
}

static void show_evidence(struct rows *rows, const struct gabi_vmcs_layout *layout, const struct gabi_vmcs_match *match,
			  bool all)
{
	static const char *const weights[] = {
		[GABI_VMCS_NOTE] = "note", [GABI_VMCS_FOR] = "for", [GABI_VMCS_AGAINST] = "against"
	};

	for (size_t i = 0; i < match->count; i++) {
		const struct gabi_vmcs_evidence *evidence = &match->evidence[i];
		unsigned weight = gabi_vmcs_evidence_weight(evidence->kind);
		char offset[16], value[24];

		/* Of what is ruled out, the reasons are enough. */
		if (!all && !match->possible && weight != GABI_VMCS_AGAINST)
			continue;
		snprintf(offset, sizeof(offset), "%u", evidence->offset);
		rows_add(rows,
			 weight == GABI_VMCS_AGAINST ? COLOR_BAD
			 : weight == GABI_VMCS_FOR   ? COLOR_GOOD
						     : COLOR_DIM,
			 (const char *[]) { layout->name, match->possible ? "yes" : "no", weights[weight],
					    evidence->id < GABI_VMCS_COUNT ? field_at(evidence->id)->name : NULL, offset,
					    hex(value, sizeof(value), evidence->value,
						evidence->id < GABI_VMCS_COUNT ? bytes_of(evidence->id)
						: evidence->offset             ? 1
									       : 4),
					    gabi_vmcs_evidence_text(evidence->kind) });
	}
}

/* Without --all, layouts of another revision id are left out. */
static bool is_listed(const struct gabi_vmcs_match *match, bool all)
{
	return all || match->evidence[0].kind != GABI_VMCS_EVIDENCE_OTHER_REVISION;
}

enum status vmcs_identify(const struct args *args)
{
	static const struct column columns[] = {
		{ "LAYOUT" }, { "POSSIBLE" },           { "EVIDENCE" }, { "FIELD" }, { "OFFSET", .right = true },
		{ "VALUE" },  { "WHAT", .wraps = true }
	};
	uint8_t page[GABI_VMCS_PAGE];
	enum status status = page_read(args->file[0], page);
	size_t count, found;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	bool all = args->option[OPTION_ALL];
	struct rows rows;

	if (status)
		return status;
	rows_begin(&rows, args->option[OPTION_JSON]);
	found = possible_show(&rows, page);
	rows_open(&rows, "evidence", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		struct gabi_vmcs_match match;

		gabi_vmcs_match(&layout[i], page, &match);
		if (is_listed(&match, all))
			show_evidence(&rows, &layout[i], &match, all);
	}
	rows_close(&rows);
	rows_end(&rows);
	return found ? STATUS_YES : STATUS_NO;
}
