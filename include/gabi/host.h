/* SPDX-License-Identifier: MIT */
/*
 * A host manifest: everything one host's KVM, or one VMM, can offer a guest.
 *
 * Built word by word, by a reader (gabi/formats.h), by the probe (gabi/kvm.h) or by an embedder; then only read. A
 * manifest that is no longer changed may be read from any number of threads.
 */
#ifndef GABI_HOST_H
#define GABI_HOST_H

#include <gabi/err.h>
#include <gabi/facts.h>
#include <gabi/mem.h>
#include <gabi/word.h>

GABI_BEGIN

struct gabi_host;

#define GABI_HOST_SCHEMA 1 /* the newest schema of the file form that this version writes and reads */

/* What the source of a manifest could see. What it could not see is unknown, never absent. */
enum gabi_view {
	GABI_VIEW_KVM,   /* what KVM offers: exact */
	GABI_VIEW_GUEST, /* what a guest saw: the host offers at least that */
	GABI_VIEW_CPU,   /* what the bare CPU has: the host offers at most that, save what KVM emulates */
	GABI_VIEW_OFFER, /* what a VMM itself provides: exact, to be laid over a host */
};

/* mem NULL: malloc and free. NULL only if memory is short. */
GABI_API struct gabi_host *gabi_host_new(enum gabi_arch arch, enum gabi_view view, const struct gabi_mem *mem);
GABI_API void gabi_host_free(struct gabi_host *host); /* NULL is fine */

GABI_API enum gabi_arch gabi_host_arch(const struct gabi_host *host);
GABI_API enum gabi_view gabi_host_view(const struct gabi_host *host);

/* Adds a word. Words may come in any order; the same key twice is GABI_ERR_DUPLICATE, found by gabi_host_seal. */
GABI_API int gabi_host_add(struct gabi_host *host, const struct gabi_word *word, struct gabi_diag *diag);

/* Says that the source saw all words of that space, so that a word which is not listed is absent. Without it, a word
 * of the space that is not listed is unknown. */
GABI_API int gabi_host_cover(struct gabi_host *host, unsigned space);
GABI_API int gabi_host_covers(const struct gabi_host *host, unsigned space); /* 1 or 0 */

/* Sets a fact about the host, replacing one of that name. Copied. Names are those of gabi/fact.def, or
 * "module.<module>.<parameter>". */
GABI_API int gabi_host_set_fact(struct gabi_host *host, const char *name, const char *value, struct gabi_diag *diag);
GABI_API const char *gabi_host_fact(const struct gabi_host *host, const char *name); /* NULL if not known */

/* The kernel release to compare with data/changes (gabi_change_release of the facts); NULL if not known. */
GABI_API const char *gabi_host_release(const struct gabi_host *host);

/* All facts; valid as long as the manifest. */
GABI_API const struct gabi_facts *gabi_host_facts(const struct gabi_host *host);

/* Sorts and checks the words and adds what data/changes says the kernel implies (GABI_WORD_IMPLIED). To be called once,
 * after the last word and fact; every function below and every verdict wants a sealed manifest. */
GABI_API int gabi_host_seal(struct gabi_host *host, struct gabi_diag *diag);

/* The words, sorted by key; valid as long as the manifest. */
GABI_API const struct gabi_word *gabi_host_words(const struct gabi_host *host, size_t *ret_count);
GABI_API const struct gabi_word *gabi_host_find(const struct gabi_host *host, const struct gabi_key *key);

/* The words that were read (not the implied ones) as canonical JSON (RFC 8785), in pieces to sink: the value of "words" in
 * a manifest file. A non-zero return of sink ends the call with that value. */
GABI_API int gabi_host_canonical(const struct gabi_host *host, int (*sink)(void *ctx, const char *text, size_t len), void *ctx);

/* A new manifest: `host` with a VMM's offer laid over it (words of the offer win, marked GABI_WORD_OFFER). Its facts are the
 * host's, and the offer's "provider". */
GABI_API int gabi_host_overlay(const struct gabi_host *host, const struct gabi_host *offer, struct gabi_host **ret_host,
			       struct gabi_diag *diag);

/* A short name for tables: the fact "name", or CPU and kernel. Writes at most cap bytes with a final NUL. */
GABI_API size_t gabi_host_title(const struct gabi_host *host, char *out, size_t cap);

GABI_END
#endif
