/* SPDX-License-Identifier: MIT */
/* What a VMM gives a guest of what a host offers. */
#ifndef GABI_TOOL_TEMPLATE_H
#define GABI_TOOL_TEMPLATE_H

#include "gabi.h"

#include <gabi/host.h>

/* Replaces the host by what a guest of Firecracker with the template in the file is given there. */
enum status template_lay_over(const char *path, const char *host_path, struct gabi_host **host);

/* Replaces the host by what a guest of Cloud Hypervisor with these --cpus is given there. */
enum status cloud_lay_over(const char *cpus, const char *host_path, struct gabi_host **host);

#endif
