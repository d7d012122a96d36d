/* SPDX-License-Identifier: MIT */
#include "load.h"

#include "file.h"

#include <gabi/formats.h>

#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's name without its folder and ".json". */
static void title_of_path(const char *path, char title[TITLE_LEN])
{
	const char *slash = strrchr(path, '/');
	size_t len;

	snprintf(title, TITLE_LEN, "%s", !strcmp(path, "-") ? "standard input" : slash && slash[1] ? slash + 1 : path);
	len = strlen(title);
	if (len > 5 && !strcmp(title + len - 5, ".json"))
		title[len - 5] = '\0';
}

void contract_title(const struct gabi_contract *contract, const char *path, char title[TITLE_LEN])
{
	if (*gabi_contract_name(contract))
		snprintf(title, TITLE_LEN, "%s", gabi_contract_name(contract));
	else
		title_of_path(path, title);
}

void host_title(const struct gabi_host *host, const char *path, char title[TITLE_LEN])
{
	const char *name = gabi_host_fact(host, "name");

	if (name && *name)
		snprintf(title, TITLE_LEN, "%s", name);
	else
		title_of_path(path, title);
}

enum status load_contract(const char *path, struct gabi_contract **ret_contract)
{
	struct gabi_diag diag = { 0 };
	struct text text;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	if (gabi_contract_read(text.at, text.len, NULL, ret_contract, &diag))
		status = complain_diag(path, &diag);
	free(text.at);
	return status;
}

/* Someone took what libvirt says of a host for a manifest. */
static bool is_xml(const struct text *text)
{
	size_t at = 0;

	while (at < text->len && (text->at[at] == ' ' || text->at[at] == '\t' || text->at[at] == '\r' || text->at[at] == '\n'))
		at++;
	return at < text->len && text->at[at] == '<';
}

static enum status complain_text(const char *path, const struct text *text, const struct gabi_diag *diag)
{
	if (!is_xml(text))
		return complain_diag(path, diag);
	complain("%s: this is XML: gabi import makes a manifest of what libvirt says of a host", path);
	return STATUS_INPUT;
}

static enum status read_host(const char *path, const struct text *text, struct gabi_host **ret_host)
{
	struct gabi_diag diag = { 0 };

	return gabi_host_read(text->at, text->len, NULL, ret_host, &diag) ? complain_text(path, text, &diag) : STATUS_YES;
}

static enum status load_plain_host(const char *path, struct gabi_host **ret_host)
{
	struct text text;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	status = read_host(path, &text, ret_host);
	free(text.at);
	return status;
}

/* The offer of --offer; NULL where none is given. */
static enum status load_offer(const struct args *args, struct gabi_host **ret_offer)
{
	*ret_offer = NULL;
	return args->option[OPTION_OFFER] ? load_plain_host(args->option[OPTION_OFFER], ret_offer) : STATUS_YES;
}

/* Replaces the host by one with the offer over it, if there is an offer. */
static enum status lay_over(const struct args *args, const struct gabi_host *offer, struct gabi_host **host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_host *both;

	if (!offer)
		return STATUS_YES;
	if (gabi_host_overlay(*host, offer, &both, &diag))
		return complain_diag(args->option[OPTION_OFFER], &diag);
	gabi_host_free(*host);
	*host = both;
	return STATUS_YES;
}

/* The same for the offer of --offer. */
static enum status lay_offer_over(const struct args *args, struct gabi_host **host)
{
	struct gabi_host *offer;
	enum status status = load_offer(args, &offer);

	if (status)
		return status;
	status = lay_over(args, offer, host);
	gabi_host_free(offer);
	return status;
}

enum status load_host(const struct args *args, const char *path, struct gabi_host **ret_host)
{
	struct gabi_host *host;
	enum status status = load_plain_host(path, &host);

	if (status)
		return status;
	status = lay_offer_over(args, &host);
	if (status)
		gabi_host_free(host);
	else
		*ret_host = host;
	return status;
}

/* Is it a file of gabi's, only of another kind? */
static bool is_other_kind(const struct gabi_diag *diag)
{
	return diag->err == GABI_ERR_SCHEMA && !strcmp(diag->where, "/gabi");
}

enum status load_any(const struct args *args, const char *path, struct gabi_contract **ret_contract, struct gabi_host **ret_host)
{
	struct gabi_diag diag = { 0 };
	struct text text;
	bool manifest = false;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	*ret_contract = NULL;
	*ret_host = NULL;
	if (gabi_contract_read(text.at, text.len, NULL, ret_contract, &diag)) {
		manifest = is_other_kind(&diag);
		status = manifest ? read_host(path, &text, ret_host) : complain_text(path, &text, &diag);
	}
	free(text.at);
	if (status || !manifest)
		return status;
	status = lay_offer_over(args, ret_host);
	if (status)
		gabi_host_free(*ret_host);
	return status;
}

/* ---- many manifests ---- */

/* A content that was seen, as a node of the tree that finds it again. */
struct content {
	struct text text;
	uint64_t hash;
	size_t host; /* its place in the fleet */
};

static uint64_t hash_of(const struct text *text)
{
	uint64_t hash = 0xcbf29ce484222325u, word;
	size_t at = 0;

	for (; at + sizeof(word) <= text->len; at += sizeof(word)) {
		memcpy(&word, text->at + at, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	for (; at < text->len; at++)
		hash = (hash ^ (unsigned char)text->at[at]) * 0x100000001b3u;
	return hash;
}

/* The hash is only for speed: equal means the same bytes. */
static int content_compare(const void *a, const void *b)
{
	const struct content *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->text.len != y->text.len)
		return x->text.len < y->text.len ? -1 : 1;
	return memcmp(x->text.at, y->text.at, x->text.len);
}

static void content_free(void *node)
{
	struct content *content = node;

	free(content->text.at);
	free(content);
}

static enum status fleet_room(struct fleet *fleet)
{
	size_t cap = fleet->cap ? 2 * fleet->cap : 16;
	struct fleet_host *at;

	if (fleet->count < fleet->cap)
		return STATUS_YES;
	at = realloc(fleet->at, cap * sizeof(*at));
	if (!at) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	fleet->at = at;
	fleet->cap = cap;
	return STATUS_YES;
}

static enum status fleet_add(const struct args *args, struct fleet *fleet, const struct gabi_host *offer, const char *path, const struct text *text)
{
	struct fleet_host *added;
	enum status status = fleet_room(fleet);

	if (status)
		return status;
	added = &fleet->at[fleet->count];
	*added = (struct fleet_host){ .path = path, .files = 1 };
	status = read_host(path, text, &added->host);
	if (status)
		return status;
	status = lay_over(args, offer, &added->host);
	if (status) {
		gabi_host_free(added->host);
		return status;
	}
	host_title(added->host, path, added->title);
	fleet->count++;
	return STATUS_YES;
}

static enum status fleet_take(const struct args *args, struct fleet *fleet, void **tree, const struct gabi_host *offer,
			      size_t file)
{
	const char *path = fleet->paths[file];
	struct content *content = calloc(1, sizeof(*content)), **found;
	enum status status = STATUS_REFUSED;

	if (!content) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	status = file_read(path, &content->text);
	if (status)
		goto out;
	content->hash = hash_of(&content->text);
	content->host = fleet->of[file] = fleet->count;
	found = tsearch(content, tree, content_compare);
	if (!found) {
		complain("out of memory");
		status = STATUS_REFUSED;
		goto out;
	}
	if (*found == content)
		return fleet_add(args, fleet, offer, path, &content->text);
	fleet->of[file] = (*found)->host;
	fleet->at[(*found)->host].files++;
out:
	content_free(content);
	return status;
}

enum status fleet_load(const struct args *args, char **paths, size_t count, struct fleet *ret_fleet)
{
	struct fleet fleet = { .paths = paths, .files = count, .of = calloc(count, sizeof(size_t)) };
	struct gabi_host *offer = NULL;
	void *tree = NULL;
	enum status status = STATUS_REFUSED;

	if (fleet.of)
		status = load_offer(args, &offer);
	else
		complain("out of memory");
	for (size_t i = 0; !status && i < count; i++)
		status = fleet_take(args, &fleet, &tree, offer, i);
	tdestroy(tree, content_free);
	gabi_host_free(offer);
	if (status)
		fleet_free(&fleet);
	else
		*ret_fleet = fleet;
	return status;
}

void fleet_free(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count; i++)
		gabi_host_free(fleet->at[i].host);
	free(fleet->at);
	free(fleet->of);
	*fleet = (struct fleet){ 0 };
}
