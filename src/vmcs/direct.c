/* SPDX-License-Identifier: MIT */
/*
 * Straight code for what a hypervisor with frozen vmcs12 copies on every entry and exit. The two lists of offsets are expanded
 * into one copy a field; the compiler joins neighbours into vector moves.
 */
#include "translate.h"

#include <string.h>

/* Offsets and sizes as constants. */
static const uint16_t frozen[GABI_VMCS_COUNT] = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = at,
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
	if ((in) && GABI_EVMCS_##group == (wanted))                          \
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

/* So few dirty groups that a branch for each costs less than `many`, which looks at all of them. */
enum { FEW = 3 };

/* What is in no group, then each dirty one. No field that is in all of them is copied on entry or exit. `many` may be NULL. */
/* Four groups from `first` on: where none of them is dirty, that is one branch. */
INLINE void four_in(unsigned first, uint32_t dirty, const void *from, void *to)
{
	if (!(dirty >> first & 15))
		return;
#define GABI_EVMCS_GROUP_ROW(name, bit, text)                                                            \
	if ((bit) >= first && (bit) < first + 4 && GABI_EVMCS_##name < GABI_EVMCS_NONE && (dirty >> (bit) & 1)) \
		group_in(bit, from, to);
#include <gabi/evmcs_group.def>
}

/* Four groups from `first` on: where none of them is dirty, that is one branch. */
INLINE void four_out(unsigned first, uint32_t dirty, const void *from, void *to)
{
	if (!(dirty >> first & 15))
		return;
#define GABI_EVMCS_GROUP_ROW(name, bit, text)                                                            \
	if ((bit) >= first && (bit) < first + 4 && GABI_EVMCS_##name < GABI_EVMCS_NONE && (dirty >> (bit) & 1)) \
		group_out(bit, from, to);
#include <gabi/evmcs_group.def>
}

INLINE void dirty_in(const struct gabi_translation *t, const void *from, void *to, uint32_t clean, gabi_run_dirty *many)
{
	uint32_t dirty = ~clean & GABI_EVMCS_ALL_CLEAN;

	group_in(GABI_EVMCS_NONE, from, to);
	if (!dirty)
		return;
	if (many && __builtin_popcount(dirty) > FEW) {
		many(t, from, to, clean);
	} else if (!many && dirty == GABI_EVMCS_ALL_CLEAN) {
		all_in(from, to);
	} else {
		four_in(0, dirty, from, to);
		four_in(4, dirty, from, to);
		four_in(8, dirty, from, to);
		four_in(12, dirty, from, to);
	}
}

INLINE void dirty_out(const struct gabi_translation *t, const void *from, void *to, uint32_t clean, gabi_run_dirty *many)
{
	uint32_t dirty = ~clean & GABI_EVMCS_ALL_CLEAN;

	group_out(GABI_EVMCS_NONE, from, to);
	if (!dirty)
		return;
	if (many && __builtin_popcount(dirty) > FEW) {
		many(t, from, to, clean);
	} else if (!many && dirty == GABI_EVMCS_ALL_CLEAN) {
		all_out(from, to);
	} else {
		four_out(0, dirty, from, to);
		four_out(4, dirty, from, to);
		four_out(8, dirty, from, to);
		four_out(12, dirty, from, to);
	}
}

bool gabi_direct_has(const struct gabi_translation *t)
{
	const struct gabi_vmcs_layout *evmcs = t->set == GABI_VMCS_SET_IN ? t->from : t->to;
	const struct gabi_vmcs_layout *vmcs12 = t->set == GABI_VMCS_SET_IN ? t->to : t->from;

	return t->set != GABI_VMCS_SET_ALL && vmcs12->family == GABI_VMCS_FAMILY_VMCS12 &&
	       evmcs->family == GABI_VMCS_FAMILY_EVMCS && evmcs->offset[GABI_VMCS_TSC_MULTIPLIER] &&
	       vmcs12->offset[GABI_VMCS_TSC_MULTIPLIER] == frozen[GABI_VMCS_TSC_MULTIPLIER];
}

/* The full copies for two kinds of CPU, and those by groups, which are too small to gain by wider moves. */
#define DIRECT(name, attributes)                                                                        \
	attributes void gabi_##name##_in(const struct gabi_translation *t, const void *from, void *to)  \
	{                                                                                               \
		(void)t;                                                                                \
		all_in(from, to);                                                                       \
	}                                                                                               \
	attributes void gabi_##name##_out(const struct gabi_translation *t, const void *from, void *to) \
	{                                                                                               \
		(void)t;                                                                                \
		all_out(from, to);                                                                      \
	}

DIRECT(direct, FAST)

#define DIRTY(name, attributes, in_many, out_many)                                                                            \
	attributes void gabi_##name##_in_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean)  \
	{                                                                                                                     \
		dirty_in(t, from, to, clean, in_many);                                                                        \
	}                                                                                                                     \
	attributes void gabi_##name##_out_dirty(const struct gabi_translation *t, const void *from, void *to, uint32_t clean) \
	{                                                                                                                     \
		dirty_out(t, from, to, clean, out_many);                                                                      \
	}

DIRTY(direct, FAST, NULL, NULL)

#if defined(__x86_64__) && defined(__GNUC__)
DIRECT(avx2, FAST __attribute__((target("avx2"))))
DIRTY(wide, FAST __attribute__((target("popcnt"))), gabi_wide_in_many, gabi_wide_out_many)

bool gabi_avx2_here(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
DIRECT(avx2, FAST)
DIRTY(wide, FAST, NULL, NULL)

bool gabi_avx2_here(void)
{
	return false;
}
#endif
