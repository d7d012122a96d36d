/* SPDX-License-Identifier: MIT */
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const int handed_on[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
enum { HANDED_ON = sizeof(handed_on) / sizeof(*handed_on) };

static void wanted_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < HANDED_ON; i++)
		sigaddset(set, handed_on[i]);
}

static void do_work(enum status (*work)(void *ctx), void *ctx, const sigset_t *mask, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_REFUSED); /* it was killed before that */
	sigprocmask(SIG_SETMASK, mask, NULL);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of that write, and not the guest's end */
	exit((int)work(ctx));
}

/* Returns how it ended, as waitpid says it, and in *ret_signal the signal that ended it if it came through here. */
static int wait_for(pid_t child, const sigset_t *set, int *ret_signal)
{
	int status, signal;
	pid_t ended;

	*ret_signal = 0;
	while ((ended = waitpid(-1, &status, WNOHANG)) >= 0 && ended != child) { /* another is TLS, whose connection is closed */
		signal = ended ? 0 : sigwaitinfo(set, NULL);
		if (signal > 0 && signal != SIGCHLD && !kill(child, signal))
			*ret_signal = signal;
	}
	return status;
}

static enum status tell(int status)
{
	int signal;

	if (WIFEXITED(status))
		return (enum status)WEXITSTATUS(status);
	signal = WTERMSIG(status);
	if (signal == SIGSYS)
		complain("the guest's monitor was ended by the kernel: it made a system call that it may not make");
	else
		complain("the guest's monitor was ended by the signal %s (%d)", strsignal(signal), signal);
	return STATUS_REFUSED;
}

enum status supervise(enum status (*work)(void *ctx), void *ctx)
{
	struct termios cooked;
	int is_terminal = !tcgetattr(STDIN_FILENO, &cooked), status, through;
	pid_t parent = getpid(), child;
	sigset_t set, old;
	enum status told;

	signal(SIGCHLD, SIG_DFL); /* whoever started this may not want to know of its own */
	fflush(NULL);
	wanted_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = fork();
	if (child < 0) {
		complain("there is no room for a process more: %s", strerror(errno));
		told = STATUS_REFUSED;
	} else if (!child) {
		do_work(work, ctx, &old, parent);
	} else {
		status = wait_for(child, &set, &through);
		if (is_terminal && !WIFEXITED(status))
			tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
		/* What the user or the system asked for needs no words. */
		told = WIFSIGNALED(status) && WTERMSIG(status) == through ? (enum status)(128 + through) : tell(status);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return told;
}
