/* SPDX-License-Identifier: MIT */
/* The socket, spoken to well and badly. What answers is not a monitor but this file. */
#include "vmm/control.h"

#include "base/base.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000 };

struct server {
	int listener;
	struct sockaddr_un address;
	struct vmm_control *control;
	_Atomic unsigned served, worked;
	atomic_bool cancelled, holds_jobs;
	int padding; /* bytes of a result to "counters" */
};

static int serve(void *ctx, const struct vmm_order *request, struct gabi_json *result, struct gabi_diag *diag)
{
	struct server *server = ctx;

	atomic_fetch_add(&server->served, 1);
	if (request->command == VMM_COMMAND_RESUME)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "it is not paused", (char *)NULL);
	if (request->command == VMM_COMMAND_COUNTERS) {
		char *text = calloc(1, (size_t)server->padding + 1);

		memset(text, 'x', (size_t)server->padding);
		gabi_json_text(result, "padding", text);
		free(text);
	}
	vmm_json_count(result, "vp", request->vp);
	return 0;
}

/* Writes the vtl into the file that came. */
static int work(void *ctx, const struct vmm_order *request, struct gabi_json *result, struct gabi_diag *diag)
{
	struct server *server = ctx;
	char text[16];
	int len = snprintf(text, sizeof(text), "vtl %u", request->vtl);

	while (atomic_load(&server->holds_jobs) && !atomic_load(&server->cancelled))
		poll(NULL, 0, 1);
	atomic_fetch_add(&server->worked, 1);
	if (atomic_exchange(&server->cancelled, false))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "it was cancelled", (char *)NULL);
	if (write(request->file, text, (size_t)len) != len)
		return gabi_fail(diag, GABI_ERR_IO, "it cannot be written", (char *)NULL);
	vmm_json_count(result, "bytes", (uint64_t)len);
	return 0;
}

static void cancel(void *ctx)
{
	atomic_store(&((struct server *)ctx)->cancelled, true);
}

static void progress(void *ctx, struct gabi_json *json)
{
	(void)ctx;
	vmm_json_count(json, "done", 42);
}

static int start(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	struct vmm_control_options options = { .name = "tested", .ops = { .serve = serve, .work = work, .cancel = cancel, .progress = progress, .ctx = server } };
	socklen_t len = sizeof(sa_family_t);

	server->address.sun_family = AF_UNIX;
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(server->listener, (struct sockaddr *)&server->address, len) || listen(server->listener, 64)) /* the kernel gives a name */
		return -1;
	options.listener = server->listener;
	*state = server;
	return vmm_control_start(&options, &server->control, NULL);
}

static int stop(void **state)
{
	struct server *server = *state;

	vmm_control_stop(server->control);
	close(server->listener);
	free(server);
	return 0;
}

/* ---- a client ---- */

static int connect_to(const struct server *server)
{
	struct sockaddr_un address;
	socklen_t len = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

/* The next line; NULL where the connection ends before. */
static json_t *hear(int fd)
{
	static char line[1 << 20];
	size_t len = 0;
	json_t *root;

	do {
		struct pollfd wait = { fd, POLLIN, 0 };

		assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
		if (len == sizeof(line) || recv(fd, line + len, 1, 0) != 1)
			return NULL;
	} while (line[len++] != '\n');
	root = json_loadb(line, len, 0, NULL);
	assert_non_null(root);
	return root;
}

static int greeted(const struct server *server)
{
	int fd = connect_to(server);
	json_t *root = hear(fd);

	assert_int_equal(json_integer_value(json_object_get(root, "gabi-control")), VMM_CONTROL_VERSION);
	assert_string_equal(json_string_value(json_object_get(root, "name")), "tested");
	json_decref(root);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void say_with_file(int fd, const char *text, const int *files, size_t count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec bytes = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), files, count * sizeof(int));
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), strlen(text));
}

/* The next line that is not told of a job that goes on. */
static json_t *hear_answer(int fd)
{
	json_t *root = hear(fd);

	while (root && json_object_get(root, "progress")) {
		json_decref(root);
		root = hear(fd);
	}
	return root;
}

/* The answer has that id, and is a result (kind NULL) or an error of that kind. */
static void expect(int fd, int id, const char *kind)
{
	json_t *root = hear_answer(fd);
	const char *found = json_string_value(json_object_get(json_object_get(root, "error"), "kind"));

	assert_non_null(root);
	if (id >= 0)
		assert_int_equal(json_integer_value(json_object_get(root, "id")), id);
	if (kind && (!found || strcmp(found, kind)))
		fail_msg("an error of the kind %s is wanted, and this is %s", kind, found ? found : "a result");
	if (!kind && !json_object_get(root, "result"))
		fail_msg("a result is wanted, and this is an error: %s", found);
	json_decref(root);
}

static void expect_end(int fd)
{
	assert_null(hear(fd));
	close(fd);
}

static int temporary(void)
{
	char path[] = "/tmp/gabi-control-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static unsigned open_files(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- tests ---- */

static void control__requests__are_answered_in_order(void **state)
{
	int fd = greeted(*state);

	say(fd, "{\"do\":\"status\",\"id\":1}\n{\"do\":\"nmi\",\"id\":2,\"vp\":3}\n{\"do\":\"resume\",\"id\":3}\n{\"do\":\"dance\",\"id\":4}\nnonsense\n{\"do\":\"pause\"}\n");
	expect(fd, 1, NULL);
	expect(fd, 2, NULL);
	expect(fd, 3, "state");
	expect(fd, 4, "unknown");
	expect(fd, -1, "request");
	expect(fd, -1, NULL);
	close(fd);
}

static void control__a_line_in_pieces__is_one(void **state)
{
	const char *line = "{\"do\":\"status\",\"id\":9}\n";
	int fd = greeted(*state);

	for (size_t i = 0; line[i]; i++)
		assert_int_equal(send(fd, line + i, 1, MSG_NOSIGNAL), 1);
	expect(fd, 9, NULL);
	close(fd);
}

static void control__a_line_without_end__is_refused_and_the_client_dropped(void **state)
{
	char line[VMM_LINE_MAX + 1];
	int fd = greeted(*state);

	memset(line, ' ', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	say(fd, line);
	expect(fd, -1, "request");
	expect_end(fd);
}

static void control__the_longest_line__is_taken(void **state)
{
	char line[VMM_LINE_MAX + 1];
	int fd = greeted(*state);

	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"do\":\"status\",\"id\":9}", 22);
	line[VMM_LINE_MAX - 1] = '\n';
	line[VMM_LINE_MAX] = '\0';
	say(fd, line);
	expect(fd, 9, NULL);
	close(fd);
}

static void control__a_client_that_does_not_read__is_not_served_and_keeps_nobody_waiting(void **state)
{
	struct server *server = *state;
	int slow = greeted(server), other = greeted(server);
	char many[64 * 22 + 1];
	size_t sent = 0;

	server->padding = 10000;
	for (unsigned i = 0; i < 64; i++)
		memcpy(many + 22 * i, "{\"do\": \"counters\"}   \n", 22);
	while (sent < 64 * 22) {
		ssize_t len = send(slow, many + sent, 64 * 22 - sent, MSG_NOSIGNAL);

		assert_true(len > 0);
		sent += (size_t)len;
	}
	for (unsigned i = 0; i < 100; i++) {
		say(other, "{\"do\":\"status\",\"id\":1}\n");
		expect(other, 1, NULL);
	}
	assert_true(atomic_load(&server->served) < 100 + 64);
	for (unsigned i = 0; i < 64; i++)
		expect(slow, -1, NULL);
	close(slow);
	close(other);
}

static void control__an_answer_that_fits_nowhere__ends_the_connection(void **state)
{
	struct server *server = *state;
	int fd = greeted(server);

	server->padding = 1 << 19;
	say(fd, "{\"do\":\"counters\"}\n");
	expect_end(fd);
}

static void control__too_many_clients__the_silent_ones_go(void **state)
{
	enum { MANY = 3 * VMM_CONTROL_CLIENTS };
	int fds[MANY], lively = greeted(*state);

	for (unsigned i = 0; i < MANY; i++) {
		fds[i] = greeted(*state);
		say(lively, "{\"do\":\"status\",\"id\":1}\n");
		expect(lively, 1, NULL);
	}
	for (unsigned i = 0; i < MANY - VMM_CONTROL_CLIENTS + 1; i++)
		expect_end(fds[i]);
	for (unsigned i = MANY - VMM_CONTROL_CLIENTS + 1; i < MANY; i++) {
		say(fds[i], "{\"do\":\"status\",\"id\":1}\n");
		expect(fds[i], 1, NULL);
		close(fds[i]);
	}
	close(lively);
}

static void control__a_job__gets_the_file(void **state)
{
	int fd = greeted(*state), file = temporary();
	char text[16] = "";

	say_with_file(fd, "{\"do\":\"dump\",\"id\":1,\"vtl\":2}\n", &file, 1);
	expect(fd, 1, NULL);
	assert_int_equal(pread(file, text, sizeof(text) - 1, 0), 5);
	assert_string_equal(text, "vtl 2");
	close(file);
	close(fd);
}

static void control__a_job_without_a_file__is_refused(void **state)
{
	int fd = greeted(*state);

	say(fd, "{\"do\":\"dump\",\"id\":1}\n");
	expect(fd, 1, "request");
	close(fd);
}

static void control__files_that_nobody_wants__are_closed(void **state)
{
	int fd = greeted(*state), files[8];
	unsigned before;

	for (unsigned i = 0; i < 8; i++)
		files[i] = temporary();
	before = open_files();
	for (unsigned i = 1; i <= 8; i++) {
		say_with_file(fd, "{\"do\":\"status\",\"id\":1}\n", files, i);
		expect(fd, 1, NULL);
		say_with_file(fd, "{\"do\":", files, i);
		say_with_file(fd, "\"dance\"}\n", files, i);
		expect(fd, -1, "unknown");
	}
	assert_int_equal(open_files(), before);
	say_with_file(fd, "{", files, 8);
	close(fd);
	for (unsigned i = 0; i < 8; i++)
		close(files[i]);
}

static void control__a_second_job__is_refused_while_others_are_served(void **state)
{
	struct server *server = *state;
	int first = greeted(server), second = greeted(server), file = temporary();

	atomic_store(&server->holds_jobs, true);
	say_with_file(first, "{\"do\":\"dump\",\"id\":1}\n", &file, 1);
	say(first, "{\"do\":\"status\",\"id\":2}\n");
	expect(first, 2, NULL);
	assert_int_equal(vmm_control_job(server->control), VMM_COMMAND_DUMP);
	say_with_file(second, "{\"do\":\"dump\",\"id\":3}\n", &file, 1);
	expect(second, 3, "state");
	atomic_store(&server->holds_jobs, false);
	expect(first, 1, NULL);
	say(second, "{\"do\":\"cancel\",\"id\":4}\n");
	expect(second, 4, "state");
	assert_int_equal(vmm_control_job(server->control), VMM_COMMANDS);
	close(file);
	close(first);
	close(second);
}

static void control__cancel__ends_the_job_of_another_client(void **state)
{
	struct server *server = *state;
	int first = greeted(server), second = greeted(server), file = temporary();
	json_t *told;

	atomic_store(&server->holds_jobs, true);
	say_with_file(first, "{\"do\":\"dump\",\"id\":1}\n", &file, 1);
	told = hear(first); /* it takes long enough that something is told of it */
	assert_int_equal(json_integer_value(json_object_get(json_object_get(told, "progress"), "done")), 42);
	json_decref(told);
	say(second, "{\"do\":\"cancel\",\"id\":2}\n");
	expect(second, 2, NULL);
	expect(first, 1, "state");
	close(file);
	close(first);
	close(second);
}

static void control__who_leaves__has_the_job_cancelled(void **state)
{
	struct server *server = *state;
	int first = greeted(server), second = greeted(server), file = temporary();

	atomic_store(&server->holds_jobs, true);
	say_with_file(first, "{\"do\":\"dump\",\"id\":1}\n", &file, 1);
	say(first, "{\"do\":\"status\",\"id\":2}\n");
	expect(first, 2, NULL);
	close(first);
	while (vmm_control_job(server->control) != VMM_COMMANDS)
		poll(NULL, 0, 1);
	assert_int_equal(atomic_load(&server->worked), 1);
	say(second, "{\"do\":\"status\",\"id\":3}\n");
	expect(second, 3, NULL);
	close(file);
	close(second);
}

static void control__the_end__cancels_the_job_and_tells_its_client(void **state)
{
	struct server *server = *state;
	int fd = greeted(server), file = temporary();

	atomic_store(&server->holds_jobs, true);
	say_with_file(fd, "{\"do\":\"dump\",\"id\":1}\n", &file, 1);
	say(fd, "{\"do\":\"status\",\"id\":2}\n");
	expect(fd, 2, NULL);
	vmm_control_stop(server->control);
	server->control = NULL;
	expect(fd, 1, "state");
	expect_end(fd);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(control__requests__are_answered_in_order, start, stop),
		cmocka_unit_test_setup_teardown(control__a_line_in_pieces__is_one, start, stop),
		cmocka_unit_test_setup_teardown(control__a_line_without_end__is_refused_and_the_client_dropped, start, stop),
		cmocka_unit_test_setup_teardown(control__the_longest_line__is_taken, start, stop),
		cmocka_unit_test_setup_teardown(control__a_client_that_does_not_read__is_not_served_and_keeps_nobody_waiting, start, stop),
		cmocka_unit_test_setup_teardown(control__an_answer_that_fits_nowhere__ends_the_connection, start, stop),
		cmocka_unit_test_setup_teardown(control__too_many_clients__the_silent_ones_go, start, stop),
		cmocka_unit_test_setup_teardown(control__a_job__gets_the_file, start, stop),
		cmocka_unit_test_setup_teardown(control__a_job_without_a_file__is_refused, start, stop),
		cmocka_unit_test_setup_teardown(control__files_that_nobody_wants__are_closed, start, stop),
		cmocka_unit_test_setup_teardown(control__a_second_job__is_refused_while_others_are_served, start, stop),
		cmocka_unit_test_setup_teardown(control__cancel__ends_the_job_of_another_client, start, stop),
		cmocka_unit_test_setup_teardown(control__who_leaves__has_the_job_cancelled, start, stop),
		cmocka_unit_test_setup_teardown(control__the_end__cancels_the_job_and_tells_its_client, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
