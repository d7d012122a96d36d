/* SPDX-License-Identifier: MIT */
/* The enlightened VMCS: groups of clean fields. */
#include <gabi/evmcs.h>

#include "base/base.h"
#include "vmcs.h"

#include <string.h>

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

static uint32_t dirtied(unsigned group)
{
	return group == GABI_EVMCS_ALL ? GABI_EVMCS_ALL_CLEAN : group == GABI_EVMCS_NONE ? 0 : UINT32_C(1) << group;
}

uint32_t gabi_evmcs_changed(const void *before, const void *after)
{
	const struct gabi_vmcs_layout *tlfs = gabi_vmcs_layout_by_name("evmcs-tlfs");
	const uint8_t *old = before, *now = after;
	uint32_t groups = 0;

	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
		size_t at = tlfs->offset[id];

		if (at && memcmp(old + at, now + at, gabi_vmcs_bytes(id)))
			groups |= dirtied(gabi_evmcs_fields[id].group);
	}
	for (size_t i = 0; i < gabi_evmcs_own_count; i++)
		if (memcmp(old + gabi_evmcs_own[i].offset, now + gabi_evmcs_own[i].offset, gabi_evmcs_own[i].bytes))
			groups |= dirtied(gabi_evmcs_own[i].group);
	return groups;
}
