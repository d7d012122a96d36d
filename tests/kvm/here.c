/* SPDX-License-Identifier: MIT */
#include "here.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct gabi_host *here_host;
struct gabi_contract *here_contract;

struct gabi_kvm_vm *here_vm(const struct gabi_kvm_vm_options *options)
{
	struct gabi_kvm_vm *vm = NULL;

	REQUIRE(gabi_kvm_vm_create(here_contract, options, NULL, &vm, &diag));
	return vm;
}

struct gabi_plan *here_plan(const struct gabi_contract *contract)
{
	struct gabi_plan *plan = NULL;

	REQUIRE(gabi_plan_new(contract, here_host, NULL, NULL, &plan, &diag));
	return plan;
}

int here_begin(void **unused)
{
	(void)unused;
	REQUIRE(gabi_kvm_probe(NULL, NULL, &here_host, &diag));
	REQUIRE(gabi_contract_pin(here_host, NULL, NULL, &here_contract, &diag));
	return 0;
}

int here_end(void **unused)
{
	(void)unused;
	gabi_contract_free(here_contract);
	gabi_host_free(here_host);
	return 0;
}

int here_skip(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0) {
		printf("skipped: /dev/kvm cannot be opened\n");
		return 77;
	}
	close(kvm);
	return 0;
}
