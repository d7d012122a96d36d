/* SPDX-License-Identifier: MIT */
#include "vsm.h"

#define MSG_GPA 0x80000001u
enum {
	STACK = 0x4000, ENTRY_CALL = 1, ENTRY_INTERRUPT, ENTRY_INTERCEPT,
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

uint32_t vsm_cpus;
bool vsm_takes_init;
volatile uint32_t vsm_others;
struct vsm_seen seen[VPS_MAX];
volatile uint32_t came0[256];

static uint8_t code_page[2][PAGE] __attribute__((aligned(4096)));
static uint8_t assist_page[VPS_MAX][PAGE] __attribute__((aligned(4096)));
static volatile uint8_t message_page[VPS_MAX][PAGE] __attribute__((aligned(4096)));
static uint64_t input[VPS_MAX][2][PAGE / 8] __attribute__((aligned(4096)));
static uint64_t output[VPS_MAX][2][PAGE / 8] __attribute__((aligned(4096)));
static uint8_t stack1[VPS_MAX][STACK] __attribute__((aligned(4096)));
static volatile uint32_t faulted[VPS_MAX];
static uint64_t up_offset, down_offset; /* the same in all levels, which are of one width */

static struct order {
	uint64_t (*function)(uint64_t argument);
	uint64_t argument, result;
} order[VPS_MAX];

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

static bool is_stack1(uint64_t rsp)
{
	return rsp >= (uint64_t)stack1 && rsp <= (uint64_t)stack1 + sizeof(stack1);
}

unsigned vsm_level(void)
{
	uint64_t rsp;

	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return is_stack1(rsp);
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

void guest_interrupt(struct guest_frame *frame)
{
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
	if (is_stack1(frame->rsp))
		seen[vsm_vp()].came[frame->vector]++;
	else
		__atomic_fetch_add(&came0[frame->vector], 1, __ATOMIC_SEQ_CST);
	mmio(APIC_GPA)[APIC_EOI / 4] = 0;
}

/* ---- hypercalls ---- */

volatile uint8_t *vsm_assist(void)
{
	return assist_page[vsm_vp()];
}

volatile uint8_t *vsm_messages(unsigned vp)
{
	return message_page[vp];
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

unsigned vsm_protect(const volatile void *page, unsigned rights)
{
	const uint64_t in[] = { PARTITION, rights | (uint64_t)VTL0 << 32, (uint64_t)page / PAGE };

	return vsm_status(GABI_HV_CALL_ModifyVtlProtectionMask | REP(1), in, sizeof(in));
}

bool vsm_begin(uint32_t cpus)
{
	uint32_t regs[4];
	unsigned status;
	uint64_t offsets;

	vsm_cpus = cpus < VPS_MAX ? cpus : VPS_MAX;
	cpuid(0x40000001, 0, regs);
	if (regs[0] != 0x31237648)
		return false;
	cpuid(0x40000003, 0, regs);
	if (!(regs[1] >> 16 & 1) || !(regs[1] >> 17 & 1) || !(regs[0] >> 2 & 1)) /* AccessVsm, AccessVpRegisters, AccessSynicRegs */
		return false;
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)code_page[0] | 1);
	offsets = vsm_get(VP_SELF, 0, REG_CODE_OFFSETS, &status);
	up_offset = offsets & 0xfff;
	down_offset = offsets >> 12 & 0xfff;
	return status == GABI_HV_STATUS_SUCCESS;
}

/* ---- VTL 1 ---- */

void vsm_up(uint64_t control, struct vsm_regs *regs)
{
	vsm_go(code_page[vsm_level()] + up_offset, control, regs);
}

void vsm_down(uint64_t control, struct vsm_regs *regs)
{
	vsm_go(code_page[vsm_level()] + down_offset, control, regs);
}

static void take_message(unsigned vp)
{
	volatile uint32_t *slot = (volatile uint32_t *)message_page[vp];
	uint64_t page;
	unsigned status;

	if (!slot[0])
		return;
	for (unsigned i = 0; i < sizeof(seen[vp].message); i++)
		seen[vp].message[i] = message_page[vp][i];
	slot[0] = 0;
	wrmsr(GABI_HV_MSR_EOM, 0);
	seen[vp].intercepts++;
	if (seen[vp].skips) {
		uint64_t rip = message_u64(&seen[vp], PAYLOAD + 24), len = seen[vp].message[PAYLOAD + 4] & 15;

		vsm_set(VP_SELF, VTL0, REG_RIP, rip + (len ? len : 2));
		seen[vp].regs.rax = seen[vp].skipped_rax;
	} else if (message_u32(&seen[vp], 0) == MSG_GPA && !seen[vp].keeps) {
		page = message_u64(&seen[vp], PAYLOAD + 56) & ~(PAGE - 1);
		status = vsm_protect((const void *)page, ALL);
		if (status)
			check("VTL 1 opens a page again", status, 0);
	}
}

static void serve(unsigned vp, uint32_t reason)
{
	seen[vp].entries[reason & 3]++;
	if (reason == ENTRY_CALL && order[vp].function) {
		order[vp].result = order[vp].function(order[vp].argument);
		order[vp].function = NULL;
	}
	take_message(vp);
	__asm__ volatile("sti\n\tnop\n\tnop\n\tcli" : : : "memory"); /* what is pending comes here */
}

/* The first instruction of VTL 1 on each processor. */
static void enter_vtl1(void)
{
	unsigned vp = vsm_vp();
	volatile uint32_t *reason = (volatile uint32_t *)(assist_page[vp] + ASSIST_REASON);

	__asm__ volatile("fninit");
	wrmsr(GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000002);
	wrmsr(GABI_HV_MSR_HYPERCALL, (uint64_t)code_page[1] | 1);
	wrmsr(GABI_HV_MSR_VP_ASSIST_PAGE, (uint64_t)assist_page[vp] | 1);
	wrmsr(GABI_HV_MSR_SCONTROL, 1);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)message_page[vp] | 1);
	mmio(APIC_GPA)[APIC_SPURIOUS / 4] = 0x1ff;
	*reason = ENTRY_CALL;
	for (;;) {
		serve(vp, *reason);
		if (seen[vp].returns_fast) {
			seen[vp].returns_fast = false;
			seen[vp].regs.rax = seen[vp].fast_rax;
			vsm_down(1, &seen[vp].regs);
			continue;
		}
		*(volatile uint64_t *)(assist_page[vp] + ASSIST_RAX) = seen[vp].regs.rax;
		*(volatile uint64_t *)(assist_page[vp] + ASSIST_RCX) = seen[vp].regs.rcx;
		vsm_down(0, &seen[vp].regs);
	}
}

void vsm_order(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	order[vsm_vp()] = (struct order){ function, argument, 0 };
}

uint64_t in_vtl1(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	struct vsm_regs regs = { 0 };

	vsm_order(function, argument);
	vsm_up(0, &regs);
	return order[vsm_vp()].result;
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
		.rip = (uint64_t)entry, .rsp = (uint64_t)stack_end - 8, .rflags = 2, .cs = { 0, UINT32_MAX, 8, 0xa09b }, .ds = data, .es = data,
		.fs = data, .gs = data, .ss = data, .tr = { 0, 0x67, 0, 0x8b }, .ldtr = { 0, 0, 0, 0 }, .idtr = { { 0 }, idt.limit, idt.base },
		.gdtr = { { 0 }, gdt.limit, gdt.base }, .efer = 0x500, .cr0 = control_register(0), .cr3 = control_register(3),
		.cr4 = control_register(4), .pat = 0x0007040600070406,
	};
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

	fill_context(&in.context, enter_vtl1, stack1[vp < VPS_MAX ? vp : 0] + STACK);
	in.context.cr0 &= ~spoil;
	return vsm_status(GABI_HV_CALL_EnableVpVtl, &in, sizeof(in));
}

/* ---- other processors ---- */

static uint8_t started_stack[STACK] __attribute__((aligned(4096)));
static uint32_t started_number;

static void enter_started(void)
{
	guest_other(started_number);
}

unsigned vsm_start_vp(uint32_t vp, unsigned vtl)
{
	struct target in = { .partition = PARTITION, .vp = vp, .vtl = (uint8_t)vtl };

	started_number = vp;
	fill_context(&in.context, enter_started, started_stack + STACK);
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
	for (uint32_t id = 1; id + 1 < vsm_cpus; id++) { /* the last one is for the hypercall */
		start_other(id);
		vsm_comes(&vsm_others, id);
	}
	run_cases(vsm_enable_cases);
	run_cases(vsm_state_cases);
	run_cases(vsm_memory_cases);
	run_cases(vsm_intercept_cases);
	run_cases(vsm_interrupt_cases);
	run_cases(vsm_smp_cases);
	say_number(good);
	say(" hold, ");
	say_number(bad);
	say(" do not, ");
	say_number(skipped);
	say(" skipped\n");
	check("all rules hold", bad, 0);
	finish();
}
