/* SPDX-License-Identifier: MIT */
/*
 * The bytes are a hostile guest with two trust levels, or with one: exits of two virtual processors, and the devices' rings, against a machine that is
 * made up here instead of KVM. Properties: the machine is never asked for what it does not have; each level's page tables follow the
 * engine; whatever VTL 0 does by itself, by a hypercall, a device, a string instruction or KVM's own calls, no page changes that it may not
 * write; and what was saved is loaded as the same.
 */
#include "fuzz.h"

#include "vmm/hyperv.h"
#include "vmm/pc.h"

#include <gabi/hv_call.h>
#include <gabi/hv_vsm.h>

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PAGES = 64, RAM = PAGES * PAGE, VPS = 2, VTLS = 2, STEPS = 400 };

struct gabi_kvm_machine {
	unsigned char *ram;
	_Alignas(4096) unsigned char overlays[64][PAGE];
	uint8_t rights[VTLS][PAGES]; /* as was asked for */
	struct gabi_kvm_registers regs[VPS][VTLS];
	unsigned overlay_count;
	uint64_t tsc;
};

struct guest {
	const uint8_t *at;
	size_t left;
	uint64_t seed;
	unsigned vtls;
	bool shim; /* readable pages can be kept from being executed */
	struct gabi_kvm_machine machine;
	struct gabi_contract *contract;
	struct vmm_hyperv *hyperv;
	struct vmm_pc pc;
	bool ended;
	unsigned char before[RAM];
};
static struct guest guest;

enum { LAW_TWO_LEVELS, LAW_PROTECTED, LAW_WRITTEN_AROUND, LAW_SAVED, LAW_FETCHED, LAW_READABLE };
struct fuzz_law fuzz_laws[] = {
	[LAW_TWO_LEVELS] = { "VTL 1 ran", 0 },
	[LAW_PROTECTED] = { "a page was protected from VTL 0", 0 },
	[LAW_WRITTEN_AROUND] = { "VTL 0 did something while it was", 0 },
	[LAW_SAVED] = { "a state was saved and loaded", 0 },
	[LAW_FETCHED] = { "an instruction was fetched where that is forbidden", 0 },
	[LAW_READABLE] = { "a page was readable, and not executable", 0 },
	{ NULL, 0 },
};

static uint64_t take(unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size && guest.left; i++, guest.left--)
		value |= (uint64_t)*guest.at++ << 8 * i;
	return value;
}

/* What the machine answers, which is not of the input: otherwise each answer would move all that follows. */
static uint64_t answer(unsigned bits)
{
	guest.seed = guest.seed * 6364136223846793005ull + 1442695040888963407ull;
	return guest.seed >> 16 & (((uint64_t)1 << bits) - 1);
}

/* ---- libgabi-kvm, as far as the monitor's Hyper-V asks for it ---- */

static void is_there(unsigned vp, unsigned vtl)
{
	fuzz_expect(vp < VPS && vtl < VTLS);
}

void *gabi_kvm_machine_ram(const struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len)
{
	return gpa <= RAM && len <= RAM - gpa ? machine->ram + gpa : NULL;
}

void gabi_kvm_machine_wrote(struct gabi_kvm_machine *machine, uint64_t gpa, uint64_t len)
{
	fuzz_expect(gabi_kvm_machine_ram(machine, gpa, len));
}

int gabi_kvm_machine_msi(const struct gabi_kvm_machine *machine, unsigned vtl, uint64_t address, uint32_t data)
{
	(void)machine, (void)data;
	fuzz_expect(vtl < VTLS && address >> 20 == 0xfee);
	return 0;
}

void *gabi_kvm_machine_overlays(const struct gabi_kvm_machine *machine)
{
	return (void *)(uintptr_t)machine->overlays;
}

int gabi_kvm_machine_overlay(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint32_t page)
{
	fuzz_expect(vtl < VTLS && gpa % PAGE == 0 && (page == UINT32_MAX || page < machine->overlay_count));
	return 0;
}

int gabi_kvm_machine_protect(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint64_t len, unsigned rights, struct gabi_diag *diag)
{
	(void)diag;
	fuzz_expect(vtl + 1 < VTLS && gpa % PAGE == 0 && len % PAGE == 0 && gabi_kvm_machine_ram(machine, gpa, len));
	memset(machine->rights[vtl] + gpa / PAGE, (int)rights, len / PAGE);
	fuzz_laws[LAW_PROTECTED].reached += !(rights & GABI_KVM_WRITE);
	fuzz_laws[LAW_READABLE].reached += rights & GABI_KVM_READ && !(rights & GABI_KVM_EXECUTE);
	fuzz_expect(guest.shim || !(rights & GABI_KVM_READ) == !(rights & GABI_KVM_EXECUTE));
	return 0;
}

int gabi_kvm_vp_drop_init(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	fuzz_expect(vp < VPS && vtl < VTLS);
	return 0;
}

int gabi_kvm_vp_flush(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, struct gabi_diag *diag)
{
	(void)machine, (void)diag;
	fuzz_expect(vp < VPS && vtl < VTLS);
	return 0;
}

int gabi_kvm_machine_take_msrs(struct gabi_kvm_machine *machine, unsigned vtl, const struct gabi_kvm_msrs *msrs, size_t count,
			       struct gabi_diag *diag)
{
	(void)machine, (void)msrs, (void)diag;
	fuzz_expect(vtl < VTLS && count <= 128);
	return 0;
}

uint64_t gabi_kvm_machine_tsc_hz(const struct gabi_kvm_machine *machine)
{
	(void)machine;
	return 1000000000;
}

uint64_t gabi_kvm_machine_tsc(const struct gabi_kvm_machine *machine)
{
	return machine->tsc;
}

int gabi_kvm_machine_tsc_moved(const struct gabi_kvm_machine *machine, uint64_t *ret_moved, struct gabi_diag *diag)
{
	(void)machine, (void)diag;
	*ret_moved = 0;
	return 0;
}

void gabi_kvm_machine_set_tsc_moved(struct gabi_kvm_machine *machine, uint64_t moved)
{
	(void)machine, (void)moved;
}

int gabi_kvm_vp_start(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, const struct gabi_hv_context *context,
		      const struct gabi_kvm_registers *registers, struct gabi_diag *diag)
{
	(void)machine, (void)registers, (void)diag;
	is_there(vp, vtl);
	fuzz_expect(context);
	return 0;
}

void gabi_kvm_vp_kick(struct gabi_kvm_machine *machine, unsigned vp)
{
	(void)machine;
	is_there(vp, 0);
}

int gabi_kvm_vp_rest(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	is_there(vp, vtl);
	return (int)(answer(1) & 1);
}

int gabi_kvm_vp_is_started(const struct gabi_kvm_machine *machine, unsigned vp)
{
	(void)machine, (void)vp;
	return 0;
}

void gabi_kvm_vp_drop_startup(const struct gabi_kvm_machine *machine, unsigned vp)
{
	(void)machine, (void)vp;
}

int gabi_kvm_vp_rested(const struct gabi_kvm_machine *machine, unsigned vp)
{
	(void)machine;
	is_there(vp, 0);
	return (int)(answer(1) & 1);
}

int gabi_kvm_vp_waits(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	is_there(vp, vtl);
	return (int)(answer(1) & 1);
}

struct gabi_kvm_registers *gabi_kvm_vp_registers(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	is_there(vp, vtl);
	return &guest.machine.regs[vp][vtl];
}

void gabi_kvm_vp_changed(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl)
{
	(void)machine;
	is_there(vp, vtl);
}

int gabi_kvm_vp_mode(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, unsigned *ret_bits, unsigned *ret_cpl, struct gabi_diag *diag)
{
	uint64_t mode = answer(8);

	(void)machine, (void)diag;
	is_there(vp, vtl);
	*ret_bits = mode & 1 ? 64 : mode & 2 ? 32 : 16;
	*ret_cpl = mode >> 2 & 3;
	return mode == 0xff ? GABI_ERR_KVM : 0;
}

int gabi_kvm_vp_again(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int vector, struct gabi_diag *diag)
{
	(void)machine, (void)diag;
	is_there(vp, vtl);
	fuzz_expect(vector == GABI_KVM_NO_FAULT || vector == 6 || vector == 13);
	return 0;
}

int gabi_kvm_vp_set_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t value)
{
	(void)machine, (void)msr, (void)value;
	is_there(vp, vtl);
	return 0;
}

int gabi_kvm_vp_get_msr(const struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, uint64_t *ret_value)
{
	(void)machine, (void)msr;
	is_there(vp, vtl);
	*ret_value = answer(16);
	return 0;
}

int gabi_kvm_vp_carry_out_msr(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t msr, int write, uint64_t *value)
{
	return write ? gabi_kvm_vp_set_msr(machine, vp, vtl, msr, *value) : gabi_kvm_vp_get_msr(machine, vp, vtl, msr, value);
}

int gabi_kvm_vp_switch(const struct gabi_kvm_machine *machine, unsigned vp, unsigned from, unsigned to, struct gabi_diag *diag)
{
	(void)machine, (void)diag;
	is_there(vp, from);
	is_there(vp, to);
	fuzz_expect(from != to);
	fuzz_laws[LAW_TWO_LEVELS].reached += to;
	return 0;
}

int gabi_kvm_vp_interrupt(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, int *ret_pending, uint64_t *ret_timer_ns, struct gabi_diag *diag)
{
	uint64_t bits = answer(4);

	(void)machine, (void)diag;
	is_there(vp, vtl);
	*ret_pending = bits == 1;
	*ret_timer_ns = bits & 2 ? bits * 1000 : UINT64_MAX;
	return 0;
}

int gabi_kvm_vp_get_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)machine, (void)name;
	is_there(vp, vtl);
	*ret_value = (struct gabi_hv_value){ 0x20, (uint64_t)1 << 61 };
	return 0;
}

int gabi_kvm_vp_set_register(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)machine, (void)name, (void)value;
	is_there(vp, vtl);
	return 0;
}

int gabi_kvm_vp_translate(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t gva, uint64_t *ret_gpa)
{
	(void)machine, (void)gva;
	is_there(vp, vtl);
	*ret_gpa = answer(24);
	return *ret_gpa & 1 << 23 ? GABI_ERR_RANGE : 0;
}

/* ---- the rest of the monitor ---- */

static void wake(void *ctx)
{
	(void)ctx;
}

static void end(void *ctx, bool crash)
{
	(void)ctx, (void)crash;
	guest.ended = true;
}

static void fail(void *ctx, const char *text)
{
	(void)ctx;
	fuzz_expect(text && *text);
	guest.ended = true;
}

static void count_one(void *ctx, unsigned vp)
{
	(void)ctx;
	is_there(vp, 0);
}

static void count_many(void *ctx, unsigned vp, unsigned runs)
{
	(void)ctx;
	fuzz_expect(vp <= VPS && runs);
}

static void line(void *ctx, unsigned number, bool level)
{
	(void)ctx, (void)level;
	fuzz_expect(number < 24);
}

static void *device_ram(void *ctx, uint64_t gpa, uint64_t len, bool writes)
{
	void *ram = gabi_kvm_machine_ram(&guest.machine, gpa, len);

	(void)ctx;
	return ram && vmm_hyperv_may(guest.hyperv, gpa, len, writes) ? ram : NULL;
}

static uint64_t now_ns(void *ctx)
{
	(void)ctx;
	return guest.machine.tsc;
}

static void board_end(void *ctx, unsigned how, unsigned value)
{
	(void)ctx, (void)how, (void)value;
	guest.ended = true;
}

static void out_byte(void *ctx, uint8_t byte)
{
	(void)ctx, (void)byte;
}

static void out_bytes(void *ctx, const void *bytes, size_t len)
{
	(void)ctx, (void)bytes, (void)len;
}

static void fill(void *ctx, void *to, size_t len)
{
	(void)ctx;
	memset(to, 0x5a, len);
}

/* ---- what the guest does ---- */

static unsigned level_of(unsigned vp)
{
	unsigned vtl;

	if (!vmm_hyperv_enter(guest.hyperv, vp, &vtl))
		return UINT32_MAX;
	is_there(vp, vtl);
	return vtl;
}

static void set_regs(unsigned vp, unsigned vtl)
{
	static const uint16_t codes[] = { GABI_HV_CALL_EnablePartitionVtl, GABI_HV_CALL_EnableVpVtl, GABI_HV_CALL_ModifyVtlProtectionMask,
					  GABI_HV_CALL_GetVpRegisters, GABI_HV_CALL_SetVpRegisters, GABI_HV_CALL_PostMessage,
					  GABI_HV_CALL_SignalEvent, GABI_HV_CALL_InstallIntercept, GABI_HV_CALL_SendSyntheticClusterIpi,
					  GABI_HV_CALL_TranslateVirtualAddress };
	struct gabi_kvm_registers *regs = &guest.machine.regs[vp][vtl];
	uint64_t bits = take(4);

	*regs = (struct gabi_kvm_registers){ .rip = bits & 1 << 30 ? 0 : UINT64_MAX - 0xfff, .rax = bits };
	regs->rcx = bits & 15 ? codes[(bits & 15) % 10] : bits >> 4 & 0xffff;
	regs->rcx |= (bits >> 20 & 7) << 32 | (bits >> 23 & 1) << 16; /* elements, and fast */
	regs->rdx = (bits >> 23 & 1) ? take(4) : take(1) % PAGES * PAGE + (bits >> 24 & 15) * 8;
	regs->r8 = take(1) % PAGES * PAGE + (bits >> 28 & 1) * 8;
}

static void serve(unsigned vp, struct gabi_kvm_exit *exit)
{
	vmm_hyperv_leave(guest.hyperv, vp, exit);
	if (vmm_hyperv_serve(guest.hyperv, vp, exit))
		return;
	if (exit->kind == GABI_KVM_EXIT_HYPERCALL)
		vmm_hyperv_answer(guest.hyperv, &guest.machine, exit->data);
}

static void port(unsigned vp, unsigned number)
{
	uint64_t value = take(4);
	struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_PORT, .write = 1, .size = number == VMM_HYPERV_TEST_PORT ? 4 : 1, .count = 1,
				      .address = number, .data = &value };

	serve(vp, &exit);
}

static void msr(unsigned vp)
{
	uint64_t bits = take(2), value = bits & 1 << 15 ? take(8) : take(1) % PAGES * PAGE | 1;
	uint8_t fault = 0;
	struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_MSR, .write = bits >> 14 & 1, .size = 8, .count = 1,
				      .address = (bits & 1 << 13 ? 0xc0000000 : 0x40000000) + (bits & 0x1ff), .data = &value, .fault = &fault };

	serve(vp, &exit);
}

static void memory(unsigned vp, unsigned kind)
{
	uint64_t bits = take(4), value = take(1);
	struct gabi_kvm_exit exit = { .kind = (uint8_t)kind, .write = bits >> 31 & 1, .size = (uint8_t)(1u << (bits >> 29 & 3)), .count = 1,
				      .address = bits % (RAM + PAGE), .data = &value };

	exit.execute = kind == GABI_KVM_EXIT_PROTECTED && guest.shim && bits >> 28 & 1;
	exit.address -= kind == GABI_KVM_EXIT_PROTECTED && !exit.execute ? exit.address % PAGE : 0;
	fuzz_laws[LAW_FETCHED].reached += exit.execute;
	serve(vp, &exit);
}

static void direct(unsigned vp)
{
	uint64_t bits = take(4);
	struct gabi_kvm_hypercall call = { .input = bits & 1 ? GABI_HV_CALL_QueryExtendedCapabilities : bits >> 8, .out_gpa = bits >> 8 & ~7u };
	struct gabi_kvm_exit exit = { .kind = GABI_KVM_EXIT_HYPERCALL, .size = sizeof(call), .count = 1, .data = &call };

	serve(vp, &exit);
}

static void set(unsigned device, unsigned reg, uint32_t value)
{
	vmm_bus_write(&guest.pc.memory, VMM_PC_VIRTIO_GPA + device * 0x1000 + reg, 4, value);
}

/* The random numbers' device writes where its rings say, which lie anywhere. */
static void device(void)
{
	static const uint32_t begin[][2] = { { 0x70, 0 }, { 0x70, 3 }, { 0x24, 1 }, { 0x20, 1 }, { 0x70, 11 }, { 0x30, 0 }, { 0x38, 8 } };
	uint64_t ring[3];
	unsigned number = take(1) % VMM_PC_VIRTIOS;

	for (unsigned i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		set(number, begin[i][0], begin[i][1]);
	for (unsigned i = 0; i < 3; i++) {
		ring[i] = take(1) % PAGES * PAGE;
		set(number, 0x80 + 16 * i, (uint32_t)ring[i]);
	}
	set(number, 0x44, 1);
	set(number, 0x70, 15);
	set(number, 0x50, 0);
}

static void write_memory(unsigned vtl)
{
	uint64_t gpa = take(3) % (RAM - 64), len = take(1) % 64;

	for (; len--; gpa++)
		if (vtl || guest.machine.rights[0][gpa / PAGE] & GABI_KVM_WRITE)
			guest.machine.ram[gpa] = (unsigned char)take(1);
}

/* ---- what must hold ---- */

static void look(bool was_lower, const uint8_t rights[PAGES])
{
	bool any = false;

	for (unsigned page = 0; page < PAGES; page++) {
		fuzz_expect(guest.machine.rights[0][page] == vmm_hyperv_rights(guest.hyperv, 0, (uint64_t)page * PAGE));
		if (!was_lower || rights[page] & GABI_KVM_WRITE)
			continue;
		any = true;
		fuzz_expect(!memcmp(guest.before + page * PAGE, guest.machine.ram + page * PAGE, PAGE));
	}
	fuzz_laws[LAW_WRITTEN_AROUND].reached += any;
}

static struct vmm_hyperv *new_hyperv(void)
{
	const struct vmm_hyperv_options options = {
		.contract = guest.contract, .cpus = VPS, .memory = RAM, .vtls = guest.vtls, .shim = guest.shim, .wake = wake, .end = end, .fail = fail, .wait_for_devices = wake,
		.switched = count_one, .protected = count_many,
	};
	struct vmm_hyperv *hyperv = NULL;

	fuzz_expect(!vmm_hyperv_new(&options, &hyperv, &guest.machine.overlay_count, NULL));
	fuzz_expect(guest.machine.overlay_count <= sizeof(guest.machine.overlays) / PAGE);
	memset(guest.machine.rights, GABI_KVM_READ | GABI_KVM_WRITE | GABI_KVM_EXECUTE, sizeof(guest.machine.rights));
	fuzz_expect(!vmm_hyperv_start(hyperv, &guest.machine, NULL));
	return hyperv;
}

static void *save(size_t *ret_len)
{
	void *bytes;

	fuzz_expect(!vmm_hyperv_save(guest.hyperv, &bytes, ret_len, NULL));
	return bytes;
}

/* What waits in local APICs is told anew by them: so the second state is the first that comes back as it was. */
static void save_and_load(void)
{
	void *saved[3];
	size_t len[3];

	saved[0] = save(&len[0]);
	for (unsigned i = 1; i < 3; i++) {
		vmm_hyperv_free(guest.hyperv);
		guest.hyperv = new_hyperv();
		fuzz_expect(!vmm_hyperv_load(guest.hyperv, saved[i - 1], len[i - 1], NULL));
		saved[i] = save(&len[i]);
	}
	fuzz_expect(len[0] == len[1] && len[1] == len[2] && !memcmp(saved[1], saved[2], len[1]));
	for (unsigned i = 0; i < 3; i++)
		free(saved[i]);
	fuzz_laws[LAW_SAVED].reached++;
}

static void act(unsigned vp, unsigned vtl, unsigned what)
{
	struct gabi_kvm_exit kicked = { .kind = GABI_KVM_EXIT_KICKED };

	if (what < 6)
		set_regs(vp, vtl);
	switch (what) {
	case 0:
	case 1:
	case 2:
	case 3:
		port(vp, VMM_HYPERV_PORT);
		return;
	case 4:
		port(vp, VMM_HYPERV_PORT + 1);
		return;
	case 5:
		port(vp, VMM_HYPERV_PORT + 2);
		return;
	case 6:
		msr(vp);
		return;
	case 7:
		memory(vp, GABI_KVM_EXIT_MMIO);
		return;
	case 8:
		memory(vp, GABI_KVM_EXIT_PROTECTED);
		return;
	case 9:
		direct(vp);
		return;
	case 10:
		port(vp, take(1) & 1 ? VMM_HYPERV_TEST_PORT : 0x80);
		return;
	default:
		serve(vp, &kicked);
	}
	if (what == 11)
		device();
	else if (what == 12)
		vmm_hyperv_next(guest.hyperv);
	else
		write_memory(vtl);
}

static void step(void)
{
	unsigned bits = (unsigned)take(1), vp = bits >> 7, what = bits & 15, vtl;
	uint8_t rights[PAGES];

	guest.machine.tsc += take(1) * 1000;
	if (what == 15) {
		save_and_load();
		return;
	}
	vtl = level_of(vp);
	if (vtl == UINT32_MAX)
		return;
	memcpy(guest.before, guest.machine.ram, RAM);
	memcpy(rights, guest.machine.rights[0], sizeof(rights));
	act(vp, vtl, what);
	look(!vtl || what == 11, rights);
	fuzz_reached();
}

/* All that the engine offers. */
static struct gabi_contract *make_contract(void)
{
	const struct gabi_hv_config config = { .size = sizeof(config), .vp_count = VPS, .vtl_count = VTLS };
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_X86, NULL);
	struct gabi_host *offer = NULL;
	size_t count;
	const struct gabi_word *words;

	fuzz_expect(contract && !gabi_hv_engine_offer(&config, NULL, &offer, NULL));
	words = gabi_host_words(offer, &count);
	for (size_t i = 0; i < count; i++) {
		struct gabi_word word = { .key = words[i].key, .vp = GABI_VP_ALL, .bits = words[i].bits, .value = words[i].value };

		fuzz_expect(!gabi_contract_add(contract, &word, NULL));
	}
	gabi_host_free(offer);
	fuzz_expect(!gabi_contract_seal(contract, NULL));
	return contract;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vmm_board board = { line, device_ram, now_ns, board_end, NULL };
	const struct vmm_pc_options options = { .memory = RAM, .cpus = VPS, .serial_out = out_byte, .console_out = out_bytes, .random = fill };

	guest.at = data;
	guest.left = size;
	guest.seed = size;
	guest.vtls = size % 8 == 7 ? 1 : VTLS; /* some guests have one level alone, and some a shim */
	guest.shim = size % 8 < 3;
	guest.ended = false;
	memset(&guest.machine, 0, sizeof(guest.machine));
	guest.machine.ram = malloc(RAM); /* of its own, so that a sanitizer sees its end */
	if (!guest.machine.ram)
		return 0;
	memset(guest.machine.ram, 0x77, RAM); /* so that a write of zeros is seen */
	guest.contract = make_contract();
	guest.hyperv = new_hyperv();
	vmm_pc_init(&guest.pc, &board, &options);
	for (unsigned steps = 0; guest.left && !guest.ended && steps < STEPS; steps++)
		step();
	vmm_hyperv_free(guest.hyperv);
	gabi_contract_free(guest.contract);
	free(guest.machine.ram);
	return 0;
}
