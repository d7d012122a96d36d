/* SPDX-License-Identifier: MIT */
/* VMCS pages and layouts as operands, and what all of gabi vmcs prints alike. */
#include "vmcs.h"

#include "file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

const char *hex(char *out, size_t cap, uint64_t value, unsigned bytes)
{
	snprintf(out, cap, "0x%0*" PRIx64, (int)(2 * bytes), value);
	return out;
}

const struct gabi_vmcs_field *field_at(unsigned id)
{
	size_t count;

	return &gabi_vmcs_fields(&count)[id];
}

unsigned bytes_of(unsigned id)
{
	struct gabi_vmcs_encoding parts = { 0 };

	gabi_vmcs_decode(field_at(id)->encoding, &parts, NULL);
	return parts.bytes;
}

const char *bit_name(unsigned word, unsigned bit, char *out, size_t cap)
{
	const struct gabi_field *field = gabi_vmcs_control_bit(word, bit);

	if (field)
		return field->name;
	snprintf(out, cap, "bit %u", bit);
	return out;
}

/* ---- operands ---- */

/* The names, as a sentence's end. */
static const char *layout_names(char *out, size_t cap)
{
	size_t count, len = 0;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);

	*out = 0;
	for (size_t i = 0; i < count && len < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "", layout[i].name);
	return out;
}

const struct gabi_vmcs_layout *layout_named(const char *name)
{
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layout_by_name(name);
	char names[512];

	if (!layout && *name >= '0' && *name <= '9')
		layout = gabi_vmcs_layout_of_release(name);
	if (!layout)
		complain("'%s' is no layout: there are %s, and the releases of Linux from 3.1 on", name, layout_names(names, sizeof(names)));
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

/* ---- findings ---- */

bool translation_flags(const struct args *args, unsigned *ret_flags)
{
	const char *bits = args->option[OPTION_HOST_BITS];

	if (bits && strcmp(bits, "32") && strcmp(bits, "64")) {
		complain("--host-bits=%s: a host has 32 or 64", bits);
		return false;
	}
	*ret_flags = bits && !strcmp(bits, "32") ? GABI_VMCS_NARROW_HOST : 0;
	return true;
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
