/* SPDX-License-Identifier: MIT */
#include "formats/libvirt_reader.h"

#include "base/nearest.h"

#include <string.h>

void gabi_reader_note(struct gabi_domain_reader *reader, const char *before, const char *name, const char *after)
{
	struct gabi_domain *domain = reader->domain;
	void *notes = domain->notes;
	char text[256], *copy;
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, before);
	gabi_out_text(&out, name);
	gabi_out_text(&out, after);
	copy = gabi_mem_copy_text(&domain->mem, text);
	if (!copy || gabi_mem_room(&domain->mem, &notes, &domain->note_cap, domain->note_count, sizeof(copy))) {
		gabi_mem_put(&domain->mem, copy);
		reader->err = gabi_fail(reader->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
		return;
	}
	domain->notes = notes;
	domain->notes[domain->note_count++] = copy;
}

/* ---- pieces of the argument ---- */

bool gabi_reader_is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || strchr(",='\"\\", *text))
			return false;
	return true;
}

void gabi_reader_out_name(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *text)
{
	if (reader->err)
		return;
	if (!*text || strlen(text) >= GABI_DOMAIN_WORD_CAP || !gabi_reader_is_plain(text))
		GABI_READER_FAIL(reader, node, GABI_ERR_SYNTAX, "'", text, "' is no name that can stand in a -cpu argument");
	else
		gabi_out_text(&reader->out, text);
}

void gabi_reader_out_item(struct gabi_domain_reader *reader, const char *name, const char *value)
{
	gabi_out_char(&reader->out, ',');
	gabi_out_text(&reader->out, name);
	gabi_out_char(&reader->out, '=');
	gabi_out_text(&reader->out, value);
}

void gabi_reader_out_number(struct gabi_domain_reader *reader, const char *name, uint64_t value)
{
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_dec(&out, value);
	gabi_reader_out_item(reader, name, text);
}

const char *const gabi_reader_switches[2] = { "off", "on" };

size_t gabi_reader_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words)
{
	size_t state = ABSENT;

	if (node && !reader->err && gabi_tree_attr(node, attr))
		reader->err = gabi_tree_word(node, attr, words, 2, ABSENT, &state, reader->diag);
	return state;
}

size_t gabi_reader_required_switch(struct gabi_domain_reader *reader, const struct gabi_xml_node *node)
{
	if (!reader->err && !gabi_tree_attr(node, "state"))
		GABI_READER_FAIL(reader, node, GABI_ERR_SCHEMA, "the attribute state is missing: on or off");
	return gabi_reader_switch(reader, node, "state", gabi_reader_switches);
}

size_t gabi_reader_word(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *attr, const char *const *words,
			size_t count, size_t usual)
{
	size_t word = usual;

	if (!reader->err && node)
		reader->err = gabi_tree_word(node, attr, words, count, usual, &word, reader->diag);
	return word;
}

/* ---- elements ---- */

const struct gabi_xml_node *gabi_reader_only(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *name)
{
	const struct gabi_xml_node *child = gabi_tree_child(node, name);

	if (child && !reader->err && gabi_tree_next(child))
		GABI_READER_FAIL(reader, gabi_tree_next(child), GABI_ERR_DUPLICATE, "the element is there twice");
	return child;
}

void gabi_reader_unknown(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *what, const char *wanted,
			 const char *const *names, size_t count)
{
	struct gabi_nearest nearest = { .wanted = wanted };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, names[i], strlen(names[i]));
	gabi_nearest_print(&nearest, &out);
	GABI_READER_FAIL(reader, node, GABI_ERR_UNKNOWN, "libvirt has no ", what, " \"", wanted, "\"", text);
}

void gabi_reader_only_known(struct gabi_domain_reader *reader, const struct gabi_xml_node *node, const char *const *names, size_t count,
			    const char *what)
{
	for (const struct gabi_xml_node *at = node ? node->child : NULL; at && !reader->err; at = at->next) {
		size_t i = 0;

		while (i < count && !gabi_tree_is(at, names[i]))
			i++;
		if (i == count)
			gabi_reader_unknown(reader, at, what, at->name, names, count);
	}
}
