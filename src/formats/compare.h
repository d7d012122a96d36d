/* SPDX-License-Identifier: MIT */
/* What an emitted text would give a guest, beside what the contract promises: the gaps. */
#ifndef GABI_FORMATS_COMPARE_H
#define GABI_FORMATS_COMPARE_H

#include "formats/emit.h"

/* Adds a gap for each word but saved state in which the contracts differ; `why` says why a tool cannot have it otherwise. */
void gabi_emit_compare(struct gabi_emission *emission, const struct gabi_contract *given, const char *(*why)(const struct gabi_key *key));

#endif
