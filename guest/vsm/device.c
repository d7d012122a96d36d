/* SPDX-License-Identifier: MIT */
/* What a device may do for VTL 0: a random number generator by virtio-mmio, where there is one. */
#include "vsm.h"

enum {
	RING = 8, WRITES = 2, FEATURES_OK = 0xb, DRIVER_OK = 0xf, MAGIC = 0x74726976, VERSION = 2, RNG = 4, LEN = 64,
	FEATURES = 0x20, FEATURES_SELECT = 0x24, QUEUE_NUM = 0x38, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70, QUEUE_AT = 0x80,
};

/* Where machines have virtio-mmio: the monitor's, and QEMU's microvm. */
static const struct {
	uint64_t first;
	unsigned count, apart;
} places[] = { { 0xd0000000, 8, 0x1000 }, { 0xfeb00000, 24, 0x200 } };

struct descriptor {
	uint64_t at;
	uint32_t len;
	uint16_t flags, next;
};

/* Each part of the queue has a page of its own, that it can be protected alone. */
static union {
	uint8_t bytes[PAGE];
	struct descriptor descriptor[RING];
	volatile uint16_t word[PAGE / 2];
} part[3] __attribute__((aligned(4096)));
enum { DESCRIPTORS, DRIVER, DEVICE };

static uint64_t target[PAGE / 8] __attribute__((aligned(4096)));
static volatile uint32_t *device;

#define UNTOUCHED 0x1010101010101010ull

static bool is_rng(const volatile uint32_t *at)
{
	return at[0] == MAGIC && at[1] == VERSION && at[2] == RNG;
}

static bool find(void)
{
	for (unsigned place = 0; place < COUNT_OF(places) && !device; place++)
		for (unsigned i = 0; i < places[place].count && !device; i++)
			if (is_rng(mmio(places[place].first + i * places[place].apart)))
				device = mmio(places[place].first + i * places[place].apart);
	return device != NULL;
}

static void prepare(void)
{
	for (unsigned i = 0; i < COUNT_OF(part); i++)
		for (unsigned at = 0; at < PAGE / 2; at++)
			part[i].word[at] = 0;
	for (unsigned i = 0; i < PAGE / 8; i++)
		((volatile uint64_t *)target)[i] = UNTOUCHED;
	part[DESCRIPTORS].descriptor[0] = (struct descriptor){ (uint64_t)target, LEN, WRITES, 0 };
	part[DRIVER].word[1] = 1;
	device[STATUS / 4] = 0;
	device[FEATURES_SELECT / 4] = 1;
	device[FEATURES / 4] = 1; /* version 1 */
	device[STATUS / 4] = FEATURES_OK;
	device[QUEUE_NUM / 4] = RING;
	for (unsigned i = 0; i < 3; i++) {
		device[(QUEUE_AT + i * 16) / 4] = (uint32_t)(uint64_t)&part[i];
		device[(QUEUE_AT + i * 16) / 4 + 1] = 0;
	}
}

/* In VTL 1, which sees all of it. */
static uint64_t was_written(uint64_t argument)
{
	(void)argument;
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (((volatile uint64_t *)target)[i] != UNTOUCHED)
			return true;
	return false;
}

static uint64_t was_used(uint64_t argument)
{
	(void)argument;
	return part[DEVICE].word[1] != 0;
}

static uint64_t close_page(uint64_t page)
{
	return vsm_protect((const void *)(page & ~(PAGE - 1)), (unsigned)(page & (PAGE - 1)));
}

static uint64_t open_page(uint64_t page)
{
	return vsm_protect((const void *)page, ALL);
}

/* Lets the device go to work with that page closed to VTL 0. */
static const char *attack(const void *page, unsigned rights, bool *ret_written, bool *ret_used)
{
	prepare();
	if (page && in_vtl1(close_page, (uint64_t)page | rights))
		return "the page cannot be protected";
	device[QUEUE_READY / 4] = 1;
	device[STATUS / 4] = DRIVER_OK;
	device[NOTIFY / 4] = 0;
	for (unsigned ms = 0; ms < 20 && !in_vtl1(was_used, 0); ms++)
		vsm_wait(1);
	*ret_written = in_vtl1(was_written, 0);
	*ret_used = in_vtl1(was_used, 0);
	if (page)
		in_vtl1(open_page, (uint64_t)page);
	device[STATUS / 4] = 0;
	return NULL;
}

static const struct {
	const void *page;
	unsigned rights;
} attacks[] = {
	{ target, READ | EXECUTE }, { target, 0 }, { &part[DESCRIPTORS], 0 }, { &part[DRIVER], 0 }, { &part[DEVICE], READ | EXECUTE },
};

static const char *each_attack(unsigned row)
{
	const void *page = attacks[row].page;
	bool written = false, used = false;
	const char *why;

	if (!find())
		return SKIP("this machine has no random number generator by virtio-mmio");
	why = attack(page, attacks[row].rights, &written, &used);
	if (why)
		return why;
	if (page == &part[DEVICE])
		return used ? "it writes to its ring" : NULL;
	return written ? "it writes for VTL 0 what VTL 0 may not, or reads it" : NULL;
}

static const char *allowed(void)
{
	bool written = false, used = false;
	const char *why;

	if (!find())
		return SKIP("this machine has no random number generator by virtio-mmio");
	why = attack(NULL, 0, &written, &used);
	return why ? why : written && used ? NULL : "it does not";
}

#define DMA "vsm, DMA and Devices"

const struct vsm_case vsm_device_cases[] = {
	{ DMA, "a device writes where VTL 0 may", allowed, NULL, 0 },
	{ DMA, "not to a page that VTL 0 may only read", NULL, each_attack, 0 },
	{ DMA, "not to a page that VTL 0 may not reach", NULL, each_attack, 1 },
	{ DMA, "it reads no descriptors that VTL 0 may not", NULL, each_attack, 2 },
	{ DMA, "it reads no ring that VTL 0 may not", NULL, each_attack, 3 },
	{ DMA, "it writes no ring that VTL 0 may only read", NULL, each_attack, 4 },
	{ 0 },
};
