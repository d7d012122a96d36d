/* SPDX-License-Identifier: MIT */
/* What the subcommands share: how they are called, how they end, how they complain. */
#ifndef GABI_TOOL_H
#define GABI_TOOL_H

#include <gabi/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit statuses, the same for every subcommand. */
enum status {
	STATUS_YES = 0,     /* fits, or done */
	STATUS_NO = 1,      /* does not fit, differs, or cannot be known */
	STATUS_USAGE = 2,   /* wrong usage */
	STATUS_INPUT = 3,   /* bad input */
	STATUS_REFUSED = 4, /* the host or the kernel refused */
};

enum option_id {
#define OPTION_ROW(id, name, letter, arg, repeats, what) OPTION_##id,
#include "options.def"
	OPTION_COUNT
};

/* A parsed command line. */
struct args {
	const char *option[OPTION_COUNT]; /* its argument, "" for a flag; NULL where it was not given */
	char *joined;                     /* the arguments of a repeated option */
	char **file;                      /* what is left: at least the command's least, at most its most */
	size_t files;
};

#define COMMAND_ROW(name, usage, least, most, options, what) enum status run_##name(const struct args *args);
#include "commands.def"

/* One sentence on standard error, after "gabi: ". What would move a terminal's cursor is shown as \xNN. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what a library function said about a file (NULL where none is concerned); returns the exit status for it. */
enum status complain_diag(const char *path, const struct gabi_diag *diag);

/* Writes text so that it can neither move a terminal's cursor nor end the line. */
void write_safe(FILE *to, const char *text);
void print_safe(const char *text); /* on standard output */

#endif
