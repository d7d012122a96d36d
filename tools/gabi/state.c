/* SPDX-License-Identifier: MIT */
/* gabi state: the saved state of a VM, as gabi_kvm_save and gabi_state_write made it. */
#include "file.h"
#include "findings.h"
#include "json.h"
#include "load.h"
#include "rows.h"
#include "vmcs.h"

#include <gabi/formats.h>
#include <gabi/state.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static enum status load_state(const char *path, struct gabi_state **ret_state)
{
	struct gabi_diag diag = { 0 };
	struct text text = { 0 };
	enum status status = file_read(path, &text);

	if (status)
		return status;
	if (gabi_state_read(text.at, text.len, NULL, ret_state, &diag))
		status = complain_diag(path, &diag);
	free(text.at);
	return status;
}

/* ---- show ---- */

static const char *vp_text(unsigned vp, char text[16])
{
	if (vp == GABI_VP_ALL)
		return "VM";
	snprintf(text, 16, "%u", vp);
	return text;
}

static void show_head(struct rows *rows, const struct gabi_state *state)
{
	char digest[GABI_FORMATS_DIGEST_CAP], number[16];

	gabi_digest_print(gabi_state_digest(state), digest);
	snprintf(number, sizeof(number), "%u", gabi_state_vps(state));
	rows_text(rows, "arch", "Architecture", gabi_arch_text(gabi_state_arch(state)));
	rows_text(rows, "kernel", "Kernel", gabi_state_release(state));
	rows_text(rows, "vps", "Virtual processors", number);
	rows_text(rows, "contract", "Contract", digest);
}

static void show_parts(struct rows *rows, const struct gabi_state *state)
{
	static const struct column columns[] = { { "SECTION" }, { "VP" }, { "BYTES", .right = true }, { "WHAT", .wraps = true } };
	size_t count;
	const struct gabi_state_part *part = gabi_state_parts(state, &count);

	rows_open(rows, "sections", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		const struct gabi_state_row *row = gabi_state_row(part[i].kind);
		char vp[16], len[24];

		snprintf(len, sizeof(len), "%zu", part[i].len);
		rows_add(rows, COLOR_NONE, (const char *[]){ part[i].name, vp_text(part[i].vp, vp), len,
							      row ? row->what : "the VMM's own" });
	}
	rows_close(rows);
}

/* A register of several words is a line each. */
static void show_words(struct rows *rows, const struct gabi_state *state)
{
	static const struct column columns[] = { { "REGISTER" }, { "VP" }, { "VALUE", .right = true }, { "KEY" } };
	size_t count;
	const struct gabi_word *word = gabi_state_words(state, &count);

	rows_open(rows, "registers", NULL, columns, COUNT_OF(columns));
	for (size_t i = 0; i < count; i++) {
		const struct gabi_reg *reg = gabi_reg_of(&word[i].key);
		char vp[16], value[24], key[64];

		gabi_key_print(&word[i].key, key, sizeof(key));
		snprintf(value, sizeof(value), "0x%" PRIx64, word[i].value);
		rows_add(rows, COLOR_NONE, (const char *[]){ reg ? reg->name : "-", vp_text(word[i].vp, vp), value, key });
	}
	rows_close(rows);
}

static enum status state_show(const struct args *args)
{
	struct gabi_state *state = NULL;
	struct rows rows;
	enum status status = load_state(args->file[0], &state);

	if (status)
		return status;
	rows_begin(&rows, args->option[OPTION_JSON]);
	show_head(&rows, state);
	show_parts(&rows, state);
	show_words(&rows, state);
	rows_end(&rows);
	gabi_state_free(state);
	return STATUS_YES;
}

/* ---- check ---- */

static enum status judge(const struct args *args, const struct gabi_state *state, const struct gabi_contract *contract,
			 const struct gabi_host *host)
{
	char contract_name[TITLE_LEN], host_name[TITLE_LEN];
	struct gabi_report *report = NULL;
	struct gabi_diag diag = { 0 };
	enum status status;

	if (gabi_state_check(state, contract, host, &report, &diag))
		return complain_diag(args->file[0], &diag);
	contract_title(contract, args->file[1], contract_name);
	host_title(host, args->file[2], host_name);
	status = args->option[OPTION_JSON] ? json_report(report) : print_verdict(contract_name, host_name, report);
	if (!status && gabi_report_verdict(report) > GABI_FITS_WITH_ACTIONS)
		status = STATUS_NO;
	gabi_report_free(report);
	return status;
}

static enum status state_check(const struct args *args)
{
	struct gabi_contract *contract = NULL;
	struct gabi_state *state = NULL;
	struct gabi_host *host = NULL;
	enum status status = load_state(args->file[0], &state);

	if (!status)
		status = load_contract(args->file[1], &contract);
	if (!status)
		status = load_host(args, args->file[2], &host);
	if (!status)
		status = judge(args, state, contract, host);
	gabi_state_free(state);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return status;
}

enum status run_state(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "show", state_show, 1, 1, "show FILE" },
		{ "check", state_check, 3, 3, "check FILE CONTRACT HOST" },
	};

	return run_sub("state", subs, COUNT_OF(subs), args);
}
