/* SPDX-License-Identifier: MIT */
/* A CPU template of Firecracker, laid over a host. */
#ifndef GABI_TOOL_TEMPLATE_H
#define GABI_TOOL_TEMPLATE_H

#include "gabi.h"

#include <gabi/host.h>

/* Replaces the host by what a guest of Firecracker with the template in the file is given there. */
enum status template_lay_over(const char *path, const char *host_path, struct gabi_host **host);

#endif
