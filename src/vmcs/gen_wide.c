/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time: writes the permutations that take an enlightened VMCS to the frozen vmcs12 and back, 64 bytes at a time,
 * as straight code. Made of the two lists of offsets, so that no third list has to agree with them.
 *
 * Every line of the source that is needed is loaded once. A line of the target is put together by
 * permutations of two registers, a source line more with each.
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

/* The source lines of one target line, in order; returns how many. */
static unsigned sources_of(unsigned line, unsigned sources[LINES])
{
	unsigned count = 0;

	for (unsigned source = 0; source < LINES; source++) {
		for (unsigned i = 0; i < WORDS; i++) {
			if (words[line * WORDS + i].from / WORDS != source)
				continue;
			sources[count++] = source;
			break;
		}
	}
	return count;
}

static void print_words(const char *name, unsigned number, const unsigned values[WORDS])
{
	printf("static const uint16_t %s%u[32] __attribute__((aligned(64))) = {", name, number);
	for (unsigned i = 0; i < WORDS; i++)
		printf("%s%u", i ? "," : " ", values[i]);
	printf(" };\n");
}

/* A permutation of two registers: where a word of the target comes from `first`, `second` or, in later steps, what has been put
 * together so far, which then is the first. Words that nobody wants are taken from anywhere: the store leaves them out. No step
 * needs a mask. */
static void print_pick(const char *name, unsigned number, unsigned line, unsigned first, unsigned second, bool chained,
		       unsigned done)
{
	unsigned pick[WORDS];

	for (unsigned i = 0; i < WORDS; i++) {
		unsigned from = words[line * WORDS + i].from, source = from / WORDS;

		if (chained && (done >> i & 1))
			pick[i] = i;
		else if (from == NEVER)
			pick[i] = 0;
		else
			pick[i] = from % WORDS + (source == second && (chained || second != first) ? WORDS : 0);
	}
	print_words(name, number, pick);
}

/* Which words of a line come from one of two sources. */
static unsigned mask_of(unsigned line, unsigned a, unsigned b)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < WORDS; i++)
		if (words[line * WORDS + i].from / WORDS == a || words[line * WORDS + i].from / WORDS == b)
			mask |= 1u << i;
	return mask;
}

/* Writes the tables of one line of the target and, as text into `code`, how it is put together. */
static unsigned print_line(const char *name, unsigned line, unsigned number, const unsigned sources[LINES], unsigned n,
			   char *code, size_t cap)
{
	char pick[32], group[32];
	unsigned done = mask_of(line, sources[0], n > 1 ? sources[1] : sources[0]), groups[WORDS];
	size_t len = 0;

	snprintf(pick, sizeof(pick), "%s_pick", name);
	snprintf(group, sizeof(group), "%s_group", name);
	print_pick(pick, number, line, sources[0], n > 1 ? sources[1] : sources[0], false, 0);
	if (n == 1)
		len += (size_t)snprintf(code, cap, "\t\t__m512i d = _mm512_permutexvar_epi16(LOAD(%s%u), s%u);\n", pick, number,
					sources[0]);
	else
		len += (size_t)snprintf(code, cap, "\t\t__m512i d = _mm512_permutex2var_epi16(s%u, LOAD(%s%u), s%u);\n",
					sources[0], pick, number, sources[1]);
	number++;
	for (unsigned i = 2; i < n; i++, number++) {
		print_pick(pick, number, line, NEVER, sources[i], true, done);
		len += (size_t)snprintf(code + len, cap - len, "\t\td = _mm512_permutex2var_epi16(d, LOAD(%s%u), s%u);\n", pick,
					number, sources[i]);
		done |= mask_of(line, sources[i], sources[i]);
	}
	for (unsigned i = 0; i < WORDS; i++)
		groups[i] = words[line * WORDS + i].groups;
	print_words(group, line, groups);
	snprintf(code + len, cap - len, "\t\tSTORE(to + %u, 0x%xu, %s%u, d);\n", line * LINE, done, group, line);
	return number;
}

static void print_copy(const char *name)
{
	char code[LINES][2048];
	unsigned number = 0, needed = 0;

	for (unsigned line = 0; line < LINES; line++) {
		unsigned sources[LINES], n = sources_of(line, sources);

		code[line][0] = '\0';
		if (!n)
			continue;
		number = print_line(name, line, number, sources, n, code[line], sizeof(code[line]));
		for (unsigned i = 0; i < n; i++)
			needed |= 1u << sources[i];
	}
	printf("WIDE void %s(const uint8_t *restrict from, uint8_t *restrict to, const __m512i *dirty)\n{\n", name);
	for (unsigned source = 0; source < LINES; source++)
		if (needed >> source & 1)
			printf("\tconst __m512i s%u = LOAD(from + %u);\n", source, source * LINE);
	for (unsigned line = 0; line < LINES; line++)
		if (code[line][0])
			printf("\t{\n%s\t}\n", code[line]);
	printf("}\n");
}

int main(void)
{
	printf("/* Written by gen_wide.c at build time. */\n");
	gather_in();
	print_copy("wide_in");
	gather_out();
	print_copy("wide_out");
	return 0;
}
