/* SPDX-License-Identifier: MIT */
/* A guest that does anything: one step from one random number, the same on every engine that is in the same state. */
#ifndef HV_DRIVE_H
#define HV_DRIVE_H

#include "hv_rig.h"

#include <gabi/hv_save.h>

static inline uint64_t random_next(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static inline uint64_t any_page(uint64_t r)
{
	return (0x20 + (r >> 40) % 16) << 12 | (r >> 60 & 1);
}

static inline int drive_msr(struct rig *rig, unsigned vp, uint64_t r, uint64_t now)
{
	static const uint32_t msrs[] = {
		GABI_HV_MSR_HYPERCALL, GABI_HV_MSR_REFERENCE_TSC, GABI_HV_MSR_VP_ASSIST_PAGE, GABI_HV_MSR_SIMP, GABI_HV_MSR_SIEFP,
		GABI_HV_MSR_SCONTROL, GABI_HV_MSR_EOM, GABI_HV_MSR_SINT0, GABI_HV_MSR_SINT1, GABI_HV_MSR_SINT2,
		GABI_HV_MSR_STIMER0_CONFIG, GABI_HV_MSR_STIMER0_COUNT, GABI_HV_MSR_STIMER1_CONFIG, GABI_HV_MSR_STIMER1_COUNT,
		GABI_HV_MSR_CRASH_P0, GABI_HV_MSR_GUEST_OS_ID, GABI_HV_MSR_NPIEP_CONFIG, GABI_HV_MSR_EOI,
	};
	uint32_t msr = msrs[(r >> 8) % (sizeof(msrs) / sizeof(msrs[0]))];
	uint64_t value = any_page(r) | 1;

	if (msr >= GABI_HV_MSR_SINT0 && msr <= GABI_HV_MSR_SINT2)
		value = (0x30 + (r >> 20) % 8) | (r >> 30 & 7) << 16;
	else if (msr == GABI_HV_MSR_STIMER0_CONFIG || msr == GABI_HV_MSR_STIMER1_CONFIG)
		value = (r >> 20 & 0x100f) | 2ull << 16 | 0x50 << 4;
	else if (msr == GABI_HV_MSR_STIMER0_COUNT || msr == GABI_HV_MSR_STIMER1_COUNT)
		value = now / 2 + (r >> 20) % 5000;
	else if (msr == GABI_HV_MSR_GUEST_OS_ID)
		value = 0x8100;
	return gabi_hv_wrmsr(rig->hv, vp, msr, value, now, &rig->turn);
}

/* A call with input that is now and then right. */
static inline int drive_call(struct rig *rig, unsigned vp, uint64_t r, uint64_t now)
{
	static const uint32_t names[] = {
		GABI_HV_REG_VsmVina, GABI_HV_REG_VsmPartitionConfig, GABI_HV_REG_VsmVpSecureConfigVtl0, GABI_HV_REG_CrInterceptControl,
		GABI_HV_REG_VsmVpWaitForTlbLock, GABI_HV_REG_VsmVpStatus, GABI_HV_REG_Sint2, GABI_HV_REG_Rip,
	};
	static const uint64_t values[] = { 0x171, 1 | 15 << 1 | 1 << 5, 2, 2, 1, 0, 0x44, 0x1234 };
	size_t rows = 0, pick = (r >> 16 & 7) % 8;
	const struct gabi_hv_call_info *info;
	struct gabi_hv_regs regs;
	uint8_t *in = rig->ram + 0x1000;

	while (gabi_hv_call_info(rows))
		rows++;
	info = gabi_hv_call_info((r >> 8) % rows);
	memset(in, 0, 512);
	put(in, UINT64_MAX, 8);
	put(in + 8, (r >> 24) % 3 ? 0xfffffffe : (r >> 28) % 4, 4);
	in[12] = r >> 40 & 1 ? 0x10 | (r >> 41 & 1) : r >> 42 & 1;
	switch (info->code) {
	case GABI_HV_CALL_EnablePartitionVtl:
		in[8] = 1;
		memset(in + 9, 0, 7);
		break;
	case GABI_HV_CALL_EnableVpVtl:
	case GABI_HV_CALL_StartVirtualProcessor:
		in[12] &= 1;
		rig_context(in + 16);
		break;
	case GABI_HV_CALL_SetVpRegisters:
		put(in + 16, names[pick], 4);
		put(in + 32, values[pick], 8);
		break;
	case GABI_HV_CALL_GetVpRegisters:
		put(in + 16, names[pick], 4);
		break;
	case GABI_HV_CALL_ModifyVtlProtectionMask:
		put(in + 8, (r >> 44 & 1) * 12 + (r >> 45 & 1) * 3, 4);
		in[12] = 0x10;
		for (unsigned i = 0; i < 3; i++)
			put(in + 16 + i * 8, (r >> 48) % 60 + i * (1 + (r >> 30 & 3)), 8);
		break;
	case GABI_HV_CALL_FlushVirtualAddressSpace:
		put(in + 8, 1, 8);
		break;
	case GABI_HV_CALL_InstallIntercept: {
		static const uint8_t types[] = { 0, 1, 2, 3 }, access[] = { 3, 3, 4, 4 };
		static const uint64_t parameters[] = { 0x60, 0x1b, 0x40000000, 14 };

		put(in + 8, r >> 44 & 3 ? access[r >> 46 & 3] : 0, 4);
		put(in + 12, types[r >> 46 & 3], 4);
		put(in + 16, parameters[r >> 46 & 3], 8);
		break;
	}
	case GABI_HV_CALL_PostMessage:
		put(in, 7, 8);
		put(in + 8, 9, 4);
		put(in + 12, 16, 4);
		break;
	case GABI_HV_CALL_SignalEvent:
		put(in, 8 | (r >> 48 & 63) << 32, 8);
		break;
	}
	regs = rig_regs(info->code | (info->rep ? REPS(3) : 0));
	return gabi_hv_hypercall(rig->hv, vp, &regs, now, &rig->turn);
}

static inline int drive_exit(struct rig *rig, unsigned vp, uint64_t r, uint64_t now)
{
	struct gabi_hv_io io = { .port = 0x60, .size = 1, .write = r >> 20 & 1 };
	struct gabi_hv_exception exception = { .vector = 14, .has_code = 1, .code = r >> 32 & 31, .parameter = r };
	const uint32_t result[4] = { 1, 2, 3, (uint32_t)r };

	switch (r >> 6 & 3) {
	case 0: return gabi_hv_io(rig->hv, vp, &io, now, &rig->turn);
	case 1: return gabi_hv_msr_intercept(rig->hv, vp, 0x1b, r >> 20 & 1, 2, now, &rig->turn);
	case 2: return gabi_hv_cpuid_intercept(rig->hv, vp, 0x40000000, result, 2, now, &rig->turn);
	default: return gabi_hv_exception_intercept(rig->hv, vp, &exception, now, &rig->turn);
	}
}

/* One step. The result is all that the engine said, in one number. */
static inline uint64_t drive(struct rig *rig, uint64_t r, uint64_t now)
{
	unsigned vp = r >> 4 & 1, vtl = r >> 5 & 1;
	struct gabi_hv_fault fault = { .gpa = (r >> 20) % 64 << 12, .access = (uint8_t)((r >> 30) % 3) };
	struct gabi_hv_value value = { r >> 32, 0 };
	uint64_t sum;
	int done;

	memset(&rig->turn, 0, offsetof(struct gabi_hv_turn, in));
	switch (r % 16) {
	case 0: case 1: case 2: done = drive_msr(rig, vp, r, now); break;
	case 3: case 4: case 5: case 6: done = drive_call(rig, vp, r, now); break;
	case 7: done = rig_vtl_call(rig, vp); break;
	case 8: done = rig_vtl_return(rig, vp, r >> 6 & 1); break;
	case 9: done = gabi_hv_interrupt(rig->hv, vp, vtl, r >> 6 & 1, &rig->turn); break;
	case 10: done = gabi_hv_expire(rig->hv, vp, now, &rig->turn); break;
	case 11: done = gabi_hv_post(rig->hv, vp, vtl, 2, 5, &r, 8, now, &rig->turn); break;
	case 12: done = gabi_hv_signal(rig->hv, vp, vtl, 2, r >> 20 & 2047, &rig->turn); break;
	case 13: done = gabi_hv_memory_fault(rig->hv, vp, &fault, now, &rig->turn); break;
	case 14: done = gabi_hv_trap(rig->hv, vp, GABI_HV_TRAP_Cr4Write, &value, 3, now, &rig->turn); break;
	default: done = drive_exit(rig, vp, r, now); break;
	}
	sum = (uint64_t)(int64_t)done * 31 + rig->turn.count * 7 + rig->turn.changes;
	for (unsigned i = 0; i < rig->turn.count; i++) {
		const struct gabi_hv_act *act = &rig->turn.act[i];

		sum = sum * 0x9e3779b97f4a7c15u + (act->kind | act->vtl << 8 | (uint64_t)act->vp << 16);
		if (act->kind == GABI_HV_ACT_INTERRUPT)
			sum += (uint64_t)act->interrupt.vector << 40;
		else if (act->kind == GABI_HV_ACT_SWITCH)
			sum += (uint64_t)(act->change.to << 8 | act->change.reason) << 40 ^ act->change.rax;
		else if (act->kind == GABI_HV_ACT_OVERLAY)
			sum += act->overlay.gpa * 3 + act->overlay.page;
		else if (act->kind == GABI_HV_ACT_TIMER)
			sum += act->at_100ns;
	}
	for (unsigned i = 0; i < rig->turn.changes; i++)
		sum = sum * 31 + rig->turn.change[i].gfn * 1000 + rig->turn.change[i].count * 16 + rig->turn.change[i].prot;
	return sum;
}

static inline struct gabi_hv_config drive_config(void)
{
	struct gabi_hv_config config = rig_config();

	config.vp_count = 2;
	config.connections = 4;
	config.gpa_pages = 1u << 16;
	return config;
}

static inline struct rig *drive_rig_with(const struct gabi_hv_config *config)
{
	struct rig *rig = rig_with(config);
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .sint = 2, .vp = UINT32_MAX };

	gabi_hv_set_ram(rig->hv, 0, RAM_PAGES);
	gabi_hv_connect(rig->hv, 7, &port, NULL);
	port = (struct gabi_hv_port){ .kind = GABI_HV_PORT_EVENT, .vtl = 1, .sint = 2, .flag_count = 64 };
	gabi_hv_connect(rig->hv, 8, &port, NULL);
	return rig;
}

static inline struct rig *drive_rig(void)
{
	struct gabi_hv_config config = drive_config();

	return drive_rig_with(&config);
}

static inline uint8_t *rig_save(struct rig *rig, size_t *ret_len)
{
	uint8_t *stream;

	assert_int_equal(gabi_hv_save(rig->hv, NULL, 0, ret_len), GABI_ERR_LIMIT);
	stream = malloc(*ret_len);
	assert_non_null(stream);
	assert_int_equal(gabi_hv_save(rig->hv, stream, *ret_len, ret_len), 0);
	return stream;
}

static inline void rig_restore(struct rig *rig, const uint8_t *stream, size_t len)
{
	struct gabi_diag diag;

	if (gabi_hv_restore(rig->hv, stream, len, &diag))
		fail_msg("%s", diag.text);
}

#endif
