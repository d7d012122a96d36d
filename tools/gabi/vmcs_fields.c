/* SPDX-License-Identifier: MIT */
/* gabi vmcs fields and layouts: the tables themselves. */
#include "vmcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

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

enum status vmcs_fields(const struct args *args)
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

enum status vmcs_layouts(const struct args *args)
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
