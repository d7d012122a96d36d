/* SPDX-License-Identifier: MIT */
#ifndef GABI_FORMATS_LIBVIRT_HOST_H
#define GABI_FORMATS_LIBVIRT_HOST_H

#include <gabi/model.h>
#include <gabi/vocab.h>

#include "base/base.h"

#define GABI_LIBVIRT_FEATURES 512 /* there are some 430 */

/* A model, and what differs from it; names are QEMU's. */
struct gabi_libvirt_feature {
	const char *name;
	bool on;
};

struct gabi_libvirt_cpu {
	const char *model;
	size_t count;
	struct gabi_libvirt_feature features[GABI_LIBVIRT_FEATURES];
};

/*
 * The model that libvirt takes for a CPU with these words, which are what QEMU's host CPU gives a guest, and every feature that it then names.
 * usable says whether the QEMU that is used has the model. False where no model is of that vendor.
 */
bool gabi_libvirt_decode(const struct gabi_word *word, size_t count, bool (*usable)(void *ctx, const struct gabi_model *model, const char *name),
			 void *ctx, struct gabi_libvirt_cpu *ret_cpu);

/*
 * Compares a CPU that is asked for with a host, as x86Compute: what of the model the host lacks, and what the host has beyond it.
 * is_named says of a feature by QEMU's name whether the domain speaks of it, so that it counts for neither.
 */
struct gabi_libvirt_difference {
	const struct gabi_field *missing, *extra; /* the first of each; NULL if there is none */
	size_t missing_count, extra_count;
};
struct gabi_libvirt_difference gabi_libvirt_compare(const struct gabi_model *model, const struct gabi_word *word, size_t count,
						    bool (*is_named)(void *ctx, const char *name), void *ctx);

#endif
