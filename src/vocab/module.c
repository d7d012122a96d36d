/* SPDX-License-Identifier: MIT */
#include "vocab/module.h"

#include <gabi/word.h>

#include <string.h>

#define PREFIX "module."

static const struct row {
	struct gabi_module module;
	uint16_t space;
	int part; /* -1: every part */
	uint64_t index, last, bits;
} rows[] = {
#define GABI_MODULE_ROW(param, off, on, wants, space, index, last, part, bits, source) \
	{ { PREFIX param, off, on, wants }, GABI_SPACE_##space, part, index, last, bits },
#include "changes/module.def"
};

static bool touches(const struct row *row, const struct gabi_key *key, uint64_t bits)
{
	return row->space == key->space && key->index >= row->index && key->index <= row->last &&
	       (row->part < 0 || row->part == key->part) && (row->bits & bits);
}

const struct gabi_module *gabi_module_next(const struct gabi_key *key, uint64_t bits, size_t *at)
{
	while (*at < GABI_COUNT_OF(rows)) {
		const struct row *row = &rows[(*at)++];

		if (touches(row, key, bits))
			return &row->module;
	}
	return NULL;
}

/* Is `value` one of the words of `list`? */
static bool is_one_of(const char *list, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = list; *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strcspn(at, " ") == len && !memcmp(at, value, len))
			return true;
	return false;
}

int gabi_module_is_off(const struct gabi_module *module, const struct gabi_facts *facts)
{
	const char *value = gabi_facts_get(facts, module->fact);

	return value ? is_one_of(module->off, value) : -1;
}

bool gabi_module_matters(const char *fact)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (!strcmp(rows[i].module.fact, fact))
			return true;
	return false;
}

const char *gabi_module_param(const struct gabi_module *module)
{
	return module->fact + strlen(PREFIX);
}

const struct gabi_module *gabi_module_of(const char *param)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (!strcmp(gabi_module_param(&rows[i].module), param))
			return &rows[i].module;
	return NULL;
}
