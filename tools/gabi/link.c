/* SPDX-License-Identifier: MIT */
#include "link.h"

#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* An address as it was written, in its parts; host and port are in `text`. */
struct address {
	const char *whole, *path; /* path NULL: TCP */
	char text[300];
	const char *host, *port;
};

static enum status bad(const char *whole)
{
	complain("'%s' is no address: unix:PATH or tcp:HOST:PORT", whole);
	return STATUS_USAGE;
}

/* A number, or a service's name. Of a number the C library takes what its low bits say. */
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return text[digits] || (digits && digits < 6 && atoi(text) <= UINT16_MAX);
}

static enum status parse(const char *whole, struct address *ret)
{
	char *colon;
	size_t len;

	*ret = (struct address){ .whole = whole };
	if (!strncmp(whole, "unix:", 5) && whole[5]) {
		ret->path = whole + 5;
		return strlen(ret->path) < sizeof(((struct sockaddr_un *)0)->sun_path) ? STATUS_YES : bad(whole);
	}
	if (strncmp(whole, "tcp:", 4) || strlen(whole) >= sizeof(ret->text))
		return bad(whole);
	memcpy(ret->text, whole + 4, strlen(whole + 4) + 1);
	colon = strrchr(ret->text, ':');
	if (!colon || !is_port(colon + 1))
		return bad(whole);
	*colon = '\0';
	ret->port = colon + 1;
	ret->host = ret->text;
	len = strlen(ret->host);
	if (len > 2 && ret->text[0] == '[' && ret->text[len - 1] == ']') { /* of IPv6 */
		ret->text[len - 1] = '\0';
		ret->host++;
	}
	return STATUS_YES;
}

static enum status failed(const struct address *address, const char *what)
{
	complain("%s: %s: %s", address->whole, what, strerror(errno));
	return STATUS_REFUSED;
}

/* ---- this machine alone ---- */

static bool is_here(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static enum status resolve(const struct args *args, const struct address *address, bool listens, struct addrinfo **ret_list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = listens ? AI_PASSIVE : 0 };
	int err = getaddrinfo(*address->host ? address->host : NULL, address->port, &hints, ret_list);

	if (err) {
		complain("%s: %s", address->whole, gai_strerror(err));
		return STATUS_REFUSED;
	}
	for (const struct addrinfo *at = *ret_list; at && !args->option[OPTION_TLS]; at = at->ai_next) {
		if (is_here(at->ai_addr))
			continue;
		complain("%s: a guest's memory does not go over a network in the open: --tls names what protects it", address->whole);
		freeaddrinfo(*ret_list);
		return STATUS_USAGE;
	}
	return STATUS_YES;
}

/* ---- sockets ---- */

/*
 * Memory goes out in large pieces, and the last word at once. Whoever keeps the connection waits for the other side to close it: of a
 * host that is gone nothing comes, and the connection would stay as long as the guest.
 */
static void tune(int file)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 15 /* s */ },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 /* s */ },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(file, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

static enum status connect_tcp(const struct args *args, const struct address *address, int *ret_socket)
{
	struct addrinfo *list = NULL;
	enum status status = resolve(args, address, false, &list);
	int file = -1;

	if (status)
		return status;
	for (const struct addrinfo *at = list; at && file < 0; at = at->ai_next) {
		file = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (file < 0 || !connect(file, at->ai_addr, at->ai_addrlen))
			continue;
		status = failed(address, "nobody can be reached there");
		close(file);
		file = -1;
	}
	freeaddrinfo(list);
	if (file < 0)
		return status ? status : failed(address, "cannot be reached");
	tune(file);
	*ret_socket = file;
	return STATUS_YES;
}

static struct sockaddr_un name_of(const struct address *address)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	memcpy(name.sun_path, address->path, strlen(address->path) + 1); /* parse has seen that it fits */
	return name;
}

static enum status connect_unix(const struct address *address, int *ret_socket)
{
	const struct sockaddr_un name = name_of(address);
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (file < 0 || connect(file, (const struct sockaddr *)&name, sizeof(name))) {
		failed(address, "nobody can be reached there");
		if (file >= 0)
			close(file);
		return STATUS_REFUSED;
	}
	*ret_socket = file;
	return STATUS_YES;
}

static enum status protect(const struct args *args, const char *host, int *socket)
{
	return args->option[OPTION_TLS] ? tls_over(args->option[OPTION_TLS], *socket, host, socket) : STATUS_YES;
}

enum status link_connect(const struct args *args, const char *text, int *ret_socket)
{
	struct address address;
	enum status status = parse(text, &address);
	int file = -1;

	if (!status)
		status = address.path ? connect_unix(&address, &file) : connect_tcp(args, &address, &file);
	if (!status)
		status = protect(args, address.path ? "localhost" : address.host, &file);
	if (!status)
		*ret_socket = file;
	return status;
}

/* ---- waiting ---- */

/* Of one that was killed its socket is left, where nobody answers. */
static bool is_left_over(const struct sockaddr_un *name)
{
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat stat;
	bool left = file >= 0 && !lstat(name->sun_path, &stat) && S_ISSOCK(stat.st_mode) &&
		    connect(file, (const struct sockaddr *)name, sizeof(*name)) && errno == ECONNREFUSED;

	if (file >= 0)
		close(file);
	return left;
}

static bool bind_unix(int file, const struct sockaddr_un *name)
{
	if (!bind(file, (const struct sockaddr *)name, sizeof(*name)))
		return true;
	if (errno != EADDRINUSE)
		return false;
	if (is_left_over(name))
		unlink(name->sun_path);
	return !bind(file, (const struct sockaddr *)name, sizeof(*name));
}

/* The path is for its owner alone. */
static enum status listen_unix(const struct address *address, int *ret_file)
{
	const struct sockaddr_un name = name_of(address);
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), refused;
	mode_t mask = umask(0077);

	refused = file < 0 || !bind_unix(file, &name) || listen(file, 1);
	umask(mask);
	if (!refused) {
		*ret_file = file;
		return STATUS_YES;
	}
	failed(address, "cannot be listened at");
	if (file >= 0)
		close(file);
	return STATUS_REFUSED;
}

static enum status listen_tcp(const struct args *args, const struct address *address, int *ret_file)
{
	struct addrinfo *list = NULL;
	enum status status = resolve(args, address, true, &list);
	int file, on = 1;

	if (status)
		return status;
	file = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (file >= 0)
		setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (file < 0 || bind(file, list->ai_addr, list->ai_addrlen) || listen(file, 1)) {
		status = failed(address, "cannot be listened at");
		if (file >= 0)
			close(file);
	}
	freeaddrinfo(list);
	*ret_file = file;
	return status;
}

/* Where one did not ask for a port the system chose one. */
static void tell_where(const struct address *address, int file)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char port[16] = "";

	if (!address->path && !getsockname(file, (struct sockaddr *)&name, &len))
		getnameinfo((struct sockaddr *)&name, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
	if (address->path)
		complain("waiting for a guest at %s", address->whole);
	else
		complain("waiting for a guest at tcp:%s:%s", address->host, port);
}

/* Who cannot show what --tls wants is sent away, and the next one heard. */
enum status link_accept(const struct args *args, const char *text, int *ret_socket)
{
	struct address address;
	enum status status = parse(text, &address);
	int listener = -1, file;

	if (!status && args->option[OPTION_TLS])
		status = tls_check(args->option[OPTION_TLS]);
	if (!status)
		status = address.path ? listen_unix(&address, &listener) : listen_tcp(args, &address, &listener);
	if (status)
		return status;
	tell_where(&address, listener);
	do {
		file = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (file < 0 && errno != EINTR && errno != ECONNABORTED) {
			status = failed(&address, "no connection comes");
			break;
		}
		if (file >= 0 && !address.path)
			tune(file);
		status = file >= 0 ? protect(args, NULL, &file) : STATUS_REFUSED;
	} while (status == STATUS_REFUSED);
	close(listener);
	if (address.path)
		unlink(address.path);
	if (!status)
		*ret_socket = file;
	return status;
}
