/* SPDX-License-Identifier: MIT */
/*
 * Machines with several trust levels. A level is a VM, so all that a processor has is private to each for free; what the levels of
 * one virtual processor share is carried over when it goes from one to another, and only what changed is set.
 */
#include "exits.h"
#include "machine.h"

#include <gabi/vocab.h>

#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct shared {
	struct kvm_debugregs debug;
	struct kvm_xcrs xcrs;
	bool has_debug, has_xcrs, has_xsave;
	struct exits exits;
	uint64_t exits_before; /* when the processor left it last */
	bool left;            /* the processor is in another level, and what its last exit left open may still be so */
	bool unserved;        /* KVM came back with an exit where it was not to run: the next part of an instruction that has several */
	bool has_saved_tsc;
	uint64_t saved_tsc;   /* the offset of the TSC where its state was saved */
	unsigned char *xsave;
};

/* ---- making ---- */

/* Where in the image that KVM_GET_XSAVE gives: Intel SDM volume 1, Legacy Region of an XSAVE Area. */
enum {
	FCW_AT = 0, FSW_AT = 2, FTW_AT = 4, FOP_AT = 6, FIP_AT = 8, FDP_AT = 16, MXCSR_AT = 24, ST_AT = 32, XMM_AT = 160, XMM_END = 416,
	EXTENDED_AT = 576,
};

static bool has_xsave(const struct gabi_contract *contract)
{
	static const struct gabi_key features = { .space = GABI_SPACE_CPUID, .index = 1, .part = GABI_ECX };
	const struct gabi_word *word = gabi_contract_find(contract, &features, GABI_VP_ALL);

	return !word || word->value >> 26 & 1;
}

/* The components that a guest may have. One whose contract does not say may have all. */
static uint64_t components_of(const struct gabi_contract *contract)
{
	struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = 0xd, .part = GABI_EAX };
	const struct gabi_word *low = gabi_contract_find(contract, &key, GABI_VP_ALL), *high;

	key.part = GABI_EDX;
	high = gabi_contract_find(contract, &key, GABI_VP_ALL);
	return (low ? low->value : UINT32_MAX) | (high ? high->value : UINT32_MAX) << 32;
}

/* Where the last of them ends. Behind it KVM has zeros, which need not be compared at each switch. */
static size_t used_of(const struct gabi_contract *contract, size_t len)
{
	uint64_t components = components_of(contract);
	size_t used = EXTENDED_AT;

	for (unsigned i = 2; i < 63; i++) {
		unsigned size = 0, at = 0, ecx, edx;

		if (components >> i & 1 && __get_cpuid_count(0xd, i, &size, &at, &ecx, &edx) && (size_t)at + size > used)
			used = (size_t)at + size;
	}
	return used < len ? used : len;
}

static int init_shared(struct gabi_kvm_machine *machine, struct level *level, struct gabi_diag *diag)
{
	level->shared = gabi_mem_get(&machine->mem, machine->options.vps * sizeof(*level->shared));
	for (unsigned vp = 0; level->shared && vp < machine->options.vps; vp++) {
		level->shared[vp].exits = exits_open(level->vm->vcpu[vp]);
		level->shared[vp].xsave = gabi_mem_get(&machine->mem, machine->xsave_len);
		if (!level->shared[vp].xsave)
			return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	return level->shared ? 0 : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

/* All levels of a virtual processor begin with one TSC. */
static int equalise_tsc(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_diag *diag)
{
	uint64_t value = 0;
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&value };

	if (kvm_ioctl(vcpu_of(machine, vp, 0), KVM_GET_DEVICE_ATTR, &offset) || kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_DEVICE_ATTR, &offset))
		return kvm_refused(diag, "give all trust levels one TSC, which Linux 5.16 brought");
	return 0;
}

static bool find_offset(const struct gabi_state *state, unsigned vp, uint64_t *ret_offset)
{
	const struct gabi_state_part *part = gabi_state_find(state, GABI_STATE_TSC, vp);

	for (size_t i = 0; part && i < part->len / sizeof(struct gabi_state_pair); i++) {
		const struct gabi_state_pair *pair = (const struct gabi_state_pair *)part->data + i;

		if (pair->number != GABI_STATE_TSC_OFFSET)
			continue;
		*ret_offset = pair->value;
		return true;
	}
	return false;
}

/* Each level was loaded at a moment of its own: its TSC is brought to where it was against that of VTL 0. */
static int align_tsc(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	const struct shared *first = &machine->level[0].shared[vp], *other = &machine->level[vtl].shared[vp];
	uint64_t value = 0;
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&value };

	if (!first->has_saved_tsc || !other->has_saved_tsc)
		return 0;
	if (kvm_ioctl(vcpu_of(machine, vp, 0), KVM_GET_DEVICE_ATTR, &offset))
		return -1;
	value += other->saved_tsc - first->saved_tsc;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_SET_DEVICE_ATTR, &offset);
}

int vtl_restored(const struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_state *state, struct gabi_diag *diag)
{
	if (machine->options.vtls < 2)
		return 0;
	for (unsigned vp = 0; vp < machine->options.vps; vp++) {
		struct shared *shared = &machine->level[vtl].shared[vp];

		shared->has_saved_tsc = find_offset(state, vp, &shared->saved_tsc);
		for (unsigned other = 1; other < machine->options.vtls; other++)
			if (align_tsc(machine, vp, other))
				return kvm_refused(diag, "set the TSC of a trust level");
	}
	return 0;
}

int vtl_init(struct gabi_kvm_machine *machine, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	unsigned len = kvm_cap(machine->level[0].vm->vm, KVM_CAP_XSAVE2);
	int err = 0;

	machine->xsave_len = len > sizeof(struct kvm_xsave) ? len : sizeof(struct kvm_xsave);
	machine->xsave_used = used_of(contract, machine->xsave_len);
	machine->has_xcr0 = has_xsave(contract);
	for (unsigned vtl = 0; !err && vtl < machine->options.vtls; vtl++) {
		err = init_shared(machine, &machine->level[vtl], diag);
		for (unsigned vp = 0; !err && vtl && vp < machine->options.vps; vp++)
			err = equalise_tsc(machine, vp, vtl, diag);
	}
	return err;
}

void vtl_free(struct gabi_kvm_machine *machine, struct level *level)
{
	for (unsigned vp = 0; level->shared && vp < machine->options.vps; vp++) {
		exits_close(&level->shared[vp].exits);
		gabi_mem_put(&machine->mem, level->shared[vp].xsave);
	}
	gabi_mem_put(&machine->mem, level->shared);
}

/* ---- what is shared ---- */

/* TLFS vsm, Shared State: the general registers but RSP, RIP and RFLAGS. */
static void carry_general(const struct kvm_run *from, struct kvm_run *to)
{
	struct kvm_regs regs = from->s.regs.regs;

	regs.rsp = to->s.regs.regs.rsp;
	regs.rip = to->s.regs.regs.rip;
	regs.rflags = to->s.regs.regs.rflags;
	to->s.regs.regs = regs;
	to->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/* From the first switch on KVM tells the special registers at each exit: they cost less so than by a call. */
static int tell_special(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_run *run = run_of(machine, vp, vtl);

	if (run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
		return 0;
	run->kvm_valid_regs |= KVM_SYNC_X86_SREGS;
	return kvm_ioctl(vcpu_of(machine, vp, vtl), KVM_GET_SREGS, &run->s.regs.sregs);
}

static int carry_cr2(const struct gabi_kvm_machine *machine, unsigned vp, unsigned from, unsigned to)
{
	struct kvm_run *a = run_of(machine, vp, from), *b = run_of(machine, vp, to);

	if (tell_special(machine, vp, from) || tell_special(machine, vp, to))
		return -1;
	if (a->s.regs.sregs.cr2 == b->s.regs.sregs.cr2)
		return 0;
	b->s.regs.sregs.cr2 = a->s.regs.sregs.cr2;
	forget_interrupt(&b->s.regs.sregs);
	b->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	return 0;
}

/*
 * KVM stops a guest at MOV DR and at XSETBV, and does what they ask by itself. If the guest has left only once since the processor came
 * here, which was for this switch, it has executed none of those.
 */
static bool has_left_once(struct shared *shared)
{
	uint64_t before = shared->exits_before;

	return exits_read(&shared->exits, &shared->exits_before) && shared->exits_before == before + 1;
}

static int carry_debug(int from_vcpu, int to_vcpu, struct shared *from, struct shared *to, bool same)
{
	if (!(same && from->has_debug) && kvm_ioctl(from_vcpu, KVM_GET_DEBUGREGS, &from->debug))
		return -1;
	from->has_debug = true;
	if (!to->has_debug && kvm_ioctl(to_vcpu, KVM_GET_DEBUGREGS, &to->debug))
		return -1;
	to->has_debug = true;
	if (!memcmp(from->debug.db, to->debug.db, sizeof(to->debug.db)))
		return 0;
	memcpy(to->debug.db, from->debug.db, sizeof(to->debug.db));
	return kvm_ioctl(to_vcpu, KVM_SET_DEBUGREGS, &to->debug);
}

static int carry_xcr0(int from_vcpu, int to_vcpu, struct shared *from, struct shared *to, bool same)
{
	if (!(same && from->has_xcrs) && kvm_ioctl(from_vcpu, KVM_GET_XCRS, &from->xcrs))
		return -1;
	from->has_xcrs = true;
	if (to->has_xcrs && from->xcrs.xcrs[0].value == to->xcrs.xcrs[0].value) /* there is no other */
		return 0;
	to->xcrs = from->xcrs;
	to->has_xcrs = true;
	return kvm_ioctl(to_vcpu, KVM_SET_XCRS, &to->xcrs);
}

/*
 * KVM_SET_FPU costs half of KVM_SET_XSAVE, and sets the registers of x87 and SSE. MXCSR and the list of components that are not in their first
 * state (XSTATE_BV) it leaves as they are: so these have to be the same, and what lies behind. FTW it takes for a byte.
 */
static bool differs_in_fpu_alone(const unsigned char *from, const unsigned char *to, size_t used)
{
	return !from[FTW_AT + 1] && !memcmp(from + MXCSR_AT, to + MXCSR_AT, ST_AT - MXCSR_AT) && !memcmp(from + XMM_END, to + XMM_END, used - XMM_END);
}

static int set_fpu(int vcpu, const unsigned char *from)
{
	struct kvm_fpu fpu;

	fpu.ftwx = from[FTW_AT];
	fpu.pad1 = 0;
	fpu.pad2 = 0;
	memcpy(&fpu.fcw, from + FCW_AT, sizeof(fpu.fcw));
	memcpy(&fpu.fsw, from + FSW_AT, sizeof(fpu.fsw));
	memcpy(&fpu.last_opcode, from + FOP_AT, sizeof(fpu.last_opcode));
	memcpy(&fpu.last_ip, from + FIP_AT, sizeof(fpu.last_ip));
	memcpy(&fpu.last_dp, from + FDP_AT, sizeof(fpu.last_dp));
	memcpy(&fpu.mxcsr, from + MXCSR_AT, sizeof(fpu.mxcsr));
	memcpy(fpu.fpr, from + ST_AT, sizeof(fpu.fpr));
	memcpy(fpu.xmm, from + XMM_AT, sizeof(fpu.xmm));
	return kvm_ioctl(vcpu, KVM_SET_FPU, &fpu);
}

/* Whether a guest has touched its floating point state nothing tells; so it is read each time. */
static int carry_xsave(size_t len, size_t used, int from_vcpu, int to_vcpu, struct shared *from, struct shared *to)
{
	bool known = to->has_xsave;
	int ret;

	if (kvm_ioctl(from_vcpu, len > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, from->xsave))
		return -1;
	from->has_xsave = true;
	if (known && !memcmp(from->xsave, to->xsave, used))
		return 0;
	if (known && differs_in_fpu_alone(from->xsave, to->xsave, used)) {
		ret = set_fpu(to_vcpu, from->xsave);
		used = XMM_END;
	} else {
		ret = kvm_ioctl(to_vcpu, KVM_SET_XSAVE, from->xsave);
	}
	memcpy(to->xsave, from->xsave, used);
	to->has_xsave = !ret;
	return ret;
}

int gabi_kvm_vp_switch(const struct gabi_kvm_machine *machine, unsigned vp, unsigned from, unsigned to, struct gabi_diag *diag)
{
	struct shared *ours, *theirs;
	bool same;
	int a, b;

	if (!is_there(machine, vp, from) || !is_there(machine, vp, to) || from == to)
		return gabi_fail(diag, GABI_ERR_ARG, "there is no such virtual processor or trust level", (char *)NULL);
	ours = &machine->level[from].shared[vp];
	theirs = &machine->level[to].shared[vp];
	a = vcpu_of(machine, vp, from);
	b = vcpu_of(machine, vp, to);
	same = has_left_once(ours);
	carry_general(run_of(machine, vp, from), run_of(machine, vp, to));
	if (carry_cr2(machine, vp, from, to) || carry_debug(a, b, ours, theirs, same) ||
	    (machine->has_xcr0 && carry_xcr0(a, b, ours, theirs, same)) || carry_xsave(machine->xsave_len, machine->xsave_used, a, b, ours, theirs))
		return kvm_refused(diag, "carry a virtual processor's registers to another trust level");
	ours->left = true;
	theirs->left = false;
	return 0;
}

int gabi_kvm_vp_waits(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	return is_there(machine, vp, vtl) && machine->level[vtl].shared && exits_is_blocking(&machine->level[vtl].shared[vp].exits);
}

int vtl_finish(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shared *shared = machine->level[vtl].shared ? &machine->level[vtl].shared[vp] : NULL;

	if (!shared || !shared->left)
		return 0;
	shared->left = false;
	return machine_settle(machine, vp, vtl) ? GABI_ERR_KVM : 0;
}

void vtl_forget(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct shared *shared = machine->level[vtl].shared ? &machine->level[vtl].shared[vp] : NULL;

	if (shared)
		shared->has_debug = shared->has_xcrs = shared->has_xsave = false;
}

bool vtl_take_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct kvm_run *run)
{
	if (machine->options.vtls < 2 || (run->exit_reason != KVM_EXIT_X86_WRMSR && run->exit_reason != KVM_EXIT_X86_RDMSR) ||
	    atomic_load(&machine->level[vtl].shared_wanted))
		return false;
	run->msr.error = msrs_are_kvms(run->msr.index);
	if (run->msr.error)
		return true;
	if (run->exit_reason != KVM_EXIT_X86_WRMSR || !msrs_are_common(run->msr.index))
		return false;
	run->msr.error = gabi_kvm_vp_set_msr(machine, vp, vtl, run->msr.index, run->msr.data) != 0;
	return true;
}

/* ---- interrupts of a level that does not run ---- */

enum { APIC_TPR = 0x80, APIC_ISR = 0x100, APIC_IRR = 0x200, APIC_LVTT = 0x320, APIC_TMCCT = 0x390, APIC_TDCR = 0x3e0 };
enum { LVT_MASKED = 1 << 16, LVTT_MODE = 3 << 17, LVTT_DEADLINE = 2 << 17, MSR_TSC = 0x10, MSR_TSC_DEADLINE = 0x6e0 };

static uint32_t apic_reg(const struct kvm_lapic_state *apic, unsigned at)
{
	uint32_t value;

	memcpy(&value, apic->regs + at, sizeof(value));
	return value;
}

static int highest(const struct kvm_lapic_state *apic, unsigned at)
{
	for (int word = 7; word >= 0; word--) {
		uint32_t bits = apic_reg(apic, at + (unsigned)word * 16);

		if (bits)
			return word * 32 + 31 - __builtin_clz(bits);
	}
	return -1;
}

/* Intel SDM volume 3, Task and Processor Priorities. RFLAGS.IF does not count. */
static bool would_deliver(const struct kvm_lapic_state *apic)
{
	int wanted = highest(apic, APIC_IRR), served = highest(apic, APIC_ISR), priority = (int)(apic_reg(apic, APIC_TPR) & 0xff);

	if (served > priority)
		priority = served;
	return wanted >= 0 && wanted >> 4 > priority >> 4;
}

int vtl_leave_unserved(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	if (!machine->level[vtl].shared) {
		errno = EBUSY;
		return -1;
	}
	machine->level[vtl].shared[vp].unserved = true;
	return 0;
}

bool vtl_take_unserved(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	bool is = machine->level[vtl].shared && machine->level[vtl].shared[vp].unserved;

	if (is)
		machine->level[vtl].shared[vp].unserved = false;
	return is;
}

static int enter_with_signal(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct {
		struct kvm_signal_mask head;
		uint8_t blocked[8]; /* what the kernel's sigset_t is */
	} mask = { .head = { .len = 8 } };
	struct kvm_run *run = run_of(machine, vp, vtl);
	uint64_t all_but_kick = ~((uint64_t)1 << (machine->options.kick - 1));
	int vcpu = vcpu_of(machine, vp, vtl), ret, saved;
	sigset_t kick, old;

	if (shim_finish(machine, vp, vtl))
		return -1;
	memcpy(mask.head.sigset, &all_but_kick, sizeof(all_but_kick));
	sigemptyset(&kick);
	sigaddset(&kick, machine->options.kick);
	if (pthread_sigmask(SIG_BLOCK, &kick, &old) || ioctl(vcpu, KVM_SET_SIGNAL_MASK, &mask))
		return -1;
	syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), machine->options.kick);
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	machine_enter(machine, vp);
	ret = ioctl(vcpu, KVM_RUN, 0);
	saved = errno;
	machine_leave(machine, vp);
	if (atomic_load(&machine->call[vp].kicked))
		__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	run->kvm_dirty_regs = 0;
	ioctl(vcpu, KVM_SET_SIGNAL_MASK, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ret)
		return vtl_leave_unserved(machine, vp, vtl);
	ret = saved != EINTR && saved != EAGAIN ? -1 : shim_put_back(machine, vp, vtl);
	errno = saved;
	return ret;
}

/* Is it certain that the level's guest does not run a guest of its own with VMX? In there CR4.VMXE is set too. */
static bool has_no_vmx_guest(const struct level *level, const struct kvm_run *run)
{
	enum { CR4_VMXE = 1 << 13 };

	return level->shim || (run->kvm_valid_regs & KVM_SYNC_X86_SREGS && !(run->s.regs.sregs.cr4 & CR4_VMXE));
}

/*
 * KVM hands the local APIC's timer on to the APIC when the virtual processor is entered. With a signal pending it is entered as far
 * as that, and not into the guest. On Intel the timer may be the one of VMX, which runs only in the guest, and is made a timer of the host's only for
 * a processor that waits in HLT. So it is said to, for that moment. A guest of the guest would keep it in its state.
 */
static int hand_timer_on(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	struct kvm_mp_state state;
	int vcpu = vcpu_of(machine, vp, vtl), err;
	bool waits;

	if (machine->level[vtl].shared && machine->level[vtl].shared[vp].unserved)
		return 0; /* it has to run first */
	if (kvm_ioctl(vcpu, KVM_GET_MP_STATE, &state))
		return -1;
	waits = state.mp_state == KVM_MP_STATE_RUNNABLE && has_no_vmx_guest(&machine->level[vtl], run_of(machine, vp, vtl));
	if (!waits)
		return enter_with_signal(machine, vp, vtl);
	state.mp_state = KVM_MP_STATE_HALTED;
	if (kvm_ioctl(vcpu, KVM_SET_MP_STATE, &state))
		return -1;
	err = enter_with_signal(machine, vp, vtl);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	return kvm_ioctl(vcpu, KVM_SET_MP_STATE, &state) ? -1 : err;
}

/* By the TSC of that level of that processor: a guest may write each. */
static uint64_t deadline_ns(const struct gabi_kvm_machine *machine, int vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry deadline, now;
	} call = { { .nmsrs = 2 }, { .index = MSR_TSC_DEADLINE }, { .index = MSR_TSC } };
	uint64_t left;

	if (kvm_ioctl(vcpu, KVM_GET_MSRS, &call) != 2 || !call.deadline.data)
		return UINT64_MAX;
	left = call.deadline.data > call.now.data ? call.deadline.data - call.now.data : 0;
	return left / machine->tsc_hz * 1000000000 + left % machine->tsc_hz * 1000000000 / machine->tsc_hz;
}

/* When the timer will fire; KVM's local APIC counts nanoseconds. */
static uint64_t timer_ns(const struct gabi_kvm_machine *machine, int vcpu, const struct kvm_lapic_state *apic)
{
	uint32_t divide = apic_reg(apic, APIC_TDCR), count = apic_reg(apic, APIC_TMCCT);

	if ((apic_reg(apic, APIC_LVTT) & LVTT_MODE) == LVTT_DEADLINE)
		return deadline_ns(machine, vcpu);
	divide = ((divide & 3) | (divide >> 1 & 4)) + 1;
	return count ? (uint64_t)count << (divide & 7) : UINT64_MAX;
}

int gabi_kvm_vp_interrupt(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int *ret_pending, uint64_t *ret_timer_ns,
			  struct gabi_diag *diag)
{
	int vcpu = is_there(machine, vp, vtl) ? vcpu_of(machine, vp, vtl) : -1;
	struct kvm_lapic_state apic;
	struct kvm_vcpu_events events;

	if (kvm_ioctl(vcpu, KVM_GET_LAPIC, &apic))
		return kvm_refused(diag, "say a local APIC's state");
	if (!(apic_reg(&apic, APIC_LVTT) & LVT_MASKED) && (hand_timer_on(machine, vp, vtl) || kvm_ioctl(vcpu, KVM_GET_LAPIC, &apic)))
		return kvm_refused(diag, "let a local APIC's timer fire");
	if (kvm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events))
		return kvm_refused(diag, "say what a virtual processor waits for");
	*ret_pending = would_deliver(&apic) || events.interrupt.injected || events.nmi.pending || events.nmi.injected;
	*ret_timer_ns = apic_reg(&apic, APIC_LVTT) & LVT_MASKED ? UINT64_MAX : timer_ns(machine, vcpu, &apic);
	return 0;
}
