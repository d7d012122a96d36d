/* SPDX-License-Identifier: MIT */
/* The names nearest to one that is not known, for the sentence that refuses it. */
#ifndef GABI_NEAREST_H
#define GABI_NEAREST_H

#include "base/base.h"

#define GABI_NEAREST_COUNT 3

struct gabi_nearest {
	const char *wanted;
	const char *best[GABI_NEAREST_COUNT]; /* nearest first; NULL behind the last */
	size_t best_len[GABI_NEAREST_COUNT];
	unsigned distance[GABI_NEAREST_COUNT];
};

/* Offers a name; it must live as long as the struct. */
void gabi_nearest_offer(struct gabi_nearest *nearest, const char *name, size_t len);

/* Appends "; near it are a, b and c", or nothing where no name is near. */
void gabi_nearest_print(const struct gabi_nearest *nearest, struct gabi_out *out);

#endif
