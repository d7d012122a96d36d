/* SPDX-License-Identifier: MIT */
/*
 * libgabi-kvm: this machine's KVM.
 *
 * The only library of gabi that does I/O. It reads a host manifest out of /dev/kvm; everything else about manifests is
 * in gabi/host.h and needs no kernel.
 */
#ifndef GABI_KVM_H
#define GABI_KVM_H

#include <gabi/host.h>

GABI_BEGIN

/* What to read. Zero everything but `size` for the usual. */
struct gabi_kvm_probe_options {
	size_t size;        /* sizeof(struct gabi_kvm_probe_options); bytes that this library does not know must be 0 */
	const char *device; /* KVM's device; NULL: /dev/kvm */
	const char *name;   /* becomes the fact "name"; NULL: none */
};

/*
 * Reads everything that this machine's KVM can offer a guest into a new, sealed manifest.
 *
 * It makes scratch virtual machines, tries on them which bits KVM lets one change, and runs nothing in them. The same
 * kernel on the same machine gives the same manifest every time: what changes from run to run (clocks, counters, the
 * number of the processor that the probe ran on) is left out or, where its presence counts, listed as 0.
 *
 * On x86 it asks once, by arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM), that guests of this process may have the XSAVE features
 * that want permission (AMX), for KVM offers them to nobody else. A process cannot give that back; it costs nothing.
 *
 * options NULL: the usual. mem NULL: malloc and free. Errors: GABI_ERR_UNSUPPORTED where there is no KVM, GABI_ERR_KVM
 * where it refuses (diag->sys_errno says how), GABI_ERR_NOMEM, GABI_ERR_ARG.
 */
GABI_API int gabi_kvm_probe(const struct gabi_kvm_probe_options *options, const struct gabi_mem *mem, struct gabi_host **ret_host,
			    struct gabi_diag *diag);

GABI_END
#endif
