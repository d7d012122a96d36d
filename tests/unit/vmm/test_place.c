/* SPDX-License-Identifier: MIT */
#include "vmm/place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char runtime[] = "/tmp/gabi-place-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(runtime) && !setenv("XDG_RUNTIME_DIR", runtime, 1) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/gabi", runtime);
	return rmdir(path) || rmdir(runtime); /* nothing is left behind */
}

static void count(void *ctx, const char *name)
{
	(void)name;
	++*(unsigned *)ctx;
}

static unsigned how_many(void)
{
	unsigned number = 0;

	assert_int_equal(vmm_place_list(count, &number, NULL), 0);
	return number;
}

static void name__what_may_be_one(void **state)
{
	static const char *const good[] = { "a", "web-7", "Web_7.1", "0", "-", "12345678901234567890123456789012345678901234567" };
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a b", "\xc3\xa4", "a\n", "123456789012345678901234567890123456789012345678" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(vmm_name_is_good(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(vmm_name_is_good(bad[i]));
}

static void place__from_outside__is_there_while_it_is_held(void **state)
{
	struct vmm_place place, seen;
	bool alive;
	int fd;

	(void)state;
	assert_int_equal(how_many(), 0);
	assert_int_equal(vmm_place_find("web", &seen, &alive, NULL), GABI_ERR_UNKNOWN);
	assert_int_equal(vmm_place_make("web", NULL, &place, NULL), 0);
	assert_int_equal(how_many(), 1);
	assert_int_equal(vmm_place_find("web", &seen, &alive, NULL), 0);
	assert_true(alive);
	assert_string_equal(seen.path, place.path);
	assert_int_equal(vmm_place_connect(&seen, &fd, NULL), 0);
	close(fd);
	vmm_place_remove(&place);
	assert_int_equal(how_many(), 0);
}

static void place__is_for_its_owner_alone(void **state)
{
	struct vmm_place place;
	struct stat stat_of;
	char root[64];

	(void)state;
	assert_int_equal(vmm_place_make("web", NULL, &place, NULL), 0);
	assert_int_equal(stat(place.path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0700);
	snprintf(root, sizeof(root), "%s/gabi", runtime);
	assert_int_equal(stat(root, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0700);
	vmm_place_remove(&place);
	chmod(root, 0777);
	assert_int_equal(vmm_place_make("web", NULL, &place, NULL), GABI_ERR_IO);
	chmod(root, 0700);
}

static void place__a_name_twice__is_refused_and_a_default_one_counts_on(void **state)
{
	struct vmm_place first, second, third, other;
	struct gabi_diag diag = { 0 };

	(void)state;
	assert_int_equal(vmm_place_make(NULL, "/boot/vmlinuz.efi", &first, NULL), 0);
	assert_string_equal(first.name, "vmlinuz");
	assert_int_equal(vmm_place_make(NULL, "vmlinuz", &second, NULL), 0);
	assert_string_equal(second.name, "vmlinuz-2");
	assert_int_equal(vmm_place_make("vmlinuz", NULL, &third, &diag), GABI_ERR_CONFLICT);
	assert_non_null(strstr(diag.text, "runs already"));
	vmm_place_remove(&first);
	assert_int_equal(vmm_place_make(NULL, "vmlinuz", &third, NULL), 0);
	assert_string_equal(third.name, "vmlinuz");
	assert_int_equal(vmm_place_make(NULL, "..a b\n", &other, NULL), 0);
	assert_string_equal(other.name, "a-b-");
	vmm_place_remove(&other);
	assert_int_equal(vmm_place_make(NULL, "-", &other, NULL), 0);
	assert_string_equal(other.name, "guest");
	vmm_place_remove(&other);
	vmm_place_remove(&second);
	vmm_place_remove(&third);
}

static void place__of_a_killed_monitor__is_seen_as_dead_and_taken_over(void **state)
{
	struct vmm_place place;
	struct gabi_diag diag = { 0 };
	bool alive = true;
	int status, fd, ready[2];
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		if (vmm_place_make("web", NULL, &place, NULL) || vmm_place_write(&place, "contract.json", "{}", 2, NULL) || write(ready[1], "!", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	assert_int_equal(vmm_place_find("web", &place, &alive, NULL), 0);
	assert_false(alive);
	assert_int_equal(vmm_place_connect(&place, &fd, &diag), GABI_ERR_IO);
	assert_int_equal(how_many(), 1);
	assert_int_equal(vmm_place_make("web", NULL, &place, NULL), 0);
	assert_int_equal(faccessat(place.dir, "contract.json", F_OK, 0), -1);
	vmm_place_remove(&place);
	close(ready[0]);
	close(ready[1]);
}

static void place__a_file__is_whole_or_the_old_one(void **state)
{
	struct vmm_place place;
	char text[16] = "";
	int fd;

	(void)state;
	assert_int_equal(vmm_place_make("web", NULL, &place, NULL), 0);
	assert_int_equal(vmm_place_write(&place, "contract.json", "one", 3, NULL), 0);
	assert_int_equal(mkdirat(place.dir, "contract.json.new", 0700), 0); /* where the next would be written */
	assert_int_equal(vmm_place_write(&place, "contract.json", "two", 3, NULL), GABI_ERR_IO);
	assert_int_equal(unlinkat(place.dir, "contract.json.new", AT_REMOVEDIR), 0);
	fd = openat(place.dir, "contract.json", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 3);
	assert_string_equal(text, "one");
	close(fd);
	vmm_place_remove(&place);
}

static void place__no_directory_or_too_long_a_one__is_refused_in_a_sentence(void **state)
{
	char path[200];
	struct vmm_place place;
	struct gabi_diag diag = { 0 };

	(void)state;
	snprintf(path, sizeof(path), "%s/none", runtime);
	setenv("XDG_RUNTIME_DIR", path, 1);
	assert_int_equal(vmm_place_make("web", NULL, &place, &diag), GABI_ERR_IO);
	assert_non_null(strstr(diag.text, "cannot be made"));
	assert_int_equal(how_many(), 0);
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", path, 1);
	assert_int_equal(vmm_place_make("web", NULL, &place, &diag), GABI_ERR_IO);
	assert_non_null(strstr(diag.text, "too long"));
	setenv("XDG_RUNTIME_DIR", runtime, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name__what_may_be_one),
		cmocka_unit_test(place__from_outside__is_there_while_it_is_held),
		cmocka_unit_test(place__is_for_its_owner_alone),
		cmocka_unit_test(place__a_name_twice__is_refused_and_a_default_one_counts_on),
		cmocka_unit_test(place__of_a_killed_monitor__is_seen_as_dead_and_taken_over),
		cmocka_unit_test(place__a_file__is_whole_or_the_old_one),
		cmocka_unit_test(place__no_directory_or_too_long_a_one__is_refused_in_a_sentence),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
