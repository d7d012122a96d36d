/* SPDX-License-Identifier: MIT */
/* gabi verify: carry a contract out on this machine, and let a guest look. */
#include "findings.h"
#include "load.h"
#include "save.h"

#include <gabi/kvm.h>

#include <inttypes.h>
#include <stdio.h>

static void sight_name(const struct gabi_kvm_sight *sight, char *out, size_t cap)
{
	if (sight->field)
		gabi_field_print(sight->field, &sight->key, out, cap);
	else
		snprintf(out, cap, "bits %u to %u", sight->lo, sight->lo + sight->bits - 1u);
}

static void print_sights(const struct gabi_kvm_testimony *testimony)
{
	static const struct column columns[] = { { "WHAT", .wraps = true }, { "KEY" }, { "PROMISED" }, { "GUEST SEES" } };
	struct table *table = table_new(columns, sizeof(columns) / sizeof(*columns));
	size_t count;
	const struct gabi_kvm_sight *sight = gabi_kvm_testimony_sights(testimony, &count);

	if (count)
		putchar('\n');
	for (size_t i = 0; i < count; i++) {
		char name[160], key[64], want[40], seen[40] = "a fault";

		sight_name(&sight[i], name, sizeof(name));
		gabi_key_print(&sight[i].key, key, sizeof(key));
		snprintf(want, sizeof(want), "0x%" PRIx64, sight[i].want);
		if (!sight[i].faulted)
			snprintf(seen, sizeof(seen), "0x%" PRIx64, sight[i].seen);
		table_row(table, COLOR_BAD, (const char *[]){ name, key, sight[i].promised ? want : "-", seen });
	}
	table_print(table);
}

static void print_trial(const char *title, const struct gabi_kvm_trial *trial)
{
	char text[TITLE_LEN + 128];
	size_t count;

	if (trial->outcome == GABI_KVM_REFUSED) {
		snprintf(text, sizeof(text), "%s on this machine: refused", title);
		print_headline(COLOR_BAD, text);
		return;
	}
	gabi_kvm_testimony_sights(trial->testimony, &count);
	snprintf(text, sizeof(text), "%s on this machine: %s; a guest looked at %zu words, and %zu fields are not as promised", title,
		 gabi_kvm_outcome_text(trial->outcome), gabi_kvm_testimony_words(trial->testimony), count);
	print_headline(count ? COLOR_BAD : COLOR_GOOD, text);
	print_sights(trial->testimony);
}

static void print_json(const struct gabi_report *report, const struct gabi_kvm_trial *trial)
{
	size_t count = 0;
	const struct gabi_kvm_sight *sight = trial->testimony ? gabi_kvm_testimony_sights(trial->testimony, &count) : NULL;

	printf("{\"verdict\":\"%s\",\"outcome\":\"%s\",\"words\":%zu,\"sights\":[", gabi_verdict_text(gabi_report_verdict(report)),
	       gabi_kvm_outcome_text(trial->outcome), trial->testimony ? gabi_kvm_testimony_words(trial->testimony) : 0);
	for (size_t i = 0; i < count; i++) {
		char name[160], key[64];

		sight_name(&sight[i], name, sizeof(name));
		gabi_key_print(&sight[i].key, key, sizeof(key));
		printf("%s\n{\"what\":\"%s\",\"key\":\"%s\",\"listed\":%s,\"promised\":\"0x%" PRIx64 "\",\"faulted\":%s,\"seen\":\"0x%" PRIx64 "\"}",
		       i ? "," : "", name, key, sight[i].promised ? "true" : "false", sight[i].want,
		       sight[i].faulted ? "true" : "false", sight[i].seen);
	}
	puts("]}");
}

static enum status tell(const struct args *args, const struct gabi_contract *contract, const struct gabi_report *report,
			const struct gabi_kvm_trial *trial)
{
	char title[TITLE_LEN];

	contract_title(contract, args->file[0], title);
	if (args->option[OPTION_JSON])
		print_json(report, trial);
	else
		print_trial(title, trial);
	if (trial->outcome == GABI_KVM_REFUSED)
		return complain_diag(NULL, &trial->refusal);
	return trial->outcome == GABI_KVM_HELD ? STATUS_YES : STATUS_NO;
}

static enum status try_checked(const struct args *args, const struct gabi_contract *contract, const struct gabi_host *host,
			       const struct gabi_report *report)
{
	bool fits = gabi_report_verdict(report) <= GABI_FITS_WITH_ACTIONS;
	struct gabi_kvm_trial trial;
	struct gabi_diag diag = { 0 };
	enum status status;

	if (!fits && !args->option[OPTION_FORCE]) {
		char counts[128];

		count_findings(report, counts, sizeof(counts));
		complain("the contract on this machine: %s: %s; 'gabi check' with the manifest of 'gabi probe' lists them, and --force "
			 "tries it all the same", gabi_verdict_text(gabi_report_verdict(report)), counts);
		return STATUS_NO;
	}
	if (gabi_kvm_try(contract, host, fits ? report : NULL, NULL, &trial, &diag))
		return complain_diag(NULL, &diag);
	status = tell(args, contract, report, &trial);
	gabi_kvm_testimony_free(trial.testimony);
	return status || fits ? status : STATUS_NO;
}

enum status run_verify(const struct args *args)
{
	struct gabi_contract *contract = NULL;
	struct gabi_host *host = NULL;
	struct gabi_report *report;
	struct gabi_diag diag = { 0 };
	enum status status = load_contract(args->file[0], &contract);

	if (!status && gabi_kvm_probe(NULL, NULL, &host, &diag))
		status = complain_diag(NULL, &diag);
	if (!status && gabi_check(contract, host, &report, &diag)) {
		status = complain_diag(args->file[0], &diag);
	} else if (!status) {
		status = try_checked(args, contract, host, report);
		gabi_report_free(report);
	}
	gabi_contract_free(contract);
	gabi_host_free(host);
	return status;
}
