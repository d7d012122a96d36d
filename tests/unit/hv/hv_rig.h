/* SPDX-License-Identifier: MIT */
/* A partition with a little RAM and a register file, for the engine's tests. */
#ifndef HV_RIG_H
#define HV_RIG_H

#include <gabi/hv.h>
#include <gabi/hv_call.h>
#include <gabi/hv_msr.h>
#include <gabi/hv_synic.h>
#include <gabi/hv_turn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RAM_PAGES 64u
#define RIG_VPS   200u
#define ALL_BITS  0xffffffffu

struct rig {
	struct gabi_hv_config config;
	struct gabi_hv *hv;
	struct gabi_hv_turn turn;
	uint8_t ram[RAM_PAGES * 4096];
	size_t reads, writes; /* questions asked */
	uint8_t *pages;       /* of the overlays */
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

static inline int rig_read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx;
	(void)vp;
	(void)vtl;
	(void)name;
	*ret_value = (struct gabi_hv_value){ 0, 0 };
	return GABI_ERR_UNKNOWN;
}

static inline int rig_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)ctx;
	(void)vp;
	(void)vtl;
	(void)name;
	(void)value;
	return GABI_ERR_UNKNOWN;
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
	assert_non_null(rig->pages);
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

#define FAST_CALL   (1ull << 16)
#define VARIABLE(n) ((uint64_t)(n) << 17)
#define REPS(n)     ((uint64_t)(n) << 32)
#define START(n)    ((uint64_t)(n) << 48)

#endif
