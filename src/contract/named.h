/* SPDX-License-Identifier: MIT */
/* Words by the names that QEMU's -cpu has for what is in them. */
#ifndef GABI_NAMED_H
#define GABI_NAMED_H

#include <gabi/vocab.h>

#include "base/base.h"

/* The bits of CPUID 0x80000001 EDX that repeat those of CPUID 1 EDX: APM vol. 3, CPUID Fn8000_0001_EDX; QEMU CPUID_EXT2_AMD_ALIASES. */
#define GABI_AMD_COPIES 0x0183f3ffu

/* A name that QEMU has, or a row's own, for something that x86 guests see: with hyphens alone. */
struct gabi_qemu_name {
	const char *name;
	uint16_t row; /* of gabi_fields */
	uint8_t is_alias;
};

/* All of them, sorted; those of one name, which stand together. */
const struct gabi_qemu_name *gabi_qemu_names(size_t *ret_count);
const struct gabi_qemu_name *gabi_qemu_names_of(const char *name, size_t *ret_count);
const struct gabi_field *gabi_qemu_field(const struct gabi_qemu_name *name);

/*
 * Sets in the words, which need not be sorted, all that the name stands for (QEMU's hv-time is two bits, family is two
 * fields), adding words as needed. GABI_ERR_UNKNOWN where it is no name of x86, GABI_ERR_RANGE where it cannot hold value.
 */
int gabi_words_set_named(struct gabi_words *words, const struct gabi_mem *mem, const char *name, uint64_t value);

/* The same for a field of an arm64 register. */
int gabi_words_set_arm64(struct gabi_words *words, const struct gabi_mem *mem, const char *name, uint64_t value);

/* Sets all bits that the name stands for. */
int gabi_words_set_ones(struct gabi_words *words, const struct gabi_mem *mem, const char *name);

/* As gabi_words_set_named, for the names whose value is a text: vendor (12 bytes), model-id (up to 48) and hv-vendor-id (up to 12). */
int gabi_words_set_text(struct gabi_words *words, const struct gabi_mem *mem, const char *name, const char *text, size_t len);

/* Raises level, xlevel, xlevel2 and leaf 7's highest subleaf to what the features in the words are found at, as QEMU does. */
int gabi_words_raise_levels(struct gabi_words *words, const struct gabi_mem *mem);

#endif
