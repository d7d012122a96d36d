/* SPDX-License-Identifier: MIT */
/* QEMU's arm64 CPUs have few properties: docs/system/arm/cpu-features.rst, target/arm/cpu64.c. All are "name=value". */
#include "contract/cpu_arm64.h"

#include "base/nearest.h"
#include "contract/cpu.h"
#include "contract/named.h"

#include <string.h>

#define POWERS_OF_TWO 0x808bu /* lengths of 128, 256, 512, 1024 and 2048 bits */
#define MAX_LENGTHS   16

enum who { BOTH, KVM, EMULATOR };

static const struct {
	const char *name;
	enum who who;
} properties[GABI_ARM64_PROPERTIES] = {
	[GABI_ARM64_AARCH64] = { "aarch64", BOTH },
	[GABI_ARM64_PMU] = { "pmu", BOTH },
	[GABI_ARM64_SVE] = { "sve", BOTH },
	[GABI_ARM64_PAUTH] = { "pauth", BOTH },
	[GABI_ARM64_IMPDEF] = { "pauth-impdef", EMULATOR },
	[GABI_ARM64_QARMA3] = { "pauth-qarma3", EMULATOR },
	[GABI_ARM64_QARMA5] = { "pauth-qarma5", EMULATOR },
	[GABI_ARM64_ADJVTIME] = { "kvm-no-adjvtime", KVM },
	[GABI_ARM64_STEAL_TIME] = { "kvm-steal-time", KVM },
};

/* ---- reading ---- */

/* "sve256": 1. -1 where it is no length. */
static int length_of(const char *name)
{
	uint64_t bits;

	if (strncmp(name, "sve", 3) || name[3] == '0' || !gabi_number_of(name + 3, &bits) || bits % 128 || bits > 128 * MAX_LENGTHS || !bits)
		return -1;
	return (int)(bits / 128 - 1);
}

static int unknown(const char *name, struct gabi_diag *diag)
{
	struct gabi_nearest nearest = { .wanted = name };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	for (size_t i = 0; i < GABI_COUNT_OF(properties); i++)
		gabi_nearest_offer(&nearest, properties[i].name, strlen(properties[i].name));
	gabi_nearest_print(&nearest, &out);
	return gabi_fail(diag, GABI_ERR_UNKNOWN, "QEMU's arm64 CPUs have no property \"", name, "\"", text, (char *)NULL);
}

static int take(struct gabi_arm64_asked *asked, const char *name, const char *value, bool kvm, struct gabi_diag *diag)
{
	int on = gabi_switch_of(value), length = length_of(name);
	size_t i = 0;

	while (i < GABI_COUNT_OF(properties) && strcmp(name, properties[i].name))
		i++;
	if (length < 0 && (i == GABI_COUNT_OF(properties) || properties[i].who == (kvm ? EMULATOR : KVM)))
		return unknown(name, diag);
	if (on < 0)
		return gabi_fail(diag, GABI_ERR_RANGE, "\"", name, "\" wants on or off and not \"", value, "\"", (char *)NULL);
	if (length < 0) {
		asked->is[i] = (signed char)on;
		return 0;
	}
	asked->sve_on = (asked->sve_on & ~(1u << length)) | (uint32_t)on << length;
	asked->sve_off = (asked->sve_off & ~(1u << length)) | (uint32_t)!on << length;
	return 0;
}

/* The first `len` bytes as a text of their own; what is longer than any name is cut, and no name then. */
static void copy(char *to, size_t cap, const char *from, size_t len)
{
	len = len < cap ? len : cap - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

int gabi_arm64_ask(const char *items, bool kvm, struct gabi_arm64_asked *ret_asked, struct gabi_diag *diag)
{
	struct gabi_arm64_asked asked = { .sve_on = 0 };
	int err = 0;

	memset(asked.is, -1, sizeof(asked.is));
	for (const char *at = items; !err && *at; at += strcspn(at, ",")) {
		char name[64], value[64];
		size_t len, equals;

		at += *at == ',';
		len = strcspn(at, ",");
		equals = strcspn(at, "=,");
		copy(name, sizeof(name), at, equals);
		if (equals == len && len)
			return gabi_fail(diag, GABI_ERR_SYNTAX, "QEMU's arm64 CPUs take name=value, and not \"", name, "\"", (char *)NULL);
		if (!len)
			continue;
		copy(value, sizeof(value), at + equals + 1, len - equals - 1);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? '-' : *c;
		err = take(&asked, name, value, kvm, diag);
	}
	if (!err)
		*ret_asked = asked;
	return err;
}

/* ---- vector lengths ---- */

static unsigned top_of(uint32_t lengths)
{
	unsigned n = 0;

	while (lengths >> n)
		n++;
	return n;
}

static int cannot(const char *what, unsigned length, const char *why, struct gabi_diag *diag)
{
	char bits[8];
	struct gabi_out out = gabi_out_to(bits, sizeof(bits));

	gabi_out_dec(&out, 128 * length);
	return gabi_fail(diag, GABI_ERR_CONFLICT, "QEMU cannot ", what, " sve", bits, ": ", why, (char *)NULL);
}

/* The longest is the longest that is said, or what lies below the shortest that is said to be off. */
static uint32_t longest(const struct gabi_arm64_asked *asked, uint32_t supported, bool kvm)
{
	uint32_t off = asked->sve_off & (kvm ? supported : POWERS_OF_TWO);

	if (asked->sve_on)
		return top_of(asked->sve_on);
	return off ? top_of(supported & ~asked->sve_off & ((off & -off) - 1)) : top_of(supported & ~asked->sve_off);
}

int gabi_arm64_lengths(const struct gabi_arm64_asked *asked, uint32_t supported, bool has_sve, bool kvm, uint32_t *ret_lengths,
		       struct gabi_diag *diag)
{
	uint32_t required = kvm ? supported : POWERS_OF_TWO, top, below, lengths, wrong;

	*ret_lengths = 0;
	if (!has_sve)
		return asked->sve_on ? cannot("enable", top_of(asked->sve_on), "the CPU is without SVE", diag) : 0;
	top = longest(asked, supported, kvm);
	if (!top)
		return cannot("disable", top_of(asked->sve_off & -asked->sve_off), "no vector length would be left; sve=off takes all of SVE away", diag);
	below = (1u << top) - 1;
	lengths = (asked->sve_on ? asked->sve_on | (required & ~asked->sve_off) : supported & ~asked->sve_off) & below;
	wrong = top_of(lengths & ~supported);
	if (wrong)
		return cannot("enable", wrong, "the CPU does not have that vector length", diag);
	wrong = top_of(required & below & ~lengths);
	if (wrong)
		return cannot("disable", wrong, kvm ? "KVM wants every length that the host has below the longest" :
						      "it is a power of two below the longest", diag);
	*ret_lengths = lengths;
	return 0;
}

/* ---- a named model ---- */

static struct gabi_word *word_of(struct gabi_words *words, const struct gabi_field *field)
{
	for (size_t i = 0; i < words->count; i++)
		if (!gabi_key_compare(&words->at[i].key, &field->key))
			return &words->at[i];
	return NULL;
}

static uint64_t get(struct gabi_words *words, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);
	const struct gabi_word *word = word_of(words, field);

	return word ? word->value >> field->lo & gabi_mask(field->bits) : 0;
}

/* The field of a word that is there; of others it is 0 already. */
static void set(struct gabi_words *words, const char *name, uint64_t value)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);
	struct gabi_word *word = word_of(words, field);

	if (word)
		word->value = (word->value & ~(gabi_mask(field->bits) << field->lo)) | value << field->lo;
}

static int has_not(const char *name, struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_UNKNOWN, "the CPU has no property \"", name, "\", for it is without that", (char *)NULL);
}

static int apply_sve(struct gabi_words *words, const struct gabi_arm64_asked *asked, struct gabi_diag *diag)
{
	const struct gabi_field *first = gabi_field_by_name("sve-lengths", GABI_ARCH_ARM64), *zfr = gabi_field_by_name("id-aa64zfr0.svever", GABI_ARCH_ARM64);
	struct gabi_word *lengths = word_of(words, first), *features = word_of(words, zfr);
	uint32_t left;
	int err;

	if (!lengths)
		return asked->is[GABI_ARM64_SVE] >= 0 || asked->sve_on || asked->sve_off ? has_not("sve", diag) : 0;
	err = gabi_arm64_lengths(asked, (uint32_t)lengths->value, asked->is[GABI_ARM64_SVE], false, &left, diag);
	if (err)
		return err;
	lengths->value = left;
	if (left < 2)
		set(words, "id-aa64zfr0.f64mm", 0); /* which wants 256 bits */
	if (!left)
		set(words, "id-aa64pfr0.sve", 0);
	if (!left && features)
		features->value = 0;
	return 0;
}

static int apply_pauth(struct gabi_words *words, const struct gabi_mem *mem, const struct gabi_arm64_asked *asked, struct gabi_diag *diag)
{
	static const char *const address[] = { "id-aa64isar1.api", "id-aa64isar2.apa3", "id-aa64isar1.apa" };
	static const char *const generic[] = { "id-aa64isar1.gpi", "id-aa64isar2.gpa3", "id-aa64isar1.gpa" };
	const signed char *is = asked->is;
	unsigned chosen = is[GABI_ARM64_QARMA3] > 0 ? 1 : is[GABI_ARM64_QARMA5] > 0 ? 2 : 0, said = 0;
	uint64_t level = get(words, address[0]);

	for (unsigned i = GABI_ARM64_IMPDEF; i <= GABI_ARM64_QARMA5; i++)
		said += is[i] > 0;
	if (!level)
		return is[GABI_ARM64_PAUTH] >= 0 || said ? has_not("pauth", diag) : 0;
	if (said > 1 || (said && !is[GABI_ARM64_PAUTH]))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "pauth-impdef, pauth-qarma3 and pauth-qarma5 exclude each other, and want pauth", (char *)NULL);
	set(words, address[0], 0);
	set(words, generic[0], 0);
	if (!is[GABI_ARM64_PAUTH])
		return 0;
	/* ID_AA64ISAR2_EL1 may not be there yet */
	if (gabi_words_set_arm64(words, mem, address[chosen], level) || gabi_words_set_arm64(words, mem, generic[chosen], 1))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return 0;
}

int gabi_arm64_apply(struct gabi_words *words, const struct gabi_mem *mem, const char *items, struct gabi_diag *diag)
{
	struct gabi_arm64_asked asked;
	int err = gabi_arm64_ask(items, false, &asked, diag);

	if (!err && !asked.is[GABI_ARM64_AARCH64])
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "aarch64=off makes a 32-bit CPU, of which nothing is foretold", (char *)NULL);
	if (!err && !asked.is[GABI_ARM64_PMU]) {
		set(words, "id-aa64dfr0.pmuver", 0);
		set(words, "id-dfr0.perfmon", 0);
	}
	if (!err)
		err = apply_sve(words, &asked, diag);
	return err ? err : apply_pauth(words, mem, &asked, diag);
}
