/* SPDX-License-Identifier: MIT */
/* Facts in JSON: an object of texts, in manifests and contracts alike. */
#ifndef GABI_FORMATS_FACTS_H
#define GABI_FORMATS_FACTS_H

#include <gabi/facts.h>

#include "formats/text.h"
#include "formats/words.h"

typedef int gabi_fact_setter(void *owner, const char *name, const char *value, struct gabi_diag *diag);

/* Reads the object, the value of `member`, by way of set; `facts` are the owner's, to find what is there twice. */
int gabi_facts_read(struct gabi_value object, const char *member, const struct gabi_facts *facts, gabi_fact_setter *set, void *owner,
		    const struct gabi_mem *mem, struct gabi_diag *diag);

/* Can they be written: known names, texts of UTF-8? */
bool gabi_facts_valid(const struct gabi_facts *facts);
void gabi_facts_write(struct gabi_json *json, const char *member, const struct gabi_facts *facts);

#endif
