/* SPDX-License-Identifier: MIT */
/* gabi hv: what the Hyper-V engine offers; its traces, explained and carried out again. */
#include "file.h"
#include "gabi.h"
#include "rows.h"
#include "save.h"
#include "vmcs.h"

#include <gabi/hv_trace.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* What the reader of a trace said: it came out otherwise, or the trace is no good. */
static enum status refused(const char *path, const struct gabi_diag *diag)
{
	enum status status = complain_diag(path, diag);

	return diag->err == GABI_ERR_CONFLICT ? STATUS_NO : status;
}

static enum status open_trace(const char *path, struct text *ret_text, struct gabi_hv_replay **ret_replay)
{
	struct gabi_diag diag;
	enum status status = file_read(path, ret_text);

	*ret_replay = NULL;
	if (status)
		return status;
	if (!gabi_hv_replay_new(ret_text->at, ret_text->len, NULL, ret_replay, &diag))
		return STATUS_YES;
	free(ret_text->at);
	ret_text->at = NULL;
	return complain_diag(path, &diag);
}

static void close_trace(struct text *text, struct gabi_hv_replay *replay)
{
	gabi_hv_replay_free(replay);
	free(text->at);
}

static void head_show(struct rows *rows, const struct gabi_hv_replay *replay)
{
	const struct gabi_hv *hv = gabi_hv_replay_engine(replay);
	char text[32];

	snprintf(text, sizeof(text), "%u", gabi_hv_vp_count(hv));
	rows_text(rows, "processors", "Virtual processors", text);
	snprintf(text, sizeof(text), "%u", gabi_hv_vtl_count(hv));
	rows_text(rows, "vtls", "Trust levels", text);
}

/* ---- show ---- */

static const struct column columns[] = {
	{ "CALL" }, { "TIME" }, { "VP" }, { "VTL" }, { "WHAT", .wraps = true }, { "RESULT", .wraps = true },
};

/* What the call changed and asked for, a row each below its own. */
static void turn_show(struct rows *rows, const struct gabi_hv_turn *turn)
{
	char text[1024];

	for (uint32_t i = 0; i < turn->changes; i++) {
		gabi_hv_change_what(&turn->change[i], text, sizeof(text));
		rows_add(rows, COLOR_NONE, (const char *[]){ "", "", "", "", text, "" });
	}
	for (uint32_t i = 0; i < turn->count; i++) {
		gabi_hv_act_what(turn, &turn->act[i], text, sizeof(text));
		rows_add(rows, COLOR_NONE, (const char *[]){ "", "", "", "", text, "" });
	}
}

static void step_show(struct rows *rows, const struct gabi_hv_step *step)
{
	char number[24], time[24], vp[8], vtl[8], what[512], result[256];

	snprintf(number, sizeof(number), "%" PRIu64, step->number);
	snprintf(time, sizeof(time), "%" PRIu64, step->now_100ns);
	snprintf(vp, sizeof(vp), "%u", step->vp);
	snprintf(vtl, sizeof(vtl), "%u", step->vtl);
	gabi_hv_step_what(step, what, sizeof(what));
	gabi_hv_step_result(step, result, sizeof(result));
	rows_add(rows, step->result < 0 ? COLOR_BAD : COLOR_NONE, (const char *[]){ number, time, vp, vtl, what, result });
	if (step->turn)
		turn_show(rows, step->turn);
}

static enum status hv_show(const struct args *args)
{
	struct gabi_hv_replay *replay;
	struct gabi_hv_step step;
	struct gabi_diag diag;
	struct text text;
	struct rows rows;
	enum status status = open_trace(args->file[0], &text, &replay);
	int more;

	if (status)
		return status;
	rows_begin(&rows, args->option[OPTION_JSON]);
	head_show(&rows, replay);
	rows_open(&rows, "calls", NULL, columns, COUNT_OF(columns));
	while ((more = gabi_hv_replay_step(replay, &step, &diag)) > 0)
		step_show(&rows, &step);
	rows_close(&rows);
	rows_end(&rows);
	close_trace(&text, replay);
	return more ? refused(args->file[0], &diag) : STATUS_YES;
}

/* ---- replay ---- */

/* --save-at: a call's number, or 0 for all of them; UINT64_MAX where it was not given. */
static enum status parse_save_at(const char *text, uint64_t *ret_at)
{
	char *end;

	*ret_at = UINT64_MAX;
	if (!text)
		return STATUS_YES;
	if (!strcmp(text, "all")) {
		*ret_at = 0;
		return STATUS_YES;
	}
	errno = 0;
	*ret_at = strtoull(text, &end, 10);
	if (text[0] >= '1' && text[0] <= '9' && !*end && !errno)
		return STATUS_YES;
	complain("hv replay: --save-at takes the number of a call, from 1 on, or 'all', and not '%s'", text);
	return STATUS_USAGE;
}

/* Replays to the end, saving before call number `save_at` or before each. 0, or the error that it ended with. */
static int run(struct gabi_hv_replay *replay, uint64_t save_at, uint64_t *ret_calls, uint64_t *ret_saves, struct gabi_diag *diag)
{
	struct gabi_hv_step step = { .number = 0 };
	int more;

	*ret_saves = 0;
	do {
		if (save_at == 0 || save_at == step.number + 1) {
			int err = gabi_hv_replay_move(replay, diag);

			if (err)
				return err;
			++*ret_saves;
		}
		more = gabi_hv_replay_step(replay, &step, diag);
	} while (more > 0);
	*ret_calls = step.number;
	return more;
}

static enum status hv_replay(const struct args *args)
{
	struct gabi_hv_replay *replay;
	uint64_t save_at, calls, saves;
	struct gabi_diag diag;
	struct text text;
	struct rows rows;
	enum status status = parse_save_at(args->option[OPTION_SAVE_AT], &save_at);
	char number[24];
	int err;

	if (status)
		return status;
	status = open_trace(args->file[0], &text, &replay);
	if (status)
		return status;
	err = run(replay, save_at, &calls, &saves, &diag);
	if (!err && save_at != UINT64_MAX && !saves) {
		complain("%s: there is no call %" PRIu64 " to save before; the trace has %" PRIu64, args->file[0], save_at, calls);
		close_trace(&text, replay);
		return STATUS_USAGE;
	}
	if (!err) {
		rows_begin(&rows, args->option[OPTION_JSON]);
		head_show(&rows, replay);
		snprintf(number, sizeof(number), "%" PRIu64, calls);
		rows_text(&rows, "calls", "Calls that came out the same", number);
		snprintf(number, sizeof(number), "%" PRIu64, saves);
		rows_text(&rows, "saves", "Saved and restored between them", number);
		rows_end(&rows);
	}
	close_trace(&text, replay);
	return err ? refused(args->file[0], &diag) : STATUS_YES;
}

/* ---- offer ---- */

/* What a VMM can promise that gives its guests this engine, as many processors and trust levels as it takes. */
static enum status hv_offer(const struct args *args)
{
	struct gabi_hv_config config = { .size = sizeof(config), .vp_count = GABI_HV_VPS_MAX, .vtl_count = GABI_HV_VTLS_MAX };
	struct gabi_host *offer;
	struct gabi_diag diag;
	enum status status;

	if (gabi_hv_engine_offer(&config, NULL, &offer, &diag))
		return complain_diag(NULL, &diag);
	status = save_host(args, offer);
	gabi_host_free(offer);
	return status;
}

enum status run_hv(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "offer", hv_offer, 0, 0, "offer" },
		{ "replay", hv_replay, 1, 1, "replay [--save-at CALL|all] TRACE" },
		{ "show", hv_show, 1, 1, "show TRACE" },
	};

	if (args->option[OPTION_SAVE_AT] && args->files && strcmp(args->file[0], "replay")) {
		complain("hv %s: --save-at is an option of 'replay'", args->file[0]);
		return STATUS_USAGE;
	}
	return run_sub("hv", subs, COUNT_OF(subs), args);
}
