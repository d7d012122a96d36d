/* SPDX-License-Identifier: MIT */
/*
 * Our tables against what others say.
 *   print_layout LAYOUT    prints "encoding offset", and for enlightened layouts the clean-field group's bit
 *   print_layout names     reads "encoding NAME" and says which of them the field table calls otherwise or lacks
 */
#include <gabi/evmcs.h>

#include <stdio.h>
#include <string.h>

static int check_names(void)
{
	unsigned encoding, lines = 0, wrong = 0;
	char name[64];

	for (; scanf("%x %63s", &encoding, name) == 2; lines++) {
		const struct gabi_vmcs_field *field = gabi_vmcs_field_of(encoding);

		if (field && field == gabi_vmcs_field_by_name(name))
			continue;
		printf("%04x is %s there and %s here\n", encoding, name, field ? field->name : "nothing");
		wrong++;
	}
	printf("%u names, %u wrong\n", lines, wrong);
	return wrong || lines < 100;
}

int main(int argc, char **argv)
{
	const struct gabi_vmcs_layout *layout = argc == 2 ? gabi_vmcs_layout_by_name(argv[1]) : NULL;
	size_t count;
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&count);

	if (argc == 2 && !strcmp(argv[1], "names"))
		return check_names();
	if (!layout) {
		fputs("usage: print_layout LAYOUT|names\n", stderr);
		return 2;
	}
	printf("size %u\n", layout->size);
	for (unsigned id = 0; id < count; id++) {
		if (!layout->offset[id])
			continue;
		printf("%04x %u", field[id].encoding, layout->offset[id]);
		if (layout->family == GABI_VMCS_FAMILY_EVMCS)
			printf(" %d", gabi_evmcs_group_of(id));
		putchar('\n');
	}
	return 0;
}
