/* SPDX-License-Identifier: MIT */
/*
 * Cloud Hypervisor's --cpus, and what its guest is given. In libgabi-formats.
 */
#ifndef GABI_CLOUD_HYPERVISOR_H
#define GABI_CLOUD_HYPERVISOR_H

#include <gabi/host.h>

GABI_BEGIN

#define GABI_CLOUD_MAX_LEN 65536 /* bytes of an argument; longer is GABI_ERR_LIMIT */

struct gabi_cloud_cpus {
	uint32_t boot, max;
	uint16_t topology[4]; /* threads a core, cores a die, dies a package, packages; all 0 where none was given */
	uint8_t max_phys_bits;
	uint8_t hyperv, amx, nested; /* 1 or 0 */
};

/*
 * Reads "boot=2,max_phys_bits=46,kvm_hyperv=on", with or without "--cpus " before it. An unknown key or feature is GABI_ERR_UNKNOWN, with the
 * nearest; one that is there twice GABI_ERR_DUPLICATE; a CPU profile other than "host" GABI_ERR_UNSUPPORTED. affinity and
 * core_scheduling are passed over: no guest sees them.
 */
GABI_API int gabi_cloud_read(const char *text, size_t len, struct gabi_cloud_cpus *ret_cpus, struct gabi_diag *diag);

/*
 * What a guest with these CPUs is given on the host, as a manifest to pin a contract from. A manifest that is not what KVM offers
 * (GABI_VIEW_KVM), or not of x86, is GABI_ERR_ARG.
 */
GABI_API int gabi_cloud_apply(const struct gabi_cloud_cpus *cpus, const struct gabi_host *host, const struct gabi_mem *mem,
			      struct gabi_host **ret_host, struct gabi_diag *diag);

GABI_END
#endif
