/* SPDX-License-Identifier: MIT */
/* The kernel's copies, as far as they are there: weak, so that the measurement runs without them. */
#ifndef PEER_H
#define PEER_H

#include <stdint.h>

typedef void peer_copy(const void *from, void *to, uint32_t clean);
peer_copy peer_kernel_in __attribute__((weak)), peer_kernel_out __attribute__((weak));
peer_copy peer_native_in __attribute__((weak)), peer_native_out __attribute__((weak));

#endif
