/* SPDX-License-Identifier: MIT */
/* What a kernel leaves of the VMX controls to a guest that may use the enlightened VMCS. */
#ifndef GABI_CONTRACT_EVMCS_H
#define GABI_CONTRACT_EVMCS_H

#include <gabi/evmcs.h>
#include <gabi/host.h>

#include "base/base.h"

/* The bits of a promised MSR that some kernel takes away from such a guest. */
uint64_t gabi_evmcs_asks(const struct gabi_evmcs_guest *guest, const struct gabi_word *word);

/* Where a manifest would say what the guest reads of that MSR. */
struct gabi_key gabi_evmcs_key(const struct gabi_word *word);

/* What the host leaves of a promised MSR: as its manifest says, or else its kernel's line; false where neither tells. */
bool gabi_evmcs_left(const struct gabi_host *host, const struct gabi_evmcs_guest *guest, const struct gabi_word *promise,
		     uint64_t *ret_left);

#endif
