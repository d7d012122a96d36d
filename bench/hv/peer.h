/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls, as far as they are there: weak, so that the measurement runs without them. */
#ifndef PEER_H
#define PEER_H

#include <stdint.h>

enum { PEER_RAX = 0, PEER_RCX = 1, PEER_RDX = 2, PEER_R8 = 8, PEER_REGS = 17 };

/* One virtual processor in 64-bit kernel mode. enforce: what the guest may do is asked for every call. */
typedef uint64_t *peer_setup(unsigned vps, unsigned enforce, void *ram, uint64_t ram_len); /* its registers */
typedef void peer_call(void);
typedef uint64_t *peer_xmm(void); /* XMM0 to XMM5, two words each */

peer_setup kvm_setup __attribute__((weak)), kvm_tables_setup __attribute__((weak));
peer_call kvm_call __attribute__((weak)), kvm_tables_call __attribute__((weak));
peer_xmm kvm_xmm __attribute__((weak)), kvm_tables_xmm __attribute__((weak));

#endif
