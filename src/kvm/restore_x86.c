/* SPDX-License-Identifier: MIT */
/*
 * Loading on x86. The order is the kernel's: chips first, for setting them may send to a local APIC that is loaded after, but for the
 * timer, which from then on sends by itself, and stands still for good if what it sends is lost (kvm_pit_ack_irq); system
 * registers before the local APIC, whose mode they hold, and before MSRs, which depend on both; nested state when all that it
 * is checked against is there; and last what makes it run.
 */
#include "state_x86.h"

#include <gabi/nested.h>
#include <gabi/vocab.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/utsname.h>

static const struct gabi_state_part *part_of(const struct moving *m, enum gabi_state_kind kind, unsigned vp)
{
	return gabi_state_find(m->from, kind, vp);
}

/* The kernel's calls take what is not const; nothing of the state is written. */
static int load(struct moving *m, int fd, unsigned long request, const void *data)
{
	return state_call(m, fd, request, (void *)(uintptr_t)data);
}

/* ---- nested state ---- */

/* The word that the plan gives the guest. */
static uint64_t planned(const struct moving *m, unsigned kind, unsigned space, uint64_t index, unsigned part, uint64_t otherwise)
{
	const struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = index };
	size_t count;
	const struct gabi_op *op = gabi_plan_ops(m->plan, &count);

	for (size_t i = 0; i < count; i++)
		if (op[i].kind == kind && !gabi_key_compare(&op[i].key, &key))
			return op[i].value;
	return otherwise;
}

static uint64_t leaf(const struct moving *m, unsigned space, uint32_t index, unsigned part)
{
	return planned(m, GABI_OP_SET_CPUID, space, index, part, 0);
}

#define LEAF_SIZES     0x80000008u
#define LEAF_HV        0x40000000u
#define LEAF_HV_NESTED 0x4000000au
#define SIZES_DEFAULT  0x3024u

static void complete_target(const struct moving *m, const struct gabi_nested *nested, const char *release,
			    struct gabi_nested_target *target)
{
	uint64_t sizes = leaf(m, GABI_SPACE_CPUID, LEAF_SIZES, GABI_EAX);

	sizes = sizes ? sizes : SIZES_DEFAULT;
	target->release = release;
	target->svm = nested->format == GABI_NESTED_SVM;
	target->no_vmx = !target->svm && !(leaf(m, GABI_SPACE_CPUID, 1, GABI_ECX) >> 5 & 1);
	target->phys_bits = (uint8_t)((sizes & 0xff) < 52 ? sizes & 0xff : 52);
	target->virt_bits = (sizes >> 8 & 0xff) == 57 ? 57 : 48;
	target->evmcs.enabled = planned(m, GABI_OP_ENABLE_CAP, GABI_SPACE_CAP, GABI_KVM_CAP_HYPERV_ENLIGHTENED_VMCS, 0, 0) != 0;
	target->evmcs.hyperv = leaf(m, GABI_SPACE_HYPERV, LEAF_HV, GABI_EAX) != 0;
	target->evmcs.perf_global = leaf(m, GABI_SPACE_HYPERV, LEAF_HV_NESTED, GABI_EBX) & 1;
}

static int nested_refused(struct moving *m, const struct gabi_nested_verdict *verdict)
{
	return gabi_fail(m->diag, GABI_ERR_KVM, "KVM would refuse the nested state by rule ", gabi_nested_rule_number(verdict->rule),
			 ": ", gabi_nested_rule_text(verdict->rule), (char *)NULL);
}

/* The blob in this kernel's form, in out. */
static int convert(struct moving *m, const struct gabi_state_part *part, const char *release, uint8_t *out, size_t *ret_len)
{
	const struct gabi_vmcs_layout *from = gabi_nested_layout(gabi_state_release(m->from)), *to = gabi_nested_layout(release);
	size_t findings = 0;
	int err;

	memcpy(out, part->data, part->len);
	*ret_len = part->len;
	if (!from || !to || from == to)
		return 0;
	err = gabi_nested_convert(part->data, part->len, from, to, 0, &m->mem, out, GABI_NESTED_MAX, ret_len, NULL, 0, &findings, m->diag);
	if (!err && findings)
		err = gabi_fail(m->diag, GABI_ERR_KVM, "the nested state holds what this kernel's VMCS has no field for", (char *)NULL);
	return err;
}

/* Judged before KVM drops what it has: rule v10 of facts and kernel. An empty one is what a fresh virtual processor has. */
static int take_nested(struct moving *m, unsigned vp, uint8_t *out, size_t *ret_len)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_NESTED, vp);
	struct gabi_nested_target target = { .size = sizeof(target) };
	struct gabi_nested_verdict verdict;
	struct gabi_nested nested;
	struct utsname name;
	int err;

	*ret_len = 0;
	err = part ? gabi_nested_read(part->data, part->len, &nested, m->diag) : 0;
	if (err || !part || gabi_nested_is_empty(&nested))
		return err;
	if (uname(&name))
		return kvm_refused(m->diag, "say its release");
	err = nested.format == GABI_NESTED_VMX ? convert(m, part, name.release, out, ret_len) : 0;
	if (err)
		return err;
	if (!*ret_len) {
		memcpy(out, part->data, part->len);
		*ret_len = part->len;
	}
	gabi_state_nested_target(m->from, vp, &target);
	complete_target(m, &nested, name.release, &target);
	err = gabi_nested_check(out, *ret_len, &target, &verdict, m->diag);
	return err ? err : verdict.rule ? nested_refused(m, &verdict) : 0;
}

static int load_nested(struct moving *m, unsigned vp)
{
	uint8_t blob[GABI_NESTED_MAX];
	size_t len;
	int err = take_nested(m, vp, blob, &len);

	if (err || !len)
		return err;
	return load(m, m->vm->vcpu[vp], KVM_SET_NESTED_STATE, blob) ? state_refused(m, "load the nested state", vp) : 0;
}

/* ---- extended state ---- */

static bool is_zero(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i])
			return false;
	return true;
}

/* What a longer form than this host's holds beyond its end must be unused. */
static int check_xsave(struct moving *m, unsigned vp)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_XSAVE, vp);
	size_t len = state_xsave_len(m);

	if (part->len > len && !is_zero((const uint8_t *)part->data + len, part->len - len))
		return gabi_fail(m->diag, GABI_ERR_KVM, "the state uses extended state that this host does not have", (char *)NULL);
	return 0;
}

static int load_xsave(struct moving *m, unsigned vp)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_XSAVE, vp);
	size_t len = state_xsave_len(m);
	void *bytes = gabi_mem_get(&m->mem, len);
	int err = 0;

	if (!bytes)
		return gabi_fail(m->diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	memcpy(bytes, part->data, part->len < len ? part->len : len);
	if (load(m, m->vm->vcpu[vp], KVM_SET_XSAVE, bytes))
		err = state_refused(m, "load the extended state", vp);
	gabi_mem_put(&m->mem, bytes);
	return err;
}

/* ---- system registers ---- */

/* A kernel before 5.14 reads the PDPTRs from memory when it enters the guest; those of the other form are from there too. */
static void older_sregs(const void *newer, struct kvm_sregs *older)
{
	memset(older, 0, sizeof(*older));
	memcpy(older, newer, offsetof(struct kvm_sregs, interrupt_bitmap)); /* and events hold what is injected */
}

static int load_sregs(struct moving *m, unsigned vp)
{
	const struct gabi_state_part *newer = part_of(m, GABI_STATE_SREGS2, vp);
	struct kvm_sregs older;
	int refused;

	if (newer && m->has_sregs2)
		refused = load(m, m->vm->vcpu[vp], KVM_SET_SREGS2, newer->data);
	else if (newer) {
		older_sregs(newer->data, &older);
		refused = load(m, m->vm->vcpu[vp], KVM_SET_SREGS, &older);
	} else {
		refused = load(m, m->vm->vcpu[vp], KVM_SET_SREGS, part_of(m, GABI_STATE_SREGS, vp)->data);
	}
	return refused ? state_refused(m, "load the system registers", vp) : 0;
}

/* ---- MSRs ---- */

struct msr_run {
	struct msr_call call;
	const struct gabi_word *word[GABI_COUNT_OF(((struct msr_call *)0)->entries)];
};

/* A register that this kernel lists, but has not for such a guest, is no loss where it holds what it resets to. */
static bool is_unused(const struct gabi_word *word)
{
	const struct gabi_reg *reg = gabi_reg_of(&word->key);

	return reg && reg->resets_to_0 == 1 && word->value == 0;
}

/* KVM stopped at an entry. It may show that value all the same: of some it takes no write at all. */
static int look_at(struct moving *m, const struct msr_run *run, uint32_t at, int sys_errno)
{
	struct msr_call one = { .head.nmsrs = 1 };
	const struct gabi_word *word = run->word[at];

	one.entries[0].index = (uint32_t)word->key.index;
	if (state_call(m, m->vm->vcpu[word->vp], KVM_GET_MSRS, &one) == 1 ? one.entries[0].data == word->value : is_unused(word))
		return 0;
	return state_word_refused(m, word, "is not taken by KVM", sys_errno);
}

static int load_run(struct moving *m, struct msr_run *run, unsigned vp)
{
	uint32_t total = run->call.head.nmsrs, at = 0;
	int err = 0;

	while (!err && at < total) {
		int taken;

		memmove(run->call.entries, run->call.entries + at, (total - at) * sizeof(run->call.entries[0]));
		memmove(run->word, run->word + at, (total - at) * sizeof(run->word[0]));
		total -= at;
		run->call.head = (struct kvm_msrs){ .nmsrs = total };
		errno = 0;
		taken = load(m, m->vm->vcpu[vp], KVM_SET_MSRS, &run->call);
		if (taken < 0)
			return state_refused(m, "load MSRs", vp);
		at = (uint32_t)taken;
		if (at < total)
			err = look_at(m, run, at++, errno);
	}
	run->call.head.nmsrs = 0;
	return err;
}

/* The TSC is loaded by its offset, if both kernels have that. */
static bool is_left_out(const struct moving *m, const struct gabi_word *word)
{
	return (word->key.index == MSR_TSC && m->by_offset) || !state_list_has(m->list, word->key.index);
}

static int load_msrs(struct moving *m, unsigned vp)
{
	struct msr_run run = { .call.head.nmsrs = 0 };
	size_t count;
	const struct gabi_word *word = gabi_state_words(m->from, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		uint32_t *at = &run.call.head.nmsrs;

		if (word[i].vp != vp || is_left_out(m, &word[i]))
			continue;
		run.word[*at] = &word[i];
		run.call.entries[(*at)++] = (struct kvm_msr_entry){ .index = (uint32_t)word[i].key.index, .data = word[i].value };
		if (*at == GABI_COUNT_OF(run.call.entries) - 1)
			err = load_run(m, &run, vp);
	}
	return err ? err : load_run(m, &run, vp);
}

/* ---- MSRs that are not listed ---- */

static bool pair_of(const struct gabi_state_part *part, uint64_t number, uint64_t *ret_value)
{
	const struct gabi_state_pair *pair = part ? part->data : NULL;

	for (size_t i = 0; part && i < part->len / sizeof(*pair); i++)
		if (pair[i].number == number) {
			*ret_value = pair[i].value;
			return true;
		}
	return false;
}

static bool is_of_unlisted(uint64_t msr)
{
	size_t rows;
	const struct state_unlisted *row = state_unlisted(&rows);

	for (size_t i = 0; i < rows; i++)
		if (msr - row[i].first < row[i].count)
			return true;
	return false;
}

/* The part's registers, as words; its numbers rise, so that there are no more of them than the rows have. */
static int take_unlisted(struct moving *m, unsigned vp, struct gabi_word words[STATE_UNLISTED_MAX], struct msr_run *run)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_MSRS_UNLISTED, vp);
	const struct gabi_state_pair *pair = part ? part->data : NULL;
	size_t count = part ? part->len / sizeof(*pair) : 0;

	run->call.head = (struct kvm_msrs){ 0 };
	for (size_t i = 0; i < count && pair[i].number != STATE_SSP; i++) {
		uint32_t at = run->call.head.nmsrs++;

		words[at] = (struct gabi_word){ .key = { .space = GABI_SPACE_MSR_STATE, .index = pair[i].number }, .value = pair[i].value, .bits = 64,
						.vp = (uint16_t)vp };
		if (!is_of_unlisted(pair[i].number))
			return state_word_refused(m, &words[at], "is none of those that KVM has and does not list", 0);
		run->word[at] = &words[at];
		run->call.entries[at] = (struct kvm_msr_entry){ .index = (uint32_t)pair[i].number, .data = pair[i].value };
	}
	return 0;
}

/* Has this kernel, for such a guest, all that the state holds? */
static int check_unlisted(struct moving *m, unsigned vp)
{
	struct gabi_word words[STATE_UNLISTED_MAX];
	struct msr_run run;
	int err = take_unlisted(m, vp, words, &run), got;

	if (err || !run.call.head.nmsrs)
		return err;
	got = state_call(m, m->vm->vcpu[vp], KVM_GET_MSRS, &run.call);
	if (got < 0)
		return state_refused(m, "read MSRs", vp);
	return (uint32_t)got < run.call.head.nmsrs ? state_word_refused(m, &words[got], "is not there for such a guest", 0) : 0;
}

static int load_ssp(struct moving *m, unsigned vp)
{
	uint64_t value;
	struct kvm_one_reg reg = { .id = STATE_SSP, .addr = (uintptr_t)&value };

	if (!pair_of(part_of(m, GABI_STATE_MSRS_UNLISTED, vp), STATE_SSP, &value))
		return 0;
	return load(m, m->vm->vcpu[vp], KVM_SET_ONE_REG, &reg) ? state_refused(m, "load the pointer to the shadow stack", vp) : 0;
}

static int load_unlisted(struct moving *m, unsigned vp)
{
	struct gabi_word words[STATE_UNLISTED_MAX];
	struct msr_run run;
	int err = take_unlisted(m, vp, words, &run);

	if (!err && run.call.head.nmsrs)
		err = load_run(m, &run, vp);
	return err ? err : load_ssp(m, vp);
}

/* ---- clocks ---- */

#ifndef KVM_CLOCK_HOST_TSC
#define KVM_CLOCK_REALTIME (1 << 2)
#define KVM_CLOCK_HOST_TSC (1 << 3)
#endif

static const struct kvm_clock_data *saved_clock(const struct moving *m)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_CLOCK, GABI_VP_ALL);

	return part ? part->data : NULL;
}

/* Sets the clock to where it stood. Reading it again then says what host TSC goes with that. */
static int load_clock(struct moving *m)
{
	const struct kvm_clock_data *saved = saved_clock(m);
	struct kvm_clock_data now = { 0 };

	if (!saved)
		return 0;
	now.clock = saved->clock;
	return load(m, m->vm->vm, KVM_SET_CLOCK, &now) ? state_refused(m, "set the paravirtual clock", GABI_VP_ALL) : 0;
}

/* Can the TSC be reckoned from clock and offset (Documentation/virt/kvm/devices/vcpu.rst, KVM_VCPU_TSC_OFFSET)? All of it must
 * be known, and this kernel take an offset. */
static bool can_take_offset(struct moving *m, struct kvm_clock_data *now)
{
	const struct kvm_clock_data *saved = saved_clock(m);
	uint64_t value;

	if (!saved || !(saved->flags & KVM_CLOCK_HOST_TSC) ||
	    !pair_of(part_of(m, GABI_STATE_TSC, 0), GABI_STATE_TSC_OFFSET, &value))
		return false;
	return !state_call(m, m->vm->vm, KVM_GET_CLOCK, now) && now->flags & KVM_CLOCK_HOST_TSC &&
	       !state_tsc_offset(m, 0, KVM_GET_DEVICE_ATTR, &value);
}

/* The guest's TSC goes on from where it stood, by as much as its clock has gone on since it was set. */
static uint64_t new_offset(const struct kvm_clock_data *saved, const struct kvm_clock_data *now, uint64_t offset, uint64_t khz)
{
	uint64_t passed_ns = now->clock - saved->clock;
	uint64_t passed = passed_ns / 1000000 * khz + passed_ns % 1000000 * khz / 1000000;

	return saved->host_tsc + offset + passed - now->host_tsc;
}

#define FAR (1ull << 48) /* cycles: years, and no counter comes near its end */

/*
 * Before Linux 6.7 KVM takes a TSC that is written within a second of the one that the virtual processor was made with for an
 * attempt to bring processors together, and keeps that: a young guest's clock would go back (arch/x86/kvm/x86.c,
 * kvm_synchronize_tsc). Once it is written far off, the next one counts; those of the other processors are then near that.
 */
static int loosen_tsc(struct moving *m)
{
	struct msr_call one = { .head.nmsrs = 1, .entries[0] = { .index = MSR_TSC } };
	const struct gabi_key key = { .space = GABI_SPACE_MSR_STATE, .index = MSR_TSC };
	size_t count;
	const struct gabi_word *word = gabi_state_words(m->from, &count);

	if (m->by_offset)
		return 0;
	while (count && gabi_key_compare(&word->key, &key)) {
		word++;
		count--;
	}
	if (!count)
		return 0;
	one.entries[0].data = word->value + FAR;
	return load(m, m->vm->vcpu[0], KVM_SET_MSRS, &one) == 1 ? 0 : state_refused(m, "write the TSC", 0);
}

static int load_offset(struct moving *m, unsigned vp)
{
	const struct gabi_state_part *part = part_of(m, GABI_STATE_TSC, vp);
	uint64_t offset, khz;

	if (!m->by_offset || !pair_of(part, GABI_STATE_TSC_OFFSET, &offset) || !pair_of(part, GABI_STATE_TSC_KHZ, &khz))
		return 0;
	offset = new_offset(saved_clock(m), &m->now, offset, khz);
	return state_tsc_offset(m, vp, KVM_SET_DEVICE_ATTR, &offset) ? state_refused(m, "set the TSC's offset", vp) : 0;
}

/* ---- the rest ---- */

struct plain {
	enum gabi_state_kind kind;
	unsigned long request;
	const char *what;
};

static int load_plain(struct moving *m, const struct plain *plain, int fd, unsigned vp)
{
	const struct gabi_state_part *part = part_of(m, plain->kind, vp);

	return part && load(m, fd, plain->request, part->data) ? state_refused(m, plain->what, vp) : 0;
}

static int load_table(struct moving *m, const struct plain *plain, size_t count, int fd, unsigned vp)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = load_plain(m, &plain[i], fd, vp);
	return err;
}

static const struct plain vm_devices[] = {
	{ GABI_STATE_PIC_FIRST, KVM_SET_IRQCHIP, "load the first PIC" },
	{ GABI_STATE_PIC_SECOND, KVM_SET_IRQCHIP, "load the second PIC" },
	{ GABI_STATE_IOAPIC, KVM_SET_IRQCHIP, "load the I/O APIC" },
};
static const struct plain vm_timer = { GABI_STATE_PIT, KVM_SET_PIT2, "load the timer" };
static const struct plain lapic = { GABI_STATE_LAPIC, KVM_SET_LAPIC, "load the local APIC" };
static const struct plain xcrs = { GABI_STATE_XCRS, KVM_SET_XCRS, "load XCR0" };
static const struct plain debugregs = { GABI_STATE_DEBUGREGS, KVM_SET_DEBUGREGS, "load the debug registers" };
static const struct plain vp_last[] = {
	{ GABI_STATE_REGS, KVM_SET_REGS, "load the registers" },
	{ GABI_STATE_EVENTS, KVM_SET_VCPU_EVENTS, "load what is pending" },
	{ GABI_STATE_MP_STATE, KVM_SET_MP_STATE, "set whether it runs" },
};

/* Of a processor without XSAVE the state has none, and KVM takes none. */
static int load_xcrs(struct moving *m, unsigned vp)
{
	const struct gabi_state_part *part = part_of(m, xcrs.kind, vp);
	const struct kvm_xcrs *saved = part ? part->data : NULL;

	return saved && saved->nr_xcrs ? load_plain(m, &xcrs, m->vm->vcpu[vp], vp) : 0;
}

/* Are the same devices in the kernel on both sides? One that the state lacks would stay as it was made, and what the guest did with
 * its own would be lost. There is no timer without the chips. */
static int check_devices(struct moving *m)
{
	union {
		struct kvm_irqchip chip;
		struct kvm_pit_state2 pit;
		struct kvm_lapic_state lapic;
	} seen;
	bool chips = part_of(m, GABI_STATE_PIC_FIRST, GABI_VP_ALL), pit = part_of(m, GABI_STATE_PIT, GABI_VP_ALL);
	bool apics = part_of(m, GABI_STATE_LAPIC, 0), has_apics = !state_call(m, m->vm->vcpu[0], KVM_GET_LAPIC, &seen.lapic);
	const char *wrong = NULL;

	seen.chip = (struct kvm_irqchip){ .chip_id = KVM_IRQCHIP_PIC_MASTER };
	if (apics != has_apics)
		wrong = apics ? "the state has local APICs of KVM's, and the VM has none" :
				"the VM has local APICs of KVM's, and the state has none";
	else if (chips != !state_call(m, m->vm->vm, KVM_GET_IRQCHIP, &seen.chip))
		wrong = chips ? "the state has interrupt controllers of KVM's, and the VM has none" :
				"the VM has interrupt controllers of KVM's, and the state has none";
	else if (chips && pit != !state_call(m, m->vm->vm, KVM_GET_PIT2, &seen.pit))
		wrong = pit ? "the state has a timer of KVM's, and the VM has none" : "the VM has a timer of KVM's, and the state has none";
	return wrong ? gabi_fail(m->diag, GABI_ERR_KVM, wrong, (char *)NULL) : 0;
}

int restore_check(struct moving *moving)
{
	uint8_t blob[GABI_NESTED_MAX];
	size_t len;
	int err = check_devices(moving);

	for (unsigned vp = 0; !err && vp < moving->vm->vcpus; vp++) {
		err = take_nested(moving, vp, blob, &len);
		if (!err)
			err = check_xsave(moving, vp);
		if (!err)
			err = check_unlisted(moving, vp);
	}
	return err;
}

int restore_vm(struct moving *moving)
{
	int err = load_table(moving, vm_devices, GABI_COUNT_OF(vm_devices), moving->vm->vm, GABI_VP_ALL);

	if (!err)
		err = load_clock(moving);
	if (!err)
		moving->by_offset = can_take_offset(moving, &moving->now);
	return err ? err : loosen_tsc(moving);
}

int restore_vp(struct moving *moving, unsigned vp)
{
	int vcpu = moving->vm->vcpu[vp], err = load_sregs(moving, vp);

	if (!err)
		err = load_offset(moving, vp); /* KVM reckons by the TSC, once, when the timers that come now are due */
	if (!err)
		err = load_plain(moving, &lapic, vcpu, vp);
	if (!err)
		err = load_msrs(moving, vp);
	if (!err)
		err = load_unlisted(moving, vp);
	if (!err)
		err = load_xcrs(moving, vp);
	if (!err)
		err = load_xsave(moving, vp);
	if (!err)
		err = load_plain(moving, &debugregs, vcpu, vp);
	if (!err)
		err = load_nested(moving, vp);
	return err ? err : load_table(moving, vp_last, GABI_COUNT_OF(vp_last), vcpu, vp);
}

int restore_finish(struct moving *moving)
{
	return load_plain(moving, &vm_timer, moving->vm->vm, GABI_VP_ALL);
}
