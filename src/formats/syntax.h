/* SPDX-License-Identifier: MIT */
/* Is a text JSON? Nothing else: no tree, no memory. */
#ifndef GABI_FORMATS_SYNTAX_H
#define GABI_FORMATS_SYNTAX_H

#include "formats/load.h"

#define GABI_SYNTAX_MAX_DEPTH 64

enum gabi_syntax {
	GABI_SYNTAX_GOOD,
	GABI_SYNTAX_BAD,      /* another character is wanted here */
	GABI_SYNTAX_CUT,      /* the text ends too early */
	GABI_SYNTAX_TRAILING, /* something follows the document */
	GABI_SYNTAX_DEEP,
	GABI_SYNTAX_UTF8,
	GABI_SYNTAX_CONTROL,  /* a bare control character in a text */
	GABI_SYNTAX_ESCAPE,   /* no escape of JSON, or half a surrogate pair */
	GABI_SYNTAX_NUL,
};

/* RFC 8259. *ret_at is where the first error is, one past the end where the text ends too early. */
enum gabi_syntax gabi_syntax_check(const char *text, size_t len, const char **ret_at);

/* Bytes of the UTF-8 character that begins at `at`, before `end`; 0 if none does. */
size_t gabi_utf8_len(const char *at, const char *end);

/* The four hexadecimal digits at `at`; -1 if there are none before `end`. */
int gabi_syntax_hex4(const char *at, const char *end);

#endif
