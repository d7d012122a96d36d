/* SPDX-License-Identifier: MIT */
/*
 * Facts: what is known of a host beside its words, as names and values. They never decide a verdict; they say who caused
 * a difference.
 */
#ifndef GABI_FACTS_H
#define GABI_FACTS_H

#include <gabi/api.h>

GABI_BEGIN

/* A set of facts, owned by the manifest or contract that it belongs to. Names are those of gabi/fact.def, or
 * "module.<module>.<parameter>". */
struct gabi_facts;

/* The value of that name; NULL if it is not known. */
GABI_API const char *gabi_facts_get(const struct gabi_facts *facts, const char *name);

/* In order of name; at < count. */
GABI_API size_t gabi_facts_count(const struct gabi_facts *facts);
GABI_API const char *gabi_facts_at(const struct gabi_facts *facts, size_t at, const char **ret_value);

GABI_END
#endif
