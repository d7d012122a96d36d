/* SPDX-License-Identifier: MIT */
/* Virtual Secure Mode: enabling, switches, registers, protections, intercepts. Each case with its page of the TLFS. */
#include "hv_rig.h"

#define CONFIG_PROTECT (1 | 15 << 1 | 1 << 5)

/* ---- enabling ---- */

static const struct {
	const char *name, *source;
	unsigned vtl, flags, dialect, status;
} enables[] = {
	{ "VTL 1", "HvCallEnablePartitionVtl", 1, 0, 0, GABI_HV_STATUS_SUCCESS },
	{ "VTL 1 with MBEC", "vsm, MBEC configuration", 1, 1, 0, GABI_HV_STATUS_SUCCESS },
	{ "VTL 0", "HvCallEnablePartitionVtl: an invalid parameter", 0, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "VTL 0, other dialect", "OpenHCL", 0, 0, GABI_HV_DIALECT_ENABLE_DENIED, GABI_HV_STATUS_ACCESS_DENIED },
	{ "VTL 2 from VTL 0", "Restrictions: the highest enabled below it", 2, 0, 0, GABI_HV_STATUS_SUCCESS },
	{ "VTL 2 with MBEC that the VMM cannot give", "vsm, VSM Capability Detection", 2, 1, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "VTL 3 where there are three", "vsm: a hypervisor may implement fewer", 3, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "reserved flags", "HV_ENABLE_PARTITION_VTL_FLAGS: Reserved", 1, 2, 0, GABI_HV_STATUS_INVALID_PARAMETER },
};

static void enable_partition__each_case__gives_the_status_of_its_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(enables) / sizeof(enables[0]); i++) {
		struct gabi_hv_config config = rig_config();
		struct rig *rig;
		unsigned status;

		config.vtl_count = 3;
		config.dialect = enables[i].dialect;
		rig = rig_with(&config);
		status = rig_enable_partition(rig, enables[i].vtl, enables[i].flags);
		if (status != enables[i].status)
			fail_msg("%s (%s): %#x", enables[i].name, enables[i].source, status);
		if (!status)
			assert_int_equal(rig_enable_partition(rig, enables[i].vtl, enables[i].flags), GABI_HV_STATUS_INVALID_VTL_STATE);
		rig_free(rig);
	}
}

/* HvCallEnablePartitionVtl: VTL 0 is no longer the highest below VTL 2 once VTL 1 is enabled. */
static void enable_partition__over_the_head_of_another__is_denied(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.vtl_count = 3;
	rig = rig_with(&config);
	assert_int_equal(rig_enable_partition(rig, 1, 0), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_enable_partition(rig, 2, 0), GABI_HV_STATUS_ACCESS_DENIED);
	rig_free(rig);
}

static void enable_vp__rules_of_the_page__hold(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 1), GABI_HV_STATUS_INVALID_VTL_STATE);
	assert_int_equal(rig_enable_partition(rig, 1, 0), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, RIG_VPS, 1), GABI_HV_STATUS_INVALID_VP_INDEX);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 0), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 2), GABI_HV_STATUS_INVALID_PARAMETER);
	put(rig->ram + 0x1000, 5, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_EnableVpVtl), GABI_HV_STATUS_INVALID_PARTITION_ID);

	/* Real mode is not for VTLs above 0. */
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	rig->ram[0x100c] = 1;
	put(rig->ram + 0x1010 + 192, 0, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_EnableVpVtl), GABI_HV_STATUS_INVALID_REGISTER_VALUE);

	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 1), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_CONTEXT);
	assert_int_equal(rig->turn.act[0].vtl, 1);
	assert_int_equal(rig->turn.act[0].context->rip, 0x1000);
	assert_int_equal(rig->turn.act[0].context->cr4, 0x20);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 0);
	assert_int_equal(gabi_hv_enabled_vtls(rig->hv, 0), 3);

	/* Once somewhere, only from VTL 1 and above. */
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 1, 1), GABI_HV_STATUS_ACCESS_DENIED);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &rig->turn);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 1, 1), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 1, 1), GABI_HV_STATUS_INVALID_PARAMETER);
	rig_free(rig);
}

static void enable_vp__already_enabled_in_the_other_dialect__says_so(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.dialect = GABI_HV_DIALECT_ALREADY_ENABLED;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 1, 1), GABI_HV_STATUS_VTL_ALREADY_ENABLED);
	rig_free(rig);
}

/* ---- starting ---- */

static void start_vp__once__starts_it_where_it_was_told(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 0, 1), GABI_HV_STATUS_INVALID_VP_STATE);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 5, 1), GABI_HV_STATUS_INVALID_VTL_STATE);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 1), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_CONTEXT);
	assert_int_equal(rig->turn.act[1].kind, GABI_HV_ACT_START);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 1), 1);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 0), GABI_HV_STATUS_INVALID_VP_STATE);
	assert_int_equal(rig_vtl_return(rig, 0, 1), GABI_HV_DONE);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 2, 1), GABI_HV_STATUS_ACCESS_DENIED);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 2, 0), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

/* vsm, DenyLowerVtlStartup. */
static void start_vp__denied_by_a_higher_vtl__is_denied(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 << 5 | 1 << 6), 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 2, 0), GABI_HV_STATUS_ACCESS_DENIED);
	rig_free(rig);
}

/* vsm, DenyLowerVtlStartup and InterceptVpStartup: this includes startup IPIs. */
static void may_run__not_started_and_denied__may_not(void **state)
{
	static const unsigned bits[] = { 1 << 6, 1 << 9 };

	(void)state;
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		struct rig *rig = rig_secure();

		assert_int_equal(gabi_hv_may_run(rig->hv, 2), 1);
		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 << 5 | bits[i]), 0);
		assert_int_equal(gabi_hv_may_run(rig->hv, 0), 1);
		assert_int_equal(gabi_hv_may_run(rig->hv, 2), 0);
		assert_int_equal(gabi_hv_may_run(rig->hv, RIG_VPS), 0);
		assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 1), GABI_HV_STATUS_SUCCESS);
		assert_int_equal(gabi_hv_may_run(rig->hv, 1), 1);
		rig_free(rig);
	}
}

/* vsm, InterceptVpStartup. */
static void start_vp__intercepted__enters_the_higher_vtl_and_starts_nothing(void **state)
{
	struct rig *rig = rig_secure();
	unsigned status;

	(void)state;
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 << 5 | 1 << 9), 0);
	rig_vtl_return(rig, 0, 1);
	memset(rig->ram + 0x1000, 0, 256);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 2, 4);
	rig_context(rig->ram + 0x1010);
	assert_int_equal(rig_call_on(rig, 0, GABI_HV_CALL_StartVirtualProcessor, &status), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_SIMP), 4), 0x80000050);
	assert_int_equal(rig_page(rig, 0, 1, RIG_SIMP)[4], 208);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_SIMP) + 16 + 56, 8), GABI_HV_CALL_StartVirtualProcessor); /* RCX */
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_SIMP) + 16 + 64, 8), 0x1000);                             /* RDX */
	rig_free(rig);
}

/* vsm, VTL Interrupt Management: INIT and startup IPIs at a lower VTL are dropped. */
static void init__at_a_vtl_below_another__is_dropped(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	assert_int_equal(gabi_hv_accepts_init(rig->hv, 1, 0), 0);
	assert_int_equal(gabi_hv_accepts_init(rig->hv, 1, 1), 1);
	assert_int_equal(gabi_hv_accepts_init(rig->hv, 9, 0), 1);
	assert_int_equal(gabi_hv_accepts_init(rig->hv, RIG_VPS, 0), 0);
	rig_free(rig);
}

/* ---- call and return ---- */

static const struct {
	const char *name, *source;
	unsigned enabled, in_vtl_1, back;
	uint64_t control;
	unsigned cpl, mode;
	int done;
} switches[] = {
	{ "call", "vsm, VTL Call", 1, 0, 0, 0, 0, GABI_HV_MODE_64, GABI_HV_DONE },
	{ "call without a higher VTL", "VTL Call Restrictions", 0, 0, 0, 0, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "call from the highest", "VTL Call Restrictions", 1, 1, 0, 0, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "call with a control bit", "VTL Call Restrictions: invalid control input", 1, 0, 0, 1, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "call with a high control bit", "VTL Call Restrictions: invalid control input", 1, 0, 0, 1ull << 63, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "call from user mode", "VTL Call Restrictions", 1, 0, 0, 0, 3, GABI_HV_MODE_64, GABI_HV_UD },
	{ "call from real mode", "VTL Call Restrictions", 1, 0, 0, 0, 0, GABI_HV_MODE_REAL, GABI_HV_UD },
	{ "call, 32-bit", "vsm, VTL Call", 1, 0, 0, 0, 0, GABI_HV_MODE_32, GABI_HV_DONE },
	{ "return", "vsm, VTL Return", 1, 1, 1, 0, 0, GABI_HV_MODE_64, GABI_HV_DONE },
	{ "fast return", "vsm, Fast Return", 1, 1, 1, 1, 0, GABI_HV_MODE_64, GABI_HV_DONE },
	{ "return from the lowest", "VTL Return: the lowest VTL is active", 1, 0, 1, 0, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "return with a reserved bit", "VTL Return Control Input: RsvdZ", 1, 1, 1, 2, 0, GABI_HV_MODE_64, GABI_HV_UD },
	{ "return from user mode", "VTL Return", 1, 1, 1, 0, 3, GABI_HV_MODE_64, GABI_HV_UD },
};

static void vtl_switch__each_case__is_done_or_ud_by_port_and_by_instruction(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * sizeof(switches) / sizeof(switches[0]); i++) {
		size_t at = i / 2;
		bool by_port = i % 2;
		struct rig *rig = switches[at].enabled ? rig_secure() : rig_new();
		struct gabi_hv_regs regs = { .cpl = (uint8_t)switches[at].cpl, .mode = (uint8_t)switches[at].mode };
		unsigned before;
		int done;

		if (switches[at].enabled && !switches[at].in_vtl_1)
			rig_vtl_return(rig, 0, 1);
		before = gabi_hv_active_vtl(rig->hv, 0);
		if (by_port) {
			regs.rcx = switches[at].control;
			done = switches[at].back ? gabi_hv_vtl_return(rig->hv, 0, &regs, 0, &rig->turn) :
						   gabi_hv_vtl_call(rig->hv, 0, &regs, 0, &rig->turn);
		} else {
			uint64_t code = switches[at].back ? 0x12 : 0x11;

			regs.rcx = regs.mode == GABI_HV_MODE_64 ? code : switches[at].control;
			regs.rax = regs.mode == GABI_HV_MODE_64 ? switches[at].control : code;
			done = gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn);
			assert_int_equal(regs.changed, 0);
		}
		if (done != switches[at].done ||
		    gabi_hv_active_vtl(rig->hv, 0) != (done == GABI_HV_DONE ? 1 - before : before))
			fail_msg("%s (%s) by %s: %s", switches[at].name, switches[at].source, by_port ? "port" : "instruction",
				 gabi_hv_done_text(done));
		rig_free(rig);
	}
}

static void vtl_call__tells_why_it_entered(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	rig_vtl_return(rig, 0, 1);
	rig_vtl_call(rig, 0);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_SWITCH);
	assert_int_equal(rig->turn.act[0].vtl, 0);
	assert_int_equal(rig->turn.act[0].change.to, 1);
	assert_int_equal(rig->turn.act[0].change.reason, GABI_HV_ENTRY_CALL);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_ASSIST) + 8, 4), 1);
	rig_free(rig);
}

/* HV_VP_VTL_CONTROL: VtlReturnX64Rax at 0x10 and Rcx at 0x18 of the assist page. */
static void vtl_return__not_fast__restores_from_the_assist_page(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	put(rig_page(rig, 0, 1, RIG_ASSIST) + 0x10, 0x1111, 8);
	put(rig_page(rig, 0, 1, RIG_ASSIST) + 0x18, 0x2222, 8);
	rig_vtl_return(rig, 0, 0);
	assert_int_equal(rig->turn.act[0].change.restore, GABI_HV_RESTORE_64);
	assert_int_equal(rig->turn.act[0].change.rax, 0x1111);
	assert_int_equal(rig->turn.act[0].change.rcx, 0x2222);
	rig_vtl_call(rig, 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(rig->turn.act[0].change.restore, GABI_HV_RESTORE_NOTHING);
	rig_free(rig);
}

/* ---- interrupts: vsm, VTL Interrupt Management ---- */

static void interrupt__for_a_higher_vtl__enters_it(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_interrupt(rig->hv, 0, 1, 1, &rig->turn), 0);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(rig->turn.act[0].change.reason, GABI_HV_ENTRY_INTERRUPT);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_ASSIST) + 8, 4), 2);

	/* Interrupt Masking and VTL Switches: still pending at the return, it calls back at once. */
	assert_int_equal(rig_vtl_return(rig, 0, 1), GABI_HV_DONE);
	assert_int_equal(rig->turn.count, 2);
	assert_int_equal(rig->turn.act[0].change.to, 0);
	assert_int_equal(rig->turn.act[1].change.to, 1);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	gabi_hv_interrupt(rig->hv, 0, 1, 0, &rig->turn);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 0);
	rig_free(rig);
}

static void interrupt__for_a_lower_vtl__waits(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	assert_int_equal(gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn), 0);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void interrupt__for_a_vtl_that_is_not_enabled__does_nothing(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(gabi_hv_interrupt(rig->hv, 0, 1, 1, &rig->turn), 0);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 0);
	assert_int_equal(gabi_hv_interrupt(rig->hv, 0, 2, 1, &rig->turn), GABI_ERR_ARG);
	rig_free(rig);
}

/* vsm, Virtual Interrupt Notification Assist: once, until the flag is cleared by hand or by the next entry. */
static void vina__lower_interrupt__notifies_once(void **state)
{
	struct rig *rig = rig_secure();
	uint8_t *assist = rig_page(rig, 0, 1, RIG_ASSIST);

	(void)state;
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVina, 0x71 | 1 << 8 | 1 << 10), 0);
	gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.act[0].vtl, 1);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x71);
	assert_int_equal(rig->turn.act[0].interrupt.auto_eoi, 1);
	assert_int_equal(assist[12] & 1, 1);
	gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn);
	assert_int_equal(rig->turn.count, 0);
	assist[12] = 0;
	gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn);
	assert_int_equal(rig->turn.count, 1);

	/* Auto-reset: the next entry clears it, and what still waits is told anew. */
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVina, 0x71 | 1 << 8 | 1 << 9), 0);
	rig_vtl_return(rig, 0, 1);
	rig_vtl_call(rig, 0);
	assert_int_equal(rig->turn.count, 2);
	assert_int_equal(rig->turn.act[1].kind, GABI_HV_ACT_INTERRUPT);
	gabi_hv_interrupt(rig->hv, 0, 0, 0, &rig->turn);
	rig_vtl_return(rig, 0, 1);
	rig_vtl_call(rig, 0);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(assist[12] & 1, 0);

	/* No local APIC takes a vector below 16: the level has the flag alone. */
	for (unsigned vector = 0; vector < 17; vector++) {
		assist[12] = 0;
		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVina, vector | 1 << 8 | 1 << 10), 0);
		gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn);
		assert_int_equal(rig->turn.count, vector == 16);
		assert_int_equal(assist[12] & 1, 1);
	}
	rig_free(rig);
}

/* ---- registers ---- */

static const struct {
	const char *name, *source;
	unsigned from_vtl_1, input_vtl;
	uint32_t reg;
	uint64_t write;
	unsigned status;
	uint64_t read; /* if the write was a success */
} registers[] = {
	{ "own RIP", "HvCallSetVpRegisters", 1, 0, GABI_HV_REG_Rip, 0x1234, 0, 0x1234 },
	{ "a lower VTL's RIP", "vsm, Handling Secure Intercepts", 1, 0x10, GABI_HV_REG_Rip, 0x77, 0, 0x77 },
	{ "a higher VTL's RIP", "vsm, Virtual Processor State Isolation", 0, 0x11, GABI_HV_REG_Rip, 0x1234, GABI_HV_STATUS_ACCESS_DENIED, 0 },
	{ "a VTL that there is not", "HV_INPUT_VTL", 1, 0x12, GABI_HV_REG_Rip, 1, GABI_HV_STATUS_ACCESS_DENIED, 0 },
	{ "reserved bits in the VTL", "HV_INPUT_VTL: ReservedZ", 1, 0x30, GABI_HV_REG_Rip, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "a value that cannot be", "HvCallSetVpRegisters", 1, 0, GABI_HV_REG_Cr0, 1ull << 32, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
	{ "a register that the processor lacks", "HvCallSetVpRegisters", 1, 0, GABI_HV_REG_MtrrCap, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "an unknown name", "HV_REGISTER_NAME", 1, 0, 0x12345678, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "a CPUID leaf", "HvCallSetVpRegisters: read-only", 1, 0, GABI_HV_REG_FeaturesInfo, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "an MSR", "HV_REGISTER_NAME", 1, 0, GABI_HV_REG_Sint3, 0x55, 0, 0x55 },
	{ "an MSR that would be #GP", "SINTx", 1, 0, GABI_HV_REG_Sint3, 5, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
	{ "a read-only MSR", "HvCallSetVpRegisters: read-only", 1, 0, GABI_HV_REG_VpIndex, 5, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "partition status", "vsm: read-only", 1, 0, GABI_HV_REG_VsmPartitionStatus, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "processor status", "vsm: read-only", 1, 0, GABI_HV_REG_VsmVpStatus, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "partition configuration", "vsm, Partition Configuration", 1, 0, GABI_HV_REG_VsmPartitionConfig, 0x3f, 0, 0x3f },
	{ "partition configuration, reserved", "HV_REGISTER_VSM_PARTITION_CONFIG: ReservedZ", 1, 0, GABI_HV_REG_VsmPartitionConfig, 1 << 7, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
	{ "partition configuration of VTL 0", "vsm: for each VTL greater than 0", 0, 0, GABI_HV_REG_VsmPartitionConfig, 0x20, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "partition configuration of a higher VTL", "vsm: not for higher VTLs", 0, 0x11, GABI_HV_REG_VsmPartitionConfig, 0x20, GABI_HV_STATUS_ACCESS_DENIED, 0 },
	{ "MBEC of VTL 0", "vsm, MbecEnabled", 1, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, 1, 0, 1 },
	{ "MBEC of itself", "vsm, Configuring Lower VTLs", 1, 0, GABI_HV_REG_VsmVpSecureConfigVtl1, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "secure configuration, reserved", "ReservedZ", 1, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, 4, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
	{ "secure configuration by VTL 0", "vsm, Configuring Lower VTLs", 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "traps", "vsm, Secure Register Intercepts", 1, 0, GABI_HV_REG_CrInterceptControl, 0xffffff, 0, 0xffffff },
	{ "traps, reserved", "RsvdZ", 1, 0, GABI_HV_REG_CrInterceptControl, 1ull << 40, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
	{ "traps by VTL 0", "vsm: a higher VTL", 0, 0, GABI_HV_REG_CrInterceptControl, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "a mask", "vsm, Mask Registers", 1, 0, GABI_HV_REG_CrInterceptCr4Mask, 0x1000, 0, 0x1000 },
	{ "wait for TLB locks of a lower VTL", "HV_REGISTER_NAME", 1, 0x10, GABI_HV_REG_VsmVpWaitForTlbLock, 1, 0, 1 },
	{ "wait for TLB locks of itself", "HV_REGISTER_NAME", 1, 0, GABI_HV_REG_VsmVpWaitForTlbLock, 1, GABI_HV_STATUS_INVALID_REGISTER_VALUE, 0 },
};

static void set_registers__each_case__gives_the_status_of_its_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		struct rig *rig = rig_secure();
		unsigned status;
		uint64_t value = 0;

		if (!registers[i].from_vtl_1)
			rig_vtl_return(rig, 0, 1);
		status = rig_set_reg(rig, 0, registers[i].input_vtl, registers[i].reg, registers[i].write);
		if (!status)
			rig_get_reg(rig, 0, registers[i].input_vtl, registers[i].reg, &value);
		if (status != registers[i].status || value != registers[i].read)
			fail_msg("%s (%s): %#x, then %#llx", registers[i].name, registers[i].source, status, (unsigned long long)value);
		rig_free(rig);
	}
}

static uint64_t read_reg(struct rig *rig, uint32_t reg)
{
	uint64_t value;

	assert_int_equal(rig_get_reg(rig, 0, 0, reg, &value), GABI_HV_STATUS_SUCCESS);
	return value;
}

static void status_registers__say_who_is_enabled_and_active(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	assert_int_equal(read_reg(rig, GABI_HV_REG_VsmVpStatus), 1 | 3 << 16);
	assert_int_equal(read_reg(rig, GABI_HV_REG_VsmPartitionStatus), 3 | 1 << 16 | 2 << 20);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, 1), 0);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_SECURE_CONFIG);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(read_reg(rig, GABI_HV_REG_VsmVpStatus), 0 | 1 << 4 | 3 << 16);
	assert_int_equal(read_reg(rig, GABI_HV_REG_PrivilegesAndFeaturesInfo), UINT64_MAX);
	rig_free(rig);
}

static void capabilities__layout__is_the_dialects(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	uint64_t value;

	(void)state;
	config.dr6_shared = 1;
	rig = rig_with(&config);
	assert_int_equal(read_reg(rig, GABI_HV_REG_VsmCapabilities), 1ull << 63 | 2ull << 47 | 1ull << 46);
	assert_int_equal(gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_VSM_CAPABILITIES, 0, &value, &rig->turn), GABI_HV_DONE);
	assert_int_equal(value, 1ull << 63 | 2ull << 47 | 1ull << 46);
	rig_free(rig);
	config.dialect = GABI_HV_DIALECT_LOW_CAPABILITIES;
	rig = rig_with(&config);
	assert_int_equal(read_reg(rig, GABI_HV_REG_VsmCapabilities), 1 | 2 << 1 | 1 << 17);
	rig_free(rig);
}

/* vsm, Hypercall Page Assist. */
static void code_offsets__point_at_the_sequences_in_the_page(void **state)
{
	struct rig *rig = rig_secure();
	uint64_t offsets = read_reg(rig, GABI_HV_REG_VsmCodePageOffsets);
	const uint8_t *page;

	(void)state;
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_HYPERCALL, 0x32001, 0, &rig->turn);
	page = rig->pages + rig->turn.act[0].overlay.page * 4096;
	assert_memory_equal(page + (offsets & 0xfff), "\xe6\x61\xc3", 3);
	assert_memory_equal(page + (offsets >> 12 & 0xfff), "\xe6\x62\xc3", 3);
	rig_free(rig);
}

/* Private MSRs: each VTL has its own. */
static void msrs__private_ones__are_each_vtls_own(void **state)
{
	struct rig *rig = rig_secure();
	uint64_t value;

	(void)state;
	rig_vtl_return(rig, 0, 1);
	gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_SIMP, 0, &value, &rig->turn);
	assert_int_equal(value, 0);
	gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0, &value, &rig->turn);
	assert_int_equal(value, 0x8100);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SIMP, 0x5001, 0, &rig->turn);
	assert_int_equal(rig->turn.act[0].vtl, 0);
	rig_vtl_call(rig, 0);
	gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_SIMP, 0, &value, &rig->turn);
	assert_int_equal(value, 0x31001);
	rig_free(rig);
}

static void reg_info__rows_are_sorted_and_cover_the_tlfs_lists(void **state)
{
	unsigned shared = 0, private = 0;

	(void)state;
	for (size_t i = 0; gabi_hv_reg_info(i); i++) {
		assert_true(i == 0 || gabi_hv_reg_info(i - 1)->number < gabi_hv_reg_info(i)->number);
		shared += gabi_hv_reg_info(i)->cpu && gabi_hv_reg_info(i)->share == GABI_HV_SHARED;
		private += gabi_hv_reg_info(i)->cpu && gabi_hv_reg_info(i)->share == GABI_HV_PRIVATE;
	}
	/* 15 GPRs, CR2, DR0-3, XCR0, 26 of FP and SSE, 45 MTRRs. */
	assert_int_equal(shared, 15 + 1 + 4 + 1 + 26 + 45);
	assert_true(private > 30);
}

/* ---- protections ---- */

static unsigned protect(struct rig *rig, unsigned input_vtl, unsigned flags, const uint64_t *gfn, unsigned count, unsigned *ret_done)
{
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_ModifyVtlProtectionMask | REPS(count));

	memset(rig->ram + 0x1000, 0, 16);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, flags, 4);
	rig->ram[0x100c] = (uint8_t)input_vtl;
	for (unsigned i = 0; i < count; i++)
		put(rig->ram + 0x1010 + i * 8, gfn[i], 8);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	*ret_done = regs.rax >> 32 & 0xfff;
	return regs.rax & 0xffff;
}

static struct rig *protecting_rig(void)
{
	struct rig *rig = rig_secure();

	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	return rig;
}

static const struct {
	const char *name, *source;
	unsigned enable, in_vtl_1, input_vtl, flags;
	uint64_t gfn;
	unsigned dialect, status;
} modifies[] = {
	{ "read-only", "HvCallModifyVtlProtectionMask", 1, 1, 0x10, 1, 100, 0, GABI_HV_STATUS_SUCCESS },
	{ "all lower ones", "HV_INPUT_VTL: UseTargetVtl clear", 1, 1, 0, 0, 100, 0, GABI_HV_STATUS_SUCCESS },
	{ "before EnableVtlProtection", "vsm, Enable VTL Protections", 0, 1, 0x10, 1, 100, 0, GABI_HV_STATUS_INVALID_VTL_STATE },
	{ "by VTL 0", "only on a lower VTL", 1, 0, 0, 1, 100, 0, GABI_HV_STATUS_ACCESS_DENIED },
	{ "on itself", "only on a lower VTL", 1, 1, 0x11, 1, 100, 0, GABI_HV_STATUS_ACCESS_DENIED },
	{ "on itself, the other reading", "OpenHCL: the caller's VTL", 1, 1, 0x11, 1, 100, GABI_HV_DIALECT_OWN_PROTECTION, GABI_HV_STATUS_SUCCESS },
	{ "VTL 0, the other reading", "OpenHCL: INVALID_PARAMETER", 1, 1, 0x10, 1, 100, GABI_HV_DIALECT_OWN_PROTECTION, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "write without read", "vsm: five types of protection", 1, 1, 0x10, 2, 100, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "execute without read", "vsm: five types of protection", 1, 1, 0x10, 12, 100, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "another flag", "HV_MAP_GPA_FLAGS", 1, 1, 0x10, 0x11, 100, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "what no KVM enforces", "hv_dialect.def: stock-kvm", 1, 1, 0x10, 3, 100, GABI_HV_DIALECT_STOCK_KVM, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "what a shim enforces", "hv_dialect.def: execute", 1, 1, 0x10, 3, 100, GABI_HV_DIALECT_STOCK_KVM | GABI_HV_DIALECT_EXECUTE, GABI_HV_STATUS_SUCCESS },
	{ "no access, which KVM enforces", "hv_dialect.def: stock-kvm", 1, 1, 0x10, 0, 100, GABI_HV_DIALECT_STOCK_KVM, GABI_HV_STATUS_SUCCESS },
	{ "no writing, which KVM enforces", "hv_dialect.def: stock-kvm", 1, 1, 0x10, 13, 100, GABI_HV_DIALECT_STOCK_KVM, GABI_HV_STATUS_SUCCESS },
	{ "no RAM", "non-RAM ranges: INVALID_PARAMETER", 1, 1, 0x10, 1, 1 << 16, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "beyond everything", "non-RAM ranges: INVALID_PARAMETER", 1, 1, 0x10, 1, UINT64_MAX, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "the last page of RAM", "HvCallModifyVtlProtectionMask", 1, 1, 0x10, 1, (1 << 16) - 1, 0, GABI_HV_STATUS_SUCCESS },
};

static void modify_protection__each_case__gives_the_status_of_its_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(modifies) / sizeof(modifies[0]); i++) {
		struct gabi_hv_config config = rig_config();
		struct rig *rig;
		unsigned status, done;

		config.dialect = modifies[i].dialect;
		rig = rig_secure_with(&config);
		if (modifies[i].enable)
			assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
		if (!modifies[i].in_vtl_1)
			rig_vtl_return(rig, 0, 1);
		status = protect(rig, modifies[i].input_vtl, modifies[i].flags, &modifies[i].gfn, 1, &done);
		if (status != modifies[i].status || done != !status || rig->turn.changes != done ||
		    (done && gabi_hv_protection(rig->hv, 0, modifies[i].gfn) != modifies[i].flags))
			fail_msg("%s (%s): %#x", modifies[i].name, modifies[i].source, status);
		assert_int_equal(gabi_hv_protection(rig->hv, 1, 100), GABI_HV_ALL_ACCESS);
		rig_free(rig);
	}
}

/* vsm, Default Protection Mask: for all pages, with the enabling, and then never again. */
static void default_mask__with_the_enabling__holds_for_all_pages(void **state)
{
	struct rig *rig = rig_secure();
	unsigned prot;

	(void)state;
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 3 << 1), 0);
	assert_int_equal(rig->turn.changes, 1);
	assert_int_equal(rig->turn.change[0].count, 1 << 20);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 12345), 3);
	assert_int_equal(gabi_hv_protection_run(rig->hv, 0, 0, &prot), 1 << 20);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 0), GABI_HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 7 << 1), GABI_HV_STATUS_INVALID_REGISTER_VALUE);
	rig_free(rig);
}

static void changes__of_a_list_in_any_order__are_as_many_as_the_runs(void **state)
{
	static const uint64_t gfn[] = { 10, 9, 8, 20, 11, 21, 7, 40, 21 };
	struct rig *rig = protecting_rig();
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 1, gfn, 9, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(done, 9);
	assert_int_equal(rig->turn.changes, 3);
	assert_int_equal(rig->turn.change[0].gfn, 7);
	assert_int_equal(rig->turn.change[0].count, 5);
	assert_int_equal(rig->turn.change[1].gfn, 20);
	assert_int_equal(rig->turn.change[1].count, 2);
	assert_int_equal(rig->turn.change[2].gfn, 40);
	assert_int_equal(rig->turn.change[2].prot, 1);
	assert_int_equal(protect(rig, 0x10, 1, gfn, 9, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.changes, 0); /* nothing is new */
	rig_free(rig);
}

static void modify_protection__error_at_an_element__did_those_before(void **state)
{
	static const uint64_t gfn[] = { (1 << 16) - 2, (1 << 16) - 1, 1 << 16, 5 };
	struct rig *rig = protecting_rig();
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 0, gfn, 4, &done), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(done, 2);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, (1 << 16) - 1), 0);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 5), GABI_HV_ALL_ACCESS);
	rig_free(rig);
}

static void modify_protection__memory_limit__is_insufficient_memory_and_loses_nothing(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	unsigned done, status = 0;
	uint64_t gfn = 0, failed;

	(void)state;
	config.protect_bytes = 24 * 1024;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	for (; gfn < 1 << 16 && !status; gfn += 512)
		status = protect(rig, 0x10, 1, &gfn, 1, &done);
	assert_int_equal(status, GABI_HV_STATUS_INSUFFICIENT_MEMORY);
	failed = gfn - 512;
	assert_int_equal(gabi_hv_protection(rig->hv, 0, failed), GABI_HV_ALL_ACCESS);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, failed - 512), 1);
	/* What becomes alike again gives its memory back. */
	gfn = 0;
	assert_int_equal(protect(rig, 0x10, 15, &gfn, 1, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(protect(rig, 0x10, 1, &failed, 1, &done), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

/* A call that restricts several VTLs has done a page when it is restricted for all of them. */
static void modify_protection__memory_for_one_of_two_vtls__is_not_done(void **state)
{
	static const uint64_t gfn = 0;
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	unsigned done;

	(void)state;
	config.vtl_count = 3;
	config.protect_bytes = 24 * 1024; /* for one VTL's pages */
	rig = rig_with(&config);
	assert_int_equal(gabi_hv_set_ram(rig->hv, 0, 1u << 16), 0);
	assert_int_equal(rig_enable_partition(rig, 2, 0), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 2), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x1040, 0, &rig->turn);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(protect(rig, 0x11, 1, &gfn, 1, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(protect(rig, 0, 0, &gfn, 1, &done), GABI_HV_STATUS_INSUFFICIENT_MEMORY);
	assert_int_equal(done, 0);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 0), GABI_HV_ALL_ACCESS);
	rig_free(rig);
}

/* The highest pages that a guest can have: 16 TiB, as RAM in two pieces. */
static void modify_protection__of_the_last_pages_of_16_tib__reaches_them(void **state)
{
	const uint64_t pages = 1ull << 32, last = pages - 1, before[] = { last - 513, last - 512, last - 1, last, 5 }, none[] = { pages, last + (1ull << 20) };
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	unsigned done, prot;

	(void)state;
	config.gpa_pages = pages;
	rig = rig_secure_with(&config);
	assert_int_equal(gabi_hv_set_ram(rig->hv, pages - (1u << 20), 1u << 20), 0);
	assert_int_equal(gabi_hv_set_ram(rig->hv, pages, 1), GABI_ERR_RANGE);
	assert_int_equal(gabi_hv_set_ram(rig->hv, last, 2), GABI_ERR_RANGE);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(protect(rig, 0x10, 1, before, 5, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(done, 5);
	assert_int_equal(rig->turn.changes, 3);
	assert_int_equal(rig->turn.change[2].gfn, last - 1);
	assert_int_equal(rig->turn.change[2].count, 2);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, last), 1);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, last - 2), GABI_HV_ALL_ACCESS);
	assert_int_equal(gabi_hv_protection_run(rig->hv, 0, last - 1, &prot), 2);
	assert_int_equal(prot, 1);
	assert_int_equal(gabi_hv_protection_run(rig->hv, 0, 6, &prot), last - 513 - 6);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, pages), 0); /* none that there is */
	assert_int_equal(protect(rig, 0x10, 1, none, 2, &done), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(done, 0);
	assert_int_equal(protect(rig, 0x10, 15, before, 5, &done), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(gabi_hv_protection_run(rig->hv, 0, 0, &prot), pages);
	rig_free(rig);
}

/* The store against a plain array, over single pages, runs and whole regions. */
static void protections__against_a_plain_array__are_the_same(void **state)
{
	enum { PAGES = 1 << 16 };
	static uint8_t plain[PAGES];
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	uint64_t random = 88172645463325252u, list[200];

	(void)state;
	config.protect_bytes = 1 << 20;
	config.mbec_vtls = 2;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	memset(plain, 15, sizeof(plain));
	for (unsigned round = 0; round < 4000; round++) {
		static const uint8_t masks[] = { 0, 1, 3, 5, 7, 9, 13, 15 };
		unsigned count, done, mask;
		uint64_t first;

		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		count = 1 + (unsigned)(random >> 8) % 200;
		first = (random >> 20) % (PAGES - 600) & (random & 1 ? ~0ull : ~511ull);
		mask = masks[random >> 50 & 7];
		for (unsigned i = 0; i < count; i++) {
			list[i] = first + i * (1 + (random >> 60 & 1));
			plain[list[i]] = (uint8_t)mask;
		}
		assert_int_equal(protect(rig, 0x10, mask, list, count, &done), GABI_HV_STATUS_SUCCESS);
		for (unsigned i = 1; i < rig->turn.changes; i++)
			assert_true(rig->turn.change[i - 1].gfn + rig->turn.change[i - 1].count < rig->turn.change[i].gfn);
	}
	for (uint64_t gfn = 0, run; gfn < PAGES; gfn += run) {
		unsigned prot;

		run = gabi_hv_protection_run(rig->hv, 0, gfn, &prot);
		assert_true(run > 0);
		for (uint64_t i = gfn; i < gfn + run && i < PAGES; i++)
			if (plain[i] != prot || gabi_hv_protection(rig->hv, 0, i) != prot)
				fail_msg("page %llu: %u, not %u", (unsigned long long)i, prot, plain[i]);
		if (gfn + run < PAGES)
			assert_int_not_equal(plain[gfn + run], prot);
	}
	rig_free(rig);
}

/* ---- intercepts ---- */

static void memory_fault__on_a_protected_page__is_told_to_the_vtl_that_protects_it(void **state)
{
	static const uint64_t gfn = 7;
	struct rig *rig = protecting_rig();
	struct gabi_hv_fault fault = {
		.gpa = 0x7123, .gva = 0xffff800000007123, .access = GABI_HV_ACCESS_WRITE, .gva_valid = 1, .gva_is_of_gpa = 1,
		.instruction_len = 3, .bytes = 3, .instruction = { 0x48, 0x89, 0x07 },
	};
	const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP), *payload = slot + 16;
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 5, &gfn, 1, &done), 0);
	rig_vtl_return(rig, 0, 1);
	rig_set(rig, 0, 0, GABI_HV_REG_Rip, 0xfffff80000001000, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rflags, 0x246, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Cs, 0, 0x209b001000000000);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr0, 0x80050033, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Efer, 0xd01, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_R15, 0x1515, 0);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_SWITCH);
	assert_int_equal(rig->turn.act[0].change.reason, GABI_HV_ENTRY_INTERCEPT);
	assert_int_equal(rig->turn.act[1].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.act[1].interrupt.vector, 0x40);
	assert_int_equal(rig->turn.act[1].vtl, 1);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_ASSIST) + 8, 4), 3);
	assert_int_equal(get(slot, 4), 0x80000001);
	assert_int_equal(slot[4], 240);
	assert_int_equal(get(slot + 8, 8), 0x77);
	assert_int_equal(get(payload, 4), 0);                      /* VP */
	assert_int_equal(payload[4], 3);                           /* instruction length */
	assert_int_equal(payload[5], 1);                           /* write */
	assert_int_equal(get(payload + 6, 2), 1 << 2 | 1 << 3 | 1 << 4); /* PE, AM, LMA */
	assert_int_equal(get(payload + 24, 8), 0xfffff80000001000);
	assert_int_equal(get(payload + 32, 8), 0x246);
	assert_int_equal(get(payload + 40, 4), 6);                 /* write-back */
	assert_int_equal(payload[44], 3);
	assert_int_equal(payload[45], 3);
	assert_int_equal(get(payload + 48, 8), fault.gva);
	assert_int_equal(get(payload + 56, 8), fault.gpa);
	assert_memory_equal(payload + 64, fault.instruction, 3);
	assert_int_equal(get(payload + 232, 8), 0x1515);           /* R15, the last */
	rig_free(rig);
}

static void memory_fault__other_accesses__pass_or_are_retried(void **state)
{
	static const uint64_t gfn = 7;
	struct rig *rig = protecting_rig();
	struct gabi_hv_fault fault = { .gpa = 0x7000, .access = GABI_HV_ACCESS_WRITE };
	unsigned done;

	(void)state;
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_DONE); /* nobody protects */
	rig_vtl_call(rig, 0);
	assert_int_equal(protect(rig, 0x10, 5, &gfn, 1, &done), 0);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_DONE); /* VTL 1 itself may */
	rig_vtl_return(rig, 0, 1);
	fault.access = GABI_HV_ACCESS_READ;
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN); /* allowed by now */
	assert_int_equal(rig->turn.count, 0);
	fault.gpa = 0x8000;
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_DONE);
	rig_free(rig);
}

/* Virtual processor 5 has no VTL 1: it is kept from the page all the same. */
static void memory_fault__on_a_processor_without_the_vtl_that_forbids__is_gp(void **state)
{
	static const uint64_t gfn = 7;
	struct rig *rig = protecting_rig();
	struct gabi_hv_fault fault = { .gpa = 0x7000, .access = GABI_HV_ACCESS_WRITE };
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_NotifyLongSpinWait);
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 0, &gfn, 1, &done), 0);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 5, &fault, 0, &rig->turn), GABI_HV_GP);
	regs.rdx = 0x7000;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 5, &regs, 0, &rig->turn), GABI_HV_GP);
	assert_int_equal(rig->turn.count, 0);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 5), 0);
	rig_free(rig);
}

static void memory_fault__short_dialect__ends_after_the_instruction(void **state)
{
	static const uint64_t gfn = 7;
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_fault fault = { .gpa = 0x7000 };
	struct rig *rig;
	unsigned done;

	(void)state;
	config.dialect = GABI_HV_DIALECT_SHORT_MEMORY_MESSAGE;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(protect(rig, 0x10, 0, &gfn, 1, &done), 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(rig_page(rig, 0, 1, RIG_SIMP)[4], 0x50);
	rig_free(rig);
}

/* vsm, MBEC: user mode needs UMX where it is on, and KMX where it is not. */
static void memory_fault__execute__follows_mbec(void **state)
{
	static const uint64_t gfn = 7;
	static const struct {
		unsigned prot, mbec, user;
		int done;
	} cases[] = {
		{ 5 | 8, 0, 1, GABI_HV_DONE }, { 9, 0, 1, GABI_HV_AGAIN }, { 9, 1, 1, GABI_HV_DONE }, { 9, 1, 0, GABI_HV_AGAIN },
		{ 1, 1, 1, GABI_HV_AGAIN },    { 13, 1, 0, GABI_HV_DONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *rig = protecting_rig();
		struct gabi_hv_fault fault = { .gpa = 0x7000, .access = GABI_HV_ACCESS_EXECUTE };
		unsigned done, entered;

		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, cases[i].mbec), 0);
		assert_int_equal(protect(rig, 0x10, cases[i].prot, &gfn, 1, &done), 0);
		rig_vtl_return(rig, 0, 1);
		rig_set(rig, 0, 0, GABI_HV_REG_Ss, 0, (uint64_t)(cases[i].user ? 0xf3 : 0x93) << 48);
		gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn);
		entered = gabi_hv_active_vtl(rig->hv, 0);
		if (entered != (cases[i].done == GABI_HV_AGAIN))
			fail_msg("case %zu", i);
		rig_free(rig);
	}
}

/* hypercall-interface, Alignment Requirements: a page that the caller may not read gives a memory intercept. */
static void hypercall__input_in_a_protected_page__is_intercepted_and_not_read(void **state)
{
	static const uint64_t gfn = 9;
	struct rig *rig = protecting_rig();
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_FlushVirtualAddressSpace);
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 0, &gfn, 1, &done), 0);
	rig_vtl_return(rig, 0, 1);
	regs.rdx = 0x9000;
	rig->reads = 0;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(rig->reads, 0);
	assert_int_equal(regs.changed, 0);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_SIMP), 4), 0x80000001);
	rig_free(rig);
}

static void hypercall__output_in_a_read_only_page__is_intercepted_and_not_written(void **state)
{
	static const uint64_t gfn = 9;
	struct rig *rig = protecting_rig();
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_GetPartitionId);
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 5, &gfn, 1, &done), 0);
	rig_vtl_return(rig, 0, 1);
	regs.r8 = 0x9000;
	rig->writes = 0;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(rig->writes, 0);
	assert_int_equal(rig_page(rig, 0, 1, RIG_SIMP)[16 + 5], 1);
	rig_free(rig);
}

/* vsm, Secure Register Intercepts, HV_REGISTER_CR_INTERCEPT_CONTROL, Mask Registers. */
static const struct {
	const char *name;
	enum gabi_hv_trap trap;
	uint64_t control, mask, old, new;
	int done;
	uint32_t type;
} traps[] = {
	{ "CR4, not trapped", GABI_HV_TRAP_Cr4Write, 0, UINT64_MAX, 0, 1, GABI_HV_DONE, 0 },
	{ "CR4", GABI_HV_TRAP_Cr4Write, 2, UINT64_MAX, 0x20, 0x220, GABI_HV_AGAIN, 0x80010006 },
	{ "CR4, a bit in the mask", GABI_HV_TRAP_Cr4Write, 2, 0x100000, 0, 0x100000, GABI_HV_AGAIN, 0x80010006 },
	{ "CR4, a bit outside the mask", GABI_HV_TRAP_Cr4Write, 2, 0x100000, 0, 0x20, GABI_HV_DONE, 0 },
	{ "LSTAR", GABI_HV_TRAP_LstarWrite, 1 << 6, 0, 0, 5, GABI_HV_AGAIN, 0x80010001 },
	{ "LSTAR read where writes are trapped", GABI_HV_TRAP_LstarRead, 1 << 6, 0, 0, 5, GABI_HV_DONE, 0 },
	{ "GDTR", GABI_HV_TRAP_GdtrWrite, 1 << 15, 0, 0, 5, GABI_HV_AGAIN, 0x80010006 },
};

static void trap__each_case__enters_the_vtl_that_wants_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
		struct rig *rig = rig_secure();
		struct gabi_hv_value value = { traps[i].new, 0 };
		const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP);

		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_CrInterceptControl, traps[i].control), 0);
		assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_TRAPS);
		assert_int_equal(gabi_hv_traps(rig->hv, 0, 0), traps[i].control);
		assert_int_equal(gabi_hv_traps(rig->hv, 0, 1), 0);
		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_CrInterceptCr4Mask, traps[i].mask), 0);
		rig_set(rig, 0, 0, GABI_HV_REG_Cr4, traps[i].old, 0);
		rig_set(rig, 0, 0, GABI_HV_REG_Rdx, 0xd, 0);
		assert_int_equal(gabi_hv_trap(rig->hv, 0, traps[i].trap, &value, 2, 0, &rig->turn), GABI_HV_DONE); /* VTL 1 itself */
		rig_vtl_return(rig, 0, 1);
		if (gabi_hv_trap(rig->hv, 0, traps[i].trap, &value, 2, 0, &rig->turn) != traps[i].done || get(slot, 4) != traps[i].type)
			fail_msg("%s", traps[i].name);
		if (traps[i].type == 0x80010001) {
			assert_int_equal(get(slot + 16 + 40, 4), 0xc0000082);
			assert_int_equal(get(slot + 16 + 48, 8), 0xd);
		} else if (traps[i].type) {
			assert_int_equal(get(slot + 16 + 48, 8), traps[i].new);
		}
		rig_free(rig);
	}
}

static void io__installed_port__is_told_to_the_vtl_that_wants_it(void **state)
{
	struct rig *rig = rig_secure();
	struct gabi_hv_io io = { .port = 0x3f7, .size = 4, .write = 1, .instruction_len = 1 };
	const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP);

	(void)state;
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 2, 4);
	put(rig->ram + 0x100c, 0, 4);
	put(rig->ram + 0x1010, 0x3f8, 2);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_InstallIntercept), GABI_HV_STATUS_SUCCESS);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_InstallIntercept), GABI_HV_STATUS_ACCESS_DENIED);
	io.size = 1;
	assert_int_equal(gabi_hv_io(rig->hv, 0, &io, 0, &rig->turn), GABI_HV_DONE);
	io.size = 4; /* reaches over it */
	io.write = 0;
	assert_int_equal(gabi_hv_io(rig->hv, 0, &io, 0, &rig->turn), GABI_HV_DONE);
	io.write = 1;
	assert_int_equal(gabi_hv_io(rig->hv, 0, &io, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(get(slot, 4), 0x80010000);
	assert_int_equal(slot[4], 128);
	assert_int_equal(get(slot + 16 + 40, 2), 0x3f7);
	assert_int_equal(slot[16 + 42], 4);
	put(rig->ram + 0x1008, 0, 4); /* taken back */
	assert_int_equal(rig_call(rig, GABI_HV_CALL_InstallIntercept), GABI_HV_STATUS_SUCCESS);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_io(rig->hv, 0, &io, 0, &rig->turn), GABI_HV_DONE);
	rig_free(rig);
}

/* ---- installed intercepts: HvCallInstallIntercept, HV_INTERCEPT_TYPE; 6.0b 6.2 ---- */

static const struct {
	const char *name, *source;
	unsigned from_vtl_1;
	uint32_t access, type;
	uint64_t parameter;
	unsigned status;
} installs[] = {
	{ "a port", "6.0b 6.2: I/O port access", 1, 3, 0, 0x3f8, GABI_HV_STATUS_SUCCESS },
	{ "a port for writes alone", "HV_INTERCEPT_ACCESS_TYPE_MASK", 1, 2, 0, 0x3f8, GABI_HV_STATUS_SUCCESS },
	{ "the execution of a port", "6.0b 6.2: read and write", 1, 4, 0, 0x3f8, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "a port of 17 bits", "HV_INTERCEPT_PARAMETERS: IoPort", 1, 3, 0, 0x10000, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "a range", "HV_INTERCEPT_PARAMETERS: IoPortRange", 1, 3, 0x11, 0x03ff03f8, GABI_HV_STATUS_SUCCESS },
	{ "a range that ends before it starts", "HV_INTERCEPT_PARAMETERS: IoPortRange", 1, 3, 0x11, 0x03f803ff, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "a range with rubbish behind it", "HV_INTERCEPT_PARAMETERS: IoPortRange", 1, 3, 0x11, 1ull << 32 | 0x03ff03f8, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "an MSR", "HV_INTERCEPT_PARAMETERS: MsrIndex", 1, 3, 1, 0xc0000103, GABI_HV_STATUS_SUCCESS },
	{ "an MSR by Linux's type", "hvgdk_mini.h: HV_INTERCEPT_TYPE_X64_MSR_INDEX", 1, 3, 0xc, 0xc0000103, GABI_HV_STATUS_SUCCESS },
	{ "an MSR of 33 bits", "HV_INTERCEPT_PARAMETERS: MsrIndex", 1, 3, 1, 1ull << 32, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "a CPUID leaf", "6.0b 6.2: CPUID instruction execution", 1, 4, 2, 0x80000001, GABI_HV_STATUS_SUCCESS },
	{ "the reading of a CPUID leaf", "6.0b 6.2: execute access must be specified", 1, 1, 2, 1, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "an exception", "6.0b 6.2: exceptions", 1, 4, 3, 14, GABI_HV_STATUS_SUCCESS },
	{ "vector 32", "6.0b 8.13: exceptions, not interrupts", 1, 4, 3, 32, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "something that was not there taken back", "HV_INTERCEPT_ACCESS_TYPE_MASK: none", 1, 0, 3, 14, GABI_HV_STATUS_SUCCESS },
	{ "EOIs", "HV_INTERCEPT_TYPE: not offered", 1, 4, 0xe, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "hypercalls", "HV_INTERCEPT_TYPE: not offered", 1, 4, 8, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "a type that there is not", "HV_INTERCEPT_TYPE", 1, 3, 0x20, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "ARM64's registers", "HV_INTERCEPT_TYPE: ARM64 only", 1, 3, 0x12, 0, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "by VTL 0", "vsm, Secure Intercepts: a higher VTL", 0, 3, 0, 0x3f8, GABI_HV_STATUS_ACCESS_DENIED },
};

static unsigned install(struct rig *rig, uint32_t access, uint32_t type, uint64_t parameter)
{
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, access, 4);
	put(rig->ram + 0x100c, type, 4);
	put(rig->ram + 0x1010, parameter, 8);
	return rig_call(rig, GABI_HV_CALL_InstallIntercept);
}

static void install_intercept__each_case__gives_the_status_of_its_page(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(installs) / sizeof(installs[0]); i++) {
		struct rig *rig = rig_secure();
		struct gabi_hv_installed installed;
		unsigned status, wanted;

		if (!installs[i].from_vtl_1)
			rig_vtl_return(rig, 0, 1);
		status = install(rig, installs[i].access, installs[i].type, installs[i].parameter);
		wanted = !installs[i].status && installs[i].access;
		if (status != installs[i].status || gabi_hv_installed(rig->hv, 0, 0, &installed) != (int)wanted)
			fail_msg("%s (%s): %#x", installs[i].name, installs[i].source, status);
		if (wanted) {
			assert_int_equal(installed.access, installs[i].access);
			assert_int_equal(gabi_hv_installed(rig->hv, 0, 1, &installed), 0);
			assert_int_equal(gabi_hv_installed(rig->hv, 1, 0, &installed), 0); /* for lower ones alone */
			assert_int_equal(install(rig, 0, installs[i].type, installs[i].parameter), 0);
			assert_int_equal(gabi_hv_installed(rig->hv, 0, 0, &installed), 0);
		}
		rig_free(rig);
	}
}

/* Linux arch/x86/kvm: i8259.c, kvm_pic_init; i8254.c, kvm_create_pit; Documentation/virt/kvm/api.rst, KVM_X86_SET_MSR_FILTER. */
static const struct {
	uint32_t type;
	uint64_t parameter;
	unsigned status;
} kvms_own[] = {
	{ 0, 0x1f, 0 }, { 0, 0x20, 5 }, { 0, 0x21, 5 }, { 0, 0x22, 0 }, { 0, 0x40, 5 }, { 0, 0x43, 5 }, { 0, 0x44, 0 }, { 0, 0x60, 0 }, { 0, 0x61, 5 },
	{ 0, 0xa1, 5 }, { 0, 0x4d1, 5 }, { 0, 0xcf8, 0 }, { 0x11, 0x0020001f, 5 }, { 0x11, 0xffff0000, 5 }, { 0x11, 0x03ff03f8, 0 },
	{ 1, 0x7ff, 0 }, { 1, 0x800, 5 }, { 1, 0x8ff, 5 }, { 1, 0x900, 0 },
};

/* hv_dialect.def: nothing is taken that the VMM cannot hold. */
static void stock_kvm__what_no_kvm_stops_at__is_refused(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.dialect = GABI_HV_DIALECT_STOCK_KVM;
	rig = rig_secure_with(&config);
	for (unsigned trap = 0; trap < GABI_HV_TRAP_COUNT; trap++) {
		bool by_msr = (trap >= 3 && trap <= 14) || trap >= 19;

		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_CrInterceptControl, (uint64_t)1 << trap),
				 by_msr ? 0 : GABI_HV_STATUS_INVALID_REGISTER_VALUE);
	}
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | GABI_HV_READ << 1),
			 GABI_HV_STATUS_INVALID_REGISTER_VALUE);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(install(rig, 4, GABI_HV_INTERCEPT_CPUID, 1), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(install(rig, 4, GABI_HV_INTERCEPT_EXCEPTION, 14), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(install(rig, 2, GABI_HV_INTERCEPT_MSR, 0xc0000103), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(install(rig, 3, GABI_HV_INTERCEPT_IO_PORT, 0x80), GABI_HV_STATUS_SUCCESS);
	for (size_t i = 0; i < sizeof(kvms_own) / sizeof(kvms_own[0]); i++)
		if (install(rig, 3, kvms_own[i].type, kvms_own[i].parameter) != kvms_own[i].status)
			fail_msg("%#llx of type %u", (unsigned long long)kvms_own[i].parameter, kvms_own[i].type);
	rig_free(rig);
}

static void install_intercept__more_than_there_is_room_for__is_insufficient_memory(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	for (unsigned port = 0; port < 64; port++)
		assert_int_equal(install(rig, 3, 0, port), 0);
	assert_int_equal(install(rig, 3, 0, 64), GABI_HV_STATUS_INSUFFICIENT_MEMORY);
	assert_int_equal(install(rig, 1, 0, 5), 0); /* another access to one that is there */
	assert_int_equal(install(rig, 0, 0, 7), 0);
	assert_int_equal(install(rig, 3, 0, 64), 0);
	rig_free(rig);
}

/* What KVM's filter has no range for is not taken: Documentation/virt/kvm/api.rst, KVM_X86_SET_MSR_FILTER, KVM_MSR_FILTER_MAX_RANGES. */
static void stock_kvm__msrs_that_kvms_filter_has_no_room_for__are_insufficient_memory(void **state)
{
	static const uint32_t near[] = { 0, 0x1fff, 0xc0000000, 0xc0001fff, 0xc0010000, 0xc0011fff };
	static const uint32_t far[] = { 0x2000, 0xbfffffff, 0xc0002000, 0xc000ffff, 0xc0012000, 0xffffffff };
	struct gabi_hv_config config = rig_config();

	(void)state;
	for (unsigned stock = 0; stock < 2; stock++) {
		struct rig *rig;

		config.dialect = stock ? GABI_HV_DIALECT_STOCK_KVM : 0;
		rig = rig_secure_with(&config);
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(install(rig, 3, GABI_HV_INTERCEPT_MSR, far[i]),
					 stock && i >= GABI_HV_STOCK_KVM_FAR_MSRS ? GABI_HV_STATUS_INSUFFICIENT_MEMORY : 0);
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(install(rig, 3, GABI_HV_INTERCEPT_MSR, near[i]), 0);
		assert_int_equal(install(rig, 3, GABI_HV_INTERCEPT_IO_PORT, 0x2000), 0);
		assert_int_equal(install(rig, 1, GABI_HV_INTERCEPT_MSR, far[0]), 0); /* another access */
		assert_int_equal(install(rig, 0, GABI_HV_INTERCEPT_MSR, far[0]), 0);
		assert_int_equal(install(rig, 3, GABI_HV_INTERCEPT_MSR, far[5]), 0);
		rig_free(rig);
	}
}

/* HV_X64_MSR_INTERCEPT_MESSAGE; 6.0b 8.10: of those that the hypervisor does not virtualize. */
static void msr_intercept__installed__is_told_with_rdx_and_rax(void **state)
{
	struct rig *rig = rig_secure();
	const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP);

	(void)state;
	assert_int_equal(install(rig, 2, 1, 0xc0000103), 0);
	assert_int_equal(install(rig, 3, 1, GABI_HV_MSR_SINT0), 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_msr_intercept(rig->hv, 0, 0xc0000103, 0, 2, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(gabi_hv_msr_intercept(rig->hv, 0, 0xc0000104, 1, 2, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(gabi_hv_msr_intercept(rig->hv, 0, GABI_HV_MSR_SINT0, 1, 2, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(gabi_hv_msr_intercept(rig->hv, 5, 0xc0000103, 1, 2, 0, &rig->turn), GABI_HV_DONE); /* it has no VTL 1 */
	rig_set(rig, 0, 0, GABI_HV_REG_Rdx, 0xd, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rax, 0xa, 0);
	assert_int_equal(gabi_hv_msr_intercept(rig->hv, 0, 0xc0000103, 1, 2, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	assert_int_equal(get(slot, 4), 0x80010001);
	assert_int_equal(slot[4], 64);
	assert_int_equal(slot[16 + 4], 2);  /* instruction length */
	assert_int_equal(slot[16 + 5], 1);  /* write */
	assert_int_equal(get(slot + 16 + 40, 4), 0xc0000103);
	assert_int_equal(get(slot + 16 + 48, 8), 0xd);
	assert_int_equal(get(slot + 16 + 56, 8), 0xa);
	rig_free(rig);
}

/* HV_X64_CPUID_INTERCEPT_MESSAGE: RAX, RCX, RDX, RBX, then what the instruction would give, in the same order. */
static void cpuid_intercept__installed__is_told_with_the_default_result(void **state)
{
	static const uint32_t result[4] = { 0x11, 0x22, 0x33, 0x44 };
	struct rig *rig = rig_secure();
	const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP), *payload = slot + 16;

	(void)state;
	assert_int_equal(install(rig, 4, 2, 0x80000001), 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_cpuid_intercept(rig->hv, 0, 1, result, 2, 0, &rig->turn), GABI_HV_DONE);
	rig_set(rig, 0, 0, GABI_HV_REG_Rax, 0x80000001, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rcx, 7, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rdx, 8, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Rbx, 9, 0);
	assert_int_equal(gabi_hv_cpuid_intercept(rig->hv, 0, 0x80000001, result, 2, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(get(slot, 4), 0x80010002);
	assert_int_equal(slot[4], 104);
	assert_int_equal(payload[5], 2); /* execute */
	assert_int_equal(get(payload + 40, 8), 0x80000001);
	assert_int_equal(get(payload + 48, 8), 7);
	assert_int_equal(get(payload + 56, 8), 8);
	assert_int_equal(get(payload + 64, 8), 9);
	assert_int_equal(get(payload + 72, 8), 0x11);
	assert_int_equal(get(payload + 80, 8), 0x33);
	assert_int_equal(get(payload + 88, 8), 0x44);
	assert_int_equal(get(payload + 96, 8), 0x22);
	rig_free(rig);
}

/* HV_X64_EXCEPTION_INTERCEPT_MESSAGE. */
static void exception_intercept__installed__is_told_before_it_is_delivered(void **state)
{
	struct rig *rig = rig_secure();
	struct gabi_hv_exception exception = {
		.vector = 14, .has_code = 1, .code = 6, .parameter = 0xdead000, .instruction_len = 3, .bytes = 3,
		.instruction = { 0x48, 0x89, 0x07 },
	};
	const uint8_t *slot = rig_page(rig, 0, 1, RIG_SIMP), *payload = slot + 16;

	(void)state;
	assert_int_equal(install(rig, 4, 3, 14), 0);
	rig_vtl_return(rig, 0, 1);
	exception.vector = 13;
	assert_int_equal(gabi_hv_exception_intercept(rig->hv, 0, &exception, 0, &rig->turn), GABI_HV_DONE);
	exception.vector = 14;
	rig_set(rig, 0, 0, GABI_HV_REG_R15, 0x1515, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Ss, 0x55, 0x0093);
	assert_int_equal(gabi_hv_exception_intercept(rig->hv, 0, &exception, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(get(slot, 4), 0x80010003);
	assert_int_equal(slot[4], 240);
	assert_int_equal(get(payload + 40, 2), 14);
	assert_int_equal(payload[42], 1);
	assert_int_equal(payload[43], 3);
	assert_int_equal(get(payload + 44, 4), 6);
	assert_int_equal(get(payload + 48, 8), 0xdead000);
	assert_memory_equal(payload + 64, exception.instruction, 3);
	assert_int_equal(get(payload + 96, 8), 0x55);
	assert_int_equal(get(payload + 232, 8), 0x1515);
	rig_free(rig);
}

/* ---- TLB locks: vsm, TlbLocked; HvCallFlushVirtualAddressSpace ---- */

static void flush__of_a_locked_tlb__waits_until_the_lock_goes(void **state)
{
	struct rig *rig = rig_secure();
	unsigned status;

	(void)state;
	assert_int_equal(gabi_hv_tlb_is_locked(rig->hv, 0), 0);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, 2), 0);
	assert_int_equal(gabi_hv_tlb_is_locked(rig->hv, 0), 1);
	assert_int_equal(gabi_hv_tlb_is_locked(rig->hv, 1), 0);
	assert_int_equal(gabi_hv_tlb_is_locked(rig->hv, GABI_HV_VTLS_MAX), 0);
	put(rig->ram + 0x1000, 0, 8);
	put(rig->ram + 0x1008, 2, 8);
	put(rig->ram + 0x1010, 2, 8); /* virtual processor 1: not locked there */
	assert_int_equal(rig_call_on(rig, 1, GABI_HV_CALL_FlushVirtualAddressSpace, &status), GABI_HV_DONE);
	put(rig->ram + 0x1010, 1, 8);
	assert_int_equal(rig_call_on(rig, 1, GABI_HV_CALL_FlushVirtualAddressSpace, &status), GABI_HV_AGAIN);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_HOLD);
	assert_int_equal(rig->turn.act[0].vp, 1);

	/* Once a VP returns to a lower VTL, it releases all its locks. */
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_tlb_is_locked(rig->hv, 0), 0);
	assert_int_equal(rig->turn.count, 2);
	assert_int_equal(rig->turn.act[1].kind, GABI_HV_ACT_WAKE);
	assert_int_equal(rig->turn.wake.valid, 1);
	assert_int_equal(rig->turn.wake.bank[0], 2);
	assert_int_equal(rig_call_on(rig, 1, GABI_HV_CALL_FlushVirtualAddressSpace, &status), GABI_HV_DONE);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_FLUSH);
	rig_free(rig);
}

static void vtl_return__waiting_for_locks__holds_the_processor(void **state)
{
	struct rig *rig = rig_secure();
	struct gabi_hv_regs regs = rig_regs(0);
	unsigned status;

	(void)state;
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 1), GABI_HV_STATUS_SUCCESS);
	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	put(rig->ram + 0x1010, GABI_HV_REG_VsmVpSecureConfigVtl0, 4);
	put(rig->ram + 0x1020, 2, 8);
	assert_int_equal(rig_call_on(rig, 1, GABI_HV_CALL_SetVpRegisters | REPS(1), &status), GABI_HV_DONE);
	assert_int_equal(status, 0);
	assert_int_equal(rig_set_reg(rig, 0, 0x10, GABI_HV_REG_VsmVpWaitForTlbLock, 1), 0);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(rig->turn.act[rig->turn.count - 1].kind, GABI_HV_ACT_HOLD);
	regs.rcx = 1;
	assert_int_equal(gabi_hv_vtl_return(rig->hv, 1, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(rig->turn.act[1].kind, GABI_HV_ACT_WAKE);
	assert_int_equal(rig->turn.wake.bank[0], 1);
	rig_free(rig);
}

/* ---- translation ---- */

enum { P = 1, W = 2, U = 4, LARGE_PAGE = 0x80 };

/* Four levels at 0x10000, 0x11000, 0x12000, 0x13000; GVA 0x400000 is GPA 0x5000 for user, 0x401000 read-only for the
 * supervisor, 0x600000 a 2 MiB page at 0x200000 (beyond RAM), 0x403000 not present. */
static void tables(struct rig *rig)
{
	put(rig->ram + 0x10000, 0x11000 | P | W | U, 8);
	put(rig->ram + 0x11000, 0x12000 | P | W | U, 8);
	put(rig->ram + 0x12010, 0x13000 | P | W | U, 8);
	put(rig->ram + 0x12018, 0x200000 | P | W | U | LARGE_PAGE, 8);
	put(rig->ram + 0x13000, 0x5000 | P | W | U, 8);
	put(rig->ram + 0x13008, 0x6000 | P, 8);
	put(rig->ram + 0x13010, 0x7000 | P | W | U | 1ull << 63, 8);
	put(rig->ram + 0x13020, 0x7000 | P | 1ull << 51, 8);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr0, 0x80010001, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr3, 0x10000, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr4, 0x20, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Efer, 0xd00, 0);
}

/* HvCallTranslateVirtualAddress; HV_TRANSLATE_GVA_CONTROL_FLAGS, HV_TRANSLATE_GVA_RESULT; virtual-mmu. */
static const struct {
	const char *name;
	uint64_t page, control;
	unsigned status, result;
	uint64_t gpa_page;
} translations[] = {
	{ "a user page read", 0x400, 1, 0, 0, 5 },
	{ "no access asked for", 0x400, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0, 0 },
	{ "unknown control flags", 0x400, 0x8001, GABI_HV_STATUS_INVALID_PARAMETER, 0, 0 },
	{ "as user", 0x400, 1 | 0x80, 0, 0, 5 },
	{ "a supervisor page as user", 0x401, 1 | 0x80, 0, 2, 0 },
	{ "a supervisor page as user, exempt", 0x401, 1 | 0x80 | 8, 0, 0, 6 },
	{ "a read-only page written", 0x401, 2, 0, 2, 0 },
	{ "a read-only page read", 0x401, 1, 0, 0, 6 },
	{ "no-execute executed", 0x402, 4, 0, 2, 0 },
	{ "no-execute read", 0x402, 1, 0, 0, 7 },
	{ "not present", 0x403, 1, 0, 1, 0 },
	{ "a physical address that is too wide", 0x404, 1, 0, 3, 0 },
	{ "a hole two levels up", 0x40000, 1, 0, 1, 0 },
	{ "not canonical", 0x800000000, 1, 0, 1, 0 },
	{ "a large page", 0x601, 1, 0, 0, 0x201 },
};

static unsigned translate(struct rig *rig, uint64_t page, uint64_t control, unsigned *ret_result, uint64_t *ret_page)
{
	unsigned status;

	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	put(rig->ram + 0x1010, control | 0x10ull << 56, 8); /* VTL 0 */
	put(rig->ram + 0x1018, page, 8);
	memset(rig->ram + 0x2000, 0, 64);
	status = rig_call(rig, GABI_HV_CALL_TranslateVirtualAddress);
	*ret_result = (unsigned)get(rig->ram + 0x2000, 4);
	*ret_page = get(rig->ram + 0x2008, 8);
	return status;
}

static void translate__each_case__is_as_the_page_tables_say(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	tables(rig);
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++) {
		unsigned result, status;
		uint64_t page;

		status = translate(rig, translations[i].page, translations[i].control, &result, &page);
		if (status != translations[i].status || result != translations[i].result || page != translations[i].gpa_page)
			fail_msg("%s: status %#x, result %u, page %#llx", translations[i].name, status, result, (unsigned long long)page);
	}
	rig_free(rig);
}

static void translate__five_levels_and_bits__are_walked_and_set(void **state)
{
	struct rig *rig = rig_secure();
	unsigned result;
	uint64_t page;

	(void)state;
	tables(rig);
	put(rig->ram + 0x14000, 0x10000 | P | W | U, 8);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr3, 0x14000, 0);
	rig_set(rig, 0, 0, GABI_HV_REG_Cr4, 0x20 | 1 << 12, 0);
	assert_int_equal(translate(rig, 0x400, 2 | 0x10, &result, &page), 0);
	assert_int_equal(result, 0);
	assert_int_equal(page, 5);
	assert_int_equal(rig->ram[0x13000] & 0x60, 0x60);
	assert_int_equal(rig->ram[0x12010] & 0x60, 0x20);
	assert_int_equal(rig->ram[0x14000] & 0x60, 0x20);
	rig_free(rig);
}

static void translate__paging_off__is_the_identity(void **state)
{
	struct rig *rig = rig_secure();
	unsigned result;
	uint64_t page;

	(void)state;
	assert_int_equal(translate(rig, 0x33, 1, &result, &page), 0);
	assert_int_equal(result, 0);
	assert_int_equal(page, 0x33);
	rig_free(rig);
}

static void translate__through_a_protected_table__is_an_intercept(void **state)
{
	static const uint64_t table = 0x12;
	struct rig *rig = protecting_rig();
	unsigned result, done;
	uint64_t page;

	(void)state;
	tables(rig);
	assert_int_equal(protect(rig, 0x10, 0, &table, 1, &done), 0);
	assert_int_equal(translate(rig, 0x400, 1, &result, &page), 0);
	assert_int_equal(result, 8);
	assert_int_equal(page, 0x12);
	rig_free(rig);
}

static void translate_ex__failure__tells_the_page_fault(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	tables(rig);
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	put(rig->ram + 0x1010, 2 | 0x80 | 0x10ull << 56, 8);
	put(rig->ram + 0x1018, 0x403, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_TranslateVirtualAddressEx), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(get(rig->ram + 0x2000, 4), 1);
	assert_int_equal(rig->ram[0x2010], 1);
	assert_int_equal(get(rig->ram + 0x2012, 2), 14);
	assert_int_equal(get(rig->ram + 0x2014, 4), 6);
	assert_int_equal(get(rig->ram + 0x2018, 8), 0x403000);
	rig_free(rig);
}

/* HV_TRANSLATE_GVA_RESULT_EX: the result at 0, the event at 16, the page behind it. */
static void translate_ex__success__gives_the_page(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	tables(rig);
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	put(rig->ram + 0x1010, 1 | 0x10ull << 56, 8);
	put(rig->ram + 0x1018, 0x400, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_TranslateVirtualAddressEx), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(get(rig->ram + 0x2000, 4), 0);
	assert_int_equal(get(rig->ram + 0x2010, 8), 0);
	assert_int_equal(get(rig->ram + 0x2030, 8), 5);
	rig_free(rig);
}

static void translate_input(struct rig *rig, unsigned vp, uint64_t control)
{
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, vp, 4);
	put(rig->ram + 0x1010, control, 8);
	put(rig->ram + 0x1018, 0x400, 8);
}

/* HV_TRANSLATE_GVA_TLB_FLUSH_INHIBIT: TlbFlushInhibit of HvRegisterVsmVpSecureConfigVtlX is set as a consequence. */
static void translate__with_tlb_flush_inhibit__is_seen_in_the_register(void **state)
{
	struct rig *rig = rig_secure();
	uint64_t value;

	(void)state;
	tables(rig);
	translate_input(rig, 0xfffffffe, 1 | 0x20 | 0x10ull << 56);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_TranslateVirtualAddress), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_get_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, &value), 0);
	assert_int_equal(value, 2);
	rig_vtl_return(rig, 0, 1);
	rig_vtl_call(rig, 0);
	assert_int_equal(rig_get_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, &value), 0);
	assert_int_equal(value, 0);
	rig_free(rig);
}

/* The registers of a VTL that the processor does not have are nobody's. */
static void translate__in_a_vtl_that_the_processor_lacks__is_invalid_vtl_state(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	translate_input(rig, 5, 1);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_TranslateVirtualAddress), GABI_HV_STATUS_INVALID_VTL_STATE);
	translate_input(rig, 5, 1 | 0x10ull << 56);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_TranslateVirtualAddress), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

/* ---- three levels, and reset ---- */

static void three_vtls__protections_of_both__are_taken_together(void **state)
{
	static const uint64_t gfn = 7;
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_fault fault = { .gpa = 0x7000, .access = GABI_HV_ACCESS_WRITE };
	struct rig *rig;
	unsigned done;

	(void)state;
	config.vtl_count = 3;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(protect(rig, 0x10, 13, &gfn, 1, &done), 0); /* VTL 1: no writes by VTL 0 */
	assert_int_equal(rig_enable_partition(rig, 2, 0), 0);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 2), 0);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 2);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 2, 0, &rig->turn);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	assert_int_equal(protect(rig, 0, 3, &gfn, 1, &done), 0); /* VTL 2: no execution by either */
	assert_int_equal(rig->turn.changes, 2);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 7), 1);
	assert_int_equal(gabi_hv_protection(rig->hv, 1, 7), 3);
	assert_int_equal(rig->turn.change[0].prot, 1);
	assert_int_equal(rig->turn.change[1].prot, 3);

	/* The lower of the two that forbid is told; a call climbs one step, a return one down. */
	rig_vtl_return(rig, 0, 1);
	rig_vtl_return(rig, 0, 1);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 0);
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 1);
	rig_vtl_return(rig, 0, 1);
	fault.access = GABI_HV_ACCESS_EXECUTE;
	assert_int_equal(gabi_hv_memory_fault(rig->hv, 0, &fault, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 2);
	rig_free(rig);
}

/* The changes of all turns of one register write, applied as a VMM does: what the pages then are is what the engine says. */
static void three_vtls__protection_of_all_where_another_protects_many__tells_every_change(void **state)
{
	enum { SCATTERED = 1400, EACH = 200 };
	static uint8_t applied[2 * SCATTERED + 10];
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_SetVpRegisters | REPS(1));
	unsigned turns = 0, done_each;
	uint64_t gfn[EACH];
	struct rig *rig;
	int done;

	(void)state;
	config.vtl_count = 3;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, CONFIG_PROTECT), 0);
	memset(applied, GABI_HV_ALL_ACCESS, sizeof(applied));
	for (unsigned at = 0; at < SCATTERED; at += EACH) {
		for (unsigned i = 0; i < EACH; i++)
			gfn[i] = 2 * (at + i);
		assert_int_equal(protect(rig, 0x10, 1, gfn, EACH, &done_each), 0);
		for (unsigned i = 0; i < EACH; i++)
			applied[gfn[i]] = 1;
	}
	assert_int_equal(rig_enable_partition(rig, 2, 0), 0);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 2), 0);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 2, 0, &rig->turn);
	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	put(rig->ram + 0x1010, GABI_HV_REG_VsmPartitionConfig, 4);
	put(rig->ram + 0x1020, 1 | 3 << 1, 8); /* all of memory: no execution by lower VTLs */
	do {
		done = gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn);
		assert_true(rig->turn.changes > 0 && rig->turn.changes <= GABI_HV_CHANGES_MAX);
		for (unsigned i = 0; i < rig->turn.changes; i++)
			for (uint64_t page = rig->turn.change[i].gfn; page < rig->turn.change[i].gfn + rig->turn.change[i].count; page++)
				if (rig->turn.change[i].vtl == 0 && page < sizeof(applied))
					applied[page] = rig->turn.change[i].prot;
		turns++;
	} while (done == GABI_HV_AGAIN && turns < 100);
	assert_int_equal(done, GABI_HV_DONE);
	assert_int_equal(regs.rax, 1ull << 32);
	assert_true(turns > 1);
	for (uint64_t page = 0; page < sizeof(applied); page++)
		assert_int_equal(applied[page], gabi_hv_protection(rig->hv, 0, page));
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 0), 1);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 1), 3);
	rig_free(rig);
}

/* Virtual processor 0, in VTL 2, locks its own TLBs of both lower VTLs. */
static struct rig *locking_rig(void)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	config.vtl_count = 3;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 3, 1), 0);
	assert_int_equal(rig_enable_partition(rig, 2, 0), 0);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 2), 0);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 2, 0, &rig->turn);
	for (unsigned lower = 0; lower < 2; lower++)
		assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmVpSecureConfigVtl0 + lower, 2), 0);
	return rig;
}

/* A flush of virtual processor 0's TLB, by a processor with a turn of its own. */
static int flush_of_0(struct rig *rig, unsigned vp)
{
	static struct gabi_hv_turn turn;
	struct gabi_hv_regs regs = { .rcx = GABI_HV_CALL_FlushVirtualAddressSpace | FAST_CALL, .r8 = 2, .xmm = { { 1, 0 } }, .mode = GABI_HV_MODE_64 };

	return gabi_hv_hypercall(rig->hv, vp, &regs, 0, &turn);
}

static void flush_by_3(struct rig *rig)
{
	assert_int_equal(flush_of_0(rig, 3), GABI_HV_AGAIN);
}

static void tlb_locks__dropped_one_by_one_in_one_call__wake_all_that_wait_by_then(void **state)
{
	static const uint32_t names[] = { GABI_HV_REG_VsmVpSecureConfigVtl0, GABI_HV_REG_Rip, GABI_HV_REG_VsmVpSecureConfigVtl0 + 1 };
	struct rig *rig = locking_rig();
	unsigned status, wakes = 0;

	(void)state;
	assert_int_equal(flush_of_0(rig, 1), GABI_HV_AGAIN); /* of VTL 0 */
	rig->during_write = flush_by_3;                      /* of VTL 1, when VTL 0's lock is gone and VTL 1's not yet */
	memset(rig->ram + 0x1000, 0, 16 + 3 * 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	for (unsigned i = 0; i < 3; i++)
		put(rig->ram + 0x1010 + i * 32, names[i], 4);
	assert_int_equal(rig_call_on(rig, 0, GABI_HV_CALL_SetVpRegisters | REPS(3), &status), GABI_HV_DONE);
	assert_int_equal(status, 0);
	for (unsigned i = 0; i < rig->turn.count; i++)
		wakes += rig->turn.act[i].kind == GABI_HV_ACT_WAKE;
	assert_int_equal(wakes, 1);
	assert_int_equal(rig->turn.wake.valid, 1);
	assert_int_equal(rig->turn.wake.bank[0], 1 << 1 | 1 << 3);
	rig_free(rig);
}

/* vsm, Zero Memory on Reset: on by default. */
static void reset__with_vtls__forgets_them_and_zeroes_memory_unless_told_not_to(void **state)
{
	static const uint64_t gfn = 7;
	struct rig *rig = protecting_rig();
	unsigned done;

	(void)state;
	assert_int_equal(protect(rig, 0x10, 0, &gfn, 1, &done), 0);
	assert_int_equal(gabi_hv_reset(rig->hv, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_ZERO_MEMORY);
	assert_int_equal(gabi_hv_enabled_vtls(rig->hv, 0), 1);
	assert_int_equal(gabi_hv_active_vtl(rig->hv, 0), 0);
	assert_int_equal(gabi_hv_protection(rig->hv, 0, 7), GABI_HV_ALL_ACCESS);
	assert_int_equal(get(rig_page(rig, 0, 1, RIG_ASSIST) + 8, 4), 0);
	assert_int_equal(gabi_hv_reset(rig->hv, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 0); /* no VTL, no secrets */
	rig_free(rig);

	rig = rig_secure();
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 0), 0);
	assert_int_equal(gabi_hv_reset(rig->hv, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enable_partition__each_case__gives_the_status_of_its_page),
		cmocka_unit_test(enable_partition__over_the_head_of_another__is_denied),
		cmocka_unit_test(enable_vp__rules_of_the_page__hold),
		cmocka_unit_test(enable_vp__already_enabled_in_the_other_dialect__says_so),
		cmocka_unit_test(start_vp__once__starts_it_where_it_was_told),
		cmocka_unit_test(start_vp__denied_by_a_higher_vtl__is_denied),
		cmocka_unit_test(may_run__not_started_and_denied__may_not),
		cmocka_unit_test(start_vp__intercepted__enters_the_higher_vtl_and_starts_nothing),
		cmocka_unit_test(init__at_a_vtl_below_another__is_dropped),
		cmocka_unit_test(vtl_switch__each_case__is_done_or_ud_by_port_and_by_instruction),
		cmocka_unit_test(vtl_call__tells_why_it_entered),
		cmocka_unit_test(vtl_return__not_fast__restores_from_the_assist_page),
		cmocka_unit_test(interrupt__for_a_higher_vtl__enters_it),
		cmocka_unit_test(interrupt__for_a_lower_vtl__waits),
		cmocka_unit_test(interrupt__for_a_vtl_that_is_not_enabled__does_nothing),
		cmocka_unit_test(vina__lower_interrupt__notifies_once),
		cmocka_unit_test(set_registers__each_case__gives_the_status_of_its_page),
		cmocka_unit_test(status_registers__say_who_is_enabled_and_active),
		cmocka_unit_test(capabilities__layout__is_the_dialects),
		cmocka_unit_test(code_offsets__point_at_the_sequences_in_the_page),
		cmocka_unit_test(msrs__private_ones__are_each_vtls_own),
		cmocka_unit_test(reg_info__rows_are_sorted_and_cover_the_tlfs_lists),
		cmocka_unit_test(modify_protection__each_case__gives_the_status_of_its_page),
		cmocka_unit_test(default_mask__with_the_enabling__holds_for_all_pages),
		cmocka_unit_test(changes__of_a_list_in_any_order__are_as_many_as_the_runs),
		cmocka_unit_test(modify_protection__error_at_an_element__did_those_before),
		cmocka_unit_test(modify_protection__memory_limit__is_insufficient_memory_and_loses_nothing),
		cmocka_unit_test(modify_protection__memory_for_one_of_two_vtls__is_not_done),
		cmocka_unit_test(modify_protection__of_the_last_pages_of_16_tib__reaches_them),
		cmocka_unit_test(protections__against_a_plain_array__are_the_same),
		cmocka_unit_test(memory_fault__on_a_protected_page__is_told_to_the_vtl_that_protects_it),
		cmocka_unit_test(memory_fault__other_accesses__pass_or_are_retried),
		cmocka_unit_test(memory_fault__on_a_processor_without_the_vtl_that_forbids__is_gp),
		cmocka_unit_test(memory_fault__short_dialect__ends_after_the_instruction),
		cmocka_unit_test(memory_fault__execute__follows_mbec),
		cmocka_unit_test(hypercall__input_in_a_protected_page__is_intercepted_and_not_read),
		cmocka_unit_test(hypercall__output_in_a_read_only_page__is_intercepted_and_not_written),
		cmocka_unit_test(trap__each_case__enters_the_vtl_that_wants_it),
		cmocka_unit_test(io__installed_port__is_told_to_the_vtl_that_wants_it),
		cmocka_unit_test(install_intercept__each_case__gives_the_status_of_its_page),
		cmocka_unit_test(stock_kvm__msrs_that_kvms_filter_has_no_room_for__are_insufficient_memory),
		cmocka_unit_test(stock_kvm__what_no_kvm_stops_at__is_refused),
		cmocka_unit_test(install_intercept__more_than_there_is_room_for__is_insufficient_memory),
		cmocka_unit_test(msr_intercept__installed__is_told_with_rdx_and_rax),
		cmocka_unit_test(cpuid_intercept__installed__is_told_with_the_default_result),
		cmocka_unit_test(exception_intercept__installed__is_told_before_it_is_delivered),
		cmocka_unit_test(flush__of_a_locked_tlb__waits_until_the_lock_goes),
		cmocka_unit_test(vtl_return__waiting_for_locks__holds_the_processor),
		cmocka_unit_test(translate__each_case__is_as_the_page_tables_say),
		cmocka_unit_test(translate__five_levels_and_bits__are_walked_and_set),
		cmocka_unit_test(translate__paging_off__is_the_identity),
		cmocka_unit_test(translate__through_a_protected_table__is_an_intercept),
		cmocka_unit_test(translate_ex__failure__tells_the_page_fault),
		cmocka_unit_test(translate_ex__success__gives_the_page),
		cmocka_unit_test(translate__with_tlb_flush_inhibit__is_seen_in_the_register),
		cmocka_unit_test(translate__in_a_vtl_that_the_processor_lacks__is_invalid_vtl_state),
		cmocka_unit_test(three_vtls__protections_of_both__are_taken_together),
		cmocka_unit_test(three_vtls__protection_of_all_where_another_protects_many__tells_every_change),
		cmocka_unit_test(tlb_locks__dropped_one_by_one_in_one_call__wake_all_that_wait_by_then),
		cmocka_unit_test(reset__with_vtls__forgets_them_and_zeroes_memory_unless_told_not_to),
	};

	return cmocka_run_group_tests_name("hv_vsm", tests, NULL, NULL);
}
