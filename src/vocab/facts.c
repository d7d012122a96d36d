/* SPDX-License-Identifier: MIT */
#include "vocab/facts.h"

#include <string.h>

/* Where a fact of that name is, or belongs. */
static size_t place(const struct gabi_facts *facts, const char *name, bool *ret_there)
{
	size_t low = 0, high = facts->count;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(facts->at[middle].name, name);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int set(struct gabi_facts *facts, const struct gabi_mem *mem, const char *name, const char *value)
{
	bool there;
	size_t at = place(facts, name, &there);
	char *name_copy = NULL, *value_copy = gabi_mem_copy_text(mem, value);
	void *array = facts->at;

	if (!value_copy)
		goto short_of_memory;
	if (there) {
		gabi_mem_put(mem, facts->at[at].value);
		facts->at[at].value = value_copy;
		return 0;
	}
	name_copy = gabi_mem_copy_text(mem, name);
	if (!name_copy || gabi_mem_room(mem, &array, &facts->cap, facts->count, sizeof(*facts->at)))
		goto short_of_memory;
	facts->at = array;
	memmove(&facts->at[at + 1], &facts->at[at], (facts->count - at) * sizeof(*facts->at));
	facts->at[at] = (struct gabi_fact){ name_copy, value_copy };
	facts->count++;
	return 0;

short_of_memory:
	gabi_mem_put(mem, name_copy);
	gabi_mem_put(mem, value_copy);
	return GABI_ERR_NOMEM;
}

#define KERNEL "kernel."

static void note_kernel(struct gabi_facts *facts)
{
	facts->release = gabi_change_release(gabi_facts_get(facts, KERNEL "release"), gabi_facts_get(facts, KERNEL "build"));
	facts->changes = gabi_changes_in(facts->release);
}

int gabi_facts_set(struct gabi_facts *facts, const struct gabi_mem *mem, const char *name, const char *value)
{
	int err = set(facts, mem, name, value);

	if (!err && !strncmp(name, KERNEL, strlen(KERNEL)))
		note_kernel(facts);
	return err;
}

void gabi_facts_free(struct gabi_facts *facts, const struct gabi_mem *mem)
{
	for (size_t i = 0; i < facts->count; i++) {
		gabi_mem_put(mem, facts->at[i].name);
		gabi_mem_put(mem, facts->at[i].value);
	}
	gabi_mem_put(mem, facts->at);
	*facts = (struct gabi_facts){ 0 };
}

const char *gabi_facts_get(const struct gabi_facts *facts, const char *name)
{
	bool there;
	size_t at = place(facts, name, &there);

	return there ? facts->at[at].value : NULL;
}

size_t gabi_facts_count(const struct gabi_facts *facts)
{
	return facts->count;
}

const char *gabi_facts_at(const struct gabi_facts *facts, size_t at, const char **ret_value)
{
	if (at >= facts->count)
		return NULL;
	*ret_value = facts->at[at].value;
	return facts->at[at].name;
}

const char *gabi_facts_release(const struct gabi_facts *facts)
{
	return facts->release;
}
