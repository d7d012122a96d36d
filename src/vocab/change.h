/* SPDX-License-Identifier: MIT */
/* Which changes kernels have, asked once for a kernel and once for two of them, not again for each of their differences. */
#ifndef GABI_VOCAB_CHANGE_H
#define GABI_VOCAB_CHANGE_H

#include <gabi/change.h>

#include <stdbool.h>

enum {
	GABI_CHANGE_COUNT = 0
#define GABI_CHANGE_ROW(...) +1
#include "changes/linux.def"
	,
	GABI_CHANGE_WORDS = (GABI_CHANGE_COUNT + 63) / 64,
	GABI_TOUCH_COUNT = 0
#define GABI_TOUCH_ROW(...) +1
#include "changes/linux.def"
};

/* The rows of data/changes, a bit each: which of them a kernel has, and of which its release tells. All zero: of none. */
struct gabi_changes_had {
	uint64_t has[GABI_CHANGE_WORDS], known[GABI_CHANGE_WORDS];
};

struct gabi_changes_had gabi_changes_in(const char *release); /* NULL: it is not known */

/* What can explain a difference between two kernels: the touches of the changes that lie between them, by space. */
struct gabi_suspects {
	uint16_t touch[GABI_TOUCH_COUNT];
	uint16_t first[GABI_SPACE_COUNT + 1];
	uint64_t later[GABI_CHANGE_WORDS]; /* the changes that the second kernel has */
};

/* b NULL: a kernel that has every change. */
void gabi_suspects_between(struct gabi_suspects *suspects, enum gabi_arch arch, const struct gabi_changes_had *a,
			   const struct gabi_changes_had *b);

/* The change that explains why these bits of a word differ; NULL if none does. `more` is positive where the second has more of
 * them, negative where it has less, 0 where that is not known: a change that takes away explains only less. */
const struct gabi_change *gabi_suspects_find(const struct gabi_suspects *suspects, const struct gabi_key *key, uint64_t bits,
					     int more);

bool gabi_change_is_had(const struct gabi_changes_had *had, const struct gabi_change *change);

/* Where in change->also the release of that kernel's own line stands, and its length; NULL if the line has none. */
const char *gabi_change_in_line(const struct gabi_change *change, const char *release, size_t *ret_len);

#endif
