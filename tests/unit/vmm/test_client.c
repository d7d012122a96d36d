/* SPDX-License-Identifier: MIT */
/*
 * What gabi's commands wait for of a monitor, and how long. The monitor is this file, and so is the time: poll and clock_gettime are made up, and a wait
 * is over when what comes next has come, or at its end.
 */
#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>

#include <cmocka.h>

enum { FOR_EVER_MS = 3600 * 1000 };

/* What the monitor says, so long after what it said before. */
struct word {
	unsigned after_ms;
	const char *text; /* NULL: it closes the connection */
};

static const struct word *next;
static uint64_t now_ms, said_ms;
static int monitor;
static char complaint[1000];

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms); /* ld's --wrap */
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

void complain(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vsnprintf(complaint, sizeof(complaint), format, values);
	va_end(values);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){ .tv_sec = (time_t)(now_ms / 1000), .tv_nsec = (long)(now_ms % 1000) * 1000000 };
	return 0;
}

static void say(void)
{
	if (next->text)
		assert_int_equal(send(monitor, next->text, strlen(next->text), MSG_NOSIGNAL), strlen(next->text));
	else
		assert_int_equal(shutdown(monitor, SHUT_WR), 0);
	next++;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t due = said_ms + next->after_ms;

	assert_int_equal(count, 1);
	if (timeout_ms < 0 && next->after_ms >= FOR_EVER_MS)
		fail_msg("%s", "it would wait for ever");
	if (timeout_ms >= 0 && due > now_ms + (unsigned)timeout_ms) {
		now_ms += (unsigned)timeout_ms;
		return 0;
	}
	now_ms = said_ms = due;
	say();
	fds[0].revents = POLLIN;
	return 1;
}

static unsigned told;

static void tell(void *ctx, struct gabi_value value)
{
	(void)ctx;
	(void)value;
	told++;
}

#define PROGRESS "{\"progress\":{\"phase\":\"memory\"}}\n"
#define RESULT "{\"result\":{}}\n"

static const struct row {
	const char *name;
	struct word words[4];
	enum status status;
	unsigned told;
	const char *says;
	uint64_t waited_ms;
} rows[] = {
	{ "it answers", { { 10, RESULT } }, STATUS_YES, 0, "", 10 },
	{ "it is slow, and tells", { { 59000, PROGRESS }, { 59000, PROGRESS }, { 59000, RESULT } }, STATUS_YES, 2, "", 177000 },
	{ "it stands still", { { FOR_EVER_MS, "" } }, STATUS_REFUSED, 0, "web: its monitor has said nothing for 60 seconds, as if it were stopped", 60000 },
	{ "it stands still on the way", { { 1000, PROGRESS }, { FOR_EVER_MS, "" } }, STATUS_REFUSED, 1, "'gabi ps' tells when it answers again", 61000 },
	{ "it stands still in a line", { { 30000, "{\"progress\":" }, { FOR_EVER_MS, "" } }, STATUS_REFUSED, 0, "said nothing for 60 seconds", 60000 },
	{ "it refuses", { { 10, "{\"error\":{\"kind\":\"state\",\"text\":\"no\"}}\n" } }, STATUS_REFUSED, 0, "web: no", 10 },
	{ "it ends", { { 10, NULL } }, STATUS_REFUSED, 0, "web: the guest ended before it answered", 10 },
};

static void order__a_monitor_answers_so__is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client client = { .name = "web" };
		int ends[2];

		print_message("%s\n", rows[i].name);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		client.socket = ends[0];
		monitor = ends[1];
		next = rows[i].words;
		now_ms = said_ms = told = 0;
		complaint[0] = '\0';
		assert_int_equal(client_order(&client, "{\"do\":\"migrate\"}", -1, tell, NULL), rows[i].status);
		assert_int_equal(told, rows[i].told);
		assert_int_equal(now_ms, rows[i].waited_ms);
		assert_true(*rows[i].says ? strstr(complaint, rows[i].says) != NULL : !*complaint);
		client_close(&client);
		close(monitor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order__a_monitor_answers_so__is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
