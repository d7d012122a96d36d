/* SPDX-License-Identifier: MIT */
#include <gabi/change.h>

#include "base/base.h"

#include <string.h>

enum change_id {
#define GABI_CHANGE_ROW(id, arch, release, also, what, source) CHANGE_##id,
#include "changes/linux.def"
	CHANGE_COUNT,
	CHANGE_none = CHANGE_COUNT
};

static const struct gabi_change changes[CHANGE_COUNT] = {
#define GABI_CHANGE_ROW(id, change_arch, first, stable, text, from) \
	[CHANGE_##id] = { #id, first, stable, text, from, GABI_ARCH_##change_arch },
#include "changes/linux.def"
};

static const struct touch {
	uint16_t change, space;
	uint64_t index, last;
	int64_t sub; /* -1: every subleaf */
	int part;    /* -1: every part */
	uint64_t bits;
} touches[] = {
#define GABI_TOUCH_ROW(id, space, index, last, sub, part, bits) \
	{ CHANGE_##id, GABI_SPACE_##space, index, last, sub, part, bits },
#include "changes/linux.def"
};

#include "touches.inc" /* touch_order and, for each space, touch_first: written by gen_names at build time */

static const struct {
	uint16_t lacks, has; /* enum change_id; has CHANGE_none: whatever it has */
	uint64_t index;
	uint8_t bits;
	uint64_t value;
} implied[] = {
#define GABI_IMPLY_ROW(lacks, has, index, bits, value) { CHANGE_##lacks, CHANGE_##has, index, bits, value },
#include "changes/linux.def"
};

const struct gabi_change *gabi_changes(size_t *ret_count)
{
	*ret_count = CHANGE_COUNT;
	return changes;
}

/* "6.1.176-1" is 6, 1, 176. Distributions that number their own releases leave the third at 0, and then it says nothing
 * of what was backported: "6.1.0-50-amd64". */
struct release {
	unsigned long part[3];
	bool patch_known;
};

static const char *number_parse(const char *text, unsigned long *ret)
{
	unsigned long number = 0;

	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9' && number < 100000; text++)
		number = number * 10 + (unsigned long)(*text - '0');
	*ret = number;
	return text;
}

/* Returns what follows the numbers, or NULL if it does not begin with two. */
static const char *release_parse(const char *text, struct release *ret)
{
	struct release release = { .patch_known = true };
	const char *at = number_parse(text, &release.part[0]), *patch;

	at = at && *at == '.' ? number_parse(at + 1, &release.part[1]) : NULL;
	if (!at)
		return NULL;
	patch = *at == '.' ? number_parse(at + 1, &release.part[2]) : NULL;
	if (patch)
		at = patch;
	if (!release.part[2] && at[0] == '-' && at[1] >= '0' && at[1] <= '9')
		release.patch_known = false;
	*ret = release;
	return at;
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

/* Kernels whose version says nothing of their KVM, since their distribution carries whole subsystems back. */
static bool is_rebuilt(const char *release)
{
	const char *el = strstr(release, ".el");

	return el && el[3] >= '0' && el[3] <= '9';
}

const char *gabi_change_release(const char *release, const char *build)
{
	struct release named, built;

	if (!release || !build || !release_parse(release, &named) || !release_parse(build, &built))
		return release;
	return same_line(&named, &built) && !named.patch_known && built.patch_known ? build : release;
}

#define AMAZON "amzn:"

/* Of the releases with a backport: is this one of their lines, and does it have it? */
static int in_stable(const char *list, const char *release, const struct release *have)
{
	for (; *list; list += strcspn(list, " "), list += strspn(list, " ")) {
		bool amazon = !strncmp(list, AMAZON, strlen(AMAZON));
		struct release stable;

		if (!release_parse(list + (amazon ? strlen(AMAZON) : 0), &stable) || !same_line(have, &stable) ||
		    (amazon && !strstr(release, ".amzn")))
			continue;
		if (!have->patch_known)
			return -1;
		if (release_compare(have, &stable) >= 0)
			return 1;
	}
	return 0;
}

int gabi_change_in(const struct gabi_change *change, const char *release)
{
	struct release have, first;

	if (!release || is_rebuilt(release) || !release_parse(release, &have) || !release_parse(change->release, &first))
		return -1;
	return release_compare(&have, &first) >= 0 ? 1 : in_stable(change->also, release, &have);
}

static bool is_touched(const struct touch *touch, const struct gabi_key *key, uint64_t bits)
{
	return key->index >= touch->index && key->index <= touch->last &&
	       (touch->sub < 0 || touch->sub == (int64_t)key->sub) && (touch->part < 0 || touch->part == (int)key->part) &&
	       (touch->bits & bits);
}

int gabi_change_touches(const struct gabi_change *change, const struct gabi_key *key, uint64_t bits)
{
	for (size_t i = 0; i < GABI_COUNT_OF(touches); i++)
		if (touches[i].change == change - changes && touches[i].space == key->space && is_touched(&touches[i], key, bits))
			return 1;
	return 0;
}

const struct gabi_change *gabi_change_between(enum gabi_arch arch, const char *release_a, const char *release_b,
					      const struct gabi_key *key, uint64_t bits)
{
	if (key->space >= GABI_SPACE_COUNT)
		return NULL;
	for (size_t i = touch_first[key->space]; i < touch_first[key->space + 1]; i++) {
		const struct touch *touch = &touches[touch_order[i]];
		const struct gabi_change *change = &changes[touch->change];
		int in_a, in_b;

		if (!is_touched(touch, key, bits) || (change->arch != arch && change->arch != GABI_ARCH_ANY))
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
		const struct gabi_change *lacks = &changes[implied[i].lacks];
		struct gabi_word word = {
			.key = { .space = GABI_SPACE_ARM64, .index = implied[i].index },
			.value = implied[i].value,
			.bits = implied[i].bits,
			.vp = GABI_VP_ALL,
			.flags = GABI_WORD_IMPLIED,
		};
		int stop;

		if (lacks->arch != arch || gabi_change_in(lacks, release) != 0 ||
		    (implied[i].has != CHANGE_none && gabi_change_in(&changes[implied[i].has], release) != 1))
			continue;
		stop = found(ctx, &word, lacks);
		if (stop)
			return stop;
	}
	return 0;
}
