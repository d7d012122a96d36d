/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <stdlib.h>
#include <string.h>

static void *default_resize(void *ctx, void *ptr, size_t len)
{
	(void)ctx;
	if (len == 0) {
		free(ptr);
		return NULL;
	}
	return realloc(ptr, len);
}

struct gabi_mem gabi_mem_or_default(const struct gabi_mem *mem)
{
	return mem ? *mem : (struct gabi_mem){ .resize = default_resize };
}

void *gabi_mem_get(const struct gabi_mem *mem, size_t len)
{
	void *ptr = mem->resize(mem->ctx, NULL, len);

	return ptr ? memset(ptr, 0, len) : NULL;
}

void gabi_mem_put(const struct gabi_mem *mem, void *ptr)
{
	if (ptr)
		mem->resize(mem->ctx, ptr, 0);
}

char *gabi_mem_copy_text(const struct gabi_mem *mem, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = gabi_mem_get(mem, len);

	return copy ? memcpy(copy, text, len) : NULL;
}

int gabi_mem_room(const struct gabi_mem *mem, void **array, size_t *cap, size_t count, size_t size)
{
	size_t wanted = *cap ? *cap * 2 : 16;
	void *grown;

	if (count < *cap)
		return 0;
	if (wanted > SIZE_MAX / size)
		return GABI_ERR_NOMEM;
	grown = mem->resize(mem->ctx, *array, wanted * size);
	if (!grown)
		return GABI_ERR_NOMEM;
	*array = grown;
	*cap = wanted;
	return 0;
}
