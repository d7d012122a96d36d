/* SPDX-License-Identifier: MIT */
/*
 * VMCS fields, and the layouts in which hypervisors keep them in memory.
 *
 * A layout is chosen by revision id and a named variant, since one revision id has had several. Every function here is pure; a
 * page is always GABI_VMCS_PAGE bytes, in the little-endian form of x86, and may hold any bytes at all.
 */
#ifndef GABI_VMCS_H
#define GABI_VMCS_H

#include <gabi/err.h>
#include <gabi/mem.h>
#include <gabi/vocab.h>

GABI_BEGIN

#define GABI_VMCS_PAGE 4096u

/* ---- fields ---- */

/* A field's number in this version of the library. For tables; what is stored or sent is the encoding. */
enum gabi_vmcs_id {
#define GABI_VMCS_FIELD_ROW(encoding, name, sdm, tlfs, word, bit, source) GABI_VMCS_##name,
#include <gabi/vmcs_field.def>
	GABI_VMCS_COUNT
};

/* Bits 14:13 and 11:10 of an encoding (SDM vol. 3, 25.11.2). */
enum gabi_vmcs_width { GABI_VMCS_16, GABI_VMCS_64, GABI_VMCS_32, GABI_VMCS_NATURAL };
enum gabi_vmcs_type { GABI_VMCS_CONTROL, GABI_VMCS_EXIT_INFO, GABI_VMCS_GUEST, GABI_VMCS_HOST };

/* The words of control bits. */
enum gabi_vmcs_word {
	GABI_VMCS_WORD_NONE,
#define GABI_VMCS_CONTROL_ROW(word, id, name, msr, true_msr, shift, bits, default1) GABI_VMCS_WORD_##word,
#include <gabi/vmcs_control.def>
	GABI_VMCS_WORD_COUNT
};

struct gabi_vmcs_field {
	const char *name;  /* Linux: "GUEST_RIP" */
	const char *sdm;   /* "Guest RIP" */
	const char *tlfs;  /* "GuestRip"; "" where the TLFS has no such field */
	uint16_t encoding; /* of the full access */
	uint8_t word, bit; /* the control that must be 1 for the processor to use the field; enum gabi_vmcs_word */
};

struct gabi_vmcs_encoding {
	uint8_t width;  /* enum gabi_vmcs_width */
	uint8_t type;   /* enum gabi_vmcs_type */
	uint8_t high;   /* 1: the upper 32 bits of a 64-bit field */
	uint8_t bytes;  /* that such a field takes in memory: 2, 4 or 8; natural width is 8 always */
	uint16_t index; /* 0 to 511 */
};

/* All fields by id, which is in order of encoding. */
GABI_API const struct gabi_vmcs_field *gabi_vmcs_fields(size_t *ret_count);

/* The field of that encoding; for a high access that of its full field. NULL if there is none. */
GABI_API const struct gabi_vmcs_field *gabi_vmcs_field_of(uint32_t encoding);

/* The field of that name: Linux's, with or without "_HIGH", the SDM's or the TLFS's; upper and lower case are the same. NULL if
 * none. */
GABI_API const struct gabi_vmcs_field *gabi_vmcs_field_by_name(const char *name);

/* Any encoding, known or not. Reserved bits set, or a high access to a field that is not 64 bits wide: GABI_ERR_RANGE. */
GABI_API int gabi_vmcs_decode(uint32_t encoding, struct gabi_vmcs_encoding *ret_encoding, struct gabi_diag *diag);

GABI_API const char *gabi_vmcs_width_text(unsigned width); /* "16", "64", "32", "natural" */
GABI_API const char *gabi_vmcs_type_text(unsigned type);   /* "control", "exit-info", "guest", "host" */

/* ---- control bits ---- */

struct gabi_vmcs_control {
	const char *name;  /* "pin-based" */
	uint16_t id;       /* the field that holds the word: enum gabi_vmcs_id */
	uint8_t shift;     /* bit n of the word is bit n + shift of the MSR */
	uint8_t bits;      /* width of the word: 32 or 64 */
	uint32_t msr;      /* the capability MSR that says which bits may be 1 */
	uint32_t true_msr; /* the one that says which must be 1, if IA32_VMX_BASIC[55], and names the bits; else 0 */
	uint32_t default1; /* bits that are 1 unless a TRUE MSR says that they need not be */
};

GABI_API const struct gabi_vmcs_control *gabi_vmcs_control(unsigned word); /* NULL for NONE and what is no word */

/* The control word that a field holds, or GABI_VMCS_WORD_NONE. */
GABI_API enum gabi_vmcs_word gabi_vmcs_word_of(unsigned id);

/* The vocabulary's row for one control bit ("vmx-tsc-scaling"); NULL if it has no name. */
GABI_API const struct gabi_field *gabi_vmcs_control_bit(unsigned word, unsigned bit);

/* Whether a processor would use a field of this VMCS, by its control; `get` gives the value of a control field. */
GABI_API int gabi_vmcs_used(unsigned id, uint64_t (*get)(const void *ctx, unsigned id), const void *ctx);

/* ---- layouts ---- */

enum gabi_vmcs_family {
#define GABI_VMCS_FAMILY_ROW(name, text, what) GABI_VMCS_FAMILY_##name,
#include <gabi/vmcs_layout.def>
	GABI_VMCS_FAMILY_COUNT
};

struct gabi_vmcs_layout {
	const char *name;       /* "kvm-6.1" */
	const char *what;       /* one sentence */
	uint32_t revision;      /* bits 30:0 of the page's first word; 0: not fixed */
	uint16_t size;          /* bytes that the format speaks of */
	uint16_t header;        /* bytes at the start that are no fields: revision id, abort indicator and the like */
	uint16_t since;         /* KVM's first release with it: 508 is 5.8; 0: not KVM's */
	uint16_t launch;        /* offset of a 32-bit launch state, 0 clear and 1 launched; 0: none, or other numbers */
	uint8_t family;         /* enum gabi_vmcs_family */
	const uint16_t *offset; /* by field id; 0: the layout has no such field */
};

GABI_API const struct gabi_vmcs_layout *gabi_vmcs_layouts(size_t *ret_count);
GABI_API const struct gabi_vmcs_layout *gabi_vmcs_layout_by_name(const char *name); /* NULL if none */
GABI_API const char *gabi_vmcs_family_text(unsigned family);                        /* "vmcs12" */

/* KVM's vmcs12 as a release of Linux had it, "3.15" or "6.12.0-4-amd64"; NULL for one older than 3.1. */
GABI_API const struct gabi_vmcs_layout *gabi_vmcs_layout_of_release(const char *release);

/* The field's value, zero-extended; *ret_value is left alone and GABI_ERR_UNKNOWN returned where the layout has no such field.
 */
GABI_API int gabi_vmcs_get(const struct gabi_vmcs_layout *layout, const void *page, unsigned id, uint64_t *ret_value);

/* A value that the field cannot hold is GABI_ERR_RANGE. */
GABI_API int gabi_vmcs_set(const struct gabi_vmcs_layout *layout, void *page, unsigned id, uint64_t value);

/* An empty page of that layout: its revision id, or `revision` where the layout fixes none, and zeroes. */
GABI_API void gabi_vmcs_init(const struct gabi_vmcs_layout *layout, uint32_t revision, void *page);

/* The first byte at or after `from` that is not zero and belongs to nothing in the layout (no field, header or member of the
 * format);
 * GABI_VMCS_PAGE if there is none. */
GABI_API size_t gabi_vmcs_stray(const struct gabi_vmcs_layout *layout, const void *page, size_t from);

/* Bits that no processor accepts otherwise: 1 in a field that has been written, and 0 always. Both 0 where nothing is known. */
GABI_API void gabi_vmcs_reserved(unsigned id, uint64_t *ret_ones, uint64_t *ret_zeros);

/* ---- which layout a page has ---- */

enum gabi_vmcs_evidence_kind {
#define GABI_VMCS_EVIDENCE_ROW(name, weight, text) GABI_VMCS_EVIDENCE_##name,
#include <gabi/vmcs_evidence.def>
	GABI_VMCS_EVIDENCE_COUNT
};

enum gabi_vmcs_weight { GABI_VMCS_NOTE, GABI_VMCS_FOR, GABI_VMCS_AGAINST };

struct gabi_vmcs_evidence {
	uint8_t kind;    /* enum gabi_vmcs_evidence_kind */
	uint16_t id;     /* the field; GABI_VMCS_COUNT where it is about none */
	uint16_t offset; /* of the field or byte in the page */
	uint64_t value;  /* what is there */
};

#define GABI_VMCS_EVIDENCE_MAX 64u

/* Whether a page can have a layout: possible if nothing speaks against it. Evidence is in order of offset within its kind. */
struct gabi_vmcs_match {
	uint8_t possible;
	uint8_t count; /* pieces of evidence */
	uint8_t fors;  /* of which speak for it */
	struct gabi_vmcs_evidence evidence[GABI_VMCS_EVIDENCE_MAX];
};

GABI_API void gabi_vmcs_match(const struct gabi_vmcs_layout *layout, const void *page, struct gabi_vmcs_match *ret_match);
GABI_API enum gabi_vmcs_weight gabi_vmcs_evidence_weight(unsigned kind);
GABI_API const char *gabi_vmcs_evidence_text(unsigned kind);

/* ---- translation ---- */

/* From one layout to another, compiled once into copies of whole runs; never changes a revision id. */
struct gabi_translation;

enum gabi_vmcs_set {
	GABI_VMCS_SET_ALL, /* every field that both have, and the launch state if both have one */
	GABI_VMCS_SET_IN,  /* what a hypervisor takes from an enlightened VMCS on entry */
	GABI_VMCS_SET_OUT, /* what it gives back on exit */
};

/* mem NULL: malloc and free. IN and OUT want an enlightened VMCS on the one side and something else on the other. */
GABI_API int gabi_translation_new(const struct gabi_vmcs_layout *from, const struct gabi_vmcs_layout *to,
				  enum gabi_vmcs_set set, const struct gabi_mem *mem, struct gabi_translation **ret_translation,
				  struct gabi_diag *diag);
GABI_API void gabi_translation_free(struct gabi_translation *translation); /* NULL is fine */

/* Copies the fields; bytes of `to` that belong to no field of the set stay as they are. The pages must not overlap. May be
 * called from any number of threads. */
GABI_API void gabi_translation_run(const struct gabi_translation *translation, const void *from, void *to);

/* Writes a whole new page of the target's layout: its revision id (that of `from` where the layout fixes none), bit 31 as in
 * `from`, what `from` has no field for as such a hypervisor behaves, and the copied fields. */
GABI_API void gabi_translation_make(const struct gabi_translation *translation, const void *from, void *to);

/* As gabi_translation_run for what is dirty: a bit of `clean` that is 1 says that nothing of that group has changed since `to`
 * was last written. Where neither side is an enlightened VMCS, everything is copied unless `clean` is GABI_EVMCS_ALL_CLEAN. */
GABI_API void gabi_translation_run_dirty(const struct gabi_translation *translation, const void *from, void *to,
					 uint32_t clean);

/* How many runs and how many bytes the full copy takes. */
GABI_API size_t gabi_translation_runs(const struct gabi_translation *translation, size_t *ret_bytes);

/* Which code carries it out on this CPU: "avx512", "avx2", "direct" or "runs". */
GABI_API const char *gabi_translation_path(const struct gabi_translation *translation);

/* Makes it use another one; for tests and measurements. GABI_ERR_UNSUPPORTED if this CPU or this pair has it not. */
GABI_API int gabi_translation_use(struct gabi_translation *translation, const char *path);

enum gabi_vmcs_finding_kind {
#define GABI_VMCS_FINDING_ROW(name, text, harm, sentence) GABI_VMCS_FINDING_##name,
#include <gabi/vmcs_finding.def>
	GABI_VMCS_FINDING_COUNT
};

struct gabi_vmcs_finding {
	uint8_t kind;    /* enum gabi_vmcs_finding_kind */
	uint16_t id;     /* the field; GABI_VMCS_COUNT where it is about none */
	uint16_t offset; /* in the page that is read */
	uint64_t value;  /* what is there */
};

#define GABI_VMCS_NARROW_HOST 1u /* the target runs on a 32-bit host; what is written is whole all the same */

/* What would not come over, of this page. *ret_total is the true count, however many `cap` takes. */
GABI_API void gabi_translation_check(const struct gabi_translation *translation, const void *from, unsigned flags,
				     struct gabi_vmcs_finding *out, size_t cap, size_t *ret_total);

GABI_API const char *gabi_vmcs_finding_text(unsigned kind);     /* "lost" */
GABI_API const char *gabi_vmcs_finding_sentence(unsigned kind);
GABI_API int gabi_vmcs_finding_harms(unsigned kind);            /* 1 or 0 */

GABI_END
#endif
