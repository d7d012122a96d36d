/* SPDX-License-Identifier: MIT */
/* CPU models and -cpu arguments: what a look-up and a parse cost. */
#include "bench.h"

#include <gabi/cpu_string.h>

#include <stdlib.h>
#include <string.h>

static void expand(void *ctx)
{
	size_t count;
	const struct gabi_word *word = gabi_model_words(gabi_model_find(ctx), &count);

	bench_use(word[count - 1].value);
}

static void parse(void *ctx)
{
	const char *text = ctx;
	struct gabi_cpu *cpu;
	size_t count;

	if (gabi_cpu_parse(text, strlen(text), NULL, &cpu, NULL))
		exit(3);
	gabi_cpu_words(cpu, &count);
	bench_use(count);
	gabi_cpu_free(cpu);
}

int main(void)
{
	static char model[] = "Cascadelake-Server-v5";
	static char argument[] = "Cascadelake-Server,hv-relaxed,hv-vapic,+vmx,hv-evmcs,-vmx-tsc-scaling,enforce";
	size_t words;

	gabi_model_words(gabi_model_find(model), &words);
	bench_print(&(struct bench_line){ .bench = "model", .name = "expand a model", .n = words, .ns_per_op = bench_time(expand, model),
					  .data = model });
	bench_print(&(struct bench_line){ .bench = "model", .name = "parse an argument", .n = sizeof(argument) - 1,
					  .ns_per_op = bench_time(parse, argument), .data = argument });
	return 0;
}
