/* SPDX-License-Identifier: MIT */
/* Reading manifests: time against another JSON reader of the same run, and what they hold of memory. */
#include "bench.h"
#include "fleet.h"

#include <gabi/formats.h>

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *at;
	size_t len;
	char name[256];
};

/* ---- memory ---- */

struct held {
	size_t now, most;
};

/* The length stands before what is handed out. */
#define HEAD sizeof(max_align_t)

static void *held_resize(void *ctx, void *ptr, size_t len)
{
	struct held *held = ctx;
	char *block = ptr ? (char *)ptr - HEAD : NULL;

	if (block)
		held->now -= *(size_t *)(void *)block;
	if (!len) {
		free(block);
		return NULL;
	}
	block = realloc(block, HEAD + len);
	if (!block)
		exit(3);
	*(size_t *)(void *)block = len;
	held->now += len;
	held->most = held->now > held->most ? held->now : held->most;
	return block + HEAD;
}

static size_t bytes_of(const struct text *text, size_t *ret_words)
{
	struct held held = { 0 };
	struct gabi_mem mem = { held_resize, &held };
	struct gabi_host *host;
	size_t bytes;

	if (gabi_host_read(text->at, text->len, &mem, &host, NULL))
		exit(3);
	gabi_host_words(host, ret_words);
	bytes = held.now;
	gabi_host_free(host);
	return bytes;
}

/* ---- time ---- */

static void read_host(void *ctx)
{
	const struct text *text = ctx;
	struct gabi_host *host;

	if (gabi_host_read(text->at, text->len, NULL, &host, NULL))
		exit(3);
	bench_use(gabi_host_view(host));
	gabi_host_free(host);
}

static void read_jansson(void *ctx)
{
	const struct text *text = ctx;
	json_t *json = json_loadb(text->at, text->len, 0, NULL);

	if (!json)
		exit(3);
	bench_use(json_object_size(json));
	json_decref(json);
}

static void bench_text(struct text *text)
{
	size_t words, bytes = bytes_of(text, &words);

	bench_print(&(struct bench_line){ "read", "manifest", text->len, bench_time(read_host, text), "jansson, a tree of the same text",
					  bench_time(read_jansson, text), text->name });
	printf("{\"bench\":\"read\",\"case\":\"memory\",\"words\":%zu,\"bytes\":%zu,\"data\":\"%s\"}\n", words, bytes, text->name);
}

static int by_len(const void *a, const void *b)
{
	const struct text *x = a, *y = b;

	return (x->len > y->len) - (x->len < y->len);
}

int main(int argc, char **argv)
{
	struct text texts[1024];
	size_t count = 0;
	struct dirent *entry;
	DIR *directory;

	if (argc != 2 || !(directory = opendir(argv[1]))) {
		fprintf(stderr, "usage: bench_read DIRECTORY-OF-MANIFESTS\n");
		return 2;
	}
	while ((entry = readdir(directory)) && count < sizeof(texts) / sizeof(texts[0])) {
		struct text *text = &texts[count];
		char path[4096];

		if (!strstr(entry->d_name, ".json"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		snprintf(text->name, sizeof(text->name), "%s", entry->d_name);
		text->at = fleet_read_file(path, &text->len);
		count++;
	}
	closedir(directory);
	if (!count) {
		fprintf(stderr, "bench: %s has no manifests\n", argv[1]);
		return 3;
	}
	qsort(texts, count, sizeof(texts[0]), by_len);
	bench_text(&texts[0]);
	if (count > 2)
		bench_text(&texts[count / 2]);
	if (count > 1)
		bench_text(&texts[count - 1]);
	for (size_t i = 0; i < count; i++)
		free(texts[i].at);
	return 0;
}
