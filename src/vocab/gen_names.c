/* SPDX-License-Identifier: MIT */
/*
 * Runs at build time, so that the library searches less at run time and there is no second list to keep.
 *
 *   gen_names            the vocabulary's order by name, and for every row the row that its `when` names
 *   gen_names qemu       the names that QEMU has for what x86 guests see, sorted, each with its row
 *   gen_names touches    the order by space of the rows of data/changes that say which words a change touches
 */
#include <gabi/vocab.h>

#include "contract/named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	unsigned space;
	const char *name, *when, *aliases;
	int is_copy;
};

/* Those follow from leaf 1 and the vendor, and no name of QEMU sets them. */
#define IS_COPY(index, part, low, width) \
	((index) == 0x80000001 && (part) == GABI_EDX && (width) == 1 && GABI_AMD_COPIES >> (low) & 1)

static const struct row fields[] = {
#define GABI_FIELD_ROW(space, index, sub, last, part, low, width, absent, kind, rule, hide, name, others, when, from) \
	{ GABI_SPACE_##space, name, when, others, GABI_SPACE_##space == GABI_SPACE_CPUID && IS_COPY(index, part, low, width) },
#include "tables.h"
};

static const struct row regs[] = {
#define GABI_REG_ROW(space, index, first, last, scope, equal, zero, name, when, from) { GABI_SPACE_##space, name, when, "", 0 },
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

static void print_when(const char *array, const struct row *rows, size_t count)
{
	printf("static const int16_t %s[] = {\n", array);
	for (size_t i = 0; i < count; i++)
		printf("%ld,%c", *rows[i].when ? find(&rows[i]) : -1, i % 16 == 15 ? '\n' : ' ');
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
	print_when("field_when", fields, FIELD_COUNT);
	print_when("reg_when", regs, REG_COUNT);
	return 0;
}
