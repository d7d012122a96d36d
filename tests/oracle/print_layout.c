/* SPDX-License-Identifier: MIT */
/*
 * Our tables against what others say.
 *   print_layout LAYOUT    or a release of Linux, prints "encoding offset", and for enlightened layouts the clean-field group's bit
 *   print_layout known     prints every encoding that the field table has, and a zero
 *   print_layout names     reads "encoding NAME" and says which of them the field table calls otherwise or lacks
 *   print_layout filter RELEASE   prints "msr, CPUID 0x4000000A.EBX[0], all ones as the enlightened VMCS's filter leaves them"
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

static int print_filter(const char *release)
{
	const struct gabi_evmcs_line *line = gabi_evmcs_line_of(release);

	for (unsigned perf = 0; line && perf < 2; perf++) {
		struct gabi_evmcs_guest guest = { .enabled = 1, .hyperv = 1, .perf_global = (uint8_t)perf };

		for (uint32_t msr = 0x480; msr <= 0x493; msr++)
			printf("%x %u %016llx\n", msr, perf, (unsigned long long)gabi_evmcs_filter(line, &guest, msr, UINT64_MAX));
	}
	return !line;
}

int main(int argc, char **argv)
{
	const struct gabi_vmcs_layout *layout = argc == 2 ? gabi_vmcs_layout_by_name(argv[1]) : NULL;
	size_t count;
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&count);

	if (argc == 3 && !strcmp(argv[1], "filter"))
		return print_filter(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "names"))
		return check_names();
	if (argc == 2 && !strcmp(argv[1], "known")) {
		for (unsigned id = 0; id < count; id++)
			printf("%04x 0\n", field[id].encoding);
		return 0;
	}
	if (!layout && argc == 2)
		layout = gabi_vmcs_layout_of_release(argv[1]);
	if (!layout) {
		fputs("usage: print_layout LAYOUT|names|known\n", stderr);
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
