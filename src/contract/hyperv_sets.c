/* SPDX-License-Identifier: MIT */
#include "contract/hyperv_sets.h"

#include "contract/cpu.h"

#include <string.h>

static const struct gabi_hyperv_set sets[] = {
#define GABI_HYPERV_SET_ROW(set, seen, list) { .name = set, .flags = list, .source = seen },
#include <models/hyperv.def>
};

const struct gabi_hyperv_set *gabi_hyperv_sets(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(sets);
	return sets;
}

static const struct gabi_hyperv_set *find(const char *name, size_t len)
{
	for (size_t i = 0; i < GABI_COUNT_OF(sets); i++)
		if (strlen(sets[i].name) == len && !memcmp(sets[i].name, name, len))
			return &sets[i];
	return NULL;
}

const struct gabi_hyperv_set *gabi_hyperv_set_find(const char *name)
{
	return find(name, strlen(name));
}

/* "name=on" and not "+name": a flag that is taken away behind it is off. */
void gabi_hyperv_set_out(struct gabi_out *out, const struct gabi_hyperv_set *set)
{
	for (const char *at = set->flags; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		gabi_out_char(out, ',');
		gabi_out_bytes(out, at, len);
		if (!memchr(at, '=', len))
			gabi_out_text(out, "=on");
		at += len;
	}
}

/* The set is not one switch: turning it off could mean its flags, or those that were on before. */
static int no_switch(const struct gabi_hyperv_set *set, struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_RANGE, "\"", set->name, "\" stands for several Hyper-V flags and can only be added, as its name alone; take flags away "
			 "by their own names", (char *)NULL);
}

static int out_item(struct gabi_out *out, const char *item, size_t len, struct gabi_diag *diag)
{
	bool sign = len && (*item == '+' || *item == '-');
	const char *equals = memchr(item, '=', len);
	const struct gabi_hyperv_set *set = find(item + sign, (equals ? (size_t)(equals - item) : len) - sign);
	bool on = !equals || (len == (size_t)(equals - item) + 3 && !memcmp(equals, "=on", 3));

	if (!set) {
		gabi_out_char(out, ',');
		gabi_out_bytes(out, item, len);
		return 0;
	}
	if (sign || !on)
		return no_switch(set, diag);
	gabi_hyperv_set_out(out, set);
	return 0;
}

int gabi_hyperv_sets_out_items(struct gabi_out *out, const char *items, size_t len, struct gabi_diag *diag)
{
	const char *end = items + len;
	int err = 0;

	while (!err && items < end) { /* at a comma */
		const char *item = items + 1;

		items = memchr(item, ',', (size_t)(end - item));
		items = items ? items : end;
		err = out_item(out, item, (size_t)(items - item), diag);
	}
	return err;
}
