/* SPDX-License-Identifier: MIT */
/* Synthetic timers: TLFS, Timers. Time is the partition's reference time and always an argument. */
#include "hv.h"

enum {
	ENABLED = 1 << 0,
	PERIODIC = 1 << 1,
	AUTO_ENABLE = 1 << 3,
	DIRECT = 1 << 12,
};
#define CONFIG_BITS 0xf1fffu /* the others are RsvdZ */

static unsigned sint_of(uint64_t config)
{
	return config >> 16 & 15;
}

/* What a register may hold of what a guest writes to it. */
static uint64_t taken(const struct gabi_hv *hv, uint64_t config)
{
	config &= CONFIG_BITS;
	if (!has(hv, GABI_HV_FEATURE_DIRECT_STIMER))
		config &= ~(uint64_t)DIRECT;
	if (!(config & DIRECT) && sint_of(config) == 0)
		config &= ~(uint64_t)ENABLED;
	return config;
}

/* Where a period is taken modulo, it is not 0. */
bool gabi_hv_valid_stimer(const struct gabi_hv *hv, const struct stimer *timer)
{
	if (timer->config != taken(hv, timer->config) || (timer->waits && timer->config & DIRECT))
		return false;
	return timer->due == GABI_HV_NEVER || (timer->count && timer->config & ENABLED);
}

/* When an enabled timer expires first. A period may wrap around the clock; then it never does. */
static uint64_t first_due(const struct stimer *timer, uint64_t now)
{
	if (!(timer->config & ENABLED) || !timer->count)
		return GABI_HV_NEVER;
	if (!(timer->config & PERIODIC))
		return timer->count;
	return timer->count > GABI_HV_NEVER - now ? GABI_HV_NEVER : now + timer->count;
}

void gabi_hv_stimer_set_config(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned index, uint64_t config, uint64_t now,
			       struct gabi_hv_turn *turn)
{
	struct stimer *timer = &vp->vtl[vtl].synic.timer[index];

	timer->config = taken(hv, config);
	timer->waits = false;
	timer->due = first_due(timer, now);
	gabi_hv_stimer_run(hv, vp, now, turn);
}

void gabi_hv_stimer_set_count(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned index, uint64_t count, uint64_t now,
			      struct gabi_hv_turn *turn)
{
	struct stimer *timer = &vp->vtl[vtl].synic.timer[index];
	uint64_t config = timer->config;

	timer->count = count;
	if (!count)
		config &= ~(uint64_t)ENABLED;
	else if (config & AUTO_ENABLE)
		config |= ENABLED;
	gabi_hv_stimer_set_config(hv, vp, vtl, index, config, now, turn);
}

/* Periods that have been missed are skipped; the phase is kept. */
static uint64_t next_due(const struct stimer *timer, uint64_t now)
{
	uint64_t into = (now - timer->due) % timer->count, left = timer->count - into;

	return left > GABI_HV_NEVER - now ? GABI_HV_NEVER : now + left;
}

static void expire(struct gabi_hv *hv, struct vp *vp, unsigned vtl, struct stimer *timer, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t due = timer->due;

	if (timer->config & PERIODIC) {
		timer->due = next_due(timer, now);
	} else {
		timer->due = GABI_HV_NEVER;
		timer->config &= ~(uint64_t)ENABLED;
	}
	if (timer->config & DIRECT) {
		request_interrupt(turn, vp->index, vtl, (uint8_t)(timer->config >> 4));
		return;
	}
	/* A timer has one message buffer: while it waits, further expirations are the same one. */
	if (!timer->waits) {
		timer->waits = true;
		timer->expired = due;
	}
	gabi_hv_synic_deliver(hv, vp, vtl, sint_of(timer->config), now, turn);
}

/* Actions that one expiration or the end of a run can need. */
enum { ROOM = 8 };

void gabi_hv_stimer_run(struct gabi_hv *hv, struct vp *vp, uint64_t now, struct gabi_hv_turn *turn)
{
	uint64_t soonest = GABI_HV_NEVER;

	for (unsigned vtl = 0; vtl < hv->vtl_count; vtl++) {
		for (unsigned i = 0; i < GABI_HV_STIMERS; i++) {
			struct stimer *timer = &vp->vtl[vtl].synic.timer[i];

			/* Where a turn has no room left, the rest stays due, and the time asked for is in the past. */
			if (timer->due <= now && timer->due != GABI_HV_NEVER && turn->count + ROOM < GABI_HV_ACTS_MAX)
				expire(hv, vp, vtl, timer, now, turn);
			if (timer->due < soonest)
				soonest = timer->due;
		}
	}
	if (soonest != vp->timer_at || soonest <= now) {
		vp->timer_at = soonest;
		act(turn, GABI_HV_ACT_TIMER, vp->index, active_vtl(vp))->at_100ns = soonest;
	}
}

bool gabi_hv_stimer_message(struct synic *synic, unsigned sint, uint64_t now, uint8_t ret_payload[24])
{
	for (unsigned i = 0; i < GABI_HV_STIMERS; i++) {
		struct stimer *timer = &synic->timer[i];

		if (!timer->waits || sint_of(timer->config) != sint)
			continue;
		timer->waits = false;
		put64(ret_payload, i);
		put64(ret_payload + 8, timer->expired);
		put64(ret_payload + 16, now);
		return true;
	}
	return false;
}

int gabi_hv_do_expire(struct gabi_hv *hv, unsigned vp, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (vp >= hv->vp_count)
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	take(&hv->vp[vp].lock);
	hv->vp[vp].timer_at = GABI_HV_NEVER; /* whatever was asked for has been used up */
	gabi_hv_stimer_run(hv, &hv->vp[vp], now_100ns, turn);
	give(&hv->vp[vp].lock);
	return 0;
}
