/* SPDX-License-Identifier: MIT */
/*
 * The bytes are an image to be booted, before it how much memory there is, an initial file system's size and the command line. Properties: nothing is read beyond the image
 * nor written beyond the memory, which a sanitizer sees; what is refused says why, and leaves the registers as they were; and what is taken lies in memory, whole: the
 * kernel where it is entered, the command line and the module where the guest is told that they are.
 */
#include "fuzz.h"

#include "vmm/boot.h"

#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20, SETUP_SECTORS = 0x1f1, SECTOR = 512, ENTRY = 0x200, INITRD_AT = 0x218, MODULE_AT = 24, FILLED = 0x55 };

enum { LAW_LINUX, LAW_MULTIBOOT, LAW_INITRD };
struct fuzz_law fuzz_laws[] = {
	[LAW_LINUX] = { "a Linux was loaded", 0 },
	[LAW_MULTIBOOT] = { "a Multiboot image was loaded", 0 },
	[LAW_INITRD] = { "with an initial file system", 0 },
	{ NULL, 0 },
};

struct memory {
	unsigned char *at;
	uint64_t len;
};

static void *ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	const struct memory *memory = ctx;

	(void)writes;
	return gpa <= memory->len && len <= memory->len - gpa ? memory->at + gpa : NULL;
}

static bool is_filled(const struct memory *memory, uint64_t gpa, size_t len)
{
	const unsigned char *at = ram((void *)(uintptr_t)memory, gpa, len, false);

	for (size_t i = 0; at && i < len; i++)
		if (at[i] != FILLED)
			return false;
	return at;
}

static uint64_t get(const struct memory *memory, uint64_t gpa, unsigned size)
{
	return vmm_get(memory->at + gpa, size);
}

static void look_at_linux(const struct vmm_load *load, const struct memory *memory, const struct vmm_start *start)
{
	size_t from = (load->image.at[SETUP_SECTORS] ? load->image.at[SETUP_SECTORS] + 1u : 5u) * SECTOR, len = load->image.len - from;
	const unsigned char *kernel = ram((void *)(uintptr_t)memory, start->context.rip - ENTRY, len, false);

	fuzz_expect(from < load->image.len && kernel && !memcmp(kernel, load->image.at + from, len));
	fuzz_expect(!load->initrd.at || is_filled(memory, get(memory, VMM_BOOT_PARAMS + INITRD_AT, 4), load->initrd.len));
	fuzz_laws[LAW_LINUX].reached++;
}

static void look_at_multiboot(const struct vmm_load *load, const struct memory *memory, const struct vmm_start *start)
{
	uint64_t row = get(memory, VMM_BOOT_INFO + MODULE_AT, 4), at = load->initrd.at ? get(memory, row, 4) : 0;

	fuzz_expect(start->context.rip <= UINT32_MAX && start->rbx == VMM_BOOT_INFO);
	if (load->initrd.at)
		fuzz_expect(get(memory, row + 4, 4) - at == load->initrd.len && is_filled(memory, at, load->initrd.len));
	fuzz_laws[LAW_MULTIBOOT].reached++;
}

static void load_it(const struct vmm_load *load, const struct memory *memory)
{
	struct vmm_start start, before;
	struct gabi_diag diag = { 0 };
	int err;

	memset(&start, FILLED, sizeof(start));
	memcpy(&before, &start, sizeof(start));
	err = vmm_load(load, &start, &diag);
	if (err) {
		fuzz_expect(err < 0 && diag.err == err && *diag.text && !memcmp(&start, &before, sizeof(start)));
		return;
	}
	fuzz_reached();
	fuzz_expect(!strcmp((const char *)memory->at + VMM_BOOT_COMMAND, load->append));
	if (vmm_image_kind(load->image) == VMM_IMAGE_LINUX)
		look_at_linux(load, memory, &start);
	else
		look_at_multiboot(load, memory, &start);
	fuzz_laws[LAW_INITRD].reached += load->initrd.at != NULL;
}

/* Of its own size, so that a sanitizer sees its end. */
static unsigned char *copy(const void *from, size_t len)
{
	unsigned char *to = malloc(len ? len : 1);

	if (to && len)
		memcpy(to, from, len);
	return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char sizes[] = { 1, 2, 3, 4 };
	const uint8_t *end = size > 3 ? memchr(data + 3, 0, size - 3) : NULL;
	struct memory memory = { NULL, end ? (uint64_t)sizes[data[0] & 3] * MIB : 0 };
	const struct vmm_board board = { .ram = ram, .ctx = &memory };
	size_t initrd_len = end ? data[1] | (size_t)data[2] << 8 : 0, image_len = end ? size - (size_t)(end + 1 - data) : 0;
	struct vmm_load load = { .memory = memory.len, .rsdp = VMM_ACPI_GPA, .board = &board };
	unsigned char *image, *initrd, *command;

	if (!end)
		return 0;
	memory.at = calloc(1, memory.len);
	image = copy(end + 1, image_len);
	initrd = malloc(initrd_len + 1);
	command = copy(data + 3, (size_t)(end + 1 - data - 3));
	if (memory.at && image && initrd && command) {
		memset(initrd, FILLED, initrd_len + 1);
		load.image = (struct vmm_bytes){ image, image_len };
		load.initrd = (struct vmm_bytes){ data[0] & 4 ? initrd : NULL, data[0] & 4 ? initrd_len : 0 };
		load.append = (const char *)command;
		load_it(&load, &memory);
	}
	free(command);
	free(initrd);
	free(image);
	free(memory.at);
	return 0;
}
