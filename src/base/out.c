/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <string.h>

struct gabi_out gabi_out_to(char *buf, size_t cap)
{
	if (cap)
		buf[0] = '\0';
	return (struct gabi_out){ .at = buf, .cap = cap };
}

void gabi_out_bytes(struct gabi_out *out, const char *text, size_t len)
{
	if (out->len + 1 < out->cap) {
		size_t room = out->cap - 1 - out->len;
		size_t part = len < room ? len : room;

		memcpy(out->at + out->len, text, part);
		out->at[out->len + part] = '\0';
	}
	out->len += len;
}

void gabi_out_text(struct gabi_out *out, const char *text)
{
	gabi_out_bytes(out, text, strlen(text));
}

void gabi_out_char(struct gabi_out *out, char c)
{
	gabi_out_bytes(out, &c, 1);
}

void gabi_out_hex(struct gabi_out *out, uint64_t value, unsigned min_digits)
{
	char digits[16];
	unsigned at = sizeof(digits);

	if (min_digits > sizeof(digits))
		min_digits = sizeof(digits);
	do {
		digits[--at] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value || sizeof(digits) - at < min_digits);
	gabi_out_bytes(out, digits + at, sizeof(digits) - at);
}

void gabi_out_dec(struct gabi_out *out, uint64_t value)
{
	char digits[20];
	unsigned at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	gabi_out_bytes(out, digits + at, sizeof(digits) - at);
}

void gabi_out_int(struct gabi_out *out, int64_t value)
{
	if (value < 0)
		gabi_out_char(out, '-');
	gabi_out_dec(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}
