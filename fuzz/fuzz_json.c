/* SPDX-License-Identifier: MIT */
/* gabi takes a text as JSON where jansson does, but for what gabi limits (depth) and what jansson does (numbers). */
#include "fuzz.h"

#include "formats/syntax.h"

#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data, *at;
	enum gabi_syntax found = gabi_syntax_check(text, len, &at);
	json_error_t error;
	json_t *root;

	fuzz_expect(at >= text && at <= text + len);
	if (found == GABI_SYNTAX_DEEP)
		return 0;
	if (memchr(text, '\0', len)) { /* jansson 2.14 passes over a bare one between values; RFC 8259 has no place for it */
		fuzz_expect(found != GABI_SYNTAX_GOOD);
		return 0;
	}
	root = json_loadb(text, len, 0, &error);
	if (!root && found == GABI_SYNTAX_GOOD)
		fuzz_expect(json_error_code(&error) == json_error_numeric_overflow);
	if (root) {
		fuzz_expect(found == GABI_SYNTAX_GOOD);
		fuzz_reached();
	}
	json_decref(root);
	return 0;
}
