/* SPDX-License-Identifier: MIT */
/* L1 on AMD: one VMCB, and what it takes to enter it (AMD APM vol. 2, chapter 15 and appendix B). */
#include "l1_vendor.h"

#define MSR_EFER        0xc0000080u
#define MSR_PAT         0x277u
#define MSR_VM_HSAVE_PA 0xc0010117u

enum {
	EFER_SVME = 1 << 12,
	VMEXIT_VMMCALL = 0x81,
	VMMCALL_BYTES = 3,
};

/* Offsets in the VMCB. */
enum {
	INTERCEPT4 = 0x10, /* VMRUN is bit 0, VMMCALL bit 1 */
	ASID = 0x58,
	EXIT_CODE = 0x70,
	ES = 0x400,
	CS = 0x410,
	SS = 0x420,
	DS = 0x430,
	GDTR = 0x460,
	IDTR = 0x480,
	EFER = 0x4d0,
	CR4 = 0x548,
	CR3 = 0x550,
	CR0 = 0x558,
	DR7 = 0x560,
	DR6 = 0x568,
	RFLAGS = 0x570,
	RIP = 0x578,
	G_PAT = 0x668,
};

extern char svm_l2[];

__asm__(".text\n"
	"svm_l2:\n" L2_ROUND
	"	vmmcall\n"
	"	jmp svm_l2\n");

static void put_segment(u32 at, u16 selector, u16 attributes)
{
	store(L1_VMCS, at, 2, selector);
	store(L1_VMCS, at + 2, 2, attributes);
	store(L1_VMCS, at + 4, 4, 0xffffffff);
}

static void put_table(u32 at, struct table table)
{
	store(L1_VMCS, at + 4, 4, table.limit);
	store(L1_VMCS, at + 8, 8, table.base);
}

void svm_begin(void)
{
	write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SVME);
	write_msr(MSR_VM_HSAVE_PA, L1_VMXON);
	store(L1_VMCS, INTERCEPT4, 4, 3);
	store(L1_VMCS, ASID, 4, 1);
	put_segment(CS, CODE_SELECTOR, 0xa9b);
	put_segment(ES, DATA_SELECTOR, 0xc93);
	put_segment(SS, DATA_SELECTOR, 0xc93);
	put_segment(DS, DATA_SELECTOR, 0xc93);
	put_table(GDTR, read_gdt());
	put_table(IDTR, read_idt());
	store(L1_VMCS, EFER, 8, read_msr(MSR_EFER));
	store(L1_VMCS, CR4, 8, read_cr4());
	store(L1_VMCS, CR3, 8, read_cr3());
	store(L1_VMCS, CR0, 8, read_cr0());
	store(L1_VMCS, DR7, 8, 0x400);
	store(L1_VMCS, DR6, 8, 0xffff0ff0);
	store(L1_VMCS, RFLAGS, 8, 2);
	store(L1_VMCS, RIP, 8, (u64)svm_l2);
	store(L1_VMCS, G_PAT, 8, read_msr(MSR_PAT));
}

/* Every second time the host finds L1 with interrupts held back, as VMRUN leaves it: GIF is 0. */
u64 svm_round(u64 number)
{
	u64 code;

	__asm__ volatile("vmrun %%rax" : : "a"((u64)L1_VMCS) : "memory", "cc");
	if (number & 1)
		stop_in_l1();
	__asm__ volatile("stgi");
	if (!(number & 1))
		stop_in_l1();
	code = load(L1_VMCS, EXIT_CODE, 8);
	if (code != VMEXIT_VMMCALL)
		return code ? code : ~0ull;
	store(L1_VMCS, RIP, 8, load(L1_VMCS, RIP, 8) + VMMCALL_BYTES);
	return 0;
}
