/* SPDX-License-Identifier: MIT */
	.text

/* All but RAX, RCX, which the assist page has, and RSP, which is private. */
	.macro keep_registers
	.irp name, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	mov %\name, saved_\name
	.endr
	.endm
	.macro give_registers_back
	.irp name, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	mov saved_\name, %\name
	.endr
	.endm

/*
 * void secure_entry(void): where VTL 1 begins. General registers are shared: those of VTL 0 are kept over what VTL 1 does, which is in C, and go back
 * as they came.
 */
	.globl secure_entry
secure_entry:
	keep_registers
	call secure_begin
1:	mov secure_return, %rax
	xor %ecx, %ecx /* a slow return: RAX and RCX come from the assist page */
	give_registers_back
	call *%rax
	mov %rax, saved_rax
	mov %rcx, saved_rcx
	keep_registers
	call secure_serve
	jmp 1b

	.bss
	.balign 8
	.globl saved_rax, saved_rcx, saved_rbx
	.irp name, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
saved_\name:
	.skip 8
	.endr

	.section .note.GNU-stack, "", @progbits
