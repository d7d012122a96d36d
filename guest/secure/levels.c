/* SPDX-License-Identifier: MIT */
/* Both levels: their hypercalls, what VTL 1 does when it is called or told of an access, and how VTL 0 enables and calls it. */
#include "secure.h"

enum { STACK = 4 * PAGE };
#define MESSAGE_MEMORY 0x80000001u /* HvMessageTypeGpaIntercept */

struct secure_level level[2];
volatile struct secure_vtl1 secure;
static uint8_t stack1[STACK] __attribute__((aligned(4096)));
static uint64_t offsets; /* HvRegisterVsmCodePageOffsets */

static uint64_t code_of(unsigned vtl)
{
	return UPPER_HALF + (uint64_t)level[vtl].hypercall;
}

/* ---- hypercalls of the level that makes them ---- */

uint64_t hypercall_by(uint64_t page, uint64_t control, const void *in, const void *out)
{
	register uint64_t r8 __asm__("r8") = (uint64_t)out;
	uint64_t status, input = (uint64_t)in;

	__asm__ volatile("call *%[page]" : "=a"(status), "+c"(control), "+d"(input), "+r"(r8) : [page] "r"(page)
			 : "r9", "r10", "r11", "cc", "memory");
	return status;
}

uint64_t hypercall(unsigned vtl, uint64_t control, const void *in, const void *out)
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

uint64_t set_register(unsigned vtl, unsigned input_vtl, uint32_t name, uint64_t value)
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

uint64_t protect_listed(unsigned count, unsigned rights)
{
	uint64_t *in = level[1].in;

	in[0] = SELF;
	in[1] = rights | 0x10ull << 32;
	return hypercall(1, GABI_HV_CALL_ModifyVtlProtectionMask | REP(count), in, 0) & 0xffff;
}

uint64_t protect(const void *page, unsigned count, unsigned rights)
{
	for (unsigned i = 0; i < count; i++)
		level[1].in[2 + i] = (uint64_t)page / PAGE + i;
	return protect_listed(count, rights);
}

void open_level(unsigned vtl)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, OS_ID_OF(vtl));
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)level[vtl].hypercall | 1);
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, (uint64_t)level[vtl].assist | 1);
}

/* ---- VTL 1 ---- */

/* entry.S: where VTL 1 begins; what it calls at first and at each entry after that; where it goes to leave; VTL 0's general registers. */
void secure_entry(void);
void secure_begin(void);
void secure_serve(void);
extern uint64_t secure_return, saved_rax, saved_rcx, saved_rbx;

uint64_t secure_return;

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

void secure_begin(void)
{
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	open_level(1);
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)level[1].messages | 1);
	wrmsr(GABI_HV_MSR_SINT0, VECTOR_INTERCEPT);
	secure.lstar = rdmsr(LSTAR);
	wrmsr(LSTAR, LSTAR_OF_VTL1);
	set_register(1, 0, GABI_HV_REG_VsmPartitionConfig, 1 | EVERYTHING << 1); /* EnableVtlProtection */
	secure_return = code_of(1) + (offsets >> 12 & 0xfff);
}

void secure_serve(void)
{
	enum { VTL_CALL = 1 }; /* the reason; else an interrupt, or an intercept */
	volatile uint64_t *assist = (volatile uint64_t *)level[1].assist;

	if ((uint32_t)assist[1] == VTL_CALL) {
		secure.calls++;
		if (secure.command)
			secure.result = secure.command();
	}
	take_message();
	__asm__ volatile("sti; nop; cli"); /* what waits comes now */
	assist[2] = saved_rax;
	assist[3] = saved_rcx;
}

/* ---- VTL 0 ---- */

/* By the calling convention a function may lose all but RBX, RBP and R12 to R15; VTL 1 gives them all back. */
void vtl_call(void)
{
	uint64_t entry = code_of(0) + (offsets & 0xfff), zero = 0;

	__asm__ volatile("call *%1" : "+c"(zero) : "r"(entry) : "rax", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
}

uint64_t ask(uint64_t (*command)(void))
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

static void look_at_calls(void)
{
	static uint64_t shared_rbx, shared_r12, shared_r15;
	uint64_t value;

	wrmsr(LSTAR, LSTAR_OF_VTL0);
	vtl_call();
	check("the first call runs VTL 1 from its first instruction", secure.calls, 0);
	vtl_call();
	check("VTL call: VTL 1 goes on", secure.calls, 1);
	check("an MSR of its own: VTL 1's LSTAR was 0", secure.lstar, 0);
	check("an MSR of its own: VTL 0's LSTAR is untouched", rdmsr(LSTAR), LSTAR_OF_VTL0);
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

void look_at_levels(void)
{
	look_at_enabling();
	look_at_calls();
}
