/* SPDX-License-Identifier: MIT */
#include "formats/facts.h"
#include "formats/text.h"
#include "formats/words.h"

#include <string.h>

static const char *const views[] = {
	[GABI_VIEW_KVM] = "kvm", [GABI_VIEW_GUEST] = "guest", [GABI_VIEW_CPU] = "cpu", [GABI_VIEW_OFFER] = "offer",
};

static int set_fact(void *host, const char *name, const char *value, struct gabi_diag *diag)
{
	return gabi_host_set_fact(host, name, value, diag);
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
	err = gabi_facts_read(values[FACTS], "facts", gabi_host_facts(host), set_fact, host, mem, diag);
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

	if (!gabi_facts_valid(gabi_host_facts(host)))
		return GABI_ERR_ARG;
	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "gabi", "host");
	gabi_json_uint(&json, "schema", GABI_HOST_SCHEMA);
	gabi_json_text(&json, "arch", gabi_arch_text(gabi_host_arch(host)));
	gabi_json_text(&json, "view", views[gabi_host_view(host)]);
	gabi_facts_write(&json, "facts", gabi_host_facts(host));
	write_covers(&json, host);
	gabi_json_key(&json, "words");
	if (!json.stopped)
		json.stopped = gabi_host_canonical(host, gabi_text_sink, &text);
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}
