/* SPDX-License-Identifier: MIT */
/*
 * The nested guest is left for nothing but what would show that it is one, or what its vendor's processors leave any for. All else KVM does for it as for
 * any guest: interrupts go straight in, its ports, MSRs, HLT and devices never leave to the monitor by another way than they did. What remains is the
 * violation of the nested tables by an instruction fetch.
 *
 * On such an exit KVM goes on at an OUT in 64-bit mode with interrupts held back, whose page nobody else reaches. Behind each KVM_RUN it is looked at
 * whether that happened; then the guest's registers are put back, and KVM_SET_NESTED_STATE makes it a nested guest again. No instruction of the
 * guest has run meanwhile.
 *
 * After INIT a processor is no nested guest, and a startup IPI makes it run within the first MiB. There KVM has no memory but under another
 * address, to which the nested tables alone lead. So it gets nowhere, KVM says so, and it is made a nested guest before its first instruction.
 */
#include "shim_vendor.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { SLOT = MEMORY_PARTS, NO_ADDRESS_BITS = 36, RFLAGS_TF = 1 << 8 };

/* What an exit goes on with: OUT, to a port that nothing of KVM's has. */
static const unsigned char code[] = { 0xe6, 0xf1 };

/* ---- a processor's registers, as KVM has them or will have with the next run ---- */

int shim_get_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *ret)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);

	if (!(run->kvm_dirty_regs & KVM_SYNC_X86_SREGS))
		return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, ret);
	*ret = run->s.regs.sregs;
	return 0;
}

int shim_set_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *sregs)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	run->s.regs.sregs = *sregs;
	run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_SREGS;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_SREGS, sregs);
}

int shim_set_general(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_regs *regs)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	run->s.regs.regs = *regs;
	run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_REGS;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_REGS, regs);
}

/* ---- in and out ---- */

static bool waits_for_startup(int vcpu)
{
	struct kvm_mp_state state;

	return !kvm_ioctl(vcpu, KVM_GET_MP_STATE, &state) &&
	       (state.mp_state == KVM_MP_STATE_UNINITIALIZED || state.mp_state == KVM_MP_STATE_INIT_RECEIVED);
}

int shim_enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);

	if (!shim || shim->vp[vp].inside || waits_for_startup(vcpu_of(machine, vp, vtl)))
		return 0;
	shim->vp[vp].inside = !shim->vendor->enter(machine, vp, vtl);
	return shim->vp[vp].inside ? 0 : -1;
}

/* What leaving a nested guest loses, read before and set behind it. */
struct plain {
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
};

static int get_plain(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct plain *plain)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);
	int vcpu = vcpu_of(machine, vp, vtl);

	if (shim_get_special(machine, vp, vtl, &plain->sregs) || kvm_ioctl(vcpu, KVM_GET_REGS, &plain->regs) ||
	    kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &plain->debug) || kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &plain->events))
		return -1;
	if (run->kvm_dirty_regs & KVM_SYNC_X86_REGS)
		plain->regs = run->s.regs.regs;
	shim_show(machine, vp, vtl, &plain->sregs);
	return 0;
}

static int set_plain(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct plain *plain)
{
	int vcpu = vcpu_of(machine, vp, vtl);

	if (shim_of(machine, vtl)->vendor->leave(vcpu) || shim_set_special(machine, vp, vtl, &plain->sregs) || shim_set_general(machine, vp, vtl, &plain->regs))
		return -1;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &plain->debug) || kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &plain->events) ? -1 : 0;
}

/* INIT may have ended it. */
static bool is_inside(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);

	if (!shim || !shim->vp[vp].inside)
		return false;
	shim->vp[vp].inside = shim->vendor->is_inside(machine, vp, vtl);
	return shim->vp[vp].inside;
}

int shim_leave(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct plain plain;

	if (!is_inside(machine, vp, vtl))
		return 0;
	if (get_plain(machine, vp, vtl, &plain) || set_plain(machine, vp, vtl, &plain))
		return -1;
	shim_of(machine, vtl)->vp[vp].inside = false;
	return 0;
}

int gabi_kvm_vp_drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = is_there(machine, vp, vtl) ? shim_of(machine, vtl) : NULL;

	if (!shim)
		return GABI_ERR_UNSUPPORTED;
	shim->vp[vp].drops_init = true;
	return is_inside(machine, vp, vtl) && shim->vendor->drop_init(machine, vp, vtl) ? GABI_ERR_KVM : 0;
}

/* ---- what left the nested guest ---- */

int shim_finish_out(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int ret, saved;

	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ret = ioctl(vcpu_of(machine, vp, vtl), KVM_RUN, 0);
	saved = errno;
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&machine->call[vp].kicked))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	return ret && saved == EINTR ? 0 : -1;
}

static int put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct shim_left *ret_left)
{
	const struct shim *shim = shim_of(machine, vtl);

	ret_left->why = SHIM_STAYED;
	return shim && shim->vp[vp].inside ? shim->vendor->put_back(machine, vp, vtl, ret_left) : 0;
}

int shim_put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim_left left;

	return put_back(machine, vp, vtl, &left);
}

/* ---- instructions ---- */

/* Of CPUID, with its prefixes; where it cannot be read, without them. */
static unsigned cpuid_length(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	enum { LONGEST = 15, WITHOUT = 2 };
	const struct kvm_run *run = run_of(machine, vp, vtl);
	struct kvm_sregs sregs;
	uint64_t linear, gpa = 0;
	const uint8_t *at;
	uint8_t last = 0;

	if (kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &sregs))
		return WITHOUT;
	linear = run->s.regs.regs.rip + (sregs.cs.l ? 0 : sregs.cs.base);
	for (unsigned i = 0; i < LONGEST; i++, linear++, gpa++) {
		if ((!i || linear % GABI_HV_PAGE == 0) && gabi_kvm_vp_translate(machine, vp, vtl, linear, &gpa))
			break;
		at = gabi_kvm_machine_ram(machine, gpa, 1);
		if (!at)
			break;
		if (last == 0x0f && *at == 0xa2)
			return i + 1;
		last = *at;
	}
	return WITHOUT;
}

/* Without flags: an INIT or NMI that comes before they are set is not lost. */
static int get_events(int vcpu, struct kvm_vcpu_events *events)
{
	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, events))
		return -1;
	events->flags = 0;
	return 0;
}

static int fault(int vcpu, uint8_t vector)
{
	struct kvm_vcpu_events events;

	if (get_events(vcpu, &events))
		return -1;
	events.exception.injected = 1;
	events.exception.nr = vector;
	events.exception.has_error_code = 0;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* A debugger inside the guest that steps over the instruction. */
static int step(int vcpu)
{
	enum { DEBUG = 1, DR6_STEP = 1 << 14 };
	struct kvm_debugregs debug;

	if (kvm_ioctl(vcpu, KVM_GET_DEBUGREGS, &debug))
		return -1;
	debug.dr6 |= DR6_STEP;
	return kvm_ioctl(vcpu, KVM_SET_DEBUGREGS, &debug) || fault(vcpu, DEBUG) ? -1 : 0;
}

static int carry_out_cpuid(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_regs regs = run_of(machine, vp, vtl)->s.regs.regs;
	int vcpu = vcpu_of(machine, vp, vtl);

	regs.rip += cpuid_length(machine, vp, vtl);
	if (shim_cpuid_answer(&shim_of(machine, vtl)->cpuid, vcpu, &regs) || shim_set_general(machine, vp, vtl, &regs))
		return -1;
	return regs.rflags & RFLAGS_TF ? step(vcpu) : 0;
}

/* It waits in the local APIC, and with it goes a startup IPI that came behind it. */
static int drop_init(int vcpu)
{
	struct kvm_vcpu_events events;

	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return -1;
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.latched_init = 0;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

enum shim_result shim_served(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit)
{
	enum { UNDEFINED = 6 };
	int vcpu = vcpu_of(machine, vp, vtl);
	struct shim_left left;

	if (put_back(machine, vp, vtl, &left))
		return SHIM_FAILED;
	switch (left.why) {
	case SHIM_STAYED:
		return SHIM_NOTHING;
	case SHIM_FETCH:
		*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_PROTECTED, .execute = 1, .count = 1, .address = left.gpa };
		return SHIM_EXIT;
	case SHIM_BEYOND:
		*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_CRASHED, .count = 1, .address = left.gpa };
		return SHIM_EXIT;
	case SHIM_INIT:
		*exit = (struct gabi_kvm_exit){ .kind = GABI_KVM_EXIT_KICKED };
		return drop_init(vcpu) ? SHIM_FAILED : SHIM_EXIT;
	case SHIM_CPUID:
		return carry_out_cpuid(machine, vp, vtl) ? SHIM_FAILED : SHIM_AGAIN;
	case SHIM_UNDEFINED:
		return fault(vcpu, UNDEFINED) ? SHIM_FAILED : SHIM_AGAIN;
	default:
		return SHIM_FAILED;
	}
}

bool shim_started(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	int vcpu = vcpu_of(machine, vp, vtl);
	struct shim *shim = shim_of(machine, vtl);
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	if (!shim || is_inside(machine, vp, vtl) || kvm_ioctl(vcpu, KVM_GET_SREGS, &sregs) ||
	    sregs.cs.base + run_of(machine, vp, vtl)->s.regs.regs.rip >= SHIM_FIRST)
		return false;
	if (get_events(vcpu, &events))
		return false;
	events.exception.injected = events.exception.pending = 0; /* KVM's answer to an instruction that it cannot fetch */
	return !kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* ---- what the guest sees ---- */

void shim_show(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_sregs *sregs)
{
	const struct shim *shim = shim_of(machine, vtl);

	if (shim)
		shim->vendor->show(shim, vp, sregs);
}

int shim_hide(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct kvm_sregs *before, struct kvm_sregs *sregs)
{
	struct shim *shim = shim_of(machine, vtl);
	struct kvm_sregs shown = *sregs;

	if (!shim)
		return 0;
	shim->vendor->show(shim, vp, &shown);
	if (shown.efer != sregs->efer || shown.cr4 != sregs->cr4)
		return -1;
	shim->vendor->hide(shim, vp, before, sregs);
	return 0;
}

uint64_t shim_efer(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t efer)
{
	struct kvm_sregs sregs = { .efer = efer };

	shim_show(machine, 0, vtl, &sregs);
	return sregs.efer;
}

int shim_take_efer(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t *efer)
{
	const struct shim *shim = shim_of(machine, vtl);

	return shim && shim->vendor->take_efer ? shim->vendor->take_efer(machine, vp, vtl, efer) : 0;
}

const struct gabi_kvm_msrs *shim_msrs(const struct shim *shim, size_t *ret_count)
{
	*ret_count = shim ? shim->vendor->msr_count : 0;
	return shim ? shim->vendor->msrs : NULL;
}

bool shim_take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run)
{
	const struct shim *shim = shim_of(machine, vtl);

	if (!shim || (run->exit_reason != KVM_EXIT_X86_WRMSR && run->exit_reason != KVM_EXIT_X86_RDMSR))
		return false;
	for (size_t i = 0; i < shim->vendor->msr_count; i++)
		if (run->msr.index - shim->vendor->msrs[i].first < shim->vendor->msrs[i].count)
			return shim->vendor->take_msr(machine, vp, vtl, run);
	return false;
}

/* ---- making ---- */

int shim_new(const struct gabi_kvm_machine *machine, const struct gabi_contract *contract, struct shim **ret_shim, struct gabi_diag *diag)
{
	unsigned bits = (uint8_t)shim_cpuid_promised(contract, 0x80000008, GABI_EAX);
	struct shim *shim;
	int err;

	shim = gabi_mem_get(&machine->mem, sizeof(*shim));
	if (!shim)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	*ret_shim = shim;
	shim->mem = machine->mem;
	shim->vendor = &shim_svm;
	shim->vp = gabi_mem_get(&shim->mem, machine->options.vps * sizeof(*shim->vp));
	if (!shim->vp)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	err = shim_cpuid_new(&shim->cpuid, &shim->vendor->cpuid, contract, machine->options.device, &shim->mem, diag);
	if (err)
		return err;
	shim->vendor->make(shim, contract);
	return shim_pages_new(&shim->pages, &shim->vendor->format, machine->options.memory, machine->options.vps, bits ? bits : NO_ADDRESS_BITS, diag);
}

void shim_free(struct shim *shim)
{
	if (!shim)
		return;
	shim_pages_free(&shim->pages);
	gabi_mem_put(&shim->mem, shim->vp);
	gabi_mem_put(&shim->mem, shim);
}

uint64_t shim_first_at(const struct shim *shim)
{
	return shim ? shim->pages.first_at : 0;
}

uint64_t shim_guests(const struct shim *shim, uint64_t gpa)
{
	return shim && gpa >= shim->pages.first_at && gpa - shim->pages.first_at < SHIM_FIRST ? gpa - shim->pages.first_at : gpa;
}

bool shim_execute(const struct shim *shim, uint64_t gpa, uint64_t len, bool may)
{
	return shim && shim_pages_execute(&shim->pages, gpa, len, may);
}

/* What runs outside of the nested guest, mapped from address 0 on by one page of 2 MiB. */
static void put_code(const struct shim *shim)
{
	enum { TABLE = 0x23, LEAF = 0xe3 };

	memcpy(shim_page(&shim->pages, SHIM_CODE), code, sizeof(code));
	*(uint64_t *)shim_page(&shim->pages, SHIM_TOP) = shim_page_gpa(&shim->pages, SHIM_MIDDLE) | TABLE;
	*(uint64_t *)shim_page(&shim->pages, SHIM_MIDDLE) = shim_page_gpa(&shim->pages, SHIM_LOW) | TABLE;
	*(uint64_t *)shim_page(&shim->pages, SHIM_LOW) = shim->pages.gpa | LEAF;
}

static int give_pages(const struct shim *shim, int vm)
{
	struct kvm_userspace_memory_region region = {
		.slot = SLOT, .guest_phys_addr = shim->pages.gpa, .memory_size = shim->pages.len, .userspace_addr = (uintptr_t)shim->pages.at,
	};

	put_code(shim);
	return kvm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* What KVM would refuse at the first run it refuses here. */
static int try_nested(struct gabi_kvm_machine *machine, unsigned vtl)
{
	return shim_enter(machine, 0, vtl) || shim_leave(machine, 0, vtl) ? -1 : 0;
}

int shim_start(struct gabi_kvm_machine *machine, unsigned vtl, struct gabi_diag *diag)
{
	const struct shim *shim = shim_of(machine, vtl);
	int failed;

	if (!shim)
		return 0;
	failed = give_pages(shim, machine->level[vtl].vm->vm);
	for (unsigned vp = 0; !failed && vp < machine->options.vps; vp++)
		failed = shim_cpuid_give(&shim->cpuid, vcpu_of(machine, vp, vtl));
	return failed || try_nested(machine, vtl) ? kvm_refused(diag, "run a trust level as a nested guest") : 0;
}
