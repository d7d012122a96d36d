/* SPDX-License-Identifier: MIT */
/*
 * The connections that guests go over: of a host that is gone without a word they come to an end, with TLS as well, for then it is the socket that TLS is given.
 * One process is both sides: it connects when it is told where it waits. tls_over is this file's.
 */
#include "link.h"
#include "tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct args args;
static char complaint[300];
static int caller, given; /* the socket that connects; and how many TLS was given */

static int option_of(int socket, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(socket, level, name, &value, &len), 0);
	return value;
}

/* The kernel asks the other side within a minute and a half as often as it takes to know. */
static void assert_ends(int socket)
{
	int idle = option_of(socket, IPPROTO_TCP, TCP_KEEPIDLE), interval = option_of(socket, IPPROTO_TCP, TCP_KEEPINTVL);
	int times = option_of(socket, IPPROTO_TCP, TCP_KEEPCNT);

	assert_int_equal(option_of(socket, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_in_range(idle + interval * times, 1, 90);
}

enum status tls_over(const char *directory, int socket, const char *host, int *ret_socket)
{
	(void)host;
	assert_string_equal(directory, "keys");
	assert_ends(socket);
	given++;
	*ret_socket = socket;
	return STATUS_YES;
}

enum status tls_check(const char *directory)
{
	(void)directory;
	return STATUS_YES;
}

void complain(const char *format, ...)
{
	static const char where[] = "waiting for a guest at ";
	va_list values;

	va_start(values, format);
	vsnprintf(complaint, sizeof(complaint), format, values);
	va_end(values);
	if (!strncmp(complaint, where, sizeof(where) - 1))
		assert_int_equal(link_connect(&args, complaint + sizeof(where) - 1, &caller), STATUS_YES);
}

static void connect_both(int *called)
{
	caller = -1;
	given = 0;
	*called = -1;
	if (link_accept(&args, "tcp:127.0.0.1:0", called))
		fail_msg("%s", complaint);
	assert_true(caller >= 0 && *called >= 0);
}

static void tcp__of_a_host_that_is_gone__ends(void **state)
{
	int called;

	(void)state;
	args.option[OPTION_TLS] = NULL;
	connect_both(&called);
	assert_ends(caller);
	assert_ends(called);
	assert_int_equal(given, 0);
	close(caller);
	close(called);
}

static void tls__of_a_host_that_is_gone__ends(void **state)
{
	int called;

	(void)state;
	args.option[OPTION_TLS] = "keys";
	connect_both(&called);
	assert_int_equal(given, 2);
	close(caller);
	close(called);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp__of_a_host_that_is_gone__ends),
		cmocka_unit_test(tls__of_a_host_that_is_gone__ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
