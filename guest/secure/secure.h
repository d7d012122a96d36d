/* SPDX-License-Identifier: MIT */
/* What the files of this guest share; main.c says what it is. */
#ifndef GABI_GUEST_SECURE_H
#define GABI_GUEST_SECURE_H

#include "../bare.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_vsm.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define SELF       UINT64_MAX
#define VP_SELF    0xfffffffeu
#define REP(n)     ((uint64_t)(n) << 32)
#define UPPER_HALF 0xffff800000000000ull /* where kernels have their code: the first page tables are there once more */

enum { PAGE = 4096, FAST = 1 << 16, UNDEFINED = 6, PROTECTION = 13, VECTOR_INTERCEPT = 0x60, RET = 0xc3, INT3 = 0xcc };

/* What VTL 0 may do with a page. */
enum {
	NONE = 0, READ = GABI_HV_READ | GABI_HV_KERNEL_EXECUTE | GABI_HV_USER_EXECUTE, DATA = GABI_HV_READ | GABI_HV_WRITE, EVERYTHING = 15,
};

/* What each level writes there is its own. */
#define LSTAR 0xc0000082u
enum { LSTAR_OF_VTL0 = 0x2222000, LSTAR_OF_VTL1 = 0x1111000 };
#define OS_ID_OF(vtl) (0x8100000000000000 | (vtl))

static inline bool is_intel(void)
{
	uint32_t regs[4];

	cpuid(0, 0, regs);
	return regs[1] == 0x756e6547; /* "Genu" */
}

static inline void say_name(const char *name)
{
	say("# ");
	say(name);
	say("\n");
}

/* ---- main.c ---- */

extern bool has_execute; /* "execute=1": under a shim readable pages can be kept from being executed */

/* An MSR, or an instruction, that is not there: it is passed over, and counted. A general-protection fault's instruction has so many bytes. */
extern volatile uint64_t faults; /* since they were expected */
enum { BYTES_OF_WRMSR = 2, BYTES_OF_MOV_TO_CR = 3 };
void expect_faults(unsigned bytes);
void expect_no_faults(void);

/* ---- levels.c ---- */

struct secure_level {
	uint8_t hypercall[PAGE] __attribute__((aligned(4096)));
	uint8_t assist[PAGE] __attribute__((aligned(4096)));
	volatile uint8_t messages[PAGE] __attribute__((aligned(4096)));
	uint64_t in[PAGE / 8] __attribute__((aligned(4096)));
	uint64_t out[PAGE / 8] __attribute__((aligned(4096)));
};
extern struct secure_level level[2];

/* What VTL 0 asks for, and what VTL 1 did and saw. */
struct secure_vtl1 {
	uint64_t (*command)(void);
	uint64_t result, calls, intercepts;
	uint64_t gpa, gva, access, rip, lstar;
	unsigned rights_after; /* of the page, when an intercept was told */
	uint64_t skip;         /* bytes by which VTL 0's RIP is moved on instead, if that is not 0 */
};
extern volatile struct secure_vtl1 secure;

void look_at_levels(void); /* enables VTL 1, and calls it */
void open_level(unsigned vtl);
void vtl_call(void);
uint64_t ask(uint64_t (*command)(void)); /* VTL 1 */

/* Of the level that makes them. By a page: which may be another than the level's own. */
uint64_t hypercall(unsigned vtl, uint64_t control, const void *in, const void *out);
uint64_t hypercall_by(uint64_t page, uint64_t control, const void *in, const void *out);

/* HvCallSetVpRegisters of this processor; input_vtl: 0, or 0x10 and a VTL. */
uint64_t set_register(unsigned vtl, unsigned input_vtl, uint32_t name, uint64_t value);

/* In VTL 1. Listed: the pages whose numbers are in level[1].in + 2. */
uint64_t protect(const void *page, unsigned count, unsigned rights);
uint64_t protect_listed(unsigned count, unsigned rights);

/* ---- state.c ---- */

void look_at_shared_state(bool has_xcr0);

/* ---- protections.c ---- */

extern uint8_t shot[3 * PAGE]; /* what is protected; instructions too */
#define FILLING 0x1010101010101010u

uint64_t *word(unsigned at); /* of shot */
void fill_shot(void);        /* its first page */
uint64_t protect_shot(unsigned page, unsigned rights);

/* Code of six bytes, and what it returns. */
enum { CODE_RETURNS = 0x77 };
void put_code(uint8_t *at);
uint64_t run_code(const uint8_t *at);

void look_at_protections(void);

/* ---- execution.c, hidden.c, attacks.c ---- */

void look_at_execution(void); /* apart from reading */
void look_for_shim(void);
void look_at_what_is_not_there(void);
void look_at_attacks(void);

/* ---- processors.c ---- */

void look_at_starting(uint32_t others);
void wait_in_hlt(uint64_t ms, uint32_t others);
void touch_soaked(void); /* before anything is protected: what is in no mapping yet comes in by single pages then */
void look_at_many_changes(uint64_t changes, uint32_t others);
bool is_refusal(const struct guest_frame *frame); /* and it is counted */
bool ends_waiting(const struct guest_frame *frame);

/* ---- costs.c, travel.c ---- */

void look_at_costs(uint64_t cpus);
void travel(void);

#endif
