/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Of a job that is under way a monitor tells every second. */
enum { LINE_MAX_LEN = 1 << 20, PATIENCE_MS = 5000, SILENCE_MS = 60000 };

enum heard { LINE, ENDED, SILENCE };

/* ---- lines ---- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool make_room(struct client *client)
{
	char *grown;

	if (client->len < client->room)
		return true;
	if (client->room == LINE_MAX_LEN)
		return false;
	grown = realloc(client->line, client->room ? 2 * client->room : 4096);
	if (!grown)
		return false;
	client->line = grown;
	client->room = client->room ? 2 * client->room : 4096;
	return true;
}

/* A line is there whole from client->line on, and client->used bytes long. A part of one is silence too. */
static enum heard next_line(struct client *client, int patience_ms)
{
	uint64_t start = now_ms();
	const char *end;

	if (client->used) {
		client->len -= client->used;
		memmove(client->line, client->line + client->used, client->len);
		client->used = 0;
	}
	while (!(end = client->len ? memchr(client->line, '\n', client->len) : NULL)) {
		struct pollfd wait = { client->socket, POLLIN, 0 };
		uint64_t gone = now_ms() - start;
		ssize_t got;

		if (gone >= (uint64_t)patience_ms)
			return SILENCE;
		if (poll(&wait, 1, patience_ms - (int)gone) <= 0)
			continue;
		if (!make_room(client))
			return ENDED;
		got = recv(client->socket, client->line + client->len, client->room - client->len, 0);
		if (got <= 0)
			return ENDED;
		client->len += (size_t)got;
	}
	client->used = (size_t)(end - client->line) + 1;
	return LINE;
}

static enum heard next_object(struct client *client, int patience_ms, struct gabi_value *ret_root)
{
	enum heard heard = next_line(client, patience_ms);

	if (heard != LINE)
		return heard;
	return !gabi_load(client->line, client->used - 1, ret_root, NULL) && *ret_root->at == GABI_TYPE_OBJECT ? LINE : ENDED;
}

static bool send_order(const struct client *client, const char *order, int file)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec bytes[2] = { { (char *)(uintptr_t)order, strlen(order) }, { (char[]){ '\n' }, 1 } };
	struct msghdr message = { .msg_iov = bytes, .msg_iovlen = 2 };

	if (file >= 0) {
		memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(client->socket, &message, MSG_NOSIGNAL) == (ssize_t)(bytes[0].iov_len + 1);
}

/* ---- connections ---- */

/* The first line says which protocol is spoken; 0: it does not come, or is none. */
static uint64_t take_greeting(struct client *client)
{
	struct gabi_value root;

	return next_object(client, PATIENCE_MS, &root) == LINE ? client_number(root, "gabi-control") : 0;
}

bool client_greeted(struct client *client)
{
	uint64_t version = take_greeting(client);

	return version && version <= VMM_CONTROL_VERSION;
}

static enum status greet(struct client *client)
{
	uint64_t version = take_greeting(client);

	if (version && version <= VMM_CONTROL_VERSION)
		return STATUS_YES;
	if (!version) {
		complain("%s: its monitor does not answer", client->name);
		return STATUS_REFUSED;
	}
	complain("%s: its monitor speaks version %u of the protocol, which needs a later version of gabi", client->name, (unsigned)version);
	return STATUS_REFUSED;
}

static enum status complain_guest(const struct gabi_diag *diag)
{
	complain("%s", *diag->text ? diag->text : gabi_err_text(diag->err));
	return diag->err == GABI_ERR_ARG ? STATUS_USAGE : diag->err == GABI_ERR_UNKNOWN ? STATUS_INPUT : STATUS_REFUSED;
}

enum status client_open(const char *name, struct client *ret_client)
{
	struct gabi_diag diag = { 0 };
	struct vmm_place place;
	enum status status;
	bool alive;

	*ret_client = (struct client){ .socket = -1 };
	if (vmm_place_find(name, &place, &alive, &diag))
		return complain_guest(&diag);
	if (!alive) {
		complain("%s: its monitor is dead; 'gabi run --name %s' takes its place", name, name);
		return STATUS_REFUSED;
	}
	memcpy(ret_client->name, place.name, sizeof(place.name));
	if (vmm_place_connect(&place, &ret_client->socket, &diag))
		return complain_guest(&diag);
	status = greet(ret_client);
	if (status)
		client_close(ret_client);
	return status;
}

void client_close(struct client *client)
{
	if (client->socket >= 0)
		close(client->socket);
	free(client->line);
	*client = (struct client){ .socket = -1 };
}

/* ---- orders ---- */

static enum status complain_error(const struct client *client, struct gabi_value error)
{
	char kind[32] = "", text[600] = "";

	client_member(error, "kind", kind, sizeof(kind));
	client_member(error, "text", text, sizeof(text));
	complain("%s: %s", client->name, text);
	return !strcmp(kind, "request") || !strcmp(kind, "unknown") ? STATUS_USAGE : STATUS_REFUSED;
}

enum status client_order(struct client *client, const char *order, int file, void (*progress)(void *ctx, struct gabi_value told),
			 void *ctx)
{
	struct gabi_value root, found;
	enum heard heard;

	if (!send_order(client, order, file)) {
		complain("%s: the guest has ended", client->name);
		return STATUS_REFUSED;
	}
	while ((heard = next_object(client, SILENCE_MS, &root)) == LINE) {
		found = gabi_load_find(root, "progress");
		if (found.at && *found.at == GABI_TYPE_OBJECT) {
			if (progress)
				progress(ctx, found);
			continue;
		}
		found = gabi_load_find(root, "error");
		if (found.at && *found.at == GABI_TYPE_OBJECT)
			return complain_error(client, found);
		client->result = gabi_load_find(root, "result");
		if (client->result.at && *client->result.at == GABI_TYPE_OBJECT)
			return STATUS_YES;
	}
	if (heard == SILENCE)
		complain("%s: its monitor has said nothing for %d seconds, as if it were stopped, so that it is not known whether this was done; "
			 "'gabi ps' tells when it answers again", client->name, SILENCE_MS / 1000);
	else
		complain("%s: the guest ended before it answered", client->name);
	return STATUS_REFUSED;
}

bool client_ask(struct client *client, const char *order)
{
	struct gabi_value root;

	if (!send_order(client, order, -1) || next_object(client, PATIENCE_MS, &root) != LINE)
		return false;
	client->result = gabi_load_find(root, "result");
	return client->result.at && *client->result.at == GABI_TYPE_OBJECT;
}

/* ---- what was answered ---- */

bool client_member(struct gabi_value object, const char *key, char *text, size_t cap)
{
	struct gabi_value value = gabi_load_find(object, key);
	struct gabi_out out = gabi_out_to(text, cap);
	struct gabi_slice all;

	if (!value.at)
		return false;
	if (*value.at == GABI_TYPE_TEXT) {
		char *copy = gabi_value_text(value, NULL);

		gabi_out_text(&out, copy ? copy : "");
		free(copy);
		return true;
	}
	all = gabi_value_all(value);
	gabi_out_bytes(&out, all.at, all.len);
	return true;
}

uint64_t client_number(struct gabi_value object, const char *key)
{
	char text[24];

	return client_member(object, key, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

/* ---- all guests ---- */

static void add_name(void *ctx, const char *name)
{
	struct client_names *names = ctx;
	char (*grown)[VMM_NAME_CAP];

	if (names->count == names->room) {
		grown = realloc(names->name, (names->room + 16) * sizeof(*grown));
		if (!grown) {
			names->failed = true;
			return;
		}
		names->name = grown;
		names->room += 16;
	}
	memcpy(names->name[names->count++], name, strlen(name) + 1); /* it is a good name, and no longer */
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

enum status client_names(struct client_names *ret_names)
{
	struct gabi_diag diag = { 0 };

	*ret_names = (struct client_names){ 0 };
	if (vmm_place_list(add_name, ret_names, &diag))
		return complain_guest(&diag);
	if (ret_names->failed) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	if (ret_names->count)
		qsort(ret_names->name, ret_names->count, sizeof(*ret_names->name), compare_names);
	return STATUS_YES;
}

static int to_stdout(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	return fwrite(text, 1, len, stdout) == len ? 0 : -1;
}

struct gabi_json client_json(void)
{
	return (struct gabi_json){ .sink = to_stdout };
}
