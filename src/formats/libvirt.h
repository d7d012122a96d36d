/* SPDX-License-Identifier: MIT */
/* libvirt's words and QEMU's, for readers and writers: data/models/libvirt.def. */
#ifndef GABI_FORMATS_LIBVIRT_H
#define GABI_FORMATS_LIBVIRT_H

#include <stdbool.h>
#include <stddef.h>

/* QEMU's name of a feature, where libvirt has another; else the same. And back. */
const char *gabi_libvirt_qemu_name(const char *name);
const char *gabi_libvirt_name(const char *qemu);

/* Does libvirt know the feature of arm64? All that it knows, to name those near another. */
bool gabi_libvirt_has_arm64(const char *name);
const char *const *gabi_libvirt_arm64_names(size_t *ret_count);

/* QEMU's property of an element of <hyperv>; NULL if there is none. And back. */
const char *gabi_libvirt_enlightenment(const char *name);
const char *gabi_libvirt_element(const char *property);

#endif
