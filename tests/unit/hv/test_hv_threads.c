/* SPDX-License-Identifier: MIT */
/*
 * Threads: the protection store while one changes it and others look, and a whole partition with one thread for each virtual
 * processor and one for the host. Built with -Db_sanitize=thread it shows every access that no lock orders.
 */
#include "hv_rig.h"

#include "hv/protect.h"

#include <gabi/hv_save.h>

#include <pthread.h>
#include <sched.h>

enum { PAGES = 1 << 20, REGION = 512, ROUNDS = 1000000 };

static struct protect_pool pool;
static struct protect store;
static atomic_bool stop;

static void random_step(uint64_t *random)
{
	*random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
}

/* Pages below REGION are 1 or 15, those above it 3 or 7. */
static void *look(void *wrong)
{
	uint64_t random = 88172645463325252u ^ (uintptr_t)wrong;

	while (!atomic_load(&stop)) {
		uint64_t gfn;
		unsigned prot;

		random_step(&random);
		gfn = random >> 20 & (2 * REGION - 1);
		prot = gabi_hv_protect_get(&store, &pool, gfn);
		if (gfn < REGION ? prot != 1 && prot != 15 : prot != 3 && prot != 7)
			++*(unsigned *)wrong;
	}
	return NULL;
}

static void set(uint64_t gfn, uint64_t count, unsigned prot)
{
	bool changed;

	assert_int_equal(gabi_hv_protect_set(&store, &pool, gfn, count, prot, &changed), count);
}

static void store__changed_while_others_look__never_shows_another_regions_leaf(void **state)
{
	struct gabi_mem mem = gabi_mem_or_default(NULL);
	pthread_t thread[2];
	unsigned wrong[2] = { 0 };

	(void)state;
	assert_int_equal(gabi_hv_protect_pool_init(&pool, &mem, 64 << 20), 0);
	gabi_hv_protect_init(&store, PAGES, 15);
	set(REGION, REGION, 7);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, look, &wrong[i]), 0);
	/* Leaves come and go in both regions by turns, so that each is used again in the other. */
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned leaf = 0; leaf < REGION / 512; leaf++) {
			set(leaf * 512 + round % 512, 1, 1);
			set(leaf * 512, 512, 15);
			set(REGION + leaf * 512 + round % 512, 1, 3);
			set(REGION + leaf * 512, 512, 7);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(wrong[0] + wrong[1], 0);
	gabi_hv_protect_free(&store, &mem);
	gabi_hv_protect_pool_free(&pool);
}

/* ---- a partition ---- */

enum { VPS = 4, CALLS = 4000, SINT = 2 };

/* One virtual processor's thread: its own turn, its own pages for parameters, a random number of its own. */
struct runner {
	struct gabi_hv *hv;
	struct gabi_hv_turn turn;
	unsigned vp;
	uint64_t random, sent, refused, interrupts, switches;
};

static uint8_t guest_ram[RAM_PAGES * 4096];
static _Atomic uint64_t guest_regs[VPS][2];

static int guest_read(void *ctx, uint64_t gpa, void *buf, size_t len)
{
	(void)ctx;
	memcpy(buf, guest_ram + gpa, len);
	return 0;
}

static int guest_write(void *ctx, uint64_t gpa, const void *buf, size_t len)
{
	(void)ctx;
	memcpy(guest_ram + gpa, buf, len);
	return 0;
}

static int guest_read_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, struct gabi_hv_value *ret_value)
{
	(void)ctx, (void)name;
	*ret_value = (struct gabi_hv_value){ guest_regs[vp][vtl], 0 };
	return 0;
}

static int guest_write_reg(void *ctx, unsigned vp, unsigned vtl, uint32_t name, const struct gabi_hv_value *value)
{
	(void)ctx, (void)name;
	guest_regs[vp][vtl] = value->low;
	return 0;
}

static uint8_t *parameters(const struct runner *runner)
{
	return guest_ram + (0x20 + runner->vp * 2) * 4096;
}

static unsigned call(struct runner *runner, uint64_t control)
{
	struct gabi_hv_regs regs = {
		.rcx = control, .rdx = (0x20 + runner->vp * 2ull) << 12, .r8 = (0x21 + runner->vp * 2ull) << 12, .mode = GABI_HV_MODE_64,
	};
	int done = gabi_hv_hypercall(runner->hv, runner->vp, &regs, 0, &runner->turn);

	return done == GABI_HV_DONE ? regs.rax & 0xffff : 0x10000u;
}

static uint8_t *header(struct runner *runner)
{
	uint8_t *in = parameters(runner);

	memset(in, 0, 64);
	put(in, UINT64_MAX, 8);
	return in;
}

static void post(struct runner *runner)
{
	uint8_t *in = header(runner);

	put(in, 7 + runner->random % VPS, 8);
	put(in + 8, 9, 4);
	put(in + 12, 16, 4);
	if (call(runner, GABI_HV_CALL_PostMessage) == GABI_HV_STATUS_SUCCESS)
		runner->sent++;
	else
		runner->refused++;
}

/* A register of any processor, of the caller's VTL or, from above, of VTL 0. */
static void set_register(struct runner *runner)
{
	static const uint32_t names[] = {
		GABI_HV_REG_VsmVina, GABI_HV_REG_CrInterceptControl, GABI_HV_REG_CrInterceptCr0Mask, GABI_HV_REG_VsmVpSecureConfigVtl0,
		GABI_HV_REG_VsmVpWaitForTlbLock, GABI_HV_REG_Sint5, GABI_HV_REG_Rip,
	};
	uint8_t *in = header(runner);

	put(in + 8, (runner->random >> 8) % VPS, 4);
	in[12] = runner->random >> 16 & 1 ? 0x10 : 0;
	put(in + 16, names[(runner->random >> 20) % 7], 4);
	put(in + 32, runner->random >> 24 & 1 ? 0x160 : 2, 8);
	call(runner, GABI_HV_CALL_SetVpRegisters | REPS(1));
	put(in + 16, names[(runner->random >> 28) % 7], 4);
	call(runner, GABI_HV_CALL_GetVpRegisters | REPS(1));
}

static void protect(struct runner *runner)
{
	uint8_t *in = header(runner);

	put(in + 8, runner->random >> 30 & 1 ? 15 : 1, 4);
	in[12] = 0x10;
	for (unsigned i = 0; i < 4; i++)
		put(in + 16 + i * 8, (runner->random >> 40) % 1000 + i, 8);
	call(runner, GABI_HV_CALL_ModifyVtlProtectionMask | REPS(4));
}

static void move_page(struct runner *runner)
{
	static const uint32_t msrs[] = { GABI_HV_MSR_SIEFP, GABI_HV_MSR_VP_ASSIST_PAGE, GABI_HV_MSR_REFERENCE_TSC, GABI_HV_MSR_HYPERCALL };

	gabi_hv_wrmsr(runner->hv, runner->vp, msrs[runner->random >> 8 & 3], (0x30 + (runner->random >> 12) % 8) << 12 | 1, 0, &runner->turn);
}

static void timer(struct runner *runner, uint64_t now)
{
	gabi_hv_wrmsr(runner->hv, runner->vp, GABI_HV_MSR_STIMER0_CONFIG, 1 << 3 | SINT << 16, now, &runner->turn);
	gabi_hv_wrmsr(runner->hv, runner->vp, GABI_HV_MSR_STIMER0_COUNT, now + 1, now, &runner->turn);
	gabi_hv_expire(runner->hv, runner->vp, now + 2, &runner->turn);
}

static void one(struct runner *runner, uint64_t now)
{
	struct gabi_hv_regs regs = { .mode = GABI_HV_MODE_64 };
	struct gabi_hv_fault fault = { .gpa = (runner->random >> 40) % 1000 << 12, .access = GABI_HV_ACCESS_WRITE };
	uint64_t value;

	switch (runner->random % 14) {
	case 0: case 1: post(runner); break;
	case 2: call(runner, GABI_HV_CALL_SendSyntheticClusterIpi | FAST_CALL); break;
	case 3:
		header(runner);
		put(parameters(runner), 20 | 3ull << 32, 8);
		call(runner, GABI_HV_CALL_SignalEvent);
		break;
	case 4: set_register(runner); break;
	case 5: protect(runner); break;
	case 6: move_page(runner); break;
	case 7: timer(runner, now); break;
	case 8: gabi_hv_vtl_call(runner->hv, runner->vp, &regs, now, &runner->turn); break;
	case 9:
		regs.rcx = 1;
		gabi_hv_vtl_return(runner->hv, runner->vp, &regs, now, &runner->turn);
		break;
	case 10: gabi_hv_memory_fault(runner->hv, runner->vp, &fault, now, &runner->turn); break;
	case 11:
		memset(parameters(runner), 0, 24);
		put(parameters(runner) + 8, 3, 8);
		call(runner, GABI_HV_CALL_FlushVirtualAddressSpace);
		break;
	case 12: gabi_hv_rdmsr(runner->hv, runner->vp, GABI_HV_MSR_SIMP, now, &value, &runner->turn); break;
	default: gabi_hv_interrupt(runner->hv, runner->vp, runner->random >> 8 & 1, runner->random >> 9 & 1, &runner->turn); break;
	}
	/* Lookups, as a fault handler does them. */
	gabi_hv_protection(runner->hv, 0, (runner->random >> 30) % 1000);
	gabi_hv_active_vtl(runner->hv, (runner->random >> 8) % VPS);
	for (unsigned i = 0; i < runner->turn.count; i++) {
		runner->interrupts += runner->turn.act[i].kind == GABI_HV_ACT_INTERRUPT;
		runner->switches += runner->turn.act[i].kind == GABI_HV_ACT_SWITCH;
	}
}

static void *run(void *ctx)
{
	struct runner *runner = ctx;

	for (unsigned i = 0; i < CALLS; i++) {
		random_step(&runner->random);
		runner->turn.count = 0;
		one(runner, i);
	}
	return NULL;
}

/* The host: messages and events from outside, EOIs, connections that come and go, a reference clock that changes. */
struct outside {
	struct gabi_hv *hv;
	uint64_t sent;
};

static void *host(void *ctx)
{
	static struct gabi_hv_turn turn;
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_EVENT, .host = 1, .flag_count = 64 };
	struct outside *outside = ctx;
	struct gabi_hv *hv = outside->hv;
	unsigned prot;

	for (unsigned i = 0; i < CALLS; i++) {
		outside->sent += gabi_hv_post(hv, i % VPS, i >> 4 & 1, SINT, 5, "12345678", 8, i, &turn) == GABI_HV_STATUS_SUCCESS;
		gabi_hv_signal(hv, i % VPS, 0, SINT, i % 2048, &turn);
		gabi_hv_eoi(hv, i % VPS, i >> 4 & 1, i, &turn);
		gabi_hv_traps(hv, i % VPS, 0);
		gabi_hv_accepts_init(hv, i % VPS, 0);
		if (i % 16 == 0) {
			gabi_hv_disconnect(hv, 21);
			gabi_hv_connect(hv, 21, &port, NULL);
			gabi_hv_set_reference_tsc(hv, 1000000000 + i, i, 1);
			gabi_hv_protection_run(hv, 0, i % 1000, &prot);
			gabi_hv_reenlighten(hv, &turn);
		}
	}
	return NULL;
}

static struct gabi_hv *make_partition(struct runner *runners)
{
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_ops ops = { guest_read, guest_write, guest_read_reg, guest_write_reg, NULL, NULL };
	struct runner *first = &runners[0];
	struct gabi_hv *hv;

	config.vp_count = VPS;
	assert_int_equal(gabi_hv_new(&config, &ops, NULL, &hv, NULL), 0);
	assert_int_equal(gabi_hv_set_ram(hv, 0, 2000), 0);
	for (unsigned vp = 0; vp < VPS; vp++) {
		struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .sint = SINT, .vp = vp };

		runners[vp] = (struct runner){ .hv = hv, .vp = vp, .random = 88172645463325252u + vp };
		assert_int_equal(gabi_hv_connect(hv, 7 + vp, &port, NULL), 0);
	}
	assert_int_equal(gabi_hv_connect(hv, 20, &(struct gabi_hv_port){ .kind = GABI_HV_PORT_EVENT, .sint = SINT, .vp = 1, .flag_count = 64 }, NULL), 0);
	gabi_hv_wrmsr(hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &first->turn);
	header(first)[8] = 1;
	assert_int_equal(call(first, GABI_HV_CALL_EnablePartitionVtl), 0);
	for (unsigned vp = 0; vp < VPS; vp++) {
		struct gabi_hv_regs regs = { .mode = GABI_HV_MODE_64 };

		memset(parameters(first), 0, 240);
		put(parameters(first), UINT64_MAX, 8);
		put(parameters(first) + 8, vp, 4);
		parameters(first)[12] = 1;
		rig_context(parameters(first) + 16);
		assert_int_equal(call(first, GABI_HV_CALL_EnableVpVtl), 0);
		if (vp == 0)
			gabi_hv_vtl_call(hv, 0, &regs, 0, &first->turn);
		gabi_hv_wrmsr(hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &first->turn);
	}
	put(header(first) + 8, 0xfffffffe, 4);
	put(parameters(first) + 16, GABI_HV_REG_VsmPartitionConfig, 4);
	put(parameters(first) + 32, 1 | 15 << 1, 8);
	assert_int_equal(call(first, GABI_HV_CALL_SetVpRegisters | REPS(1)), 0);
	for (unsigned vp = 0; vp < VPS; vp++) {
		gabi_hv_wrmsr(hv, vp, GABI_HV_MSR_SCONTROL, 1, 0, &first->turn);
		gabi_hv_wrmsr(hv, vp, GABI_HV_MSR_SIMP, (0x28 + vp) << 12 | 1, 0, &first->turn);
		gabi_hv_wrmsr(hv, vp, GABI_HV_MSR_SINT0 + SINT, 0x50, 0, &first->turn);
	}
	return hv;
}

static void partition__one_thread_a_processor_and_a_host__stays_whole(void **state)
{
	static struct runner runners[VPS];
	struct gabi_hv *hv = make_partition(runners), *other;
	struct gabi_hv_config config = rig_config();
	struct gabi_hv_ops ops = { guest_read, guest_write, guest_read_reg, guest_write_reg, NULL, NULL };
	struct outside outside = { .hv = hv };
	uint64_t sent, refused = 0, switches = 0;
	pthread_t thread[VPS + 1];
	uint8_t *stream;
	size_t len;

	(void)state;
	for (unsigned vp = 0; vp < VPS; vp++)
		assert_int_equal(pthread_create(&thread[vp], NULL, run, &runners[vp]), 0);
	assert_int_equal(pthread_create(&thread[VPS], NULL, host, &outside), 0);
	for (unsigned i = 0; i <= VPS; i++)
		pthread_join(thread[i], NULL);
	sent = outside.sent; /* whoever comes first fills the queues */
	for (unsigned vp = 0; vp < VPS; vp++) {
		sent += runners[vp].sent;
		refused += runners[vp].refused;
		switches += runners[vp].switches;
	}
	/* It did something, some of it was too much, and a partition came out of it. */
	assert_true(sent > 10 && refused > 10 && switches > 100);
	gabi_hv_save(hv, NULL, 0, &len);
	stream = malloc(len);
	assert_int_equal(gabi_hv_save(hv, stream, len, &len), 0);
	config.vp_count = VPS;
	assert_int_equal(gabi_hv_new(&config, &ops, NULL, &other, NULL), 0);
	assert_int_equal(gabi_hv_restore(other, stream, len, NULL), 0);
	free(stream);
	gabi_hv_free(other);
	gabi_hv_free(hv);
}

/* ---- a lock that two processors take and drop at once ---- */

enum { LOCK_ROUNDS = 60000, LOCKERS = 2, VICTIM = 3 };

/* All wait for each other, by looking: a round is shorter than going to sleep. */
static atomic_uint arrived;

static void meet(unsigned round)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < (LOCKERS + 1) * round)
		sched_yield();
}

static void set_lock(struct runner *runner, unsigned value)
{
	uint8_t *in = header(runner);

	put(in + 8, VICTIM, 4);
	put(in + 16, GABI_HV_REG_VsmVpSecureConfigVtl0, 4);
	put(in + 32, value, 8);
	assert_int_equal(call(runner, GABI_HV_CALL_SetVpRegisters | REPS(1)), 0);
}

/* Either has its turn to be the one that locks. */
static void *lock_and_unlock(void *ctx)
{
	struct runner *runner = ctx;

	for (unsigned round = 1; round <= LOCK_ROUNDS; round++) {
		meet(2 * round - 1);
		set_lock(runner, (runner->vp + round) % 2 ? 2 : 0);
		meet(2 * round);
	}
	return NULL;
}

static unsigned lock_register(struct runner *runner)
{
	uint8_t *in = header(runner);

	put(in + 8, VICTIM, 4);
	put(in + 16, GABI_HV_REG_VsmVpSecureConfigVtl0, 4);
	assert_int_equal(call(runner, GABI_HV_CALL_GetVpRegisters | REPS(1)), 0);
	return (unsigned)get(in + 4096, 8);
}

/* Does a flush of the victim's TLB wait? */
static bool is_locked(struct runner *runner)
{
	uint8_t *in = header(runner);

	put(in, 0, 8);
	put(in + 16, 1 << VICTIM, 8);
	return call(runner, GABI_HV_CALL_FlushVirtualAddressSpace) != GABI_HV_STATUS_SUCCESS;
}

/* Processors 1 and 2 write the lock's register from VTL 1; processor 0 looks from VTL 1 what it says, and from VTL 0 what is so. */
static void tlb_lock__taken_and_dropped_at_once__is_what_its_register_says(void **state)
{
	static struct runner runners[VPS];
	struct gabi_hv *hv = make_partition(runners);
	struct gabi_hv_regs regs = { .mode = GABI_HV_MODE_64 };
	unsigned locked = 0, wrong = 0;
	pthread_t thread[LOCKERS];

	(void)state;
	atomic_store(&arrived, 0);
	for (unsigned i = 0; i < LOCKERS; i++) {
		assert_int_equal(gabi_hv_vtl_call(hv, 1 + i, &regs, 0, &runners[1 + i].turn), GABI_HV_DONE);
		assert_int_equal(pthread_create(&thread[i], NULL, lock_and_unlock, &runners[1 + i]), 0);
	}
	for (unsigned round = 1; round <= LOCK_ROUNDS; round++) {
		bool says, is;

		meet(2 * round - 1);
		meet(2 * round);
		says = lock_register(&runners[0]) & 2;
		regs.rcx = 1;
		assert_int_equal(gabi_hv_vtl_return(hv, 0, &regs, 0, &runners[0].turn), GABI_HV_DONE);
		is = is_locked(&runners[0]);
		regs.rcx = 0;
		assert_int_equal(gabi_hv_vtl_call(hv, 0, &regs, 0, &runners[0].turn), GABI_HV_DONE);
		wrong += says != is;
		locked += is;
	}
	for (unsigned i = 0; i < LOCKERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(wrong, 0);
	assert_true(locked > 0 && locked < LOCK_ROUNDS); /* either came last */
	gabi_hv_free(hv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store__changed_while_others_look__never_shows_another_regions_leaf),
		cmocka_unit_test(partition__one_thread_a_processor_and_a_host__stays_whole),
		cmocka_unit_test(tlb_lock__taken_and_dropped_at_once__is_what_its_register_says),
	};

	return cmocka_run_group_tests_name("hv_threads", tests, NULL, NULL);
}
