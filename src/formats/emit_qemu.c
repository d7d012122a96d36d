/* SPDX-License-Identifier: MIT */
/* QEMU's -machine and -cpu for a contract, and what their guest would see otherwise. */
#include "formats/emit.h"

#include <gabi/qemu.h>

#include <string.h>

static bool is_cache(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_CPUID && (key->index == 2 || key->index == 4 || key->index == 0x80000005 ||
						  key->index == 0x80000006 || key->index == 0x8000001d);
}

static const char *reason_of(const struct gabi_key *key)
{
	if (is_cache(key))
		return "QEMU has no words for caches but those of its models";
	switch (key->space) {
	case GABI_SPACE_MSR_STATE:
		return "QEMU gives a guest the MSRs that the host's kernel has";
	case GABI_SPACE_MSR:
	case GABI_SPACE_VM:
		return "QEMU sets it by itself, or leaves it to the host's kernel";
	case GABI_SPACE_HYPERV:
		return "QEMU has no flag for it, or the host's kernel lacks it";
	case GABI_SPACE_ARM64:
	case GABI_SPACE_ARM64_STATE:
		return "with KVM an arm64 guest has what the host's CPU and kernel have";
	default:
		return "QEMU has no name for it, or the host lacks it";
	}
}

static void compare(struct gabi_emission *emission, const struct gabi_contract *have)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(emission->contract, &count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *other = gabi_contract_find(have, &word[i].key, GABI_VP_ALL);
		uint64_t given = other ? other->value : 0, bits = word[i].value ^ given;

		if (bits)
			gabi_emit_gap(emission, &(struct gabi_emit_gap){ word[i].key, bits, word[i].value & bits, given & bits,
									  reason_of(&word[i].key) });
	}
	word = gabi_contract_words(have, &count);
	for (size_t i = 0; i < count; i++)
		if (word[i].value && !gabi_contract_find(emission->contract, &word[i].key, GABI_VP_ALL))
			gabi_emit_gap(emission, &(struct gabi_emit_gap){ word[i].key, word[i].value, 0, word[i].value,
									  reason_of(&word[i].key) });
}

static void write_line(struct gabi_emission *emission, const struct gabi_qemu *line)
{
	const char *cpu = gabi_qemu_cpu(line), *quote = strpbrk(cpu, " ()&;") ? "'" : "";

	gabi_emit_text(emission, "-machine ");
	gabi_emit_text(emission, gabi_qemu_machine(line));
	gabi_emit_text(emission, ",accel=kvm -cpu ");
	gabi_emit_text(emission, quote);
	gabi_emit_text(emission, cpu);
	gabi_emit_text(emission, quote);
	gabi_emit_text(emission, "\n");
}

void gabi_emit_qemu(struct gabi_emission *emission)
{
	struct gabi_qemu *line = NULL;
	struct gabi_qemu_guest *guest = NULL;

	emission->err = gabi_qemu_find(emission->contract, emission->host, &emission->mem, &line, emission->diag);
	if (!emission->err)
		emission->err = gabi_qemu_start(line, emission->host, &emission->mem, &guest, emission->diag);
	if (!emission->err)
		write_line(emission, line);
	if (!emission->err && gabi_qemu_guest_refusal(guest))
		gabi_emit_fail(emission, GABI_ERR_UNSUPPORTED,
			       "QEMU starts none of its models on that host: ", gabi_qemu_guest_refusal(guest));
	else if (!emission->err)
		compare(emission, gabi_qemu_guest_contract(guest));
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
}
