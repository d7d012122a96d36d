/* SPDX-License-Identifier: MIT */
/*
 * A guest that uses trust levels as a secure kernel does: it enables VTL 1, calls it, and keeps memory from itself. Its command line:
 * "costs=1" to say what the switches cost, "xcr0=1" where KVM sees XSETBV, which QEMU's emulated SVM lets pass by;
 * "cpus=4 soak=300000": with so many changes of single pages while the other processors write, which takes 48 MiB; "travel=1": it keeps a secret, and looks
 * after it until a 'q' comes in, wherever it is moved meanwhile; "cpus=4 idle=2000": all processors wait in HLT for so many milliseconds.
 */
#include "unchanged.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_vsm.h>

enum {
	PAGE = 4096, VECTOR_INTERCEPT = 0x60, FAST = 1 << 16, STACK = 4 * PAGE,
};
#define MESSAGE_MEMORY 0x80000001u /* HvMessageTypeGpaIntercept */
#define SELF      UINT64_MAX
#define VP_SELF   0xfffffffeu
#define REP(n)    ((uint64_t)(n) << 32)
#define EVERYTHING 15u

struct level {
	uint8_t hypercall[PAGE] __attribute__((aligned(4096)));
	uint8_t assist[PAGE] __attribute__((aligned(4096)));
	volatile uint8_t messages[PAGE] __attribute__((aligned(4096)));
	uint64_t in[PAGE / 8] __attribute__((aligned(4096)));
	uint64_t out[PAGE / 8] __attribute__((aligned(4096)));
};
static struct level level[2];
static uint8_t stack1[STACK] __attribute__((aligned(4096)));
static uint64_t offsets; /* HvRegisterVsmCodePageOffsets */

/* Where kernels have their code: the first page tables are there once more. */
#define UPPER_HALF 0xffff800000000000ull

static void map_upper_half(void)
{
	uint64_t *top;

	__asm__ volatile("mov %%cr3, %0" : "=r"(top));
	top[256] = top[0];
}

static uint64_t code_of(unsigned vtl)
{
	return UPPER_HALF + (uint64_t)level[vtl].hypercall;
}
static volatile uint64_t exceptions;

/* ---- hypercalls of the level that makes them ---- */

static uint64_t hypercall_by(uint64_t page, uint64_t control, const void *in, const void *out)
{
	register uint64_t r8 __asm__("r8") = (uint64_t)out;
	uint64_t status, input = (uint64_t)in;

	__asm__ volatile("call *%[page]" : "=a"(status), "+c"(control), "+d"(input), "+r"(r8) : [page] "r"(page)
			 : "r9", "r10", "r11", "cc", "memory");
	return status;
}

static uint64_t hypercall(unsigned vtl, uint64_t control, const void *in, const void *out)
{
	return hypercall_by(code_of(vtl), control, in, out);
}

/* HvCallGetVpRegisters and HvCallSetVpRegisters of this processor; input_vtl: 0, or 0x10 and a VTL. */
static uint64_t get_register(unsigned vtl, unsigned input_vtl, uint32_t name, uint64_t *ret)
{
	uint64_t *in = level[vtl].in, status;

	in[0] = SELF;
	in[1] = VP_SELF | (uint64_t)input_vtl << 32;
	in[2] = name;
	status = hypercall(vtl, GABI_HV_CALL_GetVpRegisters | REP(1), in, level[vtl].out);
	*ret = level[vtl].out[0];
	return status & 0xffff;
}

static uint64_t set_register(unsigned vtl, unsigned input_vtl, uint32_t name, uint64_t value)
{
	uint64_t *in = level[vtl].in;

	in[0] = SELF;
	in[1] = VP_SELF | (uint64_t)input_vtl << 32;
	in[2] = name;
	in[3] = 0;
	in[4] = value;
	in[5] = 0;
	return hypercall(vtl, GABI_HV_CALL_SetVpRegisters | REP(1), in, 0) & 0xffff;
}

static uint64_t protect(const void *page, unsigned count, unsigned rights)
{
	uint64_t *in = level[1].in;

	in[0] = SELF;
	in[1] = rights | 0x10ull << 32;
	for (unsigned i = 0; i < count; i++)
		in[2 + i] = (uint64_t)page / PAGE + i;
	return hypercall(1, GABI_HV_CALL_ModifyVtlProtectionMask | REP(count), in, 0) & 0xffff;
}

static void open_level(unsigned vtl)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000000 | vtl);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)level[vtl].hypercall | 1);
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, (uint64_t)level[vtl].assist | 1);
}

/* ---- VTL 1 ---- */

/* What VTL 0 asks for, and what VTL 1 did and saw. */
static volatile struct {
	uint64_t (*command)(void);
	uint64_t result, calls, intercepts, interrupts;
	uint64_t gpa, gva, access, rip, lstar;
	unsigned rights_after; /* of the page, when an intercept was told */
	uint64_t skip;         /* bytes by which VTL 0's RIP is moved on instead, if that is not 0 */
} secure;

static void take_message(void)
{
	volatile uint32_t *type = (volatile uint32_t *)level[1].messages;
	volatile uint8_t *payload = level[1].messages + 16;
	uint64_t rip;

	if (*type != MESSAGE_MEMORY)
		return;
	secure.intercepts++;
	secure.access = payload[5];
	secure.rip = *(volatile uint64_t *)(payload + 24);
	secure.gva = payload[45] & 1 ? *(volatile uint64_t *)(payload + 48) : 0;
	secure.gpa = *(volatile uint64_t *)(payload + 56);
	*type = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	if (secure.skip) {
		get_register(1, 0x10, GABI_HV_REG_Rip, &rip);
		set_register(1, 0x10, GABI_HV_REG_Rip, rip + secure.skip);
	} else {
		protect((const void *)(secure.gpa & ~0xfffull), 1, secure.rights_after);
	}
}

/* General registers are shared: those of VTL 0 are kept over what VTL 1 does, which is in C, and go back as they came. */
__asm__(".globl secure_entry\n"
	"secure_entry:\n"
	"	mov %rdx, saved_rdx\n mov %rbx, saved_rbx\n mov %rbp, saved_rbp\n mov %rsi, saved_rsi\n mov %rdi, saved_rdi\n"
	"	mov %r8, saved_r8\n mov %r9, saved_r9\n mov %r10, saved_r10\n mov %r11, saved_r11\n"
	"	mov %r12, saved_r12\n mov %r13, saved_r13\n mov %r14, saved_r14\n mov %r15, saved_r15\n"
	"	call secure_begin\n"
	"1:	mov secure_return, %rax\n"
	"	xor %ecx, %ecx\n" /* a slow return: RAX and RCX come from the assist page */
	"	mov saved_rdx, %rdx\n mov saved_rbx, %rbx\n mov saved_rbp, %rbp\n mov saved_rsi, %rsi\n mov saved_rdi, %rdi\n"
	"	mov saved_r8, %r8\n mov saved_r9, %r9\n mov saved_r10, %r10\n mov saved_r11, %r11\n"
	"	mov saved_r12, %r12\n mov saved_r13, %r13\n mov saved_r14, %r14\n mov saved_r15, %r15\n"
	"	call *%rax\n"
	"	mov %rax, saved_rax\n mov %rcx, saved_rcx\n"
	"	mov %rdx, saved_rdx\n mov %rbx, saved_rbx\n mov %rbp, saved_rbp\n mov %rsi, saved_rsi\n mov %rdi, saved_rdi\n"
	"	mov %r8, saved_r8\n mov %r9, saved_r9\n mov %r10, saved_r10\n mov %r11, saved_r11\n"
	"	mov %r12, saved_r12\n mov %r13, saved_r13\n mov %r14, saved_r14\n mov %r15, saved_r15\n"
	"	call secure_serve\n"
	"	jmp 1b\n");
void secure_entry(void);
uint64_t secure_return;
uint64_t saved_rax, saved_rcx, saved_rdx, saved_rbx, saved_rbp, saved_rsi, saved_rdi, saved_r8, saved_r9, saved_r10, saved_r11, saved_r12,
	saved_r13, saved_r14, saved_r15;

void secure_begin(void);
void secure_serve(void);

void secure_begin(void)
{
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	open_level(1);
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)level[1].messages | 1);
	wrmsr(GABI_HV_MSR_SINT0, VECTOR_INTERCEPT);
	secure.lstar = rdmsr(0xc0000082);
	wrmsr(0xc0000082, 0x1111000);
	set_register(1, 0, GABI_HV_REG_VsmPartitionConfig, 1 | EVERYTHING << 1); /* EnableVtlProtection */
	secure_return = code_of(1) + (offsets >> 12 & 0xfff);
}

void secure_serve(void)
{
	volatile uint64_t *assist = (volatile uint64_t *)level[1].assist;

	switch ((uint32_t)assist[1]) {
	case 1:
		secure.calls++;
		if (secure.command)
			secure.result = secure.command();
		break;
	case 2:
		secure.interrupts++;
		break;
	case 3:
		break;
	}
	take_message();
	__asm__ volatile("sti; nop; cli"); /* what waits comes now */
	assist[2] = saved_rax;
	assist[3] = saved_rcx;
}

/* An access that VTL 1 of another processor forbids is #GP on one that has no VTL 1; it is made again until it is allowed. The last of them may be
 * on its way when the soak is told to end, so they are expected until all processors have. */
static volatile bool soaking, refused, waiting;
static volatile uint64_t refusals;

/* An MSR, or an instruction, that is not there: it is passed over, and counted. */
static volatile bool faults_wanted;
static volatile uint64_t faults;
static volatile unsigned refused_bytes = 2; /* of one that is a general-protection fault: RDMSR, WRMSR */

void guest_interrupt(struct guest_frame *frame)
{
	exceptions++;
	if (refused && frame->vector == 13) {
		__atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
		return;
	}
	if (faults_wanted && frame->vector == 13) {
		faults++;
		frame->rip += refused_bytes;
		return;
	}
	if (faults_wanted && frame->vector == 6) {
		faults++;
		frame->rip += 3; /* VMMCALL, VMRUN, VMCALL, VMLAUNCH, VMXOFF */
		return;
	}
	if (waiting && frame->vector != VECTOR_INTERCEPT && frame->vector >= 32) {
		waiting = false;
	} else if (frame->vector != VECTOR_INTERCEPT) {
		check("no exception", frame->vector, 256);
		check("its address", frame->rip, 0);
		finish();
	}
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* One stretch of 2 MiB after the other: where the host has large pages, each is one until its first page is protected. */
#define SOAK_GPA 0x1000000ull
enum { STRETCHES = 16, SOAKED = 512, LIST = 64 };
static volatile uint32_t stretch;

static uint64_t *soaked_word(uint32_t in, uint32_t page, uint32_t word)
{
	return (uint64_t *)(SOAK_GPA + ((uint64_t)in * SOAKED + page) * PAGE) + word;
}

/* Before anything is protected: what is in no mapping yet comes in by single pages then. */
static void touch_soaked(void)
{
	for (uint32_t i = 0; i < STRETCHES; i++)
		for (uint32_t page = 0; page < SOAKED; page++)
			*(volatile uint64_t *)soaked_word(i, page, 0) = 0;
}

static volatile uint64_t written[LIST]; /* by each processor */
static volatile uint32_t others_begun, others_ended;
static volatile bool staying; /* they wait, and do not go to sleep */

static uint32_t random_of(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Under a shim: readable pages can be kept from being executed. Then the last word of each page is code. */
static volatile bool has_execute;
enum { CODE = PAGE / 8 - 1, RET = 0xc3, INT3 = 0xcc };

/* Each processor has a word of its own in every page. */
void guest_other(uint32_t number)
{
	uint32_t seed = number;
	uint64_t count = 0;

	__atomic_fetch_add(&others_begun, 1, __ATOMIC_SEQ_CST);
	while (staying)
		__asm__ volatile("pause");
	for (; soaking; count++) {
		__asm__ volatile("incq %0" : "+m"(*(volatile uint64_t *)soaked_word(stretch, random_of(&seed) % SOAKED, number % CODE)));
		if (has_execute)
			__asm__ volatile("call *%0" : : "r"(soaked_word(stretch, random_of(&seed) % SOAKED, CODE)) : "memory");
	}
	written[number % LIST] = count;
	__atomic_fetch_add(&others_ended, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("hlt");
}

/* ---- VTL 0 ---- */

/* By the calling convention a function may lose all but RBX, RBP and R12 to R15; VTL 1 gives them all back. */
static void vtl_call(void)
{
	uint64_t entry = code_of(0) + (offsets & 0xfff), zero = 0;

	__asm__ volatile("call *%1" : "+c"(zero) : "r"(entry) : "rax", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
}

static uint64_t ask(uint64_t (*command)(void))
{
	secure.command = command;
	vtl_call();
	secure.command = 0;
	return secure.result;
}

static struct gabi_hv_segment segment(uint16_t selector, uint16_t attributes)
{
	return (struct gabi_hv_segment){ .limit = UINT32_MAX, .selector = selector, .attributes = attributes };
}

static uint64_t enable_level(void)
{
	uint64_t *in = level[0].in, cr0, cr3, cr4;
	struct gabi_hv_context *context = (struct gabi_hv_context *)(in + 2);
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt, gdt;

	__asm__ volatile("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
	__asm__ volatile("sidt %0; sgdt %1" : "=m"(idt), "=m"(gdt));
	*context = (struct gabi_hv_context){
		.rip = (uint64_t)secure_entry, .rsp = (uint64_t)stack1 + STACK - 8, .rflags = 2, .cs = segment(8, 0xa09b),
		.ds = segment(16, 0xc093), .es = segment(16, 0xc093), .fs = segment(16, 0xc093), .gs = segment(16, 0xc093), .ss = segment(16, 0xc093),
		.tr = { .limit = 0x67, .selector = 0, .attributes = 0x8b }, .ldtr = { .attributes = 0x82 },
		.idtr = { .limit = idt.limit, .base = idt.base }, .gdtr = { .limit = gdt.limit, .base = gdt.base },
		.efer = 0x500, .cr0 = cr0, .cr3 = cr3, .cr4 = cr4, .pat = 0x0007040600070406,
	};
	in[0] = SELF;
	in[1] = VP_SELF | 1ull << 32;
	return hypercall(0, GABI_HV_CALL_EnableVpVtl, in, 0) & 0xffff;
}

static void look_at_enabling(void)
{
	uint64_t value, *in = level[0].in;
	uint32_t regs[4];

	cpuid(0x40000003, 0, regs);
	check("CPUID: AccessVsm and AccessVpRegisters", regs[1] >> 16 & 3, 3);
	open_level(0);
	check("VsmPartitionStatus: is read", get_register(0, 0, GABI_HV_REG_VsmPartitionStatus, &value), 0);
	check("VsmPartitionStatus: VTL 0 alone, and there may be another", value >> 16 & 15 ? value & 0xffff : 0, 1);
	check("VsmCodePageOffsets: is read", get_register(0, 0, GABI_HV_REG_VsmCodePageOffsets, &offsets), 0);
	in[0] = SELF;
	in[1] = 1;
	check("EnablePartitionVtl", hypercall(0, GABI_HV_CALL_EnablePartitionVtl, in, 0) & 0xffff, 0);
	check("EnableVpVtl", enable_level(), 0);
	get_register(0, 0, GABI_HV_REG_VsmVpStatus, &value);
	check("VsmVpStatus: in VTL 0, both are enabled", value, 3 << 16);
}

static uint64_t shared_rbx, shared_r12, shared_r15;

static void look_at_calls(void)
{
	uint64_t value;

	wrmsr(0xc0000082, 0x2222000);
	vtl_call();
	check("the first call runs VTL 1 from its first instruction", secure.calls, 0);
	vtl_call();
	check("VTL call: VTL 1 goes on", secure.calls, 1);
	check("an MSR of its own: VTL 1's LSTAR was 0", secure.lstar, 0);
	check("an MSR of its own: VTL 0's LSTAR is untouched", rdmsr(0xc0000082), 0x2222000);
	shared_rbx = 0x1122334455667788;
	__asm__ volatile("mov %[bits], %%rbx; mov %[bits], %%r12; not %%r12; mov %[bits], %%r15; rol $9, %%r15; movq %[bits], %%xmm5; mov %[bits], %%cr2;"
			 "xor %%ecx, %%ecx; call *%[entry]; mov %%rbx, %[rbx]; mov %%r12, %[r12]; mov %%r15, %[r15]"
			 : [rbx] "=m"(shared_rbx), [r12] "=m"(shared_r12), [r15] "=m"(shared_r15)
			 : [bits] "r"(shared_rbx), [entry] "r"(code_of(0) + (offsets & 0xfff))
			 : "rbx", "r12", "r15", "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
	check("general registers come back: RBX", shared_rbx, 0x1122334455667788);
	check("general registers come back: R12", shared_r12, ~0x1122334455667788ull);
	check("general registers come back: R15", shared_r15, 0x1122334455667788ull << 9 | 0x1122334455667788ull >> 55);
	check("VTL 1 saw RBX", saved_rbx, 0x1122334455667788);
	__asm__ volatile("movq %%xmm5, %0" : "=r"(value));
	check("XMM registers come back", value, 0x1122334455667788);
	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
	check("CR2 comes back", value, 0x1122334455667788);
}

static uint64_t get_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void set_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"(0), "c"(0));
}

static void allow_xsave(void)
{
	uint64_t cr4;

	__asm__ volatile("mov %%cr4, %0; or $0x40000, %0; mov %0, %%cr4" : "=r"(cr4));
}

static uint64_t change_xcr0(void)
{
	uint64_t found;

	allow_xsave();
	found = get_xcr0();
	set_xcr0(1);
	return found;
}

static void say_name(const char *name, const char *what)
{
	say("# ");
	say(name);
	say(what);
	say("\n");
}

/* ---- floating point ---- */

/* All that FXSAVE and the upper halves of AVX's registers say, with the reserved parts left out. */
struct floats {
	uint8_t legacy[512] __attribute__((aligned(64)));
	uint8_t upper[16 * 16] __attribute__((aligned(64)));
};
static struct floats floats_of[2]; /* as each level saw them */
static bool has_avx;

/* QEMU's emulated SVM lets XSETBV pass by, and KVM puts XCR0 back at each entry: so it is set where AVX is used. */
static void use_avx(void)
{
	set_xcr0(7);
}

#define UPPER(n) "vextractf128 $1, %%ymm" #n ", %%xmm0; movups %%xmm0, " #n "*16(%0);"
static void see(struct floats *to)
{
	__asm__ volatile("fxsave64 (%0)" : : "r"(to->legacy) : "memory");
	if (!has_avx)
		return;
	use_avx();
	__asm__ volatile(UPPER(1) UPPER(2) UPPER(3) UPPER(4) UPPER(5) UPPER(6) UPPER(7) UPPER(8) UPPER(9) UPPER(10) UPPER(11) UPPER(12)
			 UPPER(13) UPPER(14) UPPER(15) "movups (%1), %%xmm0" : : "r"(to->upper), "r"(to->legacy + 160) : "memory");
}

static uint64_t see_in_vtl1(void)
{
	see(&floats_of[1]);
	return 0;
}

/* How many bytes differ. The last words of a register of x87's, of the mask of MXCSR and behind the registers say nothing. */
static uint64_t differences(void)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < 416; i++)
		count += (i < 28 || (i >= 32 && i < 160 && i % 16 < 10) || i >= 160) && floats_of[0].legacy[i] != floats_of[1].legacy[i];
	for (unsigned i = 0; i < sizeof(floats_of[0].upper); i++)
		count += floats_of[0].upper[i] != floats_of[1].upper[i];
	return count;
}

/* Every component holds something, and always the same. */
static void fill_floats(void)
{
	static const uint32_t mxcsr = 0x1f80;

	__asm__ volatile("fninit; fld1; fldpi; ldmxcsr %0" : : "m"(mxcsr));
	__asm__ volatile("movq %0, %%xmm1; movq %0, %%xmm2; movq %0, %%xmm9; movq %0, %%xmm15; xorps %%xmm5, %%xmm5"
			 : : "r"(0x4242424242ull));
	if (!has_avx)
		return;
	use_avx();
	__asm__ volatile("vinsertf128 $1, %%xmm1, %%ymm3, %%ymm3; vinsertf128 $1, %%xmm1, %%ymm14, %%ymm14; vinsertf128 $1, %%xmm5, %%ymm7, %%ymm7" : : );
}

static void change_xmm(void)
{
	__asm__ volatile("movq %0, %%xmm5" : : "r"(0x5151ull));
}

static void change_mxcsr(void)
{
	static const uint32_t mxcsr = 0x5f80;

	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void change_x87(void)
{
	__asm__ volatile("fldl2e");
}

static void change_x87_control(void)
{
	static const uint16_t control = 0x27f;

	__asm__ volatile("fldcw %0" : : "m"(control));
}

static void empty_x87(void)
{
	__asm__ volatile("fninit");
}

static void clear_xmm(void)
{
	__asm__ volatile("xorps %xmm1, %xmm1; xorps %xmm2, %xmm2; xorps %xmm9, %xmm9; xorps %xmm15, %xmm15");
}

static void change_upper(void)
{
	use_avx();
	__asm__ volatile("vinsertf128 $1, %xmm1, %ymm7, %ymm7");
}

static void empty_upper(void)
{
	use_avx();
	__asm__ volatile("vzeroupper");
}

static void empty_vectors(void)
{
	use_avx();
	__asm__ volatile("vzeroall");
}

/* XRSTOR of an image whose XSTATE_BV has none of these. */
static void restore_nothing(uint32_t components)
{
	static uint8_t image[1024] __attribute__((aligned(64)));

	*(uint32_t *)(void *)(image + 24) = 0x1f80;
	use_avx();
	__asm__ volatile("xrstor64 (%0)" : : "r"(image), "a"(components), "d"(0) : "memory");
}

static void begin_x87(void)
{
	restore_nothing(1);
}

static void begin_sse(void)
{
	restore_nothing(2);
}

static void begin_avx(void)
{
	restore_nothing(4);
}

static void begin_all(void)
{
	restore_nothing(7);
}

static const struct {
	const char *name;
	void (*change)(void);
	bool avx;
} float_changes[] = {
	{ "all components hold something", fill_floats, false }, { "an XMM register", change_xmm, false }, { "MXCSR", change_mxcsr, false },
	{ "x87: a register", change_x87, false }, { "x87: the control word", change_x87_control, false }, { "x87: FNINIT", empty_x87, false },
	{ "SSE: all registers 0", clear_xmm, false }, { "AVX: an upper half alone", change_upper, true }, { "AVX: VZEROUPPER", empty_upper, true },
	{ "AVX: VZEROALL", empty_vectors, true }, { "XRSTOR: x87 as it began", begin_x87, true }, { "XRSTOR: SSE as it began", begin_sse, true },
	{ "XRSTOR: AVX as it began", begin_avx, true }, { "XRSTOR: all as it began", begin_all, true },
};
static volatile unsigned wanted_change;

static uint64_t change_in_vtl1(void)
{
	float_changes[wanted_change].change();
	see(&floats_of[1]);
	return 0;
}

static uint64_t prepare_avx(void)
{
	allow_xsave();
	return 0;
}

/* One level changes something, and the other has to find it. What was before that is known to both. */
static void look_at_float(unsigned number)
{
	uint64_t before;

	say_name(float_changes[number].name, "");
	fill_floats();
	ask(see_in_vtl1);
	float_changes[number].change();
	see(&floats_of[0]);
	ask(see_in_vtl1);
	check("floating point: VTL 1 finds what VTL 0 changed", differences(), 0);
	fill_floats();
	see(&floats_of[0]);
	ask(see_in_vtl1);
	before = differences();
	wanted_change = number;
	ask(change_in_vtl1);
	check("floating point: VTL 1 changed something", before || (!differences() && number), 0);
	see(&floats_of[0]);
	check("floating point: VTL 0 finds what VTL 1 changed", differences(), 0);
}

static void look_at_floats(void)
{
	enum { XSAVE = 1 << 26, AVX = 1 << 28 };
	uint32_t regs[4];

	cpuid(1, 0, regs);
	has_avx = regs[2] & XSAVE && regs[2] & AVX;
	if (has_avx) {
		allow_xsave();
		ask(prepare_avx);
	}
	for (unsigned i = 0; i < sizeof(float_changes) / sizeof(float_changes[0]); i++)
		if (has_avx || !float_changes[i].avx)
			look_at_float(i);
}

/* ---- debug registers and XCR0 ---- */

static uint64_t change_debug(void)
{
	uint64_t found;

	__asm__ volatile("mov %%db1, %0; mov %1, %%db1" : "=&r"(found) : "r"(0x7070ull));
	return found;
}

static void look_at_shared_state(bool has_xcr0)
{
	uint64_t value = 0x4242;
	uint32_t regs[4];

	look_at_floats();
	__asm__ volatile("mov %0, %%db1" : : "r"(value));
	check("DR1: VTL 1 finds VTL 0's", ask(change_debug), 0x4242);
	__asm__ volatile("mov %%db1, %0" : "=r"(value));
	check("DR1: VTL 0 finds VTL 1's", value, 0x7070);
	cpuid(1, 0, regs);
	if (!has_xcr0 || !(regs[2] >> 26 & 1))
		return;
	allow_xsave();
	set_xcr0(3);
	check("XCR0: VTL 1 finds VTL 0's", ask(change_xcr0), 3);
	check("XCR0: VTL 0 finds VTL 1's", get_xcr0(), 1);
}

/* ---- protections ---- */

static uint8_t shot[3 * PAGE] __attribute__((aligned(4096))); /* what is protected; instructions too */
static uint8_t source[64], walked[PAGE] __attribute__((aligned(4096)));
static unsigned wanted_rights;

enum { EITHER = 3, NONE = 0, READ = GABI_HV_READ | GABI_HV_KERNEL_EXECUTE | GABI_HV_USER_EXECUTE, DATA = GABI_HV_READ | GABI_HV_WRITE };
#define WINDOW 0x40000000ull /* mapped by a page table that is protected */

static uint64_t protect_shot(void)
{
	return protect(shot, 1, wanted_rights);
}

static uint64_t protect_second(void)
{
	return protect(shot + PAGE, 1, wanted_rights);
}

static uint64_t unprotect_shot(void)
{
	return protect(shot, 1, EVERYTHING);
}

static uint64_t *word(unsigned at)
{
	return (uint64_t *)(void *)shot + at;
}

static uint64_t do_store(void)
{
	*(volatile uint64_t *)word(1) = 0xabcd;
	return *word(1) == 0xabcd;
}

static uint64_t do_load(void)
{
	return *(volatile uint64_t *)word(0) == 0x1010101010101010;
}

static uint64_t do_add(void)
{
	__asm__ volatile("addq $3, %0" : "+m"(*word(1)) : : "cc");
	return *word(1) == 0x1010101010101013;
}

static uint64_t do_xadd(void)
{
	uint64_t value = 1;

	__asm__ volatile("lock xaddq %0, %1" : "+r"(value), "+m"(*word(1)) : : "cc");
	return value == 0x1010101010101010 && *word(1) == 0x1010101010101011;
}

static uint64_t do_sse(void)
{
	__asm__ volatile("movq %1, %%xmm1; movaps %%xmm1, %0" : "=m"(*word(2)) : "r"(0x4242ull) : "memory");
	return *word(2) == 0x4242 && *word(3) == 0;
}

static uint64_t do_push(void)
{
	__asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; pushq $0x55; mov %%rbx, %%rsp" : : "r"(word(4)) : "rbx", "memory");
	return *word(3) == 0x55;
}

static uint64_t do_movs(void)
{
	void *to = shot;
	const void *from = source;
	uint64_t count = sizeof(source);

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	return *word(0) == 0x5a5a5a5a5a5a5a5a && *word(7) == *word(0);
}

/* mov $0x77, %eax; ret */
static uint64_t do_execute(void)
{
	uint64_t result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(shot) : "memory");
	return result == 0x77;
}

static uint64_t *entry_of(uint64_t gva)
{
	uint64_t cr3, *at;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	at = (uint64_t *)(cr3 & ~0xfffull);
	for (unsigned shift = 39; shift > 21; shift -= 9)
		at = (uint64_t *)(at[gva >> shift & 511] & ~0xfffull);
	return &at[gva >> 21 & 511];
}

/* Through the table in the protected page: the processor sets its accessed and dirty bits. */
static uint64_t do_walk(void)
{
	*(volatile uint64_t *)WINDOW = 0x99;
	return *(uint64_t *)(void *)walked == 0x99 && (*word(0) & 0x60) == 0x60;
}

static uint64_t do_locked_exchange(void)
{
	uint64_t value = 0x1234;

	__asm__ volatile("xchgq %0, %1" : "+r"(value), "+m"(*word(5)));
	return value == 0x1010101010101010 && *word(5) == 0x1234;
}

static uint64_t do_compare(void)
{
	uint64_t value = 0x1010101010101010;

	__asm__ volatile("lock cmpxchgq %2, %1" : "+a"(value), "+m"(*word(6)) : "r"(0x4321ull) : "cc");
	return *word(6) == 0x4321;
}

static const struct {
	const char *name;
	uint64_t (*act)(void);
	unsigned rights, access; /* GABI_HV_ACCESS_..., or EITHER: the processor may begin with reading */
} accesses[] = {
	{ "store to a read-only page", do_store, READ, GABI_HV_ACCESS_WRITE },
	{ "store to a page without access", do_store, NONE, GABI_HV_ACCESS_WRITE },
	{ "load from a page without access", do_load, NONE, GABI_HV_ACCESS_READ },
	{ "addition to a read-only page", do_add, READ, GABI_HV_ACCESS_WRITE },
	{ "addition to a page without access", do_add, NONE, EITHER },
	{ "lock xadd to a read-only page", do_xadd, READ, GABI_HV_ACCESS_WRITE },
	{ "xchg with a read-only page", do_locked_exchange, READ, GABI_HV_ACCESS_WRITE },
	{ "lock cmpxchg in a read-only page", do_compare, READ, GABI_HV_ACCESS_WRITE },
	{ "movaps to a read-only page", do_sse, READ, GABI_HV_ACCESS_WRITE },
	{ "push to a read-only page", do_push, READ, GABI_HV_ACCESS_WRITE },
	{ "rep movsb to a read-only page", do_movs, READ, GABI_HV_ACCESS_WRITE },
	{ "execution of a page without access", do_execute, NONE, GABI_HV_ACCESS_EXECUTE },
	{ "walk through a read-only page table", do_walk, READ, GABI_HV_ACCESS_WRITE },
	{ "walk through a page table without access", do_walk, NONE, EITHER },
};

static void fill_shot(uint64_t (*act)(void))
{
	static const uint8_t code[] = { 0xb8, 0x77, 0, 0, 0, 0xc3 };

	for (unsigned i = 0; i < PAGE / 8; i++)
		*word(i) = 0x1010101010101010;
	for (unsigned i = 0; i < sizeof(code) && act == do_execute; i++)
		shot[i] = code[i];
	if (act == do_walk) {
		*word(0) = (uint64_t)walked | 3;
		*entry_of(WINDOW) = (uint64_t)shot | 3;
		__asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
	}
}

static void look_at_accesses(void)
{
	for (unsigned i = 0; i < sizeof(source); i++)
		source[i] = 0x5a;
	secure.rights_after = EVERYTHING;
	for (unsigned i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		uint64_t before = secure.intercepts, right;

		say_name(accesses[i].name, "");
		fill_shot(accesses[i].act);
		wanted_rights = accesses[i].rights;
		check("protection: is taken", ask(protect_shot), 0);
		right = accesses[i].act();
		check("the access: made once more, it has its effect", right, 1);
		check("the intercept: one", secure.intercepts - before, 1);
		check("the intercept: the page", secure.gpa & ~0xfffull, (uint64_t)shot);
		if (accesses[i].access != EITHER)
			check("the intercept: the access", secure.access, accesses[i].access);
	}
	*entry_of(WINDOW) = WINDOW | 0x83;
}

/* Instructions that go on in a page without access, and one that ends before it and reads there. RDI points there. */
static void look_at_crossing(void)
{
	static const struct {
		const char *name;
		uint8_t code[6], before; /* bytes that are not in that page */
		uint8_t access;
	} rows[] = {
		{ "an immediate that begins there", { 0xb8, 0x77, 0, 0, 0, 0xc3 }, 1, GABI_HV_ACCESS_EXECUTE },
		{ "an immediate that ends there", { 0xb8, 0x77, 0, 0, 0, 0xc3 }, 4, GABI_HV_ACCESS_EXECUTE },
		{ "a load from there, whose ModRM is there", { 0x0f, 0xb6, 0x07, 0xc3 }, 2, GABI_HV_ACCESS_EXECUTE },
		{ "a load from there, that ends before it", { 0x0f, 0xb6, 0x07, 0xc3 }, 3, GABI_HV_ACCESS_READ },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = secure.intercepts, result;
		uint8_t *there = shot + PAGE;

		say_name(rows[i].name, "");
		for (unsigned j = 0; j < sizeof(rows[i].code); j++)
			there[(int)j - rows[i].before] = rows[i].code[j];
		there[64] = 0x77;
		wanted_rights = NONE;
		ask(protect_second);
		__asm__ volatile("call *%1" : "=a"(result) : "r"(there - rows[i].before), "D"(there + 64) : "memory");
		check("across pages: made once more, it has its effect", result, 0x77);
		check("across pages: one intercept", secure.intercepts - before, 1);
		check("across pages: the page", secure.gpa, (uint64_t)there);
		check("across pages: the access", secure.access, rows[i].access);
		check("across pages: the address", secure.gva, rows[i].access == GABI_HV_ACCESS_EXECUTE ? (uint64_t)there : 0);
		check("across pages: the instruction", secure.rip, (uint64_t)there - rows[i].before);
	}
}

static void look_at_reading(void)
{
	uint64_t before = secure.intercepts;

	fill_shot(do_load);
	wanted_rights = READ;
	ask(protect_shot);
	check("a read-only page: is read without an intercept", do_load() && secure.intercepts == before, 1);
	ask(unprotect_shot);
	*(volatile uint64_t *)word(1) = 1;
	check("without protection: is written without an intercept", secure.intercepts, before);
}

/* ---- execution, apart from reading ---- */

/* Where the code begins: at the page, or so that its first instruction goes on there. */
static uint64_t run_shot(unsigned before)
{
	static const uint8_t code[] = { 0xb8, 0x77, 0, 0, 0, 0xc3 };
	uint8_t *from = shot + PAGE - before;
	uint64_t result;

	for (unsigned i = 0; i < sizeof(code); i++)
		from[i] = code[i];
	wanted_rights = DATA;
	check("execution: can be forbidden", ask(protect_second), 0);
	check("a page that is not executed: is read and written", ++shot[PAGE + 64] == 1 && shot[PAGE + 64]++ == 1, 1);
	__asm__ volatile("call *%1" : "=a"(result) : "r"(from) : "memory");
	return result;
}

static void look_at_fetch(unsigned before)
{
	uint64_t intercepts = secure.intercepts;

	shot[PAGE + 64] = 0;
	check("execution: made once more, it has its effect", run_shot(before), 0x77);
	check("execution: one intercept", secure.intercepts - intercepts, 1);
	check("execution: the access", secure.access, GABI_HV_ACCESS_EXECUTE);
	check("execution: the instruction", secure.rip, (uint64_t)shot + PAGE - before);
	check("execution: where it is forbidden", secure.gpa, (uint64_t)shot + PAGE);
	check("execution: its address for the guest", secure.gva, (uint64_t)shot + PAGE);
}

static void look_at_code(void)
{
	uint64_t intercepts = secure.intercepts;

	fill_shot(do_execute);
	wanted_rights = READ;
	ask(protect_shot);
	check("a page of code: is executed without an intercept", do_execute() && secure.intercepts == intercepts, 1);
	do_store();
	check("a page of code: a store is told", secure.intercepts - intercepts, 1);
	check("a page of code: as a store", secure.access, GABI_HV_ACCESS_WRITE);
}

/* What an overlay has below it is no concern of its own. */
static void look_at_overlay_of_data(void)
{
	uint64_t intercepts = secure.intercepts, before = rdmsr(GABI_HV_MSR_HYPERCALL);

	fill_shot(do_execute);
	wanted_rights = DATA;
	ask(protect_shot);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)shot | 1);
	check("the hypercall page over one that is not executed: is executed",
	      hypercall_by(UPPER_HALF + (uint64_t)shot, GABI_HV_CALL_SignalEvent | FAST, (const void *)1, 0) & 0xffff, GABI_HV_STATUS_INVALID_CONNECTION_ID);
	check("the hypercall page over one that is not executed: is not intercepted", secure.intercepts, intercepts);
	wrmsr(GABI_HV_MSR_HYPERCALL, before);
	check("and the page below, when it is seen again: is intercepted", do_execute() && secure.intercepts == intercepts + 1, 1);
}

/* Nothing of what makes it possible is to be seen: neither by CPUID, nor in EFER, and its instructions are undefined. */
static void look_for_shim(void)
{
	uint64_t efer = rdmsr(0xc0000080), faulted = faults;
	uint32_t regs[4];

	cpuid(0x80000001, 0, regs);
	check("CPUID: nested virtualization is not there", regs[2] >> 2 & 1, 0);
	__asm__ volatile(".byte 0x48, 0x66, 0xf3, 0x0f, 0xa2" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3]) : "a"(0x80000001), "c"(0));
	check("CPUID with prefixes: is one instruction, with the same answer", regs[2] >> 2 & 1, 0);
	check("EFER: nothing nests", efer >> 12 & 1, 0);
	wrmsr(0xc0000080, efer);
	check("EFER: is written", rdmsr(0xc0000080), efer);
	faults_wanted = true;
	wrmsr(0xc0000080, efer | 1 << 12);
	check("EFER.SVME: is not there", faults - faulted, 1);
	wrmsr(0xc0000080, efer & ~0x100ull);
	check("EFER.LME: is not changed where paging is on", faults - faulted, 2);
	__asm__ volatile("vmrun %%rax" : : "a"(0));
	__asm__ volatile("clgi");
	__asm__ volatile("vmmcall");
	faults_wanted = false;
	check("SVM's instructions: are undefined", faults - faulted, 5);
}

static uint64_t get_cr0(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static uint64_t get_cr4(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static uint64_t change_cr2(void)
{
	__asm__ volatile("mov %0, %%cr2" : : "r"(get_cr4() ^ 0x5a5a000));
	return 0;
}

/* CR0.NE is set in whatever VMX runs, and CR4.VMXE: the guest has what it wrote, also when another level has set its registers. */
static void look_at_controls(void)
{
	enum { NE = 1 << 5, VMXE = 1 << 13 };
	uint64_t cr0 = get_cr0(), cr4 = get_cr4(), faulted = faults;

	check("CR4: VMX is off", cr4 & VMXE, 0);
	refused_bytes = 3; /* MOV to CR4, XSETBV */
	faults_wanted = true;
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | VMXE));
	check("CR4: VMX is not there", faults - faulted, 1);
	if (cr4 >> 18 & 1) {
		__asm__ volatile("xsetbv" : : "a"(2), "d"(0), "c"(0));
		__asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(1));
		check("XSETBV: what no processor takes is refused", faults - faulted, 3);
	}
	faults_wanted = false;
	refused_bytes = 2;
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 & ~(uint64_t)NE));
	check("CR0.NE: is clear", get_cr0(), cr0 & ~(uint64_t)NE);
	ask(change_cr2);
	check("CR0.NE: is clear when registers were carried over", get_cr0(), cr0 & ~(uint64_t)NE);
	check("CR4: VMX is off then too", get_cr4(), cr4);
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | NE));
	check("CR0.NE: is set", get_cr0(), cr0 | NE);
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
}

/* The same of VMX, of which KVM has more to hide; a processor that leaves its guest at CPUID and INVD carries them out all the same. */
static void look_for_vmx(void)
{
	uint64_t faulted = faults;
	uint32_t regs[4], last[4];

	cpuid(1, 0, regs);
	check("CPUID: VMX is not there", regs[2] >> 5 & 1, 0);
	cpuid(0, 0, regs);
	cpuid(regs[0], 0, last);
	cpuid(0x3fffffff, 0, regs);
	check("CPUID past the last leaf: is the last", regs[0] == last[0] && regs[1] == last[1] && regs[2] == last[2] && regs[3] == last[3], 1);
	__asm__ volatile("invd" : : : "memory");
	faults_wanted = true;
	rdmsr(0x480);
	wrmsr(0x491, 0);
	wrmsr(0x3a, 5);
	check("VMX's MSRs: are not there", faults - faulted, 3);
	__asm__ volatile("vmcall");
	__asm__ volatile("vmlaunch");
	__asm__ volatile("vmxoff");
	faults_wanted = false;
	check("VMX's instructions: are undefined", faults - faulted, 6);
	look_at_controls();
}

static bool is_intel(void)
{
	uint32_t regs[4];

	cpuid(0, 0, regs);
	return regs[1] == 0x756e6547; /* "Genu" */
}

/* Whoever does not flush is not noticed on an emulated processor, which flushes more often than it has to. */
static void look_at_flush(void)
{
	uint64_t *in = level[0].in;

	in[0] = 0;
	in[1] = 3; /* all processors, all address spaces */
	in[2] = 0;
	check("a flush of TLBs: is made", hypercall(0, GABI_HV_CALL_FlushVirtualAddressSpace, in, 0) & 0xffff, 0);
}

static void look_at_execution(void)
{
	secure.rights_after = EVERYTHING;
	look_at_flush();
	look_at_fetch(0);
	look_at_fetch(1);
	look_at_fetch(4);
	look_at_code();
	look_at_overlay_of_data();
	look_for_shim();
	if (is_intel())
		look_for_vmx();
}

/* VTL 1 does not give the page back, and passes over the instruction. */
static void look_at_skipping(void)
{
	uint64_t before = secure.intercepts, to = 1;

	fill_shot(do_load);
	wanted_rights = READ;
	ask(protect_shot);
	secure.skip = 3;
	__asm__ volatile("mov %1, (%0)" : : "r"(word(1)), "r"(to) : "memory"); /* 48 89 xx */
	secure.skip = 0;
	check("an access that VTL 1 passes over: is told once", secure.intercepts - before, 1);
	check("an access that VTL 1 passes over: has no effect", *word(1), 0x1010101010101010);
	ask(unprotect_shot);
}

/* ---- attacks past the processor ---- */

#define VIRTIO_RNG 0xd0001000u
enum { ECHO = 0xe0, RING = 8, WRITES = 2, DRIVER_OK = 0xf, FEATURES_OK = 0xb };
enum { FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_NUM = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70, QUEUE_AT = 0x80 };

static struct {
	struct {
		uint64_t at;
		uint32_t len;
		uint16_t flags, next;
	} descriptor[RING];
	uint16_t driver[2 + RING + 2] __attribute__((aligned(16)));
	volatile uint16_t device[2 + RING * 4 + 2] __attribute__((aligned(16)));
} ring;

static void write_register(unsigned at, uint32_t value)
{
	mmio(VIRTIO_RNG)[at / 4] = value;
}

/* Lets the random number generator write 64 bytes there, and say so there. */
static void let_device_use(const void *to, uint64_t used)
{
	const uint64_t parts[] = { (uint64_t)ring.descriptor, (uint64_t)ring.driver, used };

	write_register(STATUS, 0);
	for (unsigned i = 0; i < sizeof(ring.driver) / 2; i++)
		ring.driver[i] = 0;
	write_register(FEATURES_SELECT, 1);
	write_register(FEATURES, 1); /* version 1 */
	write_register(STATUS, FEATURES_OK);
	write_register(QUEUE_NUM, RING);
	for (unsigned i = 0; i < 3; i++) {
		write_register(QUEUE_AT + i * 16, (uint32_t)parts[i]);
		write_register(QUEUE_AT + i * 16 + 4, (uint32_t)(parts[i] >> 32));
	}
	write_register(QUEUE_READY, 1);
	write_register(STATUS, DRIVER_OK);
	ring.descriptor[0].at = (uint64_t)to;
	ring.descriptor[0].len = 64;
	ring.descriptor[0].flags = WRITES;
	ring.driver[1] = 1;
	write_register(NOTIFY, 0);
}

static void let_device_write(const void *to)
{
	let_device_use(to, (uint64_t)ring.device);
}

static bool is_untouched(void)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (*(volatile uint64_t *)word(i) != 0x1010101010101010)
			return false;
	return true;
}

/* KVM carries these out itself, and cannot begin them anew: the write is lost, and a read finds ones. */
static void look_at_string_io(void)
{
	uint64_t count = 8, before = secure.intercepts;
	void *to = shot;
	const void *from = shot;

	secure.rights_after = READ;
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((uint16_t)ECHO) : "memory");
	check("string input to a read-only page: is told", secure.intercepts > before, 1);
	check("string input to a read-only page: writes nothing", is_untouched(), 1);
	secure.rights_after = wanted_rights = NONE;
	ask(protect_shot);
	before = secure.intercepts;
	count = 1;
	out8(ECHO, 0x55);
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)ECHO) : "memory");
	check("string output from a page without access: is told", secure.intercepts > before, 1);
	check("string output from a page without access: tells nothing of it", in8(ECHO) != 0x10, 1);
	secure.rights_after = EVERYTHING;
}

/* Hypercalls of the engine: what it reads and writes for VTL 0 is told to VTL 1 as if VTL 0 had done it, and then made again. */
static void look_at_hypercall_pages(void)
{
	uint64_t before = secure.intercepts, *in = level[0].in, status;

	in[0] = SELF;
	in[1] = VP_SELF;
	in[2] = GABI_HV_REG_VsmVpStatus;
	secure.skip = 2; /* the OUT in the hypercall page: VTL 1 passes over it, and the call is not made */
	status = hypercall(0, GABI_HV_CALL_GetVpRegisters | REP(1), in, shot);
	check("a hypercall's output in a read-only page: is told", secure.intercepts > before, 1);
	check("a hypercall's output in a read-only page: writes nothing", is_untouched(), 1);
	wanted_rights = NONE;
	ask(protect_shot);
	before = secure.intercepts;
	status = hypercall(0, GABI_HV_CALL_GetVpRegisters | REP(1), shot, level[0].out);
	check("a hypercall's input in a page without access: is told", secure.intercepts > before && (status & 0xffff) != 1, 1);
	secure.skip = 0;
	wanted_rights = READ;
	ask(protect_shot);
}

/* Pages that lie over memory: VTL 0 may write to them what it likes, and the memory below is not touched. */
static void look_at_overlays(void)
{
	static const uint32_t msrs[] = { GABI_HV_MSR_SIMP, GABI_HV_MSR_SIEFP, GABI_HV_MSR_VP_ASSIST_PAGE, GABI_HV_MSR_REFERENCE_TSC };

	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		uint64_t before = rdmsr(msrs[i]), seen = secure.intercepts;

		wrmsr(msrs[i], (uint64_t)shot | 1);
		secure.skip = 4;
		__asm__ volatile("movq %1, 8(%0)" : : "r"(shot), "r"(0x66ull) : "memory"); /* 48 89 xx 08 */
		secure.skip = 0;
		wrmsr(msrs[i], before);
		check("a page of Hyper-V's over protected memory: the memory is untouched", is_untouched() && secure.intercepts - seen <= 1, 1);
	}
}

/* What KVM writes by itself: VTL 0 asks for it where it may not write. */
static void look_at_own_writes(void)
{
	static const struct { uint32_t msr; uint64_t value; const char *name; } rows[] = {
		{ 0x11, 0, "wall clock (old)" }, { 0x12, 1, "system time (old)" }, { 0x4b564d00, 0, "wall clock" }, { 0x4b564d01, 1, "system time" },
		{ 0x4b564d02, 9, "asynchronous page faults" }, { 0x4b564d03, 1, "stolen time" }, { 0x4b564d04, 1, "end of interrupt" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = faults;

		say_name(rows[i].name, "");
		faults_wanted = true;
		wrmsr(rows[i].msr, (uint64_t)shot | rows[i].value);
		faults_wanted = false;
		check("an MSR by which KVM would write memory itself: is not there", faults - before, 1);
		check("an MSR by which KVM would write memory itself: writes nothing", is_untouched(), 1);
	}
}

/* A hypercall that does not go through the page: KVM takes it, of Hyper-V's or of its own form. */
static uint64_t direct_hypercall(uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t rbx, uint64_t r8_value)
{
	register uint64_t r8 __asm__("r8") = r8_value;
	uint32_t regs[4];

	cpuid(0, 0, regs);
	if (regs[1] == 0x756e6547) /* Genu */
		__asm__ volatile("vmcall" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(r8) : : "memory");
	else
		__asm__ volatile("vmmcall" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), "+r"(r8) : : "memory");
	return rax;
}

static void look_at_direct_hypercalls(void)
{
	enum { CLOCK_PAIRING = 9 };

	faults_wanted = has_execute; /* a nested guest has no such instruction */
	direct_hypercall(0, GABI_HV_CALL_QueryExtendedCapabilities, 0, 0, (uint64_t)shot);
	check("extended capabilities into a read-only page: writes nothing", is_untouched(), 1);
	direct_hypercall(0, GABI_HV_CALL_FlushVirtualAddressSpaceEx, (uint64_t)shot, 0, 0);
	check("a flush whose list is in a read-only page: writes nothing", is_untouched(), 1);
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0); /* now they are KVM's own; the hypercall page is gone */
	direct_hypercall(CLOCK_PAIRING, 0, 0, (uint64_t)shot, 0);
	faults_wanted = false;
	open_level(0);
	check("KVM's clock pairing into a read-only page: writes nothing", is_untouched(), 1);
}

static void look_at_devices(void)
{
	let_device_write(shot);
	check("a device does not write where VTL 0 may not", is_untouched(), 1);
	let_device_use(source, (uint64_t)shot);
	check("a device does not put its ring where VTL 0 may not write", is_untouched(), 1);
}

static void look_at_attacks(void)
{
	fill_shot(do_load);
	let_device_write(shot);
	check("a device writes where VTL 0 may", is_untouched(), 0);
	fill_shot(do_load);
	wanted_rights = READ;
	ask(protect_shot);
	look_at_devices();
	look_at_hypercall_pages();
	look_at_overlays();
	look_at_own_writes();
	look_at_direct_hypercalls();
	look_at_string_io();
	ask(unprotect_shot);
}

/* ---- processors that are started again ---- */

/* INIT and a startup IPI to all others: to those that wait for that, that run, and that are in HLT. They have no level that would keep it from them. */
static void look_at_starting(uint32_t others)
{
	staying = true;
	start_others();
	check("other processors: run", wait_for(&others_begun, others), 1);
	start_others();
	check("other processors: started again they run from the beginning", wait_for(&others_begun, 2 * others), 1);
	staying = false;
	check("other processors: go on to HLT", wait_for(&others_ended, others), 1);
	start_others();
	check("other processors: started again from there they run too", wait_for(&others_begun, 3 * others), 1);
	check("other processors: come to their end", wait_for(&others_ended, 2 * others), 1);
	others_begun = others_ended = 0;
}

/* ---- many changes, with other processors writing all the time ---- */

static uint32_t soak_seed = 1;

/* What may not be executed is made code that nobody may come to, from the moment on that the call has returned. */
static void mark_code(const uint64_t *gfn, uint8_t code)
{
	for (unsigned i = 0; code && i < LIST; i++)
		*(volatile uint8_t *)(gfn[i] * PAGE + CODE * 8) = code;
}

/* Single pages in no order, so that no two make one run. */
static uint64_t change_some(void)
{
	static const unsigned all[] = { NONE, READ, EVERYTHING, DATA, DATA & ~GABI_HV_WRITE };
	unsigned rights = all[random_of(&soak_seed) % (has_execute ? 5 : 3)];
	uint64_t *in = level[1].in, status;

	in[0] = SELF;
	in[1] = rights | 0x10ull << 32;
	for (unsigned i = 0; i < LIST; i++)
		in[2 + i] = (uint64_t)soaked_word(stretch, (random_of(&soak_seed) % (SOAKED / LIST)) * LIST + i, 0) / PAGE;
	mark_code(in + 2, rights & GABI_HV_KERNEL_EXECUTE ? RET : 0);
	status = hypercall(1, GABI_HV_CALL_ModifyVtlProtectionMask | REP(LIST), in, 0) & 0xffff;
	mark_code(in + 2, rights & GABI_HV_KERNEL_EXECUTE ? 0 : INT3);
	return status;
}

static uint64_t give_all_back(void)
{
	uint64_t status = 0;

	for (uint32_t i = 0; i < SOAKED; i++)
		*soaked_word(stretch, i, CODE) = RET;
	for (unsigned i = 0; i < SOAKED; i += LIST)
		status |= protect(soaked_word(stretch, i, 0), LIST, EVERYTHING);
	return status;
}

static void look_at_many_changes(uint64_t changes, uint32_t others)
{
	uint64_t status = 0, sum = 0, wanted = 0;

	for (uint32_t page = 0; page < STRETCHES * SOAKED; page++)
		*soaked_word(0, page, CODE) = RET;
	soaking = refused = true;
	start_others();
	check("soak: the other processors run", wait_for(&others_begun, others), 1);
	for (uint32_t i = 0; i < STRETCHES; i++) {
		stretch = i;
		for (uint64_t done = 0; done < changes / STRETCHES; done += LIST)
			status |= ask(change_some);
		status |= ask(give_all_back);
	}
	check("soak: all changes are taken", status, 0);
	soaking = false;
	check("soak: the other processors come to their end", wait_for(&others_ended, others), 1);
	refused = false;
	for (unsigned i = 0; i < LIST; i++)
		wanted += written[i];
	for (uint32_t page = 0; page < STRETCHES * SOAKED; page++)
		for (uint32_t i = 0; i < CODE; i++)
			sum += *soaked_word(0, page, i);
	check("soak: no write is lost, and none is made twice", sum, wanted);
	check("soak: writes were refused in between", others == 0 || refusals > 0, 1);
	say_number(refusals);
	say(" refusals of ");
	say_number(wanted);
	say(" writes\n");
}

/* A VMM may set it, and a guest may not. What KVM refuses the guest the monitor must not carry out. */
static void look_at_refused_msr(void)
{
	enum { PLATFORM_INFO = 0xce };
	uint64_t before = rdmsr(PLATFORM_INFO), faulted = faults;

	faults_wanted = true;
	wrmsr(PLATFORM_INFO, before ^ 1u << 31); /* CPUID faulting */
	faults_wanted = false;
	check("an MSR that is no guest's to write: refuses it", faults - faulted, 1);
	check("an MSR that is no guest's to write: is as it was", rdmsr(PLATFORM_INFO), before);
}

static uint64_t forbid_execution(void)
{
	return protect(shot, 1, GABI_HV_READ);
}

static uint64_t trap_cr4(void)
{
	return set_register(1, 0, GABI_HV_REG_CrInterceptControl, 2);
}

static void look_at_what_is_not_there(void)
{
	if (!has_execute)
		check("no KVM keeps readable pages from being executed: refused", ask(forbid_execution), GABI_HV_STATUS_INVALID_PARAMETER);
	check("no KVM stops at CR4: refused", ask(trap_cr4), GABI_HV_STATUS_INVALID_REGISTER_VALUE);
}

/* ---- what it costs: in ticks of the TSC, and in an emulator that counts instructions these are instructions ---- */

enum { ROUNDS = 256 };

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void one_out(void)
{
	out8(0x80, 0);
}

static void one_hypercall(void)
{
	hypercall(0, GABI_HV_CALL_SignalEvent | FAST, (const void *)1, 0); /* to a connection that there is not */
}

static void one_call_with_sse(void)
{
	__asm__ volatile("movq %0, %%xmm2" : : "r"(rdtsc()));
	vtl_call();
}

static void one_execution(void)
{
	do_execute();
}

static void one_cpuid(void)
{
	uint32_t regs[4];

	cpuid(0, 0, regs);
}

static void one_store(void)
{
	*(volatile uint64_t *)word(1) = 1;
}

static void one_protection(void)
{
	ask(protect_shot);
	ask(unprotect_shot);
}

static void nothing(void)
{
}

static void protect_it(void)
{
	ask(protect_shot);
}

/* The best of some rounds: between two of them the host has its own things to do. */
static uint64_t cost(void (*prepare)(void), void (*act)(void))
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start;

		prepare();
		start = rdtsc();
		act();
		start = rdtsc() - start;
		best = start < best ? start : best;
	}
	return best;
}

static void say_cost(const char *name, void (*prepare)(void), void (*act)(void), uint64_t cpus)
{
	uint64_t ticks = cost(prepare, act), out = cost(nothing, one_out);

	say("cost: ");
	say(name);
	if (cpus > 1) {
		say(", virtual processors: ");
		say_number(cpus);
	}
	say(": ");
	say_number(ticks);
	say(", an OUT: ");
	say_number(out);
	say("\n");
}

static void look_at_costs(uint64_t cpus)
{
	wanted_rights = READ;
	secure.rights_after = EVERYTHING;
	say_cost("hypercall", nothing, one_hypercall, cpus);
	say_cost("VtlCall and VtlReturn", nothing, vtl_call, cpus);
	say_cost("VtlCall and VtlReturn, an XMM register changed", nothing, one_call_with_sse, cpus);
	say_cost("memory intercept to retry", protect_it, one_store, cpus);
	say_cost("a page protected and opened, each by a VTL call", nothing, one_protection, cpus);
	say_cost("CPUID", nothing, one_cpuid, cpus);
	if (!has_execute)
		return;
	fill_shot(do_execute);
	wanted_rights = DATA;
	say_cost("intercept of execution to retry", protect_it, one_execution, cpus);
	say_cost("a page kept from being executed and opened, each by a VTL call", nothing, one_protection, cpus);
}

/* ---- waiting ---- */

enum { VECTOR_WAKE = 0x61, DIRECT = 1 << 12, AUTO_ENABLE = 8, MS = 10000 };

static void wait_in_hlt(uint64_t ms, uint32_t others)
{
	uint64_t end = rdmsr(GABI_HV_MSR_TIME_REF_COUNT) + ms * MS;

	start_others();
	check("waiting: the other processors wait", wait_for(&others_ended, others), 1);
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	waiting = true;
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, AUTO_ENABLE | DIRECT | VECTOR_WAKE << 4);
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, end);
	while (waiting)
		__asm__ volatile("sti; hlt; cli");
	check("waiting: its timer ends it", rdmsr(GABI_HV_MSR_TIME_REF_COUNT) >= end, 1);
}

/* ---- on its way ---- */

#define SECRET 0x5ec12e7c0de15a1dull

static uint64_t keep_secret(void)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		*word(i) = SECRET * (i + 1);
	return protect(shot, 1, NONE);
}

static uint64_t travelled_tsc; /* of both levels: they have one */

/* In VTL 1: its memory, its ABI, its MSRs and how often it was called are as they were. */
static uint64_t look_at_secret(void)
{
	static struct unchanged_abi abi;
	static uint64_t called;
	bool first = !called;

	if (first)
		called = secure.calls;
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (*word(i) != SECRET * (i + 1))
			return 2;
	if (!unchanged_abi(&abi) || !unchanged_tsc(&travelled_tsc))
		return 5;
	if (rdmsr(0xc0000082) != 0x1111000 || rdmsr(GABI_HV_MSR_GUEST_OS_ID) != 0x8100000000000001)
		return 3;
	return secure.calls == called++ ? 1 : 4;
}

/* VTL 0 tries to read it: VTL 1 is told, and passes over the instruction. */
static bool steal(void)
{
	uint64_t before = secure.intercepts, value = 0;

	secure.skip = 3;
	__asm__ volatile("mov (%1), %0" : "+r"(value) : "r"(word(1)) : "memory"); /* 48 8b xx */
	secure.skip = 0;
	return value || secure.intercepts != before + 1;
}

/* VTL 0 tries to execute what is data: the last byte of a page, which VTL 1 passes over; behind it stands RET. */
static bool execute_data(void)
{
	uint64_t before = secure.intercepts;

	secure.skip = 1;
	__asm__ volatile("call *%0" : : "r"(shot + 2 * PAGE - 1) : "memory");
	secure.skip = 0;
	return secure.intercepts == before + 1 && secure.access == GABI_HV_ACCESS_EXECUTE;
}

static volatile uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));

/* In VTL 0; VTL 1 looks at what it sees itself. */
static bool look_at_own(void)
{
	static struct unchanged_abi abi;
	static uint64_t reference;

	return unchanged_abi(&abi) && unchanged_reference(&reference, tsc_page) &&
	       unchanged_is("VTL 0: its LSTAR is its own", rdmsr(0xc0000082), 0x2222000) &&
	       unchanged_is("VTL 0: GUEST_OS_ID is its own", rdmsr(GABI_HV_MSR_GUEST_OS_ID), 0x8100000000000000);
}

static void travel(void)
{
	enum { SERIAL = 0x3f8, SERIAL_STATUS = 0x3fd, EVERY = 8 };
	bool good = true;

	wrmsr(GABI_HV_MSR_REFERENCE_TSC, (uint64_t)tsc_page | 1);
	check("the secret is kept", ask(keep_secret), 0);
	shot[2 * PAGE - 1] = INT3;
	shot[2 * PAGE] = RET;
	wanted_rights = DATA;
	check("data is kept from being executed, where that can be", ask(protect_second), has_execute ? 0 : GABI_HV_STATUS_INVALID_PARAMETER);
	for (uint64_t turns = 1; good && !(in8(SERIAL_STATUS) & 1 && in8(SERIAL) == 'q'); turns++) {
		good = unchanged_is("VTL 1: all is as it was", ask(look_at_secret), 1) &&
		       unchanged_is("the secret: VTL 0 cannot read it", steal(), 0) && unchanged_tsc(&travelled_tsc) && look_at_own() &&
		       (!has_execute || unchanged_is("data: VTL 0 cannot execute it", execute_data(), 1));
		if (turns % EVERY)
			continue;
		say("turn ");
		say_number(turns);
		say("\n");
	}
	check("the secret is there, and nobody saw it", good, 1);
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];
	uint64_t cpus = number_of(line, "cpus"), cr4;

	(void)magic;
	map_upper_half();
	set_up_interrupts();
	__asm__ volatile("mov %%cr4, %0; or $0x600, %0; mov %0, %%cr4" : "=r"(cr4)); /* SSE */
	has_execute = number_of(line, "execute");
	if (number_of(line, "soak"))
		touch_soaked();
	look_at_enabling();
	look_at_calls();
	if (number_of(line, "travel")) {
		travel();
		finish();
	}
	if (number_of(line, "idle")) {
		wait_in_hlt(number_of(line, "idle"), (uint32_t)cpus - 1);
		finish();
	}
	if (cpus > 1)
		look_at_starting((uint32_t)cpus - 1);
	look_at_shared_state(number_of(line, "xcr0"));
	look_at_reading();
	look_at_accesses();
	look_at_crossing();
	look_at_skipping();
	if (has_execute)
		look_at_execution();
	look_at_attacks();
	look_at_refused_msr();
	look_at_what_is_not_there();
	if (number_of(line, "costs"))
		look_at_costs(cpus);
	if (number_of(line, "soak"))
		look_at_many_changes(number_of(line, "soak"), (uint32_t)cpus - 1);
	finish();
}
