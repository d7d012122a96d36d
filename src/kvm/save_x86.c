/* SPDX-License-Identifier: MIT */
/*
 * Saving on x86. The order is the kernel's (Documentation/virt/kvm/api.rst; arch/x86/kvm/x86.c): KVM_GET_MP_STATE lets a local
 * APIC take what is pending, and comes first; then KVM_GET_VCPU_EVENTS, which puts what belongs to a pending exception into CR2
 * and DR6 (KVM_CAP_EXCEPTION_PAYLOAD), and so comes before the registers.
 */
#include "state_x86.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

/* The offsets that gabi's core looks at are the kernel's. */
_Static_assert(offsetof(struct kvm_sregs, cr0) == GABI_STATE_SREGS_CR0, "kvm_sregs.cr0");
_Static_assert(offsetof(struct kvm_sregs2, cr0) == GABI_STATE_SREGS_CR0, "kvm_sregs2.cr0");
_Static_assert(offsetof(struct kvm_sregs, efer) == GABI_STATE_SREGS_EFER, "kvm_sregs.efer");
_Static_assert(offsetof(struct kvm_sregs2, efer) == GABI_STATE_SREGS_EFER, "kvm_sregs2.efer");
_Static_assert(offsetof(struct kvm_vcpu_events, smi.smm) == GABI_STATE_EVENTS_SMM, "kvm_vcpu_events.smi.smm");

/* ---- the list of MSRs ---- */

enum { MSRS_ROOM = 1024 };

struct index_call {
	struct kvm_msr_list head;
	uint32_t index[MSRS_ROOM];
};

static int get_indices(struct moving *m, int kvm)
{
	struct index_call *call = gabi_mem_get(&m->mem, sizeof(*call));
	int err = 0;

	if (!call)
		return gabi_fail(m->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	call->head.nmsrs = MSRS_ROOM;
	if (state_call(m, kvm, KVM_GET_MSR_INDEX_LIST, call))
		err = kvm_refused(m->diag, "list the MSRs of a state");
	if (!err)
		m->list = state_list_new(m, call->head.nmsrs);
	for (uint32_t i = 0; m->list && i < call->head.nmsrs; i++)
		m->list->id[m->list->count++] = call->index[i];
	if (!err && m->list)
		state_list_sort(m->list);
	gabi_mem_put(&m->mem, call);
	return err ? err : m->list ? 0 : GABI_ERR_NOMEM;
}

/* Which of two calls it has is asked for here too. */
int state_list_get(struct moving *moving)
{
	int kvm = -1, err;

	moving->effort.ioctls++;
	moving->has_sregs2 = kvm_cap(moving->vm->vm, KVM_CAP_SREGS2) != 0;

	if (moving->vm->kvm)
		return get_indices(moving, *moving->vm->kvm);
	err = kvm_open("/dev/kvm", &kvm, moving->diag);
	if (!err)
		err = get_indices(moving, kvm);
	kvm_close(kvm);
	return err;
}

/* ---- MSRs ---- */

static int add_msr(struct moving *m, unsigned vp, const struct kvm_msr_entry *entry)
{
	struct gabi_word word = { .key = { .space = GABI_SPACE_MSR_STATE, .index = entry->index }, .value = entry->data, .bits = 64,
				  .vp = (uint16_t)vp };

	return gabi_state_add_word(m->into, &word, m->diag);
}

/* KVM reads up to the first that this guest does not have, and says how many. */
static int save_msrs(struct moving *m, unsigned vp)
{
	struct msr_call call;
	size_t at = 0;
	int err = 0;

	while (!err && at < m->list->count) {
		size_t count = m->list->count - at, room = GABI_COUNT_OF(call.entries) - 1;
		int got;

		call.head = (struct kvm_msrs){ .nmsrs = (uint32_t)(count < room ? count : room) };
		for (uint32_t i = 0; i < call.head.nmsrs; i++)
			call.entries[i] = (struct kvm_msr_entry){ .index = (uint32_t)m->list->id[at + i] };
		got = state_call(m, m->vm->vcpu[vp], KVM_GET_MSRS, &call);
		if (got < 0)
			return state_refused(m, "read MSRs", vp);
		for (int i = 0; !err && i < got; i++)
			err = add_msr(m, vp, &call.entries[i]);
		at += (size_t)got + ((uint32_t)got < call.head.nmsrs);
	}
	return err;
}

/* ---- MSRs that are not listed ---- */

#define SCONTROL 0x40000080u /* listed where KVM has Hyper-V */
#define HSAVE_PA 0xc0010117u /* and where the processor has SVM */

static const struct state_unlisted unlisted[] = {
	{ 0x200, 16, 0, 0 },                   /* MTRRphysBase and MTRRphysMask: arch/x86/kvm/mtrr.c, KVM_NR_VAR_MTRR is 8 */
	{ 0x250, 1, 0, 0 },                    /* MTRRfix64K_00000 */
	{ 0x258, 2, 0, 0 },                    /* MTRRfix16K */
	{ 0x268, 8, 0, 0 },                    /* MTRRfix4K */
	{ 0x2ff, 1, 0, 0 },                    /* MTRRdefType */
	{ 0x400, 128, 0, 0 },                  /* IA32_MCi_CTL, STATUS, ADDR and MISC: set_msr_mce, KVM_MAX_MCE_BANKS is 32 */
	{ 0x40000082, 2, SCONTROL, 0 },        /* HV_X64_MSR_SIEFP and SIMP, of KVM's own Hyper-V: arch/x86/kvm/hyperv.c, synic_set_msr */
	{ 0x40000090, 16, SCONTROL, 0x10000 }, /* HV_X64_MSR_SINT0 to SINT15: masked */
	{ 0x400000b1, 7, SCONTROL, 0 },        /* HV_X64_MSR_STIMER0_COUNT to STIMER3_COUNT; the configuration of the first is listed */
	{ 0xc0010140, 2, HSAVE_PA, 0 },        /* MSR_AMD64_OSVW_ID_LENGTH and STATUS: which errata the guest was told of */
};

const struct state_unlisted *state_unlisted(size_t *ret_rows)
{
	*ret_rows = GABI_COUNT_OF(unlisted);
	return unlisted;
}

static void ask_unlisted(const struct moving *m, struct msr_call *call, size_t row)
{
	uint32_t count = 0;

	for (; row < GABI_COUNT_OF(unlisted); row++)
		for (uint32_t i = 0; i < unlisted[row].count && (!unlisted[row].beside || state_list_has(m->list, unlisted[row].beside)); i++)
			call->entries[count++] = (struct kvm_msr_entry){ .index = unlisted[row].first + i };
	call->head = (struct kvm_msrs){ .nmsrs = count };
}

static size_t row_of_unlisted(uint32_t msr)
{
	size_t row = 0;

	while (row < GABI_COUNT_OF(unlisted) && msr - unlisted[row].first >= unlisted[row].count)
		row++;
	return row;
}

#define S_CET 0x6a2u /* listed where KVM has shadow stacks */

/* A guest that has no shadow stacks has no such register. */
static size_t take_ssp(struct moving *m, unsigned vp, struct gabi_state_pair *ret_pair)
{
	uint64_t value = 0;
	struct kvm_one_reg reg = { .id = STATE_SSP, .addr = (uintptr_t)&value };

	if (!state_list_has(m->list, S_CET) || state_call(m, m->vm->vcpu[vp], KVM_GET_ONE_REG, &reg) || !value)
		return 0;
	*ret_pair = (struct gabi_state_pair){ STATE_SSP, value };
	return 1;
}

/* KVM reads up to the first that this guest does not have; then it has none of that row. */
static int save_unlisted(struct moving *m, unsigned vp)
{
	struct gabi_state_pair pairs[STATE_UNLISTED_MAX + 1];
	struct msr_call call;
	size_t count = 0;
	uint32_t got;

	ask_unlisted(m, &call, 0);
	while (call.head.nmsrs) {
		int ret = state_call(m, m->vm->vcpu[vp], KVM_GET_MSRS, &call);

		if (ret < 0)
			return state_refused(m, "read MSRs", vp);
		got = (uint32_t)ret;
		for (uint32_t i = 0; i < got; i++)
			if (call.entries[i].data != unlisted[row_of_unlisted(call.entries[i].index)].reset)
				pairs[count++] = (struct gabi_state_pair){ call.entries[i].index, call.entries[i].data };
		ask_unlisted(m, &call, got < call.head.nmsrs ? row_of_unlisted(call.entries[got].index) + 1 : GABI_COUNT_OF(unlisted));
	}
	count += take_ssp(m, vp, &pairs[count]);
	return count ? gabi_state_add(m->into, GABI_STATE_MSRS_UNLISTED, vp, pairs, count * sizeof(pairs[0]), m->diag) : 0;
}

/* ---- structs ---- */

struct plain {
	enum gabi_state_kind kind;
	unsigned long request;
	size_t len;
	bool may_lack; /* a VM without that device says so by an error */
	const char *what;
};

static int save_plain(struct moving *m, const struct plain *plain, int fd, unsigned vp)
{
	uint8_t bytes[sizeof(struct kvm_lapic_state)] = { 0 };

	if (!state_call(m, fd, plain->request, bytes))
		return gabi_state_add(m->into, plain->kind, vp, bytes, plain->len, m->diag);
	return plain->may_lack ? 0 : state_refused(m, plain->what, vp);
}

static const struct plain vp_first[] = {
	{ GABI_STATE_MP_STATE, KVM_GET_MP_STATE, sizeof(struct kvm_mp_state), false, "say whether it runs" },
	{ GABI_STATE_EVENTS, KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), false, "read what is pending" },
	{ GABI_STATE_REGS, KVM_GET_REGS, sizeof(struct kvm_regs), false, "read the registers" },
};
static const struct plain vp_last[] = {
	{ GABI_STATE_XCRS, KVM_GET_XCRS, sizeof(struct kvm_xcrs), true, "read XCR0" },
	{ GABI_STATE_DEBUGREGS, KVM_GET_DEBUGREGS, sizeof(struct kvm_debugregs), false, "read the debug registers" },
	{ GABI_STATE_LAPIC, KVM_GET_LAPIC, sizeof(struct kvm_lapic_state), true, "read the local APIC" },
};
static const struct plain sregs = { GABI_STATE_SREGS, KVM_GET_SREGS, sizeof(struct kvm_sregs), false,
				    "read the system registers" };
static const struct plain sregs2 = { GABI_STATE_SREGS2, KVM_GET_SREGS2, sizeof(struct kvm_sregs2), false,
				     "read the system registers" };

static int save_table(struct moving *m, const struct plain *plain, size_t count, unsigned vp)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = save_plain(m, &plain[i], m->vm->vcpu[vp], vp);
	return err;
}

size_t state_xsave_len(struct moving *moving)
{
	unsigned len;

	if (moving->xsave_len)
		return moving->xsave_len;
	moving->effort.ioctls++;
	len = kvm_cap(moving->vm->vm, KVM_CAP_XSAVE2);
	moving->xsave_len = len > XSAVE_LEN ? len : XSAVE_LEN;
	return moving->xsave_len;
}

static int save_xsave(struct moving *m, unsigned vp)
{
	size_t len = state_xsave_len(m);
	void *bytes = gabi_mem_get(&m->mem, len);
	int err;

	if (!bytes)
		return gabi_fail(m->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (state_call(m, m->vm->vcpu[vp], len > XSAVE_LEN ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, bytes))
		err = state_refused(m, "read the extended state", vp);
	else
		err = gabi_state_add(m->into, GABI_STATE_XSAVE, vp, bytes, len, m->diag);
	gabi_mem_put(&m->mem, bytes);
	return err;
}

static int save_nested(struct moving *m, unsigned vp)
{
	union {
		struct kvm_nested_state head;
		uint8_t bytes[GABI_NESTED_MAX];
	} blob = { .head.size = sizeof(blob) };

	if (!state_call(m, m->vm->vcpu[vp], KVM_GET_NESTED_STATE, &blob))
		return gabi_state_add(m->into, GABI_STATE_NESTED, vp, blob.bytes, blob.head.size, m->diag);
	return errno == EINVAL || errno == ENOTTY ? 0 : state_refused(m, "read the nested state", vp); /* it does not nest */
}

int state_tsc_offset(struct moving *moving, unsigned vp, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr call = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)offset };

	return state_call(moving, moving->vm->vcpu[vp], request, &call);
}

static int save_tsc(struct moving *m, unsigned vp)
{
	struct gabi_state_pair pairs[2] = { { GABI_STATE_TSC_KHZ, 0 }, { GABI_STATE_TSC_OFFSET, 0 } };
	int khz = ioctl(m->vm->vcpu[vp], KVM_GET_TSC_KHZ, 0);
	size_t count = 1;

	m->effort.ioctls++;
	if (khz <= 0)
		return 0;
	pairs[0].value = (uint64_t)khz;
	if (!state_tsc_offset(m, vp, KVM_GET_DEVICE_ATTR, &pairs[1].value))
		count = 2;
	return gabi_state_add(m->into, GABI_STATE_TSC, vp, pairs, count * sizeof(pairs[0]), m->diag);
}

int save_begin(struct moving *moving)
{
	(void)moving;
	return 0;
}

int save_vp(struct moving *moving, unsigned vp)
{
	int err = save_table(moving, vp_first, GABI_COUNT_OF(vp_first), vp);

	if (!err)
		err = save_plain(moving, moving->has_sregs2 ? &sregs2 : &sregs, moving->vm->vcpu[vp], vp);
	if (!err)
		err = save_xsave(moving, vp);
	if (!err)
		err = save_table(moving, vp_last, GABI_COUNT_OF(vp_last), vp);
	if (!err)
		err = save_tsc(moving, vp);
	if (!err)
		err = save_msrs(moving, vp);
	if (!err)
		err = save_unlisted(moving, vp);
	return err ? err : save_nested(moving, vp);
}

/* ---- the VM ---- */

static const struct plain vm_devices[] = {
	{ GABI_STATE_CLOCK, KVM_GET_CLOCK, sizeof(struct kvm_clock_data), false, "read the paravirtual clock" },
	{ GABI_STATE_PIT, KVM_GET_PIT2, sizeof(struct kvm_pit_state2), true, "read the timer" },
};

static const struct chip {
	enum gabi_state_kind kind;
	uint32_t id;
} chips[] = {
	{ GABI_STATE_PIC_FIRST, KVM_IRQCHIP_PIC_MASTER },
	{ GABI_STATE_PIC_SECOND, KVM_IRQCHIP_PIC_SLAVE },
	{ GABI_STATE_IOAPIC, KVM_IRQCHIP_IOAPIC },
};

/* ENXIO: the chips are not in the kernel, or only the local APICs. */
static int save_chips(struct moving *m)
{
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(chips); i++) {
		struct kvm_irqchip chip = { .chip_id = chips[i].id };

		if (state_call(m, m->vm->vm, KVM_GET_IRQCHIP, &chip))
			return errno == ENXIO ? 0 : state_refused(m, "read an interrupt controller", GABI_VP_ALL);
		err = gabi_state_add(m->into, chips[i].kind, GABI_VP_ALL, &chip, sizeof(chip), m->diag);
	}
	return err;
}

int save_vm(struct moving *moving)
{
	int err = save_chips(moving);

	for (size_t i = 0; !err && i < GABI_COUNT_OF(vm_devices); i++)
		err = save_plain(moving, &vm_devices[i], moving->vm->vm, GABI_VP_ALL);
	return err;
}
