/* SPDX-License-Identifier: MIT */
/* Oracle: the engine's numbers and layouts against Linux's include/hyperv, as a kernel's header package has it. */
#include "hv_rig.h"

#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpedantic"
#else
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include "hvhdk.h"

static const struct {
	const char *name;
	uint64_t ours, linux_value;
} numbers[] = {
#define STATUS(name) { "HV_STATUS_" #name, GABI_HV_STATUS_##name, HV_STATUS_##name }
	STATUS(SUCCESS), STATUS(INVALID_HYPERCALL_CODE), STATUS(INVALID_HYPERCALL_INPUT), STATUS(INVALID_ALIGNMENT),
	STATUS(INVALID_PARAMETER), STATUS(ACCESS_DENIED), STATUS(INVALID_PARTITION_STATE), STATUS(OPERATION_DENIED),
	STATUS(INSUFFICIENT_MEMORY), STATUS(INVALID_PARTITION_ID), STATUS(INVALID_VP_INDEX), STATUS(INVALID_PORT_ID),
	STATUS(INVALID_CONNECTION_ID), STATUS(INSUFFICIENT_BUFFERS), STATUS(INVALID_VP_STATE), STATUS(INVALID_REGISTER_VALUE),
	STATUS(VTL_ALREADY_ENABLED),
#define CALL(name, linux_name) { #linux_name, GABI_HV_CALL_##name, linux_name }
	CALL(FlushVirtualAddressSpace, HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE),
	CALL(FlushVirtualAddressList, HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST),
	CALL(NotifyLongSpinWait, HVCALL_NOTIFY_LONG_SPIN_WAIT),
	CALL(SendSyntheticClusterIpi, HVCALL_SEND_IPI),
	CALL(FlushVirtualAddressSpaceEx, HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX),
	CALL(FlushVirtualAddressListEx, HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX),
	CALL(SendSyntheticClusterIpiEx, HVCALL_SEND_IPI_EX),
	CALL(GetPartitionId, HVCALL_GET_PARTITION_ID),
	CALL(PostDebugData, HVCALL_POST_DEBUG_DATA),
	CALL(RetrieveDebugData, HVCALL_RETRIEVE_DEBUG_DATA),
	CALL(ResetDebugSession, HVCALL_RESET_DEBUG_SESSION),
	CALL(RetargetDeviceInterrupt, HVCALL_RETARGET_INTERRUPT),
	CALL(AssertVirtualInterrupt, HVCALL_ASSERT_VIRTUAL_INTERRUPT),
	CALL(GetVpIndexFromApicId, HVCALL_GET_VP_INDEX_FROM_APIC_ID),
	CALL(QueryExtendedCapabilities, HV_EXT_CALL_QUERY_CAPABILITIES),
	CALL(PostMessage, HVCALL_POST_MESSAGE), CALL(SignalEvent, HVCALL_SIGNAL_EVENT),
#define MSR(name) { "HV_X64_MSR_" #name, GABI_HV_MSR_##name, HV_X64_MSR_##name }
	MSR(GUEST_OS_ID), MSR(HYPERCALL), MSR(VP_INDEX), MSR(RESET), MSR(VP_RUNTIME), MSR(TIME_REF_COUNT), MSR(REFERENCE_TSC),
	MSR(TSC_FREQUENCY), MSR(APIC_FREQUENCY), MSR(EOI), MSR(ICR), MSR(TPR), MSR(VP_ASSIST_PAGE), MSR(SCONTROL), MSR(SVERSION),
	MSR(SIEFP), MSR(SIMP), MSR(EOM), MSR(SINT0), MSR(SINT1), MSR(SINT2), MSR(SINT3), MSR(SINT4), MSR(SINT5), MSR(SINT6),
	MSR(SINT7), MSR(SINT8), MSR(SINT9), MSR(SINT10), MSR(SINT11), MSR(SINT12), MSR(SINT13), MSR(SINT14), MSR(SINT15),
	MSR(STIMER0_CONFIG), MSR(STIMER0_COUNT), MSR(STIMER1_CONFIG), MSR(STIMER1_COUNT), MSR(STIMER2_CONFIG), MSR(STIMER2_COUNT),
	MSR(STIMER3_CONFIG), MSR(STIMER3_COUNT), MSR(GUEST_IDLE), MSR(CRASH_P0), MSR(CRASH_P1), MSR(CRASH_P2), MSR(CRASH_P3),
	MSR(CRASH_P4), MSR(CRASH_CTL), MSR(REENLIGHTENMENT_CONTROL), MSR(TSC_EMULATION_CONTROL), MSR(TSC_EMULATION_STATUS),
	MSR(TSC_INVARIANT_CONTROL),
	{ "HV_SYNIC_SINT_COUNT", GABI_HV_SINTS, HV_SYNIC_SINT_COUNT },
	{ "HV_SYNIC_STIMER_COUNT", GABI_HV_STIMERS, HV_SYNIC_STIMER_COUNT },
	{ "HV_MESSAGE_PAYLOAD_BYTE_COUNT", GABI_HV_MESSAGE_MAX, HV_MESSAGE_PAYLOAD_BYTE_COUNT },
	{ "HV_EVENT_FLAGS_COUNT", GABI_HV_FLAGS, HV_EVENT_FLAGS_COUNT },
#define FEATURE(word, name, bit) { #bit, 1ull << (GABI_HV_FEATURE_##name - (word) * 32), bit }
	FEATURE(0, VP_RUNTIME, HV_MSR_VP_RUNTIME_AVAILABLE), FEATURE(0, REF_COUNTER, HV_MSR_TIME_REF_COUNT_AVAILABLE),
	FEATURE(0, SYNIC, HV_MSR_SYNIC_AVAILABLE), FEATURE(0, STIMER, HV_MSR_SYNTIMER_AVAILABLE),
	FEATURE(0, APIC_MSRS, HV_MSR_APIC_ACCESS_AVAILABLE), FEATURE(0, HYPERCALL_MSRS, HV_MSR_HYPERCALL_AVAILABLE),
	FEATURE(0, VP_INDEX, HV_MSR_VP_INDEX_AVAILABLE), FEATURE(0, RESET, HV_MSR_RESET_AVAILABLE),
	FEATURE(0, REF_TSC, HV_MSR_REFERENCE_TSC_AVAILABLE), FEATURE(0, GUEST_IDLE, HV_MSR_GUEST_IDLE_AVAILABLE),
	FEATURE(0, FREQUENCY_MSRS, HV_ACCESS_FREQUENCY_MSRS), FEATURE(0, REENLIGHTENMENT, HV_ACCESS_REENLIGHTENMENT),
	FEATURE(0, TSC_INVARIANT, HV_ACCESS_TSC_INVARIANT), FEATURE(1, PARTITION_ID, HV_ACCESS_PARTITION_ID),
	FEATURE(1, POST_MESSAGES, HV_POST_MESSAGES), FEATURE(1, SIGNAL_EVENTS, HV_SIGNAL_EVENTS),
	FEATURE(1, DEBUGGING, HV_DEBUGGING), FEATURE(1, EXTENDED_CALLS, HV_ENABLE_EXTENDED_HYPERCALLS),
	FEATURE(2, XMM_INPUT, HV_X64_HYPERCALL_XMM_INPUT_AVAILABLE), FEATURE(2, IDLE_STATE, HV_X64_GUEST_IDLE_STATE_AVAILABLE),
	FEATURE(2, FREQUENCIES, HV_FEATURE_FREQUENCY_MSRS_AVAILABLE), FEATURE(2, CRASH_MSRS, HV_FEATURE_GUEST_CRASH_MSR_AVAILABLE),
	FEATURE(2, EXT_GVA_RANGES, HV_FEATURE_EXT_GVA_RANGES_FLUSH), FEATURE(2, XMM_OUTPUT, HV_X64_HYPERCALL_XMM_OUTPUT_AVAILABLE),
	FEATURE(2, DIRECT_STIMER, HV_STIMER_DIRECT_MODE_AVAILABLE), FEATURE(3, LOCAL_FLUSH, HV_X64_LOCAL_TLB_FLUSH_RECOMMENDED),
	FEATURE(3, REMOTE_FLUSH, HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED), FEATURE(3, CLUSTER_IPI, HV_X64_CLUSTER_IPI_RECOMMENDED),
	FEATURE(3, EX_PROCESSOR_MASKS, HV_X64_EX_PROCESSOR_MASKS_RECOMMENDED), FEATURE(3, NESTED, HV_X64_HYPERV_NESTED),
	{ "HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES", GABI_HV_FLUSH_ALL_SPACES, HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES },
	{ "HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY", GABI_HV_FLUSH_NON_GLOBAL, HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY },
	{ "HV_FLUSH_USE_EXTENDED_RANGE_FORMAT", GABI_HV_FLUSH_EXTENDED, HV_FLUSH_USE_EXTENDED_RANGE_FORMAT },
	{ "HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS", GABI_HV_LEAF_BASE, HYPERV_CPUID_VENDOR_AND_MAX_FUNCTIONS },
	{ "HYPERV_CPUID_ISOLATION_CONFIG", GABI_HV_LEAF_BASE + GABI_HV_LEAF_COUNT - 1, HYPERV_CPUID_ISOLATION_CONFIG },
};

static void numbers__are_those_of_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].ours != numbers[i].linux_value)
			fail_msg("%s is %#llx in Linux and %#llx here", numbers[i].name, (unsigned long long)numbers[i].linux_value,
				 (unsigned long long)numbers[i].ours);
}

/* Sizes of a call's parts; 0 where Linux has no structure for it. */
static const struct {
	uint16_t code;
	size_t in, in_each, out, out_each;
} sizes[] = {
	{ GABI_HV_CALL_FlushVirtualAddressSpace, sizeof(struct hv_tlb_flush), 0, 0, 0 },
	{ GABI_HV_CALL_FlushVirtualAddressList, sizeof(struct hv_tlb_flush), sizeof(u64), 0, 0 },
	{ GABI_HV_CALL_FlushVirtualAddressListEx, sizeof(struct hv_tlb_flush_ex), sizeof(u64), 0, 0 },
	{ GABI_HV_CALL_SendSyntheticClusterIpi, sizeof(struct hv_send_ipi), 0, 0, 0 },
	{ GABI_HV_CALL_GetPartitionId, 0, 0, sizeof(struct hv_output_get_partition_id), 0 },
	{ GABI_HV_CALL_RetargetDeviceInterrupt,
	  offsetof(struct hv_retarget_device_interrupt, int_target.vp_set.valid_bank_mask), 0, 0, 0 },
	{ GABI_HV_CALL_AssertVirtualInterrupt, sizeof(struct hv_input_assert_virtual_interrupt), 0, 0, 0 },
	{ GABI_HV_CALL_GetVpIndexFromApicId, sizeof(struct hv_get_vp_from_apic_id_in), 0, 0, 0 },
};

static const struct gabi_hv_call_info *row(uint16_t code)
{
	for (size_t i = 0; gabi_hv_call_info(i); i++)
		if (gabi_hv_call_info(i)->code == code)
			return gabi_hv_call_info(i);
	fail_msg("no row for %#x", code);
	return NULL;
}

static void sizes__are_those_of_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct gabi_hv_call_info *info = row(sizes[i].code);

		if ((sizes[i].in && sizes[i].in != info->in) || (sizes[i].in_each && sizes[i].in_each != info->in_each) ||
		    (sizes[i].out && sizes[i].out != info->out) || (sizes[i].out_each && sizes[i].out_each != info->out_each))
			fail_msg("%s", info->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers__are_those_of_linux),
		cmocka_unit_test(sizes__are_those_of_linux),
	};

	return cmocka_run_group_tests_name("hv_linux", tests, NULL, NULL);
}
