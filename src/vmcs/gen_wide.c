/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time: writes the permutations that take an enlightened VMCS to the frozen vmcs12 and back, 64 bytes at a time,
 * as straight code. Made of the two lists of offsets, so that no third list has to agree with them.
 *
 * The source is loaded line by line. A line of the target is put together by permutations of two registers, a line of the source
 * more with each; if its words already lie as they should, by none. It is stored under a mask.
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
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = at,
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

/* Lines of the source. A window across two lines would bring more, but a load of it costs two. */
struct plan {
	unsigned line[LINES];
	unsigned count;
	bool moves; /* one line, whose words lie as the target wants them: nothing to permute */
};

static bool is_in(unsigned from, unsigned line)
{
	return from != NEVER && from / WORDS == line;
}

static void make_plan(const struct word *line, struct plan *plan)
{
	*plan = (struct plan){ .moves = true };
	for (unsigned source = 0; source < LINES; source++) {
		bool wanted = false;

		for (unsigned i = 0; i < WORDS; i++) {
			wanted |= is_in(line[i].from, source);
			plan->moves &= line[i].from == NEVER || line[i].from % WORDS == i;
		}
		if (wanted)
			plan->line[plan->count++] = source;
	}
	plan->moves &= plan->count == 1;
}

/* ---- writing ---- */

/* Where each word comes from: of two registers the second has 32 onwards. The first step takes two lines of the source, each further
 * one what is there so far and one line more. Words that nobody wants are taken from anywhere: the store leaves them out. */
static void print_pick(const struct word *line, const struct plan *plan, unsigned step)
{
	printf("{");
	for (unsigned i = 0; i < WORDS; i++) {
		unsigned from = line[i].from, pick = step ? i : 0;

		if (step == 0 && is_in(from, plan->line[0]))
			pick = from % WORDS;
		else if (step + 1 < plan->count && is_in(from, plan->line[step + 1]))
			pick = WORDS + from % WORDS;
		printf("%s%u", i ? "," : " ", pick);
	}
	printf(" },\n");
}

/* Writes the picks of one line and, as text into `code`, how it is put together; the number of the next pick. */
static unsigned print_line(const char *name, unsigned number, const struct word *line, const struct plan *plan, char *code, size_t cap)
{
	size_t len = (size_t)snprintf(code, cap, "\t\t__m512i d = s%u;\n", plan->line[0]);

	if (plan->moves)
		return number;
	for (unsigned step = 0; step == 0 || step + 1 < plan->count; step++, number++) {
		print_pick(line, plan, step);
		if (plan->count == 1)
			snprintf(code + len, cap - len, "\t\td = _mm512_permutexvar_epi16(LOAD(picks.%s[%u]), d);\n", name, number);
		else
			len += (size_t)snprintf(code + len, cap - len, "\t\td = _mm512_permutex2var_epi16(d, LOAD(picks.%s[%u]), s%u);\n",
						name, number, plan->line[step + 1]);
	}
	return number;
}

/* A copy as text: how each line is put together, and which lines of the source that takes. */
struct copy {
	const char *name;
	struct word words[1024 / 2];
	char code[LINES][2048];
	bool needed[LINES];
};

static bool is_wanted(const struct word *line)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (line[i].from != NEVER)
			return true;
	return false;
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

		if (!is_wanted(line))
			continue;
		make_plan(line, &plan);
		number = print_line(name, number, line, &plan, copy->code[at], sizeof(copy->code[at]));
		for (unsigned i = 0; i < plan.count; i++)
			copy->needed[plan.line[i]] = true;
	}
	printf("},\n");
}

/* The groups of each word, to be held against a clean-fields word. */
static void print_groups(const struct copy *copy)
{
	printf(".%s_groups = {\n", copy->name);
	for (unsigned i = 0; i < LINES * WORDS; i++)
		printf("%s0x%x%s", i % WORDS ? "," : "{", copy->words[i].groups, i % WORDS == WORDS - 1 ? "},\n" : "");
	printf("},\n");
}

static void print_copy(const struct copy *copy)
{
	printf("WIDE void wide_%s(const uint8_t *restrict from, uint8_t *restrict to, const __m512i *dirty)\n{\n", copy->name);
	for (unsigned at = 0; at < LINES; at++)
		if (copy->needed[at])
			printf("\tconst __m512i s%u = LOAD(from + %u);\n", at, at * LINE);
	for (unsigned at = 0; at < LINES; at++) {
		unsigned mask = 0;

		for (unsigned i = 0; i < WORDS; i++)
			mask |= (unsigned)(copy->words[at * WORDS + i].from != NEVER) << i;
		if (mask)
			printf("\t{\n%s\t\tSTORE(to + %u, 0x%xu, picks.%s_groups[%u], d);\n\t}\n", copy->code[at], at * LINE, mask,
			       copy->name, at);
	}
	printf("}\n");
}

/* The permutations lie behind the first KiB of their page: a load waits for a store to the same offset of another page, and all
 * stores go to the first KiB. */
int main(void)
{
	static struct copy in, out;

	printf("/* Written by gen_wide.c at build time. */\n");
	printf("static const struct {\n\tuint8_t stored_to[1024];\n\tuint16_t in[32][32], out[32][32], in_groups[16][32], out_groups[16][32];\n"
	       "} picks __attribute__((aligned(4096))) = {\n");
	gather_in();
	plan_copy(&in, "in");
	gather_out();
	plan_copy(&out, "out");
	print_groups(&in);
	print_groups(&out);
	printf("};\n");
	print_copy(&in);
	print_copy(&out);
	return 0;
}
