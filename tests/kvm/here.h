/* SPDX-License-Identifier: MIT */
/* What the tests on this machine's own KVM share: its manifest, the contract of all that it offers, and VMs of that contract. */
#ifndef GABI_TEST_HERE_H
#define GABI_TEST_HERE_H

#include <gabi/contract.h>
#include <gabi/kvm.h>
#include <gabi/plan.h>
#include <gabi/verdict.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

extern struct gabi_host *here_host;
extern struct gabi_contract *here_contract;

#define REQUIRE(call)                                                                    \
	do {                                                                             \
		struct gabi_diag diag = { 0 };                                           \
		if (call)                                                                \
			fail_msg("%s %s (errno %d)", diag.where, diag.text, diag.sys_errno); \
	} while (0)

struct gabi_kvm_vm *here_vm(const struct gabi_kvm_vm_options *options);
struct gabi_plan *here_plan(const struct gabi_contract *contract);

/* Set-up and tear-down of a group. */
int here_begin(void **unused);
int here_end(void **unused);

/* Where there is no KVM the status of a skip, with the reason; else 0. */
int here_skip(void);

#endif
