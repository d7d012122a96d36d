/* SPDX-License-Identifier: MIT */
/*
 * Saving on arm64: whatever registers KVM lists, by the width that their ids say, so that a register nobody here knows is saved
 * like any other; and the interrupt controller, of which KVM has no list (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
 */
#include "state_arm64.h"

#include <errno.h>
#include <string.h>

int state_reg(struct moving *moving, unsigned vp, unsigned long request, uint64_t id, void *bytes)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)bytes };

	return state_call(moving, moving->vm->vcpu[vp], request, &reg);
}

/* ---- the list of registers ---- */

enum { REGS_ROOM = 1024 };

static int list_into(struct moving *m, struct kvm_reg_list *call, uint64_t room)
{
	call->n = room;
	if (state_call(m, m->vm->vcpu[0], KVM_GET_REG_LIST, call))
		return kvm_refused(m->diag, "list the registers of a state");
	m->list = state_list_new(m, (size_t)call->n);
	if (!m->list)
		return GABI_ERR_NOMEM;
	m->list->count = (size_t)call->n;
	memcpy(m->list->id, call->reg, m->list->count * sizeof(m->list->id[0]));
	state_list_sort(m->list);
	return 0;
}

int state_list_get(struct moving *moving)
{
	struct kvm_reg_list *call = gabi_mem_get(&moving->mem, sizeof(*call) + REGS_ROOM * sizeof(call->reg[0]));
	int err = call ? list_into(moving, call, REGS_ROOM)
		       : gabi_fail(moving->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);

	gabi_mem_put(&moving->mem, call);
	return err;
}

/* ---- registers ---- */

static int add_register(struct moving *m, unsigned vp, uint64_t id, const uint8_t *bytes)
{
	unsigned bits = gabi_arm64_bits(id);
	struct gabi_word word = { .key = { .space = (uint16_t)gabi_arm64_space(id), .index = id }, .vp = (uint16_t)vp,
				  .bits = (uint8_t)(bits < 64 ? bits : 64) };
	int err = 0;

	for (unsigned part = 0; !err && part < (bits + 63) / 64; part++) {
		word.key.part = (uint16_t)part;
		word.value = 0;
		memcpy(&word.value, bytes + 8 * part, word.bits / 8);
		err = gabi_state_add_word(m->into, &word, m->diag);
	}
	return err;
}

static int save_registers(struct moving *m, unsigned vp)
{
	int err = 0;

	for (size_t i = 0; !err && i < m->list->count; i++) {
		uint8_t bytes[STATE_REG_MAX] = { 0 };
		const struct gabi_word word = { .key = { .space = GABI_SPACE_ARM64_STATE, .index = m->list->id[i] }, .vp = (uint16_t)vp };

		if (!gabi_arm64_bits(m->list->id[i]))
			return state_word_refused(m, &word, "has a width that gabi does not know", 0);
		if (state_reg(m, vp, KVM_GET_ONE_REG, m->list->id[i], bytes))
			return state_word_refused(m, &word, "cannot be read", errno);
		err = add_register(m, vp, m->list->id[i], bytes);
	}
	return err;
}

/* A kernel without it has no such state. */
static int save_struct(struct moving *m, unsigned vp, enum gabi_state_kind kind, unsigned long request, size_t len)
{
	uint8_t bytes[sizeof(struct kvm_vcpu_events)] = { 0 };

	return state_call(m, m->vm->vcpu[vp], request, bytes) ? 1 : gabi_state_add(m->into, kind, vp, bytes, len, m->diag);
}

/* ---- the interrupt controller ---- */

const uint16_t state_gic_cpu[] = {
	STATE_ICC_SRE,           STATE_ICC_CTLR,
	STATE_ICC(0, 4, 6, 0),   STATE_ICC(0, 12, 8, 3),  STATE_ICC(0, 12, 12, 3), /* PMR, BPR0, BPR1 */
	STATE_ICC(0, 12, 8, 4),  STATE_ICC(0, 12, 8, 5),  STATE_ICC(0, 12, 8, 6),  STATE_ICC(0, 12, 8, 7), /* AP0R */
	STATE_ICC(0, 12, 9, 0),  STATE_ICC(0, 12, 9, 1),  STATE_ICC(0, 12, 9, 2),  STATE_ICC(0, 12, 9, 3), /* AP1R */
	STATE_ICC(0, 12, 12, 6), STATE_ICC(0, 12, 12, 7), /* IGRPEN0, IGRPEN1 */
};
const unsigned state_gic_cpu_count = GABI_COUNT_OF(state_gic_cpu);

int state_gic(struct moving *moving, unsigned long request, unsigned group, uint64_t attr, void *value)
{
	struct kvm_device_attr call = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return state_call(moving, *moving->vm->gic, request, &call);
}

uint64_t state_gic_vp(uint64_t mpidr)
{
	return (mpidr >> 32 & 0xff) << 56 | (mpidr & 0xffffff) << 32;
}

bool state_is_gic3(struct moving *moving)
{
	struct kvm_device_attr call = { .group = KVM_DEV_ARM_VGIC_GRP_ADDR, .attr = KVM_VGIC_V3_ADDR_TYPE_REDIST };

	return !state_call(moving, *moving->vm->gic, KVM_HAS_DEVICE_ATTR, &call);
}

/* Runs of registers: the offset of interrupt 0's, and how many bits are one interrupt's; 0: a register that is there once. */
static const struct run {
	uint16_t offset, bits;
} dist_runs[] = {
	{ STATE_GIC_CTLR, 0 }, { STATE_GIC_IIDR, 0 },
	{ 0x80, 1 },   /* IGROUPR */
	{ 0x100, 1 },  /* ISENABLER */
	{ 0x200, 1 },  /* ISPENDR */
	{ 0x300, 1 },  /* ISACTIVER */
	{ 0x400, 8 },  /* IPRIORITYR */
	{ 0xc00, 2 },  /* ICFGR */
};
static const struct run routes = { 0x6000, 64 }; /* IROUTER */
static const struct run targets = { 0x800, 8 };  /* ITARGETSR: a GICv2's */

/* Of a GICv2's processor: what the distributor holds for it alone, with its pending SGIs, and its CPU interface: CTLR, PMR, BPR,
 * ABPR and APR (Arm IHI 0048B). */
static const uint32_t gic2_dist_offsets[] = {
	0x80, 0x100, 0x200, 0x300, 0x400, 0x404, 0x408, 0x40c, 0x410, 0x414, 0x418, 0x41c, 0xc00, 0xc04,
	0xf20, 0xf24, 0xf28, 0xf2c,
};
static const uint32_t gic2_cpu_offsets[] = { STATE_GICC_CTLR, 0x4, 0x8, 0x1c, 0xd0, 0xd4, 0xd8, 0xdc };

/* Of a redistributor: PROPBASER and PENDBASER in two halves, and the 32 private interrupts in the frame behind. */
static const uint32_t redist_offsets[] = {
	STATE_GIC_CTLR, 0x14 /* WAKER */, 0x70, 0x74, 0x78, 0x7c, 0x10080, 0x10100, 0x10200, 0x10300,
	0x10400, 0x10404, 0x10408, 0x1040c, 0x10410, 0x10414, 0x10418, 0x1041c, 0x10c00, 0x10c04,
};

struct pairs {
	struct gabi_state_pair *at;
	size_t count, cap;
};

static int put_pair(struct moving *m, struct pairs *pairs, uint64_t number, uint64_t value)
{
	void *at = pairs->at;

	if (gabi_mem_room(&m->mem, &at, &pairs->cap, pairs->count, sizeof(*pairs->at)))
		return gabi_fail(m->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	pairs->at = at;
	pairs->at[pairs->count++] = (struct gabi_state_pair){ number, value };
	return 0;
}

static int read_pair(struct moving *m, struct pairs *pairs, unsigned group, uint64_t attr, uint64_t number)
{
	uint32_t value = 0;

	if (state_gic(m, KVM_GET_DEVICE_ATTR, group, attr, &value))
		return state_refused(m, "read the interrupt controller", GABI_VP_ALL);
	return put_pair(m, pairs, number, value);
}

static int end_pairs(struct moving *m, struct pairs *pairs, int err, enum gabi_state_kind kind, unsigned vp)
{
	if (!err)
		err = gabi_state_add(m->into, kind, vp, pairs->at, pairs->count * sizeof(*pairs->at), m->diag);
	gabi_mem_put(&m->mem, pairs->at);
	return err;
}

static void sort_pairs(struct pairs *pairs)
{
	for (size_t i = 1; i < pairs->count; i++)
		for (size_t at = i; at && pairs->at[at - 1].number > pairs->at[at].number; at--) {
			const struct gabi_state_pair held = pairs->at[at];

			pairs->at[at] = pairs->at[at - 1];
			pairs->at[at - 1] = held;
		}
}

static int save_run(struct moving *m, struct pairs *pairs, const struct run *run, uint32_t irqs)
{
	uint32_t first = run->offset + STATE_GIC_SPIS * run->bits / 8, end = run->bits ? run->offset + irqs * run->bits / 8 : first + 4;
	int err = 0;

	for (uint32_t offset = first; !err && offset < end; offset += 4)
		err = read_pair(m, pairs, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, offset, offset);
	return err;
}

static int save_dist(struct moving *m, uint32_t irqs)
{
	struct pairs pairs = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(dist_runs); i++)
		err = save_run(m, &pairs, &dist_runs[i], irqs);
	if (!err)
		err = save_run(m, &pairs, m->is_gic3 ? &routes : &targets, irqs);
	sort_pairs(&pairs);
	return end_pairs(m, &pairs, err, GABI_STATE_GIC_DIST, GABI_VP_ALL);
}

static int save_levels(struct moving *m, uint32_t irqs)
{
	struct pairs pairs = { 0 };
	int err = 0;

	for (uint32_t irq = STATE_GIC_SPIS; !err && irq < irqs; irq += 32)
		err = read_pair(m, &pairs, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, state_gic_lines(irq), irq);
	return end_pairs(m, &pairs, err, GABI_STATE_GIC_LEVEL, GABI_VP_ALL);
}

static int save_redist(struct moving *m, unsigned vp, uint64_t which)
{
	struct pairs pairs = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(redist_offsets); i++)
		err = read_pair(m, &pairs, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, which | redist_offsets[i], redist_offsets[i]);
	if (!err)
		err = read_pair(m, &pairs, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, which | state_gic_lines(0), GABI_STATE_GIC_PRIVATE);
	return end_pairs(m, &pairs, err, GABI_STATE_GIC_REDIST, vp);
}

/* How many AP registers there are goes by the processor; the others are refused. */
static int save_cpu(struct moving *m, unsigned vp, uint64_t which)
{
	struct pairs pairs = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < state_gic_cpu_count; i++) {
		uint64_t value = 0;

		if (!state_gic(m, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, which | state_gic_cpu[i], &value))
			err = put_pair(m, &pairs, state_gic_cpu[i], value);
	}
	sort_pairs(&pairs);
	return end_pairs(m, &pairs, err, GABI_STATE_GIC_CPU, vp);
}

static int save_gic2_vp(struct moving *m, unsigned vp)
{
	uint64_t which = state_gic2_vp(vp);
	struct pairs pairs = { 0 };
	int err = 0;

	for (size_t i = 0; !err && i < GABI_COUNT_OF(gic2_cpu_offsets); i++)
		err = read_pair(m, &pairs, KVM_DEV_ARM_VGIC_GRP_CPU_REGS, which | gic2_cpu_offsets[i], gic2_cpu_offsets[i]);
	for (size_t i = 0; !err && i < GABI_COUNT_OF(gic2_dist_offsets); i++)
		err = read_pair(m, &pairs, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, which | gic2_dist_offsets[i],
				GABI_STATE_GIC2_DIST + gic2_dist_offsets[i]);
	return end_pairs(m, &pairs, err, GABI_STATE_GIC2_CPU, vp);
}

static int save_gic_vp(struct moving *m, unsigned vp)
{
	uint64_t mpidr = 0, which;
	int err;

	if (!m->is_gic3)
		return save_gic2_vp(m, vp);

	if (state_reg(m, vp, KVM_GET_ONE_REG, STATE_MPIDR, &mpidr))
		return state_refused(m, "read the affinity", vp);
	which = state_gic_vp(mpidr);
	err = save_redist(m, vp, which);
	return err ? err : save_cpu(m, vp, which);
}

/* ---- stolen time ---- */

int state_pv_time(struct moving *moving, unsigned vp, unsigned long request, uint64_t *address)
{
	struct kvm_device_attr call = { .group = KVM_ARM_VCPU_PVTIME_CTRL, .attr = KVM_ARM_VCPU_PVTIME_IPA, .addr = (uintptr_t)address };

	return state_call(moving, moving->vm->vcpu[vp], request, &call);
}

/* A kernel without it has none, and a guest without it has no address. */
static int save_pv_time(struct moving *m, unsigned vp)
{
	struct gabi_state_pair pair = { KVM_ARM_VCPU_PVTIME_IPA, ~0ull };

	if (state_pv_time(m, vp, KVM_GET_DEVICE_ATTR, &pair.value) || pair.value == ~0ull)
		return 0;
	return gabi_state_add(m->into, GABI_STATE_PV_TIME, vp, &pair, sizeof(pair), m->diag);
}

/* ---- all of it ---- */

/* An ITS is a device of its own, and its tables lie in guest memory: a VM that has one wants a device id with every MSI. */
static int check_its(struct moving *m)
{
	m->effort.ioctls++;
	if (!kvm_cap(m->vm->vm, KVM_CAP_MSI_DEVID))
		return 0;
	return gabi_fail(m->diag, GABI_ERR_UNSUPPORTED, "the VM has an ITS, which gabi does not save: its VMM can, and then leaves the GIC out "
			 "of what gabi saves", (char *)NULL);
}

int save_begin(struct moving *moving)
{
	if (!moving->vm->gic)
		return 0;
	moving->is_gic3 = state_is_gic3(moving);
	return check_its(moving);
}

int save_vp(struct moving *moving, unsigned vp)
{
	int err = save_registers(moving, vp);

	if (!err)
		err = save_struct(moving, vp, GABI_STATE_ARM_EVENTS, KVM_GET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events));
	if (err >= 0)
		err = save_struct(moving, vp, GABI_STATE_ARM_MP_STATE, KVM_GET_MP_STATE, sizeof(struct kvm_mp_state));
	if (err > 0)
		err = state_refused(moving, "say whether it runs", vp);
	if (!err)
		err = save_pv_time(moving, vp);
	return !err && moving->vm->gic ? save_gic_vp(moving, vp) : err;
}

int save_vm(struct moving *moving)
{
	uint32_t irqs = 0;
	int err;

	if (!moving->vm->gic)
		return 0;
	if (state_gic(moving, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs))
		return state_refused(moving, "say how many interrupts there are", GABI_VP_ALL);
	err = save_dist(moving, irqs);
	return err || !moving->is_gic3 ? err : save_levels(moving, irqs); /* a GICv2's lines count as pending */
}
