/* SPDX-License-Identifier: MIT */
#include "exits.h"

#include "io.h"
#include "uapi.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 64, DESCRIPTORS_MAX = 1024 };

static bool read_at(int file, void *to, size_t len, off_t at)
{
	return pread(file, to, len, at) == (ssize_t)len;
}

/* Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD. */
static off_t find(int file, const char *wanted)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc descriptor;
	char name[NAME_MAX_LEN] = "";

	if (!read_at(file, &header, sizeof(header), 0) || header.name_size > NAME_MAX_LEN || header.num_desc > DESCRIPTORS_MAX)
		return 0;
	for (uint32_t i = 0; i < header.num_desc; i++) {
		off_t at = (off_t)header.desc_offset + (off_t)(i * (sizeof(descriptor) + header.name_size));

		if (!read_at(file, &descriptor, sizeof(descriptor), at) ||
		    !read_at(file, name, header.name_size, at + (off_t)sizeof(descriptor)))
			return 0;
		if (!strncmp(name, wanted, header.name_size) && descriptor.size == 1)
			return (off_t)header.data_offset + (off_t)descriptor.offset;
	}
	return 0;
}

struct exits exits_open(int vcpu)
{
	struct exits exits = { .file = ioctl(vcpu, KVM_GET_STATS_FD, NULL) };

	if (exits.file >= 0)
		exits.at = find(exits.file, "exits");
	if (exits.at)
		exits.blocking_at = find(exits.file, "blocking");
	else
		kvm_close(exits.file);
	return exits;
}

void exits_close(struct exits *exits)
{
	if (exits->at)
		kvm_close(exits->file);
	exits->at = exits->blocking_at = 0;
}

bool exits_read(const struct exits *exits, uint64_t *ret_count)
{
	/* Not by pread(3): it looks first whether its thread is to be ended. */
	return exits->at && syscall(SYS_pread64, exits->file, ret_count, sizeof(*ret_count), exits->at) == (long)sizeof(*ret_count);
}

bool exits_is_blocking(const struct exits *exits)
{
	uint64_t blocking = 0;

	return exits->blocking_at && read_at(exits->file, &blocking, sizeof(blocking), exits->blocking_at) && blocking;
}
