/* SPDX-License-Identifier: MIT */
/* A connected socket as a pipe of a stream, whose other side may be slow, silent or gone. */
#ifndef GABI_VMM_LINK_H
#define GABI_VMM_LINK_H

#include "stream.h"

#include <stdatomic.h>

enum { VMM_LINK_PATIENCE_MS = 30000 };

struct vmm_link {
	int socket;            /* the caller's */
	unsigned patience_ms;  /* so long nothing may move */
	/* Each ends it soon when it becomes true; may be NULL. */
	const atomic_bool *cancelled, *ended;
	uint64_t end_ms; /* of the monotonic clock: when nothing more is waited for, though something moves. 0: never */
};

/* Errors: GABI_ERR_IO, with errno where there is one; GABI_ERR_CONFLICT: cancelled or ended. */
struct vmm_pipe vmm_link_pipe(struct vmm_link *link);

/* Has the other side said something, or gone? */
bool vmm_link_has_word(const struct vmm_link *link);

/* Nothing more is said. */
void vmm_link_fall_silent(const struct vmm_link *link);

/* The same, and waits a moment for the other side to hear what was, and to close. */
void vmm_link_hang_up(const struct vmm_link *link);

#endif
