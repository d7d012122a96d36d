/* SPDX-License-Identifier: MIT */
/*
 * A writer of canonical JSON (RFC 8785): no white space, in pieces to a sink. The caller brings the members of an object in
 * the order of their keys; the writer sets the commas and escapes the texts, which are UTF-8.
 */
#ifndef GABI_BASE_JSON_H
#define GABI_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gabi_json {
	int (*sink)(void *ctx, const char *text, size_t len);
	void *ctx;
	int stopped; /* the first non-zero result of sink; nothing is written after it */
	bool comma;  /* the next item has one before it in its object or list */
};

/* Each writes one item; key is NULL in a list and at the top. */
void gabi_json_open(struct gabi_json *json, const char *key, char bracket); /* '{' or '[' */
void gabi_json_close(struct gabi_json *json, char bracket);                 /* '}' or ']' */
void gabi_json_text(struct gabi_json *json, const char *key, const char *text);
void gabi_json_bool(struct gabi_json *json, const char *key, bool value);
void gabi_json_uint(struct gabi_json *json, const char *key, uint32_t value);

/* "0x" and at least that many digits. */
void gabi_json_hex(struct gabi_json *json, const char *key, uint64_t value, unsigned digits);

/* Begins an item that the caller then writes to the sink as a whole. */
void gabi_json_key(struct gabi_json *json, const char *key);

/* A text in pieces: begin, raw as often as wanted, end. What raw writes must need no escape. */
void gabi_json_begin(struct gabi_json *json, const char *key);
void gabi_json_raw(struct gabi_json *json, const char *text, size_t len);
void gabi_json_end(struct gabi_json *json);

#endif
