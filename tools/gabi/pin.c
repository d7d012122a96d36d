/* SPDX-License-Identifier: MIT */
/* gabi pin: the contract of a guest that is given what a host offers, or that sees what a guest saw, or what another
 * contract promises. */
#include "load.h"
#include "save.h"
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a contract's guest sees, as a manifest. */
static enum status host_of_contract(const struct gabi_contract *contract, const char *path, struct gabi_host **ret_host)
{
	struct gabi_host *host = gabi_host_new(gabi_contract_arch(contract), GABI_VIEW_GUEST, NULL);
	struct gabi_diag diag = { 0 };
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);
	const struct gabi_facts *origin = gabi_contract_origin(contract);
	int err = host ? 0 : GABI_ERR_NOMEM;

	diag.err = err;
	for (size_t i = 0; !err && i < count; i++)
		err = gabi_host_add(host, &word[i], &diag);
	for (size_t i = 0; !err && i < gabi_facts_count(origin); i++) {
		const char *value, *name = gabi_facts_at(origin, i, &value);

		err = gabi_host_set_fact(host, name, value, &diag);
	}
	if (!err)
		err = gabi_host_seal(host, &diag);
	if (err) {
		gabi_host_free(host);
		return complain_diag(path, &diag);
	}
	*ret_host = host;
	return STATUS_YES;
}

/* The manifest in the file, or what the guest of the contract in it sees. */
static enum status load_source(const struct args *args, struct gabi_host **ret_host)
{
	struct gabi_contract *contract;
	enum status status = load_any(args, args->file[0], &contract, ret_host);

	if (status || !contract)
		return status;
	status = host_of_contract(contract, args->file[0], ret_host);
	gabi_contract_free(contract);
	return status;
}

/* ---- --minus ---- */

/* Cuts "a,b,c" into names, in place. */
static size_t split(char *list, const char **names)
{
	size_t count = 0;

	for (char *name = strtok(list, ","); name; name = strtok(NULL, ","))
		names[count++] = name;
	return count;
}

static enum status pin(const struct gabi_host *host, const struct args *args, char *list, const char **names,
		       struct gabi_contract **ret_contract)
{
	struct gabi_pin_options options = { .size = sizeof(options), .minus = names, .minus_count = split(list, names),
					    .evmcs = args->option[OPTION_EVMCS] != NULL };
	struct gabi_diag diag = { 0 };
	int err = gabi_contract_pin(host, &options, NULL, ret_contract, &diag);

	if (err != GABI_ERR_UNKNOWN)
		return err ? complain_diag(args->file[0], &diag) : STATUS_YES;
	complain_diag(NULL, &diag);
	return STATUS_USAGE;
}

static enum status pin_minus(const struct gabi_host *host, const struct args *args, struct gabi_contract **ret_contract)
{
	const char *minus = args->option[OPTION_MINUS];
	char *list = strdup(minus ? minus : "");
	const char **names = calloc(strlen(minus ? minus : "") + 1, sizeof(*names)); /* more than it can have */
	enum status status = STATUS_REFUSED;

	if (list && names)
		status = pin(host, args, list, names, ret_contract);
	else
		complain("out of memory");
	free(list);
	free(names);
	return status;
}

enum status run_pin(const struct args *args)
{
	struct gabi_contract *contract;
	struct gabi_host *host = NULL;
	enum status status = load_source(args, &host);

	if (!status && args->option[OPTION_FIRECRACKER])
		status = template_lay_over(args->option[OPTION_FIRECRACKER], args->file[0], &host);
	if (status) {
		gabi_host_free(host);
		return status;
	}
	status = pin_minus(host, args, &contract);
	gabi_host_free(host);
	if (status)
		return status;
	if (args->option[OPTION_NAME] && gabi_contract_set_name(contract, args->option[OPTION_NAME])) {
		complain("out of memory");
		status = STATUS_REFUSED;
	}
	if (!status)
		status = save_contract(args, contract);
	gabi_contract_free(contract);
	return status;
}
