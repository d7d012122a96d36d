/* SPDX-License-Identifier: MIT */
/* The guest: answers each request by the instruction that it names. */
#include "guest.h"

/* Set by the handler of an exception, which goes on after the instruction. */
extern volatile unsigned int guest_faulted;

void guest_main(void);

#ifdef __x86_64__
static void answer(struct guest_request *request)
{
	unsigned int regs[4] = { (unsigned int)request->index, 0, request->sub, 0 };

	if (request->ask == GUEST_CPUID) {
		__asm__ volatile("cpuid" : "+a"(regs[0]), "=b"(regs[1]), "+c"(regs[2]), "=d"(regs[3]));
		for (unsigned int i = 0; i < 4; i++)
			request->value[i] = regs[i];
	} else if (request->ask == GUEST_RDMSR) {
		regs[0] = 0;
		__asm__ volatile("rdmsr" : "+a"(regs[0]), "+d"(regs[3]) : "c"((unsigned int)request->index) : "memory");
		request->value[0] = (unsigned long long)regs[3] << 32 | regs[0];
	}
}

static void end(unsigned long long count)
{
	(void)count;
	__asm__ volatile("outb %%al, %0" : : "i"(GUEST_END) : "memory");
}
#else
/* Room for "mrs x0, <any register>; ret", written anew for each. */
static unsigned int code[2] __attribute__((aligned(64)));

#define LINE 16 /* no cache line is shorter */

static void clean(const volatile void *at, unsigned long len)
{
	for (unsigned long offset = 0; offset < len; offset += LINE)
		__asm__ volatile("dc civac, %0" : : "r"((const volatile char *)at + offset) : "memory");
	__asm__ volatile("dsb sy" : : : "memory");
}

static unsigned long long read_sysreg(unsigned long long encoding)
{
	register unsigned long long value __asm__("x0") = 0;

	code[0] = 0xd5200000 | (unsigned int)encoding << 5; /* Arm ARM C6.2, MRS */
	code[1] = 0xd65f03c0;                               /* RET */
	clean(code, sizeof(code));
	__asm__ volatile("ic ialluis; dsb sy; isb" : : : "memory");
	__asm__ volatile("blr %1" : "+r"(value) : "r"(code) : "x9", "x10", "x30", "memory");
	return value;
}

static void call(struct guest_request *request)
{
	register unsigned long long x0 __asm__("x0") = request->index;
	register unsigned long long x1 __asm__("x1") = request->sub;
	register unsigned long long x2 __asm__("x2") = 0;
	register unsigned long long x3 __asm__("x3") = 0;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
			 "x12", "x13", "x14", "x15", "x16", "x17", "memory");
	request->value[0] = x0;
	request->value[1] = x1;
	request->value[2] = x2;
	request->value[3] = x3;
}

#define CCSIDR_EL1 0xc800 /* op0 3, op1 1, CRn 0, CRm 0, op2 0 */

static void answer(struct guest_request *request)
{
	if (request->ask == GUEST_HVC) {
		call(request);
		return;
	}
	if (request->index == CCSIDR_EL1)
		__asm__ volatile("msr csselr_el1, %0; isb" : : "r"((unsigned long)request->sub));
	request->value[0] = read_sysreg(request->index);
}

/* The cache is off here, but not where the host reads the answers. */
static void end(unsigned long long count)
{
	clean((const void *)GUEST_REQUESTS, count * sizeof(struct guest_request));
	*(volatile unsigned int *)GUEST_END = 0;
}
#endif

void guest_main(void)
{
	unsigned long long count = *(volatile unsigned long long *)GUEST_COUNT;
	struct guest_request *request = (struct guest_request *)GUEST_REQUESTS;

	for (unsigned long long i = 0; i < count && i < GUEST_REQUESTS_MAX; i++) {
		guest_faulted = 0;
		answer(&request[i]);
		request[i].faulted = guest_faulted;
		request[i].answered = 1;
	}
	for (;;)
		end(count);
}
