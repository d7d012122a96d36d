/* SPDX-License-Identifier: MIT */
/* The entry, at EL1 with the MMU off, and the handler of synchronous exceptions: the instruction is passed over. */
	.section .start, "ax"
	.globl start
start:
	adr x0, vectors
	msr vbar_el1, x0
	isb
	b guest_main

	.balign 2048
vectors:
	.balign 512
	.skip 512 /* from the current EL with SP0: not used */
	adr x9, guest_faulted
	mov w10, #1
	str w10, [x9]
	mrs x9, elr_el1
	add x9, x9, #4
	msr elr_el1, x9
	eret

	.balign 8
	.globl guest_faulted
guest_faulted:
	.long 0
	.section .note.GNU-stack, "", @progbits
