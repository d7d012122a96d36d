/* SPDX-License-Identifier: MIT */
/* A manifest out of what another tool says by QEMU's names: a -cpu argument in the making. */
#ifndef GABI_FORMATS_OFFERED_H
#define GABI_FORMATS_OFFERED_H

#include <gabi/cpu_string.h>
#include <gabi/host.h>

#include "base/base.h"

struct gabi_offered {
	char argument[GABI_CPU_MAX_LEN + 1];
	struct gabi_out out;
	bool without_vmx; /* the VMX capability MSRs stay unknown */
	size_t unknown; /* names that this version of gabi does not have */
};

void gabi_offered_begin(struct gabi_offered *offered, const char *model);

/* ",name=value"; what gabi has no name for is counted. */
void gabi_offered_add(struct gabi_offered *offered, const char *name, const char *value);

/*
 * The words of the argument as a manifest of that view, which covers nothing: a source that speaks in names says nothing of what has
 * no name. `source` is completed by what the source could not see.
 */
int gabi_offered_host(struct gabi_offered *offered, enum gabi_view view, const char *source, const struct gabi_mem *mem,
		      struct gabi_host **ret_host, struct gabi_diag *diag);

#endif
