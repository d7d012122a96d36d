/* SPDX-License-Identifier: MIT */
/* What the levels of a processor share, and what each has for itself; and registers by hypercall. */
#include "vsm.h"

enum { SHARED, PRIVATE, BY_DR6 };

#define CONTROL(name, get, set) \
	static uint64_t get_##name(void) \
	{ \
		uint64_t value = 0; \
		__asm__ volatile(get : "=r"(value) : : "memory"); \
		return value; \
	} \
	static void set_##name(uint64_t value) \
	{ \
		__asm__ volatile(set : : "r"(value) : "memory", "cc"); \
	}

CONTROL(cr0, "mov %%cr0, %0", "mov %0, %%cr0")
CONTROL(cr2, "mov %%cr2, %0", "mov %0, %%cr2")
CONTROL(cr3, "mov %%cr3, %0", "mov %0, %%cr3")
CONTROL(cr4, "mov %%cr4, %0", "mov %0, %%cr4")
CONTROL(cr8, "mov %%cr8, %0", "mov %0, %%cr8")
CONTROL(dr0, "mov %%dr0, %0", "mov %0, %%dr0")
CONTROL(dr1, "mov %%dr1, %0", "mov %0, %%dr1")
CONTROL(dr2, "mov %%dr2, %0", "mov %0, %%dr2")
CONTROL(dr3, "mov %%dr3, %0", "mov %0, %%dr3")
CONTROL(dr6, "mov %%dr6, %0", "mov %0, %%dr6")
CONTROL(dr7, "mov %%dr7, %0", "mov %0, %%dr7")
CONTROL(rflags, "pushfq\n\tpop %0", "push %0\n\tpopfq")
CONTROL(fs, "mov %%fs, %0", "mov %0, %%fs")
CONTROL(xmm0, "movq %%xmm0, %0", "movq %0, %%xmm0")
CONTROL(xmm15, "movq %%xmm15, %0", "movq %0, %%xmm15")

static uint64_t get_xmm7_high(void)
{
	uint64_t value[2];

	__asm__ volatile("movdqu %%xmm7, %0" : "=m"(value));
	return value[1];
}

static void set_xmm7_high(uint64_t high)
{
	const uint64_t value[2] = { 0, high };

	__asm__ volatile("movdqu %0, %%xmm7" : : "m"(value));
}

static uint64_t get_mxcsr(void)
{
	uint32_t value;

	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void set_mxcsr(uint64_t wide)
{
	uint32_t value = (uint32_t)wide;

	__asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static uint64_t get_fpu_control(void)
{
	uint16_t value;

	__asm__ volatile("fnstcw %0" : "=m"(value));
	return value;
}

static void set_fpu_control(uint64_t wide)
{
	uint16_t value = (uint16_t)wide;

	__asm__ volatile("fldcw %0" : : "m"(value));
}

struct table_pointer {
	uint16_t pad[3], limit;
	uint64_t base;
};

static uint64_t get_idt_limit(void)
{
	struct table_pointer table;

	__asm__ volatile("sidt %0" : "=m"(table.limit));
	return table.limit;
}

static void set_idt_limit(uint64_t limit)
{
	struct table_pointer table;

	__asm__ volatile("sidt %0" : "=m"(table.limit));
	table.limit = (uint16_t)limit;
	__asm__ volatile("lidt %0" : : "m"(table.limit));
}

static uint64_t get_gdt_limit(void)
{
	struct table_pointer table;

	__asm__ volatile("sgdt %0" : "=m"(table.limit));
	return table.limit;
}

static void set_gdt_limit(uint64_t limit)
{
	struct table_pointer table;

	__asm__ volatile("sgdt %0" : "=m"(table.limit));
	table.limit = (uint16_t)limit;
	__asm__ volatile("lgdt %0" : : "m"(table.limit));
}

static uint64_t get_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void set_xcr0(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(0));
}

/* A second top of the page tables, with the same in it. */
static uint64_t second_tables[512] __attribute__((aligned(4096)));

/*
 * low: what VTL 0 sets, high: what VTL 1 does; both within mask, other bits stay as they are. Of an MSR get is NULL.
 */
static const struct row {
	uint32_t msr;
	uint8_t how;
	uint64_t mask, low, high;
	uint64_t (*get)(void);
	void (*set)(uint64_t value);
} rows[] = {
	{ 0, SHARED, ~0ull, 0x1111000, 0x2222000, get_cr2, set_cr2 },
	{ 0, SHARED, ~0ull, 0x1111000, 0x2222000, get_dr0, set_dr0 },
	{ 0, SHARED, ~0ull, 0x1111000, 0x2222000, get_dr1, set_dr1 },
	{ 0, SHARED, ~0ull, 0x1111000, 0x2222000, get_dr2, set_dr2 },
	{ 0, SHARED, ~0ull, 0x1111000, 0x2222000, get_dr3, set_dr3 },
	{ 0, BY_DR6, 1, 1, 0, get_dr6, set_dr6 },
	{ 0, SHARED, ~0ull, 0x1122334455667788, 0x99aabbccddeeff00, get_xmm0, set_xmm0 },
	{ 0, SHARED, ~0ull, 0x1122334455667788, 0x99aabbccddeeff00, get_xmm7_high, set_xmm7_high },
	{ 0, SHARED, ~0ull, 0x1122334455667788, 0x99aabbccddeeff00, get_xmm15, set_xmm15 },
	{ 0, SHARED, 0xffff, 0x1f80, 0x5f80, get_mxcsr, set_mxcsr },
	{ 0, SHARED, 0xfff, 0x37f, 0x27f, get_fpu_control, set_fpu_control },
	{ 0, SHARED, 6, 2, 6, get_xcr0, set_xcr0 },
	{ 0x2ff, SHARED, 0xfff, 0xc06, 0xc00, NULL, NULL },
	{ 0, PRIVATE, 8, 8, 0, get_cr0, set_cr0 },
	{ 0, PRIVATE, ~0ull, 0, 0, get_cr3, set_cr3 },
	{ 0, PRIVATE, 4, 4, 0, get_cr4, set_cr4 },
	{ 0, PRIVATE, 15, 3, 1, get_cr8, set_cr8 },
	{ 0, PRIVATE, 0xffff, 0x400, 0x401, get_dr7, set_dr7 },
	{ 0, PRIVATE, 1 << 21, 1 << 21, 0, get_rflags, set_rflags },
	{ 0, PRIVATE, 0xffff, 0, 16, get_fs, set_fs },
	{ 0, PRIVATE, 0xffff, 0xffe, 0xfff, get_idt_limit, set_idt_limit },
	{ 0, PRIVATE, 0xffff, 0x1f, 0x1e, get_gdt_limit, set_gdt_limit },
	{ 0xc0000080, PRIVATE, 1, 1, 0, NULL, NULL },
	{ 0xc0000081, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0xc0000082, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0xc0000083, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0xc0000084, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0xc0000101, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0xc0000102, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0x174, PRIVATE, ~0ull, 0x12, 0x34, NULL, NULL },
	{ 0x175, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0x176, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ 0x277, PRIVATE, ~0ull, 0x0007040600070406, 0x0007010600070106, NULL, NULL },
	{ 0xc0000103, PRIVATE, ~0ull, 0x12, 0x34, NULL, NULL },
	{ GABI_HV_MSR_GUEST_OS_ID, PRIVATE, ~0ull, 0x8100000000000001, 0x8100000000000002, NULL, NULL },
	{ GABI_HV_MSR_REFERENCE_TSC, PRIVATE, ~0ull, 0x2000, 0x4000, NULL, NULL },
	{ GABI_HV_MSR_SIEFP, PRIVATE, ~0ull, 0x2000, 0x4000, NULL, NULL },
	{ GABI_HV_MSR_SINT5, PRIVATE, ~0ull, 0x10055, 0x10066, NULL, NULL },
	{ GABI_HV_MSR_STIMER3_COUNT, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
	{ GABI_HV_MSR_STIMER3_CONFIG, PRIVATE, ~0ull, 0x50000, 0x60000, NULL, NULL },
	{ 0x17a, SHARED, 7, 1, 2, NULL, NULL },
	{ 0xc0000100, PRIVATE, ~0ull, 0x1234, 0x5678, NULL, NULL },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static uint64_t get_row(uint64_t row)
{
	return rows[row].get ? rows[row].get() : rdmsr(rows[row].msr);
}

static void set_row(uint64_t row, uint64_t value)
{
	uint64_t all = (get_row(row) & ~rows[row].mask) | value;

	if (rows[row].set)
		rows[row].set(all);
	else
		wrmsr(rows[row].msr, all);
}

static uint64_t wanted_of(uint64_t row, uint64_t value)
{
	return rows[row].get == get_cr3 ? (uint64_t)second_tables : value;
}

/* In VTL 1: tells what there is, and sets its own. */
static uint64_t exchange(uint64_t row)
{
	uint64_t before = get_row(row) & rows[row].mask;

	set_row(row, wanted_of(row, rows[row].high));
	return before;
}

static uint64_t look(uint64_t row)
{
	return get_row(row) & rows[row].mask;
}

static uint64_t kept1;

static uint64_t keep(uint64_t row)
{
	kept1 = get_row(row) & rows[row].mask;
	return 0;
}

static uint64_t put_back(uint64_t row)
{
	set_row(row, kept1);
	return 0;
}

static bool is_there(unsigned row)
{
	uint32_t regs[4];

	if (rows[row].get == get_xcr0) {
		cpuid(1, 0, regs);
		if (!(regs[2] >> 26 & 1))
			return false;
		set_cr4(get_cr4() | 1 << 18);
		cpuid(13, 0, regs);
		return (regs[0] & 7) == 7;
	}
	if (rows[row].msr == 0xc0000103) {
		cpuid(0x80000001, 0, regs);
		return regs[3] >> 27 & 1;
	}
	return true;
}

static uint64_t allow_xsave(uint64_t argument)
{
	set_cr4(get_cr4() | 1 << 18);
	return argument;
}

static bool is_shared(unsigned row)
{
	if (rows[row].how != BY_DR6)
		return rows[row].how == SHARED;
	return rdmsr(GABI_HV_MSR_VSM_CAPABILITIES) >> 63;
}

static void tell_values(uint64_t low, uint64_t in1, uint64_t after0, uint64_t after1)
{
	const uint64_t values[] = { low, in1, after0, after1 };

	say("        VTL 0 sets, VTL 1 finds, VTL 0 finds after VTL 1 set its own, and then VTL 1:");
	for (unsigned i = 0; i < 4; i++) {
		say(" ");
		say_number(values[i]);
	}
	say("\n");
}

static const char *judge_state(unsigned row, uint64_t low, uint64_t in1, uint64_t after0, uint64_t after1)
{
	if (is_shared(row))
		return in1 == low && after0 == wanted_of(row, rows[row].high) ? NULL : "it is not shared";
	if (after0 != low)
		return "VTL 0's is another one after VTL 1 set its own";
	return after1 == wanted_of(row, rows[row].high) ? NULL : "VTL 1's is another one after VTL 0 ran";
}

static const char *each_state(unsigned row)
{
	uint64_t before, in1, after0, after1, low = rows[row].low;
	const char *why;

	if (!is_there(row))
		return SKIP("this processor does not have it");
	if (rows[row].get == get_xcr0)
		in_vtl1(allow_xsave, 0);
	for (unsigned i = 0; i < 512; i++)
		second_tables[i] = ((const uint64_t *)(get_cr3() & ~(PAGE - 1)))[i];
	before = get_row(row) & rows[row].mask;
	in_vtl1(keep, row);
	if (rows[row].get != get_cr3)
		set_row(row, low);
	else
		low = before;
	vsm_vp(); /* the hypervisor is asked something, and what is not kept over that has nothing to do with levels */
	if (look(row) != low) {
		set_row(row, before);
		vsm_fault();
		return SKIP("this machine does not keep it, with levels or without");
	}
	in1 = in_vtl1(exchange, row);
	after0 = look(row);
	after1 = in_vtl1(look, row);
	in_vtl1(put_back, row);
	set_row(row, before);
	if (vsm_fault())
		return "the access faults";
	why = judge_state(row, low, in1, after0, after1);
	if (why)
		tell_values(low, in1, after0, after1);
	return why;
}

/* ---- of three levels ---- */

static uint64_t set_low(uint64_t row)
{
	set_row(row, rows[row].low);
	return 0;
}

static uint64_t set_high(uint64_t row)
{
	set_row(row, wanted_of(row, rows[row].high));
	return 0;
}

/* What each level has for itself, 0 to 2. */
static bool are(unsigned row, uint64_t in0, uint64_t in1, uint64_t in2)
{
	return look(row) == in0 && in_vtl1(look, row) == in1 && in_vtl2(look, row) == in2;
}

static uint64_t kept[LEVELS], put_row;

static uint64_t put_kept(uint64_t level)
{
	set_row(put_row, kept[level]);
	return 0;
}

static void keep_all(unsigned row)
{
	put_row = row;
	kept[0] = look(row);
	kept[1] = in_vtl1(look, row);
	kept[2] = in_vtl2(look, row);
}

static void put_all(void)
{
	in_vtl2(put_kept, 2);
	in_vtl1(put_kept, 1);
	put_kept(0);
	vsm_fault();
}

static bool is_kept_here(unsigned row)
{
	set_low(row);
	vsm_vp();
	return look(row) == rows[row].low && !vsm_fault();
}

static bool is_private_to_three(unsigned row)
{
	const uint64_t low = rows[row].low, high = wanted_of(row, rows[row].high);
	bool good;

	if (rows[row].get == get_cr3) {
		in_vtl2(set_high, row);
		return are(row, kept[0], kept[1], high);
	}
	if (!is_kept_here(row))
		return true;
	in_vtl1(set_high, row);
	in_vtl2(set_low, row);
	good = are(row, low, high, low);
	in_vtl1(set_low, row);
	in_vtl2(set_high, row);
	return good && are(row, low, low, high);
}

static bool is_shared_by_three(unsigned row)
{
	const uint64_t low = rows[row].low, high = rows[row].high;

	if (!is_kept_here(row))
		return true;
	if (in_vtl2(look, row) != low)
		return false;
	in_vtl2(set_high, row);
	return are(row, high, high, high);
}

static const char *each_of_three(bool shared)
{
	const char *why = NULL;

	for (unsigned row = 0; row < ROWS; row++) {
		bool good;

		if (is_shared(row) != shared || !is_there(row))
			continue;
		if (rows[row].get == get_xcr0)
			in_vtl2(allow_xsave, 0);
		keep_all(row);
		good = shared ? is_shared_by_three(row) : is_private_to_three(row);
		put_all();
		if (good)
			continue;
		say("        row ");
		say_number(row);
		say("\n");
		why = shared ? "one is not shared" : "one is not private";
	}
	return why;
}

const char *vsm_shared_by_three(void)
{
	return each_of_three(true);
}

const char *vsm_private_to_three(void)
{
	return each_of_three(false);
}

static uint64_t read_msr(uint64_t msr)
{
	return rdmsr((uint32_t)msr);
}

static const char *shared_clock(void)
{
	uint64_t before = rdmsr(GABI_HV_MSR_TIME_REF_COUNT), between = in_vtl1(read_msr, GABI_HV_MSR_TIME_REF_COUNT);

	return before <= between && between <= rdmsr(GABI_HV_MSR_TIME_REF_COUNT) ? NULL : "it is another clock";
}

static const char *shared_run_time(void)
{
	uint64_t before, between, after;
	uint32_t regs[4];

	cpuid(0x40000003, 0, regs);
	if (!(regs[0] & 1))
		return SKIP("AccessVpRunTimeReg is not there");
	before = rdmsr(GABI_HV_MSR_VP_RUNTIME);
	between = in_vtl1(read_msr, GABI_HV_MSR_VP_RUNTIME);
	after = rdmsr(GABI_HV_MSR_VP_RUNTIME);
	return before <= between && between <= after ? NULL : "it is another one";
}

static const char *shared_mcg_cap(void)
{
	return in_vtl1(read_msr, 0x179) == rdmsr(0x179) ? NULL : "it is another one";
}

static uint64_t read_tsc(uint64_t argument)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return ((uint64_t)high << 32 | low) - argument;
}

enum { MSR_TSC_ADJUST = 0x3b };

static uint64_t adjust_tsc(uint64_t by)
{
	wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + by);
	return 0;
}

static const char *private_tsc(void)
{
	const uint64_t far = 1ull << 50;
	uint64_t before = read_tsc(0), in1, after;
	uint32_t regs[4];

	cpuid(7, 0, regs);
	if (!(regs[1] >> 1 & 1))
		return SKIP("this processor has no TSC_ADJUST");
	in_vtl1(adjust_tsc, far);
	in1 = in_vtl1(read_tsc, before);
	after = read_tsc(before);
	in_vtl1(adjust_tsc, -far);
	if (in1 < far)
		return "VTL 1's does not change";
	if (after >= far)
		return "VTL 0's changes too";
	return in_vtl1(read_tsc, before) < far ? NULL : "VTL 1's is not put back";
}

/* Each level's own page says the time that both have. */
static volatile uint8_t tsc_page[2][PAGE] __attribute__((aligned(4096)));

static uint64_t time_by_page(uint64_t level)
{
	const volatile uint64_t *page = (const volatile uint64_t *)tsc_page[level];
	uint64_t before, tsc, after, time = 0;

	wrmsr(GABI_HV_MSR_REFERENCE_TSC, (uint64_t)tsc_page[level] | 1);
	before = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
	tsc = read_tsc(0);
	if ((uint32_t)page[0]) {
		__asm__("mulq %2" : "+a"(tsc), "=&d"(time) : "r"(page[1]) : "cc");
		time += page[2];
	}
	after = rdmsr(GABI_HV_MSR_TIME_REF_COUNT);
	wrmsr(GABI_HV_MSR_REFERENCE_TSC, 0);
	return !time ? 2 : before <= time + 1 && time <= after + 1;
}

static const char *reference_tsc(void)
{
	uint64_t in0 = time_by_page(0), in1 = in_vtl1(time_by_page, 1);

	if (in0 == 2 && in1 == 2)
		return SKIP("its sequence is 0: this machine's TSC keeps no time");
	if (in0 != 1 || in1 != 1)
		return in0 == 1 ? "VTL 1's says another time" : "VTL 0's says another time";
	return *(volatile uint64_t *)tsc_page[0] || *(volatile uint64_t *)tsc_page[1] ? "it was written to the memory below" : NULL;
}

static const char *shared_index(void)
{
	return in_vtl1(read_msr, GABI_HV_MSR_VP_INDEX) == 0 ? NULL : "it is another one";
}

/* ---- registers by hypercall ---- */

static unsigned last_status;

static uint64_t get_of_vtl0(uint64_t name)
{
	return vsm_get(VP_SELF, VTL0, (uint32_t)name, &last_status);
}

static const char *higher_reads_lower(void)
{
	uint64_t value;

	wrmsr(0xc0000082, 0xabcd);
	value = in_vtl1(get_of_vtl0, REG_LSTAR);
	return !last_status && value == 0xabcd && in_vtl1(get_of_vtl0, REG_CR3) == get_cr3() ? NULL : "it is refused, or another value comes";
}

static uint64_t set_lstar_of_vtl0(uint64_t value)
{
	return vsm_set(VP_SELF, VTL0, REG_LSTAR, value);
}

static const char *higher_writes_lower(void)
{
	return !in_vtl1(set_lstar_of_vtl0, 0x7777) && rdmsr(0xc0000082) == 0x7777 ? NULL : "it is refused, or does nothing";
}

static const char *lower_reads_higher(void)
{
	unsigned status;

	vsm_get(VP_SELF, VTL1, REG_LSTAR, &status);
	return status ? NULL : "it is taken";
}

static const char *lower_writes_higher(void)
{
	return vsm_set(VP_SELF, VTL1, REG_LSTAR, 0x7777) && in_vtl1(read_msr, 0xc0000082) != 0x7777 ? NULL : "it is taken";
}

static const char *read_only_registers(void)
{
	return vsm_set(VP_SELF, 0, REG_VP_STATUS, 0) && vsm_set(VP_SELF, 0, REG_PARTITION_STATUS, 0) && vsm_set(VP_SELF, 0, REG_CODE_OFFSETS, 0) ?
		       NULL : "a write is taken";
}

static const char *unknown_register(void)
{
	unsigned status;

	vsm_get(VP_SELF, 0, 0x7fff0000, &status);
	return status ? NULL : "a read is taken";
}

static const char *no_such_vp(void)
{
	unsigned status;

	vsm_get(0x1000, 0, REG_LSTAR, &status);
	return status == GABI_HV_STATUS_INVALID_VP_INDEX ? NULL : "the status is another one";
}

#define SHARES  "vsm, Shared State"
#define PRIVATE_STATE "vsm, Private State"

const struct vsm_case vsm_state_cases[] = {
#define ROW(section, name, number) { section, name, NULL, each_state, number }
	ROW(SHARES, "CR2", 0),
	ROW(SHARES, "DR0", 1),
	ROW(SHARES, "DR1", 2),
	ROW(SHARES, "DR2", 3),
	ROW(SHARES, "DR3", 4),
	ROW(SHARES, "DR6, as VsmCapabilities says", 5),
	ROW(SHARES, "XMM0", 6),
	ROW(SHARES, "XMM7, its high half", 7),
	ROW(SHARES, "XMM15", 8),
	ROW(SHARES, "MXCSR", 9),
	ROW(SHARES, "the FPU's control word", 10),
	ROW(SHARES, "XCR0", 11),
	ROW(SHARES, "MTRRs", 12),
	{ SHARES, "HV_X64_MSR_TIME_REF_COUNT", shared_clock, NULL, 0 },
	{ SHARES, "HV_X64_MSR_VP_INDEX", shared_index, NULL, 0 },
	{ SHARES, "HV_X64_MSR_VP_RUNTIME", shared_run_time, NULL, 0 },
	{ SHARES, "MCG_CAP", shared_mcg_cap, NULL, 0 },
	ROW(SHARES, "MCG_STATUS", 40),
	ROW(PRIVATE_STATE, "CR0", 13),
	ROW(PRIVATE_STATE, "CR3", 14),
	ROW(PRIVATE_STATE, "CR4", 15),
	ROW(PRIVATE_STATE, "CR8, of the local APIC", 16),
	ROW(PRIVATE_STATE, "DR7", 17),
	ROW(PRIVATE_STATE, "RFLAGS", 18),
	ROW(PRIVATE_STATE, "FS", 19),
	ROW(PRIVATE_STATE, "IDTR", 20),
	ROW(PRIVATE_STATE, "GDTR", 21),
	ROW(PRIVATE_STATE, "EFER", 22),
	ROW(PRIVATE_STATE, "STAR", 23),
	ROW(PRIVATE_STATE, "LSTAR", 24),
	ROW(PRIVATE_STATE, "CSTAR", 25),
	ROW(PRIVATE_STATE, "SFMASK", 26),
	ROW(PRIVATE_STATE, "GS_BASE", 27),
	ROW(PRIVATE_STATE, "KERNEL_GS_BASE", 28),
	ROW(PRIVATE_STATE, "SYSENTER_CS", 29),
	ROW(PRIVATE_STATE, "SYSENTER_ESP", 30),
	ROW(PRIVATE_STATE, "SYSENTER_EIP", 31),
	ROW(PRIVATE_STATE, "PAT", 32),
	ROW(PRIVATE_STATE, "TSC_AUX", 33),
	ROW(PRIVATE_STATE, "HV_X64_MSR_GUEST_OS_ID", 34),
	ROW(PRIVATE_STATE, "HV_X64_MSR_REFERENCE_TSC", 35),
	ROW(PRIVATE_STATE, "HV_X64_MSR_SIEFP", 36),
	ROW(PRIVATE_STATE, "HV_X64_MSR_SINT5", 37),
	ROW(PRIVATE_STATE, "HV_X64_MSR_STIMER3_COUNT", 38),
	ROW(PRIVATE_STATE, "HV_X64_MSR_STIMER3_CONFIG", 39),
	ROW(PRIVATE_STATE, "FS_BASE", 41),
	{ PRIVATE_STATE, "the TSC", private_tsc, NULL, 0 },
	{ PRIVATE_STATE, "each VTL's reference TSC page says the time", reference_tsc, NULL, 0 },
	{ "HvCallGetVpRegisters", "a higher VTL reads a lower one's private registers", higher_reads_lower, NULL, 0 },
	{ "HvCallSetVpRegisters", "a higher VTL writes a lower one's private registers", higher_writes_lower, NULL, 0 },
	{ "HvCallGetVpRegisters", "a lower VTL does not read a higher one's", lower_reads_higher, NULL, 0 },
	{ "HvCallSetVpRegisters", "a lower VTL does not write a higher one's", lower_writes_higher, NULL, 0 },
	{ "HvCallSetVpRegisters", "read-only registers are not written", read_only_registers, NULL, 0 },
	{ "HvCallGetVpRegisters", "a register that there is not: refused", unknown_register, NULL, 0 },
	{ "HvCallGetVpRegisters", "a processor that there is not: invalid VP index", no_such_vp, NULL, 0 },
	{ 0 },
};
