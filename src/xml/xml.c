/* SPDX-License-Identifier: MIT */
/* libxml2's events into our tree. libxml2 makes no tree of its own here, so that the bounds are ours alone. */
#include <gabi/xml.h>

#include "base/base.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include <string.h>

#define CHUNK 16384

/* What the tree is made of lies in pieces that never move. */
struct chunk {
	struct chunk *next;
	size_t used, cap;
};

struct gabi_xml {
	struct gabi_mem mem;
	struct chunk *chunks;
	struct gabi_xml_node *root;
};

/* An element while it is open. */
struct open {
	struct gabi_xml_node *node;
	const struct gabi_xml_node **next; /* where the next child goes */
};

struct builder {
	xmlParserCtxtPtr parser;
	struct gabi_xml *xml;
	struct gabi_diag *diag;
	struct open open[GABI_XML_MAX_DEPTH];
	size_t depth, nodes;
	char *text; /* what stands in the innermost element, until an element or its end comes */
	size_t text_len, text_cap;
	int err;
};

/* ---- memory ---- */

static void stop(struct builder *builder, int err)
{
	builder->err = err;
	xmlStopParser(builder->parser);
}

static void stop_for_memory(struct builder *builder)
{
	stop(builder, gabi_fail(builder->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL));
}

/* Zeroed; NULL, and the parser stopped, if memory is short. */
static void *get(struct builder *builder, size_t len)
{
	const size_t step = sizeof(void *);
	struct gabi_xml *xml = builder->xml;
	struct chunk *chunk = xml->chunks;
	char *at;

	len = (len + step - 1) / step * step;
	if (!chunk || chunk->cap - chunk->used < len) {
		size_t cap = len > CHUNK ? len : CHUNK;

		chunk = gabi_mem_get(&xml->mem, sizeof(*chunk) + cap);
		if (!chunk) {
			stop_for_memory(builder);
			return NULL;
		}
		chunk->cap = cap;
		chunk->next = xml->chunks;
		xml->chunks = chunk;
	}
	at = (char *)(chunk + 1) + chunk->used;
	chunk->used += len;
	return at;
}

static const char *keep(struct builder *builder, const xmlChar *text, size_t len)
{
	char *copy = get(builder, len + 1);

	if (copy && len)
		memcpy(copy, text, len);
	return copy ? copy : "";
}

static const char *keep_text(struct builder *builder, const xmlChar *text)
{
	return text ? keep(builder, text, strlen((const char *)text)) : "";
}

/* ---- events ---- */

static void refuse_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	struct builder *builder = ctx;

	(void)name;
	(void)external;
	(void)system;
	stop(builder, gabi_fail(builder->diag, GABI_ERR_LIMIT,
				"the XML has a document type (<!DOCTYPE), which could define entities without end; take it away",
				(char *)NULL));
}

/* libxml2 gives five pointers an attribute: name, prefix, namespace, and where the value begins and ends. */
static void take_attributes(struct builder *builder, struct gabi_xml_node *node, size_t count, const xmlChar **attrs)
{
	struct gabi_xml_attr *own = count ? get(builder, count * sizeof(*own)) : NULL;

	for (size_t i = 0; own && i < count; i++) {
		const xmlChar **attr = attrs + 5 * i;

		own[i].name = keep_text(builder, attr[0]);
		own[i].value = keep(builder, attr[3], (size_t)(attr[4] - attr[3]));
	}
	node->attrs = own;
	node->attr_count = own ? count : 0;
}

static void begin(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *space, int space_count, const xmlChar **spaces,
		  int attr_count, int defaulted, const xmlChar **attrs)
{
	struct builder *builder = ctx;
	struct gabi_xml_node *node;

	(void)prefix;
	(void)space_count;
	(void)spaces;
	(void)defaulted;
	if (builder->err)
		return;
	if (builder->depth == GABI_XML_MAX_DEPTH || builder->nodes == GABI_XML_MAX_NODES) {
		stop(builder, gabi_fail(builder->diag, GABI_ERR_LIMIT, "the XML ",
					builder->depth == GABI_XML_MAX_DEPTH ? "is nested too deeply" : "has more than 65536 elements",
					(char *)NULL));
		return;
	}
	node = get(builder, sizeof(*node));
	if (!node)
		return;
	node->name = keep_text(builder, name);
	node->space = keep_text(builder, space);
	node->text = "";
	node->line = builder->parser->input ? (uint32_t)builder->parser->input->line : 0;
	take_attributes(builder, node, (size_t)attr_count, attrs);
	if (builder->depth) {
		struct open *up = &builder->open[builder->depth - 1];

		node->up = up->node;
		*up->next = node;
		up->next = &node->next;
	} else {
		builder->xml->root = node;
	}
	builder->open[builder->depth++] = (struct open){ node, &node->child };
	builder->nodes++;
	builder->text_len = 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *space)
{
	struct builder *builder = ctx;
	struct gabi_xml_node *node;
	size_t first = 0, last = builder->text_len;

	(void)name;
	(void)prefix;
	(void)space;
	if (builder->err || !builder->depth)
		return;
	node = builder->open[--builder->depth].node;
	while (first < last && is_space(builder->text[first]))
		first++;
	while (last > first && is_space(builder->text[last - 1]))
		last--;
	if (!node->child && first < last)
		node->text = keep(builder, (const xmlChar *)builder->text + first, last - first);
	builder->text_len = 0;
}

static void characters(void *ctx, const xmlChar *text, int len)
{
	struct builder *builder = ctx;
	const struct gabi_mem *mem = &builder->xml->mem;
	size_t wanted = builder->text_len + (size_t)len, cap = builder->text_cap ? builder->text_cap : 256;

	if (builder->err)
		return;
	while (cap < wanted)
		cap *= 2; /* bounded by the length of the whole */
	if (cap > builder->text_cap) {
		char *grown = mem->resize(mem->ctx, builder->text, cap);

		if (!grown) {
			stop_for_memory(builder);
			return;
		}
		builder->text = grown;
		builder->text_cap = cap;
	}
	memcpy(builder->text + builder->text_len, text, (size_t)len);
	builder->text_len = wanted;
}

/* ---- errors ---- */

#if LIBXML_VERSION >= 21200
typedef const xmlError *error_ref;
#else
typedef xmlErrorPtr error_ref;
#endif

/* The first one counts. libxml2's sentences end with a line's end. */
static void syntax_error(void *ctx, error_ref error)
{
	struct builder *builder = ctx;
	char text[200];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	if (builder->err || error->level < XML_ERR_ERROR)
		return;
	for (const char *at = error->message ? error->message : ""; *at && *at != '\n'; at++)
		gabi_out_char(&out, *at);
	stop(builder, error->code == XML_ERR_NO_MEMORY ? GABI_ERR_NOMEM : GABI_ERR_SYNTAX);
	gabi_fail(builder->diag, builder->err, builder->err == GABI_ERR_NOMEM ? "out of memory" : "this is not XML: ",
		  builder->err == GABI_ERR_NOMEM ? "" : text, (char *)NULL);
	if (builder->diag && error->line > 0) {
		builder->diag->line = (uint32_t)error->line;
		builder->diag->column = error->int2 > 0 ? (uint32_t)error->int2 : 1;
	}
}

/* ---- the whole ---- */

static int parse(struct builder *builder, const char *text, size_t len)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	xmlParserCtxtPtr parser = xmlNewParserCtxt();
	xmlDocPtr doc;

	if (!parser)
		return gabi_fail(builder->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	memset(parser->sax, 0, sizeof(*parser->sax));
	parser->sax->initialized = XML_SAX2_MAGIC;
	parser->sax->internalSubset = refuse_doctype;
	parser->sax->startElementNs = begin;
	parser->sax->endElementNs = end;
	parser->sax->characters = characters;
	parser->sax->cdataBlock = characters;
	parser->sax->serror = (xmlStructuredErrorFunc)syntax_error;
	parser->userData = builder;
	builder->parser = parser;
	doc = xmlCtxtReadMemory(parser, text, (int)len, NULL, NULL, options);
	if (!builder->err && (!parser->wellFormed || !builder->xml->root))
		builder->err = gabi_fail(builder->diag, GABI_ERR_SYNTAX, "this is not XML", (char *)NULL);
	xmlFreeDoc(doc);
	xmlFreeParserCtxt(parser);
	return builder->err;
}

int gabi_xml_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_xml **ret_xml, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct builder builder = { .diag = diag };
	int err;

	if (len > GABI_XML_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the XML is longer than 4 MiB", (char *)NULL);
	if (!len)
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the text is empty", (char *)NULL);
	builder.xml = gabi_mem_get(&own, sizeof(*builder.xml));
	if (!builder.xml)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	builder.xml->mem = own;
	err = parse(&builder, text, len);
	gabi_mem_put(&own, builder.text);
	if (err)
		gabi_xml_free(builder.xml);
	else
		*ret_xml = builder.xml;
	return err;
}

const struct gabi_xml_node *gabi_xml_root(const struct gabi_xml *xml)
{
	return xml->root;
}

void gabi_xml_free(struct gabi_xml *xml)
{
	struct gabi_mem mem;

	if (!xml)
		return;
	mem = xml->mem;
	for (struct chunk *chunk = xml->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		gabi_mem_put(&mem, chunk);
	}
	gabi_mem_put(&mem, xml);
}
