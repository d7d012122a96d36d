/* SPDX-License-Identifier: MIT */
#include "formats/compare.h"

static void add_gap(struct gabi_emission *emission, const struct gabi_key *key, uint64_t promised, uint64_t given, const char *why)
{
	const struct gabi_emit_gap gap = {
		.key = *key, .bits = promised ^ given, .promised = promised & (promised ^ given), .given = given & (promised ^ given), .why = why,
	};

	/* Which state there is to save is the kernel's, and no tool has a word for it. */
	if (gap.bits && key->space != GABI_SPACE_MSR_STATE && key->space != GABI_SPACE_ARM64_STATE)
		gabi_emit_gap(emission, &gap);
}

/* By key, then virtual processor: the order of a sealed contract. */
static int order(const struct gabi_word *a, const struct gabi_word *b)
{
	int by_key = gabi_key_compare(&a->key, &b->key);

	return by_key ? by_key : (a->vp > b->vp) - (a->vp < b->vp);
}

/* What is not listed is 0: it is off. */
void gabi_emit_compare(struct gabi_emission *emission, const struct gabi_contract *given, const char *(*why)(const struct gabi_key *key))
{
	size_t wants, gives, i = 0, k = 0;
	const struct gabi_word *want = gabi_contract_words(emission->contract, &wants), *give = gabi_contract_words(given, &gives);

	while (i < wants || k < gives) {
		int which = i == wants ? 1 : k == gives ? -1 : order(&want[i], &give[k]);
		const struct gabi_key *key = which > 0 ? &give[k].key : &want[i].key;

		add_gap(emission, key, which > 0 ? 0 : want[i].value, which < 0 ? 0 : give[k].value, why(key));
		i += which <= 0;
		k += which >= 0;
	}
}
