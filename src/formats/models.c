/* SPDX-License-Identifier: MIT */
/* Models of a user's own; data/schema/models.schema.json. */
#include "formats/load.h"

#include <string.h>

enum { NAME, PARENT, MODEL_ID, CHANGES, ROW_COUNT };

/* The row's texts, after one another in a buffer. */
struct row {
	char *at[ROW_COUNT];
	const struct gabi_mem *mem;
};

static void free_row(struct row *row)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		gabi_text_free(row->at[i], row->mem);
}

/* The list of texts as one, with blanks between them; *ret_text is allocated whatever comes. */
static int join(struct gabi_value list, const struct gabi_step *step, const struct gabi_mem *mem, char **ret_text, struct gabi_diag *diag)
{
	struct gabi_step here = { .up = step };
	struct gabi_items items = gabi_items_of(list, NULL);
	struct gabi_value value;
	struct gabi_slice key;
	struct gabi_out out;

	*ret_text = gabi_mem_get(mem, gabi_value_all(list).len + 1);
	if (!*ret_text)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	out = gabi_out_to(*ret_text, gabi_value_all(list).len + 1);
	for (; gabi_items_next(&items, &key, &value); here.key.len++) {
		struct gabi_slice text;
		int err = gabi_load_type(value, &here, GABI_TYPE_TEXT, diag);

		if (err)
			return err;
		text = gabi_value_raw(value);
		if (!text.len || memchr(text.at, ' ', text.len) || memchr(text.at, '\\', text.len))
			return GABI_LOAD_FAIL(diag, &here, GABI_ERR_SYNTAX, "a change is \"name\", \"-name\" or \"name=value\", without blanks");
		if (out.len)
			gabi_out_char(&out, ' ');
		gabi_out_bytes(&out, text.at, text.len);
	}
	return 0;
}

static int read_row(struct row *row, const struct gabi_value *values, const struct gabi_step *step, struct gabi_diag *diag)
{
	const struct gabi_step changes = { .up = step, .key = { "changes", 7 } };

	for (size_t i = 0; i < CHANGES; i++) {
		row->at[i] = values[i].at ? gabi_value_text(values[i], row->mem) : gabi_mem_copy_text(row->mem, "");
		if (!row->at[i])
			return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	return join(values[CHANGES], &changes, row->mem, &row->at[CHANGES], diag);
}

static int read_model(struct gabi_value model, const struct gabi_step *step, const struct gabi_mem *mem, struct gabi_model_set *set,
		      struct gabi_diag *diag)
{
	static const struct gabi_member members[ROW_COUNT] = {
		[NAME] = { "name", GABI_TYPE_TEXT, true },
		[PARENT] = { "parent", GABI_TYPE_TEXT, true },
		[MODEL_ID] = { "model-id", GABI_TYPE_TEXT, false },
		[CHANGES] = { "changes", GABI_TYPE_LIST, true },
	};
	struct gabi_value values[ROW_COUNT];
	struct row row = { .mem = mem };
	int err = gabi_load_type(model, step, GABI_TYPE_OBJECT, diag);

	if (!err)
		err = gabi_load_members(model, step, members, ROW_COUNT, values, diag);
	if (err)
		return err;
	err = read_row(&row, values, step, diag);
	if (!err) {
		const struct gabi_model added = { .name = row.at[NAME], .parent = row.at[PARENT], .changes = row.at[CHANGES],
						  .model_id = row.at[MODEL_ID] };

		err = gabi_model_set_add(set, &added, diag);
		if (err)
			gabi_load_at(diag, step, err);
	}
	free_row(&row);
	return err;
}

int gabi_models_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_model_set *set, struct gabi_diag *diag)
{
	static const struct gabi_member members[] = {
		{ "gabi", GABI_TYPE_TEXT, true }, { "schema", GABI_TYPE_NUMBER, true }, { "models", GABI_TYPE_LIST, true },
	};
	const struct gabi_mem own = gabi_mem_or_default(mem);
	const struct gabi_step step = GABI_STEP("models");
	struct gabi_step here = { .up = &step };
	struct gabi_value root, model, values[GABI_COUNT_OF(members)];
	struct gabi_items items;
	struct gabi_slice key;
	int err = gabi_load(text, len, &root, diag);

	if (!err)
		err = gabi_load_head(root, "models", GABI_MODELS_SCHEMA, diag);
	if (!err)
		err = gabi_load_members(root, NULL, members, GABI_COUNT_OF(members), values, diag);
	if (err)
		return err;
	items = gabi_items_of(values[2], NULL);
	for (; !err && gabi_items_next(&items, &key, &model); here.key.len++)
		err = read_model(model, &here, &own, set, diag);
	return err;
}
