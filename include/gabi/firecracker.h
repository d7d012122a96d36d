/* SPDX-License-Identifier: MIT */
/*
 * Firecracker's CPU templates: what they change of what a host offers. In libgabi-formats.
 */
#ifndef GABI_FIRECRACKER_H
#define GABI_FIRECRACKER_H

#include <gabi/host.h>

GABI_BEGIN

struct gabi_template;

/* Bits of one word, and the values that the template gives them. */
struct gabi_template_modifier {
	struct gabi_key key; /* MSRs are in the space MSR, whatever they are to gabi */
	uint64_t bits, value;
};

/*
 * Reads a template as Firecracker does, and refuses besides: two modifiers of the same bit (GABI_ERR_CONFLICT), since the last would count
 * without a word; and a template of both architectures.
 */
GABI_API int gabi_template_read(const char *text, size_t len, const struct gabi_mem *mem, struct gabi_template **ret_template,
				struct gabi_diag *diag);
GABI_API void gabi_template_free(struct gabi_template *tmpl); /* NULL is fine */

GABI_API enum gabi_arch gabi_template_arch(const struct gabi_template *tmpl); /* ANY: it changes nothing of either */

/* Sorted by key; one for each word. */
GABI_API const struct gabi_template_modifier *gabi_template_modifiers(const struct gabi_template *tmpl, size_t *ret_count);

/* KVM_ARM_VCPU_INIT's features[0]: the bits that the template sets and clears. */
GABI_API uint32_t gabi_template_features(const struct gabi_template *tmpl, uint32_t *ret_bits);

/*
 * What a guest of Firecracker with the template is given on the host, as a manifest to pin a contract from: the host's, the template
 * over it, and over both what Firecracker itself sets ("CPUID normalization"); without Hyper-V. A fingerprint (GABI_VIEW_GUEST) is taken
 * for one without a template. GABI_ERR_CONFLICT where Firecracker would not start the guest there.
 *
 * What the template says and Firecracker then overwrites with another value goes to `out`, at most `cap` of `*ret_total`.
 */
GABI_API int gabi_template_apply(const struct gabi_template *tmpl, const struct gabi_host *host, const struct gabi_mem *mem,
				 struct gabi_host **ret_host, struct gabi_template_modifier *out, size_t cap, size_t *ret_total,
				 struct gabi_diag *diag);

GABI_END
#endif
