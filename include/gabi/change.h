/* SPDX-License-Identifier: MIT */
/*
 * What kernel releases changed that guests can see: the rows of data/changes.
 *
 * They never decide by themselves whether a contract fits; they explain a difference, and they say what a kernel does
 * where no register shows it.
 */
#ifndef GABI_CHANGE_H
#define GABI_CHANGE_H

#include <gabi/facts.h>
#include <gabi/word.h>

GABI_BEGIN

struct gabi_change {
	const char *id;      /* stable: "arm64_fw_bitmaps" */
	const char *release; /* first mainline release that has it, "6.0" */
	const char *also;    /* stable releases that have it too, "5.10.230 5.15.173"; "" if none is known */
	const char *what;    /* one sentence */
	const char *source;  /* commit, file and line, or the measurement */
	uint8_t arch;        /* enum gabi_arch */
};

GABI_API const struct gabi_change *gabi_changes(size_t *ret_count);

/* Which of a kernel's two version texts to compare by: uname -r, unless it hides the stable release that the distribution's
 * package version tells ("6.1.0-50-amd64" is "6.1.176-1"). Either may be NULL; NULL if release is. */
GABI_API const char *gabi_change_release(const char *release, const char *build);

/* The same of a host's facts; NULL if they do not tell. */
GABI_API const char *gabi_facts_release(const struct gabi_facts *facts);

/* 1 if a kernel of that release ("6.1.176-1") has the change, 0 if not, -1 if the release does not tell: it cannot be read,
 * hides its stable release and the change was backported, or is of a distribution that carries whole subsystems back. */
GABI_API int gabi_change_in(const struct gabi_change *change, const char *release);

/* 1 if a kernel that has the change offers less than one before, 0 if more, or other. */
GABI_API int gabi_change_takes_away(const struct gabi_change *change);

/* 1 if the change touches any of these bits of the word. */
GABI_API int gabi_change_touches(const struct gabi_change *change, const struct gabi_key *key, uint64_t bits);

/* The change that explains why these bits of a word differ between two kernels; NULL if no row does. */
GABI_API const struct gabi_change *gabi_change_between(enum gabi_arch arch, const char *release_a, const char *release_b,
						       const struct gabi_key *key, uint64_t bits);

/* A word that a kernel of that release does not list, and how it behaves instead. Calls back for each; stops at and
 * returns a non-zero result. */
GABI_API int gabi_change_implied(enum gabi_arch arch, const char *release,
				 int (*found)(void *ctx, const struct gabi_word *word, const struct gabi_change *change), void *ctx);

GABI_END
#endif
