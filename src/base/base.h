/* SPDX-License-Identifier: MIT */
/* What every part of the library shares: memory, text, sorted sets of words. No I/O, nothing but memory functions. */
#ifndef GABI_BASE_H
#define GABI_BASE_H

#include <gabi/err.h>
#include <gabi/mem.h>
#include <gabi/word.h>

#include <stdbool.h>

#define GABI_COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- memory ---- */

struct gabi_mem gabi_mem_or_default(const struct gabi_mem *mem);
void *gabi_mem_get(const struct gabi_mem *mem, size_t len); /* zeroed; NULL if memory is short */
void gabi_mem_put(const struct gabi_mem *mem, void *ptr);
char *gabi_mem_copy_text(const struct gabi_mem *mem, const char *text);

/* Makes room for one more element in an array of `count` elements of `size` bytes whose room is `*cap`. 0 or an error,
 * with the array unchanged. */
int gabi_mem_room(const struct gabi_mem *mem, void **array, size_t *cap, size_t count, size_t size);

/* ---- text into a caller's buffer: always NUL-terminated, counts what did not fit ---- */

struct gabi_out {
	char *at;
	size_t cap; /* bytes of the buffer, with the NUL */
	size_t len; /* bytes written or that would have been */
};

struct gabi_out gabi_out_to(char *buf, size_t cap);
void gabi_out_char(struct gabi_out *out, char c);
void gabi_out_text(struct gabi_out *out, const char *text);
void gabi_out_bytes(struct gabi_out *out, const char *text, size_t len);
void gabi_out_hex(struct gabi_out *out, uint64_t value, unsigned min_digits); /* lower case, no 0x */
void gabi_out_dec(struct gabi_out *out, uint64_t value);
void gabi_out_int(struct gabi_out *out, int64_t value);

/* ---- diagnostics ---- */

/* Fills diag, if there is one, from the pieces of a sentence (NULL ends them) and returns err. */
int gabi_fail(struct gabi_diag *diag, int err, ...) __attribute__((sentinel));
int gabi_fail_at(struct gabi_diag *diag, int err, const struct gabi_key *key, ...) __attribute__((sentinel));

/* ---- sorted sets of words ---- */

struct gabi_words {
	struct gabi_word *at;
	size_t count, cap;
};

/* Is the space one of leaves, with a subleaf and four registers? */
static inline bool gabi_space_has_leaves(unsigned space)
{
	return space >= GABI_SPACE_CPUID && space <= GABI_SPACE_HYPERV_SYSTEM;
}

/* Is the space numbered by KVM's 64-bit register ids, and not by 32-bit numbers? */
static inline bool gabi_space_has_ids(unsigned space)
{
	return space >= GABI_SPACE_ARM64 && space <= GABI_SPACE_ARM64_STATE;
}

/* gabi_key_compare, where it is asked for every word. */
static inline int gabi_key_order(const struct gabi_key *a, const struct gabi_key *b)
{
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->sub != b->sub)
		return a->sub < b->sub ? -1 : 1;
	return a->part - b->part;
}

/* Refuses what no word may be: an unknown space, a number that is none, a wrong width, bits beyond it. */
int gabi_word_valid(const struct gabi_word *word, struct gabi_diag *diag);
int gabi_words_add(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_word *word);
void gabi_words_free(struct gabi_words *words, const struct gabi_mem *mem);
/* By key, then vp; a key and vp twice is GABI_ERR_DUPLICATE. */
int gabi_words_sort(struct gabi_words *words, struct gabi_diag *diag);
/* All of them; never NULL, so that a range over none can be made by adding. */
const struct gabi_word *gabi_words_all(const struct gabi_words *words, size_t *ret_count);
const struct gabi_word *gabi_words_find(const struct gabi_words *words, const struct gabi_key *key, unsigned vp);

static inline uint64_t gabi_mask(unsigned bits)
{
	return bits >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
}

#endif
