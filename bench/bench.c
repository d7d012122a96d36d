/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Many short rounds: on a machine that others use, the best is the one that nobody disturbed. */
#define ROUNDS   70
#define ROUND_NS 2000000u

static volatile uint64_t used;

void bench_use(uint64_t value)
{
	used = value;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t bench_wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static double time_calls(void (*work)(void *ctx), void *ctx, size_t calls)
{
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < calls; i++)
		work(ctx);
	return (double)(bench_now_ns() - start);
}

double bench_time(void (*work)(void *ctx), void *ctx)
{
	size_t calls = 1;
	double best;

	while (time_calls(work, ctx, calls) < ROUND_NS && calls < (size_t)1 << 40)
		calls *= 2;
	best = time_calls(work, ctx, calls);
	for (unsigned i = 1; i < ROUNDS; i++) {
		double took = time_calls(work, ctx, calls);

		best = took < best ? took : best;
	}
	return best / (double)calls;
}

void bench_print(const struct bench_line *line)
{
	printf("{\"bench\":\"%s\",\"case\":\"%s\",\"n\":%zu,\"ns_per_op\":%.4g", line->bench, line->name, line->n, line->ns_per_op);
	if (line->peer)
		printf(",\"peer\":\"%s\",\"peer_ns\":%.4g,\"ratio\":%.3g", line->peer, line->peer_ns, line->ns_per_op / line->peer_ns);
	if (line->data)
		printf(",\"data\":\"%s\"", line->data);
	printf("}\n");
	fflush(stdout);
}

#define ARRAY_BYTES ((size_t)256 << 20)

struct array {
	uint64_t *at;
	size_t count;
};

static void read_array(void *ctx)
{
	const struct array *array = ctx;
	uint64_t sum[8] = { 0 };

	for (size_t i = 0; i < array->count; i += 8)
		for (size_t j = 0; j < 8; j++)
			sum[j] += array->at[i + j];
	for (size_t j = 0; j < 8; j++)
		bench_use(sum[j]);
}

double bench_memory_bytes_per_ns(void)
{
	struct array array = { malloc(ARRAY_BYTES), ARRAY_BYTES / sizeof(uint64_t) };
	double ns;

	if (!array.at) {
		fprintf(stderr, "bench: out of memory\n");
		exit(3);
	}
	memset(array.at, 1, ARRAY_BYTES);
	ns = bench_time(read_array, &array);
	free(array.at);
	return (double)ARRAY_BYTES / ns;
}
