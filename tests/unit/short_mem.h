/* SPDX-License-Identifier: MIT */
/*
 * An allocator that runs short at a chosen request, and knows what has not been given back.
 *
 * The usual test is a sweep: fail request 1, 2, 3 ... until the call succeeds, and see each time that the error is
 * "out of memory" and that nothing is left.
 */
#ifndef GABI_TEST_SHORT_MEM_H
#define GABI_TEST_SHORT_MEM_H

#include <gabi/mem.h>

#include <stdbool.h>
#include <stdlib.h>

struct short_mem {
	size_t fail_at;  /* the request that fails, counted from 1; 0: none */
	size_t requests; /* so far */
	size_t live;     /* blocks handed out and not given back */
};

static void *short_resize(void *ctx, void *ptr, size_t len)
{
	struct short_mem *mem = ctx;
	void *got;

	if (len == 0) {
		mem->live -= ptr != NULL;
		free(ptr);
		return NULL;
	}
	if (++mem->requests == mem->fail_at)
		return NULL;
	got = realloc(ptr, len);
	mem->live += got && !ptr;
	return got;
}

static inline struct gabi_mem short_mem_of(struct short_mem *mem)
{
	return (struct gabi_mem){ .resize = short_resize, .ctx = mem };
}

/* Did the call that just ended see the failure? The sweep goes on while it did. */
static inline bool short_mem_hit(const struct short_mem *mem)
{
	return mem->requests >= mem->fail_at;
}

#endif
