/* SPDX-License-Identifier: MIT */
/* A machine's memory: one file, mapped once for the VMM and once for each VTL, so that a VTL can have overlays and protections of
 * its own. */
#ifndef GABI_KVM_MEMORY_H
#define GABI_KVM_MEMORY_H

#include "io.h"

struct memory {
	struct gabi_mem mem;
	int file;
	uint64_t len;
	unsigned char *view; /* the VMM's */
	int overlay_file;
	unsigned char *overlays; /* pages that can be laid over a view; NULL: none */
	size_t overlays_len;
	struct covered {
		uint64_t offset; /* in the memory */
		bool is;
		unsigned char vtl;
	} *covered; /* of each such page: where it lies */
};

/* memory_close takes what was made before a failure. */
int memory_open(struct memory *memory, uint64_t len, unsigned overlays, struct gabi_diag *diag);
void memory_close(struct memory *memory);

/* One more view of all of it, and its end. */
int memory_map(const struct memory *memory, unsigned char **ret_view, struct gabi_diag *diag);
void memory_unmap(const struct memory *memory, unsigned char *view);

/* What a VM has as slots, by their numbers. */
struct memory_part {
	uint64_t offset, len; /* in the memory */
	uint64_t gpa;
};
enum { MEMORY_PARTS = 3, SHIM_FIRST = 1 << 20 /* bytes that lie elsewhere for KVM under a shim */ };

/* first_at: where KVM has the first MiB; 0: in its place. Returns how many parts there are. */
unsigned memory_parts(const struct memory *memory, uint64_t first_at, struct memory_part ret_parts[MEMORY_PARTS]);

/* Gives a VM the view as its RAM; again, to begin or end that KVM writes down which pages are written to. */
int memory_give(const struct memory *memory, int vm, unsigned char *view, uint64_t first_at, bool logs, struct gabi_diag *diag);

/* Lays an overlay page over a page of a trust level's view; page UINT32_MAX takes it away. GABI_ERR_RANGE: there is no RAM. */
int memory_cover(struct memory *memory, unsigned vtl, unsigned char *view, uint64_t gpa, uint32_t page);

/* Does an overlay page lie there? The first place from offset on where one does; end if there is none before it. */
bool memory_is_covered(const struct memory *memory, unsigned vtl, uint64_t offset);
uint64_t memory_next_covered(const struct memory *memory, unsigned vtl, uint64_t offset, uint64_t end);

/* Where len bytes of RAM lie in a view; false if they are not all RAM. */
bool memory_find(const struct memory *memory, uint64_t gpa, uint64_t len, uint64_t *ret_offset);

/* Its other direction. */
uint64_t memory_gpa(const struct memory *memory, uint64_t offset);

#endif
