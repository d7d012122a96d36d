/* SPDX-License-Identifier: MIT */
/* Any layout to any other as straight code, for every CPU; what wide.c has for those with AVX-512. */
#include "translate.h"

#include <string.h>

#define PAIR(name)             UNSANITIZED static void name(const struct gabi_translation *t, const void *from, void *to)
#define MOVE(at, from_at, len) memcpy((uint8_t *)to + (at), (const uint8_t *)from + (from_at), len)
#include "narrow.inc"

gabi_run_all *gabi_pair_narrow(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to)
{
	return narrow_pairs[gabi_vmcs_form(from)][gabi_vmcs_form(to)];
}
