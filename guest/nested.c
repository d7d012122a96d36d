/* SPDX-License-Identifier: MIT */
/*
 * A guest that is a hypervisor and works on while it is moved: its guest, L2, makes a step a round (l1.h). In each round L2 stops for the
 * monitor once, and its hypervisor once, so that moves come in both. No step may be lost or made twice, nor may either notice anything. It
 * speaks after so many rounds, and ends when a 'q' comes in. The command line: "every=64".
 */
#include "unchanged.h"

#include "l1.h"
#include "l1_vendor.h"

enum { SERIAL = 0x3f8, SERIAL_STATUS = 0x3fd, SERIAL_FULL = 1, SVM_IN_ECX = 1 << 2, VMX_IN_ECX = 1 << 5 };

static volatile struct l1_page *const page = (volatile struct l1_page *)L1_PAGE;

void guest_interrupt(struct guest_frame *frame)
{
	check("no exception", frame->vector, 256);
	finish();
}

void guest_other(uint32_t number)
{
	(void)number;
}

static bool find_kind(void)
{
	uint32_t regs[4];

	cpuid(0x80000001, 0, regs);
	page->kind = regs[2] & SVM_IN_ECX ? L1_SVM : L1_VMX;
	cpuid(1, 0, regs);
	return page->kind == L1_SVM || regs[2] & VMX_IN_ECX;
}

static bool is_told_to_end(void)
{
	return in8(SERIAL_STATUS) & SERIAL_FULL && in8(SERIAL) == 'q';
}

static bool round_is_good(uint64_t *chain)
{
	uint64_t wrong = page->kind == L1_SVM ? svm_round(page->l1_rounds) : vmx_round(page->l1_rounds);

	page->l1_rounds++;
	*chain = (*chain << L1_ROTATE | *chain >> (64 - L1_ROTATE)) + L1_STEP;
	return unchanged_is("L2: calls its hypervisor", wrong, 0) && unchanged_is("L2: made one round", page->l2_rounds, page->l1_rounds) &&
	       unchanged_is("L2: its work is as it should be", page->chain, *chain);
}

static bool work_on(uint64_t every)
{
	static struct unchanged_abi abi;
	uint64_t chain = 0, clock = 0;

	for (uint64_t rounds = 1; !is_told_to_end(); rounds++) {
		if (!round_is_good(&chain) || !unchanged_tsc(&clock))
			return false;
		if (rounds % every)
			continue;
		if (!unchanged_abi(&abi))
			return false;
		say("turn ");
		say_number(rounds);
		say("\n");
	}
	return true;
}

void guest_first(uint32_t magic, const uint32_t *info)
{
	uint64_t every = number_of((const char *)(uintptr_t)info[4], "every");

	(void)magic;
	set_up_interrupts();
	for (uint8_t *at = (uint8_t *)L1_PAGE; at < (uint8_t *)L1_ASSIST; at++)
		*(volatile uint8_t *)at = 0; /* firmware's tables were there */
	if (unchanged_is("the processor can have guests", find_kind(), 1)) {
		if (page->kind == L1_SVM)
			svm_begin();
		else
			vmx_begin(0);
		check("L2: all of its rounds are as they should be", work_on(every ? every : 64), 1);
	}
	finish();
}
