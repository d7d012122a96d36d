/* SPDX-License-Identifier: MIT */
#include <gabi/vocab.h>

#include "base/base.h"

#include <string.h>

#define KEY(space_name, index_value, sub_value, part_value) \
	{ .space = GABI_SPACE_##space_name, .part = part_value, .sub = sub_value, .index = index_value }

static const struct gabi_field fields[] = {
#define GABI_FIELD_ROW(space, index, sub, last, part, low, width, absent_value, field_kind, field_rule, field_hide, field_name, \
		       other_names, when_name, from)                                                                          \
	{ .name = field_name, .aliases = other_names, .when = when_name, .source = from, .key = KEY(space, index, sub, part), \
	  .sub_last = last, .lo = low, .bits = width, .kind = GABI_KIND_##field_kind, .rule = GABI_RULE_##field_rule,         \
	  .hide = GABI_HIDE_##field_hide, .absent = absent_value },
#include "tables.h"
};

static const struct gabi_reg regs[] = {
#define GABI_REG_ROW(space, index, first, last, reg_scope, equal, zero, reg_name, when_name, from)                        \
	{ .name = reg_name, .when = when_name, .source = from, .key = KEY(space, index, first, 0), .sub_last = last,      \
	  .scope = GABI_SCOPE_##reg_scope, .same = equal, .resets_to_0 = zero },
#include "tables.h"
};

static const struct {
	struct gabi_key key;
	uint64_t need, bits;
} shows[] = {
#define GABI_SHOW_ROW(space, index, part, needed, shown, from) { KEY(space, index, 0, part), needed, shown },
#include "tables.h"
};

#include "names.inc" /* field_by_name, field_when: written by gen_names at build time */

_Static_assert(GABI_COUNT_OF(fields) < 32768, "the indexes of names.inc are 16 bits");

static const struct {
	const char *text, *what;
} rules[] = {
#define GABI_RULE_ROW(name, text, what) [GABI_RULE_##name] = { text, what },
#include <gabi/rule.def>
};

const struct gabi_field *gabi_fields(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(fields);
	return fields;
}

const struct gabi_reg *gabi_regs(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(regs);
	return regs;
}

static char fold(char c)
{
	return c == '_' ? '-' : c;
}

/* Orders `name` against the first len bytes of `other`. */
static int compare_names(const char *name, const char *other, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (fold(name[i]) != fold(other[i]) || !name[i])
			return fold(name[i]) - fold(other[i]);
	return name[len];
}

static bool same_name(const char *name, const char *other, size_t len)
{
	return compare_names(name, other, len) == 0;
}

/* Is `name`, with or without its tool, one of "tool:name tool:name"? */
static bool in_aliases(const char *name, const char *aliases)
{
	while (*aliases) {
		size_t len = strcspn(aliases, " ");
		const char *colon = memchr(aliases, ':', len);

		if (same_name(name, aliases, len))
			return true;
		if (colon && same_name(name, colon + 1, len - (size_t)(colon + 1 - aliases)))
			return true;
		aliases += len;
		aliases += strspn(aliases, " ");
	}
	return false;
}

static bool of_arch(const struct gabi_key *key, enum gabi_arch arch)
{
	enum gabi_arch own = gabi_space_arch(key->space);

	return arch == GABI_ARCH_ANY || own == GABI_ARCH_ANY || own == arch;
}

/* Where in field_by_name the rows of that name begin, or would. */
static size_t name_place(const char *name)
{
	size_t low = 0, high = GABI_COUNT_OF(fields);

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = fields[field_by_name[middle]].name;

		if (compare_names(name, other, strlen(other)) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct gabi_field *field_named(const char *name, enum gabi_arch arch)
{
	for (size_t at = name_place(name); at < GABI_COUNT_OF(fields); at++) {
		const struct gabi_field *field = &fields[field_by_name[at]];

		if (!same_name(name, field->name, strlen(field->name)))
			break;
		if (of_arch(&field->key, arch))
			return field;
	}
	return NULL;
}

/* A row lists only the names that differ from its own: what a tool calls by the same name is found without the tool. */
static const struct gabi_field *field_of_own_name(const char *name, enum gabi_arch arch)
{
	static const char *const tools[] = { "qemu:", "libvirt:", "linux:", "arm:" };

	for (size_t i = 0; i < GABI_COUNT_OF(tools); i++)
		if (!strncmp(name, tools[i], strlen(tools[i])))
			return field_named(name + strlen(tools[i]), arch);
	return field_named(name, arch);
}

static const struct gabi_field *field_with_alias(const char *name, enum gabi_arch arch, size_t from)
{
	for (size_t i = from; i < GABI_COUNT_OF(fields); i++)
		if (of_arch(&fields[i].key, arch) && in_aliases(name, fields[i].aliases))
			return &fields[i];
	return NULL;
}

const struct gabi_field *gabi_field_by_name(const char *name, enum gabi_arch arch)
{
	const struct gabi_field *field = field_of_own_name(name, arch);

	return field ? field : field_with_alias(name, arch, 0);
}

const struct gabi_field *gabi_field_by_name_next(const char *name, enum gabi_arch arch, const struct gabi_field *after)
{
	const struct gabi_field *own = field_of_own_name(name, arch);
	const struct gabi_field *next = field_with_alias(name, arch, after == own ? 0 : (size_t)(after - fields) + 1);

	return next && next == own ? field_with_alias(name, arch, (size_t)(own - fields) + 1) : next; /* own came first */
}

const struct gabi_field *gabi_field_when(const struct gabi_field *field)
{
	int at = field_when[field - fields];

	return at < 0 ? NULL : &fields[at];
}

int gabi_field_is_emulated(const struct gabi_field *field)
{
	static const char *const names[] = {
#define GABI_EMULATED_ROW(name, how) name,
#include <gabi/emulated.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(names) && field->key.space == GABI_SPACE_CPUID; i++)
		if (!strcmp(field->name, names[i]))
			return 1;
	return 0;
}

const struct gabi_reg *gabi_reg_by_name(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(regs); i++)
		if (!strcmp(name, regs[i].name))
			return &regs[i];
	return NULL;
}

uint64_t gabi_showable(const struct gabi_key *key, uint64_t value)
{
	for (size_t i = 0; i < GABI_COUNT_OF(shows); i++)
		if (!gabi_key_compare(&shows[i].key, key) && (value & shows[i].need) == shows[i].need)
			value |= shows[i].bits;
	return value;
}

int64_t gabi_field_get(const struct gabi_field *field, uint64_t word)
{
	uint64_t value = (word >> field->lo) & gabi_mask(field->bits);

	if (field->kind == GABI_KIND_INT && field->bits < 64 && value >> (field->bits - 1))
		value |= ~gabi_mask(field->bits);
	return (int64_t)value;
}

const char *gabi_rule_text(unsigned rule)
{
	return rule < GABI_RULE_COUNT ? rules[rule].text : "unknown";
}

const char *gabi_rule_what(unsigned rule)
{
	return rule < GABI_RULE_COUNT ? rules[rule].what : "";
}

static const char *const cpuid_regs[] = { "eax", "ebx", "ecx", "edx" };

static bool is_cpuid(unsigned space)
{
	return space == GABI_SPACE_CPUID || space == GABI_SPACE_CPUID_EMULATED || space == GABI_SPACE_KVM ||
	       space == GABI_SPACE_HYPERV || space == GABI_SPACE_HYPERV_EVMCS || space == GABI_SPACE_HYPERV_SYSTEM;
}

size_t gabi_key_print(const struct gabi_key *key, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);
	const char *space = gabi_space_text(key->space);

	gabi_out_text(&to, space ? space : "none");
	gabi_out_text(&to, " 0x");
	gabi_out_hex(&to, key->index, 1);
	if (is_cpuid(key->space)) {
		gabi_out_text(&to, ".0x");
		gabi_out_hex(&to, key->sub, 1);
		gabi_out_char(&to, ' ');
		gabi_out_text(&to, cpuid_regs[key->part & 3]);
	} else if (key->part) {
		gabi_out_char(&to, '[');
		gabi_out_dec(&to, key->part);
		gabi_out_char(&to, ']');
	}
	return to.len;
}

size_t gabi_field_print(const struct gabi_field *field, const struct gabi_key *key, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);

	gabi_out_text(&to, field->name);
	if (field->sub_last != field->key.sub) {
		gabi_out_char(&to, '[');
		gabi_out_dec(&to, key->sub);
		gabi_out_char(&to, ']');
	}
	return to.len;
}
