/* SPDX-License-Identifier: MIT */
/* gabi plan: the ordered operations that put a contract onto a host. */
#include "findings.h"
#include "load.h"
#include "save.h"

#include <gabi/formats.h>

#include <inttypes.h>
#include <stdio.h>

static void add(struct table *table, size_t at, const struct gabi_op *op)
{
	static const char *const scopes[] = { "system", "VM", "VP" };
	const struct gabi_reg *reg = gabi_reg_of(&op->key);
	char number[24], key[64], value[48], scope[32];

	snprintf(number, sizeof(number), "%zu", at + 1);
	gabi_key_print(&op->key, key, sizeof(key));
	if (op->kind == GABI_OP_VERIFY)
		snprintf(value, sizeof(value), "0x%" PRIx64 " under 0x%" PRIx64, op->value, op->mask);
	else
		snprintf(value, sizeof(value), "0x%" PRIx64, op->value);
	if (op->vp == GABI_VP_ALL)
		snprintf(scope, sizeof(scope), "%s", op->scope <= GABI_SCOPE_VP ? scopes[op->scope] : "");
	else
		snprintf(scope, sizeof(scope), "VP %u", op->vp);
	table_row(table, COLOR_NONE,
		  (const char *[]){ number, gabi_op_text(op->kind), reg ? reg->name : "", key, value, scope,
				    op->before_run ? "before the first run" : "" });
}

/* Operations of one kind that a person wants to see as one: they make up one ioctl, or only read back. */
static size_t run_of(const struct gabi_op *op, size_t count)
{
	size_t run = 1;

	if (op->kind != GABI_OP_SET_CPUID && op->kind != GABI_OP_VERIFY && op->kind != GABI_OP_DROP_IF_EQUAL)
		return 1;
	while (run < count && op[run].kind == op->kind)
		run++;
	return run;
}

static void add_run(struct table *table, size_t at, const struct gabi_op *op, size_t run)
{
	char number[48], what[48];

	snprintf(number, sizeof(number), "%zu-%zu", at + 1, at + run);
	snprintf(what, sizeof(what), "%zu words", run);
	table_row(table, COLOR_NONE, (const char *[]){ number, gabi_op_text(op->kind), what, NULL, NULL, NULL,
						       op->before_run ? "before the first run" : "" });
}

static void print_plan(const struct args *args, const struct gabi_plan *plan, const char *contract, const char *host)
{
	static const struct column columns[] = {
		{ "STEP", .right = true }, { "OPERATION" }, { "REGISTER" }, { "KEY" }, { "VALUE" }, { "ONCE A" }, { "WHEN" },
	};
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	size_t count, run;
	const struct gabi_op *op = gabi_plan_ops(plan, &count);
	char text[3 * TITLE_LEN];

	snprintf(text, sizeof(text), "%s onto %s: %zu operations", contract, host, count);
	print_headline(COLOR_GOOD, text);
	putchar('\n');
	for (size_t i = 0; i < count; i += run) {
		run = args->option[OPTION_ALL] ? 1 : run_of(op + i, count - i);
		if (run > 1)
			add_run(table, i, op + i, run);
		else
			add(table, i, &op[i]);
	}
	table_print(table);
}

static enum status save_plan(const struct args *args, const struct gabi_plan *plan)
{
	char *text = NULL;
	size_t len = 0;
	int err = gabi_plan_write(plan, NULL, &text, &len);

	return save_text(args, err, text, len);
}

static void say_why_not(const struct gabi_report *report, const char *contract, const char *host)
{
	char counts[128];

	count_findings(report, counts, sizeof(counts));
	complain("there is no plan for %s on %s: %s: %s; 'gabi check' lists them", contract, host,
		 gabi_verdict_text(gabi_report_verdict(report)), counts);
}

static enum status plan_checked(const struct args *args, const struct gabi_contract *contract, const struct gabi_host *host,
				const struct gabi_report *report)
{
	char contract_name[TITLE_LEN], host_name[TITLE_LEN];
	struct gabi_diag diag = { 0 };
	struct gabi_plan *plan;
	enum status status = STATUS_YES;

	contract_title(contract, args->file[0], contract_name);
	host_title(host, args->file[1], host_name);
	if (gabi_report_verdict(report) > GABI_FITS_WITH_ACTIONS) {
		say_why_not(report, contract_name, host_name);
		return STATUS_NO;
	}
	if (gabi_plan_new(contract, host, report, NULL, &plan, &diag))
		return complain_diag(args->file[1], &diag);
	if (args->option[OPTION_JSON] || args->option[OPTION_OUTPUT])
		status = save_plan(args, plan);
	else
		print_plan(args, plan, contract_name, host_name);
	gabi_plan_free(plan);
	return status;
}

enum status run_plan(const struct args *args)
{
	struct gabi_contract *contract = NULL;
	struct gabi_host *host = NULL;
	struct gabi_report *report;
	struct gabi_diag diag = { 0 };
	enum status status = load_contract(args->file[0], &contract);

	if (!status)
		status = load_host(args, args->file[1], &host);
	if (!status && gabi_check(contract, host, &report, &diag))
		status = complain_diag(args->file[1], &diag);
	else if (!status) {
		status = plan_checked(args, contract, host, report);
		gabi_report_free(report);
	}
	gabi_contract_free(contract);
	gabi_host_free(host);
	return status;
}
