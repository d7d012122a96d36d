/* SPDX-License-Identifier: MIT */
/*
 * A whole VMM: one processor, one port to speak on, one to end with, and a contract that is kept.
 *
 *	cc vmm.c $(pkg-config --cflags --libs libgabi-kvm libgabi-formats)
 *	./a.out [--unverified] IMAGE [CONTRACT]
 *
 * IMAGE is code for 64-bit mode, loaded and entered at 1 MiB with the first GiB mapped where it is. Bytes that it writes to port 0xe9
 * are printed; a byte to port 0xf4 ends it and is the exit status. Without CONTRACT the guest is promised all that this machine
 * offers. --unverified runs the guest where KVM shows another CPUID than was set.
 */
#include <gabi/formats.h>
#include <gabi/kvm_machine.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY  (16u << 20)
#define IMAGE   0x100000u
#define TABLES  0x1000u
#define SPEAK   0xe9
#define END     0xf4

/* What a guest needs: the machine's manifest, the contract, and the plan that carries it out here. */
struct terms {
	struct gabi_host *host;
	struct gabi_contract *contract;
	struct gabi_report *report;
	struct gabi_plan *plan;
};

static int complain(const struct gabi_diag *diag)
{
	fprintf(stderr, "vmm: %s%s%s\n", diag->where, *diag->where ? ": " : "", diag->text);
	return 4;
}

static unsigned char *read_file(const char *path, size_t most, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	unsigned char *bytes = file ? malloc(most) : NULL;

	if (bytes)
		*ret_len = fread(bytes, 1, most, file);
	else
		perror(path);
	if (file)
		fclose(file);
	return bytes;
}

static int read_contract(const char *path, struct gabi_contract **ret_contract, struct gabi_diag *diag)
{
	size_t len = 0;
	unsigned char *text = read_file(path, GABI_FORMATS_MAX_LEN, &len);
	int err = text ? gabi_contract_read((const char *)text, len, NULL, ret_contract, diag) : GABI_ERR_IO;

	free(text);
	return err;
}

/* The verdict comes before the VM. A contract that does not fit is no error: there is no plan then. */
static int settle(struct terms *terms, const char *contract, struct gabi_diag *diag)
{
	static const char *const minus[] = { "hyperv" };
	const struct gabi_pin_options pin = { .size = sizeof(pin), .minus = minus, .minus_count = 1 };
	int err = gabi_kvm_probe(NULL, NULL, &terms->host, diag);

	if (!err)
		err = contract ? read_contract(contract, &terms->contract, diag) :
				 gabi_contract_pin(terms->host, &pin, NULL, &terms->contract, diag);
	if (!err)
		err = gabi_check(terms->contract, terms->host, &terms->report, diag);
	if (err || gabi_report_verdict(terms->report) > GABI_FITS_WITH_ACTIONS)
		return err;
	return gabi_plan_new(terms->contract, terms->host, terms->report, NULL, &terms->plan, diag);
}

static int print_findings(const struct gabi_report *report)
{
	size_t count;
	const struct gabi_finding *finding = gabi_report_findings(report, &count);

	printf("the contract on this machine: %s\n", gabi_verdict_text(gabi_report_verdict(report)));
	for (size_t i = 0; i < count; i++) {
		char name[160], why[256];

		gabi_finding_name(&finding[i], name, sizeof(name));
		gabi_finding_consequence(&finding[i], why, sizeof(why));
		if (finding[i].weight >= GABI_WEIGHT_UNKNOWN)
			printf("%s: %s: %s\n", gabi_finding_text(finding[i].kind), name, why);
	}
	return 1;
}

/* ---- the guest ---- */

/* One page of 1 GiB would do, but not every processor has them. */
static void put_tables(unsigned char *tables)
{
	uint64_t pml4 = (TABLES + 0x1000) | 3, pointer = (TABLES + 0x2000) | 3;

	memcpy(tables, &pml4, 8);
	memcpy(tables + 0x1000, &pointer, 8);
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t entry = i << 21 | 0x83; /* present, writable, 2 MiB */

		memcpy(tables + 0x2000 + 8 * i, &entry, 8);
	}
}

static int start(const struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	const struct gabi_hv_segment code = { 0, 0xffffffff, 8, 0xa09b }, data = { 0, 0xffffffff, 16, 0xc093 };
	const struct gabi_hv_context context = {
		.rip = IMAGE, .rsp = IMAGE, .cs = code, .ds = data, .es = data, .fs = data, .gs = data, .ss = data,
		.tr = { 0, 0x67, 24, 0x8b }, .efer = 0x500, .cr0 = 0x80000033, .cr3 = TABLES, .cr4 = 0x20, .pat = 0x0007040600070406,
	};

	put_tables(gabi_kvm_machine_ram(machine, TABLES, 0x3000));
	return gabi_kvm_vp_start(machine, 0, 0, &context, NULL, diag);
}

/* Until the guest ends: the status of the program. */
static int run(struct gabi_kvm_machine *machine)
{
	struct gabi_kvm_exit exit;
	struct gabi_diag diag = { 0 };

	for (;;) {
		if (gabi_kvm_vp_run(machine, 0, 0, &exit, &diag))
			return complain(&diag);
		if (exit.kind == GABI_KVM_EXIT_KICKED)
			continue;
		if (exit.kind == GABI_KVM_EXIT_PORT && exit.write && exit.address == SPEAK) {
			fwrite(exit.data, exit.size, exit.count, stdout);
		} else if (exit.kind == GABI_KVM_EXIT_PORT && exit.write && exit.address == END) {
			return *(const unsigned char *)exit.data;
		} else if (exit.kind == GABI_KVM_EXIT_PORT || exit.kind == GABI_KVM_EXIT_MMIO) {
			if (!exit.write)
				memset(exit.data, 0xff, (size_t)exit.size * exit.count); /* nothing is there */
		} else {
			fprintf(stderr, "vmm: %s\n", exit.kind == GABI_KVM_EXIT_STUCK ? exit.text : "the guest crashed");
			return 1;
		}
	}
}

static int run_image(const struct terms *terms, const char *path, int unverified)
{
	const struct gabi_kvm_machine_options options = {
		.size = sizeof(options), .memory = MEMORY, .kick = SIGUSR1, .unverified = unverified,
	};
	struct gabi_kvm_machine *machine = NULL;
	struct gabi_diag diag = { 0 };
	size_t len = 0;
	unsigned char *image = read_file(path, MEMORY - IMAGE, &len);
	int status = 3;

	if (!image)
		return status;
	if (gabi_kvm_machine_new(terms->contract, terms->plan, &options, NULL, &machine, &diag)) {
		status = complain(&diag);
	} else {
		memcpy(gabi_kvm_machine_ram(machine, IMAGE, len), image, len);
		status = start(machine, &diag) ? complain(&diag) : run(machine);
	}
	gabi_kvm_machine_free(machine);
	free(image);
	return status;
}

int main(int argc, char **argv)
{
	struct terms terms = { 0 };
	struct gabi_diag diag = { 0 };
	int unverified = argc > 1 && !strcmp(argv[1], "--unverified"), status;

	argc -= unverified;
	argv += unverified;
	if (argc < 2 || argc > 3) {
		fputs("usage: vmm [--unverified] IMAGE [CONTRACT]\n", stderr);
		return 2;
	}
	if (settle(&terms, argv[2], &diag))
		status = complain(&diag);
	else
		status = terms.plan ? run_image(&terms, argv[1], unverified) : print_findings(terms.report);
	gabi_plan_free(terms.plan);
	gabi_report_free(terms.report);
	gabi_contract_free(terms.contract);
	gabi_host_free(terms.host);
	return status;
}
