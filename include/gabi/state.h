/* SPDX-License-Identifier: MIT */
/*
 * A VM's saved state: what its virtual processors and the devices inside KVM hold, as data. Guest memory and a VMM's own
 * devices are not of it; a VMM can put parts of its own into the same stream.
 *
 *     saving      gabi_kvm_save (gabi/kvm.h), gabi_state_write (gabi/formats.h)
 *     judging     gabi_state_read, gabi_state_check: may this host load it? Nothing is touched
 *     restoring   gabi_plan_new with that report, gabi_kvm_apply, gabi_kvm_restore
 *
 * Who owns what: a state owns copies of all that was put into it. What its functions return belongs to the state and is valid
 * as long as that and no part is added.
 */
#ifndef GABI_STATE_H
#define GABI_STATE_H

#include <gabi/contract.h>
#include <gabi/nested.h>
#include <gabi/verdict.h>

GABI_BEGIN

struct gabi_state;

#define GABI_STATE_VERSION 1 /* of the stream: the newest that this version writes and reads */

enum gabi_state_kind {
	GABI_STATE_OWN, /* the VMM's own, by its name */
#define GABI_STATE_ROW(id, number, name, arch, scope, form, least, most, needed, what) GABI_STATE_##id = (number),
#include <gabi/state.def>
	GABI_STATE_KIND_END
};

enum gabi_state_form { GABI_STATE_BYTES, GABI_STATE_PAIRS, GABI_STATE_WORDS };

/* A row of gabi/state.def. */
struct gabi_state_row {
	const char *name, *what;
	uint32_t least, most; /* bytes */
	uint8_t kind, arch, scope, form, needed;
};

/* All rows, in the order of the stream; the row of a kind, NULL if there is none. */
GABI_API const struct gabi_state_row *gabi_state_rows(size_t *ret_count);
GABI_API const struct gabi_state_row *gabi_state_row(unsigned kind);

struct gabi_state_pair {
	uint64_t number, value;
};

/* Numbers of the part TSC. */
enum gabi_state_tsc {
	GABI_STATE_TSC_KHZ = 1,    /* KVM_GET_TSC_KHZ */
	GABI_STATE_TSC_OFFSET = 2, /* KVM_VCPU_TSC_OFFSET, where the kernel has it: since Linux 5.16 */
};

/* The key of redistributor pairs under which the lines of private interrupts stand. */
#define GABI_STATE_GIC_PRIVATE 0x100000000u

/* In pairs of a GICv2's processor: what is added to the offset of its own registers of the distributor. */
#define GABI_STATE_GIC2_DIST 0x100000000u

struct gabi_state_part {
	uint16_t kind;    /* enum gabi_state_kind; never one of the form WORDS */
	uint16_t vp;      /* GABI_VP_ALL: the VM's */
	const char *name; /* its row's, or the VMM's own */
	const void *data; /* BYTES; or struct gabi_state_pair */
	size_t len;       /* bytes */
};

#define GABI_STATE_MAX_VPS 4096

/* vps: how many virtual processors it is of, at most GABI_STATE_MAX_VPS. NULL if memory is short. */
GABI_API struct gabi_state *gabi_state_new(enum gabi_arch arch, unsigned vps, const struct gabi_mem *mem);
GABI_API void gabi_state_free(struct gabi_state *state); /* NULL is fine */

GABI_API enum gabi_arch gabi_state_arch(const struct gabi_state *state);
GABI_API unsigned gabi_state_vps(const struct gabi_state *state);

/* The digest of the contract that the VM runs under, and the kernel that it was saved on (uname -r). */
GABI_API void gabi_state_set_digest(struct gabi_state *state, const uint8_t digest[GABI_DIGEST_LEN]);
GABI_API const uint8_t *gabi_state_digest(const struct gabi_state *state); /* GABI_DIGEST_LEN bytes */
GABI_API int gabi_state_set_release(struct gabi_state *state, const char *release, struct gabi_diag *diag);
GABI_API const char *gabi_state_release(const struct gabi_state *state); /* "" if not known */

/* Adds a part of the form BYTES or PAIRS, which is copied. What its row does not allow is GABI_ERR_RANGE. */
GABI_API int gabi_state_add(struct gabi_state *state, enum gabi_state_kind kind, unsigned vp, const void *data, size_t len,
			    struct gabi_diag *diag);

/* Adds a part of the VMM's own, which gabi carries unread. Its name is 1 to 63 characters of a-z, 0-9, '-' and '.'. */
GABI_API int gabi_state_add_own(struct gabi_state *state, const char *name, unsigned vp, const void *data, size_t len,
				struct gabi_diag *diag);

/* Adds a register: an MSR (space MSR_STATE), or one of arm64 (ARM64 or ARM64_STATE). word->vp is its virtual processor. */
GABI_API int gabi_state_add_word(struct gabi_state *state, const struct gabi_word *word, struct gabi_diag *diag);

/* Sorts, and checks that nothing is there twice and nothing that is needed is missing. To be called once, after the last part;
 * what reads a state wants it sealed. */
GABI_API int gabi_state_seal(struct gabi_state *state, struct gabi_diag *diag);

/* Parts, the VM's first, then by virtual processor, each in the order of gabi/state.def, and the VMM's own by name. */
GABI_API const struct gabi_state_part *gabi_state_parts(const struct gabi_state *state, size_t *ret_count);
GABI_API const struct gabi_state_part *gabi_state_find(const struct gabi_state *state, enum gabi_state_kind kind, unsigned vp);
GABI_API const struct gabi_state_part *gabi_state_find_own(const struct gabi_state *state, const char *name, unsigned vp);

/* Registers, by key and then virtual processor. */
GABI_API const struct gabi_word *gabi_state_words(const struct gabi_state *state, size_t *ret_count);

/*
 * May this host load it? Judges the contract, and of the state what the host cannot load: it may be dropped where it holds the
 * value that the host's guests see without it (GABI_FINDING_DROP_IF_UNUSED), and else blocks (GABI_FINDING_CANNOT_LOAD). A
 * register of the host that neither the state nor this version of gabi knows makes the verdict unknown, unless it is a bitmap
 * of firmware services, which is written zero. A state that was not saved under this contract is GABI_ERR_CONFLICT, one of
 * another architecture GABI_ERR_ARCH.
 *
 * A plan made with the report holds a GABI_OP_DROP_IF_EQUAL for every register that is dropped.
 */
GABI_API int gabi_state_check(const struct gabi_state *state, const struct gabi_contract *contract, const struct gabi_host *host,
			      struct gabi_report **ret_report, struct gabi_diag *diag);

/* Fills in of a target for gabi_nested_check what the state itself says of the virtual processor: mode, control registers,
 * capability MSRs but for those that KVM lists as no state (0x487, 0x489). The kernel, these, and what the guest's CPUID says are the
 * caller's to add. */
GABI_API void gabi_state_nested_target(const struct gabi_state *state, unsigned vp, struct gabi_nested_target *target);

/* Offsets in the kernel's structs that gabi itself looks at. */
#define GABI_STATE_SREGS_CR0   224 /* struct kvm_sregs and kvm_sregs2 */
#define GABI_STATE_SREGS_EFER  264
#define GABI_STATE_EVENTS_SMM  24 /* struct kvm_vcpu_events of x86 */

GABI_END
#endif
