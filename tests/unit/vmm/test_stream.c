/* SPDX-License-Identifier: MIT */
/* Records of a guest on its way, without a guest: what is written is read, and what was meddled with is not. */
#include "vmm/boot.h"
#include "vmm/link.h"
#include "vmm/stream.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CAP = 4096 };

struct memory {
	unsigned char bytes[CAP];
	size_t len, at;
};

static int put(void *ctx, const void *bytes, size_t len, struct gabi_diag *diag)
{
	struct memory *memory = ctx;

	(void)diag;
	assert_true(len <= CAP - memory->len);
	memcpy(memory->bytes + memory->len, bytes, len);
	memory->len += len;
	return 0;
}

static int get(void *ctx, void *to, size_t len, struct gabi_diag *diag)
{
	struct memory *memory = ctx;

	(void)diag;
	if (len > memory->len - memory->at)
		return GABI_ERR_IO;
	memcpy(to, memory->bytes + memory->at, len);
	memory->at += len;
	return 0;
}

static const struct {
	enum vmm_record kind;
	const char *text;
} records[] = {
	{ VMM_RECORD_MACHINE, "a machine" }, { VMM_RECORD_PAGES, "pages" }, { VMM_RECORD_PAGES, "pages" }, { VMM_RECORD_DEVICES, "" },
	{ VMM_RECORD_END, "" },
};

enum { RECORDS = sizeof(records) / sizeof(records[0]), BEGIN = 16, HEAD = 24 };

static void write_all(struct memory *memory)
{
	struct vmm_stream stream = { .pipe = { put, NULL, memory } };

	memset(memory, 0, sizeof(*memory));
	assert_int_equal(vmm_stream_begin(&stream, NULL), 0);
	for (size_t i = 0; i < RECORDS; i++)
		assert_int_equal(vmm_record_write(&stream, records[i].kind, records[i].text, strlen(records[i].text), NULL), 0);
	assert_int_equal(stream.out_bytes, memory->len);
	vmm_stream_close(&stream);
}

/* 0 if all of it is as it was written. */
static int read_all(const struct memory *from, struct gabi_diag *diag)
{
	struct memory memory = *from;
	struct vmm_stream stream = { .pipe = { NULL, get, &memory } };
	struct vmm_record_in record;
	int err = vmm_stream_expect_begin(&stream, diag);

	for (size_t i = 0; !err && i < RECORDS; i++) {
		err = vmm_record_expect(&stream, records[i].kind, &record, diag);
		if (!err && (record.len != strlen(records[i].text) || memcmp(record.bytes, records[i].text, record.len)))
			err = 1;
	}
	vmm_stream_close(&stream);
	return err;
}

static void stream__as_it_was_written__is_read(void **state)
{
	struct memory memory;

	(void)state;
	write_all(&memory);
	assert_int_equal(read_all(&memory, NULL), 0);
}

static void stream__any_bit_altered__is_refused(void **state)
{
	struct memory memory;

	(void)state;
	write_all(&memory);
	for (size_t bit = 0; bit < memory.len * 8; bit++) {
		memory.bytes[bit / 8] ^= 1 << bit % 8;
		if (read_all(&memory, NULL) >= 0)
			fail_msg("bit %zu of byte %zu altered: is taken", bit % 8, bit / 8);
		memory.bytes[bit / 8] ^= 1 << bit % 8;
	}
}

static void stream__cut_at_any_byte__is_refused(void **state)
{
	struct memory memory;
	size_t len;

	(void)state;
	write_all(&memory);
	len = memory.len;
	for (memory.len = 0; memory.len < len; memory.len++)
		if (read_all(&memory, NULL) >= 0)
			fail_msg("cut at byte %zu: is taken", memory.len);
}

/* The second and the third record are alike, but for their places. */
static void stream__record_left_out_or_repeated__is_refused(void **state)
{
	const size_t second = BEGIN + HEAD + 9, len = HEAD + 5;
	struct memory memory;

	(void)state;
	write_all(&memory);
	memmove(memory.bytes + second, memory.bytes + second + len, memory.len - second - len);
	memory.len -= len;
	assert_int_equal(read_all(&memory, NULL), GABI_ERR_SYNTAX);
	write_all(&memory);
	memmove(memory.bytes + second + len, memory.bytes + second, memory.len - second);
	memory.len += len;
	assert_int_equal(read_all(&memory, NULL), GABI_ERR_SYNTAX);
}

static void stream__length_without_bytes__takes_no_memory(void **state)
{
	struct memory memory;
	struct gabi_diag diag = { 0 };

	(void)state;
	write_all(&memory);
	vmm_put(memory.bytes + BEGIN + 8, 8, VMM_STREAM_MAX);
	assert_int_equal(read_all(&memory, &diag), GABI_ERR_IO);
	vmm_put(memory.bytes + BEGIN + 8, 8, (uint64_t)VMM_STREAM_MAX + 1);
	assert_int_equal(read_all(&memory, &diag), GABI_ERR_SYNTAX);
	assert_string_equal(diag.text, "the stream is damaged before byte 40: there is no such record");
}

static void stream__later_version__says_which(void **state)
{
	struct memory memory;
	struct gabi_diag diag = { 0 };

	(void)state;
	write_all(&memory);
	memory.bytes[8] = 77;
	assert_int_equal(read_all(&memory, &diag), GABI_ERR_VERSION);
	assert_non_null(strstr(diag.text, "version 77"));
}

static void stream__other_side_refuses__its_words_are_the_diagnosis(void **state)
{
	struct memory memory = { 0 };
	struct vmm_stream stream = { .pipe = { put, get, &memory } };
	struct vmm_record_in record;
	struct gabi_diag diag = { 0 };
	char longer[1000];

	(void)state;
	assert_int_equal(vmm_record_write(&stream, VMM_RECORD_REFUSED, "no \033[room", 9, NULL), 0);
	assert_int_equal(vmm_record_read(&stream, &record, &diag), GABI_ERR_CONFLICT);
	assert_string_equal(diag.text, "the other side says: no ?[room");
	memset(longer, 'x', sizeof(longer));
	assert_int_equal(vmm_record_write(&stream, VMM_RECORD_REFUSED, longer, sizeof(longer), NULL), 0);
	assert_int_equal(vmm_record_read(&stream, &record, &diag), GABI_ERR_CONFLICT);
	assert_true(strlen(diag.text) < sizeof(diag.text));
	vmm_stream_close(&stream);
}

/* ---- the link ---- */

static int ends[2];

static int open_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

static void link__other_side_silent__is_given_up(void **state)
{
	struct vmm_link link = { .socket = ends[0], .patience_ms = 100 };
	struct vmm_pipe pipe = vmm_link_pipe(&link);
	struct gabi_diag diag = { 0 };
	static char much[1 << 22];

	(void)state;
	assert_int_equal(pipe.read(pipe.ctx, much, 1, &diag), GABI_ERR_IO);
	assert_string_equal(diag.text, "the other side is silent");
	assert_int_equal(pipe.write(pipe.ctx, much, sizeof(much), &diag), GABI_ERR_IO); /* more than the socket holds */
	assert_string_equal(diag.text, "the other side is silent");
}

static void link__cancelled__ends_soon(void **state)
{
	atomic_bool yes = true;
	struct vmm_link link = { .socket = ends[0], .patience_ms = 1000000, .cancelled = &yes };
	struct vmm_pipe pipe = vmm_link_pipe(&link);
	struct gabi_diag diag = { 0 };
	char byte;

	(void)state;
	assert_int_equal(pipe.read(pipe.ctx, &byte, 1, &diag), GABI_ERR_CONFLICT);
	assert_string_equal(diag.text, "it was cancelled");
}

static void link__other_side_gone__says_so(void **state)
{
	struct vmm_link link = { .socket = ends[0], .patience_ms = 1000 };
	struct vmm_pipe pipe = vmm_link_pipe(&link);
	struct gabi_diag diag = { 0 };
	char byte;

	(void)state;
	close(ends[1]);
	ends[1] = -1;
	assert_true(vmm_link_has_word(&link));
	assert_int_equal(pipe.read(pipe.ctx, &byte, 1, &diag), GABI_ERR_IO);
	assert_string_equal(diag.text, "the other side has gone");
	assert_int_equal(pipe.write(pipe.ctx, &byte, 1, &diag), GABI_ERR_IO);
	assert_int_equal(diag.sys_errno, EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream__as_it_was_written__is_read),
		cmocka_unit_test(stream__any_bit_altered__is_refused),
		cmocka_unit_test(stream__cut_at_any_byte__is_refused),
		cmocka_unit_test(stream__record_left_out_or_repeated__is_refused),
		cmocka_unit_test(stream__length_without_bytes__takes_no_memory),
		cmocka_unit_test(stream__later_version__says_which),
		cmocka_unit_test(stream__other_side_refuses__its_words_are_the_diagnosis),
		cmocka_unit_test_setup_teardown(link__other_side_silent__is_given_up, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(link__cancelled__ends_soon, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(link__other_side_gone__says_so, open_ends, close_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
