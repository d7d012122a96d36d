/* SPDX-License-Identifier: MIT */
/* A manifest out of a file, for tests: the test fails if it cannot be read. */
#ifndef TESTS_MANIFEST_H
#define TESTS_MANIFEST_H

#include <gabi/formats.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "file.h"

static inline struct gabi_host *read_manifest(const char *directory, const char *file)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	size_t len = 0;
	const char *text = read_file(directory, file, &len);

	assert_non_null(text);
	if (gabi_host_read(text, len, NULL, &host, &diag))
		fail_msg("%s: %s %s", file, diag.where, diag.text);
	return host;
}

#endif
