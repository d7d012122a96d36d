/* SPDX-License-Identifier: MIT */
/*
 * A bounded explorer: two virtual processors, two VTLs, every event from every state that can be reached, breadth first. A state
 * is the engine's own saved stream and the few facts that a VMM holds beside it. What must hold is checked on every edge.
 */
#include "hv_drive.h"

enum { VPS = 2, PAGE = 7, BUCKETS = 1 << 20, STATES_MAX = 60000 };

enum event {
	CALL,
	RETURN,
	RAISE_0,
	RAISE_1,
	TAKE,
	VINA_ON,
	LOCK_TLB,
	UNLOCK_TLB,
	FLUSH,
	PROTECT,
	UNPROTECT,
	WRITE_PAGE,
	LOWER_PROTECTS,
	LOWER_READS_HIGHER,
	EVENTS
};

static const char *const event_names[EVENTS] = {
	"call", "return", "raise 0", "raise 1", "take", "vina on", "lock", "unlock", "flush", "protect", "unprotect", "write",
	"lower protects", "lower reads higher",
};

/* What the VMM and its local APICs know. */
struct outside {
	uint8_t pending[VPS][2]; /* an interrupt waits in that local APIC */
	uint8_t held[VPS];       /* waits for a TLB lock */
};

struct state {
	uint8_t *stream;
	size_t len;
	struct outside outside;
	uint32_t next; /* in its bucket, plus 1 */
	uint32_t from;
	uint8_t event, vp;
};

static struct state *states;
static uint32_t *buckets, count, edges;

uint64_t gabi_hv_checksum(const uint8_t *at, size_t len);

/* True if it is new. */
static bool add(struct rig *rig, const struct outside *outside, uint32_t from, unsigned event, unsigned vp)
{
	size_t len;
	uint8_t *stream = rig_save(rig, &len);
	uint32_t bucket = (uint32_t)(gabi_hv_checksum(stream, len) ^ gabi_hv_checksum((const uint8_t *)outside, sizeof(*outside))) % BUCKETS;

	for (uint32_t i = buckets[bucket]; i; i = states[i - 1].next) {
		const struct state *known = &states[i - 1];

		if (known->len == len && !memcmp(known->stream, stream, len) && !memcmp(&known->outside, outside, sizeof(*outside))) {
			free(stream);
			return false;
		}
	}
	assert_true(count < STATES_MAX);
	states[count] = (struct state){ stream, len, *outside, buckets[bucket], from, (uint8_t)event, (uint8_t)vp };
	buckets[bucket] = ++count;
	return true;
}

static void complain(uint32_t at, unsigned event, unsigned vp, const char *what)
{
	fprintf(stderr, "broken: %s, after %s on %u", what, event_names[event], vp);
	for (; at; at = states[at].from)
		fprintf(stderr, " <- %s on %u", event_names[states[at].event], states[at].vp);
	fprintf(stderr, "\n");
	fail_msg("%s", what);
}

static int call(struct rig *rig, unsigned vp, uint64_t control)
{
	unsigned status;
	int done = rig_call_on(rig, vp, control, &status);

	return done == GABI_HV_DONE ? (int)status : -done - 100;
}

static int protect(struct rig *rig, unsigned vp, unsigned flags)
{
	memset(rig->ram + 0x1000, 0, 32);
	put(rig->ram + 0x1000, UINT64_MAX, 8);
	put(rig->ram + 0x1008, flags, 4);
	rig->ram[0x100c] = 0x10;
	put(rig->ram + 0x1010, PAGE, 8);
	return call(rig, vp, GABI_HV_CALL_ModifyVtlProtectionMask | REPS(1));
}

/* Does the event make sense here? A guest that does not run does nothing. */
static bool possible(const struct rig *rig, const struct outside *outside, unsigned event, unsigned vp)
{
	unsigned vtl = gabi_hv_active_vtl(rig->hv, vp);

	/* What concerns one processor alone need not be tried on both. */
	if (vp == 1 && (event == RAISE_0 || event == VINA_ON))
		return false;
	if (vp == 0 && (event == LOCK_TLB || event == UNLOCK_TLB))
		return false;
	if (event == RAISE_0 || event == RAISE_1)
		return !outside->pending[vp][event == RAISE_1];
	if (outside->held[vp])
		return false;
	switch (event) {
	case CALL: case WRITE_PAGE: case FLUSH: case LOWER_PROTECTS: case LOWER_READS_HIGHER: return vtl == 0;
	case TAKE: return outside->pending[vp][vtl];
	default: return vtl == 1;
	}
}

static void note(struct rig *rig, struct outside *outside)
{
	for (unsigned i = 0; i < rig->turn.count; i++) {
		const struct gabi_hv_act *act = &rig->turn.act[i];

		if (act->kind == GABI_HV_ACT_HOLD)
			outside->held[act->vp] = 1;
		else if (act->kind == GABI_HV_ACT_WAKE)
			for (unsigned vp = 0; vp < VPS; vp++)
				if (rig->turn.wake.valid & 1 && rig->turn.wake.bank[0] >> vp & 1)
					outside->held[vp] = 0;
	}
}

/* One event; what must hold of it by itself. NULL, or what is broken. */
static const char *step(struct rig *rig, struct outside *outside, unsigned event, unsigned vp)
{
	struct gabi_hv_fault fault = { .gpa = PAGE << 12, .access = GABI_HV_ACCESS_WRITE };
	unsigned before = gabi_hv_active_vtl(rig->hv, vp), prot = gabi_hv_protection(rig->hv, 0, PAGE), other, after;
	uint64_t value;
	int result;

	rig->turn.count = 0;
	switch (event) {
	case CALL:
		if (rig_vtl_call(rig, vp) != GABI_HV_DONE || gabi_hv_active_vtl(rig->hv, vp) != 1)
			return "a VTL call enters the next VTL";
		break;
	case RETURN:
		if (rig_vtl_return(rig, vp, 1) != GABI_HV_DONE)
			return "a VTL return is possible above VTL 0";
		if (gabi_hv_active_vtl(rig->hv, vp) != outside->pending[vp][1])
			return "a return stays only if no interrupt waits above";
		break;
	case RAISE_0:
	case RAISE_1:
		outside->pending[vp][event == RAISE_1] = 1;
		gabi_hv_interrupt(rig->hv, vp, event == RAISE_1, 1, &rig->turn);
		break;
	case TAKE:
		outside->pending[vp][before] = 0;
		gabi_hv_interrupt(rig->hv, vp, before, 0, &rig->turn);
		break;
	case VINA_ON:
		if (rig_set_reg(rig, vp, 0, GABI_HV_REG_VsmVina, 0x171 | 1 << 9))
			return "VINA can be set";
		break;
	case LOCK_TLB:
	case UNLOCK_TLB:
		if (rig_set_reg(rig, vp, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, event == LOCK_TLB ? 2 : 0))
			return "a TLB can be locked from above";
		break;
	case FLUSH:
		memset(rig->ram + 0x1000, 0, 24);
		put(rig->ram + 0x1008, 3, 8);
		result = call(rig, vp, GABI_HV_CALL_FlushVirtualAddressSpace);
		if (result == 0 && rig->turn.act[0].kind != GABI_HV_ACT_FLUSH)
			return "a flush that is done flushes";
		if (result != 0 && rig->turn.act[0].kind != GABI_HV_ACT_HOLD)
			return "a flush that is not done waits";
		break;
	case PROTECT:
	case UNPROTECT:
		if (protect(rig, vp, event == PROTECT ? 1 : 15))
			return "a higher VTL can protect";
		if (gabi_hv_protection(rig->hv, 0, PAGE) != (event == PROTECT ? 1 : 15))
			return "a protection holds at once, for all processors";
		break;
	case WRITE_PAGE:
		result = gabi_hv_memory_fault(rig->hv, vp, &fault, 0, &rig->turn);
		if ((result == GABI_HV_AGAIN) != !(prot & GABI_HV_WRITE) || gabi_hv_active_vtl(rig->hv, vp) != (result == GABI_HV_AGAIN))
			return "a forbidden access enters the VTL that forbids it, and no other does";
		if (result == GABI_HV_AGAIN && get(rig_page(rig, vp, 1, RIG_SIMP), 4) != (vp ? 0 : 0x80000001))
			return "an intercept brings its message";
		put(rig_page(rig, vp, 1, RIG_SIMP), 0, 4); /* the higher VTL takes it */
		break;
	case LOWER_PROTECTS:
		if (protect(rig, vp, 15) != GABI_HV_STATUS_ACCESS_DENIED || gabi_hv_protection(rig->hv, 0, PAGE) != prot)
			return "no protection changes by a lower VTL";
		break;
	case LOWER_READS_HIGHER:
		if (rig_get_reg(rig, vp, 0x11, GABI_HV_REG_Sint0, &value) != GABI_HV_STATUS_ACCESS_DENIED ||
		    rig_set_reg(rig, vp, 0x11, GABI_HV_REG_VsmVina, 0) != GABI_HV_STATUS_ACCESS_DENIED)
			return "a lower VTL never sees or sets a higher one's private state";
		gabi_hv_rdmsr(rig->hv, vp, GABI_HV_MSR_SIMP, 0, &value, &rig->turn);
		if (value)
			return "a lower VTL reads its own MSRs";
		rig->turn.count = 0;
		break;
	}
	note(rig, outside);
	other = 1 - vp;
	after = gabi_hv_active_vtl(rig->hv, vp);
	if (after == 0 && outside->pending[vp][1])
		return "no interrupt for a higher VTL waits while a lower one runs";
	if (after != before && event != CALL && event != RETURN && event != RAISE_1 && event != WRITE_PAGE)
		return "nothing else changes a processor's VTL";
	if (before == 1 && after == 0 && event != RETURN)
		return "a higher VTL leaves only by its own return";
	if (outside->held[other] && event == FLUSH && !outside->held[vp])
		return "a flush does not pass a lock that another waits for";
	return NULL;
}

static struct rig *start(void)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	config.vp_count = VPS;
	config.connections = 0;
	config.gpa_pages = 1u << 16;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 15 << 1 | 1 << 5), 0);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 1), 0);
	rig_vtl_return(rig, 0, 1);
	rig_vtl_return(rig, 1, 1);
	return rig;
}

static void every_event_from_every_state__keeps_what_must_hold(void **state)
{
	struct rig *rig = start();
	struct outside outside = { 0 };
	unsigned seen[EVENTS] = { 0 };

	(void)state;
	states = calloc(STATES_MAX, sizeof(*states));
	buckets = calloc(BUCKETS, sizeof(*buckets));
	assert_non_null(states);
	assert_non_null(buckets);
	add(rig, &outside, 0, CALL, 0);
	for (uint32_t at = 0; at < count; at++) {
		for (unsigned event = 0; event < EVENTS; event++) {
			for (unsigned vp = 0; vp < VPS; vp++) {
				const char *broken;

				rig_restore(rig, states[at].stream, states[at].len);
				outside = states[at].outside;
				if (!possible(rig, &outside, event, vp))
					continue;
				broken = step(rig, &outside, event, vp);
				if (broken)
					complain(at, event, vp, broken);
				edges++;
				seen[event]++;
				add(rig, &outside, at, event, vp);
			}
		}
	}
	for (unsigned event = 0; event < EVENTS; event++)
		assert_true(seen[event] > 0);
	print_message("explored %u states, %u edges\n", count, edges);
	assert_true(count > 500);
	for (uint32_t i = 0; i < count; i++)
		free(states[i].stream);
	free(states);
	free(buckets);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_from_every_state__keeps_what_must_hold),
	};

	return cmocka_run_group_tests_name("hv_explore", tests, NULL, NULL);
}
