/* SPDX-License-Identifier: MIT */
/*
 * gabi-costs: what the kernel's own calls cost on this machine, of which switches of trust levels and changes of protection are made (docs/vsm.md), and
 * what gabi_kvm_machine_protect costs beside one UFFDIO_WRITEPROTECT of the same pages. A line a case, in ticks of the TSC, each the best of some rounds;
 * in an emulator that counts instructions these are instructions. 77: this machine cannot have trust levels.
 */
#include "kvm/exits.h"
#include "kvm/machine.h"
#include "vmm/monitor.h"

#include <linux/userfaultfd.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ROUNDS = 32, SKIPPED = 77, MANY = 100000, RUN = 512 };

static int complain(const struct gabi_diag *diag)
{
	fprintf(stderr, "gabi-costs: %s\n", diag->text);
	return SKIPPED;
}

static uint64_t ticks(void)
{
	__asm__ volatile("lfence" : : : "memory");
	return __builtin_ia32_rdtsc();
}

/* The best, because whatever else the machine does can only add. Between two rounds undo makes all as it was; NULL: nothing has to. */
static uint64_t best(int (*act)(void *ctx), int (*undo)(void *ctx), void *ctx)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = ticks(), took;
		int failed = act(ctx);

		took = ticks() - start;
		if (failed || (undo && undo(ctx))) {
			perror("gabi-costs");
			exit(1);
		}
		least = took < least ? took : least;
	}
	return least;
}

static void say(const char *name, uint64_t cost, const char *peer, uint64_t peers)
{
	printf("cost: %s: 0x%llx, %s: 0x%llx\n", name, (unsigned long long)cost, peer, (unsigned long long)peers);
}

/* ---- the kernel's calls of a switch ---- */

/* A virtual processor that does nothing but OUT. */
static struct {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	struct exits exits;
	uint64_t count;
	struct kvm_xsave xsave;
	struct kvm_fpu fpu;
	struct kvm_sregs sregs;
} raw;

/* out %al, $0x80; jmp back */
static const unsigned char code[] = { 0xe6, 0x80, 0xeb, 0xfc };

static int make_vcpu(void)
{
	unsigned char *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .memory_size = PAGE, .userspace_addr = (uintptr_t)memory };
	unsigned long tss = 0xfffbd000;

	if (memory == MAP_FAILED)
		return -1;
	memcpy(memory, code, sizeof(code));
	if (kvm_ioctl(raw.vm, KVM_SET_TSS_ADDR, (void *)tss) || kvm_ioctl(raw.vm, KVM_CREATE_IRQCHIP, NULL) ||
	    kvm_ioctl(raw.vm, KVM_SET_USER_MEMORY_REGION, &region))
		return -1;
	raw.vcpu = ioctl(raw.vm, KVM_CREATE_VCPU, 0ul);
	return raw.vcpu < 0 ? -1 : 0;
}

static int make_raw(struct gabi_diag *diag)
{
	struct kvm_regs regs = { .rflags = 2 };
	int err = kvm_open("/dev/kvm", &raw.kvm, diag);

	if (!err)
		err = kvm_vm_new(raw.kvm, 0, &raw.vm, diag);
	if (err)
		return err;
	if (make_vcpu() || kvm_ioctl(raw.vcpu, KVM_GET_SREGS, &raw.sregs))
		return kvm_refused(diag, "make a virtual processor");
	raw.run = mmap(NULL, (size_t)ioctl(raw.kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, raw.vcpu, 0);
	raw.sregs.cs.base = raw.sregs.cs.selector = 0;
	if (raw.run == MAP_FAILED || kvm_ioctl(raw.vcpu, KVM_SET_SREGS, &raw.sregs) || kvm_ioctl(raw.vcpu, KVM_SET_REGS, &regs))
		return kvm_refused(diag, "start a virtual processor");
	raw.run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS; /* as the monitor has it */
	raw.exits = exits_open(raw.vcpu);
	return 0;
}

static int leave_guest(void *ctx)
{
	(void)ctx;
	return ioctl(raw.vcpu, KVM_RUN, 0) || raw.run->exit_reason != KVM_EXIT_IO;
}

static int get_xsave(void *ctx)
{
	(void)ctx;
	return ioctl(raw.vcpu, KVM_GET_XSAVE, &raw.xsave);
}

static int set_xsave(void *ctx)
{
	(void)ctx;
	return ioctl(raw.vcpu, KVM_SET_XSAVE, &raw.xsave);
}

static int get_fpu(void *ctx)
{
	(void)ctx;
	return ioctl(raw.vcpu, KVM_GET_FPU, &raw.fpu);
}

static int set_fpu(void *ctx)
{
	(void)ctx;
	return ioctl(raw.vcpu, KVM_SET_FPU, &raw.fpu);
}

static int read_exits(void *ctx)
{
	(void)ctx;
	return !exits_read(&raw.exits, &raw.count);
}

static void say_calls(void)
{
	static const struct {
		const char *name;
		int (*act)(void *ctx);
	} rows[] = {
		{ "KVM_GET_XSAVE", get_xsave }, { "KVM_SET_XSAVE", set_xsave }, { "KVM_GET_FPU", get_fpu }, { "KVM_SET_FPU", set_fpu },
		{ "reading the count of exits", read_exits },
	};
	uint64_t exit = best(leave_guest, NULL, NULL);

	say("two KVM_RUN to an OUT and two KVM_GET_XSAVE", 2 * exit + 2 * best(get_xsave, NULL, NULL), "KVM_RUN to an OUT", exit);
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		say(rows[i].name, best(rows[i].act, NULL, NULL), "KVM_RUN to an OUT", exit);
}

/* ---- protections ---- */

static struct gabi_kvm_machine *machine;
static unsigned rights_now = GABI_KVM_READ | GABI_KVM_WRITE;

static unsigned tell_rights(void *ctx, unsigned vtl, uint64_t gpa)
{
	(void)ctx, (void)vtl, (void)gpa;
	return rights_now;
}

/* A run of pages, of which begin is the first, and its rights when it is protected. */
struct run {
	uint64_t begin, pages;
	unsigned rights;
};

static int set_rights(const struct run *run, unsigned rights)
{
	rights_now = rights;
	return gabi_kvm_machine_protect(machine, 0, run->begin * PAGE, run->pages * PAGE, rights, NULL);
}

static int touch(void *ctx)
{
	const struct run *run = ctx;

	for (uint64_t i = 0; i < run->pages; i++)
		*(volatile unsigned char *)(machine->level[0].view + (run->begin + i) * PAGE) = 1;
	return 0;
}

static int close_run(void *ctx)
{
	const struct run *run = ctx;

	return set_rights(run, run->rights);
}

static int open_run(void *ctx)
{
	return set_rights(ctx, GABI_KVM_READ | GABI_KVM_WRITE);
}

static int open_and_touch(void *ctx)
{
	return open_run(ctx) || touch(ctx);
}

static int write_protect(const struct run *run, uint64_t mode)
{
	struct uffdio_writeprotect call = {
		.range = { (uintptr_t)machine->level[0].view + run->begin * PAGE, run->pages * PAGE }, .mode = mode,
	};

	return ioctl(machine->protect.uffd, UFFDIO_WRITEPROTECT, &call);
}

static int protect_alone(void *ctx)
{
	return write_protect(ctx, UFFDIO_WRITEPROTECT_MODE_WP);
}

static int unprotect_alone(void *ctx)
{
	return write_protect(ctx, 0);
}

static int unmap_alone(void *ctx)
{
	const struct run *run = ctx;

	return madvise(machine->level[0].view + run->begin * PAGE, run->pages * PAGE, MADV_DONTNEED);
}

static void say_protection(uint64_t pages)
{
	struct run reads = { 256, pages, GABI_KVM_READ }, none = { 256, pages, 0 };
	uint64_t closing, opening, unmapping;
	char name[80];

	open_and_touch(&reads);
	closing = best(protect_alone, unprotect_alone, &reads);
	protect_alone(&reads);
	opening = best(unprotect_alone, protect_alone, &reads);
	unprotect_alone(&reads);
	unmapping = best(unmap_alone, touch, &none);
	snprintf(name, sizeof(name), "pages made read-only, %llu at once", (unsigned long long)pages);
	say(name, best(close_run, open_run, &reads), "UFFDIO_WRITEPROTECT of them", closing);
	close_run(&reads);
	snprintf(name, sizeof(name), "read-only pages opened, %llu at once", (unsigned long long)pages);
	say(name, best(open_run, close_run, &reads), "UFFDIO_WRITEPROTECT of them", opening);
	open_and_touch(&reads);
	snprintf(name, sizeof(name), "pages without access, %llu at once", (unsigned long long)pages);
	say(name, best(close_run, open_and_touch, &none), "MADV_DONTNEED of them", unmapping);
	open_run(&none);
}

static void ignore(int signal)
{
	(void)signal;
}

/* The longest run takes 400 MiB, which a small emulated machine does not have. */
static uint64_t memory_here(void)
{
	return sysconf(_SC_PHYS_PAGES) > 2 * MANY ? (uint64_t)448 << 20 : (uint64_t)64 << 20;
}

static int say_protections(struct gabi_diag *diag)
{
	const uint64_t memory = memory_here();
	const struct vmm_wishes wishes = { .cpus = 1, .hyperv = true, .vsm = true };
	const struct gabi_kvm_machine_options options = {
		.size = sizeof(options), .vps = 1, .vtls = 2, .memory = memory, .kick = SIGRTMIN, .hyperv = 1, .rights = tell_rights,
	};
	struct vmm_terms terms;
	int err;

	signal(SIGRTMIN, ignore);
	err = vmm_terms_settle(&terms, NULL, &wishes, diag);
	if (!err)
		err = gabi_kvm_machine_new(terms.contract, terms.plan, &options, NULL, &machine, diag);
	if (!err) {
		say_protection(1);
		say_protection(RUN);
		if (memory / PAGE > MANY)
			say_protection(MANY);
	}
	gabi_kvm_machine_free(machine);
	vmm_terms_free(&terms);
	return err;
}

int main(void)
{
	struct gabi_diag diag = { 0 };

	if (make_raw(&diag))
		return complain(&diag);
	say_calls();
	return say_protections(&diag) ? complain(&diag) : 0;
}
