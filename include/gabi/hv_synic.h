/* SPDX-License-Identifier: MIT */
/* Messages, events and timers: TLFS, Inter-Partition Communication and Timers. */
#ifndef GABI_HV_SYNIC_H
#define GABI_HV_SYNIC_H

#include <gabi/hv_turn.h>

GABI_BEGIN

#define GABI_HV_MESSAGE_MAX 240u  /* bytes of payload */
#define GABI_HV_FLAGS       2048u /* event flags of a source */
#define GABI_HV_SINTS       16u
#define GABI_HV_STIMERS     4u

enum gabi_hv_port_kind { GABI_HV_PORT_MESSAGE = 1, GABI_HV_PORT_EVENT = 2 };

/* Where a connection of the guest's leads: to the host, or to a source of its own partition. */
struct gabi_hv_port {
	uint8_t kind; /* enum gabi_hv_port_kind */
	uint8_t host; /* 1: every message or event becomes an action */
	uint8_t vtl, sint;
	uint32_t vp;  /* 0xffffffff: whichever can take it */
	uint16_t base_flag, flag_count; /* EVENT: the flags that may be set; base + count <= GABI_HV_FLAGS */
};

/* Any thread, one at a time. An id has 24 bits. Connecting an id anew replaces its port. */
GABI_API int gabi_hv_connect(struct gabi_hv *hv, uint32_t id, const struct gabi_hv_port *port, struct gabi_diag *diag);
GABI_API int gabi_hv_disconnect(struct gabi_hv *hv, uint32_t id);  /* the id is unknown afterwards */
GABI_API int gabi_hv_delete_port(struct gabi_hv *hv, uint32_t id); /* the connection stays and leads nowhere */

/*
 * Queues a message for a source, as the host, and delivers what can be delivered. Returns a hypercall status: SUCCESS,
 * INVALID_PARAMETER, INVALID_SYNIC_STATE, INSUFFICIENT_BUFFERS (16 wait already); or an error. Any thread.
 */
GABI_API int gabi_hv_post(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, uint32_t type, const void *payload,
			  size_t len, uint64_t now_100ns, struct gabi_hv_turn *turn);

/* Sets an event flag, as the host. Returns a hypercall status or an error, as gabi_hv_post. Any thread. */
GABI_API int gabi_hv_signal(struct gabi_hv *hv, unsigned vp, unsigned vtl, unsigned sint, unsigned flag,
			    struct gabi_hv_turn *turn);

/* The guest wrote its local APIC's EOI register: messages that wait may go on. From any thread. */
GABI_API int gabi_hv_eoi(struct gabi_hv *hv, unsigned vp, unsigned vtl, uint64_t now_100ns, struct gabi_hv_turn *turn);

/* The time asked for by an action TIMER has come, or any other. From any thread. */
GABI_API int gabi_hv_expire(struct gabi_hv *hv, unsigned vp, uint64_t now_100ns, struct gabi_hv_turn *turn);

GABI_END
#endif
