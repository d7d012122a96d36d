/* SPDX-License-Identifier: MIT */
/* Speaks to running guests by their sockets (docs/control.md). */
#ifndef GABI_TOOL_CLIENT_H
#define GABI_TOOL_CLIENT_H

#include "gabi.h"

#include "formats/load.h"
#include "vmm/command.h"
#include "vmm/place.h"

struct client {
	char name[VMM_NAME_CAP];
	int socket;
	struct gabi_value result; /* of the last order, while no other is given */
	char *line;               /* the last that came */
	size_t room, len, used;
};

/* Connects to a guest by its name; that there is none, or a dead one, is complained about. */
enum status client_open(const char *name, struct client *ret_client);
void client_close(struct client *client);

/*
 * Gives an order: a JSON object of vmm/command.def, without the line's end, and an open file with it (-1: none). Waits for the
 * result, or complains; of a monitor that stands still too. progress is called for what is told meanwhile; it may be NULL.
 */
enum status client_order(struct client *client, const char *order, int file, void (*progress)(void *ctx, struct gabi_value told),
			 void *ctx);

/* The same for a connection of one's own, where silence is not complained about. True: its monitor speaks a protocol that is known
 * here; and there is a result. */
bool client_greeted(struct client *client);
bool client_ask(struct client *client, const char *order);

/* A member as text: a text without its quotes, anything else as JSON; cut off where it is too long. False if there is none. */
bool client_member(struct gabi_value object, const char *key, char *text, size_t cap);

/* A whole number; 0 if there is none. */
uint64_t client_number(struct gabi_value object, const char *key);

/* The names of all guests that there are, dead ones too, sorted. */
struct client_names {
	char (*name)[VMM_NAME_CAP];
	size_t count, room;
	bool failed;
};
enum status client_names(struct client_names *ret_names);

/* JSON for standard output, in pieces. */
struct gabi_json client_json(void);

#endif
