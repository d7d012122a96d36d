/* SPDX-License-Identifier: MIT */
/* TranslateVirtualAddress: a walk of a lower VTL's page tables. TLFS 6.0b 9.4; HV_TRANSLATE_GVA_CONTROL_FLAGS. */
#include "hv.h"

enum control {
	VALIDATE_READ = 1,
	VALIDATE_WRITE = 2,
	VALIDATE_EXECUTE = 4,
	PRIVILEGE_EXEMPT = 8,
	SET_BITS = 0x10,
	TLB_INHIBIT = 0x20,
	SUPERVISOR = 0x40,
	USER = 0x80,
	ENFORCE_SMAP = 0x100,
	OVERRIDE_SMAP = 0x200,
	CONTROL_FLAGS = 0x3ff,
};
#define VTL_SHIFT 56

enum result {
	OK = 0,
	NOT_PRESENT = 1,
	PRIVILEGE = 2,
	BAD_FLAGS = 3,
	UNMAPPED = 4,
	INTERCEPTED = 8,
};

enum entry {
	PRESENT = 1 << 0,
	WRITABLE = 1 << 1,
	FOR_USER = 1 << 2,
	ACCESSED = 1 << 5,
	DIRTY = 1 << 6,
	LARGE = 1 << 7,
};
#define NO_EXECUTE ((uint64_t)1 << 63)

struct walk {
	struct gabi_hv *hv;
	const struct vp *vp;
	unsigned vtl;
	uint32_t control;
	uint64_t gva, cr0, cr4, efer;
	bool user, smap; /* as which the access is made; SMAP holds for it */
	uint64_t gpa;    /* the translation, or the page that could not be accessed */
};

static bool fits_physical(const struct walk *walk, uint64_t gpa)
{
	return gpa / GABI_HV_PAGE < walk->hv->gpa_pages;
}

static enum result load(struct walk *walk, uint64_t at, unsigned size, uint64_t *ret_entry)
{
	uint8_t bytes[8] = { 0 };

	walk->gpa = at;
	if (!fits_physical(walk, at))
		return UNMAPPED;
	if (gabi_hv_forbidden_by(walk->hv, walk->vp, walk->vtl, at / GABI_HV_PAGE, GABI_HV_ACCESS_READ, false))
		return INTERCEPTED;
	if (walk->hv->ops.read_gpa(walk->hv->ops.ctx, at, bytes, size))
		return UNMAPPED;
	*ret_entry = get64(bytes);
	return OK;
}

/* Accessed and dirty bits, where they were asked for. The guest may change the entry meanwhile, as with a real walk. */
static enum result mark(struct walk *walk, uint64_t at, unsigned size, uint64_t entry, bool last)
{
	uint64_t marked = entry | ACCESSED | (last && walk->control & VALIDATE_WRITE ? DIRTY : 0);
	uint8_t bytes[8];

	if (!(walk->control & SET_BITS) || marked == entry)
		return OK;
	walk->gpa = at;
	if (gabi_hv_forbidden_by(walk->hv, walk->vp, walk->vtl, at / GABI_HV_PAGE, GABI_HV_ACCESS_WRITE, false))
		return INTERCEPTED;
	put64(bytes, marked);
	return walk->hv->ops.write_gpa(walk->hv->ops.ctx, at, bytes, size) ? UNMAPPED : OK;
}

/* `rights`: the bits WRITABLE and FOR_USER that all levels have, NO_EXECUTE if any has it. */
static enum result judge(const struct walk *walk, uint64_t rights)
{
	bool write_protect = walk->cr0 >> 16 & 1, smep = walk->cr4 >> 20 & 1, nx = walk->efer >> 11 & 1;
	bool supervisor_page = !(rights & FOR_USER);
	uint32_t control = walk->control;

	if (control & PRIVILEGE_EXEMPT)
		return OK;
	if (walk->user && supervisor_page)
		return PRIVILEGE;
	if (control & VALIDATE_WRITE && !(rights & WRITABLE) && (walk->user || write_protect))
		return PRIVILEGE;
	if (control & VALIDATE_EXECUTE && ((nx && rights & NO_EXECUTE) || (!walk->user && smep && !supervisor_page)))
		return PRIVILEGE;
	if (control & (VALIDATE_READ | VALIDATE_WRITE) && !walk->user && walk->smap && !supervisor_page)
		return PRIVILEGE;
	return OK;
}

/* Bits of the address that one level takes, and where they are; widths of the three formats. */
struct format {
	unsigned levels, bits, size; /* size: bytes of an entry */
};

static struct format format_of(const struct walk *walk)
{
	bool pae = walk->cr4 >> 5 & 1, long_mode = walk->efer >> 10 & 1, la57 = walk->cr4 >> 12 & 1;

	if (!pae)
		return (struct format){ 2, 10, 4 };
	return (struct format){ !long_mode ? 3 : la57 ? 5 : 4, 9, 8 };
}

static bool canonical(const struct walk *walk, const struct format *format)
{
	unsigned width = format->levels * 9 + 12;

	if (format->size == 4 || format->levels == 3)
		return walk->gva >> 32 == 0;
	return (uint64_t)((int64_t)(walk->gva << (64 - width)) >> (64 - width)) == walk->gva;
}

/* May an entry at that level (1 is the lowest) map a large page? */
static bool may_be_large(const struct walk *walk, const struct format *format, unsigned level)
{
	if (format->size == 4)
		return level == 2 && walk->cr4 >> 4 & 1;
	return level == 2 || (level == 3 && format->levels > 3);
}

static uint64_t frame(const struct format *format, uint64_t entry, unsigned shift)
{
	uint64_t address = format->size == 4 ? entry & 0xfffff000u : entry & 0x000ffffffffff000u;

	/* PSE-36: bits 20:13 of a 4 MiB entry are address bits 39:32. */
	if (format->size == 4 && shift == 22)
		return (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
	return address & ~gabi_mask(shift);
}

static enum result walk_tables(struct walk *walk)
{
	struct format format = format_of(walk);
	uint64_t rights = WRITABLE | FOR_USER, entry = 0;
	uint64_t table = gabi_hv_cpu_reg(walk->hv, walk->vp, walk->vtl, GABI_HV_REG_Cr3);
	enum result result;

	table &= format.levels == 3 ? 0xffffffe0u : format.size == 4 ? 0xfffff000u : 0x000ffffffffff000u;
	if (!canonical(walk, &format))
		return NOT_PRESENT;
	for (unsigned level = format.levels; level; level--) {
		unsigned shift = 12 + (level - 1) * format.bits, width = format.levels == 3 && level == 3 ? 2 : format.bits;
		uint64_t at = table + (walk->gva >> shift & gabi_mask(width)) * format.size;
		bool root_of_pae = format.levels == 3 && level == 3, large, last;

		result = load(walk, at, format.size, &entry);
		if (result)
			return result;
		if (!(entry & PRESENT))
			return NOT_PRESENT;
		large = entry & LARGE && level > 1 && may_be_large(walk, &format, level);
		last = large || level == 1;
		if (format.size == 8 && ((entry & LARGE && level > 1 && !large) || !fits_physical(walk, frame(&format, entry, 12)) ||
					 (entry & NO_EXECUTE && !(walk->efer >> 11 & 1))))
			return BAD_FLAGS;
		if (!root_of_pae) {
			rights &= entry | ~(uint64_t)(WRITABLE | FOR_USER);
			rights |= entry & NO_EXECUTE;
		}
		if (last) {
			result = judge(walk, rights);
			if (result)
				return result;
		}
		result = root_of_pae ? OK : mark(walk, at, format.size, entry, last);
		if (result)
			return result;
		if (last) {
			walk->gpa = frame(&format, entry, shift) | (walk->gva & gabi_mask(shift));
			return OK;
		}
		table = frame(&format, entry, 12);
	}
	return NOT_PRESENT;
}

/* The page itself, once it is known. */
static enum result judge_page(const struct walk *walk)
{
	static const struct {
		uint32_t control;
		enum gabi_hv_access access;
	} kinds[] = {
		{ VALIDATE_READ, GABI_HV_ACCESS_READ },
		{ VALIDATE_WRITE, GABI_HV_ACCESS_WRITE },
		{ VALIDATE_EXECUTE, GABI_HV_ACCESS_EXECUTE },
	};

	if (!fits_physical(walk, walk->gpa) || !gabi_hv_is_ram(walk->hv, walk->gpa / GABI_HV_PAGE, 1))
		return UNMAPPED;
	for (size_t i = 0; i < GABI_COUNT_OF(kinds); i++)
		if (walk->control & kinds[i].control && gabi_hv_forbidden_by(walk->hv, walk->vp, walk->vtl, walk->gpa / GABI_HV_PAGE,
									       kinds[i].access, walk->user))
			return INTERCEPTED;
	return OK;
}

static enum result translate(struct walk *walk)
{
	enum result result = OK;

	if (walk->cr0 >> 31 & 1)
		result = walk_tables(walk);
	else
		walk->gpa = walk->gva;
	return result ? result : judge_page(walk);
}

static void prepare(struct walk *walk)
{
	uint64_t rflags = gabi_hv_cpu_reg(walk->hv, walk->vp, walk->vtl, GABI_HV_REG_Rflags);
	struct gabi_hv_value ss = { 0, 0 };

	walk->hv->ops.read_reg(walk->hv->ops.ctx, walk->vp->index, walk->vtl, GABI_HV_REG_Ss, &ss);
	walk->cr0 = gabi_hv_cpu_reg(walk->hv, walk->vp, walk->vtl, GABI_HV_REG_Cr0);
	walk->cr4 = gabi_hv_cpu_reg(walk->hv, walk->vp, walk->vtl, GABI_HV_REG_Cr4);
	walk->efer = gabi_hv_cpu_reg(walk->hv, walk->vp, walk->vtl, GABI_HV_REG_Efer);
	walk->user = (ss.high >> 53 & 3) == 3; /* the descriptor privilege level of SS */
	if (walk->control & (SUPERVISOR | USER))
		walk->user = walk->control & USER;
	walk->smap = walk->cr4 >> 21 & 1 && (walk->control & ENFORCE_SMAP || !(rflags >> 18 & 1)) && !(walk->control & OVERRIDE_SMAP);
}

/* HV_X64_PENDING_EVENT as an exception would be: only a page fault is ever told. */
static void put_event(const struct walk *walk, enum result result, uint8_t *at)
{
	unsigned code = (result == NOT_PRESENT ? 0 : 1) | (walk->control & VALIDATE_WRITE ? 2 : 0) | (walk->user ? 4 : 0) |
			(result == BAD_FLAGS ? 8 : 0) | (walk->control & VALIDATE_EXECUTE ? 16 : 0);

	if (result != NOT_PRESENT && result != PRIVILEGE && result != BAD_FLAGS)
		return;
	at[0] = 1; /* event_pending, type 0: an exception */
	at[1] = 1; /* with an error code */
	put16(at + 2, 14);
	put32(at + 4, code);
	put64(at + 8, walk->gva);
}

enum { CACHE_WRITE_BACK = 6 };

static unsigned run(struct call *call, bool extended)
{
	uint64_t control = get64(call->in + 16), page = get64(call->in + 24);
	struct vp *vp = vp_of(call, get32(call->in + 8));
	struct walk walk = { .hv = call->hv, .vp = vp, .control = (uint32_t)control, .gva = page * GABI_HV_PAGE };
	enum result result;
	unsigned status;

	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (!vp)
		return GABI_HV_STATUS_INVALID_VP_INDEX;
	if (control & gabi_mask(VTL_SHIFT) & ~(uint64_t)CONTROL_FLAGS || page >> 52 ||
	    !(control & (VALIDATE_READ | VALIDATE_WRITE | VALIDATE_EXECUTE)) || (extended && get32(call->in + 12)))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	status = gabi_hv_input_vtl(call->vtl, (uint8_t)(control >> VTL_SHIFT), &walk.vtl);
	if (!status && !(enabled_vtls(vp) >> walk.vtl & 1))
		status = GABI_HV_STATUS_INVALID_VTL_STATE;
	if (status)
		return status;
	prepare(&walk);
	result = translate(&walk);
	if (result == OK && control & TLB_INHIBIT && walk.vtl < call->vtl)
		gabi_hv_lock_tlb(call->hv, vp, call->vtl, walk.vtl);
	put32(call->out, result);
	put32(call->out + 4, result == OK ? CACHE_WRITE_BACK : 0);
	if (extended)
		put_event(&walk, result, call->out + 16);
	put64(call->out + (extended ? 48 : 8), result == OK || result == UNMAPPED || result == INTERCEPTED ? walk.gpa / GABI_HV_PAGE : 0);
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_translate(struct call *call)
{
	return run(call, false);
}

unsigned gabi_hv_call_translate_ex(struct call *call)
{
	return run(call, true);
}
