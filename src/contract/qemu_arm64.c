/* SPDX-License-Identifier: MIT */
/* The arm64 guest of QEMU with KVM: the host's own CPU, less what the argument takes away. target/arm/kvm.c, kvm_arch_init_vcpu. */
#include "contract/cpu_arm64.h"
#include "contract/pin.h"
#include "contract/qemu.h"

#include <gabi/vocab.h>

#include <string.h>

#define MAX_TAKEN 16 /* names: three features of some fields */

struct taken {
	const char *name[MAX_TAKEN];
	size_t count;
};

/* What a guest has only where QEMU asks KVM for a feature of its virtual CPUs; a property or an option of the machine decides. */
static const struct {
	enum gabi_arm64_property property;
	const char *field;
} gates[] = {
	{ GABI_ARM64_PMU, "id-aa64dfr0.pmuver" },    { GABI_ARM64_PMU, "id-dfr0.perfmon" },       { GABI_ARM64_SVE, "id-aa64pfr0.sve" },
	{ GABI_ARM64_PAUTH, "id-aa64isar1.apa" },    { GABI_ARM64_PAUTH, "id-aa64isar1.api" },    { GABI_ARM64_PAUTH, "id-aa64isar2.apa3" },
	{ GABI_ARM64_PAUTH, "id-aa64isar1.gpa" },    { GABI_ARM64_PAUTH, "id-aa64isar1.gpi" },    { GABI_ARM64_PAUTH, "id-aa64isar2.gpa3" },
};

/* The properties that leave a feature out. */
static const struct {
	enum gabi_arm64_property property;
	const char *name;
} features[] = { { GABI_ARM64_PMU, "pmu" }, { GABI_ARM64_SVE, "sve" }, { GABI_ARM64_PAUTH, "pauth" } };

static uint64_t field_of(const struct gabi_word *word, const struct gabi_field *field)
{
	return word ? word->value >> field->lo & gabi_mask(field->bits) : 0;
}

static uint64_t host_field(const struct gabi_host *host, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);

	return field_of(gabi_host_find(host, &field->key), field);
}

static uint64_t contract_field(const struct gabi_contract *contract, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);

	return field_of(gabi_contract_find(contract, &field->key, GABI_VP_ALL), field);
}

/* The PMU's version 15 is one that is not the architecture's, and is none for KVM. */
static bool host_has(const struct gabi_host *host, enum gabi_arm64_property property)
{
	for (size_t i = 0; i < GABI_COUNT_OF(gates); i++) {
		uint64_t value = gates[i].property == property ? host_field(host, gates[i].field) : 0;

		if (value && value != 0xf)
			return true;
	}
	return false;
}

/* Only these two have a number of KVM's, and KVM takes it on that CPU alone: Linux kvm_target_cpu. */
static int check_model(struct gabi_qemu_guest *guest, const char *name)
{
	static const struct {
		const char *name;
		unsigned part;
	} targets[] = { { "cortex-a53", 0xd03 }, { "cortex-a57", 0xd07 } };

	if (!strcmp(name, "host") || !strcmp(name, "max"))
		return 0;
	for (size_t i = 0; i < GABI_COUNT_OF(targets); i++) {
		if (strcmp(name, targets[i].name))
			continue;
		if (host_field(guest->host, "midr.implementer") == 0x41 && host_field(guest->host, "midr.partnum") == targets[i].part)
			return 0;
		return gabi_guest_refuse(guest, "KVM gives a guest a ", name, " on that CPU alone, and the host is another", (char *)NULL);
	}
	return gabi_guest_refuse(guest, "QEMU has no way to ask KVM for a ", name, ": with KVM the CPU is the host's", (char *)NULL);
}

static int check_features(struct gabi_qemu_guest *guest, const struct gabi_arm64_asked *asked)
{
	for (size_t i = 0; i < GABI_COUNT_OF(features); i++)
		if (asked->is[features[i].property] > 0 && !host_has(guest->host, features[i].property))
			return gabi_guest_refuse(guest, "KVM on this host has no ", features[i].name, (char *)NULL);
	return 0;
}

static void take(struct taken *taken, const char *name)
{
	if (taken->count < MAX_TAKEN)
		taken->name[taken->count++] = name;
}

/* The lengths that the guest gets, where it has SVE. */
static int find_lengths(struct gabi_qemu_guest *guest, const struct gabi_arm64_asked *asked, uint32_t *ret_lengths)
{
	uint32_t supported = (uint32_t)host_field(guest->host, "sve-lengths");
	bool has_sve = asked->is[GABI_ARM64_SVE] && host_has(guest->host, GABI_ARM64_SVE);
	struct gabi_diag why = { 0 };

	return gabi_arm64_lengths(asked, supported, has_sve, true, ret_lengths, &why) ? gabi_guest_refuse(guest, why.text, (char *)NULL) : 0;
}

/* The host's contract with fewer lengths. */
static int shorten(struct gabi_qemu_guest *guest, const struct gabi_contract *from, uint32_t lengths, const struct gabi_mem *mem,
		   struct gabi_diag *diag)
{
	const struct gabi_field *field = gabi_field_by_name("sve-lengths", GABI_ARCH_ARM64);
	size_t count;
	const struct gabi_word *word = gabi_contract_words(from, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		struct gabi_word made = word[i];

		if (!gabi_key_compare(&made.key, &field->key))
			made.value = lengths;
		err = gabi_words_add(&guest->words, &guest->mem, &made);
	}
	if (err)
		return gabi_fail(diag, err, "out of memory", (char *)NULL);
	err = gabi_contract_of_words(GABI_ARCH_ARM64, &guest->words, mem, &guest->contract, diag);
	return err ? err : gabi_contract_take_origin(gabi_host_facts(guest->host), guest->contract, diag);
}

static int pin(struct gabi_qemu_guest *guest, const struct taken *taken, uint32_t lengths, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	const struct gabi_pin_options options = { .size = sizeof(options), .minus = taken->name, .minus_count = taken->count };
	struct gabi_contract *contract;
	int err = gabi_contract_pin(guest->host, &options, mem, &contract, diag);

	if (err)
		return err;
	if (!lengths || lengths == host_field(guest->host, "sve-lengths")) {
		guest->contract = contract;
		return 0;
	}
	err = shorten(guest, contract, lengths, mem, diag);
	gabi_contract_free(contract);
	return err;
}

int gabi_guest_arm64(struct gabi_qemu_guest *guest, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	const char *items = guest->line->cpu + strcspn(guest->line->cpu, ",");
	struct gabi_arm64_asked asked;
	struct taken taken = { .count = 0 };
	uint32_t lengths;
	char name[64];
	struct gabi_out out = gabi_out_to(name, sizeof(name));
	int err = gabi_arm64_ask(items, true, &asked, diag);

	if (err)
		return err;
	gabi_out_bytes(&out, guest->line->cpu, (size_t)(items - guest->line->cpu));
	if (!asked.is[GABI_ARM64_AARCH64])
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "aarch64=off makes a 32-bit guest, of which nothing is foretold", (char *)NULL);
	err = check_model(guest, name);
	if (!err)
		err = check_features(guest, &asked);
	if (!err)
		err = find_lengths(guest, &asked, &lengths);
	if (err)
		return err;
	for (size_t i = 0; i < GABI_COUNT_OF(gates); i++)
		if (!asked.is[gates[i].property])
			take(&taken, gates[i].field);
	if (!guest->line->mte)
		take(&taken, "id-aa64pfr1.mte");
	take(&taken, "id-aa64pfr1.sme"); /* QEMU asks KVM for none */
	return pin(guest, &taken, lengths, mem, diag);
}

/* ---- the way back ---- */

static bool contract_has(const struct gabi_contract *contract, enum gabi_arm64_property property)
{
	for (size_t i = 0; i < GABI_COUNT_OF(gates); i++) {
		uint64_t value = gates[i].property == property ? contract_field(contract, gates[i].field) : 0;

		if (value && value != 0xf)
			return true;
	}
	return false;
}

/* ",sve512=on": the longest length says all, for KVM has every shorter one of the host's beside it. */
static void write_lengths(struct gabi_out *out, uint64_t ours, uint64_t hosts)
{
	unsigned top = 0;

	if (!ours || ours == hosts)
		return;
	while (ours >> top)
		top++;
	gabi_out_text(out, ",sve");
	gabi_out_dec(out, 128 * (uint64_t)top);
	gabi_out_text(out, "=on");
}

int gabi_qemu_find_arm64(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_mem *mem,
			 struct gabi_qemu **ret_line, struct gabi_diag *diag)
{
	char text[160];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, "-machine virt-7.2");
	gabi_out_text(&out, contract_field(contract, "id-aa64pfr1.mte") ? ",mte=on -cpu host" : " -cpu host");
	for (size_t i = 0; i < GABI_COUNT_OF(features); i++) {
		if (!host_has(host, features[i].property) || contract_has(contract, features[i].property))
			continue;
		gabi_out_char(&out, ',');
		gabi_out_text(&out, features[i].name);
		gabi_out_text(&out, "=off");
	}
	if (contract_has(contract, GABI_ARM64_SVE))
		write_lengths(&out, contract_field(contract, "sve-lengths"), host_field(host, "sve-lengths"));
	return gabi_qemu_parse(text, out.len, NULL, mem, ret_line, diag);
}
