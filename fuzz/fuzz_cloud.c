/* SPDX-License-Identifier: MIT */
/* An argument of --cpus that is taken has a number of CPUs that its topology can have, and says the same with its order turned round. */
#include "fuzz.h"

#include <gabi/cloud_hypervisor.h>

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_cloud_cpus cpus, again;
	struct gabi_diag diag = { 0 };
	char text[256];
	int err = gabi_cloud_read((const char *)data, len, &cpus, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	fuzz_expect(cpus.boot && cpus.boot <= cpus.max && cpus.hyperv <= 1 && cpus.amx <= 1 && cpus.nested <= 1);
	snprintf(text, sizeof(text), "%snested=%s,max_phys_bits=%u,kvm_hyperv=%s,max=%u,boot=%u", cpus.amx ? "features=amx," : "", cpus.nested ? "on" : "off",
		 cpus.max_phys_bits, cpus.hyperv ? "on" : "off", cpus.max, cpus.boot);
	if (cpus.topology[0])
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ",topology=%u:%u:%u:%u", cpus.topology[0], cpus.topology[1], cpus.topology[2],
			 cpus.topology[3]);
	fuzz_expect(!gabi_cloud_read(text, strlen(text), &again, &diag));
	fuzz_expect(!memcmp(&cpus, &again, sizeof(cpus)));
	fuzz_reached();
	return 0;
}
