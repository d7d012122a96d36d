/* SPDX-License-Identifier: MIT */
#include "formats/words.h"

#include <gabi/vocab.h>

#include "host/canonical.h"

#include <string.h>

#define MAX_PARTS (4 * 2048 / 64) /* what an arm64 register of 2048 bits accepts */

/* ---- values ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int fail_value(struct gabi_word_reader *reader, const struct gabi_step *step, unsigned digits)
{
	char number[24];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	gabi_out_dec(&out, digits);
	return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "the value must be 0x and ", number,
			      digits == 1 ? " lower-case hexadecimal digit" : " lower-case hexadecimal digits");
}

/* Reads a value of exactly that width into 64-bit parts, the lowest first. */
static int read_value(struct gabi_word_reader *reader, const struct gabi_step *step, json_t *value, unsigned width,
		      uint64_t *ret_parts)
{
	const char *text = json_string_value(value);
	unsigned digits = (width + 3) / 4;

	if (!text)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA,
				      "a value is a text, 0x and hexadecimal digits: JSON numbers do not hold 64 bits");
	if (json_string_length(value) != digits + 2 || text[0] != '0' || text[1] != 'x')
		return fail_value(reader, step, digits);
	memset(ret_parts, 0, (width + 63) / 64 * sizeof(*ret_parts));
	for (unsigned i = 0; i < digits; i++) {
		int digit = digit_of(text[digits + 1 - i]);

		if (digit < 0)
			return fail_value(reader, step, digits);
		ret_parts[i / 16] |= (uint64_t)digit << i % 16 * 4;
	}
	if (ret_parts[(width - 1) / 64] & ~gabi_mask((width - 1) % 64 + 1))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "the value is wider than its register");
	return 0;
}

/* A register's value with what a manifest says of it. */
struct reading {
	uint64_t value[MAX_PARTS], settable[MAX_PARTS];
	uint8_t flags;
};

/* {"offer": true, "once": true, "settable": "0x..", "value": "0x.."} */
static int read_object(struct gabi_word_reader *reader, const struct gabi_step *step, json_t *object, unsigned width,
		       struct reading *ret)
{
	enum { OFFER, ONCE, SETTABLE, VALUE, COUNT };
	static const struct gabi_member members[COUNT] = {
		[OFFER] = { "offer", JSON_TRUE, false },
		[ONCE] = { "once", JSON_TRUE, false },
		[SETTABLE] = { "settable", JSON_STRING, false },
		[VALUE] = { "value", JSON_STRING, true },
	};
	const struct gabi_step value_step = { .up = step, .key = "value" }, settable_step = { .up = step, .key = "settable" };
	json_t *values[COUNT];
	int err = gabi_load_members(object, step, members, COUNT, values, reader->diag);

	if (!err)
		err = read_value(reader, &value_step, values[VALUE], width, ret->value);
	if (!err && values[SETTABLE])
		err = read_value(reader, &settable_step, values[SETTABLE], width, ret->settable);
	if (err)
		return err;
	ret->flags = (uint8_t)((values[OFFER] ? GABI_WORD_OFFER : 0) | (values[ONCE] ? GABI_WORD_ONCE : 0));
	return 0;
}

static int add_part(struct gabi_word_reader *reader, const struct gabi_step *step, const struct gabi_word *word)
{
	int err;

	if (reader->count++ == GABI_FORMATS_MAX_WORDS)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_LIMIT, "the file lists more words than gabi takes");
	err = reader->add(reader->object, word, reader->diag);
	return err ? gabi_load_at(reader->diag, step, err) : 0;
}

/* Adds the register that begins with key. */
static int read_register(struct gabi_word_reader *reader, const struct gabi_step *step, const struct gabi_key *key, json_t *value)
{
	unsigned width = gabi_key_width(key), parts = (width + 63) / 64;
	uint64_t rule = reader->manifest ? gabi_settable_rule(key->space) : 0;
	struct gabi_word word = { .key = *key, .vp = (uint16_t)reader->vp, .bits = (uint8_t)(width < 64 ? width : 64) };
	struct reading reading;
	int err;

	if (!width)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "no register has that id: its size is none");
	reading.flags = 0;
	for (unsigned i = 0; i < parts; i++)
		reading.settable[i] = rule & gabi_mask(word.bits);
	if (reader->manifest && json_is_object(value))
		err = read_object(reader, step, value, width, &reading);
	else
		err = read_value(reader, step, value, width, reading.value);
	word.flags = reading.flags;
	for (unsigned i = 0; !err && i < parts; i++) {
		word.key.part = (uint16_t)(key->part + i);
		word.value = reading.value[i];
		word.settable = reading.settable[i];
		err = add_part(reader, step, &word);
	}
	return err;
}

/* ---- keys ---- */

static int read_leaf(struct gabi_word_reader *reader, const struct gabi_step *up, unsigned space, const char *text, json_t *leaf)
{
	const struct gabi_step step = { .up = up, .key = text };
	struct gabi_key key = { .space = (uint16_t)space };
	const char *at = gabi_load_number(text, &key.index), *name;
	uint64_t sub;
	json_t *value;
	int err;

	if (!at || *at != '.' || !(at = gabi_load_number(at + 1, &sub)) || *at || key.index > UINT32_MAX || sub > UINT32_MAX)
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA,
				      "the key of a leaf is 0x<leaf>.0x<subleaf>, lower case and without leading zeros");
	key.sub = (uint32_t)sub;
	err = gabi_load_type(leaf, &step, JSON_OBJECT, reader->diag);
	if (err)
		return err;
	json_object_foreach(leaf, name, value) {
		const struct gabi_step here = { .up = &step, .key = name };

		if (name[0] != 'e' || name[1] < 'a' || name[1] > 'd' || name[2] != 'x' || name[3])
			return GABI_LOAD_FAIL(reader->diag, &here, GABI_ERR_SCHEMA, "a leaf has eax, ebx, ecx and edx only");
		key.part = (uint16_t)(name[1] - 'a');
		err = read_register(reader, &here, &key, value);
		if (err)
			return err;
	}
	if (json_object_size(leaf) != 4)
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "a leaf has all of eax, ebx, ecx and edx");
	return 0;
}

/* The number that a key stands for; of what has a name in gabi/vm.def, the name is the only spelling. */
static int read_key(struct gabi_word_reader *reader, const struct gabi_step *step, struct gabi_key *key)
{
	bool has_names = key->space == GABI_SPACE_VM;
	const struct gabi_reg *reg = has_names ? gabi_reg_by_name(step->key) : NULL;
	const char *end;

	if (reg && reg->key.space == key->space) {
		*key = reg->key;
		return 0;
	}
	end = gabi_load_number(step->key, &key->index);
	if (!end || *end)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, has_names ? "the key is no known name, nor " : "the key is not ",
				      "0x and lower-case hexadecimal digits without leading zeros");
	if (key->index > UINT32_MAX && !gabi_space_has_ids(key->space))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "the number is wider than 32 bits");
	reg = has_names ? gabi_reg_of(key) : NULL;
	if (reg)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "the key of this number is its name, \"", reg->name, "\"");
	return 0;
}

static int read_item(struct gabi_word_reader *reader, const struct gabi_step *up, unsigned space, const char *text, json_t *value)
{
	const struct gabi_step step = { .up = up, .key = text };
	struct gabi_key key = { .space = (uint16_t)space };
	int err = read_key(reader, &step, &key);

	return err ? err : read_register(reader, &step, &key, value);
}

int gabi_read_section(struct gabi_word_reader *reader, const struct gabi_step *up, const char *name, json_t *section)
{
	const struct gabi_step step = { .up = up, .key = name };
	enum gabi_space space = gabi_space_of(name, strlen(name));
	enum gabi_arch arch = gabi_space_arch(space);
	const char *text;
	json_t *value;
	int err;

	if (space == GABI_SPACE_NONE)
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "no section of that name is known");
	if (arch != GABI_ARCH_ANY && arch != reader->arch)
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_ARCH, "the section is of ", gabi_arch_text(arch),
				      ", and the file of ", gabi_arch_text(reader->arch));
	err = gabi_load_type(section, &step, JSON_OBJECT, reader->diag);
	if (err)
		return err;
	/* One spelling for one set of words, or two files with the same words had two digests. */
	if (json_object_size(section) == 0)
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "a section without words must be left out");
	json_object_foreach(section, text, value) {
		err = gabi_space_has_leaves(space) ? read_leaf(reader, &step, space, text, value) :
						     read_item(reader, &step, space, text, value);
		if (err)
			return err;
	}
	return 0;
}
