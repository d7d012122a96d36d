/* SPDX-License-Identifier: MIT */
/* Module parameters that take something away from guests: the rows of data/changes/module.def. */
#ifndef GABI_MODULE_H
#define GABI_MODULE_H

#include <gabi/facts.h>

#include "base/base.h"

struct gabi_module {
	const char *fact; /* "module.kvm_intel.nested" */
	const char *off;  /* values that take away, parted by spaces */
	const char *on;   /* one that does not */
	const char *wants; /* of the CPU, without which the parameter is off; "": nothing */
};

/* The parameters that can take those bits of a word away, one a call: *at starts at 0. NULL after the last. */
const struct gabi_module *gabi_module_next(const struct gabi_key *key, uint64_t bits, size_t *at);

/* 1 if the facts say that the parameter takes away, 0 if not, -1 if they do not tell. */
int gabi_module_is_off(const struct gabi_module *module, const struct gabi_facts *facts);

/* Is there a row for the fact of that name? */
bool gabi_module_matters(const char *fact);

/* "kvm_intel.nested", and back; NULL if there is no row. */
const char *gabi_module_param(const struct gabi_module *module);
const struct gabi_module *gabi_module_of(const char *param);

#endif
