/* SPDX-License-Identifier: MIT */
/* gabi_kvm_probe on this machine's own KVM, whatever that can do. Skipped where there is none. */
#include <gabi/formats.h>
#include <gabi/kvm.h>

#include "../unit/short_mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct gabi_host *require_host(const char *name)
{
	const struct gabi_kvm_probe_options options = { .size = sizeof(options), .name = name };
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };

	if (gabi_kvm_probe(&options, NULL, &host, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	return host;
}

static char *require_text(struct gabi_host *host)
{
	char *text = NULL;
	size_t len;

	assert_int_equal(gabi_host_write(host, NULL, &text, &len), 0);
	gabi_host_free(host);
	return text;
}

static void probe__twice__gives_the_same_bytes(void **state)
{
	char *first = require_text(require_host("a")), *second = require_text(require_host("a"));

	(void)state;
	assert_string_equal(first, second);
	gabi_text_free(first, NULL);
	gabi_text_free(second, NULL);
}

static void probe__written_and_read__is_the_same_manifest(void **state)
{
	char *text = require_text(require_host(NULL)), *again;
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };

	(void)state;
	if (gabi_host_read(text, strlen(text), NULL, &host, &diag))
		fail_msg("%s: %s", diag.where, diag.text);
	again = require_text(host);
	assert_string_equal(text, again);
	gabi_text_free(text, NULL);
	gabi_text_free(again, NULL);
}

static void probe__says_what_it_saw_and_where(void **state)
{
	struct gabi_host *host = require_host("here");

	(void)state;
	assert_int_equal(gabi_host_view(host), GABI_VIEW_KVM);
	assert_int_equal(gabi_host_covers(host, GABI_SPACE_CAP), 1);
	assert_int_equal(gabi_host_covers(host, GABI_SPACE_VM), 1);
	assert_string_equal(gabi_host_fact(host, "name"), "here");
	assert_non_null(gabi_host_fact(host, "source"));
	assert_non_null(gabi_host_fact(host, "kernel.release"));
	gabi_host_free(host);
}

static size_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Each allocation fails in its turn. */
static void probe__short_of_memory__says_so_and_keeps_nothing(void **state)
{
	size_t files = open_files();
	int err = GABI_ERR_NOMEM;

	(void)state;
	for (size_t fail_at = 1; err; fail_at++) {
		struct short_mem state_of_mem = { .fail_at = fail_at };
		struct gabi_mem mem = short_mem_of(&state_of_mem);
		struct gabi_host *host = NULL;
		struct gabi_diag diag = { 0 };

		err = gabi_kvm_probe(NULL, &mem, &host, &diag);
		assert_int_equal(err != 0, short_mem_hit(&state_of_mem));
		if (err) {
			assert_int_equal(err, GABI_ERR_NOMEM);
			assert_null(host);
		}
		gabi_host_free(host);
		assert_int_equal(state_of_mem.live, 0);
	}
	assert_int_equal(open_files(), files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe__twice__gives_the_same_bytes),
		cmocka_unit_test(probe__written_and_read__is_the_same_manifest),
		cmocka_unit_test(probe__says_what_it_saw_and_where),
		cmocka_unit_test(probe__short_of_memory__says_so_and_keeps_nothing),
	};
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("/dev/kvm: %s\n", strerror(errno));
		return 77;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
