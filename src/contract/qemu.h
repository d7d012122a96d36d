/* SPDX-License-Identifier: MIT */
/* A QEMU command line that was read, and the guest that is being made of it. */
#ifndef GABI_CONTRACT_QEMU_H
#define GABI_CONTRACT_QEMU_H

#include <gabi/qemu.h>

#include "base/base.h"
#include "contract/cpu.h"

/* Sentences. */
struct gabi_notes {
	char **at;
	size_t count, cap;
};

int gabi_notes_add(struct gabi_notes *notes, const struct gabi_mem *mem, ...) __attribute__((sentinel)); /* pieces of one */
void gabi_notes_free(struct gabi_notes *notes, const struct gabi_mem *mem);

enum gabi_irqchip { GABI_IRQCHIP_ON, GABI_IRQCHIP_SPLIT, GABI_IRQCHIP_OFF };

struct gabi_qemu {
	struct gabi_mem mem;
	char *cpu;        /* the argument of -cpu */
	char machine[24]; /* "pc-q35-7.2" */
	unsigned major, minor;
	bool arm64, mte; /* -machine virt */
	enum gabi_irqchip irqchip;
	unsigned dies, threads_per_package, threads_per_die;
	struct gabi_notes notes;
};

/* Was the machine's release one that knows what QEMU 11.1 knows, and not only what 7.2 does? */
static inline bool gabi_qemu_is_new(const struct gabi_qemu *line)
{
	return line->major >= 8;
}

/* The bits of a word that have a name in QEMU 7.2, or in 11.1; all where that is not told by word. */
uint64_t gabi_qemu_named(const struct gabi_key *key, bool is_new);

/* ---- the guest ---- */

struct gabi_qemu_guest {
	struct gabi_mem mem;
	const struct gabi_qemu *line; /* while it is made */
	const struct gabi_host *host;
	struct gabi_cpu *cpu;
	struct gabi_words words; /* what the guest sees */
	struct gabi_contract *contract;
	char *refusal;
	struct gabi_qemu_loss *losses;
	size_t loss_count, loss_cap;
	struct gabi_notes notes;
	bool intel, amd; /* whose the guest's CPU says that it is */
	bool pmu;
};

#define GABI_REFUSED 1 /* returned beside errors: QEMU would not start, and guest->refusal says why */

int gabi_guest_refuse(struct gabi_qemu_guest *guest, ...) __attribute__((sentinel));

/* The value that the guest sees so far; setting and or-ing add the word as needed. */
uint64_t gabi_guest_get(const struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part);
int gabi_guest_set(struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part, uint64_t value);
int gabi_guest_or(struct gabi_qemu_guest *guest, unsigned space, uint64_t index, uint32_t sub, unsigned part, uint64_t bits);
int gabi_guest_set_leaf(struct gabi_qemu_guest *guest, unsigned space, uint64_t leaf, uint32_t sub, const uint32_t reg[4]);

/* A host's word, 0 where it has none. */
uint64_t gabi_host_value(const struct gabi_host *host, unsigned space, uint64_t index, uint32_t sub, unsigned part);

/* The switch of that name: as it is set, else `usual`. */
bool gabi_guest_is_set(const struct gabi_qemu_guest *guest, const char *name, bool usual);

/* The number of that name, `usual` where it is not set. */
uint64_t gabi_guest_number(const struct gabi_qemu_guest *guest, const char *name, uint64_t usual);

/* The frequency in Hz of tsc-freq or tsc-frequency; 0 where neither is given. */
uint64_t gabi_guest_frequency(const struct gabi_qemu_guest *guest);

/* What QEMU believes that the host's KVM can give of a word of features: what KVM says, with QEMU's own corrections. */
uint64_t gabi_qemu_supported(const struct gabi_qemu *line, const struct gabi_host *host, const struct gabi_key *key);

/* Refuses a manifest from which no guest of QEMU can be foretold. */
int gabi_qemu_check_host(const struct gabi_host *host, struct gabi_diag *diag);

/* The whole guest of arm64. */
int gabi_guest_arm64(struct gabi_qemu_guest *guest, const struct gabi_mem *mem, struct gabi_diag *diag);

/* As gabi_qemu_find. */
int gabi_qemu_find_arm64(const struct gabi_contract *contract, const struct gabi_host *host, const struct gabi_mem *mem,
			 struct gabi_qemu **ret_line, struct gabi_diag *diag);

/* The parts of a guest of x86, in the order in which they are made. Each returns 0, GABI_REFUSED or an error. */
int gabi_guest_features(struct gabi_qemu_guest *guest, struct gabi_diag *diag); /* the CPU, and what is taken from it */
int gabi_guest_leaves(struct gabi_qemu_guest *guest);     /* what QEMU fills by itself: caches, XSAVE, addresses, details */
int gabi_guest_hypervisor(struct gabi_qemu_guest *guest); /* leaves 0x40000000: Hyper-V's and KVM's */
int gabi_guest_msrs(struct gabi_qemu_guest *guest);       /* feature MSRs, and the TSC */

#endif
