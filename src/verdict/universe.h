/* SPDX-License-Identifier: MIT */
/* What a matrix needs to know of its universe. */
#ifndef GABI_UNIVERSE_H
#define GABI_UNIVERSE_H

#include <gabi/compiled.h>

#include "verdict/bits.h"

const struct gabi_bits_ops *gabi_universe_ops(const struct gabi_universe *universe);

#endif
