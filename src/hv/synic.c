/* SPDX-License-Identifier: MIT */
/* The synthetic interrupt controller: TLFS, Inter-Partition Communication. */
#include "hv.h"

enum { ENABLE = 1, SLOT = 256 };
#define SINT_MASKED   (1u << 16)
#define SINT_AUTO_EOI (1u << 17)
#define SINT_POLLING  (1u << 18)

/* Offsets in a message slot: TLFS HV_MESSAGE. */
enum { TYPE = 0, PENDING_WORD = 4, ORIGIN = 8, PAYLOAD = 16 };
#define PENDING (1u << 8) /* MessageFlags.MessagePending, in the word with the payload's size */

void gabi_hv_synic_reset(struct synic *synic)
{
	*synic = (struct synic){ 0 };
	for (unsigned i = 0; i < GABI_HV_SINTS; i++) {
		synic->sint[i] = SINT_MASKED;
		synic->head[i] = synic->tail[i] = NO_BUFFER;
	}
	for (unsigned i = 0; i < BUFFERS; i++)
		synic->buffer[i].next = i + 1 < BUFFERS ? (uint8_t)(i + 1) : NO_BUFFER;
	for (unsigned i = 0; i < GABI_HV_STIMERS; i++)
		synic->timer[i].due = GABI_HV_NEVER;
}

/* TLFS: masked, or only polled, a source gives no interrupt. */
static void notify(const struct gabi_hv *hv, const struct vp *vp, unsigned vtl, unsigned sint, struct gabi_hv_turn *turn)
{
	uint64_t config = vp->vtl[vtl].synic.sint[sint];
	struct gabi_hv_act *next;

	if (config & SINT_MASKED || (config & SINT_POLLING && has(hv, GABI_HV_FEATURE_SINT_POLLING)))
		return;
	next = act(turn, GABI_HV_ACT_INTERRUPT, vp->index, vtl);
	next->interrupt.vector = (uint8_t)config;
	next->interrupt.auto_eoi = (config & SINT_AUTO_EOI) != 0;
}

static bool takes_messages(const struct synic *synic)
{
	return synic->scontrol & ENABLE && synic->simp & ENABLE;
}

static bool something_waits(const struct synic *synic, unsigned sint)
{
	if (synic->head[sint] != NO_BUFFER)
		return true;
	for (unsigned i = 0; i < GABI_HV_STIMERS; i++)
		if (synic->timer[i].waits && (synic->timer[i].config >> 16 & 15) == sint)
			return true;
	return false;
}

static void drop_head(struct synic *synic, unsigned sint)
{
	uint8_t buffer = synic->head[sint];

	synic->head[sint] = synic->buffer[buffer].next;
	if (synic->head[sint] == NO_BUFFER)
		synic->tail[sint] = NO_BUFFER;
	synic->buffer[buffer].next = synic->free;
	synic->free = buffer;
}

/* The type goes last: with it the guest may read the rest. */
static void fill(uint8_t *slot, uint32_t type, uint64_t origin, const void *payload, unsigned len, bool more)
{
	put64(slot + ORIGIN, origin);
	memcpy(slot + PAYLOAD, payload, len);
	atomic_store_explicit(word_of(slot, PENDING_WORD), len | (more ? PENDING : 0), memory_order_relaxed);
	atomic_store_explicit(word_of(slot, TYPE), type, memory_order_release);
}

/* Is the slot empty? If not, the guest is told that more waits; it may have emptied the slot just before it could see that,
 * hence the second look. */
static bool slot_empty(const struct gabi_hv *hv, uint8_t *slot)
{
	if (!page_load(hv, slot, TYPE))
		return true;
	page_or(hv, slot, PENDING_WORD, PENDING);
	return !page_load(hv, slot, TYPE);
}

void gabi_hv_synic_deliver(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, uint64_t now, struct gabi_hv_turn *turn)
{
	struct synic *synic = &vp->vtl[vtl].synic;
	uint8_t *slot = page_at(hv, PAGE_SIMP, vp->index, vtl) + sint * SLOT, payload[24];

	if (!takes_messages(synic) || !something_waits(synic, sint) || !slot_empty(hv, slot))
		return;
	if (synic->head[sint] != NO_BUFFER) {
		const struct buffer *buffer = &synic->buffer[synic->head[sint]];

		drop_head(synic, sint);
		fill(slot, buffer->type, buffer->origin, buffer->payload, buffer->len, something_waits(synic, sint));
	} else if (gabi_hv_stimer_message(synic, sint, now, payload)) {
		fill(slot, MESSAGE_TIMER, 0, payload, sizeof(payload), something_waits(synic, sint));
	}
	notify(hv, vp, vtl, sint, turn);
}

void gabi_hv_synic_scan(struct gabi_hv *hv, struct vp *vp, unsigned vtl, uint64_t now, struct gabi_hv_turn *turn)
{
	for (unsigned sint = 0; sint < GABI_HV_SINTS; sint++)
		gabi_hv_synic_deliver(hv, vp, vtl, sint, now, turn);
}

bool gabi_hv_synic_post(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, uint32_t type, uint64_t origin,
			const void *payload, unsigned len, uint64_t now, struct gabi_hv_turn *turn)
{
	struct synic *synic = &vp->vtl[vtl].synic;
	uint8_t buffer = synic->free;

	if (buffer == NO_BUFFER) {
		gabi_hv_synic_deliver(hv, vp, vtl, sint, now, turn);
		buffer = synic->free;
		if (buffer == NO_BUFFER)
			return false;
	}
	synic->free = synic->buffer[buffer].next;
	synic->buffer[buffer].type = type;
	synic->buffer[buffer].origin = origin;
	synic->buffer[buffer].len = (uint8_t)len;
	synic->buffer[buffer].next = NO_BUFFER;
	memcpy(synic->buffer[buffer].payload, payload, len);
	if (synic->tail[sint] == NO_BUFFER)
		synic->head[sint] = buffer;
	else
		synic->buffer[synic->tail[sint]].next = buffer;
	synic->tail[sint] = buffer;
	gabi_hv_synic_deliver(hv, vp, vtl, sint, now, turn);
	return true;
}

/* ---- for hosts and hypercalls ---- */

static bool names_source(const struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint)
{
	return vp < hv->vp_count && vtl < hv->vtl_count && sint < GABI_HV_SINTS;
}

int gabi_hv_do_post(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, uint32_t type, const void *payload, size_t len,
		 uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	int status = GABI_HV_STATUS_SUCCESS;

	if (!names_source(hv, vp, vtl, sint))
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	if (!type || len > GABI_HV_MESSAGE_MAX)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	take(&hv->vp[vp].lock);
	if (!takes_messages(&hv->vp[vp].vtl[vtl].synic))
		status = GABI_HV_STATUS_INVALID_SYNIC_STATE;
	else if (!gabi_hv_synic_post(hv, &hv->vp[vp], vtl, sint, type, 0, payload, (unsigned)len, now_100ns, turn))
		status = GABI_HV_STATUS_INSUFFICIENT_BUFFERS;
	give(&hv->vp[vp].lock);
	return status;
}

/* TLFS, Event Flag Delivery. */
unsigned gabi_hv_synic_signal(struct gabi_hv *hv, struct vp *vp, unsigned vtl, unsigned sint, unsigned flag,
			      struct gabi_hv_turn *turn)
{
	const struct synic *synic = &vp->vtl[vtl].synic;
	uint32_t bit = 1u << flag % 32;
	uint8_t *page;

	if (!(synic->scontrol & ENABLE) || !(synic->siefp & ENABLE) || synic->sint[sint] & SINT_MASKED)
		return GABI_HV_STATUS_INVALID_SYNIC_STATE;
	page = page_at(hv, PAGE_SIEFP, vp->index, vtl) + sint * SLOT;
	if (!(page_or(hv, page, flag / 32 * 4, bit) & bit))
		notify(hv, vp, vtl, sint, turn);
	return GABI_HV_STATUS_SUCCESS;
}

int gabi_hv_do_signal(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, unsigned flag, struct gabi_hv_turn *turn)
{
	int status;

	if (!names_source(hv, vp, vtl, sint))
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	if (flag >= GABI_HV_FLAGS)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	take(&hv->vp[vp].lock);
	status = (int)gabi_hv_synic_signal(hv, &hv->vp[vp], vtl, sint, flag, turn);
	give(&hv->vp[vp].lock);
	return status;
}

int gabi_hv_do_eoi(struct gabi_hv *hv, unsigned vp, unsigned vtl, uint64_t now_100ns, struct gabi_hv_turn *turn)
{
	if (!names_source(hv, vp, vtl, 0))
		return GABI_ERR_ARG;
	turn->count = turn->changes = 0;
	take(&hv->vp[vp].lock);
	gabi_hv_synic_scan(hv, &hv->vp[vp], vtl, now_100ns, turn);
	give(&hv->vp[vp].lock);
	return 0;
}
