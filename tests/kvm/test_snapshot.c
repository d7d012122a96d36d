/* SPDX-License-Identifier: MIT */
/* A guest that works is saved into a file, goes on, and goes on a second time from the file: on this machine's KVM. */
#include "traveller.h"

#include "vmm/snapshot.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/gabi-snapshot.XXXXXX";
static char path[64];
static struct traveller source, copy;

static int make_directory(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/guest", mkdtemp(directory));
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory); /* fails where something was left behind */
}

static int free_guests(void **state)
{
	(void)state;
	if (source.monitor)
		traveller_stop(&source);
	if (copy.monitor)
		traveller_stop(&copy);
	source = copy = (struct traveller){ 0 };
	return 0;
}

static void save_to_path(struct vmm_monitor *monitor)
{
	struct gabi_diag diag = { 0 };

	if (vmm_save(monitor, path, &diag))
		fail_msg("it cannot be saved: %s", diag.text);
}

/* Into a new monitor; 0 or an error. */
static int load(struct traveller *into, const char *from, bool hyperv, unsigned cpus, struct gabi_diag *diag)
{
	struct vmm_snapshot snapshot;
	int err = vmm_snapshot_open(&snapshot, from, diag);

	if (!err && !into->monitor)
		traveller_new(into, hyperv, cpus, true);
	if (!err)
		err = vmm_snapshot_load(&snapshot, into->monitor, diag);
	vmm_snapshot_close(&snapshot);
	return err;
}

static void save__guest_works__both_go_on(bool hyperv, unsigned cpus)
{
	struct gabi_diag diag = { 0 };

	traveller_new(&source, hyperv, cpus, false);
	traveller_run(&source);
	traveller_wait(&source, "turn", 2);
	save_to_path(source.monitor);
	traveller_wait(&source, "turn", 1);
	assert_int_equal(traveller_end(&source), 0);
	if (load(&copy, path, hyperv, cpus, &diag))
		fail_msg("it cannot be restored: %s", diag.text);
	traveller_run(&copy);
	traveller_wait(&copy, "turn", 2);
	assert_int_equal(traveller_end(&copy), 0);
	assert_null(strstr(copy.said, "all others run")); /* it did not begin anew */
}

static void save__one_processor__both_go_on(void **state)
{
	(void)state;
	save__guest_works__both_go_on(false, 1);
}

static void save__two_processors_with_hyperv__both_go_on(void **state)
{
	(void)state;
	save__guest_works__both_go_on(true, 2);
}

static void save__restored_guest_again__goes_on(void **state)
{
	struct traveller *from = &source, *to = &copy;
	struct gabi_diag diag = { 0 };

	(void)state;
	traveller_new(from, true, 2, false);
	traveller_run(from);
	for (int i = 0; i < 6; i++) {
		traveller_wait(from, "turn", 1);
		save_to_path(from->monitor);
		traveller_stop(from);
		*from = (struct traveller){ 0 };
		if (load(to, path, true, 2, &diag))
			fail_msg("it cannot be restored: %s", diag.text);
		traveller_run(to);
		from = to;
		to = from == &source ? &copy : &source;
	}
	traveller_wait(from, "turn", 1);
	assert_int_equal(traveller_end(from), 0);
}

static void save__file_is_sparse__clear_memory_takes_no_room(void **state)
{
	struct stat stat_of;

	(void)state;
	traveller_new(&source, false, 1, false);
	save_to_path(source.monitor);
	assert_int_equal(stat(path, &stat_of), 0);
	assert_in_range(stat_of.st_size, 1000, 1 << 20); /* of 32 MiB */
}

static void save__guest_that_never_ran__begins_where_it_would(void **state)
{
	struct gabi_diag diag = { 0 };

	(void)state;
	traveller_new(&source, true, 2, false);
	save_to_path(source.monitor);
	if (load(&copy, path, true, 2, &diag))
		fail_msg("it cannot be restored: %s", diag.text);
	traveller_run(&copy);
	traveller_wait(&copy, "all others run", 1);
	assert_int_equal(traveller_end(&copy), 0);
}

/* ---- bad input ---- */

static unsigned char *read_all(size_t *ret_len)
{
	FILE *file = fopen(path, "rbe");
	unsigned char *bytes = malloc(4 << 20);

	assert_non_null(file);
	*ret_len = fread(bytes, 1, 4 << 20, file);
	fclose(file);
	return bytes;
}

static void write_all(const unsigned char *bytes, size_t len)
{
	FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void is_refused(const char *how, size_t at)
{
	struct gabi_diag diag = { 0 };
	int err = load(&copy, path, true, 1, &diag);

	if (!err)
		fail_msg("%s at byte %zu: is taken", how, at);
	if (!*diag.text)
		fail_msg("%s at byte %zu: nothing is said", how, at);
}

static void make_file(void)
{
	traveller_new(&source, true, 1, false);
	save_to_path(source.monitor);
	traveller_new(&copy, true, 1, true);
}

static void restore__any_byte_altered__is_refused(void **state)
{
	size_t len;
	unsigned char *bytes;

	(void)state;
	make_file();
	bytes = read_all(&len);
	for (size_t at = 0; at < len; at += at < 200 || at > len - 200 ? 1 : len / 150) {
		bytes[at] ^= 1 << at % 8;
		write_all(bytes, len);
		is_refused("altered", at);
		bytes[at] ^= 1 << at % 8;
	}
	free(bytes);
}

static void restore__cut_at_any_byte__is_refused(void **state)
{
	size_t len;
	unsigned char *bytes;

	(void)state;
	make_file();
	bytes = read_all(&len);
	for (size_t at = 0; at < len; at += at < 100 || at > len - 100 ? 1 : len / 100) {
		write_all(bytes, at);
		is_refused("cut", at);
	}
	bytes = realloc(bytes, len + 1);
	bytes[len] = 0;
	write_all(bytes, len + 1);
	is_refused("lengthened", len);
	free(bytes);
}

static void restore__later_version__says_which(void **state)
{
	struct gabi_diag diag = { 0 };
	size_t len;
	unsigned char *bytes;

	(void)state;
	make_file();
	bytes = read_all(&len);
	bytes[8] = 9;
	write_all(bytes, len);
	assert_int_equal(load(&copy, path, true, 1, &diag), GABI_ERR_VERSION);
	assert_non_null(strstr(diag.text, "version 9"));
	free(bytes);
}

static void restore__other_shape__says_what_differs(void **state)
{
	struct gabi_diag diag = { 0 };

	(void)state;
	traveller_new(&source, true, 1, false);
	save_to_path(source.monitor);
	traveller_new(&copy, true, 2, true);
	assert_int_equal(load(&copy, path, true, 2, &diag), GABI_ERR_CONFLICT);
	assert_string_equal(diag.text, "the guest has 1 virtual processors, and here are 2");
}

static unsigned entries(void)
{
	DIR *dir = opendir(directory);
	unsigned count = 0;

	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* The limit of a file's size stands in for a disk that is full: a write comes back short, then with an error. */
static void save__disk_is_full__old_file_stays_and_guest_goes_on(void **state)
{
	struct rlimit old, full;
	struct gabi_diag diag = { 0 };
	size_t len, len_after;
	unsigned char *before, *after;
	int err;

	(void)state;
	traveller_new(&source, true, 2, false);
	save_to_path(source.monitor);
	before = read_all(&len);
	traveller_run(&source);
	traveller_wait(&source, "turn", 1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	full = (struct rlimit){ 100000, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &full);
	err = vmm_save(source.monitor, path, &diag);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(err, GABI_ERR_IO);
	assert_int_equal(diag.sys_errno, EFBIG);
	assert_non_null(strstr(diag.text, "cannot be written"));
	after = read_all(&len_after);
	assert_int_equal(len, len_after);
	assert_memory_equal(before, after, len);
	assert_int_equal(entries(), 1);
	traveller_wait(&source, "turn", 1);
	assert_int_equal(traveller_end(&source), 0);
	free(before);
	free(after);
}

static void save__no_such_directory__says_so(void **state)
{
	struct gabi_diag diag = { 0 };

	(void)state;
	traveller_new(&source, false, 1, false);
	assert_int_equal(vmm_save(source.monitor, "/no/such/directory/guest", &diag), GABI_ERR_IO);
	assert_int_equal(diag.sys_errno, ENOENT);
	assert_false(vmm_is_paused(source.monitor));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(save__one_processor__both_go_on, free_guests),
		cmocka_unit_test_teardown(save__two_processors_with_hyperv__both_go_on, free_guests),
		cmocka_unit_test_teardown(save__restored_guest_again__goes_on, free_guests),
		cmocka_unit_test_teardown(save__file_is_sparse__clear_memory_takes_no_room, free_guests),
		cmocka_unit_test_teardown(save__guest_that_never_ran__begins_where_it_would, free_guests),
		cmocka_unit_test_teardown(restore__any_byte_altered__is_refused, free_guests),
		cmocka_unit_test_teardown(restore__cut_at_any_byte__is_refused, free_guests),
		cmocka_unit_test_teardown(restore__later_version__says_which, free_guests),
		cmocka_unit_test_teardown(restore__other_shape__says_what_differs, free_guests),
		cmocka_unit_test_teardown(save__disk_is_full__old_file_stays_and_guest_goes_on, free_guests),
		cmocka_unit_test_teardown(save__no_such_directory__says_so, free_guests),
	};

	traveller_begin(argc > 1 ? argv[1] : "");
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
