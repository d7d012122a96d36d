/* SPDX-License-Identifier: MIT */
/*
 * What a guest is, to and from a stream: first its shape and its contract, by which the other side decides whether it can have it at
 * all; then its memory (ram.h); last the state of its virtual processors, devices and of the Hyper-V engine, which is small.
 */
#ifndef GABI_VMM_CARRY_H
#define GABI_VMM_CARRY_H

#include "monitor.h"
#include "ram.h"
#include "stream.h"

/* Which machine has to be made for it. */
struct vmm_shape {
	uint64_t memory;
	uint32_t cpus, vtls;
	uint8_t hyperv;
	uint8_t has_disk;
	uint64_t sectors; /* of the disk */
	uint8_t shim;     /* trust levels' pages can be kept from being executed; in the stream only where it is so */
};

struct vmm_head {
	struct vmm_shape shape;
	struct gabi_contract *contract; /* the caller's, to be freed or given on */
};

int vmm_head_write(struct vmm_stream *stream, const struct vmm_monitor *monitor, struct gabi_diag *diag);
int vmm_head_read(struct vmm_stream *stream, struct vmm_head *ret_head, struct gabi_diag *diag);

/* Is the monitor's machine of that shape? GABI_ERR_CONFLICT, and a sentence. */
int vmm_shape_check(const struct vmm_shape *shape, const struct vmm_monitor *monitor, struct gabi_diag *diag);

/* The guest is held. All that is not memory, and the end. */
int vmm_state_write(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag);

/*
 * Reads memory and state up to the end into a monitor that has never run, and whose machine is of the head's shape. GABI_ERR_KVM: this
 * host cannot load it. After a failure the monitor is to be thrown away.
 */
int vmm_body_read(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag);

/* The states of the virtual processors as they are now, for the other side to say whether it could load them; and its answer. */
int vmm_rehearsal_write(struct vmm_stream *stream, struct vmm_monitor *monitor, struct gabi_diag *diag);
int vmm_rehearsal_read(const struct vmm_record_in *record, const struct vmm_monitor *monitor, struct gabi_diag *diag);

#endif
