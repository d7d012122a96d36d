/* SPDX-License-Identifier: MIT */
/* Where each field lies: one table of offsets a layout, each an expansion of the list that it shares with its relatives. */
#include <gabi/vmcs.h>

#include "base/base.h"
#include "vmcs.h"

#include <string.h>

#define OFFSETS(layout) static const uint16_t layout[GABI_VMCS_COUNT]

/* The forms of vmcs12 before and after the offsets were frozen. 3.1 had no preemption timer yet. */
#define NOT_IN_3_1(id, at) ((id) == GABI_VMCS_VMX_PREEMPTION_TIMER_VALUE ? 0 : (at))
#define FROZEN(at, from, until, release) ((from) && (from) <= (release) && (release) < (until) ? (at) : 0)

OFFSETS(kvm_3_1) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = NOT_IN_3_1(GABI_VMCS_##name, k31),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_3_10) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = k31,
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_3_16) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = k316,
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_3_19) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = k319,
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_4_0) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 400),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_4_13) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = k413,
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_4_14) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = k414,
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_4_18) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 418),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_5_10) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 510),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_6_1) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 601),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_6_12) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 612),
#include <gabi/vmcs12.def>
};
OFFSETS(kvm_7_2) = {
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until) [GABI_VMCS_##name] = FROZEN(at, from, until, 702),
#include <gabi/vmcs12.def>
};

/* The proposal of 2017 took what TLFS 5.0b defined, and put the rest behind it. */
#define RFC2017_5(id, at) [GABI_VMCS_##id] = at,
#define RFC2017_6(id, at)
OFFSETS(rfc2017) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) RFC2017_##tlfs(name, at)
#include <gabi/evmcs1.def>
#define GABI_VMCS_RFC2017_ROW(name, at) [GABI_VMCS_##name] = at,
#include <gabi/vmcs_rfc2017.def>
};

OFFSETS(evmcs_5_10) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) [GABI_VMCS_##name] = FROZEN(at, kvm, 999, 510),
#include <gabi/evmcs1.def>
};
OFFSETS(evmcs_6_1) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) [GABI_VMCS_##name] = FROZEN(at, kvm, 999, 601),
#include <gabi/evmcs1.def>
};
OFFSETS(evmcs_6_12) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) [GABI_VMCS_##name] = FROZEN(at, kvm, 999, 612),
#include <gabi/evmcs1.def>
};
OFFSETS(evmcs_7_2) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) [GABI_VMCS_##name] = FROZEN(at, kvm, 999, 702),
#include <gabi/evmcs1.def>
};
OFFSETS(evmcs_tlfs) = {
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) [GABI_VMCS_##name] = at,
#include <gabi/evmcs1.def>
};

OFFSETS(virtualbox) = {
#define GABI_VMCS_VIRTUALBOX_ROW(name, at) [GABI_VMCS_##name] = at,
#include <gabi/vmcs_virtualbox.def>
};
OFFSETS(acrn) = {
#define GABI_VMCS_ACRN_ROW(name, at) [GABI_VMCS_##name] = at,
#include <gabi/vmcs_acrn.def>
};

/* Xen (arch/x86/hvm/vmx/vvmx.c: vvmcs_offset) and Bochs (cpu/vmx.cc: vmcs_map) compute the offset from the encoding. */
#define INDEX(code) ((code) >> 1 & 0x1ff)
#define TYPE(code)  ((code) >> 10 & 3)
#define WIDTH(code) ((code) >> 13 & 3)

/* A slot of 8 bytes each; slot 0 is the revision id's, so that VPID went to the last of its class. From index 0x20 on slots
 * would be shared with another field: Xen has none of those. */
#define XEN(code) \
	((code) == 0 ? 0x3f * 8 : INDEX(code) >= 0x20 ? 0 : 8 * (INDEX(code) | TYPE(code) << 5 | WIDTH(code) << 7))
OFFSETS(xen) = {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) [GABI_VMCS_##name] = XEN(code),
#include <gabi/vmcs_field.def>
};

/* Behind 16 bytes of header: a table of 32-bit slots for each width and type, by index and access; 64-bit fields have most
 * slots. */
#define BOCHS_SLOTS(width)  ((width) == GABI_VMCS_16 ? 0x20 : (width) == GABI_VMCS_64 ? 0x50 : 0x30)
#define BOCHS_BEFORE(width) ((width) == GABI_VMCS_16 ? 0 : (width) == GABI_VMCS_64 ? 0x20 : (width) == GABI_VMCS_32 ? 0x70 : 0xa0)
#define BOCHS(code)                                             \
	(2 * INDEX(code) + 1 >= BOCHS_SLOTS(WIDTH(code)) ? 0 : \
	 16 + 4 * (4 * BOCHS_BEFORE(WIDTH(code)) + TYPE(code) * BOCHS_SLOTS(WIDTH(code)) + 2 * INDEX(code)))
OFFSETS(bochs) = {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) [GABI_VMCS_##name] = BOCHS(code),
#include <gabi/vmcs_field.def>
};

/* Shape: every field lies in its format, at an even offset, and where formats promise it, on its natural boundary. */
enum {
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) \
	BYTES_##name = WIDTH(code) == GABI_VMCS_16 ? 2 : WIDTH(code) == GABI_VMCS_32 ? 4 : 8,
#include <gabi/vmcs_field.def>
};
#define INSIDE(id, at, size)  _Static_assert((at) + BYTES_##id <= (size), #id " leaves its page")
#define ALIGNED(id, at, size) _Static_assert((at) % BYTES_##id == 0 && (at) + BYTES_##id <= (size), #id " is misplaced")
#define GABI_VMCS12_ROW(name, k31, k316, k319, k413, k414, at, from, until)                                       \
	INSIDE(name, k31, 936);                                                                             \
	INSIDE(name, k316, 944);                                                                            \
	INSIDE(name, k319, 952);                                                                            \
	INSIDE(name, k413, 1006);                                                                           \
	INSIDE(name, k414, 1022);                                                                           \
	ALIGNED(name, at, 998);
#include <gabi/vmcs12.def>
#define GABI_EVMCS1_ROW(name, at, group, tlfs, kvm, in, out) ALIGNED(name, at, 1024);
#include <gabi/evmcs1.def>
#define GABI_VMCS_RFC2017_ROW(name, at) ALIGNED(name, at, 2162);
#include <gabi/vmcs_rfc2017.def>
#define GABI_VMCS_VIRTUALBOX_ROW(name, at) ALIGNED(name, at, 2784);
#include <gabi/vmcs_virtualbox.def>
#define GABI_VMCS_ACRN_ROW(name, at) ALIGNED(name, at, 952);
#include <gabi/vmcs_acrn.def>
#define GABI_VMCS_FIELD_ROW(code, name, sdm, tlfs, word, bit, source) \
	INSIDE(name, XEN(code), 4096);                                \
	INSIDE(name, BOCHS(code), 3344);
#include <gabi/vmcs_field.def>

static const struct gabi_vmcs_layout layouts[] = {
#define GABI_VMCS_LAYOUT_ROW(table, text, kind, id, bytes, head, state, release, sentence)                                 \
	{ .name = text, .what = sentence, .revision = id, .size = bytes, .header = head, .launch = state, .since = release, \
	  .family = GABI_VMCS_FAMILY_##kind, .offset = table },
#include <gabi/vmcs_layout.def>
};

const struct gabi_evmcs_field gabi_evmcs_fields[GABI_VMCS_COUNT] = {
#define GABI_EVMCS1_ROW(name, at, set, tlfs, kvm, entry, exit) \
	[GABI_VMCS_##name] = { .group = GABI_EVMCS_##set, .in = entry, .out = exit },
#include <gabi/evmcs1.def>
};

const struct gabi_evmcs_own gabi_evmcs_own[] = {
#define GABI_EVMCS1_OWN_ROW(name, at, size, set) { .offset = at, .bytes = size, .group = GABI_EVMCS_##set },
#include <gabi/evmcs1.def>
};
const size_t gabi_evmcs_own_count = GABI_COUNT_OF(gabi_evmcs_own);

const struct gabi_vmcs_layout *gabi_vmcs_layouts(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(layouts);
	return layouts;
}

const struct gabi_vmcs_layout *gabi_vmcs_layout_by_name(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(layouts); i++)
		if (!strcmp(layouts[i].name, name))
			return &layouts[i];
	return NULL;
}

static bool same_form(const struct gabi_vmcs_layout *a, const struct gabi_vmcs_layout *b)
{
	return a->family == b->family && a->size == b->size;
}

unsigned gabi_vmcs_form(const struct gabi_vmcs_layout *layout)
{
	unsigned form = 0;

	for (size_t i = 0; !same_form(&layouts[i], layout); i++) {
		size_t first = 0;

		while (!same_form(&layouts[first], &layouts[i]))
			first++;
		form += first == i;
	}
	return form;
}

bool gabi_vmcs_form_has(const struct gabi_vmcs_layout *layout, unsigned id)
{
	for (size_t i = 0; i < GABI_COUNT_OF(layouts); i++)
		if (same_form(&layouts[i], layout) && !layouts[i].offset[id])
			return false;
	return true;
}

const char *gabi_vmcs_family_text(unsigned family)
{
	static const char *const texts[] = {
#define GABI_VMCS_FAMILY_ROW(name, text, what) text,
#include <gabi/vmcs_layout.def>
	};

	return family < GABI_COUNT_OF(texts) ? texts[family] : "unknown";
}

unsigned gabi_vmcs_bytes(unsigned id)
{
	static const uint8_t bytes[] = { 2, 8, 4, 8 };
	size_t count;

	return bytes[WIDTH(gabi_vmcs_fields(&count)[id].encoding)];
}

uint64_t gabi_le_load(const void *page, size_t at, unsigned bytes)
{
	const uint8_t *byte = (const uint8_t *)page + at;
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | byte[i];
	return value;
}

void gabi_le_store(void *page, size_t at, unsigned bytes, uint64_t value)
{
	uint8_t *byte = (uint8_t *)page + at;

	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		byte[i] = (uint8_t)value;
}

int gabi_vmcs_get(const struct gabi_vmcs_layout *layout, const void *page, unsigned id, uint64_t *ret_value)
{
	if (id >= GABI_VMCS_COUNT || !layout->offset[id])
		return GABI_ERR_UNKNOWN;
	*ret_value = gabi_le_load(page, layout->offset[id], gabi_vmcs_bytes(id));
	return 0;
}

int gabi_vmcs_set(const struct gabi_vmcs_layout *layout, void *page, unsigned id, uint64_t value)
{
	if (id >= GABI_VMCS_COUNT || !layout->offset[id])
		return GABI_ERR_UNKNOWN;
	if (value & ~gabi_mask(8 * gabi_vmcs_bytes(id)))
		return GABI_ERR_RANGE;
	gabi_le_store(page, layout->offset[id], gabi_vmcs_bytes(id), value);
	return 0;
}

void gabi_vmcs_init(const struct gabi_vmcs_layout *layout, uint32_t revision, void *page)
{
	memset(page, 0, GABI_VMCS_PAGE);
	gabi_le_store(page, 0, 4, layout->revision ? layout->revision : revision);
}

static void own(uint8_t *owned, size_t at, size_t bytes)
{
	memset(owned + at, 1, bytes);
}

void gabi_vmcs_owned(const struct gabi_vmcs_layout *layout, uint8_t owned[GABI_VMCS_PAGE])
{
	memset(owned, 0, GABI_VMCS_PAGE);
	own(owned, 0, layout->header);
	for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
		if (layout->offset[id])
			own(owned, layout->offset[id], gabi_vmcs_bytes(id));
	if (layout->family == GABI_VMCS_FAMILY_EVMCS)
		for (size_t i = 0; i < gabi_evmcs_own_count; i++)
			own(owned, gabi_evmcs_own[i].offset, gabi_evmcs_own[i].bytes);
}

size_t gabi_vmcs_stray(const struct gabi_vmcs_layout *layout, const void *page, size_t from)
{
	const uint8_t *byte = page;
	uint8_t owned[GABI_VMCS_PAGE];

	gabi_vmcs_owned(layout, owned);
	while (from < GABI_VMCS_PAGE && (owned[from] || !byte[from]))
		from++;
	return from < GABI_VMCS_PAGE ? from : GABI_VMCS_PAGE;
}
