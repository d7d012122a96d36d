/* SPDX-License-Identifier: MIT */
#include <gabi/host.h>

#include <gabi/change.h>

#include "vocab/facts.h"

#include <string.h>

struct gabi_host {
	struct gabi_mem mem;
	enum gabi_arch arch;
	enum gabi_view view;
	bool sealed;
	uint8_t covers[GABI_SPACE_COUNT];
	struct gabi_words words;
	struct gabi_facts facts;
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
	gabi_facts_free(&host->facts, &host->mem);
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

int gabi_host_set_fact(struct gabi_host *host, const char *name, const char *value, struct gabi_diag *diag)
{
	if (gabi_facts_set(&host->facts, &host->mem, name, value))
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return 0;
}

const struct gabi_facts *gabi_host_facts(const struct gabi_host *host)
{
	return &host->facts;
}

const char *gabi_host_fact(const struct gabi_host *host, const char *name)
{
	return gabi_facts_get(&host->facts, name);
}

const char *gabi_host_release(const struct gabi_host *host)
{
	return gabi_facts_release(&host->facts);
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
	return gabi_words_all(&host->words, ret_count);
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
	for (size_t i = 0; !err && i < host->facts.count; i++)
		err = gabi_host_set_fact(both, host->facts.at[i].name, host->facts.at[i].value, diag);
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
