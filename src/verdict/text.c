/* SPDX-License-Identifier: MIT */
/* Findings in words. */
#include <gabi/verdict.h>
#include <gabi/vmcs.h>

#include <string.h>

#include "base/base.h"
#include "verdict/judge.h"
#include "vocab/module.h"

static void print_bits(struct gabi_out *out, const struct gabi_finding *finding)
{
	if (!finding->bits || (finding->lo == 0 && finding->bits >= 32))
		return;
	gabi_out_text(out, " bit");
	gabi_out_text(out, finding->bits > 1 ? "s " : " ");
	if (finding->bits > 1) {
		gabi_out_dec(out, (uint64_t)finding->lo + finding->bits - 1);
		gabi_out_char(out, ':');
	}
	gabi_out_dec(out, finding->lo);
}

static void print_key(struct gabi_out *out, const struct gabi_key *key)
{
	char text[64];

	gabi_key_print(key, text, sizeof(text));
	gabi_out_text(out, text);
}

static void print_register(struct gabi_out *out, const struct gabi_key *key)
{
	const struct gabi_reg *reg = gabi_reg_of(key);

	if (reg)
		gabi_out_text(out, reg->name);
	else
		print_key(out, key);
}

size_t gabi_finding_name(const struct gabi_finding *finding, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);
	const struct gabi_reg *reg = gabi_reg_of(&finding->key);
	char text[96];

	if (finding->kind == GABI_FINDING_WRONG_ARCH) {
		gabi_out_text(&to, "architecture");
	} else if (finding->kind == GABI_FINDING_UNSEEN && !finding->bits) {
		gabi_out_text(&to, gabi_space_text(finding->key.space)); /* all of it */
	} else if (finding->field) {
		gabi_field_print(finding->field, &finding->key, text, sizeof(text));
		gabi_out_text(&to, text);
	} else if (reg && gabi_space_arch(finding->key.space) == GABI_ARCH_X86 && finding->key.space != GABI_SPACE_MSR &&
		   finding->key.space != GABI_SPACE_MSR_STATE) {
		print_key(&to, &finding->key); /* a leaf's row does not say which of its four registers */
		print_bits(&to, finding);
	} else {
		print_register(&to, &finding->key);
		if (!gabi_is_state(finding->key.space))
			print_bits(&to, finding);
	}
	return to.len;
}

/* ---- VMX capability MSRs in words ---- */

static const char *vmx_topic(uint64_t msr)
{
	static const char *const topics[] = {
		[0x00] = "VMX basics", [0x05] = "VMX miscellany", [0x06] = "CR0 in VMX", [0x07] = "CR0 in VMX", [0x08] = "CR4 in VMX",
		[0x09] = "CR4 in VMX", [0x0a] = "VMCS enumeration", [0x0c] = "EPT and VPID",
	};

	for (unsigned word = GABI_VMCS_WORD_NONE + 1; word < GABI_VMCS_WORD_COUNT; word++) {
		const struct gabi_vmcs_control *control = gabi_vmcs_control(word);

		if (msr == control->msr || (control->true_msr && msr == control->true_msr))
			return control->name;
	}
	return msr >= 0x480 && msr - 0x480 < GABI_COUNT_OF(topics) ? topics[msr - 0x480] : NULL;
}

static const char *vmx_verb(const struct gabi_finding *finding)
{
	switch (finding->kind) {
	case GABI_FINDING_MISSING:
		return finding->key.space == GABI_SPACE_MSR_EVMCS ? "kernel takes away" : "host cannot do";
	case GABI_FINDING_TOO_SMALL:
		return "host has less of";
	case GABI_FINDING_DIFFERS:
		return "host has another";
	case GABI_FINDING_CANNOT_HIDE:
		return "host cannot do without";
	case GABI_FINDING_UNSEEN:
		return "not seen of the host:";
	case GABI_FINDING_HIDE_BY_WRITE:
		return "to be hidden:";
	case GABI_FINDING_SET_BY_WRITE:
		return "to be written:";
	default:
		return NULL;
	}
}

size_t gabi_finding_topic(const struct gabi_finding *finding, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);
	bool is_msr = finding->key.space == GABI_SPACE_MSR || finding->key.space == GABI_SPACE_MSR_EVMCS;
	const char *topic = is_msr ? vmx_topic(finding->key.index) : NULL, *verb = vmx_verb(finding);

	if (topic && verb) {
		gabi_out_text(&to, topic);
		gabi_out_text(&to, ": ");
		gabi_out_text(&to, verb);
	}
	return to.len;
}

size_t gabi_finding_words(const struct gabi_finding *finding, char *out, size_t cap)
{
	static const char prefix[] = "vmx-";
	struct gabi_out to = gabi_out_to(out, cap);
	char topic[96], name[128];
	bool short_name;

	if (!gabi_finding_topic(finding, topic, sizeof(topic)))
		return 0;
	gabi_finding_name(finding, name, sizeof(name));
	short_name = !strncmp(name, prefix, sizeof(prefix) - 1);
	gabi_out_text(&to, topic);
	gabi_out_char(&to, ' ');
	gabi_out_text(&to, name + (short_name ? sizeof(prefix) - 1 : 0));
	return to.len;
}

/* Text fields: the bytes, lowest first, with what is no ASCII shown as a dot. */
static void print_text(struct gabi_out *out, uint64_t value, unsigned bits)
{
	gabi_out_char(out, '"');
	for (unsigned at = 0; at < bits; at += 8) {
		char c = (char)(value >> at & 0x7f);

		if (value >> at & 0xff)
			gabi_out_char(out, c >= ' ' && c < 127 && !(value >> at & 0x80) ? c : '.');
	}
	gabi_out_char(out, '"');
}

/* 128-512,1024: what stands beside each other as a run. */
static void print_lengths(struct gabi_out *out, uint64_t value)
{
	gabi_out_text(out, value ? "" : "none");
	while (value) {
		unsigned first = (unsigned)__builtin_ctzll(value), run = 1;

		while (first + run < 64 && value >> (first + run) & 1)
			run++;
		gabi_out_dec(out, 128 * (first + 1));
		if (run > 1)
			gabi_out_char(out, run > 2 ? '-' : ',');
		if (run > 1)
			gabi_out_dec(out, 128 * (first + run));
		value &= ~(gabi_mask(run) << first);
		gabi_out_text(out, value ? "," : "");
	}
}

static void print_value(struct gabi_out *out, const struct gabi_finding *finding, uint64_t value)
{
	const struct gabi_field *field = finding->field;
	unsigned kind = field ? field->kind : GABI_KIND_MASK;

	switch (kind) {
	case GABI_KIND_FLAG:
		gabi_out_text(out, value ? "yes" : "no");
		break;
	case GABI_KIND_UINT:
	case GABI_KIND_SIZE:
	case GABI_KIND_HZ:
		gabi_out_dec(out, value);
		break;
	case GABI_KIND_INT:
		gabi_out_int(out, gabi_field_get(field, value << field->lo));
		break;
	case GABI_KIND_LENGTHS:
		print_lengths(out, value);
		break;
	case GABI_KIND_TEXT:
		print_text(out, value, finding->bits);
		break;
	case GABI_KIND_VERSION:
		gabi_out_dec(out, value >> 16);
		gabi_out_char(out, '.');
		gabi_out_dec(out, value & 0xffff);
		break;
	default:
		gabi_out_text(out, "0x");
		gabi_out_hex(out, value, 1);
	}
}

size_t gabi_finding_values(const struct gabi_finding *finding, int have, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);

	if (!(have ? finding->has_have : finding->has_want))
		gabi_out_char(&to, '-');
	else if (finding->kind == GABI_FINDING_WRONG_ARCH)
		gabi_out_text(&to, gabi_arch_text((enum gabi_arch)(have ? finding->have : finding->want)));
	else if (gabi_is_state(finding->key.space))
		gabi_out_text(&to, "saved"); /* what counts is whether it is; its value is the guest's */
	else
		print_value(&to, finding, have ? finding->have : finding->want);
	return to.len;
}

/* A firmware register is written whole; of an ID register it is the field that counts. */
static void print_write(struct gabi_out *out, const struct gabi_finding *finding)
{
	bool whole = !finding->field || gabi_is_fw(&finding->key);

	gabi_out_text(out, "write ");
	if (whole)
		print_register(out, &finding->key);
	else
		gabi_out_text(out, finding->field->name);
	gabi_out_text(out, "=0x");
	gabi_out_hex(out, whole ? finding->want << finding->lo : finding->want, 1);
	gabi_out_text(out, " before the first run");
}

static void print_name(struct gabi_out *out, const char *before, const struct gabi_finding *finding)
{
	char name[128];

	gabi_finding_name(finding, name, sizeof(name));
	gabi_out_text(out, before);
	gabi_out_text(out, name);
}

/* The kernel that has what is missing: of the host's own line, where the change was carried back to it. */
static void print_kernel(struct gabi_out *out, const struct gabi_finding *finding)
{
	const struct gabi_change *change = finding->change;
	const char *also = finding->line ? change->also + finding->line - 1 : "", *at = strchr(also, ':');
	size_t len = strcspn(also, " ");

	if (finding->taken_away) {
		gabi_out_text(out, "Linux before ");
		gabi_out_text(out, change->release);
		return;
	}
	at = at && at < also + len ? at + 1 : also; /* "amzn:6.1.84" */
	gabi_out_text(out, at > also ? "Amazon's Linux " : "Linux ");
	if (len) {
		gabi_out_bytes(out, at, len - (size_t)(at - also));
		gabi_out_text(out, " or ");
	}
	gabi_out_text(out, change->release);
	gabi_out_text(out, " or later");
}

static void print_or_kernel(struct gabi_out *out, const struct gabi_finding *finding)
{
	if (!finding->change)
		return;
	gabi_out_text(out, ", or ");
	print_kernel(out, finding);
}

static void print_missing(struct gabi_out *out, const struct gabi_finding *finding)
{
	print_name(out, "without ", finding);
	if (finding->key.space == GABI_SPACE_MSR_EVMCS)
		gabi_out_text(out, ", or without hv-evmcs");
	print_or_kernel(out, finding);
}

static void print_too_small(struct gabi_out *out, const struct gabi_finding *finding)
{
	char value[64];

	gabi_finding_values(finding, 1, value, sizeof(value));
	gabi_out_text(out, "pin a baseline of both, which has ");
	gabi_out_text(out, value);
}

/* Can two hosts that differ have a value in common? Not where none takes another value than its own. */
static bool has_middle(const struct gabi_finding *finding)
{
	unsigned rule = finding->field ? finding->field->rule : GABI_RULE_EQUAL;

	if (finding->kind == GABI_FINDING_CANNOT_HIDE)
		return rule == GABI_RULE_SUPERSET;
	return rule != GABI_RULE_LEVEL && rule != GABI_RULE_IMPOSED && rule != GABI_RULE_VENDOR && rule != GABI_RULE_FREQUENCY;
}

static void print_other_host(struct gabi_out *out, const struct gabi_finding *finding)
{
	if (finding->kind == GABI_FINDING_CANNOT_LOAD)
		print_name(out, "choose a host that loads ", finding);
	else if (finding->kind == GABI_FINDING_CANNOT_HIDE && finding->field && finding->field->kind == GABI_KIND_FLAG)
		print_name(out, "choose a host without ", finding);
	else
		gabi_out_text(out, "choose a host that has the promised value");
	print_or_kernel(out, finding);
	if (finding->field && finding->field->rule == GABI_RULE_FREQUENCY)
		gabi_out_text(out, ", or that scales the TSC");
	if (finding->kind != GABI_FINDING_CANNOT_LOAD && has_middle(finding))
		gabi_out_text(out, ", or pin a baseline of both if there is one");
}

/* From the value of a parameter it is not known whether a person turned it off, or the kernel for want of it in the CPU. */
static void print_module(struct gabi_out *out, const struct gabi_finding *finding, const struct gabi_module *module)
{
	gabi_out_text(out, finding->param);
	gabi_out_char(out, '=');
	gabi_out_text(out, module->on);
	if (*module->wants) {
		gabi_out_text(out, " if the CPU has ");
		gabi_out_text(out, module->wants);
	}
	if (finding->kind == GABI_FINDING_MISSING)
		print_name(out, ", or without ", finding);
}

static void print_blocked(struct gabi_out *out, const struct gabi_finding *finding)
{
	const struct gabi_module *module = finding->param ? gabi_module_of(finding->param) : NULL;

	if (module && finding->kind != GABI_FINDING_CANNOT_HIDE) {
		print_module(out, finding, module);
	} else if (finding->field && (finding->kind == GABI_FINDING_MISSING || finding->kind == GABI_FINDING_NOT_ZERO)) {
		print_missing(out, finding);
	} else if (finding->kind == GABI_FINDING_TOO_SMALL && finding->has_have && finding->key.space != GABI_SPACE_ARM64) {
		print_too_small(out, finding);
	} else if (finding->kind == GABI_FINDING_WRONG_ARCH) {
		gabi_out_text(out, "choose a host of the contract's architecture");
	} else {
		print_other_host(out, finding);
	}
}

static void print_unseen(struct gabi_out *out, const struct gabi_finding *finding)
{
	if (finding->kind == GABI_FINDING_UNNAMED) {
		gabi_out_text(out, "ask a gabi that knows the register, or write down what it means in the vocabulary");
		return;
	}
	gabi_out_text(out, "run gabi probe on the host: its manifest does not cover ");
	gabi_out_text(out, finding->field || finding->bits == 0 ? "this" : gabi_space_text(finding->key.space));
}

/* What to do about a difference between two hosts. */
static void print_difference(struct gabi_out *out, const struct gabi_finding *finding)
{
	switch (finding->effect) {
	case GABI_EFFECT_ONE_WAY:
		print_name(out, "pin the first host's value of ", finding);
		break;
	case GABI_EFFECT_NEEDS_PIN:
		if (finding->key.space == GABI_SPACE_ARM64)
			print_write(out, finding);
		else
			print_name(out, "carry out a contract that lists ", finding);
		break;
	case GABI_EFFECT_BLOCKING:
		if (finding->param)
			print_blocked(out, finding);
		else
			print_name(out, finding->has_have && finding->have ? "before the change, pin both hosts' common value of " :
									     "before the change, give no guest ", finding);
		break;
	default:
		break;
	}
}

size_t gabi_finding_remedy(const struct gabi_finding *finding, char *out, size_t cap)
{
	struct gabi_out to = gabi_out_to(out, cap);

	switch (finding->kind) {
	case GABI_FINDING_HIDE_BY_WRITE:
	case GABI_FINDING_SET_BY_WRITE:
		print_write(&to, finding);
		break;
	case GABI_FINDING_SCALE:
		gabi_out_text(&to, "KVM_SET_TSC_KHZ ");
		gabi_out_dec(&to, finding->want);
		gabi_out_text(&to, " before the first run");
		break;
	case GABI_FINDING_ENABLE:
		print_name(&to, "enable ", finding);
		break;
	case GABI_FINDING_DROP_IF_UNUSED:
		print_name(&to, "when saving, drop ", finding);
		gabi_out_text(&to, " if it is 0x");
		gabi_out_hex(&to, finding->want, 1);
		gabi_out_text(&to, ", else keep the guest");
		break;
	case GABI_FINDING_DROP:
		print_name(&to, "drop ", finding);
		gabi_out_text(&to, " when saving");
		break;
	case GABI_FINDING_PROMISE_STANDS:
		print_name(&to, "leave out ", finding);
		gabi_out_text(&to, " of the state: the plan sets what was promised");
		break;
	case GABI_FINDING_UNSEEN:
	case GABI_FINDING_UNNAMED:
		print_unseen(&to, finding);
		break;
	case GABI_FINDING_CHANGED:
		print_difference(&to, finding);
		break;
	case GABI_FINDING_COSTS:
		print_name(&to, "leave the host out, or go without ", finding);
		break;
	case GABI_FINDING_STILL_WORKS:
		break;
	default:
		print_blocked(&to, finding);
	}
	return to.len;
}
