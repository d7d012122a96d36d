/* SPDX-License-Identifier: MIT */
/* print_forms HOST HOST: a list of one file of each kind that gabi writes, made of two manifests. */
#include <gabi/formats.h>

#include <stdio.h>
#include <stdlib.h>

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "print_forms: %s\n", what);
	exit(1);
}

static struct gabi_host *host_of(const char *path)
{
	struct gabi_host *host;
	struct gabi_diag diag;
	static char text[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0;

	if (!file || gabi_host_read(text, len, NULL, &host, &diag))
		give_up(path);
	fclose(file);
	return host;
}

static void print(int err, char **text)
{
	if (err)
		give_up("writing failed");
	fputs(*text, stdout);
	gabi_text_free(*text, NULL);
}

int main(int argc, char **argv)
{
	const struct gabi_pin_options options = { .size = sizeof(options) };
	struct gabi_host *from, *to;
	struct gabi_contract *contract;
	struct gabi_report *check, *diff;
	struct gabi_plan *plan;
	struct gabi_diag diag;
	char *text = NULL;
	size_t len;

	if (argc != 3)
		give_up("usage: print_forms HOST HOST");
	from = host_of(argv[1]);
	to = host_of(argv[2]);
	if (gabi_contract_pin(from, &options, NULL, &contract, &diag) || gabi_check(contract, from, &check, &diag) ||
	    gabi_diff(from, to, &diff, &diag) || gabi_plan_new(contract, from, check, NULL, &plan, &diag))
		give_up(diag.text);
	putchar('[');
	print(gabi_host_write(from, NULL, &text, &len), &text);
	putchar(',');
	print(gabi_contract_write(contract, NULL, &text, &len), &text);
	putchar(',');
	print(gabi_report_write(check, NULL, &text, &len), &text);
	putchar(',');
	print(gabi_report_write(diff, NULL, &text, &len), &text);
	putchar(',');
	print(gabi_plan_write(plan, NULL, &text, &len), &text);
	puts("]");
	gabi_plan_free(plan);
	gabi_report_free(check);
	gabi_report_free(diff);
	gabi_contract_free(contract);
	gabi_host_free(from);
	gabi_host_free(to);
	return 0;
}
