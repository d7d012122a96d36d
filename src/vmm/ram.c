/* SPDX-License-Identifier: MIT */
#include "ram.h"

#include "base/base.h"
#include "boot.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { PAGE = 4096, HEAD_LEN = 16, LEVEL = 1, CHUNK_LEN = VMM_RAM_CHUNK * PAGE };

enum form { FORM_CLEAR = 1, FORM_RAW, FORM_ZSTD };

struct vmm_ram {
	ZSTD_CCtx *packer;
	ZSTD_DCtx *unpacker;
	size_t out_cap;
	unsigned char copy[CHUNK_LEN]; /* of pages that go on changing */
	unsigned char out[];           /* a record */
};

struct vmm_ram *vmm_ram_new(struct gabi_diag *diag)
{
	size_t cap = ZSTD_compressBound(CHUNK_LEN);
	struct vmm_ram *ram = calloc(1, sizeof(*ram) + HEAD_LEN + cap);

	if (ram) {
		ram->out_cap = cap;
		ram->packer = ZSTD_createCCtx();
		ram->unpacker = ZSTD_createDCtx();
	}
	if (ram && ram->packer && ram->unpacker)
		return ram;
	vmm_ram_free(ram);
	gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	return NULL;
}

void vmm_ram_free(struct vmm_ram *ram)
{
	if (!ram)
		return;
	ZSTD_freeCCtx(ram->packer);
	ZSTD_freeDCtx(ram->unpacker);
	free(ram);
}

uint64_t *vmm_ram_bitmap(const struct gabi_kvm_machine *machine)
{
	return calloc((size_t)((gabi_kvm_machine_pages(machine) + 63) / 64), sizeof(uint64_t));
}

uint64_t vmm_ram_count(const struct gabi_kvm_machine *machine, const uint64_t *bitmap)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < (gabi_kvm_machine_pages(machine) + 63) / 64; i++)
		count += (uint64_t)__builtin_popcountll(bitmap[i]);
	return count;
}

/* ---- writing ---- */

static bool is_set(const uint64_t *bitmap, uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

static bool is_clear(const unsigned char *page)
{
	uint64_t words[8], all = 0;

	for (size_t at = 0; at < PAGE && !all; at += sizeof(words)) {
		memcpy(words, page + at, sizeof(words));
		for (size_t i = 0; i < 8; i++)
			all |= words[i];
	}
	return !all;
}

/* How many of the pages of the copy from `at` on are all clear, or all not. */
static uint64_t like(const struct vmm_ram *ram, uint64_t at, uint64_t count)
{
	bool clear = is_clear(ram->copy + at * PAGE);
	uint64_t end = at + 1;

	while (end < count && is_clear(ram->copy + end * PAGE) == clear)
		end++;
	return end - at;
}

static int put_record(struct vmm_ram *ram, struct vmm_stream *stream, uint64_t page, uint64_t count, enum form form, size_t len,
		      struct gabi_diag *diag)
{
	vmm_put(ram->out, 8, page);
	vmm_put(ram->out + 8, 4, count);
	vmm_put(ram->out + 12, 4, form);
	return vmm_record_write(stream, VMM_RECORD_PAGES, ram->out, HEAD_LEN + len, diag);
}

static int put_pages(struct vmm_ram *ram, struct vmm_stream *stream, uint64_t page, uint64_t at, uint64_t count, struct gabi_diag *diag)
{
	const unsigned char *from = ram->copy + at * PAGE;
	size_t len = (size_t)count * PAGE, packed = ZSTD_compressCCtx(ram->packer, ram->out + HEAD_LEN, ram->out_cap, from, len, LEVEL);

	if (!ZSTD_isError(packed) && packed < len)
		return put_record(ram, stream, page, count, FORM_ZSTD, packed, diag);
	memcpy(ram->out + HEAD_LEN, from, len);
	return put_record(ram, stream, page, count, FORM_RAW, len, diag);
}

/* Pages that lie together and are all to be written. */
static int put_chunk(struct vmm_ram *ram, struct vmm_stream *stream, const struct gabi_kvm_machine *machine, uint64_t first,
		     uint64_t count, bool clears, struct gabi_diag *diag)
{
	int err = 0;

	memcpy(ram->copy, gabi_kvm_machine_page(machine, first, count), (size_t)count * PAGE);
	for (uint64_t at = 0, same; !err && at < count; at += same) {
		same = like(ram, at, count);
		if (!is_clear(ram->copy + at * PAGE))
			err = put_pages(ram, stream, first + at, at, same, diag);
		else if (clears)
			err = put_record(ram, stream, first + at, same, FORM_CLEAR, 0, diag);
	}
	return err;
}

int vmm_ram_write(struct vmm_ram *ram, struct vmm_stream *stream, const struct gabi_kvm_machine *machine, const uint64_t *bitmap,
		  uint64_t first, uint64_t end, bool clears, struct gabi_diag *diag)
{
	int err = 0;

	while (!err && first < end) {
		uint64_t count = 0;

		if (!bitmap[first / 64]) {
			first += 64 - first % 64;
			continue;
		}
		while (first + count < end && count < VMM_RAM_CHUNK && is_set(bitmap, first + count))
			count++;
		if (count)
			err = put_chunk(ram, stream, machine, first, count, clears, diag);
		first += count ? count : 1;
	}
	return err;
}

/* ---- reading ---- */

static bool unpack(struct vmm_ram *ram, unsigned char *to, size_t len, enum form form, const unsigned char *from, size_t from_len)
{
	switch (form) {
	case FORM_CLEAR:
		memset(to, 0, len);
		return !from_len;
	case FORM_RAW:
		if (from_len != len)
			return false;
		memcpy(to, from, len);
		return true;
	case FORM_ZSTD:
		return ZSTD_decompressDCtx(ram->unpacker, to, len, from, from_len) == len;
	default:
		return false;
	}
}

int vmm_ram_read(struct vmm_ram *ram, const struct vmm_stream *stream, const struct vmm_record_in *record,
		 const struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	uint64_t page, count;
	unsigned char *to;

	if (record->len < HEAD_LEN)
		return vmm_stream_damaged(stream, diag, "a record of memory is too short");
	page = vmm_get(record->bytes, 8);
	count = vmm_get(record->bytes + 8, 4);
	to = count && count <= VMM_RAM_CHUNK ? gabi_kvm_machine_page(machine, page, count) : NULL;
	if (!to)
		return vmm_stream_damaged(stream, diag, "a record of memory is of pages that the guest does not have");
	if (!unpack(ram, to, (size_t)count * PAGE, (enum form)vmm_get(record->bytes + 12, 4), record->bytes + HEAD_LEN,
		    record->len - HEAD_LEN))
		return vmm_stream_damaged(stream, diag, "a record of memory cannot be unpacked");
	return 0;
}
