/* SPDX-License-Identifier: MIT */
/* What a guest may not have, and what is not there: it is refused as a processor refuses it. */
#include "secure.h"

#define EFER 0xc0000080u

/* Nothing of what makes it possible is to be seen: neither by CPUID, nor in EFER, and its instructions are undefined. */
static void look_for_svm(void)
{
	enum { LME = 1 << 8, SVME = 1 << 12 };
	uint64_t efer = rdmsr(EFER);
	uint32_t regs[4];

	cpuid(0x80000001, 0, regs);
	check("CPUID: nested virtualization is not there", regs[2] >> 2 & 1, 0);
	__asm__ volatile(".byte 0x48, 0x66, 0xf3, 0x0f, 0xa2" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3]) : "a"(0x80000001), "c"(0));
	check("CPUID with prefixes: is one instruction, with the same answer", regs[2] >> 2 & 1, 0);
	check("EFER: nothing nests", efer & SVME, 0);
	wrmsr(EFER, efer);
	check("EFER: is written", rdmsr(EFER), efer);
	expect_faults(BYTES_OF_WRMSR);
	wrmsr(EFER, efer | SVME);
	check("EFER.SVME: is not there", faults, 1);
	wrmsr(EFER, efer & ~(uint64_t)LME);
	check("EFER.LME: is not changed where paging is on", faults, 2);
	__asm__ volatile("vmrun %%rax" : : "a"(0));
	__asm__ volatile("clgi");
	__asm__ volatile("vmmcall");
	expect_no_faults();
	check("SVM's instructions: are undefined", faults, 5);
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
	uint64_t cr0 = get_cr0(), cr4 = get_cr4();

	check("CR4: VMX is off", cr4 & VMXE, 0);
	expect_faults(BYTES_OF_MOV_TO_CR); /* XSETBV has as many */
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | VMXE));
	check("CR4: VMX is not there", faults, 1);
	if (cr4 >> 18 & 1) {
		__asm__ volatile("xsetbv" : : "a"(2), "d"(0), "c"(0));
		__asm__ volatile("xsetbv" : : "a"(3), "d"(0), "c"(1));
		check("XSETBV: what no processor takes is refused", faults, 3);
	}
	expect_no_faults();
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
	uint32_t regs[4], last[4];

	cpuid(1, 0, regs);
	check("CPUID: VMX is not there", regs[2] >> 5 & 1, 0);
	cpuid(0, 0, regs);
	cpuid(regs[0], 0, last);
	cpuid(0x3fffffff, 0, regs);
	check("CPUID past the last leaf: is the last", regs[0] == last[0] && regs[1] == last[1] && regs[2] == last[2] && regs[3] == last[3], 1);
	__asm__ volatile("invd" : : : "memory");
	expect_faults(BYTES_OF_WRMSR);
	rdmsr(0x480);
	wrmsr(0x491, 0);
	wrmsr(0x3a, 5);
	check("VMX's MSRs: are not there", faults, 3);
	__asm__ volatile("vmcall");
	__asm__ volatile("vmlaunch");
	__asm__ volatile("vmxoff");
	expect_no_faults();
	check("VMX's instructions: are undefined", faults, 6);
	look_at_controls();
}

void look_for_shim(void)
{
	look_for_svm();
	if (is_intel())
		look_for_vmx();
}

/* A VMM may set it, and a guest may not. What KVM refuses the guest the monitor must not carry out. */
static void look_at_refused_msr(void)
{
	enum { PLATFORM_INFO = 0xce };
	uint64_t before = rdmsr(PLATFORM_INFO);

	expect_faults(BYTES_OF_WRMSR);
	wrmsr(PLATFORM_INFO, before ^ 1u << 31); /* CPUID faulting */
	expect_no_faults();
	check("an MSR that is no guest's to write: refuses it", faults, 1);
	check("an MSR that is no guest's to write: is as it was", rdmsr(PLATFORM_INFO), before);
}

static uint64_t trap_cr4(void)
{
	return set_register(1, 0, GABI_HV_REG_CrInterceptControl, 2);
}

void look_at_what_is_not_there(void)
{
	look_at_refused_msr();
	if (!has_execute)
		check("no KVM keeps readable pages from being executed: refused", protect_shot(0, GABI_HV_READ), GABI_HV_STATUS_INVALID_PARAMETER);
	check("no KVM stops at CR4: refused", ask(trap_cr4), GABI_HV_STATUS_INVALID_REGISTER_VALUE);
}
