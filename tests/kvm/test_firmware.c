/* SPDX-License-Identifier: MIT */
/*
 * Firmware registers of arm64 that nobody here has ever heard of, on a KVM that is made up: kvm_ioctl is this file's. It behaves as
 * arch/arm64/kvm/hypercalls.c does, by bitmaps of every width that a register id can say. What real kernels do is seen in the lab
 * (lab/gabi-firmware.c); none of theirs is wider than 64 bits. Needs no KVM.
 */
#include <gabi/contract.h>
#include <gabi/kvm.h>
#include <gabi/verdict.h>

#include "kvm/io.h"
#include "kvm/uapi.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define BITMAP 0x6000000000160042u /* with its width in bits 55:52 */
#define LEVEL  0x6000000000140042u /* of the class of versions and levels */
enum { WIDEST = 8, BYTES_MAX = 1 << WIDEST };

/* The made-up KVM: one register that gabi does not know, and STD_BMAP. */
static struct {
	uint64_t id;
	uint8_t value[BYTES_MAX], known[BYTES_MAX]; /* known: bits that it takes */
	bool ran, forgets;
	unsigned writes, reads;
} fake;

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg); /* ld's --wrap */

static size_t len_of(uint64_t id)
{
	return (size_t)1 << (id >> 52 & 15);
}

static int refuse(int sys_errno)
{
	errno = sys_errno;
	return -1;
}

static int set(const uint8_t *bytes)
{
	size_t len = len_of(fake.id);

	for (size_t i = 0; i < len; i++)
		if (bytes[i] & ~fake.known[i])
			return refuse(EINVAL);
	if (fake.ran && memcmp(bytes, fake.value, len))
		return refuse(EBUSY);
	if (!fake.forgets)
		memcpy(fake.value, bytes, len);
	fake.writes++;
	return 0;
}

int __wrap_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	const struct kvm_one_reg *reg = arg;

	(void)fd;
	if (request == KVM_ARM_VCPU_FINALIZE)
		return refuse(EINVAL); /* no SVE */
	if (reg->id != fake.id)
		return refuse(ENOENT);
	if (request == KVM_SET_ONE_REG)
		return set((const uint8_t *)(uintptr_t)reg->addr);
	fake.reads++;
	memcpy((void *)(uintptr_t)reg->addr, fake.value, len_of(fake.id));
	return 0;
}

static void make_fake(uint64_t id, uint8_t value)
{
	memset(&fake, 0, sizeof(fake));
	fake.id = id;
	memset(fake.value, value, sizeof(fake.value));
	memset(fake.known, 0x0f, sizeof(fake.known));
}

/* The manifest that a probe of it would write. */
static struct gabi_host *manifest(void)
{
	struct gabi_host *host = gabi_host_new(GABI_ARCH_ARM64, GABI_VIEW_KVM, NULL);
	size_t len = len_of(fake.id);

	for (size_t at = 0; at < len; at += 8) {
		struct gabi_word word = { .key = { .space = GABI_SPACE_ARM64, .part = (uint16_t)(at / 8), .index = fake.id },
					  .vp = GABI_VP_ALL, .bits = (uint8_t)(len < 8 ? 8 * len : 64) };

		memcpy(&word.value, fake.value + at, len < 8 ? len : 8);
		memcpy(&word.settable, fake.known + at, len < 8 ? len : 8);
		assert_int_equal(gabi_host_add(host, &word, NULL), 0);
	}
	assert_int_equal(gabi_host_cover(host, GABI_SPACE_ARM64), 0);
	assert_int_equal(gabi_host_seal(host, NULL), 0);
	return host;
}

/* Of a VM that was made when there was no such register. */
static struct gabi_contract *older_contract(void)
{
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_ARM64, NULL);

	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	return contract;
}

static int apply(struct gabi_diag *diag)
{
	static const int vcpu[] = { 11, 12 };
	const struct gabi_kvm_vm vm = { .size = sizeof(vm), .vm = 10, .vcpu = vcpu, .vcpus = 2 };
	struct gabi_host *host = manifest();
	struct gabi_contract *contract = older_contract();
	struct gabi_report *report = NULL;
	struct gabi_plan *plan = NULL;
	int err;

	assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
	assert_int_equal(gabi_report_verdict(report), GABI_FITS_WITH_ACTIONS);
	assert_int_equal(gabi_plan_new(contract, host, report, NULL, &plan, NULL), 0);
	err = gabi_kvm_apply(plan, &vm, NULL, diag);
	gabi_plan_free(plan);
	gabi_report_free(report);
	gabi_contract_free(contract);
	gabi_host_free(host);
	return err;
}

/* Its number with that width in it. */
static uint64_t bitmap_of(unsigned log2_bytes)
{
	return BITMAP | (uint64_t)log2_bytes << 52;
}

static void unknown_bitmap__of_every_width__is_written_zero_at_once_and_read_back_everywhere(void **state)
{
	static const uint8_t zero[BYTES_MAX];

	(void)state;
	for (unsigned width = 0; width <= WIDEST; width++) {
		struct gabi_diag diag = { 0 };

		make_fake(bitmap_of(width), 0x05);
		if (apply(&diag))
			fail_msg("%u bits: %s", 8u << width, diag.text);
		assert_memory_equal(fake.value, zero, len_of(fake.id));
		assert_int_equal(fake.writes, 1); /* the VM's: once, all of its words in one call */
		assert_true(fake.reads >= 2);     /* on both virtual processors */
	}
}

static void unknown_bitmap__that_forgets_the_write__is_seen(void **state)
{
	(void)state;
	for (unsigned width = 0; width <= WIDEST; width++) {
		struct gabi_diag diag = { 0 };

		make_fake(bitmap_of(width), 0x05);
		fake.forgets = true;
		assert_int_equal(apply(&diag), GABI_ERR_KVM);
		assert_true(diag.key.index == fake.id);
		assert_int_equal(diag.sys_errno, 0);
		assert_non_null(strstr(diag.text, "where 0x0 is promised"));
	}
}

static void unknown_bitmap__after_the_first_run__is_named_with_the_kernels_reason(void **state)
{
	(void)state;
	for (unsigned width = 0; width <= WIDEST; width++) {
		struct gabi_diag diag = { 0 };

		make_fake(bitmap_of(width), 0x05);
		fake.ran = true;
		assert_int_equal(apply(&diag), GABI_ERR_KVM);
		assert_true(diag.key.index == fake.id);
		assert_int_equal(diag.sys_errno, EBUSY);
		assert_non_null(strstr(diag.text, "KVM refused to set"));
	}
}

/* What it does is not known: that is the verdict, and there is no plan. */
static void unknown_register__of_another_class__makes_the_verdict_unknown(void **state)
{
	(void)state;
	for (unsigned width = 0; width <= WIDEST; width++) {
		struct gabi_contract *contract = older_contract();
		struct gabi_report *report = NULL;
		struct gabi_plan *plan = NULL;
		struct gabi_host *host;

		make_fake(LEVEL | (uint64_t)width << 52, 0x05);
		host = manifest();
		assert_int_equal(gabi_check(contract, host, &report, NULL), 0);
		if (gabi_report_verdict(report) != GABI_UNKNOWN)
			fail_msg("%u bits: %s", 8u << width, gabi_verdict_text(gabi_report_verdict(report)));
		assert_int_equal(gabi_plan_new(contract, host, report, NULL, &plan, NULL), GABI_ERR_ARG);
		assert_null(plan);
		gabi_report_free(report);
		gabi_host_free(host);
		gabi_contract_free(contract);
	}
}

static void promise__of_a_bit_that_kvm_does_not_know__is_named(void **state)
{
	static const int vcpu[] = { 11 };
	const struct gabi_kvm_vm vm = { .size = sizeof(vm), .vm = 10, .vcpu = vcpu, .vcpus = 1 };
	const struct gabi_word word = { .key = { .space = GABI_SPACE_ARM64, .index = bitmap_of(3) }, .value = 1ull << 63,
					.vp = GABI_VP_ALL, .bits = 64 };
	struct gabi_contract *contract = gabi_contract_new(GABI_ARCH_ARM64, NULL);
	struct gabi_plan *plan = NULL;
	struct gabi_diag diag = { 0 };
	struct gabi_host *host;

	(void)state;
	make_fake(word.key.index, 0x05);
	host = manifest();
	assert_int_equal(gabi_contract_add(contract, &word, NULL), 0);
	assert_int_equal(gabi_contract_seal(contract, NULL), 0);
	assert_int_equal(gabi_check_verdict(contract, host), GABI_DOES_NOT_FIT);
	assert_int_equal(gabi_plan_new(contract, host, NULL, NULL, &plan, NULL), 0);
	assert_int_equal(gabi_kvm_apply(plan, &vm, NULL, &diag), GABI_ERR_KVM);
	assert_int_equal(diag.sys_errno, EINVAL);
	assert_true(diag.key.index == word.key.index);
	gabi_plan_free(plan);
	gabi_contract_free(contract);
	gabi_host_free(host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_bitmap__of_every_width__is_written_zero_at_once_and_read_back_everywhere),
		cmocka_unit_test(unknown_bitmap__that_forgets_the_write__is_seen),
		cmocka_unit_test(unknown_bitmap__after_the_first_run__is_named_with_the_kernels_reason),
		cmocka_unit_test(unknown_register__of_another_class__makes_the_verdict_unknown),
		cmocka_unit_test(promise__of_a_bit_that_kvm_does_not_know__is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
