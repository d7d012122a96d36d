/* SPDX-License-Identifier: MIT */
/*
 * Reading JSON, strictly and without a tree: the text is checked as a whole first, and after that values are places in it.
 * docs/json.md says why this is no library's parser.
 */
#ifndef GABI_FORMATS_LOAD_H
#define GABI_FORMATS_LOAD_H

#include <gabi/formats.h>

#include "base/base.h"

/* Some of the text; not NUL-terminated. */
struct gabi_slice {
	const char *at;
	size_t len;
};

bool gabi_slice_is(struct gabi_slice slice, const char *text);

/* Copies to buf with a final NUL; false if it does not fit. */
bool gabi_slice_copy(struct gabi_slice slice, char *buf, size_t cap);

/* Where a value begins, in a text that gabi_load found well-formed; at NULL: there is none. */
struct gabi_value {
	const char *at;
};

/* A value's first byte tells its type. */
enum gabi_type {
	GABI_TYPE_OBJECT = '{',
	GABI_TYPE_LIST = '[',
	GABI_TYPE_TEXT = '"',
	GABI_TYPE_NUMBER = '0', /* and '-' and the other digits */
	GABI_TYPE_TRUE = 't',
};

/* Checks the text from end to end; an error has line and column. The document is an object or a list. */
int gabi_load(const char *text, size_t len, struct gabi_value *ret_root, struct gabi_diag *diag);

/* The members of an object, or the elements of a list, in their order. Where an element is itself gone through to its end,
 * with its parent's items as `outer`, the parent need not look for that end again. */
struct gabi_items {
	const char *at;    /* the next item; NULL: behind the value */
	const char *value; /* the last one given out */
	struct gabi_items *outer;
	bool keyed;
};
struct gabi_items gabi_items_of(struct gabi_value value, struct gabi_items *outer); /* outer may be NULL */
bool gabi_items_next(struct gabi_items *items, struct gabi_slice *ret_key, struct gabi_value *ret_value);
bool gabi_items_none(struct gabi_value value);

/* What stands between the quotes. Our keys, names and numbers need no escapes, so that an escaped one is another one. */
struct gabi_slice gabi_value_raw(struct gabi_value text);

/* The value as it is written, brackets and all. */
struct gabi_slice gabi_value_all(struct gabi_value value);

/* The text itself, to be freed with mem; NULL if memory is short. */
char *gabi_value_text(struct gabi_value text, const struct gabi_mem *mem);

/* True if the value is a whole number from 0 to UINT32_MAX. */
bool gabi_value_uint(struct gabi_value value, uint32_t *ret_number);

/* ---- errors ---- */

/* One step of a JSON pointer; the chain lies on the C stack of the reader. */
struct gabi_step {
	const struct gabi_step *up;
	struct gabi_slice key; /* at NULL: the element number len of a list */
};

#define GABI_STEP(text) { .key = { text, sizeof(text) - 1 } }

/* Sets diag->where to the pointer that ends with step (NULL: the whole document) and returns err. */
int gabi_load_at(struct gabi_diag *diag, const struct gabi_step *step, int err);

/* Fails at step with the pieces of a sentence. */
#define GABI_LOAD_FAIL(diag, step, err, ...) gabi_load_at(diag, step, gabi_fail(diag, err, __VA_ARGS__, (char *)NULL))

/* ---- forms ---- */

/* Checks that the document is gabi's, of that kind, and of a schema that this version reads. */
int gabi_load_head(struct gabi_value root, const char *kind, unsigned newest, struct gabi_diag *diag);

struct gabi_member {
	const char *key;
	enum gabi_type type;
	bool required;
};

/* Takes an object apart. What is no member, is there twice or has another type is refused. */
int gabi_load_members(struct gabi_value object, const struct gabi_step *step, const struct gabi_member *members, size_t count,
		      struct gabi_value *ret_values, struct gabi_diag *diag);
int gabi_load_type(struct gabi_value value, const struct gabi_step *step, enum gabi_type type, struct gabi_diag *diag);

/* The first member of that name. */
struct gabi_value gabi_load_find(struct gabi_value object, const char *name);

/* "x86" or "arm64". */
int gabi_load_arch(struct gabi_value value, const struct gabi_step *step, enum gabi_arch *ret_arch, struct gabi_diag *diag);

/* Takes "0x" and lower-case hexadecimal digits without a leading zero from the front; false if they are not there or
 * exceed 64 bits. */
bool gabi_load_number(struct gabi_slice *slice, uint64_t *ret_number);

#endif
