/* SPDX-License-Identifier: MIT */
/* Connections between hosts, for guests on their way: unix:PATH, tcp:HOST:PORT. */
#ifndef GABI_TOOL_LINK_H
#define GABI_TOOL_LINK_H

#include "gabi.h"

/*
 * Connects, or waits for one connection; whatever goes wrong is complained about. With --tls what comes and goes is protected: a
 * process of its own then carries it between the network and the socket that is returned, as long as this one lives.
 * Without it TCP is for this machine alone.
 */
enum status link_connect(const struct args *args, const char *address, int *ret_socket);
enum status link_accept(const struct args *args, const char *address, int *ret_socket);

#endif
