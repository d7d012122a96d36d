/* SPDX-License-Identifier: MIT */
/* A CPU template of Firecracker that leaves nothing of a contract open. */
#include "formats/emit.h"

#include <gabi/firecracker.h>
#include <gabi/vocab.h>

#include "base/json.h"
#include "formats/compare.h"

#include <string.h>

static bool is_indexed(uint64_t leaf)
{
	static const uint32_t indexed[] = {
#define GABI_FIRECRACKER_INDEXED_ROW(leaf) leaf,
#include <models/firecracker.def>
	};

	for (size_t i = 0; i < GABI_COUNT_OF(indexed); i++)
		if (indexed[i] == leaf)
			return true;
	return false;
}

/* Bits that a contract does not promise: the VMM sets them for each VM or virtual CPU. */
static uint64_t free_bits(const struct gabi_key *key)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	uint64_t bits = 0;

	for (size_t i = 0; i < count; i++)
		if (field[i].rule == GABI_RULE_FREE || field[i].rule == GABI_RULE_DERIVED)
			bits |= gabi_mask(field[i].bits) << field[i].lo;
	return bits;
}

/* What a word is where the contract does not list it. */
static uint64_t absent_value(const struct gabi_key *key)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value |= field[i].absent << field[i].lo;
	return value;
}

static void write_bitmap(struct gabi_json *json, unsigned width, uint64_t open, uint64_t value)
{
	char text[2 + 64 + 1] = "0b";

	for (unsigned bit = 0; bit < width; bit++)
		text[2 + width - 1 - bit] = open >> bit & 1 ? 'x' : value >> bit & 1 ? '1' : '0';
	text[2 + width] = '\0';
	gabi_json_text(json, "bitmap", text);
}

static void write_hex(struct gabi_json *json, const char *key, uint64_t value)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, value, 1);
	gabi_json_text(json, key, text);
}

struct writer {
	struct gabi_json json;
	const struct gabi_contract *contract;
	const struct gabi_host *host; /* what a guest without a template is given */
};

/* What the guest is to see of a word of the host. */
static uint64_t wanted(const struct writer *writer, const struct gabi_key *key)
{
	const struct gabi_word *word = gabi_contract_find(writer->contract, key, GABI_VP_ALL);

	return word ? word->value : absent_value(key);
}

static void write_leaf_end(struct writer *writer, bool opened)
{
	if (!opened)
		return;
	gabi_json_close(&writer->json, ']');
	gabi_json_close(&writer->json, '}');
}

static void write_leaf_begin(struct writer *writer, const struct gabi_key *key)
{
	gabi_json_open(&writer->json, NULL, '{');
	write_hex(&writer->json, "leaf", key->index);
	write_hex(&writer->json, "subleaf", key->sub);
	gabi_json_uint(&writer->json, "flags", is_indexed(key->index));
	gabi_json_open(&writer->json, "modifiers", '[');
}

static void write_leaves(struct writer *writer)
{
	static const char *const names[] = { "eax", "ebx", "ecx", "edx" };
	size_t count;
	const struct gabi_word *word = gabi_host_words(writer->host, &count);
	const struct gabi_key *last = NULL;

	gabi_json_open(&writer->json, "cpuid_modifiers", '[');
	for (size_t i = 0; i < count; i++) {
		const struct gabi_key *key = &word[i].key;
		uint64_t open = free_bits(key);

		if ((key->space != GABI_SPACE_CPUID && key->space != GABI_SPACE_KVM) || open == gabi_mask(32))
			continue;
		if (!last || last->space != key->space || last->index != key->index || last->sub != key->sub) {
			write_leaf_end(writer, last);
			write_leaf_begin(writer, key);
			last = key;
		}
		gabi_json_open(&writer->json, NULL, '{');
		gabi_json_text(&writer->json, "register", names[key->part]);
		write_bitmap(&writer->json, 32, open, wanted(writer, key));
		gabi_json_close(&writer->json, '}');
	}
	write_leaf_end(writer, last);
	gabi_json_close(&writer->json, ']');
}

/* The words of one space as {"addr": .., "bitmap": ..}; only those that the contract promises, of MSRs: others no guest can reach. */
static void write_addressed(struct writer *writer, const char *name, unsigned space)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(writer->host, &count);

	gabi_json_open(&writer->json, name, '[');
	for (size_t i = 0; i < count; i++) {
		const struct gabi_key *key = &word[i].key;

		if (key->space != space || key->part || gabi_key_width(key) > 64 || !gabi_contract_find(writer->contract, key, GABI_VP_ALL))
			continue;
		gabi_json_open(&writer->json, NULL, '{');
		write_hex(&writer->json, "addr", key->index);
		write_bitmap(&writer->json, word[i].bits, free_bits(key), wanted(writer, key));
		gabi_json_close(&writer->json, '}');
	}
	gabi_json_close(&writer->json, ']');
}

/* The features of virtual CPUs, by the fields that show them. */
static void write_features(struct writer *writer)
{
	static const struct {
		const char *field;
		unsigned bit;
	} shown[] = {
#define GABI_ARM64_VCPU_ROW(field, feature, bit) { field, bit },
#include <models/arm64_vcpu.def>
	};
	uint32_t bits = 0, open = ~(1u << 4 | 1u << 5 | 1u << 6); /* SVE and both of pointer authentication; Firecracker has no PMU */

	for (size_t i = 0; i < GABI_COUNT_OF(shown); i++) {
		const struct gabi_field *field = gabi_field_by_name(shown[i].field, GABI_ARCH_ARM64);
		const struct gabi_word *word = field ? gabi_contract_find(writer->contract, &field->key, GABI_VP_ALL) : NULL;

		if (word && (word->value >> field->lo & gabi_mask(field->bits)) != field->absent)
			bits |= 1u << shown[i].bit;
	}
	gabi_json_open(&writer->json, "vcpu_features", '[');
	gabi_json_open(&writer->json, NULL, '{');
	gabi_json_uint(&writer->json, "index", 0);
	write_bitmap(&writer->json, 7, open, bits);
	gabi_json_close(&writer->json, '}');
	gabi_json_close(&writer->json, ']');
}

static void write_template(struct gabi_emission *emission, const struct gabi_host *host)
{
	struct writer writer = {
		.json = { .sink = gabi_emit_sink, .ctx = emission }, .contract = emission->contract, .host = host,
	};

	gabi_json_open(&writer.json, NULL, '{');
	if (gabi_contract_arch(emission->contract) == GABI_ARCH_X86) {
		write_leaves(&writer);
		write_addressed(&writer, "msr_modifiers", GABI_SPACE_MSR);
	} else {
		write_features(&writer);
		write_addressed(&writer, "reg_modifiers", GABI_SPACE_ARM64);
	}
	gabi_json_close(&writer.json, '}');
	gabi_emit_text(emission, "\n");
}

/* ---- what comes of it ---- */

static const char *why(const struct gabi_key *key)
{
	switch (key->space) {
	case GABI_SPACE_HYPERV:
		return "Firecracker has no Hyper-V enlightenments";
	case GABI_SPACE_VM:
		return "no CPU template says it";
	default:
		return "Firecracker sets it by itself, or KVM does not list it on this host";
	}
}

/* The template as Firecracker would read it, over the host: what its guest would be promised. */
static int pin_emitted(struct gabi_emission *emission, struct gabi_contract **ret_contract)
{
	struct gabi_template *tmpl;
	struct gabi_host *made;
	size_t total;
	int err = gabi_template_read(emission->text, emission->len, &emission->mem, &tmpl, emission->diag);

	if (err)
		return err;
	err = gabi_template_apply(tmpl, emission->host, &emission->mem, &made, NULL, 0, &total, emission->diag);
	gabi_template_free(tmpl);
	if (err)
		return err;
	err = gabi_contract_pin(made, NULL, &emission->mem, ret_contract, emission->diag);
	gabi_host_free(made);
	return err;
}

/* What a guest without a template is given. */
static int bare_guest(struct gabi_emission *emission, struct gabi_host **ret_host)
{
	static const char nothing[] = "{}";
	struct gabi_template *tmpl;
	size_t total;
	int err = gabi_template_read(nothing, sizeof(nothing) - 1, &emission->mem, &tmpl, emission->diag);

	if (err)
		return err;
	err = gabi_template_apply(tmpl, emission->host, &emission->mem, ret_host, NULL, 0, &total, emission->diag);
	gabi_template_free(tmpl);
	return err;
}

void gabi_emit_firecracker(struct gabi_emission *emission)
{
	struct gabi_contract *given;
	struct gabi_host *host;

	emission->err = bare_guest(emission, &host);
	if (emission->err)
		return;
	write_template(emission, host);
	gabi_host_free(host);
	if (!emission->err)
		emission->err = pin_emitted(emission, &given);
	if (emission->err)
		return;
	gabi_emit_compare(emission, given, why);
	gabi_contract_free(given);
}
