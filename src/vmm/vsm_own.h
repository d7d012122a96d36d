/* SPDX-License-Identifier: MIT */
/* What trust levels have of each virtual processor, for the files that see to them. */
#ifndef GABI_VMM_VSM_OWN_H
#define GABI_VMM_VSM_OWN_H

#include "hyperv_own.h"

enum { NOT_HELD = -1 };

struct vsm_vp {
	pthread_mutex_t lock;   /* its holder touches the registers; KVM_RUN is inside it */
	atomic_uint wanted;     /* others that wait for the lock */
	atomic_uint vtl;        /* whose registers are the guest's now; of its own thread, others look */
	atomic_uint look;       /* VTLs whose local APIC is to be looked at */
	unsigned told;          /* VTLs of which the engine knows that an interrupt is pending; of its own thread */
	atomic_uint wakes;      /* actions WAKE that named it */
	unsigned wakes_seen;    /* when the turn began; of its own thread */
	atomic_int held;        /* the VTL that must not run, or NOT_HELD */
	bool ran;               /* of its own thread: the engine knows that it was started */
	struct {
		uint8_t vector;     /* KVM's local APIC ends its service by itself; 0: not looked up */
		uint8_t source;     /* of KVM's SynIC, that says so, and is none of the guest's; 0: one of the guest's does */
	} ends[GABI_KVM_VTLS_MAX]; /* of each VTL, a vector that was sent last so; of its own thread */
	unsigned unmirrored;    /* VTLs that were restored, and of which KVM's sources are not known to be the guest's; of its own thread */
	_Atomic uint64_t timer_at[GABI_KVM_VTLS_MAX]; /* host's ns, of each local APIC; UINT64_MAX: none */
	bool kicked, rests, probed; /* its last run was ended by a kick; it rests in HLT; its rest was ended to see; of its own thread */
	uint64_t left_at, pause; /* when a kick ended its run, host's ns, else 0; for how long it rests; of its own thread */
	_Atomic uint64_t until;  /* the end of its rest, UINT64_MAX: it does not rest */
	_Atomic uint64_t due;    /* when to look at it because of that; 0: it has left the guest by itself since */
	_Atomic uint64_t alone;  /* for how long it may run without an exit until then */
};

struct vmm_vsm {
	struct vsm_vp *vp;
	atomic_bool busy;        /* a higher level ran since the last look */
	_Atomic uint64_t cost;   /* of a look, as pace.h measures it */
	uint64_t look_at;        /* when to look because of that, host's ns; 0: not yet known; of the thread of timers */
	atomic_bool ports[GABI_KVM_VTLS_MAX]; /* accesses of ports are intercepted in that VTL */
	size_t registers;        /* rows of gabi/hv_reg.def */
	pthread_mutex_t traps;   /* one after the other sets what is intercepted */
};

static inline struct vsm_vp *vp_of(const struct vmm_hyperv *hyperv, unsigned vp)
{
	return &hyperv->vsm->vp[vp];
}

/* ---- vsm.c: the registers of any virtual processor are touched in between ---- */

/* Without trust levels nobody but the processor itself wants them. */
void vsm_take(const struct vmm_hyperv *hyperv, unsigned vp);
void vsm_give(const struct vmm_hyperv *hyperv, unsigned vp);

/* ---- vsm_interrupts.c: of a level that does not run ---- */

/* Looks at a level's local APIC, and tells the engine. The processor's own thread. */
void vsm_look(struct vmm_hyperv *hyperv, unsigned vp, unsigned vtl);

/* ---- vsm_intercepts.c ---- */

/* What is intercepted has changed, of VTLs below that one. */
void vsm_set_traps(struct vmm_hyperv *hyperv, unsigned above);

#endif
