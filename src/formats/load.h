/* SPDX-License-Identifier: MIT */
/* What all JSON readers share: loading, where an error is, members, numbers. */
#ifndef GABI_FORMATS_LOAD_H
#define GABI_FORMATS_LOAD_H

#include <gabi/formats.h>

#include "base/base.h"

#include <jansson.h>

/* One step of a JSON pointer; the chain lies on the C stack of the reader. */
struct gabi_step {
	const struct gabi_step *up;
	const char *key; /* NULL: the element `at` of a list */
	size_t at;
};

/* Sets diag->where to the pointer that ends with step (NULL: the whole document) and returns err. */
int gabi_load_at(struct gabi_diag *diag, const struct gabi_step *step, int err);

/* Fails at step with the pieces of a sentence. */
#define GABI_LOAD_FAIL(diag, step, err, ...) gabi_load_at(diag, step, gabi_fail(diag, err, __VA_ARGS__, (char *)NULL))

/* A reference to the document, or an error with line and column. */
int gabi_load(const char *text, size_t len, json_t **ret_root, struct gabi_diag *diag);

/* Checks that the document is gabi's, of that kind, and of a schema that this version reads. */
int gabi_load_head(json_t *root, const char *kind, unsigned newest, struct gabi_diag *diag);

struct gabi_member {
	const char *key;
	json_type type;
	bool required;
};

/* Takes an object apart: borrowed references to ret_values[], NULL for a member that is not there. What is no member or
 * has another type is refused. */
int gabi_load_members(json_t *object, const struct gabi_step *step, const struct gabi_member *members, size_t count,
		      json_t **ret_values, struct gabi_diag *diag);
int gabi_load_type(json_t *value, const struct gabi_step *step, json_type type, struct gabi_diag *diag);

/* "x86" or "arm64". */
int gabi_load_arch(json_t *value, const struct gabi_step *step, enum gabi_arch *ret_arch, struct gabi_diag *diag);

/* Reads "0x" and lower-case hexadecimal digits without a leading zero; NULL if the text does not begin so or the number
 * exceeds 64 bits, else where it ends. */
const char *gabi_load_number(const char *text, uint64_t *ret_number);

#endif
