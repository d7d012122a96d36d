/* SPDX-License-Identifier: MIT */
/* gabi migrate, and the other side of it, gabi run --incoming. */
#include "migrate.h"

#include "client.h"
#include "link.h"

#include "vmm/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the source: its monitor is given a connection ---- */

static void tell_progress(void *ctx, struct gabi_value told)
{
	char phase[32] = "";

	(void)ctx;
	if (!client_member(told, "phase", phase, sizeof(phase)))
		return;
	printf("%s: round %" PRIu64 ", %" PRIu64 " MiB sent, %" PRIu64 " MiB/s, %" PRIu64 " pages left", phase, client_number(told, "round"),
	       client_number(told, "bytes") >> 20, client_number(told, "bytes-per-s") >> 20, client_number(told, "pages-left"));
	if (client_number(told, "throttle"))
		printf(", slowed down by %" PRIu64 " %%", client_number(told, "throttle"));
	printf(", would stand still for %" PRIu64 " ms\n", client_number(told, "downtime-ms"));
	fflush(stdout);
}

static void tell_result(struct gabi_value result)
{
	uint64_t rounds = client_number(result, "rounds");

	printf("moved in %" PRIu64 " ms and %" PRIu64 " round%s, %" PRIu64 " KiB; it stood still for %" PRIu64 " ms\n",
	       client_number(result, "total-us") / 1000, rounds, rounds == 1 ? "" : "s", client_number(result, "bytes") >> 10,
	       client_number(result, "downtime-us") / 1000);
}

static bool make_order(const char *downtime, char order[64])
{
	size_t digits = downtime ? strspn(downtime, "0123456789") : 0;

	if (downtime && (!digits || downtime[digits] || digits > 6)) {
		complain("migrate: '%s' is no number of milliseconds", downtime);
		return false;
	}
	snprintf(order, 64, downtime ? "{\"do\":\"migrate\",\"downtime\":%lu}" : "{\"do\":\"migrate\"}", downtime ? strtoul(downtime, NULL, 10) : 0);
	return true;
}

enum status run_migrate(const struct args *args)
{
	struct client client;
	char order[64];
	enum status status;
	int link = -1;

	if (!make_order(args->option[OPTION_DOWNTIME], order))
		return STATUS_USAGE;
	status = client_open(args->file[0], &client);
	if (status)
		return status;
	status = link_connect(args, args->file[1], &link);
	if (!status)
		status = client_order(&client, order, link, args->option[OPTION_QUIET] ? NULL : tell_progress, NULL);
	if (!status && !args->option[OPTION_QUIET])
		tell_result(client.result);
	client_close(&client);
	return status;
}

/* ---- the destination ---- */

static int fill(void *ctx, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	return vmm_incoming_start(ctx, monitor, diag);
}

static int came(void *ctx, struct gabi_diag *diag)
{
	return vmm_incoming_wait(ctx, diag);
}

static enum status refuse(struct vmm_incoming *incoming, const char *why, enum status status)
{
	vmm_incoming_refuse(incoming, why);
	return status;
}

/* To those who want to send it, with the reason; the whole report has been printed here. */
static enum status refuse_contract(struct vmm_incoming *incoming, const struct vmm_terms *terms, enum status status)
{
	struct gabi_diag diag = { 0 };

	if (status != STATUS_NO || !terms->report)
		return refuse(incoming, "this machine cannot say whether the guest's contract fits it", status);
	vmm_report_refuses(terms->report, "the guest's contract does not fit this machine", &diag);
	return refuse(incoming, diag.text, status);
}

static enum status run_arriving(const struct args *args, struct vmm_incoming *incoming)
{
	const struct vmm_shape *shape = &incoming->head.shape;
	struct vmm_options options = {
		.memory = shape->memory, .cpus = shape->cpus, .confined = true, .hyperv = shape->hyperv, .vtls = shape->vtls > 1 ? shape->vtls : 0,
		.shim = shape->shim,
		.disk = args->option[OPTION_DISK], .forced = args->option[OPTION_FORCE] != NULL, .incoming = true,
		.in = STDIN_FILENO, .out = STDOUT_FILENO,
	};
	struct gabi_contract *contract = incoming->head.contract;
	struct vmm_terms terms = { 0 };
	enum status status;

	incoming->head.contract = NULL;
	status = guest_settle(args, &options, contract, "the guest that comes", &terms);
	options.terms = &terms;
	if (status)
		status = refuse_contract(incoming, &terms, status);
	else
		status = guest_run(&(struct guest){ .args = args, .options = &options, .like = "guest", .fill = fill, .came = came,
						    .ctx = incoming });
	vmm_terms_free(&terms);
	return status;
}

enum status run_incoming(const struct args *args)
{
	struct vmm_incoming incoming;
	struct gabi_diag diag = { 0 };
	int link = -1;
	enum status status = link_accept(args, args->option[OPTION_INCOMING], &link);

	if (status)
		return status;
	if (vmm_incoming_open(&incoming, link, 0, &diag)) {
		status = complain_diag(args->option[OPTION_INCOMING], &diag);
		vmm_incoming_refuse(&incoming, *diag.text ? diag.text : gabi_err_text(diag.err));
	} else {
		status = run_arriving(args, &incoming);
	}
	vmm_incoming_close(&incoming);
	close(link);
	return status;
}
