/* SPDX-License-Identifier: MIT */
/* The CPUID leaves that QEMU fills by itself, whatever features there are: cpu_x86_cpuid. What is of the topology alone (how
 * many threads share a cache, leaves 0xB, 0x1F, 0x8000001E) is no promise and left out. */
#include "contract/qemu.h"

#include <gabi/model.h>

#include <string.h>

enum type { DATA = 1, INSTRUCTION, UNIFIED };

struct cache {
	const char *set;
	unsigned level;
	enum type type;
	unsigned kib, line, ways, partitions, sets, lines_per_tag;
	bool self_init, no_invd, inclusive, complex;
};

static const struct cache caches[] = {
#define GABI_QEMU_CACHE_ROW(...) { __VA_ARGS__ },
#include <models/qemu_host.def>
};

#define SET_LEN 4 /* rows of a set: L1 data, L1 instruction, L2, L3 */

static const struct {
	const char *model, *set;
} model_caches[] = {
#define GABI_QEMU_MODEL_CACHE_ROW(of, name) { of, name },
#include <models/qemu_host.def>
};

static const struct {
	unsigned code, level;
	enum type type;
	unsigned kib, ways, line;
} descriptors[] = {
#define GABI_QEMU_DESCRIPTOR_ROW(number, of_level, of_type, size, associativity, line_size) \
	{ number, of_level, of_type, size, associativity, line_size },
#include <models/qemu_host.def>
};

static const struct cache *set_named(const char *name)
{
	size_t at = 0;

	while (strcmp(caches[at].set, name)) /* every set that a row names is there: the tests look */
		at++;
	return &caches[at];
}

/* ---- which caches ---- */

/* "EPYC-Rome-v" of "EPYC-Rome-v3", and 3. */
static size_t stem_of(const char *model, unsigned *ret_version)
{
	size_t len = strlen(model), at = len;

	while (at && model[at - 1] >= '0' && model[at - 1] <= '9')
		at--;
	*ret_version = 0;
	for (size_t i = at; i < len && i < at + 3; i++)
		*ret_version = *ret_version * 10 + (unsigned)(model[i] - '0');
	return at;
}

/* The set of the newest version up to the model's; NULL where it has none of its own. */
static const struct cache *own_caches(const struct gabi_model *model)
{
	unsigned version, other, best = 0;
	size_t len = model ? stem_of(model->name, &version) : 0;
	const struct cache *found = NULL;

	for (size_t i = 0; model && i < GABI_COUNT_OF(model_caches); i++) {
		if (stem_of(model_caches[i].model, &other) != len || memcmp(model_caches[i].model, model->name, len) ||
		    other > version || other < best)
			continue;
		best = other;
		found = set_named(model_caches[i].set);
	}
	return found;
}

/* By the leaves that describe them: 2, 4, and those of AMD. */
struct choice {
	const struct cache *leaf2, *leaf4, *amd;
};

static struct choice choose(const struct gabi_qemu_guest *guest, const struct cache *own)
{
	bool consistent = gabi_guest_is_set(guest, "x-consistent-cache", true),
	     by_vendor = gabi_guest_is_set(guest, "x-vendor-cpuid-only-v2", true);
	const struct cache *usual = set_named(guest->amd ? "amd" : "intel");

	if (own && !gabi_guest_is_set(guest, "legacy-cache", false))
		return (struct choice){ own, own, own };
	return (struct choice){ !consistent ? set_named("intel-cpuid2") : by_vendor ? usual : set_named("intel"),
				by_vendor ? usual : set_named("intel"), by_vendor ? usual : set_named("amd") };
}

/* ---- leaf 2 ---- */

#define NO_DESCRIPTOR 0xffu /* leaf 4 says it */

static uint32_t descriptor_of(const struct cache *cache, bool consistent)
{
	for (size_t i = 0; i < GABI_COUNT_OF(descriptors); i++) {
		if (descriptors[i].code == 0x49 && !consistent)
			continue; /* QEMU knows it since 10.1 */
		if (descriptors[i].level == cache->level && descriptors[i].type == cache->type &&
		    descriptors[i].kib == cache->kib && descriptors[i].ways == cache->ways &&
		    descriptors[i].line == cache->line)
			return descriptors[i].code;
	}
	return NO_DESCRIPTOR;
}

static int set_leaf2(struct gabi_qemu_guest *guest, const struct cache *set)
{
	bool consistent = gabi_guest_is_set(guest, "x-consistent-cache", true), unmatched = false;
	uint32_t code[SET_LEN], reg[4] = { 1 };

	if (guest->amd && gabi_guest_is_set(guest, "x-vendor-cpuid-only", true))
		return 0;
	for (size_t i = 0; i < SET_LEN; i++) {
		code[i] = descriptor_of(&set[i], consistent);
		unmatched |= code[i] == NO_DESCRIPTOR;
	}
	if (consistent && (unmatched || gabi_guest_get(guest, GABI_SPACE_CPUID, 0, 0, GABI_EAX) >= 4)) {
		reg[GABI_EDX] = NO_DESCRIPTOR;
	} else {
		reg[GABI_ECX] = gabi_guest_is_set(guest, "l3-cache", true) ? code[3] : 0;
		reg[GABI_EDX] = code[0] << 16 | code[1] << 8 | code[2];
	}
	return gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 2, 0, reg);
}

/* ---- leaves 4 and 0x8000001D ---- */

static void encode(const struct cache *cache, uint32_t reg[4])
{
	reg[GABI_EAX] = (uint32_t)cache->type | cache->level << 5 | (uint32_t)cache->self_init << 8;
	reg[GABI_EBX] = (cache->line - 1) | (cache->partitions - 1) << 12 | (cache->ways - 1) << 22;
	reg[GABI_ECX] = cache->sets - 1;
	reg[GABI_EDX] = (uint32_t)cache->no_invd | (uint32_t)cache->inclusive << 1 | (uint32_t)cache->complex << 2;
}

static int set_leaf4(struct gabi_qemu_guest *guest, const struct cache *set)
{
	unsigned count = gabi_guest_is_set(guest, "l3-cache", true) ? SET_LEN : SET_LEN - 1;
	uint32_t reg[4];
	int err = 0;

	if (guest->amd && gabi_guest_is_set(guest, "x-vendor-cpuid-only", true))
		return 0;
	for (uint32_t i = 0; !err && i < count; i++) {
		encode(&set[i], reg);
		err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 4, i, reg);
	}
	return err;
}

static int set_leaf1d(struct gabi_qemu_guest *guest, const struct cache *set)
{
	bool plain = gabi_guest_is_set(guest, "x-amd-topoext-features-only", true);
	uint32_t reg[4];
	int err = 0;

	for (uint32_t i = 0; !err && i < SET_LEN; i++) {
		encode(&set[i], reg);
		if (plain)
			reg[GABI_EDX] &= 3;
		err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x8000001d, i, reg);
	}
	return err;
}

/* ---- leaves 0x80000005 and 0x80000006 ---- */

/* APM vol. 3, CPUID Fn8000_0006: how ways are encoded. */
static uint32_t encode_ways(unsigned ways)
{
	static const struct {
		unsigned ways, code;
	} codes[] = {
		{ 2, 2 }, { 4, 4 }, { 8, 6 }, { 16, 8 }, { 32, 0xa }, { 48, 0xb }, { 64, 0xc }, { 96, 0xd }, { 128, 0xe }
	};

	for (size_t i = 0; i < GABI_COUNT_OF(codes); i++)
		if (codes[i].ways == ways)
			return codes[i].code;
	return ways <= 1 ? ways : 0;
}

static uint32_t encode_l1(const struct cache *cache)
{
	return cache->kib << 24 | cache->ways << 16 | cache->lines_per_tag << 8 | cache->line;
}

/* The TLBs are constants: L1 of 255 entries, L2 of 512 with 4 ways for 4 KiB pages. */
static int set_amd_leaves(struct gabi_qemu_guest *guest, const struct cache *set)
{
	bool by_vendor = gabi_guest_is_set(guest, "x-vendor-cpuid-only-v2", true) && guest->intel;
	uint32_t five[4] = { 0x01ff01ff, 0x01ff01ff, encode_l1(&set[0]), encode_l1(&set[1]) };
	uint32_t six[4] = { 0, 0x42004200,
			    set[2].kib << 16 | encode_ways(set[2].ways) << 12 | set[2].lines_per_tag << 8 | set[2].line, 0 };
	int err = 0;

	if (gabi_guest_is_set(guest, "l3-cache", true) && !by_vendor)
		six[GABI_EDX] =
			set[3].kib / 512 << 18 | encode_ways(set[3].ways) << 12 | set[3].lines_per_tag << 8 | set[3].line;
	if (by_vendor)
		six[GABI_EBX] = 0;
	if (!by_vendor)
		err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x80000005, 0, five);
	return err ? err : gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x80000006, 0, six);
}

/* host-cache-info: the host's own. KVM does not show all of it, and what it does not show cannot be foretold. */
static int pass_caches(struct gabi_qemu_guest *guest)
{
	static const struct {
		uint64_t leaf;
		uint32_t subs;
	} leaves[] = { { 2, 1 }, { 4, 8 }, { 0x80000005, 1 }, { 0x80000006, 1 }, { 0x8000001d, 8 } };
	int err = 0;

	if (gabi_host_value(guest->host, GABI_SPACE_CPUID, 0x80000000, 0, GABI_EAX) >= 0x80000005 && !guest->intel &&
	    !gabi_host_value(guest->host, GABI_SPACE_CPUID, 0x80000005, 0, GABI_ECX))
		return gabi_guest_refuse(
			guest,
			"host-cache-info shows the guest CPUID leaf 0x80000005 of the host, which KVM does not pass on and "
			"the manifest does not hold",
			(char *)NULL);
	for (size_t i = 0; i < GABI_COUNT_OF(leaves); i++) {
		for (uint32_t sub = 0; !err && sub < leaves[i].subs; sub++) {
			uint32_t reg[4];

			for (unsigned part = 0; part < 4; part++)
				reg[part] = (uint32_t)gabi_host_value(guest->host, GABI_SPACE_CPUID, leaves[i].leaf, sub, part);
			err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, leaves[i].leaf, sub, reg);
		}
	}
	return err;
}

static int set_caches(struct gabi_qemu_guest *guest)
{
	const struct cache *own = own_caches(gabi_cpu_model(guest->cpu));
	const char *legacy = gabi_cpu_option(guest->cpu, "legacy-cache");
	struct choice choice = choose(guest, own);
	int err;

	if (gabi_guest_is_set(guest, "host-cache-info", false))
		return pass_caches(guest);
	if (!own && legacy && !gabi_switch_of(legacy))
		return gabi_guest_refuse(guest, "the CPU model has no caches of its own, which legacy-cache=off wants",
					 (char *)NULL);
	err = set_leaf2(guest, choice.leaf2);
	if (!err)
		err = set_leaf4(guest, choice.leaf4);
	if (!err)
		err = set_amd_leaves(guest, choice.amd);
	return err ? err : set_leaf1d(guest, choice.amd);
}

/* ---- XSAVE ---- */

static const struct {
	unsigned number, size;
} states[] = {
#define GABI_QEMU_STATE_ROW(of, leaf, sub, reg, mask, bytes) { of, bytes },
#include <models/qemu_host.def>
};

#define LEGACY_AREA 576u /* of x87 and SSE, with the header */

static int set_state(struct gabi_qemu_guest *guest, unsigned number, uint32_t size, bool user)
{
	uint32_t reg[4] = { size };

	if (user) {
		reg[GABI_EBX] = (uint32_t)gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xd, number, GABI_EBX);
		reg[GABI_ECX] = (uint32_t)gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xd, number, GABI_ECX) & 6;
	} else {
		reg[GABI_ECX] = 1;
	}
	return gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0xd, number, reg);
}

static int set_xsave(struct gabi_qemu_guest *guest)
{
	uint64_t user = gabi_guest_get(guest, GABI_SPACE_CPUID, 0xd, 0, GABI_EAX) |
			gabi_guest_get(guest, GABI_SPACE_CPUID, 0xd, 0, GABI_EDX) << 32;
	uint64_t system = gabi_guest_get(guest, GABI_SPACE_CPUID, 0xd, 1, GABI_ECX);
	uint32_t end = LEGACY_AREA;
	int err = 0;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_ECX) >> 26 & 1))
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0xd, 1, GABI_EAX, 0);
	for (size_t i = 0; !err && i < GABI_COUNT_OF(states); i++) {
		uint32_t offset = (uint32_t)gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xd, states[i].number, GABI_EBX);

		if (!((user | system) >> states[i].number & 1))
			continue;
		if (user >> states[i].number & 1 && offset + states[i].size > end)
			end = offset + states[i].size;
		err = set_state(guest, states[i].number, states[i].size, user >> states[i].number & 1);
	}
	return err ? err : gabi_guest_set(guest, GABI_SPACE_CPUID, 0xd, 0, GABI_ECX, end);
}

/* ---- addresses ---- */

static uint64_t physical_bits(struct gabi_qemu_guest *guest, uint64_t host)
{
	uint64_t bits =
		gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000008, 0, GABI_EAX) & 0xff; /* phys-bits, as the argument has it */
	uint64_t limit = gabi_guest_number(guest, "host-phys-bits-limit", 0);

	if (gabi_guest_is_set(guest, "host-phys-bits", false))
		bits = limit && host > limit ? limit : host;
	return bits ? bits : 40;
}

static int set_addresses(struct gabi_qemu_guest *guest)
{
	uint64_t host = gabi_host_value(guest->host, GABI_SPACE_CPUID, 0x80000008, 0, GABI_EAX),
		 bits = physical_bits(guest, host & 0xff), guests;
	uint64_t given = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000008, 0, GABI_EAX) & 0xff;
	bool long_mode = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EDX) >> 29 & 1;
	bool five_levels = gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 0, GABI_ECX) >> 16 & 1;

	if (!long_mode) {
		uint64_t wide = gabi_qemu_is_new(guest->line) ? 1u << 17 | 1u << 6 : 1u << 17; /* pse36, and pae too */

		if (given)
			return gabi_guest_refuse(guest, "phys-bits can be set only for a 64-bit CPU", (char *)NULL);
		bits = gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_EDX) & wide ? 36 : 32;
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000008, 0, GABI_EAX, bits);
	}
	if (bits < 32 || bits > 52)
		return gabi_guest_refuse(guest, "phys-bits is to be from 32 to 52", (char *)NULL);
	guests = gabi_guest_number(guest, "guest-phys-bits", gabi_qemu_is_new(guest->line) ? host >> 16 & 0xff : 0);
	if (guests > bits)
		guests = bits;
	return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000008, 0, GABI_EAX,
			      bits | (five_levels ? 57u : 48u) << 8 | guests << 16);
}

/* ---- details of features ---- */

static int set_pmu(struct gabi_qemu_guest *guest)
{
	uint32_t reg[4] = { 0 };
	uint64_t ext = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000022, 0, GABI_EAX) & 1;
	int err;

	if (!guest->pmu) {
		uint64_t ecx = gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_ECX);

		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 1, 0, GABI_ECX, ecx & ~(1ull << 15)); /* pdcm */
		return err ? err : gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000022, 0, GABI_EAX, 0);
	}
	for (unsigned part = 0; part < 4; part++)
		reg[part] = (uint32_t)gabi_host_value(guest->host, GABI_SPACE_CPUID, 0xa, 0, part);
	err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0xa, 0, reg);
	if (!err && ext)
		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000022, 0, GABI_EBX,
				     gabi_host_value(guest->host, GABI_SPACE_CPUID, 0x80000022, 0, GABI_EBX) & 0xf);
	return err;
}

static int set_processor_trace(struct gabi_qemu_guest *guest)
{
	uint64_t lip = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x14, 0, GABI_ECX) & 1ull << 31;
	const uint32_t zero[4] = { 1, 0xf, 0x7 | (uint32_t)lip, 0 }, one[4] = { 0x02490002, 0x003f1fff, 0, 0 };
	int err;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 0, GABI_EBX) >> 25 & 1))
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x14, 0, GABI_ECX, 0);
	err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x14, 0, zero);
	return err ? err : gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x14, 1, one);
}

static int set_matrices(struct gabi_qemu_guest *guest)
{
	static const uint32_t palettes[4] = { 1 }, palette[4] = { 0x04002000, 0x00080040, 0x10, 0 },
			      multiplier[4] = { 0, 0x4010, 0, 0 };
	int err = 0;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 0, GABI_EDX) >> 24 & 1))
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x1e, 1, GABI_EAX, 0);
	err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x1d, 0, palettes);
	if (!err)
		err = gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x1d, 1, palette);
	return err ? err : gabi_guest_set_leaf(guest, GABI_SPACE_CPUID, 0x1e, 0, multiplier);
}

static int set_svm(struct gabi_qemu_guest *guest)
{
	int err;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_ECX) >> 2 & 1))
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x8000000a, 0, GABI_EDX, 0);
	err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0x8000000a, 0, GABI_EAX, 1);
	return err ? err : gabi_guest_set(guest, GABI_SPACE_CPUID, 0x8000000a, 0, GABI_EBX, 0x10);
}

static int set_avx10(struct gabi_qemu_guest *guest)
{
	uint64_t version = gabi_host_value(guest->host, GABI_SPACE_CPUID, 0x24, 0, GABI_EBX) & 0xff;

	if (!(gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 1, GABI_EDX) >> 19 & 1))
		return gabi_guest_set(guest, GABI_SPACE_CPUID, 0x24, 0, GABI_EBX, 0);
	return gabi_guest_or(guest, GABI_SPACE_CPUID, 0x24, 0, GABI_EBX, version);
}

/* The vendor and the signature stand in the extended leaves once more. */
static int set_identity(struct gabi_qemu_guest *guest)
{
	bool by_vendor = gabi_guest_is_set(guest, "x-vendor-cpuid-only-v2", true) && guest->intel;
	int err = 0;

	for (unsigned part = GABI_EBX; !err && !by_vendor && part <= GABI_EDX; part++)
		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000000, 0, part,
				     gabi_guest_get(guest, GABI_SPACE_CPUID, 0, 0, part));
	if (!err)
		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 0x80000001, 0, GABI_EAX,
				     gabi_guest_get(guest, GABI_SPACE_CPUID, 1, 0, GABI_EAX));
	if (!err)
		err = gabi_guest_set(guest, GABI_SPACE_CPUID, 1, 0, GABI_EBX, 8 << 8); /* CLFLUSH of 64 bytes */
	return err ? err : gabi_guest_set(guest, GABI_SPACE_CPUID, 5, 0, GABI_ECX, 3); /* MWAIT wakes on interrupts */
}

/* What lies behind the highest leaf of its range is not there. */
static void cut_levels(struct gabi_qemu_guest *guest)
{
	uint64_t low = gabi_guest_get(guest, GABI_SPACE_CPUID, 0, 0, GABI_EAX),
		 high = gabi_guest_get(guest, GABI_SPACE_CPUID, 0x80000000, 0, GABI_EAX);
	uint64_t third = gabi_guest_get(guest, GABI_SPACE_CPUID, 0xc0000000, 0, GABI_EAX),
		 func7 = gabi_guest_get(guest, GABI_SPACE_CPUID, 7, 0, GABI_EAX);
	size_t kept = 0;

	for (size_t i = 0; i < guest->words.count; i++) {
		const struct gabi_key *key = &guest->words.at[i].key;
		uint64_t limit = key->index >= 0xc0000000 ? third : key->index >= 0x80000000 ? high : low;

		if (key->space == GABI_SPACE_CPUID && (key->index > limit || (key->index == 7 && key->sub > func7)))
			continue;
		guest->words.at[kept++] = guest->words.at[i];
	}
	guest->words.count = kept;
}

int gabi_guest_leaves(struct gabi_qemu_guest *guest)
{
	static int (*const steps[])(struct gabi_qemu_guest *guest) = {
		set_identity,        set_caches,   set_xsave, set_addresses, set_pmu,
		set_processor_trace, set_matrices, set_svm,   set_avx10,
	};
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(steps); i++)
		err = steps[i](guest);
	if (!err)
		cut_levels(guest);
	return err;
}
