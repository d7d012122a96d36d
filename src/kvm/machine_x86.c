/* SPDX-License-Identifier: MIT */
#include "machine_x86.h"

#include "uapi.h"

#include <asm/prctl.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef ARCH_REQ_XCOMP_GUEST_PERM
#define ARCH_REQ_XCOMP_GUEST_PERM 0x1025
#endif

enum {
	SPLIT_ROUTES = 24,
	XFEATURE_XTILEDATA = 18,
};

/* Must come before the first virtual processor of the process; where the kernel knows of no such features it says no. */
static void ask_for_xsave_features(void)
{
	syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_GUEST_PERM, XFEATURE_XTILEDATA);
}

/* Several Hyper-V features are offered only beside a local APIC in the kernel. */
static void give_local_apic(int vm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { SPLIT_ROUTES } };

	if (kvm_ioctl(vm, KVM_ENABLE_CAP, &split))
		kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL);
}

int machine_new(int kvm, int *ret_vm, struct gabi_diag *diag)
{
	int err;

	ask_for_xsave_features();
	err = kvm_vm_new(kvm, 0, ret_vm, diag);
	if (!err)
		give_local_apic(*ret_vm);
	return err;
}

/* Three pages and one below 4 GiB, where Intel's processors without unrestricted guests keep what real mode takes. */
#define REAL_MODE_MAP 0xfeffc000ull
#define REAL_MODE_TSS 0xfeffd000ul

static int give_pc(int vm, struct gabi_diag *diag)
{
	uint64_t map = REAL_MODE_MAP;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (kvm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &map) || kvm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)REAL_MODE_TSS))
		return kvm_refused(diag, "set aside memory for real mode");
	if (kvm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL))
		return kvm_refused(diag, "make the interrupt controllers of a PC");
	return kvm_ioctl(vm, KVM_CREATE_PIT2, &pit) ? kvm_refused(diag, "make the timer of a PC") : 0;
}

int machine_new_pc(int kvm, int *ret_vm, struct gabi_diag *diag)
{
	int err;

	ask_for_xsave_features();
	err = kvm_vm_new(kvm, 0, ret_vm, diag);
	return err ? err : give_pc(*ret_vm, diag);
}

int machine_wait_in_place(int vm, struct gabi_diag *diag)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { KVM_X86_DISABLE_EXITS_HLT } };

	return kvm_ioctl(vm, KVM_ENABLE_CAP, &cap) ? kvm_refused(diag, "let HLT wait inside the processor") : 0;
}

int machine_add_vcpu(int vm, unsigned index, int *ret_vcpu, struct gabi_diag *diag)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)index);

	if (vcpu < 0)
		return kvm_refused(diag, "make a virtual processor");
	*ret_vcpu = vcpu;
	return 0;
}

/* A KVM before Linux 5.14 lets a guest have what its CPUID does not show, and there is no way to keep it from that. */
int machine_hold_to_hyperv(int vcpu, struct gabi_diag *diag)
{
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args = { 1 } };

	if (!kvm_ioctl(vcpu, KVM_ENABLE_CAP, &enforce) || errno == EINVAL)
		return 0;
	return kvm_refused(diag, "hold a guest to the Hyper-V features that it is shown");
}

int machine_give_synic(int vcpu, struct gabi_diag *diag)
{
	struct kvm_enable_cap synic = { .cap = KVM_CAP_HYPERV_SYNIC2 };

	return kvm_ioctl(vcpu, KVM_ENABLE_CAP, &synic) ? kvm_refused(diag, "give a guest Hyper-V's interrupt controller") : 0;
}

/* Where CPUID says which processor this is. */
static const struct per_cpu {
	uint32_t leaf;
	uint32_t eax, ebx, ecx, edx;  /* bits to clear */
	uint32_t id_eax, id_ebx, id_edx; /* what the number is multiplied by to stand where it belongs */
} per_cpu[] = {
	{ 0x1, .ebx = 0xff000000, .id_ebx = 1u << 24 },                    /* initial APIC id */
	{ 0xb, .edx = ~0u, .id_edx = 1 },                                  /* x2APIC id */
	{ 0x1f, .edx = ~0u, .id_edx = 1 },                                 /* x2APIC id */
	{ 0x8000001e, .eax = ~0u, .ebx = 0xff, .ecx = 0xff, .id_eax = 1 }, /* extended APIC, core and node id */
	{ 0x80000026, .edx = ~0u, .id_edx = 1 },                           /* extended APIC id */
};

void machine_set_processor(struct kvm_cpuid_entry2 *entry, unsigned id)
{
	for (size_t i = 0; i < GABI_COUNT_OF(per_cpu); i++) {
		const struct per_cpu *row = &per_cpu[i];

		if (row->leaf != entry->function)
			continue;
		entry->eax = (entry->eax & ~row->eax) | (id * row->id_eax & row->eax);
		entry->ebx = (entry->ebx & ~row->ebx) | (id * row->id_ebx & row->ebx);
		entry->ecx &= ~row->ecx;
		entry->edx = (entry->edx & ~row->edx) | (id * row->id_edx & row->edx);
	}
}
