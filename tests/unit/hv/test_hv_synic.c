/* SPDX-License-Identifier: MIT */
/* Messages, events, connections and timers. */
#include "hv_rig.h"

enum { SINT = 2, VECTOR = 0x50, MASKED = 1 << 16, AUTO_EOI = 1 << 17, POLLING = 1 << 18 };

static void wrmsr(struct rig *rig, unsigned vp, uint32_t msr, uint64_t value, uint64_t now)
{
	assert_int_equal(gabi_hv_wrmsr(rig->hv, vp, msr, value, now, &rig->turn), GABI_HV_DONE);
}

static uint64_t rdmsr(struct rig *rig, uint32_t msr)
{
	uint64_t value;

	assert_int_equal(gabi_hv_rdmsr(rig->hv, 0, msr, 0, &value, &rig->turn), GABI_HV_DONE);
	return value;
}

/* A SynIC that is on, with its pages; the message and event pages are returned. */
static struct rig *synic_rig(uint8_t **ret_simp, uint8_t **ret_siefp)
{
	struct rig *rig = rig_new();

	wrmsr(rig, 0, GABI_HV_MSR_SCONTROL, 1, 0);
	wrmsr(rig, 0, GABI_HV_MSR_SIMP, 0x3001, 0);
	*ret_simp = rig->pages + rig->turn.act[0].overlay.page * 4096;
	wrmsr(rig, 0, GABI_HV_MSR_SIEFP, 0x4001, 0);
	*ret_siefp = rig->pages + rig->turn.act[0].overlay.page * 4096;
	wrmsr(rig, 0, GABI_HV_MSR_SINT0 + SINT, VECTOR, 0);
	return rig;
}

static int post(struct rig *rig, uint32_t type, uint64_t payload)
{
	return gabi_hv_post(rig->hv, 0, 0, SINT, type, &payload, 8, 0, &rig->turn);
}

static void message__to_an_empty_slot__is_delivered_with_an_interrupt(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	const uint8_t *slot = simp + SINT * 256;

	(void)state;
	assert_int_equal(post(rig, 7, 0x1122334455667788), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(get(slot, 4), 7);
	assert_int_equal(slot[4], 8);
	assert_int_equal(slot[5], 0);
	assert_int_equal(get(slot + 16, 8), 0x1122334455667788);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.act[0].interrupt.vector, VECTOR);
	assert_int_equal(rig->turn.act[0].interrupt.auto_eoi, 0);
	rig_free(rig);
}

/* HV_MESSAGE: MessagePending tells the guest to write EOM. */
static void message__to_a_full_slot__waits_until_the_end_of_message(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	uint8_t *slot = simp + SINT * 256;

	(void)state;
	post(rig, 7, 1);
	assert_int_equal(post(rig, 8, 2), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.count, 0);
	assert_int_equal(get(slot, 4), 7);
	assert_int_equal(slot[5] & 1, 1);
	wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 0); /* too early: the slot is still full */
	assert_int_equal(rig->turn.count, 0);
	assert_int_equal(get(slot, 4), 7);
	put(slot, 0, 4);
	wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 0);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(get(slot, 4), 8);
	assert_int_equal(get(slot + 16, 8), 2);
	assert_int_equal(slot[5] & 1, 0);
	rig_free(rig);
}

static void message__apic_eoi__delivers_what_waits(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	post(rig, 7, 1);
	post(rig, 8, 2);
	put(simp + SINT * 256, 0, 4);
	assert_int_equal(gabi_hv_eoi(rig->hv, 0, 0, 0, &rig->turn), 0);
	assert_int_equal(get(simp + SINT * 256, 4), 8);
	rig_free(rig);
}

static void messages__of_one_source__come_in_order_until_the_buffers_end(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	for (unsigned i = 0; i < 17; i++) /* one in the slot, 16 in buffers */
		assert_int_equal(post(rig, 100 + i, i), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(post(rig, 1, 1), GABI_HV_STATUS_INSUFFICIENT_BUFFERS);
	for (unsigned i = 0; i < 17; i++) {
		assert_int_equal(get(simp + SINT * 256, 4), 100 + i);
		assert_int_equal(simp[SINT * 256 + 5] & 1, i < 16);
		put(simp + SINT * 256, 0, 4);
		wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 0);
	}
	assert_int_equal(get(simp + SINT * 256, 4), 0);
	assert_int_equal(post(rig, 1, 1), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

static const struct {
	const char *name;
	uint64_t sint;
	unsigned interrupts, auto_eoi;
} sints[] = {
	{ "plain", VECTOR, 1, 0 },
	{ "auto-EOI", VECTOR | AUTO_EOI, 1, 1 },
	{ "masked", VECTOR | MASKED, 0, 0 },
	{ "polling", VECTOR | POLLING, 0, 0 },
	{ "masked and polling", VECTOR | MASKED | POLLING, 0, 0 },
};

static void message__source_settings__decide_the_interrupt_not_the_delivery(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sints) / sizeof(sints[0]); i++) {
		uint8_t *simp, *siefp;
		struct rig *rig = synic_rig(&simp, &siefp);

		wrmsr(rig, 0, GABI_HV_MSR_SINT0 + SINT, sints[i].sint, 0);
		assert_int_equal(post(rig, 9, 0), GABI_HV_STATUS_SUCCESS);
		if (get(simp + SINT * 256, 4) != 9 || rig->turn.count != sints[i].interrupts ||
		    (rig->turn.count && rig->turn.act[0].interrupt.auto_eoi != sints[i].auto_eoi))
			fail_msg("%s", sints[i].name);
		rig_free(rig);
	}
}

static void message__synic_or_page_off__is_refused(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	wrmsr(rig, 0, GABI_HV_MSR_SCONTROL, 0, 0);
	assert_int_equal(post(rig, 9, 0), GABI_HV_STATUS_INVALID_SYNIC_STATE);
	wrmsr(rig, 0, GABI_HV_MSR_SCONTROL, 1, 0);
	wrmsr(rig, 0, GABI_HV_MSR_SIMP, 0x3000, 0);
	assert_int_equal(post(rig, 9, 0), GABI_HV_STATUS_INVALID_SYNIC_STATE);
	assert_int_equal(post(rig, 0, 0), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(gabi_hv_post(rig->hv, 0, 0, SINT, 1, "", 241, 0, &rig->turn), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(gabi_hv_post(rig->hv, RIG_VPS, 0, SINT, 1, "", 1, 0, &rig->turn), GABI_ERR_ARG);
	rig_free(rig);
}

/* TLFS, Event Flag Delivery. */
static void event__flag__interrupts_once_until_it_is_cleared(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	assert_int_equal(gabi_hv_signal(rig->hv, 0, 0, SINT, 2047, &rig->turn), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(siefp[SINT * 256 + 255], 0x80);
	assert_int_equal(gabi_hv_signal(rig->hv, 0, 0, SINT, 2047, &rig->turn), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.count, 0);
	siefp[SINT * 256 + 255] = 0;
	assert_int_equal(gabi_hv_signal(rig->hv, 0, 0, SINT, 2047, &rig->turn), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(gabi_hv_signal(rig->hv, 0, 0, SINT, 2048, &rig->turn), GABI_HV_STATUS_INVALID_PARAMETER);
	wrmsr(rig, 0, GABI_HV_MSR_SINT0 + SINT, VECTOR | MASKED, 0);
	assert_int_equal(gabi_hv_signal(rig->hv, 0, 0, SINT, 1, &rig->turn), GABI_HV_STATUS_INVALID_SYNIC_STATE);
	rig_free(rig);
}

/* ---- connections ---- */

static void connect(struct rig *rig, uint32_t id, const struct gabi_hv_port *port)
{
	assert_int_equal(gabi_hv_connect(rig->hv, id, port, NULL), 0);
}

static unsigned post_message(struct rig *rig, uint32_t id, uint32_t type, uint32_t len)
{
	put(rig->ram + 0x1000, id, 8);
	put(rig->ram + 0x1008, type, 4);
	put(rig->ram + 0x100c, len, 4);
	put(rig->ram + 0x1010, 0xabcdef, 8);
	return rig_call(rig, GABI_HV_CALL_PostMessage);
}

static unsigned signal_event(struct rig *rig, uint32_t id, unsigned flag)
{
	put(rig->ram + 0x1000, id, 4);
	put(rig->ram + 0x1004, flag, 4);
	return rig_call(rig, GABI_HV_CALL_SignalEvent);
}

static const struct gabi_hv_port host_messages = { .kind = GABI_HV_PORT_MESSAGE, .host = 1 };
static const struct gabi_hv_port host_events = { .kind = GABI_HV_PORT_EVENT, .host = 1, .base_flag = 8, .flag_count = 4 };

static const struct {
	const char *name, *source;
	uint32_t id, type, len;
	unsigned status;
} posts[] = {
	{ "to the host", "HvCallPostMessage", 1, 5, 16, GABI_HV_STATUS_SUCCESS },
	{ "with nothing in it", "HvCallPostMessage", 1, 5, 0, GABI_HV_STATUS_SUCCESS },
	{ "full", "HvCallPostMessage: 240 bytes", 1, 5, 240, GABI_HV_STATUS_SUCCESS },
	{ "too long", "HvCallPostMessage: exceeds 240 bytes", 1, 5, 241, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "far too long", "HvCallPostMessage: exceeds 240 bytes", 1, 5, UINT32_MAX, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "of type 0", "HvCallPostMessage: a value of zero", 1, 0, 8, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "of the hypervisor's types", "HvCallPostMessage: the most significant bit", 1, 0x80000010, 8, GABI_HV_STATUS_INVALID_PARAMETER },
	{ "to nobody", "HvCallPostMessage: INVALID_CONNECTION_ID", 99, 5, 8, GABI_HV_STATUS_INVALID_CONNECTION_ID },
	{ "to an id of 25 bits", "HV_CONNECTION_ID", 1 << 24 | 1, 5, 8, GABI_HV_STATUS_INVALID_CONNECTION_ID },
	{ "to an event port", "HvCallPostMessage: not a message type port", 2, 5, 8, GABI_HV_STATUS_INVALID_PORT_ID },
	{ "to a deleted port", "HvCallPostMessage: has been deleted", 3, 5, 8, GABI_HV_STATUS_INVALID_PORT_ID },
	{ "over a cut connection", "HvCallPostMessage: INVALID_CONNECTION_ID", 4, 5, 8, GABI_HV_STATUS_INVALID_CONNECTION_ID },
};

static void post_message__each_case__gives_the_status_of_its_page(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	connect(rig, 1, &host_messages);
	connect(rig, 2, &host_events);
	connect(rig, 3, &host_messages);
	connect(rig, 4, &host_messages);
	assert_int_equal(gabi_hv_delete_port(rig->hv, 3), 0);
	assert_int_equal(gabi_hv_disconnect(rig->hv, 4), 0);
	assert_int_equal(gabi_hv_disconnect(rig->hv, 4), GABI_ERR_UNKNOWN);
	for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
		unsigned status = post_message(rig, posts[i].id, posts[i].type, posts[i].len);

		if (status != posts[i].status || rig->turn.count != !status)
			fail_msg("%s (%s): %#x", posts[i].name, posts[i].source, status);
		if (status)
			continue;
		assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_MESSAGE);
		assert_int_equal(rig->turn.act[0].message.len, posts[i].len);
		assert_int_equal(get(rig->turn.act[0].message.data, 8), 0xabcdef);
	}
	rig_free(rig);
}

static void signal_event__flags__are_relative_to_the_ports(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	connect(rig, 1, &host_messages);
	connect(rig, 2, &host_events);
	assert_int_equal(signal_event(rig, 2, 3), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_EVENT);
	assert_int_equal(rig->turn.act[0].event.flag, 11);
	assert_int_equal(signal_event(rig, 2, 4), GABI_HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(signal_event(rig, 1, 0), GABI_HV_STATUS_INVALID_PORT_ID);
	assert_int_equal(signal_event(rig, 5, 0), GABI_HV_STATUS_INVALID_CONNECTION_ID);
	rig_free(rig);
}

static void loopback__port_of_the_own_partition__reaches_its_source(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_MESSAGE, .sint = SINT, .vp = UINT32_MAX };

	(void)state;
	connect(rig, 7, &port);
	port.kind = GABI_HV_PORT_EVENT;
	port.vp = 0;
	port.flag_count = 2048;
	connect(rig, 8, &port);
	port.vp = 1; /* whose SynIC is off */
	connect(rig, 9, &port);
	assert_int_equal(post_message(rig, 7, 5, 8), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(get(simp + SINT * 256, 4), 5);
	assert_int_equal(get(simp + SINT * 256 + 8, 8), 7); /* the port that it came by */
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(signal_event(rig, 8, 2047), GABI_HV_STATUS_SUCCESS);
	assert_int_equal(siefp[SINT * 256 + 255], 0x80);
	assert_int_equal(signal_event(rig, 9, 0), GABI_HV_STATUS_INVALID_SYNIC_STATE);
	rig_free(rig);
}

static void connect__more_than_configured__is_refused_until_one_goes(void **state)
{
	struct rig *rig = rig_new();

	(void)state;
	for (uint32_t id = 0; id < 64; id++)
		connect(rig, id * 77, &host_messages);
	assert_int_equal(gabi_hv_connect(rig->hv, 5000, &host_messages, NULL), GABI_ERR_LIMIT);
	for (unsigned round = 0; round < 200; round++) {
		uint32_t id = round % 64 * 77;

		assert_int_equal(gabi_hv_disconnect(rig->hv, id), 0);
		connect(rig, 100000 + round, &host_messages);
		assert_int_equal(post_message(rig, 100000 + round, 5, 0), GABI_HV_STATUS_SUCCESS);
		assert_int_equal(gabi_hv_disconnect(rig->hv, 100000 + round), 0);
		connect(rig, id, &host_messages);
	}
	for (uint32_t id = 0; id < 64; id++)
		assert_int_equal(post_message(rig, id * 77, 5, 0), GABI_HV_STATUS_SUCCESS);
	rig_free(rig);
}

static void connect__bad_ports__are_refused(void **state)
{
	struct rig *rig = rig_new();
	struct gabi_hv_port port = { .kind = GABI_HV_PORT_EVENT, .vp = RIG_VPS };

	(void)state;
	assert_int_equal(gabi_hv_connect(rig->hv, 1 << 24, &host_messages, NULL), GABI_ERR_ARG);
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &port, NULL), GABI_ERR_RANGE);
	port.vp = 0;
	port.base_flag = 2048;
	port.flag_count = 1;
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &port, NULL), GABI_ERR_RANGE);
	port.base_flag = 0;
	port.vtl = 2;
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &port, NULL), GABI_ERR_RANGE);
	port.kind = 3;
	assert_int_equal(gabi_hv_connect(rig->hv, 1, &port, NULL), GABI_ERR_ARG);
	rig_free(rig);
}

/* ---- timers ---- */

enum { ENABLE = 1, PERIODIC = 2, LAZY = 4, AUTO = 8, DIRECT = 1 << 12 };
#define CONFIG(n) (GABI_HV_MSR_STIMER0_CONFIG + 2 * (n))
#define COUNT(n)  (GABI_HV_MSR_STIMER0_COUNT + 2 * (n))
#define AT_SINT   ((uint64_t)SINT << 16)

static uint64_t asked_for(const struct rig *rig)
{
	for (unsigned i = 0; i < rig->turn.count; i++)
		if (rig->turn.act[i].kind == GABI_HV_ACT_TIMER)
			return rig->turn.act[i].at_100ns;
	return 0;
}

static void timer__one_shot__sends_its_message_once_and_is_disabled(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	const uint8_t *slot = simp + SINT * 256;

	(void)state;
	wrmsr(rig, 0, CONFIG(1), AUTO | AT_SINT, 100);
	assert_int_equal(asked_for(rig), 0);
	wrmsr(rig, 0, COUNT(1), 5000, 100);
	assert_int_equal(asked_for(rig), 5000);
	assert_int_equal(rdmsr(rig, CONFIG(1)), ENABLE | AUTO | AT_SINT);
	assert_int_equal(gabi_hv_expire(rig->hv, 0, 4999, &rig->turn), 0);
	assert_int_equal(get(slot, 4), 0);
	assert_int_equal(asked_for(rig), 5000);
	assert_int_equal(gabi_hv_expire(rig->hv, 0, 5003, &rig->turn), 0);
	assert_int_equal(get(slot, 4), 0x80000010);
	assert_int_equal(slot[4], 24);
	assert_int_equal(get(slot + 8, 8), 0);
	assert_int_equal(get(slot + 16, 4), 1);
	assert_int_equal(get(slot + 24, 8), 5000);
	assert_int_equal(get(slot + 32, 8), 5003);
	assert_int_equal(rig->turn.count, 1);
	assert_int_equal(rig->turn.act[0].interrupt.vector, VECTOR);
	assert_int_equal(rdmsr(rig, CONFIG(1)), AUTO | AT_SINT);
	assert_int_equal(gabi_hv_expire(rig->hv, 0, 99999, &rig->turn), 0);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void timer__in_the_past__expires_at_once(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	wrmsr(rig, 0, CONFIG(0), AUTO | AT_SINT, 100);
	wrmsr(rig, 0, COUNT(0), 50, 100);
	assert_int_equal(get(simp + SINT * 256, 4), 0x80000010);
	rig_free(rig);
}

static void timer__periodic__keeps_its_phase_and_skips_what_was_missed(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	wrmsr(rig, 0, COUNT(0), 1000, 300);
	wrmsr(rig, 0, CONFIG(0), ENABLE | PERIODIC | DIRECT | 0x61 << 4, 300);
	assert_int_equal(asked_for(rig), 1300);
	gabi_hv_expire(rig->hv, 0, 1300, &rig->turn);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.act[0].interrupt.vector, 0x61);
	assert_int_equal(asked_for(rig), 2300);
	gabi_hv_expire(rig->hv, 0, 5555, &rig->turn);
	assert_int_equal(rig->turn.act[0].kind, GABI_HV_ACT_INTERRUPT);
	assert_int_equal(rig->turn.count, 2);
	assert_int_equal(asked_for(rig), 6300);
	wrmsr(rig, 0, COUNT(0), 0, 5600);
	assert_int_equal(asked_for(rig), GABI_HV_NEVER);
	assert_int_equal(rdmsr(rig, CONFIG(0)) & ENABLE, 0);
	rig_free(rig);
}

/* TLFS, Synthetic Timer Configuration Register: a lazy timer may come late, and whatever was missed is one message; it never comes early. */
static void timer__lazy__comes_when_it_is_let_and_never_early(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	const uint8_t *slot = simp + SINT * 256;

	(void)state;
	wrmsr(rig, 0, COUNT(0), 1000, 300);
	wrmsr(rig, 0, CONFIG(0), ENABLE | PERIODIC | LAZY | AT_SINT, 300);
	assert_int_equal(rdmsr(rig, CONFIG(0)), ENABLE | PERIODIC | LAZY | AT_SINT);
	gabi_hv_expire(rig->hv, 0, 1299, &rig->turn);
	assert_int_equal(get(slot, 4), 0);
	gabi_hv_expire(rig->hv, 0, 4350, &rig->turn);
	assert_int_equal(get(slot, 4), 0x80000010);
	assert_int_equal(get(slot + 24, 8), 1300);
	assert_int_equal(get(slot + 32, 8), 4350);
	assert_int_equal(asked_for(rig), 5300);
	rig_free(rig);
}

/* TLFS: the count may wrap, which has no effect. */
static void timer__period_that_wraps__never_comes(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	wrmsr(rig, 0, COUNT(0), UINT64_MAX - 5, 300);
	wrmsr(rig, 0, CONFIG(0), ENABLE | PERIODIC | AT_SINT, 300);
	assert_int_equal(asked_for(rig), 0);
	gabi_hv_expire(rig->hv, 0, UINT64_MAX - 1, &rig->turn);
	assert_int_equal(rig->turn.count, 0);
	rig_free(rig);
}

static void timer__slot_full__waits_as_one_message(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	uint8_t *slot = simp + SINT * 256;

	(void)state;
	post(rig, 7, 0);
	wrmsr(rig, 0, COUNT(3), 1000, 0);
	wrmsr(rig, 0, CONFIG(3), ENABLE | PERIODIC | AT_SINT, 0);
	gabi_hv_expire(rig->hv, 0, 1000, &rig->turn);
	gabi_hv_expire(rig->hv, 0, 2000, &rig->turn);
	assert_int_equal(get(slot, 4), 7);
	put(slot, 0, 4);
	wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 2500);
	assert_int_equal(get(slot, 4), 0x80000010);
	assert_int_equal(get(slot + 24, 8), 1000);
	assert_int_equal(get(slot + 32, 8), 2500);
	put(slot, 0, 4);
	wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 2600);
	assert_int_equal(get(slot, 4), 0);
	rig_free(rig);
}

static void timer__soonest_of_several__is_asked_for(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		wrmsr(rig, 0, CONFIG(i), AUTO | DIRECT | 0x60 << 4, 0);
		wrmsr(rig, 0, COUNT(i), 4000 - i * 1000, 0);
	}
	assert_int_equal(asked_for(rig), 1000);
	gabi_hv_expire(rig->hv, 0, 2000, &rig->turn);
	assert_int_equal(rig->turn.count, 3); /* two interrupts, and when to come again */
	assert_int_equal(asked_for(rig), 3000);
	rig_free(rig);
}

static void timer__reconfigured__forgets_the_message_that_waits(void **state)
{
	uint8_t *simp, *siefp;
	struct rig *rig = synic_rig(&simp, &siefp);
	uint8_t *slot = simp + SINT * 256;

	(void)state;
	post(rig, 7, 0);
	wrmsr(rig, 0, CONFIG(0), AUTO | AT_SINT, 0);
	wrmsr(rig, 0, COUNT(0), 10, 0);
	gabi_hv_expire(rig->hv, 0, 10, &rig->turn);
	wrmsr(rig, 0, CONFIG(0), 0, 20);
	put(slot, 0, 4);
	wrmsr(rig, 0, GABI_HV_MSR_EOM, 0, 30);
	assert_int_equal(get(slot, 4), 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message__to_an_empty_slot__is_delivered_with_an_interrupt),
		cmocka_unit_test(message__to_a_full_slot__waits_until_the_end_of_message),
		cmocka_unit_test(message__apic_eoi__delivers_what_waits),
		cmocka_unit_test(messages__of_one_source__come_in_order_until_the_buffers_end),
		cmocka_unit_test(message__source_settings__decide_the_interrupt_not_the_delivery),
		cmocka_unit_test(message__synic_or_page_off__is_refused),
		cmocka_unit_test(event__flag__interrupts_once_until_it_is_cleared),
		cmocka_unit_test(post_message__each_case__gives_the_status_of_its_page),
		cmocka_unit_test(signal_event__flags__are_relative_to_the_ports),
		cmocka_unit_test(loopback__port_of_the_own_partition__reaches_its_source),
		cmocka_unit_test(connect__more_than_configured__is_refused_until_one_goes),
		cmocka_unit_test(connect__bad_ports__are_refused),
		cmocka_unit_test(timer__one_shot__sends_its_message_once_and_is_disabled),
		cmocka_unit_test(timer__in_the_past__expires_at_once),
		cmocka_unit_test(timer__periodic__keeps_its_phase_and_skips_what_was_missed),
		cmocka_unit_test(timer__lazy__comes_when_it_is_let_and_never_early),
		cmocka_unit_test(timer__period_that_wraps__never_comes),
		cmocka_unit_test(timer__slot_full__waits_as_one_message),
		cmocka_unit_test(timer__soonest_of_several__is_asked_for),
		cmocka_unit_test(timer__reconfigured__forgets_the_message_that_waits),
	};

	return cmocka_run_group_tests_name("hv_synic", tests, NULL, NULL);
}
