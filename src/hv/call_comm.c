/* SPDX-License-Identifier: MIT */
/* Connections and the hypercalls over them: TLFS, Ports and Connections. */
#include "hv.h"

/* A place that was used never becomes UNUSED again, or a search that another id once pushed on would end too soon. */
enum { UNUSED = 0, MESSAGE = GABI_HV_PORT_MESSAGE, EVENT = GABI_HV_PORT_EVENT, PORT_GONE = 3, CUT = 4 };
#define ID_MASK  0xffffffu
#define PORT_ANY 0xffffffu

static unsigned kind_of(uint64_t what)
{
	return what >> CONNECTION_KIND & 15;
}

/* The place of an id, or where it would go; NULL if there is no room for it. */
static struct connection *find(const struct gabi_hv *hv, uint32_t id)
{
	uint32_t mask = hv->connection_places - 1, at = (uint32_t)(connection_place(hv, id) - hv->connection);

	for (uint32_t i = 0; i <= mask; i++) {
		struct connection *place = &hv->connection[(at + i) & mask];
		uint64_t what = atomic_load_explicit(&place->what, memory_order_acquire);

		if (kind_of(what) == UNUSED || (what & ID_MASK) == id)
			return place;
	}
	return NULL;
}

static bool is_free(const struct connection *place)
{
	return kind_of(place->what) == UNUSED || kind_of(place->what) == CUT;
}

/* A place for an id that has none; NULL if half of them are taken. */
static struct connection *make_room(const struct gabi_hv *hv, uint32_t id)
{
	uint32_t mask = hv->connection_places - 1, at = (uint32_t)(connection_place(hv, id) - hv->connection), taken = 0;

	for (uint32_t i = 0; i <= mask; i++)
		taken += !is_free(&hv->connection[i]);
	if (taken >= hv->connection_places / 2)
		return NULL;
	while (!is_free(&hv->connection[at & mask]))
		at++;
	return &hv->connection[at & mask];
}

int gabi_hv_do_connect(struct gabi_hv *hv, uint32_t id, const struct gabi_hv_port *port, struct gabi_diag *diag)
{
	bool any = port->vp == VP_ANY;
	struct connection *place;
	uint64_t what;

	if (id > ID_MASK || (port->kind != MESSAGE && port->kind != EVENT) || port->host > 1)
		return gabi_fail(diag, GABI_ERR_ARG, "a connection has a 24-bit id and leads to a message or an event port", (char *)NULL);
	if (!port->host && ((!any && port->vp >= hv->vp_count) || port->vtl >= hv->vtl_count || port->sint >= GABI_HV_SINTS))
		return gabi_fail(diag, GABI_ERR_RANGE, "the port's virtual processor, VTL or source is not one that there is", (char *)NULL);
	if (port->kind == EVENT && (uint32_t)port->base_flag + port->flag_count > GABI_HV_FLAGS)
		return gabi_fail(diag, GABI_ERR_RANGE, "a source has 2048 event flags", (char *)NULL);
	what = id | (uint64_t)port->kind << CONNECTION_KIND | (uint64_t)port->host << CONNECTION_HOST;
	if (!port->host)
		what |= (uint64_t)port->vtl << CONNECTION_VTL | (uint64_t)port->sint << CONNECTION_SINT |
			(uint64_t)(any ? PORT_ANY : port->vp) << CONNECTION_VP;
	take(&hv->lock);
	place = find(hv, id);
	if (!place || kind_of(place->what) == UNUSED)
		place = make_room(hv, id);
	if (!place) {
		give(&hv->lock);
		return gabi_fail(diag, GABI_ERR_LIMIT, "the partition has no room for another connection", (char *)NULL);
	}
	atomic_store_explicit(&place->flags, (uint64_t)port->flag_count << 16 | port->base_flag, memory_order_relaxed);
	atomic_store_explicit(&place->what, what, memory_order_release);
	give(&hv->lock);
	return 0;
}

bool gabi_hv_valid_connection(const struct gabi_hv *hv, uint64_t what, uint64_t flags)
{
	unsigned kind = kind_of(what), vp = (unsigned)(what >> CONNECTION_VP);

	if (kind == UNUSED)
		return !what && !flags;
	if (kind > CUT || flags >> 32 || (flags & 0xffff) + (flags >> 16) > GABI_HV_FLAGS || what >> 29 & 7)
		return false;
	if (what >> CONNECTION_HOST & 1 || kind == PORT_GONE || kind == CUT)
		return !(what >> CONNECTION_VTL);
	return (vp == PORT_ANY || vp < hv->vp_count) && (what >> CONNECTION_VTL & 15) < hv->vtl_count;
}

static int become(struct gabi_hv *hv, uint32_t id, unsigned kind)
{
	struct connection *place;
	uint64_t what;
	bool there;

	take(&hv->lock);
	place = find(hv, id);
	what = place ? place->what : 0;
	there = kind_of(what) != UNUSED && kind_of(what) != CUT && (what & ID_MASK) == id;
	if (there)
		atomic_store_explicit(&place->what, id | (uint64_t)kind << CONNECTION_KIND, memory_order_release);
	give(&hv->lock);
	return there ? 0 : GABI_ERR_UNKNOWN;
}

int gabi_hv_do_disconnect(struct gabi_hv *hv, uint32_t id)
{
	return become(hv, id, CUT);
}

int gabi_hv_do_delete_port(struct gabi_hv *hv, uint32_t id)
{
	return become(hv, id, PORT_GONE);
}

/* The connection that a hypercall names, if it leads to a port of that kind. */
static unsigned look_up(const struct gabi_hv *hv, uint32_t id, unsigned kind, uint64_t *ret_what, uint64_t *ret_flags)
{
	const struct connection *place = id > ID_MASK ? NULL : find(hv, id);
	uint64_t what = place ? atomic_load_explicit(&place->what, memory_order_acquire) : 0;

	if (kind_of(what) == UNUSED || kind_of(what) == CUT)
		return GABI_HV_STATUS_INVALID_CONNECTION_ID;
	if (kind_of(what) != kind)
		return GABI_HV_STATUS_INVALID_PORT_ID;
	*ret_what = what;
	*ret_flags = atomic_load_explicit(&place->flags, memory_order_relaxed);
	return GABI_HV_STATUS_SUCCESS;
}

struct target {
	unsigned vp, vtl, sint;
};

static struct target target_of(uint64_t what)
{
	return (struct target){ what >> CONNECTION_VP, what >> CONNECTION_VTL & 15, what >> CONNECTION_SINT & 15 };
}

/* A guest's message to its own partition. Sent on behalf of the calling turn, whose actions are kept. */
static unsigned post_to(struct call *call, struct target to, uint32_t type, uint32_t len, const uint8_t *payload, uint32_t port)
{
	unsigned first = to.vp == PORT_ANY ? 0 : to.vp, last = to.vp == PORT_ANY ? call->hv->vp_count - 1 : to.vp;
	unsigned status = GABI_HV_STATUS_INVALID_SYNIC_STATE;

	for (unsigned i = first; i <= last && status == GABI_HV_STATUS_INVALID_SYNIC_STATE; i++) {
		struct vp *vp = &call->hv->vp[i];
		const struct synic *synic = &vp->vtl[to.vtl].synic;

		take(&vp->lock);
		if (synic->scontrol & synic->simp & 1)
			status = gabi_hv_synic_post(call->hv, vp, to.vtl, to.sint, type, port, payload, len, call->now, call->turn) ?
					 GABI_HV_STATUS_SUCCESS : GABI_HV_STATUS_INSUFFICIENT_BUFFERS;
		give(&vp->lock);
	}
	return status;
}

unsigned gabi_hv_call_post_message(struct call *call)
{
	uint32_t id = get32(call->in), type = get32(call->in + 8), len = get32(call->in + 12);
	uint64_t what = 0, flags;
	struct gabi_hv_act *next;
	unsigned status;

	if (!type || type >> 31 || len > GABI_HV_MESSAGE_MAX)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	status = look_up(call->hv, id, MESSAGE, &what, &flags);
	if (status)
		return status;
	if (!(what >> CONNECTION_HOST & 1))
		return post_to(call, target_of(what), type, len, call->in + 16, id);
	next = act(call->turn, GABI_HV_ACT_MESSAGE, call->vp->index, call->vtl);
	next->message.connection = id;
	next->message.type = type;
	next->message.len = len;
	next->message.data = call->in + 16;
	return GABI_HV_STATUS_SUCCESS;
}

unsigned gabi_hv_call_signal_event(struct call *call)
{
	struct gabi_hv *hv = call->hv;
	uint64_t in = get64(call->in);
	uint32_t id = (uint32_t)in, flag = (uint16_t)(in >> 32);
	uint64_t what = 0, flags = 0;
	struct gabi_hv_act *next;
	unsigned status = look_up(hv, id, EVENT, &what, &flags), first, last;
	struct target to = target_of(what);

	if (status)
		return status;
	if (flag >= (flags >> 16 & 0xffff))
		return GABI_HV_STATUS_INVALID_PARAMETER;
	flag += flags & 0xffff;
	if (what >> CONNECTION_HOST & 1) {
		next = act(call->turn, GABI_HV_ACT_EVENT, call->vp->index, call->vtl);
		next->event.connection = id;
		next->event.flag = flag;
		return GABI_HV_STATUS_SUCCESS;
	}
	if (flag >= GABI_HV_FLAGS)
		return GABI_HV_STATUS_INVALID_PARAMETER;
	first = to.vp == PORT_ANY ? 0 : to.vp;
	last = to.vp == PORT_ANY ? hv->vp_count - 1 : to.vp;
	status = GABI_HV_STATUS_INVALID_SYNIC_STATE;
	for (unsigned i = first; i <= last && status == GABI_HV_STATUS_INVALID_SYNIC_STATE; i++) {
		take(&hv->vp[i].lock);
		status = gabi_hv_synic_signal(hv, &hv->vp[i], to.vtl, to.sint, flag, call->turn);
		give(&hv->vp[i].lock);
	}
	return status;
}
