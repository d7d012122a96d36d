/* SPDX-License-Identifier: MIT */
/* The vocabulary's rows, one a line and parted by tabs, for the oracles that hold them against other people's tables:
 *   field SPACE INDEX SUB PART LO BITS NAME ALIASES SOURCE SIGNED RULE
 *   reg SPACE INDEX NAME RESETS_TO_0 */
#include <gabi/vocab.h>

#include <stdio.h>

int main(void)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);
	const struct gabi_reg *reg;

	for (size_t i = 0; i < count; i++)
		printf("field\t%s\t%#llx\t%u\t%u\t%u\t%u\t%s\t%s\t%s\t%d\t%s\n", gabi_space_text(field[i].key.space),
		       (unsigned long long)field[i].key.index, field[i].key.sub, field[i].key.part, field[i].lo, field[i].bits,
		       field[i].name, field[i].aliases, field[i].source, field[i].kind == GABI_KIND_INT, gabi_rule_text(field[i].rule));
	reg = gabi_regs(&count);
	for (size_t i = 0; i < count; i++)
		printf("reg\t%s\t%#llx\t%s\t%d\n", gabi_space_text(reg[i].key.space), (unsigned long long)reg[i].key.index,
		       reg[i].name, reg[i].resets_to_0);
	return 0;
}
