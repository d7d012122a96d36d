/* SPDX-License-Identifier: MIT */
/*
 * A Hyper-V partition, as a state machine without I/O.
 *
 * The engine holds what Hyper-V's interface adds to a processor: hypercalls, synthetic MSRs, overlay pages, message and
 * timer state, trust levels. Registers of the processor itself, guest memory and time stay with the VMM. Every entry point
 * is one turn: facts go in, the result comes back at once, and what the VMM has to do is left in a struct gabi_hv_turn.
 *
 * Threads: one thread per virtual processor may be inside the engine at a time, any number of virtual processors at once.
 * Functions that take no virtual processor say which thread may call them. The engine takes its own short locks and never
 * calls an op while it holds one.
 */
#ifndef GABI_HV_H
#define GABI_HV_H

#include <gabi/contract.h>
#include <gabi/err.h>
#include <gabi/host.h>
#include <gabi/mem.h>

GABI_BEGIN

struct gabi_hv;

#define GABI_HV_VPS_MAX  1024u
#define GABI_HV_VTLS_MAX 16u
#define GABI_HV_PAGE     4096u

/* The leaves that the engine answers: 0x40000000 to 0x4000000c. */
#define GABI_HV_LEAF_BASE  0x40000000u
#define GABI_HV_LEAF_COUNT 13u

enum gabi_hv_feature {
#define GABI_HV_FEATURE_ROW(name, word, bit, source) GABI_HV_FEATURE_##name = (word) * 32 + (bit),
#include <gabi/hv_feature.def>
};

enum gabi_hv_dialect {
#define GABI_HV_DIALECT_ROW(name, bit, text, what, source) GABI_HV_DIALECT_##name = 1u << (bit),
#include <gabi/hv_dialect.def>
};

/* How the code in the hypercall page leaves the guest. */
enum gabi_hv_exit {
	GABI_HV_EXIT_VMCALL,  /* Intel's instruction */
	GABI_HV_EXIT_VMMCALL, /* AMD's */
	GABI_HV_EXIT_PORT,    /* OUT to exit_port: no register changes hands; +0 hypercall, +1 VTL call, +2 VTL return */
	/* As PORT, but flushes, and with one VTL IPIs, leave by the instruction: for a VMM on a KVM that carries those out by itself. */
	GABI_HV_EXIT_PORT_VMCALL,
	GABI_HV_EXIT_PORT_VMMCALL,
};

/* A register's value as the hypercalls carry it: 128 bits, the low half first. */
struct gabi_hv_value {
	uint64_t low, high;
};

/*
 * Questions that the VMM answers at once. They may come from any virtual processor's thread. A non-zero answer means "there
 * is none": no RAM at that address, no such register. Addresses are of RAM, below every overlay; a range never crosses a page.
 */
struct gabi_hv_ops {
	int (*read_gpa)(void *ctx, uint64_t gpa, void *buf, size_t len);
	int (*write_gpa)(void *ctx, uint64_t gpa, const void *buf, size_t len);
	/*
	 * A register that the processor holds for that VTL, by the TLFS's HV_REGISTER_NAME. GABI_ERR_UNKNOWN: no such
	 * register; GABI_ERR_RANGE: it cannot have that value. Another processor is paused by the VMM as it needs to.
	 */
	int (*read_reg)(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value);
	int (*write_reg)(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value);
	/* Bytes that a kernel debugger has for the guest: writes at most len, says how many and how many are left. May be NULL. */
	int (*debug_data)(void *ctx, void *buf, size_t len, uint64_t timeout_100ns, size_t *ret_len, size_t *ret_left);
	void *ctx;
};

struct gabi_hv_config {
	size_t size;             /* sizeof(struct gabi_hv_config) */
	uint32_t vp_count;       /* 1 to GABI_HV_VPS_MAX */
	uint32_t vtl_count;      /* 1 to GABI_HV_VTLS_MAX: VTL 0 and those that the guest may enable */
	uint32_t leaf[GABI_HV_LEAF_COUNT][4]; /* CPUID as the guest sees it: EAX, EBX, ECX, EDX from GABI_HV_LEAF_BASE on */
	uint64_t partition_id;   /* what the guest reads; not 0, not all ones */
	uint64_t gpa_pages;      /* the guest's physical address space in pages; at most 2^32 (16 TiB) */
	uint64_t tsc_hz;         /* of the guest's TSC */
	uint64_t apic_hz;        /* of the local APIC's timer */
	uint64_t protect_bytes;  /* the most that VTL protections may take from mem, after creation */
	const uint32_t *apic_id; /* vp_count of them, copied; NULL: a virtual processor's index is its APIC id */
	uint16_t mbec_vtls;      /* VTLs that may have mode-based execute control, as the VMM can give it */
	uint8_t dr6_shared;      /* 1: DR6 is one for all VTLs, as the processor has it */
	uint32_t connections;    /* the most connections and ports, 0 to 4096 */
	uint32_t dialect;        /* enum gabi_hv_dialect */
	uint32_t rep_limit;      /* elements of a rep hypercall in one turn; 0: all */
	uint16_t exit;           /* enum gabi_hv_exit */
	uint16_t exit_port;      /* GABI_HV_EXIT_PORT and its like: 0 to 0xfd */
	uint8_t digest[GABI_DIGEST_LEN]; /* the contract's; goes into the head of a saved stream */
	/*
	 * Where overlay pages live, for a VMM that maps them into its guest: page-aligned, zeroed, gabi_hv_page_count()
	 * pages, outliving the engine. NULL: the engine allocates.
	 */
	void *pages;
};

/* Fills the leaves and the digest from a contract's promises. What it does not promise is off. Sets vtl_count to 2 where
 * the contract promises VSM and else to 1; other members are untouched. */
GABI_API int gabi_hv_config_from_contract(struct gabi_hv_config *config, const struct gabi_contract *contract,
					  struct gabi_diag *diag);

/* 1 if a leaf of the configuration has that bit, else 0. */
GABI_API int gabi_hv_config_has(const struct gabi_hv_config *config, enum gabi_hv_feature feature);

/*
 * What the engine can give a guest, as an offer to be laid over a host (gabi_host_overlay). Of the configuration only the number
 * of virtual processors and of VTLs counts. mem NULL: malloc and free.
 */
GABI_API int gabi_hv_engine_offer(const struct gabi_hv_config *config, const struct gabi_mem *mem, struct gabi_host **ret_host,
			   struct gabi_diag *diag);

/* Pages that the overlays of such a partition take; 0 if the counts are out of range. */
GABI_API size_t gabi_hv_page_count(const struct gabi_hv_config *config);

/* Makes a partition with all its memory, save for VTL protections, which take from mem as they are set, up to
 * protect_bytes. config and ops are copied. All virtual processors are in VTL 0; virtual processor 0 runs, the others wait
 * to be started. mem NULL: malloc and free. */
GABI_API int gabi_hv_new(const struct gabi_hv_config *config, const struct gabi_hv_ops *ops, const struct gabi_mem *mem,
			 struct gabi_hv **ret_hv, struct gabi_diag *diag);
GABI_API void gabi_hv_free(struct gabi_hv *hv); /* NULL is fine; no virtual processor may be inside */

GABI_API unsigned gabi_hv_vp_count(const struct gabi_hv *hv);
GABI_API unsigned gabi_hv_vtl_count(const struct gabi_hv *hv);

/* The VTL that a virtual processor runs in. Exact from its own thread, a moment's view from any other. */
GABI_API unsigned gabi_hv_active_vtl(const struct gabi_hv *hv, unsigned vp);

/* The VTLs that a virtual processor has, bit n for VTL n; bit 0 is always set. Any thread. */
GABI_API unsigned gabi_hv_enabled_vtls(const struct gabi_hv *hv, unsigned vp);

/* What CPUID returns; leaves outside the engine's range are GABI_ERR_RANGE. Any thread. */
GABI_API int gabi_hv_cpuid(const struct gabi_hv *hv, uint32_t leaf, uint32_t ret_regs[4]);

GABI_END
#endif
