/* SPDX-License-Identifier: MIT */
/*
 * From a Multiboot loader, or from a startup IPI, into 64-bit C. Memory below 4 GiB is mapped where it is.
 *
 * The first processor calls guest_first(magic, info), each other one guest_other(its number), on a stack of its own.
 */
#define STACK_LEN  0x4000
#define TRAMPOLINE 0x8000 /* where a startup IPI with vector 8 begins */

	.section .multiboot, "ax"
	.balign 4
	.long 0x1badb002, 2, -(0x1badb002 + 2) /* wants to know the memory */

	.code32
	.globl start
start:
	mov %eax, %ebp
	mov %ebx, %esi
	mov $directories, %edi
	mov $0x83, %eax /* present, writable, 2 MiB */
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $8, %edi
	add $0x200000, %eax
	jnc 1b
	movl $(pointers + 3), tables
	movl $(directories + 0x0003), pointers
	movl $(directories + 0x1003), pointers + 8
	movl $(directories + 0x2003), pointers + 16
	movl $(directories + 0x3003), pointers + 24
	mov $1f, %ebx
	jmp enter_long
1:	ljmp $8, $first_64

/* Everything but that jump: to go back to %ebx. */
enter_long:
	mov $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $tables, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	rdmsr
	or $0x100, %eax /* LME */
	wrmsr
	mov $0x80000011, %eax /* PG, ET, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	jmp *%ebx

	.code64
first_64:
	mov $(stacks + STACK_LEN), %rsp
	call load_data
	mov %ebp, %edi
	call guest_first
	jmp halt

load_data:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	lidt guest_idt_pointer(%rip)
	ret

other_64:
	mov $1, %eax
	lock xadd %eax, guest_others(%rip)
	mov %eax, %ebx
	add $2, %eax
	imul $STACK_LEN, %eax
	lea stacks(%rip), %rcx
	lea (%rcx, %rax), %rsp
	call load_data
	lea 1(%rbx), %edi
	call guest_other
halt:
	hlt
	jmp halt

/* Copied to TRAMPOLINE: what it names, it names by its distance from trampoline. */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl TRAMPOLINE + trampoline_gdt - trampoline
	mov $0x11, %eax
	mov %eax, %cr0
	ljmpl $24, $other_32
trampoline_gdt:
	.word gdt_end - gdt - 1
	.long gdt
trampoline_end:

	.code32
other_32:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $1f, %ebx
	jmp enter_long
1:	ljmp $8, $other_64

/* ---- exceptions: all come to one handler, with the vector on the stack ---- */
	.code64
	.globl guest_stubs
	.balign 16
guest_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	.if !((1 << vector) & 0x60227d00 && vector < 32)
	push $0 /* where the processor pushes no error code */
	.endif
	push $vector
	jmp interrupted
	.set vector, vector + 1
	.endr

interrupted:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	mov %rsp, %rdi
	cld
	call guest_interrupt /* struct guest_frame *, of these */
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 8: code, 64 bits */
	.quad 0x00cf93000000ffff /* 16: data */
	.quad 0x00cf9b000000ffff /* 24: code, 32 bits */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.quad gdt
	.globl guest_idt_pointer
guest_idt_pointer:
	.word 0xfff
	.quad guest_idt
	.globl guest_others
guest_others:
	.long 0

	.bss
	.balign 4096
tables:
	.skip 4096
pointers:
	.skip 4096
directories:
	.skip 4 * 4096
	.globl guest_idt
guest_idt:
	.skip 4096
stacks:
	.skip 64 * STACK_LEN
	.section .note.GNU-stack, "", @progbits
