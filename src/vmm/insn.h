/* SPDX-License-Identifier: MIT */
/* Where an x86 instruction ends: Intel SDM volume 2, chapter 2 and appendix A; AMD's APM volume 3, appendix A, for XOP and 3DNow!. */
#ifndef GABI_VMM_INSN_H
#define GABI_VMM_INSN_H

#include <stdbool.h>
#include <stdint.h>

struct vmm_insn {
	uint8_t len;    /* 0: it goes on behind the bytes that are there */
	uint8_t opcode; /* the first behind the prefixes, of the map without an escape; 0x0f: of another map */
	bool rep;       /* F2 or F3 is among its prefixes */
};

enum { VMM_INSN_MAX = 15 };

/*
 * bits: 16, 32 or 64, as the code segment has it. What no processor knows is as long as its opcode's neighbours are. A near branch with an operand size of
 * 16 bits in 64-bit mode is as on Intel's processors, which do not heed it there; AMD's end two bytes before.
 */
struct vmm_insn vmm_insn(const uint8_t *bytes, unsigned count, unsigned bits);

#endif
