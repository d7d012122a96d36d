/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANDSHAKE_MS = 20000, PIECE = 1 << 16 };

/* One connection; it is all that its process does. */
struct tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t certificates;
	gnutls_psk_client_credentials_t psk_of_client;
	gnutls_psk_server_credentials_t psk_of_server;
	int network, inside; /* what is encrypted, and our end of what is not */
};

static enum status failed(const char *what, int err)
{
	complain("TLS: %s: %s", what, gnutls_strerror(err));
	return STATUS_REFUSED;
}

static enum status path_in(const char *directory, const char *file, char path[4096])
{
	if (snprintf(path, 4096, "%s/%s", directory, file) < 4096)
		return STATUS_YES;
	complain("%s: the name is too long", directory);
	return STATUS_USAGE;
}

/* ---- what one shows and wants to see ---- */

/* NAME:KEY, KEY in hex digits. */
static enum status read_psk(const char *path, char line[512], char **ret_key)
{
	FILE *file = fopen(path, "re");
	char *colon = NULL;

	if (file && fgets(line, 512, file)) {
		line[strcspn(line, "\r\n")] = '\0';
		colon = strchr(line, ':');
	}
	if (file)
		fclose(file);
	if (!colon || colon == line || strlen(colon + 1) < 32 || colon[1 + strspn(colon + 1, "0123456789abcdefABCDEF")]) {
		complain("%s: is no line NAME:KEY with a key of 32 hex digits or more", path);
		return STATUS_INPUT;
	}
	*colon = '\0';
	*ret_key = colon + 1;
	return STATUS_YES;
}

static enum status use_psk(struct tls *tls, const char *path, bool calls)
{
	char line[512], *key = NULL;
	enum status status = read_psk(path, line, &key);
	gnutls_datum_t datum = { (unsigned char *)key, key ? (unsigned)strlen(key) : 0 };
	int err;

	if (status)
		return status;
	if (calls) {
		err = gnutls_psk_allocate_client_credentials(&tls->psk_of_client);
		if (!err)
			err = gnutls_psk_set_client_credentials(tls->psk_of_client, line, &datum, GNUTLS_PSK_KEY_HEX);
		if (!err)
			err = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->psk_of_client);
	} else {
		err = gnutls_psk_allocate_server_credentials(&tls->psk_of_server);
		if (!err)
			err = gnutls_psk_set_server_credentials_file(tls->psk_of_server, path);
		if (!err)
			err = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->psk_of_server);
	}
	explicit_bzero(line, sizeof(line));
	if (!err)
		err = gnutls_priority_set_direct(tls->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK", NULL);
	return err ? failed(path, err) : STATUS_YES;
}

static enum status use_certificates(struct tls *tls, const char *directory, const char *host)
{
	char own[4096], key[4096], others[4096];
	enum status status = path_in(directory, "cert.pem", own);
	int err;

	if (!status)
		status = path_in(directory, "key.pem", key);
	if (!status)
		status = path_in(directory, "ca.pem", others);
	if (status)
		return status;
	err = gnutls_certificate_allocate_credentials(&tls->certificates);
	if (!err)
		err = gnutls_certificate_set_x509_trust_file(tls->certificates, others, GNUTLS_X509_FMT_PEM);
	if (err < 0)
		return failed(others, err);
	err = gnutls_certificate_set_x509_key_file(tls->certificates, own, key, GNUTLS_X509_FMT_PEM);
	if (!err)
		err = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->certificates);
	if (!err)
		err = gnutls_priority_set_direct(tls->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
	if (err)
		return failed(own, err);
	gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert(tls->session, host, 0);
	return STATUS_YES;
}

static enum status use_directory(struct tls *tls, const char *directory, const char *host)
{
	char psk[4096];
	enum status status = path_in(directory, "psk", psk);

	if (status)
		return status;
	return !access(psk, F_OK) ? use_psk(tls, psk, host != NULL) : use_certificates(tls, directory, host);
}

/* ---- carrying ---- */

static bool send_inside(const struct tls *tls, const char *bytes, ssize_t len)
{
	while (len > 0) {
		ssize_t done = send(tls->inside, bytes, (size_t)len, MSG_NOSIGNAL);

		if (done < 0 && errno != EINTR)
			return false;
		bytes += done > 0 ? done : 0;
		len -= done > 0 ? done : 0;
	}
	return true;
}

/* What was cut off, or altered, looks to the other end as a connection that breaks. */
static void *carry_in(void *ctx)
{
	const struct tls *tls = ctx;
	char bytes[PIECE];
	ssize_t len;

	do
		len = gnutls_record_recv(tls->session, bytes, sizeof(bytes));
	while (len == GNUTLS_E_INTERRUPTED || len == GNUTLS_E_AGAIN || (len > 0 && send_inside(tls, bytes, len)));
	shutdown(tls->inside, len ? SHUT_RDWR : SHUT_WR);
	return NULL;
}

static bool send_out(const struct tls *tls, const char *bytes, ssize_t len)
{
	while (len > 0) {
		ssize_t done = gnutls_record_send(tls->session, bytes, (size_t)len);

		if (done < 0 && done != GNUTLS_E_INTERRUPTED && done != GNUTLS_E_AGAIN)
			return false;
		bytes += done > 0 ? done : 0;
		len -= done > 0 ? done : 0;
	}
	return true;
}

static void carry_out(const struct tls *tls)
{
	char bytes[PIECE];
	ssize_t len;

	do
		len = recv(tls->inside, bytes, sizeof(bytes), 0);
	while ((len > 0 && send_out(tls, bytes, len)) || (len < 0 && errno == EINTR));
	if (!len)
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	shutdown(tls->network, SHUT_WR);
}

static enum status carry(struct tls *tls)
{
	pthread_t in;

	if (pthread_create(&in, NULL, carry_in, tls)) {
		complain("TLS: there is no room for a thread more");
		return STATUS_REFUSED;
	}
	carry_out(tls);
	pthread_join(in, NULL);
	return STATUS_YES;
}

/* ---- all ---- */

static enum status shake_hands(struct tls *tls)
{
	int err;

	gnutls_handshake_set_timeout(tls->session, HANDSHAKE_MS);
	gnutls_transport_set_int(tls->session, tls->network);
	do
		err = gnutls_handshake(tls->session);
	while (err == GNUTLS_E_INTERRUPTED || err == GNUTLS_E_AGAIN || err == GNUTLS_E_WARNING_ALERT_RECEIVED);
	return err ? failed("the other side is not who it should be, or speaks no TLS", err) : STATUS_YES;
}

/* Says how it went when hands are shaken, or it is clear that they are not. */
static enum status open_tls(struct tls *tls, const char *directory, const char *host)
{
	enum status status;

	if (gnutls_init(&tls->session, (host ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_NO_SIGNAL))
		return STATUS_REFUSED;
	status = use_directory(tls, directory, host);
	return status ? status : shake_hands(tls);
}

/* A listener that stayed open here would go on taking connections, which nobody hears, as long as this one lasts. */
static void keep_only(const struct tls *tls)
{
	unsigned low = (unsigned)tls->network, high = (unsigned)tls->inside;

	if (low > high) {
		low = (unsigned)tls->inside;
		high = (unsigned)tls->network;
	}
	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static void be_tls(struct tls *tls, const char *directory, const char *host, pid_t parent)
{
	enum status status;
	char told;

	keep_only(tls);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_REFUSED);
	status = open_tls(tls, directory, host);
	told = (char)status;
	if (send(tls->inside, &told, 1, MSG_NOSIGNAL) == 1 && !status)
		status = carry(tls);
	_exit((int)status);
}

/* What it says first; one that says nothing was killed. */
static enum status hear(pid_t child, int socket)
{
	char told = STATUS_REFUSED;
	ssize_t len;

	do
		len = recv(socket, &told, 1, 0);
	while (len < 0 && errno == EINTR);
	if (len == 1 && told == STATUS_YES)
		return STATUS_YES;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return (enum status)told;
}

enum status tls_over(const char *directory, int socket, const char *host, int *ret_socket)
{
	pid_t parent = getpid(), child = -1;
	enum status status = STATUS_REFUSED;
	int ends[2] = { -1, -1 };

	fflush(NULL);
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		child = fork();
	if (!child) {
		struct tls tls = { .network = socket, .inside = ends[0] };

		be_tls(&tls, directory, host, parent);
	}
	if (child < 0)
		complain("TLS: there is no room for a process more: %s", strerror(errno));
	close(socket);
	close(ends[0]);
	if (child > 0)
		status = hear(child, ends[1]);
	if (status)
		close(ends[1]);
	else
		*ret_socket = ends[1];
	return status;
}

/* In a process of its own too, which takes the keys with it. */
enum status tls_check(const char *directory)
{
	int status = -1;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		struct tls tls = { .network = -1 };

		_exit(gnutls_init(&tls.session, GNUTLS_SERVER) ? STATUS_REFUSED : (int)use_directory(&tls, directory, NULL));
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && WIFEXITED(status) ? (enum status)WEXITSTATUS(status) : STATUS_REFUSED;
}
