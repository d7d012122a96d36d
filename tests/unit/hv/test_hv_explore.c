/* SPDX-License-Identifier: MIT */
/*
 * An explorer: two virtual processors, two or three VTLs, every event from every state that can be reached, breadth first; with three
 * as far as a bound, or with GABI_SOAK=1 to the end. A state is the engine's own saved stream and the few facts that a VMM and the guest
 * hold beside it. What must hold is checked on every edge.
 */
#include "hv_drive.h"

enum { VPS = 2, VTLS = 3, PAGE = 7, BUCKETS = 1 << 20, STATES_MAX = 1000000, BOUND = 30000 };

enum event {
	CALL,
	RETURN,
	RAISE_0,
	RAISE_1,
	RAISE_2,
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
	"call", "return", "raise 0", "raise 1", "raise 2", "take", "vina on", "lock", "unlock", "flush", "protect", "unprotect", "write",
	"lower protects", "lower reads higher",
};

/* What the VMM and its local APICs know, and what each VTL has asked for. */
struct outside {
	uint8_t pending[VPS][VTLS]; /* an interrupt waits in that local APIC */
	uint8_t held[VPS];          /* waits for a TLB lock */
	uint8_t locked[VPS];        /* VTLs that have VTL 0's TLB locked there */
	uint8_t vina[VTLS];         /* on for virtual processor 0 */
	uint8_t prot[VTLS];         /* what each VTL lets lower ones do with the page */
};

struct state {
	uint8_t *packed;
	size_t packed_len, len;
	struct outside outside;
	uint32_t next; /* in its bucket, plus 1 */
	uint32_t from;
	uint8_t event, vp;
};

static struct state *states;
static uint32_t *buckets, count, edges, bound;
static unsigned vtls;

uint64_t gabi_hv_checksum(const uint8_t *at, size_t len);

/* Most of a stream is zeros: their number, the number of bytes that follow, and those, again and again. */
static uint8_t *pack(const uint8_t *stream, size_t len, size_t *ret_len)
{
	uint8_t *packed = malloc(len * 2 + 8);
	size_t at = 0, to = 0;

	assert_non_null(packed);
	while (at < len) {
		size_t zeros = at, bytes;

		while (at < len && !stream[at])
			at++;
		zeros = at - zeros;
		bytes = at;
		while (at < len && (stream[at] || (at + 8 < len && stream[at + 1])))
			at++;
		put(packed + to, zeros, 3);
		put(packed + to + 3, at - bytes, 3);
		memcpy(packed + to + 6, stream + bytes, at - bytes);
		to += 6 + at - bytes;
	}
	*ret_len = to;
	return realloc(packed, to);
}

static uint8_t *unpack(const struct state *state)
{
	uint8_t *stream = calloc(1, state->len);
	size_t at = 0;

	assert_non_null(stream);
	for (size_t from = 0; from < state->packed_len;) {
		size_t bytes = (size_t)get(state->packed + from + 3, 3);

		at += (size_t)get(state->packed + from, 3);
		memcpy(stream + at, state->packed + from + 6, bytes);
		at += bytes;
		from += 6 + bytes;
	}
	return stream;
}

/* Adds it if it is new and there is room. */
static void add(struct rig *rig, const struct outside *outside, uint32_t from, unsigned event, unsigned vp)
{
	size_t len, packed_len;
	uint8_t *stream = rig_save(rig, &len), *packed;
	uint32_t bucket = (uint32_t)(gabi_hv_checksum(stream, len) ^ gabi_hv_checksum((const uint8_t *)outside, sizeof(*outside))) % BUCKETS;

	packed = pack(stream, len, &packed_len);
	free(stream);
	for (uint32_t i = buckets[bucket]; i; i = states[i - 1].next) {
		const struct state *known = &states[i - 1];

		if (known->packed_len == packed_len && !memcmp(known->packed, packed, packed_len) &&
		    !memcmp(&known->outside, outside, sizeof(*outside))) {
			free(packed);
			return;
		}
	}
	if (count == bound) {
		free(packed);
		return;
	}
	states[count] = (struct state){ packed, packed_len, len, *outside, buckets[bucket], from, (uint8_t)event, (uint8_t)vp };
	buckets[bucket] = ++count;
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
	rig->ram[0x100c] = 0; /* all lower VTLs */
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
	if (event >= RAISE_0 && event <= RAISE_2)
		return event - RAISE_0 < vtls && !outside->pending[vp][event - RAISE_0];
	if (outside->held[vp])
		return false;
	switch (event) {
	case CALL: return vtl + 1 < vtls;
	case WRITE_PAGE: case LOWER_READS_HIGHER: return vtl + 1 < vtls;
	case FLUSH: case LOWER_PROTECTS: return vtl == 0;
	case TAKE: return outside->pending[vp][vtl];
	default: return vtl > 0;
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

/* What all VTLs above that one together let it do with the page. */
static unsigned allowed(const struct outside *outside, unsigned vtl)
{
	unsigned prot = GABI_HV_ALL_ACCESS;

	for (unsigned above = vtl + 1; above < vtls; above++)
		prot &= outside->prot[above];
	return prot;
}

/* The lowest VTL above that forbids a write; 0 if none does. */
static unsigned forbidder(const struct outside *outside, unsigned vtl)
{
	for (unsigned above = vtl + 1; above < vtls; above++)
		if (!(outside->prot[above] & GABI_HV_WRITE))
			return above;
	return 0;
}

static uint64_t source_3(struct rig *rig, unsigned vp)
{
	uint64_t value = 0;

	gabi_hv_rdmsr(rig->hv, vp, GABI_HV_MSR_SINT0 + 3, 0, &value, &rig->turn);
	rig->turn.count = 0;
	return value;
}

/* What each VTL of each processor wrote into its source 3 at the start, and must find there. */
static uint64_t private_value(unsigned vp, unsigned vtl)
{
	return 0x50 + vp * 8 + vtl;
}

/* The highest VTL above that has an interrupt, or the VTL itself. */
static unsigned called_up(const struct outside *outside, unsigned vp, unsigned vtl)
{
	unsigned highest = vtl;

	for (unsigned above = vtl + 1; above < vtls; above++)
		if (outside->pending[vp][above])
			highest = above;
	return highest;
}

/*
 * With two VTLs processor 1 takes no messages, and its queues fill. With three it does, and empties the slot at once as processor 0 does: states
 * that differ in what waits in queues of 16 would be millions, and the queues are the same.
 */
static bool takes_messages(unsigned vp)
{
	return vp == 0 || vtls > 2;
}

/* One event; what must hold of it by itself. NULL, or what is broken. */
static const char *act_on(struct rig *rig, struct outside *outside, unsigned event, unsigned vp)
{
	struct gabi_hv_fault fault = { .gpa = PAGE << 12, .access = GABI_HV_ACCESS_WRITE };
	unsigned before = gabi_hv_active_vtl(rig->hv, vp), by;
	uint64_t value, noted;
	int result;

	rig->turn.count = 0;
	switch (event) {
	case CALL:
		if (rig_vtl_call(rig, vp) != GABI_HV_DONE || gabi_hv_active_vtl(rig->hv, vp) != before + 1)
			return "a VTL call enters the next VTL";
		break;
	case RETURN:
		if (rig_vtl_return(rig, vp, 1) != GABI_HV_DONE)
			return "a VTL return is possible above VTL 0";
		outside->locked[vp] &= (uint8_t)~(1u << before);
		if (gabi_hv_active_vtl(rig->hv, vp) != called_up(outside, vp, before - 1))
			return "a return stays only if no interrupt waits above";
		break;
	case RAISE_0:
	case RAISE_1:
	case RAISE_2:
		outside->pending[vp][event - RAISE_0] = 1;
		noted = get(rig_page(rig, vp, before, RIG_ASSIST) + 12, 4) & 1;
		gabi_hv_interrupt(rig->hv, vp, event - RAISE_0, 1, &rig->turn);
		if (event - RAISE_0 < before && vp == 0 && (rig->turn.count == 1) != (outside->vina[before] && !noted))
			return "a VTL that asked for it is told once of an interrupt for a lower one";
		if (gabi_hv_active_vtl(rig->hv, vp) != (event - RAISE_0 > before ? called_up(outside, vp, before) : before))
			return "an interrupt enters its VTL if that is above, and no other";
		break;
	case TAKE:
		outside->pending[vp][before] = 0;
		gabi_hv_interrupt(rig->hv, vp, before, 0, &rig->turn);
		break;
	case VINA_ON:
		if (rig_set_reg(rig, vp, 0, GABI_HV_REG_VsmVina, 0x171 | 1 << 9))
			return "VINA can be set";
		outside->vina[before] = 1;
		break;
	case LOCK_TLB:
	case UNLOCK_TLB:
		if (rig_set_reg(rig, vp, 0, GABI_HV_REG_VsmVpSecureConfigVtl0, event == LOCK_TLB ? 2 : 0))
			return "a TLB can be locked from above";
		outside->locked[vp] = (uint8_t)((outside->locked[vp] & ~(1u << before)) | (event == LOCK_TLB) << before);
		break;
	case FLUSH:
		memset(rig->ram + 0x1000, 0, 24);
		put(rig->ram + 0x1008, 3, 8);
		result = call(rig, vp, GABI_HV_CALL_FlushVirtualAddressSpace);
		if ((result != 0) != (outside->locked[0] || outside->locked[1]))
			return "a flush waits for locks, and for nothing else";
		if (rig->turn.act[0].kind != (result ? GABI_HV_ACT_HOLD : GABI_HV_ACT_FLUSH))
			return "a flush flushes, or holds its processor";
		break;
	case PROTECT:
	case UNPROTECT:
		if (protect(rig, vp, event == PROTECT ? 1 : 15))
			return "a higher VTL can protect";
		outside->prot[before] = event == PROTECT ? 1 : 15;
		break;
	case WRITE_PAGE:
		by = forbidder(outside, before);
		result = gabi_hv_memory_fault(rig->hv, vp, &fault, 0, &rig->turn);
		if ((result == GABI_HV_AGAIN) != (by != 0) || gabi_hv_active_vtl(rig->hv, vp) != (by ? by : before))
			return "a forbidden access enters the lowest VTL that forbids it, and no other does";
		if (by && get(rig_page(rig, vp, by, RIG_SIMP), 4) != (takes_messages(vp) ? 0x80000001 : 0))
			return "an intercept brings its message";
		if (by)
			put(rig_page(rig, vp, by, RIG_SIMP), 0, 4); /* the higher VTL takes it */
		break;
	case LOWER_PROTECTS:
		if (protect(rig, vp, 15) != GABI_HV_STATUS_ACCESS_DENIED)
			return "no protection changes by a lower VTL";
		break;
	case LOWER_READS_HIGHER:
		if (rig_get_reg(rig, vp, 0x11 + before, GABI_HV_REG_Sint3, &value) != GABI_HV_STATUS_ACCESS_DENIED ||
		    rig_set_reg(rig, vp, 0x11 + before, GABI_HV_REG_VsmVina, 0) != GABI_HV_STATUS_ACCESS_DENIED)
			return "a lower VTL never sees or sets a higher one's private state";
		rig->turn.count = 0;
		break;
	}
	return NULL;
}

enum { ENTRY_REASON = 8, VINA_STATUS = 12, REASON_CALL = 1, REASON_INTERRUPT = 2, REASON_INTERCEPT = 3 };

static bool waits_below(const struct outside *outside, unsigned vp, unsigned vtl)
{
	for (unsigned below = 0; below < vtl; below++)
		if (outside->pending[vp][below])
			return true;
	return false;
}

/* What a VTL that was entered finds in its assist page: HV_VTL_ENTRY_REASON, and VINA set back and asserted anew. Then the reason is
 * taken away: the engine never reads it, so states that differ in what reasons were left behind are one. */
static bool entry_is_told(struct rig *rig, const struct outside *outside, unsigned event, unsigned before)
{
	unsigned after = gabi_hv_active_vtl(rig->hv, 0), from = event == RETURN ? before - 1 : before;
	unsigned reason = event == CALL ? REASON_CALL : event == WRITE_PAGE ? REASON_INTERCEPT : REASON_INTERRUPT;
	uint8_t *page = rig_page(rig, 0, after, RIG_ASSIST);
	bool entered = after > from, right = get(page + ENTRY_REASON, 4) == (entered ? reason : 0);

	if (entered && (get(page + VINA_STATUS, 4) & 1) != (outside->vina[after] && waits_below(outside, 0, after)))
		right = false;
	put(page + ENTRY_REASON, 0, 4);
	return right;
}

/* What must hold after any event. */
static const char *check(struct rig *rig, const struct outside *outside, unsigned event, unsigned vp, unsigned before)
{
	unsigned after = gabi_hv_active_vtl(rig->hv, vp);

	for (unsigned vtl = 0; vtl < vtls; vtl++)
		if (gabi_hv_protection(rig->hv, vtl, PAGE) != allowed(outside, vtl))
			return "a page has the rights that all higher VTLs leave it, at once and for all processors";
	for (unsigned i = 0; i < VPS; i++)
		if (source_3(rig, i) != private_value(i, gabi_hv_active_vtl(rig->hv, i)))
			return "a VTL finds its private state as it left it, and none but its own";
	if (called_up(outside, vp, after) != after)
		return "no interrupt for a higher VTL waits while a lower one runs";
	if (after != before && event != CALL && event != RETURN && event != WRITE_PAGE && (event < RAISE_1 || event > RAISE_2))
		return "nothing else changes a processor's VTL";
	if (!vp && !entry_is_told(rig, outside, event, before)) /* who has assist pages */
		return "a VTL finds why it was entered, and whether an interrupt waits below";
	if (after < before && event != RETURN)
		return "a higher VTL leaves only by its own return";
	if (outside->held[0] + outside->held[1] > 0 && !outside->locked[0] && !outside->locked[1])
		return "who waits for a lock is woken when it goes";
	return NULL;
}

static const char *step(struct rig *rig, struct outside *outside, unsigned event, unsigned vp)
{
	unsigned before = gabi_hv_active_vtl(rig->hv, vp);
	const char *broken = act_on(rig, outside, event, vp);

	if (broken)
		return broken;
	note(rig, outside);
	return check(rig, outside, event, vp, before);
}

static void set_up_messages(struct rig *rig, unsigned vp)
{
	gabi_hv_wrmsr(rig->hv, vp, GABI_HV_MSR_SCONTROL, 1, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, vp, GABI_HV_MSR_SIMP, (0x41 + 2 * vp) << 12 | 1, 0, &rig->turn);
	gabi_hv_wrmsr(rig->hv, vp, GABI_HV_MSR_SINT0, 0x41, 0, &rig->turn);
}

/* One VTL above the first on both processors, from the one below it, which virtual processor 0 is in. It protects pages. */
static void add_vtl(struct rig *rig, unsigned vtl)
{
	assert_int_equal(rig_enable_partition(rig, vtl, 0), 0);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 0, vtl), 0);
	assert_int_equal(rig_vtl_call(rig, 0), GABI_HV_DONE);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_GUEST_OS_ID, 0x1040 + vtl, 0, &rig->turn);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_EnableVpVtl, 1, vtl), 0);
	set_up_messages(rig, 0);
	gabi_hv_wrmsr(rig->hv, 0, GABI_HV_MSR_VP_ASSIST_PAGE, 0x42001, 0, &rig->turn);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 15 << 1 | 1 << 5), 0);
}

static struct rig *start(void)
{
	struct gabi_hv_config config = rig_config();
	struct rig *rig;

	config.vp_count = VPS;
	config.vtl_count = vtls;
	config.connections = 0;
	config.gpa_pages = 1u << 16;
	rig = rig_secure_with(&config);
	assert_int_equal(rig_set_reg(rig, 0, 0, GABI_HV_REG_VsmPartitionConfig, 1 | 15 << 1 | 1 << 5), 0);
	if (vtls > 2)
		add_vtl(rig, 2);
	assert_int_equal(rig_target(rig, GABI_HV_CALL_StartVirtualProcessor, 1, 0), 0);
	for (unsigned vp = 0; vp < VPS; vp++) {
		while (gabi_hv_active_vtl(rig->hv, vp) + 1 < vtls)
			assert_int_equal(rig_vtl_call(rig, vp), GABI_HV_DONE);
		for (unsigned vtl = vtls; vtl-- > 0;) {
			gabi_hv_wrmsr(rig->hv, vp, GABI_HV_MSR_SINT0 + 3, private_value(vp, vtl), 0, &rig->turn);
			if (vp && vtl && takes_messages(vp))
				set_up_messages(rig, vp);
			if (vtl)
				assert_int_equal(rig_vtl_return(rig, vp, 1), GABI_HV_DONE);
		}
	}
	for (unsigned vtl = 1; vtl < vtls; vtl++)
		put(rig_page(rig, 0, vtl, RIG_ASSIST) + ENTRY_REASON, 0, 4);
	return rig;
}

static void explore(unsigned levels, uint32_t most)
{
	struct outside outside = { .prot = { 15, 15, 15 } };
	unsigned seen[EVENTS] = { 0 };
	struct rig *rig;

	vtls = levels;
	bound = most;
	count = edges = 0;
	rig = start();
	states = calloc(bound, sizeof(*states)); /* of which the system gives what is used */
	buckets = calloc(BUCKETS, sizeof(*buckets));
	assert_non_null(states);
	assert_non_null(buckets);
	add(rig, &outside, 0, CALL, 0);
	for (uint32_t at = 0; at < count; at++) {
		uint8_t *stream = unpack(&states[at]);
		bool todo[EVENTS * VPS];

		rig_restore(rig, stream, states[at].len);
		for (unsigned edge = 0; edge < EVENTS * VPS; edge++)
			todo[edge] = possible(rig, &states[at].outside, edge / VPS, edge % VPS);
		for (unsigned edge = 0; edge < EVENTS * VPS; edge++) {
			unsigned event = edge / VPS, vp = edge % VPS;
			const char *broken;

			if (!todo[edge])
				continue;
			rig_restore(rig, stream, states[at].len);
			outside = states[at].outside;
			broken = step(rig, &outside, event, vp);
			if (broken)
				complain(at, event, vp, broken);
			edges++;
			seen[event]++;
			add(rig, &outside, at, event, vp);
		}
		free(stream);
	}
	for (unsigned event = 0; event < EVENTS; event++)
		assert_true(seen[event] > 0 || (event == RAISE_2 && vtls < 3));
	print_message("%u VTLs: explored %u states%s, %u edges\n", vtls, count, count == bound ? " and no more, by the bound (GABI_SOAK=1: all)" : ", all there are",
		      edges);
	assert_true(count > 500);
	for (uint32_t i = 0; i < count; i++)
		free(states[i].packed);
	free(states);
	free(buckets);
	rig_free(rig);
}

static void two_vtls__every_event_from_every_state__keeps_what_must_hold(void **state)
{
	(void)state;
	explore(2, STATES_MAX);
	assert_true(count < STATES_MAX);
}

static void three_vtls__every_event_from_states_up_to_a_bound_or_from_all__keeps_what_must_hold(void **state)
{
	bool all = getenv("GABI_SOAK") != NULL;

	(void)state;
	explore(3, all ? STATES_MAX : BOUND);
	assert_true(all ? count < STATES_MAX : count == BOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_vtls__every_event_from_every_state__keeps_what_must_hold),
		cmocka_unit_test(three_vtls__every_event_from_states_up_to_a_bound_or_from_all__keeps_what_must_hold),
	};

	return cmocka_run_group_tests_name("hv_explore", tests, NULL, NULL);
}
