/* SPDX-License-Identifier: MIT */
/* The probe's part that is the same on every architecture. */
#include "probe.h"

#include "uapi.h"


enum {
	CAP_END = 400, /* Linux 7.3 knows less than 260; a number that a kernel does not know reads 0 */
};

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

static int probe_caps_of(struct probe *probe, int fd, enum gabi_space space)
{
	for (unsigned cap = 0; cap < CAP_END; cap++) {
		struct gabi_key key = { .space = (uint16_t)space, .index = cap };
		unsigned value = kvm_cap(fd, cap);
		int err = value ? probe_add(probe, &key, 32, value, 0, 0) : 0;

		if (err)
			return err;
	}
	return gabi_host_cover(probe->host, space);
}

int probe_caps(struct probe *probe, int vm)
{
	int err = probe_caps_of(probe, vm, GABI_SPACE_CAP);

	return err ? err : probe_caps_of(probe, probe->kvm, GABI_SPACE_CAP_SYSTEM);
}

/* ---- the call ---- */

static int take_options(struct gabi_kvm_probe_options *ours, const struct gabi_kvm_probe_options *theirs,
			struct gabi_diag *diag)
{
	int err = kvm_take_sized(ours, sizeof(*ours), theirs, diag);

	if (!err && !ours->device)
		ours->device = "/dev/kvm";
	return err;
}

static int read_all(struct probe *probe, const struct gabi_kvm_probe_options *options)
{
	int err = kvm_open(options->device, &probe->kvm, probe->diag);

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
	kvm_close(probe.kvm);
	if (err)
		gabi_host_free(probe.host);
	else
		*ret_host = probe.host;
	return err;
}
