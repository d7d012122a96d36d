/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <gabi/formats.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* A file's name as a JSON string; a byte that is not of the locale's encoding becomes U+FFFD. */
static void print_string(const char *text)
{
	mbstate_t state = { 0 };
	size_t left = strlen(text);

	putchar('"');
	while (left) {
		unsigned char c = (unsigned char)*text;
		size_t len = c < 0x80 ? 1 : mbrlen(text, left, &state);

		if (len > left) {
			memset(&state, 0, sizeof(state));
			len = 1;
			fputs("\\ufffd", stdout);
		} else if (c < 0x20 || c == '"' || c == '\\') {
			printf("\\u%04x", c);
		} else {
			fwrite(text, 1, len, stdout);
		}
		text += len;
		left -= len;
	}
	putchar('"');
}

static enum status print_report(const struct gabi_report *report)
{
	char *text;
	size_t len;
	int err = gabi_report_write(report, NULL, &text, &len);

	if (err) {
		complain("%s", gabi_err_text(err));
		return STATUS_REFUSED;
	}
	while (len && text[len - 1] == '\n')
		len--;
	fwrite(text, 1, len, stdout);
	gabi_text_free(text, NULL);
	return STATUS_YES;
}

enum status json_report(const struct gabi_report *report)
{
	enum status status = print_report(report);

	putchar('\n');
	return status;
}

enum status json_reports(const struct fleet *fleet, struct gabi_report *const *reports)
{
	enum status status = STATUS_YES;

	fputs("{\"files\":[", stdout);
	for (size_t i = 0; i < fleet->files; i++) {
		fputs(i ? ",\n{\"file\":" : "\n{\"file\":", stdout);
		print_string(fleet->paths[i]);
		printf(",\"report\":%zu}", fleet->of[i]);
	}
	fputs("],\n\"reports\":[\n", stdout);
	for (size_t i = 0; !status && i < fleet->count; i++) {
		if (i)
			fputs(",\n", stdout);
		status = print_report(reports[i]);
	}
	fputs("]}\n", stdout);
	return status;
}
