/* SPDX-License-Identifier: MIT */
/*
 * A guest with tasks, which only 32 bits have: it goes back to these, jumps to the second task's TSS, and that one back to the first's. It ends with 0 where both
 * find what belongs to them.
 */
#include "bare.h"

#include <stddef.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)
#define DATA   16 /* selectors, as in start_multiboot.S */
#define CODE   24
#define FIRST  32
#define SECOND 40
#define MARK   0x5ec0d7a5 /* in EBX of the second */

/* SDM volume 3, 32-Bit Task-State Segment. */
struct tss {
	uint32_t back, stacks[6], cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt, io_map;
};
_Static_assert(offsetof(struct tss, ebx) == 52 && offsetof(struct tss, gs) == 92 && sizeof(struct tss) == 104, "as the SDM has it");

struct tss first_tss __attribute__((aligned(128))), second_tss __attribute__((aligned(128)));
static uint32_t stack[256];

void go_on_with_tasks(void) __attribute__((noreturn));
extern char second_task[];

__asm__(".text\n"
	"go_on_with_tasks:\n"
	"	pushq $" TEXT(CODE) "\n"
	"	pushq $1f\n"
	"	lretq\n"
	"	.code32\n"
	"1:	mov $" TEXT(DATA) ", %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	mov %eax, %ss\n"
	"	mov %cr0, %eax\n"
	"	and $0x7fffffff, %eax\n" /* no paging, and so no long mode */
	"	mov %eax, %cr0\n"
	"	mov $" TEXT(FIRST) ", %eax\n"
	"	ltr %ax\n"
	"	xor %ebx, %ebx\n"
	"	mov $1, %esi\n" /* the guest's status */
	"	ljmp $" TEXT(SECOND) ", $0\n"
	"	str %eax\n"
	"	xor $" TEXT(FIRST) ", %eax\n"
	"	or %ebx, %eax\n"
	"	jnz 2f\n"
	"	xor %esi, %esi\n"
	"2:	mov %esi, %eax\n"
	"	out %al, $0xf4\n"
	"	jmp 2b\n"
	"second_task:\n"
	"	str %eax\n"
	"	xor $" TEXT(SECOND) ", %eax\n"
	"	xor $" TEXT(MARK) ", %ebx\n"
	"	or %eax, %ebx\n"
	"	mov %ebx, first_tss + 52\n" /* EBX: 0 where all is well */
	"	ljmp $" TEXT(FIRST) ", $0\n"
	"	.code64\n");

static uint64_t descriptor_of(const struct tss *tss)
{
	uint64_t base = (uint64_t)tss;

	return 0x890000000067 | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
}

void guest_interrupt(struct guest_frame *frame)
{
	(void)frame;
}

void guest_other(uint32_t number)
{
	(void)number;
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	static uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff, 0, 0 };
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr = { sizeof(gdt) - 1, (uint64_t)gdt };

	(void)magic, (void)info;
	gdt[FIRST / 8] = descriptor_of(&first_tss);
	gdt[SECOND / 8] = descriptor_of(&second_tss);
	second_tss.eip = (uint32_t)(uint64_t)second_task;
	second_tss.esp = (uint32_t)(uint64_t)(stack + 256);
	second_tss.eflags = 2;
	second_tss.ebx = MARK;
	second_tss.cs = CODE;
	second_tss.ds = second_tss.es = second_tss.ss = DATA;
	__asm__ volatile("lgdt %0" : : "m"(gdtr));
	go_on_with_tasks();
}
