/* SPDX-License-Identifier: MIT */
#include <gabi/xml.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "short_mem.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static struct gabi_xml *read_good(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_xml *xml;

	if (gabi_xml_read(text, strlen(text), NULL, &xml, &diag))
		fail_msg("%s", diag.text);
	return xml;
}

static void xml__a_tree__has_names_attributes_texts_and_lines(void **state)
{
	struct gabi_xml *xml = read_good("<?xml version='1.0'?><!-- c -->\n<a b='1 &amp;&#65;' x:c='2' xmlns:x='urn:x'>\n"
					 " <d> t&lt;<![CDATA[<&]]> </d><!-- c --><x:e/>\n</a>");
	const struct gabi_xml_node *root = gabi_xml_root(xml), *first = root->child, *second = first->next;

	(void)state;
	assert_string_equal(root->name, "a");
	assert_int_equal(root->attr_count, 2);
	assert_string_equal(root->attrs[0].name, "b");
	assert_string_equal(root->attrs[0].value, "1 &A");
	assert_string_equal(root->attrs[1].value, "2");
	assert_int_equal(root->line, 2);
	assert_string_equal(root->text, "");
	assert_string_equal(first->name, "d");
	assert_string_equal(first->text, "t<<&");
	assert_string_equal(first->space, "");
	assert_int_equal(first->line, 3);
	assert_string_equal(second->name, "e");
	assert_string_equal(second->space, "urn:x");
	assert_null(second->next);
	assert_ptr_equal(second->up, root);
	gabi_xml_free(xml);
}

/* The text that a case makes by repeating. */
static char *repeated(const char *head, const char *piece, size_t times, const char *tail)
{
	size_t len = strlen(piece);
	char *text = malloc(strlen(head) + times * len + strlen(tail) + 1), *at = text;

	assert_non_null(text);
	at += sprintf(at, "%s", head);
	for (size_t i = 0; i < times; i++, at += len)
		memcpy(at, piece, len);
	strcpy(at, tail);
	return text;
}

static void xml__what_is_not_taken__is_refused_in_one_sentence(void **state)
{
	static const struct {
		const char *name, *head, *piece;
		size_t times;
		const char *tail;
		int err;
		const char *text;
	} cases[] = {
		{ "nothing", "", "", 0, "", GABI_ERR_SYNTAX, "empty" },
		{ "no XML", "hello", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "cut off", "<a><b", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "wrong end", "<a></b>", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "two roots", "<a/><b/>", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "a NUL's place", "<a>\x01</a>", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "an attribute twice", "<a b='' b=''/>", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "an unknown entity", "<a>&b;</a>", "", 0, "", GABI_ERR_SYNTAX, "this is not XML: " },
		{ "a document type", "<!DOCTYPE a><a/>", "", 0, "", GABI_ERR_LIMIT, "document type" },
		{ "an entity bomb", "<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>", "", 0, "", GABI_ERR_LIMIT,
		  "document type" },
		{ "a file from elsewhere", "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "", 0, "", GABI_ERR_LIMIT, "document type" },
		{ "an entity from elsewhere", "<!DOCTYPE a [<!ENTITY b SYSTEM 'http://127.0.0.1/'>]><a>&b;</a>", "", 0, "", GABI_ERR_LIMIT,
		  "document type" },
		{ "too deep", "", "<a>", GABI_XML_MAX_DEPTH + 1, "", GABI_ERR_LIMIT, "nested too deeply" },
		{ "too many", "<a>", "<b/>", GABI_XML_MAX_NODES, "</a>", GABI_ERR_LIMIT, "more than 65536 elements" },
		{ "too long", "<a>", "          ", GABI_XML_MAX_LEN / 10, "</a>", GABI_ERR_LIMIT, "longer than 4 MiB" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *text = repeated(cases[i].head, cases[i].piece, cases[i].times, cases[i].tail);
		struct gabi_diag diag = { 0 };
		struct gabi_xml *xml = NULL;
		int err = gabi_xml_read(text, strlen(text), NULL, &xml, &diag);

		if (err != cases[i].err || diag.err != err || !strstr(diag.text, cases[i].text) || xml || strchr(diag.text, '\n'))
			fail_msg("%s: %s: %s", cases[i].name, gabi_err_name(err), diag.text);
		assert_int_equal(gabi_xml_read(text, strlen(text), NULL, &xml, NULL), err);
		free(text);
	}
}

static void xml__as_much_as_may_be__is_taken(void **state)
{
	char *text = repeated("<a>", "<b/>", GABI_XML_MAX_NODES - 1, "</a>"), *deep = repeated("", "<a>", GABI_XML_MAX_DEPTH, "");
	struct gabi_xml *xml = read_good(text);
	size_t count = 0;

	(void)state;
	for (const struct gabi_xml_node *node = gabi_xml_root(xml)->child; node; node = node->next)
		count++;
	assert_int_equal(count, GABI_XML_MAX_NODES - 1);
	gabi_xml_free(xml);
	free(text);
	text = repeated(deep, "</a>", GABI_XML_MAX_DEPTH, "");
	xml = read_good(text);
	gabi_xml_free(xml);
	free(text);
	free(deep);
}

static void xml__a_syntax_error__has_its_place(void **state)
{
	static const char text[] = "<a>\n <b>\n</a>";
	struct gabi_diag diag = { 0 };
	struct gabi_xml *xml;

	(void)state;
	assert_int_equal(gabi_xml_read(text, sizeof(text) - 1, NULL, &xml, &diag), GABI_ERR_SYNTAX);
	assert_int_equal(diag.line, 3);
	assert_true(diag.column > 1);
}

static void xml__short_memory__is_said(void **state)
{
	char *text = repeated("<a>", "<b c='d'>some text</b>", 800, "</a>");
	struct gabi_xml *xml = NULL;
	bool done = false;

	(void)state;
	for (size_t at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		int err = gabi_xml_read(text, strlen(text), &mem, &xml, NULL);

		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		if (done)
			gabi_xml_free(xml);
		assert_int_equal(failing.live, 0);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml__a_tree__has_names_attributes_texts_and_lines),
		cmocka_unit_test(xml__what_is_not_taken__is_refused_in_one_sentence),
		cmocka_unit_test(xml__as_much_as_may_be__is_taken),
		cmocka_unit_test(xml__a_syntax_error__has_its_place),
		cmocka_unit_test(xml__short_memory__is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
