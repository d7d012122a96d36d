/* SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
	VP = 1 << VMM_THREAD_VP, MAIN = 1 << VMM_THREAD_MAIN, SOCKET = 1 << VMM_THREAD_SOCKET, JOBS = 1 << VMM_THREAD_JOBS,
	ALL = VP | MAIN | SOCKET | JOBS, SANITIZER = SANITIZED ? ALL : 0,
	DESCRIPTORS_MORE = 64, /* clients, their files and a job's */
};

/* clone's flags for a thread as pthread_create makes one: what it must have, and what it may have. */
#define THREAD_MUST ((uint64_t)(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD))
#define THREAD_MAY  ((uint64_t)(CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID))

struct vmm_sandbox {
	struct sock_fprog program[VMM_THREADS];
};

static int refused(struct gabi_diag *diag, const char *what)
{
	int saved = errno;

	gabi_fail(diag, GABI_ERR_UNSUPPORTED, "the monitor cannot be confined: ", what, ": ", strerror(saved), (char *)NULL);
	if (diag)
		diag->sys_errno = saved;
	return GABI_ERR_UNSUPPORTED;
}

/* ---- filters ---- */

static const struct row {
	int number;
	uint32_t action;
	unsigned char threads, argument;
	bool conditional;
	uint64_t mask, value;
} rows[] = {
#define VMM_SYSCALL(name, threads) { SCMP_SYS(name), SCMP_ACT_ALLOW, threads, 0, false, 0, 0 },
#define VMM_SYSCALL_IF(name, threads, argument, mask, value) { SCMP_SYS(name), SCMP_ACT_ALLOW, threads, argument, true, mask, value },
#define VMM_SYSCALL_NOT(name, threads) { SCMP_SYS(name), SCMP_ACT_ERRNO(ENOSYS), threads, 0, false, 0, 0 },
#include "sandbox.def"
};

/* Signals to threads of this process alone. */
static int allow_kicks(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (uint64_t)getpid()));
}

static int fill(scmp_filter_ctx filter, enum vmm_thread kind)
{
	int err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); /* calls of 32 bits */

	if (!err)
		err = allow_kicks(filter);

	for (size_t i = 0; !err && i < GABI_COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		const struct scmp_arg_cmp condition = { row->argument, SCMP_CMP_MASKED_EQ, row->mask, row->value };

		if (row->threads >> kind & 1)
			err = seccomp_rule_add_array(filter, row->action, row->number, row->conditional, &condition);
	}
	if (!err) /* KVM_RUN is by far the most frequent */
		err = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), 255);
	return err;
}

/* libseccomp gives a program only by a file. */
static int read_program(int file, struct sock_fprog *ret_program)
{
	struct stat stat;

	if (fstat(file, &stat) || stat.st_size <= 0 || stat.st_size > BPF_MAXINSNS * (off_t)sizeof(struct sock_filter))
		return -EINVAL;
	ret_program->len = (unsigned short)((size_t)stat.st_size / sizeof(struct sock_filter));
	ret_program->filter = malloc((size_t)stat.st_size);
	if (!ret_program->filter)
		return -ENOMEM;
	return pread(file, ret_program->filter, (size_t)stat.st_size, 0) == stat.st_size ? 0 : -EIO;
}

static int compile(enum vmm_thread kind, struct sock_fprog *ret_program)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int file = memfd_create("filter", MFD_CLOEXEC), err = filter && file >= 0 ? 0 : -ENOMEM;

	if (!err)
		err = fill(filter, kind);
	if (!err)
		err = seccomp_export_bpf(filter, file);
	if (!err)
		err = read_program(file, ret_program);
	if (filter)
		seccomp_release(filter);
	if (file >= 0)
		close(file);
	return err;
}

int vmm_sandbox_new(struct vmm_sandbox **ret_sandbox, struct gabi_diag *diag)
{
	struct vmm_sandbox *sandbox = calloc(1, sizeof(*sandbox));
	int err = sandbox ? 0 : -ENOMEM;

	for (unsigned kind = 0; !err && kind < VMM_THREADS; kind++)
		err = compile(kind, &sandbox->program[kind]);
	if (!err) {
		*ret_sandbox = sandbox;
		return 0;
	}
	vmm_sandbox_free(sandbox);
	errno = -err;
	return refused(diag, "its filters cannot be made");
}

void vmm_sandbox_free(struct vmm_sandbox *sandbox)
{
	for (unsigned kind = 0; sandbox && kind < VMM_THREADS; kind++)
		free(sandbox->program[kind].filter);
	free(sandbox);
}

/*
 * Without SPEC_ALLOW kernels before 5.16 would switch speculation off for the thread, and for the guest with it: that protects from
 * code that the process itself runs for somebody else, of which there is none here.
 */
int vmm_sandbox_enter(const struct vmm_sandbox *sandbox, enum vmm_thread kind, struct gabi_diag *diag)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };

	if (!sandbox)
		return 0;
	if (!syscall(SYS_capset, &head, none) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	    !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &sandbox->program[kind]))
		return 0;
	return refused(diag, "the kernel does not take its filters (CONFIG_SECCOMP_FILTER)");
}

/* ---- privileges ---- */

/* An empty file system over a directory that is there, moved to the root: a root that is itself a ramfs cannot be pivoted away. */
static bool empty_root(void)
{
	return !mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=555") && !chdir("/tmp") &&
		!mount(".", "/", NULL, MS_MOVE, NULL) && !chroot(".") && !chdir("/") &&
		!mount("none", "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Who may not have a mount namespace keeps the file system; no filter lets it open anything there. Sanitizers read /proc. */
static int leave_files(struct gabi_diag *diag)
{
	if (SANITIZED || unshare(CLONE_NEWNS))
		return 0;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return refused(diag, "its mounts cannot be made its own");
	return empty_root() ? 0 : refused(diag, "it gets no empty root directory");
}

/*
 * The C library would have all threads make these calls, and those that there are already have their filter, and no privileges. The
 * kernel forgets with the user that this process is to end with its parent.
 */
static int become(const struct vmm_user *user, struct gabi_diag *diag)
{
	int signal = 0;

	prctl(PR_GET_PDEATHSIG, &signal);
	if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, user->gid, user->gid, user->gid) ||
	    syscall(SYS_setresuid, user->uid, user->uid, user->uid) || prctl(PR_SET_PDEATHSIG, signal))
		return refused(diag, "it may not run as another user");
	return 0;
}

static int drop_capabilities(struct gabi_diag *diag)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) && errno != EPERM)
			return refused(diag, "it keeps what it could regain");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) ? refused(diag, "it keeps capabilities") : 0;
}

static rlim_t highest_file(void)
{
	struct rlimit limit = { 0 };
	rlim_t highest = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (rlim_t fd = 0; fd < limit.rlim_cur && fd < 65536; fd++)
		if (fcntl((int)fd, F_GETFD) >= 0)
			highest = fd;
	return highest;
}

/* No limit on processes: KVM has a helper of its own that counts as one. */
static int set_limits(struct gabi_diag *diag)
{
	struct rlimit none = { 0, 0 }, files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur > highest_file() + 1 + DESCRIPTORS_MORE)
		files.rlim_cur = highest_file() + 1 + DESCRIPTORS_MORE;
	files.rlim_max = files.rlim_cur;
	if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_NOFILE, &files))
		return refused(diag, "its limits cannot be set");
	if (!SANITIZED)
		prctl(PR_SET_DUMPABLE, 0); /* the guest's memory is nobody's to look at; for finding leaks it has to be traced */
	return 0;
}

int vmm_sandbox_confine(const struct vmm_user *user, struct gabi_diag *diag)
{
	int err = set_limits(diag);

	if (!err)
		err = leave_files(diag);
	if (!err && user)
		err = become(user, diag);
	if (!err)
		err = drop_capabilities(diag);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = refused(diag, "it keeps the right to new privileges");
	return err;
}
