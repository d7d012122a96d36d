/* SPDX-License-Identifier: MIT */
/* Hypercalls of Virtual Secure Mode: enabling, starting, protecting. */
#include "hv.h"

static unsigned highest(unsigned vtls)
{
	return (unsigned)(31 - __builtin_clz(vtls));
}

/* TLFS HvCallEnablePartitionVtl: a lower VTL always; a higher one from the highest that is enabled below it. */
unsigned gabi_hv_call_enable_partition(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	unsigned vtl = call->in[8], flags = call->in[9], status = GABI_HV_STATUS_SUCCESS;

	if (!is_self(hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (vtl == 0)
		return hv->dialect & GABI_HV_DIALECT_ENABLE_DENIED ? GABI_HV_STATUS_ACCESS_DENIED : GABI_HV_STATUS_INVALID_PARAMETER;
	if (vtl >= hv->vtl_count || flags & ~1u || get16(call->in + 10) || get32(call->in + 12) ||
	    (flags & 1 && !(hv->mbec_vtls >> vtl & 1)))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	take(&hv->lock);
	if (hv->enabled >> vtl & 1)
		status = GABI_HV_STATUS_INVALID_VTL_STATE;
	else if (vtl > call->vtl && highest(hv->enabled & (uint32_t)gabi_mask(vtl)) != call->vtl)
		status = GABI_HV_STATUS_ACCESS_DENIED;
	if (!status) {
		hv->enabled |= (uint16_t)(1u << vtl);
		hv->mbec |= (uint16_t)((flags & 1) << vtl);
	}
	give(&hv->lock);
	return status;
}

/* Architectural must-haves of an initial context. TLFS vsm, Real Mode: there is none above VTL 0. */
static bool valid_context(const struct gabi_hv_context *context, unsigned vtl)
{
	bool protected = context->cr0 & 1, paging = context->cr0 >> 31 & 1, long_mode = context->efer >> 8 & 1;

	if (vtl && !protected)
		return false;
	if (context->cr0 >> 32 || (paging && !protected) || (long_mode && paging && !(context->cr4 >> 5 & 1)))
		return false;
	return context->rflags >> 22 == 0 && context->rflags & 2;
}

static const struct gabi_hv_context *context_of(const struct call *call)
{
	return (const struct gabi_hv_context *)(const void *)(call->in + 16);
}

/* The part that EnableVpVtl and StartVirtualProcessor have in common. */
static unsigned check_target(const struct call *call, struct vp **ret_vp)
{
	if (!is_self(call->hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	*ret_vp = vp_of(call, get32(call->in + 8));
	if (!*ret_vp)
		return GABI_HV_STATUS_INVALID_VP_INDEX;
	if (call->in[12] >= call->hv->vtl_count || call->in[13] || get16(call->in + 14))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	return GABI_HV_STATUS_SUCCESS;
}

/* TLFS HvCallEnableVpVtl: from above; or from the highest below, as long as no virtual processor has it; or from itself. */
static bool may_enable(const struct gabi_hv *hv, unsigned caller, unsigned vtl)
{
	bool somewhere = false;

	if (caller > vtl)
		return true;
	for (uint32_t i = 0; i < hv->vp_count && !somewhere; i++)
		somewhere = enabled_vtls(&hv->vp[i]) >> vtl & 1;
	if (caller == vtl)
		return true;
	return !somewhere && highest(hv->enabled & (uint32_t)gabi_mask(vtl)) == caller;
}

unsigned gabi_hv_call_enable_vp(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	unsigned vtl = call->in[12], status;
	struct vp *vp;

	status = check_target(call, &vp);
	if (status)
		return status;
	if (vtl == 0)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	take(&hv->lock);
	if (!(hv->enabled >> vtl & 1))
		status = GABI_HV_STATUS_INVALID_VTL_STATE;
	else if (!may_enable(hv, call->vtl, vtl))
		status = GABI_HV_STATUS_ACCESS_DENIED;
	else if (enabled_vtls(vp) >> vtl & 1)
		status = hv->dialect & GABI_HV_DIALECT_ALREADY_ENABLED ? GABI_HV_STATUS_VTL_ALREADY_ENABLED : GABI_HV_STATUS_INVALID_PARAMETER;
	else if (!valid_context(context_of(call), vtl))
		status = GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	else
		vp->enabled |= (uint16_t)(1u << vtl);
	give(&hv->lock);
	if (!status)
		act(call->turn, GABI_HV_ACT_CONTEXT, vp->index, vtl)->context = context_of(call);
	return status;
}

int gabi_hv_configured_above(const struct gabi_hv *hv, unsigned caller, unsigned bits)
{
	for (unsigned vtl = caller + 1; vtl < hv->vtl_count; vtl++)
		if (hv->enabled >> vtl & 1 && hv->common[vtl].config & bits)
			return (int)vtl;
	return -1;
}

/* HV_X64_HYPERCALL_INTERCEPT_MESSAGE: OpenVMM vm/hv1/hvdef, HvX64HypercallInterceptMessage. The call has no input in XMM registers. */
static void tell_hypercall(struct call *call, unsigned to)
{
	const struct gabi_hv_regs *regs = call->regs;
	const uint64_t words[] = { regs->rax, regs->rbx, regs->rcx, regs->rdx, regs->r8, regs->rsi, regs->rdi };
	uint8_t message[208] = { 0 };

	gabi_hv_intercept_head(call->hv, call->vp, call->vtl, GABI_HV_ACCESS_EXECUTE, 0, message);
	for (unsigned i = 0; i < GABI_COUNT_OF(words); i++)
		put64(message + 40 + i * 8, words[i]);
	gabi_hv_intercept(call->hv, call->vp, to, MESSAGE_HYPERCALL, message, sizeof(message), call->now, call->turn);
}

/* TLFS HvCallStartVirtualProcessor; vsm, DenyLowerVtlStartup and InterceptVpStartup. */
unsigned gabi_hv_call_start_vp(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	unsigned vtl = call->in[12], status;
	struct vp *vp;
	int above;

	status = check_target(call, &vp);
	if (status)
		return status;
	if (vtl > call->vtl || gabi_hv_configured_above(hv, call->vtl, CONFIG_DENY_STARTUP) >= 0)
		return GABI_HV_STATUS_ACCESS_DENIED;
	if (!(enabled_vtls(vp) >> vtl & 1))
		return GABI_HV_STATUS_INVALID_VTL_STATE;
	if (!valid_context(context_of(call), vtl))
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	above = gabi_hv_configured_above(hv, call->vtl, CONFIG_INTERCEPT_STARTUP);
	if (above >= 0 && enabled_vtls(call->vp) >> above & 1) {
		tell_hypercall(call, (unsigned)above);
		call->silent = true;
		call->done = GABI_HV_AGAIN;
		return GABI_HV_STATUS_SUCCESS;
	}
	take(&vp->lock);
	if (vp->started)
		status = GABI_HV_STATUS_INVALID_VP_STATE;
	vp->started = 1;
	if (!status)
		atomic_store(&vp->active, (uint8_t)vtl);
	give(&vp->lock);
	if (!status) {
		act(call->turn, GABI_HV_ACT_CONTEXT, vp->index, vtl)->context = context_of(call);
		act(call->turn, GABI_HV_ACT_START, vp->index, vtl);
	}
	return status;
}

/* ---- protections ---- */

/* The lower VTLs that a call restricts. TLFS: the one named, or all if none is; dialect: the one named protects. */
static unsigned protected_vtls(const struct call *call, uint8_t input, unsigned *ret_protector, unsigned *ret_vtls)
{
	unsigned named = input & 15;

	*ret_protector = call->vtl;
	*ret_vtls = (unsigned)gabi_mask(call->vtl);
	if (input & 0xe0)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (call->hv->dialect & GABI_HV_DIALECT_OWN_PROTECTION) {
		if (input & 0x10)
			*ret_protector = named;
		if (*ret_protector > call->vtl)
			return GABI_HV_STATUS_ACCESS_DENIED;
		*ret_vtls = (unsigned)gabi_mask(*ret_protector);
		return *ret_protector ? GABI_HV_STATUS_SUCCESS : GABI_HV_STATUS_INVALID_PARAMETER;
	}
	if (call->vtl == 0 || (input & 0x10 && named >= call->vtl))
		return GABI_HV_STATUS_ACCESS_DENIED;
	if (input & 0x10)
		*ret_vtls = 1u << named;
	return GABI_HV_STATUS_SUCCESS;
}

/* The combinations of TLFS vsm, Memory Access Protections. Without mode-based execute control one bit stands for both. */
static bool valid_prot(const struct gabi_hv *hv, unsigned protector, uint32_t *flags)
{
	unsigned execute = GABI_HV_KERNEL_EXECUTE | GABI_HV_USER_EXECUTE;

	if (*flags & ~(uint32_t)GABI_HV_ALL_ACCESS || (!(*flags & GABI_HV_READ) && *flags))
		return false;
	if (!(hv->mbec >> protector & 1))
		*flags = (*flags & ~execute) | (*flags & GABI_HV_KERNEL_EXECUTE ? execute : 0);
	return gabi_hv_can_enforce(hv, *flags);
}

/* Elements from rep_at on that are one run of pages, not more than a turn has room for if each page changes for itself. */
static unsigned run_length(const struct call *call, uint64_t *ret_gfn)
{
	const uint8_t *at = element(call, 8);
	unsigned run = 1, left = call->rep_stop - call->rep_at, room = GABI_HV_CHANGES_MAX / call->hv->vtl_count;
	unsigned most = left < room ? left : room;

	*ret_gfn = get64(at);
	while (run < most && get64(at + run * 8) == *ret_gfn + run)
		run++;
	return run;
}

unsigned gabi_hv_call_modify_protection(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	uint32_t flags = get32(call->in + 8);
	unsigned protector, vtls, status;

	if (!is_self(hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	status = protected_vtls(call, call->in[12], &protector, &vtls);
	if (status)
		return status;
	if (call->in[13] || get16(call->in + 14) || !valid_prot(hv, protector, &flags))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	if (!(hv->common[protector].config & CONFIG_PROTECT))
		return GABI_HV_STATUS_INVALID_VTL_STATE;
	while (call->rep_at < call->rep_stop) {
		uint64_t gfn, done;
		unsigned run = run_length(call, &gfn);
		bool full;

		/* A run that leaves RAM is cut to pages, so that those before its end are done. */
		if (!gabi_hv_is_ram(hv, gfn, run))
			run = 1;
		if (!gabi_hv_is_ram(hv, gfn, run)) {
			status = GABI_HV_STATUS_INVALID_PARAMETER;
			break;
		}
		if (call->turn->changes + (size_t)run * hv->vtl_count > GABI_HV_CHANGES_MAX && call->turn->changes)
			break; /* the rest in the next turn */
		done = run;
		for (unsigned vtl = 0; vtl < protector; vtl++)
			if (vtls >> vtl & 1) /* done is what is done for all of them */
				done = gabi_hv_protect_pages(hv, protector, vtl, gfn, done, flags, call->turn, &full);
		call->rep_at += (uint16_t)done;
		if (done < run) {
			status = GABI_HV_STATUS_INSUFFICIENT_MEMORY;
			break;
		}
	}
	gabi_hv_sort_changes(call->turn);
	return status;
}

/* ---- intercepts ---- */

/* Parameters that HV_INTERCEPT_PARAMETERS has. */
enum form { NONE, PORT, RANGE, MSR, LEAF, VECTOR };

static const struct kind {
	uint8_t number, access, form;
} kinds[] = {
#define GABI_HV_INTERCEPT_ROW(number, name, access, form, source) { number, access, form },
#include <gabi/hv_intercept.def>
};

/* False where the parameter is none. A port is a range of one. */
static bool parameter(const struct kind *kind, uint64_t value, struct gabi_hv_installed *ret)
{
	enum { VECTORS = 32 };
	uint32_t first = kind->form == PORT || kind->form == RANGE ? (uint16_t)value : (uint32_t)value;

	*ret = (struct gabi_hv_installed){ .type = kind->number, .first = first, .last = first };
	switch (kind->form) {
	case PORT:
		ret->type = GABI_HV_INTERCEPT_IO_PORT_RANGE;
		return value <= UINT16_MAX;
	case RANGE:
		ret->last = (uint32_t)(value >> 16);
		return value <= UINT32_MAX && first <= ret->last;
	case MSR:
		ret->type = GABI_HV_INTERCEPT_MSR;
		return value <= UINT32_MAX;
	case LEAF: return value <= UINT32_MAX;
	case VECTOR: return value < VECTORS;
	default: return false;
	}
}

bool gabi_hv_valid_installed(const struct gabi_hv_installed *one)
{
	for (size_t i = 0; i < GABI_COUNT_OF(kinds); i++) {
		const struct kind *kind = &kinds[i];
		struct gabi_hv_installed same;

		if (kind->number == one->type && one->access && !(one->access & ~kind->access) &&
		    parameter(kind, kind->form == RANGE ? (uint64_t)one->last << 16 | (uint16_t)one->first : one->first, &same) &&
		    same.first == one->first && same.last == one->last)
			return true;
	}
	return false;
}

/* GABI_HV_STOCK_KVM_FAR_MSRS. */
static bool is_far(const struct gabi_hv_installed *one)
{
	enum { WINDOW = 0x2000 };

	return one->type == GABI_HV_INTERCEPT_MSR && one->first >= WINDOW && one->first - 0xc0000000u >= WINDOW && one->first - 0xc0010000u >= WINDOW;
}

static bool has_room_in_filter(const struct gabi_hv *hv, const struct gabi_hv_installed *wanted)
{
	unsigned count = 0;

	if (!(hv->dialect & GABI_HV_DIALECT_STOCK_KVM) || !is_far(wanted))
		return true;
	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++)
		for (uint32_t i = 0; i < hv->common[vtl].installed; i++)
			count += is_far(&hv->common[vtl].intercept[i]);
	return count < GABI_HV_STOCK_KVM_FAR_MSRS;
}

/* Installs, changes or takes back. False where there is no room. */
static bool install(const struct gabi_hv *hv, struct vtl_common *common, const struct gabi_hv_installed *wanted)
{
	uint32_t at = 0;

	while (at < common->installed && (common->intercept[at].type != wanted->type || common->intercept[at].first != wanted->first ||
					  common->intercept[at].last != wanted->last))
		at++;
	if (!wanted->access) {
		if (at < common->installed)
			common->intercept[at] = common->intercept[--common->installed];
		return true;
	}
	if (at == INSTALLED || (at == common->installed && !has_room_in_filter(hv, wanted)))
		return false;
	common->intercept[at] = *wanted;
	if (at == common->installed)
		common->installed++;
	return true;
}

/* What KVM does by itself: its PICs and their triggers, its PIT, and MSRs of the x2APIC, which its filter does not reach. */
static const struct {
	uint8_t type;
	uint32_t first, last;
} kvms[] = {
	{ GABI_HV_INTERCEPT_IO_PORT_RANGE, 0x20, 0x21 }, { GABI_HV_INTERCEPT_IO_PORT_RANGE, 0x40, 0x43 }, { GABI_HV_INTERCEPT_IO_PORT_RANGE, 0x61, 0x61 },
	{ GABI_HV_INTERCEPT_IO_PORT_RANGE, 0xa0, 0xa1 }, { GABI_HV_INTERCEPT_IO_PORT_RANGE, 0x4d0, 0x4d1 }, { GABI_HV_INTERCEPT_MSR, 0x800, 0x8ff },
};

static bool can_intercept(const struct gabi_hv *hv, const struct gabi_hv_installed *wanted)
{
	if (!(hv->dialect & GABI_HV_DIALECT_STOCK_KVM))
		return true;
	for (size_t i = 0; i < GABI_COUNT_OF(kvms); i++)
		if (wanted->type == kvms[i].type && wanted->first <= kvms[i].last && wanted->last >= kvms[i].first)
			return false;
	return wanted->type != GABI_HV_INTERCEPT_CPUID && wanted->type != GABI_HV_INTERCEPT_EXCEPTION;
}

unsigned gabi_hv_call_install_intercept(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	uint32_t access = get32(call->in + 8), type = get32(call->in + 12);
	struct gabi_hv_installed wanted;
	const struct kind *kind = NULL;
	bool room;

	if (!is_self(hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (call->vtl == 0)
		return GABI_HV_STATUS_ACCESS_DENIED;
	for (size_t i = 0; i < GABI_COUNT_OF(kinds); i++)
		if (kinds[i].number == type)
			kind = &kinds[i];
	if (!kind || access & ~(uint32_t)kind->access || !parameter(kind, get64(call->in + 16), &wanted) || !can_intercept(hv, &wanted))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	wanted.access = (uint8_t)access;
	take(&hv->lock);
	room = install(hv, &hv->common[call->vtl], &wanted);
	give(&hv->lock);
	if (!room)
		return GABI_HV_STATUS_INSUFFICIENT_MEMORY;
	act(call->turn, GABI_HV_ACT_TRAPS, call->vp->index, call->vtl);
	return GABI_HV_STATUS_SUCCESS;
}
