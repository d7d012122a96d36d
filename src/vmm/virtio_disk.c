/* SPDX-License-Identifier: MIT */
/* Virtio 1.2, 5.2. */
#include "virtio_devices.h"

#include <string.h>

enum {
	FEATURE_RO = 5, FEATURE_FLUSH = 9,
	SECTOR = 512, HEADER_LEN = 16,
	TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_ID = 8, ID_LEN = 20,
	STATUS_OK = 0, STATUS_ERROR = 1, STATUS_UNSUPPORTED = 2,
};

static uint64_t features(void *device)
{
	const struct vmm_disk *disk = device;

	return (uint64_t)1 << FEATURE_FLUSH | (uint64_t)disk->read_only << FEATURE_RO;
}

static uint8_t config(void *device, unsigned offset)
{
	const struct vmm_disk *disk = device;

	return offset < 8 ? (uint8_t)(disk->sectors >> 8 * offset) : 0;
}

static uint32_t get32(const unsigned char *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* Does that many bytes from there lie on the disk? */
static bool is_on_disk(const struct vmm_disk *disk, uint64_t sector, uint64_t len)
{
	return !(len % SECTOR) && sector <= disk->sectors && len / SECTOR <= disk->sectors - sector;
}

/* All that can be written but the last byte, which is the status's. */
static uint8_t read_disk(const struct vmm_disk *disk, struct vmm_request *request, uint64_t sector)
{
	uint64_t left = request->to_write - 1, offset = sector * SECTOR;
	unsigned char *to;
	uint32_t len;

	if (!is_on_disk(disk, sector, left))
		return STATUS_ERROR;
	for (; (to = vmm_request_write(request, left, &len)); offset += len, left -= len)
		if (!disk->read(disk->ctx, offset, to, len))
			return STATUS_ERROR;
	return STATUS_OK;
}

static uint8_t write_disk(const struct vmm_disk *disk, struct vmm_request *request, uint64_t sector)
{
	uint64_t left = request->to_read, offset = sector * SECTOR;
	const unsigned char *from;
	uint32_t len;

	if (disk->read_only || !is_on_disk(disk, sector, left))
		return STATUS_ERROR;
	for (; (from = vmm_request_read(request, left, &len)); offset += len, left -= len)
		if (!disk->write(disk->ctx, offset, from, len))
			return STATUS_ERROR;
	return STATUS_OK;
}

static uint8_t tell_id(struct vmm_request *request)
{
	char id[ID_LEN] = "gabi";
	uint64_t room = request->to_write - 1;

	vmm_request_put(request, id, room < ID_LEN ? (size_t)room : ID_LEN);
	return STATUS_OK;
}

static uint8_t answer(const struct vmm_disk *disk, struct vmm_request *request)
{
	unsigned char header[HEADER_LEN];
	uint64_t sector;

	if (vmm_request_get(request, header, sizeof(header)) < sizeof(header))
		return STATUS_ERROR;
	sector = get32(header + 8) | (uint64_t)get32(header + 12) << 32;
	switch (get32(header)) {
	case TYPE_IN:
		return read_disk(disk, request, sector);
	case TYPE_OUT:
		return write_disk(disk, request, sector);
	case TYPE_FLUSH:
		return disk->flush(disk->ctx) ? STATUS_OK : STATUS_ERROR;
	case TYPE_ID:
		return tell_id(request);
	default:
		return STATUS_UNSUPPORTED;
	}
}

/* After a failure, what was not read is passed over: the status is the last byte. */
static void put_status(struct vmm_request *request, uint8_t status)
{
	uint64_t written = request->written;
	uint32_t len;

	while (request->to_write > 1)
		vmm_request_write(request, request->to_write - 1, &len);
	vmm_request_put(request, &status, 1);
	request->written = written + 1;
}

static void serve(void *device, struct vmm_virtio *virtio, unsigned queue)
{
	struct vmm_request request;

	for (unsigned i = 0; i < VMM_VIRTIO_RING && vmm_virtio_take(virtio, queue, &request); i++) {
		if (request.to_write)
			put_status(&request, answer(device, &request));
		vmm_virtio_finish(virtio, queue, &request);
	}
}

const struct vmm_virtio_kind vmm_disk_kind = { "disk", 2, 1, features, config, serve };
