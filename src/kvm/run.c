/* SPDX-License-Identifier: MIT */
/* A machine that runs: a VM for each VTL over one memory. */
#include <gabi/kvm_machine.h>

#include "machine.h"
#include "machine_x86.h"

#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MSR_PAT = 0x277 };
#define MSR_EFER 0xc0000080u

__extension__ typedef unsigned __int128 wide;

/* ---- making ---- */

static int no_such_vp(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_ARG, "there is no such virtual processor or trust level", (char *)NULL);
}

static int take_options(struct gabi_kvm_machine_options *ours, const struct gabi_kvm_machine_options *theirs,
			struct gabi_diag *diag)
{
	int err = kvm_take_sized(ours, sizeof(*ours), theirs, diag);

	if (err)
		return err;
	if (!ours->device)
		ours->device = "/dev/kvm";
	if (!ours->vps)
		ours->vps = 1;
	if (!ours->vtls)
		ours->vtls = 1;
	if (ours->vps > GABI_KVM_VPS_MAX)
		return gabi_fail(diag, GABI_ERR_ARG, "a machine has at most 240 virtual processors", (char *)NULL);
	if (ours->vtls > GABI_KVM_VTLS_MAX)
		return gabi_fail(diag, GABI_ERR_ARG, "a machine has at most 3 trust levels", (char *)NULL);
	return 0;
}

static int find_run_len(struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	int kvm = -1, len, err = kvm_open(machine->options.device, &kvm, diag);

	if (err)
		return err;
	len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	kvm_close(kvm);
	machine->run_len = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : kvm_refused(diag, "say how large a virtual processor's state is");
}

static int map_runs(const struct gabi_kvm_machine *machine, struct level *level, struct gabi_diag *diag)
{
	for (unsigned vp = 0; vp < machine->options.vps; vp++) {
		void *run = mmap(NULL, machine->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, level->vm->vcpu[vp], 0);

		if (run == MAP_FAILED)
			return kvm_refused(diag, "share a virtual processor's state");
		level->run[vp] = run;
		level->run[vp]->kvm_valid_regs = KVM_SYNC_X86_REGS;
	}
	return 0;
}

/* Is that no more than KVM showing something else than was set, where the caller takes that? */
static bool is_tolerated(const struct gabi_kvm_machine *machine, int err, const struct gabi_diag *diag)
{
	return machine->options.unverified && err == GABI_ERR_KVM && !diag->sys_errno;
}

int machine_apply(const struct gabi_kvm_machine *machine, const struct gabi_kvm_vm *to, const struct gabi_plan *plan, struct gabi_diag *diag)
{
	struct gabi_kvm_vm vm = *to;
	struct gabi_diag own = { 0 };
	int err;

	vm.cpuid = machine->options.cpuid;
	vm.ctx = machine->options.ctx;
	err = gabi_kvm_apply(plan, &vm, &machine->mem, &own);
	if (is_tolerated(machine, err, &own))
		return 0;
	if (err && diag)
		*diag = own;
	return err;
}

static int set_msr(int vcpu, uint32_t msr, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { { .nmsrs = 1 }, { .index = msr, .data = value } };

	return kvm_ioctl(vcpu, KVM_SET_MSRS, &call) == 1 ? 0 : -1;
}

/* Whether the contract promises a guest that Hyper-V feature: a bit of a register of leaf 0x40000003. */
static bool promises(const struct gabi_contract *contract, unsigned part, unsigned bit)
{
	const struct gabi_key key = { .space = GABI_SPACE_HYPERV, .index = 0x40000003, .part = (uint8_t)part };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word && word->value >> bit & 1;
}

/*
 * What of KVM's own Hyper-V is not there by CPUID alone. Of a guest whose Hyper-V is the caller's, KVM's interrupt controller only ends
 * the service of vectors by itself where their source says so: there a KVM that has none is fine.
 */
static int give_hyperv(const struct gabi_kvm_machine *machine, const struct level *level, const struct gabi_contract *contract,
		       struct gabi_diag *diag)
{
	enum { ACCESS_SYNIC = 2, ACCESS_HYPERCALL = 5, CRASH_MSRS = 10, MSR_CRASH_CTL = 0x40000105 };
	const uint64_t crash_notify = (uint64_t)1 << 63;
	int err = 0;

	if (!promises(contract, GABI_EAX, ACCESS_HYPERCALL))
		return 0;
	for (unsigned vp = 0; !err && vp < machine->options.vps; vp++) {
		int vcpu = level->vm->vcpu[vp];

		err = machine_hold_to_hyperv(vcpu, diag);
		if (!err && promises(contract, GABI_EAX, ACCESS_SYNIC) && machine_give_synic(vcpu, diag) && !machine->options.hyperv)
			err = GABI_ERR_KVM;
		if (!err && promises(contract, GABI_EDX, CRASH_MSRS) && !machine->options.hyperv && set_msr(vcpu, MSR_CRASH_CTL, crash_notify))
			err = kvm_refused(diag, "take a guest's report of a crash");
	}
	return err;
}

/* HLT is no exit there: docs/vsm.md. */
static bool waits_in_place(const struct gabi_kvm_machine *machine, unsigned vtl)
{
	return vtl + 1 < machine->options.vtls;
}

static int make_level(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_contract *contract,
		      const struct gabi_plan *plan, struct gabi_diag *diag)
{
	const struct gabi_kvm_vm_options options = {
		.size = sizeof(options), .device = machine->options.device, .vcpus = machine->options.vps, .pc = !vtl,
		.waits_in_place = waits_in_place(machine, vtl),
	};
	struct level *level = &machine->level[vtl];
	int err;

	level->run = gabi_mem_get(&machine->mem, machine->options.vps * sizeof(*level->run));
	if (!level->run)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = gabi_kvm_vm_create(contract, &options, &machine->mem, &level->vm, diag);
	if (!err)
		err = machine_apply(machine, level->vm, plan, diag);
	if (!err)
		err = give_hyperv(machine, level, contract, diag);
	if (!err && machine->options.shim && vtl + 1 < machine->options.vtls)
		err = shim_new(machine, contract, &level->shim, diag);
	if (!err && machine->options.hyperv)
		err = msrs_take(machine, level, NULL, 0, diag);
	if (!err)
		err = memory_map(&machine->memory, &level->view, diag);
	if (!err)
		err = memory_give(&machine->memory, level->vm->vm, level->view, shim_first_at(level->shim), false, diag);
	if (!err)
		err = map_runs(machine, level, diag);
	return err ? err : shim_start(machine, vtl, diag);
}

/* How many bits of the ratio are fractions: Linux arch/x86/kvm, svm.h and vmx.c, tsc_scaling_ratio_frac_bits. */
static unsigned ratio_shift(void)
{
	enum { INTEL = 0x756e6547 /* "Genu" */, SHIFT_VMX = 48, SHIFT_SVM = 32 };
	unsigned eax, ebx = 0, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == INTEL ? SHIFT_VMX : SHIFT_SVM;
}

/*
 * A guest's TSC is scaled where it is further than that from this machine's, which a VM has until it is told another: arch/x86/kvm/x86.c,
 * kvm_set_tsc_khz. So is the ratio. A KVM that does not say it, before 5.18, is taken for one that does not scale.
 */
static void find_ratio(struct gabi_kvm_machine *machine, uint64_t khz)
{
	enum { TOLERANCE_PPM = 250, MILLION = 1000000 };
	int own = ioctl(machine->level[0].vm->vm, KVM_GET_TSC_KHZ, 0);
	uint64_t low = own > 0 ? (uint64_t)own * (MILLION - TOLERANCE_PPM) / MILLION : 0;
	uint64_t high = own > 0 ? (uint64_t)own * (MILLION + TOLERANCE_PPM) / MILLION : UINT64_MAX;

	machine->tsc_shift = ratio_shift();
	machine->tsc_ratio = khz < low || khz > high ? (uint64_t)(((wide)khz << machine->tsc_shift) / (unsigned)own) : 0;
}

static int get_tsc_offset(const struct gabi_kvm_machine *machine, uint64_t *ret_offset)
{
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)ret_offset };

	return kvm_ioctl(machine->level[0].vm->vcpu[0], KVM_GET_DEVICE_ATTR, &offset);
}

int machine_find_tsc(struct gabi_kvm_machine *machine, struct gabi_diag *diag)
{
	int khz = ioctl(machine->level[0].vm->vcpu[0], KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		return kvm_refused(diag, "say how fast the guest's TSC is");
	machine->tsc_hz = (uint64_t)khz * 1000;
	find_ratio(machine, (uint64_t)khz);
	if (machine->options.hyperv && get_tsc_offset(machine, &machine->tsc_offset))
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "this KVM does not say how far the guest's TSC is from this machine's, which Linux ",
				 "5.16 brought: without that there is no Hyper-V by gabi's engine", (char *)NULL);
	return 0;
}

static int make_all(struct gabi_kvm_machine *machine, const struct gabi_contract *contract, const struct gabi_plan *plan,
		    struct gabi_diag *diag)
{
	int err = memory_open(&machine->memory, machine->options.memory, machine->options.overlays, diag);

	if (!err)
		err = find_run_len(machine, diag);
	for (unsigned vtl = 0; !err && vtl < machine->options.vtls; vtl++)
		err = make_level(machine, vtl, contract, plan, diag);
	if (!err)
		err = machine_find_tsc(machine, diag);
	if (!err && machine->options.vtls > 1)
		err = standin_new(machine, contract, plan, &machine->standin, diag);
	if (!err && machine->options.vtls > 1)
		err = vtl_init(machine, contract, diag);
	return err || machine->options.vtls < 2 ? err : protect_init(machine, diag);
}

int gabi_kvm_machine_new(const struct gabi_contract *contract, const struct gabi_plan *plan,
			 const struct gabi_kvm_machine_options *options, const struct gabi_mem *mem,
			 struct gabi_kvm_machine **ret_machine, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_kvm_machine_options ours;
	struct gabi_kvm_machine *machine;
	int err = take_options(&ours, options, diag);

	if (err)
		return err;
	machine = gabi_mem_get(&own, sizeof(*machine));
	if (!machine)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	machine->mem = own;
	machine->options = ours;
	machine->memory.mem = own;
	machine->memory.file = machine->memory.overlay_file = -1;
	machine->protect.uffd = machine->protect.stop = -1;
	machine->call = gabi_mem_get(&own, ours.vps * sizeof(*machine->call));
	err = machine->call ? make_all(machine, contract, plan, diag) :
				gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (err)
		gabi_kvm_machine_free(machine);
	else
		*ret_machine = machine;
	return err;
}

static void free_level(struct gabi_kvm_machine *machine, struct level *level)
{
	for (unsigned vp = 0; level->run && vp < machine->options.vps; vp++)
		if (level->run[vp])
			munmap(level->run[vp], machine->run_len);
	gabi_mem_put(&machine->mem, level->run);
	vtl_free(machine, level);
	gabi_kvm_vm_free(level->vm);
	shim_free(level->shim);
	memory_unmap(&machine->memory, level->view);
}

void gabi_kvm_machine_free(struct gabi_kvm_machine *machine)
{
	if (!machine)
		return;
	protect_free(machine);
	standin_free(machine, machine->standin);
	for (unsigned vtl = 0; vtl < machine->options.vtls; vtl++)
		free_level(machine, &machine->level[vtl]);
	memory_close(&machine->memory);
	gabi_mem_put(&machine->mem, machine->dirty.own);
	gabi_mem_put(&machine->mem, machine->call);
	gabi_mem_put(&machine->mem, machine);
}

/* ---- the machine as a whole ---- */

const struct gabi_kvm_vm *gabi_kvm_machine_vm(const struct gabi_kvm_machine *machine, unsigned vtl)
{
	return vtl < machine->options.vtls ? machine->level[vtl].vm : NULL;
}

void *gabi_kvm_machine_ram(const struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len)
{
	uint64_t offset;

	return memory_find(&machine->memory, gpa, len, &offset) ? machine->memory.view + offset : NULL;
}

/* ---- which pages ---- */

uint64_t gabi_kvm_machine_pages(const struct gabi_kvm_machine *machine)
{
	return machine->memory.len / GABI_HV_PAGE;
}

void *gabi_kvm_machine_page(const struct gabi_kvm_machine *machine, uint64_t page, uint64_t count)
{
	uint64_t pages = gabi_kvm_machine_pages(machine);

	return page <= pages && count <= pages - page ? machine->memory.view + page * GABI_HV_PAGE : NULL;
}

int gabi_kvm_machine_used(const struct gabi_kvm_machine *machine, uint64_t *bitmap, struct gabi_diag *diag)
{
	return dirty_used(&machine->memory, bitmap, diag);
}

static int set_logs(const struct gabi_kvm_machine *machine, bool on, struct gabi_diag *diag)
{
	int err = 0;

	for (unsigned vtl = 0; !err && vtl < machine->options.vtls; vtl++)
		err = memory_give(&machine->memory, machine->level[vtl].vm->vm, machine->level[vtl].view, shim_first_at(machine->level[vtl].shim), on, diag);
	return err;
}

int gabi_kvm_machine_log(struct gabi_kvm_machine *machine, int on, struct gabi_diag *diag)
{
	int err = on ? dirty_begin(&machine->dirty, &machine->memory, diag) : 0;

	if (!on)
		dirty_end(&machine->dirty);
	return err ? err : set_logs(machine, on, diag);
}

int gabi_kvm_machine_dirty(struct gabi_kvm_machine *machine, uint64_t *bitmap, struct gabi_diag *diag)
{
	int err = 0;

	dirty_take_own(&machine->dirty, &machine->memory, bitmap);
	for (unsigned vtl = 0; !err && vtl < machine->options.vtls; vtl++)
		err = dirty_take(&machine->memory, machine->level[vtl].vm->vm, shim_first_at(machine->level[vtl].shim), bitmap, diag);
	return err;
}

void gabi_kvm_machine_wrote(struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len)
{
	uint64_t offset;

	if (len && memory_find(&machine->memory, gpa, len, &offset))
		dirty_mark(&machine->dirty, offset / GABI_HV_PAGE, (offset + len - 1) / GABI_HV_PAGE);
}

/* ---- interrupts, overlays, time ---- */

int gabi_kvm_machine_line(const struct gabi_kvm_machine *machine, unsigned line, int level)
{
	struct kvm_irq_level irq = { .irq = line, .level = (uint32_t)level };

	return kvm_ioctl(machine->level[0].vm->vm, KVM_IRQ_LINE, &irq) ? GABI_ERR_KVM : 0;
}

int gabi_kvm_machine_msi(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t address, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32), .data = data };

	if (vtl >= machine->options.vtls)
		return GABI_ERR_ARG;
	return kvm_ioctl(machine->level[vtl].vm->vm, KVM_SIGNAL_MSI, &msi) < 0 ? GABI_ERR_KVM : 0;
}

void *gabi_kvm_machine_overlays(const struct gabi_kvm_machine *machine)
{
	return machine->memory.overlays;
}

int gabi_kvm_machine_overlay(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint32_t page)
{
	if (vtl >= machine->options.vtls || (page != UINT32_MAX && page >= machine->options.overlays))
		return GABI_ERR_ARG;
	return protect_cover(machine, vtl, gpa, page);
}

uint64_t gabi_kvm_machine_tsc_hz(const struct gabi_kvm_machine *machine)
{
	return machine->tsc_hz;
}

uint64_t gabi_kvm_machine_tsc(const struct gabi_kvm_machine *machine)
{
	uint64_t tsc = __builtin_ia32_rdtsc();

	if (machine->tsc_ratio)
		tsc = (uint64_t)((wide)tsc * machine->tsc_ratio >> machine->tsc_shift);
	return tsc + machine->tsc_offset;
}

int gabi_kvm_machine_tsc_moved(const struct gabi_kvm_machine *machine, uint64_t *ret_moved, struct gabi_diag *diag)
{
	uint64_t offset;

	if (get_tsc_offset(machine, &offset))
		return kvm_refused(diag, "say how far the guest's TSC is from this machine's");
	*ret_moved = offset - machine->tsc_offset;
	return 0;
}

void gabi_kvm_machine_set_tsc_moved(struct gabi_kvm_machine *machine, uint64_t moved)
{
	machine->tsc_offset -= moved;
}

/* What is shared with KVM follows: a switch of trust levels looks there before the processor has run. */
static int tell_restored(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_diag *diag)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);

	run->kvm_dirty_regs = 0;
	vtl_forget(machine, vp, vtl);
	if (kvm_ioctl(vcpu, KVM_GET_REGS, &run->s.regs.regs) || kvm_ioctl(vcpu, KVM_GET_SREGS, &run->s.regs.sregs))
		return kvm_refused(diag, "say a virtual processor's state");
	return 0;
}

int gabi_kvm_machine_restore(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_state *state, const struct gabi_plan *plan,
			     struct gabi_diag *diag)
{
	int err;

	if (vtl >= machine->options.vtls)
		return no_such_vp(diag);
	err = gabi_kvm_restore(state, plan, machine->level[vtl].vm, &machine->mem, NULL, diag);
	for (unsigned vp = 0; !err && vp < machine->options.vps; vp++)
		err = tell_restored(machine, vp, vtl, diag);
	if (!err)
		err = vtl_restored(machine, vtl, state, diag);
	return err || vtl ? err : machine_find_tsc(machine, diag);
}

/* ---- registers ---- */

/* The attributes are those of a descriptor, bits 55:40 of it, without the limit's. */
static struct kvm_segment segment(const struct gabi_hv_segment *from)
{
	unsigned bits = from->attributes;

	return (struct kvm_segment){
		.base = from->base, .limit = from->limit, .selector = from->selector, .type = bits & 15, .s = bits >> 4 & 1,
		.dpl = bits >> 5 & 3, .present = bits >> 7 & 1, .avl = bits >> 12 & 1, .l = bits >> 13 & 1, .db = bits >> 14 & 1,
		.g = bits >> 15 & 1, .unusable = !(bits >> 7 & 1),
	};
}

static void put_context(struct kvm_sregs *sregs, const struct gabi_hv_context *context)
{
	sregs->cs = segment(&context->cs);
	sregs->ds = segment(&context->ds);
	sregs->es = segment(&context->es);
	sregs->fs = segment(&context->fs);
	sregs->gs = segment(&context->gs);
	sregs->ss = segment(&context->ss);
	sregs->tr = segment(&context->tr);
	sregs->ldt = segment(&context->ldtr);
	sregs->gdt = (struct kvm_dtable){ .base = context->gdtr.base, .limit = context->gdtr.limit };
	sregs->idt = (struct kvm_dtable){ .base = context->idtr.base, .limit = context->idtr.limit };
	sregs->efer = context->efer;
	sregs->cr0 = context->cr0;
	sregs->cr3 = context->cr3;
	sregs->cr4 = context->cr4;
}

/* What is shared with KVM follows; and an upper level's processor is no longer one that waits for a startup IPI. */
static int tell_start(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct kvm_regs *regs, struct gabi_diag *diag)
{
	struct kvm_mp_state runs = { KVM_MP_STATE_RUNNABLE };
	struct kvm_run *run = run_of(machine, vp, vtl);

	run->s.regs.regs = *regs;
	run->kvm_dirty_regs = 0;
	vtl_forget(machine, vp, vtl);
	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &run->s.regs.sregs) ||
	    (vp && kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_MP_STATE, &runs)))
		return kvm_refused(diag, "put a virtual processor at its first instruction");
	return 0;
}

int gabi_kvm_vp_start(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct gabi_hv_context *context,
		      const struct gabi_kvm_registers *registers, struct gabi_diag *diag)
{
	static const struct gabi_kvm_registers none;
	const struct gabi_kvm_registers *from = registers ? registers : &none;
	struct kvm_regs regs = {
		.rax = from->rax, .rbx = from->rbx, .rcx = from->rcx, .rdx = from->rdx, .rsi = from->rsi, .rdi = from->rdi,
		.rbp = from->rbp, .r8 = from->r8, .r9 = from->r9, .r10 = from->r10, .r11 = from->r11, .r12 = from->r12,
		.r13 = from->r13, .r14 = from->r14, .r15 = from->r15,
		.rsp = context->rsp, .rip = context->rip, .rflags = context->rflags | 2,
	};
	struct kvm_sregs sregs;
	int vcpu;

	if (!is_there(machine, vp, vtl))
		return no_such_vp(diag);
	vcpu = vcpu_of(machine, vp, vtl);
	if (shim_leave(machine, vp, vtl) || kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return kvm_refused(diag, "say a virtual processor's state");
	put_context(&sregs, context);
	if (kvm_ioctl(vcpu, KVM_SET_SREGS, &sregs) || kvm_ioctl(vcpu, KVM_SET_REGS, &regs) || set_msr(vcpu, MSR_PAT, context->pat))
		return kvm_refused(diag, "put a virtual processor at its first instruction");
	return tell_start(machine, vp, vtl, &regs, diag);
}

_Static_assert(sizeof(struct gabi_kvm_registers) == sizeof(struct kvm_regs), "the registers are KVM's");
_Static_assert(offsetof(struct gabi_kvm_registers, rflags) == offsetof(struct kvm_regs, rflags), "in KVM's order");

struct gabi_kvm_registers *gabi_kvm_vp_registers(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return (void *)&machine->level[vtl].run[vp]->s.regs.regs;
}

void gabi_kvm_vp_changed(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	machine->level[vtl].run[vp]->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

int gabi_kvm_vp_mode(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned *ret_bits, unsigned *ret_cpl,
		     struct gabi_diag *diag)
{
	enum { CR0_PE = 1, EFER_LMA = 1 << 10 };
	struct kvm_sregs sregs;

	if (run_of(machine, vp, vtl)->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		sregs = run_of(machine, vp, vtl)->s.regs.sregs;
	else if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &sregs))
		return kvm_refused(diag, "say a virtual processor's state");
	*ret_bits = !(sregs.cr0 & CR0_PE) ? 16 : sregs.efer & EFER_LMA && sregs.cs.l ? 64 : 32;
	*ret_cpl = sregs.ss.dpl;
	return 0;
}

int gabi_kvm_vp_get_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t *ret_value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { { .nmsrs = 1 }, { .index = msr } };

	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_MSRS, &call) != 1)
		return GABI_ERR_KVM;
	*ret_value = msr == MSR_EFER ? shim_efer(machine, vtl, call.entry.data) : call.entry.data;
	return 0;
}

int gabi_kvm_vp_set_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t value)
{
	unsigned first = msrs_are_common(msr) ? 0 : vtl, last = msrs_are_common(msr) ? machine->options.vtls - 1 : vtl;
	int err = 0;

	if (msr == MSR_EFER && shim_take_efer(machine, vp, vtl, &value))
		return GABI_ERR_KVM;
	for (unsigned level = first; level <= last; level++)
		if (set_msr(vcpu_of(machine, vp, level), msr, value))
			err = GABI_ERR_KVM;
	return err;
}

static int inject(int vcpu, int vector)
{
	enum { GENERAL_PROTECTION = 13 };
	struct kvm_vcpu_events events;

	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return -1;
	events.exception.injected = 1;
	events.exception.nr = (uint8_t)vector;
	events.exception.has_error_code = vector == GENERAL_PROTECTION;
	events.exception.error_code = 0;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* Asked once of each thread: a system call at every exit would cost a twentieth of it. */
static int this_thread(void)
{
	static _Thread_local int thread;

	if (!thread)
		thread = (int)syscall(SYS_gettid);
	return thread;
}

void machine_enter(struct gabi_kvm_machine *machine, unsigned vp)
{
	atomic_store(&machine->call[vp].inside, this_thread());
}

/* A page that was closed for it is none that an instruction waits for. */
void machine_leave(struct gabi_kvm_machine *machine, unsigned vp)
{
	atomic_store(&machine->call[vp].inside, 0);
	protect_forget(machine, vp);
}

/* A string instruction whose memory is not to be reached comes back for each part of it: what is written is lost, a read gives ones. */
static bool settles_on(const struct kvm_run *run, unsigned times)
{
	enum { PARTS_MAX = 8192 };

	return run->exit_reason == KVM_EXIT_MMIO && times < PARTS_MAX;
}

/*
 * KVM ends what an exit left open when it is entered the next time; here without running the guest. The flag was perhaps set
 * meanwhile by a kick, which must not be lost.
 */
int machine_settle(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = machine->level[vtl].run[vp];
	unsigned times = 0;
	int ret, saved;

	vtl_take_unserved(machine, vp, vtl); /* as further parts: a write is lost */
	if (shim_finish(machine, vp, vtl))
		return -1;
	machine_enter(machine, vp);
	do {
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		ret = ioctl(vcpu_of(machine, vp, vtl), KVM_RUN, 0);
		saved = errno;
		if (!ret && !run->mmio.is_write && run->exit_reason == KVM_EXIT_MMIO)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	} while (!ret && settles_on(run, times++));
	machine_leave(machine, vp);
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&machine->call[vp].kicked))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	run->kvm_dirty_regs = 0;
	return ret && saved == EINTR ? shim_put_back(machine, vp, vtl) : -1;
}

int gabi_kvm_vp_settle(struct gabi_kvm_machine *machine, unsigned vp, struct gabi_diag *diag)
{
	for (unsigned vtl = 0; vtl < machine->options.vtls; vtl++)
		if (machine_settle(machine, vp, vtl) || shim_leave(machine, vp, vtl))
			return kvm_refused(diag, "finish what a virtual processor had left open");
	return 0;
}

/* The instruction is carried out first, with whatever a read gives, and then its registers are as they were. */
int gabi_kvm_vp_again(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int vector, struct gabi_diag *diag)
{
	struct kvm_run *run = machine->level[vtl].run[vp];
	struct kvm_regs before = run->s.regs.regs;

	if (machine_settle(machine, vp, vtl))
		return kvm_refused(diag, "finish an instruction");
	run->s.regs.regs = before;
	run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return vector != GABI_KVM_NO_FAULT && inject(vcpu_of(machine, vp, vtl), vector) ? kvm_refused(diag, "let an instruction fault") : 0;
}

/* ---- running ---- */

void machine_stuck(const struct kvm_run *run, struct gabi_kvm_exit *exit, const char *why, uint64_t number)
{
	struct gabi_out out = gabi_out_to(exit->text, sizeof(exit->text));

	exit->kind = GABI_KVM_EXIT_STUCK;
	gabi_out_text(&out, why);
	gabi_out_text(&out, " 0x");
	gabi_out_hex(&out, number, 1);
	gabi_out_text(&out, ", at 0x");
	gabi_out_hex(&out, run->s.regs.regs.rip, 1);
}

/* What came out of KVM_RUN; the exit is KICKED so far, and the rest of it nothing. */
static void take_port(struct kvm_run *run, struct gabi_kvm_exit *exit)
{
	exit->kind = GABI_KVM_EXIT_PORT;
	exit->write = run->io.direction == KVM_EXIT_IO_OUT;
	exit->size = run->io.size;
	exit->count = run->io.count;
	exit->address = run->io.port;
	exit->data = (unsigned char *)run + run->io.data_offset;
}

static void take_mmio(const struct gabi_kvm_machine *machine, unsigned vtl, struct kvm_run *run, struct gabi_kvm_exit *exit)
{
	exit->kind = GABI_KVM_EXIT_MMIO;
	exit->write = run->mmio.is_write != 0;
	exit->size = (uint8_t)run->mmio.len;
	exit->count = 1;
	exit->address = shim_guests(machine->level[vtl].shim, run->mmio.phys_addr);
	exit->data = run->mmio.data;
}

static void take_msr(const struct gabi_kvm_machine *machine, struct kvm_run *run, struct gabi_kvm_exit *exit)
{
	exit->kind = GABI_KVM_EXIT_MSR;
	exit->write = run->exit_reason == KVM_EXIT_X86_WRMSR;
	exit->size = 8;
	exit->count = 1;
	exit->address = run->msr.index;
	exit->data = &run->msr.data;
	exit->fault = &run->msr.error;
	run->msr.error = run->msr.reason == KVM_MSR_EXIT_REASON_INVAL || (machine->options.vtls > 1 && msrs_are_kvms(run->msr.index));
}

_Static_assert(sizeof(struct gabi_kvm_hypercall) == sizeof(((struct kvm_hyperv_exit *)0)->u.hcall), "a hypercall is as KVM has it");
_Static_assert(offsetof(struct gabi_kvm_hypercall, out_gpa) == 24, "in KVM's order");

/* Of its synthetic interrupt controller KVM tells only what needs no answer. */
static void take_hyperv(struct kvm_run *run, struct gabi_kvm_exit *exit)
{
	if (run->hyperv.type == KVM_EXIT_HYPERV_HCALL)
		*exit = (struct gabi_kvm_exit){
			.kind = GABI_KVM_EXIT_HYPERCALL, .size = sizeof(struct gabi_kvm_hypercall), .count = 1,
			.address = run->hyperv.u.hcall.input & UINT16_MAX, .data = &run->hyperv.u.hcall,
		};
	else
		exit->kind = GABI_KVM_EXIT_KICKED;
}

static void take_exit(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		take_port(run, exit);
		break;
	case KVM_EXIT_MMIO:
		take_mmio(machine, vtl, run, exit);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		take_msr(machine, run, exit);
		break;
	case KVM_EXIT_HYPERV:
		take_hyperv(run, exit);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		exit->kind = GABI_KVM_EXIT_KICKED;
		break;
	case KVM_EXIT_SHUTDOWN:
		exit->kind = GABI_KVM_EXIT_CRASHED;
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit->kind = GABI_KVM_EXIT_RESET;
		break;
	case KVM_EXIT_FAIL_ENTRY:
		machine_stuck(run, exit, "the processor refused to enter the guest, reason", run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		if (!shim_started(machine, vp, vtl)) /* else it is entered again */
			machine_stuck(run, exit, "KVM could not emulate an instruction, suberror", run->internal.suberror);
		break;
	default:
		machine_stuck(run, exit, "KVM stopped for a reason that it should not have, exit reason", run->exit_reason);
	}
}

/* KVM could not reach memory: an access that is not allowed, or one that another processor's closed for a moment. */
static bool take_fault(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t changes, struct gabi_kvm_exit *exit)
{
	uint64_t gpa;
	bool write;

	switch (protect_fault(machine, vp, vtl, changes, &gpa, &write)) {
	case PROTECT_REFUSED:
		*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_PROTECTED, .write = write, .count = 1, .address = gpa };
		return true;
	case PROTECT_RETRY:
		return true;
	default:
		return false;
	}
}

/*
 * Since 6.14 KVM gives up an instruction that it would have to emulate while an exception or interrupt is on its way. On AMD it looks for that at the type
 * of what the processor was delivering, and not at the bit that says whether it was (arch/x86/kvm/svm/svm.c, svm_check_emulate_instruction); QEMU's
 * emulated SVM clears the bit alone. If nothing is on its way the instruction has had no effect, and the next entry leaves no type behind.
 */
static bool gave_up_for_nothing(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);
	struct kvm_vcpu_events events;

	return run->exit_reason == KVM_EXIT_INTERNAL_ERROR && run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV &&
	       !kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_VCPU_EVENTS, &events) && !events.exception.injected && !events.interrupt.injected &&
	       !events.nmi.injected;
}

/* KVM_RUN, with what a shim makes of it. 0 or errno, or that exit is filled. */
static int run_once(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit, enum shim_result *ret_shim)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int ret;

	if (shim_finish(machine, vp, vtl))
		return errno;
	machine_enter(machine, vp); /* each time, for a shim looks at memory too */
	ret = ioctl(vcpu_of(machine, vp, vtl), KVM_RUN, 0) ? errno : 0;
	run->kvm_dirty_regs = 0;
	*ret_shim = shim_served(machine, vp, vtl, exit);
	if (*ret_shim != SHIM_AS_KVM)
		return ret;
	*ret_shim = SHIM_NOTHING;
	return 0;
}

/* Again as long as it comes back for what all trust levels share, or a shim does. */
static int run_vcpu(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit, enum shim_result *ret_shim)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	bool retried = false, retry;
	int ret;

	*ret_shim = SHIM_NOTHING;
	if (vtl_take_unserved(machine, vp, vtl))
		return 0;
	do {
		ret = run_once(machine, vp, vtl, exit, ret_shim);
		retry = !*ret_shim && !ret && !retried && gave_up_for_nothing(machine, vp, vtl);
		retried = retry;
	} while (retry || *ret_shim == SHIM_AGAIN || (!*ret_shim && !ret && (vtl_take_msr(machine, vp, vtl, run) || shim_take_msr(machine, vp, vtl, run))));
	return ret;
}

static void set_immediate_exit(const struct gabi_kvm_machine *machine, unsigned vp, uint8_t value)
{
	for (unsigned vtl = 0; vtl < machine->options.vtls; vtl++)
		__atomic_store_n(&run_of(machine, vp, vtl)->immediate_exit, value, __ATOMIC_SEQ_CST);
}

/* One kick ends one run; a further one that comes meanwhile is not lost. */
static void heed_kick(struct gabi_kvm_machine *machine, unsigned vp)
{
	atomic_store(&machine->call[vp].kicked, false);
	set_immediate_exit(machine, vp, 0);
	if (atomic_load(&machine->call[vp].kicked))
		set_immediate_exit(machine, vp, 1);
}

/* ---- HLT of a level in which it is no exit ---- */

/* Is the instruction before this one HLT? */
static bool seems_halted(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	enum { HLT = 0xf4 };
	const uint8_t *before;
	uint64_t gpa;

	if (gabi_kvm_vp_translate(machine, vp, vtl, run_of(machine, vp, vtl)->s.regs.regs.rip - 1, &gpa))
		return false;
	before = gabi_kvm_machine_ram(machine, gpa, 1);
	return before && *before == HLT;
}

static bool set_halted(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, bool halted)
{
	struct kvm_mp_state state;
	int vcpu = vcpu_of(machine, vp, vtl);

	if (kvm_ioctl(vcpu, KVM_GET_MP_STATE, &state) || state.mp_state != (halted ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_HALTED))
		return false;
	state.mp_state = halted ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	return !kvm_ioctl(vcpu, KVM_SET_MP_STATE, &state);
}

int gabi_kvm_vp_is_started(const struct gabi_kvm_machine *machine, unsigned vp)
{
	struct kvm_mp_state state;

	return !kvm_ioctl(vcpu_of(machine, vp, 0), KVM_GET_MP_STATE, &state) && state.mp_state != KVM_MP_STATE_UNINITIALIZED &&
	       state.mp_state != KVM_MP_STATE_INIT_RECEIVED;
}

/* To be asked lets the local APIC take what it has been sent: save_x86.c. */
void gabi_kvm_vp_drop_startup(const struct gabi_kvm_machine *machine, unsigned vp)
{
	struct kvm_mp_state state;
	int vcpu = vcpu_of(machine, vp, 0);

	if (kvm_ioctl(vcpu, KVM_GET_MP_STATE, &state) || state.mp_state == KVM_MP_STATE_UNINITIALIZED)
		return;
	state.mp_state = KVM_MP_STATE_UNINITIALIZED;
	kvm_ioctl(vcpu, KVM_SET_MP_STATE, &state);
}

int gabi_kvm_vp_rest(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct call *call = &machine->call[vp];

	if (!is_there(machine, vp, vtl) || !waits_in_place(machine, vtl))
		return 0;
	call->rests = seems_halted(machine, vp, vtl) && set_halted(machine, vp, vtl, true);
	return call->rests;
}

/* What ended its rest: an interrupt, for which KVM has let it go on; or a kick, after which it goes on all the same. */
static void end_rest(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct call *call = &machine->call[vp];

	call->rested = call->rests && set_halted(machine, vp, vtl, false);
	call->rests = false;
}

int gabi_kvm_vp_rested(const struct gabi_kvm_machine *machine, unsigned vp)
{
	return vp < machine->options.vps && machine->call[vp].rested;
}

int gabi_kvm_vp_run(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit,
		    struct gabi_diag *diag)
{
	uint64_t changes = atomic_load(&machine->protect.changes);
	enum shim_result shim;
	int failed;

	if (!is_there(machine, vp, vtl))
		return no_such_vp(diag);
	*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_KICKED };
	protect_forget(machine, vp);
	if (shim_enter(machine, vp, vtl))
		return kvm_refused(diag, "run a trust level nested");
	failed = run_vcpu(machine, vp, vtl, exit, &shim);
	atomic_store(&machine->call[vp].inside, 0);
	end_rest(machine, vp, vtl);
	if (shim == SHIM_FAILED)
		return kvm_refused(diag, "go on with a trust level that ran nested");
	if (shim == SHIM_EXIT)
		return 0;
	if (!failed) {
		take_exit(machine, vp, vtl, exit);
		return 0;
	}
	if (failed == EINTR || failed == EAGAIN) {
		heed_kick(machine, vp);
		return 0;
	}
	if (failed == EFAULT && take_fault(machine, vp, vtl, changes, exit))
		return 0;
	errno = failed;
	return kvm_refused(diag, "run a virtual processor");
}

/* The flag catches a virtual processor that is about to enter KVM, the signal one that is inside. */
void gabi_kvm_vp_kick(struct gabi_kvm_machine *machine, unsigned vp)
{
	int thread;

	atomic_store(&machine->call[vp].kicked, true);
	set_immediate_exit(machine, vp, 1);
	thread = atomic_load(&machine->call[vp].inside);
	if (thread)
		syscall(SYS_tgkill, getpid(), thread, machine->options.kick);
}
