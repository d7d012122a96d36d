/* SPDX-License-Identifier: MIT */
/* The caller's allocator. Every object remembers the one that it was made with. */
#ifndef GABI_MEM_H
#define GABI_MEM_H

#include <gabi/api.h>

GABI_BEGIN

struct gabi_mem {
	/* As realloc(3): ptr NULL allocates, len 0 frees and returns NULL. Returning NULL for len > 0 is
	 * "out of memory" and leaves ptr valid. */
	void *(*resize)(void *ctx, void *ptr, size_t len);
	void *ctx;
};

GABI_END
#endif
