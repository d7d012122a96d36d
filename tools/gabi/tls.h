/* SPDX-License-Identifier: MIT */
/*
 * TLS by GnuTLS. The directory of --tls holds either `psk`, one line NAME:KEY with the key in hex digits, as psktool writes it; or
 * cert.pem and key.pem, of this host, and ca.pem, whose signature the other side's must have.
 */
#ifndef GABI_TOOL_TLS_H
#define GABI_TOOL_TLS_H

#include "gabi.h"

/*
 * Takes the connected socket, which it owns from now on, and returns another, whose other end is TLS over the first: in a process of its
 * own, which alone has the keys and the network, and lives no longer than this one. host: the name that the other side must have; NULL:
 * we are the one that was called. The failure is complained about.
 */
enum status tls_over(const char *directory, int socket, const char *host, int *ret_socket);

/* Is there what one who is called needs? What is missing is complained about. */
enum status tls_check(const char *directory);

#endif
