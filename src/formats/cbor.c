/* SPDX-License-Identifier: MIT */
#include "formats/cbor.h"

#include <string.h>

/* ---- writing ---- */

static void put(struct gabi_cbor_out *out, const void *bytes, size_t len)
{
	if (len && out->len <= out->cap && len <= out->cap - out->len)
		memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

/* How many bytes behind the first one the number takes: RFC 8949 4.2.1, as few as it can. */
static unsigned tail_of(uint64_t number)
{
	return number < 24 ? 0 : number <= UINT8_MAX ? 1 : number <= UINT16_MAX ? 2 : number <= UINT32_MAX ? 4 : 8;
}

/* What the first byte says of that: 24 is one byte, 25 two, 26 four, 27 eight. */
static uint8_t short_form(unsigned tail)
{
	return tail == 1 ? 24 : tail == 2 ? 25 : tail == 4 ? 26 : 27;
}

void gabi_cbor_put(struct gabi_cbor_out *out, unsigned type, uint64_t number)
{
	unsigned tail = tail_of(number);
	uint8_t bytes[9] = { (uint8_t)(type << 5 | (tail ? short_form(tail) : number)) };

	for (unsigned i = 0; i < tail; i++)
		bytes[1 + i] = (uint8_t)(number >> 8 * (tail - 1 - i));
	put(out, bytes, 1 + tail);
}

void gabi_cbor_put_bytes(struct gabi_cbor_out *out, const void *bytes, size_t len)
{
	gabi_cbor_put(out, GABI_CBOR_BYTES, len);
	put(out, bytes, len);
}

void gabi_cbor_put_text(struct gabi_cbor_out *out, const char *text)
{
	gabi_cbor_put(out, GABI_CBOR_TEXT, strlen(text));
	put(out, text, strlen(text));
}

/* ---- reading ---- */

int gabi_cbor_fail(struct gabi_diag *diag, int err, size_t pos, const char *why)
{
	gabi_fail(diag, err, why, (char *)NULL);
	if (diag) {
		struct gabi_out out = gabi_out_to(diag->where, sizeof(diag->where));

		gabi_out_text(&out, "byte ");
		gabi_out_dec(&out, pos);
	}
	return err;
}

static int cut_short(const struct gabi_cbor_in *in, struct gabi_diag *diag)
{
	return gabi_cbor_fail(diag, GABI_ERR_SYNTAX, in->len, "the stream ends in the middle: it was cut off");
}

/* Is it a type of ours; negative numbers and floating point are not? */
static bool is_known(unsigned type, uint64_t number)
{
	return type != 1 && (type != GABI_CBOR_SIMPLE || number == GABI_CBOR_NULL);
}

static int next_head(struct gabi_cbor_in *in, struct gabi_cbor_item *item, struct gabi_diag *diag)
{
	size_t pos = in->pos;
	unsigned form, tail;

	if (pos >= in->len)
		return cut_short(in, diag);
	item->type = in->at[pos] >> 5;
	form = in->at[pos++] & 31;
	tail = form < 24 ? 0 : form < 28 ? 1u << (form - 24) : 16;
	if (tail > 8)
		return gabi_cbor_fail(diag, GABI_ERR_SYNTAX, in->pos, "that is not CBOR, or not of a known length");
	if (in->len - pos < tail)
		return cut_short(in, diag);
	item->number = tail ? 0 : form;
	for (unsigned i = 0; i < tail; i++)
		item->number = item->number << 8 | in->at[pos++];
	if (tail != tail_of(item->number))
		return gabi_cbor_fail(diag, GABI_ERR_SYNTAX, in->pos, "a number is written longer than it is");
	if (!is_known(item->type, item->number))
		return gabi_cbor_fail(diag, GABI_ERR_SCHEMA, in->pos, "a stream has no value of that type");
	in->pos = pos;
	return 0;
}

int gabi_cbor_next(struct gabi_cbor_in *in, struct gabi_cbor_item *ret_item, struct gabi_diag *diag)
{
	struct gabi_cbor_in moved = *in;
	struct gabi_cbor_item item = { 0 };
	int err = next_head(&moved, &item, diag);

	if (err)
		return err;
	if (item.type == GABI_CBOR_BYTES || item.type == GABI_CBOR_TEXT) {
		if (item.number > moved.len - moved.pos)
			return cut_short(in, diag);
		item.bytes = moved.at + moved.pos;
		moved.pos += (size_t)item.number;
	}
	*in = moved;
	*ret_item = item;
	return 0;
}

int gabi_cbor_take(struct gabi_cbor_in *in, unsigned type, const char *what, struct gabi_cbor_item *ret_item,
		   struct gabi_diag *diag)
{
	struct gabi_cbor_in moved = *in;
	struct gabi_cbor_item item;
	int err = gabi_cbor_next(&moved, &item, diag);

	if (!err && item.type != type)
		err = gabi_cbor_fail(diag, GABI_ERR_SCHEMA, in->pos, what);
	if (err)
		return err;
	*in = moved;
	*ret_item = item;
	return 0;
}
