/* SPDX-License-Identifier: MIT */
#include "fleet.h"

#include <gabi/formats.h>

#include "contract/pin.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEWER_MAX 6 /* features that a copy lacks, at the most */

static void stop(const char *where, const char *why)
{
	fprintf(stderr, "bench: %s: %s\n", where, why);
	exit(3);
}

char *fleet_read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	size_t len = 0, cap = 0;

	if (!file)
		stop(path, strerror(errno));
	do {
		cap = cap ? 2 * cap : 65536;
		text = realloc(text, cap);
		if (!text)
			stop(path, "out of memory");
		len += fread(text + len, 1, cap - len, file);
	} while (len == cap);
	fclose(file);
	*ret_len = len;
	return text;
}

size_t fleet_random(struct fleet *fleet, size_t limit)
{
	fleet->seed = fleet->seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(fleet->seed >> 33) % limit;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_json(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".json");
}

/* Takes the manifest if it is of the fleet's architecture. */
static void take_file(struct fleet *fleet, const char *path, size_t room)
{
	struct gabi_diag diag;
	struct gabi_host *host;
	size_t len;
	char *text = fleet_read_file(path, &len);

	if (gabi_host_read(text, len, NULL, &host, &diag))
		stop(path, diag.text);
	free(text);
	if (gabi_host_arch(host) == fleet->arch && fleet->count < room)
		fleet->hosts[fleet->count++] = host;
	else
		gabi_host_free(host);
}

static void take_directory(struct fleet *fleet, const char *directory, size_t room)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_json, by_name);

	if (count < 0)
		stop(directory, strerror(errno));
	for (int i = 0; i < count; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		take_file(fleet, path, room);
		free(entries[i]);
	}
	free(entries);
}

/* A feature that the word has and a host or a contract may be without; NULL if it has none. */
static const struct gabi_field *some_feature(struct fleet *fleet, const struct gabi_word *word)
{
	size_t count, start;
	const struct gabi_field *field = gabi_fields_of(&word->key, &count);

	if (!count || !gabi_space_is_promise(word->key.space))
		return NULL;
	start = fleet_random(fleet, count);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *at = &field[(start + i) % count];

		if ((at->rule == GABI_RULE_SUBSET || at->rule == GABI_RULE_AT_MOST) && at->bits <= 4 &&
		    ((word->value >> at->lo) & gabi_mask(at->bits)) != at->absent)
			return at;
	}
	return NULL;
}

static struct gabi_host *copy_with_less(struct fleet *fleet, const struct gabi_host *from)
{
	static const struct gabi_key tsc_khz = { .space = GABI_SPACE_VM, .index = 1 };
	struct gabi_host *host = gabi_host_new(gabi_host_arch(from), gabi_host_view(from), NULL);
	size_t count, fewer = fleet_random(fleet, FEWER_MAX + 1);
	const struct gabi_word *words = gabi_host_words(from, &count);

	if (!host)
		stop("fleet", "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct gabi_word word = words[i];
		const struct gabi_field *feature;

		if (!gabi_key_compare(&word.key, &tsc_khz))
			word.value = 2000000 + 100000 * fleet_random(fleet, 12);
		if (fleet_random(fleet, count) < 8 * fewer && (feature = some_feature(fleet, &word)))
			word.value = (word.value & ~(gabi_mask(feature->bits) << feature->lo)) | feature->absent << feature->lo;
		if (gabi_host_add(host, &word, NULL))
			stop("fleet", "a word of a real manifest is refused");
	}
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++)
		if (gabi_host_covers(from, space))
			gabi_host_cover(host, space);
	for (size_t i = 0; i < gabi_facts_count(gabi_host_facts(from)); i++) {
		const char *value, *name = gabi_facts_at(gabi_host_facts(from), i, &value);

		if (gabi_host_set_fact(host, name, value, NULL))
			stop("fleet", "out of memory");
	}
	if (gabi_host_seal(host, NULL))
		stop("fleet", "out of memory");
	return host;
}

struct fleet fleet_new(const char *directory, enum gabi_arch arch, size_t count)
{
	struct fleet fleet = { .arch = arch, .seed = 1 };

	fleet.hosts = calloc(count, sizeof(*fleet.hosts));
	if (!fleet.hosts)
		stop("fleet", "out of memory");
	take_directory(&fleet, directory, count);
	if (!fleet.count)
		stop(directory, "no manifest of the wanted architecture");
	fleet.real = fleet.count;
	for (; fleet.count < count; fleet.count++)
		fleet.hosts[fleet.count] = copy_with_less(&fleet, fleet.hosts[fleet.count % fleet.real]);
	return fleet;
}

void fleet_end(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++)
		gabi_host_free(fleet->hosts[i]);
	free(fleet->hosts);
}

const char *fleet_feature(struct fleet *fleet, const struct gabi_contract *contract)
{
	size_t count;
	const struct gabi_word *words = gabi_contract_words(contract, &count);

	for (size_t tries = 0; tries < 10000; tries++) {
		const struct gabi_field *feature = some_feature(fleet, &words[fleet_random(fleet, count)]);

		if (feature)
			return feature->name;
	}
	stop("fleet", "a contract promises no feature");
	return NULL;
}

struct gabi_contract *fleet_pin(const struct fleet *fleet, size_t at, const char *const *minus, size_t minus_count)
{
	struct gabi_pin_options options = { .size = sizeof(options), .minus = minus, .minus_count = minus_count };
	struct gabi_contract *contract;
	struct gabi_diag diag;

	if (gabi_contract_pin(fleet->hosts[at], &options, NULL, &contract, &diag))
		stop("fleet", diag.text);
	return contract;
}
