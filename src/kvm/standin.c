/* SPDX-License-Identifier: MIT */
/*
 * What KVM lets a guest do with an MSR, and what it makes of it. One filter serves all virtual processors of a VM, so an MSR that is intercepted on
 * one of them is the caller's on all; and what a caller writes KVM takes for a VMM's, which may do what no guest may. So a processor that stands in
 * executes the instruction: of a VM of its own, without a filter, with the CPUID of the guest, and with its value of that MSR. What is refused there
 * is refused, and what has become of the MSR is carried over.
 *
 * Apart from the MSR and CPUID, KVM looks at CR4.LA57 for what an address may be.
 */
#include "standin.h"

#include "machine.h"

#include <gabi/hv_msr.h>
#include <gabi/hv_vsm.h>

#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

struct standin {
	pthread_mutex_t lock;
	struct gabi_kvm_vm *vm;
	struct kvm_run *run;  /* NULL: not mapped */
	unsigned char *page;  /* all its memory; NULL: not mapped */
	uint64_t refused_efer; /* bits */
};

enum { CR0_PE_ET_NE = 0x31, CR4_LA57 = 1 << 12, RFLAGS_CLEAR = 2, MSR_TSC_ADJUST = 0x3b, EFER_LME = 1 << 8, GENERAL_PROTECTION = 13 };
#define CR0_PG   ((uint64_t)1 << 31)
#define MSR_EFER 0xc0000080u

/* The page, of a processor in 32-bit protected mode without paging. Its handler of #GP says that the instruction was refused. */
enum { PAGE_AT = 0x1000, PAGE = 0x1000, HANDLER = 0x10, GDT = 0x40, IDT = 0x80, STACK = PAGE, CODE_SELECTOR = 8, DATA_SELECTOR = 16 };
enum { DONE = 0xf4, REFUSED = 0xf5 }; /* ports */

static const unsigned char code[2][4] = {
	{ 0x0f, 0x32, 0xe6, DONE }, /* rdmsr; out %al, $DONE */
	{ 0x0f, 0x30, 0xe6, DONE }, /* wrmsr; out %al, $DONE */
};
static const unsigned char handler[2] = { 0xe6, REFUSED }; /* out %al, $REFUSED */
static const uint64_t descriptors[3] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff }; /* of 4 GiB: code and data */
static const uint64_t gate = (uint64_t)0x8e00 << 32 | (uint64_t)CODE_SELECTOR << 16 | (PAGE_AT + HANDLER);

static void fill(unsigned char *page)
{
	memcpy(page + HANDLER, handler, sizeof(handler));
	memcpy(page + GDT, descriptors, sizeof(descriptors));
	memcpy(page + IDT + GENERAL_PROTECTION * sizeof(gate), &gate, sizeof(gate));
}

/* ---- from beginning to end ---- */

static int map(const struct gabi_kvm_machine *machine, struct standin *standin, struct gabi_diag *diag)
{
	struct kvm_userspace_memory_region region = { .guest_phys_addr = PAGE_AT, .memory_size = PAGE };
	void *run = mmap(NULL, machine->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, standin->vm->vcpu[0], 0);
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	standin->run = run == MAP_FAILED ? NULL : run;
	standin->page = page == MAP_FAILED ? NULL : page;
	region.userspace_addr = (uintptr_t)page;
	if (!standin->run || !standin->page || kvm_ioctl(standin->vm->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return kvm_refused(diag, "make a processor that tries what a guest writes to MSRs");
	fill(standin->page);
	return 0;
}

int standin_new(const struct gabi_kvm_machine *machine, const struct gabi_contract *contract, const struct gabi_plan *plan,
		struct standin **ret_standin, struct gabi_diag *diag)
{
	const struct gabi_kvm_vm_options options = { .size = sizeof(options), .device = machine->options.device, .vcpus = 1 };
	struct standin *standin = gabi_mem_get(&machine->mem, sizeof(*standin));
	int err;

	if (!standin)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	pthread_mutex_init(&standin->lock, NULL);
	standin->refused_efer = msrs_refused_efer(contract);
	err = gabi_kvm_vm_create(contract, &options, &machine->mem, &standin->vm, diag);
	if (!err)
		err = machine_apply(machine, standin->vm, plan, diag);
	if (!err)
		err = map(machine, standin, diag);
	if (err)
		standin_free(machine, standin);
	else
		*ret_standin = standin;
	return err;
}

void standin_free(const struct gabi_kvm_machine *machine, struct standin *standin)
{
	if (!standin)
		return;
	if (standin->run)
		munmap(standin->run, machine->run_len);
	gabi_kvm_vm_free(standin->vm);
	if (standin->page)
		munmap(standin->page, PAGE);
	pthread_mutex_destroy(&standin->lock);
	gabi_mem_put(&machine->mem, standin);
}

/* ---- an instruction ---- */

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){ .limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1, .db = 1 };
}

/* What an instruction of before left behind is gone with it. */
static int place(const struct standin *standin, const struct kvm_regs *regs, uint64_t cr4)
{
	struct kvm_vcpu_events events = { .flags = 0 };
	struct kvm_sregs sregs;
	int vcpu = standin->vm->vcpu[0];

	if (kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs = segment(CODE_SELECTOR, 11);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(DATA_SELECTOR, 3);
	sregs.gdt = (struct kvm_dtable){ .base = PAGE_AT + GDT, .limit = sizeof(descriptors) - 1 };
	sregs.idt = (struct kvm_dtable){ .base = PAGE_AT + IDT, .limit = (GENERAL_PROTECTION + 1) * sizeof(gate) - 1 };
	sregs.cr0 = CR0_PE_ET_NE;
	sregs.cr4 = cr4 & CR4_LA57;
	sregs.efer = 0;
	forget_interrupt(&sregs);
	return kvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) || kvm_ioctl(vcpu, KVM_SET_REGS, (void *)(uintptr_t)regs) || kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* All but the OUT behind it is a refusal. */
static bool executes(const struct standin *standin)
{
	struct kvm_run *run = standin->run;
	int vcpu = standin->vm->vcpu[0];
	bool done = !kvm_ioctl(vcpu, KVM_RUN, NULL) && run->exit_reason == KVM_EXIT_IO && run->io.port == DONE;

	run->immediate_exit = 1; /* KVM ends the OUT, and goes no further */
	(void)ioctl(vcpu, KVM_RUN, 0);
	run->immediate_exit = 0;
	return done;
}

static int access_of(int vcpu, unsigned long request, uint32_t msr, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { { .nmsrs = 1 }, { .index = msr, .data = *value } };

	if (kvm_ioctl(vcpu, request, &call) != 1)
		return -1;
	*value = call.entry.data;
	return 0;
}

/* before: what the guest has in that MSR; after: what it would have there; NULL where that is not to be read. */
static bool may(struct standin *standin, uint64_t cr4, uint32_t msr, bool write, uint64_t value, const uint64_t *before, uint64_t *after)
{
	const struct kvm_regs regs = { .rip = PAGE_AT, .rsp = PAGE_AT + STACK, .rflags = RFLAGS_CLEAR, .rcx = msr, .rax = (uint32_t)value, .rdx = value >> 32 };
	int vcpu = standin->vm->vcpu[0];
	uint64_t old = before ? *before : 0;
	bool done;

	pthread_mutex_lock(&standin->lock);
	memcpy(standin->page, code[write], sizeof(code[write]));
	done = !place(standin, &regs, cr4);
	if (done && before)
		access_of(vcpu, KVM_SET_MSRS, msr, &old); /* one that it refuses is one that no write changes */
	done = done && executes(standin);
	if (done && before && access_of(vcpu, KVM_GET_MSRS, msr, after))
		done = false;
	pthread_mutex_unlock(&standin->lock);
	return done;
}

/* ---- on behalf of a guest ---- */

/* A write that does something, which is not seen in what is read afterwards: it is to be made. */
static bool acts(uint32_t msr)
{
	static const uint32_t all[] = {
		0x10 /* TSC */, 0x49 /* PRED_CMD */, 0x10b /* FLUSH_CMD */, 0x390 /* PERF_GLOBAL_OVF_CTRL */, 0x6e0 /* TSC_DEADLINE */,
		0xc0000302, 0xc0000303 /* AMD's PerfCntrGlobalStatusClr and Set */,
	};

	for (size_t i = 0; i < GABI_COUNT_OF(all); i++)
		if (all[i] == msr)
			return true;
	return false;
}

/* A guest that adjusts its TSC moves it; a VMM that does so says only what it was adjusted by. */
static int move_tsc(int vcpu, uint64_t by)
{
	uint64_t value = 0;
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&value };

	if (kvm_ioctl(vcpu, KVM_GET_DEVICE_ATTR, &offset))
		return -1;
	value += by;
	return kvm_ioctl(vcpu, KVM_SET_DEVICE_ATTR, &offset);
}

/*
 * EFER is not tried: on QEMU's emulated SVM a guest as small as this one that wrote it with LME came to no end, and it is not known why. KVM's rules are few;
 * what no guest at all may set it refuses a VMM too.
 */
static int write_efer(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t cr0, uint64_t before, uint64_t value)
{
	if (value & machine->standin->refused_efer || (cr0 & CR0_PG && (before ^ value) & EFER_LME))
		return GABI_ERR_RANGE;
	return gabi_kvm_vp_set_msr(machine, vp, vtl, MSR_EFER, value) ? GABI_ERR_RANGE : 0;
}

static int write_of(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, const uint64_t *before, uint64_t value, uint64_t after)
{
	if (gabi_kvm_vp_set_msr(machine, vp, vtl, msr, before && !acts(msr) ? after : value))
		return GABI_ERR_RANGE;
	return msr == MSR_TSC_ADJUST && before && move_tsc(vcpu_of(machine, vp, vtl), after - *before) ? GABI_ERR_KVM : 0;
}

int gabi_kvm_vp_carry_out_msr(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, int write, uint64_t *value)
{
	struct gabi_hv_value cr0, cr4;
	uint64_t before = 0, after = 0;
	bool has;

	if (!is_there(machine, vp, vtl) || !machine->standin)
		return GABI_ERR_ARG;
	has = !gabi_kvm_vp_get_msr(machine, vp, vtl, msr, &before);
	if (msrs_are_left(msr)) /* a local APIC's, of which a VMM's write does the same, and the run time, which no guest writes */
		return write && msr == GABI_HV_MSR_VP_RUNTIME ? GABI_ERR_RANGE : write ? gabi_kvm_vp_set_msr(machine, vp, vtl, msr, *value) : gabi_kvm_vp_get_msr(machine, vp, vtl, msr, value);
	if (gabi_kvm_vp_get_register(machine, vp, vtl, GABI_HV_REG_Cr0, &cr0) || gabi_kvm_vp_get_register(machine, vp, vtl, GABI_HV_REG_Cr4, &cr4))
		return GABI_ERR_KVM;
	if (write && msr == MSR_EFER)
		return write_efer(machine, vp, vtl, cr0.low, before, *value);
	if (msr != MSR_EFER && !may(machine->standin, cr4.low, msr, write, *value, has ? &before : NULL, &after))
		return GABI_ERR_RANGE;
	if (write)
		return write_of(machine, vp, vtl, msr, has ? &before : NULL, *value, after);
	if (!has)
		return GABI_ERR_RANGE;
	*value = before;
	return 0;
}
