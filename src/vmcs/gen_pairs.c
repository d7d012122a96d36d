/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time: writes how each form of a VMCS is copied to each other as straight code, one function a pair, and a table of
 * them: `gen_pairs narrow` by moves of neighbouring fields alone, `gen_pairs wide` with blocks of 64 bytes as well. A block is a
 * load, a permutation of its words and a store under a mask, and worth four stores.
 *
 * Offsets in code need no load and no look at lengths: nothing that reads them out of memory is as fast (docs/bench.md).
 */
#include "layout.c" /* NOLINT(bugprone-suspicious-include): the tables of offsets, which nobody else needs */

#include <stdio.h>
#include <stdlib.h>

enum { LINE = 64, WORDS = LINE / 2, MOVES = GABI_VMCS_COUNT + 1, WORTH = 4, LAST = GABI_VMCS_PAGE - LINE };

/* layout.c asks this of field.c, which has all the rest of the vocabulary behind it. */
const struct gabi_vmcs_field *gabi_vmcs_fields(size_t *ret_count)
{
	static const struct gabi_vmcs_field fields[] = {
#define GABI_VMCS_FIELD_ROW(code, text, sdm, tlfs, word, bit, source) { .encoding = (code) },
#include <gabi/vmcs_field.def>
	};

	*ret_count = GABI_COUNT_OF(fields);
	return fields;
}

/* ---- what there is to move ---- */

static struct move {
	unsigned from, to, len, block; /* which takes it, from 1 */
} moves[MOVES];
static size_t count;

static int by_target(const void *a, const void *b)
{
	const struct move *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

static void add(unsigned from, unsigned to, unsigned len)
{
	moves[count++] = (struct move){ from, to, len, 0 };
}

/* Neighbours become one move, of a line at most. */
static void join(void)
{
	size_t kept = 0;

	qsort(moves, count, sizeof(moves[0]), by_target);
	for (size_t i = 0; i < count; i++) {
		struct move *last = kept ? &moves[kept - 1] : NULL;

		if (last && last->from + last->len == moves[i].from && last->to + last->len == moves[i].to &&
		    last->len + moves[i].len <= LINE)
			last->len += moves[i].len;
		else
			moves[kept++] = moves[i];
	}
	count = kept;
}

static void gather(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to)
{
	count = 0;
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
		if (gabi_vmcs_form_has(from, id) && gabi_vmcs_form_has(to, id))
			add(from->offset[id], to->offset[id], gabi_vmcs_bytes(id));
	if (from->launch && to->launch)
		add(from->launch, to->launch, 4);
	join();
}

/* ---- blocks ---- */

struct block {
	unsigned from, to, takes;
	bool done;
};

static bool is_in(const struct move *move, const struct block *block)
{
	return !move->block && move->from >= block->from && move->from + move->len <= block->from + LINE && move->to >= block->to &&
	       move->to + move->len <= block->to + LINE;
}

static unsigned within(unsigned at)
{
	return at < LAST ? at : LAST;
}

/* Stores of a move: one of a power of two, else two that overlap. */
static unsigned stores(const struct move *move)
{
	return move->len & (move->len - 1) ? 2 : 1;
}

/* The block that takes most: to where a move begins, from where one of those within reach does. */
static struct block best_block(void)
{
	struct block best = { .takes = 0 };

	for (size_t i = 0; i < count; i++) {
		for (size_t k = i; k < count && moves[k].to < moves[i].to + LINE; k++) {
			struct block block = { within(moves[k].from), within(moves[i].to), 0, false };

			for (size_t n = i; n < count && moves[n].to < moves[i].to + LINE; n++)
				block.takes += is_in(&moves[n], &block) ? stores(&moves[n]) : 0;
			if (block.takes > best.takes)
				best = block;
		}
	}
	return best;
}

/* Numbers each move of the block with it. */
static void take(const struct block *block, unsigned number)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(&moves[i], block))
			moves[i].block = number;
}

/* ---- writing ---- */

/* Its permutation and its mask; a word that nobody wants comes from anywhere. */
static void print_block(const struct block *block, unsigned number)
{
	unsigned pick[WORDS] = { 0 };
	unsigned long mask = 0;

	for (size_t i = 0; i < count; i++) {
		for (unsigned at = 0; moves[i].block == number && at < moves[i].len; at += 2) {
			unsigned word = (moves[i].to + at - block->to) / 2;

			pick[word] = (moves[i].from + at - block->from) / 2;
			mask |= 1ul << word;
		}
	}
	printf("\tBLOCK(%u, %u, 0x%lxu", block->to, block->from, mask);
	for (unsigned i = 0; i < WORDS; i++)
		printf(", %u", pick[i]);
	printf(");\n");
}

/* A load waits for a store to the same offset of another page: so, as memmove does, from the end where most goes up. */
static bool goes_up(void)
{
	long way = 0;

	for (size_t i = 0; i < count; i++)
		way += (long)moves[i].to - (long)moves[i].from;
	return way > 0;
}

static void print_pair(const char *kind, unsigned a, unsigned b)
{
	struct block blocks[MOVES], block;
	unsigned made = 0;
	bool up = goes_up();

	while (*kind == 'w' && (block = best_block()).takes >= WORTH) {
		blocks[made++] = block;
		take(&block, made);
	}
	printf("/* NOLINTNEXTLINE(readability-function-size): a statement a move */\nPAIR(%s_%u_%u)\n{\n\t(void)t;\n", kind, a, b);
	for (size_t i = 0; i < count; i++) {
		const struct move *move = &moves[up ? count - 1 - i : i];

		if (!move->block)
			printf("\tMOVE(%u, %u, %u);\n", move->to, move->from, move->len);
		else if (!blocks[move->block - 1].done)
			print_block(&blocks[move->block - 1], move->block);
		if (move->block)
			blocks[move->block - 1].done = true;
	}
	printf("}\n");
}

/* The first layout of each form. */
static size_t take_forms(const struct gabi_vmcs_layout *forms[GABI_VMCS_FORMS])
{
	size_t found = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(layouts); i++)
		if (gabi_vmcs_form(&layouts[i]) == found)
			forms[found++] = &layouts[i];
	return found;
}

int main(int argc, char **argv)
{
	const struct gabi_vmcs_layout *forms[GABI_VMCS_FORMS];
	const char *kind = argc == 2 ? argv[1] : "narrow";
	size_t found = take_forms(forms);

	if (found != GABI_VMCS_FORMS) {
		fprintf(stderr, "gen_pairs: there are %zu forms, not GABI_VMCS_FORMS\n", found);
		return 1;
	}
	printf("/* Written by gen_pairs.c at build time. */\n");
	for (unsigned a = 0; a < found; a++) {
		for (unsigned b = 0; b < found; b++) {
			gather(forms[a], forms[b]);
			print_pair(kind, a, b);
		}
	}
	printf("static gabi_run_all *const %s_pairs[GABI_VMCS_FORMS][GABI_VMCS_FORMS] = {\n", kind);
	for (unsigned a = 0; a < found; a++) {
		printf("\t{");
		for (unsigned b = 0; b < found; b++)
			printf(" %s_%u_%u,", kind, a, b);
		printf(" },\n");
	}
	printf("};\n");
	return 0;
}
