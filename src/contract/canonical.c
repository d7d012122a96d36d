/* SPDX-License-Identifier: MIT */
#include <gabi/contract.h>

#include "host/canonical.h"

#include <sha2.h>
#include <string.h>

/* Which virtual processors have words of their own. */
struct vps {
	uint8_t bits[(GABI_VP_ALL + 7) / 8];
};

static bool vps_has(const struct vps *vps, unsigned vp)
{
	return vps->bits[vp / 8] >> vp % 8 & 1;
}

static bool vps_of(struct gabi_word_range words, struct vps *ret_vps)
{
	bool any = false;

	memset(ret_vps, 0, sizeof(*ret_vps));
	for (; words.at < words.end; words.at++) {
		if (words.at->vp == GABI_VP_ALL)
			continue;
		ret_vps->bits[words.at->vp / 8] |= (uint8_t)(1u << words.at->vp % 8);
		any = true;
	}
	return any;
}

/* The members for vp and for every longer number that begins with its digits: the order of their texts. */
static void write_vps_from(struct gabi_json *json, struct gabi_word_range words, const struct vps *vps, unsigned vp)
{
	if (vps_has(vps, vp)) {
		char text[8];
		struct gabi_out key = gabi_out_to(text, sizeof(text));

		gabi_out_dec(&key, vp);
		gabi_json_open(json, text, '{');
		gabi_words_canonical(json, words, (struct gabi_word_form){ .vp = vp });
		gabi_json_close(json, '}');
	}
	for (unsigned digit = 0; vp && digit < 10 && 10 * vp + digit < GABI_VP_ALL; digit++)
		write_vps_from(json, words, vps, 10 * vp + digit);
}

int gabi_contract_canonical(const struct gabi_contract *contract, int (*sink)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct gabi_json json = { .sink = sink, .ctx = ctx };
	size_t count;
	const struct gabi_word *at = gabi_contract_words(contract, &count);
	const struct gabi_word_range words = { at, at + count };
	struct vps vps;

	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "arch", gabi_arch_text(gabi_contract_arch(contract)));
	gabi_words_canonical(&json, words, (struct gabi_word_form){ .vp = GABI_VP_ALL });
	if (vps_of(words, &vps)) {
		gabi_json_open(&json, "vps", '{');
		for (unsigned vp = 0; vp < 10; vp++)
			write_vps_from(&json, words, &vps, vp);
		gabi_json_close(&json, '}');
	}
	gabi_json_close(&json, '}');
	return json.stopped;
}

static int hash(void *ctx, const char *text, size_t len)
{
	SHA256Update(ctx, (const uint8_t *)text, len);
	return 0;
}

void gabi_contract_digest(const struct gabi_contract *contract, uint8_t ret_digest[GABI_DIGEST_LEN])
{
	SHA2_CTX sha;

	SHA256Init(&sha);
	gabi_contract_canonical(contract, hash, &sha);
	SHA256Final(ret_digest, &sha);
}
