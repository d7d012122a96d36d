/* SPDX-License-Identifier: MIT */
/*
 * A fleet for benchmarks: hosts and contracts made from real manifests, the same ones on every run.
 *
 * Its first hosts are the manifests as they are. The others are copies that lack a few features or run at another
 * frequency, as hosts of one make do. Contracts are pinned from hosts, less a few features.
 */
#ifndef GABI_FLEET_H
#define GABI_FLEET_H

#include <gabi/compiled.h>

struct fleet {
	enum gabi_arch arch;
	struct gabi_host **hosts;
	size_t count, real; /* the first `real` are as they were read */
	uint64_t seed;
};

/* A whole file; exits with a sentence if it cannot be read. To be freed. */
char *fleet_read_file(const char *path, size_t *ret_len);

/* Reads the manifests of one architecture out of a directory and makes of them as many hosts. Exits with a sentence if
 * there is none. */
struct fleet fleet_new(const char *directory, enum gabi_arch arch, size_t count);
void fleet_end(struct fleet *fleet);

/* A number below limit, of the fleet's own sequence. */
size_t fleet_random(struct fleet *fleet, size_t limit);

/* The name of a feature that the contract promises, drawn at random. */
const char *fleet_feature(struct fleet *fleet, const struct gabi_contract *contract);

/* The contract of host `at`, less features. */
struct gabi_contract *fleet_pin(const struct fleet *fleet, size_t at, const char *const *minus, size_t minus_count);

#endif
