/* SPDX-License-Identifier: MIT */
/*
 * Nested state: what KVM_GET_NESTED_STATE gives and KVM_SET_NESTED_STATE takes, as bytes. Takes any bytes at all.
 */
#ifndef GABI_NESTED_H
#define GABI_NESTED_H

#include <gabi/evmcs.h>

GABI_BEGIN

#define GABI_NESTED_HEADER   128u
#define GABI_NESTED_NONE     UINT64_MAX /* an address that is not there */
#define GABI_NESTED_MAX      (GABI_NESTED_HEADER + 2 * GABI_VMCS_PAGE)
#define GABI_NESTED_SVM_DATA 4096u
#define GABI_NESTED_SVM_SAVE 1024u /* offset of the save area in an SVM blob's data */

enum gabi_nested_format { GABI_NESTED_VMX, GABI_NESTED_SVM };

enum gabi_nested_flag {
	GABI_NESTED_GUEST_MODE = 0x1,
	GABI_NESTED_RUN_PENDING = 0x2,
	GABI_NESTED_EVMCS = 0x4,
	GABI_NESTED_MTF_PENDING = 0x8,
	GABI_NESTED_GIF_SET = 0x100,
};
enum gabi_nested_smm { GABI_NESTED_SMM_GUEST_MODE = 0x1, GABI_NESTED_SMM_VMXON = 0x2 };
#define GABI_NESTED_DEADLINE 1u /* of vmx_flags */

/* A blob taken apart. Pointers go into the caller's bytes. */
struct gabi_nested {
	uint16_t flags;  /* enum gabi_nested_flag */
	uint16_t format; /* enum gabi_nested_format, or whatever was there */
	uint32_t size;   /* as the header says; for gabi_nested_write: ignored */
	uint64_t vmxon_pa, vmcs12_pa, deadline;
	uint16_t smm_flags;
	uint32_t vmx_flags;
	uint64_t vmcb_pa, gpat;
	const uint8_t *vmcs12; /* VMX: GABI_VMCS_PAGE bytes; NULL if not there in full */
	const uint8_t *shadow; /* VMX: the same */
	const uint8_t *vmcb;   /* SVM: GABI_NESTED_SVM_DATA bytes */
};

/* Takes a blob apart. Shorter than its header, or than it says: GABI_ERR_SCHEMA. Bytes behind the size that it says are
 * ignored, as KVM does. */
GABI_API int gabi_nested_read(const void *blob, size_t len, struct gabi_nested *ret_nested, struct gabi_diag *diag);

/* Puts one together. *ret_len is its length; GABI_ERR_LIMIT if cap is less. */
GABI_API int gabi_nested_write(const struct gabi_nested *nested, void *blob, size_t cap, size_t *ret_len,
			       struct gabi_diag *diag);

/* Has the guest nothing nested: no VMXON region, or none that runs under its VMCB, with interrupts as they start (GIF)? */
GABI_API int gabi_nested_is_empty(const struct gabi_nested *nested);

/* ---- will KVM take it? ---- */

#define GABI_NESTED_MSR_FIRST 0x480u
#define GABI_NESTED_MSRS      20u

/* The vCPU that the state is to be restored to. What is not known stays unknown in the verdict. */
struct gabi_nested_target {
	size_t size;                     /* sizeof(struct gabi_nested_target) */
	const char *release;             /* its kernel */
	uint8_t nested_off;              /* kvm_intel.nested or kvm_amd.nested is 0 */
	uint8_t svm;                     /* 1: an AMD host */
	uint8_t in_smm;
	uint8_t no_vmx;                  /* the guest's CPUID lacks VMX */
	uint8_t no_lbr;                  /* VMX: the guest's IA32_PERF_CAPABILITIES has no format of LBRs */
	struct gabi_evmcs_guest evmcs;
	uint8_t phys_bits, virt_bits;    /* of the guest; 0: 52 and 48 */
	uint8_t lam;                     /* the guest has linear-address masking, which takes bits of CR3 */
	uint32_t msr_known;              /* bit n: msr[n] is known */
	uint64_t msr[GABI_NESTED_MSRS];  /* VMX capability MSRs from 0x480 on, as the VMM reads them */
	uint8_t svme_off;                /* SVM: EFER.SVME is clear */
	uint8_t npt_off;
	uint8_t own_pat;                 /* SVM: KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT is disabled */
	uint64_t cr0;                    /* SVM: the vCPU's now */
	uint64_t cr4, efer;              /* SVM: the bits that its guest may set; 0: not known */
	/* VMX: the bits of IA32_PERF_GLOBAL_CTRL and IA32_DEBUGCTL that its guest may set, and those of which that is not known. */
	uint8_t has_debug;               /* 0: nothing is known of the four */
	uint64_t perf, perf_unsure, debugctl, debugctl_unsure;
};

/*
 * What follows from the guest's CPUID, for a target whose `release`, `svm` and `no_lbr` are set: no_vmx, npt_off where the kernel goes by it,
 * phys_bits, virt_bits, lam, cr4 and efer, and what is about perf and debugctl. `cpuid` gives one register (GABI_EAX to GABI_EDX) of a leaf, 0 where there is none.
 */
GABI_API void gabi_nested_target_cpuid(struct gabi_nested_target *target,
				       uint32_t (*cpuid)(const void *ctx, uint32_t leaf, uint32_t sub, unsigned reg), const void *ctx);

enum gabi_nested_rule {
	GABI_NESTED_ACCEPTED,
#define GABI_NESTED_RULE_ROW(id, number, from, late, sentence) GABI_NESTED_##id,
#include <gabi/nested_rule.def>
	GABI_NESTED_RULE_COUNT
};

enum gabi_nested_note_kind {
#define GABI_NESTED_NOTE_ROW(id, text, sentence) GABI_NESTED_NOTE_##id,
#include <gabi/nested_note.def>
	GABI_NESTED_NOTE_COUNT
};

struct gabi_nested_note {
	uint8_t kind;    /* enum gabi_nested_note_kind */
	uint8_t rule;    /* UNKNOWN: the rule that could not be judged */
	uint16_t offset; /* in the blob; 0 where none applies */
	uint64_t value;
};

#define GABI_NESTED_NOTES 24u

struct gabi_nested_verdict {
	uint8_t rule;    /* the first that refuses: enum gabi_nested_rule; ACCEPTED if none does */
	uint8_t unknown; /* 1: accepted as far as could be judged; the notes say what could not */
	uint8_t late;    /* 1: a refusal would come after the old nested state is gone */
	uint16_t id;     /* the VMCS field; GABI_VMCS_COUNT where it is about none */
	uint16_t offset; /* of the bytes in the blob that are at fault */
	uint64_t value;
	uint8_t notes;
	struct gabi_nested_note note[GABI_NESTED_NOTES];
};

/* What KVM_SET_NESTED_STATE would answer, asked before it is called: rule v10 drops the old state before the later ones are
 * looked at. An answer is a verdict, not an error. */
GABI_API int gabi_nested_check(const void *blob, size_t len, const struct gabi_nested_target *target,
			       struct gabi_nested_verdict *ret_verdict, struct gabi_diag *diag);

GABI_API const char *gabi_nested_rule_number(unsigned rule); /* "v16.pin" */
GABI_API const char *gabi_nested_rule_text(unsigned rule);   /* the sentence */
GABI_API const char *gabi_nested_note_name(unsigned note);
GABI_API const char *gabi_nested_note_text(unsigned note);

/* The rules of group v16 alone, all that a VMCS breaks and not only the first, as far as they can be judged with what is known
 * of the target. *ret_total is the true count. */
struct gabi_nested_breach {
	uint8_t rule;
	uint16_t id;
	uint64_t value;
};
GABI_API void gabi_nested_breaches(const struct gabi_vmcs_layout *layout, const void *page,
				   const struct gabi_nested_target *target, struct gabi_nested_breach *out, size_t cap,
				   size_t *ret_total);

/* ---- conversion ---- */

/* The vmcs12 layout of a kernel, "kvm-6.1"; NULL for one older than 4.18, which has no nested state. */
GABI_API const struct gabi_vmcs_layout *gabi_nested_layout(const char *release);

/*
 * A VMX blob with its VMCS and shadow VMCS in another layout. Everything else, EVMCS flag, SMM state and deadline, is kept.
 * Findings are those of gabi_translation_check with the same flags, of the VMCS first, then of the shadow VMCS (offset +
 * GABI_VMCS_PAGE).
 */
GABI_API int gabi_nested_convert(const void *blob, size_t len, const struct gabi_vmcs_layout *from,
				 const struct gabi_vmcs_layout *to, unsigned flags, const struct gabi_mem *mem, void *out,
				 size_t cap, size_t *ret_len, struct gabi_vmcs_finding *findings, size_t findings_cap,
				 size_t *ret_total, struct gabi_diag *diag);

GABI_END
#endif
