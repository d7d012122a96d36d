/* SPDX-License-Identifier: MIT */
/*
 * Protections of memory, for each trust level its own. The view of a level is registered with userfaultfd: a page that may not be
 * written is write-protected there, one that may not be touched is not mapped. An access that is not allowed waits in the kernel
 * until a thread of ours has read of it; that closes the page by mprotect and wakes the access, which KVM then ends with EFAULT on the
 * thread of the virtual processor. So it works on every kernel, and it is known who did what where.
 */
#ifndef GABI_KVM_PROTECT_H
#define GABI_KVM_PROTECT_H

#include "io.h"

#include <pthread.h>
#include <stdatomic.h>

struct gabi_kvm_machine;

/* An access that was refused and not yet told. */
struct refused {
	atomic_bool is;      /* the rest is valid, and the page closed */
	unsigned char vtl;
	bool write;
	uint64_t offset;     /* of the page in the memory */
};

/* A page whose mapping is kept apart from its neighbours'. */
struct cut {
	bool is;
	unsigned char vtl;
	uint64_t offset; /* of the page in the memory */
};

enum { PROTECT_CUTS = 16 };

struct protect {
	int uffd;            /* -1: protections cannot be set */
	int stop;            /* an eventfd */
	bool has_thread;
	bool continue_wp;    /* a page can be mapped write-protected at once: Linux 6.4 */
	pthread_t thread;
	pthread_mutex_t lock; /* page tables of the views change under it, and so does what follows */
	bool begun[3];       /* levels whose view is registered */
	struct refused *refused; /* of each virtual processor */
	/* How often a page was closed or opened so far. Whoever sees it changed while it ran may have met a closed page. */
	_Atomic uint64_t changes;
	atomic_uint closed;  /* how many are now */
	struct cut cut[PROTECT_CUTS]; /* the last of them; under the lock */
	unsigned cuts;       /* how many were made ever */
};

/* Sees whether the kernel can do all that, and says in a sentence if not. */
int protect_init(struct gabi_kvm_machine *machine, struct gabi_diag *diag);
void protect_free(struct gabi_kvm_machine *machine);

/* What KVM_RUN ended with EFAULT for. */
enum protect_fault {
	PROTECT_NONE,    /* nothing of ours */
	PROTECT_RETRY,   /* another processor's page was closed for a moment */
	PROTECT_REFUSED, /* an access that is not allowed */
};
enum protect_fault protect_fault(struct gabi_kvm_machine *machine, unsigned vp, unsigned vtl, uint64_t changes, uint64_t *ret_gpa, bool *ret_write);

/* Before a virtual processor is entered: an access that was refused and then given up is forgotten. */
void protect_forget(struct gabi_kvm_machine *machine, unsigned vp);

/* memory_cover; what comes to light again has its protection. */
int protect_cover(struct gabi_kvm_machine *machine, unsigned vtl, uint64_t gpa, uint32_t page);

#endif
