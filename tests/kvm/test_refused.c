/* SPDX-License-Identifier: MIT */
/* What gabi_kvm_probe says where there is no KVM to be had, and of wishes that it does not know. Needs no KVM. */
#include <gabi/kvm.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct gabi_host *const untouched = (struct gabi_host *)&(char){ 0 };

static int probe(const char *device, struct gabi_diag *diag)
{
	const struct gabi_kvm_probe_options options = { .size = sizeof(options), .device = device };
	struct gabi_host *host = untouched;
	int err = gabi_kvm_probe(&options, NULL, &host, diag);

	if (err)
		assert_ptr_equal(host, untouched);
	else
		gabi_host_free(host);
	return err;
}

static void probe__device_is_no_kvm__says_which_and_what_to_do(void **state)
{
	static const struct {
		const char *name, *device;
		int err, sys_errno;
		const char *sentence;
	} rows[] = {
		{ "no such device", "/dev/no-such-device", GABI_ERR_UNSUPPORTED, ENOENT, "load the kernel's kvm module" },
		{ "a device of another kind", "/dev/null", GABI_ERR_UNSUPPORTED, ENOTTY, "is not KVM's device" },
		{ "a directory", "/", GABI_ERR_KVM, EISDIR, "cannot be opened" },
		{ "a name that is a file's and goes on", "/dev/null/kvm", GABI_ERR_KVM, ENOTDIR, "cannot be opened" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_diag diag = { 0 };
		int err = probe(rows[i].device, &diag);

		if (err != rows[i].err || diag.err != err || diag.sys_errno != rows[i].sys_errno ||
		    strcmp(diag.where, rows[i].device) || !strstr(diag.text, rows[i].sentence))
			fail_msg("%s: %s, errno %d, %s: %s", rows[i].name, gabi_err_name(err), diag.sys_errno, diag.where, diag.text);
	}
}

/* Root may open anything, so the attempt is made by a child that is nobody. */
static int as_nobody(const char *device)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct gabi_diag diag = { 0 };

		if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(2);
		_exit(probe(device, &diag) != GABI_ERR_KVM || diag.sys_errno != EACCES || !strstr(diag.text, "join the group"));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void probe__no_permission__names_the_group(void **state)
{
	char path[] = "/tmp/gabi-test-kvm-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0), 0);
	assert_int_equal(as_nobody(path), 0);
	close(fd);
	unlink(path);
}

static void probe__options_of_a_later_version__are_refused_if_set(void **state)
{
	struct {
		struct gabi_kvm_probe_options known;
		uint64_t later;
	} options = { .known = { .size = sizeof(options), .device = "/dev/null" } };
	struct gabi_kvm_probe_options none = { 0 };
	struct gabi_host *host = untouched;
	struct gabi_diag diag;

	(void)state;
	assert_int_equal(gabi_kvm_probe(&options.known, NULL, &host, &diag), GABI_ERR_UNSUPPORTED);
	options.later = 1;
	assert_int_equal(gabi_kvm_probe(&options.known, NULL, &host, &diag), GABI_ERR_ARG);
	assert_true(diag.text[0]);
	assert_int_equal(gabi_kvm_probe(&none, NULL, &host, &diag), GABI_ERR_ARG);
	assert_ptr_equal(host, untouched);
}

static void probe__options_of_an_earlier_version__leave_the_rest_unset(void **state)
{
	struct gabi_kvm_probe_options options = { .size = offsetof(struct gabi_kvm_probe_options, name), .device = "/dev/null",
						  .name = (const char *)1 };
	struct gabi_host *host = untouched;

	(void)state;
	assert_int_equal(gabi_kvm_probe(&options, NULL, &host, NULL), GABI_ERR_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe__device_is_no_kvm__says_which_and_what_to_do),
		cmocka_unit_test(probe__no_permission__names_the_group),
		cmocka_unit_test(probe__options_of_a_later_version__are_refused_if_set),
		cmocka_unit_test(probe__options_of_an_earlier_version__leave_the_rest_unset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
