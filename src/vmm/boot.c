/* SPDX-License-Identifier: MIT */
#include "boot.h"

#include "base/base.h"

#include <gabi/kvm_machine.h>

#include <string.h>

uint64_t vmm_get(const unsigned char *from, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

void vmm_put(unsigned char *to, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

unsigned vmm_usable(uint64_t memory, struct vmm_area areas[3])
{
	uint64_t low = memory < GABI_KVM_LOW_RAM ? memory : GABI_KVM_LOW_RAM;

	areas[0] = (struct vmm_area){ 0, low < VMM_LOW_RAM_END ? low : VMM_LOW_RAM_END };
	areas[1] = (struct vmm_area){ VMM_ONE_MIB, low > VMM_ONE_MIB ? low - VMM_ONE_MIB : 0 };
	areas[2] = (struct vmm_area){ GABI_KVM_HIGH_RAM, memory - low };
	return memory > low ? 3 : 2;
}

int vmm_copy(const struct vmm_load *load, uint64_t gpa, const void *from, size_t len, const char *what, struct gabi_diag *diag)
{
	void *to = load->board->ram(load->board->ctx, gpa, len, true);

	if (!to)
		return gabi_fail(diag, GABI_ERR_LIMIT, what, " does not fit into the guest's memory; give it more", (char *)NULL);
	if (len)
		memcpy(to, from, len);
	return 0;
}

/* ---- processors ---- */

enum {
	CODE_32 = 0xc09b, DATA_32 = 0xc093, CODE_64 = 0xa09b, TASK = 0x8b, ABSENT = 0,
	SELECTOR_CODE = 0x10, SELECTOR_DATA = 0x18, SELECTOR_TASK = 0x20,
	TASK_LIMIT = 0x67,
	ENTRIES = 5,
};

static uint64_t descriptor(const struct gabi_hv_segment *segment)
{
	uint64_t limit = segment->attributes & 0x8000 ? segment->limit >> 12 : segment->limit;

	return (limit & 0xffff) | (limit >> 16 & 15) << 48 | (segment->base & 0xffffff) << 16 | (segment->base >> 24 & 0xff) << 56 |
	       (uint64_t)(segment->attributes & 0xf0ff) << 40;
}

/* The selectors are those that Linux's 64-bit protocol wants; Multiboot leaves them open. */
int vmm_flat(const struct vmm_load *load, bool is_64, struct gabi_hv_context *context, struct gabi_diag *diag)
{
	const struct gabi_hv_segment code = { 0, 0xffffffff, SELECTOR_CODE, is_64 ? CODE_64 : CODE_32 };
	const struct gabi_hv_segment data = { 0, 0xffffffff, SELECTOR_DATA, DATA_32 };
	unsigned char gdt[ENTRIES * 8] = { 0 };

	*context = (struct gabi_hv_context){
		.cs = code, .ds = data, .es = data, .fs = data, .gs = data, .ss = data,
		.tr = { 0, TASK_LIMIT, SELECTOR_TASK, TASK }, .ldtr = { 0, 0, 0, ABSENT },
		.gdtr = { .base = VMM_BOOT_GDT, .limit = sizeof(gdt) - 1 }, .pat = 0x0007040600070406,
	};
	vmm_put(gdt + SELECTOR_CODE, 8, descriptor(&code));
	vmm_put(gdt + SELECTOR_DATA, 8, descriptor(&data));
	vmm_put(gdt + SELECTOR_TASK, 8, descriptor(&context->tr));
	return vmm_copy(load, VMM_BOOT_GDT, gdt, sizeof(gdt), "the first GDT", diag);
}

/* ---- kinds ---- */

enum { LINUX_MAGIC_AT = 0x202, LINUX_MAGIC = 0x53726448 /* "HdrS" */ };

enum vmm_image_kind vmm_image_kind(struct vmm_bytes image)
{
	size_t at;

	if (image.len >= LINUX_MAGIC_AT + 4 && vmm_get(image.at + LINUX_MAGIC_AT, 4) == LINUX_MAGIC)
		return VMM_IMAGE_LINUX;
	return vmm_find_multiboot(image, &at) ? VMM_IMAGE_MULTIBOOT : VMM_IMAGE_UNKNOWN;
}

int vmm_load(const struct vmm_load *load, struct vmm_start *ret_start, struct gabi_diag *diag)
{
	switch (vmm_image_kind(load->image)) {
	case VMM_IMAGE_LINUX:
		return vmm_load_linux(load, ret_start, diag);
	case VMM_IMAGE_MULTIBOOT:
		return vmm_load_multiboot(load, ret_start, diag);
	default:
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "is neither a Linux bzImage nor an ELF image with a Multiboot header",
				 (char *)NULL);
	}
}
