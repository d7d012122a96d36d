/* SPDX-License-Identifier: MIT */
/*
 * A guest that waits in HLT for a timer of its local APIC is saved and restored: does it wake? It has run for some minutes by its TSC, and a deadline
 * that KVM reckons from a new TSC would come that much later. A line each: "passed" or "failed", and what it waits for. Static and alone, so that
 * it runs in a machine that has nothing else. Exit status: 0 all woke, 1 not, 4 there is no such guest here.
 */
#include <gabi/contract.h>
#include <gabi/kvm.h>
#include <gabi/state.h>
#include <gabi/verdict.h>

#include "kvm/io.h"
#include "kvm/uapi.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MSR_TSC = 0x10, MSR_TSC_DEADLINE = 0x6e0, CPUID_DEADLINE = 1 << 24, RFLAGS_IF = 0x202, VECTOR = 0x40 };
enum { APIC_SPIV = 0xf0, APIC_ON = 0x1ff, APIC_LVTT = 0x320, BY_COUNT = 0 << 17, AGAIN = 1 << 17, BY_DEADLINE = 2 << 17, APIC_TMICT = 0x380, APIC_TMCCT = 0x390, APIC_TDCR = 0x3e0 };
enum { SOON = 1 << 24 /* cycles, or counts */, PATIENCE_S = 20 };

static const uint64_t long_ago = 1ull << 41; /* cycles: some minutes */

static void die(const char *what, const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-timer: %s: %s\n", what, diag ? diag->text : strerror(errno));
	exit(4);
}

static void call(int fd, unsigned long request, void *data, const char *what)
{
	if (kvm_ioctl(fd, request, data) < 0)
		die(what, NULL);
}

/* ---- guests ---- */

struct made {
	struct gabi_host *host;
	struct gabi_contract *contract;
	struct gabi_plan *plan;
};

static void make(struct made *made)
{
	struct gabi_diag diag = { 0 };

	if (gabi_kvm_probe(NULL, NULL, &made->host, &diag) || gabi_contract_pin(made->host, NULL, NULL, &made->contract, &diag) ||
	    gabi_plan_new(made->contract, made->host, NULL, NULL, &made->plan, &diag))
		die("no guest can be made here", &diag);
}

/* KVM lists the timer by deadline since 6.14, and gives it on all. */
static void give_deadline(int vcpu)
{
	enum { MOST = 256 };
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + MOST * sizeof(cpuid->entries[0]));

	if (!cpuid)
		die("out of memory", NULL);
	cpuid->nent = MOST;
	call(vcpu, KVM_GET_CPUID2, cpuid, "read the CPUID");
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= CPUID_DEADLINE;
	call(vcpu, KVM_SET_CPUID2, cpuid, "set the CPUID");
	free(cpuid);
}

static struct gabi_kvm_vm *new_vm(const struct made *made)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .vcpus = 1, .pc = 1 };
	struct gabi_kvm_vm *vm = NULL;
	struct gabi_diag diag = { 0 };

	if (gabi_kvm_vm_create(made->contract, &options, NULL, &vm, &diag) || gabi_kvm_apply(made->plan, vm, NULL, &diag))
		die("no guest can be made here", &diag);
	give_deadline(vm->vcpu[0]);
	return vm;
}

/* ---- waiting ---- */

struct msr_call {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static void put_msr(int vcpu, uint32_t index, uint64_t value)
{
	struct msr_call msr = { { .nmsrs = 1 }, { .index = index, .data = value } };

	call(vcpu, KVM_SET_MSRS, &msr, "write an MSR");
}

static uint64_t msr_of(int vcpu, uint32_t index)
{
	struct msr_call msr = { { .nmsrs = 1 }, { .index = index } };

	call(vcpu, KVM_GET_MSRS, &msr, "read an MSR");
	return msr.entry.data;
}

static void put_apic(int vcpu, const uint32_t (*values)[2], size_t count)
{
	struct kvm_lapic_state apic;

	call(vcpu, KVM_GET_LAPIC, &apic, "read the local APIC");
	for (size_t i = 0; i < count; i++)
		memcpy(apic.regs + values[i][0], &values[i][1], sizeof(values[i][1]));
	call(vcpu, KVM_SET_LAPIC, &apic, "load the local APIC");
}

/* As KVM has it of a guest that ran: only then it says which TSC goes with the clock, and the state has the TSC's offset. */
static void start_clock(int vm)
{
	struct kvm_clock_data clock = { .clock = 1000000000 };

	call(vm, KVM_SET_CLOCK, &clock, "set the clock");
}

static void let_wait(const struct gabi_kvm_vm *vm, uint32_t mode)
{
	const uint32_t apic[][2] = { { APIC_SPIV, APIC_ON }, { APIC_LVTT, mode | VECTOR }, { APIC_TDCR, 0xb /* by 1 */ }, { APIC_TMICT, SOON }, { APIC_TMCCT, SOON } };
	struct kvm_mp_state halted = { KVM_MP_STATE_HALTED };
	struct kvm_regs regs;
	int vcpu = vm->vcpu[0];

	put_msr(vcpu, MSR_TSC, long_ago);
	start_clock(vm->vm);
	put_apic(vcpu, apic, mode == BY_DEADLINE ? 2 : 5);
	if (mode == BY_DEADLINE)
		put_msr(vcpu, MSR_TSC_DEADLINE, msr_of(vcpu, MSR_TSC) + SOON);
	call(vcpu, KVM_GET_REGS, &regs, "read the registers");
	regs.rflags = RFLAGS_IF;
	call(vcpu, KVM_SET_REGS, &regs, "load the registers");
	call(vcpu, KVM_SET_MP_STATE, &halted, "let it halt");
}

static void give_up(int number)
{
	(void)number;
}

/* There is no code that it could wake to: whatever KVM makes of that, it waits no more. */
static bool wakes(int vcpu)
{
	struct kvm_mp_state state;

	alarm(PATIENCE_S);
	ioctl(vcpu, KVM_RUN, NULL); /* kvm_ioctl would go on after the alarm */
	alarm(0);
	call(vcpu, KVM_GET_MP_STATE, &state, "say whether it runs");
	return state.mp_state != KVM_MP_STATE_HALTED;
}

static bool is_late(const struct made *made, uint32_t mode, const char *name)
{
	struct gabi_kvm_vm *from = new_vm(made), *to = new_vm(made);
	struct gabi_state *state = NULL;
	struct gabi_diag diag = { 0 };
	bool woke;

	let_wait(from, mode);
	if (gabi_kvm_save(made->contract, from, NULL, &state, NULL, &diag) || gabi_kvm_restore(state, made->plan, to, NULL, NULL, &diag))
		die(name, &diag);
	woke = wakes(to->vcpu[0]) && msr_of(to->vcpu[0], MSR_TSC) >= long_ago;
	printf("%s\t%s\n", woke ? "passed" : "failed", name);
	gabi_state_free(state);
	gabi_kvm_vm_free(to);
	gabi_kvm_vm_free(from);
	return !woke;
}

int main(void)
{
	static const struct {
		uint32_t mode;
		const char *name;
	} timers[] = {
		{ BY_DEADLINE, "a deadline of the TSC" },
		{ BY_COUNT, "a count that ends" },
		{ AGAIN, "a count that begins again" },
	};
	const struct sigaction action = { .sa_handler = give_up };
	struct made made = { 0 };
	int late = 0;

	make(&made);
	sigaction(SIGALRM, &action, NULL);
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		late += is_late(&made, timers[i].mode, timers[i].name);
	gabi_plan_free(made.plan);
	gabi_contract_free(made.contract);
	gabi_host_free(made.host);
	return late ? 1 : 0;
}
