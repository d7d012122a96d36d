/* SPDX-License-Identifier: MIT */
/*
 * Remedies do what they say: for each two real hosts of one architecture the guest of the one, less what the remedies of the
 * verdict on the other name, has nothing left that is missing there; and a baseline of both has the number that is named. And a
 * module parameter that is off takes away what data/changes says that it does.
 *   test_remedies DIRECTORY
 */
#define _GNU_SOURCE /* scandir */
#include <gabi/formats.h>
#include <gabi/verdict.h>

#include "manifest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HOSTS = 256, MOST_NAMES = 512, MOST_ROUNDS = 8 };

static const char *directory;
static struct gabi_host *hosts[MOST_HOSTS];
static size_t host_count;

/* ---- hosts ---- */

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int read_hosts(void **state)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_file, alphasort);

	(void)state;
	for (int i = 0; i < count; i++) {
		if (host_count < MOST_HOSTS)
			hosts[host_count++] = read_manifest(directory, entries[i]->d_name);
		free(entries[i]);
	}
	if (count > 0)
		free(entries);
	return host_count > 1 ? 0 : -1;
}

static int free_hosts(void **state)
{
	(void)state;
	for (size_t i = 0; i < host_count; i++)
		gabi_host_free(hosts[i]);
	return 0;
}

static const char *name_of(const struct gabi_host *host)
{
	return gabi_host_fact(host, "name");
}

/* ---- going without ---- */

static char names[MOST_NAMES][64];
static const char *minus[MOST_NAMES];
static size_t name_count, gone_without, at_a_number;

/* The name after "without " in the remedy; false if it says no such thing. */
static bool name_to_leave_out(const struct gabi_finding *finding, char *name, size_t cap)
{
	char remedy[512];
	const char *at;

	gabi_finding_remedy(finding, remedy, sizeof(remedy));
	at = finding->weight == GABI_WEIGHT_BLOCK ? strstr(remedy, "without ") : NULL;
	if (!at || !strncmp(remedy, "choose ", strlen("choose ")))
		return false;
	at += strlen("without ");
	snprintf(name, cap, "%.*s", (int)strcspn(at, ","), at);
	return true;
}

/* How many names there are to leave out of the contract. */
static size_t take_names(const struct gabi_report *report, const struct gabi_host *from, const struct gabi_host *to)
{
	size_t count, before = name_count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);
	char name[64];

	for (size_t i = 0; i < count; i++) {
		if (!name_to_leave_out(&finding[i], name, sizeof(name)))
			continue;
		for (size_t n = 0; n < before; n++)
			if (!strcmp(names[n], name))
				fail_msg("%s on %s: going without %s does not help", name_of(from), name_of(to), name);
		assert_true(name_count < MOST_NAMES);
		minus[name_count] = strcpy(names[name_count], name);
		name_count++;
	}
	gone_without += name_count - before;
	return name_count - before;
}

static struct gabi_report *check_less(const struct gabi_host *from, const struct gabi_host *to)
{
	const struct gabi_pin_options options = { .size = sizeof(options), .minus = minus, .minus_count = name_count };
	struct gabi_contract *contract = NULL;
	struct gabi_report *report = NULL;
	struct gabi_diag diag = { 0 };

	if (gabi_contract_pin(from, &options, NULL, &contract, &diag))
		fail_msg("%s: %s", name_of(from), diag.text);
	assert_int_equal(gabi_check(contract, to, &report, NULL), 0);
	gabi_contract_free(contract); /* what findings point to is of the hosts and the vocabulary */
	return report;
}

/* ---- a number that both have ---- */

static uint64_t mask_of(unsigned bits)
{
	return bits < 64 ? (1ull << bits) - 1 : ~0ull;
}

static void look_at_numbers(const struct gabi_report *report, const struct gabi_host *from, const struct gabi_host *to)
{
	const struct gabi_host *both[] = { from, to };
	struct gabi_contract *baseline = NULL;
	struct gabi_report *costs;
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	assert_int_equal(gabi_baseline(both, 2, NULL, &baseline, &costs, NULL), 0);
	for (size_t i = 0; baseline && i < count; i++) {
		const struct gabi_word *word = gabi_contract_find(baseline, &finding[i].key, GABI_VP_ALL);
		char remedy[512];

		gabi_finding_remedy(&finding[i], remedy, sizeof(remedy));
		if (!strstr(remedy, "which has "))
			continue;
		if (word && (word->value >> finding[i].lo & mask_of(finding[i].bits)) != finding[i].have)
			fail_msg("%s and %s: their baseline does not have %s", name_of(from), name_of(to), remedy);
		at_a_number++;
	}
	gabi_report_free(costs);
	gabi_contract_free(baseline);
}

static void try_remedies(const struct gabi_host *from, const struct gabi_host *to)
{
	bool again = true;

	name_count = 0;
	for (unsigned round = 0; again; round++) {
		struct gabi_report *report = check_less(from, to);

		if (round > MOST_ROUNDS)
			fail_msg("%s on %s: there is no end of remedies", name_of(from), name_of(to));
		if (round == 0)
			look_at_numbers(report, from, to);
		again = take_names(report, from, to) > 0;
		gabi_report_free(report);
	}
}

static void remedies__of_each_two_hosts__help(void **state)
{
	(void)state;
	for (size_t i = 0; i < host_count; i++)
		for (size_t j = 0; j < host_count; j++)
			if (i != j && gabi_host_arch(hosts[i]) == gabi_host_arch(hosts[j]))
				try_remedies(hosts[i], hosts[j]);
	print_message("%zu remedies by going without, %zu by a number\n", gone_without, at_a_number);
	assert_true(gone_without > 10000 && at_a_number > 100);
}

/* ---- module parameters ---- */

static const struct {
	const char *fact, *off;
	unsigned space;
	uint64_t index, last, bits;
	int part;
} rows[] = {
#define GABI_MODULE_ROW(param, off, on, wants, space, index, last, part, bits, source) \
	{ "module." param, off, GABI_SPACE_##space, index, last, bits, part },
#include <changes/module.def>
};

static bool is_off(const struct gabi_host *host, const char *fact, const char *off)
{
	const char *value = gabi_host_fact(host, fact);

	return value && strlen(value) == 1 && strchr(off, *value);
}

static void module_parameter__that_is_off__takes_away_what_its_row_says(void **state)
{
	size_t seen = 0;

	(void)state;
	for (size_t h = 0; h < host_count; h++) {
		size_t count;
		const struct gabi_word *word = gabi_host_words(hosts[h], &count);

		for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
			if (!is_off(hosts[h], rows[r].fact, rows[r].off))
				continue;
			for (size_t w = 0; w < count; w++) {
				const struct gabi_key *key = &word[w].key;

				if (key->space != rows[r].space || key->index < rows[r].index || key->index > rows[r].last ||
				    (rows[r].part >= 0 && key->part != rows[r].part))
					continue;
				if (word[w].value & rows[r].bits)
					fail_msg("%s: %s is off, and 0x%llx of 0x%llx is there", name_of(hosts[h]), rows[r].fact,
						 (unsigned long long)(word[w].value & rows[r].bits), (unsigned long long)key->index);
				seen++;
			}
		}
	}
	print_message("%zu words of parameters that are off\n", seen);
	assert_true(seen > 50);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remedies__of_each_two_hosts__help),
		cmocka_unit_test(module_parameter__that_is_off__takes_away_what_its_row_says),
	};

	if (argc != 2)
		return 2;
	directory = argv[1];
	return cmocka_run_group_tests(tests, read_hosts, free_hosts);
}
