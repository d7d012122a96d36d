/* SPDX-License-Identifier: MIT */
#include "formats/tree.h"

#include <string.h>

bool gabi_tree_is(const struct gabi_xml_node *node, const char *name)
{
	return !*node->space && !strcmp(node->name, name);
}

static const struct gabi_xml_node *first_of(const struct gabi_xml_node *node, const char *name)
{
	while (node && !gabi_tree_is(node, name))
		node = node->next;
	return node;
}

const struct gabi_xml_node *gabi_tree_child(const struct gabi_xml_node *node, const char *name)
{
	return node ? first_of(node->child, name) : NULL;
}

const struct gabi_xml_node *gabi_tree_next(const struct gabi_xml_node *node)
{
	return first_of(node->next, node->name);
}

size_t gabi_tree_count(const struct gabi_xml_node *node, const char *name)
{
	size_t count = 0;

	for (const struct gabi_xml_node *at = gabi_tree_child(node, name); at; at = gabi_tree_next(at))
		count++;
	return count;
}

const char *gabi_tree_attr(const struct gabi_xml_node *node, const char *name)
{
	for (size_t i = 0; node && i < node->attr_count; i++)
		if (!strcmp(node->attrs[i].name, name))
			return node->attrs[i].value;
	return NULL;
}

/* ---- refusals ---- */

static void out_path(struct gabi_out *out, const struct gabi_xml_node *node)
{
	if (!node)
		return;
	out_path(out, node->up); /* at most GABI_XML_MAX_DEPTH */
	gabi_out_char(out, '/');
	gabi_out_text(out, node->name);
}

int gabi_tree_at(struct gabi_diag *diag, const struct gabi_xml_node *node, int err)
{
	struct gabi_out out;

	if (!diag)
		return err;
	out = gabi_out_to(diag->where, sizeof(diag->where));
	out_path(&out, node);
	diag->line = node->line;
	diag->column = node->line ? 1 : 0;
	return err;
}

int gabi_tree_word(const struct gabi_xml_node *node, const char *attr, const char *const *words, size_t count, size_t usual,
		   size_t *ret_word, struct gabi_diag *diag)
{
	const char *value = gabi_tree_attr(node, attr);

	for (size_t i = 0; value && i < count; i++)
		if (!strcmp(value, words[i])) {
			*ret_word = i;
			return 0;
		}
	if (value)
		return GABI_TREE_FAIL(diag, node, GABI_ERR_SCHEMA, attr, "='", value, "' is none of libvirt's words for it");
	if (usual >= count)
		return GABI_TREE_FAIL(diag, node, GABI_ERR_SCHEMA, "the attribute ", attr, " is missing");
	*ret_word = usual;
	return 0;
}

/* ---- numbers ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

static bool number_of(const char *text, unsigned base, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)digit_of(*text);

		if (digit >= base || digit > max || number > (max - digit) / base)
			return false;
		number = number * base + digit;
	}
	*ret_number = number;
	return true;
}

bool gabi_tree_decimal(const char *text, uint64_t max, uint64_t *ret_number)
{
	return number_of(text, 10, max, ret_number);
}

int gabi_tree_number(const struct gabi_xml_node *node, const char *attr, bool any_base, uint64_t max, uint64_t usual,
		     uint64_t *ret_number, struct gabi_diag *diag)
{
	const char *value = gabi_tree_attr(node, attr);
	bool hex = value && any_base && value[0] == '0' && (value[1] == 'x' || value[1] == 'X');

	if (!value) {
		*ret_number = usual;
		return 0;
	}
	if (number_of(value + 2 * hex, hex ? 16 : 10, max, ret_number))
		return 0;
	return GABI_TREE_FAIL(diag, node, GABI_ERR_RANGE, attr, "='", value, "' is no number, or too large a one");
}
