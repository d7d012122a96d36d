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
static int read_value(struct gabi_word_reader *reader, const struct gabi_step *step, struct gabi_value value,
		      unsigned width, uint64_t *ret_parts)
{
	unsigned digits = (width + 3) / 4;
	const char *text = value.at + 1;

	if (*value.at != GABI_TYPE_TEXT)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA,
				      "a value is a text, 0x and hexadecimal digits: JSON numbers do not hold 64 bits");
	/* The quote that ends the text is no digit, so that this stops in time. */
	if (text[0] != '0' || text[1] != 'x')
		return fail_value(reader, step, digits);
	memset(ret_parts, 0, (width + 63) / 64 * sizeof(*ret_parts));
	for (unsigned left = digits; left--;) {
		int digit = digit_of(text[1 + digits - left]);

		if (digit < 0)
			return fail_value(reader, step, digits);
		ret_parts[left / 16] |= (uint64_t)digit << left % 16 * 4;
	}
	if (text[2 + digits] != '"')
		return fail_value(reader, step, digits);
	if (ret_parts[(width - 1) / 64] & ~gabi_mask((width - 1) % 64 + 1))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "the value is wider than its register");
	return 0;
}

/* A register's value with what a manifest says of it. */
struct reading {
	uint64_t value[MAX_PARTS], settable[MAX_PARTS];
	uint8_t flags;
};

/* {"offer": true, "once": true, "seen": true, "settable": "0x..", "value": "0x.."} */
static int read_object(struct gabi_word_reader *reader, const struct gabi_step *step, struct gabi_value object,
		       unsigned width, struct reading *ret)
{
	enum { OFFER, ONCE, SEEN, SETTABLE, VALUE, COUNT };
	static const struct gabi_member members[COUNT] = {
		[OFFER] = { "offer", GABI_TYPE_TRUE, false },
		[ONCE] = { "once", GABI_TYPE_TRUE, false },
		[SEEN] = { "seen", GABI_TYPE_TRUE, false },
		[SETTABLE] = { "settable", GABI_TYPE_TEXT, false },
		[VALUE] = { "value", GABI_TYPE_TEXT, true },
	};
	struct gabi_step value_step = GABI_STEP("value"), settable_step = GABI_STEP("settable");
	struct gabi_value values[COUNT];
	int err = gabi_load_members(object, step, members, COUNT, values, reader->diag);

	value_step.up = settable_step.up = step;
	if (!err)
		err = read_value(reader, &value_step, values[VALUE], width, ret->value);
	if (!err && values[SETTABLE].at)
		err = read_value(reader, &settable_step, values[SETTABLE], width, ret->settable);
	if (err)
		return err;
	ret->flags = (uint8_t)((values[OFFER].at ? GABI_WORD_OFFER : 0) | (values[ONCE].at ? GABI_WORD_ONCE : 0) |
			       (values[SEEN].at ? GABI_WORD_SEEN : 0));
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
static int read_register(struct gabi_word_reader *reader, const struct gabi_step *step, const struct gabi_key *key,
			 struct gabi_value value)
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
	if (reader->manifest && *value.at == GABI_TYPE_OBJECT)
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

static bool leaf_of(struct gabi_slice text, struct gabi_key *key)
{
	uint64_t sub;

	if (!gabi_load_number(&text, &key->index) || !text.len || *text.at != '.')
		return false;
	text.at++;
	text.len--;
	if (!gabi_load_number(&text, &sub) || text.len || key->index > UINT32_MAX || sub > UINT32_MAX)
		return false;
	key->sub = (uint32_t)sub;
	return true;
}

static int read_leaf(struct gabi_word_reader *reader, const struct gabi_step *step, unsigned space, struct gabi_value leaf,
		     struct gabi_items *outer)
{
	static const struct gabi_slice names[] = { { "eax", 3 }, { "ebx", 3 }, { "ecx", 3 }, { "edx", 3 } };
	struct gabi_key key = { .space = (uint16_t)space };
	struct gabi_items items;
	struct gabi_value value, registers[4] = { { NULL } };
	struct gabi_step here = { .up = step };
	int err = gabi_load_type(leaf, step, GABI_TYPE_OBJECT, reader->diag);

	if (err)
		return err;
	if (!leaf_of(step->key, &key))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA,
				      "the key of a leaf is 0x<leaf>.0x<subleaf>, lower case and without leading zeros");
	items = gabi_items_of(leaf, outer);
	while (gabi_items_next(&items, &here.key, &value)) {
		unsigned i = here.key.len == 3 ? (unsigned)here.key.at[1] - 'a' : 4;

		if (i > 3 || memcmp(here.key.at, names[i].at, 3))
			return GABI_LOAD_FAIL(reader->diag, &here, GABI_ERR_SCHEMA, "a leaf has eax, ebx, ecx and edx only");
		if (registers[i].at)
			return GABI_LOAD_FAIL(reader->diag, &here, GABI_ERR_DUPLICATE, "the register is there twice");
		registers[i] = value;
	}
	for (unsigned i = 0; i < 4 && !err; i++) {
		if (!registers[i].at)
			return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "a leaf has all of eax, ebx, ecx and edx");
		here.key = names[i];
		key.part = (uint16_t)i;
		err = read_register(reader, &here, &key, registers[i]);
	}
	return err;
}

static bool name_of(struct gabi_slice text, struct gabi_key *key)
{
	const struct gabi_reg *reg;
	char name[64];

	if (key->space != GABI_SPACE_VM || !gabi_slice_copy(text, name, sizeof(name)))
		return false;
	reg = gabi_reg_by_name(name);
	if (!reg || reg->key.space != key->space)
		return false;
	*key = reg->key;
	return true;
}

/* The number that a key stands for; of what has a name in gabi/vm.def, the name is the only spelling. */
static int read_key(struct gabi_word_reader *reader, const struct gabi_step *step, struct gabi_key *key)
{
	bool has_names = key->space == GABI_SPACE_VM;
	struct gabi_slice text = step->key;
	const struct gabi_reg *reg;

	if (name_of(text, key))
		return 0;
	if (!gabi_load_number(&text, &key->index) || text.len)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, has_names ? "the key is no known name, nor " : "the key is not ",
				      "0x and lower-case hexadecimal digits without leading zeros");
	if (key->index > UINT32_MAX && !gabi_space_has_ids(key->space))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "the number is wider than 32 bits");
	reg = has_names ? gabi_reg_of(key) : NULL;
	if (reg)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "the key of this number is its name, \"", reg->name, "\"");
	return 0;
}

static int read_item(struct gabi_word_reader *reader, const struct gabi_step *step, unsigned space, struct gabi_value value)
{
	struct gabi_key key = { .space = (uint16_t)space };
	int err = read_key(reader, step, &key);

	return err ? err : read_register(reader, step, &key, value);
}

static int check_section(struct gabi_word_reader *reader, const struct gabi_step *step, enum gabi_space space,
			 struct gabi_value section)
{
	enum gabi_arch arch = gabi_space_arch(space);
	int err;

	if (space == GABI_SPACE_NONE)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "no section of that name is known");
	if (arch != GABI_ARCH_ANY && arch != reader->arch)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_ARCH, "the section is of ", gabi_arch_text(arch),
				      ", and the file of ", gabi_arch_text(reader->arch));
	if (reader->seen >> space & 1)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_DUPLICATE, "the section is there twice");
	reader->seen |= 1u << space;
	err = gabi_load_type(section, step, GABI_TYPE_OBJECT, reader->diag);
	/* One spelling for one set of words, or two files with the same words had two digests. */
	if (!err && gabi_items_none(section))
		err = GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "a section without words must be left out");
	return err;
}

int gabi_read_section(struct gabi_word_reader *reader, const struct gabi_step *up, struct gabi_slice name,
		      struct gabi_value section, struct gabi_items *outer)
{
	const struct gabi_step step = { .up = up, .key = name };
	struct gabi_step here = { .up = &step };
	enum gabi_space space = gabi_space_of(name.at, name.len);
	int err = check_section(reader, &step, space, section);
	struct gabi_items items;
	struct gabi_value value;

	if (err)
		return err;
	items = gabi_items_of(section, outer);
	while (!err && gabi_items_next(&items, &here.key, &value))
		err = gabi_space_has_leaves(space) ? read_leaf(reader, &here, space, value, &items) :
						     read_item(reader, &here, space, value);
	return err;
}

/* ---- the same word twice ---- */

void gabi_key_member(struct gabi_out *out, const struct gabi_key *key)
{
	const struct gabi_reg *reg = key->space == GABI_SPACE_VM ? gabi_reg_of(key) : NULL;

	if (reg) {
		gabi_out_text(out, reg->name);
		return;
	}
	gabi_out_text(out, "0x");
	gabi_out_hex(out, key->index, 1);
	if (!gabi_space_has_leaves(key->space))
		return;
	gabi_out_text(out, ".0x");
	gabi_out_hex(out, key->sub, 1);
}

static struct gabi_slice slice_of(const char *text)
{
	return (struct gabi_slice){ text, strlen(text) };
}

static int fail_twice(const struct gabi_step *up, const struct gabi_word *word, struct gabi_diag *diag)
{
	struct gabi_step vps = GABI_STEP("vps"), vp = { .up = &vps }, section = { .up = up }, item = { .up = &section };
	char vp_text[8], item_text[64];
	struct gabi_out vp_out = gabi_out_to(vp_text, sizeof(vp_text)), item_out = gabi_out_to(item_text, sizeof(item_text));

	gabi_out_dec(&vp_out, word->vp);
	gabi_key_member(&item_out, &word->key);
	vps.up = up;
	vp.key = slice_of(vp_text);
	if (word->vp != GABI_VP_ALL)
		section.up = &vp;
	section.key = slice_of(gabi_space_text(word->key.space));
	item.key = slice_of(item_text);
	return GABI_LOAD_FAIL(diag, &item, GABI_ERR_DUPLICATE, "the key is there twice in its section");
}

int gabi_read_sealed(int err, const struct gabi_step *up, const struct gabi_word *words, size_t count, struct gabi_diag *diag)
{
	for (size_t i = 1; err == GABI_ERR_DUPLICATE && i < count; i++)
		if (words[i - 1].vp == words[i].vp && !gabi_key_compare(&words[i - 1].key, &words[i].key))
			return fail_twice(up, &words[i], diag);
	return err;
}
