/* SPDX-License-Identifier: MIT */
/* What the kernel's own <linux/build_bug.h> gives its Hyper-V headers, for compiling them outside the kernel. */
#include "../kernel.h"
