/* SPDX-License-Identifier: MIT */
/*
 * What arm64 wants chosen before a virtual processor is there, or initialized. The interrupt controller and the PMU must be
 * whole before the first run; the GIC lies where QEMU's "virt" machine has it.
 */
#include "create.h"

#include "machine_arm64.h"
#include "uapi.h"

#include <gabi/vocab.h>

enum {
	GIC_DIST = 0x08000000,
	GIC_CPU = 0x08010000,
	GIC_REDIST = 0x080a0000,
	PMU_PPI = 23,
};

static uint64_t promised(const struct gabi_contract *contract, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_ARM64);
	const struct gabi_word *word = field ? gabi_contract_find(contract, &field->key, GABI_VP_ALL) : NULL;

	return word ? word->value >> field->lo & gabi_mask(field->bits) : 0;
}

/* The features that a contract wants, by the fields that show them to the guest. */
static const struct wish {
	const char *field;
	unsigned bit;
} wishes[] = {
#define GABI_ARM64_VCPU_ROW(field, feature, number) { field, KVM_ARM_VCPU_##feature },
#include <models/arm64_vcpu.def>
};

static uint32_t wished(const struct gabi_contract *contract)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < GABI_COUNT_OF(wishes); i++)
		if (promised(contract, wishes[i].field))
			bits |= 1u << wishes[i].bit;
	return bits;
}

static int set_attr(int fd, uint32_t group, uint64_t attr, const void *value)
{
	struct kvm_device_attr call = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &call);
}

static int set_gic_address(int gic, uint64_t attr, uint64_t address)
{
	return set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, attr, &address);
}

/* Version 3 or else 2: each takes only its own addresses. */
static int finish_gic(int gic, struct gabi_diag *diag)
{
	int refused = set_gic_address(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST) ?
			      set_gic_address(gic, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST) ||
				      set_gic_address(gic, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU) :
			      set_gic_address(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);

	if (refused || set_attr(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL))
		return kvm_refused(diag, "set up the interrupt controller");
	return 0;
}

static int finish_pmu(int vcpu, bool has_gic, struct gabi_diag *diag)
{
	int irq = PMU_PPI;

	if ((has_gic && set_attr(vcpu, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, &irq)) ||
	    set_attr(vcpu, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL))
		return kvm_refused(diag, "set up a virtual processor's PMU");
	return 0;
}

static int make_vcpus(int vm, uint32_t features, unsigned count, int *vcpu, int gic, struct gabi_diag *diag)
{
	int err = 0;

	for (unsigned vp = 0; !err && vp < count; vp++)
		err = machine_add_vcpu(vm, vp, &vcpu[vp], diag);
	for (unsigned vp = 0; !err && vp < count; vp++)
		err = machine_init_vcpu(vm, vcpu[vp], &features, diag);
	if (!err && gic >= 0)
		err = finish_gic(gic, diag);
	for (unsigned vp = 0; !err && vp < count && features & 1u << KVM_ARM_VCPU_PMU_V3; vp++)
		err = finish_pmu(vcpu[vp], gic >= 0, diag);
	return err;
}

int create_machine(const struct gabi_contract *contract, int kvm, const struct gabi_kvm_vm_options *options, int *ret_vm,
		   int *vcpu, int *ret_gic, struct gabi_diag *diag)
{
	int err = machine_new(kvm, ret_vm, diag);

	if (err)
		return err;
	if (promised(contract, "id-aa64pfr1.mte"))
		machine_enable(*ret_vm, KVM_CAP_ARM_MTE);
	machine_enable(*ret_vm, KVM_CAP_ARM_WRITABLE_IMP_ID_REGS);
	machine_give_gic(*ret_vm, promised(contract, "id-aa64pfr0.gic") ? 3 : 2, ret_gic);
	return make_vcpus(*ret_vm, wished(contract) & machine_features(*ret_vm), options->vcpus, vcpu, *ret_gic, diag);
}
