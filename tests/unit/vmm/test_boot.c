/* SPDX-License-Identifier: MIT */
/* Images as they should be, and images that lie. */
#include "board.h"

#include "vmm/boot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { IMAGE_LEN = 0x3000, ENTRY = 0x100020, SEGMENT = 0x100000 };

struct image {
	struct test_board *test;
	unsigned char at[IMAGE_LEN];
	size_t len;
	struct vmm_load load;
	struct vmm_start start;
	struct gabi_diag diag;
};

/* An ELF image of 32 bits with a Multiboot header and one segment: 0x100 bytes of the file, 0x1000 of memory. */
static void make_elf(struct image *image)
{
	unsigned char *at = image->at;

	memset(at, 0, IMAGE_LEN);
	image->len = IMAGE_LEN;
	memcpy(at, "\177ELF\1\1\1", 7);
	vmm_put(at + 16, 2, 2);
	vmm_put(at + 18, 2, 3);
	vmm_put(at + 24, 4, ENTRY);
	vmm_put(at + 28, 4, 52);
	vmm_put(at + 42, 2, 32);
	vmm_put(at + 44, 2, 1);
	vmm_put(at + 52, 4, 1);
	vmm_put(at + 52 + 4, 4, 0x1000);
	vmm_put(at + 52 + 12, 4, SEGMENT);
	vmm_put(at + 52 + 16, 4, 0x100);
	vmm_put(at + 52 + 20, 4, 0x1000);
	vmm_put(at + 0x1000, 4, 0x1badb002);
	vmm_put(at + 0x1004, 4, 2);
	vmm_put(at + 0x1008, 4, (uint32_t)-(0x1badb002 + 2));
	memcpy(at + 0x1010, "in the image", 12);
}

/* The head of a bzImage, and a kernel of 0x1000 bytes that wants to lie at 16 MiB. */
static void make_linux(struct image *image)
{
	unsigned char *at = image->at;

	memset(at, 0, IMAGE_LEN);
	image->len = 0x400 + 0x1000;
	at[0x1f1] = 1;
	vmm_put(at + 0x1f4, 4, 0x1000 / 16);
	vmm_put(at + 0x1fe, 2, 0xaa55);
	vmm_put(at + 0x200, 2, 0x62eb);
	memcpy(at + 0x202, "HdrS", 4);
	vmm_put(at + 0x206, 2, 0x20f);
	vmm_put(at + 0x22c, 4, 0x7fffffff);
	vmm_put(at + 0x236, 2, 1);
	vmm_put(at + 0x238, 4, 2047);
	vmm_put(at + 0x258, 8, 16 << 20);
	vmm_put(at + 0x260, 4, 1 << 20);
	memcpy(at + 0x400, "the kernel", 10);
}

static int set_up(void **state)
{
	struct image *image = calloc(1, sizeof(*image));

	image->test = test_board_new();
	image->load = (struct vmm_load){ .memory = BOARD_RAM, .rsdp = VMM_ACPI_GPA, .board = &image->test->board };
	*state = image;
	return 0;
}

static int tear_down(void **state)
{
	struct image *image = *state;

	test_board_free(image->test);
	free(image);
	return 0;
}

static int load(struct image *image)
{
	image->load.image = (struct vmm_bytes){ image->at, image->len };
	return vmm_load(&image->load, &image->start, &image->diag);
}

static uint64_t ram(struct image *image, uint64_t gpa, unsigned size)
{
	return vmm_get(image->test->ram + gpa, size);
}

static void multiboot__an_image__is_loaded_and_told_of_its_machine(void **state)
{
	struct image *image = *state;
	uint64_t info, row;

	make_elf(image);
	image->load.append = "a command";
	image->load.initrd = (struct vmm_bytes){ (const unsigned char *)"module", 6 };
	memset(image->test->ram + SEGMENT, 0xee, 0x2000);
	assert_int_equal(load(image), 0);
	assert_memory_equal(image->test->ram + SEGMENT + 0x10, "in the image", 12);
	assert_int_equal(ram(image, SEGMENT + 0x100, 8), 0); /* what the file has not is cleared */
	assert_int_equal(image->start.context.rip, ENTRY);
	assert_int_equal(image->start.rax, 0x2badb002);
	assert_int_equal(image->start.context.cr0, 0x11);
	assert_int_equal(image->start.context.cs.attributes, 0xc09b);
	info = image->start.rbx;
	assert_int_equal(ram(image, info, 4) & 0x4d, 0x4d);
	assert_int_equal(ram(image, info + 8, 4), BOARD_RAM / 1024 - 1024);
	assert_string_equal((char *)image->test->ram + ram(image, info + 16, 4), "a command");
	assert_int_equal(ram(image, info + 20, 4), 1);
	row = ram(image, info + 24, 4);
	assert_int_equal(ram(image, row, 4), SEGMENT + 0x1000);
	assert_int_equal(ram(image, row + 4, 4), SEGMENT + 0x1000 + 6);
	assert_memory_equal(image->test->ram + SEGMENT + 0x1000, "module", 6);
	assert_int_equal(ram(image, info + 44, 4), 48);
}

static void linux__a_kernel__is_loaded_by_its_protocol(void **state)
{
	struct image *image = *state;
	uint64_t params;

	make_linux(image);
	image->load.append = "console=ttyS0";
	image->load.initrd = (struct vmm_bytes){ (const unsigned char *)"initrd", 6 };
	assert_int_equal(load(image), 0);
	assert_memory_equal(image->test->ram + (16 << 20), "the kernel", 10);
	assert_int_equal(image->start.context.rip, (16 << 20) + 0x200);
	params = image->start.rsi;
	assert_int_equal(ram(image, params + 0x202, 4), 0x53726448);
	assert_int_equal(ram(image, params + 0x210, 1), 0xff);
	assert_int_equal(ram(image, params + 0x218, 4), BOARD_RAM - 4096);
	assert_int_equal(ram(image, params + 0x21c, 4), 6);
	assert_string_equal((char *)image->test->ram + ram(image, params + 0x228, 4), "console=ttyS0");
	assert_int_equal(ram(image, params + 0x70, 8), VMM_ACPI_GPA);
	assert_int_equal(ram(image, params + 0x1e8, 1), 2);
	assert_int_equal(ram(image, params + 0x2d0 + 20, 8), 0x100000);
	assert_int_equal(image->start.context.efer, 0x500);
	assert_int_equal(image->start.context.cs.attributes, 0xa09b);
	/* 3 GiB and a bit are where they are */
	assert_int_equal(ram(image, (ram(image, (ram(image, image->start.context.cr3, 8) & ~0xfffull) + 24, 8) & ~0xfffull) + 8, 8),
			 0xc0200083);
}

/* One field of a good image is spoilt. */
struct spoilt {
	const char *name;
	unsigned at, size;
	uint64_t value;
	int err;
	const char *says;
};

static void refuse(struct image *image, void (*make)(struct image *image), const struct spoilt *row)
{
	int err;

	make(image);
	vmm_put(image->at + row->at, row->size, row->value);
	memset(&image->start, 0xee, sizeof(image->start));
	err = load(image);
	if (err != row->err || !strstr(image->diag.text, row->says))
		fail_msg("%s: %d, \"%s\"", row->name, err, image->diag.text);
	for (size_t i = 0; i < sizeof(image->start); i++)
		assert_int_equal(((unsigned char *)&image->start)[i], 0xee);
}

static void multiboot__a_lying_image__is_refused(void **state)
{
	static const struct spoilt rows[] = {
		{ "no magic", 0x1000, 4, 0, GABI_ERR_UNSUPPORTED, "neither" },
		{ "a wrong sum", 0x1008, 4, 0, GABI_ERR_UNSUPPORTED, "neither" },
		{ "no ELF", 0, 4, 0, GABI_ERR_UNSUPPORTED, "no ELF" },
		{ "big endian", 5, 1, 2, GABI_ERR_UNSUPPORTED, "no ELF" },
		{ "of 128 bits", 4, 1, 3, GABI_ERR_UNSUPPORTED, "no ELF" },
		{ "no segments", 44, 2, 0, GABI_ERR_SYNTAX, "segments" },
		{ "too many segments", 44, 2, 0xffff, GABI_ERR_SYNTAX, "segments" },
		{ "rows of another size", 42, 2, 31, GABI_ERR_SYNTAX, "segments" },
		{ "a table beyond the end", 28, 4, 0xfffffff0, GABI_ERR_SYNTAX, "segments" },
		{ "nothing that is to be loaded", 52, 4, 2, GABI_ERR_SYNTAX, "there is no segment" },
		{ "a segment beyond the end", 52 + 4, 4, IMAGE_LEN - 0xff, GABI_ERR_SYNTAX, "segment" },
		{ "a segment at the end of all numbers", 52 + 4, 4, 0xffffffff, GABI_ERR_SYNTAX, "segment" },
		{ "more in the file than in memory", 52 + 20, 4, 0xff, GABI_ERR_SYNTAX, "segment" },
		{ "below 1 MiB", 52 + 12, 4, 0x7000, GABI_ERR_RANGE, "1 MiB" },
		{ "beyond memory", 52 + 12, 4, BOARD_RAM - 0xfff, GABI_ERR_LIMIT, "memory" },
		{ "larger than memory", 52 + 20, 4, 0xffffffff, GABI_ERR_LIMIT, "memory" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse(*state, make_elf, &rows[i]);
}

static void linux__a_lying_image__is_refused(void **state)
{
	static const struct spoilt rows[] = {
		{ "no boot flag", 0x1fe, 2, 0, GABI_ERR_SYNTAX, "flag" },
		{ "old", 0x206, 2, 0x20b, GABI_ERR_UNSUPPORTED, "64-bit" },
		{ "without the 64-bit entry", 0x236, 2, 0, GABI_ERR_UNSUPPORTED, "64-bit" },
		{ "all setup", 0x1f1, 1, 0xff, GABI_ERR_SYNTAX, "ends" },
		{ "cut off", 0x1f4, 4, 0x101, GABI_ERR_SYNTAX, "ends before the kernel does" },
		{ "of more paragraphs than there are", 0x1f4, 4, UINT32_MAX, GABI_ERR_SYNTAX, "ends" },
		{ "in low memory", 0x258, 8, 0x1000, GABI_ERR_SYNTAX, "1 MiB" },
		{ "beyond memory", 0x258, 8, BOARD_RAM, GABI_ERR_LIMIT, "memory" },
		{ "at the end of all numbers", 0x258, 8, UINT64_MAX, GABI_ERR_LIMIT, "memory" },
		{ "larger than memory", 0x260, 4, 0xffffffff, GABI_ERR_LIMIT, "memory" },
		{ "with no room for the initial file system", 0x22c, 4, 17 << 20, GABI_ERR_LIMIT, "initial file system" },
		{ "with no room below any address", 0x22c, 4, 0, GABI_ERR_LIMIT, "initial file system" },
		{ "with a short command line", 0x238, 4, 3, GABI_ERR_LIMIT, "command line" },
	};
	struct image *image = *state;

	image->load.append = "quiet";
	image->load.initrd = (struct vmm_bytes){ (const unsigned char *)"initrd", 6 };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse(image, make_linux, &rows[i]);
}

static void any__cut_anywhere__is_refused_and_stays_in_bounds(void **state)
{
	static void (*const makes[])(struct image *image) = { make_elf, make_linux };
	struct image *image = *state;

	for (unsigned i = 0; i < 2; i++)
		for (size_t len = 0; len < 0x480; len++) {
			unsigned char *cut;

			makes[i](image);
			cut = malloc(len + 1); /* a sanitizer sees what is read beyond */
			memcpy(cut, image->at, len);
			image->load.image = (struct vmm_bytes){ cut, len };
			assert_int_not_equal(vmm_load(&image->load, &image->start, &image->diag), 0);
			free(cut);
		}
}

static void usable__memory__leaves_out_the_hole(void **state)
{
	struct vmm_area areas[3];

	(void)state;
	assert_int_equal(vmm_usable((uint64_t)5 << 30, areas), 3);
	assert_int_equal(areas[1].base + areas[1].len, 0xc0000000);
	assert_true(areas[2].base == (uint64_t)4 << 30 && areas[2].len == (uint64_t)2 << 30);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(multiboot__an_image__is_loaded_and_told_of_its_machine),
		CASE(linux__a_kernel__is_loaded_by_its_protocol),
		CASE(multiboot__a_lying_image__is_refused),
		CASE(linux__a_lying_image__is_refused),
		CASE(any__cut_anywhere__is_refused_and_stays_in_bounds),
		CASE(usable__memory__leaves_out_the_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
