/* SPDX-License-Identifier: MIT */
/* Reading words: the sections of manifests and contracts. */
#ifndef GABI_FORMATS_WORDS_H
#define GABI_FORMATS_WORDS_H

#include "formats/load.h"

struct gabi_word_reader {
	int (*add)(void *object, const struct gabi_word *word, struct gabi_diag *diag);
	void *object;
	enum gabi_arch arch;
	unsigned vp;
	bool manifest; /* values may be objects that say what is settable */
	size_t count;  /* words read so far */
	struct gabi_diag *diag;
};

/* Reads the section `name` of words: "cpuid", "msr", ... */
int gabi_read_section(struct gabi_word_reader *reader, const struct gabi_step *up, const char *name, json_t *section);

#endif
