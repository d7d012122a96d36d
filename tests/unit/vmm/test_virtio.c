/* SPDX-License-Identifier: MIT */
/* A driver as the specification wants it, and one that breaks its rules. */
#include "board.h"

#include "vmm/virtio_devices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { DESCRIPTORS = 0x1000, DRIVER = 0x2000, DEVICE = 0x3000, DATA = 0x10000, LINE = 16, SIZE = 8 };
enum { NEXT = 1, WRITTEN = 2 };
enum { NEEDS_RESET = 64 };

struct rig {
	struct test_board *test;
	struct vmm_bus bus;
	struct vmm_virtio virtio;
	struct vmm_disk disk;
	struct vmm_console console;
	struct vmm_rng rng;
	unsigned char sectors[4 * 512];
	char out[64];
	size_t out_len;
	uint16_t put;
	unsigned feeds; /* so often another request is put in while one is served */
	bool fails;
};

static bool disk_read(void *ctx, uint64_t offset, void *to, size_t len)
{
	struct rig *rig = ctx;

	assert_true(offset + len <= sizeof(rig->sectors));
	memcpy(to, rig->sectors + offset, len);
	return !rig->fails;
}

static bool disk_write(void *ctx, uint64_t offset, const void *from, size_t len)
{
	struct rig *rig = ctx;

	assert_true(offset + len <= sizeof(rig->sectors));
	memcpy(rig->sectors + offset, from, len);
	return !rig->fails;
}

static bool disk_flush(void *ctx)
{
	return !((struct rig *)ctx)->fails;
}

static void console_out(void *ctx, const void *bytes, size_t len)
{
	struct rig *rig = ctx;

	assert_true(rig->out_len + len <= sizeof(rig->out));
	memcpy(rig->out + rig->out_len, bytes, len);
	rig->out_len += len;
}

static void fill(void *ctx, void *to, size_t len)
{
	struct rig *rig = ctx;

	memset(to, 0x5a, len);
	if (!rig->feeds)
		return;
	rig->feeds--;
	rig->put++;
	memcpy(rig->test->ram + DRIVER + 2, &rig->put, 2);
}

static uint32_t reg(struct rig *rig, unsigned offset)
{
	return (uint32_t)vmm_bus_read(&rig->bus, offset, 4);
}

static void set(struct rig *rig, unsigned offset, uint32_t value)
{
	vmm_bus_write(&rig->bus, offset, 4, value);
}

static void set_queue(struct rig *rig, unsigned queue, uint32_t size)
{
	const uint32_t at[] = { DESCRIPTORS, DRIVER, DEVICE };

	set(rig, 0x30, queue);
	set(rig, 0x38, size);
	for (unsigned i = 0; i < 3; i++) {
		set(rig, 0x80 + 16 * i, at[i] + queue * 0x8000);
		set(rig, 0x84 + 16 * i, 0);
	}
	set(rig, 0x44, 1);
}

static void start(struct rig *rig, const struct vmm_virtio_kind *kind, void *device)
{
	vmm_virtio_init(&rig->virtio, &rig->test->board, kind, device, LINE);
	vmm_bus_add(&rig->bus, 0, VMM_VIRTIO_LEN, &vmm_virtio_ops, &rig->virtio);
	set(rig, 0x70, 3);
	set(rig, 0x24, 1);
	set(rig, 0x20, 1); /* version 1 */
	set(rig, 0x70, 11);
	for (unsigned i = 0; i < kind->queues; i++)
		set_queue(rig, i, SIZE);
	set(rig, 0x70, 15);
}

static unsigned char *ram(struct rig *rig, uint64_t gpa)
{
	return rig->test->ram + gpa;
}

static void put16(struct rig *rig, uint64_t gpa, uint16_t value)
{
	memcpy(ram(rig, gpa), &value, 2);
}

static uint16_t get16(struct rig *rig, uint64_t gpa)
{
	uint16_t value;

	memcpy(&value, ram(rig, gpa), 2);
	return value;
}

static void describe(struct rig *rig, unsigned queue, unsigned index, uint64_t gpa, uint32_t len, unsigned flags, unsigned next)
{
	unsigned char *at = ram(rig, DESCRIPTORS + queue * 0x8000 + index * 16);

	memcpy(at, &gpa, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &(uint16_t){ (uint16_t)flags }, 2);
	memcpy(at + 14, &(uint16_t){ (uint16_t)next }, 2);
}

/* Puts the chain that begins there into the ring, and tells the device. */
static void offer(struct rig *rig, unsigned queue, unsigned head)
{
	put16(rig, DRIVER + queue * 0x8000 + 4 + 2 * (rig->put % SIZE), (uint16_t)head);
	put16(rig, DRIVER + queue * 0x8000 + 2, ++rig->put);
	set(rig, 0x50, queue);
}

static uint16_t used(struct rig *rig, unsigned queue)
{
	return get16(rig, DEVICE + queue * 0x8000 + 2);
}

static uint32_t used_len(struct rig *rig, unsigned queue, unsigned at)
{
	uint32_t len;

	memcpy(&len, ram(rig, DEVICE + queue * 0x8000 + 4 + 8 * at + 4), 4);
	return len;
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->test = test_board_new();
	rig->disk = (struct vmm_disk){ 4, false, disk_read, disk_write, disk_flush, rig };
	rig->console = (struct vmm_console){ console_out, rig };
	rig->rng = (struct vmm_rng){ fill, rig };
	for (size_t i = 0; i < sizeof(rig->sectors); i++)
		rig->sectors[i] = (unsigned char)(i / 512 + 1);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	test_board_free(rig->test);
	free(rig);
	return 0;
}

/* A disk's request of three descriptors: its head, len bytes of data, its status. Returns the status. */
static unsigned ask_disk(struct rig *rig, uint32_t type, uint64_t sector, uint32_t len, bool reads)
{
	unsigned char *head = ram(rig, DATA), *status = ram(rig, DATA + 0x8000);

	memset(head, 0, 16);
	memcpy(head, &type, 4);
	memcpy(head + 8, &sector, 8);
	*status = 0xee;
	describe(rig, 0, 0, DATA, 16, NEXT, 1);
	describe(rig, 0, 1, DATA + 0x1000, len, NEXT | (reads ? WRITTEN : 0), 2);
	describe(rig, 0, 2, DATA + 0x8000, 1, WRITTEN, 0);
	offer(rig, 0, 0);
	return *status;
}

/* ---- registers ---- */

static void registers__identify_the_device(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_disk_kind, &rig->disk);
	assert_int_equal(reg(rig, 0), 0x74726976);
	assert_int_equal(reg(rig, 4), 2);
	assert_int_equal(reg(rig, 8), 2);
	assert_int_equal(reg(rig, 0x34), VMM_VIRTIO_RING);
	assert_int_equal(reg(rig, 0x70), 15);
	assert_int_equal(reg(rig, 0x100), 4);
	assert_int_equal(vmm_bus_read(&rig->bus, 0, 1), 0); /* registers are words */
	set(rig, 0x30, 1);
	assert_int_equal(reg(rig, 0x34), 0);
}

static void features__not_offered__are_not_agreed_on(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_disk_kind, &rig->disk);
	set(rig, 0x70, 0);
	set(rig, 0x70, 3);
	set(rig, 0x24, 1);
	set(rig, 0x20, 3);
	set(rig, 0x70, 11);
	assert_int_equal(reg(rig, 0x70), 3);
	set(rig, 0x20, 0); /* and not without version 1 */
	set(rig, 0x70, 11);
	assert_int_equal(reg(rig, 0x70), 3);
	set(rig, 0x20, 1);
	set(rig, 0x70, 11);
	assert_int_equal(reg(rig, 0x70), 11);
}

static void queue__of_a_wrong_size__is_never_ready(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 7, VMM_VIRTIO_RING * 2, 0x10000, 0x80000000, 0xffffffff };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start(rig, &vmm_disk_kind, &rig->disk);
		set(rig, 0x44, 0);
		set_queue(rig, 0, sizes[i]);
		assert_int_equal(reg(rig, 0x44), 0);
		set(rig, 0x50, 0);
	}
}

/* ---- what devices do ---- */

static void disk__read_and_write__move_sectors(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_disk_kind, &rig->disk);
	assert_int_equal(ask_disk(rig, 0, 1, 1024, true), 0);
	assert_int_equal(ram(rig, DATA + 0x1000)[0], 2);
	assert_int_equal(ram(rig, DATA + 0x1000)[1023], 3);
	assert_int_equal(used(rig, 0), 1);
	assert_int_equal(used_len(rig, 0, 0), 1025);
	assert_true(rig->test->line[LINE]);
	assert_int_equal(reg(rig, 0x60), 1);
	set(rig, 0x64, 1);
	assert_false(rig->test->line[LINE]);
	memset(ram(rig, DATA + 0x1000), 0x77, 512);
	assert_int_equal(ask_disk(rig, 1, 3, 512, false), 0);
	assert_int_equal(rig->sectors[3 * 512 + 511], 0x77);
	assert_int_equal(used_len(rig, 0, 1), 1);
}

static void disk__beyond_its_end_or_broken__says_error(void **state)
{
	static const struct {
		const char *name;
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		bool reads, fails, read_only;
		unsigned status;
	} rows[] = {
		{ "the last sector", 0, 3, 512, true, false, false, 0 },
		{ "one beyond", 0, 4, 512, true, false, false, 1 },
		{ "across the end", 0, 3, 1024, true, false, false, 1 },
		{ "a sector that wraps", 0, UINT64_MAX, 512, true, false, false, 1 },
		{ "a length that is no sector's", 0, 0, 100, true, false, false, 1 },
		{ "a write beyond", 1, 4, 512, false, false, false, 1 },
		{ "a write to what may not be written", 1, 0, 512, false, false, true, 1 },
		{ "a disk that fails to read", 0, 0, 512, true, true, false, 1 },
		{ "a disk that fails to write", 1, 0, 512, false, true, false, 1 },
		{ "a disk that fails to flush", 4, 0, 512, false, true, false, 1 },
		{ "a flush", 4, 0, 0, false, false, false, 0 },
		{ "its name", 8, 0, 20, true, false, false, 0 },
		{ "what there is not", 99, 0, 0, false, false, false, 2 },
	};
	struct rig *rig = *state;

	start(rig, &vmm_disk_kind, &rig->disk);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned status;

		rig->fails = rows[i].fails;
		rig->disk.read_only = rows[i].read_only;
		status = ask_disk(rig, rows[i].type, rows[i].sector, rows[i].len, rows[i].reads);
		if (status != rows[i].status)
			fail_msg("%s: status %u, and %u is right", rows[i].name, status, rows[i].status);
		assert_int_equal(reg(rig, 0x70), 15);
	}
	assert_int_equal(used(rig, 0), sizeof(rows) / sizeof(rows[0]));
}

static void disk__a_head_in_pieces__is_put_together(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_disk_kind, &rig->disk);
	memset(ram(rig, DATA), 0, 16);
	ram(rig, DATA)[8] = 2;
	describe(rig, 0, 0, DATA, 9, NEXT, 1);
	describe(rig, 0, 1, DATA + 9, 7, NEXT, 2);
	describe(rig, 0, 2, DATA + 0x1000, 300, NEXT | WRITTEN, 3);
	describe(rig, 0, 3, DATA + 0x2000, 213, WRITTEN, 0); /* the last byte is the status */
	offer(rig, 0, 0);
	assert_int_equal(ram(rig, DATA + 0x1000)[299], 3);
	assert_int_equal(ram(rig, DATA + 0x2000)[211], 3);
	assert_int_equal(ram(rig, DATA + 0x2000)[212], 0);
}

static void console__both_ways(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_console_kind, &rig->console);
	memcpy(ram(rig, DATA), "hello", 5);
	describe(rig, 1, 0, DATA, 5, 0, 0);
	offer(rig, 1, 0);
	assert_memory_equal(rig->out, "hello", 5);
	assert_int_equal(vmm_console_in(&rig->virtio, "typed", 5), 0); /* there is no room yet */
	rig->put = 0;
	describe(rig, 0, 0, DATA + 0x1000, 3, WRITTEN, 0);
	offer(rig, 0, 0);
	assert_int_equal(vmm_console_in(&rig->virtio, "typed", 5), 3);
	assert_memory_equal(ram(rig, DATA + 0x1000), "typ", 3);
	assert_int_equal(used_len(rig, 0, 0), 3);
}

static void rng__fills_a_page_at_most(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_rng_kind, &rig->rng);
	describe(rig, 0, 0, DATA, 10000, WRITTEN, 0);
	offer(rig, 0, 0);
	assert_int_equal(ram(rig, DATA)[4095], 0x5a);
	assert_int_equal(ram(rig, DATA)[4096], 0);
	assert_int_equal(used_len(rig, 0, 0), 4096);
}

/* As by another processor. What is left then is served when the device is told of it again. */
static void rng__fed_while_it_serves__comes_to_an_end(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_rng_kind, &rig->rng);
	describe(rig, 0, 0, DATA, 16, WRITTEN, 0);
	rig->feeds = 1000;
	offer(rig, 0, 0);
	assert_int_equal(used(rig, 0), VMM_VIRTIO_RING);
	rig->feeds = 0;
	set(rig, 0x50, 0);
	assert_int_equal(used(rig, 0), VMM_VIRTIO_RING + 1);
}

static void interrupt__not_wanted__does_not_come(void **state)
{
	struct rig *rig = *state;

	start(rig, &vmm_rng_kind, &rig->rng);
	put16(rig, DRIVER, 1);
	describe(rig, 0, 0, DATA, 16, WRITTEN, 0);
	offer(rig, 0, 0);
	assert_int_equal(used(rig, 0), 1);
	assert_false(rig->test->line[LINE]);
}

/* ---- rings that break rules ---- */

static void loop(struct rig *rig)
{
	describe(rig, 0, 0, DATA, 16, NEXT, 1);
	describe(rig, 0, 1, DATA, 16, NEXT, 0);
}

static void outside(struct rig *rig)
{
	describe(rig, 0, 0, BOARD_RAM - 8, 16, 0, 0);
}

static void wraps(struct rig *rig)
{
	describe(rig, 0, 0, UINT64_MAX - 8, 16, 0, 0);
}

static void next_is_none(struct rig *rig)
{
	describe(rig, 0, 0, DATA, 16, NEXT, SIZE);
}

static void read_after_write(struct rig *rig)
{
	describe(rig, 0, 0, DATA, 16, NEXT | WRITTEN, 1);
	describe(rig, 0, 1, DATA, 16, 0, 0);
}

static void indirect(struct rig *rig)
{
	describe(rig, 0, 0, DATA, 16, 4, 0);
}

static void too_many(struct rig *rig)
{
	describe(rig, 0, 0, DATA, 16, 0, 0);
	rig->put = 20;
}

static void head_is_none(struct rig *rig)
{
	put16(rig, DRIVER + 4, 0xffff);
	put16(rig, DRIVER + 2, 1);
	set(rig, 0x50, 0);
}

static void no_ring(struct rig *rig)
{
	rig->test->ram_len = 0x1800; /* the descriptors alone */
}

static void ring__that_breaks_a_rule__stops_the_device(void **state)
{
	static const struct {
		const char *name;
		void (*spoil)(struct rig *rig);
	} rows[] = {
		{ "a chain without an end", loop },
		{ "memory that is not there", outside },
		{ "an address that wraps", wraps },
		{ "a descriptor that is none", next_is_none },
		{ "memory to read after memory to write", read_after_write },
		{ "an indirect table, which was not offered", indirect },
		{ "more requests than the ring has", too_many },
		{ "a head that is none", head_is_none },
		{ "a ring that is not in memory", no_ring },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig *rig = *state;

		start(rig, &vmm_disk_kind, &rig->disk);
		rows[i].spoil(rig);
		offer(rig, 0, 0);
		if (!(reg(rig, 0x70) & NEEDS_RESET) || !(reg(rig, 0x60) & 2))
			fail_msg("%s: the device goes on", rows[i].name);
		set(rig, 0x50, 0);
		set(rig, 0x70, 15);
		assert_true(reg(rig, 0x70) & NEEDS_RESET);
		set(rig, 0x70, 0);
		assert_int_equal(reg(rig, 0x70), 0);
		assert_false(rig->test->line[LINE]);
		tear_down(state);
		set_up(state);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(registers__identify_the_device),
		CASE(features__not_offered__are_not_agreed_on),
		CASE(queue__of_a_wrong_size__is_never_ready),
		CASE(disk__read_and_write__move_sectors),
		CASE(disk__beyond_its_end_or_broken__says_error),
		CASE(disk__a_head_in_pieces__is_put_together),
		CASE(console__both_ways),
		CASE(rng__fills_a_page_at_most),
		CASE(rng__fed_while_it_serves__comes_to_an_end),
		CASE(interrupt__not_wanted__does_not_come),
		CASE(ring__that_breaks_a_rule__stops_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
