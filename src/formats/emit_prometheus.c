/* SPDX-License-Identifier: MIT */
/*
 * What a host offers, as a file for the textfile collector of Prometheus' node_exporter: the text exposition format 0.0.4.
 * Only what is there has a sample, so that a host has some hundred and not some thousand; a feature that goes is one that becomes absent.
 */
#include "formats/emit.h"

#include <gabi/vocab.h>

#include "formats/text.h"

/* A label's value, with \, " and line feed escaped. */
static void label(struct gabi_emission *emission, const char *name, const char *value, bool first)
{
	gabi_emit_text(emission, first ? "{" : ",");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, "=\"");
	for (; *value; value++) {
		const char escaped[3] = { '\\', *value == '\n' ? 'n' : *value, '\0' };
		const bool special = *value == '\\' || *value == '"' || *value == '\n';

		gabi_emit_sink(emission, special ? escaped : value, special ? 2 : 1);
	}
	gabi_emit_text(emission, "\"");
}

static void head(struct gabi_emission *emission, const char *name, const char *help)
{
	gabi_emit_text(emission, "# HELP ");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, " ");
	gabi_emit_text(emission, help);
	gabi_emit_text(emission, "\n# TYPE ");
	gabi_emit_text(emission, name);
	gabi_emit_text(emission, " gauge\n");
}

static void write_info(struct gabi_emission *emission)
{
	static const struct {
		const char *fact, *label;
	} shown[] = { { "kernel.release", "kernel" }, { "cpu.vendor", "vendor" }, { "cpu.model", "cpu" }, { "cpu.signature", "signature" },
		      { "cpu.microcode", "microcode" }, { "machine.firmware", "firmware" } };
	char title[96];

	gabi_host_title(emission->host, title, sizeof(title));
	head(emission, "gabi_host_info", "What is known of the host beside what it offers; always 1.");
	gabi_emit_text(emission, "gabi_host_info");
	label(emission, "host", title, true);
	label(emission, "arch", gabi_arch_text(gabi_host_arch(emission->host)), false);
	for (size_t i = 0; i < GABI_COUNT_OF(shown); i++) {
		const char *value = gabi_host_fact(emission->host, shown[i].fact);

		if (value && !gabi_text_valid(value)) {
			gabi_emit_fail(emission, GABI_ERR_ARG, "the fact ", shown[i].fact, " is not UTF-8");
			return;
		}
		if (value)
			label(emission, shown[i].label, value, false);
	}
	gabi_emit_text(emission, "} 1\n");
}

static bool is_promise(const struct gabi_field *field)
{
	return field->rule != GABI_RULE_FREE && field->rule != GABI_RULE_ZERO && field->rule != GABI_RULE_PRESENTED && field->rule != GABI_RULE_STATE;
}

/* A sample for each field of the kind wanted that the host has. */
static void write_samples(struct gabi_emission *emission, const char *metric, bool flags)
{
	size_t count, fields;
	const struct gabi_word *word = gabi_host_words(emission->host, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = gabi_fields_of(&word[i].key, &fields);

		for (size_t k = 0; k < fields; k++) {
			uint64_t value = word[i].value >> field[k].lo & gabi_mask(field[k].bits);
			bool is_flag = field[k].kind == GABI_KIND_FLAG, is_number = field[k].kind == GABI_KIND_UINT || field[k].kind == GABI_KIND_INT ||
										   field[k].kind == GABI_KIND_SIZE || field[k].kind == GABI_KIND_HZ;
			char name[128], number[24];
			struct gabi_out out = gabi_out_to(number, sizeof(number));

			if (!is_promise(&field[k]) || value == field[k].absent || (flags ? !is_flag : !is_number))
				continue;
			gabi_field_print(&field[k], &word[i].key, name, sizeof(name));
			gabi_out_int(&out, gabi_field_get(&field[k], word[i].value));
			gabi_emit_text(emission, metric);
			label(emission, "name", name, true);
			label(emission, "section", gabi_space_text(word[i].key.space), false);
			gabi_emit_text(emission, "} ");
			gabi_emit_text(emission, number);
			gabi_emit_text(emission, "\n");
		}
	}
}

void gabi_emit_prometheus(struct gabi_emission *emission)
{
	write_info(emission);
	head(emission, "gabi_host_feature", "A feature that the host can give a guest; absent where it cannot.");
	write_samples(emission, "gabi_host_feature", true);
	head(emission, "gabi_host_number", "A number that the host can give a guest: a width, a size, a version; absent where it is none.");
	write_samples(emission, "gabi_host_number", false);
}
