/* SPDX-License-Identifier: MIT */
#include <gabi/vocab.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_arm64(unsigned space)
{
	return gabi_space_arch(space) == GABI_ARCH_ARM64;
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '_' && *b == '-') || (*a == '-' && *b == '_')))
			return false;
	return *a == *b;
}

/* ---- the shape of all rows ---- */

static void fields__have_names_of_their_own(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_true(field[i].name[0] && !strpbrk(field[i].name, " :[]"));
		for (size_t k = i + 1; k < count; k++)
			if (is_arm64(field[i].key.space) == is_arm64(field[k].key.space) && same_name(field[i].name, field[k].name))
				fail_msg("%s is the name of two fields", field[i].name);
	}
}

static void fields__say_where_they_were_read(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		if (strlen(field[i].source) < 6)
			fail_msg("%s has no source", field[i].name);
}

/* "tool:name tool:name", one space between, no tool without a name. */
static bool well_formed(const char *aliases)
{
	while (*aliases) {
		size_t tool = strspn(aliases, "abcdefghijklmnopqrstuvwxyz"), name = 0;

		if (!tool || aliases[tool] != ':')
			return false;
		name = strcspn(aliases + tool + 1, " :");
		if (!name || aliases[tool + 1 + name] == ':')
			return false;
		aliases += tool + 1 + name;
		if (*aliases == ' ' && !*++aliases)
			return false;
	}
	return true;
}

static void fields__other_names_are_well_formed(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	assert_true(well_formed("") && well_formed("qemu:a") && well_formed("qemu:a linux:b"));
	assert_false(well_formed("a") || well_formed("qemu:") || well_formed("qemu:a ") || well_formed("qemu:a  linux:b"));
	assert_false(well_formed(" qemu:a") || well_formed("qemu:a:b"));
	for (size_t i = 0; i < count; i++)
		if (!well_formed(field[i].aliases))
			fail_msg("%s: \"%s\"", field[i].name, field[i].aliases);
}

static void fields__are_of_a_kind_that_their_width_can_hold(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *f = &field[i];

		if ((f->kind == GABI_KIND_FLAG && f->bits != 1 && f->key.space != GABI_SPACE_VM) || (f->kind == GABI_KIND_TEXT && f->bits % 8))
			fail_msg("%s: %u bits", f->name, f->bits);
		if (f->bits < 64 && f->absent >> f->bits)
			fail_msg("%s: its absent value is wider than the field", f->name);
		if (f->rule >= GABI_RULE_COUNT || f->sub_last < f->key.sub)
			fail_msg("%s: wrong rule or run", f->name);
	}
}

static void whens__name_a_field_that_always_decides(void **state)
{
	size_t count, reg_count;
	const struct gabi_field *field = gabi_fields(&count);
	const struct gabi_reg *reg = gabi_regs(&reg_count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *when = gabi_field_when(&field[i]);

		if ((when != NULL) != (field[i].when[0] != '\0') || when == &field[i])
			fail_msg("%s: no field %s", field[i].name, field[i].when);
		/* A field that is not promised decides nothing. */
		if (when && (when->rule == GABI_RULE_FREE || when->rule == GABI_RULE_OFFERED))
			fail_msg("%s hangs on %s, which no contract promises", field[i].name, when->name);
	}
	for (size_t i = 0; i < reg_count; i++)
		if ((gabi_reg_when(&reg[i]) != NULL) != (reg[i].when[0] != '\0'))
			fail_msg("%s: no field %s", reg[i].name, reg[i].when);
}

/* A register's row is found by every key that its fields speak of, and runs of subleaves do not cross. */
static void fields__stand_in_a_register(void **state)
{
	size_t count;
	const struct gabi_field *field = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct gabi_key last = field[i].key;
		const struct gabi_reg *reg = gabi_reg_of(&field[i].key);

		last.sub = field[i].sub_last;
		if (!reg || reg != gabi_reg_of(&last) || !reg->source[0])
			fail_msg("%s stands in no register", field[i].name);
		if (i && field[i - 1].key.space == last.space && field[i - 1].key.index == last.index &&
		    field[i - 1].key.sub != field[i].key.sub && field[i - 1].sub_last >= field[i].key.sub)
			fail_msg("%s and %s speak of the same subleaf", field[i - 1].name, field[i].name);
	}
}

static void registers__have_names_of_their_own(void **state)
{
	size_t count;
	const struct gabi_reg *reg = gabi_regs(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(gabi_reg_by_name(reg[i].name), &reg[i]);
		if (i && (reg[i - 1].key.space > reg[i].key.space ||
			  (reg[i - 1].key.space == reg[i].key.space && reg[i - 1].key.index > reg[i].key.index)))
			fail_msg("%s comes before %s", reg[i - 1].name, reg[i].name);
	}
}

/* ---- x86 ---- */

#define CPUID(leaf, subleaf, reg) { .space = GABI_SPACE_CPUID, .index = leaf, .sub = subleaf, .part = GABI_##reg }
#define MSR(number) { .space = GABI_SPACE_MSR, .index = number }

/* What blocks migrations, and what rules are chosen with care. */
static const struct {
	const char *name;
	struct gabi_key key;
	unsigned lo, bits, rule, hide;
} known[] = {
	{ "vendor-1", CPUID(0, 0, EBX), 0, 32, GABI_RULE_VENDOR, GABI_HIDE_NO },
	{ "level", CPUID(0, 0, EAX), 0, 32, GABI_RULE_PRESENTED, GABI_HIDE_CPUID_ONLY },
	{ "apic-id", CPUID(1, 0, EBX), 24, 8, GABI_RULE_FREE, GABI_HIDE_CPUID_ONLY },
	{ "osxsave", CPUID(1, 0, ECX), 27, 1, GABI_RULE_FREE, GABI_HIDE_CPUID_ONLY },
	{ "vmx", CPUID(1, 0, ECX), 5, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "x2apic", CPUID(1, 0, ECX), 21, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "aes", CPUID(1, 0, ECX), 25, 1, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY },
	{ "avx512f", CPUID(7, 0, EBX), 16, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "zero-fcs-fds", CPUID(7, 0, EBX), 13, 1, GABI_RULE_SUPERSET, GABI_HIDE_NO },
	{ "pmu-version", CPUID(0xa, 0, EAX), 0, 8, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS },
	{ "pmu-no-llc-misses", CPUID(0xa, 0, EBX), 4, 1, GABI_RULE_SUPERSET, GABI_HIDE_CPUID_ONLY },
	{ "topo-b-x2apic-id", CPUID(0xb, 1, EDX), 0, 32, GABI_RULE_FREE, GABI_HIDE_CPUID_ONLY },
	{ "xcr0-xtiledata", CPUID(0xd, 0, EAX), 18, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "xsave-size-enabled", CPUID(0xd, 0, EBX), 0, 32, GABI_RULE_FREE, GABI_HIDE_CPUID_ONLY },
	{ "xsave-size-max", CPUID(0xd, 0, ECX), 0, 32, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY },
	{ "xsave-avx-size", CPUID(0xd, 2, EAX), 0, 32, GABI_RULE_EQUAL, GABI_HIDE_CPUID_ONLY },
	{ "xsave-pkru-offset", CPUID(0xd, 9, EBX), 0, 32, GABI_RULE_EQUAL, GABI_HIDE_CPUID_ONLY },
	{ "crystal-hz", CPUID(0x15, 0, ECX), 0, 32, GABI_RULE_PRESENTED, GABI_HIDE_CPUID_ONLY },
	{ "svm", CPUID(0x80000001, 0, ECX), 2, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "invtsc", CPUID(0x80000007, 0, EDX), 8, 1, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY },
	{ "phys-bits", CPUID(0x80000008, 0, EAX), 0, 8, GABI_RULE_AT_MOST, GABI_HIDE_CPUID_ONLY },
	{ "npt", CPUID(0x8000000a, 0, EDX), 0, 1, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY },
	{ "rsba", MSR(0x10a), 2, 1, GABI_RULE_SUPERSET, GABI_HIDE_CPUID_ONLY },
	{ "rrsba", MSR(0x10a), 19, 1, GABI_RULE_SUPERSET, GABI_HIDE_CPUID_ONLY },
	{ "mds-no", MSR(0x10a), 5, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "tsx-ctrl", MSR(0x10a), 7, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "vmx-vmcs-revision", MSR(0x480), 0, 31, GABI_RULE_EQUAL, GABI_HIDE_FAULTS },
	{ "vmx-vmcs-size", MSR(0x480), 32, 13, GABI_RULE_AT_LEAST, GABI_HIDE_FAULTS },
	{ "vmx-preemption-timer-rate", MSR(0x485), 0, 5, GABI_RULE_EQUAL, GABI_HIDE_FAULTS },
	{ "vmx-cr3-target-count", MSR(0x485), 16, 9, GABI_RULE_AT_MOST, GABI_HIDE_FAULTS },
	{ "vmx-cr0-fixed0", MSR(0x486), 0, 64, GABI_RULE_SUPERSET, GABI_HIDE_NO },
	{ "vmx-cr4-fixed1", MSR(0x489), 0, 64, GABI_RULE_DERIVED, GABI_HIDE_NO },
	{ "vmx-vmcs-enum", MSR(0x48a), 1, 9, GABI_RULE_PRESENTED, GABI_HIDE_CPUID_ONLY },
	{ "vmx-ept", MSR(0x48b), 33, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "vmx-ept-must-be-1", MSR(0x48b), 1, 1, GABI_RULE_SUPERSET, GABI_HIDE_NO },
	{ "vmx-tsc-scaling", MSR(0x48b), 57, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "vmx-invvpid-single-context", MSR(0x48c), 41, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "vmx-pinbased-ctls-may-be-1", MSR(0x481), 32, 32, GABI_RULE_DERIVED, GABI_HIDE_NO },
	{ "ucode-rev", MSR(0x8b), 32, 32, GABI_RULE_PRESENTED, GABI_HIDE_CPUID_ONLY },
	{ "KVM_CAP_TSC_CONTROL", { .space = GABI_SPACE_CAP, .index = 60 }, 0, 32, GABI_RULE_OFFERED, GABI_HIDE_NO },
	{ "KVM_CAP_DISABLE_QUIRKS2", { .space = GABI_SPACE_CAP, .index = 213 }, 0, 32, GABI_RULE_OFFERED, GABI_HIDE_NO },
	{ "kvm-pv-eoi", { .space = GABI_SPACE_KVM, .index = 0x40000001 }, 6, 1, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY },
	{ "hv-evmcs", { .space = GABI_SPACE_HYPERV, .index = 0x40000004 }, 14, 1, GABI_RULE_SUBSET, GABI_HIDE_FAULTS },
	{ "hv-emsr-bitmap", { .space = GABI_SPACE_HYPERV, .index = 0x4000000a }, 19, 1, GABI_RULE_SUBSET, GABI_HIDE_CPUID_ONLY },
	{ "tsc-khz", { .space = GABI_SPACE_VM, .index = GABI_VM_TSC_KHZ }, 0, 64, GABI_RULE_FREQUENCY, GABI_HIDE_NO },
	{ "kvm-quirks", { .space = GABI_SPACE_VM, .index = GABI_VM_QUIRKS }, 0, 64, GABI_RULE_ON_REQUEST, GABI_HIDE_NO },
};

static void what_blocks_migrations__is_there_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known)[0]; i++) {
		const struct gabi_field *field = gabi_field_by_name(known[i].name, GABI_ARCH_X86);
		struct gabi_key key = known[i].key;

		if (!field)
			fail_msg("%s has no row", known[i].name);
		key.sub = field->key.sub; /* a run is known by its first subleaf */
		if (gabi_key_compare(&field->key, &key) || known[i].key.sub > field->sub_last || field->lo != known[i].lo ||
		    field->bits != known[i].bits || field->rule != known[i].rule || field->hide != known[i].hide)
			fail_msg("%s is another field, rule or hiding than expected", known[i].name);
	}
}

static void field_by_name__takes_each_tools_name(void **state)
{
	static const struct {
		const char *asked, *name;
	} rows[] = {
		{ "pni", "pni" }, { "sse3", "pni" }, { "qemu:sse3", "pni" }, { "libvirt:pclmuldq", "pclmulqdq" }, { "linux:sse4_1", "sse4.1" },
		{ "libvirt:pcid", "pcid" }, { "qemu:avx512f", "avx512f" }, { "tsc_deadline_timer", "tsc-deadline" },
		{ "linux:ARCH_CAP_FB_CLEAR", "fb-clear" }, { "xd", "nx" }, { "hv-apicv", "hv-avic" }, { "nobody:avx512f", NULL },
		{ "qemu:no-such-feature", NULL }, { "", NULL }, { "qemu:", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) {
		const struct gabi_field *field = gabi_field_by_name(rows[i].asked, GABI_ARCH_X86);

		if (!field != !rows[i].name || (field && strcmp(field->name, rows[i].name)))
			fail_msg("%s is %s", rows[i].asked, field ? field->name : "nothing");
	}
	assert_null(gabi_field_by_name("avx512f", GABI_ARCH_ARM64));
}

static void field_by_name_next__gives_every_bit_that_a_name_sets(void **state)
{
	static const struct {
		const char *asked, *names[GABI_FIELDS_OF_NAME + 1];
	} rows[] = {
		{ "pae", { "pae", "pae-80000001" } }, { "qemu:pae", { "pae", "pae-80000001" } },
		{ "kvmclock", { "kvmclock", "kvmclock2" } }, { "hv-time", { "hv-time-ref-count", "hv-time-reference-tsc" } },
		{ "hv-frequencies", { "hv-frequencies", "hv-frequency-msrs" } }, { "avx512f", { "avx512f" } },
		{ "vmx-invept-single-context", { "vmx-invept-single-context", "vmx-invvpid-single-context" } },
		{ "pae-80000001", { "pae-80000001" } }, { "sse3", { "pni" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) {
		const struct gabi_field *field = gabi_field_by_name(rows[i].asked, GABI_ARCH_X86);
		size_t found = 0;

		for (; field; field = gabi_field_by_name_next(rows[i].asked, GABI_ARCH_X86, field), found++)
			if (!rows[i].names[found] || strcmp(field->name, rows[i].names[found]))
				fail_msg("%s gives %s", rows[i].asked, field->name);
		if (rows[i].names[found])
			fail_msg("%s does not give %s", rows[i].asked, rows[i].names[found]);
	}
}

static void field_by_name_next__never_gives_more_than_it_says(void **state)
{
	size_t count;
	const struct gabi_field *rows = gabi_fields(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct gabi_field *field = gabi_field_by_name(rows[i].name, gabi_space_arch(rows[i].key.space));
		size_t found = 0;

		for (; field; field = gabi_field_by_name_next(rows[i].name, gabi_space_arch(rows[i].key.space), field))
			found++;
		if (!found || found > GABI_FIELDS_OF_NAME)
			fail_msg("%s stands for %zu fields", rows[i].name, found);
	}
}

static void spaces__of_one_kind_share_their_rows(void **state)
{
	static const struct {
		unsigned space, home;
		uint64_t index;
	} rows[] = {
		{ GABI_SPACE_CPUID_EMULATED, GABI_SPACE_CPUID, 1 },
		{ GABI_SPACE_HYPERV_EVMCS, GABI_SPACE_HYPERV, 0x4000000a },
		{ GABI_SPACE_HYPERV_SYSTEM, GABI_SPACE_HYPERV, 0x40000003 },
		{ GABI_SPACE_MSR_DEFAULT, GABI_SPACE_MSR, 0x10a },
		{ GABI_SPACE_CAP_SYSTEM, GABI_SPACE_CAP, 124 },
		{ GABI_SPACE_MSR_EVMCS, GABI_SPACE_MSR, 0x48b },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) {
		struct gabi_key key = { .space = (uint16_t)rows[i].space, .index = rows[i].index };
		struct gabi_key home = { .space = (uint16_t)rows[i].home, .index = rows[i].index };
		size_t count, home_count;

		assert_ptr_equal(gabi_fields_of(&key, &count), gabi_fields_of(&home, &home_count));
		assert_true(count && count == home_count);
		assert_ptr_equal(gabi_reg_of(&key), gabi_reg_of(&home));
	}
}

static void msrs__have_one_row_from_either_side(void **state)
{
	size_t count;
	const struct gabi_reg *reg = gabi_regs(&count);
	struct gabi_key basic = { .space = GABI_SPACE_MSR_STATE, .index = 0x480 }, star = MSR(0xc0000081);

	(void)state;
	assert_string_equal(gabi_reg_of(&basic)->name, "MSR_IA32_VMX_BASIC");
	assert_string_equal(gabi_reg_of(&star)->name, "MSR_STAR");
	assert_null(gabi_fields_of(&basic, &count)); /* in that space its word says only that it is there */
	gabi_regs(&count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++)
			if (reg[i].key.space == GABI_SPACE_MSR && reg[k].key.space == GABI_SPACE_MSR_STATE &&
			    reg[i].key.index == reg[k].key.index)
				fail_msg("%s and %s are one MSR", reg[i].name, reg[k].name);
}

static void showable__adds_what_asks_nothing_of_the_host(void **state)
{
	struct gabi_key capabilities = MSR(0x10a), other = MSR(0x10b);

	(void)state;
	assert_true(gabi_showable(&capabilities, 0xe120) == 0x2e120);
	assert_true(gabi_showable(&capabilities, 0xffff) == 0x2ffff);
	assert_true(gabi_showable(&capabilities, 0xe020) == 0xe020);
	assert_true(gabi_showable(&other, 0xe120) == 0xe120);
}

static void runs__cover_their_subleaves_and_no_other(void **state)
{
	static const struct {
		uint64_t leaf;
		uint32_t sub;
		const char *name;
	} rows[] = {
		{ 4, 0, "cache4-type[0]" }, { 4, 63, "cache4-type[63]" }, { 4, 64, NULL }, { 0xd, 2, "xsave-avx-size" },
		{ 0xd, 20, "xsave-state-size[20]" }, { 0xd, 62, "xsave-state-size[62]" }, { 0xd, 63, NULL }, { 7, 3, NULL },
		{ 0x80000008, 1, NULL }, { 0xffffffff, 0xffffffff, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows)[0]; i++) {
		struct gabi_key key = { .space = GABI_SPACE_CPUID, .index = rows[i].leaf, .sub = rows[i].sub };
		size_t count;
		const struct gabi_field *field = gabi_fields_of(&key, &count);
		char name[64] = "";

		if (field)
			gabi_field_print(field, &key, name, sizeof(name));
		if (!field != !rows[i].name || (field && strcmp(name, rows[i].name)))
			fail_msg("leaf %#llx.%u is %s", (unsigned long long)rows[i].leaf, rows[i].sub, name);
	}
}

static void counts__are_what_one_can_rely_on(void **state)
{
	static const struct {
		unsigned space;
		size_t fields, regs;
	} least[] = {
		{ GABI_SPACE_CPUID, 900, 60 }, { GABI_SPACE_KVM, 20, 2 }, { GABI_SPACE_HYPERV, 90, 12 }, { GABI_SPACE_MSR, 200, 25 },
		{ GABI_SPACE_MSR_STATE, 0, 140 }, { GABI_SPACE_CAP, 240, 240 },
	};
	size_t count, reg_count;
	const struct gabi_field *field = gabi_fields(&count);
	const struct gabi_reg *reg = gabi_regs(&reg_count);

	(void)state;
	for (size_t i = 0; i < sizeof(least) / sizeof(least)[0]; i++) {
		size_t fields = 0, regs = 0;

		for (size_t k = 0; k < count; k++)
			fields += field[k].key.space == least[i].space;
		for (size_t k = 0; k < reg_count; k++)
			regs += reg[k].key.space == least[i].space;
		print_message("%s: %zu fields, %zu registers\n", gabi_space_text(least[i].space), fields, regs);
		assert_true(fields >= least[i].fields && regs >= least[i].regs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields__have_names_of_their_own),
		cmocka_unit_test(fields__say_where_they_were_read),
		cmocka_unit_test(fields__other_names_are_well_formed),
		cmocka_unit_test(fields__are_of_a_kind_that_their_width_can_hold),
		cmocka_unit_test(whens__name_a_field_that_always_decides),
		cmocka_unit_test(fields__stand_in_a_register),
		cmocka_unit_test(registers__have_names_of_their_own),
		cmocka_unit_test(what_blocks_migrations__is_there_by_name),
		cmocka_unit_test(field_by_name__takes_each_tools_name),
		cmocka_unit_test(field_by_name_next__gives_every_bit_that_a_name_sets),
		cmocka_unit_test(field_by_name_next__never_gives_more_than_it_says),
		cmocka_unit_test(spaces__of_one_kind_share_their_rows),
		cmocka_unit_test(msrs__have_one_row_from_either_side),
		cmocka_unit_test(showable__adds_what_asks_nothing_of_the_host),
		cmocka_unit_test(runs__cover_their_subleaves_and_no_other),
		cmocka_unit_test(counts__are_what_one_can_rely_on),
	};

	return cmocka_run_group_tests_name("vocab_x86", tests, NULL, NULL);
}
