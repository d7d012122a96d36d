/* SPDX-License-Identifier: MIT */
#include "link.h"

#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LOOK_MS = 50, FAREWELL_MS = 2000 };

static int failed(struct gabi_diag *diag, const char *what)
{
	int saved = errno;

	gabi_fail(diag, GABI_ERR_IO, what, ": ", strerror(saved), (char *)NULL);
	if (diag)
		diag->sys_errno = saved;
	return GABI_ERR_IO;
}

static bool is_set(const atomic_bool *flag)
{
	return flag && atomic_load(flag);
}

static bool is_late(const struct vmm_link *link)
{
	struct timespec now;

	if (!link->end_ms)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 >= link->end_ms;
}

/* Until the socket can be read or written, or has failed, which the next call tells. */
static int wait_ready(const struct vmm_link *link, short events, struct gabi_diag *diag)
{
	for (unsigned waited = 0; waited < link->patience_ms && !is_late(link); waited += LOOK_MS) {
		struct pollfd fd = { link->socket, events, 0 };

		if (is_set(link->cancelled))
			return gabi_fail(diag, GABI_ERR_CONFLICT, "it was cancelled", (char *)NULL);
		if (is_set(link->ended))
			return gabi_fail(diag, GABI_ERR_CONFLICT, "the guest has ended", (char *)NULL);
		if (poll(&fd, 1, LOOK_MS) > 0)
			return 0;
	}
	return gabi_fail(diag, GABI_ERR_IO, "the other side is silent", (char *)NULL);
}

static bool may_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int link_write(void *ctx, const void *bytes, size_t len, struct gabi_diag *diag)
{
	const struct vmm_link *link = ctx;
	const char *at = bytes;
	int err = 0;

	while (!err && len) {
		ssize_t done = send(link->socket, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (done < 0 && !may_wait())
			return failed(diag, "the connection is broken");
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
		if (len)
			err = wait_ready(link, POLLOUT, diag);
	}
	return err;
}

static int link_read(void *ctx, void *to, size_t len, struct gabi_diag *diag)
{
	const struct vmm_link *link = ctx;
	char *at = to;
	int err = 0;

	while (!err && len) {
		ssize_t done = recv(link->socket, at, len, MSG_DONTWAIT);

		if (!done)
			return gabi_fail(diag, GABI_ERR_IO, "the other side has gone", (char *)NULL);
		if (done < 0 && !may_wait())
			return failed(diag, "the connection is broken");
		at += done > 0 ? done : 0;
		len -= done > 0 ? (size_t)done : 0;
		if (done < 0)
			err = wait_ready(link, POLLIN, diag);
	}
	return err;
}

struct vmm_pipe vmm_link_pipe(struct vmm_link *link)
{
	return (struct vmm_pipe){ link_write, link_read, link };
}

bool vmm_link_has_word(const struct vmm_link *link)
{
	struct pollfd fd = { link->socket, POLLIN, 0 };

	return poll(&fd, 1, 0) > 0;
}

void vmm_link_fall_silent(const struct vmm_link *link)
{
	shutdown(link->socket, SHUT_WR);
}

/* Closing with something unread would take the last words from the other side. */
void vmm_link_hang_up(const struct vmm_link *link)
{
	char rest[4096];

	vmm_link_fall_silent(link);
	for (unsigned waited = 0; waited < FAREWELL_MS;) {
		struct pollfd fd = { link->socket, POLLIN, 0 };
		ssize_t len;

		if (poll(&fd, 1, LOOK_MS) <= 0) {
			waited += LOOK_MS;
			continue;
		}
		len = recv(link->socket, rest, sizeof(rest), MSG_DONTWAIT);
		if (!len || (len < 0 && !may_wait()))
			return;
	}
}
