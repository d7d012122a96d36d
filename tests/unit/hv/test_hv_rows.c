/* SPDX-License-Identifier: MIT */
/*
 * Each row of gabi/hv_call.def in a call that is right and in one that is wrong, each row of gabi/hv_msr.def read or written and
 * refused. A row without its case fails: what more there is to each is in the other tests. TLFS pages are those of
 * Microsoft's Virtualization-Documentation, tlfs/; 6.0b is the document of that number.
 */
#include "hv_rig.h"

#define SELF UINT64_MAX
#define HERE 0xfffffffeu /* HV_VP_INDEX_SELF */

struct field {
	uint16_t at;
	uint8_t bytes;
	uint64_t value;
};

/* Who calls: VTL 0 of a partition without others, VTL 1, or VTL 0 below it. */
enum caller { ALONE, ABOVE, BELOW };

#define MOST 6

struct call_case {
	enum caller caller;
	uint64_t extra; /* of the input value: counts */
	struct field field[MOST];
	unsigned expected; /* HV_STATUS, or UD */
};

#define UD     0x10000u
#define SILENT 0x10001u /* goes on elsewhere: no status */

static const struct {
	uint16_t code;
	const char *source;
	struct call_case right, wrong;
} rows[] = {
	{ 0x0001, "6.0b 9.4.2, HvSwitchVirtualAddressSpace", { ALONE, 0, { { 0, 8, 0x1000 } }, 0 },
	  { ALONE, 0, { { 0, 8, 1ull << 60 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0002, "hypercalls/HvCallFlushVirtualAddressSpace, Flags", { ALONE, 0, { { 16, 8, 4 } }, 0 },
	  { ALONE, 0, { { 8, 8, 16 }, { 16, 8, 4 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0003, "hypercalls/HvCallFlushVirtualAddressList, Flags", { ALONE, REPS(1), { { 16, 8, 1 } }, 0 },
	  { ALONE, REPS(1), { { 8, 8, 4 }, { 16, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0008, "hypercalls/HvCallNotifyLongSpinWait; hypercall-interface, Hypercall Inputs", { ALONE, 0, { { 0, 4, 4096 } }, 0 },
	  { ALONE, REPS(1), { { 0, 4, 4096 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x000b, "hypercalls/HvCallSendSyntheticClusterIpi: vectors 0x10 to 0xFF", { ALONE, 0, { { 0, 4, 0x10 }, { 8, 8, 1 } }, 0 },
	  { ALONE, 0, { { 0, 4, 0x0f }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x000c, "hypercalls/HvCallModifyVtlProtectionMask, Return Values", { ABOVE, REPS(1), { { 0, 8, SELF }, { 8, 4, 1 }, { 12, 1, 0x10 }, { 16, 8, 9 } }, 0 },
	  { BELOW, REPS(1), { { 0, 8, SELF }, { 8, 4, 1 }, { 16, 8, 9 } }, GABI_HV_STATUS_ACCESS_DENIED } },
	{ 0x000d, "hypercalls/HvCallEnablePartitionVtl, Restrictions", { ALONE, 0, { { 0, 8, SELF }, { 8, 1, 1 } }, 0 },
	  { BELOW, 0, { { 0, 8, SELF }, { 8, 1, 1 } }, GABI_HV_STATUS_INVALID_VTL_STATE } },
	{ 0x000f, "hypercalls/HvCallEnableVpVtl, Return Values", { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, 5 }, { 12, 1, 1 }, { 32, 8, 2 }, { 208, 8, 1 } }, 0 },
	  { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, RIG_VPS }, { 12, 1, 1 }, { 32, 8, 2 }, { 208, 8, 1 } }, GABI_HV_STATUS_INVALID_VP_INDEX } },
	{ 0x0011, "hypercalls/HvCallVtlCall; vsm, VTL Call", { BELOW, 0, { { 0, 0, 0 } }, SILENT }, { ALONE, 0, { { 0, 0, 0 } }, UD } },
	{ 0x0012, "hypercalls/HvCallVtlReturn; vsm, VTL Return", { ABOVE, 0, { { 0, 0, 0 } }, SILENT }, { ALONE, 0, { { 0, 0, 0 } }, UD } },
	{ 0x0013, "hypercalls/HvCallFlushVirtualAddressSpaceEx; datatypes/HV_VP_SET", { ALONE, VARIABLE(1), { { 24, 8, 8 }, { 32, 8, 2 } }, 0 },
	  { ALONE, 0, { { 24, 8, 8 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x0014, "hypercalls/HvCallFlushVirtualAddressListEx; datatypes/HV_VP_SET", { ALONE, VARIABLE(1) | REPS(1), { { 24, 8, 1 }, { 32, 8, 2 } }, 0 },
	  { ALONE, VARIABLE(1), { { 24, 8, 1 }, { 32, 8, 2 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x0015, "hypercalls/HvCallSendSyntheticClusterIpiEx; datatypes/HV_VP_SET", { ALONE, VARIABLE(1), { { 0, 4, 0x80 }, { 16, 8, 1 }, { 24, 8, 1 } }, 0 },
	  { ALONE, VARIABLE(1), { { 0, 4, 0x80 }, { 8, 8, 2 }, { 16, 8, 1 }, { 24, 8, 1 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x0046, "6.0b appendix A; hypercall-interface, Hypercall Inputs", { ALONE, 0, { { 0, 0, 0 } }, 0 },
	  { ALONE, VARIABLE(1), { { 0, 0, 0 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x004d, "hypercalls/HvCallInstallIntercept; datatypes/HV_INTERCEPT_TYPE", { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, 3 }, { 16, 8, 0x3f8 } }, 0 },
	  { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, 3 }, { 12, 4, 99 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0050, "hypercalls/HvCallGetVpRegisters, Return Values", { ALONE, REPS(1), { { 0, 8, SELF }, { 8, 4, HERE }, { 16, 4, GABI_HV_REG_Rip } }, 0 },
	  { ALONE, REPS(1), { { 0, 8, SELF }, { 8, 4, HERE }, { 16, 4, 0x77777777 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0051, "hypercalls/HvCallSetVpRegisters, Return Values", { ABOVE, REPS(1), { { 0, 8, SELF }, { 8, 4, HERE }, { 12, 1, 0x10 }, { 16, 4, GABI_HV_REG_Rip } }, 0 },
	  { BELOW, REPS(1), { { 0, 8, SELF }, { 8, 4, HERE }, { 12, 1, 0x11 }, { 16, 4, GABI_HV_REG_Rip } }, GABI_HV_STATUS_ACCESS_DENIED } },
	{ 0x0052, "hypercalls/HvCallTranslateVirtualAddress, Return Values", { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, HERE }, { 16, 8, 1 }, { 24, 8, 5 } }, 0 },
	  { ABOVE, 0, { { 0, 8, 5 }, { 8, 4, HERE }, { 16, 8, 1 }, { 24, 8, 5 } }, GABI_HV_STATUS_INVALID_PARTITION_ID } },
	{ 0x005c, "hypercalls/HvCallPostMessage, Return Values", { ALONE, 0, { { 0, 4, 1 }, { 8, 4, 1 }, { 12, 4, 8 } }, 0 },
	  { ALONE, 0, { { 0, 4, 1 }, { 8, 4, 1 }, { 12, 4, 241 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x005d, "hypercalls/HvCallSignalEvent, Return Values", { ALONE, 0, { { 0, 4, 2 }, { 4, 2, 0 } }, 0 },
	  { ALONE, 0, { { 0, 4, 2 }, { 4, 2, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0069, "6.0b appendix A, HvPostDebugData", { ALONE, 0, { { 0, 4, 16 } }, 0 },
	  { ALONE, 0, { { 0, 4, 4089 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x006a, "6.0b appendix A, HvRetrieveDebugData", { ALONE, 0, { { 0, 4, 4 } }, 0 },
	  { ALONE, 0, { { 0, 4, 0 } }, GABI_HV_STATUS_NO_DATA } },
	{ 0x006b, "6.0b appendix A, HvResetDebugSession", { ALONE, 0, { { 0, 0, 0 } }, 0 },
	  { ALONE, REPS(1), { { 0, 0, 0 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
	{ 0x007e, "hypercalls/HvCallRetargetDeviceInterrupt; datatypes/HV_INTERRUPT_ENTRY", { ALONE, 0, { { 0, 8, SELF }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 48, 8, 8 } }, 0 },
	  { ALONE, 0, { { 0, 8, SELF }, { 16, 4, 2 }, { 40, 4, 0x50 }, { 48, 8, 8 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x0094, "hypercalls/HvCallAssertVirtualInterrupt", { ABOVE, 0, { { 0, 8, SELF }, { 24, 4, 0x50 } }, 0 },
	  { BELOW, 0, { { 0, 8, SELF }, { 24, 4, 0x50 } }, GABI_HV_STATUS_ACCESS_DENIED } },
	{ 0x0099, "hypercalls/HvCallStartVirtualProcessor, Return Values", { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, 1 }, { 12, 1, 1 }, { 32, 8, 2 }, { 208, 8, 1 } }, 0 },
	  { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, HERE }, { 12, 1, 1 }, { 32, 8, 2 }, { 208, 8, 1 } }, GABI_HV_STATUS_INVALID_VP_STATE } },
	{ 0x009a, "6.0b 7.10.1, HvGetVpIndexFromApicId", { ALONE, REPS(1), { { 0, 8, SELF }, { 16, 4, 3 } }, 0 },
	  { ALONE, REPS(1), { { 0, 8, SELF }, { 16, 4, 5000 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x00ac, "hypercalls/HvCallTranslateVirtualAddressEx", { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, HERE }, { 16, 8, 1 }, { 24, 8, 5 } }, 0 },
	  { ABOVE, 0, { { 0, 8, SELF }, { 8, 4, RIG_VPS }, { 16, 8, 1 }, { 24, 8, 5 } }, GABI_HV_STATUS_INVALID_VP_INDEX } },
	{ 0x00af, "hypercalls/HvCallFlushGuestPhysicalAddressSpace: flags are RsvdZ", { ALONE, 0, { { 0, 8, 0x1000 } }, 0 },
	  { ALONE, 0, { { 0, 8, 0x1000 }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x00b0, "hypercalls/HvCallFlushGuestPhysicalAddressList: flags are RsvdZ", { ALONE, REPS(1), { { 0, 8, 0x1000 } }, 0 },
	  { ALONE, REPS(1), { { 0, 8, 0x1000 }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER } },
	{ 0x8001, "hypercalls/HvExtCallQueryCapabilities", { ALONE, 0, { { 0, 0, 0 } }, 0 },
	  { ALONE, VARIABLE(1), { { 0, 0, 0 } }, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT } },
};

/* A debugger that has as much to say as it is asked for. */
static int debug_data(void *ctx, void *buf, size_t len, uint64_t timeout_100ns, size_t *ret_len, size_t *ret_left)
{
	(void)ctx, (void)timeout_100ns;
	memset(buf, 'd', len);
	*ret_len = len;
	*ret_left = 0;
	return 0;
}

static struct rig *rig_of(enum caller caller)
{
	const struct gabi_hv_port message = { .kind = GABI_HV_PORT_MESSAGE, .host = 1 };
	const struct gabi_hv_port event = { .kind = GABI_HV_PORT_EVENT, .host = 1, .flag_count = 1 };
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	config.leaf[10][0] = 1 << 18; /* second level flushes */
	rig = caller == ALONE ? rig_with(&config) : rig_secure_with(&config);
	if (caller == ALONE) {
		struct gabi_hv_ops ops = rig_ops(rig);

		ops.debug_data = debug_data;
		gabi_hv_free(rig->hv);
		assert_int_equal(gabi_hv_new(&rig->config, &ops, NULL, &rig->hv, NULL), 0);
		gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x8100, 0, &rig->turn);
	}
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &message, NULL), 0);
	assert_int_equal(gabi_hv_connect(rig->hv, 2, &event, NULL), 0);
	if (caller != ALONE)
		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 15 << 1), 0);
	if (caller == BELOW)
		assert_int_equal(rig_vtl_return(rig, 0, 1), GABI_HV_DONE);
	return rig;
}

/* What a call said: HV_STATUS, UD or SILENT. */
static unsigned outcome(uint16_t code, const struct call_case *one)
{
	struct rig *rig = rig_of(one->caller);
	unsigned status = 0, outcome;
	int done;

	memset(rig->ram + 0x1000, 0, 4096);
	for (unsigned i = 0; i < MOST && one->field[i].bytes; i++)
		put(rig->ram + 0x1000 + one->field[i].at, one->field[i].value, one->field[i].bytes);
	done = rig_call_on(rig, 0, code | one->extra, &status);
	outcome = done == GABI_HV_UD ? UD : done != GABI_HV_DONE ? ~0u : status == ~0u && rig->turn.count ? SILENT : status;
	rig_free(rig);
	return outcome;
}

static void hypercall__each_row__has_a_right_and_a_wrong_case(void **state)
{
	size_t count = sizeof(rows) / sizeof(rows[0]), seen = 0;

	(void)state;
	for (size_t i = 0; gabi_hv_call_info(i); i++) {
		const struct gabi_hv_call_info *info = gabi_hv_call_info(i);
		unsigned right, wrong;

		if (i >= count || rows[i].code != info->code)
			fail_msg("%s has no row here, or not in its place", info->name);
		assert_true(rows[i].right.expected == 0 || rows[i].right.expected == SILENT);
		assert_true(rows[i].wrong.expected != 0 && rows[i].wrong.expected != SILENT);
		right = outcome(info->code, &rows[i].right);
		wrong = outcome(info->code, &rows[i].wrong);
		if (right != rows[i].right.expected || wrong != rows[i].wrong.expected)
			fail_msg("%s (%s): the right case %#x, the wrong one %#x", info->name, rows[i].source, right, wrong);
		seen++;
	}
	assert_int_equal(seen, count);
}

/* Each in its direction, and without its privilege #GP: TLFS feature-discovery, Hypervisor CPUID Leaf Range, 0x40000003. */
static void msr__each_row__is_reached_and_refused(void **state)
{
	struct gabi_hv_config bare = rig_config();
	struct rig *rig = rig_new(), *poor;
	size_t count = 0;

	(void)state;
	memset(bare.leaf[3], 0, sizeof(bare.leaf[3]));
	memset(bare.leaf[4], 0, sizeof(bare.leaf[4]));
	bare.vtl_count = 1;
	poor = rig_with(&bare);
	for (; gabi_hv_msr_info(count); count++) {
		const struct gabi_hv_msr_info *info = gabi_hv_msr_info(count);
		uint64_t value = info->number == GABI_HV_MSR_TSC_INVARIANT_CONTROL ? 1 : 0x10000; /* a masked source */
		int reached, refused;

		if (info->readable) {
			reached = gabi_hv_rdmsr(rig->hv, 0, info->number, 0, &(uint64_t){ 0 }, &rig->turn);
			refused = gabi_hv_rdmsr(poor->hv, 0, info->number, 0, &(uint64_t){ 0 }, &poor->turn);
		} else {
			reached = gabi_hv_wrmsr(rig->hv, 0, info->number, value, 0, &rig->turn);
			refused = gabi_hv_wrmsr(poor->hv, 0, info->number, value, 0, &poor->turn);
		}
		if (reached != GABI_HV_DONE || refused != GABI_HV_GP || !strstr(info->source, " "))
			fail_msg("%s (%s): %s, and %s", info->name, info->source, gabi_hv_done_text(reached), gabi_hv_done_text(refused));
		if (info->readable && info->writable && gabi_hv_wrmsr(rig->hv, 0, info->number, value, 0, &rig->turn) != GABI_HV_DONE)
			fail_msg("%s (%s) is not written", info->name, info->source);
	}
	assert_true(count > 50);
	rig_free(poor);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hypercall__each_row__has_a_right_and_a_wrong_case),
		cmocka_unit_test(msr__each_row__is_reached_and_refused),
	};

	return cmocka_run_group_tests_name("hv_rows", tests, NULL, NULL);
}
