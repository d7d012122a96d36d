/* SPDX-License-Identifier: MIT */
/* The guest hypervisor: as many rounds as it is told, whichever way its processor has. */
#include "l1_vendor.h"

void guest_main(void);

u64 read_cr0(void)
{
	u64 value;

	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

u64 read_cr3(void)
{
	u64 value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value));
	return value;
}

u64 read_cr4(void)
{
	u64 value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

struct table read_gdt(void)
{
	struct table table;

	__asm__ volatile("sgdt %0" : "=m"(table));
	return table;
}

struct table read_idt(void)
{
	struct table table;

	__asm__ volatile("sidt %0" : "=m"(table));
	return table;
}

void stop_in_l1(void)
{
	__asm__ volatile("outb %%al, %0" : : "i"(L1_PORT) : "memory");
}

static void end(void)
{
	for (;;)
		__asm__ volatile("outb %%al, %0" : : "i"(GUEST_END) : "memory");
}

void guest_main(void)
{
	volatile struct l1_page *page = (struct l1_page *)L1_PAGE;

	if (page->kind == L1_SVM)
		svm_begin();
	else
		vmx_begin(page->kind == L1_EVMCS);
	while (page->l1_rounds < page->rounds && !page->wrong) {
		page->wrong = page->kind == L1_SVM ? svm_round(page->l1_rounds) : vmx_round(page->l1_rounds);
		page->l1_rounds++;
	}
	end();
}
