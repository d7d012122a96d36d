/* SPDX-License-Identifier: MIT */
/* A board for tests: lines and ends are remembered, time stands where it is put, RAM is an array. */
#ifndef TEST_BOARD_H
#define TEST_BOARD_H

#include "vmm/device.h"

#include <stdlib.h>
#include <string.h>

#define BOARD_RAM ((size_t)64 << 20)

struct test_board {
	struct vmm_board board;
	unsigned char *ram;
	size_t ram_len; /* may be made smaller by a test */
	bool line[32];
	uint64_t now_ns;
	unsigned how, value;
};

static void test_line(void *ctx, unsigned line, bool level)
{
	((struct test_board *)ctx)->line[line] = level;
}

static void *test_ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	struct test_board *test = ctx;

	(void)writes;
	return gpa <= test->ram_len && len <= test->ram_len - gpa ? test->ram + gpa : NULL;
}

static uint64_t test_now(void *ctx)
{
	return ((struct test_board *)ctx)->now_ns;
}

static void test_end(void *ctx, unsigned how, unsigned value)
{
	struct test_board *test = ctx;

	test->how = how;
	test->value = value;
}

static struct test_board *test_board_new(void)
{
	struct test_board *test = calloc(1, sizeof(*test));

	test->ram = calloc(1, BOARD_RAM);
	test->ram_len = BOARD_RAM;
	test->board = (struct vmm_board){ test_line, test_ram, test_now, test_end, test };
	return test;
}

static void test_board_free(struct test_board *test)
{
	free(test->ram);
	free(test);
}

#endif
