/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ROOM = 256 * 1024, /* of answers that a client has not read; the longest is that of counters */
	NONE = VMM_CONTROL_CLIENTS,
	PROGRESS_MS = 1000,
};

struct client {
	int socket; /* -1: the place is free */
	int file;   /* came, and no request has taken it yet; -1: none */
	uint64_t turn; /* when it was last heard of */
	size_t in_len;
	size_t out_at; /* what of out was sent */
	bool leaves; /* after what it is still to be told */
	struct vmm_line out;
	char in[VMM_LINE_MAX];
};

struct vmm_control {
	struct vmm_control_options options;
	pthread_t listens, works;
	int wake; /* an eventfd: the socket's thread has something to look at */
	atomic_bool ending;
	uint64_t turn;
	struct client client[VMM_CONTROL_CLIENTS];
	unsigned asker;   /* who wanted the job; NONE if it is gone */
	uint64_t told_ms; /* when that one was last told of it */

	_Atomic unsigned job_command; /* VMM_COMMANDS: none */

	/* Handed between the two threads. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum { IDLE, WANTED, DONE } job;
	struct vmm_order request;
	struct vmm_line result; /* of a job that is DONE */
};

static void wake(const struct vmm_control *control)
{
	uint64_t one = 1;

	if (write(control->wake, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

enum vmm_command vmm_control_job(const struct vmm_control *control)
{
	return atomic_load(&control->job_command);
}

/* ---- clients ---- */

static void close_file(struct client *client)
{
	if (client->file >= 0)
		close(client->file);
	client->file = -1;
}

/* Nobody waits any more for what it wanted. */
static void drop(struct vmm_control *control, struct client *client)
{
	close(client->socket);
	close_file(client);
	free(client->out.at);
	client->socket = -1;
	client->out = (struct vmm_line){ 0 };
	client->in_len = client->out_at = 0;
	client->leaves = false;
	if (control->asker != (unsigned)(client - control->client))
		return;
	control->asker = NONE;
	control->options.ops.cancel(control->options.ops.ctx);
}

/* What it does not take now is sent when it does. */
static void flush(struct vmm_control *control, struct client *client)
{
	while (client->out_at < client->out.len) {
		ssize_t sent = send(client->socket, client->out.at + client->out_at, client->out.len - client->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			drop(control, client);
			return;
		}
		client->out_at += (size_t)sent;
	}
	client->out.len = client->out_at = 0;
	if (client->leaves)
		drop(control, client);
}

/* A free place, or that of the client that was silent for longest: forgotten connections keep nobody out. */
static struct client *make_place(struct vmm_control *control)
{
	struct client *oldest = NULL;

	for (unsigned i = 0; i < VMM_CONTROL_CLIENTS; i++) {
		struct client *client = &control->client[i];

		if (client->socket < 0)
			return client;
		if (i != control->asker && (!oldest || client->turn < oldest->turn))
			oldest = client;
	}
	drop(control, oldest);
	return oldest;
}

static void take_client(struct vmm_control *control)
{
	int socket = accept4(control->options.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;
	char *room;

	if (socket < 0)
		return;
	room = malloc(ROOM);
	if (!room) {
		close(socket);
		return;
	}
	client = make_place(control);
	client->socket = socket;
	client->turn = ++control->turn;
	client->out = (struct vmm_line){ .at = room, .cap = ROOM };
	vmm_greet(&client->out, control->options.name);
	flush(control, client);
}

/* ---- jobs ---- */

static void close_request(struct vmm_control *control)
{
	if (control->request.file >= 0)
		close(control->request.file);
	control->request.file = -1;
}

static void *work(void *ctx)
{
	struct vmm_control *control = ctx;
	const struct vmm_control_ops *ops = &control->options.ops;

	if (ops->begin)
		ops->begin(ops->ctx, true);
	pthread_mutex_lock(&control->lock);
	while (!atomic_load(&control->ending)) {
		struct gabi_diag diag = { 0 };
		struct vmm_answer answer;
		int err;

		if (control->job != WANTED) {
			pthread_cond_wait(&control->changed, &control->lock);
			continue;
		}
		pthread_mutex_unlock(&control->lock);
		vmm_answer_open(&answer, &control->result, &control->request, "result");
		err = ops->work(ops->ctx, &control->request, &answer.json, &diag);
		if (err)
			vmm_answer_drop(&answer);
		else
			vmm_answer_close(&answer);
		if (err)
			vmm_answer_diag(&control->result, &control->request, &diag);
		close_request(control);
		pthread_mutex_lock(&control->lock);
		control->job = DONE;
		wake(control);
	}
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

static int begin_job(struct vmm_control *control, struct client *client, struct vmm_order *request, struct gabi_diag *diag)
{
	if (atomic_load(&control->job_command) != VMM_COMMANDS)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "a job is under way already: ", vmm_command_name(control->request.command), (char *)NULL);
	if (!vmm_command_takes_file(request->command))
		close_file(client);
	if (vmm_command_needs_file(request->command) && client->file < 0)
		return gabi_fail(diag, GABI_ERR_SCHEMA, "no open file came with this command", (char *)NULL);
	request->file = client->file;
	client->file = -1;
	if (control->options.ops.ready)
		control->options.ops.ready(control->options.ops.ctx);
	pthread_mutex_lock(&control->lock);
	control->request = *request;
	control->asker = (unsigned)(client - control->client);
	control->told_ms = now_ms();
	control->job = WANTED;
	atomic_store(&control->job_command, request->command);
	pthread_cond_signal(&control->changed);
	pthread_mutex_unlock(&control->lock);
	return 0;
}

/* Tells who wanted it, if that one is still there. */
static void end_job(struct vmm_control *control)
{
	struct client *client = control->asker == NONE ? NULL : &control->client[control->asker];
	struct vmm_line *result = &control->result;

	pthread_mutex_lock(&control->lock);
	if (control->job != DONE) {
		pthread_mutex_unlock(&control->lock);
		return;
	}
	control->job = IDLE;
	pthread_mutex_unlock(&control->lock);
	atomic_store(&control->job_command, VMM_COMMANDS);
	control->asker = NONE;
	if (client && result->len <= client->out.cap - client->out.len) {
		memcpy(client->out.at + client->out.len, result->at, result->len);
		client->out.len += result->len;
		flush(control, client);
	} else if (client) {
		drop(control, client);
	}
	*result = (struct vmm_line){ .at = result->at, .cap = result->cap };
}

/* One that has not read the last is not told more. */
static void tell_progress(struct vmm_control *control)
{
	const struct vmm_control_ops *ops = &control->options.ops;
	struct client *client = &control->client[control->asker];
	struct vmm_answer answer;

	control->told_ms = now_ms();
	if (client->out.len || !ops->progress)
		return;
	vmm_answer_open(&answer, &client->out, &control->request, "progress");
	ops->progress(ops->ctx, &answer.json);
	vmm_answer_close(&answer);
	flush(control, client);
}

/* ---- requests ---- */

static int serve(struct vmm_control *control, struct client *client, const struct vmm_order *request, struct gabi_diag *diag)
{
	const struct vmm_control_ops *ops = &control->options.ops;
	struct vmm_answer answer;
	int err;

	if (request->command == VMM_COMMAND_CANCEL) {
		if (atomic_load(&control->job_command) == VMM_COMMANDS)
			return gabi_fail(diag, GABI_ERR_CONFLICT, "no job is under way", (char *)NULL);
		ops->cancel(ops->ctx);
	}
	vmm_answer_open(&answer, &client->out, request, "result");
	err = request->command == VMM_COMMAND_CANCEL ? 0 : ops->serve(ops->ctx, request, &answer.json, diag);
	if (err)
		vmm_answer_drop(&answer);
	else
		vmm_answer_close(&answer);
	return err;
}

static void take_line(struct vmm_control *control, struct client *client, const char *line, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct vmm_order request;
	int err = vmm_order_read(line, len, &request, &diag);

	if (!err)
		err = vmm_command_is_job(request.command) ? begin_job(control, client, &request, &diag) : serve(control, client, &request, &diag);
	close_file(client);
	if (err)
		vmm_answer_diag(&client->out, &request, &diag);
	if (client->out.full)
		client->leaves = true; /* it cannot be told that there is something that it is not told */
}

/* All whole lines that are there, for as long as the client reads their answers. */
static void take_lines(struct vmm_control *control, struct client *client)
{
	const struct vmm_order nobody = { .file = -1 };

	while (client->socket >= 0 && !client->leaves && !client->out.len) {
		const char *end = memchr(client->in, '\n', client->in_len);
		size_t len = end ? (size_t)(end - client->in) : 0;

		if (!end && client->in_len < sizeof(client->in))
			return;
		if (end) {
			take_line(control, client, client->in, len);
			client->in_len -= len + 1;
			memmove(client->in, end + 1, client->in_len);
		} else {
			vmm_answer_error(&client->out, &nobody, "request", "the line is too long");
			client->leaves = true;
		}
		flush(control, client);
	}
}

/* The bytes that are there, and the file that came with them: the last one counts. */
static ssize_t receive(struct client *client)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec bytes = { client->in + client->in_len, sizeof(client->in) - client->in_len };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control };
	const struct cmsghdr *head;
	ssize_t len;

	message.msg_controllen = CMSG_LEN(sizeof(int)); /* without padding, which would be room for a second file */
	len = recvmsg(client->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	head = len < 0 ? NULL : CMSG_FIRSTHDR(&message);

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
		return len;
	close_file(client);
	memcpy(&client->file, CMSG_DATA(head), sizeof(int));
	return len;
}

static void hear(struct vmm_control *control, struct client *client)
{
	ssize_t len = receive(client);

	if (len < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (len <= 0) {
		drop(control, client);
		return;
	}
	client->turn = ++control->turn;
	client->in_len += (size_t)len;
	take_lines(control, client);
}

/* ---- the thread ---- */

static short waits_for(const struct client *client)
{
	return client->out.len ? POLLOUT : POLLIN;
}

static void look(struct vmm_control *control, struct client *client, short what)
{
	if (what & POLLOUT) {
		flush(control, client);
		take_lines(control, client);
	} else if (what & POLLIN) {
		hear(control, client);
	} else if (what) {
		drop(control, client);
	}
}

static void *listen_on(void *ctx)
{
	struct vmm_control *control = ctx;
	const struct vmm_control_ops *ops = &control->options.ops;
	uint64_t count;

	if (ops->begin)
		ops->begin(ops->ctx, false);
	while (!atomic_load(&control->ending)) {
		struct pollfd fds[VMM_CONTROL_CLIENTS + 2];

		for (unsigned i = 0; i < VMM_CONTROL_CLIENTS; i++)
			fds[i] = (struct pollfd){ control->client[i].socket, waits_for(&control->client[i]), 0 };
		fds[VMM_CONTROL_CLIENTS] = (struct pollfd){ control->wake, POLLIN, 0 };
		fds[VMM_CONTROL_CLIENTS + 1] = (struct pollfd){ control->options.listener, POLLIN, 0 };
		if (poll(fds, VMM_CONTROL_CLIENTS + 2, control->asker == NONE ? -1 : PROGRESS_MS) < 0)
			continue;
		if (fds[VMM_CONTROL_CLIENTS].revents && read(control->wake, &count, sizeof(count)) > 0)
			end_job(control);
		for (unsigned i = 0; i < VMM_CONTROL_CLIENTS; i++)
			if (fds[i].revents && control->client[i].socket == fds[i].fd)
				look(control, &control->client[i], fds[i].revents);
		if (fds[VMM_CONTROL_CLIENTS + 1].revents)
			take_client(control);
		if (control->asker != NONE && now_ms() - control->told_ms >= PROGRESS_MS)
			tell_progress(control);
	}
	return NULL;
}

/* ---- from beginning to end ---- */

static void discard(struct vmm_control *control)
{
	if (control->wake >= 0)
		close(control->wake);
	close_request(control); /* of a job that never began */
	free(control->result.at);
	pthread_mutex_destroy(&control->lock);
	pthread_cond_destroy(&control->changed);
	free(control);
}

static void end_jobs(struct vmm_control *control)
{
	atomic_store(&control->ending, true);
	control->options.ops.cancel(control->options.ops.ctx);
	pthread_mutex_lock(&control->lock);
	pthread_cond_signal(&control->changed);
	pthread_mutex_unlock(&control->lock);
	pthread_join(control->works, NULL);
}

static int no_thread(struct gabi_diag *diag, int why)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "there is no room for a thread more: ", strerror(why), (char *)NULL);
}

static int start_both(struct vmm_control *control, struct gabi_diag *diag)
{
	int failed = pthread_create(&control->works, NULL, work, control);

	if (failed)
		return no_thread(diag, failed);
	failed = pthread_create(&control->listens, NULL, listen_on, control);
	if (!failed)
		return 0;
	end_jobs(control);
	return no_thread(diag, failed);
}

int vmm_control_start(const struct vmm_control_options *options, struct vmm_control **ret_control, struct gabi_diag *diag)
{
	struct vmm_control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	control->options = *options;
	control->result = (struct vmm_line){ .at = malloc(ROOM), .cap = ROOM };
	control->asker = NONE;
	control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	control->request.file = -1;
	atomic_store(&control->job_command, VMM_COMMANDS);
	for (unsigned i = 0; i < VMM_CONTROL_CLIENTS; i++)
		control->client[i].socket = control->client[i].file = -1;
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->changed, NULL);
	*ret_control = control;
	err = control->result.at && control->wake >= 0 ? start_both(control, diag) : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (err) {
		*ret_control = NULL;
		discard(control);
	}
	return err;
}

/* The job's end is told as that of any other. */
void vmm_control_stop(struct vmm_control *control)
{
	if (!control)
		return;
	end_jobs(control);
	wake(control);
	pthread_join(control->listens, NULL);
	if (control->job == WANTED) { /* it never began */
		vmm_answer_error(&control->result, &control->request, "state", "the guest has ended");
		control->job = DONE;
	}
	end_job(control);
	for (unsigned i = 0; i < VMM_CONTROL_CLIENTS; i++)
		if (control->client[i].socket >= 0)
			drop(control, &control->client[i]);
	discard(control);
}
