/* SPDX-License-Identifier: MIT */
#include "dirty.h"

#include "uapi.h"

#include <gabi/kvm_machine.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };

size_t dirty_words(const struct memory *memory)
{
	return (memory->len / PAGE + 63) / 64;
}

static void set_bits(uint64_t *bitmap, uint64_t first, uint64_t end)
{
	for (; first < end && first % 64; first++)
		bitmap[first / 64] |= (uint64_t)1 << first % 64;
	for (; end - first >= 64 && first < end; first += 64)
		bitmap[first / 64] = UINT64_MAX;
	for (; first < end; first++)
		bitmap[first / 64] |= (uint64_t)1 << first % 64;
}

/* The file has holes where nobody ever wrote, and reading them would fill them. */
int dirty_used(const struct memory *memory, uint64_t *bitmap, struct gabi_diag *diag)
{
	off_t at = 0;

	memset(bitmap, 0, dirty_words(memory) * sizeof(*bitmap));
	while ((at = lseek(memory->file, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(memory->file, at, SEEK_HOLE);

		if (end < 0)
			break;
		set_bits(bitmap, (uint64_t)at / PAGE, ((uint64_t)end + PAGE - 1) / PAGE);
		at = end;
	}
	return errno == ENXIO ? 0 : kvm_refused(diag, "say which memory is used");
}

void dirty_mark(struct dirty *dirty, uint64_t first, uint64_t last)
{
	uint64_t *own = __atomic_load_n(&dirty->on, __ATOMIC_SEQ_CST) ? __atomic_load_n(&dirty->own, __ATOMIC_SEQ_CST) : NULL;

	for (; own && first <= last; first++)
		__atomic_fetch_or(&own[first / 64], (uint64_t)1 << first % 64, __ATOMIC_SEQ_CST);
}

int dirty_begin(struct dirty *dirty, const struct memory *memory, struct gabi_diag *diag)
{
	if (!dirty->own)
		__atomic_store_n(&dirty->own, gabi_mem_get(&memory->mem, dirty_words(memory) * sizeof(uint64_t)), __ATOMIC_SEQ_CST);
	if (!dirty->own)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	__atomic_store_n(&dirty->on, true, __ATOMIC_SEQ_CST);
	return 0;
}

void dirty_end(struct dirty *dirty)
{
	__atomic_store_n(&dirty->on, false, __ATOMIC_SEQ_CST);
}

void dirty_take_own(struct dirty *dirty, const struct memory *memory, uint64_t *bitmap)
{
	for (size_t i = 0; dirty->own && i < dirty_words(memory); i++)
		bitmap[i] |= __atomic_exchange_n(&dirty->own[i], 0, __ATOMIC_SEQ_CST);
}

/* KVM's bitmap goes by slot; each begins at a whole word of ours, and ends in one, or at the end of the memory. */
int dirty_take(const struct memory *memory, int vm, uint64_t first_at, uint64_t *bitmap, struct gabi_diag *diag)
{
	struct memory_part part[MEMORY_PARTS];
	unsigned parts = memory_parts(memory, first_at, part);
	int err = 0;

	for (uint32_t slot = 0; !err && slot < parts; slot++) {
		uint64_t first = part[slot].offset / PAGE / 64, words = (part[slot].len / PAGE + 63) / 64;
		uint64_t *log = gabi_mem_get(&memory->mem, words * sizeof(*log));
		struct kvm_dirty_log call = { .slot = slot };

		if (!log)
			return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		call.dirty_bitmap = log;
		if (kvm_ioctl(vm, KVM_GET_DIRTY_LOG, &call))
			err = kvm_refused(diag, "say which memory was written to");
		for (uint64_t i = 0; !err && i < words; i++)
			bitmap[first + i] |= log[i];
		gabi_mem_put(&memory->mem, log);
	}
	return err;
}

_Static_assert(GABI_KVM_LOW_RAM / PAGE % 64 == 0 && SHIM_FIRST / PAGE % 64 == 0, "each slot's bits begin a word");
