/* SPDX-License-Identifier: MIT */
/* What the writers of gabi/emit.def share: a text that grows, gaps and notes. The first error stays, and what comes after it
 * does nothing, so that a writer looks at none. */
#ifndef GABI_FORMATS_EMIT_H
#define GABI_FORMATS_EMIT_H

#include <gabi/emit.h>

#include "base/base.h"

struct gabi_emission {
	struct gabi_mem mem;
	const struct gabi_contract *contract; /* NULL where the format is not made of one */
	const struct gabi_host *host;
	struct gabi_diag *diag;
	char *text;
	struct gabi_emit_gap *gaps;
	char **notes;
	size_t len, cap, gap_count, gap_cap, note_count, note_cap;
	int err;
};

void gabi_emit_text(struct gabi_emission *emission, const char *text);
void gabi_emit_hex(struct gabi_emission *emission, uint64_t value); /* "0x1f" */
void gabi_emit_dec(struct gabi_emission *emission, uint64_t value);
void gabi_emit_gap(struct gabi_emission *emission, const struct gabi_emit_gap *gap);
void gabi_emit_note(struct gabi_emission *emission, const char *text);

/* A sink of gabi_json and of other writers. */
int gabi_emit_sink(void *emission, const char *piece, size_t len);

/* Fails; with one sentence, as gabi_fail. */
#define gabi_emit_fail(emission, number, ...) ((emission)->err = gabi_fail((emission)->diag, number, __VA_ARGS__, (char *)NULL))

/* One a row: appends all of its text. */
#define GABI_EMIT_ROW(name, text, of, what) void gabi_emit_##text(struct gabi_emission *emission);
#include <gabi/emit.def>

#endif
