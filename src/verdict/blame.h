/* SPDX-License-Identifier: MIT */
/* Who causes a finding. */
#ifndef GABI_BLAME_H
#define GABI_BLAME_H

#include <gabi/verdict.h>

#include "base/base.h"
#include "vocab/facts.h"

/*
 * Two sides of a difference, and what is found out of both once, for the first finding that asks: one object serves all
 * findings of a question. Not to be kept longer than the two.
 */
struct gabi_blame {
	enum gabi_arch arch;
	const struct gabi_facts *from, *to; /* from is NULL where nothing is known of it */
	bool also_alone;                    /* where the two do not tell, is the second looked at by itself? */
	bool pair_seen, host_seen;
	bool cpus_known; /* of the pair, from here on */
	uint8_t suspect; /* enum gabi_cause: where no row explains the difference */
	struct gabi_suspects pair, host;
};

/* A difference between two hosts. */
void gabi_blame_between(struct gabi_blame *blame, const struct gabi_host *from, const struct gabi_host *to);

/* What a host makes of a contract: compared with where it was pinned, if it knows, else the host alone is looked at. */
void gabi_blame_of(struct gabi_blame *blame, const struct gabi_contract *contract, const struct gabi_host *host);

/* Fills in cause, change and param. */
void gabi_finding_blame(struct gabi_finding *finding, struct gabi_blame *blame);

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
