/* SPDX-License-Identifier: MIT */
/*
 * Host sets turned over: for each column that some host fails, the row of hosts that fail it. What a contract fails is the
 * union of its columns' rows.
 *
 * The contracts of a fleet have most of their bits in common. So the union of each 64 columns is remembered, by which of
 * the 64 they are: a cache of fixed size, a part of it for each word of a set, so that the unions of one contract never
 * take one another's place.
 */
#include <gabi/compiled.h>

#include "base/base.h"
#include "verdict/universe.h"

#include <string.h>

#define CACHE_BYTES (8u << 20) /* larger than a second-level cache: a miss costs more than a line from the third */
#define CACHE_MIN   16u        /* unions a word of a set, at the least; a power of two */
#define CACHE_MAX   4096u

struct gabi_matrix {
	struct gabi_mem mem;
	const struct gabi_bits_ops *ops;
	size_t hosts, set_words, row_words;
	uint64_t *failed;       /* the columns that some host fails */
	uint32_t *first_row;    /* [set word]: row of its lowest failed column; the others follow */
	uint64_t *rows;         /* [failed column][row word] */
	unsigned cache_shift;   /* 64 - log2 of the unions remembered a set word */
	uint64_t *keys;         /* [set word][slot]: of which columns; 0: nothing yet */
	uint64_t *unions;       /* [set word][slot][row word] */
	const uint64_t **parts; /* scratch: the unions that make up one answer */
};

static unsigned bit_count(uint64_t bits)
{
	unsigned count = 0;

	for (; bits; bits &= bits - 1)
		count++;
	return count;
}

/* The lowest bit's number; bits is not 0. */
static unsigned lowest(uint64_t bits)
{
	return (unsigned)__builtin_ctzll(bits);
}

static size_t cache_slots(const struct gabi_matrix *matrix)
{
	size_t slots = CACHE_MIN, bytes = matrix->set_words * matrix->row_words * sizeof(uint64_t);

	while (slots < CACHE_MAX && 2 * slots * bytes <= CACHE_BYTES)
		slots *= 2;
	return slots;
}

/* ---- making ---- */

/* Which columns some host fails, and how many they are. */
static size_t find_failed(struct gabi_matrix *matrix, const uint64_t *const *hosts)
{
	size_t count = 0;

	matrix->ops->gather(matrix->failed, hosts, matrix->hosts, matrix->set_words);
	for (size_t i = 0; i < matrix->set_words; i++) {
		matrix->first_row[i] = (uint32_t)count;
		count += bit_count(matrix->failed[i]);
	}
	return count;
}

static void fill_rows(struct gabi_matrix *matrix, const uint64_t *const *hosts)
{
	uint64_t *row = matrix->rows;

	for (size_t i = 0; i < matrix->set_words; i++)
		for (uint64_t left = matrix->failed[i]; left; left &= left - 1, row += matrix->row_words)
			for (size_t host = 0; host < matrix->hosts; host++)
				if (gabi_bits_get(&hosts[host][i], lowest(left)))
					gabi_bits_set(row, host);
}

static void *get_array(const struct gabi_mem *mem, size_t count, size_t size)
{
	if (!count || !size) /* no hosts: nothing to hold, but no shortage either */
		count = size = 1;
	return count <= SIZE_MAX / size ? gabi_mem_get(mem, count * size) : NULL;
}

static int fill(struct gabi_matrix *matrix, const uint64_t *const *hosts)
{
	size_t slots = cache_slots(matrix), row_bytes = matrix->row_words * sizeof(uint64_t);

	matrix->cache_shift = 64 - lowest(slots);
	matrix->failed = get_array(&matrix->mem, matrix->set_words, sizeof(uint64_t));
	matrix->first_row = get_array(&matrix->mem, matrix->set_words, sizeof(uint32_t));
	matrix->parts = get_array(&matrix->mem, matrix->set_words, sizeof(*matrix->parts));
	matrix->keys = get_array(&matrix->mem, matrix->set_words * slots, sizeof(uint64_t));
	matrix->unions = get_array(&matrix->mem, matrix->set_words * slots, row_bytes);
	if (!matrix->failed || !matrix->first_row || !matrix->parts || !matrix->keys || !matrix->unions)
		return GABI_ERR_NOMEM;
	matrix->rows = get_array(&matrix->mem, find_failed(matrix, hosts), row_bytes);
	if (!matrix->rows)
		return GABI_ERR_NOMEM;
	fill_rows(matrix, hosts);
	return 0;
}

int gabi_matrix_new(const struct gabi_universe *universe, const uint64_t *const *hosts, size_t count, const struct gabi_mem *mem,
		    struct gabi_matrix **ret_matrix, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_matrix *matrix;

	if (count > UINT32_MAX)
		return gabi_fail(diag, GABI_ERR_LIMIT, "a matrix takes at most 2^32 - 1 hosts", (char *)NULL);
	matrix = gabi_mem_get(&own, sizeof(*matrix));
	if (!matrix)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	matrix->mem = own;
	matrix->ops = gabi_universe_ops(universe);
	matrix->hosts = count;
	matrix->set_words = gabi_universe_words(universe);
	matrix->row_words = gabi_bits_words(count);
	if (fill(matrix, hosts)) {
		gabi_matrix_free(matrix);
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	*ret_matrix = matrix;
	return 0;
}

void gabi_matrix_free(struct gabi_matrix *matrix)
{
	if (!matrix)
		return;
	gabi_mem_put(&matrix->mem, matrix->failed);
	gabi_mem_put(&matrix->mem, matrix->first_row);
	gabi_mem_put(&matrix->mem, matrix->rows);
	gabi_mem_put(&matrix->mem, matrix->keys);
	gabi_mem_put(&matrix->mem, matrix->unions);
	gabi_mem_put(&matrix->mem, (void *)matrix->parts);
	gabi_mem_put(&matrix->mem, matrix);
}

size_t gabi_matrix_words(const struct gabi_matrix *matrix)
{
	return matrix->row_words;
}

/* ---- asking ---- */

static void unite(const struct gabi_matrix *matrix, size_t word, uint64_t columns, uint64_t *into)
{
	const uint64_t *rows[64];
	size_t count = 0;

	for (uint64_t left = columns; left; left &= left - 1) {
		uint64_t below = matrix->failed[word] & ((left & -left) - 1);

		rows[count++] = matrix->rows + (matrix->first_row[word] + bit_count(below)) * matrix->row_words;
	}
	memset(into, 0, matrix->row_words * sizeof(*into));
	matrix->ops->gather(into, rows, count, matrix->row_words);
}

/* The hosts that fail any of these columns of one word of a set. */
static const uint64_t *union_of(const struct gabi_matrix *matrix, size_t word, uint64_t columns)
{
	/* Fibonacci hashing: the top bits of the product depend on all bits of the key. */
	size_t at = (word << (64 - matrix->cache_shift)) + (size_t)(columns * 0x9e3779b97f4a7c15u >> matrix->cache_shift);
	uint64_t *found = matrix->unions + at * matrix->row_words;

	if (matrix->keys[at] != columns) {
		unite(matrix, word, columns, found);
		matrix->keys[at] = columns;
	}
	return found;
}

void gabi_matrix_row(struct gabi_matrix *matrix, const uint64_t *contract, uint64_t *ret_row)
{
	size_t count = 0;

	if (!matrix->row_words) /* no hosts: ret_row may be NULL */
		return;
	for (size_t i = 0; i < matrix->set_words; i++) {
		uint64_t columns = contract[i] & matrix->failed[i];

		if (columns)
			matrix->parts[count++] = union_of(matrix, i, columns);
	}
	memset(ret_row, 0, matrix->row_words * sizeof(*ret_row));
	matrix->ops->gather(ret_row, matrix->parts, count, matrix->row_words);
	for (size_t i = 0; i < matrix->row_words; i++) {
		size_t left = matrix->hosts > i * 64 ? matrix->hosts - i * 64 : 0;

		ret_row[i] = ~ret_row[i] & gabi_mask(left < 64 ? (unsigned)left : 64);
	}
}
