/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as records: u64 first page, u32 pages, u32 form, and what the form says. Pages are numbered as gabi/kvm_machine.h
 * has them.
 */
#ifndef GABI_VMM_RAM_H
#define GABI_VMM_RAM_H

#include "stream.h"

#include <gabi/kvm_machine.h>

#define VMM_RAM_CHUNK 256u /* the most pages of a record */

struct vmm_ram; /* what packing takes: one for each stream */

struct vmm_ram *vmm_ram_new(struct gabi_diag *diag);
void vmm_ram_free(struct vmm_ram *ram); /* NULL is fine */

/*
 * Writes those of the pages first to end - 1 whose bits are set. They may change meanwhile: a copy is what is sent. Pages that are
 * clear are left out unless `clears`: then the other side may have had something there.
 */
int vmm_ram_write(struct vmm_ram *ram, struct vmm_stream *stream, const struct gabi_kvm_machine *machine, const uint64_t *bitmap,
		  uint64_t first, uint64_t end, bool clears, struct gabi_diag *diag);

/* Reads a record of kind PAGES into memory. */
int vmm_ram_read(struct vmm_ram *ram, const struct vmm_stream *stream, const struct vmm_record_in *record,
		 const struct gabi_kvm_machine *machine, struct gabi_diag *diag);

/* A bitmap for all pages; NULL if memory is short. free(3). */
uint64_t *vmm_ram_bitmap(const struct gabi_kvm_machine *machine);
uint64_t vmm_ram_count(const struct gabi_kvm_machine *machine, const uint64_t *bitmap);

#endif
