/* SPDX-License-Identifier: MIT */
#include <gabi/model.h>

#include "base/base.h"

#include <string.h>

#define ROW(model, from, seen, id, row, of_arch) \
	{ .name = model, .parent = from, .changes = row, .model_id = id, .source = seen, .arch = of_arch }

static const struct gabi_model models[] = {
#define GABI_MODEL_ROW(model, from, seen, id, row) ROW(model, from, seen, id, row, GABI_ARCH_X86),
#include <models/x86.def>
#define GABI_MODEL_ROW(model, from, seen, id, row) ROW(model, from, seen, id, row, GABI_ARCH_ARM64),
#include <models/arm64.def>
};

static const struct gabi_model_alias aliases[] = {
#define GABI_MODEL_ALIAS_ROW(alias, of, seen) { .name = alias, .model = of, .source = seen },
#include <models/x86.def>
};

#include "models.inc" /* model_words, and where in it each model's begin: written by gen_models at build time */

_Static_assert(GABI_COUNT_OF(model_first) == GABI_COUNT_OF(models) + 1, "models.inc is of another table");
_Static_assert(GABI_COUNT_OF(model_words) < 65536, "the indexes of models.inc are 16 bits");

const struct gabi_model *gabi_models(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(models);
	return models;
}

const struct gabi_model_alias *gabi_model_aliases(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(aliases);
	return aliases;
}

static const struct gabi_model *model_named(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(models); i++)
		if (!strcmp(name, models[i].name))
			return &models[i];
	return NULL;
}

const struct gabi_model *gabi_model_find(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(aliases); i++)
		if (!strcmp(name, aliases[i].name))
			return model_named(aliases[i].model);
	return model_named(name);
}

const struct gabi_word *gabi_model_words(const struct gabi_model *model, size_t *ret_count)
{
	size_t at = (size_t)(model - models);

	*ret_count = model_first[at + 1] - model_first[at];
	return &model_words[model_first[at]];
}
