/* SPDX-License-Identifier: MIT */
/* Findings for people: the same finding of many hosts is one, and findings that differ only in their name are one line. */
#ifndef GABI_TOOL_FINDINGS_H
#define GABI_TOOL_FINDINGS_H

#include "gabi.h"
#include "table.h"

#include <gabi/verdict.h>

#include <stdint.h>

struct findings;

/* One line: findings of the same kind, values, cause and remedy. */
struct line {
	const struct gabi_finding *finding; /* the first of them */
	char *names;                        /* of all of them, the most important first */
	size_t name_count;
	const uint32_t *hosts;              /* which have it, in ascending order */
	size_t host_count;
	char want[48], have[48], cause[96];
	char topic[96];                     /* what stands before the names, or "" */
	char *remedy;
};

struct findings *findings_new(void);
void findings_free(struct findings *findings);

/* Adds the findings of one host's report that weigh at least so much. The rest is counted. False if memory is short. */
bool findings_take(struct findings *findings, const struct gabi_report *report, size_t host, unsigned least_weight);

/* Says how many were left out, if any. */
void findings_print_left_out(const struct findings *findings);

/* The lines, heaviest first. NULL if memory is short. */
const struct line *findings_lines(struct findings *findings, size_t *ret_count);

/* The remedy of a line; "the same" where the line above in its section has it already. */
const char *remedy_of(const struct line *lines, size_t at);

/* "3 block it, 2 are unknown": how many findings of each weight there are. */
void count_findings(const struct gabi_report *report, char *out, size_t cap);

/* The verdict on one host, with its findings. Titles as contract_title and host_title make them. */
enum status print_verdict(const char *contract, const char *host, struct gabi_report *report);

enum color color_of_weight(unsigned weight);
enum color color_of_verdict(unsigned verdict);

#endif
