/* SPDX-License-Identifier: MIT */
/* A guest that may use the enlightened VMCS: what it was promised of VMX, and what a kernel leaves of that. */
#include <gabi/evmcs.h>

#include "contract/evmcs.h"

static uint64_t promised(const struct gabi_contract *contract, unsigned space, uint32_t index, unsigned part)
{
	struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = index };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? word->value : 0;
}

#define HV_INTERFACE 0x40000001u
#define HV_NESTED    0x4000000au
#define HV_SIGNATURE 0x31237648u /* "Hv#1": what KVM itself looks for */

void gabi_evmcs_guest_of(const struct gabi_contract *contract, struct gabi_evmcs_guest *ret_guest)
{
	*ret_guest = (struct gabi_evmcs_guest){
		.enabled = (promised(contract, GABI_SPACE_HYPERV, HV_NESTED, GABI_EAX) & 0xffff) ||
			   promised(contract, GABI_SPACE_VM, GABI_VM_EVMCS_VERSION, 0),
		.hyperv = promised(contract, GABI_SPACE_HYPERV, HV_INTERFACE, GABI_EAX) == HV_SIGNATURE,
		.perf_global = promised(contract, GABI_SPACE_HYPERV, HV_NESTED, GABI_EBX) & 1,
	};
}

static bool is_msr(const struct gabi_word *word)
{
	return word->key.space == GABI_SPACE_MSR && word->key.index <= UINT32_MAX;
}

int gabi_evmcs_foresee(const struct gabi_contract *contract, const struct gabi_evmcs_line *line,
		       int (*found)(void *ctx, const struct gabi_word *word, uint64_t lost), void *ctx)
{
	struct gabi_evmcs_guest guest;
	size_t count;
	const struct gabi_word *word = gabi_contract_words(contract, &count);

	gabi_evmcs_guest_of(contract, &guest);
	for (size_t i = 0; i < count; i++) {
		uint64_t lost;
		int err;

		if (!is_msr(&word[i]))
			continue;
		lost = word[i].value & ~gabi_evmcs_filter(line, &guest, (uint32_t)word[i].key.index, word[i].value);
		err = lost ? found(ctx, &word[i], lost) : 0;
		if (err)
			return err;
	}
	return 0;
}

uint64_t gabi_evmcs_asks(const struct gabi_evmcs_guest *guest, const struct gabi_word *word)
{
	uint64_t bits = 0;
	size_t count;
	const struct gabi_evmcs_line *line = gabi_evmcs_lines(&count);

	for (size_t i = 0; i < count && is_msr(word); i++)
		bits |= ~gabi_evmcs_filter(&line[i], guest, (uint32_t)word->key.index, UINT64_MAX);
	return bits;
}

struct gabi_key gabi_evmcs_key(const struct gabi_word *word)
{
	return (struct gabi_key){ .space = GABI_SPACE_MSR_EVMCS, .index = word->key.index };
}

bool gabi_evmcs_left(const struct gabi_host *host, const struct gabi_evmcs_guest *guest, const struct gabi_word *promise,
		    uint64_t *ret_left)
{
	struct gabi_key key = gabi_evmcs_key(promise);
	const struct gabi_word *seen = gabi_host_find(host, &key);
	const char *release = gabi_host_release(host);
	const struct gabi_evmcs_line *line = release ? gabi_evmcs_line_of(release) : NULL;

	if (seen)
		*ret_left = seen->value;
	else if (line)
		*ret_left = gabi_evmcs_filter(line, guest, (uint32_t)promise->key.index, promise->value);
	return seen || line;
}
