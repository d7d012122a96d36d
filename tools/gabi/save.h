/* SPDX-License-Identifier: MIT */
/* Contracts and manifests into the file of --output, or to standard output. */
#ifndef GABI_TOOL_SAVE_H
#define GABI_TOOL_SAVE_H

#include "gabi.h"

#include <gabi/contract.h>
#include <gabi/host.h>

enum status save_contract(const struct args *args, const struct gabi_contract *contract);
enum status save_host(const struct args *args, const struct gabi_host *host);

/* What a writer of libgabi-formats returned: err, or a text that is freed here. */
enum status save_text(const struct args *args, int err, char *text, size_t len);

#endif
