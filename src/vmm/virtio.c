/* SPDX-License-Identifier: MIT */
/* Virtio 1.2: chapter 2 for queues and status, 4.2 for the registers. */
#include "virtio.h"

#include <string.h>

enum {
	MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, VENDOR = 0x00c, OFFERED = 0x010, OFFERED_HALF = 0x014, TAKEN = 0x020,
	TAKEN_HALF = 0x024, QUEUE = 0x030, QUEUE_MAX = 0x034, QUEUE_SIZE = 0x038, QUEUE_READY = 0x044, NOTIFY = 0x050,
	INTERRUPT = 0x060, ACKNOWLEDGE = 0x064, STATUS = 0x070, RINGS = 0x080, RINGS_END = 0x0a8, GENERATION = 0x0fc, CONFIG = 0x100,
};

enum {
	STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64,
	INTERRUPT_USED = 1, INTERRUPT_CONFIG = 2,
	DESCRIPTOR_LEN = 16, HAS_NEXT = 1, IS_WRITTEN = 2, FLAGS_KNOWN = HAS_NEXT | IS_WRITTEN,
	NO_INTERRUPT = 1,
	DESCRIPTORS = 0, DRIVER = 1, DEVICE = 2, /* rings */
};

#define FEATURE_VERSION_1 ((uint64_t)1 << 32)

static void update(const struct vmm_virtio *virtio)
{
	virtio->board->line(virtio->board->ctx, virtio->line, virtio->interrupt != 0);
}

static void interrupt(struct vmm_virtio *virtio, uint32_t why)
{
	virtio->interrupt |= why;
	update(virtio);
}

/* A rule was broken: nothing is done until the driver resets. */
static void stop(struct vmm_virtio *virtio)
{
	virtio->status |= STATUS_NEEDS_RESET;
	interrupt(virtio, INTERRUPT_CONFIG);
}

static bool is_on(const struct vmm_virtio *virtio)
{
	return (virtio->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK;
}

/* ---- rings ---- */

static unsigned char *ring(struct vmm_virtio *virtio, const struct vmm_virtio_queue *queue, unsigned which, uint64_t offset,
			   uint64_t len)
{
	uint64_t gpa = queue->ring[which] + offset;
	unsigned char *at = gpa < offset ? NULL : virtio->board->ram(virtio->board->ctx, gpa, len, which == DEVICE);

	if (!at)
		stop(virtio);
	return at;
}

static uint64_t get(const unsigned char *from, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

static void put(unsigned char *to, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

/* Adds the memory of one descriptor. Memory to be written comes after all that is to be read. */
static bool add_piece(struct vmm_virtio *virtio, struct vmm_request *request, uint64_t gpa, uint32_t len, bool written)
{
	unsigned char *at = virtio->board->ram(virtio->board->ctx, gpa, len, written);

	if (!at || (!written && request->reads < request->pieces))
		return false;
	request->piece[request->pieces].at = at;
	request->piece[request->pieces++].len = len;
	request->reads += !written;
	*(written ? &request->to_write : &request->to_read) += len;
	return true;
}

/* Follows the chain; each descriptor is read once, and there are no more than the queue has. */
static bool follow(struct vmm_virtio *virtio, const struct vmm_virtio_queue *queue, struct vmm_request *request)
{
	unsigned index = request->head, flags = HAS_NEXT;

	while (flags & HAS_NEXT) {
		unsigned char copy[DESCRIPTOR_LEN], *at;

		if (index >= queue->size || request->pieces == queue->size)
			return false;
		at = ring(virtio, queue, DESCRIPTORS, (uint64_t)index * DESCRIPTOR_LEN, DESCRIPTOR_LEN);
		if (!at)
			return false;
		memcpy(copy, at, sizeof(copy));
		flags = (unsigned)get(copy + 12, 2);
		index = (unsigned)get(copy + 14, 2);
		if (flags & ~FLAGS_KNOWN ||
		    !add_piece(virtio, request, get(copy, 8), (uint32_t)get(copy + 8, 4), flags & IS_WRITTEN))
			return false;
	}
	request->at_write = request->reads;
	return true;
}

bool vmm_virtio_take(struct vmm_virtio *virtio, unsigned number, struct vmm_request *request)
{
	struct vmm_virtio_queue *queue = &virtio->queue[number];
	unsigned char *index, *slot;
	uint16_t waiting;

	if (!is_on(virtio) || !queue->ready)
		return false;
	index = ring(virtio, queue, DRIVER, 2, 2);
	waiting = index ? (uint16_t)(get(index, 2) - queue->next) : 0;
	if (!waiting)
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	slot = ring(virtio, queue, DRIVER, 4 + 2 * (queue->next % queue->size), 2);
	if (!slot || waiting > queue->size) {
		stop(virtio);
		return false;
	}
	memset(request, 0, offsetof(struct vmm_request, piece));
	request->head = (uint16_t)get(slot, 2);
	queue->next++;
	if (follow(virtio, queue, request))
		return true;
	stop(virtio);
	return false;
}

void vmm_virtio_finish(struct vmm_virtio *virtio, unsigned number, const struct vmm_request *request)
{
	struct vmm_virtio_queue *queue = &virtio->queue[number];
	unsigned char *slot, *index, *flags;

	slot = ring(virtio, queue, DEVICE, 4 + 8 * (uint64_t)(queue->used % queue->size), 8);
	index = ring(virtio, queue, DEVICE, 2, 2);
	flags = ring(virtio, queue, DRIVER, 0, 2);
	if (!slot || !index || !flags)
		return;
	put(slot, 4, request->head);
	put(slot + 4, 4, request->written);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	put(index, 2, ++queue->used);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(get(flags, 2) & NO_INTERRUPT))
		interrupt(virtio, INTERRUPT_USED);
}

/* ---- requests ---- */

/* Cuts the first bytes off the piece, and goes on to the next when it is empty. */
static unsigned char *cut(struct vmm_request *request, uint16_t *at, uint16_t end, uint64_t max, uint32_t *ret_len)
{
	unsigned char *piece;

	while (*at < end && !request->piece[*at].len)
		++*at;
	if (*at == end || !max)
		return NULL;
	*ret_len = request->piece[*at].len < max ? request->piece[*at].len : (uint32_t)max;
	piece = request->piece[*at].at;
	request->piece[*at].at += *ret_len;
	request->piece[*at].len -= *ret_len;
	return piece;
}

const unsigned char *vmm_request_read(struct vmm_request *request, uint64_t max, uint32_t *ret_len)
{
	const unsigned char *piece = cut(request, &request->at_read, request->reads, max, ret_len);

	request->to_read -= piece ? *ret_len : 0;
	return piece;
}

unsigned char *vmm_request_write(struct vmm_request *request, uint64_t max, uint32_t *ret_len)
{
	unsigned char *piece = cut(request, &request->at_write, request->pieces, max, ret_len);

	request->to_write -= piece ? *ret_len : 0;
	request->written += piece ? *ret_len : 0;
	return piece;
}

size_t vmm_request_get(struct vmm_request *request, void *to, size_t len)
{
	const unsigned char *piece;
	size_t done = 0;
	uint32_t part;

	while ((piece = vmm_request_read(request, len - done, &part))) {
		memcpy((unsigned char *)to + done, piece, part);
		done += part;
	}
	return done;
}

size_t vmm_request_put(struct vmm_request *request, const void *from, size_t len)
{
	unsigned char *piece;
	size_t done = 0;
	uint32_t part;

	while ((piece = vmm_request_write(request, len - done, &part))) {
		memcpy(piece, (const unsigned char *)from + done, part);
		done += part;
	}
	return done;
}

/* ---- registers ---- */

static void reset(struct vmm_virtio *virtio)
{
	vmm_virtio_init(virtio, virtio->board, virtio->kind, virtio->device, virtio->line);
	update(virtio);
}

static uint64_t offered(const struct vmm_virtio *virtio)
{
	return virtio->kind->features(virtio->device) | FEATURE_VERSION_1;
}

/* The queue that is selected, if the device has it. */
static struct vmm_virtio_queue *selected(struct vmm_virtio *virtio)
{
	return virtio->selected < virtio->kind->queues ? &virtio->queue[virtio->selected] : NULL;
}

static uint64_t half(uint64_t value, uint32_t which)
{
	return which > 1 ? 0 : (uint32_t)(value >> 32 * which);
}

static uint64_t read_config(const struct vmm_virtio *virtio, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; virtio->kind->config && i < size; i++)
		value |= (uint64_t)virtio->kind->config(virtio->device, (unsigned)offset + i) << 8 * i;
	return value;
}

static uint64_t virtio_read(void *device, uint64_t offset, unsigned size)
{
	struct vmm_virtio *virtio = device;
	const struct vmm_virtio_queue *queue = selected(virtio);

	if (offset >= CONFIG)
		return read_config(virtio, offset - CONFIG, size);
	switch (size == 4 ? offset : UINT64_MAX) {
	case MAGIC:
		return 0x74726976; /* "virt" */
	case VERSION:
		return 2;
	case DEVICE_ID:
		return virtio->kind->id;
	case VENDOR:
		return 0x49424147; /* "GABI" */
	case OFFERED:
		return half(offered(virtio), virtio->sees);
	case QUEUE_MAX:
		return queue ? VMM_VIRTIO_RING : 0;
	case QUEUE_READY:
		return queue ? queue->ready : 0;
	case INTERRUPT:
		return virtio->interrupt;
	case STATUS:
		return virtio->status;
	default:
		return 0;
	}
}

/* Of features that were not offered none is kept; without version 1 the driver sees that we do not agree. */
static void write_status(struct vmm_virtio *virtio, uint32_t value)
{
	if (!value) {
		reset(virtio);
		return;
	}
	if (value & STATUS_FEATURES_OK && (!(virtio->features & FEATURE_VERSION_1) || virtio->features & ~offered(virtio)))
		value &= ~(uint32_t)STATUS_FEATURES_OK;
	virtio->status = (value & 0x8f) | (virtio->status & STATUS_NEEDS_RESET);
}

static void write_features(struct vmm_virtio *virtio, uint32_t value)
{
	if (virtio->takes > 1 || virtio->status & STATUS_FEATURES_OK)
		return;
	virtio->features &= ~((uint64_t)UINT32_MAX << 32 * virtio->takes);
	virtio->features |= (uint64_t)value << 32 * virtio->takes;
}

/* A size that is no power of 2, or too large, makes no queue. */
static void write_ready(struct vmm_virtio_queue *queue, uint32_t value)
{
	bool fits = queue->size && queue->size <= VMM_VIRTIO_RING && !(queue->size & (queue->size - 1));

	queue->ready = value & 1 && fits;
	queue->next = queue->used = 0;
}

static void write_ring(struct vmm_virtio_queue *queue, uint64_t offset, uint32_t value)
{
	unsigned shift = offset & 4 ? 32 : 0;
	uint64_t *address = &queue->ring[(offset - RINGS) / 16];

	if (offset % 16 > 4 || queue->ready)
		return;
	*address = (*address & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

static void write_queue(struct vmm_virtio_queue *queue, uint64_t offset, uint32_t value)
{
	if (offset == QUEUE_SIZE && !queue->ready)
		queue->size = value;
	else if (offset == QUEUE_READY)
		write_ready(queue, value);
	else if (offset >= RINGS && offset < RINGS_END)
		write_ring(queue, offset, value);
}

static void virtio_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct vmm_virtio *virtio = device;
	uint32_t word = (uint32_t)value;

	switch (size == 4 ? offset : UINT64_MAX) {
	case OFFERED_HALF:
		virtio->sees = word;
		break;
	case TAKEN_HALF:
		virtio->takes = word;
		break;
	case TAKEN:
		write_features(virtio, word);
		break;
	case QUEUE:
		virtio->selected = word;
		break;
	case NOTIFY:
		if (word < virtio->kind->queues && is_on(virtio))
			virtio->kind->serve(virtio->device, virtio, word);
		break;
	case ACKNOWLEDGE:
		virtio->interrupt &= ~word;
		update(virtio);
		break;
	case STATUS:
		write_status(virtio, word);
		break;
	default:
		if (size == 4 && selected(virtio))
			write_queue(selected(virtio), offset, word);
	}
}

static void walk_queue(struct vmm_virtio_queue *queue, struct vmm_walk *walk)
{
	vmm_walk_u32(walk, &queue->size);
	vmm_walk_u8(walk, &queue->ready);
	vmm_walk_u16(walk, &queue->next);
	vmm_walk_u16(walk, &queue->used);
	for (unsigned i = 0; i < 3; i++)
		vmm_walk_u64(walk, &queue->ring[i]);
	if (walk->loads && queue->ready) {
		uint16_t next = queue->next, used = queue->used;

		write_ready(queue, 1);
		queue->next = next;
		queue->used = used;
	}
}

static void virtio_walk(void *device, struct vmm_walk *walk)
{
	struct vmm_virtio *virtio = device;
	uint32_t *const words[] = { &virtio->status, &virtio->interrupt, &virtio->sees, &virtio->takes, &virtio->selected };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		vmm_walk_u32(walk, words[i]);
	vmm_walk_u64(walk, &virtio->features);
	for (unsigned i = 0; i < VMM_VIRTIO_QUEUES; i++)
		walk_queue(&virtio->queue[i], walk);
	if (walk->loads)
		update(virtio);
}

const struct vmm_device_ops vmm_virtio_ops = { "virtio", virtio_read, virtio_write, virtio_walk };

void vmm_virtio_init(struct vmm_virtio *virtio, const struct vmm_board *board, const struct vmm_virtio_kind *kind, void *device,
		     unsigned line)
{
	*virtio = (struct vmm_virtio){ .board = board, .kind = kind, .device = device, .line = line };
}
