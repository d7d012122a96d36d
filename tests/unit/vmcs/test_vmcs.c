/* SPDX-License-Identifier: MIT */
#include <gabi/evmcs.h>
#include <gabi/vmcs.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sha2.h>
#include <string.h>

static unsigned bytes_of(unsigned id)
{
	struct gabi_vmcs_encoding parts;
	size_t count;

	assert_int_equal(gabi_vmcs_decode(gabi_vmcs_fields(&count)[id].encoding, &parts, NULL), 0);
	return parts.bytes;
}

static void fields__are_sorted_and_even(void **state)
{
	size_t count;
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&count);

	(void)state;
	assert_int_equal(count, GABI_VMCS_COUNT);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(field[i].encoding & 1, 0);
		if (i > 0 && field[i - 1].encoding >= field[i].encoding)
			fail_msg("%s does not come after %s", field[i].name, field[i - 1].name);
	}
}

static void field_by_name__finds_each_by_all_its_names(void **state)
{
	size_t count;
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(gabi_vmcs_field_by_name(field[i].name), &field[i]);
		assert_ptr_equal(gabi_vmcs_field_by_name(field[i].sdm), &field[i]);
		if (field[i].tlfs[0])
			assert_ptr_equal(gabi_vmcs_field_by_name(field[i].tlfs), &field[i]);
		assert_ptr_equal(gabi_vmcs_field_of(field[i].encoding), &field[i]);
	}
	assert_ptr_equal(gabi_vmcs_field_by_name("guest_rip"), &field[GABI_VMCS_GUEST_RIP]);
	assert_ptr_equal(gabi_vmcs_field_by_name("TSC_OFFSET_HIGH"), &field[GABI_VMCS_TSC_OFFSET]);
	assert_null(gabi_vmcs_field_by_name("GUEST_RIP_HIGH"));
	assert_null(gabi_vmcs_field_by_name("_HIGH"));
	assert_null(gabi_vmcs_field_by_name(""));
}

static void decode__any_encoding(void **state)
{
	static const struct {
		const char *name;
		uint32_t encoding;
		struct gabi_vmcs_encoding want;
		int err;
	} rows[] = {
		{ "VPID", 0x0000, { GABI_VMCS_16, GABI_VMCS_CONTROL, 0, 2, 0 }, 0 },
		{ "the high half of the TSC offset", 0x2011, { GABI_VMCS_64, GABI_VMCS_CONTROL, 1, 8, 8 }, 0 },
		{ "exit reason", 0x4402, { GABI_VMCS_32, GABI_VMCS_EXIT_INFO, 0, 4, 1 }, 0 },
		{ "host RIP", 0x6c16, { GABI_VMCS_NATURAL, GABI_VMCS_HOST, 0, 8, 11 }, 0 },
		{ "an unknown field with the last index", 0x2bfe, { GABI_VMCS_64, GABI_VMCS_GUEST, 0, 8, 0x1ff }, 0 },
		{ "a high access to 32 bits", 0x4403, { 0 }, GABI_ERR_RANGE },
		{ "a high access to natural width", 0x6c17, { 0 }, GABI_ERR_RANGE },
		{ "bit 12", 0x1000, { 0 }, GABI_ERR_RANGE },
		{ "bit 15", 0x8000, { 0 }, GABI_ERR_RANGE },
		{ "bit 31", 0x80000000, { 0 }, GABI_ERR_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gabi_vmcs_encoding got = { 0 };
		struct gabi_diag diag;

		if (gabi_vmcs_decode(rows[i].encoding, &got, &diag) != rows[i].err)
			fail_msg("%s: wrong status", rows[i].name);
		if (memcmp(&got, &rows[i].want, sizeof(got)))
			fail_msg("%s: wrong parts", rows[i].name);
	}
}

/* A word's name in the vocabulary, as the SDM numbers its bits. */
static void control_bit__takes_its_name_from_the_capability_msr(void **state)
{
	static const struct {
		unsigned word, bit;
		const char *name;
	} rows[] = {
		{ GABI_VMCS_WORD_PIN, 0, "vmx-intr-exit" },
		{ GABI_VMCS_WORD_PIN, 6, "vmx-preemption-timer" },
		{ GABI_VMCS_WORD_PROC, 31, "vmx-secondary-ctls" },
		{ GABI_VMCS_WORD_PROC2, 25, "vmx-tsc-scaling" },
		{ GABI_VMCS_WORD_PROC2, 1, "vmx-ept" },
		{ GABI_VMCS_WORD_EXIT, 12, "vmx-exit-load-perf-global-ctrl" },
		{ GABI_VMCS_WORD_ENTRY, 13, "vmx-entry-load-perf-global-ctrl" },
		{ GABI_VMCS_WORD_VMFUNC, 0, "vmx-eptp-switching" },
	};
	size_t count;
	struct gabi_key key = { .space = GABI_SPACE_MSR, .index = 0x48b };

	(void)state;
	assert_null(gabi_vmcs_control_bit(GABI_VMCS_WORD_NONE, 0));
	assert_null(gabi_vmcs_control_bit(GABI_VMCS_WORD_PIN, 32));
	if (!gabi_fields_of(&key, &count)) {
		print_message("the vocabulary has no VMX capability MSRs yet\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gabi_field *field = gabi_vmcs_control_bit(rows[i].word, rows[i].bit);

		if (!field || strcmp(field->name, rows[i].name))
			fail_msg("word %u bit %u is %s, not %s", rows[i].word, rows[i].bit, field ? field->name : "nothing", rows[i].name);
	}
}

static void layouts__have_no_two_fields_in_one_byte(void **state)
{
	size_t count, fields_count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&fields_count);

	(void)state;
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		const char *owner[GABI_VMCS_PAGE] = { 0 };

		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
			unsigned at = layout[i].offset[id];

			if (!at)
				continue;
			if (at < layout[i].header || at + bytes_of(id) > layout[i].size)
				fail_msg("%s: %s lies outside", layout[i].name, field[id].name);
			for (unsigned byte = at; byte < at + bytes_of(id); byte++) {
				if (owner[byte])
					fail_msg("%s: %s and %s share byte %u", layout[i].name, owner[byte], field[id].name, byte);
				owner[byte] = field[id].name;
			}
		}
		assert_ptr_equal(gabi_vmcs_layout_by_name(layout[i].name), &layout[i]);
	}
}

/* What is released never changes. A new layout gets a new line here; a line that is here is never edited. */
static void layouts__are_frozen(void **state)
{
	static const struct {
		const char *name, *digest;
	} frozen[] = {
#include "vmcs_frozen.inc"
	};
	size_t count, fields_count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);
	const struct gabi_vmcs_field *field = gabi_vmcs_fields(&fields_count);
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		char line[64], digest[SHA256_DIGEST_STRING_LENGTH];
		const char *want = "nothing";
		SHA2_CTX sha;

		SHA256Init(&sha);
		SHA256Update(&sha, (const uint8_t *)line,
			     (size_t)snprintf(line, sizeof(line), "%s %x %u\n", layout[i].name, layout[i].revision, layout[i].size));
		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
			if (layout[i].offset[id])
				SHA256Update(&sha, (const uint8_t *)line,
					     (size_t)snprintf(line, sizeof(line), "%04x %u %u\n", field[id].encoding,
							      layout[i].offset[id], bytes_of(id)));
		SHA256End(&sha, digest);
		for (size_t k = 0; k < sizeof(frozen) / sizeof(frozen[0]); k++)
			if (!strcmp(frozen[k].name, layout[i].name))
				want = frozen[k].digest;
		if (strcmp(want, digest)) {
			print_error("{ \"%s\", \"%s\" },\n", layout[i].name, digest);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(count, sizeof(frozen) / sizeof(frozen[0]));
}

static void get__reads_what_set_wrote(void **state)
{
	size_t count;
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layouts(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		uint8_t page[GABI_VMCS_PAGE];

		gabi_vmcs_init(&layout[i], 0x12345678, page);
		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
			uint64_t value = UINT64_C(0x0123456789abcdef) * (id + 1);
			int known = layout[i].offset[id] != 0;

			if (bytes_of(id) < 8)
				value &= (UINT64_C(1) << 8 * bytes_of(id)) - 1;
			assert_int_equal(gabi_vmcs_set(&layout[i], page, id, value), known ? 0 : GABI_ERR_UNKNOWN);
		}
		assert_int_equal(gabi_vmcs_stray(&layout[i], page, 0), GABI_VMCS_PAGE);
		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++) {
			uint64_t value = UINT64_C(0x0123456789abcdef) * (id + 1), got = 42;

			if (bytes_of(id) < 8)
				value &= (UINT64_C(1) << 8 * bytes_of(id)) - 1;
			if (gabi_vmcs_get(&layout[i], page, id, &got) == 0)
				assert_int_equal(got, value);
			else
				assert_int_equal(got, 42);
		}
	}
}

static void set__refuses_what_does_not_fit(void **state)
{
	const struct gabi_vmcs_layout *layout = gabi_vmcs_layout_by_name("kvm-7.2");
	uint8_t page[GABI_VMCS_PAGE], before[GABI_VMCS_PAGE];

	(void)state;
	gabi_vmcs_init(layout, 0, page);
	memcpy(before, page, sizeof(page));
	assert_int_equal(gabi_vmcs_set(layout, page, GABI_VMCS_VIRTUAL_PROCESSOR_ID, 0x10000), GABI_ERR_RANGE);
	assert_int_equal(gabi_vmcs_set(layout, page, GABI_VMCS_EXCEPTION_BITMAP, UINT64_C(1) << 32), GABI_ERR_RANGE);
	assert_int_equal(gabi_vmcs_set(layout, page, GABI_VMCS_COUNT, 0), GABI_ERR_UNKNOWN);
	assert_memory_equal(page, before, sizeof(page));
}

static void stray__finds_the_byte_that_belongs_to_nothing(void **state)
{
	uint8_t page[GABI_VMCS_PAGE] = { 0 };

	(void)state;
	page[320] = 1; /* ENCLS-exiting bitmap since 6.1 */
	assert_int_equal(gabi_vmcs_stray(gabi_vmcs_layout_by_name("kvm-5.10"), page, 0), 320);
	assert_int_equal(gabi_vmcs_stray(gabi_vmcs_layout_by_name("kvm-6.1"), page, 0), GABI_VMCS_PAGE);
	page[824] = 1; /* clean fields: a member of the format, though no VMCS field */
	assert_int_equal(gabi_vmcs_stray(gabi_vmcs_layout_by_name("evmcs-tlfs"), page, 321), GABI_VMCS_PAGE);
	page[4095] = 1;
	assert_int_equal(gabi_vmcs_stray(gabi_vmcs_layout_by_name("evmcs-tlfs"), page, 321), 4095);
	assert_int_equal(gabi_vmcs_stray(gabi_vmcs_layout_by_name("evmcs-tlfs"), page, 9999), GABI_VMCS_PAGE);
}

static uint64_t control_value(const void *ctx, unsigned id)
{
	return ((const uint64_t *)ctx)[id];
}

static void used__follows_the_chain_of_controls(void **state)
{
	uint64_t value[GABI_VMCS_COUNT] = { 0 };

	(void)state;
	assert_true(gabi_vmcs_used(GABI_VMCS_GUEST_RIP, control_value, value));
	value[GABI_VMCS_SECONDARY_VM_EXEC_CONTROL] = UINT64_C(1) << 25;
	assert_false(gabi_vmcs_used(GABI_VMCS_TSC_MULTIPLIER, control_value, value));
	value[GABI_VMCS_CPU_BASED_VM_EXEC_CONTROL] = UINT64_C(1) << 31;
	assert_true(gabi_vmcs_used(GABI_VMCS_TSC_MULTIPLIER, control_value, value));
	value[GABI_VMCS_SECONDARY_VM_EXEC_CONTROL] = 0;
	assert_false(gabi_vmcs_used(GABI_VMCS_TSC_MULTIPLIER, control_value, value));
}

/* TLFS: fields of each group, as the published table counts them (HostRip, which it lacks, counted in). */
static void evmcs__groups_have_as_many_fields_as_the_tlfs_lists(void **state)
{
	static const struct {
		enum gabi_evmcs_group group;
		unsigned count;
	} rows[] = {
		{ GABI_EVMCS_IO_BITMAP, 2 }, { GABI_EVMCS_MSR_BITMAP, 1 }, { GABI_EVMCS_CONTROL_GRP2, 5 },
		{ GABI_EVMCS_CONTROL_GRP1, 4 }, { GABI_EVMCS_CONTROL_PROC, 1 }, { GABI_EVMCS_CONTROL_EVENT, 3 },
		{ GABI_EVMCS_CONTROL_ENTRY, 1 }, { GABI_EVMCS_CONTROL_EXCPN, 1 }, { GABI_EVMCS_CRDR, 8 },
		{ GABI_EVMCS_CONTROL_XLAT, 2 }, { GABI_EVMCS_GUEST_BASIC, 4 }, { GABI_EVMCS_GUEST_GRP1, 18 },
		{ GABI_EVMCS_GUEST_GRP2, 36 }, { GABI_EVMCS_HOST_POINTER, 6 }, { GABI_EVMCS_HOST_GRP1, 20 },
		{ GABI_EVMCS_NONE, 17 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned count = 0;

		for (unsigned id = 0; id < GABI_VMCS_COUNT; id++)
			count += gabi_evmcs_group_of(id) == (int)rows[i].group;
		if (count != rows[i].count)
			fail_msg("%s has %u fields, not %u", gabi_evmcs_group_text(rows[i].group), count, rows[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields__are_sorted_and_even),
		cmocka_unit_test(field_by_name__finds_each_by_all_its_names),
		cmocka_unit_test(decode__any_encoding),
		cmocka_unit_test(control_bit__takes_its_name_from_the_capability_msr),
		cmocka_unit_test(layouts__have_no_two_fields_in_one_byte),
		cmocka_unit_test(layouts__are_frozen),
		cmocka_unit_test(get__reads_what_set_wrote),
		cmocka_unit_test(set__refuses_what_does_not_fit),
		cmocka_unit_test(stray__finds_the_byte_that_belongs_to_nothing),
		cmocka_unit_test(used__follows_the_chain_of_controls),
		cmocka_unit_test(evmcs__groups_have_as_many_fields_as_the_tlfs_lists),
	};

	return cmocka_run_group_tests_name("vmcs", tests, NULL, NULL);
}
