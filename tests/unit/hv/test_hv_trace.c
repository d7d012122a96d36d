/* SPDX-License-Identifier: MIT */
/* Recording a guest that does anything, and carrying the record out again: straight, moved at every step, damaged. */
#include "hv_drive.h"

#include <gabi/hv_trace.h>

struct tape {
	uint8_t *at;
	size_t len, cap, limit;
	int inside, deepest;
};

static int tape_write(void *ctx, const void *bytes, size_t len)
{
	struct tape *tape = ctx;

	if (tape->limit && tape->len + len > tape->limit)
		return -1;
	while (tape->len + len > tape->cap) {
		tape->cap = tape->cap ? tape->cap * 2 : 4096;
		tape->at = realloc(tape->at, tape->cap);
		assert_non_null(tape->at);
	}
	memcpy(tape->at + tape->len, bytes, len);
	tape->len += len;
	return 0;
}

static void tape_enter(void *ctx)
{
	struct tape *tape = ctx;

	if (++tape->inside > tape->deepest)
		tape->deepest = tape->inside;
}

static void tape_leave(void *ctx)
{
	((struct tape *)ctx)->inside--;
}

static void record(struct rig *rig, struct tape *tape)
{
	struct gabi_hv_sink sink = { tape_write, tape_enter, tape_leave, tape };
	struct gabi_diag diag;
	size_t len;
	uint8_t *scratch;

	gabi_hv_save(rig->hv, NULL, 0, &len);
	scratch = malloc(len);
	assert_int_equal(gabi_hv_record(rig->hv, &sink, scratch, len - 1, &diag), GABI_ERR_LIMIT);
	assert_int_equal(gabi_hv_record(rig->hv, &sink, scratch, len, &diag), 0);
	assert_int_equal(gabi_hv_record(rig->hv, &sink, scratch, len, &diag), GABI_ERR_CONFLICT);
	free(scratch);
}

enum { STEPS = 4000 };

/* The guest also writes its pages by itself, which the engine sees without being called. */
static void write_pages(struct rig *rig, uint64_t r)
{
	unsigned vtl = (unsigned)(r >> 9) % rig->config.vtl_count;

	put(rig_page(rig, r >> 8 & 1, vtl, (r >> 10) % 3) + ((r >> 12) % 16) * 256 + (r >> 16 & 1) * 4, r >> 20 & 1 ? 0 : r >> 32, 4);
	put(rig_page(rig, r >> 8 & 1, vtl, RIG_ASSIST) + 16, r >> 24, 8);
}

static struct tape recorded(unsigned vtls, uint64_t seed, uint32_t rep_limit)
{
	struct gabi_hv_config config = drive_config();
	struct tape tape = { 0 };
	uint64_t random = seed, now = 1000;
	struct rig *rig;

	config.vtl_count = vtls;
	config.rep_limit = rep_limit;
	rig = drive_rig_with(&config);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t r = random_next(&random);

		if (step == 300)
			record(rig, &tape); /* a trace may start anywhere */
		if (r >> 57 & 1)
			write_pages(rig, random_next(&random));
		drive(rig, r, now += r >> 50 & 255);
	}
	assert_int_equal(gabi_hv_reset(rig->hv, &rig->turn), 0);
	assert_int_equal(gabi_hv_accepts_init(rig->hv, 1, 0), 1);
	assert_int_equal(gabi_hv_set_reference_tsc(rig->hv, 1000000, -5, 1), 0);
	assert_int_equal(gabi_hv_disconnect(rig->hv, 7), 0);
	assert_int_equal(gabi_hv_resume(rig->hv, 0, 0, &rig->turn), 0);
	assert_int_equal(gabi_hv_record_end(rig->hv), 0);
	assert_int_equal(gabi_hv_record_end(rig->hv), 0); /* nothing more to end */
	assert_int_equal(tape.inside, 0);
	assert_int_equal(tape.deepest, 1);
	rig_free(rig);
	return tape;
}

/* Replays, with a save and a restore before each call that is a multiple of `every`. The calls that came out the same. */
static uint64_t replay(const uint8_t *trace, size_t len, unsigned every, int *ret_result, struct gabi_diag *diag)
{
	struct gabi_hv_replay *player;
	struct gabi_hv_step step;
	uint64_t calls = 0;

	*ret_result = gabi_hv_replay_new(trace, len, NULL, &player, diag);
	if (*ret_result)
		return 0;
	do {
		if (every && calls % every == 0)
			assert_int_equal(gabi_hv_replay_move(player, diag), 0);
		*ret_result = gabi_hv_replay_step(player, &step, diag);
		calls += *ret_result > 0;
		assert_true(*ret_result <= 0 || step.number == calls);
	} while (*ret_result > 0);
	if (!*ret_result)
		assert_int_equal(gabi_hv_replay_step(player, &step, diag), 0); /* it stays at its end */
	gabi_hv_replay_free(player);
	return calls;
}

static void replay__straight_and_moved_at_every_call__comes_out_the_same(void **state)
{
	(void)state;
	for (unsigned vtls = 1; vtls <= 3; vtls++) {
		for (unsigned every = 0; every <= 1; every++) {
			struct tape tape = recorded(vtls, 77 + vtls, vtls == 2 ? 2 : 0);
			struct gabi_diag diag = { 0 };
			int result;
			uint64_t calls = replay(tape.at, tape.len, every, &result, &diag);

			if (result)
				fail_msg("%u levels, moved %u: %s", vtls, every, diag.text);
			assert_int_equal(calls, STEPS - 300 + 5);
			if (vtls == 2)
				print_message("%zu bytes a call with what the guest wrote\n", tape.len / (size_t)calls);
			free(tape.at);
		}
	}
}

/* What is not the same must be seen: another answer of the guest's, another result. */
static void replay__anything_changed__is_seen(void **state)
{
	struct tape tape = recorded(2, 5, 0);
	struct gabi_diag diag;
	unsigned differs = 0, damaged = 0, same = 0;
	int result;

	(void)state;
	for (size_t at = tape.len - 6000; at < tape.len; at += 7) {
		tape.at[at] ^= 1 << at % 8;
		replay(tape.at, tape.len, 0, &result, &diag);
		differs += result == GABI_ERR_CONFLICT;
		damaged += result == GABI_ERR_SYNTAX;
		same += result == 0;
		tape.at[at] ^= 1 << at % 8;
	}
	assert_true(differs > 200);
	assert_true(damaged > 20);
	assert_int_equal(same, 0);
	free(tape.at);
}

static void replay__cut_anywhere__says_where_and_has_done_what_came_before(void **state)
{
	struct tape tape = recorded(2, 6, 0);
	struct gabi_diag diag;
	uint64_t last = 0;
	int result;

	(void)state;
	for (size_t len = 0; len < tape.len; len += 1 + len / 40) {
		uint64_t calls = replay(tape.at, len, 0, &result, &diag);

		assert_true(result == GABI_ERR_SYNTAX);
		assert_true(calls >= last);
		last = calls;
	}
	assert_true(last > 100);
	assert_non_null(strstr(diag.text, "cut off in its call"));
	tape.at[4] = 2;
	replay(tape.at, tape.len, 0, &result, &diag);
	assert_int_equal(result, GABI_ERR_VERSION);
	tape.at[0] = 'x';
	replay(tape.at, tape.len, 0, &result, &diag);
	assert_int_equal(result, GABI_ERR_SYNTAX);
	free(tape.at);
}

static void replay__bytes_behind_the_end__are_refused(void **state)
{
	struct tape tape = recorded(1, 8, 0);
	struct gabi_diag diag;
	int result;

	(void)state;
	tape_write(&tape, "", 1);
	replay(tape.at, tape.len, 0, &result, &diag);
	assert_int_equal(result, GABI_ERR_SYNTAX);
	free(tape.at);
}

/* A head that asks for more than the reader's memory is refused, and nothing stays behind. */
static void *tight_resize(void *ctx, void *ptr, size_t len)
{
	size_t *left = ctx;

	if (!len) {
		free(ptr);
		return NULL;
	}
	if (!*left)
		return NULL;
	--*left;
	return realloc(ptr, len);
}

static void replay__memory_short_at_any_allocation__is_refused(void **state)
{
	struct tape tape = recorded(2, 9, 0);
	int result = GABI_ERR_NOMEM;

	(void)state;
	for (size_t allowed = 0; result; allowed++) {
		size_t left = allowed;
		struct gabi_mem mem = { tight_resize, &left };
		struct gabi_hv_replay *player;

		result = gabi_hv_replay_new(tape.at, tape.len, &mem, &player, NULL);
		if (result)
			assert_true(result == GABI_ERR_NOMEM || result == GABI_ERR_RANGE);
		else
			gabi_hv_replay_free(player);
		assert_true(allowed < 100);
	}
	free(tape.at);
}

static void record__sink_that_is_full__ends_the_trace_and_not_the_guest(void **state)
{
	struct rig *rig = drive_rig();
	struct tape tape = { .limit = 40000 };
	uint64_t random = 3;
	struct gabi_diag diag;
	int result;

	(void)state;
	record(rig, &tape);
	for (unsigned step = 0; step < STEPS; step++)
		drive(rig, random_next(&random), step);
	assert_int_equal(gabi_hv_record_end(rig->hv), GABI_ERR_IO);
	assert_true(replay(tape.at, tape.len, 0, &result, &diag) > 50);
	assert_int_equal(result, GABI_ERR_SYNTAX);
	free(tape.at);
	rig_free(rig);
}

static void record__restore_half_way__is_in_the_trace(void **state)
{
	struct rig *rig = drive_rig(), *other = drive_rig();
	struct tape tape = { 0 };
	uint64_t random = 21, calls;
	struct gabi_diag diag;
	uint8_t *stream;
	size_t len;
	int result;

	(void)state;
	for (unsigned step = 0; step < 500; step++)
		drive(other, random_next(&random), step * 10);
	stream = rig_save(other, &len);
	record(rig, &tape);
	for (unsigned step = 0; step < 400; step++) {
		if (step == 200)
			rig_restore(rig, stream, len);
		drive(rig, random_next(&random), 5000 + step * 10);
	}
	assert_int_equal(gabi_hv_record_end(rig->hv), 0);
	calls = replay(tape.at, tape.len, 1, &result, &diag);
	assert_int_equal(result, 0);
	assert_int_equal(calls, 401);
	free(tape.at);
	free(stream);
	rig_free(rig);
	rig_free(other);
}

/* ---- words ---- */

static void words__of_calls_and_actions__name_what_happened(void **state)
{
	struct rig *rig = drive_rig();
	struct gabi_hv_replay *player;
	struct gabi_hv_step step;
	struct tape tape = { 0 };
	char text[256];

	(void)state;
	record(rig, &tape);
	gabi_hv_wrmsr(rig->hv, 1, GABI_HV_MSR_SIMP, 0x31001, 500, &rig->turn);
	rig_enable_partition(rig, 1, 0);
	assert_int_equal(gabi_hv_record_end(rig->hv), 0);
	assert_int_equal(gabi_hv_replay_new(tape.at, tape.len, NULL, &player, NULL), 0);
	assert_int_equal(gabi_hv_replay_step(player, &step, NULL), 1);
	assert_int_equal(step.vp, 1);
	assert_int_equal(step.now_100ns, 500);
	gabi_hv_step_what(&step, text, sizeof(text));
	assert_string_equal(text, "wrmsr HV_X64_MSR_SIMP msr 0x40000083 value 0x31001");
	gabi_hv_step_result(&step, text, sizeof(text));
	assert_string_equal(text, "done");
	assert_int_equal(step.turn->count, 1);
	gabi_hv_act_what(step.turn, step.turn->act, text, sizeof(text));
	assert_string_equal(text, "overlay vtl 0 vp 0-1 gpa 0x31000 page 0x6 prot 0x3");
	assert_int_equal(gabi_hv_replay_step(player, &step, NULL), 1);
	gabi_hv_step_what(&step, text, sizeof(text));
	assert_string_equal(text, "hypercall HvCallEnablePartitionVtl code 0xd input at 0x1000 output at 0x2000");
	gabi_hv_step_result(&step, text, sizeof(text));
	assert_string_equal(text, "HV_STATUS_SUCCESS");
	assert_int_equal(gabi_hv_replay_step(player, &step, NULL), 0);
	gabi_hv_change_what(&(struct gabi_hv_change){ 7, 3, 0, 5 }, text, sizeof(text));
	assert_string_equal(text, "protect vtl 0 pages 0x7 to 0x9 r-k-");
	gabi_hv_replay_free(player);
	free(tape.at);
	rig_free(rig);
}

/* A guest that comes to an end of its own: VTL 1 is enabled, entered, protects a page, and is told of a write to it. */
static void story(struct rig *rig)
{
	struct gabi_hv_fault fault = { .gpa = 0x7123, .gva = 0xffff800000007123, .access = GABI_HV_ACCESS_WRITE, .gva_valid = 1 };
	unsigned status;

	rig_enable_partition(rig, 1, 0);
	rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, 1);
	rig_vtl_call(rig, 0);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x1040, 1000, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_VP_ASSIST_PAGE, 0x30001, 1100, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SCONTROL, 1, 1200, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SIMP, 0x31001, 1300, &rig->turn);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_SINT0, 0x40, 1400, &rig->turn);
	rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 15 << 1 | 1 << 5);
	memset(rig->ram + 0x1000, 0, 64);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, 5, 4);
	rig->ram[0x100c] = 0x10;
	put(rig->ram + 0x1010, 7, 8);
	put(rig->ram + 0x1018, 8, 8);
	rig_call_on(rig, 0, GABI_HV_CALL_ModifyVtlProtectionMask | REPS(2), &status);
	put(rig_page(rig, 0, 1, RIG_ASSIST) + 16, 0x1111, 8); /* RAX for the return */
	rig_vtl_return(rig, 0, 0);
	gabi_hv_memory_fault(rig->hv, 0, &fault, 2000, &rig->turn);
	gabi_hv_interrupt(rig->hv, 0, 0, 1, &rig->turn);
	gabi_hv_rdmsr(rig->hv, 0, GABI_HV_MSR_VP_INDEX, 2100, &(uint64_t){ 0 }, &rig->turn);
	gabi_hv_post(rig->hv, 0, 1, 0, 5, "12345678", 8, 2200, &rig->turn); /* waits: the slot is full */
	rig_call_on(rig, 0, 0xff, &status);
}

/* Every trace version that ever was is kept. GABI_HV_GOLDEN in the environment makes this version's. */
static void write_golden(const char *path, unsigned steps)
{
	struct rig *rig = drive_rig();
	struct tape tape = { 0 };
	uint64_t random = 42;
	FILE *file = fopen(path, "wb");

	record(rig, &tape);
	story(rig);
	for (unsigned step = 0; step < steps; step++)
		drive(rig, random_next(&random), 3000 + step * 50);
	assert_int_equal(gabi_hv_record_end(rig->hv), 0);
	assert_non_null(file);
	assert_int_equal(fwrite(tape.at, 1, tape.len, file), tape.len);
	fclose(file);
	free(tape.at);
	rig_free(rig);
}

static void replay__golden_traces__come_out_the_same(void **state)
{
	static const struct {
		const char *path;
		unsigned steps;
	} golden[] = { { GOLDEN "/trace-1.bin", 500 }, { GOLDEN "/story-1.bin", 0 } };
	static uint8_t trace[1 << 20];

	(void)state;
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		struct gabi_diag diag;
		uint64_t calls;
		size_t len;
		FILE *file;
		int result;

		if (getenv("GABI_HV_GOLDEN"))
			write_golden(golden[i].path, golden[i].steps);
		file = fopen(golden[i].path, "rb");
		assert_non_null(file);
		len = fread(trace, 1, sizeof(trace), file);
		fclose(file);
		calls = replay(trace, len, 1, &result, &diag);
		if (result)
			fail_msg("%s: %s", golden[i].path, diag.text);
		assert_int_equal(calls, 16 + golden[i].steps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replay__straight_and_moved_at_every_call__comes_out_the_same),
		cmocka_unit_test(replay__anything_changed__is_seen),
		cmocka_unit_test(replay__cut_anywhere__says_where_and_has_done_what_came_before),
		cmocka_unit_test(replay__bytes_behind_the_end__are_refused),
		cmocka_unit_test(replay__memory_short_at_any_allocation__is_refused),
		cmocka_unit_test(record__sink_that_is_full__ends_the_trace_and_not_the_guest),
		cmocka_unit_test(record__restore_half_way__is_in_the_trace),
		cmocka_unit_test(words__of_calls_and_actions__name_what_happened),
		cmocka_unit_test(replay__golden_traces__come_out_the_same),
	};

	return cmocka_run_group_tests_name("hv_trace", tests, NULL, NULL);
}
