/* SPDX-License-Identifier: MIT */
/* Save and restore: at every step the same as not saving. */
#include "hv_drive.h"

uint64_t gabi_hv_checksum(const uint8_t *at, size_t len);

/* Test vectors: xxhsum -H64 of the xxHash project. */
static void checksum__is_xxh64(void **state)
{
	(void)state;
	assert_int_equal(gabi_hv_checksum((const uint8_t *)"", 0), 0xef46db3751d8e999u);
	assert_int_equal(gabi_hv_checksum((const uint8_t *)"a", 1), 0xd24ec4f1a98c6e5bu);
	assert_int_equal(gabi_hv_checksum((const uint8_t *)"abc", 3), 0x44bc2cf5ad770999u);
	assert_int_equal(gabi_hv_checksum((const uint8_t *)"Nobody inspects the spammish repetition", 39), 0xfbcea83c8a378bf1u);
}

static void save__at_every_step__is_the_same_as_not_saving(void **state)
{
	struct rig *straight = drive_rig(), *moved = drive_rig();
	uint64_t random = 0x123456789abcdef, now = 1000, switched = 0, changed = 0;

	(void)state;
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t r = random_next(&random), a, b;
		uint8_t *stream, *again;
		size_t len, again_len;

		now += r >> 50 & 255;
		a = drive(straight, r, now);
		b = drive(moved, r, now);
		if (a != b)
			fail_msg("step %u, %llx: differs after a restore", step, (unsigned long long)r);
		for (unsigned i = 0; i < straight->turn.count; i++)
			switched += straight->turn.act[i].kind == GABI_HV_ACT_SWITCH;
		changed += straight->turn.changes;
		if (step % 8)
			continue;
		stream = rig_save(moved, &len);
		memset(moved->pages, 0xee, gabi_hv_page_count(&moved->config) * 4096);
		gabi_hv_free(moved->hv);
		memset(moved->pages, 0, gabi_hv_page_count(&moved->config) * 4096);
		{
			struct gabi_hv_ops ops = rig_ops(moved);

			assert_int_equal(gabi_hv_new(&moved->config, &ops, NULL, &moved->hv, NULL), 0);
		}
		rig_restore(moved, stream, len);
		again = rig_save(moved, &again_len);
		assert_int_equal(len, again_len);
		assert_memory_equal(stream, again, len);
		free(stream);
		free(again);
	}
	/* The walk went where it should. */
	assert_true(switched > 100);
	assert_true(changed > 20);
	rig_free(straight);
	rig_free(moved);
}

static struct rig *busy_rig(void)
{
	struct rig *rig = drive_rig();
	uint64_t random = 42, now = 0;

	for (unsigned step = 0; step < 3000; step++)
		drive(rig, random_next(&random), now += 50);
	return rig;
}

static void restore__damage_anywhere__is_refused_and_leaves_a_new_partition(void **state)
{
	struct rig *rig = busy_rig(), *target = drive_rig();
	size_t len;
	uint8_t *stream = rig_save(rig, &len);

	(void)state;
	for (size_t at = 0; at < len; at += 1 + len / 3000) {
		stream[at] ^= 0x10;
		assert_true(gabi_hv_restore(target->hv, stream, len, NULL) < 0);
		stream[at] ^= 0x10;
	}
	for (size_t cut = 0; cut < len; cut += 1 + len / 500)
		assert_true(gabi_hv_restore(target->hv, stream, cut, NULL) < 0);
	rig_restore(target, stream, len);
	free(stream);
	rig_free(rig);
	rig_free(target);
}

static bool is_new(struct rig *rig, const uint8_t *empty, size_t empty_len)
{
	size_t len;
	uint8_t *now = rig_save(rig, &len);
	bool same = len == empty_len && !memcmp(now, empty, len);

	free(now);
	return same;
}

/* Damage with a right checksum, as an attacker would do it: refused, and the partition is as new, or taken; never a crash, and what is
 * taken can be saved. */
static void restore__hostile_stream__never_breaks_the_engine(void **state)
{
	struct rig *rig = busy_rig(), *target = drive_rig(), *fresh = rig_with(&rig->config);
	uint64_t random = 99;
	size_t len, empty_len, taken = 0, refused = 0;
	uint8_t *stream, *empty;

	(void)state;
	gabi_hv_set_reference_tsc(rig->hv, 3000000000u, 77, 1);
	stream = rig_save(rig, &len);
	gabi_hv_reset(fresh->hv, &fresh->turn); /* the rig's own identity */
	empty = rig_save(fresh, &empty_len);
	for (unsigned round = 0; round < 3000; round++) {
		size_t at = 96 + random_next(&random) % (len - 104);
		uint8_t before = stream[at], *again;
		size_t again_len;

		stream[at] = (uint8_t)random_next(&random);
		put(stream + len - 8, gabi_hv_checksum(stream, len - 8), 8);
		if (gabi_hv_restore(target->hv, stream, len, NULL)) {
			assert_true(is_new(target, empty, empty_len));
			refused++;
		} else {
			uint64_t walk = round + 1;

			taken++;
			again = rig_save(target, &again_len);
			free(again);
			for (unsigned step = 0; step < 20; step++)
				drive(target, random_next(&walk), step * 1000);
			rig_free(target); /* whose clock is another by now */
			target = drive_rig();
		}
		stream[at] = before;
	}
	assert_true(taken > 100);
	assert_true(refused > 100);
	free(stream);
	free(empty);
	rig_free(fresh);
	rig_free(rig);
	rig_free(target);
}

/* ---- values that no guest could have brought there ---- */

static void sint(struct rig *rig, unsigned with)
{
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0 + 5, 0x50 + with, 0, &rig->turn);
}

static void timer_mode(struct rig *rig, unsigned with)
{
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG, 2 + with * 8, 0, &rig->turn);
}

static void timer_vector(struct rig *rig, unsigned with)
{
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG, (1 + with) << 8, 0, &rig->turn);
}

static void timer_source(struct rig *rig, unsigned with)
{
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG, (2 + with) << 16, 0, &rig->turn);
}

static void npiep(struct rig *rig, unsigned with)
{
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_NPIEP_CONFIG, 1 + with, 0, &rig->turn);
}

static void partition_config(struct rig *rig, unsigned with)
{
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, with << 5), 0);
}

static void traps(struct rig *rig, unsigned with)
{
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_CrInterceptControl, 1 + with), 0);
}

static void install_port(struct rig *rig, uint64_t port, unsigned access)
{
	memset(rig->ram + 0x1000, 0, 24);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, access, 4);
	put(rig->ram + 0x100c, GABI_HV_INTERCEPT_IO_PORT_RANGE, 4);
	put(rig->ram + 0x1010, port, 8);
	assert_int_equal(rig_call(rig, GABI_HV_CALL_InstallIntercept), 0);
}

static void intercept_access(struct rig *rig, unsigned with)
{
	install_port(rig, 0x00610060, 1 + with);
}

static void intercept_port(struct rig *rig, unsigned with)
{
	install_port(rig, 0x00620060, 0);
	install_port(rig, (0x0062u + with) << 16 | 0x60, 1);
}

/* The byte in which what the change makes with 0 and with 1 differs, and what it must not be. */
static const struct {
	const char *name;
	void (*change)(struct rig *rig, unsigned with);
	uint8_t bad;
} unreachable[] = {
	{ "a vector below 16 of a source that is not masked", sint, 0x05 },
	{ "reserved bits of a timer", timer_vector, 0xe0 },
	{ "an enabled timer without a source", timer_mode, 0x01 },
	{ "reserved bits of a timer's source", timer_source, 0x30 },
	{ "reserved bits of NPIEP", npiep, 0x10 },
	{ "reserved bits of a VTL's configuration", partition_config, 0x80 },
	{ "a trap that there is not", traps, 0x00 },
	{ "a port that is executed", intercept_access, 0x04 },
	{ "a range of ports that ends before it starts", intercept_port, 0x01 },
};

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t i = 96; i < len - 8; i++)
		if (a[i] != b[i])
			return i;
	return 0;
}

static void restore__value_that_no_guest_could_have_set__is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unreachable) / sizeof(unreachable[0]); i++) {
		struct rig *rig = rig_secure(), *target = rig_secure();
		size_t len, other_len, at;
		uint8_t *stream, *other;
		struct gabi_diag diag;

		unreachable[i].change(rig, 0);
		stream = rig_save(rig, &len);
		unreachable[i].change(rig, 1);
		other = rig_save(rig, &other_len);
		assert_int_equal(len, other_len);
		at = first_difference(stream, other, len);
		assert_true(at);
		assert_int_equal(gabi_hv_restore(target->hv, stream, len, NULL), 0);
		stream[at] = unreachable[i].bad;
		if (unreachable[i].change == traps)
			stream[at + 7] = 0x80;
		put(stream + len - 8, gabi_hv_checksum(stream, len - 8), 8);
		if (gabi_hv_restore(target->hv, stream, len, &diag) != GABI_ERR_RANGE)
			fail_msg("%s was taken", unreachable[i].name);
		free(stream);
		free(other);
		rig_free(rig);
		rig_free(target);
	}
}

static void restore__other_partition__is_refused_with_the_reason(void **state)
{
	struct rig *rig = drive_rig(), *other;
	struct gabi_hv_config config = drive_config();
	struct gabi_diag diag;
	size_t len;
	uint8_t *stream = rig_save(rig, &len);

	(void)state;
	config.digest[3] = 1;
	other = rig_with(&config);
	assert_int_equal(gabi_hv_restore(other->hv, stream, len, &diag), GABI_ERR_CONFLICT);
	assert_string_equal(diag.text, "the partition was saved under another contract");
	rig_free(other);
	config = drive_config();
	config.vp_count = 3;
	other = rig_with(&config);
	assert_int_equal(gabi_hv_restore(other->hv, stream, len, &diag), GABI_ERR_CONFLICT);
	rig_free(other);
	stream[4] = GABI_HV_STREAM_VERSION + 1;
	assert_int_equal(gabi_hv_restore(rig->hv, stream, len, &diag), GABI_ERR_VERSION);
	free(stream);
	rig_free(rig);
}

static void resume__says_what_the_vmm_must_set_up(void **state)
{
	struct rig *rig = rig_secure(), *target;
	struct gabi_hv_config config = rig_config();
	size_t len;
	uint8_t *stream;
	unsigned overlays = 0, timers = 0;

	(void)state;
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_CONFIG, 8 | 1 << 12 | 0x50 << 4, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_STIMER0_COUNT, 777, 0, &rig->turn);
	stream = rig_save(rig, &len);
	target = rig_with(&config);
	rig_restore(target, stream, len);
	for (unsigned vtl = 0; vtl < 2; vtl++) {
		assert_int_equal(gabi_hv_resume(target->hv, 0, vtl, &target->turn), 0);
		for (unsigned i = 0; i < target->turn.count; i++) {
			const struct gabi_hv_act *act = &target->turn.act[i];

			if (act->kind == GABI_HV_ACT_OVERLAY && act->vtl == 1 && (act->overlay.gpa == 0x30000 || act->overlay.gpa == 0x31000))
				overlays++;
			timers += act->kind == GABI_HV_ACT_TIMER && act->at_100ns == 777;
		}
	}
	assert_int_equal(overlays, 2);
	assert_int_equal(timers, 1);
	assert_int_equal(gabi_hv_active_vtl(target->hv, 0), 1);
	free(stream);
	rig_free(rig);
	rig_free(target);
}

/* HvRegisterVsmVpWaitForTlbLock is asked for by a VTL that has yet to return: what it asked for moves with it, and so do the locks. */
static void restore__before_a_return_that_waits_for_locks__it_still_waits(void **state)
{
	struct rig *rig = rig_secure(), *target;
	struct gabi_hv_config config = rig_config();
	uint8_t *stream;
	unsigned status;
	size_t len;

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
	stream = rig_save(rig, &len);
	target = rig_with(&config);
	rig_restore(target, stream, len);
	assert_int_equal(rig_vtl_return(target, 0, 1), GABI_HV_DONE);
	assert_int_equal(target->turn.act[target->turn.count - 1].kind, GABI_HV_ACT_HOLD);
	assert_int_equal(rig_vtl_return(target, 1, 1), GABI_HV_DONE);
	assert_int_equal(target->turn.act[1].kind, GABI_HV_ACT_WAKE);
	free(stream);
	rig_free(rig);
	rig_free(target);
}

/* TLFS timers, Partition Reference Time Enlightenment: time = (TSC * scale >> 64) + offset. */
static uint64_t page_time(struct rig *rig, uint64_t tsc)
{
	const uint8_t *page = rig->pages + 4096;
	__extension__ unsigned __int128 product = (unsigned __int128)tsc * get(page + 8, 8);

	return (uint64_t)(product >> 64) + get(page + 16, 8);
}

/* On a host whose TSC runs at another frequency the reference time goes on: by a new scale and offset under a new sequence number,
 * and who asked for it is told. */
static void restore__at_another_tsc_frequency__time_goes_on(void **state)
{
	struct rig *rig = rig_new(), *target;
	struct gabi_hv_config config = rig_config();
	const uint64_t then = 5000000, source_tsc = then * 200, target_tsc = 7777;
	uint32_t sequence;
	uint64_t value;
	uint8_t *stream;
	size_t len;

	(void)state;
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 2000000000, 0, 1), 0);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_REENLIGHTENMENT_CONTROL, 0x100ee, 0, &rig->turn);
	assert_in_range(page_time(rig, source_tsc), then - 1, then);
	sequence = (uint32_t)get(rig->pages + 4096, 4);
	stream = rig_save(rig, &len);
	config.tsc_hz = 3000000000;
	target = rig_with(&config);
	rig_restore(target, stream, len);
	assert_int_equal(gabi_hv_set_reference_tsc(target->hv, config.tsc_hz, (int64_t)(then - target_tsc / 300), 1), 0);
	assert_int_equal(gabi_hv_reenlighten(target->hv, &target->turn), 0);
	assert_int_equal(target->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(target->turn.act[0].interrupt.vector, 0xee);
	assert_int_not_equal(get(target->pages + 4096, 4), 0);
	assert_int_not_equal(get(target->pages + 4096, 4), sequence);
	assert_in_range(page_time(target, target_tsc), then - 1, then + 1);
	assert_in_range(page_time(target, target_tsc + 3000000), then + 9999, then + 10001);
	assert_int_equal(gabi_hv_rdmsr(target->hv, 0, GABI_HV_MSR_TSC_FREQUENCY, then, &value, &target->turn), GABI_HV_DONE);
	assert_int_equal(value, config.tsc_hz);
	free(stream);
	rig_free(rig);
	rig_free(target);
}

static size_t golden_read(unsigned version, uint8_t *stream, size_t cap)
{
	char path[512];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), GOLDEN "/stream-%u.bin", version);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there: every version's stream is kept", path);
	len = fread(stream, 1, cap, file);
	fclose(file);
	return len;
}

/* GABI_HV_GOLDEN in the environment makes this version's. */
static void golden_write(void)
{
	struct rig *busy = busy_rig();
	char path[512];
	size_t len;
	uint8_t *stream;
	FILE *file;

	/* One intercept of each kind. */
	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t parameters[] = { 0x3f8, 0xc0000082, 1, 6 };

		memset(busy->ram + 0x1000, 0, 32);
		put(busy->ram + 0x1000, UINT64_MAX, 8);
		put(busy->ram + 0x1008, i < 2 ? 3 : 4, 4);
		put(busy->ram + 0x100c, i, 4);
		put(busy->ram + 0x1010, parameters[i], 8);
		if (gabi_hv_active_vtl(busy->hv, 0) == 0)
			rig_vtl_call(busy, 0);
		gabi_hv_wrmsr(busy->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 1, 0, &busy->turn);
		assert_int_equal(rig_call(busy, GABI_HV_CALL_InstallIntercept), GABI_HV_STATUS_SUCCESS);
	}
	stream = rig_save(busy, &len);
	snprintf(path, sizeof(path), GOLDEN "/stream-%u.bin", GABI_HV_STREAM_VERSION);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(stream, 1, len, file), len);
	fclose(file);
	free(stream);
	rig_free(busy);
}

/* What an older version's stream becomes is a partition of this version: it is the same after another save and restore. */
static void restore__golden_stream_of_each_version__is_read_for_ever(void **state)
{
	static uint8_t stream[1 << 20];

	(void)state;
	if (getenv("GABI_HV_GOLDEN"))
		golden_write();
	for (unsigned version = 1; version <= GABI_HV_STREAM_VERSION; version++) {
		size_t len = golden_read(version, stream, sizeof(stream)), again_len, third_len;
		struct rig *rig = drive_rig(), *other = drive_rig();
		uint64_t random = 5;
		uint8_t *again, *third;

		assert_true(len > 1000);
		rig_restore(rig, stream, len);
		again = rig_save(rig, &again_len);
		if (version == GABI_HV_STREAM_VERSION) {
			assert_int_equal(again_len, len);
			assert_memory_equal(again, stream, len);
		}
		rig_restore(other, again, again_len);
		third = rig_save(other, &third_len);
		assert_int_equal(third_len, again_len);
		assert_memory_equal(third, again, again_len);
		memcpy(other->ram, rig->ram, sizeof(rig->ram));
		for (unsigned step = 0; step < 500; step++) {
			uint64_t r = random_next(&random);

			assert_int_equal(drive(rig, r, 1000000 + step), drive(other, r, 1000000 + step));
		}
		free(again);
		free(third);
		rig_free(rig);
		rig_free(other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum__is_xxh64),
		cmocka_unit_test(save__at_every_step__is_the_same_as_not_saving),
		cmocka_unit_test(restore__damage_anywhere__is_refused_and_leaves_a_new_partition),
		cmocka_unit_test(restore__hostile_stream__never_breaks_the_engine),
		cmocka_unit_test(restore__value_that_no_guest_could_have_set__is_refused),
		cmocka_unit_test(restore__other_partition__is_refused_with_the_reason),
		cmocka_unit_test(resume__says_what_the_vmm_must_set_up),
		cmocka_unit_test(restore__before_a_return_that_waits_for_locks__it_still_waits),
		cmocka_unit_test(restore__at_another_tsc_frequency__time_goes_on),
		cmocka_unit_test(restore__golden_stream_of_each_version__is_read_for_ever),
	};

	return cmocka_run_group_tests_name("hv_save", tests, NULL, NULL);
}
