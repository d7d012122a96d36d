/* SPDX-License-Identifier: MIT */
/*
 * Named CPU models: lists of names, as QEMU's -cpu knows them. The rows of data/models, expanded at build time.
 *
 * A model is no promise by itself: what a guest of that model sees depends on the VMM and the host too
 * (gabi/cpu_string.h). A model's name never changes its meaning; a new meaning is a new version, with a row of its own.
 */
#ifndef GABI_MODEL_H
#define GABI_MODEL_H

#include <gabi/err.h>
#include <gabi/mem.h>
#include <gabi/word.h>

GABI_BEGIN

struct gabi_model {
	const char *name;    /* "Cascadelake-Server-v5" */
	const char *parent;  /* the model that its row differs from; "" if it stands alone */
	const char *changes; /* what the row says: "name", "-name" and "name=value", parted by spaces */
	const char *model_id; /* the text of CPUID 0x80000002 to 0x80000004; "" for the parent's */
	const char *source;  /* "QEMU 7.2", "libvirt 9.0": the oldest release that was seen to have it; "gabi": a composite of our own; "user": of a set */
	enum gabi_arch arch;
};

/* A second name of a model: "Cascadelake-Server" is Cascadelake-Server-v1. */
struct gabi_model_alias {
	const char *name, *model;
	const char *source;
};

/* All models, those of x86 first; a parent stands before its children. */
GABI_API const struct gabi_model *gabi_models(size_t *ret_count);
GABI_API const struct gabi_model_alias *gabi_model_aliases(size_t *ret_count);

/* The model of that name or alias, in upper and lower case as written; NULL if there is none. */
GABI_API const struct gabi_model *gabi_model_find(const char *name);

/*
 * What the model's names set, sorted by key: CPUID and feature MSRs, or ID registers, with vp GABI_VP_ALL. A bit that is not set is off.
 * Of the VMX control MSRs these are the may-be-1 bits of the names alone: what must be 1 is of the CPU, not of a model.
 * vmx itself is not among a model's names (QEMU has it off unless asked for), its VMX features are.
 */
GABI_API const struct gabi_word *gabi_model_words(const struct gabi_model *model, size_t *ret_count);

/*
 * Models of a user's own, beside the built-in ones: a name for a model and what differs from it, for a fleet's golden CPU or for one
 * that is to come. Wherever a set is taken NULL is the built-in models alone. A set is not changed while others read it.
 */
struct gabi_model_set;

#define GABI_MODEL_SET_MAX 1024 /* models of one set */

GABI_API int gabi_model_set_new(const struct gabi_mem *mem, struct gabi_model_set **ret_set);
GABI_API void gabi_model_set_free(struct gabi_model_set *set); /* NULL is fine */

/*
 * Adds a copy of the row, whose source and arch do not matter. Its parent is built in or was added before. changes are "name", "-name" and "name=value" for
 * anything that -cpu has a property for, hv-relaxed as well as avx2; level is the least, as in the built-in rows.
 *
 * GABI_ERR_DUPLICATE: the name, or one of the changes, is taken; GABI_ERR_UNKNOWN: there is no such parent or property, with the nearest
 * names; GABI_ERR_SYNTAX: it is no name; otherwise as gabi_cpu_parse.
 */
GABI_API int gabi_model_set_add(struct gabi_model_set *set, const struct gabi_model *row, struct gabi_diag *diag);

/* Those that were added, in their order; pointers hold until the next one is. */
GABI_API const struct gabi_model *gabi_model_set_models(const struct gabi_model_set *set, size_t *ret_count);

/* The model of that name in the set, or else as gabi_model_find. */
GABI_API const struct gabi_model *gabi_model_set_find(const struct gabi_model_set *set, const char *name);

/* Always GABI_ERR_UNKNOWN, with the sentence that there is no such model and the nearest names. */
GABI_API int gabi_model_unknown(const struct gabi_model_set *set, const char *name, struct gabi_diag *diag);

/*
 * The argument of -cpu in words that QEMU has: a model that it does not have (of the set, or of source "gabi") becomes that model's nearest
 * ancestor that it has, and what differs; a set of Hyper-V flags becomes these. *ret_text is to be freed with mem.
 */
GABI_API int gabi_model_set_argument(const struct gabi_model_set *set, const char *text, size_t len, const struct gabi_mem *mem,
				     char **ret_text, struct gabi_diag *diag);

/*
 * Hyper-V flags that go together: what a tool gives a Windows guest. In a -cpu argument the name of a set stands for its flags, and
 * can be taken for a model too: that is "host" with them.
 */
struct gabi_hyperv_set {
	const char *name;   /* "hyperv-kubevirt" */
	const char *flags;  /* properties of QEMU, "name" and "name=value", parted by spaces; what a flag needs stands before it */
	const char *source; /* of which tool, and where it says so */
};

GABI_API const struct gabi_hyperv_set *gabi_hyperv_sets(size_t *ret_count);
GABI_API const struct gabi_hyperv_set *gabi_hyperv_set_find(const char *name); /* NULL if there is none */

GABI_END
#endif
