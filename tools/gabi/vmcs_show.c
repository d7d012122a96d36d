/* SPDX-License-Identifier: MIT */
/* gabi vmcs show: a page as an engineer wants to read it. */
#include "vmcs.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct view {
	struct rows *rows;
	const struct gabi_vmcs_layout *layout;
	const uint8_t *page;
	bool shown[GABI_VMCS_COUNT];
	size_t wrong;
};

static bool has(const struct view *view, unsigned id)
{
	return view->layout->offset[id] != 0;
}

static uint64_t value_of(const struct view *view, unsigned id)
{
	uint64_t value = 0;

	gabi_vmcs_get(view->layout, view->page, id, &value);
	return value;
}

static uint64_t get_for_used(const void *ctx, unsigned id)
{
	return value_of(ctx, id);
}

/* The cell of a field, which then is not listed again; NULL where the layout has none. */
static const char *cell(struct view *view, unsigned id, char *out, size_t cap)
{
	if (!has(view, id))
		return NULL;
	view->shown[id] = true;
	return hex(out, cap, value_of(view, id), bytes_of(id));
}

static void show_controls(struct view *view)
{
	static const struct column columns[] = { { "CONTROLS" }, { "VALUE" }, { "SET", .wraps = true } };

	rows_open(view->rows, "controls", NULL, columns, COUNT_OF(columns));
	for (unsigned word = GABI_VMCS_WORD_NONE + 1; word < GABI_VMCS_WORD_COUNT; word++) {
		const struct gabi_vmcs_control *control = gabi_vmcs_control(word);
		char value[24], names[2048] = "", spare[16];
		size_t len = 0;

		if (!has(view, control->id))
			continue;
		for (unsigned bit = 0; bit < control->bits; bit++) {
			bool by_default = bit < 32 && control->default1 >> bit & 1 && !gabi_vmcs_control_bit(word, bit);

			if (!(value_of(view, control->id) >> bit & 1) || by_default)
				continue;
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? " " : "",
						bit_name(word, bit, spare, sizeof(spare)));
		}
		rows_add(view->rows, COLOR_NONE,
			 (const char *[]){ control->name, cell(view, control->id, value, sizeof(value)),
					   gabi_vmcs_used(control->id, get_for_used, view) ? names : "(not in use)" });
	}
	rows_close(view->rows);
}

static void show_segments(struct view *view)
{
	static const struct column columns[] = { { "SEGMENT" },     { "SELECTOR" }, { "BASE" },          { "LIMIT" },
						 { "RIGHTS" },      { "HOST SELECTOR" }, { "HOST BASE" } };
	static const struct {
		const char *name;
		unsigned selector, base, limit, rights, host_selector, host_base; /* GABI_VMCS_COUNT: none */
	} segments[] = {
#define HOST(name) GABI_VMCS_HOST_##name
#define SEGMENT(name, host_selector, host_base)                                                                           \
	{ #name, GABI_VMCS_GUEST_##name##_SELECTOR, GABI_VMCS_GUEST_##name##_BASE, GABI_VMCS_GUEST_##name##_LIMIT,        \
	  GABI_VMCS_GUEST_##name##_AR_BYTES, host_selector, host_base },
		SEGMENT(CS, HOST(CS_SELECTOR), GABI_VMCS_COUNT) SEGMENT(SS, HOST(SS_SELECTOR), GABI_VMCS_COUNT)
			SEGMENT(DS, HOST(DS_SELECTOR), GABI_VMCS_COUNT) SEGMENT(ES, HOST(ES_SELECTOR), GABI_VMCS_COUNT) SEGMENT(
				FS, HOST(FS_SELECTOR), HOST(FS_BASE)) SEGMENT(GS, HOST(GS_SELECTOR), HOST(GS_BASE))
				SEGMENT(LDTR, GABI_VMCS_COUNT, GABI_VMCS_COUNT) SEGMENT(TR, HOST(TR_SELECTOR), HOST(TR_BASE)) {
					"GDTR", GABI_VMCS_COUNT, GABI_VMCS_GUEST_GDTR_BASE, GABI_VMCS_GUEST_GDTR_LIMIT,
					GABI_VMCS_COUNT, GABI_VMCS_COUNT, HOST(GDTR_BASE) },
		{ "IDTR", GABI_VMCS_COUNT, GABI_VMCS_GUEST_IDTR_BASE, GABI_VMCS_GUEST_IDTR_LIMIT, GABI_VMCS_COUNT,
		  GABI_VMCS_COUNT, HOST(IDTR_BASE) },
	};

	rows_open(view->rows, "segments", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < COUNT_OF(segments); i++) {
		const unsigned ids[] = { segments[i].selector, segments[i].base, segments[i].limit, segments[i].rights,
					 segments[i].host_selector, segments[i].host_base };
		char text[6][24];
		const char *cells[7] = { segments[i].name };

		for (size_t k = 0; k < 6; k++)
			cells[k + 1] = ids[k] < GABI_VMCS_COUNT ? cell(view, ids[k], text[k], sizeof(text[k])) : NULL;
		rows_add(view->rows, COLOR_NONE, cells);
	}
	rows_close(view->rows);
}

/* What is left of one type; fields that no processor looks at, and zeroes, only if all are wanted. */
static void show_rest(struct view *view, unsigned type, const char *key, const char *title, bool all)
{
	static const struct column columns[] = {
		{ "FIELD" }, { "VALUE" }, { "OFFSET", .right = true }, { "IN USE" }, { "MEANING", .wraps = true }
	};

	rows_open(view->rows, key, title, columns, COUNT_OF(columns));
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		const struct gabi_vmcs_field *field = field_at(id);
		bool used = gabi_vmcs_used(id, get_for_used, view);
		char value[24], offset[16];

		if (!has(view, id) || view->shown[id] || (field->encoding >> 10 & 3) != type ||
		    (!all && (!used || !value_of(view, id))))
			continue;
		snprintf(offset, sizeof(offset), "%u", view->layout->offset[id]);
		rows_add(view->rows, used ? COLOR_NONE : COLOR_DIM,
			 (const char *[]) { field->name, cell(view, id, value, sizeof(value)), offset, used ? "yes" : "no",
					    field->sdm });
	}
	rows_close(view->rows);
}

static void wrong(struct view *view, const char *rule, unsigned id, size_t offset, uint64_t value, const char *text)
{
	char at[16], number[24];

	snprintf(at, sizeof(at), "%zu", offset);
	rows_add(view->rows, COLOR_BAD,
		 (const char *[]){ rule, id < GABI_VMCS_COUNT ? field_at(id)->name : NULL, at,
				   hex(number, sizeof(number), value, id < GABI_VMCS_COUNT ? bytes_of(id) : 1), text });
	view->wrong++;
}

static void show_wrong(struct view *view)
{
	static const struct column columns[] = {
		{ "RULE" }, { "FIELD" }, { "OFFSET", .right = true }, { "VALUE" }, { "WHAT", .wraps = true }
	};
	struct gabi_nested_target target = { .size = sizeof(target), .release = "7.2" };
	struct gabi_nested_breach breaches[64];
	struct gabi_vmcs_match match;
	size_t total;

	gabi_vmcs_match(view->layout, view->page, &match);
	gabi_nested_breaches(view->layout, view->page, &target, breaches, COUNT_OF(breaches), &total);
	rows_open(view->rows, "wrong", "Reserved bits, and combinations that VM entry refuses", columns, COUNT_OF(columns));
	for (size_t i = 0; i < match.count; i++) {
		const struct gabi_vmcs_evidence *evidence = &match.evidence[i];

		if (gabi_vmcs_evidence_weight(evidence->kind) == GABI_VMCS_AGAINST || evidence->kind == GABI_VMCS_EVIDENCE_TAIL)
			wrong(view, "layout", evidence->id, evidence->offset, evidence->value,
			      gabi_vmcs_evidence_text(evidence->kind));
	}
	for (size_t i = 0; i < total && i < COUNT_OF(breaches); i++)
		wrong(view, gabi_nested_rule_number(breaches[i].rule), breaches[i].id, view->layout->offset[breaches[i].id],
		      breaches[i].value, gabi_nested_rule_text(breaches[i].rule));
	rows_close(view->rows);
}

static void show_clean_fields(struct view *view)
{
	const uint8_t *clean = view->page + GABI_EVMCS_AT_CLEAN_FIELDS;
	unsigned word = clean[0] | (unsigned)clean[1] << 8;
	char text[512] = "";
	size_t len = 0;

	for (unsigned group = 0; group < 16; group++)
		if (!(word >> group & 1))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
						gabi_evmcs_group_text(group));
	rows_text(view->rows, "dirty", "Dirty groups", len ? text : "none");
}

size_t page_show(struct rows *rows, const struct gabi_vmcs_layout *layout, const uint8_t page[GABI_VMCS_PAGE], bool all)
{
	struct view view = { .rows = rows, .layout = layout, .page = page };
	uint32_t word = (uint32_t)page[0] | (uint32_t)page[1] << 8 | (uint32_t)page[2] << 16 | (uint32_t)page[3] << 24;
	char text[128];

	snprintf(text, sizeof(text), "%s (%s)", layout->name, layout->what);
	rows_text(rows, "layout", "Layout", text);
	snprintf(text, sizeof(text), "0x%08" PRIx32 "%s", word & 0x7fffffff, word >> 31 ? ", shadow VMCS" : "");
	rows_text(rows, "revision", "Revision id", text);
	if (layout->launch)
		rows_text(rows, "state", "State", page[layout->launch] ? "launched" : "clear");
	if (layout->family == GABI_VMCS_FAMILY_EVMCS)
		show_clean_fields(&view);
	show_controls(&view);
	show_segments(&view);
	show_rest(&view, GABI_VMCS_GUEST, "guest", "Guest", all);
	show_rest(&view, GABI_VMCS_CONTROL, "control", "Control fields", all);
	show_rest(&view, GABI_VMCS_EXIT_INFO, "exit", "Last exit", all);
	show_rest(&view, GABI_VMCS_HOST, "host", "Host", all);
	show_wrong(&view);
	return view.wrong;
}

/* ---- the subcommand ---- */

enum status vmcs_show(const struct args *args)
{
	uint8_t page[GABI_VMCS_PAGE];
	enum status status = page_read(args->file[0], page);
	const struct gabi_vmcs_layout *layout = status ? NULL : page_layout(args, args->file[0], page, true);
	struct rows rows;
	size_t wrongs;

	if (!layout)
		return status ? status : args->option[OPTION_LAYOUT] ? STATUS_USAGE : STATUS_NO;
	rows_begin(&rows, args->option[OPTION_JSON]);
	if (!args->option[OPTION_LAYOUT])
		possible_show(&rows, page);
	wrongs = page_show(&rows, layout, page, args->option[OPTION_ALL]);
	rows_end(&rows);
	return wrongs ? STATUS_NO : STATUS_YES;
}
