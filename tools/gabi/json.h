/* SPDX-License-Identifier: MIT */
/* What --json prints. The objects are libgabi-formats'; the frame around several of them is here. */
#ifndef GABI_TOOL_JSON_H
#define GABI_TOOL_JSON_H

#include "load.h"

#include <gabi/verdict.h>

/* One report. */
enum status json_report(const struct gabi_report *report);

/* {"files":[{"file":NAME,"report":n},...],"reports":[...]}: each file, and the report of each distinct manifest once. */
enum status json_reports(const struct fleet *fleet, struct gabi_report *const *reports);

#endif
