/* SPDX-License-Identifier: MIT */
/*
 * A guest that is a hypervisor: its guest, L2, and the page through which the host tells it what to do and sees what it did.
 *
 * L2 makes one step a round, stops at L1_PORT_IN_L2, which its hypervisor does not intercept, and calls its hypervisor. That
 * counts, stops at L1_PORT, and enters again. Each stop is a place where the host may save everything and go on elsewhere.
 */
#ifndef GABI_GUEST_L1_H
#define GABI_GUEST_L1_H

#include "guest.h"

enum l1_kind { L1_SVM, L1_VMX, L1_EVMCS };

#define L1_PORT       0xe1 /* written in L1 before each round; the value is the round */
#define L1_PORT_IN_L2 0xe2 /* written in L2 */

/* Guest-physical addresses beside those of guest.h; memory begins at 0, for only x86 has this guest. */
#define L1_PAGE   0xf0000 /* struct l1_page */
#define L1_VMCS   0xf1000 /* VMCB, VMCS or enlightened VMCS */
#define L1_VMXON  0xf2000 /* VMXON region, or SVM's host save area */
#define L1_ASSIST 0xf3000 /* Hyper-V's VP assist page */

/* Offsets in the page that L2 knows, and what it does with them. */
#define L1_L2_ROUNDS 16
#define L1_CHAIN     24
#define L1_STEP      0x1234567
#define L1_ROTATE    5

struct l1_page {
	unsigned int kind;   /* enum l1_kind */
	unsigned int rounds; /* how many to make before GUEST_END is written */
	unsigned long long l1_rounds;
	unsigned long long l2_rounds;
	unsigned long long chain; /* L2: rotated left by L1_ROTATE, and L1_STEP added, each round */
	unsigned long long wrong; /* not 0: the exit code or VM-instruction error that L1 did not expect; it ended early */
};

#endif
