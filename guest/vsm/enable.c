/* SPDX-License-Identifier: MIT */
/* What is told of trust levels, how they are enabled, and how one goes from one to another. */
#include "vsm.h"

static const char *is(uint64_t value, uint64_t wanted, const char *why)
{
	return value == wanted ? NULL : why;
}

/* ---- before there is a second level ---- */

static const char *capabilities(void)
{
	uint64_t value = rdmsr(GABI_HV_MSR_VSM_CAPABILITIES);

	if (vsm_fault())
		return "reading the MSR faults";
	return is(value & ((1ull << 46) - 1), 0, "reserved bits are set");
}

static const char *capabilities_are_read_only(void)
{
	wrmsr(GABI_HV_MSR_VSM_CAPABILITIES, 0);
	return is(vsm_fault(), PROTECTION, "writing the MSR does not fault");
}

static const char *code_offsets(void)
{
	unsigned status;
	uint64_t value = vsm_get(VP_SELF, 0, REG_CODE_OFFSETS, &status);

	if (status)
		return "it cannot be read";
	return !(value >> 24) && (value & 0xfff) && (value >> 12 & 0xfff) && (value & 0xfff) != (value >> 12 & 0xfff) ? NULL : "they are none";
}

static const char *partition_before(void)
{
	unsigned status;
	uint64_t value = vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status);

	if (status)
		return "it cannot be read";
	return (value & 0xffff) == 1 && (value >> 16 & 15) >= 1 ? NULL : "it names another level than 0, or no other is allowed";
}

static const char *vp_before(void)
{
	unsigned status;

	return is(vsm_get(VP_SELF, 0, REG_VP_STATUS, &status) & 0xffff000f, 0x10000, "it names another level than 0");
}

static const char *call_without_target(void)
{
	struct vsm_regs regs = { 0 };

	vsm_up(0, &regs);
	return is(vsm_fault(), UNDEFINED, "there is no #UD");
}

static const char *vp_before_partition(void)
{
	return is(vsm_enable_vp(PARTITION, 0, 1, 0), GABI_HV_STATUS_INVALID_VTL_STATE, "the status is another one");
}

static const char *partition_before_has_no_mbec(void)
{
	unsigned status;

	return is(vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status) >> 20, 0, "it names a level with it, or reserved bits are set");
}

static const char *vp_reserved(void)
{
	unsigned status;

	return is(vsm_get(VP_SELF, 0, REG_VP_STATUS, &status) & ~0xffff000full, 0, "MBEC is active, or reserved bits are set");
}

static const char *capabilities_by_call(void)
{
	unsigned status;
	uint64_t value = vsm_get(VP_SELF, 0, REG_CAPABILITIES, &status);

	return !status && value == rdmsr(GABI_HV_MSR_VSM_CAPABILITIES) ? NULL : "it cannot be read, or is another";
}

static const char *call_from_user(void)
{
	return is(vsm_in_user_mode(vsm_code(0) + vsm_up_offset), UNDEFINED, "there is no #UD");
}

static const char *hypercall_from_user(void)
{
	return is(vsm_in_user_mode(vsm_code(0)), UNDEFINED, "there is no #UD");
}

/* ---- processors ---- */

static unsigned index_of(uint64_t partition, unsigned vtl, uint32_t apic_id, uint32_t *ret_index)
{
	const uint64_t in[] = { partition, vtl, apic_id };
	uint64_t out[1] = { UINT64_MAX };
	unsigned status = (unsigned)(vsm_call(GABI_HV_CALL_GetVpIndexFromApicId | REP(1), in, sizeof(in), out, sizeof(out)) & 0xffff);

	*ret_index = (uint32_t)out[0];
	return status;
}

static const char *own_index(void)
{
	uint32_t index, id = mmio(APIC_GPA)[APIC_ID / 4] >> 24;

	return !index_of(PARTITION, 0, id, &index) && index == vsm_vp() ? NULL : "it is refused, or is another";
}

static const char *indexes(void)
{
	uint64_t in[2 + VPS_MAX] = { PARTITION, 0 }, out[VPS_MAX];

	for (unsigned i = 0; i < vsm_cpus; i++) {
		in[2 + i] = i;
		out[i] = UINT64_MAX;
	}
	if (vsm_call(GABI_HV_CALL_GetVpIndexFromApicId | REP(vsm_cpus), in, 16 + vsm_cpus * 8, out, vsm_cpus * 8) != REP(vsm_cpus))
		return "it is refused, or not done to its end";
	for (unsigned i = 0; i < vsm_cpus; i++)
		for (unsigned other = 0; other < i; other++)
			if ((uint32_t)out[i] == (uint32_t)out[other])
				return "two have one index";
	return NULL;
}

static const char *index_of_nobody(void)
{
	uint32_t index;

	return is(index_of(PARTITION, 0, 0xffff, &index), GABI_HV_STATUS_INVALID_PARAMETER, "the status is another one");
}

static const char *index_in_another_partition(void)
{
	uint32_t index;

	return is(index_of(0x1234, 0, 0, &index), GABI_HV_STATUS_INVALID_PARTITION_ID, "the status is another one");
}

/* ---- enabling ---- */

static const char *partition_of_another(void)
{
	return is(vsm_enable_partition(0x1234, 1, 0), GABI_HV_STATUS_INVALID_PARTITION_ID, "the status is another one");
}

/* Hypervisors disagree in the status. */
static const char *partition_vtl0(void)
{
	return vsm_enable_partition(PARTITION, 0, 0) ? NULL : "it is taken";
}

static const char *partition_vtl_beyond(void)
{
	unsigned status;
	uint64_t most = vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status) >> 16 & 15;

	if (most == 15)
		return SKIP("all 16 levels are allowed");
	return is(vsm_enable_partition(PARTITION, (unsigned)most + 1, 0), GABI_HV_STATUS_INVALID_PARAMETER, "the status is another one");
}

static const char *partition_flags(void)
{
	return is(vsm_enable_partition(PARTITION, 1, 0xfe), GABI_HV_STATUS_INVALID_PARAMETER, "the status is another one");
}

static const char *partition_mbec(void)
{
	if (rdmsr(GABI_HV_MSR_VSM_CAPABILITIES) >> 48 & 1)
		return SKIP("VTL 1 may have it");
	return is(vsm_enable_partition(PARTITION, 1, 1), GABI_HV_STATUS_INVALID_PARAMETER, "the status is another one");
}

static const char *partition_enabled(void)
{
	unsigned status = vsm_enable_partition(PARTITION, 1, 0);

	if (status)
		return "it is not taken";
	return is(vsm_get(VP_SELF, 0, REG_PARTITION_STATUS, &status) & 0xffff, 3, "the status register does not say so");
}

static const char *partition_again(void)
{
	return vsm_enable_partition(PARTITION, 1, 0) ? NULL : "it is taken";
}

static const char *still_no_target(void)
{
	return call_without_target();
}

static const char *vp_of_another_partition(void)
{
	return is(vsm_enable_vp(0x1234, 0, 1, 0), GABI_HV_STATUS_INVALID_PARTITION_ID, "the status is another one");
}

static const char *vp_that_there_is_not(void)
{
	return is(vsm_enable_vp(PARTITION, 0x1000, 1, 0), GABI_HV_STATUS_INVALID_VP_INDEX, "the status is another one");
}

static const char *vp_vtl0(void)
{
	return vsm_enable_vp(PARTITION, 0, 0, 0) ? NULL : "it is taken";
}

static const char *vp_in_real_mode(void)
{
	return vsm_enable_vp(PARTITION, 0, 1, 0x80000001) ? NULL : "it is taken";
}

static const char *vp_enabled(void)
{
	unsigned status = vsm_enable_vp(PARTITION, 0, 1, 0);

	if (status)
		return "it is not taken";
	return is(vsm_get(VP_SELF, 0, REG_VP_STATUS, &status) & 0xffff000f, 0x30000, "the status register says something else");
}

static const char *vp_again(void)
{
	return vsm_enable_vp(PARTITION, 0, 1, 0) ? NULL : "it is taken";
}

/* ---- going there and back ---- */

static const char *call_with_control(void)
{
	struct vsm_regs regs = { 0 };

	vsm_up(2, &regs);
	return is(vsm_fault(), UNDEFINED, "there is no #UD");
}

static uint64_t level_of(uint64_t argument)
{
	unsigned status;

	return vsm_level() << 8 | (vsm_get(VP_SELF, 0, REG_VP_STATUS, &status) & 15) | argument << 16;
}

static const char *first_call(void)
{
	struct vsm_regs regs = { 0 };

	vsm_up(0, &regs); /* VTL 1 makes itself at home */
	if (vsm_fault())
		return "the call faults";
	return is(in_vtl1(level_of, 5), 5 << 16 | 1 << 8 | 1, "its stack or VpStatus is not that of VTL 1");
}

static const char *first_context(void)
{
	return vsm_first_entry();
}

static uint64_t peek(uint64_t at)
{
	return *(const volatile uint64_t *)at;
}

/* It is not over VTL 1's memory, which is zeros there. */
static const char *own_hypercall_page(void)
{
	if (in_vtl1(peek, (uint64_t)vsm_code(0)))
		return "VTL 0's page lies over VTL 1's memory too";
	return peek((uint64_t)vsm_code(1)) ? "VTL 1's page lies over VTL 0's memory too" : NULL;
}

static const char *back_in_vtl0(void)
{
	return is(level_of(0), 0, "VpStatus says something else");
}

static const char *entry_reason(void)
{
	uint32_t before = seen[0].entries[1];

	in_vtl1(level_of, 0);
	return is(seen[0].entries[1] - before, 1, "the assist page says another reason");
}

static const struct vsm_regs pattern = {
	0x1010, 0, 0x1212, 0x1313, 0x1414, 0x1515, 0x1616, 0x1818, 0x1919, 0x1a1a, 0x1b1b, 0x1c1c, 0x1d1d, 0x1e1e, 0x1f1f,
};

/* All but RAX and RCX, which belong to the switch. */
static const char *shared_registers_up(void)
{
	struct vsm_regs regs = pattern;
	const uint64_t *want = &pattern.rdx, *have = &seen[0].regs.rdx;

	vsm_up(0, &regs);
	for (unsigned i = 0; i < 13; i++)
		if (have[i] != want[i])
			return "VTL 1 finds another value";
	return NULL;
}

static uint64_t change_registers(uint64_t argument)
{
	uint64_t *to = &seen[0].regs.rdx;

	for (unsigned i = 0; i < 13; i++)
		to[i] = argument + i;
	return 0;
}

/* As in_vtl1, but with what the registers hold afterwards. */
static struct vsm_regs call_and_look(uint64_t (*function)(uint64_t argument), uint64_t argument)
{
	struct vsm_regs regs = { 0 };

	vsm_order(function, argument);
	vsm_up(0, &regs);
	return regs;
}

static const char *shared_registers_down(void)
{
	struct vsm_regs regs = call_and_look(change_registers, 0x7700);
	const uint64_t *have = &regs.rdx;

	for (unsigned i = 0; i < 13; i++)
		if (have[i] != 0x7700 + i)
			return "VTL 0 finds another value";
	return NULL;
}

static uint64_t leave_in_assist(uint64_t argument)
{
	seen[0].regs.rax = argument;
	seen[0].regs.rcx = argument + 1;
	return 0;
}

static const char *return_restores(void)
{
	struct vsm_regs regs = call_and_look(leave_in_assist, 0x5500);

	return regs.rax == 0x5500 && regs.rcx == 0x5501 ? NULL : "RAX or RCX is another one";
}

static uint64_t leave_fast(uint64_t argument)
{
	seen[0].returns_fast = true;
	seen[0].fast_rax = argument;
	return 0;
}

static const char *fast_return(void)
{
	struct vsm_regs regs = call_and_look(leave_fast, 0x6600);

	return is(regs.rcx, 1, "RCX is not as VTL 1 left it");
}

static uint64_t return_badly(uint64_t control)
{
	struct vsm_regs regs = { 0 };

	vsm_down(control, &regs);
	return vsm_fault();
}

static const char *return_with_control(void)
{
	return is(in_vtl1(return_badly, 2), UNDEFINED, "there is no #UD");
}

static uint64_t return_from_user_mode(uint64_t argument)
{
	(void)argument;
	return vsm_in_user_mode(vsm_code(1) + vsm_down_offset);
}

static const char *return_from_user(void)
{
	return is(in_vtl1(return_from_user_mode, 0), UNDEFINED, "there is no #UD");
}

static const char *return_from_lowest(void)
{
	return is(return_badly(0), UNDEFINED, "there is no #UD");
}

static uint64_t call_further(uint64_t argument)
{
	struct vsm_regs regs = { 0 };

	(void)argument;
	vsm_up(0, &regs);
	return vsm_fault();
}

static const char *call_from_highest(void)
{
	return is(in_vtl1(call_further, 0), UNDEFINED, "there is no #UD");
}

const struct vsm_case vsm_enable_cases[] = {
	{ "vsm, VSM Capability Detection", "VsmCapabilities can be read, and reserved bits are zero", capabilities },
	{ "vsm, VSM Capability Detection", "VsmCapabilities is read only", capabilities_are_read_only },
	{ "vsm, VSM Capability Detection", "HvRegisterVsmCapabilities is the same", capabilities_by_call },
	{ "vsm, Hypercall Page Assist", "VsmCodePageOffsets names two places in the page", code_offsets },
	{ "vsm, HvRegisterVsmPartitionStatus", "at first VTL 0 alone is enabled, and others are allowed", partition_before },
	{ "vsm, HvRegisterVsmPartitionStatus", "MBEC is off for all VTLs, and reserved bits are zero", partition_before_has_no_mbec },
	{ "vsm, HvRegisterVsmVpStatus", "MBEC is not active, and reserved bits are zero", vp_reserved },
	{ "HvCallGetVpIndexFromApicId", "of this processor", own_index },
	{ "HvCallGetVpIndexFromApicId", "a list is done to its end, each with an index of its own", indexes },
	{ "HvCallGetVpIndexFromApicId", "of an APIC id that there is not: invalid parameter", index_of_nobody },
	{ "HvCallGetVpIndexFromApicId", "of another partition: invalid partition id", index_in_another_partition },
	{ "vsm, HvRegisterVsmVpStatus", "at first VTL 0 alone is enabled and active", vp_before },
	{ "vsm, VTL Call Restrictions", "where the target is not enabled a call is #UD", call_without_target },
	{ "vsm, VTL Return", "a return from the lowest VTL is #UD", return_from_lowest },
	{ "vsm, VTL Enablement", "a VTL is enabled for the partition before it is for a processor", vp_before_partition },
	{ "HvCallEnablePartitionVtl", "of another partition: invalid partition id", partition_of_another },
	{ "HvCallEnablePartitionVtl", "of VTL 0: refused", partition_vtl0 },
	{ "HvCallEnablePartitionVtl", "above MaximumVtl: invalid parameter", partition_vtl_beyond },
	{ "HvCallEnablePartitionVtl", "with reserved flags: invalid parameter", partition_flags },
	{ "HvCallEnablePartitionVtl", "with MBEC where MbecVtlMask has not the VTL: invalid parameter", partition_mbec },
	{ "HvCallEnablePartitionVtl", "the highest VTL enables the next one", partition_enabled },
	{ "HvCallEnablePartitionVtl", "a VTL that is enabled: refused", partition_again },
	{ "vsm, VTL Call Restrictions", "where the target is enabled for the partition alone a call is #UD", still_no_target },
	{ "HvCallEnableVpVtl", "of another partition: invalid partition id", vp_of_another_partition },
	{ "HvCallEnableVpVtl", "of a processor that there is not: invalid VP index", vp_that_there_is_not },
	{ "HvCallEnableVpVtl", "of VTL 0: refused", vp_vtl0 },
	{ "vsm, Real Mode", "a context in real mode: refused", vp_in_real_mode },
	{ "HvCallEnableVpVtl", "is taken, and does not change the active VTL", vp_enabled },
	{ "HvCallEnableVpVtl", "a VTL that is enabled: refused", vp_again },
	{ "vsm, VTL Call Restrictions", "a call with a control input that is not 0 is #UD", call_with_control },
	{ "vsm, VTL Call Restrictions", "a call from user mode is #UD", call_from_user },
	{ "hypercall-interface, Legal Hypercall Environments", "a hypercall from user mode is #UD", hypercall_from_user },
	{ "HvCallEnableVpVtl", "the first entry is to the initial context's RIP and RSP", first_call },
	{ "HvCallEnableVpVtl", "and it finds the initial context's registers", first_context },
	{ "vsm, VTL Protections", "each VTL's hypercall page lies over its own memory alone", own_hypercall_page },
	{ "vsm, VTL Return", "a return goes to the next lower VTL, behind its call", back_in_vtl0 },
	{ "HV_VP_VTL_CONTROL", "a call has its entry reason", entry_reason },
	{ "vsm, Shared State", "general registers reach the higher VTL", shared_registers_up },
	{ "vsm, Shared State", "general registers reach the lower VTL", shared_registers_down },
	{ "vsm, Fast Return", "a return restores RAX and RCX from the control structure", return_restores },
	{ "vsm, Fast Return", "a fast return restores nothing", fast_return },
	{ "vsm, VTL Return", "a return with a control input that is invalid is #UD", return_with_control },
	{ "vsm, VTL Return", "a return from user mode is #UD", return_from_user },
	{ "vsm, VTL Call Restrictions", "a call from the highest VTL is #UD", call_from_highest },
	{ 0 },
};
