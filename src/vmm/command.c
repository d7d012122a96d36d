/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "formats/load.h"

#include <string.h>

enum { TAKES_VP = 1, TAKES_VTL = 2, TAKES_FILE = 4, NEEDS_FILE = 12, TAKES_DOWNTIME = 16, NEEDS_SOCKET = 36 };
enum kind { AT_ONCE, JOB };

static const struct {
	const char *name, *what;
	unsigned char takes, kind;
} commands[VMM_COMMANDS] = {
#define VMM_COMMAND(id, name, takes, kind, what) { name, what, takes, kind },
#include "command.def"
};

const char *vmm_command_name(enum vmm_command command)
{
	return commands[command].name;
}

const char *vmm_command_what(enum vmm_command command)
{
	return commands[command].what;
}

bool vmm_command_is_job(enum vmm_command command)
{
	return commands[command].kind == JOB;
}

bool vmm_command_takes_file(enum vmm_command command)
{
	return commands[command].takes & TAKES_FILE;
}

bool vmm_command_needs_file(enum vmm_command command)
{
	return (commands[command].takes & NEEDS_FILE) == NEEDS_FILE;
}

bool vmm_command_needs_socket(enum vmm_command command)
{
	return (commands[command].takes & NEEDS_SOCKET) == NEEDS_SOCKET;
}

/* ---- requests ---- */

static int take_number(struct gabi_value value, const struct gabi_step *step, uint32_t *ret_number, struct gabi_diag *diag)
{
	if (gabi_value_uint(value, ret_number))
		return 0;
	return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "is no whole number from 0 to 4294967295");
}

static int find_command(struct gabi_slice name, enum vmm_command *ret_command, struct gabi_diag *diag)
{
	static const struct gabi_step step = GABI_STEP("do");

	for (unsigned i = 0; i < VMM_COMMANDS; i++) {
		if (gabi_slice_is(name, commands[i].name)) {
			*ret_command = i;
			return 0;
		}
	}
	return GABI_LOAD_FAIL(diag, &step, GABI_ERR_UNKNOWN, "there is no such command");
}

/* A number that only some commands take; absent, it is 0. */
static int take_of_command(struct gabi_value value, const struct gabi_step *step, const struct vmm_order *request, unsigned takes,
			   uint32_t *ret_number, struct gabi_diag *diag)
{
	if (!value.at)
		return 0;
	if (!(commands[request->command].takes & takes))
		return GABI_LOAD_FAIL(diag, step, GABI_ERR_SCHEMA, "the command ", commands[request->command].name, " takes none");
	return take_number(value, step, ret_number, diag);
}

/* The id first: an error is told with it. */
static int take_members(struct gabi_value root, struct vmm_order *request, struct gabi_diag *diag)
{
	static const struct gabi_member members[] = {
		{ "do", GABI_TYPE_TEXT, true }, { "id", GABI_TYPE_NUMBER, false },
		{ "vp", GABI_TYPE_NUMBER, false }, { "vtl", GABI_TYPE_NUMBER, false },
		{ "downtime", GABI_TYPE_NUMBER, false },
	};
	static const struct gabi_step id_step = GABI_STEP("id"), vp_step = GABI_STEP("vp"), vtl_step = GABI_STEP("vtl"),
				      downtime_step = GABI_STEP("downtime");
	struct gabi_value value[GABI_COUNT_OF(members)], id = gabi_load_find(root, "id");
	int err;

	request->has_id = id.at && gabi_value_uint(id, &request->id);
	err = gabi_load_members(root, NULL, members, GABI_COUNT_OF(members), value, diag);
	if (!err && value[1].at)
		err = take_number(value[1], &id_step, &request->id, diag);
	if (!err)
		err = find_command(gabi_value_raw(value[0]), &request->command, diag);
	if (!err)
		err = take_of_command(value[2], &vp_step, request, TAKES_VP, &request->vp, diag);
	if (!err)
		err = take_of_command(value[3], &vtl_step, request, TAKES_VTL, &request->vtl, diag);
	return err ? err : take_of_command(value[4], &downtime_step, request, TAKES_DOWNTIME, &request->downtime, diag);
}

int vmm_order_read(const char *line, size_t len, struct vmm_order *ret_request, struct gabi_diag *diag)
{
	struct gabi_value root;
	int err;

	*ret_request = (struct vmm_order){ .file = -1 };
	err = gabi_load(line, len, &root, diag);
	if (!err)
		err = gabi_load_type(root, NULL, GABI_TYPE_OBJECT, diag);
	return err ? err : take_members(root, ret_request, diag);
}

/* ---- answers ---- */

static int put(void *ctx, const char *text, size_t len)
{
	struct vmm_line *line = ctx;

	if (len > line->cap - line->len)
		return 1;
	memcpy(line->at + line->len, text, len);
	line->len += len;
	return 0;
}

static void begin(struct vmm_answer *answer, struct vmm_line *line)
{
	*answer = (struct vmm_answer){ .json = { .sink = put, .ctx = line }, .line = line, .start = line->len };
	gabi_json_open(&answer->json, NULL, '{');
}

static void end(struct vmm_answer *answer)
{
	gabi_json_close(&answer->json, '}');
	gabi_json_raw(&answer->json, "\n", 1);
	if (!answer->json.stopped)
		return;
	answer->line->len = answer->start;
	answer->line->full = true;
}

static void put_id(struct gabi_json *json, const struct vmm_order *request)
{
	if (request->has_id)
		gabi_json_uint(json, "id", request->id);
}

void vmm_greet(struct vmm_line *line, const char *name)
{
	struct vmm_answer answer;

	begin(&answer, line);
	gabi_json_uint(&answer.json, "gabi-control", VMM_CONTROL_VERSION);
	gabi_json_text(&answer.json, "name", name);
	end(&answer);
}

void vmm_answer_open(struct vmm_answer *answer, struct vmm_line *line, const struct vmm_order *request, const char *key)
{
	begin(answer, line);
	put_id(&answer->json, request);
	gabi_json_open(&answer->json, key, '{');
}

void vmm_answer_close(struct vmm_answer *answer)
{
	gabi_json_close(&answer->json, '}');
	end(answer);
}

void vmm_answer_drop(struct vmm_answer *answer)
{
	answer->line->len = answer->start;
}

void vmm_answer_error(struct vmm_line *line, const struct vmm_order *request, const char *kind, const char *text)
{
	struct vmm_answer answer;

	begin(&answer, line);
	gabi_json_open(&answer.json, "error", '{');
	gabi_json_text(&answer.json, "kind", kind);
	gabi_json_text(&answer.json, "text", text);
	gabi_json_close(&answer.json, '}');
	put_id(&answer.json, request);
	end(&answer);
}

static const char *kind_of(int err)
{
	switch (err) {
	case GABI_ERR_SYNTAX:
	case GABI_ERR_SCHEMA:
	case GABI_ERR_DUPLICATE:
	case GABI_ERR_LIMIT:
	case GABI_ERR_RANGE:
	case GABI_ERR_ARG:
		return "request";
	case GABI_ERR_UNKNOWN:
		return "unknown";
	case GABI_ERR_CONFLICT:
		return "state";
	default:
		return "refused";
	}
}

void vmm_answer_diag(struct vmm_line *line, const struct vmm_order *request, const struct gabi_diag *diag)
{
	char text[sizeof(diag->where) + sizeof(diag->text) + 3];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, diag->where);
	gabi_out_text(&out, *diag->where ? ": " : "");
	gabi_out_text(&out, *diag->text ? diag->text : gabi_err_text(diag->err));
	vmm_answer_error(line, request, kind_of(diag->err), text);
}

void vmm_json_count(struct gabi_json *json, const char *key, uint64_t number)
{
	const uint64_t largest = (UINT64_C(1) << 53) - 1;
	char text[24];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_json_key(json, key);
	gabi_out_dec(&out, number < largest ? number : largest);
	gabi_json_raw(json, text, out.len);
}
