/* SPDX-License-Identifier: MIT */
#include "formats/facts.h"
#include "formats/text.h"
#include "formats/words.h"

#include <sha2.h>
#include <string.h>

/* ---- reading ---- */

static int add(void *contract, const struct gabi_word *word, struct gabi_diag *diag)
{
	int err = gabi_contract_add(contract, word, diag);

	/* What would be the caller's mistake is here the file's. */
	return err == GABI_ERR_ARG ? gabi_fail(diag, GABI_ERR_SCHEMA, "a contract cannot promise that", (char *)NULL) : err;
}

static bool is_vp(struct gabi_slice text, unsigned *ret_vp)
{
	unsigned vp = 0;

	if (text.len == 0 || (*text.at == '0' && text.len > 1))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		vp = 10 * vp + (unsigned)(text.at[i] - '0');
		if (vp >= GABI_FORMATS_MAX_VPS)
			return false;
	}
	*ret_vp = vp;
	return true;
}

static int read_vp(struct gabi_word_reader *reader, const struct gabi_step *step, struct gabi_value sections,
		   struct gabi_items *outer)
{
	int err = gabi_load_type(sections, step, GABI_TYPE_OBJECT, reader->diag);
	unsigned vp_before = reader->vp;
	struct gabi_items items;
	struct gabi_value section;
	struct gabi_slice name;

	if (err)
		return err;
	if (!is_vp(step->key, &reader->vp))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA,
				      "the key of a virtual processor is its number, below 4096 and without leading zeros");
	if (gabi_items_none(sections))
		return GABI_LOAD_FAIL(reader->diag, step, GABI_ERR_SCHEMA, "a virtual processor without words must be left out");
	reader->seen = 0;
	items = gabi_items_of(sections, outer);
	while (!err && gabi_items_next(&items, &name, &section))
		err = gabi_read_section(reader, step, name, section, &items);
	reader->vp = vp_before;
	return err;
}

static int read_vps(struct gabi_word_reader *reader, const struct gabi_step *up, struct gabi_value vps)
{
	struct gabi_step step = GABI_STEP("vps"), here = { .up = &step };
	uint8_t seen[GABI_FORMATS_MAX_VPS / 8] = { 0 };
	struct gabi_items items;
	struct gabi_value sections;
	unsigned vp;
	int err;

	step.up = up;
	err = gabi_load_type(vps, &step, GABI_TYPE_OBJECT, reader->diag);
	if (!err && gabi_items_none(vps))
		err = GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "\"vps\" without any must be left out");
	if (err)
		return err;
	items = gabi_items_of(vps, NULL);
	while (!err && gabi_items_next(&items, &here.key, &sections)) {
		err = read_vp(reader, &here, sections, &items);
		if (err || !is_vp(here.key, &vp))
			return err;
		if (seen[vp / 8] >> vp % 8 & 1)
			return GABI_LOAD_FAIL(reader->diag, &here, GABI_ERR_DUPLICATE, "the virtual processor is there twice");
		seen[vp / 8] |= (uint8_t)(1u << vp % 8);
	}
	return err;
}

static int read_promises(struct gabi_contract *contract, const struct gabi_step *step, struct gabi_value promises,
			 struct gabi_diag *diag)
{
	struct gabi_word_reader reader = {
		.add = add, .object = contract, .arch = gabi_contract_arch(contract), .vp = GABI_VP_ALL, .diag = diag,
	};
	struct gabi_step here = { .up = step };
	struct gabi_value value, arch = { NULL }, vps = { NULL };
	struct gabi_items items = gabi_items_of(promises, NULL);
	int err = 0;

	while (!err && gabi_items_next(&items, &here.key, &value)) {
		struct gabi_value *member = gabi_slice_is(here.key, "arch") ? &arch : gabi_slice_is(here.key, "vps") ? &vps : NULL;

		if (!member)
			err = gabi_read_section(&reader, step, here.key, value, &items);
		else if (member->at)
			err = GABI_LOAD_FAIL(diag, &here, GABI_ERR_DUPLICATE, "the member is there twice");
		else
			*member = value;
	}
	return err || !vps.at ? err : read_vps(&reader, step, vps);
}

/* ---- the digest ---- */

/* Over what the file says, without the white space: canonical if its keys are sorted, as gabi and jq -S leave them. */
static void digest_of_text(struct gabi_slice promises, char *ret_text)
{
	const char *at = promises.at, *end = at + promises.len;
	uint8_t digest[GABI_DIGEST_LEN];
	SHA2_CTX sha;

	SHA256Init(&sha);
	while (at < end) {
		const char *from = at;

		while (at < end && *at > ' ')
			at++;
		SHA256Update(&sha, (const uint8_t *)from, (size_t)(at - from));
		while (at < end && *at <= ' ')
			at++;
	}
	SHA256Final(digest, &sha);
	gabi_digest_print(digest, ret_text);
}

/*
 * The file's own text comes first. A sealed contract has cleared what is no promise; should a later vocabulary call one
 * more field free, contracts that were written before keep the digest that they were given.
 */
static int check_digest(const struct gabi_contract *contract, struct gabi_value wanted, struct gabi_value promises,
			struct gabi_diag *diag)
{
	const struct gabi_step step = GABI_STEP("digest");
	uint8_t digest[GABI_DIGEST_LEN];
	char text[GABI_FORMATS_DIGEST_CAP];

	digest_of_text(gabi_value_all(promises), text);
	if (gabi_slice_is(gabi_value_raw(wanted), text))
		return 0;
	gabi_contract_digest(contract, digest);
	gabi_digest_print(digest, text);
	if (gabi_slice_is(gabi_value_raw(wanted), text))
		return 0;
	return GABI_LOAD_FAIL(diag, &step, GABI_ERR_CONFLICT, "the promises were changed after the digest was taken; theirs is ", text);
}

/* ---- the document ---- */

enum { GABI, SCHEMA, NAME, NOTE, ORIGIN, DIGEST, PROMISES, COUNT };

static int set_text(struct gabi_contract *contract, int (*set)(struct gabi_contract *, const char *), struct gabi_value value,
		    const struct gabi_mem *mem)
{
	char *text = value.at ? gabi_value_text(value, mem) : NULL;
	int err = value.at && !text ? GABI_ERR_NOMEM : set(contract, text);

	gabi_text_free(text, mem);
	return err;
}

static int set_origin(void *contract, const char *name, const char *value, struct gabi_diag *diag)
{
	return gabi_contract_set_origin(contract, name, value, diag);
}

static int fill(struct gabi_contract *contract, const struct gabi_value *values, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	const struct gabi_step step = GABI_STEP("promises");
	const struct gabi_word *words;
	size_t count;
	int err = read_promises(contract, &step, values[PROMISES], diag);

	if (err)
		return err;
	err = gabi_contract_seal(contract, diag);
	words = gabi_contract_words(contract, &count);
	if (err)
		return gabi_read_sealed(err, &step, words, count, diag);
	if (values[DIGEST].at)
		err = check_digest(contract, values[DIGEST], values[PROMISES], diag);
	if (err)
		return err;
	if (values[ORIGIN].at)
		err = gabi_facts_read(values[ORIGIN], "origin", gabi_contract_origin(contract), set_origin, contract, mem, diag);
	if (err)
		return err;
	if (set_text(contract, gabi_contract_set_name, values[NAME], mem) ||
	    set_text(contract, gabi_contract_set_note, values[NOTE], mem))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return 0;
}

static int read_arch(struct gabi_value promises, enum gabi_arch *ret_arch, struct gabi_diag *diag)
{
	const struct gabi_step up = GABI_STEP("promises"), step = { .up = &up, .key = { "arch", 4 } };
	struct gabi_value arch = gabi_load_find(promises, "arch");
	int err;

	if (!arch.at)
		return GABI_LOAD_FAIL(diag, &up, GABI_ERR_SCHEMA, "the member \"arch\" is missing");
	err = gabi_load_type(arch, &step, GABI_TYPE_TEXT, diag);
	return err ? err : gabi_load_arch(arch, &step, ret_arch, diag);
}

int gabi_contract_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_contract **ret_contract,
		       struct gabi_diag *diag)
{
	static const struct gabi_member members[COUNT] = {
		[GABI] = { "gabi", GABI_TYPE_TEXT, true },      [SCHEMA] = { "schema", GABI_TYPE_NUMBER, true },
		[NAME] = { "name", GABI_TYPE_TEXT, false },     [NOTE] = { "note", GABI_TYPE_TEXT, false },
		[ORIGIN] = { "origin", GABI_TYPE_OBJECT, false },
		[DIGEST] = { "digest", GABI_TYPE_TEXT, false }, [PROMISES] = { "promises", GABI_TYPE_OBJECT, true },
	};
	struct gabi_contract *contract;
	struct gabi_value root, values[COUNT];
	enum gabi_arch arch = GABI_ARCH_ANY;
	int err = gabi_load(text, len, &root, diag);

	if (!err)
		err = gabi_load_head(root, "contract", GABI_CONTRACT_SCHEMA, diag);
	if (!err)
		err = gabi_load_members(root, NULL, members, COUNT, values, diag);
	if (!err)
		err = read_arch(values[PROMISES], &arch, diag);
	if (err)
		return err;
	contract = gabi_contract_new(arch, mem);
	if (!contract)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = fill(contract, values, mem, diag);
	if (err)
		gabi_contract_free(contract);
	else
		*ret_contract = contract;
	return err;
}

/* ---- writing ---- */

void gabi_digest_print(const uint8_t digest[GABI_DIGEST_LEN], char ret_text[GABI_FORMATS_DIGEST_CAP])
{
	struct gabi_out out = gabi_out_to(ret_text, GABI_FORMATS_DIGEST_CAP);

	gabi_out_text(&out, "sha256:");
	for (size_t i = 0; i < GABI_DIGEST_LEN; i++)
		gabi_out_hex(&out, digest[i], 2);
}

int gabi_contract_write(const struct gabi_contract *contract, const struct gabi_mem *mem, char **ret_text, size_t *ret_len)
{
	struct gabi_text text = { .mem = gabi_mem_or_default(mem), .flat = 4 };
	struct gabi_json json = { .sink = gabi_text_sink, .ctx = &text };
	const char *name = gabi_contract_name(contract), *note = gabi_contract_note(contract);
	uint8_t digest[GABI_DIGEST_LEN];
	char digest_text[GABI_FORMATS_DIGEST_CAP];

	if (!gabi_text_valid(name) || !gabi_text_valid(note) || !gabi_facts_valid(gabi_contract_origin(contract)))
		return GABI_ERR_ARG;
	gabi_contract_digest(contract, digest);
	gabi_digest_print(digest, digest_text);
	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "gabi", "contract");
	gabi_json_uint(&json, "schema", GABI_CONTRACT_SCHEMA);
	if (*name)
		gabi_json_text(&json, "name", name);
	if (*note)
		gabi_json_text(&json, "note", note);
	if (gabi_facts_count(gabi_contract_origin(contract)))
		gabi_facts_write(&json, "origin", gabi_contract_origin(contract));
	gabi_json_text(&json, "digest", digest_text);
	gabi_json_key(&json, "promises");
	if (!json.stopped)
		json.stopped = gabi_contract_canonical(contract, gabi_text_sink, &text);
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}
