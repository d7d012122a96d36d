/* SPDX-License-Identifier: MIT */
#include <gabi/change.h>

#include "base/base.h"

#include <string.h>

enum change_id {
#define GABI_CHANGE_ROW(id, arch, release, also, what, source) CHANGE_##id,
#include "changes/linux.def"
	CHANGE_COUNT
};

static const struct gabi_change changes[CHANGE_COUNT] = {
#define GABI_CHANGE_ROW(id, change_arch, first, stable, text, from) \
	[CHANGE_##id] = { #id, first, stable, text, from, GABI_ARCH_##change_arch },
#include "changes/linux.def"
};

static const struct {
	uint16_t change, space;
	uint64_t index, last;
	int part; /* -1: every part */
	uint64_t bits;
} touches[] = {
#define GABI_TOUCH_ROW(id, space, index, last, part, bits) { CHANGE_##id, GABI_SPACE_##space, index, last, part, bits },
#include "changes/linux.def"
};

static const struct {
	uint16_t change, space;
	uint64_t index;
	uint8_t bits;
	uint64_t value;
} implied[] = {
#define GABI_IMPLY_ROW(id, space, index, bits, value) { CHANGE_##id, GABI_SPACE_##space, index, bits, value },
#include "changes/linux.def"
};

const struct gabi_change *gabi_changes(size_t *ret_count)
{
	*ret_count = CHANGE_COUNT;
	return changes;
}

/* "6.1.176-1" is 6, 1, 176. Debian's "6.1.0-50-amd64" is 6, 1, 0: the package version is the fact kernel.build. */
struct release {
	unsigned long part[3];
};

static const char *release_parse(const char *text, struct release *ret)
{
	struct release release = { { 0 } };

	for (unsigned i = 0; i < 3; i++) {
		if (*text < '0' || *text > '9')
			return i >= 2 ? (*ret = release, text) : NULL;
		for (; *text >= '0' && *text <= '9' && release.part[i] < 100000; text++)
			release.part[i] = release.part[i] * 10 + (unsigned long)(*text - '0');
		if (*text != '.') {
			if (i == 0)
				return NULL;
			break;
		}
		text++;
	}
	*ret = release;
	return text;
}

static int release_compare(const struct release *a, const struct release *b)
{
	for (unsigned i = 0; i < 3; i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	return 0;
}

static bool same_line(const struct release *a, const struct release *b)
{
	return a->part[0] == b->part[0] && a->part[1] == b->part[1];
}

int gabi_change_in(const struct gabi_change *change, const char *release)
{
	struct release have, first;

	if (!release || !release_parse(release, &have) || !release_parse(change->release, &first))
		return -1;
	if (release_compare(&have, &first) >= 0)
		return 1;
	for (const char *at = change->also; at && *at;) {
		struct release stable;
		const char *end = release_parse(at, &stable);

		if (!end)
			break;
		if (same_line(&have, &stable) && release_compare(&have, &stable) >= 0)
			return 1;
		at = end + strspn(end, " ");
	}
	return 0;
}

const struct gabi_change *gabi_change_between(enum gabi_arch arch, const char *release_a, const char *release_b,
					      const struct gabi_key *key, uint64_t bits)
{
	for (size_t i = 0; i < GABI_COUNT_OF(touches); i++) {
		const struct gabi_change *change = &changes[touches[i].change];
		int in_a, in_b;

		if (change->arch != arch || touches[i].space != key->space || key->index < touches[i].index ||
		    key->index > touches[i].last || (touches[i].part >= 0 && touches[i].part != key->part) ||
		    !(touches[i].bits & bits))
			continue;
		in_a = gabi_change_in(change, release_a);
		in_b = gabi_change_in(change, release_b);
		if (in_a >= 0 && in_b >= 0 && in_a != in_b)
			return change;
	}
	return NULL;
}

int gabi_change_implied(enum gabi_arch arch, const char *release,
			int (*found)(void *ctx, const struct gabi_word *word, const struct gabi_change *change), void *ctx)
{
	for (size_t i = 0; i < GABI_COUNT_OF(implied); i++) {
		const struct gabi_change *change = &changes[implied[i].change];
		struct gabi_word word = {
			.key = { .space = implied[i].space, .index = implied[i].index },
			.value = implied[i].value,
			.bits = implied[i].bits,
			.vp = GABI_VP_ALL,
			.flags = GABI_WORD_IMPLIED,
		};
		int stop;

		if (change->arch != arch || gabi_change_in(change, release) != 0)
			continue;
		stop = found(ctx, &word, change);
		if (stop)
			return stop;
	}
	return 0;
}
