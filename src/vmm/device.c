/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <string.h>

void vmm_walk_bytes(struct vmm_walk *walk, void *bytes, size_t len)
{
	if (walk->failed || len > walk->len - walk->done) {
		walk->failed = true;
		if (walk->loads)
			memset(bytes, 0, len);
		return;
	}
	if (walk->loads)
		memcpy(bytes, walk->at + walk->done, len);
	else
		memcpy(walk->at + walk->done, bytes, len);
	walk->done += len;
}

static uint64_t walk_number(struct vmm_walk *walk, uint64_t value, unsigned size)
{
	unsigned char bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	vmm_walk_bytes(walk, bytes, size);
	for (unsigned i = value = 0; i < size; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

void vmm_walk_u8(struct vmm_walk *walk, uint8_t *value)
{
	*value = (uint8_t)walk_number(walk, *value, 1);
}

void vmm_walk_u16(struct vmm_walk *walk, uint16_t *value)
{
	*value = (uint16_t)walk_number(walk, *value, 2);
}

void vmm_walk_u32(struct vmm_walk *walk, uint32_t *value)
{
	*value = (uint32_t)walk_number(walk, *value, 4);
}

void vmm_walk_u64(struct vmm_walk *walk, uint64_t *value)
{
	*value = walk_number(walk, *value, 8);
}

/* ---- the bus ---- */

static uint64_t ones(unsigned size)
{
	return size >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;
}

static bool overlaps(const struct vmm_range *range, uint64_t base, uint64_t len)
{
	return base < range->base + range->len && range->base < base + len;
}

bool vmm_bus_add(struct vmm_bus *bus, uint64_t base, uint64_t len, const struct vmm_device_ops *ops, void *device)
{
	if (bus->count == VMM_BUS_RANGES || !len || base + len < base)
		return false;
	for (unsigned i = 0; i < bus->count; i++)
		if (overlaps(&bus->range[i], base, len))
			return false;
	bus->range[bus->count++] = (struct vmm_range){ base, len, ops, device };
	return true;
}

/* An access that is only partly a device's is nobody's. */
static const struct vmm_range *find(const struct vmm_bus *bus, uint64_t address, unsigned size)
{
	for (unsigned i = 0; i < bus->count; i++) {
		const struct vmm_range *range = &bus->range[i];

		if (address >= range->base && address - range->base < range->len && size <= range->len - (address - range->base))
			return range;
	}
	return NULL;
}

static bool is_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

uint64_t vmm_bus_read(const struct vmm_bus *bus, uint64_t address, unsigned size)
{
	const struct vmm_range *range = is_size(size) ? find(bus, address, size) : NULL;

	return (range ? range->ops->read(range->device, address - range->base, size) : UINT64_MAX) & ones(size);
}

void vmm_bus_write(const struct vmm_bus *bus, uint64_t address, unsigned size, uint64_t value)
{
	const struct vmm_range *range = is_size(size) ? find(bus, address, size) : NULL;

	if (range)
		range->ops->write(range->device, address - range->base, size, value & ones(size));
}

void vmm_bus_walk(const struct vmm_bus *bus, struct vmm_walk *walk)
{
	for (unsigned i = 0; i < bus->count; i++)
		if (bus->range[i].ops->walk)
			bus->range[i].ops->walk(bus->range[i].device, walk);
}
