/* SPDX-License-Identifier: MIT */
/* A partition with a little RAM and a register file, for the engine's tests. */
#ifndef HV_RIG_H
#define HV_RIG_H

#include <gabi/hv.h>
#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_synic.h>
#include <gabi/hv_turn.h>
#include <gabi/hv_vsm.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RAM_PAGES 64u
#define RIG_VPS   200u
#define ALL_BITS  0xffffffffu

struct rig_reg;

struct rig {
	struct gabi_hv_config config;
	struct gabi_hv *hv;
	struct gabi_hv_turn turn;
	uint8_t ram[RAM_PAGES * 4096];
	size_t reads, writes; /* questions asked */
	uint8_t *pages;       /* of the overlays */
	struct rig_reg *reg;
	unsigned reg_count;
	void (*during_write)(struct rig *rig); /* what happens elsewhere while a register is written */
};

static inline int rig_read(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	struct rig *rig = ctx;

	assert_true(gpa / 4096 == (gpa + len - 1) / 4096);
	rig->reads++;
	if (gpa + len > sizeof(rig->ram))
		return -1;
	memcpy(buf, rig->ram + gpa, len);
	return 0;
}

static inline int rig_write(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	struct rig *rig = ctx;

	assert_true(gpa / 4096 == (gpa + len - 1) / 4096);
	rig->writes++;
	if (gpa + len > sizeof(rig->ram))
		return -1;
	memcpy(rig->ram + gpa, buf, len);
	return 0;
}

#define RIG_REGS 512u

struct rig_reg {
	unsigned vp, vtl;
	uint32_t name;
	struct gabi_hv_value value;
};

/* The processor's registers: those that were set, and 0 for the others that there are. */
static inline struct rig_reg *rig_reg(struct rig *rig, unsigned vp, unsigned vtl, uint32_t name)
{
	for (unsigned i = 0; i < rig->reg_count; i++)
		if (rig->reg[i].vp == vp && rig->reg[i].vtl == vtl && rig->reg[i].name == name)
			return &rig->reg[i];
	assert_true(rig->reg_count < RIG_REGS);
	rig->reg[rig->reg_count] = (struct rig_reg){ vp, vtl, name, { 0, 0 } };
	return &rig->reg[rig->reg_count++];
}

static inline void rig_set(struct rig *rig, unsigned vp, unsigned vtl, uint32_t name, uint64_t low, uint64_t high)
{
	rig_reg(rig, vp, vtl, name)->value = (struct gabi_hv_value){ low, high };
}

static inline int rig_read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	if (name == GABI_HV_REG_MtrrCap)
		return GABI_ERR_UNKNOWN; /* a processor without */
	*ret_value = rig_reg(ctx, vp, vtl, name)->value;
	return 0;
}

static inline int rig_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	if (name == GABI_HV_REG_MtrrCap)
		return GABI_ERR_UNKNOWN;
	if ((name == GABI_HV_REG_Cr0 && value->low >> 32) || (name == GABI_HV_REG_Cr3 && value->low >> 52))
		return GABI_ERR_RANGE;
	if (((struct rig *)ctx)->during_write)
		((struct rig *)ctx)->during_write(ctx);
	rig_reg(ctx, vp, vtl, name)->value = *value;
	return 0;
}

static inline struct gabi_hv_ops rig_ops(struct rig *rig)
{
	return (struct gabi_hv_ops){ rig_read, rig_write, rig_read_reg, rig_write_reg, NULL, rig };
}

/* Everything on, 200 virtual processors, VTL 0 and 1. */
static inline struct gabi_hv_config rig_config(void)
{
	struct gabi_hv_config config = {
		.size = sizeof(config),
		.vp_count = RIG_VPS,
		.vtl_count = 2,
		.partition_id = 0x77,
		.gpa_pages = 1u << 20,
		.tsc_hz = 2000000000u,
		.apic_hz = 200000000u,
		.protect_bytes = 1u << 20,
		.mbec_vtls = 1 << 1,
		.connections = 64,
		.exit = GABI_HV_EXIT_PORT,
		.exit_port = 0x60,
	};

	config.leaf[0][0] = GABI_HV_LEAF_BASE + GABI_HV_LEAF_COUNT - 1;
	for (unsigned reg = 0; reg < 4; reg++)
		config.leaf[3][reg] = ALL_BITS;
	config.leaf[4][0] = ALL_BITS & ~(1u << 12); /* not nested */
	return config;
}

static inline struct rig *rig_with(const struct gabi_hv_config *config)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct gabi_hv_ops ops;
	struct gabi_diag diag;

	assert_non_null(rig);
	rig->config = *config;
	rig->pages = aligned_alloc(4096, gabi_hv_page_count(config) * 4096);
	rig->reg = calloc(RIG_REGS, sizeof(*rig->reg));
	assert_non_null(rig->pages);
	assert_non_null(rig->reg);
	memset(rig->pages, 0, gabi_hv_page_count(config) * 4096);
	rig->config.pages = rig->pages;
	ops = rig_ops(rig);
	if (gabi_hv_new(&rig->config, &ops, NULL, &rig->hv, &diag))
		fail_msg("%s", diag.text);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x8100, 0, &rig->turn);
	return rig;
}

static inline struct rig *rig_new(void)
{
	struct gabi_hv_config config = rig_config();

	return rig_with(&config);
}

static inline void rig_free(struct rig *rig)
{
	gabi_hv_free(rig->hv);
	free(rig->pages);
	free(rig->reg);
	free(rig);
}

static inline void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

/* A memory call with its input at 0x1000 and its output at 0x2000, from a 64-bit kernel on virtual processor vp. */
static inline struct gabi_hv_regs rig_regs(uint64_t control)
{
	return (struct gabi_hv_regs){ .rcx = control, .rdx = 0x1000, .r8 = 0x2000, .mode = GABI_HV_MODE_64 };
}

static inline int rig_call_on(struct rig *rig, unsigned vp, uint64_t control, unsigned *ret_status)
{
	struct gabi_hv_regs regs = rig_regs(control);
	int done = gabi_hv_hypercall(rig->hv, vp, &regs, 0, &rig->turn);

	*ret_status = regs.changed & GABI_HV_CHANGED_RAX ? (unsigned)(regs.rax & 0xffff) : ~0u;
	return done;
}

/* A call that is expected to finish in one turn; its status. */
static inline unsigned rig_call(struct rig *rig, uint64_t control)
{
	unsigned status;

	assert_int_equal(rig_call_on(rig, 0, control, &status), GABI_HV_DONE);
	return status;
}

/* ---- trust levels ---- */

static inline void rig_context(uint8_t *at)
{
	memset(at, 0, 224);
	put(at, 0x1000, 8);          /* RIP */
	put(at + 16, 2, 8);          /* RFLAGS */
	put(at + 192, 0x80000001, 8); /* CR0: paging and protection */
	put(at + 208, 0x20, 8);      /* CR4: PAE */
	put(at + 184, 0x500, 8);     /* EFER: LME, LMA */
}

static inline unsigned rig_enable_partition(struct rig *rig, unsigned vtl, unsigned flags)
{
	memset(rig->ram + 0x1000, 0, 256);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	rig->ram[0x1008] = (uint8_t)vtl;
	rig->ram[0x1009] = (uint8_t)flags;
	return rig_call(rig, GABI_HV_CALL_EnablePartitionVtl);
}

static inline unsigned rig_target(struct rig *rig, uint16_t code, unsigned vp, unsigned vtl)
{
	memset(rig->ram + 0x1000, 0, 256);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, vp, 4);
	rig->ram[0x100c] = (uint8_t)vtl;
	rig_context(rig->ram + 0x1010);
	return rig_call(rig, code);
}

/* VTL call and return on a virtual processor, by the port. */
static inline int rig_vtl_call(struct rig *rig, unsigned vp)
{
	struct gabi_hv_regs regs = { .mode = GABI_HV_MODE_64 };

	return gabi_hv_vtl_call(rig->hv, vp, &regs, 0, &rig->turn);
}

static inline int rig_vtl_return(struct rig *rig, unsigned vp, int fast)
{
	struct gabi_hv_regs regs = { .rcx = (uint64_t)fast, .mode = GABI_HV_MODE_64 };

	return gabi_hv_vtl_return(rig->hv, vp, &regs, 0, &rig->turn);
}

static inline unsigned rig_set_reg(struct rig *rig, unsigned vp, unsigned input_vtl, uint32_t name, uint64_t value)
{
	unsigned status;

	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	rig->ram[0x100c] = (uint8_t)input_vtl;
	put(rig->ram + 0x1010, name, 4);
	put(rig->ram + 0x1020, value, 8);
	assert_int_equal(rig_call_on(rig, vp, GABI_HV_CALL_SetVpRegisters | 1ull << 32, &status), GABI_HV_DONE);
	return status;
}

static inline unsigned rig_get_reg(struct rig *rig, unsigned vp, unsigned input_vtl, uint32_t name, uint64_t *ret_value)
{
	unsigned status;

	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 0xfffffffe, 4);
	rig->ram[0x100c] = (uint8_t)input_vtl;
	put(rig->ram + 0x1010, name, 4);
	assert_int_equal(rig_call_on(rig, vp, GABI_HV_CALL_GetVpRegisters | 1ull << 32, &status), GABI_HV_DONE);
	*ret_value = get(rig->ram + 0x2000, 8);
	return status;
}

/* VTL 1 on for the partition and for virtual processors 0 to 3; processor 0 is in it, with its identity, SynIC and pages set
 * up: assist page at 0x30000, messages at 0x31000, source 0 at vector 0x40. All of RAM is known. */
static inline struct rig *rig_secure_with(const struct gabi_hv_config *config)
{
	struct rig *rig = rig_with(config);

	assert_int_equal(gabi_hv_set_ram(rig->hv, 0, 1u << 16), 0);
	assert_int_equal(rig_enable_partition(rig, 1, config->mbec_vtls >> 1 & 1), GABI_HV_STATUS_SUCCESS);
	for (unsigned vp = 0; vp < 4 && vp < config->vp_count; vp++)
		assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, vp, 1), vp ? GABI_HV_STATUS_ACCESS_DENIED : 0);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x1040, 0, &rig->turn);
	for (unsigned vp = 1; vp < 4 && vp < config->vp_count; vp++)
		assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, vp, 1), GABI_HV_STATUS_SUCCESS);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_VP_ASSIST_PAGE, 0x30001, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SCONTROL, 1, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SIMP, 0x31001, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0, 0x40, 0, &rig->turn);
	return rig;
}

static inline struct rig *rig_secure(void)
{
	struct gabi_hv_config config = rig_config();

	return rig_secure_with(&config);
}

/* VTL 1's pages on virtual processor 0. */
static inline uint8_t *rig_page(struct rig *rig, unsigned vp, unsigned vtl, unsigned kind)
{
	return rig->pages + (vtl * (2 + rig->config.vp_count * 3) + 2 + vp * 3 + kind) * 4096;
}

enum { RIG_ASSIST, RIG_SIMP, RIG_SIEFP };

#define FAST_CALL   (1ull << 16)
#define VARIABLE(n) ((uint64_t)(n) << 17)
#define REPS(n)     ((uint64_t)(n) << 32)
#define START(n)    ((uint64_t)(n) << 48)

#endif

