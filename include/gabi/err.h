/* SPDX-License-Identifier: MIT */
/*
 * Errors and diagnostics.
 *
 * A function that can fail returns zero (or a count) on success and a negative enum gabi_err on failure; its
 * outputs are then untouched. A verdict ("does not fit") is a result and never an error.
 */
#ifndef GABI_ERR_H
#define GABI_ERR_H

#include <gabi/api.h>
#include <gabi/word.h>

GABI_BEGIN

enum gabi_err {
#define GABI_ERR_ROW(name, number, text) GABI_ERR_##name = -(number),
#include <gabi/err.def>
};

/* Why a call failed. The caller's storage; pass NULL where the reason does not matter. */
struct gabi_diag {
	int err;             /* enum gabi_err */
	int sys_errno;       /* errno where the kernel refused, else 0 */
	uint32_t line;       /* 1-based position in a text, 0 where none applies */
	uint32_t column;     /* 1-based, in bytes */
	struct gabi_key key; /* the word it is about; space GABI_SPACE_NONE where none applies */
	char where[160];     /* JSON pointer, file or field name; may be empty */
	char text[320];      /* one sentence: what is wrong and what to do, without `where` and the position */
};

/* "out of memory" and the like; a number that is not an error gives "no error". Never NULL. */
GABI_API const char *gabi_err_text(int err);

/* "GABI_ERR_NOMEM" and the like, or "0". Never NULL. */
GABI_API const char *gabi_err_name(int err);

GABI_END
#endif
