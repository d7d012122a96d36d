/* SPDX-License-Identifier: MIT */
/* What calls, results and actions are, in words. */
#include "hv.h"

/* ---- the numbers of an action ---- */

static void number(struct act_numbers *to, const char *name, uint64_t value)
{
	to->name[to->count] = name;
	to->number[to->count++] = value;
}

static void interrupt(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "vector", act->interrupt.vector);
	number(to, "type", act->interrupt.type);
	number(to, "level", act->interrupt.level);
	number(to, "auto-eoi", act->interrupt.auto_eoi);
	number(to, "ldr", act->interrupt.ldr);
}

static void flush(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "space", act->flush.space);
	number(to, "flags", act->flush.flags);
	number(to, "ranges", act->flush.count);
	to->bytes = act->flush.gva;
	to->len = (size_t)act->flush.count * 8;
}

static void retarget(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "device", act->retarget.device);
	number(to, "msi", act->retarget.msi);
	number(to, "vector", act->retarget.vector);
	number(to, "all", act->retarget.all);
}

static void debug(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "bytes", act->debug.len);
	number(to, "options", act->debug.options);
	to->bytes = act->debug.data;
	to->len = act->debug.len;
}

static void overlay(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "gpa", act->overlay.gpa);
	number(to, "page", act->overlay.page);
	number(to, "prot", act->overlay.prot);
}

static void message(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "connection", act->message.connection);
	number(to, "type", act->message.type);
	number(to, "bytes", act->message.len);
	to->bytes = act->message.data;
	to->len = act->message.len;
}

static void event(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "connection", act->event.connection);
	number(to, "flag", act->event.flag);
}

static void crash(const struct gabi_hv_act *act, struct act_numbers *to)
{
	static const char *const names[] = { "p0", "p1", "p2", "p3", "p4" };

	for (unsigned i = 0; i < 5; i++)
		number(to, names[i], act->crash.parameter[i]);
	number(to, "control", act->crash.control);
}

static void change(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "to", act->change.to);
	number(to, "reason", act->change.reason);
	number(to, "restore", act->change.restore);
	number(to, "rax", act->change.rax);
	number(to, "rcx", act->change.rcx);
	number(to, "rdx", act->change.rdx);
}

static void context(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "rip", act->context->rip);
	to->bytes = act->context;
	to->len = sizeof(*act->context);
}

static void at(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "at", act->at_100ns);
}

static void value(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "value", act->value);
}

static void times(const struct gabi_hv_act *act, struct act_numbers *to)
{
	number(to, "times", act->count);
}

/* Actions that are not here have no numbers. */
static void (*const of_kind[GABI_HV_ACT_COUNT])(const struct gabi_hv_act *act, struct act_numbers *to) = {
	[GABI_HV_ACT_INTERRUPT] = interrupt, [GABI_HV_ACT_FLUSH] = flush,       [GABI_HV_ACT_RETARGET] = retarget,
	[GABI_HV_ACT_SPIN] = times,          [GABI_HV_ACT_DEBUG_POST] = debug,  [GABI_HV_ACT_OVERLAY] = overlay,
	[GABI_HV_ACT_TIMER] = at,            [GABI_HV_ACT_APIC_ICR] = value,    [GABI_HV_ACT_APIC_TPR] = value,
	[GABI_HV_ACT_MESSAGE] = message,     [GABI_HV_ACT_EVENT] = event,       [GABI_HV_ACT_CRASH] = crash,
	[GABI_HV_ACT_NPIEP] = value,         [GABI_HV_ACT_SWITCH] = change,     [GABI_HV_ACT_CONTEXT] = context,
	[GABI_HV_ACT_SECURE_CONFIG] = value, [GABI_HV_ACT_NESTED_FLUSH] = flush,
};

void gabi_hv_act_numbers(const struct gabi_hv_turn *turn, const struct gabi_hv_act *act, struct act_numbers *ret)
{
	*ret = (struct act_numbers){ .count = 0 };
	if (act->kind < GABI_HV_ACT_COUNT && of_kind[act->kind])
		of_kind[act->kind](act, ret);
	if (act->kind == GABI_HV_ACT_WAKE)
		ret->set = &turn->wake;
	else if (act->vp == GABI_HV_VP_SET || act->vp == GABI_HV_VP_ANY)
		ret->set = &turn->set;
}

/* ---- words ---- */

static void hex(struct gabi_out *out, const char *name, uint64_t value)
{
	gabi_out_char(out, ' ');
	gabi_out_text(out, name);
	gabi_out_text(out, " 0x");
	gabi_out_hex(out, value, 1);
}

static void dec(struct gabi_out *out, const char *name, uint64_t value)
{
	gabi_out_char(out, ' ');
	gabi_out_text(out, name);
	gabi_out_char(out, ' ');
	gabi_out_dec(out, value);
}

static void set_text(struct gabi_out *out, const struct gabi_hv_set *set)
{
	const char *before = " vp ";

	for (uint64_t banks = set->valid; banks; banks &= banks - 1) {
		unsigned bank = (unsigned)__builtin_ctzll(banks);

		for (unsigned first = 0, last; first < 64; first = last + 1) {
			last = first;
			if (!(set->bank[bank] >> first & 1))
				continue;
			while (last < 63 && set->bank[bank] >> (last + 1) & 1)
				last++;
			gabi_out_text(out, before);
			gabi_out_dec(out, bank * 64 + first);
			if (last > first) {
				gabi_out_char(out, '-');
				gabi_out_dec(out, bank * 64 + last);
			}
			before = ",";
		}
	}
}

static bool is_decimal(const char *name)
{
	static const char *const decimal[] = { "ranges", "bytes", "at", "times", "flag", "connection" };

	for (size_t i = 0; i < GABI_COUNT_OF(decimal); i++)
		if (!strcmp(decimal[i], name))
			return true;
	return false;
}

static void switch_text(struct gabi_out *out, const struct gabi_hv_act *act)
{
	static const char *const reasons[] = { " by return", " by call", " for an interrupt", " for an intercept" };

	dec(out, "to", act->change.to);
	gabi_out_text(out, reasons[act->change.reason & 3]);
	if (act->change.restore)
		gabi_out_text(out, " restoring");
}

size_t gabi_hv_act_what(const struct gabi_hv_turn *turn, const struct gabi_hv_act *act, char *buf, size_t cap)
{
	struct gabi_out out = gabi_out_to(buf, cap);
	struct act_numbers numbers;

	gabi_hv_act_numbers(turn, act, &numbers);
	gabi_out_text(&out, gabi_hv_act_text(act->kind) ? gabi_hv_act_text(act->kind) : "unknown");
	dec(&out, "vtl", act->vtl);
	if (numbers.set)
		set_text(&out, numbers.set);
	else if (act->vp < GABI_HV_VP_LDR)
		dec(&out, "vp", act->vp);
	if (act->kind == GABI_HV_ACT_SWITCH)
		switch_text(&out, act);
	for (unsigned i = act->kind == GABI_HV_ACT_SWITCH ? 3 : 0; i < numbers.count; i++) {
		if (!numbers.number[i])
			continue;
		if (act->kind == GABI_HV_ACT_TIMER && numbers.number[i] == GABI_HV_NEVER)
			gabi_out_text(&out, " never");
		else if (act->kind == GABI_HV_ACT_OVERLAY && i == 1 && numbers.number[i] == GABI_HV_NO_PAGE)
			gabi_out_text(&out, " is RAM");
		else if (is_decimal(numbers.name[i]))
			dec(&out, numbers.name[i], numbers.number[i]);
		else
			hex(&out, numbers.name[i], numbers.number[i]);
	}
	return out.len;
}

size_t gabi_hv_change_what(const struct gabi_hv_change *change, char *buf, size_t cap)
{
	struct gabi_out out = gabi_out_to(buf, cap);

	gabi_out_text(&out, "protect");
	dec(&out, "vtl", change->vtl);
	gabi_out_text(&out, " pages 0x");
	gabi_out_hex(&out, change->gfn, 1);
	if (change->count > 1) {
		gabi_out_text(&out, " to 0x");
		gabi_out_hex(&out, change->gfn + change->count - 1, 1);
	}
	gabi_out_char(&out, ' ');
	for (unsigned bit = 0; bit < 4; bit++)
		gabi_out_char(&out, change->prot >> bit & 1 ? "rwku"[bit] : '-');
	return out.len;
}

/* ---- calls ---- */

static const char *call_name(unsigned code)
{
	const struct gabi_hv_call_info *info;

	for (size_t i = 0; (info = gabi_hv_call_info(i)); i++)
		if (info->code == code)
			return info->name;
	return "unknown";
}

static const char *msr_name(uint64_t number)
{
	const struct gabi_hv_msr_info *info;

	for (size_t i = 0; (info = gabi_hv_msr_info(i)); i++)
		if (info->number == number)
			return info->name;
	return NULL;
}

/* The input value taken apart, then the registers that carry or name the parameters. */
static void hypercall_text(struct gabi_out *out, const struct gabi_hv_step *step)
{
	const uint64_t *arg = step->arg;
	bool wide = arg[8] == GABI_HV_MODE_64, fast;
	uint64_t control = wide ? arg[2] : arg[3] << 32 | (uint32_t)arg[0];

	fast = control >> 16 & 1;
	gabi_out_char(out, ' ');
	gabi_out_text(out, call_name((uint16_t)control));
	hex(out, "code", (uint16_t)control);
	if (control >> 17 & 0x3ff)
		dec(out, "variable", control >> 17 & 0x3ff);
	if (control >> 32 & 0xfff) {
		dec(out, "elements", control >> 32 & 0xfff);
		dec(out, "from", control >> 48 & 0xfff);
	}
	if (!wide)
		gabi_out_text(out, arg[8] == GABI_HV_MODE_32 ? " 32-bit" : " real mode");
	if (arg[7])
		dec(out, "cpl", arg[7]);
	hex(out, fast ? "fast" : "input at", wide ? arg[3] : arg[1] << 32 | (uint32_t)arg[2]);
	hex(out, fast ? "and" : "output at", wide ? arg[6] : arg[5] << 32 | (uint32_t)arg[4]);
	for (unsigned i = 0; fast && i < 12; i++)
		if (arg[9 + i])
			hex(out, i % 2 ? "xmm high" : "xmm", arg[9 + i]);
}

/* Each argument by its name, but for those that are 0. */
static void arguments_text(struct gabi_out *out, const char *names, const uint64_t *arg)
{
	for (unsigned i = 0; *names; i++) {
		size_t len = strcspn(names, " ");

		if (arg[i]) {
			gabi_out_char(out, ' ');
			gabi_out_bytes(out, names, len);
			gabi_out_text(out, " 0x");
			gabi_out_hex(out, arg[i], 1);
		}
		names += len + (names[len] == ' ');
	}
}

static const char *trap_name(uint64_t trap)
{
	static const char *const names[GABI_HV_TRAP_COUNT] = {
#define GABI_HV_TRAP_ROW(bit, name, reg, form, access, msr, mask, source) [bit] = #name,
#include <gabi/hv_trap.def>
	};

	return trap < GABI_HV_TRAP_COUNT ? names[trap] : NULL;
}

size_t gabi_hv_step_what(const struct gabi_hv_step *step, char *buf, size_t cap)
{
	struct gabi_out out = gabi_out_to(buf, cap);
	const struct trace_info *info = gabi_hv_trace_info(step->call);
	const char *name = NULL;

	gabi_out_text(&out, info->name);
	if (step->call == GABI_HV_TRACE_hypercall) {
		hypercall_text(&out, step);
		return out.len;
	}
	if (step->call == GABI_HV_TRACE_rdmsr || step->call == GABI_HV_TRACE_wrmsr)
		name = msr_name(step->arg[0]);
	else if (step->call == GABI_HV_TRACE_trap)
		name = trap_name(step->arg[0]);
	if (name) {
		gabi_out_char(&out, ' ');
		gabi_out_text(&out, name);
	}
	arguments_text(&out, info->arguments, step->arg);
	if (step->tail_len)
		dec(&out, "bytes", step->tail_len);
	return out.len;
}

static void hypercall_result(struct gabi_out *out, const struct gabi_hv_step *step)
{
	const struct gabi_hv_regs *regs = &step->regs;
	bool wide = regs->mode == GABI_HV_MODE_64;
	uint64_t result = wide ? regs->rax : regs->rdx << 32 | (uint32_t)regs->rax;
	const char *name = gabi_hv_status_name((uint16_t)result);

	if (!(regs->changed & GABI_HV_CHANGED_RAX)) {
		gabi_out_text(out, gabi_hv_done_text(step->result));
		return;
	}
	gabi_out_text(out, name ? name : "an unknown status");
	if (result >> 32 & 0xfff)
		dec(out, "elements", result >> 32 & 0xfff);
	if (wide && regs->changed & GABI_HV_CHANGED_RDX)
		hex(out, "rdx", regs->rdx);
	if (wide && regs->changed & GABI_HV_CHANGED_R8)
		hex(out, "r8", regs->r8);
}

size_t gabi_hv_step_result(const struct gabi_hv_step *step, char *buf, size_t cap)
{
	struct gabi_out out = gabi_out_to(buf, cap);
	const char *status = step->result >= 0 ? gabi_hv_status_name((unsigned)step->result) : NULL;

	if (step->result < 0) {
		gabi_out_text(&out, gabi_err_text(step->result));
	} else if (step->call == GABI_HV_TRACE_hypercall) {
		hypercall_result(&out, step);
	} else if (step->call == GABI_HV_TRACE_rdmsr && step->result == GABI_HV_DONE) {
		gabi_out_text(&out, "0x");
		gabi_out_hex(&out, step->value, 1);
	} else if (step->call == GABI_HV_TRACE_post || step->call == GABI_HV_TRACE_signal) {
		gabi_out_text(&out, status ? status : "an unknown status");
	} else if (step->call == GABI_HV_TRACE_accepts_init) {
		gabi_out_text(&out, step->result ? "accepted" : "dropped");
	} else {
		gabi_out_text(&out, gabi_hv_done_text(step->result));
	}
	return out.len;
}
