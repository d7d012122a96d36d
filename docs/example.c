/* SPDX-License-Identifier: MIT */
/*
 * Does a contract fit a host? Reads both files, asks, and prints what there is to say.
 *
 *	cc example.c $(pkg-config --cflags --libs libgabi-formats)
 *	./a.out contract.json host.json
 */
#include <gabi/formats.h>

#include <stdio.h>
#include <stdlib.h>

/* The library does no I/O: a program brings the bytes. */
static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	char *text = file ? malloc(GABI_FORMATS_MAX_LEN) : NULL;

	if (text)
		*ret_len = fread(text, 1, GABI_FORMATS_MAX_LEN, file);
	else
		perror(path);
	if (file)
		fclose(file);
	return text;
}

static void print(const struct gabi_report *report)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	printf("%s\n", gabi_verdict_text(gabi_report_verdict(report)));
	for (size_t i = 0; i < count; i++) {
		char name[128], want[64], have[64], remedy[256];

		gabi_finding_name(&finding[i], name, sizeof(name));
		gabi_finding_values(&finding[i], 0, want, sizeof(want));
		gabi_finding_values(&finding[i], 1, have, sizeof(have));
		gabi_finding_remedy(&finding[i], remedy, sizeof(remedy));
		printf("%s: %s: promised %s, the host has %s; %s\n", gabi_finding_text(finding[i].kind), name, want, have, remedy);
	}
}

int main(int argc, char **argv)
{
	struct gabi_contract *contract = NULL;
	struct gabi_host *host = NULL;
	struct gabi_report *report = NULL;
	struct gabi_diag diag = { 0 };
	size_t contract_len = 0, host_len = 0;
	char *contract_text = argc == 3 ? read_file(argv[1], &contract_len) : NULL;
	char *host_text = argc == 3 ? read_file(argv[2], &host_len) : NULL;
	int status = 3;

	/* Each call returns 0, or a negative number and a sentence; what it was to fill is then untouched. */
	if (!contract_text || !host_text)
		fprintf(stderr, "usage: example CONTRACT HOST\n");
	else if (gabi_contract_read(contract_text, contract_len, NULL, &contract, &diag) ||
		 gabi_host_read(host_text, host_len, NULL, &host, &diag) || gabi_check(contract, host, &report, &diag))
		fprintf(stderr, "%s %s\n", diag.where, diag.text);
	else
		print(report);
	if (report)
		status = gabi_report_verdict(report) > GABI_FITS_WITH_ACTIONS;
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(host);
	free(contract_text);
	free(host_text);
	return status;
}
