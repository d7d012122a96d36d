/* SPDX-License-Identifier: MIT */
/* The engine's inside: what its files share. */
#ifndef GABI_SRC_HV_H
#define GABI_SRC_HV_H

#include <gabi/hv.h>
#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_save.h>
#include <gabi/hv_synic.h>
#include <gabi/hv_trace.h>
#include <gabi/hv_turn.h>
#include <gabi/hv_vsm.h>

#include "base/base.h"
#include "protect.h"
#include "tap.h"

#include <stdatomic.h>
#include <string.h>

#define PAGE_MASK       (GABI_HV_PAGE - 1)
#define PARTITION_SELF  UINT64_MAX
#define VP_SELF         0xfffffffeu
#define VP_ANY          0xffffffffu
#define NO_VP           0xffffffffu

enum trace_row {
#define GABI_HV_TRACE_ROW(number, name, turn, tail, arguments) TRACE_ROW_##name,
#include <gabi/hv_trace.def>
	TRACE_ROWS
};

enum call_row {
#define GABI_HV_CALL_ROW(code, name, kind, in, in_each, out, out_each, needs, handler, source) CALL_ROW_##name,
#include <gabi/hv_call.def>
	CALL_ROWS
};

enum msr_row {
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) MSR_ROW_##name,
#include <gabi/hv_msr.def>
	MSR_ROWS
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

/* ---- overlay pages ---- */

enum page_kind { PAGE_HYPERCALL, PAGE_REF_TSC, PAGE_ASSIST, PAGE_SIMP, PAGE_SIEFP };

/* Pages that each VTL has once, and once for every virtual processor. */
enum { PAGES_OF_VTL = 2, PAGES_OF_VP = 3 };

#define NOWHERE UINT64_MAX

/* Where the sequences start in the hypercall page. A VTL may be of either width, so each width has its own. */
enum { PAGE_CALL_64 = 0x20, PAGE_RETURN_64 = 0x40, PAGE_CALL_32 = 0x60, PAGE_RETURN_32 = 0x80, PAGE_CHOICE = 0xa0 };

/* ---- SynIC and timers: one of each a VTL a virtual processor ---- */

enum { BUFFERS = 16, NO_BUFFER = 0xff };

struct buffer {
	uint32_t type;
	uint8_t len;
	uint8_t next; /* in its queue, or in the list of free ones */
	uint64_t origin;
	uint8_t payload[GABI_HV_MESSAGE_MAX];
};

struct stimer {
	uint64_t config, count;
	uint64_t due;       /* reference time of the next expiration, or GABI_HV_NEVER */
	uint64_t expired;   /* when the one that waits for its message slot did */
	bool waits;
};

struct synic {
	uint64_t scontrol, siefp, simp;
	uint64_t sint[GABI_HV_SINTS];
	uint8_t head[GABI_HV_SINTS], tail[GABI_HV_SINTS], free;
	struct stimer timer[GABI_HV_STIMERS];
	struct buffer buffer[BUFFERS];
};

/* What one VTL of one virtual processor has for itself. Another processor may write it by SetVpRegisters: what is not read under the
 * virtual processor's lock is atomic. */
struct vtl {
	_Atomic uint64_t assist; /* VP_ASSIST_PAGE */
	uint64_t npiep;
	_Atomic uint64_t vina;
	_Atomic uint64_t traps;        /* CrInterceptControl */
	_Atomic uint64_t trap_mask[3]; /* CR0, CR4, IA32_MISC_ENABLE */
	_Atomic uint8_t secure_config[GABI_HV_VTLS_MAX]; /* for each lower VTL */
	struct synic synic;
};

enum { SECURE_MBEC = 1, SECURE_TLB_LOCKED = 2 };

enum { INSTALLED = 64, RAM_RANGES = 64 };

struct ram_range {
	uint64_t first;
	_Atomic uint64_t end;
};

/* What one VTL has once for all virtual processors. */
struct vtl_common {
	_Atomic uint64_t os_id;
	uint64_t hypercall, ref_tsc;
	_Atomic uint64_t config;      /* VsmPartitionConfig */
	uint32_t installed;           /* intercepts that it has installed for lower VTLs */
	struct gabi_hv_installed intercept[INSTALLED];
	_Atomic uint16_t protectors;  /* VTLs that have protected pages from it */
};

enum {
	CONFIG_PROTECT = 1 << 0,
	CONFIG_MASK_SHIFT = 1,
	CONFIG_ZERO_MEMORY = 1 << 5,
	CONFIG_DENY_STARTUP = 1 << 6,
	CONFIG_INTERCEPT_STARTUP = 1 << 9,
};

/*
 * A connection in two words, so that hypercalls can read it without a lock: the first is written last. 0: none. Its id in 23:0, what it
 * is in 27:24, host 28, VTL 35:32, source 39:36, virtual processor 63:40 (all ones: any). flags: the first in 15:0, how many in 31:16.
 */
struct connection {
	_Atomic uint64_t what, flags;
};

enum { CONNECTION_KIND = 24, CONNECTION_HOST = 28, CONNECTION_VTL = 32, CONNECTION_SINT = 36, CONNECTION_VP = 40 };

struct call;

struct vp {
	_Alignas(64) struct lock lock;
	uint32_t index;
	uint32_t apic_id;
	_Atomic uint8_t active;   /* VTL; written by the own thread */
	_Atomic uint16_t enabled; /* VTLs */
	uint8_t started;
	uint16_t pending;         /* VTLs whose local APIC has an interrupt to deliver; of the own thread */
	_Atomic uint16_t waits_for; /* VTLs that may not be entered while some processor has their TLB locked */
	uint16_t locked[GABI_HV_VTLS_MAX]; /* by each VTL: the lower ones whose TLB it has locked here */
	uint64_t timer_at;        /* the last time that an action TIMER named */
	struct vtl *vtl;          /* vtl_count of them */
};

/* Codes are dense but for the extended ones. */
enum { PLAIN_CODES = 0x120 };

/*
 * How a call goes, as far as it follows from its code and from what the partition may do: settled when the partition is made, for
 * 64-bit callers in kernel mode. src/hv/call_short.c
 */
struct way {
	_Alignas(64) uint64_t reject;   /* bits of the input value, with FAST turned over, that keep it from the common way */
	/* The common way. */
	uint64_t long_if;  /* bits of the input's first word with which it goes the long way after all */
	uint64_t payload;  /* bits of it that go into the action */
	uint64_t ipi;      /* all ones for SendSyntheticClusterIpi, else 0 */
	uint64_t id;       /* the same for GetPartitionId */
	uint16_t status;   /* what it says if nothing is wrong */
	uint16_t changed;  /* enum gabi_hv_changed */
	uint8_t kind;      /* enum gabi_hv_act_kind of the action */
	uint8_t acts;      /* 1 if there is one */
	uint8_t in;        /* bytes of its input that may come from memory; 0: not the common way then */
	bool event;        /* SignalEvent, which looks a connection up */
	/* Or a way of its own, for parameters in registers; then `reject` is all ones. */
	int (*run)(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, struct gabi_hv_turn *turn);
};

struct gabi_hv {
	struct tap *tap;            /* NULL, or what records this engine or feeds it */
	struct gabi_mem mem;
	struct gabi_hv_ops ops;
	struct lock lock;
	uint32_t vp_count, vtl_count, rep_limit, dialect;
	uint64_t partition_id, gpa_pages, tsc_hz, apic_hz;
	uint32_t leaf[GABI_HV_LEAF_COUNT][4];
	uint32_t feature[5];
	uint8_t call_ok[CALL_ROWS]; /* 1 where the partition has what the row needs */
	uint64_t reject[CALL_ROWS]; /* bits of the input value that the row does not take */
	struct way way[PLAIN_CODES];
	uint64_t first_bank;        /* the virtual processors of bank 0 */
	uint8_t msr_ok[MSR_ROWS];
	bool vsm_ok;
	uint8_t digest[GABI_DIGEST_LEN];
	struct vtl_common common[GABI_HV_VTLS_MAX];
	uint64_t protect_bytes;
	uint16_t mbec_vtls;         /* that may have it */
	bool dr6_shared;
	_Atomic uint16_t speaking;  /* VTLs whose guest has said who it is */
	_Atomic uint16_t enabled;   /* VTLs */
	_Atomic uint16_t mbec;      /* VTLs enabled with mode-based execute control */
	_Atomic uint32_t tlb_locks; /* held by all virtual processors together */
	struct gabi_hv_set waiting; /* for a TLB lock to go */
	_Atomic uint32_t ram_count;
	struct ram_range ram[RAM_RANGES];
	struct protect_pool pool;
	struct protect *protect;    /* one for each pair of VTLs, the protecting one above the other */
	struct lock protect_lock;
	uint64_t crash[5];
	uint64_t reenlightenment, tsc_emulation, tsc_emulation_status, tsc_invariant;
	int64_t tsc_offset;
	uint32_t tsc_sequence;      /* 0: the reference TSC is not reliable */
	uint32_t tsc_last;          /* the last sequence number that was not 0 */
	uint32_t connection_places; /* a power of two */
	struct connection *connection;
	struct vp *vp;
	struct vtl *vtl;
	uint64_t *overlay;          /* by page number: the guest's page that it lies over, or NOWHERE */
	uint32_t *by_apic_id;       /* virtual processors in order of APIC id */
	uint8_t *pages;             /* of the overlays */
	void *vp_block, *page_block; /* what was allocated, before alignment */
	struct tap recorder;
};

/* Fills the ways, once it is known what the partition may do. */
void gabi_hv_pave(struct gabi_hv *hv);

/* The number of a code's row, CALL_ROWS if it has none; and the bits of an input value that the row does not take. */
unsigned gabi_hv_call_row(unsigned code);
uint64_t gabi_hv_call_rejects(const struct gabi_hv *hv, unsigned row);

bool gabi_hv_well_placed(const struct gabi_hv *hv, uint64_t gpa, unsigned len);

/* Where the search for a connection begins. */
static inline struct connection *connection_place(const struct gabi_hv *hv, uint32_t id)
{
	return &hv->connection[(id * 0x9e3779b1u >> 7) & (hv->connection_places - 1)];
}

/* The first word of a connection to a host's event port. */
static inline uint64_t host_event(uint64_t id)
{
	return id | (uint64_t)GABI_HV_PORT_EVENT << CONNECTION_KIND | (uint64_t)1 << CONNECTION_HOST;
}

/* The long way: any call in any environment. */
int gabi_hv_call_long(struct gabi_hv *hv, struct vp *vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn);

bool gabi_hv_meets(const struct gabi_hv *hv, enum need need);

static inline bool has(const struct gabi_hv *hv, enum gabi_hv_feature feature)
{
	return hv->feature[feature / 32] >> feature % 32 & 1;
}

static inline unsigned active_vtl(const struct vp *vp)
{
	return atomic_load_explicit(&vp->active, memory_order_relaxed);
}

static inline unsigned page_number(const struct gabi_hv *hv, enum page_kind kind, unsigned vp, unsigned vtl)
{
	unsigned first = vtl * (PAGES_OF_VTL + hv->vp_count * PAGES_OF_VP);

	return kind < PAGE_ASSIST ? first + kind : first + PAGES_OF_VTL + vp * PAGES_OF_VP + (kind - PAGE_ASSIST);
}

static inline uint8_t *page_at(const struct gabi_hv *hv, enum page_kind kind, unsigned vp, unsigned vtl)
{
	return hv->pages + (size_t)page_number(hv, kind, vp, vtl) * GABI_HV_PAGE;
}

/* The words of an overlay page that both sides write. What the guest wrote comes in by the three functions below alone. */
static inline _Atomic uint32_t *word_of(uint8_t *page, unsigned at)
{
	return (_Atomic uint32_t *)(void *)(page + at);
}

static inline uint32_t page_load(const struct gabi_hv *hv, uint8_t *page, unsigned at)
{
	if (hv->tap)
		gabi_hv_tap_before(hv->tap, page + at);
	uint32_t value = atomic_load_explicit(word_of(page, at), memory_order_seq_cst);

	if (hv->tap)
		gabi_hv_tap_after(hv->tap, value);
	return value;
}

/* Sets bits; the word as it was before. */
static inline uint32_t page_or(const struct gabi_hv *hv, uint8_t *page, unsigned at, uint32_t bits)
{
	if (hv->tap)
		gabi_hv_tap_before(hv->tap, page + at);
	uint32_t value = atomic_fetch_or_explicit(word_of(page, at), bits, memory_order_seq_cst);

	if (hv->tap)
		gabi_hv_tap_after(hv->tap, value);
	return value;
}

static inline uint64_t page_load64(const struct gabi_hv *hv, uint8_t *page, unsigned at)
{
	uint32_t low = page_load(hv, page, at);

	return low | (uint64_t)page_load(hv, page, at + 4) << 32;
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

static inline bool is_vector(uint32_t vector)
{
	return vector >= 0x10 && vector <= 0xff;
}

/* An interrupt with a vector that a guest has left in a register, where the TLFS does not say that a write is refused. A local APIC takes
 * none below 16 (Intel SDM volume 3, Valid Interrupt Vectors), and KVM's would keep it for ever: there is none. */
static inline struct gabi_hv_act *request_interrupt(struct gabi_hv_turn *turn, unsigned vp, unsigned vtl, uint8_t vector)
{
	struct gabi_hv_act *next = is_vector(vector) ? act(turn, GABI_HV_ACT_INTERRUPT, vp, vtl) : NULL;

	if (next)
		next->interrupt.vector = vector;
	return next;
}

/* ---- the entry points behind src/hv/entry.c ---- */

int gabi_hv_record_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn);

int gabi_hv_do_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_rdmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t now, uint64_t *ret_value, struct gabi_hv_turn *turn);
int gabi_hv_do_wrmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t value, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_vtl_call(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_vtl_return(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_interrupt(struct gabi_hv *hv, unsigned vp, unsigned vtl, int pending, struct gabi_hv_turn *turn);
int gabi_hv_do_accepts_init(struct gabi_hv *hv, unsigned vp, unsigned vtl);
int gabi_hv_do_memory_fault(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_fault *fault, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_trap(struct gabi_hv *hv, unsigned vp, enum gabi_hv_trap trap, const struct gabi_hv_value *value,
		    unsigned instruction_len, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_io(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_io *io, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_msr_intercept(struct gabi_hv *hv, unsigned vp, uint32_t msr, int write, unsigned instruction_len, uint64_t now,
			     struct gabi_hv_turn *turn);
int gabi_hv_do_cpuid_intercept(struct gabi_hv *hv, unsigned vp, uint32_t leaf, const uint32_t result[4], unsigned instruction_len,
			       uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_exception_intercept(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_exception *exception, uint64_t now,
				   struct gabi_hv_turn *turn);
int gabi_hv_do_post(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, uint32_t type, const void *payload, size_t len,
		    uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_signal(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, unsigned flag, struct gabi_hv_turn *turn);
int gabi_hv_do_eoi(struct gabi_hv *hv, unsigned vp, unsigned vtl, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_expire(struct gabi_hv *hv, unsigned vp, uint64_t now, struct gabi_hv_turn *turn);
int gabi_hv_do_set_ram(struct gabi_hv *hv, uint64_t gfn, uint64_t count);
int gabi_hv_do_connect(struct gabi_hv *hv, uint32_t id, const struct gabi_hv_port *port, struct gabi_diag *diag);
int gabi_hv_do_disconnect(struct gabi_hv *hv, uint32_t id);
int gabi_hv_do_delete_port(struct gabi_hv *hv, uint32_t id);
int gabi_hv_do_set_reference_tsc(struct gabi_hv *hv, uint64_t tsc_hz, int64_t offset_100ns, int reliable);
int gabi_hv_do_reenlighten(struct gabi_hv *hv, struct gabi_hv_turn *turn);
int gabi_hv_do_reset(struct gabi_hv *hv, struct gabi_hv_turn *turn);
int gabi_hv_do_restore(struct gabi_hv *hv, const void *buf, size_t len, struct gabi_diag *diag);
int gabi_hv_do_resume(struct gabi_hv *hv, unsigned vp, unsigned vtl, struct gabi_hv_turn *turn);

/* ---- what the parts do for each other ---- */

/* Puts everything but connections and RAM back to where it started. */
int gabi_hv_start_over(struct gabi_hv *hv);

/* Can the VMM hold a lower VTL to these rights? */
bool gabi_hv_can_enforce(const struct gabi_hv *hv, unsigned prot);

/* The traps that the VMM can arm. */
uint64_t gabi_hv_known_traps(const struct gabi_hv *hv);

/* Can that be what a guest has brought a register, a timer or an intercept to? */
bool gabi_hv_valid_sint(uint64_t value);
bool gabi_hv_valid_config(const struct gabi_hv *hv, uint64_t value);
bool gabi_hv_valid_stimer(const struct gabi_hv *hv, const struct stimer *timer);
bool gabi_hv_valid_installed(const struct gabi_hv_installed *one);

/* Could gabi_hv_connect have made this place? */
bool gabi_hv_valid_connection(const struct gabi_hv *hv, uint64_t what, uint64_t flags);

uint64_t gabi_hv_checksum(const uint8_t *at, size_t len);

/* Says what is to be seen at a page of a VTL. */
void gabi_hv_show_overlay(const struct gabi_hv *hv, struct gabi_hv_turn *turn, unsigned vtl, uint64_t gfn);

void gabi_hv_fill_hypercall_page(const struct gabi_hv_config *config, uint8_t *page);
void gabi_hv_fill_ref_tsc_pages(struct gabi_hv *hv);

/* An overlay's register was written: moves the page, and says what is to be seen at its old and its new place. */
void gabi_hv_place_overlay(struct gabi_hv *hv, struct gabi_hv_turn *turn, enum page_kind kind, unsigned vp, unsigned vtl,
			   uint64_t msr);

/* A VTL's MSR, whose row has been checked. GABI_HV_DONE or GABI_HV_GP. */
int gabi_hv_read_msr(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t now, uint64_t *ret_value,
		     struct gabi_hv_turn *turn);
int gabi_hv_write_msr(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint32_t msr, uint64_t value, uint64_t now,
		      struct gabi_hv_turn *turn);

/* Is there such an MSR in that direction, and may the partition use it? */
bool gabi_hv_msr_allowed(const struct gabi_hv *hv, uint32_t msr, bool write);

/* VsmCapabilities, in the layout of the dialect. */
uint64_t gabi_hv_vsm_capabilities(const struct gabi_hv *hv);

/* The state of a VTL at creation and after a reset. */
void gabi_hv_synic_reset(struct synic *synic);

/* The rest wants the lock of vp. */

/* Delivers what waits for one source, or for all. */
void gabi_hv_synic_deliver(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, uint64_t now, struct gabi_hv_turn *turn);
void gabi_hv_synic_scan(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint64_t now, struct gabi_hv_turn *turn);

/* Queues and delivers; false where no buffer is free. */
bool gabi_hv_synic_post(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, uint32_t type, uint64_t origin,
			const void *payload, unsigned len, uint64_t now, struct gabi_hv_turn *turn);

/* Sets an event flag; a hypercall status. */
unsigned gabi_hv_synic_signal(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, unsigned flag,
			      struct gabi_hv_turn *turn);

void gabi_hv_stimer_set_config(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned timer, uint64_t config, uint64_t now,
			       struct gabi_hv_turn *turn);
void gabi_hv_stimer_set_count(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned timer, uint64_t count, uint64_t now,
			      struct gabi_hv_turn *turn);
/* Lets expire what is due, and asks for the next time if it is another than before. */
void gabi_hv_stimer_run(struct gabi_hv *hv, struct vp *vp, uint64_t now, struct gabi_hv_turn *turn);
/* Fills a timer's message if one waits for that source; false if none does. */
bool gabi_hv_stimer_message(struct synic *synic, unsigned sint, uint64_t now, uint8_t ret_payload[24]);

/* ---- trust levels ---- */

/* HV_MESSAGE_TYPE. Beyond what an enumerator may be. */
#define MESSAGE_GPA       0x80000001u
#define MESSAGE_TIMER     0x80000010u
#define MESSAGE_HYPERCALL 0x80000050u
#define MESSAGE_IO        0x80010000u
#define MESSAGE_MSR       0x80010001u
#define MESSAGE_CPUID     0x80010002u
#define MESSAGE_EXCEPTION 0x80010003u
#define MESSAGE_REGISTER  0x80010006u

static inline uint16_t enabled_vtls(const struct vp *vp)
{
	return atomic_load_explicit(&vp->enabled, memory_order_relaxed);
}

/* The nearest VTL above or below that the virtual processor has; -1 if none. */
int gabi_hv_next_vtl_up(const struct vp *vp, unsigned vtl);
int gabi_hv_next_vtl_down(const struct vp *vp, unsigned vtl);

/* The nearest VTL above the caller whose partition configuration has one of these bits; -1 if none. */
int gabi_hv_configured_above(const struct gabi_hv *hv, unsigned caller, unsigned bits);

/* Enters a higher VTL on the calling virtual processor. */
void gabi_hv_enter(struct gabi_hv *hv, struct vp *vp, unsigned to, enum gabi_hv_entry reason, struct gabi_hv_turn *turn);

/* Enters it with a message for its source 0. */
void gabi_hv_intercept(struct gabi_hv *hv, struct vp *vp, unsigned to, uint32_t type, const uint8_t *payload, unsigned len,
		       uint64_t now, struct gabi_hv_turn *turn);

/* The common head of an intercept message, 40 bytes. */
void gabi_hv_intercept_head(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, unsigned access, unsigned len,
			    uint8_t head[40]);

/* A register of the processor's, 0 if the VMM does not have it. */
uint64_t gabi_hv_cpu_reg(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint32_t name);

/* A lower VTL's VP register that the engine holds: HV_STATUS. */
unsigned gabi_hv_get_vsm(struct call *call, struct vp *vp, unsigned vtl, uint32_t name, uint64_t *ret_value);
unsigned gabi_hv_set_vsm(struct call *call, struct vp *vp, unsigned vtl, uint32_t name, uint64_t value);

/* Is mode-based execute control on for that VTL on that virtual processor? */
bool gabi_hv_mbec_active(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl);

/* Takes or drops a TLB lock; dropping the last one wakes those that wait. With vp->lock and hv->lock free. */
void gabi_hv_lock_tlb(struct gabi_hv *hv, struct vp *vp, unsigned holder, unsigned vtl);
void gabi_hv_unlock_tlb(struct gabi_hv *hv, struct vp *vp, unsigned holder, uint16_t vtls, struct gabi_hv_turn *turn);
/* True if a TLB of that VTL is locked on one of turn->set, or on any other virtual processor if set is NULL; the caller
 * then waits, and an action HOLD says so. */
bool gabi_hv_wait_for_tlb(struct gabi_hv *hv, struct vp *vp, unsigned vtl, const struct gabi_hv_set *set,
			  struct gabi_hv_turn *turn);

/* ---- protections ---- */

static inline struct protect *store_of(const struct gabi_hv *hv, unsigned protector, unsigned vtl)
{
	return &hv->protect[protector * (protector - 1) / 2 + vtl];
}

bool gabi_hv_is_ram(const struct gabi_hv *hv, uint64_t gfn, uint64_t count);

/* Protects pages from a VTL and lists what changed in the turn. Returns how many pages were done: fewer for want of memory, or where
 * the turn is full, which *ret_full says. */
uint64_t gabi_hv_protect_pages(struct gabi_hv *hv, unsigned protector, unsigned vtl, uint64_t gfn, uint64_t count, unsigned prot,
			       struct gabi_hv_turn *turn, bool *ret_full);
/* How many pages from the first on a VTL has protected like that. */
uint64_t gabi_hv_protected_from_the_start(struct gabi_hv *hv, unsigned protector, unsigned vtl, unsigned prot);
void gabi_hv_sort_changes(struct gabi_hv_turn *turn);

/* The higher VTLs that forbid an access. */
unsigned gabi_hv_forbidden_by(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint64_t gfn, enum gabi_hv_access access,
			      bool user);

/* ---- a hypercall on its way: src/hv/call.c decodes, handlers read ---- */

struct call {
	struct gabi_hv *hv;
	struct vp *vp;
	struct gabi_hv_turn *turn;
	const struct gabi_hv_regs *regs;
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
	bool silent;            /* done is final, and no result goes to the guest */
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
static inline unsigned gabi_hv_input_vtl(unsigned caller, uint8_t input, unsigned *ret_vtl)
{
	unsigned vtl = input & 0x10 ? input & 0xf : caller;

	if (input & 0xe0)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (vtl > caller)
		return GABI_HV_STATUS_ACCESS_DENIED;
	*ret_vtl = vtl;
	return GABI_HV_STATUS_SUCCESS;
}

/* Straight from registers: the input's first words. HV_STATUS; *ret_done becomes GABI_HV_AGAIN where it has to wait. */
unsigned gabi_hv_flush_space(struct gabi_hv *hv, struct vp *vp, unsigned vtl, const uint64_t in[3], struct gabi_hv_turn *turn, int *ret_done);

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
