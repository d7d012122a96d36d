/* SPDX-License-Identifier: MIT */
/*
 * The stream of a saved state: tag 55799, then an array of "gabi-state", the version, and the sections. A section is an array of
 * its name, its virtual processor or null, its payload as a byte string, and SHA-256 over the bytes of these three. The first is
 * "head"; the others stand in the order of gabi/state.def. docs/state.md has the form of each payload.
 */
#include <gabi/formats.h>

#include <gabi/vocab.h>

#include "formats/cbor.h"

#include <sha2.h>
#include <string.h>

static const char magic[] = "gabi-state";
static const char head_name[] = "head", own_prefix[] = "own:";

enum {
	SECTION_ITEMS = 4,
	NAME_MAX_LEN = 80,
	RELEASE_MAX_LEN = 128,
	REGISTERS_MAX = 4096, /* of one virtual processor; arm64 has some 300 */
	REGISTER_MAX_LEN = 256,
};

/* ---- writing ---- */

struct section {
	struct gabi_cbor_out *out;
	size_t begin;
};

/* Begins a section; its payload of `len` bytes is written next. */
static struct section open_section(struct gabi_cbor_out *out, const char *prefix, const char *name, unsigned vp, size_t len)
{
	char full[NAME_MAX_LEN];
	struct gabi_out text = gabi_out_to(full, sizeof(full));
	struct section section = { .out = out };

	gabi_out_text(&text, prefix);
	gabi_out_text(&text, name);
	gabi_cbor_put(out, GABI_CBOR_ARRAY, SECTION_ITEMS);
	section.begin = out->len;
	gabi_cbor_put_text(out, full);
	if (vp == GABI_VP_ALL)
		gabi_cbor_put(out, GABI_CBOR_SIMPLE, GABI_CBOR_NULL);
	else
		gabi_cbor_put(out, GABI_CBOR_UINT, vp);
	gabi_cbor_put(out, GABI_CBOR_BYTES, len);
	return section;
}

static void sum(const uint8_t *at, size_t len, uint8_t ret_digest[GABI_DIGEST_LEN])
{
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, at, len);
	SHA256Final(ret_digest, &sha);
}

static void close_section(struct section *section)
{
	struct gabi_cbor_out *out = section->out;
	uint8_t digest[GABI_DIGEST_LEN] = { 0 };

	if (out->at)
		sum(out->at + section->begin, out->len - section->begin, digest);
	gabi_cbor_put_bytes(out, digest, sizeof(digest));
}

/* What a payload is written by; called twice, first to count. */
struct payload {
	void (*put)(struct gabi_cbor_out *out, const struct payload *payload);
	const struct gabi_state *state;
	const struct gabi_state_part *part;
	unsigned vp;
};

static void put_section(struct gabi_cbor_out *out, const char *prefix, const char *name, const struct payload *payload)
{
	struct gabi_cbor_out count = { 0 };
	struct section section;

	payload->put(&count, payload);
	section = open_section(out, prefix, name, payload->vp, count.len);
	payload->put(out, payload);
	close_section(&section);
}

/* RFC 8949 4.2.1: keys in the order of their encodings, the shorter first. */
static void put_head(struct gabi_cbor_out *out, const struct payload *payload)
{
	gabi_cbor_put(out, GABI_CBOR_MAP, 4);
	gabi_cbor_put_text(out, "vps");
	gabi_cbor_put(out, GABI_CBOR_UINT, gabi_state_vps(payload->state));
	gabi_cbor_put_text(out, "arch");
	gabi_cbor_put_text(out, gabi_arch_text(gabi_state_arch(payload->state)));
	gabi_cbor_put_text(out, "kernel");
	gabi_cbor_put_text(out, gabi_state_release(payload->state));
	gabi_cbor_put_text(out, "contract");
	gabi_cbor_put_bytes(out, gabi_state_digest(payload->state), GABI_DIGEST_LEN);
}

static void put_bytes(struct gabi_cbor_out *out, const struct payload *payload)
{
	if (out->at && payload->part->len && out->len + payload->part->len <= out->cap)
		memcpy(out->at + out->len, payload->part->data, payload->part->len);
	out->len += payload->part->len;
}

static void put_pairs(struct gabi_cbor_out *out, const struct payload *payload)
{
	const struct gabi_state_pair *pair = payload->part->data;
	size_t count = payload->part->len / sizeof(*pair);

	gabi_cbor_put(out, GABI_CBOR_MAP, count);
	for (size_t i = 0; i < count; i++) {
		gabi_cbor_put(out, GABI_CBOR_UINT, pair[i].number);
		gabi_cbor_put(out, GABI_CBOR_UINT, pair[i].value);
	}
}

/* Goes over one virtual processor's registers by number: promises and state are two runs of the sorted words. */
struct registers {
	const struct gabi_word *at[2], *end[2];
	unsigned vp;
};

static struct registers registers_of(const struct gabi_state *state, unsigned vp)
{
	size_t count, split = 0;
	const struct gabi_word *word = gabi_state_words(state, &count);

	while (split < count && word[split].key.space == word[0].key.space)
		split++;
	return (struct registers){ .at = { word, word + split }, .end = { word + split, word + count }, .vp = vp };
}

static const struct gabi_word *next_register(struct registers *registers)
{
	unsigned which;

	for (unsigned i = 0; i < 2; i++)
		while (registers->at[i] < registers->end[i] && registers->at[i]->vp != registers->vp)
			registers->at[i]++;
	if (registers->at[0] == registers->end[0] && registers->at[1] == registers->end[1])
		return NULL;
	which = registers->at[0] == registers->end[0] ||
		(registers->at[1] < registers->end[1] && registers->at[1]->key.index < registers->at[0]->key.index);
	return registers->at[which]++;
}

static unsigned width_of(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_MSR_STATE ? 64 : gabi_key_width(key);
}

static void put_word(struct gabi_cbor_out *out, const struct gabi_word *word)
{
	unsigned bits = width_of(&word->key);
	uint8_t bytes[8];

	if (!word->key.part) {
		gabi_cbor_put(out, GABI_CBOR_UINT, word->key.index);
		gabi_cbor_put(out, bits > 64 ? GABI_CBOR_BYTES : GABI_CBOR_UINT, bits > 64 ? bits / 8 : word->value);
	}
	if (bits <= 64)
		return;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(word->value >> 8 * i);
	if (out->at && out->len + sizeof(bytes) <= out->cap)
		memcpy(out->at + out->len, bytes, sizeof(bytes));
	out->len += sizeof(bytes);
}

static void put_words(struct gabi_cbor_out *out, const struct payload *payload)
{
	struct registers registers = registers_of(payload->state, payload->vp);
	const struct gabi_word *word;
	uint64_t count = 0;

	while ((word = next_register(&registers)))
		count += !word->key.part;
	gabi_cbor_put(out, GABI_CBOR_MAP, count);
	registers = registers_of(payload->state, payload->vp);
	while ((word = next_register(&registers)))
		put_word(out, word);
}

static void put_part(struct gabi_cbor_out *out, const struct gabi_state_part *part)
{
	const struct gabi_state_row *row = gabi_state_row(part->kind);
	const struct payload payload = { .put = row && row->form == GABI_STATE_PAIRS ? put_pairs : put_bytes, .part = part, .vp = part->vp };

	put_section(out, row ? "" : own_prefix, part->name, &payload);
}

/* The registers of a virtual processor stand where their row does. */
static const struct gabi_state_row *words_row(enum gabi_arch arch)
{
	return gabi_state_row(arch == GABI_ARCH_X86 ? GABI_STATE_MSRS : GABI_STATE_REGISTERS);
}

static size_t place_of(unsigned kind)
{
	size_t count, place = 0;
	const struct gabi_state_row *row = gabi_state_rows(&count);

	while (place < count && row[place].kind != kind)
		place++;
	return place;
}

static void put_vp(struct gabi_cbor_out *out, const struct gabi_state *state, unsigned vp, const struct gabi_state_part **part,
		   const struct gabi_state_part *end)
{
	const struct gabi_state_row *row = words_row(gabi_state_arch(state));
	const struct payload payload = { .put = put_words, .state = state, .vp = vp };

	for (; *part < end && (*part)->vp == vp && place_of((*part)->kind) < place_of(row->kind); (*part)++)
		put_part(out, *part);
	put_section(out, "", row->name, &payload);
	for (; *part < end && (*part)->vp == vp; (*part)++)
		put_part(out, *part);
}

static void put_stream(struct gabi_cbor_out *out, const struct gabi_state *state)
{
	const struct payload head = { .put = put_head, .state = state, .vp = GABI_VP_ALL };
	size_t count;
	const struct gabi_state_part *part = gabi_state_parts(state, &count), *end = part + count;

	gabi_cbor_put(out, GABI_CBOR_TAG, GABI_CBOR_SELF);
	gabi_cbor_put(out, GABI_CBOR_ARRAY, 2 + 1 + count + gabi_state_vps(state));
	gabi_cbor_put_text(out, magic);
	gabi_cbor_put(out, GABI_CBOR_UINT, GABI_STATE_VERSION);
	put_section(out, "", head_name, &head);
	for (; part < end && part->vp == GABI_VP_ALL; part++)
		put_part(out, part);
	for (unsigned vp = 0; vp < gabi_state_vps(state); vp++)
		put_vp(out, state, vp, &part, end);
}

int gabi_state_write(const struct gabi_state *state, const struct gabi_mem *mem, char **ret_bytes, size_t *ret_len)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_cbor_out out = { 0 };

	put_stream(&out, state);
	if (out.len > GABI_FORMATS_MAX_LEN)
		return GABI_ERR_LIMIT;
	out.cap = out.len;
	out.len = 0;
	out.at = gabi_mem_get(&own, out.cap + 1);
	if (!out.at)
		return GABI_ERR_NOMEM;
	put_stream(&out, state);
	*ret_bytes = (char *)out.at;
	*ret_len = out.len;
	return 0;
}

/* ---- reading ---- */

struct reader {
	struct gabi_cbor_in in; /* the stream; in a payload: up to its end */
	const struct gabi_mem *mem;
	struct gabi_state *state;
	struct gabi_diag *diag;
	char name[NAME_MAX_LEN]; /* the section's */
	unsigned vp;
	size_t last; /* the section before: its place in the order, counted from 1, and its virtual processor, the VM's being 0 */
	unsigned last_vp;
	char last_name[NAME_MAX_LEN];
};

/* The error of a part, which knows no bytes, gets the section and where that begins. */
static int at_section(struct reader *r, size_t pos, int err)
{
	struct gabi_out out;

	if (!err || !r->diag)
		return err;
	out = gabi_out_to(r->diag->where, sizeof(r->diag->where));
	gabi_out_text(&out, "section ");
	gabi_out_text(&out, r->name);
	if (r->vp != GABI_VP_ALL) {
		gabi_out_text(&out, " of virtual processor ");
		gabi_out_dec(&out, r->vp);
	}
	gabi_out_text(&out, ", byte ");
	gabi_out_dec(&out, pos);
	return err;
}

static int fail_section(struct reader *r, size_t pos, int err, const char *why)
{
	gabi_fail(r->diag, err, why, (char *)NULL);
	return at_section(r, pos, err);
}

/* The position that the next error would have; for errors inside a payload. */
static int in_section(struct reader *r, size_t pos, int err)
{
	return err ? at_section(r, pos, err) : 0;
}

static bool item_is(const struct gabi_cbor_item *item, const char *text)
{
	return item->number == strlen(text) && !memcmp(item->bytes, text, strlen(text));
}

static int take_number(struct reader *r, uint64_t *ret_number)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_UINT, "a number should stand here", &item, r->diag);

	if (!err)
		*ret_number = item.number;
	return in_section(r, pos, err);
}

/* A map's keys rise, each once. */
static int take_rising(struct reader *r, bool first, uint64_t *number)
{
	size_t pos = r->in.pos;
	uint64_t next = 0;
	int err = take_number(r, &next);

	if (!err && !first && next <= *number)
		err = fail_section(r, pos, GABI_ERR_SCHEMA, "the numbers do not rise");
	if (!err)
		*number = next;
	return err;
}

static int take_map(struct reader *r, uint64_t most, uint64_t *ret_count)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_MAP, "a map should stand here", &item, r->diag);

	if (!err && item.number > most)
		return fail_section(r, pos, GABI_ERR_LIMIT, "more than gabi takes");
	if (!err)
		*ret_count = item.number;
	return in_section(r, pos, err);
}

/* ---- payloads ---- */

static int read_pairs(struct reader *r, const struct gabi_state_row *row, size_t begin)
{
	struct gabi_mem own = gabi_mem_or_default(r->mem);
	struct gabi_state_pair *pair;
	uint64_t count = 0, number = 0;
	int err = take_map(r, REGISTERS_MAX, &count);

	if (err)
		return err;
	pair = gabi_mem_get(&own, (size_t)count * sizeof(*pair) + 1);
	if (!pair)
		return gabi_fail(r->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	for (uint64_t i = 0; !err && i < count; i++) {
		err = take_rising(r, i == 0, &number);
		if (!err)
			err = take_number(r, &pair[i].value);
		pair[i].number = number;
	}
	if (!err)
		err = in_section(r, begin, gabi_state_add(r->state, row->kind, r->vp, pair, (size_t)count * sizeof(*pair), r->diag));
	gabi_mem_put(&own, pair);
	return err;
}

static int add_words(struct reader *r, struct gabi_word *word, const uint8_t *bytes, unsigned len, size_t pos)
{
	int err = 0;

	for (unsigned part = 0; !err && part < len / 8; part++) {
		word->key.part = (uint16_t)part;
		word->value = 0;
		for (unsigned i = 8; i-- > 0;)
			word->value = word->value << 8 | bytes[8 * part + i];
		err = in_section(r, pos, gabi_state_add_word(r->state, word, r->diag));
	}
	return err;
}

static int read_value(struct reader *r, struct gabi_word *word, size_t pos)
{
	unsigned bits = width_of(&word->key);
	struct gabi_cbor_item item;
	int err = in_section(r, pos, gabi_cbor_next(&r->in, &item, r->diag));

	if (err)
		return err;
	if (item.type != (bits > 64 ? GABI_CBOR_BYTES : GABI_CBOR_UINT) || (bits > 64 && item.number != bits / 8))
		return fail_section(r, pos, GABI_ERR_SCHEMA, "the value has not the width that its register's number says");
	word->bits = bits < 64 ? (uint8_t)bits : 64;
	if (bits > 64)
		return add_words(r, word, item.bytes, bits / 8, pos);
	word->value = item.number;
	return in_section(r, pos, gabi_state_add_word(r->state, word, r->diag));
}

static int read_register(struct reader *r, uint64_t id)
{
	bool x86 = gabi_state_arch(r->state) == GABI_ARCH_X86;
	struct gabi_word word = { .key = { .index = id }, .vp = (uint16_t)r->vp };
	size_t pos = r->in.pos;

	word.key.space = (uint16_t)(x86 ? GABI_SPACE_MSR_STATE : gabi_arm64_space(id));
	if (word.key.space == GABI_SPACE_NONE || (x86 && id > UINT32_MAX))
		return fail_section(r, pos, GABI_ERR_RANGE, "no register can have that number");
	return read_value(r, &word, pos);
}

static int read_words(struct reader *r)
{
	size_t pos = r->in.pos;
	uint64_t count = 0, id = 0;
	int err = take_map(r, REGISTERS_MAX, &count);

	if (!err && !count)
		err = fail_section(r, pos, GABI_ERR_SCHEMA, "a virtual processor has registers");
	for (uint64_t i = 0; !err && i < count; i++) {
		err = take_rising(r, i == 0, &id);
		if (!err)
			err = read_register(r, id);
	}
	return err;
}

static int read_bytes(struct reader *r, const struct gabi_state_row *row, size_t begin)
{
	const uint8_t *bytes = r->in.at + r->in.pos;
	size_t len = r->in.len - r->in.pos;

	r->in.pos = r->in.len;
	return in_section(r, begin, row ? gabi_state_add(r->state, row->kind, r->vp, bytes, len, r->diag)
					: gabi_state_add_own(r->state, r->name + strlen(own_prefix), r->vp, bytes, len, r->diag));
}

static int head_key(struct reader *r, const char *key)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_TEXT, "a name should stand here", &item, r->diag);

	if (!err && !item_is(&item, key))
		return fail_section(r, pos, GABI_ERR_SCHEMA, "the head is not made of vps, arch, kernel and contract");
	return in_section(r, pos, err);
}

static int head_arch(struct reader *r, enum gabi_arch *ret_arch)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = head_key(r, "arch");

	if (!err)
		err = in_section(r, pos, gabi_cbor_take(&r->in, GABI_CBOR_TEXT, "a name should stand here", &item, r->diag));
	if (err)
		return err;
	*ret_arch = item_is(&item, "x86") ? GABI_ARCH_X86 : item_is(&item, "arm64") ? GABI_ARCH_ARM64 : GABI_ARCH_ANY;
	return *ret_arch ? 0 : fail_section(r, pos, GABI_ERR_ARCH, "the state is of an architecture that this gabi does not know");
}

static int head_release(struct reader *r)
{
	char release[RELEASE_MAX_LEN] = "";
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = head_key(r, "kernel");

	if (!err)
		err = in_section(r, pos, gabi_cbor_take(&r->in, GABI_CBOR_TEXT, "a text should stand here", &item, r->diag));
	if (err)
		return err;
	for (size_t i = 0; i < item.number; i++)
		if (item.number >= sizeof(release) || item.bytes[i] < ' ' || item.bytes[i] > '~')
			return fail_section(r, pos, GABI_ERR_SCHEMA, "that is no kernel's release");
	memcpy(release, item.bytes, (size_t)item.number);
	return gabi_state_set_release(r->state, release, r->diag);
}

static int head_digest(struct reader *r)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = head_key(r, "contract");

	if (!err)
		err = in_section(r, pos, gabi_cbor_take(&r->in, GABI_CBOR_BYTES, "a digest should stand here", &item, r->diag));
	if (!err && item.number != GABI_DIGEST_LEN)
		err = fail_section(r, pos, GABI_ERR_SCHEMA, "a digest has 32 bytes");
	if (!err)
		gabi_state_set_digest(r->state, item.bytes);
	return err;
}

static int read_head(struct reader *r)
{
	size_t begin = r->in.pos;
	enum gabi_arch arch = GABI_ARCH_ANY;
	uint64_t count = 0, vps = 0;
	int err = take_map(r, 4, &count);

	if (!err && count != 4)
		err = fail_section(r, begin, GABI_ERR_SCHEMA, "the head is not made of vps, arch, kernel and contract");
	if (!err)
		err = head_key(r, "vps");
	if (!err)
		err = take_number(r, &vps);
	if (!err && (!vps || vps > GABI_STATE_MAX_VPS))
		err = fail_section(r, begin, GABI_ERR_RANGE, "a state is of 1 to 4096 virtual processors");
	if (!err)
		err = head_arch(r, &arch);
	if (err)
		return err;
	r->state = gabi_state_new(arch, (unsigned)vps, r->mem);
	if (!r->state)
		return gabi_fail(r->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = head_release(r);
	return err ? err : head_digest(r);
}

/* ---- sections ---- */

static const struct gabi_state_row *row_named(enum gabi_arch arch, const char *name)
{
	size_t count;
	const struct gabi_state_row *row = gabi_state_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (row[i].arch == arch && !strcmp(row[i].name, name))
			return &row[i];
	return NULL;
}

/* A section that stands elsewhere than the writer puts it would be the same state in another form. */
static int check_order(struct reader *r, const struct gabi_state_row *row, size_t begin)
{
	size_t place = 1 + place_of(row ? row->kind : GABI_STATE_OWN);
	unsigned vp = (r->vp + 1) & GABI_VP_ALL;
	bool later = vp != r->last_vp ? vp > r->last_vp
		     : place != r->last || row ? place > r->last
					       : strcmp(r->name, r->last_name) > 0;

	if (!later)
		return fail_section(r, begin, GABI_ERR_SCHEMA, "the section is there twice, or stands in the wrong place");
	r->last = place;
	r->last_vp = vp;
	memcpy(r->last_name, r->name, sizeof(r->last_name));
	return 0;
}

static int read_payload(struct reader *r, size_t begin)
{
	const struct gabi_state_row *row;
	bool own = !strncmp(r->name, own_prefix, strlen(own_prefix));
	int err;

	if (!r->state)
		return strcmp(r->name, head_name) ? fail_section(r, begin, GABI_ERR_SCHEMA, "the first section is not the head")
						  : read_head(r);
	row = row_named(gabi_state_arch(r->state), r->name);
	if (!row && !own)
		return fail_section(r, begin, GABI_ERR_SCHEMA, "this version of the stream has no such section");
	err = check_order(r, row, begin);
	if (err)
		return err;
	if (row && row->form == GABI_STATE_WORDS)
		return r->vp < gabi_state_vps(r->state) ? read_words(r)
							: fail_section(r, begin, GABI_ERR_RANGE, "there is no such virtual processor");
	return row && row->form == GABI_STATE_PAIRS ? read_pairs(r, row, begin) : read_bytes(r, row, begin);
}

static int take_name(struct reader *r)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_TEXT, "a section's name should stand here", &item, r->diag);

	if (err)
		return err;
	for (size_t i = 0; i < item.number; i++)
		if (item.number >= sizeof(r->name) || item.bytes[i] <= ' ' || item.bytes[i] > '~')
			return gabi_cbor_fail(r->diag, GABI_ERR_SCHEMA, pos, "that is no section's name");
	memset(r->name, 0, sizeof(r->name));
	memcpy(r->name, item.bytes, (size_t)item.number);
	return 0;
}

static int take_vp(struct reader *r)
{
	struct gabi_cbor_item item;
	size_t pos = r->in.pos;
	int err = gabi_cbor_next(&r->in, &item, r->diag);

	if (err)
		return err;
	if (item.type != GABI_CBOR_SIMPLE && (item.type != GABI_CBOR_UINT || item.number >= GABI_STATE_MAX_VPS))
		return gabi_cbor_fail(r->diag, GABI_ERR_SCHEMA, pos, "a virtual processor's number, or null, should stand here");
	r->vp = item.type == GABI_CBOR_SIMPLE ? GABI_VP_ALL : (unsigned)item.number;
	return 0;
}

/* Name, virtual processor and payload are believed only once their sum is right. */
static int check_sum(struct reader *r, size_t begin)
{
	struct gabi_cbor_item item;
	uint8_t digest[GABI_DIGEST_LEN];
	size_t end = r->in.pos;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_BYTES, "a section's sum should stand here", &item, r->diag);

	if (err)
		return err;
	sum(r->in.at + begin, end - begin, digest);
	if (item.number != sizeof(digest) || memcmp(item.bytes, digest, sizeof(digest)))
		return fail_section(r, begin, GABI_ERR_SCHEMA, "its sum is wrong: the section was damaged");
	return 0;
}

static int read_section(struct reader *r)
{
	struct gabi_cbor_item items, payload;
	struct gabi_cbor_in behind;
	size_t pos = r->in.pos, begin;
	int err = gabi_cbor_take(&r->in, GABI_CBOR_ARRAY, "a section should stand here", &items, r->diag);

	if (!err && items.number != SECTION_ITEMS)
		err = gabi_cbor_fail(r->diag, GABI_ERR_SCHEMA, pos, "a section is made of four items");
	begin = r->in.pos;
	if (!err)
		err = take_name(r);
	if (!err)
		err = take_vp(r);
	if (!err)
		err = gabi_cbor_take(&r->in, GABI_CBOR_BYTES, "a section's payload should stand here", &payload, r->diag);
	if (!err)
		err = check_sum(r, begin);
	if (err)
		return err;
	behind = r->in;
	r->in.pos = (size_t)(payload.bytes - r->in.at);
	r->in.len = r->in.pos + (size_t)payload.number;
	err = read_payload(r, begin);
	if (!err && r->in.pos != r->in.len)
		err = fail_section(r, r->in.pos, GABI_ERR_SCHEMA, "something stands behind the section's payload");
	r->in = behind;
	return err;
}

/* ---- the whole ---- */

static int no_state(struct reader *r)
{
	return gabi_fail(r->diag, GABI_ERR_SCHEMA, "that is no saved state: it does not begin as one", (char *)NULL);
}

static int later_version(struct reader *r, uint64_t version)
{
	char number[24];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	gabi_out_dec(&out, version);
	return version ? gabi_fail(r->diag, GABI_ERR_VERSION, "the saved state is of version ", number,
				   ", and this gabi reads version 1; use the gabi that wrote it", (char *)NULL)
		       : gabi_fail(r->diag, GABI_ERR_SCHEMA, "there is no version 0 of a saved state", (char *)NULL);
}

static int read_begin(struct reader *r, uint64_t *ret_sections)
{
	struct gabi_cbor_item item, items;
	uint64_t version = 0;

	if (gabi_cbor_take(&r->in, GABI_CBOR_TAG, "", &item, NULL) || item.number != GABI_CBOR_SELF ||
	    gabi_cbor_take(&r->in, GABI_CBOR_ARRAY, "", &items, NULL) || items.number < 3 ||
	    gabi_cbor_take(&r->in, GABI_CBOR_TEXT, "", &item, NULL) || !item_is(&item, magic))
		return no_state(r);
	if (gabi_cbor_take(&r->in, GABI_CBOR_UINT, "the version should stand here", &item, r->diag))
		return GABI_ERR_SYNTAX;
	version = item.number;
	*ret_sections = items.number - 2;
	return version == GABI_STATE_VERSION ? 0 : later_version(r, version);
}

static int read_stream(struct reader *r)
{
	uint64_t sections = 0;
	int err = read_begin(r, &sections);

	for (uint64_t i = 0; !err && i < sections; i++)
		err = read_section(r);
	if (!err && r->in.pos != r->in.len)
		err = gabi_cbor_fail(r->diag, GABI_ERR_SYNTAX, r->in.pos, "something stands behind the saved state");
	return err ? err : gabi_state_seal(r->state, r->diag);
}

int gabi_state_read(const void *bytes, size_t len, const struct gabi_mem *mem, struct gabi_state **ret_state,
		    struct gabi_diag *diag)
{
	struct reader r = { .in = { .at = bytes, .len = len }, .mem = mem, .diag = diag };
	int err;

	if (len > GABI_FORMATS_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the saved state is longer than 64 MiB", (char *)NULL);
	err = read_stream(&r);
	if (err)
		gabi_state_free(r.state);
	else
		*ret_state = r.state;
	return err;
}
