/* SPDX-License-Identifier: MIT */
/* gabi vmcs: its subcommands, and those that take a page to another layout or compare two. */
#include "vmcs.h"

#include "file.h"

#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

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
	unsigned flags;
	size_t total;

	if (!from)
		return status ? status : args->option[OPTION_LAYOUT] ? STATUS_USAGE : STATUS_NO;
	if (!wanted || !args->option[OPTION_OUTPUT] || !strcmp(args->option[OPTION_OUTPUT], "-")) {
		complain("vmcs convert: --to LAYOUT and --output FILE are needed; the report goes to standard output");
		return STATUS_USAGE;
	}
	to = translation_flags(args, &flags) ? layout_named(wanted) : NULL;
	if (!to)
		return STATUS_USAGE;
	if (gabi_translation_new(from, to, GABI_VMCS_SET_ALL, NULL, &translation, &diag))
		return complain_diag(NULL, &diag);
	gabi_translation_check(translation, page, flags, findings, FINDINGS, &total);
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
