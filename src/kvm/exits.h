/* SPDX-License-Identifier: MIT */
/* How often a virtual processor has left the guest, by KVM's statistics: reading it costs half of what any call of the processor does. */
#ifndef GABI_KVM_EXITS_H
#define GABI_KVM_EXITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct exits {
	off_t at; /* 0: this KVM does not say, or nobody has asked; then there is no file to close */
	int file;
};

struct exits exits_open(int vcpu);
void exits_close(struct exits *exits);

/* False if it is not known. */
bool exits_read(const struct exits *exits, uint64_t *ret_count);

#endif
