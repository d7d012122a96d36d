/* SPDX-License-Identifier: MIT */
/* Synthetic MSRs and overlay pages: each case with the page of the TLFS that it comes from. */
#include "hv_rig.h"

__extension__ typedef unsigned __int128 u128;

static int wrmsr(struct rig *rig, uint32_t msr, uint64_t value)
{
	return gabi_hv_wrmsr(rig->hv, 0, msr, value, 1000, &rig->turn);
}

static uint64_t rdmsr(struct rig *rig, uint32_t msr)
{
	uint64_t value = 0xbad;

	assert_int_equal(gabi_hv_rdmsr(rig->hv, 0, msr, 1000, &value, &rig->turn), GABI_HV_DONE);
	return value;
}

static const struct {
	const char *name, *source;
	uint32_t msr;
	uint64_t write;
	int done;
	uint64_t read; /* afterwards */
} writes[] = {
	{ "guest identity", "hypercall-interface: Reporting the Guest OS Identity", GABI_HV_MSR_GUEST_OS_ID, 0x8100000000000001, GABI_HV_DONE,
	  0x8100000000000001 },
	{ "VSM capabilities", "vsm: VSM Capability Detection; deny lower startup, MBEC of VTL 1", GABI_HV_MSR_VSM_CAPABILITIES, 0, GABI_HV_GP,
	  1ull << 46 | 1ull << 48 },
	{ "run time", "vp-properties: read-only", GABI_HV_MSR_VP_RUNTIME, 1, GABI_HV_GP, 0 },
	{ "VP index", "vp-properties: RDMSR", GABI_HV_MSR_VP_INDEX, 3, GABI_HV_GP, 0 },
	{ "reference counter", "timers: any attempt to write is #GP", GABI_HV_MSR_TIME_REF_COUNT, 0, GABI_HV_GP, 1000 },
	{ "TSC frequency", "6.0b appendix C: R", GABI_HV_MSR_TSC_FREQUENCY, 1, GABI_HV_GP, 2000000000 },
	{ "APIC frequency", "6.0b appendix C: R", GABI_HV_MSR_APIC_FREQUENCY, 1, GABI_HV_GP, 200000000 },
	{ "SynIC version", "SVERSION: writes are #GP", GABI_HV_MSR_SVERSION, 1, GABI_HV_GP, 1 },
	{ "hypercall page in range", "hypercall-interface: HYPERCALL", GABI_HV_MSR_HYPERCALL, 0x5001, GABI_HV_DONE, 0x5001 },
	{ "hypercall page, reserved bits kept", "hypercall-interface: RsvdP", GABI_HV_MSR_HYPERCALL, 0x5ffd, GABI_HV_DONE, 0x5ffd },
	{ "hypercall page beyond the address space", "hypercall-interface: #GP", GABI_HV_MSR_HYPERCALL, (1ull << 32) | 1, GABI_HV_GP, 0x5ffd },
	{ "reference TSC beyond the address space", "timers: not accessible", GABI_HV_MSR_REFERENCE_TSC, (1ull << 40) | 1, GABI_HV_DONE, (1ull << 40) | 1 },
	{ "SynIC control", "SCONTROL: RsvdP", GABI_HV_MSR_SCONTROL, 0xff01, GABI_HV_DONE, 0xff01 },
	{ "source without a vector", "SINTx: 16-255, else #GP", GABI_HV_MSR_SINT0, 15, GABI_HV_GP, 0x10000 },
	{ "source with vector 16", "SINTx: 16-255", GABI_HV_MSR_SINT0, 16, GABI_HV_DONE, 16 },
	{ "masked source without a vector", "SINTx: masked by default with vector 0", GABI_HV_MSR_SINT0 + 15, 0x10000, GABI_HV_DONE, 0x10000 },
	{ "source with all kept bits", "SINTx: RsvdP", GABI_HV_MSR_SINT0 + 3, 0xfff8000000000fffull << 4 | 0x80, GABI_HV_DONE, 0xff8000000000fff0 | 0x80 },
	{ "messages beyond the address space", "SIMP: not accessible", GABI_HV_MSR_SIMP, (1ull << 40) | 1, GABI_HV_DONE, (1ull << 40) | 1 },
	{ "event flags, reserved bits kept", "SIEFP: RsvdP", GABI_HV_MSR_SIEFP, 0x9ffe, GABI_HV_DONE, 0x9ffe },
	{ "interrupt command", "virtual-interrupts: the local APIC's, by an action", GABI_HV_MSR_ICR, 0x40050, GABI_HV_DONE, 0 },
	{ "task priority", "virtual-interrupts: the local APIC's, by an action", GABI_HV_MSR_TPR, 0x20, GABI_HV_DONE, 0 },
	{ "end of message", "EOM: reads return zeros", GABI_HV_MSR_EOM, 77, GABI_HV_DONE, 0 },
	{ "assist page, reserved bits kept", "vp-properties: RsvdP", GABI_HV_MSR_VP_ASSIST_PAGE, 0x7fff, GABI_HV_DONE, 0x7fff },
	{ "timer configuration", "timers: RsvdZ", GABI_HV_MSR_STIMER0_CONFIG + 2, ~0xfull & ~1ull, GABI_HV_DONE, 0xf1ff0 },
	{ "lazy periodic timer", "timers: lazy", GABI_HV_MSR_STIMER0_CONFIG + 6, 0x30006, GABI_HV_DONE, 0x30006 },
	{ "timer without a source", "timers: marked disabled immediately", GABI_HV_MSR_STIMER0_CONFIG, 1, GABI_HV_DONE, 0 },
	{ "direct timer without a source", "timers: direct mode", GABI_HV_MSR_STIMER0_CONFIG, 0x1301, GABI_HV_DONE, 0x1301 },
	{ "timer count", "timers: count", GABI_HV_MSR_STIMER0_CONFIG + 5, 99, GABI_HV_DONE, 99 },
	{ "guest idle", "vp-properties: read", GABI_HV_MSR_GUEST_IDLE, 0, GABI_HV_GP, 0 },
	{ "crash parameter", "partition-properties: P0", GABI_HV_MSR_CRASH_P0 + 4, 0x1234, GABI_HV_DONE, 0x1234 },
	{ "crash control", "partition-properties: reads say what is supported", GABI_HV_MSR_CRASH_CTL, 5, GABI_HV_DONE, 3ull << 62 },
	{ "re-enlightenment", "hvgdk_mini.h", GABI_HV_MSR_REENLIGHTENMENT_CONTROL, 0x100ee, GABI_HV_DONE, 0x100ee },
	{ "TSC emulation", "hvgdk_mini.h", GABI_HV_MSR_TSC_EMULATION_CONTROL, 1, GABI_HV_DONE, 1 },
	{ "TSC emulation status, which a guest can only clear", "hvgdk_mini.h", GABI_HV_MSR_TSC_EMULATION_STATUS, 1, GABI_HV_DONE, 0 },
	{ "invariant TSC, another bit", "kvm hyperv.c", GABI_HV_MSR_TSC_INVARIANT_CONTROL, 2, GABI_HV_GP, 0 },
	{ "invariant TSC", "kvm hyperv.c", GABI_HV_MSR_TSC_INVARIANT_CONTROL, 1, GABI_HV_DONE, 1 },
	{ "invariant TSC taken back", "kvm hyperv.c", GABI_HV_MSR_TSC_INVARIANT_CONTROL, 0, GABI_HV_GP, 1 },
	{ "NPIEP", "HV_X64_MSR_NPIEP_CONFIG_CONTENTS", GABI_HV_MSR_NPIEP_CONFIG, 0x1f, GABI_HV_DONE, 0xf },
	{ "reset, bit 0 clear", "6.0b appendix C", GABI_HV_MSR_RESET, 2, GABI_HV_DONE, 0 },
};

static void wrmsr__each_register__does_what_its_page_says(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		int done = wrmsr(rig, writes[i].msr, writes[i].write);
		uint64_t value = rdmsr(rig, writes[i].msr);

		if (done != writes[i].done || value != writes[i].read)
			fail_msg("%s (%s): %s, then %#llx", writes[i].name, writes[i].source, gabi_hv_done_text(done),
				 (unsigned long long)value);
	}
	rig_free(rig);
}

/* Each row's direction, by the page that the row names: R, W or RW; the other one is #GP. */
static void msrs__every_row__takes_its_directions_and_no_other(void **state)
{
	struct rig *rig = rig_new();
	unsigned refused = 0;

	(void)state;
	for (size_t at = 0; gabi_hv_msr_info(at); at++) {
		const struct gabi_hv_msr_info *info = gabi_hv_msr_info(at);
		uint64_t value = 1 << 16; /* a masked source; harmless elsewhere */
		int read = gabi_hv_rdmsr(rig->hv, 0, info->number, 5, &(uint64_t){ 0 }, &rig->turn), written;

		if (info->number == GABI_HV_MSR_TSC_INVARIANT_CONTROL)
			value = 1;
		written = wrmsr(rig, info->number, value);
		if (read != (info->readable ? GABI_HV_DONE : GABI_HV_GP) || written != (info->writable ? GABI_HV_DONE : GABI_HV_GP))
			fail_msg("%s (%s): %s, %s", info->name, info->source, gabi_hv_done_text(read), gabi_hv_done_text(written));
		assert_true(info->name[0] && info->source[0]);
		refused += !info->readable + !info->writable;
	}
	assert_int_equal(refused, 9); /* EOI; capabilities, index, run time, counter, frequencies, version, idle */
	rig_free(rig);
}

/* Those that the processor holds come by the op: 6.0b 19, appendix C. */
static void msrs__of_the_processor__are_read_from_it(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	rig_set(rig, 0, 0, 0x00090000, 12345, 0);
	rig_set(rig, 0, 0, 0x00084830, 0x300000004c, 0);
	rig_set(rig, 0, 0, 0x00084808, 0x40, 0);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_VP_RUNTIME), 12345);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_ICR), 0x300000004c);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_TPR), 0x40);
	rig_free(rig);
}

static void msrs__unknown_number__is_not_the_engines(void **state)
{
	static const uint32_t numbers[] = { 0x40000004, 0x4000011f, 0x40000120, 0x3fffffff, 0x10, 0xc0000080, 0xffffffff, 0x40000085 };
	struct rig *rig = rig_new();
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_equal(gabi_hv_rdmsr(rig->hv, 0, numbers[i], 0, &value, &rig->turn), GABI_ERR_UNKNOWN);
		assert_int_equal(wrmsr(rig, numbers[i], 0), GABI_ERR_UNKNOWN);
	}
	rig_free(rig);
}

/* TLFS, Partition Privilege Flags: each MSR needs one. */
static void msrs__without_any_privilege__are_all_gp(void **state)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;
	uint64_t value;
	size_t rows = 0;

	(void)state;
	memset(config.leaf[3], 0, sizeof(config.leaf[3]));
	config.vtl_count = 1;
	rig = rig_with(&config);
	for (; gabi_hv_msr_info(rows); rows++) {
		assert_int_equal(gabi_hv_rdmsr(rig->hv, 0, gabi_hv_msr_info(rows)->number, 0, &value, &rig->turn), GABI_HV_GP);
		assert_int_equal(wrmsr(rig, gabi_hv_msr_info(rows)->number, 0), GABI_HV_GP);
	}
	assert_true(rows > 50);
	rig_free(rig);
}

static void hypercall_page__without_an_identity__is_not_enabled(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	wrmsr(rig, GABI_HV_MSR_GUEST_OS_ID, 0);
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x5001), GABI_HV_DONE);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_HYPERCALL), 0x5000);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void hypercall_page__identity_cleared__goes_away(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x5001);
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_GUEST_OS_ID, 0), GABI_HV_DONE);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_OVERLAY);
	assert_int_equal(rig->turn.act[0].overlay.gpa, 0x5000);
	assert_int_equal(rig->turn.act[0].overlay.page, GABI_HV_NO_PAGE);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_HYPERCALL), 0x5000);
	rig_free(rig);
}

static void hypercall_page__locked__cannot_move(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x5003), GABI_HV_DONE);
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x6001), GABI_HV_GP);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_HYPERCALL), 0x5003);
	rig_free(rig);
}

static const struct {
	unsigned exit;
	uint8_t code[3];
	unsigned len;
} exits[] = {
	{ GABI_HV_EXIT_VMCALL, { 0x0f, 0x01, 0xc1 }, 3 },
	{ GABI_HV_EXIT_VMMCALL, { 0x0f, 0x01, 0xd9 }, 3 },
	{ GABI_HV_EXIT_PORT, { 0xe6, 0x60 }, 2 },
};

static void hypercall_page__starts_with_the_way_out_and_a_return(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct gabi_hv_config config = rig_config();
		struct rig *rig;

		config.exit = (uint16_t)exits[i].exit;
		rig = rig_with(&config);
		wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x5001);
		assert_int_equal(rig->turn.act[0].overlay.prot, 13);
		assert_memory_equal(rig->pages + rig->turn.act[0].overlay.page * 4096, exits[i].code, exits[i].len);
		assert_int_equal(rig->pages[rig->turn.act[0].overlay.page * 4096 + exits[i].len], 0xc3);
		rig_free(rig);
	}
}

/* Executes the few instructions of the page from its start, with that code in its register: the port, or 0 for the instruction. */
static unsigned way_out(const uint8_t *page, bool is_64, uint8_t code, const uint8_t leave[3])
{
	const uint8_t *at = page;
	bool zero = false;

	for (unsigned steps = 0; steps < 64; steps++) {
		if (at[0] == 0xe9) { /* jmp */
			at += 5 + at[1];
		} else if (at[0] == 0x39 && at[1] == 0xc0) { /* cmp eax, eax */
			zero = true;
			at += 2;
		} else if (at[0] == 0x63 && at[1] == 0xc0) { /* movsxd eax, eax; arpl ax, ax */
			zero = zero && is_64;
			at += 2;
		} else if (at[0] == 0x66 && at[1] == 0x83) { /* cmp cx or ax, imm8 */
			zero = at[2] == (is_64 ? 0xf9 : 0xf8) && at[3] == code;
			at += 4;
		} else if (at[0] == 0x74 || at[0] == 0x75) { /* jz, jnz */
			at += 2 + (zero == (at[0] == 0x74) ? at[1] : 0);
		} else if (at[0] == 0xe6) { /* out */
			assert_int_equal(at[2], 0xc3);
			return at[1];
		} else {
			assert_memory_equal(at, leave, 3);
			assert_int_equal(at[3], 0xc3);
			return 0;
		}
	}
	fail_msg("the code does not end");
	return 1;
}

/* Whose page leaves by the instruction for `direct` codes and by the port for all others. */
static void check_ways_out(unsigned exit, unsigned vtls, const uint8_t *direct, size_t count)
{
	struct gabi_hv_config config = rig_config();
	const uint8_t *leave = exits[exit - GABI_HV_EXIT_PORT_VMCALL].code;
	struct rig *rig;
	const uint8_t *page;

	config.exit = (uint16_t)exit;
	config.vtl_count = vtls;
	rig = rig_with(&config);
	wrmsr(rig, GABI_HV_MSR_HYPERCALL, 0x5001);
	page = rig->pages + rig->turn.act[0].overlay.page * 4096;
	for (unsigned code = 0; code < 256; code++) {
		bool goes = memchr(direct, (int)code, count) != NULL;

		assert_int_equal(way_out(page, true, (uint8_t)code, leave), goes ? 0 : 0x60);
		assert_int_equal(way_out(page, false, (uint8_t)code, leave), goes ? 0 : 0x60);
	}
	assert_int_equal(page[0x20], 0xe6); /* VTL calls stay with the port */
	assert_int_equal(page[0x21], 0x61);
	rig_free(rig);
}

static void hypercall_page__on_a_kvm_that_flushes__lets_flushes_and_ipis_go_to_it(void **state)
{
	static const uint8_t direct[] = { 2, 3, 0x13, 0x14, 0xb, 0x15 }; /* TLFS, Hypercall Reference */

	(void)state;
	for (unsigned exit = GABI_HV_EXIT_PORT_VMCALL; exit <= GABI_HV_EXIT_PORT_VMMCALL; exit++) {
		check_ways_out(exit, 1, direct, sizeof(direct));
		check_ways_out(exit, 2, direct, 4); /* KVM's IPIs know of no levels */
	}
}

/* 6.0b 5.2.1: move, cover each other, and uncover what is below. */
static void overlays__moved_onto_each_other_and_away__show_what_is_below(void **state)
{
	struct rig *rig = rig_new();
	uint32_t assist, simp;

	(void)state;
	wrmsr(rig, GABI_HV_MSR_VP_ASSIST_PAGE, 0x7001);
	assert_int_equal(rig->turn.count, 1);
	assist = rig->turn.act[0].overlay.page;
	wrmsr(rig, GABI_HV_MSR_SIMP, 0x8001);
	simp = rig->turn.act[0].overlay.page;
	assert_int_not_equal(simp, assist);

	/* Onto the assist page, which stays on top: only the old place changes. */
	wrmsr(rig, GABI_HV_MSR_SIMP, 0x7001);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].overlay.gpa, 0x8000);
	assert_int_equal(rig->turn.act[0].overlay.page, GABI_HV_NO_PAGE);

	/* The assist page goes: the message page appears. */
	wrmsr(rig, GABI_HV_MSR_VP_ASSIST_PAGE, 0);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].overlay.gpa, 0x7000);
	assert_int_equal(rig->turn.act[0].overlay.page, simp);
	assert_int_equal(rig->turn.act[0].overlay.prot, GABI_HV_READ | GABI_HV_WRITE);

	/* It comes back on top, and the one below moves unseen. */
	wrmsr(rig, GABI_HV_MSR_VP_ASSIST_PAGE, 0x7001);
	assert_int_equal(rig->turn.act[0].overlay.page, assist);
	wrmsr(rig, GABI_HV_MSR_SIMP, 0);
	assert_int_equal(rig->turn.count, 0);

	/* The same place again is no change. */
	wrmsr(rig, GABI_HV_MSR_VP_ASSIST_PAGE, 0x7ffd);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void overlays__beyond_the_address_space__are_not_seen(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	wrmsr(rig, GABI_HV_MSR_SIMP, 0x8001);
	wrmsr(rig, GABI_HV_MSR_SIMP, (1ull << 32) + 0x8001);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].overlay.gpa, 0x8000);
	assert_int_equal(rig->turn.act[0].overlay.page, GABI_HV_NO_PAGE);
	rig_free(rig);
}

/* ReferenceTime = ((VirtualTsc * TscScale) >> 64) + TscOffset. */
static void reference_tsc__page__gives_the_reference_time(void **state)
{
	struct rig *rig = rig_new();
	const uint8_t *page;
	uint64_t tsc = 123456789012345;
	u128 product;

	(void)state;
	wrmsr(rig, GABI_HV_MSR_REFERENCE_TSC, 0x9001);
	page = rig->pages + rig->turn.act[0].overlay.page * 4096;
	assert_int_equal(rig->turn.act[0].overlay.prot, GABI_HV_READ);
	assert_int_equal(get(page, 4), 0); /* not reliable yet */
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 2500000000, -500, 1), 0);
	assert_int_equal(get(page, 4), 1);
	product = (u128)tsc * get(page + 8, 8);
	assert_int_equal((uint64_t)(product >> 64) + get(page + 16, 8), tsc / 250 - 500);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 3000000000, 0, 1), 0);
	assert_int_equal(get(page, 4), 2);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 3000000000, 0, 0), 0);
	assert_int_equal(get(page, 4), 0);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 3000000000, 0, 1), 0);
	assert_int_equal(get(page, 4), 4);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 3000000000, 0, 1), 0); /* it says so already */
	assert_int_equal(get(page, 4), 4);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 0, 0, 1), GABI_ERR_RANGE);
	rig_free(rig);
}

static void apic_msrs__become_actions_without_the_rubbish(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_EOI, 0xdead00000000), GABI_HV_DONE);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_APIC_EOI);
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_ICR, 0x300000004c), GABI_HV_DONE);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_APIC_ICR);
	assert_int_equal(rig->turn.act[0].value, 0x300000004c);
	assert_int_equal(wrmsr(rig, GABI_HV_MSR_TPR, 0xfe0), GABI_HV_DONE);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_APIC_TPR);
	assert_int_equal(rig->turn.act[0].value, 0xe0);
	rig_free(rig);
}

static void crash__notified__brings_the_parameters(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		wrmsr(rig, GABI_HV_MSR_CRASH_P0 + i, 100 + i);
	wrmsr(rig, GABI_HV_MSR_CRASH_CTL, 3ull << 62);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_CRASH);
	assert_int_equal(rig->turn.act[0].crash.parameter[4], 104);
	assert_int_equal(rig->turn.act[0].crash.control, 3ull << 62);
	rig_free(rig);
}

static void idle_and_reset__become_actions(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_GUEST_IDLE), 0);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_IDLE);
	wrmsr(rig, GABI_HV_MSR_RESET, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_RESET);
	rig_free(rig);
}

static void reenlightenment__asked_for__interrupts_the_target(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	assert_int_equal(gabi_hv_reenlighten(rig->hv, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 0);
	wrmsr(rig, GABI_HV_MSR_REENLIGHTENMENT_CONTROL, 5ull << 32 | 1 << 16 | 0xee);
	wrmsr(rig, GABI_HV_MSR_TSC_EMULATION_CONTROL, 1);
	assert_int_equal(gabi_hv_reenlighten(rig->hv, &rig->turn), 0);
	assert_int_equal(rig->turn.act[0].vp, 5);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0xee);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_TSC_EMULATION_STATUS), 1);
	wrmsr(rig, GABI_HV_MSR_TSC_EMULATION_STATUS, 0);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_TSC_NATIVE);
	assert_int_equal(rdmsr(rig, GABI_HV_MSR_TSC_EMULATION_STATUS), 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrmsr__each_register__does_what_its_page_says),
		cmocka_unit_test(msrs__every_row__takes_its_directions_and_no_other),
		cmocka_unit_test(msrs__of_the_processor__are_read_from_it),
		cmocka_unit_test(msrs__unknown_number__is_not_the_engines),
		cmocka_unit_test(msrs__without_any_privilege__are_all_gp),
		cmocka_unit_test(hypercall_page__without_an_identity__is_not_enabled),
		cmocka_unit_test(hypercall_page__identity_cleared__goes_away),
		cmocka_unit_test(hypercall_page__locked__cannot_move),
		cmocka_unit_test(hypercall_page__starts_with_the_way_out_and_a_return),
		cmocka_unit_test(hypercall_page__on_a_kvm_that_flushes__lets_flushes_and_ipis_go_to_it),
		cmocka_unit_test(overlays__moved_onto_each_other_and_away__show_what_is_below),
		cmocka_unit_test(overlays__beyond_the_address_space__are_not_seen),
		cmocka_unit_test(reference_tsc__page__gives_the_reference_time),
		cmocka_unit_test(apic_msrs__become_actions_without_the_rubbish),
		cmocka_unit_test(crash__notified__brings_the_parameters),
		cmocka_unit_test(idle_and_reset__become_actions),
		cmocka_unit_test(reenlightenment__asked_for__interrupts_the_target),
	};

	return cmocka_run_group_tests_name("hv_msr", tests, NULL, NULL);
}
