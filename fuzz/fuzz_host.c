/* SPDX-License-Identifier: MIT */
/* A manifest that was read, written and read again is the same. */
#include "fuzz.h"

#include <gabi/formats.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_host *host, *again;
	struct gabi_diag diag = { 0 };
	char *text, *text_again;
	size_t text_len, len_again;
	int err = gabi_host_read((const char *)data, len, NULL, &host, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		return 0;
	}
	fuzz_expect(!gabi_host_write(host, NULL, &text, &text_len));
	fuzz_expect(!gabi_host_read(text, text_len, NULL, &again, &diag));
	fuzz_expect(!gabi_host_write(again, NULL, &text_again, &len_again));
	fuzz_expect(text_len == len_again && !memcmp(text, text_again, text_len));
	gabi_text_free(text, NULL);
	gabi_text_free(text_again, NULL);
	gabi_host_free(host);
	gabi_host_free(again);
	fuzz_reached();
	return 0;
}
