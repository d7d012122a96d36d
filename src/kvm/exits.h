/* SPDX-License-Identifier: MIT */
/* What KVM's statistics say of a virtual processor: reading one costs half of what any call of the processor does, and disturbs nobody. */
#ifndef GABI_KVM_EXITS_H
#define GABI_KVM_EXITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct exits {
	off_t at; /* 0: this KVM does not say, or nobody has asked; then there is no file to close */
	off_t blocking_at; /* 0: this KVM does not say */
	int file;
};

struct exits exits_open(int vcpu);
void exits_close(struct exits *exits);

/* How often it has left the guest. False if it is not known. */
bool exits_read(const struct exits *exits, uint64_t *ret_count);

/* Does it wait in KVM now? False also if that is not known. */
bool exits_is_blocking(const struct exits *exits);

#endif
