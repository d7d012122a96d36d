/* SPDX-License-Identifier: MIT */
/*
 * The monitor for a machine that has nothing else: static and alone. gabi-run [-c CPUS] [-m MIB] [-a APPEND] [-i INITRD] [-d DISK]
 * [-p CONTRACT] [-H] [-V VTLS] [-X] [-f] IMAGE; -H is --hyperv, -V --vsm, -X --vsm-execute=shim and -f --force. It says which contract was
 * kept, and ends as `gabi run` does.
 * gabi-run -o CONTRACT [-x NAME,...] [-c CPUS] [-H] [-V VTLS] [-X]: no guest, but the contract that it would have, less these names.
 */
#include <gabi/formats.h>

#include "vmm/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int complain(const char *what, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-run: %s: %s%s%s\n", what, diag->where, *diag->where ? ": " : "", diag->text);
	return 4;
}

static struct vmm_bytes read_file(const char *path)
{
	FILE *file = path ? fopen(path, "re") : NULL;
	size_t cap = 256 << 20;
	unsigned char *at = file ? malloc(cap) : NULL;
	struct vmm_bytes bytes = { at, at ? fread(at, 1, cap, file) : 0 };

	if (file)
		fclose(file);
	return bytes;
}

static int read_contract(const char *path, struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	struct vmm_bytes text = read_file(path);

	return path ? gabi_contract_read((const char *)text.at, text.len, NULL, ret_contract, diag) : 0;
}

static bool write_contract(const struct gabi_contract *contract, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = gabi_contract_write(contract, NULL, &text, &len) ? NULL : fopen(path, "we");
	bool whole = file && fwrite(text, 1, len, file) == len;

	if (file && fclose(file))
		whole = false;
	gabi_text_free(text, NULL);
	return whole;
}

/* names: cut at its commas. */
static int write_narrowed(const struct gabi_contract *contract, char *names, const char *path)
{
	const char *minus[64];
	struct gabi_pin_options options = { .size = sizeof(options), .minus = minus };
	struct gabi_contract *narrowed = NULL;
	struct gabi_diag diag = { 0 };
	int status = 0;

	for (char *name = names ? strtok(names, ",") : NULL; name && options.minus_count < 64; name = strtok(NULL, ","))
		minus[options.minus_count++] = name;
	if (gabi_contract_narrow(contract, &options, NULL, &narrowed, &diag) || !write_contract(narrowed, path))
		status = complain("the contract cannot be written", &diag);
	gabi_contract_free(narrowed);
	return status;
}

static int run(const struct vmm_options *options)
{
	struct vmm_monitor *monitor;
	struct vmm_result result;
	struct gabi_diag diag = { 0 };

	if (vmm_new(options, &monitor, &diag) || vmm_serve(monitor, &(struct vmm_serve_options){ 0 }, &result, &diag))
		return complain("the guest cannot be started", &diag);
	vmm_free(monitor);
	fprintf(stderr, "gabi-run: %s %u\n", result.text, result.value);
	return result.end == VMM_END_OFF || result.end == VMM_END_RESET ? 0 : result.end == VMM_END_EXIT ? result.value != 0 : 1;
}

int main(int argc, char **argv)
{
	struct vmm_options options = { .memory = 256 << 20, .cpus = 1, .confined = true, .in = 0, .out = 1 };
	struct gabi_contract *contract = NULL;
	struct vmm_wishes wishes;
	struct vmm_terms terms;
	struct gabi_diag diag = { 0 };
	const char *promises = NULL, *output = NULL;
	char *without = NULL;
	int option;

	while ((option = getopt(argc, argv, "c:m:a:i:d:p:o:x:fHV:X")) != -1) {
		switch (option) {
		case 'c':
			options.cpus = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			options.memory = strtoull(optarg, NULL, 10) << 20;
			break;
		case 'a':
			options.append = optarg;
			break;
		case 'i':
			options.initrd = read_file(optarg);
			break;
		case 'd':
			options.disk = optarg;
			break;
		case 'p':
			promises = optarg;
			break;
		case 'o':
			output = optarg;
			break;
		case 'x':
			without = optarg;
			break;
		case 'H':
			options.hyperv = true;
			break;
		case 'V':
			options.hyperv = true;
			options.vtls = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'X':
			options.shim = true;
			break;
		case 'f':
			options.forced = true;
			break;
		default:
			return 2;
		}
	}
	options.image = read_file(argv[optind]);
	options.terms = &terms;
	wishes = (struct vmm_wishes){ options.cpus, options.hyperv, options.forced, options.vtls > 1, options.shim };
	if (read_contract(promises, &contract, &diag) || vmm_terms_settle(&terms, contract, &wishes, &diag))
		return complain("the contract", &diag);
	if (output)
		return write_narrowed(terms.contract, without, output);
	fprintf(stderr, "gabi-run: the contract: %s\n", gabi_verdict_text(gabi_report_verdict(terms.report)));
	return terms.plan ? run(&options) : 1;
}
