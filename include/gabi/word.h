/* SPDX-License-Identifier: MIT */
/*
 * The word: the unit in which everything guest-visible is held.
 *
 * A host manifest and a contract are both sorted sets of words. A word is at most 64 bits; what is wider is split
 * into parts, so that no code but the formats ever meets a long value.
 */
#ifndef GABI_WORD_H
#define GABI_WORD_H

#include <gabi/api.h>

GABI_BEGIN

enum gabi_space {
	GABI_SPACE_NONE,
#define GABI_SPACE_ROW(name, text, bits, holder, what) GABI_SPACE_##name,
#include <gabi/space.def>
	GABI_SPACE_COUNT
};

enum gabi_arch { GABI_ARCH_ANY, GABI_ARCH_X86, GABI_ARCH_ARM64 };

/* Which word. */
struct gabi_key {
	uint16_t space; /* enum gabi_space */
	uint16_t part;  /* CPUID: enum gabi_cpuid_reg. Others: which 64 bits of a wide register, 0 the lowest */
	uint32_t sub;   /* CPUID: subleaf (ECX). Others: 0 */
	uint64_t index; /* CPUID: leaf (EAX). MSR: index. CAP, VM: number. ARM64*: KVM register id */
};

enum gabi_cpuid_reg { GABI_EAX, GABI_EBX, GABI_ECX, GABI_EDX };

/* At what level a value can be chosen: once for the machine, once per VM, or per virtual processor. */
enum gabi_scope { GABI_SCOPE_SYSTEM, GABI_SCOPE_VM, GABI_SCOPE_VP };

#define GABI_VP_ALL 0xffffu /* a word that holds for every virtual processor without one of its own */

struct gabi_word {
	struct gabi_key key;
	uint64_t value;    /* manifest: what the host offers. contract: what the guest sees */
	uint64_t settable; /* manifest: bits that a VMM may change. contract: 0 */
	uint16_t vp;       /* contract: the virtual processor that it holds for. manifest: GABI_VP_ALL */
	uint8_t bits;      /* 1 to 64; value and settable have no bit at or above it */
	uint8_t flags;     /* GABI_WORD_* */
};

#define GABI_WORD_IMPLIED 1u /* not read from a register: known from data/changes to be the kernel's behaviour */
#define GABI_WORD_ONCE    2u /* may be set only before the first run of any virtual processor */
#define GABI_WORD_OFFER   4u /* given by a VMM, not by KVM */
#define GABI_WORD_SEEN    8u /* what a guest of the probe read; KVM's own register says something else, and is not read back */

/* Orders by space, index, sub, part. */
GABI_API int gabi_key_compare(const struct gabi_key *a, const struct gabi_key *b);

/* Width in bits of the register that a word of that key belongs to, over all its parts; 0 if there can be none. A CPUID
 * leaf counts as four registers of 32 bits. */
GABI_API unsigned gabi_key_width(const struct gabi_key *key);

/* The JSON section of a space ("cpuid"), or NULL. */
GABI_API const char *gabi_space_text(unsigned space);

/* The space of that text, or GABI_SPACE_NONE. */
GABI_API enum gabi_space gabi_space_of(const char *text, size_t len);

/* "x86", "arm64" or "any". */
GABI_API const char *gabi_arch_text(unsigned arch);

/* The architecture whose words live in that space; GABI_ARCH_ANY for those of both. */
GABI_API enum gabi_arch gabi_space_arch(unsigned space);

GABI_END
#endif
