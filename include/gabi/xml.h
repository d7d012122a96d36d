/* SPDX-License-Identifier: MIT */
/*
 * libgabi-xml: an XML text as a tree. By libxml2, which nothing else of gabi needs: readers of XML (gabi/libvirt.h) take the
 * tree, so that a program which has another parser can make the tree itself.
 *
 * The text may be anybody's. A document type, and with it every entity but the five that XML has itself, is refused; nothing
 * is ever loaded; length, depth and the number of elements are bounded.
 */
#ifndef GABI_XML_H
#define GABI_XML_H

#include <gabi/err.h>
#include <gabi/mem.h>

GABI_BEGIN

#define GABI_XML_MAX_LEN   (4u << 20) /* bytes of a text: what libvirt itself passes on at most (REMOTE_STRING_MAX) */
#define GABI_XML_MAX_NODES 65536
#define GABI_XML_MAX_DEPTH 64

struct gabi_xml_attr {
	const char *name; /* without a prefix */
	const char *value;
};

struct gabi_xml_node {
	const char *name; /* without a prefix */
	const char *space; /* the namespace; "" if none */
	const char *text; /* of an element without elements, less the white space around it; else "" */
	const struct gabi_xml_attr *attrs;
	size_t attr_count;
	const struct gabi_xml_node *up, *child, *next; /* the first child, the next sibling */
	uint32_t line; /* where its tag ends, from 1; 0 if not known */
};

struct gabi_xml;

GABI_API int gabi_xml_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_xml **ret_xml,
			   struct gabi_diag *diag);
GABI_API const struct gabi_xml_node *gabi_xml_root(const struct gabi_xml *xml);
GABI_API void gabi_xml_free(struct gabi_xml *xml); /* NULL is fine */

GABI_END
#endif
