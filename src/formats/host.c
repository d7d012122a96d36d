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

static int read_fact(struct gabi_host *host, const struct gabi_step *step, struct gabi_value value, const struct gabi_mem *mem,
		     struct gabi_diag *diag)
{
	int err = gabi_load_type(value, step, GABI_TYPE_TEXT, diag);
	char name[128], *text;

	if (err)
		return err;
	if (!gabi_slice_copy(step->key, name, sizeof(name)) || !is_fact(name))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "no fact of that name is known");
	if (gabi_host_fact(host, name))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_DUPLICATE, "the fact is there twice");
	text = gabi_value_text(value, mem);
	if (!text)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = gabi_host_set_fact(host, name, text, diag);
	gabi_text_free(text, mem);
	return err;
}

static int read_facts(struct gabi_host *host, struct gabi_value facts, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	const struct gabi_step up = GABI_STEP("facts");
	struct gabi_step step = { .up = &up };
	struct gabi_items items = gabi_items_of(facts, NULL);
	struct gabi_value value;
	int err = 0;

	while (!err && gabi_items_next(&items, &step.key, &value)) {
		if (gabi_facts_count(gabi_host_facts(host)) == MAX_FACTS)
			return GABI_LOAD_FAIL(diag, &up, GABI_ERR_LIMIT, "the manifest lists more facts than gabi takes");
		err = read_fact(host, &step, value, mem, diag);
	}
	return err;
}

/* ---- covers ---- */

static int read_cover(struct gabi_host *host, const struct gabi_step *step, struct gabi_value value, struct gabi_diag *diag)
{
	int err = gabi_load_type(value, step, GABI_TYPE_TEXT, diag);
	struct gabi_slice text;
	enum gabi_space space;
	enum gabi_arch arch;

	if (err)
		return err;
	text = gabi_value_raw(value);
	space = gabi_space_of(text.at, text.len);
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

static int read_covers(struct gabi_host *host, struct gabi_value covers, struct gabi_diag *diag)
{
	const struct gabi_step up = GABI_STEP("covers");
	struct gabi_step step = { .up = &up };
	struct gabi_items items = gabi_items_of(covers, NULL);
	struct gabi_value value;
	int err = 0;

	for (; !err && gabi_items_next(&items, &step.key, &value); step.key.len++)
		err = read_cover(host, &step, value, diag);
	return err;
}

/* ---- words ---- */

static int add(void *host, const struct gabi_word *word, struct gabi_diag *diag)
{
	return gabi_host_add(host, word, diag);
}

static int read_words(struct gabi_host *host, struct gabi_value sections, struct gabi_diag *diag)
{
	struct gabi_word_reader reader = {
		.add = add, .object = host, .arch = gabi_host_arch(host), .vp = GABI_VP_ALL, .manifest = true, .diag = diag,
	};
	const struct gabi_step step = GABI_STEP("words");
	struct gabi_items items = gabi_items_of(sections, NULL);
	const struct gabi_word *words;
	struct gabi_value section;
	struct gabi_slice name;
	size_t count;
	int err = 0;

	while (!err && gabi_items_next(&items, &name, &section))
		err = gabi_read_section(&reader, &step, name, section, &items);
	if (err)
		return err;
	err = gabi_host_seal(host, diag);
	words = gabi_host_words(host, &count);
	return err ? gabi_read_sealed(err, &step, words, count, diag) : 0;
}

/* ---- the document ---- */

static int read_view(struct gabi_value value, enum gabi_view *ret_view, struct gabi_diag *diag)
{
	const struct gabi_step step = GABI_STEP("view");

	for (unsigned view = 0; view < GABI_COUNT_OF(views); view++) {
		if (gabi_slice_is(gabi_value_raw(value), views[view])) {
			*ret_view = view;
			return 0;
		}
	}
	return GABI_LOAD_FAIL(diag, &step, GABI_ERR_SCHEMA, "the view must be \"kvm\", \"guest\", \"cpu\" or \"offer\"");
}

int gabi_host_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	enum { GABI, SCHEMA, ARCH, VIEW, FACTS, COVERS, WORDS, COUNT };
	static const struct gabi_member members[COUNT] = {
		[GABI] = { "gabi", GABI_TYPE_TEXT, true },     [SCHEMA] = { "schema", GABI_TYPE_NUMBER, true },
		[ARCH] = { "arch", GABI_TYPE_TEXT, true },     [VIEW] = { "view", GABI_TYPE_TEXT, true },
		[FACTS] = { "facts", GABI_TYPE_OBJECT, true }, [COVERS] = { "covers", GABI_TYPE_LIST, true },
		[WORDS] = { "words", GABI_TYPE_OBJECT, true },
	};
	const struct gabi_step arch_step = GABI_STEP("arch");
	struct gabi_host *host;
	struct gabi_value root, values[COUNT];
	enum gabi_arch arch = GABI_ARCH_ANY;
	enum gabi_view view = GABI_VIEW_KVM;
	int err = gabi_load(text, len, &root, diag);

	if (!err)
		err = gabi_load_head(root, "host", GABI_HOST_SCHEMA, diag);
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
	err = read_facts(host, values[FACTS], mem, diag);
	if (!err)
		err = read_covers(host, values[COVERS], diag);
	if (!err)
		err = read_words(host, values[WORDS], diag);
	if (err)
		gabi_host_free(host);
	else
		*ret_host = host;
	return err;
}

/* ---- writing ---- */

static bool facts_valid(const struct gabi_host *host)
{
	for (size_t i = 0; i < gabi_facts_count(gabi_host_facts(host)); i++) {
		const char *value, *name = gabi_facts_at(gabi_host_facts(host), i, &value);

		if (!is_fact(name) || !gabi_text_valid(name) || !gabi_text_valid(value))
			return false;
	}
	return true;
}

static void write_facts(struct gabi_json *json, const struct gabi_host *host)
{
	gabi_json_open(json, "facts", '{');
	for (size_t i = 0; i < gabi_facts_count(gabi_host_facts(host)); i++) {
		const char *value, *name = gabi_facts_at(gabi_host_facts(host), i, &value);

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
