/* SPDX-License-Identifier: MIT */
/* gabi vmcs: fields, and pages in any layout. */
#include "vmcs.h"

#include "file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *hex(char *out, size_t cap, uint64_t value, unsigned bytes)
{
	snprintf(out, cap, "0x%0*" PRIx64, (int)(2 * bytes), value);
	return out;
}

static const struct gabi_vmcs_field *field_at(unsigned id)
{
	size_t count;

	return &gabi_vmcs_fields(&count)[id];
}

static unsigned bytes_of(unsigned id)
{
	struct gabi_vmcs_encoding parts = { 0 };

	gabi_vmcs_decode(field_at(id)->encoding, &parts, NULL);
	return parts.bytes;
}

/* "vmx-ept" or, for a bit without a name, "bit 17" */
static const char *bit_name(unsigned word, unsigned bit, char *out, size_t cap)
{
	const struct gabi_field *field = gabi_vmcs_control_bit(word, bit);

	if (field)
		return field->name;
	snprintf(out, cap, "bit %u", bit);
	return out;
}

/* ---- shared with nested ---- */

enum status run_sub(const char *command, const struct subcommand *subs, size_t count, const struct args *args)
{
	struct args rest = *args;
	const char *name = args->file[0];

	rest.file++;
	rest.files--;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(subs[i].name, name))
			continue;
		if (rest.files < subs[i].least || rest.files > subs[i].most) {
			complain("%s %s: too %s operands; usage: gabi %s %s", command, name,
				 rest.files < subs[i].least ? "few" : "many", command, subs[i].usage);
			return STATUS_USAGE;
		}
		return subs[i].run(&rest);
	}
	complain("%s: there is no '%s'; see gabi-%s(1)", command, name, command);
	return STATUS_USAGE;
}

const struct gabi_vmcs_layout *layout_named(const char *name)
{
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layout_by_name(name);

	if (!layout && *name >= '0' && *name <= '9')
		layout = gabi_nested_layout(name);
	if (!layout)
		complain("'%s' is no layout; 'gabi vmcs layouts' lists them", name);
	return layout;
}

enum status page_read(const char *path, uint8_t page[GABI_VMCS_PAGE])
{
	struct text text = { 0 };
	enum status status = file_read(path, &text);

	if (status)
		return status;
	memset(page, 0, GABI_VMCS_PAGE);
	if (text.len < 8 || text.len > GABI_VMCS_PAGE) {
		complain("%s: a VMCS is a page of at most 4096 bytes, this has %zu", path, text.len);
		status = STATUS_INPUT;
	} else {
		memcpy(page, text.at, text.len);
	}
	free(text.at);
	return status;
}

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

bool findings_show(struct rows *rows, const struct gabi_vmcs_finding *findings, size_t count)
{
	static const struct column columns[] = {
		{ "FINDING" }, { "FIELD" }, { "OFFSET", .right = true }, { "VALUE" }, { "MEANING", .wraps = true }
	};
	bool harms = false;

	if (!count)
		return false;
	rows_open(rows, "findings", "Stays behind", columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		const struct gabi_vmcs_finding *finding = &findings[i];
		bool harm = gabi_vmcs_finding_harms(finding->kind);
		char offset[16], value[24];

		snprintf(offset, sizeof(offset), "%u", finding->offset);
		rows_add(rows, harm ? COLOR_BAD : COLOR_CARE,
			 (const char *[]) { gabi_vmcs_finding_text(finding->kind),
					    finding->id < GABI_VMCS_COUNT ? field_at(finding->id)->name : NULL, offset,
					    hex(value, sizeof(value), finding->value,
						finding->id < GABI_VMCS_COUNT ? bytes_of(finding->id) : 1),
					    gabi_vmcs_finding_sentence(finding->kind) });
		harms = harms || harm;
	}
	rows_close(rows);
	return harms;
}

/* ---- explaining a page ---- */

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

/* ---- subcommands ---- */

static bool mentions(const struct gabi_vmcs_field *field, const char *text)
{
	return strcasestr(field->name, text) || strcasestr(field->sdm, text) || strcasestr(field->tlfs, text);
}

static void add_field(struct rows *rows, unsigned id, const struct gabi_vmcs_layout *layout)
{
	const struct gabi_vmcs_field *field = field_at(id);
	char code[16], offset[16] = "", used_if[64] = "", spare[16];
	struct gabi_vmcs_encoding parts = { 0 };

	gabi_vmcs_decode(field->encoding, &parts, NULL);
	snprintf(code, sizeof(code), "0x%04x", field->encoding);
	if (layout)
		snprintf(offset, sizeof(offset), "%u", layout->offset[id]);
	if (field->word)
		snprintf(used_if, sizeof(used_if), "%s", bit_name(field->word, field->bit, spare, sizeof(spare)));
	rows_add(rows, COLOR_NONE,
		 (const char *[]) { code, field->name, gabi_vmcs_width_text(parts.width), gabi_vmcs_type_text(parts.type),
				    offset, used_if, field->tlfs, field->sdm });
}

static void open_fields(struct rows *rows)
{
	static const struct column columns[] = { { "ENCODING" },
						 { "NAME" },
						 { "WIDTH" },
						 { "TYPE" },
						 { "OFFSET", .right = true },
						 { "USED IF" },
						 { "TLFS" },
						 { "SDM", .wraps = true } };

	rows_open(rows, "fields", NULL, columns, COUNT_OF(columns));
}

/* An operand that is a number is an encoding, known or not. */
static enum status show_encoding(const char *text, const char *json)
{
	struct gabi_vmcs_encoding parts;
	struct gabi_diag diag;
	char *end, bits[16];
	unsigned long encoding = strtoul(text, &end, 0);
	const struct gabi_vmcs_field *field;
	struct rows rows;

	if (*end || encoding > UINT32_MAX) {
		complain("vmcs fields: '%s' is no encoding", text);
		return STATUS_USAGE;
	}
	if (gabi_vmcs_decode((uint32_t)encoding, &parts, &diag)) {
		complain("vmcs fields: 0x%lx: %s", encoding, diag.text);
		return STATUS_INPUT;
	}
	field = gabi_vmcs_field_of((uint32_t)encoding);
	snprintf(bits, sizeof(bits), "%s-bit", gabi_vmcs_width_text(parts.width));
	if (!json) {
		printf("0x%04lx: %s, %s, index %u: %s%s\n", encoding, parts.width == GABI_VMCS_NATURAL ? "natural width" : bits,
		       gabi_vmcs_type_text(parts.type), parts.index, field ? field->name : "not a field known here",
		       parts.high ? ", upper 32 bits" : "");
	} else {
		rows_begin(&rows, json);
		open_fields(&rows);
		if (field)
			add_field(&rows, (unsigned)(field - field_at(0)), NULL);
		rows_close(&rows);
		rows_end(&rows);
	}
	return field ? STATUS_YES : STATUS_NO;
}

static enum status vmcs_fields(const struct args *args)
{
	const struct gabi_vmcs_layout *layout = NULL;
	const char *text = args->files ? args->file[0] : "";
	struct rows rows;
	size_t found = 0;

	if (*text >= '0' && *text <= '9')
		return show_encoding(text, args->option[OPTION_JSON]);
	if (args->option[OPTION_LAYOUT]) {
		layout = layout_named(args->option[OPTION_LAYOUT]);
		if (!layout)
			return STATUS_USAGE;
	}
	rows_begin(&rows, args->option[OPTION_JSON]);
	open_fields(&rows);
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		if ((layout && !layout->offset[id]) || !mentions(field_at(id), text))
			continue;
		add_field(&rows, id, layout);
		found++;
	}
	rows_close(&rows);
	rows_end(&rows);
	if (!found)
		complain("vmcs fields: no field%s%s has '%s' in a name", layout ? " of " : "", layout ? layout->name : "", text);
	return found ? STATUS_YES : STATUS_NO;
}

static enum status vmcs_layouts(const struct args *args)
{
	static const struct column columns[] = { { "LAYOUT" }, { "FAMILY" }, { "REVISION" }, { "BYTES", .right = true },
						 { "FIELDS", .right = true }, { "WHAT", .wraps = true } };
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	struct rows rows;

	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_open(&rows, "layouts", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		char revision[16] = "any", bytes[16], fields[16];
		unsigned has_fields = 0;

		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
			has_fields += layout[i].offset[id] != 0;
		if (layout[i].revision)
			snprintf(revision, sizeof(revision), "0x%08" PRIx32, layout[i].revision);
		snprintf(bytes, sizeof(bytes), "%u", layout[i].size);
		snprintf(fields, sizeof(fields), "%u", has_fields);
		rows_add(&rows, COLOR_NONE,
			 (const char *[]) { layout[i].name, gabi_vmcs_family_text(layout[i].family), revision, bytes, fields,
					    layout[i].what });
	}
	rows_close(&rows);
	rows_end(&rows);
	return STATUS_YES;
}

/* Which layouts the page can have, in words; returns how many. */
static size_t show_possible(struct rows *rows, const uint8_t page[GABI_VMCS_PAGE])
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

static enum status vmcs_show(const struct args *args)
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
		show_possible(&rows, page);
	wrongs = page_show(&rows, layout, page, args->option[OPTION_ALL]);
	rows_end(&rows);
	return wrongs ? STATUS_NO : STATUS_YES;
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

static enum status vmcs_identify(const struct args *args)
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
	found = show_possible(&rows, page);
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

#define FINDINGS 512

static enum status vmcs_convert(const struct args *args)
{
	const char *wanted = args->option[OPTION_TO];
	uint8_t page[GABI_VMCS_PAGE], out[GABI_VMCS_PAGE];
	enum status status = page_read(args->file[0], page);
	const struct gabi_vmcs_layout *from = status ? NULL : page_layout(args, args->file[0], page, false), *to;
	struct gabi_vmcs_finding findings[FINDINGS];
	struct gabi_translation *translation;
	struct gabi_diag diag;
	struct rows rows;
	size_t total;

	if (!from)
		return status ? status : args->option[OPTION_LAYOUT] ? STATUS_USAGE : STATUS_NO;
	if (!wanted || !args->option[OPTION_OUTPUT] || !strcmp(args->option[OPTION_OUTPUT], "-")) {
		complain("vmcs convert: --to LAYOUT and --output FILE are needed; the report goes to standard output");
		return STATUS_USAGE;
	}
	to = layout_named(wanted);
	if (!to)
		return STATUS_USAGE;
	if (gabi_translation_new(from, to, GABI_VMCS_SET_ALL, NULL, &translation, &diag))
		return complain_diag(NULL, &diag);
	gabi_translation_check(translation, page, 0, findings, FINDINGS, &total);
	gabi_translation_make(translation, page, out); /* the page that was read keeps its revision id */
	gabi_translation_free(translation);
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_text(&rows, "from", "From", from->name);
	rows_text(&rows, "to", "To", to->name);
	if (findings_show(&rows, findings, total < FINDINGS ? total : FINDINGS))
		status = STATUS_NO;
	rows_end(&rows);
	if (status && !args->option[OPTION_LOSSY]) {
		complain("%s: not written, since something would be lost; --lossy writes it all the same", args->file[0]);
		return status;
	}
	if (file_write(args->option[OPTION_OUTPUT], (const char *)out, sizeof(out)))
		return STATUS_INPUT;
	return status;
}

static enum status vmcs_diff(const struct args *args)
{
	static const struct column columns[] = {
		{ "FIELD" }, { "FIRST" }, { "SECOND" }, { "GROUP" }, { "MEANING", .wraps = true }
	};
	uint8_t page[2][GABI_VMCS_PAGE];
	const struct gabi_vmcs_layout *layout[2];
	struct rows rows;
	size_t differ = 0;
	char name[128];

	for (size_t i = 0; i < 2; i++) {
		enum status status = page_read(args->file[i], page[i]);

		layout[i] = status ? NULL : page_layout(args, args->file[i], page[i], true);
		if (!layout[i])
			return status ? status : args->option[OPTION_LAYOUT] ? STATUS_USAGE : STATUS_NO;
	}
	rows_begin(&rows, args->option[OPTION_JSON]);
	snprintf(name, sizeof(name), "%s and %s", layout[0]->name, layout[1]->name);
	rows_text(&rows, "layouts", "Layouts", name);
	rows_open(&rows, "differences", NULL, columns, COUNT_OF(columns));
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		uint64_t value[2] = { 0 };
		bool there[2];
		char text[2][24];
		int group = gabi_evmcs_group_of(id);

		for (size_t i = 0; i < 2; i++)
			there[i] = !gabi_vmcs_get(layout[i], page[i], id, &value[i]);
		if (value[0] == value[1])
			continue;
		for (size_t i = 0; i < 2; i++)
			hex(text[i], sizeof(text[i]), value[i], bytes_of(id));
		rows_add(&rows, COLOR_NONE,
			 (const char *[]) { field_at(id)->name, there[0] ? text[0] : "(no such field)",
					    there[1] ? text[1] : "(no such field)",
					    group >= 0 ? gabi_evmcs_group_text((unsigned)group) : NULL, field_at(id)->sdm });
		differ++;
	}
	rows_close(&rows);
	rows_end(&rows);
	return differ ? STATUS_NO : STATUS_YES;
}

enum status run_vmcs(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "fields", vmcs_fields, 0, 1, "fields [TEXT|ENCODING]" },
		{ "layouts", vmcs_layouts, 0, 0, "layouts" },
		{ "show", vmcs_show, 1, 1, "show FILE" },
		{ "identify", vmcs_identify, 1, 1, "identify FILE" },
		{ "convert", vmcs_convert, 1, 1, "convert --to LAYOUT --output FILE FILE" },
		{ "diff", vmcs_diff, 2, 2, "diff FILE FILE" },
	};

	return run_sub("vmcs", subs, COUNT_OF(subs), args);
}
