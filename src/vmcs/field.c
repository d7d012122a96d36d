/* SPDX-License-Identifier: MIT */
/* VMCS fields: names, encodings and control bits. */
#include <gabi/vmcs.h>

#include "base/base.h"

#include <string.h>

static const struct gabi_vmcs_field fields[GABI_VMCS_COUNT] = {
#define GABI_VMCS_FIELD_ROW(code, linux_name, sdm_name, tlfs_name, control, control_bit, source)                        \
	[GABI_VMCS_##linux_name] = { .name = #linux_name, .sdm = sdm_name, .tlfs = tlfs_name, .encoding = code,         \
				     .word = GABI_VMCS_WORD_##control, .bit = control_bit },
#include <gabi/vmcs_field.def>
};

static const struct gabi_vmcs_control controls[GABI_VMCS_WORD_COUNT] = {
#define GABI_VMCS_CONTROL_ROW(word, field, text, index, true_index, low, width, ones)                                   \
	[GABI_VMCS_WORD_##word] = { .name = text, .id = GABI_VMCS_##field, .shift = low, .bits = width, .msr = index,   \
				    .true_msr = true_index, .default1 = ones },
#include <gabi/vmcs_control.def>
};

#define HIGH     1u
#define RESERVED (~0x7fffu | 1u << 12) /* SDM vol. 3, table 25-21: bits 31:15 and 12 */

const struct gabi_vmcs_field *gabi_vmcs_fields(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(fields);
	return fields;
}

int gabi_vmcs_decode(uint32_t encoding, struct gabi_vmcs_encoding *ret_encoding, struct gabi_diag *diag)
{
	static const uint8_t bytes[] = { [GABI_VMCS_16] = 2, [GABI_VMCS_64] = 8, [GABI_VMCS_32] = 4, [GABI_VMCS_NATURAL] = 8 };
	unsigned width = encoding >> 13 & 3;

	if (encoding & RESERVED)
		return gabi_fail(diag, GABI_ERR_RANGE, "no VMCS encoding has bit 12 or any of bits 31:15 set", (char *)NULL);
	if (encoding & HIGH && width != GABI_VMCS_64)
		return gabi_fail(diag, GABI_ERR_RANGE, "only 64-bit fields have a high access, bit 0 must be 0", (char *)NULL);
	*ret_encoding = (struct gabi_vmcs_encoding){
		.width = (uint8_t)width,
		.type = encoding >> 10 & 3,
		.high = encoding & HIGH,
		.bytes = bytes[width],
		.index = encoding >> 1 & 0x1ff,
	};
	return 0;
}

const struct gabi_vmcs_field *gabi_vmcs_field_of(uint32_t encoding)
{
	struct gabi_vmcs_encoding parts;
	size_t low = 0, high = GABI_COUNT_OF(fields);

	if (gabi_vmcs_decode(encoding, &parts, NULL))
		return NULL;
	encoding &= ~HIGH;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fields[middle].encoding == encoding)
			return &fields[middle];
		if (fields[middle].encoding < encoding)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *name, size_t len, const char *wanted)
{
	if (strlen(wanted) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(name[i]) != lower(wanted[i]))
			return false;
	return true;
}

const struct gabi_vmcs_field *gabi_vmcs_field_by_name(const char *name)
{
	static const char suffix[] = "_HIGH";
	size_t len = strlen(name), full = len;

	if (len > sizeof(suffix) - 1 && same(name + len - (sizeof(suffix) - 1), sizeof(suffix) - 1, suffix))
		full = len - (sizeof(suffix) - 1);
	for (size_t i = 0; i < GABI_COUNT_OF(fields); i++) {
		const struct gabi_vmcs_field *field = &fields[i];
		bool wide = (field->encoding >> 13 & 3) == GABI_VMCS_64;

		if (len && (same(name, len, field->name) || same(name, len, field->sdm) || same(name, len, field->tlfs) ||
			    (wide && same(name, full, field->name))))
			return field;
	}
	return NULL;
}

const char *gabi_vmcs_width_text(unsigned width)
{
	static const char *const texts[] = { "16", "64", "32", "natural" };

	return width < GABI_COUNT_OF(texts) ? texts[width] : "unknown";
}

const char *gabi_vmcs_type_text(unsigned type)
{
	static const char *const texts[] = { "control", "exit-info", "guest", "host" };

	return type < GABI_COUNT_OF(texts) ? texts[type] : "unknown";
}

const struct gabi_vmcs_control *gabi_vmcs_control(unsigned word)
{
	return word > GABI_VMCS_WORD_NONE && word < GABI_VMCS_WORD_COUNT ? &controls[word] : NULL;
}

enum gabi_vmcs_word gabi_vmcs_word_of(unsigned id)
{
	for (unsigned word = GABI_VMCS_WORD_NONE + 1; word < GABI_VMCS_WORD_COUNT; word++)
		if (controls[word].id == id)
			return word;
	return GABI_VMCS_WORD_NONE;
}

const struct gabi_field *gabi_vmcs_control_bit(unsigned word, unsigned bit)
{
	const struct gabi_vmcs_control *control = gabi_vmcs_control(word);
	struct gabi_key key = { .space = GABI_SPACE_MSR };
	const struct gabi_field *field;
	size_t count;

	if (!control || bit >= control->bits)
		return NULL;
	key.index = control->true_msr ? control->true_msr : control->msr; /* the rows stand where KVM takes a write */
	field = gabi_fields_of(&key, &count);
	for (size_t i = 0; i < count; i++)
		if (field[i].bits == 1 && field[i].lo == bit + control->shift)
			return &field[i];
	return NULL;
}

int gabi_vmcs_used(unsigned id, uint64_t (*get)(const void *ctx, unsigned id), const void *ctx)
{
	/* A control word is itself switched on by a bit of another: primary, then secondary. Two steps at most. */
	while (fields[id].word != GABI_VMCS_WORD_NONE) {
		unsigned word_id = controls[fields[id].word].id;

		if (!(get(ctx, word_id) >> fields[id].bit & 1))
			return 0;
		id = word_id;
	}
	return 1;
}
