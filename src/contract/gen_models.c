/* SPDX-License-Identifier: MIT */
/* Runs at build time: expands the rows of data/models into words, so that a name that the vocabulary does not have stops
 * the build, and the library expands a model by a look-up. */
#include "contract/named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	const char *name, *parent, *model_id, *changes;
	enum gabi_arch arch;
};

static const struct row rows[] = {
#define GABI_MODEL_ROW(name, parent, source, model_id, changes) { name, parent, model_id, changes, GABI_ARCH_X86 },
#include <models/x86.def>
#define GABI_MODEL_ROW(name, parent, source, model_id, changes) { name, parent, model_id, changes, GABI_ARCH_ARM64 },
#include <models/arm64.def>
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows)[0])

static struct gabi_words expanded[ROW_COUNT];
static struct gabi_mem mem;

static void require(const struct row *row, const char *what, int err)
{
	if (!err)
		return;
	fprintf(stderr, "gen_models: %s: %s: %s\n", row->name, what, gabi_err_text(err));
	exit(1);
}

/* One of "name", "-name", "name=number", "vendor=text". */
static void change(const struct row *row, struct gabi_words *words, char *text)
{
	char *value = strchr(text, '=');

	if (value)
		*value++ = '\0';
	if (row->arch == GABI_ARCH_ARM64)
		require(row, text, gabi_words_set_arm64(words, &mem, text + (*text == '-'), value ? strtoull(value, NULL, 0) : *text != '-'));
	else if (!strcmp(text, "vendor"))
		require(row, text, value ? gabi_words_set_text(words, &mem, text, value, strlen(value)) : GABI_ERR_SYNTAX);
	else if (value)
		require(row, text, gabi_words_set_named(words, &mem, text, strtoull(value, NULL, 0)));
	else
		require(row, text, gabi_words_set_named(words, &mem, text + (*text == '-'), *text != '-'));
}

static void take_parent(size_t at)
{
	size_t parent = 0;

	if (!*rows[at].parent)
		return;
	while (parent < at && strcmp(rows[parent].name, rows[at].parent))
		parent++;
	require(&rows[at], "its parent must stand before it", parent == at ? GABI_ERR_UNKNOWN : 0);
	for (size_t i = 0; i < expanded[parent].count; i++)
		require(&rows[at], "parent", gabi_words_add(&expanded[at], &mem, &expanded[parent].at[i]));
}

static void expand(size_t at)
{
	const struct row *row = &rows[at];
	struct gabi_words *words = &expanded[at];
	char *text = gabi_mem_copy_text(&mem, row->changes);

	for (size_t other = 0; other < at; other++)
		require(row, "is there twice", strcmp(rows[other].name, row->name) ? 0 : GABI_ERR_DUPLICATE);
	take_parent(at);
	if (*row->model_id)
		require(row, "model-id", gabi_words_set_text(words, &mem, "model-id", row->model_id, strlen(row->model_id)));
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		change(row, words, word);
	require(row, "words", gabi_words_sort(words, NULL));
	gabi_mem_put(&mem, text);
}

static size_t print_words(const struct gabi_words *words)
{
	size_t printed = 0;

	for (size_t i = 0; i < words->count; i++) {
		const struct gabi_word *word = &words->at[i];

		if (!word->value) /* a child took away all that its parent had there */
			continue;
		printf("{{%u,%u,%u,0x%llx},0x%llx,0,GABI_VP_ALL,%u,0},\n", word->key.space, word->key.part, word->key.sub,
		       (unsigned long long)word->key.index, (unsigned long long)word->value, word->bits);
		printed++;
	}
	return printed;
}

int main(void)
{
	static size_t first[ROW_COUNT + 1];

	mem = gabi_mem_or_default(NULL);
	printf("static const struct gabi_word model_words[] = {\n");
	for (size_t i = 0; i < ROW_COUNT; i++) {
		expand(i);
		first[i + 1] = first[i] + print_words(&expanded[i]);
	}
	printf("};\nstatic const uint16_t model_first[] = {\n");
	for (size_t i = 0; i <= ROW_COUNT; i++)
		printf("%zu,\n", first[i]);
	printf("};\n");
	return 0;
}
