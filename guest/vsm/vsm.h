/* SPDX-License-Identifier: MIT */
/*
 * Our suite for Virtual Secure Mode: a guest with two trust levels that looks whether its hypervisor does as the TLFS says. It needs
 * a PC with a serial line and the exit port, and a hypervisor with VSM, whichever. Its command line: "cpus=4"; and "init=1" where INIT is
 * known not to be dropped, which leaves that one case out.
 *
 * Cases run in VTL 0. VTL 1 of every processor waits in a loop for a function to call (in_vtl1), and takes intercepts as the case
 * has told it to.
 */
#ifndef GABI_GUEST_VSM_H
#define GABI_GUEST_VSM_H

#include "../bare.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE      4096ull
#define REP(n)    ((uint64_t)(n) << 32)
#define PARTITION UINT64_MAX /* the guest's own */
#define VP_SELF   0xfffffffeu

enum {
	VPS_MAX = 8,
	VTL0 = 0x10, VTL1 = 0x11, /* HV_INPUT_VTL, with UseTargetVtl */
	READ = 1, WRITE = 2, EXECUTE = 4 | 8, ALL = READ | WRITE | EXECUTE,
	UNDEFINED = 6, PROTECTION = 13,
};

/* HV_REGISTER_NAME. */
enum {
	REG_CODE_OFFSETS = 0x000d0002, REG_VP_STATUS = 0x000d0003, REG_PARTITION_STATUS = 0x000d0004, REG_VINA = 0x000d0005,
	REG_PARTITION_CONFIG = 0x000d0007, REG_CR_INTERCEPT = 0x000e0000, REG_RIP = 0x00020010, REG_CR3 = 0x00040002, REG_LSTAR = 0x00080009,
};

/* ---- cases ---- */

struct vsm_case {
	const char *section; /* of the TLFS */
	const char *rule;
	/* NULL: it holds. Else what is wrong; SKIP: it cannot be seen here. */
	const char *(*run)(void);
	const char *(*run_row)(unsigned row); /* where a table has many of a kind: instead of run */
	unsigned row;
};

#define SKIP(why) ("\1" why)

extern const struct vsm_case vsm_enable_cases[], vsm_state_cases[], vsm_memory_cases[], vsm_intercept_cases[], vsm_interrupt_cases[],
	vsm_smp_cases[];

/* ---- levels.c ---- */

struct vsm_regs { /* in the order of vsm/switch.S */
	uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* Sets up hypercalls in VTL 0. False: no VSM here. */
bool vsm_begin(uint32_t cpus);
extern uint32_t vsm_cpus;
extern bool vsm_takes_init;          /* "init=1" on the command line */
extern volatile uint32_t vsm_others; /* processors beside the first that run */

unsigned vsm_vp(void);    /* the number of this processor */
unsigned vsm_level(void); /* the VTL that runs this */

/* The vector of the last fault since this was called last, 0 if none. */
unsigned vsm_fault(void);

/* A hypercall of this level, its input of so many bytes in memory: the whole result value. */
uint64_t vsm_call(uint64_t control, const void *in, unsigned len, void *out, unsigned out_len);
unsigned vsm_status(uint64_t control, const void *in, unsigned len); /* of which only the status counts */

uint64_t vsm_call_at(uint64_t control, uint64_t in, uint64_t out); /* with its parameters where they are */

volatile uint8_t *vsm_assist(void);             /* VTL 1's VP assist page of this processor */
volatile uint8_t *vsm_messages(unsigned vp);    /* VTL 1's message page */

uint64_t vsm_get(uint32_t vp, unsigned input_vtl, uint32_t name, unsigned *ret_status); /* a register by HvCallGetVpRegisters */
unsigned vsm_set(uint32_t vp, unsigned input_vtl, uint32_t name, uint64_t value);

unsigned vsm_enable_partition(uint64_t partition, unsigned vtl, unsigned flags);
/* spoil: bits of CR0 to leave out */
unsigned vsm_enable_vp(uint64_t partition, uint32_t vp, unsigned vtl, uint64_t spoil);
/* HvCallStartVirtualProcessor in VTL 0: it calls guest_other, as after a startup IPI. */
unsigned vsm_start_vp(uint32_t vp, unsigned vtl);

/* Goes through the hypercall page into the next level, or back; with regs there and what they are afterwards. */
void vsm_up(uint64_t control, struct vsm_regs *regs);
void vsm_down(uint64_t control, struct vsm_regs *regs);

/* The next call into VTL 1 of this processor calls this there. */
void vsm_order(uint64_t (*function)(uint64_t argument), uint64_t argument);

/* Calls a function in VTL 1 of this processor. */
uint64_t in_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument);

/* Calls a function in VTL 0 of another processor, and waits for it; or does not. */
uint64_t on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument);
void begin_on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument);
bool has_ended_on_vp(unsigned vp, uint64_t *ret_result);

/* What VTL 1 of each processor has seen. The vectors: interrupts that it took. */
struct vsm_seen {
	volatile uint32_t entries[4];    /* by reason */
	volatile uint32_t intercepts;    /* messages */
	uint8_t message[256];            /* the last of them */
	struct vsm_regs regs;            /* VTL 0's at the last entry */
	volatile uint32_t came[256];
	volatile bool returns_fast;      /* what the next return does */
	volatile uint64_t fast_rax;
	volatile bool skips;             /* an intercepted instruction is passed over, and not executed again */
	volatile uint64_t skipped_rax;   /* and leaves that */
	volatile bool keeps;             /* a page whose access is intercepted stays as it is: the message is only taken */
};
extern struct vsm_seen seen[VPS_MAX];
extern volatile uint32_t came0[256]; /* interrupts that VTL 0 took, on all processors */

static inline uint32_t message_u32(const struct vsm_seen *from, unsigned at)
{
	uint32_t value;

	__builtin_memcpy(&value, from->message + at, sizeof(value));
	return value;
}

static inline uint64_t message_u64(const struct vsm_seen *from, unsigned at)
{
	uint64_t value;

	__builtin_memcpy(&value, from->message + at, sizeof(value));
	return value;
}

/* Sets what VTL 0 may do with a page, from VTL 1: the hypercall's status. */
unsigned vsm_protect(const volatile void *page, unsigned rights);

/* Lets time pass: about so many milliseconds. */
void vsm_wait(unsigned ms);

/* Waits until *at is at least that; false after a second. */
bool vsm_comes(const volatile uint32_t *at, uint32_t count);

#endif
