/* SPDX-License-Identifier: MIT */
/*
 * The copies that a hypervisor makes on every nested entry and exit: ours beside the kernel's own, in one run. vmcs.sh cuts the kernel's
 * code out of an installed source package, compiles it twice and links it here; without it only ours are measured.
 *
 * bench_vmcs count CASE PATH makes COUNTED calls of that case and nothing else, for callgrind; PATH may be "kernel".
 *
 * One JSON line a case. Times are the best of many short rounds, since whatever else the machine does can only add; cold ones are medians.
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
#define ROUNDS 6000
#define CALLS  1024
#define WORDS  4096 /* clean-fields words, gone through in turn */

static uint8_t pages[2][GABI_VMCS_PAGE] __attribute__((aligned(4096)));
static uint32_t words[WORDS];

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Something that copies: a translation, or a function of the kernel's. */
struct copier {
	const char *name;
	struct gabi_translation *translation;
	peer_copy *peer;
	bool dirty; /* goes by the clean-fields word */
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

/* The best of the rounds of a call, in ns. Each kind of copier has a loop of its own, with nothing in it but the call. */
#define BEST_OF(call)                                                                                                  \
	do {                                                                                                           \
		for (unsigned round = 0; round < ROUNDS; round++) {                                                    \
			const uint32_t *word = words + round * CALLS % WORDS;                                          \
			double start = now_ns(), took;                                                                 \
                                                                                                                       \
			for (unsigned i = 0; i < CALLS; i++) {                                                         \
				call;                                                                                  \
				__asm__ volatile("" : : "r"(word) : "memory");                                         \
			}                                                                                              \
			took = (now_ns() - start) / CALLS;                                                             \
			best = took < best ? took : best;                                                              \
		}                                                                                                      \
	} while (0)

static double hot(const struct copier *copier)
{
	const struct gabi_translation *translation = copier->translation;
	peer_copy *peer = copier->peer;
	double best = 1e18;

	if (peer)
		BEST_OF(peer(pages[0], pages[1], word[i]));
	else if (copier->dirty)
		BEST_OF(gabi_translation_run_dirty(translation, pages[0], pages[1], word[i]));
	else
		BEST_OF(gabi_translation_run(translation, pages[0], pages[1]));
	return best;
}

#if defined(__x86_64__)
#include <x86intrin.h>

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

/* Both pages out of every cache before each call; the clock's own time is taken off. */
static double cold(const struct copier *copier)
{
	enum { TIMES = 2001 };
	static uint64_t took[TIMES], empty[TIMES];
	double start_ns = now_ns();
	uint64_t start = __rdtsc();
	unsigned aux;

	for (unsigned i = 0; i < TIMES; i++) {
		uint64_t before;

		for (size_t at = 0; at < 2 * GABI_VMCS_PAGE; at += 64)
			_mm_clflush((uint8_t *)pages + at);
		_mm_mfence();
		_mm_lfence();
		before = __rdtsc();
		_mm_lfence();
		copy(copier, pages[0], pages[1], 0);
		_mm_lfence();
		took[i] = __rdtscp(&aux) - before;
		_mm_mfence();
		_mm_lfence();
		before = __rdtsc();
		_mm_lfence();
		_mm_lfence();
		empty[i] = __rdtscp(&aux) - before;
	}
	{
		double ns_per_tick = (now_ns() - start_ns) / (double)(__rdtsc() - start);
		double ticks = (double)median(took, TIMES) - (double)median(empty, TIMES);

		return ticks * ns_per_tick;
	}
}
#else
static double cold(const struct copier *copier)
{
	return hot(copier);
}
#endif

static void print(const char *name, const char *path, size_t bytes, double ns, const char *peer, double peer_ns)
{
	printf("{\"bench\":\"vmcs\",\"case\":\"%s\",\"path\":\"%s\",\"n\":%zu,\"ns_per_op\":%.4g", name, path, bytes, ns);
	if (peer)
		printf(",\"peer\":\"%s\",\"peer_ns\":%.4g,\"ratio\":%.3g", peer, peer_ns, ns / peer_ns);
	printf("}\n");
	fflush(stdout);
}

enum direction { IN, OUT };

/*
 * A load waits for a store to the same offset of another page. The copies store to the first KiB of a page; what else the loop
 * reads, the translation and the stack, is kept out of there, or where the linker and the kernel put it would decide the figures.
 */
enum { ASIDE = 2048 };

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

static void peer_memcpy(const void *from, void *to, uint32_t bytes)
{
	memcpy(to, from, bytes);
}

static void peer_memcpy_1k(const void *from, void *to, uint32_t clean)
{
	(void)clean;
	memcpy(to, from, 1024);
}

static struct gabi_translation *make_hot(enum direction direction)
{
	return direction == IN ? make("evmcs-7.2", "kvm-7.2", GABI_VMCS_SET_IN) : make("kvm-7.2", "evmcs-7.2", GABI_VMCS_SET_OUT);
}

/* One case: every path of ours, beside both builds of the kernel's. */
static void measure(const char *name, enum direction direction, bool dirty, double (*clock)(const struct copier *))
{
	static const char *const paths[] = { "avx512", "avx2", "direct", "runs" };
	struct gabi_translation *translation = make_hot(direction);
	const struct copier as_built = { .peer = direction == IN ? peer_kernel_in : peer_kernel_out };
	const struct copier at_best = { .peer = direction == IN ? peer_native_in : peer_native_out };
	size_t bytes;
	double built = 0, best = 0, plain = 0;

	gabi_translation_runs(translation, &bytes);
	if (as_built.peer) {
		built = clock(&as_built);
		best = clock(&at_best);
	}
	if (clock == cold)
		plain = cold(&(struct copier){ .peer = peer_memcpy_1k });
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct copier ours = { .translation = translation, .dirty = dirty };
		double ns;

		if (gabi_translation_use(translation, paths[i]))
			continue;
		ns = clock(&ours);
		print(name, paths[i], bytes, ns, built ? "kernel -O2" : NULL, built);
		if (best)
			print(name, paths[i], bytes, ns, "kernel -O3 -march=native", best);
		if (plain > 0)
			print(name, paths[i], bytes, ns, "memcpy of 1 KiB", plain);
	}
	gabi_translation_free(translation);
}

/* Any other pair, against a memcpy of as many bytes. */
static void measure_pair(const char *from, const char *to)
{
	struct gabi_translation *translation = make(from, to, GABI_VMCS_SET_ALL);
	const struct copier ours = { .translation = translation }, plain = { .peer = peer_memcpy };
	char name[64];
	size_t bytes;

	gabi_translation_runs(translation, &bytes);
	for (size_t i = 0; i < WORDS; i++)
		words[i] = (uint32_t)bytes;
	snprintf(name, sizeof(name), "%s to %s", from, to);
	print(name, gabi_translation_path(translation), bytes, hot(&ours), "memcpy", hot(&plain));
	if (!gabi_translation_use(translation, "runs"))
		print(name, "runs", bytes, hot(&ours), "memcpy", hot(&plain));
	gabi_translation_free(translation);
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

static void measure_case(size_t i, const char *heat, double (*clock)(const struct copier *))
{
	char name[64];

	set_words(cases[i].clean);
	snprintf(name, sizeof(name), "%s%s", cases[i].name, heat);
	measure(name, cases[i].direction, cases[i].dirty, clock);
}

__attribute__((noinline)) static void measure_all(void)
{
	for (size_t i = 0; i < CASES; i++)
		measure_case(i, cases[i].dirty ? "" : ", hot", hot);
	for (size_t i = 0; i < CASES && !cases[i].dirty; i++)
		measure_case(i, ", cold", cold);
	measure_pair("kvm-7.2", "kvm-4.14");
	measure_pair("kvm-4.14", "kvm-7.2");
	measure_pair("kvm-7.2", "virtualbox");
	measure_pair("kvm-7.2", "acrn");
	measure_pair("kvm-7.2", "xen");
	measure_pair("kvm-7.2", "bochs");
	measure_pair("evmcs-tlfs", "virtualbox");
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
