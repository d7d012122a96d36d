/* SPDX-License-Identifier: MIT */
/*
 * A guest that counts, and at every turn looks whether all is as it was: its ABI, its clock, its vector and system registers. It
 * is saved under one kernel and goes on under another, and must not notice.
 */
#include "counter.h"

void guest_main(void);
extern volatile unsigned int guest_faulted;

static struct counter *const counter = (struct counter *)GUEST_COUNT;

static void complain(enum counter_wrong wrong, unsigned long long detail, unsigned long long want, unsigned long long seen)
{
	if (counter->wrong)
		return;
	counter->wrong = wrong;
	counter->detail = detail;
	counter->want = want;
	counter->seen = seen;
}

/* At the first turn words are written down, later they are compared. */
static unsigned int turn_word;

static void word(unsigned long long name, unsigned long long value)
{
	unsigned int at = turn_word++;

	if (at >= COUNTER_ABI_MAX)
		return;
	if (!counter->beats) {
		counter->abi[at] = value;
		counter->abi_words = at + 1;
	} else if (counter->abi[at] != value) {
		complain(COUNTER_ABI, name, counter->abi[at], value);
	}
}

static unsigned long long pattern(unsigned int number)
{
	return 0x0123456789abcdefull * (number + 1);
}

/* A register that holds what the first turn put there. */
static void keep(unsigned long long name, unsigned long long want, unsigned long long seen)
{
	if (want != seen)
		complain(COUNTER_REGISTER, name, want, seen);
}

#ifdef __x86_64__

static void look_at_leaf(unsigned int leaf, unsigned int sub)
{
	unsigned int a = leaf, b, c = sub, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	word((unsigned long long)leaf << 16 | sub << 4, (unsigned long long)a << 32 | b);
	word((unsigned long long)leaf << 16 | sub << 4 | 1, (unsigned long long)c << 32 | d);
}

static unsigned int highest(unsigned int base)
{
	unsigned int a = base, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return a >= base && a - base < 0x40 ? a : base;
}

static void look_at_abi(void)
{
	static const unsigned int bases[] = { 0, 0x40000000, 0x80000000 };

	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int leaf = bases[i]; leaf <= highest(bases[i]); leaf++)
			for (unsigned int sub = 0; sub < (leaf == 4 || leaf == 7 || leaf == 0xd || leaf == 0x8000001d ? 4 : 1); sub++)
				look_at_leaf(leaf, sub);
}

static unsigned long long clock_now(void)
{
	unsigned int low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (unsigned long long)high << 32 | low;
}

static void write_msr(unsigned int msr, unsigned long long value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((unsigned int)value), "d"((unsigned int)(value >> 32)) : "memory");
}

static unsigned long long read_msr(unsigned int msr)
{
	unsigned int low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (unsigned long long)high << 32 | low;
}

/* Values that are canonical addresses; and that any guest may write. */
static const struct {
	unsigned int msr;
	unsigned long long value;
} msrs[] = {
	{ 0x174, 0x10 },                 /* SYSENTER_CS */
	{ 0x175, 0x34567890 },           /* SYSENTER_ESP: of 32 bits, for KVM gives an AMD guest no more of it back */
	{ 0x176, 0x45678901 },           /* SYSENTER_EIP */
	{ 0x277, 0x0007010600070406 },   /* PAT */
	{ 0xc0000081, 0x0023001000000000 }, /* STAR */
	{ 0xc0000082, 0x3456789012 },    /* LSTAR */
	{ 0xc0000084, 0x700 },           /* SFMASK */
	{ 0xc0000102, 0x4567890123 },    /* KERNEL_GS_BASE */
};

#define VECTOR(number)                                                                                              \
	__asm__ volatile("movq %0, %%xmm" #number "; pshufd $0x44, %%xmm" #number ", %%xmm" #number : : "r"(pattern(number)))
#define VECTOR_KEPT(number)                                                          \
	do {                                                                         \
		unsigned long long seen;                                             \
		__asm__ volatile("movq %%xmm" #number ", %0" : "=r"(seen));          \
		if (seen != pattern(number))                                         \
			complain(COUNTER_VECTOR, number, pattern(number), seen);     \
	} while (0)

static void set_registers(void)
{
	unsigned long long cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 0x600)); /* OSFXSR, OSXMMEXCPT */
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr3" : : "r"(0x11111000ull), "r"(0x44444000ull));
	for (unsigned int i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		write_msr(msrs[i].msr, msrs[i].value);
	VECTOR(0);
	VECTOR(7);
	VECTOR(8);
	VECTOR(15);
}

static void look_at_registers(void)
{
	unsigned long long dr0, dr3;

	__asm__ volatile("mov %%dr0, %0; mov %%dr3, %1" : "=r"(dr0), "=r"(dr3));
	keep(0, 0x11111000, dr0);
	keep(3, 0x44444000, dr3);
	for (unsigned int i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		keep(msrs[i].msr, msrs[i].value, read_msr(msrs[i].msr));
	VECTOR_KEPT(0);
	VECTOR_KEPT(7);
	VECTOR_KEPT(8);
	VECTOR_KEPT(15);
}

static void let_go(void)
{
	__asm__ volatile("outb %%al, %0" : : "i"(GUEST_END) : "memory");
}

#else

#define READ(name)                                              \
	({                                                      \
		unsigned long long value_;                      \
		__asm__ volatile("mrs %0, " name : "=r"(value_)); \
		value_;                                         \
	})
#define WRITE(name, value) __asm__ volatile("msr " name ", %0; isb" : : "r"((unsigned long long)(value)))

#define GICD 0x08000000ull
#define GICC 0x08010000ull /* a GICv2's CPU interface; a GICv3's is system registers */
#define GIC_OF(pfr0) ((pfr0) >> 24 & 15)

static unsigned int mmio(unsigned long long at)
{
	return *(volatile unsigned int *)at;
}

/* Not MPIDR, which is the VMM's; every ID register that has a name or may get one. */
static void look_at_abi(void)
{
#define LOOK(crm, op2) word((crm) << 4 | (op2), READ("s3_0_c0_c" #crm "_" #op2))
#define LOOK_ALL(crm) LOOK(crm, 0); LOOK(crm, 1); LOOK(crm, 2); LOOK(crm, 3); LOOK(crm, 4); LOOK(crm, 5); LOOK(crm, 6); LOOK(crm, 7)
	word(0, READ("midr_el1"));
	LOOK_ALL(4);
	LOOK_ALL(5);
	LOOK_ALL(6);
	LOOK_ALL(7);
	word(0x100, READ("ctr_el0"));
	word(0x101, READ("dczid_el0"));
	word(0x102, READ("clidr_el1"));
	word(0x103, READ("cntfrq_el0"));
	word(0x200, mmio(GICD + 4)); /* GICD_TYPER */
	word(0x201, mmio(GICD + 8)); /* GICD_IIDR */
}

static unsigned long long clock_now(void)
{
	__asm__ volatile("isb");
	return READ("cntvct_el0");
}

#define REGISTERS(DO)                                                                                      \
	DO(0, "tpidr_el0") DO(1, "tpidr_el1") DO(2, "tpidrro_el0") DO(3, "contextidr_el1") DO(4, "cntv_cval_el0") \
	DO(5, "sp_el0") DO(6, "ttbr0_el1") DO(7, "mair_el1") DO(8, "elr_el1") DO(9, "esr_el1") DO(10, "far_el1")
#define VALUE(number) (pattern(number) >> 36 << 4) /* that every one of them can hold */
#define SET(number, name) WRITE(name, VALUE(number));
#define KEPT(number, name) keep(number, VALUE(number), READ(name));

#define VECTORS(DO) DO(0) DO(1) DO(15) DO(16) DO(31)
#define VECTOR(number) __asm__ volatile("fmov d" #number ", %0; fmov v" #number ".d[1], %0" : : "r"(pattern(number)));
#define VECTOR_KEPT(number)                                                                                  \
	do {                                                                                                 \
		unsigned long long low, high;                                                                \
		__asm__ volatile("fmov %0, d" #number "; fmov %1, v" #number ".d[1]" : "=r"(low), "=r"(high)); \
		if (low != pattern(number) || high != pattern(number))                                       \
			complain(COUNTER_VECTOR, number, pattern(number), low);                              \
	} while (0);

#define ICC_SRE "s3_0_c12_c12_5"
#define ICC_PMR "s3_0_c4_c6_0"

static void set_registers(void)
{
	WRITE("cpacr_el1", 3 << 20); /* vector registers do not trap */
	REGISTERS(SET)
	VECTORS(VECTOR)
	if (GIC_OF(READ("id_aa64pfr0_el1"))) {
		WRITE(ICC_SRE, READ(ICC_SRE) | 1);
		WRITE(ICC_PMR, 0xa0);
	} else {
		*(volatile unsigned int *)(GICC + 4) = 0xa0; /* PMR */
		*(volatile unsigned int *)(GICD + 0x820) = 0x01010101; /* ITARGETSR8 */
		*(volatile unsigned int *)(GICD + 0x400) = 0x10203040; /* IPRIORITYR0, this processor's own */
	}
	*(volatile unsigned int *)(GICD + 0x104) = 0x00ff00ff;  /* ISENABLER1 */
	*(volatile unsigned int *)(GICD + 0x420) = 0xa0b0c0d0;  /* IPRIORITYR8: interrupts 32 to 35 */
}

static void look_at_registers(void)
{
	REGISTERS(KEPT)
	VECTORS(VECTOR_KEPT)
	if (GIC_OF(READ("id_aa64pfr0_el1"))) {
		keep(0x300, 0xa0, READ(ICC_PMR));
	} else {
		keep(0x300, 0xa0, mmio(GICC + 4));
		keep(0x303, 0x01010101, mmio(GICD + 0x820));
		keep(0x304, 0x10203040, mmio(GICD + 0x400));
	}
	keep(0x301, 0x00ff00ff, mmio(GICD + 0x104));
	keep(0x302, 0xa0b0c0d0, mmio(GICD + 0x420));
}

static void let_go(void)
{
	for (unsigned long at = GUEST_COUNT; at < GUEST_COUNT + sizeof(*counter); at += 16)
		__asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
	__asm__ volatile("dsb sy" : : : "memory");
	*(volatile unsigned int *)GUEST_END = 0;
}

#endif

static void look_at_clock(void)
{
	unsigned long long now = clock_now();

	if (now < counter->clock)
		complain(COUNTER_CLOCK, 0, counter->clock, now);
	counter->clock = now;
}

void guest_main(void)
{
	volatile unsigned long long local = pattern(99);

	set_registers();
	for (;;) {
		turn_word = 0;
		look_at_abi();
		if (counter->beats && counter->abi_words != turn_word)
			complain(COUNTER_ABI, ~0ull, counter->abi_words, turn_word);
		look_at_registers();
		look_at_clock();
		if (local != pattern(99))
			complain(COUNTER_STACK, 0, pattern(99), local);
		counter->beats++;
		let_go();
	}
}
