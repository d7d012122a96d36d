/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the stream of a saved state. The sums of its sections are put right first, where sections can be made out, so that
 * what is behind them is reached; in a second run they are left as they are. What is taken is written as the same bytes.
 */
#include "fuzz.h"

#include <gabi/formats.h>
#include <gabi/state.h>

#include "formats/cbor.h"

#include <sha2.h>
#include <stdlib.h>
#include <string.h>

/* Name, virtual processor, payload: gives where they end; then the sum. */
static int mend_section(struct gabi_cbor_in *in, uint8_t *bytes)
{
	struct gabi_cbor_item item;
	size_t begin;
	SHA2_CTX sha;

	if (gabi_cbor_take(in, GABI_CBOR_ARRAY, "", &item, NULL) || item.number != 4)
		return -1;
	begin = in->pos;
	for (unsigned i = 0; i < 3; i++)
		if (gabi_cbor_next(in, &item, NULL))
			return -1;
	SHA256Init(&sha);
	SHA256Update(&sha, bytes + begin, in->pos - begin);
	if (gabi_cbor_take(in, GABI_CBOR_BYTES, "", &item, NULL) || item.number != SHA256_DIGEST_LENGTH)
		return -1;
	SHA256Final(bytes + in->pos - SHA256_DIGEST_LENGTH, &sha);
	return 0;
}

static void mend(uint8_t *bytes, size_t len)
{
	struct gabi_cbor_in in = { .at = bytes, .len = len };
	struct gabi_cbor_item item;

	for (unsigned i = 0; i < 4; i++) /* tag, array, name, version */
		if (gabi_cbor_next(&in, &item, NULL))
			return;
	while (!mend_section(&in, bytes))
		;
}

static void expect_inverse(const struct gabi_state *state, const uint8_t *bytes, size_t len)
{
	char *again = NULL;
	size_t len_again = 0, count;

	fuzz_expect(!gabi_state_write(state, NULL, &again, &len_again));
	fuzz_expect(len == len_again && !memcmp(bytes, again, len));
	gabi_text_free(again, NULL);
	gabi_state_words(state, &count);
	fuzz_expect(count >= gabi_state_vps(state));
}

static void try_one(const uint8_t *bytes, size_t len)
{
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	int err = gabi_state_read(bytes, len, NULL, &state, &diag);

	if (err) {
		fuzz_expect(err < 0 && diag.text[0] && !state);
		return;
	}
	fuzz_reached();
	expect_inverse(state, bytes, len);
	gabi_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *bytes = malloc(len + 1);

	if (!bytes)
		abort();
	memcpy(bytes, data, len);
	try_one(bytes, len);
	mend(bytes, len);
	try_one(bytes, len);
	free(bytes);
	return 0;
}
