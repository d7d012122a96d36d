/* SPDX-License-Identifier: MIT */
#ifndef GABI_TOOL_MIGRATE_H
#define GABI_TOOL_MIGRATE_H

#include "guest.h"

/* gabi run --incoming: waits for a guest from another host, and runs it. */
enum status run_incoming(const struct args *args);

#endif
