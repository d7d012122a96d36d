/* SPDX-License-Identifier: MIT */
/* What a monitor is made of, for the files that make it up. */
#ifndef GABI_VMM_MONITOR_OWN_H
#define GABI_VMM_MONITOR_OWN_H

#include "counts.h"
#include "disk.h"
#include "hyperv.h"
#include "monitor.h"
#include "pc.h"
#include "sandbox.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * Who may pass: whoever changes the guest's state (a virtual processor, and the thread that waits for input and timers) does it
 * inside the gate, and nobody is inside while the monitor is held.
 */
struct vmm_gate {
	pthread_mutex_t lock; /* nobody takes another lock while holding it */
	pthread_cond_t changed;
	unsigned inside;
	atomic_uint holds; /* how often it was paused and not yet resumed; changed under the lock */
};

struct vmm_console_input {
	bool to_virtio; /* the guest last wrote to the virtio console, and not to the serial port */
	unsigned char bytes[256];
	size_t len;
};

/* What the guest said and nobody has read yet. It is not of the guest's state: the guest has sent it. */
struct vmm_console_output {
	int file;
	bool may_block; /* it was not to be had without that */
	bool is_own;    /* and is to be closed */
	unsigned char *bytes;
	size_t at, len;
};

struct vmm_monitor {
	struct vmm_options options;
	struct vmm_sandbox *sandbox; /* its threads' filters; NULL: none */
	struct gabi_kvm_machine *machine;
	struct vmm_hyperv *hyperv; /* NULL: none */
	struct vmm_board board;
	struct vmm_disk disk;
	uint64_t start_ns;
	int wake; /* an eventfd: the thread in vmm_run has something to look at */
	struct vmm_gate gate;

	pthread_mutex_t lock; /* of all below; its holder is inside the devices */
	struct vmm_pc pc;
	struct vmm_console_input input;
	struct vmm_console_output output;
	struct vmm_result result;
	uint32_t lines; /* of the first 32 interrupt lines those that KVM has high */

	atomic_bool ending; /* result.end is set */
	struct vmm_vp {
		struct vmm_monitor *monitor;
		pthread_t thread;
		unsigned index, vtl;
		bool started;
		struct vmm_counts counts;
	} *vp;
};

/* ---- monitor.c ---- */

void vmm_wake(struct vmm_monitor *monitor);

/* The first end is the one that counts. The lock is held. */
void vmm_end_with(struct vmm_monitor *monitor, enum vmm_end how, unsigned value, const char *text);

/* The board's clock goes on from there; the guest does not run. */
void vmm_set_clock(struct vmm_monitor *monitor, uint64_t now_ns);

/* ---- vps.c: a thread for each virtual processor ---- */

int vmm_vps_start(struct vmm_monitor *monitor, struct gabi_diag *diag);
void vmm_vps_stop(struct vmm_monitor *monitor); /* and waits for them */

/* Into the gate: false while the monitor is held. */
bool vmm_gate_enter(struct vmm_monitor *monitor);
void vmm_gate_leave(struct vmm_monitor *monitor);

/* ---- console.c ---- */

int vmm_output_open(struct vmm_monitor *monitor, struct gabi_diag *diag);
void vmm_output_close(struct vmm_monitor *monitor);

/* Hands on what the reader takes now, and says whether there is more. The lock is held. */
bool vmm_output_send(struct vmm_monitor *monitor);

/* Waits until the reader has all, while the guest is neither held nor at its end: a guest writes no faster than it is read. Without the lock. */
void vmm_output_wait(struct vmm_monitor *monitor);

/* All that a guest said that ended by itself is to be read; but of a reader that takes nothing for seconds nothing more is expected. Without the lock. */
void vmm_output_finish(struct vmm_monitor *monitor);

/* What devices write; ctx is the monitor, whose lock is held. */
void vmm_serial_out(void *ctx, uint8_t byte);
void vmm_console_out(void *ctx, const void *bytes, size_t len);

/* Hands input on, as much as the console that the guest last wrote to takes. The lock is held. */
void vmm_input_feed(struct vmm_monitor *monitor);

bool vmm_input_wanted(struct vmm_monitor *monitor);
bool vmm_input_take(struct vmm_monitor *monitor); /* reads some; false at its end */

#endif
