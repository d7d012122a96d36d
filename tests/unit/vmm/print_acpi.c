/* SPDX-License-Identifier: MIT */
/* print_acpi FILE CPUS: the tables of a machine with a disk, for tests/oracle/acpi.sh to take apart. */
#include "board.h"

#include "vmm/boot.h"
#include "vmm/pc.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static unsigned char tables[VMM_ACPI_LEN];
	static const struct vmm_disk disk;
	static struct vmm_pc pc;
	struct test_board *test = test_board_new();
	const struct vmm_pc_options options = { .cpus = 1, .disk = &disk };
	FILE *file = argc == 3 ? fopen(argv[1], "wb") : NULL;
	size_t len;

	vmm_pc_init(&pc, &test->board, &options);
	len = vmm_pc_acpi(&pc, (unsigned)atoi(argv[2]), tables, sizeof(tables));
	test_board_free(test);
	if (!file || !len || fwrite(tables, 1, len, file) != len || fclose(file))
		return 1;
	return vmm_pc_acpi(&pc, 240, tables, 64) != 0; /* what does not fit is not written */
}
