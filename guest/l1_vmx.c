/* SPDX-License-Identifier: MIT */
/* L1 on Intel: one VMCS, plain or enlightened, by the same lists of fields (SDM vol. 3, chapters 25 to 28; TLFS). */
#include "l1_vendor.h"

enum {
	MSR_FEATURE_CONTROL = 0x3a,
	MSR_VMX_BASIC = 0x480,
	MSR_CR0_FIXED0 = 0x486,
	MSR_PIN = 0x481, /* to MSR_ENTRY; the TRUE ones lie 12 behind */
	MSR_PROC,
	MSR_EXIT,
	MSR_ENTRY,
	TRUE = 0x48d - 0x481,
	MSR_HV_GUEST_OS_ID = 0x40000000,
	MSR_HV_VP_ASSIST_PAGE = 0x40000073,
	CR4_VMXE = 1 << 13,
	LOCKED_AND_VMXON = 5,
	EXIT_HOST_64 = 1 << 9,
	ENTRY_IA32E = 1 << 9,
	REASON_VMCALL = 18,
	VMCALL_BYTES = 3,
	TSS_SELECTOR = 24,
	RIGHTS_CODE = 0xa09b,
	RIGHTS_DATA = 0xc093,
	RIGHTS_TSS = 0x8b,
	RIGHTS_UNUSABLE = 0x10000,
	ALL_CLEAN = 0xffff,
};

enum {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) CODE_##name = code,
#include <gabi/vmcs_field.def>
};
enum {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) AT_##name = at,
#define GABI_EVMCS1_OWN_ROW(name, at, bytes, group) AT_##name = at,
#include <gabi/evmcs1.def>
};

/* Members of the VP assist page (TLFS: HV_VP_ASSIST_PAGE). */
enum { ASSIST_ENLIGHTEN = 40, ASSIST_CURRENT = 48 };

extern char vmx_l2[], vmx_exit[];
u64 vmx_enter(int launched);
void vmx_put_host_rsp(u64 rsp);

__asm__(".text\n"
	"vmx_l2:\n" L2_ROUND
	"	vmcall\n"
	"	jmp vmx_l2\n"
	/* L2 leaves all registers alone, but VM exit itself loads RSP. */
	"vmx_enter:\n"
	"	push %rbx\n"
	"	mov %edi, %ebx\n"
	"	mov %rsp, %rdi\n"
	"	call vmx_put_host_rsp\n"
	"	test %ebx, %ebx\n"
	"	jz 1f\n"
	"	vmresume\n"
	"	jmp 2f\n"
	"1:	vmlaunch\n"
	"2:	mov $1, %eax\n"
	"	jmp 3f\n"
	"vmx_exit:\n"
	"	xor %eax, %eax\n"
	"3:	pop %rbx\n"
	"	ret\n");

static int enlightened;

static u32 bytes_of(u32 code)
{
	return (code >> 13 & 3) == 0 ? 2 : (code >> 13 & 3) == 2 ? 4 : 8;
}

static void put(u32 code, u32 at, u64 value)
{
	if (enlightened)
		store(L1_VMCS, at, bytes_of(code), value);
	else
		__asm__ volatile("vmwrite %1, %0" : : "r"((u64)code), "rm"(value) : "cc", "memory");
}
#define PUT(name, value) put(CODE_##name, AT_##name, value)

static u64 get(u32 code, u32 at)
{
	u64 value;

	if (enlightened)
		return load(L1_VMCS, at, bytes_of(code));
	__asm__ volatile("vmread %1, %0" : "=rm"(value) : "r"((u64)code) : "cc", "memory");
	return value;
}
#define GET(name) get(CODE_##name, AT_##name)

void vmx_put_host_rsp(u64 rsp)
{
	PUT(HOST_RSP, rsp);
}

/* The bits that must be 1, and some more. */
static u64 controls(u32 msr, u64 more)
{
	u32 true_msr = read_msr(MSR_VMX_BASIC) >> 55 & 1 ? TRUE : 0;

	return (u32)read_msr(msr + true_msr) | more;
}

static void put_controls(void)
{
	PUT(PIN_BASED_VM_EXEC_CONTROL, controls(MSR_PIN, 0));
	PUT(CPU_BASED_VM_EXEC_CONTROL, controls(MSR_PROC, 0));
	PUT(VM_EXIT_CONTROLS, controls(MSR_EXIT, EXIT_HOST_64));
	PUT(VM_ENTRY_CONTROLS, controls(MSR_ENTRY, ENTRY_IA32E));
}

static void put_host(void)
{
	PUT(HOST_CR0, read_cr0());
	PUT(HOST_CR3, read_cr3());
	PUT(HOST_CR4, read_cr4());
	PUT(HOST_CS_SELECTOR, CODE_SELECTOR);
	PUT(HOST_SS_SELECTOR, DATA_SELECTOR);
	PUT(HOST_DS_SELECTOR, DATA_SELECTOR);
	PUT(HOST_ES_SELECTOR, DATA_SELECTOR);
	PUT(HOST_FS_SELECTOR, DATA_SELECTOR);
	PUT(HOST_GS_SELECTOR, DATA_SELECTOR);
	PUT(HOST_TR_SELECTOR, TSS_SELECTOR);
	PUT(HOST_GDTR_BASE, read_gdt().base);
	PUT(HOST_IDTR_BASE, read_idt().base);
	PUT(HOST_RIP, (u64)vmx_exit);
}

#define SEGMENT(name, selector, rights, limit)          \
	do {                                            \
		PUT(GUEST_##name##_SELECTOR, selector); \
		PUT(GUEST_##name##_AR_BYTES, rights);   \
		PUT(GUEST_##name##_LIMIT, limit);       \
	} while (0)

static void put_guest(void)
{
	struct table gdt = read_gdt(), idt = read_idt();

	PUT(GUEST_CR0, read_cr0());
	PUT(GUEST_CR3, read_cr3());
	PUT(GUEST_CR4, read_cr4());
	PUT(GUEST_DR7, 0x400);
	SEGMENT(CS, CODE_SELECTOR, RIGHTS_CODE, 0xffffffff);
	SEGMENT(SS, DATA_SELECTOR, RIGHTS_DATA, 0xffffffff);
	SEGMENT(DS, DATA_SELECTOR, RIGHTS_DATA, 0xffffffff);
	SEGMENT(ES, DATA_SELECTOR, RIGHTS_DATA, 0xffffffff);
	SEGMENT(FS, DATA_SELECTOR, RIGHTS_DATA, 0xffffffff);
	SEGMENT(GS, DATA_SELECTOR, RIGHTS_DATA, 0xffffffff);
	SEGMENT(LDTR, 0, RIGHTS_UNUSABLE, 0);
	SEGMENT(TR, TSS_SELECTOR, RIGHTS_TSS, 0x67);
	PUT(GUEST_GDTR_BASE, gdt.base);
	PUT(GUEST_GDTR_LIMIT, gdt.limit);
	PUT(GUEST_IDTR_BASE, idt.base);
	PUT(GUEST_IDTR_LIMIT, idt.limit);
	PUT(GUEST_RIP, (u64)vmx_l2);
	PUT(GUEST_RFLAGS, 2);
	PUT(VMCS_LINK_POINTER, ~0ull);
}

static void vmx_on(void)
{
	u64 region = L1_VMXON;

	if (!(read_msr(MSR_FEATURE_CONTROL) & 1))
		write_msr(MSR_FEATURE_CONTROL, LOCKED_AND_VMXON);
	__asm__ volatile("mov %0, %%cr0" : : "r"(read_cr0() | read_msr(MSR_CR0_FIXED0)));
	__asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() | CR4_VMXE));
	store(region, 0, 4, (u32)read_msr(MSR_VMX_BASIC) & 0x7fffffff);
	__asm__ volatile("vmxon %0" : : "m"(region) : "cc", "memory");
}

static void use_plain(void)
{
	u64 vmcs = L1_VMCS;

	store(vmcs, 0, 4, (u32)read_msr(MSR_VMX_BASIC) & 0x7fffffff);
	__asm__ volatile("vmclear %0" : : "m"(vmcs) : "cc", "memory");
	__asm__ volatile("vmptrld %0" : : "m"(vmcs) : "cc", "memory");
}

static void use_enlightened(void)
{
	write_msr(MSR_HV_GUEST_OS_ID, 1);
	write_msr(MSR_HV_VP_ASSIST_PAGE, L1_ASSIST | 1);
	store(L1_VMCS, AT_REVISION_ID, 4, 1);
	store(L1_ASSIST, ASSIST_CURRENT, 8, L1_VMCS);
	store(L1_ASSIST, ASSIST_ENLIGHTEN, 1, 1);
}

void vmx_begin(int by_evmcs)
{
	enlightened = by_evmcs;
	vmx_on();
	if (enlightened)
		use_enlightened();
	else
		use_plain();
	put_controls();
	put_host();
	put_guest();
}

/* GUEST_RIP is in no clean-field group: from the second round on all of them are clean, every other time. */
u64 vmx_round(u64 number)
{
	u64 reason;

	if (enlightened)
		store(L1_VMCS, AT_CLEAN_FIELDS, 4, number & 1 ? ALL_CLEAN : 0);
	stop_in_l1();
	if (vmx_enter(number > 0))
		return 0x10000 | GET(VM_INSTRUCTION_ERROR);
	reason = GET(VM_EXIT_REASON);
	if (reason != REASON_VMCALL)
		return reason ? reason : ~0ull;
	PUT(GUEST_RIP, GET(GUEST_RIP) + VMCALL_BYTES);
	return 0;
}
