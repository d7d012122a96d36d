/* SPDX-License-Identifier: MIT */
/*
 * Firecracker's CPU templates: read, and laid over a host.
 *
 * {"kvm_capabilities": ["171", "!172"], "vcpu_features": [{"index": 0, "bitmap": "0b11xxxxx"}],
 *  "cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": [{"register": "eax", "bitmap": "0bx01_"}]}],
 *  "msr_modifiers": [{"addr": "0x10a", "bitmap": ..}], "reg_modifiers": [{"addr": "0x603000000013c020", "bitmap": ..}]}
 * Source: Firecracker, docs/cpu_templates/schema.json and src/vmm/src/cpu_config.
 */
#include <gabi/firecracker.h>
#include <gabi/formats.h>
#include <gabi/vocab.h>

#include "formats/like.h"
#include "formats/load.h"

#include <string.h>

struct capability {
	uint32_t number;
	bool removed; /* "!171": it is not asked for */
};

struct gabi_template {
	struct gabi_mem mem;
	enum gabi_arch arch;
	struct gabi_template_modifier *modifiers;
	struct capability *capabilities;
	size_t count, cap, capability_count, capability_cap;
	uint32_t feature_bits, feature_value;
};

struct reader {
	struct gabi_template *tmpl;
	struct gabi_diag *diag;
};

static int fail(const struct reader *reader, const struct gabi_step *step, const char *text)
{
	return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, text);
}

static int nomem(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

/* ---- values ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* Digits of the base, and nothing else. */
static bool number_of(struct gabi_slice text, unsigned base, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)digit_of(text.at[i]);

		if (digit >= base || digit > max || number > (max - digit) / base)
			return false;
		number = number * base + digit;
	}
	*ret_number = number;
	return text.len;
}

static int read_number(const struct reader *reader, const struct gabi_step *up, const char *name, struct gabi_value value,
		       uint64_t max, uint64_t *ret_number)
{
	const struct gabi_step step = { .up = up, .key = { name, strlen(name) } };
	struct gabi_slice text = gabi_value_raw(value);
	bool binary = text.len > 2 && !memcmp(text.at, "0b", 2);

	if (text.len < 3 || (memcmp(text.at, "0x", 2) && !binary))
		return fail(reader, &step, "a number here begins with 0x or 0b");
	text.at += 2;
	text.len -= 2;
	if (!number_of(text, binary ? 2 : 16, max, ret_number))
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_RANGE, "this is no number, or too large a one");
	return 0;
}

/* "0b01x_", the highest bit first; what is not there is x. In parts of 64 bits. */
static int read_bitmap(const struct reader *reader, const struct gabi_step *up, struct gabi_value value, unsigned width,
		       uint64_t ret_bits[2], uint64_t ret_value[2])
{
	const struct gabi_step step = { .up = up, .key = { "bitmap", 6 } };
	struct gabi_slice text = gabi_value_raw(value);
	size_t first = text.len >= 2 && !memcmp(text.at, "0b", 2) ? 2 : 0;
	unsigned bit = 0;

	memset(ret_bits, 0, 2 * sizeof(*ret_bits));
	memset(ret_value, 0, 2 * sizeof(*ret_value));
	for (size_t i = text.len; i > first; i--) {
		char c = text.at[i - 1];

		if (c == '_')
			continue;
		if (c != '0' && c != '1' && c != 'x')
			return fail(reader, &step, "a bitmap is 0b and then 0, 1, x and _");
		if (bit == width)
			return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_RANGE, "the bitmap is wider than its register");
		if (c != 'x')
			ret_bits[bit / 64] |= (uint64_t)1 << bit % 64;
		if (c == '1')
			ret_value[bit / 64] |= (uint64_t)1 << bit % 64;
		bit++;
	}
	return 0;
}

static int add_modifier(const struct reader *reader, const struct gabi_step *step, const struct gabi_key *key, uint64_t bits, uint64_t value)
{
	struct gabi_template *tmpl = reader->tmpl;
	void *modifiers = tmpl->modifiers;

	if (!bits)
		return 0;
	if (tmpl->count == GABI_FORMATS_MAX_WORDS)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_LIMIT, "the template has more modifiers than gabi takes");
	if (gabi_mem_room(&tmpl->mem, &modifiers, &tmpl->cap, tmpl->count, sizeof(*tmpl->modifiers)))
		return nomem(reader->diag);
	tmpl->modifiers = modifiers;
	tmpl->modifiers[tmpl->count++] = (struct gabi_template_modifier){ *key, bits, value };
	return 0;
}

/* ---- lists ---- */

static int read_list(const struct reader *reader, const struct gabi_step *up, const char *name, struct gabi_value list,
		     int (*read)(const struct reader *reader, const struct gabi_step *step, struct gabi_value element))
{
	const struct gabi_step step = { .up = up, .key = { name, strlen(name) } };
	struct gabi_step here = { .up = &step };
	struct gabi_items items;
	struct gabi_value element;
	int err = 0;

	if (!list.at)
		return 0;
	items = gabi_items_of(list, NULL);
	for (; !err && gabi_items_next(&items, &here.key, &element); here.key.len++)
		err = read(reader, &here, element);
	return err;
}

static int read_capability(const struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	struct gabi_template *tmpl = reader->tmpl;
	void *capabilities = tmpl->capabilities;
	struct capability capability;
	struct gabi_slice text;
	uint64_t number;
	int err = gabi_load_type(element, step, GABI_TYPE_TEXT, reader->diag);

	if (err)
		return err;
	text = gabi_value_raw(element);
	capability.removed = text.len && *text.at == '!';
	text.at += capability.removed;
	text.len -= capability.removed;
	if (!number_of(text, 10, UINT32_MAX, &number))
		return fail(reader, step, "a capability is its decimal number, with ! before it where it is not wanted");
	capability.number = (uint32_t)number;
	if (gabi_mem_room(&tmpl->mem, &capabilities, &tmpl->capability_cap, tmpl->capability_count, sizeof(capability)))
		return nomem(reader->diag);
	tmpl->capabilities = capabilities;
	tmpl->capabilities[tmpl->capability_count++] = capability;
	return 0;
}

static int read_features(const struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	enum { INDEX, BITMAP, COUNT };
	static const struct gabi_member members[COUNT] = { [INDEX] = { "index", GABI_TYPE_NUMBER, true },
							    [BITMAP] = { "bitmap", GABI_TYPE_TEXT, true } };
	struct gabi_template *tmpl = reader->tmpl;
	struct gabi_value values[COUNT];
	uint64_t bits[2], value[2];
	uint32_t index;
	int err = gabi_load_members(element, step, members, COUNT, values, reader->diag);

	if (err)
		return err;
	if (!gabi_value_uint(values[INDEX], &index) || index > 6)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "KVM has features of index 0 to 6");
	err = read_bitmap(reader, step, values[BITMAP], 32, bits, value);
	if (err)
		return err;
	if (index && bits[0])
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_UNKNOWN, "KVM has no feature beyond index 0");
	if (tmpl->feature_bits & bits[0])
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_CONFLICT, "two modifiers are of the same bit, and only the last would count");
	tmpl->feature_bits |= (uint32_t)bits[0];
	tmpl->feature_value |= (uint32_t)value[0];
	return 0;
}

static int read_leaf_register(const struct reader *reader, const struct gabi_step *step, struct gabi_value element, struct gabi_key key)
{
	enum { REGISTER, BITMAP, COUNT };
	static const struct gabi_member members[COUNT] = { [REGISTER] = { "register", GABI_TYPE_TEXT, true },
							    [BITMAP] = { "bitmap", GABI_TYPE_TEXT, true } };
	static const char *const names[] = { "eax", "ebx", "ecx", "edx" };
	struct gabi_value values[COUNT];
	uint64_t bits[2], value[2];
	int err = gabi_load_members(element, step, members, COUNT, values, reader->diag);

	if (err)
		return err;
	while (key.part < 4 && !gabi_slice_is(gabi_value_raw(values[REGISTER]), names[key.part]))
		key.part++;
	if (key.part == 4)
		return fail(reader, step, "a register is eax, ebx, ecx or edx");
	err = read_bitmap(reader, step, values[BITMAP], 32, bits, value);
	return err ? err : add_modifier(reader, step, &key, bits[0], value[0]);
}

static int read_leaf(const struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	enum { LEAF, SUBLEAF, FLAGS, MODIFIERS, COUNT };
	static const struct gabi_member members[COUNT] = {
		[LEAF] = { "leaf", GABI_TYPE_TEXT, true },     [SUBLEAF] = { "subleaf", GABI_TYPE_TEXT, true },
		[FLAGS] = { "flags", GABI_TYPE_NUMBER, true }, [MODIFIERS] = { "modifiers", GABI_TYPE_LIST, true },
	};
	const struct gabi_step list = { .up = step, .key = { "modifiers", 9 } };
	struct gabi_step here = { .up = &list };
	struct gabi_key key = { .space = GABI_SPACE_CPUID };
	struct gabi_value values[COUNT], modifier;
	struct gabi_items items;
	uint64_t sub = 0;
	uint32_t flags;
	int err = gabi_load_members(element, step, members, COUNT, values, reader->diag);

	if (!err)
		err = read_number(reader, step, "leaf", values[LEAF], UINT32_MAX, &key.index);
	if (!err)
		err = read_number(reader, step, "subleaf", values[SUBLEAF], UINT32_MAX, &sub);
	if (!err && !gabi_value_uint(values[FLAGS], &flags))
		err = fail(reader, step, "flags is a number from 0");
	if (err)
		return err;
	key.sub = (uint32_t)sub;
	if (key.index >= 0x40000000 && key.index <= 0x400000ff) /* without Hyper-V, KVM's own begin there */
		key.space = GABI_SPACE_KVM;
	items = gabi_items_of(values[MODIFIERS], NULL);
	for (; !err && gabi_items_next(&items, &here.key, &modifier); here.key.len++)
		err = read_leaf_register(reader, &here, modifier, key);
	return err;
}

/* An MSR, or an arm64 register of `width` bits. */
static int read_addressed(const struct reader *reader, const struct gabi_step *step, struct gabi_value element, uint64_t max,
			  struct gabi_key *key, struct gabi_value *ret_bitmap)
{
	enum { ADDR, BITMAP, COUNT };
	static const struct gabi_member members[COUNT] = { [ADDR] = { "addr", GABI_TYPE_TEXT, true },
							    [BITMAP] = { "bitmap", GABI_TYPE_TEXT, true } };
	struct gabi_value values[COUNT];
	int err = gabi_load_members(element, step, members, COUNT, values, reader->diag);

	if (!err)
		err = read_number(reader, step, "addr", values[ADDR], max, &key->index);
	if (!err)
		*ret_bitmap = values[BITMAP];
	return err;
}

static int read_msr(const struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	struct gabi_key key = { .space = GABI_SPACE_MSR };
	struct gabi_value bitmap = { NULL };
	uint64_t bits[2], value[2];
	int err = read_addressed(reader, step, element, UINT32_MAX, &key, &bitmap);

	if (!err)
		err = read_bitmap(reader, step, bitmap, 64, bits, value);
	return err ? err : add_modifier(reader, step, &key, bits[0], value[0]);
}

static int read_register(const struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	struct gabi_key key = { 0 };
	struct gabi_value bitmap = { NULL };
	uint64_t bits[2], value[2];
	unsigned width;
	int err = read_addressed(reader, step, element, UINT64_MAX, &key, &bitmap);

	if (err)
		return err;
	key.space = (uint16_t)gabi_arm64_space(key.index);
	width = key.space == GABI_SPACE_NONE ? 0 : gabi_arm64_bits(key.index);
	if (width != 32 && width != 64 && width != 128)
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_RANGE, "Firecracker takes registers of 32, 64 and 128 bits, by KVM's ids");
	err = read_bitmap(reader, step, bitmap, width, bits, value);
	for (; !err && key.part < (width + 63) / 64; key.part++)
		err = add_modifier(reader, step, &key, bits[key.part], value[key.part]);
	return err;
}

/* ---- the whole ---- */

static void sort(struct gabi_template *tmpl)
{
	for (size_t gap = tmpl->count / 2; gap; gap /= 2) /* Shell's: in place, and no worse for a hostile order */
		for (size_t i = gap; i < tmpl->count; i++) {
			struct gabi_template_modifier moved = tmpl->modifiers[i];
			size_t at = i;

			for (; at >= gap && gabi_key_compare(&tmpl->modifiers[at - gap].key, &moved.key) > 0; at -= gap)
				tmpl->modifiers[at] = tmpl->modifiers[at - gap];
			tmpl->modifiers[at] = moved;
		}
}

/* One modifier a word; two of one bit are refused. */
static int merge(struct gabi_template *tmpl, struct gabi_diag *diag)
{
	size_t kept = 0;

	sort(tmpl);
	for (size_t i = 0; i < tmpl->count; i++) {
		struct gabi_template_modifier *last = kept ? &tmpl->modifiers[kept - 1] : NULL, *next = &tmpl->modifiers[i];
		char key[64];

		if (!last || gabi_key_compare(&last->key, &next->key)) {
			tmpl->modifiers[kept++] = *next;
			continue;
		}
		gabi_key_print(&next->key, key, sizeof(key));
		if (last->bits & next->bits)
			return gabi_fail_at(diag, GABI_ERR_CONFLICT, &next->key, "two modifiers of ", key,
					    " are of the same bit, and only the last would count", (char *)NULL);
		last->bits |= next->bits;
		last->value |= next->value;
	}
	tmpl->count = kept;
	return 0;
}

static int read_template(const struct reader *reader, struct gabi_value root)
{
	enum { CAPABILITIES, FEATURES, CPUID, MSRS, REGS, COUNT };
	static const struct gabi_member members[COUNT] = {
		[CAPABILITIES] = { "kvm_capabilities", GABI_TYPE_LIST, false }, [FEATURES] = { "vcpu_features", GABI_TYPE_LIST, false },
		[CPUID] = { "cpuid_modifiers", GABI_TYPE_LIST, false },         [MSRS] = { "msr_modifiers", GABI_TYPE_LIST, false },
		[REGS] = { "reg_modifiers", GABI_TYPE_LIST, false },
	};
	struct gabi_value values[COUNT];
	bool x86, arm64;
	int err = gabi_load_members(root, NULL, members, COUNT, values, reader->diag);

	if (err)
		return err;
	x86 = values[CPUID].at || values[MSRS].at;
	arm64 = values[FEATURES].at || values[REGS].at;
	if (x86 && arm64)
		return fail(reader, NULL, "the template is of two architectures");
	reader->tmpl->arch = x86 ? GABI_ARCH_X86 : arm64 ? GABI_ARCH_ARM64 : GABI_ARCH_ANY;
	err = read_list(reader, NULL, "kvm_capabilities", values[CAPABILITIES], read_capability);
	if (!err)
		err = read_list(reader, NULL, "vcpu_features", values[FEATURES], read_features);
	if (!err)
		err = read_list(reader, NULL, "cpuid_modifiers", values[CPUID], read_leaf);
	if (!err)
		err = read_list(reader, NULL, "msr_modifiers", values[MSRS], read_msr);
	if (!err)
		err = read_list(reader, NULL, "reg_modifiers", values[REGS], read_register);
	return err ? err : merge(reader->tmpl, reader->diag);
}

int gabi_template_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_template **ret_template,
		       struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct reader reader = { .diag = diag };
	struct gabi_value root;
	int err = gabi_load(text, len, &root, diag);

	if (err)
		return err;
	reader.tmpl = gabi_mem_get(&own, sizeof(*reader.tmpl));
	if (!reader.tmpl)
		return nomem(diag);
	reader.tmpl->mem = own;
	err = read_template(&reader, root);
	if (err)
		gabi_template_free(reader.tmpl);
	else
		*ret_template = reader.tmpl;
	return err;
}

void gabi_template_free(struct gabi_template *tmpl)
{
	struct gabi_mem mem;

	if (!tmpl)
		return;
	mem = tmpl->mem;
	gabi_mem_put(&mem, tmpl->modifiers);
	gabi_mem_put(&mem, tmpl->capabilities);
	gabi_mem_put(&mem, tmpl);
}

enum gabi_arch gabi_template_arch(const struct gabi_template *tmpl)
{
	return tmpl->arch;
}

const struct gabi_template_modifier *gabi_template_modifiers(const struct gabi_template *tmpl, size_t *ret_count)
{
	*ret_count = tmpl->count;
	return tmpl->modifiers;
}

uint32_t gabi_template_features(const struct gabi_template *tmpl, uint32_t *ret_bits)
{
	*ret_bits = tmpl->feature_bits;
	return tmpl->feature_value;
}

/* ---- over a host ---- */

/* The first four letters of the vendor's name. */
enum vendor { ANY = 0, INTEL = 0x756e6547, AMD = 0x68747541 };

#define BRAND_LEN 48

struct applier {
	const struct gabi_template *tmpl;
	const struct gabi_host *from;
	struct gabi_host *to;
	struct gabi_template_modifier *out;
	size_t cap, total;
	uint32_t vendor, features; /* arm64: what KVM_ARM_VCPU_INIT is given */
	char brand[BRAND_LEN];     /* Intel's: what the guest is told of it */
	struct gabi_diag *diag;
};

/* What Firecracker sets behind the template, and what it fills by itself. */
static void normalize(const struct applier *applier, const struct gabi_key *key, uint64_t *ret_bits, uint64_t *ret_value, uint64_t *ret_filled)
{
	static const struct {
		uint32_t vendor, leaf, sub;
		uint16_t part;
		uint32_t bits, value;
	} sets[] = {
#define GABI_FIRECRACKER_SETS_ROW(vendor, leaf, sub, part, bits, value) { vendor, leaf, sub, part, bits, value },
#include <models/firecracker.def>
	};
	static const struct {
		uint32_t vendor, leaf;
		uint16_t part;
		uint32_t bits;
	} fills[] = {
#define GABI_FIRECRACKER_FILLS_ROW(vendor, leaf, part, bits) { vendor, leaf, part, bits },
#include <models/firecracker.def>
	};

	*ret_bits = *ret_value = *ret_filled = 0;
	if (key->space != GABI_SPACE_CPUID)
		return;
	for (size_t i = 0; i < GABI_COUNT_OF(sets); i++)
		if ((sets[i].vendor == ANY || sets[i].vendor == applier->vendor) && sets[i].leaf == key->index && sets[i].sub == key->sub &&
		    sets[i].part == key->part) {
			*ret_bits |= sets[i].bits;
			*ret_value |= sets[i].value;
		}
	for (size_t i = 0; i < GABI_COUNT_OF(fills); i++)
		if ((fills[i].vendor == ANY || fills[i].vendor == applier->vendor) && fills[i].leaf == key->index && fills[i].part == key->part)
			*ret_filled |= fills[i].bits;
}

/* ---- Intel's brand ---- */

static struct gabi_key brand_key(unsigned word)
{
	const struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)(word % 4), .index = 0x80000002 + word / 4 };

	return key;
}

/* Where in the host's brand its frequency is: "3.00GHz" and all behind it; NULL if it has none. */
static const char *frequency_in(const char *brand)
{
	for (const char *unit = brand; *unit; unit++) {
		const char *at = unit;

		if (!strchr("TGM", *unit) || strncmp(unit + 1, "Hz", 2))
			continue;
		while (at > brand && (at[-1] == '.' || (at[-1] >= '0' && at[-1] <= '9')))
			at--;
		return at > brand && at[-1] == ' ' ? at : NULL;
	}
	return NULL;
}

/* Firecracker, intel/normalize.rs default_brand_string: a Xeon without a model, with the host's frequency. */
static void make_brand(struct applier *applier)
{
	static const char base[] = "Intel(R) Xeon(R) Processor @ ", usual[] = "Intel(R) Xeon(R) Processor";
	char own[BRAND_LEN + 1] = { 0 };
	const char *frequency;

	for (unsigned i = 0; i < BRAND_LEN / 4; i++) {
		const struct gabi_key key = brand_key(i);
		const struct gabi_word *word = gabi_host_find(applier->from, &key);

		for (unsigned byte = 0; word && byte < 4; byte++)
			own[4 * i + byte] = (char)(word->value >> (8 * byte));
	}
	frequency = frequency_in(own);
	/* Firecracker counts the NULs behind the host's brand as well, so that a short brand's frequency does not fit. */
	if (frequency && (size_t)(frequency - own) >= sizeof(base) - 1) {
		memcpy(applier->brand, base, sizeof(base) - 1);
		memcpy(applier->brand + sizeof(base) - 1, frequency, (size_t)(own + BRAND_LEN - frequency)); /* to the end, NULs */
	} else {
		memcpy(applier->brand, usual, sizeof(usual) - 1);
	}
}

/* The word as the guest gets it, where the manifest is what KVM offers and not what a guest saw. */
static uint64_t branded(const struct applier *applier, const struct gabi_key *key, uint64_t value)
{
	if (applier->vendor != INTEL || key->space != GABI_SPACE_CPUID || key->index < 0x80000002 || key->index > 0x80000004)
		return value;
	value = 0;
	for (unsigned byte = 0; byte < 4; byte++)
		value |= (uint64_t)(unsigned char)applier->brand[16 * (key->index - 0x80000002) + 4 * key->part + byte] << (8 * byte);
	return value;
}

/* ---- words ---- */

static const struct gabi_template_modifier *modifier_of(const struct gabi_template *tmpl, const struct gabi_key *key)
{
	size_t first = 0, last = tmpl->count;

	while (first < last) {
		size_t middle = first + (last - first) / 2;
		int order = gabi_key_compare(&tmpl->modifiers[middle].key, key);

		if (!order)
			return &tmpl->modifiers[middle];
		if (order < 0)
			first = middle + 1;
		else
			last = middle;
	}
	return NULL;
}

static void note_overwritten(struct applier *applier, const struct gabi_key *key, uint64_t bits, uint64_t value)
{
	if (!bits)
		return;
	if (applier->total < applier->cap)
		applier->out[applier->total] = (struct gabi_template_modifier){ *key, bits, value & bits };
	applier->total++;
}

/* Fields that an arm64 guest sees only with a feature of its virtual CPUs. */
static uint64_t gated(const struct applier *applier, const struct gabi_key *key, uint64_t value)
{
	static const struct {
		const char *field;
		unsigned bit;
	} gates[] = {
#define GABI_ARM64_VCPU_ROW(field, feature, bit) { field, bit },
#include <models/arm64_vcpu.def>
	};

	for (size_t i = 0; key->space == GABI_SPACE_ARM64 && i < GABI_COUNT_OF(gates); i++) {
		const struct gabi_field *field = gabi_field_by_name(gates[i].field, GABI_ARCH_ARM64);

		if (field && !gabi_key_compare(&field->key, key) && !(applier->features >> gates[i].bit & 1))
			value = (value & ~(gabi_mask(field->bits) << field->lo)) | field->absent << field->lo;
	}
	return value;
}

static int add_word(struct applier *applier, const struct gabi_word *word)
{
	const struct gabi_template_modifier *modifier = modifier_of(applier->tmpl, &word->key);
	struct gabi_word made = *word;
	uint64_t bits, value, filled, said = modifier ? modifier->bits : 0;

	if (word->flags & GABI_WORD_IMPLIED) /* it is implied again */
		return 0;
	if (word->key.space == GABI_SPACE_HYPERV || word->key.space == GABI_SPACE_HYPERV_EVMCS || word->key.space == GABI_SPACE_HYPERV_SYSTEM)
		return 0;
	normalize(applier, &word->key, &bits, &value, &filled);
	if (gabi_host_view(applier->from) == GABI_VIEW_KVM)
		made.value = branded(applier, &word->key, gated(applier, &word->key, made.value));
	if (modifier) {
		uint64_t kept = said & ~filled;

		note_overwritten(applier, &word->key, (said & filled & (modifier->value ^ made.value)) | (said & bits & (modifier->value ^ value)),
				 modifier->value);
		made.value = (made.value & ~kept) | (modifier->value & kept);
	}
	made.value = ((made.value & ~bits) | value) & gabi_mask(made.bits);
	return gabi_host_add(applier->to, &made, applier->diag);
}

/* Is it listed, as far as the manifest says it? Of saved state gabi promises nothing. */
static bool is_listed(const struct gabi_host *host, struct gabi_key key)
{
	bool promise = gabi_host_find(host, &key) || (key.space == GABI_SPACE_MSR && gabi_reg_of(&key));

	if (promise || key.space != GABI_SPACE_MSR)
		return gabi_host_find(host, &key) || key.space == GABI_SPACE_ARM64_STATE;
	key.space = GABI_SPACE_MSR_STATE;
	return gabi_host_find(host, &key) || !gabi_host_covers(host, GABI_SPACE_MSR_STATE);
}

/* Firecracker does not start a guest whose template changes what KVM does not have. */
static int check_modifiers(const struct applier *applier)
{
	for (size_t i = 0; i < applier->tmpl->count; i++) {
		const struct gabi_key *key = &applier->tmpl->modifiers[i].key;
		char name[64];

		if (is_listed(applier->from, *key))
			continue;
		gabi_key_print(key, name, sizeof(name));
		return gabi_fail_at(applier->diag, GABI_ERR_CONFLICT, key, "the template changes ", name,
				    ", which the host does not list: Firecracker does not start a guest with it there", (char *)NULL);
	}
	return 0;
}

static int check_capabilities(const struct applier *applier)
{
	const struct gabi_template *tmpl = applier->tmpl;

	for (size_t i = 0; i < tmpl->capability_count; i++) {
		const struct gabi_key key = { .space = GABI_SPACE_CAP, .index = tmpl->capabilities[i].number };
		const struct gabi_word *word = gabi_host_find(applier->from, &key);
		char name[64];

		if (tmpl->capabilities[i].removed || (word && word->value) || (!word && !gabi_host_covers(applier->from, GABI_SPACE_CAP)))
			continue;
		gabi_key_print(&key, name, sizeof(name));
		return gabi_fail_at(applier->diag, GABI_ERR_CONFLICT, &key, "the template asks for ", name,
				    ", which the host does not have: Firecracker does not start a guest with it there", (char *)NULL);
	}
	return 0;
}

#define PSCI_0_2 (1u << 2) /* KVM_ARM_VCPU_*: Firecracker asks for it by itself */
#define PMU_V3   (1u << 3)

static int check_host(struct applier *applier)
{
	const struct gabi_template *tmpl = applier->tmpl;
	const struct gabi_key vendor = { .space = GABI_SPACE_CPUID, .part = GABI_EBX };
	const struct gabi_word *word = gabi_host_find(applier->from, &vendor);
	enum gabi_view view = gabi_host_view(applier->from);
	int err;

	if (tmpl->arch != GABI_ARCH_ANY && tmpl->arch != gabi_host_arch(applier->from))
		return gabi_fail(applier->diag, GABI_ERR_ARCH, "the template is of ", gabi_arch_text(tmpl->arch), ", and the host of ",
				 gabi_arch_text(gabi_host_arch(applier->from)), (char *)NULL);
	if (view != GABI_VIEW_KVM && view != GABI_VIEW_GUEST)
		return gabi_fail(applier->diag, GABI_ERR_ARG, "a template is laid over what KVM offers, or over what a guest of Firecracker saw",
				 (char *)NULL);
	applier->vendor = word ? (uint32_t)word->value : 0;
	if (applier->vendor == INTEL)
		make_brand(applier);
	applier->features = (PSCI_0_2 & ~tmpl->feature_bits) | tmpl->feature_value;
	if (view == GABI_VIEW_GUEST && tmpl->feature_value & ~PSCI_0_2)
		return gabi_fail(applier->diag, GABI_ERR_ARG, "what a feature of vcpu_features gives is not in a fingerprint; "
				 "take the manifest of the host itself (gabi probe)", (char *)NULL);
	if (applier->features & PMU_V3)
		return gabi_fail(applier->diag, GABI_ERR_CONFLICT, "Firecracker does not start a guest with the PMU (vcpu_features, bit 3)",
				 (char *)NULL);
	err = check_capabilities(applier);
	return err ? err : check_modifiers(applier);
}

int gabi_template_apply(const struct gabi_template *tmpl, const struct gabi_host *host, const struct gabi_mem *mem,
			struct gabi_host **ret_host, struct gabi_template_modifier *out, size_t cap, size_t *ret_total, struct gabi_diag *diag)
{
	struct applier applier = { .tmpl = tmpl, .from = host, .out = out, .cap = cap, .diag = diag };
	size_t count;
	const struct gabi_word *word = gabi_host_words(host, &count);
	int err = check_host(&applier);

	if (err)
		return err;
	err = gabi_host_like(host, mem, &applier.to, diag);
	if (err)
		return err;
	for (size_t i = 0; !err && i < count; i++)
		err = add_word(&applier, &word[i]);
	if (!err)
		err = gabi_host_seal(applier.to, diag);
	if (err) {
		gabi_host_free(applier.to);
		return err;
	}
	*ret_host = applier.to;
	*ret_total = applier.total;
	return 0;
}
