/* SPDX-License-Identifier: MIT */
/* Whether a KVM can protect the memory of trust levels, on one that is made up: ioctl is this file's. Needs no KVM, but userfaultfd. */
#include "kvm/machine.h"
#include "kvm/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RUN_LEN = 4096 };

/* How the made-up KVM ends each KVM_RUN, in turn. */
static struct end {
	int sys_errno;
	uint32_t reason;
} ends[4];
static unsigned runs;

int __wrap_ioctl(int fd, unsigned long request, ...); /* ld's --wrap */

static int run(int vcpu)
{
	const struct end *end = &ends[runs++];
	const struct kvm_run seen = { .exit_reason = end->reason };

	assert_true(runs <= 4);
	errno = end->sys_errno;
	if (errno)
		return -1;
	return pwrite(vcpu, &seen, sizeof(seen), 0) == sizeof(seen) ? 0 : -1;
}

static int new_vcpu(void)
{
	int vcpu = memfd_create("vcpu", MFD_CLOEXEC);

	assert_true(vcpu >= 0 && !ftruncate(vcpu, RUN_LEN));
	return vcpu;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	switch (request) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CREATE_VM:
		return dup(fd);
	case KVM_CREATE_VCPU:
		return new_vcpu();
	case KVM_RUN:
		return run(fd);
	default: /* userfaultfd's, and what sets a processor up */
		return 0;
	}
}

static unsigned all_rights(void *ctx, unsigned vtl, uint64_t gpa)
{
	(void)ctx;
	(void)vtl;
	(void)gpa;
	return 7;
}

static int start(const struct end *wanted, size_t count, struct gabi_diag *diag)
{
	static struct gabi_kvm_machine machine;
	int err;

	memset(&machine, 0, sizeof(machine));
	machine.mem = gabi_mem_or_default(NULL);
	machine.options.device = "/dev/null";
	machine.options.vps = 1;
	machine.options.rights = all_rights;
	machine.run_len = RUN_LEN;
	machine.protect.uffd = machine.protect.stop = -1;
	memcpy(ends, wanted, count * sizeof(*wanted));
	runs = 0;
	err = protect_init(&machine, diag);
	protect_free(&machine);
	assert_int_equal(runs, count);
	return err;
}

static const struct {
	const char *name;
	struct end ends[4];
	unsigned count;
	int err;
	const char *says, *says_not;
} rows[] = {
	{ "both accesses end with EFAULT", { { EFAULT, 0 }, { EFAULT, 0 } }, 2, 0, "", "KVM" },
	{ "a signal comes in between", { { EINTR, 0 }, { EFAULT, 0 }, { EINTR, 0 }, { EFAULT, 0 } }, 4, 0, "", "KVM" },
	{ "a store is emulated", { { 0, KVM_EXIT_MMIO }, { EFAULT, 0 } }, 2, GABI_ERR_UNSUPPORTED, "an access that memory's protection forbids (it gives the exit reason 0x6)", "page table" },
	{ "a store is made", { { 0, KVM_EXIT_HLT }, { EFAULT, 0 } }, 2, GABI_ERR_UNSUPPORTED, "the exit reason 0x5)", "page table" },
	{ "a walk is the guest's fault", { { EFAULT, 0 }, { 0, KVM_EXIT_SHUTDOWN } }, 2, GABI_ERR_UNSUPPORTED, "(EPT or NPT) (it gives the exit reason 0x8)", "an access" },
	{ "there is no memory to run", { { ENOMEM, 0 }, { EFAULT, 0 } }, 2, GABI_ERR_KVM, "KVM refused to try a protected page: Cannot allocate memory", "does not stop" },
};

static void start__kvm_ends_accesses_so__is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_diag diag = { 0 };

		print_message("%s\n", rows[i].name);
		assert_int_equal(start(rows[i].ends, rows[i].count, &diag), rows[i].err);
		assert_non_null(strstr(diag.text, rows[i].says));
		assert_null(strstr(diag.text, rows[i].says_not));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(start__kvm_ends_accesses_so__is_told) };
	long uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0) {
		print_message("skipped: userfaultfd is not to be had: %s\n", strerror(errno));
		return 77;
	}
	close((int)uffd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
