/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct gabi_diag *diag, const char *what)
{
	int saved = errno;

	gabi_fail(diag, GABI_ERR_IO, what, ": ", strerror(saved), (char *)NULL);
	if (diag)
		diag->sys_errno = saved;
	return GABI_ERR_IO;
}

struct out {
	int file;
	const atomic_bool *cancelled; /* may be NULL */
};

static int write_file(void *ctx, const void *bytes, size_t len, struct gabi_diag *diag)
{
	const struct out *out = ctx;
	const char *at = bytes;

	while (len) {
		ssize_t done = write(out->file, at, len);

		if (out->cancelled && atomic_load(out->cancelled))
			return gabi_fail(diag, GABI_ERR_CONFLICT, "it was cancelled", (char *)NULL);
		if (done < 0 && errno != EINTR)
			return failed(diag, "the file cannot be written");
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int read_file(void *ctx, void *to, size_t len, struct gabi_diag *diag)
{
	char *at = to;

	while (len) {
		ssize_t done = read(*(const int *)ctx, at, len);

		if (!done)
			return gabi_fail(diag, GABI_ERR_SYNTAX, "is cut off: the guest was not saved to its end", (char *)NULL);
		if (done < 0 && errno != EINTR)
			return failed(diag, "the file cannot be read");
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

/* ---- saving ---- */

static int write_memory(struct vmm_stream *stream, const struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	struct vmm_ram *ram = vmm_ram_new(diag);
	uint64_t *used = ram ? vmm_ram_bitmap(machine) : NULL;
	int err = used ? gabi_kvm_machine_used(machine, used, diag) : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);

	if (!err)
		err = vmm_ram_write(ram, stream, machine, used, 0, gabi_kvm_machine_pages(machine), false, diag);
	free(used);
	vmm_ram_free(ram);
	return err;
}

static int write_all(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	int err = vmm_stream_begin(stream, diag);

	if (!err)
		err = vmm_head_write(stream, monitor, diag);
	if (!err)
		err = write_memory(stream, vmm_machine(monitor), diag);
	return err ? err : vmm_state_write(stream, monitor, diag);
}

int vmm_save_to(struct vmm_monitor *monitor, int file, const atomic_bool *cancelled, struct gabi_diag *diag)
{
	struct out out = { file, cancelled };
	struct vmm_stream stream = { .pipe = { .write = write_file, .ctx = &out } };
	int err = vmm_pause(monitor, diag);

	if (err)
		return err;
	err = write_all(&stream, monitor, diag);
	vmm_stream_close(&stream);
	vmm_resume(monitor);
	return err;
}

/* The directory too, or the name may be lost with the power. */
static int sync_directory(const char *path, struct gabi_diag *diag)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 1;
	int file, err;

	memcpy(directory, slash ? path : ".", len);
	directory[len] = '\0';
	file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = file < 0 || (fsync(file) && errno != EINVAL) ? failed(diag, "the directory cannot be synced") : 0;
	if (file >= 0)
		close(file);
	return err;
}

static int write_and_rename(struct vmm_monitor *monitor, int file, const char *temporary, const char *path, struct gabi_diag *diag)
{
	int err = vmm_save_to(monitor, file, NULL, diag);

	if (!err && fsync(file))
		err = failed(diag, "the file cannot be synced");
	if (!err && rename(temporary, path))
		err = failed(diag, "the file cannot get its name");
	if (err)
		unlink(temporary);
	return err ? err : sync_directory(path, diag);
}

int vmm_save(struct vmm_monitor *monitor, const char *path, struct gabi_diag *diag)
{
	char temporary[PATH_MAX];
	int file, err;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return gabi_fail(diag, GABI_ERR_ARG, "the file's name is too long", (char *)NULL);
	file = mkostemp(temporary, O_CLOEXEC);
	if (file < 0)
		return failed(diag, "the file cannot be made");
	err = write_and_rename(monitor, file, temporary, path, diag);
	close(file);
	return err;
}

/* ---- restoring ---- */

int vmm_snapshot_open(struct vmm_snapshot *snapshot, const char *path, struct gabi_diag *diag)
{
	int err;

	*snapshot = (struct vmm_snapshot){ .file = open(path, O_RDONLY | O_CLOEXEC) };
	if (snapshot->file < 0)
		return failed(diag, "the file cannot be opened");
	snapshot->stream.pipe = (struct vmm_pipe){ .read = read_file, .ctx = &snapshot->file };
	err = vmm_stream_expect_begin(&snapshot->stream, diag);
	return err ? err : vmm_head_read(&snapshot->stream, &snapshot->head, diag);
}

static int expect_end(const struct vmm_snapshot *snapshot, struct gabi_diag *diag)
{
	char more;

	return read(snapshot->file, &more, 1) == 1 ? vmm_stream_damaged(&snapshot->stream, diag, "there is more behind its end") : 0;
}

int vmm_snapshot_load(struct vmm_snapshot *snapshot, struct vmm_monitor *monitor, struct gabi_diag *diag)
{
	int err = vmm_shape_check(&snapshot->head.shape, monitor, diag);

	if (!err)
		err = vmm_body_read(&snapshot->stream, monitor, diag);
	return err ? err : expect_end(snapshot, diag);
}

void vmm_snapshot_close(struct vmm_snapshot *snapshot)
{
	vmm_stream_close(&snapshot->stream);
	gabi_contract_free(snapshot->head.contract);
	if (snapshot->file >= 0)
		close(snapshot->file);
}
