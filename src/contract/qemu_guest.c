/* SPDX-License-Identifier: MIT */
/* The guest of a QEMU command line on a host, put together part by part. */
#include "contract/pin.h"
#include "contract/qemu.h"

#include <gabi/evmcs.h>
#include <gabi/vocab.h>

#include <stdarg.h>
#include <string.h>

/* ---- the words of the guest, while it is made: few enough that they stand in no order ---- */

static struct gabi_word *find(const struct gabi_words *words, const struct gabi_key *key)
{
	for (size_t i = 0; i < words->count; i++)
		if (!gabi_key_compare(&words->at[i].key, key))
			return &words->at[i];
	return NULL;
}

uint64_t gabi_guest_get(const struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index };
	const struct gabi_word *word = find(&guest->words, &key);

	return word ? word->value : 0;
}

int gabi_guest_set(struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part, uint64_t value)
{
	struct gabi_word added = { .key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index },
				   .value = value, .vp = GABI_VP_ALL };
	struct gabi_word *word = find(&guest->words, &added.key);
	unsigned width = gabi_key_width(&added.key);

	if (word) {
		word->value = value;
		return 0;
	}
	added.bits = gabi_space_has_leaves(space) ? 32 : (uint8_t)(width < 64 ? width : 64);
	return value ? gabi_words_add(&guest->words, &guest->mem, &added) : 0;
}

int gabi_guest_or(struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part, uint64_t bits)
{
	return gabi_guest_set(guest, space, index, sub, part, gabi_guest_get(guest, space, index, sub, part) | bits);
}

int gabi_guest_set_leaf(struct gabi_qemu_guest *guest, unsigned space, uint64_t leaf, uint32_t sub, const uint32_t reg[4])
{
	int err = 0;

	for (unsigned part = 0; !err && part < 4; part++)
		err = gabi_guest_set(guest, space, leaf, sub, part, reg[part]);
	return err;
}

/* ---- what the argument says ---- */

bool gabi_guest_is_set(const struct gabi_qemu_guest *guest, const char *name, bool usual)
{
	const char *value = gabi_cpu_option(guest->cpu, name);
	int on = value ? gabi_switch_of(value) : -1;

	return on < 0 ? usual : on;
}

uint64_t gabi_guest_number(const struct gabi_qemu_guest *guest, const char *name, uint64_t usual)
{
	const char *value = gabi_cpu_option(guest->cpu, name);
	uint64_t number;

	return value && gabi_number_of(value, &number) ? number : usual;
}

/* "2.5G": a number that cpu_string.c has looked at, and a suffix of thousands. */
static uint64_t frequency_of(const char *text)
{
	uint64_t value = 0, unit = 1, scale = 1;
	size_t len = strlen(text);

	for (const char *suffixes = "KkMmGgTt", *at = len ? strchr(suffixes, text[len - 1]) : NULL; at && unit == 1;)
		for (long n = (at - suffixes) / 2; n >= 0; n--)
			unit *= 1000;
	for (bool behind = false; *text; text++) {
		if (*text == '.') {
			behind = true;
		} else if (*text >= '0' && *text <= '9' && value < UINT64_MAX / 1000 && scale < unit) {
			value = value * 10 + (uint64_t)(*text - '0');
			scale *= behind ? 10 : 1;
		} else if (*text >= '0' && *text <= '9' && !behind && value < UINT64_MAX / 1000) {
			value = value * 10 + (uint64_t)(*text - '0');
		}
	}
	return value > UINT64_MAX / (unit / scale) ? 0 : value * (unit / scale);
}

uint64_t gabi_guest_frequency(const struct gabi_qemu_guest *guest)
{
	const char *short_form = gabi_cpu_option(guest->cpu, "tsc-freq");

	return short_form ? frequency_of(short_form) : gabi_guest_number(guest, "tsc-frequency", 0);
}

int gabi_guest_refuse(struct gabi_qemu_guest *guest, ...)
{
	char text[512];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	va_list pieces;

	va_start(pieces, guest);
	for (const char *piece; (piece = va_arg(pieces, const char *));)
		gabi_out_text(&out, piece);
	va_end(pieces);
	guest->refusal = gabi_mem_copy_text(&guest->mem, text);
	return guest->refusal ? GABI_REFUSED : GABI_ERR_NOMEM;
}

/* ---- the whole ---- */

#define HV_EVMCS (1u << 14) /* TLFS 2.4: recommended */

static int take_notes(struct gabi_qemu_guest *guest)
{
	int err = 0;

	for (size_t i = 0; !err && i < gabi_cpu_note_count(guest->cpu); i++)
		err = gabi_notes_add(&guest->notes, &guest->mem, gabi_cpu_note(guest->cpu, i), (char *)NULL);
	if (!err && gabi_cpu_takes_host(guest->cpu))
		err = gabi_notes_add(&guest->notes, &guest->mem,
				     "what of the host this CPU has depends on QEMU's release: assumed what QEMU ",
				     gabi_qemu_is_new(guest->line) ? "11.1" : "7.2", " knows", (char *)NULL);
	if (!err && gabi_guest_is_set(guest, "hv-passthrough", false))
		err = gabi_notes_add(&guest->notes, &guest->mem,
				     "hv-passthrough gives what each kernel has: the guest cannot be moved", (char *)NULL);
	return err;
}

static int make_contract(struct gabi_qemu_guest *guest, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	size_t kept = 0;
	int err;

	for (size_t i = 0; i < guest->words.count; i++) {
		struct gabi_word word = guest->words.at[i];
		bool listed = word.key.space == GABI_SPACE_MSR_STATE || word.key.space == GABI_SPACE_VM;

		word.value = gabi_word_promised(&word.key, word.value);
		if (word.value || listed || word.key.space == GABI_SPACE_MSR)
			guest->words.at[kept++] = word;
	}
	guest->words.count = kept;
	err = gabi_words_sort(&guest->words, diag);
	if (!err && gabi_guest_get(guest, GABI_SPACE_HYPERV, 0x40000004, 0, GABI_EAX) & HV_EVMCS)
		err = gabi_words_filter_evmcs(guest->host, &(struct gabi_evmcs_guest){ .enabled = 1, .hyperv = 1 },
					      &guest->words, diag);
	if (err)
		return err;
	err = gabi_contract_of_words(GABI_ARCH_X86, &guest->words, mem, &guest->contract, diag);
	return err ? err : gabi_contract_take_origin(gabi_host_facts(guest->host), guest->contract, diag);
}

static int make(struct gabi_qemu_guest *guest, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	static int (*const parts[])(struct gabi_qemu_guest *guest) = { gabi_guest_leaves, gabi_guest_msrs,
									gabi_guest_hypervisor };
	int err = gabi_guest_features(guest, diag);

	if (!err && take_notes(guest))
		err = GABI_ERR_NOMEM;
	for (size_t i = 0; !err && i < GABI_COUNT_OF(parts); i++)
		err = parts[i](guest);
	if (!err)
		err = make_contract(guest, mem, diag);
	if (err == GABI_ERR_NOMEM)
		gabi_fail(diag, err, "out of memory", (char *)NULL);
	return err;
}

static int check_view(const struct gabi_host *host, unsigned space, struct gabi_diag *diag)
{
	if (gabi_host_view(host) != GABI_VIEW_KVM || !gabi_host_covers(host, space))
		return gabi_fail(
			diag, GABI_ERR_ARG,
			"what QEMU takes away from a guest is known only of all that a host's KVM offers: the manifest "
			"is to be of gabi probe",
			(char *)NULL);
	return 0;
}

int gabi_qemu_check_host(const struct gabi_host *host, struct gabi_diag *diag)
{
	if (gabi_host_arch(host) != GABI_ARCH_X86)
		return gabi_fail(diag, GABI_ERR_ARG, "the manifest is not of x86", (char *)NULL);
	return check_view(host, GABI_SPACE_CPUID, diag);
}

static int check_arch(const struct gabi_qemu *line, const struct gabi_host *host, struct gabi_diag *diag)
{
	if (!line->arm64)
		return gabi_host_arch(host) == GABI_ARCH_ARM64 ?
			       gabi_fail(diag, GABI_ERR_ARG, "the manifest is of arm64, whose guests are of -machine virt, and the line is of ",
					 line->machine, (char *)NULL) :
			       gabi_qemu_check_host(host, diag);
	if (gabi_host_arch(host) != GABI_ARCH_ARM64)
		return gabi_fail(diag, GABI_ERR_ARG, "the manifest is not of arm64, and the line is of ", line->machine, (char *)NULL);
	return check_view(host, GABI_SPACE_ARM64, diag);
}

int gabi_qemu_start(const struct gabi_qemu *line, const struct gabi_host *host, const struct gabi_mem *mem,
		    struct gabi_qemu_guest **ret_guest, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_qemu_guest *guest;
	int err = check_arch(line, host, diag);

	if (err)
		return err;
	guest = gabi_mem_get(&own, sizeof(*guest));
	if (!guest)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	guest->mem = own;
	guest->line = line;
	guest->host = host;
	err = line->arm64 ? gabi_guest_arm64(guest, mem, diag) : make(guest, mem, diag);
	err = err == GABI_REFUSED ? 0 : err;
	gabi_cpu_free(guest->cpu);
	gabi_words_free(&guest->words, &own);
	guest->cpu = NULL;
	guest->line = NULL;
	guest->host = NULL;
	if (err)
		gabi_qemu_guest_free(guest);
	else
		*ret_guest = guest;
	return err;
}

void gabi_qemu_guest_free(struct gabi_qemu_guest *guest)
{
	struct gabi_mem mem;

	if (!guest)
		return;
	mem = guest->mem;
	gabi_contract_free(guest->contract);
	gabi_notes_free(&guest->notes, &mem);
	gabi_mem_put(&mem, guest->losses);
	gabi_mem_put(&mem, guest->refusal);
	gabi_mem_put(&mem, guest);
}

const char *gabi_qemu_guest_refusal(const struct gabi_qemu_guest *guest)
{
	return guest->refusal;
}

struct gabi_contract *gabi_qemu_guest_contract(const struct gabi_qemu_guest *guest)
{
	return guest->contract;
}

const struct gabi_qemu_loss *gabi_qemu_guest_losses(const struct gabi_qemu_guest *guest, size_t *ret_count)
{
	*ret_count = guest->loss_count;
	return guest->losses;
}

size_t gabi_qemu_guest_note_count(const struct gabi_qemu_guest *guest)
{
	return guest->notes.count;
}

const char *gabi_qemu_guest_note(const struct gabi_qemu_guest *guest, size_t at)
{
	return guest->notes.at[at];
}
