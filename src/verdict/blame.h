/* SPDX-License-Identifier: MIT */
/* Who causes a finding. */
#ifndef GABI_BLAME_H
#define GABI_BLAME_H

#include <gabi/verdict.h>

#include "base/base.h"

/* Fills in cause, change and param of a finding that a host makes against a contract (NULL: against none in particular). */
void gabi_finding_blame(struct gabi_finding *finding, const struct gabi_contract *contract, const struct gabi_host *host);

/* The same for a difference between two hosts. */
void gabi_finding_blame_between(struct gabi_finding *finding, const struct gabi_host *from, const struct gabi_host *to);

/* Is that one of arm64's firmware pseudo-registers: 0x14 PSCI version and workaround levels, 0x16 service bitmaps? The
 * kernel makes both. */
static inline bool gabi_is_fw(const struct gabi_key *key)
{
	unsigned class = (unsigned)(key->index >> 16) & 0xfff;

	return key->space == GABI_SPACE_ARM64 && (class == 0x14 || class == 0x16);
}

/* A bitmap register of services: "write zero" turns off also what this version of gabi does not know. */
static inline bool gabi_is_fw_bitmap(const struct gabi_key *key)
{
	return gabi_is_fw(key) && ((key->index >> 16) & 0xfff) == 0x16;
}

#endif
