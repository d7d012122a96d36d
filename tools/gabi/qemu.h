/* SPDX-License-Identifier: MIT */
/* gabi pin --qemu */
#ifndef GABI_TOOL_QEMU_H
#define GABI_TOOL_QEMU_H

#include "gabi.h"

/* The contract of the guest of a QEMU command line on the first host, and what the same words mean on the others. */
enum status pin_qemu(const struct args *args);

#endif
