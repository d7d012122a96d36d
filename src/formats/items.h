/* SPDX-License-Identifier: MIT */
/* The -cpu argument that QEMU would be given, cut into items, for tools that stand before QEMU and have words of their own. */
#ifndef GABI_FORMATS_ITEMS_H
#define GABI_FORMATS_ITEMS_H

#include "formats/emit.h"

#define GABI_ITEMS_MAX 1024
#define GABI_ITEM_CAP  64

struct gabi_item {
	char name[GABI_ITEM_CAP], value[GABI_ITEM_CAP]; /* "avx2", "on" */
	bool used;
};

struct gabi_items_of_cpu {
	char model[GABI_ITEM_CAP], machine[GABI_ITEM_CAP]; /* machine "": none is named */
	size_t count; /* of arm64, MTE is an item too, though QEMU has it with the machine */
	struct gabi_item at[GABI_ITEMS_MAX];
};

/* What gabi_emit_qemu writes for the emission's contract and host; its gaps and notes become those of the emission. NULL after an error.
 * To be given back by gabi_items_put. */
struct gabi_items_of_cpu *gabi_items_get(struct gabi_emission *emission);
void gabi_items_put(struct gabi_emission *emission, struct gabi_items_of_cpu *items);

/* Takes an item out: its value, NULL where there is none. */
const char *gabi_items_take(struct gabi_items_of_cpu *items, const char *name);

/* Takes a switch out: 1, 0, or -1 where it is not there. */
int gabi_items_take_switch(struct gabi_items_of_cpu *items, const char *name);

/* Is the item a switch of the CPU itself, or of an MSR: what other tools call a feature? */
bool gabi_item_is_feature(const struct gabi_item *item);

/* Says of each item that was not taken that the tool has no word for it. */
void gabi_items_note_rest(struct gabi_emission *emission, const struct gabi_items_of_cpu *items, const char *tool);

#endif
