/* SPDX-License-Identifier: MIT */
/* The enlightened VMCS: groups of clean fields. */
#include <gabi/evmcs.h>

#include "base/base.h"
#include "vmcs.h"

const char *gabi_evmcs_group_text(unsigned group)
{
	static const char *const texts[] = {
#define GABI_EVMCS_GROUP_ROW(name, bit, text) [bit] = text,
#include <gabi/evmcs_group.def>
	};

	return group < GABI_COUNT_OF(texts) ? texts[group] : "unknown";
}

int gabi_evmcs_group_of(unsigned id)
{
	const struct gabi_vmcs_layout *tlfs = gabi_vmcs_layout_by_name("evmcs-tlfs");

	return id < GABI_VMCS_COUNT && tlfs->offset[id] ? gabi_evmcs_fields[id].group : GABI_ERR_UNKNOWN;
}
