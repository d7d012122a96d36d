/* SPDX-License-Identifier: MIT */
/* What the subcommands about VMCS pages and nested state share. */
#ifndef GABI_TOOL_VMCS_H
#define GABI_TOOL_VMCS_H

#include "gabi.h"
#include "rows.h"

#include <gabi/nested.h>

/* ---- fields ---- */

const char *hex(char *out, size_t cap, uint64_t value, unsigned bytes);
const struct gabi_vmcs_field *field_at(unsigned id);
unsigned bytes_of(unsigned id);

/* "vmx-ept" or, for a bit without a name, "bit 17" */
const char *bit_name(unsigned word, unsigned bit, char *out, size_t cap);

/* ---- pages ---- */

/* A layout by its name, or the vmcs12 of a kernel release; complains and returns NULL. */
const struct gabi_vmcs_layout *layout_named(const char *name);

/* Reads a page: a file of at most 4096 bytes, what is missing at its end being zero. */
enum status page_read(const char *path, uint8_t page[GABI_VMCS_PAGE]);

/* The layout that --layout names, or else one that the page can have: of several the one with most evidence, then the latest.
 * Where it can have none, the one of its revision id that the least speaks against, if that is good enough (`guess`). Complains
 * and returns NULL. */
const struct gabi_vmcs_layout *page_layout(const struct args *args, const char *path, const uint8_t page[GABI_VMCS_PAGE], bool guess);

/* Says which layouts the page can have; returns how many. */
size_t possible_show(struct rows *rows, const uint8_t page[GABI_VMCS_PAGE]);

/* Explains a page: controls by name, segments, state, and what is wrong with it. Returns how many things are. */
size_t page_show(struct rows *rows, const struct gabi_vmcs_layout *layout, const uint8_t page[GABI_VMCS_PAGE], bool all);

/* The flags of a translation for --host-bits; complains and returns false where that is neither 32 nor 64. */
bool translation_flags(const struct args *args, unsigned *ret_flags);

/* Findings of a translation as rows; true if one would do harm. */
bool findings_show(struct rows *rows, const struct gabi_vmcs_finding *findings, size_t count);

/* ---- subcommands ---- */

enum status vmcs_fields(const struct args *args);
enum status vmcs_layouts(const struct args *args);
enum status vmcs_show(const struct args *args);
enum status vmcs_identify(const struct args *args);

/* Runs the function of a table that args->file[0] names. */
struct subcommand {
	const char *name;
	enum status (*run)(const struct args *args);
	size_t least, most; /* operands behind the name */
	const char *usage;
};
enum status run_sub(const char *command, const struct subcommand *subs, size_t count, const struct args *args);

#endif
