/* SPDX-License-Identifier: MIT */
/*
 * A fleet's contracts against its host classes, yes or no.
 *
 * A million contracts are not pinned one by one: of each host's contract, and of the same less one feature, for 16
 * features, the sets are compiled; a set with several features left out is made from them by exchanging the bits in
 * which they differ. Features whose bits overlap (one is the other's condition) are not combined.
 */
#include "bench.h"
#include "fleet.h"

#include "verdict/bits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define HOSTS     1000
#define CONTRACTS 1000000
#define FEATURES  16
#define BATCH     4096
#define SAMPLE    1000 /* contracts that the slower peers are timed on */

struct base {
	uint64_t *set;              /* the pinned contract's */
	uint64_t *apart[FEATURES];  /* what changes without that feature; NULL past the last */
};

struct work {
	const struct gabi_universe *universe;
	const uint64_t *const *hosts;
	const struct base *bases;
	size_t words;
	size_t first, count; /* contracts */
	uint64_t fits;       /* pairs that do */
	double ns;           /* of making the matrix and asking it */
};

static void *need(void *ptr)
{
	if (!ptr) {
		fprintf(stderr, "bench: out of memory\n");
		exit(3);
	}
	return ptr;
}

static void must(int err)
{
	if (err) {
		fprintf(stderr, "bench: %s\n", gabi_err_text(err));
		exit(3);
	}
}

static uint64_t *new_sets(size_t words, size_t count)
{
	uint64_t *sets = need(aligned_alloc(64, words * count * sizeof(*sets)));

	return memset(sets, 0, words * count * sizeof(*sets));
}

/* ---- contracts ---- */

/* Learns and compiles in two passes over the same pins: the names of the features are kept between them. */
static void pin_all(struct fleet *fleet, const char *(*features)[FEATURES], struct gabi_universe *universe)
{
	for (size_t i = 0; i < fleet->count; i++) {
		struct gabi_contract *contract = fleet_pin(fleet, i, NULL, 0);

		must(gabi_universe_learn(universe, contract, NULL));
		for (size_t j = 0; j < FEATURES; j++) {
			struct gabi_contract *less;

			features[i][j] = fleet_feature(fleet, contract);
			less = fleet_pin(fleet, i, &features[i][j], 1);
			must(gabi_universe_learn(universe, less, NULL));
			gabi_contract_free(less);
		}
		gabi_contract_free(contract);
	}
	must(gabi_universe_seal(universe, NULL));
}

static bool overlaps(const struct base *base, const uint64_t *apart, size_t words)
{
	for (size_t i = 0; i < FEATURES && base->apart[i]; i++)
		for (size_t j = 0; j < words; j++)
			if (base->apart[i][j] & apart[j])
				return true;
	return false;
}

static void compile_base(const struct fleet *fleet, size_t at, const char *const *features, const struct gabi_universe *universe,
			 struct base *base)
{
	size_t words = gabi_universe_words(universe), count = 0;
	struct gabi_contract *contract = fleet_pin(fleet, at, NULL, 0);

	base->set = new_sets(words, 1);
	must(gabi_universe_contract(universe, contract, base->set, NULL));
	gabi_contract_free(contract);
	for (size_t i = 0; i < FEATURES; i++) {
		uint64_t *apart = new_sets(words, 1);

		contract = fleet_pin(fleet, at, &features[i], 1);
		must(gabi_universe_contract(universe, contract, apart, NULL));
		gabi_contract_free(contract);
		for (size_t j = 0; j < words; j++)
			apart[j] ^= base->set[j];
		if (overlaps(base, apart, words))
			free(apart);
		else
			base->apart[count++] = apart;
	}
}

/* Contract `number` of the fleet: host after host, each time with other features left out. */
static void make_contract(const struct work *work, size_t number, uint64_t *set)
{
	const struct base *base = &work->bases[number % HOSTS];
	size_t without = number / HOSTS * 40503u; /* 16 bits well mixed: the low ones are taken */

	memcpy(set, base->set, work->words * sizeof(*set));
	for (size_t i = 0; i < FEATURES && base->apart[i]; i++)
		for (size_t j = 0; (without >> i & 1) && j < work->words; j++)
			set[j] ^= base->apart[i][j];
}

/* ---- asking ---- */

static uint64_t count_bits(const uint64_t *row, size_t words)
{
	uint64_t count = 0;

	for (size_t i = 0; i < words; i++)
		count += (uint64_t)__builtin_popcountll(row[i]);
	return count;
}

static void *ask_matrix(void *ctx)
{
	struct work *work = ctx;
	struct gabi_matrix *matrix;
	uint64_t *sets = new_sets(work->words, BATCH), *rows, start = bench_now_ns();
	size_t row_words;

	must(gabi_matrix_new(work->universe, work->hosts, HOSTS, NULL, &matrix, NULL));
	row_words = gabi_matrix_words(matrix);
	rows = new_sets(row_words, BATCH);
	work->ns = (double)(bench_now_ns() - start);
	for (size_t done = 0; done < work->count; done += BATCH) {
		size_t batch = work->count - done < BATCH ? work->count - done : BATCH;

		for (size_t i = 0; i < batch; i++)
			make_contract(work, work->first + done + i, sets + i * work->words);
		start = bench_now_ns();
		for (size_t i = 0; i < batch; i++)
			gabi_matrix_row(matrix, sets + i * work->words, rows + i * row_words);
		work->ns += (double)(bench_now_ns() - start);
		work->fits += count_bits(rows, batch * row_words);
	}
	gabi_matrix_free(matrix);
	free(sets);
	free(rows);
	return NULL;
}

/* The same answers pair by pair, by the function that asks one. */
static void ask_pairs(struct work *work, int (*fits)(const struct gabi_universe *, const uint64_t *, const uint64_t *))
{
	uint64_t *set = new_sets(work->words, 1);

	for (size_t i = 0; i < work->count; i++) {
		uint64_t start;

		make_contract(work, work->first + i, set);
		start = bench_now_ns();
		for (size_t j = 0; j < HOSTS; j++)
			work->fits += (uint64_t)fits(work->universe, set, work->hosts[j]);
		work->ns += (double)(bench_now_ns() - start);
	}
	free(set);
}

static int naive(const struct gabi_universe *universe, const uint64_t *contract, const uint64_t *host)
{
	size_t words = gabi_universe_words(universe);

	for (size_t i = 0; i < words; i++)
		if (contract[i] & host[i])
			return 0;
	return 1;
}

static double time_pairs(const struct work *like, size_t count,
			 int (*fits)(const struct gabi_universe *, const uint64_t *, const uint64_t *), uint64_t *ret_fits)
{
	struct work work = *like;

	work.count = count;
	ask_pairs(&work, fits);
	*ret_fits = work.fits;
	return work.ns / (double)count / HOSTS;
}

static double time_matrix(const struct work *like, size_t count, size_t threads, uint64_t *ret_fits)
{
	struct work work[2];
	pthread_t ids[2];
	double ns = 0;

	*ret_fits = 0;
	for (size_t i = 0; i < threads; i++) {
		work[i] = *like;
		work[i].first = count / threads * i;
		work[i].count = count / threads;
		must(pthread_create(&ids[i], NULL, ask_matrix, &work[i]) ? GABI_ERR_NOMEM : 0);
	}
	for (size_t i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		*ret_fits += work[i].fits;
		ns = work[i].ns > ns ? work[i].ns : ns;
	}
	return ns / (double)count / HOSTS;
}

static void print(const char *name, size_t pairs, double ns, const char *peer, double peer_ns, const char *data)
{
	bench_print(&(struct bench_line){ "matrix", name, pairs, ns, peer, peer_ns, data });
}

static void bench_arch(const char *directory, enum gabi_arch arch)
{
	struct fleet fleet = fleet_new(directory, arch, HOSTS);
	struct gabi_universe *universe = need(gabi_universe_new(arch, NULL));
	const char *(*features)[FEATURES] = need(calloc(HOSTS, sizeof(*features)));
	struct base *bases = need(calloc(HOSTS, sizeof(*bases)));
	const uint64_t **hosts = need(calloc(HOSTS, sizeof(*hosts)));
	struct work work = { .universe = universe, .hosts = hosts, .bases = bases };
	double pairs, plain, matrix, limit;
	uint64_t fits[4], *sets;
	struct rusage usage;
	char data[160];

	pin_all(&fleet, features, universe);
	work.words = gabi_universe_words(universe);
	sets = new_sets(work.words, HOSTS);
	for (size_t i = 0; i < HOSTS; i++) {
		hosts[i] = sets + i * work.words;
		must(gabi_universe_host(universe, fleet.hosts[i], GABI_UNKNOWN, sets + i * work.words, NULL));
		compile_base(&fleet, i, features[i], universe, &bases[i]);
	}
	plain = time_pairs(&work, SAMPLE, naive, &fits[0]);
	pairs = time_pairs(&work, SAMPLE, gabi_universe_fits, &fits[1]);
	time_matrix(&work, SAMPLE, 1, &fits[2]);
	if (fits[0] != fits[1] || fits[1] != fits[2]) {
		fprintf(stderr, "bench: the ways disagree: %llu, %llu, %llu pairs fit\n", (unsigned long long)fits[0],
			(unsigned long long)fits[1], (unsigned long long)fits[2]);
		exit(1);
	}
	snprintf(data, sizeof(data), "%s: 1000 hosts, %zu as read, the others with less; %zu columns", gabi_arch_text(arch), fleet.real,
		 gabi_universe_columns(universe));
	print("pair by pair", (size_t)SAMPLE * HOSTS, pairs, "word by word", plain, data);
	matrix = time_matrix(&work, CONTRACTS, 1, &fits[3]);
	print("1 core", (size_t)CONTRACTS * HOSTS, matrix, "pair by pair", pairs, data);
	limit = (double)(work.words * sizeof(uint64_t)) / HOSTS / bench_memory_bytes_per_ns();
	print("1 core, by memory", (size_t)CONTRACTS * HOSTS, matrix, "reading the contracts once", limit, data);
	print("2 cores", (size_t)CONTRACTS * HOSTS, time_matrix(&work, CONTRACTS, 2, &fits[3]), "1 core", matrix, data);
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"bench\":\"matrix\",\"case\":\"largest so far\",\"kib\":%ld,\"fitting\":%.3f}\n", usage.ru_maxrss,
	       (double)fits[3] / ((double)CONTRACTS * HOSTS));
	for (size_t i = 0; i < HOSTS; i++) {
		for (size_t j = 0; j < FEATURES; j++)
			free(bases[i].apart[j]);
		free(bases[i].set);
	}
	free(bases);
	free(features);
	free(hosts);
	free(sets);
	gabi_universe_free(universe);
	fleet_end(&fleet);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: bench_matrix DIRECTORY-OF-MANIFESTS\n");
		return 2;
	}
	bench_arch(argv[1], GABI_ARCH_X86);
	bench_arch(argv[1], GABI_ARCH_ARM64);
	return 0;
}
