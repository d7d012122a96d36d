/* SPDX-License-Identifier: MIT */
/* Where looking proves nothing. */
#ifndef GABI_LAB_SHOWN_H
#define GABI_LAB_SHOWN_H

#include <gabi/host.h>
#include <gabi/verdict.h>

#include <stdbool.h>

/*
 * Is all that the verdict is against what KVM takes from a VMM without asking whether it has it? Then a guest that sees it says
 * nothing of what stands behind it. host: what KVM there says of itself.
 */
bool is_shown_only(const struct gabi_report *report, const struct gabi_host *host);

#endif
