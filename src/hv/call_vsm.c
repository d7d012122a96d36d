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

/* The nearest VTL above the caller whose partition configuration has that bit; -1 if none. */
static int configured_above(const struct gabi_hv *hv, unsigned caller, unsigned bit)
{
	for (unsigned vtl = caller + 1; vtl < hv->vtl_count; vtl++)
		if (hv->enabled >> vtl & 1 && hv->common[vtl].config & bit)
			return (int)vtl;
	return -1;
}

/* TLFS HvCallStartVirtualProcessor; vsm, DenyLowerVtlStartup and InterceptVpStartup. */
unsigned gabi_hv_call_start_vp(struct call *call)
{
	enum { EXECUTE = 2 };
	struct gabi_hv *hv = call->hv;
	unsigned vtl = call->in[12], status;
	uint8_t head[40];
	struct vp *vp;
	int above;

	status = check_target(call, &vp);
	if (status)
		return status;
	if (vtl > call->vtl || configured_above(hv, call->vtl, CONFIG_DENY_STARTUP) >= 0)
		return GABI_HV_STATUS_ACCESS_DENIED;
	if (!(enabled_vtls(vp) >> vtl & 1))
		return GABI_HV_STATUS_INVALID_VTL_STATE;
	if (!valid_context(context_of(call), vtl))
		return GABI_HV_STATUS_INVALID_REGISTER_VALUE;
	above = configured_above(hv, call->vtl, CONFIG_INTERCEPT_STARTUP);
	if (above >= 0 && enabled_vtls(call->vp) >> above & 1) {
		gabi_hv_intercept_head(hv, call->vp, call->vtl, EXECUTE, 0, head);
		gabi_hv_intercept(hv, call->vp, (unsigned)above, MESSAGE_HYPERCALL, head, sizeof(head), call->now, call->turn);
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
	return true;
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
		uint64_t gfn, done = 0;
		unsigned run = run_length(call, &gfn);

		/* A run that leaves RAM is cut to pages, so that those before its end are done. */
		if (!gabi_hv_is_ram(hv, gfn, run))
			run = 1;
		if (!gabi_hv_is_ram(hv, gfn, run)) {
			status = GABI_HV_STATUS_INVALID_PARAMETER;
			break;
		}
		if (call->turn->changes + (size_t)run * hv->vtl_count > GABI_HV_CHANGES_MAX && call->turn->changes)
			break; /* the rest in the next turn */
		for (unsigned vtl = 0; vtl < protector; vtl++)
			if (vtls >> vtl & 1)
				done = gabi_hv_protect_pages(hv, protector, vtl, gfn, run, flags, call->turn);
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

/* I/O ports. TLFS has further types for a parent; within a partition registers are trapped by CrInterceptControl. */
unsigned gabi_hv_call_install_intercept(struct call *call)
{
	enum { IO_PORT = 0, IO_PORT_RANGE = 0x11 };
	struct gabi_hv *hv = call->hv;
	struct vtl_common *common = &hv->common[call->vtl];
	uint32_t access = get32(call->in + 8), type = get32(call->in + 12), i;
	uint16_t first = get16(call->in + 16), last = type == IO_PORT ? first : get16(call->in + 18);
	unsigned status = GABI_HV_STATUS_SUCCESS;

	if (!is_self(hv, get64(call->in)))
		return GABI_HV_STATUS_INVALID_PARTITION_ID;
	if (call->vtl == 0)
		return GABI_HV_STATUS_ACCESS_DENIED;
	if (access & ~3u || (type != IO_PORT && type != IO_PORT_RANGE) || first > last || get32(call->in + 20) ||
	    (type == IO_PORT && get16(call->in + 18)))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	take(&hv->lock);
	for (i = 0; i < common->io_count && (common->io[i].first != first || common->io[i].last != last); i++)
		;
	if (i == IO_RANGES)
		status = GABI_HV_STATUS_INSUFFICIENT_MEMORY;
	else if (access)
		common->io[i] = (struct io_range){ first, last, (uint8_t)access };
	else if (i < common->io_count)
		common->io[i] = common->io[--common->io_count];
	if (!status && access && i == common->io_count)
		common->io_count++;
	give(&hv->lock);
	if (!status)
		act(call->turn, GABI_HV_ACT_TRAPS, call->vp->index, call->vtl);
	return status;
}
