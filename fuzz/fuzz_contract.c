/* SPDX-License-Identifier: MIT */
/* A contract that was read, written and read again is the same, and has the same digest. */
#include "fuzz.h"

#include <gabi/formats.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct gabi_contract *contract, *again;
	uint8_t digest[GABI_DIGEST_LEN], digest_again[GABI_DIGEST_LEN];
	struct gabi_diag diag = { 0 };
	char *text, *text_again;
	size_t text_len, len_again;
	int err = gabi_contract_read((const char *)data, len, NULL, &contract, &diag);

	if (err) {
		fuzz_expect(diag.err == err && diag.text[0]);
		fuzz_expect((diag.line == 0) == (diag.column == 0));
		return 0;
	}
	fuzz_expect(!gabi_contract_write(contract, NULL, &text, &text_len));
	fuzz_expect(!gabi_contract_read(text, text_len, NULL, &again, &diag));
	fuzz_expect(!gabi_contract_write(again, NULL, &text_again, &len_again));
	fuzz_expect(text_len == len_again && !memcmp(text, text_again, text_len));
	gabi_contract_digest(contract, digest);
	gabi_contract_digest(again, digest_again);
	fuzz_expect(!memcmp(digest, digest_again, sizeof(digest)));
	gabi_text_free(text, NULL);
	gabi_text_free(text_again, NULL);
	gabi_contract_free(contract);
	gabi_contract_free(again);
	fuzz_reached();
	return 0;
}
