/* SPDX-License-Identifier: MIT */
/* What readers of other tools' files share: from CPUID leaves and MSRs as a guest numbers them to words. */
#ifndef GABI_FORMATS_IMPORT_H
#define GABI_FORMATS_IMPORT_H

#include <gabi/formats.h>

#include "base/base.h"

struct gabi_importer {
	struct gabi_host *host;
	struct gabi_diag *diag;
	uint32_t kvm_base;     /* where KVM's own leaves begin; 0: not seen */
	bool hyperv;           /* 0x40000000 and on are Hyper-V's */
	uint8_t dead[1u << 13];     /* bit n: the leaves n << 16 and on are not there, whatever CPUID returned for them */
	uint8_t dead_runs[1u << 5]; /* bit n: the leaves 0x40000000 + n * 0x100 and on are not there */
};

struct gabi_leaf {
	uint32_t leaf, sub;
	uint32_t reg[4]; /* by enum gabi_cpuid_reg */
};

/* Every leaf is shown to see before the first is added: which ranges there are, and whose. */
void gabi_import_see(struct gabi_importer *importer, const struct gabi_leaf *leaf);

/* The keys of the leaf's words, without the part; space NONE where the leaf is not there. */
struct gabi_key gabi_import_key(const struct gabi_importer *importer, const struct gabi_leaf *leaf);

int gabi_import_leaf(struct gabi_importer *importer, const struct gabi_leaf *leaf);

/* An MSR with a row goes where its row is, one without to `otherwise`: MSR, or MSR_STATE with the value 1. */
int gabi_import_msr(struct gabi_importer *importer, uint32_t index, uint64_t value, enum gabi_space otherwise);

/* Says what the dump covers, seals, and sets the facts that CPUID tells. `view` is the manifest's. */
int gabi_import_end(struct gabi_importer *importer);

int gabi_import_firecracker(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem,
			    struct gabi_host **ret_host, struct gabi_diag *diag);
int gabi_import_cpuid(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem, struct gabi_host **ret_host,
		      struct gabi_diag *diag);

int gabi_import_qemu(const char *text, size_t len, enum gabi_view view, const struct gabi_mem *mem, struct gabi_host **ret_host,
		     struct gabi_diag *diag);
bool gabi_import_is_qemu(const char *text, size_t len); /* and not a fingerprint */

#endif
