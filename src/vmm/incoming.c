/* SPDX-License-Identifier: MIT */
/* The destination of a migration. */
#include "migrate.h"

#include "base/base.h"
#include "monitor_own.h"

#include <string.h>

int vmm_incoming_open(struct vmm_incoming *incoming, int socket, unsigned patience_ms, struct gabi_diag *diag)
{
	int err;

	*incoming = (struct vmm_incoming){ .link = { .socket = socket, .patience_ms = patience_ms ? patience_ms : VMM_LINK_PATIENCE_MS } };
	incoming->stream.pipe = vmm_link_pipe(&incoming->link);
	err = vmm_stream_begin(&incoming->stream, diag);
	if (!err)
		err = vmm_stream_expect_begin(&incoming->stream, diag);
	return err ? err : vmm_head_read(&incoming->stream, &incoming->head, diag);
}

void vmm_incoming_refuse(struct vmm_incoming *incoming, const char *why)
{
	incoming->link.ended = NULL;
	if (!vmm_record_write(&incoming->stream, VMM_RECORD_REFUSED, why, strlen(why), NULL))
		vmm_link_hang_up(&incoming->link);
}

/* Before any memory comes: could it be loaded here? Of each trust level. */
static int rehearse(struct vmm_incoming *incoming, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = vmm_shape_check(&incoming->head.shape, incoming->monitor, diag);

	for (uint32_t vtl = 0; !err && vtl < incoming->head.shape.vtls; vtl++) {
		err = vmm_record_expect(&incoming->stream, VMM_RECORD_REHEARSAL, &record, diag);
		if (!err)
			err = vmm_rehearsal_read(&record, incoming->monitor, diag);
	}
	return err ? err : vmm_record_write(&incoming->stream, VMM_RECORD_READY, NULL, 0, diag);
}

static int load(struct vmm_incoming *incoming, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	int err = rehearse(incoming, diag);

	if (!err)
		err = vmm_body_read(&incoming->stream, incoming->monitor, diag);
	if (!err)
		err = vmm_record_write(&incoming->stream, VMM_RECORD_RESTORED, NULL, 0, diag);
	if (!err)
		err = vmm_record_expect(&incoming->stream, VMM_RECORD_GO, &record, diag);
	if (!err)
		err = vmm_disk_lock(&incoming->monitor->disk, diag);
	if (!err) /* it is ours, whether they still hear of it or not: by itself the source never runs it again */
		vmm_record_write(&incoming->stream, VMM_RECORD_RUNNING, NULL, 0, NULL);
	return err;
}

static void *run(void *ctx)
{
	struct vmm_incoming *incoming = ctx;

	incoming->err = vmm_sandbox_enter(incoming->monitor->sandbox, VMM_THREAD_JOBS, &incoming->diag);
	if (!incoming->err)
		incoming->err = load(incoming, &incoming->diag);
	if (incoming->err) {
		vmm_incoming_refuse(incoming, *incoming->diag.text ? incoming->diag.text : gabi_err_text(incoming->err));
		vmm_quit(incoming->monitor, "the guest did not come");
	}
	vmm_resume(incoming->monitor);
	if (!incoming->err) /* the guest may be here for years, and whoever keeps the connection for us need not be */
		vmm_link_fall_silent(&incoming->link);
	return NULL;
}

int vmm_incoming_start(struct vmm_incoming *incoming, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	int err = vmm_pause(monitor, diag);

	if (err)
		return err;
	incoming->monitor = monitor;
	incoming->link.ended = &monitor->ending;
	incoming->started = !pthread_create(&incoming->thread, NULL, run, incoming);
	if (incoming->started)
		return 0;
	vmm_resume(monitor);
	return gabi_fail(diag, GABI_ERR_NOMEM, "there is no room for a thread more", (char *)NULL);
}

int vmm_incoming_wait(struct vmm_incoming *incoming, struct gabi_diag *diag)
{
	if (incoming->started)
		pthread_join(incoming->thread, NULL);
	incoming->started = false;
	if (incoming->err && diag)
		*diag = incoming->diag;
	return incoming->err;
}

void vmm_incoming_close(struct vmm_incoming *incoming)
{
	vmm_stream_close(&incoming->stream);
	gabi_contract_free(incoming->head.contract);
	incoming->head.contract = NULL;
}
