/* SPDX-License-Identifier: MIT */
/*
 * The shim's memory: nested page tables that map everything where it is, and what a processor nests with. It lies at the end of the guest-physical
 * addresses, where the tables do not lead, so that no guest reaches it.
 *
 * RAM is mapped by pages of 4 KiB from the beginning, and only their entries ever change, in the one bit that lets a page be executed or not. KVM
 * makes its own tables of these (it shadows them) and does not see a write of ours. But at each fault it reads the entry anew, and compares it once more
 * under the lock that drops mappings (Linux arch/x86/kvm/mmu/paging_tmpl.h, FNAME(gpte_changed)). So the entry is written first, and then the page is
 * dropped from the level's view. Higher entries KVM would not read again: it write-protects their pages against its guest and trusts that.
 */
#ifndef GABI_KVM_SHIM_PAGES_H
#define GABI_KVM_SHIM_PAGES_H

#include "base/base.h"
#include "memory.h"

/* Bits of entries beside addresses: that lead to a table; and that map memory, which may be executed or not. Bit 7 is set in those of large pages. */
struct shim_format {
	uint64_t table, executes, only_data;
};

struct shim_pages {
	const struct shim_format *format;
	unsigned char *at;
	uint64_t len;      /* bytes */
	uint64_t gpa;      /* where KVM has it; a GiB begins there */
	uint64_t first_at; /* and where RAM's first MiB */
	uint64_t root;     /* of the nested tables */
	uint64_t ram;      /* bytes */
	uint32_t vps, leaves; /* leaves: the first page of entries for RAM */
};

/* Bits of an address; as many states as vps. GABI_ERR_CONFLICT: RAM leaves no room. Pages are put back by shim_pages_free. */
int shim_pages_new(struct shim_pages *pages, const struct shim_format *format, uint64_t ram, unsigned vps, unsigned bits,
		   struct gabi_diag *diag);
void shim_pages_free(struct shim_pages *pages);

/* As shim_execute. */
bool shim_pages_execute(const struct shim_pages *pages, uint64_t gpa, uint64_t len, bool may);

/* What lies there beside the tables, each a page; a state for each virtual processor. */
enum { SHIM_CODE, SHIM_TOP, SHIM_MIDDLE, SHIM_LOW, SHIM_ZEROS, SHIM_STATES };
void *shim_page(const struct shim_pages *pages, uint32_t page);
uint64_t shim_page_gpa(const struct shim_pages *pages, uint32_t page);

#endif
