/* SPDX-License-Identifier: MIT */
#include "shim_pages.h"

#include <gabi/kvm_machine.h>

#include <sys/mman.h>

#define PAGE    4096ull
#define CHUNK   (PAGE << 9)  /* what one page of entries maps */
#define GIB     (PAGE << 18)

enum { ENTRIES = 512, BITS_MAX = 48, LARGE = 0x80 };

/* ---- what lies where ---- */

void *shim_page(const struct shim_pages *pages, uint32_t page)
{
	return pages->at + page * PAGE;
}

uint64_t shim_page_gpa(const struct shim_pages *pages, uint32_t page)
{
	return pages->gpa + page * PAGE;
}

static uint64_t low_ram(const struct shim_pages *pages)
{
	return pages->ram < GABI_KVM_LOW_RAM ? pages->ram : GABI_KVM_LOW_RAM;
}

static uint64_t divide_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit;
}

/* RAM in units of that size, without the hole; and which of them an address lies in, if it lies in RAM. */
static uint64_t units(const struct shim_pages *pages, uint64_t unit)
{
	return divide_up(low_ram(pages), unit) + divide_up(pages->ram - low_ram(pages), unit);
}

static bool find_unit(const struct shim_pages *pages, uint64_t gpa, uint64_t unit, uint64_t *ret_index)
{
	uint64_t low = low_ram(pages), first = gpa / unit;

	if (gpa < GABI_KVM_HIGH_RAM) {
		*ret_index = first;
		return first * unit < low;
	}
	first -= GABI_KVM_HIGH_RAM / unit;
	*ret_index = divide_up(low, unit) + first;
	return first * unit < pages->ram - low;
}

static uint64_t *entry_of(const struct shim_pages *pages, uint64_t gpa)
{
	uint64_t chunk = 0;

	find_unit(pages, gpa, CHUNK, &chunk);
	return (uint64_t *)shim_page(pages, pages->leaves + (uint32_t)chunk) + gpa / PAGE % ENTRIES;
}

/* ---- making ---- */

/* Where an address leads: the first MiB to where KVM has it, and the shim's own to where nothing is. */
static uint64_t target(const struct shim_pages *pages, uint64_t gpa)
{
	if (gpa < SHIM_FIRST)
		return pages->first_at + gpa;
	return gpa < pages->gpa ? gpa : pages->gpa - GIB + gpa % GIB;
}

static void put_chunk(const struct shim_pages *pages, uint64_t *to, uint64_t gpa)
{
	uint64_t index;
	uint32_t page;

	if (!find_unit(pages, gpa, CHUNK, &index)) {
		*to = target(pages, gpa) | pages->format->executes | LARGE;
		return;
	}
	page = pages->leaves + (uint32_t)index;
	*to = shim_page_gpa(pages, page) | pages->format->table;
	for (unsigned i = 0; i < ENTRIES; i++)
		((uint64_t *)shim_page(pages, page))[i] = target(pages, gpa + i * PAGE) | pages->format->executes;
}

static void put_gib(const struct shim_pages *pages, uint64_t *to, uint64_t gpa, uint32_t middles)
{
	uint64_t index;

	if (!find_unit(pages, gpa, GIB, &index)) {
		*to = target(pages, gpa) | pages->format->executes | LARGE;
		return;
	}
	*to = shim_page_gpa(pages, middles + (uint32_t)index) | pages->format->table;
	for (unsigned i = 0; i < ENTRIES; i++)
		put_chunk(pages, (uint64_t *)shim_page(pages, middles + (uint32_t)index) + i, gpa + i * CHUNK);
}

int shim_pages_new(struct shim_pages *pages, const struct shim_format *format, uint64_t ram, unsigned vps, unsigned bits,
		   struct gabi_diag *diag)
{
	uint64_t gibs, tops;
	uint32_t root = SHIM_STATES + vps, middles;
	void *at;

	bits = bits < BITS_MAX ? bits : BITS_MAX;
	*pages = (struct shim_pages){ .format = format, .ram = ram, .vps = vps };
	gibs = bits > 30 ? (uint64_t)1 << (bits - 30) : 0;
	tops = divide_up(gibs, ENTRIES);
	middles = root + 1 + (uint32_t)tops;
	pages->leaves = middles + (uint32_t)units(pages, GIB);
	pages->len = (pages->leaves + units(pages, CHUNK)) * PAGE;
	if (ram < SHIM_FIRST || divide_up(ram, GIB) + divide_up(pages->len, GIB) + 6 > gibs)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest's memory leaves no room among its addresses for tables that protect execution", (char *)NULL);
	at = mmap(NULL, pages->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return gabi_fail(diag, GABI_ERR_NOMEM, "there is not so much memory", (char *)NULL);
	pages->at = at;
	pages->first_at = (gibs - 1) * GIB;
	pages->gpa = pages->first_at - divide_up(pages->len, GIB) * GIB;
	pages->root = shim_page_gpa(pages, root);
	for (uint32_t top = 0; top < tops; top++)
		((uint64_t *)shim_page(pages, root))[top] = shim_page_gpa(pages, root + 1 + top) | pages->format->table;
	for (uint64_t gib = 0; gib < gibs; gib++)
		put_gib(pages, (uint64_t *)shim_page(pages, root + 1) + gib, gib * GIB, middles);
	return 0;
}

void shim_pages_free(struct shim_pages *pages)
{
	if (pages->at)
		munmap(pages->at, pages->len);
}

/* ---- changing ---- */

bool shim_pages_execute(const struct shim_pages *pages, uint64_t gpa, uint64_t len, bool may)
{
	const uint64_t bits = pages->format->executes ^ pages->format->only_data, executes = pages->format->executes & bits;
	bool lost = false;

	for (uint64_t end = gpa + len; gpa < end; gpa += PAGE) {
		uint64_t *entry = entry_of(pages, gpa);

		lost = lost || (!may && (*entry & bits) == executes);
		__atomic_store_n(entry, (*entry & ~bits) | (may ? executes : executes ^ bits), __ATOMIC_SEQ_CST);
	}
	return lost;
}
