/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "uapi.h"

#include <gabi/kvm_machine.h>

#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

int memory_map(const struct memory *memory, unsigned char **ret_view, struct gabi_diag *diag)
{
	void *view = mmap(NULL, memory->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory->file, 0);

	if (view == MAP_FAILED)
		return gabi_fail(diag, GABI_ERR_NOMEM, "there is not so much memory", (char *)NULL);
	*ret_view = view;
	return 0;
}

void memory_unmap(const struct memory *memory, unsigned char *view)
{
	if (view)
		munmap(view, memory->len);
}

static int open_overlays(struct memory *memory, unsigned pages, struct gabi_diag *diag)
{
	void *overlays;

	if (!pages)
		return 0;
	memory->overlays_len = (size_t)pages * PAGE;
	memory->overlay_file = memfd_create("guest-overlays", MFD_CLOEXEC);
	if (memory->overlay_file < 0 || ftruncate(memory->overlay_file, (off_t)memory->overlays_len))
		return gabi_fail(diag, GABI_ERR_NOMEM, "there is not so much memory", (char *)NULL);
	overlays = mmap(NULL, memory->overlays_len, PROT_READ | PROT_WRITE, MAP_SHARED, memory->overlay_file, 0);
	if (overlays == MAP_FAILED)
		return gabi_fail(diag, GABI_ERR_NOMEM, "there is not so much memory", (char *)NULL);
	memory->overlays = overlays;
	memory->covered = gabi_mem_get(&memory->mem, pages * sizeof(*memory->covered));
	return memory->covered ? 0 : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

int memory_open(struct memory *memory, uint64_t len, unsigned overlays, struct gabi_diag *diag)
{
	int err;

	*memory = (struct memory){ .mem = memory->mem, .file = -1, .overlay_file = -1, .len = len };
	if (!len || len % PAGE || len > INT64_MAX - PAGE)
		return gabi_fail(diag, GABI_ERR_ARG, "a machine's memory is whole pages, and not none", (char *)NULL);
	memory->file = memfd_create("guest-memory", MFD_CLOEXEC);
	if (memory->file < 0 || ftruncate(memory->file, (off_t)len))
		return gabi_fail(diag, GABI_ERR_NOMEM, "there is not so much memory", (char *)NULL);
	err = memory_map(memory, &memory->view, diag);
	return err ? err : open_overlays(memory, overlays, diag);
}

void memory_close(struct memory *memory)
{
	if (memory->overlays)
		munmap(memory->overlays, memory->overlays_len);
	gabi_mem_put(&memory->mem, memory->covered);
	kvm_close(memory->overlay_file);
	memory_unmap(memory, memory->view);
	kvm_close(memory->file);
}

static uint64_t low_part(const struct memory *memory)
{
	return memory->len < GABI_KVM_LOW_RAM ? memory->len : GABI_KVM_LOW_RAM;
}

unsigned memory_parts(const struct memory *memory, uint64_t first_at, struct memory_part ret_parts[MEMORY_PARTS])
{
	uint64_t low = low_part(memory), from = first_at ? SHIM_FIRST : 0;
	unsigned count = 0;

	ret_parts[count++] = (struct memory_part){ from, low - from, from };
	if (memory->len > low)
		ret_parts[count++] = (struct memory_part){ low, memory->len - low, GABI_KVM_HIGH_RAM };
	if (first_at)
		ret_parts[count++] = (struct memory_part){ 0, SHIM_FIRST, first_at };
	return count;
}

int memory_give(const struct memory *memory, int vm, unsigned char *view, uint64_t first_at, bool logs, struct gabi_diag *diag)
{
	struct memory_part part[MEMORY_PARTS];
	unsigned parts = memory_parts(memory, first_at, part);

	for (unsigned slot = 0; slot < parts; slot++) {
		struct kvm_userspace_memory_region region = {
			.slot = slot, .flags = logs ? KVM_MEM_LOG_DIRTY_PAGES : 0, .guest_phys_addr = part[slot].gpa,
			.memory_size = part[slot].len, .userspace_addr = (uintptr_t)(view + part[slot].offset),
		};

		if (kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
			return kvm_refused(diag, "give a guest its memory");
	}
	return 0;
}

bool memory_find(const struct memory *memory, uint64_t gpa, uint64_t len, uint64_t *ret_offset)
{
	uint64_t low = low_part(memory), start = gpa < GABI_KVM_HIGH_RAM ? 0 : GABI_KVM_HIGH_RAM, room = start ? memory->len - low : low;

	if (gpa - start > room || len > room - (gpa - start))
		return false;
	*ret_offset = gpa - start + (start ? low : 0);
	return true;
}

uint64_t memory_gpa(const struct memory *memory, uint64_t offset)
{
	uint64_t low = low_part(memory);

	return offset < low ? offset : offset - low + GABI_KVM_HIGH_RAM;
}

bool memory_is_covered(const struct memory *memory, unsigned vtl, uint64_t offset)
{
	return memory_next_covered(memory, vtl, offset, offset + 1) == offset;
}

uint64_t memory_next_covered(const struct memory *memory, unsigned vtl, uint64_t offset, uint64_t end)
{
	for (size_t i = 0; i < memory->overlays_len / PAGE; i++) {
		const struct covered *covered = &memory->covered[i];

		if (covered->is && covered->vtl == vtl && covered->offset >= offset && covered->offset < end)
			end = covered->offset;
	}
	return end;
}

static void note_cover(struct memory *memory, unsigned vtl, uint64_t offset, uint32_t page)
{
	for (size_t i = 0; i < memory->overlays_len / PAGE; i++)
		if (memory->covered[i].vtl == vtl && memory->covered[i].offset == offset)
			memory->covered[i].is = false;
	if (page != UINT32_MAX)
		memory->covered[page] = (struct covered){ .offset = offset, .is = true, .vtl = (unsigned char)vtl };
}

/* KVM follows what the view maps, and no slot changes. */
int memory_cover(struct memory *memory, unsigned vtl, unsigned char *view, uint64_t gpa, uint32_t page)
{
	bool covers = page != UINT32_MAX;
	uint64_t offset;
	void *at;

	if (gpa % PAGE || !memory_find(memory, gpa, PAGE, &offset))
		return GABI_ERR_RANGE;
	at = mmap(view + offset, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
		  covers ? memory->overlay_file : memory->file, covers ? (off_t)page * PAGE : (off_t)offset);
	if (at == MAP_FAILED)
		return GABI_ERR_NOMEM;
	note_cover(memory, vtl, offset, page);
	return 0;
}
