/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

static int file_of(void *ctx)
{
	return (int)(intptr_t)ctx - 1; /* so that no file is NULL */
}

static bool read_all(void *ctx, uint64_t offset, void *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t part = pread(file_of(ctx), (char *)to + done, len - done, (off_t)(offset + done));

		if (!part || (part < 0 && errno != EINTR))
			return false;
		done += part > 0 ? (size_t)part : 0;
	}
	return true;
}

static bool write_all(void *ctx, uint64_t offset, const void *from, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t part = pwrite(file_of(ctx), (const char *)from + done, len - done, (off_t)(offset + done));

		if (!part || (part < 0 && errno != EINTR))
			return false;
		done += part > 0 ? (size_t)part : 0;
	}
	return true;
}

static bool flush(void *ctx)
{
	return !fdatasync(file_of(ctx));
}

static int failed(struct gabi_diag *diag, const char *path, const char *why, int sys_errno)
{
	gabi_fail(diag, GABI_ERR_IO, "the disk ", path, why, sys_errno ? strerror(sys_errno) : NULL, (char *)NULL);
	if (diag)
		diag->sys_errno = sys_errno;
	return GABI_ERR_IO;
}

int vmm_disk_open(struct vmm_disk *disk, const char *path, struct gabi_diag *diag)
{
	struct stat stat;
	bool read_only = false;
	int file;

	if (!path)
		return 0;
	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0 && (errno == EACCES || errno == EROFS)) {
		read_only = true;
		file = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (file < 0)
		return failed(diag, path, " cannot be opened: ", errno);
	disk->ctx = (void *)(intptr_t)(file + 1);
	if (fstat(file, &stat) || !S_ISREG(stat.st_mode))
		return failed(diag, path, " is not a file", 0);
	disk->sectors = (uint64_t)stat.st_size / SECTOR;
	disk->read_only = read_only;
	disk->read = read_all;
	disk->write = write_all;
	disk->flush = flush;
	return 0;
}

int vmm_disk_lock(const struct vmm_disk *disk, struct gabi_diag *diag)
{
	if (disk->ctx && flock(file_of(disk->ctx), LOCK_NB | (disk->read_only ? LOCK_SH : LOCK_EX)))
		return failed(diag, "", "is another guest's already", 0);
	return 0;
}

int vmm_disk_release(const struct vmm_disk *disk, struct gabi_diag *diag)
{
	if (disk->ctx && ((!disk->read_only && fdatasync(file_of(disk->ctx))) || flock(file_of(disk->ctx), LOCK_UN)))
		return failed(diag, "", "cannot be handed over: ", errno);
	return 0;
}

void vmm_disk_close(struct vmm_disk *disk)
{
	if (disk->ctx)
		close(file_of(disk->ctx));
}
