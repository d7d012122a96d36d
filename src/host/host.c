/* SPDX-License-Identifier: MIT */
#include <gabi/host.h>

#include <gabi/change.h>

#include "base/base.h"

#include <string.h>

struct fact {
	char *name, *value;
};

struct gabi_host {
	struct gabi_mem mem;
	enum gabi_arch arch;
	enum gabi_view view;
	bool sealed;
	uint8_t covers[GABI_SPACE_COUNT];
	struct gabi_words words;
	struct fact *facts; /* sorted by name */
	size_t fact_count, fact_cap;
	const char *release; /* the one that tells what was backported: a fact's value. Every finding asks for it */
};

struct gabi_host *gabi_host_new(enum gabi_arch arch, enum gabi_view view, const struct gabi_mem *mem)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_host *host = gabi_mem_get(&own, sizeof(*host));

	if (!host)
		return NULL;
	host->mem = own;
	host->arch = arch;
	host->view = view;
	return host;
}

void gabi_host_free(struct gabi_host *host)
{
	if (!host)
		return;
	for (size_t i = 0; i < host->fact_count; i++) {
		gabi_mem_put(&host->mem, host->facts[i].name);
		gabi_mem_put(&host->mem, host->facts[i].value);
	}
	gabi_mem_put(&host->mem, host->facts);
	gabi_words_free(&host->words, &host->mem);
	gabi_mem_put(&host->mem, host);
}

enum gabi_arch gabi_host_arch(const struct gabi_host *host)
{
	return host->arch;
}

enum gabi_view gabi_host_view(const struct gabi_host *host)
{
	return host->view;
}

int gabi_host_add(struct gabi_host *host, const struct gabi_word *word, struct gabi_diag *diag)
{
	enum gabi_arch arch = gabi_space_arch(word->key.space);
	int err = gabi_word_valid(word, diag);

	if (err)
		return err;
	if (arch != GABI_ARCH_ANY && arch != host->arch)
		return gabi_fail_at(diag, GABI_ERR_ARCH, &word->key, "the word is not of the manifest's architecture", (char *)NULL);
	if (word->vp != GABI_VP_ALL)
		return gabi_fail_at(diag, GABI_ERR_ARG, &word->key, "a manifest has no words for one virtual processor", (char *)NULL);
	if (gabi_words_add(&host->words, &host->mem, word))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	host->sealed = false;
	return 0;
}

int gabi_host_cover(struct gabi_host *host, unsigned space)
{
	if (space == GABI_SPACE_NONE || space >= GABI_SPACE_COUNT)
		return GABI_ERR_ARG;
	host->covers[space] = 1;
	return 0;
}

int gabi_host_covers(const struct gabi_host *host, unsigned space)
{
	return space < GABI_SPACE_COUNT && host->covers[space];
}

/* Where a fact of that name is, or belongs. */
static size_t fact_place(const struct gabi_host *host, const char *name, bool *ret_there)
{
	size_t low = 0, high = host->fact_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(host->facts[middle].name, name);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_there = false;
	return low;
}

static int set_fact(struct gabi_host *host, const char *name, const char *value, struct gabi_diag *diag)
{
	bool there;
	size_t at = fact_place(host, name, &there);
	char *name_copy = NULL, *value_copy = gabi_mem_copy_text(&host->mem, value);
	void *facts = host->facts;

	if (!value_copy)
		goto short_of_memory;
	if (there) {
		gabi_mem_put(&host->mem, host->facts[at].value);
		host->facts[at].value = value_copy;
		return 0;
	}
	name_copy = gabi_mem_copy_text(&host->mem, name);
	if (!name_copy || gabi_mem_room(&host->mem, &facts, &host->fact_cap, host->fact_count, sizeof(*host->facts)))
		goto short_of_memory;
	host->facts = facts;
	memmove(&host->facts[at + 1], &host->facts[at], (host->fact_count - at) * sizeof(*host->facts));
	host->facts[at] = (struct fact){ name_copy, value_copy };
	host->fact_count++;
	return 0;

short_of_memory:
	gabi_mem_put(&host->mem, name_copy);
	gabi_mem_put(&host->mem, value_copy);
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

int gabi_host_set_fact(struct gabi_host *host, const char *name, const char *value, struct gabi_diag *diag)
{
	int err = set_fact(host, name, value, diag);

	if (!err)
		host->release = gabi_change_release(gabi_host_fact(host, "kernel.release"), gabi_host_fact(host, "kernel.build"));
	return err;
}

const char *gabi_host_fact(const struct gabi_host *host, const char *name)
{
	bool there;
	size_t at = fact_place(host, name, &there);

	return there ? host->facts[at].value : NULL;
}

const char *gabi_host_release(const struct gabi_host *host)
{
	return host->release;
}

size_t gabi_host_fact_count(const struct gabi_host *host)
{
	return host->fact_count;
}

const char *gabi_host_fact_at(const struct gabi_host *host, size_t at, const char **ret_value)
{
	if (at >= host->fact_count)
		return NULL;
	*ret_value = host->facts[at].value;
	return host->facts[at].name;
}

static int add_implied(void *ctx, const struct gabi_word *word, const struct gabi_change *change)
{
	struct gabi_host *host = ctx;

	(void)change;
	/* What the kernel lists, it does not imply; the words are sorted when this runs. */
	for (size_t i = 0; i < host->words.count; i++)
		if (!gabi_key_compare(&host->words.at[i].key, &word->key))
			return 0;
	return gabi_words_add(&host->words, &host->mem, word);
}

int gabi_host_seal(struct gabi_host *host, struct gabi_diag *diag)
{
	const char *release = gabi_host_release(host);
	int err = gabi_words_sort(&host->words, diag);

	if (err || host->sealed)
		return err;
	if (release && host->view == GABI_VIEW_KVM &&
	    gabi_change_implied(host->arch, release, add_implied, host))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = gabi_words_sort(&host->words, diag);
	if (!err)
		host->sealed = true;
	return err;
}

const struct gabi_word *gabi_host_words(const struct gabi_host *host, size_t *ret_count)
{
	*ret_count = host->words.count;
	return host->words.at;
}

const struct gabi_word *gabi_host_find(const struct gabi_host *host, const struct gabi_key *key)
{
	return gabi_words_find(&host->words, key, GABI_VP_ALL);
}

static int copy_into(struct gabi_host *to, const struct gabi_host *from, unsigned flags, const struct gabi_host *except,
		     struct gabi_diag *diag)
{
	for (size_t i = 0; i < from->words.count; i++) {
		struct gabi_word word = from->words.at[i];
		int err;

		if (except && gabi_host_find(except, &word.key))
			continue;
		word.flags |= (uint8_t)flags;
		err = gabi_host_add(to, &word, diag);
		if (err)
			return err;
	}
	for (unsigned space = 0; space < GABI_SPACE_COUNT; space++)
		to->covers[space] |= from->covers[space];
	return 0;
}

int gabi_host_overlay(const struct gabi_host *host, const struct gabi_host *offer, struct gabi_host **ret_host,
		      struct gabi_diag *diag)
{
	const char *provider = gabi_host_fact(offer, "provider");
	struct gabi_host *both;
	int err;

	if (offer->view != GABI_VIEW_OFFER)
		return gabi_fail(diag, GABI_ERR_ARG, "only a VMM's offer can be laid over a host", (char *)NULL);
	if (offer->arch != host->arch)
		return gabi_fail(diag, GABI_ERR_ARCH, "the offer is for another architecture than the host", (char *)NULL);
	both = gabi_host_new(host->arch, host->view, &host->mem);
	if (!both)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = copy_into(both, host, 0, offer, diag);
	if (!err)
		err = copy_into(both, offer, GABI_WORD_OFFER, NULL, diag);
	for (size_t i = 0; !err && i < host->fact_count; i++)
		err = gabi_host_set_fact(both, host->facts[i].name, host->facts[i].value, diag);
	if (!err && provider)
		err = gabi_host_set_fact(both, "provider", provider, diag);
	if (!err)
		err = gabi_host_seal(both, diag);
	if (err) {
		gabi_host_free(both);
		return err;
	}
	*ret_host = both;
	return 0;
}

size_t gabi_host_title(const struct gabi_host *host, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);
	const char *name = gabi_host_fact(host, "name"), *model = gabi_host_fact(host, "cpu.model");
	const char *release = gabi_host_fact(host, "kernel.release");

	if (name) {
		gabi_out_text(&to, name);
		return to.len;
	}
	gabi_out_text(&to, model ? model : gabi_arch_text(host->arch));
	if (release) {
		gabi_out_text(&to, ", ");
		gabi_out_text(&to, release);
	}
	return to.len;
}
