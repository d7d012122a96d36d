/* SPDX-License-Identifier: MIT */
/*
 * Our suite for Virtual Secure Mode: a guest with two trust levels, and with a third where it may have one, that looks whether its
 * hypervisor does as the TLFS says. It needs a PC with a serial line and the exit port, and a hypervisor with VSM, whichever. Its command
 * line: "cpus=4"; and "init=1" where INIT is known not to be dropped, which leaves that one case out.
 *
 * Cases run in VTL 0. The levels above it wait on every processor in a loop for a function to call (in_vtl1, in_vtl2), and take intercepts as
 * the case has told them to. The last two of four processors are started by hypercall alone.
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
	VPS_MAX = 8, LEVELS = 3,
	VTL0 = 0x10, VTL1 = 0x11, VTL2 = 0x12, /* HV_INPUT_VTL, with UseTargetVtl */
	READ = 1, WRITE = 2, EXECUTE = 4 | 8, ALL = READ | WRITE | EXECUTE,
	NMI = 2, UNDEFINED = 6, PROTECTION = 13,
};

/* HV_REGISTER_NAME. */
enum {
	REG_CODE_OFFSETS = 0x000d0002, REG_VP_STATUS = 0x000d0003, REG_PARTITION_STATUS = 0x000d0004, REG_VINA = 0x000d0005,
	REG_CAPABILITIES = 0x000d0006, REG_PARTITION_CONFIG = 0x000d0007, REG_SECURE_CONFIG_VTL0 = 0x000d0010,
	REG_WAIT_FOR_TLB_LOCK = 0x000d0020, REG_CR_INTERCEPT = 0x000e0000, REG_CR0_MASK = 0x000e0001, REG_RIP = 0x00020010,
	REG_PENDING_INTERRUPTION = 0x00010002, REG_CR3 = 0x00040002, REG_LSTAR = 0x00080009,
};

/* HV_REGISTER_VSM_PARTITION_CONFIG. VTL 1 begins with all memory read-only for VTL 0. */
enum {
	CONFIG_PROTECT = 1 << 0, CONFIG_MASK = 1, CONFIG_ZERO_MEMORY = 1 << 5, CONFIG_DENY_STARTUP = 1 << 6, CONFIG_INTERCEPT_STARTUP = 1 << 9,
	CONFIG1 = CONFIG_PROTECT | (READ | EXECUTE) << CONFIG_MASK,
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
	vsm_smp_cases[], vsm_tlb_cases[], vsm_device_cases[], vsm_three_cases[];

/* ---- levels.c ---- */

struct vsm_regs { /* in the order of vsm/switch.S */
	uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* Sets up hypercalls in VTL 0. False: no VSM here. */
bool vsm_begin(uint32_t cpus);
extern uint32_t vsm_cpus, vsm_used; /* all processors, and those of them that are started in the usual way */
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

volatile uint8_t *vsm_assist(void);                          /* this level's VP assist page on this processor */
volatile uint8_t *vsm_messages(unsigned level, unsigned vp); /* a level's message page */
const volatile uint8_t *vsm_code(unsigned level);            /* where its hypercall page lies */
extern uint64_t vsm_up_offset, vsm_down_offset;              /* of VTL call and return in there; the same in all levels, which are of one width */

uint64_t vsm_get(uint32_t vp, unsigned input_vtl, uint32_t name, unsigned *ret_status); /* a register by HvCallGetVpRegisters */
unsigned vsm_set(uint32_t vp, unsigned input_vtl, uint32_t name, uint64_t value);

unsigned vsm_ipi(uint32_t vector, unsigned input_vtl, uint64_t vps); /* by hypercall; of the first 64 virtual processors, a bit each */

unsigned vsm_enable_partition(uint64_t partition, unsigned vtl, unsigned flags);
/* spoil: bits of CR0 to leave out */
unsigned vsm_enable_vp(uint64_t partition, uint32_t vp, unsigned vtl, uint64_t spoil);
/* NULL: the first entry to VTL 1 on processor 0 found the context that was given. Else what is another. */
const char *vsm_first_entry(void);
/* HvCallStartVirtualProcessor. In VTL 0 it calls guest_other, as after a startup IPI; in VTL 1 it adds to vsm_others alone. */
unsigned vsm_start_vp(uint32_t vp, unsigned vtl);

/* Goes through the hypercall page into the next level, or back; with regs there and what they are afterwards. */
void vsm_up(uint64_t control, struct vsm_regs *regs);
void vsm_down(uint64_t control, struct vsm_regs *regs);

/* The next call of this level of this processor calls this in the level above. */
void vsm_order(uint64_t (*function)(uint64_t argument), uint64_t argument);

/* Calls a function in VTL 1 of this processor from VTL 0, in VTL 2 from VTL 1, or in VTL 2 from VTL 0 through VTL 1. */
uint64_t in_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument);
uint64_t from_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument);
uint64_t in_vtl2(uint64_t (*function)(uint64_t argument), uint64_t argument);

/* Calls a function in VTL 0 of another processor, and waits for it; or does not. */
uint64_t on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument);
void begin_on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument);
bool has_ended_on_vp(unsigned vp, uint64_t *ret_result);
bool has_job_ended_on_vp(unsigned vp); /* by now */

/* What a level above 0 of each processor has seen. The vectors: interrupts that it took. */
struct vsm_seen {
	volatile uint32_t entries[4];    /* by reason; 0: a higher level has returned to it */
	volatile uint32_t intercepts;    /* messages */
	uint32_t number;                 /* of the last of them, counted over all levels and processors */
	uint8_t message[256];            /* the last of them */
	struct vsm_regs regs;            /* VTL 0's at the last entry */
	volatile uint32_t came[256];
	volatile bool returns_fast;      /* what the next return does */
	volatile uint64_t fast_rax;
	volatile bool skips;             /* an intercepted instruction is passed over, and not executed again */
	volatile uint64_t skipped_rax;   /* and leaves that */
	volatile bool faults;            /* it ends with #GP in its level */
	volatile bool keeps;             /* a page whose access is intercepted stays as it is: the message is only taken */
};
extern struct vsm_seen seen_by[LEVELS][VPS_MAX];
static struct vsm_seen *const seen = seen_by[1], *const seen2 = seen_by[2];
extern volatile uint32_t came0[256]; /* interrupts that VTL 0 took, on all processors */
extern volatile uint8_t vsm_ends_by_itself; /* the vector that gets no EOI; 0: none */

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

/* Sets what VTL 0 may do with a page, from a level above: the hypercall's status. Or what another may. */
unsigned vsm_protect(const volatile void *page, unsigned rights);
unsigned vsm_protect_from(unsigned input_vtl, const volatile void *page, unsigned rights);

/* The level that an intercept's message tells of. */
unsigned message_level(const struct vsm_seen *from);

/* ---- state.c ---- */

/* As the cases of two levels, of all registers at once. */
const char *vsm_shared_by_three(void);
const char *vsm_private_to_three(void);

/* ---- user.c ---- */

/* Calls code in user mode, with IOPL 3; it does not come back by itself. The vector of the fault that ended it. */
unsigned vsm_in_user_mode(const volatile void *code);
bool vsm_leave_user_mode(struct guest_frame *frame); /* false: it was not there */

/* Lets time pass: about so many milliseconds. */
void vsm_wait(unsigned ms);

/* Waits until *at is at least that; false after a second. */
bool vsm_comes(const volatile uint32_t *at, uint32_t count);

#endif
