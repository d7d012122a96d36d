/* SPDX-License-Identifier: MIT */
/*
 * The vocabulary: what can be guest-visible, its bits, its names, and how each field compares.
 *
 * Every fact is one row in a table (gabi/cpuid.def, msr.def, hyperv.def, cap.def, arm64.def, vm.def), with its source.
 * The tables are constant data: every function here is pure and may be called from any thread.
 */
#ifndef GABI_VOCAB_H
#define GABI_VOCAB_H

#include <gabi/word.h>

GABI_BEGIN

enum gabi_rule {
#define GABI_RULE_ROW(name, text, what) GABI_RULE_##name,
#include <gabi/rule.def>
	GABI_RULE_COUNT
};

/* Numbers of the space VM. */
enum gabi_vm {
#define GABI_VM_ROW(id, number, name, scope, kind, rule, when, what) GABI_VM_##id = (number),
#include <gabi/vm.def>
};

/* Numbers of the space CAP: GABI_KVM_CAP_NESTED_STATE and the like. */
enum gabi_kvm_cap {
#define GABI_CAP_ROW(name, number, kind) GABI_KVM_CAP_##name = (number),
#include <gabi/cap.def>
};

/* How a field's number is to be read and printed. */
enum gabi_kind {
	GABI_KIND_FLAG,    /* one bit: there or not */
	GABI_KIND_MASK,    /* several bits, each there or not, without names of their own */
	GABI_KIND_UINT,    /* a number */
	GABI_KIND_INT,     /* a two's complement number (arm64 ID fields such as FP and AdvSIMD) */
	GABI_KIND_SIZE,    /* bytes */
	GABI_KIND_TEXT,    /* ASCII bytes, lowest first */
	GABI_KIND_VERSION, /* major in bits 31:16, minor in 15:0 */
	GABI_KIND_HZ,      /* a frequency; the row's name says the unit */
	GABI_KIND_LENGTHS, /* a set of vector lengths: bit n stands for (n + 1) * 128 bits */
};

/* What becomes of a feature that the host has and the guest is not told of. */
enum gabi_hide {
	GABI_HIDE_FAULTS,     /* the guest cannot use it: the instruction or register faults */
	GABI_HIDE_CPUID_ONLY, /* the guest does not see it, but it still works if tried */
	GABI_HIDE_NO,         /* it cannot be hidden */
};

struct gabi_field {
	const char *name;    /* as QEMU spells it where QEMU has a name, else libvirt, Linux, the Arm ARM */
	const char *aliases; /* other tools' names, each as "tool:name", separated by spaces; "" if none */
	const char *when;    /* name of the field that must be promised for this one to matter; "" if always */
	const char *source;  /* where the row was read */
	struct gabi_key key; /* for a run of subleaves or parts: the first */
	uint32_t sub_last;   /* last subleaf of the run (>= key.sub) */
	uint8_t lo;          /* lowest bit in the word */
	uint8_t bits;        /* width; lo + bits <= 64 */
	uint8_t kind;        /* enum gabi_kind */
	uint8_t rule;        /* enum gabi_rule */
	uint8_t hide;        /* enum gabi_hide */
	uint64_t absent;     /* the value that means "not there", unshifted */
};

#define GABI_REG_RUNS 2u /* a running counter: no value of it says that it is not in use */

/* A register: a leaf, an MSR, a capability, an arm64 register. */
struct gabi_reg {
	const char *name;    /* "IA32_ARCH_CAPABILITIES", "KVM_CAP_NESTED_STATE", "ID_AA64PFR0_EL1", "CPUID.7" */
	const char *when;    /* name of the field that must be promised for a guest to reach it; "" if always or not known */
	const char *source;
	struct gabi_key key; /* part and, for a run of subleaves, sub are the first */
	uint32_t sub_last;   /* last subleaf that the row speaks of */
	uint8_t scope;       /* enum gabi_scope */
	uint8_t same;        /* 1: must be equal on all virtual processors of a VM */
	uint8_t resets_to_0; /* state: 1 where an untouched register reads 0, so that it can be dropped when it does; GABI_REG_RUNS */
};

/* All fields, sorted by space, index, sub, part, lo. */
GABI_API const struct gabi_field *gabi_fields(size_t *ret_count);

/* The fields of one word, sorted by lo; NULL and 0 where it has none. */
GABI_API const struct gabi_field *gabi_fields_of(const struct gabi_key *key, size_t *ret_count);

/* The field whose name or alias that is ("avx512f", "libvirt:pcid" or just "pcid"); NULL if none, or if another
 * architecture's. '_' and '-' are the same. */
GABI_API const struct gabi_field *gabi_field_by_name(const char *name, enum gabi_arch arch);

/* The next of the fields that a name stands for, after one of them; NULL where there is no more. Some names of QEMU set
 * several bits: "hv-time", "kvmclock", or "pae", of which AMD has a copy in another leaf. */
GABI_API const struct gabi_field *gabi_field_by_name_next(const char *name, enum gabi_arch arch, const struct gabi_field *after);
#define GABI_FIELDS_OF_NAME 4 /* no name stands for more */

/* The field that must be promised for this one, or for this register, to matter; NULL if it always does. */
GABI_API const struct gabi_field *gabi_field_when(const struct gabi_field *field);

/* 1 where KVM can give the feature to a guest whose host's CPU does not show it (gabi/emulated.def). */
GABI_API int gabi_field_is_emulated(const struct gabi_field *field);

/* All registers, sorted by space, index, sub. */
GABI_API const struct gabi_reg *gabi_regs(size_t *ret_count);

/* The register that a word belongs to; NULL if it has no row. */
GABI_API const struct gabi_reg *gabi_reg_of(const struct gabi_key *key);

/* The register of that name; NULL if none. */
GABI_API const struct gabi_reg *gabi_reg_by_name(const char *name);

GABI_API const struct gabi_field *gabi_reg_when(const struct gabi_reg *reg);

/* What guests may be shown of a word where the host has `value`: that, and what asks nothing of a host which has the rest
 * (IA32_ARCH_CAPABILITIES: fb-clear, by the bits of a CPU that has nothing to clear). */
GABI_API uint64_t gabi_showable(const struct gabi_key *key, uint64_t value);

/* One value of a field taken out of its word; sign-extended for GABI_KIND_INT. */
GABI_API int64_t gabi_field_get(const struct gabi_field *field, uint64_t word);

/* The space of an arm64 register by its KVM id: ARM64 if its value is a promise (it tells the guest what there is), and
 * ARM64_STATE if it only has to be saved and loaded. By class and encoding, so that a register without a row has a space
 * too; GABI_SPACE_NONE where the id is not one of arm64. */
GABI_API enum gabi_space gabi_arm64_space(uint64_t id);

/* The width that a KVM register id of arm64 carries, 8 to 2048 bits; 0 where it is no such id. */
GABI_API unsigned gabi_arm64_bits(uint64_t id);

/* A word of the space SMCCC: what becomes of the calls from its key's function id on. KVM does not answer them. */
enum gabi_smccc {
	GABI_SMCCC_DENY = 1,   /* the guest is told NOT_SUPPORTED */
	GABI_SMCCC_TO_VMM = 2, /* the VMM answers */
};
#define GABI_SMCCC_WORD(action, functions) ((uint64_t)(action) << 32 | (uint32_t)(functions))
#define GABI_SMCCC_ACTION(word) ((word) >> 32)
#define GABI_SMCCC_FUNCTIONS(word) ((uint32_t)(word))

GABI_API const char *gabi_rule_text(unsigned rule); /* "subset" */
GABI_API const char *gabi_rule_what(unsigned rule); /* the sentence of rule.def */

/* Writes the key as a person types it, "cpuid 0x7.0 ebx", "msr 0x10a", "arm64 0x603000000013c030", always with a final
 * NUL; returns the length without it, or what it would have been had cap sufficed. */
GABI_API size_t gabi_key_print(const struct gabi_key *key, char *out, size_t cap);

/* Writes one field's full name, with the subleaf where its row is a run ("xsave-size[2]"); as gabi_key_print. */
GABI_API size_t gabi_field_print(const struct gabi_field *field, const struct gabi_key *key, char *out, size_t cap);

GABI_END
#endif
