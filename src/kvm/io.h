/* SPDX-License-Identifier: MIT */
/* The kernel's calls as the probe and the carrying out of plans make them. */
#ifndef GABI_KVM_IO_H
#define GABI_KVM_IO_H

#include "base/base.h"

/* A caller's struct, which begins with its size_t size, at our size; NULL: all 0. A field that we do not know must be unset, or
 * we would ignore a wish: GABI_ERR_ARG. */
int kvm_take_sized(void *ours, size_t our_size, const void *theirs, struct gabi_diag *diag);

/* ioctl that starts again when a signal came in between; -1 with errno, as ioctl(2). */
int kvm_ioctl(int fd, unsigned long request, void *arg);

/* The value of KVM_CHECK_EXTENSION, 0 where the capability is not known. */
unsigned kvm_cap(int fd, unsigned cap);

/* GABI_ERR_KVM with errno and the sentence "KVM refused to <what>: <errno's meaning>". */
int kvm_refused(struct gabi_diag *diag, const char *what);

/* KVM's device, and a new VM of a type. */
int kvm_open(const char *device, int *ret_fd, struct gabi_diag *diag);
int kvm_vm_new(int kvm, unsigned long type, int *ret_vm, struct gabi_diag *diag);

/* Closes any descriptor that is not negative. */
void kvm_close(int fd);

#endif
