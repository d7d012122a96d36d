/* SPDX-License-Identifier: MIT */
/* gabi ctl: one command to a running guest. */
#include "client.h"
#include "file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status list_commands(void)
{
	for (unsigned i = 0; i < VMM_COMMANDS; i++)
		printf("%s\n", vmm_command_name(i));
	return STATUS_YES;
}

static bool find_command(const char *name, enum vmm_command *ret_command)
{
	for (unsigned i = 0; i < VMM_COMMANDS; i++) {
		if (!strcmp(name, vmm_command_name(i))) {
			*ret_command = i;
			return true;
		}
	}
	complain("ctl: there is no command '%s'; 'gabi ctl --list' lists them", name);
	return false;
}

/* "vp=3" as a member; what the command does not take, the guest refuses. */
static bool add_member(struct gabi_out *order, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t digits = equals ? strspn(equals + 1, "0123456789") : 0;

	if (!equals || !digits || equals[1 + digits] || strspn(text, "abcdefghijklmnopqrstuvwxyz-") != (size_t)(equals - text) || digits > 10) {
		complain("ctl: '%s' is no NAME=NUMBER", text);
		return false;
	}
	gabi_out_text(order, ",\"");
	gabi_out_bytes(order, text, (size_t)(equals - text));
	gabi_out_text(order, "\":");
	gabi_out_text(order, equals + 1);
	return true;
}

static bool make_order(const struct args *args, enum vmm_command command, char *text, size_t cap)
{
	struct gabi_out order = gabi_out_to(text, cap);

	gabi_out_text(&order, "{\"do\":\"");
	gabi_out_text(&order, vmm_command_name(command));
	gabi_out_char(&order, '"');
	for (size_t i = 2; i < args->files; i++)
		if (!add_member(&order, args->file[i]))
			return false;
	gabi_out_char(&order, '}');
	if (order.len < cap)
		return true;
	complain("ctl: too many operands");
	return false;
}

/* ---- the answer ---- */

static void print_lines(struct gabi_value result)
{
	struct gabi_items items = gabi_items_of(result, NULL);
	struct gabi_value value;
	struct gabi_slice key;
	char name[64], text[300];

	while (gabi_items_next(&items, &key, &value)) {
		if (!gabi_slice_copy(key, name, sizeof(name)) || !client_member(result, name, text, sizeof(text)))
			continue;
		printf("%s: ", name);
		print_safe(text);
		putchar('\n');
	}
}

static void print_result(const struct args *args, struct gabi_value result)
{
	struct gabi_slice all = gabi_value_all(result);

	if (args->option[OPTION_JSON])
		printf("%.*s\n", (int)all.len, all.at);
	else
		print_lines(result);
}

static enum status give(const struct args *args, const char *order, int file)
{
	struct client client;
	enum status status = client_open(args->file[0], &client);

	if (status)
		return status;
	status = client_order(&client, order, file, NULL, NULL);
	if (!status)
		print_result(args, client.result);
	client_close(&client);
	return status;
}

/* The guest's monitor opens no files: it is given one. */
static enum status give_with_file(const struct args *args, const char *order)
{
	struct new_file file;
	enum status status = file_begin(args->option[OPTION_OUTPUT], &file);

	if (status)
		return status;
	status = give(args, order, file.fd);
	return status ? file_drop(&file), status : file_keep(&file);
}

enum status run_ctl(const struct args *args)
{
	enum vmm_command command;
	char order[256];
	bool has_file = args->option[OPTION_OUTPUT];

	if (args->option[OPTION_LIST])
		return list_commands();
	if (args->files < 2) {
		complain("ctl: the name of a guest and a command are wanted; 'gabi ps' and 'gabi ctl --list' list them");
		return STATUS_USAGE;
	}
	if (!find_command(args->file[1], &command) || !make_order(args, command, order, sizeof(order)))
		return STATUS_USAGE;
	if (vmm_command_needs_socket(command)) {
		complain("ctl: %s needs a connection: 'gabi %s' makes one", vmm_command_name(command), vmm_command_name(command));
		return STATUS_USAGE;
	}
	if (vmm_command_needs_file(command) && !has_file) {
		complain("ctl: %s writes a file: --output names it", vmm_command_name(command));
		return STATUS_USAGE;
	}
	if (has_file && !vmm_command_takes_file(command)) {
		complain("ctl: %s writes no file", vmm_command_name(command));
		return STATUS_USAGE;
	}
	return has_file ? give_with_file(args, order) : give(args, order, -1);
}
