/* SPDX-License-Identifier: MIT */
/* The Hyper-V engine: decoding and dispatch, targets among many processors, the protection store beside its peers, saving. */
#include "bench.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_save.h>
#include <gabi/hv_synic.h>
#include <gabi/hv_vsm.h>

#include "base/base.h"
#include "hv/protect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MIX: longer than what a branch predictor learns by heart. */
enum { RAM = 1 << 16, PAGES = 4 << 20, KINDS = 8, MIX = 1 << 17 };

static uint8_t ram[RAM];
static struct gabi_hv_turn turn;

static void print(const char *name, size_t n, double ns, const char *peer, double peer_ns)
{
	bench_print(&(struct bench_line){ "hv", name, n, ns, peer, peer_ns, NULL });
}

static void *need(void *ptr)
{
	if (!ptr)
		exit(3);
	return ptr;
}

/* ---- an engine ---- */

static int read_gpa(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	(void)ctx;
	if (gpa + len > RAM)
		return -1;
	memcpy(buf, ram + gpa, len);
	return 0;
}

static int write_gpa(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	(void)ctx;
	if (gpa + len > RAM)
		return -1;
	memcpy(ram + gpa, buf, len);
	return 0;
}

static int read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx, (void)vp, (void)vtl, (void)name;
	*ret_value = (struct gabi_hv_value){ 0, 0 };
	return 0;
}

static int write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)ctx, (void)vp, (void)vtl, (void)name, (void)value;
	return 0;
}

static struct gabi_hv *engine(unsigned vps)
{
	struct gabi_hv_config config = {
		.size = sizeof(config), .vp_count = vps, .vtl_count = 2, .partition_id = 1, .gpa_pages = PAGES, .tsc_hz = 1000000000,
		.protect_bytes = 64 << 20, .connections = 64,
	};
	struct gabi_hv_ops ops = { read_gpa, write_gpa, read_reg, write_reg, NULL, NULL };
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .host = 1 };
	struct gabi_hv *hv;

	memset(config.leaf[3], 0xff, sizeof(config.leaf[3]));
	config.leaf[4][0] = ~(1u << 12);
	if (gabi_hv_new(&config, &ops, NULL, &hv, NULL) || gabi_hv_connect(hv, 1, &port, NULL))
		exit(3);
	gabi_hv_wrmsr(hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &turn);
	return hv;
}

/* ---- hypercalls ---- */

struct calls {
	struct gabi_hv *hv;
	struct gabi_hv_regs regs[KINDS];
	uint8_t order[MIX]; /* of them */
	size_t at;
};

/* In place: copying 160 bytes would cost as much as a call. RCX is what a rep call moves on. */
static void one_call(void *ctx)
{
	struct calls *calls = ctx;
	struct gabi_hv_regs *regs = &calls->regs[calls->order[calls->at++ & (MIX - 1)]];
	uint64_t control = regs->rcx;

	gabi_hv_hypercall(calls->hv, 0, regs, 0, &turn);
	regs->rcx = control;
	bench_use(regs->rax + turn.count);
}

/* What the loop costs by itself. */
static void no_call(void *ctx)
{
	struct calls *calls = ctx;
	const struct gabi_hv_regs *regs = &calls->regs[calls->order[calls->at++ & (MIX - 1)]];

	bench_use(regs->rax + regs->rcx);
}

static double calls_ns(struct calls *calls)
{
	return bench_time(one_call, calls) - bench_time(no_call, calls);
}

static void simple_call(const char *name, unsigned vps, struct gabi_hv_regs regs)
{
	struct calls *calls = need(calloc(1, sizeof(*calls)));

	calls->hv = engine(vps);
	regs.mode = GABI_HV_MODE_64;
	calls->regs[0] = regs;
	print(name, vps, calls_ns(calls), NULL, 0);
	gabi_hv_free(calls->hv);
	free(calls);
}

/* A branch that is guessed wrong half of the time, or never. */
struct guesses {
	uint8_t bit[MIX];
	size_t at;
};

static void guess(void *ctx)
{
	struct guesses *guesses = ctx;

	/* Two statements that no compiler makes one of. */
	if (guesses->bit[guesses->at++ & (MIX - 1)])
		__asm__ volatile("nop");
	else
		__asm__ volatile("");
}

static double wrong_guess_ns(void)
{
	struct guesses guesses = { .at = 0 };
	uint64_t random = 88172645463325252u;
	double right = bench_time(guess, &guesses);

	for (size_t i = 0; i < MIX; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		guesses.bit[i] = random >> 40 & 1;
	}
	return (bench_time(guess, &guesses) - right) * 2;
}

#define FAST  (1u << 16)
#define ONE   ((uint64_t)1 << 32)

static void hypercalls(void)
{
	static const struct gabi_hv_regs kinds[KINDS] = {
		{ .rcx = 0x0008 | FAST }, { .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 2 }, { .rcx = 0x11f }, { .rcx = 0x0046 | FAST },
		{ .rcx = 0x005d | FAST, .rdx = 1 }, { .rcx = 0x0008 }, { .rcx = 0x007 }, { .rcx = 0x000b | FAST, .rdx = 1 },
	};
	struct calls *mix = need(calloc(1, sizeof(*mix)));
	uint64_t random = 88172645463325252u;

	simple_call("unknown code", 64, (struct gabi_hv_regs){ .rcx = 0x11f });
	simple_call("NotifyLongSpinWait, fast", 64, (struct gabi_hv_regs){ .rcx = 0x0008 | FAST });
	simple_call("SendSyntheticClusterIpi to 1 of 64, fast", 64, (struct gabi_hv_regs){ .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 1 << 9 });
	simple_call("SendSyntheticClusterIpi to 1 of 1024, fast", 1024, (struct gabi_hv_regs){ .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 1 << 9 });
	simple_call("FlushVirtualAddressSpace of 1 of 1024, XMM", 1024,
		    (struct gabi_hv_regs){ .rcx = 0x0002 | FAST, .rdx = 0x1000, .xmm = { { 1 << 9, 0 } } });
	memset(ram, 0, 4096);
	for (unsigned bank = 0; bank < 4; bank++)
		memcpy(ram + 32 + bank * 8, &(uint64_t){ 0x1000100010001 }, 8);
	memcpy(ram + 24, &(uint64_t){ 15 }, 8);
	simple_call("FlushVirtualAddressListEx of 16 of 256", 256, (struct gabi_hv_regs){ .rcx = 0x0014 | 4u << 17 | ONE });
	mix->hv = engine(64);
	for (size_t i = 0; i < KINDS; i++) {
		mix->regs[i] = kinds[i];
		mix->regs[i].mode = GABI_HV_MODE_64;
	}
	for (size_t i = 0; i < MIX; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		mix->order[i] = random >> 40 & (KINDS - 1);
	}
	print("an unpredictable mix", MIX, calls_ns(mix), "a branch guessed wrong", wrong_guess_ns());
	/* The same calls with nothing to guess: what is left of the difference is mispredicted branches. */
	for (size_t i = 0; i < MIX; i++)
		mix->order[i] = (uint8_t)(i / (MIX / KINDS));
	print("the same mix in order", MIX, calls_ns(mix), NULL, 0);
	gabi_hv_free(mix->hv);
	free(mix);
}

/* ---- protections, and the two things one would write first ---- */

static uint32_t *order;
static uint8_t *bitmap;

/* Open addressing, GFN to flags; no entry means all rights. */
static struct entry {
	uint32_t gfn;
	uint8_t flags;
} *hash;

static struct entry *slot(uint32_t gfn)
{
	uint32_t at = gfn * 0x9e3779b1u >> 9;

	while (hash[at & (2 * PAGES - 1)].gfn && hash[at & (2 * PAGES - 1)].gfn != gfn + 1)
		at++;
	return &hash[at & (2 * PAGES - 1)];
}

static struct protect_pool pool;
static struct protect store;
static unsigned value;

static void set_store(void *ctx)
{
	bool changed;

	(void)ctx;
	for (size_t i = 0; i < PAGES; i++)
		gabi_hv_protect_set(&store, &pool, order[i], 1, (i + value) & 15, &changed);
	value++;
}

static void get_store(void *ctx)
{
	uint64_t sum = 0;

	(void)ctx;
	for (size_t i = 0; i < PAGES; i++)
		sum += gabi_hv_protect_get(&store, &pool, order[i]);
	bench_use(sum);
}

static void runs_store(void *ctx)
{
	bool changed;

	(void)ctx;
	for (size_t at = 0; at < PAGES; at += 5000)
		gabi_hv_protect_set(&store, &pool, at, PAGES - at < 5000 ? PAGES - at : 5000, (at / 5000 + value) & 15, &changed);
	value++;
}

static void set_bitmap(void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < PAGES; i++) {
		uint8_t *at = &bitmap[order[i] / 2], shift = order[i] % 2 * 4;

		*at = (uint8_t)((*at & ~(15 << shift)) | ((i + value) & 15) << shift);
	}
	value++;
}

static void runs_bitmap(void *ctx)
{
	(void)ctx;
	for (size_t at = 0; at < PAGES; at += 5000)
		memset(bitmap + at / 2, (int)((at / 5000 + value) & 15) * 17, (PAGES - at < 5000 ? PAGES - at : 5000) / 2);
	value++;
}

static void set_hash(void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < PAGES; i++) {
		struct entry *at = slot(order[i]);

		at->gfn = order[i] + 1;
		at->flags = (i + value) & 15;
	}
	value++;
}

static void get_hash(void *ctx)
{
	uint64_t sum = 0;

	(void)ctx;
	for (size_t i = 0; i < PAGES; i++)
		sum += slot(order[i])->flags;
	bench_use(sum);
}

/* 1 TiB, protected in runs that start and end anywhere. */
static void large_guest(void)
{
	enum { RUNS = 1000 };
	const uint64_t pages = (uint64_t)1 << 28, limit = 64 << 20;
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	bool changed;

	if (gabi_hv_protect_pool_init(&pool, &mem, limit))
		exit(3);
	gabi_hv_protect_init(&store, pages, 15);
	for (uint64_t i = 0; i < RUNS; i++)
		gabi_hv_protect_set(&store, &pool, i * (pages / RUNS) + i * 7, pages / RUNS / 2 + i, (unsigned)i & 7, &changed);
	print("bytes a run in 1000 runs of 1 TiB", RUNS, (double)(limit - pool.left) / RUNS, NULL, 0);
	gabi_hv_protect_free(&store, &mem);
	gabi_hv_protect_pool_free(&pool);
}

static void protections(void)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	uint64_t random = 88172645463325252u, limit = 64 << 20;
	double set, runs;

	order = need(malloc(PAGES * sizeof(*order)));
	bitmap = need(calloc(PAGES, 1));
	hash = need(calloc(2 * PAGES, sizeof(*hash)));
	for (size_t i = 0; i < PAGES; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		order[i] = random >> 20 & (PAGES - 1);
	}
	if (gabi_hv_protect_pool_init(&pool, &mem, limit))
		exit(3);
	gabi_hv_protect_init(&store, PAGES, 15);
	set = bench_time(set_store, NULL) / PAGES;
	print("protect a random page", PAGES, set, "nibble array", bench_time(set_bitmap, NULL) / PAGES);
	print("protect a random page", PAGES, set, "hash table", bench_time(set_hash, NULL) / PAGES);
	print("bytes a page where all differ, in 1/1000", PAGES, (double)(limit - pool.left) * 1000 / PAGES, NULL, 0);
	print("look a random page up", PAGES, bench_time(get_store, NULL) / PAGES, "hash table", bench_time(get_hash, NULL) / PAGES);
	runs = bench_time(runs_store, NULL) / PAGES;
	print("protect a page in runs of 5000", PAGES, runs, "nibble array", bench_time(runs_bitmap, NULL) / PAGES);
	gabi_hv_protect_free(&store, &mem);
	gabi_hv_protect_pool_free(&pool);
	large_guest();
	free(order);
	free(bitmap);
	free(hash);
}

/* ---- saving ---- */

struct saving {
	struct gabi_hv *hv;
	uint8_t *buf;
	size_t len;
};

static void save(void *ctx)
{
	struct saving *saving = ctx;
	size_t len;

	if (gabi_hv_save(saving->hv, saving->buf, saving->len, &len))
		exit(3);
	bench_use(saving->buf[len - 1]);
}

static void save_all(void)
{
	struct saving saving = { .hv = engine(64) };
	uint64_t one = 1;

	for (unsigned vp = 0; vp < 64; vp++) {
		gabi_hv_wrmsr(saving.hv, vp, GABI_HV_MSR_SCONTROL, 1, 0, &turn);
		gabi_hv_wrmsr(saving.hv, vp, GABI_HV_MSR_SIMP, (vp + 16) << 12 | 1, 0, &turn);
		gabi_hv_wrmsr(saving.hv, vp, GABI_HV_MSR_SIEFP, (vp + 96) << 12 | 1, 0, &turn);
		gabi_hv_wrmsr(saving.hv, vp, GABI_HV_MSR_SINT2, 0x50, 0, &turn);
		for (unsigned i = 0; i < 4; i++)
			gabi_hv_post(saving.hv, vp, 0, 2, 5, &one, 8, 0, &turn);
		gabi_hv_signal(saving.hv, vp, 0, 2, 5, &turn);
	}
	gabi_hv_save(saving.hv, NULL, 0, &saving.len);
	saving.buf = need(malloc(saving.len));
	print("save 64 processors with 2 VTLs", saving.len, bench_time(save, &saving), NULL, 0);
	free(saving.buf);
	gabi_hv_free(saving.hv);
}

int main(void)
{
	hypercalls();
	protections();
	save_all();
	return 0;
}
