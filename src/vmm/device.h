/* SPDX-License-Identifier: MIT */
/*
 * What a device is, and what it sees of the machine around it. Devices do no I/O: what they want of the world they ask the board
 * or a function that they were made with. Whatever a guest writes, they stay in bounds.
 */
#ifndef GABI_VMM_DEVICE_H
#define GABI_VMM_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The machine as devices see it. Its functions may be called from any device's, and answer at once. */
struct vmm_board {
	void (*line)(void *ctx, unsigned line, bool level);
	/* Guest memory that a device, or a loader, reads or writes. NULL: it is not all RAM, or may not be written. */
	void *(*ram)(void *ctx, uint64_t gpa, uint64_t len, bool writes);
	uint64_t (*now_ns)(void *ctx); /* since the machine was made; never goes back */
	void (*end)(void *ctx, unsigned how, unsigned value); /* enum vmm_end: the guest wants no more */
	void *ctx;
};

/* How a guest ends. */
enum vmm_end {
	VMM_END_NONE,  /* it goes on */
	VMM_END_OFF,   /* it switched the machine off */
	VMM_END_RESET, /* it wanted a reset, which is an end here */
	VMM_END_EXIT,  /* it wrote a value to the exit port */
	VMM_END_CRASH, /* a triple fault */
	VMM_END_STUCK, /* KVM could not go on */
	VMM_END_QUIT,  /* the user wanted it */
	VMM_END_MOVED, /* it goes on elsewhere */
};

/*
 * A device's state on its way into a buffer or out of it: one function does both, so that they cannot differ. Numbers are little
 * endian. After a failure (the buffer is too short) loads give 0.
 */
struct vmm_walk {
	bool loads, failed;
	unsigned char *at;
	size_t len, done;
};

void vmm_walk_u8(struct vmm_walk *walk, uint8_t *value);
void vmm_walk_u16(struct vmm_walk *walk, uint16_t *value);
void vmm_walk_u32(struct vmm_walk *walk, uint32_t *value);
void vmm_walk_u64(struct vmm_walk *walk, uint64_t *value);
void vmm_walk_bytes(struct vmm_walk *walk, void *bytes, size_t len);

/* Where a device begins, size is 1, 2, 4 or 8, and offset + size does not pass its end. A value has no bits beyond its size. */
struct vmm_device_ops {
	const char *name;
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
	void (*walk)(void *device, struct vmm_walk *walk); /* NULL: it has no state */
};

/* ---- a bus: devices by address ---- */

#define VMM_BUS_RANGES 32u

struct vmm_bus {
	struct vmm_range {
		uint64_t base, len;
		const struct vmm_device_ops *ops;
		void *device;
	} range[VMM_BUS_RANGES];
	unsigned count;
};

/* False if the range is not free, or the bus full. */
bool vmm_bus_add(struct vmm_bus *bus, uint64_t base, uint64_t len, const struct vmm_device_ops *ops, void *device);

/* Where there is nothing, all bits of a read are 1 and a write is lost, as on a PC. */
uint64_t vmm_bus_read(const struct vmm_bus *bus, uint64_t address, unsigned size);
void vmm_bus_write(const struct vmm_bus *bus, uint64_t address, unsigned size, uint64_t value);

/* All devices' states, one after the other. */
void vmm_bus_walk(const struct vmm_bus *bus, struct vmm_walk *walk);

#endif
