/* SPDX-License-Identifier: MIT */
/*
 * What the monitor makes of the engine's actions, on a machine that is made up: the functions of libgabi-kvm are this file's. The engine is the
 * true one. Needs no KVM.
 */
#include "../hv/hv_rig.h"

#include "base/base.h"
#include "vmm/hyperv_own.h"
#include "vmm/vsm_own.h"

#include <time.h>

#define MS 10000ull /* of reference time */

enum { VPS = 40, SOURCES = 16, SOURCE_MASKED = 1 << 16, SOURCE_AUTO_EOI = 1 << 17, VECTOR = 0x72 };

int __wrap_gabi_hv_config_from_contract(struct gabi_hv_config *config, const struct gabi_contract *contract, struct gabi_diag *diag);

/* ---- the machine ---- */

static struct {
	uint8_t ram[4096], *overlays;
	uint64_t tsc, moved, source[VPS][2][SOURCES];
	struct gabi_kvm_registers regs;
	void (*at_interrupt)(void);
	uint64_t wrote_at, wrote; /* what a migration is to copy: where last, and how much in all */
	unsigned interrupts, kicks[VPS], wakes;
	uint64_t apic_base, sent_to; /* bit n: a message went to APIC n */
	unsigned sent_logical;       /* of the last */
} made_up;

struct gabi_kvm_machine {
	int nothing;
};

static struct gabi_kvm_machine machine;

void *gabi_kvm_machine_ram(const struct gabi_kvm_machine *m, uint64_t gpa, uint64_t len)
{
	(void)m;
	return gpa < sizeof(made_up.ram) && len <= sizeof(made_up.ram) - gpa ? made_up.ram + gpa : NULL;
}

int gabi_kvm_machine_msi(const struct gabi_kvm_machine *m, unsigned vtl, uint64_t address, uint32_t data)
{
	(void)m, (void)vtl, (void)data;
	made_up.interrupts++;
	made_up.sent_logical = address >> 2 & 1;
	made_up.sent_to |= (uint64_t)!made_up.sent_logical << (address >> 12 & 0x3f);
	if (made_up.at_interrupt)
		made_up.at_interrupt();
	return 0;
}

int gabi_kvm_vp_set_msr(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint32_t msr, uint64_t value)
{
	(void)m;
	if (msr - GABI_HV_MSR_SINT0 < SOURCES)
		made_up.source[vp][vtl][msr - GABI_HV_MSR_SINT0] = value;
	return 0;
}

int gabi_kvm_vp_get_msr(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint32_t msr, uint64_t *ret_value)
{
	(void)m;
	*ret_value = msr == 0x1b ? made_up.apic_base : msr - GABI_HV_MSR_SINT0 < SOURCES ? made_up.source[vp][vtl][msr - GABI_HV_MSR_SINT0] : 0;
	return 0;
}

void gabi_kvm_vp_kick(struct gabi_kvm_machine *m, unsigned vp)
{
	(void)m;
	made_up.kicks[vp]++;
}

void *gabi_kvm_machine_overlays(const struct gabi_kvm_machine *m) { (void)m; return made_up.overlays; }
uint64_t gabi_kvm_machine_tsc(const struct gabi_kvm_machine *m) { (void)m; return made_up.tsc; }
uint64_t gabi_kvm_machine_tsc_hz(const struct gabi_kvm_machine *m) { (void)m; return 10000000; }
void gabi_kvm_machine_set_tsc_moved(struct gabi_kvm_machine *m, uint64_t moved) { (void)m; made_up.tsc -= moved, made_up.moved = moved; }
void gabi_kvm_machine_wrote(struct gabi_kvm_machine *m, uint64_t gpa, uint64_t len) { (void)m, made_up.wrote_at = gpa, made_up.wrote += len; }
void gabi_kvm_vp_changed(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl) { (void)m, (void)vp, (void)vtl; }
void gabi_kvm_vp_drop_startup(const struct gabi_kvm_machine *m, unsigned vp) { (void)m, (void)vp; }
int gabi_kvm_vp_is_started(const struct gabi_kvm_machine *m, unsigned vp) { (void)m, (void)vp; return 1; }
int gabi_kvm_vp_rested(const struct gabi_kvm_machine *m, unsigned vp) { (void)m, (void)vp; return 0; }
int gabi_kvm_vp_rest(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl) { (void)m, (void)vp, (void)vtl; return 0; }
int gabi_kvm_vp_waits(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl) { (void)m, (void)vp, (void)vtl; return 0; }
int gabi_kvm_vp_drop_init(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl) { (void)m, (void)vp, (void)vtl; return 0; }
struct gabi_kvm_registers *gabi_kvm_vp_registers(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl) { (void)m, (void)vp, (void)vtl; return &made_up.regs; }

int gabi_kvm_machine_tsc_moved(const struct gabi_kvm_machine *m, uint64_t *ret_moved, struct gabi_diag *diag)
{
	(void)m, (void)diag;
	*ret_moved = made_up.moved;
	return 0;
}

int gabi_kvm_machine_overlay(struct gabi_kvm_machine *m, unsigned vtl, uint64_t gpa, uint32_t page)
{
	(void)m, (void)vtl, (void)gpa, (void)page;
	return 0;
}

int gabi_kvm_machine_protect(struct gabi_kvm_machine *m, unsigned vtl, uint64_t gpa, uint64_t len, unsigned rights, struct gabi_diag *diag)
{
	(void)m, (void)vtl, (void)gpa, (void)len, (void)rights, (void)diag;
	return 0;
}

int gabi_kvm_machine_take_msrs(struct gabi_kvm_machine *m, unsigned vtl, const struct gabi_kvm_msrs *msrs, size_t count, struct gabi_diag *diag)
{
	(void)m, (void)vtl, (void)msrs, (void)count, (void)diag;
	return 0;
}

int gabi_kvm_vp_carry_out_msr(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint32_t msr, int write, uint64_t *value)
{
	(void)m, (void)vp, (void)vtl, (void)msr, (void)write, (void)value;
	return GABI_ERR_RANGE;
}

int gabi_kvm_vp_again(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, int vector, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)vtl, (void)vector, (void)diag;
	return 0;
}

int gabi_kvm_vp_flush(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)vtl, (void)diag;
	return 0;
}

int gabi_kvm_vp_interrupt(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, int *ret_pending, uint64_t *ret_timer_ns, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)vtl, (void)diag;
	*ret_pending = 0;
	*ret_timer_ns = UINT64_MAX;
	return 0;
}

int gabi_kvm_vp_mode(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, unsigned *ret_bits, unsigned *ret_cpl, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)vtl, (void)diag;
	*ret_bits = 64;
	*ret_cpl = 0;
	return 0;
}

int gabi_kvm_vp_get_register(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)m, (void)vp, (void)vtl, (void)name;
	*ret_value = (struct gabi_hv_value){ 0, 0 };
	return 0;
}

int gabi_kvm_vp_set_register(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)m, (void)vp, (void)vtl, (void)name, (void)value;
	return 0;
}

int gabi_kvm_vp_translate(struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, uint64_t gva, uint64_t *ret_gpa)
{
	(void)m, (void)vp, (void)vtl, (void)gva, (void)ret_gpa;
	return GABI_ERR_RANGE;
}

int gabi_kvm_vp_start(const struct gabi_kvm_machine *m, unsigned vp, unsigned vtl, const struct gabi_hv_context *context,
		      const struct gabi_kvm_registers *registers, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)vtl, (void)context, (void)registers, (void)diag;
	return 0;
}

int gabi_kvm_vp_switch(const struct gabi_kvm_machine *m, unsigned vp, unsigned from, unsigned to, struct gabi_diag *diag)
{
	(void)m, (void)vp, (void)from, (void)to, (void)diag;
	return 0;
}

/* ---- the monitor ---- */

static struct vmm_hyperv *hyperv;

int __wrap_gabi_hv_config_from_contract(struct gabi_hv_config *config, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	const struct gabi_hv_config all = rig_config();

	(void)contract, (void)diag;
	memcpy(config->leaf, all.leaf, sizeof(config->leaf));
	config->vtl_count = 2;
	return 0;
}

static void count_wake(void *ctx) { (void)ctx; made_up.wakes++; }
static void nothing(void *ctx) { (void)ctx; }
static void switched(void *ctx, unsigned vp) { (void)ctx, (void)vp; }
static void changed(void *ctx, unsigned vp, unsigned runs) { (void)ctx, (void)vp, (void)runs; }
static void ended(void *ctx, bool crash) { (void)ctx; fail_msg("the guest ends: %d", crash); }
static void failed(void *ctx, const char *text) { (void)ctx; fail_msg("%s", text); }

static struct vmm_hyperv *new_hyperv(void)
{
	const struct vmm_hyperv_options options = {
		.contract = (const struct gabi_contract *)&machine, .cpus = VPS, .memory = 64 << 20, .vtls = 2, .shim = true, .wake = count_wake, .end = ended,
		.fail = failed, .wait_for_devices = nothing, .switched = switched, .protected = changed,
	};
	struct vmm_hyperv *made;
	unsigned overlays;

	assert_int_equal(vmm_hyperv_new(&options, &made, &overlays, NULL), 0);
	made_up.overlays = aligned_alloc(4096, (size_t)overlays * 4096);
	assert_non_null(made_up.overlays);
	memset(made_up.overlays, 0, (size_t)overlays * 4096);
	assert_int_equal(vmm_hyperv_start(made, &machine, NULL), 0);
	return made;
}

static int begin(void **state)
{
	(void)state;
	memset(&made_up, 0, sizeof(made_up));
	for (unsigned i = 0; i < VPS * 2 * SOURCES; i++)
		made_up.source[i / 2 / SOURCES][i / SOURCES % 2][i % SOURCES] = SOURCE_MASKED;
	hyperv = new_hyperv();
	return 0;
}

static int end(void **state)
{
	(void)state;
	vmm_hyperv_free(hyperv);
	free(made_up.overlays);
	return 0;
}

/* The guest writes an MSR of the engine's. */
static void write_msr(unsigned vp, uint32_t msr, uint64_t value)
{
	uint8_t fault = 0;
	const struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_MSR, .write = 1, .size = 8, .count = 1, .address = msr, .data = &value, .fault = &fault };

	assert_true(vmm_hyperv_serve(hyperv, vp, &exit));
	assert_int_equal(fault, 0);
}

/* ---- timers ---- */

enum { DIRECT = 1 << 12, AUTO_ENABLE = 8 };

static void arm(unsigned timer, uint64_t at)
{
	write_msr(0, GABI_HV_MSR_STIMER0_CONFIG + timer * 2, AUTO_ENABLE | DIRECT | 0x50u << 4);
	write_msr(0, GABI_HV_MSR_STIMER0_COUNT + timer * 2, at);
}

/* The guest has taken the interrupt of its first timer, and sets it anew before the thread of timers goes on. */
static void arm_again(void)
{
	made_up.at_interrupt = NULL;
	arm(0, made_up.tsc + MS);
}

static void timer__set_anew_while_another_is_told__is_not_forgotten(void **state)
{
	(void)state;
	made_up.tsc = 1000 * MS;
	arm(0, made_up.tsc + MS);
	arm(1, made_up.tsc + 100 * MS);
	made_up.tsc += MS;
	made_up.at_interrupt = arm_again;
	vmm_hyperv_next(hyperv);
	assert_int_equal(made_up.interrupts, 1);
	made_up.tsc += MS;
	vmm_hyperv_next(hyperv);
	assert_int_equal(made_up.interrupts, 2);
	made_up.tsc += 98 * MS;
	vmm_hyperv_next(hyperv);
	assert_int_equal(made_up.interrupts, 3);
}

static void timer__put_off__comes_once_and_then(void **state)
{
	(void)state;
	made_up.tsc = 1000 * MS;
	arm(0, made_up.tsc + MS);
	arm(0, made_up.tsc + 3 * MS);
	made_up.tsc += 2 * MS;
	vmm_hyperv_next(hyperv);
	assert_int_equal(made_up.interrupts, 0);
	made_up.tsc += MS;
	vmm_hyperv_next(hyperv);
	assert_int_equal(made_up.interrupts, 1);
}

/* ---- a level that was saved ---- */

/* A hypercall of VTL 0's, its input in memory; it goes by the engine alone. */
static void call(uint16_t code, uint32_t vp, const uint8_t *context)
{
	struct gabi_hv_regs regs = { .rcx = code, .rdx = 0, .r8 = 0x800, .mode = GABI_HV_MODE_64 };

	memset(made_up.ram, 0, 256);
	put(made_up.ram, UINT64_MAX, 8);
	if (context) {
		put(made_up.ram + 8, vp, 4);
		made_up.ram[12] = 1;
		memcpy(made_up.ram + 16, context, 224);
	} else {
		made_up.ram[8] = 1;
	}
	assert_int_equal(gabi_hv_hypercall(hyperv->hv, 0, &regs, 0, &hyperv->turn[0]), GABI_HV_DONE);
	assert_int_equal(regs.rax & 0xffff, GABI_HV_STATUS_SUCCESS);
	vmm_hyperv_carry_out(hyperv, 0, &hyperv->turn[0]);
}

/* Processor 0 goes there, and has its assist page. */
static void enter_vtl1(void)
{
	uint8_t context[224];

	rig_context(context);
	write_msr(0, GABI_HV_MSR_GUEST_OS_ID, 0x8100);
	call(GABI_HV_CALL_EnablePartitionVtl, 0, NULL);
	call(GABI_HV_CALL_EnableVpVtl, 0, context);
	vmm_vsm_call(hyperv, 0);
	assert_int_equal(vmm_vsm_current(hyperv, 0), 1);
	write_msr(0, GABI_HV_MSR_VP_ASSIST_PAGE, 0x1001);
}

static void load__of_one_in_a_higher_level__looks_at_what_lower_ones_are_sent(void **state)
{
	void *bytes;
	size_t len;

	(void)state;
	enter_vtl1();
	assert_int_equal(vmm_hyperv_save(hyperv, &bytes, &len, NULL), 0);
	end(state);
	begin(state);
	assert_int_equal(vmm_hyperv_load(hyperv, bytes, len, NULL), 0);
	free(bytes);
	assert_int_equal(vmm_vsm_current(hyperv, 0), 1);
	made_up.kicks[0] = 0;
	for (unsigned i = 0; i < 5000 && !made_up.kicks[0]; i++) {
		vmm_vsm_tick(hyperv);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	assert_int_not_equal(made_up.kicks[0], 0);
}

/* Whether the TSC is one to keep time by is this machine's to say, and not that where the guest was saved. */
static void load__of_a_guest_from_elsewhere__says_anew_whether_its_tsc_is_reliable(void **state)
{
	enum { PAGE_REF_TSC = 1 };
	bool reliable;
	void *bytes;
	size_t len;

	(void)state;
	write_msr(0, GABI_HV_MSR_GUEST_OS_ID, 0x8100);
	write_msr(0, GABI_HV_MSR_REFERENCE_TSC, 0x1001);
	reliable = get(made_up.overlays + PAGE_REF_TSC * 4096, 4) != 0;
	assert_int_equal(gabi_hv_set_reference_tsc(hyperv->hv, 10000000, 0, !reliable), 0);
	assert_int_equal(get(made_up.overlays + PAGE_REF_TSC * 4096, 4) != 0, !reliable);
	assert_int_equal(vmm_hyperv_save(hyperv, &bytes, &len, NULL), 0);
	end(state);
	begin(state);
	assert_int_equal(vmm_hyperv_load(hyperv, bytes, len, NULL), 0);
	free(bytes);
	assert_int_equal(get(made_up.overlays + PAGE_REF_TSC * 4096, 4) != 0, reliable);
}

static uint64_t reference_time(void)
{
	uint64_t value;
	uint8_t fault = 0;
	const struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_MSR, .size = 8, .count = 1, .address = GABI_HV_MSR_TIME_REF_COUNT, .data = &value, .fault = &fault };

	assert_true(vmm_hyperv_serve(hyperv, 0, &exit));
	assert_int_equal(fault, 0);
	return value;
}

/* KVM has a restored guest's TSC as the guest wrote it; reference time has no part in that. */
static void load__of_a_guest_that_wrote_its_tsc__has_its_reference_time(void **state)
{
	static const uint64_t rows[] = { 0, 500 * MS, 0 - 900 * MS };
	uint64_t time;
	size_t len, plain = 0;
	void *bytes;

	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++) {
		made_up.tsc = 1000 * MS;
		made_up.moved = rows[i];
		time = reference_time();
		assert_int_equal(vmm_hyperv_save(hyperv, &bytes, &len, NULL), 0);
		plain = i ? plain : len;
		assert_int_equal(len == plain, !rows[i]); /* the others' stream is as it was */
		end(state);
		begin(state);
		made_up.tsc = 1000 * MS + rows[i];
		assert_int_equal(vmm_hyperv_load(hyperv, bytes, len, NULL), 0);
		free(bytes);
		assert_int_equal(reference_time(), time);
		assert_int_equal(vmm_hyperv_save(hyperv, &bytes, &len, NULL), 0); /* and is so for the next */
		assert_int_equal(made_up.moved, rows[i]);
		assert_int_equal(len == plain, !rows[i]);
		free(bytes);
	}
}

/* ---- accesses that KVM could not carry out ---- */

static void access__of_ram_that_kvm_could_not_carry_out__is_known_to_a_migration(void **state)
{
	uint64_t value = 0x1122334455667788;
	struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_MMIO, .write = 1, .size = 8, .count = 1, .address = 0x340, .data = &value };

	(void)state;
	assert_true(vmm_hyperv_serve(hyperv, 0, &exit));
	assert_int_equal(get(made_up.ram + 0x340, 8), value);
	assert_int_equal(made_up.wrote_at, 0x340);
	assert_int_equal(made_up.wrote, 8);
	exit.write = 0;
	value = 0;
	assert_true(vmm_hyperv_serve(hyperv, 0, &exit));
	assert_int_equal(value, 0x1122334455667788);
	assert_int_equal(made_up.wrote, 8);
}

/* ---- interrupts for logical destinations ---- */

/* Intel SDM volume 3, IA32_APIC_BASE, and logical destination mode in x2APIC mode. */
static const struct {
	uint64_t apic_base;
	uint32_t destination;
	uint8_t type; /* HV_INTERRUPT_TYPE */
	uint64_t to;
	unsigned messages, logical;
} logical_rows[] = {
	{ 0xfee00d00, 0x00000003, 0, 0x3, 2, 0 }, { 0xfee00c00, 0x00008100, 0, 0x8100, 2, 0 }, { 0xfee00d00, 0x00010001, 0, 0x10000, 1, 0 },
	{ 0xfee00d00, 0x000280ff, 0, 0xff00000000, 8, 0 }, { 0xfee00d00, 0x00030001, 0, 0, 0, 0 }, { 0xfee00d00, 0x00010000, 0, 0, 0, 0 },
	{ 0xfee00d00, UINT32_MAX, 4, 0xffffffffff, 40, 0 }, { 0xfee00d00, 0x00010006, 1, 0x20000, 1, 0 },
	{ 0xfee00900, 0x00000003, 0, 0, 1, 1 }, { 0xfee00900, 0x000000ff, 1, 0, 1, 1 },
};

static void interrupt__for_a_logical_destination__reaches_whom_it_names(void **state)
{
	struct gabi_hv_turn *turn = &hyperv->turn[0];

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(logical_rows); i++) {
		made_up.apic_base = logical_rows[i].apic_base;
		made_up.sent_to = made_up.interrupts = made_up.sent_logical = 0;
		turn->count = 1;
		turn->changes = 0;
		turn->act[0] = (struct gabi_hv_act){ .kind = GABI_HV_ACT_INTERRUPT, .vp = GABI_HV_VP_LDR, .interrupt = {
			.vector = VECTOR, .type = logical_rows[i].type, .ldr = logical_rows[i].destination } };
		vmm_hyperv_carry_out(hyperv, 0, turn);
		if (made_up.sent_to != logical_rows[i].to || made_up.interrupts != logical_rows[i].messages || made_up.sent_logical != logical_rows[i].logical)
			fail_msg("destination %#x: %u messages, to %#llx", logical_rows[i].destination, made_up.interrupts, (unsigned long long)made_up.sent_to);
	}
}

/* ---- interrupts that end by themselves ---- */

static void send(uint8_t vector, uint8_t auto_eoi)
{
	struct gabi_hv_turn *turn = &hyperv->turn[0];

	turn->count = 1;
	turn->changes = 0;
	turn->act[0] = (struct gabi_hv_act){ .kind = GABI_HV_ACT_INTERRUPT, .vp = 0, .vtl = 1, .interrupt = { .vector = vector, .auto_eoi = auto_eoi } };
	vmm_hyperv_carry_out(hyperv, 0, turn);
}

static unsigned sources_of(uint64_t value)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SOURCES; i++)
		count += made_up.source[0][1][i] == value;
	return count;
}

static void interrupt__that_ends_by_itself__has_one_source_of_kvms(void **state)
{
	const uint64_t ends = VECTOR | SOURCE_AUTO_EOI;

	(void)state;
	enter_vtl1();
	send(VECTOR, 1);
	send(VECTOR, 1);
	assert_int_equal(sources_of(ends), 1);
	assert_int_equal(sources_of(SOURCE_MASKED), SOURCES - 1);
	write_msr(0, GABI_HV_MSR_SINT15, 0x55); /* the guest takes that one itself */
	assert_int_equal(made_up.source[0][1][15], 0x55);
	send(VECTOR, 1);
	assert_int_equal(sources_of(ends), 1);
	assert_int_equal(made_up.source[0][1][15], 0x55);
	send(VECTOR, 0);
	assert_int_equal(sources_of(ends), 0);
	assert_int_equal(made_up.source[0][1][15], 0x55);
}

static void interrupt__of_a_guests_own_source_that_ends_by_itself__needs_no_other(void **state)
{
	(void)state;
	enter_vtl1();
	write_msr(0, GABI_HV_MSR_SINT0 + 3, VECTOR | SOURCE_AUTO_EOI);
	send(VECTOR, 1);
	assert_int_equal(sources_of(VECTOR | SOURCE_AUTO_EOI), 1);
	send(VECTOR, 0);
	assert_int_equal(made_up.source[0][1][3], VECTOR | SOURCE_AUTO_EOI);
}

/* Saved in one level and restored, as KVM's state has its sources. */
static void travel(void **state)
{
	uint64_t source[VPS][2][SOURCES];
	void *bytes;
	size_t len;

	memcpy(source, made_up.source, sizeof(source));
	assert_int_equal(vmm_hyperv_save(hyperv, &bytes, &len, NULL), 0);
	end(state);
	begin(state);
	memcpy(made_up.source, source, sizeof(source));
	assert_int_equal(vmm_hyperv_load(hyperv, bytes, len, NULL), 0);
	free(bytes);
}

static void load__of_a_notification_that_ends_by_itself__knows_its_source_again(void **state)
{
	const uint64_t ends = VECTOR | SOURCE_AUTO_EOI, own = 0x44 | SOURCE_AUTO_EOI;

	for (unsigned entered = 0; entered < 2; entered++) {
		enter_vtl1();
		write_msr(0, GABI_HV_MSR_SINT0 + 3, own);
		send(VECTOR, 1);
		if (!entered)
			vmm_vsm_return(hyperv, 0);
		assert_int_equal(vmm_vsm_current(hyperv, 0), entered);
		travel(state);
		if (!entered)
			vmm_vsm_call(hyperv, 0);
		assert_int_equal(vmm_vsm_current(hyperv, 0), 1);
		assert_int_equal(sources_of(ends), 1); /* it may be pending still */
		send(VECTOR, 0);
		assert_int_equal(sources_of(ends), 0);
		assert_int_equal(made_up.source[0][1][3], own);
		send(VECTOR, 1);
		assert_int_equal(sources_of(ends), 1);
		vmm_vsm_return(hyperv, 0);
		vmm_vsm_call(hyperv, 0);
		assert_int_equal(sources_of(ends), 1); /* once it is known it stays */
		end(state);
		begin(state);
	}
}

/* An earlier version's state has no sources of KVM's. */
static void load__of_a_state_without_sources__tells_kvm_the_guests(void **state)
{
	const uint64_t own = 0x44 | SOURCE_AUTO_EOI;

	for (unsigned vtl = 0; vtl < 2; vtl++) {
		enter_vtl1();
		write_msr(0, GABI_HV_MSR_SINT0 + 3, own);
		if (!vtl)
			vmm_vsm_return(hyperv, 0);
		made_up.source[0][1][3] = SOURCE_MASKED;
		travel(state);
		if (!vtl)
			vmm_vsm_call(hyperv, 0);
		assert_int_equal(made_up.source[0][1][3], own);
		end(state);
		begin(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(timer__set_anew_while_another_is_told__is_not_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(timer__put_off__comes_once_and_then, begin, end),
		cmocka_unit_test_setup_teardown(load__of_one_in_a_higher_level__looks_at_what_lower_ones_are_sent, begin, end),
		cmocka_unit_test_setup_teardown(load__of_a_guest_from_elsewhere__says_anew_whether_its_tsc_is_reliable, begin, end),
		cmocka_unit_test_setup_teardown(load__of_a_guest_that_wrote_its_tsc__has_its_reference_time, begin, end),
		cmocka_unit_test_setup_teardown(access__of_ram_that_kvm_could_not_carry_out__is_known_to_a_migration, begin, end),
		cmocka_unit_test_setup_teardown(interrupt__for_a_logical_destination__reaches_whom_it_names, begin, end),
		cmocka_unit_test_setup_teardown(interrupt__that_ends_by_itself__has_one_source_of_kvms, begin, end),
		cmocka_unit_test_setup_teardown(interrupt__of_a_guests_own_source_that_ends_by_itself__needs_no_other, begin, end),
		cmocka_unit_test_setup_teardown(load__of_a_notification_that_ends_by_itself__knows_its_source_again, begin, end),
		cmocka_unit_test_setup_teardown(load__of_a_state_without_sources__tells_kvm_the_guests, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
