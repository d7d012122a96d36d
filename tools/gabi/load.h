/* SPDX-License-Identifier: MIT */
/* Contracts, manifests and offers out of files. Each function complains about what is wrong with the file. */
#ifndef GABI_TOOL_LOAD_H
#define GABI_TOOL_LOAD_H

#include "gabi.h"

#include <gabi/contract.h>
#include <gabi/host.h>

#define TITLE_LEN 96

/* What a person calls it: its own name, else the file's. */
void contract_title(const struct gabi_contract *contract, const char *path, char title[TITLE_LEN]);
void host_title(const struct gabi_host *host, const char *path, char title[TITLE_LEN]);

enum status load_contract(const char *path, struct gabi_contract **ret_contract);

/* A manifest, with the offer that --offer names laid over it. */
enum status load_host(const struct args *args, const char *path, struct gabi_host **ret_host);

/* Either; the other one becomes NULL. */
enum status load_any(const struct args *args, const char *path, struct gabi_contract **ret_contract, struct gabi_host **ret_host);

/* Many manifests. Files of the same content are one. */
struct fleet_host {
	struct gabi_host *host;
	const char *path; /* the first file that holds it */
	size_t files;     /* how many do */
	char title[TITLE_LEN];
};

struct fleet {
	struct fleet_host *at;
	size_t count, cap;
	char **paths; /* the files, as they were named */
	size_t *of;   /* which host each file holds */
	size_t files;
};

enum status fleet_load(const struct args *args, char **paths, size_t count, struct fleet *ret_fleet);
void fleet_free(struct fleet *fleet);

#endif
