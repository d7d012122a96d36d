/* SPDX-License-Identifier: MIT */
/* XML files. libgabi-xml is loaded when the first one comes: with libxml2 and what that needs, it would make every run later. */
#ifndef GABI_TOOL_XML_H
#define GABI_TOOL_XML_H

#include "file.h"
#include "gabi.h"

#include <gabi/xml.h>

/* Does it begin as XML does? */
bool is_xml(const struct text *text);

/* The tree of a text that came from the file; complains. */
enum status xml_parse(const char *path, const struct text *text, struct gabi_xml **ret_xml);
const struct gabi_xml_node *xml_root(const struct gabi_xml *xml);
void xml_free(struct gabi_xml *xml);

#endif
