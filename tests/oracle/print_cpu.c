/* SPDX-License-Identifier: MIT */
/* What -cpu arguments ask for, one a line of standard input, for the oracle that holds it against QEMU:
 *   words SPACE:INDEX:SUB:PART=VALUE...      or      error NAME SENTENCE */
#include <gabi/cpu_string.h>

#include <stdio.h>
#include <string.h>

static void print_cpu(const struct gabi_cpu *cpu)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);

	printf("words\t");
	for (size_t i = 0; i < count; i++)
		printf("%s:%#llx:%u:%u=%#llx ", gabi_space_text(word[i].key.space), (unsigned long long)word[i].key.index,
		       word[i].key.sub, word[i].key.part, (unsigned long long)word[i].value);
	printf("\n");
}

int main(void)
{
	char line[65536];

	while (fgets(line, sizeof(line), stdin)) {
		struct gabi_diag diag = { 0 };
		struct gabi_cpu *cpu;

		line[strcspn(line, "\n")] = '\0';
		if (gabi_cpu_parse(line, strlen(line), NULL, NULL, &cpu, &diag)) {
			printf("error\t%s\t%s\n", gabi_err_name(diag.err), diag.text);
			continue;
		}
		print_cpu(cpu);
		gabi_cpu_free(cpu);
	}
	return 0;
}
