/* SPDX-License-Identifier: MIT */
/* CPU models, built in and of the user's own files, and -cpu arguments. */
#ifndef GABI_TOOL_MODELS_H
#define GABI_TOOL_MODELS_H

#include "gabi.h"

#include <gabi/cpu_string.h>

/* The models of --models, a file or a folder of them; NULL where the option is not given. */
enum status models_load(const struct args *args, struct gabi_model_set **ret_set);

/* Reads a -cpu argument; its notes go to standard error. */
enum status cpu_parse(const char *text, const struct gabi_model_set *own, struct gabi_cpu **ret_cpu);

/* gabi model fit */
enum status model_fit(const struct args *args, const struct gabi_model_set *own);

#endif
