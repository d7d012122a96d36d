/* SPDX-License-Identifier: MIT */
/* What every benchmark does: time something, and print one JSON line about it. */
#ifndef GABI_BENCH_H
#define GABI_BENCH_H

#include <stddef.h>
#include <stdint.h>

uint64_t bench_now_ns(void);  /* of the processor, spent by this thread */
uint64_t bench_wall_ns(void); /* on the wall */

/*
 * How long one call of work(ctx) takes, in ns: the best of several rounds, each long enough for the clock. The best,
 * because whatever else the machine does can only add.
 */
double bench_time(void (*work)(void *ctx), void *ctx);

/* Keeps the compiler from leaving the work out. */
void bench_use(uint64_t value);

/* {"bench":...,"case":...,"n":...,"ns_per_op":...}, and where there is a peer of the same run its name, figure and ratio. */
struct bench_line {
	const char *bench, *name;
	size_t n; /* what one operation is over: bits, findings, bytes, pairs */
	double ns_per_op;
	const char *peer; /* NULL: none */
	double peer_ns;
	const char *data; /* what was used, in words; NULL: nothing to say */
};
void bench_print(const struct bench_line *line);

/* Bytes that a core reads from memory in one ns: over an array that no cache holds. */
double bench_memory_bytes_per_ns(void);

#endif
