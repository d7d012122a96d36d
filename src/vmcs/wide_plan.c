/* SPDX-License-Identifier: MIT */
/* Which loads, permutations and stores of 64 bytes carry out a translation: a program for wide.c. */
#include "translate.h"

#include "base/base.h"

#include <string.h>

/* One 16-bit word to move; every field of every layout begins at an even offset. */
struct word {
	uint16_t from, to, group;
	bool done;
};

/* One block as planned: the words of its 64 bytes, by lane, and the windows of the source that they are in. */
struct plan {
	uint16_t lane[WIDE_WORDS]; /* a word's number, from 1; 0: none */
	uint16_t to, window[WIDE_WINDOWS];
	uint8_t kind; /* how many windows; 0: one, whose words lie as the target wants them */
};

struct words {
	struct word *at;
	size_t count;
};

static bool is_in(const struct word *word, unsigned window)
{
	return word->from >= window && word->from + 2u <= window + WIDE_BYTES;
}

/* Takes into the block, from word i on, what is in the window and not yet done. */
static void take(struct plan *plan, const struct words *words, size_t i, unsigned window)
{
	for (; i < words->count && words->at[i].to < plan->to + WIDE_BYTES; i++) {
		struct word *word = &words->at[i];

		if (!word->done && is_in(word, window)) {
			plan->lane[(word->to - plan->to) / 2] = (uint16_t)(i + 1);
			word->done = true;
		}
	}
}

/* By lines: a line of the target is put together of lines of the source. No access is then across two lines, which costs two. */
static void plan_line(struct plan *plan, const struct words *words, size_t i)
{
	plan->to = (uint16_t)(words->at[i].to / WIDE_BYTES * WIDE_BYTES);
	for (; i < words->count && words->at[i].to < plan->to + WIDE_BYTES && plan->kind < WIDE_WINDOWS; i++) {
		if (words->at[i].done)
			continue;
		plan->window[plan->kind] = (uint16_t)(words->at[i].from / WIDE_BYTES * WIDE_BYTES);
		take(plan, words, i, plan->window[plan->kind++]);
	}
}

static unsigned would_take(const struct words *words, size_t i, unsigned to, unsigned window)
{
	unsigned count = 0;

	for (; i < words->count && words->at[i].to < to + WIDE_BYTES; i++)
		count += !words->at[i].done && is_in(&words->at[i], window);
	return count;
}

/* By pieces: a window anywhere to a place anywhere, whichever takes most along with the first word. */
static void plan_piece(struct plan *plan, const struct words *words, size_t i)
{
	enum { LAST = GABI_VMCS_PAGE - WIDE_BYTES, BEFORE = WIDE_BYTES - 2 };
	const struct word *word = &words->at[i];
	unsigned most = 0;

	plan->to = word->to < LAST ? word->to : LAST;
	plan->kind = 1;
	for (unsigned window = word->from < BEFORE ? 0 : word->from - BEFORE; window <= word->from && window <= LAST; window += 2) {
		unsigned count = would_take(words, i, plan->to, window);

		if (count > most) {
			most = count;
			plan->window[0] = (uint16_t)window;
		}
	}
	take(plan, words, i, plan->window[0]);
}

/* Where all words come by the same way, one load from there needs no permutation. */
static void unpermute(struct plan *plan, const struct words *words)
{
	int way = 0;
	bool found = false;

	for (unsigned lane = 0; lane < WIDE_WORDS; lane++) {
		const struct word *word = plan->lane[lane] ? &words->at[plan->lane[lane] - 1] : NULL;

		if (!word)
			continue;
		if (found && way != word->from - word->to)
			return;
		way = word->from - word->to;
		found = true;
	}
	if (plan->to + way < 0 || plan->to + way + (int)WIDE_BYTES > (int)GABI_VMCS_PAGE)
		return;
	plan->window[0] = (uint16_t)(plan->to + way);
	plan->kind = 0;
}

typedef void plan_fn(struct plan *plan, const struct words *words, size_t i);

static size_t plan_all(plan_fn *one, const struct words *words, struct plan *plans)
{
	size_t made = 0;

	for (size_t i = 0; i < words->count; i++)
		words->at[i].done = false;
	for (size_t i = 0; i < words->count; i++) {
		while (!words->at[i].done) {
			plans[made] = (struct plan){ .kind = 0 };
			one(&plans[made], words, i);
			unpermute(&plans[made++], words);
		}
	}
	return made;
}

/* As measured: a block, with its store under a mask, costs three times what a window does. */
static size_t cost(const struct plan *plans, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += 3u + (plans[i].kind ? plans[i].kind : 1u);
	return sum;
}

/* ---- writing the program ---- */

static unsigned window_of(const struct plan *plan, const struct word *word)
{
	unsigned n = 0;

	while (n + 1 < plan->kind && !is_in(word, plan->window[n]))
		n++;
	return n;
}

/* Where each lane comes from in one step: of a block's only window; else of what is there so far, to begin with the first window
 * as it was loaded, and from 32 on of the step's own. */
static void pick(const struct plan *plan, const struct words *words, unsigned step, uint16_t out[WIDE_WORDS])
{
	for (unsigned lane = 0; lane < WIDE_WORDS; lane++) {
		const struct word *word = plan->lane[lane] ? &words->at[plan->lane[lane] - 1] : NULL;
		unsigned window = word ? window_of(plan, word) : 0;

		out[lane] = (uint16_t)lane;
		if (word && window == 0 && step <= 1)
			out[lane] = (uint16_t)((word->from - plan->window[0]) / 2);
		else if (word && window && window == step)
			out[lane] = (uint16_t)(WIDE_WORDS + (word->from - plan->window[step]) / 2);
	}
}

static void write_block(const struct plan *plan, const struct words *words, struct gabi_wide_block *block,
			struct gabi_wide_groups *groups)
{
	uint32_t mask = 0;

	*block = (struct gabi_wide_block){ .more = 0 };
	*groups = (struct gabi_wide_groups){ { 0 } };
	for (unsigned lane = 0; lane < WIDE_WORDS; lane++) {
		if (!plan->lane[lane])
			continue;
		mask |= UINT32_C(1) << lane;
		groups->word[lane] = words->at[plan->lane[lane] - 1].group;
	}
	block->head = (uint64_t)plan->window[0] << 48 | (uint64_t)plan->to << 32 | mask;
	for (unsigned n = plan->kind; n-- > 1;)
		block->more = block->more << 16 | plan->window[n];
}

static unsigned steps(const struct plan *plan)
{
	return plan->kind > 1 ? plan->kind - 1u : plan->kind;
}

static int write_all(struct gabi_translation *t, const struct words *words, const struct plan *plans, size_t count)
{
	size_t blocks = 0, picks = 0;

	for (size_t i = 0; i < count; i++)
		picks += steps(&plans[i]);
	t->blocks = gabi_mem_get(&t->mem, count * sizeof(*t->blocks) + 1);
	t->groups = gabi_mem_get(&t->mem, count * sizeof(*t->groups) + 1);
	t->picks_store = gabi_mem_get(&t->mem, picks * sizeof(*t->picks) + WIDE_BYTES);
	if (!t->blocks || !t->groups || !t->picks_store)
		return GABI_ERR_NOMEM;
	t->picks = (struct gabi_wide_pick *)(((uintptr_t)t->picks_store + WIDE_BYTES - 1) / WIDE_BYTES * WIDE_BYTES);
	picks = 0;
	for (unsigned kind = 0; kind < WIDE_KINDS; kind++) {
		for (size_t i = 0; i < count; i++) {
			if (plans[i].kind != kind)
				continue;
			write_block(&plans[i], words, &t->blocks[blocks], &t->groups[blocks]);
			blocks++;
			for (unsigned step = 0; step < steps(&plans[i]); step++)
				pick(&plans[i], words, kind > 1 ? step + 1 : 0, t->picks[picks++].word);
		}
		t->kind_end[kind] = (uint16_t)blocks;
	}
	return 0;
}

static void words_make(const struct gabi_items *items, struct words *words)
{
	words->count = 0;
	for (size_t i = 0; i < items->count; i++) {
		const struct gabi_item *item = &items->at[i];
		/* NONE is copied whatever is clean, by its runs. */
		unsigned group = item->group == GABI_EVMCS_ALL    ? GABI_EVMCS_ALL_CLEAN
				 : item->group == GABI_EVMCS_NONE ? 0
								  : 1u << item->group;

		for (unsigned at = 0; at < item->len; at += 2)
			words->at[words->count++] = (struct word){ .from = (uint16_t)(item->from + at),
								   .to = (uint16_t)(item->to + at),
								   .group = (uint16_t)group };
	}
}

int gabi_wide_plan(struct gabi_translation *t, const struct gabi_items *items)
{
	struct words words = { .at = gabi_mem_get(&t->mem, GABI_VMCS_PAGE / 2 * sizeof(*words.at)) };
	struct plan *lines = NULL, *pieces = NULL;
	int err = GABI_ERR_NOMEM;

	if (words.at) {
		words_make(items, &words);
		lines = gabi_mem_get(&t->mem, words.count * sizeof(*lines) + 1);
		pieces = gabi_mem_get(&t->mem, words.count * sizeof(*pieces) + 1);
	}
	if (lines && pieces) {
		size_t line_count = plan_all(plan_line, &words, lines), piece_count = plan_all(plan_piece, &words, pieces);

		if (cost(pieces, piece_count) < cost(lines, line_count))
			err = write_all(t, &words, pieces, piece_count);
		else
			err = write_all(t, &words, lines, line_count);
	}
	gabi_mem_put(&t->mem, pieces);
	gabi_mem_put(&t->mem, lines);
	gabi_mem_put(&t->mem, words.at);
	return err;
}
