/* SPDX-License-Identifier: MIT */
/* A VM whose guest is a hypervisor (guest/l1.h), to be stopped, saved, and gone on with elsewhere. */
#ifndef LAB_NESTED_VM_H
#define LAB_NESTED_VM_H

#include <gabi/nested.h>

#include "../guest/l1.h"
#include "kvm/uapi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nested_vm {
	enum l1_kind kind;
	int kvm, vm, vcpu;
	struct kvm_run *run;
	uint8_t *memory;
	struct kvm_cpuid2 *cpuid;
};

/* Says what failed, with errno's meaning, and ends the program. */
_Noreturn void give_up(const char *what);

/* The kinds of hypervisor that this machine's KVM can run. */
bool nested_vm_can(enum l1_kind kind);
const char *nested_vm_kind(enum l1_kind kind); /* "svm" */

/* Is that parameter of KVM's module on? "kvm_amd/parameters/npt" */
bool nested_module_has(const char *parameter);

/* A VM at its guest's entry, which is to make that many rounds. */
void nested_vm_new(struct nested_vm *vm, enum l1_kind kind, unsigned rounds);
void nested_vm_free(struct nested_vm *vm);

enum nested_stop { STOP_L1, STOP_L2, STOP_END };

/* Runs to the guest's next stop, where its instruction is done. */
enum nested_stop nested_vm_run(struct nested_vm *vm);

/* Enters the guest once, and why KVM came back: KVM_EXIT_... */
unsigned nested_vm_enter(struct nested_vm *vm);

/* The flags of its nested state now: enum gabi_nested_flag. */
unsigned nested_vm_flags(const struct nested_vm *vm);

const struct l1_page *nested_vm_page(const struct nested_vm *vm);

/* What L2 computes in so many rounds. */
uint64_t nested_vm_chain(unsigned rounds);

/* ---- state ---- */

struct saved_part {
	char name[16];
	uint8_t *bytes;
	size_t len;
};

/* Everything that the guest goes on with. The nested state is the part "nested", memory "memory". */
struct saved {
	struct saved_part part[16];
	size_t count;
};

void nested_vm_save(const struct nested_vm *vm, struct saved *saved);

/* Into a VM that has not run. The nested state's errno if KVM refuses that; anything else that it refuses ends the program. */
int nested_vm_restore(struct nested_vm *vm, const struct saved *saved);

/* Another value for an MSR that the state has. */
void saved_set_msr(const struct saved *saved, uint32_t index, uint64_t value);

const struct saved_part *saved_find(const struct saved *saved, const char *name);
void saved_free(struct saved *saved);

/* One line for each part: name, part, length, then offset:bytes for what differs from a new VM's. */
void saved_print(const struct saved *saved, const char *name);

/* Adds a line's part if the line is of that name; false if it is not. */
bool saved_parse(struct saved *saved, char *line, const char *name);

/* ---- rules ---- */

/* What is mutated, where KVM cannot make it itself: saved while its module still had nested virtualisation. */
struct nested_bases {
	uint8_t l1[GABI_NESTED_MAX], l2[GABI_NESTED_MAX];
	struct kvm_sregs sregs;
};

/* Tries mutated nested states, the same for the same seed, and prints for each rule how many KVM decided as gabi does. The number of those
 * that it did not. `bases` NULL: they are made here. */
unsigned nested_rules(const char *release, const struct nested_bases *bases, uint64_t seed, unsigned count);

#endif
