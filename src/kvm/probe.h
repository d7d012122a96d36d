/* SPDX-License-Identifier: MIT */
/* What the parts of the probe share. One struct probe is one call of gabi_kvm_probe. */
#ifndef GABI_KVM_PROBE_H
#define GABI_KVM_PROBE_H

#include <gabi/kvm.h>

#include "base/base.h"
#include "kvm/io.h"

struct probe {
	struct gabi_mem mem;
	struct gabi_host *host;
	struct gabi_diag *diag;
	int kvm; /* the device */
};

/* The rows of gabi/vm.def by number. */
enum {
#define GABI_VM_ROW(id, number, ...) PROBE_VM_##id = number,
#include <gabi/vm.def>
};

#define PROBE_ALL_ONES (~(uint64_t)0)

/* ---- shared: probe.c, facts.c ---- */

/* Adds one word; bits of settable beyond its width are dropped. */
int probe_add(struct probe *probe, const struct gabi_key *key, unsigned bits, uint64_t value, uint64_t settable,
	      unsigned flags);

/* Adds one word of the space VM. */
int probe_add_vm(struct probe *probe, unsigned number, uint64_t value, uint64_t settable);

/* KVM_CHECK_EXTENSION of every number, on that VM and on the device. */
int probe_caps(struct probe *probe, int vm);

/* uname, /proc and /sys; what is not there is left out. */
int probe_facts(struct probe *probe);
int probe_fact(struct probe *probe, const char *name, const char *value);
int probe_fact_hex(struct probe *probe, const char *name, uint64_t value);

/* ---- one of each per architecture: probe_x86.c, probe_arm64.c ---- */

extern const enum gabi_arch probe_arch;
int probe_arch_words(struct probe *probe);
int probe_arch_facts(struct probe *probe);

#endif
