/* SPDX-License-Identifier: MIT */
/*
 * libvirt's files, out of a tree (gabi/xml.h). In libgabi-formats, which needs no XML parser for it.
 *
 * A domain is read into the QEMU arguments that libvirt makes of it, as far as they decide what the guest sees of its
 * CPU, so that a domain and a command line mean the same thing in the same place.
 */
#ifndef GABI_LIBVIRT_H
#define GABI_LIBVIRT_H

#include <gabi/host.h>
#include <gabi/xml.h>

GABI_BEGIN

struct gabi_domain;

/*
 * Reads <domain>. What libvirt decides on the host where it starts the domain is decided by `host`: optional and forbidden
 * features, match='minimum' and 'strict', mode='host-model'. With host NULL such a domain is GABI_ERR_ARG.
 *
 * What libvirt refuses is refused: GABI_ERR_UNKNOWN for a name that it or QEMU does not have, with the nearest ones;
 * GABI_ERR_CONFLICT for a host on which libvirt would not start the domain.
 */
GABI_API int gabi_domain_read(const struct gabi_xml_node *root, const struct gabi_host *host, const struct gabi_mem *mem,
			      struct gabi_domain **ret_domain, struct gabi_diag *diag);
GABI_API void gabi_domain_free(struct gabi_domain *domain); /* NULL is fine */

GABI_API enum gabi_arch gabi_domain_arch(const struct gabi_domain *domain);
GABI_API int gabi_domain_is_kvm(const struct gabi_domain *domain);              /* 0: an emulator's */
GABI_API const char *gabi_domain_name(const struct gabi_domain *domain);        /* "" if none */
GABI_API const char *gabi_domain_cpu(const struct gabi_domain *domain);         /* the argument of -cpu; "" where QEMU's own default holds */
GABI_API const char *gabi_domain_machine(const struct gabi_domain *domain);     /* of -machine; "" where none is named */
GABI_API const char *gabi_domain_smp(const struct gabi_domain *domain);         /* of -smp */

/* 1 where libvirt itself sees to it that the guest gets every feature that was asked for: check='partial' and 'full'. */
GABI_API int gabi_domain_is_checked(const struct gabi_domain *domain);

/* What a person should know, one sentence each. */
GABI_API size_t gabi_domain_note_count(const struct gabi_domain *domain);
GABI_API const char *gabi_domain_note(const struct gabi_domain *domain, size_t at);

/*
 * What libvirt says of a host, as a manifest that knows only what has a name there; the fact "source" says so, and it covers no space.
 *
 * <domainCapabilities> (virsh domcapabilities): what its host-model gives a guest, and Hyper-V's enlightenments: GABI_VIEW_GUEST, a lower bound.
 * <capabilities> (virsh capabilities) and its <cpu> alone: the bare CPU, GABI_VIEW_CPU; what libvirt had no name for is missing there
 * as well, and nothing can be pinned from it.
 */
GABI_API int gabi_capabilities_import(const struct gabi_xml_node *root, const struct gabi_mem *mem, struct gabi_host **ret_host,
				      struct gabi_diag *diag);

GABI_END
#endif
