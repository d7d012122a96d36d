/* SPDX-License-Identifier: MIT */
/* gabi emit: a contract, or what a host offers, in the words of other tools. */
#include "load.h"
#include "rows.h"
#include "save.h"

#include "file.h"

#include <gabi/emit.h>
#include <gabi/vocab.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* "qemu, firecracker" */
static void print_formats(FILE *out)
{
	size_t count;
	const struct gabi_emit_info *info = gabi_emit_formats(&count);

	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i ? ", " : "", info[i].text);
}

static enum status no_format(const char *text)
{
	char *formats = NULL;
	size_t len;
	FILE *out = open_memstream(&formats, &len);

	if (out) {
		print_formats(out);
		fclose(out);
	}
	if (text)
		complain("emit: '%s' is no format; there are %s", text, formats ? formats : "others");
	else
		complain("emit: --as says what to write: %s", formats ? formats : "a format");
	free(formats);
	return STATUS_USAGE;
}

/* With a hyphen as well as with an underscore. */
static bool is_called(const char *name, const char *text)
{
	for (; *name && (*name == *text || (*name == '_' && *text == '-')); name++)
		text++;
	return !*name && !*text;
}

static const struct gabi_emit_info *format_of(const char *text)
{
	size_t count;
	const struct gabi_emit_info *info = gabi_emit_formats(&count);

	for (size_t i = 0; text && i < count; i++)
		if (is_called(info[i].text, text))
			return &info[i];
	return NULL;
}

static enum status list_formats(void)
{
	size_t count;
	const struct gabi_emit_info *info = gabi_emit_formats(&count);

	for (size_t i = 0; i < count; i++)
		printf("%s\n", info[i].text);
	return STATUS_YES;
}

/* ---- gaps ---- */

static const char *name_of(const struct gabi_emit_gap *gap, char *out, size_t cap)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(&gap->key, &count);

	for (size_t i = 0; i < count; i++)
		if (gap->bits >> field[i].lo & 1 || gap->bits == 0) {
			gabi_field_print(&field[i], &gap->key, out, cap);
			return out;
		}
	gabi_key_print(&gap->key, out, cap);
	return out;
}

/* One line a gap on standard error, so that the text alone is what is redirected. */
static void complain_gaps(const struct gabi_emission *emission)
{
	size_t count;
	const struct gabi_emit_gap *gap = gabi_emission_gaps(emission, &count);

	for (size_t i = 0; i < count; i++) {
		char name[96], key[64];

		gabi_key_print(&gap[i].key, key, sizeof(key));
		complain("not expressed: %s (%s): promised 0x%" PRIx64 ", given 0x%" PRIx64 ": %s",
			 name_of(&gap[i], name, sizeof(name)), key, gap[i].promised, gap[i].given, gap[i].why);
	}
}

static void print_gaps(struct rows *rows, const struct gabi_emission *emission)
{
	static const struct column columns[] = { { "NAME" },     { "WORD" },  { "BITS" },
						 { "PROMISED" }, { "GIVEN" }, { "WHY", .wraps = true } };
	size_t count;
	const struct gabi_emit_gap *gap = gabi_emission_gaps(emission, &count);

	rows_open(rows, "gaps", "Gaps", columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < count; i++) {
		char name[96], key[64], bits[24], promised[24], given[24];

		gabi_key_print(&gap[i].key, key, sizeof(key));
		snprintf(bits, sizeof(bits), "0x%" PRIx64, gap[i].bits);
		snprintf(promised, sizeof(promised), "0x%" PRIx64, gap[i].promised);
		snprintf(given, sizeof(given), "0x%" PRIx64, gap[i].given);
		rows_add(rows, COLOR_NONE,
			 (const char *[]){ name_of(&gap[i], name, sizeof(name)), key, bits, promised, given, gap[i].why });
	}
	rows_close(rows);
}

static void print_notes(struct rows *rows, const struct gabi_emission *emission)
{
	static const struct column columns[] = { { "NOTE", .wraps = true } };

	rows_open(rows, "notes", "Notes", columns, 1);
	for (size_t i = 0; i < gabi_emission_note_count(emission); i++)
		rows_add(rows, COLOR_NONE, (const char *[]){ gabi_emission_note(emission, i) });
	rows_close(rows);
}

static void print_json(const struct gabi_emit_info *info, const struct gabi_emission *emission)
{
	struct rows rows;
	size_t len;

	rows_begin(&rows, true);
	rows_text(&rows, "format", "Format", info->text);
	rows_text(&rows, "text", "Text", gabi_emission_text(emission, &len));
	print_gaps(&rows, emission);
	print_notes(&rows, emission);
	rows_end(&rows);
}

static enum status print_emission(const struct args *args, const struct gabi_emit_info *info,
				  const struct gabi_emission *emission)
{
	size_t len, gaps;
	const char *text = gabi_emission_text(emission, &len);
	enum status status = STATUS_YES;

	gabi_emission_gaps(emission, &gaps);
	if (args->option[OPTION_JSON]) {
		print_json(info, emission);
	} else {
		status = file_write(args->option[OPTION_OUTPUT], text, len);
		for (size_t i = 0; !status && i < gabi_emission_note_count(emission); i++)
			complain("note: %s", gabi_emission_note(emission, i));
		if (!status)
			complain_gaps(emission);
	}
	return status ? status : gaps ? STATUS_NO : STATUS_YES;
}

/* ---- the whole ---- */

static enum status emit(const struct args *args, const struct gabi_emit_info *info, const struct gabi_contract *contract,
			const struct gabi_host *host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_emission *emission;
	size_t count;
	enum status status;

	if (gabi_emit((enum gabi_emit_format)(info - gabi_emit_formats(&count)), contract, host, NULL, &emission, &diag))
		return complain_diag(NULL, &diag);
	status = print_emission(args, info, emission);
	gabi_emission_free(emission);
	return status;
}

static enum status wrong_operands(const struct gabi_emit_info *info)
{
	complain("emit: %s is made of %s; usage: gabi emit --as %s [OPTION]... %s", info->text,
		 info->of == GABI_EMIT_OF_BOTH   ? "a contract and a host"
		 : info->of == GABI_EMIT_OF_HOST ? "a host"
						 : "a contract",
		 info->text,
		 info->of == GABI_EMIT_OF_BOTH   ? "CONTRACT HOST"
		 : info->of == GABI_EMIT_OF_HOST ? "HOST"
						 : "CONTRACT");
	return STATUS_USAGE;
}

enum status run_emit(const struct args *args)
{
	const struct gabi_emit_info *info = format_of(args->option[OPTION_AS]);
	struct gabi_contract *contract = NULL;
	struct gabi_host *host = NULL;
	enum status status = STATUS_YES;

	if (args->option[OPTION_LIST])
		return list_formats();
	if (!info)
		return no_format(args->option[OPTION_AS]);
	if (args->files != (info->of == GABI_EMIT_OF_BOTH ? 2 : 1))
		return wrong_operands(info);
	if (info->of & GABI_EMIT_OF_CONTRACT)
		status = load_contract(args->file[0], &contract);
	if (!status && info->of & GABI_EMIT_OF_HOST)
		status = load_host(args, args->file[args->files - 1], &host);
	if (!status)
		status = emit(args, info, contract, host);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return status;
}
