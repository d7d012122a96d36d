/* SPDX-License-Identifier: MIT */
#include "carry.h"

#include "base/base.h"
#include "monitor_own.h"

#include <gabi/formats.h>

#include <stdlib.h>
#include <string.h>

enum { SHAPE_LEN = 64, DEVICES_LEN = 1 << 20 };

/* ---- the head ---- */

static void walk_shape(struct vmm_shape *shape, struct vmm_walk *walk)
{
	vmm_walk_u64(walk, &shape->memory);
	vmm_walk_u32(walk, &shape->cpus);
	vmm_walk_u32(walk, &shape->vtls);
	vmm_walk_u8(walk, &shape->hyperv);
	vmm_walk_u8(walk, &shape->has_disk);
	vmm_walk_u64(walk, &shape->sectors);
	if (walk->loads ? walk->done < walk->len : shape->shim)
		vmm_walk_u8(walk, &shape->shim);
}

static unsigned vtls_of(const struct vmm_monitor *monitor)
{
	unsigned vtl = 0;

	while (gabi_kvm_machine_vm(monitor->machine, vtl))
		vtl++;
	return vtl;
}

static struct vmm_shape shape_of(const struct vmm_monitor *monitor)
{
	return (struct vmm_shape){
		.memory = monitor->options.memory, .cpus = monitor->options.cpus, .vtls = vtls_of(monitor),
		.hyperv = monitor->options.hyperv, .has_disk = monitor->options.disk != NULL, .sectors = monitor->disk.sectors,
		.shim = monitor->options.shim,
	};
}

int vmm_head_write(struct vmm_stream *stream, const struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	unsigned char bytes[SHAPE_LEN];
	struct vmm_walk walk = { .at = bytes, .len = sizeof(bytes) };
	struct vmm_shape shape = shape_of(monitor);
	char *text = NULL;
	size_t len = 0;
	int err;

	walk_shape(&shape, &walk);
	err = vmm_record_write(stream, VMM_RECORD_MACHINE, bytes, walk.done, diag);
	if (!err && gabi_contract_write(monitor->options.terms->contract, NULL, &text, &len))
		err = gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (!err)
		err = vmm_record_write(stream, VMM_RECORD_CONTRACT, text, len, diag);
	gabi_text_free(text, NULL);
	return err;
}

static bool is_sound(const struct vmm_shape *shape)
{
	return shape->memory >= VMM_MEMORY_LEAST && shape->memory % GABI_HV_PAGE == 0 && shape->memory <= (uint64_t)1 << 44 &&
	       shape->cpus && shape->cpus <= GABI_KVM_VPS_MAX && shape->vtls && shape->vtls <= GABI_KVM_VTLS_MAX &&
	       shape->hyperv <= 1 && shape->has_disk <= 1 && shape->shim <= 1;
}

int vmm_head_read(struct vmm_stream *stream, struct vmm_head *ret_head, struct gabi_diag *diag)
{
	struct vmm_record_in record;
	struct vmm_head head = { 0 };
	struct vmm_walk walk = { .loads = true };
	unsigned char bytes[SHAPE_LEN];
	int err = vmm_record_expect(stream, VMM_RECORD_MACHINE, &record, diag);

	if (err)
		return err;
	walk.at = bytes;
	walk.len = record.len < sizeof(bytes) ? record.len : sizeof(bytes);
	memcpy(bytes, record.bytes, walk.len);
	walk_shape(&head.shape, &walk);
	if (walk.failed || walk.done != record.len || !is_sound(&head.shape))
		return vmm_stream_damaged(stream, diag, "there is no machine of that shape");
	err = vmm_record_expect(stream, VMM_RECORD_CONTRACT, &record, diag);
	if (!err)
		err = gabi_contract_read((const char *)record.bytes, record.len, NULL, &head.contract, diag);
	if (!err)
		*ret_head = head;
	return err;
}

int vmm_shape_check(const struct vmm_shape *shape, const struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	const struct vmm_shape ours = shape_of(monitor);
	const struct {
		uint64_t theirs, ours;
		const char *what;
	} rows[] = {
		{ shape->memory, ours.memory, "bytes of memory" }, { shape->cpus, ours.cpus, "virtual processors" },
		{ shape->vtls, ours.vtls, "trust levels" }, { shape->hyperv, ours.hyperv, "Hyper-V interfaces" },
		{ shape->has_disk, ours.has_disk, "disks" }, { shape->sectors, ours.sectors, "sectors of the disk" },
		{ shape->shim, ours.shim, "shims that protect execution" },
	};
	char want[24], have[24];
	struct gabi_out out;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		if (rows[i].theirs == rows[i].ours)
			continue;
		out = gabi_out_to(want, sizeof(want));
		gabi_out_dec(&out, rows[i].theirs);
		out = gabi_out_to(have, sizeof(have));
		gabi_out_dec(&out, rows[i].ours);
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest has ", want, " ", rows[i].what, ", and here are ", have, (char *)NULL);
	}
	return 0;
}

/* ---- virtual processors ---- */

static int write_vps(struct vmm_stream *stream, const struct vmm_monitor *monitor, unsigned vtl, enum vmm_record kind,
		     struct gabi_diag *diag)
{
	struct gabi_state *state = NULL;
	char *bytes = NULL;
	size_t len = 0;
	unsigned char *framed = NULL;
	int err = gabi_kvm_save(monitor->options.terms->contract, gabi_kvm_machine_vm(monitor->machine, vtl), NULL, &state, NULL, diag);

	if (!err && (gabi_state_write(state, NULL, &bytes, &len) || !(framed = malloc(len + 4))))
		err = gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (!err) {
		vmm_put(framed, 4, vtl);
		memcpy(framed + 4, bytes, len);
		err = vmm_record_write(stream, kind, framed, len + 4, diag);
	}
	free(framed);
	gabi_text_free(bytes, NULL);
	gabi_state_free(state);
	return err;
}

static int write_all_vps(struct vmm_stream *stream, const struct vmm_monitor *monitor, enum vmm_record kind, struct gabi_diag *diag)
{
	int err = 0;

	for (unsigned vtl = 0; !err && vtl < vtls_of(monitor); vtl++)
		err = write_vps(stream, monitor, vtl, kind, diag);
	return err;
}

struct judged {
	struct gabi_state *state;
	struct gabi_report *report;
	struct gabi_plan *plan;
	unsigned vtl;
};

static void judged_free(struct judged *judged)
{
	gabi_plan_free(judged->plan);
	gabi_report_free(judged->report);
	gabi_state_free(judged->state);
}

/* May this host load it, and how? A guest that runs here by force is tried by force. */
static int judge(const struct vmm_record_in *record, const struct vmm_monitor *monitor, struct judged *judged, struct gabi_diag *diag)
{
	const struct vmm_terms *terms = monitor->options.terms;
	bool fits;
	int err;

	if (record->len < 4 || vmm_get(record->bytes, 4) >= vtls_of(monitor))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the stream is damaged: a state is of no trust level of the guest", (char *)NULL);
	judged->vtl = (unsigned)vmm_get(record->bytes, 4);
	err = gabi_state_read(record->bytes + 4, record->len - 4, NULL, &judged->state, diag);
	if (!err)
		err = gabi_state_check(judged->state, terms->contract, terms->host, &judged->report, diag);
	if (err)
		return err;
	fits = gabi_report_verdict(judged->report) <= GABI_FITS_WITH_ACTIONS;
	if (!fits && !monitor->options.forced)
		return vmm_report_refuses(judged->report, "this host cannot load the guest's state", diag);
	return gabi_plan_new(terms->contract, terms->host, fits ? judged->report : NULL, NULL, &judged->plan, diag);
}

static int read_vps(const struct vmm_record_in *record, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct judged judged = { 0 };
	int err = judge(record, monitor, &judged, diag);

	if (!err)
		err = gabi_kvm_machine_restore(monitor->machine, judged.vtl, judged.state, judged.plan, diag);
	judged_free(&judged);
	return err;
}

int vmm_rehearsal_write(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	return write_all_vps(stream, monitor, VMM_RECORD_REHEARSAL, diag);
}

int vmm_rehearsal_read(const struct vmm_record_in *record, const struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct judged judged = { 0 };
	int err = judge(record, monitor, &judged, diag);

	if (!err)
		err = gabi_kvm_restore_check(judged.state, judged.plan, gabi_kvm_machine_vm(monitor->machine, judged.vtl), NULL, diag);
	judged_free(&judged);
	return err;
}

/* ---- devices ---- */

/*
 * Lines that are high: who holds them may be no device, but the guest by way of the test device. KVM keeps what an interrupt controller made
 * of a line, and not the line. All low are not written.
 */
static void walk_lines(struct vmm_monitor *monitor, struct vmm_walk *walk)
{
	uint32_t lines = monitor->lines;

	if (walk->loads ? walk->done == walk->len : !lines)
		return;
	vmm_walk_u32(walk, &lines);
	for (unsigned line = 0; walk->loads && line < 32; line++)
		if (lines >> line & 1)
			monitor->board.line(monitor->board.ctx, line, true);
}

static void walk_devices(struct vmm_monitor *monitor, struct vmm_walk *walk)
{
	struct vmm_console_input *input = &monitor->input;
	uint8_t to_virtio = input->to_virtio;
	uint32_t len = (uint32_t)input->len;
	uint64_t now_ns = monitor->board.now_ns(monitor->board.ctx);

	vmm_walk_u64(walk, &now_ns);
	vmm_walk_u8(walk, &to_virtio);
	vmm_walk_u32(walk, &len);
	vmm_walk_bytes(walk, input->bytes, sizeof(input->bytes));
	input->to_virtio = to_virtio != 0;
	input->len = len <= sizeof(input->bytes) ? len : 0;
	if (walk->loads)
		vmm_set_clock(monitor, now_ns);
	vmm_pc_walk(&monitor->pc, walk);
	walk_lines(monitor, walk);
}

static int write_devices(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct vmm_walk walk = { .at = malloc(DEVICES_LEN), .len = DEVICES_LEN };
	int err;

	if (!walk.at)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	pthread_mutex_lock(&monitor->lock);
	walk_devices(monitor, &walk);
	pthread_mutex_unlock(&monitor->lock);
	err = walk.failed ? gabi_fail(diag, GABI_ERR_LIMIT, "the devices' state is larger than there is room for", (char *)NULL) :
			    vmm_record_write(stream, VMM_RECORD_DEVICES, walk.at, walk.done, diag);
	free(walk.at);
	return err;
}

static int read_devices(const struct vmm_record_in *record, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct vmm_walk walk = { .loads = true, .at = malloc(record->len + 1), .len = record->len };

	if (!walk.at)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	memcpy(walk.at, record->bytes, record->len);
	pthread_mutex_lock(&monitor->lock);
	walk_devices(monitor, &walk);
	pthread_mutex_unlock(&monitor->lock);
	free(walk.at);
	return walk.failed || walk.done != record->len ?
	       gabi_fail(diag, GABI_ERR_SYNTAX, "the stream is damaged: the devices' state is of another length than they have", (char *)NULL) : 0;
}

/* ---- Hyper-V's engine ---- */

static int write_hyperv(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	void *bytes = NULL;
	size_t len = 0;
	int err = vmm_hyperv_save(monitor->hyperv, &bytes, &len, diag);

	if (!err)
		err = vmm_record_write(stream, VMM_RECORD_HYPERV, bytes, len, diag);
	free(bytes);
	return err;
}

/* ---- all ---- */

int vmm_state_write(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	int err = write_all_vps(stream, monitor, VMM_RECORD_STATE, diag);

	if (!err)
		err = write_devices(stream, monitor, diag);
	if (!err && monitor->hyperv)
		err = write_hyperv(stream, monitor, diag);
	return err ? err : vmm_record_write(stream, VMM_RECORD_END, NULL, 0, diag);
}

/* Pages may come in any order and number; then each of the rest once, in the order in which it is written. */
static int read_rest(struct vmm_stream *stream, struct vmm_monitor *monitor, struct vmm_record_in *record, struct gabi_diag *diag)
{
	int err = 0;

	for (unsigned vtl = 0; !err && vtl < vtls_of(monitor); vtl++) {
		if (record->kind != VMM_RECORD_STATE || record->len < 4 || vmm_get(record->bytes, 4) != vtl)
			return vmm_stream_damaged(stream, diag, "a record is not in its place");
		err = read_vps(record, monitor, diag);
		if (!err)
			err = vmm_record_read(stream, record, diag);
	}
	if (!err && record->kind != VMM_RECORD_DEVICES)
		return vmm_stream_damaged(stream, diag, "a record is not in its place");
	if (!err)
		err = read_devices(record, monitor, diag);
	if (!err && monitor->hyperv)
		err = vmm_record_expect(stream, VMM_RECORD_HYPERV, record, diag);
	if (!err && monitor->hyperv)
		err = vmm_hyperv_load(monitor->hyperv, record->bytes, record->len, diag);
	return err ? err : vmm_record_expect(stream, VMM_RECORD_END, record, diag);
}

int vmm_body_read(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	struct vmm_ram *ram = vmm_ram_new(diag);
	struct vmm_record_in record;
	int err = ram ? vmm_record_read(stream, &record, diag) : GABI_ERR_NOMEM;

	while (!err && (record.kind == VMM_RECORD_PAGES || (record.kind == VMM_RECORD_ROUND && stream->pipe.write))) {
		err = record.kind == VMM_RECORD_PAGES ? vmm_ram_read(ram, stream, &record, monitor->machine, diag) :
							vmm_record_write(stream, VMM_RECORD_ROUND, NULL, 0, diag);
		if (!err)
			err = vmm_record_read(stream, &record, diag);
	}
	if (!err)
		err = read_rest(stream, monitor, &record, diag);
	vmm_ram_free(ram);
	return err;
}
