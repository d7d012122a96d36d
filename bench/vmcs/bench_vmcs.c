/* SPDX-License-Identifier: MIT */
/*
 * The copies that a hypervisor makes on every nested entry and exit: ours beside the kernel's own, in one run. vmcs.sh cuts the kernel's
 * code out of an installed source package, compiles it twice and links it here; without it only ours are measured.
 *
 * bench_vmcs count CASE PATH makes COUNTED calls of that case and nothing else, for callgrind; PATH may be "kernel".
 *
 * One JSON line a case. Times are the best of many short rounds, since whatever else the machine does can only add; cold ones are medians. What is
 * compared takes turns.
 */
#include <gabi/evmcs.h>
#include <gabi/vmcs.h>

#include "peer.h"

#include <alloca.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rounds so short that most are not interrupted, and many of them. */
#define ROUNDS 20000
#define CALLS  128
#define WORDS  65536 /* clean-fields words, gone through in turn */

static uint8_t pages[2][GABI_VMCS_PAGE] __attribute__((aligned(4096)));
static uint32_t words[WORDS];

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Something that copies: a translation, or a function of another's. */
struct copier {
	const char *name;
	struct gabi_translation *translation;
	peer_copy *peer;
	bool dirty; /* goes by the clean-fields word */
	double best;
};

static inline void copy(const struct copier *copier, const void *from, void *to, uint32_t clean)
{
	if (copier->peer)
		copier->peer(from, to, clean);
	else if (copier->dirty)
		gabi_translation_run_dirty(copier->translation, from, to, clean);
	else
		gabi_translation_run(copier->translation, from, to);
	__asm__ volatile("" : : "r"(to) : "memory");
}

/* One round, in ns a call. Each kind of copier has a loop of its own, with nothing in it but the call. */
#define ROUND(call)                                                        \
	do {                                                               \
		start = now_ns();                                          \
		for (unsigned i = 0; i < CALLS; i++) {                     \
			call;                                              \
			__asm__ volatile("" : : "r"(word) : "memory");     \
		}                                                          \
		took = (now_ns() - start) / CALLS;                         \
	} while (0)

static void round_of(struct copier *copier, const uint32_t *word)
{
	const struct gabi_translation *translation = copier->translation;
	peer_copy *peer = copier->peer;
	double start, took;

	if (peer)
		ROUND(peer(pages[0], pages[1], word[i]));
	else if (copier->dirty)
		ROUND(gabi_translation_run_dirty(translation, pages[0], pages[1], word[i]));
	else
		ROUND(gabi_translation_run(translation, pages[0], pages[1]));
	if (took < copier->best)
		copier->best = took;
}

/* All in turn, so that each has the machine as the others have it; and each time with other words, which the processor's branch
 * predictor has not just learned from the one before. */
static void rounds_of(size_t rounds, struct copier *copiers, size_t count)
{
	for (size_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++)
			round_of(&copiers[i], words + (round * count + i) * CALLS % WORDS);
}

static void hot(struct copier *copiers, size_t count)
{
	rounds_of(ROUNDS, copiers, count);
}

/* Of many cases, whose calls are all the same. */
static void hot_briefly(struct copier *copiers, size_t count)
{
	rounds_of(ROUNDS / 4, copiers, count);
}

#if defined(__x86_64__)
#include <x86intrin.h>

enum { TIMES = 2001 };

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *at, size_t count)
{
	qsort(at, count, sizeof(*at), compare);
	return at[count / 2];
}

/* Ticks of one copy, with both pages out of every cache; of none if copier is NULL. */
static uint64_t cold_ticks(const struct copier *copier)
{
	uint64_t before;
	unsigned aux;

	for (size_t at = 0; at < 2 * GABI_VMCS_PAGE; at += 64)
		_mm_clflush((uint8_t *)pages + at);
	_mm_mfence();
	_mm_lfence();
	before = __rdtsc();
	_mm_lfence();
	if (copier)
		copy(copier, pages[0], pages[1], 0);
	_mm_lfence();
	return __rdtscp(&aux) - before;
}

static void cold(struct copier *copiers, size_t count)
{
	static uint64_t took[16][TIMES], nothing[TIMES];
	double start_ns = now_ns(), ns_per_tick;
	uint64_t start = __rdtsc();

	for (size_t round = 0; round < TIMES; round++) {
		nothing[round] = cold_ticks(NULL);
		for (size_t i = 0; i < count; i++)
			took[i][round] = cold_ticks(&copiers[i]);
	}
	ns_per_tick = (now_ns() - start_ns) / (double)(__rdtsc() - start);
	for (size_t i = 0; i < count; i++)
		copiers[i].best = ((double)median(took[i], TIMES) - (double)median(nothing, TIMES)) * ns_per_tick;
}
#else
static void cold(struct copier *copiers, size_t count)
{
	hot(copiers, count);
}
#endif

static void print(const char *name, size_t bytes, const struct copier *ours, const struct copier *peer)
{
	printf("{\"bench\":\"vmcs\",\"case\":\"%s\",\"path\":\"%s\",\"n\":%zu,\"ns_per_op\":%.4g", name, ours->name, bytes, ours->best);
	if (peer)
		printf(",\"peer\":\"%s\",\"peer_ns\":%.4g,\"ratio\":%.3g", peer->name, peer->best, ours->best / peer->best);
	printf("}\n");
	fflush(stdout);
}

enum direction { IN, OUT };

/*
 * A load waits for a store to the same offset of another page. Most copies store to the first KiBs of a page; what else the loop
 * reads, the translation and the stack, is kept out of there, or where the linker and the kernel put it would decide the figures.
 */
enum { ASIDE = 3072 };

/* gabi_translation_new never makes a block larger. */
static void *resize_aside(void *ctx, void *block, size_t len)
{
	uint8_t *page = len ? aligned_alloc(4096, (ASIDE + len + 4095) / 4096 * 4096) : NULL;

	(void)ctx;
	if (!len)
		free(block ? (uint8_t *)block - ASIDE : NULL);
	return page ? page + ASIDE : NULL;
}

static struct gabi_translation *make(const char *from, const char *to, enum gabi_vmcs_set set)
{
	const struct gabi_mem mem = { .resize = resize_aside };
	struct gabi_translation *translation;

	if (gabi_translation_new(gabi_vmcs_layout_by_name(from), gabi_vmcs_layout_by_name(to), set, &mem, &translation, NULL))
		abort();
	return translation;
}

/* The floor: as many bytes, all in one place. */
static size_t moved;

static void peer_memcpy(const void *from, void *to, uint32_t clean)
{
	(void)clean;
	memcpy(to, from, moved);
}

/* The floor of what is cold: what is in memory at all, so many lines at once; no copy can be faster. */
static void load_lines(const void *page, size_t lines)
{
	const volatile uint8_t *line = page;

	for (size_t i = 0; i < lines; i++)
		(void)line[64 * i];
}

enum { LINES = 1024 / 64 };

static void peer_line(const void *from, void *to, uint32_t clean)
{
	(void)to;
	(void)clean;
	load_lines(from, 1);
}

static void peer_lines(const void *from, void *to, uint32_t clean)
{
	(void)to;
	(void)clean;
	load_lines(from, LINES);
}

static void peer_all_lines(const void *from, void *to, uint32_t clean)
{
	(void)clean;
	load_lines(from, LINES);
	load_lines(to, LINES);
}

static void peer_kibibyte(const void *from, void *to, uint32_t clean)
{
	(void)clean;
	memcpy(to, from, 1024);
}

/* The widest copy, behind a prefetch of every line that it reads or writes. */
static struct gabi_translation *behind;

static void peer_prefetched(const void *from, void *to, uint32_t clean)
{
	(void)clean;
	for (size_t at = 0; at < 1024; at += 64) {
		__builtin_prefetch((const uint8_t *)from + at);
		__builtin_prefetch((uint8_t *)to + at, 1);
	}
	gabi_translation_run(behind, from, to);
}

static const struct copier cold_floors[] = {
	{ "a load of one line", .peer = peer_line },
	{ "a load of each line of the source", .peer = peer_lines },
	{ "a load of each line of both pages", .peer = peer_all_lines },
	{ "memcpy of 1 KiB", .peer = peer_kibibyte },
	{ "avx512 behind a prefetch of each line of both", .peer = peer_prefetched },
};
enum { COLD_FLOORS = sizeof(cold_floors) / sizeof(cold_floors[0]) };

static struct gabi_translation *make_hot(enum direction direction)
{
	return direction == IN ? make("evmcs-7.2", "kvm-7.2", GABI_VMCS_SET_IN) : make("kvm-7.2", "evmcs-7.2", GABI_VMCS_SET_OUT);
}

typedef void measure_fn(struct copier *copiers, size_t count);

/* Measures ours in turn with the peers, and prints each beside each. */
static void compare_all(const char *name, struct copier *copiers, size_t ours, size_t all, size_t bytes, measure_fn *measure)
{
	for (size_t i = 0; i < all; i++)
		copiers[i].best = 1e18;
	measure(copiers, all);
	for (size_t i = 0; i < ours; i++) {
		for (size_t k = ours; k < all; k++)
			print(name, bytes, &copiers[i], &copiers[k]);
		if (ours == all)
			print(name, bytes, &copiers[i], NULL);
		gabi_translation_free(copiers[i].translation);
	}
}

/* One case: every path of ours, beside both builds of the kernel's and the floor. */
static void measure(const char *name, enum direction direction, bool dirty, measure_fn *how)
{
	static const char *const paths[] = { "avx512", "avx2", "direct", "runs" };
	struct copier copiers[7 + COLD_FLOORS];
	size_t count = 0, ours;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct gabi_translation *translation = make_hot(direction);

		gabi_translation_runs(translation, &moved);
		if (gabi_translation_use(translation, paths[i]))
			gabi_translation_free(translation);
		else
			copiers[count++] = (struct copier){ .name = paths[i], .translation = translation, .dirty = dirty };
	}
	ours = count;
	if (peer_kernel_in) {
		copiers[count++] = (struct copier){ "kernel -O2", .peer = direction == IN ? peer_kernel_in : peer_kernel_out };
		copiers[count++] = (struct copier){ "kernel -O3 -march=native", .peer = direction == IN ? peer_native_in : peer_native_out };
	}
	if (!dirty)
		copiers[count++] = (struct copier){ "memcpy of as many", .peer = peer_memcpy };
	behind = make_hot(direction);
	for (size_t i = 0; how == cold && i < COLD_FLOORS; i++)
		copiers[count++] = cold_floors[i];
	compare_all(name, copiers, ours, count, moved, how);
	gabi_translation_free(behind);
}

/* ---- any pair ---- */

/* Of one path, over all pairs: how many times a memcpy's time they take. */
struct summary {
	const char *path, *from, *to;
	double worst, sum;
	unsigned pairs, within_3;
};

static void sum_up(struct summary *summary, const struct copier *ours, const struct copier *floor, const char *from, const char *to)
{
	double ratio = ours->best / floor->best;

	if (!summary->pairs++ || ratio > summary->worst)
		*summary = (struct summary){ ours->name, from, to, ratio, summary->sum, summary->pairs, summary->within_3 };
	summary->sum += ratio;
	summary->within_3 += ratio <= 3;
}

/* Every field, beside a memcpy of as many bytes: by what is chosen here, and by what any CPU can do. */
static void measure_pair(const char *from, const char *to, struct summary summaries[2])
{
	struct copier copiers[] = { { .translation = make(from, to, GABI_VMCS_SET_ALL) },
				    { .translation = make(from, to, GABI_VMCS_SET_ALL) },
				    { "memcpy of as many", .peer = peer_memcpy } };
	char name[64];

	gabi_translation_runs(copiers[0].translation, &moved);
	gabi_translation_use(copiers[1].translation, "direct");
	for (size_t i = 0; i < 2; i++)
		copiers[i].name = gabi_translation_path(copiers[i].translation);
	snprintf(name, sizeof(name), "%s to %s", from, to);
	compare_all(name, copiers, 2, 3, moved, hot_briefly);
	for (size_t i = 0; i < 2; i++)
		sum_up(&summaries[i], &copiers[i], &copiers[2], from, to);
}

static void measure_pairs(void)
{
	struct summary summaries[2] = { { .pairs = 0 } };
	size_t count;
	const struct gabi_vmcs_layout *layouts = gabi_vmcs_layouts(&count);

	for (size_t a = 0; a < count; a++)
		for (size_t b = 0; b < count; b++)
			if (a != b)
				measure_pair(layouts[a].name, layouts[b].name, summaries);
	for (size_t i = 0; i < 2; i++)
		printf("{\"bench\":\"vmcs\",\"case\":\"all pairs\",\"path\":\"%s\",\"n\":%u,\"mean_ratio\":%.3g,\"within_3\":%u,"
		       "\"worst_ratio\":%.3g,\"worst\":\"%s to %s\"}\n",
		       summaries[i].path, summaries[i].pairs, summaries[i].sum / summaries[i].pairs, summaries[i].within_3,
		       summaries[i].worst, summaries[i].from, summaries[i].to);
}

/* ---- cases ---- */

enum { RANDOM = 0x10000, COUNTED = 1000 };

static const struct {
	const char *name;
	enum direction direction;
	bool dirty;
	uint32_t clean; /* the word of each call; RANDOM: others each time */
} cases[] = {
	{ "full in", IN, false, 0 },
	{ "full out", OUT, false, 0 },
	{ "random clean fields, in", IN, true, RANDOM },
	{ "all clean, in", IN, true, GABI_EVMCS_ALL_CLEAN },
	{ "guest-basic and crdr dirty, in", IN, true,
	  GABI_EVMCS_ALL_CLEAN & ~(1u << GABI_EVMCS_GUEST_BASIC | 1u << GABI_EVMCS_CRDR) },
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void set_words(uint32_t clean)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < WORDS; i++) {
		seed = seed * 1664525 + 1013904223;
		words[i] = clean == RANDOM ? seed >> 16 : clean;
	}
}

static void measure_case(size_t i, const char *heat, measure_fn *how)
{
	char name[64];

	set_words(cases[i].clean);
	snprintf(name, sizeof(name), "%s%s", cases[i].name, heat);
	measure(name, cases[i].direction, cases[i].dirty, how);
}

__attribute__((noinline)) static void measure_all(void)
{
	for (size_t i = 0; i < CASES; i++)
		measure_case(i, cases[i].dirty ? "" : ", hot", hot);
	for (size_t i = 0; i < CASES && !cases[i].dirty; i++)
		measure_case(i, ", cold", cold);
	measure_pairs();
}

/* Nothing to count: no such case, path or peer here. */
enum { NOTHING = 77 };

static int count(const char *name, const char *path)
{
	struct gabi_translation *translation;
	size_t at = 0;
	peer_copy *peer;

	while (at < CASES && strcmp(cases[at].name, name))
		at++;
	if (at == CASES)
		return NOTHING;
	set_words(cases[at].clean);
	translation = make_hot(cases[at].direction);
	peer = strcmp(path, "kernel") ? NULL : cases[at].direction == IN ? peer_kernel_in : peer_kernel_out;
	if (!peer && gabi_translation_use(translation, path))
		return NOTHING;
	for (unsigned i = 0; i < COUNTED; i++)
		copy(&(struct copier){ .peer = peer, .translation = translation, .dirty = cases[at].dirty }, pages[0], pages[1], words[i]);
	gabi_translation_free(translation);
	return 0;
}

int main(int argc, char **argv)
{
	char here;
	char *volatile gap = alloca(((uintptr_t)&here - ASIDE) % 4096);

	(void)gap;
	for (size_t i = 0; i < sizeof(pages); i++)
		((uint8_t *)pages)[i] = (uint8_t)(i * 7);
	if (argc == 4 && !strcmp(argv[1], "count"))
		return count(argv[2], argv[3]);
	measure_all();
	return 0;
}
