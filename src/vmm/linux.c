/* SPDX-License-Identifier: MIT */
/* Linux's 64-bit boot protocol: Documentation/arch/x86/boot.rst and zero-page.rst. */
#include "boot.h"

#include "base/base.h"

#include <gabi/kvm_machine.h>

#include <string.h>

/* The setup header, by its offsets in the image, which are those in boot_params too. */
enum {
	SETUP_SECTORS = 0x1f1, KERNEL_PARAGRAPHS = 0x1f4, BOOT_FLAG = 0x1fe, HEADER_LEN = 0x201, VERSION = 0x206, LOADER = 0x210,
	INITRD_AT = 0x218, INITRD_LEN = 0x21c, COMMAND_AT = 0x228, INITRD_MAX = 0x22c,
	XLOADFLAGS = 0x236, COMMAND_MAX = 0x238, PREFERRED = 0x258, INIT_SIZE = 0x260, HEADER_END = 0x264,
	/* boot_params alone */
	RSDP = 0x70, AREAS = 0x1e8, AREA = 0x2d0, AREA_LEN = 20, PARAMS_LEN = 4096,
};

enum {
	SECTOR = 512, BOOT_MAGIC = 0xaa55, VERSION_64 = 0x20c, KERNEL_64 = 1, LOADER_OTHER = 0xff, AREA_USABLE = 1,
	ENTRY_64 = 0x200,
	PAGE = 4096,
};

static int damaged(struct gabi_diag *diag, const char *what)
{
	return gabi_fail(diag, GABI_ERR_SYNTAX, "is damaged: ", what, (char *)NULL);
}

/* ---- where everything goes ---- */

struct plan {
	uint64_t kernel_from, kernel_len; /* in the image */
	uint64_t kernel, kernel_room;     /* in the guest */
	uint64_t initrd;
};

static int check_header(const struct vmm_load *load, struct gabi_diag *diag)
{
	const unsigned char *at = load->image.at;

	if (load->image.len < HEADER_END)
		return damaged(diag, "it ends within its header");
	if (vmm_get(at + BOOT_FLAG, 2) != BOOT_MAGIC)
		return damaged(diag, "its boot flag is wrong");
	if (vmm_get(at + VERSION, 2) < VERSION_64 || !(vmm_get(at + XLOADFLAGS, 2) & KERNEL_64))
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "is a Linux without the 64-bit entry, which Linux 3.8 brought", (char *)NULL);
	if (strlen(load->append ? load->append : "") > vmm_get(at + COMMAND_MAX, 4) ||
	    strlen(load->append ? load->append : "") >= VMM_BOOT_COMMAND_MAX)
		return gabi_fail(diag, GABI_ERR_LIMIT, "takes no command line that is so long", (char *)NULL);
	return 0;
}

static uint64_t low_ram(const struct vmm_load *load)
{
	return load->memory < GABI_KVM_LOW_RAM ? load->memory : GABI_KVM_LOW_RAM;
}

/* The kernel goes where it prefers to be, so that it need not move. */
static int place_kernel(const struct vmm_load *load, struct plan *plan, struct gabi_diag *diag)
{
	const unsigned char *at = load->image.at;
	uint64_t sectors = at[SETUP_SECTORS] ? at[SETUP_SECTORS] : 4;

	plan->kernel_from = (sectors + 1) * SECTOR;
	if (plan->kernel_from >= load->image.len)
		return damaged(diag, "it ends before the kernel begins");
	plan->kernel_len = load->image.len - plan->kernel_from;
	if (plan->kernel_len < vmm_get(at + KERNEL_PARAGRAPHS, 4) * 16) /* what is signed is longer */
		return damaged(diag, "it ends before the kernel does");
	plan->kernel = vmm_get(at + PREFERRED, 8);
	plan->kernel_room = vmm_get(at + INIT_SIZE, 4);
	if (plan->kernel_room < plan->kernel_len)
		plan->kernel_room = plan->kernel_len;
	if (plan->kernel < VMM_ONE_MIB)
		return damaged(diag, "it wants to lie below 1 MiB");
	if (plan->kernel > low_ram(load) || plan->kernel_room > low_ram(load) - plan->kernel)
		return gabi_fail(diag, GABI_ERR_LIMIT, "needs more memory below 3 GiB than the guest has", (char *)NULL);
	return 0;
}

/* The initial file system goes as high as it may, below 3 GiB. */
static int place_initrd(const struct vmm_load *load, struct plan *plan, struct gabi_diag *diag)
{
	uint64_t end = vmm_get(load->image.at + INITRD_MAX, 4) + 1, after = plan->kernel + plan->kernel_room;

	if (!load->initrd.at)
		return 0;
	end = end < low_ram(load) ? end : low_ram(load);
	if (end < after || load->initrd.len > end - after)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the guest has too little memory for the initial file system", (char *)NULL);
	plan->initrd = (end - load->initrd.len) / PAGE * PAGE;
	return plan->initrd >= after ? 0 :
				       gabi_fail(diag, GABI_ERR_LIMIT, "the guest has too little memory for the initial file system",
						 (char *)NULL);
}

/* ---- what the kernel finds ---- */

static void put_areas(unsigned char *params, uint64_t memory)
{
	struct vmm_area areas[3];
	unsigned count = vmm_usable(memory, areas);

	params[AREAS] = (unsigned char)count;
	for (unsigned i = 0; i < count; i++) {
		unsigned char *row = params + AREA + i * AREA_LEN;

		vmm_put(row, 8, areas[i].base);
		vmm_put(row + 8, 8, areas[i].len);
		vmm_put(row + 16, 4, AREA_USABLE);
	}
}

static int put_params(const struct vmm_load *load, const struct plan *plan, struct gabi_diag *diag)
{
	unsigned char params[PARAMS_LEN] = { 0 };
	size_t end = 0x202u + load->image.at[HEADER_LEN];

	if (end > load->image.len || end > AREA)
		return damaged(diag, "its header is longer than it may be");
	memcpy(params + SETUP_SECTORS, load->image.at + SETUP_SECTORS, end - SETUP_SECTORS);
	params[LOADER] = LOADER_OTHER;
	vmm_put(params + COMMAND_AT, 4, VMM_BOOT_COMMAND);
	vmm_put(params + INITRD_AT, 4, plan->initrd);
	vmm_put(params + INITRD_LEN, 4, load->initrd.len);
	vmm_put(params + RSDP, 8, load->rsdp);
	put_areas(params, load->memory);
	return vmm_copy(load, VMM_BOOT_PARAMS, params, sizeof(params), "Linux", diag);
}

/* The first 4 GiB where they are, by pages of 2 MiB. */
static int put_tables(const struct vmm_load *load, struct gabi_diag *diag)
{
	enum { DIRECTORIES = 4, TABLES = 2 + DIRECTORIES, PRESENT_WRITABLE = 3, LARGE = 0x80 };
	unsigned char *tables = load->board->ram(load->board->ctx, VMM_BOOT_TABLES, TABLES * PAGE, true);

	if (!tables)
		return gabi_fail(diag, GABI_ERR_LIMIT, "needs more memory than the guest has", (char *)NULL);
	memset(tables, 0, TABLES * PAGE);
	vmm_put(tables, 8, (VMM_BOOT_TABLES + PAGE) | PRESENT_WRITABLE);
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		vmm_put(tables + PAGE + 8 * i, 8, (VMM_BOOT_TABLES + (2 + i) * PAGE) | PRESENT_WRITABLE);
	for (uint64_t i = 0; i < DIRECTORIES * 512; i++)
		vmm_put(tables + 2 * PAGE + 8 * i, 8, i << 21 | LARGE | PRESENT_WRITABLE);
	return 0;
}

static int put_all(const struct vmm_load *load, const struct plan *plan, struct gabi_diag *diag)
{
	const char *command = load->append ? load->append : "";
	int err = vmm_copy(load, plan->kernel, load->image.at + plan->kernel_from, plan->kernel_len, "the kernel", diag);

	if (!err && load->initrd.at)
		err = vmm_copy(load, plan->initrd, load->initrd.at, load->initrd.len, "the initial file system", diag);
	if (!err)
		err = vmm_copy(load, VMM_BOOT_COMMAND, command, strlen(command) + 1, "the command line", diag);
	if (!err)
		err = put_params(load, plan, diag);
	return err ? err : put_tables(load, diag);
}

int vmm_load_linux(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag)
{
	struct vmm_start start = { .rsi = VMM_BOOT_PARAMS };
	struct plan plan = { 0 };
	int err = check_header(load, diag);

	if (!err)
		err = place_kernel(load, &plan, diag);
	if (!err)
		err = place_initrd(load, &plan, diag);
	if (!err)
		err = put_all(load, &plan, diag);
	if (!err)
		err = vmm_flat(load, true, &start.context, diag);
	if (err)
		return err;
	start.context.cr0 = 0x80000011; /* PG, ET, PE */
	start.context.cr3 = VMM_BOOT_TABLES;
	start.context.cr4 = 0x20;   /* PAE */
	start.context.efer = 0x500; /* LMA, LME */
	start.context.rip = plan.kernel + ENTRY_64;
	*ret_start = start;
	return 0;
}
