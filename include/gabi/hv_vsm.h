/* SPDX-License-Identifier: MIT */
/*
 * Virtual Secure Mode: trust levels, their switches, protections and intercepts. TLFS, Virtual Secure Mode.
 */
#ifndef GABI_HV_VSM_H
#define GABI_HV_VSM_H

#include <gabi/hv_call.h>
#include <gabi/hv_turn.h>

GABI_BEGIN

/* ---- memory ---- */

/* Says which pages are RAM; a VTL can protect no others. Nothing is RAM at first. GABI_ERR_LIMIT beyond 64 separate ranges.
 * Any thread, one at a time. */
GABI_API int gabi_hv_set_ram(struct gabi_hv *hv, uint64_t gfn, uint64_t count);

/* What a VTL may do with a page: enum gabi_hv_prot, all higher VTLs taken together. No lock is taken. Any thread. */
GABI_API unsigned gabi_hv_protection(const struct gabi_hv *hv, unsigned vtl, uint64_t gfn);

/* The pages from gfn on that have one protection; what a VMM maps at the start and after a restore. 0 at the end. */
GABI_API uint64_t gabi_hv_protection_run(struct gabi_hv *hv, unsigned vtl, uint64_t gfn, unsigned *ret_prot);

enum gabi_hv_access { GABI_HV_ACCESS_READ, GABI_HV_ACCESS_WRITE, GABI_HV_ACCESS_EXECUTE };

/* An access of the active VTL that the page tables did not allow. */
struct gabi_hv_fault {
	uint64_t gpa, gva;
	uint8_t access;           /* enum gabi_hv_access */
	uint8_t gva_valid;        /* 1: gva is known */
	uint8_t gva_is_of_gpa;    /* 1: gva was translated to gpa, rather than gpa being of a page table */
	uint8_t instruction_len;  /* 0: not known */
	uint8_t bytes;            /* of instruction[] that are valid */
	uint8_t instruction[16];
};

/*
 * Judges the fault. GABI_HV_AGAIN: a higher VTL forbids it and is entered with a message, or nobody forbids it any more; in
 * both cases the instruction is executed again when its VTL goes on. GABI_HV_DONE: no VTL protects that page; the fault is the
 * VMM's. GABI_HV_GP: only VTLs forbid it that this virtual processor does not have, so that nobody can be told.
 */
GABI_API int gabi_hv_memory_fault(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_fault *fault, uint64_t now_100ns,
				  struct gabi_hv_turn *turn);

/* ---- switches ---- */

/* VTL call and return by the port: the control input is in RCX, or EDX:EAX. GABI_HV_DONE or GABI_HV_UD. */
GABI_API int gabi_hv_vtl_call(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns,
			      struct gabi_hv_turn *turn);
GABI_API int gabi_hv_vtl_return(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns,
				struct gabi_hv_turn *turn);

/*
 * A VTL's local APIC has an interrupt that its task priority lets through (RFLAGS.IF does not count), or has none any more.
 * To be called by the virtual processor's thread before it runs guest code, for each VTL where that changed. A higher VTL
 * than the active one is entered; a lower one may have asked for a notification.
 */
GABI_API int gabi_hv_interrupt(struct gabi_hv *hv, unsigned vp, unsigned vtl, int pending, struct gabi_hv_turn *turn);

/* May an INIT or startup IPI that was sent from a VTL to a virtual processor's VTL be delivered? 1 or 0. Any thread. */
GABI_API int gabi_hv_accepts_init(struct gabi_hv *hv, unsigned vp, unsigned vtl);

/* A VMM whose local APICs start virtual processors by themselves: may it run this one? 0: it was not started, and a higher VTL keeps VTL 0
 * from doing so. Any thread. */
GABI_API int gabi_hv_may_run(struct gabi_hv *hv, unsigned vp);

/* Does a higher VTL hold a lock on that VTL's TLB, on any virtual processor? 1 or 0. A VMM whose flushes do not all come here runs no virtual
 * processor in that VTL meanwhile. Any thread. */
GABI_API int gabi_hv_tlb_is_locked(struct gabi_hv *hv, unsigned vtl);

/* ---- traps ---- */

enum gabi_hv_trap {
#define GABI_HV_TRAP_ROW(bit, name, reg, form, access, msr, mask, source) GABI_HV_TRAP_##name = (bit),
#include <gabi/hv_trap.def>
	GABI_HV_TRAP_COUNT
};

/* What higher VTLs want trapped in that VTL: bits of enum gabi_hv_trap. */
GABI_API uint64_t gabi_hv_traps(struct gabi_hv *hv, unsigned vp, unsigned vtl);

/*
 * The active VTL is about to do that, with that new value (of a read: ignored). GABI_HV_DONE: let it. GABI_HV_AGAIN: a higher
 * VTL is entered with a message.
 */
GABI_API int gabi_hv_trap(struct gabi_hv *hv, unsigned vp, enum gabi_hv_trap trap, const struct gabi_hv_value *value,
			  unsigned instruction_len, uint64_t now_100ns, struct gabi_hv_turn *turn);

struct gabi_hv_io {
	uint16_t port;
	uint8_t size;  /* 1, 2 or 4 */
	uint8_t write; /* 1 or 0 */
	uint8_t string, rep;
	uint8_t instruction_len, bytes;
	uint8_t instruction[16];
};

/* The active VTL accesses an I/O port. As gabi_hv_trap. */
GABI_API int gabi_hv_io(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_io *io, uint64_t now_100ns,
			struct gabi_hv_turn *turn);

/* ---- what HvCallInstallIntercept installed ---- */

enum gabi_hv_intercept {
#define GABI_HV_INTERCEPT_ROW(number, name, access, form, source) GABI_HV_INTERCEPT_##name = (number),
#include <gabi/hv_intercept.def>
};

struct gabi_hv_installed {
	uint8_t type;         /* IO_PORT_RANGE, MSR, CPUID or EXCEPTION of enum gabi_hv_intercept */
	uint8_t access;       /* 1 read, 2 write, 4 execute */
	uint32_t first, last; /* ports, or twice the MSR, leaf or vector */
};

/*
 * With the dialect stock-kvm: so many MSRs can be intercepted that lie in none of three windows of 0x2000 at 0, 0xc0000000 and 0xc0010000. KVM's filter has
 * 16 ranges, of which a window takes two, one for reads and one for writes, and each of the others one; six are the VMM's own.
 */
#define GABI_HV_STOCK_KVM_FAR_MSRS 4u

/* What higher VTLs want intercepted in that VTL, beside gabi_hv_traps: number `at`, from 0 on. 1, or 0 behind the last. To be asked
 * anew after an action TRAPS. Any thread. */
GABI_API int gabi_hv_installed(struct gabi_hv *hv, unsigned vtl, size_t at, struct gabi_hv_installed *ret_installed);

/* The active VTL accesses an MSR that is not the engine's. As gabi_hv_trap. */
GABI_API int gabi_hv_msr_intercept(struct gabi_hv *hv, unsigned vp, uint32_t msr, int write, unsigned instruction_len,
				   uint64_t now_100ns, struct gabi_hv_turn *turn);

/* The active VTL executes CPUID, which would give that result: EAX, EBX, ECX, EDX. As gabi_hv_trap. */
GABI_API int gabi_hv_cpuid_intercept(struct gabi_hv *hv, unsigned vp, uint32_t leaf, const uint32_t result[4],
				     unsigned instruction_len, uint64_t now_100ns, struct gabi_hv_turn *turn);

struct gabi_hv_exception {
	uint8_t vector;
	uint8_t has_code;   /* 1: code is the exception's */
	uint8_t instruction_len, bytes;
	uint32_t code;
	uint64_t parameter; /* CR2 of a page fault, DR6 of a debug exception */
	uint8_t instruction[16];
};

/* An instruction of the active VTL raises an exception, which has not been delivered. As gabi_hv_trap. */
GABI_API int gabi_hv_exception_intercept(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_exception *exception,
					 uint64_t now_100ns, struct gabi_hv_turn *turn);

/* ---- registers ---- */

enum gabi_hv_reg {
#define GABI_HV_REG_ROW(number, name, holder, share, argument, source) GABI_HV_REG_##name = (number),
#include <gabi/hv_reg.def>
};

enum gabi_hv_share { GABI_HV_SHARED, GABI_HV_PRIVATE, GABI_HV_BY_DR6, GABI_HV_COMMON };

struct gabi_hv_reg_info {
	const char *name; /* "Rax" */
	const char *source;
	uint32_t number;
	uint8_t share; /* enum gabi_hv_share */
	uint8_t cpu;   /* 1: the processor holds it */
};

/* The rows in order of number; NULL if at is beyond the last. */
GABI_API const struct gabi_hv_reg_info *gabi_hv_reg_info(size_t at);

/* ---- reset ---- */

/* Puts the partition back to where it started, but for connections and RAM. All virtual processors are outside. */
GABI_API int gabi_hv_reset(struct gabi_hv *hv, struct gabi_hv_turn *turn);

GABI_END
#endif
