/* SPDX-License-Identifier: MIT */
/* What is imported from another tool's file is a manifest that gabi writes and reads back whole. */
#include "fuzz.h"

#include <gabi/formats.h>

#include <string.h>

static void import(const char *data, size_t len, enum gabi_view view)
{
	struct gabi_host *host, *again;
	struct gabi_diag diag = { 0 };
	size_t count, count_again, text_len;
	char *text;
	int err = gabi_host_import(data, len, GABI_IMPORT_GUESS, view, NULL, &host, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return;
	}
	fuzz_expect(!gabi_host_write(host, NULL, &text, &text_len));
	fuzz_expect(!gabi_host_read(text, text_len, NULL, &again, &diag));
	fuzz_expect(gabi_host_view(again) == view);
	gabi_host_words(host, &count);
	gabi_host_words(again, &count_again);
	fuzz_expect(count == count_again);
	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *word = &gabi_host_words(host, &count)[i];
		const struct gabi_word *same = &gabi_host_words(again, &count)[i];

		fuzz_expect(!gabi_key_compare(&word->key, &same->key) && word->value == same->value &&
			    word->settable == same->settable && word->bits == same->bits);
	}
	gabi_text_free(text, NULL);
	gabi_host_free(host);
	gabi_host_free(again);
	fuzz_reached();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	import((const char *)data, len, GABI_VIEW_GUEST);
	import((const char *)data, len, GABI_VIEW_CPU);
	return 0;
}
