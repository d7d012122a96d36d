/* SPDX-License-Identifier: MIT */
/* A manifest out of a file, for tests: the test fails if it cannot be read. */
#ifndef TESTS_MANIFEST_H
#define TESTS_MANIFEST_H

#include <gabi/formats.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

static inline struct gabi_host *read_manifest(const char *directory, const char *file)
{
	static char text[4 << 20];
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	char path[1024];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	in = fopen(path, "rb");
	assert_non_null(in);
	len = fread(text, 1, sizeof(text), in);
	fclose(in);
	if (gabi_host_read(text, len, NULL, &host, &diag))
		fail_msg("%s: %s %s", file, diag.where, diag.text);
	return host;
}

#endif
