/* SPDX-License-Identifier: MIT */
/* The probe's part that is the same on every architecture. */
#include "probe.h"

#include "uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	CAP_END = 400, /* Linux 7.3 knows less than 260; a number that a kernel does not know reads 0 */
};

int probe_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(fd, request, arg);
	while (ret == -1 && errno == EINTR);
	return ret;
}

unsigned probe_cap(int fd, unsigned cap)
{
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return ret > 0 ? (unsigned)ret : 0;
}

void probe_fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int probe_add(struct probe *probe, const struct gabi_key *key, unsigned bits, uint64_t value, uint64_t settable, unsigned flags)
{
	struct gabi_word word = {
		.key = *key,
		.value = value,
		.settable = settable & gabi_mask(bits),
		.vp = GABI_VP_ALL,
		.bits = (uint8_t)bits,
		.flags = (uint8_t)flags,
	};

	return gabi_host_add(probe->host, &word, probe->diag);
}

int probe_add_vm(struct probe *probe, unsigned number, uint64_t value, uint64_t settable)
{
	struct gabi_key key = { .space = GABI_SPACE_VM, .index = number };

	return probe_add(probe, &key, 64, value, settable, 0);
}

/* Records why the kernel refused; err is the gabi error, text the sentence up to errno's meaning. */
static int fail_errno(struct probe *probe, int err, int sys_errno, const char *where, const char *text, const char *what,
		      const char *why)
{
	gabi_fail(probe->diag, err, text, what, why, (char *)NULL);
	if (probe->diag) {
		struct gabi_out out = gabi_out_to(probe->diag->where, sizeof(probe->diag->where));

		gabi_out_text(&out, where);
		probe->diag->sys_errno = sys_errno;
	}
	return err;
}

int probe_refused(struct probe *probe, const char *what)
{
	int saved = errno;
	char sentence[192];
	struct gabi_out out = gabi_out_to(sentence, sizeof(sentence));

	gabi_out_text(&out, what);
	gabi_out_text(&out, ": ");
	return fail_errno(probe, GABI_ERR_KVM, saved, "", "KVM refused to ", sentence, strerror(saved));
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

static int open_refused(struct probe *probe, const char *device)
{
	int saved = errno;

	for (size_t i = 0; i < GABI_COUNT_OF(refusals); i++)
		if (refusals[i].sys_errno == saved)
			return fail_errno(probe, refusals[i].err, saved, device, refusals[i].text, "", "");
	return fail_errno(probe, GABI_ERR_KVM, saved, device, "cannot be opened", ": ", strerror(saved));
}

static int open_device(struct probe *probe, const char *device)
{
	int version;

	probe->kvm = open(device, O_RDWR | O_CLOEXEC);
	if (probe->kvm < 0)
		return open_refused(probe, device);
	version = ioctl(probe->kvm, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return fail_errno(probe, GABI_ERR_UNSUPPORTED, errno, device, "is not KVM's device", ": ", strerror(errno));
	if (version != KVM_API_VERSION)
		return fail_errno(probe, GABI_ERR_UNSUPPORTED, 0, device, "speaks another version of KVM's interface than 12, ",
				  "which every Linux since 2.6.22 has", "");
	return 0;
}

int probe_vm_new(struct probe *probe, unsigned long type, int *ret_vm)
{
	int vm;

	do
		vm = ioctl(probe->kvm, KVM_CREATE_VM, type);
	while (vm < 0 && errno == EINTR);
	if (vm < 0)
		return probe_refused(probe, "make a virtual machine");
	*ret_vm = vm;
	return 0;
}

int probe_caps(struct probe *probe, int vm)
{
	for (unsigned cap = 0; cap < CAP_END; cap++) {
		struct gabi_key key = { .space = GABI_SPACE_CAP, .index = cap };
		unsigned value = probe_cap(vm, cap);
		int err = value ? probe_add(probe, &key, 32, value, 0, 0) : 0;

		if (err)
			return err;
	}
	return gabi_host_cover(probe->host, GABI_SPACE_CAP);
}

/* ---- the call ---- */

/* The caller's options at our size. A field that we do not know must be unset, or we would ignore a wish. */
static int take_options(struct gabi_kvm_probe_options *ours, const struct gabi_kvm_probe_options *theirs,
			struct gabi_diag *diag)
{
	const unsigned char *bytes = (const void *)theirs;

	*ours = (struct gabi_kvm_probe_options){ 0 };
	if (theirs) {
		if (theirs->size < sizeof(theirs->size))
			return gabi_fail(diag, GABI_ERR_ARG, "the options do not say their size", (char *)NULL);
		for (size_t i = sizeof(*ours); i < theirs->size; i++)
			if (bytes[i])
				return gabi_fail(diag, GABI_ERR_ARG,
						 "the options ask for what this version of libgabi-kvm does not know", (char *)NULL);
		memcpy(ours, theirs, theirs->size < sizeof(*ours) ? theirs->size : sizeof(*ours));
	}
	if (!ours->device)
		ours->device = "/dev/kvm";
	return 0;
}

static int read_all(struct probe *probe, const struct gabi_kvm_probe_options *options)
{
	int err = open_device(probe, options->device);

	if (!err && options->name)
		err = probe_fact(probe, "name", options->name);
	if (!err)
		err = probe_facts(probe);
	if (!err)
		err = probe_arch_facts(probe);
	if (!err)
		err = probe_arch_words(probe);
	if (!err)
		err = gabi_host_seal(probe->host, probe->diag);
	return err;
}

int gabi_kvm_probe(const struct gabi_kvm_probe_options *options, const struct gabi_mem *mem, struct gabi_host **ret_host,
		   struct gabi_diag *diag)
{
	struct probe probe = { .mem = gabi_mem_or_default(mem), .diag = diag, .kvm = -1 };
	struct gabi_kvm_probe_options ours;
	int err = take_options(&ours, options, diag);

	if (err)
		return err;
	probe.host = gabi_host_new(probe_arch, GABI_VIEW_KVM, mem);
	if (!probe.host)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = read_all(&probe, &ours);
	probe_fd_close(probe.kvm);
	if (err)
		gabi_host_free(probe.host);
	else
		*ret_host = probe.host;
	return err;
}
