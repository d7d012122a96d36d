/* SPDX-License-Identifier: MIT */
/* print_insn BITS: for each line of hex bytes on standard input how long the instruction is that it begins with, and 0 where it does not end. */
#include "vmm/insn.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	unsigned bits = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 64, byte;
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		uint8_t bytes[16];
		unsigned count = 0;

		while (count < sizeof(bytes) && sscanf(line + count * 2, "%2x", &byte) == 1)
			bytes[count++] = (uint8_t)byte;
		printf("%u\n", vmm_insn(bytes, count, bits).len);
	}
	return 0;
}
