/* SPDX-License-Identifier: MIT */
/* QEMU's -cpu argument: cut into items, applied in QEMU's order to a model's words. */
#include <gabi/cpu_string.h>
#include <gabi/vocab.h>

#include "base/nearest.h"
#include "contract/cpu.h"
#include "contract/cpu_arm64.h"
#include "contract/named.h"

#include <string.h>

struct option {
	const char *name, *value; /* in the copy of the text */
};

/* What stands between two commas. */
struct item {
	char sign;  /* '+', '-' or 0 */
	char *name; /* as written */
	const char *value;
};

struct gabi_cpu {
	struct gabi_mem mem;
	const struct gabi_model *model;
	struct gabi_words words, named;
	struct item *items;
	struct option *options;
	char **notes;
	size_t item_count, item_cap, option_count, option_cap, note_count, note_cap;
	char *text; /* the copy that the items are cut out of */
	bool takes_host;
	bool has_level, has_xlevel, has_xlevel2; /* given, so that no feature raises it */
};

/* ---- names that QEMU has ---- */

enum kind { KIND_NONE, KIND_SWITCH, KIND_AUTO, KIND_NUMBER, KIND_FREQUENCY, KIND_FIELD, KIND_TEXT, KIND_FEATURE };

static const struct {
	const char *name;
	enum kind kind;
} options[] = {
#define GABI_QEMU_OPTION_ROW(option, of_kind) { option, KIND_##of_kind },
#include <models/qemu_option.def>
};

static const char *const underscores[] = {
#define GABI_QEMU_UNDERSCORE_ROW(name) name,
#include <models/qemu_option.def>
};

static bool is_feature(const struct gabi_qemu_name *name)
{
	const struct gabi_field *field = gabi_qemu_field(name);

	return field->bits == 1 && (name->is_alias || !strncmp(field->source, "QEMU", 4));
}

static void hyphenate(char *name)
{
	for (; *name; name++)
		if (*name == '_')
			*name = '-';
}

/* The name has hyphens alone. */
static enum kind kind_of(const char *name)
{
	size_t count;
	const struct gabi_qemu_name *own = gabi_qemu_names_of(name, &count);

	for (size_t i = 0; i < GABI_COUNT_OF(options); i++)
		if (!strcmp(name, options[i].name))
			return options[i].kind;
	for (size_t i = 0; i < count; i++)
		if (is_feature(&own[i]))
			return KIND_FEATURE;
	return KIND_NONE;
}

int gabi_cpu_has_property(const char *name)
{
	char copy[64];

	if (strlen(name) >= sizeof(copy))
		return 0;
	memcpy(copy, name, strlen(name) + 1);
	hyphenate(copy);
	return kind_of(copy) != KIND_NONE;
}

bool gabi_cpu_knows(const char *name)
{
	enum kind kind = kind_of(name);

	return kind == KIND_FEATURE || kind == KIND_FIELD;
}

bool gabi_cpu_is_feature(const char *name)
{
	return kind_of(name) == KIND_FEATURE;
}

static int unknown_name(const char *name, struct gabi_diag *diag)
{
	struct gabi_nearest nearest = { .wanted = name };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	size_t count;
	const struct gabi_qemu_name *own = gabi_qemu_names(&count);
	const struct gabi_hyperv_set *set;

	for (size_t i = 0; i < count; i++)
		if (is_feature(&own[i]))
			gabi_nearest_offer(&nearest, own[i].name, strlen(own[i].name));
	for (size_t i = 0; i < GABI_COUNT_OF(options); i++)
		gabi_nearest_offer(&nearest, options[i].name, strlen(options[i].name));
	set = gabi_hyperv_sets(&count);
	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, set[i].name, strlen(set[i].name));
	gabi_nearest_print(&nearest, &out);
	return gabi_fail(diag, GABI_ERR_UNKNOWN, "QEMU has no CPU property \"", name, "\"", text, (char *)NULL);
}

/* ---- values ---- */

static int bad_value(const char *name, const char *value, const char *wants, struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_RANGE, "\"", name, "\" wants ", wants, " and not \"", value, "\"", (char *)NULL);
}

/* As QEMU since 5.2: 1, 0, or -1 for neither. */
int gabi_switch_of(const char *value)
{
	static const char *const texts[] = { "off", "no", "false", "n", "on", "yes", "true", "y" };

	for (unsigned i = 0; i < GABI_COUNT_OF(texts); i++)
		if (!strcmp(value, texts[i]))
			return i >= 4;
	return -1;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Decimal, 0x or 0 and octal digits. */
bool gabi_number_of(const char *text, uint64_t *ret_value)
{
	unsigned base = 10;
	uint64_t value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	} else if (text[0] == '0' && text[1]) {
		base = 8;
		text++;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)digit_of(*text);

		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret_value = value;
	return true;
}

/* Digits, with a point or without, and at most one suffix. */
static bool is_frequency(const char *text)
{
	size_t whole = strspn(text, "0123456789"), part = 0;

	if (whole && text[whole] == '.')
		part = 1 + strspn(text + whole + 1, "0123456789");
	text += whole + part;
	return whole && part != 1 && (!*text || (strchr("BbKkMmGgTt", *text) && !text[1]));
}

/* ---- one item ---- */

static int nomem(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

/* The same in words and, as ones, in named. */
static int set_number(struct gabi_cpu *cpu, const char *name, uint64_t value, struct gabi_diag *diag)
{
	int err = gabi_words_set_named(&cpu->words, &cpu->mem, name, value);

	if (!err)
		err = gabi_words_set_ones(&cpu->named, &cpu->mem, name);
	if (err == GABI_ERR_RANGE)
		return gabi_fail(diag, err, "\"", name, "\" cannot be so large a number", (char *)NULL);
	return err ? gabi_fail(diag, err, "\"", name, "\": ", gabi_err_text(err), (char *)NULL) : 0;
}

static int set_text(struct gabi_cpu *cpu, const char *name, const char *value, struct gabi_diag *diag)
{
	static const char ones[] = "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377"
				   "\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377";
	size_t len = strlen(value), most = !strcmp(name, "hv-vendor-id") ? 12 : 48;
	int err;

	if (strcmp(name, "vendor") && len > most)
		len = most; /* QEMU cuts them */
	err = gabi_words_set_text(&cpu->words, &cpu->mem, name, value, len);
	if (!err)
		err = gabi_words_set_text(&cpu->named, &cpu->mem, name, ones, strcmp(name, "model-id") ? 12 : 48);
	return err == GABI_ERR_RANGE ? bad_value(name, value, "12 characters", diag) : err ? nomem(diag) : 0;
}

static int keep_option(struct gabi_cpu *cpu, const char *name, const char *value, struct gabi_diag *diag)
{
	if (gabi_mem_room(&cpu->mem, (void **)&cpu->options, &cpu->option_cap, cpu->option_count, sizeof(*cpu->options)))
		return nomem(diag);
	cpu->options[cpu->option_count++] = (struct option){ name, value };
	return 0;
}

static int add_note(struct gabi_cpu *cpu, const char *text, struct gabi_diag *diag)
{
	char *copy = gabi_mem_copy_text(&cpu->mem, text);

	if (!copy || gabi_mem_room(&cpu->mem, (void **)&cpu->notes, &cpu->note_cap, cpu->note_count, sizeof(*cpu->notes))) {
		gabi_mem_put(&cpu->mem, copy);
		return nomem(diag);
	}
	cpu->notes[cpu->note_count++] = copy;
	return 0;
}

static int set_switch(struct gabi_cpu *cpu, enum kind kind, const char *name, int value, const char *text, struct gabi_diag *diag)
{
	if (value < 0)
		return bad_value(name, text, "on or off", diag);
	return kind == KIND_SWITCH ? keep_option(cpu, name, text, diag) : set_number(cpu, name, (uint64_t)value, diag);
}

static int set_field(struct gabi_cpu *cpu, const char *name, const char *value, struct gabi_diag *diag)
{
	uint64_t number;

	if (!gabi_number_of(value, &number))
		return bad_value(name, value, "a number", diag);
	cpu->has_level |= !strcmp(name, "level");
	cpu->has_xlevel |= !strcmp(name, "xlevel");
	cpu->has_xlevel2 |= !strcmp(name, "xlevel2");
	return set_number(cpu, name, number, diag);
}

/* "name=value"; value "on" where there was none. */
static int set_property(struct gabi_cpu *cpu, const char *name, const char *value, struct gabi_diag *diag)
{
	enum kind kind = kind_of(name);
	uint64_t number;

	switch (kind) {
	case KIND_NONE:
		return unknown_name(name, diag);
	case KIND_SWITCH:
	case KIND_FEATURE:
		return set_switch(cpu, kind, name, gabi_switch_of(value), value, diag);
	case KIND_FIELD:
		return set_field(cpu, name, value, diag);
	case KIND_TEXT:
		return set_text(cpu, name, value, diag);
	case KIND_AUTO:
		if (strcmp(value, "auto") && strcmp(value, "on") && strcmp(value, "off"))
			return bad_value(name, value, "on, off or auto", diag);
		return keep_option(cpu, name, value, diag);
	case KIND_NUMBER:
		return gabi_number_of(value, &number) ? keep_option(cpu, name, value, diag) : bad_value(name, value, "a number", diag);
	case KIND_FREQUENCY:
		return is_frequency(value) ? keep_option(cpu, name, value, diag) :
					     bad_value(name, value, "a frequency such as 2.5G", diag);
	}
	return GABI_ERR_ARG;
}

/* "+name" and "-name": QEMU takes these as written, so that an underscore must be one of its own. */
static int set_signed(struct gabi_cpu *cpu, char *name, int value, struct gabi_diag *diag)
{
	bool known = !strchr(name, '_');
	enum kind kind;

	for (size_t i = 0; i < GABI_COUNT_OF(underscores); i++)
		known |= !strcmp(name, underscores[i]);
	if (!known)
		return unknown_name(name, diag);
	hyphenate(name);
	kind = kind_of(name);
	if (kind == KIND_NONE)
		return unknown_name(name, diag);
	if (kind != KIND_SWITCH && kind != KIND_FEATURE)
		return gabi_fail(diag, GABI_ERR_RANGE, "\"", name, "\" has a value; write ", name, "=VALUE", (char *)NULL);
	return set_switch(cpu, kind, name, value, value ? "on" : "off", diag);
}

/* ---- all items, in QEMU's order ---- */

/* f=on beside +f or -f: what QEMU warns of. */
static int note_mixture(struct gabi_cpu *cpu, const char *name, struct gabi_diag *diag)
{
	for (size_t i = 0; i < cpu->item_count; i++) {
		char text[256];
		struct gabi_out out = gabi_out_to(text, sizeof(text));
		const struct item *item = &cpu->items[i];
		int err;

		if (!item->sign || strcmp(item->name, name))
			continue;
		gabi_out_char(&out, item->sign);
		gabi_out_text(&out, name);
		gabi_out_text(&out, " overrides ");
		gabi_out_text(&out, name);
		gabi_out_text(&out, "=on and =off, wherever they stand");
		err = add_note(cpu, text, diag);
		if (err)
			return err;
	}
	return 0;
}

static int apply_properties(struct gabi_cpu *cpu, struct gabi_diag *diag)
{
	int err = 0;

	for (size_t i = 0; !err && i < cpu->item_count; i++) {
		struct item *item = &cpu->items[i];

		if (item->sign)
			continue;
		err = note_mixture(cpu, item->name, diag);
		hyphenate(item->name);
		if (!err)
			err = set_property(cpu, item->name, item->value, diag);
	}
	return err;
}

/* +f beside -f: whoever wrote both meant something else by one of them, and QEMU says nothing. */
static int note_contradiction(struct gabi_cpu *cpu, const char *name, struct gabi_diag *diag)
{
	char text[256];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_char(&out, '-');
	gabi_out_text(&out, name);
	gabi_out_text(&out, " overrides +");
	gabi_out_text(&out, name);
	gabi_out_text(&out, ", wherever they stand");
	for (size_t i = 0; i < cpu->item_count; i++)
		if (cpu->items[i].sign == '+' && !strcmp(cpu->items[i].name, name))
			return add_note(cpu, text, diag);
	return 0;
}

static int apply_signed(struct gabi_cpu *cpu, char sign, struct gabi_diag *diag)
{
	int err = 0;

	for (size_t i = 0; !err && i < cpu->item_count; i++) {
		if (cpu->items[i].sign != sign)
			continue;
		err = set_signed(cpu, cpu->items[i].name, sign == '+', diag);
		if (!err && sign == '-')
			err = note_contradiction(cpu, cpu->items[i].name, diag);
	}
	return err;
}

/* ---- what depends on what is off ---- */

static const struct {
	const char *needed;
	struct gabi_key key;
	uint64_t bits;
} needs[] = {
#define GABI_NEEDS_ROW(name, of_space, leaf, subleaf, reg, mask) \
	{ name, { .space = GABI_SPACE_##of_space, .part = reg, .sub = subleaf, .index = leaf }, mask },
#include <models/needs.def>
};

static const struct {
	const char *flag, *needed;
} hv_needs[] = {
#define GABI_HV_NEEDS_ROW(name, other) { name, other },
#include <models/needs.def>
};

static struct gabi_word *find(struct gabi_words *words, const struct gabi_key *key)
{
	for (size_t i = 0; i < words->count; i++)
		if (!gabi_key_compare(&words->at[i].key, key))
			return &words->at[i];
	return NULL;
}

/* Is all on that the name stands for? */
static bool is_on(struct gabi_cpu *cpu, const char *name)
{
	size_t count;
	const struct gabi_qemu_name *own = gabi_qemu_names_of(name, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = gabi_qemu_field(&own[i]);
		const struct gabi_word *word = find(&cpu->words, &field->key);

		if (!word || !(word->value >> field->lo & 1))
			return false;
	}
	return count;
}

/* A feature that was asked for by name and goes all the same deserves a word. */
static int note_loss(struct gabi_cpu *cpu, const struct gabi_key *key, uint64_t lost, const char *needed, struct gabi_diag *diag)
{
	const struct gabi_word *named = find(&cpu->named, key);
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	int err = 0;

	for (size_t i = 0; !err && named && i < count; i++) {
		char text[256];
		struct gabi_out out = gabi_out_to(text, sizeof(text));

		if (!((named->value & lost) >> field[i].lo & 1))
			continue;
		gabi_out_text(&out, field[i].name);
		gabi_out_text(&out, " is off, since it needs ");
		gabi_out_text(&out, needed);
		err = add_note(cpu, text, diag);
	}
	return err;
}

/* A loss can be the cause of another: until nothing changes, at most once a row. */
static int take_dependents(struct gabi_cpu *cpu, struct gabi_diag *diag)
{
	bool changed = true;
	int err = 0;

	while (changed) {
		changed = false;
		for (size_t i = 0; !err && i < GABI_COUNT_OF(needs); i++) {
			struct gabi_word *word = find(&cpu->words, &needs[i].key);
			uint64_t lost = word ? word->value & needs[i].bits : 0;

			if (!lost || is_on(cpu, needs[i].needed))
				continue;
			word->value &= ~lost;
			changed = true;
			err = note_loss(cpu, &needs[i].key, lost, needs[i].needed, diag);
		}
	}
	return err;
}

static int check_hyperv(struct gabi_cpu *cpu, struct gabi_diag *diag)
{
	const char *passthrough = gabi_cpu_option(cpu, "hv-passthrough");

	if (passthrough && gabi_switch_of(passthrough))
		return 0; /* the host decides */
	for (size_t i = 0; i < GABI_COUNT_OF(hv_needs); i++) {
		bool of_host = cpu->takes_host && strncmp(hv_needs[i].needed, "hv-", 3);

		if (is_on(cpu, hv_needs[i].flag) && !of_host && !is_on(cpu, hv_needs[i].needed))
			return gabi_fail(diag, GABI_ERR_CONFLICT, hv_needs[i].flag, " needs ", hv_needs[i].needed, ": add it, or take ",
					 hv_needs[i].flag, " away", (char *)NULL);
	}
	return 0;
}

/* ---- levels ---- */

static uint64_t value_of(struct gabi_cpu *cpu, uint64_t leaf)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = leaf };
	const struct gabi_word *word = find(&cpu->words, &key);

	return word ? word->value : 0;
}

/* A level that was given stays; the others rise to min-level, and to what the features want. */
static int raise_levels(struct gabi_cpu *cpu)
{
	static const struct {
		const char *name, *least;
		uint64_t leaf;
	} levels[] = { { "level", "min-level", 0 }, { "xlevel", "min-xlevel", 0x80000000 }, { "xlevel2", "min-xlevel2", 0xc0000000 } };
	const bool given[] = { cpu->has_level, cpu->has_xlevel, cpu->has_xlevel2 };
	uint64_t before[GABI_COUNT_OF(levels)], least;
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(levels); i++) {
		const char *text = gabi_cpu_option(cpu, levels[i].least);

		if (!given[i] && text && gabi_number_of(text, &least))
			err = gabi_words_set_named(&cpu->words, &cpu->mem, levels[i].name, least);
		before[i] = value_of(cpu, levels[i].leaf);
	}
	if (!err)
		err = gabi_words_raise_levels(&cpu->words, &cpu->mem);
	for (size_t i = 0; !err && i < GABI_COUNT_OF(levels); i++)
		if (given[i])
			err = gabi_words_set_named(&cpu->words, &cpu->mem, levels[i].name, before[i]);
	return err;
}

/* ---- the whole ---- */

static void drop_zeros(struct gabi_words *words)
{
	size_t kept = 0;

	for (size_t i = 0; i < words->count; i++)
		if (words->at[i].value)
			words->at[kept++] = words->at[i];
	words->count = kept;
}

static void settle(struct gabi_cpu *cpu)
{
	drop_zeros(&cpu->words);
	gabi_words_sort(&cpu->words, NULL);
	gabi_words_sort(&cpu->named, NULL);
}

static int take_model(struct gabi_cpu *cpu, const char *name, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_word *word;

	cpu->takes_host = !strcmp(name, "host") || !strcmp(name, "max");
	if (cpu->takes_host || !strcmp(name, "base"))
		return 0;
	cpu->model = gabi_model_find(name);
	if (!cpu->model)
		return gabi_model_unknown(NULL, name, diag);
	word = gabi_model_words(cpu->model, &count);
	for (size_t i = 0; i < count; i++)
		if (gabi_words_add(&cpu->words, &cpu->mem, &word[i]))
			return nomem(diag);
	return 0;
}

static int add_item(struct gabi_cpu *cpu, char *text, struct gabi_diag *diag)
{
	struct item item = { .sign = *text == '+' || *text == '-' ? *text : '\0', .value = "on" };
	char *equals = strchr(text, '=');

	item.name = text + !!item.sign;
	if (!item.sign && equals) {
		*equals = '\0';
		item.value = equals + 1;
	}
	if (gabi_mem_room(&cpu->mem, (void **)&cpu->items, &cpu->item_cap, cpu->item_count, sizeof(item)))
		return nomem(diag);
	cpu->items[cpu->item_count++] = item;
	return 0;
}

/* Cuts "model,item,item" at its commas; QEMU passes over empty items. */
static int cut(struct gabi_cpu *cpu, size_t len, struct gabi_diag *diag)
{
	char *end = cpu->text + len, *next;
	int err = 0;

	for (char *at = cpu->text; at < end; at++)
		if (*at == ',')
			*at = '\0';
	for (char *at = cpu->text + strlen(cpu->text) + 1; !err && at < end; at = next) {
		next = at + strlen(at) + 1;
		err = *at ? add_item(cpu, at, diag) : 0;
	}
	return err;
}

/* What a host and a machine make of the model, before the argument says more. */
static int apply_presets(struct gabi_cpu *cpu, const struct gabi_cpu_frame *frame, struct gabi_diag *diag)
{
	int err = 0;

	for (size_t i = 0; !err && i < frame->preset_count; i++)
		err = set_property(cpu, frame->presets[i].name, frame->presets[i].value, diag);
	gabi_words_free(&cpu->named, &cpu->mem);
	return err;
}

static int apply(struct gabi_cpu *cpu, const struct gabi_cpu_frame *frame, struct gabi_diag *diag)
{
	int err = apply_presets(cpu, frame, diag);

	if (!err)
		err = apply_properties(cpu, diag);

	if (!err)
		err = apply_signed(cpu, '+', diag);
	if (!err)
		err = apply_signed(cpu, '-', diag);
	if (!err && frame->fill)
		err = frame->fill(frame->ctx, cpu, diag);
	if (!err && (!cpu->takes_host || frame->fill)) /* what a host will add can be what is needed */
		err = take_dependents(cpu, diag);
	if (!err)
		err = check_hyperv(cpu, diag);
	if (!err && raise_levels(cpu))
		err = nomem(diag);
	settle(cpu);
	return err;
}

static int parse(struct gabi_cpu *cpu, const char *argument, const struct gabi_cpu_frame *frame, struct gabi_diag *diag)
{
	int err;

	cpu->text = gabi_mem_copy_text(&cpu->mem, argument);
	if (!cpu->text)
		return nomem(diag);
	err = cut(cpu, strlen(argument), diag);
	if (!err)
		err = take_model(cpu, cpu->text, diag);
	if (err || !cpu->model || cpu->model->arch == GABI_ARCH_X86)
		return err ? err : apply(cpu, frame, diag);
	err = gabi_arm64_apply(&cpu->words, &cpu->mem, argument + strlen(cpu->text), diag);
	settle(cpu);
	return err;
}

int gabi_cpu_parse(const char *text, size_t len, const struct gabi_model_set *own, const struct gabi_mem *mem, struct gabi_cpu **ret_cpu,
		   struct gabi_diag *diag)
{
	static const struct gabi_cpu_frame none = { 0 };
	const struct gabi_mem memory = gabi_mem_or_default(mem);
	char *argument;
	int err = gabi_model_set_argument(own, text, len, &memory, &argument, diag);

	if (err)
		return err;
	err = gabi_cpu_parse_in(argument, &none, &memory, ret_cpu, diag);
	gabi_mem_put(&memory, argument);
	return err;
}

int gabi_cpu_parse_in(const char *argument, const struct gabi_cpu_frame *frame, const struct gabi_mem *mem, struct gabi_cpu **ret_cpu,
		      struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_cpu *cpu;
	int err;

	cpu = gabi_mem_get(&own, sizeof(*cpu));
	if (!cpu)
		return nomem(diag);
	cpu->mem = own;
	err = parse(cpu, argument, frame, diag);
	if (err) {
		gabi_cpu_free(cpu);
		return err;
	}
	*ret_cpu = cpu;
	return 0;
}

void gabi_cpu_free(struct gabi_cpu *cpu)
{
	struct gabi_mem mem;

	if (!cpu)
		return;
	mem = cpu->mem;
	for (size_t i = 0; i < cpu->note_count; i++)
		gabi_mem_put(&mem, cpu->notes[i]);
	gabi_words_free(&cpu->words, &mem);
	gabi_words_free(&cpu->named, &mem);
	gabi_mem_put(&mem, cpu->items);
	gabi_mem_put(&mem, cpu->options);
	gabi_mem_put(&mem, cpu->notes);
	gabi_mem_put(&mem, cpu->text);
	gabi_mem_put(&mem, cpu);
}

/* ---- questions ---- */

const struct gabi_model *gabi_cpu_model(const struct gabi_cpu *cpu)
{
	return cpu->model;
}

int gabi_cpu_takes_host(const struct gabi_cpu *cpu)
{
	return cpu->takes_host;
}

const struct gabi_word *gabi_cpu_words(const struct gabi_cpu *cpu, size_t *ret_count)
{
	*ret_count = cpu->words.count;
	return cpu->words.at;
}

const struct gabi_word *gabi_cpu_named(const struct gabi_cpu *cpu, size_t *ret_count)
{
	*ret_count = cpu->named.count;
	return cpu->named.at;
}

const char *gabi_cpu_option(const struct gabi_cpu *cpu, const char *name)
{
	for (size_t i = cpu->option_count; i; i--) /* the last one counts */
		if (!strcmp(cpu->options[i - 1].name, name))
			return cpu->options[i - 1].value;
	return NULL;
}

/* ---- for the host's share ---- */

int gabi_cpu_or(struct gabi_cpu *cpu, const struct gabi_key *key, uint64_t bits)
{
	struct gabi_word *word = find(&cpu->words, key), added = { .key = *key, .value = bits, .vp = GABI_VP_ALL };

	if (word) {
		word->value |= bits;
		return 0;
	}
	added.bits = key->space == GABI_SPACE_MSR ? 64 : 32;
	return gabi_words_add(&cpu->words, &cpu->mem, &added);
}

uint64_t gabi_cpu_named_bits(const struct gabi_cpu *cpu, const struct gabi_key *key)
{
	for (size_t i = 0; i < cpu->named.count; i++)
		if (!gabi_key_compare(&cpu->named.at[i].key, key))
			return cpu->named.at[i].value;
	return 0;
}

size_t gabi_cpu_note_count(const struct gabi_cpu *cpu)
{
	return cpu->note_count;
}

const char *gabi_cpu_note(const struct gabi_cpu *cpu, size_t at)
{
	return cpu->notes[at];
}
