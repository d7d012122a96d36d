/* SPDX-License-Identifier: MIT */
/* The entry, in 64-bit mode, and the handler of #GP: a refused RDMSR, 2 bytes long, is passed over. */
	.section .start, "ax"
	.globl start
start:
	lgdt gdt_pointer(%rip)
	lea gate_gp(%rip), %rdi
	lea general_protection(%rip), %rax
	mov %ax, (%rdi)
	shr $16, %rax
	mov %ax, 6(%rdi)
	lidt idt_pointer(%rip)
	call guest_main

general_protection:
	movl $1, guest_faulted(%rip)
	add $8, %rsp /* the error code */
	addq $2, (%rsp)
	iretq

	.data
	.balign 16
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 8: code, 64 bits */
	.quad 0x00cf93000000ffff /* 16: data */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt
	.balign 16
idt:
	.fill 26, 8, 0 /* 13 gates */
gate_gp:
	.word 0, 8, 0x8e00, 0 /* an interrupt gate, present */
	.quad 0
idt_end:
idt_pointer:
	.word idt_end - idt - 1
	.quad idt
	.balign 4
	.globl guest_faulted
guest_faulted:
	.long 0
	.section .note.GNU-stack, "", @progbits
