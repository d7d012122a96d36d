/* SPDX-License-Identifier: MIT */
/* What all writers share: a text that grows, and the layout of our files. */
#ifndef GABI_FORMATS_TEXT_H
#define GABI_FORMATS_TEXT_H

#include <gabi/formats.h>

#include "base/base.h"
#include "base/json.h"

/* Canonical JSON goes in, lines come out: what lies above depth `flat` has a line for each item, what lies below is on its
 * parent's line. */
struct gabi_text {
	struct gabi_mem mem;
	char *at;
	size_t len, cap;
	unsigned depth, flat;
	bool opened, in_text, escaped;
};

int gabi_text_sink(void *text, const char *piece, size_t len);

/* Ends the text: hands it over, or frees it where err says that writing failed. */
int gabi_text_finish(struct gabi_text *text, int err, char **ret_text, size_t *ret_len);

/* UTF-8, as every text in JSON must be. */
bool gabi_text_valid(const char *text);

#endif
