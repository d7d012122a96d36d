/* SPDX-License-Identifier: MIT */
#include "vsm.h"

#define MSG_GPA 0x80000001u
enum {
	STACK = 0x4000, RFLAGS_ID = 1 << 21, ENTRY_CALL = 1, ENTRY_INTERRUPT, ENTRY_INTERCEPT,
	ASSIST_REASON = 8, ASSIST_RAX = 16, ASSIST_RCX = 24, PAYLOAD = 16,
};

struct segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector, attributes;
};

struct table {
	uint16_t pad[3], limit;
	uint64_t base;
};

struct vsm_context {
	uint64_t rip, rsp, rflags;
	struct segment cs, ds, es, fs, gs, ss, tr, ldtr;
	struct table idtr, gdtr;
	uint64_t efer, cr0, cr3, cr4, pat;
};
_Static_assert(sizeof(struct vsm_context) == 224, "TLFS HV_INITIAL_VP_CONTEXT");

uint32_t vsm_cpus, vsm_used;
bool vsm_takes_init;
volatile uint32_t vsm_others;
struct vsm_seen seen_by[LEVELS][VPS_MAX];
volatile uint32_t came0[256];

static uint8_t code_page[LEVELS][PAGE] __attribute__((aligned(4096)));
static uint8_t assist_page[LEVELS][VPS_MAX][PAGE] __attribute__((aligned(4096)));
static volatile uint8_t message_page[LEVELS][VPS_MAX][PAGE] __attribute__((aligned(4096)));
static uint64_t input[VPS_MAX][LEVELS][PAGE / 8] __attribute__((aligned(4096)));
static uint64_t output[VPS_MAX][LEVELS][PAGE / 8] __attribute__((aligned(4096)));
static uint8_t stacks[LEVELS - 1][VPS_MAX][STACK] __attribute__((aligned(4096))); /* of VTL 1 and above */
static volatile uint32_t faulted[VPS_MAX];
uint64_t vsm_up_offset, vsm_down_offset;

static struct order {
	uint64_t (*function)(uint64_t argument);
	uint64_t argument, result;
} order[LEVELS][VPS_MAX]; /* of the level that carries it out */

static struct job {
	uint64_t (*volatile function)(uint64_t argument);
	volatile uint64_t argument, result;
	volatile uint32_t begun, ended;
} job[VPS_MAX];

void vsm_go(const void *code, uint64_t control, struct vsm_regs *regs);

/* ---- who is this ---- */

unsigned vsm_vp(void)
{
	return (unsigned)rdmsr(GABI_HV_MSR_VP_INDEX);
}

static unsigned level_of_stack(uint64_t rsp)
{
	return rsp - (uint64_t)stacks < sizeof(stacks) ? 1 + (unsigned)((rsp - (uint64_t)stacks) / sizeof(stacks[0])) : 0;
}

unsigned vsm_level(void)
{
	uint64_t rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return level_of_stack(rsp);
}

unsigned vsm_fault(void)
{
	unsigned vp = vsm_vp(), vector = faulted[vp];

	faulted[vp] = 0;
	return vector;
}

void vsm_wait(unsigned ms)
{
	uint64_t end = rdmsr(GABI_HV_MSR_TIME_REF_COUNT) + ms * 10000ull;

	while (rdmsr(GABI_HV_MSR_TIME_REF_COUNT) < end)
		pause();
}

bool vsm_comes(const volatile uint32_t *at, uint32_t count)
{
	uint64_t end = rdmsr(GABI_HV_MSR_TIME_REF_COUNT) + 10000000;

	while (*at < count && rdmsr(GABI_HV_MSR_TIME_REF_COUNT) < end)
		pause();
	return *at >= count;
}

/* ---- exceptions and interrupts, of both levels ---- */

static bool is_code_page(uint64_t rip)
{
	return rip - (uint64_t)code_page < sizeof(code_page);
}

/* A fault in a hypercall page returns from there; else it is RDMSR, WRMSR or another instruction of two bytes that is passed over. */
static void take_fault(struct guest_frame *frame)
{
	faulted[vsm_vp()] = (uint32_t)frame->vector;
	if (is_code_page(frame->rip)) {
		frame->rip = *(const uint64_t *)frame->rsp;
		frame->rsp += 8;
	} else {
		frame->rip += 2;
	}
}

volatile uint8_t vsm_ends_by_itself;

static void count_interrupt(const struct guest_frame *frame)
{
	unsigned level = level_of_stack(frame->rsp);

	if (level)
		seen_by[level][vsm_vp()].came[frame->vector]++;
	else
		__atomic_fetch_add(&came0[frame->vector], 1, __ATOMIC_SEQ_CST);
}

void guest_interrupt(struct guest_frame *frame)
{
	if (vsm_leave_user_mode(frame))
		return;
	if (frame->vector == NMI) {
		count_interrupt(frame);
		return;
	}
	if (frame->vector == UNDEFINED || frame->vector == PROTECTION) {
		take_fault(frame);
		return;
	}
	if (frame->vector < 32) {
		say("an exception ");
		say_number(frame->vector);
		say(" at ");
		say_number(frame->rip);
		say("\n");
		check("the guest goes on", 0, 1);
		finish();
	}
	count_interrupt(frame);
	if (frame->vector != vsm_ends_by_itself)
		mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* ---- hypercalls ---- */

volatile uint8_t *vsm_assist(void)
{
	return assist_page[vsm_level()][vsm_vp()];
}

volatile uint8_t *vsm_messages(unsigned level, unsigned vp)
{
	return message_page[level][vp];
}

const volatile uint8_t *vsm_code(unsigned level)
{
	return code_page[level];
}

static void copy(void *to, const void *from, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

uint64_t vsm_call_at(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t result;

	__asm__ volatile("call *%[page]" : "=a"(result), "+c"(control), "+d"(in), "+r"(r8) : [page] "r"(code_page[vsm_level()])
			 : "r9", "r10", "r11", "cc", "memory");
	return result;
}

uint64_t vsm_call(uint64_t control, const void *in, unsigned len, void *out, unsigned out_len)
{
	unsigned vp = vsm_vp(), level = vsm_level();
	uint64_t result;

	copy(input[vp][level], in, len);
	result = vsm_call_at(control, (uint64_t)input[vp][level], (uint64_t)output[vp][level]);
	copy(out, output[vp][level], out_len);
	return result;
}

unsigned vsm_status(uint64_t control, const void *in, unsigned len)
{
	return (unsigned)(vsm_call(control, in, len, NULL, 0) & 0xffff);
}

unsigned vsm_ipi(uint32_t vector, unsigned input_vtl, uint64_t vps)
{
	const uint64_t in[] = { vector | (uint64_t)input_vtl << 32, vps };

	return vsm_status(GABI_HV_CALL_SendSyntheticClusterIpi, in, sizeof(in));
}

uint64_t vsm_get(uint32_t vp, unsigned input_vtl, uint32_t name, unsigned *ret_status)
{
	const uint64_t in[] = { PARTITION, vp | (uint64_t)input_vtl << 32, name };
	uint64_t value[2] = { 0 };

	*ret_status = (unsigned)(vsm_call(GABI_HV_CALL_GetVpRegisters | REP(1), in, 20, value, sizeof(value)) & 0xffff);
	return value[0];
}

unsigned vsm_set(uint32_t vp, unsigned input_vtl, uint32_t name, uint64_t value)
{
	const uint64_t in[] = { PARTITION, vp | (uint64_t)input_vtl << 32, name, 0, value, 0 };

	return vsm_status(GABI_HV_CALL_SetVpRegisters | REP(1), in, sizeof(in));
}

unsigned vsm_protect_from(unsigned input_vtl, const volatile void *page, unsigned rights)
{
	const uint64_t in[] = { PARTITION, rights | (uint64_t)input_vtl << 32, (uint64_t)page / PAGE };

	return vsm_status(GABI_HV_CALL_ModifyVtlProtectionMask | REP(1), in, sizeof(in));
}

unsigned vsm_protect(const volatile void *page, unsigned rights)
{
	return vsm_protect_from(VTL0, page, rights);
}

bool vsm_begin(uint32_t cpus)
{
	uint32_t regs[4];
	unsigned status;
	uint64_t offsets;

	vsm_cpus = cpus < VPS_MAX ? cpus : VPS_MAX;
	vsm_used = vsm_cpus > 3 ? vsm_cpus - 2 : vsm_cpus > 2 ? vsm_cpus - 1 : 1;
	cpuid(0x40000001, 0, regs);
	if (regs[0] != 0x31237648)
		return false;
	cpuid(0x40000003, 0, regs);
	if (!(regs[1] >> 16 & 1) || !(regs[1] >> 17 & 1) || !(regs[0] >> 2 & 1)) /* AccessVsm, AccessVpRegisters, AccessSynicRegs */
		return false;
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)code_page[0] | 1);
	offsets = vsm_get(VP_SELF, 0, REG_CODE_OFFSETS, &status);
	vsm_up_offset = offsets & 0xfff;
	vsm_down_offset = offsets >> 12 & 0xfff;
	return status == GABI_HV_STATUS_SUCCESS;
}

/* ---- the levels above VTL 0 ---- */

void vsm_up(uint64_t control, struct vsm_regs *regs)
{
	vsm_go(code_page[vsm_level()] + vsm_up_offset, control, regs);
}

void vsm_down(uint64_t control, struct vsm_regs *regs)
{
	vsm_go(code_page[vsm_level()] + vsm_down_offset, control, regs);
}

/* HV_X64_VP_EXECUTION_STATE. */
unsigned message_level(const struct vsm_seen *from)
{
	return message_u32(from, PAYLOAD + 4) >> 16 >> 7 & 15;
}

static uint32_t messages;

static void take_message(unsigned level, unsigned vp)
{
	volatile uint32_t *slot = (volatile uint32_t *)message_page[level][vp];
	struct vsm_seen *me = &seen_by[level][vp];
	uint64_t page;
	unsigned status;

	if (!slot[0])
		return;
	for (unsigned i = 0; i < sizeof(me->message); i++)
		me->message[i] = message_page[level][vp][i];
	slot[0] = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	me->intercepts++;
	me->number = __atomic_add_fetch(&messages, 1, __ATOMIC_SEQ_CST);
	if (me->faults) {
		const uint64_t fault = 1 | 3 << 1 | 1 << 4 | PROTECTION << 16; /* pending, an exception, with an error code */

		vsm_set(VP_SELF, VTL0 + message_level(me), REG_PENDING_INTERRUPTION, fault);
	} else if (me->skips) {
		uint64_t rip = message_u64(me, PAYLOAD + 24), len = me->message[PAYLOAD + 4] & 15;

		vsm_set(VP_SELF, VTL0 + message_level(me), REG_RIP, rip + (len ? len : 2));
		me->regs.rax = me->skipped_rax;
	} else if (message_u32(me, 0) == MSG_GPA && !me->keeps) {
		page = message_u64(me, PAYLOAD + 56) & ~(PAGE - 1);
		status = vsm_protect_from(VTL0 + message_level(me), (const void *)page, ALL);
		if (status)
			check("a page is opened again", status, 0);
	}
}

static void serve(unsigned level, unsigned vp, uint32_t reason)
{
	struct order *next = &order[level][vp];

	seen_by[level][vp].entries[reason & 3]++;
	if (reason == ENTRY_CALL && next->function) {
		next->result = next->function(next->argument);
		next->function = NULL;
	}
	take_message(level, vp);
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory"); /* what is pending comes here */
}

static void open_level(unsigned level, unsigned vp)
{
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001 + level);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)code_page[level] | 1);
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, (uint64_t)assist_page[level][vp] | 1);
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)message_page[level][vp] | 1);
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
}

static void note_first_entry(void);

/* The first instruction of a level on each processor. */
static void enter_level(void)
{
	unsigned level = vsm_level(), vp = vsm_vp();
	volatile uint8_t *assist = assist_page[level][vp];
	struct vsm_seen *me = &seen_by[level][vp];
	uint32_t reason;

	if (level == 1 && !vp)
		note_first_entry();
	__asm__ volatile("fninit");
	open_level(level, vp);
	for (reason = ENTRY_CALL;; reason = *(volatile uint32_t *)(assist + ASSIST_REASON)) {
		serve(level, vp, reason);
		*(volatile uint32_t *)(assist + ASSIST_REASON) = 0; /* a return from a higher level leaves it so */
		if (me->returns_fast) {
			me->returns_fast = false;
			me->regs.rax = me->fast_rax;
			vsm_down(1, &me->regs);
			continue;
		}
		*(volatile uint64_t *)(assist + ASSIST_RAX) = me->regs.rax;
		*(volatile uint64_t *)(assist + ASSIST_RCX) = me->regs.rcx;
		vsm_down(0, &me->regs);
	}
}

void vsm_order(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	order[vsm_level() + 1][vsm_vp()] = (struct order){ function, argument, 0 };
}

static uint64_t in_level_above(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	struct vsm_regs regs = { 0 };

	vsm_order(function, argument);
	vsm_up(0, &regs);
	return order[vsm_level() + 1][vsm_vp()].result;
}

uint64_t in_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	return in_level_above(function, argument);
}

uint64_t from_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	return in_level_above(function, argument);
}

static struct order relayed[VPS_MAX];

static uint64_t relay(uint64_t vp)
{
	return in_level_above(relayed[vp].function, relayed[vp].argument);
}

uint64_t in_vtl2(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	unsigned vp = vsm_vp();

	relayed[vp] = (struct order){ function, argument, 0 };
	return in_level_above(relay, vp);
}

/* ---- enabling and starting ---- */

static uint64_t control_register(unsigned number)
{
	uint64_t value = 0;

	if (number == 0)
		__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	else if (number == 3)
		__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	else
		__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static void fill_context(struct vsm_context *context, void (*entry)(void), uint8_t *stack_end)
{
	const struct segment data = { 0, UINT32_MAX, 16, 0xc093 };
	struct {
		uint16_t pad[3], limit;
		uint64_t base;
	} gdt, idt;

	__asm__ volatile("sgdt %0" : "=m"(gdt.limit));
	__asm__ volatile("sidt %0" : "=m"(idt.limit));
	*context = (struct vsm_context){
		.rip = (uint64_t)entry, .rsp = (uint64_t)stack_end - 8, .rflags = RFLAGS_ID | 2, .cs = { 0, UINT32_MAX, 8, 0xa09b },
		.ds = data, .es = data, .fs = { 0xf5000, UINT32_MAX, 16, 0xc093 }, .gs = { 0x65000, UINT32_MAX, 16, 0xc093 }, .ss = data,
		.tr = { 0, 0x67, 0, 0x8b }, .ldtr = { 0, 0, 0, 0 }, .idtr = { { 0 }, idt.limit, idt.base }, .gdtr = { { 0 }, gdt.limit, gdt.base },
		.efer = 0x500, .cr0 = control_register(0), .cr3 = control_register(3), .cr4 = control_register(4), .pat = 0x0007010600070106,
	};
}

/* What the first entry to VTL 1 on processor 0 found, and what it was given. */
static struct vsm_context found, given;

static void note_first_entry(void)
{
	__asm__ volatile("pushfq\n\tpop %0" : "=r"(found.rflags));
	__asm__ volatile("sgdt %0" : "=m"(found.gdtr.limit));
	__asm__ volatile("sidt %0" : "=m"(found.idtr.limit));
	__asm__ volatile("str %0" : "=m"(found.tr.selector));
	__asm__ volatile("mov %%fs, %0" : "=r"(found.fs.selector));
	found.fs.base = rdmsr(0xc0000100);
	found.gs.base = rdmsr(0xc0000101);
	found.efer = rdmsr(0xc0000080);
	found.pat = rdmsr(0x277);
	found.cr0 = control_register(0);
	found.cr3 = control_register(3);
	found.cr4 = control_register(4);
}

static bool is_same_table(const struct table *a, const struct table *b)
{
	return a->limit == b->limit && a->base == b->base;
}

const char *vsm_first_entry(void)
{
	const uint64_t status = 0x8d5; /* of RFLAGS: what any arithmetic changes */

	if ((found.rflags ^ given.rflags) & ~status)
		return "RFLAGS is another";
	if (!is_same_table(&found.gdtr, &given.gdtr) || !is_same_table(&found.idtr, &given.idtr))
		return "GDTR or IDTR is another";
	if (found.tr.selector != given.tr.selector || found.fs.selector != given.fs.selector || found.fs.base != given.fs.base ||
	    found.gs.base != given.gs.base)
		return "a segment is another";
	if (found.cr0 != given.cr0 || found.cr3 != given.cr3 || found.cr4 != given.cr4)
		return "a control register is another";
	return found.efer == given.efer && found.pat == given.pat ? NULL : "EFER or PAT is another";
}

unsigned vsm_enable_partition(uint64_t partition, unsigned vtl, unsigned flags)
{
	const uint64_t in[] = { partition, vtl | (uint64_t)flags << 8 };

	return vsm_status(GABI_HV_CALL_EnablePartitionVtl, in, sizeof(in));
}

struct target {
	uint64_t partition;
	uint32_t vp;
	uint8_t vtl, reserved[3];
	struct vsm_context context;
};

unsigned vsm_enable_vp(uint64_t partition, uint32_t vp, unsigned vtl, uint64_t spoil)
{
	struct target in = { .partition = partition, .vp = vp, .vtl = (uint8_t)vtl };

	fill_context(&in.context, enter_level, stacks[vtl == 2][vp < VPS_MAX ? vp : 0] + STACK);
	in.context.cr0 &= ~spoil;
	if (vtl == 1 && !vp)
		given = in.context;
	return vsm_status(GABI_HV_CALL_EnableVpVtl, &in, sizeof(in));
}

/* ---- other processors ---- */

static uint8_t started_stack[STACK] __attribute__((aligned(4096)));
static uint32_t started_number;

static void enter_started(void)
{
	guest_other(started_number);
}

/* It has no VTL 0 to go to. */
static void enter_started_in_vtl1(void)
{
	__atomic_fetch_add(&vsm_others, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("cli\n\thlt");
}

unsigned vsm_start_vp(uint32_t vp, unsigned vtl)
{
	struct target in = { .partition = PARTITION, .vp = vp, .vtl = (uint8_t)vtl };

	if (vtl) {
		fill_context(&in.context, enter_started_in_vtl1, stacks[0][vp] + STACK);
	} else {
		started_number = vp;
		fill_context(&in.context, enter_started, started_stack + STACK);
	}
	return vsm_status(GABI_HV_CALL_StartVirtualProcessor, &in, sizeof(in));
}

static void allow_sse(void)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(control_register(4) | 0x600));
}

void guest_other(uint32_t number)
{
	unsigned vp = vsm_vp();

	(void)number;
	allow_sse();
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	__atomic_fetch_add(&vsm_others, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		while (job[vp].begun == job[vp].ended)
			pause();
		job[vp].result = job[vp].function(job[vp].argument);
		job[vp].ended++;
	}
}

void begin_on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	job[vp].function = function;
	job[vp].argument = argument;
	job[vp].begun++;
}

bool has_job_ended_on_vp(unsigned vp)
{
	return job[vp].ended == job[vp].begun;
}

bool has_ended_on_vp(unsigned vp, uint64_t *ret_result)
{
	if (!vsm_comes(&job[vp].ended, job[vp].begun))
		return false;
	*ret_result = job[vp].result;
	return true;
}

uint64_t on_vp(unsigned vp, uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	uint64_t result = 0;

	begin_on_vp(vp, function, argument);
	return has_ended_on_vp(vp, &result) ? result : UINT64_MAX;
}

/* ---- all cases ---- */

static uint32_t good, bad, skipped;

static void run_cases(const struct vsm_case *cases)
{
	for (; cases->rule; cases++) {
		const char *why = cases->run ? cases->run() : cases->run_row(cases->row);

		say(!why ? "ok      " : *why == '\1' ? "skipped " : "NOT OK  ");
		say(cases->section);
		say(" | ");
		say(cases->rule);
		if (why) {
			say(" | ");
			say(*why == '\1' ? why + 1 : why);
		}
		say("\n");
		*(!why ? &good : *why == '\1' ? &skipped : &bad) += 1;
	}
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	const char *line = (const char *)(uintptr_t)info[4];

	(void)magic;
	vsm_takes_init = number_of(line, "init") != 0;
	set_up_interrupts();
	allow_sse();
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	__asm__ volatile("sti");
	if (!vsm_begin((uint32_t)number_of(line, "cpus"))) {
		check("this hypervisor has Virtual Secure Mode", 0, 1);
		finish();
	}
	run_cases(vsm_enable_cases);
	run_cases(vsm_state_cases);
	run_cases(vsm_memory_cases);
	for (uint32_t id = 1; id < vsm_used; id++) { /* now that they may write to what they have: nobody is told of those without VTL 1 */
		start_other(id);
		vsm_comes(&vsm_others, id);
	}
	run_cases(vsm_intercept_cases);
	run_cases(vsm_interrupt_cases);
	run_cases(vsm_smp_cases);
	run_cases(vsm_tlb_cases);
	run_cases(vsm_device_cases);
	run_cases(vsm_three_cases);
	say_number(good);
	say(" hold, ");
	say_number(bad);
	say(" do not, ");
	say_number(skipped);
	say(" skipped\n");
	check("all rules hold", bad, 0);
	finish();
}
