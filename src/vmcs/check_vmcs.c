/* SPDX-License-Identifier: MIT */
/*
 * Rules v16 and v17: what KVM asks of a vmcs12 that is restored in guest mode. Function by function in the order of vmx/nested.c, so
 * that the first rule that breaks here is the one that breaks there.
 */
#include "check.h"

#include "base/base.h"

/* VMX capability MSRs */
enum {
	BASIC = 0x480, MISC = 0x485, CR0_FIXED0, CR0_FIXED1, CR4_FIXED0, CR4_FIXED1,
	PROC2 = 0x48b, EPT_VPID, TRUE_PIN, TRUE_PROC, TRUE_EXIT, TRUE_ENTRY, VMFUNC,
};

#define BIT(n) (UINT64_C(1) << (n))

/* Control bits, by their place in the word (SDM vol. 3, 25.6 to 25.8). */
#define PIN_EXTERNAL      BIT(0)
#define PIN_NMI           BIT(3)
#define PIN_VIRTUAL_NMI   BIT(5)
#define PIN_TIMER         BIT(6)
#define PIN_POSTED        BIT(7)
#define PROC_TPR          BIT(21)
#define PROC_NMI_WINDOW   BIT(22)
#define PROC_IO_BITMAP    BIT(25)
#define PROC_TRAP_FLAG    BIT(27)
#define PROC_MSR_BITMAP   BIT(28)
#define PROC_SECONDARY    BIT(31)
#define P2_APIC_ACCESS    BIT(0)
#define P2_EPT            BIT(1)
#define P2_X2APIC         BIT(4)
#define P2_VPID           BIT(5)
#define P2_UNRESTRICTED   BIT(7)
#define P2_APIC_REGISTER  BIT(8)
#define P2_VID            BIT(9)
#define P2_VMFUNC         BIT(13)
#define P2_SHADOW         BIT(14)
#define P2_PML            BIT(17)
#define P2_MBEC           BIT(22)
#define P2_TSC            BIT(25)
#define EXIT_64           BIT(9)
#define EXIT_PERF         BIT(12)
#define EXIT_ACK          BIT(15)
#define EXIT_PAT          BIT(19)
#define EXIT_EFER         BIT(21)
#define EXIT_SAVE_TIMER   BIT(22)
#define EXIT_CET          BIT(28)
#define ENTRY_DEBUG       BIT(2)
#define ENTRY_IA32E       BIT(9)
#define ENTRY_PERF        BIT(13)
#define ENTRY_PAT         BIT(14)
#define ENTRY_EFER        BIT(15)
#define ENTRY_BNDCFGS     BIT(16)
#define ENTRY_CET         BIT(20)

#define CR0_PE   BIT(0)
#define CR0_WP   BIT(16)
#define CR0_PG   BIT(31)
#define CR4_PAE  BIT(5)
#define CR4_PCIDE BIT(17)
#define CR4_CET  BIT(23)
#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NX  BIT(11)

/* The value of a field of the VMCS; 0 where this kernel's layout has none. */
static uint64_t field(const struct check *c, unsigned id)
{
	uint64_t value = 0;

	gabi_vmcs_get(c->layout, c->page, id, &value);
	return value;
}
#define F(name) field(c, GABI_VMCS_##name)

static bool pin(const struct check *c, uint64_t bit)
{
	return F(PIN_BASED_VM_EXEC_CONTROL) & bit;
}

static bool proc(const struct check *c, uint64_t bit)
{
	return F(CPU_BASED_VM_EXEC_CONTROL) & bit;
}

static bool proc2(const struct check *c, uint64_t bit)
{
	return proc(c, PROC_SECONDARY) && F(SECONDARY_VM_EXEC_CONTROL) & bit;
}

static bool on_exit(const struct check *c, uint64_t bit)
{
	return F(VM_EXIT_CONTROLS) & bit;
}

static bool on_entry(const struct check *c, uint64_t bit)
{
	return F(VM_ENTRY_CONTROLS) & bit;
}

static bool msr(const struct check *c, unsigned index, uint64_t *ret_value)
{
	unsigned n = index - GABI_NESTED_MSR_FIRST;

	*ret_value = c->target->msr[n];
	return c->target->msr_known >> n & 1;
}

/* Reports rule about a field where `good` is false; true ends the check. */
static bool want(struct check *c, bool good, unsigned rule, unsigned id)
{
	return !good && gabi_nested_applies(c, rule) && c->broken(c, rule, id, field(c, id));
}
#define WANT(good, rule, name) want(c, good, GABI_NESTED_##rule, GABI_VMCS_##name)
#define PASS_OVER(rule, name)  c->unknown(c, GABI_NESTED_##rule, GABI_VMCS_##name, F(name))

static bool page(const struct check *c, uint64_t gpa)
{
	return gabi_check_page(c->target, gpa);
}

static bool canonical(const struct check *c, uint64_t address)
{
	unsigned bits = c->target->virt_bits ? c->target->virt_bits : 48;
	uint64_t top = address >> (bits - 1);

	return top == 0 || top == UINT64_MAX >> (bits - 1);
}

/* A control word against the capability MSR that the guest was given: low half must be 1, high half may be. */
static bool allowed(struct check *c, unsigned rule, unsigned id, unsigned index)
{
	uint64_t cap, value = field(c, id);

	if (!msr(c, index, &cap)) {
		c->unknown(c, rule, id, value);
		return false;
	}
	return want(c, ((value & cap >> 32) | (cap & UINT32_MAX)) == value, rule, id);
}
#define ALLOWED(rule, name, index) allowed(c, GABI_NESTED_##rule, GABI_VMCS_##name, index)

static bool check_apicv(struct check *c)
{
	bool posted = pin(c, PIN_POSTED);

	if (!proc2(c, P2_X2APIC | P2_APIC_REGISTER | P2_VID) && !posted)
		return false;
	return WANT(!(proc2(c, P2_X2APIC) && proc2(c, P2_APIC_ACCESS)), V_X2APIC, SECONDARY_VM_EXEC_CONTROL) ||
	       WANT(!proc2(c, P2_VID) || pin(c, PIN_EXTERNAL), V_VID, PIN_BASED_VM_EXEC_CONTROL) ||
	       WANT(!posted || (proc2(c, P2_VID) && on_exit(c, EXIT_ACK)), V_POSTED, PIN_BASED_VM_EXEC_CONTROL) ||
	       WANT(!posted || !(F(POSTED_INTR_NV) & 0xff00), V_POSTED, POSTED_INTR_NV) ||
	       WANT(!posted || (!(F(POSTED_INTR_DESC_ADDR) & 63) && gabi_check_gpa(c->target, F(POSTED_INTR_DESC_ADDR))),
		    V_POSTED, POSTED_INTR_DESC_ADDR) ||
	       WANT(proc(c, PROC_TPR), V_APICV_TPR, CPU_BASED_VM_EXEC_CONTROL);
}

static bool check_eptp(struct check *c)
{
	uint64_t eptp = F(EPT_POINTER), caps, type = eptp & 7, levels = eptp >> 3 & 7;

	if (!proc2(c, P2_EPT))
		return false;
	if (WANT((type == 0 || type == 6) && (levels == 3 || levels == 4) && !(eptp & 0xf80) && gabi_check_gpa(c->target, eptp),
		 V_EPTP, EPT_POINTER))
		return true;
	if (!msr(c, EPT_VPID, &caps)) {
		PASS_OVER(V_EPTP, EPT_POINTER);
		return false;
	}
	return WANT(caps & (type ? BIT(14) : BIT(8)) && caps & (levels == 3 ? BIT(6) : BIT(7)) &&
			    (!(eptp & BIT(6)) || caps & BIT(21)),
		    V_EPTP, EPT_POINTER);
}

static bool check_vmfunc(struct check *c)
{
	uint64_t functions;

	if (!proc2(c, P2_VMFUNC))
		return false;
	if (!msr(c, VMFUNC, &functions))
		PASS_OVER(V_VMFUNC, VM_FUNCTION_CONTROL);
	else if (WANT(!(F(VM_FUNCTION_CONTROL) & ~functions), V_VMFUNC, VM_FUNCTION_CONTROL))
		return true;
	return F(VM_FUNCTION_CONTROL) & 1 &&
	       WANT(proc2(c, P2_EPT) && page(c, F(EPTP_LIST_ADDRESS)), V_EPTP_LIST, EPTP_LIST_ADDRESS);
}

static bool check_cr3_count(struct check *c)
{
	uint64_t misc;

	if (!msr(c, MISC, &misc)) {
		if (F(CR3_TARGET_COUNT) > 4)
			PASS_OVER(V_CR3_COUNT, CR3_TARGET_COUNT);
		return false;
	}
	return WANT(F(CR3_TARGET_COUNT) <= (misc >> 16 & 0x1ff), V_CR3_COUNT, CR3_TARGET_COUNT);
}

static bool check_execution(struct check *c)
{
	return ALLOWED(V_PIN, PIN_BASED_VM_EXEC_CONTROL, TRUE_PIN) || ALLOWED(V_PROC, CPU_BASED_VM_EXEC_CONTROL, TRUE_PROC) ||
	       (proc(c, PROC_SECONDARY) && ALLOWED(V_PROC2, SECONDARY_VM_EXEC_CONTROL, PROC2)) || check_cr3_count(c) ||
	       WANT(!proc(c, PROC_IO_BITMAP) || page(c, F(IO_BITMAP_A)), V_IO_BITMAP, IO_BITMAP_A) ||
	       WANT(!proc(c, PROC_IO_BITMAP) || page(c, F(IO_BITMAP_B)), V_IO_BITMAP, IO_BITMAP_B) ||
	       WANT(!proc(c, PROC_MSR_BITMAP) || page(c, F(MSR_BITMAP)), V_MSR_BITMAP, MSR_BITMAP) ||
	       WANT(!proc(c, PROC_TPR) || page(c, F(VIRTUAL_APIC_PAGE_ADDR)), V_TPR_PAGE, VIRTUAL_APIC_PAGE_ADDR) ||
	       WANT(!proc(c, PROC_TPR) || proc2(c, P2_VID) || F(TPR_THRESHOLD) < 16, V_TPR_THRESHOLD, TPR_THRESHOLD) ||
	       WANT(!proc2(c, P2_APIC_ACCESS) || page(c, F(APIC_ACCESS_ADDR)), V_APIC_ACCESS, APIC_ACCESS_ADDR) ||
	       check_apicv(c) || WANT(pin(c, PIN_NMI) || !pin(c, PIN_VIRTUAL_NMI), V_NMI, PIN_BASED_VM_EXEC_CONTROL) ||
	       WANT(pin(c, PIN_VIRTUAL_NMI) || !proc(c, PROC_NMI_WINDOW), V_NMI_WINDOW, CPU_BASED_VM_EXEC_CONTROL) ||
	       WANT(!proc2(c, P2_PML) || (proc2(c, P2_EPT) && page(c, F(PML_ADDRESS))), V_PML, PML_ADDRESS) ||
	       WANT(!proc2(c, P2_UNRESTRICTED) || proc2(c, P2_EPT), V_UNRESTRICTED, SECONDARY_VM_EXEC_CONTROL) ||
	       WANT(!proc2(c, P2_MBEC) || proc2(c, P2_EPT), V_MBEC, SECONDARY_VM_EXEC_CONTROL) ||
	       WANT(!proc2(c, P2_SHADOW) || page(c, F(VMREAD_BITMAP)), V_SHADOW_BITMAP, VMREAD_BITMAP) ||
	       WANT(!proc2(c, P2_SHADOW) || page(c, F(VMWRITE_BITMAP)), V_SHADOW_BITMAP, VMWRITE_BITMAP) ||
	       WANT(!proc2(c, P2_VPID) || F(VIRTUAL_PROCESSOR_ID), V_VPID, VIRTUAL_PROCESSOR_ID) ||
	       WANT(pin(c, PIN_TIMER) || !on_exit(c, EXIT_SAVE_TIMER), V_PREEMPTION, VM_EXIT_CONTROLS) || check_eptp(c) ||
	       check_vmfunc(c) || WANT(!proc2(c, P2_TSC) || F(TSC_MULTIPLIER), V_TSC, TSC_MULTIPLIER);
}

/* An MSR list: 16 bytes an entry. Up to 6.12 its length is taken as it comes; the sum is of 32-bit by 64-bit numbers and may
 * wrap. */
static bool list(struct check *c, unsigned rule, unsigned count_id, unsigned address_id)
{
	uint64_t count = field(c, count_id), address = field(c, address_id), misc;

	if (!count)
		return false;
	if (c->release >= 702) {
		if (!msr(c, MISC, &misc)) {
			if (count > 512)
				c->unknown(c, rule, count_id, count);
		} else if (want(c, count <= ((misc >> 25 & 7) + 1) * 512, rule, count_id)) {
			return true;
		}
	}
	return want(
		c, !(address & 15) && gabi_check_gpa(c->target, address) && gabi_check_gpa(c->target, address + count * 16 - 1),
		rule, address_id);
}
#define LIST(rule, what) list(c, GABI_NESTED_##rule, GABI_VMCS_##what##_COUNT, GABI_VMCS_##what##_ADDR)

static bool check_exit(struct check *c)
{
	return ALLOWED(V_EXIT, VM_EXIT_CONTROLS, TRUE_EXIT) || LIST(V_EXIT_LISTS, VM_EXIT_MSR_LOAD) ||
	       LIST(V_EXIT_LISTS, VM_EXIT_MSR_STORE);
}

/* Interruption types (SDM vol. 3, 25.8.3) */
enum { EXTERNAL, RESERVED, NMI, HARDWARE, SOFTWARE, PRIVILEGED, SOFTWARE_EXCEPTION, OTHER };

static bool has_error_code(unsigned vector)
{
	return vector < 32 && (BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) | BIT(14) | BIT(17)) >> vector & 1;
}

static bool check_error_code(struct check *c, unsigned type, unsigned vector, bool given)
{
	bool protected = !proc2(c, P2_UNRESTRICTED) || F(GUEST_CR0) & CR0_PE;
	bool wanted = protected && type == HARDWARE && has_error_code(vector);
	uint64_t basic;

	/* Since 7.2 a hardware exception may come without, if IA32_VMX_BASIC[56] says so. */
	if (c->release >= 702 && protected && type == HARDWARE && given != wanted) {
		if (!msr(c, BASIC, &basic)) {
			PASS_OVER(V_EVENT, VM_ENTRY_INTR_INFO_FIELD);
			return false;
		}
		if (basic & BIT(56))
			return false;
	}
	return WANT(given == wanted, V_EVENT, VM_ENTRY_INTR_INFO_FIELD);
}

static bool check_event_length(struct check *c)
{
	uint64_t length = F(VM_ENTRY_INSTRUCTION_LEN), misc;

	if (WANT(length <= 15, V_EVENT, VM_ENTRY_INSTRUCTION_LEN))
		return true;
	if (length)
		return false;
	if (!msr(c, MISC, &misc)) {
		PASS_OVER(V_EVENT, VM_ENTRY_INSTRUCTION_LEN);
		return false;
	}
	return WANT(misc & BIT(30), V_EVENT, VM_ENTRY_INSTRUCTION_LEN);
}

static bool check_event(struct check *c)
{
	uint64_t info = F(VM_ENTRY_INTR_INFO_FIELD), proc_caps;
	unsigned vector = info & 0xff, type = info >> 8 & 7;
	bool given = info & BIT(11);

	if (!(info & BIT(31)))
		return false;
	if (WANT(type != RESERVED, V_EVENT, VM_ENTRY_INTR_INFO_FIELD))
		return true;
	if (type == OTHER) {
		if (!msr(c, TRUE_PROC, &proc_caps))
			PASS_OVER(V_EVENT, VM_ENTRY_INTR_INFO_FIELD);
		else if (WANT(proc_caps >> 32 & PROC_TRAP_FLAG, V_EVENT, VM_ENTRY_INTR_INFO_FIELD))
			return true;
	}
	return WANT((type != NMI || vector == 2) && (type != HARDWARE || vector <= 31) && (type != OTHER || !vector), V_EVENT,
		    VM_ENTRY_INTR_INFO_FIELD) ||
	       check_error_code(c, type, vector, given) ||
	       WANT(!given || !(F(VM_ENTRY_EXCEPTION_ERROR_CODE) >> 16), V_EVENT, VM_ENTRY_EXCEPTION_ERROR_CODE) ||
	       WANT(!(info & 0x7ffff000), V_EVENT, VM_ENTRY_INTR_INFO_FIELD) ||
	       ((type == SOFTWARE || type == PRIVILEGED || type == SOFTWARE_EXCEPTION) && check_event_length(c));
}

static bool check_entry(struct check *c)
{
	return ALLOWED(V_ENTRY, VM_ENTRY_CONTROLS, TRUE_ENTRY) || check_event(c) || LIST(V_ENTRY_LIST, VM_ENTRY_MSR_LOAD);
}

/* The words in the order of nested_evmcs_check_controls(). */
static bool check_evmcs(struct check *c)
{
	static const uint8_t words[] = { GABI_VMCS_WORD_PIN, GABI_VMCS_WORD_PROC, GABI_VMCS_WORD_PROC2, GABI_VMCS_WORD_EXIT,
					 GABI_VMCS_WORD_ENTRY, GABI_VMCS_WORD_VMFUNC };
	const struct gabi_evmcs_line *line = gabi_evmcs_line_of(c->target->release);

	for (size_t i = 0; line && i < GABI_COUNT_OF(words); i++) {
		unsigned id = gabi_vmcs_control(words[i])->id;

		if (want(c, !gabi_evmcs_refused(line, &c->target->evmcs, words[i], field(c, id)), GABI_NESTED_V_EVMCS_CONTROL,
			 id))
			return true;
	}
	return false;
}

static bool fixed(struct check *c, unsigned rule, unsigned id, unsigned index0, uint64_t free)
{
	uint64_t ones, may, value = field(c, id);

	if (!msr(c, index0, &ones) || !msr(c, index0 + 1, &may)) {
		c->unknown(c, rule, id, value);
		return false;
	}
	return want(c, ((value & may) | (ones & ~free)) == value, rule, id);
}
#define FIXED(rule, name, index0, free) fixed(c, GABI_NESTED_##rule, GABI_VMCS_##name, index0, free)

/* Bits that hang on what the guest has; none is always right. */
static bool hangs(struct check *c, unsigned rule, unsigned id, uint64_t may, uint64_t unsure)
{
	uint64_t value = field(c, id), rest = value & ~may;

	if (!c->target->has_debug ? value : rest && !(rest & ~unsure)) {
		if (gabi_nested_applies(c, rule))
			c->unknown(c, rule, id, value);
		return false;
	}
	return want(c, !rest, rule, id);
}

static bool check_perf(struct check *c, bool on, unsigned rule, unsigned id)
{
	return on && hangs(c, rule, id, c->target->perf, c->target->perf_unsure);
}

static bool check_cet(struct check *c, unsigned rule, unsigned s_cet, unsigned ssp, unsigned table)
{
	/* SDM vol. 4, IA32_S_CET: bits 9:6 are reserved, and suppress with wait-for-endbranch is illegal. */
	uint64_t value = field(c, s_cet);

	return want(c, !(value & 0x3c0) && (value & 0xc00) != 0xc00, rule, s_cet) || want(c, !(field(c, ssp) & 3), rule, ssp) ||
	       want(c, canonical(c, field(c, table)), rule, table);
}

static bool check_host_mode(struct check *c)
{
	if (on_exit(c, EXIT_64))
		return WANT(F(HOST_CR4) & CR4_PAE, V_HOST_LONG, HOST_CR4);
	return WANT(!on_entry(c, ENTRY_IA32E), V_HOST_LONG, VM_ENTRY_CONTROLS) ||
	       WANT(!(F(HOST_CR4) & CR4_PCIDE), V_HOST_LONG, HOST_CR4) || WANT(!(F(HOST_RIP) >> 32), V_HOST_LONG, HOST_RIP);
}

static bool check_host_selectors(struct check *c)
{
	static const uint16_t ids[] = { GABI_VMCS_HOST_CS_SELECTOR, GABI_VMCS_HOST_SS_SELECTOR, GABI_VMCS_HOST_DS_SELECTOR,
					GABI_VMCS_HOST_ES_SELECTOR, GABI_VMCS_HOST_FS_SELECTOR, GABI_VMCS_HOST_GS_SELECTOR,
					GABI_VMCS_HOST_TR_SELECTOR };

	for (size_t i = 0; i < GABI_COUNT_OF(ids); i++)
		if (want(c, !(field(c, ids[i]) & 7), GABI_NESTED_V_HOST_SELECTOR, ids[i]))
			return true;
	return WANT(F(HOST_CS_SELECTOR), V_HOST_SELECTOR, HOST_CS_SELECTOR) ||
	       WANT(F(HOST_TR_SELECTOR), V_HOST_SELECTOR, HOST_TR_SELECTOR) ||
	       WANT(F(HOST_SS_SELECTOR) || on_exit(c, EXIT_64), V_HOST_SELECTOR, HOST_SS_SELECTOR);
}

static bool check_host_addresses(struct check *c)
{
	static const uint16_t ids[] = { GABI_VMCS_HOST_FS_BASE,   GABI_VMCS_HOST_GS_BASE, GABI_VMCS_HOST_GDTR_BASE,
					GABI_VMCS_HOST_IDTR_BASE, GABI_VMCS_HOST_TR_BASE, GABI_VMCS_HOST_RIP };

	for (size_t i = 0; i < GABI_COUNT_OF(ids); i++)
		if (want(c, canonical(c, field(c, ids[i])), GABI_NESTED_V_HOST_ADDRESS, ids[i]))
			return true;
	return false;
}

static bool efer_known(uint64_t efer)
{
	return !(efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX));
}

static bool check_host_cet(struct check *c)
{
	bool wide = on_exit(c, EXIT_64);

	if (!on_exit(c, EXIT_CET))
		return false;
	return check_cet(c, GABI_NESTED_V_HOST_CET, GABI_VMCS_HOST_S_CET, GABI_VMCS_HOST_SSP, GABI_VMCS_HOST_INTR_SSP_TABLE) ||
	       WANT(wide ? canonical(c, F(HOST_S_CET)) : !(F(HOST_S_CET) >> 32), V_HOST_CET, HOST_S_CET) ||
	       WANT(wide ? canonical(c, F(HOST_SSP)) : !(F(HOST_SSP) >> 32), V_HOST_CET, HOST_SSP);
}

static bool check_host(struct check *c)
{
	bool wide = on_exit(c, EXIT_64);
	uint64_t efer = F(HOST_IA32_EFER);

	if (FIXED(V_HOST_CR0, HOST_CR0, CR0_FIXED0, 0) || FIXED(V_HOST_CR4, HOST_CR4, CR4_FIXED0, 0) ||
	    WANT(gabi_check_cr3(c->target, F(HOST_CR3)), V_HOST_CR3, HOST_CR3) ||
	    WANT(!(F(HOST_CR4) & CR4_CET) || F(HOST_CR0) & CR0_WP, V_HOST_CET_WP, HOST_CR4) ||
	    WANT(canonical(c, F(HOST_IA32_SYSENTER_ESP)), V_HOST_SYSENTER, HOST_IA32_SYSENTER_ESP) ||
	    WANT(canonical(c, F(HOST_IA32_SYSENTER_EIP)), V_HOST_SYSENTER, HOST_IA32_SYSENTER_EIP) ||
	    WANT(!on_exit(c, EXIT_PAT) || gabi_check_pat(F(HOST_IA32_PAT)), V_HOST_PAT, HOST_IA32_PAT) ||
	    check_perf(c, on_exit(c, EXIT_PERF), GABI_NESTED_V_HOST_PERF, GABI_VMCS_HOST_IA32_PERF_GLOBAL_CTRL))
		return true;
	return check_host_mode(c) || check_host_selectors(c) || check_host_addresses(c) ||
	       WANT(!on_exit(c, EXIT_EFER) || (efer_known(efer) && !(efer & EFER_LMA) == !wide && !(efer & EFER_LME) == !wide),
		    V_HOST_EFER, HOST_IA32_EFER) ||
	       check_host_cet(c);
}

static bool check_link(struct check *c)
{
	uint64_t link = F(VMCS_LINK_POINTER);

	if (link == GABI_NESTED_NONE)
		return false;
	if (WANT(page(c, link), V_LINK, VMCS_LINK_POINTER))
		return true;
	PASS_OVER(V_LINK, VMCS_LINK_POINTER); /* KVM looks at the guest's memory there */
	return false;
}

static bool check_guest_efer(struct check *c)
{
	uint64_t efer = F(GUEST_IA32_EFER);
	bool ia32e = on_entry(c, ENTRY_IA32E);

	if (!c->run_pending || !on_entry(c, ENTRY_EFER))
		return false;
	return WANT(efer_known(efer) && !(efer & EFER_LMA) == !ia32e &&
			    (!(F(GUEST_CR0) & CR0_PG) || !(efer & EFER_LME) == !ia32e),
		    V_GUEST_EFER, GUEST_IA32_EFER);
}

/* As canonical, but for one more bit. */
static bool ssp_is_valid(const struct check *c, uint64_t ssp)
{
	unsigned bits = c->target->virt_bits ? c->target->virt_bits : 48;

	return ssp >> bits == 0 || ssp >> bits == UINT64_MAX >> bits;
}

static bool check_guest(struct check *c)
{
	uint64_t cr0 = F(GUEST_CR0), bounds = F(GUEST_BNDCFGS);
	bool ia32e = on_entry(c, ENTRY_IA32E), unrestricted = proc2(c, P2_UNRESTRICTED), debug = on_entry(c, ENTRY_DEBUG);

	if (FIXED(V_GUEST_CR0, GUEST_CR0, CR0_FIXED0, unrestricted ? CR0_PE | CR0_PG : 0) ||
	    FIXED(V_GUEST_CR4, GUEST_CR4, CR4_FIXED0, 0) ||
	    WANT(!(F(GUEST_CR4) & CR4_CET) || cr0 & CR0_WP, V_GUEST_CET_WP, GUEST_CR4) ||
	    WANT(!debug || !(F(GUEST_DR7) >> 32), V_GUEST_DR7, GUEST_DR7) ||
	    (debug && hangs(c, GABI_NESTED_V_GUEST_DEBUGCTL, GABI_VMCS_GUEST_IA32_DEBUGCTL, c->target->debugctl, c->target->debugctl_unsure)))
		return true;
	if (WANT(!on_entry(c, ENTRY_PAT) || gabi_check_pat(F(GUEST_IA32_PAT)), V_GUEST_PAT, GUEST_IA32_PAT) || check_link(c) ||
	    check_perf(c, on_entry(c, ENTRY_PERF), GABI_NESTED_V_GUEST_PERF, GABI_VMCS_GUEST_IA32_PERF_GLOBAL_CTRL))
		return true;
	return WANT((cr0 & (CR0_PG | CR0_PE)) != CR0_PG, V_GUEST_MODE, GUEST_CR0) ||
	       WANT(!ia32e || F(GUEST_CR4) & CR4_PAE, V_GUEST_MODE, GUEST_CR4) ||
	       WANT(!ia32e || cr0 & CR0_PG, V_GUEST_MODE, GUEST_CR0) || check_guest_efer(c) ||
	       WANT(!on_entry(c, ENTRY_BNDCFGS) || (canonical(c, bounds & ~UINT64_C(0xfff)) && !(bounds & 0xffc)),
		    V_GUEST_BNDCFGS, GUEST_BNDCFGS) ||
	       (on_entry(c, ENTRY_CET) && (check_cet(c, GABI_NESTED_V_GUEST_CET, GABI_VMCS_GUEST_S_CET, GABI_VMCS_GUEST_SSP,
						     GABI_VMCS_GUEST_INTR_SSP_TABLE) ||
					   WANT(ssp_is_valid(c, F(GUEST_SSP)), V_GUEST_CET, GUEST_SSP))) ||
	       WANT(F(GUEST_ACTIVITY_STATE) <= 1 || (F(GUEST_ACTIVITY_STATE) == 3 && c->release >= 511), V_ACTIVITY,
		    GUEST_ACTIVITY_STATE);
}

/* ---- entering ---- */

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

struct segment {
	uint64_t base, limit, selector;
	unsigned type, rpl, dpl;
	bool unusable, s, ti;
};

static const struct {
	uint16_t base, limit, selector, rights;
} segments[] = {
#define SEGMENT(name) \
	[name] = { GABI_VMCS_GUEST_##name##_BASE, GABI_VMCS_GUEST_##name##_LIMIT, GABI_VMCS_GUEST_##name##_SELECTOR, \
		   GABI_VMCS_GUEST_##name##_AR_BYTES }
	SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS), SEGMENT(LDTR), SEGMENT(TR),
};

static struct segment segment_of(const struct check *c, unsigned n)
{
	uint64_t rights = field(c, segments[n].rights), selector = field(c, segments[n].selector);

	return (struct segment){ .base = field(c, segments[n].base), .limit = field(c, segments[n].limit), .selector = selector,
				 .type = rights & 15, .rpl = selector & 3, .dpl = rights >> 5 & 3, .unusable = rights >> 16 & 1,
				 .s = rights >> 4 & 1, .ti = selector >> 2 & 1 };
}

/* A virtual-8086 segment: KVM looks past DPL, and for CS past the type, and takes "unusable" for not present. */
static bool vm86_segment_is_valid(const struct check *c, unsigned n)
{
	struct segment seg = segment_of(c, n);
	uint64_t others = field(c, segments[n].rights) & 0xf000;

	return seg.base == seg.selector << 4 && seg.limit == 0xffff && !seg.unusable && seg.s && !others && (n == CS || seg.type == 3);
}

/* SDM vol. 3, 26.3.1.2, as far as KVM looks. */
static bool segment_is_valid(const struct check *c, unsigned n)
{
	struct segment seg = segment_of(c, n);

	if (n == CS)
		return !seg.unusable && (seg.type & 9) == 9 && seg.s && (seg.type & 2 ? seg.dpl <= seg.rpl : seg.dpl == seg.rpl);
	if (n == TR)
		return !seg.unusable && !seg.ti && (seg.type == 3 || seg.type == 11);
	if (seg.unusable)
		return true;
	if (n == LDTR)
		return !seg.ti && seg.type == 2;
	if (n == SS)
		return (seg.type == 3 || seg.type == 7) && seg.s && seg.dpl == seg.rpl;
	return seg.s && ((seg.type & 10) == 10 || seg.dpl >= seg.rpl);
}

#define RFLAGS_VM BIT(17)

static bool check_segments(struct check *c)
{
	bool vm86 = F(GUEST_RFLAGS) & RFLAGS_VM;

	if (c->release >= 515 || proc2(c, P2_UNRESTRICTED))
		return false;
	if (!vm86 && WANT((F(GUEST_CS_SELECTOR) & 3) == (F(GUEST_SS_SELECTOR) & 3), V_GUEST_SEGMENTS, GUEST_SS_SELECTOR))
		return true;
	for (unsigned n = ES; n <= (vm86 ? GS : TR); n++)
		if (want(c, vm86 ? vm86_segment_is_valid(c, n) : segment_is_valid(c, n), GABI_NESTED_V_GUEST_SEGMENTS,
			 segments[n].rights))
			return true;
	return false;
}

/* What KVM finds wrong when it loads the guest's state. 5.10 then reads PAE's four entries out of the guest's memory. */
static bool check_entering(struct check *c)
{
	bool pae = F(GUEST_CR0) & CR0_PG && F(GUEST_CR4) & CR4_PAE && !on_entry(c, ENTRY_IA32E);

	if (check_segments(c) || WANT(gabi_check_cr3(c->target, F(GUEST_CR3)), V_GUEST_CR3, GUEST_CR3))
		return true;
	if (c->release < 515 && pae && !proc2(c, P2_EPT))
		PASS_OVER(V_GUEST_CR3, GUEST_CR3);
	return false;
}

bool gabi_check_vmcs(struct check *c)
{
	return check_execution(c) || check_exit(c) || check_entry(c) || check_evmcs(c) || check_host(c) || check_guest(c) ||
	       check_entering(c);
}
