/* SPDX-License-Identifier: MIT */
/*
 * The bytes are what a client sends to a running guest's socket, a line for each order. Properties: an order that is taken can be
 * written again and is then read as the same; jansson takes its line too; every answer, also an error, is one line that jansson reads,
 * with the order's id.
 */
#include "fuzz.h"

#include "vmm/command.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const struct vmm_line *line)
{
	json_t *root = json_loadb(line->at, line->len, JSON_REJECT_DUPLICATES, NULL);

	fuzz_expect(root && line->len && line->at[line->len - 1] == '\n' && !memchr(line->at, '\n', line->len - 1));
	return root;
}

static void expect_id(json_t *root, const struct vmm_order *order)
{
	json_t *id = json_object_get(root, "id");

	fuzz_expect(order->has_id ? json_integer_value(id) == order->id : !id);
}

/* The members in another order than most clients have them in. */
static size_t write_again(const struct vmm_order *order, char *text, size_t cap)
{
	json_t *root = json_object();
	size_t len;

	if (order->vtl)
		json_object_set_new(root, "vtl", json_integer(order->vtl));
	if (order->vp)
		json_object_set_new(root, "vp", json_integer(order->vp));
	if (order->has_id)
		json_object_set_new(root, "id", json_integer(order->id));
	json_object_set_new(root, "do", json_string(vmm_command_name(order->command)));
	len = json_dumpb(root, text, cap, JSON_PRESERVE_ORDER);
	json_decref(root);
	fuzz_expect(len <= cap);
	return len;
}

static void good_one(const char *text, size_t len, const struct vmm_order *order)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct vmm_order again;
	char written[200];

	fuzz_reached();
	fuzz_expect(json_is_object(root) && order->command < VMM_COMMANDS);
	fuzz_expect(!strcmp(json_string_value(json_object_get(root, "do")), vmm_command_name(order->command)));
	json_decref(root);
	fuzz_expect(!vmm_order_read(written, write_again(order, written, sizeof(written)), &again, NULL));
	fuzz_expect(again.command == order->command && again.has_id == order->has_id && again.id == order->id && again.vp == order->vp &&
		    again.vtl == order->vtl && again.file == -1);
}

static void answer(const struct vmm_order *order, const struct gabi_diag *diag)
{
	char room[2048];
	struct vmm_line line = { .at = room, .cap = sizeof(room) };
	struct vmm_answer result;
	json_t *root;

	if (diag->err) {
		vmm_answer_diag(&line, order, diag);
	} else {
		vmm_answer_open(&result, &line, order, "result");
		vmm_json_count(&result.json, "number", (uint64_t)order->id << 32 | order->vp);
		vmm_answer_close(&result);
	}
	if (line.full)
		return;
	root = parse(&line);
	expect_id(root, order);
	fuzz_expect(json_is_object(json_object_get(root, diag->err ? "error" : "result")));
	json_decref(root);
}

static void take(const char *text, size_t len)
{
	struct gabi_diag diag = { 0 };
	struct vmm_order order;

	if (!vmm_order_read(text, len, &order, &diag))
		good_one(text, len, &order);
	answer(&order, &diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end;

	for (; size; size -= (size_t)(end - data), data = end) {
		const uint8_t *line = memchr(data, '\n', size);
		size_t len = line ? (size_t)(line - data) : size;
		char *copy = malloc(len + !len); /* of its own, so that a sanitizer sees its end */

		memcpy(copy, data, len);
		take(copy, len);
		free(copy);
		end = data + len + (line != NULL);
	}
	return 0;
}
