/* SPDX-License-Identifier: MIT */
/*
 * Tries contracts on this machine, whatever the verdict is, and prints of each a line "trial" with file, verdict, outcome, the
 * heaviest finding and what KVM refused, and under it lines "sight" of what the guest saw otherwise. Static and alone, so that it runs in a machine that has
 * nothing else.
 *
 *     gabi-verify CONTRACT...
 *     gabi-verify --pinned MANIFEST...   contracts of all that these hosts offer; status 1 where a verdict does not come true
 */
#include <gabi/contract.h>
#include <gabi/formats.h>
#include <gabi/kvm.h>
#include <gabi/verdict.h>

#include "shown.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned tried, untrue; /* contracts, and verdicts that did not come true */

static int complain(const char *what, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-verify: %s: %s%s%s\n", what, diag->where, *diag->where ? ": " : "", diag->text);
	return 4;
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "re");
	size_t cap = 1 << 20, len = 0;
	char *text = file ? malloc(cap) : NULL;

	if (text)
		len = fread(text, 1, cap, file);
	if (file)
		fclose(file);
	*ret_len = len;
	return text;
}

static void print_sights(const struct gabi_kvm_testimony *testimony)
{
	size_t count;
	const struct gabi_kvm_sight *sight = gabi_kvm_testimony_sights(testimony, &count);

	for (size_t i = 0; i < count; i++) {
		char name[160], key[64];

		gabi_key_print(&sight[i].key, key, sizeof(key));
		if (sight[i].field)
			gabi_field_print(sight[i].field, &sight[i].key, name, sizeof(name));
		else
			snprintf(name, sizeof(name), "bits %u to %u", sight[i].lo, sight[i].lo + sight[i].bits - 1u);
		printf("sight\t%s\t%s\tpromised 0x%" PRIx64 "%s\tseen 0x%" PRIx64 "%s\n", key, name, sight[i].want,
		       sight[i].promised ? "" : " (not listed)", sight[i].seen, sight[i].faulted ? " (faulted)" : "");
	}
}

static void print_trial(const char *path, const struct gabi_report *report, const struct gabi_host *host,
			const struct gabi_kvm_trial *trial)
{
	const char *slash = strrchr(path, '/'), *outcome = gabi_kvm_outcome_text(trial->outcome);
	char why[200] = "";
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	if (count && gabi_report_verdict(report) > GABI_FITS_WITH_ACTIONS) {
		size_t len = (size_t)snprintf(why, sizeof(why), "%s: ", gabi_finding_text(finding[0].kind));

		gabi_finding_name(&finding[0], why + len, sizeof(why) - len);
	}
	tried++;
	if (trial->outcome == GABI_KVM_HELD && is_shown_only(report, host))
		outcome = "shown only";
	else if (gabi_report_verdict(report) != GABI_UNKNOWN)
		untrue += (gabi_report_verdict(report) == GABI_DOES_NOT_FIT) != (trial->outcome != GABI_KVM_HELD);
	printf("trial\t%s\t%s\t%s\t%s\t%s\n", slash ? slash + 1 : path, gabi_verdict_text(gabi_report_verdict(report)),
	       outcome, why, trial->outcome == GABI_KVM_REFUSED ? trial->refusal.text : "");
	if (trial->testimony)
		print_sights(trial->testimony);
}

static int try_one(const char *path, const struct gabi_contract *contract, const struct gabi_host *host)
{
	struct gabi_kvm_trial trial;
	struct gabi_report *report;
	struct gabi_diag diag = { 0 };
	int err = gabi_check(contract, host, &report, &diag);

	if (err)
		return complain(path, &diag);
	err = gabi_kvm_try(contract, host, NULL, NULL, &trial, &diag);
	if (err) {
		gabi_report_free(report);
		return complain(path, &diag);
	}
	print_trial(path, report, host, &trial);
	gabi_kvm_testimony_free(trial.testimony);
	gabi_report_free(report);
	return 0;
}

static int read_pinned(const char *text, size_t len, struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	struct gabi_host *from = NULL;
	int err = gabi_host_read(text, len, NULL, &from, diag);

	if (!err)
		err = gabi_contract_pin(from, NULL, NULL, ret_contract, diag);
	gabi_host_free(from);
	return err;
}

static int try_file(const char *path, bool pinned, const struct gabi_host *host)
{
	struct gabi_contract *contract = NULL;
	struct gabi_diag diag = { 0 };
	size_t len;
	char *text = read_file(path, &len);
	int status;

	if (!text) {
		fprintf(stderr, "gabi-verify: %s cannot be read\n", path);
		return 3;
	}
	if (pinned ? read_pinned(text, len, &contract, &diag) : gabi_contract_read(text, len, NULL, &contract, &diag)) {
		free(text);
		complain(path, &diag);
		return 3;
	}
	status = try_one(path, contract, host);
	gabi_contract_free(contract);
	free(text);
	return status;
}

int main(int argc, char **argv)
{
	bool pinned = argc > 1 && !strcmp(argv[1], "--pinned");
	struct gabi_host *host;
	struct gabi_diag diag = { 0 };
	int status = 0;

	if (gabi_kvm_probe(NULL, NULL, &host, &diag))
		return complain("/dev/kvm", &diag);
	for (int i = 1 + pinned; i < argc; i++) {
		int one = try_file(argv[i], pinned, host);

		status = one ? one : status;
	}
	gabi_host_free(host);
	if (pinned)
		printf("%u of %u verdicts did not come true\n", untrue, tried);
	return status ? status : pinned && (untrue || !tried);
}
