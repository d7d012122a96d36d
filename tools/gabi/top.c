/* SPDX-License-Identifier: MIT */
/* gabi top: what virtual processors leave their guests for, live on a terminal, else counted since the start. */
#include "client.h"
#include "table.h"

#include "vmm/counts.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const keys[] = {
#define VMM_COUNT(id, name, what) name,
#include "vmm/counts.def"
};

static const struct column columns[] = {
	{ "" },
#define VMM_COUNT(id, name, what) { name, .right = true },
#include "vmm/counts.def"
};

/* What one row counts: a guest, or one of its virtual processors. */
struct counts {
	char name[VMM_NAME_CAP + 16];
	uint64_t of[VMM_COUNTS];
};

/* What was seen at one time. */
struct sample {
	struct counts *row;
	size_t count;
	uint64_t at_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct counts *add_row(struct sample *sample)
{
	struct counts *grown = realloc(sample->row, (sample->count + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	sample->row = grown;
	grown[sample->count] = (struct counts){ 0 };
	return &grown[sample->count++];
}

/* A guest's processors, each a row of its own or all in one. */
static void add_guest(struct sample *sample, const char *name, struct gabi_value result, bool each)
{
	struct gabi_value vps = gabi_load_find(result, "vps"), vp;
	struct gabi_items items;
	struct gabi_slice key;
	struct counts *row = each ? NULL : add_row(sample);
	unsigned index = 0;

	if (!vps.at || *vps.at != GABI_TYPE_LIST || (!each && !row))
		return;
	if (row)
		snprintf(row->name, sizeof(row->name), "%s", name);
	items = gabi_items_of(vps, NULL);
	for (; gabi_items_next(&items, &key, &vp); index++) {
		if (each && !(row = add_row(sample)))
			return;
		if (each)
			snprintf(row->name, sizeof(row->name), "VP %u", index);
		for (unsigned i = 0; i < VMM_COUNTS; i++)
			row->of[i] += client_number(vp, keys[i]);
	}
}

static bool ask(const char *name, struct client *client)
{
	struct vmm_place place;
	bool alive;

	*client = (struct client){ .socket = -1 };
	return !vmm_place_find(name, &place, &alive, NULL) && alive && !vmm_place_connect(&place, &client->socket, NULL) &&
		client_greeted(client) && client_ask(client, "{\"do\":\"counters\"}");
}

/* A guest that ended meanwhile has no row. */
static struct sample look_at_all(const struct client_names *names)
{
	struct sample sample = { .at_ns = now_ns() };

	for (size_t i = 0; i < names->count; i++) {
		struct client client;

		if (ask(names->name[i], &client))
			add_guest(&sample, names->name[i], client.result, false);
		client_close(&client);
	}
	return sample;
}

static enum status look(const char *name, struct sample *ret_sample)
{
	struct client_names names;
	struct client client;
	enum status status;

	if (!name) {
		status = client_names(&names);
		if (!status)
			*ret_sample = look_at_all(&names);
		free(names.name);
		return status;
	}
	status = client_open(name, &client);
	if (!status)
		status = client_order(&client, "{\"do\":\"counters\"}", -1, NULL, NULL);
	if (!status) {
		*ret_sample = (struct sample){ .at_ns = now_ns() };
		add_guest(ret_sample, name, client.result, true);
	}
	client_close(&client);
	return status;
}

/* ---- printing ---- */

static const struct counts *find(const struct sample *sample, const char *name)
{
	for (size_t i = 0; sample && i < sample->count; i++)
		if (!strcmp(sample->row[i].name, name))
			return &sample->row[i];
	return NULL;
}

/* Of a second where there is a sample before, else since the start. What began anew counts from 0. */
static uint64_t rate(const struct sample *now, const struct sample *before, const struct counts *row, unsigned i)
{
	const struct counts *old = find(before, row->name);
	uint64_t from = old && old->of[i] <= row->of[i] ? old->of[i] : 0;

	if (!before)
		return row->of[i];
	return (uint64_t)((double)(row->of[i] - from) * 1e9 / (double)(now->at_ns - before->at_ns) + 0.5);
}

static void print_table(const struct sample *now, const struct sample *before)
{
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));

	for (size_t row = 0; row < now->count; row++) {
		char text[VMM_COUNTS][24];
		const char *cells[VMM_COUNTS + 1] = { now->row[row].name };

		for (unsigned i = 0; i < VMM_COUNTS; i++) {
			snprintf(text[i], sizeof(text[i]), "%" PRIu64, rate(now, before, &now->row[row], i));
			cells[i + 1] = text[i];
		}
		table_row(table, COLOR_NONE, cells);
	}
	table_print(table);
}

static void print_json(const struct sample *sample)
{
	struct gabi_json json = client_json();

	gabi_json_open(&json, NULL, '{');
	gabi_json_open(&json, "counters", '[');
	for (size_t row = 0; row < sample->count; row++) {
		gabi_json_open(&json, NULL, '{');
		gabi_json_text(&json, "name", sample->row[row].name);
		for (unsigned i = 0; i < VMM_COUNTS; i++)
			vmm_json_count(&json, keys[i], sample->row[row].of[i]);
		gabi_json_close(&json, '}');
	}
	gabi_json_close(&json, ']');
	gabi_json_close(&json, '}');
	gabi_json_raw(&json, "\n", 1);
}

/* Until the guest that was named ends, or the user has seen enough. */
static enum status watch(const char *name, struct sample before)
{
	struct sample now;

	for (;;) {
		poll(NULL, 0, 1000);
		if (look(name, &now)) {
			free(before.row);
			return STATUS_YES;
		}
		printf("\033[H\033[2J%s, exits and events a second:\n\n", name ? name : "all guests");
		print_table(&now, &before);
		fflush(stdout);
		free(before.row);
		before = now;
	}
}

enum status run_top(const struct args *args)
{
	const char *name = args->files ? args->file[0] : NULL;
	struct sample sample = { 0 };
	enum status status = look(name, &sample);

	if (status)
		return status;
	if (!args->option[OPTION_JSON] && isatty(STDOUT_FILENO))
		return watch(name, sample);
	if (args->option[OPTION_JSON])
		print_json(&sample);
	else
		print_table(&sample, NULL);
	free(sample.row);
	return STATUS_YES;
}
