/* SPDX-License-Identifier: MIT */
#include "formats/emit.h"

#include <gabi/vocab.h>

#include <string.h>

static const struct gabi_emit_info infos[] = {
#define GABI_EMIT_ROW(name, text, of, what) [GABI_EMIT_##name] = { #text, what, GABI_EMIT_OF_##of },
#include <gabi/emit.def>
};

static void (*const writers[])(struct gabi_emission *emission) = {
#define GABI_EMIT_ROW(name, text, of, what) [GABI_EMIT_##name] = gabi_emit_##text,
#include <gabi/emit.def>
};

const struct gabi_emit_info *gabi_emit_formats(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(infos);
	return infos;
}

/* ---- what the writers call ---- */

static void no_memory(struct gabi_emission *emission)
{
	gabi_emit_fail(emission, GABI_ERR_NOMEM, "out of memory");
}

/* Room for len bytes more and a NUL. */
static bool room(struct gabi_emission *emission, size_t len)
{
	size_t cap = emission->cap ? emission->cap : 4096;
	char *text;

	if (emission->err)
		return false;
	if (len < emission->cap - emission->len)
		return true;
	while (cap - emission->len <= len)
		cap *= 2;
	text = emission->mem.resize(emission->mem.ctx, emission->text, cap);
	if (!text) {
		no_memory(emission);
		return false;
	}
	emission->text = text;
	emission->cap = cap;
	return true;
}

int gabi_emit_sink(void *ctx, const char *piece, size_t len)
{
	struct gabi_emission *emission = ctx;

	if (room(emission, len)) {
		memcpy(emission->text + emission->len, piece, len);
		emission->len += len;
		emission->text[emission->len] = '\0';
	}
	return emission->err;
}

void gabi_emit_text(struct gabi_emission *emission, const char *text)
{
	gabi_emit_sink(emission, text, strlen(text));
}

void gabi_emit_hex(struct gabi_emission *emission, uint64_t value)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, value, 1);
	gabi_emit_text(emission, text);
}

void gabi_emit_dec(struct gabi_emission *emission, uint64_t value)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_dec(&out, value);
	gabi_emit_text(emission, text);
}

void gabi_emit_gap(struct gabi_emission *emission, const struct gabi_emit_gap *gap)
{
	void *gaps = emission->gaps;

	if (emission->err)
		return;
	if (gabi_mem_room(&emission->mem, &gaps, &emission->gap_cap, emission->gap_count, sizeof(*gap))) {
		no_memory(emission);
		return;
	}
	emission->gaps = gaps;
	emission->gaps[emission->gap_count++] = *gap;
}

void gabi_emit_note(struct gabi_emission *emission, const char *text)
{
	void *notes = emission->notes;
	char *copy;

	if (emission->err)
		return;
	copy = gabi_mem_copy_text(&emission->mem, text);
	if (!copy || gabi_mem_room(&emission->mem, &notes, &emission->note_cap, emission->note_count, sizeof(copy))) {
		gabi_mem_put(&emission->mem, copy);
		no_memory(emission);
		return;
	}
	emission->notes = notes;
	emission->notes[emission->note_count++] = copy;
}

/* ---- the whole ---- */

/* No VMM shows a guest another CPU's vendor: what would be written could keep next to nothing of the contract. */
static int check_vendor(const struct gabi_contract *contract, const struct gabi_host *host, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	for (size_t i = 0; i < count; i++) {
		const struct gabi_word *ours, *theirs;

		if (field[i].rule != GABI_RULE_VENDOR)
			continue;
		ours = gabi_contract_find(contract, &field[i].key, GABI_VP_ALL);
		theirs = gabi_host_find(host, &field[i].key);
		if (ours && theirs && gabi_field_get(&field[i], ours->value) != gabi_field_get(&field[i], theirs->value))
			return gabi_fail(diag, GABI_ERR_CONFLICT, "the contract is of another vendor's CPU than the host: no guest of it can run there", (char *)NULL);
	}
	return 0;
}

static int check_sources(const struct gabi_emit_info *info, const struct gabi_contract *contract, const struct gabi_host *host,
			 struct gabi_diag *diag)
{
	if (info->of & GABI_EMIT_OF_CONTRACT && !contract)
		return gabi_fail(diag, GABI_ERR_ARG, info->text, " is made of a contract, and there is none", (char *)NULL);
	if (info->of & GABI_EMIT_OF_HOST && !host)
		return gabi_fail(diag, GABI_ERR_ARG, info->text, " is made of a host manifest, and there is none",
				 (char *)NULL);
	if (info->of == GABI_EMIT_OF_BOTH && gabi_contract_arch(contract) != gabi_host_arch(host))
		return gabi_fail(diag, GABI_ERR_ARG, "the contract is of ", gabi_arch_text(gabi_contract_arch(contract)),
				 " and the host of ", gabi_arch_text(gabi_host_arch(host)), (char *)NULL);
	return info->of == GABI_EMIT_OF_BOTH ? check_vendor(contract, host, diag) : 0;
}

int gabi_emit(enum gabi_emit_format format, const struct gabi_contract *contract, const struct gabi_host *host,
	      const struct gabi_mem *mem, struct gabi_emission **ret_emission, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_emission *emission;
	int err;

	if ((unsigned)format >= GABI_EMIT_COUNT)
		return gabi_fail(diag, GABI_ERR_ARG, "there is no such format", (char *)NULL);
	err = check_sources(&infos[format], contract, host, diag);
	if (err)
		return err;
	emission = gabi_mem_get(&own, sizeof(*emission));
	if (!emission)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	*emission = (struct gabi_emission){ .mem = own, .contract = contract, .host = host, .diag = diag };
	gabi_emit_text(emission, "");
	if (!emission->err)
		writers[format](emission);
	err = emission->err;
	emission->contract = NULL;
	emission->host = NULL;
	emission->diag = NULL;
	if (err)
		gabi_emission_free(emission);
	else
		*ret_emission = emission;
	return err;
}

void gabi_emission_free(struct gabi_emission *emission)
{
	struct gabi_mem mem;

	if (!emission)
		return;
	mem = emission->mem;
	for (size_t i = 0; i < emission->note_count; i++)
		gabi_mem_put(&mem, emission->notes[i]);
	gabi_mem_put(&mem, emission->notes);
	gabi_mem_put(&mem, emission->gaps);
	gabi_mem_put(&mem, emission->text);
	gabi_mem_put(&mem, emission);
}

/* ---- questions ---- */

const char *gabi_emission_text(const struct gabi_emission *emission, size_t *ret_len)
{
	*ret_len = emission->len;
	return emission->text;
}

const struct gabi_emit_gap *gabi_emission_gaps(const struct gabi_emission *emission, size_t *ret_count)
{
	*ret_count = emission->gap_count;
	return emission->gaps;
}

size_t gabi_emission_note_count(const struct gabi_emission *emission)
{
	return emission->note_count;
}

const char *gabi_emission_note(const struct gabi_emission *emission, size_t at)
{
	return emission->notes[at];
}
