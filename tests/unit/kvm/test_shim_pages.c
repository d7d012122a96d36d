/* SPDX-License-Identifier: MIT */
/* The shim's nested page tables, walked as AMD's and Intel's processors do. */
#include "kvm/shim_vendor.h"

#include <gabi/kvm_machine.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE 4096ull
#define MIB  (1ull << 20)
#define GIB  (1ull << 30)

static const struct machine {
	uint64_t ram;
	unsigned vps, bits, walked; /* walked: bits of an address that four levels translate */
} machines[] = {
	{ 64 * MIB, 1, 40, 40 }, { 64 * MIB + PAGE, 4, 40, 40 }, { 3 * GIB, 1, 40, 40 }, { 5 * GIB + PAGE, 240, 40, 40 }, { 4 * MIB, 1, 36, 36 },
	{ 512 * MIB, 2, 48, 48 }, { 512 * MIB, 2, 52, 48 },
};

struct walk {
	uint64_t to;
	bool executes;
};

/* AMD64 APM volume 2, nested paging; SDM volume 3, EPT. Each level has to allow what the last one does. */
static const struct vendor {
	const struct shim_format *format;
	uint64_t in_all, in_last, refuses, allows; /* bits that are set; and that keep a page from being executed, or let it be */
} vendors[] = {
	{ &shim_svm.format, 0x27 /* present, writable, a user's, accessed */, 0x40 /* dirty */, 1ull << 63, 0 },
	{ &shim_vmx.format, 0x3 /* readable, writable */, 0x30 /* write-back */, 0, 4 },
};

static struct walk walk(const struct vendor *vendor, const struct shim_pages *pages, uint64_t gpa)
{
	uint64_t table = pages->root;
	struct walk result = { 0, true };

	for (unsigned shift = 39;; shift -= 9) {
		uint64_t entry;

		assert_true(table >= pages->gpa && table - pages->gpa < pages->len);
		entry = ((const uint64_t *)(pages->at + (table - pages->gpa)))[gpa >> shift & 511];
		assert_int_equal(entry & vendor->in_all, vendor->in_all);
		result.executes = result.executes && !(entry & vendor->refuses) && (entry & vendor->allows) == vendor->allows;
		if (shift == 12 || entry & 0x80) {
			uint64_t mask = (1ull << shift) - 1;

			assert_int_equal(entry & vendor->in_last, vendor->in_last);
			result.to = (entry & 0x000ffffffffff000ull & ~mask) | (gpa & mask);
			return result;
		}
		assert_int_equal(entry & 0xf8 & ~vendor->in_all, 0); /* reserved in EPT's tables */
		table = entry & 0x000ffffffffff000ull;
	}
}

static bool is_ram(const struct machine *machine, uint64_t gpa)
{
	uint64_t low = machine->ram < GABI_KVM_LOW_RAM ? machine->ram : GABI_KVM_LOW_RAM;

	return gpa < low || (gpa >= GABI_KVM_HIGH_RAM && gpa - GABI_KVM_HIGH_RAM < machine->ram - low);
}

static void make(const struct vendor *vendor, const struct machine *machine, struct shim_pages *pages)
{
	assert_int_equal(shim_pages_new(pages, vendor->format, machine->ram, machine->vps, machine->bits, NULL), 0);
}

static void tables__every_address__leads_to_itself_or_to_nothing(void **state)
{
	const struct vendor *vendor = *state;

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct machine *machine = &machines[i];
		const uint64_t end = 1ull << machine->walked, places[] = {
			0, MIB - PAGE, MIB, 2 * MIB - PAGE, 2 * MIB, machine->ram - PAGE, machine->ram, machine->ram + 2 * MIB, GABI_KVM_LOW_RAM - PAGE, GABI_KVM_LOW_RAM,
			0xfee00000, GABI_KVM_HIGH_RAM - PAGE, GABI_KVM_HIGH_RAM, GABI_KVM_HIGH_RAM + 2 * GIB, GABI_KVM_HIGH_RAM + 2 * GIB + PAGE, end / 2, end - PAGE,
		};
		struct shim_pages pages;

		make(vendor, machine, &pages);
		for (size_t at = 0; at < sizeof(places) / sizeof(places[0]); at++) {
			struct walk seen = walk(vendor, &pages, places[at] + 8);

			assert_true(seen.executes);
			if (places[at] < MIB)
				assert_int_equal(seen.to, pages.first_at + places[at] + 8);
			else if (places[at] < pages.gpa)
				assert_int_equal(seen.to, places[at] + 8);
			else
				assert_true(seen.to < pages.gpa && !is_ram(machine, seen.to));
		}
		shim_pages_free(&pages);
	}
}

static void tables__the_shims_own_memory__is_reached_from_nowhere(void **state)
{
	const struct vendor *vendor = *state;

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		struct shim_pages pages;

		make(vendor, &machines[i], &pages);
		for (uint64_t at = pages.gpa; at < 1ull << machines[i].walked; at += GIB / 2)
			assert_true(walk(vendor, &pages, at).to < pages.gpa);
		assert_true(pages.gpa >= machines[i].ram && pages.first_at >= pages.gpa + pages.len);
		shim_pages_free(&pages);
	}
}

static void execute__forbidden_and_allowed__is_so_for_these_pages_alone(void **state)
{
	static const struct {
		uint64_t gpa, pages;
	} ranges[] = { { 0, 1 }, { MIB - PAGE, 2 }, { 2 * MIB - PAGE, 2 }, { 2 * MIB, 512 }, { 4 * GIB, 3 }, { 6 * GIB, 1 } };
	const struct vendor *vendor = *state;
	struct shim_pages pages;

	make(vendor, &machines[3], &pages);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint64_t from = ranges[i].gpa, len = ranges[i].pages * PAGE;

		assert_false(shim_pages_execute(&pages, from, len, true));
		assert_true(shim_pages_execute(&pages, from, len, false));
		assert_false(shim_pages_execute(&pages, from, len, false)); /* it was so */
		for (uint64_t at = from; at < from + len; at += PAGE)
			assert_false(walk(vendor, &pages, at).executes);
		assert_true(!from || walk(vendor, &pages, from - PAGE).executes);
		assert_true(walk(vendor, &pages, from + len).executes);
		assert_false(shim_pages_execute(&pages, from, len, true));
		assert_true(walk(vendor, &pages, from).executes);
	}
	shim_pages_free(&pages);
}

static void new__no_room_beside_ram__is_refused(void **state)
{
	const struct vendor *vendor = *state;
	struct shim_pages pages;

	assert_int_equal(shim_pages_new(&pages, vendor->format, 63 * GIB, 1, 36, NULL), GABI_ERR_CONFLICT);
	assert_int_equal(shim_pages_new(&pages, vendor->format, PAGE, 1, 40, NULL), GABI_ERR_CONFLICT);
	assert_int_equal(shim_pages_new(&pages, vendor->format, 64 * MIB, 1, 0, NULL), GABI_ERR_CONFLICT);
}

#define FOR_EACH(test) cmocka_unit_test_prestate(test, (void *)(uintptr_t)&vendors[0]), cmocka_unit_test_prestate(test, (void *)(uintptr_t)&vendors[1])

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOR_EACH(tables__every_address__leads_to_itself_or_to_nothing),
		FOR_EACH(tables__the_shims_own_memory__is_reached_from_nowhere),
		FOR_EACH(execute__forbidden_and_allowed__is_so_for_these_pages_alone),
		FOR_EACH(new__no_room_beside_ram__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
