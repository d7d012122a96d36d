/* SPDX-License-Identifier: MIT */
#include <gabi/nested.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#define SVM_LEN (GABI_NESTED_HEADER + GABI_NESTED_SVM_DATA)

static const struct gabi_vmcs_layout *layout(void)
{
	return gabi_vmcs_layout_by_name("kvm-7.2");
}

static void put(uint8_t *blob, size_t at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		blob[at + i] = (uint8_t)(value >> 8 * i);
}

static void set(uint8_t *blob, unsigned id, uint64_t value)
{
	assert_int_equal(gabi_vmcs_set(layout(), blob + GABI_NESTED_HEADER, id, value), 0);
}

static uint64_t get(const uint8_t *blob, unsigned id)
{
	uint64_t value = 0;

	assert_int_equal(gabi_vmcs_get(layout(), blob + GABI_NESTED_HEADER, id, &value), 0);
	return value;
}

static void turn_on(uint8_t *blob, unsigned id, uint64_t bits)
{
	set(blob, id, get(blob, id) | bits);
}

static void secondary(uint8_t *blob, uint64_t bits)
{
	turn_on(blob, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, UINT64_C(1) << 31);
	turn_on(blob, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, bits);
}

/* A 64-bit guest hypervisor with a 64-bit guest in it, as a host gives it that can everything. */
static void make_vmx(uint8_t blob[GABI_NESTED_MAX])
{
	static const struct {
		unsigned id;
		uint64_t value;
	} fields[] = {
		{ GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x3f },
		{ GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 0x8401e172 },
		{ GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, 0x2 },
		{ GABI_VMCS_EPT_POINTER, 0x10001e },
		{ GABI_VMCS_VM_EXIT_CONTROLS, 0x36fff },
		{ GABI_VMCS_VM_ENTRY_CONTROLS, 0x13ff },
		{ GABI_VMCS_HOST_CR0, 0x80050033 },
		{ GABI_VMCS_HOST_CR4, 0x20a0 },
		{ GABI_VMCS_HOST_CR3, 0x1000 },
		{ GABI_VMCS_HOST_CS_SELECTOR, 0x10 },
		{ GABI_VMCS_HOST_TR_SELECTOR, 0x40 },
		{ GABI_VMCS_HOST_RIP, UINT64_C(0xffffffff81000000) },
		{ GABI_VMCS_GUEST_CR0, 0x80050033 },
		{ GABI_VMCS_GUEST_CR4, 0x20a0 },
		{ GABI_VMCS_GUEST_RFLAGS, 2 },
		{ GABI_VMCS_GUEST_DR7, 0x400 },
		{ GABI_VMCS_GUEST_CS_AR_BYTES, 0xa09b },
		{ GABI_VMCS_GUEST_SS_AR_BYTES, 0x10000 },
		{ GABI_VMCS_GUEST_DS_AR_BYTES, 0x10000 },
		{ GABI_VMCS_GUEST_ES_AR_BYTES, 0xc093 },
		{ GABI_VMCS_GUEST_FS_AR_BYTES, 0x10000 },
		{ GABI_VMCS_GUEST_GS_AR_BYTES, 0x10000 },
		{ GABI_VMCS_GUEST_LDTR_AR_BYTES, 0x82 },
		{ GABI_VMCS_GUEST_TR_AR_BYTES, 0x8b },
		{ GABI_VMCS_VMCS_LINK_POINTER, UINT64_MAX },
	};
	struct gabi_nested nested = { .flags = GABI_NESTED_GUEST_MODE, .format = GABI_NESTED_VMX, .vmxon_pa = 0x5000, .vmcs12_pa = 0x6000 };
	uint8_t page[GABI_VMCS_PAGE], shadow[GABI_VMCS_PAGE];
	size_t len;

	gabi_vmcs_init(layout(), 0, page);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_int_equal(gabi_vmcs_set(layout(), page, fields[i].id, fields[i].value), 0);
	gabi_vmcs_init(layout(), 0, shadow);
	shadow[3] |= 0x80;
	nested.vmcs12 = page;
	nested.shadow = shadow;
	assert_int_equal(gabi_nested_write(&nested, blob, GABI_NESTED_MAX, &len, NULL), 0);
	assert_int_equal(len, GABI_NESTED_MAX);
}

static void make_svm(uint8_t blob[SVM_LEN])
{
	struct gabi_nested nested = { .flags = GABI_NESTED_GUEST_MODE | GABI_NESTED_GIF_SET, .format = GABI_NESTED_SVM, .vmcb_pa = 0x7000 };
	uint8_t vmcb[GABI_NESTED_SVM_DATA] = { 0 };
	size_t len;

	put(vmcb, 0x10, 4, 1);
	put(vmcb, 0x58, 4, 1);
	put(vmcb, 1024 + 0xd0, 8, 0x1d01);
	put(vmcb, 1024 + 0x148, 8, 0x20);
	put(vmcb, 1024 + 0x150, 8, 0x1000);
	put(vmcb, 1024 + 0x158, 8, 0x80050033);
	put(vmcb, 1024 + 0x160, 8, 0x400);
	put(vmcb, 1024 + 0x168, 8, 0xffff0ff0);
	put(vmcb, 1024 + 0x170, 8, 2);
	nested.vmcb = vmcb;
	assert_int_equal(gabi_nested_write(&nested, blob, SVM_LEN, &len, NULL), 0);
	assert_int_equal(len, SVM_LEN);
}

static struct gabi_nested_target make_target(const char *release, int svm)
{
	struct gabi_nested_target target = { .size = sizeof(target), .release = release, .svm = (uint8_t)svm, .phys_bits = 40,
					     .cr0 = 0x80050033 };

	if (svm)
		return target;
	target.msr_known = (1u << GABI_NESTED_MSRS) - 1;
	target.msr[0x0] = UINT64_C(0x00da040011e57ed0);
	target.msr[0x5] = 0x6004c0e0 | 7 << 25;
	target.msr[0x6] = 0x80000021;
	target.msr[0x7] = UINT32_MAX;
	target.msr[0x8] = 0x2000;
	target.msr[0x9] = 0x00ffffff;
	target.msr[0xb] = UINT64_C(0xffffffff) << 32;
	target.msr[0xc] = 0x00000f0106734141; /* EPT: UC, WB, 4 levels, A/D */
	target.msr[0xd] = UINT64_C(0xff) << 32 | 0x16;
	target.msr[0xe] = UINT64_C(0xfff9fffe) << 32 | 0x04006172;
	target.msr[0xf] = UINT64_C(0x13ffffff) << 32 | 0x36dfb;
	target.msr[0x10] = UINT64_C(0x1fffff) << 32 | 0x11fb;
	target.msr[0x11] = 1;
	return target;
}

static void check(const uint8_t *blob, size_t len, const struct gabi_nested_target *target, struct gabi_nested_verdict *verdict)
{
	struct gabi_diag diag;

	assert_int_equal(gabi_nested_check(blob, len, target, verdict, &diag), 0);
}

static const char *const releases[] = { "5.10.223", "6.1.0-50-amd64", "6.12.107", "7.2.13" };

static void check__accepts_a_sound_state_on_every_kernel(void **state)
{
	uint8_t vmx[GABI_NESTED_MAX], svm[SVM_LEN];
	struct gabi_nested_verdict verdict;

	(void)state;
	make_vmx(vmx);
	make_svm(svm);
	for (size_t i = 0; i < 4; i++) {
		struct gabi_nested_target target = make_target(releases[i], 0);

		check(vmx, sizeof(vmx), &target, &verdict);
		if (verdict.rule || verdict.unknown)
			fail_msg("VMX on %s: rule %s, unknown %d", releases[i], gabi_nested_rule_number(verdict.rule), verdict.unknown);
		target = make_target(releases[i], 1);
		check(svm, sizeof(svm), &target, &verdict);
		if (verdict.rule || verdict.unknown)
			fail_msg("SVM on %s: rule %s", releases[i], gabi_nested_rule_number(verdict.rule));
	}
}

struct scene {
	uint8_t *blob;
	size_t len;
	struct gabi_nested_target *target;
};

#define CHANGE(name) static void name(struct scene *s)
#define B s->blob
#define T s->target
CHANGE(nested_off) { T->nested_off = 1; }
CHANGE(size_64) { put(B, 4, 4, 64); }
CHANGE(unknown_flag) { put(B, 0, 2, 0x11); }
CHANGE(pending_outside) { put(B, 0, 2, GABI_NESTED_RUN_PENDING); }
CHANGE(format_1) { put(B, 2, 2, 1); }
CHANGE(off_smm) { put(B, 8, 8, UINT64_MAX); put(B, 24, 2, 1); }
CHANGE(off_vmcs12) { put(B, 8, 8, UINT64_MAX); }
CHANGE(off_flags) { put(B, 8, 8, UINT64_MAX); put(B, 16, 8, UINT64_MAX); }
CHANGE(no_vmx) { T->no_vmx = 1; }
CHANGE(vmxon_odd) { put(B, 8, 8, 0x5001); }
CHANGE(vmxon_high) { put(B, 8, 8, UINT64_C(1) << 40); }
CHANGE(smm_both) { put(B, 24, 2, 3); T->in_smm = 1; }
CHANGE(smm_flags) { put(B, 24, 2, 4); }
CHANGE(hdr_flags) { put(B, 28, 4, 2); }
CHANGE(in_smm) { T->in_smm = 1; }
CHANGE(not_in_smm) { put(B, 24, 2, 2); }
CHANGE(smm_no_vmxon) { put(B, 0, 2, 0); put(B, 24, 2, 1); T->in_smm = 1; }
CHANGE(evmcs_off) { put(B, 0, 2, 5); }
CHANGE(short_vmcs) { put(B, 4, 4, 128 + 997); }
CHANGE(same_page) { put(B, 16, 8, 0x5000); }
CHANGE(vmcs12_odd) { put(B, 16, 8, 0x6008); }
CHANGE(no_vmcs12) { put(B, 16, 8, UINT64_MAX); }
CHANGE(revision) { put(B, 128, 4, 0x11e57ed1); }
CHANGE(shadow_short) { secondary(B, 1 << 14); set(B, GABI_VMCS_VMCS_LINK_POINTER, 0x9000); put(B, 4, 4, 128 + 4096 + 997); }
CHANGE(shadow_bit) { secondary(B, 1 << 14); set(B, GABI_VMCS_VMCS_LINK_POINTER, 0x9000); put(B, 4224, 4, 0x11e57ed0); }
CHANGE(pin_bits) { T->msr[0xd] &= ~(UINT64_C(1) << 32); }
CHANGE(pin_ones) { set(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x2f); }
CHANGE(proc_bits) { T->msr[0xe] &= ~(UINT64_C(1) << 63); }
CHANGE(proc2_bits) { T->msr[0xb] &= ~(UINT64_C(2) << 32); }
CHANGE(cr3_count) { set(B, GABI_VMCS_CR3_TARGET_COUNT, 5); }
CHANGE(io_bitmap) { turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 25); set(B, GABI_VMCS_IO_BITMAP_B, 1); }
CHANGE(msr_bitmap) { turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 28); set(B, GABI_VMCS_MSR_BITMAP, UINT64_C(1) << 41); }
CHANGE(tpr_page) { turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 21); set(B, GABI_VMCS_VIRTUAL_APIC_PAGE_ADDR, 8); }
CHANGE(tpr_threshold) { turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 21); set(B, GABI_VMCS_TPR_THRESHOLD, 16); }
CHANGE(apic_access) { secondary(B, 1); set(B, GABI_VMCS_APIC_ACCESS_ADDR, 1); }
CHANGE(x2apic) { secondary(B, 1 | 1 << 4); }
CHANGE(vid) { secondary(B, 1 << 9); set(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x3e); }
CHANGE(posted) { turn_on(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 1 << 7); }
static void posted_right(struct scene *s)
{
	turn_on(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 1 << 7);
	turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 21);
	secondary(B, 1 << 9);
	turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 15);
}
CHANGE(posted_vector) { posted_right(s); set(B, GABI_VMCS_POSTED_INTR_NV, 0x100); }
CHANGE(posted_desc) { posted_right(s); set(B, GABI_VMCS_POSTED_INTR_DESC_ADDR, 32); }
CHANGE(apicv_tpr) { secondary(B, 1 << 8); }
CHANGE(nmi) { set(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x36); }
CHANGE(nmi_window)
{
	set(B, GABI_VMCS_PIN_BASED_VM_EXEC_CONTROL, 0x1e);
	turn_on(B, GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL, 1 << 22);
}
CHANGE(pml) { secondary(B, 1 << 17); set(B, GABI_VMCS_PML_ADDRESS, 1); }
CHANGE(unrestricted) { set(B, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, 1 << 7); }
CHANGE(mbec) { set(B, GABI_VMCS_SECONDARY_VM_EXEC_CONTROL, 1 << 22); }
CHANGE(shadow_bitmap) { secondary(B, 1 << 14); set(B, GABI_VMCS_VMWRITE_BITMAP, 1); }
CHANGE(vpid) { secondary(B, 1 << 5); }
CHANGE(preemption) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 22); }
CHANGE(eptp_type) { set(B, GABI_VMCS_EPT_POINTER, 0x100019); }
CHANGE(eptp_levels) { set(B, GABI_VMCS_EPT_POINTER, 0x100026); }
CHANGE(eptp_reserved) { set(B, GABI_VMCS_EPT_POINTER, 0x10081e); }
CHANGE(vmfunc) { secondary(B, 1 << 13); set(B, GABI_VMCS_VM_FUNCTION_CONTROL, 2); }
CHANGE(eptp_list) { secondary(B, 1 << 13); set(B, GABI_VMCS_VM_FUNCTION_CONTROL, 1); set(B, GABI_VMCS_EPTP_LIST_ADDRESS, 1); }
CHANGE(tsc) { secondary(B, 1 << 25); }
CHANGE(exit_bits) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 30); }
CHANGE(exit_list) { set(B, GABI_VMCS_VM_EXIT_MSR_STORE_COUNT, 1); set(B, GABI_VMCS_VM_EXIT_MSR_STORE_ADDR, 8); }
CHANGE(exit_list_end) { set(B, GABI_VMCS_VM_EXIT_MSR_LOAD_COUNT, 2); set(B, GABI_VMCS_VM_EXIT_MSR_LOAD_ADDR, (UINT64_C(1) << 40) - 16); }
CHANGE(exit_list_long) { set(B, GABI_VMCS_VM_EXIT_MSR_LOAD_COUNT, 4097); }
CHANGE(entry_bits) { turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 22); }
CHANGE(event_type) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x80000100); }
CHANGE(event_nmi) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x80000203); }
CHANGE(event_no_code) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x8000030d); T->msr[0] &= ~(UINT64_C(1) << 56); }
CHANGE(event_code_high) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x80000b0d); set(B, GABI_VMCS_VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000); }
CHANGE(event_reserved) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x80001020); }
CHANGE(event_length) { set(B, GABI_VMCS_VM_ENTRY_INTR_INFO_FIELD, 0x80000480); set(B, GABI_VMCS_VM_ENTRY_INSTRUCTION_LEN, 16); }
CHANGE(entry_list) { set(B, GABI_VMCS_VM_ENTRY_MSR_LOAD_COUNT, 1); set(B, GABI_VMCS_VM_ENTRY_MSR_LOAD_ADDR, 8); }
CHANGE(evmcs_control)
{
	secondary(B, UINT64_C(1) << 25);
	set(B, GABI_VMCS_TSC_MULTIPLIER, 1);
	T->evmcs = (struct gabi_evmcs_guest){ 1, 1, 1 };
}
CHANGE(host_cr0) { set(B, GABI_VMCS_HOST_CR0, 0x33); }
CHANGE(host_cr4) { set(B, GABI_VMCS_HOST_CR4, 0xa0); }
CHANGE(host_cr3) { set(B, GABI_VMCS_HOST_CR3, UINT64_C(1) << 40); }
CHANGE(host_cet_wp) { set(B, GABI_VMCS_HOST_CR4, 0x8020a0); set(B, GABI_VMCS_HOST_CR0, 0x80040033); }
CHANGE(host_sysenter) { set(B, GABI_VMCS_HOST_IA32_SYSENTER_EIP, UINT64_C(1) << 47); }
CHANGE(host_pat) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 19); set(B, GABI_VMCS_HOST_IA32_PAT, 2); }
CHANGE(host_pae) { set(B, GABI_VMCS_HOST_CR4, 0x2080); }
CHANGE(host_32) { set(B, GABI_VMCS_VM_EXIT_CONTROLS, 0x36dff); }
CHANGE(host_selector) { set(B, GABI_VMCS_HOST_ES_SELECTOR, 3); }
CHANGE(host_tr) { set(B, GABI_VMCS_HOST_TR_SELECTOR, 0); }
CHANGE(host_base) { set(B, GABI_VMCS_HOST_GS_BASE, UINT64_C(1) << 50); }
CHANGE(host_efer) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 21); set(B, GABI_VMCS_HOST_IA32_EFER, 0x100); }
CHANGE(host_cet) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 28); set(B, GABI_VMCS_HOST_SSP, 2); }
CHANGE(guest_cr0) { set(B, GABI_VMCS_GUEST_CR0, 0x80050013); }
CHANGE(guest_cr4) { set(B, GABI_VMCS_GUEST_CR4, 0xa0); }
CHANGE(guest_cet_wp) { set(B, GABI_VMCS_GUEST_CR4, 0x8020a0); set(B, GABI_VMCS_GUEST_CR0, 0x80040033); }
CHANGE(guest_dr7) { set(B, GABI_VMCS_GUEST_DR7, UINT64_C(1) << 32); }
CHANGE(guest_pat) { turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 14); set(B, GABI_VMCS_GUEST_IA32_PAT, 8); }
CHANGE(host_perf) { turn_on(B, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 12); set(B, GABI_VMCS_HOST_IA32_PERF_GLOBAL_CTRL, 1); T->has_debug = 1; }
CHANGE(guest_perf) { turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 13); set(B, GABI_VMCS_GUEST_IA32_PERF_GLOBAL_CTRL, 1); T->has_debug = 1; }
CHANGE(debugctl) { set(B, GABI_VMCS_GUEST_IA32_DEBUGCTL, 4); T->has_debug = 1; }
CHANGE(link) { set(B, GABI_VMCS_VMCS_LINK_POINTER, 0x9001); }
CHANGE(guest_mode) { secondary(B, 1 << 7); set(B, GABI_VMCS_GUEST_CR0, 0x80050032); }
CHANGE(guest_pae) { set(B, GABI_VMCS_GUEST_CR4, 0x2080); }
CHANGE(guest_efer)
{
	put(B, 0, 2, 3);
	turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 15);
	set(B, GABI_VMCS_GUEST_IA32_EFER, 0x400);
}
CHANGE(guest_bndcfgs) { turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 16); set(B, GABI_VMCS_GUEST_BNDCFGS, 4); }
CHANGE(guest_cet) { turn_on(B, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 20); set(B, GABI_VMCS_GUEST_S_CET, 0x40); }
CHANGE(activity) { set(B, GABI_VMCS_GUEST_ACTIVITY_STATE, 2); }
CHANGE(guest_cr3) { set(B, GABI_VMCS_GUEST_CR3, UINT64_C(1) << 40); }
CHANGE(guest_tr) { set(B, GABI_VMCS_GUEST_TR_AR_BYTES, 0x82); }
CHANGE(svm_format) { put(B, 2, 2, 0); }
CHANGE(svm_flags) { put(B, 0, 2, 0x105); }
CHANGE(svme_off) { T->svme_off = 1; }
CHANGE(svm_smm) { T->in_smm = 1; }
CHANGE(vmcb_odd) { put(B, 8, 8, 0x7010); }
CHANGE(svm_short) { put(B, 4, 4, SVM_LEN - 1); }
#define VMCB(at) (128 + (at))
#define SAVE(at) (128 + 1024 + (at))
CHANGE(vmrun) { put(B, VMCB(0x10), 4, 2); }
CHANGE(asid) { put(B, VMCB(0x58), 4, 0); }
CHANGE(npt) { put(B, VMCB(0x90), 8, 1); T->npt_off = 1; }
CHANGE(ncr3) { put(B, VMCB(0x90), 8, 1); put(B, VMCB(0xb0), 8, UINT64_C(1) << 40); }
CHANGE(msrpm) { put(B, VMCB(0x48), 8, (UINT64_C(1) << 40) - 0x1000); }
CHANGE(vnmi) { put(B, VMCB(0x60), 4, 1 << 26); }
CHANGE(svm_event) { put(B, VMCB(0xa8), 4, 0x80000302); }
CHANGE(cr0_now) { T->cr0 = 0x20000011; }
CHANGE(save_pg) { put(B, SAVE(0x158), 8, 0x33); }
CHANGE(save_vm) { put(B, SAVE(0x170), 8, 0x20002); }
CHANGE(save_svme) { put(B, SAVE(0xd0), 8, 0xd01); }
CHANGE(save_cr0) { put(B, SAVE(0x158), 8, UINT64_C(0x180050033)); }
CHANGE(save_dr6) { put(B, SAVE(0x168), 8, UINT64_C(1) << 32); }
CHANGE(save_pae) { put(B, SAVE(0x148), 8, 0); }
CHANGE(save_cs) { put(B, SAVE(0x12), 2, 0x600); }
CHANGE(save_cr4) { put(B, SAVE(0x148), 8, UINT64_C(1) << 32 | 0x20); }
CHANGE(gpat) { T->own_pat = 1; put(B, VMCB(0x90), 8, 1); put(B, 16, 8, 2); }

static const struct {
	const char *name;
	void (*change)(struct scene *);
	int svm;
	uint8_t rule;
	unsigned from; /* the kernel that refuses first: index into releases */
} faults[] = {
#define VMX(change, rule, from) { #change, change, 0, GABI_NESTED_##rule, from },
#define SVM(change, rule, from) { #change, change, 1, GABI_NESTED_##rule, from },
	VMX(size_64, C_SIZE, 0) VMX(unknown_flag, C_FLAGS, 0) VMX(pending_outside, C_PENDING, 0)
	VMX(format_1, V_FORMAT, 0) VMX(off_smm, V_OFF_SMM, 0) VMX(off_vmcs12, V_OFF_VMCS12, 0) VMX(off_flags, V_OFF_FLAGS, 0)
	VMX(no_vmx, V_NO_VMX, 0) VMX(vmxon_odd, V_VMXON_PA, 0) VMX(vmxon_high, V_VMXON_PA, 0) VMX(smm_both, V_SMM_BOTH, 0)
	VMX(smm_flags, V_SMM_FLAGS, 0) VMX(hdr_flags, V_HDR_FLAGS, 0) VMX(in_smm, V_IN_SMM, 0) VMX(not_in_smm, V_NOT_IN_SMM, 0)
	VMX(smm_no_vmxon, V_SMM_NO_VMXON, 0) VMX(evmcs_off, V_EVMCS, 0) VMX(short_vmcs, V_SHORT, 0) VMX(same_page, V_VMCS12_VMXON, 0)
	VMX(vmcs12_odd, V_VMCS12_PA, 0) VMX(no_vmcs12, V_NO_VMCS12, 0) VMX(revision, V_REVISION, 0)
	VMX(shadow_short, V_SHADOW_SHORT, 0) VMX(shadow_bit, V_SHADOW, 0)
	VMX(pin_bits, V_PIN, 0) VMX(pin_ones, V_PIN, 0) VMX(proc_bits, V_PROC, 0) VMX(proc2_bits, V_PROC2, 0) VMX(cr3_count, V_CR3_COUNT, 0)
	VMX(io_bitmap, V_IO_BITMAP, 0) VMX(msr_bitmap, V_MSR_BITMAP, 0) VMX(tpr_page, V_TPR_PAGE, 0)
	VMX(tpr_threshold, V_TPR_THRESHOLD, 3) VMX(apic_access, V_APIC_ACCESS, 0) VMX(x2apic, V_X2APIC, 0) VMX(vid, V_VID, 0)
	VMX(posted, V_POSTED, 0) VMX(posted_vector, V_POSTED, 0) VMX(posted_desc, V_POSTED, 0) VMX(apicv_tpr, V_APICV_TPR, 0)
	VMX(nmi, V_NMI, 0) VMX(nmi_window, V_NMI_WINDOW, 0) VMX(pml, V_PML, 0) VMX(unrestricted, V_UNRESTRICTED, 0) VMX(mbec, V_MBEC, 0)
	VMX(shadow_bitmap, V_SHADOW_BITMAP, 0) VMX(vpid, V_VPID, 0) VMX(preemption, V_PREEMPTION, 0) VMX(eptp_type, V_EPTP, 0)
	VMX(eptp_levels, V_EPTP, 0) VMX(eptp_reserved, V_EPTP, 0) VMX(vmfunc, V_VMFUNC, 0) VMX(eptp_list, V_EPTP_LIST, 0) VMX(tsc, V_TSC, 3)
	VMX(exit_bits, V_EXIT, 0) VMX(exit_list, V_EXIT_LISTS, 0) VMX(exit_list_end, V_EXIT_LISTS, 0) VMX(exit_list_long, V_EXIT_LISTS, 3)
	VMX(entry_bits, V_ENTRY, 0) VMX(event_type, V_EVENT, 0) VMX(event_nmi, V_EVENT, 0) VMX(event_no_code, V_EVENT, 0)
	VMX(event_code_high, V_EVENT, 0) VMX(event_reserved, V_EVENT, 0) VMX(event_length, V_EVENT, 0) VMX(entry_list, V_ENTRY_LIST, 0)
	VMX(evmcs_control, V_EVMCS_CONTROL, 0) VMX(host_cr0, V_HOST_CR0, 0) VMX(host_cr4, V_HOST_CR4, 0) VMX(host_cr3, V_HOST_CR3, 0)
	VMX(host_cet_wp, V_HOST_CET_WP, 2) VMX(host_sysenter, V_HOST_SYSENTER, 0) VMX(host_pat, V_HOST_PAT, 0)
	VMX(host_pae, V_HOST_LONG, 0) VMX(host_32, V_HOST_LONG, 0) VMX(host_selector, V_HOST_SELECTOR, 0) VMX(host_tr, V_HOST_SELECTOR, 0)
	VMX(host_base, V_HOST_ADDRESS, 0) VMX(host_efer, V_HOST_EFER, 0) VMX(host_cet, V_HOST_CET, 3) VMX(guest_cr0, V_GUEST_CR0, 0)
	VMX(guest_cr4, V_GUEST_CR4, 0) VMX(guest_cet_wp, V_GUEST_CET_WP, 2) VMX(guest_dr7, V_GUEST_DR7, 0) VMX(guest_pat, V_GUEST_PAT, 0)
	VMX(host_perf, V_HOST_PERF, 0) VMX(guest_perf, V_GUEST_PERF, 0) VMX(debugctl, V_GUEST_DEBUGCTL, 1) VMX(link, V_LINK, 0) VMX(guest_mode, V_GUEST_MODE, 0) VMX(guest_pae, V_GUEST_MODE, 0) VMX(guest_efer, V_GUEST_EFER, 0)
	VMX(guest_bndcfgs, V_GUEST_BNDCFGS, 0) VMX(guest_cet, V_GUEST_CET, 3) VMX(activity, V_ACTIVITY, 0)
	VMX(guest_cr3, V_GUEST_CR3, 0)
	SVM(svm_format, S_FORMAT, 0) SVM(svm_flags, S_FLAGS, 0) SVM(svme_off, S_SVME, 0) SVM(svm_smm, S_IN_SMM, 0)
	SVM(vmcb_odd, S_VMCB_PA, 0) SVM(svm_short, S_SHORT, 0) SVM(vmrun, S_VMRUN, 0) SVM(asid, S_ASID, 0) SVM(ncr3, S_NCR3, 1)
	SVM(msrpm, S_BITMAPS, 1) SVM(vnmi, S_VNMI, 2) SVM(svm_event, S_EVENT, 3) SVM(cr0_now, S_CR0_NOW, 0) SVM(save_pg, S_SAVE_MODE, 0)
	SVM(save_vm, S_SAVE_MODE, 1) SVM(save_svme, S_SAVE_EFER, 0) SVM(save_cr0, S_SAVE_CR0, 1) SVM(save_dr6, S_SAVE_DR, 1)
	SVM(save_pae, S_SAVE_LONG, 1) SVM(save_cs, S_SAVE_LONG, 1) SVM(save_cr4, S_SAVE_CR4, 1) SVM(gpat, S_GPAT, 3)
};

static void prepare(struct scene *s, uint8_t *blob, struct gabi_nested_target *target, const char *release, int svm)
{
	*target = make_target(release, svm);
	*s = (struct scene){ blob, svm ? SVM_LEN : GABI_NESTED_MAX, target };
	if (svm)
		make_svm(blob);
	else
		make_vmx(blob);
}

static void nested_off_in_l1(struct scene *s)
{
	nested_off(s);
	put(s->blob, 0, 2, GABI_NESTED_GIF_SET);
}

static void gpat_without_npt(struct scene *s)
{
	gpat(s);
	s->target->npt_off = 1;
}

#define BEFORE_7_2(rule) GABI_NESTED_##rule, GABI_NESTED_##rule, GABI_NESTED_##rule

/* What each kernel says of it where they do not agree from some release on. */
static const struct {
	const char *name;
	void (*change)(struct scene *);
	int svm;
	unsigned rule[4];
} by_kernel[] = {
	/* A kernel that has no NPT refuses the bit, until 7.2 which ignores it; nor is gPAT of an L2 without NPT looked at. */
	{ "npt", npt, 1, { BEFORE_7_2(S_NPT), GABI_NESTED_ACCEPTED } },
	{ "gpat without npt", gpat_without_npt, 1, { BEFORE_7_2(S_NPT), GABI_NESTED_ACCEPTED } },
	/* nested=0 is a rule of its own since 7.2; before, the guest has no VMX, or L2 has EFER.SVME, which is reserved. */
	{ "nested=0, VMX", nested_off, 0, { BEFORE_7_2(V_NO_VMX), GABI_NESTED_C_NESTED } },
	{ "nested=0, SVM in L2", nested_off, 1,
	  { GABI_NESTED_ACCEPTED, GABI_NESTED_S_SAVE_EFER, GABI_NESTED_S_SAVE_EFER, GABI_NESTED_C_NESTED } },
	{ "nested=0, SVM in L1", nested_off_in_l1, 1, { BEFORE_7_2(ACCEPTED), GABI_NESTED_C_NESTED } },
	/* 5.10 looks at segments, later kernels wait for the registers. */
	{ "guest TR", guest_tr, 0, { GABI_NESTED_V_GUEST_SEGMENTS, GABI_NESTED_ACCEPTED, GABI_NESTED_ACCEPTED, GABI_NESTED_ACCEPTED } },
};

/* A state with that change on a kernel must be refused by the rule `want`. */
static void check_change(const char *name, void (*change)(struct scene *), unsigned kernel, int svm, unsigned want)
{
	uint8_t blob[GABI_NESTED_MAX];
	struct gabi_nested_target target;
	struct gabi_nested_verdict verdict;
	struct scene s;

	prepare(&s, blob, &target, releases[kernel], svm);
	change(&s);
	check(blob, s.len, &target, &verdict);
	if (verdict.rule != want)
		fail_msg("%s on %s: rule %s, not %s", name, releases[kernel], gabi_nested_rule_number(verdict.rule),
			 gabi_nested_rule_number(want));
}

static void check__names_the_rule_that_refuses(void **state)
{
	uint8_t seen[GABI_NESTED_RULE_COUNT] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (unsigned k = 0; k < 4; k++) {
			unsigned want = k >= faults[i].from ? faults[i].rule : GABI_NESTED_ACCEPTED;

			check_change(faults[i].name, faults[i].change, k, faults[i].svm, want);
			seen[want] = 1;
		}
	for (size_t i = 0; i < sizeof(by_kernel) / sizeof(by_kernel[0]); i++)
		for (unsigned k = 0; k < 4; k++) {
			check_change(by_kernel[i].name, by_kernel[i].change, k, by_kernel[i].svm, by_kernel[i].rule[k]);
			seen[by_kernel[i].rule[k]] = 1;
		}
	for (unsigned rule = 0; rule < GABI_NESTED_RULE_COUNT; rule++)
		if (!seen[rule])
			fail_msg("no case breaks rule %s", gabi_nested_rule_number(rule));
}

/* ---- what CPUID tells of the target ---- */

struct leaf {
	uint32_t leaf, sub;
	uint32_t reg[4];
};

static uint32_t leaf_reg(const void *ctx, uint32_t leaf, uint32_t sub, unsigned reg)
{
	for (const struct leaf *at = ctx; at->leaf; at++)
		if (at->leaf == leaf && at->sub == sub)
			return at->reg[reg];
	return 0;
}

static void target_cpuid__tells_what_the_guest_may_set(void **state)
{
	static const struct leaf epyc[] = {
		{ 0x1, 0, { 0, 0, 1u << 26, 0 } },                      /* XSAVE */
		{ 0x7, 0, { 0, 1u << 0 | 1u << 7 | 1u << 20, 1u << 7, 0 } }, /* FSGSBASE, SMEP, SMAP; shadow stacks */
		{ 0x80000001, 0, { 0, 0, 1u << 2, 1u << 20 | 1u << 29 | 1u << 25 } },
		{ 0x80000008, 0, { 0x3028, 1u << 20, 0, 0 } },          /* 48 and 40 bits; LMSLE must be 0 */
		{ 0x80000021, 0, { 1u << 8, 0, 0, 0 } },                /* automatic IBRS */
		{ 0, 0, { 0 } }
	};
	static const struct {
		const char *release;
		int svm;
		uint64_t cr4, efer;
		uint8_t no_vmx, npt_off;
	} rows[] = {
		{ "5.10", 1, 0x3507ff, 0x7d01, 0, 0 },
		{ "6.12", 1, 0x3507ff, 0x207d01, 0, 0 },
		{ "7.2", 1, 0xb507ff, 0x205d01, 0, 1 },
		{ "7.2", 0, 0, 0, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_nested_target target = { .size = sizeof(target), .release = rows[i].release, .svm = (uint8_t)rows[i].svm };

		gabi_nested_target_cpuid(&target, leaf_reg, epyc);
		assert_int_equal(target.phys_bits, 40);
		assert_int_equal(target.virt_bits, 48);
		assert_int_equal(target.cr4, rows[i].cr4);
		assert_int_equal(target.efer, rows[i].efer);
		assert_int_equal(target.no_vmx, rows[i].no_vmx);
		assert_int_equal(target.npt_off, rows[i].npt_off);
	}
}

/* Bits that hang on the guest's CPUID: not to be judged without it, and then wrong or right. */
static void check__of_svm_asks_for_the_guests_bits(void **state)
{
	static const struct {
		const char *name;
		unsigned at;
		uint64_t value, cr4, efer;
		unsigned rule;
		uint8_t unknown;
	} rows[] = {
		{ "CR4.LA57, not known", SAVE(0x148), 0x1020, 0, 0, GABI_NESTED_ACCEPTED, 1 },
		{ "CR4.LA57, not there", SAVE(0x148), 0x1020, 0x7ff, 0, GABI_NESTED_S_SAVE_CR4, 0 },
		{ "CR4.LA57, there", SAVE(0x148), 0x1020, 0x17ff, 0, GABI_NESTED_ACCEPTED, 0 },
		{ "EFER.TCE, not known", SAVE(0xd0), 0x9d01, 0, 0, GABI_NESTED_ACCEPTED, 1 },
		{ "EFER.TCE, not there", SAVE(0xd0), 0x9d01, 0, 0x1d01, GABI_NESTED_S_SAVE_EFER, 0 },
		{ "EFER.TCE, there", SAVE(0xd0), 0x9d01, 0, 0x9d01, GABI_NESTED_ACCEPTED, 0 },
		{ "an EFER that no CPU has", SAVE(0xd0), UINT64_C(1) << 60 | 0x1d01, 0, 0, GABI_NESTED_S_SAVE_EFER, 0 },
		{ "a map in the last page, whatever its low bits", VMCB(0x40), UINT64_MAX, 0, 0, GABI_NESTED_S_BITMAPS, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t blob[GABI_NESTED_MAX];
		struct gabi_nested_target target = make_target("6.12", 1);
		struct gabi_nested_verdict verdict;

		make_svm(blob);
		put(blob, rows[i].at, 8, rows[i].value);
		target.cr4 = rows[i].cr4;
		target.efer = rows[i].efer;
		check(blob, SVM_LEN, &target, &verdict);
		if (verdict.rule != rows[i].rule || verdict.unknown != rows[i].unknown)
			fail_msg("%s: rule %s, unknown %d", rows[i].name, gabi_nested_rule_number(verdict.rule), verdict.unknown);
	}
}

/* Rules in the table's order: the earlier one wins. */
static void check__takes_the_first_of_two(void **state)
{
	(void)state;
	for (size_t a = 0; a < sizeof(faults) / sizeof(faults[0]); a++) {
		for (size_t b = 0; b < sizeof(faults) / sizeof(faults[0]); b++) {
			uint8_t blob[GABI_NESTED_MAX];
			struct gabi_nested_target target;
			struct gabi_nested_verdict one, two;
			struct scene s;

			if (faults[a].svm || faults[b].svm || faults[a].rule >= GABI_NESTED_V_SHORT || faults[b].rule < GABI_NESTED_V_PIN)
				continue;
			prepare(&s, blob, &target, "7.2", 0);
			faults[a].change(&s);
			check(blob, s.len, &target, &one);
			faults[b].change(&s);
			check(blob, s.len, &target, &two);
			assert_true(!one.late);
			/* Two late changes also write flags, or let the vCPU use the enlightened VMCS, and so mend an early fault. */
			if (two.rule > one.rule && faults[b].change != guest_efer && faults[b].change != evmcs_control)
				fail_msg("%s with %s: rule %s", faults[a].name, faults[b].name, gabi_nested_rule_number(two.rule));
		}
	}
}

static void check__says_when_a_refusal_would_destroy(void **state)
{
	uint8_t blob[GABI_NESTED_MAX];
	struct gabi_nested_target target = make_target("6.12", 0);
	struct gabi_nested_verdict verdict;

	(void)state;
	make_vmx(blob);
	set(blob, GABI_VMCS_GUEST_ACTIVITY_STATE, 2);
	check(blob, sizeof(blob), &target, &verdict);
	assert_true(verdict.late);
	assert_int_equal(verdict.id, GABI_VMCS_GUEST_ACTIVITY_STATE);
	assert_int_equal(verdict.offset, 128 + 916);
	assert_int_equal(verdict.value, 2);
	assert_int_equal(verdict.note[verdict.notes - 1].kind, GABI_NESTED_NOTE_DESTRUCTIVE);
	put(blob, 28, 4, 2);
	check(blob, sizeof(blob), &target, &verdict);
	assert_false(verdict.late);
	assert_int_equal(verdict.offset, 28);
}

static int has_note(const struct gabi_nested_verdict *verdict, unsigned kind)
{
	for (unsigned i = 0; i < verdict->notes; i++)
		if (verdict->note[i].kind == kind)
			return 1;
	return 0;
}

static void check__warns_of_what_is_lost_in_silence(void **state)
{
	uint8_t blob[GABI_NESTED_MAX], svm[SVM_LEN];
	struct gabi_nested_verdict verdict;

	(void)state;
	make_vmx(blob);
	put(blob, 0, 2, GABI_NESTED_GUEST_MODE | GABI_NESTED_EVMCS | GABI_NESTED_GIF_SET);
	put(blob, 16, 8, UINT64_MAX);
	put(blob, 28, 4, 1);
	for (unsigned k = 0; k < 4; k++) {
		struct gabi_nested_target target = make_target(releases[k], 0);

		target.evmcs = (struct gabi_evmcs_guest){ 1, 1, 1 };
		check(blob, sizeof(blob), &target, &verdict);
		assert_int_equal(verdict.rule, GABI_NESTED_ACCEPTED);
		assert_true(has_note(&verdict, GABI_NESTED_NOTE_ASSIST_PAGE));
		assert_true(has_note(&verdict, GABI_NESTED_NOTE_GIF_IGNORED));
		assert_true(has_note(&verdict, GABI_NESTED_NOTE_DEADLINE));
		assert_int_equal(has_note(&verdict, GABI_NESTED_NOTE_FLAG_LOST), k == 0);
		assert_true(has_note(&verdict, GABI_NESTED_NOTE_MAP_PENDING));
	}
	make_svm(svm);
	put(svm, 16, 8, 0x0007040600070406);
	for (unsigned k = 0; k < 4; k++) {
		struct gabi_nested_target target = make_target(releases[k], 1);

		check(svm, sizeof(svm), &target, &verdict);
		assert_int_equal(has_note(&verdict, GABI_NESTED_NOTE_GPAT_IGNORED), k < 3);
	}
}

static void check__is_unknown_where_it_cannot_know(void **state)
{
	uint8_t blob[GABI_NESTED_MAX];
	struct gabi_nested_target target = make_target("7.2", 0);
	struct gabi_nested_verdict verdict;

	(void)state;
	make_vmx(blob);
	target.msr_known = 0;
	check(blob, sizeof(blob), &target, &verdict);
	assert_int_equal(verdict.rule, GABI_NESTED_ACCEPTED);
	assert_true(verdict.unknown);
	assert_int_equal(verdict.note[0].rule, GABI_NESTED_V_PIN);
	target = make_target("7.2", 0);
	set(blob, GABI_VMCS_VMCS_LINK_POINTER, 0x9000); /* guest memory decides */
	check(blob, sizeof(blob), &target, &verdict);
	assert_true(verdict.unknown);
}

/* Counters and debug features: one with four counters and three fixed ones, RTM, and LBRs perhaps; one without; and one of old. */
static const struct leaf counting[] = {
	{ 0x1, 0, { 0, 0, 1u << 5 | 1u << 15, 0 } },
	{ 0x7, 0, { 0, 1u << 11, 0, 0 } },
	{ 0xa, 0, { 0x07300402, 0, 0, 0x603 } },
	{ 0x80000008, 0, { 0x3028, 0, 0, 0 } },
	{ 0, 0, { 0 } }
}, without[] = {
	{ 0x1, 0, { 0, 0, 1u << 5, 0 } },
	{ 0x80000008, 0, { 0x3028, 0, 0, 0 } },
	{ 0, 0, { 0 } }
}, of_version_1[] = {
	{ 0x1, 0, { 0, 0, 1u << 5, 0 } },
	{ 0xa, 0, { 0x07300401, 0, 0, 0 } },
	{ 0x80000008, 0, { 0x3028, 0, 0, 0 } },
	{ 0, 0, { 0 } }
};

enum { REFUSED = 1, TAKEN, UNKNOWN };

static void check__of_counters_and_debug_features_goes_by_the_guests(void **state)
{
	enum { HOST, GUEST, DEBUG };
	static const struct {
		const char *name, *release;
		const struct leaf *cpuid; /* NULL: not known */
		uint64_t value;
		uint8_t what, no_lbr, wanted;
	} rows[] = {
		{ "counters that it has", "5.10", counting, UINT64_C(0x70000000f), HOST, 0, TAKEN },
		{ "counters that it has", "7.2", counting, UINT64_C(0x70000000f), GUEST, 0, TAKEN },
		{ "a counter too many", "5.10", counting, 0x10, HOST, 0, REFUSED },
		{ "a fixed counter too many", "7.2", counting, UINT64_C(0x800000000), GUEST, 0, REFUSED },
		{ "none in use", "7.2", without, 0, GUEST, 0, TAKEN },
		{ "a counter, and it has none", "6.1", without, 1, GUEST, 0, REFUSED },
		{ "a counter, and it has none", "5.15", without, 1, GUEST, 0, UNKNOWN },
		{ "a counter of the first version", "6.12", of_version_1, 1, HOST, 0, UNKNOWN },
		{ "a counter, of whom nothing is known", "7.2", NULL, 1, HOST, 0, UNKNOWN },
		{ "LBRs and single-stepping of branches", "7.2", without, 3, DEBUG, 0, TAKEN },
		{ "bus locks, which it has not", "7.2", counting, 4, DEBUG, 0, REFUSED },
		{ "bus locks, and perhaps nobody looks", "6.12", counting, 4, DEBUG, 0, UNKNOWN },
		{ "bus locks, and nobody looks", "5.10", counting, 4, DEBUG, 0, TAKEN },
		{ "RTM", "7.2", counting, 0x8000, DEBUG, 0, TAKEN },
		{ "RTM", "6.12", counting, 0x8000, DEBUG, 0, TAKEN },
		{ "RTM, which it has not", "7.2", without, 0x8000, DEBUG, 0, REFUSED },
		{ "LBRs that freeze", "7.2", counting, 0x800, DEBUG, 0, UNKNOWN },
		{ "LBRs that freeze, which it has not", "7.2", counting, 0x800, DEBUG, 1, REFUSED },
		{ "LBRs that freeze, which it has not", "7.2", without, 0x800, DEBUG, 0, REFUSED },
		{ "freezing in SMM", "7.2", without, 0x4000, DEBUG, 0, UNKNOWN },
		{ "freezing in SMM, and what none may", "7.2", without, 0x4000 | UINT64_C(1) << 40, DEBUG, 0, REFUSED },
		{ "anything, of whom nothing is known", "7.2", NULL, 1, DEBUG, 0, UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_nested_target target = make_target(rows[i].release, 0);
		struct gabi_nested_verdict verdict;
		uint8_t blob[GABI_NESTED_MAX];

		make_vmx(blob);
		target.no_lbr = rows[i].no_lbr;
		if (rows[i].cpuid)
			gabi_nested_target_cpuid(&target, leaf_reg, rows[i].cpuid);
		if (rows[i].what == HOST)
			turn_on(blob, GABI_VMCS_VM_EXIT_CONTROLS, 1 << 12);
		if (rows[i].what == GUEST)
			turn_on(blob, GABI_VMCS_VM_ENTRY_CONTROLS, 1 << 13);
		set(blob, rows[i].what == HOST ? GABI_VMCS_HOST_IA32_PERF_GLOBAL_CTRL : rows[i].what == GUEST ? GABI_VMCS_GUEST_IA32_PERF_GLOBAL_CTRL :
			GABI_VMCS_GUEST_IA32_DEBUGCTL, rows[i].value);
		check(blob, sizeof(blob), &target, &verdict);
		if ((verdict.rule ? REFUSED : verdict.unknown ? UNKNOWN : TAKEN) != rows[i].wanted)
			fail_msg("%s, %s: rule %s, unknown %u", rows[i].name, rows[i].release, gabi_nested_rule_number(verdict.rule), verdict.unknown);
	}
}

static void check__empty_states_are_fine(void **state)
{
	struct gabi_nested nested = { .format = GABI_NESTED_VMX, .vmxon_pa = GABI_NESTED_NONE, .vmcs12_pa = GABI_NESTED_NONE };
	uint8_t blob[GABI_NESTED_HEADER];
	struct gabi_nested_target target = make_target("7.2", 0);
	struct gabi_nested_verdict verdict;
	size_t len;

	(void)state;
	assert_int_equal(gabi_nested_write(&nested, blob, sizeof(blob), &len, NULL), 0);
	assert_int_equal(len, 128);
	check(blob, len, &target, &verdict);
	assert_int_equal(verdict.rule, GABI_NESTED_ACCEPTED);
	put(blob, 0, 2, GABI_NESTED_EVMCS); /* once meant "switch it on": harmless without VMXON, if the vCPU may use it */
	check(blob, len, &target, &verdict);
	assert_int_equal(verdict.rule, GABI_NESTED_V_EVMCS);
	target.evmcs.enabled = 1;
	check(blob, len, &target, &verdict);
	assert_int_equal(verdict.rule, GABI_NESTED_ACCEPTED);
	put(blob, 0, 2, 0);
	put(blob, 8, 8, 0x5000); /* VMXON without a current VMCS */
	check(blob, len, &target, &verdict);
	assert_int_equal(verdict.rule, GABI_NESTED_ACCEPTED);
}

static void read__refuses_what_is_cut_short(void **state)
{
	uint8_t blob[GABI_NESTED_MAX];
	struct gabi_nested nested = { .flags = 0xdead };
	struct gabi_diag diag;

	(void)state;
	make_vmx(blob);
	assert_int_equal(gabi_nested_read(blob, 127, &nested, &diag), GABI_ERR_SCHEMA);
	assert_int_equal(gabi_nested_read(blob, sizeof(blob) - 1, &nested, &diag), GABI_ERR_SCHEMA);
	assert_non_null(strstr(diag.text, "8320"));
	assert_int_equal(nested.flags, 0xdead);
	assert_int_equal(gabi_nested_read(blob, sizeof(blob), &nested, &diag), 0);
	assert_ptr_equal(nested.shadow, blob + 4224);
}

static void write__gives_back_what_was_read(void **state)
{
	uint8_t blob[GABI_NESTED_MAX], again[GABI_NESTED_MAX], svm[SVM_LEN];
	struct gabi_nested nested;
	struct gabi_diag diag;
	size_t len;

	(void)state;
	make_vmx(blob);
	put(blob, 28, 4, 1);
	put(blob, 32, 8, 0x123456789a);
	assert_int_equal(gabi_nested_read(blob, sizeof(blob), &nested, NULL), 0);
	assert_int_equal(gabi_nested_write(&nested, again, sizeof(again), &len, NULL), 0);
	assert_memory_equal(blob, again, len);
	assert_int_equal(gabi_nested_write(&nested, again, len - 1, &len, &diag), GABI_ERR_LIMIT);
	make_svm(svm);
	assert_int_equal(gabi_nested_read(svm, sizeof(svm), &nested, NULL), 0);
	assert_int_equal(gabi_nested_write(&nested, again, sizeof(again), &len, NULL), 0);
	assert_memory_equal(svm, again, len);
	nested.format = 7;
	assert_int_equal(gabi_nested_write(&nested, again, sizeof(again), &len, &diag), GABI_ERR_ARG);
}

static void convert__there_and_back_is_the_same_blob(void **state)
{
	size_t count;
	const struct gabi_vmcs_layout *other = gabi_vmcs_layouts(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		uint8_t blob[GABI_NESTED_MAX], there[GABI_NESTED_MAX], back[GABI_NESTED_MAX];
		struct gabi_vmcs_finding findings[64];
		size_t len, total;

		make_vmx(blob);
		put(blob, 0, 2, 5);
		assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), &other[i], 0, NULL, there, sizeof(there), &len, findings, 64,
						     &total, NULL), 0);
		if (total)
			fail_msg("%s: %s of field %u", other[i].name, gabi_vmcs_finding_text(findings[0].kind), findings[0].id);
		assert_int_equal(gabi_nested_convert(there, len, &other[i], layout(), 0, NULL, back, sizeof(back), &len, findings, 64, &total,
						     NULL), 0);
		if (len != sizeof(blob) || memcmp(blob, back, len))
			fail_msg("%s: not the same after the way back", other[i].name);
	}
}

/* What KVM is given as the current VMCS it writes into guest memory when the guest leaves it. So of an id that is not KVM's own, which would be
 * another one after the conversion, a finding says so, and nobody loads what has a finding that harms. */
static void convert__from_kernel_to_kernel_keeps_each_revision_id(void **state)
{
	static const size_t pages[] = { GABI_NESTED_HEADER, GABI_NESTED_HEADER + GABI_VMCS_PAGE };
	static const char *const kernels[] = { "4.18", "5.10", "6.1", "6.12", "7.2" };
	uint8_t blob[GABI_NESTED_MAX], before[GABI_NESTED_MAX], out[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[4];
	size_t len, total;

	(void)state;
	for (size_t way = 0; way < 25; way++) {
		const struct gabi_vmcs_layout *from = gabi_nested_layout(kernels[way / 5]), *to = gabi_nested_layout(kernels[way % 5]);

		for (unsigned bit = 0; bit < 65; bit++) { /* of the VMCS, of its shadow; last, none */
			unsigned harms = 0;

			make_vmx(blob);
			if (bit < 64)
				blob[pages[bit / 32] + bit % 32 / 8] ^= (uint8_t)(1 << bit % 8);
			memcpy(before, blob, sizeof(blob));
			assert_int_equal(gabi_nested_convert(blob, sizeof(blob), from, to, 0, NULL, out, sizeof(out), &len, findings, 4,
							     &total, NULL), 0);
			assert_memory_equal(blob, before, sizeof(blob));
			assert_in_range(total, 0, 4);
			for (size_t i = 0; i < total; i++)
				harms += findings[i].kind == GABI_VMCS_FINDING_REVISION && gabi_vmcs_finding_harms(findings[i].kind);
			for (size_t i = 0; i < 2; i++)
				if (memcmp(out + pages[i], blob + pages[i], 4) && !harms)
					fail_msg("%s to %s: the revision id at %zu is another one, bit %u", from->name, to->name, pages[i], bit);
			assert_int_equal(harms, bit < 64 && bit % 32 != 31); /* bit 31 is no part of the id */
		}
	}
}

/* The shadow VMCS's findings are behind the VMCS's, by a page; the bytes are the same with and without. */
static void convert__for_a_32_bit_host_names_each_high_half(void **state)
{
	const size_t rsp = layout()->offset[GABI_VMCS_GUEST_RSP];
	uint8_t blob[GABI_NESTED_MAX], wide[GABI_NESTED_MAX], narrow[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[4];
	size_t len, total;

	(void)state;
	make_vmx(blob);
	set(blob, GABI_VMCS_HOST_RIP, 0);
	set(blob, GABI_VMCS_GUEST_RSP, UINT64_C(0xffffffff));
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), layout(), GABI_VMCS_NARROW_HOST, NULL, narrow, sizeof(narrow), &len,
					     findings, 4, &total, NULL), 0);
	assert_int_equal(total, 0);
	set(blob, GABI_VMCS_GUEST_RSP, UINT64_C(0x100000000));
	put(blob, GABI_NESTED_HEADER + GABI_VMCS_PAGE + rsp, 8, UINT64_C(0x8000000000000000));
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), layout(), 0, NULL, wide, sizeof(wide), &len, findings, 4, &total,
					     NULL), 0);
	assert_int_equal(total, 0);
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), layout(), GABI_VMCS_NARROW_HOST, NULL, narrow, sizeof(narrow), &len,
					     findings, 4, &total, NULL), 0);
	assert_int_equal(total, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(findings[i].kind, GABI_VMCS_FINDING_NARROW);
		assert_int_equal(findings[i].id, GABI_VMCS_GUEST_RSP);
		assert_int_equal(findings[i].offset, rsp + i * GABI_VMCS_PAGE);
	}
	assert_memory_equal(wide, narrow, len);
}

static void convert__says_what_a_kernel_cannot_hold(void **state)
{
	uint8_t blob[GABI_NESTED_MAX], out[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[4];
	size_t len, total;
	struct gabi_diag diag;

	(void)state;
	make_vmx(blob);
	secondary(blob, 1 << 25);
	set(blob, GABI_VMCS_TSC_MULTIPLIER, UINT64_C(3) << 47);
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), gabi_nested_layout("5.10"), 0, NULL, out, sizeof(out), &len, findings, 4,
					     &total, NULL), 0);
	assert_int_equal(total, 1);
	assert_int_equal(findings[0].kind, GABI_VMCS_FINDING_LOST);
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), layout(), 0, NULL, out, 100, &len, findings, 4, &total, &diag),
			 GABI_ERR_LIMIT);
	put(blob, 2, 2, 1);
	assert_int_equal(gabi_nested_convert(blob, sizeof(blob), layout(), layout(), 0, NULL, out, sizeof(out), &len, findings, 4, &total, &diag),
			 GABI_ERR_ARG);
	assert_null(gabi_nested_layout("4.17"));
	assert_string_equal(gabi_nested_layout("4.19.0")->name, "kvm-4.18");
	assert_string_equal(gabi_nested_layout("6.6.1")->name, "kvm-6.1");
	assert_string_equal(gabi_nested_layout("7.3")->name, "kvm-7.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check__accepts_a_sound_state_on_every_kernel),
		cmocka_unit_test(check__names_the_rule_that_refuses),
		cmocka_unit_test(target_cpuid__tells_what_the_guest_may_set),
		cmocka_unit_test(check__of_svm_asks_for_the_guests_bits),
		cmocka_unit_test(check__takes_the_first_of_two),
		cmocka_unit_test(check__says_when_a_refusal_would_destroy),
		cmocka_unit_test(check__warns_of_what_is_lost_in_silence),
		cmocka_unit_test(check__is_unknown_where_it_cannot_know),
		cmocka_unit_test(check__of_counters_and_debug_features_goes_by_the_guests),
		cmocka_unit_test(check__empty_states_are_fine),
		cmocka_unit_test(read__refuses_what_is_cut_short),
		cmocka_unit_test(write__gives_back_what_was_read),
		cmocka_unit_test(convert__there_and_back_is_the_same_blob),
		cmocka_unit_test(convert__from_kernel_to_kernel_keeps_each_revision_id),
		cmocka_unit_test(convert__for_a_32_bit_host_names_each_high_half),
		cmocka_unit_test(convert__says_what_a_kernel_cannot_hold),
	};

	return cmocka_run_group_tests_name("nested", tests, NULL, NULL);
}
