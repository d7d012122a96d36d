/* SPDX-License-Identifier: MIT */
/* One verdict: compiled, interpreted, with all findings; and what compiling costs. */
#include "bench.h"
#include "fleet.h"

#include "verdict/bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BITS 4096
#define HOSTS 64
#define HOT   64 /* verdicts in a row, so that what it takes to time one is not counted */

static char data[128];

static void print(const char *name, size_t n, double ns, const char *peer, double peer_ns)
{
	bench_print(&(struct bench_line){ "verdict", name, n, ns, peer, peer_ns, data });
}

/* ---- two sets ---- */

struct pair {
	const struct gabi_bits_ops *ops;
	const uint64_t *a, *b;
	size_t words;
};

/* The peer: what one would write first. */
static bool naive(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

/* All that is loaded again for each verdict is the sets. */
static void ask_often(const struct pair pair, bool (*ask)(const uint64_t *, const uint64_t *, size_t))
{
	uint64_t meet = 0;

	for (size_t i = 0; i < HOT; i++)
		meet += ask(pair.a, pair.b, pair.words);
	bench_use(meet);
}

static void ask_naive(void *ctx)
{
	bool (*volatile ask)(const uint64_t *, const uint64_t *, size_t) = naive; /* called, not inlined */

	ask_often(*(const struct pair *)ctx, ask);
}

static void ask_ops(void *ctx)
{
	const struct pair *pair = ctx;

	ask_often(*pair, pair->ops->meet);
}

static uint64_t *new_set(size_t words)
{
	uint64_t *set = aligned_alloc(64, words * sizeof(*set));

	if (!set)
		exit(3);
	return memset(set, 0, words * sizeof(*set));
}

/* Sets that do not meet: the verdict that has to look at every bit. */
static void bench_sets(void)
{
	struct pair pair = { .words = BITS / 64 };
	uint64_t *a = new_set(pair.words), *b = new_set(pair.words);
	double plain;

	memset(a, 0x55, pair.words * sizeof(*a));
	memset(b, 0xaa, pair.words * sizeof(*b));
	pair.a = a;
	pair.b = b;
	plain = bench_time(ask_naive, &pair) / HOT;
	for (size_t at = 0; (pair.ops = gabi_bits_ops_at(at)); at++) {
		char name[64];

		snprintf(name, sizeof(name), "4096 bits, %s", pair.ops->name);
		print(name, BITS, bench_time(ask_ops, &pair) / HOT, "word by word", plain);
	}
	free(a);
	free(b);
}

/* ---- a contract and a host ---- */

struct question {
	const struct gabi_universe *universe;
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	uint64_t *contract_set, *host_set;
};

static void ask_compiled(void *ctx)
{
	const struct question *q = ctx;
	uint64_t fit = 0;

	for (size_t i = 0; i < HOT; i++)
		fit += (uint64_t)gabi_universe_fits(q->universe, q->contract_set, q->host_set);
	bench_use(fit);
}

static void ask_check(void *ctx)
{
	const struct question *q = ctx;
	struct gabi_report *report;

	if (gabi_check(q->contract, q->host, &report, NULL))
		exit(3);
	bench_use(gabi_report_verdict(report));
	gabi_report_free(report);
}

static void ask_verdict(void *ctx)
{
	const struct question *q = ctx;

	bench_use(gabi_check_verdict(q->contract, q->host));
}

static void compile_contract(void *ctx)
{
	const struct question *q = ctx;

	if (gabi_universe_contract(q->universe, q->contract, q->contract_set, NULL))
		exit(3);
}

static void compile_host(void *ctx)
{
	const struct question *q = ctx;

	if (gabi_universe_host(q->universe, q->host, GABI_UNKNOWN, q->host_set, NULL))
		exit(3);
}

static size_t findings_of(const struct question *q)
{
	struct gabi_report *report;
	size_t count;

	if (gabi_check(q->contract, q->host, &report, NULL))
		exit(3);
	gabi_report_findings(report, &count);
	gabi_report_free(report);
	return count;
}

struct failing {
	struct question question;
	size_t findings;
};

static int by_findings(const void *a, const void *b)
{
	const struct failing *x = a, *y = b;

	return (x->findings > y->findings) - (x->findings < y->findings);
}

/* A pair that fits, and of those that do not the one in the middle by its findings, and the one with the most. */
static void pick(const struct fleet *fleet, struct gabi_contract *const *contracts, struct question *fits, struct question *middle,
		 struct question *most)
{
	struct failing *failing = calloc(fleet->count * fleet->count, sizeof(*failing));
	struct question q = *fits;
	size_t count = 0;

	if (!failing)
		exit(3);
	for (size_t i = 0; i < fleet->count; i++)
		for (size_t j = 0; j < fleet->count; j++) {
			q.contract = contracts[i];
			q.host = fleet->hosts[j];
			if (gabi_check_verdict(q.contract, q.host) < GABI_UNKNOWN)
				*fits = q;
			else
				failing[count++] = (struct failing){ q, findings_of(&q) };
		}
	if (!fits->contract || !count) {
		fprintf(stderr, "bench: the fleet has no pair that fits, or none that does not\n");
		exit(3);
	}
	qsort(failing, count, sizeof(*failing), by_findings);
	*middle = failing[count / 2].question;
	*most = failing[count - 1].question;
	free(failing);
}

static void bench_pairs(struct fleet *fleet)
{
	struct gabi_universe *universe = gabi_universe_new(fleet->arch, NULL);
	struct gabi_contract *contracts[HOSTS];
	struct question fits = { .universe = universe }, fails = fits, most = fits;

	for (size_t i = 0; i < HOSTS; i++) {
		contracts[i] = fleet_pin(fleet, i, NULL, 0);
		if (gabi_universe_learn(universe, contracts[i], NULL))
			exit(3);
	}
	if (gabi_universe_seal(universe, NULL))
		exit(3);
	fits.contract_set = new_set(gabi_universe_words(universe));
	fits.host_set = new_set(gabi_universe_words(universe));
	pick(fleet, contracts, &fits, &fails, &most);
	print("compile a contract", gabi_universe_columns(universe), bench_time(compile_contract, &fits), NULL, 0);
	print("compile a host", gabi_universe_columns(universe), bench_time(compile_host, &fits), NULL, 0);
	print("fits, compiled", gabi_universe_columns(universe), bench_time(ask_compiled, &fits) / HOT, "interpreted",
	      bench_time(ask_verdict, &fits));
	print("fits, all findings", findings_of(&fits), bench_time(ask_check, &fits), NULL, 0);
	compile_contract(&fails);
	compile_host(&fails);
	print("does not fit, compiled", gabi_universe_columns(universe), bench_time(ask_compiled, &fails) / HOT, "interpreted",
	      bench_time(ask_verdict, &fails));
	print("does not fit, all findings", findings_of(&fails), bench_time(ask_check, &fails), NULL, 0);
	print("does not fit, most findings", findings_of(&most), bench_time(ask_check, &most), NULL, 0);
	for (size_t i = 0; i < HOSTS; i++)
		gabi_contract_free(contracts[i]);
	free(fits.contract_set);
	free(fits.host_set);
	gabi_universe_free(universe);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: bench_verdict DIRECTORY-OF-MANIFESTS\n");
		return 2;
	}
	snprintf(data, sizeof(data), "no data");
	bench_sets();
	for (enum gabi_arch arch = GABI_ARCH_X86; arch <= GABI_ARCH_ARM64; arch++) {
		struct fleet fleet = fleet_new(argv[1], arch, HOSTS);

		snprintf(data, sizeof(data), "%s: %zu hosts, %zu as read, the others with less", gabi_arch_text(arch), fleet.count,
			 fleet.real);
		bench_pairs(&fleet);
		fleet_end(&fleet);
	}
	return 0;
}
