/* SPDX-License-Identifier: MIT */
/* libvirt's words and QEMU's, for readers and writers: data/models/libvirt.def. */
#ifndef GABI_FORMATS_LIBVIRT_H
#define GABI_FORMATS_LIBVIRT_H

/* QEMU's name of a feature, where libvirt has another; else the same. And back. */
const char *gabi_libvirt_qemu_name(const char *name);
const char *gabi_libvirt_name(const char *qemu);

/* QEMU's property of an element of <hyperv>; NULL if there is none. And back. */
const char *gabi_libvirt_enlightenment(const char *name);
const char *gabi_libvirt_element(const char *property);

#endif
