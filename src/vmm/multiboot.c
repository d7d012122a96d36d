/* SPDX-License-Identifier: MIT */
/* Multiboot 0.6.96, for ELF images of 32 and 64 bits. The information lies where QEMU puts it. */
#include "boot.h"

#include "base/base.h"

#include <string.h>

enum {
	HEADER_MAGIC = 0x1badb002, LOADER_MAGIC = 0x2badb002,
	HEADER_WITHIN = 8192, HEADER_LEN = 12,
	WANTS_ALIGNED = 1, WANTS_MEMORY = 2, WANTS_KNOWN = WANTS_ALIGNED | WANTS_MEMORY,
	WANTS_ALL = 0xffff, /* what a loader must do or refuse */
	PAGE = 4096,
};

bool vmm_find_multiboot(struct vmm_bytes image, size_t *ret_at)
{
	for (size_t at = 0; at < HEADER_WITHIN && image.len >= at + HEADER_LEN; at += 4) {
		const unsigned char *header = image.at + at;

		if (vmm_get(header, 4) == HEADER_MAGIC &&
		    !(uint32_t)(vmm_get(header, 4) + vmm_get(header + 4, 4) + vmm_get(header + 8, 4))) {
			*ret_at = at;
			return true;
		}
	}
	return false;
}

/* ---- ELF: System V ABI, chapters 4 and 5 ---- */

enum { ELF_32 = 1, ELF_64 = 2, ELF_LITTLE = 1, PT_LOAD = 1, SEGMENTS_MAX = 64 };

/* Where the fields of the two widths lie. */
struct elf {
	unsigned header_len, entry, table, table_size, count, field; /* field: bytes of an address */
	unsigned row_len, offset, address, file_len, memory_len;
};

static const struct elf elf_32 = { 52, 24, 28, 42, 44, 4, 32, 4, 12, 16, 20 };
static const struct elf elf_64 = { 64, 24, 32, 54, 56, 8, 56, 8, 24, 32, 40 };

static const struct elf *elf_of(struct vmm_bytes image)
{
	if (image.len < elf_64.header_len || memcmp(image.at, "\177ELF", 4) || image.at[5] != ELF_LITTLE)
		return NULL;
	return image.at[4] == ELF_32 ? &elf_32 : image.at[4] == ELF_64 ? &elf_64 : NULL;
}

static int damaged(struct gabi_diag *diag, const char *what)
{
	return gabi_fail(diag, GABI_ERR_SYNTAX, "is damaged: ", what, (char *)NULL);
}

static int load_segment(const struct vmm_load *load, const struct elf *elf, const unsigned char *row, uint64_t *end,
			struct gabi_diag *diag)
{
	uint64_t offset = vmm_get(row + elf->offset, elf->field), address = vmm_get(row + elf->address, elf->field);
	uint64_t file_len = vmm_get(row + elf->file_len, elf->field), memory_len = vmm_get(row + elf->memory_len, elf->field);
	unsigned char *to;

	if (offset > load->image.len || file_len > load->image.len - offset || file_len > memory_len)
		return damaged(diag, "a segment reaches beyond its end");
	if (!memory_len)
		return 0;
	if (address < VMM_ONE_MIB)
		return gabi_fail(diag, GABI_ERR_RANGE, "has a segment below 1 MiB, where the PC's own memory is", (char *)NULL);
	to = load->board->ram(load->board->ctx, address, memory_len, true);
	if (!to || address > UINT32_MAX - memory_len)
		return gabi_fail(diag, GABI_ERR_LIMIT, "does not fit into the guest's memory below 4 GiB; give it more", (char *)NULL);
	memcpy(to, load->image.at + offset, file_len);
	memset(to + file_len, 0, memory_len - file_len);
	if (address + memory_len > *end)
		*end = address + memory_len;
	return 0;
}

static int load_elf(const struct vmm_load *load, uint64_t *ret_entry, uint64_t *ret_end, struct gabi_diag *diag)
{
	const struct elf *elf = elf_of(load->image);
	const unsigned char *at = load->image.at;
	uint64_t table, count, end = 0;
	int err = 0;

	if (!elf)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "has a Multiboot header, but is no ELF image of x86", (char *)NULL);
	table = vmm_get(at + elf->table, elf->field);
	count = vmm_get(at + elf->count, 2);
	if (vmm_get(at + elf->table_size, 2) != elf->row_len || !count || count > SEGMENTS_MAX || table > load->image.len ||
	    count * elf->row_len > load->image.len - table)
		return damaged(diag, "its table of segments is not all there");
	for (uint64_t i = 0; !err && i < count; i++)
		if (vmm_get(at + table + i * elf->row_len, 4) == PT_LOAD)
			err = load_segment(load, elf, at + table + i * elf->row_len, &end, diag);
	if (!err && !end) /* and a module would lie where the information does */
		err = damaged(diag, "there is no segment in it to be loaded");
	*ret_entry = vmm_get(at + elf->entry, elf->field);
	*ret_end = end;
	if (!err && *ret_entry > UINT32_MAX)
		err = damaged(diag, "its entry lies above 4 GiB, and it is entered in 32-bit mode");
	return err;
}

/* ---- the information ---- */

enum {
	INFO_FLAGS = 0, INFO_LOWER = 4, INFO_UPPER = 8, INFO_COMMAND = 16, INFO_MODULES = 20, INFO_MODULE_AT = 24, INFO_MAP_LEN = 44,
	INFO_MAP_AT = 48, INFO_LOADER = 64, INFO_LEN = 128,
	HAS_MEMORY = 1, HAS_COMMAND = 4, HAS_MODULES = 8, HAS_MAP = 64, HAS_LOADER = 512,
	AREA_LEN = 24, AREA_USABLE = 1, MODULE_LEN = 16,
};

/* One block behind each other: the information, its map, the module's row, the loader's name. */
struct block {
	unsigned char info[INFO_LEN], areas[3 * AREA_LEN], module[MODULE_LEN];
	char loader[8];
};

static uint32_t gpa_of(size_t offset)
{
	return (uint32_t)(VMM_BOOT_INFO + offset);
}

static void put_areas(struct block *block, uint64_t memory)
{
	struct vmm_area areas[3];
	unsigned count = vmm_usable(memory, areas);

	for (unsigned i = 0; i < count; i++) {
		unsigned char *row = block->areas + i * AREA_LEN;

		vmm_put(row, 4, AREA_LEN - 4);
		vmm_put(row + 4, 8, areas[i].base);
		vmm_put(row + 12, 8, areas[i].len);
		vmm_put(row + 20, 4, AREA_USABLE);
	}
	vmm_put(block->info + INFO_MAP_LEN, 4, count * AREA_LEN);
	vmm_put(block->info + INFO_MAP_AT, 4, gpa_of(offsetof(struct block, areas)));
	vmm_put(block->info + INFO_LOWER, 4, areas[0].len / 1024);
	vmm_put(block->info + INFO_UPPER, 4, areas[1].len / 1024);
}

static int put_module(const struct vmm_load *load, struct block *block, uint64_t end, struct gabi_diag *diag)
{
	uint64_t at = (end + PAGE - 1) / PAGE * PAGE;

	if (!load->initrd.at)
		return 0;
	if (at > UINT32_MAX - load->initrd.len)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the module does not fit below 4 GiB", (char *)NULL);
	vmm_put(block->info + INFO_MODULES, 4, 1);
	vmm_put(block->info + INFO_MODULE_AT, 4, gpa_of(offsetof(struct block, module)));
	vmm_put(block->module, 4, at);
	vmm_put(block->module + 4, 4, at + load->initrd.len);
	vmm_put(block->module + 8, 4, VMM_BOOT_COMMAND); /* its string: the image's */
	return vmm_copy(load, at, load->initrd.at, load->initrd.len, "the module", diag);
}

static int put_info(const struct vmm_load *load, uint64_t end, struct gabi_diag *diag)
{
	struct block block = { .loader = "gabi" };
	const char *command = load->append ? load->append : "";
	int err;

	vmm_put(block.info + INFO_FLAGS, 4, HAS_MEMORY | HAS_COMMAND | HAS_MODULES | HAS_MAP | HAS_LOADER);
	vmm_put(block.info + INFO_COMMAND, 4, VMM_BOOT_COMMAND);
	vmm_put(block.info + INFO_LOADER, 4, gpa_of(offsetof(struct block, loader)));
	put_areas(&block, load->memory);
	err = put_module(load, &block, end, diag);
	if (!err && strlen(command) >= VMM_BOOT_COMMAND_MAX)
		err = gabi_fail(diag, GABI_ERR_LIMIT, "the command line is longer than 65535 bytes", (char *)NULL);
	if (!err)
		err = vmm_copy(load, VMM_BOOT_COMMAND, command, strlen(command) + 1, "the command line", diag);
	return err ? err : vmm_copy(load, VMM_BOOT_INFO, &block, sizeof(block), "the boot information", diag);
}

int vmm_load_multiboot(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag)
{
	struct vmm_start start = { .rax = LOADER_MAGIC, .rbx = VMM_BOOT_INFO };
	uint64_t entry = 0, end = 0;
	size_t header;
	int err;

	if (!vmm_find_multiboot(load->image, &header))
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "has no Multiboot header", (char *)NULL);
	if (vmm_get(load->image.at + header + 4, 4) & WANTS_ALL & ~WANTS_KNOWN)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "asks of its loader what only a PC's firmware could do (a video mode)",
				 (char *)NULL);
	err = load_elf(load, &entry, &end, diag);
	if (!err)
		err = put_info(load, end, diag);
	if (!err)
		err = vmm_flat(load, false, &start.context, diag);
	if (err)
		return err;
	start.context.cr0 = 0x11; /* PE, ET */
	start.context.rip = entry;
	*ret_start = start;
	return 0;
}
