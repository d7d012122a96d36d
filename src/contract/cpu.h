/* SPDX-License-Identifier: MIT */
/* A -cpu argument on a host and a machine: what these make of the model, around what the argument says. */
#ifndef GABI_CONTRACT_CPU_H
#define GABI_CONTRACT_CPU_H

#include <gabi/cpu_string.h>

#include "base/base.h"

/* A property that is set behind the model and before the argument. The value lives as long as the CPU. */
struct gabi_cpu_preset {
	const char *name, *value;
};

struct gabi_cpu_frame {
	const struct gabi_cpu_preset *presets;
	size_t preset_count;
	/* Called behind the argument and before dependencies are taken and levels raised; NULL: nothing is added. */
	int (*fill)(void *ctx, struct gabi_cpu *cpu, struct gabi_diag *diag);
	void *ctx;
};

/* The argument is in QEMU's words, as gabi_model_set_argument leaves it. */
int gabi_cpu_parse_in(const char *argument, const struct gabi_cpu_frame *frame, const struct gabi_mem *mem, struct gabi_cpu **ret_cpu,
		      struct gabi_diag *diag);

/* Of the CPU, for fill: sets the bits of a word, adding it as needed; the bits that the argument speaks of. */
int gabi_cpu_or(struct gabi_cpu *cpu, const struct gabi_key *key, uint64_t bits);
uint64_t gabi_cpu_named_bits(const struct gabi_cpu *cpu, const struct gabi_key *key);

/* Does QEMU's -cpu know the name; and is it one that + and - switch? */
bool gabi_cpu_knows(const char *name);
bool gabi_cpu_is_feature(const char *name);

/* The same as QEMU's parsers: 1, 0, or -1 for neither; digits in three bases. */
int gabi_switch_of(const char *value);
bool gabi_number_of(const char *text, uint64_t *ret_value);

#endif
