/* SPDX-License-Identifier: MIT */
/* gabi probe: the manifest of this machine. */
#include "save.h"

#include <gabi/kvm.h>

enum status run_probe(const struct args *args)
{
	struct gabi_kvm_probe_options options = { .size = sizeof(options), .name = args->option[OPTION_NAME] };
	struct gabi_diag diag = { 0 };
	struct gabi_host *host;
	enum status status;

	if (gabi_kvm_probe(&options, NULL, &host, &diag))
		return complain_diag(NULL, &diag);
	status = save_host(args, host);
	gabi_host_free(host);
	return status;
}
