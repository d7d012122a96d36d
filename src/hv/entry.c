/* SPDX-License-Identifier: MIT */
/*
 * Where the VMM comes in: each entry point goes straight on, or by way of the recorder. gabi_hv_hypercall, for its speed, and the
 * functions that only look are with the parts that they belong to.
 */
#include "hv.h"

static int tapped(struct gabi_hv *hv, struct incoming *in, struct gabi_hv_turn *turn)
{
	struct tap *tap = hv->tap;
	int result;

	if (tap->sink.enter)
		tap->sink.enter(tap->sink.ctx);
	gabi_hv_tap_call(tap, in);
	result = gabi_hv_carry_out(hv, in, turn);
	gabi_hv_tap_result(tap, in, &result, turn);
	if (tap->sink.leave)
		tap->sink.leave(tap->sink.ctx);
	return result;
}

#define INCOMING(name, index, time, ...) { .call = GABI_HV_TRACE_##name, .vp = (uint16_t)(index), .now = (time), .arg = { __VA_ARGS__ } }

/* Of a call that takes no time the trace has the last one that there was. */
#define TIMELESS(name, index, ...) \
	{ .call = GABI_HV_TRACE_##name, .vp = (uint16_t)(index), .timeless = true, .arg = { __VA_ARGS__ } }

/* A virtual processor that there is not need not be recorded, and may not fit. */
static bool records(const struct gabi_hv *hv, unsigned vp)
{
	return hv->tap && vp < hv->vp_count;
}

#define REGS(regs) (regs)->rax, (regs)->rbx, (regs)->rcx, (regs)->rdx, (regs)->rsi, (regs)->rdi, (regs)->r8, (regs)->cpl, (regs)->mode

int gabi_hv_record_hypercall(struct gabi_hv *hv, unsigned vp, struct gabi_hv_regs *regs, uint64_t now, struct gabi_hv_turn *turn)
{
	struct incoming in = INCOMING(hypercall, vp, now, REGS(regs));
	int done;

	if (gabi_hv_call_uses_xmm(hv, regs))
		memcpy(&in.arg[9], regs->xmm, sizeof(regs->xmm));
	done = tapped(hv, &in, turn);
	if (!(in.regs.changed & GABI_HV_CHANGED_XMM))
		memcpy(in.regs.xmm, regs->xmm, sizeof(regs->xmm));
	*regs = in.regs;
	return done;
}

int gabi_hv_rdmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t now_100ns, uint64_t *ret_value, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(rdmsr, vp, now_100ns, msr);
		int done = tapped(hv, &in, turn);

		if (done == GABI_HV_DONE)
			*ret_value = in.value;
		return done;
	}
	return gabi_hv_do_rdmsr(hv, vp, msr, now_100ns, ret_value, turn);
}

int gabi_hv_wrmsr(struct gabi_hv *hv, unsigned vp, uint32_t msr, uint64_t value, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(wrmsr, vp, now_100ns, msr, value);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_wrmsr(hv, vp, msr, value, now_100ns, turn);
}

int gabi_hv_vtl_call(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(vtl_call, vp, now_100ns, REGS(regs));

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_vtl_call(hv, vp, regs, now_100ns, turn);
}

int gabi_hv_vtl_return(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_regs *regs, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(vtl_return, vp, now_100ns, REGS(regs));

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_vtl_return(hv, vp, regs, now_100ns, turn);
}

int gabi_hv_interrupt(struct gabi_hv *hv, unsigned vp, unsigned vtl, int pending, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = TIMELESS(interrupt, vp, vtl, pending != 0);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_interrupt(hv, vp, vtl, pending, turn);
}

int gabi_hv_accepts_init(struct gabi_hv *hv, unsigned vp, unsigned vtl)
{
	if (records(hv, vp)) {
		struct incoming in = TIMELESS(accepts_init, vp, vtl);

		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_accepts_init(hv, vp, vtl);
}

int gabi_hv_memory_fault(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_fault *fault, uint64_t now_100ns,
			 struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(memory_fault, vp, now_100ns, fault->gpa, fault->gva, fault->access, fault->gva_valid,
					      fault->gva_is_of_gpa, fault->instruction_len, fault->bytes, get64(fault->instruction),
					      get64(fault->instruction + 8));

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_memory_fault(hv, vp, fault, now_100ns, turn);
}

int gabi_hv_trap(struct gabi_hv *hv, unsigned vp, enum gabi_hv_trap trap, const struct gabi_hv_value *value, unsigned instruction_len,
		 uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(trap, vp, now_100ns, trap, value->low, value->high, instruction_len);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_trap(hv, vp, trap, value, instruction_len, now_100ns, turn);
}

int gabi_hv_io(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_io *io, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(io, vp, now_100ns, io->port, io->size, io->write, io->string, io->rep, io->instruction_len,
					      io->bytes, get64(io->instruction), get64(io->instruction + 8));

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_io(hv, vp, io, now_100ns, turn);
}

int gabi_hv_msr_intercept(struct gabi_hv *hv, unsigned vp, uint32_t msr, int write, unsigned instruction_len, uint64_t now_100ns,
			  struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(msr_intercept, vp, now_100ns, msr, write != 0, instruction_len);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_msr_intercept(hv, vp, msr, write, instruction_len, now_100ns, turn);
}

int gabi_hv_cpuid_intercept(struct gabi_hv *hv, unsigned vp, uint32_t leaf, const uint32_t result[4], unsigned instruction_len,
			    uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(cpuid_intercept, vp, now_100ns, leaf, result[0], result[1], result[2], result[3],
					      instruction_len);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_cpuid_intercept(hv, vp, leaf, result, instruction_len, now_100ns, turn);
}

int gabi_hv_exception_intercept(struct gabi_hv *hv, unsigned vp, const struct gabi_hv_exception *exception, uint64_t now_100ns,
				struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(exception_intercept, vp, now_100ns, exception->vector, exception->has_code, exception->code,
					      exception->parameter, exception->instruction_len, exception->bytes,
					      get64(exception->instruction), get64(exception->instruction + 8));

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_exception_intercept(hv, vp, exception, now_100ns, turn);
}

int gabi_hv_post(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, uint32_t type, const void *payload, size_t len,
		 uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(post, vp, now_100ns, vtl, sint, type);

		in.tail = payload;
		in.tail_len = len;
		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_post(hv, vp, vtl, sint, type, payload, len, now_100ns, turn);
}

int gabi_hv_signal(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, unsigned flag, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = TIMELESS(signal, vp, vtl, sint, flag);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_signal(hv, vp, vtl, sint, flag, turn);
}

int gabi_hv_eoi(struct gabi_hv *hv, unsigned vp, unsigned vtl, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(eoi, vp, now_100ns, vtl);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_eoi(hv, vp, vtl, now_100ns, turn);
}

int gabi_hv_expire(struct gabi_hv *hv, unsigned vp, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = INCOMING(expire, vp, now_100ns, 0);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_expire(hv, vp, now_100ns, turn);
}

int gabi_hv_set_ram(struct gabi_hv *hv, uint64_t gfn, uint64_t count)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(set_ram, 0, gfn, count);

		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_set_ram(hv, gfn, count);
}

int gabi_hv_connect(struct gabi_hv *hv, uint32_t id, const struct gabi_hv_port *port, struct gabi_diag *diag)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(connect, 0, id, port->kind, port->host, port->vtl, port->sint, port->vp,
					      port->base_flag, port->flag_count);

		in.diag = diag;
		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_connect(hv, id, port, diag);
}

int gabi_hv_disconnect(struct gabi_hv *hv, uint32_t id)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(disconnect, 0, id);

		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_disconnect(hv, id);
}

int gabi_hv_delete_port(struct gabi_hv *hv, uint32_t id)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(delete_port, 0, id);

		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_delete_port(hv, id);
}

int gabi_hv_set_reference_tsc(struct gabi_hv *hv, uint64_t tsc_hz, int64_t offset_100ns, int reliable)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(set_reference_tsc, 0, tsc_hz, (uint64_t)offset_100ns, reliable != 0);

		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_set_reference_tsc(hv, tsc_hz, offset_100ns, reliable);
}

int gabi_hv_reenlighten(struct gabi_hv *hv, struct gabi_hv_turn *turn)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(reenlighten, 0, 0);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_reenlighten(hv, turn);
}

int gabi_hv_reset(struct gabi_hv *hv, struct gabi_hv_turn *turn)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(reset, 0, 0);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_reset(hv, turn);
}

int gabi_hv_restore(struct gabi_hv *hv, const void *buf, size_t len, struct gabi_diag *diag)
{
	if (hv->tap) {
		struct incoming in = TIMELESS(restore, 0, 0);

		in.tail = buf;
		in.tail_len = len;
		in.diag = diag;
		return tapped(hv, &in, NULL);
	}
	return gabi_hv_do_restore(hv, buf, len, diag);
}

int gabi_hv_resume(struct gabi_hv *hv, unsigned vp, unsigned vtl, struct gabi_hv_turn *turn)
{
	if (records(hv, vp)) {
		struct incoming in = TIMELESS(resume, vp, vtl);

		return tapped(hv, &in, turn);
	}
	return gabi_hv_do_resume(hv, vp, vtl, turn);
}

/* ---- and back from a record's form ---- */

static struct gabi_hv_regs regs_of(const struct incoming *in)
{
	const uint64_t *arg = in->arg;
	struct gabi_hv_regs regs = { .rax = arg[0], .rbx = arg[1], .rcx = arg[2], .rdx = arg[3], .rsi = arg[4], .rdi = arg[5], .r8 = arg[6],
				     .cpl = (uint8_t)arg[7], .mode = (uint8_t)arg[8] };

	memcpy(regs.xmm, arg + 9, sizeof(regs.xmm));
	return regs;
}

static int carry_out_exit(struct gabi_hv *hv, struct incoming *in, struct gabi_hv_turn *turn)
{
	const uint64_t *arg = in->arg;
	struct gabi_hv_fault fault = { arg[0], arg[1], (uint8_t)arg[2], (uint8_t)arg[3], (uint8_t)arg[4], (uint8_t)arg[5], (uint8_t)arg[6], { 0 } };
	struct gabi_hv_io io = { (uint16_t)arg[0], (uint8_t)arg[1], (uint8_t)arg[2], (uint8_t)arg[3], (uint8_t)arg[4], (uint8_t)arg[5],
				 (uint8_t)arg[6], { 0 } };
	struct gabi_hv_value value = { arg[1], arg[2] };
	struct gabi_hv_exception exception = { (uint8_t)arg[0], (uint8_t)arg[1], (uint8_t)arg[4], (uint8_t)arg[5], (uint32_t)arg[2], arg[3],
					       { 0 } };
	const uint32_t result[] = { (uint32_t)arg[1], (uint32_t)arg[2], (uint32_t)arg[3], (uint32_t)arg[4] };

	switch (in->call) {
	case GABI_HV_TRACE_msr_intercept:
		return gabi_hv_do_msr_intercept(hv, in->vp, (uint32_t)arg[0], arg[1] != 0, (unsigned)arg[2], in->now, turn);
	case GABI_HV_TRACE_cpuid_intercept:
		return gabi_hv_do_cpuid_intercept(hv, in->vp, (uint32_t)arg[0], result, (unsigned)arg[5], in->now, turn);
	case GABI_HV_TRACE_exception_intercept:
		put64(exception.instruction, arg[6]);
		put64(exception.instruction + 8, arg[7]);
		return gabi_hv_do_exception_intercept(hv, in->vp, &exception, in->now, turn);
	case GABI_HV_TRACE_memory_fault:
		put64(fault.instruction, arg[7]);
		put64(fault.instruction + 8, arg[8]);
		return gabi_hv_do_memory_fault(hv, in->vp, &fault, in->now, turn);
	case GABI_HV_TRACE_trap:
		return gabi_hv_do_trap(hv, in->vp, (enum gabi_hv_trap)arg[0], &value, (unsigned)arg[3], in->now, turn);
	default:
		put64(io.instruction, arg[7]);
		put64(io.instruction + 8, arg[8]);
		return gabi_hv_do_io(hv, in->vp, &io, in->now, turn);
	}
}

static int carry_out_setup(struct gabi_hv *hv, struct incoming *in, struct gabi_hv_turn *turn)
{
	const uint64_t *arg = in->arg;
	struct gabi_hv_port port = { (uint8_t)arg[1], (uint8_t)arg[2], (uint8_t)arg[3], (uint8_t)arg[4], (uint32_t)arg[5], (uint16_t)arg[6],
				     (uint16_t)arg[7] };

	switch (in->call) {
	case GABI_HV_TRACE_set_ram: return gabi_hv_do_set_ram(hv, arg[0], arg[1]);
	case GABI_HV_TRACE_connect: return gabi_hv_do_connect(hv, (uint32_t)arg[0], &port, in->diag);
	case GABI_HV_TRACE_disconnect: return gabi_hv_do_disconnect(hv, (uint32_t)arg[0]);
	case GABI_HV_TRACE_delete_port: return gabi_hv_do_delete_port(hv, (uint32_t)arg[0]);
	case GABI_HV_TRACE_set_reference_tsc: return gabi_hv_do_set_reference_tsc(hv, arg[0], (int64_t)arg[1], arg[2] != 0);
	case GABI_HV_TRACE_reenlighten: return gabi_hv_do_reenlighten(hv, turn);
	case GABI_HV_TRACE_reset: return gabi_hv_do_reset(hv, turn);
	case GABI_HV_TRACE_restore: return gabi_hv_do_restore(hv, in->tail, in->tail_len, in->diag);
	default: return gabi_hv_do_resume(hv, in->vp, (unsigned)arg[0], turn);
	}
}

int gabi_hv_carry_out(struct gabi_hv *hv, struct incoming *in, struct gabi_hv_turn *turn)
{
	const uint64_t *arg = in->arg;
	unsigned vtl = (unsigned)arg[0];

	switch (in->call) {
	case GABI_HV_TRACE_hypercall:
		in->regs = regs_of(in);
		return gabi_hv_do_hypercall(hv, in->vp, &in->regs, in->now, turn);
	case GABI_HV_TRACE_rdmsr: return gabi_hv_do_rdmsr(hv, in->vp, (uint32_t)arg[0], in->now, &in->value, turn);
	case GABI_HV_TRACE_wrmsr: return gabi_hv_do_wrmsr(hv, in->vp, (uint32_t)arg[0], arg[1], in->now, turn);
	case GABI_HV_TRACE_vtl_call:
		in->regs = regs_of(in);
		return gabi_hv_do_vtl_call(hv, in->vp, &in->regs, in->now, turn);
	case GABI_HV_TRACE_vtl_return:
		in->regs = regs_of(in);
		return gabi_hv_do_vtl_return(hv, in->vp, &in->regs, in->now, turn);
	case GABI_HV_TRACE_interrupt: return gabi_hv_do_interrupt(hv, in->vp, vtl, arg[1] != 0, turn);
	case GABI_HV_TRACE_accepts_init: return gabi_hv_do_accepts_init(hv, in->vp, vtl);
	case GABI_HV_TRACE_post:
		return gabi_hv_do_post(hv, in->vp, vtl, (unsigned)arg[1], (uint32_t)arg[2], in->tail, in->tail_len, in->now, turn);
	case GABI_HV_TRACE_signal: return gabi_hv_do_signal(hv, in->vp, vtl, (unsigned)arg[1], (unsigned)arg[2], turn);
	case GABI_HV_TRACE_eoi: return gabi_hv_do_eoi(hv, in->vp, vtl, in->now, turn);
	case GABI_HV_TRACE_expire: return gabi_hv_do_expire(hv, in->vp, in->now, turn);
	case GABI_HV_TRACE_memory_fault:
	case GABI_HV_TRACE_trap:
	case GABI_HV_TRACE_msr_intercept:
	case GABI_HV_TRACE_cpuid_intercept:
	case GABI_HV_TRACE_exception_intercept:
	case GABI_HV_TRACE_io: return carry_out_exit(hv, in, turn);
	default: return carry_out_setup(hv, in, turn);
	}
}
