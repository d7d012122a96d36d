/* SPDX-License-Identifier: MIT */
/* The keeping of facts, for those who own some. */
#ifndef GABI_VOCAB_FACTS_H
#define GABI_VOCAB_FACTS_H

#include <gabi/facts.h>

#include "base/base.h"
#include "vocab/change.h"

struct gabi_fact {
	char *name, *value;
};

struct gabi_facts {
	struct gabi_fact *at; /* sorted by name */
	size_t count, cap;
	const char *release; /* the one that tells what was backported: a fact's value */
	struct gabi_changes_had changes; /* what that kernel has: asked for by every question, and dear to find out */
};

/* Sets a fact, replacing one of that name. Copied. */
int gabi_facts_set(struct gabi_facts *facts, const struct gabi_mem *mem, const char *name, const char *value);
void gabi_facts_free(struct gabi_facts *facts, const struct gabi_mem *mem);

#endif
