/* SPDX-License-Identifier: MIT */
/* A file as a whole, for tests over real ones. */
#ifndef TESTS_FILE_H
#define TESTS_FILE_H

#include <stddef.h>
#include <stdio.h>

/* Valid until the next call; NULL: it cannot be read. */
static inline const char *read_file(const char *directory, const char *name, size_t *ret_len)
{
	static char text[4 << 20];
	char path[1024];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	in = fopen(path, "rb");
	if (!in)
		return NULL;
	*ret_len = fread(text, 1, sizeof(text), in);
	fclose(in);
	return text;
}

#endif
