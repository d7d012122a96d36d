/* SPDX-License-Identifier: MIT */
/* The firmware of a machine that has no other: from the reset vector to 32-bit mode, and the handler of #GP. */
#define ROM 0xffff0000 /* the last 64 KiB below 4 GiB; in 16-bit mode they are CS */

	.section .text.first, "ax"
	.code16
real_mode:
	cli
	addr32 lgdtl %cs:gdt_pointer - ROM
	mov %cr0, %eax
	or $1, %eax
	mov %eax, %cr0
	ljmpl $8, $protected_mode
	.code32
protected_mode:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $0x7c00, %esp
	/* The gates stand in memory, from 0 on: 13 of nothing, then #GP. */
	lea general_protection, %eax
	mov %ax, 13 * 8
	movw $8, 13 * 8 + 2
	movw $0x8e00, 13 * 8 + 4
	shr $16, %eax
	mov %ax, 13 * 8 + 6
	lidt idt_pointer
	call rom_main
1:	hlt
	jmp 1b

general_protection: /* a refused RDMSR, 2 bytes long, is passed over */
	movl $1, 0x500
	add $4, %esp
	addl $2, (%esp)
	ret $8 /* CS and the flags are as they were */

	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* 8: code, 32 bits */
	.quad 0x00cf93000000ffff /* 16: data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
idt_pointer:
	.word 14 * 8 - 1
	.long 0

	.section .reset, "ax"
	.code16
	jmp real_mode
	.section .note.GNU-stack, "", @progbits
