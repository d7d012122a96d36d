/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "base.h"

#include <string.h>

void gabi_json_raw(struct gabi_json *json, const char *text, size_t len)
{
	if (!json->stopped && len)
		json->stopped = json->sink(json->ctx, text, len);
}

static void escape(struct gabi_json *json, unsigned char c)
{
	static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
	char text[8];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_char(&out, '\\');
	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if ((unsigned char)shorts[i] == c) {
			gabi_out_char(&out, shorts[i + 1]);
			gabi_json_raw(json, text, out.len);
			return;
		}
	}
	gabi_out_char(&out, 'u');
	gabi_out_hex(&out, c, 4);
	gabi_json_raw(json, text, out.len);
}

static void escaped(struct gabi_json *json, const char *text)
{
	size_t plain = 0;

	for (size_t i = 0; text[i]; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		gabi_json_raw(json, text + plain, i - plain);
		escape(json, c);
		plain = i + 1;
	}
	gabi_json_raw(json, text + plain, strlen(text + plain));
}

void gabi_json_key(struct gabi_json *json, const char *key)
{
	if (json->comma)
		gabi_json_raw(json, ",", 1);
	json->comma = true;
	if (!key)
		return;
	gabi_json_raw(json, "\"", 1);
	escaped(json, key);
	gabi_json_raw(json, "\":", 2);
}

void gabi_json_open(struct gabi_json *json, const char *key, char bracket)
{
	gabi_json_key(json, key);
	gabi_json_raw(json, &bracket, 1);
	json->comma = false;
}

void gabi_json_close(struct gabi_json *json, char bracket)
{
	gabi_json_raw(json, &bracket, 1);
	json->comma = true;
}

void gabi_json_begin(struct gabi_json *json, const char *key)
{
	gabi_json_key(json, key);
	gabi_json_raw(json, "\"", 1);
}

void gabi_json_end(struct gabi_json *json)
{
	gabi_json_raw(json, "\"", 1);
}

void gabi_json_text(struct gabi_json *json, const char *key, const char *text)
{
	gabi_json_begin(json, key);
	escaped(json, text);
	gabi_json_end(json);
}

void gabi_json_bool(struct gabi_json *json, const char *key, bool value)
{
	gabi_json_key(json, key);
	gabi_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void gabi_json_uint(struct gabi_json *json, const char *key, uint32_t value)
{
	char text[16];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_json_key(json, key);
	gabi_out_dec(&out, value);
	gabi_json_raw(json, text, out.len);
}

void gabi_json_hex(struct gabi_json *json, const char *key, uint64_t value, unsigned digits)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, "0x");
	gabi_out_hex(&out, value, digits);
	gabi_json_begin(json, key);
	gabi_json_raw(json, text, out.len);
	gabi_json_end(json);
}
