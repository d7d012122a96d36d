/* SPDX-License-Identifier: MIT */
/* Every fingerprint of real hosts is imported, and is written and read back unchanged; what it becomes keeps the laws of verdicts. */
#include <gabi/formats.h>
#include <gabi/verdict.h>

#include "file.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(const char *name, const char *what, const char *why)
{
	printf("%s: %s%s%s\n", name, what, *why ? ": " : "", why);
	return false;
}

static struct gabi_host *import(const char *directory, const char *name)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	size_t len = 0;
	const char *text = read_file(directory, name, &len);

	if (!text)
		wrong(name, "cannot be opened", "");
	else if (gabi_host_import(text, len, GABI_IMPORT_GUESS, GABI_VIEW_GUEST, NULL, &host, &diag))
		wrong(name, "is not imported", diag.text);
	return host;
}

/* Written, read, and written again: the same bytes. */
static bool comes_back(const char *name, const struct gabi_host *host)
{
	struct gabi_host *again = NULL;
	struct gabi_diag diag = { 0 };
	char *first = NULL, *second = NULL;
	size_t first_len, second_len;
	bool same;

	if (gabi_host_write(host, NULL, &first, &first_len))
		return wrong(name, "is not written", "");
	if (gabi_host_read(first, first_len, NULL, &again, &diag)) {
		gabi_text_free(first, NULL);
		return wrong(name, "is not read back", diag.text);
	}
	same = gabi_host_write(again, NULL, &second, &second_len) == 0 && first_len == second_len &&
	       !memcmp(first, second, first_len);
	gabi_text_free(first, NULL);
	gabi_text_free(second, NULL);
	gabi_host_free(again);
	return same || wrong(name, "is not the same when read back", "");
}

static bool equal_words(const struct gabi_host *a, const struct gabi_host *b)
{
	size_t a_count, b_count;
	const struct gabi_word *x = gabi_host_words(a, &a_count), *y = gabi_host_words(b, &b_count);

	for (size_t i = 0; i < a_count && a_count == b_count; i++)
		if (gabi_key_compare(&x[i].key, &y[i].key) || x[i].value != y[i].value)
			return false;
	return a_count == b_count;
}

/* A guest that was adopted fits where it was seen; and what a file says does not differ from itself. */
static bool keeps_the_laws(const char *name, const struct gabi_host *host)
{
	struct gabi_contract *contract = NULL;
	struct gabi_report *report = NULL;
	struct gabi_diag diag = { 0 };
	size_t differences = 0;
	bool fits;

	if (gabi_contract_pin(host, NULL, NULL, &contract, &diag))
		return wrong(name, "is not pinned", diag.text);
	fits = gabi_check_verdict(contract, host) == GABI_FITS;
	gabi_contract_free(contract);
	if (!fits)
		return wrong(name, "a contract pinned of it does not fit it", "");
	if (gabi_diff(host, host, &report, &diag))
		return wrong(name, "is not compared", diag.text);
	gabi_report_findings(report, &differences);
	gabi_report_free(report);
	return !differences || wrong(name, "differs from itself", "");
}

static bool judge(const char *directory, const char *name)
{
	struct gabi_host *host = import(directory, name), *twin = import(directory, name);
	size_t words = 0;
	bool good = host && twin;

	if (host)
		gabi_host_words(host, &words);
	if (good && words < 100)
		good = wrong(name, "has less than a hundred words", "");
	good = good && comes_back(name, host) && keeps_the_laws(name, host);
	if (good && !equal_words(host, twin))
		good = wrong(name, "is imported otherwise the second time", "");
	gabi_host_free(host);
	gabi_host_free(twin);
	return good;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	size_t count = 0, bad = 0;

	if (!directory) {
		printf("%s is not there\n", argc == 2 ? argv[1] : "the directory");
		return argc == 2 ? 77 : 2;
	}
	for (const struct dirent *entry; (entry = readdir(directory));) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".json"))
			continue;
		bad += !judge(argv[1], entry->d_name);
		count++;
	}
	closedir(directory);
	printf("%zu fingerprints, %zu of them wrong\n", count, bad);
	return !count || bad;
}
