/* SPDX-License-Identifier: MIT */
#include "vmm/command.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int take(const char *line, struct vmm_order *ret_request, struct gabi_diag *diag)
{
	size_t len = strlen(line);
	char *copy = malloc(len + !len); /* with nothing behind it, so that a sanitizer sees its end */
	int err;

	memcpy(copy, line, len);
	err = vmm_order_read(copy, len, ret_request, diag);
	free(copy);
	return err;
}

static void request__every_command__is_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VMM_COMMANDS; i++) {
		struct gabi_diag diag = { 0 };
		struct vmm_order request;
		char line[80];

		snprintf(line, sizeof(line), "{\"do\":\"%s\",\"id\":%u}", vmm_command_name(i), i);
		assert_int_equal(take(line, &request, &diag), 0);
		assert_int_equal(request.command, i);
		assert_true(request.has_id);
		assert_int_equal(request.id, i);
		assert_int_equal(request.file, -1);
	}
}

static void request__members__in_any_order_and_spacing(void **state)
{
	struct vmm_order request;

	(void)state;
	assert_int_equal(take(" { \"vp\" : 3 ,\t\"do\":\"nmi\" }\r", &request, NULL), 0);
	assert_int_equal(request.command, VMM_COMMAND_NMI);
	assert_int_equal(request.vp, 3);
	assert_false(request.has_id);
}

static void request__what_is_none__is_refused(void **state)
{
	static const struct {
		const char *line;
		int err;
		const char *text;
	} rows[] = {
		{ "", GABI_ERR_SYNTAX, "empty" },
		{ "status", GABI_ERR_SYNTAX, "not JSON" },
		{ "{\"do\":\"status\"", GABI_ERR_SYNTAX, "cut off" },
		{ "{\"do\":\"status\"}{}", GABI_ERR_SYNTAX, "more text" },
		{ "{\"do\":\"\xff\"}", GABI_ERR_SYNTAX, "UTF-8" },
		{ "[]", GABI_ERR_SCHEMA, "an object" },
		{ "{}", GABI_ERR_SCHEMA, "\"do\" is missing" },
		{ "{\"do\":1}", GABI_ERR_SCHEMA, "a text" },
		{ "{\"do\":\"dance\"}", GABI_ERR_UNKNOWN, "no such command" },
		{ "{\"do\":\"statu\\u0073\"}", GABI_ERR_UNKNOWN, "no such command" },
		{ "{\"do\":\"status\",\"do\":\"quit\"}", GABI_ERR_DUPLICATE, "twice" },
		{ "{\"do\":\"status\",\"file\":\"/etc/passwd\"}", GABI_ERR_SCHEMA, "no member of that name" },
		{ "{\"do\":\"status\",\"vp\":0}", GABI_ERR_SCHEMA, "takes none" },
		{ "{\"do\":\"nmi\",\"vtl\":0}", GABI_ERR_SCHEMA, "takes none" },
		{ "{\"do\":\"nmi\",\"vp\":-1}", GABI_ERR_SCHEMA, "whole number" },
		{ "{\"do\":\"nmi\",\"vp\":1.5}", GABI_ERR_SCHEMA, "whole number" },
		{ "{\"do\":\"nmi\",\"vp\":4294967296}", GABI_ERR_SCHEMA, "whole number" },
		{ "{\"do\":\"status\",\"id\":\"x\"}", GABI_ERR_SCHEMA, "a number" },
		{ "{\"do\":\"status\",\"id\":4294967296}", GABI_ERR_SCHEMA, "whole number" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct gabi_diag diag = { 0 };
		struct vmm_order request;

		if (take(rows[i].line, &request, &diag) != rows[i].err || !strstr(diag.text, rows[i].text))
			fail_msg("%s: %s, %s", rows[i].line, gabi_err_name(diag.err), diag.text);
	}
}

static void request__a_refused_one__keeps_its_id(void **state)
{
	struct vmm_order request;

	(void)state;
	assert_int_equal(take("{\"do\":\"dance\",\"id\":5}", &request, NULL), GABI_ERR_UNKNOWN);
	assert_true(request.has_id);
	assert_int_equal(request.id, 5);
}

/* ---- answers: read by somebody else's parser ---- */

static json_t *parse(const struct vmm_line *line)
{
	json_t *root;

	assert_true(line->len > 0);
	assert_int_equal(line->at[line->len - 1], '\n');
	assert_null(memchr(line->at, '\n', line->len - 1));
	root = json_loadb(line->at, line->len, 0, NULL);
	assert_non_null(root);
	return root;
}

static const char *text_at(json_t *root, const char *outer, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(root, outer), key));

	assert_non_null(text);
	return text;
}

static void answer__a_result__has_the_id_and_the_members(void **state)
{
	const struct vmm_order request = { .has_id = true, .id = 7 };
	char room[200];
	struct vmm_line line = { .at = room, .cap = sizeof(room) };
	struct vmm_answer answer;
	json_t *root;

	(void)state;
	vmm_answer_open(&answer, &line, &request, "result");
	vmm_json_count(&answer.json, "least", 0);
	vmm_json_count(&answer.json, "more", UINT64_C(1) << 40);
	vmm_json_count(&answer.json, "most", UINT64_MAX);
	vmm_answer_close(&answer);
	root = parse(&line);
	assert_int_equal(json_integer_value(json_object_get(root, "id")), 7);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "result"), "least")), 0);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "result"), "more")), INT64_C(1) << 40);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "result"), "most")), (INT64_C(1) << 53) - 1);
	json_decref(root);
}

static void answer__an_error__says_its_kind(void **state)
{
	static const struct {
		int err;
		const char *kind;
	} rows[] = {
		{ GABI_ERR_SYNTAX, "request" }, { GABI_ERR_SCHEMA, "request" }, { GABI_ERR_ARG, "request" }, { GABI_ERR_UNKNOWN, "unknown" },
		{ GABI_ERR_CONFLICT, "state" }, { GABI_ERR_KVM, "refused" }, { GABI_ERR_NOMEM, "refused" }, { GABI_ERR_IO, "refused" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct gabi_diag diag = { .err = rows[i].err, .where = "/vp", .text = "a \"quoted\" one" };
		char room[200];
		struct vmm_line line = { .at = room, .cap = sizeof(room) };
		json_t *root;

		vmm_answer_diag(&line, &(struct vmm_order){ 0 }, &diag);
		root = parse(&line);
		assert_string_equal(text_at(root, "error", "kind"), rows[i].kind);
		assert_string_equal(text_at(root, "error", "text"), "/vp: a \"quoted\" one");
		assert_null(json_object_get(root, "id"));
		json_decref(root);
	}
}

static void answer__no_room__writes_nothing_and_says_so(void **state)
{
	char room[64];

	(void)state;
	for (size_t cap = 0; cap <= sizeof(room); cap++) {
		struct vmm_line line = { .at = room, .cap = cap };

		vmm_answer_error(&line, &(struct vmm_order){ 0 }, "state", "no");
		assert_int_equal(line.full, cap < sizeof("{\"error\":{\"kind\":\"state\",\"text\":\"no\"}}"));
		assert_int_equal(line.len, line.full ? 0 : sizeof("{\"error\":{\"kind\":\"state\",\"text\":\"no\"}}"));
	}
}

static void answer__a_dropped_one__leaves_what_was_before(void **state)
{
	char room[200];
	struct vmm_line line = { .at = room, .cap = sizeof(room) };
	struct vmm_answer answer;
	json_t *root;

	(void)state;
	vmm_greet(&line, "web-7");
	vmm_answer_open(&answer, &line, &(struct vmm_order){ 0 }, "result");
	vmm_json_count(&answer.json, "some", 1);
	vmm_answer_drop(&answer);
	root = parse(&line);
	assert_int_equal(json_integer_value(json_object_get(root, "gabi-control")), VMM_CONTROL_VERSION);
	assert_string_equal(json_string_value(json_object_get(root, "name")), "web-7");
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request__every_command__is_read),
		cmocka_unit_test(request__members__in_any_order_and_spacing),
		cmocka_unit_test(request__what_is_none__is_refused),
		cmocka_unit_test(request__a_refused_one__keeps_its_id),
		cmocka_unit_test(answer__a_result__has_the_id_and_the_members),
		cmocka_unit_test(answer__an_error__says_its_kind),
		cmocka_unit_test(answer__no_room__writes_nothing_and_says_so),
		cmocka_unit_test(answer__a_dropped_one__leaves_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
