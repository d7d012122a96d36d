/* SPDX-License-Identifier: MIT */
/* Talking to the kernel, and saying what it refused. */
#include "io.h"

#include "uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int kvm_take_sized(void *ours, size_t our_size, const void *theirs, struct gabi_diag *diag)
{
	const unsigned char *bytes = theirs;
	size_t size = our_size;

	memset(ours, 0, our_size);
	if (!theirs)
		return 0;
	memcpy(&size, theirs, sizeof(size));
	if (size < sizeof(size))
		return gabi_fail(diag, GABI_ERR_ARG, "the options do not say their size", (char *)NULL);
	for (size_t i = our_size; i < size; i++)
		if (bytes[i])
			return gabi_fail(diag, GABI_ERR_ARG,
					 "the options ask for what this version of libgabi-kvm does not know", (char *)NULL);
	memcpy(ours, theirs, size < our_size ? size : our_size);
	return 0;
}

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret == -1 && errno == EINTR);
	return ret;
}

unsigned kvm_cap(int fd, unsigned cap)
{
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return ret > 0 ? (unsigned)ret : 0;
}

void kvm_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Records why the kernel refused; err is the gabi error, text the sentence up to errno's meaning. */
static int fail_errno(struct gabi_diag *diag, int err, int sys_errno, const char *where, const char *text, const char *what,
		      const char *why)
{
	gabi_fail(diag, err, text, what, why, (char *)NULL);
	if (diag) {
		struct gabi_out out = gabi_out_to(diag->where, sizeof(diag->where));

		gabi_out_text(&out, where);
		diag->sys_errno = sys_errno;
	}
	return err;
}

int kvm_refused(struct gabi_diag *diag, const char *what)
{
	int saved = errno;
	char sentence[192];
	struct gabi_out out = gabi_out_to(sentence, sizeof(sentence));

	gabi_out_text(&out, what);
	gabi_out_text(&out, ": ");
	return fail_errno(diag, GABI_ERR_KVM, saved, "", "KVM refused to ", sentence, strerror(saved));
}

/* ---- the device ---- */

static const struct refusal {
	int sys_errno;
	int err;
	const char *text;
} refusals[] = {
	{ ENOENT, GABI_ERR_UNSUPPORTED,
	  "there is no such device: load the kernel's kvm module (kvm_intel or kvm_amd on x86), and see that virtualization is "
	  "switched on in the machine's firmware" },
	{ ENODEV, GABI_ERR_UNSUPPORTED, "the kernel has no KVM that works on this machine" },
	{ ENXIO, GABI_ERR_UNSUPPORTED, "the kernel has no KVM that works on this machine" },
	{ EACCES, GABI_ERR_KVM, "no permission to open it: run as root or join the group that owns it, usually \"kvm\"" },
	{ EPERM, GABI_ERR_KVM, "not allowed to open it: a container or sandbox keeps this device from its processes" },
};

static int open_refused(struct gabi_diag *diag, const char *device)
{
	int saved = errno;

	for (size_t i = 0; i < GABI_COUNT_OF(refusals); i++)
		if (refusals[i].sys_errno == saved)
			return fail_errno(diag, refusals[i].err, saved, device, refusals[i].text, "", "");
	return fail_errno(diag, GABI_ERR_KVM, saved, device, "cannot be opened", ": ", strerror(saved));
}

/* Is it KVM's, of the version that there has been since 2.6.22? */
static int check_device(int fd, const char *device, struct gabi_diag *diag)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return fail_errno(diag, GABI_ERR_UNSUPPORTED, errno, device, "is not KVM's device", ": ", strerror(errno));
	if (version != KVM_API_VERSION)
		return fail_errno(diag, GABI_ERR_UNSUPPORTED, 0, device, "speaks another version of KVM's interface than 12, ",
				  "which every Linux since 2.6.22 has", "");
	return 0;
}

int kvm_open(const char *device, int *ret_fd, struct gabi_diag *diag)
{
	int fd = open(device, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return open_refused(diag, device);
	err = check_device(fd, device, diag);
	if (err)
		kvm_close(fd);
	else
		*ret_fd = fd;
	return err;
}

int kvm_vm_new(int kvm, unsigned long type, int *ret_vm, struct gabi_diag *diag)
{
	int vm;

	do
		vm = ioctl(kvm, KVM_CREATE_VM, type);
	while (vm < 0 && errno == EINTR);
	if (vm < 0)
		return kvm_refused(diag, "make a virtual machine");
	*ret_vm = vm;
	return 0;
}
