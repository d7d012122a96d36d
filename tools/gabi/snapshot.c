/* SPDX-License-Identifier: MIT */
/* gabi save and gabi restore: a running guest into a file, and on from there. */
#include "client.h"
#include "file.h"
#include "guest.h"

#include "vmm/snapshot.h"

#include <unistd.h>

enum status run_save(const struct args *args)
{
	struct client client;
	struct new_file file;
	enum status status = client_open(args->file[0], &client);

	if (status)
		return status;
	status = file_begin(args->file[1], &file);
	if (!status) {
		status = client_order(&client, "{\"do\":\"save\"}", file.fd, NULL, NULL);
		status = status ? file_drop(&file), status : file_keep(&file);
	}
	client_close(&client);
	return status;
}

/* ---- back ---- */

static int fill(void *ctx, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	return vmm_snapshot_load(ctx, monitor, diag);
}

/* What the guest's machine was, and what of it only the command line can say. */
static enum status shape_options(const struct args *args, const struct vmm_shape *shape, struct vmm_options *options)
{
	*options = (struct vmm_options){
		.memory = shape->memory, .cpus = shape->cpus, .confined = true, .hyperv = shape->hyperv, .vtls = shape->vtls > 1 ? shape->vtls : 0,
		.shim = shape->shim,
		.disk = args->option[OPTION_DISK], .forced = args->option[OPTION_FORCE] != NULL, .in = STDIN_FILENO, .out = STDOUT_FILENO,
	};
	if (!shape->has_disk == !options->disk)
		return STATUS_YES;
	complain(shape->has_disk ? "restore: the guest has a disk: --disk names it" : "restore: the guest has no disk");
	return STATUS_USAGE;
}

static enum status restore(const struct args *args, struct vmm_snapshot *snapshot)
{
	struct gabi_contract *contract = snapshot->head.contract;
	struct vmm_options options;
	struct vmm_terms terms = { 0 };
	enum status status = shape_options(args, &snapshot->head.shape, &options);

	if (status)
		return status;
	snapshot->head.contract = NULL;
	status = guest_settle(args, &options, contract, args->file[0], &terms);
	options.terms = &terms;
	if (!status)
		status = guest_run(&(struct guest){ .args = args, .options = &options, .like = args->file[0], .file = args->file[0], .fill = fill,
						    .ctx = snapshot });
	vmm_terms_free(&terms);
	return status;
}

enum status run_restore(const struct args *args)
{
	struct vmm_snapshot snapshot;
	struct gabi_diag diag = { 0 };
	enum status status;

	if (vmm_snapshot_open(&snapshot, args->file[0], &diag))
		status = complain_diag(args->file[0], &diag);
	else
		status = restore(args, &snapshot);
	vmm_snapshot_close(&snapshot);
	return status;
}
