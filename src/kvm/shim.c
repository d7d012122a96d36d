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

#include <gabi/hv_msr.h>
#include <gabi/vmcs.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

enum { SLOT = MEMORY_PARTS, NO_ADDRESS_BITS = 36, RFLAGS_TF = 1 << 8, UNDEFINED = 6, REFUSED = 13 /* vectors */ };
enum { EFER_LME = 1 << 8 };
#define CR0_PG ((uint64_t)1 << 31)

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

/* KVM_RUN, as far as that KVM finishes what it left open. What it returns, or errno. */
static int finish_open(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	int ret;

	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ret = ioctl(vcpu_of(machine, vp, vtl), KVM_RUN, 0) ? errno : 0;
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&machine->call[vp].kicked))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	run->kvm_dirty_regs = 0;
	return ret;
}

int shim_finish_out(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return finish_open(machine, vp, vtl) == EINTR ? 0 : -1;
}

/* Out, to be entered anew; but not in the midst of an instruction, of whose length KVM would know no more. Where the next part of one comes, it is served first. */
static int freshen(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	int ret;

	shim_of(machine, vtl)->vp[vp].stale = true;
	ret = finish_open(machine, vp, vtl);
	if (!ret)
		return vtl_leave_unserved(machine, vp, vtl);
	return ret == EINTR ? shim_leave(machine, vp, vtl) : -1;
}

int shim_enter(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);

	if (!shim)
		return 0;
	if (shim->vp[vp].inside && shim->vendor->is_stale(machine, vp, vtl) && freshen(machine, vp, vtl))
		return -1;
	if (shim->vp[vp].inside || waits_for_startup(vcpu_of(machine, vp, vtl)))
		return 0;
	shim->vp[vp].inside = !shim->vendor->enter(machine, vp, vtl);
	return shim->vp[vp].inside ? 0 : -1;
}

/* KVM takes those up to the first that the processor does not have. */
void shim_save_msrs(const struct shim *shim, int vcpu, struct shim_saved *ret)
{
	int count;

	*ret = (struct shim_saved){ .head.nmsrs = shim->vendor->saved_count };
	for (uint32_t i = 0; i < shim->vendor->saved_count; i++)
		ret->entry[i].index = shim->vendor->saved[i];
	count = shim->vendor->saved_count ? kvm_ioctl(vcpu, KVM_GET_MSRS, ret) : 0;
	ret->head.nmsrs = count > 0 ? (uint32_t)count : 0;
}

/* What leaving a nested guest loses, read before and set behind it. */
struct plain {
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct shim_saved msrs;
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
	shim_save_msrs(shim_of(machine, vtl), vcpu, &plain->msrs);
	return 0;
}

static int set_plain(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct plain *plain)
{
	int vcpu = vcpu_of(machine, vp, vtl);

	if (shim_of(machine, vtl)->vendor->leave(vcpu) || shim_set_special(machine, vp, vtl, &plain->sregs) || shim_set_general(machine, vp, vtl, &plain->regs))
		return -1;
	if (plain->msrs.head.nmsrs && kvm_ioctl(vcpu, KVM_SET_MSRS, &plain->msrs) != (int)plain->msrs.head.nmsrs)
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

/* VMX ends with it that a processor waits in HLT. */
static int rest_on(int vcpu)
{
	struct kvm_mp_state halted = { KVM_MP_STATE_HALTED };

	return kvm_ioctl(vcpu, KVM_SET_MP_STATE, &halted);
}

int shim_leave(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct plain plain;

	if (!is_inside(machine, vp, vtl))
		return 0;
	if (get_plain(machine, vp, vtl, &plain) || set_plain(machine, vp, vtl, &plain))
		return -1;
	shim_of(machine, vtl)->vp[vp].inside = false;
	return machine->call[vp].rests ? rest_on(vcpu_of(machine, vp, vtl)) : 0;
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

/* Without flags: an INIT or NMI that comes before they are set is not lost. */
static int get_events(int vcpu, struct kvm_vcpu_events *events)
{
	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, events))
		return -1;
	events->flags = 0;
	return 0;
}

/* Both vendors tell an event alike: SDM volume 3, IDT-Vectoring Information; AMD64 APM volume 2, EXITINTINFO. The error code is the upper half. */
enum { EVENT_INTERRUPT = 0 << 8, EVENT_NMI = 2 << 8, EVENT_EXCEPTION = 3 << 8, EVENT_TYPE = 7 << 8, EVENT_HAS_ERROR = 1 << 11 };
#define EVENT_VALID ((uint64_t)1 << 31)

static void put_exception(struct kvm_vcpu_events *events, uint64_t event)
{
	events->exception.injected = 1;
	events->exception.nr = (uint8_t)event;
	events->exception.has_error_code = event & EVENT_HAS_ERROR ? 1 : 0;
	events->exception.error_code = (uint32_t)(event >> 32);
}

/* INT n, INT3 and INTO: RIP is still there, and they are executed again. AMD's processors tell the latter as exceptions. */
static bool is_of_instruction(uint64_t event)
{
	enum { BREAKPOINT = 3, OVERFLOW = 4 };
	unsigned type = event & EVENT_TYPE;

	return type == EVENT_EXCEPTION ? (uint8_t)event == BREAKPOINT || (uint8_t)event == OVERFLOW : type != EVENT_INTERRUPT && type != EVENT_NMI;
}

/* An event is on its way into the guest. KVM is to keep it, and not the nested state: that is lost if the level is left before it runs. */
static int deliver(int vcpu, uint64_t event)
{
	struct kvm_vcpu_events events;

	if (!(event & EVENT_VALID) || is_of_instruction(event))
		return 0;
	if (get_events(vcpu, &events))
		return -1;
	switch (event & EVENT_TYPE) {
	case EVENT_EXCEPTION:
		put_exception(&events, event);
		break;
	case EVENT_NMI:
		events.nmi.injected = 1;
		break;
	default:
		events.interrupt.injected = 1;
		events.interrupt.nr = (uint8_t)event;
		events.interrupt.soft = 0;
	}
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

static int put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct shim_left *ret_left)
{
	const struct shim *shim = shim_of(machine, vtl);

	*ret_left = (struct shim_left){ .why = SHIM_STAYED };
	if (!shim || !shim->vp[vp].inside)
		return 0;
	return shim->vendor->put_back(machine, vp, vtl, ret_left) ? -1 : deliver(vcpu_of(machine, vp, vtl), ret_left->event);
}

/* ---- instructions ---- */

/* Of CPUID, with its prefixes, where the processor does not say; where it cannot be read, without them. */
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

static int fault(int vcpu, uint8_t vector)
{
	return deliver(vcpu, EVENT_VALID | EVENT_EXCEPTION | vector | (vector == REFUSED ? EVENT_HAS_ERROR : 0));
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

/* Past the instruction, with what it has put into the registers. */
static int go_on(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_regs *regs, unsigned length)
{
	regs->rip += length;
	if (shim_set_general(machine, vp, vtl, regs))
		return -1;
	return regs->rflags & RFLAGS_TF ? step(vcpu_of(machine, vp, vtl)) : 0;
}

static int carry_out_cpuid(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned length)
{
	struct kvm_regs regs = run_of(machine, vp, vtl)->s.regs.regs;

	if (!length)
		length = cpuid_length(machine, vp, vtl);
	if (shim_cpuid_answer(&shim_of(machine, vtl)->cpuid, vcpu_of(machine, vp, vtl), &regs))
		return -1;
	return go_on(machine, vp, vtl, &regs, length);
}

/* KVM judges the value. */
static int carry_out_xsetbv(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned length)
{
	struct kvm_regs regs = run_of(machine, vp, vtl)->s.regs.regs;
	int vcpu = vcpu_of(machine, vp, vtl);
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };

	xcrs.xcrs[0].xcr = (uint32_t)regs.rcx;
	xcrs.xcrs[0].value = (uint32_t)regs.rax | regs.rdx << 32;
	if ((uint32_t)regs.rcx || kvm_ioctl(vcpu, KVM_SET_XCRS, &xcrs))
		return fault(vcpu, REFUSED);
	return go_on(machine, vp, vtl, &regs, length);
}

static int skip(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned length)
{
	struct kvm_regs regs = run_of(machine, vp, vtl)->s.regs.regs;

	return go_on(machine, vp, vtl, &regs, length);
}

/* In kvm_run as KVM has it. The rest is for shim_finish, once somebody has answered. */
static void open_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct shim_left *left)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	const struct kvm_regs *regs = &run->s.regs.regs;

	run->exit_reason = left->why == SHIM_WRMSR ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.index = (uint32_t)regs->rcx;
	run->msr.data = left->why == SHIM_WRMSR ? (uint32_t)regs->rax | regs->rdx << 32 : 0;
	run->msr.error = 0;
	run->msr.reason = KVM_MSR_EXIT_REASON_FILTER;
	shim_of(machine, vtl)->vp[vp].msr_open = (uint8_t)left->length;
}

int shim_finish(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim *shim = shim_of(machine, vtl);
	const struct kvm_run *run = run_of(machine, vp, vtl);
	struct kvm_regs regs;
	unsigned length;

	if (!shim || !shim->vp[vp].msr_open)
		return 0;
	length = shim->vp[vp].msr_open;
	shim->vp[vp].msr_open = 0;
	regs = run->s.regs.regs;
	if (run->msr.error)
		return shim_set_general(machine, vp, vtl, &regs) ? -1 : fault(vcpu_of(machine, vp, vtl), REFUSED);
	if (run->exit_reason == KVM_EXIT_X86_RDMSR) {
		regs.rax = (uint32_t)run->msr.data;
		regs.rdx = run->msr.data >> 32;
	}
	return go_on(machine, vp, vtl, &regs, length);
}

static enum shim_result serve_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct shim_left *left)
{
	struct kvm_run *run = run_of(machine, vp, vtl);
	uint64_t value = 0;

	open_msr(machine, vp, vtl, left);
	if (!msrs_are_left(run->msr.index))
		return SHIM_AS_KVM;
	if (left->why == SHIM_WRMSR) /* no guest writes its run time, but a VMM may */
		run->msr.error = run->msr.index == GABI_HV_MSR_VP_RUNTIME || gabi_kvm_vp_set_msr(machine, vp, vtl, run->msr.index, run->msr.data);
	else
		run->msr.error = gabi_kvm_vp_get_msr(machine, vp, vtl, run->msr.index, &value) != 0;
	if (left->why == SHIM_RDMSR)
		run->msr.data = value;
	return shim_finish(machine, vp, vtl) ? SHIM_FAILED : SHIM_AGAIN;
}

/* Does it wait in the local APIC? If not, with it goes a startup IPI that came behind it. */
static int set_init(int vcpu, bool waits)
{
	struct kvm_vcpu_events events;

	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return -1;
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.latched_init = waits;
	return kvm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* What it was left for comes once more with the next run; but Intel's INIT, which is over with the exit. */
int shim_put_back(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shim_left left;

	if (put_back(machine, vp, vtl, &left))
		return -1;
	return left.why == SHIM_INIT ? set_init(vcpu_of(machine, vp, vtl), true) : 0;
}

/* One that is not dropped KVM carries out outside. */
static int take_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	bool drops = shim_of(machine, vtl)->vp[vp].drops_init;

	if (!drops && shim_leave(machine, vp, vtl))
		return -1;
	return set_init(vcpu_of(machine, vp, vtl), !drops);
}

static enum shim_result tell(struct gabi_kvm_exit *exit, enum gabi_kvm_exit_kind kind, uint64_t gpa)
{
	*exit = (struct gabi_kvm_exit){ .kind = kind, .execute = kind == GABI_KVM_EXIT_PROTECTED, .count = 1, .address = gpa };
	return SHIM_EXIT;
}

static const char no_tasks[] = "the guest switched tasks, which cannot be done under the shim on Intel's processors: run it without --vsm-execute=shim; TSS";

static enum shim_result tell_stuck(const struct kvm_run *run, struct gabi_kvm_exit *exit, const char *why, uint64_t number)
{
	machine_stuck(run, exit, why, number);
	return SHIM_EXIT;
}

static int serve(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct shim_left *left)
{
	switch (left->why) {
	case SHIM_CPUID: return carry_out_cpuid(machine, vp, vtl, left->length);
	case SHIM_XSETBV: return carry_out_xsetbv(machine, vp, vtl, left->length);
	case SHIM_SKIPPED: return skip(machine, vp, vtl, left->length);
	case SHIM_UNDEFINED: return fault(vcpu_of(machine, vp, vtl), UNDEFINED);
	case SHIM_REFUSED: return fault(vcpu_of(machine, vp, vtl), REFUSED);
	case SHIM_DONE: return 0;
	default: return -1;
	}
}

enum shim_result shim_served(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_kvm_exit *exit)
{
	const struct kvm_run *run = run_of(machine, vp, vtl);
	struct shim_left left;

	if (put_back(machine, vp, vtl, &left))
		return SHIM_FAILED;
	switch (left.why) {
	case SHIM_STAYED: return SHIM_NOTHING;
	case SHIM_FETCH: return tell(exit, GABI_KVM_EXIT_PROTECTED, left.gpa);
	case SHIM_BEYOND:
	case SHIM_CRASHED: return tell(exit, GABI_KVM_EXIT_CRASHED, left.gpa);
	case SHIM_TASK: return tell_stuck(run, exit, no_tasks, left.number);
	case SHIM_UNKNOWN: return tell_stuck(run, exit, "KVM left the nested guest for a reason that it should not have, exit reason", left.number);
	case SHIM_RDMSR:
	case SHIM_WRMSR: return serve_msr(machine, vp, vtl, &left);
	case SHIM_INIT: return take_init(machine, vp, vtl) ? SHIM_FAILED : tell(exit, GABI_KVM_EXIT_KICKED, 0);
	default: return serve(machine, vp, vtl, &left) ? SHIM_FAILED : SHIM_AGAIN;
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
	struct kvm_sregs sregs;

	if (!shim)
		return 0;
	if (*efer & shim->refused_efer || shim_get_special(machine, vp, vtl, &sregs) || (sregs.cr0 & CR0_PG && (*efer ^ sregs.efer) & EFER_LME))
		return -1;
	*efer |= sregs.efer & shim->vendor->efer;
	return 0;
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

/* KVM switches its state when the nested guest is left. */
static bool has_cet(const struct gabi_contract *contract)
{
	return shim_cpuid_promised(contract, 7, GABI_ECX) >> 7 & 1 || shim_cpuid_promised(contract, 7, GABI_EDX) >> 20 & 1;
}

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
	shim->vendor = shim_cpuid_is_intel(machine->options.device, &shim->mem) ? &shim_vmx : &shim_svm;
	shim->vp = gabi_mem_get(&shim->mem, machine->options.vps * sizeof(*shim->vp));
	if (!shim->vp)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (has_cet(contract))
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the contract promises control-flow enforcement (cet-ss, cet-ibt), which the protection of execution does not keep",
				 (char *)NULL);
	err = shim_cpuid_new(&shim->cpuid, &shim->vendor->cpuid, contract, machine->options.device, &shim->mem, diag);
	if (err)
		return err;
	shim->refused_efer = msrs_refused_efer(contract);
	shim->layout = gabi_vmcs_layout_by_name("kvm-6.1");
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
