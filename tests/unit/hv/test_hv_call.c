/* SPDX-License-Identifier: MIT */
/* The calling convention and the hypercalls that need no VTL: each case with the page and section that it comes from. */
#include "hv_rig.h"

/* ---- the hypercall input value ---- */

static const struct {
	const char *name, *source;
	uint64_t control;
	unsigned status;
} controls[] = {
	{ "a known simple call", "HvCallNotifyLongSpinWait", 0x0008, GABI_HV_STATUS_SUCCESS },
	{ "code 0", "hypercall-interface, Common Hypercall Status Codes", 0x0000, GABI_HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "an unused code", "hypercall-interface, Common Hypercall Status Codes", 0x00c9, GABI_HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "an unknown extended code", "hypercall-interface, Extended Hypercall Interface", 0x8002, GABI_HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "the highest code", "hypercall-interface, Common Hypercall Status Codes", 0xffff, GABI_HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "bit 27", "hypercall-interface, Hypercall Inputs: RsvdZ 30-27", 0x0008 | 1ull << 27, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "bit 30", "hypercall-interface, Hypercall Inputs: RsvdZ 30-27", 0x0008 | 1ull << 30, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "nested where nothing is", "hypercall-interface, Hypercall Inputs: Is Nested", 0x0008 | 1ull << 31, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "bit 44", "hypercall-interface, Hypercall Inputs: RsvdZ 47-44", 0x0008 | 1ull << 44, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "bit 63", "hypercall-interface, Hypercall Inputs: RsvdZ 63-60", 0x0008 | 1ull << 63, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a rep count on a simple call", "hypercall-interface, INVALID_HYPERCALL_INPUT", 0x0008 | REPS(1), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a start index on a simple call", "hypercall-interface, INVALID_HYPERCALL_INPUT", 0x0008 | START(1), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a rep call without a count", "hypercall-interface, INVALID_HYPERCALL_INPUT", 0x0003, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a start index that is the count", "hypercall-interface, Hypercall Inputs", 0x0003 | REPS(2) | START(2), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a rep call", "HvCallFlushVirtualAddressList", 0x0003 | REPS(2), GABI_HV_STATUS_SUCCESS },
	{ "a rep call that goes on", "hypercall-interface, Hypercall Classes", 0x0003 | REPS(2) | START(1), GABI_HV_STATUS_SUCCESS },
	{ "a variable header where none is", "hypercall-interface, Variable Sized Hypercall Input Headers", 0x0008 | VARIABLE(1), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "a list longer than a page", "hypercall-interface, Alignment Requirements", 0x0003 | REPS(510), GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "a list that just fits", "hypercall-interface, Alignment Requirements", 0x0003 | REPS(509), GABI_HV_STATUS_SUCCESS },
	{ "the longest list", "hypercall-interface, Alignment Requirements", 0x0003 | REPS(0xfff), GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "the longest variable header", "hypercall-interface, Alignment Requirements", 0x0013 | VARIABLE(0x3ff), GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "fast without XMM for 112 bytes and more", "hypercall-interface, XMM Fast Hypercall Input", 0x0003 | FAST_CALL | REPS(12), GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "fast where lists end with the page", "HvCallPostDebugData", 0x0069 | FAST_CALL, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT },
};

static void hypercall__input_value__gives_the_status_of_the_tlfs(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		unsigned status = rig_call(rig, controls[i].control);

		if (status != controls[i].status)
			fail_msg("%s (%s): %#x", controls[i].name, controls[i].source, status);
	}
	rig_free(rig);
}

static void hypercall__nested_bit__is_taken_where_the_guest_is_nested(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.leaf[4][0] |= 1u << 12;
	rig = rig_with(&config);
	assert_int_equal(rig_call(rig, 0x0008 | 1ull << 31), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

/* ---- TLFS, Legal Hypercall Environments ---- */

static const struct {
	const char *name;
	unsigned cpl, mode;
	int done;
} environments[] = {
	{ "64-bit kernel", 0, GABI_HV_MODE_64, GABI_HV_DONE },
	{ "32-bit kernel", 0, GABI_HV_MODE_32, GABI_HV_DONE },
	{ "user mode", 3, GABI_HV_MODE_64, GABI_HV_UD },
	{ "ring 1", 1, GABI_HV_MODE_32, GABI_HV_UD },
	{ "real mode", 0, GABI_HV_MODE_REAL, GABI_HV_UD },
};

static void hypercall__illegal_environment__is_ud_and_changes_nothing(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(environments) / sizeof(environments[0]); i++) {
		struct gabi_hv_regs regs = rig_regs(0x0008);

		regs.rax = environments[i].mode == GABI_HV_MODE_32 ? 0x0008 : 0;
		regs.rdx = environments[i].mode == GABI_HV_MODE_32 ? 0 : 0x1000;
		regs.cpl = (uint8_t)environments[i].cpl;
		regs.mode = (uint8_t)environments[i].mode;
		if (gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn) != environments[i].done ||
		    !regs.changed != (environments[i].done == GABI_HV_UD))
			fail_msg("%s", environments[i].name);
	}
	rig_free(rig);
}

/* TLFS, Reporting the Guest OS Identity: before it may invoke hypercalls. */
static void hypercall__before_the_guest_said_who_it_is__is_ud(void **state)
{
	struct rig *rig = rig_new();
	unsigned status;

	(void)state;
	assert_int_equal(gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(rig_call_on(rig, 0, 0x0008, &status), GABI_HV_UD);
	rig_free(rig);
}

static void hypercall__of_no_virtual_processor__is_the_callers_mistake(void **state)
{
	struct rig *rig = rig_new();
	unsigned status;

	(void)state;
	assert_int_equal(rig_call_on(rig, RIG_VPS, 0x0008, &status), GABI_ERR_ARG);
	rig_free(rig);
}

/* ---- where parameters may be ---- */

static const struct {
	const char *name;
	uint64_t code, in, out;
	unsigned status;
} places[] = {
	{ "input aligned", 0x0002, 0x1000, 0, GABI_HV_STATUS_SUCCESS },
	{ "input off by 4", 0x0002, 0x1004, 0, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "input that ends with its page", 0x0002, 0x2000 - 24, 0, GABI_HV_STATUS_SUCCESS },
	{ "input across pages", 0x0002, 0x2000 - 16, 0, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "input beyond the address space", 0x0002, (1ull << 20) * 4096, 0, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "input at the end of everything", 0x0002, UINT64_MAX - 7, 0, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "input where no RAM is", 0x0002, RAM_PAGES * 4096, 0, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "output pointer of a call without output", 0x0002, 0x1000, 3, GABI_HV_STATUS_SUCCESS },
	{ "input pointer of a call without input", 0x0046, 3, 0x2000, GABI_HV_STATUS_SUCCESS },
	{ "output off by 1", 0x0046, 0, 0x2001, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "output where no RAM is", 0x0046, 0, RAM_PAGES * 4096, GABI_HV_STATUS_INVALID_ALIGNMENT },
	{ "output over the input", 0x009a | REPS(4), 0x1000, 0x1008, GABI_HV_STATUS_INVALID_ALIGNMENT },
};

static void hypercall__parameter_lists__must_be_placed_as_the_tlfs_says(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct gabi_hv_regs regs = rig_regs(places[i].code);

		regs.rdx = places[i].in;
		regs.r8 = places[i].out;
		put(rig->ram + 0x1000, UINT64_MAX, 8);
		assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
		if ((regs.rax & 0xffff) != places[i].status)
			fail_msg("%s: %#llx", places[i].name, (unsigned long long)regs.rax);
	}
	rig_free(rig);
}

/* ---- privileges: TLFS, Partition Privilege Flags ---- */

static void hypercall__without_its_privilege__is_access_denied_for_every_row(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	unsigned denied = 0;

	(void)state;
	memset(config.leaf[3], 0, sizeof(config.leaf[3]));
	memset(config.leaf[4], 0, sizeof(config.leaf[4]));
	config.leaf[3][0] = 1 << 5; /* AccessHypercallMsrs, without which there is no calling at all */
	config.vtl_count = 1;
	rig = rig_with(&config);
	for (size_t i = 0; gabi_hv_call_info(i); i++) {
		const struct gabi_hv_call_info *info = gabi_hv_call_info(i);
		uint64_t control = info->code | (info->rep ? REPS(1) : 0);
		unsigned status = rig_call(rig, control);

		if (status == GABI_HV_STATUS_ACCESS_DENIED)
			denied++;
		else if (strcmp(info->name, "HvCallNotifyLongSpinWait") && strcmp(info->name, "HvCallRetargetDeviceInterrupt") &&
			 strcmp(info->name, "HvCallAssertVirtualInterrupt"))
			fail_msg("%s: %#x", info->name, status);
	}
	assert_true(denied > 8);
	rig_free(rig);
}

/* ---- registers ---- */

static void fast__two_registers__carry_the_input(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = { .rcx = 0x000b | FAST_CALL, .rdx = 0x41, .r8 = 1 << 7, .mode = GABI_HV_MODE_64 };

	(void)state;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, 0);
	assert_int_equal(regs.changed, GABI_HV_CHANGED_RAX);
	assert_int_equal(rig->reads, 0);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.act[0].vp, 7);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x41);
	rig_free(rig);
}

static void fast__32_bit__uses_ebx_ecx_and_edi_esi_and_returns_in_edx_eax(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = {
		.rax = 0x000b | FAST_CALL,
		.rdx = 0,
		.rbx = 0,
		.rcx = 0x52,
		.rdi = 1, /* high half of the mask: virtual processor 32 */
		.rsi = 0,
		.mode = GABI_HV_MODE_32,
	};

	(void)state;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, 0);
	assert_int_equal(regs.rdx, 0);
	assert_int_equal(regs.changed, GABI_HV_CHANGED_RAX | GABI_HV_CHANGED_RDX);
	assert_int_equal(rig->turn.act[0].vp, 32);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x52);
	rig_free(rig);
}

/* FlushVirtualAddressList with 24 bytes of header and 2 elements: RDX, R8, XMM0, and half of XMM1. */
static void fast__xmm_registers__carry_what_does_not_fit_two(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = {
		.rcx = 0x0003 | FAST_CALL | REPS(2),
		.rdx = 0x1234000,
		.r8 = 0,
		.xmm = { { 1 << 3, 0x5000 }, { 0x7001, 0xdead } },
		.mode = GABI_HV_MODE_64,
	};

	(void)state;
	assert_int_equal(gabi_hv_call_uses_xmm(rig->hv, &regs), 1);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, REPS(2));
	assert_int_equal(rig->turn.act[0].vp, 3);
	assert_int_equal(rig->turn.act[0].flush.space, 0x1234000);
	assert_int_equal(rig->turn.act[0].flush.count, 2);
	assert_int_equal(rig->turn.act[0].flush.gva[0], 0x5000);
	assert_int_equal(rig->turn.act[0].flush.gva[1], 0x7001);
	rig_free(rig);
}

static void fast__xmm_not_offered__is_ud(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_regs in = { .rcx = 0x0003 | FAST_CALL | REPS(1), .mode = GABI_HV_MODE_64 };
	struct gabi_hv_regs out = { .rcx = 0x0046 | FAST_CALL, .mode = GABI_HV_MODE_64 };
	struct rig *rig;

	(void)state;
	config.leaf[3][3] &= ~(1u << 4 | 1u << 15);
	rig = rig_with(&config);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &in, 0, &rig->turn), GABI_HV_UD);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &out, 0, &rig->turn), GABI_HV_UD);
	rig_free(rig);
}

/* GetVpIndexFromApicId: 16 + 8 bytes in, so that output starts behind 32: in XMM1. */
static void fast__output__is_behind_the_input_in_whole_16_bytes(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = {
		.rcx = 0x009a | FAST_CALL | REPS(1),
		.rdx = UINT64_MAX,
		.xmm = { { 199, 0x11 }, { 0x22, 0x33 } },
		.mode = GABI_HV_MODE_64,
	};

	(void)state;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, REPS(1));
	assert_int_equal(regs.xmm[0][0], 199);
	assert_int_equal(regs.xmm[0][1], 0x11);
	assert_int_equal(regs.xmm[1][0], 199);
	assert_int_equal(regs.xmm[1][1], 0x33);
	assert_true(regs.changed & GABI_HV_CHANGED_XMM);
	rig_free(rig);
}

static void fast__output_without_input__is_in_rdx(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = { .rcx = 0x0046 | FAST_CALL, .r8 = 5, .mode = GABI_HV_MODE_64 };

	(void)state;
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rdx, 0x77);
	assert_int_equal(regs.r8, 5);
	assert_int_equal(regs.changed, GABI_HV_CHANGED_RAX | GABI_HV_CHANGED_RDX);
	regs = (struct gabi_hv_regs){ .rax = 0x0046 | FAST_CALL, .mode = GABI_HV_MODE_32 };
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_UD);
	rig_free(rig);
}

/* ---- rep calls ---- */

/* ---- the short ways ---- */

struct answer {
	uint64_t rax, changed, count, kind, vtl, vp, value, bank; /* no padding: compared as bytes */
};

static struct answer answer_of(struct rig *rig, struct gabi_hv_regs regs)
{
	int done = gabi_hv_hypercall(rig->hv, 3, &regs, 0, &rig->turn);
	const struct gabi_hv_act *act = rig->turn.act;
	struct answer answer = { .rax = regs.rax, .count = rig->turn.count, .changed = regs.changed };

	assert_int_equal(done, GABI_HV_DONE);
	assert_int_equal(rig->turn.changes, 0);
	if (rig->turn.count) {
		answer.kind = act->kind;
		answer.vtl = act->vtl;
		answer.vp = act->vp;
		answer.value = act->value;
		answer.bank = act->vp == GABI_HV_VP_SET ? rig->turn.set.bank[0] : 0;
	}
	return answer;
}

/* Calls that go a short way, from registers or from memory, say and do what they do by the long one, which a 32-bit caller's always go. */
static void short_way__of_any_input__is_as_the_long_one(void **state)
{
	static const uint16_t codes[] = { 0x0008, 0x000b, 0x005d, 0x0002, 0x00c9, 0x0000, 0x0046 };
	static const uint64_t words[] = { 0, 1, 2, 0xf, 0x10, 0x80, 0xff, 0x100, 0x1000000, 1ull << 32 | 0x50, 0x10ull << 32 | 0x50, 0x11ull << 32 | 0x50,
					  0x20ull << 32 | 0x50, 0xffull << 32 | 0x50, 1ull << 40 | 0x50, UINT64_MAX, 1ull << 63,
					  1ull << 32 | 2, 2ull << 32 | 2, 1ull << 48 | 2, 1u << 24 | 2, 1u << 31 | 2, 3 };
	const struct gabi_hv_port message = { .kind = GABI_HV_PORT_MESSAGE, .host = 1 };
	const struct gabi_hv_port event = { .kind = GABI_HV_PORT_EVENT, .host = 1, .base_flag = 7, .flag_count = 2 };
	const struct gabi_hv_port own = { .kind = GABI_HV_PORT_EVENT, .vp = 1, .sint = 2, .flag_count = 2 };
	enum { WORDS = sizeof(words) / sizeof(words[0]) };
	struct rig *rig = rig_new();
	unsigned acted = 0;

	(void)state;
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &message, NULL), 0);
	assert_int_equal(gabi_hv_connect(rig->hv, 2, &event, NULL), 0);
	assert_int_equal(gabi_hv_connect(rig->hv, 3, &own, NULL), 0);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]) * WORDS * WORDS; i++) {
		uint64_t code = codes[i / (WORDS * WORDS)], first = words[i / WORDS % WORDS], second = words[i % WORDS];
		struct gabi_hv_regs regs = { .rcx = code | FAST_CALL, .rdx = first, .r8 = second, .xmm = { { 6, 0 } }, .mode = GABI_HV_MODE_64 };
		struct gabi_hv_regs narrow = { .rax = code, .rcx = 0x1000, .rsi = 0x2000, .mode = GABI_HV_MODE_32 };
		struct answer fast = answer_of(rig, regs), memory, slow;

		put(rig->ram + 0x1000, first, 8);
		put(rig->ram + 0x1008, second, 8);
		put(rig->ram + 0x1010, 6, 8);
		memory = answer_of(rig, rig_regs(code));
		slow = answer_of(rig, narrow);
		slow.changed &= ~(uint64_t)GABI_HV_CHANGED_RDX; /* half of the result */
		if (code == 0x0046) /* its output is in a register, or in memory */
			fast.changed &= ~(uint64_t)GABI_HV_CHANGED_RDX;
		if (memcmp(&fast, &slow, sizeof(fast)) || memcmp(&memory, &slow, sizeof(slow)))
			fail_msg("code %#x, input %#llx %#llx: status %#llx from registers, %#llx from memory, and %#llx the long way", (unsigned)code,
				 (unsigned long long)first, (unsigned long long)second, (unsigned long long)fast.rax,
				 (unsigned long long)memory.rax, (unsigned long long)slow.rax);
		acted += (unsigned)fast.count;
	}
	assert_true(acted > 100);
	rig_free(rig);
}

static void rep__limit__stops_half_way_and_goes_on_where_it_was(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_regs regs = rig_regs(0x009a | REPS(5));
	struct rig *rig;

	(void)state;
	config.rep_limit = 2;
	rig = rig_with(&config);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	for (unsigned i = 0; i < 5; i++)
		put(rig->ram + 0x1010 + i * 8, 10 + i, 4);
	memset(rig->ram + 0x2000, 0xff, 64);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(regs.rcx, 0x009a | REPS(5) | START(2));
	assert_int_equal(regs.changed, GABI_HV_CHANGED_RCX);
	assert_int_equal(get(rig->ram + 0x2008, 8), 11);
	assert_int_equal(get(rig->ram + 0x2010, 8), UINT64_MAX);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, REPS(5));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(get(rig->ram + 0x2000 + i * 8, 8), 10 + i);
	assert_int_equal(get(rig->ram + 0x2028, 8), UINT64_MAX);
	rig_free(rig);
}

static void rep__32_bit_half_way__moves_the_start_index_in_edx(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_regs regs = { .rax = 0x0003, .rdx = 3, .rcx = 0x1000, .rsi = 0x2000, .mode = GABI_HV_MODE_32 };
	struct rig *rig;

	(void)state;
	config.rep_limit = 2;
	rig = rig_with(&config);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_AGAIN);
	assert_int_equal(regs.rax, 0x0003);
	assert_int_equal(regs.rdx, 3 | 2 << 16);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, 0);
	assert_int_equal(regs.rdx, 3);
	rig_free(rig);
}

static void rep__error_at_an_element__says_how_many_were_done(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_regs regs = rig_regs(0x009a | REPS(3));

	(void)state;
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1010, 1, 4);
	put(rig->ram + 0x1018, 2, 4);
	put(rig->ram + 0x1020, 5000, 4);
	assert_int_equal(gabi_hv_hypercall(rig->hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, GABI_HV_STATUS_INVALID_PARAMETER | REPS(2));
	assert_int_equal(get(rig->ram + 0x2008, 8), 2);
	rig_free(rig);
}

/* ---- sets of virtual processors: TLFS HV_VP_SET ---- */

static void ipi_ex__the_tlfs_own_example__reaches_0_5_and_130(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	put(rig->ram + 0x1000, 0x80, 8);
	put(rig->ram + 0x1008, 0, 8);
	put(rig->ram + 0x1010, 0x05, 8);
	put(rig->ram + 0x1018, 0x21, 8);
	put(rig->ram + 0x1020, 0x04, 8);
	assert_int_equal(rig_call(rig, 0x0015 | VARIABLE(2)), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].vp, GABI_HV_VP_SET);
	assert_int_equal(rig->turn.set.valid, 5);
	assert_int_equal(rig->turn.set.bank[0], 0x21);
	assert_int_equal(rig->turn.set.bank[2], 0x04);
	rig_free(rig);
}

static const struct {
	const char *name;
	uint64_t format, valid, bank;
	unsigned banks, status;
	unsigned vp; /* of the action; ~0: none */
} sets[] = {
	{ "all", 1, 0, 0, 0, GABI_HV_STATUS_SUCCESS, GABI_HV_VP_SET },
	{ "one", 0, 8, 1 << 7, 1, GABI_HV_STATUS_SUCCESS, 199 },
	{ "one that there is not", 0, 8, 1 << 8, 1, GABI_HV_STATUS_SUCCESS, ~0u },
	{ "a bank far beyond", 0, 1ull << 63, UINT64_MAX, 1, GABI_HV_STATUS_SUCCESS, ~0u },
	{ "an empty bank", 0, 1, 0, 1, GABI_HV_STATUS_SUCCESS, ~0u },
	{ "nobody", 0, 0, 0, 0, GABI_HV_STATUS_SUCCESS, ~0u },
	{ "fewer banks than bits", 0, 3, 1, 1, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT, ~0u },
	{ "more banks than bits", 0, 1, 1, 2, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT, ~0u },
	{ "an unknown format", 2, 1, 1, 1, GABI_HV_STATUS_INVALID_HYPERCALL_INPUT, ~0u },
};

static void ipi_ex__sets__are_taken_as_the_tlfs_says(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		unsigned status, vp;

		put(rig->ram + 0x1000, 0x80, 8);
		put(rig->ram + 0x1008, sets[i].format, 8);
		put(rig->ram + 0x1010, sets[i].valid, 8);
		put(rig->ram + 0x1018, sets[i].bank, 8);
		status = rig_call(rig, 0x0015 | VARIABLE(sets[i].banks));
		vp = rig->turn.count ? rig->turn.act[0].vp : ~0u;
		if (status != sets[i].status || vp != sets[i].vp)
			fail_msg("%s: status %#x, virtual processor %u", sets[i].name, status, vp);
	}
	rig_free(rig);
}

/* ---- one table for the calls with simple input: bytes in, status and action out ---- */

struct field {
	uint16_t at;
	uint8_t bytes;
	uint64_t value;
};

static const struct {
	const char *name, *source;
	uint64_t control;
	struct field field[7];
	unsigned status;
	int act; /* -1: none */
	unsigned vp;
} calls[] = {
	{ "ipi below vector 16", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0x0f }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "ipi at vector 16", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0x10 }, { 8, 8, 1 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_INTERRUPT, 0 },
	{ "ipi at vector 255", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0xff }, { 8, 8, 2 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_INTERRUPT, 1 },
	{ "ipi at vector 256", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0x100 }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "ipi to several", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0x80 }, { 8, 8, 3 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_INTERRUPT, GABI_HV_VP_SET },
	{ "ipi to nobody", "HvCallSendSyntheticClusterIpi", 0x000b, { { 0, 4, 0x80 } }, GABI_HV_STATUS_SUCCESS, -1, 0 },
	{ "ipi to a higher VTL", "HV_INPUT_VTL; vsm, VTL Interrupt Management", 0x000b, { { 0, 4, 0x80 }, { 4, 1, 0x11 }, { 8, 8, 1 } }, GABI_HV_STATUS_ACCESS_DENIED, -1, 0 },
	{ "ipi to its own VTL by number", "HV_INPUT_VTL", 0x000b, { { 0, 4, 0x80 }, { 4, 1, 0x10 }, { 8, 8, 1 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_INTERRUPT, 0 },
	{ "ipi with reserved VTL bits", "HV_INPUT_VTL: ReservedZ", 0x000b, { { 0, 4, 0x80 }, { 4, 1, 0x20 }, { 8, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "flush of one", "HvCallFlushVirtualAddressSpace", 0x0002, { { 0, 8, 0x1000 }, { 16, 8, 4 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 2 },
	{ "flush of all processors", "HvCallFlushVirtualAddressSpace: HV_FLUSH_ALL_PROCESSORS", 0x0002, { { 8, 8, 1 }, { 16, 8, 4 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, GABI_HV_VP_SET },
	{ "flush of nobody", "HvCallFlushVirtualAddressSpace", 0x0002, { { 8, 8, 2 } }, GABI_HV_STATUS_SUCCESS, -1, 0 },
	{ "flush with a reserved flag", "HvCallFlushVirtualAddressSpace: flags", 0x0002, { { 8, 8, 16 }, { 16, 8, 4 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "flush of a space, non-global", "HvCallFlushVirtualAddressSpace", 0x0002, { { 8, 8, 4 }, { 16, 8, 1 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 0 },
	{ "flush of a list, non-global", "HvCallFlushVirtualAddressList: an invalid option", 0x0003 | REPS(1), { { 8, 8, 4 }, { 16, 8, 1 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "flush of a list", "HvCallFlushVirtualAddressList", 0x0003 | REPS(1), { { 16, 8, 1 }, { 24, 8, 0x7000 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 0 },
	{ "flush of extended ranges", "feature-discovery, ExtendedGvaRangesForFlushVirtualAddressList", 0x0003 | REPS(1), { { 8, 8, 8 }, { 16, 8, 1 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 0 },
	{ "flush ex of bank 3", "HvCallFlushVirtualAddressSpaceEx", 0x0013 | VARIABLE(1), { { 24, 8, 8 }, { 32, 8, 2 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 193 },
	{ "flush list ex: element behind the variable header", "Variable Sized Hypercall Input Headers", 0x0014 | VARIABLE(1) | REPS(1), { { 24, 8, 1 }, { 32, 8, 2 }, { 40, 8, 0x9000 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_FLUSH, 1 },
	{ "spinning", "HvCallNotifyLongSpinWait", 0x0008, { { 0, 4, 4096 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_SPIN, 0 },
	{ "retarget", "HvCallRetargetDeviceInterrupt", 0x007e, { { 0, 8, UINT64_MAX }, { 8, 8, 9 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 48, 8, 8 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_RETARGET, 3 },
	{ "retarget to any of several", "HV_DEVICE_INTERRUPT_TARGET", 0x007e, { { 0, 8, 0x77 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 48, 8, 9 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_RETARGET, GABI_HV_VP_ANY },
	{ "retarget to all of several", "HV_DEVICE_INTERRUPT_TARGET: MULTICAST", 0x007e, { { 0, 8, 0x77 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 44, 4, 1 }, { 48, 8, 9 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_RETARGET, GABI_HV_VP_SET },
	{ "retarget by set", "HV_DEVICE_INTERRUPT_TARGET: PROCESSOR_SET", 0x007e | VARIABLE(2), { { 0, 8, 0x77 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 44, 4, 2 }, { 56, 8, 2 }, { 64, 8, 1 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_RETARGET, 64 },
	{ "retarget of another partition", "HvCallRetargetDeviceInterrupt", 0x007e, { { 0, 8, 1 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 48, 8, 8 } }, GABI_HV_STATUS_INVALID_PARTITION_ID, -1, 0 },
	{ "retarget of no MSI", "HV_INTERRUPT_ENTRY", 0x007e, { { 0, 8, 0x77 }, { 16, 4, 2 }, { 40, 4, 0x50 }, { 48, 8, 8 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "retarget with an unknown flag", "HV_DEVICE_INTERRUPT_TARGET", 0x007e, { { 0, 8, 0x77 }, { 16, 4, 1 }, { 40, 4, 0x50 }, { 44, 4, 4 }, { 48, 8, 8 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "assert in its own VTL", "HvCallAssertVirtualInterrupt: a parent's call", 0x0094, { { 0, 8, 0x77 }, { 24, 4, 0x50 } }, GABI_HV_STATUS_ACCESS_DENIED, -1, 0 },
	{ "post debug data", "HvCallPostDebugData", 0x0069, { { 0, 4, 16 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_DEBUG_POST, 0 },
	{ "post more debug data than the page has", "HvCallPostDebugData", 0x0069, { { 0, 4, 4089 } }, GABI_HV_STATUS_INVALID_PARAMETER, -1, 0 },
	{ "retrieve with no debugger", "HvCallRetrieveDebugData", 0x006a, { { 0, 4, 16 } }, GABI_HV_STATUS_NO_DATA, -1, 0 },
	{ "reset the debug session", "HvCallResetDebugSession", 0x006b, { { 0, 0, 0 } }, GABI_HV_STATUS_SUCCESS, GABI_HV_ACT_DEBUG_RESET, 0 },
	{ "vp index in a VTL that there is not", "HvGetVpIndexFromApicId: INVALID_VTL_STATE", 0x009a | REPS(1), { { 0, 8, 0x77 }, { 8, 1, 2 } }, GABI_HV_STATUS_INVALID_VTL_STATE, -1, 0 },
	{ "extended capabilities", "HvExtCallQueryCapabilities", 0x8001, { { 0, 0, 0 } }, GABI_HV_STATUS_SUCCESS, -1, 0 },
};

static void hypercall__each_call__does_what_its_page_says(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		unsigned status;
		int kind;

		memset(rig->ram + 0x1000, 0, 4096);
		for (unsigned f = 0; f < 7 && calls[i].field[f].bytes; f++)
			put(rig->ram + 0x1000 + calls[i].field[f].at, calls[i].field[f].value, calls[i].field[f].bytes);
		status = rig_call(rig, calls[i].control);
		kind = rig->turn.count ? rig->turn.act[0].kind : -1;
		if (status != calls[i].status || kind != calls[i].act || (kind >= 0 && rig->turn.act[0].vp != calls[i].vp))
			fail_msg("%s (%s): status %#x, act %d on %u", calls[i].name, calls[i].source, status, kind,
				 rig->turn.count ? rig->turn.act[0].vp : 0);
	}
	rig_free(rig);
}

/* HvCallAssertVirtualInterrupt, HV_INTERRUPT_CONTROL, HV_INTERRUPT_TYPE: by VTL 1, which stands above VTL 0 as a parent does. */
static const struct {
	const char *name, *source;
	uint32_t type, flags;
	uint64_t destination;
	uint32_t vector;
	uint8_t vtl, reserved;
	unsigned status, vp;
} asserts[] = {
	{ "at one processor", "HvCallAssertVirtualInterrupt", 0, 0, 3, 0x50, 0, 0, GABI_HV_STATUS_SUCCESS, 3 },
	{ "lowest priority", "HV_INTERRUPT_TYPE", 1, 0, 3, 0x50, 0, 0, GABI_HV_STATUS_SUCCESS, 3 },
	{ "NMI without a vector", "HV_INTERRUPT_TYPE", 4, 0, 3, 0, 0, 0, GABI_HV_STATUS_SUCCESS, 3 },
	{ "at all", "HV_INTERRUPT_CONTROL: broadcast", 0, 0, UINT32_MAX, 0x50, 0, 0, GABI_HV_STATUS_SUCCESS, GABI_HV_VP_SET },
	{ "level-triggered", "HV_INTERRUPT_CONTROL: LevelTriggered", 0, 1, 3, 0x50, 0, 0, GABI_HV_STATUS_SUCCESS, 3 },
	{ "at a logical destination", "HV_INTERRUPT_CONTROL: LogicalDestMode", 0, 2, 0x30001, 0x50, 0, 0, GABI_HV_STATUS_SUCCESS, GABI_HV_VP_LDR },
	{ "at nobody", "HvCallAssertVirtualInterrupt", 0, 0, 5000, 0x50, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "below vector 16", "HV_INTERRUPT_VECTOR", 0, 0, 3, 15, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "an SMI", "HV_INTERRUPT_TYPE: not one of these", 2, 0, 3, 0x50, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "with another flag", "HV_INTERRUPT_CONTROL: ReservedZ", 0, 4, 3, 0x50, 0, 0, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "with reserved bits", "HvCallAssertVirtualInterrupt: must be zero", 0, 0, 3, 0x50, 0, 1, GABI_HV_STATUS_INVALID_PARAMETER, 0 },
	{ "in its own VTL", "vsm, Virtual Processor State Isolation", 0, 0, 3, 0x50, 1, 0, GABI_HV_STATUS_ACCESS_DENIED, 0 },
};

static void assert_interrupt__each_case__does_what_its_page_says(void **state)
{
	struct rig *rig = rig_secure();

	(void)state;
	for (size_t i = 0; i < sizeof(asserts) / sizeof(asserts[0]); i++) {
		unsigned status;

		memset(rig->ram + 0x1000, 0, 32);
		put(rig->ram + 0x1000, UINT64_MAX, 8);
		put(rig->ram + 0x1008, asserts[i].type, 4);
		put(rig->ram + 0x100c, asserts[i].flags, 4);
		put(rig->ram + 0x1010, asserts[i].destination, 8);
		put(rig->ram + 0x1018, asserts[i].vector, 4);
		rig->ram[0x101c] = asserts[i].vtl;
		rig->ram[0x101d] = asserts[i].reserved;
		status = rig_call(rig, GABI_HV_CALL_AssertVirtualInterrupt);
		if (status != asserts[i].status || rig->turn.count != !status || (!status && rig->turn.act[0].vp != asserts[i].vp))
			fail_msg("%s (%s): %#x", asserts[i].name, asserts[i].source, status);
		if (status)
			continue;
		assert_int_equal(rig->turn.act[0].vtl, 0);
		assert_int_equal(rig->turn.act[0].interrupt.type, asserts[i].type);
		assert_int_equal(rig->turn.act[0].interrupt.level, asserts[i].flags & 1);
	}
	put(rig->ram + 0x1000, 5, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_AssertVirtualInterrupt), GABI_HV_STATUS_INVALID_PARTITION_ID);
	rig_free(rig);
}

/* ---- the debugger: layouts as in QEMU include/hw/hyperv/hyperv-proto.h ---- */

static int debugger(void *ctx, void *buf, size_t len, uint64_t timeout_100ns, size_t *ret_len, size_t *ret_left)
{
	(void)ctx;
	assert_int_equal(timeout_100ns, 77);
	assert_int_equal(len, 16);
	memcpy(buf, "0123456789", 10);
	*ret_len = 10;
	*ret_left = 5;
	return 0;
}

static void retrieve_debug_data__from_a_debugger__is_behind_the_two_counts(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig = rig_new();
	struct gabi_hv_ops ops = rig_ops(rig);
	struct gabi_hv_regs regs = rig_regs(GABI_HV_CALL_RetrieveDebugData);
	struct gabi_hv *hv;

	(void)state;
	ops.debug_data = debugger;
	assert_int_equal(gabi_hv_new(&config, &ops, NULL, &hv, NULL), 0);
	gabi_hv_wrmsr(hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &rig->turn);
	put(rig->ram + 0x1000, 16, 4);
	put(rig->ram + 0x1008, 77, 8);
	assert_int_equal(gabi_hv_hypercall(hv, 0, &regs, 0, &rig->turn), GABI_HV_DONE);
	assert_int_equal(regs.rax, GABI_HV_STATUS_SUCCESS);
	assert_int_equal(get(rig->ram + 0x2000, 4), 10);
	assert_int_equal(get(rig->ram + 0x2004, 4), 5);
	assert_memory_equal(rig->ram + 0x2008, "0123456789", 10);
	gabi_hv_free(hv);
	rig_free(rig);
}

/* struct hyperv_reset_debug_session_output: two addresses, two ports, two MACs. */
static void reset_debug_session__writes_24_bytes(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	memset(rig->ram + 0x2000, 0xff, 64);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_ResetDebugSession), GABI_HV_STATUS_SUCCESS);
	for (unsigned at = 0; at < 64; at++)
		assert_int_equal(rig->ram[0x2000 + at], at < 24 ? 0 : 0xff);
	rig_free(rig);
}

/* HvCallFlushGuestPhysicalAddressSpace and List: of all processors, where second level flushes are offered. */
static void flush_nested__acts_on_all_processors(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	(void)state;
	config.leaf[10][0] = 1 << 18;
	rig = rig_with(&config);
	put(rig->ram + 0x1000, 0x777000, 8);
	put(rig->ram + 0x1008, 0, 8);
	put(rig->ram + 0x1010, 0x5003, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_FlushGuestPhysicalAddressSpace), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_NESTED_FLUSH);
	assert_int_equal(rig->turn.act[0].vp, GABI_HV_VP_SET);
	assert_int_equal(rig->turn.act[0].flush.space, 0x777000);
	assert_int_equal(rig->turn.act[0].flush.count, 0);
	assert_int_equal(rig->turn.set.valid, 15); /* 200 processors */
	assert_int_equal(rig_call(rig, GABI_HV_CALL_FlushGuestPhysicalAddressList | REPS(1)), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].flush.count, 1);
	assert_int_equal(rig->turn.act[0].flush.gva[0], 0x5003);
	put(rig->ram + 0x1008, 1, 8); /* RsvdZ */
	assert_int_equal(rig_call(rig, GABI_HV_CALL_FlushGuestPhysicalAddressSpace), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_FlushGuestPhysicalAddressList | REPS(1)), GABI_HV_STATUS_INVALID_PARAMETER);
	rig_free(rig);
}

/* 6.0b 9.4, HvSwitchVirtualAddressSpace: CR3 of the calling processor, in its VTL. */
static void switch_space__writes_cr3(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	put(rig->ram + 0x1000, 0x123000, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_SwitchVirtualAddressSpace), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig_reg(rig, 0, 0, GABI_HV_REG_Cr3)->value.low, 0x123000);
	put(rig->ram + 0x1000, 1ull << 60, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_SwitchVirtualAddressSpace), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_reg(rig, 0, 0, GABI_HV_REG_Cr3)->value.low, 0x123000);
	rig_free(rig);
}

static void call_info__rows_are_sorted_and_named(void **state)
{
	size_t count = 0;

	(void)state;
	for (; gabi_hv_call_info(count); count++) {
		const struct gabi_hv_call_info *info = gabi_hv_call_info(count);

		assert_true(info->name[0] && info->source[0]);
		assert_true(count == 0 || gabi_hv_call_info(count - 1)->code < info->code);
		assert_true(info->rep == (info->in_each || info->out_each));
	}
	assert_true(count > 10);
	assert_string_equal(gabi_hv_status_name(0x12 - 0x0d), "HV_STATUS_INVALID_PARAMETER");
	assert_null(gabi_hv_status_name(0x1234));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hypercall__input_value__gives_the_status_of_the_tlfs),
		cmocka_unit_test(hypercall__nested_bit__is_taken_where_the_guest_is_nested),
		cmocka_unit_test(hypercall__illegal_environment__is_ud_and_changes_nothing),
		cmocka_unit_test(hypercall__before_the_guest_said_who_it_is__is_ud),
		cmocka_unit_test(hypercall__of_no_virtual_processor__is_the_callers_mistake),
		cmocka_unit_test(hypercall__parameter_lists__must_be_placed_as_the_tlfs_says),
		cmocka_unit_test(hypercall__without_its_privilege__is_access_denied_for_every_row),
		cmocka_unit_test(fast__two_registers__carry_the_input),
		cmocka_unit_test(fast__32_bit__uses_ebx_ecx_and_edi_esi_and_returns_in_edx_eax),
		cmocka_unit_test(fast__xmm_registers__carry_what_does_not_fit_two),
		cmocka_unit_test(fast__xmm_not_offered__is_ud),
		cmocka_unit_test(fast__output__is_behind_the_input_in_whole_16_bytes),
		cmocka_unit_test(fast__output_without_input__is_in_rdx),
		cmocka_unit_test(short_way__of_any_input__is_as_the_long_one),
		cmocka_unit_test(rep__limit__stops_half_way_and_goes_on_where_it_was),
		cmocka_unit_test(rep__32_bit_half_way__moves_the_start_index_in_edx),
		cmocka_unit_test(rep__error_at_an_element__says_how_many_were_done),
		cmocka_unit_test(ipi_ex__the_tlfs_own_example__reaches_0_5_and_130),
		cmocka_unit_test(ipi_ex__sets__are_taken_as_the_tlfs_says),
		cmocka_unit_test(hypercall__each_call__does_what_its_page_says),
		cmocka_unit_test(assert_interrupt__each_case__does_what_its_page_says),
		cmocka_unit_test(retrieve_debug_data__from_a_debugger__is_behind_the_two_counts),
		cmocka_unit_test(reset_debug_session__writes_24_bytes),
		cmocka_unit_test(flush_nested__acts_on_all_processors),
		cmocka_unit_test(switch_space__writes_cr3),
		cmocka_unit_test(call_info__rows_are_sorted_and_named),
	};

	return cmocka_run_group_tests_name("hv_call", tests, NULL, NULL);
}
