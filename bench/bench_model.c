/* SPDX-License-Identifier: MIT */
/* CPU models and QEMU command lines: what a look-up, a parse, the guest on a host and the way back cost. */
#include "bench.h"

#include <gabi/cpu_string.h>
#include <gabi/formats.h>
#include <gabi/qemu.h>

#include <stdio.h>
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

	if (gabi_cpu_parse(text, strlen(text), NULL, NULL, &cpu, NULL))
		exit(3);
	gabi_cpu_words(cpu, &count);
	bench_use(count);
	gabi_cpu_free(cpu);
}

static struct gabi_host *host;

static void start(void *ctx)
{
	const char *text = ctx;
	struct gabi_qemu *line;
	struct gabi_qemu_guest *guest;

	if (gabi_qemu_parse(text, strlen(text), NULL, NULL, &line, NULL) || gabi_qemu_start(line, host, NULL, &guest, NULL))
		exit(3);
	bench_use(gabi_qemu_guest_contract(guest) != NULL);
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}

static void find(void *ctx)
{
	struct gabi_qemu *line;

	if (gabi_qemu_find(ctx, host, NULL, &line, NULL))
		exit(3);
	bench_use(strlen(gabi_qemu_cpu(line)));
	gabi_qemu_free(line);
}

static void read_host(const char *directory)
{
	static char text[1 << 20], path[1024];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/amd-epyc-rome-linux-7.2.json", directory);
	file = fopen(path, "re");
	len = file ? fread(text, 1, sizeof(text), file) : 0;
	if (!len || gabi_host_read(text, len, NULL, &host, NULL))
		exit(3);
	fclose(file);
}

static void time_guests(char *text)
{
	struct gabi_contract *all;

	bench_print(&(struct bench_line){ .bench = "model", .name = "the guest of a line", .n = strlen(text),
					  .ns_per_op = bench_time(start, text), .data = text });
	if (gabi_contract_pin(host, NULL, NULL, &all, NULL))
		exit(3);
	bench_print(&(struct bench_line){ .bench = "model", .name = "the line for a contract", .n = 1, .ns_per_op = bench_time(find, all),
					  .data = "all that amd-epyc-rome-linux-7.2 offers" });
	gabi_contract_free(all);
}

int main(int argc, char **argv)
{
	static char line[] = "-machine pc-q35-7.2 -cpu EPYC-Rome,hv-relaxed,hv-vapic,hv-time";
	static char model[] = "Cascadelake-Server-v5";
	static char argument[] = "Cascadelake-Server,hv-relaxed,hv-vapic,+vmx,hv-evmcs,-vmx-tsc-scaling,enforce";
	size_t words;

	gabi_model_words(gabi_model_find(model), &words);
	bench_print(&(struct bench_line){ .bench = "model", .name = "expand a model", .n = words, .ns_per_op = bench_time(expand, model),
					  .data = model });
	bench_print(&(struct bench_line){ .bench = "model", .name = "parse an argument", .n = sizeof(argument) - 1,
					  .ns_per_op = bench_time(parse, argument), .data = argument });
	if (argc > 1) {
		read_host(argv[1]);
		time_guests(line);
		gabi_host_free(host);
	}
	return 0;
}
