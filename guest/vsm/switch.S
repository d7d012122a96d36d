/* SPDX-License-Identifier: MIT */
	.text

/* The registers that a function gives back as they were. */
	.macro keep
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	.endm
	.macro give_back
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	.endm

/*
 * void vsm_go(const void *code, uint64_t control, struct vsm_regs *regs): calls a sequence of the hypercall page that switches the
 * trust level, with the general registers of *regs, and control in RCX. They are shared: what they hold afterwards, when this level goes on,
 * is left there. RSP is private.
 */
	.globl vsm_go
vsm_go:
	keep
	push %rdx
	push %rdi
	mov %rsi, %rcx
	mov %rdx, %rax
	mov 0x10(%rax), %rdx
	mov 0x18(%rax), %rbx
	mov 0x20(%rax), %rbp
	mov 0x28(%rax), %rsi
	mov 0x30(%rax), %rdi
	mov 0x38(%rax), %r8
	mov 0x40(%rax), %r9
	mov 0x48(%rax), %r10
	mov 0x50(%rax), %r11
	mov 0x58(%rax), %r12
	mov 0x60(%rax), %r13
	mov 0x68(%rax), %r14
	mov 0x70(%rax), %r15
	mov 0x00(%rax), %rax
	call *(%rsp)
	push %rax
	mov 0x10(%rsp), %rax
	mov %rcx, 0x08(%rax)
	mov %rdx, 0x10(%rax)
	mov %rbx, 0x18(%rax)
	mov %rbp, 0x20(%rax)
	mov %rsi, 0x28(%rax)
	mov %rdi, 0x30(%rax)
	mov %r8, 0x38(%rax)
	mov %r9, 0x40(%rax)
	mov %r10, 0x48(%rax)
	mov %r11, 0x50(%rax)
	mov %r12, 0x58(%rax)
	mov %r13, 0x60(%rax)
	mov %r14, 0x68(%rax)
	mov %r15, 0x70(%rax)
	pop %rbx
	mov %rbx, 0x00(%rax)
	add $16, %rsp
	give_back
	cld
	ret

/*
 * void vsm_enter_user(const void *code, void *stack): to user mode, with IOPL 3 and RAX and RCX 0. vsm_left_user is where it is left to, with
 * RSP as in vsm_kernel_rsp.
 */
	.globl vsm_enter_user, vsm_left_user, vsm_kernel_rsp
vsm_enter_user:
	keep
	pushfq
	cli
	mov %rsp, vsm_kernel_rsp(%rip)
	push $0x23
	push %rsi
	push $0x3002
	push $0x2b
	push %rdi
	xor %eax, %eax
	xor %ecx, %ecx
	iretq
vsm_left_user:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	popfq
	give_back
	ret
	.bss
	.balign 8
vsm_kernel_rsp:
	.skip 8
	.section .note.GNU-stack, "", @progbits
