/* SPDX-License-Identifier: MIT */
/*
 * Canonical JSON wants the members of an object in the order of their keys as text; words lie in the order of their
 * numbers. Numbers of equally many digits are in the same order either way, so a section is a merge of at most sixteen
 * runs, one for each number of digits. It needs no memory and no sorting.
 */
#include "host/canonical.h"

#include <gabi/host.h>
#include <gabi/vocab.h>

#include <string.h>

struct emitter {
	struct gabi_json *json;
	struct gabi_word_form form;
};

static bool is_written(const struct gabi_word_form *form, const struct gabi_word *word)
{
	return word->vp == form->vp && !(form->manifest && (word->flags & GABI_WORD_IMPLIED));
}

static bool any_written(const struct gabi_word_form *form, struct gabi_word_range range)
{
	for (; range.at < range.end; range.at++)
		if (is_written(form, range.at))
			return true;
	return false;
}

/* ---- the order of texts ---- */

enum number { INDEX, SUB };

static uint64_t number_of(const struct gabi_word *word, enum number number)
{
	return number == INDEX ? word->key.index : word->key.sub;
}

static unsigned digits_of(uint64_t number)
{
	return (unsigned)(67 - __builtin_clzll(number | 1)) / 4;
}

struct merge {
	enum number number;
	struct gabi_word_range runs[16]; /* by number of digits - 1 */
};

static struct merge merge_of(struct gabi_word_range range, enum number number)
{
	struct merge merge = { .number = number };

	for (unsigned digits = 1; digits <= 16; digits++) {
		struct gabi_word_range *run = &merge.runs[digits - 1];

		run->at = range.at;
		while (range.at < range.end && digits_of(number_of(range.at, number)) == digits)
			range.at++;
		run->end = range.at;
	}
	return merge;
}

/* Takes the words whose number comes next as text; false at the end. */
static bool merge_next(struct merge *merge, struct gabi_word_range *ret_group)
{
	struct gabi_word_range *first = NULL;
	uint64_t first_text = 0, number;

	for (unsigned digits = 1; digits <= 16; digits++) {
		struct gabi_word_range *run = &merge->runs[digits - 1];
		uint64_t text;

		if (run->at == run->end)
			continue;
		/* Digits from the left, as a text is compared; of two alike the shorter is first, and its run was met first. */
		text = number_of(run->at, merge->number) << 4 * (16 - digits);
		if (!first || text < first_text) {
			first = run;
			first_text = text;
		}
	}
	if (!first)
		return false;
	number = number_of(first->at, merge->number);
	ret_group->at = first->at;
	while (first->at < first->end && number_of(first->at, merge->number) == number)
		first->at++;
	ret_group->end = first->at;
	return true;
}

/* ---- values ---- */

enum column { VALUE, SETTABLE };

/* Parts of one register: `group` are its words, of which `first` to `first + count - 1` make up the value. */
struct parts {
	struct gabi_word_range group;
	unsigned first, count, digits;
};

/* By part, then by virtual processor, the common one first. */
static uint32_t place_of(unsigned part, unsigned vp)
{
	return (uint32_t)part << 16 | (uint16_t)(vp + 1);
}

static const struct gabi_word *part_of(const struct emitter *to, const struct parts *parts, unsigned part)
{
	const struct gabi_word *low = parts->group.at, *high = parts->group.end;

	while (low < high) {
		const struct gabi_word *middle = low + (high - low) / 2;

		if (place_of(middle->key.part, middle->vp) < place_of(part, to->form.vp))
			low = middle + 1;
		else
			high = middle;
	}
	return low < parts->group.end && low->key.part == part && is_written(&to->form, low) ? low : NULL;
}

static void write_digits(const struct emitter *to, const char *key, const struct parts *parts, enum column column)
{
	unsigned space = parts->group.at->key.space;

	gabi_json_begin(to->json, key);
	gabi_json_raw(to->json, "0x", 2);
	for (unsigned i = parts->count; i-- > 0;) {
		const struct gabi_word *word = part_of(to, parts, parts->first + i);
		unsigned digits = parts->count > 1 ? 16 : parts->digits;
		uint64_t value = column == VALUE ? 0 : gabi_settable_rule(space);
		char text[24];
		struct gabi_out out = gabi_out_to(text, sizeof(text));

		if (word)
			value = column == VALUE ? word->value : word->settable;
		gabi_out_hex(&out, value & gabi_mask(4 * digits), digits);
		gabi_json_raw(to->json, text, out.len);
	}
	gabi_json_end(to->json);
}

static void write_value(const struct emitter *to, const char *key, const struct parts *parts)
{
	bool settable = false;
	unsigned flags = 0;

	for (unsigned i = 0; i < parts->count && to->form.manifest; i++) {
		const struct gabi_word *word = part_of(to, parts, parts->first + i);

		if (!word)
			continue;
		settable |= word->settable != (gabi_settable_rule(word->key.space) & gabi_mask(word->bits));
		flags |= word->flags & (GABI_WORD_OFFER | GABI_WORD_ONCE | GABI_WORD_SEEN);
	}
	if (!settable && !flags) {
		write_digits(to, key, parts, VALUE);
		return;
	}
	gabi_json_open(to->json, key, '{');
	if (flags & GABI_WORD_OFFER)
		gabi_json_bool(to->json, "offer", true);
	if (flags & GABI_WORD_ONCE)
		gabi_json_bool(to->json, "once", true);
	if (flags & GABI_WORD_SEEN)
		gabi_json_bool(to->json, "seen", true);
	if (settable)
		write_digits(to, "settable", parts, SETTABLE);
	write_digits(to, "value", parts, VALUE);
	gabi_json_close(to->json, '}');
}

/* ---- sections ---- */

static void write_leaf(const struct emitter *to, struct gabi_word_range group)
{
	static const char *const registers[] = { "eax", "ebx", "ecx", "edx" };
	char text[32];
	struct gabi_out key = gabi_out_to(text, sizeof(text));

	gabi_out_text(&key, "0x");
	gabi_out_hex(&key, group.at->key.index, 1);
	gabi_out_text(&key, ".0x");
	gabi_out_hex(&key, group.at->key.sub, 1);
	gabi_json_open(to->json, text, '{');
	for (unsigned i = 0; i < GABI_COUNT_OF(registers); i++)
		write_value(to, registers[i], &(struct parts){ group, .first = i, .count = 1, .digits = 8 });
	gabi_json_close(to->json, '}');
}

static void write_register(const struct emitter *to, const char *key, struct gabi_word_range group)
{
	unsigned width = gabi_key_width(&group.at->key);

	write_value(to, key, &(struct parts){ group, .count = (width + 63) / 64, .digits = (width + 3) / 4 });
}

static void write_numbered(const struct emitter *to, struct gabi_word_range group)
{
	char text[24];
	struct gabi_out key = gabi_out_to(text, sizeof(text));
	struct merge subs;
	struct gabi_word_range leaf;

	if (!gabi_space_has_leaves(group.at->key.space)) {
		gabi_out_text(&key, "0x");
		gabi_out_hex(&key, group.at->key.index, 1);
		write_register(to, text, group);
		return;
	}
	subs = merge_of(group, SUB);
	while (merge_next(&subs, &leaf))
		if (any_written(&to->form, leaf))
			write_leaf(to, leaf);
}

/* The name that stands for the number; NULL if it has none. */
static const char *name_of(const struct gabi_word *word)
{
	const struct gabi_reg *reg = word->key.space == GABI_SPACE_VM ? gabi_reg_of(&word->key) : NULL;

	return reg ? reg->name : NULL;
}

/* Names begin with a letter and so come after all numbers. They are few: the rows of one table. */
static void write_named(const struct emitter *to, struct gabi_word_range section)
{
	for (const char *last = "";;) {
		struct gabi_word_range next = { NULL, NULL };
		const char *next_name = NULL;

		for (const struct gabi_word *word = section.at; word < section.end; word++) {
			const char *name = is_written(&to->form, word) ? name_of(word) : NULL;

			if (name && strcmp(name, last) > 0 && (!next_name || strcmp(name, next_name) < 0)) {
				next_name = name;
				next = (struct gabi_word_range){ word, word + 1 };
			}
		}
		if (!next_name)
			return;
		write_register(to, next_name, next);
		last = next_name;
	}
}

static void write_section(const struct emitter *to, struct gabi_word_range section)
{
	struct merge indices;
	struct gabi_word_range group;

	if (!any_written(&to->form, section))
		return;
	gabi_json_open(to->json, gabi_space_text(section.at->key.space), '{');
	indices = merge_of(section, INDEX);
	while (merge_next(&indices, &group))
		if (!name_of(group.at) && any_written(&to->form, group))
			write_numbered(to, group);
	if (section.at->key.space == GABI_SPACE_VM)
		write_named(to, section);
	gabi_json_close(to->json, '}');
}

static struct gabi_word_range section_of(struct gabi_word_range range, unsigned space)
{
	while (range.at < range.end && range.at->key.space != space)
		range.at++;
	for (const struct gabi_word *word = range.at; word < range.end; word++)
		if (word->key.space != space)
			range.end = word;
	return range;
}

void gabi_words_canonical(struct gabi_json *json, struct gabi_word_range words, struct gabi_word_form form)
{
	const struct emitter to = { json, form };

	for (const char *last = "";;) {
		unsigned next = GABI_SPACE_NONE;

		for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++) {
			const char *text = gabi_space_text(space);

			if (strcmp(text, last) > 0 && (next == GABI_SPACE_NONE || strcmp(text, gabi_space_text(next)) < 0))
				next = space;
		}
		if (next == GABI_SPACE_NONE)
			return;
		write_section(&to, section_of(words, next));
		last = gabi_space_text(next);
	}
}

int gabi_host_canonical(const struct gabi_host *host, int (*sink)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct gabi_json json = { .sink = sink, .ctx = ctx };
	size_t count;
	const struct gabi_word *at = gabi_host_words(host, &count);

	gabi_json_open(&json, NULL, '{');
	gabi_words_canonical(&json, (struct gabi_word_range){ at, at + count },
			     (struct gabi_word_form){ .vp = GABI_VP_ALL, .manifest = true });
	gabi_json_close(&json, '}');
	return json.stopped;
}
