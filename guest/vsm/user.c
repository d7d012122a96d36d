/* SPDX-License-Identifier: MIT */
/* User mode, for what is the kernel's alone. Processor 0, in any level. */
#include "vsm.h"

enum { IMAGE = 8 /* large pages that hold the image */, TSS = 48, TSS_LEN = 104, STACK = 1024, KERNEL_CODE = 8, KERNEL_DATA = 16, USER = 4 };

void vsm_enter_user(const volatile void *code, void *stack);
extern uint8_t vsm_left_user[];
extern uint64_t vsm_kernel_rsp;

/* Those of start_multiboot.S, those of user mode, and a TSS for each level. */
static uint64_t gdt[6 + 2 * LEVELS] = {
	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff,
};
static uint32_t tss[LEVELS][(TSS_LEN + 3) / 4] __attribute__((aligned(16)));
static uint64_t fault_stack[LEVELS][STACK] __attribute__((aligned(16)));
static uint64_t user_stack[STACK] __attribute__((aligned(16)));
static bool inside;
static unsigned ended_by;

static void load_tables(unsigned level)
{
	const struct {
		uint16_t pad[3], limit;
		uint64_t base;
	} pointer = { { 0 }, sizeof(gdt) - 1, (uint64_t)gdt };
	uint64_t at = (uint64_t)tss[level], stack = (uint64_t)(fault_stack[level] + STACK);

	tss[level][1] = (uint32_t)stack; /* RSP0 */
	tss[level][2] = (uint32_t)(stack >> 32);
	gdt[6 + 2 * level] = (TSS_LEN - 1) | (at & 0xffffff) << 16 | 0x89ull << 40 | (at >> 24 & 0xff) << 56;
	gdt[7 + 2 * level] = at >> 32;
	__asm__ volatile("lgdt %0" : : "m"(pointer.limit));
	__asm__ volatile("ltr %w0" : : "r"(TSS + 16 * level));
}

static void let_user_see_all(bool on)
{
	uint64_t cr3, *table;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)(cr3 & ~(PAGE - 1));
	for (unsigned depth = 0; depth < 2; depth++) {
		table[0] = on ? table[0] | USER : table[0] & ~(uint64_t)USER;
		table = (uint64_t *)(table[0] & ~(PAGE - 1));
	}
	for (unsigned i = 0; i < IMAGE; i++)
		table[i] = on ? table[i] | USER : table[i] & ~(uint64_t)USER;
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

bool vsm_leave_user_mode(struct guest_frame *frame)
{
	if (!inside || !(frame->cs & 3))
		return false;
	inside = false;
	ended_by = (unsigned)frame->vector;
	frame->rip = (uint64_t)vsm_left_user;
	frame->rsp = vsm_kernel_rsp;
	frame->cs = KERNEL_CODE;
	frame->ss = KERNEL_DATA;
	frame->rflags = 2;
	return true;
}

unsigned vsm_in_user_mode(const volatile void *code)
{
	static const uint8_t halt = 0xf4; /* #GP there */

	load_tables(vsm_level());
	let_user_see_all(true);
	user_stack[STACK - 2] = (uint64_t)&halt;
	inside = true;
	vsm_enter_user(code, &user_stack[STACK - 2]);
	let_user_see_all(false);
	return ended_by;
}
