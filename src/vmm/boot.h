/* SPDX-License-Identifier: MIT */
/* Boot protocols: an image into memory, and the first registers of the first virtual processor. */
#ifndef GABI_VMM_BOOT_H
#define GABI_VMM_BOOT_H

#include <gabi/err.h>
#include <gabi/hv_turn.h>

#include "device.h"

struct vmm_bytes {
	const unsigned char *at;
	size_t len;
};

/* What is to be loaded, and into what. */
struct vmm_load {
	struct vmm_bytes image;
	struct vmm_bytes initrd;     /* Linux: the initial file system; multiboot: the one module; at NULL: none */
	const char *append;          /* the command line; NULL: empty */
	uint64_t memory;             /* bytes of RAM, as gabi_kvm_machine_options has them */
	uint64_t rsdp;               /* where the ACPI tables begin */
	const struct vmm_board *board; /* only its `ram` is used */
};

struct vmm_start {
	struct gabi_hv_context context;
	uint64_t rax, rbx, rsi;
};

enum vmm_image_kind { VMM_IMAGE_UNKNOWN, VMM_IMAGE_MULTIBOOT, VMM_IMAGE_LINUX };

/* What an image is, by what stands in it. */
enum vmm_image_kind vmm_image_kind(struct vmm_bytes image);

/* Loads an image of any kind. GABI_ERR_SYNTAX or GABI_ERR_RANGE: the image is damaged; GABI_ERR_LIMIT: it does not fit into the
 * memory; GABI_ERR_UNSUPPORTED: of a kind that is not booted here. */
int vmm_load(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag);

/* ---- one of each kind ---- */

int vmm_load_multiboot(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag);
int vmm_load_linux(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag);

/* Where the Multiboot header lies; false if there is none. */
bool vmm_find_multiboot(struct vmm_bytes image, size_t *ret_at);

/* ---- what they share ---- */

/* Addresses below 1 MiB, of what a guest finds at its start. */
enum {
	VMM_BOOT_GDT = 0x6000,
	VMM_BOOT_PARAMS = 0x7000, /* Linux's boot_params */
	VMM_BOOT_INFO = 0x9500,   /* Multiboot's information */
	VMM_BOOT_TABLES = 0x10000,
	VMM_BOOT_COMMAND = 0x20000,
	VMM_BOOT_COMMAND_MAX = 0x10000,
	VMM_LOW_RAM_END = 0x9fc00,
	VMM_ACPI_GPA = 0xe0000,
	VMM_ACPI_LEN = 0x20000,
	VMM_ONE_MIB = 0x100000,
};

/* The RAM that the guest may use, in the order of addresses; 3 at most. */
struct vmm_area {
	uint64_t base, len;
};
unsigned vmm_usable(uint64_t memory, struct vmm_area areas[3]);

/* Little-endian numbers in an image, whose bounds the caller has checked, and in the guest. */
uint64_t vmm_get(const unsigned char *from, unsigned size);
void vmm_put(unsigned char *to, unsigned size, uint64_t value);

/* Copies into the guest; GABI_ERR_LIMIT if that is not RAM. what is for the sentence: "the kernel". */
int vmm_copy(const struct vmm_load *load, uint64_t gpa, const void *from, size_t len, const char *what, struct gabi_diag *diag);

/* Flat segments of 4 GiB, and of 64 bits if is_64. The GDT that fits them is put into the guest. */
int vmm_flat(const struct vmm_load *load, bool is_64, struct gabi_hv_context *context, struct gabi_diag *diag);

#endif
