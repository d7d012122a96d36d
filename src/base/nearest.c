/* SPDX-License-Identifier: MIT */
#include "base/nearest.h"

#include <string.h>

#define LONGEST 64 /* no name is longer; what is has nothing near */

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

static char fold(char c)
{
	return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Levenshtein's distance: how many letters must be put in, taken out or changed. */
static unsigned distance_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned row[LONGEST + 1];

	for (size_t i = 0; i <= b_len; i++)
		row[i] = (unsigned)i;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, corner + (fold(a[i - 1]) != fold(b[j - 1])));
			corner = above;
		}
	}
	return row[b_len];
}

void gabi_nearest_offer(struct gabi_nearest *nearest, const char *name, size_t len)
{
	size_t wanted_len = strlen(nearest->wanted), at = GABI_NEAREST_COUNT;
	unsigned distance;

	if (!len || len > LONGEST || !wanted_len || wanted_len > LONGEST)
		return;
	distance = distance_of(nearest->wanted, wanted_len, name, len);
	if (distance > 1 + wanted_len / 4)
		return;
	for (size_t i = 0; i < GABI_NEAREST_COUNT && nearest->best[i]; i++)
		if (nearest->best_len[i] == len && !memcmp(nearest->best[i], name, len))
			return;
	while (at && (!nearest->best[at - 1] || nearest->distance[at - 1] > distance))
		at--;
	if (at == GABI_NEAREST_COUNT)
		return;
	for (size_t i = GABI_NEAREST_COUNT - 1; i > at; i--) {
		nearest->best[i] = nearest->best[i - 1];
		nearest->best_len[i] = nearest->best_len[i - 1];
		nearest->distance[i] = nearest->distance[i - 1];
	}
	nearest->best[at] = name;
	nearest->best_len[at] = len;
	nearest->distance[at] = distance;
}

void gabi_nearest_print(const struct gabi_nearest *nearest, struct gabi_out *out)
{
	for (size_t i = 0; i < GABI_NEAREST_COUNT && nearest->best[i]; i++) {
		bool last = i + 1 == GABI_NEAREST_COUNT || !nearest->best[i + 1];

		gabi_out_text(out, i == 0 ? "; near it " : last ? " and " : ", ");
		if (i == 0)
			gabi_out_text(out, last ? "is " : "are ");
		gabi_out_bytes(out, nearest->best[i], nearest->best_len[i]);
	}
}
