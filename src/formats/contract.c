/* SPDX-License-Identifier: MIT */
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

static bool is_vp(const char *text, unsigned *ret_vp)
{
	unsigned vp = 0;

	if (*text == '0' && text[1])
		return false;
	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		vp = 10 * vp + (unsigned)(*at - '0');
		if (vp >= GABI_FORMATS_MAX_VPS)
			return false;
	}
	*ret_vp = vp;
	return *text != '\0';
}

static int read_vp(struct gabi_word_reader *reader, const struct gabi_step *up, const char *text, json_t *sections)
{
	const struct gabi_step step = { .up = up, .key = text };
	const char *name;
	json_t *section;
	int err;

	if (!is_vp(text, &reader->vp))
		return GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA,
				      "the key of a virtual processor is its number, below 4096 and without leading zeros");
	err = gabi_load_type(sections, &step, JSON_OBJECT, reader->diag);
	if (!err && json_object_size(sections) == 0)
		err = GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "a virtual processor without words must be left out");
	if (err)
		return err;
	json_object_foreach(sections, name, section) {
		err = gabi_read_section(reader, &step, name, section);
		if (err)
			return err;
	}
	return 0;
}

static int read_vps(struct gabi_word_reader *reader, const struct gabi_step *up, json_t *vps)
{
	const struct gabi_step step = { .up = up, .key = "vps" };
	int err = gabi_load_type(vps, &step, JSON_OBJECT, reader->diag);
	const char *text;
	json_t *sections;

	if (!err && json_object_size(vps) == 0)
		err = GABI_LOAD_FAIL(reader->diag, &step, GABI_ERR_SCHEMA, "\"vps\" without any must be left out");
	if (err)
		return err;
	json_object_foreach(vps, text, sections) {
		err = read_vp(reader, &step, text, sections);
		if (err)
			return err;
	}
	reader->vp = GABI_VP_ALL;
	return 0;
}

static int read_promises(struct gabi_contract *contract, const struct gabi_step *step, json_t *promises, struct gabi_diag *diag)
{
	struct gabi_word_reader reader = {
		.add = add, .object = contract, .arch = gabi_contract_arch(contract), .vp = GABI_VP_ALL, .diag = diag,
	};
	const char *name;
	json_t *value;
	int err = 0;

	json_object_foreach(promises, name, value) {
		if (!strcmp(name, "vps"))
			err = read_vps(&reader, step, value);
		else if (strcmp(name, "arch"))
			err = gabi_read_section(&reader, step, name, value);
		if (err)
			return err;
	}
	return 0;
}

static int hash(const char *text, size_t len, void *sha)
{
	SHA256Update(sha, (const uint8_t *)text, len);
	return 0;
}

/* Over what the file says and not over the sealed contract, which has what is no promise cleared: a contract stays readable
 * when a later vocabulary calls one of its fields free. Its keys and values were checked and are ASCII, so that sorted and
 * compact is canonical. */
static int check_digest(const char *wanted, json_t *promises, struct gabi_diag *diag)
{
	const struct gabi_step step = { .key = "digest" };
	uint8_t digest[GABI_DIGEST_LEN];
	char text[GABI_FORMATS_DIGEST_CAP];
	SHA2_CTX sha;

	SHA256Init(&sha);
	if (json_dump_callback(promises, hash, &sha, JSON_COMPACT | JSON_SORT_KEYS))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	SHA256Final(digest, &sha);
	gabi_digest_print(digest, text);
	if (!strcmp(text, wanted))
		return 0;
	return GABI_LOAD_FAIL(diag, &step, GABI_ERR_CONFLICT, "the promises were changed after the digest was taken; theirs is ", text);
}

enum { GABI, SCHEMA, NAME, NOTE, DIGEST, PROMISES, COUNT };

static int fill(struct gabi_contract *contract, json_t **values, struct gabi_diag *diag)
{
	const struct gabi_step step = { .key = "promises" };
	int err = read_promises(contract, &step, values[PROMISES], diag);

	if (!err && values[DIGEST])
		err = check_digest(json_string_value(values[DIGEST]), values[PROMISES], diag);
	if (err)
		return err;
	if (gabi_contract_set_name(contract, json_string_value(values[NAME])) ||
	    gabi_contract_set_note(contract, json_string_value(values[NOTE])))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return gabi_contract_seal(contract, diag);
}

static int read_arch(json_t *promises, enum gabi_arch *ret_arch, struct gabi_diag *diag)
{
	const struct gabi_step up = { .key = "promises" }, step = { .up = &up, .key = "arch" };
	json_t *arch = json_object_get(promises, "arch");
	int err;

	if (!arch)
		return GABI_LOAD_FAIL(diag, &up, GABI_ERR_SCHEMA, "the member \"arch\" is missing");
	err = gabi_load_type(arch, &step, JSON_STRING, diag);
	return err ? err : gabi_load_arch(arch, &step, ret_arch, diag);
}

static int read_document(json_t *root, const struct gabi_mem *mem, struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	static const struct gabi_member members[COUNT] = {
		[GABI] = { "gabi", JSON_STRING, true },      [SCHEMA] = { "schema", JSON_INTEGER, true },
		[NAME] = { "name", JSON_STRING, false },     [NOTE] = { "note", JSON_STRING, false },
		[DIGEST] = { "digest", JSON_STRING, false }, [PROMISES] = { "promises", JSON_OBJECT, true },
	};
	struct gabi_contract *contract;
	json_t *values[COUNT];
	enum gabi_arch arch;
	int err = gabi_load_head(root, "contract", GABI_CONTRACT_SCHEMA, diag);

	if (!err)
		err = gabi_load_members(root, NULL, members, COUNT, values, diag);
	if (!err)
		err = read_arch(values[PROMISES], &arch, diag);
	if (err)
		return err;
	contract = gabi_contract_new(arch, mem);
	if (!contract)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = fill(contract, values, diag);
	if (err)
		gabi_contract_free(contract);
	else
		*ret_contract = contract;
	return err;
}

int gabi_contract_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_contract **ret_contract,
		       struct gabi_diag *diag)
{
	json_t *root;
	int err = gabi_load(text, len, &root, diag);

	if (err)
		return err;
	err = read_document(root, mem, ret_contract, diag);
	json_decref(root);
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

	if (!gabi_text_valid(name) || !gabi_text_valid(note))
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
	gabi_json_text(&json, "digest", digest_text);
	gabi_json_key(&json, "promises");
	if (!json.stopped)
		json.stopped = gabi_contract_canonical(contract, gabi_text_sink, &text);
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}
