/* SPDX-License-Identifier: MIT */
/* Cloud Hypervisor's --cpus: read, and laid over a host. */
#include <gabi/cloud_hypervisor.h>
#include <gabi/vocab.h>

#include "base/nearest.h"
#include "formats/like.h"

#include <string.h>

/* Some of the argument. */
struct piece {
	const char *at;
	size_t len;
};

static bool is(struct piece piece, const char *text)
{
	return piece.len == strlen(text) && !memcmp(piece.at, text, piece.len);
}

/* For a sentence: cut where it is long. */
static const char *text_of(struct piece piece, char out[64])
{
	size_t len = piece.len < 63 ? piece.len : 63;

	memcpy(out, piece.at, len);
	out[len] = '\0';
	return out;
}

static bool number_of(struct piece piece, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.at[i];

		if (c < '0' || c > '9' || number > (max - (uint64_t)(c - '0')) / 10)
			return false;
		number = 10 * number + (uint64_t)(c - '0');
	}
	*ret_number = number;
	return piece.len;
}

static int bad_value(struct piece key, struct piece value, const char *wants, struct gabi_diag *diag)
{
	char name[64], text[64];

	return gabi_fail(diag, GABI_ERR_RANGE, text_of(key, name), " wants ", wants, " and not \"", text_of(value, text), "\"", (char *)NULL);
}

static int read_switch(struct piece key, struct piece value, uint8_t *ret_on, struct gabi_diag *diag)
{
	if (!is(value, "on") && !is(value, "true") && !is(value, "off") && !is(value, "false"))
		return bad_value(key, value, "on or off", diag);
	*ret_on = is(value, "on") || is(value, "true");
	return 0;
}

/* "1:2:1:1" */
static int read_topology(struct piece key, struct piece value, uint16_t ret_topology[4], struct gabi_diag *diag)
{
	struct piece rest = value;

	for (unsigned i = 0; i < 4; i++) {
		const char *colon = memchr(rest.at, ':', rest.len);
		struct piece part = { rest.at, colon ? (size_t)(colon - rest.at) : rest.len };
		uint64_t number;

		if (!colon != (i == 3) || !number_of(part, UINT16_MAX, &number) || !number)
			return bad_value(key, value, "four numbers from 1, THREADS:CORES:DIES:PACKAGES,", diag);
		ret_topology[i] = (uint16_t)number;
		rest.at += part.len + (colon != NULL);
		rest.len -= part.len + (colon != NULL);
	}
	return 0;
}

/* "amx" or "[amx]" */
static int read_features(struct piece value, struct gabi_cloud_cpus *cpus, struct gabi_diag *diag)
{
	char text[64];

	if (value.len >= 2 && *value.at == '[' && value.at[value.len - 1] == ']') {
		value.at++;
		value.len -= 2;
	}
	if (!is(value, "amx"))
		return gabi_fail(diag, GABI_ERR_UNKNOWN, "Cloud Hypervisor has no CPU feature \"", text_of(value, text), "\"; it has amx", (char *)NULL);
	cpus->amx = 1;
	return 0;
}

static const char *const keys[] = {
#define GABI_CLOUD_KEY_ROW(key) key,
#include <models/cloud_hypervisor.def>
};

static int unknown_key(struct piece key, struct gabi_diag *diag)
{
	char name[64], text[3 * 64 + 32];
	struct gabi_nearest nearest = { .wanted = text_of(key, name) };
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	for (size_t i = 0; i < GABI_COUNT_OF(keys); i++)
		gabi_nearest_offer(&nearest, keys[i], strlen(keys[i]));
	gabi_nearest_print(&nearest, &out);
	return gabi_fail(diag, GABI_ERR_UNKNOWN, "--cpus has no key \"", name, "\"", text, (char *)NULL);
}

static int read_item(struct piece key, struct piece value, struct gabi_cloud_cpus *cpus, uint32_t *seen, struct gabi_diag *diag)
{
	uint64_t number;
	char name[64];
	size_t at = 0;

	while (at < GABI_COUNT_OF(keys) && !is(key, keys[at]))
		at++;
	if (at == GABI_COUNT_OF(keys))
		return unknown_key(key, diag);
	if (*seen >> at & 1)
		return gabi_fail(diag, GABI_ERR_DUPLICATE, text_of(key, name), " is there twice", (char *)NULL);
	*seen |= 1u << at;
	if (is(key, "boot") || is(key, "max")) {
		if (!number_of(value, UINT32_MAX, &number) || !number)
			return bad_value(key, value, "a number from 1", diag);
		*(is(key, "boot") ? &cpus->boot : &cpus->max) = (uint32_t)number;
	} else if (is(key, "max_phys_bits")) {
		if (!number_of(value, UINT8_MAX, &number))
			return bad_value(key, value, "a number up to 255", diag);
		cpus->max_phys_bits = (uint8_t)number;
	} else if (is(key, "kvm_hyperv")) {
		return read_switch(key, value, &cpus->hyperv, diag);
	} else if (is(key, "nested")) {
		return read_switch(key, value, &cpus->nested, diag);
	} else if (is(key, "topology")) {
		return read_topology(key, value, cpus->topology, diag);
	} else if (is(key, "features")) {
		return read_features(value, cpus, diag);
	} else if (is(key, "profile") && !is(value, "host")) {
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "of CPU profiles gabi knows \"host\" alone, and not \"", text_of(value, name), "\"", (char *)NULL);
	}
	return 0;
}

/* How long an item is: to the next comma that is not within brackets or quotes; SIZE_MAX where these do not close. */
static size_t item_len(struct piece rest)
{
	size_t brackets = 0, i = 0;
	bool quoted = false;

	for (; i < rest.len && (quoted || brackets || rest.at[i] != ','); i++) {
		char c = rest.at[i];

		quoted ^= c == '"';
		if (quoted)
			continue;
		if (c == ']' && !brackets--)
			return SIZE_MAX;
		brackets += c == '[';
	}
	return quoted || brackets ? SIZE_MAX : i;
}

static struct piece argument(const char *text, size_t len)
{
	static const char option[] = "--cpus";
	struct piece piece = { text, len };

	if (len > sizeof(option) - 1 && !memcmp(text, option, sizeof(option) - 1) && (text[sizeof(option) - 1] == ' ' || text[sizeof(option) - 1] == '=')) {
		piece.at += sizeof(option);
		piece.len -= sizeof(option);
	}
	while (piece.len && (piece.at[piece.len - 1] == '\n' || piece.at[piece.len - 1] == ' '))
		piece.len--;
	return piece;
}

static int check(const struct gabi_cloud_cpus *cpus, struct gabi_diag *diag)
{
	uint64_t all = 1;

	for (unsigned i = 0; i < 4; i++)
		all *= cpus->topology[i];
	if (cpus->max < cpus->boot)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "max is less than boot", (char *)NULL);
	if (cpus->topology[0] && all != cpus->max)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the topology does not have as many CPUs as max says", (char *)NULL);
	return 0;
}

int gabi_cloud_read(const char *text, size_t len, struct gabi_cloud_cpus *ret_cpus, struct gabi_diag *diag)
{
	struct gabi_cloud_cpus cpus = { .boot = 1, .max_phys_bits = 46, .nested = 1 }; /* DEFAULT_VCPUS, DEFAULT_MAX_PHYS_BITS */
	struct piece rest = argument(text, len);
	uint32_t seen = 0;
	int err = 0;

	if (len > GABI_CLOUD_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "an argument of --cpus has at most 65536 bytes", (char *)NULL);
	while (!err && rest.len) {
		size_t item = item_len(rest);
		const char *equals = item == SIZE_MAX ? NULL : memchr(rest.at, '=', item);
		struct piece key = { rest.at, equals ? (size_t)(equals - rest.at) : 0 }, value;

		if (!equals)
			return gabi_fail(diag, GABI_ERR_SYNTAX, "an argument of --cpus is KEY=VALUE,..., with brackets and quotes closed", (char *)NULL);
		value = (struct piece){ equals + 1, item - key.len - 1 };
		err = read_item(key, value, &cpus, &seen, diag);
		rest.at += item + (item < rest.len);
		rest.len -= item + (item < rest.len);
	}
	if (!cpus.max)
		cpus.max = cpus.boot;
	if (!err)
		err = check(&cpus, diag);
	if (!err)
		*ret_cpus = cpus;
	return err;
}

/* ---- over a host ---- */

#define ADDRESS_LEAF 0x80000008 /* EAX 7:0 physical address bits, 23:16 the guest's */
#define VMX (1u << 5)           /* of leaf 1 ECX */
#define SVM (1u << 2)           /* of leaf 0x80000001 ECX */

static bool is_register(const struct gabi_key *key, unsigned space, uint64_t leaf, uint32_t sub, unsigned part)
{
	return key->space == space && key->index == leaf && key->sub == sub && key->part == part;
}

static uint64_t set_bits(const struct gabi_key *key)
{
	static const struct {
		uint16_t space, part;
		uint32_t leaf, sub, bits;
	} sets[] = {
#define GABI_CLOUD_SETS_ROW(space, leaf, sub, part, bits) { GABI_SPACE_##space, part, leaf, sub, bits },
#include <models/cloud_hypervisor.def>
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(sets); i++)
		if (is_register(key, sets[i].space, sets[i].leaf, sets[i].sub, sets[i].part))
			bits |= sets[i].bits;
	return bits;
}

static uint64_t amx_bits(const struct gabi_key *key)
{
	static const struct {
		uint32_t leaf, sub, bits;
		uint16_t part;
	} amx[] = {
#define GABI_CLOUD_AMX_ROW(leaf, sub, part, bits) { leaf, sub, bits, part },
#include <models/cloud_hypervisor.def>
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(amx); i++)
		if (is_register(key, GABI_SPACE_CPUID, amx[i].leaf, amx[i].sub, amx[i].part))
			bits |= amx[i].bits;
	return bits;
}

static uint64_t value_for(const struct gabi_cloud_cpus *cpus, const struct gabi_word *word)
{
	const struct gabi_key *key = &word->key;
	uint64_t value = word->value | set_bits(key);

	if (!cpus->amx)
		value &= ~amx_bits(key);
	if (!cpus->nested && is_register(key, GABI_SPACE_CPUID, 1, 0, GABI_ECX))
		value &= ~(uint64_t)VMX;
	if (!cpus->nested && is_register(key, GABI_SPACE_CPUID, 0x80000001, 0, GABI_ECX))
		value &= ~(uint64_t)SVM;
	if (is_register(key, GABI_SPACE_CPUID, ADDRESS_LEAF, 0, GABI_EAX)) {
		uint64_t bits = word->value & 0xff;

		bits = bits < cpus->max_phys_bits ? bits : cpus->max_phys_bits;
		value = (value & 0xff00ff00) | bits | bits << 16;
	}
	return value;
}

/* Hyper-V's leaves stand where KVM's would, and KVM's are not there. */
static bool is_left_out(const struct gabi_cloud_cpus *cpus, const struct gabi_word *word)
{
	static const struct gabi_key base = { .space = GABI_SPACE_VM, .index = GABI_VM_KVM_LEAF_BASE };

	if (word->flags & GABI_WORD_IMPLIED) /* it is implied again */
		return true;
	if (word->key.space == GABI_SPACE_HYPERV || word->key.space == GABI_SPACE_HYPERV_EVMCS || word->key.space == GABI_SPACE_HYPERV_SYSTEM)
		return true;
	return cpus->hyperv && (word->key.space == GABI_SPACE_KVM || !gabi_key_compare(&word->key, &base));
}

static int add_hyperv(struct gabi_host *host, struct gabi_diag *diag)
{
	static const struct {
		uint32_t leaf, reg[4];
	} leaves[] = {
#define GABI_CLOUD_HYPERV_ROW(leaf, eax, ebx, ecx, edx) { leaf, { eax, ebx, ecx, edx } },
#include <models/cloud_hypervisor.def>
	};
	int err = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(leaves); i++)
		for (uint16_t part = GABI_EAX; !err && part <= GABI_EDX; part++) {
			const struct gabi_word word = {
				.key = { .space = GABI_SPACE_HYPERV, .part = part, .index = leaves[i].leaf },
				.value = leaves[i].reg[part], .settable = 0xffffffff, .vp = GABI_VP_ALL, .bits = 32,
			};

			err = gabi_host_add(host, &word, diag);
		}
	return err;
}

int gabi_cloud_apply(const struct gabi_cloud_cpus *cpus, const struct gabi_host *host, const struct gabi_mem *mem,
		     struct gabi_host **ret_host, struct gabi_diag *diag)
{
	struct gabi_host *made;
	size_t count;
	const struct gabi_word *word = gabi_host_words(host, &count);
	int err;

	if (gabi_host_arch(host) != GABI_ARCH_X86 || gabi_host_view(host) != GABI_VIEW_KVM)
		return gabi_fail(diag, GABI_ERR_ARG, "what Cloud Hypervisor gives a guest is known of x86, and made of what KVM offers (gabi probe)",
				 (char *)NULL);
	err = gabi_host_like(host, mem, &made, diag);
	if (err)
		return err;
	for (size_t i = 0; !err && i < count; i++) {
		struct gabi_word given = word[i];

		if (is_left_out(cpus, &given))
			continue;
		given.value = value_for(cpus, &given) & gabi_mask(given.bits);
		err = gabi_host_add(made, &given, diag);
	}
	if (!err && cpus->hyperv)
		err = add_hyperv(made, diag);
	if (!err)
		err = gabi_host_seal(made, diag);
	if (err)
		gabi_host_free(made);
	else
		*ret_host = made;
	return err;
}
