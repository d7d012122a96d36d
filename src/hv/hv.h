/* SPDX-License-Identifier: MIT */
/* The engine's inside: what its files share. */
#ifndef GABI_SRC_HV_H
#define GABI_SRC_HV_H

#include <gabi/hv.h>
#include <gabi/hv_call.h>
#include <gabi/hv_turn.h>

#include "base/base.h"

#include <stdatomic.h>
#include <string.h>

#define PAGE_MASK       (GABI_HV_PAGE - 1)
#define PARTITION_SELF  UINT64_MAX
#define VP_SELF         0xfffffffeu
#define VP_ANY          0xffffffffu
#define NO_VP           0xffffffffu

enum call_row {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, handler, source) CALL_ROW_##name,
#include <gabi/hv_call.def>
	CALL_ROWS
};

enum need {
#define GABI_HV_NEED_ROW(name, a, b, c) NEED_##name,
#include <gabi/hv_need.def>
};

/* Short, uncontended in the common case, and held over a bounded number of memory accesses only: a spin lock is enough and
 * needs nothing of the system. Order: the partition's before a virtual processor's, a lower index before a higher. */
struct lock {
	atomic_flag held;
};

static inline void take(struct lock *lock)
{
	while (atomic_flag_test_and_set_explicit(&lock->held, memory_order_acquire))
		;
}

static inline void give(struct lock *lock)
{
	atomic_flag_clear_explicit(&lock->held, memory_order_release);
}

struct vp {
	_Alignas(64) struct lock lock;
	uint32_t index;
	uint32_t apic_id;
	_Atomic uint8_t active;   /* VTL; written by the own thread */
	_Atomic uint16_t enabled; /* VTLs */
};

struct gabi_hv {
	struct gabi_mem mem;
	struct gabi_hv_ops ops;
	struct lock lock;
	uint32_t vp_count, vtl_count, rep_limit, dialect;
	uint64_t partition_id, gpa_pages, tsc_hz, apic_hz;
	uint32_t leaf[GABI_HV_LEAF_COUNT][4];
	uint32_t feature[4];
	uint8_t call_ok[CALL_ROWS]; /* 1 where the partition has what the row needs */
	uint8_t digest[GABI_DIGEST_LEN];
	struct vp *vp;
	uint32_t *by_apic_id;       /* virtual processors in order of APIC id */
	uint8_t *pages;             /* of the overlays */
	void *vp_block, *page_block; /* what was allocated, before alignment */
};

bool gabi_hv_meets(const struct gabi_hv *hv, enum need need);

static inline bool has(const struct gabi_hv *hv, enum gabi_hv_feature feature)
{
	return hv->feature[feature / 32] >> feature % 32 & 1;
}

static inline unsigned active_vtl(const struct vp *vp)
{
	return atomic_load_explicit(&vp->active, memory_order_relaxed);
}

/* ---- bytes ---- */

static inline uint16_t get16(const void *at)
{
	const uint8_t *b = at;

	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t get32(const void *at)
{
	return get16(at) | (uint32_t)get16((const uint8_t *)at + 2) << 16;
}

static inline uint64_t get64(const void *at)
{
	return get32(at) | (uint64_t)get32((const uint8_t *)at + 4) << 32;
}

static inline void put16(void *at, uint16_t value)
{
	uint8_t *b = at;

	b[0] = (uint8_t)value;
	b[1] = (uint8_t)(value >> 8);
}

static inline void put32(void *at, uint32_t value)
{
	put16(at, (uint16_t)value);
	put16((uint8_t *)at + 2, (uint16_t)(value >> 16));
}

static inline void put64(void *at, uint64_t value)
{
	put32(at, (uint32_t)value);
	put32((uint8_t *)at + 4, (uint32_t)(value >> 32));
}

/* ---- a turn ---- */

/* The next action, zeroed but for its kind. Every entry point does a bounded number of them; GABI_HV_ACTS_MAX has room. */
static inline struct gabi_hv_act *act(struct gabi_hv_turn *turn, enum gabi_hv_act_kind kind, unsigned vp, unsigned vtl)
{
	struct gabi_hv_act *next = &turn->act[turn->count++];

	*next = (struct gabi_hv_act){ .kind = (uint8_t)kind, .vtl = (uint8_t)vtl, .vp = (uint16_t)vp };
	return next;
}

/* ---- a hypercall on its way: src/hv/call.c decodes, handlers read ---- */

struct call {
	struct gabi_hv *hv;
	struct vp *vp;
	struct gabi_hv_turn *turn;
	uint64_t now;
	const uint8_t *in;      /* header, variable header, then all elements */
	uint8_t *out;
	uint16_t in_len;        /* bytes at in */
	uint16_t out_cap, out_len; /* bytes that out may have, and that a simple call has */
	uint16_t in_header;     /* fixed and variable */
	uint16_t var;           /* qwords of variable header */
	uint16_t rep_at, rep_count, rep_stop; /* elements: first, all, and where this turn ends at the latest */
	uint8_t vtl;            /* the caller's */
	uint8_t mode;           /* enum gabi_hv_mode */
	bool fast;
	uint8_t done;           /* enum gabi_hv_done, if a handler cannot finish in this turn */
};

/* A handler returns a status and, in a rep call, leaves rep_at behind the last element that it has completed. */
typedef unsigned handler(struct call *call);

#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, handler, source) \
	unsigned gabi_hv_call_##handler(struct call *call);
#include <gabi/hv_call.def>

static inline const uint8_t *element(const struct call *call, unsigned size)
{
	return call->in + call->in_header + (size_t)call->rep_at * size;
}

/* HV_PARTITION_ID: the caller's own or HV_PARTITION_ID_SELF; there is no other. */
static inline bool is_self(const struct gabi_hv *hv, uint64_t partition)
{
	return partition == PARTITION_SELF || partition == hv->partition_id;
}

/* HV_VP_INDEX to the virtual processor; NULL if there is none. */
static inline struct vp *vp_of(const struct call *call, uint32_t index)
{
	if (index == VP_SELF)
		return call->vp;
	return index < call->hv->vp_count ? &call->hv->vp[index] : NULL;
}

/* HV_INPUT_VTL to the VTL meant. HV_STATUS_SUCCESS, or why not: reserved bits, a VTL that there is not, one above the
 * caller's. TLFS HV_INPUT_VTL. */
unsigned gabi_hv_input_vtl(const struct call *call, uint8_t input, unsigned *ret_vtl);

/* ---- sets of virtual processors ---- */

/* All; those of a mask of the first 64; those of an HV_VP_SET with `banks` bank words. Indices that there are not are
 * dropped. The last returns false for an unknown format or a wrong number of bank words. */
void gabi_hv_set_all(const struct gabi_hv *hv, struct gabi_hv_set *set);
void gabi_hv_set_mask(const struct gabi_hv *hv, struct gabi_hv_set *set, uint64_t mask);
bool gabi_hv_set_sparse(const struct gabi_hv *hv, struct gabi_hv_set *set, uint64_t format, uint64_t valid,
			const uint8_t *bank, unsigned banks);

/* Puts a set into turn->set's place in an action: the one virtual processor, if it is only one. NO_VP if it is empty. */
unsigned gabi_hv_set_single(const struct gabi_hv_set *set);

#endif
