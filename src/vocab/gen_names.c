/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time, so that the library searches less at run time and there is no second list to keep.
 *
 *   gen_names            the vocabulary's order by name, and for every row the row that its `when` names
 *   gen_names qemu       the names that QEMU has for what x86 guests see, sorted, each with its row
 *   gen_names places     where the rows of each word and of each register are, in arrays that a search is quick in
 *   gen_names touches    the order by space of the rows of data/changes that say which words a change touches
 */
#include <gabi/vocab.h>

#include "contract/named.h"
#include "vocab/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	unsigned space;
	const char *name, *when, *aliases;
	int is_copy, is_zero, is_presented;
	unsigned long long index, absent;
	unsigned sub, last, part, low, width;
};

/* Those follow from leaf 1 and the vendor, and no name of QEMU sets them. */
#define IS_COPY(index, part, low, width) \
	((index) == 0x80000001 && (part) == GABI_EDX && (width) == 1 && GABI_AMD_COPIES >> (low) & 1)

static const struct row fields[] = {
#define GABI_FIELD_ROW(space, index, sub, last, part, low, width, none, kind, rule, hide, name, others, when, from) \
	{ GABI_SPACE_##space, name, when, others, GABI_SPACE_##space == GABI_SPACE_CPUID && IS_COPY(index, part, low, width), \
	  GABI_RULE_##rule == GABI_RULE_ZERO, GABI_RULE_##rule == GABI_RULE_PRESENTED && GABI_HIDE_##hide != GABI_HIDE_NO, \
	  index, none, sub, last, part, low, width },
#include "tables.h"
};

static const struct row regs[] = {
#define GABI_REG_ROW(space, index, first, last, scope, equal, zero, name, when, from) \
	{ GABI_SPACE_##space, name, when, "", 0, 0, 0, index, 0, first, last, 0, 0, 0 },
#include "tables.h"
};

static const unsigned touches[] = {
#define GABI_TOUCH_ROW(id, space, index, last, sub, part, bits) GABI_SPACE_##space,
#include "changes/linux.def"
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields)[0])
#define REG_COUNT (sizeof(regs) / sizeof(regs)[0])

static unsigned order[FIELD_COUNT];

/* As the library compares: '_' and '-' are the same. */
static int compare_names(const char *a, const char *b)
{
	for (;; a++, b++) {
		char x = *a == '_' ? '-' : *a, y = *b == '_' ? '-' : *b;

		if (x != y || !x)
			return x - y;
	}
}

static int by_name(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	int result = compare_names(fields[x].name, fields[y].name);

	return result ? result : x < y ? -1 : 1;
}

static int is_arm(unsigned space)
{
	return space == GABI_SPACE_ARM64 || space == GABI_SPACE_ARM64_STATE || space == GABI_SPACE_ARM64_ACCEPTS;
}

/* The row of that name that is of the same architecture, or of both. */
static long find(const struct row *of)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (!compare_names(fields[i].name, of->when) &&
		    (is_arm(fields[i].space) == is_arm(of->space) || of->space == GABI_SPACE_VM || fields[i].space == GABI_SPACE_VM))
			return (long)i;
	fprintf(stderr, "gen_names: %s says it matters when \"%s\" is promised, but no field has that name\n", of->name, of->when);
	exit(1);
}

static long when_of(const struct row *row)
{
	return row && *row->when ? find(row) : -1;
}

static void print_when(void)
{
	printf("static const int16_t field_when[] = {\n");
	for (size_t i = 0; i < FIELD_COUNT; i++)
		printf("%ld,%c", when_of(&fields[i]), i % 16 == 15 ? '\n' : ' ');
	printf("};\n");
}

/* Within one space the rows stay in their order: the first that explains a difference counts. */
static void print_touches(void)
{
	unsigned first[GABI_SPACE_COUNT + 1] = { 0 };

	printf("static const uint16_t touch_order[] = {\n");
	for (unsigned space = 0; space < GABI_SPACE_COUNT; space++) {
		first[space + 1] = first[space];
		for (unsigned i = 0; i < sizeof(touches) / sizeof(touches[0]); i++)
			if (touches[i] == space)
				printf("%u,%c", i, first[space + 1]++ % 16 == 15 ? '\n' : ' ');
	}
	printf("};\nstatic const uint16_t touch_first[] = {");
	for (unsigned space = 0; space <= GABI_SPACE_COUNT; space++)
		printf(" %u,", first[space]);
	printf(" };\n");
}

/* ---- places ---- */

/* The register of a word: a feature MSR may be saved state and the other way round, and has one row, in either space. */
static const struct row *reg_in(unsigned space, const struct row *of)
{
	for (const struct row *reg = regs; reg < regs + REG_COUNT; reg++)
		if (reg->space == space && reg->index == of->index && reg->sub <= of->sub && of->sub <= reg->last) {
			if (of->last <= reg->last)
				return reg;
			fprintf(stderr, "gen_names: %s goes on where its register ends\n", of->name);
			exit(1);
		}
	return NULL;
}

static const struct row *reg_of(const struct row *of)
{
	const struct row *reg = reg_in(of->space, of);

	if (!reg && of->space == GABI_SPACE_MSR)
		reg = reg_in(GABI_SPACE_MSR_STATE, of);
	return reg;
}

static int same_word(const struct row *a, const struct row *b)
{
	return a->space == b->space && a->index == b->index && a->sub == b->sub && a->part == b->part;
}

/* The condition that all of a word's rows have, and the bits without a row, which have the register's; else -1. */
static long gate_of_word(const struct row *first, size_t count, long reg_when)
{
	unsigned covered = 0;
	long gate = *first->when ? when_of(first) : reg_when;

	for (const struct row *row = first; row < first + count; row++) {
		if ((*row->when ? when_of(row) : reg_when) != gate)
			return -1;
		covered += row->width;
	}
	return covered == 64 || gate == reg_when ? gate : -1;
}

static unsigned long long mask_of(const struct row *row)
{
	return ~0ull >> (64 - row->width) << row->low;
}

/* The word of a host or contract that has nothing of it. */
static unsigned long long absent_of(const struct row *first, size_t count)
{
	unsigned long long absent = 0;

	for (const struct row *row = first; row < first + count; row++)
		absent |= row->absent << row->low & mask_of(row);
	return absent;
}

/* The bits that no guest may have. A verdict looks for them in MSRs only, where it looks at what is equal anyway. */
static unsigned long long zero_of(const struct row *first, size_t count)
{
	unsigned long long zero = 0;

	for (const struct row *row = first; row < first + count; row++) {
		if (row->is_zero && row->space != GABI_SPACE_MSR) {
			fprintf(stderr, "gen_names: %s must be zero, but is not in an MSR\n", row->name);
			exit(1);
		}
		zero |= row->is_zero ? mask_of(row) : 0;
	}
	return zero;
}

/* The bits of which a VMM can write what it likes. */
static unsigned long long presented_of(const struct row *first, size_t count)
{
	unsigned long long presented = 0;

	for (const struct row *row = first; row < first + count; row++)
		presented |= row->is_presented ? mask_of(row) : 0;
	return presented;
}

/* All rows of a word speak of the same subleaves. */
static void check_last(const struct row *a, const struct row *b)
{
	if (a->last == b->last)
		return;
	fprintf(stderr, "gen_names: %s and %s begin at one subleaf and end at two\n", a->name, b->name);
	exit(1);
}

/* The places of one table as they are printed, and the hash table that finds the first of a space and an index. */
struct places {
	const char *name;
	const struct row *last; /* the row of the place before */
	unsigned count, slots[2048];
};

static void print_place(struct places *places, const struct row *row, size_t first, size_t count, long reg_when, long when)
{
	printf("{ 0x%llxull, 0x%llxull, 0x%llxull, 0x%llxull, %u, %u, %u, %u, %zu, %zu, %ld, %ld },\n", row->index,
	       absent_of(row, count), zero_of(row, count), presented_of(row, count), row->sub, row->last, row->space, row->part,
	       first, count, reg_when, when);
	places->count++;
	if (!places->last || places->last->space != row->space || places->last->index != row->index) {
		const size_t slot_count = sizeof(places->slots) / sizeof(places->slots[0]);
		size_t slot = gabi_place_slot(row->space, row->index, slot_count);

		while (places->slots[slot])
			slot = (slot + 1) & (slot_count - 1);
		places->slots[slot] = places->count;
	}
	places->last = row;
}

static void begin_places(struct places *places, const char *name)
{
	*places = (struct places){ .name = name };
	printf("static const struct place %s_places[] = {\n", name);
}

static void end_places(const struct places *places)
{
	const size_t slot_count = sizeof(places->slots) / sizeof(places->slots[0]);

	if (places->count > slot_count / 4 * 3) {
		fprintf(stderr, "gen_names: the hash table of %s_places has too few slots\n", places->name);
		exit(1);
	}
	printf("{ 0 }\n};\nstatic const uint16_t %s_slots[%zu] = {\n", places->name, slot_count);
	for (size_t i = 0; i < slot_count; i++)
		printf("%u,%c", places->slots[i], i % 16 == 15 ? '\n' : ' ');
	printf("};\n");
}

static void print_places(void)
{
	static struct places places;

	begin_places(&places, "word");
	for (size_t i = 0, count; i < FIELD_COUNT; i += count) {
		long reg_when = when_of(reg_of(&fields[i]));

		for (count = 1; i + count < FIELD_COUNT && same_word(&fields[i], &fields[i + count]); count++)
			check_last(&fields[i], &fields[i + count]);
		print_place(&places, &fields[i], i, count, reg_when, gate_of_word(&fields[i], count, reg_when));
	}
	end_places(&places);
	begin_places(&places, "reg");
	for (size_t i = 0; i < REG_COUNT; i++)
		print_place(&places, &regs[i], i, 0, when_of(&regs[i]), when_of(&regs[i]));
	end_places(&places);
}

/* ---- QEMU's names ---- */

struct qemu_name {
	char name[64];
	unsigned row;
	int is_alias;
};

static struct qemu_name names[4 * FIELD_COUNT];
static size_t name_count;

static void add_name(const char *name, size_t len, unsigned row, int is_alias)
{
	struct qemu_name *added = &names[name_count++];

	if (name_count > sizeof(names) / sizeof(names[0]) || len >= sizeof(added->name)) {
		fprintf(stderr, "gen_names: \"%s\" is too much\n", name);
		exit(1);
	}
	for (size_t i = 0; i < len; i++)
		added->name[i] = name[i] == '_' ? '-' : name[i];
	added->row = row;
	added->is_alias = is_alias;
}

static void add_names(unsigned row)
{
	static const char tool[] = "qemu:";

	if ((fields[row].space != GABI_SPACE_CPUID && fields[row].space != GABI_SPACE_KVM && fields[row].space != GABI_SPACE_HYPERV &&
	     fields[row].space != GABI_SPACE_MSR) || fields[row].is_copy)
		return;
	add_name(fields[row].name, strlen(fields[row].name), row, 0);
	for (const char *at = fields[row].aliases; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (len > sizeof(tool) - 1 && !memcmp(at, tool, sizeof(tool) - 1))
			add_name(at + sizeof(tool) - 1, len - (sizeof(tool) - 1), row, 1);
		at += len;
	}
}

static int by_qemu_name(const void *a, const void *b)
{
	const struct qemu_name *x = a, *y = b;
	int result = strcmp(x->name, y->name);

	return result ? result : x->row < y->row ? -1 : x->row > y->row;
}

static void print_qemu_names(void)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		add_names(i);
	qsort(names, name_count, sizeof(names[0]), by_qemu_name);
	printf("static const struct gabi_qemu_name qemu_names[] = {\n");
	for (size_t i = 0; i < name_count; i++)
		printf("{ \"%s\", %u, %d },\n", names[i].name, names[i].row, names[i].is_alias);
	printf("};\n");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "qemu")) {
		print_qemu_names();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "places")) {
		print_places();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "touches")) {
		print_touches();
		return 0;
	}
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		order[i] = i;
	qsort(order, FIELD_COUNT, sizeof(order[0]), by_name);
	printf("static const uint16_t field_by_name[] = {\n");
	for (size_t i = 0; i < FIELD_COUNT; i++)
		printf("%u,%c", order[i], i % 16 == 15 ? '\n' : ' ');
	printf("};\n");
	print_when();
	return 0;
}
