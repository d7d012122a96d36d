/* SPDX-License-Identifier: MIT */
/*
 * A guest that says what Hyper-V's interface is here, a fact a line, "fact NAME: VALUE", and judges nothing: the same program runs on
 * KVM's own interface and on ours under one contract, and tests/lab_facts.sh compares. What is of this run alone, such as a time, is
 * told by what has to be so of it. The command line says how many processors there are, "cpus=2".
 */
#include "bare.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
	LEAF = 0x40000000, PAGE = 4096, FAST = 1 << 16,
	VECTOR_MESSAGE = 0x50, VECTOR_MORE = 0x51, VECTOR_DIRECT = 0x52, VECTOR_IPI = 0x53, VECTOR_AUTO = 0x54,
	SINT = 2, SLOT = 256, PENDING = 1 << 8,
	ENABLED = 1, PERIODIC = 2, AUTO_ENABLE = 8, DIRECT = 1 << 12,
	SINT_MASKED = 1 << 16, SINT_AUTO_EOI = 1 << 17,
	APIC_ISR = 0x100,
	MS = 10000, /* in 100 ns */
};
#define REP(count)   ((uint64_t)(count) << 32)
#define START(first) ((uint64_t)(first) << 48)
#define VAR(words)   ((uint64_t)(words) << 17)
#define BEYOND       0x100000000000ull /* no RAM is there */

static uint8_t hypercall_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t message_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t event_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t tsc_page[PAGE] __attribute__((aligned(4096)));
static volatile uint8_t assist_page[PAGE] __attribute__((aligned(4096)));
static uint64_t input[2 * PAGE / 8] __attribute__((aligned(4096)));
static uint64_t output[PAGE / 8] __attribute__((aligned(4096)));
static volatile uint32_t came[256]; /* interrupts of each vector, on all processors */
static volatile uint32_t faulted;   /* the vector of the last fault; 0: none */
static volatile bool leave_in_service;

/* ---- what is said ---- */

static void name_of(const char *group, const char *name)
{
	say("fact ");
	say(group);
	if (*name) {
		say(" ");
		say(name);
	}
	say(": ");
}

static void tell_fault(void)
{
	say(faulted == 6 ? "#UD" : faulted == 13 ? "#GP" : "a fault");
}

static void tell(const char *group, const char *name, uint64_t value)
{
	name_of(group, name);
	if (faulted)
		tell_fault();
	else
		say_number(value);
	say("\n");
	faulted = 0;
}

static void tell_text(const char *group, const char *name, const char *text)
{
	name_of(group, name);
	say(text);
	say("\n");
}

static void tell_whether(const char *group, const char *name, bool is)
{
	tell_text(group, name, is ? "yes" : "no");
}

/* ---- what may fault ---- */

/*
 * A refused RDMSR or WRMSR of two bytes is passed over; a fault inside the hypercall page returns from there.
 */
void guest_interrupt(struct guest_frame *frame)
{
	uint64_t page = frame->rip & ~(uint64_t)(PAGE - 1);

	if (frame->vector == 6 || frame->vector == 13) {
		faulted = (uint32_t)frame->vector;
		if (page == (uint64_t)hypercall_page) {
			frame->rip = *(const uint64_t *)frame->rsp;
			frame->rsp += 8;
		} else {
			frame->rip += 2;
		}
		return;
	}
	if (frame->vector < 32) {
		tell("end by the exception", "", frame->vector);
		finish();
	}
	__atomic_fetch_add(&came[frame->vector], 1, __ATOMIC_SEQ_CST);
	if (!leave_in_service)
		mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

static uint64_t hypercall(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t result;

	faulted = 0;
	__asm__ volatile("call *%[page]" : "=a"(result), "+c"(control), "+d"(in), "+r"(r8) : [page] "r"(hypercall_page)
			 : "r9", "r10", "r11", "cc", "memory");
	return result;
}

/* ---- CPUID ---- */

static void tell_leaves(void)
{
	static const char *const names[] = {
		"0x40000000 EAX", "0x40000000 EBX", "0x40000000 ECX", "0x40000000 EDX", "0x40000001 EAX", "0x40000001 EBX", "0x40000001 ECX",
		"0x40000001 EDX", "0x40000002 EAX", "0x40000002 EBX", "0x40000002 ECX", "0x40000002 EDX", "0x40000003 EAX", "0x40000003 EBX",
		"0x40000003 ECX", "0x40000003 EDX", "0x40000004 EAX", "0x40000004 EBX", "0x40000004 ECX", "0x40000004 EDX", "0x40000005 EAX",
		"0x40000005 EBX", "0x40000005 ECX", "0x40000005 EDX", "0x40000006 EAX", "0x40000006 EBX", "0x40000006 ECX", "0x40000006 EDX",
		"0x4000000a EAX", "0x4000000a EBX", "0x4000000a ECX", "0x4000000a EDX",
	};

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		uint32_t regs[4], leaf = LEAF + i / 4;

		cpuid(leaf == LEAF + 7 ? LEAF + 10 : leaf, 0, regs);
		tell("CPUID", names[i], regs[i % 4]);
	}
}

/* ---- MSRs ---- */

static const struct {
	const char *name;
	uint32_t msr;
} msrs[] = {
#define GABI_HV_MSR_ROW(number, name, access, need, per, source) { #name, number },
#include <gabi/hv_msr.def>
};

static bool counts(uint32_t msr)
{
	return msr == GABI_HV_MSR_TIME_REF_COUNT || msr == GABI_HV_MSR_VP_RUNTIME || msr == GABI_HV_MSR_TSC_FREQUENCY;
}

static void tell_first_values(void)
{
	for (unsigned i = 0; i < COUNT_OF(msrs); i++) {
		uint64_t value = rdmsr(msrs[i].msr);

		if (counts(msrs[i].msr) && !faulted)
			tell_text("RDMSR at first", msrs[i].name, value ? "not 0" : "0");
		else
			tell("RDMSR at first", msrs[i].name, value);
	}
}

#define HERE(page) ((uint64_t)(page))

/* What is written, and what can then be read. Both are told. */
static void tell_write(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t kept;

	wrmsr(msr, value);
	tell("WRMSR", name, 0);
	kept = rdmsr(msr);
	tell("then RDMSR", name, kept);
}

static void tell_writes(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
		uint64_t value;
	} rows[] = {
		{ "HYPERCALL without an identity", GABI_HV_MSR_HYPERCALL, 0x201001 },
		{ "GUEST_OS_ID", GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001 },
		{ "HYPERCALL where there is no RAM", GABI_HV_MSR_HYPERCALL, BEYOND | 1 },
		{ "HYPERCALL off, with reserved bits", GABI_HV_MSR_HYPERCALL, 0x201ff4 },
		{ "VP_INDEX", GABI_HV_MSR_VP_INDEX, 0 },
		{ "RESET with 0", GABI_HV_MSR_RESET, 0 },
		{ "VP_RUNTIME", GABI_HV_MSR_VP_RUNTIME, 0 },
		{ "TSC_FREQUENCY", GABI_HV_MSR_TSC_FREQUENCY, 0 },
		{ "APIC_FREQUENCY", GABI_HV_MSR_APIC_FREQUENCY, 0 },
		{ "REFERENCE_TSC off, with reserved bits", GABI_HV_MSR_REFERENCE_TSC, 0x201ffe },
		{ "REFERENCE_TSC with 0", GABI_HV_MSR_REFERENCE_TSC, 0 },
		{ "VP_ASSIST_PAGE off, with reserved bits", GABI_HV_MSR_VP_ASSIST_PAGE, 0x201ffe },
		{ "VP_ASSIST_PAGE with 0", GABI_HV_MSR_VP_ASSIST_PAGE, 0 },
		{ "SCONTROL with all bits", GABI_HV_MSR_SCONTROL, UINT64_MAX },
		{ "SCONTROL with 0", GABI_HV_MSR_SCONTROL, 0 },
		{ "SCONTROL with 1", GABI_HV_MSR_SCONTROL, 1 },
		{ "SVERSION", GABI_HV_MSR_SVERSION, 1 },
		{ "SIEFP off, with reserved bits", GABI_HV_MSR_SIEFP, 0x201ffe },
		{ "SIMP off, with reserved bits", GABI_HV_MSR_SIMP, 0x201ffe },
		{ "SIEFP with 0", GABI_HV_MSR_SIEFP, 0 },
		{ "SIMP with 0", GABI_HV_MSR_SIMP, 0 },
		{ "EOM", GABI_HV_MSR_EOM, 0 },
		{ "EOM with all bits", GABI_HV_MSR_EOM, UINT64_MAX },
		{ "SINT3 vector 0x0f", GABI_HV_MSR_SINT3, 0x0f },
		{ "SINT3 vector 0x10", GABI_HV_MSR_SINT3, 0x10 },
		{ "SINT3 vector 0xff", GABI_HV_MSR_SINT3, 0xff },
		{ "SINT3 vector 0, masked", GABI_HV_MSR_SINT3, SINT_MASKED },
		{ "SINT3 vector 0x0f, masked", GABI_HV_MSR_SINT3, SINT_MASKED | 0x0f },
		{ "SINT3 vector 0x60, auto-EOI", GABI_HV_MSR_SINT3, SINT_AUTO_EOI | 0x60 },
		{ "SINT3 vector 0x60, polling", GABI_HV_MSR_SINT3, 1 << 18 | 0x60 },
		{ "SINT3 vector 0x60, reserved bits", GABI_HV_MSR_SINT3, 0xfffffffffff8ff60 },
		{ "SINT3 back", GABI_HV_MSR_SINT3, SINT_MASKED },
		{ "STIMER2_CONFIG off, all other bits", GABI_HV_MSR_STIMER2_CONFIG, 0xffffffffffffeffe },
		{ "STIMER2_CONFIG on, no count, SINT 3", GABI_HV_MSR_STIMER2_CONFIG, 3 << 16 | ENABLED },
		{ "STIMER2_CONFIG on, no count, SINT 0", GABI_HV_MSR_STIMER2_CONFIG, ENABLED },
		{ "STIMER2_CONFIG off", GABI_HV_MSR_STIMER2_CONFIG, 0 },
		{ "STIMER2_CONFIG on at first, SINT 0", GABI_HV_MSR_STIMER2_CONFIG, ENABLED },
		{ "STIMER2_CONFIG direct, off", GABI_HV_MSR_STIMER2_CONFIG, DIRECT | 0x60 << 4 },
		{ "STIMER2_COUNT", GABI_HV_MSR_STIMER2_COUNT, 0x123456789abcdef },
		{ "STIMER2_CONFIG on, far away, SINT 3", GABI_HV_MSR_STIMER2_CONFIG, 3 << 16 | ENABLED },
		{ "STIMER2_COUNT with 0", GABI_HV_MSR_STIMER2_COUNT, 0 },
		{ "CRASH_P0", GABI_HV_MSR_CRASH_P0, 0x1122334455667788 },
		{ "CRASH_P4", GABI_HV_MSR_CRASH_P4, UINT64_MAX },
		{ "CRASH_CTL without a bit", GABI_HV_MSR_CRASH_CTL, 0 },
		{ "TIME_REF_COUNT", GABI_HV_MSR_TIME_REF_COUNT, 0 },
	};

	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		if (!counts(rows[i].msr)) {
			tell_write(rows[i].name, rows[i].msr, rows[i].value);
			continue;
		}
		wrmsr(rows[i].msr, rows[i].value);
		tell("WRMSR", rows[i].name, 0);
	}
	wrmsr(GABI_HV_MSR_STIMER2_CONFIG, 0);
	tell("after STIMER2_COUNT with 0", "STIMER2_CONFIG", rdmsr(GABI_HV_MSR_STIMER2_CONFIG));
}

/* ---- hypercalls ---- */

static void take_hypercall_page(void)
{
	hypercall_page[PAGE - 1] = 0x5a;
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, HERE(hypercall_page) | 1);
	tell_whether("hypercall page", "holds code", hypercall_page[0] != 0);
	tell_whether("hypercall page", "hides all of the RAM", hypercall_page[PAGE - 1] != 0x5a);
}

/* A call's input in memory, or in RDX and R8 where it is fast; where moved, the input lies that many bytes further. */
struct call_row {
	const char *name;
	uint64_t control;
	uint64_t in[6];
	uint64_t moved;
};

static const struct call_row call_rows[] = {
	{ "unknown code", 0x7777, { 0 }, 0 },
	{ "unknown code, fast", 0x7777 | FAST, { 0 }, 0 },
	{ "code 0", 0, { 0 }, 0 },
	{ "unknown code, reserved bits", 0x7777 | 1ull << 63, { 0 }, 0 },
	{ "NotifyLongSpinWait", GABI_HV_CALL_NotifyLongSpinWait | FAST, { 1 }, 0 },
	{ "NotifyLongSpinWait in memory", GABI_HV_CALL_NotifyLongSpinWait, { 1 }, 0 },
	{ "NotifyLongSpinWait, reserved bit 63", GABI_HV_CALL_NotifyLongSpinWait | FAST | 1ull << 63, { 1 }, 0 },
	{ "NotifyLongSpinWait, reserved bit 44", GABI_HV_CALL_NotifyLongSpinWait | FAST | 1ull << 44, { 1 }, 0 },
	{ "NotifyLongSpinWait, reserved bit 27", GABI_HV_CALL_NotifyLongSpinWait | FAST | 1ull << 27, { 1 }, 0 },
	{ "NotifyLongSpinWait, nested", GABI_HV_CALL_NotifyLongSpinWait | FAST | 1ull << 31, { 1 }, 0 },
	{ "NotifyLongSpinWait, with a count", GABI_HV_CALL_NotifyLongSpinWait | FAST | REP(1), { 1 }, 0 },
	{ "NotifyLongSpinWait, with a start", GABI_HV_CALL_NotifyLongSpinWait | FAST | START(1), { 1 }, 0 },
	{ "NotifyLongSpinWait, with a variable header", GABI_HV_CALL_NotifyLongSpinWait | FAST | VAR(1), { 1 }, 0 },
	{ "FlushVirtualAddressSpace", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 0, 1 }, 0 },
	{ "FlushVirtualAddressSpace, all processors", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 3 }, 0 },
	{ "FlushVirtualAddressSpace, no processor", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 2, 0 }, 0 },
	{ "FlushVirtualAddressSpace, processors that there are not", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 2, ~3ull }, 0 },
	{ "FlushVirtualAddressSpace, reserved flags", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, ~7ull, 1 }, 0 },
	{ "FlushVirtualAddressSpace, with a count", GABI_HV_CALL_FlushVirtualAddressSpace | REP(1), { 0, 2, 1 }, 0 },
	{ "FlushVirtualAddressSpace, with a variable header", GABI_HV_CALL_FlushVirtualAddressSpace | VAR(1), { 0, 2, 1 }, 0 },
	{ "FlushVirtualAddressSpace, input off by 1", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 2, 1 }, 1 },
	{ "FlushVirtualAddressSpace, input over the page's end", GABI_HV_CALL_FlushVirtualAddressSpace, { 0, 2, 1 }, PAGE - 16 },
	{ "FlushVirtualAddressSpace, input where there is no RAM", GABI_HV_CALL_FlushVirtualAddressSpace, { 0 }, BEYOND },
	{ "FlushVirtualAddressSpace, fast", GABI_HV_CALL_FlushVirtualAddressSpace | FAST, { 0, 3 }, 0 },
	{ "FlushVirtualAddressList", GABI_HV_CALL_FlushVirtualAddressList | REP(2), { 0, 2, 1, 0x400000, 0x500000 }, 0 },
	{ "FlushVirtualAddressList, the second alone", GABI_HV_CALL_FlushVirtualAddressList | REP(2) | START(1), { 0, 2, 1, 0x400000, 0x500000 }, 0 },
	{ "FlushVirtualAddressList, start is count", GABI_HV_CALL_FlushVirtualAddressList | REP(1) | START(1), { 0, 2, 1, 0x400000 }, 0 },
	{ "FlushVirtualAddressList, without a count", GABI_HV_CALL_FlushVirtualAddressList, { 0, 2, 1, 0x400000 }, 0 },
	{ "FlushVirtualAddressList, 509", GABI_HV_CALL_FlushVirtualAddressList | REP(509), { 0, 2, 1, 0x400000 }, 0 },
	{ "FlushVirtualAddressList, 510: past the page", GABI_HV_CALL_FlushVirtualAddressList | REP(510), { 0, 2, 1, 0x400000 }, 0 },
	{ "FlushVirtualAddressSpaceEx, all", GABI_HV_CALL_FlushVirtualAddressSpaceEx, { 0, 2, 1, 0 }, 0 },
	{ "FlushVirtualAddressSpaceEx, bank 0", GABI_HV_CALL_FlushVirtualAddressSpaceEx | VAR(1), { 0, 2, 0, 1, 3 }, 0 },
	{ "FlushVirtualAddressSpaceEx, no bank", GABI_HV_CALL_FlushVirtualAddressSpaceEx, { 0, 2, 0, 0 }, 0 },
	{ "FlushVirtualAddressSpaceEx, a bank without words", GABI_HV_CALL_FlushVirtualAddressSpaceEx, { 0, 2, 0, 1 }, 0 },
	{ "FlushVirtualAddressSpaceEx, more words than banks", GABI_HV_CALL_FlushVirtualAddressSpaceEx | VAR(2), { 0, 2, 0, 1, 3, 3 }, 0 },
	{ "FlushVirtualAddressSpaceEx, unknown format", GABI_HV_CALL_FlushVirtualAddressSpaceEx, { 0, 2, 7, 0 }, 0 },
	{ "FlushVirtualAddressListEx", GABI_HV_CALL_FlushVirtualAddressListEx | VAR(1) | REP(1), { 0, 2, 0, 1, 3, 0x400000 }, 0 },
	{ "SendSyntheticClusterIpi, vector 0x0f", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, { 0x0f, 1 }, 0 },
	{ "SendSyntheticClusterIpi, vector 0x100", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, { 0x100, 1 }, 0 },
	{ "SendSyntheticClusterIpi, VTL 1", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, { VECTOR_IPI | 0x11ull << 32, 1 }, 0 },
	{ "SendSyntheticClusterIpi, reserved bits", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, { VECTOR_IPI | 1ull << 40, 1 }, 0 },
	{ "SendSyntheticClusterIpi to none", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, { VECTOR_IPI, 0 }, 0 },
	{ "SendSyntheticClusterIpi, with a count", GABI_HV_CALL_SendSyntheticClusterIpi | FAST | REP(1), { VECTOR_IPI, 1 }, 0 },
	{ "SendSyntheticClusterIpiEx, vector 0x0f", GABI_HV_CALL_SendSyntheticClusterIpiEx | VAR(1), { 0x0f, 0, 1, 1 }, 0 },
	{ "SendSyntheticClusterIpiEx, a bank without words", GABI_HV_CALL_SendSyntheticClusterIpiEx, { VECTOR_IPI, 0, 1 }, 0 },
	{ "SendSyntheticClusterIpiEx, unknown format", GABI_HV_CALL_SendSyntheticClusterIpiEx | VAR(1), { VECTOR_IPI, 7, 1, 1 }, 0 },
	{ "PostMessage to no connection", GABI_HV_CALL_PostMessage, { 0, 1ull | 8ull << 32, 0 }, 0 },
	{ "PostMessage, fast", GABI_HV_CALL_PostMessage | FAST, { 0, 1ull | 8ull << 32 }, 0 },
	{ "PostMessage, with a count", GABI_HV_CALL_PostMessage | REP(1), { 0, 1ull | 8ull << 32, 0 }, 0 },
	{ "SignalEvent to no connection, fast", GABI_HV_CALL_SignalEvent | FAST, { 0x1234 }, 0 },
	{ "SignalEvent to no connection", GABI_HV_CALL_SignalEvent, { 0x1234 }, 0 },
	{ "SignalEvent, reserved bits of the connection", GABI_HV_CALL_SignalEvent | FAST, { 0xff001234 }, 0 },
	{ "SignalEvent, input off by 1", GABI_HV_CALL_SignalEvent, { 0x1234 }, 1 },
	{ "SignalEvent, with a count", GABI_HV_CALL_SignalEvent | FAST | REP(1), { 0x1234 }, 0 },
	{ "GetPartitionId", GABI_HV_CALL_GetPartitionId, { 0 }, 0 },
	{ "GetVpRegisters", GABI_HV_CALL_GetVpRegisters | REP(1), { UINT64_MAX, 0xfffffffe, 0x20000 }, 0 },
	{ "EnablePartitionVtl", GABI_HV_CALL_EnablePartitionVtl, { UINT64_MAX, 1 }, 0 },
	{ "StartVirtualProcessor", GABI_HV_CALL_StartVirtualProcessor, { UINT64_MAX, 1 }, 0 },
	{ "PostDebugData", GABI_HV_CALL_PostDebugData, { 0 }, 0 },
	{ "QueryExtendedCapabilities", GABI_HV_CALL_QueryExtendedCapabilities, { 0 }, 0 },
	{ "extended call that there is not", 0x8002, { 0 }, 0 },
};

static void tell_calls(void)
{
	for (unsigned i = 0; i < COUNT_OF(call_rows); i++) {
		const struct call_row *row = &call_rows[i];
		uint8_t *at = (uint8_t *)input + (row->moved < PAGE ? row->moved : 0);
		bool fast = row->control & FAST;
		uint64_t result;

		for (unsigned byte = 0; byte < sizeof(row->in); byte++)
			at[byte] = ((const uint8_t *)row->in)[byte];
		result = hypercall(row->control, fast ? row->in[0] : HERE(input) + row->moved, fast ? row->in[1] : HERE(output));
		tell("call", row->name, result);
	}
}

static void tell_silence(void)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0);
	tell("no identity any more", "HYPERCALL is off", rdmsr(GABI_HV_MSR_HYPERCALL) & 1);
	tell_whether("no identity any more", "the RAM is there again", hypercall_page[PAGE - 1] == 0x5a && !hypercall_page[0]);
}

/* ---- the synthetic interrupt controller, by its timers ---- */

static volatile uint32_t *slot_of(unsigned sint)
{
	return (volatile uint32_t *)(message_page + sint * SLOT);
}

static uint64_t now(void)
{
	return rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
}

static void pass(uint64_t time_100ns)
{
	uint64_t end = now() + time_100ns;

	while (now() < end)
		pause();
}

/* Do so many interrupts come, within the 100 ms that are more than enough for any here? */
static bool comes(unsigned vector, uint32_t count)
{
	uint64_t end = now() + 100 * MS;

	while (came[vector] < count && now() < end)
		pause();
	return came[vector] >= count;
}

static void empty(unsigned sint)
{
	slot_of(sint)[0] = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
}

static void one_shot(uint32_t config, uint64_t when)
{
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, AUTO_ENABLE | config);
	wrmsr(GABI_HV_MSR_STIMER0_COUNT, when);
}

static void tell_message(void)
{
	volatile uint32_t *slot = slot_of(SINT);
	uint64_t due;

	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	message_page[PAGE - 1] = 0x5a;
	wrmsr(GABI_HV_MSR_SIMP, HERE(message_page) | 1);
	tell_whether("message page", "hides the RAM", message_page[PAGE - 1] != 0x5a);
	wrmsr(GABI_HV_MSR_SINT0 + SINT, VECTOR_MESSAGE);
	due = now() + 2 * MS;
	one_shot(SINT << 16, due);
	tell_whether("one shot", "comes", comes(VECTOR_MESSAGE, 1));
	tell_whether("one shot", "comes when it is due", now() >= due);
	tell("one shot", "the message's type", slot[0]);
	tell("one shot", "the message's length", slot[1] & 0xff);
	tell("one shot", "the message's flags", slot[1] >> 8);
	tell("one shot", "the message's origin", *(volatile uint64_t *)(slot + 2));
	tell("one shot", "the timer's number", slot[4]);
	tell_whether("one shot", "expired when it was due", *(volatile uint64_t *)(slot + 6) == due);
	tell_whether("one shot", "delivered later", *(volatile uint64_t *)(slot + 8) >= due);
	tell("one shot", "CONFIG afterwards", rdmsr(GABI_HV_MSR_STIMER0_CONFIG));
	tell_whether("one shot", "COUNT is kept", rdmsr(GABI_HV_MSR_STIMER0_COUNT) == due);
	empty(SINT);
}

static void tell_past(void)
{
	uint32_t before = came[VECTOR_MESSAGE];

	one_shot(SINT << 16, 1);
	tell_whether("one shot in the past", "comes at once", comes(VECTOR_MESSAGE, before + 1));
	empty(SINT);
}

static void tell_busy(void)
{
	volatile uint32_t *slot = slot_of(SINT);
	uint32_t before = came[VECTOR_MESSAGE];

	slot[0] = 0x1234;
	slot[1] = 0;
	one_shot(SINT << 16, now() + MS);
	for (unsigned i = 0; i < 2000 && !(slot[1] & PENDING); i++)
		pass(MS / 10);
	tell_whether("busy slot", "something waits", slot[1] & PENDING);
	tell_whether("busy slot", "is left alone", slot[0] == 0x1234);
	tell("busy slot", "interrupts", came[VECTOR_MESSAGE] - before);
	empty(SINT);
	tell_whether("busy slot", "after EOM it comes", comes(VECTOR_MESSAGE, before + 1));
	tell("busy slot", "the message's type", slot[0]);
	tell("busy slot", "nothing waits any more", slot[1] >> 8);
	empty(SINT);
}

/* Two timers for one slot: the second waits until the first message is taken. */
static void tell_two(void)
{
	volatile uint32_t *slot = slot_of(SINT);
	uint32_t before = came[VECTOR_MESSAGE], first;

	one_shot(SINT << 16, now() + MS);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, AUTO_ENABLE | SINT << 16);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, now() + 4 * MS);
	for (unsigned i = 0; i < 2000 && !(slot[1] & PENDING); i++)
		pass(MS / 10);
	tell("two timers, one slot", "interrupts before it is emptied", came[VECTOR_MESSAGE] - before);
	first = slot[4];
	tell("two timers, one slot", "the first", first);
	empty(SINT);
	tell_whether("two timers, one slot", "the second comes", comes(VECTOR_MESSAGE, before + 2));
	tell("two timers, one slot", "the second", slot[4]);
	empty(SINT);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 0);
}

/* Does a message come where it should not, and does it once the way is free? */
static void tell_no_way(const char *what, uint32_t msr, uint64_t closed, uint64_t open)
{
	volatile uint32_t *slot = slot_of(SINT);
	uint32_t before = came[VECTOR_MESSAGE];

	wrmsr(msr, closed);
	one_shot(SINT << 16, now() + MS);
	pass(4 * MS);
	tell(what, "interrupts", came[VECTOR_MESSAGE] - before);
	tell_whether(what, "a message is there", slot[0] != 0);
	tell(what, "CONFIG", rdmsr(GABI_HV_MSR_STIMER0_CONFIG));
	wrmsr(msr, open);
	wrmsr(GABI_HV_MSR_EOM, 0);
	pass(4 * MS);
	tell(what, "interrupts after it is opened, and EOM", came[VECTOR_MESSAGE] - before);
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, 0);
	empty(SINT);
	pass(MS);
	empty(SINT);
}

static void tell_auto_eoi(void)
{
	volatile uint32_t *apic = mmio(APIC_GPA);
	uint32_t before = came[VECTOR_AUTO];
	unsigned bit = VECTOR_AUTO % 32, word = (APIC_ISR + VECTOR_AUTO / 32 * 16) / 4;

	wrmsr(GABI_HV_MSR_SINT0 + SINT, VECTOR_AUTO | SINT_AUTO_EOI);
	leave_in_service = true;
	one_shot(SINT << 16, now() + MS);
	tell_whether("auto-EOI", "comes", comes(VECTOR_AUTO, before + 1));
	tell_whether("auto-EOI", "is in service afterwards", apic[word] >> bit & 1);
	empty(SINT);
	one_shot(SINT << 16, now() + MS);
	tell_whether("auto-EOI", "comes again without EOI", comes(VECTOR_AUTO, before + 2));
	leave_in_service = false;
	empty(SINT);
	wrmsr(GABI_HV_MSR_SINT0 + SINT, VECTOR_AUTO);
	leave_in_service = true;
	one_shot(SINT << 16, now() + MS);
	tell_whether("no auto-EOI any more", "comes", comes(VECTOR_AUTO, before + 3));
	tell_whether("no auto-EOI any more", "is in service afterwards", apic[word] >> bit & 1);
	leave_in_service = false;
	apic[APIC_EOI / 4] = 0;
	empty(SINT);
	wrmsr(GABI_HV_MSR_SINT0 + SINT, VECTOR_MESSAGE);
}

/* ---- kinds of timers ---- */

static void tell_periodic(void)
{
	volatile uint32_t *slot = slot_of(SINT);
	uint32_t before = came[VECTOR_MESSAGE];
	uint64_t start = now(), first, second;

	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, PERIODIC | ENABLED | SINT << 16);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, 20 * MS);
	tell_whether("periodic", "comes", comes(VECTOR_MESSAGE, before + 1));
	first = *(volatile uint64_t *)(slot + 6);
	empty(SINT);
	tell_whether("periodic", "not before its period", first >= start + 20 * MS);
	tell_whether("periodic", "comes again", comes(VECTOR_MESSAGE, before + 2));
	second = *(volatile uint64_t *)(slot + 6);
	tell_whether("periodic", "whole periods later", second > first && (second - first) % (20 * MS) == 0);
	tell("periodic", "CONFIG stays", rdmsr(GABI_HV_MSR_STIMER1_CONFIG));
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, 0);
	tell("periodic", "CONFIG after a count of 0", rdmsr(GABI_HV_MSR_STIMER1_CONFIG));
	empty(SINT);
	before = came[VECTOR_MESSAGE];
	pass(45 * MS);
	tell("periodic", "interrupts after it was switched off", came[VECTOR_MESSAGE] - before);
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 0);
	empty(SINT);
}

static void tell_direct(void)
{
	uint32_t before = came[VECTOR_DIRECT];

	one_shot(DIRECT | VECTOR_DIRECT << 4, now() + MS);
	tell_whether("direct", "comes", comes(VECTOR_DIRECT, before + 1));
	tell_whether("direct", "there is no message", !slot_of(0)[0] && !slot_of(SINT)[0]);
	tell("direct", "CONFIG afterwards", rdmsr(GABI_HV_MSR_STIMER0_CONFIG));
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, DIRECT | PERIODIC | AUTO_ENABLE | VECTOR_DIRECT << 4);
	wrmsr(GABI_HV_MSR_STIMER1_COUNT, 2 * MS);
	tell_whether("direct and periodic", "comes again and again", comes(VECTOR_DIRECT, before + 5));
	wrmsr(GABI_HV_MSR_STIMER1_CONFIG, 0);
	pass(MS);
	before = came[VECTOR_DIRECT];
	pass(8 * MS);
	tell("direct and periodic", "interrupts after it was switched off", came[VECTOR_DIRECT] - before);
	wrmsr(GABI_HV_MSR_SCONTROL, 0);
	one_shot(DIRECT | VECTOR_DIRECT << 4, now() + MS);
	tell_whether("direct, SynIC off", "comes", comes(VECTOR_DIRECT, before + 1));
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_STIMER0_CONFIG, 0);
}

/* ---- time ---- */

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* The TLFS's formula for the page. */
static uint64_t page_time(void)
{
	uint64_t scale = *(volatile uint64_t *)(tsc_page + 8), high, ticks = rdtsc();

	__asm__("mulq %2" : "+a"(ticks), "=d"(high) : "r"(scale) : "cc");
	return high + *(volatile uint64_t *)(tsc_page + 16);
}

static void tell_time(void)
{
	uint64_t start, tsc, hz = rdmsr(GABI_HV_MSR_TSC_FREQUENCY), ticks;
	bool ordered = true, valid;

	tsc_page[PAGE - 1] = 0x5a;
	wrmsr(GABI_HV_MSR_REFERENCE_TSC, HERE(tsc_page) | 1);
	tell_whether("reference TSC", "is kept", rdmsr(GABI_HV_MSR_REFERENCE_TSC) == (HERE(tsc_page) | 1));
	valid = *(volatile uint32_t *)tsc_page != 0;
	tell_whether("reference TSC", "is valid", valid);
	tell_whether("reference TSC", "hides all of the RAM", tsc_page[PAGE - 1] != 0x5a);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t before = now(), between = page_time(), after = now();

		ordered = ordered && before <= between + 1 && between <= after + 1;
	}
	tell_whether("reference TSC", "runs with the reference counter", valid && ordered);
	start = now();
	tsc = rdtsc();
	pass(20 * MS);
	ticks = rdtsc() - tsc;
	start = now() - start;
	tell_whether("TSC_FREQUENCY", "is that of the TSC", ticks > hz / 10000000 * start / 2 && ticks < hz / 10000000 * start * 2);
	wrmsr(GABI_HV_MSR_REFERENCE_TSC, 0);
	tell_whether("reference TSC", "switched off, the RAM is there again", tsc_page[PAGE - 1] == 0x5a && !*(volatile uint32_t *)tsc_page);
}

/* ---- another processor ---- */

#define WINDOW 0x40000000ull /* mapped by the first processor, above all RAM that this guest has */

static volatile uint32_t others, round, answer, reader_ends, index_of_other = ~0u;
static uint64_t window_table[512] __attribute__((aligned(4096)));
static uint8_t first_page[PAGE] __attribute__((aligned(4096)));
static uint8_t second_page[PAGE] __attribute__((aligned(4096)));

/*
 * Reads through the mapping all the time, and answers with what it saw first in each round. A round begins when a flush has come back:
 * a processor that still has the old entry shows it.
 */
void guest_other(uint32_t number)
{
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	if (number == 1)
		index_of_other = (uint32_t)rdmsr(GABI_HV_MSR_VP_INDEX);
	__atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
	for (uint32_t last = 0; number == 1 && !reader_ends;) {
		uint32_t current = round, seen = *(volatile uint8_t *)WINDOW;

		if (current != last)
			answer = current << 8 | seen;
		last = current;
	}
	for (;;)
		__asm__ volatile("hlt");
}

static uint64_t cr3(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value & ~(uint64_t)(PAGE - 1);
}

static void open_window(void)
{
	uint64_t *table = (uint64_t *)cr3();

	first_page[0] = 0x11;
	second_page[0] = 0x22;
	window_table[0] = HERE(first_page) | 3;
	for (unsigned shift = 39; shift > 21; shift -= 9)
		table = (uint64_t *)(table[WINDOW >> shift & 511] & ~(uint64_t)(PAGE - 1));
	table[WINDOW >> 21 & 511] = HERE(window_table) | 3;
}

/* Shows the other page through the window, and asks for a flush of processor 1. */
static void tell_flush(const char *name, uint64_t control, const uint64_t in[6])
{
	uint32_t next = round + 1;
	bool first = next % 2;
	uint64_t result;

	for (unsigned i = 0; i < 6; i++)
		input[i] = in[i];
	window_table[0] = (first ? HERE(second_page) : HERE(first_page)) | 3;
	result = hypercall(control, HERE(input), 0);
	round = next;
	while (answer >> 8 != next)
		pause();
	tell("flush", name, result);
	tell_whether(name, "the other processor has no stale entry", answer == (next << 8 | (first ? 0x22 : 0x11)));
}

static void tell_ipi(const char *name, uint64_t control, const uint64_t in[6], uint32_t wanted)
{
	uint32_t before = came[VECTOR_IPI];
	uint64_t result;

	for (unsigned i = 0; i < 6; i++)
		input[i] = in[i];
	result = hypercall(control, control & FAST ? in[0] : HERE(input), in[1]);
	tell("IPI", name, result);
	tell_whether(name, "comes to all that it is for", comes(VECTOR_IPI, before + wanted));
	pass(MS);
	tell(name, "interrupts", came[VECTOR_IPI] - before);
}

static void tell_others(uint32_t cpus)
{
	open_window();
	start_others();
	if (!wait_for(&others, cpus - 1)) {
		tell("others", "that run", others);
		return;
	}
	tell("others", "VP_INDEX", index_of_other);
	tell_flush("FlushVirtualAddressSpace of the other", GABI_HV_CALL_FlushVirtualAddressSpace, (uint64_t[6]){ cr3(), 0, 2 });
	tell_flush("FlushVirtualAddressSpace of all", GABI_HV_CALL_FlushVirtualAddressSpace, (uint64_t[6]){ 0, 3 });
	tell_flush("FlushVirtualAddressList of the other", GABI_HV_CALL_FlushVirtualAddressList | REP(1), (uint64_t[6]){ cr3(), 0, 2, WINDOW });
	tell_flush("FlushVirtualAddressList, with more pages", GABI_HV_CALL_FlushVirtualAddressList | REP(1),
		   (uint64_t[6]){ cr3(), 0, 2, (WINDOW - 3 * PAGE) | 7 });
	tell_flush("FlushVirtualAddressSpaceEx of the other", GABI_HV_CALL_FlushVirtualAddressSpaceEx | VAR(1), (uint64_t[6]){ cr3(), 0, 0, 1, 2 });
	tell_flush("FlushVirtualAddressSpaceEx of all", GABI_HV_CALL_FlushVirtualAddressSpaceEx, (uint64_t[6]){ 0, 2, 1 });
	tell_flush("FlushVirtualAddressListEx of the other", GABI_HV_CALL_FlushVirtualAddressListEx | VAR(1) | REP(1),
		   (uint64_t[6]){ cr3(), 0, 0, 1, 2, WINDOW });
	reader_ends = 1;
	tell_ipi("SendSyntheticClusterIpi to the other", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, (uint64_t[6]){ VECTOR_IPI, 2 }, 1);
	tell_ipi("SendSyntheticClusterIpi to itself", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, (uint64_t[6]){ VECTOR_IPI, 1 }, 1);
	tell_ipi("SendSyntheticClusterIpi in memory", GABI_HV_CALL_SendSyntheticClusterIpi, (uint64_t[6]){ VECTOR_IPI, 3 }, 2);
	tell_ipi("SendSyntheticClusterIpi to none that is there", GABI_HV_CALL_SendSyntheticClusterIpi | FAST, (uint64_t[6]){ VECTOR_IPI, ~3ull }, 0);
	tell_ipi("SendSyntheticClusterIpiEx to the other", GABI_HV_CALL_SendSyntheticClusterIpiEx | VAR(1), (uint64_t[6]){ VECTOR_IPI, 0, 1, 2 }, 1);
	tell_ipi("SendSyntheticClusterIpiEx to all", GABI_HV_CALL_SendSyntheticClusterIpiEx, (uint64_t[6]){ VECTOR_IPI, 1, 0 }, cpus);
}

/* ---- the local APIC by MSRs, and the assist page ---- */

static void tell_apic(void)
{
	volatile uint32_t *apic = mmio(APIC_GPA);
	uint32_t before = came[VECTOR_MORE];

	wrmsr(GABI_HV_MSR_TPR, 0x20);
	tell("APIC MSRs", "TPR is the APIC's", apic[APIC_TPR / 4]);
	wrmsr(GABI_HV_MSR_TPR, 0);
	wrmsr(GABI_HV_MSR_ICR, 0x40000 | VECTOR_MORE); /* to itself */
	tell_whether("APIC MSRs", "ICR sends", comes(VECTOR_MORE, before + 1));
	leave_in_service = true;
	wrmsr(GABI_HV_MSR_ICR, 0x40000 | VECTOR_MORE);
	comes(VECTOR_MORE, before + 2);
	leave_in_service = false;
	tell_whether("APIC MSRs", "in service", apic[(APIC_ISR + VECTOR_MORE / 32 * 16) / 4] >> VECTOR_MORE % 32 & 1);
	wrmsr(GABI_HV_MSR_EOI, 0xffffffff00000000);
	tell_whether("APIC MSRs", "in service after EOI with rubbish in the high half",
		     apic[(APIC_ISR + VECTOR_MORE / 32 * 16) / 4] >> VECTOR_MORE % 32 & 1);
	tell("APIC MSRs", "EOI with rubbish in the high half", 0);
	apic[APIC_EOI / 4] = 0;
	assist_page[PAGE - 1] = 0x5a;
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, HERE(assist_page) | 1);
	tell("VP_ASSIST_PAGE on", "WRMSR", 0);
	tell_whether("VP_ASSIST_PAGE on", "is kept", rdmsr(GABI_HV_MSR_VP_ASSIST_PAGE) == (HERE(assist_page) | 1));
	tell_whether("VP_ASSIST_PAGE on", "hides the RAM", assist_page[PAGE - 1] != 0x5a);
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, 0);
	event_page[PAGE - 1] = 0x5a;
	wrmsr(GABI_HV_MSR_SIEFP, HERE(event_page) | 1);
	tell_whether("SIEFP on", "hides the RAM", event_page[PAGE - 1] != 0x5a);
	wrmsr(GABI_HV_MSR_SIEFP, 0);
}

/* ---- all ---- */

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];

	(void)magic;
	set_up_interrupts();
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	tell_leaves();
	tell_first_values();
	tell_writes();
	take_hypercall_page();
	tell_calls();
	tell_message();
	tell_past();
	tell_busy();
	tell_two();
	tell_no_way("SynIC off", GABI_HV_MSR_SCONTROL, 0, 1);
	tell_no_way("no message page", GABI_HV_MSR_SIMP, 0, HERE(message_page) | 1);
	tell_no_way("SINT masked", GABI_HV_MSR_SINT0 + SINT, SINT_MASKED | VECTOR_MESSAGE, VECTOR_MESSAGE);
	tell_auto_eoi();
	tell_periodic();
	tell_direct();
	tell_time();
	tell_apic();
	if (number_of(line, "cpus") > 1)
		tell_others((uint32_t)number_of(line, "cpus"));
	tell_silence();
	check("the guest came to its end", 1, 1);
	finish();
}
