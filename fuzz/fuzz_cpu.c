/* SPDX-License-Identifier: MIT */
/* A -cpu argument asks for sorted words without zeros, and for the same with a comma more. */
#include "fuzz.h"

#include <gabi/cpu_string.h>

#include <stdlib.h>
#include <string.h>

static void expect_same(const struct gabi_cpu *a, const struct gabi_cpu *b)
{
	size_t count, other_count;
	const struct gabi_word *word = gabi_cpu_words(a, &count), *other = gabi_cpu_words(b, &other_count);

	fuzz_expect(count == other_count);
	for (size_t i = 0; i < count; i++) {
		fuzz_expect(!gabi_key_compare(&word[i].key, &other[i].key) && word[i].value == other[i].value);
		fuzz_expect(word[i].value && (i == 0 || gabi_key_compare(&word[i - 1].key, &word[i].key) < 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct gabi_cpu *cpu, *again;
	char *text, *told;
	int err = gabi_cpu_parse((const char *)data, len, NULL, NULL, &cpu, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	fuzz_expect(!gabi_model_set_argument(NULL, (const char *)data, len, NULL, &told, &diag));
	text = malloc(len + 1);
	fuzz_expect(text);
	memcpy(text, data, len);
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text[len] = ',';
	if (strlen(told) < GABI_CPU_MAX_LEN) {
		fuzz_expect(!gabi_cpu_parse(text, len + 1, NULL, NULL, &again, &diag));
		expect_same(cpu, again);
		gabi_cpu_free(again);
	}
	free(text);
	free(told);
	gabi_cpu_free(cpu);
	fuzz_reached();
	return 0;
}
