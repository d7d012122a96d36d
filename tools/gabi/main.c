/* SPDX-License-Identifier: MIT */
/* The command: finds the subcommand, reads its command line, runs it. */
#include "gabi.h"

#include "formats/syntax.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *name, *usage, *what;
	enum status (*run)(const struct args *args);
	uint64_t options;   /* bit n: takes option n */
	size_t least, most; /* how many operands it takes */
};

static const struct command commands[] = {
#define COMMAND_ROW(name, usage, least, most, options, what) { #name, usage, what, run_##name, options, least, most },
#include "commands.def"
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands)[0])

static const struct {
	const char *name, *arg, *what;
	bool repeats;
	char letter;
} options[OPTION_COUNT] = {
#define OPTION_ROW(id, name, letter, arg, repeats, what) [OPTION_##id] = { name, arg, what, repeats, letter },
#include "options.def"
};

#define FIRST_LONG 256 /* what getopt returns for option n is FIRST_LONG + n, or its letter */

/* An argument in brackets may be left out: --vsm[=VTLS]. */
static bool may_lack_argument(size_t option)
{
	return options[option].arg && options[option].arg[0] == '[';
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static bool takes(const struct command *command, size_t option)
{
	return option == OPTION_HELP || command->options >> option & 1;
}

static enum status help_print(void)
{
	printf("Usage: gabi COMMAND [OPTION]... [OPERAND]...\n"
	       "Keeps the ABI that a guest sees the same for its whole life.\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-9s %-28s %s\n", commands[i].name, commands[i].usage, commands[i].what);
	printf("\n'-' as a file is standard input. 'gabi help COMMAND' lists the options of one command.\n"
	       "Exit status: 0 fits or done, 1 does not fit or not known, 2 wrong usage, 3 bad input, 4 refused by host or kernel.\n");
	return STATUS_YES;
}

static enum status help_print_command(const struct command *command)
{
	printf("Usage: gabi %s [OPTION]...%s%s\nUse it to %s.\n\n", command->name, *command->usage ? " " : "", command->usage,
	       command->what);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char left[40];

		if (!takes(command, i))
			continue;
		snprintf(left, sizeof(left), "%s%s%s", options[i].name, options[i].arg && !may_lack_argument(i) ? " " : "",
			 options[i].arg ? options[i].arg : "");
		if (options[i].letter)
			printf("  -%c, --%-18s %s\n", options[i].letter, left, options[i].what);
		else
			printf("      --%-18s %s\n", left, options[i].what);
	}
	return STATUS_YES;
}

enum status run_help(const struct args *args)
{
	const struct command *command = args->files ? command_find(args->file[0]) : NULL;

	if (args->files && !command) {
		complain("there is no command '%s'; 'gabi help' lists them", args->file[0]);
		return STATUS_USAGE;
	}
	if (!args->option[OPTION_LIST])
		return command ? help_print_command(command) : help_print();
	for (size_t i = 0; !command && i < COMMAND_COUNT; i++)
		printf("%s\n", commands[i].name);
	for (size_t i = 0; command && i < OPTION_COUNT; i++)
		if (takes(command, i))
			printf("--%s%s\n", options[i].name, options[i].arg && !may_lack_argument(i) ? "=" : "");
	return STATUS_YES;
}

enum status run_version(const struct args *args)
{
	(void)args;
	printf("gabi %s\n", GABI_VERSION);
	return STATUS_YES;
}

/* What getopt wants to know, out of the command's options. */
static void getopt_tables(const struct command *command, struct option *longs, char *shorts)
{
	*shorts++ = ':'; /* a missing argument is told apart, and getopt prints nothing */
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!takes(command, i))
			continue;
		*longs++ = (struct option){ .name = options[i].name,
					    .has_arg = !options[i].arg ? no_argument : may_lack_argument(i) ? optional_argument : required_argument,
					    .val = FIRST_LONG + (int)i };
		if (!options[i].letter)
			continue;
		*shorts++ = options[i].letter;
		if (options[i].arg)
			*shorts++ = ':';
	}
	*longs = (struct option){ 0 };
	*shorts = '\0';
}

static size_t option_of(int got)
{
	size_t i = 0;

	if (got >= FIRST_LONG)
		return (size_t)(got - FIRST_LONG);
	while (options[i].letter != got)
		i++;
	return i;
}

/* Adds one option's argument to what was parsed; that of a repeated one after a comma. */
static bool option_add(const struct command *command, struct args *args, size_t option, const char *value)
{
	const char *before = args->option[option];
	size_t len;
	char *joined;

	if (!before) {
		args->option[option] = value ? value : "";
		return true;
	}
	if (!options[option].repeats) {
		complain("%s: --%s is given twice", command->name, options[option].name);
		return false;
	}
	len = strlen(before) + strlen(value) + 2;
	joined = malloc(len);
	if (!joined) {
		complain("out of memory");
		return false;
	}
	snprintf(joined, len, "%s,%s", before, value);
	free(args->joined);
	args->option[option] = args->joined = joined;
	return true;
}

/* Is more than one input to be standard input, which ends with the first? */
static bool reads_standard_input_again(const struct args *args)
{
	static const int inputs[] = { OPTION_OFFER, OPTION_OLD, OPTION_NEW, OPTION_QEMU, OPTION_FIRECRACKER, OPTION_CONTRACT, OPTION_INITRD, OPTION_LIBVIRT };
	size_t times = 0;

	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++)
		times += args->option[inputs[i]] && !strcmp(args->option[inputs[i]], "-");
	for (size_t i = 0; i < args->files; i++)
		times += !strcmp(args->file[i], "-");
	return times > 1;
}

static bool parse(const struct command *command, int argc, char **argv, struct args *args)
{
	struct option longs[OPTION_COUNT + 1];
	char shorts[2 * OPTION_COUNT + 2];

	getopt_tables(command, longs, shorts);
	for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		if (got == '?' || got == ':') {
			complain(got == ':' ? "%s: '%s' wants an argument; 'gabi help %s' says which" :
					      "%s: there is no option '%s'; 'gabi help %s' lists them",
				 command->name, argv[optind - 1], command->name);
			return false;
		}
		if (!option_add(command, args, option_of(got), optarg))
			return false;
	}
	args->file = argv + optind;
	args->files = (size_t)(argc - optind);
	if (args->option[OPTION_HELP])
		return true;
	if (args->files < command->least || args->files > command->most) {
		complain("%s: too %s operands; usage: gabi %s [OPTION]... %s", command->name,
			 args->files < command->least ? "few" : "many", command->name, command->usage);
		return false;
	}
	if (reads_standard_input_again(args)) {
		complain("%s: '-' is given twice, and standard input can be read only once", command->name);
		return false;
	}
	return true;
}

/* A name goes into files, and these are UTF-8. */
static bool name_is_text(const struct command *command, const struct args *args)
{
	const char *at = args->option[OPTION_NAME] ? args->option[OPTION_NAME] : "", *end = at + strlen(at);
	size_t len = 1;

	for (; len && at < end; at += len)
		len = gabi_utf8_len(at, end);
	if (!len)
		complain("%s: the name is not UTF-8", command->name);
	return len;
}

static enum status run_command(const struct command *command, int argc, char **argv)
{
	struct args args = { 0 };
	enum status status = STATUS_USAGE;

	if (parse(command, argc, argv, &args) && name_is_text(command, &args)) {
		if (args.option[OPTION_HELP])
			status = help_print_command(command);
		else
			status = command->run(&args);
	}
	free(args.joined);
	return status;
}

static enum status run(int argc, char **argv)
{
	const struct command *command;
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		complain("no command given; 'gabi help' lists them");
		return STATUS_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version"))
		name = "version";
	command = command_find(name);
	if (!command) {
		complain("there is no command '%s'; 'gabi help' lists them", name);
		return STATUS_USAGE;
	}
	return run_command(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	enum status status;

	setlocale(LC_CTYPE, "");
	status = run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write to standard output: %s", strerror(errno));
		return STATUS_REFUSED;
	}
	return (int)status;
}
