/* SPDX-License-Identifier: MIT */
/*
 * The bytes are a guest that reads and writes the monitor's devices, with rings of its own making in memory. Properties: no device
 * touches memory outside of what the board gave, a read has no bits beyond its size, no request that a device handles is longer
 * than the disk, and a state that was saved is loaded as the same.
 */
#include "fuzz.h"

#include "vmm/pc.h"

#include <stdlib.h>
#include <string.h>

enum { RAM = 0x8000, STATE = 0x12000, SECTORS = 8 };

struct guest {
	const uint8_t *at;
	size_t left;
	unsigned char *ram; /* of its own allocation, so that a sanitizer sees its end */
	unsigned char disk[SECTORS * 512];
	struct vmm_pc pc;
	uint64_t now_ns;
	bool ended;
};

static void line(void *ctx, unsigned number, bool level)
{
	(void)ctx, (void)level;
	fuzz_expect(number < 24);
}

static void *ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	struct guest *guest = ctx;

	(void)writes;
	return gpa <= RAM && len <= RAM - gpa ? guest->ram + gpa : NULL;
}

static uint64_t now(void *ctx)
{
	return ((struct guest *)ctx)->now_ns;
}

static void end(void *ctx, unsigned how, unsigned value)
{
	(void)how, (void)value;
	((struct guest *)ctx)->ended = true;
}

static void out_byte(void *ctx, uint8_t byte)
{
	(void)ctx, (void)byte;
}

/* Looks at every byte, so that one that is not the guest's is seen. */
static void out_bytes(void *ctx, const void *bytes, size_t len)
{
	volatile unsigned char sum = 0;

	(void)ctx;
	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)bytes)[i]);
}

static void fill(void *ctx, void *to, size_t len)
{
	(void)ctx;
	memset(to, 0x5a, len);
}

static bool disk_read(void *ctx, uint64_t offset, void *to, size_t len)
{
	struct guest *guest = ctx;

	fuzz_expect(offset <= sizeof(guest->disk) && len <= sizeof(guest->disk) - offset);
	memcpy(to, guest->disk + offset, len);
	fuzz_reached();
	return true;
}

static bool disk_write(void *ctx, uint64_t offset, const void *from, size_t len)
{
	struct guest *guest = ctx;

	fuzz_expect(offset <= sizeof(guest->disk) && len <= sizeof(guest->disk) - offset);
	memcpy(guest->disk + offset, from, len);
	fuzz_reached();
	return true;
}

static bool disk_flush(void *ctx)
{
	(void)ctx;
	return true;
}

static uint64_t take(struct guest *guest, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && guest->left; i++, guest->left--)
		value |= (uint64_t)*guest->at++ << 8 * i;
	return value;
}

/* ---- what the guest does ---- */

static void access_port(struct guest *guest)
{
	static const uint16_t ports[] = { VMM_UART_PORT, VMM_RTC_PORT, VMM_PM_PORT, VMM_RESET_PORT, VMM_FW_CFG_PORT, VMM_EXIT_PORT,
					  VMM_ECHO_PORT, VMM_LINES_PORT };
	uint64_t bits = take(guest, 2), port = ports[bits & 7] + (bits >> 3 & 31);
	unsigned size = 1u << (bits >> 8 & 3);

	if (bits >> 10 & 1)
		vmm_bus_write(&guest->pc.ports, port, size, take(guest, size));
	else
		fuzz_expect(size == 8 || !(vmm_bus_read(&guest->pc.ports, port, size) >> 8 * size));
}

static void access_virtio(struct guest *guest)
{
	uint64_t bits = take(guest, 2), gpa = VMM_PC_VIRTIO_GPA + (bits & 3) * 0x1000 + (bits >> 2 & 0x7f) * 4;

	if (bits >> 9 & 1)
		vmm_bus_write(&guest->pc.memory, gpa, 4, take(guest, bits >> 10 & 1 ? 4 : 1));
	else
		fuzz_expect(!(vmm_bus_read(&guest->pc.memory, gpa, 4) >> 32));
}

static void set(struct guest *guest, unsigned device, unsigned reg, uint32_t value)
{
	vmm_bus_write(&guest->pc.memory, VMM_PC_VIRTIO_GPA + device * 0x1000 + reg, 4, value);
}

/* What would take a fuzzer long to find: a driver that does all right, until it has its rings. */
static void start_virtio(struct guest *guest)
{
	unsigned device = take(guest, 1) % VMM_PC_VIRTIOS;

	set(guest, device, 0x70, 0);
	set(guest, device, 0x70, 3);
	set(guest, device, 0x24, 1);
	set(guest, device, 0x20, 1);
	set(guest, device, 0x70, 11);
	for (unsigned queue = 0; queue < 2; queue++) {
		set(guest, device, 0x30, queue);
		set(guest, device, 0x38, 1u << take(guest, 1) % 8);
		for (unsigned ring = 0; ring < 3; ring++)
			set(guest, device, 0x80 + 16 * ring, (uint32_t)(take(guest, 1) & 0x7f) << 8);
		set(guest, device, 0x44, 1);
	}
	set(guest, device, 0x70, 15);
}

static void put(struct guest *guest, uint64_t gpa, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size && gpa + i < RAM; i++)
		guest->ram[gpa + i] = (unsigned char)(value >> 8 * i);
}

/* A request as a driver makes one: a disk's head, then data; or whatever the bytes make of it. */
static void offer(struct guest *guest)
{
	unsigned device = take(guest, 1) % VMM_PC_VIRTIOS, number = take(guest, 1) % 2, pieces = 1 + take(guest, 1) % 4;
	const struct vmm_virtio_queue *queue = &guest->pc.virtio[device].queue[number];
	uint16_t next = queue->next;

	if (!queue->size)
		return;
	for (unsigned i = 0; i < pieces; i++) {
		uint64_t at = queue->ring[0] + 16 * i, bits = take(guest, 2);
		uint64_t len = bits & 3 ? (bits >> 2 & 3) * 512 + (bits >> 4 & 1) : bits & 0x3fff; /* sectors and a status, mostly */

		put(guest, at, 8, i ? take(guest, 2) : 0);
		put(guest, at + 8, 4, i ? len : 16);
		put(guest, at + 12, 2, (i + 1 < pieces) | (i ? bits >> 14 & 2 : 0));
		put(guest, at + 14, 2, i + 1);
	}
	put(guest, 0, 4, take(guest, 1) % 10);
	put(guest, 8, 8, take(guest, 1) % (2 * SECTORS));
	put(guest, queue->ring[1] + 4 + 2 * (next % queue->size), 2, 0);
	put(guest, queue->ring[1] + 2, 2, next + 1u);
	set(guest, device, 0x50, number);
}

static void write_memory(struct guest *guest)
{
	uint64_t gpa = take(guest, 2) % RAM, len = take(guest, 1) % 64;

	for (; len && gpa < RAM; len--)
		guest->ram[gpa++] = (unsigned char)take(guest, 1);
}

static void come_in(struct guest *guest)
{
	uint64_t bytes = take(guest, 8);

	vmm_uart_in(&guest->pc.uart, (uint8_t)bytes);
	vmm_console_in(vmm_pc_console(&guest->pc), &bytes, sizeof(bytes));
}

static void save_and_load(struct guest *guest)
{
	static unsigned char first[STATE], second[STATE];
	struct vmm_walk save = { .at = first, .len = STATE }, again = { .at = second, .len = STATE };
	struct vmm_walk load = { .loads = true, .at = first };

	vmm_pc_walk(&guest->pc, &save);
	fuzz_expect(!save.failed);
	load.len = save.done;
	vmm_pc_walk(&guest->pc, &load);
	vmm_pc_walk(&guest->pc, &again);
	fuzz_expect(!load.failed && again.done == save.done && !memcmp(first, second, save.done));
}

/* A state that nobody saved. */
static void load_anything(struct guest *guest)
{
	static unsigned char bytes[STATE];
	struct vmm_walk load = { .loads = true, .at = bytes, .len = STATE };

	memset(bytes, (int)take(guest, 1), STATE);
	for (unsigned i = 0; i < 64; i++)
		bytes[take(guest, 2) % 512] = (unsigned char)take(guest, 1);
	vmm_pc_walk(&guest->pc, &load);
}

static void step(struct guest *guest)
{
	switch (take(guest, 1) % 16) {
	case 0:
		save_and_load(guest);
		break;
	case 1:
		load_anything(guest);
		break;
	case 2:
	case 3:
		start_virtio(guest);
		break;
	case 4:
		come_in(guest);
		break;
	case 5:
		guest->now_ns += take(guest, 8) >> 1;
		break;
	case 6:
	case 7:
		offer(guest);
		break;
	case 8:
		write_memory(guest);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		access_virtio(guest);
		break;
	default:
		access_port(guest);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest;
	const struct vmm_board board = { line, ram, now, end, &guest };
	const struct vmm_disk disk = { SECTORS, false, disk_read, disk_write, disk_flush, &guest };
	const struct vmm_pc_options options = {
		.memory = RAM, .cpus = 2, .disk = &disk, .serial_out = out_byte, .console_out = out_bytes, .random = fill, .ctx = &guest,
	};

	guest = (struct guest){ .at = data, .left = size, .ram = calloc(1, RAM) };
	if (!guest.ram)
		return 0;
	vmm_pc_init(&guest.pc, &board, &options);
	for (unsigned steps = 0; guest.left && steps < 4096; steps++)
		step(&guest);
	free(guest.ram);
	return 0;
}
