/* SPDX-License-Identifier: MIT */
#include "formats/items.h"

#include <gabi/cpu_string.h>
#include <gabi/vocab.h>

#include <string.h>

/* Copies to the end of a word of a command line: a space, a quote or a comma that is not doubled. */
static const char *copy_to(const char *text, char stop, char *out)
{
	size_t len = 0;

	for (; *text && *text != stop && !strchr("'\"\n", *text) && (stop != ' ' || *text != ','); text++)
		if (len + 1 < GABI_ITEM_CAP)
			out[len++] = *text;
	out[len] = '\0';
	return text;
}

static void add_item(struct gabi_items_of_cpu *items, const char *text, size_t len)
{
	struct gabi_item *item = &items->at[items->count];
	const char *equals = memchr(text, '=', len);
	bool sign = len && (*text == '+' || *text == '-');
	size_t name_len = sign ? len - 1 : equals ? (size_t)(equals - text) : len;
	const char *value = sign ? (*text == '+' ? "on" : "off") : equals ? equals + 1 : "on";
	size_t value_len = equals && !sign ? len - name_len - 1 : strlen(value);

	if (!len || items->count == GABI_ITEMS_MAX || name_len >= GABI_ITEM_CAP || value_len >= GABI_ITEM_CAP)
		return;
	memcpy(item->name, text + sign, name_len);
	memcpy(item->value, value, value_len);
	items->count++;
}

/* "... -machine M,... -cpu 'Model,+a,b=c' ..." */
static void cut(struct gabi_items_of_cpu *items, const char *text)
{
	const char *machine = strstr(text, "-machine "), *cpu = strstr(text, "-cpu ");
	char quote;

	if (machine) {
		machine = copy_to(machine + strlen("-machine "), ' ', items->machine);
		if (!strncmp(machine, ",mte=on", 7))
			add_item(items, machine + 1, 6);
	}
	if (!cpu)
		return;
	cpu += strlen("-cpu ");
	quote = *cpu == '\'' || *cpu == '"' ? *cpu++ : ' ';
	cpu = copy_to(cpu, ',', items->model);
	if (quote == ' ')
		items->model[strcspn(items->model, " ")] = '\0';
	while (*cpu == ',') {
		const char *begin = ++cpu;

		while (*cpu && *cpu != ',' && *cpu != quote && *cpu != '\n')
			cpu++;
		add_item(items, begin, (size_t)(cpu - begin));
	}
}

struct gabi_items_of_cpu *gabi_items_get(struct gabi_emission *emission)
{
	struct gabi_items_of_cpu *items;

	items = gabi_mem_get(&emission->mem, sizeof(*items));
	if (!items) {
		gabi_emit_fail(emission, GABI_ERR_NOMEM, "out of memory");
		return NULL;
	}
	gabi_emit_qemu(emission);
	if (emission->err) {
		gabi_mem_put(&emission->mem, items);
		return NULL;
	}
	cut(items, emission->text);
	emission->len = 0; /* the text itself is another tool's */
	emission->text[0] = '\0';
	return items;
}

void gabi_items_put(struct gabi_emission *emission, struct gabi_items_of_cpu *items)
{
	gabi_mem_put(&emission->mem, items);
}

const char *gabi_items_take(struct gabi_items_of_cpu *items, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < items->count; i++)
		if (!strcmp(items->at[i].name, name)) { /* the last counts, as in QEMU */
			items->at[i].used = true;
			value = items->at[i].value;
		}
	return value;
}

int gabi_items_take_switch(struct gabi_items_of_cpu *items, const char *name)
{
	const char *value = gabi_items_take(items, name);

	return value ? !strcmp(value, "on") : -1;
}

bool gabi_item_is_feature(const struct gabi_item *item)
{
	const struct gabi_field *field = gabi_field_by_name(item->name, GABI_ARCH_X86);

	return field && field->bits == 1 && (field->key.space == GABI_SPACE_CPUID || field->key.space == GABI_SPACE_MSR) &&
	       (!strcmp(item->value, "on") || !strcmp(item->value, "off"));
}

/* What an arm64 guest sees otherwise where the item is not said: QEMU's own default is the host's for what is off, and nothing for MTE. */
static void note_arm64(struct gabi_emission *emission, const struct gabi_item *item)
{
	static const struct {
		const char *item, *field;
	} rows[] = { { "mte", "id-aa64pfr1.mte" }, { "pmu", "id-aa64dfr0.pmuver" }, { "pmu", "id-dfr0.perfmon" } };

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		const struct gabi_field *field = gabi_field_by_name(rows[i].field, GABI_ARCH_ARM64);
		const struct gabi_word *ours = gabi_contract_find(emission->contract, &field->key, GABI_VP_ALL),
				       *hosts = gabi_host_find(emission->host, &field->key);
		const uint64_t bits = gabi_mask(field->bits) << field->lo;
		struct gabi_emit_gap gap = { .key = field->key, .bits = bits, .promised = ours ? ours->value & bits : 0,
					     .why = "the tool has no word for it, and QEMU's own default holds" };

		if (strcmp(rows[i].item, item->name))
			continue;
		gap.given = hosts && !strcmp(item->value, "off") ? hosts->value & bits : 0;
		if (gap.given != gap.promised)
			gabi_emit_gap(emission, &gap);
	}
}

void gabi_items_note_rest(struct gabi_emission *emission, const struct gabi_items_of_cpu *items, const char *tool)
{
	for (size_t i = 0; i < items->count; i++) {
		char text[256];
		struct gabi_out out = gabi_out_to(text, sizeof(text));
		const struct gabi_field *field = gabi_field_by_name(items->at[i].name, GABI_ARCH_X86);

		if (items->at[i].used)
			continue;
		if (gabi_contract_arch(emission->contract) == GABI_ARCH_ARM64) {
			note_arm64(emission, &items->at[i]);
			continue;
		}
		if (field) { /* the guest would see something else */
			const struct gabi_word *word = gabi_contract_find(emission->contract, &field->key, GABI_VP_ALL);
			const uint64_t bits = gabi_mask(field->bits) << field->lo;
			const struct gabi_emit_gap gap = { .key = field->key, .bits = bits, .promised = word ? word->value & bits : 0,
							   .why = "the tool has no word for it, and QEMU's own default holds" };

			gabi_emit_gap(emission, &gap);
			continue;
		}
		gabi_out_text(&out, tool);
		gabi_out_text(&out, " has no word for ");
		gabi_out_text(&out, items->at[i].name);
		gabi_out_char(&out, '=');
		gabi_out_text(&out, items->at[i].value);
		gabi_emit_note(emission, text);
	}
}
