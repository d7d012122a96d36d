/* SPDX-License-Identifier: MIT */
/* On this machine's own KVM: what probing it costs, and saving and loading one virtual processor. Skipped where there is none. */
#include "bench.h"

#include <gabi/contract.h>
#include <gabi/formats.h>
#include <gabi/kvm.h>
#include <gabi/plan.h>
#include <gabi/state.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAVES = 500, LOADS = 50 }; /* a virtual machine is loaded once */

static struct gabi_contract *contract;
static struct gabi_plan *plan;

static void must(int err, const struct gabi_diag *diag)
{
	if (!err)
		return;
	fprintf(stderr, "bench_kvm: %s: %s\n", diag->where, diag->text);
	exit(4);
}

static void probe(void *ctx)
{
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	char *text = NULL;
	size_t len = 0;

	must(gabi_kvm_probe(NULL, NULL, &host, &diag), &diag);
	must(gabi_host_write(host, NULL, &text, &len), &diag);
	bench_use(len);
	gabi_text_free(text, NULL);
	*(size_t *)ctx = len;
	gabi_host_free(host);
}

/* That a software KVM does not keep the CPUID that it is given changes no figure. */
static struct gabi_kvm_vm *new_vm(void)
{
	struct gabi_kvm_vm *vm = NULL;
	struct gabi_diag diag = { 0 };
	int err;

	must(gabi_kvm_vm_create(contract, NULL, NULL, &vm, &diag), &diag);
	err = gabi_kvm_apply(plan, vm, NULL, &diag);
	must(err == GABI_ERR_KVM ? 0 : err, &diag);
	return vm;
}

static double best_of(double best, uint64_t begin)
{
	double took = (double)(bench_now_ns() - begin);

	return best && best < took ? best : took;
}

static struct gabi_state *saved(double *ret_ns, unsigned *ret_calls)
{
	struct gabi_kvm_vm *vm = new_vm();
	struct gabi_kvm_effort effort = { 0 };
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };

	for (unsigned i = 0; i < SAVES; i++) {
		uint64_t begin = bench_now_ns();

		gabi_state_free(state);
		must(gabi_kvm_save(contract, vm, NULL, &state, &effort, &diag), &diag);
		*ret_ns = best_of(*ret_ns, begin);
	}
	*ret_calls = effort.ioctls;
	gabi_kvm_vm_free(vm);
	return state;
}

static void load(const struct gabi_state *state, double *ret_ns, unsigned *ret_calls)
{
	struct gabi_kvm_effort effort = { 0 };
	struct gabi_diag diag = { 0 };

	for (unsigned i = 0; i < LOADS; i++) {
		struct gabi_kvm_vm *vm = new_vm();
		uint64_t begin = bench_now_ns();

		must(gabi_kvm_restore(state, plan, vm, NULL, &effort, &diag), &diag);
		*ret_ns = best_of(*ret_ns, begin);
		gabi_kvm_vm_free(vm);
	}
	*ret_calls = effort.ioctls;
}

static void bench_state(void)
{
	double save_ns = 0, load_ns = 0;
	unsigned saves = 0, loads = 0;
	struct gabi_state *state = saved(&save_ns, &saves);

	load(state, &load_ns, &loads);
	bench_print(&(struct bench_line){ .bench = "kvm", .name = "save", .n = saves, .ns_per_op = save_ns, .data = "n: calls" });
	bench_print(&(struct bench_line){ .bench = "kvm", .name = "load", .n = loads, .ns_per_op = load_ns, .data = "n: calls" });
	gabi_state_free(state);
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct gabi_host *host = NULL;
	struct gabi_diag diag = { 0 };
	size_t len = 0;
	double ns;

	if (kvm < 0) {
		printf("skipped: /dev/kvm cannot be opened\n");
		return 77;
	}
	close(kvm);
	ns = bench_time(probe, &len);
	bench_print(&(struct bench_line){ .bench = "kvm", .name = "probe", .n = len, .ns_per_op = ns, .data = "n: bytes of the manifest" });
	must(gabi_kvm_probe(NULL, NULL, &host, &diag), &diag);
	must(gabi_contract_pin(host, NULL, NULL, &contract, &diag), &diag);
	must(gabi_plan_new(contract, host, NULL, NULL, &plan, &diag), &diag);
	bench_state();
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return 0;
}
