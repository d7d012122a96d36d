/* SPDX-License-Identifier: MIT */
#ifndef GABI_TOOL_FIT_HYPERV_H
#define GABI_TOOL_FIT_HYPERV_H

#include "rows.h"

#include <gabi/contract.h>
#include <gabi/host.h>

/* The sets nearest to the contract, or else to what QEMU can give a guest of the host: all, or five. */
void show_hyperv_fits(struct rows *rows, const struct gabi_contract *contract, const struct gabi_host *host, bool all);

#endif
