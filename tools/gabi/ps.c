/* SPDX-License-Identifier: MIT */
/* gabi ps: the guests that run on this machine, as this user. */
#include "client.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of one: NULL if its monitor is dead, or does not answer. */
struct guest {
	struct client client;
	const char *state; /* if there is no result */
};

static void look(const char *name, struct guest *guest)
{
	struct vmm_place place;
	bool alive;

	*guest = (struct guest){ .client = { .socket = -1 }, .state = "dead" };
	if (vmm_place_find(name, &place, &alive, NULL) || !alive)
		return;
	guest->state = "silent";
	if (vmm_place_connect(&place, &guest->client.socket, NULL) || !client_greeted(&guest->client))
		return;
	if (client_ask(&guest->client, "{\"do\":\"status\"}"))
		guest->state = NULL;
}

static void print_size(uint64_t bytes, char text[24])
{
	if (bytes >> 30 && !(bytes & ((1 << 30) - 1)))
		snprintf(text, 24, "%" PRIu64 "G", bytes >> 30);
	else
		snprintf(text, 24, "%" PRIu64 "M", bytes >> 20);
}

static void print_time(uint64_t seconds, char text[32])
{
	if (seconds >= 86400)
		snprintf(text, 32, "%" PRIu64 "d %02" PRIu64 ":%02" PRIu64, seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
	else
		snprintf(text, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600, seconds / 60 % 60, seconds % 60);
}

static void add_row(struct table *table, const char *name, const struct guest *guest)
{
	struct gabi_value status = guest->client.result;
	char pid[24] = "", state[24] = "", cpus[24] = "", memory[24] = "", uptime[32] = "", contract[80] = "";

	if (guest->state) {
		table_row(table, COLOR_DIM, (const char *[]){ name, NULL, guest->state, NULL, NULL, NULL, NULL });
		return;
	}
	client_member(status, "pid", pid, sizeof(pid));
	client_member(status, "state", state, sizeof(state));
	client_member(status, "cpus", cpus, sizeof(cpus));
	client_member(status, "contract", contract, 20); /* enough to tell them apart */
	print_size(client_number(status, "memory"), memory);
	print_time(client_number(status, "uptime"), uptime);
	table_row(table, COLOR_NONE, (const char *[]){ name, pid, state, cpus, memory, uptime, contract });
}

static void add_json(struct gabi_json *json, const char *name, const struct guest *guest)
{
	struct gabi_slice all;

	gabi_json_open(json, NULL, '{');
	gabi_json_text(json, "name", name);
	if (guest->state) {
		gabi_json_text(json, "state", guest->state);
	} else {
		all = gabi_value_all(guest->client.result);
		gabi_json_key(json, "status");
		gabi_json_raw(json, all.at, all.len);
	}
	gabi_json_close(json, '}');
}

static void print_all(const struct client_names *names, bool is_json)
{
	static const struct column columns[] = {
		{ "NAME" }, { "PID", .right = true }, { "STATE" }, { "CPUS", .right = true }, { "MEMORY", .right = true },
		{ "TIME", .right = true }, { "CONTRACT" },
	};
	struct table *table = is_json ? NULL : table_new(columns, sizeof(columns) / sizeof(*columns));
	struct gabi_json json = client_json();

	if (is_json) {
		gabi_json_open(&json, NULL, '{');
		gabi_json_open(&json, "guests", '[');
	}
	for (size_t i = 0; i < names->count; i++) {
		struct guest guest;

		look(names->name[i], &guest);
		if (is_json)
			add_json(&json, names->name[i], &guest);
		else
			add_row(table, names->name[i], &guest);
		client_close(&guest.client);
	}
	if (!is_json) {
		table_print(table);
		return;
	}
	gabi_json_close(&json, ']');
	gabi_json_close(&json, '}');
	gabi_json_raw(&json, "\n", 1);
}

enum status run_ps(const struct args *args)
{
	struct client_names names;
	enum status status = client_names(&names);

	if (!status && args->option[OPTION_LIST])
		for (size_t i = 0; i < names.count; i++)
			printf("%s\n", names.name[i]);
	else if (!status)
		print_all(&names, args->option[OPTION_JSON]);
	free(names.name);
	return status;
}
