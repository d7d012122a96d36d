/* SPDX-License-Identifier: MIT */
/* Which pages are RAM, and what VTLs let each other do with them. */
#include "hv.h"

/* The number goes up last: those that look take no lock. */
static void add_ram(struct gabi_hv *hv, uint64_t first, uint64_t end)
{
	struct ram_range *range = &hv->ram[hv->ram_count];

	range->first = first;
	range->end = end;
	hv->ram_count++;
}

int gabi_hv_do_set_ram(struct gabi_hv *hv, uint64_t gfn, uint64_t count)
{
	int err = 0;

	if (!count || gfn >= hv->gpa_pages || count > hv->gpa_pages - gfn)
		return GABI_ERR_RANGE;
	take(&hv->lock);
	if (hv->ram_count && hv->ram[hv->ram_count - 1].end == gfn)
		hv->ram[hv->ram_count - 1].end += count;
	else if (hv->ram_count < RAM_RANGES)
		add_ram(hv, gfn, gfn + count);
	else
		err = GABI_ERR_LIMIT;
	give(&hv->lock);
	return err;
}

bool gabi_hv_is_ram(const struct gabi_hv *hv, uint64_t gfn, uint64_t count)
{
	for (uint32_t i = 0; i < hv->ram_count; i++)
		if (gfn >= hv->ram[i].first && gfn < hv->ram[i].end)
			return count <= hv->ram[i].end - gfn;
	return false;
}

unsigned gabi_hv_protection(const struct gabi_hv *hv, unsigned vtl, uint64_t gfn)
{
	unsigned prot = GABI_HV_ALL_ACCESS, by;

	if (vtl >= hv->vtl_count || gfn >= hv->gpa_pages)
		return 0;
	for (by = atomic_load_explicit(&hv->common[vtl].protectors, memory_order_acquire); by; by &= by - 1)
		prot &= gabi_hv_protect_get(store_of(hv, (unsigned)__builtin_ctz(by), vtl), &hv->pool, gfn);
	return prot;
}

/* Pages from gfn on that are alike in the stores of all those. */
static uint64_t run_of(struct gabi_hv *hv, unsigned by, unsigned vtl, uint64_t gfn, unsigned *ret_prot)
{
	uint64_t shortest = hv->gpa_pages - gfn;
	unsigned prot = GABI_HV_ALL_ACCESS;

	for (; by; by &= by - 1) {
		unsigned value;
		uint64_t one = gabi_hv_protect_run(store_of(hv, (unsigned)__builtin_ctz(by), vtl), &hv->pool, gfn, &value);

		prot &= value;
		if (one < shortest)
			shortest = one;
	}
	*ret_prot = prot;
	return shortest;
}

/* Entries that are alike are joined here: the store sees each for itself. */
static uint64_t long_run(struct gabi_hv *hv, unsigned vtl, uint64_t gfn, unsigned *ret_prot)
{
	uint64_t length = run_of(hv, hv->common[vtl].protectors, vtl, gfn, ret_prot);

	while (gfn + length < hv->gpa_pages) {
		unsigned prot;
		uint64_t more = run_of(hv, hv->common[vtl].protectors, vtl, gfn + length, &prot);

		if (prot != *ret_prot)
			break;
		length += more;
	}
	return length;
}

uint64_t gabi_hv_protection_run(struct gabi_hv *hv, unsigned vtl, uint64_t gfn, unsigned *ret_prot)
{
	uint64_t length;

	if (vtl >= hv->vtl_count || gfn >= hv->gpa_pages)
		return 0;
	take(&hv->protect_lock);
	length = long_run(hv, vtl, gfn, ret_prot);
	give(&hv->protect_lock);
	return length;
}

/* ---- changes ---- */

bool gabi_hv_can_enforce(const struct gabi_hv *hv, unsigned prot)
{
	unsigned execute = GABI_HV_KERNEL_EXECUTE | GABI_HV_USER_EXECUTE;

	if (!(hv->dialect & GABI_HV_DIALECT_STOCK_KVM) || hv->dialect & GABI_HV_DIALECT_EXECUTE)
		return true;
	return !(prot & GABI_HV_READ) || (prot & execute) == execute;
}

/* Joins what follows the last change and is like it. The caller has seen that there is room. */
static void add_change(struct gabi_hv_turn *turn, unsigned vtl, uint64_t gfn, uint64_t count, unsigned prot)
{
	struct gabi_hv_change *last = turn->changes ? &turn->change[turn->changes - 1] : NULL;

	if (last && last->vtl == vtl && last->prot == prot && last->gfn + last->count == gfn)
		last->count += count;
	else if (turn->changes < GABI_HV_CHANGES_MAX)
		turn->change[turn->changes++] = (struct gabi_hv_change){ gfn, count, (uint8_t)vtl, (uint8_t)prot };
}

/* How many of count pages the turn can tell of whatever becomes of the protector's own value: others may protect each differently. */
static uint64_t room_for(struct gabi_hv *hv, unsigned protector, unsigned vtl, uint64_t gfn, uint64_t count, const struct gabi_hv_turn *turn)
{
	unsigned others = hv->common[vtl].protectors & ~(1u << protector), runs = turn->changes, prot, last = 0;
	uint64_t done = 0;

	if (!others)
		return turn->changes < GABI_HV_CHANGES_MAX ? count : 0;
	while (done < count) {
		uint64_t here = run_of(hv, others, vtl, gfn + done, &prot);

		runs += !done || prot != last;
		if (runs > GABI_HV_CHANGES_MAX)
			return done;
		last = prot;
		done += here;
	}
	return count;
}

uint64_t gabi_hv_protect_pages(struct gabi_hv *hv, unsigned protector, unsigned vtl, uint64_t gfn, uint64_t count, unsigned prot,
			       struct gabi_hv_turn *turn, bool *ret_full)
{
	uint64_t done, room;
	bool changed;

	take(&hv->protect_lock);
	room = room_for(hv, protector, vtl, gfn, count, turn);
	*ret_full = room < count;
	count = *ret_full ? room : count;
	done = gabi_hv_protect_set(store_of(hv, protector, vtl), &hv->pool, gfn, count, prot, &changed);
	if (changed)
		atomic_fetch_or(&hv->common[vtl].protectors, (uint16_t)(1u << protector));
	if (changed && hv->common[vtl].protectors == 1u << protector) {
		add_change(turn, vtl, gfn, done, prot);
	} else if (changed) {
		/* Others protect as well: what comes out may differ from page to page. */
		for (uint64_t at = gfn, here; at < gfn + done; at += here) {
			unsigned together;

			here = run_of(hv, hv->common[vtl].protectors, vtl, at, &together);
			if (here > gfn + done - at)
				here = gfn + done - at;
			add_change(turn, vtl, at, here, together);
		}
	}
	give(&hv->protect_lock);
	return done;
}

uint64_t gabi_hv_protected_from_the_start(struct gabi_hv *hv, unsigned protector, unsigned vtl, unsigned prot)
{
	uint64_t gfn = 0;
	unsigned value;

	take(&hv->protect_lock);
	while (gfn < hv->gpa_pages) {
		uint64_t here = gabi_hv_protect_run(store_of(hv, protector, vtl), &hv->pool, gfn, &value);

		if (value != prot)
			break;
		gfn += here;
	}
	give(&hv->protect_lock);
	return gfn;
}

static bool before(const struct gabi_hv_change *a, const struct gabi_hv_change *b)
{
	return a->vtl != b->vtl ? a->vtl < b->vtl : a->gfn < b->gfn;
}

static void sift(struct gabi_hv_change *at, unsigned root, unsigned count)
{
	for (unsigned child; (child = 2 * root + 1) < count; root = child) {
		struct gabi_hv_change held = at[root];

		if (child + 1 < count && before(&at[child], &at[child + 1]))
			child++;
		if (!before(&held, &at[child]))
			return;
		at[root] = at[child];
		at[child] = held;
	}
}

/* A list comes from a guest in any order; heap sort has no bad one. A page named twice has one value: one call, one mask. */
void gabi_hv_sort_changes(struct gabi_hv_turn *turn)
{
	struct gabi_hv_change *at = turn->change;
	unsigned count = turn->changes, kept = 0, i = 1;

	while (i < count && before(&at[i - 1], &at[i]))
		i++;
	if (i >= count)
		return;
	for (unsigned root = count / 2; root-- > 0;)
		sift(at, root, count);
	for (unsigned end = count; end-- > 1;) {
		struct gabi_hv_change held = at[0];

		at[0] = at[end];
		at[end] = held;
		sift(at, 0, end);
	}
	for (i = 1; i < count; i++) {
		struct gabi_hv_change *last = &at[kept];

		if (last->vtl == at[i].vtl && last->prot == at[i].prot && last->gfn + last->count == at[i].gfn)
			last->count += at[i].count;
		else
			at[++kept] = at[i];
	}
	turn->changes = kept + 1;
}

/* ---- judging an access ---- */

bool gabi_hv_mbec_active(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl)
{
	for (unsigned above = vtl + 1; above < hv->vtl_count; above++)
		if (vp->vtl[above].secure_config[vtl] & SECURE_MBEC)
			return true;
	return false;
}

static unsigned wanted(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, enum gabi_hv_access access, bool user)
{
	if (access == GABI_HV_ACCESS_READ)
		return GABI_HV_READ;
	if (access == GABI_HV_ACCESS_WRITE)
		return GABI_HV_WRITE;
	return user && gabi_hv_mbec_active(hv, vp, vtl) ? GABI_HV_USER_EXECUTE : GABI_HV_KERNEL_EXECUTE;
}

unsigned gabi_hv_forbidden_by(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, uint64_t gfn, enum gabi_hv_access access,
			      bool user)
{
	unsigned by = atomic_load_explicit(&hv->common[vtl].protectors, memory_order_acquire), forbid = 0, want;

	if (!by || gfn >= hv->gpa_pages)
		return 0;
	want = wanted(hv, vp, vtl, access, user);
	for (; by; by &= by - 1) {
		unsigned protector = (unsigned)__builtin_ctz(by);

		if (!(gabi_hv_protect_get(store_of(hv, protector, vtl), &hv->pool, gfn) & want))
			forbid |= 1u << protector;
	}
	return forbid;
}
