/* SPDX-License-Identifier: MIT */
/*
 * Overlay pages: TLFS 6.0b 5.2.1. A separate map for each VTL lies over its memory. The RAM below is never touched, and is
 * there again when the overlay goes.
 */
#include "hv.h"

enum { ENABLE = 1 };

static unsigned prot_of(enum page_kind kind)
{
	switch (kind) {
	case PAGE_HYPERCALL:
		return GABI_HV_READ | GABI_HV_KERNEL_EXECUTE | GABI_HV_USER_EXECUTE;
	case PAGE_REF_TSC:
		return GABI_HV_READ;
	default:
		return GABI_HV_READ | GABI_HV_WRITE;
	}
}

static enum page_kind kind_of(const struct gabi_hv *hv, unsigned number)
{
	unsigned at = number % (PAGES_OF_VTL + hv->vp_count * PAGES_OF_VP);

	return at < PAGES_OF_VTL ? (enum page_kind)at : (enum page_kind)(PAGE_ASSIST + (at - PAGES_OF_VTL) % PAGES_OF_VP);
}

/* What is seen at a page of a VTL. Several overlays on one page: the lowest number lies on top, the TLFS leaves it open. */
static unsigned top(const struct gabi_hv *hv, unsigned vtl, uint64_t gfn)
{
	unsigned first = page_number(hv, PAGE_HYPERCALL, 0, vtl), end = page_number(hv, PAGE_HYPERCALL, 0, vtl + 1);

	for (unsigned number = first; gfn != NOWHERE && number < end; number++)
		if (hv->overlay[number] == gfn)
			return number;
	return GABI_HV_NO_PAGE;
}

static void show(const struct gabi_hv *hv, struct gabi_hv_turn *turn, unsigned vtl, uint64_t gfn, unsigned number)
{
	struct gabi_hv_act *next = act(turn, GABI_HV_ACT_OVERLAY, GABI_HV_VP_SET, vtl);

	gabi_hv_set_all(hv, &turn->set);
	next->overlay.gpa = gfn * GABI_HV_PAGE;
	next->overlay.page = number;
	next->overlay.prot = number == GABI_HV_NO_PAGE ? 0 : (uint8_t)prot_of(kind_of(hv, number));
}

void gabi_hv_show_overlay(const struct gabi_hv *hv, struct gabi_hv_turn *turn, unsigned vtl, uint64_t gfn)
{
	show(hv, turn, vtl, gfn, top(hv, vtl, gfn));
}

void gabi_hv_place_overlay(struct gabi_hv *hv, struct gabi_hv_turn *turn, enum page_kind kind, unsigned vp, unsigned vtl,
			   uint64_t msr)
{
	unsigned number = page_number(hv, kind, vp, vtl), old_before, new_before, old_after, new_after;
	uint64_t to = msr & ENABLE && msr / GABI_HV_PAGE < hv->gpa_pages ? msr / GABI_HV_PAGE : NOWHERE, from;

	take(&hv->lock);
	from = hv->overlay[number];
	if (from == to) {
		give(&hv->lock);
		return;
	}
	old_before = top(hv, vtl, from);
	new_before = top(hv, vtl, to);
	hv->overlay[number] = to;
	old_after = top(hv, vtl, from);
	new_after = top(hv, vtl, to);
	give(&hv->lock);
	if (from != NOWHERE && old_before != old_after)
		show(hv, turn, vtl, from, old_after);
	if (to != NOWHERE && new_before != new_after)
		show(hv, turn, vtl, to, new_after);
}

/* ---- contents ---- */

static void code(uint8_t *at, const char *bytes, size_t len, const uint8_t *leave, size_t leave_len)
{
	memcpy(at, bytes, len);
	memcpy(at + len, leave, leave_len);
	at[len + leave_len] = 0xc3; /* ret */
}

/*
 * A hypercall that leaves by the instruction if it is one of KVM's own, and else by the port. Its code is in CX, or of 32-bit
 * code in AX: MOVSXD, which leaves the flags as they are, is ARPL there, which clears ZF. No register that carries input changes.
 * KVM's IPIs know of one trust level only.
 */
static void fill_choice(uint8_t *at, const uint8_t *out, const uint8_t *leave, bool has_levels)
{
	static const uint8_t direct[] = {
		GABI_HV_CALL_FlushVirtualAddressSpace, GABI_HV_CALL_FlushVirtualAddressList, GABI_HV_CALL_FlushVirtualAddressSpaceEx,
		GABI_HV_CALL_FlushVirtualAddressListEx, GABI_HV_CALL_SendSyntheticClusterIpi, GABI_HV_CALL_SendSyntheticClusterIpiEx,
	};
	static const uint8_t start[] = { 0x39, 0xc0, 0x63, 0xc0, 0x75 }; /* cmp eax, eax; movsxd eax, eax or arpl ax, ax; jnz */
	enum { FLUSHES = 4, ROW = 6, HEAD = sizeof(start) + 1 };
	const size_t count = has_levels ? FLUSHES : sizeof(direct), half_len = count * ROW + 3;
	uint8_t *const call = at + HEAD + 2 * half_len;

	memcpy(at, start, sizeof(start));
	at[sizeof(start)] = (uint8_t)half_len;
	for (unsigned half = 0; half < 2; half++) {
		uint8_t *row = at + HEAD + half * half_len;

		for (size_t i = 0; i < count; i++, row += ROW) {
			const uint8_t compare[] = { 0x66, 0x83, half ? 0xf8 : 0xf9, direct[i], 0x74, (uint8_t)(call - (row + ROW)) };

			memcpy(row, compare, ROW); /* cmp cx or ax, imm8; jz call */
		}
		code(row, "", 0, out, 2);
	}
	code(call, "", 0, leave, 3);
}

/*
 * By instruction, a VTL call or return is a hypercall whose control input goes to RAX (x86: ECX) to make room for the input
 * value. By port, the port alone says which it is and no register changes.
 */
void gabi_hv_fill_hypercall_page(const struct gabi_hv_config *config, uint8_t *page)
{
	static const uint8_t jump[] = { 0xe9, PAGE_CHOICE - 5, 0, 0, 0 };
	static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };
	const uint8_t *leave = config->exit == GABI_HV_EXIT_VMCALL || config->exit == GABI_HV_EXIT_PORT_VMCALL ? vmcall : vmmcall;
	uint8_t port[3][2];

	if (config->exit >= GABI_HV_EXIT_PORT) {
		for (unsigned i = 0; i < 3; i++) {
			port[i][0] = 0xe6; /* out imm8, al */
			port[i][1] = (uint8_t)(config->exit_port + i);
		}
		if (config->exit == GABI_HV_EXIT_PORT) {
			code(page, "", 0, port[0], 2);
		} else {
			memcpy(page, jump, sizeof(jump));
			fill_choice(page + PAGE_CHOICE, port[0], leave, config->vtl_count > 1);
		}
		code(page + PAGE_CALL_64, "", 0, port[1], 2);
		code(page + PAGE_RETURN_64, "", 0, port[2], 2);
		code(page + PAGE_CALL_32, "", 0, port[1], 2);
		code(page + PAGE_RETURN_32, "", 0, port[2], 2);
		return;
	}
	code(page, "", 0, leave, 3);
	code(page + PAGE_CALL_64, "\x48\x89\xc8\xb9\x11\0\0", 8, leave, 3);   /* mov rax, rcx; mov ecx, 0x11 */
	code(page + PAGE_RETURN_64, "\x48\x89\xc8\xb9\x12\0\0", 8, leave, 3);
	code(page + PAGE_CALL_32, "\x89\xc1\xb8\x11\0\0\0\x31\xd2", 9, leave, 3); /* mov ecx, eax; mov eax, 0x11; xor edx, edx */
	code(page + PAGE_RETURN_32, "\x89\xc1\xb8\x12\0\0\0\x31\xd2", 9, leave, 3);
}

/* floor(2^64 * 10^7 / hz): reference time ticks in 100 ns. */
static uint64_t tsc_scale(uint64_t hz)
{
	uint64_t rest = 10000000 % hz, scale = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		bool carry = rest >> 63;

		rest <<= 1;
		scale <<= 1;
		if (carry || rest >= hz) {
			rest -= hz;
			scale |= 1;
		}
	}
	return scale;
}

/* TLFS, Partition Reference Time Enlightenment: sequence 0 stands while scale and offset change. */
void gabi_hv_fill_ref_tsc_pages(struct gabi_hv *hv)
{
	uint64_t scale = tsc_scale(hv->tsc_hz);

	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++) {
		uint8_t *page = page_at(hv, PAGE_REF_TSC, 0, vtl);

		atomic_store_explicit(word_of(page, 0), 0, memory_order_release);
		put64(page + 8, scale);
		put64(page + 16, (uint64_t)hv->tsc_offset);
		atomic_store_explicit(word_of(page, 0), hv->tsc_sequence, memory_order_release);
	}
}

/* Nobody who reads the page needs to begin again. */
static bool says_already(const struct gabi_hv *hv, uint64_t tsc_hz, int64_t offset_100ns, int reliable)
{
	return hv->tsc_last && hv->tsc_hz == tsc_hz && hv->tsc_offset == offset_100ns && !hv->tsc_sequence == !reliable;
}

int gabi_hv_do_set_reference_tsc(struct gabi_hv *hv, uint64_t tsc_hz, int64_t offset_100ns, int reliable)
{
	if (!tsc_hz)
		return GABI_ERR_RANGE;
	take(&hv->lock);
	if (says_already(hv, tsc_hz, offset_100ns, reliable)) {
		give(&hv->lock);
		return 0;
	}
	hv->tsc_hz = tsc_hz;
	hv->tsc_offset = offset_100ns;
	/* 0 and -1 are no sequence numbers: the one means "not reliable", the other did in early versions. */
	hv->tsc_last = hv->tsc_last >= UINT32_MAX - 1 ? 1 : hv->tsc_last + 1;
	hv->tsc_sequence = reliable ? hv->tsc_last : 0;
	gabi_hv_fill_ref_tsc_pages(hv);
	give(&hv->lock);
	return 0;
}
