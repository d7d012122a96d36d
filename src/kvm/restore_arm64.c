/* SPDX-License-Identifier: MIT */
/*
 * Loading on arm64: registers first, which make a virtual processor what the interrupt controller knows it by; then the
 * controller. What the plan has set and read back is not written again.
 */
#include "state_arm64.h"

#include <errno.h>
#include <string.h>

/* ---- registers ---- */

/* Is it the plan's? What that has read back whole is the state's value too, for both are the contract's; and what it leaves behind
 * has been looked at. */
static bool is_the_plans(const struct moving *m, const struct gabi_word *word)
{
	const struct gabi_op *verify;

	if (word->key.space != GABI_SPACE_ARM64)
		return false;
	verify = restore_op(m, GABI_OP_VERIFY, word);
	return (verify && verify->mask == gabi_mask(word->bits)) || restore_op(m, GABI_OP_DROP_IF_EQUAL, word);
}

/* KVM refused. Of some registers it takes no write at all, and shows the value all the same. */
static int look_at(struct moving *m, const struct gabi_word *word, const uint8_t *bytes, size_t len, int sys_errno)
{
	uint8_t seen[STATE_REG_MAX] = { 0 };

	if (!state_reg(m, word->vp, KVM_GET_ONE_REG, word->key.index, seen) && !memcmp(seen, bytes, len))
		return 0;
	return state_word_refused(m, word, "is not taken by KVM", sys_errno);
}

/* All words of a register stand together, but for other virtual processors' between them. */
static int load_register(struct moving *m, const struct gabi_word *word, const struct gabi_word *end)
{
	uint8_t bytes[STATE_REG_MAX] = { 0 };
	size_t len = gabi_arm64_bits(word->key.index) / 8;

	for (const struct gabi_word *at = word; at < end && at->key.index == word->key.index; at++)
		if (at->vp == word->vp && 8u * at->key.part + at->bits / 8 <= sizeof(bytes))
			memcpy(bytes + 8 * at->key.part, &at->value, at->bits / 8);
	if (!state_reg(m, word->vp, KVM_SET_ONE_REG, word->key.index, bytes))
		return 0;
	return look_at(m, word, bytes, len, errno);
}

static int load_registers(struct moving *m, unsigned vp)
{
	size_t count;
	const struct gabi_word *word = gabi_state_words(m->from, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		if (word[i].vp == vp && !word[i].key.part && state_list_has(m->list, word[i].key.index) && !is_the_plans(m, &word[i]))
			err = load_register(m, &word[i], word + count);
	return err;
}

static int load_struct(struct moving *m, unsigned vp, enum gabi_state_kind kind, unsigned long request, const char *what)
{
	const struct gabi_state_part *part = gabi_state_find(m->from, kind, vp);

	if (!part)
		return 0;
	return state_call(m, m->vm->vcpu[vp], request, (void *)(uintptr_t)part->data) ? state_refused(m, what, vp) : 0;
}

/* ---- the interrupt controller ---- */

static const struct gabi_state_pair *pairs_of(const struct moving *m, enum gabi_state_kind kind, unsigned vp, size_t *ret_count)
{
	const struct gabi_state_part *part = gabi_state_find(m->from, kind, vp);

	*ret_count = part ? part->len / sizeof(struct gabi_state_pair) : 0;
	return part ? part->data : NULL;
}

static int gic_refused(struct moving *m, const char *what, uint64_t number, unsigned vp)
{
	int saved = errno;
	char text[96];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, what);
	gabi_out_text(&out, " 0x");
	gabi_out_hex(&out, number, 1);
	errno = saved;
	return state_refused(m, text, vp);
}

static int load_one(struct moving *m, unsigned group, uint64_t attr, const struct gabi_state_pair *pair, unsigned vp)
{
	uint64_t value = pair->value;

	return state_gic(m, KVM_SET_DEVICE_ATTR, group, attr, &value) ?
		       gic_refused(m, "load the interrupt controller's register", pair->number, vp) : 0;
}

/* The revision first, by which KVM behaves; CTLR last, which lets interrupts through. */
static int load_dist(struct moving *m)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, GABI_STATE_GIC_DIST, GABI_VP_ALL, &count);
	int err = 0;

	for (unsigned pass = 0; pass < 3; pass++)
		for (size_t i = 0; !err && i < count; i++)
			if ((pair[i].number == STATE_GIC_IIDR ? 0 : pair[i].number == STATE_GIC_CTLR ? 2 : 1) == pass)
				err = load_one(m, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, pair[i].number, &pair[i], GABI_VP_ALL);
	pair = pairs_of(m, GABI_STATE_GIC_LEVEL, GABI_VP_ALL, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = load_one(m, KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, state_gic_lines(pair[i].number), &pair[i], GABI_VP_ALL);
	return err;
}

static int load_redist(struct moving *m, unsigned vp, uint64_t which)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, GABI_STATE_GIC_REDIST, vp, &count);
	int err = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; !err && i < count; i++) {
			bool level = pair[i].number == GABI_STATE_GIC_PRIVATE;

			if ((pair[i].number == STATE_GIC_CTLR) == pass)
				err = load_one(m, level ? KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO : KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
					       which | (level ? state_gic_lines(0) : pair[i].number), &pair[i], vp);
		}
	return err;
}

static int load_cpu(struct moving *m, unsigned vp, uint64_t which)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, GABI_STATE_GIC_CPU, vp, &count);
	int err = 0;

	for (unsigned order = 0; order < state_gic_cpu_count; order++)
		for (size_t i = 0; !err && i < count; i++)
			if (pair[i].number == state_gic_cpu[order])
				err = load_one(m, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, which | pair[i].number, &pair[i], vp);
	return err;
}

/* What the distributor holds for the processor, then its CPU interface, whose CTLR lets interrupts through and comes last. */
static int load_gic2_vp(struct moving *m, unsigned vp)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, GABI_STATE_GIC2_CPU, vp, &count);
	int err = 0;

	for (unsigned pass = 0; pass < 3; pass++)
		for (size_t i = 0; !err && i < count; i++) {
			bool dist = pair[i].number >= GABI_STATE_GIC2_DIST;

			if ((dist ? 0 : pair[i].number == STATE_GICC_CTLR ? 2 : 1) == pass)
				err = load_one(m, dist ? KVM_DEV_ARM_VGIC_GRP_DIST_REGS : KVM_DEV_ARM_VGIC_GRP_CPU_REGS,
					       state_gic2_vp(vp) | (pair[i].number & UINT32_MAX), &pair[i], vp);
		}
	return err;
}

static int load_gic_vp(struct moving *m, unsigned vp)
{
	uint64_t mpidr = 0, which;
	int err;

	if (!m->is_gic3)
		return load_gic2_vp(m, vp);

	if (state_reg(m, vp, KVM_GET_ONE_REG, STATE_MPIDR, &mpidr))
		return state_refused(m, "read the affinity", vp);
	which = state_gic_vp(mpidr);
	err = load_redist(m, vp, which);
	return err ? err : load_cpu(m, vp, which);
}

/* ---- all of it ---- */

/* A number that this version does not load would be passed over in silence. */
static int check_pairs(struct moving *m, enum gabi_state_kind kind, unsigned vp)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, kind, vp, &count);

	for (size_t i = 0; i < count; i++) {
		bool known = kind != GABI_STATE_GIC_CPU;
		bool own = kind == GABI_STATE_GIC2_CPU && pair[i].number >= GABI_STATE_GIC2_DIST;
		uint64_t number = pair[i].number - (own ? GABI_STATE_GIC2_DIST : 0);

		for (unsigned order = 0; order < state_gic_cpu_count; order++)
			known = known || number == state_gic_cpu[order];
		if (!known || (number > UINT32_MAX && (kind != GABI_STATE_GIC_REDIST || number != GABI_STATE_GIC_PRIVATE)) ||
		    (kind != GABI_STATE_GIC_CPU && pair[i].value > UINT32_MAX))
			return gabi_fail(m->diag, GABI_ERR_KVM, "the state has a register of the interrupt controller that cannot be",
					 (char *)NULL);
	}
	return 0;
}

/* Is there a controller on both sides, and the same one? */
static int check_gic(struct moving *m)
{
	bool saved = gabi_state_find(m->from, GABI_STATE_GIC_DIST, GABI_VP_ALL) != NULL;
	bool saved_gic3 = gabi_state_find(m->from, GABI_STATE_GIC_CPU, 0) != NULL;
	const char *wrong = NULL;

	m->is_gic3 = m->vm->gic && state_is_gic3(m);
	if (saved && !m->vm->gic)
		wrong = "the state has an interrupt controller, and the VM has none";
	else if (!saved && m->vm->gic)
		wrong = "the VM has an interrupt controller, and the state has none";
	else if (saved && saved_gic3 != m->is_gic3)
		wrong = saved_gic3 ? "the state is of a GICv3, and the VM has a GICv2" : "the state is of a GICv2, and the VM has a GICv3";
	return wrong ? gabi_fail(m->diag, GABI_ERR_KVM, wrong, (char *)NULL) : 0;
}

int restore_check(struct moving *moving)
{
	static const enum gabi_state_kind of_vp[] = { GABI_STATE_GIC_REDIST, GABI_STATE_GIC_CPU, GABI_STATE_GIC2_CPU };
	int err = check_gic(moving);

	if (!err)
		err = check_pairs(moving, GABI_STATE_GIC_DIST, GABI_VP_ALL);
	if (!err)
		err = check_pairs(moving, GABI_STATE_GIC_LEVEL, GABI_VP_ALL);
	for (unsigned vp = 0; !err && vp < moving->vm->vcpus; vp++)
		for (size_t i = 0; !err && i < GABI_COUNT_OF(of_vp); i++)
			err = check_pairs(moving, of_vp[i], vp);
	return err;
}

int restore_vm(struct moving *moving)
{
	(void)moving; /* the controller comes after the virtual processors */
	return 0;
}

/* KVM takes an address once, and the VMM may have set it. */
static int load_pv_time(struct moving *m, unsigned vp)
{
	size_t count;
	const struct gabi_state_pair *pair = pairs_of(m, GABI_STATE_PV_TIME, vp, &count);
	uint64_t address = ~0ull;

	if (!count)
		return 0;
	if (!state_pv_time(m, vp, KVM_GET_DEVICE_ATTR, &address) && address == pair->value)
		return 0;
	address = pair->value;
	return state_pv_time(m, vp, KVM_SET_DEVICE_ATTR, &address) ? state_refused(m, "set where the stolen time is", vp) : 0;
}

int restore_vp(struct moving *moving, unsigned vp)
{
	int err = load_registers(moving, vp);

	if (!err)
		err = load_pv_time(moving, vp);

	if (!err)
		err = load_struct(moving, vp, GABI_STATE_ARM_EVENTS, KVM_SET_VCPU_EVENTS, "load what is pending");
	return err ? err : load_struct(moving, vp, GABI_STATE_ARM_MP_STATE, KVM_SET_MP_STATE, "set whether it runs");
}

int restore_finish(struct moving *moving)
{
	int err = moving->vm->gic ? load_dist(moving) : 0;

	for (unsigned vp = 0; !err && moving->vm->gic && vp < moving->vm->vcpus; vp++)
		err = load_gic_vp(moving, vp);
	return err;
}
