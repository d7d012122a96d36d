/* SPDX-License-Identifier: MIT */
#include "formats/text.h"
#include "formats/words.h"

#include <string.h>

#define MAX_FACTS 4096 /* a kernel with all its modules has some hundred parameters */

static const char *const views[] = {
	[GABI_VIEW_KVM] = "kvm", [GABI_VIEW_GUEST] = "guest", [GABI_VIEW_CPU] = "cpu", [GABI_VIEW_OFFER] = "offer",
};

/* ---- facts ---- */

static bool is_fact(const char *name)
{
	static const char *const names[] = {
#define GABI_FACT_ROW(name, cause, what) name,
#include <gabi/fact.def>
	};
	const char *dot;

	for (size_t i = 0; i < GABI_COUNT_OF(names); i++)
		if (!strcmp(names[i], name))
			return true;
	if (strncmp(name, "module.", 7))
		return false;
	dot = strchr(name + 7, '.');
	return dot && dot > name + 7 && dot[1];
}

static int read_facts(struct gabi_host *host, json_t *facts, struct gabi_diag *diag)
{
	const struct gabi_step up = { .key = "facts" };
	const char *name;
	json_t *value;

	if (json_object_size(facts) > MAX_FACTS)
		return GABI_LOAD_FAIL(diag, &up, GABI_ERR_LIMIT, "the manifest lists more facts than gabi takes");
	json_object_foreach(facts, name, value) {
		const struct gabi_step step = { .up = &up, .key = name };
		int err = gabi_load_type(value, &step, JSON_STRING, diag);

		if (!err && !is_fact(name))
			err = GABI_LOAD_FAIL(diag, &step, GABI_ERR_SCHEMA, "no fact of that name is known");
		if (!err)
			err = gabi_host_set_fact(host, name, json_string_value(value), diag);
		if (err)
			return err;
	}
	return 0;
}

/* ---- covers ---- */

static int read_cover(struct gabi_host *host, const struct gabi_step *step, json_t *value, struct gabi_diag *diag)
{
	int err = gabi_load_type(value, step, JSON_STRING, diag);
	enum gabi_space space;
	enum gabi_arch arch;

	if (err)
		return err;
	space = gabi_space_of(json_string_value(value), json_string_length(value));
	arch = gabi_space_arch(space);
	if (space == GABI_SPACE_NONE)
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "no section of that name is known");
	if (arch != GABI_ARCH_ANY && arch != gabi_host_arch(host))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_ARCH, "the section is of ", gabi_arch_text(arch), ", and the file of ",
				      gabi_arch_text(gabi_host_arch(host)));
	if (gabi_host_covers(host, space))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_DUPLICATE, "the section is named twice");
	return gabi_host_cover(host, space);
}

static int read_covers(struct gabi_host *host, json_t *covers, struct gabi_diag *diag)
{
	const struct gabi_step up = { .key = "covers" };
	size_t at;
	json_t *value;

	json_array_foreach(covers, at, value) {
		const struct gabi_step step = { .up = &up, .at = at };
		int err = read_cover(host, &step, value, diag);

		if (err)
			return err;
	}
	return 0;
}

/* ---- reading ---- */

static int add(void *host, const struct gabi_word *word, struct gabi_diag *diag)
{
	return gabi_host_add(host, word, diag);
}

static int read_words(struct gabi_host *host, json_t *words, struct gabi_diag *diag)
{
	struct gabi_word_reader reader = {
		.add = add, .object = host, .arch = gabi_host_arch(host), .vp = GABI_VP_ALL, .manifest = true, .diag = diag,
	};
	const struct gabi_step step = { .key = "words" };
	const char *name;
	json_t *section;

	json_object_foreach(words, name, section) {
		int err = gabi_read_section(&reader, &step, name, section);

		if (err)
			return err;
	}
	return 0;
}

static int read_view(json_t *value, enum gabi_view *ret_view, struct gabi_diag *diag)
{
	const struct gabi_step step = { .key = "view" };

	for (unsigned view = 0; view < GABI_COUNT_OF(views); view++) {
		if (!strcmp(views[view], json_string_value(value))) {
			*ret_view = view;
			return 0;
		}
	}
	return GABI_LOAD_FAIL(diag, &step, GABI_ERR_SCHEMA, "the view must be \"kvm\", \"guest\", \"cpu\" or \"offer\"");
}

enum { GABI, SCHEMA, ARCH, VIEW, FACTS, COVERS, WORDS, COUNT };

static int fill(struct gabi_host *host, json_t **values, struct gabi_diag *diag)
{
	int err = read_facts(host, values[FACTS], diag);

	if (!err)
		err = read_covers(host, values[COVERS], diag);
	if (!err)
		err = read_words(host, values[WORDS], diag);
	return err ? err : gabi_host_seal(host, diag);
}

static int read_document(json_t *root, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	static const struct gabi_member members[COUNT] = {
		[GABI] = { "gabi", JSON_STRING, true },   [SCHEMA] = { "schema", JSON_INTEGER, true },
		[ARCH] = { "arch", JSON_STRING, true },   [VIEW] = { "view", JSON_STRING, true },
		[FACTS] = { "facts", JSON_OBJECT, true }, [COVERS] = { "covers", JSON_ARRAY, true },
		[WORDS] = { "words", JSON_OBJECT, true },
	};
	const struct gabi_step arch_step = { .key = "arch" };
	struct gabi_host *host;
	json_t *values[COUNT];
	enum gabi_arch arch;
	enum gabi_view view;
	int err = gabi_load_head(root, "host", GABI_HOST_SCHEMA, diag);

	if (!err)
		err = gabi_load_members(root, NULL, members, COUNT, values, diag);
	if (!err)
		err = gabi_load_arch(values[ARCH], &arch_step, &arch, diag);
	if (!err)
		err = read_view(values[VIEW], &view, diag);
	if (err)
		return err;
	host = gabi_host_new(arch, view, mem);
	if (!host)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = fill(host, values, diag);
	if (err)
		gabi_host_free(host);
	else
		*ret_host = host;
	return err;
}

int gabi_host_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	json_t *root;
	int err = gabi_load(text, len, &root, diag);

	if (err)
		return err;
	err = read_document(root, mem, ret_host, diag);
	json_decref(root);
	return err;
}

/* ---- writing ---- */

static bool facts_valid(const struct gabi_host *host)
{
	for (size_t i = 0; i < gabi_host_fact_count(host); i++) {
		const char *value, *name = gabi_host_fact_at(host, i, &value);

		if (!is_fact(name) || !gabi_text_valid(name) || !gabi_text_valid(value))
			return false;
	}
	return true;
}

static void write_facts(struct gabi_json *json, const struct gabi_host *host)
{
	gabi_json_open(json, "facts", '{');
	for (size_t i = 0; i < gabi_host_fact_count(host); i++) {
		const char *value, *name = gabi_host_fact_at(host, i, &value);

		gabi_json_text(json, name, value);
	}
	gabi_json_close(json, '}');
}

static void write_covers(struct gabi_json *json, const struct gabi_host *host)
{
	gabi_json_open(json, "covers", '[');
	for (unsigned space = GABI_SPACE_NONE + 1; space < GABI_SPACE_COUNT; space++)
		if (gabi_host_covers(host, space))
			gabi_json_text(json, NULL, gabi_space_text(space));
	gabi_json_close(json, ']');
}

int gabi_host_write(const struct gabi_host *host, const struct gabi_mem *mem, char **ret_text, size_t *ret_len)
{
	struct gabi_text text = { .mem = gabi_mem_or_default(mem), .flat = 4 };
	struct gabi_json json = { .sink = gabi_text_sink, .ctx = &text };

	if (!facts_valid(host))
		return GABI_ERR_ARG;
	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "gabi", "host");
	gabi_json_uint(&json, "schema", GABI_HOST_SCHEMA);
	gabi_json_text(&json, "arch", gabi_arch_text(gabi_host_arch(host)));
	gabi_json_text(&json, "view", views[gabi_host_view(host)]);
	write_facts(&json, host);
	write_covers(&json, host);
	gabi_json_key(&json, "words");
	if (!json.stopped)
		json.stopped = gabi_host_canonical(host, gabi_text_sink, &text);
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}
