/* SPDX-License-Identifier: MIT */
/* gabi pin: the contract of a guest that is given what a host offers, or that sees what a guest saw, or what another
 * contract promises. */
#include "load.h"
#include "qemu.h"
#include "save.h"
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is pinned: the manifest in the file, or the contract in it. */
struct source {
	struct gabi_host *host;
	struct gabi_contract *contract;
};

static void source_free(struct source *source)
{
	gabi_host_free(source->host);
	gabi_contract_free(source->contract);
}

static enum status source_load(struct source *source, const struct args *args)
{
	const char *template = args->option[OPTION_FIRECRACKER], *cpus = args->option[OPTION_CLOUD];
	enum status status = load_any(args, args->file[0], &source->contract, &source->host);

	if (status || (!template && !cpus))
		return status;
	if (!source->host || (template && cpus)) {
		complain(source->host ? "pin: --firecracker and --cloud-hypervisor are of two VMMs" : "%s is a contract: what a VMM gives is laid over a manifest",
			 args->file[0]);
		return STATUS_USAGE;
	}
	return template ? template_lay_over(template, args->file[0], &source->host) : cloud_lay_over(cpus, args->file[0], &source->host);
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

static enum status pin(const struct source *source, const struct args *args, char *list, const char **names,
		       struct gabi_contract **ret_contract)
{
	struct gabi_pin_options options = { .size = sizeof(options), .minus = names, .minus_count = split(list, names),
					    .evmcs = args->option[OPTION_EVMCS] != NULL };
	struct gabi_diag diag = { 0 };
	int err = source->host ? gabi_contract_pin(source->host, &options, NULL, ret_contract, &diag) :
				 gabi_contract_narrow(source->contract, &options, NULL, ret_contract, &diag);

	if (err != GABI_ERR_UNKNOWN)
		return err ? complain_diag(args->file[0], &diag) : STATUS_YES;
	complain_diag(NULL, &diag);
	return STATUS_USAGE;
}

static enum status pin_minus(const struct source *source, const struct args *args, struct gabi_contract **ret_contract)
{
	const char *minus = args->option[OPTION_MINUS];
	char *list = strdup(minus ? minus : "");
	const char **names = calloc(strlen(minus ? minus : "") + 1, sizeof(*names)); /* more than it can have */
	enum status status = STATUS_REFUSED;

	if (list && names)
		status = pin(source, args, list, names, ret_contract);
	else
		complain("out of memory");
	free(list);
	free(names);
	return status;
}

enum status run_pin(const struct args *args)
{
	struct source source = { 0 };
	struct gabi_contract *contract;
	enum status status;

	if (args->option[OPTION_QEMU] || args->option[OPTION_LIBVIRT] || args->files > 1 || args->option[OPTION_JSON] ||
	    args->option[OPTION_MODELS])
		return pin_qemu(args);
	status = source_load(&source, args);
	if (!status)
		status = pin_minus(&source, args, &contract);
	source_free(&source);
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
