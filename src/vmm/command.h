/* SPDX-License-Identifier: MIT */
/* One line of a running guest's socket: a command read, and its answer written. No I/O. docs/control.md is the other half. */
#ifndef GABI_VMM_COMMAND_H
#define GABI_VMM_COMMAND_H

#include <gabi/err.h>

#include "base/json.h"

#define VMM_CONTROL_VERSION 1u    /* of the protocol */
#define VMM_LINE_MAX        4096u /* bytes of a line from a client, with its end */

enum vmm_command {
#define VMM_COMMAND(id, name, takes, kind, what) VMM_COMMAND_##id,
#include "command.def"
	VMM_COMMANDS
};

const char *vmm_command_name(enum vmm_command command);
const char *vmm_command_what(enum vmm_command command);
bool vmm_command_is_job(enum vmm_command command);
bool vmm_command_takes_file(enum vmm_command command);
bool vmm_command_needs_file(enum vmm_command command);
bool vmm_command_needs_socket(enum vmm_command command);

struct vmm_order {
	enum vmm_command command;
	bool has_id;
	uint32_t id; /* comes back with the answer */
	uint32_t vp, vtl, downtime; /* 0 where it was not said */
	int file;    /* the open file that came with it, the receiver's; -1: none */
};

/*
 * Reads a line, without its end. GABI_ERR_SYNTAX and GABI_ERR_SCHEMA for what is no request, GABI_ERR_UNKNOWN for a command that
 * there is not. The id is there also after a failure, if the line had one.
 */
int vmm_order_read(const char *line, size_t len, struct vmm_order *ret_request, struct gabi_diag *diag);

/* ---- answers ---- */

/* Lines into a buffer. What does not fit is not written at all, and told by `full`. */
struct vmm_line {
	char *at;
	size_t cap, len;
	bool full;
};

/* An answer in the making: open, then one of the others, then close. */
struct vmm_answer {
	struct gabi_json json;
	struct vmm_line *line;
	size_t start;
};

/* The first line of a connection. */
void vmm_greet(struct vmm_line *line, const char *name);

/* {"id":7,"result":{...}} or, with key "progress", what a job has done so far. The caller writes the members, in the order of their keys. */
void vmm_answer_open(struct vmm_answer *answer, struct vmm_line *line, const struct vmm_order *request, const char *key);
void vmm_answer_close(struct vmm_answer *answer);
void vmm_answer_drop(struct vmm_answer *answer); /* as if it had never been opened */

/* {"error":{"kind":...,"text":...},"id":7}; kind: see docs/control.md */
void vmm_answer_error(struct vmm_line *line, const struct vmm_order *request, const char *kind, const char *text);

/* The same for what a function said; diag->err may be any. */
void vmm_answer_diag(struct vmm_line *line, const struct vmm_order *request, const struct gabi_diag *diag);

/* A number of up to 53 bits, which is what JSON's readers keep; what is more becomes the largest. */
void vmm_json_count(struct gabi_json *json, const char *key, uint64_t number);

#endif
