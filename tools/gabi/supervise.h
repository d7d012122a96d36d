/* SPDX-License-Identifier: MIT */
#ifndef GABI_TOOL_SUPERVISE_H
#define GABI_TOOL_SUPERVISE_H

#include "gabi.h"

/*
 * Runs work in a process of its own, which ends when this one does, and returns its status. However that process ends, this one is
 * left to clean up: it hands signals on, puts the terminal right, and says by what the other was killed.
 */
enum status supervise(enum status (*work)(void *ctx), void *ctx);

#endif
