/* SPDX-License-Identifier: MIT */
/* Memory that VTL 1 keeps from VTL 0: each kind of access to it is told, and made once more or passed over. */
#include "secure.h"

uint8_t shot[3 * PAGE] __attribute__((aligned(4096)));
static uint8_t source[64], walked[PAGE] __attribute__((aligned(4096)));

enum { EITHER = 3 };
#define WINDOW 0x40000000ull /* mapped by a page table that is protected */

static struct {
	unsigned page, rights;
} wanted;

static uint64_t protect_wanted(void)
{
	return protect(shot + wanted.page * PAGE, 1, wanted.rights);
}

uint64_t protect_shot(unsigned page, unsigned rights)
{
	wanted.page = page;
	wanted.rights = rights;
	return ask(protect_wanted);
}

uint64_t *word(unsigned at)
{
	return (uint64_t *)(void *)shot + at;
}

void fill_shot(void)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		*word(i) = FILLING;
}

void put_code(uint8_t *at)
{
	static const uint8_t code[] = { 0xb8, CODE_RETURNS, 0, 0, 0, RET }; /* mov $CODE_RETURNS, %eax; ret */

	for (unsigned i = 0; i < sizeof(code); i++)
		at[i] = code[i];
}

uint64_t run_code(const uint8_t *at)
{
	uint64_t result;

	__asm__ volatile("call *%1" : "=a"(result) : "r"(at) : "memory");
	return result;
}

/* ---- each kind of access: true where it has had its effect on a page that was prepared for it ---- */

static uint64_t do_store(void)
{
	*(volatile uint64_t *)word(1) = 0xabcd;
	return *word(1) == 0xabcd;
}

static uint64_t do_load(void)
{
	return *(volatile uint64_t *)word(0) == FILLING;
}

static uint64_t do_add(void)
{
	__asm__ volatile("addq $3, %0" : "+m"(*word(1)) : : "cc");
	return *word(1) == FILLING + 3;
}

static uint64_t do_xadd(void)
{
	uint64_t value = 1;

	__asm__ volatile("lock xaddq %0, %1" : "+r"(value), "+m"(*word(1)) : : "cc");
	return value == FILLING && *word(1) == FILLING + 1;
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

static uint64_t do_execute(void)
{
	return run_code(shot) == CODE_RETURNS;
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
	return value == FILLING && *word(5) == 0x1234;
}

static uint64_t do_compare(void)
{
	uint64_t value = FILLING;

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

static void prepare(uint64_t (*act)(void))
{
	fill_shot();
	if (act == do_execute)
		put_code(shot);
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
	for (unsigned i = 0; i < COUNT_OF(accesses); i++) {
		uint64_t before = secure.intercepts, right;

		say_name(accesses[i].name);
		prepare(accesses[i].act);
		check("protection: is taken", protect_shot(0, accesses[i].rights), 0);
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

	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		uint64_t before = secure.intercepts, result;
		uint8_t *there = shot + PAGE;

		say_name(rows[i].name);
		for (unsigned j = 0; j < sizeof(rows[i].code); j++)
			there[(int)j - rows[i].before] = rows[i].code[j];
		there[64] = 0x77;
		protect_shot(1, NONE);
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

	fill_shot();
	protect_shot(0, READ);
	check("a read-only page: is read without an intercept", do_load() && secure.intercepts == before, 1);
	protect_shot(0, EVERYTHING);
	*(volatile uint64_t *)word(1) = 1;
	check("without protection: is written without an intercept", secure.intercepts, before);
}

/* VTL 1 does not give the page back, and passes over the instruction. */
static void look_at_skipping(void)
{
	uint64_t before = secure.intercepts, to = 1;

	fill_shot();
	protect_shot(0, READ);
	secure.skip = 3;
	__asm__ volatile("mov %1, (%0)" : : "D"(word(1)), "S"(to) : "memory"); /* 48 89 37 */
	secure.skip = 0;
	check("an access that VTL 1 passes over: is told once", secure.intercepts - before, 1);
	check("an access that VTL 1 passes over: has no effect", *word(1), FILLING);
	protect_shot(0, EVERYTHING);
}

void look_at_protections(void)
{
	look_at_reading();
	look_at_accesses();
	look_at_crossing();
	look_at_skipping();
}
