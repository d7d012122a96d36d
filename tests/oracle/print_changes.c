/* SPDX-License-Identifier: MIT */
/* What the tables of changes say of one kernel, a line for each word that a change touches, parted by tabs:
 *   print_changes RELEASE
 *   ID IN SPACE INDEX LAST SUB PART BITS */
#include <gabi/change.h>
#include <gabi/vocab.h>
#include <gabi/vocab.h>

#include <stdio.h>
#include <string.h>

static const struct {
	const char *id;
	unsigned space;
	unsigned long long index, last;
	long long sub;
	int part;
	unsigned long long bits;
} touched[] = {
#define GABI_TOUCH_ROW(id, space, index, last, sub, part, bits) { #id, GABI_SPACE_##space, index, last, sub, part, bits },
#include "changes/linux.def"
};

static const struct gabi_change *find(const char *id)
{
	size_t count;
	const struct gabi_change *change = gabi_changes(&count);

	while (count-- && strcmp(change->id, id) != 0)
		change++;
	return change;
}

int main(int argc, char **argv)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	if (argc != 2)
		return 2;
	for (size_t i = 0; i < sizeof(touched) / sizeof(touched[0]); i++)
		printf("%s\t%d\t%s\t%#llx\t%#llx\t%lld\t%d\t%#llx\n", touched[i].id, gabi_change_in(find(touched[i].id), argv[1]),
		       gabi_space_text(touched[i].space), touched[i].index, touched[i].last, touched[i].sub, touched[i].part,
		       touched[i].bits);
	for (size_t i = 0; i < count; i++)
		if (gabi_field_is_emulated(&field[i]))
			printf("emulated\t%#llx\t%u\t%u\t%u\t%s\n", (unsigned long long)field[i].key.index, field[i].key.sub,
			       field[i].key.part, field[i].lo, field[i].name);
	return 0;
}
