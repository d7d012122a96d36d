/* SPDX-License-Identifier: MIT */
/* The saved state as an object: parts and registers, what belongs into it, and in which order. */
#include <gabi/state.h>

#include "base/base.h"

#include <string.h>

static const struct gabi_state_row rows[] = {
#define GABI_STATE_ROW(id, number, text, of, at, how, min, max, must, says)                                           \
	{ .name = text, .what = says, .least = min, .most = max, .kind = number, .arch = GABI_ARCH_##of,               \
	  .scope = GABI_SCOPE_##at, .form = GABI_STATE_##how, .needed = must },
#include <gabi/state.def>
};

const struct gabi_state_row *gabi_state_rows(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(rows);
	return rows;
}

const struct gabi_state_row *gabi_state_row(unsigned kind)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].kind == kind)
			return &rows[i];
	return NULL;
}

/* ---- the object ---- */

#define STATE_PARTS_MAX (1u << 18) /* more than 4096 virtual processors can have */

struct gabi_state {
	struct gabi_mem mem;
	enum gabi_arch arch;
	unsigned vps;
	char *release;
	uint8_t digest[GABI_DIGEST_LEN];
	struct gabi_state_part *parts;
	size_t count, cap;
	struct gabi_words words;
};

static int short_of_memory(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

struct gabi_state *gabi_state_new(enum gabi_arch arch, unsigned vps, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_state *state = vps <= GABI_STATE_MAX_VPS ? gabi_mem_get(&own, sizeof(*state)) : NULL;

	if (!state)
		return NULL;
	state->mem = own;
	state->arch = arch;
	state->vps = vps;
	return state;
}

static void free_part(const struct gabi_state *state, const struct gabi_state_part *part)
{
	void *block = (void *)(uintptr_t)part->data; /* name and data are one block that begins with the data */

	gabi_mem_put(&state->mem, block);
}

void gabi_state_free(struct gabi_state *state)
{
	if (!state)
		return;
	for (size_t i = 0; i < state->count; i++)
		free_part(state, &state->parts[i]);
	gabi_mem_put(&state->mem, state->parts);
	gabi_mem_put(&state->mem, state->release);
	gabi_words_free(&state->words, &state->mem);
	gabi_mem_put(&state->mem, state);
}

enum gabi_arch gabi_state_arch(const struct gabi_state *state)
{
	return state->arch;
}

unsigned gabi_state_vps(const struct gabi_state *state)
{
	return state->vps;
}

void gabi_state_set_digest(struct gabi_state *state, const uint8_t digest[GABI_DIGEST_LEN])
{
	memcpy(state->digest, digest, sizeof(state->digest));
}

const uint8_t *gabi_state_digest(const struct gabi_state *state)
{
	return state->digest;
}

int gabi_state_set_release(struct gabi_state *state, const char *release, struct gabi_diag *diag)
{
	char *copy = gabi_mem_copy_text(&state->mem, release);

	if (!copy)
		return short_of_memory(diag);
	gabi_mem_put(&state->mem, state->release);
	state->release = copy;
	return 0;
}

const char *gabi_state_release(const struct gabi_state *state)
{
	return state->release ? state->release : "";
}

/* ---- parts ---- */

static int refuse(struct gabi_diag *diag, int err, const char *name, const char *why)
{
	gabi_fail(diag, err, why, (char *)NULL);
	if (diag) {
		struct gabi_out out = gabi_out_to(diag->where, sizeof(diag->where));

		gabi_out_text(&out, name);
	}
	return err;
}

static bool is_vp(const struct gabi_state *state, unsigned vp)
{
	return vp < state->vps;
}

static bool pairs_rise(const struct gabi_state_pair *pair, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (pair[i - 1].number >= pair[i].number)
			return false;
	return true;
}

static int check_len(const struct gabi_state_row *row, const void *data, size_t len, struct gabi_diag *diag)
{
	if (row->form == GABI_STATE_BYTES && (len < row->least || len > row->most))
		return refuse(diag, GABI_ERR_RANGE, row->name, "it has not the length that the kernel's struct has");
	if (row->form == GABI_STATE_PAIRS &&
	    (len % sizeof(struct gabi_state_pair) || !pairs_rise(data, len / sizeof(struct gabi_state_pair))))
		return refuse(diag, GABI_ERR_RANGE, row->name, "its numbers do not rise");
	return 0;
}

static int check_part(const struct gabi_state *state, const struct gabi_state_row *row, unsigned vp, struct gabi_diag *diag)
{
	if (row->arch != state->arch)
		return refuse(diag, GABI_ERR_ARCH, row->name, "it is not a part of that architecture");
	if (row->form == GABI_STATE_WORDS)
		return refuse(diag, GABI_ERR_ARG, row->name, "its registers are added one by one");
	if (row->scope == GABI_SCOPE_VM ? vp != GABI_VP_ALL : !is_vp(state, vp))
		return refuse(diag, GABI_ERR_RANGE, row->name, "there is no such virtual processor");
	return 0;
}

static int add_part(struct gabi_state *state, const struct gabi_state_part *part, size_t name_len, struct gabi_diag *diag)
{
	void *parts = state->parts;
	char *block;

	if (state->count >= STATE_PARTS_MAX)
		return refuse(diag, GABI_ERR_LIMIT, part->name, "the state has too many parts");
	if (gabi_mem_room(&state->mem, &parts, &state->cap, state->count, sizeof(*state->parts)))
		return short_of_memory(diag);
	state->parts = parts;
	block = gabi_mem_get(&state->mem, part->len + name_len + 1);
	if (!block)
		return short_of_memory(diag);
	if (part->len)
		memcpy(block, part->data, part->len);
	state->parts[state->count] = *part;
	state->parts[state->count].data = block;
	if (name_len)
		state->parts[state->count].name = memcpy(block + part->len, part->name, name_len);
	state->count++;
	return 0;
}

int gabi_state_add(struct gabi_state *state, enum gabi_state_kind kind, unsigned vp, const void *data, size_t len,
		   struct gabi_diag *diag)
{
	const struct gabi_state_row *row = gabi_state_row(kind);
	struct gabi_state_part part = { .kind = (uint16_t)kind, .vp = (uint16_t)vp, .data = data, .len = len };
	int err;

	if (!row)
		return gabi_fail(diag, GABI_ERR_ARG, "there is no such part", (char *)NULL);
	part.name = row->name;
	err = check_part(state, row, vp, diag);
	if (!err)
		err = check_len(row, data, len, diag);
	return err ? err : add_part(state, &part, 0, diag);
}

#define OWN_NAME_MAX 63

static size_t own_name_len(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return !name[len] && len <= OWN_NAME_MAX ? len : 0;
}

int gabi_state_add_own(struct gabi_state *state, const char *name, unsigned vp, const void *data, size_t len,
		       struct gabi_diag *diag)
{
	struct gabi_state_part part = { .kind = GABI_STATE_OWN, .vp = (uint16_t)vp, .name = name, .data = data, .len = len };

	if (!own_name_len(name))
		return gabi_fail(diag, GABI_ERR_ARG, "the name of a VMM's part is 1 to 63 of a-z, 0-9, '-' and '.'", (char *)NULL);
	if (vp != GABI_VP_ALL && !is_vp(state, vp))
		return refuse(diag, GABI_ERR_RANGE, name, "there is no such virtual processor");
	return add_part(state, &part, own_name_len(name), diag);
}

/* ---- registers ---- */

int gabi_state_add_word(struct gabi_state *state, const struct gabi_word *word, struct gabi_diag *diag)
{
	unsigned space = word->key.space;
	int err = 0;

	if (state->arch == GABI_ARCH_X86 ? space != GABI_SPACE_MSR_STATE
					 : space != GABI_SPACE_ARM64 && space != GABI_SPACE_ARM64_STATE)
		return gabi_fail_at(diag, GABI_ERR_ARG, &word->key, "that is no register of a state", (char *)NULL);
	if (!is_vp(state, word->vp))
		return gabi_fail_at(diag, GABI_ERR_RANGE, &word->key, "there is no such virtual processor", (char *)NULL);
	if (space != GABI_SPACE_MSR_STATE)
		err = gabi_word_valid(word, diag);
	else if (word->bits != 64 || word->key.index > UINT32_MAX || word->key.sub || word->key.part)
		err = gabi_fail_at(diag, GABI_ERR_RANGE, &word->key, "an MSR has a number of 32 and a value of 64 bits", (char *)NULL);
	if (!err && gabi_words_add(&state->words, &state->mem, word))
		err = short_of_memory(diag);
	return err;
}

const struct gabi_word *gabi_state_words(const struct gabi_state *state, size_t *ret_count)
{
	return gabi_words_all(&state->words, ret_count);
}

/* ---- what nested state needs to know of the rest ---- */

static uint64_t field_of(const struct gabi_state_part *part, size_t offset, unsigned bytes)
{
	const uint8_t *at = (const uint8_t *)part->data + offset;
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

enum { EFER_SVME = 1 << 12 };

void gabi_state_nested_target(const struct gabi_state *state, unsigned vp, struct gabi_nested_target *target)
{
	const struct gabi_state_part *sregs = gabi_state_find(state, GABI_STATE_SREGS2, vp);
	const struct gabi_state_part *events = gabi_state_find(state, GABI_STATE_EVENTS, vp);

	if (!sregs)
		sregs = gabi_state_find(state, GABI_STATE_SREGS, vp);
	target->in_smm = events && field_of(events, GABI_STATE_EVENTS_SMM, 1);
	target->cr0 = field_of(sregs, GABI_STATE_SREGS_CR0, 8);
	target->svme_off = !(field_of(sregs, GABI_STATE_SREGS_EFER, 8) & EFER_SVME);
	for (unsigned i = 0; i < GABI_NESTED_MSRS; i++) {
		const struct gabi_key key = { .space = GABI_SPACE_MSR_STATE, .index = GABI_NESTED_MSR_FIRST + i };
		const struct gabi_word *word = gabi_words_find(&state->words, &key, vp);

		target->msr[i] = word ? word->value : 0;
		target->msr_known |= (word ? 1u : 0u) << i;
	}
}

/* ---- order ---- */

static size_t place_of(unsigned kind)
{
	size_t place = 0;

	if (kind == GABI_STATE_OWN)
		return GABI_COUNT_OF(rows);
	while (rows[place].kind != kind)
		place++;
	return place;
}

static int compare_parts(const struct gabi_state_part *a, const struct gabi_state_part *b)
{
	uint16_t vp_a = (uint16_t)(a->vp + 1), vp_b = (uint16_t)(b->vp + 1); /* the VM's first */
	size_t place_a = place_of(a->kind), place_b = place_of(b->kind);

	if (vp_a != vp_b)
		return vp_a < vp_b ? -1 : 1;
	if (place_a != place_b)
		return place_a < place_b ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Heap sort: no recursion, and no order of a hostile file makes it slow. */
static void sink_part(struct gabi_state_part *at, size_t from, size_t count)
{
	const struct gabi_state_part held = at[from];

	for (size_t child = 2 * from + 1; child < count; child = 2 * from + 1) {
		if (child + 1 < count && compare_parts(&at[child], &at[child + 1]) < 0)
			child++;
		if (compare_parts(&held, &at[child]) >= 0)
			break;
		at[from] = at[child];
		from = child;
	}
	at[from] = held;
}

static void sort_parts(struct gabi_state_part *at, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sink_part(at, i, count);
	for (size_t end = count; end-- > 1;) {
		const struct gabi_state_part first = at[0];

		at[0] = at[end];
		at[end] = first;
		sink_part(at, 0, end);
	}
}

static const struct gabi_state_part *find_part(const struct gabi_state *state, unsigned kind, const char *name, unsigned vp)
{
	const struct gabi_state_part wanted = { .kind = (uint16_t)kind, .vp = (uint16_t)vp, .name = name };
	size_t low = 0, high = state->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_parts(&state->parts[middle], &wanted);

		if (!order)
			return &state->parts[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct gabi_state_part *gabi_state_find(const struct gabi_state *state, enum gabi_state_kind kind, unsigned vp)
{
	const struct gabi_state_row *row = gabi_state_row(kind);

	return row ? find_part(state, kind, row->name, vp) : NULL;
}

const struct gabi_state_part *gabi_state_find_own(const struct gabi_state *state, const char *name, unsigned vp)
{
	return find_part(state, GABI_STATE_OWN, name, vp);
}

const struct gabi_state_part *gabi_state_parts(const struct gabi_state *state, size_t *ret_count)
{
	*ret_count = state->count;
	return state->parts;
}

/* ---- whole? ---- */

static int missing(struct gabi_diag *diag, const char *name)
{
	return refuse(diag, GABI_ERR_SCHEMA, name, "a virtual processor's part is missing");
}

static int check_registers(const struct gabi_state *state, struct gabi_diag *diag)
{
	uint64_t seen[GABI_STATE_MAX_VPS / 64] = { 0 };

	for (size_t i = 0; i < state->words.count; i++)
		seen[state->words.at[i].vp / 64] |= (uint64_t)1 << state->words.at[i].vp % 64;
	for (unsigned vp = 0; vp < state->vps; vp++)
		if (!(seen[vp / 64] >> vp % 64 & 1))
			return missing(diag, state->arch == GABI_ARCH_X86 ? "msrs" : "registers");
	return 0;
}

static int check_needed(const struct gabi_state *state, unsigned vp, struct gabi_diag *diag)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].arch == state->arch && rows[i].needed && rows[i].form != GABI_STATE_WORDS &&
		    !find_part(state, rows[i].kind, rows[i].name, vp))
			return missing(diag, rows[i].name);
	if (state->arch == GABI_ARCH_X86 && !gabi_state_find(state, GABI_STATE_SREGS, vp) &&
	    !gabi_state_find(state, GABI_STATE_SREGS2, vp))
		return missing(diag, "sregs");
	return 0;
}

/* A register of several words must have all of them. */
static int check_wide(const struct gabi_state *state, struct gabi_diag *diag)
{
	const struct gabi_word *word = state->words.at;

	for (size_t i = 0; i < state->words.count; i++) {
		struct gabi_key key = word[i].key;
		unsigned parts = (gabi_key_width(&key) + 63) / 64;

		if (key.space == GABI_SPACE_MSR_STATE)
			continue;
		key.part = (uint16_t)((key.part ? key.part : parts) - 1); /* the last, and before each the one before it */
		if (parts > 1 && !gabi_words_find(&state->words, &key, word[i].vp))
			return gabi_fail_at(diag, GABI_ERR_SCHEMA, &key, "some words of a register are missing", (char *)NULL);
	}
	return 0;
}

int gabi_state_seal(struct gabi_state *state, struct gabi_diag *diag)
{
	int err;

	sort_parts(state->parts, state->count);
	for (size_t i = 1; i < state->count; i++)
		if (!compare_parts(&state->parts[i - 1], &state->parts[i]))
			return refuse(diag, GABI_ERR_DUPLICATE, state->parts[i].name, "the part is there twice");
	err = gabi_words_sort(&state->words, diag);
	if (!err && !state->vps)
		err = gabi_fail(diag, GABI_ERR_SCHEMA, "a state without virtual processors is none", (char *)NULL);
	if (!err)
		err = check_wide(state, diag);
	if (!err)
		err = check_registers(state, diag);
	for (unsigned vp = 0; !err && vp < state->vps; vp++)
		err = check_needed(state, vp, diag);
	return err;
}
