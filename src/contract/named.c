/* SPDX-License-Identifier: MIT */
#include "contract/named.h"

#include <string.h>

#define LEAF(leaf, reg) { .space = GABI_SPACE_CPUID, .part = (reg), .index = (leaf) }

#include "qemu_names.inc" /* written by gen_names at build time */

const struct gabi_qemu_name *gabi_qemu_names(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(qemu_names);
	return qemu_names;
}

/* As strcmp, '_' as '-'. */
static int compare(const char *name, const char *other)
{
	for (;; name++, other++) {
		char c = *name == '_' ? '-' : *name;

		if (c != *other || !c)
			return (unsigned char)c - (unsigned char)*other;
	}
}

const struct gabi_qemu_name *gabi_qemu_names_of(const char *name, size_t *ret_count)
{
	size_t low = 0, high = GABI_COUNT_OF(qemu_names), end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(name, qemu_names[middle].name) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < GABI_COUNT_OF(qemu_names) && !compare(name, qemu_names[end].name);)
		end++;
	*ret_count = end - low;
	return &qemu_names[low < GABI_COUNT_OF(qemu_names) ? low : 0];
}

const struct gabi_field *gabi_qemu_field(const struct gabi_qemu_name *name)
{
	size_t count;

	return gabi_fields(&count) + name->row;
}

/* The word of that key, added as 0 if it is not there; NULL if memory is short. */
static struct gabi_word *word_at(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_key *key)
{
	struct gabi_word word = { .key = *key, .vp = GABI_VP_ALL, .bits = gabi_space_has_leaves(key->space) ? 32 : 64 };

	for (size_t i = 0; i < words->count; i++)
		if (!gabi_key_compare(&words->at[i].key, key))
			return &words->at[i];
	return gabi_words_add(words, mem, &word) ? NULL : &words->at[words->count - 1];
}

static int set_bits(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_key *key, unsigned lo, unsigned bits,
		    uint64_t value)
{
	struct gabi_word *word;

	if (value & ~gabi_mask(bits))
		return GABI_ERR_RANGE;
	word = word_at(words, mem, key);
	if (!word)
		return GABI_ERR_NOMEM;
	word->value = (word->value & ~(gabi_mask(bits) << lo)) | value << lo;
	return 0;
}

/* ---- numbers that are not one field ---- */

static const struct gabi_key signature = LEAF(1, GABI_EAX);

/* SDM, CPUID.01H: DisplayFamily is the family, and beyond 15 the sum of both fields. */
static int set_family(struct gabi_words *words, const struct gabi_mem *mem, uint64_t value)
{
	uint64_t base = value > 0xf ? 0xf : value;

	if (value > 0xf + 0xff)
		return GABI_ERR_RANGE;
	if (set_bits(words, mem, &signature, 8, 4, base))
		return GABI_ERR_NOMEM;
	return set_bits(words, mem, &signature, 20, 8, value - base);
}

static int set_model(struct gabi_words *words, const struct gabi_mem *mem, uint64_t value)
{
	if (value > 0xff)
		return GABI_ERR_RANGE;
	if (set_bits(words, mem, &signature, 4, 4, value & 0xf))
		return GABI_ERR_NOMEM;
	return set_bits(words, mem, &signature, 16, 4, value >> 4);
}

/* ---- names of fields ---- */

static bool is_of_guest(const struct gabi_field *field)
{
	return field->key.space == GABI_SPACE_CPUID || field->key.space == GABI_SPACE_KVM || field->key.space == GABI_SPACE_HYPERV ||
	       field->key.space == GABI_SPACE_MSR;
}

/* The value, or all ones where that is NULL. */
static int set_field(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_field *field, const uint64_t *value)
{
	return set_bits(words, mem, &field->key, field->lo, field->bits, value ? *value : gabi_mask(field->bits));
}

static int set_fields(struct gabi_words *words, const struct gabi_mem *mem, const char *name, const uint64_t *value)
{
	const struct gabi_field *other;
	size_t count;
	const struct gabi_qemu_name *own = gabi_qemu_names_of(name, &count);

	for (size_t i = 0; i < count; i++) {
		int err = set_field(words, mem, gabi_qemu_field(&own[i]), value);

		if (err)
			return err;
	}
	if (count)
		return 0;
	other = gabi_field_by_name(name, GABI_ARCH_X86); /* another tool's name for it */
	return other && is_of_guest(other) ? set_field(words, mem, other, value) : GABI_ERR_UNKNOWN;
}

int gabi_words_set_named(struct gabi_words *words, const struct gabi_mem *mem, const char *name, uint64_t value)
{
	if (!strcmp(name, "family"))
		return set_family(words, mem, value);
	if (!strcmp(name, "model"))
		return set_model(words, mem, value);
	return set_fields(words, mem, name, &value);
}

int gabi_words_set_arm64(struct gabi_words *words, const struct gabi_mem *mem, const char *name, uint64_t value)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);

	return field ? set_field(words, mem, field, &value) : GABI_ERR_UNKNOWN;
}

int gabi_words_set_ones(struct gabi_words *words, const struct gabi_mem *mem, const char *name)
{
	if (!strcmp(name, "family"))
		return set_family(words, mem, 0xf + 0xff);
	if (!strcmp(name, "model"))
		return set_model(words, mem, 0xff);
	return set_fields(words, mem, name, NULL);
}

/* ---- texts ---- */

/* Four bytes from `at`, lowest first; what lies behind the end is 0. */
static uint64_t bytes_at(const char *text, size_t len, size_t at)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 4 && at + i < len; i++)
		value |= (uint64_t)(unsigned char)text[at + i] << (8 * i);
	return value;
}

/* Where each text's pieces of four bytes are. */
static struct gabi_key vendor_piece(unsigned i)
{
	static const uint16_t order[] = { GABI_EBX, GABI_EDX, GABI_ECX };
	const struct gabi_key key = LEAF(0, order[i]);

	return key;
}

static struct gabi_key model_id_piece(unsigned i)
{
	const struct gabi_key key = LEAF(0x80000002 + i / 4, (uint16_t)(i % 4));

	return key;
}

static struct gabi_key hv_vendor_piece(unsigned i)
{
	const struct gabi_key key = { .space = GABI_SPACE_HYPERV, .part = (uint16_t)(GABI_EBX + i), .index = 0x40000000 };

	return key;
}

static const struct {
	const char *name;
	struct gabi_key (*piece)(unsigned i);
	unsigned least, pieces; /* bytes, words */
} texts[] = {
	{ "vendor", vendor_piece, 12, 3 },
	{ "model-id", model_id_piece, 0, 12 },
	{ "hv-vendor-id", hv_vendor_piece, 0, 3 },
};

int gabi_words_set_text(struct gabi_words *words, const struct gabi_mem *mem, const char *name, const char *text, size_t len)
{
	size_t at = 0;

	while (at < GABI_COUNT_OF(texts) && strcmp(name, texts[at].name))
		at++;
	if (at == GABI_COUNT_OF(texts))
		return GABI_ERR_UNKNOWN;
	if (len < texts[at].least || len > 4 * (size_t)texts[at].pieces)
		return GABI_ERR_RANGE;
	for (unsigned i = 0; i < texts[at].pieces; i++) {
		const struct gabi_key key = texts[at].piece(i);

		if (set_bits(words, mem, &key, 0, 32, bytes_at(text, len, 4 * (size_t)i)))
			return GABI_ERR_NOMEM;
	}
	return 0;
}

/* ---- levels ---- */

/* The word that says how far the range of that leaf goes. */
static struct gabi_key level_of(uint64_t leaf)
{
	const struct gabi_key level = LEAF(leaf & 0xf0000000, GABI_EAX);

	return level;
}

/* The words whose features raise a level: QEMU 7.2 and 11.1, base with each feature alone. Details of a feature (leaves 0x12, 0x14,
 * 0x1e, 0x24) do not, and neither does EDX of leaf 7. */
static bool raises(const struct gabi_word *word)
{
	static const struct gabi_key keys[] = {
		LEAF(1, GABI_ECX),          LEAF(1, GABI_EDX),          LEAF(6, GABI_EAX),          LEAF(7, GABI_EBX),
		LEAF(7, GABI_ECX),          LEAF(0x80000001, GABI_ECX), LEAF(0x80000001, GABI_EDX), LEAF(0x80000007, GABI_EDX),
		LEAF(0x80000008, GABI_EBX), LEAF(0x80000021, GABI_EAX), LEAF(0xc0000001, GABI_EDX),
	};

	if (word->key.space != GABI_SPACE_CPUID || !word->value)
		return false;
	if (word->key.sub) /* leaf 7's further subleaves, and leaf 0xD's first */
		return word->key.index == 7 || word->key.index == 0xd;
	for (size_t i = 0; i < GABI_COUNT_OF(keys); i++)
		if (!gabi_key_compare(&word->key, &keys[i]))
			return true;
	return false;
}

static int raise(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_key *key, uint64_t least)
{
	struct gabi_word *word = word_at(words, mem, key);

	if (!word)
		return GABI_ERR_NOMEM;
	if (word->value < least)
		word->value = least;
	return 0;
}

/* Features whose details are in a leaf of their own. */
static const struct {
	struct gabi_key key;
	uint64_t bit, leaf;
} detailed[] = {
	{ LEAF(0x80000001, GABI_ECX), 1u << 2, 0x8000000a }, /* svm */
	{ LEAF(7, GABI_EBX), 1u << 25, 0x14 },               /* intel-pt */
	{ LEAF(7, GABI_EBX), 1u << 2, 0x12 },                /* sgx */
	{ { .space = GABI_SPACE_CPUID, .part = GABI_EDX, .sub = 1, .index = 7 }, 1u << 19, 0x24 }, /* avx10 */
	{ { .space = GABI_SPACE_CPUID, .part = GABI_EDX, .sub = 1, .index = 7 }, 1u << 21, 0x29 }, /* apxf */
};

static int raise_for_details(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_key *key, uint64_t value)
{
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(detailed); i++) {
		const struct gabi_key level = level_of(detailed[i].leaf);

		if (!gabi_key_compare(key, &detailed[i].key) && value & detailed[i].bit)
			err = raise(words, mem, &level, detailed[i].leaf);
	}
	return err;
}

int gabi_words_raise_levels(struct gabi_words *words, const struct gabi_mem *mem)
{
	static const struct gabi_key subleaves = LEAF(7, GABI_EAX);
	size_t count = words->count;
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		const struct gabi_key key = words->at[i].key, level = level_of(key.index);
		uint64_t value = words->at[i].value;

		if (!raises(&words->at[i]))
			continue;
		err = raise(words, mem, &level, key.index);
		if (!err && key.index == 7 && key.sub)
			err = raise(words, mem, &subleaves, key.sub);
		if (!err)
			err = raise_for_details(words, mem, &key, value);
	}
	return err;
}
