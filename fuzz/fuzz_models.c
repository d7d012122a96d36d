/* SPDX-License-Identifier: MIT */
/* Models of a user's that are read stand for an argument in QEMU's words alone, which asks for the same. */
#include "fuzz.h"

#include <gabi/cpu_string.h>
#include <gabi/formats.h>

#include <string.h>

static void expect_same(const struct gabi_cpu *a, const struct gabi_cpu *b)
{
	size_t count, other_count;
	const struct gabi_word *word = gabi_cpu_words(a, &count), *other = gabi_cpu_words(b, &other_count);

	fuzz_expect(count == other_count && gabi_cpu_model(a) == gabi_cpu_model(b));
	for (size_t i = 0; i < count; i++)
		fuzz_expect(!gabi_key_compare(&word[i].key, &other[i].key) && word[i].value == other[i].value);
}

static void expect_argument(const struct gabi_model_set *set, const struct gabi_model *model)
{
	struct gabi_cpu *own, *told;
	char *argument;

	fuzz_expect(gabi_model_set_find(set, model->name) == model && !gabi_model_find(model->name));
	fuzz_expect(!gabi_model_set_argument(set, model->name, strlen(model->name), NULL, &argument, NULL));
	fuzz_expect(!gabi_cpu_parse(model->name, strlen(model->name), set, NULL, &own, NULL));
	fuzz_expect(!gabi_cpu_parse(argument, strlen(argument), NULL, NULL, &told, NULL));
	expect_same(own, told);
	gabi_cpu_free(told);
	gabi_cpu_free(own);
	gabi_text_free(argument, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct gabi_model_set *set;
	const struct gabi_model *model;
	size_t count;
	int err;

	fuzz_expect(!gabi_model_set_new(NULL, &set));
	err = gabi_models_read((const char *)data, len, NULL, set, &diag);
	fuzz_expect(!err || (diag.err == err && diag.text[0]));
	model = gabi_model_set_models(set, &count);
	for (size_t i = 0; i < count; i++)
		expect_argument(set, &model[i]);
	gabi_model_set_free(set);
	if (!err)
		fuzz_reached();
	return 0;
}
