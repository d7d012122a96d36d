/* SPDX-License-Identifier: MIT */
/* What guests that run on their own share: ports, memory of devices, the local APIC, a serial line to speak on. */
#ifndef GABI_BARE_H
#define GABI_BARE_H

#include <stdbool.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t regs[4])
{
	__asm__ volatile("cpuid" : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3]) : "a"(leaf), "c"(sub));
}

static inline volatile uint32_t *mmio(uint64_t gpa)
{
	return (volatile uint32_t *)gpa;
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

#define APIC_GPA 0xfee00000u
enum { APIC_ID = 0x20, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_SPURIOUS = 0xf0, APIC_ICR = 0x300, APIC_ICR_HIGH = 0x310 };

/* What the processor and start_multiboot.S push. */
struct guest_frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax, vector, error, rip, cs, rflags, rsp, ss;
};

/* ---- of each guest ---- */

void guest_first(uint32_t magic, const uint32_t *info);
void guest_other(uint32_t number);
void guest_interrupt(struct guest_frame *frame);

/* ---- bare.c ---- */

void say(const char *text);
void say_number(uint64_t value);

/* One line of the report: "ok NAME" or "not ok NAME: SEEN, and WANTED is right". Bad ones are counted. */
void check(const char *name, uint64_t seen, uint64_t wanted);

/* Ends the guest: with status 0 where every check was good. */
void finish(void) __attribute__((noreturn));

/* Fills the IDT with stubs that call guest_interrupt. */
void set_up_interrupts(void);

/* Starts all other processors, or starts them again: they call guest_other, numbered anew from 1. Or one more. */
extern volatile uint32_t guest_others; /* that were started */
void start_others(void);
void start_other(uint32_t apic_id);

void wait_ms(unsigned ms);

/* Waits until *at is value, or at least that; false after some seconds. */
bool wait_for(const volatile uint32_t *at, uint32_t value);
bool wait_for_least(const volatile uint32_t *at, uint32_t value);

/* The number behind "NAME=" in a command line; 0 if there is none. */
uint64_t number_of(const char *line, const char *name);

/* What stands behind "NAME="; NULL if it is not there. */
const char *value_of(const char *line, const char *name);

#endif
