/* SPDX-License-Identifier: MIT */
/*
 * What QEMU's -cpu argument asks for: "Cascadelake-Server,hv-relaxed,-vmx-tsc-scaling,enforce".
 *
 * Read as QEMU reads it: "name" and "name=value" in order, then all "+name", then all "-name", so that -f beats +f beats f=on
 * wherever they stand; then what depends on a feature that is off is off too. What QEMU refuses is refused here.
 */
#ifndef GABI_CPU_STRING_H
#define GABI_CPU_STRING_H

#include <gabi/err.h>
#include <gabi/mem.h>
#include <gabi/model.h>

GABI_BEGIN

struct gabi_cpu;

#define GABI_CPU_MAX_LEN 16384 /* bytes of an argument; longer is GABI_ERR_LIMIT */

/*
 * Reads the argument, with or without "-cpu " before it; own (or NULL) has models beside the built-in ones. An unknown model or name is GABI_ERR_UNKNOWN and the sentence gives the
 * nearest ones; a value that QEMU would not take is GABI_ERR_RANGE; a Hyper-V flag without those that it needs is
 * GABI_ERR_CONFLICT.
 */
GABI_API int gabi_cpu_parse(const char *text, size_t len, const struct gabi_model_set *own, const struct gabi_mem *mem,
			    struct gabi_cpu **ret_cpu, struct gabi_diag *diag);
GABI_API void gabi_cpu_free(struct gabi_cpu *cpu); /* NULL is fine */

/* 1 if QEMU's x86 CPUs have a property of that name, with hyphens or underscores. */
GABI_API int gabi_cpu_has_property(const char *name);

/* QEMU's model, aliases and models that it does not have resolved; NULL for "base", "host" and "max". */
GABI_API const struct gabi_model *gabi_cpu_model(const struct gabi_cpu *cpu);

/* 1 where all that the host has is asked for: "host" and "max". */
GABI_API int gabi_cpu_takes_host(const struct gabi_cpu *cpu);

/* What is asked for, sorted by key: the model's words with the changes, and levels raised to what the features want. Of host
 * and max, the changes alone. */
GABI_API const struct gabi_word *gabi_cpu_words(const struct gabi_cpu *cpu, size_t *ret_count);

/* The bits that the argument itself speaks of, on or off, as ones. Sorted by key. */
GABI_API const struct gabi_word *gabi_cpu_named(const struct gabi_cpu *cpu, size_t *ret_count);

/* The value of a property that is no bit of the guest's ("pmu", "enforce", "tsc-freq"), as written, "on" where none was;
 * NULL where the argument does not have it. */
GABI_API const char *gabi_cpu_option(const struct gabi_cpu *cpu, const char *name);

/* What a person should know and QEMU would only warn of, one sentence each. */
GABI_API size_t gabi_cpu_note_count(const struct gabi_cpu *cpu);
GABI_API const char *gabi_cpu_note(const struct gabi_cpu *cpu, size_t at);

GABI_END
#endif
