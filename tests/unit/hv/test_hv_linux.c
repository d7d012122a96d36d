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
	CALL(EnableVpVtl, HVCALL_ENABLE_VP_VTL), CALL(InstallIntercept, HVCALL_INSTALL_INTERCEPT),
	CALL(GetVpRegisters, HVCALL_GET_VP_REGISTERS), CALL(SetVpRegisters, HVCALL_SET_VP_REGISTERS),
	CALL(TranslateVirtualAddress, HVCALL_TRANSLATE_VIRTUAL_ADDRESS), CALL(StartVirtualProcessor, HVCALL_START_VP),
#define REG(name, linux_name) { #linux_name, GABI_HV_REG_##name, linux_name }
	REG(HypervisorVersion, HV_REGISTER_HYPERVISOR_VERSION),
	REG(PrivilegesAndFeaturesInfo, HV_REGISTER_PRIVILEGES_AND_FEATURES_INFO), REG(FeaturesInfo, HV_REGISTER_FEATURES_INFO),
	REG(ImplementationLimitsInfo, HV_REGISTER_IMPLEMENTATION_LIMITS_INFO),
	REG(HardwareFeaturesInfo, HV_REGISTER_HARDWARE_FEATURES_INFO),
	REG(CpuManagementFeaturesInfo, HV_REGISTER_CPU_MANAGEMENT_FEATURES_INFO),
	REG(NestedVirtFeaturesInfo, HV_REGISTER_NESTED_VIRT_FEATURES_INFO), REG(IptFeaturesInfo, HV_REGISTER_IPT_FEATURES_INFO),
	REG(GuestCrashP0, HV_REGISTER_GUEST_CRASH_P0), REG(GuestCrashP4, HV_REGISTER_GUEST_CRASH_P4),
	REG(GuestCrashCtl, HV_REGISTER_GUEST_CRASH_CTL), REG(VpRuntime, HV_REGISTER_VP_RUNTIME),
	REG(GuestOsId, HV_REGISTER_GUEST_OS_ID), REG(VpIndex, HV_REGISTER_VP_INDEX), REG(TimeRefCount, HV_REGISTER_TIME_REF_COUNT),
	REG(VpAssistPage, HV_REGISTER_VP_ASSIST_PAGE), REG(ReferenceTsc, HV_REGISTER_REFERENCE_TSC),
	REG(Sint0, HV_REGISTER_SINT0), REG(Sint15, HV_REGISTER_SINT15), REG(Scontrol, HV_REGISTER_SCONTROL),
	REG(Sversion, HV_REGISTER_SVERSION), REG(Sifp, HV_REGISTER_SIEFP), REG(Sipp, HV_REGISTER_SIMP), REG(Eom, HV_REGISTER_EOM),
	REG(Stimer0Config, HV_REGISTER_STIMER0_CONFIG), REG(Stimer0Count, HV_REGISTER_STIMER0_COUNT),
	REG(VsmVpStatus, HV_REGISTER_VSM_VP_STATUS), REG(VsmCodePageOffsets, HV_REGISTER_VSM_CODE_PAGE_OFFSETS),
	REG(VsmCapabilities, HV_REGISTER_VSM_CAPABILITIES), REG(VsmPartitionConfig, HV_REGISTER_VSM_PARTITION_CONFIG),
	REG(Dr0, HV_X64_REGISTER_DR0), REG(Dr3, HV_X64_REGISTER_DR3), REG(Dr6, HV_X64_REGISTER_DR6), REG(Dr7, HV_X64_REGISTER_DR7),
	REG(MtrrCap, HV_X64_REGISTER_MSR_MTRR_CAP), REG(MtrrDefType, HV_X64_REGISTER_MSR_MTRR_DEF_TYPE),
	REG(MtrrPhysBase0, HV_X64_REGISTER_MSR_MTRR_PHYS_BASE0), REG(MtrrPhysBaseF, HV_X64_REGISTER_MSR_MTRR_PHYS_BASEF),
	REG(MtrrPhysMask0, HV_X64_REGISTER_MSR_MTRR_PHYS_MASK0), REG(MtrrPhysMaskF, HV_X64_REGISTER_MSR_MTRR_PHYS_MASKF),
	REG(MtrrFix64k00000, HV_X64_REGISTER_MSR_MTRR_FIX64K00000), REG(MtrrFix4kF8000, HV_X64_REGISTER_MSR_MTRR_FIX4KF8000),
#define MSR(name) { "HV_X64_MSR_" #name, GABI_HV_MSR_##name, HV_X64_MSR_##name }
	MSR(GUEST_OS_ID), MSR(HYPERCALL), MSR(VP_INDEX), MSR(RESET), MSR(VP_RUNTIME), MSR(TIME_REF_COUNT), MSR(REFERENCE_TSC),
	MSR(TSC_FREQUENCY), MSR(APIC_FREQUENCY), MSR(EOI), MSR(ICR), MSR(TPR), MSR(VP_ASSIST_PAGE), MSR(SCONTROL), MSR(SVERSION),
	MSR(SIEFP), MSR(SIMP), MSR(EOM), MSR(SINT0), MSR(SINT1), MSR(SINT2), MSR(SINT3), MSR(SINT4), MSR(SINT5), MSR(SINT6),
	MSR(SINT7), MSR(SINT8), MSR(SINT9), MSR(SINT10), MSR(SINT11), MSR(SINT12), MSR(SINT13), MSR(SINT14), MSR(SINT15),
	MSR(STIMER0_CONFIG), MSR(STIMER0_COUNT), MSR(STIMER1_CONFIG), MSR(STIMER1_COUNT), MSR(STIMER2_CONFIG), MSR(STIMER2_COUNT),
	MSR(STIMER3_CONFIG), MSR(STIMER3_COUNT), MSR(GUEST_IDLE), MSR(CRASH_P0), MSR(CRASH_P1), MSR(CRASH_P2), MSR(CRASH_P3),
	MSR(CRASH_P4), MSR(CRASH_CTL), MSR(REENLIGHTENMENT_CONTROL), MSR(TSC_EMULATION_CONTROL), MSR(TSC_EMULATION_STATUS),
	MSR(TSC_INVARIANT_CONTROL),
#define INTERCEPT(name) { #name, GABI_HV_INTERCEPT_##name, HV_INTERCEPT_TYPE_##name }
#define INTERCEPT_X64(name) { #name, GABI_HV_INTERCEPT_##name, HV_INTERCEPT_TYPE_X64_##name }
	INTERCEPT_X64(IO_PORT), INTERCEPT_X64(MSR), INTERCEPT_X64(CPUID), INTERCEPT(EXCEPTION), INTERCEPT_X64(GLOBAL_CPUID),
	INTERCEPT_X64(APIC_SMI), INTERCEPT(HYPERCALL), INTERCEPT_X64(APIC_INIT_SIPI), INTERCEPT_X64(APIC_WRITE),
	INTERCEPT_X64(MSR_INDEX),
	{ "HV_INTERCEPT_ACCESS_READ", GABI_HV_ACCESS_READ, HV_INTERCEPT_ACCESS_READ },
	{ "HV_INTERCEPT_ACCESS_WRITE", GABI_HV_ACCESS_WRITE, HV_INTERCEPT_ACCESS_WRITE },
	{ "HV_INTERCEPT_ACCESS_EXECUTE", GABI_HV_ACCESS_EXECUTE, HV_INTERCEPT_ACCESS_EXECUTE },
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
	FEATURE(3, REMOTE_FLUSH, HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED), FEATURE(3, USE_APIC_MSRS, HV_X64_APIC_ACCESS_RECOMMENDED), FEATURE(3, USE_RESET_MSR, HV_X64_SYSTEM_RESET_RECOMMENDED),
	FEATURE(3, RELAXED_TIMING, HV_X64_RELAXED_TIMING_RECOMMENDED), FEATURE(3, NO_AUTO_EOI, HV_DEPRECATING_AEOI_RECOMMENDED),
	FEATURE(3, CLUSTER_IPI, HV_X64_CLUSTER_IPI_RECOMMENDED),
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
	{ GABI_HV_CALL_EnableVpVtl, sizeof(struct hv_enable_vp_vtl), 0, 0, 0 },
	{ GABI_HV_CALL_StartVirtualProcessor, sizeof(struct hv_enable_vp_vtl), 0, 0, 0 },
	{ GABI_HV_CALL_GetVpRegisters, sizeof(struct hv_input_get_vp_registers), sizeof(u32), 0, sizeof(union hv_register_value) },
	{ GABI_HV_CALL_SetVpRegisters, sizeof(struct hv_input_set_vp_registers), sizeof(struct hv_register_assoc), 0, 0 },
	{ GABI_HV_CALL_FlushGuestPhysicalAddressSpace, sizeof(struct hv_guest_mapping_flush), 0, 0, 0 },
	{ GABI_HV_CALL_FlushGuestPhysicalAddressList, offsetof(struct hv_guest_mapping_flush_list, gpa_list), sizeof(union hv_gpa_page_range), 0, 0 },
	{ GABI_HV_CALL_FlushVirtualAddressSpaceEx, sizeof(struct hv_tlb_flush_ex), 0, 0, 0 },
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

#define SAME(ours, our_field, theirs, their_field) \
	{ #theirs "." #their_field, offsetof(struct ours, our_field), offsetof(struct theirs, their_field) }
#define CONTEXT(ours, theirs) SAME(gabi_hv_context, ours, hv_init_vp_context, theirs)

static const struct {
	const char *name;
	size_t ours, linux_value;
} layouts[] = {
	CONTEXT(rip, rip), CONTEXT(rflags, rflags), CONTEXT(cs, cs), CONTEXT(ldtr, ldtr), CONTEXT(idtr, idtr), CONTEXT(gdtr, gdtr),
	CONTEXT(efer, efer), CONTEXT(cr0, cr0), CONTEXT(cr4, cr4), CONTEXT(pat, msr_cr_pat),
	SAME(gabi_hv_segment, limit, hv_x64_segment_register, limit),
	SAME(gabi_hv_segment, attributes, hv_x64_segment_register, attributes),
	SAME(gabi_hv_table, limit, hv_x64_table_register, limit), SAME(gabi_hv_table, base, hv_x64_table_register, base),
	{ "sizeof(struct hv_init_vp_context)", sizeof(struct gabi_hv_context), sizeof(struct hv_init_vp_context) },
};

static void layouts__are_those_of_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].ours != layouts[i].linux_value)
			fail_msg("%s is at %zu in Linux and %zu here", layouts[i].name, layouts[i].linux_value, layouts[i].ours);
}

/* A memory intercept, read as Linux would read it. */
static void memory_message__read_with_linuxs_structure__says_what_happened(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_fault fault = {
		.gpa = 0x7008, .gva = 0x1234567000, .access = GABI_HV_ACCESS_WRITE, .gva_valid = 1, .instruction_len = 4, .bytes = 2,
		.instruction = { 0xaa, 0xbb },
	};
	struct hv_message message;
	struct hv_x64_memory_intercept_message body;
	struct hv_vp_assist_page assist;
	struct rig *rig;

	(void)state;
	config.dialect = GABI_HV_DIALECT_SHORT_MEMORY_MESSAGE;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1), 0); /* nothing is allowed */
	rig_vtl_return(rig, 0, 1);
	rig_set(rig, 0, 0, GABI_HV_REG_Rip, 0xabcd, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rflags, 0x202, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Cs, 0x11, 0xa09b001000ffffffull);
	rig_set(rig, 0, 0, GABI_HV_REG_Efer, 0x500, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_InterruptState, 1, 0);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN);
	memcpy(&message, rig_page(rig, 0, 1, RIG_SIMP), sizeof(message));
	memcpy(&body, message.u.payload, sizeof(body));
	assert_true(message.header.message_type == HVMSG_GPA_INTERCEPT);
	assert_int_equal(message.header.payload_size, sizeof(body));
	assert_int_equal(message.header.sender, 0x77);
	assert_int_equal(body.header.vp_index, 0);
	assert_int_equal(body.header.instruction_length, 4);
	assert_int_equal(body.header.intercept_access_type, HV_INTERCEPT_ACCESS_WRITE);
	assert_int_equal(body.header.execution_state.efer_lma, 1);
	assert_int_equal(body.header.execution_state.interrupt_shadow, 1);
	assert_int_equal(body.header.execution_state.vtl, 0);
	assert_int_equal(body.header.cs_segment.base, 0x11);
	assert_int_equal(body.header.cs_segment.limit, 0x00ffffff);
	assert_int_equal(body.header.cs_segment.selector, 0x0010);
	assert_int_equal(body.header.cs_segment._long, 1);
	assert_int_equal(body.header.rip, 0xabcd);
	assert_int_equal(body.header.rflags, 0x202);
	assert_int_equal(body.memory_access_info.gva_valid, 1);
	assert_int_equal(body.memory_access_info.gva_gpa_valid, 0);
	assert_int_equal(body.instruction_byte_count, 2);
	assert_int_equal(body.guest_virtual_address, fault.gva);
	assert_int_equal(body.guest_physical_address, fault.gpa);
	assert_memory_equal(body.instruction_bytes, fault.instruction, 16);
	memcpy(&assist, rig_page(rig, 0, 1, RIG_ASSIST), sizeof(assist));
	assert_int_equal(assist.vtl_entry_reason, GABI_HV_ENTRY_INTERCEPT);
	rig_free(rig);
}

/* A message of each other kind, by its number; the payload's tail has no structure in Linux. */
static const struct {
	const char *name;
	uint32_t type, access;
	uint64_t parameter;
	uint32_t message;
} kinds[] = {
	{ "a port", GABI_HV_INTERCEPT_IO_PORT, 3, 0x60, HVMSG_X64_IO_PORT_INTERCEPT },
	{ "an MSR", GABI_HV_INTERCEPT_MSR, 3, 0x1b, HVMSG_X64_MSR_INTERCEPT },
	{ "a CPUID leaf", GABI_HV_INTERCEPT_CPUID, 4, 1, HVMSG_X64_CPUID_INTERCEPT },
	{ "an exception", GABI_HV_INTERCEPT_EXCEPTION, 4, 14, HVMSG_X64_EXCEPTION_INTERCEPT },
};

static int happen(struct rig *rig, uint32_t type)
{
	struct gabi_hv_io io = { .port = 0x60, .size = 1 };
	struct gabi_hv_exception exception = { .vector = 14 };
	const uint32_t result[4] = { 0 };

	switch (type) {
	case GABI_HV_INTERCEPT_IO_PORT: return gabi_hv_io(rig->hv, 0, &io, 0, &rig->turn);
	case GABI_HV_INTERCEPT_MSR: return gabi_hv_msr_intercept(rig->hv, 0, 0x1b, 0, 2, 0, &rig->turn);
	case GABI_HV_INTERCEPT_CPUID: return gabi_hv_cpuid_intercept(rig->hv, 0, 1, result, 2, 0, &rig->turn);
	default: return gabi_hv_exception_intercept(rig->hv, 0, &exception, 0, &rig->turn);
	}
}

static void intercept_messages__have_linuxs_numbers_and_head(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct rig *rig = rig_secure();
		struct hv_x64_intercept_message_header head;
		struct hv_message message;

		memset(rig->ram + 0x1000, 0, 32);
		put(rig->ram + 0x1000, UINT64_MAX, 8);
		put(rig->ram + 0x1008, kinds[i].access, 4);
		put(rig->ram + 0x100c, kinds[i].type, 4);
		put(rig->ram + 0x1010, kinds[i].parameter, 8);
		assert_int_equal(rig_call(rig, GABI_HV_CALL_InstallIntercept), GABI_HV_STATUS_SUCCESS);
		rig_vtl_return(rig, 0, 1);
		rig_set(rig, 0, 0, GABI_HV_REG_Rip, 0xabcd, 0);
		assert_int_equal(happen(rig, kinds[i].type), GABI_HV_AGAIN);
		memcpy(&message, rig_page(rig, 0, 1, RIG_SIMP), sizeof(message));
		memcpy(&head, message.u.payload, sizeof(head));
		if (message.header.message_type != kinds[i].message || head.rip != 0xabcd)
			fail_msg("%s: %#x", kinds[i].name, message.header.message_type);
		rig_free(rig);
	}
}

/* What is written with Linux's unions means what Linux means by it, and what is delivered reads as Linux reads it. */
static void timer__set_and_read_with_linuxs_structures__is_understood(void **state)
{
	struct rig *rig = rig_secure();
	union hv_stimer_config config = { .auto_enable = 1, .sintx = 2 };
	union hv_synic_sint sint = { .vector = 0x55, .auto_eoi = 1 };
	struct hv_timer_message_payload payload;
	struct hv_message message;

	(void)state;
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0 + 2, sint.as_uint64, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG + 2, config.as_uint64, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_COUNT + 2, 500, 0, &rig->turn);
	assert_int_equal(gabi_hv_expire(rig->hv, 0, 510, &rig->turn), 0);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x55);
	assert_int_equal(rig->turn.act[0].interrupt.auto_eoi, 1);
	memcpy(&message, rig_page(rig, 0, 1, RIG_SIMP) + 2 * sizeof(message), sizeof(message));
	memcpy(&payload, message.u.payload, sizeof(payload));
	assert_true(message.header.message_type == HVMSG_TIMER_EXPIRED);
	assert_int_equal(message.header.payload_size, sizeof(payload));
	assert_int_equal(payload.timer_index, 1);
	assert_int_equal(payload.expiration_time, 500);
	assert_int_equal(payload.delivery_time, 510);

	config = (union hv_stimer_config){ .enable = 1, .periodic = 1, .lazy = 1, .direct_mode = 1, .apic_vector = 0x61 };
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_COUNT, 100, 1000, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG, config.as_uint64, 1000, &rig->turn);
	/* Lazy: one signal for all that was missed. */
	assert_int_equal(gabi_hv_expire(rig->hv, 0, 1950, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 2);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x61);
	assert_int_equal(rig->turn.act[1].at_100ns, 2000);
	sint = (union hv_synic_sint){ .vector = 0x56, .masked = 1 };
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0 + 4, sint.as_uint64, 0, &rig->turn);
	gabi_hv_post(rig->hv, 0, 1, 4, 5, "", 0, 0, &rig->turn);
	assert_int_equal(rig->turn.count, 0);
	sint = (union hv_synic_sint){ .vector = 0x56, .polling = 1 };
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0 + 5, sint.as_uint64, 0, &rig->turn);
	gabi_hv_post(rig->hv, 0, 1, 5, 5, "", 0, 0, &rig->turn);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void pages__read_and_written_with_linuxs_structures__are_understood(void **state)
{
	struct gabi_hv_config plain = rig_config();
	struct rig *rig;
	struct hv_vp_assist_page *assist;
	struct ms_hyperv_tsc_page tsc;
	union hv_register_vsm_partition_config config = { .enable_vtl_protection = 1, .default_vtl_protection_mask = 5 };
	union hv_register_vsm_capabilities capabilities;
	union hv_register_vsm_page_offsets offsets;
	union hv_input_vtl lower = { .target_vtl = 0, .use_target_vtl = 1 };

	(void)state;
	plain.dialect = GABI_HV_DIALECT_LOW_CAPABILITIES;
	plain.dr6_shared = 1;
	rig = rig_secure_with(&plain);
	assist = (struct hv_vp_assist_page *)(void *)rig_page(rig, 0, 1, RIG_ASSIST);
	assist->vtl_ret_x64rax = 0x1111;
	assist->vtl_ret_x64rcx = 0x2222;
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, config.as_uint64), 0);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 7), 5);
	assert_int_equal(rig_set_reg(rig, 0, lower.as_uint8, GABI_HV_REG_Rip, 0x77), 0);
	assert_int_equal(rig_reg(rig, 0, 0, GABI_HV_REG_Rip)->value.low, 0x77);
	assert_int_equal(rig_get_reg(rig, 0, 0, GABI_HV_REG_VsmCapabilities, &capabilities.as_uint64), 0);
	assert_int_equal(capabilities.dr6_shared, 1);
	assert_int_equal(capabilities.mbec_vtl_mask, 2);
	assert_int_equal(capabilities.deny_lower_vtl_startup, 1);
	assert_int_equal(rig_get_reg(rig, 0, 0, GABI_HV_REG_VsmCodePageOffsets, &offsets.as_uint64), 0);
	assert_true(offsets.vtl_call_offset && offsets.vtl_return_offset > offsets.vtl_call_offset);
	rig_vtl_return(rig, 0, 0);
	assert_int_equal(rig->turn.act[0].change.rax, 0x1111);
	assert_int_equal(rig->turn.act[0].change.rcx, 0x2222);
	rig_vtl_call(rig, 0);
	assert_int_equal(assist->vtl_entry_reason, GABI_HV_ENTRY_CALL);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_REFERENCE_TSC, 0x9001, 0, &rig->turn);
	gabi_hv_set_reference_tsc(rig->hv, 10000000, -7, 1);
	memcpy(&tsc, rig->pages + rig->turn.act[0].overlay.page * 4096, sizeof(tsc));
	assert_int_equal(tsc.tsc_sequence, 1);
	assert_true(tsc.tsc_offset == -7);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers__are_those_of_linux),
		cmocka_unit_test(sizes__are_those_of_linux),
		cmocka_unit_test(layouts__are_those_of_linux),
		cmocka_unit_test(memory_message__read_with_linuxs_structure__says_what_happened),
		cmocka_unit_test(intercept_messages__have_linuxs_numbers_and_head),
		cmocka_unit_test(timer__set_and_read_with_linuxs_structures__is_understood),
		cmocka_unit_test(pages__read_and_written_with_linuxs_structures__are_understood),
	};

	return cmocka_run_group_tests_name("hv_linux", tests, NULL, NULL);
}
