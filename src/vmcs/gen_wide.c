/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time: writes the permutations that take an enlightened VMCS to the frozen vmcs12 and back, 64 bytes at a time,
 * as straight code. Made of the two lists of offsets, so that no third list has to agree with them.
 *
 * A line of the target is put together by permutations of two registers, a window of 64 bytes of the source more with each; if
 * its words already lie as they should, by none. It is stored under a mask.
 */
#include <gabi/evmcs.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE  64u
#define WORDS (LINE / 2)
#define LINES (1024 / LINE) /* both formats lie in the first KiB */
#define NEVER 0xffffu

static const unsigned frozen[GABI_VMCS_COUNT] = {
#define GABI_VMCS12_ROW(name, k31, k316, k413, k414, at, from, until) [GABI_VMCS_##name] = at,
#include <gabi/vmcs12.def>
};

/* Of each 16-bit word of the target: which word of the source, and the groups that it belongs to. */
static struct word {
	unsigned from, groups;
} words[1024 / 2];

static void add(unsigned from, unsigned to, unsigned bytes, unsigned group)
{
	/* What is in no group, or in all, comes along with any. */
	unsigned groups = group >= 16 ? 0xffff : 1u << group;

	for (unsigned i = 0; i < bytes / 2; i++)
		words[to / 2 + i] = (struct word){ from / 2 + i, groups };
}

static void clear(void)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = (struct word){ NEVER, 0 };
}

static unsigned bytes_of(unsigned code)
{
	static const unsigned bytes[] = { 2, 8, 4, 8 };

	return bytes[code >> 13 & 3];
}

static const unsigned codes[GABI_VMCS_COUNT] = {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) [GABI_VMCS_##name] = code,
#include <gabi/vmcs_field.def>
};

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
static void gather_in(void)
{
	clear();
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) \
	if (in)                                              \
		add(at, frozen[GABI_VMCS_##name], bytes_of(codes[GABI_VMCS_##name]), GABI_EVMCS_##group);
#include <gabi/evmcs1.def>
}

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
static void gather_out(void)
{
	clear();
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) \
	if (out)                                             \
		add(frozen[GABI_VMCS_##name], at, bytes_of(codes[GABI_VMCS_##name]), GABI_EVMCS_##group);
#include <gabi/evmcs1.def>
}

/* ---- how one line of the target is put together ---- */

/* 64 bytes of the source, on a line or across two. All are loaded before anything is stored, see FETCH in wide.c. */
struct plan {
	unsigned start[WORDS]; /* in words */
	unsigned count;
	bool moves; /* one window, whose words lie as the target wants them: nothing to permute */
};

static bool is_in(unsigned from, unsigned start)
{
	return from >= start && from < start + WORDS;
}

static bool is_covered(const struct plan *plan, unsigned from)
{
	for (unsigned i = 0; i < plan->count; i++)
		if (is_in(from, plan->start[i]))
			return true;
	return false;
}

/* The window that begins with the lowest word which is still missing, moved down onto a line where that loses nothing. */
static bool next_window(const struct word *line, struct plan *plan)
{
	unsigned lowest = NEVER, highest = 0, aligned;

	for (unsigned i = 0; i < WORDS; i++)
		if (line[i].from < lowest && !is_covered(plan, line[i].from))
			lowest = line[i].from;
	if (lowest == NEVER)
		return false;
	for (unsigned i = 0; i < WORDS; i++)
		if (line[i].from != NEVER && is_in(line[i].from, lowest) && line[i].from > highest)
			highest = line[i].from;
	aligned = lowest / WORDS * WORDS;
	plan->start[plan->count++] = is_in(highest, aligned) ? aligned : lowest;
	return true;
}

/* The same shift for all of the line's words: a load from there needs no permutation. */
static bool find_move(const struct word *line, unsigned first, struct plan *plan)
{
	int shift = 0;
	bool found = false;

	for (unsigned i = 0; i < WORDS; i++) {
		int own = (int)line[i].from - (int)(first + i);

		if (line[i].from == NEVER)
			continue;
		if (found && own != shift)
			return false;
		shift = own;
		found = true;
	}
	if ((int)first + shift < 0)
		return false;
	*plan = (struct plan){ .start = { (unsigned)((int)first + shift) }, .count = 1, .moves = true };
	return true;
}

static void make_plan(const struct word *line, unsigned first, struct plan *plan)
{
	*plan = (struct plan){ .count = 0 };
	if (find_move(line, first, plan))
		return;
	while (next_window(line, plan))
		;
}

/* ---- writing ---- */

/* A permutation of two registers: where a word of the target comes from. Of the first step both are windows; in later ones the
 * first is what has been put together so far. Words that nobody wants are taken from anywhere: the store leaves them out. */
static void print_pick(const struct word *line, const struct plan *plan, unsigned step)
{
	printf("{");
	for (unsigned i = 0; i < WORDS; i++) {
		unsigned from = line[i].from, pick = 0, second = plan->start[step + 1 < plan->count ? step + 1 : step];

		if (from == NEVER)
			pick = 0;
		else if (step == 0 && is_in(from, plan->start[0]))
			pick = from - plan->start[0];
		else if (is_in(from, second))
			pick = WORDS + from - second;
		if (step > 0 && from != NEVER && !is_in(from, second))
			pick = i;
		printf("%s%u", i ? "," : " ", pick);
	}
	printf(" },\n");
}

/* The register of a window, by its first byte. */
static const char *window_text(unsigned start, char *text, size_t cap)
{
	snprintf(text, cap, "s%u", 2 * start);
	return text;
}

static size_t add_code(char *code, size_t len, size_t cap, const char *target, const char *a, const char *name, unsigned pick,
		       const char *b)
{
	return len + (size_t)snprintf(code + len, cap - len, "\t\t%s_mm512_permutex2var_epi16(%s, LOAD(picks.%s[%u]), %s);\n", target,
				      a, name, pick, b);
}

/* Writes the tables of one line and, as text into `code`, how it is put together; the number of the next pick. */
static unsigned print_line(const char *name, unsigned number, const struct word *line, const struct plan *plan, char *code,
			   size_t cap)
{
	char a[32], b[32];
	size_t len;

	window_text(plan->start[0], a, sizeof(a));
	if (plan->moves) {
		snprintf(code, cap, "\t\tconst __m512i d = %s;\n", a);
		return number;
	}
	print_pick(line, plan, 0);
	if (plan->count == 1) {
		snprintf(code, cap, "\t\tconst __m512i d = _mm512_permutexvar_epi16(LOAD(picks.%s[%u]), %s);\n", name, number, a);
		return number + 1;
	}
	len = add_code(code, 0, cap, "__m512i d = ", a, name, number++, window_text(plan->start[1], b, sizeof(b)));
	for (unsigned step = 1; step + 1 < plan->count; step++) {
		print_pick(line, plan, step);
		len = add_code(code, len, cap, "d = ", "d", name, number++, window_text(plan->start[step + 1], b, sizeof(b)));
	}
	return number;
}

static unsigned mask_of(const struct word *line, unsigned groups)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < WORDS; i++)
		if (line[i].groups & groups)
			mask |= 1u << i;
	return mask;
}

/* A copy as text: how each line is put together, and which windows that takes. */
struct copy {
	const char *name;
	struct word words[1024 / 2];
	char code[LINES][2048];
	unsigned char needed[GABI_VMCS_PAGE];
};

/* What a clean-fields word leaves of each line: for each four of its bits and each value of those, the lines' masks. Any dirty
 * group brings along what is in none or in all. */
static void print_masks(const struct copy *copy)
{
	printf("static const uint32_t wide_%s_masks[4][16][16] __attribute__((aligned(64))) = {\n", copy->name);
	for (unsigned nibble = 0; nibble < 4; nibble++) {
		printf("{\n");
		for (unsigned value = 0; value < 16; value++) {
			printf("{");
			for (unsigned line = 0; line < LINES; line++)
				printf("0x%x,", mask_of(copy->words + line * WORDS, value << 4 * nibble));
			printf("},\n");
		}
		printf("},\n");
	}
	printf("};\n");
}

static void plan_copy(struct copy *copy, const char *name)
{
	unsigned number = 0;

	copy->name = name;
	memcpy(copy->words, words, sizeof(words));
	printf(".%s = {\n", name);
	for (unsigned at = 0; at < LINES; at++) {
		const struct word *line = words + at * WORDS;
		struct plan plan;

		if (!mask_of(line, 0xffff))
			continue;
		make_plan(line, at * WORDS, &plan);
		number = print_line(name, number, line, &plan, copy->code[at], sizeof(copy->code[at]));
		for (unsigned i = 0; i < plan.count; i++)
			copy->needed[2 * plan.start[i]] = 1;
	}
	printf("},\n");
}

static void print_copy(const struct copy *copy)
{
	print_masks(copy);
	printf("WIDE void wide_%s(const uint8_t *restrict from, uint8_t *restrict to, const uint32_t *masks)\n{\n", copy->name);
	for (unsigned at = 0; at < sizeof(copy->needed); at++)
		if (copy->needed[at])
			printf("\tconst __m512i s%u = FETCH(from + %u);\n", at, at);
	for (unsigned at = 0; at < LINES; at++)
		if (copy->code[at][0])
			printf("\t{\n%s\t\tSTORE(to + %u, 0x%xu, %u, d);\n\t}\n", copy->code[at], at * LINE,
			       mask_of(copy->words + at * WORDS, 0xffff), at);
	printf("}\n");
}

/* The permutations lie behind the first KiB of their page: a load waits for a store to the same offset of another page, and all
 * stores go to the first KiB. */
int main(void)
{
	static struct copy in, out;

	printf("/* Written by gen_wide.c at build time. */\n");
	printf("static const struct {\n\tuint8_t stored_to[1024];\n\tuint16_t in[24][32], out[24][32];\n"
	       "} picks __attribute__((aligned(4096))) = {\n");
	gather_in();
	plan_copy(&in, "in");
	gather_out();
	plan_copy(&out, "out");
	printf("};\n");
	print_copy(&in);
	print_copy(&out);
	return 0;
}
