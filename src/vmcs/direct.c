/* SPDX-License-Identifier: MIT */
/*
 * Straight code for what a hypervisor with frozen vmcs12 copies on every entry and exit. The two lists of offsets are expanded
 * into one copy a field; the compiler joins neighbours into vector moves.
 */
#include "translate.h"

#include <string.h>

/* Offsets and sizes as constants. */
static const uint16_t frozen[GABI_VMCS_COUNT] = {
#define GABI_VMCS12_ROW(name, k31, k316, k413, k414, at, from, until) [GABI_VMCS_##name] = at,
#include <gabi/vmcs12.def>
};
enum {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) \
	BYTES_##name = ((code) >> 13 & 3) == GABI_VMCS_16 ? 2 : ((code) >> 13 & 3) == GABI_VMCS_32 ? 4 : 8,
#include <gabi/vmcs_field.def>
};

#if defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((optimize("O3")))
#else
#define FAST
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
INLINE void group_in(unsigned wanted, const uint8_t *restrict evmcs, uint8_t *restrict vmcs12)
{
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out)               \
	if ((in) && GABI_EVMCS_##group == wanted)                          \
		memcpy(vmcs12 + frozen[GABI_VMCS_##name], evmcs + (at), BYTES_##name);
#include <gabi/evmcs1.def>
}

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
INLINE void group_out(unsigned wanted, const uint8_t *restrict vmcs12, uint8_t *restrict evmcs)
{
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out)               \
	if ((out) && GABI_EVMCS_##group == wanted)                         \
		memcpy(evmcs + (at), vmcs12 + frozen[GABI_VMCS_##name], BYTES_##name);
#include <gabi/evmcs1.def>
}

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
INLINE void all_in(const uint8_t *restrict evmcs, uint8_t *restrict vmcs12)
{
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) \
	if (in)                                              \
		memcpy(vmcs12 + frozen[GABI_VMCS_##name], evmcs + (at), BYTES_##name);
#include <gabi/evmcs1.def>
}

/* NOLINTNEXTLINE(readability-function-size): a statement a row */
INLINE void all_out(const uint8_t *restrict vmcs12, uint8_t *restrict evmcs)
{
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) \
	if (out)                                             \
		memcpy(evmcs + (at), vmcs12 + frozen[GABI_VMCS_##name], BYTES_##name);
#include <gabi/evmcs1.def>
}

#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) \
	_Static_assert(GABI_EVMCS_##group != GABI_EVMCS_ALL || !((in) || (out)), #name " would be forgotten below");
#include <gabi/evmcs1.def>

/* What is in no group first, then a jump for each dirty one. No field that is in all of them is copied on entry or exit. */
INLINE void run_in(const void *from, void *to, uint32_t dirty)
{
	group_in(GABI_EVMCS_NONE, from, to);
	for (dirty &= GABI_EVMCS_ALL_CLEAN; dirty; dirty &= dirty - 1) {
		switch (__builtin_ctz(dirty)) {
#define GABI_EVMCS_GROUP_ROW(name, bit, text)    \
		case bit:                        \
			group_in(bit, from, to); \
			break;
#include <gabi/evmcs_group.def>
		}
	}
}

INLINE void run_out(const void *from, void *to, uint32_t dirty)
{
	group_out(GABI_EVMCS_NONE, from, to);
	for (dirty &= GABI_EVMCS_ALL_CLEAN; dirty; dirty &= dirty - 1) {
		switch (__builtin_ctz(dirty)) {
#define GABI_EVMCS_GROUP_ROW(name, bit, text)     \
		case bit:                         \
			group_out(bit, from, to); \
			break;
#include <gabi/evmcs_group.def>
		}
	}
}

INLINE void run(enum gabi_vmcs_set set, const void *from, void *to, uint32_t dirty)
{
	if (set == GABI_VMCS_SET_IN && dirty == UINT32_MAX)
		all_in(from, to);
	else if (set == GABI_VMCS_SET_IN)
		run_in(from, to, dirty);
	else if (dirty == UINT32_MAX)
		all_out(from, to);
	else
		run_out(from, to, dirty);
}

bool gabi_direct_has(const struct gabi_translation *t)
{
	const struct gabi_vmcs_layout *evmcs = t->set == GABI_VMCS_SET_IN ? t->from : t->to;
	const struct gabi_vmcs_layout *vmcs12 = t->set == GABI_VMCS_SET_IN ? t->to : t->from;

	return t->set != GABI_VMCS_SET_ALL && vmcs12->family == GABI_VMCS_FAMILY_VMCS12 &&
	       evmcs->family == GABI_VMCS_FAMILY_EVMCS && evmcs->offset[GABI_VMCS_TSC_MULTIPLIER] &&
	       vmcs12->offset[GABI_VMCS_TSC_MULTIPLIER] == frozen[GABI_VMCS_TSC_MULTIPLIER];
}

FAST void gabi_direct_run(const struct gabi_translation *t, const void *from, void *to, uint32_t dirty)
{
	run(t->set, from, to, dirty);
}

/* The same where some groups are clean. */
FAST void gabi_direct_run_few(const struct gabi_translation *t, const void *from, void *to, uint32_t dirty)
{
	if (t->set == GABI_VMCS_SET_IN)
		run_in(from, to, dirty);
	else
		run_out(from, to, dirty);
}

#if defined(__x86_64__) && defined(__GNUC__)
FAST __attribute__((target("avx2"))) void gabi_direct_avx2_run(const struct gabi_translation *t, const void *from, void *to, uint32_t dirty)
{
	run(t->set, from, to, dirty);
}

bool gabi_avx2_here(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
void gabi_direct_avx2_run(const struct gabi_translation *t, const void *from, void *to, uint32_t dirty)
{
	gabi_direct_run(t, from, to, dirty);
}

bool gabi_avx2_here(void)
{
	return false;
}
#endif
