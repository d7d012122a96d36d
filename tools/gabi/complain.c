/* SPDX-License-Identifier: MIT */
#include "gabi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

void write_safe(FILE *to, const char *text)
{
	mbstate_t state = { 0 };
	size_t left = strlen(text);

	while (left) {
		wchar_t wide;
		size_t len = mbrtowc(&wide, text, left, &state);

		if (len == (size_t)-1 || len == (size_t)-2 || len == 0) {
			memset(&state, 0, sizeof(state));
			len = 1;
			fprintf(to, "\\x%02x", (unsigned char)*text);
		} else if (iswprint((wint_t)wide)) {
			fwrite(text, 1, len, to);
		} else {
			for (size_t i = 0; i < len; i++)
				fprintf(to, "\\x%02x", (unsigned char)text[i]);
		}
		text += len;
		left -= len;
	}
}

void print_safe(const char *text)
{
	write_safe(stdout, text);
}

void complain(const char *format, ...)
{
	char text[8192];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	fflush(stdout);
	fputs("gabi: ", stderr);
	write_safe(stderr, text);
	fputc('\n', stderr);
}

static enum status status_of(int err)
{
	switch (err) {
	case GABI_ERR_NOMEM:
	case GABI_ERR_KVM:
	case GABI_ERR_UNSUPPORTED:
		return STATUS_REFUSED;
	case GABI_ERR_ARG:
		return STATUS_USAGE;
	default:
		return STATUS_INPUT;
	}
}

enum status complain_diag(const char *path, const struct gabi_diag *diag)
{
	const char *text = *diag->text ? diag->text : gabi_err_text(diag->err);
	char place[sizeof(diag->where) + 32] = "";

	if (diag->line)
		snprintf(place, sizeof(place), "%u:%u: ", diag->line, diag->column);
	if (*diag->where)
		snprintf(place + strlen(place), sizeof(place) - strlen(place), "%s: ", diag->where);
	if (path)
		complain("%s:%s%s%s", strcmp(path, "-") ? path : "standard input", diag->line ? "" : " ", place, text);
	else
		complain("%s%s", place, text);
	return path && diag->err == GABI_ERR_ARG ? STATUS_INPUT : status_of(diag->err);
}
