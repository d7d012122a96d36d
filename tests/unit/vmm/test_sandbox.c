/* SPDX-License-Identifier: MIT */
/* Each filter in a child of its own, which makes one system call: it goes on, or is ended. */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define ON(kind) (1u << VMM_THREAD_##kind)
#define EVERY    (ON(VP) | ON(MAIN) | ON(SOCKET) | ON(JOBS))

static struct vmm_sandbox *sandbox;

static int set_up(void **state)
{
	(void)state;
	return vmm_sandbox_new(&sandbox, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	vmm_sandbox_free(sandbox);
	return 0;
}

struct call {
	const char *name;
	unsigned threads; /* that may make it */
	long number, arg[4];
	bool sanitizer; /* it may be made in a build that looks for bugs */
};

static const char path[] = "/etc/passwd";

static const struct call calls[] = {
	{ "read", EVERY, SYS_read, { -1 }, false },
	{ "write", EVERY, SYS_write, { -1 }, false },
	{ "KVM_RUN", EVERY, SYS_ioctl, { -1, 0xae80 }, false },
	{ "KVM_CHECK_EXTENSION", EVERY, SYS_ioctl, { -1, 0xae03 }, false },
	{ "UFFDIO_WRITEPROTECT", EVERY, SYS_ioctl, { -1, 0xc018aa06 }, false },
	{ "KVM_CREATE_VM", 0, SYS_ioctl, { -1, 0xae01 }, false },
	{ "TCGETS", ON(MAIN), SYS_ioctl, { -1, TCGETS }, false },
	{ "TIOCSTI", 0, SYS_ioctl, { -1, TIOCSTI }, false },
	{ "memory to write", EVERY, SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS }, false },
	{ "memory to execute", 0, SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS }, false },
	{ "memory made executable", 0, SYS_mprotect, { 0, 4096, PROT_EXEC }, false },
	{ "pkey_mprotect", 0, SYS_pkey_mprotect, { 0, 4096, PROT_EXEC, 0 }, false },
	{ "fdatasync", ON(VP) | ON(JOBS), SYS_fdatasync, { -1 }, false },
	{ "flock", ON(JOBS), SYS_flock, { -1 }, false },
	{ "accept4", ON(SOCKET), SYS_accept4, { -1 }, false },
	{ "recvmsg", ON(SOCKET) | ON(JOBS), SYS_recvmsg, { -1 }, false },
	{ "sendmsg", ON(JOBS), SYS_sendmsg, { -1 }, false },
	{ "a signal to somebody else", 0, SYS_tgkill, { 1, 1, 0 }, false },
	{ "kill", 0, SYS_kill, { 1, 0 }, true },
	{ "open", 0, SYS_open, { (long)path, O_RDONLY }, true },
	{ "openat, which fails", EVERY, SYS_openat, { AT_FDCWD, (long)path, O_RDONLY }, true },
	{ "openat2", 0, SYS_openat2, { AT_FDCWD, (long)path, 0, 0 }, false },
	{ "unlink", 0, SYS_unlink, { (long)"/nowhere/x" }, false },
	{ "execve", 0, SYS_execve, { (long)"/nowhere/x" }, false },
	{ "fork", 0, SYS_fork, { 0 }, false },
	{ "clone3", ON(JOBS), SYS_clone3, { 0 }, false },
	{ "a process by clone", 0, SYS_clone, { 0 }, true },
	{ "a thread in another namespace", 0, SYS_clone, { 0x40050f00 /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, NEWNET */ }, true },
	{ "ptrace", 0, SYS_ptrace, { 16, 0 }, true },
	{ "process_vm_writev", 0, SYS_process_vm_writev, { 1 }, false },
	{ "socket", 0, SYS_socket, { AF_INET, SOCK_STREAM }, false },
	{ "connect", 0, SYS_connect, { -1 }, false },
	{ "bpf", 0, SYS_bpf, { 0 }, false },
	{ "userfaultfd", 0, SYS_userfaultfd, { 0 }, false },
	{ "io_uring_setup", 0, SYS_io_uring_setup, { 0 }, false },
	{ "seccomp", 0, SYS_seccomp, { 0 }, false },
	{ "setuid", 0, SYS_setuid, { 0 }, false },
	{ "memfd_create", 0, SYS_memfd_create, { (long)path, 0 }, false },
};

static const char *const kinds[] = { "a virtual processor's thread", "the main thread", "the socket's thread", "the jobs' thread" };

/* How a child ended that made that call, as waitpid says it. */
static int make(const struct call *call, enum vmm_thread kind)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (!child) {
		if (vmm_sandbox_enter(sandbox, kind, NULL))
			_exit(2);
		syscall(call->number, call->arg[0], call->arg[1], call->arg[2], call->arg[3], -1, 0);
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void filter__each_kind__makes_its_calls_and_no_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		for (unsigned kind = 0; kind < VMM_THREADS; kind++) {
			int status = make(&calls[i], kind);
			bool may = calls[i].threads >> kind & 1 || (SANITIZED && calls[i].sanitizer);

			if (may && status)
				fail_msg("%s, made by %s, ended it with 0x%x", calls[i].name, kinds[kind], (unsigned)status);
			if (!may && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS))
				fail_msg("%s, made by %s, was not stopped: 0x%x", calls[i].name, kinds[kind], (unsigned)status);
		}
	}
}

static void *count(void *ctx)
{
	++*(int *)ctx;
	return NULL;
}

/* Not ended by it, for glibc tries; but there is nothing that it could open. */
static void filter__openat__opens_nothing(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < VMM_THREADS && !SANITIZED; kind++) {
		int status = 0;
		pid_t child = fork();

		if (!child) {
			if (vmm_sandbox_enter(sandbox, kind, NULL))
				_exit(2);
			_exit(open(path, O_RDONLY) == -1 && errno == ENOSYS ? 0 : 1);
		}
		waitpid(child, &status, 0);
		assert_int_equal(status, 0);
	}
}

/* With the first thread of a process the C library sets up more, which the monitor has behind it. */
static void filter__a_job__makes_threads_which_have_its_filter(void **state)
{
	int status = 0, counted = 0;
	pid_t child = fork();

	(void)state;
	if (!child) {
		pthread_t thread;

		pthread_create(&thread, NULL, count, &counted);
		pthread_join(thread, NULL);
		if (vmm_sandbox_enter(sandbox, VMM_THREAD_JOBS, NULL) || pthread_create(&thread, NULL, count, &counted))
			_exit(1);
		pthread_join(thread, NULL);
		_exit(counted == 2 ? 0 : 2);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void *make_a_socket(void *ctx)
{
	if (!vmm_sandbox_enter(sandbox, VMM_THREAD_VP, NULL))
		socket(AF_INET, SOCK_STREAM, 0);
	return ctx;
}

/* Not the thread alone, which would leave the others waiting for it. */
static void filter__a_thread_that_breaks_it__ends_the_process(void **state)
{
	pthread_t thread;
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (!child) {
		pthread_create(&thread, NULL, make_a_socket, NULL);
		pthread_join(thread, NULL);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

#ifdef __x86_64__
static void filter__a_call_of_32_bits__ends_the_process(void **state)
{
	int status = 0;
	pid_t child = fork();

	(void)state;
	if (!child) {
		long result = 20; /* getpid there, writev here, which would be allowed */

		vmm_sandbox_enter(sandbox, VMM_THREAD_VP, NULL);
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_true(WIFSIGNALED(status));
}
#endif

static unsigned long field(const char *name, int base)
{
	char line[200];
	unsigned long value = ~0ul;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = strtoul(line + strlen(name), NULL, base);
	if (file)
		fclose(file);
	return value;
}

/* What the child sees comes as its exit status: the number of the first thing that is wrong. */
static int confined(const struct vmm_user *user)
{
	struct rlimit limit;

	if (vmm_sandbox_confine(user, NULL))
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (user && (getuid() != user->uid || geteuid() != user->uid || getgid() != user->gid || setuid(0) != -1))
		return 3;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!geteuid() && prctl(PR_CAPBSET_READ, cap))
			return 4;
	if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max)
		return 5;
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max > 1100)
		return 6;
	if (!SANITIZED && prctl(PR_GET_DUMPABLE))
		return 7;
	if (!SANITIZED && !geteuid() && open(path, O_RDONLY) >= 0)
		return 8;
	if (!SANITIZED && !geteuid() && open("x", O_WRONLY | O_CREAT, 0600) >= 0)
		return 9;
	if (mount("none", "/", "tmpfs", 0, NULL) != -1)
		return 10;
	return 0;
}

static void confine__the_process__keeps_no_privileges(void **state)
{
	static const struct vmm_user nobody = { 65534, 65534 };
	const struct vmm_user *users[] = { NULL, &nobody };

	(void)state;
	if (geteuid() || field("CapEff:", 16) == 0)
		skip();
	for (unsigned i = 0; i < 2; i++) {
		int status = 0;
		pid_t child = fork();

		if (!child)
			_exit(confined(users[i]));
		waitpid(child, &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(access(path, F_OK), 0);
}

/* The parent's death goes on to be this one's: the kernel forgets that with the user. */
static void confine__another_user__still_ends_with_its_parent(void **state)
{
	static const struct vmm_user nobody = { 65534, 65534 };
	int status = 0;
	pid_t child;

	(void)state;
	if (geteuid())
		skip();
	child = fork();
	if (!child) {
		int signal = 0;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (vmm_sandbox_confine(&nobody, NULL))
			_exit(1);
		prctl(PR_GET_PDEATHSIG, &signal);
		_exit(signal == SIGKILL ? 0 : 2);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter__each_kind__makes_its_calls_and_no_others),
		cmocka_unit_test(filter__openat__opens_nothing),
		cmocka_unit_test(filter__a_job__makes_threads_which_have_its_filter),
		cmocka_unit_test(filter__a_thread_that_breaks_it__ends_the_process),
#ifdef __x86_64__
		cmocka_unit_test(filter__a_call_of_32_bits__ends_the_process),
#endif
		cmocka_unit_test(confine__the_process__keeps_no_privileges),
		cmocka_unit_test(confine__another_user__still_ends_with_its_parent),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
