/* SPDX-License-Identifier: MIT */
/*
 * The part of CBOR that gabi's streams are made of: whole numbers, byte and text strings, arrays, maps, one tag and null, in the
 * deterministic encoding of RFC 8949 4.2.1 and in no other, so that a value has one form only. docs/state.md says why this is no
 * library's.
 */
#ifndef GABI_FORMATS_CBOR_H
#define GABI_FORMATS_CBOR_H

#include "base/base.h"

enum gabi_cbor { /* RFC 8949 3.1, major types */
	GABI_CBOR_UINT = 0,
	GABI_CBOR_BYTES = 2,
	GABI_CBOR_TEXT = 3,
	GABI_CBOR_ARRAY = 4,
	GABI_CBOR_MAP = 5,
	GABI_CBOR_TAG = 6,
	GABI_CBOR_SIMPLE = 7,
};
#define GABI_CBOR_NULL 22u    /* of SIMPLE */
#define GABI_CBOR_SELF 55799u /* of TAG: "this is CBOR", RFC 8949 3.4.6 */

/* ---- writing: counts what it would write where there is no room ---- */

struct gabi_cbor_out {
	uint8_t *at;
	size_t cap, len;
};

void gabi_cbor_put(struct gabi_cbor_out *out, unsigned type, uint64_t number);
void gabi_cbor_put_bytes(struct gabi_cbor_out *out, const void *bytes, size_t len);
void gabi_cbor_put_text(struct gabi_cbor_out *out, const char *text);

/* ---- reading ---- */

struct gabi_cbor_in {
	const uint8_t *at;
	size_t len, pos;
};

struct gabi_cbor_item {
	unsigned type;
	uint64_t number;      /* the value, the count of elements, the length */
	const uint8_t *bytes; /* BYTES and TEXT */
};

/* Takes the next head, with the bytes of a string. On an error says where, "byte 17"; the input is not moved. */
int gabi_cbor_next(struct gabi_cbor_in *in, struct gabi_cbor_item *ret_item, struct gabi_diag *diag);

/* The same for an item that must be of that type; what is what it should be, for the sentence. */
int gabi_cbor_take(struct gabi_cbor_in *in, unsigned type, const char *what, struct gabi_cbor_item *ret_item,
		   struct gabi_diag *diag);

/* GABI_ERR_SCHEMA at a byte of the input. */
int gabi_cbor_fail(struct gabi_diag *diag, int err, size_t pos, const char *why);

#endif
