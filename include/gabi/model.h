/* SPDX-License-Identifier: MIT */
/*
 * Named CPU models: lists of names, as QEMU's -cpu knows them. The rows of data/models, expanded at build time.
 *
 * A model is no promise by itself: what a guest of that model sees depends on the VMM and the host too
 * (gabi/cpu_string.h). A model's name never changes its meaning; a new meaning is a new version, with a row of its own.
 */
#ifndef GABI_MODEL_H
#define GABI_MODEL_H

#include <gabi/word.h>

GABI_BEGIN

struct gabi_model {
	const char *name;    /* "Cascadelake-Server-v5" */
	const char *parent;  /* the model that its row differs from; "" if it stands alone */
	const char *changes; /* what the row says: "name", "-name" and "name=value", parted by spaces */
	const char *source;  /* "QEMU 7.2": the oldest release that was seen to have it; "gabi": a composite of our own */
};

/* A second name of a model: "Cascadelake-Server" is Cascadelake-Server-v1. */
struct gabi_model_alias {
	const char *name, *model;
	const char *source;
};

/* All models; a parent stands before its children. */
GABI_API const struct gabi_model *gabi_models(size_t *ret_count);
GABI_API const struct gabi_model_alias *gabi_model_aliases(size_t *ret_count);

/* The model of that name or alias, in upper and lower case as written; NULL if there is none. */
GABI_API const struct gabi_model *gabi_model_find(const char *name);

/*
 * What the model's names set, sorted by key: CPUID and feature MSRs, with vp GABI_VP_ALL. A bit that is not set is off.
 * Of the VMX control MSRs these are the may-be-1 bits of the names alone: what must be 1 is of the CPU, not of a model.
 * vmx itself is not among a model's names (QEMU has it off unless asked for), its VMX features are.
 */
GABI_API const struct gabi_word *gabi_model_words(const struct gabi_model *model, size_t *ret_count);

GABI_END
#endif
