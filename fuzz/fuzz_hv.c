/* SPDX-License-Identifier: MIT */
/*
 * A guest that does anything, byte by byte, on three processors with three trust levels. The engine never reads or writes beyond what
 * it asked for, never lets a lower level change a higher one's protections, and goes on the same after a save and a restore. What was
 * recorded comes out the same again.
 */
#include "fuzz.h"

#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_save.h>
#include <gabi/hv_synic.h>
#include <gabi/hv_trace.h>
#include <gabi/hv_vsm.h>

#include <stdlib.h>
#include <string.h>

enum { RAM = 8 * 4096, STEP = 24, STEPS = 150, VPS = 3, VTLS = 3, PAGES = VTLS * (2 + VPS * 3), TAPE = 4 << 20 };

struct machine {
	_Alignas(4096) uint8_t pages[PAGES][4096]; /* of the overlays */
	uint8_t ram[RAM];
	struct gabi_hv *hv;
	struct gabi_hv_turn turn;
	uint64_t now, sum;
	uint8_t *tape; /* of the one that is recorded */
	size_t tape_len;
};

static int read_gpa(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	struct machine *machine = ctx;

	fuzz_expect(len && gpa / 4096 == (gpa + len - 1) / 4096);
	if (gpa >= RAM)
		return -1;
	memcpy(buf, machine->ram + gpa, len);
	return 0;
}

static int write_gpa(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct machine *machine = ctx;

	fuzz_expect(len && gpa / 4096 == (gpa + len - 1) / 4096);
	if (gpa >= RAM)
		return -1;
	memcpy(machine->ram + gpa, buf, len);
	return 0;
}

static int read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx;
	fuzz_expect(vp < VPS && vtl < VTLS);
	*ret_value = (struct gabi_hv_value){ name == GABI_HV_REG_Cr0 ? 0x80000001 : name == GABI_HV_REG_Cr3 ? 0x3000 : 0x20, 0 };
	return 0;
}

static int write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)ctx;
	(void)name;
	fuzz_expect(vp < VPS && vtl < VTLS);
	return value->low >> 63 ? GABI_ERR_RANGE : 0;
}

static struct gabi_hv *partition(struct machine *machine)
{
	struct gabi_hv_config config = {
		.size = sizeof(config), .vp_count = VPS, .vtl_count = VTLS, .partition_id = 1, .gpa_pages = 64, .tsc_hz = 1000000000,
		.protect_bytes = 1 << 16, .connections = 4, .rep_limit = 3, .pages = machine->pages,
	};
	struct gabi_hv_ops ops = { read_gpa, write_gpa, read_reg, write_reg, NULL, machine };
	struct gabi_hv *hv = NULL;

	fuzz_expect(gabi_hv_page_count(&config) == PAGES);
	memset(machine->pages, 0, sizeof(machine->pages));
	memset(config.leaf[3], 0xff, sizeof(config.leaf[3]));
	config.leaf[4][0] = ~0u;
	fuzz_expect(!gabi_hv_new(&config, &ops, NULL, &hv, NULL));
	return hv;
}

static uint64_t number(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static unsigned vp_of(const uint8_t *in)
{
	return (unsigned)(in[0] >> 6) % VPS;
}

/* A hypercall whose input starts with the step's own bytes. */
static int hypercall(struct machine *machine, const uint8_t *in, unsigned vp)
{
	size_t rows = 0;
	struct gabi_hv_regs regs = { .rdx = 0x1000, .r8 = 0x2000, .mode = GABI_HV_MODE_64 };
	const struct gabi_hv_call_info *info;

	while (gabi_hv_call_info(rows))
		rows++;
	info = gabi_hv_call_info(in[1] % rows);
	regs.rcx = info->code | (uint64_t)(in[2] & 1) << 16 | (info->variable ? (uint64_t)(in[2] >> 1 & 3) << 17 : 0) |
		   (info->rep ? (uint64_t)(1 + (in[3] & 7)) << 32 : 0) | (uint64_t)(in[3] >> 6 & info->rep) << 48;
	if (in[2] & 0x80)
		regs.rcx ^= (uint64_t)1 << (in[3] & 63);
	memset(machine->ram + 0x1000, 0xff, 8);
	memcpy(machine->ram + 0x1008, in + 4, 16);
	if (in[2] & 0x40)
		memcpy(machine->ram + 0x1018, in + 4, 16);
	return gabi_hv_hypercall(machine->hv, vp, &regs, machine->now, &machine->turn);
}

/* The guest writes one of its overlay pages by itself, where the engine looks: slots, flags, the assist page's words. */
static void write_page(struct machine *machine, unsigned page, const uint8_t *in)
{
	memcpy(&machine->pages[page][(in[3] & 15) * 256 + (in[3] >> 4 & 7) * 4], in + 4, 4);
}

static int act_on(struct machine *machine, const uint8_t *in)
{
	unsigned vp = vp_of(in), vtl = (unsigned)(in[0] >> 4 & 3) % VTLS;
	struct gabi_hv_regs regs = { .rcx = in[1] & 1, .mode = GABI_HV_MODE_64 };
	struct gabi_hv_fault fault = { .gpa = number(in + 4) & 0x3ffff, .access = in[1] % 3, .bytes = in[2] };
	struct gabi_hv_io io = { .port = (uint16_t)number(in + 4), .size = 1, .bytes = in[2] };
	struct gabi_hv_value value = { number(in + 4), 0 };
	size_t rows = 0;

	switch (in[0] & 15) {
	case 0: case 1: case 2: case 3: return hypercall(machine, in, vp);
	case 4: case 5:
		while (gabi_hv_msr_info(rows))
			rows++;
		return gabi_hv_wrmsr(machine->hv, vp, gabi_hv_msr_info(in[1] % rows)->number, number(in + 4), machine->now, &machine->turn);
	case 6: return gabi_hv_vtl_call(machine->hv, vp, &regs, machine->now, &machine->turn);
	case 7: return gabi_hv_vtl_return(machine->hv, vp, &regs, machine->now, &machine->turn);
	case 8: return gabi_hv_interrupt(machine->hv, vp, vtl, in[1] & 1, &machine->turn);
	case 9: return gabi_hv_expire(machine->hv, vp, machine->now, &machine->turn);
	case 10: return gabi_hv_post(machine->hv, vp, vtl, in[1] & 15, 5, in + 4, 16, machine->now, &machine->turn);
	case 11: return gabi_hv_signal(machine->hv, vp, vtl, in[1] & 15, (unsigned)number(in + 4) & 2047, &machine->turn);
	case 12: return gabi_hv_memory_fault(machine->hv, vp, &fault, machine->now, &machine->turn);
	case 13: return gabi_hv_trap(machine->hv, vp, in[1] % GABI_HV_TRAP_COUNT, &value, in[2], machine->now, &machine->turn);
	case 14: return gabi_hv_io(machine->hv, vp, &io, machine->now, &machine->turn);
	default:
		if (in[1] & 1)
			return gabi_hv_eoi(machine->hv, vp, vtl, machine->now, &machine->turn);
		write_page(machine, vtl * (2 + VPS * 3) + 2 + vp * 3 + in[2] % 3, in);
		return 0;
	}
}

static void step(struct machine *machine, const uint8_t *in)
{
	unsigned vtl = gabi_hv_active_vtl(machine->hv, vp_of(in)), prot = gabi_hv_protection(machine->hv, 0, in[23] & 63);
	int done;

	machine->turn.count = machine->turn.changes = 0;
	machine->now += in[22];
	done = act_on(machine, in);
	fuzz_expect(machine->turn.count <= GABI_HV_ACTS_MAX && machine->turn.changes <= GABI_HV_CHANGES_MAX);
	for (uint32_t i = 0; i < machine->turn.count; i++)
		machine->sum = machine->sum * 31 + machine->turn.act[i].kind * 8u + machine->turn.act[i].vtl;
	machine->sum = machine->sum * 31 + (uint64_t)(int64_t)done;
	/* No protection changes by a lower VTL. */
	if (vtl == 0)
		fuzz_expect(gabi_hv_protection(machine->hv, 0, in[23] & 63) == prot);
}

static void move(struct machine *machine)
{
	size_t len;
	uint8_t *stream;

	gabi_hv_save(machine->hv, NULL, 0, &len);
	stream = malloc(len);
	fuzz_expect(stream && !gabi_hv_save(machine->hv, stream, len, &len));
	gabi_hv_free(machine->hv);
	machine->hv = partition(machine);
	fuzz_expect(!gabi_hv_restore(machine->hv, stream, len, NULL));
	free(stream);
}

static struct machine *start(void)
{
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .sint = 2, .vp = UINT32_MAX };
	struct machine *machine = aligned_alloc(4096, sizeof(*machine));

	fuzz_expect(machine != NULL);
	memset(machine, 0, sizeof(*machine));
	machine->hv = partition(machine);
	gabi_hv_set_ram(machine->hv, 0, 48);
	gabi_hv_connect(machine->hv, 1, &port, NULL);
	gabi_hv_wrmsr(machine->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &machine->turn);
	return machine;
}

static int tape_write(void *ctx, const void *bytes, size_t len)
{
	struct machine *machine = ctx;

	fuzz_expect(machine->tape_len + len <= TAPE);
	memcpy(machine->tape + machine->tape_len, bytes, len);
	machine->tape_len += len;
	return 0;
}

static void record(struct machine *machine)
{
	struct gabi_hv_sink sink = { .write = tape_write, .ctx = machine };
	uint8_t *scratch;
	size_t len;

	gabi_hv_save(machine->hv, NULL, 0, &len);
	scratch = malloc(len);
	machine->tape = malloc(TAPE);
	fuzz_expect(scratch && machine->tape && !gabi_hv_record(machine->hv, &sink, scratch, len, NULL));
	free(scratch);
}

static void replay(struct machine *machine)
{
	struct gabi_hv_replay *player;
	struct gabi_hv_step step;
	int more;

	fuzz_expect(!gabi_hv_record_end(machine->hv));
	fuzz_expect(!gabi_hv_replay_new(machine->tape, machine->tape_len, NULL, &player, NULL));
	do {
		more = gabi_hv_replay_step(player, &step, NULL);
		if (more > 0 && step.number % 3 == 0)
			fuzz_expect(!gabi_hv_replay_move(player, NULL));
	} while (more > 0);
	fuzz_expect(!more);
	gabi_hv_replay_free(player);
	free(machine->tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct machine *straight = start(), *moved = start();

	record(straight);
	for (size_t i = 0; i < STEPS && len >= STEP; i++, data += STEP, len -= STEP) {
		step(straight, data);
		step(moved, data);
		fuzz_expect(straight->sum == moved->sum && !memcmp(straight->ram, moved->ram, RAM));
		fuzz_expect(!memcmp(straight->pages, moved->pages, sizeof(straight->pages)));
		if (i % 5 == 0)
			move(moved);
	}
	if (straight->sum)
		fuzz_reached();
	replay(straight);
	gabi_hv_free(straight->hv);
	gabi_hv_free(moved->hv);
	free(straight);
	free(moved);
	return 0;
}
