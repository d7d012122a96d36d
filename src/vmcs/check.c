/* SPDX-License-Identifier: MIT */
/* Will KVM take this nested state? Asked of the bytes, in KVM's order, before KVM is. */
#include "check.h"

#include "base/base.h"

static const struct {
	const char *number, *text;
	uint16_t from;
	uint8_t late;
} rules[GABI_NESTED_RULE_COUNT] = {
	[GABI_NESTED_ACCEPTED] = { "accepted", "no rule refuses it", 0, 0 },
#define GABI_NESTED_RULE_ROW(id, name, first, destroys, sentence) [GABI_NESTED_##id] = { name, sentence, first, destroys },
#include <gabi/nested_rule.def>
};

static const struct {
	const char *name, *text;
} notes[] = {
#define GABI_NESTED_NOTE_ROW(id, name, sentence) { name, sentence },
#include <gabi/nested_note.def>
};

const char *gabi_nested_rule_number(unsigned rule)
{
	return rule < GABI_COUNT_OF(rules) ? rules[rule].number : "unknown";
}

const char *gabi_nested_rule_text(unsigned rule)
{
	return rule < GABI_COUNT_OF(rules) ? rules[rule].text : "unknown";
}

const char *gabi_nested_note_name(unsigned note)
{
	return note < GABI_COUNT_OF(notes) ? notes[note].name : "unknown";
}

const char *gabi_nested_note_text(unsigned note)
{
	return note < GABI_COUNT_OF(notes) ? notes[note].text : "unknown";
}

bool gabi_nested_applies(const struct check *check, unsigned rule)
{
	return check->release >= rules[rule].from;
}

bool gabi_check_gpa(const struct gabi_nested_target *target, uint64_t gpa)
{
	return !(gpa & ~gabi_mask(target->phys_bits ? target->phys_bits : 52));
}

bool gabi_check_cr3(const struct gabi_nested_target *target, uint64_t cr3)
{
	return gabi_check_gpa(target, target->lam ? cr3 & ~(UINT64_C(3) << 61) : cr3);
}

bool gabi_check_page(const struct gabi_nested_target *target, uint64_t gpa)
{
	return !(gpa & 0xfff) && gabi_check_gpa(target, gpa);
}

/* Memory types 0, 1, 4 to 7, one a byte. */
bool gabi_check_pat(uint64_t pat)
{
	return !(pat & UINT64_C(0xf8f8f8f8f8f8f8f8)) && (pat | (pat & UINT64_C(0x0202020202020202)) << 1) == pat;
}

/* ---- the verdict ---- */

struct judge {
	struct check check; /* first, so that its callbacks find the rest */
	const struct gabi_nested *nested;
	const uint8_t *blob;
	struct gabi_nested_verdict *verdict;
};

static bool refuse(struct judge *j, unsigned rule, size_t offset, uint64_t value)
{
	*j->verdict = (struct gabi_nested_verdict){ .rule = (uint8_t)rule, .late = rules[rule].late, .id = GABI_VMCS_COUNT,
						    .offset = (uint16_t)offset, .value = value };
	return true;
}

static void note(struct judge *j, unsigned kind, unsigned rule, size_t offset, uint64_t value)
{
	struct gabi_nested_verdict *verdict = j->verdict;

	if (verdict->notes < GABI_NESTED_NOTES)
		verdict->note[verdict->notes++] = (struct gabi_nested_note){
			.kind = (uint8_t)kind, .rule = (uint8_t)rule, .offset = (uint16_t)offset, .value = value };
}

static bool vmcs_broken(struct check *check, unsigned rule, unsigned id, uint64_t value)
{
	struct judge *j = check->ctx;

	refuse(j, rule, GABI_NESTED_HEADER + check->layout->offset[id], value);
	j->verdict->id = (uint16_t)id;
	return true;
}

static void vmcs_unknown(struct check *check, unsigned rule, unsigned id, uint64_t value)
{
	struct judge *j = check->ctx;

	j->verdict->unknown = 1;
	note(j, GABI_NESTED_NOTE_UNKNOWN, rule, GABI_NESTED_HEADER + check->layout->offset[id], value);
}

#define REFUSE_IF(bad, rule, offset, value)                                               \
	do {                                                                              \
		if (bad)                                                                  \
			return refuse(j, GABI_NESTED_##rule, offset, value);              \
	} while (0)

static bool judge_common(struct judge *j)
{
	const struct gabi_nested *n = j->nested;
	const unsigned known = GABI_NESTED_GUEST_MODE | GABI_NESTED_RUN_PENDING | GABI_NESTED_EVMCS | GABI_NESTED_MTF_PENDING |
			       GABI_NESTED_GIF_SET;

	REFUSE_IF(j->check.target->nested_off && gabi_nested_applies(&j->check, GABI_NESTED_C_NESTED), C_NESTED, 0, 0);
	REFUSE_IF(n->size < GABI_NESTED_HEADER, C_SIZE, 4, n->size);
	REFUSE_IF(n->flags & ~known, C_FLAGS, 0, n->flags);
	REFUSE_IF(n->flags & GABI_NESTED_RUN_PENDING && !(n->flags & GABI_NESTED_GUEST_MODE), C_PENDING, 0, n->flags);
	return false;
}

/* With kvm_intel.nested=0 a guest has no VMX whatever its CPUID says. */
static bool lacks_vmx(const struct gabi_nested_target *target)
{
	return target->no_vmx || target->nested_off;
}

/* Rules v1 to v9, which leave the old state alone. */
static bool judge_vmx_header(struct judge *j)
{
	const struct gabi_nested *n = j->nested;
	const struct gabi_nested_target *target = j->check.target;
	const unsigned suspended = GABI_NESTED_SMM_GUEST_MODE | GABI_NESTED_SMM_VMXON;

	REFUSE_IF(n->format != GABI_NESTED_VMX, V_FORMAT, 2, n->format);
	if (n->vmxon_pa == GABI_NESTED_NONE) {
		REFUSE_IF(n->smm_flags, V_OFF_SMM, 24, n->smm_flags);
		REFUSE_IF(n->vmcs12_pa != GABI_NESTED_NONE, V_OFF_VMCS12, 16, n->vmcs12_pa);
		REFUSE_IF(n->flags & ~(unsigned)GABI_NESTED_EVMCS, V_OFF_FLAGS, 0, n->flags);
	} else {
		REFUSE_IF(lacks_vmx(target), V_NO_VMX, 8, n->vmxon_pa);
		REFUSE_IF(!gabi_check_page(target, n->vmxon_pa), V_VMXON_PA, 8, n->vmxon_pa);
	}
	REFUSE_IF(n->smm_flags & GABI_NESTED_SMM_GUEST_MODE && n->flags & GABI_NESTED_GUEST_MODE, V_SMM_BOTH, 24, n->smm_flags);
	REFUSE_IF(n->smm_flags & ~suspended, V_SMM_FLAGS, 24, n->smm_flags);
	REFUSE_IF(n->vmx_flags & ~GABI_NESTED_DEADLINE, V_HDR_FLAGS, 28, n->vmx_flags);
	if (target->in_smm)
		REFUSE_IF(n->flags & (GABI_NESTED_GUEST_MODE | GABI_NESTED_RUN_PENDING), V_IN_SMM, 0, n->flags);
	else
		REFUSE_IF(n->smm_flags, V_NOT_IN_SMM, 24, n->smm_flags);
	REFUSE_IF((n->smm_flags & suspended) == GABI_NESTED_SMM_GUEST_MODE, V_SMM_NO_VMXON, 24, n->smm_flags);
	REFUSE_IF(n->flags & GABI_NESTED_EVMCS && (lacks_vmx(target) || !target->evmcs.enabled), V_EVMCS, 0, n->flags);
	return false;
}

#define SHADOW_BIT   (UINT32_C(1) << 31)
#define VMCS12_WORD  UINT32_C(0x11e57ed0)
#define SHADOW_START (GABI_NESTED_HEADER + GABI_VMCS_PAGE)

static bool judge_shadow(struct judge *j)
{
	const struct check *c = &j->check;
	uint64_t proc = 0, proc2 = 0, link = 0, word;

	gabi_vmcs_get(c->layout, c->page, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, &proc);
	gabi_vmcs_get(c->layout, c->page, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, &proc2);
	gabi_vmcs_get(c->layout, c->page, GABI_VMCS_VMCS_LINK_POINTER, &link);
	if (!(proc >> 31 & 1) || !(proc2 >> 14 & 1) || link == GABI_NESTED_NONE)
		return false;
	REFUSE_IF(j->nested->size < SHADOW_START + c->layout->size, V_SHADOW_SHORT, 4, j->nested->size);
	word = gabi_le_load(j->blob, SHADOW_START, 4);
	REFUSE_IF(word != (VMCS12_WORD | SHADOW_BIT), V_SHADOW, SHADOW_START, word);
	return false;
}

/* Rules v11 to v16, after the old state is gone. */
static bool judge_vmx_data(struct judge *j)
{
	const struct gabi_nested *n = j->nested;
	uint64_t word;

	if (n->vmxon_pa == GABI_NESTED_NONE)
		return false;
	if (n->size < GABI_NESTED_HEADER + j->check.layout->size) {
		REFUSE_IF(n->flags & (GABI_NESTED_GUEST_MODE | GABI_NESTED_EVMCS) || n->vmcs12_pa != GABI_NESTED_NONE, V_SHORT,
			  4, n->size);
		return false;
	}
	if (n->vmcs12_pa != GABI_NESTED_NONE) {
		REFUSE_IF(n->vmcs12_pa == n->vmxon_pa, V_VMCS12_VMXON, 16, n->vmcs12_pa);
		REFUSE_IF(!gabi_check_page(j->check.target, n->vmcs12_pa), V_VMCS12_PA, 16, n->vmcs12_pa);
	} else {
		REFUSE_IF(!(n->flags & GABI_NESTED_EVMCS), V_NO_VMCS12, 16, n->vmcs12_pa);
	}
	word = gabi_le_load(j->blob, GABI_NESTED_HEADER, 4);
	REFUSE_IF((word & ~SHADOW_BIT) != VMCS12_WORD, V_REVISION, GABI_NESTED_HEADER, word);
	return n->flags & GABI_NESTED_GUEST_MODE && (judge_shadow(j) || gabi_check_vmcs(&j->check));
}

static void note_vmx(struct judge *j)
{
	const struct gabi_nested *n = j->nested;
	bool in_use = n->vmxon_pa != GABI_NESTED_NONE && n->flags & GABI_NESTED_EVMCS;

	if (in_use) {
		note(j, GABI_NESTED_NOTE_ASSIST_PAGE, 0, 0, n->flags);
		if (n->vmcs12_pa == GABI_NESTED_NONE)
			note(j, GABI_NESTED_NOTE_MAP_PENDING, 0, 16, n->vmcs12_pa);
		if (n->vmcs12_pa == GABI_NESTED_NONE && j->check.release < 601)
			note(j, GABI_NESTED_NOTE_FLAG_LOST, 0, 16, n->vmcs12_pa);
	}
	if (n->flags & GABI_NESTED_GIF_SET)
		note(j, GABI_NESTED_NOTE_GIF_IGNORED, 0, 0, n->flags);
	if (n->vmx_flags & GABI_NESTED_DEADLINE)
		note(j, GABI_NESTED_NOTE_DEADLINE, 0, 32, n->deadline);
}

/* Offsets in the VMCB: control area (AMD APM vol. 2, table B-1) and save area (table B-2). */
enum {
	INTERCEPT3 = 0x0c,
	INTERCEPT4 = 0x10,
	IOPM = 0x40,
	MSRPM = 0x48,
	ASID = 0x58,
	INT_CTL = 0x60,
	NESTED_CTL = 0x90,
	EVENT_INJ = 0xa8,
	NESTED_CR3 = 0xb0,
	SAVE = GABI_NESTED_SVM_SAVE,
	CS_ATTRIB = SAVE + 0x12,
	EFER = SAVE + 0xd0,
	CR4 = SAVE + 0x148,
	CR3 = SAVE + 0x150,
	CR0 = SAVE + 0x158,
	DR7 = SAVE + 0x160,
	DR6 = SAVE + 0x168,
	RFLAGS = SAVE + 0x170,
};
#define CR0_PE    UINT64_C(0x1)
#define CR0_NW    UINT64_C(0x20000000)
#define CR0_CD    UINT64_C(0x40000000)
#define CR0_PG    UINT64_C(0x80000000)
#define CR4_PAE   UINT64_C(0x20)
#define EFER_LME  UINT64_C(0x100)
#define EFER_SVME UINT64_C(0x1000)
#define EFER_ANY  UINT64_C(0x1d01)     /* SCE, LME, LMA, NXE, SVME: what every guest with SVM may set */
#define EFER_ALL  UINT64_C(0x27fd01) /* and LMSLE, FFXSR, TCE, MCOMMIT, INTWB, UAIE, AIBRSE: it hangs on its CPUID */
#define CR4_ANY   UINT64_C(0x7ff)      /* up to OSXMMEXCPT: CPUID is not asked */
#define RFLAGS_VM UINT64_C(0x20000)

static uint64_t vmcb(const struct judge *j, unsigned at, unsigned bytes)
{
	return gabi_le_load(j->nested->vmcb, at, bytes);
}

#define VMCB_IF(bad, rule, at, bytes)                                                                     \
	do {                                                                                              \
		if ((bad) && gabi_nested_applies(&j->check, GABI_NESTED_##rule))                           \
			return refuse(j, GABI_NESTED_##rule, GABI_NESTED_HEADER + (at), vmcb(j, at, bytes)); \
	} while (0)

/* The map, from the page on in which it begins. */
static bool map_is_legal(const struct gabi_nested_target *target, uint64_t gpa, uint64_t bytes)
{
	gpa &= ~UINT64_C(0xfff);
	return gabi_check_gpa(target, gpa) && gabi_check_gpa(target, gpa + bytes - 1);
}

static bool event_is_valid(struct judge *j)
{
	uint64_t event = vmcb(j, EVENT_INJ, 4);
	unsigned type = event >> 8 & 7, vector = event & 0xff;
	const uint32_t defined = 0x500f7dfbu; /* exceptions without a feature of their own: not 2, 9, 15, 21 to 27, 29, 31 */

	if (!(event >> 31) || type == 0 || type == 2 || type == 4)
		return true;
	if (type != 3 || vector > 31)
		return false;
	if (vector == 21 || vector == 29) { /* #CP and #VC hang on the guest's CPUID */
		j->verdict->unknown = 1;
		note(j, GABI_NESTED_NOTE_UNKNOWN, GABI_NESTED_S_EVENT, GABI_NESTED_HEADER + EVENT_INJ, event);
		return true;
	}
	return defined >> vector & 1;
}

/* Does L2 have nested paging? Since 7.2 the bit is dropped where it means nothing, and no rule about it is asked. */
static bool has_npt(const struct judge *j)
{
	return vmcb(j, NESTED_CTL, 8) & 1 && !(j->check.release >= 702 && j->check.target->npt_off);
}

static bool judge_svm_controls(struct judge *j)
{
	const struct gabi_nested_target *target = j->check.target;
	bool npt = has_npt(j);

	VMCB_IF(!(vmcb(j, INTERCEPT4, 4) & 1), S_VMRUN, INTERCEPT4, 4);
	VMCB_IF(!vmcb(j, ASID, 4), S_ASID, ASID, 4);
	VMCB_IF(npt && target->npt_off, S_NPT, NESTED_CTL, 8);
	VMCB_IF(npt && !gabi_check_gpa(target, vmcb(j, NESTED_CR3, 8)), S_NCR3, NESTED_CR3, 8);
	VMCB_IF(!map_is_legal(target, vmcb(j, MSRPM, 8), 0x2000), S_BITMAPS, MSRPM, 8);
	VMCB_IF(!map_is_legal(target, vmcb(j, IOPM, 8), 0x3000), S_BITMAPS, IOPM, 8);
	VMCB_IF(vmcb(j, INT_CTL, 4) >> 26 & 1 && !(vmcb(j, INTERCEPT3, 4) >> 1 & 1), S_VNMI, INT_CTL, 4);
	VMCB_IF(gabi_nested_applies(&j->check, GABI_NESTED_S_EVENT) && !event_is_valid(j), S_EVENT, EVENT_INJ, 4);
	return false;
}

/* Bits that hang on the guest's CPUID: `may`, or 0 where that is not known; then `any` is right, and what is not in `all` wrong. */
static bool bits_are_wrong(struct judge *j, unsigned rule, unsigned at, uint64_t may, uint64_t any, uint64_t all)
{
	uint64_t value = vmcb(j, at, 8);

	if (may)
		return value & ~may;
	if (value & ~any && !(value & ~all)) {
		j->verdict->unknown = 1;
		note(j, GABI_NESTED_NOTE_UNKNOWN, rule, GABI_NESTED_HEADER + at, value);
	}
	return value & ~all;
}

static bool judge_svm_save(struct judge *j)
{
	const struct gabi_nested_target *target = j->check.target;
	bool later = j->check.release >= 601;
	uint64_t cr0 = vmcb(j, CR0, 8), efer = vmcb(j, EFER, 8), cs = vmcb(j, CS_ATTRIB, 2);
	bool paging64 = efer & EFER_LME && cr0 & CR0_PG;

	VMCB_IF(!(cr0 & CR0_PG) || (later && !(cr0 & CR0_PE)), S_SAVE_MODE, CR0, 8);
	VMCB_IF(later && vmcb(j, RFLAGS, 8) & RFLAGS_VM, S_SAVE_MODE, RFLAGS, 8);
	VMCB_IF(!(efer & EFER_SVME), S_SAVE_EFER, EFER, 8);
	VMCB_IF((!(cr0 & CR0_CD) && cr0 & CR0_NW) || cr0 >> 32, S_SAVE_CR0, CR0, 8);
	VMCB_IF(vmcb(j, DR6, 8) >> 32, S_SAVE_DR, DR6, 8);
	VMCB_IF(vmcb(j, DR7, 8) >> 32, S_SAVE_DR, DR7, 8);
	VMCB_IF(paging64 && !(vmcb(j, CR4, 8) & CR4_PAE), S_SAVE_LONG, CR4, 8);
	VMCB_IF(paging64 && !gabi_check_cr3(target, vmcb(j, CR3, 8)), S_SAVE_LONG, CR3, 8);
	VMCB_IF(paging64 && cs >> 9 & 1 && cs >> 10 & 1, S_SAVE_LONG, CS_ATTRIB, 2);
	VMCB_IF(later && bits_are_wrong(j, GABI_NESTED_S_SAVE_CR4, CR4, target->cr4, CR4_ANY, UINT32_MAX), S_SAVE_CR4, CR4, 8);
	VMCB_IF(later && target->nested_off, S_SAVE_EFER, EFER, 8); /* SVME, which every guest in L2 has, is reserved then */
	VMCB_IF(later && bits_are_wrong(j, GABI_NESTED_S_SAVE_EFER, EFER, target->efer, EFER_ANY, EFER_ALL), S_SAVE_EFER, EFER, 8);
	return false;
}

static bool judge_svm(struct judge *j)
{
	const struct gabi_nested *n = j->nested;
	const struct gabi_nested_target *target = j->check.target;
	unsigned known = GABI_NESTED_GUEST_MODE | GABI_NESTED_RUN_PENDING | GABI_NESTED_GIF_SET;

	REFUSE_IF(n->format != GABI_NESTED_SVM, S_FORMAT, 2, n->format);
	REFUSE_IF(n->flags & ~known, S_FLAGS, 0, n->flags);
	REFUSE_IF(target->svme_off && n->flags != GABI_NESTED_GIF_SET && (n->flags || j->check.release < 702), S_SVME, 0,
		  n->flags);
	REFUSE_IF(target->in_smm && n->flags & GABI_NESTED_GUEST_MODE, S_IN_SMM, 0, n->flags);
	if (!(n->flags & GABI_NESTED_GUEST_MODE))
		return false;
	REFUSE_IF(!gabi_check_page(target, n->vmcb_pa), S_VMCB_PA, 8, n->vmcb_pa);
	REFUSE_IF(!n->vmcb, S_SHORT, 4, n->size);
	if (judge_svm_controls(j))
		return true;
	REFUSE_IF(!(target->cr0 & CR0_CD) && target->cr0 & CR0_NW, S_CR0_NOW, 0, target->cr0);
	if (judge_svm_save(j))
		return true;
	REFUSE_IF(j->check.release >= 702 && target->own_pat && has_npt(j) && !gabi_check_pat(n->gpat), S_GPAT,
		  16, n->gpat);
	if (j->check.release < 702 && n->gpat)
		note(j, GABI_NESTED_NOTE_GPAT_IGNORED, 0, 16, n->gpat);
	return false;
}

int gabi_nested_check(const void *blob, size_t len, const struct gabi_nested_target *target,
		      struct gabi_nested_verdict *ret_verdict, struct gabi_diag *diag)
{
	struct gabi_nested nested;
	struct gabi_nested_verdict verdict = { .id = GABI_VMCS_COUNT };
	struct judge j = { .nested = &nested, .blob = blob, .verdict = &verdict };
	int err;

	if (target->size != sizeof(*target))
		return gabi_fail(diag, GABI_ERR_ARG, "the caller was built for another version of struct gabi_nested_target",
				 (char *)NULL);
	if (target->phys_bits > 52 || (target->virt_bits && target->virt_bits != 48 && target->virt_bits != 57))
		return gabi_fail(diag, GABI_ERR_ARG,
				 "a guest has at most 52 bits of physical address, and 48 or 57 of linear address",
				 (char *)NULL);
	j.check = (struct check) {
		.target = target,
		.layout = gabi_nested_layout(target->release),
		.release = gabi_release_number(target->release),
		.page = (const uint8_t *)blob + GABI_NESTED_HEADER,
		.broken = vmcs_broken,
		.unknown = vmcs_unknown,
		.ctx = &j,
	};
	if (!j.check.release)
		return gabi_fail(diag, GABI_ERR_ARG, "'", target->release, "' is no kernel release; 6.12 is one", (char *)NULL);
	if (j.check.release < 510)
		return gabi_fail(diag, GABI_ERR_UNSUPPORTED, "the rules of a kernel ", target->release,
				 " are not known; 5.10 is the oldest that was read", (char *)NULL);
	err = gabi_nested_read(blob, len, &nested, diag);
	if (err)
		return err;
	j.check.run_pending = nested.flags & GABI_NESTED_RUN_PENDING;
	if (!judge_common(&j)) {
		if (target->svm)
			judge_svm(&j);
		else if (!judge_vmx_header(&j) && !judge_vmx_data(&j))
			note_vmx(&j);
	}
	if (verdict.late)
		note(&j, GABI_NESTED_NOTE_DESTRUCTIVE, verdict.rule, verdict.offset, verdict.value);
	*ret_verdict = verdict;
	return 0;
}

/* ---- every rule that a VMCS breaks ---- */

struct breaches {
	struct gabi_nested_breach *out;
	size_t cap, total;
};

static bool breach(struct check *check, unsigned rule, unsigned id, uint64_t value)
{
	struct breaches *breaches = check->ctx;

	if (breaches->total < breaches->cap)
		breaches->out[breaches->total] =
			(struct gabi_nested_breach) { .rule = (uint8_t)rule, .id = (uint16_t)id, .value = value };
	breaches->total++;
	return false;
}

static void pass_over(struct check *check, unsigned rule, unsigned id, uint64_t value)
{
	(void)check;
	(void)rule;
	(void)id;
	(void)value;
}

void gabi_nested_breaches(const struct gabi_vmcs_layout *layout, const void *page, const struct gabi_nested_target *target,
			  struct gabi_nested_breach *out, size_t cap, size_t *ret_total)
{
	struct breaches breaches = { out, cap, 0 };
	struct check check = { .target = target,
			       .layout = layout,
			       .page = page,
			       .release = gabi_release_number(target->release),
			       .run_pending = true,
			       .broken = breach,
			       .unknown = pass_over,
			       .ctx = &breaches };

	gabi_check_vmcs(&check);
	*ret_total = breaches.total;
}
