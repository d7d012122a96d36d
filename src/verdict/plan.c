/* SPDX-License-Identifier: MIT */
/*
 * Plans. The order is the kernel's: capabilities, which change what the rest may say; the TSC's frequency; CPUID, on which
 * MSRs depend; MSRs, MISC after the pin-based controls that it is checked against; arm64 registers, those of the VM
 * before those of its virtual processors; calls that KVM is to leave alone; and last the reading back of all of it.
 */
#include <gabi/plan.h>

#include "verdict/judge.h"


struct gabi_plan {
	struct gabi_mem mem;
	struct gabi_op *ops;
	size_t count, cap;
	uint32_t kvm_leaf_base;
};

struct making {
	struct gabi_plan *plan;
	const struct gabi_contract *contract;
	const struct gabi_host *host;
	const struct gabi_report *report;
};

const char *gabi_op_text(unsigned kind)
{
	static const char *const texts[] = { "enable-cap", "set-cpuid", "set-msr", "set-reg", "set-tsc-khz", "drop-if-equal", "verify",
					     "filter-smccc" };

	return kind < GABI_COUNT_OF(texts) ? texts[kind] : "unknown";
}

static int add(struct gabi_plan *plan, const struct gabi_op *op)
{
	void *ops = plan->ops;
	int err = gabi_mem_room(&plan->mem, &ops, &plan->cap, plan->count, sizeof(*plan->ops));

	if (err)
		return err;
	plan->ops = ops;
	plan->ops[plan->count++] = *op;
	return 0;
}

static unsigned scope_of(const struct gabi_key *key)
{
	const struct gabi_reg *reg = gabi_reg_of(key);

	return reg ? reg->scope : gabi_is_fw(key) || key->space == GABI_SPACE_SMCCC ? GABI_SCOPE_VM : GABI_SCOPE_VP;
}

/* ---- what a word's fields say about writing it ---- */

/* The bits of a word whose fields have that rule. */
static uint64_t bits_of_rule(const struct gabi_word *word, unsigned rule)
{
	struct gabi_spans spans = gabi_spans_of(&word->key, word->bits);
	struct gabi_span span;
	uint64_t mask = 0;

	while (gabi_spans_next(&spans, &span))
		if (span.rule == rule)
			mask |= gabi_span_mask(&span);
	return mask;
}

static struct gabi_op op_of(unsigned kind, const struct gabi_word *word, uint64_t value)
{
	return (struct gabi_op){ .kind = (uint8_t)kind, .scope = (uint8_t)scope_of(&word->key), .before_run = 1,
				 .bits = word->bits, .vp = word->vp, .key = word->key, .value = value,
				 .mask = gabi_mask(word->bits) & ~bits_of_rule(word, GABI_RULE_FREE) };
}

static bool is_derived(const struct gabi_word *word)
{
	return bits_of_rule(word, GABI_RULE_DERIVED) == gabi_mask(word->bits);
}

/* ---- the steps ---- */

static const struct gabi_word *promise_at(const struct making *m, unsigned number)
{
	const struct gabi_key key = { .space = GABI_SPACE_VM, .index = number };

	return gabi_contract_find(m->contract, &key, GABI_VP_ALL);
}

static int enable(struct making *m, unsigned number, unsigned cap, unsigned scope)
{
	const struct gabi_word *word = promise_at(m, number);
	struct gabi_op op = { .kind = GABI_OP_ENABLE_CAP, .scope = (uint8_t)scope, .before_run = 1, .bits = 64, .vp = GABI_VP_ALL,
			      .key = { .space = GABI_SPACE_CAP, .index = cap } };

	if (!word || !word->value)
		return 0;
	op.value = word->value;
	return add(m->plan, &op);
}

static bool has_cap(const struct making *m, unsigned cap)
{
	const struct gabi_key key = { .space = GABI_SPACE_CAP, .index = cap };
	const struct gabi_word *word = gabi_host_find(m->host, &key);

	return word && word->value;
}

static int enable_where_there(struct making *m, unsigned cap, uint64_t value)
{
	struct gabi_op op = { .kind = GABI_OP_ENABLE_CAP, .scope = GABI_SCOPE_VP, .before_run = 1, .bits = 64, .vp = GABI_VP_ALL,
			      .key = { .space = GABI_SPACE_CAP, .index = cap }, .value = value };

	return has_cap(m, cap) ? add(m->plan, &op) : 0;
}

static bool promises(const struct making *m, const char *name)
{
	return gabi_contract_promises(m->contract, gabi_field_by_name(name, GABI_ARCH_X86));
}

static struct gabi_range promised_in(const struct making *m, unsigned space)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(m->contract, &count);

	return gabi_range_of(word, count, space);
}

static bool promises_hyperv(const struct making *m)
{
	struct gabi_range range = promised_in(m, GABI_SPACE_HYPERV);

	return range.at < range.end;
}

/* KVM has a SynIC only where it was switched on, whatever CPUID says; and only told so does it keep from a guest the Hyper-V
 * MSRs and hypercalls that CPUID does not list (Documentation/virt/kvm/api.rst, KVM_CAP_HYPERV_SYNIC2, KVM_CAP_HYPERV_ENFORCE_CPUID). */
static int add_hyperv_caps(struct making *m)
{
	int err;

	if (!promises_hyperv(m))
		return 0;
	err = promises(m, "hv-synic") ? enable_where_there(m, GABI_KVM_CAP_HYPERV_SYNIC2, 0) : 0;
	return err ? err : enable_where_there(m, GABI_KVM_CAP_HYPERV_ENFORCE_CPUID, 1);
}

static int add_caps(struct making *m)
{
	int err = enable(m, GABI_VM_QUIRKS, GABI_KVM_CAP_DISABLE_QUIRKS2, GABI_SCOPE_VM);

	if (!err)
		err = add_hyperv_caps(m);
	return err ? err : enable(m, GABI_VM_EVMCS_VERSION, GABI_KVM_CAP_HYPERV_ENLIGHTENED_VMCS, GABI_SCOPE_VP);
}

#define KVM_LEAVES             0x40000000u
#define KVM_LEAVES_BESIDE_HV   0x40000100u /* Linux arch/x86/include/asm/cpuid: a guest looks every 0x100 leaves */

static uint32_t kvm_leaf_base(const struct making *m)
{
	const struct gabi_word *word = promise_at(m, GABI_VM_KVM_LEAF_BASE);

	if (word && word->value)
		return (uint32_t)word->value;
	return promises_hyperv(m) ? KVM_LEAVES_BESIDE_HV : KVM_LEAVES;
}

static int add_frequency(struct making *m)
{
	const struct gabi_word *word = promise_at(m, GABI_VM_TSC_KHZ);
	struct gabi_op op;

	if (!word)
		return 0;
	op = op_of(GABI_OP_SET_TSC_KHZ, word, word->value);
	return add(m->plan, &op);
}

static int add_space(struct making *m, unsigned space, unsigned kind)
{
	struct gabi_range range = promised_in(m, space);

	for (; range.at < range.end; range.at++) {
		struct gabi_op op = op_of(kind, range.at, range.at->value);
		int err = is_derived(range.at) ? 0 : add(m->plan, &op);

		if (err)
			return err;
	}
	return 0;
}

#define MSR_IA32_VMX_MISC 0x485 /* SDM vol. 4 */

/* KVM checks MISC's timer rate against the pin-based controls: it goes last (arch/x86/kvm/vmx/nested.c, vmx_restore_vmx_misc). */
static void put_misc_last(struct gabi_op *ops, size_t count)
{
	size_t kept = 0;
	struct gabi_op misc = { 0 };
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		if (ops[i].kind == GABI_OP_SET_MSR && ops[i].key.index == MSR_IA32_VMX_MISC && ops[i].vp == GABI_VP_ALL) {
			misc = ops[i];
			found = true;
		} else {
			ops[kept++] = ops[i];
		}
	}
	if (found)
		ops[kept] = misc;
}

/* Is there nothing for the contract to want of a span: the guest cannot reach it, or it only presents what was not promised? */
static bool is_left_alone(const struct making *m, const struct gabi_span *span, const struct gabi_word *promise)
{
	return span->rule == GABI_RULE_FREE || (!promise && span->rule == GABI_RULE_PRESENTED) ||
	       !gabi_contract_promises(m->contract, span->gate);
}

/* The value that the contract wants of a register that the host lists, where shown is what the guest would see; what it does
 * not list is absent. */
static uint64_t wanted(const struct making *m, const struct gabi_word *offer, uint64_t shown)
{
	const struct gabi_word *promise = gabi_contract_find(m->contract, &offer->key, GABI_VP_ALL);
	struct gabi_spans spans = gabi_spans_of(&offer->key, offer->bits);
	struct gabi_span span;
	uint64_t value = 0;

	while (gabi_spans_next(&spans, &span)) {
		uint64_t part = promise ? gabi_span_get(&span, promise->value) : span.absent;

		if (is_left_alone(m, &span, promise))
			part = gabi_span_get(&span, shown);
		value |= part << span.lo;
	}
	return value;
}

/* An MSR that the contract does not list, and that a virtual processor starts with otherwise than with what is absent. */
static int add_unlisted_msr(struct making *m, const struct gabi_word *offer)
{
	const struct gabi_key key = { .space = GABI_SPACE_MSR_DEFAULT, .index = offer->key.index };
	const struct gabi_word *start = gabi_host_find(m->host, &key);
	uint64_t value = start ? wanted(m, offer, start->value) : 0;
	struct gabi_op op = op_of(GABI_OP_SET_MSR, offer, value);

	if (!start || value == start->value || (value ^ start->value) & ~offer->settable ||
	    gabi_contract_find(m->contract, &offer->key, GABI_VP_ALL))
		return 0;
	op.vp = GABI_VP_ALL;
	return add(m->plan, &op);
}

static int add_unlisted_msrs(struct making *m)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(m->host, &count);
	struct gabi_range range = gabi_range_of(word, count, GABI_SPACE_MSR);
	int err = 0;

	for (; !err && range.at < range.end; range.at++)
		err = add_unlisted_msr(m, range.at);
	return err;
}

static int add_msrs(struct making *m)
{
	size_t before = m->plan->count;
	int err = add_space(m, GABI_SPACE_MSR, GABI_OP_SET_MSR);

	if (!err)
		err = add_unlisted_msrs(m);
	if (!err && m->plan->count > before)
		put_misc_last(m->plan->ops + before, m->plan->count - before);
	return err;
}

/* Firmware registers are always written, so that a kernel's other default can never show; the others where they differ.
 * What the kernel only implies it cannot be told. */
static int add_register(struct making *m, const struct gabi_word *offer, unsigned scope)
{
	uint64_t value = wanted(m, offer, offer->value);
	struct gabi_op op = op_of(GABI_OP_SET_REG, offer, value);

	if (op.scope != scope || (offer->flags & GABI_WORD_IMPLIED) || (value == offer->value && !gabi_is_fw(&offer->key)))
		return 0;
	op.vp = GABI_VP_ALL;
	return add(m->plan, &op);
}

/* A promise to one virtual processor alone. */
static int add_own_registers(struct making *m)
{
	struct gabi_range range = promised_in(m, GABI_SPACE_ARM64);

	for (; range.at < range.end; range.at++) {
		struct gabi_op op = op_of(GABI_OP_SET_REG, range.at, range.at->value);
		int err = range.at->vp == GABI_VP_ALL ? 0 : add(m->plan, &op);

		if (err)
			return err;
	}
	return 0;
}

static int add_registers(struct making *m)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(m->host, &count);
	const struct gabi_range range = gabi_range_of(word, count, GABI_SPACE_ARM64);

	for (unsigned pass = GABI_SCOPE_SYSTEM; pass <= GABI_SCOPE_VP; pass++)
		for (const struct gabi_word *at = range.at; at < range.end; at++) {
			int err = add_register(m, at, pass);

			if (err)
				return err;
		}
	return add_own_registers(m);
}

static bool is_drop(const struct gabi_finding *finding)
{
	return finding->kind == GABI_FINDING_DROP_IF_UNUSED || finding->kind == GABI_FINDING_PROMISE_STANDS;
}

static int add_drops(struct making *m)
{
	size_t count;
	const struct gabi_finding *finding;

	if (!m->report)
		return 0;
	finding = gabi_report_findings(m->report, &count);
	for (size_t i = 0; i < count; i++) {
		struct gabi_op op = { .kind = GABI_OP_DROP_IF_EQUAL, .scope = GABI_SCOPE_VP, .bits = finding[i].bits,
				      .vp = finding[i].vp, .key = finding[i].key, .value = finding[i].want };
		int err = is_drop(&finding[i]) ? add(m->plan, &op) : 0;

		if (err)
			return err;
	}
	return 0;
}

static bool can_be_read_back(unsigned space)
{
	return space == GABI_SPACE_CPUID || space == GABI_SPACE_KVM || space == GABI_SPACE_HYPERV || space == GABI_SPACE_MSR ||
	       space == GABI_SPACE_ARM64;
}

/* A firmware register that the contract does not list, or nobody here knows, was written to its absent value. */
static int add_verifies_of_absent(struct making *m)
{
	size_t count;
	const struct gabi_word *word = gabi_host_words(m->host, &count);
	struct gabi_range range = gabi_range_of(word, count, GABI_SPACE_ARM64);

	for (; range.at < range.end; range.at++) {
		struct gabi_op op = op_of(GABI_OP_VERIFY, range.at, wanted(m, range.at, range.at->value));
		bool written = gabi_is_fw(&range.at->key) && !(range.at->flags & GABI_WORD_IMPLIED);
		int err;

		if (!written || gabi_contract_find(m->contract, &range.at->key, GABI_VP_ALL))
			continue;
		op.vp = GABI_VP_ALL;
		err = add(m->plan, &op);
		if (err)
			return err;
	}
	return 0;
}

/* What the guest will see is read back, all of it; run-time bits, which are not promised, excepted. */
static int add_verifies(struct making *m)
{
	size_t count;
	const struct gabi_word *word = gabi_contract_words(m->contract, &count);

	for (size_t i = 0; i < count; i++) {
		struct gabi_op op = op_of(GABI_OP_VERIFY, &word[i], word[i].value);
		const struct gabi_word *offer = gabi_host_find(m->host, &word[i].key);
		int err;

		if (!can_be_read_back(word[i].key.space) || (offer && offer->flags & (GABI_WORD_IMPLIED | GABI_WORD_SEEN)))
			continue;
		err = add(m->plan, &op);
		if (err)
			return err;
	}
	return add_verifies_of_absent(m);
}

static int make(struct making *m)
{
	int err = add_caps(m);

	if (!err)
		err = add_frequency(m);
	if (!err)
		err = add_space(m, GABI_SPACE_CPUID, GABI_OP_SET_CPUID);
	if (!err)
		err = add_space(m, GABI_SPACE_KVM, GABI_OP_SET_CPUID);
	if (!err)
		err = add_space(m, GABI_SPACE_HYPERV, GABI_OP_SET_CPUID);
	if (!err)
		err = add_msrs(m);
	if (!err)
		err = add_registers(m);
	if (!err)
		err = add_space(m, GABI_SPACE_SMCCC, GABI_OP_FILTER_SMCCC);
	if (!err)
		err = add_drops(m);
	return err ? err : add_verifies(m);
}

int gabi_plan_new(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_report *report,
		  const struct gabi_mem *mem, struct gabi_plan **ret_plan, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct making m = { .contract = contract, .host = host, .report = report };
	enum gabi_verdict verdict = report ? gabi_report_verdict(report) : GABI_FITS;

	if (verdict != GABI_FITS && verdict != GABI_FITS_WITH_ACTIONS)
		return gabi_fail(diag, GABI_ERR_ARG, "there is no plan for a contract whose verdict is \"", gabi_verdict_text(verdict),
				 "\"; gabi check says why", (char *)NULL);
	m.plan = gabi_mem_get(&own, sizeof(*m.plan));
	if (!m.plan)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	m.plan->mem = own;
	m.plan->kvm_leaf_base = kvm_leaf_base(&m);
	if (make(&m)) {
		gabi_plan_free(m.plan);
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	}
	*ret_plan = m.plan;
	return 0;
}

void gabi_plan_free(struct gabi_plan *plan)
{
	if (!plan)
		return;
	gabi_mem_put(&plan->mem, plan->ops);
	gabi_mem_put(&plan->mem, plan);
}

const struct gabi_op *gabi_plan_ops(const struct gabi_plan *plan, size_t *ret_count)
{
	*ret_count = plan->count;
	return plan->ops;
}

uint32_t gabi_plan_kvm_leaf_base(const struct gabi_plan *plan)
{
	return plan->kvm_leaf_base;
}
