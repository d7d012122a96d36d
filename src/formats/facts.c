/* SPDX-License-Identifier: MIT */
#include "formats/facts.h"

#include <string.h>

#define MAX_FACTS 4096 /* a kernel with all its modules has some hundred parameters */

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

bool gabi_facts_valid(const struct gabi_facts *facts)
{
	for (size_t i = 0; i < gabi_facts_count(facts); i++) {
		const char *value, *name = gabi_facts_at(facts, i, &value);

		if (!is_fact(name) || !gabi_text_valid(name) || !gabi_text_valid(value))
			return false;
	}
	return true;
}

static int read_fact(const struct gabi_step *step, struct gabi_value value, const struct gabi_facts *facts, gabi_fact_setter *set,
		     void *owner, const struct gabi_mem *mem, struct gabi_diag *diag)
{
	int err = gabi_load_type(value, step, GABI_TYPE_TEXT, diag);
	char name[128], *text;

	if (err)
		return err;
	if (!gabi_slice_copy(step->key, name, sizeof(name)) || !is_fact(name))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "no fact of that name is known");
	if (gabi_facts_get(facts, name))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_DUPLICATE, "the fact is there twice");
	text = gabi_value_text(value, mem);
	if (!text)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = set(owner, name, text, diag);
	gabi_text_free(text, mem);
	return err;
}

int gabi_facts_read(struct gabi_value object, const char *member, const struct gabi_facts *facts, gabi_fact_setter *set, void *owner,
		    const struct gabi_mem *mem, struct gabi_diag *diag)
{
	const struct gabi_step up = { .key = { member, strlen(member) } };
	struct gabi_step step = { .up = &up };
	struct gabi_items items = gabi_items_of(object, NULL);
	struct gabi_value value;
	int err = 0;

	while (!err && gabi_items_next(&items, &step.key, &value)) {
		if (gabi_facts_count(facts) == MAX_FACTS)
			return GABI_LOAD_FAIL(diag, &up, GABI_ERR_LIMIT, "the file lists more facts than gabi takes");
		err = read_fact(&step, value, facts, set, owner, mem, diag);
	}
	return err;
}

void gabi_facts_write(struct gabi_json *json, const char *member, const struct gabi_facts *facts)
{
	gabi_json_open(json, member, '{');
	for (size_t i = 0; i < gabi_facts_count(facts); i++) {
		const char *value, *name = gabi_facts_at(facts, i, &value);

		gabi_json_text(json, name, value);
	}
	gabi_json_close(json, '}');
}
