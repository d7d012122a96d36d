/* SPDX-License-Identifier: MIT */
/*
 * Firecracker's fingerprints, and CPU templates in which every bit is said: what a guest of Firecracker sees.
 *
 * {"firecracker_version": .., "kernel_version": .., ..., "guest_cpu_config": {"cpuid_modifiers": [..], "msr_modifiers": [..],
 * "reg_modifiers": [..]}}, or the inner object alone. Source: Firecracker, docs/cpu_templates.
 */
#include "formats/import.h"
#include "formats/load.h"

#include <gabi/vocab.h>

#include <string.h>

#define MAX_BITS 2048

struct reader {
	struct gabi_importer importer;
	const struct gabi_mem *mem;
	bool seeing; /* the first of two passes over the leaves: gabi_import_see */
};

static int fail(const struct reader *reader, const struct gabi_step *step, const char *text)
{
	return GABI_LOAD_FAIL(reader->importer.diag, step, GABI_ERR_SCHEMA, text);
}

/* ---- values ---- */

static int read_number(const struct reader *reader, const struct gabi_step *up, const char *name, struct gabi_value value,
		       uint64_t max, uint64_t *ret_number)
{
	const struct gabi_step step = { .up = up, .key = { name, strlen(name) } };
	struct gabi_slice text = gabi_value_raw(value);

	if (!gabi_load_number(&text, ret_number) || text.len)
		return fail(reader, &step, "a number here is 0x and lower-case hexadecimal digits without leading zeros");
	if (*ret_number > max)
		return GABI_LOAD_FAIL(reader->importer.diag, &step, GABI_ERR_RANGE, "the number is too large");
	return 0;
}

/* "0b" and one digit a bit, the highest first, into 64-bit parts. A bitmap may be wider than its register if the bits beyond
 * it are 0: Firecracker writes all arm64 registers up to 128 bits with 128. */
static int read_bitmap(const struct reader *reader, const struct gabi_step *up, struct gabi_value value, unsigned width,
		       uint64_t *ret_parts)
{
	const struct gabi_step step = { .up = up, .key = { "bitmap", 6 } };
	struct gabi_slice text = gabi_value_raw(value);
	size_t bits = text.len - 2;

	if (text.len < 2 || memcmp(text.at, "0b", 2) || bits < width || bits > MAX_BITS)
		return fail(reader, &step, "a bitmap is 0b and a digit for each bit of its register");
	memset(ret_parts, 0, (width + 63) / 64 * sizeof(*ret_parts));
	for (size_t bit = 0; bit < bits; bit++) {
		char c = text.at[2 + bits - 1 - bit];

		if (c == 'x')
			return fail(reader, &step, "the bitmap leaves a bit open; only a dump of all bits says what a guest sees");
		if (c != '0' && c != '1')
			return fail(reader, &step, "a bitmap is 0b and a digit for each bit of its register");
		if (c == '1' && bit >= width)
			return GABI_LOAD_FAIL(reader->importer.diag, &step, GABI_ERR_RANGE, "the value is wider than its register");
		if (c == '1')
			ret_parts[bit / 64] |= (uint64_t)1 << bit % 64;
	}
	return 0;
}

/* Where an error has no place of its own, that of the element. */
static int at_element(const struct reader *reader, const struct gabi_step *step, int err)
{
	return err ? gabi_load_at(reader->importer.diag, step, err) : 0;
}

/* ---- lists ---- */

/* Calls read for each element of a list. */
static int read_list(struct reader *reader, const struct gabi_step *step, struct gabi_value list,
		     int (*read)(struct reader *reader, const struct gabi_step *step, struct gabi_value element))
{
	struct gabi_step here = { .up = step };
	struct gabi_items items = gabi_items_of(list, NULL);
	struct gabi_value element;
	int err = 0;

	for (; !err && gabi_items_next(&items, &here.key, &element); here.key.len++)
		err = read(reader, &here, element);
	return err;
}

static int read_leaf_register(const struct reader *reader, const struct gabi_step *step, struct gabi_value element,
			      struct gabi_leaf *leaf, unsigned *seen)
{
	enum { REGISTER, BITMAP, COUNT };
	static const struct gabi_member members[COUNT] = {
		[REGISTER] = { "register", GABI_TYPE_TEXT, true }, [BITMAP] = { "bitmap", GABI_TYPE_TEXT, true },
	};
	static const char *const names[] = { "eax", "ebx", "ecx", "edx" };
	struct gabi_value values[COUNT];
	uint64_t value;
	unsigned reg = 0;
	int err = gabi_load_members(element, step, members, COUNT, values, reader->importer.diag);

	if (err)
		return err;
	while (reg < 4 && !gabi_slice_is(gabi_value_raw(values[REGISTER]), names[reg]))
		reg++;
	if (reg == 4 || (*seen >> reg & 1))
		return fail(reader, step, "a leaf has each of eax, ebx, ecx and edx once");
	*seen |= 1u << reg;
	err = read_bitmap(reader, step, values[BITMAP], 32, &value);
	if (!err)
		leaf->reg[reg] = (uint32_t)value;
	return err;
}

static int read_leaf(struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	enum { LEAF, SUBLEAF, FLAGS, MODIFIERS, COUNT };
	static const struct gabi_member members[COUNT] = {
		[LEAF] = { "leaf", GABI_TYPE_TEXT, true },     [SUBLEAF] = { "subleaf", GABI_TYPE_TEXT, true },
		[FLAGS] = { "flags", GABI_TYPE_NUMBER, true }, [MODIFIERS] = { "modifiers", GABI_TYPE_LIST, true },
	};
	struct gabi_step list = { .up = step, .key = { "modifiers", 9 } }, here = { .up = &list };
	struct gabi_value values[COUNT], modifier;
	struct gabi_items items;
	struct gabi_leaf leaf = { 0 };
	uint64_t index = 0, sub = 0;
	unsigned seen = 0;
	int err = gabi_load_members(element, step, members, COUNT, values, reader->importer.diag);

	if (!err)
		err = read_number(reader, step, "leaf", values[LEAF], UINT32_MAX, &index);
	if (!err)
		err = read_number(reader, step, "subleaf", values[SUBLEAF], UINT32_MAX, &sub);
	if (err)
		return err;
	leaf.leaf = (uint32_t)index;
	leaf.sub = (uint32_t)sub;
	items = gabi_items_of(values[MODIFIERS], NULL);
	for (; !err && gabi_items_next(&items, &here.key, &modifier); here.key.len++)
		err = read_leaf_register(reader, &here, modifier, &leaf, &seen);
	if (err)
		return err;
	if (seen != 15)
		return fail(reader, step, "a leaf has each of eax, ebx, ecx and edx once");
	if (reader->seeing)
		gabi_import_see(&reader->importer, &leaf);
	else
		err = gabi_import_leaf(&reader->importer, &leaf);
	return at_element(reader, step, err);
}

enum { ADDR, BITMAP, ADDR_COUNT };
static const struct gabi_member addr_members[ADDR_COUNT] = {
	[ADDR] = { "addr", GABI_TYPE_TEXT, true }, [BITMAP] = { "bitmap", GABI_TYPE_TEXT, true },
};

/* Firecracker dumps what KVM_GET_MSR_INDEX_LIST names, the saved state; some of it are feature MSRs as well. */
static int read_msr(struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	struct gabi_value values[ADDR_COUNT];
	uint64_t index, value;
	int err = gabi_load_members(element, step, addr_members, ADDR_COUNT, values, reader->importer.diag);

	if (!err)
		err = read_number(reader, step, "addr", values[ADDR], UINT32_MAX, &index);
	if (!err)
		err = read_bitmap(reader, step, values[BITMAP], 64, &value);
	if (err)
		return err;
	return at_element(reader, step, gabi_import_msr(&reader->importer, (uint32_t)index, value, GABI_SPACE_MSR_STATE));
}

static int add_register(struct reader *reader, struct gabi_key key, unsigned width, const uint64_t *parts)
{
	int err = 0;

	for (unsigned part = 0; !err && part < (width + 63) / 64; part++) {
		struct gabi_word word = { .value = parts[part], .vp = GABI_VP_ALL, .bits = (uint8_t)(width < 64 ? width : 64) };

		key.part = (uint16_t)part;
		word.key = key;
		err = gabi_host_add(reader->importer.host, &word, reader->importer.diag);
	}
	return err;
}

static int read_register(struct reader *reader, const struct gabi_step *step, struct gabi_value element)
{
	struct gabi_value values[ADDR_COUNT];
	uint64_t id, parts[MAX_BITS / 64];
	struct gabi_key key = { 0 };
	size_t count;
	int err = gabi_load_members(element, step, addr_members, ADDR_COUNT, values, reader->importer.diag);

	if (!err)
		err = read_number(reader, step, "addr", values[ADDR], UINT64_MAX, &id);
	if (err)
		return err;
	key.space = (uint16_t)gabi_arm64_space(id);
	key.index = id;
	if (key.space == GABI_SPACE_NONE)
		return GABI_LOAD_FAIL(reader->importer.diag, step, GABI_ERR_RANGE, "this is no register id of KVM on arm64");
	gabi_host_words(reader->importer.host, &count);
	if (count + MAX_BITS / 64 > GABI_FORMATS_MAX_WORDS)
		return GABI_LOAD_FAIL(reader->importer.diag, step, GABI_ERR_LIMIT, "the file lists more words than gabi takes");
	err = read_bitmap(reader, step, values[BITMAP], gabi_key_width(&key), parts);
	return err ? err : at_element(reader, step, add_register(reader, key, gabi_key_width(&key), parts));
}

/* ---- the configuration ---- */

enum { CAPABILITIES, FEATURES, CPUID, MSRS, REGS, CONFIG_COUNT };

static int read_x86(struct reader *reader, const struct gabi_step *up, const struct gabi_value *values)
{
	const struct gabi_step cpuid = { .up = up, .key = { "cpuid_modifiers", 15 } };
	const struct gabi_step msrs = { .up = up, .key = { "msr_modifiers", 13 } };
	int err = 0;

	reader->seeing = true;
	if (values[CPUID].at)
		err = read_list(reader, &cpuid, values[CPUID], read_leaf);
	reader->seeing = false;
	if (!err && values[CPUID].at)
		err = read_list(reader, &cpuid, values[CPUID], read_leaf);
	if (!err && values[MSRS].at)
		err = read_list(reader, &msrs, values[MSRS], read_msr);
	if (err)
		return err;
	err = values[CPUID].at ? gabi_import_end(&reader->importer) : gabi_host_seal(reader->importer.host, reader->importer.diag);
	return at_element(reader, up, err);
}

#define MIDR_EL1 0x603000000013c000

static int read_arm64(struct reader *reader, const struct gabi_step *up, const struct gabi_value *values)
{
	const struct gabi_step regs = { .up = up, .key = { "reg_modifiers", 13 } };
	const struct gabi_key midr = { .space = GABI_SPACE_ARM64, .index = MIDR_EL1 };
	const struct gabi_word *word;
	char signature[24];
	struct gabi_out out = gabi_out_to(signature, sizeof(signature));
	int err = read_list(reader, &regs, values[REGS], read_register);

	if (err)
		return err;
	err = gabi_host_seal(reader->importer.host, reader->importer.diag);
	if (err)
		return at_element(reader, &regs, err);
	word = gabi_host_find(reader->importer.host, &midr);
	if (!word)
		return 0;
	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, word->value, 1);
	return gabi_host_set_fact(reader->importer.host, "cpu.signature", signature, reader->importer.diag);
}

/* ---- the file ---- */

enum { VERSION, KERNEL, MICROCODE, BIOS_VERSION, BIOS_REVISION, CONFIG, FILE_COUNT };

static int set_fact(const struct reader *reader, const char *name, const char *before, struct gabi_value value,
		    struct gabi_value after)
{
	char *first = gabi_value_text(value, reader->mem), *second = after.at ? gabi_value_text(after, reader->mem) : NULL, text[256];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	int err = first && (second || !after.at) ? 0 : gabi_fail(reader->importer.diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);

	if (!err) {
		gabi_out_text(&out, before);
		gabi_out_text(&out, first);
		if (second) {
			gabi_out_char(&out, ' ');
			gabi_out_text(&out, second);
		}
		if (out.len >= sizeof(text))
			err = gabi_fail(reader->importer.diag, GABI_ERR_LIMIT, "the text for ", name, " is too long", (char *)NULL);
		else
			err = gabi_host_set_fact(reader->importer.host, name, text, reader->importer.diag);
	}
	gabi_text_free(first, reader->mem);
	gabi_text_free(second, reader->mem);
	return err;
}

static int set_facts(const struct reader *reader, const struct gabi_value *values)
{
	const struct gabi_value none = { NULL };
	int err = set_fact(reader, "source", "firecracker ", values[VERSION], none);

	if (!err)
		err = set_fact(reader, "kernel.release", "", values[KERNEL], none);
	if (!err)
		err = set_fact(reader, "cpu.microcode", "", values[MICROCODE], none);
	return err ? err : set_fact(reader, "machine.firmware", "", values[BIOS_VERSION], values[BIOS_REVISION]);
}

/* Where the configuration is: in the file's last member, or the file itself. */
static int open_file(struct reader *reader, struct gabi_value root, const struct gabi_step *config_step, struct gabi_value *file,
		     struct gabi_value *config)
{
	static const struct gabi_member members[FILE_COUNT] = {
		[VERSION] = { "firecracker_version", GABI_TYPE_TEXT, true },
		[KERNEL] = { "kernel_version", GABI_TYPE_TEXT, true },
		[MICROCODE] = { "microcode_version", GABI_TYPE_TEXT, true },
		[BIOS_VERSION] = { "bios_version", GABI_TYPE_TEXT, true },
		[BIOS_REVISION] = { "bios_revision", GABI_TYPE_TEXT, true },
		[CONFIG] = { "guest_cpu_config", GABI_TYPE_OBJECT, true },
	};
	static const struct gabi_member config_members[CONFIG_COUNT] = {
		/* What Firecracker asked for; what came of it is in the other three. */
		[CAPABILITIES] = { "kvm_capabilities", GABI_TYPE_LIST, false },
		[FEATURES] = { "vcpu_features", GABI_TYPE_LIST, false },
		[CPUID] = { "cpuid_modifiers", GABI_TYPE_LIST, false },
		[MSRS] = { "msr_modifiers", GABI_TYPE_LIST, false },
		[REGS] = { "reg_modifiers", GABI_TYPE_LIST, false },
	};
	int err = gabi_load_type(root, NULL, GABI_TYPE_OBJECT, reader->importer.diag);

	memset(file, 0, FILE_COUNT * sizeof(*file));
	if (err)
		return err;
	if (!gabi_load_find(root, "guest_cpu_config").at)
		return gabi_load_members(root, NULL, config_members, CONFIG_COUNT, config, reader->importer.diag);
	err = gabi_load_members(root, NULL, members, FILE_COUNT, file, reader->importer.diag);
	if (err)
		return err;
	return gabi_load_members(file[CONFIG], config_step, config_members, CONFIG_COUNT, config, reader->importer.diag);
}

int gabi_import_firecracker(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem,
			    struct gabi_host **ret_host, struct gabi_diag *diag)
{
	const struct gabi_step step = GABI_STEP("guest_cpu_config"), *up = &step;
	struct reader reader = { .importer = { .diag = diag }, .mem = mem };
	struct gabi_value root, file[FILE_COUNT], config[CONFIG_COUNT];
	bool x86, arm64;
	int err;

	if (view != GABI_VIEW_GUEST)
		return gabi_fail(diag, GABI_ERR_ARG, "a Firecracker fingerprint is what a guest sees", (char *)NULL);
	err = gabi_load(text, len, &root, diag);
	if (!err)
		err = open_file(&reader, root, up, file, config);
	if (err)
		return err;
	if (!file[CONFIG].at)
		up = NULL;
	x86 = config[CPUID].at || config[MSRS].at;
	arm64 = config[REGS].at;
	if (x86 == arm64)
		return fail(&reader, up, x86 ? "registers of two architectures are in the file" : "no registers are in the file");
	reader.importer.host = gabi_host_new(x86 ? GABI_ARCH_X86 : GABI_ARCH_ARM64, view, mem);
	if (!reader.importer.host)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (file[CONFIG].at)
		err = set_facts(&reader, file);
	if (!err)
		err = x86 ? read_x86(&reader, up, config) : read_arm64(&reader, up, config);
	if (err)
		gabi_host_free(reader.importer.host);
	else
		*ret_host = reader.importer.host;
	return err;
}
