/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <string.h>


static const struct {
	const char *text;
	uint8_t bits;
} spaces[GABI_SPACE_COUNT] = {
#define GABI_SPACE_ROW(name, space_text, width, holder, what) [GABI_SPACE_##name] = { space_text, width },
#include <gabi/space.def>
};

const char *gabi_space_text(unsigned space)
{
	return space < GABI_SPACE_COUNT ? spaces[space].text : NULL;
}

enum gabi_space gabi_space_of(const char *text, size_t len)
{
	for (unsigned i = GABI_SPACE_NONE + 1; i < GABI_SPACE_COUNT; i++)
		if (strlen(spaces[i].text) == len && !memcmp(spaces[i].text, text, len))
			return i;
	return GABI_SPACE_NONE;
}

const char *gabi_arch_text(unsigned arch)
{
	static const char *const texts[] = { "any", "x86", "arm64" };

	return arch < GABI_COUNT_OF(texts) ? texts[arch] : "unknown";
}

enum gabi_arch gabi_space_arch(unsigned space)
{
	switch (space) {
	case GABI_SPACE_CAP:
	case GABI_SPACE_CAP_SYSTEM:
	case GABI_SPACE_VM:
		return GABI_ARCH_ANY;
	case GABI_SPACE_ARM64:
	case GABI_SPACE_ARM64_ACCEPTS:
	case GABI_SPACE_ARM64_STATE:
	case GABI_SPACE_SMCCC:
		return GABI_ARCH_ARM64;
	default:
		return GABI_ARCH_X86;
	}
}

/* KVM's register ids carry the register's size: log2 of its bytes in bits 55:52, at most 256 bytes. */
static unsigned arm64_width(uint64_t id)
{
	unsigned log2_bytes = (unsigned)(id >> 52) & 15;

	return log2_bytes <= 8 ? 8u << log2_bytes : 0;
}

unsigned gabi_key_width(const struct gabi_key *key)
{
	switch (key->space) {
	case GABI_SPACE_NONE:
		return 0;
	case GABI_SPACE_ARM64:
	case GABI_SPACE_ARM64_STATE:
		return arm64_width(key->index);
	case GABI_SPACE_ARM64_ACCEPTS: /* sixteen bits for each four */
		return 4 * arm64_width(key->index);
	default:
		return key->space < GABI_SPACE_COUNT ? spaces[key->space].bits : 0;
	}
}

int gabi_key_compare(const struct gabi_key *a, const struct gabi_key *b)
{
	return gabi_key_order(a, b);
}

static inline int word_compare(const struct gabi_word *a, const struct gabi_word *b)
{
	int order = gabi_key_order(&a->key, &b->key);

	/* The common word first: its vp is the largest number. */
	return order ? order : (uint16_t)(a->vp + 1) - (uint16_t)(b->vp + 1);
}

/* Leaves have subleaves and four registers. Else a register has as many parts as its width needs, and only KVM's arm64
 * ids are longer than 32 bits. */
static bool key_valid(const struct gabi_key *key)
{
	unsigned parts = (gabi_key_width(key) + 63) / 64;

	if (gabi_space_has_leaves(key->space))
		return key->index <= UINT32_MAX && key->part <= GABI_EDX;
	return key->sub == 0 && key->part < parts && (key->index <= UINT32_MAX || gabi_space_has_ids(key->space));
}

int gabi_word_valid(const struct gabi_word *word, struct gabi_diag *diag)
{
	unsigned space = word->key.space, width = gabi_key_width(&word->key);

	if (space == GABI_SPACE_NONE || space >= GABI_SPACE_COUNT)
		return gabi_fail_at(diag, GABI_ERR_ARG, &word->key, "there is no such space", (char *)NULL);
	if (!key_valid(&word->key))
		return gabi_fail_at(diag, GABI_ERR_RANGE, &word->key, "the number is not that of a word of ", spaces[space].text,
				    (char *)NULL);
	if (word->bits != (width < 64 ? width : 64))
		return gabi_fail_at(diag, GABI_ERR_RANGE, &word->key, "the width is not that of a word of ", spaces[space].text,
				    (char *)NULL);
	if ((word->value | word->settable) & ~gabi_mask(word->bits))
		return gabi_fail_at(diag, GABI_ERR_RANGE, &word->key, "the value is wider than its word", (char *)NULL);
	return 0;
}

int gabi_words_add(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_word *word)
{
	void *at = words->at;
	int err = gabi_mem_room(mem, &at, &words->cap, words->count, sizeof(*words->at));

	if (err)
		return err;
	words->at = at;
	words->at[words->count++] = *word;
	return 0;
}

void gabi_words_free(struct gabi_words *words, const struct gabi_mem *mem)
{
	gabi_mem_put(mem, words->at);
	*words = (struct gabi_words){ 0 };
}

/*
 * Shell sort with the gaps of Sedgewick, 1986: in place, no recursion, at most of the order of n^(4/3) steps for a hostile
 * file to aim at; and few for what gabi writes itself, whose runs are in order already.
 */
static void sort(struct gabi_word *at, size_t count)
{
	static const unsigned gaps[] = { 65921, 16577, 4193, 1073, 281, 77, 23, 8, 1 };

	for (size_t i = 0; i < GABI_COUNT_OF(gaps); i++)
		for (size_t next = gaps[i]; next < count; next++) {
			const struct gabi_word held = at[next];
			size_t hole = next;

			for (; hole >= gaps[i] && word_compare(&at[hole - gaps[i]], &held) > 0; hole -= gaps[i])
				at[hole] = at[hole - gaps[i]];
			at[hole] = held;
		}
}

static bool is_sorted(const struct gabi_word *at, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (word_compare(&at[i - 1], &at[i]) >= 0)
			return false;
	return true;
}

int gabi_words_sort(struct gabi_words *words, struct gabi_diag *diag)
{
	if (is_sorted(words->at, words->count))
		return 0;
	sort(words->at, words->count);
	for (size_t i = 1; i < words->count; i++)
		if (!word_compare(&words->at[i - 1], &words->at[i]))
			return gabi_fail_at(diag, GABI_ERR_DUPLICATE, &words->at[i].key, "the word is there twice", (char *)NULL);
	return 0;
}

const struct gabi_word *gabi_words_all(const struct gabi_words *words, size_t *ret_count)
{
	static const struct gabi_word none;

	*ret_count = words->count;
	return words->at ? words->at : &none;
}

const struct gabi_word *gabi_words_find(const struct gabi_words *words, const struct gabi_key *key, unsigned vp)
{
	struct gabi_word wanted = { .key = *key, .vp = (uint16_t)vp };
	size_t low = 0, high = words->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = word_compare(&words->at[middle], &wanted);

		if (order == 0)
			return &words->at[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
