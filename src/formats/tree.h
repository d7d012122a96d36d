/* SPDX-License-Identifier: MIT */
/* Questions to a tree of gabi/xml.h, and refusals that say where in it. */
#ifndef GABI_FORMATS_TREE_H
#define GABI_FORMATS_TREE_H

#include <gabi/xml.h>

#include "base/base.h"

/* Elements of another namespace are nobody's here. */
bool gabi_tree_is(const struct gabi_xml_node *node, const char *name);
const struct gabi_xml_node *gabi_tree_child(const struct gabi_xml_node *node, const char *name); /* the first; NULL if none */
const struct gabi_xml_node *gabi_tree_next(const struct gabi_xml_node *node);                    /* the next of that name */
const char *gabi_tree_attr(const struct gabi_xml_node *node, const char *name);                  /* NULL if it has none */

/* How many elements of that name there are in the parent. */
size_t gabi_tree_count(const struct gabi_xml_node *node, const char *name);

/* Sets diag->where to the path of the node, with its line, and returns err. */
int gabi_tree_at(struct gabi_diag *diag, const struct gabi_xml_node *node, int err);

#define GABI_TREE_FAIL(diag, node, err, ...) gabi_tree_at(diag, node, gabi_fail(diag, err, __VA_ARGS__, (char *)NULL))

/* The attribute as one of `count` words; `usual` where it is missing. An unknown word is GABI_ERR_SCHEMA. */
int gabi_tree_word(const struct gabi_xml_node *node, const char *attr, const char *const *words, size_t count, size_t usual,
		   size_t *ret_word, struct gabi_diag *diag);

/* The attribute as a decimal number (or 0x, where `any_base`) of at most max; `usual` where it is missing. */
int gabi_tree_number(const struct gabi_xml_node *node, const char *attr, bool any_base, uint64_t max, uint64_t usual,
		     uint64_t *ret_number, struct gabi_diag *diag);

/* A decimal number of at most max, and nothing else. */
bool gabi_tree_decimal(const char *text, uint64_t max, uint64_t *ret_number);

#endif
