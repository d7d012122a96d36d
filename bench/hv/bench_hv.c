/* SPDX-License-Identifier: MIT */
/*
 * The Hyper-V engine: decoding and dispatch, targets among many processors, the protection store beside its peers, saving. hv.sh cuts KVM's
 * hypercalls out of an installed source package and links them here; without it only ours are measured.
 */
#include "bench.h"
#include "peer.h"

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
enum { RAM = 1 << 16, PAGES = 4 << 20, KINDS = 8, MIX = 1 << 17, SLICE = 1 << 16 };

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
	struct gabi_hv_port event = { .kind = GABI_HV_PORT_EVENT, .host = 1, .flag_count = 1 };
	struct gabi_hv *hv;

	memset(config.leaf[3], 0xff, sizeof(config.leaf[3]));
	config.leaf[4][0] = ~(1u << 12);
	if (gabi_hv_new(&config, &ops, NULL, &hv, NULL) || gabi_hv_connect(hv, 1, &port, NULL) || gabi_hv_connect(hv, 2, &event, NULL))
		exit(3);
	gabi_hv_wrmsr(hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &turn);
	return hv;
}

/* ---- hypercalls ---- */

#define FAST  (1u << 16)
#define ONE   ((uint64_t)1 << 32)

/* A virtual processor's registers are filled anew for every call, as a VMM does on every exit. */
struct calls {
	struct gabi_hv *hv;
	struct gabi_hv_regs kind[KINDS], regs;
	uint64_t *peer_regs;
	peer_call *peer;
	void (*table[KINDS])(void);
	uint8_t order[MIX]; /* of them */
	size_t at;
};

static inline const struct gabi_hv_regs *next_of(struct calls *calls)
{
	return &calls->kind[calls->order[calls->at++ & (MIX - 1)]];
}

static inline void fill(struct gabi_hv_regs *regs, const struct gabi_hv_regs *kind)
{
	regs->rcx = kind->rcx;
	regs->rdx = kind->rdx;
	regs->r8 = kind->r8;
}

static void one_call(void *ctx)
{
	struct calls *calls = ctx;

	fill(&calls->regs, next_of(calls));
	gabi_hv_hypercall(calls->hv, 0, &calls->regs, 0, &turn);
	bench_use(calls->regs.rax + turn.count);
}

/* What the loop costs by itself. */
static void no_call(void *ctx)
{
	struct calls *calls = ctx;

	fill(&calls->regs, next_of(calls));
	__asm__ volatile("" : : "r"(&calls->regs) : "memory");
	bench_use(calls->regs.rax);
}

static inline void fill_peer(uint64_t *regs, const struct gabi_hv_regs *kind)
{
	regs[PEER_RCX] = kind->rcx;
	regs[PEER_RDX] = kind->rdx;
	regs[PEER_R8] = kind->r8;
}

static void one_peer_call(void *ctx)
{
	struct calls *calls = ctx;

	fill_peer(calls->peer_regs, next_of(calls));
	calls->peer();
	bench_use(calls->peer_regs[PEER_RAX]);
}

static void no_peer_call(void *ctx)
{
	struct calls *calls = ctx;

	fill_peer(calls->peer_regs, next_of(calls));
	__asm__ volatile("" : : "r"(calls->peer_regs) : "memory");
	bench_use(calls->peer_regs[PEER_RAX]);
}

/* The least that code can do which goes another way for each kind of call: jump there and come back. */
#define NOTHING(n) static __attribute__((noinline)) void nothing_##n(void) { __asm__ volatile("" : : "i"(n)); }
NOTHING(0) NOTHING(1) NOTHING(2) NOTHING(3) NOTHING(4) NOTHING(5) NOTHING(6) NOTHING(7)

static void one_jump(void *ctx)
{
	struct calls *calls = ctx;
	size_t kind = calls->order[calls->at++ & (MIX - 1)];

	calls->table[kind]();
	bench_use(kind);
}

static void no_jump(void *ctx)
{
	struct calls *calls = ctx;
	size_t kind = calls->order[calls->at++ & (MIX - 1)];

	bench_use(kind);
}

/* What tells two kinds of eight from the others, one branch after the other, and nothing else. */
static void two_guesses(void *ctx)
{
	struct calls *calls = ctx;
	size_t kind = calls->order[calls->at++ & (MIX - 1)];

	if (kind == 5)
		__asm__ volatile("nop");
	if (kind == 4)
		__asm__ volatile("nop; nop");
	bench_use(kind);
}

static double min(double a, double b)
{
	return a < b ? a : b;
}

/* What is compared takes turns. */
enum { TURNS = 3 };

struct contestant {
	const char *name;
	peer_setup *setup;
	peer_call *call;
	peer_xmm *xmm;
	unsigned enforce;
	double ns, empty;
};

static void use(struct calls *calls, const struct contestant *peer, unsigned vps)
{
	calls->peer_regs = peer->setup(vps, peer->enforce, ram, RAM);
	calls->peer = peer->call;
	memcpy(peer->xmm(), calls->kind[0].xmm, sizeof(calls->kind[0].xmm));
}

static double compare(struct calls *calls, struct contestant *peers, size_t count, unsigned vps)
{
	double call = 1e9, empty = 1e9;

	for (unsigned i = 0; i < TURNS; i++) {
		call = min(call, bench_time(one_call, calls));
		empty = min(empty, bench_time(no_call, calls));
		for (size_t j = 0; j < count && peers[j].setup; j++) {
			use(calls, &peers[j], vps);
			peers[j].ns = min(i ? peers[j].ns : 1e9, bench_time(one_peer_call, calls));
			peers[j].empty = min(i ? peers[j].empty : 1e9, bench_time(no_peer_call, calls));
		}
	}
	return call - empty;
}

/* As many lines as there are peers, or one. */
static void print_calls(const char *name, size_t n, double ns, const struct contestant *peers, size_t count)
{
	if (!peers[0].setup)
		print(name, n, ns, NULL, 0);
	for (size_t i = 0; i < count && peers[i].setup; i++)
		print(name, n, ns, peers[i].name, peers[i].ns - peers[i].empty);
}

static void simple_call(const char *name, unsigned vps, struct gabi_hv_regs regs)
{
	struct contestant kvm = { "KVM 6.1", kvm_setup, kvm_call, kvm_xmm, 0, 0, 0 };
	struct calls *calls = need(calloc(1, sizeof(*calls)));

	calls->hv = engine(vps);
	regs.mode = GABI_HV_MODE_64;
	calls->kind[0] = calls->regs = regs;
	print_calls(name, vps, compare(calls, &kvm, 1, vps), &kvm, 1);
	gabi_hv_free(calls->hv);
	free(calls);
}

/* Calls that no branch predictor knows the order of, or one kind after the other. */
static void shuffle(struct calls *calls)
{
	uint64_t random = 88172645463325252u;

	for (size_t i = 0; i < MIX; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		calls->order[i] = random >> 40 & (KINDS - 1);
	}
}

static void sort(struct calls *calls)
{
	for (size_t i = 0; i < MIX; i++)
		calls->order[i] = (uint8_t)(i / (MIX / KINDS));
}

static double jump_ns(struct calls *calls)
{
	static void (*const nothing[KINDS])(void) = {
		nothing_0, nothing_1, nothing_2, nothing_3, nothing_4, nothing_5, nothing_6, nothing_7,
	};

	memcpy(calls->table, nothing, sizeof(nothing));
	return bench_time(one_jump, calls) - bench_time(no_jump, calls);
}

static void mixed_calls(void)
{
	static const struct gabi_hv_regs kinds[KINDS] = {
		{ .rcx = 0x0008 | FAST }, { .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 2 }, { .rcx = 0x11f }, { .rcx = 0x0046 | FAST },
		{ .rcx = 0x005d | FAST, .rdx = 2 }, { .rcx = 0x0008 }, { .rcx = 0x007 }, { .rcx = 0x000b | FAST, .rdx = 1 },
	};
	struct contestant peers[] = {
		{ "KVM 6.1", kvm_setup, kvm_call, kvm_xmm, 0, 0, 0 },
		{ "KVM 6.1, which asks what the guest may do", kvm_setup, kvm_call, kvm_xmm, 1, 0, 0 },
		{ "KVM 6.1 with tables of jumps", kvm_tables_setup, kvm_tables_call, kvm_tables_xmm, 0, 0, 0 },
	};
	enum { PEERS = sizeof(peers) / sizeof(peers[0]) };
	struct calls *mix = need(calloc(1, sizeof(*mix)));
	double ns;

	memset(ram, 0, 4096);
	mix->hv = engine(64);
	mix->regs.mode = GABI_HV_MODE_64;
	memcpy(mix->kind, kinds, sizeof(kinds));
	shuffle(mix);
	ns = compare(mix, peers, PEERS, 64);
	print_calls("an unpredictable mix", MIX, ns, peers, PEERS);
	print("an unpredictable mix", MIX, ns, "an indirect call that is as unpredictable, of nothing", jump_ns(mix));
	print("an unpredictable mix", MIX, ns, "two branches of one in eight each, of nothing", bench_time(two_guesses, mix) - bench_time(no_jump, mix));
	sort(mix);
	ns = compare(mix, peers, PEERS, 64);
	print_calls("the same mix in order", MIX, ns, peers, PEERS);
	gabi_hv_free(mix->hv);
	free(mix);
}

static void hypercalls(void)
{
	simple_call("unknown code", 64, (struct gabi_hv_regs){ .rcx = 0x11f });
	simple_call("NotifyLongSpinWait, fast", 64, (struct gabi_hv_regs){ .rcx = 0x0008 | FAST });
	simple_call("NotifyLongSpinWait, from memory", 64, (struct gabi_hv_regs){ .rcx = 0x0008 });
	simple_call("SignalEvent, fast", 64, (struct gabi_hv_regs){ .rcx = 0x005d | FAST, .rdx = 2 });
	simple_call("SendSyntheticClusterIpi to 1 of 64, fast", 64, (struct gabi_hv_regs){ .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 1 << 9 });
	simple_call("SendSyntheticClusterIpi to 1 of 1024, fast", 1024, (struct gabi_hv_regs){ .rcx = 0x000b | FAST, .rdx = 0x80, .r8 = 1 << 9 });
	simple_call("FlushVirtualAddressSpace of 1 of 1024, XMM", 1024,
		    (struct gabi_hv_regs){ .rcx = 0x0002 | FAST, .rdx = 0x1000, .xmm = { { 1 << 9, 0 } } });
	memset(ram, 0, 4096);
	for (unsigned bank = 0; bank < 4; bank++)
		memcpy(ram + 32 + bank * 8, &(uint64_t){ 0x1000100010001 }, 8);
	memcpy(ram + 24, &(uint64_t){ 15 }, 8);
	simple_call("FlushVirtualAddressListEx of 16 of 256", 256, (struct gabi_hv_regs){ .rcx = 0x0014 | 4u << 17 | ONE });
	memcpy(ram, &(uint64_t){ 1 }, 8);
	memcpy(ram + 8, &(uint64_t){ 1 | (uint64_t)8 << 32 }, 8);
	simple_call("PostMessage", 64, (struct gabi_hv_regs){ .rcx = 0x005c });
	mixed_calls();
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
static size_t slice_at;

/* The next pages of the random order: so few that a round of them is seldom interrupted. A page has another value each time around. */
static const uint32_t *slice(void)
{
	const uint32_t *from = order + slice_at;

	slice_at = (slice_at + SLICE) % PAGES;
	value += slice_at == 0;
	return from;
}

static void set_store(void *ctx)
{
	const uint32_t *page = slice();
	bool changed;

	(void)ctx;
	for (size_t i = 0; i < SLICE; i++)
		gabi_hv_protect_set(&store, &pool, page[i], 1, (i + value) & 15, &changed);
}

static void get_store(void *ctx)
{
	const uint32_t *page = slice();
	uint64_t sum = 0;

	(void)ctx;
	for (size_t i = 0; i < SLICE; i++)
		sum += gabi_hv_protect_get(&store, &pool, page[i]);
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
	const uint32_t *page = slice();

	(void)ctx;
	for (size_t i = 0; i < SLICE; i++) {
		uint8_t *at = &bitmap[page[i] / 2], shift = page[i] % 2 * 4;

		*at = (uint8_t)((*at & ~(15 << shift)) | ((i + value) & 15) << shift);
	}
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
	const uint32_t *page = slice();

	(void)ctx;
	for (size_t i = 0; i < SLICE; i++) {
		struct entry *at = slot(page[i]);

		at->gfn = page[i] + 1;
		at->flags = (i + value) & 15;
	}
}

static void get_hash(void *ctx)
{
	const uint32_t *page = slice();
	uint64_t sum = 0;

	(void)ctx;
	for (size_t i = 0; i < SLICE; i++)
		sum += slot(page[i])->flags;
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
	double set = 1e9, get = 1e9, bits = 1e9, hash_set = 1e9, hash_get = 1e9, runs;

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
	for (unsigned i = 0; i < PAGES / SLICE; i++) /* the leaves come */
		set_store(NULL);
	for (unsigned i = 0; i < TURNS; i++) {
		set = min(set, bench_time(set_store, NULL) / SLICE);
		bits = min(bits, bench_time(set_bitmap, NULL) / SLICE);
		hash_set = min(hash_set, bench_time(set_hash, NULL) / SLICE);
		get = min(get, bench_time(get_store, NULL) / SLICE);
		hash_get = min(hash_get, bench_time(get_hash, NULL) / SLICE);
	}
	print("protect a random page", PAGES, set, "nibble array", bits);
	print("protect a random page", PAGES, set, "hash table", hash_set);
	print("bytes a page where all differ, in 1/1000", PAGES, (double)(limit - pool.left) * 1000 / PAGES, NULL, 0);
	print("look a random page up", PAGES, get, "hash table", hash_get);
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
