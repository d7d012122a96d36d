/* SPDX-License-Identifier: MIT */
/*
 * QEMU's answer to query-cpu-model-expansion: {"return": {"model": {"name": .., "props": {"avx2": true, "family": 6, ..}}}}, or the model
 * alone. Asked for "host" or "max" with KVM, full, it is what QEMU can give a guest there, by the names that QEMU has.
 */
#include "formats/import.h"
#include "formats/load.h"
#include "formats/offered.h"

#include <string.h>

/* Numbers and texts that a guest sees; the other values are of QEMU itself. */
static const char *const shown[] = { "family", "model", "stepping", "level", "xlevel", "xlevel2", "vendor", "model-id" };

static bool is_shown(struct gabi_slice name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(shown); i++)
		if (gabi_slice_is(name, shown[i]))
			return true;
	return false;
}

/* What can stand in a -cpu argument. */
static bool is_plain(struct gabi_slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] > '~' || strchr(",=\\", text.at[i]))
			return false;
	return text.len;
}

static int add_property(struct gabi_offered *offered, const struct gabi_step *step, struct gabi_value value, struct gabi_diag *diag)
{
	bool text = *value.at == GABI_TYPE_TEXT;
	struct gabi_slice raw = text ? gabi_value_raw(value) : gabi_value_all(value);
	char name[64], copy[64];

	if (!is_plain(step->key) || !gabi_slice_copy(step->key, name, sizeof(name)))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "this is no name of a property of QEMU's");
	if (gabi_slice_is(gabi_value_all(value), "true")) {
		if (strcmp(name, "migratable") && strcmp(name, "check") && strcmp(name, "enforce"))
			gabi_offered_add(offered, name, "on");
	} else if (is_shown(step->key) && raw.len) {
		if (!is_plain(raw) || !gabi_slice_copy(raw, copy, sizeof(copy)))
			return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "this is no value of that property");
		if (strcmp(name, "xlevel2") || strcmp(copy, "0"))
			gabi_offered_add(offered, name, copy);
	}
	return 0;
}

/* The object with "props", in one of its wrappings. */
static struct gabi_value model_of(struct gabi_value root)
{
	struct gabi_value inner = gabi_load_find(root, "return");

	if (inner.at && *inner.at == GABI_TYPE_OBJECT)
		root = inner;
	inner = gabi_load_find(root, "model");
	return inner.at && *inner.at == GABI_TYPE_OBJECT ? inner : root;
}

bool gabi_import_is_qemu(const char *text, size_t len)
{
	struct gabi_value root;

	if (gabi_load(text, len, &root, NULL) || *root.at != GABI_TYPE_OBJECT)
		return false;
	return gabi_load_find(model_of(root), "props").at;
}

int gabi_import_qemu(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem, struct gabi_host **ret_host,
		     struct gabi_diag *diag)
{
	static const struct gabi_step step = GABI_STEP("props");
	struct gabi_step here = { .up = &step };
	struct gabi_offered offered;
	struct gabi_value root, props, value;
	struct gabi_items items;
	int err;

	if (view != GABI_VIEW_GUEST)
		return gabi_fail(diag, GABI_ERR_ARG, "an answer of QEMU is what a guest can be given: view guest", (char *)NULL);
	err = gabi_load(text, len, &root, diag);
	if (!err)
		err = gabi_load_type(root, NULL, GABI_TYPE_OBJECT, diag);
	if (err)
		return err;
	props = gabi_load_find(model_of(root), "props");
	if (!props.at)
		return GABI_LOAD_FAIL(diag, NULL, GABI_ERR_SCHEMA, "this is no answer to query-cpu-model-expansion: it has no \"props\"");
	err = gabi_load_type(props, &step, GABI_TYPE_OBJECT, diag);
	if (err)
		return err;
	if (!gabi_load_find(props, "vendor").at)
		return GABI_LOAD_FAIL(diag, &step, GABI_ERR_SCHEMA, "the answer is of no x86 CPU: of others QEMU tells too little");
	gabi_offered_begin(&offered, "base");
	items = gabi_items_of(props, NULL);
	while (!err && gabi_items_next(&items, &here.key, &value))
		err = add_property(&offered, &here, value, diag);
	return err ? err : gabi_offered_host(&offered, view, "QEMU query-cpu-model-expansion", mem, ret_host, diag);
}
