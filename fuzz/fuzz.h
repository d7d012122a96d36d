/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. A target is a file fuzz_<name>.c with LLVMFuzzerTestOneInput alone and a folder
 * corpus/<name>; libFuzzer links it under clang, replay.c under any compiler, as a test over the corpus.
 *
 * A target holds a property against what its parser took. It says so each time with fuzz_reached(), so that a target whose
 * inputs are all refused is seen to test nothing: its replay fails.
 */
#ifndef GABI_FUZZ_H
#define GABI_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

void fuzz_reached(void);
unsigned long fuzz_reached_count(void);

/* A target that holds several laws lists them, up to one without a name, and counts where it came to each: a law that no
 * input of the corpus reaches fails the replay too. */
struct fuzz_law {
	const char *what;
	unsigned long reached;
};
extern struct fuzz_law fuzz_laws[];

/* The property: prints what was expected and aborts. */
#define fuzz_expect(condition) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line);

#endif
