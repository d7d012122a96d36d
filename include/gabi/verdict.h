/* SPDX-License-Identifier: MIT */
/*
 * Verdicts: does a contract fit a host, may it go there and come back, what does a change of host mean, and what do
 * several hosts have in common.
 *
 * "Fits" means both: the host gives all that the contract lists, and can hide all that it does not list. A verdict is a
 * result and never an error; the functions here fail only for want of memory or for wrong arguments.
 */
#ifndef GABI_VERDICT_H
#define GABI_VERDICT_H

#include <gabi/change.h>
#include <gabi/contract.h>
#include <gabi/host.h>
#include <gabi/vocab.h>

GABI_BEGIN

enum gabi_verdict { GABI_FITS, GABI_FITS_WITH_ACTIONS, GABI_UNKNOWN, GABI_DOES_NOT_FIT };

enum gabi_weight { GABI_WEIGHT_NOTE, GABI_WEIGHT_ACTION, GABI_WEIGHT_UNKNOWN, GABI_WEIGHT_BLOCK };

enum gabi_finding_kind {
	GABI_FINDING_NONE,
#define GABI_FINDING_ROW(name, text, weight, consequence) GABI_FINDING_##name,
#include <gabi/finding.def>
	GABI_FINDING_COUNT
};

/* Who makes a difference. */
enum gabi_cause {
	GABI_CAUSE_NONE,
	GABI_CAUSE_CPU,
	GABI_CAUSE_MICROCODE,
	GABI_CAUSE_FIRMWARE,
	GABI_CAUSE_KERNEL,
	GABI_CAUSE_MODULE, /* a module parameter: finding.param names it */
	GABI_CAUSE_TOOL,   /* the VMM or the tool that wrote the file */
	GABI_CAUSE_VM,     /* what the VM's owner chose */
};

struct gabi_finding {
	const struct gabi_field *field; /* NULL where no row covers the bits; then key, lo and bits say which */
	struct gabi_key key;
	uint8_t lo, bits;
	uint8_t kind;   /* enum gabi_finding_kind */
	uint8_t weight; /* enum gabi_weight; its kind's, except that diff and rollback may weigh otherwise */
	uint8_t cause;  /* enum gabi_cause */
	uint8_t effect; /* diff: enum gabi_effect */
	uint16_t vp;    /* GABI_VP_ALL, or the virtual processor whose own promise it is */
	uint8_t has_want, has_have; /* 0: there is no such word on that side, or it is not known */
	uint64_t want;  /* the contract's (or the first host's) value of the field */
	uint64_t have;  /* the host's (or the second host's) */
	const struct gabi_change *change; /* the row of data/changes that explains it; NULL if none does */
	const char *param;                /* "kvm_intel.nested" where a module parameter does; else NULL; lives as long as the host */
	uint16_t host;                    /* which host of several, by position */
	uint16_t line;                    /* 1 + where in change->also stands the release of the host's own line; 0: none does */
	uint8_t taken_away;               /* 1: the host's kernel has the change */
};

#define GABI_REPORT_SCHEMA 1 /* of the JSON form */

/* The outcome of one question. Owned by the caller once returned. */
struct gabi_report;

GABI_API void gabi_report_free(struct gabi_report *report); /* NULL is fine */
GABI_API enum gabi_verdict gabi_report_verdict(const struct gabi_report *report);

/* Findings, heaviest first, then by key. Field, change and param pointers live as long as the objects they came from. */
GABI_API const struct gabi_finding *gabi_report_findings(const struct gabi_report *report, size_t *ret_count);

/* Texts, each with a final NUL; they return the length, or what it would have been had cap sufficed. The name is the
 * field's, else the register's with the bits, else the key; a value is printed as its kind wants it, "-" where there is
 * none; the consequence is one for the guest; the remedy is something one can do, or "". */
GABI_API size_t gabi_finding_name(const struct gabi_finding *finding, char *out, size_t cap);
GABI_API size_t gabi_finding_values(const struct gabi_finding *finding, int have, char *out, size_t cap);
GABI_API size_t gabi_finding_consequence(const struct gabi_finding *finding, char *out, size_t cap);
GABI_API size_t gabi_finding_remedy(const struct gabi_finding *finding, char *out, size_t cap);

/* Of a VMX capability: which word it is of and what is wrong, "secondary controls: host cannot do", and the same with the name,
 * "secondary controls: host cannot do tsc-scaling". "" for any other. */
GABI_API size_t gabi_finding_topic(const struct gabi_finding *finding, char *out, size_t cap);
GABI_API size_t gabi_finding_words(const struct gabi_finding *finding, char *out, size_t cap);

GABI_API const char *gabi_verdict_text(unsigned verdict); /* "fits with actions" */
GABI_API const char *gabi_finding_text(unsigned kind);    /* "missing" */
GABI_API const char *gabi_weight_text(unsigned weight);   /* "block" */
GABI_API const char *gabi_cause_text(unsigned cause);     /* "kernel" */

/* Does the contract fit? */
GABI_API int gabi_check(const struct gabi_contract *contract, const struct gabi_host *host, struct gabi_report **ret_report,
			struct gabi_diag *diag);

/* The verdict alone: the same answer, without findings and without allocating. */
GABI_API enum gabi_verdict gabi_check_verdict(const struct gabi_contract *contract, const struct gabi_host *host);

/* What a difference between two hosts means to guests that run on the first. */
enum gabi_effect {
	GABI_EFFECT_NONE,
	GABI_EFFECT_SAFE,      /* no guest sees it, or the VMM hides it without being told */
	GABI_EFFECT_ONE_WAY,   /* a guest that is given the second's new things cannot come back */
	GABI_EFFECT_IF_UNUSED, /* state that only one of them can load: a guest may move while it holds its reset value */
	GABI_EFFECT_NEEDS_PIN, /* shows by default: guests see a change unless a contract is carried out */
	GABI_EFFECT_BLOCKING,  /* a guest that was given it on the first cannot run on the second */
	GABI_EFFECT_UNKNOWN,
};
GABI_API const char *gabi_effect_text(unsigned effect);

/* What changes for guests between two hosts. diff(A, A) has no findings. The verdict is FITS where every effect is safe. */
GABI_API int gabi_diff(const struct gabi_host *from, const struct gabi_host *to, struct gabi_report **ret_report,
		       struct gabi_diag *diag);

/*
 * May a guest go from `from` to `to` and come back? FITS: always. FITS_WITH_ACTIONS: if the DROP_IF_UNUSED findings hold
 * when it is saved. Findings of the way there and of the way back are told apart by finding.host (0: to, 1: from).
 */
GABI_API int gabi_rollback(const struct gabi_contract *contract, const struct gabi_host *from, const struct gabi_host *to,
			   struct gabi_report **ret_report, struct gabi_diag *diag);

/*
 * The largest contract that fits all hosts. Where there is none (vendors differ), *ret_contract is NULL and the report
 * says why. The report's findings are what each host costs: a field that would be promised were that host left out.
 */
GABI_API int gabi_baseline(const struct gabi_host *const *hosts, size_t count, const struct gabi_mem *mem,
			   struct gabi_contract **ret_contract, struct gabi_report **ret_report, struct gabi_diag *diag);

GABI_END
#endif
