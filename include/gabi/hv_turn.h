/* SPDX-License-Identifier: MIT */
/*
 * One turn of the engine: how an entry point ended, and what the VMM has to do for it.
 */
#ifndef GABI_HV_TURN_H
#define GABI_HV_TURN_H

#include <gabi/hv.h>

GABI_BEGIN

/* How a turn ended for the virtual processor that took it. Negative values are enum gabi_err: the caller's mistake. */
enum gabi_hv_done {
	GABI_HV_DONE,  /* go on behind the instruction */
	GABI_HV_AGAIN, /* carry out the actions, let interrupts in, then execute the instruction again */
	GABI_HV_UD,    /* inject #UD; nothing changed */
	GABI_HV_GP,    /* inject #GP(0); nothing changed */
};

enum gabi_hv_act_kind {
#define GABI_HV_ACT_ROW(name, text, what) GABI_HV_ACT_##name,
#include <gabi/hv_act.def>
	GABI_HV_ACT_COUNT
};

#define GABI_HV_VP_SET 0xffffu /* an action for all virtual processors in turn->set */
#define GABI_HV_VP_ANY 0xfffeu /* for one of those in turn->set, whichever suits the VMM */
#define GABI_HV_VP_LDR 0xfffdu /* an interrupt for a logical destination, which only the local APICs can resolve */

/* A set of virtual processors: bank b bit n is virtual processor 64 * b + n. Only banks in `valid` are written. */
struct gabi_hv_set {
	uint64_t valid;
	uint64_t bank[GABI_HV_VPS_MAX / 64];
};

struct gabi_hv_act {
	uint8_t kind; /* enum gabi_hv_act_kind */
	uint8_t vtl;
	uint16_t vp; /* the one meant, GABI_HV_VP_SET or GABI_HV_VP_ANY */
	union {
		struct {
			uint8_t vector;
			uint8_t type;     /* HV_INTERRUPT_TYPE: 0 fixed, 4 NMI, ... */
			uint8_t level;    /* 1: level-triggered */
			uint8_t auto_eoi; /* 1: no EOI will come; clear the in-service bit on delivery */
			uint32_t ldr;     /* GABI_HV_VP_LDR: the logical destination */
		} interrupt;
		struct {
			uint64_t space;      /* CR3; meaningless with ALL_SPACES. NESTED_FLUSH: the root of the second level tables */
			uint32_t flags;      /* enum gabi_hv_flush */
			uint32_t count;      /* ranges; 0: the whole space */
			const uint64_t *gva; /* ranges as the guest wrote them, in the turn; low 12 bits: further pages */
		} flush;
		struct {
			uint64_t device;
			uint64_t msi; /* address in the low, data in the high half */
			uint8_t vector;
			uint8_t all;  /* 1: to all of the set, 0: to any one */
		} retarget;
		struct {
			uint32_t len;
			uint32_t options;
			const void *data; /* len bytes, in the turn */
		} debug;
		struct {
			uint64_t gpa;
			uint32_t page; /* its number in the overlay pages, or GABI_HV_NO_PAGE: the RAM */
			uint8_t prot;  /* enum gabi_hv_prot */
		} overlay;
		struct {
			uint32_t connection, type, len;
			const void *data; /* len bytes, in the turn */
		} message;
		struct {
			uint32_t connection, flag;
		} event;
		struct {
			uint64_t parameter[5];
			uint64_t control;
		} crash;
		struct {
			uint8_t to;      /* vtl is the one that is left */
			uint8_t reason;  /* enum gabi_hv_entry; 0 for a return */
			uint8_t restore; /* enum gabi_hv_restore */
			uint64_t rax, rcx, rdx;
		} change;
		const struct gabi_hv_context *context; /* in the turn */
		uint64_t at_100ns; /* TIMER: reference time, or GABI_HV_NEVER */
		uint64_t value;    /* APIC_ICR, APIC_TPR, NPIEP: what to write */
		uint64_t count;    /* SPIN: how often the guest has tried */
	};
};

#define GABI_HV_NO_PAGE 0xffffffffu
#define GABI_HV_NEVER   UINT64_MAX

/* Why a VTL was entered: HV_VTL_ENTRY_REASON. */
enum gabi_hv_entry { GABI_HV_ENTRY_CALL = 1, GABI_HV_ENTRY_INTERRUPT = 2, GABI_HV_ENTRY_INTERCEPT = 3 };

/* What a return sets in the VTL that goes on: nothing; RAX and RCX; EAX, ECX and EDX. */
enum gabi_hv_restore { GABI_HV_RESTORE_NOTHING, GABI_HV_RESTORE_64, GABI_HV_RESTORE_32 };

/* HV_X64_SEGMENT_REGISTER, HV_X64_TABLE_REGISTER and HV_INITIAL_VP_CONTEXT. */
struct gabi_hv_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector, attributes;
};

struct gabi_hv_table {
	uint16_t pad[3];
	uint16_t limit;
	uint64_t base;
};

struct gabi_hv_context {
	uint64_t rip, rsp, rflags;
	struct gabi_hv_segment cs, ds, es, fs, gs, ss, tr, ldtr;
	struct gabi_hv_table idtr, gdtr;
	uint64_t efer, cr0, cr3, cr4, pat;
};

/* What a VTL may do with a page: as in HV_MAP_GPA_FLAGS. */
enum gabi_hv_prot {
	GABI_HV_READ = 1,
	GABI_HV_WRITE = 2,
	GABI_HV_KERNEL_EXECUTE = 4,
	GABI_HV_USER_EXECUTE = 8,
	GABI_HV_ALL_ACCESS = 15,
};

enum gabi_hv_flush {
	GABI_HV_FLUSH_ALL_SPACES = 2, /* as in HV_FLUSH_FLAGS */
	GABI_HV_FLUSH_NON_GLOBAL = 4,
	GABI_HV_FLUSH_EXTENDED = 8, /* ranges have a page size in bit 11 and ten bits of further pages */
};

#define GABI_HV_ACTS_MAX    40u
#define GABI_HV_CHANGES_MAX 512u

/* Pages whose protection for a VTL has changed, to be brought to the page tables before anything else of the turn. */
struct gabi_hv_change {
	uint64_t gfn, count;
	uint8_t vtl, prot; /* enum gabi_hv_prot, all higher VTLs taken together */
};

/*
 * The caller's storage for one virtual processor's turns; nothing in it outlives the next turn. Carry out the
 * changes, then act[0] to act[count - 1] in order.
 */
struct gabi_hv_turn {
	uint32_t count;   /* of act */
	uint32_t changes; /* of change: sorted, no two that could be one */
	struct gabi_hv_act act[GABI_HV_ACTS_MAX];
	struct gabi_hv_set set, wake;
	uint64_t in[GABI_HV_PAGE / 8];  /* the engine's copy of a hypercall's input: the guest cannot change it any more */
	uint64_t out[GABI_HV_PAGE / 8]; /* its output, before it goes to the guest */
	struct gabi_hv_change change[GABI_HV_CHANGES_MAX];
};

GABI_API const char *gabi_hv_act_text(unsigned kind);   /* "interrupt"; NULL if none */
GABI_API const char *gabi_hv_done_text(int done);       /* "again"; an error's text if negative */

GABI_END
#endif
