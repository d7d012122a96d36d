/* SPDX-License-Identifier: MIT */
/* Sets of virtual processors. The cost is that of the banks named, never of the partition's size. */
#include "hv.h"

/* The bits of a bank that stand for virtual processors. */
static uint64_t there(const struct gabi_hv *hv, unsigned bank)
{
	unsigned first = bank * 64;

	return first >= hv->vp_count ? 0 : gabi_mask(hv->vp_count - first);
}

static void add_bank(const struct gabi_hv *hv, struct gabi_hv_set *set, unsigned bank, uint64_t bits)
{
	bits &= there(hv, bank);
	if (!bits)
		return;
	set->valid |= (uint64_t)1 << bank;
	set->bank[bank] = bits;
}

void gabi_hv_set_all(const struct gabi_hv *hv, struct gabi_hv_set *set)
{
	set->valid = 0;
	for (unsigned bank = 0; bank * 64 < hv->vp_count; bank++)
		add_bank(hv, set, bank, UINT64_MAX);
}

void gabi_hv_set_mask(const struct gabi_hv *hv, struct gabi_hv_set *set, uint64_t mask)
{
	set->valid = 0;
	add_bank(hv, set, 0, mask);
}

bool gabi_hv_set_sparse(const struct gabi_hv *hv, struct gabi_hv_set *set, uint64_t format, uint64_t valid,
			const uint8_t *bank, unsigned banks)
{
	/* TLFS HV_VP_SET: format 1 is all, format 0 sparse with one bank word for each bit of the mask. */
	if (format == 1) {
		gabi_hv_set_all(hv, set);
		return true;
	}
	if (format != 0)
		return false;
	set->valid = 0;
	for (; valid; valid &= valid - 1, bank += 8) {
		unsigned at = (unsigned)__builtin_ctzll(valid);

		if (!banks--)
			return false;
		if (at < GABI_HV_VPS_MAX / 64)
			add_bank(hv, set, at, get64(bank));
	}
	return banks == 0;
}

unsigned gabi_hv_set_single(const struct gabi_hv_set *set)
{
	unsigned bank;

	if (!set->valid)
		return NO_VP;
	bank = (unsigned)__builtin_ctzll(set->valid);
	if (set->valid & (set->valid - 1) || set->bank[bank] & (set->bank[bank] - 1))
		return GABI_HV_VP_SET;
	return bank * 64 + (unsigned)__builtin_ctzll(set->bank[bank]);
}
