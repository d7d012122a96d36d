/* SPDX-License-Identifier: MIT */
/*
 * Holds the probe's manifest against KVM itself, asked again in the plainest way.
 *
 * Static and without a test library, so that the same program runs on this machine and inside the lab's. Prints a line for
 * each statement that is wrong and one at the end. Exit status 0 all is right, 1 not, 77 there is no KVM to ask.
 */
#include <gabi/kvm.h>
#include <gabi/vocab.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
#define GABI_VM_ROW(id, number, ...) VM_##id = number,
#include <gabi/vm.def>
};

static int kvm, vm, vcpu;
static struct gabi_host *host;
static unsigned checked, wrong;

static void check(bool right, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void check(bool right, const char *format, ...)
{
	va_list args;

	checked++;
	if (right)
		return;
	wrong++;
	printf("wrong: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

static const struct gabi_word *word(unsigned space, uint64_t index, unsigned sub, unsigned part)
{
	struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .sub = sub, .index = index };

	return gabi_host_find(host, &key);
}

/* Does the manifest say that, but for the bits of `free`? */
static void check_word(unsigned space, uint64_t index, unsigned sub, unsigned part, uint64_t value, uint64_t free)
{
	const struct gabi_word *found = word(space, index, sub, part);

	check(found, "%s 0x%" PRIx64 ".%u[%u] is not in the manifest", gabi_space_text(space), index, sub, part);
	if (found)
		check(!((found->value ^ value) & ~free), "%s 0x%" PRIx64 ".%u[%u] is 0x%" PRIx64 ", KVM says 0x%" PRIx64,
		      gabi_space_text(space), index, sub, part, found->value, value);
}

/* Words that were read, of which KVM gave so many. */
static void check_count(unsigned space, size_t count)
{
	size_t all, found = 0;
	const struct gabi_word *words = gabi_host_words(host, &all);

	for (size_t i = 0; i < all; i++)
		found += words[i].key.space == space && !(words[i].flags & GABI_WORD_IMPLIED);
	check(found == count, "%s has %zu words, KVM gave %zu", gabi_space_text(space), found, count);
	check(gabi_host_covers(host, space), "%s is not covered", gabi_space_text(space));
}

static void check_caps(void)
{
	size_t count = 0;

	for (unsigned cap = 0; cap < 400; cap++) {
		int value = ioctl(vm, KVM_CHECK_EXTENSION, cap);

		if (value <= 0)
			continue;
		check_word(GABI_SPACE_CAP, cap, 0, 0, (unsigned)value, 0);
		count++;
	}
	check_count(GABI_SPACE_CAP, count);
}

#if defined(__x86_64__)

static struct kvm_cpuid2 *cpuid(int fd, unsigned long request)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + 256 * sizeof(table->entries[0]));

	table->nent = 256;
	if (!ioctl(fd, request, table))
		return table;
	/* Kernels before 5.12 refuse more entries than their own limit. */
	table->nent = 80;
	if (!ioctl(fd, request, table))
		return table;
	free(table);
	return NULL;
}

/* What depends on the processor that the question is asked on. */
static uint32_t of_processor(uint32_t leaf, unsigned reg)
{
	if (leaf == 1 && reg == GABI_EBX)
		return 0xff000000;
	if ((leaf == 0xb || leaf == 0x1f || leaf == 0x80000026) && reg == GABI_EDX)
		return ~0u;
	if (leaf == 0x8000001e)
		return reg == GABI_EAX ? ~0u : reg == GABI_EDX ? 0 : 0xff;
	return 0;
}

static void check_table(int fd, unsigned long request, unsigned space)
{
	struct kvm_cpuid2 *table = cpuid(fd, request);
	size_t own = 0, kvms = 0;

	check(!table == !gabi_host_covers(host, space), "%s is covered and cannot be read, or can and is not", gabi_space_text(space));
	for (uint32_t i = 0; table && i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];
		const uint32_t values[] = { entry->eax, entry->ebx, entry->ecx, entry->edx };
		bool of_kvm = space == GABI_SPACE_CPUID && entry->function >> 8 == 0x400000;

		for (unsigned reg = 0; reg < 4; reg++)
			check_word(of_kvm ? GABI_SPACE_KVM : space, entry->function, entry->index, reg, values[reg],
				   of_processor(entry->function, reg));
		*(of_kvm ? &kvms : &own) += 4;
	}
	if (table)
		check_count(space, own);
	if (space == GABI_SPACE_CPUID)
		check_count(GABI_SPACE_KVM, kvms);
	free(table);
}

static int msr(int fd, unsigned long request, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} call = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	int done = ioctl(fd, request, &call);

	*value = call.entry.data;
	return done == 1 ? 0 : -1;
}

static struct kvm_msr_list *msr_list(unsigned long request)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096 * sizeof(list->indices[0]));

	list->nmsrs = 4096;
	if (!ioctl(kvm, request, list))
		return list;
	free(list);
	return NULL;
}

static void check_settable(const struct gabi_word *found, uint32_t index)
{
	uint64_t before = 0;

	if (msr(vcpu, KVM_GET_MSRS, index, &before))
		return;
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t wanted = before ^ 1ull << bit, seen = 0;
		bool takes = !msr(vcpu, KVM_SET_MSRS, index, &wanted) && !msr(vcpu, KVM_GET_MSRS, index, &seen) &&
			     (seen ^ before) >> bit & 1;

		check(takes == (found->settable >> bit & 1), "msr 0x%x bit %u: KVM %s", index, bit, takes ? "takes it" : "does not");
		msr(vcpu, KVM_SET_MSRS, index, &before);
	}
}

static void check_feature_msrs(void)
{
	struct kvm_msr_list *list = msr_list(KVM_GET_MSR_FEATURE_INDEX_LIST);
	size_t count = 0;

	for (uint32_t i = 0; list && i < list->nmsrs; i++) {
		const struct gabi_word *found = word(GABI_SPACE_MSR, list->indices[i], 0, 0);
		uint64_t value = 0;

		if (msr(kvm, KVM_GET_MSRS, list->indices[i], &value))
			continue;
		count++;
		check_word(GABI_SPACE_MSR, list->indices[i], 0, 0, value, 0);
		if (found)
			check_settable(found, list->indices[i]);
	}
	if (list)
		check_count(GABI_SPACE_MSR, count);
	free(list);
}

static void check_state_msrs(void)
{
	struct kvm_msr_list *list = msr_list(KVM_GET_MSR_INDEX_LIST);

	for (uint32_t i = 0; list && i < list->nmsrs; i++) {
		const struct gabi_word *found = word(GABI_SPACE_MSR_DEFAULT, list->indices[i], 0, 0);
		uint64_t value = 0;

		check_word(GABI_SPACE_MSR_STATE, list->indices[i], 0, 0, 1, 0);
		if (found && !msr(vcpu, KVM_GET_MSRS, list->indices[i], &value))
			check(found->value == value, "msr-default 0x%x is 0x%" PRIx64 ", KVM says 0x%" PRIx64, list->indices[i],
			      found->value, value);
	}
	if (list)
		check_count(GABI_SPACE_MSR_STATE, list->nmsrs);
	free(list);
}

static bool make_machine(void)
{
	struct kvm_enable_cap apic = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_cpuid2 *table = cpuid(kvm, KVM_GET_SUPPORTED_CPUID);

	ioctl(vm, KVM_ENABLE_CAP, &apic);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0 || !table || ioctl(vcpu, KVM_SET_CPUID2, table))
		return false;
	free(table);
	return true;
}

static void check_arch(void)
{
	int khz = ioctl(vcpu, KVM_GET_TSC_KHZ, 0);

	check_table(kvm, KVM_GET_SUPPORTED_CPUID, GABI_SPACE_CPUID);
	check_table(kvm, KVM_GET_EMULATED_CPUID, GABI_SPACE_CPUID_EMULATED);
	check_table(vcpu, KVM_GET_SUPPORTED_HV_CPUID, GABI_SPACE_HYPERV);
	check_state_msrs();
	check_feature_msrs();
	if (khz > 0)
		check_word(GABI_SPACE_VM, VM_TSC_KHZ, 0, 0, (unsigned)khz, 0);
	check_word(GABI_SPACE_VM, VM_NESTED_SIZE, 0, 0, (unsigned)ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE), 0);
}

#elif defined(__aarch64__)

enum { REG_LEN = 256 };

static int bare; /* a virtual processor that has nothing that can be left out */

static bool reg(int fd, unsigned long request, uint64_t id, void *value)
{
	struct kvm_one_reg call = { .id = id, .addr = (uintptr_t)value };

	return !ioctl(fd, request, &call);
}

static int make_vcpu(int of_vm, uint32_t features)
{
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 }, old_gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V2 };
	struct kvm_vcpu_init init = { 0 };
	int fd;

	if (ioctl(of_vm, KVM_CREATE_DEVICE, &gic))
		ioctl(of_vm, KVM_CREATE_DEVICE, &old_gic);
	fd = ioctl(of_vm, KVM_CREATE_VCPU, 0);
	if (fd < 0 || ioctl(of_vm, KVM_ARM_PREFERRED_TARGET, &init))
		return -1;
	init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2 | features;
	return ioctl(fd, KVM_ARM_VCPU_INIT, &init) ? -1 : fd;
}

static bool make_machine(void)
{
	static const int known[][2] = {
		{ KVM_CAP_ARM_PMU_V3, KVM_ARM_VCPU_PMU_V3 },
		{ KVM_CAP_ARM_SVE, KVM_ARM_VCPU_SVE },
		{ KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_ARM_VCPU_PTRAUTH_ADDRESS },
		{ KVM_CAP_ARM_PTRAUTH_GENERIC, KVM_ARM_VCPU_PTRAUTH_GENERIC },
	};
	struct kvm_enable_cap own_midr = { .cap = 239 /* KVM_CAP_ARM_WRITABLE_IMP_ID_REGS */ };
	int sve = KVM_ARM_VCPU_SVE, bare_vm = ioctl(kvm, KVM_CREATE_VM, 0);
	uint32_t features = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ioctl(vm, KVM_CHECK_EXTENSION, known[i][0]) > 0)
			features |= 1u << known[i][1];
	ioctl(vm, KVM_ENABLE_CAP, &own_midr);
	bare = bare_vm < 0 ? -1 : make_vcpu(bare_vm, 0);
	vcpu = make_vcpu(vm, features);
	if (vcpu < 0 || bare < 0)
		return false;
	return !(features >> KVM_ARM_VCPU_SVE & 1) || !ioctl(vcpu, KVM_ARM_VCPU_FINALIZE, &sve);
}

/* Bits that follow the time: the counters, and whether a timer's time has come. */
static uint64_t of_time(uint64_t id)
{
	switch (id) {
	case KVM_REG_ARM_TIMER_CNT:
	case KVM_REG_ARM_PTIMER_CNT:
		return ~0ull;
	case KVM_REG_ARM_TIMER_CTL:
	case KVM_REG_ARM_PTIMER_CTL:
		return 1 << 2;
	default:
		return 0;
	}
}

static bool takes(uint64_t id, uint64_t wanted, uint64_t before)
{
	uint64_t seen = 0;
	bool taken = reg(vcpu, KVM_SET_ONE_REG, id, &wanted) && reg(vcpu, KVM_GET_ONE_REG, id, &seen) && seen == wanted;

	reg(vcpu, KVM_SET_ONE_REG, id, &before);
	return taken;
}

/* Does the register take just the values that the manifest says it accepts? A value that leaving out a virtual processor's
 * feature gives is accepted too, without being set. */
static void check_accepts(uint64_t id, uint64_t value)
{
	uint64_t without = value;

	reg(bare, KVM_GET_ONE_REG, id, &without);
	for (unsigned at = 0; at < 16; at++) {
		const struct gabi_word *accepts = word(GABI_SPACE_ARM64_ACCEPTS, id, 0, at / 4);
		unsigned now = value >> 4 * at & 0xf, lane = accepts ? accepts->value >> 16 * (at % 4) & 0xffff : 1u << now;

		for (unsigned bits = 0; bits < 16; bits++) {
			uint64_t wanted = (value & ~(0xfull << 4 * at)) | (uint64_t)bits << 4 * at;
			bool can = bits == now || bits == (without >> 4 * at & 0xf) || takes(id, wanted, value);

			check(can == (lane >> bits & 1), "0x%" PRIx64 ": field %u %s %u, and the manifest says otherwise", id, at,
			      can ? "takes" : "does not take", bits);
		}
	}
}

/* What a guest saw is no monitor's to ask for, but it may be said of CTR_EL0 alone, where it differs, and of IDC alone. */
static void check_seen(uint64_t id, const struct gabi_word *seen, uint64_t value)
{
	check(id == ARM64_SYS_REG(3, 3, 0, 0, 1), "0x%" PRIx64 " is said to be seen by a guest", id);
	check((seen->value ^ value) == 1u << 28 && !seen->settable, "CTR_EL0 is 0x%" PRIx64 ", and a guest saw 0x%" PRIx64, value,
	      seen->value);
}

static void check_reg(uint64_t id, size_t *counts)
{
	enum gabi_space space = gabi_arm64_space(id);
	unsigned len = 1u << (id >> 52 & 15);
	uint8_t value[REG_LEN] = { 0 };

	check(reg(vcpu, KVM_GET_ONE_REG, id, value), "0x%" PRIx64 " is listed and cannot be read", id);
	for (unsigned part = 0; 8 * part < len; part++) {
		uint64_t bits;

		const struct gabi_word *listed = word(space, id, 0, part);

		memcpy(&bits, value + 8 * part, sizeof(bits));
		counts[space]++;
		if (listed && listed->flags & GABI_WORD_SEEN)
			check_seen(id, listed, bits);
		else
			check_word(space, id, 0, part, bits & ~of_time(id), 0);
	}
	if (space == GABI_SPACE_ARM64 && len == 8 && id != KVM_REG_ARM_PSCI_VERSION) {
		uint64_t bits;

		memcpy(&bits, value, sizeof(bits));
		check_accepts(id, bits);
	}
}

static void check_arch(void)
{
	static struct {
		struct kvm_reg_list head;
		uint64_t room[4096];
	} list;
	size_t counts[GABI_SPACE_COUNT] = { 0 };

	list.head.n = 4096;
	check(!ioctl(vcpu, KVM_GET_REG_LIST, &list), "the register list cannot be read: %s", strerror(errno));
	for (uint64_t i = 0; i < list.head.n; i++)
		check_reg(list.head.reg[i], counts);
	check_count(GABI_SPACE_ARM64, counts[GABI_SPACE_ARM64]);
	check_count(GABI_SPACE_ARM64_STATE, counts[GABI_SPACE_ARM64_STATE]);
}

#endif

int main(void)
{
	struct gabi_diag diag;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		printf("skipped: /dev/kvm: %s\n", strerror(errno));
		return 77;
	}
	if (gabi_kvm_probe(NULL, NULL, &host, &diag)) {
		printf("wrong: the probe failed: %s: %s\n", diag.where, diag.text);
		return 1;
	}
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || !make_machine()) {
		printf("wrong: the probe found a machine where this test cannot make one: %s\n", strerror(errno));
		return 1;
	}
	check_caps();
	check_arch();
	gabi_host_free(host);
	printf("%u statements about this machine's KVM, %u wrong\n", checked, wrong);
	return wrong || !checked;
}
