/* SPDX-License-Identifier: MIT */
/* What the two kinds of hypervisor in guest/l1.c have in common. */
#ifndef GABI_GUEST_L1_VENDOR_H
#define GABI_GUEST_L1_VENDOR_H

#include "l1.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static inline u64 read_msr(u32 index)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
	return (u64)high << 32 | low;
}

static inline void write_msr(u32 index, u64 value)
{
	__asm__ volatile("wrmsr" : : "c"(index), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

static inline void store(u64 page, u32 at, u32 bytes, u64 value)
{
	for (u32 i = 0; i < bytes; i++)
		((volatile u8 *)page)[at + i] = (u8)(value >> 8 * i);
}

static inline u64 load(u64 page, u32 at, u32 bytes)
{
	u64 value = 0;

	for (u32 i = bytes; i-- > 0;)
		value = value << 8 | ((volatile u8 *)page)[at + i];
	return value;
}

/* A round of L2 up to its call. It uses no register, so that L1's are as they were after it. */
#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)
#define L2_ROUND                                                                    \
	"	incq " TEXT(L1_PAGE) "+" TEXT(L1_L2_ROUNDS) "\n"                    \
	"	rolq $" TEXT(L1_ROTATE) ", " TEXT(L1_PAGE) "+" TEXT(L1_CHAIN) "\n"  \
	"	addq $" TEXT(L1_STEP) ", " TEXT(L1_PAGE) "+" TEXT(L1_CHAIN) "\n"    \
	"	outb %al, $" TEXT(L1_PORT_IN_L2) "\n"

#define CODE_SELECTOR 8
#define DATA_SELECTOR 16

u64 read_cr0(void);
u64 read_cr3(void);
u64 read_cr4(void);

/* Descriptor tables as LGDT and LIDT take them. */
struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));
struct table read_gdt(void);
struct table read_idt(void);

/* Writes the port at which the host may look, between two rounds. */
void stop_in_l1(void);

/* Makes L2 ready; then a round: enters L2 and takes its call. Not 0: what came instead. */
void svm_begin(void);
u64 svm_round(u64 number);
void vmx_begin(int enlightened);
u64 vmx_round(u64 number);

#endif
