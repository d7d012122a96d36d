/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <stdarg.h>
#include <string.h>

static int fail(struct gabi_diag *diag, int err, const struct gabi_key *key, va_list pieces)
{
	struct gabi_out out;

	if (!diag)
		return err;
	memset(diag, 0, sizeof(*diag));
	diag->err = err;
	if (key)
		diag->key = *key;
	out = gabi_out_to(diag->text, sizeof(diag->text));
	for (const char *piece; (piece = va_arg(pieces, const char *));)
		gabi_out_text(&out, piece);
	return err;
}

int gabi_fail(struct gabi_diag *diag, int err, ...)
{
	va_list pieces;

	va_start(pieces, err);
	fail(diag, err, NULL, pieces);
	va_end(pieces);
	return err;
}

int gabi_fail_at(struct gabi_diag *diag, int err, const struct gabi_key *key, ...)
{
	va_list pieces;

	va_start(pieces, key);
	fail(diag, err, key, pieces);
	va_end(pieces);
	return err;
}
