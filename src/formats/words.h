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
	uint32_t seen; /* bit n: the section of space n was read */
	struct gabi_diag *diag;
};

/* Reads the section `name` of words: "cpuid", "msr", ... */
int gabi_read_section(struct gabi_word_reader *reader, const struct gabi_step *up, struct gabi_slice name,
		      struct gabi_value section, struct gabi_items *outer);

/* Writes the key of a register's member in its section: "0x7.0x0", "0x10a", "tsc-khz". */
void gabi_key_member(struct gabi_out *out, const struct gabi_key *key);

/* What sealing said, with a pointer to the word that is there twice: up is where the sections are. */
int gabi_read_sealed(int err, const struct gabi_step *up, const struct gabi_word *words, size_t count, struct gabi_diag *diag);

#endif
