/* SPDX-License-Identifier: MIT */
/* The CPU models, one a line and parted by tabs, for the oracle that holds them against QEMU's:
 *   model NAME SOURCE SPACE:INDEX:SUB:PART=VALUE...      arm64 as model      alias NAME MODEL SOURCE
 * The levels are raised to what the features want, as QEMU raises them before it tells a model. */
#include <gabi/model.h>

#include "contract/named.h"

#include <stdio.h>

static void print_model(const struct gabi_model *model, const struct gabi_mem *mem)
{
	struct gabi_words words = { 0 };
	size_t count;
	const struct gabi_word *word = gabi_model_words(model, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = gabi_words_add(&words, mem, &word[i]);
	if (err || gabi_words_raise_levels(&words, mem))
		return;
	printf("%s\t%s\t%s\t", model->arch == GABI_ARCH_X86 ? "model" : "arm64", model->name, model->source);
	for (size_t i = 0; i < words.count; i++)
		printf("%s:%#llx:%u:%u=%#llx ", gabi_space_text(words.at[i].key.space), (unsigned long long)words.at[i].key.index,
		       words.at[i].key.sub, words.at[i].key.part, (unsigned long long)words.at[i].value);
	printf("\n");
	gabi_words_free(&words, mem);
}

int main(void)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	size_t count;
	const struct gabi_model *model = gabi_models(&count);
	const struct gabi_model_alias *alias;

	for (size_t i = 0; i < count; i++)
		print_model(&model[i], &mem);
	alias = gabi_model_aliases(&count);
	for (size_t i = 0; i < count; i++)
		printf("alias\t%s\t%s\t%s\n", alias[i].name, alias[i].model, alias[i].source);
	return 0;
}
