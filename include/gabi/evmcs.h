/* SPDX-License-Identifier: MIT */
/*
 * The enlightened VMCS: clean-field groups.
 */
#ifndef GABI_EVMCS_H
#define GABI_EVMCS_H

#include <gabi/vmcs.h>

GABI_BEGIN

enum gabi_evmcs_group {
#define GABI_EVMCS_GROUP_ROW(name, bit, text) GABI_EVMCS_##name = bit,
#include <gabi/evmcs_group.def>
	GABI_EVMCS_GROUP_COUNT
};

#define GABI_EVMCS_ALL_CLEAN 0xffffu /* every group of the clean-fields word */

/* Members of the page that have no encoding. */
enum gabi_evmcs_offset {
#define GABI_EVMCS1_OWN_ROW(name, offset, bytes, group) GABI_EVMCS_AT_##name = offset,
#include <gabi/evmcs1.def>
};

GABI_API const char *gabi_evmcs_group_text(unsigned group); /* "guest-grp1" */

/* The group of a field: enum gabi_evmcs_group, or negative if the page has no such field. */
GABI_API int gabi_evmcs_group_of(unsigned id);

/* The groups that a change from one page to another makes dirty, as bits of the clean-fields word: what a guest hypervisor clears
 * there, so that the next entry takes the change over. A field that is in all groups gives all; one that is in none gives none. */
GABI_API uint32_t gabi_evmcs_changed(const void *before, const void *after);

GABI_END
#endif
