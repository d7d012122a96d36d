/* SPDX-License-Identifier: MIT */
/* Recording and replaying: the head of a trace, and who drives whom. */
#include "hv.h"

enum { MAGIC = 0x54484247 /* "GBHT" */ };

/* ---- the head: what a partition must be made with, and its state ---- */

static void small(struct tap *tap, uint64_t *wide, uint64_t most)
{
	gabi_hv_tap_number(tap, wide);
	if (*wide > most && !tap->wrong)
		tap->wrong = TAP_DAMAGED;
}

#define SMALL(tap, field, type)                           \
	do {                                              \
		uint64_t wide = (uint64_t)(field);        \
		small(tap, &wide, (uint64_t)(type)~0ull); \
		(field) = (type)wide;                     \
	} while (0)

/* All of the configuration that the guest or the engine's answers can depend on; not where the pages are, or how they are left. */
static void head(struct tap *tap, struct gabi_hv_config *config, uint32_t *apic_id)
{
	SMALL(tap, config->vp_count, uint32_t);
	SMALL(tap, config->vtl_count, uint32_t);
	if (config->vp_count > GABI_HV_VPS_MAX || config->vtl_count > GABI_HV_VTLS_MAX)
		tap->wrong = TAP_DAMAGED;
	for (unsigned at = 0; at < GABI_HV_LEAF_COUNT * 4; at++)
		SMALL(tap, config->leaf[at / 4][at % 4], uint32_t);
	gabi_hv_tap_number(tap, &config->partition_id);
	gabi_hv_tap_number(tap, &config->gpa_pages);
	gabi_hv_tap_number(tap, &config->tsc_hz);
	gabi_hv_tap_number(tap, &config->apic_hz);
	gabi_hv_tap_number(tap, &config->protect_bytes);
	for (uint32_t i = 0; i < config->vp_count && !tap->wrong; i++)
		SMALL(tap, apic_id[i], uint32_t);
	SMALL(tap, config->mbec_vtls, uint16_t);
	SMALL(tap, config->dr6_shared, uint8_t);
	SMALL(tap, config->connections, uint32_t);
	SMALL(tap, config->dialect, uint32_t);
	SMALL(tap, config->rep_limit, uint32_t);
	gabi_hv_tap_bytes(tap, config->digest, GABI_DIGEST_LEN);
}

static struct gabi_hv_config config_of(const struct gabi_hv *hv)
{
	struct gabi_hv_config config = {
		.size = sizeof(config), .vp_count = hv->vp_count, .vtl_count = hv->vtl_count, .partition_id = hv->partition_id,
		.gpa_pages = hv->gpa_pages, .tsc_hz = hv->tsc_hz, .apic_hz = hv->apic_hz, .protect_bytes = hv->protect_bytes,
		.mbec_vtls = hv->mbec_vtls, .dr6_shared = hv->dr6_shared, .connections = hv->connection_places / 2,
		.dialect = hv->dialect, .rep_limit = hv->rep_limit,
	};

	memcpy(config.leaf, hv->leaf, sizeof(config.leaf));
	memcpy(config.digest, hv->digest, sizeof(config.digest));
	return config;
}

/* ---- recording ---- */

int gabi_hv_record(struct gabi_hv *hv, const struct gabi_hv_sink *sink, void *scratch, size_t cap, struct gabi_diag *diag)
{
	struct tap *tap = &hv->recorder;
	struct gabi_hv_config config = config_of(hv);
	uint32_t apic_id[GABI_HV_VPS_MAX];
	uint8_t start[8];
	const void *stream = scratch;
	size_t len;

	if (hv->tap)
		return gabi_fail(diag, GABI_ERR_CONFLICT, "the partition is being recorded already", (char *)NULL);
	if (gabi_hv_save(hv, scratch, cap, &len))
		return gabi_fail(diag, GABI_ERR_LIMIT, "the scratch memory is too small for the state at the start", (char *)NULL);
	for (uint32_t i = 0; i < hv->vp_count; i++)
		apic_id[i] = hv->vp[i].apic_id;
	*tap = (struct tap){ .sink = *sink, .ops = hv->ops };
	put32(start, MAGIC);
	put32(start + 4, GABI_HV_TRACE_VERSION);
	gabi_hv_tap_bytes(tap, start, sizeof(start));
	head(tap, &config, apic_id);
	gabi_hv_tap_tail(tap, &stream, &len);
	hv->ops = gabi_hv_tap_ops(tap);
	hv->tap = tap;
	return 0;
}

int gabi_hv_record_end(struct gabi_hv *hv)
{
	struct tap *tap = hv->tap;

	if (!tap)
		return 0;
	gabi_hv_tap_end(tap);
	hv->ops = tap->ops;
	hv->tap = NULL;
	return tap->failed ? GABI_ERR_IO : 0;
}

/* ---- replaying ---- */

struct gabi_hv_replay {
	struct gabi_mem mem;
	struct gabi_hv *hv;
	struct gabi_hv_config config;
	uint32_t apic_id[GABI_HV_VPS_MAX];
	struct incoming in;
	struct tap tap;
	bool ended;
	struct gabi_hv_turn turn;
};

static int make_engine(struct gabi_hv_replay *replay, const void *stream, size_t len, struct gabi_hv **ret_hv, struct gabi_diag *diag)
{
	struct gabi_hv_ops ops = gabi_hv_tap_ops(&replay->tap);
	struct gabi_hv *hv;
	int err = gabi_hv_new(&replay->config, &ops, &replay->mem, &hv, diag);

	if (err)
		return err;
	err = gabi_hv_restore(hv, stream, len, diag);
	if (err) {
		gabi_hv_free(hv);
		return err;
	}
	hv->tap = &replay->tap;
	*ret_hv = hv;
	return 0;
}

static int explain(const struct gabi_hv_replay *replay, struct gabi_diag *diag)
{
	char number[24];
	struct gabi_out out = gabi_out_to(number, sizeof(number));

	gabi_out_dec(&out, replay->tap.calls + (replay->tap.wrong != TAP_DIFFERS));
	switch (replay->tap.wrong) {
	case TAP_CUT:
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the trace is cut off in its call ", number, "; those before it are whole", (char *)NULL);
	case TAP_DAMAGED:
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the trace is damaged at its call ", number, "; no recorder writes that", (char *)NULL);
	default:
		return gabi_fail(diag, GABI_ERR_CONFLICT, "call ", number, " comes out otherwise than it was recorded", (char *)NULL);
	}
}

static int read_head(struct gabi_hv_replay *replay, const uint8_t *trace, size_t len, struct gabi_diag *diag)
{
	const void *stream = NULL;
	size_t stream_len = 0;

	if (len < 8 || get32(trace) != MAGIC)
		return gabi_fail(diag, GABI_ERR_SYNTAX, "this is not a trace of a Hyper-V partition", (char *)NULL);
	if (get32(trace + 4) == 0 || get32(trace + 4) > GABI_HV_TRACE_VERSION)
		return gabi_fail(diag, GABI_ERR_VERSION, "the trace was recorded by a later version; replay it with that one", (char *)NULL);
	replay->tap = (struct tap){ .replays = true, .from = trace, .at = 8, .end = len };
	replay->config.size = sizeof(replay->config);
	head(&replay->tap, &replay->config, replay->apic_id);
	replay->config.apic_id = replay->apic_id;
	gabi_hv_tap_tail(&replay->tap, &stream, &stream_len);
	if (replay->tap.wrong)
		return gabi_fail(diag, GABI_ERR_SYNTAX, "the head of the trace is cut off or damaged", (char *)NULL);
	return make_engine(replay, stream, stream_len, &replay->hv, diag);
}

int gabi_hv_replay_new(const void *trace, size_t len, const struct gabi_mem *mem, struct gabi_hv_replay **ret_replay,
		       struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_hv_replay *replay = gabi_mem_get(&own, sizeof(*replay));
	int err;

	if (!replay)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	replay->mem = own;
	err = read_head(replay, trace, len, diag);
	if (err) {
		gabi_mem_put(&own, replay);
		return err;
	}
	*ret_replay = replay;
	return 0;
}

void gabi_hv_replay_free(struct gabi_hv_replay *replay)
{
	if (!replay)
		return;
	gabi_hv_free(replay->hv);
	gabi_mem_put(&replay->mem, replay);
}

int gabi_hv_replay_step(struct gabi_hv_replay *replay, struct gabi_hv_step *ret_step, struct gabi_diag *diag)
{
	struct tap *tap = &replay->tap;
	struct incoming *in = &replay->in;
	struct gabi_hv_turn *turn;
	unsigned vtl;
	int result;

	if (replay->ended)
		return 0;
	if (!tap->wrong && gabi_hv_tap_is_end(tap)) {
		gabi_hv_tap_end(tap);
		replay->ended = !tap->wrong;
		return replay->ended ? 0 : explain(replay, diag);
	}
	*in = (struct incoming){ 0 };
	if (!tap->wrong)
		gabi_hv_tap_call(tap, in);
	if (tap->wrong)
		return explain(replay, diag);
	turn = gabi_hv_trace_info(in->call)->turn ? &replay->turn : NULL;
	vtl = gabi_hv_active_vtl(replay->hv, in->vp);
	result = gabi_hv_carry_out(replay->hv, in, turn);
	gabi_hv_tap_result(tap, in, &result, turn);
	if (tap->wrong)
		return explain(replay, diag);
	*ret_step = (struct gabi_hv_step){
		.number = tap->calls, .now_100ns = in->now, .vp = in->vp, .call = in->call, .vtl = (uint8_t)vtl, .arg = in->arg,
		.tail = in->tail, .tail_len = in->tail_len, .result = result, .value = in->value, .regs = in->regs,
		.turn = result < 0 ? NULL : turn,
	};
	return 1;
}

int gabi_hv_replay_move(struct gabi_hv_replay *replay, struct gabi_diag *diag)
{
	struct gabi_hv *moved;
	uint8_t *stream;
	size_t len;
	int err;

	gabi_hv_save(replay->hv, NULL, 0, &len);
	stream = gabi_mem_get(&replay->mem, len);
	if (!stream)
		return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	gabi_hv_save(replay->hv, stream, len, &len);
	err = make_engine(replay, stream, len, &moved, diag);
	gabi_mem_put(&replay->mem, stream);
	if (err)
		return err;
	gabi_hv_free(replay->hv);
	replay->hv = moved;
	return 0;
}

const struct gabi_hv *gabi_hv_replay_engine(const struct gabi_hv_replay *replay)
{
	return replay->hv;
}
