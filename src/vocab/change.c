/* SPDX-License-Identifier: MIT */
#include "vocab/change.h"

#include "base/base.h"

#include <string.h>

enum change_id {
#define GABI_CHANGE_ROW(id, arch, release, also, what, source) CHANGE_##id,
#include "changes/linux.def"
	CHANGE_none
};

static const struct gabi_change changes[GABI_CHANGE_COUNT] = {
#define GABI_CHANGE_ROW(id, change_arch, first, stable, text, from) \
	[CHANGE_##id] = { #id, first, stable, text, from, GABI_ARCH_##change_arch },
#include "changes/linux.def"
};

static const bool takes_away[GABI_CHANGE_COUNT] = {
#define GABI_AWAY_ROW(id) [CHANGE_##id] = true,
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
	*ret_count = GABI_CHANGE_COUNT;
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

/* A release of a list of backports, if it is one for such kernels as that. */
static bool stable_parse(const char *at, const char *release, struct release *ret_stable)
{
	bool amazon = !strncmp(at, AMAZON, strlen(AMAZON));

	return release_parse(at + (amazon ? strlen(AMAZON) : 0), ret_stable) && (!amazon || strstr(release, ".amzn"));
}

/* Of the releases with a backport: is this one of their lines, and does it have it? */
static int in_stable(const char *list, const char *release, const struct release *have)
{
	for (; *list; list += strcspn(list, " "), list += strspn(list, " ")) {
		struct release stable;

		if (!stable_parse(list, release, &stable) || !same_line(have, &stable))
			continue;
		if (!have->patch_known)
			return -1;
		if (release_compare(have, &stable) >= 0)
			return 1;
	}
	return 0;
}

/* A kernel's release as far as it tells anything. */
struct kernel {
	const char *text; /* NULL: it tells nothing */
	struct release release;
};

static struct kernel kernel_of(const char *release)
{
	struct kernel kernel = { .text = release };

	if (release && (is_rebuilt(release) || !release_parse(release, &kernel.release)))
		kernel.text = NULL;
	return kernel;
}

static int change_in(const struct gabi_change *change, const struct kernel *kernel)
{
	struct release first;

	if (!kernel->text || !release_parse(change->release, &first))
		return -1;
	return release_compare(&kernel->release, &first) >= 0 ? 1 : in_stable(change->also, kernel->text, &kernel->release);
}

int gabi_change_in(const struct gabi_change *change, const char *release)
{
	const struct kernel kernel = kernel_of(release);

	return change_in(change, &kernel);
}

/* ---- all changes at once ---- */

struct gabi_changes_had gabi_changes_in(const char *release)
{
	const struct kernel kernel = kernel_of(release);
	struct gabi_changes_had had = { { 0 }, { 0 } };

	for (unsigned i = 0; kernel.text && i < GABI_CHANGE_COUNT; i++) {
		int in = change_in(&changes[i], &kernel);

		had.has[i / 64] |= (uint64_t)(in == 1) << i % 64;
		had.known[i / 64] |= (uint64_t)(in >= 0) << i % 64;
	}
	return had;
}

static bool is_touched(const struct touch *touch, const struct gabi_key *key, uint64_t bits)
{
	return key->index >= touch->index && key->index <= touch->last &&
	       (touch->sub < 0 || touch->sub == (int64_t)key->sub) && (touch->part < 0 || touch->part == (int)key->part) &&
	       (touch->bits & bits);
}

int gabi_change_takes_away(const struct gabi_change *change)
{
	size_t count;

	return takes_away[change - gabi_changes(&count)];
}

int gabi_change_touches(const struct gabi_change *change, const struct gabi_key *key, uint64_t bits)
{
	for (size_t i = 0; i < GABI_COUNT_OF(touches); i++)
		if (touches[i].change == change - changes && touches[i].space == key->space && is_touched(&touches[i], key, bits))
			return 1;
	return 0;
}

void gabi_suspects_between(struct gabi_suspects *suspects, enum gabi_arch arch, const struct gabi_changes_had *a,
			   const struct gabi_changes_had *b)
{
	uint64_t between[GABI_CHANGE_WORDS];
	unsigned count = 0;

	for (unsigned i = 0; i < GABI_CHANGE_WORDS; i++) {
		suspects->later[i] = b ? b->has[i] : ~(uint64_t)0;
		between[i] = a->known[i] & (b ? b->known[i] : ~(uint64_t)0) & (a->has[i] ^ suspects->later[i]);
	}
	for (unsigned space = 0; space < GABI_SPACE_COUNT; space++) {
		suspects->first[space] = (uint16_t)count;
		for (unsigned i = touch_first[space]; i < touch_first[space + 1]; i++) {
			unsigned change = touches[touch_order[i]].change;
			bool own = changes[change].arch == arch || changes[change].arch == GABI_ARCH_ANY;

			suspects->touch[count] = touch_order[i];
			count += own && (between[change / 64] >> change % 64 & 1);
		}
	}
	suspects->first[GABI_SPACE_COUNT] = (uint16_t)count;
}

static bool is_possible(const struct gabi_suspects *suspects, unsigned change, int more)
{
	bool second = suspects->later[change / 64] >> change % 64 & 1;

	return !takes_away[change] || !more || (second ? more < 0 : more > 0);
}

const struct gabi_change *gabi_suspects_find(const struct gabi_suspects *suspects, const struct gabi_key *key, uint64_t bits,
					     int more)
{
	if (key->space >= GABI_SPACE_COUNT)
		return NULL;
	for (unsigned i = suspects->first[key->space]; i < suspects->first[key->space + 1]; i++) {
		const struct touch *touch = &touches[suspects->touch[i]];

		if (is_touched(touch, key, bits) && is_possible(suspects, touch->change, more))
			return &changes[touch->change];
	}
	return NULL;
}

bool gabi_change_is_had(const struct gabi_changes_had *had, const struct gabi_change *change)
{
	size_t at = (size_t)(change - changes);

	return had->has[at / 64] >> at % 64 & 1;
}

const char *gabi_change_in_line(const struct gabi_change *change, const char *release, size_t *ret_len)
{
	const struct kernel kernel = kernel_of(release);

	for (const char *at = change->also; kernel.text && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
		struct release stable;

		*ret_len = strcspn(at, " ");
		if (stable_parse(at, kernel.text, &stable) && same_line(&kernel.release, &stable))
			return at;
	}
	return NULL;
}

const struct gabi_change *gabi_change_between(enum gabi_arch arch, const char *release_a, const char *release_b,
					      const struct gabi_key *key, uint64_t bits)
{
	const struct gabi_changes_had a = gabi_changes_in(release_a), b = gabi_changes_in(release_b);
	struct gabi_suspects suspects;

	gabi_suspects_between(&suspects, arch, &a, &b);
	return gabi_suspects_find(&suspects, key, bits, 0);
}

int gabi_change_implied(enum gabi_arch arch, const char *release,
			int (*found)(void *ctx, const struct gabi_word *word, const struct gabi_change *change), void *ctx)
{
	const struct kernel kernel = kernel_of(release);

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

		if (lacks->arch != arch || change_in(lacks, &kernel) != 0 ||
		    (implied[i].has != CHANGE_none && change_in(&changes[implied[i].has], &kernel) != 1))
			continue;
		stop = found(ctx, &word, lacks);
		if (stop)
			return stop;
	}
	return 0;
}
