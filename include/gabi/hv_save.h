/* SPDX-License-Identifier: MIT */
/*
 * A partition's whole state as bytes, at any moment between turns: in the middle of a rep hypercall (its place is in the
 * guest's registers), with messages queued and timers running. Every version of the stream stays readable.
 */
#ifndef GABI_HV_SAVE_H
#define GABI_HV_SAVE_H

#include <gabi/hv_turn.h>

GABI_BEGIN

#define GABI_HV_STREAM_VERSION 2u /* the newest that this version writes and reads */

/* Writes the stream, with all virtual processors outside. GABI_ERR_LIMIT if cap is too small; *ret_len is then what it takes.
 * buf may be NULL if cap is 0. */
GABI_API int gabi_hv_save(struct gabi_hv *hv, void *buf, size_t cap, size_t *ret_len);

/*
 * Reads a stream into a partition that was made with the same configuration, save for what belongs to the host: frequencies,
 * the way out of the hypercall page, limits. GABI_ERR_CONFLICT if it was made otherwise or for another contract, GABI_ERR_VERSION
 * for a later version's stream, GABI_ERR_SYNTAX or GABI_ERR_RANGE if it is damaged or no partition can be in that state; the
 * partition is then as gabi_hv_new made it.
 */
GABI_API int gabi_hv_restore(struct gabi_hv *hv, const void *buf, size_t len, struct gabi_diag *diag);

/* What a VMM must do after a restore for one VTL of one virtual processor, as the actions of a turn: overlays, timer, traps, hold.
 * Protections are read with gabi_hv_protection_run. */
GABI_API int gabi_hv_resume(struct gabi_hv *hv, unsigned vp, unsigned vtl, struct gabi_hv_turn *turn);

GABI_END
#endif
