/* SPDX-License-Identifier: MIT */
/* What the parts of src/vmcs share. */
#ifndef GABI_VMCS_INTERNAL_H
#define GABI_VMCS_INTERNAL_H

#include <gabi/evmcs.h>
#include <gabi/vmcs.h>

#include <stdbool.h>

/* One field of the enlightened VMCS; all zero where it has none, which the layout's offsets tell. */
struct gabi_evmcs_field {
	uint8_t group; /* enum gabi_evmcs_group */
	uint8_t in;    /* copied to the hypervisor's own form on entry */
	uint8_t out;   /* copied back on exit */
};
extern const struct gabi_evmcs_field gabi_evmcs_fields[GABI_VMCS_COUNT];

struct gabi_evmcs_own {
	uint16_t offset;
	uint8_t bytes, group;
};
extern const struct gabi_evmcs_own gabi_evmcs_own[];
extern const size_t gabi_evmcs_own_count;

unsigned gabi_vmcs_bytes(unsigned id); /* of a field in memory; id is valid */

/* Layouts of one family and size are of one form: what two of them have lies in the same place. From 0, in order of the first layout
 * of each. */
enum { GABI_VMCS_FORMS = 13 };
unsigned gabi_vmcs_form(const struct gabi_vmcs_layout *layout);
bool gabi_vmcs_form_has(const struct gabi_vmcs_layout *layout, unsigned id); /* do all layouts of its form have the field? */

/* 1 for each byte that is a field's, the header's or a member's of the format. */
void gabi_vmcs_owned(const struct gabi_vmcs_layout *layout, uint8_t owned[GABI_VMCS_PAGE]);

/* x86 byte order, any alignment, 1 to 8 bytes. */
uint64_t gabi_le_load(const void *page, size_t at, unsigned bytes);
void gabi_le_store(void *page, size_t at, unsigned bytes, uint64_t value);

/* "6.12.0-4-amd64" is 612; 0 for what is no release. */
unsigned gabi_release_number(const char *release);

#endif
