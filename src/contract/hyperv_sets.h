/* SPDX-License-Identifier: MIT */
#ifndef GABI_CONTRACT_HYPERV_SETS_H
#define GABI_CONTRACT_HYPERV_SETS_H

#include <gabi/model.h>

#include "base/base.h"

/* ",name=on" for each flag of the set. */
void gabi_hyperv_set_out(struct gabi_out *out, const struct gabi_hyperv_set *set);

/* Copies items of a -cpu argument, ",item,item", with the flags of a set in place of its name. */
int gabi_hyperv_sets_out_items(struct gabi_out *out, const char *items, size_t len, struct gabi_diag *diag);

#endif
