/* SPDX-License-Identifier: MIT */
/* src/contract/cpu_string.c: what a -cpu argument asks for, and what is refused. That QEMU reads arguments so is
 * tests/oracle/cpu_qemu.py's to see; these cases need no QEMU, and are those that it cannot be asked for without KVM. */
#include <gabi/cpu_string.h>
#include <gabi/vocab.h>

#include "base/base.h"
#include "short_mem.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct gabi_cpu *parse(const char *text)
{
	struct gabi_diag diag = { 0 };
	struct gabi_cpu *cpu;

	if (gabi_cpu_parse(text, strlen(text), NULL, NULL, &cpu, &diag))
		fail_msg("%s: %s", text, diag.text);
	return cpu;
}

static bool is_set(const struct gabi_word *word, size_t count, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);

	for (size_t i = 0; i < count; i++)
		if (!gabi_key_compare(&word[i].key, &field->key))
			return word[i].value >> field->lo & 1;
	return false;
}

static bool asks_for(const struct gabi_cpu *cpu, const char *name)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);

	return is_set(word, count, name);
}

static bool names(const struct gabi_cpu *cpu, const char *name)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_named(cpu, &count);

	return is_set(word, count, name);
}

static const struct {
	const char *text, *feature;
	bool on;
} cases[] = {
	{ "Cascadelake-Server-v5", "vmx-xsaves", false },           /* its VMX features count only beside vmx */
	{ "Cascadelake-Server-v5,vmx=on", "vmx-xsaves", true },
	{ "Cascadelake-Server-v5,+vmx,-xsaves", "vmx-xsaves", false },
	{ "Cascadelake-Server-v5,+vmx,-vmx-ept", "vmx-invept", false },
	{ "Cascadelake-Server-v5,+vmx,-vmx-ept", "vmx-invvpid", true },
	{ "Cascadelake-Server-v5,+vmx,-vmx-vpid", "vmx-invvpid", false },
	{ "Cascadelake-Server-v5,+vmx,-vmx-secondary-ctls", "vmx-unrestricted-guest", false }, /* by way of vmx-ept */
	{ "-cpu Cascadelake-Server-eVMCS,vmx", "vmx-ept", true },
	{ "-cpu Cascadelake-Server-eVMCS,vmx", "vmx-pml", false },
	{ "host", "avx2", false },
	{ "host,+avx2", "avx2", true },
	{ "max,avx2=on,-avx2", "avx2", false },
	{ "base,avx2=off,+avx2", "avx2", true },
	{ "qemu64,hv_relaxed", "hv-relaxed", true },
	{ "qemu64,+hv-time", "hv-time-ref-count", true },
	{ "qemu64,+hv-time", "hv-time-reference-tsc", true },
	{ "qemu64,hv-vapic,vmx,hv-evmcs", "hv-evmcs", true },
	{ "host,hv-vapic,hv-evmcs", "hv-evmcs", true }, /* the host may have vmx */
	{ "host,hv-passthrough,hv-evmcs", "hv-evmcs", true },
	{ "  qemu64,avx2\n", "avx2", true },
};

static void parse__applies_items_in_qemus_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(cases); i++) {
		struct gabi_cpu *cpu = parse(cases[i].text);

		if (asks_for(cpu, cases[i].feature) != cases[i].on)
			fail_msg("%s: %s", cases[i].text, cases[i].feature);
		gabi_cpu_free(cpu);
	}
}

static const struct {
	const char *text;
	int err;
	const char *says;
} refusals[] = {
	{ "", GABI_ERR_SYNTAX, "begins with a CPU model" },
	{ "-cpu ", GABI_ERR_SYNTAX, "begins with a CPU model" },
	{ ",avx2", GABI_ERR_SYNTAX, "begins with a CPU model" },
	{ "Casadelake-Server", GABI_ERR_UNKNOWN, "near it are Cascadelake-Server," },
	{ "cascadelake-server", GABI_ERR_UNKNOWN, "Cascadelake-Server" },
	{ "zzzzzzzz", GABI_ERR_UNKNOWN, "no CPU model \"zzzzzzzz\"" },
	{ "qemu64,avx5", GABI_ERR_UNKNOWN, "near it are avx, avx2 and adx" },
	{ "qemu64,+hv_relaxed", GABI_ERR_UNKNOWN, "near it is hv-relaxed" },
	{ "qemu64,vmx-dual-monitor", GABI_ERR_UNKNOWN, "no CPU property" }, /* ours, not QEMU's */
	{ "qemu64,avx2=1", GABI_ERR_RANGE, "wants on or off and not \"1\"" },
	{ "qemu64,family=271", GABI_ERR_RANGE, "so large" },
	{ "qemu64,family=x", GABI_ERR_RANGE, "wants a number" },
	{ "qemu64,level=18446744073709551616", GABI_ERR_RANGE, "wants a number" },
	{ "qemu64,vendor=abc", GABI_ERR_RANGE, "12 characters" },
	{ "qemu64,+family", GABI_ERR_RANGE, "write family=VALUE" },
	{ "qemu64,tsc-freq=2.", GABI_ERR_RANGE, "a frequency" },
	{ "qemu64,vmx,hv-evmcs", GABI_ERR_CONFLICT, "hv-evmcs needs hv-vapic" },
	{ "qemu64,hv-vapic,hv-evmcs", GABI_ERR_CONFLICT, "hv-evmcs needs vmx" },
	{ "host,hv-evmcs", GABI_ERR_CONFLICT, "hv-evmcs needs hv-vapic" },
	{ "qemu64,hv-stimer,hv-synic,hv-vpindex", GABI_ERR_CONFLICT, "hv-stimer needs hv-time" },
	{ "qemu64,hv-ipi", GABI_ERR_CONFLICT, "hv-ipi needs hv-vpindex" },
	{ "cortex-a57,+pmu", GABI_ERR_SYNTAX, "take name=value, and not \"+pmu\"" },
	{ "cortex-a57,pmu=1", GABI_ERR_RANGE, "wants on or off" },
	{ "cortex-a57,pmuv=on", GABI_ERR_UNKNOWN, "near it is pmu" },
	{ "cortex-a57,sve=off", GABI_ERR_UNKNOWN, "without that" },
	{ "cortex-a57,aarch64=off", GABI_ERR_UNSUPPORTED, "32-bit" },
	{ "cortex-a57,kvm-steal-time=off", GABI_ERR_UNKNOWN, "no property" },
	{ "a64fx,sve384=on", GABI_ERR_CONFLICT, "cannot enable sve384" },
	{ "a64fx,sve512=on,sve256=off", GABI_ERR_CONFLICT, "cannot disable sve256" },
	{ "a64fx,sve128=off", GABI_ERR_CONFLICT, "cannot disable sve128" },
	{ "a64fx,sve=off,sve128=on", GABI_ERR_CONFLICT, "without SVE" },
	{ "a64fx,sve130=on", GABI_ERR_UNKNOWN, "no property \"sve130\"" },
	{ "a64fx,sve0128=on", GABI_ERR_UNKNOWN, "no property" },
	{ "a64fx,sve18446744073709551616=on", GABI_ERR_UNKNOWN, "no property" },
	{ "neoverse-v1,pauth=off,pauth-impdef=on", GABI_ERR_CONFLICT, "want pauth" },
};

static void parse__refuses_in_one_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(refusals); i++) {
		struct gabi_diag diag = { 0 };
		struct gabi_cpu *cpu = NULL;
		int err = gabi_cpu_parse(refusals[i].text, strlen(refusals[i].text), NULL, NULL, &cpu, &diag);

		if (err != refusals[i].err || diag.err != err || !strstr(diag.text, refusals[i].says) || cpu)
			fail_msg("%s: %d %s", refusals[i].text, err, diag.text);
	}
}

static void parse__refuses_what_is_no_text(void **state)
{
	static char large[GABI_CPU_MAX_LEN + 1];
	struct gabi_diag diag = { 0 };
	struct gabi_cpu *cpu = NULL;

	(void)state;
	memset(large, ',', sizeof(large));
	memcpy(large, "qemu64", 6);
	assert_int_equal(gabi_cpu_parse(large, sizeof(large), NULL, NULL, &cpu, &diag), GABI_ERR_LIMIT);
	assert_int_equal(gabi_cpu_parse("qemu64\0,avx2", 12, NULL, NULL, &cpu, &diag), GABI_ERR_SYNTAX);
	assert_null(cpu);
	assert_int_equal(gabi_cpu_parse(large, sizeof(large) - 1, NULL, NULL, &cpu, &diag), 0);
	gabi_cpu_free(cpu);
}

static void options__are_kept_as_written_and_the_last_counts(void **state)
{
	struct gabi_cpu *cpu = parse("host,pmu=off,enforce,tsc-freq=2.5G,+pmu,migratable=no");

	(void)state;
	assert_string_equal(gabi_cpu_option(cpu, "pmu"), "on");
	assert_string_equal(gabi_cpu_option(cpu, "enforce"), "on");
	assert_string_equal(gabi_cpu_option(cpu, "tsc-freq"), "2.5G");
	assert_string_equal(gabi_cpu_option(cpu, "migratable"), "no");
	assert_null(gabi_cpu_option(cpu, "check"));
	assert_true(gabi_cpu_takes_host(cpu));
	assert_null(gabi_cpu_model(cpu));
	gabi_cpu_free(cpu);
	cpu = parse("Haswell-noTSX");
	assert_string_equal(gabi_cpu_model(cpu)->name, "Haswell-v2");
	assert_false(gabi_cpu_takes_host(cpu));
	gabi_cpu_free(cpu);
}

static void named__holds_what_the_argument_speaks_of(void **state)
{
	struct gabi_cpu *cpu = parse("Haswell-noTSX,-avx2,+aes,family=6");
	size_t count;
	const struct gabi_word *word = gabi_cpu_named(cpu, &count);

	(void)state;
	assert_true(names(cpu, "avx2"));
	assert_true(names(cpu, "aes"));
	assert_false(names(cpu, "avx"));
	assert_int_equal(word[0].key.index, 1);
	assert_int_equal(word[0].value, 0xff00f00); /* all of the family */
	gabi_cpu_free(cpu);
}

static void notes__tell_what_qemu_only_warns_of(void **state)
{
	struct gabi_cpu *cpu = parse("qemu64,+avx2,avx2=off");

	(void)state;
	assert_int_equal(gabi_cpu_note_count(cpu), 1);
	assert_string_equal(gabi_cpu_note(cpu, 0), "+avx2 overrides avx2=on and =off, wherever they stand");
	gabi_cpu_free(cpu);
	cpu = parse("qemu64,+vmx-ept"); /* without vmx and vmx-secondary-ctls */
	assert_int_equal(gabi_cpu_note_count(cpu), 1);
	assert_string_equal(gabi_cpu_note(cpu, 0), "vmx-ept is off, since it needs vmx-secondary-ctls");
	gabi_cpu_free(cpu);
	cpu = parse("Cascadelake-Server"); /* what a model has and cannot use is no news */
	assert_int_equal(gabi_cpu_note_count(cpu), 0);
	gabi_cpu_free(cpu);
}

static void levels__rise_unless_given(void **state)
{
	static const struct {
		const char *text;
		uint64_t level;
	} levels[] = {
		{ "486", 1 }, { "486,+avx2", 7 }, { "486,+avx2,level=3", 3 }, { "486,min-level=10", 10 }, { "486,+intel-pt", 0x14 },
		{ "qemu64,min-level=0x2", 2 }, { "Haswell", 13 },
	};

	(void)state;
	for (size_t i = 0; i < GABI_COUNT_OF(levels); i++) {
		struct gabi_cpu *cpu = parse(levels[i].text);
		size_t count;
		const struct gabi_word *word = gabi_cpu_words(cpu, &count);

		if (word[0].key.index != 0 || word[0].key.part != GABI_EAX || word[0].value != levels[i].level)
			fail_msg("%s: %llu", levels[i].text, (unsigned long long)word[0].value);
		gabi_cpu_free(cpu);
	}
}

static void parse__survives_any_short_memory(void **state)
{
	static const char text[] = "Haswell,+avx2,avx2=off,pmu,+vmx-pml,hv-vapic";
	bool done = false;

	(void)state;
	for (unsigned at = 1; !done; at++) {
		struct short_mem failing = { .fail_at = at };
		const struct gabi_mem mem = short_mem_of(&failing);
		struct gabi_cpu *cpu = NULL;
		int err = gabi_cpu_parse(text, strlen(text), NULL, &mem, &cpu, NULL);

		done = !short_mem_hit(&failing);
		assert_int_equal(err, done ? 0 : GABI_ERR_NOMEM);
		gabi_cpu_free(cpu);
		assert_int_equal(failing.live, 0);
		assert_true(at < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__applies_items_in_qemus_order),
		cmocka_unit_test(parse__refuses_in_one_sentence),
		cmocka_unit_test(parse__refuses_what_is_no_text),
		cmocka_unit_test(options__are_kept_as_written_and_the_last_counts),
		cmocka_unit_test(named__holds_what_the_argument_speaks_of),
		cmocka_unit_test(notes__tell_what_qemu_only_warns_of),
		cmocka_unit_test(levels__rise_unless_given),
		cmocka_unit_test(parse__survives_any_short_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
