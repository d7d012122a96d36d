/* SPDX-License-Identifier: MIT */
/* A manifest made out of another: what a VMM gives of what a host has. */
#ifndef GABI_FORMATS_LIKE_H
#define GABI_FORMATS_LIKE_H

#include <gabi/host.h>

/* A new manifest of the same architecture and view, with the facts and what is covered, and no words. */
int gabi_host_like(const struct gabi_host *host, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag);

#endif
