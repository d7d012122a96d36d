/* SPDX-License-Identifier: MIT */
/* Memory that VTL 1 takes away from VTL 0, and each kind of access that there is. */
#include "vsm.h"

#define MSG_GPA 0x80000001u
enum { PAYLOAD = 16, ACCESS_READ = 0, ACCESS_WRITE, ACCESS_EXECUTE };

static uint8_t target[2 * PAGE] __attribute__((aligned(4096)));
static uint8_t bystander[PAGE] __attribute__((aligned(4096)));

static uint64_t protect_in1(uint64_t rights)
{
	return vsm_protect(target, (unsigned)rights);
}

static unsigned protect(unsigned rights)
{
	return (unsigned)in_vtl1(protect_in1, rights);
}

/* ---- the rules of the call ---- */

static uint64_t before_enabling(uint64_t argument)
{
	(void)argument;
	return vsm_protect(target, READ | EXECUTE);
}

static const char *not_before_enabled(void)
{
	unsigned status;

	if (vsm_get(VP_SELF, VTL1, REG_PARTITION_CONFIG, &status) & 1)
		return SKIP("protections are on already");
	return in_vtl1(before_enabling, 0) ? NULL : "it is taken";
}

static uint64_t set_config(uint64_t value)
{
	return vsm_set(VP_SELF, 0, REG_PARTITION_CONFIG, value);
}

static uint64_t get_config(uint64_t argument)
{
	unsigned status;

	(void)argument;
	return vsm_get(VP_SELF, 0, REG_PARTITION_CONFIG, &status);
}

static const char *lower_configures_higher(void)
{
	return vsm_set(VP_SELF, VTL1, REG_PARTITION_CONFIG, CONFIG1) ? NULL : "it is taken";
}

static const char *zeroed_on_reset(void)
{
	return in_vtl1(get_config, 0) == CONFIG_ZERO_MEMORY ? NULL : "ZeroMemoryOnReset is off, or another bit is on";
}

static const char *config_reserved(void)
{
	for (unsigned bit = 7; bit < 64; bit++)
		if (1ull << bit != CONFIG_INTERCEPT_STARTUP && !in_vtl1(set_config, 1ull << bit))
			return "it is taken";
	return NULL;
}

static const char *enabling(void)
{
	return !in_vtl1(set_config, CONFIG1) && in_vtl1(get_config, 0) == CONFIG1 ? NULL : "it is refused, or the register does not say so";
}

static const char *enabling_is_for_ever(void)
{
	in_vtl1(set_config, CONFIG1 & ~CONFIG_PROTECT);
	return in_vtl1(get_config, 0) & CONFIG_PROTECT ? NULL : "protections can be switched off again";
}

static const char *mask_is_for_ever(void)
{
	in_vtl1(set_config, CONFIG_PROTECT | ALL << CONFIG_MASK);
	return in_vtl1(get_config, 0) == CONFIG1 ? NULL : "it can be changed";
}

static uint8_t never_touched[2 * PAGE] __attribute__((aligned(4096)));

/* The pages that VTL 0 writes to as it goes on are opened one by one. */
static const char *default_mask(void)
{
	uint32_t before = seen[0].intercepts;

	if (*(volatile uint8_t *)never_touched)
		return "a page has another content";
	if (seen[0].intercepts != before)
		return "a load is intercepted, though the mask allows it";
	*(volatile uint8_t *)never_touched = 1;
	if (seen[0].intercepts != before + 1)
		return "a store to a page that nobody has protected is not intercepted";
	return *(volatile uint8_t *)never_touched == 1 ? NULL : "the store is not done after it was allowed";
}

/* All that the suite uses, as far as it is RAM. */
static uint64_t open_all(uint64_t pages)
{
	uint64_t in[2 + 64] = { PARTITION, ALL | (uint64_t)VTL0 << 32 }, opened = 0;

	for (uint64_t page = 0; page < pages;) {
		uint64_t done;

		for (unsigned i = 0; i < 64; i++)
			in[2 + i] = page + i;
		done = vsm_call(GABI_HV_CALL_ModifyVtlProtectionMask | REP(64), in, sizeof(in), NULL, 0) >> 32 & 0xfff;
		opened += done;
		page += done < 64 ? done + 1 : 64;
	}
	return opened;
}

static const char *mask_is_overridden(void)
{
	uint32_t before;

	if (in_vtl1(open_all, (16 << 20) / PAGE) < (8 << 20) / PAGE)
		return "pages cannot be opened";
	before = seen[0].intercepts;
	*(volatile uint8_t *)&never_touched[PAGE] = 1;
	return seen[0].intercepts == before ? NULL : "a page that was opened is not";
}

static const char *lower_protects(void)
{
	return vsm_protect(target, READ | EXECUTE) ? NULL : "it is taken";
}

static uint64_t protect_itself(uint64_t argument)
{
	const uint64_t in[] = { PARTITION, (READ | EXECUTE) | (uint64_t)VTL1 << 32, (uint64_t)target / PAGE };

	(void)argument;
	return vsm_status(GABI_HV_CALL_ModifyVtlProtectionMask | REP(1), in, sizeof(in));
}

static const char *not_of_itself(void)
{
	return in_vtl1(protect_itself, 0) ? NULL : "it is taken";
}

static uint64_t protect_no_ram(uint64_t argument)
{
	(void)argument;
	return vsm_protect((const void *)0x100000000000ull, READ | EXECUTE);
}

static const char *only_ram(void)
{
	return in_vtl1(protect_no_ram, 0) == GABI_HV_STATUS_INVALID_PARAMETER ? NULL : "the status is another one";
}

static uint64_t protect_list(uint64_t argument)
{
	const uint64_t in[] = { PARTITION, argument | (uint64_t)VTL0 << 32, (uint64_t)target / PAGE, (uint64_t)target / PAGE + 1 };

	return vsm_call(GABI_HV_CALL_ModifyVtlProtectionMask | REP(2), in, sizeof(in), NULL, 0);
}

static uint64_t refused(uint64_t row)
{
	static const struct {
		uint64_t partition, flags, control;
		unsigned want; /* 0: whatever, but an error */
	} rows[] = {
		{ 0x1234, ALL | (uint64_t)VTL0 << 32, REP(1), GABI_HV_STATUS_INVALID_PARTITION_ID },
		{ PARTITION, WRITE | (uint64_t)VTL0 << 32, REP(1), GABI_HV_STATUS_INVALID_PARAMETER },
		{ PARTITION, 1 << 4 | ALL | (uint64_t)VTL0 << 32, REP(1), GABI_HV_STATUS_INVALID_PARAMETER },
		{ PARTITION, ALL | (uint64_t)(VTL0 | 0x20) << 32, REP(1), 0 },
		{ PARTITION, ALL | (uint64_t)VTL2 << 32, REP(1), 0 },
		{ PARTITION, ALL | (uint64_t)VTL0 << 32 | 1ull << 40, REP(1), GABI_HV_STATUS_INVALID_PARAMETER },
		{ PARTITION, ALL | (uint64_t)VTL0 << 32, REP(0), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
		{ PARTITION, ALL | (uint64_t)VTL0 << 32, REP(1) | 1ull << 48, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
		{ PARTITION, ALL | (uint64_t)VTL0 << 32, REP(1) | 1ull << 27, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	};
	const uint64_t in[] = { rows[row].partition, rows[row].flags, (uint64_t)target / PAGE };
	uint64_t result = vsm_call(GABI_HV_CALL_ModifyVtlProtectionMask | rows[row].control, in, sizeof(in), NULL, 0);

	return (result & 0xffff) == 0 || (rows[row].want && (result & 0xffff) != rows[row].want);
}

static const char *bad_input(unsigned row)
{
	return in_vtl1(refused, row) ? "it is taken, or the status is another one" : NULL;
}

static uint64_t protect_past_ram(uint64_t argument)
{
	const uint64_t first = (uint64_t)target / PAGE, in[] = { PARTITION, argument | (uint64_t)VTL0 << 32, first, 0xfffffffffffff, first + 1 };

	return vsm_call(GABI_HV_CALL_ModifyVtlProtectionMask | REP(3), in, sizeof(in), NULL, 0);
}

static const char *done_as_far(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t result = in_vtl1(protect_past_ram, READ | EXECUTE);

	if (result != (REP(1) | GABI_HV_STATUS_INVALID_PARAMETER))
		return "the result is another one";
	*(volatile uint8_t *)target = 1;
	if (seen[0].intercepts != before + 1)
		return "the page before it is not protected";
	*(volatile uint8_t *)&target[PAGE] = 1;
	return seen[0].intercepts == before + 1 ? NULL : "the page behind it is protected";
}

static uint64_t protect_second(uint64_t argument)
{
	const uint64_t in[] = { PARTITION, argument | (uint64_t)VTL0 << 32, (uint64_t)target / PAGE, (uint64_t)target / PAGE + 1 };

	return vsm_call(GABI_HV_CALL_ModifyVtlProtectionMask | REP(2) | 1ull << 48, in, sizeof(in), NULL, 0);
}

static const char *goes_on(void)
{
	uint32_t before = seen[0].intercepts;

	if (in_vtl1(protect_second, READ | EXECUTE) != REP(2))
		return "the result is another one";
	*(volatile uint8_t *)target = 1;
	if (seen[0].intercepts != before)
		return "the element before it is done too";
	*(volatile uint8_t *)&target[PAGE] = 1;
	return seen[0].intercepts == before + 1 ? NULL : "the element is not done";
}

static const char *list(void)
{
	uint64_t result = in_vtl1(protect_list, READ | EXECUTE);

	in_vtl1(protect_list, ALL);
	return result == REP(2) ? NULL : "the result is another one";
}

/* ---- accesses ---- */

#define AT ((volatile uint64_t *)target)
#define RET 0xc3

static void do_load(void) { (void)*AT; }
static void do_store(void) { *AT = 0x1111; }
static void do_modify(void) { __asm__ volatile("addq $5, %0" : "+m"(*AT)); }
static void do_lock(void) { __asm__ volatile("lock addq $5, %0" : "+m"(*AT)); }
static void do_exchange(void) { uint64_t value = 0x2222; __asm__ volatile("xchg %0, %1" : "+r"(value), "+m"(*AT)); }
static void do_sse_load(void) { __asm__ volatile("movdqu %0, %%xmm1" : : "m"(*(volatile uint8_t (*)[16])target)); }
static void do_sse_store(void) { __asm__ volatile("movdqu %%xmm1, %0" : "=m"(*(volatile uint8_t (*)[16])target)); }

static void do_push(void)
{
	uint64_t top = (uint64_t)target + 8;

	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %0, %%rsp\n\tpush $0x33\n\tmov %%rbx, %%rsp" : : "r"(top) : "rbx", "memory");
}

static void do_string_to(void)
{
	void *to = target;
	uint64_t count = 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x4444ull) : "memory");
}

static void do_string_from(void)
{
	const void *from = target;
	void *to = bystander;
	uint64_t count = 8;

	__asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
}

/* The second half of the string lies in the page; the first is copied once. */
static void do_string_into(void)
{
	void *to = target;
	uint64_t count = 2 * PAGE / 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x5555ull) : "memory");
}

static void do_execute(void) { ((void (*)(void))(uint64_t)target)(); }
static void do_compare(void) { uint64_t old = 1; __asm__ volatile("lock cmpxchg %2, %1" : "+a"(old), "+m"(*AT) : "r"(2ull) : "cc"); }

/* As a page of page tables, which the processor reads and, where it marks what it used, writes. */
#define WINDOW 0x60000000ull

static void do_walk(void)
{
	(void)*(volatile uint8_t *)WINDOW;
}

static uint64_t *entry_of_window(void)
{
	uint64_t cr3, *table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)(cr3 & ~(PAGE - 1));
	for (unsigned shift = 39; shift > 21; shift -= 9)
		table = (uint64_t *)(table[WINDOW >> shift & 511] & ~(PAGE - 1));
	return &table[WINDOW >> 21 & 511];
}

static const struct access {
	void (*run)(void);
	uint64_t first, after; /* of the page's first eight bytes */
	uint8_t kind;          /* what is told of it where nothing is allowed; a read that goes with a write may be told first */
	bool writes;
} accesses[] = {
	{ do_load, 7, 7, ACCESS_READ, false },
	{ do_store, 7, 0x1111, ACCESS_WRITE, true },
	{ do_modify, 7, 12, ACCESS_WRITE, true },
	{ do_lock, 7, 12, ACCESS_WRITE, true },
	{ do_exchange, 7, 0x2222, ACCESS_WRITE, true },
	{ do_compare, 1, 2, ACCESS_WRITE, true },
	{ do_sse_load, 7, 7, ACCESS_READ, false },
	{ do_sse_store, 7, 7, ACCESS_WRITE, true },
	{ do_push, 7, 0x33, ACCESS_WRITE, true },
	{ do_string_to, 7, 0x4444, ACCESS_WRITE, true },
	{ do_string_from, 7, 7, ACCESS_READ, false },
	{ do_string_into, 7, 0x5555, ACCESS_WRITE, true },
	{ do_execute, RET, RET, ACCESS_EXECUTE, false },
	{ do_walk, 0, 0, ACCESS_READ, false },
};

static uint64_t peek(uint64_t address)
{
	return *(const volatile uint64_t *)address;
}

static void prepare(const struct access *access)
{
	uint64_t cr3;

	for (unsigned i = 0; i < 2 * PAGE / 8; i++)
		((volatile uint64_t *)target)[i] = 0;
	*AT = access->run == do_walk ? (uint64_t)bystander | 3 : access->first;
	if (access->run == do_sse_store)
		__asm__ volatile("movq %0, %%xmm1" : : "r"(7ull));
	if (access->run == do_walk) {
		*entry_of_window() = (uint64_t)target | 3;
		__asm__ volatile("mov %%cr3, %0\n\tmov %0, %%cr3" : "=r"(cr3) : : "memory");
	}
}

static const char *judge_message(const struct access *access, const struct vsm_seen *level)
{
	if (message_u32(level, 0) != MSG_GPA)
		return "the message's type is another one";
	if ((message_u64(level, PAYLOAD + 56) & ~(PAGE - 1)) != (uint64_t)target)
		return "the message names another page";
	if (message_u32(level, PAYLOAD) != 0)
		return "the message names another processor";
	if (access->run == do_walk || access->kind == level->message[PAYLOAD + 5])
		return NULL;
	/* Whoever may neither read nor write is told of either first. */
	return access->writes && level->message[PAYLOAD + 5] == ACCESS_READ ? NULL : "the message names another kind of access";
}

static const char *forbidden(unsigned row, unsigned rights)
{
	const struct access *access = &accesses[row];
	uint32_t before = seen[0].intercepts, entries = seen[0].entries[3];
	const char *why;

	prepare(access);
	if (protect(rights))
		return "the page cannot be protected";
	access->run();
	if (seen[0].intercepts == before) {
		protect(ALL);
		return "it is not intercepted";
	}
	why = judge_message(access, &seen[0]);
	if (why)
		return why;
	if (seen[0].intercepts != before + 1)
		return "it is intercepted more than once, though the page is open";
	if (seen[0].entries[3] != entries + 1)
		return "the entry reason is not an intercept";
	if (access->run != do_walk && *AT != access->after)
		return "the instruction is not done as it is without protection";
	return NULL;
}

static const char *no_access(unsigned row)
{
	return forbidden(row, 0);
}

static const char *read_only(unsigned row)
{
	uint32_t before = seen[0].intercepts;

	if (accesses[row].writes)
		return forbidden(row, READ | EXECUTE);
	if (accesses[row].run == do_walk)
		return SKIP("the processor may mark its tables as used");
	prepare(&accesses[row]);
	if (protect(READ | EXECUTE))
		return "the page cannot be protected";
	accesses[row].run();
	protect(ALL);
	return seen[0].intercepts == before ? NULL : "it is intercepted, though it only reads";
}

static const char *higher_is_free(void)
{
	uint64_t value;

	*AT = 0x77;
	protect(0);
	value = in_vtl1(peek, (uint64_t)target);
	protect(ALL);
	return value == 0x77 ? NULL : "it reads another value";
}

static const char *nothing_leaks(void)
{
	uint32_t before = seen[0].intercepts;
	uint32_t value = 0x1234;

	*AT = 0x5ec2e7;
	protect(0);
	seen[0].skips = true;
	seen[0].skipped_rax = 0;
	__asm__ volatile("mov (%%rcx), %%eax" : "=a"(value) : "c"(AT) : "memory"); /* two bytes */
	seen[0].skips = false;
	protect(ALL);
	return seen[0].intercepts == before + 1 && value == 0 ? NULL : "the value comes through, or the instruction is not passed over";
}

/* A page without execute is refused where it cannot be held. */
static const char *no_execute(void)
{
	uint32_t before = seen[0].intercepts;
	unsigned status;

	prepare(&accesses[12]);
	status = protect(READ | WRITE);
	if (status)
		return status == GABI_HV_STATUS_INVALID_PARAMETER ? SKIP("it is refused: this hypervisor cannot") : "the status is another one";
	do_execute();
	protect(ALL);
	return seen[0].intercepts == before + 1 ? NULL : "it is taken, and not held";
}

static const char *neighbours(void)
{
	uint32_t before = seen[0].intercepts;

	protect(0);
	target[PAGE] = 1;
	(target - 1)[0] = (target - 1)[0];
	protect(ALL);
	return seen[0].intercepts == before ? NULL : "the page beside it is intercepted";
}

/* ---- hypercalls and what else writes for a guest ---- */

static const char *hypercall_input(void)
{
	uint32_t before = seen[0].intercepts;
	uint64_t result, control = GABI_HV_CALL_PostMessage, gpa = (uint64_t)target;

	for (unsigned i = 0; i < 32; i++)
		AT[i] = 0;
	AT[1] = 1;
	protect(0);
	result = vsm_call_at(control, gpa, 0);
	protect(ALL);
	if (seen[0].intercepts == before)
		return result & 0xffff ? "it is not told" : "it is read";
	return NULL;
}

static const char *hypercall_output(void)
{
	uint32_t before = seen[0].intercepts;
	static uint64_t in[3] __attribute__((aligned(64)));
	uint64_t value;

	in[0] = PARTITION;
	in[1] = VP_SELF;
	in[2] = REG_VP_STATUS;
	AT[0] = AT[1] = 0x9999;
	protect(READ | EXECUTE);
	seen[0].keeps = true; /* and it is not taken back, so the call is passed over */
	seen[0].skips = true;
	vsm_call_at(GABI_HV_CALL_GetVpRegisters | REP(1), (uint64_t)in, (uint64_t)target);
	seen[0].keeps = seen[0].skips = false;
	value = in_vtl1(peek, (uint64_t)target);
	protect(ALL);
	if (value != 0x9999)
		return "it is written";
	return seen[0].intercepts > before ? NULL : "it is not told";
}

/* An overlay is a page of its own: neither is what lies below written, nor is it forbidden by the rights of what lies below. */
static const char *overlay_over_protected(void)
{
	uint64_t value;

	AT[0] = 0x8888;
	protect(0);
	wrmsr(GABI_HV_MSR_SIMP, (uint64_t)target | 1);
	wrmsr(GABI_HV_MSR_SIMP, 0);
	value = in_vtl1(peek, (uint64_t)target);
	protect(ALL);
	return value == 0x8888 ? NULL : "what lies below it has changed";
}

/* KVM's own clock, where a guest of Hyper-V could still ask for it, writes into memory of the guest's choice. */
static const char *clock_over_protected(void)
{
	enum { SYSTEM_TIME = 0x12, SYSTEM_TIME_NEW = 0x4b564d01 };
	uint64_t value;

	AT[0] = 0x8888;
	protect(0);
	wrmsr(SYSTEM_TIME_NEW, (uint64_t)target | 1);
	vsm_wait(1);
	wrmsr(SYSTEM_TIME_NEW, 0);
	wrmsr(SYSTEM_TIME, (uint64_t)target | 1);
	vsm_wait(1);
	wrmsr(SYSTEM_TIME, 0);
	vsm_fault();
	value = in_vtl1(peek, (uint64_t)target);
	protect(ALL);
	return value == 0x8888 ? NULL : "it has written there";
}

#define PROTECTS "vsm, Memory Access Protections"
#define VIOLATES "vsm, Memory Access Violations"

const struct vsm_case vsm_memory_cases[] = {
	{ "vsm, Enable VTL Protections", "no protection before EnableVtlProtection", not_before_enabled, NULL, 0 },
	{ "vsm, Partition Configuration", "a lower VTL does not write a higher one's configuration", lower_configures_higher, NULL, 0 },
	{ "vsm, Zero Memory on Reset", "is on by default", zeroed_on_reset, NULL, 0 },
	{ "vsm, Partition Configuration", "reserved bits are refused", config_reserved, NULL, 0 },
	{ "vsm, Enable VTL Protections", "EnableVtlProtection is taken", enabling, NULL, 0 },
	{ "vsm, Default Protection Mask", "holds for pages that nobody has protected", default_mask, NULL, 0 },
	{ "vsm, Default Protection Mask", "cannot be changed once it is set", mask_is_for_ever, NULL, 0 },
	{ "vsm, Default Protection Mask", "a page may be given other rights", mask_is_overridden, NULL, 0 },
	{ "vsm, Enable VTL Protections", "EnableVtlProtection is write once", enabling_is_for_ever, NULL, 0 },
	{ "HvCallModifyVtlProtectionMask", "a VTL places protections on lower ones only: not VTL 0", lower_protects, NULL, 0 },
	{ "HvCallModifyVtlProtectionMask", "a VTL places protections on lower ones only: not VTL 1 on itself", not_of_itself, NULL, 0 },
	{ "HvCallModifyVtlProtectionMask", "what is no RAM: invalid parameter", only_ram, NULL, 0 },
	{ "HvCallModifyVtlProtectionMask", "a list is done to its end", list, NULL, 0 },
	{ "HvCallModifyVtlProtectionMask", "a list is done as far as the page that is no RAM", done_as_far, NULL, 0 },
	{ "hypercall-interface, Hypercall Continuation", "a list goes on at its start index", goes_on, NULL, 0 },
#define ROW(name, number) { "HvCallModifyVtlProtectionMask", name, NULL, bad_input, number }
	ROW("of another partition: invalid partition id", 0), ROW("write without read: invalid parameter", 1),
	ROW("reserved flags: invalid parameter", 2), ROW("a target VTL with reserved bits: refused", 3), ROW("a target VTL above the caller: refused", 4),
	ROW("reserved bytes: invalid parameter", 5),
#undef ROW
#define ROW(name, number) { "hypercall-interface, Hypercall Inputs", name, NULL, bad_input, number }
	ROW("a list of none: invalid hypercall input", 6), ROW("a start index at the list's end: invalid hypercall input", 7),
	ROW("reserved bits of the input value: invalid hypercall input", 8),
#undef ROW
#define ROW(name, number) { VIOLATES, "no access: " name, NULL, no_access, number }
	ROW("a load", 0), ROW("a store", 1), ROW("read, modify, write", 2), ROW("the same locked", 3), ROW("XCHG", 4), ROW("CMPXCHG", 5),
	ROW("an SSE load", 6), ROW("an SSE store", 7), ROW("PUSH", 8), ROW("REP STOS", 9), ROW("REP MOVS from there", 10),
	ROW("REP STOS through it", 11), ROW("an instruction fetch", 12), ROW("a walk of page tables", 13),
#undef ROW
#define ROW(name, number) { VIOLATES, "read only: " name, NULL, read_only, number }
	ROW("a load", 0), ROW("a store", 1), ROW("read, modify, write", 2), ROW("the same locked", 3), ROW("XCHG", 4), ROW("CMPXCHG", 5),
	ROW("an SSE load", 6), ROW("an SSE store", 7), ROW("PUSH", 8), ROW("REP STOS", 9), ROW("REP MOVS from there", 10),
	ROW("REP STOS through it", 11), ROW("an instruction fetch", 12),
#undef ROW
	{ PROTECTS, "read and write without execute is held, or refused", no_execute, NULL, 0 },
	{ PROTECTS, "the higher VTL itself is free", higher_is_free, NULL, 0 },
	{ VIOLATES, "the higher VTL may pass over the instruction: nothing of the page comes through", nothing_leaks, NULL, 0 },
	{ PROTECTS, "the pages beside it are free", neighbours, NULL, 0 },
	{ "hypercall-interface, Alignment Requirements", "input that the caller may not read is intercepted", hypercall_input, NULL, 0 },
	{ "hypercall-interface, Alignment Requirements", "output that the caller may not write is intercepted, and not written", hypercall_output, NULL, 0 },
	{ "vsm, VTL Protections", "an overlay of VTL 0 over a protected page changes nothing below", overlay_over_protected, NULL, 0 },
	{ "vsm, DMA and Devices", "paravirtual clocks write with VTL 0's rights", clock_over_protected, NULL, 0 },
	{ 0 },
};
